"""Static pictures of a sweep: for print, for GitHub, and for people who do not use a pointer.

They show the same numbers, in the same colours and the same places, as the live picture (mixtures/view.js): the space
on the left, the precision-recall plane on the right, the sentence below. What the two share: the
roles' colours (STYLE), and the limits of both panels and the contours of p* (kdlab.mixtures.limits).

Every function makes its own matplotlib Figure and returns it; none touches pyplot, whose figures are global state and
not safe on the threads that widgets' callbacks run on.
"""

from __future__ import annotations

import base64
import io
import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Ellipse, PathPatch
from matplotlib.path import Path
from numpy.typing import NDArray
from PIL import Image

from kdlab.mixtures.limits import Limits, density_contours, plane_limits, space_limits

if TYPE_CHECKING:
    from kdlab.mixtures.experiment import MixtureSweep
    from kdlab.mixtures.model import GaussianMixture

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Role:
    """How one role looks in every picture: colour, and line style and marker as the second cue."""

    label: str
    colour: str
    line: Literal["-", ":", "--"]
    marker: str


STYLE = {
    "truth": Role("p* truth", "#595959", "-", "o"),
    "teacher": Role("p′ teacher", "#E69F00", ":", ""),
    "direct": Role("p″ direct", "#0072B2", "--", "s"),
    "distilled": Role("p″ distilled", "#D55E00", "-", "o"),
    "bounds": Role("bound", "#999999", "-", ""),
}
INK, QUIET = "#222222", "#6E6E6E"  # text, and text that should stand back


# Figures


def figure(sweep: MixtureSweep, beta: float = 1.0, *, path: bool = True) -> Figure:
    """One position of the sweep, laid out as on the page: title, space, plane, sentence.

    ``path=False`` leaves out where the student goes, which would answer a question that is still open.
    """
    index = _position(sweep, beta)
    made = Picture(figsize=(9.2, 5.35), dpi=110, facecolor="white")
    space = made.add_axes((0.02, 0.2, 0.44, 0.645))
    plane = made.add_axes((0.55, 0.27, 0.43, 0.575))
    draw_space(space, sweep, index)
    draw_plane(plane, sweep, [index], path=path)
    made.text(0.02, 0.945, sweep.scene.title, fontsize=14, color=INK)
    made.text(0.98, 0.945, f"β = {sweep.betas[index]:.2f}", fontsize=13, color=INK, ha="right")
    _key(made, 0.02, 0.885)
    said = textwrap.fill(sweep.sentences[index], 112)
    made.text(0.02, 0.125, said, fontsize=10.5, color=INK, va="top", linespacing=1.45)
    return made


class Picture(Figure):
    """A figure that a notebook shows by itself: without pyplot, nothing else tells Jupyter how."""

    words = ""  # what the picture says, for those who do not see it

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        picture = base64.b64encode(png(self)).decode()
        return {"image/png": picture, "text/plain": self.words}, {"image/png": {"alt": self.words}}


def filmstrip(sweep: MixtureSweep, betas: Sequence[float]) -> Picture:
    """Small multiples: the space at each beta, in the order given, and all of them in the plane on the right."""
    if len(betas) == 0:
        raise ValueError("A filmstrip of no beta: give at least one value in [1, 100], such as [1, 2, 5, 20].")
    indices = [_position(sweep, beta) for beta in betas]
    columns = min(len(indices), 4)
    rows = math.ceil(len(indices) / columns)
    width, height, side = 2.0, 2.62, 3.3  # inches: a frame, a row, the plane
    made = Picture(figsize=(columns * width + side, rows * height + 0.6), dpi=110, facecolor="white")
    total_w, total_h = made.get_size_inches()
    for n, index in enumerate(indices):
        left, top = (n % columns) * width, 0.75 + (n // columns) * height
        box = ((left + 0.06) / total_w, 1 - (top + 1.88) / total_h, 1.88 / total_w, 1.88 / total_h)
        frame = made.add_axes(box)
        draw_space(frame, sweep, index, small=True)
        _caption(made, sweep, index, (left + 1.0) / total_w, 1 - (top + 1.97) / total_h, total_h)
    bottom = 1 - (0.75 + 1.88) / total_h
    plane = made.add_axes(((columns * width + 0.7) / total_w, bottom, 2.45 / total_w, 1.88 / total_h))
    draw_plane(plane, sweep, indices)
    made.text(0.06 / total_w, 1 - 0.3 / total_h, sweep.scene.title, fontsize=12, color=INK)
    _key(made, 0.06 / total_w, 1 - 0.58 / total_h)
    made.words = "\n".join(sweep.at(beta).sentence for beta in betas)
    return made


def png(figure: Figure) -> bytes:
    """Return a figure as a PNG of some 50 kB, with no name, version or date inside: same picture, same bytes.

    A palette of 256 colours is a third of the size, in notebooks that keep one such picture for every view.
    """
    buffer = io.BytesIO()
    figure.savefig(buffer, format="raw")
    drawn = Image.frombytes("RGBA", figure.canvas.get_width_height(), buffer.getvalue())
    few = drawn.convert("RGB").quantize(256, dither=Image.Dither.NONE)
    small = io.BytesIO()
    few.save(small, format="png", optimize=True)
    return small.getvalue()


def _position(sweep: MixtureSweep, beta: float) -> int:
    if not hasattr(sweep, "betas"):
        raise TypeError(
            f"{type(sweep).__name__} is not a MixtureSweep: pass what kdlab.mixtures.teacher_entropy(...) returns."
        )
    low, high = float(sweep.betas[0]), float(sweep.betas[-1])
    # A tiny slack: the ends of a logarithmic sweep are right only to rounding.
    if not (math.isfinite(beta) and low * (1 - 1e-9) <= beta <= high * (1 + 1e-9)):
        raise ValueError(f"beta = {beta!r} is outside this sweep: choose a number from {low:g} to {high:g}.")
    return int(sweep.index(beta))


def _caption(made: Figure, sweep: MixtureSweep, index: int, x: float, y: float, height: float) -> None:
    numbers = f"precision {_number(sweep.precision[index])}, recall {_number(sweep.recall[index])}"
    made.text(x, y, f"β = {sweep.betas[index]:.2f}", fontsize=10, color=INK, ha="center", va="top")
    made.text(x, y - 0.21 / height, numbers, fontsize=8, color=QUIET, ha="center", va="top")


def _key(made: Figure, x: float, y: float) -> None:
    """One line of names in their roles' colours, each behind a sample of its line."""
    inches = float(made.get_size_inches()[0])
    aspect = inches / float(made.get_size_inches()[1])
    for name in ("truth", "teacher", "direct", "distilled"):
        role = STYLE[name]
        made.add_artist(_line([x, x + 0.26 / inches], [y + 0.006 * aspect] * 2, role))
        made.text(x + 0.33 / inches, y, role.label, fontsize=9, color=_legible(role.colour))
        x += (0.33 + 0.072 * len(role.label) + 0.16) / inches


def _line(x: list[float], y: list[float], role: Role) -> Line2D:
    return Line2D(x, y, color=role.colour, linestyle=role.line, linewidth=2.2)


def _legible(colour: str) -> str:
    """Orange is bright enough for lines but not for small text on white: a darker tint of the same hue."""
    return {STYLE["teacher"].colour: "#9A6A00"}.get(colour, colour)


def _number(value: float) -> str:
    """Two decimals and a real minus sign, as on the page."""
    return f"{value:.2f}".replace("-", "−")


# The space


def draw_space(axes: Axes, sweep: MixtureSweep, index: int, *, small: bool = False) -> None:
    """Draw p*, the teacher, the direct and the distilled student of one position into `axes`; no ticks."""
    x_limits, y_limits = space_limits(sweep)
    axes.set(xlim=x_limits, ylim=y_limits, xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    axes.patch.set_visible(False)
    lean = 0.7 if small else 1.0  # lines of a small multiple are thinner
    if sweep.scene.truth.means.shape[1] == 1:
        _draw_curves(axes, sweep, index, lean)
    else:
        axes.set_aspect("equal")
        _draw_truth(axes, sweep, x_limits, y_limits, lean)
        _draw_ellipses(axes, sweep, index, lean)
    _draw_modes(axes, sweep, index, lean)


def _draw_curves(axes: Axes, sweep: MixtureSweep, index: int, lean: float) -> None:
    x = np.linspace(*axes.get_xlim(), 400)
    here = sweep.at(float(sweep.betas[index]))

    def density(mixture: GaussianMixture) -> Floats:
        return np.exp(mixture.log_prob(x[:, None]))

    truth = density(sweep.scene.truth)
    axes.fill_between(x, truth, color=STYLE["truth"].colour, alpha=0.16, linewidth=0)
    axes.plot(x, truth, color=STYLE["truth"].colour, linewidth=1.0 * lean)
    # Broken lines lie above solid ones: where two models are the same, both are seen.
    shown = (("distilled", here.student, 2.2), ("direct", sweep.direct, 1.6), ("teacher", here.teacher, 2.2))
    for name, mixture, width in shown:
        role = STYLE[name]
        axes.plot(x, density(mixture), color=role.colour, linestyle=role.line, linewidth=width * lean)
    axes.axhline(0, color=STYLE["bounds"].colour, linewidth=0.8)


def _draw_truth(axes: Axes, sweep: MixtureSweep, x: Limits, y: Limits, lean: float) -> None:
    role = STYLE["truth"]
    for n, (_, lines) in enumerate(density_contours(sweep.scene.truth, x, y)):
        if not lines:
            continue
        path = Path.make_compound_path(*(Path(line) for line in lines))
        axes.add_patch(PathPatch(path, facecolor=role.colour, alpha=0.11, linewidth=0))
        if n == 0:
            axes.add_patch(PathPatch(path, fill=False, edgecolor=role.colour, alpha=0.5, linewidth=0.7 * lean))
    if sweep.scene.points is not None:
        points = np.asarray(sweep.scene.points)
        style: dict[str, Any] = {"s": 7 * lean**2, "facecolors": "none", "linewidths": 0.5, "alpha": 0.7}
        axes.scatter(points[:, 0], points[:, 1], edgecolors=role.colour, **style)


def _draw_ellipses(axes: Axes, sweep: MixtureSweep, index: int, lean: float) -> None:
    here = sweep.at(float(sweep.betas[index]))
    for weight, mean, covariance in _parts(here.student):
        for sigmas, width in ((1.0, 2.2), (2.0, 1.3)):
            width *= lean * (0.45 + 0.55 * math.sqrt(weight))
            axes.add_patch(ellipse(mean, covariance, sigmas, STYLE["distilled"], width))
    for _, mean, covariance in _parts(sweep.direct):
        axes.add_patch(ellipse(mean, covariance, 1.0, STYLE["direct"], 1.6 * lean, linestyle=(0, (4, 2.5))))
    for weight, mean, covariance in _parts(here.teacher):
        style: dict[str, Any] = {"linestyle": (0, (0.01, 1.7)), "capstyle": "round"}
        width = teacher_width(weight) * lean
        alpha = min(1.0, 0.25 + 3 * weight)
        axes.add_patch(ellipse(mean, covariance, 1.0, STYLE["teacher"], width, alpha=alpha, **style))


def teacher_width(weight: float) -> float:
    """Line width of a teacher component, so that beta is seen to empty it. The page uses the same rule."""
    return 0.5 + 4.0 * math.sqrt(weight)


def _parts(mixture: GaussianMixture) -> list[tuple[float, Floats, Floats]]:
    return list(zip(mixture.weights.tolist(), mixture.means, mixture.covariances, strict=True))


def ellipse(mean: Floats, cov: Floats, sigmas: float, role: Role, width: float, **style: Any) -> Ellipse:
    """Return a Gaussian's ellipse at so many standard deviations: ``mean`` (2,), ``cov`` (2, 2)."""
    values, vectors = np.linalg.eigh(cov)
    angle = math.degrees(math.atan2(vectors[1, 1], vectors[0, 1]))  # of the longer axis
    long, short = 2 * sigmas * np.sqrt(values[::-1])
    return Ellipse(
        (mean[0], mean[1]), long, short, angle=angle, fill=False, edgecolor=role.colour, linewidth=width, **style
    )


def _draw_modes(axes: Axes, sweep: MixtureSweep, index: int, lean: float) -> None:
    """A dot at each mode of p*: full where the student covers it, a hollow ring where it is lost."""
    means = sweep.scene.truth.means
    at = means if means.shape[1] == 2 else np.column_stack([means, np.zeros(len(means))])
    covered = np.asarray(sweep.coverage[index]) >= 0.5
    style: dict[str, Any] = {"s": 22 * lean**2, "zorder": 6, "clip_on": False}
    axes.scatter(*at[covered].T, facecolors=INK, edgecolors="white", linewidths=0.8 * lean, **style)
    axes.scatter(*at[~covered].T, facecolors="none", edgecolors=QUIET, linewidths=1.0 * lean, **style)
    if lean == 1.0:
        text = f"modes of p*:   ● {covered.sum()} covered   ○ {(~covered).sum()} lost"
        axes.text(0.5, -0.055, text, transform=axes.transAxes, fontsize=9, color=QUIET, ha="center", va="top")


# The plane


def draw_plane(axes: Axes, sweep: MixtureSweep, indices: Sequence[int], *, path: bool = True) -> None:
    """Draw the precision-recall plane into `axes`: bounds, path, direct student, and a dot at each position.

    With one position the path up to it is solid, as on the page; with several the dots carry their beta.
    ``path=False`` leaves out the path ahead.
    """
    recall, precision = plane_limits(sweep)
    axes.set(xlim=recall, ylim=precision, xlabel="recall, nats", ylabel="precision, nats")
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(STYLE["bounds"].colour)
    axes.tick_params(labelsize=9, color=STYLE["bounds"].colour, labelcolor=QUIET)
    axes.xaxis.label.set(color=QUIET, size=9)
    axes.yaxis.label.set(color=QUIET, size=9)
    axes.locator_params(nbins=5, steps=[1, 2, 5, 10])
    _draw_bounds(axes, sweep)
    role = STYLE["distilled"]
    for run in _runs(sweep.switched, len(sweep.betas)) if path else []:
        axes.plot(sweep.recall[run], sweep.precision[run], color=role.colour, alpha=0.3, linewidth=1.5)
    if len(indices) == 1:
        for run in _runs(sweep.switched, indices[0] + 1):
            axes.plot(sweep.recall[run], sweep.precision[run], color=role.colour, linewidth=2.4)
    _draw_students(axes, sweep, indices)


def _draw_bounds(axes: Axes, sweep: MixtureSweep) -> None:
    style: dict[str, Any] = {"color": STYLE["bounds"].colour, "linewidth": 0.8}
    axes.axhline(sweep.precision_bound, **style)
    axes.axvline(sweep.recall_bound, **style)
    text: dict[str, Any] = {"fontsize": 8, "color": QUIET, "textcoords": "offset points"}
    across, up = axes.get_yaxis_transform(), axes.get_xaxis_transform()
    axes.annotate("precision ≤ max log p*", (0.02, sweep.precision_bound), (0, 3), xycoords=across, va="bottom", **text)
    axes.annotate("recall ≤ −H(p*)", (sweep.recall_bound, 0.88), (3, 0), xycoords=up, rotation=90, va="top", **text)


def _runs(switched: NDArray[np.bool_], end: int) -> list[slice]:
    """The unbroken stretches of positions 0 .. end - 1: a new one starts wherever the best student switches."""
    starts = [0, *(i for i in range(1, end) if switched[i])]
    return [slice(start, stop) for start, stop in zip(starts, [*starts[1:], end], strict=True)]


def _draw_students(axes: Axes, sweep: MixtureSweep, indices: Sequence[int]) -> None:
    direct, distilled = STYLE["direct"], STYLE["distilled"]
    label: dict[str, Any] = {"textcoords": "offset points", "fontsize": 9}
    size = 11 if len(indices) == 1 else 7
    named = [(_on_paper(axes, [sweep.direct_recall], [sweep.direct_precision])[0], _UNDER)]
    for index in indices:
        at = (float(sweep.recall[index]), float(sweep.precision[index]))
        axes.plot(*at, "o", color=distilled.colour, markersize=size, markeredgecolor="white", zorder=5)
        here = _on_paper(axes, [at[0]], [at[1]])[0]
        if len(indices) > 1 and any(np.hypot(*(here - other)) < near * axes.figure.dpi for other, near in named):
            continue
        named.append((here, _CROWDED))
        text = "distilled" if len(indices) == 1 else f"{float(f'{sweep.betas[index]:.2g}'):g}"  # 100, not 1e+02
        aside, up = _beside_path(axes, sweep, index)
        offset = (0.9 * size * aside, 1.3 * size * up)
        axes.annotate(text, at, offset, color=distilled.colour, ha="right", va="center", **label)
    at = (sweep.direct_recall, sweep.direct_precision)
    axes.plot(*at, direct.marker, color=direct.colour, markeredgecolor="white", markersize=7.5, zorder=6)
    path = _on_paper(axes, sweep.recall, sweep.precision) - _on_paper(axes, [at[0]], [at[1]])
    under = np.hypot(*(path - (0, -20)).T).min() >= np.hypot(*(path - (0, 20)).T).min()  # where the path is not
    # The name stays left of the bound, which has a name of its own.
    to_bound = _on_paper(axes, [sweep.recall_bound], [at[1]]) - _on_paper(axes, [at[0]], [at[1]])
    aside = min(0.0, float(to_bound[0, 0]) * 72 / axes.figure.dpi - 19)
    offset, align = ((aside, -8), "top") if under else ((aside, 7), "bottom")
    axes.annotate("direct", at, offset, color=direct.colour, ha="center", va=align, **label)


def _beside_path(axes: Axes, sweep: MixtureSweep, index: int) -> tuple[float, float]:
    """Which way is off the path, as a unit vector on paper: left of a path that climbs, below one that goes left.

    There is room for a name there; on the other side, where all is better, stand the bounds and their names.
    """
    ends = [max(index - 4, 0), min(index + 4, len(sweep.betas) - 1)]
    start, end = _on_paper(axes, sweep.recall[ends], sweep.precision[ends])
    across, climb = end - start
    length = math.hypot(across, climb)
    aside = min(0.0, -climb / length) if length > 0 else -1.0  # never to the right
    return aside, math.sqrt(1 - aside * aside) * (1 if across > 0 else -1)


_CROWDED = 0.3  # inches: dots closer than this to a named one go without a name of their own
_UNDER = 0.15  # the same for the direct student's square, whose name stands on the side where the path is not


def _on_paper(axes: Axes, recall: Any, precision: Any) -> Floats:
    """Points of the plane, (N, 2), in dots of the figure."""
    return np.asarray(axes.transData.transform(np.column_stack([recall, precision])))
