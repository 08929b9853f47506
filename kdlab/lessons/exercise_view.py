"""An exercise as a widget: options chosen by mouse or keys, and folds that keys can open. Judged in Python.

Nothing of it is saved with a committed notebook. Like a card, it asks an exercise for attributes and not for its type.
"""

from collections.abc import Mapping
from typing import Any

import anywidget
import traitlets

from kdlab.core import answers
from kdlab.lessons import card
from kdlab.pictures.live import SAVED, front_end


def view(exercise: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the live card as an entry of a mimebundle, and of its metadata."""
    bundle = ExerciseView(exercise)._repr_mimebundle_() or ({}, {})
    return {mime: value for mime, value in bundle[0].items() if "widget-view" in mime}, dict(SAVED)


class ExerciseView(anywidget.AnyWidget):
    """One exercise on the page.

    ``answer`` is what the page sends: {"option": its index or -1, "reason": str, "times": how often Check was pressed}.
    """

    _esm = front_end("lessons/exercise_view.js")
    _css = card.STYLE_SHEET

    content = traitlets.Dict().tag(sync=True)
    answer = traitlets.Dict().tag(sync=True)
    said = traitlets.Unicode("").tag(sync=True)
    heard = traitlets.Int(0).tag(sync=True)  # ``times`` of the last answer that reached Python

    def __init__(self, exercise: Any) -> None:
        self._exercise = exercise
        kept = _kept(exercise.key, exercise.options)
        super().__init__(
            content={
                "name": exercise.id,
                "question": card.question(exercise),
                "options": [card.inline(option) for option in exercise.options],
                "folded": card.folded(exercise),
            },
            answer=kept,
        )
        if kept["option"] >= 0:
            self.said = card.bare_verdict(exercise.judge(kept["option"] + 1))
        self.observe(self._on_answer, names="answer")

    def _on_answer(self, change: Mapping[str, Any]) -> None:
        """The reader pressed Check. Whatever goes wrong is said there: nobody sees what a callback raises."""
        try:
            verdict = self._exercise.check(change["new"]["option"] + 1, change["new"]["reason"])
            self.said = card.bare_verdict(verdict)
        except Exception as error:
            self.said = card.unjudged(error)
        self.heard = change["new"]["times"]


def _kept(key: str, options: tuple[str, ...]) -> dict[str, Any]:
    """The option and the reason that the reader gave before, as far as they still make sense."""
    try:
        entry = answers.read().get(key, {})
    except answers.AnswersError:
        entry = {}  # said when the reader answers: a look alone must not fail
    if not isinstance(entry, dict) or entry.get("answer") not in options:
        return {"option": -1, "reason": "", "times": 0}
    return {"option": options.index(entry["answer"]), "reason": str(entry.get("reason", "")), "times": 0}
