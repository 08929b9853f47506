"""The exercises by name: "01.2" is the second of notebook 01. A notebook's are loaded when they are first asked for."""

from functools import cache
from importlib import import_module
from pathlib import Path

from kdlab.core.files import PACKAGE
from kdlab.lessons import words
from kdlab.lessons.kinds import Exercise

_FOLDER = PACKAGE / "lessons/exercises"


def exercises_of(notebook: str) -> tuple[Exercise, ...]:
    """Return the exercises of a notebook, such as "01" or "mixup", in order. ValueError for any other name."""
    if notebook not in _notebooks():
        raise ValueError(f"{notebook!r} is not a notebook with exercises: choose one of {', '.join(_notebooks())}.")
    return _read(_notebooks()[notebook])


def exercise(name: str) -> Exercise:
    """Return the exercise called ``name``, such as "01.2". ValueError for any other name.

    In a notebook, ``exercise("01.2")`` shows the task, and ``exercise("01.2").check(my_precision)`` judges an answer.
    """
    notebook = str(name).partition(".")[0]
    offered = exercises_of(notebook) if notebook in _notebooks() else ()
    for one in offered:
        if one.id == name:
            return one
    ids = ", ".join(one.id for book in _notebooks() for one in exercises_of(book))
    raise ValueError(f"There is no exercise {name!r}: choose one of {ids}.")


def _notebooks() -> dict[str, Path]:
    """The files of words by their notebook, in order: those with a number, then the neighbours."""
    files = [*sorted(_FOLDER.glob("nb[0-9][0-9].toml")), *sorted(_FOLDER.glob("neighbours/*.toml"))]
    return {file.stem.removeprefix("nb"): file for file in files}


@cache
def _read(file: Path) -> tuple[Exercise, ...]:
    """Read a notebook's words, and the code beside them; where every exercise is a choice there is none."""
    has_code = file.with_suffix(".py").exists()
    return words.read(file, import_module(f"{__package__}.exercises.{file.stem}").CODE if has_code else {})
