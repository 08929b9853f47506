"""One Gaussian placed by hand over p*, and what it is worth: notebook 01's live picture.

The page draws the bell at once (mixtures/view_single.js); its precision and recall are computed here, exactly, and
follow. An answer carries the centre and the width that it belongs to, so that the page can tell an old number from the
one it waits for.
"""

from __future__ import annotations

import math
import threading
import traceback
from collections.abc import Mapping
from typing import Any

import traitlets

from kdlab.core.format import short
from kdlab.mixtures import limits_single as limits_hand
from kdlab.mixtures.scenes import Scene, make_scene
from kdlab.mixtures.single import Measured, measure
from kdlab.pictures.live import LiveView, front_end, still_name

__all__ = ["LINES", "SingleView", "by_hand"]

LINES = ("line", "falls")  # the scenes whose p* lives on a line
NARROWEST, WIDEST = 0.005, 5.0
STEP = 0.05  # of the centre's slider
OPENING = (0.0, 1.0)  # centre and width
_DECADE = 50  # positions of the width's slider in a factor of ten


def by_hand(scene: str = "line", *, predict: Mapping[str, Any] | None = None) -> SingleView:
    """Show p* of a scene on a line and a bell to drag over it; in a notebook, make this the last line of a cell.

    ``predict`` covers the picture until the reader commits a guess, as in `mixtures.show`. Raises ValueError for a
    scene that is not on a line.
    """
    if scene not in LINES:
        raise ValueError(f"scene is {scene!r}: a bell by hand needs a p* on a line; choose one of {', '.join(LINES)}.")
    return SingleView(make_scene(scene), predict)


class SingleView(LiveView):
    """A bell that the reader drags over p*, with its exact numbers. Make it with `by_hand`.

    Traits are what Python and the page share: ``world`` is sent once, ``hand`` is where the bell is, ``answer`` is
    what that is worth.
    """

    _esm = front_end("mixtures/view_single.js")

    world = traitlets.Dict().tag(sync=True)
    hand = traitlets.Dict().tag(sync=True)
    answer = traitlets.Dict().tag(sync=True)

    def __init__(self, scene: Scene, predict: Mapping[str, Any] | None = None) -> None:
        self._lock = threading.RLock()  # callbacks may run on several threads beside the cell
        self._request = 0  # the newest request: only its answer is shown
        self._scene = scene
        self._measured = measure(scene.truth, *OPENING)
        super().__init__(
            predict,
            world=_world(scene, self._measured),
            hand=_hand(*OPENING),
            answer=_answer(self._measured),
        )
        self.observe(self._on_hand, names="hand")

    # What a notebook may ask

    @property
    def measured(self) -> Measured:
        """The student shown last, with its exact precision and recall."""
        return self._measured

    def place(self, centre: float, width: float) -> None:
        """Move the bell, as a hand does. Raises ValueError outside the picture."""
        low, high = self.world["space"]["x"]
        if not (low <= centre <= high and NARROWEST <= width <= WIDEST):
            raise ValueError(
                f"centre {centre}, width {width} is outside the picture: "
                f"choose a centre from {low:g} to {high:g} and a width from {NARROWEST:g} to {WIDEST:g}."
            )
        self.hand = _hand(centre, width)

    # Answering the page

    def _on_hand(self, change: Mapping[str, Any]) -> None:
        with self._lock:
            self._request += 1
            request = self._request
            shown = _hand(self._measured.centre, self._measured.width)
        wanted = change["new"]
        if wanted == shown:  # back to it after an error
            return
        try:
            measured = measure(self._scene.truth, float(wanted["centre"]), float(wanted["width"]))
            with self._lock:
                if request == self._request:
                    self._measured = measured
                    self.answer, self.kernel_error = _answer(measured), ""
        except Exception:
            self._fail(request)

    def _fail(self, request: int) -> None:
        """Keep the error that is being handled, say it on the page, and go back to what is shown."""
        error = traceback.format_exc()
        with self._lock:
            self._kernel_errors.append(error)
            if request == self._request:
                self.kernel_error = error.strip().splitlines()[-1]
                self.hand = _hand(self._measured.centre, self._measured.width)

    # Where there is no page: GitHub, print, a Lab without a kernel

    @property
    def sentence(self) -> str:
        """What the student shown last is worth."""
        return self._measured.sentence

    def still_name(self) -> str:
        """The name of the PNG that `drawn` draws, by all that it shows."""
        key = f"hand|{self._scene.name}|{self._measured.centre}|{self._measured.width}"
        return still_name(key, [self.sentence])

    def drawn(self) -> bytes:
        """Draw the current student as a PNG."""
        from kdlab.mixtures import plots_single  # here: the first slider must not wait for matplotlib
        from kdlab.pictures.figure import png

        return png(plots_single.figure(self._scene, self._measured))


# What is sent


def _world(scene: Scene, measured: Measured) -> dict[str, Any]:
    """Everything that stays: p*, both bounds, the limits of both panels (nothing rescales), the sliders' positions."""
    truth = scene.truth
    bounds = {"recall": measured.recall_bound, "precision": measured.precision_bound}
    return {
        "title": scene.title,
        "truth": {name: getattr(truth, name).tolist() for name in ("weights", "means", "covariances")},
        "bounds": bounds,
        "space": dict(zip("xy", map(list, limits_hand.space_limits(truth)), strict=True)),
        "plane": dict(zip(("recall", "precision"), map(list, limits_hand.plane_limits(measured)), strict=True)),
        "stretch": limits_hand.STRETCH,
        "marks": list(limits_hand.recall_marks(measured.recall_bound)),
        "step": STEP,
        "widths": _widths(),
    }


def _hand(centre: float, width: float) -> dict[str, float]:
    return {"centre": float(centre), "width": float(width)}


def _answer(measured: Measured) -> dict[str, Any]:
    """Numbers, and every text made from them: the page formats none of its own, so no digit can differ."""
    numbers = {"precision": measured.precision, "recall": measured.recall}
    return {
        **_hand(measured.centre, measured.width),
        **numbers,
        "numbers": "   ".join(f"{name} {short(value)}" for name, value in numbers.items()),
        "below": {name: measured.below(name) for name in numbers},
        "sentence": measured.sentence,
    }


def _widths() -> list[float]:
    """The width's positions, evenly spaced as ratios and rounded to what is shown of them."""
    steps = round(_DECADE * math.log10(WIDEST / NARROWEST))
    exact = [NARROWEST * 10 ** (i / _DECADE) for i in range(steps + 1)]
    return sorted({round(width, 4 if width < 0.1 else 2) for width in exact})
