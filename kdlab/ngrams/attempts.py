"""How many different acceptable answers come out of k draws? Exact for chains, for every k: no sampling, no drawing.

An answer x of probability q(x) is among k draws with probability 1 - (1 - q(x))^k. Summed over the acceptable answers,
that is how many different ones to expect. A selective student repeats itself, a less selective one errs: which of the
two is better hangs on k.
"""

from collections.abc import Callable, Collection, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kdlab.core.arrays import unmasked
from kdlab.core.attempts import estimated_pass_at_k as estimated_pass_at_k  # offered with these
from kdlab.ngrams._strings import decoded, encoded
from kdlab.ngrams._tables import best_to_come, by_length
from kdlab.ngrams.model import NGramChain

FloatArray = NDArray[np.float64]

MOST = 1_000_000  # strings that `likely_strings` lists
_LONGEST = 10_000  # letters of each
_SLACK = 1e-9  # nats: bounds are added up in another order than scores


def expected_distinct(
    student: NGramChain, accepted: Collection[str], k: ArrayLike, beginning: str = ""
) -> float | FloatArray:
    """Return how many different strings of ``accepted`` are expected in k draws: a number, or (K,) for K values of k.

    Repeats in ``accepted`` count once. With a ``beginning`` the student goes on from there, and of ``accepted`` only
    those count that begin so. The sum is over 1 - (1 - q)^k = -expm1(k log1p(-q)): no digit is lost for q down to
    1e-300, nor for k of 1e6 and far above. Raises ValueError for k below 1 or not whole, for no acceptable strings,
    for letters outside the alphabet, and for a beginning that none of them has.

    >>> coin = NGramChain([[0.5, 0.5, 0.0], [0.0, 0.0, 1.0], [0.0, 0.0, 1.0]], 1, "ab")
    >>> expected_distinct(coin, ["a"], [1, 2, 3])
    array([0.5  , 0.75 , 0.875])
    """
    draws = checked_draws(k)
    return _shaped(distinct(_odds(student, accepted, beginning), draws), k)


def pass_at_k(student: NGramChain, accepted: Collection[str], k: ArrayLike, beginning: str = "") -> float | FloatArray:
    """Return the probability that at least one of k draws is acceptable. Arguments and errors as above."""
    draws = checked_draws(k)
    return _shaped(any_right(_odds(student, accepted, beginning), draws), k)


def likely_strings(chain: NGramChain, level: float) -> list[str]:
    """Return every string of at least this log-probability (nats), shorter ones first, then by the alphabet.

    All beginnings are followed from which such a string can still be reached, and no others. Raises ValueError where
    there is none, and for more than a million.
    """
    levels, n_letters = by_length(chain.log_table, len(chain.alphabet)), len(chain.alphabet)
    to_come, last = best_to_come(levels), len(levels) - 1
    letters, scores, rows = np.zeros((1, 0), dtype=np.intp), np.zeros(1), np.zeros(1, dtype=np.intp)
    found, lowest = list[str](), max(level, -1e300)  # what is impossible never counts
    while rows.size:
        length = letters.shape[1]
        table = levels[min(length, last)][rows]
        ends = scores + table[:, -1] >= lowest
        if ends.any():
            found += decoded(np.pad(letters[ends], ((0, 0), (0, 1)), constant_values=n_letters), chain.alphabet)
        longer = scores[:, None] + table[:, :-1]
        then = (rows[:, None] * n_letters + np.arange(n_letters)) % n_letters**last
        come = to_come[min(length + 1, last)][then]
        which, letter = np.nonzero(longer + come >= lowest - _SLACK)
        if len(found) + len(which) > MOST or length == _LONGEST:
            raise ValueError(f"level is {level}: more than {MOST:,} strings are that likely; choose a higher one")
        letters = np.column_stack([letters[which], letter])
        scores, rows = longer[which, letter], then[which, letter]
    if not found:
        best, score = chain.most_likely()
        raise ValueError(f"level is {level}: no string is that likely; {best!r} has {score:.4g}: choose a level below")
    return found


# Sums over answers


def _odds(student: NGramChain, accepted: Collection[str], beginning: str) -> FloatArray:
    """(N,): the probability of each acceptable string; rounding may lift its logarithm above 0."""
    summed = adder(accepted, beginning, student.alphabet, student.order)
    return np.exp(np.minimum(summed(student.log_table), 0.0))


def distinct(odds: FloatArray, draws: FloatArray) -> FloatArray:
    """(K,): the sum over answers of 1 - (1 - q)^k."""
    with np.errstate(divide="ignore"):
        missed = np.log1p(-odds)
    return np.array([-np.expm1(k * missed).sum() for k in draws])


def any_right(odds: FloatArray, draws: FloatArray) -> FloatArray:
    """(K,): 1 - (1 - the mass of all answers)^k."""
    with np.errstate(divide="ignore"):
        return np.asarray(-np.expm1(draws * np.log1p(-min(float(odds.sum()), 1.0))))


def adder(accepted: Collection[str], beginning: str, alphabet: str, order: int) -> Callable[[FloatArray], FloatArray]:
    """What adds up numbers of a chain's steps (R, A + 1), after the beginning, along each acceptable string: (N,)."""
    strings = _fitting(accepted, beginning, alphabet)
    rows, symbols, starts = encoded(strings, alphabet, max(order, 1))
    skipped = starts[:, None] + np.arange(len(beginning))

    def summed(steps: FloatArray) -> FloatArray:
        taken = steps[rows, symbols]
        taken[skipped] = 0.0
        return np.asarray(np.add.reduceat(taken, starts))

    return summed


def _fitting(accepted: Collection[str], beginning: str, alphabet: str) -> Sequence[str]:
    if isinstance(accepted, str) or not isinstance(accepted, Collection | np.ndarray) or not len(accepted):
        raise ValueError(f"accepted is {accepted!r}: give one or more acceptable strings, like ['anna', 'otto']")
    ordered = sorted(accepted) if isinstance(accepted, set | frozenset) else list(dict.fromkeys(accepted))
    if not isinstance(beginning, str):
        raise ValueError(f"beginning is {beginning!r}: give the letters that a string begins with, or ''")
    if not beginning:
        return ordered
    encoded([beginning, *ordered], alphabet, 1)  # for its errors
    fitting = [string for string in ordered if string.startswith(beginning)]
    if not fitting:
        raise ValueError(
            f"beginning is {beginning!r}: none of {len(ordered)} acceptable strings has it; try a shorter one"
        )
    return fitting


def checked_draws(k: ArrayLike) -> FloatArray:
    """(K,) numbers of draws, whole and from 1; a single one becomes (1,)."""
    given = np.asarray(unmasked(k, "k"))
    known = given.dtype.kind in "iuf" or all(type(one) is int for one in given.flat)  # ints beyond 64 bits
    draws = np.atleast_1d(given).astype(float) if known and given.size and given.ndim < 2 else np.zeros(1)
    if not (np.isfinite(draws) & (draws >= 1) & (draws == np.floor(draws))).all():
        raise ValueError(f"k is {k!r}: a whole number of draws, 1 or more, is needed, or a list of such; try 100")
    return draws


def _shaped(values: FloatArray, like: ArrayLike) -> float | FloatArray:
    return values if np.ndim(like) else float(np.ravel(values)[0])
