"""Why it happens: the slope against finite differences, the bounds against sampling and each other, the other KL."""

import math
from typing import Any

import numpy as np
import pytest
from scipy import integrate
from support.worlds import log_normal, random_mixture, single

from kdlab import mixtures, precision
from kdlab.mixtures.mechanism import component_precisions, pair_terms, pairs_along, precision_slope, reverse_student
from kdlab.mixtures.scenes import line_mixture, make_scene

# One line


@pytest.mark.parametrize("name", ["line", "ring", "falls", "rare"])
@pytest.mark.parametrize("beta", [1.0, 2.5, 12.0])
def test_the_slope_is_the_derivative_of_precision(name: str, beta: float) -> None:
    """Against a central difference, whose own error (step squared, and 4e-7 of quadrature over it) is below 1e-4."""
    scene, step = make_scene(name), 0.01
    ends = [precision(scene.teacher.tempered(beta + side), scene.truth).value for side in (-step, step)]
    assert precision_slope(scene.teacher, scene.truth, beta) == pytest.approx(
        (ends[1] - ends[0]) / (2 * step), abs=1e-4
    )


def test_a_component_without_weight_does_not_move_precision() -> None:
    pair = line_mixture([0.6, 0.4], [0.0, 3.0], [1.0, 1.0])
    with_empty = line_mixture([0.6, 0.4, 0.0], [0.0, 3.0, 90.0], [1.0, 1.0, 1.0])
    assert precision_slope(with_empty, pair, 2.0) == pytest.approx(precision_slope(pair, pair, 2.0), abs=1e-9)


def test_each_components_precision_is_its_own() -> None:
    scene = make_scene("rare")
    for k, value in enumerate(component_precisions(scene.teacher, scene.truth)):
        assert value == pytest.approx(precision(single(scene.teacher, k), scene.truth).value, abs=1e-9)


# Pair by pair


@pytest.mark.parametrize("seed", range(6))
def test_pair_terms_against_a_million_samples(seed: int) -> None:
    """Cross-entropies within 5 standard errors (false alarm below 1e-5 for all of them); bounds in their order."""
    rng = np.random.default_rng([40, seed])
    teacher, student = random_mixture(rng, 3, 2), random_mixture(rng, 2, 2)
    terms = pair_terms(teacher, student)
    for i in range(3):
        points = single(teacher, i).sample(150_000, rng)
        for j in range(2):
            scores = -single(student, j).log_prob(points)
            error = scores.std() / math.sqrt(len(scores))
            assert terms.cross_entropies[i, j] == pytest.approx(scores.mean(), abs=5 * error)
    exact = -teacher.expected_log_prob(student).value
    assert terms.jensen >= terms.variational - 1e-9
    assert terms.variational >= exact - 1e-6
    assert terms.shares.sum() == pytest.approx(1.0, abs=1e-12)
    np.testing.assert_allclose(terms.shares.sum(axis=1), teacher.weights, atol=1e-12)
    np.testing.assert_allclose(terms.joint_weights, np.outer(teacher.weights, student.weights), atol=1e-12)


def test_no_other_shares_give_a_lower_variational_bound() -> None:
    """A thousand random r(k''|k') and small steps around the best: none is lower."""
    rng = np.random.default_rng(41)
    teacher, student = random_mixture(rng, 3, 2), random_mixture(rng, 2, 2)
    terms = pair_terms(teacher, student)

    def bound(r: Any) -> float:
        inner = r * (terms.cross_entropies + np.log(r) - student.log_weights)
        return float(teacher.weights @ inner.sum(axis=1))

    best = terms.shares / teacher.weights[:, None]
    assert bound(np.clip(best, 1e-300, 1)) == pytest.approx(terms.variational, abs=1e-9)
    for _ in range(1000):
        assert bound(rng.dirichlet(np.ones(2), size=3)) >= terms.variational - 1e-12
        near = np.clip(best, 1e-9, 1) * rng.uniform(0.9, 1.1, size=(3, 2))
        assert bound(near / near.sum(axis=1, keepdims=True)) >= terms.variational - 1e-12


def test_jensen_is_an_equality_for_one_component() -> None:
    teacher = make_scene("ring").teacher
    student = mixtures.teacher_entropy("ring", 1).at(1).student
    exact = -teacher.expected_log_prob(student).value
    assert pair_terms(teacher, student).jensen == pytest.approx(exact, abs=1e-9)


def test_pairs_along_a_sweep_are_those_of_its_positions() -> None:
    sweep = mixtures.teacher_entropy("ring", 2)
    pairs = pairs_along(sweep)
    assert (np.diff(sweep.scene.teacher.weights[pairs.order]) <= 0).all()
    for beta in (1.0, 5.0, 100.0):
        i, at = sweep.index(beta), sweep.at(beta)
        terms = pair_terms(at.teacher, at.student)
        np.testing.assert_allclose(pairs.shares[i], terms.shares[pairs.order], atol=1e-12)
        assert (pairs.jensen[i], pairs.variational[i]) == pytest.approx((terms.jensen, terms.variational), abs=1e-9)
        assert pairs.exact[i] == pytest.approx(-at.teacher.expected_log_prob(at.student).value, abs=1e-5)
        assert f"{pairs.exact[i]:.2f} nats" in pairs.sentences[i]
        assert f"{pairs.shares[i].max():.2f} of the mass" in pairs.sentences[i]


# The other divergence


def test_the_reverse_student_of_a_gaussian_is_that_gaussian() -> None:
    target = line_mixture([1.0], [2.0], [0.7])
    found = reverse_student(target)
    assert found.means[0, 0] == pytest.approx(2.0, abs=1e-4)
    assert math.sqrt(found.covariances[0, 0, 0]) == pytest.approx(0.7, abs=1e-4)


@pytest.mark.parametrize("unit", [1e-6, 1e6])
def test_the_reverse_search_is_the_same_in_any_units(unit: float) -> None:
    here, there = (line_mixture([0.6, 0.4], [-2.0 * u, 2.0 * u], [0.5 * u, u]) for u in (1.0, unit))
    found, again = reverse_student(here), reverse_student(there)
    assert again.means[0, 0] / unit == pytest.approx(found.means[0, 0], rel=1e-6)
    assert again.covariances[0, 0, 0] / unit**2 == pytest.approx(found.covariances[0, 0, 0], rel=1e-6)
    assert there.mode_density() == pytest.approx(here.mode_density() - math.log(unit), abs=1e-9)


def test_no_gaussian_of_a_fine_grid_has_a_lower_reverse_divergence() -> None:
    """By scipy's own quadrature, on 21 means by 21 widths around everything; to 1e-6 nats."""
    target = line_mixture([0.6, 0.4], [-3.0, 3.0], [0.6, 0.6])

    def divergence(mean: float, sd: float) -> float:
        def integrand(x: float) -> float:
            left, right = math.log(0.6) + log_normal(x, -3.0, 0.6), math.log(0.4) + log_normal(x, 3.0, 0.6)
            log_q = log_normal(x, mean, sd)
            return math.exp(log_q) * (log_q - float(np.logaddexp(left, right)))

        points = [mean - 2 * sd, mean, mean + 2 * sd]
        return float(integrate.quad(integrand, mean - 9 * sd, mean + 9 * sd, points=points, limit=200)[0])

    found = reverse_student(target)
    least = divergence(found.means[0, 0], math.sqrt(found.covariances[0, 0, 0]))
    others = [divergence(m, s) for m in np.linspace(-4, 4, 21) for s in np.geomspace(0.3, 4, 21)]
    assert least <= min(others) + 1e-6
    assert found.means[0, 0] == pytest.approx(-3.0, abs=0.01)


def test_a_wide_optimum_is_found_where_it_is_the_best() -> None:
    """Two close modes: standing over both is better than choosing one (0.545 against 0.675 nats)."""
    found = reverse_student(line_mixture([0.5, 0.5], [-1.3, 1.3], [0.5, 0.5]))
    assert found.means[0, 0] == pytest.approx(0.0, abs=0.01)
    assert math.sqrt(found.covariances[0, 0, 0]) == pytest.approx(1.23, abs=0.01)


def test_the_reverse_search_is_for_a_line() -> None:
    with pytest.raises(ValueError, match="2 dimensions"):
        reverse_student(make_scene("ring").teacher)
