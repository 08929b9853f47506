"""Static pictures for notebook 01: a bell by hand, the frontier of all bells, and estimates with their error bars.

Drawn with `kdlab.pictures`: same roles, no pyplot, and every picture carries its words.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from kdlab.core.format import deviation, short
from kdlab.core.metrics import Estimate
from kdlab.mixtures.limits import BEYOND, bend, recall_marks, single_plane_limits, single_space_limits, unbend
from kdlab.mixtures.model import GaussianMixture
from kdlab.mixtures.plots import draw_density
from kdlab.mixtures.scenes import Scene, line_mixture
from kdlab.mixtures.single import Measured
from kdlab.pictures.figure import QUIET, STYLE, Picture, our_settings
from kdlab.pictures.plane import calm, draw_bounds, frame

__all__ = ["estimates", "figure", "frontier"]


@our_settings()
def figure(scene: Scene, measured: Measured) -> Picture:
    """Draw one student by hand: p* and the bell on the left, the plane on the right, the sentence below."""
    made = Picture(9.2, 4.9)
    _draw_space(made.add_axes((0.02, 0.2, 0.44, 0.66)), scene.truth, measured)
    _draw_plane(made.add_axes((0.55, 0.24, 0.43, 0.62)), measured)
    made.around(scene.title, measured.sentence, top=0.93, bottom=0.08)
    return made


def _draw_space(axes: Axes, truth: GaussianMixture, measured: Measured) -> None:
    """Draw p* and the bell, and name both above the picture, each behind a sample of its line, as on the page."""
    x_limits, y_limits = single_space_limits(truth)
    near = measured.centre + measured.width * np.linspace(-6, 6, 241)  # a spike is between the places of any fixed grid
    x = np.sort(np.concatenate([np.linspace(*x_limits, 401), near]))
    student = line_mixture([1.0], [measured.centre], [measured.width])
    axes.set(xlim=x_limits, ylim=y_limits, yticks=[])
    axes.spines["left"].set_visible(False)
    for name, said, model, width, at in (
        ("truth", "p* truth", truth, 1.0, 0.0),
        ("distilled", "p″ your student", student, 2.2, 0.23),
    ):
        colour, dashes = STYLE[name].colour, STYLE[name].line
        draw_density(axes, x, model, name, width)
        sample: dict[str, Any] = {"transform": axes.transAxes, "clip_on": False, "linewidth": width}
        axes.plot([at, at + 0.045], [1.045, 1.045], color=colour, linestyle=dashes, **sample)
        axes.text(at + 0.06, 1.045, said, transform=axes.transAxes, fontsize=9, va="center", color=colour)
    calm(axes).locator_params(axis="x", nbins=5, steps=[1, 2, 5, 10])


def _draw_plane(axes: Axes, measured: Measured) -> None:
    """The plane with its fixed limits; a student beyond them stands on the edge, as an arrow.

    The axis of recall is stretched near its bound, with marks at round numbers and a label that says so.
    """
    recall_limits, precision_limits = single_plane_limits(measured)
    bound = measured.recall_bound
    frame(axes, recall_limits, precision_limits)
    draw_bounds(axes, bound, measured.precision_bound)
    axes.set_xscale("function", functions=(lambda recall: bend(recall, bound), lambda place: unbend(place, bound)))
    marks = recall_marks(bound)
    axes.set_xticks(marks, [short(mark).removesuffix(".00") for mark in marks])
    axes.set(xlabel="recall, nats (stretched near its bound)", xlim=recall_limits)
    x, y = max(measured.recall, recall_limits[0]), max(measured.precision, precision_limits[0])
    marker = "<" if x > measured.recall else "v" if y > measured.precision else "o"
    axes.plot(x, y, marker, color=STYLE["distilled"].colour, markersize=11, markeredgecolor="white", clip_on=False)


@our_settings()
def frontier(bells: Sequence[Measured], chosen: Sequence[Measured] = ()) -> Picture:
    """Draw a frontier in the plane with both bounds, and a dot with its width at each of the ``chosen`` bells.

    What has a recall beyond the plane's limits is left out, a spike's is far away: there the line ends in an arrow.
    """
    made, first = Picture(6.6, 4.2), bells[0]
    axes = made.add_axes((0.11, 0.14, 0.86, 0.82))
    low = single_plane_limits(first)[0][0]
    shown = [bell for bell in bells if bell.recall >= low]
    frame(axes, (low, first.recall_bound + BEYOND), (-3.2, first.precision_bound + 0.25))  # straight, for its shape
    draw_bounds(axes, first.recall_bound, first.precision_bound)
    colour = STYLE["distilled"].colour
    axes.plot([bell.recall for bell in shown], [bell.precision for bell in shown], color=colour, linewidth=1.8)
    if len(shown) < len(bells):
        _draw_going_on(axes, shown[-1], bells[len(shown)], bells[-1])
    label: dict[str, Any] = {"textcoords": "offset points", "fontsize": 9, "color": colour}
    for bell in chosen:
        at = (bell.recall, bell.precision)
        axes.plot(*at, STYLE["distilled"].marker, color=colour, markersize=8, markeredgecolor="white", zorder=5)
        width = round(bell.width, 2) if bell.width >= 0.1 else bell.width
        text = f"centre {short(bell.centre)}, width {deviation(width)}"
        axes.annotate(text, at, (-9, -4), ha="right", va="top", **label)
    drawn = ", as far as drawn" if len(shown) < len(bells) else ""
    start, end = (f"recall {short(one.recall)} and precision {short(one.precision)}" for one in (first, shown[-1]))
    made.words = (
        f"The best precision for each recall that one bell can have{drawn}: from {start} nats, up and to the left, "
        f"to {end}. It stays below both bounds, away from the corner where they meet."
    )
    return made


def _draw_going_on(axes: Axes, end: Measured, beyond: Measured, last: Measured) -> None:
    """Say that the frontier goes on beyond the left edge: an arrow towards the next bell, and where it leads."""
    edge = axes.get_xlim()[0]
    slope = (beyond.precision - end.precision) / (beyond.recall - end.recall)
    tip = (edge, end.precision + slope * (edge - end.recall))
    arrow: dict[str, Any] = {"arrowstyle": "-|>", "color": STYLE["distilled"].colour, "shrinkA": 0, "shrinkB": 0}
    axes.annotate("", tip, (end.recall, end.precision), arrowprops={**arrow, "linewidth": 1.8, "mutation_scale": 14})
    said = f"goes on, to precision {short(last.precision)}"
    axes.annotate(said, tip, (9, 9), textcoords="offset points", fontsize=8, color=QUIET, va="bottom")


@our_settings()
def estimates(exact: float, found: Sequence[Estimate]) -> Picture:
    """Draw Monte Carlo estimates by number of samples, with bars of 2 standard errors, around the exact line."""
    made = Picture(6.6, 3.0)
    axes = calm(made.add_axes((0.13, 0.19, 0.84, 0.76)))
    role, truth = STYLE["distilled"], STYLE["truth"].colour
    n, values = [one.n_samples or 0 for one in found], [one.value for one in found]
    bars = [2 * one.standard_error for one in found]
    axes.axhline(exact, color=truth, linewidth=1.0)
    axes.errorbar(n, values, yerr=bars, fmt=role.marker, color=role.colour, capsize=4, linewidth=1.6)
    axes.set(xscale="log", xlabel="samples", ylabel="precision, nats")
    place: dict[str, Any] = {"xycoords": axes.get_yaxis_transform(), "textcoords": "offset points", "ha": "center"}
    axes.annotate("exact", (0.5, exact), (0, 4), fontsize=9, color=truth, **place)
    said = (f"{m:,} samples, {short(value)} ± {bar:.3f}" for m, value, bar in zip(n, values, bars, strict=True))
    made.words = (
        f"Estimates of a precision of {short(exact)} nats, each with a bar of 2 standard errors: {'; '.join(said)}. "
        "The bars shrink with the square root of the number of samples."
    )
    return made
