"""A sweep shown in a notebook: the live picture and its controls. No maths.

The picture itself is drawn by view.js from `payload(sweep)`, which is sent once. What Python does afterwards
is to answer when the reader asks for other settings (kdlab.pictures.sweep_view).
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import traitlets

from kdlab.core.sweep import N_BETAS
from kdlab.mixtures import experiment as experiments
from kdlab.mixtures.experiment import MixtureSweep, Position, Settings
from kdlab.mixtures.limits import density_contours, plane_limits, space_limits
from kdlab.pictures import prepared
from kdlab.pictures.frontend import STYLE_SHEET, front_end
from kdlab.pictures.sweep_view import SweepView, require_finite

if TYPE_CHECKING:
    from kdlab.mixtures.plots import Picture

__all__ = ["MixtureView", "payload", "show"]

_FIELDS = ("scene", "n_components", "covariance", "samples", "seed")
_LABELS: dict[str, dict[Any, str]] = {
    "covariance": {"diag": "diagonal", "full": "full", "spherical": "spherical"},
    "samples": {None: "population", 100: "100 points", 1000: "1,000 points"},
}


def show(sweep: MixtureSweep, *, predict: Mapping[str, Any] | None = None) -> MixtureView:
    """Show a sweep as a live picture; in a notebook, make this the last line of a cell.

    ``predict`` covers the picture until the reader commits a guess:
    ``{"question": str, "options": [str, ...], "outcome": str}``. It changes what is seen and no result. With an
    ``"id"`` as well, the guess is kept beside the notebook (kdlab.core.answers) and is there when the cell runs again.
    """
    if not isinstance(sweep, MixtureSweep):
        raise TypeError(
            f"{type(sweep).__name__} is not a MixtureSweep: pass what kdlab.mixtures.teacher_entropy(...) returns."
        )
    return MixtureView(sweep, predict)


class MixtureView(SweepView):
    """The live picture of one sweep, and of others that its controls ask for. Make it with `show`.

    Traits are what Python and the page share; mixtures/view.js says what each is for.
    """

    _esm = front_end("pictures/sweep_view.js", "mixtures/view.js")
    _css = STYLE_SHEET

    beta = traitlets.Float(1.0).tag(sync=True)

    def __init__(self, sweep: MixtureSweep, predict: Mapping[str, Any] | None = None) -> None:
        self._positions = len(sweep.betas)
        super().__init__(sweep, predict, _choices(sweep.settings))

    @traitlets.validate("beta")
    def _check_beta(self, proposal: Mapping[str, Any]) -> float:
        beta, betas = float(proposal["value"]), self._shown.betas
        if not betas[0] <= beta <= betas[-1]:
            raise ValueError(f"beta = {beta} is outside this sweep: choose from {betas[0]:g} to {betas[-1]:g}.")
        return beta

    # What a notebook may ask

    @property
    def sweep_shown(self) -> MixtureSweep:
        """The sweep shown now."""
        return cast("MixtureSweep", self._shown)

    @property
    def position(self) -> Position:
        """The position shown now, as far as the page has told; the page tells when the slider rests."""
        return self.sweep_shown.at(self.beta)

    def filmstrip(self, betas: Sequence[float] = (1, 2, 5, 20)) -> Picture:
        """The static version: the same sweep at several beta, side by side."""
        from kdlab.mixtures import plots  # here: the first slider must not wait for matplotlib

        return plots.filmstrip(self.sweep_shown, betas)

    # What other sweeps are

    def _settings_of(self, sweep: MixtureSweep) -> dict[str, Any]:
        return _plain_settings(sweep.settings)

    def _key(self, settings: Mapping[str, Any]) -> str:
        return Settings(**settings).key

    def _is_ready(self, settings: Mapping[str, Any]) -> bool:
        return self._positions == N_BETAS and experiments.is_prepared(Settings(**settings))

    def _made(self, settings: Mapping[str, Any], progress: Callable[[float], None]) -> MixtureSweep:
        return experiments.teacher_entropy(**settings, positions=self._positions, progress=progress)

    def _sent(self, sweep: MixtureSweep) -> dict[str, Any]:
        return payload(sweep)

    # Where there is no page: GitHub, print, a Lab without a kernel

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the live view, and beside it a PNG of the current position and its sentence."""
        data, metadata = super()._repr_mimebundle_(**kwargs) or ({}, {})
        sentence = self.position.sentence
        picture = base64.b64encode(prepared.still(self.still_name()) or self.drawn()).decode()
        data = {**data, "image/png": picture, "text/plain": sentence}
        return data, {**metadata, "image/png": {"alt": sentence}}

    def still_name(self) -> str:
        """The name of the PNG that `drawn` draws, by all that it shows."""
        said = [self.position.sentence, *self.sweep_shown.sentences]
        return prepared.name(self.sweep_shown.settings.key, said, path=self.prediction is None)

    def drawn(self) -> bytes:
        """Draw the current position as a PNG; without the path after a question, for a still cannot be uncovered."""
        from kdlab.mixtures import plots  # here: the first slider must not wait for matplotlib

        return plots.png(plots.figure(self.sweep_shown, self.beta, path=self.prediction is None))


# What is sent


def payload(sweep: MixtureSweep) -> dict[str, Any]:
    """Return a sweep as the plain numbers that the page draws from (about 100 kB as JSON).

    Geometry is rounded to 5 decimals, covariances to 7, most other numbers to 4. Raises ValueError where one is not
    finite.
    """
    truth, teacher, direct = sweep.scene.truth, sweep.scene.teacher, sweep.direct
    (recall, precision), (x, y) = plane_limits(sweep), space_limits(sweep)
    dim = int(truth.means.shape[1])
    contours = density_contours(truth, x, y) if dim == 2 else []
    sent: dict[str, Any] = {
        "key": sweep.settings.key,
        "settings": _plain_settings(sweep.settings),
        "title": sweep.scene.title,
        "dim": dim,
        "beta": _plain(sweep.betas),
        "space": {"x": _plain(x), "y": _plain(y)},
        "plane": {"recall": _plain(recall), "precision": _plain(precision)},
        "bounds": {"recall": round(sweep.recall_bound, 4), "precision": round(sweep.precision_bound, 4)},
        "truth": _mixture(truth),
        "contours": [{"level": share, "path": [_plain(line, 3) for line in lines]} for share, lines in contours],
        "points": [] if sweep.scene.points is None else _plain(sweep.scene.points, 3),
        "teacher": {**_mixture(teacher), "weights": _plain(np.exp(sweep.teacher_log_weights))},
        "direct": {
            **_mixture(direct),
            "precision": round(sweep.direct_precision, 4),
            "recall": round(sweep.direct_recall, 4),
        },
        "student": {
            "weights": _plain(np.exp(sweep.student_log_weights)),
            "means": _plain(sweep.student_means),
            "covariances": _plain(sweep.student_covariances, 7),
        },
        "switched": np.asarray(sweep.switched, int).tolist(),
        "covered": _plain(sweep.coverage, 3),
        "sentence": list(sweep.sentences),
    }
    for name in ("weight_entropy", "effective_components", "kl"):
        sent[name] = _plain(getattr(sweep, name), 4)
    for name in ("precision", "recall"):  # whole: rounded twice, they could differ from the sentence in the last digit
        sent[name] = np.asarray(getattr(sweep, name), float).tolist()
    require_finite(sent, sweep.settings.key)
    return sent


def _plain(values: Any, decimals: int = 5) -> Any:
    return np.round(np.asarray(values, float), decimals).tolist()


def _mixture(mixture: Any) -> dict[str, Any]:
    covariances = _plain(mixture.covariances, 7)
    return {"weights": _plain(mixture.weights), "means": _plain(mixture.means), "covariances": covariances}


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
