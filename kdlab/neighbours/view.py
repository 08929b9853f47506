"""A neighbour's comparison shown in a notebook: curves over its knob, and the plane. No maths.

The picture is drawn by neighbours/view.js from `payload(comparison)`, which is sent once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import traitlets

from kdlab.core.sweep import expect
from kdlab.neighbours.comparison import Comparison, limits, span
from kdlab.pictures.live import front_end, plain
from kdlab.pictures.sweep_view import SweepView, require_finite

if TYPE_CHECKING:
    from kdlab.pictures.figure import Picture


def show(comparison: Comparison, *, predict: Mapping[str, Any] | None = None) -> KnobView:
    """Show what a neighbour's `sweep()` returns as a live picture; in a notebook, make this the last line of a cell.

    ``predict`` covers the picture until the reader commits a guess, as in `mixtures.show`. Raises TypeError for
    anything else.
    """
    return KnobView(expect(comparison, Comparison, "a neighbour's sweep"), predict)


class KnobView(SweepView):
    """The live picture of one comparison. Make it with `show`."""

    _esm = front_end("pictures/plane.js", "pictures/sweep_view.js", "neighbours/view.js")
    _plots = "kdlab.neighbours.plots"

    dial = traitlets.Float().tag(sync=True)

    def __init__(self, comparison: Comparison, predict: Mapping[str, Any] | None = None) -> None:
        super().__init__(comparison, predict, {})

    @traitlets.default("dial")
    def _start(self) -> float:
        return float(self._shown.dials[self._shown.index(self._shown.start)])

    def filmstrip(self, positions: Sequence[float] | None = None) -> Picture:
        """The static version: both ends of the knob and two places between them, unless told."""
        dials = self._shown.dials
        return super().filmstrip(
            dials[np.linspace(0, len(dials) - 1, 4).astype(int)] if positions is None else positions
        )

    def _settings_of(self, sweep: Comparison) -> dict[str, Any]:
        return {"name": sweep.name}

    def _key(self, settings: Mapping[str, Any]) -> str:
        return f"neighbour|{settings['name']}"

    def _sent(self, sweep: Comparison) -> dict[str, Any]:
        return payload(sweep)


def payload(comparison: Comparison) -> dict[str, Any]:
    """Return the plain numbers and names that the page draws from (about 20 kB as JSON).

    Raises ValueError where a number is not finite.
    """
    recall, precision = limits(comparison)
    sent: dict[str, Any] = {
        "key": f"neighbour|{comparison.name}",
        "settings": {"name": comparison.name},
        "title": comparison.title,
        "knob": comparison.knob_name,
        "called": {"direct": comparison.plain, "distilled": comparison.own},
        "marks": list(comparison.marks),
        "start": comparison.start,
        "dial": comparison.dials.tolist(),
        "plane": {"recall": plain(recall), "precision": plain(precision)},
        "bounds": {"recall": round(comparison.recall_bound, 4), "precision": round(comparison.precision_bound, 4)},
        "direct": {"precision": round(comparison.direct_precision, 4), "recall": round(comparison.direct_recall, 4)},
        "precision": comparison.precision.tolist(),
        "recall": comparison.recall.tolist(),
        "switched": [0] * len(comparison.dials),
        "others": [
            {"name": one.name, "precision": round(one.precision, 4), "recall": round(one.recall, 4)}
            for one in comparison.others
        ],
        "curves": [{"name": name, "values": plain(values)} for name, values in comparison.curves.items()],
        "span": plain(span(comparison)),
        "unit": comparison.curve_unit,
        "sentence": list(comparison.sentences),
    }
    require_finite(sent, str(sent["key"]))
    return sent
