"""An exercise on the page: judged in Python, answered with real keys in JupyterLab."""

import re
import subprocess
import sys

import pytest
from playwright.sync_api import Browser, Page, expect
from support.axe import serious
from support.exercises import every_choice
from support.lab import Lab, write_notebook
from support.pages import open_view, put

from kdlab import exercise
from kdlab.core import answers
from kdlab.lessons import card
from kdlab.lessons.exercise_view import ExerciseView
from kdlab.lessons.kinds import Choice

SCRIPTS = ("lessons/exercise_view.js",)


@every_choice
def test_the_form_judges_and_keeps(one: Choice) -> None:
    view = ExerciseView(one)
    view.set_state({"answer": {"option": -1, "reason": "", "times": 1}})  # as a message from the page arrives
    assert "Not answered yet: choose an option" in view.said and answers.read() == {}
    for i, option in enumerate(one.options):
        view.set_state({"answer": {"option": i, "reason": "so it is", "times": i + 2}})
        assert view.said == card.bare_verdict(one.judge(option))
        assert answers.read()[one.key]["reason"] == "so it is"
    again = ExerciseView(one)
    assert again.answer == {"option": len(one.options) - 1, "reason": "so it is", "times": 0}
    assert again.said == view.said
    answers.forget()
    assert ExerciseView(one).answer["option"] == -1


def test_what_breaks_is_said_in_place_of_a_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    view = ExerciseView(exercise("02.1"))
    monkeypatch.setattr(Choice, "check", lambda *given: 1 / 0)
    view.set_state({"answer": {"option": 1, "reason": "", "times": 1}})
    assert "not judged (ZeroDivisionError: division by zero): run this cell again" in view.said and view.heard == 1


@pytest.mark.browser
def test_a_page_whose_python_is_gone_says_so(page: Page) -> None:
    page.clock.install()
    open_view(page, ExerciseView(exercise("02.1")))
    said = page.locator(".kdlab-said")
    for _ in range(2):
        page.get_by_role("button", name="Check").click()
        page.clock.fast_forward(5000)
        expect(said).to_have_text(re.compile("^Python has not answered yet. If its kernel was stopped"))
    put(page, said="<b>Right.</b>", heard=2)  # it was only busy
    expect(said).to_have_text("Right.")


def test_exercises_stay_out_of_the_package_and_widgets_out_of_judging() -> None:
    code = "import sys, kdlab; assert not any('exercises' in name for name in sys.modules)\n"
    code += "from kdlab.lessons import exercise; exercise('00.1').judge(1)\n"
    code += "assert not {'anywidget', 'ipywidgets', 'IPython', 'matplotlib'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.browser
@pytest.mark.slow
def test_a_card_is_answered_with_keys_and_remembers(jupyter: Lab, browser: Browser) -> None:
    """JupyterLab takes arrow keys, Enter and Space away from what stands in an output, unless it is told not to."""
    lab = jupyter.within("exercises")
    write_notebook(lab.folder / "a.ipynb", 'from kdlab import exercise\nexercise("02.1")')
    with lab.running(browser, "a.ipynb") as notebook:
        page, keys = notebook.page, notebook.page.keyboard
        shown, radios = page.locator(".kdlab-card"), page.locator(".kdlab-card input[type=radio]")
        expect(shown.locator("details[open]")).to_have_count(0)
        radios.first.focus()
        for key in ("Space", "ArrowDown", "ArrowDown"):
            keys.press(key)
        expect(radios.nth(2)).to_be_checked()
        keys.press("Tab")
        keys.type("it is rare, and b is a key of the notebook")
        keys.press("Tab")
        page.set_viewport_size({"width": 1000, "height": 420})  # too low for the card and what is said below it
        notebook.page.wait_for_function("() => document.activeElement.matches('.kdlab-card button')")
        keys.press("Enter")
        expect(shown.locator(".kdlab-verdict")).to_have_class(re.compile("kdlab-verdict-wrong"))
        expect(shown.locator(".kdlab-said")).to_be_in_viewport(ratio=0.98)  # but for a part of a pixel
        keys.press("Tab")
        keys.press("Enter")
        expect(shown.locator("details[open] summary")).to_have_text("Hint 1 of 2")
        assert answers.read(lab.folder)["exercise 02.1"]["reason"].startswith("it is rare")
        assert serious(shown) == []

        notebook.run_all()
        expect(radios.nth(2)).to_be_checked()
        expect(shown.locator("textarea")).to_have_value("it is rare, and b is a key of the notebook")
        expect(shown.locator(".kdlab-verdict-wrong")).to_be_visible()
        radios.nth(1).check()
        shown.locator("button").click()
        expect(shown.locator(".kdlab-verdict-right")).to_contain_text("Right.")
