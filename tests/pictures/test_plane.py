"""The static plane: bounds, a path whose every position can be seen, and names that keep off all of it."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from matplotlib.axes import Axes
from support.fake_sweep import fake_sweep
from support.pictures import assert_tidy, said

from kdlab.pictures.figure import Picture
from kdlab.pictures.limits import ROOMY, plane_limits
from kdlab.pictures.plane import Labels, draw_bounds, draw_path, frame, stretches

HIGHEST = "precision ≤ max log p*"


def plane(recall: tuple[float, float], precision: tuple[float, float]) -> Axes:
    axes = Picture(9, 5).add_axes((0.1, 0.15, 0.85, 0.75))
    return frame(axes, recall, precision)


def test_a_path_has_gaps_and_what_has_no_length_is_a_mark() -> None:
    """Position 3 stands alone, and 20 to 22 in one place."""
    sweep, positions = fake_sweep(), np.arange(121)
    same = np.where((positions > 20) & (positions < 23), 20, positions)
    breaks = np.isin(positions, (3, 4, 20, 23))
    sweep = replace(sweep, recall=sweep.recall[same], precision=sweep.precision[same], switched=breaks)
    assert [(run.start, run.stop) for run in stretches(sweep, 22)] == [(0, 3), (3, 4), (4, 20), (20, 22)]
    axes = plane(*plane_limits(sweep, ROOMY))
    draw_path(axes, sweep, linewidth=2.0, alpha=0.3)
    marks = [line for line in axes.lines if line.get_marker() == "o"]
    assert [tuple(line.get_xydata()[0]) for line in marks] == [(sweep.recall[i], sweep.precision[i]) for i in (3, 20)]
    assert all(line.get_markersize() > 4 and line.get_alpha() == 0.3 for line in marks)
    assert [len(line.get_xdata()) for line in axes.lines] == [3, 1, 16, 1, 98]


@pytest.mark.parametrize(
    ("bounds", "written"),
    [
        ((-1.0, -2.0), {"recall ≤ −H(p*)", HIGHEST}),
        ((1.5, 2.5), {"recall ≤ −H(p*) = 1.50, beyond this edge →", f"{HIGHEST} = 2.50, above this edge ↑"}),
        ((None, None), set()),
    ],
)
def test_a_bound_is_named_on_its_line_or_at_the_edge(bounds: Any, written: set[str]) -> None:
    axes = plane((-3, 0), (-4, 0))
    draw_bounds(axes, *bounds)
    assert written == {text for text in said(axes.figure) if "≤" in text}
    assert len(axes.lines) == (2 if bounds == (-1.0, -2.0) else 0)
    assert_tidy(axes.figure)


@pytest.mark.parametrize("seed", range(5))
def test_names_keep_off_dots_lines_and_each_other(seed: int) -> None:
    axes = plane((0, 1), (0, 1))
    draw_bounds(axes, 0.95, 0.95)
    labels, places = Labels(axes), np.random.default_rng(seed).uniform(0.1, 0.9, (6, 2))
    labels.keep_off([0, 1], [0.05, 0.05])
    for place in places:
        labels.dot(*place, "distilled", 7)
    names = [labels.add(f"name {i}", tuple(place), "#222222", 9, toward=90.0) for i, place in enumerate(places)]
    assert_tidy(axes.figure)
    dots = axes.transData.transform(places)
    for name, own in zip(names, dots, strict=True):
        box = name.get_window_extent()
        away = np.hypot(*np.maximum(np.maximum(box.min - dots, dots - box.max), 0).T)
        assert away.min() > 3 and away.min() >= np.hypot(*np.maximum(np.maximum(box.min - own, own - box.max), 0)) - 2
        assert box.y0 > axes.transData.transform((0, 0.05))[1]


def test_the_check_for_tidiness_can_fail() -> None:
    over, cut = Picture(3, 2), Picture(3, 2)
    over.text(0.2, 0.5, "one name")
    over.text(0.25, 0.5, "another")
    cut.text(0.9, 0.5, "far too long for this paper")
    for made, trouble in ((over, "over"), (cut, "cut off")):
        with pytest.raises(AssertionError, match=trouble):
            assert_tidy(made)
