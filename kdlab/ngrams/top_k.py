"""A student that practises on its own names and is shown the teacher's k likeliest letters at each step. Pure."""

import numpy as np
from numpy.typing import NDArray

from kdlab.core.metrics import log_sum_exp
from kdlab.ngrams._tables import by_length, gathered
from kdlab.ngrams.model import NGramChain
from kdlab.ngrams.objectives import check_chains

FloatArray = NDArray[np.float64]


def practise(student: NGramChain, teacher: NGramChain, k: int, updates: int, *, tail: bool = False) -> NGramChain:
    """Return the student after ``updates`` steps down the slope of a reverse KL per step, on its own prefixes.

    S are the teacher's ``k`` likeliest letters at a prefix, the end being one; q and p the rows of student and teacher.
    The loss is KL(q || p) of both cut to S and normalised; with ``tail``, of S and one more letter that stands for all
    others (Huang & Wei 2026, arXiv 2608.14728, mend the first so). An update moves the logits of each row by minus the
    gradient of its mean loss, prefixes held fixed. Raises ValueError for k below 1 or not whole, and for chains between
    which `compare_objectives` would raise it.
    """
    shown = _shown(student, teacher, k)
    taught = _seen(teacher.table, shown, tail)
    for _ in range(updates):
        visits, own = _own_steps(student, teacher)
        seen = _seen(own, shown, tail)
        odds = own if tail else seen
        ratio = np.log(np.divide(seen, taught, where=odds > 0, out=np.ones_like(odds)))
        slopes = visits * odds * (ratio - (odds * ratio).sum(axis=1, keepdims=True))
        sums = (by_length(x, len(student.alphabet)) for x in (slopes, np.broadcast_to(visits, slopes.shape)))
        total, weight = (np.concatenate(gathered(one, student.order)) for one in sums)
        logs = student.log_table - total / np.where(weight > 0, weight, 1.0)
        student = NGramChain(np.exp(logs - log_sum_exp(logs)[:, None]), student.order, student.alphabet)
    return student


def tail_mass(student: NGramChain, teacher: NGramChain, k: int) -> float:
    """Return what the student gives, of its steps, to letters outside the teacher's ``k``; errors as in `practise`."""
    visits, own = _own_steps(student, teacher)
    return float((visits * np.where(_shown(student, teacher, k), 0.0, own)).sum() / visits.sum())


def _shown(student: NGramChain, teacher: NGramChain, k: int) -> NDArray[np.bool_]:
    """(R, A + 1): the teacher's k likeliest letters after each of its contexts; ties go to the alphabet's first."""
    check_chains(student, teacher, student.order)
    if isinstance(k, bool) or not isinstance(k, int | np.integer) or k < 1:
        raise ValueError(f"k is {k!r}: show 1 letter or more, a whole number; try 5")
    ranks = np.argsort(np.argsort(-teacher.table, axis=1, kind="stable"), axis=1)
    return np.asarray((ranks < k) & (teacher.table > 0))


def _seen(rows: FloatArray, shown: NDArray[np.bool_], tail: bool) -> FloatArray:
    """Rows as the loss sees them: normalised over what is shown; or with the mass of all others at each of those."""
    inside, outside = np.where(shown, rows, 0.0), np.where(shown, 0.0, rows).sum(axis=1, keepdims=True)
    return np.where(shown, rows, outside) if tail else inside / inside.sum(axis=1, keepdims=True)


def _own_steps(student: NGramChain, teacher: NGramChain) -> tuple[FloatArray, FloatArray]:
    """(R, 1) how often the student passes each context of the teacher, and (R, A + 1) its own row there."""
    levels = by_length(student.table, len(student.alphabet))
    more = range(1, teacher.order - student.order + 1)
    rows = np.concatenate([*levels, *(np.tile(levels[-1], (len(student.alphabet) ** n, 1)) for n in more)])
    return student.step_counts(teacher.order).sum(axis=1, keepdims=True), rows
