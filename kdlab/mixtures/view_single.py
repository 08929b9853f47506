"""One Gaussian placed by hand over p*, and what it is worth: notebook 01's live picture.

The page computes precision and recall itself (mixtures/measure.js), exactly and with no kernel on the path; the
truth that a test holds it to is `kdlab.mixtures.single.measure`. Python hears where the bell is when the hand rests.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import traitlets

from kdlab.mixtures import limits
from kdlab.mixtures.scenes import Scene, make_scene
from kdlab.mixtures.single import Measured, measure
from kdlab.pictures.live import LiveView, front_end, still_name

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

    Traits are what Python and the page share: ``world`` is sent once, ``hand`` is where the bell is.
    """

    _esm = front_end("mixtures/measure.js", "mixtures/view_single.js")

    world = traitlets.Dict().tag(sync=True)
    hand = traitlets.Dict().tag(sync=True)
    best = traitlets.Dict().tag(sync=True)  # {precision: hand, recall: hand}; the page's, kept while it is reloaded

    def __init__(self, scene: Scene, predict: Mapping[str, Any] | None = None) -> None:
        self._scene = scene
        world = _world(scene)
        super().__init__(predict, world=world, hand=world["opening"])

    @traitlets.validate("hand")
    def _check_hand(self, proposal: Mapping[str, Any]) -> dict[str, float]:
        centre, width = (float(proposal["value"].get(name, math.nan)) for name in ("centre", "width"))
        low, high = limits.single_space_limits(self._scene.truth)[0]
        if not (low <= centre <= high and NARROWEST <= width <= WIDEST):
            raise ValueError(
                f"centre {centre}, width {width} is outside the picture: "
                f"choose a centre from {low:g} to {high:g} and a width from {NARROWEST:g} to {WIDEST:g}."
            )
        return {"centre": centre, "width": width}

    @property
    def measured(self) -> Measured:
        """The student shown last, with its exact precision and recall."""
        return measure(self._scene.truth, **self.hand)

    def place(self, centre: float, width: float) -> None:
        """Move the bell, as a hand does. Raises ValueError outside the picture."""
        self.hand = {"centre": centre, "width": width}

    @property
    def sentence(self) -> str:
        """What the student shown last is worth."""
        return self.measured.sentence

    def still_name(self) -> str:
        """The name of the PNG that `drawn` draws, by all that it shows."""
        return still_name(f"hand|{self._scene.name}|{self.hand['centre']}|{self.hand['width']}", [self.sentence])

    def drawn(self) -> bytes:
        """Draw the current student as a PNG."""
        from kdlab.mixtures import plots_single  # here: the first slider must not wait for matplotlib
        from kdlab.pictures.figure import png

        return png(plots_single.figure(self._scene, self.measured))


def _world(scene: Scene) -> dict[str, Any]:
    """Everything that stays: p*, both bounds, the limits of both panels (nothing rescales), the sliders' positions."""
    truth, measured = scene.truth, measure(scene.truth, *OPENING)
    space, plane = limits.single_space_limits(truth), limits.single_plane_limits(measured)
    return {
        "title": scene.title,
        "truth": {name: getattr(truth, name).tolist() for name in ("weights", "means", "covariances")},
        "bounds": {"recall": measured.recall_bound, "precision": measured.precision_bound},
        "space": dict(zip("xy", map(list, space), strict=True)),
        "plane": dict(zip(("recall", "precision"), map(list, plane), strict=True)),
        "stretch": limits.STRETCH,
        "marks": list(limits.recall_marks(measured.recall_bound)),
        "step": STEP,
        "opening": dict(zip(("centre", "width"), OPENING, strict=True)),
        "widths": _widths(),
    }


def _widths() -> list[float]:
    """The width's positions, evenly spaced as ratios and rounded to what is shown of them."""
    steps = round(_DECADE * math.log10(WIDEST / NARROWEST))
    exact = [NARROWEST * 10 ** (i / _DECADE) for i in range(steps + 1)]
    return sorted({round(width, 4 if width < 0.1 else 2) for width in exact})
