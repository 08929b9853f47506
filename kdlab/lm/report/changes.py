"""What every report on a run is made of: its models, the changes between them with their errors, and tables.

Everything is read from results.json, so that it holds for any run. No PyTorch, no drawing.
"""

import itertools
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import stdtrit

from kdlab.core.format import plus

Results = Mapping[str, Any]
SEEN = 2.0  # standard errors that a change must exceed to be told from noise


# Models


def models(results: Results) -> list[Mapping[str, Any]]:
    """The models that are there: teacher, direct student, distilled ones, the warmest first, truncated, by token."""
    first = [one for name in ("teacher", "direct") if (one := model_of(results, name))]
    return [*first, *students(results), *truncated(results), *by_token(results)]


def students(results: Results, *, highest: float = math.inf) -> list[Mapping[str, Any]]:
    """The distilled students, the warmest first, down from ``highest``."""
    found = [one for one in results["models"] if one["role"] == "distilled" and one["tau"] <= highest]
    return sorted(found, key=lambda one: -float(one["tau"]))


def truncated(results: Results) -> list[Mapping[str, Any]]:
    """The students of the teacher's truncated samples, such as top-k 50; none in older runs."""
    return [one for one in results["models"] if one["role"] == "truncated"]


def by_token(results: Results) -> list[Mapping[str, Any]]:
    """The students that heard the teacher at each token; none in older runs."""
    return [one for one in results["models"] if one["role"] == "objective"]


def model_of(results: Results, name: str) -> Mapping[str, Any] | None:
    """Return a model's entry by its name, such as "direct", "teacher" or "tau-0.8"; None where it is not there yet."""
    return next((one for one in results["models"] if one["name"] == name), None)


def value(model: Mapping[str, Any], what: str, per: str = "token") -> float:
    """A model's "precision" or "recall", nats per "token" or "sequence"."""
    return float(model[what][per]["value"])


def kept(results: Results) -> str:
    """Which weights of a run were scored, "best" or "last"; runs from before there was a choice kept the last."""
    return str(results["config"].get("keep", "last"))


# Changes


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
    return [
        Step(float(one["tau"]), float(other["tau"]), *both(results, one, other, per))
        for one, other in zip(path, path[1:], strict=False)
    ]


def both(results: Results, start: Mapping[str, Any], end: Mapping[str, Any], per: str) -> tuple[Change, Change]:
    """The changes of precision and of recall from one model to another."""
    return change(results, start, end, "precision", per), change(results, start, end, "recall", per)


def change(results: Results, start: Mapping[str, Any], end: Mapping[str, Any], what: str, per: str) -> Change:
    """From one model's "precision" or "recall" to another's, nats per "token" or "sequence".

    Over sequences the squares of the two errors add up, less what they have in common: recalls are measured on the
    same texts of p*. Where both models have several seeds, there is an error of their difference over seeds as well,
    widened so that noise passes two of it once in twenty times (Student's t). For precision it holds both, each
    training being scored on texts of its own: it is taken if it is the larger one. For recall, whose texts are the
    same for all trainings, the squares of the two add up.
    """
    return combined(results, [(end, 1.0), (start, -1.0)], what, per)


def combined(results: Results, parts: Sequence[tuple[Mapping[str, Any], float]], what: str, per: str) -> Change:
    """The sum of several models' "precision" or "recall", each times its weight; its error is as in `change`."""
    errors = [(model["name"], weight * float(model[what][per]["over_sequences"])) for model, weight in parts]
    square = sum(error**2 for _, error in errors)
    for (one, a), (other, b) in itertools.combinations(errors, 2) if what == "recall" else ():
        square += 2 * _common(results, one, other, per) * a * b
    by_seed = [(dict(zip(model["seeds"], model[what][per]["by_seed"], strict=True)), weight) for model, weight in parts]
    seeds = set.intersection(*(set(found) for found, _ in by_seed))
    sums = [sum(weight * found[seed] for found, weight in by_seed) for seed in sorted(seeds)]
    total = sum(weight * value(model, what, per) for model, weight in parts)
    return Change(total, (math.hypot if what == "recall" else max)(math.sqrt(max(square, 0.0)), error_over_seeds(sums)))


def error_over_seeds(differences: Sequence[float]) -> float:
    """The error of a mean difference over S seeds, 0 for one; noise passes two of it once in twenty times.

    So it is the standard error, widened where seeds are few: by Student's t.
    """
    n = len(differences)
    return float(np.std(differences, ddof=1)) / math.sqrt(n) * float(stdtrit(n - 1, 0.975)) / SEEN if n > 1 else 0.0


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


# Words and tables


def shown(name: str) -> str:
    """A model's name as tables have it: "tau 0.8" for "tau-0.8", "top-k 50" for "top-k-50"."""
    return re.sub("^(tau|top-[kp])-", r"\1 ", name)


def listed(taus: Iterable[float]) -> str:
    """Temperatures with commas between them."""
    return ", ".join(f"{tau:g}" for tau in taus)


def aligned(widths: Sequence[int], rows: Iterable[Sequence[str]]) -> str:
    """A table as text: the first cell of a row to the left, the others to the right, each as wide as ``widths`` say.

    >>> print(aligned((8, 4), [("warm", "1"), ("cold", "0.6")]))
    warm       1
    cold     0.6
    """
    return "\n".join(
        f"{row[0]:<{widths[0]}}" + "".join(f"{cell:>{width}}" for cell, width in zip(row[1:], widths[1:], strict=False))
        for row in rows
    )
