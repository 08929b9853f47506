"""The page's module alone: a static page, a stand-in for the widget's model, real keys, no Jupyter."""

import copy
import json
import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect
from support import shown
from support.fake_sweep import fake_sweep
from support.pages import box_of, get, open_view, put, reload, settle, size_of

from kdlab.mixtures.experiment import teacher_entropy
from kdlab.mixtures.view import payload, show

pytestmark = pytest.mark.browser

SCRIPTS = ("pictures/plane.js", "pictures/sweep_view.js", "mixtures/view.js")


def assert_shows(page: Page, sweep: Any, index: int) -> None:
    """Assert that slider, dot, models, numbers and sentence are the sweep's at this position, with no more waiting."""
    root = page.locator(".kdlab-view")
    assert root.get_attribute("data-index") == str(index)
    shown.assert_shows(root, payload(sweep), index)


@pytest.mark.parametrize("dim", [1, 2])
def test_real_keys_walk_the_sweep(page: Page, dim: int) -> None:
    """Each press is drawn within two frames of the page, which is as long as `settle` waits."""
    sweep = fake_sweep(dim)
    open_view(page, show(sweep))
    assert_shows(page, sweep, 0)
    expect(page.locator(".kdlab-path-all")).to_have_css("visibility", "visible")  # no question that it would answer
    page.get_by_role("slider", name="beta, how selective the teacher is").focus()
    index = 0
    for key, step in [("ArrowRight", 1), ("ArrowRight", 1), ("ArrowLeft", -1), ("ArrowUp", 1), ("End", 200)]:
        page.keyboard.press(key)
        settle(page)
        index = min(index + step, 120)
        assert_shows(page, sweep, index)
    past, whole = (page.locator(f".kdlab-path-{name}").get_attribute("d") for name in ("past", "all"))
    assert past == whole and (past or "").count("M") == 2  # the path has a gap where the best student switches
    page.keyboard.press("Home")
    settle(page)
    assert_shows(page, sweep, 0)
    page.keyboard.press("PageUp")
    settle(page)
    assert int(page.locator(".kdlab-view").get_attribute("data-index") or 0) > 5
    assert get(page, "page_errors") == []


def test_elements_are_made_once_and_only_moved(page: Page) -> None:
    sweep = fake_sweep(2)
    open_view(page, show(sweep))
    page.evaluate("window.before = [...document.querySelectorAll('.kdlab-view *')]")
    page.locator(".kdlab-beta").focus()
    for _ in range(5):
        page.keyboard.press("ArrowRight")
    settle(page)
    assert page.evaluate(
        "(() => { const now = [...document.querySelectorAll('.kdlab-view *')];"
        "return now.length === before.length && now.every((e, i) => e === before[i]); })()"
    )


def test_python_hears_of_beta_when_the_slider_rests(page: Page) -> None:
    sweep = fake_sweep(1)
    open_view(page, show(sweep))
    # Ten moves in one task of the page: however slow the machine, the slider cannot have rested between them.
    page.evaluate("""() => {
      const slider = document.querySelector(".kdlab-beta");
      for (let index = 1; index <= 10; index += 1) {
        slider.value = index;
        slider.dispatchEvent(new Event("input"));
      }
    }""")
    assert page.evaluate("model.saved") == 0
    page.wait_for_function("model.saved > 0")
    assert get(page, "beta") == pytest.approx(sweep.betas[10], rel=1e-4)
    assert page.evaluate("model.saved") == 1
    put(page, beta=100.0)
    assert_shows(page, sweep, 120)


def test_another_setting_waits_then_shows_and_is_remembered(page: Page) -> None:
    one, two = fake_sweep(2, 1), fake_sweep(2, 2)
    open_view(page, show(one), beta=5.0)
    slider, index = page.locator(".kdlab-beta"), one.index(5.0)
    page.locator(".kdlab-n-components").select_option("2")
    assert get(page, "settings")["n_components"] == 2
    expect(slider).to_be_disabled()
    assert page.locator(".kdlab-view").get_attribute("aria-busy") == "true"
    put(page, progress=0.42)
    expect(page.locator(".kdlab-status")).to_have_text(re.compile("42 %"))
    assert_shows(page, one, index)  # the picture stays while the next one is made
    put(page, sweep=payload(two), progress=None)
    assert_shows(page, two, index)  # and beta stays where it was
    expect(slider).to_be_enabled()
    expect(page.locator(".kdlab-status")).to_be_hidden()
    page.locator(".kdlab-n-components").select_option("1")
    assert_shows(page, one, index)  # already here: no waiting
    expect(slider).to_be_enabled()


def test_a_late_answer_does_not_overwrite(page: Page) -> None:
    one, two = fake_sweep(2, 1), fake_sweep(2, 2)
    open_view(page, show(one))
    page.locator(".kdlab-n-components").select_option("2")
    page.locator(".kdlab-n-components").select_option("1")
    put(page, sweep=payload(two))
    assert_shows(page, one, 0)
    expect(page.locator(".kdlab-beta")).to_be_enabled()


def test_reset_goes_back_to_what_the_cell_opened(page: Page) -> None:
    one, two = fake_sweep(2, 1), fake_sweep(2, 2)
    open_view(page, show(one), beta=2.0)  # where the slider was when the page was loaded
    page.locator(".kdlab-n-components").select_option("2")
    put(page, sweep=payload(two))
    page.locator(".kdlab-beta").focus()
    page.keyboard.press("End")
    settle(page)
    assert_shows(page, two, 120)
    page.locator(".kdlab-reset").click()
    settle(page)
    assert_shows(page, one, 0)


def test_a_page_that_is_reloaded_goes_on_where_it_was(page: Page) -> None:
    """The question stays with its own sweep, Reset goes back to it, and what was seen is not asked for again."""
    one, two, outcome = fake_sweep(2, 1), fake_sweep(2, 2), page.locator(".kdlab-outcome")
    open_view(page, show(one, predict={"question": "Recall?", "options": ["rises", "falls"], "outcome": "It fell."}))
    page.get_by_role("button", name="rises").click()
    page.locator(".kdlab-n-components").select_option("2")
    put(page, sweep=payload(two))
    reload(page)
    assert_shows(page, two, 0)
    page.locator(".kdlab-beta").press("End")
    settle(page)
    assert_shows(page, two, 120)
    expect(outcome).to_be_hidden()  # it is about another picture
    expect(page.locator(".kdlab-path-all")).to_have_css("visibility", "visible")
    page.locator(".kdlab-reset").click()
    assert get(page, "settings") == payload(one)["settings"]
    settle(page)
    expect(outcome).to_be_hidden()  # until the picture is there
    put(page, sweep=payload(one))
    assert_shows(page, one, 0)
    expect(outcome).to_have_text("You predicted: rises. Now move the slider to its right end and see.")
    page.locator(".kdlab-beta").press("End")
    expect(outcome).to_have_text("You predicted: rises. What happens: It fell.")
    page.wait_for_function("model.get('beta') === 100")  # told when the slider rests
    reload(page)
    assert_shows(page, one, 120)
    expect(outcome).to_have_text("You predicted: rises. What happens: It fell.")
    page.locator(".kdlab-reset").click()
    settle(page)
    assert_shows(page, one, 0)
    expect(outcome).to_have_text("You predicted: rises. What happens: It fell.")


def test_seed_and_family_are_offered_only_where_they_matter(page: Page) -> None:
    open_view(page, show(fake_sweep(2)))
    expect(page.locator(".kdlab-seed")).to_be_disabled()
    page.locator(".kdlab-samples").select_option("100")
    expect(page.locator(".kdlab-seed")).to_be_enabled()
    line = payload(fake_sweep(1))
    put(page, settings=line["settings"], sweep=line)
    expect(page.locator(".kdlab-covariance")).to_be_disabled()  # in one dimension all families are one
    expect(page.locator(".kdlab-n-components")).to_be_enabled()


REAL = [("line", 1), ("falls", 1), ("ring", 1), ("ring", 4), ("rare", 4)]


@pytest.mark.parametrize("of", [1, 2, *REAL])
def test_the_names_in_the_plane_never_cover_a_mark(page: Page, of: Any) -> None:
    """At every position the dot's name keeps off the dot, the other name and the axis, and inside the picture."""
    open_view(page, show(fake_sweep(of) if isinstance(of, int) else teacher_entropy(*of)))
    overlaps = page.evaluate("""() => {
      window.requestAnimationFrame = (draw) => { draw(); return 0; }; // drawn at once: no waiting for the screen
      const slider = document.querySelector(".kdlab-beta"), plane = document.querySelector(".kdlab-plane");
      const box = (name) => plane.querySelector(name).getBBox();
      const apart = (a, b) => a.x + a.width <= b.x || b.x + b.width <= a.x
        || a.y + a.height <= b.y || b.y + b.height <= a.y;
      const found = [];
      for (let i = 0; i <= Number(slider.max); i += 1) {
        slider.value = i;
        slider.dispatchEvent(new Event("input"));
        const name = box(".kdlab-student-name"), dot = box(".kdlab-student-dot");
        const tight = { x: name.x, y: name.y + 3, width: name.width, height: name.height - 6 };
        const other = box(".kdlab-direct-name");
        const inner = { x: other.x, y: other.y + 3, width: other.width, height: other.height - 6 };
        if (!apart(tight, dot) || !apart(tight, inner) || name.x < 58 || name.y + name.height > 372) found.push(i);
      }
      return found;
    }""")
    assert overlaps == []


@pytest.mark.parametrize(
    ("break_it", "said"),
    [
        (lambda sent: sent.pop("recall"), 'no entries in "recall"'),
        (lambda sent: sent["precision"].pop(), '120 entries in "precision" for 121 positions'),
        (lambda sent: sent["student"]["means"][7][0].__setitem__(0, None), '"null" in student.means.7.0.0'),
        (lambda sent: sent["recall"].__setitem__(3, "nan"), '"nan" in recall.3'),
        (lambda sent: sent.pop("bounds"), '"undefined" in bounds'),
    ],
)
def test_a_broken_sweep_is_refused_in_words(page: Page, break_it: Any, said: str) -> None:
    good = fake_sweep(2, 1)
    broken = copy.deepcopy(payload(fake_sweep(2, 2)))
    break_it(broken)
    open_view(page, show(good))
    page.locator(".kdlab-n-components").select_option("2")
    put(page, sweep=json.loads(json.dumps(broken)))
    expect(page.locator(".kdlab-error")).to_contain_text(said)
    assert said in get(page, "page_errors")[0]
    expect(page.locator(".kdlab-sentence")).to_have_text(good.sentences[0])  # the good picture stays and works
    page.locator(".kdlab-beta").press("ArrowRight")
    expect(page.locator(".kdlab-sentence")).to_have_text(good.sentences[1])


def test_a_view_that_opens_on_a_broken_sweep_says_so(page: Page) -> None:
    open_view(page, show(fake_sweep(2)), sweep={"key": "x", "beta": []})
    expect(page.locator(".kdlab-error")).to_contain_text("0 positions of beta")
    expect(page.locator(".kdlab-beta")).to_be_disabled()
    assert len(get(page, "page_errors")) == 1


def test_an_exception_while_drawing_is_shown_and_kept_once(page: Page) -> None:
    open_view(page, show(fake_sweep(2)))
    page.evaluate("Object.defineProperty(SVGElement.prototype, 'style', { get() { throw new Error('deliberate') } })")
    page.locator(".kdlab-beta").focus()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
        settle(page)
    expect(page.locator(".kdlab-error")).to_contain_text("deliberate")
    assert get(page, "page_errors") == ["deliberate"]


def test_a_prediction_covers_the_picture_until_it_is_made(page: Page) -> None:
    question = {"question": "Recall?", "options": ["rises", "falls"], "guess": None, "outcome": "It fell."}
    open_view(page, show(fake_sweep(2)), prediction=question)
    expect(page.locator(".kdlab-sentence")).to_be_hidden()
    expect(page.locator(".kdlab-numbers")).to_be_hidden()
    expect(page.locator(".kdlab-beta")).to_be_disabled()
    assert "precision" not in (page.locator(".kdlab-beta").get_attribute("aria-valuetext") or "")
    page.get_by_role("button", name="rises").click()
    assert get(page, "prediction")["guess"] == "rises"
    expect(page.locator(".kdlab-cover")).to_be_hidden()
    expect(page.locator(".kdlab-sentence")).to_be_visible()
    expect(page.locator(".kdlab-beta")).to_be_enabled()
    still = "You predicted: rises. Now move the slider to its right end and see."
    expect(page.locator(".kdlab-outcome")).to_have_text(still)
    page.locator(".kdlab-beta").focus()
    page.keyboard.press("ArrowRight")
    settle(page)
    expect(page.locator(".kdlab-outcome")).to_have_text(still)  # what happens is said when it has been seen
    expect(page.locator(".kdlab-path-all")).to_have_css("visibility", "hidden")  # nor does the path ahead tell
    expect(page.locator(".kdlab-path-past")).to_have_css("visibility", "visible")
    page.keyboard.press("End")
    expect(page.locator(".kdlab-outcome")).to_have_text("You predicted: rises. What happens: It fell.")
    expect(page.locator(".kdlab-path-all")).to_have_css("visibility", "visible")


def test_a_page_whose_python_is_gone_says_so(page: Page) -> None:
    silence = "Python has not answered yet. If its kernel was stopped or restarted, run this cell again"
    page.clock.install()
    question = {"id": "x", "question": "Recall?", "options": ["rises", "falls"], "guess": None, "outcome": "It fell."}
    open_view(page, show(fake_sweep(2)), prediction=question)
    page.get_by_role("button", name="rises").click()
    page.locator(".kdlab-n-components").select_option("2")
    expect(page.locator(".kdlab-status")).to_have_text("Asking Python …")
    expect(page.locator(".kdlab-error")).to_be_hidden()
    page.clock.fast_forward(5000)
    expect(page.locator(".kdlab-error")).to_contain_text(f"Your guess is not kept. {silence}")
    expect(page.locator(".kdlab-status")).to_contain_text(silence)
    put(page, heard="rises", progress=0.5)  # it was only busy
    expect(page.locator(".kdlab-error")).to_be_hidden()
    expect(page.locator(".kdlab-status")).to_have_text("Making the students: 50 %")


@pytest.mark.parametrize("width", [1200, 760, 420, 300])
def test_nothing_is_wider_than_its_place_and_nothing_jumps(page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    open_view(page, show(fake_sweep(2)))
    space, plane = box_of(page, ".kdlab-space"), box_of(page, ".kdlab-plane")
    stacked = plane["y"] >= space["y"] + space["height"]
    assert stacked == (width < 560)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    size = size_of(page)
    page.locator(".kdlab-beta").focus()
    for key in ("Home", "PageUp", "End"):
        page.keyboard.press(key)
        settle(page)
        assert size_of(page) == size


def test_who_comes_by_keys_sees_the_whole_view(page: Page) -> None:
    """Below a long page: the slider gets the focus, and its picture and sentence are on the screen, not only itself."""
    page.set_viewport_size({"width": 980, "height": 720})
    open_view(page, show(teacher_entropy("line", 1)))
    page.evaluate("""() => {
      document.body.insertAdjacentHTML("afterbegin", "<p style='height: 1500px'><button>before</button></p>");
      document.body.insertAdjacentHTML("beforeend", "<p style='height: 1500px'></p>");
    }""")
    page.get_by_role("button", name="before").focus()
    page.keyboard.press("Tab")
    expect(page.locator(".kdlab-beta")).to_be_focused()
    settle(page)
    box = box_of(page, ".kdlab-view")
    assert 0 <= box["y"] and box["y"] + box["height"] <= 720
