"""A neighbour's comparison as a static picture: what a notebook shows where there is no page."""

import textwrap
from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes

from kdlab.core.sweep import expect
from kdlab.neighbours.comparison import Comparison, limits, span
from kdlab.pictures.figure import INK, QUIET, STYLE, Picture, our_settings
from kdlab.pictures.plane import Labels, calm, draw_bounds, draw_path, frame

__all__ = ["figure", "filmstrip", "gallery"]

_LINES = ("distilled", "teacher", "direct", "bounds")  # whose look the curves have, in their order


@our_settings()
def figure(comparison: Comparison, dial: float, *, path: bool = True) -> Picture:
    """One position of the knob, laid out as on the page: title, curves, plane, sentence.

    ``path=False`` leaves out what lies ahead, which would answer a question that is still open. Raises ValueError for
    a value off the slider.
    """
    index = expect(comparison, Comparison, "a neighbour's sweep").index(dial)
    made = Picture(9.2, 5.35)
    said = f"{comparison.knob_name}: {comparison.dials[index]:.3g}"
    made.around(comparison.title, comparison.sentences[index], said)
    _draw(made, comparison, {index: comparison.own}, path=path)
    return made


@our_settings()
def filmstrip(comparison: Comparison, dials: Sequence[float]) -> Picture:
    """Several positions of the knob in one picture. Raises ValueError for none at all, and for one off the slider."""
    indices = expect(comparison, Comparison, "a neighbour's sweep").indices(dials)
    made = Picture(9.2, 5.35, "\n".join(comparison.sentences[i] for i in indices))
    made.around(comparison.title, comparison.sentences[indices[-1]])
    _draw(made, comparison, {i: f"{comparison.dials[i]:.3g}" for i in indices}, path=True)
    return made


def _draw(made: Picture, comparison: Comparison, named: dict[int, str], *, path: bool) -> None:
    _draw_curves(made.add_axes((0.075, 0.27, 0.37, 0.55)), comparison, list(named), path=path)
    axes = made.add_axes((0.56, 0.27, 0.42, 0.595))
    frame(axes, *limits(comparison), bins=6)
    draw_bounds(axes, comparison.recall_bound, comparison.precision_bound, name_at=0.06)
    labels = Labels(axes)
    if path:
        draw_path(axes, comparison, alpha=0.35, linewidth=1.8)
        labels.keep_off(comparison.recall, comparison.precision)
    marks: list[tuple[str, float, float, str, dict[str, Any], float]] = [
        *((one.name, one.recall, one.precision, "bounds", {"marker": "D"}, 6) for one in comparison.others),
        (comparison.plain, comparison.direct_recall, comparison.direct_precision, "direct", {"zorder": 6}, 6),
        *((name, comparison.recall[i], comparison.precision[i], "distilled", {}, 11) for i, name in named.items()),
    ]
    for _, recall, precision, role, look, size in marks:
        labels.dot(recall, precision, role, size, **look)
    for name, recall, precision, role, _, _ in marks:
        colour = QUIET if role == "bounds" else STYLE[role].ink
        labels.add(name, (recall, precision), colour, 9, toward=160 if role == "distilled" else 20)


def _draw_curves(axes: Axes, comparison: Comparison, indices: list[int], *, path: bool) -> None:
    """The curves over the knob, and where it stands; only up to there while a question is open."""
    calm(axes)
    dials = comparison.dials
    axes.set(
        xlim=(dials[0], dials[-1]), ylim=span(comparison), xlabel=comparison.knob_name, ylabel=comparison.curve_unit
    )
    for (name, values), role in zip(comparison.curves.items(), _LINES, strict=False):
        look: dict[str, Any] = {"color": STYLE[role].colour, "linestyle": STYLE[role].line}
        end = len(dials) if path else indices[0] + 1
        axes.plot(dials[:end], values[:end], linewidth=2, label=name, **look)
        axes.plot(dials[indices], values[indices], linestyle="none", marker="o", markersize=5, color=STYLE[role].colour)
    for i in indices:
        axes.axvline(dials[i], color=STYLE["bounds"].colour, linewidth=0.8, zorder=1)
    place: dict[str, Any] = {"loc": "lower left", "bbox_to_anchor": (0, 1.0), "ncols": 2}
    axes.legend(**place, frameon=False, fontsize=9, labelcolor=INK, borderaxespad=0.2, handlelength=1.6)


@our_settings()
def gallery(comparisons: Sequence[Comparison], dials: Sequence[float]) -> Picture:
    """All that is compared in several worlds, a plane for each: the path over the knob, the plain student, others.

    ``dials`` has, for each, the value of the knob at which the student's dot stands. ValueError for one off the slider.
    """
    columns = 3
    rows = -(-len(comparisons) // columns)
    words = " ".join(f"{one.title}: {one.own} beside {one.plain}." for one in comparisons)
    made = Picture(10.5, 3.5 * rows, words)
    for n, (comparison, dial) in enumerate(zip(comparisons, dials, strict=True)):
        at = comparison.index(dial)
        left, down = 0.65 + 3.45 * (n % columns), 0.5 + 3.5 * (n // columns)
        made.write(left - 0.4, down - 0.13, textwrap.fill(comparison.title, 40), 10, va="bottom")
        axes = made.panel(left, down, 2.65, 2.4)
        frame(axes, *limits(comparison), ticks=8, bins=4)
        draw_bounds(axes, comparison.recall_bound, comparison.precision_bound, name_at=0.06)
        labels = Labels(axes)
        draw_path(axes, comparison, linewidth=1.8)
        labels.keep_off(comparison.recall, comparison.precision)
        marks = [(one.name, one.recall, one.precision, "bounds", "D") for one in comparison.others]
        marks.append((comparison.plain, comparison.direct_recall, comparison.direct_precision, "direct", "s"))
        marks.append((comparison.own, comparison.recall[at], comparison.precision[at], "distilled", "o"))
        for _, recall, precision, role, marker in marks:
            labels.dot(recall, precision, role, 5.5, marker=marker)
        for name, recall, precision, role, _ in marks:
            colour = QUIET if role == "bounds" else STYLE[role].ink
            labels.add(name, (recall, precision), colour, 8, toward=20, away=6)
    return made
