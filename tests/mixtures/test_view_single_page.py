"""The bell by hand, the page's side: pointer and keys, and the same numbers and words as Python's."""

import math
import re
from itertools import product
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Page, expect
from scipy import stats
from support.pages import box_of, get, open_view, put, reload, settle, size_of

from kdlab.core.format import deviation, short
from kdlab.mixtures import view_single
from kdlab.mixtures.scenes import make_scene
from kdlab.mixtures.single import Measured, measure

pytestmark = pytest.mark.browser

SCRIPTS = ("mixtures/measure.js", "mixtures/view_single.js")
QUESTION = {"question": "Both?", "options": ["yes", "no"], "outcome": "No."}
EXACT = 1e-6  # nats


def open_bell(page: Page, scene: str = "line", **other: Any) -> dict[str, Any]:
    return dict(open_view(page, view_single.by_hand(scene), **other)["world"])


def place(page: Page) -> dict[str, float]:
    root = page.locator(".kdlab-view")
    return {name: float(root.get_attribute(f"data-{name}") or "nan") for name in ("centre", "width")}


def grip_at(page: Page) -> tuple[float, float]:
    """Where the handle is, in pixels of the page."""
    settle(page)
    box = box_of(page, ".kdlab-hand-grip circle")
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def unit_of(page: Page) -> float:
    """Pixels in one svg unit."""
    return box_of(page, ".kdlab-space")["width"] / 440


def assert_bell(page: Page, world: dict[str, Any]) -> None:
    """Assert that bell, handle and sliders are where the page says that the hand is."""
    settle(page)
    at = place(page)
    low, high = world["space"]["x"]
    x = 12 + (at["centre"] - low) / (high - low) * 416
    grip = page.locator(".kdlab-hand-grip").get_attribute("transform") or ""
    assert float(re.findall(r"[\d.]+", grip)[0]) == pytest.approx(x, abs=0.06)
    span = [float(n) for n in re.findall(r"-?[\d.]+", page.locator(".kdlab-hand-span").get_attribute("d") or "")]
    assert (span[0] + span[2]) / 2 == pytest.approx(x, abs=0.06)
    assert (span[2] - span[0]) / 2 == pytest.approx(at["width"] / (high - low) * 416, abs=0.06)
    centre, width = page.locator(".kdlab-hand-centre"), page.locator(".kdlab-hand-width")
    assert float(centre.input_value()) == at["centre"]
    assert world["widths"][int(width.input_value())] == pytest.approx(at["width"], rel=0.05)  # or the nearest to it
    assert centre.get_attribute("aria-valuetext") == f"centre {short(at['centre'])}"
    assert width.get_attribute("aria-valuetext") == f"width {deviation(at['width'])}"


def assert_worth(page: Page, scene: str = "line") -> Measured:
    """Assert that dot, numbers and sentence are what `measure` says of the bell on the screen; return that."""
    settle(page)
    right, world = measure(make_scene(scene).truth, **place(page)), get(page, "world")
    dot = page.locator(".kdlab-student-dot")
    for name in ("precision", "recall"):
        said = float(dot.get_attribute(f"data-{name}") or "")
        assert said == pytest.approx(getattr(right, name), abs=EXACT, rel=1e-11)
    at = re.findall(r"-?[\d.]+", dot.get_attribute("transform") or "")
    # Recall by the logarithm of what it misses, 0.3 nats at a time; 30 nats are shown.
    missed = right.recall_bound - right.recall
    share = math.log((0.3 + missed) / 0.3) / math.log(30.3 / 0.3)  # 0 at the bound, 1 at the left edge
    bound = 428 - 370 * 0.09 / 1.09  # 9 % of what is below the bound is room beyond it
    assert float(at[0]) == pytest.approx(max(bound - share * (bound - 58), 58), abs=0.06)
    low, high = world["plane"]["precision"]
    assert float(at[1]) == pytest.approx(min(348 - 336 * (right.precision - low) / (high - low), 348), abs=0.06)
    assert page.locator(".kdlab-sentence").inner_text() == right.sentence
    words = f"precision {short(right.precision)}   recall {short(right.recall)}"
    assert page.locator(".kdlab-numbers").inner_text() == words
    return right


@pytest.mark.parametrize("scene", view_single.LINES)
def test_the_page_says_what_python_says(page: Page, scene: str) -> None:
    """250 random bells and the corners: numbers to 1e-6 nats (recall goes down to -1e6), and every word."""
    open_bell(page, scene)
    rng, (low, high) = np.random.default_rng(7), view_single.by_hand(scene).world["space"]["x"]
    widths = np.exp(rng.uniform(math.log(view_single.NARROWEST), math.log(view_single.WIDEST), 250))
    bells = [(round(rng.uniform(low, high), 2), float(deviation(width))) for width in widths]
    bells += product((low, -2.0, high), (view_single.NARROWEST, 0.0999, 0.125, 1.0, view_single.WIDEST))
    shown = page.evaluate(
        """(bells) => bells.map(([centre, width]) => {
          model.set("hand", { centre, width });
          const { precision, recall } = document.querySelector(".kdlab-student-dot").dataset;
          const texts = [...document.querySelectorAll(".kdlab-sentence, .kdlab-numbers")].map((one) => one.textContent);
          return [Number(precision), Number(recall), ...texts];
        })""",
        bells,
    )
    assert len(shown) == 265
    truth = make_scene(scene).truth
    for (centre, width), (precision, recall, numbers, sentence) in zip(bells, shown, strict=True):
        right = measure(truth, centre, width)
        assert precision == pytest.approx(right.precision, abs=EXACT)
        assert recall == pytest.approx(right.recall, abs=EXACT, rel=1e-11)
        assert sentence == right.sentence
        assert numbers == f"precision {short(right.precision)}   recall {short(right.recall)}"


@pytest.mark.parametrize(("name", "said"), [("centre", ""), ("width", ", its standard deviation")])
def test_real_keys_walk_a_slider_from_end_to_end(page: Page, name: str, said: str) -> None:
    world = open_bell(page)
    page.get_by_role("slider", name=f"{name} of your student{said}").focus()
    page.keyboard.press("Home")
    seen = []
    ends = world["space"]["x"] if name == "centre" else [world["widths"][0], world["widths"][-1]]
    for key in ("Home", "ArrowRight", "ArrowUp", "PageUp", "ArrowLeft", "End"):
        page.keyboard.press(key)
        assert_bell(page, world)
        seen.append(place(page)[name])
    assert (seen[0], seen[-1]) == tuple(ends)
    assert seen[0] < seen[1] < seen[2] < seen[3] > seen[4] < seen[5]
    assert_worth(page)
    assert get(page, "page_errors") == []


def test_a_pointer_drags_the_bell(page: Page) -> None:
    """Wherever the peak fits into the picture the handle stays under the pointer; sideways always."""
    world = open_bell(page)
    unit = unit_of(page)
    x, y = grip_at(page)
    page.mouse.move(x, y)
    page.mouse.down()
    seen = {}
    for down in (20, 40, 60, 80, 1, -50, -120, -180, 30):
        page.mouse.move(x - 2 * 41.6 * unit, y + down, steps=4)
        assert_bell(page, world)
        at = grip_at(page)
        assert at[1] == pytest.approx(y + down, abs=2)  # rounding the width to what is said of it moves it by less
        assert at[0] == pytest.approx(x - 2 * 41.6 * unit, abs=1.1 * unit)  # the slider's step is 2 units
        assert place(page)["centre"] == pytest.approx(-2.0, abs=0.026)  # 41.6 units are one unit of place
        seen[down] = place(page)["width"]
    assert [width for _, width in sorted(seen.items())] == sorted(seen.values())  # down is wider, always
    page.mouse.up()
    page.mouse.move(x, y, steps=3)  # let go: it stays
    assert_bell(page, world)
    assert place(page) == {"centre": pytest.approx(-2.0, abs=0.026), "width": seen[30]}
    assert get(page, "page_errors") == []


def test_above_the_picture_a_drag_goes_on_to_a_spike(page: Page) -> None:
    """One rule meets the other at the top: up is narrower, nothing jumps, the way back is the same."""
    world = open_bell(page)
    unit, edge = unit_of(page), box_of(page, ".kdlab-space")["y"]
    top = 1 / (336 / world["space"]["y"][1])  # of density, per svg unit
    x, y = grip_at(page)
    page.mouse.move(x, y)
    page.mouse.down()
    ups = list(range(0, 400, 10))
    widths = {}
    for up in [*ups, *reversed(ups)]:
        page.mouse.move(x, y - up)
        assert -5 < grip_at(page)[1] - edge
        width = place(page)["width"]
        assert widths.setdefault(up, width) == width
    page.mouse.up()
    found = [widths[up] for up in ups]
    assert found[0] == 1.0 and found[-1] == world["widths"][0]
    for before, after in zip(found, found[1:], strict=False):
        assert after < before or after == world["widths"][0]
        # 10 px are 10 / unit svg units: a factor of 10 takes 70 of them above the top, and below it many more
        assert after > before * 10 ** (-10 / unit / 70) - 0.006
    inside = [width for width in found if stats.norm.pdf(0, 0, width) < world["space"]["y"][1]]
    assert 0.42 < inside[-1] < 0.46 and len(inside) > 15
    for up, width in zip(ups, inside, strict=False):
        assert stats.norm.pdf(0, 0, width) == pytest.approx(stats.norm.pdf(0) + up / unit * top, abs=2 / unit * top)


def test_the_curve_itself_can_be_dragged(page: Page) -> None:
    world, unit = open_bell(page), unit_of(page)
    x, y = grip_at(page)[0], box_of(page, ".kdlab-space")["y"] + 320 * unit  # far from its handle
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 41.6 * unit, y, steps=5)
    page.mouse.up()
    assert_bell(page, world)
    assert place(page) == {"centre": pytest.approx(1.0, abs=0.051), "width": 1.0}


def test_a_finger_drags_the_bell(page: Page) -> None:
    world, (x, y) = open_bell(page), grip_at(page)
    client = page.context.new_cdp_session(page)
    client.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [{"x": x, "y": y}]})
    for step in range(1, 9):
        point = {"x": x - 10 * step, "y": y + 10 * step}
        client.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": [point]})
    client.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    assert_bell(page, world)
    assert place(page)["centre"] < -1.0 and place(page)["width"] > 2.0
    assert page.evaluate("scrollY") == 0


def test_bell_and_numbers_need_no_kernel(page: Page) -> None:
    """With a model that cannot be saved, as when the connection is gone, all is drawn and no error is shown."""
    world = open_bell(page)
    page.evaluate("window.broken = true")
    page.locator(".kdlab-hand-centre").focus()
    for _ in range(4):
        page.keyboard.press("ArrowLeft")
        assert_bell(page, world)
    assert assert_worth(page).centre == pytest.approx(-0.2)
    page.wait_for_function("model.saved > 0")  # Python would be told now
    assert_worth(page)
    expect(page.locator(".kdlab-error")).to_be_hidden()


def test_python_hears_of_the_hand_when_it_rests_and_its_echo_moves_nothing(page: Page) -> None:
    open_bell(page)
    # Ten moves in one task of the page: however slow the machine, the slider cannot have rested between them.
    told = page.evaluate("""() => {
      const slider = document.querySelector(".kdlab-hand-centre");
      for (let step = 1; step <= 10; step += 1) {
        slider.value = step * 0.05;
        slider.dispatchEvent(new Event("input"));
      }
      model.set("hand", { centre: 0.05, width: 1 }); // JupyterLab sends a trait back to the page that set it
      return model.saved;
    }""")
    assert told == 0
    page.wait_for_function("model.saved > 0")
    assert get(page, "hand") == place(page) == {"centre": 0.5, "width": 1.0}
    assert page.evaluate("model.saved") == 1
    assert_worth(page)


def test_the_bests_are_kept_and_reset_forgets_them(page: Page) -> None:
    world = open_bell(page)
    for centre, width in ((-3.0, 0.1), (-1.0, 2.08), (4.0, 5.0)):
        put(page, hand={"centre": centre, "width": width})
    best = {name: page.locator(f".kdlab-best-{name}") for name in ("precision", "recall")}
    truth = make_scene("line").truth
    spike, wide = measure(truth, -3.0, 0.1), measure(truth, -1.0, 2.08)
    assert float(best["precision"].get_attribute("data-value") or "") == pytest.approx(spike.precision, abs=EXACT)
    assert float(best["recall"].get_attribute("data-value") or "") == pytest.approx(wide.recall, abs=EXACT)
    words = page.locator(".kdlab-hand-best-words").all_text_contents()
    assert words == [
        f"your best precision: {spike.below('precision')} below its bound",
        f"your best recall: {wide.below('recall')} below its bound",
    ]
    assert (page.locator(".kdlab-hand-trail").get_attribute("d") or "").count("M") == 4  # the first one, and three more
    page.locator(".kdlab-reset").click()
    assert_bell(page, world)
    assert place(page) == {"centre": 0.0, "width": 1.0}
    opening = assert_worth(page)
    assert (page.locator(".kdlab-hand-trail").get_attribute("d") or "").count("M") == 1
    for name, mark in best.items():
        assert float(mark.get_attribute("data-value") or "") == pytest.approx(getattr(opening, name), abs=EXACT)
    page.wait_for_function("model.saved")  # until the page has told where its hand rests, it hears of no other
    page.evaluate("() => { for (let i = 1; i <= 250; i += 1) model.set('hand', { centre: 0, width: 1 + i / 100 }); }")
    page.wait_for_function("document.querySelector('.kdlab-hand-trail').getAttribute('d').split('M').length === 201")


def test_a_page_that_is_reloaded_knows_the_bests_and_the_opening(page: Page) -> None:
    open_bell(page, prediction={**QUESTION, "guess": "yes"})
    for key, name in (("End", "width"), ("ArrowLeft", "centre"), ("ArrowLeft", "width")):
        page.locator(f".kdlab-hand-{name}").press(key)
        settle(page)
    page.wait_for_function("model.get('hand').width === Number(document.querySelector('.kdlab-view').dataset.width)")
    put(page, seen=True)

    def told() -> list[str]:
        return page.locator(".kdlab-hand-best-words").all_text_contents()

    before, at = told(), place(page)
    reload(page)
    assert (told(), place(page)) == (before, at)
    expect(page.locator(".kdlab-outcome")).to_have_text("You predicted: yes. What happens: No.")
    page.locator(".kdlab-reset").click()
    settle(page)
    assert place(page) == {"centre": 0.0, "width": 1.0}
    assert told() != before


def test_what_is_beyond_the_plane_is_an_arrow_on_its_edge(page: Page) -> None:
    world = open_bell(page)
    dot = page.locator(".kdlab-student-dot")
    beyond = [(-3.0, 0.005, 0, 58, None), (-1.0, 5.0, -90, None, 348), (5.0, 0.1, -45, 58, 348)]
    for centre, width, turned, x, y in beyond:
        put(page, hand={"centre": centre, "width": width})
        at = [float(n) for n in re.findall(r"-?[\d.]+", dot.get_attribute("transform") or "")]
        assert at[2] == turned
        assert x is None or at[0] == x
        assert y is None or at[1] == y
        assert_bell(page, world)
        assert_worth(page)  # the words keep the exact numbers
    ends = page.evaluate("""() => [...document.querySelectorAll(".kdlab-hand-best-words")].map((text) => {
      const { x, width } = text.getBBox();
      return [text.textContent, x + width];
    })""")
    assert "less than 0.001" in ends[0][0]  # the longest: it ends before the bound of recall
    assert all(end < 428 - 370 * 0.09 / 1.09 - 2 for _, end in ends)


@pytest.mark.parametrize(("centre", "width"), [(-3.0, 0.005), (5.0, 0.1), (-1.0, 2.08), (-3.0, 0.45)])
def test_triangles_stay_within_the_bounds_and_clear_of_an_arrow(page: Page, centre: float, width: float) -> None:
    world = open_bell(page)
    put(page, hand={"centre": centre, "width": width})
    shapes = page.evaluate("""() => ["best-precision", "best-recall", "student-dot"].map((name) => {
      const box = document.querySelector(`.kdlab-plane .kdlab-${name}`).getBoundingClientRect();
      return { left: box.left, right: box.right, top: box.top, bottom: box.bottom };
    })""")
    panel, unit = box_of(page, ".kdlab-plane"), unit_of(page)
    low, high = world["plane"]["precision"]
    ceiling = panel["y"] + (348 - 336 * (world["bounds"]["precision"] - low) / (high - low)) * unit
    limit = panel["x"] + (428 - 370 * 0.09 / 1.09) * unit
    dot, arrow = shapes.pop(), page.locator(".kdlab-student-dot").get_attribute("d") or ""
    for mark in shapes:
        assert mark["top"] >= ceiling - 1 and mark["right"] <= limit + 1  # 1 px: half a stroke
        across = mark["left"] >= dot["right"] or mark["right"] <= dot["left"]
        apart = across or mark["bottom"] <= dot["top"] or mark["top"] >= dot["bottom"]
        assert apart or "a8 8" in arrow  # a dot may hold its triangle, an arrow is not hidden


def test_the_line_across_the_bell_has_its_name(page: Page) -> None:
    open_bell(page)
    name = page.locator(".kdlab-hand-span-name")
    for centre, width, shown in ((0.0, 1.0, True), (4.5, 1.0, True), (0.0, 5.0, True), (0.0, 0.1, False)):
        put(page, hand={"centre": centre, "width": width})
        assert name.is_visible() is shown
        if shown:
            box, panel, line = (box_of(page, f".kdlab-{part}") for part in ("hand-span-name", "space", "hand-span"))
            assert name.text_content() == "± width"
            assert panel["x"] <= box["x"] and box["x"] + box["width"] <= panel["x"] + panel["width"]
            assert abs(box["y"] + box["height"] / 2 - line["y"]) < 20


def test_a_broken_world_is_refused_in_words(page: Page) -> None:
    world = {**view_single.by_hand().world, "widths": [0.1, "nan"]}
    open_bell(page, world=world)
    expect(page.locator(".kdlab-error")).to_contain_text('"nan" in widths.1')
    assert len(get(page, "page_errors")) == 1
    expect(page.locator(".kdlab-hand-centre")).to_be_disabled()


def test_a_prediction_covers_the_picture_until_it_is_made(page: Page) -> None:
    open_bell(page, prediction={**QUESTION, "guess": None})
    for name in (".kdlab-sentence", ".kdlab-numbers", ".kdlab-hand-grip"):
        expect(page.locator(name)).to_be_hidden()
    expect(page.locator(".kdlab-hand-width")).to_be_disabled()
    page.get_by_role("button", name="yes").click()
    assert get(page, "prediction")["guess"] == "yes"
    now = "You predicted: yes. Now come within half a nat of each bound, one after the other, and see."
    expect(page.locator(".kdlab-outcome")).to_have_text(now)
    expect(page.locator(".kdlab-hand-width")).to_be_enabled()
    page.locator(".kdlab-hand-width").focus()
    page.keyboard.press("ArrowLeft")
    settle(page)
    page.wait_for_function("model.saved > 1")  # the hand rests, so that Python may move it
    for centre, width in ((-3.0, 0.45), (-3.0, 0.1), (-1.0, 5.0)):  # near neither bound, near one, near that one only
        put(page, hand={"centre": centre, "width": width})
        expect(page.locator(".kdlab-outcome")).to_have_text(now)
    put(page, hand={"centre": -1.0, "width": 2.05})
    expect(page.locator(".kdlab-outcome")).to_have_text("You predicted: yes. What happens: No.")


@pytest.mark.parametrize("width", [1200, 760, 420, 300])
def test_nothing_is_wider_than_its_place_and_nothing_jumps(page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    open_bell(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    size = size_of(page)
    for centre, wide in ((-3.0, 0.1), (5.0, 0.005), (-1.0, 2.08)):
        put(page, hand={"centre": centre, "width": wide})
        assert size_of(page) == size
        assert page.evaluate("document.documentElement.scrollWidth") <= width
