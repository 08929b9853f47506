"""The notebooks in a real JupyterLab: every cell run, every control moved by real keys, every picture compared."""

import os
import re
import signal
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect
from support import hands
from support.axe import serious
from support.hands import LAST, await_answer, leap_through, select_of
from support.lab import Lab, Notebook, write_notebook
from support.pages import settle
from support.shown import assert_shows, assert_stills_shown, look

from kdlab.mixtures import experiment, single
from kdlab.mixtures.scenes import make_scene
from kdlab.pictures.live import SAVED

pytestmark = [pytest.mark.browser, pytest.mark.slow]

# A small notebook of the tests' own, for what no committed notebook should show: three views, one for each test.
VIEWS = {"background": "line", "stopped": "line", "broken": "ring"}
SHOW = "from kdlab import mixtures\n{name} = mixtures.show(mixtures.teacher_entropy({scene!r}))\n{name}"


@pytest.fixture(scope="module")
def small(jupyter: Lab, browser: Browser) -> Iterator[Notebook]:
    """The small notebook, run once for all tests of it."""
    lab = jupyter.within("small")
    write_notebook(lab.folder / "small.ipynb", *(SHOW.format(name=name, scene=scene) for name, scene in VIEWS.items()))
    with lab.running(browser, "small.ipynb") as notebook:
        yield notebook


def assert_no_errors(notebook: Notebook, view: str) -> None:
    assert notebook.json(f"{view}.errors") == []
    for error in notebook.page.locator(".kdlab-error").all():
        expect(error).to_be_hidden()


def assert_covered(root: Locator) -> None:
    expect(root.locator(".kdlab-cover")).to_be_visible()
    expect(root.locator(".kdlab-picture")).to_be_hidden()
    for control in root.locator(".kdlab-controls").locator("input, select, button").all():
        expect(control).to_be_disabled()


def commit_by_click(notebook: Notebook, root: Locator, view: str) -> None:
    assert_covered(root)
    option = root.locator(".kdlab-cover button").nth(1)
    guess = option.text_content()  # which is there even while the cell is off the screen, and not drawn
    assert guess
    option.click()
    expect(root.locator(".kdlab-outcome")).to_contain_text(f"You predicted: {guess}.")
    assert notebook.json(f"{view}.prediction['guess']") == guess


def stills_before_anything_has_run(page: Page) -> None:
    """What a reader sees whose kernel is still starting; the sentence is part of each still."""
    assert_stills_shown(page.locator(".jp-RenderedImage"))
    assert page.locator(".kdlab-view").count() == 0


def test_notebook_00(run_notebook: Any) -> None:
    notebook = run_notebook("00", stills_before_anything_has_run)
    assert notebook.page.locator(".kdlab-view").count() == 1
    root = notebook.view()
    commit_by_click(notebook, root, "view")
    opening = await_answer(root)
    assert_shows(root, opening, 0)
    assert serious(root) == []
    hands.step_through_every_position(notebook, root, opening)
    for field in ("covariance", "seed"):  # which could change nothing on a line, with all of the teacher
        expect(select_of(root, field)).to_be_disabled()
    hands.walk_select(notebook, root, "n_components")
    hands.reset_by_key(notebook, root, opening)
    assert_no_errors(notebook, "view")


def await_bell(root: Locator) -> single.Measured:
    """Assert that the numbers are those of the bell on the screen, and the metrics' own; return them."""
    settle(root.page)
    centre, width = (float(root.get_attribute(f"data-{name}") or "nan") for name in ("centre", "width"))
    right = single.measure(make_scene("line").truth, centre, width)
    expect(root.locator(".kdlab-sentence")).to_have_text(right.sentence)
    dot = root.locator(".kdlab-student-dot")
    assert float(dot.get_attribute("data-precision") or "nan") == pytest.approx(right.precision, abs=1e-6)
    assert float(dot.get_attribute("data-recall") or "nan") == pytest.approx(right.recall, abs=1e-6, rel=1e-11)
    return right


# What is drawn once it is what is wanted, looked at in every frame; what is there instead after five seconds.
_DRAWN = """async (root, [name, wanted]) => {
  const limit = performance.now() + 5000;
  while (root.getAttribute(name) !== wanted && performance.now() < limit) await new Promise(requestAnimationFrame);
  return root.getAttribute(name);
}"""


def walk_bell(notebook: Notebook, root: Locator, name: str, positions: list[float]) -> None:
    """One slider of the bell by real keys, position by position; every fiftieth waits for its numbers."""
    root.locator(f".kdlab-hand-{name}").focus()
    notebook.page.keyboard.press("Home")
    for i, position in enumerate([*positions, positions[-1]]):  # the last press has nowhere to go
        drawn = f"{position:g}"
        assert root.evaluate(_DRAWN, [f"data-{name}", drawn]) == drawn
        if i % 50 == 0 or i == len(positions):
            await_bell(root)
        notebook.page.keyboard.press("ArrowRight")


def test_notebook_01(run_notebook: Any) -> None:
    notebook = run_notebook("01")
    assert notebook.page.locator(".kdlab-view").count() == 1
    root = notebook.view()
    commit_by_click(notebook, root, "view")
    opening = await_bell(root)
    assert serious(root) == []
    world = notebook.json("view.world")
    walk_bell(notebook, root, "centre", [round(-5 + 0.05 * i, 2) for i in range(201)])
    walk_bell(notebook, root, "width", world["widths"])
    root.locator(".kdlab-hand-width").focus()
    notebook.page.keyboard.press("Home")
    await_bell(root)  # a spike
    grip = root.locator(".kdlab-hand-grip circle").bounding_box()
    assert grip
    x, y = grip["x"] + grip["width"] / 2, grip["y"] + grip["height"] / 2
    notebook.page.mouse.move(x, y)
    notebook.page.mouse.down()
    notebook.page.mouse.move(x - 120, y + 150, steps=15)
    notebook.page.mouse.up()
    dragged = await_bell(root)
    assert dragged.centre < 4 and dragged.width > 0.02
    place = [dragged.centre, dragged.width]
    assert notebook.soon("[view.measured.centre, view.measured.width]", place) == place  # told when the hand rests
    root.locator(".kdlab-reset").focus()
    notebook.page.keyboard.press("Enter")
    expect(root).to_have_attribute("data-centre", "0")
    assert await_bell(root) == opening
    assert_no_errors(notebook, "view")


# The notebook's active cell: [its number, that of the cell with the first picture, whether it has the keys itself].
_ACTIVE = """() => {
  const { content } = jupyterapp.shell.currentWidget;
  const picture = content.widgets.findIndex(({ node }) => node.querySelector(".kdlab-view"));
  return [content.activeCellIndex, picture, content.activeCell.node === document.activeElement];
}"""


def tab_to(notebook: Notebook, wanted: Locator, most: int = 8, key: str = "Tab") -> None:
    """Press Tab until this element has the keys; it must not take more than `most` presses."""
    for _ in range(most):
        notebook.page.keyboard.press(key)
        if wanted.evaluate("one => one === document.activeElement"):
            return
    raise AssertionError(f"{most} times {key}: {notebook.page.evaluate('document.activeElement.outerHTML')[:300]}")


def commit_by_keys(notebook: Notebook, root: Locator, view: str) -> None:
    """From the notebook's last cell, where running it ends, up to the cell above the picture, and in by Tab.

    JupyterLab's arrows pass over a cell whose code is folded, as this one's is.
    """
    assert_covered(root)
    assert serious(root) == []
    keys = notebook.page.keyboard
    # Where cells end while JupyterLab still lays out the page, it may leave the keys to nobody: ask for them once more.
    notebook.page.evaluate("jupyterapp.shell.currentWidget.content.activate()")
    notebook.page.wait_for_function(f"() => ({_ACTIVE})()[2]")
    for _ in range(100):
        active, picture, _ = notebook.page.evaluate(_ACTIVE)
        if active < picture:
            break
        keys.press("ArrowUp")
    option = root.locator(".kdlab-cover button").nth(1)
    tab_to(notebook, option)
    keys.press("Shift+Enter")  # meant for the notebook
    keys.press("Control+Enter")
    assert_covered(root)
    keys.press("Space")
    expect(root.locator(".kdlab-beta")).to_be_focused()  # the guess is made: the keys go on to the slider
    seen = root.evaluate("root => root.getBoundingClientRect().top")
    keys.press("Space")  # once more: it would scroll
    notebook.page.wait_for_timeout(200)
    assert root.evaluate("root => root.getBoundingClientRect().top") == seen
    expect(root.locator(".kdlab-outcome")).to_contain_text(f"You predicted: {option.text_content()}.")
    assert notebook.json(f"{view}.prediction['guess']") == option.text_content()


def as_the_sheet_says(notebook: Notebook, root: Locator) -> None:
    """INSTRUCTOR's keys from the slider to K″ = 4 and back to it, and what one is to say there; then as it was."""
    keys, opening = notebook.page.keyboard, await_answer(root)
    keys.press("Tab")
    for _ in range(3):
        keys.press("ArrowDown")
        await_answer(root)
    assert select_of(root, "n_components").input_value() == "4"
    keys.press("Shift+Tab")
    for key, told in (("Home", "−2.52"), ("End", "−2.78")):
        keys.press(key)
        expect(root.locator(".kdlab-beta")).to_have_attribute("aria-valuetext", re.compile(f"precision {told}"))
    keys.press("Tab")
    for _ in range(3):
        keys.press("ArrowUp")
        await_answer(root)
    assert await_answer(root) == opening
    keys.press("Shift+Tab")
    keys.press("Home")


def walk_by_keys(notebook: Notebook, root: Locator) -> None:
    """Slider, selects and Reset by Tab; out by Tab; back by Shift and Tab; to the notebook by Escape, or Ctrl."""
    keys, opening = notebook.page.keyboard, await_answer(root)
    for key, index in (("ArrowRight", 1), ("ArrowUp", 2), ("PageUp", 14), ("End", LAST), ("ArrowLeft", LAST - 1)):
        keys.press(key)
        assert_shows(root, opening, index)  # the value in words and the sentence among it
    for field in ("n_components", "scene"):
        tab_to(notebook, select_of(root, field), 2)
        keys.press("ArrowDown")
        chosen = await_answer(root)
        assert chosen["key"] != opening["key"]
        assert_shows(root, chosen, LAST - 1)
        keys.press("ArrowUp")
        assert await_answer(root) == opening
    keys.press("x")  # would cut the cell if the notebook had it
    keys.press("Control+A")  # would choose all cells
    assert notebook.page.evaluate("jupyterapp.shell.currentWidget.content.selectedCells.length") == 1
    tab_to(notebook, root.locator(".kdlab-reset"), 3)
    keys.press("Enter")
    assert_shows(root, await_answer(root), 0)
    keys.press("Tab")
    assert not root.evaluate("root => root.contains(document.activeElement)")
    tab_to(notebook, root.locator(".kdlab-reset"), key="Shift+Tab")  # over what JupyterLab puts on the next cell
    keys.press("Escape")
    active, picture, has_keys = notebook.page.evaluate(_ACTIVE)
    assert has_keys and active == picture
    keys.press("ArrowDown")
    notebook.page.wait_for_function(f"() => ({_ACTIVE})()[0] === {picture + 1}")
    # From where Tab has led out of the notebook, and from within the picture.
    for lost in (lambda: notebook.page.evaluate("document.activeElement.blur()"), root.locator(".kdlab-beta").focus):
        lost()
        keys.press("Control+Shift+C")
        notebook.page.locator(".jp-ModalCommandPalette input").wait_for()
        keys.press("Escape")
        notebook.page.wait_for_function(f"() => ({_ACTIVE})()[2]")


def test_notebook_02(run_notebook: Any) -> None:
    """With nothing but keys first, as somebody without a pointer would; then all positions of everything."""
    notebook = run_notebook("02")
    assert notebook.page.locator(".kdlab-view").count() == 2
    notebook.page.evaluate("addEventListener('pointerdown', () => { window.pointed = true; }, true)")
    root = notebook.view()
    commit_by_keys(notebook, root, "view")
    as_the_sheet_says(notebook, root)
    walk_by_keys(notebook, root)
    assert not notebook.page.evaluate("Boolean(window.pointed)")
    opening = await_answer(root)
    hands.step_through_every_position(notebook, root, opening)
    hands.walk_all_selects(notebook, root)
    hands.reset_by_key(notebook, root, opening)
    assert_no_errors(notebook, "view")
    falling = notebook.view(1)
    assert_covered(falling)
    guess = notebook.json("falling_view.prediction['options'][0]")
    notebook.run(f"falling_view.commit({guess!r})")  # from Python
    expect(falling.locator(".kdlab-outcome")).to_contain_text(f"You predicted: {guess}.")
    leap_through(notebook, falling, await_answer(falling))
    notebook.page.evaluate("document.body.dataset.jpThemeLight = 'false'")  # as JupyterLab says that it is dark
    assert serious(root) == [] == serious(falling)
    assert_no_errors(notebook, "falling_view")


def test_a_random_scene_is_made_in_the_background(small: Notebook) -> None:
    """The slider rests while Python works, says how far it is, and answers for the new sweep afterwards."""
    notebook, root = small, small.view(0)
    root.evaluate("""(root) => {
      const status = root.querySelector(".kdlab-status");
      window.said = [];
      new MutationObserver(() => { if (!status.hidden) said.push(status.textContent); })
        .observe(status, { childList: true, subtree: true, attributes: true });
    }""")
    random = list(experiment.CHOICES["scene"]).index("random")
    hands.choose(notebook, select_of(root, "scene"), random)
    leap_through(notebook, root, await_answer(root))
    expect(root.locator(".kdlab-status")).to_be_hidden()
    said = notebook.page.evaluate("said")
    assert any("%" in words for words in said), said
    assert notebook.json("background.sweep_shown.settings.key") == "random|1|diag|population|0"
    assert_no_errors(notebook, "background")


def test_the_slider_draws_with_the_kernel_stopped(small: Notebook) -> None:
    notebook, root, sent = small, small.view(1), hands.expected("line", 1, "diag", None, 0)
    kernel = int(notebook.run("import os\nprint(os.getpid())"))
    os.kill(kernel, signal.SIGSTOP)
    try:
        leap_through(notebook, root, sent)
        hands.choose(notebook, select_of(root, "n_components"), 1)  # only Python has that sweep
        expect(root.locator(".kdlab-status")).to_have_text("Asking Python …")
    finally:
        os.kill(kernel, signal.SIGCONT)
    answer = await_answer(root)
    assert_shows(root, answer, 107)  # the question had waited, and so had beta
    beta = round(answer["beta"][107], 6)
    assert notebook.soon("round(stopped.beta, 6)", beta) == beta
    assert_no_errors(notebook, "stopped")


def test_a_broken_callback_is_shown_and_kept(small: Notebook) -> None:
    notebook, root, sent = small, small.view(2), hands.expected("ring", 1, "diag", None, 0)
    notebook.run("""
from kdlab.mixtures import experiment
def raises(*args, **settings):
    raise ZeroDivisionError("broken on purpose")
whole, experiment.teacher_entropy = experiment.teacher_entropy, raises
""")
    select_of(root, "n_components").focus()
    notebook.page.keyboard.press("ArrowDown")
    expect(root.locator(".kdlab-error")).to_have_text("ZeroDivisionError: broken on purpose")
    (error,) = notebook.json("broken.errors")
    assert "Traceback" in error and "broken on purpose" in error
    # The picture is what it was, its controls say so, and it goes on working.
    assert hands.wanted(root)["n_components"] == 1
    root.locator(".kdlab-beta").focus()
    notebook.page.keyboard.press("End")
    assert look(root, LAST)["dot"][:2] == [sent["precision"][LAST], sent["recall"][LAST]]
    # And once Python is mended, asking again answers, and takes the message away.
    notebook.run("experiment.teacher_entropy = whole")
    hands.choose(notebook, select_of(root, "n_components"), 1)
    assert_shows(root, await_answer(root), LAST)
    assert len(notebook.json("broken.errors")) == 1


def assert_shown_as_saved(page: Page) -> None:
    """The picture's still and the exercise's text, each under the sentence that says what to run."""
    (sentence,) = (said["kdlab"] for said in SAVED.values())
    outputs = page.locator(".jp-OutputArea-output.jupyter-widgets")  # so called once ipywidgets has looked in vain
    expect(outputs).to_have_count(2, timeout=30_000)
    for output in outputs.all():
        expect(output.locator("p").first).to_have_text(sentence)
    expect(outputs.nth(0)).to_have_text(sentence)  # and nothing else in words
    still = outputs.nth(0).get_by_alt_text("At β = 1.00 the teacher")
    expect(still).to_be_visible()
    assert still.evaluate("image => image.decode().then(() => image.naturalWidth)") >= 800
    expect(outputs.nth(1)).to_contain_text("Exercise 02.1. Who would miss a rare mode?")


def test_a_notebook_that_is_opened_again_without_its_kernel(jupyter: Lab, browser: Browser) -> None:
    """It needs what `make setup`, or any other way of installing kdlab, puts among the parts of JupyterLab."""
    lab = jupyter.within("again")
    cells = (SHOW.format(name="view", scene="ring"), 'from kdlab import exercise\nexercise("02.1")')
    write_notebook(lab.folder / "again.ipynb", *cells)
    with lab.running(browser, "again.ipynb") as notebook:
        notebook.page.evaluate("jupyterapp.commands.execute('docmanager:save')")
    with lab.running(browser, "again.ipynb", assert_shown_as_saved) as notebook:
        expect(notebook.view()).to_be_visible()
        expect(notebook.page.get_by_role("button", name="Check", exact=True)).to_be_visible()
        expect(notebook.page.locator(".kdlab-reopened")).to_have_count(0)
