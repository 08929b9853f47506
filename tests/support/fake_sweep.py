"""Small made-up sweeps for the tests of pictures: plausible numbers that move, made in milliseconds, no fits.

They keep the field names of `kdlab.mixtures.experiment.MixtureSweep`, so whatever draws a real sweep draws these too.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np


class Mixture:
    """The few parts of a Gaussian mixture that a picture needs: weights, means, covariances, log density."""

    def __init__(self, weights: Any, means: Any, covariances: Any) -> None:
        self.weights = np.asarray(weights, float)
        self.log_weights = np.log(np.maximum(self.weights, 1e-300))
        self.means = np.asarray(means, float)
        self.covariances = np.asarray(covariances, float)

    def log_prob(self, x: Any) -> Any:
        """Log density, nats: x (N, D) -> (N,)."""
        away = np.asarray(x, float)[:, None, :] - self.means
        precision = np.linalg.inv(self.covariances)
        log_det = np.linalg.slogdet(2 * np.pi * self.covariances)[1]
        squared = np.einsum("nkd,kde,nke->nk", away, precision, away)
        return np.logaddexp.reduce(self.log_weights - 0.5 * (squared + log_det), axis=1)


def _spherical(n: int, dim: int, variance: float) -> Any:
    return np.repeat(np.eye(dim)[None] * variance, n, axis=0)


def _line() -> tuple[Mixture, Mixture, Mixture]:
    truth = Mixture([0.4, 0.3, 0.2, 0.1], [[-3.0], [-1.0], [1.0], [3.0]], _spherical(4, 1, 0.16))
    return truth, truth, Mixture([1.0], [[-1.0]], [[[4.2]]])


def _ring() -> tuple[Mixture, Mixture, Mixture]:
    grid = [[x, y] for x in (-1, 0, 1) for y in (-1, 0, 1) if (x, y) != (0, 0)]
    truth = Mixture(np.full(8, 0.125), grid, _spherical(8, 2, 0.025))
    spread = [[[0.03, 0], [0, 0.28]], [[0.3, 0], [0, 0.03]], [[0.26, 0], [0, 0.04]], [[0.02, 0], [0, 0.03]]]
    teacher = Mixture([0.36, 0.3, 0.22, 0.12], [[-1, 0.4], [0.4, 1.0], [0.2, -1.0], [1.0, 0.0]], spread)
    return truth, teacher, Mixture([1.0], [[0.0, 0.05]], [[[0.72, 0.0], [0.0, 0.7]]])


def fake_sweep(dim: int = 2, n_components: int = 2, positions: int = 121, seed: int = 0) -> Any:
    """A sweep whose students slide from the direct student to the heaviest teacher component(s)."""
    truth, teacher, direct = _line() if dim == 1 else _ring()
    betas = np.geomspace(1.0, 100.0, positions)
    share = (np.log(betas) / np.log(100.0)) ** 0.6  # how far the student has gone, 0 to 1
    log_weights = betas[:, None] * teacher.log_weights
    log_weights -= np.logaddexp.reduce(log_weights, axis=1)[:, None]
    heaviest = [0, 1, 2, 3, 0, 1, 2, 3][:n_components]
    start = direct.means[0] + 0.35 * (teacher.means[heaviest] - direct.means[0])
    step = share[:, None, None]
    means = (1 - step) * start + step * teacher.means[heaviest]
    wide = direct.covariances[0] * (1.0 if n_components == 1 else 0.7)
    covariances = (1 - step[..., None]) * wide + step[..., None] * teacher.covariances[heaviest]
    student = betas[:, None] ** 0.5 * np.linspace(0, -0.3, n_components)
    student -= np.logaddexp.reduce(student, axis=1)[:, None]
    switched = np.zeros(positions, bool)
    switched[positions // 2] = positions > 10
    precision = -8.0 + 6.6 * share + 0.5 * switched.cumsum()
    recall = -2.65 - 30.0 * share**3
    rank = np.arange(len(truth.weights)) / len(truth.weights)
    coverage = np.clip(1.6 - rank - 1.4 * share[:, None], 0.0, 1.0)
    sentences = tuple(
        f"beta = {b:.2f}: the teacher is at its most selective {s:.0%}; the student covers {c} of "
        f"{len(rank)} modes; precision {p:.2f}, recall {r:.2f} nats."
        for b, s, c, p, r in zip(betas, share, (coverage >= 0.5).sum(1), precision, recall, strict=True)
    )
    points = None if dim == 1 else _points(truth)
    settings = SimpleNamespace(
        scene="line" if dim == 1 else "ring", n_components=n_components, covariance="diag", samples=None, seed=seed
    )
    settings.key = f"{settings.scene}|{n_components}|diag|population|{seed}"
    title = "Four modes on a line" if dim == 1 else "The paper's ring of eight modes"
    sweep = SimpleNamespace(
        settings=settings, betas=betas, teacher_log_weights=log_weights, student_log_weights=student,
        student_means=means, student_covariances=covariances, direct=direct, direct_precision=-8.04,
        direct_recall=-2.65, precision=precision, recall=recall, weight_entropy=1.3 * (1 - share),
        effective_components=np.exp(1.3 * (1 - share)), kl=1.5 * (1 - share), coverage=coverage,
        covered=coverage >= 0.5, switched=switched, recall_bound=-1.9, precision_bound=-0.2, sentences=sentences,
        scene=SimpleNamespace(name=settings.scene, title=title, truth=truth, teacher=teacher, points=points, note=""),
    )  # fmt: skip
    sweep.index = lambda beta: int(np.argmin(np.abs(np.log(betas) - np.log(beta))))
    sweep.at = lambda beta: _position(sweep, sweep.index(beta))
    return sweep


def _points(truth: Mixture) -> Any:
    rng = np.random.default_rng(0)
    which = rng.choice(len(truth.weights), 100, p=truth.weights)
    return truth.means[which] + rng.normal(0, 0.025**0.5, (100, truth.means.shape[1]))


def _position(sweep: Any, i: int) -> Any:
    student = Mixture(np.exp(sweep.student_log_weights[i]), sweep.student_means[i], sweep.student_covariances[i])
    taught = sweep.scene.teacher
    teacher = Mixture(np.exp(sweep.teacher_log_weights[i]), taught.means, taught.covariances)
    return SimpleNamespace(
        beta=float(sweep.betas[i]), teacher=teacher, student=student, sentence=sweep.sentences[i],
        precision=float(sweep.precision[i]), recall=float(sweep.recall[i]),
    )  # fmt: skip
