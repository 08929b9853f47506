"""A ladder shown in a notebook: the live picture and its controls. No maths.

The picture itself is drawn by static/view.js from `payload(ladder)`, which is sent once. What Python does afterwards is
to answer when the reader asks for other settings: at once where a ladder is ready, from a background thread where it
has to be made. Errors of either side are shown on the page and kept in `view.errors`.
"""

from __future__ import annotations

import base64
import math
import threading
import traceback
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import traitlets
from matplotlib.figure import Figure

from kdlab import experiments, plots
from kdlab.experiments import Ladder, Position, Settings
from kdlab.frontend import STYLE_SHEET, front_end
from kdlab.ladders import N_POSITIONS
from kdlab.predictions import AskingView

__all__ = ["TeacherEntropyView", "payload", "show"]

_FIELDS = ("scene", "n_components", "covariance", "samples", "seed")
_KEPT = 24  # ladders remembered per view, each about 100 kB on the page
_LABELS: dict[str, dict[Any, str]] = {
    "covariance": {"diag": "diagonal", "full": "full", "spherical": "spherical"},
    "samples": {None: "population", 100: "100 points", 1000: "1,000 points"},
}


def show(ladder: Ladder, *, predict: Mapping[str, Any] | None = None) -> TeacherEntropyView:
    """Show a ladder as a live picture; in a notebook, make this the last line of a cell.

    ``predict`` covers the picture until the reader commits a guess:
    ``{"question": str, "options": [str, ...], "outcome": str}``. It changes what is seen and no result. With an
    ``"id"`` as well, the guess is kept beside the notebook (kdlab.answers) and is there when the cell runs again.
    """
    if not isinstance(ladder, Ladder):
        raise TypeError(
            f"{type(ladder).__name__} is not a Ladder: pass what kdlab.experiments.teacher_entropy(...) returns."
        )
    return TeacherEntropyView(ladder, predict)


class TeacherEntropyView(AskingView):
    """The live picture of one ladder, and of others that its controls ask for. Make it with `show`.

    Traits are what Python and the page share; static/view.js says what each is for.
    """

    _esm = front_end("view.js")
    _css = STYLE_SHEET

    ladder = traitlets.Dict().tag(sync=True)
    choices = traitlets.Dict().tag(sync=True)
    settings = traitlets.Dict().tag(sync=True)
    beta = traitlets.Float(1.0).tag(sync=True)
    progress = traitlets.Float(None, allow_none=True).tag(sync=True)

    def __init__(self, ladder: Ladder, predict: Mapping[str, Any] | None = None) -> None:
        self._lock = threading.RLock()  # callbacks may run on several threads beside the cell
        self._request = 0  # the newest request: only its answer is shown
        self._shown = ladder
        self._positions = len(ladder.betas)
        self._kept: OrderedDict[str, tuple[Ladder, dict[str, Any]]] = OrderedDict()
        super().__init__(
            predict,
            ladder=self._keep(ladder),
            settings=_plain_settings(ladder.settings),
            choices=_choices(ladder.settings),
        )
        self.observe(self._on_settings, names="settings")

    @traitlets.validate("beta")
    def _check_beta(self, proposal: Mapping[str, Any]) -> float:
        beta, betas = float(proposal["value"]), self._shown.betas
        if not betas[0] <= beta <= betas[-1]:
            raise ValueError(f"beta = {beta} is outside this ladder: choose from {betas[0]:g} to {betas[-1]:g}.")
        return beta

    # What a notebook may ask

    @property
    def ladder_object(self) -> Ladder:
        """The ladder shown now."""
        return self._shown

    @property
    def position(self) -> Position:
        """The position shown now, as far as the page has told; the page tells when the slider rests."""
        return self._shown.at(self.beta)

    def filmstrip(self, betas: Sequence[float] = (1, 2, 5, 20)) -> Figure:
        """The static version: the same ladder at several beta, side by side."""
        return plots.filmstrip(self._shown, betas)

    # Answering the page

    def _on_settings(self, change: Mapping[str, Any]) -> None:
        """Other settings are wanted: answer at once if their ladder is ready, else start making it."""
        with self._lock:
            self._request += 1
            request = self._request
        try:
            wanted = Settings(**change["new"])
            with self._lock:
                kept = self._kept.get(wanted.key)
            if kept is not None:
                self._answer(request, wanted, kept[0])
            elif self._positions == N_POSITIONS and experiments.is_prepared(wanted):
                with self.hold_sync():  # one message, not three
                    self._make(request, wanted)
            else:
                self.progress = 0.0
                threading.Thread(target=self._work, args=(request, wanted), daemon=True).start()
        except Exception:
            self._fail(request)

    def _work(self, request: int, wanted: Settings) -> None:
        """Make a ladder on a thread of its own."""
        try:
            self._make(request, wanted)
        except _Superseded:
            pass  # by design: something newer is wanted, and being made
        except Exception:
            self._fail(request)

    def _make(self, request: int, wanted: Settings) -> None:
        def progress(fraction: float) -> None:
            with self._lock:
                if request != self._request:
                    raise _Superseded
                self.progress = round(fraction, 2)

        asked = _plain_settings(wanted)
        ladder = experiments.teacher_entropy(**asked, positions=self._positions, progress=progress)
        self._answer(request, wanted, ladder)

    def _answer(self, request: int, wanted: Settings, ladder: Ladder) -> None:
        """Show a ladder, unless something else has been asked for meanwhile."""
        sent = self._keep(ladder)
        with self._lock:
            if request == self._request:
                self._shown = ladder
                # The page knows an answer by the settings it asked for, even if the ladder does not need them all.
                self.ladder = {**sent, "settings": _plain_settings(wanted)}
                self.progress = None

    def _fail(self, request: int) -> None:
        """Keep the error that is being handled, say it on the page, and go back to what is shown."""
        error = traceback.format_exc()
        with self._lock:
            self._kernel_errors.append(error)
            if request == self._request:
                self.kernel_error = error.strip().splitlines()[-1]
                self.progress = None
                self.settings = _plain_settings(self._shown.settings)

    def _keep(self, ladder: Ladder) -> dict[str, Any]:
        """Remember a ladder and its payload, forget the oldest; return the payload."""
        with self._lock:
            if ladder.settings.key not in self._kept:
                self._kept[ladder.settings.key] = (ladder, payload(ladder))
                while len(self._kept) > _KEPT:
                    self._kept.popitem(last=False)
            self._kept.move_to_end(ladder.settings.key)
            return self._kept[ladder.settings.key][1]

    # Where there is no page: GitHub, print, a Lab without a kernel

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the live view, and beside it a PNG of the current position and its sentence."""
        data, metadata = super()._repr_mimebundle_(**kwargs) or ({}, {})
        sentence = self.position.sentence
        still = plots.figure(self._shown, self.beta, path=self.prediction is None)  # a still cannot be uncovered
        picture = base64.b64encode(plots.png(still)).decode()
        data = {**data, "image/png": picture, "text/plain": sentence}
        return data, {**metadata, "image/png": {"alt": sentence}}


class _Superseded(Exception):
    """Raised inside the making of a ladder that nobody waits for any more."""


# What is sent


def payload(ladder: Ladder) -> dict[str, Any]:
    """Return a ladder as the plain numbers that the page draws from (about 100 kB as JSON).

    Geometry is rounded to 5 decimals, covariances to 7, most other numbers to 4. Raises ValueError where one is not
    finite.
    """
    truth, teacher, direct = ladder.scene.truth, ladder.scene.teacher, ladder.direct
    (recall, precision), (x, y) = plots.plane_limits(ladder), plots.space_limits(ladder)
    dim = int(truth.means.shape[1])
    contours = plots.density_contours(truth, x, y) if dim == 2 else []
    sent: dict[str, Any] = {
        "key": ladder.settings.key,
        "settings": _plain_settings(ladder.settings),
        "title": ladder.scene.title,
        "dim": dim,
        "beta": _plain(ladder.betas),
        "space": {"x": _plain(x), "y": _plain(y)},
        "plane": {"recall": _plain(recall), "precision": _plain(precision)},
        "bounds": {"recall": round(ladder.recall_bound, 4), "precision": round(ladder.precision_bound, 4)},
        "truth": _mixture(truth),
        "contours": [{"level": share, "path": [_plain(line, 3) for line in lines]} for share, lines in contours],
        "points": [] if ladder.scene.points is None else _plain(ladder.scene.points, 3),
        "teacher": {**_mixture(teacher), "weights": _plain(np.exp(ladder.teacher_log_weights))},
        "direct": {
            **_mixture(direct),
            "precision": round(ladder.direct_precision, 4),
            "recall": round(ladder.direct_recall, 4),
        },
        "student": {
            "weights": _plain(np.exp(ladder.student_log_weights)),
            "means": _plain(ladder.student_means),
            "covariances": _plain(ladder.student_covariances, 7),
        },
        "switched": np.asarray(ladder.switched, int).tolist(),
        "covered": _plain(ladder.coverage, 3),
        "sentence": list(ladder.sentences),
    }
    for name in ("weight_entropy", "effective_components", "kl"):
        sent[name] = _plain(getattr(ladder, name), 4)
    for name in ("precision", "recall"):  # whole: rounded twice, they could differ from the sentence in the last digit
        sent[name] = np.asarray(getattr(ladder, name), float).tolist()
    _require_finite(sent, ladder.settings.key)
    return sent


def _plain(values: Any, decimals: int = 5) -> Any:
    return np.round(np.asarray(values, float), decimals).tolist()


def _mixture(mixture: Any) -> dict[str, Any]:
    covariances = _plain(mixture.covariances, 7)
    return {"weights": _plain(mixture.weights), "means": _plain(mixture.means), "covariances": covariances}


def _require_finite(value: Any, path: str) -> None:
    """Refuse to send a number that is none: JSON has no way to say it, and no picture could show it."""
    if isinstance(value, dict):
        for name, inner in value.items():
            _require_finite(inner, f"{path}, {name}")
    elif isinstance(value, list):
        for inner in value:
            _require_finite(inner, path)
    elif isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"The ladder {path} holds {value}: every number must be finite. Make the ladder again.")


def _plain_settings(settings: Settings) -> dict[str, Any]:
    values = {field: getattr(settings, field) for field in _FIELDS}
    return {field: int(value) if isinstance(value, np.integer) else value for field, value in values.items()}


def _choices(settings: Settings) -> dict[str, list[dict[str, Any]]]:
    """Return what each control offers, the settings at hand among them even where they are unusual."""
    offered: dict[str, list[dict[str, Any]]] = {}
    for field in _FIELDS:
        values = experiments.CHOICES[field]
        names = values if isinstance(values, Mapping) else _LABELS.get(field, {})
        listed = list(values)
        if getattr(settings, field) not in listed:
            listed.append(getattr(settings, field))
        offered[field] = [{"value": value, "label": str(names.get(value, value))} for value in listed]
    return offered
