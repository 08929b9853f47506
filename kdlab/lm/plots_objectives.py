"""Objectives side by side, from a run's results: where each leaves its student, and what it took."""

from __future__ import annotations

from dataclasses import replace

from kdlab.core.format import signed
from kdlab.lm.plots import draw_world, of_run
from kdlab.lm.report.changes import Results, models, shown, value
from kdlab.pictures.figure import INK, QUIET, STYLE, Picture, our_settings
from kdlab.pictures.plane import calm

__all__ = ["objectives"]


def _named(name: str) -> str:
    """A student's name in the picture: the one of the teacher's own texts is "sequence"."""
    name = f"tau {name}" if name[0].isdigit() else shown(name)
    return "sequence" if name == "tau 1" else name


@our_settings()
def objectives(results: Results, per: str = "token") -> Picture:
    """The plane of a run's students, and the operations that each of them took. ValueError where none were counted."""
    students = [one for one in models(results) if "flops" in one]
    if not students:
        raise ValueError(
            "this run did not count operations: give `kdlab run --preset objectives`, or a run made by this version"
        )
    made, world = Picture(10.4, 4.6), of_run(results, per)
    names = {_named(name.removeprefix("τ = ")): one for name, one in world.models.items()}
    _, ceiling = names.pop("p*", ("truth", None))
    near = replace(world, models=names, path=(), recall_bound=None)  # p* is far off: the others would be one heap
    draw_world(made.add_axes((0.075, 0.14, 0.5, 0.72)), near)
    made.text(0.075, 0.93, "Where each objective leaves its student", fontsize=12, color=INK)
    if ceiling is not None:
        far = f"p* itself: {signed(ceiling.precision)} and {signed(ceiling.recall)}, beyond the upper right corner"
        made.text(0.075, 0.885, far, fontsize=9, color=QUIET)
    axes = calm(made.add_axes((0.73, 0.14, 0.24, 0.72)))
    order = sorted(students, key=lambda one: -float(one["flops"]))
    for i, one in enumerate(order):
        look = STYLE[one["role"]]
        axes.plot([0, one["flops"] / 1e12], [i, i], color=look.colour, linewidth=1.6, solid_capstyle="butt")
        axes.plot([one["flops"] / 1e12], [i], marker=look.marker or "o", markersize=7.5, color=look.colour)
    axes.set(yticks=range(len(order)), ylim=(-0.6, len(order) - 0.4), xlabel="operations, millions of millions")
    axes.set_yticklabels([_named(one["name"]) for one in order])
    axes.set_xlim(0, 1.12 * max(one["flops"] for one in order) / 1e12)
    made.text(0.73, 0.93, "and what it took", fontsize=12, color=INK)
    made.text(0.73, 0.885, "training, and the teacher's part in it", fontsize=9, color=QUIET)
    told = [
        f"{_named(one['name'])}: precision {signed(value(one, 'precision', per))}, recall "
        f"{signed(value(one, 'recall', per))}, {one['flops']:.1e} operations"
        for one in students
    ]
    made.words = f"Students of a run, nats per {per}: {'; '.join(told)}."
    return made
