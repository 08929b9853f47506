"""Static pictures that set a run beside the other worlds (notebook 07): three planes, and a map of its texts."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from kdlab.core.format import signed
from kdlab.core.metrics import precision, recall
from kdlab.core.sweep import PlaneSweep
from kdlab.lm.plots import Place, World, draw_world, of_run
from kdlab.lm.report.changes import Results, models, shown
from kdlab.lm.report.tradeoff import spread
from kdlab.pictures.figure import INK, QUIET, STYLE, Picture, our_settings

__all__ = ["embedding_map", "of_mixture", "of_names", "three_worlds"]


# Worlds


def of_mixture(sweep: Any, highest: float = 20.0) -> World:
    """The world of notebook 02: a sweep of beta (mixtures.teacher_entropy), shown up to ``highest``. Exact."""
    shown = [i for i, beta in enumerate(sweep.betas) if beta <= highest * 1.001]
    words = ("Gaussian mixtures (02)", "nats per point", f"β from 1 to {highest:g}; exact")
    return _of_sweep(sweep, shown, sweep.scene, words, ("β = 1", f"{highest:g}"))


def of_names(sweep: Any) -> World:
    """The world of notebook 04: a sweep of tau (ngrams.teacher_temperature), shown from 1 down. Exact."""
    shown = [i for i, tau in enumerate(sweep.taus) if tau <= 1.001][::-1]
    coldest = f"{sweep.taus[shown[-1]]:g}"
    words = ("First names, by letters (04)", "nats per name", f"τ from 1 to {coldest}; exact")
    return _of_sweep(sweep, shown, sweep, words, ("τ = 1", coldest))


def _of_sweep(
    sweep: PlaneSweep, shown: Sequence[int], owner: Any, words: tuple[str, str, str], ends: tuple[str, str]
) -> World:
    """The world of a sweep's positions ``shown``, its ends named; ``owner`` has the truth and the teacher."""
    path = tuple(Place(float(sweep.recall[i]), float(sweep.precision[i])) for i in shown)
    taught = recall(owner.teacher, owner.truth).value, precision(owner.teacher, owner.truth).value
    drawn = {
        "p*": ("truth", Place(sweep.recall_bound, sweep.recall_bound)),
        ends[0]: ("distilled", path[0]),
        ends[1]: ("distilled", path[-1]),
        "direct": ("direct", Place(sweep.direct_recall, sweep.direct_precision)),
        "teacher": ("teacher", Place(*taught)),
    }
    return World(*words, path, drawn, sweep.recall_bound, sweep.precision_bound)


# Planes


@our_settings()
def three_worlds(mixture: PlaneSweep, names: PlaneSweep, results: Results, *, path: bool = True) -> Picture:
    """The trade-off in three worlds: one plane each, in the nats of that world.

    ``path=False`` leaves out the run's students, which would answer a question that is still open.
    """
    worlds = [of_mixture(mixture), of_names(names), of_run(results)]
    return _planes(worlds, "One trade-off, three worlds", hidden=() if path else (2,))


def _planes(worlds: Sequence[World], title: str, hidden: Sequence[int] = ()) -> Picture:
    width, high, top = 3.35, 3.3, 1.02  # inches of a panel and of what stands above
    made = Picture(len(worlds) * width, high + top + 0.1)
    made.write(0.12, 0.34, title, 14, INK)
    for n, world in enumerate(worlds):
        left = n * width
        made.write(left + 0.12, 0.68, world.title, 11, INK)
        made.write(left + 0.12, 0.88, world.note, 8, QUIET)
        axes = made.panel(left + 0.66, top - 0.05, width - 0.86, high - 0.4)
        draw_world(axes, world, shown=n not in hidden)
    told = [_words(world, n not in hidden) for n, world in enumerate(worlds)]
    made.words = " ".join([f"{title}: precision against recall.", *told])
    return made


def _words(world: World, shown: bool) -> str:
    if not shown:
        return f"{world.title}: not shown yet."
    told = [
        f"{name}: {signed(place.precision)}, {signed(place.recall)}"
        for role in ("distilled", "truncated", "direct", "teacher")
        for name, (own, place) in world.models.items() if own == role
    ]  # fmt: skip
    return f"{world.title}, precision and recall in {world.unit}: {'; '.join(told)}."


# The map of samples


@our_settings()
def embedding_map(results: Results) -> Picture:
    """Where each model's texts lie among p*'s: small multiples, warm to cold, all in the same plane.

    Each text is p*'s mean last hidden state of it, projected to the two directions in which p*'s own texts vary most.
    Raises ValueError where the results have no map yet.
    """
    points = results["map"]
    panels = [one for one in models(results) if one["name"] in points]
    if not panels:
        raise ValueError("These results have no map of samples yet: let the run go on until seed 0 is scored.")
    columns = min(len(panels), 3 if len(panels) in (5, 6) else 4)
    rows, side, gap, top = math.ceil(len(panels) / columns), 2.2, 0.5, 0.72  # inches
    width = max(columns * (side + 0.1) + 0.1, 5.2)  # room for the title
    made = Picture(width, rows * (side + gap) + top)
    made.write(0.1, 0.32, "What each model wrote, on a map of p*'s texts", 13, INK)
    made.write(0.1, 0.54, f"every dot is one of {len(points['truth'])} texts; grey: p*'s own", 8, QUIET)
    limits = _square(np.concatenate([points["truth"], *(points[one["name"]] for one in panels)]))
    told = []
    for n, one in enumerate(panels):
        left, down = 0.1 + (n % columns) * (side + 0.1), top + (n // columns) * (side + gap)
        _draw_cloud(made.panel(left, down, side, side), points["truth"], points[one["name"]], one["role"], limits)
        named = shown(one["name"]).replace("tau ", "τ = ")
        titles = {"direct": "direct student", "distilled": f"distilled, {named}", "truncated": f"distilled, {named}"}
        title = titles.get(one["role"], one["role"])
        wide, middle = spread(results, one["name"]), left + side / 2
        made.write(middle, down + side + 0.17, title, 9, STYLE[one["role"]].ink, ha="center")
        made.write(middle, down + side + 0.33, f"{wide.value:.2f} times as wide as p*'s", 8, QUIET, ha="center")
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
    look: dict[str, Any] = {"marker": STYLE[role].marker or "D", "color": STYLE[role].colour, "linewidths": 0}
    axes.scatter(own_x, own_y, s=9, alpha=0.6, **look)


def _square(points: Any) -> tuple[tuple[float, float], ...]:
    """Limits of equal length that hold all points."""
    low, high = points.min(axis=0), points.max(axis=0)
    centre, half = (low + high) / 2, float((high - low).max()) / 2 * 1.05
    return tuple((float(middle - half), float(middle + half)) for middle in centre)
