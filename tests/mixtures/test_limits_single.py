"""The bell's panels: the axis of recall stretches near its bound, and both panels hold what a bell can be."""

from __future__ import annotations

import math

import numpy as np
import pytest

from kdlab.mixtures import limits_single as limits_hand
from kdlab.mixtures import single as bells
from kdlab.mixtures import view_single as hand
from kdlab.mixtures.scenes import make_scene


@pytest.mark.parametrize("bound", [-1.85, -2.3])
def test_the_stretched_axis(bound: float) -> None:
    """Increasing, zero at the bound, its own inverse's inverse; every mark is on it, in order, clear of the bound."""
    recalls = bound - np.array([30.0, 10.0, 0.6, 0.3, 0.0, -0.1])
    places = limits_hand.bend(recalls, bound)
    assert np.all(np.diff(places) > 0) and places[4] == 0
    assert places[3] == pytest.approx(-math.log(2), abs=1e-12)  # STRETCH below the bound
    assert limits_hand.unbend(places, bound) == pytest.approx(recalls, abs=1e-12)
    marks = limits_hand.recall_marks(bound)
    assert list(marks) == sorted(marks) and len(marks) >= 5
    assert bound - 30 <= marks[0] and marks[-1] <= bound - 0.1


@pytest.mark.parametrize("scene", hand.LINES)
def test_both_panels_hold_p_star_and_what_is_worth_seeing(scene: str) -> None:
    truth = make_scene(scene).truth
    (x0, x1), (y0, y1) = limits_hand.space_limits(truth)
    assert x0 == -x1 and x0 <= truth.means.min() - 3 * 0.3 and truth.means.max() + 3 * 0.3 <= x1
    assert y0 == 0 and np.exp(truth.log_prob(np.linspace(x0, x1, 2001)[:, None])).max() < y1
    at = bells.measure(truth, 0.0, 1.0)
    (r0, r1), (p0, p1) = limits_hand.plane_limits(at)
    assert (r0, p0) == (at.recall_bound - 30, at.precision_bound - 7)
    # The room beyond the bound is 9 % of the stretched axis on its left, as on the page.
    below, above = limits_hand.bend([r0, r1], at.recall_bound)
    assert above == pytest.approx(-0.09 * below, abs=1e-12)
    assert p1 == pytest.approx(at.precision_bound + 0.63, abs=1e-12)
