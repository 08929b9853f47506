"""Limits of the panels and contours of p*: they hold what is shown, and the contours hold the mass they promise."""

from __future__ import annotations

import numpy as np
import pytest
from support.fake_sweep import fake_sweep

from kdlab.mixtures import experiment as experiments
from kdlab.mixtures import limits


@pytest.mark.parametrize("dim", [1, 2])
def test_the_space_holds_every_student(dim: int) -> None:
    sweep = fake_sweep(dim)
    (x0, x1), (y0, y1) = limits.space_limits(sweep)
    sd = np.sqrt(sweep.student_covariances[..., 0, 0])
    assert x0 <= (sweep.student_means[..., 0] - 2 * sd).min()
    assert x1 >= (sweep.student_means[..., 0] + 2 * sd).max()
    if dim == 2:
        assert x1 - x0 == pytest.approx(y1 - y0)
    else:
        assert y0 == 0


@pytest.mark.parametrize("n_components", [1, 2, 8])
def test_the_map_is_a_square_that_holds_every_ellipse(n_components: int) -> None:
    sweep = experiments.teacher_entropy("ring", n_components)
    (x0, x1), (y0, y1) = limits.map_limits(sweep)
    assert x1 - x0 == pytest.approx(y1 - y0)
    teacher = sweep.scene.teacher
    for means, covariances in (
        (teacher.means, teacher.covariances),
        (sweep.student_means.reshape(-1, 2), sweep.student_covariances.reshape(-1, 2, 2)),
    ):
        for mean, covariance in zip(means, covariances, strict=True):
            sd = np.diag(covariance) ** 0.5  # an ellipse at one standard deviation touches this box from within
            assert (mean - sd > [x0, y0]).all() and (mean + sd < [x1, y1]).all()


def test_contours_hold_the_share_of_mass_they_promise() -> None:
    """200,000 draws: the standard error of a share is at most 0.0011, so 0.01 is far outside chance."""
    from matplotlib.path import Path as Outline

    truth = fake_sweep(2).scene.truth
    rng = np.random.default_rng(1)
    which = rng.choice(8, 200_000, p=truth.weights)
    draws = truth.means[which] + rng.normal(size=(200_000, 2)) * 0.025**0.5
    for share, lines in limits.density_contours(truth, (-2, 2), (-2, 2), shares=(0.9, 0.5)):
        inside = np.zeros(len(draws), bool)
        for line in lines:
            inside ^= Outline(line).contains_points(draws)  # a hole is inside twice
        assert inside.mean() == pytest.approx(share, abs=0.01)
