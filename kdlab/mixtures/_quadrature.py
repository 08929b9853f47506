"""Exact expectations under a Gaussian in one or two dimensions: uniform grids, halved until they agree.

Gauss-Hermite, the obvious rule, assumes a polynomial; the logarithm of a mixture bends sharply between
two components, and the rule is wrong there by up to whole nats. Equally spaced nodes converge
exponentially for any integrand that is analytic near the real axis (Trefethen & Weideman 2014, SIAM
Review 56(3), section 5), so we space them evenly in standardised coordinates and look at what halving does.
"""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

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
    along the axes that need it, until `errors_of` says that the sum is within ``tolerance``. Raises TooManyNodes.
    """
    spacings = np.full(mean.size, _COARSEST)
    while True:
        axes = [_axis(spacing) for spacing in spacings]
        nodes = math.prod(axis.size for axis in axes)
        if nodes > max_nodes:
            raise TooManyNodes(f"{nodes} nodes wanted, {max_nodes} allowed")
        sums = folded(_weighted_values(function, mean, cholesky, axes))
        if errors_of(sums[None], np.array([tolerance]))[0] <= tolerance:
            return float(sums.sum()), nodes
        spacings[_too_coarse(sums)] /= 2


def folded(products: FloatArray) -> FloatArray:
    """Whole blocks laid over each other and summed: (BLOCK,) or (BLOCK, BLOCK), all that coarser rules depend on."""
    for axis in range(products.ndim):
        ahead = products.shape[:axis]
        products = products.reshape(*ahead, -1, BLOCK, *products.shape[axis + 1 :]).sum(axis=axis)
    return products


def errors_of(sums: FloatArray, tolerances: FloatArray) -> FloatArray:
    """(M,): estimate the errors of M uniform rules from the coarser rules that each contains.

    ``sums`` (M, BLOCK) or (M, BLOCK, BLOCK) are what `folded` makes of each rule's terms, ``tolerances`` is (M,).
    Every second node, begun at each of its 2^D corners, is a rule of twice the spacing; likewise every
    third and every fourth. Halving divides the error by 4 where the integrand has kinks and squares it
    where it is smooth, so continuing the power law of the last steps errs on the careful side. Halves alone
    would not do: a kink half-way between two nodes is invisible to them (the error goes with Bernoulli's B2,
    equal at 1/4 and 3/4), and never to halves and thirds at once. The last step itself must be small too
    (20 tolerances), in case a smooth part hides a small rough one behind it.
    """
    halves, thirds, quarters = (_worst(sums, step) for step in (2, 3, 4))
    continued = np.maximum(_continued(halves, quarters, 2), _continued(thirds, quarters, 3))
    return np.where(halves > 20 * tolerances, halves, continued)


def _continued(errors: FloatArray, coarser: FloatArray, step: int) -> FloatArray:
    """Continue the errors at 4 and at ``step`` times the spacing to once the spacing, as a power of it."""
    falling = (errors > 0) & (errors < coarser)
    ratio = np.divide(coarser, errors, out=np.ones_like(errors), where=falling)
    return np.asarray(errors * step ** (-np.log(ratio) / math.log(4 / step)))


def _too_coarse(sums: FloatArray) -> NDArray[np.bool_]:
    """(D,): which axes to halve, judged by what every second node along one axis alone would lose.

    Both, where neither loses much alone: a kink that runs across the diagonal errs in both at once.
    """
    others = [tuple(other for other in range(sums.ndim) if other != axis) for axis in range(sums.ndim)]
    alone = np.array([_worst(sums.sum(axis=other)[None], 2)[0] for other in others])
    if alone.max() < _SHARE * _worst(sums[None], 2)[0]:
        return np.ones(sums.ndim, dtype=bool)
    return np.asarray(alone >= _SHARE * alone.max())


def _axis(spacing: float) -> FloatArray:
    """Nodes along one standardised axis: whole blocks of them, shifted off the centre."""
    half = BLOCK // 2 * math.ceil(_RADIUS / spacing / (BLOCK // 2))
    return np.asarray((np.arange(-half, half) + _SHIFT) * spacing)


def _weighted_values(
    function: Callable[[FloatArray], FloatArray], mean: FloatArray, cholesky: FloatArray, axes: list[FloatArray]
) -> FloatArray:
    """Standard normal density times cell size times function, on the whole grid: (n,) or (n, m)."""
    densities = [np.exp(-0.5 * axis**2) for axis in axes]
    densities = [one / one.sum() for one in densities]  # spacing / sqrt(2 pi) to rounding: a trapezoid rule
    weights = densities[0] if mean.size == 1 else np.outer(*densities)
    return np.asarray(weights * _tabulated(lambda z: function(mean + z @ cholesky.T), axes))


def _tabulated(function: Callable[[FloatArray], FloatArray], axes: list[FloatArray]) -> FloatArray:
    """The function's values at all nodes of a grid, one axis of the array for each of its axes."""
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, len(axes))
    chunks = (grid[start : start + _CHUNK] for start in range(0, len(grid), _CHUNK))
    return np.concatenate([function(chunk) for chunk in chunks]).reshape([axis.size for axis in axes])


def _worst(sums: FloatArray, step: int) -> FloatArray:
    """(M,): how far the worst of the step^D rules of ``step`` times the spacing is from the rule itself."""
    m, *blocks = sums.shape
    dim = len(blocks)
    apart = sums.reshape(m, *(BLOCK // step, step) * dim).sum(axis=tuple(range(1, 2 * dim, 2)))
    rules = step**dim * apart.reshape(m, step**dim)
    return np.asarray(np.abs(rules - sums.reshape(m, BLOCK**dim).sum(axis=1, keepdims=True)).max(axis=1))


class Field:
    """A function tabulated once on a uniform grid, then averaged under many Gaussians.

    The same rule as `expect_gaussian`, with the nodes fixed in space instead of following the Gaussian,
    so that the function is evaluated once. Where the table does not serve a Gaussian (too wide for the
    box, narrower than the spacing, not accurate enough) `means_under` says NaN, never a wrong number.
    """

    def __init__(
        self, function: Callable[[FloatArray], FloatArray], low: FloatArray, high: FloatArray, spacing: float
    ) -> None:
        counts = [BLOCK * math.ceil((b - a) / spacing / BLOCK) for a, b in zip(low, high, strict=True)]
        if math.prod(counts) > MAX_NODES:
            raise TooManyNodes(f"{math.prod(counts)} nodes wanted, {MAX_NODES} allowed")
        self.axes = [a + spacing * (np.arange(n) + _SHIFT) for a, n in zip(low, counts, strict=True)]
        self.spacing = spacing
        self.values = _tabulated(function, self.axes)

    def means_under(self, means: FloatArray, covariances: FloatArray, tolerances: FloatArray) -> FloatArray:
        """(M,): E_{x ~ N(means[m], covariances[m])} [function(x)] to within ``tolerances[m]``, or NaN."""
        served = np.flatnonzero(self._holds(means, covariances))
        means, covariances = means[served], covariances[served]
        sums = np.empty((len(served), *[BLOCK] * len(self.axes)))
        upright = (covariances[:, 0, 1:] == 0).all(axis=1)
        sums[upright] = self._folded_upright(means[upright], covariances[upright])
        if not upright.all():
            sums[~upright] = self._folded_turned(means[~upright], covariances[~upright])
        found = np.full(len(tolerances), np.nan)
        good = errors_of(sums, tolerances[served]) <= tolerances[served]
        found[served[good]] = sums[good].sum(axis=tuple(range(1, sums.ndim)))
        return found

    def _holds(self, means: FloatArray, covariances: FloatArray) -> NDArray[np.bool_]:
        """(M,): which Gaussians lie inside the box, and are at least as wide as the spacing wherever they are cut."""
        reach = _FIELD_RADIUS * np.sqrt(np.diagonal(covariances, axis1=1, axis2=2))
        low, high = ([axis[end] for axis in self.axes] for end in (0, -1))
        inside = ((means - reach >= low) & (means + reach <= high)).all(axis=1)
        cuts = 1 / np.sqrt(np.diagonal(np.linalg.inv(covariances), axis1=1, axis2=2))
        return np.asarray(inside & (cuts.min(axis=1) >= self.spacing))

    def _folded_upright(self, means: FloatArray, covariances: FloatArray) -> FloatArray:
        """`folded` terms of Gaussians without correlation: products of a factor per axis, so matrix products do all."""
        factors = []
        for i, axis in enumerate(self.axes):
            variance = covariances[:, i, i, None]
            bell = np.exp(-0.5 * (axis - means[:, i, None]) ** 2 / variance)
            factors.append(bell * self.spacing / np.sqrt(2 * math.pi * variance))
        if len(factors) == 1:
            return _summed_blocks(factors[0] * self.values)
        sums = np.empty((len(means), BLOCK, BLOCK))
        for i in range(BLOCK):  # rows i, i + BLOCK, ... of the plane
            sums[:, i] = _summed_blocks(factors[0][:, i::BLOCK] @ self.values[i::BLOCK] * factors[1])
        return sums

    def _folded_turned(self, means: FloatArray, covariances: FloatArray) -> FloatArray:
        """`folded` terms of Gaussians in the plane, each on the blocks within its reach."""
        begins = np.array([axis[0] for axis in self.axes])
        reach = _FIELD_RADIUS * np.sqrt(np.diagonal(covariances, axis1=1, axis2=2))
        width = BLOCK * self.spacing
        first = BLOCK * np.maximum(np.floor((means - reach - begins) / width), 0).astype(int)
        last = BLOCK * np.ceil((means + reach - begins) / width).astype(int)
        inverses = np.linalg.inv(covariances)
        norms = self.spacing**2 * np.sqrt(np.linalg.det(inverses)) / (2 * math.pi)
        sums = np.empty((len(means), BLOCK, BLOCK))
        for m in range(len(means)):
            window = tuple(slice(*ends) for ends in zip(first[m], last[m], strict=True))
            x, y = (axis[part] - mean for axis, part, mean in zip(self.axes, window, means[m], strict=True))
            exponents = np.multiply.outer(x, -inverses[m, 0, 1] * y)
            exponents += (-0.5 * inverses[m, 0, 0] * x**2)[:, None]
            exponents += -0.5 * inverses[m, 1, 1] * y**2
            # Densities lie in [0, 1] before they are normed: single precision errs by 1e-7 of each, up and down.
            bell = np.exp(exponents.astype(np.float32))
            sums[m] = norms[m] * folded(bell * self.values[window])
        return sums


def _summed_blocks(rows: FloatArray) -> FloatArray:
    """(M, n) to (M, BLOCK): each row's blocks laid over each other and summed."""
    return np.asarray(rows.reshape(len(rows), rows.shape[1] // BLOCK, BLOCK).sum(axis=1))
