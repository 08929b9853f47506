"""How exact is exact? Precision and recall of every committed sweep against a rule of another make.

    PYTHONPATH=tests python tests/support/accuracy.py   every position of every committed sweep (minutes)

The rule here shares nothing with kdlab.mixtures._quadrature but the idea of equal spacing: its own densities, square
grids shifted and turned by another angle each time (so that no border between components runs along a row of
nodes), and no stopping rule but plain agreement: the sums at a spacing and at half of it must lie within 2e-7
nats of each other, and with three shifts each on a line, where nothing can be turned.
"""

import math
from collections.abc import Callable
from itertools import product, starmap
from typing import Any

import numpy as np
from support.worlds import single

from kdlab import GaussianMixture
from kdlab.mixtures.experiment import CHOICES, Settings, is_prepared, teacher_entropy

AGREE = 2e-7  # nats: a fifth of the promise, and what halving the spacing gains comes on top
RADIUS = 7.5  # standard deviations; the mass outside is below 1e-12
ANGLES = (0.6, 1.1, 0.35)
CHUNK = 20_000


def log_density(model: GaussianMixture, x: Any) -> Any:
    """log p(x), (N, D) -> (N,): each component's standardised square, by the eigenvectors of its covariance."""
    total = np.full(len(x), -np.inf)
    for log_weight, mean, covariance in zip(model.log_weights, model.means, model.covariances, strict=True):
        values, vectors = np.linalg.eigh(covariance)
        z = (x - mean) @ (vectors / np.sqrt(values))
        log_norm = log_weight - 0.5 * np.log(2 * math.pi * values).sum()
        total = np.logaddexp(total, log_norm - 0.5 * (z**2).sum(axis=1))
    return total


def dense_mean(model: GaussianMixture, of: GaussianMixture, agree: float = AGREE) -> float:
    """E_{x ~ model} [ log of(x) ] in nats, by sums so fine that they agree (1-D and 2-D)."""
    total = 0.0
    for weight, mean, covariance in zip(model.weights, model.means, model.covariances, strict=True):
        if weight > 0:
            root = np.linalg.cholesky(covariance)
            total += weight * settled_mean(
                lambda z, m=mean, r=root: log_density(of, m + z @ r.T), len(mean), agree / (len(model.weights) * weight)
            )
    return float(total)


def covered_by_draws(truth: GaussianMixture, k: int, student: GaussianMixture, rng: np.random.Generator) -> float:
    """The share of mode k's mass where p''(x) >= 0.1 p*(x), by 50,000 draws: standard error at most 0.0023."""
    x = single(truth, k).sample(50_000, rng)
    return float((student.log_prob(x) >= math.log(0.1) + truth.log_prob(x)).mean())


def settled_mean(function: Callable[[Any], Any], dim: int, agree: float) -> float:
    """E[function(z)] for standard normal z: spacings 1/4, 1/8, ... until two in a row agree."""
    before: list[float] = []
    for level in range(2, 17 if dim == 1 else 10):
        angles = ANGLES if dim == 1 else ANGLES[level % 3 :][:1]
        now = [turned_sum(function, dim, 0.5**level, angle) for angle in angles]
        if before and max(*before, *now) - min(*before, *now) <= agree:
            return sum(now) / len(now)
        before = now
    raise AssertionError(f"the finest sums, {now}, do not agree with {before}")


def turned_sum(function: Callable[[Any], Any], dim: int, spacing: float, angle: float) -> float:
    """A trapezoid sum on a grid shifted by ``angle`` nodes, and in the plane turned by ``angle`` radians."""
    axis = np.arange(-math.ceil(RADIUS / spacing), math.ceil(RADIUS / spacing) + 1)
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    total = mass = 0.0
    for rows in np.array_split(axis, math.ceil(axis.size**dim / CHUNK)):
        if dim == 1:
            z = (rows[:, None] + angle) * spacing
        else:
            square = np.stack(np.meshgrid(rows + angle, axis + angle / 2, indexing="ij"), axis=-1).reshape(-1, 2)
            z = square @ turn * spacing
        squares = (z**2).sum(axis=1)
        z, weights = z[squares <= RADIUS**2], np.exp(-0.5 * squares[squares <= RADIUS**2])
        if len(z):
            total += weights @ function(z)
            mass += weights.sum()
    return total / mass


def errors_at(sweep: Any, i: int) -> tuple[float, float]:
    """|error| of the sweep's precision and recall at position ``i``, nats."""
    student = sweep.at(sweep.betas[i]).student
    truth = sweep.scene.truth
    return (abs(sweep.precision[i] - dense_mean(student, truth)), abs(sweep.recall[i] - dense_mean(truth, student)))


def committed() -> list[Settings]:
    """The settings of every sweep that is committed as data, each once."""
    every = starmap(Settings, product(*(CHOICES[field] for field in ("scene", "n_components", "covariance"))))
    return list({settings.key: settings for settings in every if is_prepared(settings)}.values())


if __name__ == "__main__":
    for one in committed():
        made = teacher_entropy(one.scene, one.n_components, one.covariance)
        print(one.key, "largest error:", max(max(errors_at(made, i)) for i in range(len(made.betas))), flush=True)
