"""The exercises that there are, and the notebooks that show them."""

import re
from pathlib import Path
from typing import Any

import pytest
from support.exercises import ALL, BOOKS, CHOICES, every_exercise, every_notebook
from support.repository import cells

from kdlab.lessons import card, exercise, exercises_of
from kdlab.lessons.kinds import Code, Exercise


def test_two_at_least_for_every_notebook_and_no_name_twice() -> None:
    assert all(len(exercises_of(book)) >= 2 for book in BOOKS)
    assert [one.id for one in ALL] == [f"{book}.{i + 1}" for book in BOOKS for i in range(len(exercises_of(book)))]
    assert all(exercise(one.id) is one for one in ALL)
    assert len({one.place for one in CHOICES}) >= 3  # the right option is not always in the same place


@pytest.mark.parametrize("name", ["", "00", "00.9", "06.1", "../x", None, 1.1])
def test_an_unknown_name_is_an_error_that_lists_the_known(name: Any) -> None:
    with pytest.raises(ValueError, match=r"There is no exercise .*: choose one of 00\.1, .*08\.3"):
        exercise(name)
    if name != "00":
        with pytest.raises(ValueError, match="is not a notebook with exercises: choose one of 00, 01, 02, 03, 04"):
            exercises_of(name)


@every_exercise
def test_three_wrong_answers_at_least_each_with_its_own_explanation(one: Exercise) -> None:
    assert one.hints and len(set(one.wrong.values())) == len(one.wrong) >= 3
    assert all(len(why.split()) >= 15 for why in one.wrong.values())  # what, why not, where to look: not a word alone


# In the notebooks


@every_notebook
def test_a_notebook_shows_all_of_its_exercises_and_checks_every_function(path: Path) -> None:
    text, known = "\n".join(cell.source for cell in cells(path, "code")), exercises_of(path.name[:2])
    assert sorted(re.findall(r'^exercise\("([^"]*)"\)$', text, flags=re.M)) == [one.id for one in known]
    assert set(re.findall(r'exercise\("([^"]*)"\)', text)) == {one.id for one in known}
    for one in known:
        if isinstance(one, Code):
            assert f'exercise("{one.id}").check({one.solution.__name__})' in text
            assert f"{one.signature}\n" in text  # the stub asks for what the check gives, and has a body to fill in


@every_notebook
def test_committed_cards_are_what_the_exercises_are_now(path: Path) -> None:
    """Change an exercise, or its look, and the notebooks that show it have to be built again: make notebooks."""
    shown = {
        name: dict(cell.outputs[-1].data) if cell.outputs else "not run yet"
        for cell in cells(path, "code")
        for name in re.findall(r'^exercise\("([^"]*)"\)$', cell.source, flags=re.M)
    }
    known = exercises_of(path.name[:2])
    cards = {one.id: {"text/plain": card.plain(one), "text/html": card.page(one)} for one in known}
    assert shown == cards, "run make notebooks"
