"""The scenes are what their names say, and the same every time."""

from typing import Any

import numpy as np
import pytest
from support.worlds import same_bits

from kdlab import fit_mixture
from kdlab.mixtures.experiment import CHOICES
from kdlab.mixtures.scenes import NAMED, Scene, line_mixture, make_scene

NAMES = [*NAMED, "random"]


def same(one: Scene, other: Scene) -> bool:
    return same_bits(one.truth, other.truth) and same_bits(one.teacher, other.teacher)


@pytest.mark.parametrize("name", NAMES)
def test_every_scene_is_whole(name: str) -> None:
    scene = make_scene(name)
    assert scene.name == name
    assert scene.title == CHOICES["scene"][name]
    assert scene.truth.dim == scene.teacher.dim in (1, 2)
    assert same(scene, make_scene(name))


@pytest.mark.parametrize(("name", "weights"), [("line", [0.4, 0.3, 0.2, 0.1]), ("falls", [0.40, 0.12, 0.48])])
def test_line_and_falls(name: str, weights: list[float]) -> None:
    """The clearest first look, and one with its lightest mode in the middle; the teacher is p*."""
    scene = make_scene(name)
    np.testing.assert_allclose(scene.truth.weights, weights, rtol=1e-12)
    assert (np.diff(scene.truth.means[:, 0]) > 0).all()
    assert name != "falls" or scene.truth.means[1, 0] == pytest.approx(scene.truth.means[:, 0].mean())
    assert scene.teacher is scene.truth and scene.points is None


def test_the_ring_is_the_papers() -> None:
    """Section 3: eight equal modes around an empty centre, variance 0.025, 100 points, a teacher of four."""
    scene = make_scene("ring")
    np.testing.assert_allclose(scene.truth.weights, 1 / 8)
    assert {tuple(mean) for mean in scene.truth.means} == {
        (x, y) for x in (-1.0, 0.0, 1.0) for y in (-1.0, 0.0, 1.0) if (x, y) != (0.0, 0.0)
    }
    np.testing.assert_allclose(scene.truth.covariances, [0.025 * np.eye(2)] * 8)
    assert scene.points is not None and scene.points.shape == (100, 2)
    assert scene.teacher.n_components == 4


def test_the_rings_points_are_a_draw_of_its_truth() -> None:
    """Seed 3, as the file that made them says: to the last digits that a matrix product may round."""
    scene = make_scene("ring")
    assert scene.points is not None
    np.testing.assert_allclose(scene.truth.sample(100, np.random.default_rng(3)), scene.points, atol=1e-12)


def test_the_rings_teacher_is_the_best_fit_that_we_find() -> None:
    """Its likelihood on its points; another processor may round to another last digit, so 1e-6."""
    scene = make_scene("ring")
    assert scene.points is not None
    again = fit_mixture(scene.points, 4)
    assert scene.teacher.log_prob(scene.points).mean() == pytest.approx(again.log_likelihood, abs=1e-6)


def test_the_rare_mode_is_rare_and_far() -> None:
    truth = make_scene("rare").truth
    rarest = int(np.argmin(truth.weights))
    assert truth.weights[rarest] == pytest.approx(0.03)
    apart = np.linalg.norm(truth.means - truth.means[rarest], axis=1)
    others = np.delete(apart, rarest)
    assert others.min() > 2.0
    rest = np.delete(truth.means, rarest, axis=0)
    assert others.min() > np.linalg.norm(rest[:, None] - rest, axis=-1)[np.triu_indices(4, 1)].min()


@pytest.mark.parametrize("seed", range(5))
def test_random_scenes_come_from_their_seed(seed: int) -> None:
    scene = make_scene("random", seed)
    assert same(scene, make_scene("random", seed))
    assert not same(scene, make_scene("random", seed + 1))
    assert (scene.truth.n_components, scene.teacher.n_components, scene.truth.dim) == (6, 5, 2)


def test_a_random_scenes_teacher_is_worth_having() -> None:
    """Between the bound -H(p*) and what one Gaussian reaches."""
    for seed in range(3):
        scene = make_scene("random", seed)
        reached = scene.truth.expected_log_prob(scene.teacher).value
        single = fit_mixture(scene.truth, 1, covariance="full").log_likelihood
        assert single < reached <= scene.truth.expected_log_prob(scene.truth).value + 2e-6


@pytest.mark.parametrize("name", ["circle", "", "Line", 3, None])
def test_an_unknown_scene(name: Any) -> None:
    with pytest.raises(ValueError, match=f"scene is .*choose one of {', '.join(NAMES)}") as raised:
        make_scene(name)
    assert repr(name) in str(raised.value)


def test_line_mixture_takes_deviations_not_variances() -> None:
    model = line_mixture([0.5, 0.5], [0.0, 1.0], [2.0, 3.0])
    np.testing.assert_allclose(model.covariances.ravel(), [4.0, 9.0])
