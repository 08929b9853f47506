"""Contexts of n-gram chains: how prefixes are numbered, how often a chain visits each, and for how long.

A chain of depth d over A letters has one row for every prefix shorter than d (what a string starts with) and one for
every run of d letters (what the last d letters are). The rows stand by length, 0 to d, and within a length in
alphabetical order: A^0 + A^1 + ... + A^d rows. Everything here works on a list of tables, one for each length k:
``tables[k]`` is (A^k, A + 1), the probability of every next letter and, in its last column, of the end.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["EndlessStrings", "by_length", "context_rows", "expected_visits", "gathered", "reachable", "spread"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]
Tables = Sequence[FloatArray]

TAIL = 1e-14  # expected letters, per string, that the recursion may leave out
_MAX_LEFT = 10_000.0  # expected letters still to come, from any context that can be reached
_PATIENCE = 100  # backward steps tried before a system of equations is solved instead
_MAX_STEPS = 1_000  # backward steps tried where that system would be too large
_SMALL = 1_000  # contexts; a system of equations of this size takes some 20 ms
_TINY = 64  # contexts; one of this size takes less time than a few letters do


class EndlessStrings(ValueError):
    """The chain can reach a context from which its strings practically never end."""


def by_length(rows: FloatArray, n_letters: int) -> list[FloatArray]:
    """Cut rows (R, ...) into views of the contexts of length 0, 1, ..., d."""
    ends = np.cumsum([n_letters**k for k in range(_depth(len(rows), n_letters) + 1)])
    return np.split(rows, ends[:-1].tolist())


def _depth(n_rows: int, n_letters: int) -> int:
    depth = 0
    while n_rows > 1:
        n_rows -= n_letters ** (depth + 1)
        depth += 1
    return depth


def context_rows(symbols: IntArray, positions: IntArray, n_letters: int, depth: int) -> IntArray:
    """(S,): the row of the context in which each symbol stands.

    ``symbols`` (S,) are letters 0 to A - 1 and the end A of one string after the other; ``positions`` (S,) count from 0
    within each string.
    """
    rows = np.zeros(len(symbols), dtype=np.intp)
    for back in range(1, depth + 1):
        has = np.flatnonzero(positions >= back)
        rows[has] += symbols[has - back] * n_letters ** (back - 1)
    offsets = np.concatenate([[0], np.cumsum([n_letters**k for k in range(depth)])])
    return np.asarray(rows + offsets[np.minimum(positions, depth)], dtype=np.intp)


# How often


def expected_visits(tables: Tables, reached: Sequence[FloatArray]) -> list[FloatArray]:
    """By length, (A^k,): how often on average a string passes each context.

    A prefix shorter than d is passed at most once, so there this is a probability. The full contexts are summed over
    the length of the string until at most TAIL expected letters are left out: after t letters that is at most the
    mass still going times the largest expected number of letters to come, which `_letters_left` bounds. Where
    contexts are very few, or few and strings are long, the system of equations is solved instead. Raises
    EndlessStrings where strings practically never end. ``reached`` comes from `reachable`.
    """
    visits = _prefixes(tables, len(tables) - 1)
    going, full = visits.pop(), tables[-1]
    if len(full) <= _TINY and reached[-1].any():
        return [*visits, _solved(full, going, reached[-1])]
    small = len(full) <= _SMALL
    left = _letters_left(full, reached[-1], _PATIENCE if small else _MAX_STEPS)
    if left is None:
        if not small:
            raise EndlessStrings(f"more than {_MAX_STEPS} letters to come, at even odds")
        return [*visits, _solved(full, going, reached[-1])]
    steps, total = _steps(full), going.copy()
    while going.sum() * left > TAIL:
        going = _forward(steps, going)
        total += going
    return [*visits, total]


def reachable(supports: Tables) -> list[FloatArray]:
    """By length, (A^k,): 1 where some string of positive probability passes the context, 0 elsewhere.

    ``supports`` hold 1 for every step of positive probability, so that nothing underflows.
    """
    reached = [np.minimum(level, 1.0) for level in _prefixes(supports, len(supports) - 1)]
    steps, now = _steps(supports[-1]), reached[-1]
    while True:
        then = np.minimum(now + _forward(steps, now), 1.0)
        if (then == now).all():
            return [*reached[:-1], now]
        now = then


def _prefixes(tables: Tables, depth: int) -> list[FloatArray]:
    """By length 0 to ``depth``, (A^k,): the probability that a string starts with these letters."""
    prefixes = [np.ones(1)]
    for k in range(depth):
        steps = tables[min(k, len(tables) - 1)][:, :-1]
        before = prefixes[-1].reshape(-1, len(steps), 1)
        prefixes.append((before * steps).ravel())
    return prefixes


def _steps(full: FloatArray) -> FloatArray:
    """(B, A, A): for the B = A^(d-1) runs of letters that two contexts share, from the oldest letter to the next."""
    n_letters = full.shape[1] - 1
    return full[:, :-1].reshape(n_letters, -1, n_letters).transpose(1, 0, 2)


def _forward(steps: FloatArray, mass: FloatArray) -> FloatArray:
    """One letter on: (A^d,) mass on contexts to (A^d,) mass on the contexts that follow; what ends is gone."""
    by_oldest = mass.reshape(steps.shape[1], -1).T
    return np.asarray(np.matmul(by_oldest[:, None, :], steps)[:, 0, :].ravel())


def _backward(steps: FloatArray, values: FloatArray) -> FloatArray:
    """(A^d,): the expected value one letter on; the end is worth nothing."""
    return np.asarray(np.matmul(steps, values.reshape(len(steps), -1, 1))[:, :, 0].T.ravel())


def _letters_left(full: FloatArray, reached: FloatArray, patience: int) -> float | None:
    """Bound the expected number of steps to come, from any reached context; None when ``patience`` runs out.

    With Q the steps between contexts, h = (I - Q)^-1 1 is wanted. The sum s = 1 + Q 1 + ... + Q^(k-1) 1 has
    (I - Q) s = 1 - Q^k 1 >= 1 - r, where r is the largest entry of Q^k 1. As (I - Q)^-1 has no negative entry,
    h <= s / (1 - r). What is reached leads only to what is reached, so each 1 need stand at those contexts only.
    """
    steps, going, total = _steps(full), reached, np.zeros(len(reached))
    for _ in range(patience):
        total = total + going
        going = _backward(steps, going)
        most = float(going.max())
        if most <= 0.5:
            return float(total.max()) / (1 - most)
    return None


def _solved(full: FloatArray, starts: FloatArray, reached: FloatArray) -> FloatArray:
    """Visits v = starts + v Q among the reached contexts, from the system of equations."""
    kept, n_letters = np.flatnonzero(reached), full.shape[1] - 1
    followers = (np.arange(len(full)) % (len(full) // n_letters))[:, None] * n_letters + np.arange(n_letters)
    system = np.eye(len(full))
    system[np.arange(len(full))[:, None], followers] -= full[:, :-1]
    system = system[np.ix_(kept, kept)]
    try:
        left = np.linalg.solve(system, np.ones(len(kept)))
    except np.linalg.LinAlgError:
        left = np.array([np.inf])
    if not np.isfinite(left).all() or left.min() < 0.99 or left.max() > _MAX_LEFT:
        raise EndlessStrings(f"more than {_MAX_LEFT:.0f} letters to come, on average")
    visits = np.zeros(len(full))
    visits[kept] = np.maximum(np.linalg.solve(system.T, starts[kept]), 0.0)
    return visits


# How often each step is taken


def spread(tables: Tables, visits: Sequence[FloatArray], depth: int) -> list[FloatArray]:
    """By length 0 to ``depth``, (A^k, A + 1): how often on average a string takes each step from each context.

    A smaller depth forgets the oldest letters. A larger one is exact as well: a longer run of letters is visited as
    often as the shorter one before it, times the probability of its last letter.
    """
    own = len(tables) - 1
    if depth <= own:
        return gathered([v[:, None] * table for v, table in zip(visits, tables, strict=True)], depth)
    levels = _prefixes(tables, depth)
    full = visits[-1]
    for _ in range(own, depth):
        full = _times_last(full, tables[-1][:, :-1]).ravel()
    levels[-1] = full
    steps = [tables[min(k, own)] for k in range(depth + 1)]
    return [_times_last(v, table) for v, table in zip(levels, steps, strict=True)]


def _times_last(mass: FloatArray, table: FloatArray) -> FloatArray:
    """(A^k,) mass on long contexts times the (A^d, C) steps that depend on their last d letters only: (A^k, C)."""
    return np.asarray((mass.reshape(-1, len(table), 1) * table).reshape(len(mass), -1))


def gathered(counts: Sequence[FloatArray], depth: int) -> list[FloatArray]:
    """Counts by length 0 to ``depth`` (A^k, A + 1), from those of longer contexts, their oldest letters forgotten."""
    n_letters = counts[0].shape[1] - 1
    full = sum(level.reshape(-1, n_letters**depth, n_letters + 1).sum(axis=0) for level in counts[depth:])
    return [*counts[:depth], np.asarray(full)]
