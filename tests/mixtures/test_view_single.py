"""The bell by hand, Python's side: what is sent, what a notebook may ask, what stands where there is no page."""

import base64
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from support.axe import state_of

from kdlab.core.format import deviation
from kdlab.mixtures import scenes, view_single
from kdlab.mixtures.scenes import make_scene
from kdlab.mixtures.single import measure

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture
def view() -> Iterator[view_single.SingleView]:
    shown = view_single.by_hand()
    yield shown
    shown.close()


def test_lines_are_all_named_scenes_on_a_line() -> None:
    assert set(view_single.LINES) == {name for name, make in scenes.NAMED.items() if make().truth.dim == 1}


@pytest.mark.parametrize("scene", ["ring", "rare", "random", "moon", None, ["line"]])
def test_other_scenes_are_refused_in_words(scene: Any) -> None:
    with pytest.raises(ValueError, match=rf"scene is {re.escape(repr(scene))}: .* choose one of line, falls"):
        view_single.by_hand(scene)


@pytest.mark.parametrize("scene", view_single.LINES)
def test_what_is_sent_is_plain_small_and_fits(scene: str) -> None:
    view = view_single.by_hand(scene)
    sent = state_of(view)
    assert json.loads(json.dumps(sent, allow_nan=False)) == sent
    assert len(json.dumps(sent)) < 10_000
    widths = view.world["widths"]
    assert (widths[0], widths[-1]) == (view_single.NARROWEST, view_single.WIDEST)
    assert all(1 < b / a < 1.11 for a, b in zip(widths, widths[1:], strict=False))
    assert all(float(deviation(width)) == width for width in widths)  # what is said is what is meant
    low, high = view.world["space"]["x"]
    truth = make_scene(scene).truth
    assert low < truth.means.min() - 2 * 0.45 and truth.means.max() + 2 * 0.45 < high
    for name, (start, end) in view.world["plane"].items():
        assert start < getattr(view.measured, name) < view.world["bounds"][name] < end


@pytest.mark.parametrize(("centre", "width"), [(6.0, 1.0), (0.0, 0.004), (0.0, 5.1), (float("nan"), 1.0)])
def test_outside_the_picture_is_an_error(view: view_single.SingleView, centre: float, width: float) -> None:
    with pytest.raises(ValueError, match=r"outside the picture: choose a centre from -5 to 5 and a width from 0.005"):
        view.place(centre, width)
    assert view.hand == {"centre": 0.0, "width": 1.0}


@pytest.mark.parametrize("wrong", [{}, {"centre": 1.0}, {"centre": "x", "width": 1}, {"centre": 0.0, "width": -1.0}])
def test_a_place_that_is_none_is_an_error(view: view_single.SingleView, wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        view.hand = wrong
    assert view.hand == {"centre": 0.0, "width": 1.0}


def test_python_measures_where_the_page_says_the_hand_is(view: view_single.SingleView) -> None:
    view.set_state({"hand": {"centre": -3, "width": 0.1}})  # as a message from the page arrives
    assert view.measured == measure(make_scene("line").truth, -3.0, 0.1)
    assert view.sentence == view.measured.sentence and view.errors == []


def test_the_mimebundle_has_a_picture_and_the_sentence(view: view_single.SingleView) -> None:
    before = view._repr_mimebundle_()[0]["image/png"]
    view.place(-3.0, 0.2)
    data, metadata = view._repr_mimebundle_()
    assert data["application/vnd.jupyter.widget-view+json"]["model_id"] == view.model_id
    assert data["text/plain"] == view.measured.sentence == metadata["image/png"]["alt"]
    assert base64.b64decode(data["image/png"]).startswith(PNG) and len(data["image/png"]) < 80_000
    assert data["image/png"] != before
    assert data["image/png"] == view._repr_mimebundle_()[0]["image/png"]
