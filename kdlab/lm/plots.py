"""Static pictures of a run with language models, from its results: the precision-recall plane and the loss curves.

The plane is drawn from a `World`, a few numbers, so that `kdlab.lm.plots_worlds` can set other worlds beside a run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from kdlab.core.files import written_whole
from kdlab.core.format import signed
from kdlab.lm.report.changes import Results, larger_error, students, value
from kdlab.lm.report.summary import about
from kdlab.pictures.figure import INK, QUIET, STYLE, Picture, png
from kdlab.pictures.plane import Labels, calm, draw_bounds, frame

__all__ = ["Place", "World", "draw_world", "loss_curves", "of_run", "precision_recall", "save"]


# The plane


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

    Bounds and models are None where they are not known, or not shown.
    """

    title: str
    unit: str
    note: str
    path: tuple[Place, ...]
    named: Mapping[str, Place]
    recall_bound: float | None = None
    precision_bound: float | None = None
    truth: Place | None = None
    direct: Place | None = None
    teacher: Place | None = None


def of_run(results: Results, per: str = "token") -> World:
    """The world of a run, per "token" or per "sequence": estimates with their standard errors."""
    models = {one["role"]: _place(one, per) for one in results["models"] if one["role"] != "distilled"}
    named = {f"{one['tau']:g}": _place(one, per) for one in students(results)}
    if named:
        warmest = next(iter(named))
        named = {f"τ = {warmest}": named.pop(warmest)} | named
    ceiling = results["truth"].get("negative_entropy")
    bound = float(ceiling[per]["value"]) if ceiling else None
    over = ", the larger of two" if len(results["seeds"]) > 1 else " over sequences (one seed)"
    return World(
        title="Language models (this run)",
        unit=f"nats per {per}",
        note=f"bars: ± 1 standard error{over}",
        path=tuple(named.values()),
        named=named,
        recall_bound=bound,
        truth=None if bound is None else Place(bound, bound),  # p*'s own recall is its own precision too
        direct=models.get("direct"),
        teacher=models.get("teacher"),
    )


def _place(model: Mapping[str, Any], per: str) -> Place:
    errors = (larger_error(model[what][per]) for what in ("recall", "precision"))
    return Place(value(model, "recall", per), value(model, "precision", per), *errors)


def draw_world(axes: Axes, world: World, *, shown: bool = True) -> None:
    """Draw a world into ``axes``; ``shown=False``: a question mark in place of its students and its teacher."""
    frame(axes, *_limits(world), unit=world.unit, ticks=8)
    draw_bounds(axes, world.recall_bound, world.precision_bound, name_at=0.02)
    names = Labels(axes)
    hollow: dict[str, Any] = {"color": "white", "markeredgecolor": STYLE["truth"].colour, "markeredgewidth": 1.4}
    _dot(names, world.truth, "truth", 6, **hollow)
    if shown:
        at = [one.recall for one in world.path], [one.precision for one in world.path]
        if world.path:
            axes.plot(*at, color=STYLE["distilled"].colour, linewidth=2.0, zorder=2)
            names.keep_off(*at)
        for place in world.named.values():
            _dot(names, place, "distilled", 7)
        # The teacher lies below, and is seen around others.
        look = hollow | {"marker": "D", "markeredgecolor": STYLE["teacher"].colour, "markeredgewidth": 1.8}
        _dot(names, world.teacher, "teacher", 8.5, zorder=4, **look)
        _dot(names, world.direct, "direct", 6, zorder=6)
    else:
        axes.text(0.46, 0.5, "?", transform=axes.transAxes, fontsize=44, color=QUIET, ha="center", va="center")
    _name(names, "p*", world.truth, "truth", 200)
    if shown:
        _name(names, "direct", world.direct, "direct", 250)
        _name(names, "teacher", world.teacher, "teacher", 60)
        for text, place in world.named.items():
            _name(names, text, place, "distilled", 190)


def _dot(names: Labels, place: Place | None, role: str, size: float, **look: Any) -> None:
    """A model's dot, with its errors where it has some."""
    if place is None:
        return
    x, y, across, up = place.recall, place.precision, place.recall_error, place.precision_error
    if across or up:
        bars: dict[str, Any] = {"xerr": across, "yerr": up, "elinewidth": 1.3}
        names.axes.errorbar(x, y, fmt="none", ecolor=STYLE[role].colour, zorder=4, **bars)
        names.keep_off([x - across, x + across, x, x, x], [y, y, y, y - up, y + up])
    names.dot(x, y, role, size, **look)


def _name(names: Labels, text: str, place: Place | None, role: str, toward: float) -> None:
    if place is not None:
        names.add(text, (place.recall, place.precision), STYLE[role].ink, 9, toward=toward)


def _limits(world: World) -> tuple[tuple[float, float], tuple[float, float]]:
    """Limits (recall, precision) that hold everything, error bars too; the margin is wider below, where names stand."""
    places = [*world.path, *(one for one in (world.direct, world.teacher, world.truth) if one is not None)]
    found = []
    for what, bound in (("recall", world.recall_bound), ("precision", world.precision_bound)):
        values = [getattr(one, what) for one in places] + ([] if bound is None else [bound])
        low, high = (min(values), max(values)) if values else (0.0, 1.0)
        length = max(high - low, 0.05)
        bars = [getattr(one, what) + s * getattr(one, f"{what}_error") for one in places for s in (-1, 1)]
        below, above = [bar - 0.02 * length for bar in bars], [bar + 0.02 * length for bar in bars]
        found.append((min([low - 0.17 * length, *below]), max([high + 0.13 * length, *above])))
    return found[0], found[1]


def precision_recall(results: Results, per: str = "token") -> Picture:
    """The plane of a run: every model with its errors, per "token" or per "sequence"."""
    made = Picture(figsize=(6.6, 4.9), dpi=110, facecolor="white")
    config, world = results["config"], of_run(results, per)
    made.text(0.12, 0.94, "Students that learned from p*, or from a teacher at τ", fontsize=13, color=INK)
    sizes = f"p* {config['truth']}, teacher {config['teacher']}, students {config['student']}"
    made.text(0.12, 0.895, sizes, fontsize=9, color=QUIET)
    made.text(0.12, 0.855, world.note, fontsize=9, color=QUIET)
    named = {name if "τ" in name else f"τ = {name}": place for name, place in world.named.items()}
    draw_world(made.add_axes((0.12, 0.13, 0.84, 0.69)), replace(world, named=named, truth=None))
    told = [
        f"{one['name']}: precision {signed(value(one, 'precision', per))}, recall {signed(value(one, 'recall', per))}"
        for one in results["models"]
    ]
    made.words = f"Precision against recall, nats per {per}. {about(results)}. {'; '.join(told)}."
    return made


# Losses


def loss_curves(results: Results, seed: int = 0) -> Picture:
    """Training loss of every model of a seed, nats per token, and its loss on p*'s validation texts by epoch."""
    curves = results["curves"].get(str(seed), {})
    made = Picture(figsize=(8.6, 3.5), dpi=110, facecolor="white")
    left, right = made.add_axes((0.08, 0.16, 0.38, 0.68)), made.add_axes((0.58, 0.16, 0.33, 0.68))
    for axes, title in ((left, "on the texts that they learn from"), (right, "on texts of p*, after each epoch")):
        axes.set_title(title, fontsize=10, color=INK, loc="left")
        calm(axes, ticks=8)
    left.set_xlabel("steps", color=QUIET, fontsize=9)
    right.set_xlabel("epochs", color=QUIET, fontsize=9)
    left.set_ylabel("loss, nats per token", color=QUIET, fontsize=9)
    taus = sorted(one["tau"] for one in results["models"] if one["role"] == "distilled")
    for name, curve in curves.items():
        look = _look(name, results["config"]["taus"] if not taus else taus)
        left.plot(curve["steps"], curve["losses"], linewidth=1.6, **look)
        epochs = range(1, len(curve["validation"]) + 1)
        right.plot(epochs, curve["validation"], linewidth=1.6, marker=".", **look)
    right.xaxis.set_major_locator(MaxNLocator(integer=True))
    several = results["config"]["seeds"] > 1
    if several:
        made.text(0.08, 0.94, f"seed {seed} of {results['config']['seeds']}, counted from 0", fontsize=9, color=QUIET)
    if curves:
        left.legend(*left.get_legend_handles_labels(), fontsize=8, frameon=False, labelcolor=QUIET)
        _name_ends(made, right)
    made.words = (f"Seed {seed}. " if several else "") + _loss_words(curves)
    return made


def _name_ends(made: Picture, axes: Axes, apart: float = 9.5) -> None:
    """Write each line's name at its end; names of ends that lie close stand ``apart`` points, in the lines' order."""
    axes.autoscale_view()  # until then, transData is that of an empty picture
    lines = [(str(line.get_label()), np.asarray(line.get_xydata())) for line in axes.get_lines()]
    points, highest = 72 / made.dpi, dict[float, float]()
    for name, (x, y) in sorted(((name, line[-1]) for name, line in lines if len(line)), key=lambda end: end[1][1]):
        own = axes.transData.transform((x, y))[1] * points
        highest[x] = max(own, highest.get(x, -np.inf) + apart)
        offset = (6, highest[x] - own)
        axes.annotate(name, (x, y), offset, textcoords="offset points", va="center", fontsize=8, color=QUIET)


def _loss_words(curves: Mapping[str, Any]) -> str:
    ends = [f"{name} ends at {curve['losses'][-1]:.2f}" for name, curve in curves.items() if curve["losses"]]
    told = "Loss curves in nats per token. On the texts that they learn from, falling: " + ", ".join(ends) + "."
    lowest = [
        f"{name} {curve['validation'][-1]:.2f} (lowest {min(curve['validation']):.2f} after pass "
        f"{curve['validation'].index(min(curve['validation'])) + 1})"
        for name, curve in curves.items() if curve["validation"]
    ]  # fmt: skip
    return f"{told} On texts of p*, after the last pass: {', '.join(lowest)}." if lowest else told


def _look(name: str, taus: list[float]) -> dict[str, Any]:
    """Colour and line by role; the lower a distilled student's tau, the paler its line."""
    if not name.startswith("tau-"):
        return {"color": STYLE[name].colour, "linestyle": STYLE[name].line, "label": name}
    tau = float(name.removeprefix("tau-"))
    rank = sorted(taus).index(tau) if tau in taus else 0
    alpha = 0.4 + 0.6 * (rank + 1) / max(1, len(taus))
    return {"color": STYLE["distilled"].colour, "alpha": alpha, "label": f"τ = {tau:g}"}


def save(results: Results, folder: Path) -> list[Path]:
    """Write precision_recall.png and .svg into a folder; return where they are."""
    made, paths = precision_recall(results), [folder / f"precision_recall.{kind}" for kind in ("png", "svg")]
    with written_whole(paths[0]) as temporary:
        temporary.write_bytes(png(made))
    with written_whole(paths[1]) as temporary:
        made.savefig(temporary, format="svg", metadata={"Date": None})
    return paths
