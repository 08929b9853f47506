"""The questions before the pictures: what a reader guesses, and what happens. Each is here once, whole.

    mixtures.show(sweep, predict=predict("02.ring"))
    quiz(picture, before, predict=predict("07.direct", results))

Both the view that asks and the review at the end of 07 take them from here. No widgets and no drawing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from kdlab.lm import report  # loads nothing until a run is asked for

__all__ = ["QUESTIONS", "Question", "predict", "question"]


@dataclass(frozen=True)
class Question:
    """A question with its options, and what happens.

    ``id`` begins with the notebook's number, ``section`` is the heading below which the notebook asks. ``answer`` is
    the option that holds; None where no option says quite what happened, or nothing has happened yet.
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


QUESTIONS = (
    Question(
        "00.line",
        "First guess, then look",
        "You drag β from 1 to 100. What happens to the student?",
        (
            "Precision rises, recall falls",
            "Precision falls, recall rises",
            "Both rise: a better teacher makes a better student",
            "Both fall: the teacher forgets things",
        ),
        "Precision rises, recall falls",
        "precision rises, recall falls. The student says fewer things, and says them better.",
    ),
    Question(
        "01.hand",
        "First guess, then drag",
        "Can you place one bell so that precision and recall are both as good as a bell can make them?",
        (
            "Yes: on the heaviest bump, as wide as that bump",
            "Yes: wide, over all four bumps",
            "No: the two want different bells",
        ),
        "No: the two want different bells",
        "the two want different bells.",
    ),
    Question(
        "02.ring",
        "Guess, then look",
        "From β = 1 to β = 100: what happens to the student's two numbers?",
        (
            "Precision gains a few nats, recall loses a few",
            "Precision gains a few nats, recall loses tens",
            "Precision gains tens of nats, recall loses a few",
            "Both change by less than one nat",
        ),
        "Precision gains a few nats, recall loses tens",
        "precision gains a few nats, recall loses tens.",
    ),
    Question(
        "02.falls",
        "A light bump in the middle",
        "The light bump is in the middle. You raise β from 1. What does precision do?",
        ("It rises all the way", "It falls first, then rises", "It rises first, then falls"),
        "It falls first, then rises",
        "it falls first, then rises.",
    ),
    Question(
        "03.ring",
        "Guess, then look",
        "You know from notebook 02 that precision ends lower here. How does it get there?",
        ("It falls all the way", "It falls first, then rises a little", "It rises first, then falls"),
        "It falls first, then rises a little",
        "it falls first, then rises a little. The next cells say why.",
    ),
    Question(
        "04.tau",
        "Guess, then move it",
        "Raise τ from 1 to 1.5. What happens to the student's precision and recall?",
        (
            "Precision falls and recall rises: the trade goes on",
            "Precision falls, recall stays where it is",
            "Both fall",
        ),
        "Both fall",
        "both fall. Recall is at its highest at τ = 1. Further down you see why.",
    ),
    Question(
        "05.tau",
        "Guess, then move it",
        "At τ = 1, p* effectively chooses among 79 tokens. Raise τ to 1.5. Among how many then?",
        ("About 120: half as many again", "About 250", "About 1,800"),
        "About 1,800",
        "about 1,800. Each of the 49,140 others gains a little, and there are very many of them.",
    ),
    Question(
        "07.direct",
        "Guess, then look",
        "Language models, this run: where is the direct student, compared with the one distilled at τ = 1?",
        (
            "In the same place, as in the other two worlds",
            "Higher precision and higher recall",
            "Higher recall, lower precision",
            "Higher recall, precision too close to tell",
            "Elsewhere: its recall is not higher",
        ),
        None,
        "that depends on the run.",
    ),
)
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
    found = next((one for one in QUESTIONS if one.id == name), None)
    if found is None:
        raise ValueError(f"There is no question {name!r}: choose one of {', '.join(one.id for one in QUESTIONS)}.")
    return _of_run(found, results) if results is not None and name == "07.direct" else found


def predict(name: str, results: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return a question as a view takes it: ``predict=predict("02.ring")``. Raises ValueError for an unknown id."""
    found = question(name, results)
    return {"id": found.id, "question": found.text, "options": list(found.options), "outcome": found.outcome}


def _of_run(asked: Question, results: Mapping[str, Any]) -> Question:
    found = report.standing(results)
    place = None if found is None else _STANDINGS.get(found, len(asked.options) - 1)
    return replace(asked, answer=None if place is None else asked.options[place], outcome=report.outcome(results))
