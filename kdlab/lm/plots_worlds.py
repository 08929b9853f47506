"""Static pictures that set a run beside the other worlds (notebook 07): three planes, and a map of what models wrote.

Drawn with `kdlab.pictures`: same roles, no pyplot, and every picture carries its words. A world is a few
numbers, whatever it was made of.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from kdlab.core.format import signed
from kdlab.core.metrics import precision, recall
from kdlab.core.sweep import PlaneSweep
from kdlab.lm.report.changes import larger_error, students
from kdlab.lm.report.tradeoff import spread
from kdlab.pictures.figure import INK, QUIET, STYLE, Picture
from kdlab.pictures.plane import Labels, draw_bounds, frame

__all__ = ["Place", "World", "embedding_map", "of_mixture", "of_names", "of_run", "three_worlds", "units"]

Results = Mapping[str, Any]


@dataclass(frozen=True)
class Place:
    """A model in the plane, nats; the errors are 0 where the numbers are exact."""

    recall: float
    precision: float
    recall_error: float = 0.0
    precision_error: float = 0.0


@dataclass(frozen=True)
class World:
    """What one plane shows. ``path`` is what students do along the knob; ``named`` are those with a name.

    ``ceiling`` is -H(p*): p*'s own recall, and its own precision too. ``precision_bound`` is None where none is known.
    """

    title: str
    unit: str
    note: str
    path: tuple[Place, ...]
    named: Mapping[str, Place]
    ceiling: float | None
    precision_bound: float | None = None
    direct: Place | None = None
    teacher: Place | None = None


# Worlds


def of_mixture(sweep: Any, highest: float = 20.0) -> World:
    """The world of notebook 02: a sweep of beta (mixtures.teacher_entropy), shown up to ``highest``. Exact."""
    shown = [i for i, beta in enumerate(sweep.betas) if beta <= highest * 1.001]
    title, note = "Gaussian mixtures (02)", f"β from 1 to {highest:g}; exact"
    return _of_sweep(
        sweep, shown, title, "point", note, ("β = 1", f"{highest:g}"), sweep.scene.truth, sweep.scene.teacher
    )


def of_names(sweep: Any) -> World:
    """The world of notebook 04: a sweep of tau (ngrams.teacher_temperature), shown from 1 down. Exact."""
    shown = [i for i, tau in enumerate(sweep.taus) if tau <= 1.001][::-1]
    coldest = f"{sweep.taus[shown[-1]]:g}"
    title, note = "First names, by letters (04)", f"τ from 1 to {coldest}; exact"
    return _of_sweep(sweep, shown, title, "name", note, ("τ = 1", coldest), sweep.truth, sweep.teacher)


def _of_sweep(
    sweep: PlaneSweep,
    shown: list[int],
    title: str,
    unit: str,
    note: str,
    ends: tuple[str, str],
    truth: Any,
    teacher: Any,
) -> World:
    """The world of a sweep's positions ``shown``, its ends named."""
    path = tuple(Place(float(sweep.recall[i]), float(sweep.precision[i])) for i in shown)
    return World(
        title=title,
        unit=f"nats per {unit}",
        note=note,
        path=path,
        named=dict(zip(ends, (path[0], path[-1]), strict=True)),
        ceiling=sweep.recall_bound,
        precision_bound=sweep.precision_bound,
        direct=Place(sweep.direct_recall, sweep.direct_precision),
        teacher=Place(recall(teacher, truth).value, precision(teacher, truth).value),
    )


def of_run(results: Results, per: str = "token") -> World:
    """A run with language models, per "token" or per "sequence": estimates with their standard errors."""
    models = {one["role"]: _place(one, per) for one in results["models"] if one["role"] != "distilled"}
    path = students(results)
    named = {f"τ = {one['tau']:g}" if i == 0 else f"{one['tau']:g}": _place(one, per) for i, one in enumerate(path)}
    ceiling = results["truth"].get("negative_entropy")
    over = ", the larger of two" if len(results["seeds"]) > 1 else " over sequences (one seed)"
    return World(
        title="Language models (this run)",
        unit=f"nats per {per}",
        note=f"bars: ± 1 standard error{over}",
        path=tuple(named.values()),
        named=named,
        ceiling=ceiling[per]["value"] if ceiling else None,
        direct=models.get("direct"),
        teacher=models.get("teacher"),
    )


def _place(model: Mapping[str, Any], per: str) -> Place:
    x, y = model["recall"][per], model["precision"][per]
    return Place(x["value"], y["value"], larger_error(x), larger_error(y))


# Planes


def three_worlds(mixture: PlaneSweep, names: PlaneSweep, results: Results, *, path: bool = True) -> Picture:
    """The trade-off in three worlds: one plane each, in the nats of that world.

    ``path=False`` leaves out the run's students, which would answer a question that is still open.
    """
    worlds = [of_mixture(mixture), of_names(names), of_run(results)]
    return _planes(worlds, "One trade-off, three worlds", hidden=() if path else (2,))


def units(results: Results) -> Picture:
    """A run's plane twice: per token, and per sequence."""
    both = [of_run(results, per) for per in ("token", "sequence")]
    return _planes(both, "The same run, counted per token and per sequence")


def _planes(worlds: Sequence[World], title: str, hidden: Sequence[int] = ()) -> Picture:
    width, high, top = (3.35 if len(worlds) > 2 else 4.4), 3.3, 1.02  # inches of a panel and of what stands above
    made = Picture(figsize=(len(worlds) * width, high + top + 0.1), dpi=110, facecolor="white")
    total_w, total_h = made.get_size_inches()
    made.text(0.12 / total_w, 1 - 0.34 / total_h, title, fontsize=14, color=INK)
    for n, world in enumerate(worlds):
        left, said = n * width, world.title if len(worlds) > 2 else world.unit
        made.text((left + 0.12) / total_w, 1 - 0.68 / total_h, said, fontsize=11, color=INK)
        made.text((left + 0.12) / total_w, 1 - 0.88 / total_h, world.note, fontsize=8, color=QUIET)
        box = ((left + 0.66) / total_w, 0.55 / total_h, (width - 0.86) / total_w, (high - 0.4) / total_h)
        _draw_world(made.add_axes(box), world, shown=n not in hidden)
    told = [_words(world, n not in hidden) for n, world in enumerate(worlds)]
    made.words = " ".join([f"{title}: precision against recall.", *told])
    return made


def _draw_world(axes: Axes, world: World, *, shown: bool) -> None:
    _draw_axes(axes, world)
    names = Labels(axes)
    distilled = STYLE["distilled"].colour
    if world.ceiling is not None:
        look: dict[str, Any] = {"color": "white", "markeredgecolor": STYLE["truth"].colour, "markeredgewidth": 1.4}
        names.dot(world.ceiling, world.ceiling, "truth", 6, **look)
    if not shown:
        axes.text(0.46, 0.5, "?", transform=axes.transAxes, fontsize=44, color=QUIET, ha="center", va="center")
    else:
        if world.path:
            at = [one.recall for one in world.path], [one.precision for one in world.path]
            axes.plot(*at, color=distilled, linewidth=2.0, zorder=2)
            names.keep_off(*at)
        for place in world.named.values():
            _draw_one(names, place, "distilled")
        hollow: dict[str, Any] = {"marker": "D", "color": "white", "markeredgewidth": 1.8}
        _draw_one(names, world.teacher, "teacher", zorder=4, **hollow, markeredgecolor=STYLE["teacher"].colour)
        _draw_one(names, world.direct, "direct", zorder=6)
    _name(names, world, shown)


def _draw_one(names: Labels, place: Place | None, role: str, **look: Any) -> None:
    """A model's dot, with its errors where it has some."""
    if place is None:
        return
    if place.recall_error or place.precision_error:
        bars: dict[str, Any] = {"xerr": place.recall_error, "yerr": place.precision_error, "elinewidth": 1.3}
        names.axes.errorbar(place.recall, place.precision, fmt="none", ecolor=STYLE[role].colour, zorder=4, **bars)
    size = {"teacher": 8.5, "direct": 6.0, "distilled": 7.0}[role]  # the teacher lies below, and is seen around others
    names.dot(place.recall, place.precision, role, size, **look)


def _name(names: Labels, world: World, shown: bool) -> None:
    if world.ceiling is not None:
        names.add("p*", (world.ceiling, world.ceiling), STYLE["truth"].colour, 9, toward=200)
    if not shown:
        return
    if world.direct is not None:
        names.add("direct", (world.direct.recall, world.direct.precision), STYLE["direct"].colour, 9, toward=250)
    if world.teacher is not None:
        names.add("teacher", (world.teacher.recall, world.teacher.precision), STYLE["teacher"].ink, 9, toward=60)
    for text, place in world.named.items():
        names.add(text, (place.recall, place.precision), STYLE["distilled"].colour, 9, toward=190)


def _draw_axes(axes: Axes, world: World) -> None:
    """Limits that hold everything, labels, and the bounds with their names."""
    places = [*world.path, *(one for one in (world.direct, world.teacher) if one is not None)]
    ceiling = [] if world.ceiling is None else [world.ceiling]
    top = [] if world.precision_bound is None else [world.precision_bound]
    x = _limits([one.recall for one in places] + ceiling, [one.recall_error for one in places])
    y = _limits([one.precision for one in places] + ceiling + top, [one.precision_error for one in places])
    frame(axes, x, y, unit=world.unit, ticks=8)
    draw_bounds(axes, world.ceiling, world.precision_bound, name_at=0.02)


def _limits(values: Sequence[float], errors: Sequence[float]) -> tuple[float, float]:
    """A margin on both sides, the wider one below, where names stand; ``errors`` of the first values find room too."""
    if not values:
        return 0.0, 1.0
    low, high = min(values), max(values)
    length = max(high - low, 0.05)
    bars = [value + sign * error for value, error in zip(values, errors, strict=False) for sign in (-1, 1)]
    aside = 0.02 * length
    return min(low - 0.17 * length, min(bars) - aside), max(high + 0.13 * length, max(bars) + aside)


def _words(world: World, shown: bool) -> str:
    if not shown:
        return f"{world.title}: not shown yet."
    ends = list(world.named.items())
    told = [f"{name}: {signed(one.precision)}, {signed(one.recall)}" for name, one in (ends if len(ends) < 9 else [])]
    for name, one in (("direct", world.direct), ("teacher", world.teacher)):
        told += [] if one is None else [f"{name}: {signed(one.precision)}, {signed(one.recall)}"]
    return f"{world.title}, precision and recall in {world.unit}: {'; '.join(told)}."


# The map of samples


def embedding_map(results: Results) -> Picture:
    """Where each model's texts lie among p*'s: small multiples, warm to cold, all in the same plane.

    Each text is p*'s mean last hidden state of it, projected to the two directions in which p*'s own texts vary most.
    Raises ValueError where the results have no map yet.
    """
    points = results["map"]
    if not points:
        raise ValueError("These results have no map of samples yet: let the run go on until seed 0 is scored.")
    panels = [(one["name"], f"distilled, τ = {one['tau']:g}", "distilled") for one in students(results)]
    panels = [("teacher", "teacher", "teacher"), ("direct", "direct student", "direct"), *panels]
    panels = [panel for panel in panels if panel[0] in points]
    columns = min(len(panels), 3 if len(panels) in (5, 6) else 4)
    rows, side, gap, top = math.ceil(len(panels) / columns), 2.2, 0.5, 0.72  # inches
    width = max(columns * (side + 0.1) + 0.1, 5.2)  # room for the title
    made = Picture(figsize=(width, rows * (side + gap) + top), dpi=110, facecolor="white")
    total_w, total_h = made.get_size_inches()
    made.text(
        0.1 / total_w, 1 - 0.32 / total_h, "What each model wrote, on a map of p*'s texts", fontsize=13, color=INK
    )
    said = f"every dot is one of {len(points['truth'])} texts; grey: p*'s own"
    made.text(0.1 / total_w, 1 - 0.54 / total_h, said, fontsize=8, color=QUIET)
    limits = _square(np.concatenate([np.asarray(points[name], float) for name in ("truth", *(p[0] for p in panels))]))
    told = []
    for n, (name, title, role) in enumerate(panels):
        left, down = 0.1 + (n % columns) * (side + 0.1), top + (n // columns) * (side + gap)
        axes = made.add_axes((left / total_w, 1 - (down + side) / total_h, side / total_w, side / total_h))
        _draw_cloud(axes, points["truth"], points[name], role, limits)
        wide = spread(results, name)
        colour = STYLE[role].ink
        middle, below = (left + side / 2) / total_w, f"{wide.value:.2f} times as wide as p*'s"
        made.text(middle, 1 - (down + side + 0.17) / total_h, title, fontsize=9, color=colour, ha="center")
        made.text(middle, 1 - (down + side + 0.33) / total_h, below, fontsize=8, color=QUIET, ha="center")
        told.append(f"{title}: {wide.value:.2f} ± {wide.error:.2f}")
    made.words = (
        "Maps of texts by p*'s hidden states, one for each model, over p*'s own texts. How wide each cloud is, as a "
        f"multiple of p*'s: {'; '.join(told)}."
    )
    return made


def _draw_cloud(axes: Axes, truth: Any, own: Any, role: str, limits: tuple[tuple[float, float], ...]) -> None:
    axes.set(xlim=limits[0], ylim=limits[1], xticks=[], yticks=[], aspect="equal")
    axes.spines[:].set_color("#DDDDDD")
    (x, y), (own_x, own_y) = np.asarray(truth, float).T, np.asarray(own, float).T
    grey: dict[str, Any] = {"facecolors": "none", "edgecolors": STYLE["truth"].colour}
    axes.scatter(x, y, s=9, linewidths=0.5, alpha=0.45, **grey)
    marker = STYLE[role].marker or "D"
    axes.scatter(own_x, own_y, s=9, marker=marker, color=STYLE[role].colour, alpha=0.6, linewidths=0)


def _square(points: Any) -> tuple[tuple[float, float], ...]:
    """Limits of equal length that hold all points."""
    low, high = points.min(axis=0), points.max(axis=0)
    centre, half = (low + high) / 2, float((high - low).max()) / 2 * 1.05
    return tuple((float(middle - half), float(middle + half)) for middle in centre)
