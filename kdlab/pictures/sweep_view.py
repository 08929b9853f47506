"""The live picture of a sweep: its slider, and controls that ask for other sweeps.

Another sweep is answered at once where one is ready, else from a thread that makes it. What a sweep is about, mixtures
or text, is for a subclass to say. Errors of either side are shown on the page and kept in `view.errors`.
"""

from __future__ import annotations

import math
import threading
import traceback
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar

import traitlets

from kdlab.core.sweep import Sweep
from kdlab.pictures.live import LiveView, still_name

if TYPE_CHECKING:
    from kdlab.pictures.figure import Picture

_KEPT = 24  # sweeps remembered per view, each about 100 kB on the page


class SweepView(LiveView):
    """The live picture of one sweep, and of others that its controls ask for.

    A subclass has a trait named for its knob ("beta", "tau" or "dial"), names the module that draws its stills
    (``_plots``, with `figure` and `filmstrip`), and answers five questions. Settings are plain: {name: value}. What
    are the settings of a sweep (``_settings_of``), what is their name (``_key``, which raises ValueError for bad
    ones), does making it take no time (``_is_ready``), what is the sweep itself (``_made``), and what is sent of it
    (``_sent``). A second slider is a trait of the subclass, named as the page's ``second`` is; it exchanges
    ``_shown``.
    """

    _plots: ClassVar[str]
    _film: ClassVar[tuple[float, ...]]  # where a filmstrip stands unless told

    sweep = traitlets.Dict().tag(sync=True)
    choices = traitlets.Dict().tag(sync=True)
    settings = traitlets.Dict().tag(sync=True)
    opened = traitlets.Dict().tag(sync=True)  # {key, settings, place}: where Reset goes, and what the question is about
    progress = traitlets.Float(None, allow_none=True).tag(sync=True)

    def __init__(self, sweep: Sweep, predict: Mapping[str, Any] | None, choices: Mapping[str, Any]) -> None:
        self._lock = threading.RLock()  # callbacks may run on several threads beside the cell
        self._request = 0  # the newest request: only its answer is shown
        self._shown: Any = sweep
        self._kept: OrderedDict[str, tuple[Any, dict[str, Any]]] = OrderedDict()
        sent, settings = self._keep(sweep), self._settings_of(sweep)
        opened = {"key": sent["key"], "settings": settings, "place": self._value}
        super().__init__(predict, sweep=sent, settings=settings, opened=opened, choices=dict(choices))
        self.observe(self._on_settings, names="settings")

    @traitlets.validate("beta", "tau", "dial")
    def _check_knob(self, proposal: Mapping[str, Any]) -> float:
        value = float(proposal["value"])
        self._shown.index(value)  # raises ValueError off the slider
        return value

    # What a notebook may ask

    @property
    def sweep_shown(self) -> Any:
        """The sweep shown now."""
        return self._shown

    @property
    def position(self) -> Any:
        """The position shown now, as far as the page has told; the page tells when the slider rests."""
        return self._shown.at(self._value)

    @property
    def sentence(self) -> str:
        """What the position shown now says."""
        return str(self._shown.sentence(self._shown.index(self._value)))

    def filmstrip(self, positions: Sequence[float] | None = None) -> Picture:
        """The static version: the same sweep at several positions of its knob, side by side."""
        picture: Picture = import_module(self._plots).filmstrip(
            self._shown, self._film if positions is None else positions
        )
        return picture

    def drawn(self) -> bytes:
        """Draw the current position as a PNG; without the path after a question, for a still cannot be uncovered."""
        from kdlab.pictures.figure import png  # here: the first slider must not wait for matplotlib

        return png(import_module(self._plots).figure(self._shown, self._value, path=self.prediction is None))

    def still_name(self) -> str:
        """The name of the PNG that `drawn` draws, by all that it shows."""
        said = [self.sentence, *self._shown.sentences]
        return still_name(self._key(self._settings_of(self._shown)), said, path=self.prediction is None)

    @property
    def _value(self) -> float:
        return float(getattr(self, self._shown.knob))

    # What a subclass answers

    def _settings_of(self, sweep: Any) -> dict[str, Any]:
        raise NotImplementedError

    def _key(self, settings: Mapping[str, Any]) -> str:
        raise NotImplementedError

    def _is_ready(self, settings: Mapping[str, Any]) -> bool:
        raise NotImplementedError

    def _made(self, settings: Mapping[str, Any], progress: Callable[[float], None]) -> Any:
        raise NotImplementedError

    def _sent(self, sweep: Any) -> dict[str, Any]:
        raise NotImplementedError

    # What a page without Python is given

    def key_at_once(self, settings: Mapping[str, Any]) -> str | None:
        """Return the name of the sweep of these settings where having it takes no time, else None.

        Raises ValueError for bad settings.
        """
        key = self._key(settings)
        return key if key in self._kept or self._is_ready(settings) else None

    def sent(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        """Return what is sent for these settings; made where it must be, which may take seconds."""
        kept = self._kept.get(self._key(settings))
        return kept[1] if kept is not None else self._sent(self._made(settings, lambda fraction: None))

    # Answering the page

    def _on_settings(self, change: Mapping[str, Any]) -> None:
        """Other settings are wanted: answer at once if their sweep is ready, else start making it."""
        with self._lock:
            self._request += 1
            request = self._request
        wanted = dict(change["new"])
        try:
            key = self._key(wanted)
            with self._lock:
                kept = self._kept.get(key)
            if kept is not None:
                self._answer(request, wanted, kept[0])
            elif self._is_ready(wanted):
                with self.hold_sync():  # one message, not three
                    self._make(request, wanted)
            else:
                self.progress = 0.0
                threading.Thread(target=self._work, args=(request, wanted), daemon=True).start()
        except Exception:
            self._fail(request)

    def _work(self, request: int, wanted: Mapping[str, Any]) -> None:
        """Make a sweep on a thread of its own."""
        try:
            self._make(request, wanted)
        except _Superseded:
            pass  # by design: something newer is wanted, and being made
        except Exception:
            self._fail(request)

    def _make(self, request: int, wanted: Mapping[str, Any]) -> None:
        def progress(fraction: float) -> None:
            with self._lock:
                if request != self._request:
                    raise _Superseded
                self.progress = round(fraction, 2)

        self._answer(request, wanted, self._made(wanted, progress))

    def _answer(self, request: int, wanted: Mapping[str, Any], sweep: Any) -> None:
        """Show a sweep, unless something else has been asked for meanwhile."""
        sent = self._keep(sweep)
        with self._lock:
            if request == self._request:
                self._shown = sweep
                low, high = float(sweep.positions[0]), float(sweep.positions[-1])
                setattr(
                    self, sweep.knob, min(max(self._value, low), high)
                )  # as the page does: this slider may be shorter
                # The page knows an answer by the settings it asked for, even if the sweep does not need them all.
                self.sweep = {**sent, "settings": dict(wanted)}
                self.progress = None

    def _fail(self, request: int) -> None:
        """Keep the error that is being handled, say it on the page, and go back to what is shown."""
        error = traceback.format_exc()
        with self._lock:
            self._kernel_errors.append(error)
            if request == self._request:
                self.kernel_error = error.strip().splitlines()[-1]
                self.progress = None
                self.settings = self._settings_of(self._shown)

    def _keep(self, sweep: Any) -> dict[str, Any]:
        """Remember a sweep and its payload, forget the oldest; return the payload."""
        key = self._key(self._settings_of(sweep))
        with self._lock:
            if key not in self._kept:
                self._kept[key] = (sweep, self._sent(sweep))
                while len(self._kept) > _KEPT:
                    self._kept.popitem(last=False)
            self._kept.move_to_end(key)
            return self._kept[key][1]


class _Superseded(Exception):
    """Raised inside the making of a sweep that nobody waits for any longer."""


def require_finite(value: Any, path: str) -> None:
    """Raise ValueError for NaN or infinity among what is sent: JSON cannot say them, and no picture could show them."""
    if isinstance(value, dict):
        for name, inner in value.items():
            require_finite(inner, f"{path}, {name}")
    elif isinstance(value, list):
        for inner in value:
            require_finite(inner, path)
    elif isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"The sweep {path} holds {value}: every number must be finite. Make the sweep again.")
