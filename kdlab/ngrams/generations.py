"""A student's texts become the next student's corpus, again and again: what is lost? Exact for chains: no sampling.

With endlessly many texts a student is the M-projection of what its corpus was drawn from. So what is lost here is lost
to the temperature and to what students can hold, none of it to chance in a finite corpus.
"""

import math
from dataclasses import dataclass

import numpy as np

from kdlab.ngrams._tables import by_length, rows_of
from kdlab.ngrams.model import NGramChain


@dataclass(frozen=True)
class Generation:
    """A student, counted from 1, and its precision and recall in nats per string."""

    number: int
    student: NGramChain
    precision: float
    recall: float


def successors(
    truth: NGramChain, teacher: NGramChain, order: int, tau: float, *, n: int = 5, real: float = 0.0
) -> tuple[Generation, ...]:
    """Return ``n`` generations of students of ``order``, each taught by the one before it, sampled at tau.

    The first learns from the teacher, tempered by tau. Each later one learns from texts of the student before it,
    tempered by tau too, and a share ``real`` of texts of p*: the projection of that mixture has the weighted mean of
    the expected counts. With tau = 1 and a teacher that is p*'s projection all generations are alike, whatever the
    share. Raises ValueError for two alphabets, tau that is not positive and finite, n that is not whole or below 1, a
    share outside [0, 1], and as `NGramChain.fit` does, so where the texts of a generation practically never end.
    """
    _check(tau, n, real)
    student, found = NGramChain.fit(teacher.tempered(1 / tau), order=order), list[Generation]()
    while True:
        precision, recall = student.expected_log_prob(truth).value, truth.expected_log_prob(student).value
        found.append(Generation(len(found) + 1, student, precision, recall))
        if len(found) == n:
            return tuple(found)
        student = _mixed(student.tempered(1 / tau), truth, order, real)


def _mixed(source: NGramChain, truth: NGramChain, order: int, real: float) -> NGramChain:
    """The projection of texts of ``source``, of that order already, and a share of p*'s among them."""
    if real == 0:
        return source
    depth = max(order, 1)
    counts = (1 - real) * source.step_counts(depth) + real * truth.step_counts(depth)
    return NGramChain(rows_of(by_length(counts, len(truth.alphabet)), order), order, truth.alphabet)


def _check(tau: float, n: int, real: float) -> None:
    if not (tau > 0 and math.isfinite(tau)):
        raise ValueError(f"tau is {tau}: a positive temperature is needed; try 1")
    if isinstance(n, bool) or not isinstance(n, int | np.integer) or n < 1:
        raise ValueError(f"n is {n!r}: ask for 1 generation or more")
    if not 0 <= real <= 1:
        raise ValueError(f"real is {real}: give the share of p*'s own texts in each corpus, from 0 to 1")
