"""Tables of n-gram chains: how often a chain visits each context, its rows from counts, its most likely string.

A chain of depth d over A letters has one row for every prefix shorter than d (what a string starts with) and one for
every run of d letters (what the last d letters are). The rows stand by length, 0 to d, and within a length in
alphabetical order: A^0 + A^1 + ... + A^d rows. Everything here works on a list of tables, one for each length k:
``tables[k]`` is (A^k, A + 1), the probability of every next letter and, in its last column, of the end.
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]
Tables = Sequence[FloatArray]

TAIL = 1e-14  # expected letters, per string, that the recursion may leave out
_MAX_LEFT = 10_000.0  # expected letters still to come, from any context that can be reached
_PATIENCE = 100  # backward steps tried before a system of equations is solved instead
_MAX_STEPS = 1_000  # backward steps tried where that system would be too large
_SMALL = 1_000  # contexts; a system of equations of this size takes some 20 ms
_TINY = 64  # contexts; one of this size takes less time than a few letters do


def by_length(rows: FloatArray, n_letters: int) -> list[FloatArray]:
    """Cut rows (R, ...) into views of the contexts of length 0, 1, ..., d."""
    levels, start, size = [], 0, 1
    while start < len(rows):
        levels.append(rows[start : start + size])
        start, size = start + size, size * n_letters
    return levels


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
    ValueError where strings practically never end. ``reached`` comes from `reachable`.
    """
    visits = _prefixes(tables, len(tables) - 1)
    return [*visits[:-1], _passed(tables[-1], visits[-1], reached[-1])]


def visit_slopes(
    tables: Tables, slopes: Tables, visits: Sequence[FloatArray], reached: Sequence[FloatArray]
) -> list[FloatArray]:
    """By length, (A^k,): the derivative of the `expected_visits`, where ``slopes`` are those of the tables.

    With v = starts + v Q for the full contexts, v' = (starts' + v Q') + v' Q: visits again, of mass that has a sign.
    """
    changes = [np.zeros(1)]
    for before, table, slope in zip(visits[:-1], tables, slopes, strict=False):
        changes.append((changes[-1][:, None] * table[:, :-1] + before[:, None] * slope[:, :-1]).ravel())
    source = changes.pop() + _forward(_steps(slopes[-1]), visits[-1])
    more, less = (_passed(tables[-1], np.maximum(one, 0.0), reached[-1]) for one in (source, -source))
    return [*changes, more - less]


def _passed(full: FloatArray, going: FloatArray, reached: FloatArray) -> FloatArray:
    """(A^d,): how often mass that starts as ``going`` (A^d,) passes each full context."""
    patience = 0 if len(full) <= _TINY else _PATIENCE if len(full) <= _SMALL else _MAX_STEPS
    left = _letters_left(full, reached, patience)
    if left is None and len(full) > _SMALL:
        raise _endless(f"{_MAX_STEPS} letters to come, at even odds")
    if left is None:
        return _solved(full, going, reached)
    steps, total = _steps(full), going.copy()
    while going.sum() * left > TAIL:
        going = _forward(steps, going)
        total += going
    return total


def _endless(more: str) -> ValueError:
    return ValueError(
        f"the strings of this chain practically never end (from some context on, more than {more}): "
        "expectations need strings that do; temper it less sharply"
    )


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
    visits = np.zeros(len(full))
    if not kept.size:
        return visits
    followers = (np.arange(len(full)) % (len(full) // n_letters))[:, None] * n_letters + np.arange(n_letters)
    system = np.eye(len(full))
    system[np.arange(len(full))[:, None], followers] -= full[:, :-1]
    system = system[np.ix_(kept, kept)]
    try:
        left = np.linalg.solve(system, np.ones(len(kept)))
    except np.linalg.LinAlgError:
        left = np.array([np.inf])
    if not np.isfinite(left).all() or left.min() < 0.99 or left.max() > _MAX_LEFT:
        raise _endless(f"{_MAX_LEFT:.0f} letters to come, on average")
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


# Rows from counts


def rows_of(counts: list[FloatArray], order: int) -> FloatArray:
    """(R, A + 1): counts by length, each row divided by its sum; equal odds where nothing was counted."""
    if order == 0:
        return _order_zero(counts, 0.0)
    rows = np.concatenate(counts)
    totals = rows.sum(axis=1, keepdims=True)
    return np.where(totals > 0, rows / np.where(totals > 0, totals, 1.0), 1 / rows.shape[1])


def _order_zero(counts: list[FloatArray], smoothing: float) -> FloatArray:
    """(A + 1, A + 1): the rows of order 0, from the expected counts of one string.

    The likelihood is highest where letters have their shares q of all L letters at every position, and the end, which
    every position but the first may bring, has 1 / L of the odds: (L - 1) log(1 - e) + log(e) peaks at e = 1 / L.
    """
    totals = gathered(counts, 0)[0][0]
    length = totals[:-1].sum() / totals[-1]
    shares, end = totals[:-1] / totals[:-1].sum(), 1 / length
    later = (1 - smoothing) * np.append(shares * (1 - end), end) + smoothing / totals.size
    letters = later[:-1].sum()
    first = np.append(later[:-1] / letters if letters > 0 else shares, 0.0)
    return np.stack([first, *[later] * shares.size])


def smoothed(counts: list[FloatArray], order: int, smoothing: float) -> FloatArray:
    """(R, A + 1): the interpolated rows, from counts by length at depth max(order, 1); the recursion runs upwards."""
    shortest = _order_zero(counts, smoothing)
    if order == 0:
        return shortest
    rows = [_mixed(counts[0], shortest[:1], smoothing)]
    inner = shortest[1:2]  # what follows the last k letters, wherever they stand
    for k in range(1, order + 1):
        inner = _mixed(gathered(counts, k)[k], inner, smoothing)
        rows.append(_mixed(counts[k], inner, smoothing) if k < order else inner)
    return np.concatenate(rows)


def _mixed(counts: FloatArray, shorter: FloatArray, smoothing: float) -> FloatArray:
    """Rows (A^k, A + 1) with a share of the ``shorter`` ones, which stand alone where nothing was counted."""
    mixed, totals = np.tile(shorter, (len(counts) // len(shorter), 1)), counts.sum(axis=1, keepdims=True)
    seen = np.flatnonzero(totals)
    mixed[seen] = (1 - smoothing) * (counts[seen] / totals[seen]) + smoothing * mixed[seen]
    return mixed


def weighted_counts(
    rows: IntArray, symbols: IntArray, starts: IntArray, weights: FloatArray, alphabet: str, order: int
) -> list[FloatArray]:
    """By length, (A^k, A + 1): the summed weights of the strings that take each step."""
    n_letters, depth = len(alphabet), max(order, 1)
    n_rows = sum(n_letters**k for k in range(depth + 1))
    each = np.repeat(weights, np.diff(np.append(starts, len(symbols))))
    flat = np.bincount(rows * (n_letters + 1) + symbols, weights=each, minlength=n_rows * (n_letters + 1))
    return by_length(flat.reshape(n_rows, n_letters + 1).astype(float), n_letters)


# The most likely string


def likeliest(levels: Tables) -> tuple[list[int], float]:
    """The letters of the string of highest probability, and its log-probability; no letters where no string ends.

    ``levels`` hold log-probabilities. Ties go to the shorter string, then to the alphabet's first.
    """
    best = best_to_come(levels)
    score, last, letters, row = float(best[0][0]), len(levels) - 1, list[int](), 0
    while score > -math.inf:
        k = min(len(letters), last)
        after = best[min(k + 1, last)].reshape(-1, levels[k].shape[1] - 1)
        row %= len(levels[k])
        choices = levels[k][row, :-1] + after[row % len(after)]
        if levels[k][row, -1] >= choices.max():
            break
        letters.append(int(choices.argmax()))
        row = row * len(choices) + letters[-1]
    return letters, score


def best_to_come(levels: Tables) -> list[FloatArray]:
    """By length, (A^k,): the highest log-probability of what can follow each context, up to the end."""
    best, last = [level[:, -1] for level in levels], len(levels) - 1

    def improved(k: int) -> FloatArray:
        after = best[min(k + 1, last)].reshape(-1, levels[k].shape[1] - 1)
        letters = levels[k][:, :-1].reshape(-1, *after.shape) + after
        return np.asarray(np.maximum(levels[k][:, -1], letters.max(axis=-1).ravel()))

    while ((new := improved(last)) != best[last]).any():
        best[last] = new
    for k in range(last - 1, -1, -1):
        best[k] = improved(k)
    return best
