"""Students: the mixture of K'' Gaussians closest to a target.

The target is either points with weights, or another mixture. Onto a mixture the fit is the population
one, its M-projection argmin_q KL(target || q): the mixture is laid out on uniform nodes, each weighted
by the mass it stands for, and from there on nodes are points. Nothing is sampled, so nothing jitters.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kdlab.core.arrays import unmasked
from kdlab.core.metrics import log_sum_exp
from kdlab.mixtures.model import GaussianMixture
from kdlab.mixtures.solver.em import (
    Cloud,
    Covariance,
    Family,
    Runs,
    Students,
    cloud_of,
    features_of,
    log_likelihood,
    run_em,
    stacked,
)
from kdlab.mixtures.solver.starts import GOLDEN, grouped_starts, halved_starts, spread_starts, with_mass

__all__ = ["Covariance", "Fit", "Grids", "best_of", "exact_projection", "fit_mixture", "narrowest_cut", "node_cloud"]

FloatArray = NDArray[np.float64]

_TIE = 1e-6  # nats per point: starts closer than this are equally good, and their order decides
_TRIED = 8  # times n_starts: how many starts get a first look before the best n_starts run to their end
_LOOK = 30  # EM steps of a first look
_SETTLED = 4  # ends on the coarse grid that are settled on the fine one
_MOST_NODES = 1_000_000
_DIGIT = 2.0**-33  # of the points' spread: what is less does not tell two points apart
_FLOOR = 1e-6  # the least variance of a component, in those of the points
_COARSE_TOLERANCE = 1e-4
_LIGHT = math.log(1e-5)  # a lighter component may rest on the grid's floor


@dataclass(frozen=True)
class Fit:
    """A fitted student.

    ``log_likelihood`` is E_{x ~ target} [ log model(x) ], nats per point, weighted where the points are.
    ``n_iter`` counts the EM steps of the start that won; ``converged`` says whether the last of them moved
    no log-weight, standardised mean or log standard deviation by more than the tolerance.
    """

    model: GaussianMixture
    log_likelihood: float
    n_iter: int
    converged: bool


def fit_mixture(
    target: GaussianMixture | ArrayLike,
    n_components: int,
    *,
    covariance: Covariance = "diag",
    sample_weight: ArrayLike | None = None,
    starts: Sequence[GaussianMixture] = (),
    n_starts: int = 10,
    tolerance: float = 1e-6,
    max_iter: int = 2000,
    covariance_floor: float | None = None,
) -> Fit:
    """Fit K'' = ``n_components`` Gaussians to ``target``: a GaussianMixture, or points (N, D).

    ``covariance`` is the family: "diag", "full" or "spherical". ``sample_weight`` (N,) weighs points.
    ``starts`` are tried before the ``n_starts`` deterministic ones. The best log-likelihood wins, and
    of the starts within 1e-6 nats of it the earliest does. ``covariance_floor`` is the least variance
    of a component fitted to points, along any axis, in squared units of the points; unless given it is
    1e-6 times what the points vary, so that no fit depends on units (projections of a mixture need none).
    A component that loses all its mass keeps its place. Rows of a masked array with a masked number are left out.

    One component is moment matching, in closed form. A mixture of the student's family with no more
    components than the student may have is returned itself. Raises ValueError for bad input, for fewer
    distinct points than components, and for a mixture in three or more dimensions that would need EM.

    >>> pair = GaussianMixture([0.5, 0.5], [[-1.0], [1.0]], [[[0.1]], [[0.1]]])
    >>> fit_mixture(pair, 1).model.covariances.ravel().round(2)
    array([1.1])
    """
    _check_settings(n_components, covariance, n_starts, covariance_floor)
    effort = _Effort(n_starts, tolerance, max_iter)
    if not isinstance(target, GaussianMixture):
        cloud, family = _cloud_of_points(target, sample_weight, n_components, covariance, covariance_floor)
        _check_starts(starts, n_components, cloud.dim)
        return _fit_to_points(cloud, family, n_components, starts, effort)
    if sample_weight is not None:
        raise ValueError("sample_weight was given with a GaussianMixture, which brings its own weights: drop it")
    _check_starts(starts, n_components, target.dim)
    return _fit_to_mixture(target, n_components, covariance, starts, effort)


class _Effort(NamedTuple):
    n_starts: int
    tolerance: float
    max_iter: int


def _with_given(starts: Sequence[GaussianMixture], found: list[Students], cloud: Cloud, family: Family) -> Students:
    """All starts in one batch, the caller's first."""
    given = [Students.of(starts).into(cloud)] if starts else []
    return stacked([*given, *found]).within(family)


# Onto a mixture


def exact_projection(target: GaussianMixture, n_components: int, covariance: Covariance) -> GaussianMixture | None:
    """Return the M-projection where it needs no EM, or None.

    One component: the moments (the diagonal, or the mean, of the covariance for the smaller families).
    Enough components, and a family that holds the target's covariances: the target.
    """
    family = Family(covariance)
    if n_components == 1:
        return GaussianMixture([1.0], target.mean[None], family.project(target.covariance[None]))
    kept = target if target.n_components <= n_components else with_mass(target)
    fits_in = np.allclose(family.project(kept.covariances), kept.covariances, rtol=1e-12, atol=0.0)
    return kept if kept.n_components <= n_components and fits_in else None


def _fit_to_mixture(
    target: GaussianMixture,
    n_components: int,
    covariance: Covariance,
    starts: Sequence[GaussianMixture],
    effort: _Effort,
) -> Fit:
    """EM from every start on a coarse grid, from the best of their ends on a fine one, compared on a finer."""
    exact = exact_projection(target, n_components, covariance)
    if exact is not None:
        known = target.dim <= 2 or exact.n_components == 1  # elsewhere only Monte Carlo could tell
        return Fit(exact, target.expected_log_prob(exact).value if known else math.nan, 0, True)
    halvings = 0
    while True:
        grids = Grids.of(target, covariance, halvings)
        grouped = grouped_starts(target, grids.family, n_components, effort.n_starts).into(grids.coarse)
        more = max(2, effort.n_starts - len(grouped) - len(starts))
        spread = spread_starts(grids.coarse, grids.family, n_components, more)
        halved = halved_starts(target, grids.family, n_components).into(grids.coarse)
        tried = _with_given(starts, [grouped, spread, halved], grids.coarse, grids.family)
        looked = run_em(grids.coarse, grids.family, tried, tolerance=_COARSE_TOLERANCE, max_iter=_LOOK)
        ends = grids.refined(looked.students[best_of(looked.log_likelihood, _SETTLED)])
        runs = run_em(grids.fine, grids.family, ends, effort.tolerance, effort.max_iter)
        winner = best_of(grids.compare(runs.students), 1)[0]
        if not grids.too_coarse_for(runs.students[winner]):
            fit = _fit_from(runs, winner, grids.fine)
            return replace(fit, log_likelihood=target.expected_log_prob(fit.model).value)
        halvings += 1


@dataclass(frozen=True)
class Grids:
    """One target on uniform nodes three times: to look around, to settle, and to compare.

    A component narrower than two of the fine grid's nodes could hide between them, so ``family`` has
    that as its floor, and a fit that touches it asks for grids twice as fine.
    """

    coarse: Cloud
    fine: Cloud
    finer: Cloud
    family: Family

    @classmethod
    def of(cls, target: GaussianMixture, covariance: Covariance, halvings: int = 0) -> Grids:
        """Lay the target out; each halving makes all three grids twice as fine."""
        cross, step = covariance == "full", narrowest_cut(target) / 2**halvings
        coarse, fine, finer = (
            node_cloud(target, share * step, radius, cross=cross)
            for share, radius in ((0.9, 4.0), (0.65, 5.0), (0.45, 5.5))
        )
        return cls(coarse, fine, finer, Family(covariance, float(0.6 * step / fine.scale[0]) ** 2))

    def refined(self, students: Students) -> Students:
        """Move students from the coarse grid's coordinates to the fine one's."""
        old, new = self.coarse, self.fine
        ratio = old.scale / new.scale
        means = students.means * ratio + (old.shift - new.shift) / new.scale
        return Students(students.log_weights, means, students.covariances * np.outer(ratio, ratio))

    def compare(self, students: Students) -> FloatArray:
        """(S,) nats per point of students of the fine grid, judged on the finer one."""
        return log_likelihood(self.finer, students.out_of(self.fine).into(self.finer))

    def too_coarse_for(self, students: Students) -> bool:
        """Say whether a component of weight 1e-5 or more lies on the floor that the grid imposes."""
        narrow = np.linalg.eigvalsh(students.covariances)[..., 0] < self.family.floor * 1.001
        return bool((narrow & (students.log_weights > _LIGHT)).any())


def node_cloud(target: GaussianMixture, spacing: float, radius: float, *, cross: bool) -> Cloud:
    """Lay a 1-D or 2-D mixture out on a square grid, each node weighted by density times cell.

    Only nodes within ``radius`` standard deviations of some component are kept: measured from each
    component, never by mass, so that a component of weight 1e-13 keeps its nodes too. Raises ValueError in
    more dimensions, or where the components' scales differ so much that over 1e6 nodes would be needed.
    """
    if target.dim > 2:
        raise ValueError(
            f"the target lives in {target.dim} dimensions: projecting a mixture by EM needs a grid, in 1-D or 2-D; "
            "draw points from it and fit those, or ask for one component"
        )
    reach = radius * np.sqrt(np.diagonal(target.covariances, axis1=1, axis2=2))
    low, high = (target.means - reach).min(axis=0), (target.means + reach).max(axis=0)
    counts = np.ceil((high - low) / spacing).astype(int) + 1
    if counts.prod(dtype=float) > _MOST_NODES:
        raise ValueError(
            f"{counts.prod(dtype=float):.3g} nodes would be needed, {_MOST_NODES} are allowed: the components' "
            "scales differ too much for one grid; draw points from the target and fit those"
        )
    axes = [start + spacing * np.arange(count) for start, count in zip(low, counts, strict=True)]
    points = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, target.dim)
    log_densities = target.component_log_probs(points)
    peaks = target.component_log_probs(target.means).diagonal()
    near = (log_densities >= peaks - 0.5 * radius**2).any(axis=1)
    weights = np.exp(log_sum_exp(log_densities[near] + target.log_weights)) * spacing**target.dim
    return cloud_of(points[near], weights, cross=cross)


def narrowest_cut(target: GaussianMixture) -> float:
    """The least standard deviation, in any direction, of any component."""
    return float(np.sqrt(np.linalg.eigvalsh(target.covariances)[:, 0].min()))


# Onto points


def _fit_to_points(
    cloud: Cloud, family: Family, n_components: int, starts: Sequence[GaussianMixture], effort: _Effort
) -> Fit:
    """A short look from many starts, and EM to its end from the best of them."""
    spread = spread_starts(cloud, family, n_components, _TRIED * effort.n_starts)
    looked = run_em(cloud, family, _with_given(starts, [spread], cloud, family), effort.tolerance, _LOOK)
    best = best_of(looked.log_likelihood, len(starts) + effort.n_starts)
    runs = run_em(cloud, family, looked.students[best], effort.tolerance, effort.max_iter)
    return _fit_from(runs, best_of(runs.log_likelihood, 1)[0], cloud)


def _cloud_of_points(
    target: ArrayLike, sample_weight: ArrayLike | None, n_components: int, covariance: Covariance, floor: float | None
) -> tuple[Cloud, Family]:
    points, weights = _without_masked(target, sample_weight)
    distinct = len(np.unique(points[weights > 0], axis=0))
    if distinct < n_components:
        raise ValueError(
            f"n_components is {n_components}, but the points hold {distinct} distinct rows: "
            f"ask for at most {distinct} components, or bring more points"
        )
    extent = float(np.ptp(points, axis=0).max())
    if extent and not 1e-140 < extent < 1e140:
        raise ValueError(f"points extend over {extent}: their squares are no longer numbers; give them in other units")
    free = floor is None and covariance != "spherical"
    cloud = cloud_of(points[weights > 0], weights[weights > 0], cross=covariance == "full", each_axis=free)
    return _canonical(cloud), Family(covariance, _FLOOR if floor is None else floor / float(cloud.scale[0]) ** 2)


def _canonical(cloud: Cloud) -> Cloud:
    """The same points, to 1e-10 of their spread, in the same order whatever their units, order, place and mirror image.

    EM from many starts is a search that magnifies the last digit; here it finds the same digits. A point that comes
    twice is one of twice the weight. The order is by distance from the mean, then shuffled by golden-ratio steps:
    starts that walk along it see all distances.
    """
    z, place = np.unique(np.round(cloud.points / _DIGIT) * _DIGIT, axis=0, return_inverse=True)
    order = np.argsort((z**2).sum(axis=1), kind="stable")
    order = order[np.argsort(np.arange(len(z)) * GOLDEN % 1.0)]
    z, weights = z[order], np.asarray(np.bincount(place.ravel(), cloud.weights)[order], dtype=float)
    return replace(cloud, points=z, weights=weights, features=features_of(z, cloud.pairs))


def _without_masked(target: ArrayLike, sample_weight: ArrayLike | None) -> tuple[FloatArray, FloatArray]:
    """Checked points (N, D) and weights (N,), without the rows that a masked array hides."""
    if np.ma.is_masked(target) and np.ndim(target) == 2:
        shown: Any = np.ma.asarray(target)
        seen = ~np.ma.getmaskarray(shown).any(axis=1)
        target = shown.data[seen]
        if sample_weight is not None and np.shape(sample_weight) == seen.shape:
            sample_weight = np.ma.asarray(sample_weight)[seen]
    points = _checked_points(target)
    return points, _checked_sample_weight(sample_weight, len(points))


def best_of(log_likelihoods: FloatArray, n: int) -> NDArray[np.intp]:
    """Return the indices of the ``n`` best, best first; within 1e-6 nats of the best, the earliest comes first."""
    rounded = np.where(log_likelihoods >= log_likelihoods.max() - _TIE, np.inf, log_likelihoods)
    return np.argsort(-rounded, kind="stable")[:n]


def _fit_from(runs: Runs, winner: int, cloud: Cloud) -> Fit:
    return Fit(
        runs.students.out_of(cloud).model(winner),
        float(runs.log_likelihood[winner]),
        int(runs.n_iter[winner]),
        bool(runs.converged[winner]),
    )


# Edges


def _check_settings(n_components: int, covariance: str, n_starts: int, floor: float | None) -> None:
    if not isinstance(n_components, (int, np.integer)) or n_components < 1:
        raise ValueError(f"n_components is {n_components!r}: give 1 component or more, a whole number")
    if covariance not in get_args(Covariance):
        raise ValueError(f"covariance is {covariance!r}: choose one of {', '.join(get_args(Covariance))}")
    if n_starts < 1:
        raise ValueError(f"n_starts is {n_starts}: ask for 1 or more")
    if floor is not None and not floor > 0:
        raise ValueError(f"covariance_floor is {floor}: give one above zero; left out, it follows the points")


def _check_starts(starts: Sequence[GaussianMixture], n_components: int, dim: int) -> None:
    for i, start in enumerate(starts):
        if (start.n_components, start.dim) != (n_components, dim):
            raise ValueError(f"start {i} is {start!r}: give {n_components} components in {dim}-D")


def _checked_points(target: ArrayLike) -> FloatArray:
    points = np.asarray(unmasked(target, "points"), dtype=float)
    if points.ndim != 2 or points.size == 0:
        raise ValueError(
            f"points have shape {points.shape}: give (N, D) with at least one row; "
            "x.reshape(-1, 1) makes rows of a vector"
        )
    if not np.isfinite(points).all():
        row = int(np.flatnonzero(~np.isfinite(points).all(axis=1))[0])
        raise ValueError(f"point {row} is {points[row].tolist()}: points must be finite; drop or mend such rows")
    return points


def _checked_sample_weight(sample_weight: ArrayLike | None, n: int) -> FloatArray:
    if sample_weight is None:
        return np.full(n, 1 / n)
    weights = np.asarray(unmasked(sample_weight, "sample_weight"), dtype=float)
    if weights.shape != (n,):
        raise ValueError(f"sample_weight has shape {weights.shape} beside {n} points: give ({n},)")
    bad = ~(np.isfinite(weights) & (weights >= 0))
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        raise ValueError(f"sample_weight {row} is {weights[row]}: make each finite and not negative")
    if weights.sum() <= 0:
        raise ValueError(f"sample_weight sums to {weights.sum()}: give some point a weight above zero")
    return np.asarray(weights / weights.sum())
