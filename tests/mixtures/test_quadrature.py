"""Uniform nodes, halved until they agree: against closed forms, against scipy, and where Gauss-Hermite fails."""

import math
from typing import Any

import numpy as np
import pytest
import scipy.integrate
from support.accuracy import dense_mean
from support.worlds import random_mixture

from kdlab import GaussianMixture
from kdlab.mixtures._quadrature import MAX_NODES, Field, TooManyNodes, errors_of, expect_gaussian, folded
from kdlab.mixtures.scenes import line_mixture, make_scene

CORRELATED = np.array([[0.5, 0.3], [0.3, 0.4]])


def expect(function: Any, mean: Any, covariance: Any, tolerance: float = 1e-7, **options: Any) -> float:
    value, nodes = expect_gaussian(
        function, np.array(mean, float), np.linalg.cholesky(np.array(covariance, float)), tolerance=tolerance, **options
    )
    assert nodes <= MAX_NODES
    return value


def test_moments_in_one_and_two_dimensions() -> None:
    """A trapezoid rule of a Gaussian times a polynomial errs by less than rounding at a quarter of a deviation."""
    assert expect(lambda x: np.ones(len(x)), [3.0], [[4.0]]) == pytest.approx(1.0, abs=1e-12)
    assert expect(lambda x: x[:, 0], [3.0], [[4.0]]) == pytest.approx(3.0, abs=1e-12)
    assert expect(lambda x: x[:, 0] ** 2, [3.0], [[4.0]]) == pytest.approx(13.0, abs=1e-11)
    product = expect(lambda x: x[:, 0] * x[:, 1], [1.0, -2.0], CORRELATED)
    square = expect(lambda x: x[:, 1] ** 2, [1.0, -2.0], CORRELATED)
    assert (product, square) == (pytest.approx(0.3 - 2.0, abs=1e-11), pytest.approx(0.4 + 4.0, abs=1e-11))


@pytest.mark.parametrize("frequency", [1.0, 3.0, 6.0])
def test_a_wave(frequency: float) -> None:
    """E cos(a z) = exp(-a^2 / 2)."""
    exact = math.exp(-(frequency**2) / 2)
    assert expect(lambda x: np.cos(frequency * x[:, 0]), [0.0], [[1.0]]) == pytest.approx(exact, abs=1e-7)


@pytest.mark.parametrize("tolerance", [1e-4, 1e-6])
def test_a_kink_anywhere(tolerance: float) -> None:
    """E |z - a| for 80 places a: the corner that a log-mixture nearly is, and the rule converges slowest on.

    The estimate is allowed to be a factor of 5 too hopeful: kdlab asks for 2e-7 and promises 1e-6.
    """
    for a in np.random.default_rng(0).uniform(-1, 1, size=80).tolist():
        exact = 2 * math.exp(-(a**2) / 2) / math.sqrt(2 * math.pi) + a * math.erf(a / math.sqrt(2))
        value = expect(lambda x, a=a: np.abs(x[:, 0] - a), [0.0], [[1.0]], tolerance)
        assert value == pytest.approx(exact, abs=5 * tolerance)


def test_a_kink_at_any_angle() -> None:
    """E |n x - a| in the plane, for 24 directions n, the axes and their diagonals among them, and two shapes.

    Each axis is halved on its own account: a kink along one axis, or across both, must not be missed.
    """
    rng = np.random.default_rng(1)
    for shape in ([[1.0, 0.0], [0.0, 0.05]], CORRELATED):
        for angle in np.arange(24) * math.pi / 12:
            n, a = np.array([math.cos(angle), math.sin(angle)]), float(rng.uniform(-0.5, 0.5))
            deviation = math.sqrt(float(n @ np.array(shape) @ n))
            far = a / deviation
            exact = deviation * 2 * math.exp(-(far**2) / 2) / math.sqrt(2 * math.pi) + a * math.erf(far / math.sqrt(2))
            value = expect(lambda x, n=n, a=a: np.abs(x @ n - a), [0.0, 0.0], shape, 1e-4)
            assert value == pytest.approx(exact, abs=5e-4)


def test_only_the_axis_that_needs_it_is_halved() -> None:
    """A kink along one axis of a plane costs what it costs on a line, times the coarsest spacing's nodes."""

    def nodes(function: Any, dim: int) -> int:
        return expect_gaussian(function, np.zeros(dim), np.eye(dim), tolerance=1e-5)[1]

    on_a_line, coarsest = nodes(lambda x: np.abs(x[:, 0] - 0.3), 1), nodes(lambda x: np.ones(len(x)), 1)
    assert on_a_line > 8 * coarsest
    assert nodes(lambda x: np.abs(x[:, 0] - 0.3), 2) == on_a_line * coarsest


def test_log_mixtures_in_one_dimension_against_scipy() -> None:
    """Adaptive Gauss-Kronrod from scipy, told where the modes are, at 1e-10; fifteen random pairs."""
    for seed in range(15):
        rng = np.random.default_rng([21, seed])
        of = random_mixture(rng, int(rng.integers(2, 5)), 1)
        mean, deviation = rng.uniform(-2, 2), rng.uniform(0.1, 2.0)

        def integrand(t: float, of: GaussianMixture = of, mean: float = mean, deviation: float = deviation) -> float:
            weight = math.exp(-0.5 * ((t - mean) / deviation) ** 2) / (deviation * math.sqrt(2 * math.pi))
            return weight * float(of.log_prob([[t]])[0])

        low, high = mean - 8.5 * deviation, mean + 8.5 * deviation
        places = np.unique([*np.clip(of.means[:, 0], low, high), mean])
        inner = [p for p in places if low < p < high]
        exact, _ = scipy.integrate.quad(integrand, low, high, points=inner, limit=500, epsabs=1e-10, epsrel=1e-10)
        assert expect(of.log_prob, [mean], [[deviation**2]]) == pytest.approx(exact, abs=1e-6)


def test_log_mixtures_in_two_dimensions_against_a_turned_and_finer_rule() -> None:
    for seed in range(8):
        rng = np.random.default_rng([22, seed])
        of, model = random_mixture(rng, int(rng.integers(2, 5)), 2), random_mixture(rng, 1, 2)
        value = expect(of.log_prob, model.means[0], model.covariances[0])
        assert value == pytest.approx(dense_mean(model, of), abs=1e-6)


def test_gauss_hermite_fails() -> None:
    """Why not the textbook rule: it assumes a polynomial, and log p* has corners between its modes.

    The direct student of the line scene under p*, and a sharp student under a p* of two narrow modes. With
    20 nodes Gauss-Hermite is off by hundredths of a nat to whole nats, and 100 nodes still miss 1e-6 by
    orders of magnitude; uniform nodes are within 1e-6 of scipy's adaptive rule each time.
    """
    cases = [(make_scene("line").truth, -1.0, 2.05), (line_mixture([0.5, 0.5], [-1.0, 1.0], [0.05, 0.05]), 0.1, 0.7)]
    for truth, mean, deviation in cases:
        student = line_mixture([1.0], [mean], [deviation])
        exact = dense_mean(student, truth)
        assert expect(truth.log_prob, [mean], [[deviation**2]]) == pytest.approx(exact, abs=1e-6)

        def hermite(n: int, truth: GaussianMixture = truth, mean: float = mean, deviation: float = deviation) -> float:
            nodes, weights = np.polynomial.hermite_e.hermegauss(n)
            return float(weights @ truth.log_prob((mean + deviation * nodes)[:, None]) / weights.sum())

        assert abs(hermite(20) - exact) > 1e-2
        assert abs(hermite(100) - exact) > 1e-4


def test_the_error_estimate_can_be_relied_on() -> None:
    """Over 36 random log-mixtures, blunt and sharp, the true error is never above 5 times the tolerance."""
    for seed in range(36):
        rng = np.random.default_rng([23, seed])
        of, model = random_mixture(rng, 3, 1), random_mixture(rng, 1, 1)
        of = GaussianMixture(of.weights, of.means, of.covariances * [1.0, 0.1, 0.01][seed % 3])
        exact = dense_mean(model, of)
        for tolerance in (1e-3, 1e-5, 2e-7):
            value = expect(of.log_prob, model.means[0], model.covariances[0], tolerance)
            assert abs(value - exact) <= 5 * tolerance + 1e-7


def error_of(products: Any, tolerance: float) -> float:
    """What is estimated for one rule, whatever stands beside it."""
    sums = np.stack([folded(products), np.zeros_like(folded(products)), folded(products)])
    first, nothing, last = errors_of(sums, np.array([tolerance, 1.0, tolerance]))
    assert (first, nothing) == (last, 0.0)
    return float(first)


def test_a_kink_between_two_nodes_does_not_hide() -> None:
    """Half-way between nodes a kink gives every second node, from either end, the same sum, and a wrong one."""
    nodes = np.arange(-480, 480) / 60
    products = np.abs(nodes - 0.5 / 60) * np.exp(-0.5 * nodes**2) / math.sqrt(2 * math.pi) / 60
    exact = 2 * math.exp(-0.5 / 120**2) / math.sqrt(2 * math.pi) + math.erf(1 / 120 / math.sqrt(2)) / 120
    halves = [2 * products[start::2].sum() for start in (0, 1)]
    assert abs(halves[0] - halves[1]) < 1e-8
    error = abs(products.sum() - exact)
    assert error > 5e-6
    assert error_of(products, 1e-4) > error / 2


def test_errors_compare_with_the_coarser_rules_inside() -> None:
    flat = np.full(12, 1 / 12)
    assert error_of(flat, 1e-6) < 1e-15  # every coarser rule gives the same sum
    uneven = np.zeros(12)
    uneven[0] = 1.0
    assert error_of(uneven, 1e-6) == 1.0  # every second node: 2 or 0, against 1


@pytest.mark.parametrize("dim", [1, 2])
def test_too_many_nodes_are_refused(dim: int) -> None:
    """A corner asks for more than 1,000 nodes at 1e-12."""
    with pytest.raises(TooManyNodes, match=r"nodes wanted, 1000 allowed"):
        expect(lambda x: np.abs(x[:, 0] - 0.1), [0.0] * dim, np.eye(dim), 1e-12, max_nodes=1000)


# A function tabulated once


def field(of: GaussianMixture, spacing: float, reach: float = 6.0) -> Field:
    return Field(of.log_prob, np.full(of.dim, -reach), np.full(of.dim, reach), spacing)


def mean_under(table: Field, mean: Any, covariance: Any, tolerance: float) -> float:
    return float(table.means_under(mean[None], covariance[None], np.array([tolerance]))[0])


@pytest.mark.parametrize("dim", [1, 2])
def test_a_table_agrees_with_the_rule_wherever_it_answers(dim: int) -> None:
    """Diagonal and turned students; where the table serves them it is within its tolerance, and it often does."""
    of = random_mixture(np.random.default_rng([24, dim]), 3, dim)
    students = [random_mixture(np.random.default_rng([25, i]), 1, dim, ["diag", "full"][i % 2]) for i in range(20)]
    means = np.stack([student.means[0] / 5 for student in students])
    covariances = np.stack([student.covariances[0] / 4 for student in students])
    found = field(of, 0.03).means_under(means, covariances, np.full(20, 1e-6))
    for value, mean, covariance in zip(found, means, covariances, strict=True):
        if not np.isnan(value):
            assert value == pytest.approx(expect(of.log_prob, mean, covariance), abs=2e-6)
    assert np.isfinite(found).sum() >= 15


@pytest.mark.parametrize(
    ("mean", "deviation", "why"),
    [
        (5.0, 0.5, "reaches out of the box"),
        (0.0, 2.0, "too wide for the box"),
        (0.0, 0.02, "narrower than the spacing"),
    ],
)
def test_a_table_says_nan_where_it_does_not_serve(mean: float, deviation: float, why: str) -> None:
    of = make_scene("line").truth
    assert math.isnan(mean_under(field(of, 0.05), np.array([mean]), np.array([[deviation**2]]), 1e-6)), why


def test_a_table_says_nan_rather_than_a_rough_number() -> None:
    """A step, on which a uniform rule is off by about half a spacing, is refused at 1e-6 and served at 0.3."""
    step = Field(lambda x: (x[:, 0] > 0.111).astype(float), np.array([-8.0]), np.array([8.0]), 0.05)
    assert math.isnan(mean_under(step, np.zeros(1), np.ones((1, 1)), 1e-6))
    exact = 0.5 * math.erfc(0.111 / math.sqrt(2))
    assert mean_under(step, np.zeros(1), np.ones((1, 1)), 0.3) == pytest.approx(exact, abs=0.02)


def test_a_thin_turned_gaussian_is_measured_across_not_along_the_axes() -> None:
    """Marginals of 0.7 hide a cut of 0.01: the spacing must look at the cut."""
    thin = np.array([[0.5, 0.49995], [0.49995, 0.5]])
    of = make_scene("ring").truth
    assert math.isnan(mean_under(field(of, 0.05), np.zeros(2), thin, 1e-6))


def test_a_table_has_its_limit_too() -> None:
    with pytest.raises(TooManyNodes, match=f"{MAX_NODES} allowed"):
        Field(lambda x: x[:, 0], np.full(2, -10.0), np.full(2, 10.0), 1e-3)
