"""Exact means of a mixture's log-density where some component is thin: line by line, with intervals cut where it lies.

A component a hundredth as wide as the Gaussian that the mean is taken under hides between evenly spaced nodes, on a
grid and on its half alike. Here the intervals are cut at each component's mean and at 1, 5, 25, ... of its deviations,
so nothing is narrower than the interval it lies in; an interval is halved until its two halves agree with it. The rule
has nodes at both ends, or else a steep bend next to an end would be seen by neither. In the plane the means along
vertical lines are averaged over the lines in the same way.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kdlab.mixtures._quadrature import MAX_NODES, TooManyNodes, expect_gaussian

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]

THINNEST = 0.1  # of the Gaussian's deviation: what an evenly spaced grid, which begins at 0.25, may be trusted to see
_MAX_LINE_NODES = 40_000_000  # some ten seconds
_RADIUS = 8.3  # standard deviations: the mass outside is below 1e-16
_THIN = 0.5  # of the Gaussian's deviation: a wider component needs no cuts of its own
_GROWTH = 5.0  # from each cut's distance to the next one's
_LINE_SHARE = 0.02  # of the error that a mean over lines may make, for each line
_FAINT = 45.0  # nats: a component this far below another adds less than rounding
_ROUNDING = 2e-15  # of a row's size: less than this is no error of the rule
_HALVINGS = 60
_AT_ONCE = 400_000  # values of components at once: bounds the memory


def _lobatto(n: int) -> tuple[FloatArray, FloatArray]:
    """Nodes and weights of Gauss's rule on [-1, 1] that holds both ends (Abramowitz & Stegun 1964, 25.4.32)."""
    legendre = np.polynomial.Legendre.basis(n - 1)
    nodes = np.concatenate([[-1.0], np.sort(legendre.deriv().roots().real), [1.0]])
    return nodes, 2 / (n * (n - 1) * legendre(nodes) ** 2)


_NODES, _WEIGHTS = _lobatto(10)


class _Budget:
    """Counts nodes, and raises TooManyNodes beyond what is allowed."""

    def __init__(self, allowed: int) -> None:
        self.used, self._allowed = 0, allowed

    def spend(self, nodes: int) -> None:
        self.used += nodes
        if self.used > self._allowed:
            raise TooManyNodes(f"more than {self._allowed} nodes wanted along lines through thin components")


def expect_log_prob(
    of: Any, mean: FloatArray, cholesky: FloatArray, *, tolerance: float, max_nodes: int = MAX_NODES
) -> tuple[float, int]:
    """Return (E_{x ~ N(mean, L L')} [of.log_prob(x)], nodes used on a grid) for a GaussianMixture ``of``, D = 1 or 2.

    On an evenly spaced grid where all components of ``of`` are wide enough to be seen by one, line by line elsewhere
    and where the grid would need more than ``max_nodes``. Right to ``tolerance``, or to a part in 1e12 of a mean that
    is above a million nats. Raises TooManyNodes.
    """
    kept = np.isfinite(of.log_weights)
    inverse = np.linalg.inv(cholesky)
    roots = np.tril(inverse @ of.choleskys[kept])
    if float(np.linalg.svd(roots, compute_uv=False).min()) >= THINNEST:
        try:
            return expect_gaussian(of.log_prob, mean, cholesky, tolerance=tolerance, max_nodes=max_nodes)
        except TooManyNodes:
            pass
    means = (of.means[kept] - mean) @ inverse.T
    over = _mean_over_line if of.dim == 1 else _mean_over_plane
    stretched = float(np.log(np.diagonal(cholesky)).sum())
    return over(of.log_weights[kept], means, roots, tolerance) - stretched, 0


def _mean_over_line(log_weights: FloatArray, means: FloatArray, roots: FloatArray, tolerance: float) -> float:
    """E_{z ~ N(0, 1)} [log of the mixture's density at z], for (K,), (K, 1) and deviations (K, 1, 1)."""
    deviations = roots[:, 0, 0]
    heights = log_weights - np.log(deviations) - 0.5 * math.log(2 * math.pi)
    budget = _Budget(_MAX_LINE_NODES)
    return float(_line_means(heights[None], means.T, deviations, tolerance, budget)[0])


def _mean_over_plane(log_weights: FloatArray, means: FloatArray, roots: FloatArray, tolerance: float) -> float:
    """E_{z ~ N(0, I)} [log of the mixture's density at z], for (K,), (K, 2) and Cholesky factors (K, 2, 2).

    The plane is turned so that the thinnest component lies across the lines. Along one the mixture is a
    mixture again: of each component's conditionals, whose deviation is the same on every line.
    """
    areas = np.diagonal(roots, axis1=1, axis2=2).prod(axis=1)
    axes, widths, _ = np.linalg.svd(roots)
    turn = axes[widths[:, 1].argmin()]  # its long axis first
    (across, along), turned = (means @ turn).T, turn.T @ roots
    variances = (turned[:, 0] ** 2).sum(axis=1)
    slopes = (turned[:, 0] * turned[:, 1]).sum(axis=1) / variances
    deviations = areas / np.sqrt(variances)
    heights = log_weights - np.log(areas) - math.log(2 * math.pi)
    budget = _Budget(_MAX_LINE_NODES)

    def lines(rows: IntArray, z: FloatArray) -> FloatArray:
        apart = z.reshape(-1, 1) - across
        found = _line_means(
            heights - 0.5 * apart**2 / variances, along + slopes * apart, deviations, _LINE_SHARE * tolerance, budget
        )
        return found.reshape(z.shape)

    places, scales = _crossings(across, along, slopes, deviations)
    edges = _edges(np.append(across, places)[None], np.append(np.sqrt(variances), scales))
    return float(_mean(lines, edges, tolerance)[0])


def _crossings(
    across: FloatArray, along: FloatArray, slopes: FloatArray, deviations: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Where two thin components cross, as seen from line to line, and over how many lines they do."""
    thin = np.flatnonzero(deviations < _THIN)
    one, other = (thin[side] for side in np.triu_indices(len(thin), 1))
    turning = slopes[one] - slopes[other]
    one, other, turning = one[turning != 0], other[turning != 0], turning[turning != 0]
    starts = along - slopes * across
    return (starts[other] - starts[one]) / turning, (deviations[one] + deviations[other]) / np.abs(turning)


def _line_means(
    heights: FloatArray, means: FloatArray, deviations: FloatArray, tolerance: float, budget: _Budget
) -> FloatArray:
    """(R,): means under N(0, 1) of log sum_k exp(heights_k - ((z - means_k) / deviations_k)^2 / 2)."""
    edges = _edges(np.where(_hidden(heights, means, deviations), np.inf, means), deviations)
    found = np.empty(len(heights))
    some = max(1, _AT_ONCE // (len(_NODES) * edges.shape[1] * len(deviations)))
    for first in range(0, len(heights), some):
        block = slice(first, first + some)
        found[block] = _line_block(heights[block], means[block], deviations, edges[block], tolerance, budget)
    return found


def _hidden(heights: FloatArray, means: FloatArray, deviations: FloatArray) -> NDArray[np.bool_]:
    """(R, K): components that some wider one exceeds by `_FAINT` nats wherever one looks; they need no cuts.

    Where s is below t, -((z - a) / s)^2 / 2 + ((z - b) / t)^2 / 2 is at most (a - b)^2 / (t^2 - s^2) / 2.
    """
    hidden = np.zeros(heights.shape, dtype=bool)
    for k, deviation in enumerate(deviations):
        wider = np.flatnonzero(deviations > deviation)
        room = 0.5 * (means[:, wider] - means[:, k, None]) ** 2 / (deviations[wider] ** 2 - deviation**2)
        hidden[:, k] = (heights[:, wider] - heights[:, k, None] - room > _FAINT).any(axis=1)
    return hidden


def _line_block(
    heights: FloatArray,
    means: FloatArray,
    deviations: FloatArray,
    edges: FloatArray,
    tolerance: float,
    budget: _Budget,
) -> FloatArray:
    def log_density(rows: IntArray, z: FloatArray) -> FloatArray:
        budget.spend(z.size)
        apart = (z[None] - means.T[:, rows, None]) / deviations[:, None, None]  # (K, intervals, nodes)
        scores = heights.T[:, rows, None] - 0.5 * apart**2
        top = scores.max(axis=0)
        return np.asarray(top + np.log(np.exp(scores - top).sum(axis=0)))

    return _mean(log_density, edges, tolerance)


def _edges(means: FloatArray, deviations: FloatArray) -> FloatArray:
    """(R, E): where each row's intervals begin and end, for means (R, K) and deviations (K,) of what is to be seen."""
    plain = np.linspace(-_RADIUS, _RADIUS, 9)
    steps = [np.tile(plain, (len(means), 1))]
    for k in np.flatnonzero(deviations < _THIN):
        n = math.ceil(math.log(2 * _RADIUS / deviations[k], _GROWTH)) + 1
        reach = deviations[k] * _GROWTH ** np.arange(n)
        steps.append(means[:, k, None] + np.concatenate([-reach[::-1], [0.0], reach]))
    return np.asarray(np.sort(np.clip(np.concatenate(steps, axis=1), -_RADIUS, _RADIUS), axis=1))


def _mean(function: Callable[[IntArray, FloatArray], FloatArray], edges: FloatArray, tolerance: float) -> FloatArray:
    """(R,): the mean of ``function(rows, z)`` under z ~ N(0, 1) in each row, cut at ``edges`` (R, E).

    An interval is done once its halves agree with it to its share of ``tolerance``, or to rounding.
    """
    rows = np.repeat(np.arange(len(edges)), edges.shape[1] - 1)
    left, right = edges[:, :-1].ravel(), edges[:, 1:].ravel()
    some = right > left
    rows, left, right = rows[some], left[some], right[some]
    sums = _rule(function, rows, left, right)
    means, sizes = np.zeros(len(edges)), np.bincount(rows, np.abs(sums), len(edges))
    allowed = np.maximum(tolerance / edges.shape[1], _ROUNDING * sizes)
    for _ in range(_HALVINGS):
        middle = 0.5 * (left + right)
        rows, left, right = np.tile(rows, 2), np.append(left, middle), np.append(middle, right)
        halves = _rule(function, rows, left, right)
        both = halves.reshape(2, -1).sum(axis=0)
        done = np.abs(both - sums) <= allowed[rows[: len(sums)]]
        means += np.bincount(rows[: len(sums)][done], both[done], len(means))
        going = np.tile(~done, 2)
        rows, left, right, sums = rows[going], left[going], right[going], halves[going]
        if not rows.size:
            return means
    raise TooManyNodes(f"an interval was halved {_HALVINGS} times and its halves still disagree")


def _rule(
    function: Callable[[IntArray, FloatArray], FloatArray], rows: IntArray, left: FloatArray, right: FloatArray
) -> FloatArray:
    """Each interval's part of its row's mean."""
    half = 0.5 * (right - left)[:, None]
    z = 0.5 * (left + right)[:, None] + half * _NODES
    bell = np.exp(-0.5 * z**2) / math.sqrt(2 * math.pi)
    return np.asarray((half * bell * function(rows, z)) @ _WEIGHTS)
