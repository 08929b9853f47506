"""Why it happens: what moves precision as beta rises, and which student component answers for which of the teacher's.

Pure functions of mixtures and sweeps, for notebook 03. Everything is in nats.
"""

import math
from dataclasses import dataclass, fields
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from kdlab.core.metrics import log_sum_exp
from kdlab.core.sweep import Sweep
from kdlab.mixtures.experiment import MixtureSweep
from kdlab.mixtures.judge import cross_entropies
from kdlab.mixtures.model import GaussianMixture

__all__ = [
    "PairTerms",
    "Pairs",
    "component_precisions",
    "pair_terms",
    "pairs_along",
    "precision_slope",
    "reverse_student",
]

FloatArray = NDArray[np.float64]

_START_STEP = 0.3  # of log sigma and of standard deviations: the first simplex of the search
_SETTLED = 1e-6  # nats and parameters: what quadrature promises


# One line


def component_precisions(model: GaussianMixture, truth: GaussianMixture) -> FloatArray:
    """(K,): E_{x ~ N_k} [ log p*(x) ] for each component of ``model``, nats."""
    parts = [GaussianMixture([1.0], model.means[[k]], model.covariances[[k]]) for k in range(model.n_components)]
    return np.array([part.expected_log_prob(truth).value for part in parts])


def precision_slope(teacher: GaussianMixture, truth: GaussianMixture, beta: float) -> float:
    """d precision / d beta of the tempered teacher itself: of a student with room for it, in a family that holds it.

    Precision is sum_k w_k s_k with w_k proportional to alpha_k^beta and s_k = E_{N_k}[log p*]; its derivative is
    the covariance, under w, of log alpha_k and s_k. Nats per unit of beta.

    >>> pair = GaussianMixture([0.7, 0.3], [[0.0], [3.0]], [[[1.0]], [[1.0]]])
    >>> precision_slope(pair, pair, 1.0) > 0
    True
    """
    weights, scores = teacher.tempered(beta).weights, component_precisions(teacher, truth)
    kept = weights > 0
    weights, logs, scores = weights[kept], teacher.log_weights[kept], scores[kept]
    return float(weights @ ((logs - weights @ logs) * (scores - weights @ scores)))


# Pair by pair


@dataclass(frozen=True)
class PairTerms:
    """How a student's cross-entropy -E_{p'}[log p''] splits over pairs (teacher component k', student component k'').

    ``joint_weights`` (K', K''): alpha'_k' alpha''_k'', the paper's (a'). ``cross_entropies`` (K', K''): -E_{N_k'}[log
    N_k''], the paper's (b'). ``shares`` (K', K''): alpha'_k' r(k''|k'), who answers for whom; they sum to one.
    ``jensen``: sum of (a') times (b'), the paper's bound. ``variational``: the same with r in place of alpha'', plus
    what r itself costs. jensen >= variational >= the cross-entropy.
    """

    joint_weights: FloatArray
    cross_entropies: FloatArray
    shares: FloatArray
    jensen: float
    variational: float


def pair_terms(teacher: GaussianMixture, student: GaussianMixture) -> PairTerms:
    """Return the terms of Cha & Cho 2025, section 3, and of the tighter variational bound.

    For one r(k''|k') per teacher component, sum over pairs of alpha'_k' r [ b' + log r - log alpha''_k'' ] bounds the
    cross-entropy from above (with the sign turned, the lower bound on an expected log-density in section 7 of Hershey &
    Olsen 2007, ICASSP). At r = alpha'' it is Jensen's; it is lowest at r proportional to alpha'' exp(-b').
    """
    crossed = _cross_entropies(teacher, student)
    joint = teacher.weights[:, None] * student.weights
    scores = student.log_weights - crossed
    best = log_sum_exp(scores, axis=1)
    shares = teacher.weights[:, None] * np.exp(scores - best[:, None])
    return PairTerms(joint, crossed, shares, float((joint * crossed).sum()), float(-teacher.weights @ best))


def _cross_entropies(teacher: GaussianMixture, student: GaussianMixture) -> FloatArray:
    """(K', K''): -E_{N_k'}[log N_k''] in closed form."""
    inverse = np.linalg.inv(student.covariances)
    log_dets = np.linalg.slogdet(student.covariances)[1]
    apart = teacher.means[:, None] - student.means
    spread = teacher.covariances[:, None] + apart[..., :, None] * apart[..., None, :]
    squares = np.einsum("kij,tkij->tk", inverse, spread)
    return np.asarray(0.5 * (teacher.dim * math.log(2 * math.pi) + log_dets + squares))


@dataclass(frozen=True)
class Pairs(Sweep):
    """`PairTerms` at each of a sweep's P positions; the first axis of every array is the position.

    Teacher components are in ``order``, of falling weight; student components in the sweep's own. ``exact`` (P,):
    the cross-entropy.
    """

    knob: ClassVar[str] = "beta"

    sweep: MixtureSweep
    order: NDArray[np.intp]
    joint_weights: FloatArray
    cross_entropies: FloatArray
    shares: FloatArray
    jensen: FloatArray
    variational: FloatArray
    exact: FloatArray

    @property
    def betas(self) -> FloatArray:
        """(P,): the sweep's values of beta."""
        return self.sweep.betas

    def at(self, beta: float) -> PairTerms:
        """The terms at the position nearest to ``beta``."""
        i = self.index(beta)
        terms = (self.joint_weights[i], self.cross_entropies[i], self.shares[i])
        return PairTerms(*terms, float(self.jensen[i]), float(self.variational[i]))

    def sentence(self, i: int) -> str:
        """The heaviest pair of position ``i``, and the three numbers."""
        taught, learned = np.unravel_index(int(self.shares[i].argmax()), self.shares[i].shape)
        return (
            f"At β = {self.betas[i]:.2f} the heaviest pair is teacher component {taught + 1} with student "
            f"component {learned + 1}: {self.shares[i].max():.2f} of the mass. The cross-entropy is "
            f"{self.exact[i]:.2f} nats; the variational bound says {self.variational[i]:.2f}, "
            f"Jensen's {self.jensen[i]:.2f}."
        )


def pairs_along(sweep: MixtureSweep) -> Pairs:
    """Work out the pair terms of every position of a sweep."""
    teacher = sweep.scene.teacher
    order = np.argsort(-teacher.log_weights, kind="stable")
    tempered = [
        GaussianMixture.from_log_weights(log_weights[order], teacher.means[order], teacher.covariances[order])
        for log_weights in sweep.teacher_log_weights
    ]
    students = [sweep.at(beta).student for beta in sweep.betas]
    terms = [pair_terms(*pair) for pair in zip(tempered, students, strict=True)]
    names = [field.name for field in fields(PairTerms)]
    stacked = {name: np.stack([getattr(one, name) for one in terms]) for name in names}
    return Pairs(sweep, order, **stacked, exact=cross_entropies(tempered, students))


# The other divergence


def reverse_student(target: GaussianMixture) -> GaussianMixture:
    """Return the best single Gaussian q found for KL(q || target), for a target on a line.

    The divergence has several minima, often one per mode and a wide one: local searches start at each component and
    at the target's own mean and variance, and the best end is kept. Raises ValueError in more dimensions.
    """
    from scipy.optimize import minimize  # here, since `import kdlab` loads no scipy

    if target.dim != 1:
        raise ValueError(
            f"the target lives in {target.dim} dimensions: this search needs one on a line; give a mixture in 1-D"
        )

    centre, spread = float(target.mean[0]), math.sqrt(target.covariance[0, 0])

    def gaussian(place: FloatArray) -> GaussianMixture:
        """From mean and log sigma in standard units, so that the search is the same in any."""
        return GaussianMixture([1.0], [[centre + spread * place[0]]], [[[spread**2 * math.exp(2 * place[1])]]])

    def divergence(place: FloatArray) -> float:
        entropy = 0.5 * math.log(2 * math.pi * math.e) + float(place[1]) + math.log(spread)
        return -entropy - gaussian(place).expected_log_prob(target).value

    found = []
    means, deviations = (target.means[:, 0] - centre) / spread, np.sqrt(target.covariances[:, 0, 0]) / spread
    for mean, sd in zip([*means, 0.0], [*deviations, 1.0], strict=True):
        simplex = [(mean, math.log(sd)), (mean + _START_STEP * sd, math.log(sd)), (mean, math.log(sd) + _START_STEP)]
        settings = {"initial_simplex": simplex, "xatol": _SETTLED, "fatol": _SETTLED, "maxiter": 1000}
        found.append(minimize(divergence, simplex[0], method="Nelder-Mead", options=settings))
    return gaussian(min(found, key=lambda one: one.fun).x)
