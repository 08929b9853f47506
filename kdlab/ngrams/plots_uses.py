"""Static pictures of what students are used for (notebook 08): the best teacher for k tries, and generations."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from kdlab.core.format import signed
from kdlab.ngrams.best_tau import AttemptSweep
from kdlab.ngrams.generations import Generation
from kdlab.pictures.figure import INK, QUIET, STYLE, Picture, our_settings
from kdlab.pictures.plane import calm

__all__ = ["best_teachers", "generations"]

_LINES = ("-", "--", ":", "-.")


@our_settings()
def best_teachers(sweeps: Mapping[str, AttemptSweep]) -> Picture:
    """The best tau of the teacher over the number of tries, a line for each of ``sweeps``, named by what is accepted.

    A hollow dot is an end of a sweep: beyond it tau may be better. Raises ValueError for no sweeps, or more than four.
    """
    _check(len(sweeps), "sweeps")
    made = Picture(9.2, 4.4)
    made.write(0.18, 0.3, "The best teacher for k tries", 14)
    axes = made.panel(0.75, 0.5, 6.6, 3.3)
    calm(axes).set(xscale="log", xlabel="k, tries", ylabel="best τ of the teacher")
    axes.minorticks_off()
    axes.xaxis.set_major_formatter("{x:,.0f}")
    words, ends = [], []
    for (name, sweep), line in zip(sweeps.items(), _LINES, strict=False):
        best = sweep.best()
        axes.plot(sweep.draws, best.taus, color=STYLE["distilled"].colour, linestyle=line, linewidth=2)
        edge = ~best.inside
        axes.plot(sweep.draws[edge], best.taus[edge], "o", color=STYLE["distilled"].colour, markerfacecolor="white")
        ends.append((name, float(sweep.draws[-1]), float(best.taus[-1])))
        first, last = best.taus[[0, -1]]
        words.append(f"{name}: from τ = {first:.2f} at {sweep.draws[0]:,.0f} to {last:.2f} at {sweep.draws[-1]:,.0f}.")
    draws = np.concatenate([sweep.draws for sweep in sweeps.values()])
    axes.set_xlim(0.8 * draws.min(), 1.2 * draws.max())
    axes.axhline(1, color=STYLE["bounds"].colour, linewidth=0.8, zorder=1)
    axes.annotate("the teacher as it is", (0, 1), (4, 3), xycoords=("axes fraction", "data"), fontsize=8, color=QUIET,
                  textcoords="offset points")  # fmt: skip
    _name_ends(axes, ends)
    made.words = "The best temperature of the teacher over the number of tries. " + " ".join(words)
    return made


@our_settings()
def generations(lines: Mapping[str, Sequence[Generation]]) -> Picture:
    """Precision and recall of students of students, by generation: a line for each of ``lines``, named at its end.

    Raises ValueError for no lines, or more than four, and for one without a generation.
    """
    _check(len(lines), "lines")
    empty = [name for name, line in lines.items() if not line]
    if empty:
        raise ValueError(f"{empty[0]!r} has no generation: give what ngrams.successors(...) returns")
    made = Picture(9.2, 4.2)
    made.write(0.18, 0.3, "Students of students, of students", 14)
    words = []
    for left, what in ((0.75, "precision"), (5.4, "recall")):
        axes = made.panel(left, 0.5, 2.3, 3.1)
        calm(axes).set(xlabel="generation", ylabel=f"{what}, nats per name")
        ends = []
        for (name, line), style in zip(lines.items(), _LINES, strict=False):
            numbers, values = [one.number for one in line], [float(getattr(one, what)) for one in line]
            look: dict[str, Any] = {"color": STYLE["distilled"].colour, "markeredgecolor": "white"}
            axes.plot(numbers, values, linestyle=style, marker="o", linewidth=1.8, markersize=7, **look)
            ends.append((name, float(numbers[-1]), values[-1]))
            words.append(f"{what}, {name}: from {signed(values[0])} to {signed(values[-1])}.")
        axes.set_xticks(numbers)
        _name_ends(axes, ends)
    made.words = "Students of students, nats per name. " + " ".join(words)
    return made


def _check(n: int, what: str) -> None:
    if not 1 <= n <= len(_LINES):
        raise ValueError(f"{n} {what}: give from 1 to {len(_LINES)}, each with its name")


def _name_ends(axes: Axes, ends: Sequence[tuple[str, float, float]]) -> None:
    """Write names to the right of where lines end, one above the other where they would touch."""
    axes.margins(y=0.08)
    low, high = axes.get_ylim()
    apart = 11 / 72 * axes.figure.dpi / axes.get_window_extent().height * (high - low)  # 11 points, a line of text
    at = np.array([y for *_, y in ends])
    order, places = np.argsort(at, kind="stable"), at.copy()
    for below, above in zip(order, order[1:], strict=False):
        places[above] = max(places[above], places[below] + apart)
    places -= (places - at).mean()
    for (name, x, _), y in zip(ends, places, strict=True):
        axes.annotate(name, (x, y), (9, 0), textcoords="offset points", fontsize=8.5, color=INK, va="center",
                      annotation_clip=False)  # fmt: skip
