"""Tables of n-gram chains: made from counts, smoothed or not, and followed to their most likely string.

Lists by length are those of `kdlab.ngrams._tables`: entry k is (A^k, A + 1), the end in the last column.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kdlab.ngrams._tables import by_length, gathered

__all__ = ["best_choices", "best_to_come", "rows_of", "smoothed", "weighted_counts"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]


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
        inner = _mixed(gathered(counts, k)[k], np.tile(inner, (len(counts[k]) // len(inner), 1)), smoothing)
        rows.append(_mixed(counts[k], inner, smoothing) if k < order else inner)
    return np.concatenate(rows)


def _mixed(counts: FloatArray, shorter: FloatArray, smoothing: float) -> FloatArray:
    totals = counts.sum(axis=1, keepdims=True)
    own = counts / np.where(totals > 0, totals, 1.0)
    return np.where(totals > 0, (1 - smoothing) * own + smoothing * shorter, shorter)


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


def best_to_come(levels: list[FloatArray]) -> list[FloatArray]:
    """By length, (A^k,): the highest log-probability of what can follow each context, up to the end."""
    best = [level[:, -1] for level in levels]
    while True:
        new = best_choices(levels, best, len(levels) - 1).max(axis=1)
        if (new == best[-1]).all():
            break
        best[-1] = new
    for k in range(len(levels) - 2, -1, -1):
        best[k] = best_choices(levels, best, k).max(axis=1)
    return best


def best_choices(levels: list[FloatArray], best: list[FloatArray], k: int) -> FloatArray:
    """(A^k, 1 + A): what the end, and then each letter, would come to after contexts of length k."""
    table, n_letters = levels[k], levels[k].shape[1] - 1
    after = best[min(k + 1, len(levels) - 1)].reshape(-1, n_letters)
    letters = table[:, :-1] + np.tile(after, (len(table) // len(after), 1))
    return np.concatenate([table[:, -1:], letters], axis=1)
