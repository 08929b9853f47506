"""All exercises, and marks that run a test once for each of them, or of one kind."""

import pytest
from support import repository

from kdlab.lessons import exercises_of
from kdlab.lessons.kinds import Choice, Code, Exercise

BOOKS = ("00", "01", "02", "03", "04", "05", "07", "08")
ALL: list[Exercise] = [one for book in BOOKS for one in exercises_of(book)]
CHOICES = [one for one in ALL if isinstance(one, Choice)]
NOTEBOOKS = [path for path in repository.BOOKS if path.name[:2] in BOOKS]

every_exercise = pytest.mark.parametrize("one", ALL, ids=lambda one: one.id)
every_code = pytest.mark.parametrize("one", [one for one in ALL if isinstance(one, Code)], ids=lambda one: one.id)
every_choice = pytest.mark.parametrize("one", CHOICES, ids=lambda one: one.id)
every_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
