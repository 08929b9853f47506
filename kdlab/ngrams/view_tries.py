"""How many tries, shown in a notebook: names that come out, a curve over tau, the plane; sliders of tau and of k.

The picture is drawn by ngrams/view_tries.js from `payload(tries)`, which is sent once. No maths.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import traitlets

from kdlab.core.sweep import expect
from kdlab.ngrams.tries import OPENING, TriesSweep, kinds
from kdlab.pictures.limits import CLOSE, plane_limits
from kdlab.pictures.live import front_end, plain
from kdlab.pictures.sweep_view import SweepView, require_finite


def show_tries(tries: TriesSweep, *, predict: Mapping[str, Any] | None = None) -> TriesView:
    """Show `ngrams.tries_over_tau(sweep)` as a live picture; in a notebook, make this the last line of a cell.

    ``predict`` covers the picture until the reader commits a guess, as in `mixtures.show`. Raises TypeError for
    anything else.
    """
    return TriesView(expect(tries, TriesSweep, "ngrams.tries_over_tau"), predict)


class TriesView(SweepView):
    """The live picture of k tries. Make it with `show_tries`. Its filmstrip is over k, at all tau."""

    _esm = front_end("pictures/plane.js", "pictures/sweep_view.js", "ngrams/view_tries.js")
    _plots = "kdlab.ngrams.plots_tries"
    _film = (1, 30, 1000, 100_000)

    tau = traitlets.Float(1.0).tag(sync=True)
    k = traitlets.Int(OPENING).tag(sync=True)

    def __init__(self, tries: TriesSweep, predict: Mapping[str, Any] | None = None) -> None:
        super().__init__(tries, predict, {})
        self.k = tries.k

    @traitlets.validate("k")
    def _check_k(self, proposal: Mapping[str, Any]) -> int:
        return int(self._shown.asking(proposal["value"]).k)  # raises ValueError off the slider

    @traitlets.observe("k")
    def _ask(self, change: Mapping[str, Any]) -> None:
        self._shown = self._shown.asking(change["new"])

    def _settings_of(self, sweep: TriesSweep) -> dict[str, Any]:
        return _settings(sweep)

    def _key(self, settings: Mapping[str, Any]) -> str:
        return "tries|{orders}|{seed}".format(**settings)

    def _sent(self, sweep: TriesSweep) -> dict[str, Any]:
        return payload(sweep)


def payload(tries: TriesSweep) -> dict[str, Any]:
    """Return the plain numbers and names that the page draws from (about 110 kB as JSON), the same for every k.

    Raises ValueError where a number is not finite.
    """
    recall, precision = plane_limits(tries, CLOSE)
    best = {"tau": tries.best_taus, "place": tries.best_places, "inside": tries.inside.astype(int)}
    sent: dict[str, Any] = {
        "key": "tries|{orders}|{seed}".format(**_settings(tries)),
        "settings": _settings(tries),
        "title": tries.title,
        "tau": tries.taus.tolist(),
        "k": tries.draws.tolist(),
        "plane": {"recall": plain(recall), "precision": plain(precision)},
        "bounds": {"recall": round(tries.recall_bound, 4), "precision": round(tries.precision_bound, 4)},
        "direct": {"precision": round(tries.direct_precision, 4), "recall": round(tries.direct_recall, 4)},
        # Whole: rounded twice, they could differ from the sentence in the last digit.
        **{name: getattr(tries, name).tolist() for name in ("precision", "recall", "real", "distinct")},
        "switched": [0] * len(tries.taus),
        "best": {name: values.tolist() for name, values in best.items()},
        "names": [list(names) for names in tries.names],
        "kinds": [kinds(names) for names in tries.names],
    }
    require_finite(sent, str(sent["key"]))
    return sent


def _settings(tries: TriesSweep) -> dict[str, Any]:
    return {"orders": ", ".join(map(str, tries.orders)), "seed": tries.seed}
