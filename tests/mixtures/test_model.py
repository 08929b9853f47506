"""Gaussian mixtures against scipy, against closed forms, and against the identities they must keep."""

import math
import re
from collections.abc import Callable
from functools import partial
from itertools import count
from typing import Any

import numpy as np
import pytest
import scipy.optimize
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import logsumexp
from support.accuracy import dense_mean
from support.worlds import mixtures, random_mixture, single

from kdlab import GaussianMixture, precision, recall
from kdlab.mixtures.scenes import line_mixture, make_scene

UNIT = [[[1.0]], [[1.0]]]


def on_a_line(weights: Any) -> GaussianMixture:
    """Components of variance 1 at 0, 1, ..."""
    return GaussianMixture(weights, np.arange(len(weights))[:, None], [[[1.0]]] * len(weights))


PAIR = on_a_line([0.9, 0.1])
BY_LOG_WEIGHTS = partial(GaussianMixture.from_log_weights, means=[[0.0], [1.0]], covariances=UNIT)

steady = settings(derandomize=True, deadline=None, max_examples=30)
brief = settings(derandomize=True, deadline=None, max_examples=15)

# Densities and moments


@pytest.mark.parametrize("dim", [1, 2, 3, 5])
def test_densities_against_scipy(dim: int) -> None:
    """Sums of at most 6 terms of size below 1e4: rounding stays below 1e-10."""
    for seed in range(10):
        rng = np.random.default_rng([1, dim, seed])
        model = random_mixture(rng, 1 + seed % 6, dim)
        x = rng.uniform(-5, 5, size=(50, dim))
        parts = [
            scipy.stats.multivariate_normal(mean, covariance).logpdf(x)
            for mean, covariance in zip(model.means, model.covariances, strict=True)
        ]
        expected = logsumexp(np.array(parts) + np.log(model.weights)[:, None], axis=0)
        np.testing.assert_allclose(model.log_prob(x), expected, rtol=0, atol=1e-10)
        np.testing.assert_allclose(model.component_log_probs(x), np.array(parts).T, rtol=0, atol=1e-10)
        joint = np.exp(np.array(parts).T + model.log_weights - expected[:, None])
        np.testing.assert_allclose(model.responsibilities(x), joint, rtol=0, atol=1e-10)


def test_a_density_far_away_is_small_but_never_minus_infinity() -> None:
    assert PAIR.log_prob([[1e6]])[0] == pytest.approx(
        math.log(0.1) - 0.5 * (1e6 - 1) ** 2 - 0.5 * math.log(2 * math.pi)
    )


def test_a_component_without_weight_does_not_count() -> None:
    model = GaussianMixture([1.0, 0.0], [[0.0], [5.0]], UNIT)
    x = np.linspace(-6, 6, 13)[:, None]
    np.testing.assert_allclose(model.log_prob(x), on_a_line([1.0]).log_prob(x), rtol=1e-14)
    assert model.responsibilities(x)[:, 1].max() == 0.0
    assert model.weight_entropy == 0.0


def test_moments_of_the_whole_mixture() -> None:
    """By hand: mean 0.75 * -1 + 0.25 * 1 = -0.5; variance 0.1 within plus 0.75 * 0.25 * 2^2 between."""
    pair = GaussianMixture([0.75, 0.25], [[-1.0], [1.0]], [[[0.1]], [[0.1]]])
    assert pair.mean == pytest.approx([-0.5])
    assert pair.covariance == pytest.approx(np.array([[0.85]]))


@pytest.mark.parametrize("dim", [1, 3])
def test_samples_have_the_moments(dim: int) -> None:
    """Mean and covariance of 100,000 draws, each entry within 6 standard errors (2e-9 each: never a false alarm)."""
    model = random_mixture(np.random.default_rng([2, dim]), 3, dim)
    x = model.sample(100_000, np.random.default_rng(5))
    assert (x.shape, x.dtype) == ((100_000, dim), np.float64)
    assert (np.abs(x.mean(axis=0) - model.mean) <= 6 * x.std(axis=0) / math.sqrt(len(x))).all()
    away = x - model.mean
    products = away[:, :, None] * away[:, None, :]
    errors = products.std(axis=0) / math.sqrt(len(x))
    assert (np.abs(products.mean(axis=0) - model.covariance) <= 6 * errors).all()


def test_weight_entropy_by_hand() -> None:
    assert on_a_line([0.5, 0.5]).weight_entropy == pytest.approx(math.log(2), abs=1e-15)
    assert PAIR.weight_entropy == pytest.approx(-0.9 * math.log(0.9) - 0.1 * math.log(0.1), abs=1e-15)
    assert PAIR.effective_components == pytest.approx(math.exp(PAIR.weight_entropy), abs=1e-15)


# Tempering


@pytest.mark.parametrize(
    ("weights", "beta", "expected"),
    [
        ([0.9, 0.1], 2, [81 / 82, 1 / 82]),  # .9^2 : .1^2 = 81 : 1
        ([0.9, 0.1], 0, [0.5, 0.5]),
        ([0.6, 0.4, 0.0], 0, [0.5, 0.5, 0.0]),  # 0^0 is read as 0: tempering never revives a component
        ([0.9, 0.1], math.inf, [1.0, 0.0]),
        ([0.4, 0.4, 0.2], math.inf, [0.5, 0.5, 0.0]),
    ],
)
def test_tempering_by_hand(weights: list[float], beta: float, expected: list[float]) -> None:
    model = on_a_line(weights)
    np.testing.assert_allclose(model.tempered(beta).weights, expected, rtol=1e-15 if beta != 2 else 1e-14)
    np.testing.assert_array_equal(model.tempered(beta).means, model.means)


def test_beta_one_changes_nothing() -> None:
    np.testing.assert_allclose(PAIR.tempered(1).log_weights, PAIR.log_weights, rtol=0, atol=1e-15)


@pytest.mark.parametrize(("relative", "shares"), [(1e-13, True), (1e-11, False)])
def test_ties_are_judged_to_1e_12_relative(relative: float, shares: bool) -> None:
    logs = np.log([0.5, 0.5 * (1 - relative)])
    model = GaussianMixture.from_log_weights(logs, [[0.0], [1.0]], UNIT)
    assert (model.tempered(math.inf).weights[1] > 0) == shares


def test_tempering_comes_back_from_where_the_weight_has_underflowed() -> None:
    """(1/9)^400 is 1e-382, zero as a float; its logarithm is not."""
    there = PAIR.tempered(400)
    np.testing.assert_array_equal(there.weights, [1.0, 0.0])
    np.testing.assert_allclose(there.tempered(1 / 400).weights, [0.9, 0.1], rtol=1e-12)


@steady
@given(mixtures(), st.floats(0.01, 20.0), st.floats(0.01, 20.0))
def test_tempering_composes(model: GaussianMixture, one: float, other: float) -> None:
    """tempered(a).tempered(b) is tempered(a b), in log-weights: a difference of log-weights is multiplied, twice.

    Log-weights reach 400 * log 100 = 1900 here, so 13 digits leave 2e-10.
    """
    twice, once = model.tempered(one).tempered(other), model.tempered(one * other)
    np.testing.assert_allclose(twice.log_weights, once.log_weights, rtol=0, atol=2e-10)


@steady
@given(mixtures(min_components=2), st.lists(st.floats(0.0, 100.0), min_size=2, max_size=2))
def test_weight_entropy_falls_with_beta(model: GaussianMixture, betas: list[float]) -> None:
    """Between the logarithm of K at beta = 0 and that of the number of heaviest components; 1e-12 is rounding."""
    low, high = sorted(betas)
    entropies = [model.tempered(beta).weight_entropy for beta in (0.0, low, high, math.inf)]
    assert all(before >= after - 1e-12 for before, after in zip(entropies, entropies[1:], strict=False))
    assert entropies[0] == pytest.approx(math.log(model.n_components), abs=1e-12)


@steady
@given(mixtures(max_components=4), st.floats(0.0, 1e6))
def test_no_beta_overflows(model: GaussianMixture, beta: float) -> None:
    tempered = model.tempered(beta)
    assert not np.isnan(tempered.log_weights).any()
    assert tempered.weights.sum() == pytest.approx(1.0, abs=1e-12)
    assert math.isfinite(tempered.weight_entropy)
    assert np.isfinite(tempered.log_prob([[0.3]])).all()
    assert np.isfinite(tempered.mean).all()


def test_extreme_betas_on_extreme_weights() -> None:
    """Log-weights of -1e300 times 1e6, and weights that are zero: warnings are errors here."""
    model = GaussianMixture.from_log_weights([0.0, -1e300, -np.inf], [[0.0], [1.0], [2.0]], [[[1.0]]] * 3)
    for beta in (0.0, 1e-300, 1.0, 1e6, 1e10, 1e308, math.inf):
        tempered = model.tempered(beta)
        assert not np.isnan(tempered.log_weights).any(), beta
        assert tempered.weights.sum() == pytest.approx(1.0), beta


# Expectations


@brief
@given(mixtures(max_components=3), mixtures(max_components=3))
def test_both_bounds_in_one_dimension(truth: GaussianMixture, student: GaussianMixture) -> None:
    """recall <= -H(p*) and precision <= max log p*, to the accuracy that exact numbers have (1e-6 each)."""
    assert recall(student, truth).value <= truth.expected_log_prob(truth).value + 2e-6
    assert precision(student, truth).value <= truth.mode_density() + 1e-6


@settings(derandomize=True, deadline=None, max_examples=8)
@given(mixtures(dim=2, max_components=3), mixtures(dim=2, max_components=3))
def test_both_bounds_in_two_dimensions(truth: GaussianMixture, student: GaussianMixture) -> None:
    rng = np.random.default_rng(0)  # needed only where a pair is too sharp for quadrature
    own, said, found = (
        model.expected_log_prob(of, rng) for model, of in ((truth, truth), (truth, student), (student, truth))
    )
    slack = 2e-6 + 6 * math.hypot(own.standard_error, said.standard_error)
    assert said.value <= own.value + slack
    assert found.value <= truth.mode_density() + 1e-6 + 6 * found.standard_error


def test_the_bounds_are_met_by_the_truth_itself_and_by_a_point_mass() -> None:
    truth = make_scene("line").truth
    entropy = -truth.expected_log_prob(truth).value
    assert recall(truth, truth).value == -entropy
    peak = truth.means[0] + 0.0
    point = GaussianMixture([1.0], [peak], [[[1e-12]]])
    assert precision(point, truth).value == pytest.approx(truth.mode_density(), abs=1e-4)


@brief
@given(mixtures(min_components=2, max_components=4), st.floats(0.5, 5.0))
def test_precision_changes_with_beta_by_a_covariance(teacher: GaussianMixture, beta: float) -> None:
    """Where the student is the teacher: d precision / d beta = Cov_w(beta)( log alpha_k, E_{N_k}[log p*] ).

    alpha are the untempered weights, w(beta) the tempered ones. Central difference with h = 0.01: the formula's
    own error is h^2/6 times the third derivative, at most the fourth central moment's size, (log 100)^3 * spread.
    Both sides hang on the same K expectations, so quadrature's 1e-6 enters as 1e-6 / (2 h) at the very most.
    """
    truth, h = line_mixture([0.5, 0.3, 0.2], [-1.5, 0.0, 2.0], [0.6, 0.9, 0.5]), 0.01
    values = np.array([single(teacher, k).expected_log_prob(truth).value for k in range(teacher.n_components)])
    weights = teacher.tempered(beta).weights
    formula = weights @ (teacher.log_weights * values) - (weights @ teacher.log_weights) * (weights @ values)
    ahead, behind = (precision(teacher.tempered(b), truth).value for b in (beta + h, beta - h))
    spread = (math.log(100.0)) ** 3 * float(np.ptp(values))
    assert (ahead - behind) / (2 * h) == pytest.approx(formula, abs=1e-4 + h**2 / 6 * spread)


@pytest.mark.parametrize("dim", [1, 2, 3, 7])
def test_one_gaussian_is_scored_in_closed_form(dim: int) -> None:
    """No rng needed in any dimension, and it agrees with sampling within 5 standard errors (6e-7: no false alarm)."""
    rng = np.random.default_rng([3, dim])
    model, one = random_mixture(rng, 4, dim), random_mixture(rng, 1, dim)
    exact = model.expected_log_prob(one)
    assert (exact.standard_error, exact.n_samples) == (0.0, None)
    scores = one.log_prob(model.sample(200_000, rng))
    assert abs(exact.value - scores.mean()) <= 5 * scores.std() / math.sqrt(len(scores))


def test_five_dimensions_need_an_rng_and_are_sampled() -> None:
    """Within 5 standard errors of 300,000 independent draws (a false alarm in 2e-6 of seeds)."""
    rng = np.random.default_rng(4)
    model, of = random_mixture(rng, 3, 5), random_mixture(rng, 2, 5)
    estimate = model.expected_log_prob(of, rng=np.random.default_rng(5))
    assert estimate.standard_error > 0
    assert estimate.n_samples is not None and estimate.n_samples >= 100_000
    scores = of.log_prob(model.sample(300_000, np.random.default_rng(6)))
    together = math.hypot(estimate.standard_error, scores.std() / math.sqrt(len(scores)))
    assert abs(estimate.value - scores.mean()) <= 5 * together
    assert estimate == model.expected_log_prob(of, rng=np.random.default_rng(5))
    with pytest.raises(ValueError, match=r"rng is None and 5 dimensions.*rng=numpy\.random\.default_rng\(seed\)"):
        model.expected_log_prob(of)


def test_beyond_the_node_limit_an_rng_is_required_and_gives_an_estimate(monkeypatch: pytest.MonkeyPatch) -> None:
    """A broad p* and a student of needles 1/10,000 as wide, when neither a grid nor lines may have the nodes."""
    monkeypatch.setattr("kdlab.mixtures._lines._MAX_LINE_NODES", 10_000)
    truth = GaussianMixture([1.0], [[0.0, 0.0]], [np.eye(2)])
    means = [[-1.0, 0.3], [0.2, 0.7], [0.9, -0.4]]
    sharp = GaussianMixture([0.5, 0.3, 0.2], means, [1e-8 * np.eye(2)] * 3)
    with pytest.raises(ValueError, match=r"rng is None and quadrature refused: more than 10000 nodes.*pass rng="):
        recall(sharp, truth)
    estimate = recall(sharp, truth, rng=np.random.default_rng(0))
    assert estimate.standard_error > 0
    assert estimate.n_samples is not None
    assert math.isfinite(estimate.value)


@pytest.mark.parametrize("name", ["line", "ring", "falls", "rare"])
def test_the_entropy_of_every_truth_and_teacher(name: str) -> None:
    scene = make_scene(name)
    for model in (scene.truth, scene.teacher):
        assert model.expected_log_prob(model).value == pytest.approx(dense_mean(model, model), abs=1e-6)


@pytest.mark.parametrize("name", ["line", "ring", "falls", "rare", "random"])
def test_the_highest_density_is_the_highest(name: str) -> None:
    """No climb by scipy from 200 scattered points gets above it, by more than that optimiser's own 1e-9."""
    truth = make_scene(name).truth
    bound = truth.mode_density()
    starts = truth.sample(200, np.random.default_rng(8))
    best = max(starts, key=lambda x: float(truth.log_prob(x[None])[0]))
    for start in (best, *starts[:20]):
        found = scipy.optimize.minimize(lambda x: -truth.log_prob(x[None])[0], start, method="BFGS")
        assert -found.fun <= bound + 1e-9
    assert bound == pytest.approx(truth.log_prob(truth.means).max(), abs=0.05)
    assert bound >= truth.log_prob(truth.means).max()


@pytest.mark.parametrize(
    ("width", "length", "away", "highest"), [(0.1, 10.0, 5.0, -1.96286), (0.3, 3.0, 1.5, -1.85628)]
)
def test_ridges_that_cross_have_a_mode_of_their_own(width: float, length: float, away: float, highest: float) -> None:
    """Two long components, each far from the other's mean, and a student that sits where they cross."""
    long, short = np.diag([length**2, width**2]), np.diag([width**2, length**2])
    truth = GaussianMixture([0.5, 0.5], [[-away, 0.0], [0.0, -away]], [long, short])
    assert truth.mode_density() == pytest.approx(highest, abs=1e-5)
    student = GaussianMixture([1.0], [[0.0, 0.0]], [1e-4 * np.eye(2)])
    assert highest - 0.1 < precision(student, truth).value <= truth.mode_density()


def test_no_climb_from_anywhere_gets_higher() -> None:
    """Tilted, thin components in two and three dimensions: 2,000 places of each, and scipy's climb from the best."""
    rng = np.random.default_rng(12)
    for dim in (2, 2, 2, 3):
        roots = [rng.normal(size=(dim, dim)) * 10 ** rng.uniform(-1.5, 0.5, dim) for _ in range(4)]
        truth = GaussianMixture([0.25] * 4, rng.normal(size=(4, dim)), [root @ root.T for root in roots])
        places = truth.sample(2000, rng)
        for start in places[np.argsort(-truth.log_prob(places))[:10]]:
            found = scipy.optimize.minimize(lambda x, p=truth: -p.log_prob(x[None])[0], start, method="Nelder-Mead")
            assert -found.fun <= truth.mode_density() + 1e-7


# Frozen, validated, float64


def test_a_mixture_is_frozen() -> None:
    with pytest.raises(AttributeError, match="'weights'.*frozen"):
        PAIR.weights = np.ones(2)  # type: ignore[misc]
    for array in (PAIR.log_weights, PAIR.weights, PAIR.means, PAIR.covariances):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1.0
    assert "2 components in 1-D" in repr(PAIR) and "0.9" in repr(PAIR)


def test_a_mixture_copies_what_it_is_given() -> None:
    means = np.zeros((1, 1))
    model = GaussianMixture([1], means, [[[1]]])
    means[0] = 5
    assert model.means[0, 0] == 0
    assert {a.dtype for a in (model.weights, model.means, model.covariances)} == {np.dtype(float)}


@pytest.mark.parametrize(
    ("weights", "means", "covariances", "message"),
    [
        ([-0.1, 1.1], [[0], [1]], UNIT, r"weights are \[-0\.1 +1\.1\].*not negative"),
        ([math.nan, 1.0], [[0], [1]], UNIT, r"weights are \[nan +1\.\].*finite"),
        ([0.3, 0.3], [[0], [1]], UNIT, r"weights \[0\.3 0\.3\] sum to 0\.6, not 1: divide"),
        ([], [], [], r"weights have shape \(0,\)"),
        ([[1.0]], [[0]], [[[1]]], r"weights have shape \(1, 1\)"),
        (1.0, [[0]], [[[1]]], r"weights have shape \(\)"),
        ([0.5, 0.5], [[0]], UNIT, r"means have shape \(1, 1\) beside 2 weights"),
        ([0.5, 0.5], [0, 1], UNIT, r"means have shape \(2,\).*in one dimension write"),
        ([1.0], [[]], [[[]]], r"means have shape \(1, 0\)"),
        ([1.0], [[math.inf]], [[[1]]], r"means are \[\[inf\]\]"),
        ([0.5, 0.5], [[0], [1]], [[[1]]], r"covariances have shape \(1, 1, 1\): give \(2, 1, 1\)"),
        ([1.0], [[0, 0]], [[1, 1]], r"covariances have shape \(1, 2\)"),
        ([1.0], [[0]], [[[0.0]]], r"covariance 0 is \[\[0\.0\]\].*positive definite"),
        ([1.0], [[0]], [[[-2.0]]], r"covariance 0 is \[\[-2\.0\]\]"),
        ([0.5, 0.5], [[0], [1]], [[[1.0]], [[math.nan]]], r"covariance 1 is \[\[nan\]\]"),
        ([1.0], [[0, 0]], [[[1, 0.5], [0.2, 1]]], r"covariance 0 is \[\[1\.0, 0\.5\], \[0\.2, 1\.0\]\].*symmetric"),
        ([1.0], [[0, 0]], [[[1, 2], [2, 1]]], r"covariance 0 is \[\[1\.0, 2\.0\], \[2\.0, 1\.0\]\].*positive definite"),
        ([1.0], [[0]], [[[math.inf]]], r"covariance 0 is \[\[inf\]\]"),
    ],
)
def test_bad_mixtures(weights: Any, means: Any, covariances: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        GaussianMixture(weights, means, covariances)


def test_rounding_is_not_asymmetry() -> None:
    """What a product of matrices leaves off the diagonal: 1e-18 above, minus that below."""
    rounded = [[[0.2, 1e-18], [-1e-18, 0.2]]]
    assert GaussianMixture([1.0], [[0.0, 0.0]], rounded).n_components == 1


def test_single_precision_is_no_mistake() -> None:
    weights = np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.7], np.float32)
    model = GaussianMixture((weights / weights.sum()).tolist(), [[0.0]] * 6, [[[1.0]]] * 6)
    assert model.weights.sum() == pytest.approx(1.0, abs=1e-15)
    uneven = np.array([[1.0, 0.3], [0.3000001, 1.0]], np.float32)
    covariance = GaussianMixture([1.0], [[0.0, 0.0]], [uneven]).covariances[0]
    assert covariance[0, 1] == covariance[1, 0] == pytest.approx(0.3, abs=1e-6)


HIDDEN: Any = np.ma.array([[0.0], [999.0]], mask=[[False], [True]])


@pytest.mark.parametrize(
    ("ask", "name"),
    [
        (lambda: PAIR.log_prob(HIDDEN), "points"),
        (lambda: PAIR.responsibilities(HIDDEN), "points"),
        (lambda: GaussianMixture(np.ma.array([0.5, 0.5], mask=[0, 1]), [[0.0], [1.0]], UNIT), "weights"),
        (lambda: BY_LOG_WEIGHTS(np.ma.array([0.0, 0.0], mask=[0, 1])), "log_weights"),
        (lambda: GaussianMixture([0.5, 0.5], HIDDEN, UNIT), "means"),
    ],
)
def test_masked_numbers_are_refused(ask: Callable[[], Any], name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} hold 1 masked values of 2: leave them out"):
        ask()


def test_log_weights_are_normalised() -> None:
    model = GaussianMixture.from_log_weights([1000.0, 1000.0 + math.log(3)], [[0.0], [1.0]], UNIT)
    np.testing.assert_allclose(model.weights, [0.25, 0.75], rtol=1e-12)


@pytest.mark.parametrize(
    ("ask", "said"),
    [
        *((partial(PAIR.tempered, b), f"beta is {b}: .*try 1") for b in (-1, -1e-9, -math.inf, math.nan)),
        *((partial(PAIR.sample, n, np.random.default_rng(0)), f"n is {n}: ") for n in (0, -2)),
        *(
            (partial(PAIR.sample, 3, rng), rf"rng is {re.escape(repr(rng))}: .*default_rng\(seed\)")
            for rng in (None, 3, np.random.RandomState(0))
        ),
        *(
            (partial(PAIR.log_prob, x), rf"points have shape {shape}: give \(N, 1\).*reshape\(-1, 1\)")
            for x, shape in (([0.0, 1.0], r"\(2,\)"), (0.0, r"\(\)"), ([[0.0, 1.0]], r"\(1, 2\)"))
        ),
        *(
            (partial(BY_LOG_WEIGHTS, logs), f"log_weights is {re.escape(repr(logs))}")
            for logs in ([], [math.nan, 0.0], [-math.inf, -math.inf], [math.inf, 0.0], [[0.0]])
        ),
        (partial(PAIR.expected_log_prob, random_mixture(np.random.default_rng(0), 1, 2)), "dimensions are 1 and 2: "),
    ],
    ids=count(),
)
def test_what_no_mixture_can_do(ask: Callable[[], Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        ask()
