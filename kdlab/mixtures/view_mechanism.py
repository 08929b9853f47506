"""Pair terms shown in a notebook: the map of components and three matrices that light up as beta moves. No maths."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import traitlets

from kdlab.core.sweep import expect
from kdlab.mixtures.limits import finer, map_limits
from kdlab.mixtures.mechanism import Pairs
from kdlab.mixtures.view import parts
from kdlab.pictures.live import front_end, plain
from kdlab.pictures.sweep_view import SweepView

if TYPE_CHECKING:
    from kdlab.pictures.figure import Picture


def show_pairs(pairs: Pairs) -> MechanismView:
    """Show `mechanism.pairs_along(sweep)` as a live picture; make this the last line of a cell.

    Raises TypeError for anything else, and ValueError for a scene on a line, which has no map.
    """
    scene = expect(pairs, Pairs, "mixtures.mechanism.pairs_along").sweep.scene
    if scene.truth.dim != 2:
        raise ValueError(
            f"the scene {scene.name!r} lives on a line: the map of components needs 2-D; choose a scene such as 'ring'"
        )
    return MechanismView(pairs)


class MechanismView(SweepView):
    """The live matrices. Make it with `show_pairs`. With nothing to choose but beta, no other sweep is asked for."""

    _esm = front_end("pictures/sweep_view.js", "mixtures/view_mechanism.js")
    _film = (1, 5, 100)

    beta = traitlets.Float(1.0).tag(sync=True)

    def __init__(self, pairs: Pairs) -> None:
        super().__init__(pairs, None, {})

    def filmstrip(self, positions: Sequence[float] | None = None) -> Picture:
        """The static version: map and matrices at several values of beta, one below the other."""
        from kdlab.mixtures import plots_mechanism  # here: the live picture must not wait for matplotlib

        return plots_mechanism.pair_matrices(self._shown, self._film if positions is None else positions)

    def drawn(self) -> bytes:
        """Draw the current position as a PNG."""
        from kdlab.pictures.figure import png

        return png(self.filmstrip([self.beta]))

    def _settings_of(self, sweep: Pairs) -> dict[str, Any]:
        return {"pairs": sweep.sweep.settings.key}

    def _key(self, settings: Mapping[str, Any]) -> str:
        return f"pairs|{settings['pairs']}"

    def _sent(self, sweep: Pairs) -> dict[str, Any]:
        return payload(sweep)


def payload(pairs: Pairs) -> dict[str, Any]:
    """Return the plain numbers that the page draws from."""
    sweep, order = pairs.sweep, pairs.order
    teacher, taught = sweep.scene.teacher, np.exp(sweep.teacher_log_weights[:, order])
    (x, y), more = map_limits(sweep), finer(map_limits(sweep)[0])
    matrices = {name: getattr(pairs, name) for name in ("joint_weights", "cross_entropies", "shares")}
    return {
        "key": f"pairs|{sweep.settings.key}",
        "settings": {"pairs": sweep.settings.key},
        "title": f"{sweep.scene.title}: who pays for whom",
        "beta": plain(sweep.betas),
        "space": {"x": plain(x, 5 + more), "y": plain(y, 5 + more)},
        "teacher": parts(taught, teacher.means[order], teacher.covariances[order], more),
        "student": parts(np.exp(sweep.student_log_weights), sweep.student_means, sweep.student_covariances, more),
        **{name: plain(values, 6) for name, values in matrices.items()},
        # Whole: rounded twice, they could differ from the sentence in the last digit.
        **{name: getattr(pairs, name).tolist() for name in ("jensen", "variational", "exact")},
        "sentence": list(pairs.sentences),
    }
