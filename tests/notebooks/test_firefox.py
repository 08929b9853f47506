"""The site and a notebook in Firefox, by real keys; what it shows is compared with Chromium as a person would."""

import functools
import http.server
import io
import json
import shutil
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser
from support.firefox import Firefox, firefox
from support.lab import RUN, RUN_ALL, SHOW, Lab
from support.pages import serving, settle
from support.repository import NOTEBOOKS
from support.site import LIVE

from kdlab import mixtures

pytestmark = [pytest.mark.browser, pytest.mark.slow]

WIDTH, HEIGHT = 1100, 1000  # of a window, pixels: a view fits
SQUARE = 12  # pixels; the edges of letters are each browser's own, the mean colour of such a square is not
# What of a view can be seen, and where: [what it is, x and y of its middle, width, height], pixels of the window.
_PARTS = """(view) => [...view.querySelectorAll(":not(svg) > svg, svg circle, svg text, input, select, button, p")]
  .filter((one) => one.checkVisibility()).map((one) => {
    const { x, y, width, height } = one.getBoundingClientRect();
    return [one.localName, x + width / 2, y + height / 2, width, height];
  })"""
# What is said: which sweep is shown, where the slider stands and what that is in words, and the sentence.
_TOLD = """(view) => {
  const slider = view.querySelector(".kdlab-beta"), sentence = view.querySelector(".kdlab-sentence");
  return [view.dataset.key ?? "", slider.value, slider.getAttribute("aria-valuetext"), sentence.textContent];
}"""
_CORNER = "(view) => [view.getBoundingClientRect().x, view.getBoundingClientRect().y]"


class Chromium:
    """A page of it, with what Firefox offers."""

    def __init__(self, browser: Browser) -> None:
        self.page = browser.new_page()

    def open(self, url: str, width: int, height: int) -> None:
        self.page.set_viewport_size({"width": width, "height": height})
        self.page.goto(url)

    def evaluate(self, expression: str) -> Any:
        return self.page.evaluate(expression)

    def wait_for(self, expression: str) -> None:
        self.page.wait_for_function(f"() => {expression}")

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)
        settle(self.page)

    def picture(self) -> np.ndarray:
        return np.asarray(Image.open(io.BytesIO(self.page.screenshot())).convert("RGB"), float)


class Step(NamedTuple):
    """What a window shows after some keys: its picture, where the view is in it, the view's parts, and what is said."""

    picture: np.ndarray
    corner: list[float]  # of the view, pixels
    parts: list[list[Any]]
    told: list[str]

    def panels(self) -> Iterator[np.ndarray]:
        """What is drawn in each."""
        for what, x, y, width, height in self.parts:
            if what == "svg" and height > 100:  # the others are signs of the key
                left, top = round(x - width / 2), round(y - height / 2)
                yield self.picture[top : top + int(height), left : left + int(width)]


def look(window: Firefox | Chromium, view: str) -> Step:
    """See what is there once nothing is computed any more; JupyterLab may have scrolled the view away after a run."""
    window.wait_for(f"{view}.getAttribute('aria-busy') !== 'true'")
    window.evaluate(f"{view}.scrollIntoView({{ block: 'nearest' }})")
    window.press()
    return Step(window.picture(), *(window.evaluate(f"({what})({view})") for what in (_CORNER, _PARTS, _TOLD)))


def walk(window: Firefox | Chromium, number: int) -> list[Step]:
    """Answer a view's question, move its slider, and take another entry of its first menu, all by keys."""
    view = f"document.querySelectorAll('.kdlab-view')[{number}]"
    option, menu = f"{view}.querySelector('.kdlab-cover button')", f"{view}.querySelector('select:enabled')"
    if window.evaluate(f"{option} !== null"):
        window.evaluate(f"{option}.focus()")
        window.press("Enter")
    window.evaluate(f"{view}.querySelector('.kdlab-beta').focus()")
    window.press("ArrowRight")
    window.evaluate(f"{view}.scrollIntoView({{ block: 'center' }})")
    steps = [look(window, view)]
    window.press("PageUp", "PageUp", "ArrowRight")
    steps.append(look(window, view))
    if window.evaluate(f"{menu}?.checkVisibility() ?? false"):
        window.evaluate(f"{menu}.focus()")
        window.press("ArrowDown")
        window.wait_for(f"{view}.dataset.key !== {json.dumps(steps[-1].told[0])}")
        steps.append(look(window, view))
        assert steps[-1].told[3] != steps[-2].told[3]
    return steps


def assert_changes(before: Step, after: Step) -> None:
    """The view says something else in the same place, and shows something else in each panel, none of them blank."""
    assert all(one != other for one, other in zip(before.told[1:], after.told[1:], strict=True))
    assert before.corner == pytest.approx(after.corner, abs=1)
    for one, other in zip(before.panels(), after.panels(), strict=True):
        assert other.std() > 5 and (np.abs(one - other).max(axis=-1) > 40).sum() > 50


def assert_alike(one: Step, other: Step) -> None:
    """The same is said, the same parts are in the same places, and the same colours are where they are."""
    assert one.told == other.told
    for (what, *mine), (same, *theirs) in zip(one.parts, other.parts, strict=True):
        # A menu is as wide as a browser likes, and the slider has what is left.
        near = 16 if what in ("input", "select", "button") else 3
        places = [np.subtract(middle[:2], step.corner) for middle, step in ((mine, one), (theirs, other))]
        assert what == same and places[0] == pytest.approx(places[1], abs=near), (what, mine, theirs)
    for panels in zip(one.panels(), other.panels(), strict=True):
        away = np.abs(np.subtract(*squares(*panels))).max(axis=-1)
        assert (away > 20).sum() < 5 and away.max() < 35


def squares(*pictures: np.ndarray) -> Iterator[np.ndarray]:
    """The mean colours of the squares of pictures of one size, or nearly."""
    rows, columns = (min(picture.shape[i] for picture in pictures) // SQUARE for i in (0, 1))
    for picture in pictures:
        whole = picture[: rows * SQUARE, : columns * SQUARE]
        yield whole.reshape(rows, SQUARE, columns, SQUARE, 3).mean(axis=(1, 3))


@pytest.fixture(scope="module")
def fox() -> Iterator[Firefox]:
    with firefox() as one:
        yield one


@pytest.fixture(scope="module")
def address(fox: Firefox, browser: Browser, request: pytest.FixtureRequest) -> Iterator[str]:
    """The site from a server; the browsers first, for without them there is nothing to look at."""
    folder = str(request.getfixturevalue("built"))
    with serving(functools.partial(http.server.SimpleHTTPRequestHandler, directory=folder)) as one:
        yield one


class Slowly(http.server.BaseHTTPRequestHandler):
    """A page with one formula, painted before the formula has come whole; the address says whether it ever does."""

    def do_GET(self) -> None:  # the name that http.server calls
        rest = b"<mi>y</mi></msub></math>" if self.path == "/whole" else b"</msub></math>"
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><p>A formula</p><math><msub><mi>x</mi>")
        self.wfile.flush()
        time.sleep(0.5)
        self.wfile.write(rest)


def test_only_a_formula_that_stays_in_pieces_is_wrong(fox: Firefox) -> None:
    with serving(Slowly) as at:
        fox.open(f"{at}/whole", WIDTH, HEIGHT)
        assert fox.wrong == []
        fox.open(f"{at}/pieces", WIDTH, HEIGHT)
        assert fox.wrong == ["<msub><mi>x</mi></msub>"]


@pytest.mark.parametrize("name", [name for name in LIVE if name[:2] not in ("06", "07")])
def test_a_page_of_the_site(name: str, address: str, fox: Firefox, browser: Browser) -> None:
    windows = (fox, Chromium(browser))
    for window in windows:
        window.open(f"{address}/{name}.html", WIDTH, HEIGHT)
    for number in sorted({LIVE[name].index(module) for module in LIVE[name] if module != "QuizView"}):  # one of a kind
        mine, theirs = (walk(window, number) for window in windows)
        assert_changes(*mine[:2])
        for one, other in zip(mine, theirs, strict=True):
            assert_alike(one, other)
    assert fox.wrong == []


def test_notebook_00_in_jupyterlab(fox: Firefox, jupyter: Lab) -> None:
    name, view, sweep = "00_start_here.ipynb", "document.querySelector('.kdlab-view')", mixtures.teacher_entropy("line")
    shutil.copy(NOTEBOOKS / name, jupyter.within("firefox").folder)
    fox.open(jupyter.fresh(), WIDTH, HEIGHT)
    fox.wait_for("window.jupyterapp?.restored.then(() => true)")
    fox.evaluate(f"({SHOW})({json.dumps(f'firefox/{name}')})")
    fox.wait_for("jupyterapp.shell.currentWidget?.sessionContext?.session?.kernel?.id")
    fox.evaluate(f"({RUN_ALL})()")
    fox.wait_for(f"{view} !== null")
    first, second = walk(fox, 0)[:2]
    assert_changes(first, second)
    for step in (first, second):
        assert step.told[3] == sweep.sentences[int(step.told[1])]
    said = json.dumps("print(view.errors, round(view.beta, 2))")
    fox.wait_for(f"({RUN})({said}).then((said) => said.trim() === '[] {sweep.betas[int(second.told[1])]:.2f}')")
    assert fox.wrong == []
