"""What the numbers of a run say, in words: is the trade-off monotone, where is the direct student, what is lost.

Every sentence is made from results.json, so that it holds for any run, whatever came of it. No torch, no drawing.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from kdlab.core.format import signed
from kdlab.lm.report import changes
from kdlab.lm.report.changes import Change, Results, both, combined, model_of, shown, steps, students, truncated, value

Model = Mapping[str, Any]
Pair = tuple[Change, Change]  # of precision and of recall


# The path


def steps_table(results: Results, per: str = "token") -> str:
    """A line for each step: both changes, each with its error, and how many errors it is large."""
    rows = [(f"tau {step.warm:g} to {step.cold:g}", (step.precision, step.recall)) for step in steps(results, per)]
    return _table(rows, per)


def _table(rows: Sequence[tuple[str, Pair]], per: str) -> str:
    cells = [(name, *(cell for one in pair for cell in (str(one), f"{one.in_errors:.1f}"))) for name, pair in rows]
    return changes.aligned(
        (18, 16, 11, 18, 11), [(f"nats per {per}", "precision", "in errors", "recall", "in errors"), *cells]
    )


def path_sentences(results: Results, per: str = "token") -> list[str]:
    """Is the trade-off monotone in tau: both changes from end to end, and what the steps between say to it."""
    all_steps = steps(results, per)
    if not all_steps:
        return ["There are fewer than two students at or below τ = 1: no path to read yet."]
    path = students(results, highest=1.0)
    precision, recall = both(results, path[0], path[-1], per)
    ends = f"From τ = {all_steps[0].warm:g} down to {all_steps[-1].cold:g}, end to end"
    whole = f"{ends}: precision {precision}, recall {recall} nats per {per}."
    one = " This is as far as other texts go; one training cannot speak for another."
    return [whole, f"{_verdict(all_steps)}.{one if len(results['seeds']) < 2 else ''}"]


def _verdict(all_steps: Sequence[changes.Step]) -> str:
    ways = [("precision falls", step, step.precision) for step in all_steps if step.precision.value <= 0]
    ways += [("recall rises", step, step.recall) for step in all_steps if step.recall.value >= 0]
    seen = [f"{way} from τ = {step.warm:g} to {step.cold:g}" for way, step, one in ways if one.seen]
    if seen:
        return f"So the trade-off is not monotone here: {', '.join(seen)}"
    if ways:
        return (
            "So these numbers are not monotone; but no step against the trade-off stands clear of noise, and the run "
            "cannot tell"
        )
    if all(one.precision.seen and one.recall.seen for one in all_steps):
        return "So the trade-off is monotone along these temperatures, and no step of it is lost in noise"
    return "So the trade-off is monotone in these numbers, though not every step stands clear of noise"


# Truncation


def truncation_sentences(results: Results, per: str = "token") -> list[str]:
    """Where each student of truncated samples stands, and whether its precision is above the path's at its recall.

    The path's precision there is read off the straight lines from tau to tau. Its error, and those of the three models
    it is made of, are in the error of the difference.
    """
    path = students(results)
    return [
        f"{shown(one['name'])}: precision {_at(one, 'precision', per)}, recall {_at(one, 'recall', per)}. "
        + _beside_path(results, one, path, per)
        for one in truncated(results)
    ]


def _beside_path(results: Results, one: Model, path: Sequence[Model], per: str) -> str:
    """Whether a student's precision is above the path's at its recall."""
    at = value(one, "recall", per)
    pairs = [(a, b) for a, b in zip(path, path[1:], strict=False)
             if min(r := (value(a, "recall", per), value(b, "recall", per))) <= at < max(r)]  # fmt: skip
    if len(pairs) != 1:
        where = "in more than one place" if pairs else "nowhere"
        return f"The path has its recall {where}: no one precision to compare with."
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


# Several trainings


def by_training(results: Results, per: str = "token") -> str:
    """A line for each model: its numbers in every training, how far apart they lie, the error of one over texts."""
    found, after = changes.models(results), ("apart", "texts")
    n = max((len(one["seeds"]) for one in found), default=0)
    rows = [(f"nats per {per}", "precision", *[""] * (n - 1), *after, "recall", *[""] * (n - 1), *after)]
    for one in found:
        cells = [shown(one["name"])]
        for what in ("precision", "recall"):
            estimate = one[what][per]
            values = estimate["by_seed"]
            cells += [*map(signed, values), *[""] * (n - len(values)), f"{max(values) - min(values):.2f}"]
            once = math.sqrt(len(values)) if what == "precision" else 1.0  # each training has texts of its own
            cells += [f"± {once * estimate['over_sequences']:.2f}"]
        rows.append(tuple(cells))
    return changes.aligned((16, *[10, *[7] * (n - 1), 7, 8] * 2), rows)


# The direct student and the teacher


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
    one, direct = model_of(results, "tau-1"), model_of(results, "direct")
    if one is None or direct is None:
        return None
    precision, recall = both(results, one, direct, per)
    return _beside(precision), _beside(recall)


def _beside(one: Change) -> str:
    if not one.seen:
        return "too close to tell"
    return "higher" if one.value > 0 else "lower"


def race_table(results: Results, per: str = "token") -> str:
    """A line for each student at or below tau = 1: how far it is ahead of the direct one, with errors."""
    return _table([(f"tau {tau:g} − direct", pair) for tau, pair in _race(results, per)], per)


def race_sentence(results: Results, per: str = "token") -> str:
    """Which students have more precision than the direct one, and which less recall, by more than two errors."""
    race = _race(results, per)
    if not race:
        return "This run does not have a direct student beside distilled ones yet."
    ahead = changes.listed(tau for tau, (precision, _) in race if _beside(precision) == "higher")
    behind = changes.listed(tau for tau, (_, recall) in race if _beside(recall) == "lower")
    more, less = (f"τ = {taus}" if taus else "none of them" for taus in (ahead, behind))
    return f"More precision than the direct student, by more than two errors: {more}. Less recall: {less}."


def _race(results: Results, per: str) -> list[tuple[float, Pair]]:
    direct = model_of(results, "direct")
    if direct is None:
        return []
    return [(float(one["tau"]), both(results, direct, one, per)) for one in students(results, highest=1.0)]


def objectives_table(results: Results, per: str = "token") -> str:
    """A line for each student that heard the teacher at each token, less the one of its texts at tau = 1, with errors.

    ValueError where the run has no such students.
    """
    sequence, others = model_of(results, "tau-1"), changes.by_token(results)
    if sequence is None or not others:
        raise ValueError("this run has no students by token beside tau = 1: give `kdlab run --preset objectives`")
    rows = [(changes.shown(one["name"]), both(results, sequence, one, per)) for one in others]
    return f"less the student of its texts (sequence)\n{_table(rows, per)}"


def teacher_sentences(results: Results, per: str = "token") -> list[str]:
    """How much of p* the teacher has lost, beside p* itself."""
    teacher, ceiling = model_of(results, "teacher"), results["truth"].get("negative_entropy")
    if teacher is None or not ceiling:
        return ["The teacher or p* has not been scored yet."]
    missing, worse = (_below(results, ceiling[per], teacher, what, per) for what in ("recall", "precision"))
    return [
        f"p* on texts of its own: {signed(ceiling[per]['value'])} nats per {per}: −H(p*), the ceiling of recall.",
        f"The teacher's recall is {_at(teacher, 'recall', per)}: it misses the ceiling by {_size(missing)} nats. "
        f"That is KL(p*‖p′), per {per}: what it did not learn of p*.",
        f"The teacher's precision is {_at(teacher, 'precision', per)}, "
        f"{_size(worse)} nats {'below' if worse.value > 0 else 'above'} p*'s own: "
        f"{'it says what p* finds unlikely' if worse.value > 0 else 'it keeps to what p* finds likely'}.",
    ]


def _below(results: Results, ceiling: Mapping[str, Any], model: Model, what: str, per: str) -> Change:
    """By how much a model is below p*'s own; what their errors have in common was not recorded."""
    own = combined(results, [(model, 1.0)], what, per)
    return Change(ceiling["value"] - own.value, math.hypot(ceiling["over_sequences"], own.error))


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


def _width(points: Sequence[Sequence[float]]) -> Change:
    """Root mean square distance from the middle, and its standard error."""
    squares = ((points - np.mean(points, axis=0)) ** 2).sum(axis=1)
    width = math.sqrt(squares.mean())
    return Change(width, float(squares.std(ddof=1)) / math.sqrt(len(squares)) / (2 * width))


def map_sentences(results: Results) -> list[str]:
    """How wide each model's texts lie on the map."""
    names = [one["name"] for one in changes.models(results) if one["name"] in results["map"]]
    wide = {name: spread(results, name) for name in names}
    return [f"{shown(name):<10}{one.value:5.2f} ± {one.error:.2f} times as wide as p*'s" for name, one in wide.items()]
