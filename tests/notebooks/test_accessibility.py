"""Who does not see a view, or uses no pointer, gets the same from it: names, values in words, contrast, focus.

Every kind of view is opened on a page of its own, with what its widget sends, on a light and on a dark page. The same
rules run inside JupyterLab where the notebooks are walked (test_browser.py and its like).
"""

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect
from support import pages
from support.axe import changed, contrasts, luminance, state_of, violations

from kdlab import exercise, lm, mixtures, ngrams, quiz
from kdlab.lessons import card
from kdlab.lessons.exercise_view import ExerciseView
from kdlab.pictures.live import STYLE_SHEET

pytestmark = [pytest.mark.browser, pytest.mark.slow]

ASKED = {
    "question": "From β = 1 to β = 100: what happens to recall?",
    "options": ["it rises", "it falls"],
    "outcome": "it falls.",
}
BASE = "pictures/sweep_view.js"  # of every view with a sweep
SWEEP, CARD = (BASE, "mixtures/view.js"), ("lessons/exercise_view.js",)
# The module of each view, and a widget of its kind: those with a question are covered when they open.
VIEWS: dict[str, tuple[tuple[str, ...], Callable[[], Any]]] = {
    "ring": (SWEEP, lambda: mixtures.show(_ring(1))),
    "line": (SWEEP, lambda: mixtures.show(mixtures.teacher_entropy("line", 1), predict=ASKED)),
    "hand": (("mixtures/measure.js", "mixtures/view_single.js"), mixtures.by_hand),
    "pairs": (
        (BASE, "mixtures/view_mechanism.js"),
        lambda: mixtures.show_pairs(mixtures.mechanism.pairs_along(_ring(2))),
    ),
    "text": ((BASE, "ngrams/view.js"), lambda: ngrams.show(ngrams.teacher_temperature())),
    "tries": (
        (BASE, "ngrams/view_tries.js"),
        lambda: ngrams.show_tries(ngrams.tries_over_tau(ngrams.teacher_temperature())),
    ),
    "tokens": ((BASE, "lm/view_next_token.js"), lambda: lm.show(list(lm.read_recording().sweeps.values()))),
    "still": (("pictures/quiz.js",), lambda: quiz(_picture(), _picture(), predict=ASKED)),
    "choice": (CARD, lambda: ExerciseView(exercise("02.1"))),
    "code": (CARD, lambda: ExerciseView(exercise("02.2"))),
}


def _ring(n_components: int) -> Any:
    return mixtures.teacher_entropy("ring", n_components)


def _picture() -> Any:
    return mixtures.show(_ring(1)).filmstrip([1.0])


@lru_cache
def sent(name: str) -> dict[str, Any]:
    """What the widget of this name sends; answers of the person at this machine are not among it."""
    return state_of(VIEWS[name][1]())


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def opened(browser: Browser) -> Iterator[Callable[..., Locator]]:
    """Open views, each on a page of its own that is high enough to hold it; nothing may be thrown there."""
    how = {"viewport": {"width": 980, "height": 1300}, "has_touch": False}
    with ExitStack() as stack:

        def open_view(name: str, scheme: str = "light") -> Locator:
            modules = VIEWS[name][0]
            with pages.served(*modules, style=card.STYLE_SHEET if modules is CARD else STYLE_SHEET) as address:
                page = stack.enter_context(pages.opened(browser, address, color_scheme=scheme, **how))
            page.evaluate("state => open_view(state)", sent(name))
            stack.callback(close_view, page)
            return page.locator("#here > *").first

        yield open_view


def close_view(page: Page) -> None:
    page.evaluate("window.close_view?.()")
    assert page.evaluate("Object.values(model.heard).flat().length") == 0  # a closed view lets go of its model


# The value of each slider at the start, and the names of pictures that hold what is in no sentence: patterns.
VALUES = {
    "ring": [r"beta 1\.00, precision −\d+\.\d\d, recall −\d+\.\d\d"],
    "line": [r"beta 1\.00"],  # still covered: it may not say more
    "hand": [r"centre 0\.00", r"width 1\.00"],
    "pairs": [r"beta 1\.00, Jensen \d+\.\d\d, variational \d+\.\d\d, exact \d+\.\d\d"],
    "text": [r"tau 1\.00, precision −\d+\.\d\d, recall −\d+\.\d\d"],
    "tries": [rf"{knob}, 0\.81 names, precision −\d+\.\d\d, recall −\d+\.\d\d" for knob in (r"tau 1\.00", "k 10")],
    "tokens": [r"tau 1\.00, entropy \d\.\d\d nats, \d+ choices"],
}
ROWS = r", a row for each p′: (p′ \d: \d+\.\d+, \d+\.\d+(; |$)){4}"
PICTURES = {
    "ring": ["The space of all models", "The precision-recall plane"],
    "hand": ["The truth, and your student over it", "The precision-recall plane"],
    "pairs": ["The components and their numbers", r".*α″" + ROWS, r".*nats" + ROWS, r"share.*" + ROWS],
    "text": [r"Twelve names that the student invents, \d+ of them real: (\w+, ){11}\w+", "The precision-recall plane"],
    "tries": [
        r"The student's 10 names: (\w+, ){9}\w+; real among them: jan",
        "Different real names over tau, as a share of the most",
        "The precision-recall plane",
    ],
    "tokens": [r"What may come next: .* \d+ %, .* others \d+ %", "Entropy and effective choices over tau"],
}


def assert_words(root: Locator, name: str) -> None:
    """Sliders and pictures say what they are and what they show."""
    sliders, pictures = root.locator("input[type=range]").all(), root.get_by_role("img").all()
    said = [slider.get_attribute("aria-valuetext") or "" for slider in sliders]
    named = [picture.get_attribute("aria-label") or "" for picture in pictures]
    for found, patterns in ((said, VALUES.get(name, [])), (named, PICTURES.get(name, named))):
        assert len(found) == len(patterns)
        assert all(re.fullmatch(pattern, words) for words, pattern in zip(found, patterns, strict=True)), found


def assert_fits_a_phone(root: Locator) -> None:
    """Nothing is wider than 390 px, and a question with its options lies inside its frame, on the first screen."""
    assert root.page.evaluate("document.documentElement.scrollWidth") <= 390
    cover = root.locator(".kdlab-cover")
    if cover.is_visible():
        frame = cover.bounding_box()
        boxes = [one.bounding_box() for one in cover.locator("p, button").all()]
        assert frame and all(box and frame["y"] <= box["y"] for box in boxes)
        assert all(box["y"] + box["height"] <= min(frame["y"] + frame["height"], 760) for box in boxes if box)


@pytest.mark.parametrize("name", VIEWS)
def test_axe_finds_nothing_and_every_text_is_legible(opened: Any, name: str) -> None:
    """Every rule of axe-core as the view opens; contrast covered and not, at both ends; light, dark, and on a phone."""
    root = opened(name)
    assert_words(root, name)
    for scheme in ("light", "dark"):
        root.page.emulate_media(color_scheme=scheme)
        assert violations(root) == []
        assert contrasts(root)[0].ratio >= 4.5, contrasts(root)[0]
    root.page.set_viewport_size({"width": 390, "height": 2600})
    assert_fits_a_phone(root)
    if root.locator(".kdlab-cover").is_visible():
        root.locator(".kdlab-cover button").first.click()
    if name in VALUES:  # it has sliders: the first to its right end
        root.locator("input[type=range]").first.focus()
        root.page.keyboard.press("End")
        pages.settle(root.page)
    for scheme in ("dark", "light"):
        root.page.emulate_media(color_scheme=scheme)
        assert contrasts(root)[0].ratio >= 4.5, contrasts(root)[0]


def test_what_waits_is_legible_too(opened: Any) -> None:
    root = opened("ring")
    root.page.evaluate("model.set('settings', { ...model.get('settings'), n_components: 8 })")
    expect(root).to_have_attribute("aria-busy", "true")
    assert contrasts(root)[0].ratio >= 4.5


def test_the_checks_can_fail(opened: Any) -> None:
    root = opened("ring")
    slider = root.locator(".kdlab-beta")
    slider.evaluate("one => { one.removeAttribute('aria-label'); one.closest('label').replaceWith(one); }")
    ((rule, impact, (found,)),) = violations(root)
    assert (rule, impact) == ("label", "critical") and "kdlab-beta" in found
    root.locator(".kdlab-sentence").evaluate("one => { one.style.color = '#8a8a8a'; }")
    root.locator(".kdlab-tick").first.evaluate("one => { one.style.fill = '#8a8a8a'; }")
    assert {found[0] for found in violations(root)} == {"label", "color-contrast"}
    assert {one.name for one in contrasts(root) if one.ratio < 4.5} == {"kdlab-sentence", "kdlab-tick"}


_LISTEN = """(root) => {
  window.heard = [];
  for (const live of root.querySelectorAll("[role=status], [role=alert], [aria-live]")) {
    new MutationObserver(() => { if (live.textContent) heard.push(live.textContent); })
      .observe(live, { childList: true, characterData: true, subtree: true });
  }
}"""


def test_the_sentence_is_said_once_the_slider_rests(opened: Any) -> None:
    root = opened("ring")
    root.evaluate(_LISTEN)
    root.locator(".kdlab-beta").focus()
    for _ in range(10):
        root.page.keyboard.press("ArrowRight")
    root.page.wait_for_function("heard.length > 0")
    root.page.wait_for_timeout(300)
    assert root.page.evaluate("heard") == [sent("ring")["sweep"]["sentence"][10]]


def test_a_guess_is_answered_aloud_and_the_slider_gets_the_keys(opened: Any) -> None:
    root = opened("line")
    root.evaluate(_LISTEN)
    for _ in range(2):
        root.page.keyboard.press("Tab")
    expect(root.get_by_role("group", name=ASKED["question"]).get_by_role("button").nth(1)).to_be_focused()
    root.page.keyboard.press("Space")
    expect(root.locator(".kdlab-beta")).to_be_focused()
    root.page.wait_for_function("heard.length > 0")
    (said,) = root.page.evaluate("heard")
    sentences = sent("line")["sweep"]["sentence"]
    assert said == f"You predicted: it falls. Now move the slider to its right end and see. {sentences[0]}"
    root.page.keyboard.press("End")
    root.page.wait_for_function("heard.length > 1")
    assert root.page.evaluate("heard[1]") == f"You predicted: it falls. What happens: it falls. {sentences[-1]}"


@pytest.mark.parametrize(
    ("name", "scheme", "stops"),
    [("ring", "light", 6), ("line", "dark", 2), ("hand", "dark", 3), ("choice", "light", 6)],
)
def test_focus_is_seen(opened: Any, name: str, scheme: str, stops: int) -> None:
    """By keys from stop to stop: around each, at least as many pixels change by 3 to 1 as its ring is long."""
    root = opened(name, scheme)
    keys, before = root.page.keyboard, luminance(root.page)
    for _ in range(stops):
        keys.press("Tab")
        stop = root.locator(":focus")
        box = stop.bounding_box()
        assert box
        ring = 3.1 * 18 if stop.get_attribute("type") == "range" else 2 * (box["width"] + box["height"])  # the thumb's
        assert changed(before, luminance(root.page)) >= ring, stop.evaluate("one => one.outerHTML")
