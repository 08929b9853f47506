"""Exact expectations under a Gaussian in one or two dimensions: uniform grids, halved until they agree.

Gauss-Hermite, the obvious rule, assumes a polynomial; the logarithm of a mixture bends sharply between
two components, and the rule is wrong there by up to whole nats. Equally spaced nodes converge
exponentially for any integrand that is analytic near the real axis (Trefethen & Weideman 2014, SIAM
Review 56(3), section 5), so we space them evenly in standardised coordinates and look at what halving does.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

__all__ = ["BLOCK", "MAX_NODES", "Field", "TooManyNodes", "error_of", "expect_gaussian"]

FloatArray = NDArray[np.float64]

MAX_NODES = 4_000_000  # what we are willing to call exact; beyond it, Monte Carlo says how well it knows
_RADIUS = 7.75  # standard deviations: the mass outside is below 1e-13
_FIELD_RADIUS = 6.5  # standard deviations that must lie in a field's box (mass outside: below 1e-9)
_COARSEST = 0.25  # standard deviations between nodes, on the first try
_SHIFT = 0.3141592653589793  # off-centre, so that no symmetry of a scene falls onto the nodes
_SHARE = 0.1  # of the worst axis's error: an axis that errs less is fine enough for now
_CHUNK = 16_384  # rows evaluated at once: bounds the memory, keeps the arrays in cache
BLOCK = 12  # nodes along an axis come in multiples of this, so that every 2nd, 3rd and 4th is a rule of its own


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

    ``function`` maps (N, D) to (N,); ``mean`` is (D,), ``cholesky`` L is (D, D). The spacing is halved,
    along the axes that need it, until `error_of` says that the sum is within ``tolerance``. Raises TooManyNodes.
    """
    spacings = np.full(mean.size, _COARSEST)
    while True:
        axes = [_axis(spacing) for spacing in spacings]
        nodes = math.prod(axis.size for axis in axes)
        if nodes > max_nodes:
            raise TooManyNodes(f"{nodes} nodes wanted, {max_nodes} allowed")
        products = _weighted_values(function, mean, cholesky, axes)
        if error_of(products, tolerance) <= tolerance:
            return float(products.sum()), nodes
        spacings[_too_coarse(products)] /= 2


def error_of(products: FloatArray, tolerance: float) -> float:
    """Estimate the error of a uniform rule, products.sum(), from the coarser rules that it contains.

    Every second node, begun at each of its 2^D corners, is a rule of twice the spacing; likewise every
    third and every fourth. Halving divides the error by 4 where the integrand has kinks and squares it
    where it is smooth, so continuing the power law of the last steps errs on the careful side. Halves alone
    would not do: a kink half-way between two nodes is invisible to them (the error goes with Bernoulli's B2,
    equal at 1/4 and 3/4), and never to halves and thirds at once. The last step itself must be small too
    (20 tolerances), in case a smooth part hides a small rough one behind it.
    """
    value, folded = float(products.sum()), _folded(products)
    halves, thirds, quarters = (_worst(folded, step, value) for step in (2, 3, 4))
    if halves > 20 * tolerance:
        return halves
    return max(_continued(halves, quarters, 2), _continued(thirds, quarters, 3))


def _continued(error: float, coarser_error: float, step: int) -> float:
    """Continue the errors at 4 and at ``step`` times the spacing to once the spacing, as a power of it."""
    if not 0 < error < coarser_error:
        return error
    power = math.log(coarser_error / error) / math.log(4 / step)
    return float(error * step**-power)


def _too_coarse(products: FloatArray) -> NDArray[np.bool_]:
    """(D,): which axes to halve, judged by what every second node along one axis alone would lose.

    Both, where neither loses much alone: a kink that runs across the diagonal errs in both at once.
    """
    value, folded = float(products.sum()), _folded(products)
    together = _worst(folded, 2, value)
    others = [tuple(other for other in range(folded.ndim) if other != axis) for axis in range(folded.ndim)]
    alone = np.array([_worst(folded.sum(axis=other), 2, value) for other in others])
    if alone.max() < _SHARE * together:
        return np.ones(folded.ndim, dtype=bool)
    return np.asarray(alone >= _SHARE * alone.max())


def _axis(spacing: float) -> FloatArray:
    """Nodes along one standardised axis: whole blocks of them, shifted off the centre."""
    half = BLOCK // 2 * math.ceil(_RADIUS / spacing / (BLOCK // 2))
    return np.asarray((np.arange(-half, half) + _SHIFT) * spacing)


def _weighted_values(
    function: Callable[[FloatArray], FloatArray],
    mean: FloatArray,
    cholesky: FloatArray,
    axes: list[FloatArray],
) -> FloatArray:
    """Standard normal density times cell size times function, on the whole grid: (n,) or (n, m)."""
    densities = [np.exp(-0.5 * axis**2) for axis in axes]
    densities = [one / one.sum() for one in densities]  # spacing / sqrt(2 pi) to rounding: a trapezoid rule
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, mean.size)
    values = np.empty(len(grid))
    for start in range(0, len(grid), _CHUNK):
        rows = slice(start, start + _CHUNK)
        values[rows] = function(mean + grid[rows] @ cholesky.T)
    weights = densities[0] if mean.size == 1 else np.outer(*densities)
    return np.asarray(weights * values.reshape(weights.shape))


def _folded(products: FloatArray) -> FloatArray:
    """Whole blocks laid over each other and summed: (BLOCK,) or (BLOCK, BLOCK), all that coarser rules depend on."""
    for axis in range(products.ndim):
        ahead = products.shape[:axis]
        products = products.reshape(*ahead, -1, BLOCK, *products.shape[axis + 1 :]).sum(axis=axis)
    return products


def _worst(folded: FloatArray, step: int, value: float) -> float:
    """How far the worst of the rules of ``step`` times the spacing is from ``value``."""
    return float(np.abs(_every(folded, step) - value).max())


def _every(folded: FloatArray, step: int) -> FloatArray:
    """Sums of the step^D rules of ``step`` times the spacing that the grid contains."""
    apart = folded.reshape((BLOCK // step, step) * folded.ndim)
    return np.asarray(step**folded.ndim * apart.sum(axis=tuple(range(0, 2 * folded.ndim, 2))))


class Field:
    """A function tabulated once on a uniform grid, then averaged under many Gaussians.

    The same rule as `expect_gaussian`, with the nodes fixed in space instead of following the Gaussian,
    so that the function is evaluated once. Where the table does not serve a Gaussian (too wide for the
    box, narrower than the spacing, not accurate enough) `mean_under` says None, never a wrong number.
    """

    def __init__(
        self, function: Callable[[FloatArray], FloatArray], low: FloatArray, high: FloatArray, spacing: float
    ) -> None:
        counts = [BLOCK * math.ceil((b - a) / spacing / BLOCK) for a, b in zip(low, high, strict=True)]
        if math.prod(counts) > MAX_NODES:
            raise TooManyNodes(f"{math.prod(counts)} nodes wanted, {MAX_NODES} allowed")
        self.axes = [a + spacing * (np.arange(n) + _SHIFT) for a, n in zip(low, counts, strict=True)]
        self.spacing = spacing
        grid = np.stack(np.meshgrid(*self.axes, indexing="ij"), axis=-1).reshape(-1, len(counts))
        chunks = (grid[start : start + _CHUNK] for start in range(0, len(grid), _CHUNK))
        self.values = np.concatenate([function(chunk) for chunk in chunks]).reshape(counts)

    def mean_under(self, mean: FloatArray, covariance: FloatArray, tolerance: float) -> float | None:
        """Return E_{x ~ N(mean, covariance)} [function(x)] to within ``tolerance``, or None."""
        deviations = np.sqrt(np.diagonal(covariance))
        cuts = 1 / np.sqrt(np.diagonal(np.linalg.inv(covariance)))
        windows = [np.abs(axis - m) <= _RADIUS * s for axis, m, s in zip(self.axes, mean, deviations, strict=True)]
        inside = all(
            axis[0] <= m - _FIELD_RADIUS * s and axis[-1] >= m + _FIELD_RADIUS * s
            for axis, m, s in zip(self.axes, mean, deviations, strict=True)
        )
        if not inside or cuts.min() < self.spacing:
            return None
        slices = [_whole_blocks(window) for window in windows]
        offsets = [axis[s] - m for axis, s, m in zip(self.axes, slices, mean, strict=True)]
        density = _gaussian_density(offsets, covariance) * self.spacing ** len(offsets)
        products = density * self.values[tuple(slices)]
        return float(products.sum()) if error_of(products, tolerance) <= tolerance else None


def _whole_blocks(window: NDArray[np.bool_]) -> slice:
    """The blocks of an axis that hold every node of the window."""
    return slice(window.argmax() // BLOCK * BLOCK, len(window) - window[::-1].argmax() // BLOCK * BLOCK)


def _gaussian_density(offsets: list[FloatArray], covariance: FloatArray) -> FloatArray:
    """Density on the grid spanned by one or two axes of offsets from the mean."""
    inverse = np.linalg.inv(covariance)
    norm = math.sqrt(np.linalg.det(inverse)) / (2 * math.pi) ** (len(offsets) / 2)
    factors = [np.exp(-0.5 * inverse[i, i] * offset**2) for i, offset in enumerate(offsets)]
    if len(offsets) == 1:
        return np.asarray(norm * factors[0])
    if inverse[0, 1] == 0:
        return np.asarray(norm * np.outer(*factors))
    x, y = np.meshgrid(*offsets, indexing="ij")
    return np.asarray(norm * np.exp(-0.5 * (inverse[0, 0] * x**2 + inverse[1, 1] * y**2) - inverse[0, 1] * x * y))
