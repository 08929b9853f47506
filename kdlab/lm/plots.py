"""Static pictures of a run with language models, from its results: no torch, no pyplot.

Colours and marks are those of the mixtures: the path of distilled students over tau, the direct student a square, the
teacher, and the ceiling of recall.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from kdlab.core.files import written_whole
from kdlab.core.format import signed
from kdlab.lm.report.changes import larger_error
from kdlab.lm.report.summary import about
from kdlab.pictures.figure import INK, QUIET, STYLE, Picture, png
from kdlab.pictures.plane import calm

__all__ = ["draw_precision_recall", "loss_curves", "precision_recall", "save"]


def precision_recall(results: Mapping[str, Any], per: str = "token") -> Picture:
    """The plane of a run: every model with its errors, per "token" or per "sequence"."""
    made = Picture(figsize=(6.6, 4.9), dpi=110, facecolor="white")
    draw_precision_recall(made.add_axes((0.12, 0.13, 0.84, 0.69)), results, per)
    config, several = results["config"], len(results["seeds"]) > 1
    made.text(0.12, 0.94, "Students that learned from p*, or from a teacher at τ", fontsize=13, color=INK)
    bars = "bars: one standard error" + (", the larger of two" if several else " over sequences (one seed)")
    sizes = f"p* {config['truth']}, teacher {config['teacher']}, students {config['student']}"
    made.text(0.12, 0.895, sizes, fontsize=9, color=QUIET)
    made.text(0.12, 0.855, bars, fontsize=9, color=QUIET)
    made.words = _words(results, per)
    return made


def draw_precision_recall(axes: Axes, results: Mapping[str, Any], per: str = "token") -> None:
    """Draw the plane into ``axes``: path over tau, direct, teacher, and the ceiling of recall."""
    axes.set(xlabel=f"recall, nats per {per}", ylabel=f"precision, nats per {per}")
    calm(axes)
    axes.margins(0.13)
    models = results["models"]
    path = sorted((one for one in models if one["role"] == "distilled"), key=lambda one: -one["tau"])
    if path:
        at = [_at(one, per) for one in path]
        axes.plot(*zip(*at, strict=True), color=STYLE["distilled"].colour, linewidth=2.0, zorder=2)
    for one in models:
        _draw_model(axes, one, per)
    ceiling = results["truth"].get("negative_entropy")
    if ceiling:
        value = ceiling[per]["value"]
        axes.axvline(value, color=STYLE["bounds"].colour, linewidth=0.8, zorder=1)
        axes.annotate(
            "recall ≤ −H(p*)",
            (value, 0.03),
            (-3, 0),
            xycoords=axes.get_xaxis_transform(),
            textcoords="offset points",
            rotation=90,
            ha="right",
            va="bottom",
            fontsize=8,
            color=QUIET,
        )


def _draw_model(axes: Axes, one: Mapping[str, Any], per: str) -> None:
    role, (x, y) = STYLE[one["role"]], _at(one, per)
    marker, size = {"distilled": ("o", 8.0), "direct": ("s", 8.5), "teacher": ("D", 7.0)}[one["role"]]
    axes.errorbar(
        x, y, xerr=larger_error(one["recall"][per]), yerr=larger_error(one["precision"][per]), color=role.colour,
        fmt=marker, markersize=size, markeredgecolor="white", elinewidth=1.3, capsize=0, zorder=4,
    )  # fmt: skip
    name = f"τ = {one['tau']:g}" if one["role"] == "distilled" else one["name"]
    # Names of distilled students stand below the path, the others above: there is better on both axes.
    offset, place = ((-8, -8), ("right", "top")) if one["role"] == "distilled" else ((7, 7), ("left", "bottom"))
    axes.annotate(
        name, (x, y), offset, textcoords="offset points", ha=place[0], va=place[1], fontsize=9,
        color=role.ink,
    )  # fmt: skip


def _at(one: Mapping[str, Any], per: str) -> tuple[float, float]:
    return one["recall"][per]["value"], one["precision"][per]["value"]


def _words(results: Mapping[str, Any], per: str) -> str:
    """What the picture says, for those who do not see it."""
    told = []
    for one in results["models"]:
        x, y = _at(one, per)
        told.append(f"{one['name']}: precision {signed(y)}, recall {signed(x)}")
    return f"Precision against recall, nats per {per}. {about(results)}. " + "; ".join(told) + "."


def loss_curves(results: Mapping[str, Any], seed: int = 0) -> Picture:
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


def save(results: Mapping[str, Any], folder: Path) -> list[Path]:
    """Write precision_recall.png and .svg into a folder; return where they are."""
    made, paths = precision_recall(results), [folder / f"precision_recall.{kind}" for kind in ("png", "svg")]
    with written_whole(paths[0]) as temporary:
        temporary.write_bytes(png(made))
    with written_whole(paths[1]) as temporary:
        made.savefig(temporary, format="svg", metadata={"Date": None})
    return paths
