"""The engine: one step against the textbook's sums, likelihoods that never fall, coordinates that come back."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from support.worlds import FAMILIES, random_mixture, within

from kdlab import GaussianMixture
from kdlab.mixtures.solver.em import (
    Cloud,
    Family,
    Students,
    cloud_of,
    em_step,
    log_densities,
    log_likelihood,
    run_em,
    stacked,
)


def some_points(seed: int, n: int = 80, dim: int = 2) -> Any:
    rng = np.random.default_rng([30, seed])
    return random_mixture(rng, 3, dim).sample(n, rng)


def even(points: Any, cross: bool = True) -> Cloud:
    return cloud_of(points, np.full(len(points), 1 / len(points)), cross=cross)


def students(cloud: Cloud, family: Family, n: int, k: int = 3) -> Students:
    dim = cloud.dim
    models = [random_mixture(np.random.default_rng([31, s]), k, dim) for s in range(n)]
    return Students.of(models).into(cloud).within(family)


@pytest.mark.parametrize("dim", [1, 2, 3])
@pytest.mark.parametrize("covariance", FAMILIES)
def test_a_step_is_the_textbooks(dim: int, covariance: Any) -> None:
    """Bishop (2006), section 9.2.2, written out with loops; shares are single precision, so 1e-6 is asked."""
    points, family = some_points(dim, dim=dim), Family(covariance)
    weights = np.random.default_rng(1).dirichlet(np.ones(len(points)))
    cloud = cloud_of(points, weights, cross=covariance == "full")
    before = students(cloud, family, 1)
    model = before.out_of(cloud).model(0)
    after, reached = em_step(cloud, family, before)
    new = after.out_of(cloud).model(0)
    shares = model.responsibilities(points) * weights[:, None]
    for k in range(3):
        mass = shares[:, k].sum()
        mean = shares[:, k] @ points / mass
        away = points - mean
        second = (away * shares[:, k][:, None]).T @ away / mass
        assert new.weights[k] == pytest.approx(mass, abs=1e-6)
        np.testing.assert_allclose(new.means[k], mean, atol=1e-5)
        np.testing.assert_allclose(new.covariances[k], within(covariance, second), atol=1e-5)
    assert reached[0] - cloud.log_jacobian == pytest.approx(float(weights @ model.log_prob(points)), abs=1e-6)


@pytest.mark.parametrize("covariance", FAMILIES)
def test_the_likelihood_is_the_models_own(covariance: Any) -> None:
    points = some_points(0)
    cloud = even(points, cross=covariance == "full")
    several = students(cloud, Family(covariance), 4)
    expected = [several.out_of(cloud).model(s).log_prob(points).mean() for s in range(4)]
    np.testing.assert_allclose(log_likelihood(cloud, several), expected, atol=1e-10)


@pytest.mark.parametrize("dim", [1, 2])
def test_log_densities_are_the_models_own(dim: int) -> None:
    """To 1e-6 nats, where single-precision exponentials bring 1e-7; also far out, and over more than one block."""
    points = np.random.default_rng(1).normal(scale=12.0, size=(60_000, dim))
    models = [random_mixture(np.random.default_rng(seed), 3, dim) for seed in (2, 3)]
    cloud, expected = even(points), [model.log_prob(points) for model in models]
    several = Students.of(models).into(cloud)
    np.testing.assert_allclose(log_densities(cloud, several), expected, rtol=0, atol=5e-7)
    np.testing.assert_allclose(log_densities(cloud, several, exact=True), expected, rtol=1e-12, atol=1e-9)


@pytest.mark.parametrize("covariance", FAMILIES)
def test_steps_never_lower_the_likelihood(covariance: Any) -> None:
    """Up to what single precision may blur, 1e-6 nats."""
    cloud, family = even(some_points(1), cross=covariance == "full"), Family(covariance, 1e-3)
    now, path = students(cloud, family, 5), []
    for _ in range(30):
        now, reached = em_step(cloud, family, now)
        path.append(reached)
    assert (np.diff(path, axis=0) >= -1e-6).all()


@pytest.mark.parametrize("covariance", FAMILIES)
def test_leaping_ends_where_plain_steps_do(covariance: Any) -> None:
    """No worse than 1,500 plain steps from the same start, in fewer: a leap may find a better hill, not a lower end."""
    cloud, family = even(some_points(2), cross=covariance == "full"), Family(covariance, 1e-4)
    start = students(cloud, family, 1)
    runs = run_em(cloud, family, start, tolerance=1e-7, max_iter=2000)
    plain = start
    for _ in range(1500):
        plain, _ = em_step(cloud, family, plain)
    assert runs.converged.all()
    assert runs.log_likelihood[0] >= log_likelihood(cloud, plain)[0] - 1e-5
    assert runs.n_iter[0] < 2000


def test_the_end_is_a_fixed_point() -> None:
    cloud, family = even(some_points(3)), Family("full", 1e-3)
    runs = run_em(cloud, family, students(cloud, family, 3), tolerance=1e-6, max_iter=3000)
    assert runs.converged.all()
    again, _ = em_step(cloud, family, runs.students)
    heavy = runs.students.log_weights > math.log(1e-4)
    assert np.abs(again.means - runs.students.means)[heavy].max() < 2e-6
    assert np.abs(again.log_weights - runs.students.log_weights)[heavy].max() < 2e-6


def test_starts_run_together_as_they_run_alone() -> None:
    """A batch is for speed only; sums in another order differ in their last digits, which EM forgets."""
    cloud, family = even(some_points(4)), Family("diag", 1e-3)
    several = students(cloud, family, 4)
    together = run_em(cloud, family, several, tolerance=1e-7, max_iter=2000)
    for s in range(4):
        alone = run_em(cloud, family, several[[s]], tolerance=1e-7, max_iter=2000)
        assert alone.log_likelihood[0] == pytest.approx(together.log_likelihood[s], abs=1e-6)


def test_a_run_that_is_cut_short_says_so() -> None:
    cloud, family = even(some_points(5)), Family("diag")
    runs = run_em(cloud, family, students(cloud, family, 2), tolerance=1e-12, max_iter=3)
    assert not runs.converged.any() and (runs.n_iter == 3).all()


def test_a_stack_with_weights_of_its_own_for_each_start() -> None:
    """Two starts, two sets of weights on the same points: as if each had been run on its own cloud."""
    points, rng = some_points(6), np.random.default_rng(2)
    weights = rng.dirichlet(np.ones(len(points)), size=2)
    cloud, family = even(points), Family("diag", 1e-3)
    stack, several = replace(cloud, weights=weights), students(cloud, family, 2)
    together = run_em(stack, family, several, tolerance=1e-8, max_iter=3000)
    for s in range(2):
        alone = run_em(stack[s], family, several[[s]], tolerance=1e-8, max_iter=3000)
        assert together.log_likelihood[s] == pytest.approx(alone.log_likelihood[0], abs=1e-8)
        model = together.students.out_of(cloud).model(s)
        assert together.log_likelihood[s] == pytest.approx(float(weights[s] @ model.log_prob(points)), abs=1e-9)


@pytest.mark.parametrize("covariance", FAMILIES)
def test_a_stack_with_points_of_its_own_for_each_start(covariance: Any) -> None:
    """Student s meets cloud s, also after the others have ended."""
    clouds = [even(some_points(seed), cross=covariance == "full") for seed in (1, 2, 3)]
    clouds = [replace(cloud, shift=clouds[0].shift, scale=clouds[0].scale) for cloud in clouds]
    layers = {name: np.stack([getattr(cloud, name) for cloud in clouds]) for name in ("points", "weights", "features")}
    stack, family = replace(clouds[0], **layers), Family(covariance, 1e-3)
    several = students(clouds[0], family, 3)
    together = run_em(stack, family, several, tolerance=1e-7, max_iter=3000)
    assert len(set(together.n_iter.tolist())) > 1
    for s, cloud in enumerate(clouds):
        alone = run_em(cloud, family, several[[s]], tolerance=1e-7, max_iter=3000)
        assert together.log_likelihood[s] == pytest.approx(alone.log_likelihood[0], abs=1e-6)


def test_a_component_left_without_mass_keeps_its_place() -> None:
    cloud, family = even(some_points(7)), Family("diag")
    far = GaussianMixture([0.5, 0.5], [[0.0, 0.0], [500.0, 500.0]], [np.eye(2), 0.01 * np.eye(2)])
    before = Students.of([far]).into(cloud).within(family)
    after, _ = em_step(cloud, family, before)
    np.testing.assert_array_equal(after.means[0, 1], before.means[0, 1])
    np.testing.assert_array_equal(after.covariances[0, 1], before.covariances[0, 1])
    assert np.exp(after.log_weights).sum() == pytest.approx(1.0, abs=1e-12)
    assert np.isfinite(after.packed()).all()


@pytest.mark.parametrize("dim", [1, 2, 3])
def test_packing_comes_back(dim: int) -> None:
    cloud = even(some_points(8, dim=dim))
    several = students(cloud, Family("full"), 3)
    back = several.unpacked(several.packed())
    np.testing.assert_allclose(back.log_weights, several.log_weights)
    np.testing.assert_allclose(back.means, several.means)
    np.testing.assert_allclose(back.covariances, several.covariances, rtol=1e-12, atol=1e-14)


def test_coordinates_come_back() -> None:
    cloud = even(some_points(9) * 1000 + 1e5)
    model = random_mixture(np.random.default_rng(1), 3, 2)
    back = Students.of([model]).into(cloud).out_of(cloud).model(0)
    np.testing.assert_allclose(back.means, model.means, atol=1e-9)
    np.testing.assert_allclose(back.covariances, model.covariances, rtol=1e-9)
    np.testing.assert_allclose(back.log_weights, model.log_weights, atol=1e-12)


def test_students_stack_and_split() -> None:
    several = students(even(some_points(10)), Family("diag"), 3)
    again = stacked([several[[0]], several[[1, 2]]])
    np.testing.assert_array_equal(again.means, several.means)
    again[[0, 2]] = several[[1, 1]]
    np.testing.assert_array_equal(again.covariances, several.covariances[[1, 1, 1]])


@pytest.mark.parametrize("dim", [1, 2, 3])
def test_families_project_to_the_nearest_in_likelihood(dim: int) -> None:
    """E_{N(0, S)} log N(0, C) = -(log det C + tr C^-1 S) / 2 + const: no random member of the family does better."""
    rng = np.random.default_rng([32, dim])
    moment = random_mixture(rng, 1, dim).covariances

    def loss(c: Any) -> float:
        return float(np.linalg.slogdet(c)[1] + np.trace(np.linalg.solve(c, moment[0])))

    for covariance in FAMILIES:
        best = Family(covariance).project(moment)[0]
        for _ in range(200):
            factor = np.exp(rng.normal(scale=0.2, size=dim))
            if covariance == "spherical":
                other = best * factor[0]
            elif covariance == "diag":
                other = np.diag(np.diag(best) * factor)
            else:
                nudge = np.eye(dim) + rng.normal(scale=0.1, size=(dim, dim))
                other = nudge @ best @ nudge.T
            assert loss(best) <= loss(other) + 1e-12


@pytest.mark.parametrize("covariance", FAMILIES)
@pytest.mark.parametrize("dim", [1, 2, 3])
def test_no_variance_falls_below_the_floor(covariance: Any, dim: int) -> None:
    flat = np.zeros((2, dim, dim))
    flat[1] = np.diag([4.0, *[1e-9] * (dim - 1)])
    projected = Family(covariance, floor=0.01).project(flat)
    assert np.linalg.eigvalsh(projected).min() >= 0.01 * (1 - 1e-12)
    if covariance != "spherical":
        assert projected[1, 0, 0] == pytest.approx(4.0)
