"""How much of a run's trade-off hangs on when training stopped, and on which training it was.

A student that goes on learning its own corpus can lose recall for that reason alone: the losses on validation texts
tell. And two runs with equal settings and seeds are one run where both machines round alike; where they do not, the
second is another training, from the first sum that comes out otherwise.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kdlab.core.format import plus, signed
from kdlab.lm.report.changes import KEPT, SEEN, Results, aligned, kept, listed, model_of, models, shown, students, value

# When training stopped


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


def validated(results: Results) -> list[Validated]:
    """The direct student and those of each tau, the warmest first; over the seeds that have the losses of all of them.

    Empty where there are none: losses are recorded while a model trains, and older results may lack them.
    """
    found = [one for one in models(results) if one["role"] in ("direct", "distilled")]
    losses = {one["name"]: _losses(results, one["name"]) for one in found}
    whole = [i for i in range(len(results["curves"])) if all(of[i] for of in losses.values())]
    return [_over([losses[one["name"]][i] for i in whole], one) for one in found] if whole else []


def _losses(results: Results, name: str) -> list[list[float]]:
    """A model's losses on validation texts, seed by seed; none where they are not there."""
    return [curves.get(name, {}).get("validation", []) for _, curves in sorted(results["curves"].items())]


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
    rows = [("nats per token", "best", "after pass", "last", "last − best")]
    for one in validated(results):
        epochs, apart = ", ".join(map(str, one.best_epochs)), signed(one.last - one.best)
        rows.append((shown(one.name), signed(one.best), epochs, signed(one.last), apart))
    return aligned((16, 8, 13, 9, 14), rows)


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
        said.append("All of them were best after the last pass: more passes might have raised recall further.")
        return [*said, *_lead(results), _noise(results)]
    if last < best < 0:
        less = f", less what τ = {warm.tau:g} lost" if warm in late else ""
        said.append(
            f"So {100 * best / last:.0f} % of the fall with the last weights is there at the best passes. The rest is "
            f"what τ = {cold.tau:g} lost after its best pass{less}."
        )
    said.append(f"Trained on past their best: τ = {listed(one.tau or 0.0 for one in late)}.")
    not_yet = [shown(one.name) for one in validated(results) if one.best == one.last]
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
    found = zip(path, path[1:], changes, errors, strict=False)
    inside = [f"τ = {a.tau:g} to {b.tau:g}" for a, b, apart, error in found if abs(apart) <= SEEN * error]
    return [*said, f"Not larger than two of the errors above: {'; '.join(inside)}."] if inside else said


def _highest(path: Sequence[Validated]) -> str:
    """Which tau at or below 1 has the highest recall after each pass."""
    passes = min(len(one.by_epoch) for one in path)
    best = [max(path, key=lambda one: one.by_epoch[i]).tau or 0.0 for i in range(passes)]
    if len(set(best)) == 1:
        return f"From τ = 1 down, the highest of these recalls after every pass: that of τ = {best[0]:g}."
    return f"From τ = 1 down, the highest of these recalls after pass 1, 2, …: that of τ = {listed(best)}."


# One run made twice, with other weights kept


def kept_table(best: Results, last: Results) -> str:
    """A line for each student of one run made twice, with its best weights kept and with its last: nats per token.

    Raises ValueError where the two runs differ in anything else.
    """
    if _other_settings(best, last, "keep") or (kept(best), kept(last)) != ("best", "last"):
        raise ValueError("these are not one run made twice: give a run with keep=best, and the same one with keep=last")
    rows: list[tuple[str, ...]] = [("nats per token", "precision: best", "last", "recall: best", "last")]
    for name, pair in _pairs(best, last).items():
        if name != "teacher":
            rows.append((shown(name), *(signed(value(m, what)) for what in ("precision", "recall") for m in pair)))
    return aligned((16, 17, 8, 18, 8), rows)


def lower_at_equal_recall(one: Results, other: Results) -> bool:
    """Whether ``one`` run's path has less precision than the ``other``'s at the recall of each of their students.

    Paths go from tau = 1 down, in straight lines from student to student; only recalls that both paths have count.
    """
    (x, y), (other_x, other_y) = (
        np.array(sorted((value(m, "recall"), value(m, "precision")) for m in students(run, highest=1.0))).T
        for run in (one, other)
    )
    common = np.concatenate([x, other_x])
    common = common[(common >= max(x[0], other_x[0])) & (common < min(x[-1], other_x[-1]))]  # warm ends may be one
    return bool(len(common)) and bool(np.all(np.interp(common, x, y) < np.interp(common, other_x, other_y)))


# One run made again


def again_table(first: Results, second: Results) -> str:
    """A line for each model: precision of both runs, how far apart, in how many errors; recall; the passes kept.

    Nats per token. An error is that of the difference over texts, as if both runs' texts were independent. Raises
    ValueError where the runs differ in their settings.
    """
    _one_run(first, second)
    rows = [tuple("nats per token,precision,again,apart,errors,recall,again,apart,   kept after pass".split(","))]
    for name, pair in _pairs(first, second).items():
        (a, b), (c, d) = ([value(one, what) for one in pair] for what in ("precision", "recall"))
        passes = " and ".join(_passes(one, name) for one in (first, second))
        numbers = (signed(a), signed(b), plus(b - a), f"{_errors(pair):.1f}", signed(c), signed(d), plus(d - c))
        rows.append((shown(name), *numbers, f"   {passes}"))
    return aligned((16, 10, 8, 8, 8, 12, 8, 8, 0), rows)


def again_sentences(first: Results, second: Results) -> list[str]:
    """What both runs say from end to end, and which model came out farthest apart. Raises ValueError as above."""
    apart, pairs = precisions_apart(first, second), _pairs(first, second)
    path, said = [pairs[one["name"]] for one in students(first, highest=1.0) if one["name"] in pairs], []
    for what in ("precision", "recall") if len(path) > 1 else ():
        ends = zip(path[0], path[-1], strict=True)
        moves = " and ".join(plus(value(cold, what) - value(warm, what)) for warm, cold in ends)
        said.append(f"From tau {path[0][0]['tau']:g} to {path[-1][0]['tau']:g}, {what}: {moves}.")
    far = max(apart, key=lambda name: abs(apart[name]))
    said.append(
        f"Farthest apart in precision: {shown(far)}, by {abs(apart[far]):.2f}, which is {_errors(pairs[far]):.1f} "
        "errors over texts."
    )
    return said


def precisions_apart(first: Results, second: Results) -> dict[str, float]:
    """For each model, the second run's precision minus the first's, nats per token. Raises ValueError as above."""
    _one_run(first, second)
    return {name: value(b, "precision") - value(a, "precision") for name, (a, b) in _pairs(first, second).items()}


def _one_run(first: Results, second: Results) -> None:
    if other := _other_settings(first, second):
        raise ValueError(f"these runs differ in {', '.join(other)}: give one run made twice, with equal settings")


def _other_settings(first: Results, second: Results, *free: str) -> list[str]:
    """Names of the settings in which two runs differ; threads and ``free`` may."""
    one, other = ({"truncations": [], **run["config"]} for run in (first, second))  # older runs had none
    return sorted(name for name in {*one, *other} - {"threads", *free} if one.get(name) != other.get(name))


def _pairs(first: Results, second: Results) -> dict[str, tuple[Mapping[str, Any], Mapping[str, Any]]]:
    """The models that both runs have: teacher, direct, then the warmest student."""
    found = ((one, model_of(second, one["name"])) for one in models(first))
    return {one["name"]: (one, other) for one, other in found if other is not None}


def _errors(pair: Sequence[Mapping[str, Any]]) -> float:
    """How many errors over texts the two precisions are apart."""
    a, b = (one["precision"]["token"] for one in pair)
    return float(abs(b["value"] - a["value"]) / math.hypot(a["over_sequences"], b["over_sequences"]))


def _passes(results: Results, name: str) -> str:
    """After which pass the kept weights were, seed by seed."""
    best, losses = kept(results) == "best", _losses(results, name)
    found = [int(np.argmin(one)) + 1 if best else len(one) for one in losses if one]
    return ", ".join(map(str, found)) or "?"
