"""How far students are from each other: in whatever order their components stand, and faint ones aside."""

import itertools
from typing import Any

import numpy as np
import pytest
from support.worlds import FAMILIES, random_mixture

from kdlab import GaussianMixture
from kdlab.mixtures.solver.distances import aligned, in_line, same, steady
from kdlab.mixtures.solver.em import Students


def students(*models: GaussianMixture) -> Students:
    return Students.of(models)


def shuffled(model: GaussianMixture, order: Any) -> GaussianMixture:
    order = list(order)
    return GaussianMixture(model.weights[order], model.means[order], model.covariances[order])


def moved(model: GaussianMixture, by: float, weights: Any = None) -> GaussianMixture:
    return GaussianMixture(model.weights if weights is None else weights, model.means + by, model.covariances)


@pytest.mark.parametrize("covariance", FAMILIES)
def test_the_order_of_components_does_not_matter(covariance: Any) -> None:
    model = random_mixture(np.random.default_rng(0), 3, 2, covariance)
    for order in itertools.permutations(range(3)):
        other = students(shuffled(model, order))
        assert same(other, students(model)).all()
        np.testing.assert_array_equal(aligned(other, students(model)).means[0], model.means)


def test_same_and_steady_end_where_they_say() -> None:
    """Standardised means apart by .019 are the same student, by .021 another; a step of .099 is steady, .101 none."""
    model = random_mixture(np.random.default_rng(1), 2, 1)
    here = students(model)
    assert [bool(same(students(moved(model, by)), here)[0]) for by in (0.019, 0.021)] == [True, False]
    assert [bool(steady(students(moved(model, by)), here)[0]) for by in (0.099, 0.101)] == [True, False]
    assert steady(students(moved(model, 0.4)), here, 0.5).all()


def test_a_faint_component_may_be_anywhere() -> None:
    """Below 1e-4 in both it does not tell students apart; `steady` counts it unless told otherwise."""
    weights = [1 - 5e-5, 5e-5]
    model = GaussianMixture(weights, [[0.0], [3.0]], [[[1.0]], [[1.0]]])
    other = GaussianMixture(weights, [[0.0], [5.0]], [[[1.0]], [[1.0]]])
    assert same(students(other), students(model)).all()
    assert not steady(students(other), students(model)).any()
    assert steady(students(other), students(model), faint=False).all()


def test_in_line_every_component_keeps_its_place() -> None:
    """Two components drift apart; each position has them in an order of its own."""
    path = [GaussianMixture([0.4, 0.6], [[-1 - t], [1 + t]], [[[0.2]], [[0.3]]]) for t in np.linspace(0, 1, 6)]
    mixed = students(*(shuffled(model, (1, 0)) if i % 2 else model for i, model in enumerate(path)))
    np.testing.assert_allclose(in_line(mixed).means, students(*path).means)
