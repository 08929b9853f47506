"""The live picture of a sweep, whatever its world: every position of its path can be seen, and only numbers are sent.

How it answers other settings, and what happens where something breaks, is tried in tests/mixtures/test_view.py.
"""

import io
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser
from support.fake_sweep import fake_sweep
from support.pages import box_of, open_view, opened

from kdlab.mixtures.view import show
from kdlab.pictures.sweep_view import require_finite

SCRIPTS = ("pictures/plane.js", "pictures/sweep_view.js", "mixtures/view.js")


@pytest.mark.parametrize("bad", [float("nan"), float("-inf")])
def test_a_number_that_is_none_is_not_sent(bad: float) -> None:
    require_finite({"beta": [1.0, 2], "names": [["x"], None]}, "line")
    with pytest.raises(ValueError, match=f"The sweep line, plane, recall holds {bad}: every number must be finite"):
        require_finite({"plane": {"recall": [[0.0, bad]]}}, "line")


@pytest.mark.browser
@pytest.mark.parametrize("gaps", [(110, 111), (110, 120)])
def test_a_stretch_of_no_length_is_a_mark_on_the_page(browser: Browser, address: str, gaps: tuple[int, int]) -> None:
    """Position 110 alone, or ten positions in one place: far from the rest, and as large as a mark is, 4 svg units."""
    sweep, positions = fake_sweep(), np.arange(121)
    there = (positions >= gaps[0]) & (positions < gaps[1])
    sweep = replace(
        sweep,
        recall=np.where(there, -20.0, sweep.recall),
        precision=np.where(there, -6.0, sweep.precision),
        switched=np.isin(positions, gaps),
    )
    with opened(browser, address, device_scale_factor=4) as page:
        open_view(page, show(sweep))
        assert page.evaluate("model.get('page_errors')") == []
        box = box_of(page, ".kdlab-plane")
        unit = box["width"] / 440
        x, y = (_at(sweep, name, place) for name, place in (("recall", -20.0), ("precision", -6.0)))
        clip = {"x": box["x"] + (x - 6) * unit, "y": box["y"] + (y - 6) * unit, "width": 12 * unit, "height": 12 * unit}
        seen = np.asarray(Image.open(io.BytesIO(page.screenshot(clip=clip))).convert("RGB"), int)
    inked = (seen[..., 0] - seen[..., 2] > 40).sum() / (4 * unit) ** 2  # square svg units of orange
    assert inked == pytest.approx(np.pi * 2.0**2, rel=0.15)


def _at(sweep: Any, name: str, value: float) -> float:
    """Where the plane of the page has a value, svg units."""
    low, high = show(sweep).sweep["plane"][name]
    share = (value - low) / (high - low)
    return 58 + share * (428 - 58) if name == "recall" else 348 - share * (348 - 12)
