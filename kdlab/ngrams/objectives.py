"""Objectives of distillation between chains: where does each of them leave the student? Pure: no drawing.

A student that sees fewer letters than its teacher has to answer once for many prefixes. Objectives differ in two things
only: whose prefixes count, and whether the teacher's answers are averaged or their logarithms are. Every student here
is exact, and so are its precision and recall.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kdlab.core.metrics import log_sum_exp
from kdlab.ngrams._tables import by_length, gathered, rows_of
from kdlab.ngrams.model import NGramChain

FloatArray = NDArray[np.float64]
Update = Callable[[NGramChain, FloatArray, int], NGramChain]

NAMES = (
    "sequence, forward KL",
    "token on p*'s prefixes, forward KL",
    "token on its own prefixes, forward KL",
    "token on p*'s prefixes, reverse KL",
    "token on its own prefixes, reverse KL",
)
_SETTLED = 1e-12  # no probability moves by more than this
_MOST_UPDATES = 1_000


@dataclass(frozen=True)
class Outcome:
    """An objective, the student that it leads to, and that student's precision and recall in nats per string."""

    name: str
    student: NGramChain
    precision: float
    recall: float


def compare_objectives(truth: NGramChain, teacher: NGramChain, order: int, tau: float) -> tuple[Outcome, ...]:
    """Return five outcomes, in the order of NAMES: students of ``order`` of the teacher, its steps tempered by tau.

    With p' the tempered teacher, q the student, s a prefix as the teacher sees it and c(s) what the student sees of it:

    - Sequence, forward KL: q minimises KL(p' || q) between whole strings, as in the paper: `NGramChain.fit`.
    - Token, forward KL, on p*'s prefixes: q minimises E_{s ~ p*} KL(p'(.|s) || q(.|c(s))), so q(.|c) is the mean of
      p'(.|s), each s weighed by how often p* passes it. On its own prefixes: s ~ q, held fixed in each update as in
      token-level training (GKD; Agarwal et al. 2024, arXiv 2306.13649); see `_settled`.
    - Token, reverse KL, on either: q minimises E_s KL(q(.|c(s)) || p'(.|s)), prefixes held fixed, so log q(.|c) is, up
      to a constant, the weighted mean of log p'(.|s). MiniLLM (Gu et al. 2024, arXiv 2306.08543) minimises KL(q || p')
      of whole strings, with a gradient through the prefixes too; here there is none.

    A student context that the prefixes never pass gets equal odds. ``teacher`` has order t >= 1 and no step of
    probability zero, ``order`` is 1 to t; all write in one alphabet. Raises ValueError where that is not so, for tau
    that is not positive and finite, and where strings practically never end; RuntimeError where nothing settles.

    >>> from kdlab.ngrams.experiment import teacher_temperature
    >>> sweep = teacher_temperature(positions=2)
    >>> outcomes = compare_objectives(sweep.truth, sweep.teacher, 1, tau=0.5)
    >>> [outcome.name for outcome in outcomes if outcome.precision > -14]
    ["token on p*'s prefixes, reverse KL", 'token on its own prefixes, reverse KL']
    """
    check_chains(truth, teacher, order)
    if not (tau > 0 and math.isfinite(tau)):
        raise ValueError(f"tau is {tau}: a positive temperature is needed; try 1")
    tempered = teacher.tempered(1 / tau)
    given = truth.step_counts(teacher.order).sum(axis=1)
    sequence = NGramChain.fit(tempered, order=order)
    students = (
        sequence,
        _averaged(tempered, given, order),
        _settled(_averaged, tempered, sequence),
        _averaged_logs(tempered, given, order),
        _settled(_averaged_logs, tempered, sequence),
    )
    return tuple(
        Outcome(name, student, student.expected_log_prob(truth).value, truth.expected_log_prob(student).value)
        for name, student in zip(NAMES, students, strict=True)
    )


def _averaged(teacher: NGramChain, visits: FloatArray, order: int) -> NGramChain:
    """The student of least forward KL where the prefixes pass the teacher's contexts ``visits`` (R,) times."""
    steps = by_length(visits[:, None] * teacher.table, len(teacher.alphabet))
    return NGramChain(rows_of(gathered(steps, order), order), order, teacher.alphabet)


def _averaged_logs(teacher: NGramChain, visits: FloatArray, order: int) -> NGramChain:
    """The student of least reverse KL, likewise."""
    n_letters, logs = len(teacher.alphabet), teacher.log_table.copy()
    logs[0, -1] = 0.0  # the end at the first position: masked below
    each = np.broadcast_to(visits[:, None], logs.shape)
    total = np.concatenate(gathered(by_length(each, n_letters), order))
    means = np.concatenate(gathered(by_length(each * logs, n_letters), order)) / np.where(total > 0, total, 1.0)
    means[0, -1] = -np.inf
    return NGramChain(np.exp(means - log_sum_exp(means)[:, None]), order, teacher.alphabet)


def _settled(update: Update, teacher: NGramChain, student: NGramChain) -> NGramChain:
    """Update the student on its own prefixes until no probability moves by more than 1e-12.

    Weights go half the way to its visits at each update, as whole steps may swing for ever. A teacher that sees just
    one letter more leaves the sequence-level student of forward KL where it is, for that one passes every run of
    letters that the teacher sees exactly as often as the teacher does.
    """
    visits = student.step_counts(teacher.order).sum(axis=1)
    for _ in range(_MOST_UPDATES):
        visits = (visits + student.step_counts(teacher.order).sum(axis=1)) / 2
        before, student = student, update(teacher, visits, student.order)
        moved = float(np.abs(student.table - before.table).max())
        if moved <= _SETTLED:
            return student
    raise RuntimeError(
        f"after {_MOST_UPDATES} updates on its own prefixes a probability of the student still moves by {moved:.2g} "
        f"at each: it has not settled to {_SETTLED:g}; try a tau nearer to 1"
    )


def check_chains(other: NGramChain, teacher: NGramChain, order: int) -> None:
    """Raise ValueError where students of ``order`` have no per-step losses between these; see above."""
    if other.alphabet != teacher.alphabet:
        raise ValueError(f"alphabets are {other.alphabet!r} and {teacher.alphabet!r}: give both the same letters")
    if isinstance(order, bool) or not isinstance(order, int | np.integer) or not 1 <= order <= teacher.order:
        raise ValueError(
            f"order is {order!r} beside a teacher of order {teacher.order}: choose from 1 to the "
            "teacher's (order 0 would tie the first letter's odds to all others')"
        )
    never = np.isneginf(teacher.log_table)
    never[0, -1] = False
    if never.any():
        raise ValueError(
            f"{never.sum()} steps of the teacher have probability zero: reverse KL needs all to be positive; "
            "project a chain that was fitted with smoothing"
        )
