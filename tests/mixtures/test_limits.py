"""Limits of the panels and contours of p*: they hold what is shown, and the contours hold the mass they promise."""

import math

import numpy as np
import pytest
from support.fake_sweep import fake_sweep

from kdlab.mixtures import limits, teacher_entropy
from kdlab.mixtures.scenes import make_scene
from kdlab.mixtures.single import measure
from kdlab.mixtures.view_single import LINES


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
    sweep = teacher_entropy("ring", n_components)
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


# A single Gaussian by hand


@pytest.mark.parametrize("bound", [-1.85, -2.3])
def test_the_stretched_axis(bound: float) -> None:
    """Increasing, zero at the bound, its own inverse's inverse; every mark is on it, in order, clear of the bound."""
    recalls = bound - np.array([30.0, 10.0, 0.6, 0.3, 0.0, -0.1])
    places = limits.bend(recalls, bound)
    assert np.all(np.diff(places) > 0) and places[4] == 0
    assert places[3] == pytest.approx(-math.log(2), abs=1e-12)  # STRETCH below the bound
    assert limits.unbend(places, bound) == pytest.approx(recalls, abs=1e-12)
    marks = limits.recall_marks(bound)
    assert list(marks) == sorted(marks) and len(marks) >= 5
    assert bound - 30 <= marks[0] and marks[-1] <= bound - 0.1


@pytest.mark.parametrize("scene", LINES)
def test_both_panels_hold_p_star_and_what_is_worth_seeing(scene: str) -> None:
    truth = make_scene(scene).truth
    (x0, x1), (y0, y1) = limits.single_space_limits(truth)
    assert x0 == -x1 and x0 <= truth.means.min() - 3 * 0.3 and truth.means.max() + 3 * 0.3 <= x1
    assert y0 == 0 and np.exp(truth.log_prob(np.linspace(x0, x1, 2001)[:, None])).max() < y1
    at = measure(truth, 0.0, 1.0)
    (r0, r1), (p0, p1) = limits.single_plane_limits(at)
    assert (r0, p0) == (at.recall_bound - 30, at.precision_bound - 7)
    # The room beyond the bound is 9 % of the stretched axis on its left, as on the page.
    below, above = limits.bend([r0, r1], at.recall_bound)
    assert above == pytest.approx(-0.09 * below, abs=1e-12)
    assert p1 == pytest.approx(at.precision_bound + 0.63, abs=1e-12)
