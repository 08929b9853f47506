"""What the numbers of a run say, in words: is the trade-off monotone, where is the direct student, what is lost.

Every sentence is made from results.json, so that it holds for any run, whatever came of it. No torch, no drawing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import stdtr

from kdlab.core.format import plus, signed
from kdlab.lm.report.robustness import KEPT, kept, passed_best

__all__ = [
    "Change",
    "Step",
    "among_students",
    "change",
    "direct_against_one",
    "larger_error",
    "map_sentences",
    "model_of",
    "moved",
    "outcome",
    "path_sentences",
    "race_sentence",
    "race_table",
    "spread",
    "standing",
    "steps",
    "steps_table",
    "students",
    "teacher_sentences",
    "units_sentence",
]

Results = Mapping[str, Any]
SEEN = 2.0  # standard errors that a change must exceed to be told from noise


# Models and changes


def model_of(results: Results, name: str) -> Mapping[str, Any] | None:
    """Return a model's entry by its name, such as "direct", "teacher" or "tau-0.8"; None where it is not there yet."""
    return next((one for one in results["models"] if one["name"] == name), None)


def students(results: Results, *, highest: float = math.inf) -> list[Mapping[str, Any]]:
    """The distilled students, the warmest first, down from ``highest``."""
    found = [one for one in results["models"] if one["role"] == "distilled" and one["tau"] <= highest]
    return sorted(found, key=lambda one: -float(one["tau"]))


@dataclass(frozen=True)
class Change:
    """A difference of two estimates: nats, and its standard error."""

    value: float
    error: float

    @property
    def seen(self) -> bool:
        """Whether it is larger than two of its standard errors."""
        return abs(self.value) > SEEN * self.error

    @property
    def in_errors(self) -> float:
        """How many of its standard errors it is large; without end where it has none."""
        return abs(self.value) / self.error if self.error else math.inf

    def __str__(self) -> str:
        return f"{plus(self.value)} ± {self.error:.2f}"


def change(results: Results, start: Mapping[str, Any], end: Mapping[str, Any], what: str, per: str) -> Change:
    """From one model's "precision" or "recall" to another's, nats per "token" or "sequence".

    Over sequences the squares of the two errors add up, less what they have in common: recalls are measured on the
    same texts of p*. Where both models have several seeds, there is an error of their difference over seeds as well.
    For precision it holds both, each training being scored on texts of its own: it is taken if it is the larger one.
    For recall, whose texts are the same for all trainings, the squares of the two add up.
    """
    a, b = start[what][per], end[what][per]
    first, second = float(a["over_sequences"]), float(b["over_sequences"])
    common = _common(results, start["name"], end["name"], per) if what == "recall" else 0.0
    error = math.sqrt(max(first**2 + second**2 - 2 * common * first * second, 0.0))
    over_seeds = _over_seeds(start, end, a["by_seed"], b["by_seed"])
    return Change(b["value"] - a["value"], (math.hypot if what == "recall" else max)(error, over_seeds))


def larger_error(estimate: Mapping[str, Any]) -> float:
    """The standard error of an estimate: over sequences, or over seeds where there are several and it is larger."""
    return max(float(estimate["over_sequences"]), float(estimate["over_seeds"] or 0.0))


def _common(results: Results, one: str, other: str, per: str) -> float:
    """The correlation of two recalls' errors; 0 where it was not recorded."""
    together = results.get("recalls_together", {"names": []})
    if not {one, other} <= set(together["names"]):
        return 0.0
    i, j = (together["names"].index(name) for name in (one, other))
    return float(together[per][i][j])


def _over_seeds(start: Mapping[str, Any], end: Mapping[str, Any], a: Sequence[float], b: Sequence[float]) -> float:
    """Standard error over seeds of a difference, seed by seed; 0 for fewer than two in common."""
    before, after = dict(zip(start["seeds"], a, strict=True)), dict(zip(end["seeds"], b, strict=True))
    both = [after[seed] - before[seed] for seed in before if seed in after]
    return float(np.std(both, ddof=1)) / math.sqrt(len(both)) if len(both) > 1 else 0.0


@dataclass(frozen=True)
class Step:
    """From one temperature to the next lower one."""

    warm: float
    cold: float
    precision: Change
    recall: Change


def steps(results: Results, per: str = "token") -> list[Step]:
    """The steps of the path at and below tau = 1, the warmest first."""
    path = students(results, highest=1.0)
    return [_step(results, one, other, per) for one, other in zip(path, path[1:], strict=False)]


def _step(results: Results, one: Mapping[str, Any], other: Mapping[str, Any], per: str) -> Step:
    both = [change(results, one, other, what, per) for what in ("precision", "recall")]
    return Step(float(one["tau"]), float(other["tau"]), *both)


# The path


def steps_table(results: Results, per: str = "token") -> str:
    """A line for each step: both changes, each with its error, and how many errors it is large."""
    rows = [(f"tau {step.warm:g} to {step.cold:g}", step.precision, step.recall) for step in steps(results, per)]
    return _table(rows, per)


def _table(rows: Sequence[tuple[str, Change, Change]], per: str) -> str:
    lines = [f"{f'nats per {per}':<22}{'precision':>16}{'errors':>9}{'recall':>18}{'errors':>9}"]
    for name, precision, recall in rows:
        columns = [f"{str(one):>{width}}{one.in_errors:>9.1f}" for one, width in ((precision, 16), (recall, 18))]
        lines.append(f"{name:<22}{''.join(columns)}")
    return "\n".join(lines)


def path_sentences(results: Results, per: str = "token") -> list[str]:
    """Is the trade-off monotone in tau: what each number does, step by step, and how sure that is."""
    all_steps = steps(results, per)
    if not all_steps:
        return ["There are fewer than two students at or below τ = 1: no path to read yet."]
    warm, cold, n = all_steps[0].warm, all_steps[-1].cold, len(all_steps)
    path = students(results, highest=1.0)
    ends = _step(results, path[0], path[-1], per)
    whole = f"precision {ends.precision}, recall {ends.recall} nats per {per}"
    said = [f"From τ = {warm:g} down to {cold:g}, end to end: {whole}."]
    for what, way, sign in (("precision", "rises", 1.0), ("recall", "falls", -1.0)):
        changes = [getattr(step, what) for step in all_steps]
        along = [sign * one.value > 0 for one in changes]
        clear = sum(one.seen for one, right in zip(changes, along, strict=True) if right)
        sure = "not by more than two standard errors" if clear == 0 else "by more than two standard errors"
        count = "" if clear in (0, sum(along)) else f" at {clear} of them"
        said.append(f"{what.capitalize()} {way} at {_of(sum(along), n)}{f', {sure}{count}' if any(along) else ''}.")
        back = [step for step, one, right in zip(all_steps, changes, along, strict=True) if not right and one.seen]
        said += [f"It goes the other way, by more than two standard errors, from τ = {step.warm:g} to {step.cold:g}."
                 for step in back]  # fmt: skip
    return [*said, f"{_verdict(all_steps)}{_conditions(results)}."]


def _verdict(all_steps: Sequence[Step]) -> str:
    changes = [(step.precision, -1.0) for step in all_steps] + [(step.recall, 1.0) for step in all_steps]
    against = [one for one, wrong in changes if one.value * wrong >= 0]
    if not against and all(one.seen for one, _ in changes):
        return "So the trade-off is monotone along these temperatures, and no step of it is lost in noise"
    if not against:
        return "So the trade-off is monotone in these numbers, though not every step stands clear of noise"
    if not any(one.seen for one in against):
        return (
            "So these numbers are not monotone; but no step against the trade-off stands clear of noise, and the run "
            "cannot tell"
        )
    return "So the trade-off is not monotone here"


def _conditions(results: Results) -> str:
    """What a verdict leaves open: the choice of weights where it matters, and another training."""
    weights = [f"with {KEPT[kept(results)]}"] if passed_best(results) else []
    n = len(results["seeds"])
    if n > 1:
        chance = 100 * 2 * stdtr(n - 1, -SEEN)  # Student's t
        told = f"; where an error is over {n} seeds, noise alone is larger than two of it {chance:.0f} times in 100"
        return (f". This is {weights[0]}" if weights else "") + told
    said = " and ".join([*weights, "as far as other texts go"])
    return f". This is {said}; one training cannot speak for another"


def _of(some: int, n: int) -> str:
    if n == 1:
        return "the only step" if some else "no step (there is one)"
    return f"all {n} steps" if some == n else f"{some or 'none'} of {n} steps"


# The direct student and the teacher


def direct_against_one(results: Results, per: str = "token") -> list[str]:
    """Where the direct student stands, compared with the one distilled at tau = 1."""
    pair = _direct_and_one(results)
    if pair is None:
        return ["This run does not have both a direct student and one distilled at τ = 1: nothing to compare yet."]
    direct, one = pair
    ahead = _ahead(results, direct, one, per)
    return [
        f"Direct:  precision {_at(direct, 'precision', per)}, recall {_at(direct, 'recall', per)} nats per {per}.",
        f"τ = 1:   precision {_at(one, 'precision', per)}, recall {_at(one, 'recall', per)}.",
        f"Direct minus τ = 1: precision {ahead['precision']}, recall {ahead['recall']}.",
    ]


def outcome(results: Results, per: str = "token") -> str:
    """One sentence: on which numbers the direct student is ahead of the one at tau = 1."""
    found = standing(results, per)
    if found is None:
        return "this run has no such pair of students yet."
    precision, recall = found
    if precision == recall:
        return f"the direct student's precision and recall are both {precision}, per {per}."
    return f"the direct student's recall is {recall}, its precision {precision}, per {per}."


def standing(results: Results, per: str = "token") -> tuple[str, str] | None:
    """The direct student's precision and recall beside those of the one at tau = 1: higher, lower, too close to tell.

    None where a run does not have both students yet.
    """
    pair = _direct_and_one(results)
    if pair is None:
        return None
    ahead = _ahead(results, *pair, per)
    precision, recall = (_beside(ahead[what]) for what in ("precision", "recall"))
    return precision, recall


def _beside(one: Change) -> str:
    if not one.seen:
        return "too close to tell"
    return "higher" if one.value > 0 else "lower"


def _direct_and_one(results: Results) -> tuple[Mapping[str, Any], Mapping[str, Any]] | None:
    direct, one = model_of(results, "direct"), model_of(results, "tau-1")
    return None if direct is None or one is None else (direct, one)


def _ahead(results: Results, direct: Mapping[str, Any], one: Mapping[str, Any], per: str) -> dict[str, Change]:
    return {what: change(results, one, direct, what, per) for what in ("precision", "recall")}


def units_sentence(results: Results) -> str:
    """Whether direct minus tau = 1 reads the same per token and per sequence; borderline where it does not."""
    pair = _direct_and_one(results)
    if pair is None:
        return "There is nothing to compare in two units yet."
    token, sequence = (_ahead(results, *pair, per) for per in ("token", "sequence"))
    said = []
    for what in ("precision", "recall"):
        one, other = token[what], sequence[what]
        sizes = f"{one.in_errors:.1f} errors per token, {other.in_errors:.1f} per sequence"
        if one.seen != other.seen:
            unit, rest = ("token", "sequence") if one.seen else ("sequence", "token")
            said.append(f"{what.capitalize()} is borderline: {sizes}. It counts as seen per {unit}, not per {rest}.")
        elif one.seen and one.value * other.value < 0:
            said.append(
                f"{what.capitalize()} is {_beside(one)} per token and {_beside(other)} per sequence: length decides."
            )
    return " ".join(said) or "Direct minus τ = 1 reads the same per token and per sequence, in both numbers."


def race_table(results: Results, per: str = "token") -> str:
    """A line for each student at or below tau = 1: how far it is ahead of the direct one, with errors."""
    return _table([(f"tau {tau:g} − direct", *both) for tau, both in _race(results, per)], per)


def race_sentence(results: Results, per: str = "token") -> str:
    """Which students pass the direct one in precision by more than two errors, and what they have less of in recall."""
    race = _race(results, per)
    if not race:
        return "This run does not have a direct student beside distilled ones yet."
    ahead = [(tau, recall) for tau, (precision, recall) in race if precision.seen and precision.value > 0]
    if not ahead:
        return "No distilled student passes the direct one in precision by more than two standard errors."
    behind = [tau for tau, recall in ahead if recall.seen and recall.value < 0]
    paid = (
        ("all of them have" if len(ahead) > 1 else "it has")
        if len(behind) == len(ahead)
        else (
            f"of these τ = {_listed(behind)} {'have' if len(behind) > 1 else 'has'}" if behind else "none of them has"
        )
    )
    return (
        f"In precision the direct student is passed, by more than two standard errors, by τ = "
        f"{_listed([tau for tau, _ in ahead])}; {paid} less recall than it, by more than two."
    )


def _listed(taus: Sequence[float]) -> str:
    return ", ".join(f"{tau:g}" for tau in taus)


def _race(results: Results, per: str) -> list[tuple[float, tuple[Change, Change]]]:
    direct = model_of(results, "direct")
    path = [] if direct is None else students(results, highest=1.0)
    return [
        (
            float(one["tau"]),
            (change(results, direct, one, "precision", per), change(results, direct, one, "recall", per)),
        )
        for one in path
        if direct is not None
    ]


def among_students(results: Results, per: str = "token") -> list[str]:
    """Which student has the lowest precision, which the highest recall: the paper reports the direct one for both."""
    direct, others = model_of(results, "direct"), students(results)
    if direct is None or not others:
        return ["There is no direct student beside distilled ones yet."]
    said = []
    for what, best, word in (("precision", min, "lowest"), ("recall", max, "highest")):
        first = best(others, key=lambda one: one[what][per]["value"])
        apart = change(results, first, direct, what, per)
        it_is = best(direct[what][per]["value"], first[what][per]["value"]) == direct[what][per]["value"]
        holder = "the direct student's" if it_is else f"that of τ = {first['tau']:g}"
        other = f"the {word} of the distilled ones, at τ = {first['tau']:g}, is" if it_is else "the direct student has"
        value, rest = (direct, first) if it_is else (first, direct)
        clear = "more than" if apart.seen else "not more than"
        said.append(
            f"The {word} {what} is {holder}, {_at(value, what, per)}; {other} {_at(rest, what, per)}. "
            f"They are {clear} two standard errors apart."
        )
    return said


def teacher_sentences(results: Results, per: str = "token") -> list[str]:
    """How much of p* the teacher has lost, beside p* itself."""
    teacher, ceiling = model_of(results, "teacher"), results["truth"].get("negative_entropy")
    if teacher is None or not ceiling:
        return ["The teacher or p* has not been scored yet."]
    missing, worse = (_below(ceiling[per], teacher[what][per]) for what in ("recall", "precision"))
    return [
        f"p* on texts of its own: {signed(ceiling[per]['value'])} nats per {per}: −H(p*), the ceiling of recall.",
        f"The teacher's recall is {_at(teacher, 'recall', per)}: it misses the ceiling by {_size(missing)} nats. "
        f"That is KL(p*‖p′), per {per}: what it did not learn of p*.",
        f"The teacher's precision is {_at(teacher, 'precision', per)}, "
        f"{_size(worse)} nats {'below' if worse.value > 0 else 'above'} p*'s own: "
        f"{'it says what p* finds unlikely' if worse.value > 0 else 'it keeps to what p* finds likely'}.",
        "The errors are as if the two numbers were independent. Differences are taken first, and rounded afterwards.",
    ]


def _below(ceiling: Mapping[str, Any], estimate: Mapping[str, Any]) -> Change:
    """By how much an estimate is below p*'s own; what their errors have in common was not recorded."""
    error = math.hypot(larger_error(ceiling), larger_error(estimate))
    return Change(ceiling["value"] - estimate["value"], error)


def _size(one: Change) -> str:
    return f"{abs(one.value):.2f} ± {one.error:.2f}"


def _at(model: Mapping[str, Any], what: str, per: str) -> str:
    return signed(model[what][per]["value"])


# The map of samples


def spread(results: Results, name: str) -> Change:
    """How wide a model's samples lie on the map, as a multiple of p*'s own: root mean square distances from the middle.

    Returns the ratio and its standard error over samples. Raises KeyError where the map does not have the model.
    """
    (own, own_error), (truth, truth_error) = (_mean_square(results["map"][one]) for one in (name, "truth"))
    ratio = math.sqrt(own / truth)
    return Change(ratio, 0.5 * ratio * math.hypot(own_error / own, truth_error / truth))


def _wider(results: Results, name: str, other: str) -> Change:
    """By how much ``other``'s cloud is wider than that of ``name``, as a multiple of p*'s width, and its error.

    Both are multiples of one width, p*'s: what is wrong with that one counts for their difference only.
    """
    (one, one_error), (two, two_error), (truth, truth_error) = (
        _mean_square(results["map"][key]) for key in (name, other, "truth")
    )
    widths = [math.sqrt(each / truth) for each in (one, two)]
    errors = [0.5 * width * e / each for width, e, each in zip(widths, (one_error, two_error), (one, two), strict=True)]
    value = widths[1] - widths[0]
    return Change(value, math.hypot(*errors, 0.5 * value * truth_error / truth))


def moved(results: Results, name: str) -> float:
    """How far the middle of a model's samples lies from that of p*'s on the map, as a multiple of p*'s width."""
    own, truth = (np.asarray(results["map"][one], float).mean(axis=0) for one in (name, "truth"))
    return float(np.hypot(*(own - truth))) / math.sqrt(_mean_square(results["map"]["truth"])[0])


def _mean_square(points: Sequence[Sequence[float]]) -> tuple[float, float]:
    """Mean squared distance from the middle, and its standard error."""
    at = np.asarray(points, float)
    squares = ((at - at.mean(axis=0)) ** 2).sum(axis=1)
    return float(squares.mean()), float(squares.std(ddof=1)) / math.sqrt(len(squares))


def map_sentences(results: Results) -> list[str]:
    """How wide each model's texts lie on the map, and whether the coldest student's lie closer than the warmest's."""
    names = {"teacher": "teacher", "direct": "direct"} | {
        one["name"]: f"tau {one['tau']:g}" for one in students(results)
    }
    wide = {name: spread(results, name) for name in names if name in results["map"]}
    said = [
        f"{names[name]:<9}{one.value:5.2f} ± {one.error:.2f} times as wide as p*'s, its middle "
        f"{moved(results, name):.2f} of that width from p*'s"
        for name, one in wide.items()
    ]
    if wide:
        fewest = min(len(results["map"][name]) for name in ("truth", *wide))
        said.append(f"± one standard error over the texts of the map, {fewest} of p* and of each model")
        said.append(
            "The directions were chosen for these texts of p*: its other texts would be a little less than 1.00 times "
            "as wide."
        )
        chance = math.sqrt(2 / fewest)
        said.append(
            f"By chance alone, the middles of {fewest} texts and of {fewest} others lie some {chance:.2f} of that "
            "width apart."
        )
    path = [one["name"] for one in students(results, highest=1.0) if one["name"] in wide]
    if len(path) < 2:
        return said
    apart = _wider(results, path[0], path[-1])
    which = f"The cloud of {names[path[-1]]} is"
    if not round(apart.value, 2):
        return [*said, f"{which} as wide as that of {names[path[0]]}, to within an error of {apart.error:.2f}."]
    way = "narrower" if apart.value < 0 else "wider"
    size = (
        f"{abs(apart.value):.2f} ± {apart.error:.2f}: {'more' if apart.seen else 'not more'} than two standard errors"
    )
    return [*said, f"{which} {way} than that of {names[path[0]]}, by {size}."]
