"""Limits of the plane hold all of a sweep, with room around it."""

import pytest
from support.fake_sweep import fake_sweep

from kdlab.pictures.limits import CLOSE, ROOMY, Margins, plane_limits, with_margin


@pytest.mark.parametrize("margins", [CLOSE, ROOMY])
def test_the_plane_holds_everything_that_is_drawn(margins: Margins) -> None:
    sweep = fake_sweep()
    recall, precision = plane_limits(sweep, margins)
    for (low, high), values in (
        (recall, [*sweep.recall, sweep.direct_recall, sweep.recall_bound]),
        (precision, [*sweep.precision, sweep.direct_precision, sweep.precision_bound]),
    ):
        assert low < min(values) and max(values) < high
        assert max(values) - min(values) > 0.8 * (high - low)


@pytest.mark.parametrize(("values", "limits"), [([-2.0, 0.0], (-2.5, 1.0)), ([3.0, 3.1], (2.875, 3.35))])
def test_a_margin_is_a_share_of_the_length_or_of_half_a_nat(values: list[float], limits: tuple[float, float]) -> None:
    assert with_margin(values, (0.25, 0.5)) == pytest.approx(limits, abs=1e-12)
