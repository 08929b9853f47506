"""What a student is worth: the table-driven numbers against rules of another make, and against sampling."""

import math
from typing import Any

import numpy as np
import pytest
from support.accuracy import covered_by_draws, dense_mean
from support.worlds import random_mixture, single

from kdlab import GaussianMixture, fit_mixture
from kdlab.mixtures import judge as judging
from kdlab.mixtures.judge import Judge, divergences
from kdlab.mixtures.scenes import line_mixture, make_scene
from kdlab.mixtures.solver.em import Students


def coverage_of(judge: Judge, student: GaussianMixture) -> Any:
    return judge.recalls_and_coverages(Students.of([student]))[1][0]


NAMES = ["line", "ring", "falls", "rare", "random"]


def students(name: str) -> list[GaussianMixture]:
    """Fitted, scattered, shrunken and turned students of a scene."""
    scene = make_scene(name)
    rng, dim = np.random.default_rng(50), scene.truth.dim
    fitted = [fit_mixture(scene.teacher.tempered(beta), k).model for beta, k in ((1, 1), (1, 2), (6, 2))]
    sharp = GaussianMixture(fitted[1].weights, fitted[1].means, fitted[1].covariances / 16)
    return [*fitted, sharp, random_mixture(rng, 3, dim), scene.teacher.tempered(30)]


@pytest.mark.parametrize("name", NAMES)
def test_precision_and_recall_are_exact(name: str) -> None:
    """Right to 1e-6 nats: table, grid and fallback alike, whatever the table was made for."""
    truth, several = make_scene(name).truth, students(name)
    judge = Judge(truth, several[0])
    several = several if truth.dim == 1 else several[-2:]  # in the plane the hardest: turned ones, and many
    for student in several:
        assert judge.precision(student) == pytest.approx(dense_mean(student, truth), abs=1e-6)
        assert judge.recall(student) == pytest.approx(dense_mean(truth, student), abs=1e-6)


@pytest.mark.parametrize("name", ["line", "rare"])
def test_all_at_once_are_as_one_by_one(name: str) -> None:
    """Students of one size, a sharp, a far and a scattered one among them, and one that lacks a component."""
    scene = make_scene(name)
    dim = scene.truth.dim
    several = [fit_mixture(scene.teacher.tempered(beta), 3).model for beta in (1, 8)]
    several.append(GaussianMixture(several[0].weights, several[0].means, several[0].covariances / 16))
    several.append(random_mixture(np.random.default_rng(52), 3, dim))
    several.append(GaussianMixture([0.0, 0.5, 0.5], several[0].means + 30, several[0].covariances))
    judge, batch = Judge(scene.truth, several[0]), Students.of(several)
    recalls, coverages = judge.recalls_and_coverages(batch)
    np.testing.assert_allclose(judge.precisions(batch), [judge.precision(one) for one in several], rtol=1e-6)
    np.testing.assert_allclose(recalls, [judge.recall(one) for one in several], rtol=1e-12)
    for coverage, student in zip(coverages, several, strict=True):
        np.testing.assert_allclose(coverage, coverage_of(judge, student), atol=1e-12)


def test_many_one_by_one_are_scored_by_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    """After some components with grids of their own the next table is made; the numbers hardly change."""
    scene, alone = make_scene("ring"), []
    several = [fit_mixture(scene.teacher.tempered(beta), 1).model for beta in np.geomspace(1, 30, 24)]
    fresh = [Judge(scene.truth, several[0]).precision(one) for one in several]
    by_grid = judging.expect_log_prob
    monkeypatch.setattr(judging, "expect_log_prob", lambda *a, **how: alone.append(1) or by_grid(*a, **how))
    judge = Judge(scene.truth, several[0])
    np.testing.assert_allclose([judge.precision(one) for one in several], fresh, atol=1e-6)
    assert 0 < len(alone) <= 12 < len(several)


def test_a_table_too_large_to_make_is_done_without() -> None:
    """A reach of 1e5 beside modes of 0.45 would need more nodes than allowed in the plane."""
    truth = make_scene("rare").truth
    wide = GaussianMixture([1.0], [[0.0, 0.0]], [1e8 * np.eye(2)])
    student = fit_mixture(truth, 2).model
    assert Judge(truth, wide).precision(student) == pytest.approx(dense_mean(student, truth), abs=1e-6)


def test_a_student_far_outside_the_table_is_still_scored() -> None:
    truth = make_scene("line").truth
    far = line_mixture([1.0], [40.0], [0.5])
    judge = Judge(truth, line_mixture([1.0], [0.0], [1.0]))
    assert judge.precision(far) == pytest.approx(dense_mean(far, truth), abs=1e-6)
    assert judge.recall(far) == pytest.approx(dense_mean(truth, far), abs=1e-5)  # a number of size 3,000


# Coverage


@pytest.mark.parametrize("name", NAMES)
def test_coverage_is_its_definition(name: str) -> None:
    """The share of each mode's mass where p''(x) >= 0.1 p*(x), by 50,000 draws of each mode.

    Standard error at most 0.0023, five of them 0.012; in the plane the grid, four nodes to a deviation, cuts the
    region's edge in steps, and may be off by 0.02 more.
    """
    truth = make_scene(name).truth
    judge = Judge(truth, truth)
    rng = np.random.default_rng(51)
    for student in students(name)[1:4:2]:
        coverage = coverage_of(judge, student)
        assert coverage.shape == (truth.n_components,)
        for k in range(truth.n_components):
            share = covered_by_draws(truth, k, student, rng)
            assert coverage[k] == pytest.approx(share, abs=0.012 if truth.dim == 1 else 0.03)


def test_coverage_at_the_ends() -> None:
    truth = make_scene("line").truth
    judge = Judge(truth, truth)
    np.testing.assert_allclose(coverage_of(judge, truth), 1.0, atol=1e-12)
    coverage = coverage_of(judge, single(truth, 0))
    assert coverage[0] > 0.99
    assert coverage[2:].max() < 1e-3


# KL(tempered teacher || student)


@pytest.mark.parametrize("name", NAMES)
def test_divergences_are_entropy_and_recall_by_the_engine(name: str) -> None:
    """KL = E_t log t - E_t log student. One grid serves the whole slider: 1e-4 nats, a hundredth of what shows."""
    teacher = make_scene(name).teacher
    tempered = [teacher.tempered(beta) for beta in (1.0, 3.0, 100.0)]
    several = [fit_mixture(target, 2).model for target in tempered]
    found = divergences(tempered, Students.of(several))
    for value, target, student in zip(found, tempered, several, strict=True):
        expected = target.expected_log_prob(target).value - target.expected_log_prob(student).value
        assert value == pytest.approx(expected, abs=1e-4)
        assert value >= 0


def test_the_divergence_from_oneself_is_nothing() -> None:
    tempered = [make_scene("rare").teacher.tempered(beta) for beta in (1.0, 10.0, 100.0)]
    assert np.abs(divergences(tempered, Students.of(tempered))).max() <= 1e-12


def test_the_divergence_of_two_gaussians_by_hand() -> None:
    """KL(N(0, 1) || N(1, 4)) = log 2 + (1 + 1) / 8 - 1 / 2."""
    one: Any = line_mixture([1.0], [0.0], [1.0])
    other = line_mixture([1.0], [1.0], [2.0])
    assert divergences([one], Students.of([other]))[0] == pytest.approx(math.log(2) + 0.25 - 0.5, abs=1e-6)
