"""Static pictures of a run with language models, from its results: the precision-recall plane and the loss curves.

The plane is drawn from a `World`, a few numbers, so that `kdlab.lm.plots_worlds` can set other worlds beside a run.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from kdlab.core.files import written_whole
from kdlab.core.format import signed
from kdlab.lm.report import measured
from kdlab.lm.report.changes import Results, larger_error, models, shown, truncated, value
from kdlab.lm.report.summary import about
from kdlab.pictures.figure import INK, QUIET, STYLE, Picture, our_settings, png
from kdlab.pictures.limits import Limits
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
    """What one plane shows: ``models`` with their names and roles, and the ``path`` of students along the knob.

    Bounds are None where they are not known.
    """

    title: str
    unit: str
    note: str
    path: tuple[Place, ...]
    models: Mapping[str, tuple[str, Place]]
    recall_bound: float | None = None
    precision_bound: float | None = None


def of_run(results: Results, per: str = "token") -> World:
    """The world of a run, per "token" or per "sequence": estimates with their standard errors."""
    found, ceiling = dict[str, tuple[str, Place]](), results["truth"].get("negative_entropy")
    bound = float(ceiling[per]["value"]) if ceiling else None
    if bound is not None:
        found["p*"] = "truth", Place(bound, bound)  # p*'s own recall is its own precision too
    is_measured = results.get("kind") == "measure"
    for one in results["models"] if is_measured else models(results):
        name = shown(one["name"]).removeprefix("tau ")
        if is_measured:
            found[one["name"]] = one["role"], _place(one, per)
            continue
        warmest = not any(role == "distilled" for role, _ in found.values())
        found[f"τ = {name}" if one["role"] == "distilled" and warmest else name] = one["role"], _place(one, per)
    over = ", over texts or trainings" if len(results["seeds"]) > 1 else " over sequences (one seed)"
    over = " over texts" if is_measured else over
    return World(
        title="Language models (this run)",
        unit=f"nats per {per}",
        note=f"bars: ± 1 standard error{over}",
        path=() if is_measured else tuple(place for role, place in found.values() if role == "distilled"),
        models=found,
        recall_bound=bound,
    )


def _place(model: Mapping[str, Any], per: str) -> Place:
    errors = (larger_error(model[what][per]) for what in ("recall", "precision"))
    return Place(value(model, "recall", per), value(model, "precision", per), *errors)


# How dots look, the lowest first: the teacher is seen around others. Then where their names stand, in degrees.
_LOOK: dict[str, dict[str, Any]] = {
    "truth": {"size": 6, "color": "white", "markeredgecolor": STYLE["truth"].colour, "markeredgewidth": 1.4},
    "distilled": {"size": 7},
    "truncated": {"size": 7.5},
    "objective": {"size": 7.5},
    "teacher": {"size": 8.5, "marker": "D", "color": "white", "markeredgecolor": STYLE["teacher"].colour,
                "markeredgewidth": 1.8, "zorder": 4},
    "direct": {"size": 6, "zorder": 6},
}  # fmt: skip
_TOWARD = {"truth": 200, "direct": 250, "teacher": 60, "distilled": 190, "truncated": 20, "objective": 20}


def draw_world(axes: Axes, world: World, *, shown: bool = True) -> None:
    """Draw a world into ``axes``; ``shown=False``: a question mark in place of all models but p*."""
    frame(axes, *_limits(world), unit=world.unit, ticks=8)
    draw_bounds(axes, world.recall_bound, world.precision_bound, name_at=0.02)
    names, at = Labels(axes), ([one.recall for one in world.path], [one.precision for one in world.path])
    if not shown:
        axes.text(0.46, 0.5, "?", transform=axes.transAxes, fontsize=44, color=QUIET, ha="center", va="center")
    elif world.path:
        axes.plot(*at, color=STYLE["distilled"].colour, linewidth=2.0, zorder=2)
        names.keep_off(*at)
    drawn = [(name, role, place) for name, (role, place) in world.models.items() if shown or role == "truth"]
    for _, role, place in sorted(drawn, key=lambda one: list(_LOOK).index(one[1])):
        _draw_dot(names, role, place)
    for name, role, place in sorted(drawn, key=lambda one: list(_TOWARD).index(one[1])):
        names.add(name, (place.recall, place.precision), STYLE[role].ink, 9, toward=_TOWARD[role])


def _draw_dot(names: Labels, role: str, place: Place) -> None:
    """A model's dot, with its errors where it has some."""
    x, y, across, up = place.recall, place.precision, place.recall_error, place.precision_error
    if across or up:
        bars: dict[str, Any] = {"xerr": across, "yerr": up, "elinewidth": 1.3}
        names.axes.errorbar(x, y, fmt="none", ecolor=STYLE[role].colour, zorder=4, **bars)
        names.keep_off([x - across, x + across, x, x, x], [y, y, y, y - up, y + up])
    names.dot(x, y, role, **_LOOK[role])


def _limits(world: World) -> tuple[Limits, Limits]:
    """Limits (recall, precision) that hold everything, error bars too; the margin is wider below, where names stand."""
    places, found = [*world.path, *(place for _, place in world.models.values())], []
    for what, bound in (("recall", world.recall_bound), ("precision", world.precision_bound)):
        values = [getattr(one, what) for one in places] + ([] if bound is None else [bound])
        low, high = (min(values), max(values)) if values else (0.0, 1.0)
        length = max(high - low, 0.05)
        reach = [getattr(one, f"{what}_error") + 0.02 * length for one in places]
        below, above = ([v + s * r for v, r in zip(values, reach, strict=False)] for s in (-1, 1))
        found.append((min([low - 0.17 * length, *below]), max([high + 0.13 * length, *above])))
    return found[0], found[1]


@our_settings()
def precision_recall(results: Results, per: str = "token") -> Picture:
    """The plane of a run: every model with its errors, per "token" or per "sequence"."""
    made = Picture(6.6, 4.9)
    config, world = results["config"], of_run(results, per)
    measure = results.get("kind") == "measure"
    title = "Models beside p*" if measure else "Students that learned from p*, or from a teacher at τ"
    sizes = "" if measure else f", teacher {config['teacher']}, students {config['student']}"
    made.text(0.12, 0.94, title, fontsize=13, color=INK)
    made.text(
        0.12,
        0.895,
        f"p* {measured.truth_named(results) if measure else config['truth']}{sizes}",
        fontsize=9,
        color=QUIET,
    )
    note = f"{world.note}; ▲: τ = 1, likeliest tokens only" if truncated(results) else world.note
    made.text(0.12, 0.855, note, fontsize=9, color=QUIET)
    named = {
        f"τ = {name}" if name[0].isdigit() else name: one
        for name, one in world.models.items()
        if measure or name != "p*"
    }
    draw_world(made.add_axes((0.12, 0.13, 0.84, 0.69)), replace(world, models=named))
    told = [
        f"{one['name']}: precision {signed(value(one, 'precision', per))}, recall {signed(value(one, 'recall', per))}"
        for one in results["models"]
    ]
    what = measured.about(results) if measure else about(results)
    made.words = f"Precision against recall, nats per {per}. {what}. {'; '.join(told)}."
    return made


# Losses


@our_settings()
def loss_curves(results: Results, seed: int = 0) -> Picture:
    """Training loss of every model of a seed, nats per token, and its loss on p*'s validation texts by epoch."""
    curves = results["curves"].get(str(seed), {})
    made = Picture(8.6, 3.5)
    left, right = made.add_axes((0.08, 0.16, 0.38, 0.68)), made.add_axes((0.58, 0.16, 0.33, 0.68))
    for axes, title in ((left, "on the texts that they learn from"), (right, "on texts of p*, after each epoch")):
        axes.set_title(title, fontsize=10, color=INK, loc="left")
        calm(axes, ticks=8)
    left.set(xlabel="steps", ylabel="loss, nats per token")
    right.set(xlabel="epochs")
    taus = sorted(one["tau"] for one in results["models"] if one["role"] == "distilled") or results["config"]["taus"]
    for name, curve in curves.items():
        look, epochs = _look(name, taus), range(1, len(curve["validation"]) + 1)
        left.plot(curve["steps"], curve["losses"], linewidth=1.6, **look)
        right.plot(epochs, curve["validation"], linewidth=1.6, marker=".", **look)
    passes = max([len(curve["validation"]) for curve in curves.values()], default=1)
    right.set_xlim(0.8, max(passes, 1) + 0.2)
    right.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    right.margins(y=0.1)
    if (n := results["config"]["seeds"]) > 1:
        made.text(0.08, 0.94, f"seed {seed} of {n}, counted from 0", fontsize=9, color=QUIET)
    if curves:
        left.legend(*left.get_legend_handles_labels(), ncols=2, fontsize=8, frameon=False, labelcolor=QUIET)
        _name_ends(made, right)
    made.words = (f"Seed {seed}. " if n > 1 else "") + _loss_words(curves)
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
    lowest = [f"{name} {_last_and_lowest(found)}" for name, one in curves.items() if (found := one["validation"])]
    return f"{told} On texts of p*, after the last pass: {', '.join(lowest)}." if lowest else told


def _last_and_lowest(losses: list[float]) -> str:
    best = losses.index(min(losses)) + 1
    return f"{losses[-1]:.2f}" + (f" (lowest {min(losses):.2f} after pass {best})" if len(losses) > 1 else "")


def _look(name: str, taus: list[float]) -> dict[str, Any]:
    """Colour and line by role; the lower a distilled student's tau, the paler its line."""
    if not name.startswith("tau-"):
        role = STYLE["truncated" if name.startswith("top-") else name]
        alpha = 0.6 if name.startswith("top-p") else 1.0
        return {"color": role.colour, "linestyle": role.line, "alpha": alpha, "label": shown(name)}
    tau = float(name.removeprefix("tau-"))
    rank = sorted(taus).index(tau) if tau in taus else 0
    alpha = 0.4 + 0.6 * (rank + 1) / max(1, len(taus))
    return {"color": STYLE["distilled"].colour, "alpha": alpha, "label": f"τ = {tau:g}"}


def save(results: Results, folder: Path) -> list[Path]:
    """Write precision_recall.png and .svg into a folder; return where they are."""
    per = measured.unit(results) if results.get("kind") == "measure" else "token"
    made, paths = precision_recall(results, per), [folder / f"precision_recall.{kind}" for kind in ("png", "svg")]
    with written_whole(paths[0]) as temporary:
        temporary.write_bytes(png(made))
    with written_whole(paths[1]) as temporary:
        made.savefig(temporary, format="svg", metadata={"Date": None})
    return paths
