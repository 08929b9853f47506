"""The precision-recall plane, as every static picture of every world draws it: calm axes, bounds, path, names.

Recall is across and precision up, both in nats. What is drawn in it beside that is each world's own.
"""

import math
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.text import Annotation
from matplotlib.transforms import Bbox
from numpy.typing import NDArray

from kdlab.core.format import signed
from kdlab.core.sweep import PlaneSweep
from kdlab.pictures.figure import QUIET, STYLE
from kdlab.pictures.limits import Limits

Floats = NDArray[np.float64]
Point = tuple[float, float]


# Axes and bounds


def calm(axes: Axes, ticks: float = 9) -> Axes:
    """Let axes stand back: two spines in grey, small numbers and labels."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(STYLE["bounds"].colour)
    axes.tick_params(labelsize=ticks, color=STYLE["bounds"].colour, labelcolor=QUIET)
    axes.xaxis.label.set(color=QUIET, size=9)
    axes.yaxis.label.set(color=QUIET, size=9)
    return axes


def frame(
    axes: Axes, recall: Limits, precision: Limits, *, unit: str = "nats", ticks: float = 9, bins: int | None = 5
) -> Axes:
    """Make axes a plane: limits, names with their unit, calm, round numbers (about ``bins`` of them)."""
    axes.set(xlim=recall, ylim=precision, xlabel=f"recall, {unit}", ylabel=f"precision, {unit}")
    if bins is not None:
        axes.locator_params(nbins=bins, steps=[1, 2, 5, 10])
    return calm(axes, ticks)


def draw_bounds(axes: Axes, recall: float | None, precision: float | None, *, name_at: float = 0.88) -> None:
    """Draw the bounds that are known, and name them: on the line, or at the edge where they lie beyond it.

    ``name_at`` is how high the name of recall's bound stands, as a share of the axis.
    """
    line: dict[str, Any] = {"color": STYLE["bounds"].colour, "linewidth": 0.8, "zorder": 1}
    text: dict[str, Any] = {"fontsize": 8, "color": QUIET, "textcoords": "offset points"}
    if precision is not None and precision < axes.get_ylim()[1]:
        axes.axhline(precision, **line)
        across = axes.get_yaxis_transform()
        axes.annotate("precision ≤ max log p*", (0.02, precision), (0, 3), xycoords=across, va="bottom", **text)
    elif precision is not None:
        beyond = f"precision ≤ max log p* = {signed(precision)}, above this edge ↑"
        axes.annotate(beyond, (0, 1), (0, 5), xycoords="axes fraction", **text)
    if recall is not None and recall < axes.get_xlim()[1]:
        axes.axvline(recall, **line)
        look: dict[str, Any] = {"rotation": 90, "va": "top" if name_at > 0.5 else "bottom", **text}
        axes.annotate("recall ≤ −H(p*)", (recall, name_at), (3, 0), xycoords=axes.get_xaxis_transform(), **look)
    elif recall is not None:
        beyond = f"recall ≤ −H(p*) = {signed(recall)}, beyond this edge →"
        axes.annotate(beyond, (1, 0), (0, -28), xycoords="axes fraction", ha="right", va="center", **text)


# The path


def stretches(sweep: PlaneSweep, end: int) -> list[slice]:
    """The unbroken stretches of positions 0 .. end - 1: a new one starts wherever the path breaks."""
    starts = [0, *(i for i in range(1, end) if sweep.breaks[i])]
    return [slice(start, stop) for start, stop in zip(starts, [*starts[1:], end], strict=True)]


def draw_path(axes: Axes, sweep: PlaneSweep, end: int | None = None, *, linewidth: float, **look: Any) -> None:
    """Draw the students of positions 0 .. end - 1 (all unless given) as a line with its gaps, into axes with limits.

    A position alone between two gaps, or several in one place, are a mark: as a line they would be a speck.
    """
    size = 2.2 * linewidth  # points
    for run in stretches(sweep, len(sweep.positions) if end is None else end):
        points = np.column_stack([sweep.recall[run], sweep.precision[run]])
        length = np.ptp(axes.transData.transform(points), axis=0).max() * 72 / axes.figure.dpi
        style: dict[str, Any] = {"color": STYLE["distilled"].colour, "linewidth": linewidth, **look}
        if length < size:
            points = points[:1]
            style |= {"marker": "o", "markersize": size, "markeredgewidth": 0}
        axes.plot(*points.T, **style)


# Names


class Labels:
    """Puts names beside dots, where neither path nor bound nor dot nor another name stands."""

    def __init__(self, axes: Axes) -> None:
        self.axes = axes
        self.points = np.empty((0, 2))  # what names keep off, in dots of the figure
        self.dots = np.empty((0, 2))  # the middles of those that are drawn
        self.boxes = [text.get_window_extent() for text in axes.texts]
        for line in axes.lines:  # bounds
            self._keep_off(line.get_transform().transform(line.get_xydata()))

    def keep_off(self, recall: Any, precision: Any) -> None:
        """Names keep off the line through these points."""
        self._keep_off(self.axes.transData.transform(np.column_stack([recall, precision])))

    def _keep_off(self, corners: Floats) -> None:
        along = np.linspace(0, len(corners) - 1, max(20 * len(corners), 200))
        line = [np.interp(along, np.arange(len(corners)), corners[:, i]) for i in (0, 1)]
        self.points = np.concatenate([self.points, np.column_stack(line)])

    def dot(self, recall: float, precision: float, role: str, size: float, **style: Any) -> None:
        """Draw a dot (of ``size`` points across) in a role's colour, and keep names off it."""
        look: dict[str, Any] = {
            "marker": STYLE[role].marker,
            "color": STYLE[role].colour,
            "markeredgecolor": "white",
            "zorder": 5,
        }
        self.axes.plot([recall], [precision], linestyle="none", markersize=size, **(look | style))
        x, y = self.axes.transData.transform((recall, precision))
        self.dots = np.concatenate([self.dots, [[x, y]]])
        reach = 0.5 * size * self.axes.figure.dpi / 72
        self.boxes.append(Bbox([[x - reach, y - reach], [x + reach, y + reach]]))

    def add(self, text: str, at: Point, colour: str, size: float, *, toward: float, away: float = 9) -> Annotation:
        """Write a name near ``at``, from ``away`` points on and as nearly ``toward`` (degrees) as there is room."""
        angles = sorted(range(0, 360, 15), key=lambda angle: abs((angle - toward + 180) % 360 - 180))
        name = self.axes.annotate(text, at, (0, 0), textcoords="offset points", fontsize=size, color=colour)
        paper = name.get_window_extent()
        own, extent = self.axes.transData.transform(at), np.array([paper.width, paper.height])
        best, least = (0.0, 0.0), math.inf
        for further in (0.0, 6.0, 14.0, 24.0):
            for angle in angles:
                cost = self._cost(self._box(own, extent, angle, away + further), own)
                if cost < least:
                    best, least = (angle, away + further), cost
            if least == 0:
                break
        self.boxes.append(self._box(own, extent, *best))
        across, up = _way(best[0])
        name.set_position((best[1] * across, best[1] * up))
        name.set(ha=("right", "center", "left")[_side(across, 0.3)], va=("top", "center", "bottom")[_side(up, 0.7)])
        return name

    def _box(self, own: Floats, extent: Floats, angle: float, away: float) -> Bbox:
        """Where a name of this extent, in dots of the figure, would stand."""
        across, up = _way(angle)
        shift = np.array([_side(across, 0.3) - 2, _side(up, 0.7) - 2]) / 2
        corner = own + away * self.axes.figure.dpi / 72 * np.array([across, up]) + extent * shift
        return Bbox([corner, corner + extent])

    def _cost(self, box: Bbox, own: Floats) -> float:
        """How badly a name would stand here, in square dots; 0 where all is free and no other dot is nearer."""
        wide = box.padded(5, 2)
        taken = sum(_common(wide, other) for other in self.boxes)
        inside = ((self.points >= wide.min) & (self.points <= wide.max)).all(axis=1).sum()
        outside = wide.width * wide.height - _common(wide, self.axes.get_window_extent())
        nearer = (_apart(box, self.dots) < _apart(box, own[None])[0] - 1).sum()
        return taken + outside + 20.0 * float(inside) + 100.0 * float(nearer)


def _way(angle: float) -> Point:
    return math.cos(math.radians(angle)), math.sin(math.radians(angle))


def _side(part: float, least: float) -> int:
    """0, 1 or 2: a name stands wholly before its dot, level with it, or wholly after it."""
    return 1 + (part > least) - (part < -least)


def _apart(box: Bbox, points: Floats) -> Floats:
    """Distances from a box to points (N, 2): 0 inside."""
    return np.asarray(np.hypot(*np.maximum(np.maximum(box.min - points, points - box.max), 0).T))


def _common(one: Bbox, other: Bbox) -> float:
    both = Bbox.intersection(one, other)
    return 0.0 if both is None else float(both.width * both.height)
