"""Students that answer, on a page: the texts that PyTorch gives, p*'s bars, keys, and what can go wrong."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect
from support.axe import serious
from support.pages import box_of, get, opened, served, settle
from support.talk import SCRIPTS, open_talk, rested, texts_of

from kdlab.lessons.predictions import predict
from kdlab.lm.talking import answers
from kdlab.lm.view_talk import TalkView

pytestmark = pytest.mark.browser

FIRST = "One day, a little"
STUDENTS = [name for name in answers()["names"] if name != "teacher"]
# On how many cards new words came at once, at most: one card a frame keeps each frame short (benchmarks/talk.py).
AT_ONCE = """() => { window.atOnce = 0; new MutationObserver((changes) => {
  const cards = changes.filter(({ addedNodes: [one] }) => one?.matches?.(".kdlab-talk-token"));
  window.atOnce = Math.max(window.atOnce, new Set(cards.map(({ target }) => target.closest(".kdlab-talk-card"))).size);
}).observe(document.querySelector(".kdlab-talk-board"), { subtree: true, childList: true }); }"""


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with served(*SCRIPTS) as one:
        yield one


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    with opened(browser, address) as one:
        yield one


def go(page: Page) -> None:
    page.locator(".kdlab-talk-tools button").first.click()


def test_the_page_says_what_pytorch_says(page: Page) -> None:
    open_talk(page, TalkView())
    page.locator(".kdlab-beta").fill("12")
    go(page)
    rested(page, FIRST)
    page.get_by_role("button", name=re.compile("the teacher too")).click()
    page.wait_for_function("document.querySelectorAll('.kdlab-talk-card[data-model=teacher] p').length > 0")
    page.evaluate(AT_ONCE)
    for one in answers()["beginnings"]:
        page.locator(".kdlab-talk-begin").select_option(one["text"])
        assert rested(page, one["text"]) == one["different"]
        for name in answers()["names"]:
            found = page.locator(f".kdlab-talk-card[data-model='{name}'] .kdlab-talk-count")
            expect(found).to_have_text(f"{one['different'][name]} different openings")
            assert texts_of(page, name) == one["texts"][name]
    assert get(page, "page_errors") == []
    assert page.evaluate("window.atOnce") == 1


def test_a_word_shows_what_else_might_have_come_and_what_p_star_says(page: Page) -> None:
    open_talk(page, TalkView())
    go(page)
    rested(page, FIRST)
    bars = page.locator(".kdlab-plane rect")
    expect(bars).to_have_count(8)
    assert float(bars.first.get_attribute("data-p") or 0) == pytest.approx(0.36, abs=0.01)  # " girl", as in pstar.bin
    card = page.locator(".kdlab-talk-card[data-model='direct'] .kdlab-talk-texts")
    card.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    expect(page.locator(".kdlab-space .kdlab-talk-title")).to_have_text("direct, text 2, token 2: what it may say")
    expect(page.locator(".kdlab-talk-chosen")).to_have_text(" named")
    expect(page.locator(".kdlab-unseen")).to_contain_text("␣named")
    page.get_by_role("button", name="other random numbers").click()
    rested(page, FIRST, seed=1)
    card.locator(".kdlab-talk-token").nth(8).click()
    expect(page.locator(".kdlab-plane")).to_contain_text("p* does not run in this page")


def test_a_word_that_was_unlikely_has_a_bar_of_its_own(page: Page) -> None:
    """Below the eight likeliest, with its share; the nine are in order."""
    open_talk(page, TalkView())
    go(page)
    rested(page, FIRST)
    card, drawn = page.locator(".kdlab-talk-card[data-model='direct'] .kdlab-talk-texts"), []
    for k in range(20):
        card.locator(".kdlab-talk-token").nth(k).click()
        expect(page.locator(".kdlab-space .kdlab-talk-drawn")).to_have_count(1)
        shares = page.locator(".kdlab-space rect").evaluate_all("bars => bars.map((bar) => +bar.dataset.p)")
        assert shares == sorted(shares, reverse=True) and len(shares) in (8, 9)
        drawn.append(len(shares))
    assert {8, 9} == set(drawn)


def test_older_texts_step_back_while_another_beginning_is_typed(page: Page) -> None:
    open_talk(page, TalkView())
    text, root = page.locator(".kdlab-talk-text"), page.locator(".kdlab-view")
    page.locator(".kdlab-talk-tools button").first.press("Enter")
    rested(page, FIRST)
    assert page.evaluate("document.activeElement.textContent") == "answer"  # it was disabled meanwhile
    text.fill(FIRST + "r")
    expect(root).to_have_class(re.compile("kdlab-talk-older"))
    text.fill(FIRST + "  ")
    expect(root).not_to_have_class(re.compile("kdlab-talk-older"))
    text.press("Enter")
    expect(page.locator(".kdlab-talk-notice")).to_have_text("The space at the end is left off: words bring their own.")
    text.press_sequentially("boy", delay=0)  # typed on while an answer is on its way: no space was left off
    text.press("Enter")
    text.press_sequentially("s", delay=0)
    rested(page, FIRST + "  boy")
    expect(page.locator(".kdlab-talk-notice")).to_be_hidden()
    expect(root).to_have_class(re.compile("kdlab-talk-older"))
    page.locator(".kdlab-talk-begin").select_option(FIRST)
    assert rested(page, FIRST) == {name: answers()["beginnings"][0]["different"][name] for name in STUDENTS}


def test_what_the_students_do_not_have_is_said(page: Page) -> None:
    open_talk(page, TalkView())
    notice, text = page.locator(".kdlab-talk-notice"), page.locator(".kdlab-talk-text")
    for typed, said in (("   ", "There is no beginning"), ("", "There is no beginning")):
        text.fill(typed)
        go(page)
        expect(notice).to_contain_text(said)
    text.fill("Zürich")
    text.press("Enter")
    rested(page, "Zürich")
    expect(notice).to_contain_text("“ü” is left out; “rich” is written as ric | h.")
    text.fill("a " * 40)
    go(page)
    expect(notice).to_contain_text("the students know texts of 32: none is left")
    long = "One day, a little girl named Emma" + " and a little girl" * 5
    text.fill(long)
    go(page)
    rested(page, long)
    expect(notice).to_contain_text("of the 32 tokens that the students know are used: ")
    assert get(page, "page_errors") == []


def test_what_is_damaged_or_missing_is_said_and_may_come_later(page: Page) -> None:
    view, faults = TalkView(), {"tau-0.9": b"x", "pstar": b"\0\0"}

    def part(name: str) -> bytes:
        if name == "direct" and "direct" not in faults:
            faults["direct"] = b""
            raise OSError("direct.safetensors is not there: install kdlab again")
        return faults.pop(name) if faults.get(name) else view.part(name)

    open_talk(page, view, part)
    error = page.locator(".kdlab-error")
    for said in (
        "is not there: install kdlab again",
        "The file of tau-0.9 is damaged",
        "The file of p*'s answers is damaged",
    ):
        go(page)
        expect(error).to_contain_text(said)
    go(page)
    assert rested(page, FIRST)["tau-0.6"] == 4
    expect(error).to_be_hidden()


def test_weights_that_do_not_come_are_missed(page: Page) -> None:
    page.clock.install()
    open_talk(page, TalkView())
    page.evaluate("() => { window.late = window.sent; window.sent = (...wish) => { window.wish = wish; }; }")
    go(page)
    page.clock.run_for(16_000)
    expect(page.locator(".kdlab-error")).to_contain_text("The weights have not come yet. Python has not answered yet.")
    page.evaluate("() => { window.sent = window.late; window.sent(...window.wish); }")
    page.clock.resume()
    rested(page, FIRST)
    expect(page.locator(".kdlab-error")).to_be_hidden()


def test_a_browser_that_forbids_workers_says_so(page: Page) -> None:
    page.evaluate("() => { window.Worker = class { constructor() { throw new Error('forbidden by a policy'); } }; }")
    open_talk(page, TalkView())
    for _ in range(2):
        go(page)
        expect(page.locator(".kdlab-error")).to_contain_text("This browser lets no worker compute here")
        expect(page.locator(".kdlab-error")).to_contain_text("forbidden by a policy")


def test_first_a_guess_and_the_outcome_once_they_have_spoken(page: Page) -> None:
    open_talk(page, TalkView(predict("07.talk")))
    page.get_by_role("button", name="Those of τ = 1", exact=True).click()
    outcome = page.locator(".kdlab-outcome")
    expect(outcome).to_have_text("You predicted: Those of τ = 1. Now let them answer.")
    page.keyboard.press("Enter")  # the button has the keys
    rested(page, FIRST)
    expect(outcome).to_contain_text("those of τ = 0.6: 4 different openings")
    page.wait_for_function("model.get('seen') === true")
    expect(page.locator(".kdlab-unseen")).to_contain_text("differ in their first three words: 11 of direct")


@pytest.mark.parametrize(("scheme", "wide"), [("light", 980), ("dark", 390)])
def test_nothing_keeps_anybody_out(browser: Browser, address: str, scheme: str, wide: int) -> None:
    with opened(browser, address, color_scheme=scheme, viewport={"width": wide, "height": 844}) as one:
        open_talk(one, TalkView())
        assert serious(one.locator(".kdlab-view")) == []
        go(one)
        rested(one, FIRST)
        assert serious(one.locator(".kdlab-view")) == []
        settle(one)
        assert one.evaluate("document.documentElement.scrollWidth") <= wide
        assert one.locator(".kdlab-talk-card:visible").count() == len(STUDENTS)
        first, third = (box_of(one, f".kdlab-talk-card >> nth={i}") for i in (0, 2))
        assert (third["y"] > first["y"]) == (wide < 400)
