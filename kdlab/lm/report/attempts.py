"""Asking several times: how many acceptable and different answers come of k tries, counted on a run's own samples.

An answer is acceptable where p* finds it at least as likely, per token, as half of p*'s own answers to the same
instruction. Two are different where their first three words are. No PyTorch.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kdlab.core.attempts import estimated_pass_at_k
from kdlab.lm.report.changes import SEEN, Change, Results, aligned, error_over_seeds, models, shown, students

TRIES, WORDS = (1, 4, 16, 64), 3
_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")

FloatArray = NDArray[np.float64]


# Counting


def opening(answer: str) -> str:
    """The first three words, by which answers are told apart: small letters, without the signs between them."""
    return " ".join(_WORD.findall(answer.lower())[:WORDS])


def medians(nats: FloatArray, n_instructions: int) -> FloatArray:
    """(G,): the median of p*'s own answers to each instruction: (N,) nats per token, instructions taking turns."""
    return np.array([np.median(nats[i::n_instructions]) for i in range(n_instructions)])


def of_tries(answers: Sequence[str], nats: FloatArray, least: FloatArray, tries: Sequence[int]) -> dict[str, Any]:
    """What k tries bring, for each instruction and each k of ``tries``: two lists of K lists of G numbers.

    answers: N texts, instructions taking turns; ``nats`` (N,) per token under p*; ``least`` (G,) of what is acceptable.
    Returned are how many acceptable and "different" answers are expected, and how probable "any" acceptable one is.
    An answer without a word is never acceptable. Raises ValueError for more tries than answers.
    """
    found: dict[str, list[list[float]]] = {"different": [[] for _ in tries], "any": [[] for _ in tries]}
    for i in range(len(least)):
        own = zip(answers[i :: len(least)], nats[i :: len(least)], strict=True)
        accepted = [opening(text) for text, score in own if score >= least[i] and opening(text)]
        n, kinds = len(answers[i :: len(least)]), np.array([*Counter(accepted).values()], int)
        for row, k in enumerate(tries):
            found["different"][row].append(round(float(np.sum(estimated_pass_at_k(n, kinds, k))), 5))
            found["any"][row].append(round(float(estimated_pass_at_k(n, len(accepted), k)), 5))
    return found


# Reading


@dataclass(frozen=True)
class Tries:
    """One model's answers at K numbers of tries: ``each`` (K, G), by instruction, and means ``by_seed`` (S, K)."""

    each: FloatArray
    by_seed: FloatArray

    def mean(self, row: int) -> Change:
        """The mean over instructions; its error is that over instructions or over seeds, whichever is larger."""
        return Change(float(self.each[row].mean()), max(_error(self.each[row]), _error(self.by_seed[:, row])))

    def ahead(self, other: "Tries", row: int) -> Change:
        """By how much more this model brings than another, over the same instructions and seeds.

        Its error over seeds is widened where they are few, as that of any difference (`changes.error_over_seeds`).
        """
        seeds = min(len(self.by_seed), len(other.by_seed))
        apart = self.by_seed[:seeds, row] - other.by_seed[:seeds, row]
        each = self.each[row] - other.each[row]
        return Change(float(each.mean()), max(_error(each), error_over_seeds(apart.tolist())))


def _error(some: FloatArray) -> float:
    """The standard error of a mean; 0 for one number."""
    return float(some.std(ddof=1)) / len(some) ** 0.5 if len(some) > 1 else 0.0


def tries_of(results: Results, name: str, what: str = "different") -> Tries | None:
    """What a model's tries bring; ``what`` may be "any". None where that has not been counted. "truth" is p*."""
    one = results.get("attempts", {}).get("models", {}).get(name)
    return None if one is None else Tries(np.array(one[what]), np.array(one["by_seed"][what]))


def attempts_table(results: Results, what: str = "different") -> str:
    """A line for each model: acceptable and different answers expected of k tries, or how probable "any" is."""
    names = ["truth", *(one["name"] for one in models(results))]
    found = [(name, one) for name in names if (one := tries_of(results, name, what))]
    if not found:
        return "This run has no tries: it continues one prompt, or has not been scored yet."
    tries = results["attempts"]["tries"]
    head = "acceptable, different" if what == "different" else "any acceptable"
    rows = [(head, *(f"{k} {'try' if k == 1 else 'tries'}" for k in tries))]
    for name, one in found:
        cells = [one.mean(row) for row in range(len(tries))]
        rows.append(("p*" if name == "truth" else shown(name), *(f"{c.value:.2f} ± {c.error:.2f}" for c in cells)))
    return aligned((22, *[16] * len(tries)), rows)


def best_temperatures(results: Results) -> list[tuple[int, list[float]]]:
    """For each number of tries the temperatures that bring most, the best first, and any too close to it to tell."""
    path = {float(one["tau"]): tries_of(results, one["name"]) for one in students(results)}
    there = {tau: one for tau, one in path.items() if one is not None}
    found = []
    for row, k in enumerate(results["attempts"]["tries"] if there else ()):
        order = sorted(there, key=lambda tau: -there[tau].mean(row).value)
        near = [tau for tau in order[1:] if not there[order[0]].ahead(there[tau], row).seen]
        found.append((int(k), [order[0], *near]))
    return found


def crossing_sentences(results: Results) -> list[str]:
    """Which temperature brings most acceptable and different answers at each number of tries, and whether it rises."""
    best = best_temperatures(results)
    if not best:
        return ["This run has no tries: it continues one prompt, or has not been scored yet."]
    lines = []
    for k, (first, *near) in best:
        close = f" (τ = {', '.join(f'{tau:g}' for tau in sorted(near))} too close to tell)" if near else ""
        lines.append(f"{k} {'try' if k == 1 else 'tries'}: τ = {first:g} brings most{close}.")
    coldest, warmest = best[0][1], best[-1][1]
    if min(warmest) > max(coldest):
        told = f"The best temperature rises with the tries, by more than {SEEN:g} errors: the crossing is there."
        return [*lines, told]
    return [*lines, "That the best temperature rises with the tries cannot be told from this run."]


def gathered(by_seed: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What `of_tries` found of one model for each seed, put together: means over seeds, and what each seed has."""
    found: dict[str, Any] = {"by_seed": {}}
    for what in ("different", "any"):
        each = np.array([one[what] for one in by_seed])
        found[what] = each.mean(axis=0).round(5).tolist()
        found["by_seed"][what] = each.mean(axis=2).round(6).tolist()
    return found
