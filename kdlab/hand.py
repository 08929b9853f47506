"""One Gaussian placed by hand over p*, and what it is worth: notebook 01's live picture.

The page draws the bell at once (static/hand.js); its precision and recall are computed here, exactly, and follow. An
answer carries the centre and the width that it belongs to, so that the page can tell an old number from the one it
waits for.
"""

from __future__ import annotations

import base64
import math
import textwrap
import threading
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import anywidget
import numpy as np
import traitlets

from kdlab import plots, widgets
from kdlab.frontend import STYLE_SHEET, front_end
from kdlab.metrics import precision, recall
from kdlab.mixtures import GaussianMixture
from kdlab.scenes import Scene, line_mixture, make_scene

__all__ = ["LINES", "ByHandView", "Measured", "by_hand", "figure", "measure"]

LINES = ("line", "falls")  # the scenes whose p* lives on a line
NARROWEST, WIDEST = 0.005, 5.0
STEP = 0.05  # of the centre's slider
OPENING = (0.0, 1.0)  # centre and width
_DECADE = 50  # positions of the width's slider in a factor of ten
_SHOWN = {"recall": 30.0, "precision": 7.0}  # nats below the bounds that the plane shows; what is worse is on its edge


@dataclass(frozen=True)
class Measured:
    """A student N(centre, width^2) and what it is worth under a truth; all but the first two in nats, all exact."""

    centre: float
    width: float
    precision: float
    recall: float
    precision_bound: float
    recall_bound: float

    @property
    def sentence(self) -> str:
        """What the picture shows, in words and numbers."""
        return (
            f"Centre {_words(self.centre)}, width {_width(self.width)}: "
            f"precision {_words(self.precision)} nats ({self.below('precision')} below its bound), "
            f"recall {_words(self.recall)} nats ({self.below('recall')} below its bound)."
        )

    def below(self, name: str) -> str:
        """How far "precision" or "recall" is from its bound, as text with two decimals."""
        apart = float(getattr(self, f"{name}_bound") - getattr(self, name))
        return _words(apart) if apart >= 0.005 else "less than 0.01"


def measure(truth: GaussianMixture, centre: float, width: float) -> Measured:
    """Score the student N(centre, width^2) under a truth on a line: exact, to 1e-6 nats (Cha & Cho 2025, section 3).

    Raises ValueError for a width that is not above zero, or a centre that is not finite.
    """
    if not (math.isfinite(width) and width > 0):
        raise ValueError(f"width is {width}: a Gaussian's standard deviation is above zero; try 1.0")
    student = line_mixture([1.0], [centre], [width])
    bounds = truth.mode_density(), recall(truth, truth).value  # recall of the truth itself is minus its entropy
    return Measured(centre, width, precision(student, truth).value, recall(student, truth).value, *bounds)


def by_hand(scene: str = "line", *, predict: Mapping[str, Any] | None = None) -> ByHandView:
    """Show p* of a scene on a line and a bell to drag over it; in a notebook, make this the last line of a cell.

    ``predict`` covers the picture until the reader commits a guess, as in `widgets.show`. Raises ValueError for a
    scene that is not on a line.
    """
    if scene not in LINES:
        raise ValueError(f"scene is {scene!r}: a bell by hand needs a p* on a line; choose one of {', '.join(LINES)}.")
    return ByHandView(make_scene(scene), predict)


class ByHandView(anywidget.AnyWidget):
    """A bell that the reader drags over p*, with its exact numbers. Make it with `by_hand`.

    Traits are what Python and the page share: ``world`` is sent once, ``hand`` is where the bell is, ``answer`` is
    what that is worth.
    """

    _esm = front_end("hand.js")
    _css = STYLE_SHEET

    world = traitlets.Dict().tag(sync=True)
    hand = traitlets.Dict().tag(sync=True)
    answer = traitlets.Dict().tag(sync=True)
    prediction = traitlets.Dict(None, allow_none=True).tag(sync=True)
    kernel_error = traitlets.Unicode("").tag(sync=True)
    page_errors = traitlets.List(traitlets.Unicode()).tag(sync=True)

    def __init__(self, scene: Scene, predict: Mapping[str, Any] | None = None) -> None:
        self._lock = threading.RLock()  # callbacks may run on several threads beside the cell
        self._request = 0  # the newest request: only its answer is shown
        self._kernel_errors: list[str] = []
        self._scene = scene
        self._measured = measure(scene.truth, *OPENING)
        super().__init__(
            world=_world(scene, self._measured),
            hand=_hand(*OPENING),
            answer=_answer(self._measured),
            prediction=widgets.checked_prediction(predict),
        )
        self.observe(self._on_hand, names="hand")
        self.observe(self._on_prediction, names="prediction")

    # What a notebook may ask

    @property
    def measured(self) -> Measured:
        """The student shown last, with its exact precision and recall."""
        return self._measured

    @property
    def errors(self) -> list[str]:
        """Everything that went wrong: tracebacks of the kernel's side, messages of the page's."""
        return [*self._kernel_errors, *self.page_errors]

    def place(self, centre: float, width: float) -> None:
        """Move the bell, as a hand does. Raises ValueError outside the picture."""
        low, high = self.world["space"]["x"]
        if not (low <= centre <= high and NARROWEST <= width <= WIDEST):
            raise ValueError(
                f"centre {centre}, width {width} is outside the picture: "
                f"choose a centre from {low:g} to {high:g} and a width from {NARROWEST:g} to {WIDEST:g}."
            )
        self.hand = _hand(centre, width)

    def commit(self, guess: str) -> None:
        """Commit a guess, as a click on one of the options does: the picture is uncovered."""
        self.prediction = widgets.committed(self.prediction, guess)

    # Answering the page

    def _on_prediction(self, change: Mapping[str, Any]) -> None:
        """A guess was committed, here or on the page: keep it. Where that fails, the page says so."""
        trouble = widgets.keep_guess(change["new"])
        if trouble:
            self._kernel_errors.append(trouble)
            self.kernel_error = trouble

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

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the live view, and beside it a PNG of the current student and its sentence."""
        data, metadata = super()._repr_mimebundle_(**kwargs) or ({}, {})
        sentence = self._measured.sentence
        picture = base64.b64encode(plots.png(figure(self._scene, self._measured))).decode()
        data = {**data, "image/png": picture, "text/plain": sentence}
        return data, {**metadata, "image/png": {"alt": sentence}}


# What is sent


def _world(scene: Scene, measured: Measured) -> dict[str, Any]:
    """Everything that stays: p*, both bounds, the limits of both panels (nothing rescales), the sliders' positions."""
    truth = scene.truth
    bounds = {"recall": measured.recall_bound, "precision": measured.precision_bound}
    return {
        "title": scene.title,
        "truth": {name: getattr(truth, name).tolist() for name in ("weights", "means", "covariances")},
        "bounds": bounds,
        "space": {"x": list(_space(truth)[0]), "y": list(_space(truth)[1])},
        "plane": {name: list(_plane(bound, _SHOWN[name])) for name, bound in bounds.items()},
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
        "numbers": "   ".join(f"{name} {_words(value)}" for name, value in numbers.items()),
        "below": {name: measured.below(name) for name in numbers},
        "sentence": measured.sentence,
    }


def _widths() -> list[float]:
    """The width's positions, evenly spaced as ratios and rounded to what is shown of them."""
    steps = round(_DECADE * math.log10(WIDEST / NARROWEST))
    exact = [NARROWEST * 10 ** (i / _DECADE) for i in range(steps + 1)]
    return sorted({round(width, 4 if width < 0.1 else 2) for width in exact})


def _space(truth: GaussianMixture) -> tuple[plots.Limits, plots.Limits]:
    """Limits of place and density: all of p*, and the peak of a Gaussian as narrow as its narrowest component."""
    sd = np.sqrt(truth.covariances[:, 0, 0])
    reach = float(np.ceil((np.abs(truth.means[:, 0]) + 3 * sd).max()))
    highest = max(math.exp(truth.mode_density()), 1 / (math.sqrt(2 * math.pi) * float(sd.min())))
    return (-reach, reach), (0.0, 1.06 * highest)


def _plane(bound: float, shown: float) -> plots.Limits:
    return bound - shown, bound + 0.09 * shown  # room for the bound's name beyond it


def _words(value: float) -> str:
    """Two decimals, from a thousand on none; a real minus sign, and none before zero."""
    text = f"{value:.2f}" if abs(value) < 1000 else f"{value:,.0f}"
    return text.replace("-", "−" if float(text.replace(",", "")) else "")


def _width(value: float) -> str:
    return f"{value:.2f}" if value >= 0.1 else f"{value:.4f}".rstrip("0")


# The still picture


def figure(scene: Scene, measured: Measured) -> plots.Picture:
    """Draw one student by hand: p* and the bell on the left, the plane on the right, the sentence below."""
    made = plots.Picture(figsize=(9.2, 4.9), dpi=110, facecolor="white")
    _draw_space(made.add_axes((0.02, 0.2, 0.44, 0.66)), scene.truth, measured)
    _draw_plane(made.add_axes((0.55, 0.24, 0.43, 0.62)), measured)
    made.text(0.02, 0.93, scene.title, fontsize=14, color=plots.INK)
    said = textwrap.fill(measured.sentence, 112)
    made.text(0.02, 0.08, said, fontsize=10.5, color=plots.INK, va="top", linespacing=1.45)
    made.words = measured.sentence
    return made


def _draw_space(axes: Any, truth: GaussianMixture, measured: Measured) -> None:
    x_limits, y_limits = _space(truth)
    near = measured.centre + measured.width * np.linspace(-6, 6, 241)  # a spike is between the places of any fixed grid
    x = np.sort(np.concatenate([np.linspace(*x_limits, 401), near]))
    student = line_mixture([1.0], [measured.centre], [measured.width])
    axes.set(xlim=x_limits, ylim=y_limits, yticks=[])
    axes.spines[["top", "left", "right"]].set_visible(False)
    for name, model, width in (("truth", truth, 1.0), ("distilled", student, 2.2)):
        role, height = plots.STYLE[name], np.exp(model.log_prob(x[:, None]))
        axes.plot(x, height, color=role.colour, linestyle=role.line, linewidth=width)
        if name == "truth":
            axes.fill_between(x, height, color=role.colour, alpha=0.16, linewidth=0)
    _quiet_axes(axes)
    top = {"transform": axes.transAxes, "fontsize": 9, "va": "top"}
    axes.text(0.0, 1.07, "p* truth", color=plots.STYLE["truth"].colour, **top)
    axes.text(0.14, 1.07, "p″ a student by hand", color=plots.STYLE["distilled"].colour, **top)


def _draw_plane(axes: Any, measured: Measured) -> None:
    """The plane with its fixed limits; a student beyond them stands on the edge, as an arrow."""
    recall_limits = _plane(measured.recall_bound, _SHOWN["recall"])
    precision_limits = _plane(measured.precision_bound, _SHOWN["precision"])
    axes.set(xlim=recall_limits, ylim=precision_limits, xlabel="recall, nats", ylabel="precision, nats")
    axes.spines[["top", "right"]].set_visible(False)
    _quiet_axes(axes)
    _draw_bounds(axes, measured)
    x, y = max(measured.recall, recall_limits[0]), max(measured.precision, precision_limits[0])
    marker = "<" if x > measured.recall else "v" if y > measured.precision else "o"
    axes.plot(
        x, y, marker, color=plots.STYLE["distilled"].colour, markersize=11, markeredgecolor="white", clip_on=False
    )


def _draw_bounds(axes: Any, measured: Measured) -> None:
    line: dict[str, Any] = {"color": plots.STYLE["bounds"].colour, "linewidth": 0.8}
    axes.axhline(measured.precision_bound, **line)
    axes.axvline(measured.recall_bound, **line)
    text: dict[str, Any] = {"fontsize": 8, "color": plots.QUIET, "textcoords": "offset points"}
    across, up = axes.get_yaxis_transform(), axes.get_xaxis_transform()
    axes.annotate(
        "precision ≤ max log p*", (0.02, measured.precision_bound), (0, 3), xycoords=across, va="bottom", **text
    )
    axes.annotate("recall ≤ −H(p*)", (measured.recall_bound, 0.88), (3, 0), xycoords=up, rotation=90, va="top", **text)


def _quiet_axes(axes: Any) -> None:
    axes.spines[["left", "bottom"]].set_color(plots.STYLE["bounds"].colour)
    axes.tick_params(labelsize=9, color=plots.STYLE["bounds"].colour, labelcolor=plots.QUIET)
    axes.xaxis.label.set(color=plots.QUIET, size=9)
    axes.yaxis.label.set(color=plots.QUIET, size=9)
    axes.locator_params(axis="x", nbins=5, steps=[1, 2, 5, 10])
