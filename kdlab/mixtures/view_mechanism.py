"""Pair terms shown in a notebook: the map of components and three matrices that light up as beta moves. No maths."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

import anywidget
import numpy as np
import traitlets

from kdlab.mixtures.limits import map_limits
from kdlab.mixtures.mechanism import Pairs
from kdlab.pictures.live import STYLE_SHEET, front_end

__all__ = ["MechanismView", "show_pairs"]

_DECIMALS = 6


def show_pairs(pairs: Pairs) -> MechanismView:
    """Show `mechanism.pairs_along(sweep)` as a live picture; make this the last line of a cell.

    Raises TypeError for anything else, and ValueError for a scene on a line, which has no map.
    """
    if not isinstance(pairs, Pairs):
        raise TypeError(
            f"{type(pairs).__name__} is not Pairs: pass what kdlab.mixtures.mechanism.pairs_along(...) returns."
        )
    if pairs.sweep.scene.truth.dim != 2:
        raise ValueError(f"the scene {pairs.sweep.scene.name!r} lives on a line: the map of components is drawn in 2-D")
    return MechanismView(pairs)


class MechanismView(anywidget.AnyWidget):
    """The live matrices. Make it with `show_pairs`; mixtures/view_mechanism.js says what each trait is for."""

    _esm = front_end("mixtures/view_mechanism.js")
    _css = STYLE_SHEET

    pairs = traitlets.Dict().tag(sync=True)
    beta = traitlets.Float(1.0).tag(sync=True)
    page_errors = traitlets.List(traitlets.Unicode()).tag(sync=True)

    def __init__(self, pairs: Pairs) -> None:
        self._pairs = pairs
        super().__init__(pairs=_sent(pairs))

    @traitlets.validate("beta")
    def _check_beta(self, proposal: Mapping[str, Any]) -> float:
        beta, betas = float(proposal["value"]), self._pairs.sweep.betas
        if not betas[0] <= beta <= betas[-1]:
            raise ValueError(f"beta = {beta} is outside this sweep: choose from {betas[0]:g} to {betas[-1]:g}.")
        return beta

    @property
    def errors(self) -> list[str]:
        """Everything that went wrong on the page; Python has nothing to do once the numbers are sent."""
        return list(self.page_errors)

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the live view, and beside it a PNG of the current position and its sentence."""
        from kdlab.mixtures import plots_mechanism as plots_why
        from kdlab.pictures.figure import png  # here: the live picture must not wait for matplotlib

        data, metadata = super()._repr_mimebundle_(**kwargs) or ({}, {})
        sentence = self._pairs.sentences[self._pairs.sweep.index(self.beta)]
        picture = base64.b64encode(png(plots_why.pair_matrices(self._pairs, [self.beta]))).decode()
        data = {**data, "image/png": picture, "text/plain": sentence}
        return data, {**metadata, "image/png": {"alt": sentence}}


def _sent(pairs: Pairs) -> dict[str, Any]:
    """Return the plain numbers that the page draws from."""
    sweep, order = pairs.sweep, pairs.order
    teacher = sweep.scene.teacher
    sent: dict[str, Any] = {
        name: _plain(getattr(pairs, name)) for name in ("joint_weights", "cross_entropies", "shares")
    }
    # Whole: rounded twice, they could differ from the sentence in the last digit.
    sent |= {name: getattr(pairs, name).tolist() for name in ("jensen", "variational", "exact")}
    return {
        **sent,
        "title": f"{sweep.scene.title}: who pays for whom",
        "beta": _plain(sweep.betas),
        "space": dict(zip("xy", _plain(map_limits(sweep)), strict=True)),
        "teacher": {
            "weights": _plain(np.exp(sweep.teacher_log_weights[:, order])),
            "means": _plain(teacher.means[order]),
            "covariances": _plain(teacher.covariances[order]),
        },
        "student": {
            "weights": _plain(np.exp(sweep.student_log_weights)),
            "means": _plain(sweep.student_means),
            "covariances": _plain(sweep.student_covariances),
        },
        "sentence": list(pairs.sentences),
    }


def _plain(values: Any) -> Any:
    return np.round(np.asarray(values, float), _DECIMALS).tolist()
