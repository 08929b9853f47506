"""Exact expectations under a Gaussian in one or two dimensions: uniform grids, halved until they agree.

Gauss-Hermite, the obvious rule, assumes a polynomial; the logarithm of a mixture bends sharply between
two components, and the rule is wrong there by up to whole nats. Equally spaced nodes converge
exponentially for any integrand that is analytic near the real axis (Trefethen & Weideman 2014, SIAM
Review 56(3), section 5), so we space them evenly in standardised coordinates and look at what halving does.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

__all__ = ["MAX_NODES", "TooManyNodes", "error_of", "expect_gaussian"]

FloatArray = NDArray[np.float64]

MAX_NODES = 4_000_000  # what we are willing to call exact; beyond it, Monte Carlo says how well it knows
_RADIUS = 7.75  # standard deviations: the mass outside is below 1e-13
_COARSEST = 0.25  # standard deviations between nodes, on the first try
_SHIFT = 0.3141592653589793  # off-centre, so that no symmetry of a scene falls onto the nodes
_CHUNK = 16_384  # rows evaluated at once: bounds the memory, keeps the arrays in cache


class TooManyNodes(ValueError):
    """The rule would need more nodes than allowed."""


def expect_gaussian(
    function: Callable[[FloatArray], FloatArray],
    mean: FloatArray,
    cholesky: FloatArray,
    *,
    tolerance: float,
    max_nodes: int = MAX_NODES,
) -> tuple[float, int]:
    """Return (E_{x ~ N(mean, L L')} [function(x)], nodes used), for D = 1 or 2.

    ``function`` maps (N, D) to (N,); ``mean`` is (D,), ``cholesky`` L is (D, D). The spacing is halved
    until `error_of` says that the sum is within ``tolerance``. Raises TooManyNodes.
    """
    spacing = _COARSEST
    while True:
        axis = _axis(spacing)
        nodes = axis.size ** mean.size
        if nodes > max_nodes:
            raise TooManyNodes(f"{nodes} nodes wanted, {max_nodes} allowed")
        products = _weighted_values(function, mean, cholesky, axis, spacing)
        if error_of(products, tolerance) <= tolerance:
            return float(products.sum()), nodes
        spacing /= 2


def error_of(products: FloatArray, tolerance: float) -> float:
    """Estimate the error of a uniform rule, products.sum(), from the coarser rules that it contains.

    Every second node, begun at each of its 2^D corners, is a rule of twice the spacing; every fourth,
    one of four times. Halving divides the error by 4 where the integrand has kinks and squares it where
    it is smooth, so continuing the ratio of the last two steps errs on the careful side. The last step
    itself must be small too (20 tolerances), in case a smooth part hides a small rough one behind it.
    """
    value = float(products.sum())
    last, before = (max(abs(c - value) for c in _every(products, step)) for step in (2, 4))
    if last > 20 * tolerance:
        return last
    return last * min(1.0, last / before) if before > 0 else last


def _axis(spacing: float) -> FloatArray:
    """Nodes along one standardised axis: a multiple of four of them, shifted off the centre."""
    half = 2 * int(np.ceil(_RADIUS / spacing / 2))
    return (np.arange(-half, half) + _SHIFT) * spacing


def _weighted_values(
    function: Callable[[FloatArray], FloatArray],
    mean: FloatArray,
    cholesky: FloatArray,
    axis: FloatArray,
    spacing: float,
) -> FloatArray:
    """Standard normal density times cell size times function, on the whole grid: (n,) or (n, n)."""
    density = np.exp(-0.5 * axis**2)
    density /= density.sum()  # equals spacing / sqrt(2 pi) to rounding: a trapezoid rule of a Gaussian
    grid = np.stack(np.meshgrid(*[axis] * mean.size, indexing="ij"), axis=-1).reshape(-1, mean.size)
    values = np.empty(len(grid))
    for start in range(0, len(grid), _CHUNK):
        rows = slice(start, start + _CHUNK)
        values[rows] = function(mean + grid[rows] @ cholesky.T)
    values = values.reshape((axis.size,) * mean.size)
    weights = density if mean.size == 1 else np.outer(density, density)
    return np.asarray(weights * values)


def _every(products: FloatArray, step: int) -> list[float]:
    """Sums of the step^D rules of ``step`` times the spacing that the grid contains."""
    share = step**products.ndim
    starts = itertools.product(range(step), repeat=products.ndim)
    return [share * float(products[tuple(slice(s, None, step) for s in start)].sum()) for start in starts]
