"""The whole static site in Chromium, as files and from a server, with no network."""

import functools
import http.server
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from bs4 import BeautifulSoup
from playwright.sync_api import Browser, Page, expect
from support.axe import serious
from support.chromium import chromium
from support.pages import serving, settle
from support.repository import NOTEBOOKS, cells, prose
from support.site import FORMULA, LIVE

from kdlab import lm, mixtures
from kdlab.lessons.review import Row, review

pytestmark = pytest.mark.browser
PHONE: Any = {"width": 390, "height": 844}  # pixels


class Outline:
    """What a page links to and loads, what can be linked to in it, and its words, with code and without."""

    def __init__(self, text: str) -> None:
        page: Any = BeautifulSoup(text, "html.parser")
        self.links = [one["href"] for one in page("a")]
        loading = [
            one for one in page(True) if one.name == "link" or one.name != "a" and {"src", "srcset"} & set(one.attrs)
        ]
        self.loads = [one.get("src") or one.get("srcset") or one["href"] for one in loading]
        self.ids = [one["id"] for one in page(id=True)]
        self.math, self.pictures = len(page("math")), len(page("img"))
        for one in page("img"):
            assert len(one["alt"].split()) > 10, one["src"][:40]
        self.text = page.get_text()
        for code in page(["pre", "code", "script", "style"]):
            code.decompose()
        self.words = page.get_text()


@pytest.fixture(scope="module")
def site(browser: Browser, request: pytest.FixtureRequest) -> Path:
    """The site; `browser` first, for without one there is nothing to look at."""
    return Path(request.getfixturevalue("built"))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium("--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1") as one:
        yield one


@pytest.fixture(scope="module")
def outlines(site: Path) -> dict[str, Outline]:
    return {path.name: Outline(path.read_text(encoding="utf-8")) for path in site.glob("*.html")}


@pytest.fixture(scope="module")
def address(site: Path) -> Iterator[str]:
    """The site from a server."""
    with serving(functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(site))) as one:
        yield one


@contextmanager
def opened(browser: Browser, url: str, **how: Any) -> Iterator[Page]:
    """A page of its own; anything thrown, logged as an error or asked of a network fails the test."""
    context = browser.new_context(**{"viewport": {"width": 1100, "height": 900}, **how})
    page, wrong = context.new_page(), []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda said: wrong.append(said.text) if said.type in ("error", "warning") else None)
    local = ("file:", "data:", "blob:", "http://127.0.0.1:")
    page.on("request", lambda one: None if one.url.startswith(local) else wrong.append(one.url))
    page.on("requestfailed", lambda one: wrong.append(f"{one.url} failed"))
    page.goto(url)
    yield page
    context.close()
    assert wrong == []


def test_every_link_resolves_and_nothing_is_loaded_from_elsewhere(site: Path, outlines: dict[str, Outline]) -> None:
    assert len(list((site / "sweeps").iterdir())) >= 40
    broken = []
    for name, outline in outlines.items():
        for link in outline.links + outline.loads:
            place, _, fragment = unquote(link).partition("#")
            if re.match("https?:|data:", place):
                broken += [f"{name} loads {link}"] if link in outline.loads and not place.startswith("data:") else []
                continue
            target = place or name
            known = outlines[target].ids if target in outlines else [""]
            if not (site / target).is_file() or (fragment and fragment not in known):
                broken.append(f"{name}: {link}")
    assert broken == []
    styles = "".join(path.read_text(encoding="utf-8") for path in site.rglob("*.css"))
    assert not re.search(r"@import|url\(", styles)


@pytest.mark.parametrize("name", LIVE)
def test_a_page_has_every_formula_and_every_picture_of_its_notebook(name: str, outlines: dict[str, Outline]) -> None:
    outline, path = outlines[f"{name}.html"], NOTEBOOKS / f"{name}.ipynb"
    assert outline.math == len(FORMULA.findall(prose(path)))
    assert not re.search(r"\$|\\[a-z]+", outline.words)
    outputs = [output for cell in cells(path, "code") for output in cell.outputs]
    assert outline.pictures == sum("image/png" in output.get("data", {}) for output in outputs)
    for output in outputs:
        assert output.get("text", "").strip() in outline.text


def keeps_nobody_out(page: Page) -> None:
    """Assert that axe finds nothing serious. It looks at every word: of what is all alike, six of each will do."""
    for alike in (".source", ".printed", "tbody tr", ".prose > p", ".prose > ul"):
        page.evaluate("(all) => document.querySelectorAll(all).forEach((one, i) => i < 6 || one.remove())", alike)
    assert serious(page.locator("html")) == [], page.url


def press(page: Page, view: Any) -> tuple[str, str, str]:
    """Press a key on a view's first slider, from a place where there is room, and return what it shows then."""
    slider = view.locator(".kdlab-beta").first
    slider.focus()
    page.keyboard.press("ArrowRight")
    settle(page)
    picture = view.locator(".kdlab-picture").evaluate("e => [...e.querySelectorAll('svg')].map(one => one.outerHTML)")
    return "".join(picture), view.locator(".kdlab-sentence").inner_text(), slider.get_attribute("aria-valuetext") or ""


@pytest.mark.parametrize("name", LIVE)
def test_a_page_opened_as_a_file_is_live(name: str, site: Path, browser: Browser) -> None:
    with opened(browser, (site / f"{name}.html").as_uri()) as page:
        figures = page.locator(".live")
        assert figures.count() == page.locator(".is-live .kdlab-view").count() == len(LIVE[name])
        assert page.locator(".live .still").evaluate_all("all => all.filter(e => e.checkVisibility()).length") == 0
        for view, module in zip(page.locator(".kdlab-view").all(), LIVE[name], strict=True):
            options = view.locator(".kdlab-cover button")
            if options.count():
                expect(view.locator(".kdlab-picture")).not_to_be_visible()
                options.first.press("Enter")
            expect(view.locator(".kdlab-picture")).to_be_visible()
            if module == "QuizView":
                assert view.locator("img").evaluate("e => e.naturalWidth") > 500
                continue
            if module == "TalkView":
                view.locator(".kdlab-talk-tools button").first.click()
                counts = lm.answers()["beginnings"][0]["different"]
                expect(view.locator(".kdlab-sentence")).to_contain_text(
                    f"{counts['tau-0.6']} of τ = 0.6", timeout=30_000
                )
                continue
            shown = [press(page, view) for _ in range(3)]
            assert all(one != other for one, other in zip(shown[0], shown[2], strict=True)), shown
        page.set_viewport_size(PHONE)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        keeps_nobody_out(page)


def test_the_other_pages_fit_a_phone(site: Path, browser: Browser) -> None:
    others = sorted({path.name for path in site.glob("*.html")} - {f"{name}.html" for name in LIVE})
    with opened(browser, (site / "index.html").as_uri(), viewport=PHONE, color_scheme="dark") as page:
        for path in others:
            page.goto((site / path).as_uri())
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
            assert page.locator("h1").count() == 1, path
            keeps_nobody_out(page)


def test_on_a_phone_the_slider_stays_with_what_it_moves(site: Path, browser: Browser) -> None:
    """Each panel, scrolled to the middle of the screen, is there whole, and so is the slider."""
    with opened(browser, (site / "index.html").as_uri(), viewport=PHONE) as page:
        for panel in (".kdlab-space", ".kdlab-plane"):
            page.locator(panel).evaluate("panel => panel.scrollIntoView({ block: 'center' })")
            boxes = [page.locator(name).bounding_box() for name in (".kdlab-beta", panel)]
            for box in boxes:
                assert box and 0 <= box["y"] and box["y"] + box["height"] <= 844
            slider, shown = boxes
            assert slider and shown and slider["y"] + slider["height"] <= shown["y"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_front_page_answers_to_keys(scheme: Any, address: str, browser: Browser) -> None:
    sweep = mixtures.teacher_entropy("line", n_components=1)
    with opened(browser, f"{address}/", color_scheme=scheme) as page:
        slider, sentence = page.locator(".kdlab-beta"), page.locator(".kdlab-sentence")
        expect(sentence).to_have_text(sweep.at(1).sentence)
        slider.focus()
        page.keyboard.press("End")
        expect(sentence).to_have_text(sweep.at(100).sentence)
        expect(slider).to_have_attribute("aria-valuetext", re.compile(r"beta.* 100\.00"))
        assert float(page.locator(".kdlab-student-dot").get_attribute("data-recall") or 0) == sweep.recall[-1]
        assert page.locator("select").evaluate_all("all => all.filter(e => e.checkVisibility()).length") == 0
        assert serious(page.locator("html")) == []
        papers = "[document.body, document.querySelector('.kdlab-view')].map(e => getComputedStyle(e).backgroundColor)"
        page_colour, view_colour = page.evaluate(papers)
        assert page_colour == view_colour == ("rgb(255, 255, 255)" if scheme == "light" else "rgb(17, 17, 17)")
        page.get_by_role("link", name="then start here").click()
        expect(page).to_have_url(f"{address}/00_start_here.html")


def test_the_first_view_answers_within_a_second(address: str, browser: Browser) -> None:
    """The best of three: other work on the machine only ever adds."""
    with opened(browser, f"{address}/") as page:
        taken = []
        for _ in range(3):
            page.reload()
            taken.append(page.evaluate("performance.getEntriesByName('live')[0].startTime"))
        assert min(taken) < 1000, taken


def test_menus_offer_what_was_made_ahead(site: Path, browser: Browser) -> None:
    with opened(browser, (site / "02_teacher_entropy.html").as_uri()) as page:
        view = page.locator(".kdlab-view").first
        page.clock.install()
        view.locator(".kdlab-cover button").first.click()
        offered = {name: view.locator(f".kdlab-{name} option").count() for name in ("scene", "n-components", "samples")}
        assert offered == {"scene": 4, "n-components": 5, "samples": 1}
        for name, value, key in (
            ("scene", "rare", "1|diag"),
            ("n-components", "4", "4|diag"),
            ("covariance", "full", "4|full"),
        ):
            view.locator(f".kdlab-{name}").select_option(value)
            expect(view).to_have_attribute("data-key", f"rare|{key}|population|0")
        expect(view).to_have_attribute("aria-busy", "false")
        page.clock.fast_forward(5000)
        expect(view.locator(".kdlab-error")).to_be_hidden()  # nobody waits for a Python that never was there
        expected = mixtures.teacher_entropy("rare", n_components=4, covariance="full").sentences[0]
        expect(view.locator(".kdlab-sentence")).to_have_text(expected)
        expect(page.locator(".live .aside").first).to_contain_text("computed ahead")


def test_text_has_what_notebook_04_asks_its_reader_to_choose(site: Path, browser: Browser) -> None:
    with opened(browser, (site / "04_from_mixtures_to_text.html").as_uri()) as page:
        view = page.locator(".kdlab-view")
        view.locator(".kdlab-cover button").first.click()
        names = view.locator(".kdlab-name").all_text_contents()
        view.locator(".kdlab-orders").select_option("3, 2, 2")
        expect(view).to_have_attribute("data-key", "3, 2, 2|0")
        view.locator(".kdlab-reset").click()
        expect(view).to_have_attribute("data-key", "3, 2, 1|0")
        view.locator(".kdlab-seed").select_option("2")
        expect(view).to_have_attribute("data-key", "3, 2, 1|2")
        assert view.locator(".kdlab-name").all_text_contents() != names
        view.locator(".kdlab-orders").select_option("3, 2, 2")
        expect(view.locator(".kdlab-error")).to_contain_text("needs Python")
        expect(view.locator(".kdlab-orders")).to_have_value("3, 2, 1")
        expect(view).to_have_attribute("data-key", "3, 2, 1|2")


def test_what_was_not_made_ahead_is_said_and_what_is_missing_too(site: Path, browser: Browser) -> None:
    with opened(browser, (site / "00_start_here.html").as_uri()) as page:
        said = page.evaluate("""async () => {
          const state = JSON.parse(document.querySelector("[id^=state-]").textContent).state;
          const model = new Model({ ...state, settings: { ...state.settings, samples: 100 } }, {});
          await sweepAnswer({})(model);
          return [model.get("kernel_error"), model.get("settings").samples];
        }""")
        assert "needs Python" in said[0] and said[1] is None


def test_a_guess_is_kept_in_the_browser_until_it_is_forgotten(address: str, browser: Browser) -> None:
    with opened(browser, f"{address}/00_start_here.html") as page:
        expect(page.locator(".forgetting")).to_be_hidden()
        option = page.locator(".kdlab-cover button").nth(1)
        guess = option.text_content()
        option.click()
        expect(page.locator(".kdlab-outcome")).to_contain_text(f"You predicted: {guess}")
        page.wait_for_function("localStorage.length === 1")
        page.reload()
        expect(page.locator(".kdlab-outcome")).to_contain_text(f"You predicted: {guess}")
        page.get_by_role("button", name="Forget them").click()
        expect(page.locator(".kdlab-cover")).to_be_visible()
        assert page.evaluate("localStorage.length") == 0


def test_the_guesses_of_this_browser_stand_beside_what_happened(address: str, browser: Browser) -> None:
    with opened(browser, f"{address}/08_is_it_worth_it.html") as page:
        nothing = review(lm.open_run("recorded/cpu"), folder=lm.recorded_folder())
        lines = page.locator("[data-review] tr:has(td)")
        assert lines.count() == len(nothing.rows) and "none of the" in page.locator("caption").inner_text()
        first, other = nothing.rows[0].question, nothing.rows[1].question
        wrong = next(option for option in other.options if option != other.answer)
        for one, guess in ((first, first.answer), (other, wrong)):
            page.evaluate("([id, guess]) => localStorage.setItem(GUESS + id, guess)", [one.id, guess])
        page.reload()
        expect(page.locator("caption")).to_have_text(f"You made 2 of {len(nothing.rows)} guesses; 1 of them came true.")
        for line, row in zip(lines.all(), (Row(first, first.answer), Row(other, wrong)), strict=False):
            shown = [cell.inner_text().replace("\N{NO-BREAK SPACE}", " ") for cell in line.locator("td").all()]
            assert shown == [row.question.text, row.guessed, row.happened]


def test_without_scripts_and_on_paper_there_are_stills(site: Path, browser: Browser) -> None:
    with opened(browser, (site / "02_teacher_entropy.html").as_uri(), java_script_enabled=False) as page:
        assert [one.is_visible() for one in page.locator(".live .still").all()] == [True, True]
        page.goto((site / "index.html").as_uri())
        assert page.locator(".live img").is_visible()
    with opened(browser, (site / "02_teacher_entropy.html").as_uri()) as page:
        page.emulate_media(media="print")
        assert [one.is_visible() for one in page.locator(".live .still").all()] == [True, True]
        assert not page.locator(".kdlab-view").first.is_visible()


def test_the_figure_moves_only_for_those_who_do_not_mind(site: Path, browser: Browser) -> None:
    for motion, picture in (("no-preference", "live.webp"), ("reduce", "live.png")):
        with opened(browser, (site / "README.html").as_uri(), reduced_motion=motion) as page:
            assert page.locator("picture img").evaluate("e => e.currentSrc").endswith(f"figures/{picture}")


def test_a_world_is_drawn_on_a_page_of_its_own(site: Path, browser: Browser) -> None:
    """As a file, with no kernel: a key moves a mode, the address holds it, and a page of that address shows it."""
    exact = "JSON.parse(document.querySelector('.kdlab-own').dataset.world ?? '{}').exact"
    with opened(browser, (site / "own.html").as_uri()) as page:
        page.wait_for_function(exact)
        page.locator(".kdlab-own-handle").first.focus()
        page.keyboard.press("ArrowRight")
        page.wait_for_function("location.hash.includes('m=-2.875,')")
        page.wait_for_function(exact)
        told, there = page.locator(".kdlab-sentence").inner_text(), page.url
        keeps_nobody_out(page)
    with opened(browser, there, viewport=PHONE, color_scheme="dark") as page:
        page.wait_for_function(exact)
        assert page.locator(".kdlab-sentence").inner_text() == told
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
