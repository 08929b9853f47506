"""Gaussian mixtures: the first world, where everything is exact.

A mixture keeps its log-weights. Tempering acts on those, so that a component whose weight has long
underflowed still knows which of its neighbours was the heavier one.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kdlab.core.arrays import unmasked
from kdlab.core.metrics import Estimate, Model, log_sum_exp, monte_carlo
from kdlab.mixtures._lines import expect_log_prob
from kdlab.mixtures._quadrature import MAX_NODES, TooManyNodes, expect_gaussian

FloatArray = NDArray[np.float64]

_LOG_2PI = math.log(2 * math.pi)
_EXACT_TOLERANCE = 2e-7  # nats; the promise is 1e-6
_MONTE_CARLO_SAMPLES = 200_000
_RIDGES = 2000  # pairs, and triples, of components whose ridges are looked at
_CLIMBERS = 200  # of the places on them, the likeliest, that are climbed from
_STEPS = 10_000  # of a climb
_ROUNDED = 1e-6  # what single precision may leave of a sum that is one, or of a symmetry
_BLOCK = 8192  # points scored at once: what they need stays in the cache


class GaussianMixture:
    """K Gaussians in D dimensions and the weights they are drawn with. Frozen; float64.

    ``weights`` (K,), ``means`` (K, D), ``covariances`` (K, D, D). Raises ValueError where the weights
    are negative, not finite or do not sum to one, where a covariance is not symmetric positive
    definite, or where the shapes do not agree.

    >>> import numpy as np
    >>> pair = GaussianMixture([0.75, 0.25], [[-1.0], [1.0]], [[[0.1]], [[0.1]]])
    >>> pair.tempered(2).weights
    array([0.9, 0.1])
    >>> pair.sample(3, np.random.default_rng(0)).shape
    (3, 1)
    """

    log_weights: FloatArray
    means: FloatArray
    covariances: FloatArray

    def __init__(self, weights: ArrayLike, means: ArrayLike, covariances: ArrayLike) -> None:
        checked = _checked_weights(weights)
        with np.errstate(divide="ignore"):
            self._freeze(np.log(checked / checked.sum()), means, covariances)

    @classmethod
    def from_log_weights(cls, log_weights: ArrayLike, means: ArrayLike, covariances: ArrayLike) -> GaussianMixture:
        """Build from log-weights (K,), in nats, which are normalised here; -inf is a weight of zero."""
        logs = np.array(unmasked(log_weights, "log_weights"), dtype=float)
        if logs.ndim != 1 or logs.size == 0 or np.isnan(logs).any() or not np.isfinite(logs.max()):
            raise ValueError(
                f"log_weights is {log_weights!r}: give a non-empty vector of numbers below infinity, "
                "at least one of them finite"
            )
        model = cls.__new__(cls)
        model._freeze(logs - log_sum_exp(logs), means, covariances)
        return model

    def _freeze(self, log_weights: FloatArray, means: ArrayLike, covariances: ArrayLike) -> None:
        centres = _checked_means(means, log_weights.size)
        vars(self).update(
            log_weights=log_weights, means=centres, covariances=_checked_covariances(covariances, centres.shape)
        )
        for value in (self.log_weights, self.means, self.covariances):
            value.setflags(write=False)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"cannot set {name!r}: a GaussianMixture is frozen; build a new one")

    def __repr__(self) -> str:
        weights = np.array2string(self.weights, precision=3, separator=", ")
        return f"GaussianMixture({self.n_components} components in {self.dim}-D, weights {weights})"

    # What it is

    @property
    def n_components(self) -> int:
        """K."""
        return int(self.log_weights.size)

    @property
    def dim(self) -> int:
        """D."""
        return int(self.means.shape[1])

    @cached_property
    def weights(self) -> FloatArray:
        """(K,), summing to one; a weight below 1e-308 shows as zero, its log does not."""
        weights = np.exp(self.log_weights)
        weights.setflags(write=False)
        return weights

    @property
    def weight_entropy(self) -> float:
        """Entropy of the weights in nats: from 0 (one component) to log K (equal weights)."""
        kept = self.weights > 0
        return -float(np.sum(self.weights[kept] * self.log_weights[kept])) + 0.0

    @property
    def effective_components(self) -> float:
        """exp(weight_entropy): how many equal components would be as undecided as these."""
        return math.exp(self.weight_entropy)

    @property
    def mean(self) -> FloatArray:
        """(D,), the mean of the whole mixture."""
        return np.asarray(self.weights @ self.means)

    @property
    def covariance(self) -> FloatArray:
        """(D, D), the covariance of the whole mixture: within components plus between them."""
        apart = self.means - self.mean
        between = np.einsum("k,ki,kj->ij", self.weights, apart, apart)
        return np.asarray(np.einsum("k,kij->ij", self.weights, self.covariances) + between)

    @cached_property
    def choleskys(self) -> FloatArray:
        """(K, D, D), lower triangular: covariances = L L'."""
        return np.asarray(np.linalg.cholesky(self.covariances), dtype=float)

    # What it does

    def sample(self, n: int, rng: np.random.Generator) -> FloatArray:
        """Draw ``n`` rows, (n, D), from a numpy Generator. Raises ValueError for a missing rng or n < 1."""
        if not isinstance(rng, np.random.Generator):
            raise ValueError(
                f"rng is {rng!r}: sampling needs a numpy Generator; pass rng=numpy.random.default_rng(seed)"
            )
        if n < 1:
            raise ValueError(f"n is {n}: ask for 1 sample or more")
        which = rng.choice(self.n_components, size=n, p=self.weights / self.weights.sum())
        normal = rng.standard_normal((n, self.dim))
        return np.asarray(self.means[which] + np.einsum("nij,nj->ni", self.choleskys[which], normal))

    def log_prob(self, x: ArrayLike) -> FloatArray:
        """Score ``x`` (N, D): (N,) log-densities in nats."""
        points = _checked_points(x, self.dim)
        scores = np.empty(len(points))
        for start in range(0, len(points), _BLOCK):
            rows = slice(start, start + _BLOCK)
            scores[rows] = log_sum_exp(self._component_rows(points[rows]) + self.log_weights[:, None], axis=0)
        return scores

    def component_log_probs(self, x: ArrayLike) -> FloatArray:
        """Return (N, K): log N(x; mean_k, covariance_k) in nats, the weights left out."""
        return self._component_rows(x).T

    def responsibilities(self, x: ArrayLike) -> FloatArray:
        """Return (N, K): the probability, given each row of ``x`` (N, D), that component k drew it."""
        joint = self.component_log_probs(x) + self.log_weights
        return np.asarray(np.exp(joint - log_sum_exp(joint)[:, None]))

    def tempered(self, beta: float) -> GaussianMixture:
        """Return the mixture with weights proportional to weight^beta (Cha & Cho 2025, section 3.1).

        ``beta`` in [0, inf]: 1 changes nothing, larger is more selective, 0 makes the weights equal,
        and inf shares the mass among the heaviest components (ties to 1e-12 relative). Raises
        ValueError for a negative or NaN beta.
        """
        if math.isnan(beta) or beta < 0:
            raise ValueError(f"beta is {beta}: the weights are raised to a power from 0 to infinity; try 1")
        if beta > 1e300:  # where products overflow, infinity is meant
            heaviest = self.log_weights >= self.log_weights.max() - 1e-12
            logs = np.where(heaviest, 0.0, -np.inf)
        else:
            with np.errstate(invalid="ignore", over="ignore"):
                below = self.log_weights - self.log_weights.max()  # the heaviest stays at zero, free of rounding
                logs = np.where(np.isneginf(below), -np.inf, beta * below)
        return self._reweighted(logs - log_sum_exp(logs))

    def _reweighted(self, log_weights: FloatArray) -> GaussianMixture:
        """The same components, which need no second check, with other weights."""
        other = GaussianMixture.__new__(GaussianMixture)
        log_weights.setflags(write=False)
        vars(other).update(log_weights=log_weights, means=self.means, covariances=self.covariances)
        return other

    def expected_log_prob(self, of: Model, rng: np.random.Generator | None = None) -> Estimate:
        """Return E_{x ~ self} [ of.log_prob(x) ] in nats.

        Exact to 1e-6 where it can be: in closed form when ``of`` is a single Gaussian, by quadrature in
        one and two dimensions, however thin a mixture's components are. Monte Carlo elsewhere and where
        that would take too many nodes, and then ``rng`` is required: ValueError without it. Of a model
        that is no mixture, what is narrower than a tenth of a component of this one may go unseen.
        """
        if isinstance(of, GaussianMixture):
            _check_dims(self, of)
            if of.n_components == 1:
                return Estimate(_cross_term(self, of))
        if self.dim > 2:
            return self._sampled(of, rng, f"{self.dim} dimensions are too many for quadrature")
        try:
            return Estimate(self._integrated(of))
        except TooManyNodes as refusal:
            return self._sampled(of, rng, f"quadrature refused: {refusal}")

    def mode_density(self) -> float:
        """Return max_x log_prob(x) in nats: the bound that precision under this mixture never exceeds.

        Climbs by the mean-shift of Carreira-Perpinan (2000), which never goes down, from every component's mean,
        and from places on the ridges between each two and each three of them, as modes lie on such ridges only
        (Ray & Lindsay 2005, Annals of Statistics 33, theorem 1). Two that cross in the plane have a third mode.
        """
        kept = np.isfinite(self.log_weights)
        precisions = np.asarray(np.linalg.inv(self.covariances[kept]), dtype=float)
        places = _on_ridges(self.means[kept], precisions)
        likeliest = places[np.argsort(-self.log_prob(places), kind="stable")[:_CLIMBERS]]
        return float(self.log_prob(self._climbed(np.concatenate([self.means[kept], likeliest]))).max())

    # How it does it

    def _component_rows(self, x: ArrayLike) -> FloatArray:
        """Return (K, N): one contiguous row per component, which numpy reduces several times faster."""
        apart = np.ascontiguousarray(_checked_points(x, self.dim).T) - self.means[:, :, None]
        whitened = self._inverse_choleskys @ apart
        whitened *= whitened
        return np.asarray(self._log_norms[:, None] - 0.5 * whitened.sum(axis=1))

    @cached_property
    def _least_width(self) -> float:
        return float(np.sqrt(np.linalg.eigvalsh(self.covariances)[:, 0].min()))

    @cached_property
    def _inverse_choleskys(self) -> FloatArray:
        return np.asarray(np.linalg.inv(self.choleskys), dtype=float)

    @cached_property
    def _log_norms(self) -> FloatArray:
        half_log_det = np.log(np.diagonal(self.choleskys, axis1=1, axis2=2)).sum(axis=1)
        return np.asarray(-half_log_det - 0.5 * self.dim * _LOG_2PI)

    def _integrated(self, of: Model) -> float:
        """Sum over components of weight times quadrature; each may spend its share of error and nodes."""
        kept = np.flatnonzero(self.weights > 0)
        total, left = 0.0, MAX_NODES
        for k in kept:
            tolerance = _EXACT_TOLERANCE / (kept.size * float(self.weights[k]))
            place = self.means[k], self.choleskys[k]
            if isinstance(of, GaussianMixture):
                value, used = expect_log_prob(of, *place, tolerance=tolerance, max_nodes=left)
            else:
                value, used = expect_gaussian(of.log_prob, *place, tolerance=tolerance, max_nodes=left)
            total, left = total + float(self.weights[k]) * value, left - used
        return total

    def _sampled(self, of: Model, rng: np.random.Generator | None, why: str) -> Estimate:
        if rng is None:
            raise ValueError(
                f"rng is None and {why} (exact means quadrature, in 1-D or 2-D): "
                "pass rng=numpy.random.default_rng(seed) for a Monte Carlo estimate with its standard error"
            )
        return monte_carlo(self, of, n_samples=_MONTE_CARLO_SAMPLES, rng=rng)

    def _climbed(self, places: FloatArray) -> FloatArray:
        """(S, D): where mean-shift leads from each of S places."""
        precisions = np.linalg.inv(self.covariances)
        pulls, going = np.einsum("kij,kj->ki", precisions, self.means), np.arange(len(places))
        for _ in range(_STEPS):
            here = places[going]
            shares = self.responsibilities(here)
            there = np.linalg.solve(np.einsum("sk,kij->sij", shares, precisions), (shares @ pulls)[..., None])[..., 0]
            places[going] = there
            moved = (np.abs(there - here) > 1e-12 * (np.abs(here) + self._least_width)).any(axis=1)
            going = going[moved]
            if not going.size:
                break
        return places


def _on_ridges(means: FloatArray, precisions: FloatArray) -> FloatArray:
    """(S, D): places where the gradients of two or three components can cancel, from one end to the other."""
    alphas = 1 / (1 + np.exp(-np.arange(-12.0, 13.0, 2.0)))
    found = [means]
    for size, shares in ((2, np.stack([alphas, alphas[::-1]], axis=1)), (3, np.array([[1 / 3, 1 / 3, 1 / 3]]))):
        for some in itertools.islice(itertools.combinations(range(len(means)), size), _RIDGES):
            mixed = np.einsum("sk,kij->sij", shares, precisions[[*some]])
            pulls = np.einsum("sk,kij,kj->si", shares, precisions[[*some]], means[[*some]])
            found.append(np.linalg.solve(mixed, pulls[..., None])[..., 0])
    return np.concatenate(found)


def _cross_term(model: GaussianMixture, gaussian: GaussianMixture) -> float:
    """E_{x ~ model} log N(x; m, S) = log norm - tr(S^-1 (C + d d')) / 2 with model's moments."""
    apart = model.mean - gaussian.mean
    scatter = model.covariance + np.outer(apart, apart)
    whitened = gaussian._inverse_choleskys[0] @ scatter @ gaussian._inverse_choleskys[0].T
    return float(gaussian._log_norms[0] - 0.5 * np.trace(whitened))


def _check_dims(model: GaussianMixture, of: GaussianMixture) -> None:
    if model.dim != of.dim:
        raise ValueError(f"dimensions are {model.dim} and {of.dim}: give two models of one space")


def _checked_weights(weights: ArrayLike) -> FloatArray:
    checked = np.array(unmasked(weights, "weights"), dtype=float)
    if checked.ndim != 1 or checked.size == 0:
        raise ValueError(f"weights have shape {checked.shape}: give one weight per component, (K,)")
    if not np.isfinite(checked).all() or (checked < 0).any():
        raise ValueError(f"weights are {checked}: make each finite and not negative")
    if abs(checked.sum() - 1) > _ROUNDED:
        raise ValueError(f"weights {checked} sum to {checked.sum():.9g}, not 1: divide them by their sum")
    return checked


def _checked_means(means: ArrayLike, n_components: int) -> FloatArray:
    checked = np.array(unmasked(means, "means"), dtype=float)
    if checked.ndim != 2 or len(checked) != n_components or checked.shape[1] == 0:
        raise ValueError(
            f"means have shape {checked.shape} beside {n_components} weights: give ({n_components}, D); "
            "in one dimension write [[0.0], [1.0]]"
        )
    if not np.isfinite(checked).all():
        raise ValueError(f"means are {checked.tolist()}: make each finite")
    return checked


def _checked_covariances(covariances: ArrayLike, shape: Sequence[int]) -> FloatArray:
    checked = np.array(unmasked(covariances, "covariances"), dtype=float)
    wanted = (shape[0], shape[1], shape[1])
    if checked.shape != wanted:
        raise ValueError(f"covariances have shape {checked.shape}: give {wanted}, one D x D matrix each")
    turned = np.swapaxes(checked, 1, 2)
    with np.errstate(invalid="ignore"):
        crooked = np.abs(checked - turned).max(axis=(1, 2)) > _ROUNDED * np.abs(checked).max(axis=(1, 2))
    if crooked.any():
        k = int(crooked.argmax())
        raise ValueError(f"covariance {k} is {checked[k].tolist()}: make it symmetric, as (C + C.T) / 2 is")
    checked = np.asarray(0.5 * (checked + turned))
    good = np.isfinite(checked).all(axis=(1, 2))
    good[good] = np.linalg.eigvalsh(checked[good])[:, 0] > 0
    if not good.all():
        k = int(np.flatnonzero(~good)[0])
        raise ValueError(
            f"covariance {k} is {checked[k].tolist()}: it must be positive definite, of finite numbers; "
            "give each axis a variance above zero"
        )
    return checked


def _checked_points(x: ArrayLike, dim: int) -> FloatArray:
    points = np.asarray(unmasked(x, "points"), dtype=float)
    if points.ndim != 2 or points.shape[1] != dim:
        raise ValueError(
            f"points have shape {points.shape}: give (N, {dim}), one row per point; "
            "x.reshape(-1, 1) makes rows of a vector"
        )
    return points
