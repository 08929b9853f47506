"""N-gram chains: text, one letter after the other, where everything is still exact.

A chain of order n draws each letter by looking at the n letters before it, until it draws the end. It is a language
model whose table fits on a page. Precision and recall are sums over its table, not averages over samples.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property
from itertools import product

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kdlab.core.arrays import unmasked
from kdlab.core.metrics import Estimate, Model, log_sum_exp, monte_carlo
from kdlab.ngrams._strings import check_alphabet, decoded, encoded
from kdlab.ngrams._tables import (
    by_length,
    expected_visits,
    likeliest,
    reachable,
    rows_of,
    smoothed,
    spread,
    weighted_counts,
)
from kdlab.ngrams.names import LETTERS

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]

MAX_ORDER = 4
SMOOTHING = 0.1  # the share of each row that comes from the context without its oldest letter
_LONGEST = 10_000  # letters; a drawn string that is longer has been caught in a loop
_TINY = 1e-290  # below this a count has lost digits to underflow
_BLOCK = 65_536  # rows drawn at once


class NGramChain:
    """An autoregressive model of strings of at least one letter: the next one hangs on the last ``order``. Frozen.

    ``table`` (R, A + 1) holds one row for each context: probabilities of the A letters of ``alphabet`` and, in the last
    column, of the end. Rows stand in the order of `contexts`: every prefix shorter than the order, then every run of
    ``order`` letters. A chain of order 0 has one row for the first letter and A equal ones for all others (R = A + 1),
    since a string may not end before it has begun. ``order`` is 0 to 4. Raises ValueError where ``table`` has another
    shape, is not made of probabilities, does not sum to one in each row, or ends a string at its first position.

    >>> coin = NGramChain([[0.5, 0.5, 0.0], [0.25, 0.25, 0.5], [0.25, 0.25, 0.5]], 0, "ab")
    >>> coin.log_prob(["ab"])  # log(0.5 * 0.25 * 0.5)
    array([-2.77258872])
    >>> round(coin.entropy, 4)  # two letters on average
    2.7726
    """

    order: int
    alphabet: str
    log_table: FloatArray

    def __init__(self, table: ArrayLike, order: int, alphabet: str = LETTERS) -> None:
        _check_order(order)
        check_alphabet(alphabet)
        with np.errstate(divide="ignore"):
            self._freeze(np.log(_checked_table(table, order, alphabet)), order, alphabet)

    @classmethod
    def _from_logs(cls, log_table: FloatArray, order: int, alphabet: str) -> NGramChain:
        """Build from rows of log-weights, each of which has a finite entry."""
        chain = cls.__new__(cls)
        chain._freeze(log_table, order, alphabet)
        return chain

    def _freeze(self, log_table: FloatArray, order: int, alphabet: str) -> None:
        logs = log_table - log_sum_exp(log_table)[:, None]
        logs.setflags(write=False)
        for name, value in (("order", order), ("alphabet", alphabet), ("log_table", logs)):
            object.__setattr__(self, name, value)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"cannot set {name!r}: an NGramChain is frozen; build a new one")

    def __repr__(self) -> str:
        return f"NGramChain(order {self.order} over {self.alphabet!r}, {len(self.log_table)} contexts)"

    @classmethod
    def fit(
        cls,
        source: Sequence[str] | NGramChain,
        weights: ArrayLike | None = None,
        order: int = 1,
        *,
        alphabet: str | None = None,
        smoothing: float | None = None,
    ) -> NGramChain:
        """Fit a chain of ``order`` to strings with weights (N,), equal unless given, or to a whole chain.

        To strings: each row is nine parts what followed the context in them and one part (``smoothing`` = 0.1) the row
        of the context without its oldest symbol, the start of a string being a symbol too; the shortest row of all has
        one part of equal odds. A context that no string shows takes the shorter one's row as it is. So every string
        has positive probability. (The interpolation of Jelinek & Mercer 1980 with one constant weight; Chen & Goodman
        1999 compare it with others.) Only ratios of weights enter.

        To a chain: its M-projection, exactly, the chain of that order with the highest expected log-likelihood under
        the source: what a student learns from infinitely many samples. No smoothing; a context that the source never
        visits gets equal odds. A source of that order or a lower one is returned itself.

        Raises ValueError for no strings, empty ones or letters outside the alphabet; for weights that do not match, are
        negative, not finite or all zero; for another order or smoothing outside [0, 1]; for weights, alphabet or
        smoothing beside a chain; and for a chain whose strings practically never end.
        """
        _check_order(order)
        if not isinstance(source, NGramChain):
            written_in = LETTERS if alphabet is None else alphabet
            with np.errstate(divide="ignore"):
                logs = np.log(_fitted_table(source, weights, order, written_in, smoothing))
            return cls._from_logs(logs, order, written_in)
        if any(extra is not None for extra in (weights, alphabet, smoothing)):
            raise ValueError(
                "weights, alphabet or smoothing were given beside a chain: it brings its own; "
                "write NGramChain.fit(chain, order=1)"
            )
        return source if order >= source.order else source._projected(order)

    # What it is

    @cached_property
    def table(self) -> FloatArray:
        """(R, A + 1): the probability of every next letter, and of the end, after each context."""
        table = np.exp(self.log_table)
        table.setflags(write=False)
        return table

    @property
    def contexts(self) -> list[str]:
        """The R contexts: those shorter than the order begin a string, the others are its last letters so far."""
        return ["".join(letters) for k in range(self._depth + 1) for letters in product(self.alphabet, repeat=k)]

    @cached_property
    def visits(self) -> FloatArray:
        """(R,): how often, on average, a string of the chain passes each context; summed, its mean length plus one.

        At most 1e-14 letters per string are left out. Raises ValueError where strings practically never end.
        """
        visits = np.concatenate(expected_visits(self._cut(self.table), self._reached))
        visits.setflags(write=False)
        return visits

    @cached_property
    def entropy(self) -> float:
        """H = -E[ log p(x) ] of whole strings, in nats."""
        return -self.expected_log_prob(self).value + 0.0

    def next_letters(self, prefix: str) -> FloatArray:
        """Return (A + 1,): the probabilities of each letter, and of the end, after ``prefix``, which may be empty.

        Raises ValueError for letters outside the alphabet.
        """
        if prefix == "":
            return np.asarray(self.table[0])
        rows, _, _ = encoded([prefix], self.alphabet, self._depth)
        return np.asarray(self.table[rows[-1]])

    def step_counts(self, order: int) -> FloatArray:
        """Return (R, A + 1): how often, on average, a string takes each step from each context of ``order`` letters.

        ``order`` is 1 to 4, whatever the chain's own; rows stand as in `contexts` of a chain of that order. The sum of
        a row is how often a string passes its context. At most 1e-14 letters per string are left out. Raises ValueError
        for another order, and where strings practically never end.
        """
        _check_order(order)
        if order == 0:
            raise ValueError("order is 0: steps are counted after contexts of 1 letter or more; try 1")
        return np.concatenate(self._counts(int(order)))

    def most_likely(self) -> tuple[str, float]:
        """Return the string of highest probability and its log-probability in nats: what precision never exceeds.

        Ties go to the shorter string, then to the alphabet's first. Raises ValueError where no string has positive
        probability.
        """
        letters, score = likeliest(self._cut(self.log_table))
        if not letters:
            raise ValueError("no string of this chain ever ends: temper it less sharply")
        return "".join(self.alphabet[letter] for letter in letters), score

    # What it does

    def sample(self, n: int, rng: np.random.Generator) -> list[str]:
        """Draw ``n`` strings with a numpy Generator.

        String i takes its letter t from the same random number whatever the table says, so that two chains with the
        same seed draw strings that differ no more than the chains do. Raises ValueError for a missing rng, for n < 1,
        and for a string that has not ended after 10,000 letters.
        """
        if not isinstance(rng, np.random.Generator):
            raise ValueError(
                f"rng is {rng!r}: sampling needs a numpy Generator; pass rng=numpy.random.default_rng(seed)"
            )
        if n < 1:
            raise ValueError(f"n is {n}: ask for 1 string or more")
        tables, going, codes = self._cut(self.table), np.arange(n), np.zeros(n, dtype=np.intp)
        columns = []
        for t in range(_LONGEST):
            picks = _picked(tables[min(t, self._depth)], codes, rng.random(n)[going])
            column = np.full(n, self._n_letters)
            column[going] = picks
            columns.append(column)
            on = picks < self._n_letters
            going, codes = going[on], codes[on] * self._n_letters + picks[on]
            codes %= self._n_letters**self._depth
            if going.size == 0:
                return decoded(np.stack(columns, axis=1), self.alphabet)
        raise ValueError(
            f"a string of {_LONGEST} letters has not ended: this chain is caught in a loop; temper it less sharply"
        )

    def log_prob(self, strings: Sequence[str]) -> FloatArray:
        """Score N strings: (N,) log-probabilities in nats; -inf for one that the chain cannot draw.

        Raises ValueError for no strings, empty ones, and letters outside the alphabet.
        """
        rows, symbols, starts = encoded(strings, self.alphabet, self._depth)
        return np.asarray(np.add.reduceat(self.log_table[rows, symbols], starts))

    def tempered(self, beta: float) -> NGramChain:
        """Return the chain with every row proportional to its probabilities^beta, as tau = 1 / beta does in language.

        That is not p(x)^beta for whole strings. ``beta`` in [0, inf]: 1 changes nothing, larger is more selective, 0
        gives equal odds to whatever can follow, inf shares the mass among the most likely (ties to 1e-12 relative).
        Raises ValueError for a negative or NaN beta.
        """
        if math.isnan(beta) or beta < 0:
            raise ValueError(f"beta is {beta}: probabilities are raised to a power from 0 to infinity; try 1")
        below = self.log_table - self.log_table.max(axis=1, keepdims=True)
        if beta > 1e300:  # where products overflow, infinity is meant
            logs = np.where(below >= -1e-12, 0.0, -np.inf)
        else:
            with np.errstate(invalid="ignore", over="ignore"):
                logs = np.where(np.isneginf(below), -np.inf, beta * below)
        return NGramChain._from_logs(logs, self.order, self.alphabet)

    def expected_log_prob(self, of: Model, rng: np.random.Generator | None = None) -> Estimate:
        """Return E_{x ~ self} [ of.log_prob(x) ] in nats; -inf where self can draw a string that ``of`` cannot.

        Exact between chains of any two orders over the same alphabet: the expected number of times that each step is
        taken, times its log-probability under ``of``, for strings of any length. What is left out is at most 1e-14
        times the costliest single step of ``of``: below 1e-9 nats as long as no step costs 100,000 nats. Monte
        Carlo for any other model, and then ``rng`` is required. Raises ValueError for two alphabets, a missing rng,
        or strings that practically never end.
        """
        if not isinstance(of, NGramChain):
            return monte_carlo(self, of, n_samples=200_000, rng=rng)
        if of.alphabet != self.alphabet:
            raise ValueError(f"alphabets are {self.alphabet!r} and {of.alphabet!r}: give both chains the same letters")
        if of._refuses and any((p * r).any() for p, r in zip(self._possible(of._depth), of._refuses, strict=True)):
            return Estimate(-math.inf)
        terms = zip(self._counts(of._depth), of._finite_logs, strict=True)
        return Estimate(float(sum(np.vdot(counts, logs) for counts, logs in terms)))

    # How it does it

    @property
    def _n_letters(self) -> int:
        return len(self.alphabet)

    @property
    def _depth(self) -> int:
        """Letters that the rows tell apart: an order-0 chain still knows whether a string has begun."""
        return max(self.order, 1)

    def _cut(self, rows: FloatArray) -> list[FloatArray]:
        return by_length(rows, self._n_letters)

    @property
    def _support(self) -> list[FloatArray]:
        return self._cut(np.isfinite(self.log_table).astype(float))

    @cached_property
    def _reached(self) -> list[FloatArray]:
        return reachable(self._support)

    @cached_property
    def _refuses(self) -> list[FloatArray]:
        """1 for steps of probability zero, the end at the first position aside; an empty list where there are none."""
        refused = np.isneginf(self.log_table)
        refused[0, -1] = False
        return self._cut(refused.astype(float)) if refused.any() else []

    @cached_property
    def _finite_logs(self) -> list[FloatArray]:
        """The log-table by length, 0.0 where it is -inf; only lengths that have such places are copied."""
        levels = self._cut(self.log_table)
        return [np.where(np.isneginf(level), 0.0, level) if level.min() == -np.inf else level for level in levels]

    @cached_property
    def _kept_counts(self) -> dict[int, list[FloatArray]]:
        return {}

    def _counts(self, depth: int) -> list[FloatArray]:
        """How often on average a string takes each step from each context of ``depth``; the small ones are kept."""
        if depth in self._kept_counts:
            return self._kept_counts[depth]
        counts = spread(self._cut(self.table), self._cut(self.visits), depth)
        if depth <= 2:
            self._kept_counts[depth] = counts
        return counts

    def _possible(self, depth: int) -> list[FloatArray]:
        """Like _counts, above zero exactly where some string of positive probability takes the step."""
        return spread(self._support, self._reached, depth)

    def _projected(self, order: int) -> NGramChain:
        counts, possible = self._counts(max(order, 1)), self._possible(max(order, 1))
        lost = sum(int(((c < _TINY) & (p > 0)).sum()) for c, p in zip(counts, possible, strict=True))
        if lost:
            raise ValueError(
                f"{lost} steps of this chain are expected less than {_TINY} times per string: "
                "too rarely for exact odds; temper it less sharply, or all the way with beta = inf"
            )
        with np.errstate(divide="ignore"):
            return NGramChain._from_logs(np.log(rows_of(counts, order)), order, self.alphabet)


def _fitted_table(
    strings: Sequence[str], weights: ArrayLike | None, order: int, alphabet: str, smoothing: float | None
) -> FloatArray:
    """The smoothed rows of strings; see `NGramChain.fit`."""
    check_alphabet(alphabet)
    smoothing = SMOOTHING if smoothing is None else smoothing
    if not 0 <= smoothing <= 1:
        raise ValueError(f"smoothing is {smoothing}: a share of each row, from 0 to 1, is needed; try {SMOOTHING}")
    rows, symbols, starts = encoded(strings, alphabet, max(order, 1))
    counts = weighted_counts(rows, symbols, starts, _checked_weights(weights, len(strings)), alphabet, order)
    return smoothed(counts, order, smoothing)


def _picked(table: FloatArray, rows: IntArray, uniform: FloatArray) -> IntArray:
    """Invert the cumulative odds of each row at its uniform number in [0, 1): (n,) symbols, never one of odds zero."""
    picks = []
    for start in range(0, len(rows), _BLOCK):
        odds = table[rows[start : start + _BLOCK]].cumsum(axis=1)
        odds /= odds[:, -1:]  # from the last possible symbol on exactly 1, which no uniform number reaches
        picks.append((odds <= uniform[start : start + _BLOCK, None]).sum(axis=1))
    return np.concatenate(picks)


# Errors at the edge


def _check_order(order: int) -> None:
    if isinstance(order, bool) or not isinstance(order, int | np.integer) or not 0 <= order <= MAX_ORDER:
        raise ValueError(f"order is {order!r}: choose how many letters the next one depends on, 0 to {MAX_ORDER}")


def _checked_weights(weights: ArrayLike | None, n: int) -> FloatArray:
    checked = np.ones(n) if weights is None else np.array(unmasked(weights, "weights"), dtype=float)
    if checked.shape != (n,):
        raise ValueError(f"weights have shape {checked.shape} beside {n} strings: give one weight per string")
    bad = np.flatnonzero(~np.isfinite(checked) | (checked < 0))
    if bad.size:
        raise ValueError(f"weight {bad[0]} is {checked[bad[0]]}: make each finite and not negative")
    if checked.max() == 0:
        raise ValueError(f"weights are {checked}: give at least one above zero")
    checked /= checked.max()  # their sum might overflow
    return np.asarray(checked / checked.sum())


def _checked_table(table: ArrayLike, order: int, alphabet: str) -> FloatArray:
    checked = np.array(unmasked(table, "table"), dtype=float)
    shape = sum(len(alphabet) ** k for k in range(max(order, 1) + 1)), len(alphabet) + 1
    if checked.shape != shape:
        raise ValueError(
            f"table has shape {checked.shape}: order {order} over {len(alphabet)} letters needs {shape}; "
            "give a row for each context and a column for each letter and the end"
        )
    sums = np.nan_to_num(checked).sum(axis=1)
    bad = ~(np.isfinite(checked) & (checked >= 0)).all(axis=1) | (np.abs(sums - 1) > 1e-6)
    if bad.any():
        i = int(np.flatnonzero(bad)[0])
        raise ValueError(
            f"row {i} of the table is {checked[i]}, sum {sums[i]:.9g}: probabilities that sum to one are needed; "
            "divide each row by its sum"
        )
    rounded = np.abs(sums - 1) > 1e-12  # as rows in single precision are
    checked[rounded] /= sums[rounded, None]
    if checked[0, -1] > 0:
        raise ValueError(
            f"the end has probability {checked[0, -1]} in row 0: a string has at least one letter; make it 0"
        )
    if order == 0 and not (checked[1:] == checked[1]).all():
        raise ValueError(
            "rows 1 and up of the table differ: at order 0 all positions but the first are alike; make them equal"
        )
    return checked
