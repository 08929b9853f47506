"""A neighbour's picture on a page of its own: the knob moves curves, dot and sentence, and nothing is thrown."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect
from support.axe import serious
from support.pages import box_of, get, open_view, opened, put, served, settle
from support.toy import TOY

from kdlab.neighbours import show

pytestmark = pytest.mark.browser

SCRIPTS = ("pictures/plane.js", "pictures/sweep_view.js", "neighbours/view.js")
QUESTION = {"question": "What happens?", "options": ["This", "That"], "outcome": "this happens."}


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    with served(*SCRIPTS) as address, opened(browser, address) as one:
        yield one


def test_the_knob_moves_curves_dot_and_sentence(page: Page) -> None:
    open_view(page, show(TOY))
    expect(page.locator(".kdlab-sentence")).to_have_text(TOY.sentence(0))
    before = {part: box_of(page, part) for part in (".kdlab-student-dot", ".kdlab-knob-own-dot")}
    page.locator(".kdlab-beta").fill("10")
    settle(page)
    expect(page.locator(".kdlab-sentence")).to_have_text(TOY.sentence(10))
    expect(page.locator(".kdlab-knob-name").first).to_have_text("floor: 0.000")
    assert all(box_of(page, part)["x"] != there["x"] for part, there in before.items())
    page.wait_for_function("model.get('dial') === 1")
    assert get(page, "page_errors") == []


def test_what_stays_has_its_name_beside_it(page: Page) -> None:
    open_view(page, show(TOY))
    expect(page.locator(".kdlab-knob-other-name")).to_have_text("far away")
    mark, name = box_of(page, ".kdlab-knob-other"), box_of(page, ".kdlab-knob-other-name")
    assert abs(name["y"] + name["height"] / 2 - mark["y"] - mark["height"] / 2) < 30
    assert name["x"] > mark["x"] + mark["width"] / 2 or name["x"] + name["width"] < mark["x"] + mark["width"] / 2


def test_what_lies_ahead_is_not_told_before_the_slider_was_there(page: Page) -> None:
    open_view(page, show(TOY, predict=QUESTION))
    ahead = page.locator(".kdlab-knob-ahead").first
    page.get_by_role("button", name="This").click()
    expect(ahead).to_have_css("visibility", "hidden")
    page.locator(".kdlab-beta").fill("10")
    settle(page)
    expect(ahead).to_have_css("visibility", "visible")
    expect(page.locator(".kdlab-outcome")).to_contain_text("this happens")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_keeps_anybody_out(browser: Browser, scheme: str) -> None:
    with served(*SCRIPTS) as address, opened(browser, address, color_scheme=scheme) as one:
        open_view(one, show(TOY))
        assert serious(one.locator(".kdlab-view")) == []


def test_a_comparison_with_a_hole_is_refused_in_words(page: Page) -> None:
    sent = open_view(page, show(TOY))
    assert sent["sweep"]["key"] == "neighbour|toy"
    put(page, sweep={**sent["sweep"], "precision": [None] * len(TOY.dials)})
    expect(page.locator(".kdlab-error")).to_contain_text("cannot be drawn")
