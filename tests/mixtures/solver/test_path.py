"""Students along the slider: each the best that is found, continuing its neighbour's or marked as a switch."""

import functools
import itertools
from typing import Any

import numpy as np
import pytest
from support.worlds import FAMILIES

from kdlab import GaussianMixture, fit_mixture
from kdlab.core.sweep import beta_positions
from kdlab.mixtures.judge import divergences
from kdlab.mixtures.scenes import line_mixture, make_scene
from kdlab.mixtures.solver.path import Path, sampled_path, solve_path


@functools.cache
def solved(name: str, k: int, covariance: Any) -> tuple[GaussianMixture, Path]:
    """A scene's teacher, and its students at all 121 positions."""
    teacher = make_scene(name).teacher
    return teacher, solve_path(teacher, k, covariance, beta_positions())


# Where no EM is needed


@pytest.mark.parametrize("covariance", FAMILIES)
@pytest.mark.parametrize("k", [2, 3, 4])
def test_weights_may_vanish_along_the_slider(k: int, covariance: Any) -> None:
    """At beta 20,000 one component of four has weight: fewer than the student may have."""
    teacher = make_scene("ring").teacher
    path = solve_path(teacher, k, covariance, np.array([1.0, 3.0, 100.0, 20_000.0]))
    assert path.means.shape == (4, k, 2)
    heaviest = teacher.tempered(20_000)
    best = fit_mixture(heaviest, 1, covariance=covariance).log_likelihood
    assert heaviest.expected_log_prob(path.model(3)).value >= best - 1e-6


@pytest.mark.parametrize("covariance", FAMILIES)
@pytest.mark.parametrize("name", ["falls", "ring"])
def test_one_component_is_moment_matching_at_every_position(name: str, covariance: Any) -> None:
    teacher, betas = make_scene(name).teacher, beta_positions()
    path = solve_path(teacher, 1, covariance, betas)
    assert not path.switched.any()
    for i in range(0, 121, 10):
        expected = fit_mixture(teacher.tempered(betas[i]), 1, covariance=covariance).model
        np.testing.assert_array_equal(path.means[i], expected.means)
        np.testing.assert_array_equal(path.covariances[i], expected.covariances)


@pytest.mark.parametrize(("name", "k"), [("line", 4), ("line", 8), ("rare", 8), ("ring", 4)])
def test_a_student_as_large_as_its_teacher_is_the_teacher(name: str, k: int) -> None:
    """Hence K'' = 4 and 8 coincide wherever the teacher has four components."""
    teacher, betas = make_scene(name).teacher, beta_positions(7)
    path = solve_path(teacher, k, "full", betas)
    assert not path.switched.any()
    for i, beta in enumerate(betas):
        np.testing.assert_array_equal(path.log_weights[i], teacher.tempered(beta).log_weights)
        np.testing.assert_array_equal(path.means[i], teacher.means)
        np.testing.assert_array_equal(path.covariances[i], teacher.covariances)


# Where EM is needed

AS_GOOD = [
    ("line", 2, "diag"),
    ("line", 3, "diag"),
    ("rare", 2, "full"),
    ("rare", 2, "diag"),  # at beta 1 the best student halves one of three groups
    ("ring", 2, "spherical"),
    ("ring", 3, "spherical"),  # above beta 10 too
    ("ring", 4, "spherical"),
    ("ring", 8, "spherical"),
]


@pytest.mark.parametrize(("name", "k", "covariance"), AS_GOOD)
def test_students_are_as_good_as_cold_fits_with_many_starts(name: str, k: int, covariance: Any) -> None:
    """Within 1e-3 nats: EM along the slider stops at steps of 1e-4, and ties within 1e-6 keep the path's student."""
    teacher, path = solved(name, k, covariance)
    for i in (0, 20, 60, 90, 120):
        target = teacher.tempered(beta_positions()[i])
        cold = fit_mixture(target, k, covariance=covariance, n_starts=8)
        assert target.expected_log_prob(path.model(i)).value >= cold.log_likelihood - 1e-3


@pytest.mark.parametrize("covariance", FAMILIES)
def test_no_position_stands_out(covariance: Any) -> None:
    """Every third position is searched, and those between are led: their KL goes on as smoothly as the others'.

    Along a stretch without a switch KL is smooth in log beta: no second difference is far above both beside it.
    """
    teacher, path = solved("ring", 4, covariance)
    kl = divergences([teacher.tempered(beta) for beta in beta_positions()], path)
    bent = np.abs(np.diff(kl, 2))
    calm = ~(path.switched[:-2] | path.switched[1:-1] | path.switched[2:])
    around = np.maximum(np.append(0, bent[:-1]), np.append(bent[1:], 0))
    assert (bent <= 4 * around + 1e-4)[calm].all()


def test_a_slider_may_have_one_position_and_short_ones_are_searched_throughout() -> None:
    teacher = make_scene("rare").teacher
    (one,) = (solve_path(teacher, 2, "diag", np.array([1.0])).model(0),)
    assert teacher.expected_log_prob(one).value >= fit_mixture(teacher, 2).log_likelihood - 1e-3
    for betas in (beta_positions(4), beta_positions(7)):
        path = solve_path(teacher, 3, "spherical", betas)
        for i, beta in enumerate(betas):
            target = teacher.tempered(float(beta))
            cold = fit_mixture(target, 3, covariance="spherical").log_likelihood
            assert target.expected_log_prob(path.model(i)).value >= cold - 1e-3


def test_a_slider_may_begin_anywhere() -> None:
    """The target is the tempered teacher, whatever the first position."""
    teacher = make_scene("line").teacher
    path = solve_path(teacher, 2, "diag", np.array([5.0, 5.2]))
    cold = fit_mixture(teacher.tempered(5.0), 2)
    assert teacher.tempered(5.0).expected_log_prob(path.model(0)).value >= cold.log_likelihood - 1e-3


def pair_of_pairs() -> GaussianMixture:
    """Two close pairs, the lighter of which wins a component of its own only while it is heavy enough.

    Two students share four modes: at beta = 1 the halves left and right; as beta grows the two heaviest, which
    lie far apart from each other, and the light ones are dropped in between.
    """
    return line_mixture([0.30, 0.20, 0.26, 0.24], [-4.0, -1.5, 1.5, 4.0], [0.4, 0.4, 0.4, 0.4])


def test_unmarked_neighbours_are_close_and_marked_ones_are_not() -> None:
    """No step of a visible component (weight above 1 %) is above 0.1 or 4 times its neighbours' unless marked."""
    paths = [solve_path(pair_of_pairs(), k, "diag", beta_positions()) for k in (2, 3)]
    for path in (*paths, solved("line", 3, "diag")[1]):
        weights = np.exp(path.log_weights)
        seen = np.minimum(weights[1:], weights[:-1]) > 0.01
        steps = (np.abs(np.diff(path.means, axis=0)).max(axis=-1) * seen).max(axis=-1)
        around = np.pad(np.where(path.switched[1:], 0, steps), 1)
        allowed = np.maximum(0.1, 4 * np.maximum(around[:-2], around[2:]))
        assert (path.switched[1:] | (steps <= allowed)).all()
        assert not path.switched[0]


@pytest.mark.parametrize(("k", "covariance"), [(2, "full"), (3, "diag")])
def test_components_keep_their_identity(k: int, covariance: Any) -> None:
    """Between neighbours, no other order of the components lies closer in means (visible ones, unmarked steps)."""
    _, path = solved("rare", k, covariance)
    for i in range(1, 121):
        if not path.switched[i] and np.exp(path.log_weights[i]).min() > 0.01:
            costs = [
                ((path.means[i][list(order)] - path.means[i - 1]) ** 2).sum()
                for order in itertools.permutations(range(k))
            ]
            assert costs[0] == min(costs)


def test_a_switch_is_marked() -> None:
    """These paths switch; there, each student is the better one at its position, to 1e-5 nats, and no step is small."""
    marked = 0
    for k, covariance in ((3, "diag"), (2, "full")):
        teacher, path = solved("rare", k, covariance)
        for i in np.flatnonzero(path.switched):
            marked += 1
            apart = np.abs(path.means[i] - path.means[i - 1]).max()
            before = np.abs(path.means[i - 1] - path.means[i - 2]).max()
            assert apart > 3 * before
            here, there = (teacher.tempered(beta_positions()[j]) for j in (i, i - 1))
            sides = [[one.expected_log_prob(path.model(j)).value for j in (i - 1, i)] for one in (there, here)]
            # Both sides compete for ten positions: where they are this near, the switch may lie a little beside.
            assert sides[0][0] >= sides[0][1] - 1e-5 and sides[1][1] >= sides[1][0] - 1e-5
    assert marked >= 1


# Students of points


def test_the_same_points_everywhere_give_the_same_student_everywhere() -> None:
    points = make_scene("rare").teacher.sample(200, np.random.default_rng(0))
    path = sampled_path([points] * 6, 2, "diag", 1e-3)
    assert not path.switched.any()
    assert np.abs(np.diff(path.means, axis=0)).max() < 1e-3
    assert np.abs(np.diff(path.log_weights, axis=0)).max() < 1e-3


@pytest.mark.parametrize("covariance", FAMILIES)
def test_students_of_points_are_nearly_as_good_as_cold_fits(covariance: Any) -> None:
    """Fits to points have many optima: 0.05 nats per point less than six cold starts find, on average.

    On a slider of 31 positions (121 have more neighbours to learn from), with points from common random numbers.
    """
    teacher, rng = make_scene("rare").teacher, np.random.default_rng(1)
    uniform, normal = rng.random(150), rng.standard_normal((150, 2))
    clouds = []
    for beta in beta_positions(31):
        which = np.searchsorted(np.cumsum(teacher.tempered(beta).weights)[:-1], uniform)
        clouds.append(teacher.means[which] + np.einsum("nij,nj->ni", teacher.choleskys[which], normal))
    path = sampled_path(clouds, 3, covariance, 0.01)
    missed = [
        fit_mixture(clouds[i], 3, covariance=covariance, covariance_floor=0.01, n_starts=6).log_likelihood
        - path.model(i).log_prob(clouds[i]).mean()
        for i in range(0, 31, 5)
    ]
    assert np.mean(missed) <= 0.05
    assert max(missed) <= 0.15


@pytest.mark.parametrize("covariance", FAMILIES)
def test_students_of_points_respect_the_floor(covariance: Any) -> None:
    points = np.repeat([[0.0, 0.0], [1.0, 0.5], [3.0, 3.0]], 20, axis=0)
    path = sampled_path([points, points + 0.1], 3, covariance, 0.04)
    assert np.linalg.eigvalsh(path.covariances).min() >= 0.04 * (1 - 1e-9)
    assert np.isfinite(path.log_weights).all()
