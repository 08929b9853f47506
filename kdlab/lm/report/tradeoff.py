"""What the numbers of a run say, in words: is the trade-off monotone, where is the direct student, what is lost.

Every sentence is made from results.json, so that it holds for any run, whatever came of it. No torch, no drawing.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy.special import stdtr

from kdlab.core.format import signed
from kdlab.lm.report import changes
from kdlab.lm.report.changes import (
    Change,
    Results,
    both,
    combined,
    listed,
    model_of,
    shown,
    steps,
    students,
    truncated,
    value,
)  # fmt: skip
from kdlab.lm.report.robustness import passed_best

Model = Mapping[str, Any]
Pair = tuple[Change, Change]  # of precision and of recall


# The path


def steps_table(results: Results, per: str = "token") -> str:
    """A line for each step: both changes, each with its error, and how many errors it is large."""
    return _table(
        [(f"tau {step.warm:g} to {step.cold:g}", (step.precision, step.recall)) for step in steps(results, per)], per
    )


def _table(rows: Sequence[tuple[str, Pair]], per: str) -> str:
    cells = [(name, *(cell for one in pair for cell in (str(one), f"{one.in_errors:.1f}"))) for name, pair in rows]
    return changes.aligned((22, 16, 9, 18, 9), [(f"nats per {per}", "precision", "errors", "recall", "errors"), *cells])


def path_sentences(results: Results, per: str = "token") -> list[str]:
    """Is the trade-off monotone in tau: what each number does, step by step, and how sure that is."""
    all_steps = steps(results, per)
    if not all_steps:
        return ["There are fewer than two students at or below τ = 1: no path to read yet."]
    warm, cold, n = all_steps[0].warm, all_steps[-1].cold, len(all_steps)
    path = students(results, highest=1.0)
    precision, recall = both(results, path[0], path[-1], per)
    whole = f"precision {precision}, recall {recall} nats per {per}"
    said = [f"From τ = {warm:g} down to {cold:g}, end to end: {whole}."]
    for what, way, sign in (("precision", "rises", 1.0), ("recall", "falls", -1.0)):
        moves = [getattr(step, what) for step in all_steps]
        along = [sign * one.value > 0 for one in moves]
        clear = sum(one.seen for one, right in zip(moves, along, strict=True) if right)
        sure = "not by more than two standard errors" if clear == 0 else "by more than two standard errors"
        count = "" if clear in (0, sum(along)) else f" at {clear} of them"
        said.append(f"{what.capitalize()} {way} at {_of(sum(along), n)}{f', {sure}{count}' if any(along) else ''}.")
        back = [step for step, one, right in zip(all_steps, moves, along, strict=True) if not right and one.seen]
        said += [f"It goes the other way, by more than two standard errors, from τ = {step.warm:g} to {step.cold:g}."
                 for step in back]  # fmt: skip
    return [*said, f"{_verdict(all_steps)}{_conditions(results)}."]


def _verdict(all_steps: Sequence[changes.Step]) -> str:
    against = [one.precision for one in all_steps if one.precision.value <= 0]
    against += [one.recall for one in all_steps if one.recall.value >= 0]
    if not against and all(one.precision.seen and one.recall.seen for one in all_steps):
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
    weights = [f"with {changes.KEPT[changes.kept(results)]}"] if passed_best(results) else []
    n = len(results["seeds"])
    if n > 1:
        chance = 100 * 2 * stdtr(n - 1, -changes.SEEN)  # Student's t
        told = f"; where an error is over {n} seeds, noise alone is larger than two of it {chance:.0f} times in 100"
        return (f". This is {weights[0]}" if weights else "") + told
    said = " and ".join([*weights, "as far as other texts go"])
    return f". This is {said}; one training cannot speak for another"


def _of(some: int, n: int) -> str:
    if n == 1:
        return "the only step" if some else "no step (there is one)"
    return f"all {n} steps" if some == n else f"{some or 'none'} of {n} steps"


# Truncation


def truncation_sentences(results: Results, per: str = "token") -> list[str]:
    """Where each student of truncated samples stands beside the path: between which taus, and above it or below.

    The path's precision at the student's recall is read off the straight lines from tau to tau. Its error, and those of
    the three models it is made of, are in the error of the difference.
    """
    path = students(results)
    if truncated(results) and len(path) < 2:
        return ["There are fewer than two students of tempered samples: no path to compare with yet."]
    said = []
    for one in truncated(results):
        places = [f"{what} {_at(one, what, per)}, {_between(results, one, path, what, per)}"
                  for what in ("precision", "recall")]  # fmt: skip
        said.append(f"{shown(one['name'])}: {'; '.join(places)}. {_beside_path(results, one, path, per)}")
    return said


def _between(results: Results, one: Model, path: Sequence[Model], what: str, per: str) -> str:
    """Between which taus a number lies, and of which it cannot be told."""
    below = [other for other in path if value(other, what, per) <= value(one, what, per)]
    above = [other for other in path if other not in below]
    low, high = (pick(some, key=lambda m: value(m, what, per), default=None)
                 for pick, some in ((max, below), (min, above)))  # fmt: skip
    near = [m for m in (low, high) if m is not None]
    where = f"between τ = {listed(m['tau'] for m in near).replace(', ', ' and ')}"
    if len(near) == 1:
        where = f"{'below' if low is None else 'above'} all of the path, τ = {near[0]['tau']:g} next"
    close = [m["tau"] for m in near if not changes.change(results, m, one, what, per).seen]
    return where + (f" (too close to τ = {listed(close)} to tell)" if close else "")


def _beside_path(results: Results, one: Model, path: Sequence[Model], per: str) -> str:
    """Whether a student's precision is above the path's at its recall."""
    at = value(one, "recall", per)
    pairs = [(a, b) for a, b in zip(path, path[1:], strict=False)
             if min(r := (value(a, "recall", per), value(b, "recall", per))) <= at < max(r)]  # fmt: skip
    if len(pairs) > 1:
        return "The path has its recall in more than one place: no one precision to compare with."
    if not pairs:
        end = min(path, key=lambda m: abs(value(m, "recall", per) - at))
        precision, recall = both(results, end, one, per)
        return f"The path ends before its recall; from τ = {end['tau']:g}: precision {precision}, recall {recall}."
    (a, b), apart = pairs[0], _off_line(results, one, *pairs[0], per)
    way = f"{'above' if apart.value > 0 else 'below'} the path" if apart.seen else "too close to the path to tell"
    where = f"from the path's between τ = {a['tau']:g} and {b['tau']:g}"
    return f"At equal recall its precision is {apart} {where}: {way}."


def _off_line(results: Results, one: Model, a: Model, b: Model, per: str) -> Change:
    """How far a student's precision is above the line from ``a`` to ``b``, at the student's recall.

    With share t of the way from a to b, this is P − (1 − t) Pa − t Pb. A recall that errs moves the place on the line:
    the same sum of recalls, which is 0, times the line's slope. As if precisions and recalls erred independently.
    """
    (p, r), (p_a, r_a), (p_b, r_b) = ([value(m, what, per) for what in ("precision", "recall")] for m in (one, a, b))
    t, slope = (r - r_a) / (r_b - r_a), (p_b - p_a) / (r_b - r_a)
    parts = [(one, 1.0), (a, t - 1.0), (b, -t)]
    up, across = (combined(results, parts, what, per) for what in ("precision", "recall"))
    return Change(up.value, math.hypot(up.error, slope * across.error))


# The direct student and the teacher


def direct_against_one(results: Results, per: str = "token") -> list[str]:
    """Where the direct student stands, compared with the one distilled at tau = 1."""
    pair = _one_and_direct(results)
    if pair is None:
        return ["This run does not have both a direct student and one distilled at τ = 1: nothing to compare yet."]
    one, direct = pair
    precision, recall = both(results, one, direct, per)
    return [
        f"Direct:  precision {_at(direct, 'precision', per)}, recall {_at(direct, 'recall', per)} nats per {per}.",
        f"τ = 1:   precision {_at(one, 'precision', per)}, recall {_at(one, 'recall', per)}.",
        f"Direct minus τ = 1: precision {precision}, recall {recall}.",
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
    pair = _one_and_direct(results)
    if pair is None:
        return None
    precision, recall = both(results, *pair, per)
    return _beside(precision), _beside(recall)


def _beside(one: Change) -> str:
    if not one.seen:
        return "too close to tell"
    return "higher" if one.value > 0 else "lower"


def _one_and_direct(results: Results) -> tuple[Mapping[str, Any], Mapping[str, Any]] | None:
    one, direct = model_of(results, "tau-1"), model_of(results, "direct")
    return None if one is None or direct is None else (one, direct)


def units_sentence(results: Results) -> str:
    """Whether direct minus tau = 1 reads the same per token and per sequence; borderline where it does not."""
    pair = _one_and_direct(results)
    if pair is None:
        return "There is nothing to compare in two units yet."
    token, sequence = (both(results, *pair, per) for per in ("token", "sequence"))
    said = []
    for what, one, other in zip(("precision", "recall"), token, sequence, strict=True):
        sizes = f"{one.in_errors:.1f} errors per token, {other.in_errors:.1f} per sequence"
        if one.seen != other.seen:
            unit, rest = ("token", "sequence") if one.seen else ("sequence", "token")
            said.append(f"{what.capitalize()} is borderline: {sizes}. It counts as seen per {unit}, not per {rest}.")
        elif one.seen and one.value * other.value < 0:
            sides = f"{_beside(one)} per token and {_beside(other)} per sequence"
            said.append(f"{what.capitalize()} is {sides}: length decides.")
    return " ".join(said) or "Direct minus τ = 1 reads the same per token and per sequence, in both numbers."


def race_table(results: Results, per: str = "token") -> str:
    """A line for each student at or below tau = 1: how far it is ahead of the direct one, with errors."""
    return _table([(f"tau {tau:g} − direct", pair) for tau, pair in _race(results, per)], per)


def race_sentence(results: Results, per: str = "token") -> str:
    """Which students pass the direct one in precision by more than two errors, and what they have less of in recall."""
    race = _race(results, per)
    if not race:
        return "This run does not have a direct student beside distilled ones yet."
    ahead = [(tau, recall) for tau, (precision, recall) in race if _beside(precision) == "higher"]
    if not ahead:
        return "No distilled student passes the direct one in precision by more than two standard errors."
    behind = [tau for tau, recall in ahead if _beside(recall) == "lower"]
    if len(behind) == len(ahead):
        less = "all of them have" if len(ahead) > 1 else "it has"
    elif behind:
        less = f"of these τ = {listed(behind)} {'have' if len(behind) > 1 else 'has'}"
    else:
        less = "none of them has"
    return (
        f"In precision the direct student is passed, by more than two standard errors, by τ = "
        f"{listed(tau for tau, _ in ahead)}; {less} less recall than it, by more than two."
    )


def _race(results: Results, per: str) -> list[tuple[float, Pair]]:
    direct = model_of(results, "direct")
    if direct is None:
        return []
    return [(float(one["tau"]), both(results, direct, one, per)) for one in students(results, highest=1.0)]


def among_students(results: Results, per: str = "token") -> list[str]:
    """Which student has the lowest precision, which the highest recall: the paper reports the direct one for both."""
    direct, others = model_of(results, "direct"), students(results)
    if direct is None or not others:
        return ["There is no direct student beside distilled ones yet."]
    said = []
    for what, best, word in (("precision", min, "lowest"), ("recall", max, "highest")):
        first = best(others, key=lambda one: value(one, what, per))
        apart = changes.change(results, first, direct, what, per)
        it_is = best(value(direct, what, per), value(first, what, per)) == value(direct, what, per)
        holder = "the direct student's" if it_is else f"that of τ = {first['tau']:g}"
        other = f"the {word} of the distilled ones, at τ = {first['tau']:g}, is" if it_is else "the direct student has"
        winner, rest = (direct, first) if it_is else (first, direct)
        clear = "more than" if apart.seen else "not more than"
        said.append(
            f"The {word} {what} is {holder}, {_at(winner, what, per)}; {other} {_at(rest, what, per)}. "
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
    error = math.hypot(changes.larger_error(ceiling), changes.larger_error(estimate))
    return Change(ceiling["value"] - estimate["value"], error)


def _size(one: Change) -> str:
    return f"{abs(one.value):.2f} ± {one.error:.2f}"


def _at(model: Mapping[str, Any], what: str, per: str) -> str:
    return signed(value(model, what, per))


# The map of samples


def spread(results: Results, name: str) -> Change:
    """How wide a model's samples lie on the map, as a multiple of p*'s own: root mean square distances from the middle.

    Returns the ratio and its standard error over samples. Raises KeyError where the map does not have the model.
    """
    own, truth = (_width(results["map"][one]) for one in (name, "truth"))
    ratio = own.value / truth.value
    return Change(ratio, ratio * math.hypot(own.error / own.value, truth.error / truth.value))


def _wider(results: Results, name: str, other: str) -> Change:
    """By how much ``other``'s cloud is wider than that of ``name``, as a multiple of p*'s width, and its error.

    Both are multiples of one width, p*'s: what is wrong with that one counts for their difference only.
    """
    one, two, truth = (_width(results["map"][key]) for key in (name, other, "truth"))
    apart = (two.value - one.value) / truth.value
    return Change(apart, math.hypot(one.error, two.error, apart * truth.error) / truth.value)


def moved(results: Results, name: str) -> float:
    """How far the middle of a model's samples lies from that of p*'s on the map, as a multiple of p*'s width."""
    own, truth = (np.mean(results["map"][one], axis=0) for one in (name, "truth"))
    return float(np.hypot(*(own - truth))) / _width(results["map"]["truth"]).value


def _width(points: Sequence[Sequence[float]]) -> Change:
    """Root mean square distance from the middle, and its standard error."""
    squares = ((points - np.mean(points, axis=0)) ** 2).sum(axis=1)
    width = math.sqrt(squares.mean())
    return Change(width, float(squares.std(ddof=1)) / math.sqrt(len(squares)) / (2 * width))


def map_sentences(results: Results) -> list[str]:
    """How wide each model's texts lie on the map, and whether the coldest student's lie closer than the warmest's."""
    names = [one["name"] for one in changes.models(results) if one["name"] in results["map"]]
    said = [
        f"{shown(name):<9}{wide.value:5.2f} ± {wide.error:.2f} times as wide as p*'s, its middle "
        f"{moved(results, name):.2f} of that width from p*'s"
        for name, wide in ((name, spread(results, name)) for name in names)
    ]
    if names:
        fewest = min(len(results["map"][name]) for name in ("truth", *names))
        said += [
            f"± one standard error over the texts of the map, {fewest} of p* and of each model",
            "The directions were chosen for these texts of p*: its other texts would be a little less than 1.00 times "
            "as wide.",
            f"By chance alone, the middles of {fewest} texts and of {fewest} others lie some "
            f"{math.sqrt(2 / fewest):.2f} of that width apart.",
        ]
    path = [one["name"] for one in students(results, highest=1.0) if one["name"] in names]
    return [*said, _compared(results, path[0], path[-1])] if len(path) > 1 else said


def _compared(results: Results, warm: str, cold: str) -> str:
    """Whether the coldest student's cloud is narrower than the warmest's."""
    apart, which = _wider(results, warm, cold), f"The cloud of {shown(cold)} is"
    if not round(apart.value, 2):
        return f"{which} as wide as that of {shown(warm)}, to within an error of {apart.error:.2f}."
    way, clear = ("narrower" if apart.value < 0 else "wider"), ("more" if apart.seen else "not more")
    return f"{which} {way} than that of {shown(warm)}, by {_size(apart)}: {clear} than two standard errors."
