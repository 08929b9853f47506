"""How far students are from each other, and which component of one is which of another: each of S with its partner."""

import math

import numpy as np
from numpy.typing import NDArray

from kdlab.mixtures.solver.em import Students

FloatArray = NDArray[np.float64]

_SAME = 0.02  # in log-weights, standardised means and log standard deviations
_STEP = 0.1  # in weights, standardised means and log standard deviations: less is no jump to the eye
_LIGHT = math.log(1e-4)  # weight below which a component is too faint to show a switch


def same(some: Students, others: Students) -> NDArray[np.bool_]:
    """(S,): they agree, whatever the order of their components, faint ones (below 1e-4) aside."""
    some = aligned(some, others)
    return np.asarray((_apart(some, others) * _seen(some, others)).max(axis=(1, 2)) <= _SAME)


def steady(some: Students, others: Students, step: float = _STEP, *, faint: bool = True) -> NDArray[np.bool_]:
    """(S,): component by component, they are too close for a switch to lie between them."""
    weights = np.abs(np.exp(some.log_weights) - np.exp(others.log_weights))
    shapes = _apart(some, others)[:, 1:] * (True if faint else _seen(some, others))
    return np.asarray(np.maximum(weights.max(axis=1), shapes.max(axis=(1, 2))) <= step)


def _apart(some: Students, others: Students) -> FloatArray:
    """(S, 1 + 2 D + ..., K): how far each packed parameter of each component differs."""
    s, k = some.log_weights.shape
    moved = np.abs(some.packed() - others.packed())
    return moved.reshape(s, moved.shape[1] // k, k)


def _seen(some: Students, others: Students) -> NDArray[np.bool_]:
    """(S, 1, K): components that either of the two gives a weight above 1e-4."""
    return np.asarray(np.maximum(some.log_weights, others.log_weights) > _LIGHT)[:, None]


def aligned(some: Students, others: Students) -> Students:
    """Reorder each student's components to lie close to its partner's."""
    return _reordered(some, _orders(some, others))


def _reordered(students: Students, orders: NDArray[np.intp]) -> Students:
    """Put component ``orders[s, k]`` of student s in place k."""
    return students[np.arange(len(students))[:, None], orders]


def _orders(some: Students, others: Students) -> NDArray[np.intp]:
    """(S, K): for each component of the partner the student's own that lies closest, closest pairs first."""
    apart = some.means[:, :, None] - others.means[:, None]
    scales = [np.log(np.diagonal(students.covariances, axis1=-2, axis2=-1)) for students in (some, others)]
    shapes = scales[0][:, :, None] - scales[1][:, None]
    cost = (apart**2).sum(axis=-1) + 0.25 * (shapes**2).sum(axis=-1)
    s, k, _ = cost.shape
    each, orders = np.arange(s), np.empty((s, k), dtype=np.intp)
    for _ in range(k):
        rows, columns = np.unravel_index(cost.reshape(s, k * k).argmin(axis=1), (k, k))
        orders[each, columns] = rows
        cost[each, rows], cost[each, :, columns] = np.inf, np.inf
    return orders


def in_line(line: Students) -> Students:
    """The same students, in which component k keeps its identity from position to position."""
    orders = _orders(line[1:], line[:-1])
    kept = [np.arange(line.log_weights.shape[1])]
    for order in orders:
        kept.append(order[kept[-1]])
    return _reordered(line, np.array(kept))
