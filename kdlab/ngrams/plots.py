"""Static pictures of text (notebook 04): the slider of tau, and objectives in the precision-recall plane.

Drawn with `kdlab.pictures`: same roles, no pyplot, and every picture carries its words.
"""

import math
import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from kdlab.core.format import signed
from kdlab.core.sweep import PlaneSweep, expect
from kdlab.ngrams.experiment import NGramSweep
from kdlab.ngrams.names import real_names
from kdlab.ngrams.objectives import NAMES, Outcome
from kdlab.pictures.figure import INK, QUIET, STYLE, Picture, our_settings
from kdlab.pictures.limits import CLOSE, Limits, plane_limits, with_margin
from kdlab.pictures.plane import Labels, draw_bounds, draw_path, frame

__all__ = ["figure", "filmstrip", "objectives"]

_FAINT = "#EEEEEE"
_NAMED = (0.3, 0.5, 0.7, 1.0, 1.5)  # of the path's positions, those that are named
_LONGEST = 17  # letters of an invented name that are shown
_INVENTED = "invented by the student, with the same random numbers at every τ"


# The slider of tau


@our_settings()
def figure(sweep: NGramSweep, tau: float, *, path: bool = True) -> Picture:
    """One position of the sweep, laid out as on the page: title, invented names, plane, sentence.

    ``path=False`` leaves out where the student goes, which would answer a question that is still open. Raises
    ValueError for a tau off the slider.
    """
    index = expect(sweep, NGramSweep, "ngrams.teacher_temperature").index(tau)
    made = Picture(9.2, 5.35)
    made.around(sweep.title, sweep.sentences[index], f"τ = {sweep.taus[index]:.2f}")
    names = made.add_axes((0.02, 0.335, 0.44, 0.53))
    real = sum(name in real_names() for name in sweep.names[index])
    words = f"bold and underlined: real names, {real or 'none'} of these {len(sweep.names[index])}"
    names.text(0, 1, _INVENTED, fontsize=8, color=QUIET, va="top")
    names.text(0, 0, words, fontsize=8, color=QUIET)
    _draw_names(names, sweep.names[index], columns=2, size=13, room=(0.1, 0.88))
    _draw_covered(made.add_axes((0.02, 0.2, 0.44, 0.085)), float(sweep.covered[index]))
    labels = plane(made.add_axes((0.56, 0.27, 0.42, 0.595)), sweep, *plane_limits(sweep, CLOSE), path=path)
    draw_students(labels, sweep, {index: "distilled"}, 12, toward=160)
    if path:
        _name_some(labels, sweep)
    return made


@our_settings()
def filmstrip(sweep: NGramSweep, taus: Sequence[float]) -> Picture:
    """Small multiples: the names at each tau, in the order given, and all of them in the plane on the right.

    Raises ValueError for no tau at all, and for one off the slider.
    """
    indices = expect(sweep, NGramSweep, "ngrams.teacher_temperature").indices(taus)
    columns = min(len(indices), 4)
    width, height, side = 1.65, 3.2, 4.0  # inches: a frame, a row, the plane
    rows, across = math.ceil(len(indices) / columns), columns * width + side
    made = Picture(across, rows * height + 0.8, "\n".join(sweep.sentences[i] for i in indices))
    for n, index in enumerate(indices):
        left, top = 0.1 + (n % columns) * width, 1.0 + (n // columns) * height
        made.write(left, top, f"τ = {sweep.taus[index]:.2f}", 11)
        _draw_names(made.panel(left, top + 0.1, width - 0.15, 2.15), sweep.names[index], columns=1, size=9)
        numbers = f"precision {signed(sweep.precision[index])}", f"recall {signed(sweep.recall[index])}"
        for line, text in enumerate((*numbers, f"covers {100 * sweep.covered[index]:.0f} %")):
            made.write(left, top + 2.43 + 0.17 * line, text, 8, QUIET, va="center")
    labels = plane(made.panel(columns * width + 0.8, 0.88, side - 0.95, 2.55), sweep, *plane_limits(sweep, CLOSE))
    draw_students(labels, sweep, {i: f"{sweep.taus[i]:g}" for i in indices}, 10, toward=20)
    made.write(0.1, 0.35, sweep.title, 12)
    said = textwrap.fill(f"names {_INVENTED}; bold and underlined: real names", int(17 * across))
    made.write(0.1, 0.46, said, 8, QUIET, va="top")
    return made


def _draw_names(
    axes: Axes, names: Sequence[str], *, columns: int, size: float, room: tuple[float, float] = (0, 1)
) -> None:
    """The invented names in columns, top to bottom; real ones bold, underlined and in the student's colour."""
    axes.set(xlim=(0, columns), ylim=(0, 1))
    axes.axis("off")
    rows, (low, high) = math.ceil(len(names) / columns), room
    for i, name in enumerate(names):
        at = i // rows, high - (high - low) * (i % rows + 0.5) / rows
        shown = name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…"
        if name in real_names():
            draw_real_name(axes, at, name, size)
        else:
            axes.text(*at, shown, fontsize=size, color=INK)


def draw_real_name(axes: Axes, at: tuple[float, float], name: str, size: float) -> None:
    """A real name: bold, underlined and in the student's colour."""
    look: dict[str, Any] = {"color": STYLE["distilled"].colour}
    box = axes.text(*at, name, fontsize=size, fontweight="bold", **look).get_window_extent()
    below = axes.transData.transform(at)[1] - 0.2 * size
    ends = axes.transData.inverted().transform([[box.x0, below], [box.x1, below]])
    axes.plot(*ends.T, linewidth=1, clip_on=False, **look)


def _draw_covered(axes: Axes, covered: float) -> None:
    """The share of real names that the student covers, on a scale from none to all."""
    colour = STYLE["distilled"].colour
    axes.set(xlim=(0, 1), ylim=(0, 1))
    axes.axis("off")
    axes.text(0, 1, "real names covered", fontsize=9, color=QUIET, va="top")
    axes.barh(0.22, 0.86, 0.4, color=_FAINT, linewidth=0)
    axes.barh(0.22, 0.86 * covered, 0.4, color=colour, linewidth=0)
    axes.text(1, 0.2, f"{100 * covered:.0f} %", fontsize=13, color=colour, ha="right", va="center")


# The plane


def plane(axes: Axes, sweep: PlaneSweep, recall: Limits, precision: Limits, *, path: bool = True) -> Labels:
    """Draw bounds and, faint, the whole path; return what puts names beside dots."""
    frame(axes, recall, precision, bins=6)
    draw_bounds(axes, sweep.recall_bound, sweep.precision_bound, name_at=0.06)
    labels = Labels(axes)
    if path:
        draw_path(axes, sweep, alpha=0.35, linewidth=1.8)
        labels.keep_off(sweep.recall, sweep.precision)
    return labels


def draw_students(
    labels: Labels, sweep: PlaneSweep, named: dict[int, str], size: float = 0, toward: float = 20
) -> None:
    """A dot and its name for each position, and the direct student's square, which lies on top: the smaller one."""
    for i in named:
        labels.dot(sweep.recall[i], sweep.precision[i], "distilled", size)
    labels.dot(sweep.direct_recall, sweep.direct_precision, "direct", 6, zorder=6)
    at = sweep.direct_recall, sweep.direct_precision
    labels.add("direct", at, STYLE["direct"].colour, 9, toward=205)
    for i, name in named.items():
        labels.add(name, (sweep.recall[i], sweep.precision[i]), STYLE["distilled"].colour, 9, toward=toward)


def _name_some(labels: Labels, sweep: NGramSweep) -> None:
    """A small dot and a name at some values of tau, on the side of the bounds."""
    named = sorted({sweep.index(tau) for tau in _NAMED})
    for i in named:
        at = sweep.recall[i], sweep.precision[i]
        labels.axes.plot(*at, "o", color=STYLE["distilled"].colour, markersize=3.5, zorder=4)
        text = f"τ = {sweep.taus[i]:g}" if i in (named[0], named[-1]) else f"{sweep.taus[i]:g}"
        labels.add(text, at, QUIET, 8, toward=20, away=7)


# Objectives

_MARKERS = dict(zip(NAMES, [("o", 13), ("^", 11), ("D", 8), ("^", 11), ("D", 8)], strict=True))  # and their sizes
_SAME = 2.0  # dots of the figure: outcomes nearer than this stand in one place


@our_settings()
def objectives(outcomes: Sequence[Outcome], sweep: NGramSweep) -> Picture:
    """Where each objective leaves its student: one plane, the path over tau faint behind.

    Triangles stand for p*'s prefixes, diamonds for the student's own, the circle for whole strings of the teacher;
    hollow ones for reverse KL. Outcomes in one place share the first one's mark, and a name. A bound that would
    stretch its axis by more than half is named at the edge instead. Raises ValueError for no outcomes.
    """
    if len(outcomes) == 0:
        raise ValueError("No outcomes: pass what kdlab.ngrams.objectives.compare_objectives(...) returns.")
    told = " ".join(f"{one.name}: {signed(one.precision)}, {signed(one.recall)}." for one in outcomes)
    made = Picture(9.2, 5.6, f"Precision and recall of students of one teacher, in nats. {told}")
    made.text(0.02, 0.94, "Where each objective leaves the student", fontsize=14, color=INK)
    key = "filled: forward KL; hollow: reverse KL; the line: whole sequences, at every τ"
    made.text(0.02, 0.897, key, fontsize=8, color=QUIET)
    recall = _near([*sweep.recall, *(one.recall for one in outcomes), sweep.direct_recall], sweep.recall_bound)
    precision = [*sweep.precision, *(one.precision for one in outcomes), sweep.direct_precision]
    axes = made.add_axes((0.08, 0.11, 0.9, 0.72))
    labels = plane(axes, sweep, recall, _near(precision, sweep.precision_bound))
    places, colour = _in_one_place(axes, outcomes), STYLE["distilled"].colour
    for first, *_ in places:
        marker, size = _MARKERS[first.name]
        hollow = {"markerfacecolor": "white", "markeredgecolor": colour, "markeredgewidth": 1.8}
        look = hollow if "reverse" in first.name else {}
        labels.dot(first.recall, first.precision, "distilled", size, marker=marker, **look)
    draw_students(labels, sweep, {})
    for shared in places:
        text = "\n= ".join(one.name for one in shared)
        labels.add(text, (shared[0].recall, shared[0].precision), colour, 9, toward=20, away=12)
    _name_some(labels, sweep)
    return made


def _near(values: Sequence[float], bound: float) -> Limits:
    """Limits that hold the bound as well, unless that would stretch the axis by more than half."""
    low, high = float(np.min(values)), float(np.max(values))
    held = [low, bound] if bound - high <= 0.5 * max(high - low, 0.5) else [low, high]
    return with_margin(held, CLOSE)


def _in_one_place(axes: Axes, outcomes: Sequence[Outcome]) -> list[list[Outcome]]:
    """Outcomes, those that stand in one place together."""
    places: list[list[Outcome]] = []
    for one in outcomes:
        x, y = axes.transData.transform((one.recall, one.precision))
        for shared in places:
            other_x, other_y = axes.transData.transform((shared[0].recall, shared[0].precision))
            if math.hypot(x - other_x, y - other_y) < _SAME:
                shared.append(one)
                break
        else:
            places.append([one])
    return places
