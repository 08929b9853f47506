"""The questions before the pictures: what a reader guesses, and what happens. Each is here once, whole.

    mixtures.show(sweep, predict=predict("02.ring"))
    quiz(picture, before, predict=predict("07.direct", results))

Their words are in predictions.toml, those of the neighbours in neighbours.toml. Both the view that asks and the
review at the end of 08 take them from here. No widgets and no drawing.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from kdlab.core.files import PACKAGE
from kdlab.lm import report  # loads nothing until a run is asked for


@dataclass(frozen=True)
class Question:
    """A question with its options, and what happens.

    ``id`` begins with the notebook's number or name, ``section`` is the heading below which the notebook asks.
    ``answer`` is the option that holds; None where no option says quite what happened, or nothing has happened yet.
    """

    id: str
    section: str
    text: str
    options: tuple[str, ...]
    answer: str | None
    outcome: str

    @property
    def key(self) -> str:
        """The name under which a guess is kept (kdlab.core.answers)."""
        return f"prediction {self.id}"


def _questions(file: str) -> tuple[Question, ...]:
    """The questions of a file in the order of reading; without an answer where none is known."""
    tables = tomllib.loads((PACKAGE / "lessons" / file).read_text("utf-8"))
    whole = {name: {"answer": None, **table, "options": tuple(table["options"])} for name, table in tables.items()}
    return tuple(Question(name, **table) for name, table in whole.items())


QUESTIONS = _questions("predictions.toml")
NEIGHBOURS = _questions("neighbours.toml")  # asked beside the course: the review at its end has none of them
# Where the direct student stands, in precision and in recall (report.standing), and the option of 07 that says so.
# What is not here is the last option: of any run that has both students, one option is right.
_STANDINGS = {
    ("too close to tell", "too close to tell"): 0,
    ("higher", "higher"): 1,
    ("lower", "higher"): 2,
    ("too close to tell", "higher"): 3,
}


def question(name: str, results: Mapping[str, Any] | None = None) -> Question:
    """Return the question with an id such as "02.ring"; what happens in 07 is read from a run's ``results``.

    Raises ValueError for an id that no question has.
    """
    known = (*QUESTIONS, *NEIGHBOURS)
    found = next((one for one in known if one.id == name), None)
    if found is None:
        raise ValueError(f"There is no question {name!r}: choose one of {', '.join(one.id for one in known)}.")
    return _of_run(found, results) if results is not None and name == "07.direct" else found


def predict(name: str, results: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return a question as a view takes it: ``predict=predict("02.ring")``. Raises ValueError for an unknown id."""
    found = question(name, results)
    return {"id": found.id, "question": found.text, "options": list(found.options), "outcome": found.outcome}


def _of_run(asked: Question, results: Mapping[str, Any]) -> Question:
    found = report.standing(results)
    place = None if found is None else _STANDINGS.get(found, len(asked.options) - 1)
    return replace(asked, answer=None if place is None else asked.options[place], outcome=report.outcome(results))
