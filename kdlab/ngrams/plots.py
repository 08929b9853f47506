"""Static pictures of text (notebook 04): a name letter by letter, the slider of tau, objectives in the plane.

Drawn with `kdlab.pictures`: same roles, no pyplot, and every picture carries its words.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox
from numpy.typing import NDArray

from kdlab.core.format import signed
from kdlab.core.sweep import expect
from kdlab.ngrams.experiment import NGramSweep
from kdlab.ngrams.model import NGramChain
from kdlab.ngrams.names import real_names
from kdlab.ngrams.objectives import NAMES, Outcome
from kdlab.pictures.figure import INK, QUIET, STYLE, Picture
from kdlab.pictures.limits import CLOSE, Limits, plane_limits, with_margin
from kdlab.pictures.plane import Labels, draw_bounds, draw_path, frame

__all__ = ["figure", "filmstrip", "letters", "objectives"]

Floats = NDArray[np.float64]
Point = tuple[float, float]

_FAINT = "#EEEEEE"
_NAMED = (0.3, 0.5, 0.7, 1.0, 1.5)  # of the path's positions, those that are named
_LONGEST = 17  # letters of an invented name that are shown
_LEAST = 0.005  # next letters rarer than this would only blur the line they stand on


# A name, letter by letter


def letters(truth: NGramChain, teacher: NGramChain, student: NGramChain, name: str) -> Picture:
    """One name being written: a row for each step, with bars of the next letter under all three chains.

    The letter that comes next is marked, its probabilities stand at the right; multiplied down they are the name's.
    Made for names of 3 to 6 letters. Raises ValueError for letters outside the alphabet, or chains of two alphabets.
    """
    chains = {"truth": truth, "teacher": teacher, "distilled": student}
    if len({chain.alphabet for chain in chains.values()}) > 1:
        raise ValueError(f"alphabets are {[chain.alphabet for chain in chains.values()]}: three equal ones are needed")
    whole = {role: float(np.exp(chain.log_prob([name])[0])) for role, chain in chains.items()}
    steps = [(name[:k], (*name, "end")[k]) for k in range(len(name) + 1)]
    height = 1.0 + 1.0 * len(steps)
    made = Picture(figsize=(9.2, height), dpi=110, facecolor="white")
    made.words = _words_of(name, chains, steps, whole)
    top = max(chain.next_letters(prefix).max() for chain in chains.values() for prefix, _ in steps)
    _letters_key(made, name, height)
    for row, (prefix, coming) in enumerate(steps):
        axes = made.add_axes((0.16, 1 - (1.35 + 1.0 * row) / height, 0.7, 0.78 / height))
        _one_step(axes, chains, prefix, coming, 1.08 * float(top))
    _products(made, whole, name, height)
    return made


def _words_of(name: str, chains: dict[str, NGramChain], steps: list[tuple[str, str]], whole: dict[str, float]) -> str:
    """What the picture says: every step's three probabilities, and their products."""
    said = [f"The name {name} written letter by letter; next-letter probabilities under p*, p′ and p″."]
    for prefix, coming in steps:
        odds = ", ".join(_percent(_odds(chain, prefix, coming)) for chain in chains.values())
        said.append(f"{f'After {prefix}' if prefix else 'First'}, {coming}: {odds}.")
    return " ".join([*said, f"Multiplied: {', '.join(_percent(p) for p in whole.values())}."])


def _odds(chain: NGramChain, prefix: str, coming: str) -> float:
    return float(chain.next_letters(prefix)[-1 if coming == "end" else chain.alphabet.index(coming)])


def _percent(p: float) -> str:
    """Two digits that count: 0.013 %, 1.3 %, 42 %."""
    return f"{float(f'{100 * p:.2g}'):.15g} %" if p >= 1e-8 else f"{100 * p:.0e} %"


def _letters_key(made: Picture, name: str, height: float) -> None:
    made.text(0.02, 1 - 0.34 / height, f"Writing “{name}”", fontsize=14, color=INK)
    x, y = 0.3, 1 - 0.29 / height
    for role, (mark, label) in {"truth": ("■", "p* truth"), "teacher": ("⬚", "p′ teacher"),
                                "distilled": ("●", "p″ student")}.items():  # fmt: skip
        made.text(x, y, mark, fontsize=11, color=_role(role)[0], va="center")
        made.text(x + 0.022, y, label, fontsize=9, color=_role(role)[0], va="center")
        x += 0.13
    made.text(0.98, y, "next letter", fontsize=9, color=QUIET, ha="right", va="center")
    made.text(x, y, f"(below {_percent(_LEAST)} nothing is drawn)", fontsize=8, color=QUIET, va="center")


def _one_step(axes: Axes, chains: dict[str, NGramChain], prefix: str, coming: str, top: float) -> None:
    """Bars of one step: p* filled, the teacher a dotted outline, the student a dot; what comes next on a band."""
    names = [*chains["truth"].alphabet, "end"]
    here = len(names) - 1 if coming == "end" else names.index(coming)
    axes.axvspan(here - 0.5, here + 0.5, color=_FAINT, linewidth=0, zorder=0)
    looks: dict[str, dict[str, Any]] = {
        "truth": {"color": STYLE["truth"].colour, "alpha": 0.45, "linewidth": 0},
        "teacher": {"fill": False, "edgecolor": STYLE["teacher"].colour, "linestyle": ":", "linewidth": 1.6},
    }
    for role, chain in chains.items():
        odds = chain.next_letters(prefix)
        x = np.flatnonzero(odds >= _LEAST)
        if role in looks:
            axes.bar(x, odds[x], 0.72, **looks[role])
        else:
            axes.plot(x, odds[x], "o", color=STYLE[role].colour, markersize=4.5, clip_on=False, zorder=5)
    axes.set(xlim=(-0.6, len(names) - 0.4), ylim=(0, top), yticks=[])
    axes.set_xticks(np.arange(len(names)), names)
    axes.tick_params(length=0, labelsize=9, labelcolor=QUIET, pad=3)
    axes.get_xticklabels()[here].set(color=INK, fontweight="bold")
    axes.spines[["left", "top", "right"]].set_visible(False)
    axes.spines["bottom"].set_color(STYLE["bounds"].colour)
    _beside(axes, chains, prefix, coming)


def _beside(axes: Axes, chains: dict[str, NGramChain], prefix: str, coming: str) -> None:
    """Left of the bars the prefix and what each chain sees of it; right of them the next letter and its odds."""
    left, right = -0.14 / 0.7, 0.82 / 0.7
    at: dict[str, Any] = {"transform": axes.transAxes, "va": "center"}
    axes.text(left, 0.84, f"{prefix}_", fontsize=13, color=INK, fontweight="bold", **at)
    axes.text(right, 0.84, coming, fontsize=13, color=INK, fontweight="bold", ha="right", **at)
    for line, (role, chain) in enumerate(chains.items()):
        colour, mark = _role(role)
        y = 0.52 - 0.22 * line
        axes.text(left, y, f"{mark} sees {_seen(prefix, chain)}", fontsize=8, color=colour, **at)
        odds = f"{mark}  {_percent(_odds(chain, prefix, coming))}"
        axes.text(right, y, odds, fontsize=8, color=colour, ha="right", **at)


def _role(name: str) -> tuple[str, str]:
    """Colour of text, and sign."""
    return {
        "truth": (STYLE["truth"].colour, "p*"),
        "teacher": (STYLE["teacher"].ink, "p′"),
        "distilled": (STYLE["distilled"].colour, "p″"),
    }[name]


def _seen(prefix: str, chain: NGramChain) -> str:
    """What a chain sees of a prefix; dots where it cannot know whether more stands before."""
    depth = max(chain.order, 1)
    if not prefix:
        return "the start"
    if chain.order == 0:
        return "nothing"
    return prefix if len(prefix) < depth else f"…{prefix[-depth:]}"


def _products(made: Picture, whole: dict[str, float], name: str, height: float) -> None:
    made.text(0.02, 0.12 / height, f"Multiplied down, “{name}” has probability", fontsize=10.5, color=INK)
    x = 0.42
    for role, p in whole.items():
        colour, mark = _role(role)
        made.text(x, 0.12 / height, f"{mark}  {_percent(p)}", fontsize=10.5, color=colour)
        x += 0.14


# The slider of tau


def figure(sweep: NGramSweep, tau: float, *, path: bool = True) -> Picture:
    """One position of the sweep, laid out as on the page: title, invented names, plane, sentence.

    ``path=False`` leaves out where the student goes, which would answer a question that is still open. Raises
    ValueError for a tau off the slider.
    """
    index = expect(sweep, NGramSweep, "ngrams.teacher_temperature").index(tau)
    made = Picture(figsize=(9.2, 5.35), dpi=110, facecolor="white")
    made.words = sweep.sentences[index]
    made.text(0.02, 0.945, _title(sweep), fontsize=14, color=INK)
    made.text(0.98, 0.945, f"τ = {sweep.taus[index]:.2f}", fontsize=13, color=INK, ha="right")
    _draw_names(made.add_axes((0.02, 0.335, 0.44, 0.53)), sweep.names[index], columns=2, size=13)
    _draw_covered(made.add_axes((0.02, 0.2, 0.44, 0.085)), float(sweep.covered[index]))
    plane = made.add_axes((0.56, 0.27, 0.42, 0.595))
    _draw_plane(plane, sweep, *plane_limits(sweep, CLOSE))
    names = Labels(plane)
    if path:
        _draw_path(names, sweep)
    _draw_students(names, sweep, [index], 12)
    at = float(sweep.recall[index]), float(sweep.precision[index])
    names.add("distilled", at, STYLE["distilled"].colour, 9, toward=160)
    if path:
        _name_some(names, sweep)
    said = textwrap.fill(sweep.sentences[index], 112)
    made.text(0.02, 0.125, said, fontsize=10.5, color=INK, va="top", linespacing=1.45)
    return made


def filmstrip(sweep: NGramSweep, taus: Sequence[float]) -> Picture:
    """Small multiples: the names at each tau, in the order given, and all of them in the plane on the right.

    Raises ValueError for no tau at all, and for one off the slider.
    """
    if len(taus) == 0:
        raise ValueError("A filmstrip of no tau: give at least one value in [0.3, 1.5], such as [0.3, 0.6, 1, 1.5].")
    indices = [expect(sweep, NGramSweep, "ngrams.teacher_temperature").index(tau) for tau in taus]
    columns = min(len(indices), 4)
    rows = math.ceil(len(indices) / columns)
    width, height, side = 1.65, 3.2, 4.0  # inches: a frame, a row, the plane
    made = Picture(figsize=(columns * width + side, rows * height + 0.8), dpi=110, facecolor="white")
    made.words = "\n".join(sweep.sentences[i] for i in indices)
    total_w, total_h = made.get_size_inches()
    for n, index in enumerate(indices):
        left, top = 0.1 + (n % columns) * width, 1.0 + (n // columns) * height
        made.text(left / total_w, 1 - top / total_h, f"τ = {sweep.taus[index]:.2f}", fontsize=11, color=INK)
        box = (left / total_w, 1 - (top + 2.25) / total_h, (width - 0.15) / total_w, 2.15 / total_h)
        _draw_names(made.add_axes(box), sweep.names[index], columns=1, size=9)
        _caption(made, sweep, index, left / total_w, 1 - (top + 2.43) / total_h, total_h)
    box = ((columns * width + 0.8) / total_w, 1 - (1.0 + 2.43) / total_h, (side - 0.95) / total_w, 2.55 / total_h)
    plane = made.add_axes(box)
    _draw_plane(plane, sweep, *plane_limits(sweep, CLOSE))
    names = Labels(plane)
    _draw_path(names, sweep)
    _draw_students(names, sweep, indices, 10)
    for index in indices:
        at = float(sweep.recall[index]), float(sweep.precision[index])
        names.add(f"{sweep.taus[index]:g}", at, STYLE["distilled"].colour, 9, toward=20)
    made.text(0.1 / total_w, 1 - 0.35 / total_h, _title(sweep), fontsize=12, color=INK)
    said = f"names invented by the student, {_SAME_NUMBERS}; bold and underlined: real names"
    said = textwrap.fill(said, int(17 * total_w))
    made.text(0.1 / total_w, 1 - 0.46 / total_h, said, fontsize=8, color=QUIET, va="top")
    return made


_SAME_NUMBERS = "with the same random numbers at every τ"


def _underlined(names: Sequence[str]) -> str:
    real = sum(name in real_names() for name in names)
    return f"bold and underlined: real names, {real or 'none'} of these {len(names)}"


def _title(sweep: NGramSweep) -> str:
    return "First names: p* of order {}, teacher of order {}, student of order {}".format(*sweep.orders)


def _draw_names(axes: Axes, names: Sequence[str], *, columns: int, size: float) -> None:
    """The invented names in columns, top to bottom; real ones bold, underlined and in the student's colour."""
    axes.set(xlim=(0, columns), ylim=(0, 1))
    axes.axis("off")
    rows = math.ceil(len(names) / columns)
    high, low = 1.0, 0.0
    if columns > 1:
        axes.text(0, 1, f"invented by the student, {_SAME_NUMBERS}", fontsize=8, color=QUIET, va="top")
        axes.text(0, 0, _underlined(names), fontsize=8, color=QUIET)
        high, low = 0.88, 0.1
    for i, name in enumerate(names):
        at = i // rows, high - (high - low) * (i % rows + 0.5) / rows
        real = name in real_names()
        shown = name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…"
        style: dict[str, Any] = {"fontweight": "bold", "color": STYLE["distilled"].colour} if real else {"color": INK}
        text = axes.text(*at, shown, fontsize=size, va="baseline", **style)
        if real:
            _underline(axes, text.get_window_extent(), at[1], size)


def _underline(axes: Axes, box: Bbox, baseline: float, size: float) -> None:
    back = axes.transData.inverted()
    (x0, _), (x1, _) = back.transform([[box.x0, box.y0], [box.x1, box.y1]])
    below = baseline - float(back.transform((0, 0.2 * size))[1] - back.transform((0, 0))[1])
    axes.plot([x0, x1], [below, below], color=STYLE["distilled"].colour, linewidth=1, clip_on=False)


def _draw_covered(axes: Axes, covered: float) -> None:
    """The share of real names that the student covers, on a scale from none to all."""
    axes.set(xlim=(0, 1), ylim=(0, 1))
    axes.axis("off")
    axes.text(0, 1, "real names covered", fontsize=9, color=QUIET, va="top")
    axes.barh(0.22, 0.86, 0.4, color=_FAINT, linewidth=0)
    axes.barh(0.22, 0.86 * covered, 0.4, color=STYLE["distilled"].colour, linewidth=0)
    axes.text(1, 0.2, f"{100 * covered:.0f} %", fontsize=13, color=STYLE["distilled"].colour, ha="right", va="center")


def _caption(made: Figure, sweep: NGramSweep, index: int, x: float, y: float, height: float) -> None:
    lines = (
        f"precision {signed(sweep.precision[index])}",
        f"recall {signed(sweep.recall[index])}",
        f"covers {100 * sweep.covered[index]:.0f} %",
    )
    for n, line in enumerate(lines):
        made.text(x, y - 0.17 * n / height, line, fontsize=8, color=QUIET, va="center")


# The plane


def _draw_plane(axes: Axes, sweep: NGramSweep, recall: Limits, precision: Limits) -> None:
    frame(axes, recall, precision, bins=6)
    draw_bounds(axes, sweep.recall_bound, sweep.precision_bound, name_at=0.06)


def _draw_path(names: Labels, sweep: NGramSweep) -> None:
    """The whole path, faint; names keep off it."""
    draw_path(names.axes, sweep, alpha=0.35, linewidth=1.8)
    names.keep_off(sweep.recall, sweep.precision)


def _name_some(names: Labels, sweep: NGramSweep) -> None:
    """A small dot and a name at some values of tau, on the side of the bounds."""
    role = STYLE["distilled"]
    named = sorted({sweep.index(tau) for tau in _NAMED})
    for i in named:
        at = float(sweep.recall[i]), float(sweep.precision[i])
        names.axes.plot(*at, "o", color=role.colour, markersize=3.5, zorder=4)
        text = f"τ = {sweep.taus[i]:g}" if i in (named[0], named[-1]) else f"{sweep.taus[i]:g}"
        names.add(text, at, QUIET, 8, toward=20, away=7)


def _draw_students(names: Labels, sweep: NGramSweep, indices: Sequence[int], size: float) -> None:
    """A dot for each position and the direct student's square, which lies on top: the smaller one."""
    for i in indices:
        names.dot(float(sweep.recall[i]), float(sweep.precision[i]), "distilled", size)
    names.dot(sweep.direct_recall, sweep.direct_precision, "direct", 6, zorder=6)
    at = sweep.direct_recall, sweep.direct_precision
    names.add("direct", at, STYLE["direct"].colour, 9, toward=205)


# Objectives


_LOOKS: dict[str, tuple[str, float, bool]] = {  # marker, size, hollow
    NAMES[0]: ("o", 13, False),
    NAMES[1]: ("^", 11, False),
    NAMES[2]: ("D", 8, False),
    NAMES[3]: ("^", 11, True),
    NAMES[4]: ("D", 8, True),
}
_SAME = 2.0  # dots of the figure: outcomes nearer than this stand in one place


def objectives(outcomes: Sequence[Outcome], sweep: NGramSweep) -> Picture:
    """Where each objective leaves its student: one plane, the path over tau faint behind.

    Triangles stand for p*'s prefixes, diamonds for the student's own, the circle for whole strings of the teacher;
    hollow ones for reverse KL. Outcomes in one place share the first one's mark, and a name. A bound that would
    stretch its axis by more than half is named at the edge instead. Raises ValueError for no outcomes.
    """
    if len(outcomes) == 0:
        raise ValueError("No outcomes: pass what kdlab.ngrams.objectives.compare_objectives(...) returns.")
    made = Picture(figsize=(9.2, 5.6), dpi=110, facecolor="white")
    made.words = "Precision and recall of students of one teacher, in nats. " + " ".join(
        f"{one.name}: {signed(one.precision)}, {signed(one.recall)}." for one in outcomes
    )
    made.text(0.02, 0.94, "Where each objective leaves the student", fontsize=14, color=INK)
    key = "filled: forward KL; hollow: reverse KL; the line: whole sequences, at every τ"
    made.text(0.02, 0.897, key, fontsize=8, color=QUIET)
    axes = made.add_axes((0.08, 0.11, 0.9, 0.72))
    recall = [*sweep.recall, *(one.recall for one in outcomes), sweep.direct_recall]
    precision = [*sweep.precision, *(one.precision for one in outcomes), sweep.direct_precision]
    _draw_plane(axes, sweep, _near(recall, sweep.recall_bound), _near(precision, sweep.precision_bound))
    names = Labels(axes)
    _draw_path(names, sweep)
    places = _in_one_place(axes, outcomes)
    for one in (shared[0] for shared in places):
        marker, size, hollow = _LOOKS[one.name]
        look: dict[str, Any] = {"marker": marker}
        if hollow:
            look |= {"markerfacecolor": "white", "markeredgecolor": STYLE["distilled"].colour, "markeredgewidth": 1.8}
        names.dot(one.recall, one.precision, "distilled", size, **look)
    _draw_students(names, sweep, [], 0)
    for shared in places:
        text = "\n= ".join(one.name for one in shared)
        names.add(text, (shared[0].recall, shared[0].precision), STYLE["distilled"].colour, 9, toward=20, away=12)
    _name_some(names, sweep)
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
        for shared in places:
            both = [(other.recall, other.precision) for other in (one, shared[0])]
            if np.hypot(*np.subtract(*axes.transData.transform(both))) < _SAME:
                shared.append(one)
                break
        else:
            places.append([one])
    return places
