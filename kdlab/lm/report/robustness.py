"""When training stopped, and what of a run's trade-off depends on it: read from its losses on validation texts.

A student that goes on learning its own corpus can lose recall for that reason alone. Every sentence is made from
results.json, so that it holds for any run. No torch, no drawing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kdlab.core.format import plus, signed

__all__ = [
    "KEPT",
    "Validated",
    "kept",
    "kept_table",
    "lower_at_equal_recall",
    "passed_best",
    "stopping_sentences",
    "stopping_table",
    "validated",
]

Results = Mapping[str, Any]
KEPT = {"best": "each model's best weights on validation texts", "last": "the last weights"}


@dataclass(frozen=True)
class Validated:
    """A student's recall on p*'s validation texts, nats per token; means over ``seeds``, of each seed's own best."""

    name: str
    tau: float | None
    by_epoch: tuple[float, ...]
    best_epochs: tuple[int, ...]
    best: float

    @property
    def last(self) -> float:
        """After the last pass."""
        return self.by_epoch[-1]

    @property
    def label(self) -> str:
        """As in the tables."""
        return "direct" if self.tau is None else f"tau {self.tau:g}"


def kept(results: Results) -> str:
    """Which weights of a run were scored, "best" or "last"; runs from before there was a choice kept the last."""
    return str(results["config"].get("keep", "last"))


def validated(results: Results) -> list[Validated]:
    """The students, direct first and then the warmest; over the seeds whose losses are there for all of them.

    Empty where there are none: losses are recorded while a model trains, and older results may lack them.
    """
    found = [one for one in results["models"] if one["role"] != "teacher"]
    found.sort(key=lambda one: -1e9 if one["tau"] is None else -float(one["tau"]))
    curves = results["curves"]
    seeds = [seed for seed in sorted(curves) if all(_losses(curves[seed], one["name"]) for one in found)]
    return [_over([_losses(curves[seed], one["name"]) for seed in seeds], one) for one in found] if seeds else []


def _losses(curves: Mapping[str, Any], name: str) -> list[float]:
    return list(curves.get(name, {}).get("validation", []))


def _over(losses: Sequence[Sequence[float]], model: Mapping[str, Any]) -> Validated:
    recall = -np.asarray(losses, float)  # (seeds, epochs)
    epochs = tuple(sorted({int(epoch) + 1 for epoch in recall.argmax(axis=1)}))
    by_epoch = tuple(map(float, recall.mean(axis=0)))
    return Validated(model["name"], model["tau"], by_epoch, epochs, float(recall.max(axis=1).mean()))


def passed_best(results: Results) -> list[Validated]:
    """The students whose last weights were not their best ones on validation texts: which are kept matters."""
    return [one for one in validated(results) if one.best > one.last]


def stopping_table(results: Results) -> str:
    """A line for each student: its recall on validation texts after the best pass and after the last."""
    lines = [f"{'nats per token':<16}{'best':>8}{'after pass':>13}{'last':>9}{'last − best':>14}"]
    for one in validated(results):
        epochs = ", ".join(map(str, one.best_epochs))
        apart = signed(one.last - one.best)
        lines.append(f"{one.label:<16}{signed(one.best):>8}{epochs:>13}{signed(one.last):>9}{apart:>14}")
    return "\n".join(lines)


def stopping_sentences(results: Results, errors: Sequence[float] = ()) -> list[str]:
    """How much of the change in recall along tau <= 1 is there at each student's best pass, and what came after.

    ``errors``: of the steps of recall with the weights that were scored, nats per token; a step with the others that is
    not larger than two of its error is said to be inside it. Losses on validation texts have no errors of their own.
    """
    path = [one for one in validated(results) if one.tau is not None and one.tau <= 1.0]
    if len(path) < 2:
        return ["There are no validation losses of two students at or below τ = 1: nothing to say yet."]
    warm, cold = path[0], path[-1]
    last, best = cold.last - warm.last, cold.best - warm.best
    said = [
        f"The numbers above are of {KEPT[kept(results)]}.",
        f"From τ = {warm.tau:g} to {cold.tau:g}, recall on validation texts changes by {signed(last)} with the last "
        f"weights, and by {signed(best)} with each student's best ones.",
    ]
    late = [one for one in path if one.best > one.last]
    if not late:
        return [
            *said,
            "All of them were best after the last pass: more passes might have raised recall further.",
            *_lead(results),
            _noise(results),
        ]
    elif last < best < 0:
        less = f", less what τ = {warm.tau:g} lost" if warm in late else ""
        said.append(
            f"So {100 * best / last:.0f} % of the fall with the last weights is there at the best passes. The rest is "
            f"what τ = {cold.tau:g} lost after its best pass{less}."
        )
    said.append(f"Trained on past their best: τ = {_listed(late)}.")
    not_yet = [one.label for one in validated(results) if one.best == one.last]
    said += [f"Best after the last pass, so perhaps not at their best yet: {', '.join(not_yet)}."] if not_yet else []
    return [*said, *_other_steps(path, kept(results), errors), _highest(path), *_lead(results), _noise(results)]


def _lead(results: Results) -> list[str]:
    """By how much the direct student's recall is above that of tau = 1, pass by pass."""
    found = {one.tau: one.by_epoch for one in validated(results)}
    if None not in found or 1.0 not in found:
        return []
    lead = [plus(direct - one) for direct, one in zip(found[None], found[1.0], strict=False)]
    return [f"Direct minus τ = 1 in these recalls, after pass 1, 2, …: {', '.join(lead)}."]


def _noise(results: Results) -> str:
    n = results["config"]["validation_sequences"]
    return f"Losses on these {n:,} texts have errors too, which were not recorded: a few hundredths may be chance."


def _other_steps(path: Sequence[Validated], scored: str, errors: Sequence[float]) -> list[str]:
    """The steps of recall with the weights that were not scored."""
    other, recalls = ("last", [one.last for one in path]) if scored == "best" else ("best", [one.best for one in path])
    changes = [b - a for a, b in zip(recalls, recalls[1:], strict=False)]
    said = [f"Step by step, with the {other} weights: {', '.join(map(plus, changes))}."]
    if len(errors) != len(changes):
        return said
    pairs = zip(path, path[1:], changes, errors, strict=False)
    inside = [f"τ = {a.tau:g} to {b.tau:g}" for a, b, value, error in pairs if abs(value) <= 2 * error]
    if inside:
        said.append(f"Not larger than two of the errors above: {'; '.join(inside)}.")
    return said


def _highest(path: Sequence[Validated]) -> str:
    """Which tau at or below 1 has the highest recall after each pass."""
    passes = min(len(one.by_epoch) for one in path)
    best = [max(path, key=lambda one: one.by_epoch[i]).tau for i in range(passes)]
    if len(set(best)) == 1:
        return f"From τ = 1 down, the highest of these recalls after every pass: that of τ = {best[0]:g}."
    after = ", ".join(f"{tau:g}" for tau in best)
    return f"From τ = 1 down, the highest of these recalls after pass 1, 2, …: that of τ = {after}."


def kept_table(best: Results, last: Results) -> str:
    """A line for each student of one run made twice, with its best weights kept and with its last: nats per token.

    Raises ValueError where the two runs differ in anything else.
    """
    settings = [{**one["config"], "keep": "", "threads": 0} for one in (best, last)]
    if settings[0] != settings[1] or (kept(best), kept(last)) != ("best", "last"):
        raise ValueError("these are not one run made twice: give a run with keep=best, and the same one with keep=last")
    lines = [f"{'nats per token':<16}{'precision: best':>17}{'last':>8}{'recall: best':>18}{'last':>8}"]
    for one in validated(best):
        row = [f"{one.label:<16}"]
        for what, width in (("precision", 17), ("recall", 18)):
            both = [
                next(m for m in run["models"] if m["name"] == one.name)[what]["token"]["value"] for run in (best, last)
            ]
            row.append(f"{signed(both[0]):>{width}}{signed(both[1]):>8}")
        lines.append("".join(row))
    return "\n".join(lines)


def lower_at_equal_recall(one: Results, other: Results) -> bool:
    """Whether ``one`` run's path has less precision than the ``other``'s at the recall of each of their students.

    Paths go from tau = 1 down, in straight lines from student to student; only recalls that both paths have count.
    """
    paths = []
    for run in (one, other):
        models = [next(m for m in run["models"] if m["name"] == v.name) for v in validated(run) if v.tau and v.tau <= 1]
        dots = sorted((m["recall"]["token"]["value"], m["precision"]["token"]["value"]) for m in models)
        paths.append(np.array(dots).T)
    (x, y), (other_x, other_y) = paths
    both = np.concatenate([x, other_x])
    both = both[(both >= max(x[0], other_x[0])) & (both < min(x[-1], other_x[-1]))]  # their warm ends may be one
    return bool(len(both)) and bool(np.all(np.interp(both, x, y) < np.interp(both, other_x, other_y)))


def _listed(some: Sequence[Validated]) -> str:
    return ", ".join(f"{one.tau:g}" for one in some)
