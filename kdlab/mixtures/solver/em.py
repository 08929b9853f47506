"""Weighted EM, the engine under `fit`: a cloud of weighted points, one step, and a faster way to repeat it.

Points are kept as features, so that all log-densities are one matrix product and all moments another.
Coordinates are shifted and scaled once, so that squares do not cancel.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from kdlab.core.metrics import log_sum_exp
from kdlab.mixtures.model import GaussianMixture

FloatArray = NDArray[np.float64]
Covariance = Literal["diag", "full", "spherical"]

_MEMORY = 8  # steps that a leap is mixed from
_FARTHEST = 4.0  # in packed coordinates: keeps exponentials finite
_NOISE = 1e-6  # nats: what single precision may blur, with room to spare
_LIGHT = math.log(1e-4)  # components below this weight neither leap nor hold up the others
_LIGHT_SHARE = 0.01  # of their movement that counts: the likelihood is flat there, their steps are rough
_BLOCK = 2**16  # scores at once, of all students, components and nodes: what they need stays in the cache
_FIELDS = ("log_weights", "means", "covariances")  # of mixtures and of students alike
_NOTHING, _NO_WEIGHT = 1e-300, -1e30  # mass that moves no component; its log: of -inf in a product some BLAS warn


@dataclass(frozen=True)
class Cloud:
    """Weighted points in standard coordinates z = (x - shift) / scale, with a scale (D,) for each axis.

    ``points`` (N, D); ``weights`` (N,), summing to (nearly) one; ``features`` (F, N): 1, z_i, and the
    products z_i z_j of ``pairs``. A stack of S clouds of N points has ``weights`` (S, N), and where their
    points differ too, ``points`` (S, N, D) and ``features`` (S, F, N); student s then meets cloud s.
    """

    points: FloatArray
    weights: FloatArray
    features: FloatArray
    pairs: list[tuple[int, int]]
    shift: FloatArray
    scale: FloatArray

    @property
    def dim(self) -> int:
        """D."""
        return int(self.points.shape[-1])

    def __getitem__(self, which: Any) -> Cloud:
        """Return the clouds ``which`` of a stack; one cloud serves any."""
        if self.weights.ndim == 1:
            return self
        if self.features.ndim == 2:
            return replace(self, weights=self.weights[which])
        return replace(self, points=self.points[which], weights=self.weights[which], features=self.features[which])

    @property
    def log_jacobian(self) -> float:
        """What a log-density loses, in nats, on the way back to x."""
        return float(np.log(self.scale).sum())


@dataclass(frozen=True)
class Family:
    """Which covariances a student may have, and the least variance of each (standard coordinates)."""

    covariance: Covariance
    floor: float = 0.0

    def project(self, covariances: FloatArray) -> FloatArray:
        """Return the family's member nearest in likelihood to each second moment (..., D, D)."""
        if self.covariance == "full":
            if self.above_floor(covariances):
                return covariances
            values, vectors = np.linalg.eigh(covariances)
            return np.asarray((vectors * np.maximum(values, self.floor)[..., None, :]) @ np.swapaxes(vectors, -1, -2))
        variances = np.diagonal(covariances, axis1=-2, axis2=-1)
        if self.covariance == "spherical":
            variances = variances.mean(axis=-1, keepdims=True)
        return np.asarray(np.eye(covariances.shape[-1]) * np.maximum(variances, self.floor)[..., None])

    def above_floor(self, covariances: FloatArray) -> bool:
        """Say whether no covariance (..., D, D) has less than the floor along any axis (of the family's)."""
        if self.covariance != "full":
            least = np.diagonal(covariances, axis1=-2, axis2=-1)
        elif covariances.shape[-1] == 2:  # eigh is slow on many small ones
            x, y = covariances[..., 0, 0], covariances[..., 1, 1]
            least = np.asarray(0.5 * (x + y) - np.hypot(0.5 * (x - y), covariances[..., 0, 1]))
        else:
            least = np.asarray(np.linalg.eigvalsh(covariances), dtype=float)
        return bool(least.min() >= self.floor)


def cloud_of(points: FloatArray, weights: FloatArray, *, cross: bool, each_axis: bool = False) -> Cloud:
    """Lay out points (N, D) of weights (N,) for EM; ``cross`` keeps the products z_i z_j with i < j.

    One scale serves all axes, unless ``each_axis`` asks for its own: right for any family but the spherical one.
    """
    shift = weights @ points / weights.sum()
    rounding = (16 * np.finfo(float).eps * np.abs(points).max(axis=0)) ** 2  # all the spread that equal numbers have
    spread = weights @ ((points - shift) ** 2).sum(axis=1) / weights.sum() / points.shape[1]
    spreads = np.full(points.shape[1], spread if spread > rounding.max() else 1.0)
    if each_axis:
        spreads = np.where((own := weights @ (points - shift) ** 2 / weights.sum()) > rounding, own, spreads)
    scale = np.sqrt(spreads)
    z = (points - shift) / scale
    dims = range(points.shape[1])
    pairs = [(i, i) for i in dims] + [(i, j) for i in dims for j in dims if cross and i < j]
    return Cloud(z, weights, features_of(z, pairs), pairs, shift, scale)


def features_of(z: FloatArray, pairs: list[tuple[int, int]]) -> FloatArray:
    """(F, N): 1, z_i, and the products z_i z_j of ``pairs``, for points z (N, D) in standard coordinates."""
    return np.stack([np.ones(len(z)), *z.T, *(z[:, i] * z[:, j] for i, j in pairs)])


@dataclass(frozen=True)
class Students:
    """S students at once: S starts of one fit, or one student at S betas. EM wants them in a cloud's coordinates.

    ``log_weights`` (S, K), ``means`` (S, K, D), ``covariances`` (S, K, D, D).
    """

    log_weights: FloatArray
    means: FloatArray
    covariances: FloatArray

    @classmethod
    def of(cls, models: Sequence[GaussianMixture]) -> Students:
        """Stack mixtures of one size, in their own coordinates."""
        return cls(*(np.stack([getattr(one, name) for one in models]) for name in _FIELDS))

    def into(self, cloud: Cloud) -> Students:
        """From the coordinates of the points to the cloud's."""
        areas = np.outer(cloud.scale, cloud.scale)
        return Students(self.log_weights, (self.means - cloud.shift) / cloud.scale, self.covariances / areas)

    def out_of(self, cloud: Cloud) -> Students:
        """Back to the coordinates of the points."""
        areas = np.outer(cloud.scale, cloud.scale)
        return Students(self.log_weights, self.means * cloud.scale + cloud.shift, self.covariances * areas)

    def within(self, family: Family) -> Students:
        """Each covariance replaced by the family's member nearest to it."""
        return replace(self, covariances=family.project(self.covariances))

    def model(self, s: int) -> GaussianMixture:
        """Student ``s`` as a mixture."""
        return GaussianMixture.from_log_weights(self.log_weights[s], self.means[s], self.covariances[s])

    def __getitem__(self, which: Any) -> Students:
        return Students(self.log_weights[which], self.means[which], self.covariances[which])

    def __setitem__(self, which: Any, others: Students) -> None:
        for name in _FIELDS:
            getattr(self, name)[which] = getattr(others, name)

    def __len__(self) -> int:
        return len(self.log_weights)

    def packed(self) -> FloatArray:
        """Flatten to (S, M), coordinates in which any step is allowed: covariances as log-Cholesky factors."""
        factors = _factors(self.covariances)
        sizes = np.log(np.diagonal(factors, axis1=-2, axis2=-1))
        rows, columns = _below_diagonal(self.means.shape[-1])
        below = factors[..., rows, columns]
        parts = np.concatenate([self.log_weights[..., None], self.means, sizes, below], axis=-1)
        return np.swapaxes(parts, 1, 2).reshape(len(parts), parts.shape[1] * parts.shape[2])

    def unpacked(self, vectors: FloatArray) -> Students:
        """Inverse of `packed`, for any number of students of the same shape as these."""
        _, k, d = self.means.shape
        parts = np.swapaxes(vectors.reshape(len(vectors), vectors.shape[1] // k, k), 1, 2)
        factors = np.zeros((len(vectors), k, d, d))
        rows, columns = _below_diagonal(d)
        factors[..., range(d), range(d)] = np.exp(parts[..., 1 + d : 1 + 2 * d])
        factors[..., rows, columns] = parts[..., 1 + 2 * d :]
        return Students(parts[..., 0], parts[..., 1 : 1 + d], factors @ np.swapaxes(factors, -1, -2))


@cache
def _below_diagonal(d: int) -> tuple[NDArray[np.intp], ...]:
    return np.tril_indices(d, -1)


def _factors(covariances: FloatArray) -> FloatArray:
    """Cholesky factors of (..., D, D); in closed form up to 2 x 2, many times faster on small batches."""
    if covariances.shape[-1] > 2:
        return np.asarray(np.linalg.cholesky(covariances), dtype=float)
    factors = np.zeros_like(covariances)
    factors[..., 0, 0] = np.sqrt(covariances[..., 0, 0])
    if covariances.shape[-1] == 2:
        factors[..., 1, 0] = covariances[..., 1, 0] / factors[..., 0, 0]
        factors[..., 1, 1] = np.sqrt(covariances[..., 1, 1] - factors[..., 1, 0] ** 2)
    return factors


def _inverses(covariances: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Inverses and log-determinants of (..., D, D); in closed form up to 2 x 2."""
    if covariances.shape[-1] > 2:
        return np.asarray(np.linalg.inv(covariances), dtype=float), np.linalg.slogdet(covariances)[1]
    if covariances.shape[-1] == 1:
        return 1 / covariances, np.log(covariances[..., 0, 0])
    adjugate = np.empty_like(covariances)
    adjugate[..., 0, 0], adjugate[..., 1, 1] = covariances[..., 1, 1], covariances[..., 0, 0]
    adjugate[..., 0, 1] = adjugate[..., 1, 0] = -covariances[..., 0, 1]
    determinant = covariances[..., 0, 0] * covariances[..., 1, 1] - covariances[..., 0, 1] ** 2
    return adjugate / determinant[..., None, None], np.log(determinant)


def stacked(parts: Sequence[Students]) -> Students:
    """Put students of one shape into one batch."""
    return Students(*(np.concatenate([getattr(part, name) for part in parts]) for name in _FIELDS))


@dataclass(frozen=True)
class Runs:
    """Where S starts ended on their ``cloud``; ``n_iter`` (S,) counts EM steps."""

    cloud: Cloud
    students: Students
    n_iter: NDArray[np.intp]
    converged: NDArray[np.bool_]

    @cached_property
    def log_likelihood(self) -> FloatArray:
        """(S,) nats per point; computed when first asked for, as few who ask for ends ask for this."""
        return log_likelihood(self.cloud, self.students)


def em_step(cloud: Cloud, family: Family, students: Students) -> tuple[Students, FloatArray]:
    """Return the students after one EM step, and their log-likelihoods (S,) *before* it (standard coordinates)."""
    s, k = students.log_weights.shape
    some = max(1, _BLOCK // (k * cloud.weights.shape[-1]))
    if s <= some:
        moments, reached = _moments(cloud, students)
    else:
        blocks = [slice(first, first + some) for first in range(0, s, some)]
        parts = [_moments(cloud[block], students[block]) for block in blocks]
        moments, reached = (np.concatenate(part) for part in zip(*parts, strict=True))
    return _maximised(moments, students, cloud, family), reached


def _moments(cloud: Cloud, students: Students) -> tuple[FloatArray, FloatArray]:
    """E-step: each component's share of the features' mean (S, K, F), and the log-likelihoods (S,)."""
    scores = _scores(cloud, students)
    top = scores.max(axis=1)
    scores -= top[:, None]
    # Shares lie in [0, 1] and their sum in [1, K]: single precision is plenty for both.
    below = scores.astype(np.float32)
    scores[:] = np.exp(below, out=below)
    total = scores.sum(axis=1)
    scores *= (cloud.weights / total)[:, None]
    reached = ((np.log(total.astype(np.float32)) + top) * cloud.weights).sum(axis=-1)
    if cloud.features.ndim == 3:
        return scores @ np.swapaxes(cloud.features, -1, -2), reached
    s, k, n = scores.shape  # one product of matrices for all students
    return (scores.reshape(s * k, n) @ cloud.features.T).reshape(s, k, -1), reached


def _scores(cloud: Cloud, students: Students) -> FloatArray:
    """(S, K, N): each component's weighted log-density at the points, in the cloud's coordinates."""
    coefficients = _coefficients(students, cloud)
    if cloud.features.ndim == 3:
        return np.asarray(coefficients @ cloud.features)
    s, k, f = coefficients.shape  # one product of matrices for all students
    return (coefficients.reshape(s * k, f) @ cloud.features).reshape(s, k, -1)


def log_likelihood(cloud: Cloud, students: Students) -> FloatArray:
    """(S,) nats per point in the coordinates of the points, in double precision throughout."""
    scores = _scores(cloud, students)
    total = cloud.weights.sum(axis=-1)
    return np.asarray((log_sum_exp(scores, axis=1) * cloud.weights).sum(axis=-1) / total - cloud.log_jacobian)


def log_densities(cloud: Cloud, students: Students, *, exact: bool = False) -> FloatArray:
    """(S, N) nats at the points, what `GaussianMixture.log_prob` says, several times faster; to 1e-6, or ``exact``."""
    s, k = students.log_weights.shape
    found = np.empty((s, cloud.features.shape[1]))
    coefficients = _coefficients(students, cloud)
    for i in range(s):
        some = max(1, _BLOCK // k)
        for first in range(0, found.shape[1], some):
            block = slice(first, first + some)
            scores = coefficients[i] @ cloud.features[:, block]
            top = scores.max(axis=0)
            scores -= top
            below = np.exp(scores, out=scores) if exact else np.exp(scores.astype(np.float32))
            found[i, block] = np.log(below.sum(axis=0))
            found[i, block] += top
    found -= cloud.log_jacobian
    return found


def _coefficients(students: Students, cloud: Cloud) -> FloatArray:
    """(S, K, F): each component's weighted log-density as a linear function of the features."""
    precisions, log_dets = _inverses(students.covariances)
    pulls = (precisions @ students.means[..., None])[..., 0]
    constant = np.maximum(students.log_weights, _NO_WEIGHT) - 0.5 * (
        (pulls * students.means).sum(axis=-1) + log_dets + cloud.dim * math.log(2 * math.pi)
    )
    first = 1 + cloud.dim
    coefficients = np.empty((*constant.shape, first + len(cloud.pairs)))
    coefficients[..., 0], coefficients[..., 1:first] = constant, pulls
    for column, (i, j) in enumerate(cloud.pairs, start=first):
        coefficients[..., column] = precisions[..., i, j] * (-0.5 if i == j else -1.0)
    return coefficients


def _maximised(moments: FloatArray, before: Students, cloud: Cloud, family: Family) -> Students:
    """M-step from moments (S, K, F). A component left without mass keeps its place and its weight."""
    d = cloud.dim
    alive = moments[..., 0] > _NOTHING
    mass = np.where(alive, moments[..., 0], 1.0)
    scaled = moments / mass[..., None]
    means = scaled[..., 1 : 1 + d]
    second = np.zeros((*mass.shape, d, d))
    for column, (i, j) in enumerate(cloud.pairs, start=1 + d):
        second[..., i, j] = second[..., j, i] = scaled[..., column] - means[..., i] * means[..., j]
    log_weights = np.log(mass / moments[..., 0].sum(axis=1, keepdims=True))
    after = Students(log_weights, means, family.project(second))
    if not alive.all():
        after[~alive] = before[~alive]
        after.log_weights[:] -= log_sum_exp(after.log_weights)[:, None]
    return after


def run_em(cloud: Cloud, family: Family, starts: Students, tolerance: float, max_iter: int) -> Runs:
    """Repeat EM, all starts at once, until each one's step moves no packed parameter by more than ``tolerance``.

    Steps are mixed with the ones before them to leap along slow directions (Anderson acceleration:
    Walker & Ni 2011, SIAM Journal on Numerical Analysis 49); a leap that lowers the likelihood is taken
    back to the plain step. The rule looks at parameters because the likelihood does not feel a component
    of weight 1e-10; recall does. Components lighter than 1e-4 take plain steps, and a hundred times the
    tolerance.
    """
    ends, n_iter = starts.packed(), np.zeros(len(starts), dtype=np.intp)
    converged = np.zeros(len(starts), dtype=bool)
    active, mixer = np.arange(len(starts)), _Mixer(ends, starts.log_weights.shape[1])
    their_clouds = cloud[active]
    while active.size:
        here = starts.unpacked(mixer.here)
        if not family.above_floor(here.covariances):  # as a leap may not be
            here = here.within(family)
            mixer.here = here.packed()
        stepped, reached = em_step(their_clouds, family, here)
        mixer.advance(stepped.packed(), reached)
        n_iter[active] += 1
        ends[active] = mixer.safe
        converged[active] = mixer.moved <= tolerance
        going = ~converged[active] & (n_iter[active] < max_iter)
        if not going.all():
            active, their_clouds, mixer = active[going], their_clouds[going], mixer.kept(going)
    return Runs(cloud, starts.unpacked(ends), n_iter, converged)


class _Mixer:
    """Anderson mixing for S independent fixed-point iterations x -> g(x), each guarded by its likelihood."""

    def __init__(self, here: FloatArray, n_components: int) -> None:
        s, m = here.shape
        self._k = n_components
        self.here = here  # (S, M), where the next step is taken from
        self.safe = here  # (S, M), the latest plain step
        self.moved = np.full(s, np.inf)  # (S,), the latest plain step's largest change
        self._best = np.full(s, -np.inf)
        self._residual = np.zeros((s, m))
        self._fresh = np.ones(s, dtype=bool)  # (S,), nothing to compare the next step with
        self._slot = 0
        self._steps = np.zeros((s, _MEMORY, m))  # differences of successive g(x)
        self._residuals = np.zeros((s, _MEMORY, m))  # differences of successive g(x) - x

    def advance(self, stepped: FloatArray, reached: FloatArray) -> None:
        """Take in g(x) (S, M) and the likelihood at x (S,); choose the next x."""
        failed = reached < self._best - _NOISE
        residual = stepped - self.here
        heavy = self._heavy(stepped)
        self._remember(heavy * (stepped - self.safe), heavy * (residual - self._residual), failed | self._fresh)
        self.moved = (np.abs(residual) * np.where(heavy, 1.0, _LIGHT_SHARE)).max(axis=1)
        self._best = np.maximum(self._best, reached)
        self.here = self._mixed(stepped, heavy * residual)
        if failed.any():  # back to the latest plain step, and on from there as if nothing had been
            self.moved[failed], self._best[failed] = np.inf, -np.inf
            stepped = np.where(failed[:, None], self.safe, stepped)
            self.here[failed] = stepped[failed]
        self.safe, self._residual, self._fresh = stepped, residual, failed

    def _heavy(self, packed: FloatArray) -> NDArray[np.bool_]:
        """(S, M): which coordinates belong to a component that the likelihood can feel; only those leap."""
        heavy = packed[:, None, : self._k] > _LIGHT
        return heavy.repeat(packed.shape[1] // self._k, axis=1).reshape(packed.shape)

    def _remember(self, step: FloatArray, residual: FloatArray, fresh: NDArray[np.bool_]) -> None:
        self._steps[:, self._slot], self._residuals[:, self._slot] = step, residual
        self._slot = (self._slot + 1) % _MEMORY
        if fresh.any():
            self._steps[fresh], self._residuals[fresh] = 0.0, 0.0

    def _mixed(self, stepped: FloatArray, residual: FloatArray) -> FloatArray:
        """g(x) minus the combination of past steps whose residuals explain this residual best."""
        gram = self._residuals @ self._residuals.transpose(0, 2, 1)
        diagonal = np.einsum("sii->si", gram)  # a view
        diagonal += 1e-10 * diagonal.sum(axis=1, keepdims=True) + 1e-300
        mix = np.linalg.solve(gram, self._residuals @ residual[..., None])
        leap = (mix.transpose(0, 2, 1) @ self._steps)[:, 0]
        return stepped - np.minimum(np.maximum(leap, -_FARTHEST), _FARTHEST)

    def kept(self, going: NDArray[np.bool_]) -> _Mixer:
        """The same iterations without those that have ended."""
        for name, value in vars(self).items():
            if name not in ("_slot", "_k"):
                setattr(self, name, value[going])
        return self
