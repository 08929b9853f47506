"""Conditions and gradients: moments by hand, defects by sampling, slopes by differences; the claim and its controls."""

import math
from typing import Any

import numpy as np
import pytest

from kdlab.core.metrics import precision, recall
from kdlab.mixtures.model import GaussianMixture
from kdlab.neighbours.mixture_gradient import (
    CLASSES,
    FEATURES,
    ONE_FEATURE,
    WIDTH,
    asked_apart,
    conditional,
    corners,
    defects,
    learned,
    slopes,
    sweep,
)

TRUTH = corners()
OWN = precision(TRUTH, TRUTH).value


def numbers(student: GaussianMixture) -> tuple[float, float, float]:
    return precision(student, TRUTH).value, recall(student, TRUTH).value, defects(student, TRUTH)


def test_a_class_of_one_gaussian_has_its_moments() -> None:
    """By hand: the corners -1, -1 and 1, 1 with shares .6 and .4."""
    student = conditional(TRUTH, CLASSES)
    np.testing.assert_allclose(student.weights, [0.5, 0.5], atol=1e-12)
    np.testing.assert_allclose(student.means, [[-0.2, -0.2], [-0.2, 0.2]], atol=1e-12)
    between = 4 * 0.6 * 0.4
    expected = [[between + WIDTH**2, between], [between, between + WIDTH**2]]
    np.testing.assert_allclose(student.covariances[0], expected, atol=1e-12)


@pytest.mark.parametrize("parts", [CLASSES, ONE_FEATURE, FEATURES])
def test_defects_are_those_of_samples(parts: Any) -> None:
    """A false alarm at 4 standard errors: once in 16,000 seeds; the grid may err by 1e-3."""
    student, n = conditional(TRUTH, parts), 40_000
    share = float((TRUTH.log_prob(student.sample(n, np.random.default_rng(2))) < -7.0).mean())
    found = defects(student, TRUTH)
    assert abs(found - share) < 4 * math.sqrt(found * (1 - found) / n) + 1e-3


def test_features_have_fewer_defects_than_classes() -> None:
    """The claim, and the control that explains it: classes with room for their modes do as well."""
    by_class, by_feature = numbers(conditional(TRUTH, CLASSES)), numbers(conditional(TRUTH, FEATURES))
    assert by_class[2] > 0.5 and by_feature[2] < 0.0011
    assert by_feature[:2] == pytest.approx((OWN, OWN), abs=1e-6)
    assert numbers(conditional(TRUTH, CLASSES, 2)) == pytest.approx(by_feature, abs=1e-5)
    assert 0.3 < numbers(conditional(TRUTH, ONE_FEATURE))[2] < 0.32


def test_learned_from_points_the_control_is_as_good() -> None:
    """Same points, four Gaussians either way: two for each class find the modes that features name."""
    found: list[list[float]] = [[], []]
    for seed in range(8):
        for which, (parts, k) in enumerate(((FEATURES, 1), (CLASSES, 2))):
            student = learned(TRUTH, parts, 40, np.random.default_rng(seed), k)
            found[which].append(recall(student, TRUTH).value)
    np.testing.assert_allclose(found[0], found[1], atol=1e-3)
    assert np.mean(found[0]) == pytest.approx(OWN, abs=0.8)


def test_pairs_that_do_not_exist_are_defects() -> None:
    lacking = corners((0.4, 0.3, 0.3, 0.0))
    together, apart = conditional(lacking, ((0,), (1,), (2,))), asked_apart(lacking)
    assert apart.weights == pytest.approx([0.49, 0.21, 0.21, 0.09])
    assert defects(together, lacking) < 0.0011
    assert defects(apart, lacking) == pytest.approx(0.09, abs=0.002)
    np.testing.assert_allclose(asked_apart(TRUTH).weights, TRUTH.weights, atol=1e-12)  # shares that are products


def test_a_selective_teacher_buys_the_same_with_recall() -> None:
    found = sweep()
    assert (np.diff(found.precision) > 0).all() and (np.diff(found.recall) < 0).all()
    assert (np.diff(found.curves["defects"]) < 0).all() and found.curves["defects"][-1] < 0.3
    assert found.recall[-1] < found.recall[0] - 15 and found.recall[0] < found.recall_bound
    assert found.sentence(0).endswith("defects 51 %.") and found.others[0].precision == pytest.approx(OWN, abs=1e-6)


def divergences(gap: float, width: float) -> tuple[float, float]:
    """KL and Jensen-Shannon by a sum over a fine grid, written out."""
    x, step = np.linspace(-12 * width, gap + 12 * width, 60_001, retstep=True)
    log_p, log_q = (-0.5 * ((x - at) / width) ** 2 - math.log(width * math.sqrt(2 * math.pi)) for at in (0.0, gap))
    log_m = np.logaddexp(log_p, log_q) - math.log(2)
    kl = float((np.exp(log_q) * (log_q - log_p)).sum() * step)
    js = 0.5 * float((np.exp(log_p) * (log_p - log_m) + np.exp(log_q) * (log_q - log_m)).sum() * step)
    return kl, js


@pytest.mark.parametrize("gap", [0.05, 0.1, 0.3])
def test_slopes_are_differences_of_divergences(gap: float) -> None:
    width, h = 0.05, 1e-4
    found = slopes([gap], width, 0.3)
    (kl_up, js_up), (kl_down, js_down) = (divergences(gap + sign * h, width) for sign in (1, -1))
    assert found.kl[0] == pytest.approx((kl_up - kl_down) / (2 * h), rel=1e-4)
    assert found.jensen_shannon[0] == pytest.approx((js_up - js_down) / (2 * h), rel=1e-3, abs=1e-6)
    wide = math.hypot(width, 0.3)
    densities = [math.exp(-0.5 * (at / wide) ** 2) / (wide * math.sqrt(2 * math.pi)) for at in (gap + h, gap - h)]
    assert found.at_student[0] == pytest.approx(-(densities[0] - densities[1]) / (2 * h), rel=1e-4)


def test_a_local_slope_does_not_reach_across_a_wide_gap() -> None:
    found = slopes([0.5, 4.0], 0.02, 0.3)
    np.testing.assert_allclose(found.kl, [1250, 10_000])
    assert found.jensen_shannon[1] < 1e-12 and found.at_student[1] < 1e-12


def test_equal_widths_show_no_trade() -> None:
    """A shift costs precision and recall alike."""
    away = GaussianMixture([1.0], [[0.7]], [[[0.04]]])
    here = GaussianMixture([1.0], [[0.0]], [[[0.04]]])
    assert precision(away, here).value == pytest.approx(recall(away, here).value)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: conditional(TRUTH, ((0, 1), (1, 2, 3))), "parts are .*: give"),
        (lambda: conditional(TRUTH, ((0, 1, 2, 3), ())), "parts are .*: give"),
        (lambda: learned(TRUTH, CLASSES, 8, np.random.default_rng(0)), "n is 8: .* ask for 3"),
        (lambda: slopes([0.0], 0.1, 0.1), "gaps .*: give numbers above 0"),
        (lambda: corners((0.5, 0.5, 0.5, 0.5)), "sum to 2"),
    ],
)
def test_bad_input_is_refused(call: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        call()
