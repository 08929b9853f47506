"""Denoising score distillation: a student compared with a noisy teacher after the same noise comes out clean.

The work: T. Chen, Y. Zhang, Z. Wang, Y. N. Wu, O. Leong, M. Zhou, "Denoising Score Distillation: From Noisy Diffusion
Pretraining to One-Step High-Quality Generation", arXiv 2503.07578. Its claim: a diffusion model of noisy data, once it
is distilled into one step, gives clean samples; a linear student finds the clean covariance's eigenspace. We read its
abstract, and code of its sequel (arXiv 2505.13377), which gives the student's samples the data's noise before the
network that judges them learns. Replaced: images by sticks in the plane, the teacher by p* with noise, known exactly,
the generator by a mixture, training by its optimum. Formulas without a source are our derivations.
"""

import itertools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kdlab.core.format import signed
from kdlab.core.metrics import Estimate, precision, recall
from kdlab.mixtures.fit import fit_mixture
from kdlab.mixtures.model import GaussianMixture
from kdlab.neighbours.comparison import Comparison, Fixed

FloatArray = NDArray[np.float64]

NOISE, FLOOR = 0.3, 0.025  # deviations: of the data's noise, and the least of a student along any axis
_SPACING = 0.15  # of the grid: half of the noise, below which nothing noisy is thin


def three_sticks() -> GaussianMixture:
    """Return p*: three Gaussians in the plane, of deviations 0.4 and 0.05, turned by 20, 80 and 140 degrees."""
    angles = np.radians([20.0, 80.0, 140.0])
    along = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    covariances = (0.4**2 - 0.05**2) * np.einsum("ki,kj->kij", along, along) + 0.05**2 * np.eye(2)
    return GaussianMixture([0.5, 0.3, 0.2], [[-2.0, 0.0], [0.0, 1.5], [2.0, 0.0]], covariances)


def blurred(model: GaussianMixture, noise: float) -> GaussianMixture:
    """Return the law of x + noise * e, with x from ``model`` and e standard normal. ValueError for noise below zero.

    >>> blurred(GaussianMixture([1.0], [[0.0]], [[[1.0]]]), 2.0).covariances
    array([[[5.]]])
    """
    wider = model.covariances + _checked_noise(noise) ** 2 * np.eye(model.dim)
    return GaussianMixture.from_log_weights(model.log_weights, model.means, wider)


def distilled(teacher: GaussianMixture, n_components: int, assumed: float, by: str = "forward") -> GaussianMixture:
    """Return the student of K'' components that, with noise of deviation ``assumed`` added, is nearest to ``teacher``.

    ``by`` what: KL(teacher || student), "forward", which is extreme deconvolution (Bovy et al. 2011) of all that the
    teacher says; KL(student || teacher), "reverse"; or the student's mean of |its score - the teacher's|^2, "fisher",
    the last two by L-BFGS from each choice of K'' components. ``assumed`` 0 is plain imitation. The teacher, in the
    plane, is at least 0.2 wide; the student 0.025: thinner, it could be a line, with a recall of minus infinity.
    ValueError for noise below zero, an unknown ``by``, or a K'' that is not from 1 to K'.

    >>> sticks = three_sticks()
    >>> bool(np.allclose(distilled(blurred(sticks, 0.3), 3, 0.3).covariances, sticks.covariances, atol=1e-4))
    True
    """
    least = _checked_noise(assumed) ** 2 + FLOOR**2
    if not 1 <= n_components <= teacher.n_components or by not in ("forward", "reverse", "fisher"):
        sizes = f"choose from 1 to the teacher's {teacher.n_components}"
        raise ValueError(f"n_components is {n_components}: {sizes}; by is {by!r}: choose forward, reverse or fisher")
    points = _grid(teacher, 5.5 * float(np.sqrt(np.linalg.eigvalsh(teacher.covariances).max())), _SPACING)
    if by == "forward":
        mass, same = np.exp(teacher.log_prob(points)), n_components == teacher.n_components
        more: dict[str, Any] = {"starts": [teacher], "n_starts": 1} if same else {}
        more |= {"covariance": "full", "sample_weight": mass, "covariance_floor": least}
        near = fit_mixture(points, n_components, **more).model
    else:
        near = _nearest(teacher, n_components, points, least, by)
    return GaussianMixture.from_log_weights(near.log_weights, near.means, near.covariances - assumed**2 * np.eye(2))


def _grid(model: GaussianMixture, reach: float, spacing: float) -> FloatArray:
    sides = zip(model.means.min(axis=0) - reach, model.means.max(axis=0) + reach, strict=True)
    return np.stack(np.meshgrid(*(np.arange(*side, spacing) for side in sides)), axis=-1).reshape(-1, 2)


def _nearest(teacher: GaussianMixture, k: int, points: FloatArray, least: float, by: str) -> GaussianMixture:
    """The noisy student nearest in a divergence that is a mean under the student, a sum over ``points`` of a grid."""
    from scipy.optimize import minimize

    log_p, teachers = teacher.log_prob(points), _scores(teacher, points)

    def student(v: FloatArray) -> GaussianMixture:
        parts, factors = v.reshape(k, 6), np.zeros((k, 2, 2))
        factors[:, [0, 1, 1], [0, 0, 1]] = parts[:, 3:]
        wide = factors @ np.swapaxes(factors, 1, 2) + least * np.eye(2)
        return GaussianMixture.from_log_weights(parts[:, 0], parts[:, 1:3], wide)

    def loss(v: FloatArray) -> float:
        log_q = (one := student(v)).log_prob(points)
        far = log_q - log_p if by == "reverse" else ((_scores(one, points) - teachers) ** 2).sum(axis=1)
        return float(np.exp(log_q) @ far) * _SPACING**2

    parts = np.column_stack([teacher.log_weights, teacher.means, teacher.choleskys[:, [0, 1, 1], [0, 0, 1]]])
    starts = (parts[[*some]].ravel() for some in itertools.combinations(range(len(parts)), k))
    runs = [minimize(loss, start, method="L-BFGS-B", options={"maxfun": 10_000}) for start in starts]
    return student(min(runs, key=lambda run: float(run.fun)).x)


def _scores(model: GaussianMixture, x: FloatArray) -> FloatArray:
    pulls = np.einsum("kij,nkj->nki", np.linalg.inv(model.covariances), model.means - x[:, None])
    return np.asarray(np.einsum("nk,nki->ni", model.responsibilities(x), pulls))


def denoised_once(truth: GaussianMixture, noise: float) -> tuple[Estimate, Estimate]:
    """Return precision and recall, to 1e-3 nats, of m(y) = E[x | y]: the noisy teacher's best guess, in one step.

    Our reading of the truncated teacher that the authors compare with: sampling stops at the data's noise, and one step
    leads to the clean mean. The density of m(y) is that of y over det m'(y) = det(Cov[x | y]) / noise^4, so recall is
    the integral over y of p*(m) det m' log(p(y) / det m'). Scales are those of `three_sticks`. ValueError: noise 0.
    """
    noisy = blurred(truth, noise)
    if noise == 0:
        raise ValueError("noise is 0: there is nothing to guess; give a deviation above zero")
    y, gains = _grid(truth, 11.0, 0.04), truth.covariances @ np.linalg.inv(noisy.covariances)
    shares, each = noisy.responsibilities(y), truth.means + np.einsum("kij,nkj->nki", gains, y[:, None] - truth.means)
    mean = np.einsum("nk,nki->ni", shares, each)
    apart, left = each - mean[:, None], truth.covariances - gains @ truth.covariances
    spread = np.einsum("nk,kij->nij", shares, left) + np.einsum("nk,nki,nkj->nij", shares, apart, apart)
    slope, log_p, log_noisy = np.linalg.det(spread) / noise**4, truth.log_prob(mean), noisy.log_prob(y)
    at_truth = float(np.exp(log_p) * slope @ (log_noisy - np.log(slope)))
    return Estimate(float(np.exp(log_noisy) @ log_p) * 0.04**2), Estimate(at_truth * 0.04**2)


def sweep() -> Comparison:
    """Return students of three components along the noise assumed, from 0 to 0.45, where 0.3 is right. Two seconds."""
    truth, dials = three_sticks(), np.round(np.arange(31) * 0.015, 3)
    teacher, own = blurred(truth, NOISE), precision(truth, truth).value
    students = [distilled(teacher, 3, float(dial)) for dial in dials]
    p, r = (np.array([of(one, truth).value for one in students]) for of in (precision, recall))
    words = ("too little. Some noise stays on it", "as it is. The student is p*", "too much. It is thinner than p*")
    said = tuple(
        f"Noise assumed {dials[i]:.3f}, {words[1 + int(np.sign(dials[i] - NOISE))]}: "
        f"precision {signed(p[i])}, recall {signed(r[i])} nats."
        for i in range(len(dials))
    )
    name, title, knob = "score_distillation", "The noise that a student is given", "noise assumed"
    numbers = (p, r, float(p[0]), float(r[0]), truth.mode_density(), own)
    curves = {"precision, less p*'s own": p - own, "recall, less p*'s own": r - own}
    marks, plain, fixed = (0.0, 0.15, 0.3, 0.45), "plain imitation", (Fixed("p* itself", own, own),)
    return Comparison(name, title, knob, dials, *numbers, curves, "nats", said, marks, 0.0, plain=plain, others=fixed)


def _checked_noise(noise: Any) -> float:
    if not np.isfinite(noise) or noise < 0:
        raise ValueError(f"noise is {noise}: give its standard deviation, a number from 0 up")
    return float(noise)
