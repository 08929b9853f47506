"""A world that a reader draws, on a page of its own: real pointers and keys, a worker, and Python as the truth."""

import json
import re
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect
from support.axe import serious
from support.pages import get, open_view, opened, put, settle

from kdlab.core.metrics import precision, recall
from kdlab.mixtures import view_own
from kdlab.mixtures.challenges import CHALLENGES
from kdlab.mixtures.model import GaussianMixture
from kdlab.mixtures.scenes import make_scene
from kdlab.mixtures.view_own import OwnView, draw, mixture_of, world_of

pytestmark = [pytest.mark.browser, pytest.mark.slow]

SCRIPTS = view_own.SCRIPTS
ROOT = ".kdlab-own"
EXACT = f"JSON.parse(document.querySelector('{ROOT}').dataset.world ?? '{{}}').exact"
NUMBER = re.compile(r"−?\d+\.\d+")
PATIENCE = 60_000  # ms: an exact path takes seconds on a busy machine


def at_rest(page: Page) -> dict[str, Any]:
    """Wait for the exact path; return what the page says it shows."""
    settle(page)
    page.wait_for_function(EXACT, timeout=PATIENCE)
    return shown(page)


def read(sentence: str) -> list[float]:
    """The numbers of a sentence, in its order."""
    return [float(number.replace("−", "-")) for number in NUMBER.findall(sentence)]


def shown(page: Page) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(page.locator(ROOT).get_attribute("data-world") or "{}")
    return told


def mixture(told: dict[str, Any]) -> GaussianMixture:
    weights = np.array(told["weights"])
    return GaussianMixture(weights / weights.sum(), told["means"], told["covariances"])


def handle(page: Page, mode: int, kind: str = "centre") -> Any:
    return page.locator(f'.kdlab-own-handle[data-mode="{mode}"][data-kind="{kind}"]:not([hidden])')


def begin(page: Page, scene: str = "line", n: int = 1, **other: Any) -> dict[str, Any]:
    view = draw(scene, n)
    open_view(page, view, **other)
    view.close()
    return at_rest(page)


def centre_of(page: Page, mode: int, kind: str = "centre") -> tuple[float, float]:
    box = handle(page, mode, kind).locator("path").bounding_box()
    assert box is not None
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def pull(page: Page, mode: int, kind: str, by: tuple[float, float], steps: int = 6) -> None:
    x, y = centre_of(page, mode, kind)
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + by[0], y + by[1], steps=steps)
    page.mouse.up()


@pytest.mark.parametrize(("scene", "n"), [("line", 2), ("rare", 1)])
def test_what_the_page_says_is_what_python_says(page: Page, scene: str, n: int) -> None:
    begin(page, scene, n)
    page.locator(".kdlab-beta").fill("60")  # beta = 10
    told = at_rest(page)
    truth, student = mixture(told["truth"]), mixture(told["student"])
    # The promise is 1e-5 nats, of the models that are shown.
    assert told["precision"] == pytest.approx(precision(student, truth).value, abs=1e-5)
    assert told["recall"] == pytest.approx(recall(student, truth).value, abs=1e-5)
    view = OwnView(get(page, "world"))
    said, expected = page.locator(".kdlab-sentence").text_content() or "", view.sweep.sentence(60)
    assert NUMBER.sub("#", said) == NUMBER.sub("#", expected)
    # Two fits end where the likelihood is flat, each a little beside the best: recall feels that to a hundredth.
    assert read(said) == pytest.approx(read(expected), abs=0.02)
    view.close()


def test_a_mode_is_dragged_and_everything_follows(page: Page) -> None:
    before = begin(page, "rare", 2)
    pull(page, 4, "centre", (-60.0, -40.0))
    there = shown(page)  # at once: drawn from the worker's first answer, not the exact one
    after = at_rest(page)
    moved = np.array(after["truth"]["means"]) - np.array(before["truth"]["means"])
    assert moved[4][0] < -0.5 and moved[4][1] > 0.3 and np.allclose(moved[:4], 0)
    assert after["precision"] != before["precision"] and there["truth"] != before["truth"]
    page.wait_for_function("model.saved > 0")
    np.testing.assert_allclose(mixture_of(get(page, "world")["modes"]).means, after["truth"]["means"])


def test_widths_weights_and_tilt_have_handles(page: Page) -> None:
    begin(page, "rare")
    handle(page, 0).focus()
    pull(page, 0, "width", (20.0, 0.0))
    pull(page, 0, "weight", (0.0, 40.0))
    told = at_rest(page)
    truth = make_scene("rare").truth
    assert told["truth"]["covariances"][0][0][0] > 1.3 * truth.covariances[0, 0, 0]
    assert told["truth"]["covariances"][0][0][1] == 0  # a diagonal student's world is not turned by a slip of the hand
    assert told["truth"]["weights"][0] < 0.8 * truth.weights[0]
    page.locator(".kdlab-own-family").select_option("full")
    handle(page, 0).focus()
    pull(page, 0, "width", (0.0, -25.0))
    assert abs(at_rest(page)["truth"]["covariances"][0][0][1]) > 0.01


def test_keys_move_widen_add_and_remove(page: Page) -> None:
    before = begin(page, "line")
    handle(page, 0).focus()
    for key in ("ArrowRight", "Shift+ArrowRight", "+", "n", "Delete", "Tab"):
        page.keyboard.press(key)
        settle(page)
    told = at_rest(page)
    assert told["truth"]["means"][0][0] - before["truth"]["means"][0][0] == pytest.approx(5 / 40 * 1.1)
    assert told["truth"]["covariances"][0][0][0] == pytest.approx(0.2025 * 1.21)
    assert len(told["truth"]["weights"]) == 4
    spoken = handle(page, 0).get_attribute("aria-valuetext") or ""
    assert spoken.startswith("centre −2.86, width 0.") and spoken.endswith("weight 40 %")
    for _ in range(5):
        page.keyboard.press("Control+z")
    assert at_rest(page)["truth"] == before["truth"]
    page.keyboard.press("Control+y")
    assert at_rest(page)["truth"] != before["truth"]


def test_a_double_click_adds_a_mode_where_it_is(page: Page) -> None:
    begin(page, "rare")
    box = page.locator(".kdlab-space").bounding_box()
    assert box is not None
    page.mouse.dblclick(box["x"] + 0.15 * box["width"], box["y"] + 0.8 * box["height"])
    told = at_rest(page)
    assert len(told["truth"]["weights"]) == 6
    x, y = told["truth"]["means"][-1]
    assert x < -2 and y < -2  # left and low, as the pointer was


def test_one_may_start_from_any_scene_or_from_an_empty_page(page: Page) -> None:
    begin(page, "line", 2)
    for name, modes, dim in (("ring", 8, 2), ("empty 2", 1, 2), ("empty 1", 1, 1), ("falls", 3, 1)):
        page.locator(".kdlab-own-start").select_option(name)
        told = at_rest(page)
        assert (len(told["truth"]["weights"]), len(told["truth"]["means"][0])) == (modes, dim)
        assert get(page, "page_errors") == []
    page.get_by_role("button", name="undo").click()
    assert len(at_rest(page)["truth"]["weights"]) == 1
    page.get_by_role("button", name="reset").click()
    assert at_rest(page)["truth"]["means"] == [[-3], [-1], [1], [3]]


def test_what_is_copied_is_shown_where_there_is_no_clipboard(page: Page) -> None:
    begin(page, "falls", 2)
    page.evaluate("() => Object.defineProperty(navigator, 'clipboard', { value: undefined })")
    page.get_by_role("button", name="copy as Python").click()
    copied = page.get_by_label("to be copied")
    assert copied.input_value().endswith('n_components=2, covariance="diag")\nmixtures.show(sweep)')
    page.get_by_role("button", name="copy link").click()
    assert "#1;d=1;r=4;m=-2,0.375,0.4_" in copied.input_value()


def test_what_is_refused_is_explained_where_it_happened(page: Page) -> None:
    begin(page, "falls")
    for _ in range(2):
        handle(page, 0).focus()
        page.keyboard.press("Delete")
    notice = page.locator(".kdlab-own-notice")
    page.keyboard.press("Delete")
    expect(notice).to_have_text("The last mode stays: a mixture has at least one.")
    x, y = centre_of(page, 0)
    pull(page, 0, "centre", (2000.0, 0.0))
    expect(notice).to_contain_text("stays inside the picture")
    for _ in range(14):
        page.keyboard.press("n")
    expect(notice).to_contain_text("There are 12 modes")
    assert len(at_rest(page)["truth"]["weights"]) == 12
    assert get(page, "page_errors") == []


def test_a_teacher_is_fitted_or_edited(page: Page) -> None:
    begin(page, "rare")
    menu = page.locator(".kdlab-own-teacher")
    menu.select_option("fitted 3")
    told = at_rest(page)
    assert len(told["teacher"]["weights"]) == 3
    menu.select_option("edited")
    expect(page.locator(".kdlab-own-swap")).to_have_text("handles: teacher")
    pull(page, 0, "centre", (0.0, -50.0))
    edited = at_rest(page)
    assert edited["truth"] == told["truth"] and edited["teacher"]["means"] != told["teacher"]["means"]
    page.locator(".kdlab-own-swap").click()
    pull(page, 0, "centre", (30.0, 0.0))
    assert at_rest(page)["truth"] != told["truth"]


def test_what_is_said_of_a_path_is_said_of_its_own_world(page: Page) -> None:
    """Modes come and go faster than paths: no challenge may take one world's modes and another one's coverage."""
    begin(page, "rare", 2)
    said = set()
    for name in ("add", "add", "undo", "undo", "add", "remove"):
        page.get_by_role("button", name=name, exact=True).click()
        said |= set(page.locator(".kdlab-own-standing").all_text_contents())
    at_rest(page)
    said |= set(page.locator(".kdlab-own-standing").all_text_contents())
    assert said and not any("NaN" in one or "undefined" in one for one in said)
    assert get(page, "page_errors") == []


def test_challenges_are_checked_as_python_checks_them(page: Page) -> None:
    begin(page, "falls")
    first, last = (getattr(page.locator(".kdlab-own-standing"), of) for of in ("first", "last"))
    expect(first).to_have_text(re.compile("This world was given: now draw one.$"))
    handle(page, 0).focus()
    page.keyboard.press("Shift+ArrowLeft")
    at_rest(page)
    expect(first).to_have_text(re.compile("Done.$"))
    page.wait_for_function("model.saved > 0")
    said = [" ".join((one or "").split()) for one in page.locator(".kdlab-own-standing").all_text_contents()]
    view = draw("falls")
    view.world = get(page, "world")
    assert said == [str(view.check(name)) for name in CHALLENGES]
    view.close()
    page.locator(".kdlab-own-challenges button").click()
    expect(last).to_contain_text("Remembered. Now move its modes")


def test_twins_by_keys(page: Page) -> None:
    """Tab goes from dot to dot; arrows as often on each make a twin, and what is told on the way is of equal betas."""
    begin(page, "line")
    page.locator(".kdlab-own-challenges button").click()
    standing = page.locator(".kdlab-own-standing").last
    handle(page, 0).focus()
    told = []
    for k in range(4):
        expect(handle(page, k)).to_be_focused()
        for _ in range(4):
            page.keyboard.press("ArrowRight")
            told.append(standing.inner_text())
        page.keyboard.press("Tab")  # to the next dot, past the square and the triangle of this one
        if k < 3:
            page.keyboard.press("Tab"), page.keyboard.press("Tab")
    at_rest(page)
    expect(standing).to_have_text(re.compile(r"0\.000 nats; at most .* Done\.$"))
    rough = [float(number) for one in told for number in re.findall(r"≈ ([\d.]+) nats", one)]
    assert all(number < 8 for number in rough), rough


# The address


def test_the_address_holds_the_world(browser: Browser, address: str) -> None:
    view = draw("line")
    with opened(browser, address) as page:
        open_view(page, view, addressed=True)
        at_rest(page)
        handle(page, 1).focus()
        page.keyboard.press("ArrowLeft")
        told = at_rest(page)
        page.wait_for_function("location.hash.length > 10")
        there = page.url
    with opened(browser, there) as page:
        open_view(page, view, addressed=True)
        again = at_rest(page)
        np.testing.assert_allclose(again["truth"]["means"], told["truth"]["means"])
        assert again["precision"] == pytest.approx(told["precision"], abs=1e-3)
    with opened(browser, f"{address}#1;d=9") as page:
        open_view(page, view, addressed=True)
        assert at_rest(page)["truth"]["means"] == [[-3], [-1], [1], [3]]
        expect(page.locator(".kdlab-own-notice")).to_contain_text("The address holds no world that can be shown")
    view.close()


def test_a_teacher_hides_controls_and_locks_the_truth(browser: Browser, address: str) -> None:
    view = draw("line")
    world = "1;d=1;r=4;m=-2,0.4,0.5_2,0.4,0.5;t=t;k=1;f=diag;b=5;hide=n,start;lock=1;ask=falls"
    with opened(browser, f"{address}#{world}") as page:
        open_view(page, view, addressed=True)
        page.get_by_role("button", name="one that knows p*").click()
        at_rest(page)
        expect(page.locator(".kdlab-own-n")).to_be_hidden()
        expect(page.locator(".kdlab-own-teacher")).to_be_visible()
        assert handle(page, 0).count() == 0
        expect(page.locator(".kdlab-own-add")).to_be_disabled()
        expect(page.locator(".kdlab-own-challenges li")).to_have_count(1)
        page.keyboard.press("n")
        page.locator(".kdlab-space").dblclick(position={"x": 40, "y": 40})
        assert len(shown(page)["truth"]["weights"]) == 2
    view.close()


# What goes wrong


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"scene": "moon"}, "scene is 'moon': choose one of line"),
        ({"scene": "ring", "truth": make_scene("line").truth}, "scene is 'ring' and truth is given too"),
        ({"scene": "ring", "teacher": 3}, "teacher is given without truth"),
        ({"truth": np.zeros((20, 2))}, "truth is a ndarray: drawing begins with a GaussianMixture"),
        ({"n_components": 9}, "n_components is 9, teacher 1: choose from 1 to 8"),
        ({"truth": make_scene("line").truth, "teacher": 9}, "teacher 9: choose from 1 to 8"),
        ({"truth": make_scene("line").truth, "teacher": 0}, "teacher is 0: give a whole number"),
        ({"covariance": "tied"}, "covariance is 'tied'"),
    ],
)
def test_what_cannot_be_drawn_is_refused_in_words(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        draw(**given)


@pytest.mark.parametrize("world", [{}, {"modes": []}, {"modes": 3, "n": 1, "family": "diag"}])
def test_what_is_no_world_is_refused(world: dict[str, Any]) -> None:
    view = draw()
    with pytest.raises(ValueError, match="world is|weights have shape"):
        view.world = world
    assert view.truth.n_components == 4
    view.close()


def test_a_fitted_teacher_from_python_is_one_on_the_page() -> None:
    view = draw(truth=make_scene("rare").truth, teacher=3, n_components=2)
    assert view.world["teacher"] == {"kind": "fitted", "n": 3}
    assert view.sweep.scene.teacher.n_components == 3
    view.close()


def test_python_may_bring_another_world(page: Page) -> None:
    begin(page, "line")
    put(page, world=world_of(make_scene("ring"), 2, "diag"))
    assert len(at_rest(page)["truth"]["weights"]) == 8


def test_without_workers_the_picture_says_so(browser: Browser, address: str) -> None:
    view = draw("line")
    with opened(browser, address) as page:
        page.evaluate("() => { window.Worker = class { constructor() { throw new Error('forbidden'); } }; }")
        open_view(page, view)
        expect(page.locator(".kdlab-error")).to_contain_text("lets no worker compute here")
        expect(handle(page, 0)).to_be_visible()
    view.close()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_serious(browser: Browser, address: str, theme: Any) -> None:
    view = draw("rare", 2)
    with opened(browser, address, color_scheme=theme) as page:
        open_view(page, view)
        at_rest(page)
        handle(page, 0).focus()
        assert serious(page.locator(ROOT)) == []
    view.close()
