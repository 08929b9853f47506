"""Conditions made of features or of classes, and gradients between thin supports.

The work: W. Lu, X. Wu, D. Ding, J. Duan, J. Zhuang, G. Yuan, "Diffusion Model Conditioning on Gaussian Mixture Model
and Negative Gaussian Mixture Gradient", arXiv 2401.11261. Its claims: conditioning on features gives fewer defective
samples than conditioning on classes; its gradient (NGMG), like the earth mover's distance, is of use where supports are
thin. We read the abstract; the definition of NGMG we could not. Replaced: images by four corners of the plane, a
conditional diffusion model by the best mixture for each condition, NGMG by the slope of one density. Formulas are our
derivations; that a distance may be of no use once supports part is Arjovsky et al. 2017, example 1.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kdlab.core.format import percent, signed
from kdlab.core.metrics import precision, recall
from kdlab.mixtures.fit import fit_mixture
from kdlab.mixtures.model import GaussianMixture
from kdlab.neighbours.comparison import Comparison, Fixed

FloatArray = NDArray[np.float64]
Parts = Sequence[Sequence[int]]

WIDTH, LEVEL = 0.2, -7.0  # a corner's deviation; log p*, in nats, below which a sample is a defect
CLASSES, FEATURES, ONE_FEATURE = ((0, 3), (1, 2)), ((0,), (1,), (2,), (3,)), ((0, 1), (2, 3))


def corners(weights: Sequence[float] = (0.3, 0.3, 0.2, 0.2)) -> GaussianMixture:
    """Return p*: round Gaussians at left low, left high, right low, right high, 2 apart; without those of weight 0."""
    kept = np.asarray(weights) > 0
    places = np.array([[-1.0, -1.0], [-1.0, 1.0], [1.0, -1.0], [1.0, 1.0]])[kept]
    return GaussianMixture(np.asarray(weights)[kept], places, np.tile(WIDTH**2 * np.eye(2), (len(places), 1, 1)))


def conditional(truth: GaussianMixture, parts: Parts, n_components: int = 1, beta: float = 1.0) -> GaussianMixture:
    """Return the student of all conditions: for each of ``parts``, lists of components of ``truth``, its projection.

    A part's teacher is the truth of these components with weights to the power ``beta``; its student has
    ``n_components`` Gaussians, and how often it is asked for is the part's weight. ValueError unless every component is
    in one part.

    >>> conditional(corners(), FEATURES).n_components, conditional(corners(), CLASSES).n_components
    (4, 2)
    """
    _check_parts(parts, truth.n_components)
    found = []
    for part in parts:
        rows = [*part]
        one = GaussianMixture.from_log_weights(truth.log_weights[rows], truth.means[rows], truth.covariances[rows])
        found.append(fit_mixture(one.tempered(beta), n_components, covariance="full").model)
    return _together([float(truth.weights[[*part]].sum()) for part in parts], found)


def learned(truth: GaussianMixture, parts: Parts, n: int, rng: np.random.Generator, k: int = 1) -> GaussianMixture:
    """Return the same fitted to ``n`` points of known condition, ``k`` Gaussians for each, no axis thinner than 0.05.

    Each component is drawn as often as its weight says. ValueError for parts as above, or one that gets under 3 points.
    """
    _check_parts(parts, truth.n_components)
    counts = np.rint(n * truth.weights).astype(int)
    if counts.min() < 3:
        raise ValueError(f"n is {n}: its rarest component gets {counts.min()} points; ask for 3 or more to each")
    which = np.repeat(np.arange(truth.n_components), counts)
    noise = rng.standard_normal((len(which), 2))
    points = truth.means[which] + np.einsum("nij,nj->ni", truth.choleskys[which], noise)
    inside = [points[np.isin(which, part)] for part in parts]
    fits = [fit_mixture(one, k, covariance="full", covariance_floor=0.05**2).model for one in inside]
    return _together([len(one) / len(which) for one in inside], fits)


def asked_apart(truth: GaussianMixture) -> GaussianMixture:
    """Return the student by features, asked for side and height independently of each other.

    A pair that ``truth`` does not have gets the student that its features suggest: side and height as seen elsewhere,
    which is what an additive network would say. All of `corners` come out, weighted by products of the shares.
    """
    right, high = (truth.means > 0).T
    side, height = float(truth.weights[right].sum()), float(truth.weights[high].sum())
    shares = np.outer([1 - side, side], [1 - height, height]).ravel()
    return corners(tuple(shares / shares.sum()))


def defects(student: GaussianMixture, truth: GaussianMixture, level: float = LEVEL) -> float:
    """Return how often a sample of ``student`` has log p* below ``level``: a share, to 1e-3, by a grid of the plane.

    >>> round(defects(corners(), corners()), 3)
    0.001
    """
    reach = 6 * np.sqrt(np.diagonal(student.covariances, axis1=1, axis2=2))
    low, high = (student.means - reach).min(axis=0), (student.means + reach).max(axis=0)
    sides = (np.arange(*side, 0.02) for side in zip(low, high, strict=True))
    nodes = np.stack(np.meshgrid(*sides), axis=-1).reshape(-1, 2)
    mass = np.exp(student.log_prob(nodes))
    return float(mass[truth.log_prob(nodes) < level].sum() / mass.sum())


@dataclass(frozen=True)
class Slopes:
    """How fast things change with the gap d between N(0, width^2), the truth, and N(d, width^2); (G,) each."""

    kl: FloatArray  # KL, nats: d / width^2
    jensen_shannon: FloatArray  # nats
    wasserstein: FloatArray  # the earth mover's distance, which is d
    at_student: FloatArray  # the slope of the smoothed truth's density where the student stands


def slopes(gaps: Sequence[float], width: float, smoothing: float) -> Slopes:
    """Return all slopes at ``gaps`` (G,), the last of a density smoothed so much. ValueError unless all are above 0."""
    d = np.asarray(gaps, dtype=float)
    if not (width > 0 and smoothing > 0 and (d > 0).all()):
        raise ValueError(f"gaps {gaps!r}, width {width}, smoothing {smoothing}: give numbers above 0")
    u, step = np.linspace(-9, 9, 4001, retstep=True)  # deviations from the student's centre
    bell = np.exp(-0.5 * u**2) / math.sqrt(2 * math.pi)
    truth_less_student = 0.5 * (u**2 - (u + d[:, None] / width) ** 2)  # log-densities
    js = -0.5 * np.logaddexp(0, truth_less_student) @ (bell * u) * step / width
    wide = math.hypot(width, smoothing)
    felt = d / wide**3 * np.exp(-0.5 * (d / wide) ** 2) / math.sqrt(2 * math.pi)
    return Slopes(d / width**2, js, np.ones_like(d), felt)


def sweep() -> Comparison:
    """Return students by class, of one Gaussian each, along the beta of their teachers, from 1 to 16. A second."""
    truth, dials = corners(), np.arange(1.0, 16.5, 0.5)
    students = [conditional(truth, CLASSES, beta=float(beta)) for beta in dials]
    p, r = (np.array([of(one, truth).value for one in students]) for of in (precision, recall))
    bad = np.array([100 * defects(one, truth) for one in students])
    numbers = (f"precision {signed(a)}, recall {signed(b)} nats" for a, b in zip(p, r, strict=True))
    three = zip(dials, numbers, bad / 100, strict=True)
    said = tuple(f"β {dial:.1f} within each class: {nats}; defects {percent(share)}." for dial, nats, share in three)
    others = {"features": conditional(truth, FEATURES), "one feature only": conditional(truth, ONE_FEATURE)}
    fixed = tuple(Fixed(who, precision(one, truth).value, recall(one, truth).value) for who, one in others.items())
    name, title, knob = "mixture_gradient", "Fewer defects, by a selective teacher", "β within a class"
    known = (p, r, float(p[0]), float(r[0]), truth.mode_density(), precision(truth, truth).value)
    marks, curves, names = (1.0, 4.0, 8.0, 12.0, 16.0), {"defects": bad}, ("classes, selective", "classes", fixed)
    return Comparison(name, title, knob, dials, *known, curves, "percent", said, marks, 1.0, *names)


def _together(weights: Sequence[float], students: Sequence[GaussianMixture]) -> GaussianMixture:
    shares = np.concatenate([w * one.weights for w, one in zip(weights, students, strict=True)])
    parts = (np.concatenate([getattr(one, name) for one in students]) for name in ("means", "covariances"))
    return GaussianMixture(shares, *parts)


def _check_parts(parts: Parts, n_components: int) -> None:
    if sorted(k for part in parts for k in part) != [*range(n_components)] or not all(map(len, parts)):
        raise ValueError(f"parts are {parts!r}: give each of the components 0 to {n_components - 1} to one part")
