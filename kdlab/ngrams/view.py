"""A sweep of text shown in a notebook: invented names, next letters, and the plane, as tau moves. No maths.

The picture is drawn by ngrams/view.js from `payload(sweep)`, which is sent once. What Python does afterwards is to
answer when the reader asks for other orders or other random numbers (kdlab.pictures.sweep_view).
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import traitlets

from kdlab.mixtures.limits import text_limits
from kdlab.ngrams import experiment as temperature
from kdlab.ngrams._strings import LETTERS, real_names
from kdlab.ngrams.experiment import NGramSweep, Position
from kdlab.pictures import prepared
from kdlab.pictures.frontend import STYLE_SHEET, front_end
from kdlab.pictures.sweep_view import SweepView, require_finite

if TYPE_CHECKING:
    from kdlab.mixtures.plots import Picture

__all__ = ["NGramView", "payload", "show_text"]

_ORDERS = ("3, 2, 1", "3, 3, 1", "3, 2, 2", "2, 1, 0", "4, 2, 1", "4, 3, 2")
_SEEDS = (0, 1, 2)


def show_text(sweep: NGramSweep, *, predict: Mapping[str, Any] | None = None) -> NGramView:
    """Show a sweep of text as a live picture; in a notebook, make this the last line of a cell.

    ``predict`` covers the picture until the reader commits a guess, as in `kdlab.mixtures.view.show`. Raises TypeError
    for anything but what `experiments.teacher_temperature(...)` returns.
    """
    if not isinstance(sweep, NGramSweep):
        raise TypeError(
            f"{type(sweep).__name__} is not a NGramSweep: pass what experiments.teacher_temperature(...) returns."
        )
    return NGramView(sweep, predict)


class NGramView(SweepView):
    """The live picture of one sweep of text, and of others that its controls ask for. Make it with `show_text`."""

    _esm = front_end("pictures/sweep_view.js", "ngrams/view.js")
    _css = STYLE_SHEET

    tau = traitlets.Float(1.0).tag(sync=True)

    def __init__(self, sweep: NGramSweep, predict: Mapping[str, Any] | None = None) -> None:
        self._positions = len(sweep.taus)
        super().__init__(sweep, predict, _choices(sweep))

    @traitlets.validate("tau")
    def _check_tau(self, proposal: Mapping[str, Any]) -> float:
        tau = float(proposal["value"])
        cast("NGramSweep", self._shown).index(tau)  # raises ValueError off the slider
        return tau

    # What a notebook may ask

    @property
    def sweep_shown(self) -> NGramSweep:
        """The sweep shown now."""
        return cast("NGramSweep", self._shown)

    @property
    def position(self) -> Position:
        """The position shown now, as far as the page has told; the page tells when the slider rests."""
        return self.sweep_shown.at(self.tau)

    def filmstrip(self, taus: Sequence[float] = (0.3, 0.6, 1.0, 1.5)) -> Picture:
        """The static version: the same sweep at several tau, side by side."""
        from kdlab.ngrams import plots as plots_text  # here: the first slider must not wait for matplotlib

        return plots_text.filmstrip(self.sweep_shown, taus)

    # What other sweeps are

    def _settings_of(self, sweep: NGramSweep) -> dict[str, Any]:
        return {"orders": _named(sweep.orders), "seed": sweep.seed}

    def _key(self, settings: Mapping[str, Any]) -> str:
        return f"{_named(_orders(settings['orders']))}|{settings['seed']}"

    def _is_ready(self, settings: Mapping[str, Any]) -> bool:
        return False

    def _made(self, settings: Mapping[str, Any], progress: Callable[[float], None]) -> NGramSweep:
        return temperature.teacher_temperature(
            *_orders(settings["orders"]), seed=settings["seed"], positions=self._positions, progress=progress
        )

    def _sent(self, sweep: NGramSweep) -> dict[str, Any]:
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
        key = f"text|{self._key(self._settings_of(self.sweep_shown))}"
        said = [self.position.sentence, *self.sweep_shown.sentences]
        return prepared.name(key, said, path=self.prediction is None)

    def drawn(self) -> bytes:
        """Draw the current position as a PNG; without the path after a question, for a still cannot be uncovered."""
        from kdlab.mixtures import plots  # here: the first slider must not wait for matplotlib
        from kdlab.ngrams import plots as plots_text

        return plots.png(plots_text.figure(self.sweep_shown, self.tau, path=self.prediction is None))


# What is sent


def payload(sweep: NGramSweep) -> dict[str, Any]:
    """Return a sweep as the plain numbers and names that the page draws from (about 60 kB as JSON).

    Raises ValueError where a number is not finite.
    """
    recall, precision = text_limits(sweep)
    p_star, taught, learned = sweep.orders
    sent: dict[str, Any] = {
        "key": f"{_named(sweep.orders)}|{sweep.seed}",
        "settings": {"orders": _named(sweep.orders), "seed": sweep.seed},
        "title": f"First names: p* of order {p_star}, teacher of order {taught}, student of order {learned}",
        "tau": _plain(sweep.taus),
        "plane": {"recall": _plain(recall), "precision": _plain(precision)},
        "bounds": {"recall": round(sweep.recall_bound, 4), "precision": round(sweep.precision_bound, 4)},
        "direct": {"precision": round(sweep.direct_precision, 4), "recall": round(sweep.direct_recall, 4)},
        "switched": [0] * len(sweep.taus),
        "names": [list(names) for names in sweep.names],
        "real": [[int(name in real_names()) for name in names] for names in sweep.names],
        "covered": _plain(sweep.covered),
        "prefix": temperature.PREFIX,
        "letters": [*LETTERS, "end"],
        "next": {
            "truth": _plain(sweep.next_true),
            "teacher": _plain(sweep.next_taught),
            "student": _plain(sweep.next_learned),
        },
        "sentence": list(sweep.sentences),
    }
    for name in ("precision", "recall"):  # whole: rounded twice, they could differ from the sentence in the last digit
        sent[name] = getattr(sweep, name).tolist()
    require_finite(sent, str(sent["key"]))
    return sent


def _plain(values: Any, decimals: int = 5) -> Any:
    return np.round(np.asarray(values, float), decimals).tolist()


def _named(orders: Sequence[int]) -> str:
    """Orders as the page has them: "3, 2, 1"."""
    return ", ".join(str(order) for order in orders)


def _orders(named: str) -> tuple[int, ...]:
    try:
        orders = tuple(int(order) for order in named.split(","))
    except (AttributeError, ValueError):
        orders = ()
    if len(orders) != 3:
        raise ValueError(f'The orders are {named!r}: three whole numbers are needed, such as "3, 2, 1".')
    return orders


def _choices(sweep: NGramSweep) -> dict[str, list[dict[str, Any]]]:
    """Return what each control offers, the sweep at hand among them even where it is unusual."""
    offered: dict[str, list[Any]] = {"orders": [*_ORDERS], "seed": [*_SEEDS]}
    for field, value in (("orders", _named(sweep.orders)), ("seed", sweep.seed)):
        if value not in offered[field]:
            offered[field].append(value)
    return {field: [{"value": value, "label": str(value)} for value in values] for field, values in offered.items()}
