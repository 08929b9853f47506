"""A sweep of text shown in a notebook: invented names, next letters, and the plane, as tau moves. No maths.

The picture is drawn by ngrams/view.js from `payload(sweep)`, which is sent once. What Python does afterwards is to
answer when the reader asks for other orders or other random numbers (kdlab.pictures.sweep_view).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import traitlets

from kdlab.core.sweep import expect
from kdlab.ngrams import experiment as temperature
from kdlab.ngrams.experiment import NGramSweep
from kdlab.ngrams.names import LETTERS, real_names
from kdlab.pictures.limits import CLOSE, plane_limits
from kdlab.pictures.live import front_end, plain
from kdlab.pictures.sweep_view import SweepView, require_finite

_ORDERS = ("3, 2, 1", "3, 3, 1", "3, 2, 2", "2, 1, 0", "4, 2, 1", "4, 3, 2")
_SEEDS = (0, 1, 2)


def show(sweep: NGramSweep, *, predict: Mapping[str, Any] | None = None) -> NGramView:
    """Show a sweep of text as a live picture; in a notebook, make this the last line of a cell.

    ``predict`` covers the picture until the reader commits a guess, as in `mixtures.show`. Raises TypeError
    for anything but what `ngrams.teacher_temperature(...)` returns.
    """
    return NGramView(expect(sweep, NGramSweep, "ngrams.teacher_temperature"), predict)


class NGramView(SweepView):
    """The live picture of one sweep of text, and of others that its controls ask for. Make it with `show`."""

    _esm = front_end("pictures/plane.js", "pictures/sweep_view.js", "ngrams/view.js")
    _plots = "kdlab.ngrams.plots"
    _film = (0.3, 0.6, 1.0, 1.5)

    tau = traitlets.Float(1.0).tag(sync=True)

    def __init__(self, sweep: NGramSweep, predict: Mapping[str, Any] | None = None) -> None:
        self._positions = len(sweep.taus)
        super().__init__(sweep, predict, _choices(sweep))

    # What other sweeps are

    def _settings_of(self, sweep: NGramSweep) -> dict[str, Any]:
        return _settings(sweep)

    def _key(self, settings: Mapping[str, Any]) -> str:
        return f"{', '.join(map(str, _orders(settings['orders'])))}|{settings['seed']}"

    def _is_ready(self, settings: Mapping[str, Any]) -> bool:
        return False

    def _made(self, settings: Mapping[str, Any], progress: Callable[[float], None]) -> NGramSweep:
        return temperature.teacher_temperature(
            *_orders(settings["orders"]), seed=settings["seed"], positions=self._positions, progress=progress
        )

    def _sent(self, sweep: NGramSweep) -> dict[str, Any]:
        return payload(sweep)

    def still_name(self) -> str:
        """As for any sweep; "text" before it, since orders alone say little as the name of a file."""
        return f"text-{super().still_name()}"


# What is sent


def payload(sweep: NGramSweep) -> dict[str, Any]:
    """Return a sweep as the plain numbers and names that the page draws from (about 60 kB as JSON).

    Raises ValueError where a number is not finite.
    """
    recall, precision = plane_limits(sweep, CLOSE)
    settings = _settings(sweep)
    sent: dict[str, Any] = {
        "key": "{orders}|{seed}".format(**settings),
        "settings": settings,
        "title": sweep.title,
        "tau": plain(sweep.taus),
        "plane": {"recall": plain(recall), "precision": plain(precision)},
        "bounds": {"recall": round(sweep.recall_bound, 4), "precision": round(sweep.precision_bound, 4)},
        "direct": {"precision": round(sweep.direct_precision, 4), "recall": round(sweep.direct_recall, 4)},
        # Whole: rounded twice, they could differ from the sentence in the last digit.
        "precision": sweep.precision.tolist(),
        "recall": sweep.recall.tolist(),
        "switched": [0] * len(sweep.taus),
        "names": [list(names) for names in sweep.names],
        "real": [[int(name in real_names()) for name in names] for names in sweep.names],
        "covered": plain(sweep.covered),
        "prefix": temperature.PREFIX,
        "letters": [*LETTERS, "end"],
        "next": {
            "truth": plain(sweep.next_true),
            "teacher": plain(sweep.next_taught),
            "student": plain(sweep.next_learned),
        },
        "sentence": list(sweep.sentences),
    }
    require_finite(sent, str(sent["key"]))
    return sent


def _settings(sweep: NGramSweep) -> dict[str, Any]:
    """What makes a sweep, as the page has it: orders as "3, 2, 1"."""
    return {"orders": ", ".join(map(str, sweep.orders)), "seed": sweep.seed}


def _orders(named: str) -> tuple[int, ...]:
    try:
        orders = tuple(int(order) for order in named.split(","))
    except (AttributeError, ValueError):
        orders = ()
    if len(orders) != 3:
        raise ValueError(f'The orders are {named!r}: give three whole numbers, such as "3, 2, 1".')
    return orders


def _choices(sweep: NGramSweep) -> dict[str, list[dict[str, Any]]]:
    """Return what each control offers, the sweep at hand among them even where it is unusual."""
    offered, own = {"orders": _ORDERS, "seed": _SEEDS}, _settings(sweep)
    return {
        field: [{"value": value, "label": str(value)} for value in dict.fromkeys([*values, own[field]])]
        for field, values in offered.items()
    }
