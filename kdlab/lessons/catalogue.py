"""The exercises by name: "01.2" is the second of notebook 01. A notebook's are loaded when they are first asked for."""

from importlib import import_module

from kdlab.lessons.kinds import Exercise

__all__ = ["exercise", "exercises_of"]

_NOTEBOOKS = ("00", "01", "02", "03", "04", "05", "07")


def exercises_of(notebook: str) -> tuple[Exercise, ...]:
    """Return the exercises of a notebook, "00" to "07", in order. ValueError for any other name."""
    if notebook not in _NOTEBOOKS:
        raise ValueError(f"{notebook!r} is not a notebook with exercises: choose one of {', '.join(_NOTEBOOKS)}.")
    return tuple(import_module(f"kdlab.lessons.exercises.nb{notebook}").EXERCISES)


def exercise(name: str) -> Exercise:
    """Return the exercise called ``name``, such as "01.2". ValueError for any other name.

    In a notebook, ``exercise("01.2")`` shows the task, and ``exercise("01.2").check(my_precision)`` judges an answer.
    """
    notebook = str(name).partition(".")[0]
    offered = exercises_of(notebook) if notebook in _NOTEBOOKS else ()
    for one in offered:
        if one.id == name:
            return one
    ids = ", ".join(one.id for book in _NOTEBOOKS for one in exercises_of(book))
    raise ValueError(f"There is no exercise {name!r}: choose one of {ids}.")
