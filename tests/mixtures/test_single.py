"""Bells: exact against scipy's quadrature, the frontier against a search by hand, words against their numbers."""

import math
from typing import Any

import numpy as np
import pytest
from scipy import integrate
from support.worlds import log_normal

from kdlab.core.format import deviation, short
from kdlab.core.metrics import Estimate
from kdlab.mixtures import plots_single, view_single
from kdlab.mixtures.model import GaussianMixture
from kdlab.mixtures.scenes import make_scene
from kdlab.mixtures.single import Measured, frontier, measure


def log_densities(truth: GaussianMixture, x: Any) -> Any:
    """Log p* at one place or many, written out."""
    parts = log_normal(np.asarray(x)[..., None], truth.means[:, 0], np.sqrt(truth.covariances[:, 0, 0]))
    return np.logaddexp.reduce(np.log(truth.weights) + parts, axis=-1)


def precision_by_quad(truth: GaussianMixture, centre: float, width: float) -> float:
    """Integrate in the bell's own units, so that a spike is as easy as a wide bell."""

    def integrand(u: float) -> float:
        return math.exp(log_normal(u, 0.0, 1.0)) * log_densities(truth, centre + width * u)

    # The mass beyond 9 sigma is 2e-19; the integrand bends where two bumps are equal, and quad splits there itself.
    return float(integrate.quad(integrand, -9, 9, epsabs=1e-9, epsrel=1e-10, limit=1000)[0])


def recall_by_quad(truth: GaussianMixture, centre: float, width: float) -> float:
    def integrand(x: float) -> float:
        return math.exp(log_densities(truth, x)) * log_normal(x, centre, width)

    low, high = float(truth.means.min()) - 6, float(truth.means.max()) + 6
    return float(integrate.quad(integrand, low, high, epsabs=1e-9, epsrel=1e-11, limit=1000)[0])


@pytest.mark.parametrize("scene", view_single.LINES)
@pytest.mark.parametrize("width", [view_single.NARROWEST, 0.45, view_single.WIDEST])
@pytest.mark.parametrize("centre", [-5.0, -3.0, 0.15])
def test_numbers_are_exact_from_a_spike_to_a_plain(scene: str, centre: float, width: float) -> None:
    truth = make_scene(scene).truth
    found = measure(truth, centre, width)
    assert found.precision == pytest.approx(precision_by_quad(truth, centre, width), abs=1e-6)
    # Recall under a spike is -1e5 nats and more: exact there means to 1e-9 of it.
    assert found.recall == pytest.approx(recall_by_quad(truth, centre, width), abs=1e-6, rel=1e-9)


@pytest.mark.parametrize("scene", view_single.LINES)
def test_bounds_are_exact_and_hold(scene: str) -> None:
    truth = make_scene(scene).truth
    found = measure(truth, 0.0, 1.0)
    grid = np.linspace(-5, 5, 20_001)
    # Half a step beside a maximum of curvature 1 / 0.375^2 costs 2e-7 nats.
    assert found.precision_bound == pytest.approx(log_densities(truth, grid).max(), abs=1e-6)
    by_quad = integrate.quad(lambda x: math.exp(log_densities(truth, x)) * log_densities(truth, x), -9, 9, limit=1000)[
        0
    ]
    assert found.recall_bound == pytest.approx(by_quad, abs=1e-6)
    assert found.precision < found.precision_bound and found.recall < found.recall_bound


@pytest.mark.parametrize(
    ("centre", "width", "said"),
    [
        (-3.0, 0.1, "−1.06 nats (0.025 below its bound), recall −408.74 nats (406.89 below its bound)."),
        (4.95, 0.005, "−11.81 nats (10.78 below its bound), recall −792,096 nats (792,094 below its bound)."),
        (-3.0, 0.005, "−1.04 nats (less than 0.001 below its bound), recall −164,046 nats (164,044 below its bound)."),
    ],
)
def test_the_sentence_says_the_numbers(centre: float, width: float, said: str) -> None:
    found = measure(make_scene("line").truth, centre, width)
    assert found.sentence == f"Centre {short(centre)}, width {deviation(width)}: precision {said}"
    assert short(found.precision) in said and short(found.recall) in said


@pytest.mark.parametrize(
    ("apart", "text"),
    [(0.00049, "less than 0.001"), (0.0006, "0.001"), (0.2886, "0.289"), (0.9994, "0.999"), (0.9996, "1.00")],
)
def test_distances_below_a_bound(apart: float, text: str) -> None:
    found = Measured(0.0, 1.0, precision=-apart, recall=-1.0 - apart, precision_bound=0.0, recall_bound=-1.0)
    assert found.below("precision") == found.below("recall") == text


@pytest.mark.parametrize("width", [0.0, -1.0, math.nan, math.inf])
def test_a_width_that_is_none_is_an_error(width: float) -> None:
    with pytest.raises(ValueError, match=rf"width is {width}: .* above zero"):
        measure(make_scene("line").truth, 0.0, width)


def test_the_frontier_is_what_nothing_beats() -> None:
    truth = make_scene("line").truth
    centres, widths = np.linspace(-4, 1, 6), np.geomspace(0.1, 4, 7)
    found = {(one.centre, one.width) for one in frontier(truth, centres, widths)}
    every = [measure(truth, float(c), float(w)) for c in centres for w in widths]

    def beats(other: Measured, one: Measured) -> bool:
        return other.precision >= one.precision and other.recall >= one.recall and other is not one

    assert found == {(one.centre, one.width) for one in every if not any(beats(other, one) for other in every)}
    assert 3 < len(found) < len(every)


def test_bells_between_the_points_of_the_notebooks_grid_beat_it() -> None:
    """A few hundredths in task 3, nearly a tenth at the first floor, as notebook 01 says."""
    truth = make_scene("line").truth
    # Of the notebook's grid, 51 centres and 41 widths, those that can be the best at either floor.
    notebooks = frontier(truth, np.linspace(-5, 5, 51)[10:31], np.geomspace(0.05, 5, 41)[20:41])
    between = frontier(truth, np.linspace(-1.4, -0.8, 13), np.geomspace(1.1, 2.1, 131))
    for floor, least, most in ((-2.64, 0.03, 0.05), (-2.14, 0.09, 0.1)):
        coarse, fine = (max(one.precision for one in some if one.recall >= floor) for some in (notebooks, between))
        assert least < fine - coarse < most


def test_still_pictures_say_what_they_show() -> None:
    scene = make_scene("line")
    found = measure(scene.truth, -3.0, 0.005)
    made = plots_single.figure(scene, found)
    assert found.sentence in " ".join(" ".join(text.get_text() for text in made.texts).split())
    plane = made.axes[1]
    arrow = plane.lines[-1]
    assert arrow.get_marker() == "<"  # the recall is far beyond the edge: the dot stands on it as an arrow
    assert arrow.get_xdata()[0] == plane.get_xlim()[0] == pytest.approx(found.recall_bound - 30)
    bells_found = frontier(scene.truth, np.linspace(-4, 1, 6), np.geomspace(0.3, 4, 7))
    words = plots_single.frontier(bells_found, bells_found[:1]).words
    assert short(bells_found[0].recall) in words and short(bells_found[0].precision) in words
    all_drawn = [bell for bell in bells_found if bell.recall > bell.recall_bound - 30]
    assert "as far as drawn" not in plots_single.frontier(all_drawn).words
    estimates = plots_single.estimates(-2.0, [Estimate(-2.1, 0.1, 100), Estimate(-2.01, 0.01, 10_000)])
    assert "100 samples, −2.10 ± 0.200; 10,000 samples, −2.01 ± 0.020" in estimates.words


def test_a_frontier_that_goes_on_says_so() -> None:
    truth = make_scene("line").truth
    found = frontier(truth, np.linspace(-4, 1, 6), np.geomspace(0.05, 4, 9))
    assert found[-1].recall < found[-1].recall_bound - 30  # else nothing is left out
    made = plots_single.frontier(found)
    assert "as far as drawn" in made.words
    said = [text for text in made.axes[0].texts if "goes on" in text.get_text()]
    assert [text.get_text() for text in said] == [f"goes on, to precision {short(found[-1].precision)}"]
    assert all(text.xy[0] == made.axes[0].get_xlim()[0] for text in said)


def test_the_still_picture_has_the_live_one_s_axis_and_key() -> None:
    scene = make_scene("line")
    found = measure(scene.truth, -1.0, 2.08)
    made = plots_single.figure(scene, found)
    space, plane = made.axes
    assert [text.get_text() for text in space.texts] == ["p* truth", "p″ your student"]
    dot = plane.lines[-1]
    at = plane.transData.transform((dot.get_xdata()[0], dot.get_ydata()[0]))[0]
    left, right = plane.transAxes.transform([(0, 0), (1, 0)])[:, 0]
    share = math.log((0.3 + found.recall_bound - found.recall) / 0.3) / math.log(30.3 / 0.3)
    assert (at - left) / (right - left) == pytest.approx((1 - share) / 1.09, abs=1e-6)
    assert [text.get_text() for text in plane.get_xticklabels()] == ["−30", "−20", "−10", "−5", "−3", "−2"]
