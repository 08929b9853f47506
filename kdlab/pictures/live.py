"""A live picture: what its page is made of, the question that may cover it, and the still that stands beside it.

A view's JavaScript lies beside its Python; what all views share is put before it, with no build step. The question
changes what is seen and no result. The still is a PNG for places without a page: GitHub, print, a Lab without a kernel.
It is drawn when asked for, or found among those drawn ahead (data/stills), so that no slider waits for matplotlib.
"""

import base64
import re
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import anywidget
import numpy as np
import traitlets

from kdlab.core import answers
from kdlab.core.files import PACKAGE

STYLE_SHEET = PACKAGE / "pictures/view.css"
STILLS = PACKAGE / "data/stills"
# Goes into the file with every live view: what pictures/labextension says where the notebook is opened without it.
SAVED = {
    "application/vnd.jupyter.widget-view+json": {
        "kdlab": "As it was when this cell ran: to bring it to life again, choose Run All Cells in the menu Run."
    }
}


_COMMENTS = re.compile(r"^[ \t]*(?:/\*(?s:.*?)\*/|//.*)[ \t]*\n|[ \t]+// .*$", re.MULTILINE)


def front_end(*names: str) -> str:
    """Return the JavaScript module of one picture: what all share, then the files ``names``, as paths under kdlab/.

    Comments stay with us: they are a fifth of what a page would have to load. Raises FileNotFoundError where there is
    no such file.
    """
    return _COMMENTS.sub("", "\n".join((PACKAGE / name).read_text("utf-8") for name in ("pictures/live.js", *names)))


def plain(values: Any, decimals: int = 5) -> Any:
    """Numbers as lists, rounded: what is sent to the page."""
    return np.round(np.asarray(values, float), decimals).tolist()


class LiveView(anywidget.AnyWidget):
    """A view that a question may cover until the reader commits a guess, and that keeps whatever goes wrong.

    ``predict`` is ``{"question": str, "options": [str, ...], "outcome": str}``, or None; with an ``"id"`` as well,
    the guess is kept beside the notebook (kdlab.core.answers) and is there when the cell runs again. Raises ValueError
    for a question without text, options or outcome, or with an id that is no text. A subclass says what it shows now
    (``sentence``) and draws it (``drawn``).
    """

    _css = STYLE_SHEET

    prediction = traitlets.Dict(None, allow_none=True).tag(sync=True)
    seen = traitlets.Bool(False).tag(sync=True)  # what the question is about; kept here, for a page may be reloaded
    heard = traitlets.Unicode("").tag(sync=True)  # the guess that has reached Python: a page may have none to tell
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
        if self.prediction is None:
            raise ValueError(f"The guess {guess!r} has no question: show this view with predict=..., which asks one.")
        if guess not in self.prediction["options"]:
            raise ValueError(f"{guess!r} is not among the options: choose one of {self.prediction['options']}.")
        self.prediction = {**self.prediction, "guess": guess}

    def _on_prediction(self, change: Mapping[str, Any]) -> None:
        """A guess was committed, here or on the page: keep it, if its question has an id. If not, the page says so."""
        prediction = change["new"]
        if not prediction or not prediction.get("id") or prediction.get("guess") is None:
            return
        trouble = answers.keep(_key(prediction), {name: prediction[name] for name in ("question", "options", "guess")})
        self.heard = prediction["guess"]
        if trouble:
            self._kernel_errors.append(trouble)
            self.kernel_error = trouble

    # Where there is no page: GitHub, print, a Lab without a kernel

    @property
    def sentence(self) -> str:
        """What the picture shows now, in words and numbers."""
        raise NotImplementedError

    def drawn(self) -> bytes:
        """Draw what is shown now as a PNG, without what would answer an open question: a still cannot be uncovered."""
        raise NotImplementedError

    def still_name(self) -> str:
        """The name under which `drawn` was kept, if it was drawn ahead."""
        return ""

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the live view, and beside it a PNG of what it shows, and its sentence."""
        data, metadata = super()._repr_mimebundle_(**kwargs) or ({}, {})
        picture = base64.b64encode(still(self.still_name()) or self.drawn()).decode()
        data = {**data, "image/png": picture, "text/plain": self.sentence}
        return data, {**metadata, **SAVED, "image/png": {"alt": self.sentence}}


# Questions


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


# Stills drawn ahead


def still_name(key: str, said: Sequence[str], *, path: bool = False) -> str:
    """Return a still's file name: the view's key, whether the path is shown, a checksum of every sentence behind it.

    The sentences carry the numbers: where a sweep changes, its old still is no longer found.

    >>> still_name("line|1", ["At beta = 1.00 all is well."])
    'line-1-c584c351.png'
    """
    shown = re.sub("[^a-z0-9]+", "-", key.lower()).strip("-")
    checksum = zlib.crc32("\n".join(said).encode())
    return f"{shown}{'-path' if path else ''}-{checksum:08x}.png"


def still(name: str) -> bytes | None:
    """Return the PNG of this name, or None where none was drawn ahead."""
    file = STILLS / name
    return file.read_bytes() if file.is_file() else None
