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
_TOGETHER = 2**18  # points times components of all spread starts that are made at once
GOLDEN = (math.sqrt(5) - 1) / 2


def grouped_starts(target: GaussianMixture, family: Family, n_components: int, n_starts: int) -> Students:
    """Return students made of the target's own components: grouped, each group replaced by its moments.

    Every way to form K'' groups (of 8 components; of more, the cheapest pairs are merged first) is ranked by
    Runnalls' bound on the divergence it costs (Runnalls 2007, IEEE Transactions on Aerospace and Electronic Systems
    43): sum over groups of weight times half the log-determinant of the merged covariance. The ``n_starts``
    cheapest are returned, cheapest first.
    Where the student may have more components than the target, the largest are split instead.
    """
    kept = with_mass(target)
    if n_components >= kept.n_components:
        return _split_up(Students.of([kept]), n_components)
    weights, means, covariances = _merged_down(kept, max(_MOST_GROUPED, n_components))
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


def _merged_down(target: GaussianMixture, most: int) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Weights, means and covariances of at most so many components: the cheapest pairs merged first (Runnalls)."""
    weights, means, covariances = target.weights, target.means, target.covariances
    while len(weights) > most:
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


def halved_starts(target: GaussianMixture, family: Family, n_components: int) -> Students:
    """Return students made of fewer groups than they have components, some of these halved along their longest axis.

    Of K'' - 1 groups each is halved in turn; of one group less, that with the largest share of the variance, until
    there are enough. A target with fewer components than that is halved itself.
    """
    kept = with_mass(target)
    most = min(n_components - 1, kept.n_components)
    made = []
    for fewer in range(most, max(most - 2, 0), -1):
        base = Students.of([kept]) if fewer == kept.n_components else grouped_starts(kept, family, fewer, 1)
        halves = [_halved(base, k) for k in range(fewer)] if fewer == most else [base]
        made += [_split_up(one, n_components) for one in halves]
    return stacked(made)


def _split_up(student: Students, n_components: int) -> Students:
    """Halve the component with the largest share of the variance until there are enough."""
    while student.means.shape[1] < n_components:
        shares = np.exp(student.log_weights[0]) * np.trace(student.covariances[0], axis1=1, axis2=2)
        student = _halved(student, int(np.argmax(shares)))
    return student


def _halved(student: Students, k: int) -> Students:
    """One student with component ``k`` in two halves, a standard deviation apart along its longest axis."""
    values, vectors = np.linalg.eigh(student.covariances[0, k])
    step = 0.5 * math.sqrt(values[-1]) * vectors[:, -1]
    halves = np.append(np.arange(student.means.shape[1]), k)
    made = student[:, halves]
    made.log_weights[0, [k, -1]] -= math.log(2)
    made.means[0, [k, -1]] += step, -step
    made.covariances[0, [k, -1]] -= np.outer(step, step)
    return made


def spread_starts(cloud: Cloud, family: Family, n_components: int, n_starts: int) -> Students:
    """Return students (standard coordinates) whose centres are points spread over the cloud: k-means++ without chance.

    k-means++ (Arthur & Vassilvitskii 2007) draws each centre with probability proportional to the squared
    distance from the ones so far; here the draws are the golden-ratio sequence, low in discrepancy and the
    same every time. No k-means step follows: it would bring many starts to the same few places.
    """
    some = max(1, _TOGETHER // (n_components * len(cloud.points)))
    parts = [np.arange(first, min(first + some, n_starts)) for first in range(0, n_starts, some)]
    return stacked([_spread(cloud, family, n_components, numbers) for numbers in parts])


def _spread(cloud: Cloud, family: Family, k: int, numbers: NDArray[np.intp]) -> Students:
    """The spread starts of these ``numbers`` (S,): centres, and the moments of the points nearest to each.

    Moments are softened by a hundredth of the whole cloud's spread.
    """
    draws = (numbers[:, None] * k + np.arange(1, k + 1)) * GOLDEN % 1.0
    distance = np.ones((len(numbers), len(cloud.points)))
    nearest = np.zeros_like(distance, dtype=np.intp)
    centres = np.empty((len(numbers), k, cloud.dim))
    for i in range(k):
        cumulative = np.cumsum(cloud.weights * distance, axis=1)
        chosen = (cumulative <= draws[:, i, None] * cumulative[:, -1:]).sum(axis=1)
        centres[:, i] = cloud.points[np.minimum(chosen, len(cloud.points) - 1)]
        apart = sum((cloud.points[:, d] - centres[:, i, d, None]) ** 2 for d in range(cloud.dim))
        closer = apart < distance if i else np.ones_like(distance, dtype=bool)
        nearest[closer], distance = i, np.where(closer, apart, distance)
    member = (nearest[:, None] == np.arange(k)[:, None]) * cloud.weights
    mass = np.maximum(member.sum(axis=-1), 1e-3 / k)
    away = cloud.points - centres[:, :, None]
    second = np.swapaxes(away, -1, -2) @ (member[..., None] * away) / mass[..., None, None]
    return Students(
        np.log(mass / mass.sum(axis=1, keepdims=True)), centres, family.project(second + 0.01 * np.eye(cloud.dim))
    )
