"""How exact is exact? Precision and recall of every committed ladder against a rule of another make.

    python tests/accuracy.py            every position of every committed ladder (minutes); prints the largest error
    python tests/accuracy.py line 1     only scene "line" with K'' = 1

The rule here shares nothing with kdlab.quadrature but the idea of equal spacing: its own densities, square
grids turned by two angles (so that no border between components runs along a row of nodes), and no stopping
rule but plain agreement: four sums, two angles at two spacings, must lie within 1e-7 nats of each other.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.special import logsumexp

from kdlab import GaussianMixture
from kdlab.experiments import CHOICES, Settings, is_prepared, teacher_entropy

AGREE = 1e-7  # nats: a tenth of the promise
RADIUS = 8.5  # standard deviations; the mass outside is below 1e-16
ANGLES = (0.6, 1.1)
CHUNK = 50_000


def log_density(model: GaussianMixture, x: Any) -> Any:
    """log p(x), (N, D) -> (N,): the definition written out, with inverse and determinant."""
    rows = []
    for log_weight, mean, covariance in zip(model.log_weights, model.means, model.covariances, strict=True):
        away = x - mean
        squared = np.einsum("ni,ij,nj->n", away, np.linalg.inv(covariance), away)
        rows.append(log_weight - 0.5 * (squared + np.linalg.slogdet(2 * math.pi * covariance)[1]))
    return logsumexp(rows, axis=0)


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


def settled_mean(function: Callable[[Any], Any], dim: int, agree: float) -> float:
    """E[function(z)] for standard normal z: spacings 1/4, 1/8, ... until two in a row agree."""
    spacing, before = 0.25, turned_sums(function, dim, 0.25)
    while spacing > (1 / 65536 if dim == 1 else 1 / 512):
        spacing /= 2
        now = turned_sums(function, dim, spacing)
        if max(*before, *now) - min(*before, *now) <= agree:
            return sum(now) / len(now)
        before = now
    raise AssertionError(f"sums at spacing {spacing} still differ by {max(now) - min(now)}")


def turned_sums(function: Callable[[Any], Any], dim: int, spacing: float) -> list[float]:
    """Trapezoid sums on grids that differ by a shift, and in the plane also by an angle."""
    axis = np.arange(-math.ceil(RADIUS / spacing), math.ceil(RADIUS / spacing) + 1)
    sums = []
    for angle in ANGLES:
        total = mass = 0.0
        for rows in np.array_split(axis, math.ceil(axis.size**dim / CHUNK)):
            if dim == 1:
                z = (rows[:, None] + angle) * spacing
            else:
                square = np.stack(np.meshgrid(rows + angle, axis + angle / 2, indexing="ij"), axis=-1).reshape(-1, 2)
                turn = [[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]]
                z = square @ np.array(turn) * spacing
            z = z[(z**2).sum(axis=1) <= RADIUS**2]
            if len(z):
                weights = np.exp(-0.5 * (z**2).sum(axis=1))
                total += weights @ function(z)
                mass += weights.sum()
        sums.append(total / mass)
    return sums


def errors_at(ladder: Any, i: int) -> tuple[float, float]:
    """|error| of the ladder's precision and recall at position ``i``, nats."""
    student = ladder.at(ladder.betas[i]).student
    truth = ladder.scene.truth
    return (
        abs(ladder.precision[i] - dense_mean(student, truth)),
        abs(ladder.recall[i] - dense_mean(truth, student)),
    )


def committed() -> list[Settings]:
    """The settings of every ladder that is committed as data, each once."""
    every = [
        Settings(scene, k, covariance)
        for scene in CHOICES["scene"]
        for k in CHOICES["n_components"]
        for covariance in CHOICES["covariance"]
    ]
    return list({settings.key: settings for settings in every if is_prepared(settings)}.values())


def main() -> None:
    """Check all, or the scene (and K'') named on the command line."""
    wanted = sys.argv[1:]
    largest = (0.0, "")
    for settings in committed():
        if wanted and [settings.scene, str(settings.n_components)][: len(wanted)] != wanted:
            continue
        ladder = teacher_entropy(settings.scene, settings.n_components, settings.covariance)
        errors = np.array([errors_at(ladder, i) for i in range(len(ladder.betas))])
        print(f"{settings.key}: precision {errors[:, 0].max():.1e}, recall {errors[:, 1].max():.1e}", flush=True)
        largest = max(largest, (float(errors.max()), settings.key))
    print(f"largest error: {largest[0]:.2e} nats, in {largest[1]}")


if __name__ == "__main__":
    main()
