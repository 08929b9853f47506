"""A sweep shown in a notebook: the live picture and its controls. No maths.

The picture itself is drawn by view.js from `payload(sweep)`, which is sent once. What Python does afterwards
is to answer when the reader asks for other settings (kdlab.pictures.sweep_view).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import traitlets

from kdlab.core.sweep import N_BETAS, expect
from kdlab.mixtures import experiment as experiments
from kdlab.mixtures.experiment import MixtureSweep, Settings
from kdlab.mixtures.limits import density_contours, finer, shown_points, space_limits
from kdlab.mixtures.own import OWN
from kdlab.pictures.limits import ROOMY, plane_limits
from kdlab.pictures.live import front_end, plain
from kdlab.pictures.sweep_view import SweepView, require_finite

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
    return MixtureView(expect(sweep, MixtureSweep, "mixtures.teacher_entropy"), predict)


class MixtureView(SweepView):
    """The live picture of one sweep, and of others that its controls ask for. Make it with `show`.

    Traits are what Python and the page share; mixtures/view.js says what each is for.
    """

    _esm = front_end("pictures/plane.js", "pictures/sweep_view.js", "mixtures/view.js")
    _plots = "kdlab.mixtures.plots"
    _film = (1, 2, 5, 20)

    beta = traitlets.Float(1.0).tag(sync=True)

    def __init__(self, sweep: MixtureSweep, predict: Mapping[str, Any] | None = None) -> None:
        self._positions = len(sweep.betas)
        self._scenes = (
            {sweep.scene.name: sweep.scene} if sweep.scene.name.startswith(OWN) else {}
        )  # none but the cell's
        super().__init__(sweep, predict, _choices(sweep))

    # What other sweeps are

    def _settings_of(self, sweep: MixtureSweep) -> dict[str, Any]:
        return _plain_settings(sweep.settings)

    def _key(self, settings: Mapping[str, Any]) -> str:
        return Settings(**settings).key

    def _is_ready(self, settings: Mapping[str, Any]) -> bool:
        return self._positions == N_BETAS and experiments.is_prepared(Settings(**settings))

    def _made(self, settings: Mapping[str, Any], progress: Callable[[float], None]) -> MixtureSweep:
        asked = {**settings, "scene": self._scenes.get(settings["scene"], settings["scene"])}
        return experiments.teacher_entropy(**asked, positions=self._positions, progress=progress)

    def _sent(self, sweep: MixtureSweep) -> dict[str, Any]:
        return payload(sweep)


# What is sent


def payload(sweep: MixtureSweep) -> dict[str, Any]:
    """Return a sweep as the plain numbers that the page draws from (about 100 kB as JSON).

    Geometry of a space some units wide is rounded to 5 decimals, its covariances to 7, most other numbers to 4. Raises
    ValueError where one is not finite.
    """
    truth, teacher = sweep.scene.truth, sweep.scene.teacher
    (recall, precision), (x, y) = plane_limits(sweep, ROOMY), space_limits(sweep)
    more = finer(x)
    contours = density_contours(truth, x, y) if truth.dim == 2 else []
    student = (np.exp(sweep.student_log_weights), sweep.student_means, sweep.student_covariances)
    direct = {name: round(getattr(sweep, f"direct_{name}"), 4) for name in ("precision", "recall")}
    sent: dict[str, Any] = {
        "key": sweep.settings.key,
        "settings": _plain_settings(sweep.settings),
        "title": sweep.scene.title,
        "dim": truth.dim,
        "beta": plain(sweep.betas),
        "space": {"x": plain(x, 5 + more), "y": plain(y, 5 + (more if truth.dim == 2 else -more))},
        "plane": {"recall": plain(recall), "precision": plain(precision)},
        "bounds": {"recall": round(sweep.recall_bound, 4), "precision": round(sweep.precision_bound, 4)},
        "truth": parts(truth.weights, truth.means, truth.covariances, more),
        "contours": [{"level": share, "path": [plain(line, 3 + more) for line in lines]} for share, lines in contours],
        "points": plain(shown_points(sweep.scene), 3 + more),
        "teacher": parts(np.exp(sweep.teacher_log_weights), teacher.means, teacher.covariances, more),
        "direct": {**parts(sweep.direct.weights, sweep.direct.means, sweep.direct.covariances, more), **direct},
        "student": parts(*student, more),
        "switched": np.asarray(sweep.switched, int).tolist(),
        "covered": plain(sweep.coverage, 3),
        "sentence": list(sweep.sentences),
        # Whole: rounded twice, they could differ from the sentence in the last digit.
        **{name: getattr(sweep, name).tolist() for name in ("precision", "recall")},
    }
    require_finite(sent, sweep.settings.key)
    return sent


def parts(weights: Any, means: Any, covariances: Any, more: int = 0) -> dict[str, Any]:
    """A mixture, or one for each position, as plain numbers; places with ``more`` decimals than 5, covariances than 7.

    The least variance keeps three digits.
    """
    least = math.ceil(3 - math.log10(np.diagonal(covariances, axis1=-2, axis2=-1).min()))
    decimals = max(7 + 2 * more, least)
    return {"weights": plain(weights), "means": plain(means, 5 + more), "covariances": plain(covariances, decimals)}


def _plain_settings(settings: Settings) -> dict[str, Any]:
    values = {field: getattr(settings, field) for field in _FIELDS}
    return {field: int(value) if isinstance(value, np.integer) else value for field, value in values.items()}


def _choices(sweep: MixtureSweep) -> dict[str, list[dict[str, Any]]]:
    """Return what each control offers, the settings at hand among them even where they are unusual."""
    labels = {**_LABELS, "scene": {**experiments.CHOICES["scene"], sweep.scene.name: sweep.scene.title}}
    offered: dict[str, list[dict[str, Any]]] = {}
    for field in _FIELDS:
        names, listed = (
            labels.get(field, {}),
            dict.fromkeys([*experiments.CHOICES[field], getattr(sweep.settings, field)]),
        )
        offered[field] = [{"value": value, "label": str(names.get(value, value))} for value in listed]
    return offered
