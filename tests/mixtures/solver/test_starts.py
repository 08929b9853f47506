"""Where EM starts: every grouping once, moments kept, the same each time."""

from typing import Any

import numpy as np
import pytest
from support.worlds import FAMILIES, random_mixture

from kdlab import GaussianMixture
from kdlab.mixtures.solver.em import Family, Students, cloud_of
from kdlab.mixtures.solver.starts import grouped_starts, halved_starts, spread_starts


def models(students: Students) -> list[GaussianMixture]:
    return [students.model(s) for s in range(len(students))]


@pytest.mark.parametrize(("items", "groups", "ways"), [(3, 2, 3), (4, 2, 7), (5, 3, 25), (6, 3, 90), (8, 4, 1701)])
def test_every_grouping_once(items: int, groups: int, ways: int) -> None:
    """As many as Stirling's number of the second kind says, each with the whole mixture's mean."""
    target = random_mixture(np.random.default_rng(items), items, 2)
    found = models(grouped_starts(target, Family("full"), groups, 10_000))
    assert len(found) == ways
    for start in found[:20]:
        np.testing.assert_allclose(start.mean, target.mean, atol=1e-12)
        np.testing.assert_allclose(start.covariance, target.covariance, atol=1e-10)


def test_the_cheapest_grouping_comes_first() -> None:
    """Runnalls' bound: sum over groups of weight times half the log-determinant of the merged covariance."""
    target = random_mixture(np.random.default_rng(1), 5, 2)
    costs = [
        float(start.weights @ np.linalg.slogdet(start.covariances)[1])
        for start in models(grouped_starts(target, Family("full"), 2, 100))
    ]
    assert len(costs) == 15
    assert all(a <= b + 1e-12 for a, b in zip(costs, costs[1:], strict=False))


@pytest.mark.parametrize("n_components", [3, 5, 9])
def test_a_large_student_starts_from_split_components(n_components: int) -> None:
    target = random_mixture(np.random.default_rng(2), 3, 2)
    (start,) = models(grouped_starts(target, Family("full"), n_components, 4))
    assert start.n_components == n_components
    np.testing.assert_allclose(start.mean, target.mean, atol=1e-12)
    np.testing.assert_allclose(start.covariance, target.covariance, atol=1e-10)


@pytest.mark.parametrize(("items", "n_components", "ways"), [(5, 2, 1), (5, 4, 3 + 1), (3, 3, 2 + 1), (2, 4, 2 + 1)])
def test_halved_starts_keep_mean_and_covariance(items: int, n_components: int, ways: int) -> None:
    """Each of the K'' - 1 groups (or of the components, if there are fewer) halved in turn, then one group less."""
    target = random_mixture(np.random.default_rng(items), items, 2)
    found = models(halved_starts(target, Family("full"), n_components))
    assert len(found) == ways
    for start in found:
        assert start.n_components == n_components
        np.testing.assert_allclose(start.mean, target.mean, atol=1e-12)
        np.testing.assert_allclose(start.covariance, target.covariance, atol=1e-10)


def test_a_half_lies_along_the_longest_axis() -> None:
    """N(0, diag(4, 1)) in two halves a standard deviation apart: means at -1 and 1, variances 3 and 1."""
    wide = GaussianMixture([1.0], [[0.0, 0.0]], [np.diag([4.0, 1.0])])
    (start,) = models(halved_starts(wide, Family("full"), 2))
    np.testing.assert_allclose(sorted(np.abs(start.means).tolist()), [[1.0, 0.0]] * 2, atol=1e-12)
    np.testing.assert_allclose(start.covariances, [np.diag([3.0, 1.0])] * 2, atol=1e-12)
    np.testing.assert_allclose(start.weights, [0.5, 0.5])


def test_many_components_are_merged_before_they_are_grouped() -> None:
    target = random_mixture(np.random.default_rng(3), 12, 2)
    starts = models(grouped_starts(target, Family("full"), 2, 3))
    assert len(starts) == 3
    for start in starts:
        np.testing.assert_allclose(start.mean, target.mean, atol=1e-12)


@pytest.mark.parametrize("n_components", [9, 10, 11])
def test_a_student_of_more_than_eight_components_may_be_smaller_than_its_target(n_components: int) -> None:
    target = random_mixture(np.random.default_rng(5), 12, 2)
    for made in (grouped_starts, halved_starts):
        several = (4,) if made is grouped_starts else ()
        for start in models(made(target, Family("full"), n_components, *several)):
            assert start.n_components == n_components
            np.testing.assert_allclose(start.mean, target.mean, atol=1e-12)


@pytest.mark.parametrize("covariance", FAMILIES)
@pytest.mark.parametrize("dim", [1, 3])
def test_spread_starts_are_points_and_the_same_each_time(covariance: Any, dim: int) -> None:
    rng = np.random.default_rng(4)
    points = random_mixture(rng, 3, dim).sample(60, rng)
    cloud, family = cloud_of(points, np.full(60, 1 / 60), cross=True), Family(covariance, 1e-6)
    first, again = (models(spread_starts(cloud, family, 3, 8).out_of(cloud)) for _ in range(2))
    assert len(first) == 8
    for one, other in zip(first, again, strict=True):
        np.testing.assert_array_equal(one.means, other.means)
        apart = np.abs(one.means[:, None] - points[None]).max(axis=-1).min(axis=1)
        assert apart.max() < 1e-9
    assert len({start.means.tobytes() for start in first}) >= 6


def test_points_without_weight_are_never_chosen() -> None:
    points = np.array([[0.0], [1.0], [2.0], [50.0]])
    cloud = cloud_of(points, np.array([0.4, 0.3, 0.3, 0.0]), cross=False)
    for start in models(spread_starts(cloud, Family("diag"), 3, 10).out_of(cloud)):
        assert start.means.max() < 10


def test_starts_of_a_small_target_are_the_same_but_smaller() -> None:
    """The floor is a grid's, in standard coordinates: it must not widen a target given in other units."""
    target, family = random_mixture(np.random.default_rng(4), 5, 2), Family("full", floor=0.04)
    small = GaussianMixture(target.weights, 1e-4 * target.means, 1e-8 * target.covariances)
    one, other = (grouped_starts(each, family, 2, 5) for each in (target, small))
    np.testing.assert_allclose(other.means, 1e-4 * one.means, rtol=1e-9)
    np.testing.assert_allclose(other.covariances, 1e-8 * one.covariances, rtol=1e-6)
