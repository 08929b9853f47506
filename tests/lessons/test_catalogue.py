"""The exercises that there are, and the notebooks that show them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import nbformat
import pytest
from support.exercises import ALL, BOOKS, every_exercise, every_notebook
from support.lab import write_notebook
from support.site import build

from kdlab.core import answers
from kdlab.lessons import card, exercise, exercises_of
from kdlab.lessons.kinds import Code, Exercise


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
    assert len(set(one.wrong.values())) == len(one.wrong)
    assert all(len(why.split()) >= 15 for why in one.wrong.values())  # what, why not, where to look: not a word alone
    assert one.hints and one.right and one.task


# In the notebooks


def sources(path: Path) -> list[str]:
    return [cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]


@every_notebook
def test_a_notebook_shows_all_of_its_exercises_and_checks_every_function(path: Path) -> None:
    text, known = "\n".join(sources(path)), exercises_of(path.name[:2])
    assert sorted(re.findall(r'^exercise\("([^"]*)"\)$', text, flags=re.M)) == [one.id for one in known]
    assert set(re.findall(r'exercise\("([^"]*)"\)', text)) == {one.id for one in known}
    for one in known:
        if isinstance(one, Code):
            assert f'exercise("{one.id}").check({one.solution.__name__})' in text
            assert f"{one.signature}\n" in text  # the stub asks for what the check gives, and has a body to fill in


@every_notebook
def test_committed_cards_are_what_the_exercises_are_now(path: Path) -> None:
    """Change an exercise, or its look, and the notebooks that show it have to be built again: make notebooks."""
    shown = {}
    for cell in nbformat.read(path, as_version=4).cells:
        found = re.search(r'^exercise\("([^"]*)"\)$', cell.source, flags=re.M) if cell.cell_type == "code" else None
        if found:
            shown[found[1]] = dict(cell.outputs[-1].data)
    for one in exercises_of(path.name[:2]):
        assert shown.pop(one.id) == {"text/plain": card.plain(one), "text/html": card.page(one)}
    assert not shown


@pytest.mark.slow
def test_a_build_does_not_look_at_the_answers_in_its_folder(tmp_path: Path) -> None:
    question = {"id": "02.ring", "question": "?", "options": ["a", "b"], "outcome": "c"}
    show = f"from kdlab import mixtures\nmixtures.show(mixtures.teacher_entropy('line'), predict={question})"
    path = tmp_path / "a.ipynb"
    write_notebook(path, show, 'from kdlab import exercise\nexercise("02.1")', 'exercise("02.2").check(...)')
    build.build(path)
    without = path.read_bytes()
    assert [file.name for file in tmp_path.iterdir()] == ["a.ipynb"]
    exercise("02.1").check(2)
    answers.record("prediction 02.ring", {**question, "guess": "a"}, tmp_path)
    assert set(answers.read(tmp_path)) == {"exercise 02.1", "prediction 02.ring"}
    assert not build.build(path) and path.read_bytes() == without
