"""Where EM starts: the target's own components, grouped; or centres spread over the points. No chance in either."""

import math
from collections.abc import Iterator
from functools import cache

import numpy as np
from numpy.typing import NDArray

from kdlab.core.metrics import log_sum_exp
from kdlab.mixtures.model import GaussianMixture
from kdlab.mixtures.solver.em import Cloud, Family, Students, stacked

FloatArray = NDArray[np.float64]

_MOST_GROUPED = 8  # components that are grouped in every possible way; more are merged pairwise first
_NO_MASS = 1e-300  # weights below this have underflowed, or will
GOLDEN = (math.sqrt(5) - 1) / 2


def grouped_starts(target: GaussianMixture, family: Family, n_components: int, n_starts: int) -> Students:
    """Return students made of the target's own components: grouped, each group replaced by its moments.

    Every way to form K'' groups is ranked by Runnalls' bound on the divergence it costs (Runnalls
    2007, IEEE Transactions on Aerospace and Electronic Systems 43): sum over groups of weight times half
    the log-determinant of the merged covariance. The ``n_starts`` cheapest are returned, cheapest first.
    Where the student may have more components than the target, the largest are split instead.
    """
    kept = with_mass(target)
    if n_components >= kept.n_components:
        return Students.of([_split_up(kept, n_components)])
    weights, means, covariances = _merged_down(kept)
    member = _groupings(len(weights), n_components)
    mass = member @ weights
    centre = (member * weights) @ means / mass[..., None]
    second = np.einsum("sgk,kij->sgij", member * weights, covariances + means[:, :, None] * means[:, None, :])
    free = Family(family.covariance)  # the floor is in a cloud's coordinates, and these are the target's own
    spread = free.project(second / mass[..., None, None] - centre[..., :, None] * centre[..., None, :])
    cost = (mass * np.linalg.slogdet(spread)[1]).sum(axis=1)
    best = np.argsort(cost, kind="stable")[:n_starts]
    log_mass = np.log(mass[best])
    return Students(log_mass - log_sum_exp(log_mass)[:, None], centre[best], spread[best])


def with_mass(target: GaussianMixture) -> GaussianMixture:
    """Return the target without components whose weights have underflowed, or will."""
    kept = target.weights > _NO_MASS
    if kept.all():
        return target
    return GaussianMixture.from_log_weights(target.log_weights[kept], target.means[kept], target.covariances[kept])


@cache
def _groupings(n_items: int, n_groups: int) -> NDArray[np.bool_]:
    """(W, G, K): every one of W ways to put K items into exactly G unlabelled groups, as who is in which."""

    def extend(labels: list[int], used: int) -> Iterator[list[int]]:
        """Restricted growth strings: a new label is the least that has not been used."""
        left = n_items - len(labels)
        if left < n_groups - used:
            return
        if left == 0:
            yield labels
            return
        for label in range(min(used + 1, n_groups)):
            yield from extend([*labels, label], max(used, label + 1))

    labels = np.array(list(extend([], 0)))
    member: NDArray[np.bool_] = labels[:, None, :] == np.arange(n_groups)[:, None]
    member.setflags(write=False)  # it is shared from now on
    return member


def _merged_down(target: GaussianMixture) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Weights, means and covariances of at most 8 components: the cheapest pairs merged first (Runnalls)."""
    weights, means, covariances = target.weights, target.means, target.covariances
    while len(weights) > _MOST_GROUPED:
        cost, i, j = min(_pair_cost(weights, means, covariances))
        pair = GaussianMixture(weights[[i, j]] / weights[[i, j]].sum(), means[[i, j]], covariances[[i, j]])
        rest = np.delete(np.arange(len(weights)), [i, j])
        weights = np.append(weights[rest], weights[[i, j]].sum())
        means = np.concatenate([means[rest], pair.mean[None]])
        covariances = np.concatenate([covariances[rest], pair.covariance[None]])
    return weights, means, covariances


def _pair_cost(weights: FloatArray, means: FloatArray, covariances: FloatArray) -> Iterator[tuple[float, int, int]]:
    log_dets = np.linalg.slogdet(covariances)[1]
    for i in range(len(weights)):
        for j in range(i):
            mass = weights[i] + weights[j]
            share = weights[i] / mass
            apart = means[i] - means[j]
            merged = share * covariances[i] + (1 - share) * covariances[j]
            merged = merged + share * (1 - share) * np.outer(apart, apart)
            cost = mass * np.linalg.slogdet(merged)[1] - weights[i] * log_dets[i] - weights[j] * log_dets[j]
            yield float(cost), i, j


def _split_up(target: GaussianMixture, n_components: int) -> GaussianMixture:
    """Halve the component with the largest share of the variance, along its longest axis, until enough."""
    parts = list(zip(target.log_weights, target.means, target.covariances, strict=True))
    while len(parts) < n_components:
        shares = [math.exp(log_weight) * np.trace(covariance) for log_weight, _, covariance in parts]
        log_weight, mean, covariance = parts.pop(int(np.argmax(shares)))
        values, vectors = np.linalg.eigh(covariance)
        step = 0.5 * math.sqrt(values[-1]) * vectors[:, -1]
        smaller = covariance - np.outer(step, step)
        parts += [(log_weight - math.log(2), mean + sign * step, smaller) for sign in (1, -1)]
    log_weights, means, covariances = zip(*parts, strict=True)
    return GaussianMixture.from_log_weights(log_weights, means, covariances)


def spread_starts(cloud: Cloud, family: Family, n_components: int, n_starts: int) -> Students:
    """Return students (standard coordinates) whose centres are points spread over the cloud: k-means++ without chance.

    k-means++ (Arthur & Vassilvitskii 2007) draws each centre with probability proportional to the squared
    distance from the ones so far; here the draws are the golden-ratio sequence, low in discrepancy and the
    same every time. No k-means step follows: it would bring many starts to the same few places.
    """
    centres = [_spread_centres(cloud, n_components, start) for start in range(n_starts)]
    return stacked([_moments_of(cloud, family, some) for some in centres])


def _spread_centres(cloud: Cloud, n_components: int, start: int) -> FloatArray:
    chosen: list[int] = []
    distance = np.ones(len(cloud.points))
    for k in range(n_components):
        draw = ((start * n_components + k + 1) * GOLDEN) % 1.0
        cumulative = np.cumsum(cloud.weights * distance)
        index = int(np.searchsorted(cumulative, draw * cumulative[-1], side="right"))
        chosen.append(min(index, len(cumulative) - 1))
        apart = ((cloud.points - cloud.points[chosen[-1]]) ** 2).sum(axis=1)
        distance = apart if k == 0 else np.minimum(distance, apart)
    return cloud.points[chosen]


def _moments_of(cloud: Cloud, family: Family, centres: FloatArray) -> Students:
    """Moments of the points nearest to each centre, softened by a hundredth of the whole cloud's spread."""
    k = len(centres)
    labels = ((cloud.points[:, None, :] - centres) ** 2).sum(axis=-1).argmin(axis=1)
    member = (labels == np.arange(k)[:, None]) * cloud.weights
    mass = np.maximum(member.sum(axis=1), 1e-3 / k)
    apart = cloud.points - centres[:, None, :]
    second = np.einsum("kn,kni,knj->kij", member, apart, apart) / mass[:, None, None]
    covariances = family.project(second + 0.01 * np.eye(cloud.dim))
    return Students(np.log(mass / mass.sum())[None], centres[None], covariances[None])
