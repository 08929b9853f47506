"""A question before the picture: the gate that every live view may have. It changes what is seen and no result."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import anywidget
import traitlets

from kdlab.core import answers

__all__ = ["LiveView"]


class LiveView(anywidget.AnyWidget):
    """A view that may be covered by a question until the reader commits a guess, and that keeps what goes wrong.

    ``predict`` is ``{"question": str, "options": [str, ...], "outcome": str}``, or None; with an ``"id"`` as well,
    the guess is kept beside the notebook (kdlab.core.answers) and is there when the cell runs again. Raises ValueError
    for a question without text, options or outcome, or with an id that is no text.
    """

    prediction = traitlets.Dict(None, allow_none=True).tag(sync=True)
    kernel_error = traitlets.Unicode("").tag(sync=True)
    page_errors = traitlets.List(traitlets.Unicode()).tag(sync=True)

    def __init__(self, predict: Mapping[str, Any] | None, **traits: Any) -> None:
        self._kernel_errors: list[str] = []
        super().__init__(prediction=_checked(predict), **traits)
        self.observe(self._on_prediction, names="prediction")

    @property
    def errors(self) -> list[str]:
        """Everything that went wrong: tracebacks of the kernel's side, messages of the page's."""
        return [*self._kernel_errors, *self.page_errors]

    def commit(self, guess: str) -> None:
        """Commit a guess, as a click on one of the options does: the picture is uncovered.

        Raises ValueError where nothing was asked, or for a guess that is no option.
        """
        self.prediction = _committed(self.prediction, guess)

    def _on_prediction(self, change: Mapping[str, Any]) -> None:
        """A guess was committed, here or on the page: keep it. Where that fails, the page says so."""
        trouble = _keep(change["new"])
        if trouble:
            self._kernel_errors.append(trouble)
            self.kernel_error = trouble


def _checked(predict: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return what the page shows of a question, with the guess that was kept for it, if any."""
    if predict is None:
        return None
    missing = [name for name in ("question", "options", "outcome") if not predict.get(name)]
    if missing or isinstance(predict["options"], str):
        raise ValueError(
            f"predict={dict(predict)!r} has no usable {', '.join(missing) or 'options'}: give "
            '{"question": "...", "options": ["...", "..."], "outcome": "..."}.'
        )
    if not isinstance(predict.get("id", ""), str):
        raise ValueError(f'The id of a prediction is {predict["id"]!r}: give it a name, such as "02.ring".')
    prediction = {**predict, "options": list(predict["options"]), "guess": predict.get("guess")}
    if prediction["guess"] is None:
        prediction["guess"] = _kept_guess(prediction)
    return prediction


def _committed(prediction: Mapping[str, Any] | None, guess: str) -> dict[str, Any]:
    """Return the prediction with its guess."""
    if prediction is None:
        raise ValueError(f"The guess {guess!r} has no question: this view was shown without predict=...")
    if guess not in prediction["options"]:
        raise ValueError(f"{guess!r} is not among the options: choose one of {prediction['options']}.")
    return {**prediction, "guess": guess}


def _keep(prediction: Mapping[str, Any] | None) -> str:
    """Keep a committed guess beside the notebook, if its question has an id; return what to say where that fails."""
    if not prediction or not prediction.get("id") or prediction.get("guess") is None:
        return ""
    entry = {name: prediction[name] for name in ("question", "options", "guess")}
    return answers.keep(_key(prediction), entry)


def _kept_guess(prediction: Mapping[str, Any]) -> str | None:
    """The guess kept for this id, if the same options were offered then."""
    if not prediction.get("id"):
        return None
    try:
        entry = answers.read().get(_key(prediction))
    except answers.AnswersError:
        return None  # said when the reader commits a guess: showing a picture must not fail
    if not isinstance(entry, dict) or entry.get("options") != prediction["options"]:
        return None
    return entry["guess"] if entry.get("guess") in prediction["options"] else None


def _key(prediction: Mapping[str, Any]) -> str:
    return f"prediction {prediction['id']}"
