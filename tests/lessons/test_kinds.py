"""Exercises: solutions pass, each known mistake is told from every other, and nothing a reader writes breaks them."""

from __future__ import annotations

import ast
import importlib
import inspect
import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from itertools import combinations
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pytest
from playwright.sync_api import expect
from scipy import special
from support.axe import serious
from support.chromium import chromium
from support.lab import Lab, write_notebook

from kdlab import Estimate, GaussianMixture, precision, recall
from kdlab.core import answers
from kdlab.lessons import card as cards
from kdlab.lessons import exercise, exercises_of
from kdlab.lessons import exercise_view as form
from kdlab.lessons import predictions as questions
from kdlab.lessons.exercises import nb01, nb03, nb04
from kdlab.lessons.exercises.nb03 import my_slope
from kdlab.lessons.exercises.nb04 import my_log_prob, my_tempered
from kdlab.lessons.exercises.nb05 import my_choices
from kdlab.lessons.exercises.nb05 import my_log_prob as log_prob_of_logits
from kdlab.lessons.kinds import Choice, Code, Exercise, Verdict
from kdlab.lm.next_token import next_token_sweep
from kdlab.lm.recording import read_recording
from kdlab.mixtures import experiment as experiments
from kdlab.mixtures import mechanism
from kdlab.mixtures.scenes import make_scene

ROOT = Path(__file__).resolve().parents[2]
BOOKS = ("00", "01", "02", "03", "04", "05", "07")
ALL: list[Exercise] = [one for book in BOOKS for one in exercises_of(book)]
CODES = [one for one in ALL if isinstance(one, Code)]
CHOICES = [one for one in ALL if isinstance(one, Choice)]
NOTEBOOKS = [path for path in sorted((ROOT / "notebooks").glob("*.ipynb")) if path.name[:2] in BOOKS]

every_exercise = pytest.mark.parametrize("one", ALL, ids=lambda one: one.id)
every_code = pytest.mark.parametrize("one", CODES, ids=lambda one: one.id)
every_choice = pytest.mark.parametrize("one", CHOICES, ids=lambda one: one.id)
every_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(answers, "_told", set())
    return tmp_path


# What there is


def test_two_or_three_for_every_notebook_and_no_name_twice() -> None:
    assert [len(exercises_of(book)) for book in BOOKS] == [2, 3, 3, 3, 3, 3, 3]
    assert [one.id for one in ALL] == [f"{book}.{i + 1}" for book in BOOKS for i in range(len(exercises_of(book)))]
    assert all(exercise(one.id) is one for one in ALL)


@pytest.mark.parametrize("name", ["", "00", "00.9", "06.1", "../x", None, 1.1])
def test_an_unknown_name_is_an_error_that_lists_the_known(name: Any) -> None:
    with pytest.raises(ValueError, match=r"There is no exercise .*: choose one of 00\.1, .*07\.3"):
        exercise(name)


def test_an_unknown_notebook_is_an_error() -> None:
    with pytest.raises(ValueError, match="choose one of 00, 01, 02, 03, 04"):
        exercises_of("frame")


@every_exercise
def test_three_wrong_answers_at_least_each_with_its_own_explanation(one: Exercise) -> None:
    assert len(one.wrong) >= 3
    for texts in ([wrong.why for wrong in one.wrong], [str(wrong.answer) for wrong in one.wrong]):
        assert len(set(texts)) == len(texts)
    assert all(len(wrong.why.split()) >= 15 for wrong in one.wrong)  # what, why not, where to look: not a word alone
    assert one.hints and one.right and one.task


# Judging


@every_code
def test_the_solution_is_right_and_each_mistake_is_named(one: Code) -> None:
    assert one.check(one.solution) == Verdict("right", f"Right. {one.right}")
    for wrong in one.wrong:
        assert one.check(wrong.answer) == Verdict("wrong", f"Not yet. {wrong.why}")


def values(one: Code, function: Any) -> list[np.ndarray]:
    results = [function(*case.make()) for case in one.cases]
    flat = [part for result in results for part in (result if isinstance(result, tuple) else (result,))]
    return [np.asarray(part, float) for part in flat]


@every_code
def test_right_and_wrong_are_far_apart(one: Code) -> None:
    """At least twice the tolerance between any two: no diagnosis hangs on the order in which they are tried."""
    functions = [one.solution, *(wrong.answer for wrong in one.wrong)]
    for first, second in combinations([values(one, function) for function in functions], 2):
        assert max(np.abs(a - b).max() for a, b in zip(first, second, strict=True)) > 2 * one.tolerance


@every_code
def test_arguments_are_fresh_each_time(one: Code) -> None:
    def spoils(*arguments: Any) -> Any:
        result = one.solution(*arguments)
        for argument in arguments:
            if isinstance(argument, np.ndarray):
                argument[...] = 0
        return result

    spoils.__signature__ = inspect.signature(one.solution)  # type: ignore[attr-defined]
    assert one.check(spoils).kind == one.check(spoils).kind == "right"


@every_choice
def test_one_option_is_right_and_every_other_says_why_not(one: Choice) -> None:
    assert len(one.options) == len(one.wrong) + 1 == len(set(one.options))
    assert one.options[one.place - 1] == one.answer
    for number, option in enumerate(one.options, 1):
        verdict = one.check(option)
        assert verdict == one.check(number) == one.check(np.int64(number)) == one.check(f" {option.upper()}. ")
        assert verdict == one.check(str(number))
        assert verdict.kind == ("right" if option == one.answer else "wrong")
    assert len({one.check(option).text for option in one.options}) == len(one.options)


def test_right_options_are_not_always_in_the_same_place() -> None:
    assert len({one.place for one in CHOICES}) >= 3


class Strange:
    """Refuses whatever one does with it."""

    def __repr__(self) -> str:
        raise RuntimeError("no")

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("no")

    __hash__ = None  # type: ignore[assignment]


def raising(*arguments: Any) -> Any:
    raise KeyError("oh")


def leaving(*arguments: Any) -> Any:
    sys.exit(3)


def endless(*arguments: Any) -> Any:
    return endless(*arguments)


HOSTILE = {
    "None": None,
    "Ellipsis": ...,
    "a string": "the rare one",
    "a number": 0.5,
    "NaN": float("nan"),
    "an array": np.zeros(3),
    "strange": Strange(),
    "True": True,
    "a list": [1, 2],
    "zero": 0,
    "minus one": -1,
    "no arguments": lambda: 1.0,
    "one argument": lambda x: 1.0,
    "too many": lambda a, b, c, d, e, f: 1.0,
    "raising": raising,
    "leaving": leaving,
    "endless": endless,
    "a class": Strange,
    "a builtin": max,
    "a type": dict,
    "gives None": lambda *x: None,
    "gives Ellipsis": lambda *x: ...,
    "gives (..., ...)": lambda *x: (..., ...),
    "gives a string": lambda *x: "1.0",
    "gives text": lambda *x: "much",
    "gives NaN": lambda *x: float("nan"),
    "gives inf": lambda *x: np.array([np.inf, 1.0]),
    "gives a matrix": lambda *x: np.zeros((7, 3)),
    "gives an empty array": lambda *x: np.zeros(0),
    "gives ragged lists": lambda *x: [[1.0], [1.0, 2.0]],
    "gives an Estimate": lambda *x: Estimate(1.0),
    "gives a pair": lambda *x: (1.0, 2.0),
    "gives a complex number": lambda *x: 1j,
    "gives itself": lambda *x: raising,
    "gives something strange": lambda *x: Strange(),
    "gives its arguments": lambda *x: x,
}


@pytest.mark.parametrize("name", HOSTILE)
@every_exercise
def test_nothing_that_a_reader_writes_raises(one: Exercise, name: str) -> None:
    verdict = one.check(HOSTILE[name])
    assert verdict.kind in ("other", "unfinished"), verdict
    assert len(verdict.text.split()) >= 5 and "Right" not in verdict.text
    assert verdict.text == str(verdict)
    json.dumps(verdict._repr_mimebundle_())


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (None, "Not answered yet: write my_divergence"),
        (lambda s, t: None, "Not answered yet: fill in my_divergence"),
        (lambda s, t: ..., "Not answered yet: fill in my_divergence"),
        (lambda s, t: recall(s, t), "returns an Estimate, and a plain number is wanted: add .value"),
        (lambda s: 1.0, "is called with (student, truth), yours takes (s)"),
        (
            lambda s, t: recall(t, t) - recall(s, t),
            "'Estimate' and 'Estimate'. An Estimate is no plain number: add .value",
        ),
        (
            lambda s, t: -recall(s, t),
            "An Estimate is no plain number: add .value. This was for a student with centre −1",
        ),
        (lambda s, t: np.exp(recall(s, t)), "add .value"),
        (lambda s, t: s.mean / 0, "Your function stopped with"),
        (lambda s, t: s.nothing, "AttributeError: 'GaussianMixture' object has no attribute 'nothing'"),
        (lambda s, t: np.ones(3), "returns an array of shape (3,) where one number is wanted"),
        (lambda s, t: float("nan"), "returns nan: look for a logarithm of zero"),
        (lambda s, t: "one", "returns 'one', which is not made of numbers"),
        (lambda s, t: 1.25, "For a student with centre −1 and standard deviation 2 yours gives 1.25, not 0.289."),
        (0.289, "This is 0.289, not a function: write check(my_divergence), without calling it"),
    ],
)
def test_what_is_said_helps(answer: Any, said: str) -> None:
    assert said in exercise("01.3").check(answer).text


def test_advice_about_estimates_only_where_one_was_in_the_way() -> None:
    assert ".value" not in exercise("01.3").check(lambda s, t: s.nothing).text


@every_code
def test_a_stub_is_not_answered_yet(one: Code, folder: Path) -> None:
    """As a notebook asks: one line to replace, and the function around it stands."""
    names: dict[str, Any] = {}
    exec(f"{one.signature}\n    return ...  # your turn\n", names)
    name = one.solution.__name__
    said = one.check(names[name])
    assert said.kind == "unfinished" and said.text.startswith(f"Not answered yet: fill in {name}")
    assert list(folder.iterdir()) == []


def test_who_speaks_and_who_scores_is_not_doubted_where_it_was_right() -> None:
    for mistake, word in (("_wrong_sign", "minus"), ("_summed", "added up"), ("_in_bits", "bits")):
        why = exercise("01.2").check(getattr(nb01, mistake)).text
        assert word in why and "scores" in why and "who is drawn from" not in why


def test_a_pair_is_asked_for_as_a_pair() -> None:
    said = exercise("02.2").check(lambda w, m, v: w @ m).text
    assert "return 2 things, with a comma between them" in said
    assert exercise("02.2").check(lambda w, m, v: list(exercise("02.2").solution(w, m, v))).kind == "right"


# Keeping


def test_answers_are_kept_and_unfinished_ones_are_not(folder: Path) -> None:
    exercise("02.1").check(None)
    exercise("02.2").check(...)
    exercise("02.2").check(lambda w, m, v: None)
    assert list(folder.iterdir()) == []
    exercise("02.1").check(2, reason="It is the lightest.")
    exercise("02.2").check(exercise("02.2").wrong[0].answer)
    kept = answers.read()
    assert kept["exercise 02.1"]["reason"] == "It is the lightest." and kept["exercise 02.1"]["right"] is True
    assert "weights @ variances" in kept["exercise 02.2"]["answer"] and kept["exercise 02.2"]["right"] is False


def test_trouble_with_keeping_is_said_once_after_the_verdict(folder: Path) -> None:
    (folder / "my_answers.json").write_text("broken", encoding="utf-8")
    first, second = exercise("02.1").check(2), exercise("02.1").check(2)
    assert first.kind == second.kind == "right"
    assert first.text.startswith(second.text) and "my_answers.json" in first.text.removeprefix(second.text)
    assert exercise("02.1")._repr_mimebundle_()["text/html"]


# The card


class Folds(HTMLParser):
    """Sorts the text of a page into what is in view and what is inside <details>; summaries are in view."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.stack: list[str] = []
        self.seen: list[str] = []
        self.folded: list[str] = []
        self.tags: set[str] = set()
        self.feed(page)
        assert self.stack == [], "tags that are not closed"

    def handle_starttag(self, tag: str, attributes: Any) -> None:
        self.tags.add(tag)
        assert not any(name.startswith("on") or name == "open" for name, _ in attributes), (tag, attributes)
        self.stack.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.stack.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.stack:
            hidden = "details" in self.stack and "summary" not in self.stack
            (self.folded if hidden else self.seen).append(data)


def secret(one: Exercise) -> list[str]:
    """What must not be in view: the lines of the solution, or the reason of the right option."""
    if isinstance(one, Choice):
        return re.split(r"(?<=[.:]) ", one.right)
    return [line.strip() for line in one.source.splitlines()[1:]] + re.split(r"(?<=[.:]) ", one.right)


def flat(text: str) -> str:
    return " ".join(text.replace("\N{NO-BREAK SPACE}", " ").replace("`", "").split())


@every_exercise
def test_the_solution_is_a_click_away_in_every_form(one: Exercise) -> None:
    bundle = one._repr_mimebundle_()
    page = Folds(bundle["text/html"])
    seen, folded = flat("".join(page.seen)), flat("".join(page.folded))
    assert not page.tags & {"script", "iframe", "img", "link"}
    for piece in map(flat, secret(one)):
        assert piece in folded
        assert piece not in seen and piece not in flat(bundle["text/plain"]), piece
    assert flat(one.title) in seen and all(part in seen for part in map(flat, one.task.split("\n\n")))
    assert flat(one.task) in flat(bundle["text/plain"])
    for hint in map(flat, one.hints):
        assert hint in folded and hint not in seen and hint not in flat(bundle["text/plain"])
    assert "Solution" in seen and "a click away" in bundle["text/plain"]


@every_exercise
def test_no_mark_that_a_card_does_not_know_is_left_standing(one: Exercise) -> None:
    """A card knows `code` alone: an asterisk before a word would be read as one, beside p*."""
    texts = [one.title, one.task, one.right, *one.hints, *(wrong.why for wrong in one.wrong)]
    texts += list(one.options) if isinstance(one, Choice) else [one.look]
    assert [text for text in texts if re.search(r"(?<![\w*])[*_]+\w", re.sub(r"`[^`]*`", "", text))] == []


@every_choice
def test_no_option_stands_out(one: Choice) -> None:
    """Neither the plain text nor the page says which option is right before a click."""
    bundle = one._repr_mimebundle_()
    for option in one.options:
        assert bundle["text/plain"].count(option) == 1
        assert flat("".join(Folds(bundle["text/html"]).seen)).count(flat(option)) == 1


@every_code
def test_what_is_shown_is_what_is_run(one: Code) -> None:
    names: dict[str, Any] = {"np": np, "recall": recall}
    exec(one.source, names)
    assert one.check(names[one.solution.__name__]).kind == "right"
    shown = Folds(cards.page(one)).folded
    assert one.source in "".join(shown)
    body = ast.parse(one.source).body[0].body[1:]  # type: ignore[attr-defined]
    assert len(body) <= 3  # of about three lines
    assert max(map(len, one.source.splitlines())) <= 80  # no scrolling in a card


@every_exercise
def test_the_card_does_not_depend_on_earlier_answers(one: Exercise, folder: Path) -> None:
    def committed() -> dict[str, Any]:
        return {mime: text for mime, text in one._repr_mimebundle_().items() if "widget" not in mime}

    before = committed()
    one.check(one.answer if isinstance(one, Choice) else one.solution)
    assert (folder / "my_answers.json").exists() and committed() == before
    (folder / "my_answers.json").write_text("broken", encoding="utf-8")
    assert committed() == before


# The form on the page


def press_check(view: form.ExerciseView, option: int, reason: str = "") -> None:
    """As a message from the page arrives."""
    view.set_state({"answer": {"option": option, "reason": reason, "times": view.answer["times"] + 1}})


@every_choice
def test_the_form_judges_and_keeps(one: Choice) -> None:
    view = form.ExerciseView(one)
    press_check(view, -1)
    assert "Not answered yet: choose an option" in view.said and answers.read() == {}
    for i, option in enumerate(one.options):
        press_check(view, i, "so it is")
        assert view.said == cards.bare_verdict(one.judge(option))
        assert answers.read()[one.key]["reason"] == "so it is"
    again = form.ExerciseView(one)
    assert again.answer == {"option": len(one.options) - 1, "reason": "so it is", "times": 0}
    assert again.said == view.said
    answers.forget()
    assert form.ExerciseView(one).answer["option"] == -1


def test_the_form_hides_nothing_in_its_traits_that_the_page_does_not_fold() -> None:
    for one in ALL:
        content = form.ExerciseView(one).content
        assert one.right not in content["question"] and one.right not in "".join(content["options"])
        assert content["folded"].count("<details>") == len(one.hints) + 1


def test_exercises_stay_out_of_the_package_and_widgets_out_of_judging() -> None:
    code = "import sys, kdlab; assert not any('exercises' in name for name in sys.modules)\n"
    code += "from kdlab.lessons import exercise; exercise('00.1').judge(1)\n"
    code += "assert not {'anywidget', 'ipywidgets', 'IPython', 'matplotlib'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


# What is said in the notebooks


def sources(path: Path) -> list[str]:
    return [cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]


@every_notebook
def test_a_notebook_shows_all_of_its_exercises_and_no_others(path: Path) -> None:
    shown = re.findall(r'^exercise\("([^"]*)"\)$', "\n".join(sources(path)), flags=re.M)
    named = re.findall(r'exercise\("([^"]*)"\)', "\n".join(sources(path)))
    assert sorted(shown) == [one.id for one in exercises_of(path.name[:2])]
    assert set(named) == set(shown)


@every_notebook
def test_a_notebook_checks_every_function_that_it_asks_for(path: Path) -> None:
    text = "\n".join(sources(path))
    for one in exercises_of(path.name[:2]):
        if isinstance(one, Code):
            name = one.solution.__name__
            assert f'exercise("{one.id}").check({name})' in text
            assert f"{one.signature}\n" in text  # the stub asks for what the check gives, and has a body to fill in


@every_notebook
def test_every_question_of_a_notebook_is_asked_in_it_once(path: Path) -> None:
    names = re.findall(r'questions\.ask\("([^"]*)"', "\n".join(sources(path)))
    assert names == [one.id for one in questions.QUESTIONS if one.id.startswith(f"{path.name[:2]}.")] != []
    assert "predict={" not in "\n".join(sources(path))


@every_notebook
def test_committed_cards_are_what_the_exercises_are_now(path: Path) -> None:
    """Change an exercise, or its look, and the notebooks that show it have to be built again: make notebooks."""
    shown = {}
    for cell in nbformat.read(path, as_version=4).cells:
        found = re.search(r'^exercise\("([^"]*)"\)$', cell.source, flags=re.M) if cell.cell_type == "code" else None
        if found:
            shown[found[1]] = dict(cell.outputs[-1].data)
    now = {
        one.id: {"text/plain": cards.plain(one), "text/html": cards.page(one)} for one in exercises_of(path.name[:2])
    }
    assert shown == now


@pytest.mark.slow
def test_a_build_does_not_look_at_the_answers_in_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT / "notebooks")
    build = importlib.import_module("build").build
    question = {"id": "02.ring", "question": "?", "options": ["a", "b"], "outcome": "c"}
    show = f"from kdlab import mixtures\nmixtures.show(mixtures.teacher_entropy('line'), predict={question})"
    path = tmp_path / "a.ipynb"
    write_notebook(path, show, 'from kdlab import exercise\nexercise("02.1")', 'exercise("02.2").check(...)')
    build(path)
    without = path.read_bytes()
    assert [file.name for file in tmp_path.iterdir()] == ["a.ipynb"]
    exercise("02.1").check(2)
    answers.record("prediction 02.ring", {**question, "guess": "a"}, tmp_path)
    assert set(answers.read(tmp_path)) == {"exercise 02.1", "prediction 02.ring"}
    assert not build(path) and path.read_bytes() == without
    (tmp_path / "my_answers.json").write_text("broken", encoding="utf-8")
    assert not build(path) and path.read_bytes() == without


# In a browser


@pytest.mark.browser
@pytest.mark.slow
def test_a_card_is_answered_with_keys_and_remembers(jupyter: Lab) -> None:
    """JupyterLab takes arrow keys, Enter and Space away from what stands in an output, unless it is told not to."""
    lab = jupyter.within("exercises")
    show = 'from kdlab import exercise\nexercise("02.1")'
    write_notebook(lab.folder / "a.ipynb", show)
    with chromium() as browser:
        notebook = lab.open(browser, "a.ipynb")
        notebook.run_all()
        page, keys = notebook.page, notebook.page.keyboard
        card, radios = page.locator(".kdlab-card"), page.locator(".kdlab-card input[type=radio]")
        expect(card.locator("details[open]")).to_have_count(0)
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
        expect(card.locator(".kdlab-verdict")).to_have_class(re.compile("kdlab-verdict-wrong"))
        expect(card.locator(".kdlab-said")).to_be_in_viewport(ratio=0.98)  # but for a part of a pixel
        keys.press("Tab")
        keys.press("Enter")
        expect(card.locator("details[open] summary")).to_have_text("Hint 1 of 2")
        assert answers.read(lab.folder)["exercise 02.1"]["reason"].startswith("it is rare")
        assert serious(card) == []

        notebook.run_all()
        expect(radios.nth(2)).to_be_checked()
        expect(card.locator("textarea")).to_have_value("it is rare, and b is a key of the notebook")
        expect(card.locator(".kdlab-verdict-wrong")).to_be_visible()
        radios.nth(1).check()
        card.locator("button").click()
        expect(card.locator(".kdlab-verdict-right")).to_contain_text("Right.")
        assert notebook.thrown == []
        notebook.close()


# What the exercises say, against the numbers


def said(name: str) -> str:
    one = exercise(name)
    return " ".join([one.task, one.right, *one.hints, *(wrong.why for wrong in one.wrong)])


def written(value: float, digits: int = 2) -> str:
    return f"{value:.{digits}f}".replace("-", "−")


def test_00_1_the_lightest_mode_is_lost_first() -> None:
    sweep = experiments.teacher_entropy("line", 1)
    lost = [sweep.betas[int(np.argmin(column))] if not column.all() else np.inf for column in sweep.covered.T]
    assert lost[3] < lost[2] < lost[1] < lost[0] == np.inf
    assert f"β = {lost[3]:.2f}" in said("00.1") and f"β = {lost[2]:.2f}" in said("00.1")
    assert list(dict.fromkeys(sweep.covered.sum(axis=1).tolist())) == [4, 3, 2, 1]
    assert round(100 * sweep.at(2).teacher.weights[3]) == 3
    assert (np.diff(sweep.student_means[:, 0, 0]) < 0).all()  # the centre moves left
    assert (np.diff(sweep.student_covariances[:, 0, 0, 0]) < 0).all()  # and the student narrows


def test_01_2_the_standard_error() -> None:
    one = exercise("01.2")
    for case in one.cases:
        student, truth, rng = case.make()
        error = truth.log_prob(student.sample(10_000, rng)).std() / 100
        assert error < 0.025 and one.tolerance > 4 * error
        exact = precision(student, truth).value
        assert abs(one.solution(*case.make()) - exact) < 4 * error
    assert "at most 0.02" in said("01.2")


def test_01_1_the_numbers_of_the_options() -> None:
    sweep = experiments.teacher_entropy("line", 1)
    truth = sweep.scene.truth

    def bell(mean: float, deviation: float) -> GaussianMixture:
        return GaussianMixture([1.0], [[mean]], [[[deviation**2]]])

    text = said("01.1")
    wide = bell(truth.mean[0], float(np.sqrt(truth.covariance[0, 0])))
    assert written(precision(wide, truth).value) == "−2.91" and "−2.91" in text
    bump = precision(bell(-3.0, 0.45), truth).value
    assert written(bump) == "−1.51" and "−1.51" in text
    narrower = [precision(bell(-3.0, width), truth).value for width in (0.3, 0.1, 0.03, 0.01)]
    assert all(a < b for a, b in zip([bump, *narrower], narrower, strict=False))
    assert written(narrower[-1]) == written(sweep.precision_bound) == "−1.04" and "−1.04" in text
    assert recall(bell(-3.0, 0.01), truth).value < -10_000
    assert precision(bell(-1.0, 10.0), truth).value < precision(wide, truth).value
    assert "direct" not in text  # nobody has told the reader of a direct student yet


def test_01_1_where_a_wide_student_pays() -> None:
    """A fine grid: its error is far below the last digit that is said."""
    truth = experiments.teacher_entropy("line", 1).scene.truth
    mean, variance = truth.mean[0], truth.covariance[0, 0]
    x = np.linspace(-20, 20, 400_001)
    share = np.exp(-((x - mean) ** 2) / (2 * variance))
    share, scores = share / share.sum(), truth.log_prob(x[:, None])
    centres, width = truth.means.ravel(), np.sqrt(truth.covariances[0, 0, 0])
    away = np.abs(x[:, None] - centres).min(axis=1) > 2 * width
    outside = away & ((x < centres.min()) | (x > centres.max()))
    there = share[outside] @ scores[outside] / share[outside].sum()
    text = said("01.1")
    assert f"{100 * share[away].sum():.0f} percent of what it says lies more than two bump widths" in text
    assert f"{100 * share[outside].sum():.0f} percent lie more than two bump widths beyond the outer centres" in text
    assert f"log p* there is {written(there, 1)} nats on average" in text
    assert scores[away & ~outside].min() > there  # even the deepest gap costs less than that


def test_02_1_who_misses_the_rare_mode() -> None:
    sweep = experiments.teacher_entropy("rare", 4)
    lost = [sweep.betas[int(np.argmin(column))] if not column.all() else np.inf for column in sweep.covered.T]
    assert sweep.covered[0].all() and lost[4] < 1.53 < min(lost[:4])
    assert sweep.scene.truth.weights.argmin() == 4
    assert lost[3] == min(lost[:4]) and sweep.scene.truth.weights[:4].argmin() == 3
    start, end, text = sweep.at(1), sweep.at(1.53), said("02.1")
    assert f"β = {lost[3]:.2f}" in text
    assert f"Recall goes from {written(start.recall)} to {written(end.recall)}" in text
    assert f"precision from {written(start.precision)} to {written(end.precision)}" in text
    assert (sweep.recall[sweep.betas > end.beta] < end.recall).all()
    dips = np.flatnonzero(sweep.precision[: sweep.index(1.53)] < start.precision - 1e-9)
    assert f"around β = {sweep.betas[dips[0]]:.2f}" in text and len(dips) == 2 and "dips for two steps" in text
    assert (np.diff(sweep.recall[: sweep.index(1.53)]) < 0).all()  # it drops, and nothing of it comes back
    truth = sweep.scene.truth
    rare = GaussianMixture([1.0], [truth.means[4]], [truth.covariances[4]])
    there = [rare.expected_log_prob(sweep.at(beta).student).value for beta in (1, 1.5, 3, 10, 30, 100)]
    assert (np.diff(there) < 0).all() and f"at β = 100 log p″ is {written(there[-1], 0)} nats there" in text
    assert end.student.log_prob(truth.means[4:])[0] < start.student.log_prob(truth.means[4:])[0] - 3  # hardly said


def test_02_2_is_the_fit() -> None:
    sweep = experiments.teacher_entropy("ring", 1)
    for beta in (1, 3, 30):
        one = sweep.at(beta)
        diagonal = np.array([np.diag(covariance) for covariance in one.teacher.covariances])
        mean, variance = exercise("02.2").solution(one.teacher.weights, one.teacher.means, diagonal)
        np.testing.assert_allclose(mean, one.student.means[0], atol=1e-9)
        np.testing.assert_allclose(variance, np.diag(one.student.covariances[0]), atol=1e-9)


def test_02_3_the_numbers_of_the_notebook() -> None:
    sweep = experiments.teacher_entropy("ring", 1)
    selective = sweep.scene.teacher.tempered(100)
    pair = [sweep.direct, sweep.at(100).student]
    under = [precision(student, selective).value for student in pair]
    true = [precision(student, sweep.scene.truth).value for student in pair]
    text = said("02.3")
    assert f"From {written(under[0])} to {written(under[1])} is a gain of {under[1] - under[0]:.1f} nats" in text
    assert f"are {true[1] - true[0]:.1f} nats apart under p*, and {under[1] - under[0]:.1f} under" in text
    assert under[1] < selective.mode_density()
    assert (selective.log_prob(sweep.direct.sample(10_000, np.random.default_rng(0))) < -10).mean() > 0.5


@pytest.mark.parametrize("scene", ["line", "rare"])
def test_03_1_is_the_slope_of_precision(scene: str) -> None:
    """Against a finite difference of the exact precision; central, so its error is of the order of the step squared."""
    sweep = experiments.teacher_entropy(scene, 8)
    truth, teacher = sweep.scene.truth, sweep.scene.teacher
    scores = np.array(
        [
            GaussianMixture([1.0], [mean], [covariance]).expected_log_prob(truth).value
            for mean, covariance in zip(teacher.means, teacher.covariances, strict=True)
        ]
    )
    for beta in (1.0, 2.5, 6.0):
        step = 1e-3
        above, below = (precision(teacher.tempered(beta + sign * step), truth).value for sign in (1, -1))
        slope = my_slope(teacher.tempered(beta).weights, teacher.log_weights, scores)
        assert abs(slope - (above - below) / (2 * step)) < 1e-5


def test_03_1_looking_where_it_says_tells_mistakes_apart() -> None:
    """Of the two cases that are named, one at least gives each known mistake away."""
    one = exercise("03.1")
    assert isinstance(one, Code) and "all scores are equal" in one.look and "`log_alpha` in the place" in one.look

    def passes(function: Any) -> bool:
        for w, log_alpha, _ in (case.make() for case in one.cases):
            variance = w @ log_alpha**2 - (w @ log_alpha) ** 2
            alike = function(w, log_alpha, np.full(len(w), -2.0))
            if abs(alike) > 1e-9 or abs(function(w, log_alpha, log_alpha) - variance) > 1e-9:
                return False
        return True

    assert passes(one.solution)
    assert not any(passes(wrong.answer) for wrong in one.wrong)


def test_04_1_looking_where_it_says_tells_mistakes_apart() -> None:
    one, row = exercise("04.1"), np.array([0.75, 0.25])
    assert isinstance(one, Code) and "larger entry must grow" in one.look and "the sum must still be 1" in one.look

    def passes(function: Any) -> bool:
        cold = function(row, 0.5)
        return np.allclose(function(row, 1.0), row) and cold[0] > row[0] and abs(cold.sum() - 1) < 1e-9

    assert passes(one.solution)
    assert not any(passes(wrong.answer) for wrong in one.wrong)


def test_sign_and_unit_have_reasons_of_their_own() -> None:
    for name, mistake, word in (
        ("03.1", nb03._wrong_sign, "minus the slope"),
        ("04.2", nb04._wrong_sign, "minus the log-probability"),
        ("04.2", nb04._in_bits, "in bits"),
    ):
        assert word in exercise(name).check(mistake).text


def test_03_2_and_3_3_what_they_claim_of_the_sweeps() -> None:
    line = experiments.teacher_entropy("line", 1)
    assert line.covered[0].sum() == 4 and line.covered[-1].sum() == 1
    four, eight = (experiments.teacher_entropy("ring", k) for k in (4, 8))
    assert np.abs(four.precision - eight.precision).max() < 1e-9 and np.abs(four.recall - eight.recall).max() < 1e-9
    assert np.abs(four.kl).max() < 1e-9
    assert written(four.recall[0]) in said("03.3") and written(four.recall_bound) in said("03.3")
    round_four, round_eight = (experiments.teacher_entropy("ring", k, "spherical") for k in (4, 8))
    assert np.abs(round_four.precision - round_eight.precision).max() > 0.1


def test_04_1_is_what_the_slider_does_to_every_row() -> None:
    teacher = experiments.teacher_temperature(positions=7).teacher
    for tau in (0.3, 1.5):
        hotter = teacher.tempered(1 / tau).next_letters("ma")
        np.testing.assert_allclose(my_tempered(teacher.next_letters("ma"), tau), hotter, rtol=0, atol=1e-12)


def test_04_2_is_the_log_probability_of_a_name() -> None:
    truth = experiments.teacher_temperature(positions=7).truth
    ends = "abcdefghijklmnopqrstuvwxyz"
    steps = [truth.next_letters("mary"[:i])[ends.index("mary"[i])] for i in range(4)]
    steps.append(truth.next_letters("mary")[-1])
    assert my_log_prob(np.array(steps)) == pytest.approx(truth.log_prob(["mary"])[0], abs=1e-12)


def test_04_3_what_it_claims_of_the_sweep() -> None:
    sweep = experiments.teacher_temperature(3, 2, 2)
    cold, one = sweep.at(0.3), sweep.at(1.0)
    np.testing.assert_allclose(cold.student.table, cold.teacher.table, rtol=0, atol=1e-12)  # has room
    for moment in (cold, one):
        assert written(moment.precision) in said("04.3") and written(moment.recall) in said("04.3")
    steps = [moment.student.visits.sum() for moment in (one, cold)]  # the letters of a name and its end, on average
    rates = [moment.precision / n for moment, n in zip((one, cold), steps, strict=True)]
    assert f"from {steps[0] - 1:.2f} to {steps[1] - 1:.2f} letters" in said("04.3")
    assert f"rises too, from {written(rates[0])} to {written(rates[1])}" in said("04.3") and rates[1] > rates[0]
    ring = make_scene("ring")
    scores = mechanism.component_precisions(ring.teacher, ring.truth)
    assert "heaviest component is no better than the four are on average" in said("04.3")
    heaviest, average = scores[ring.teacher.weights.argmax()], ring.teacher.weights @ scores
    assert len(scores) == 4 and heaviest < min(average, scores.mean())


def test_05_1_and_05_2_are_what_scipy_has() -> None:
    logits, ids = np.random.default_rng(0).normal(0, 3, (7, 20)), np.array([3, 1, 4, 1, 5, 9, 0])
    wanted = special.log_softmax(logits, axis=1)[np.arange(7), ids].sum()
    assert log_prob_of_logits(logits, ids) == pytest.approx(wanted, abs=1e-10)
    sweep = next_token_sweep("x", logits[0], str)
    for tau in (0.3, 1.0, 1.5):
        assert my_choices(logits[0], tau) == pytest.approx(sweep.at(tau).choices, rel=1e-12)


def test_05_2_and_05_3_the_numbers_of_the_recording() -> None:
    recording = read_recording()
    at = recording.sweeps["My favorite color is"].at(1)
    assert f"{at.entropy:.2f} nats after “My favorite color is” are {at.choices:.0f} choices" in said("05.2")
    again, costs = recording.cut_again, [way.log_prob for way in recording.ways]
    assert f"Of the {again['texts']} texts above, {again['changed']} came back" in said("05.3")
    assert f"{again['outside']} of the {again['texts']} texts above come back" in said("05.3")
    assert f"from {written(max(costs))} to {written(min(costs))}" in said("05.3") and len(costs) == 4
