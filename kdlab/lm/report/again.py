"""One run made twice: how far another training moves the same numbers, beside errors that speak for texts only.

Two runs with equal settings and equal seeds are one run where both machines round alike. Where they do not, the second
is another training: from the first sum that comes out otherwise, its weights, and then its texts, go ways of their own.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from kdlab.core.format import plus, signed
from kdlab.lm.report.robustness import kept
from kdlab.lm.report.tradeoff import model_of, students

__all__ = ["again_sentences", "again_table", "precisions_apart"]

Results = Mapping[str, Any]


def again_table(first: Results, second: Results) -> str:
    """A line for each model: precision of both runs, how far apart, in how many errors; recall; the passes kept.

    Nats per token. An error is that of the difference over texts, as if both runs' texts were independent. Raises
    ValueError where the runs differ in their settings.
    """
    _one_run(first, second)
    lines = [
        f"{'nats per token':<16}{'precision':>10}{'again':>8}{'apart':>8}{'errors':>8}"
        f"{'recall':>12}{'again':>8}{'apart':>8}   kept after pass"
    ]
    for name in _names(first, second):
        (a, b), (c, d) = (_pair(first, second, name, what) for what in ("precision", "recall"))
        passes = " and ".join(_passes(one, name) for one in (first, second))
        lines.append(
            f"{_label(name):<16}{signed(a):>10}{signed(b):>8}{plus(b - a):>8}{_errors(first, second, name):>8.1f}"
            f"{signed(c):>12}{signed(d):>8}{plus(d - c):>8}   {passes}"
        )
    return "\n".join(lines)


def again_sentences(first: Results, second: Results) -> list[str]:
    """What both runs say from end to end, and which model came out farthest apart. Raises ValueError as above."""
    _one_run(first, second)
    names = _names(first, second)
    path = [one for one in students(first, highest=1.0) if one["name"] in names]
    said = []
    if len(path) > 1:
        for what in ("precision", "recall"):
            warm, cold = (_pair(first, second, name, what) for name in (path[0]["name"], path[-1]["name"]))
            moves = " and ".join(plus(b - a) for a, b in zip(warm, cold, strict=True))
            said.append(f"From tau {path[0]['tau']:g} to {path[-1]['tau']:g}, {what}: {moves}.")
    apart = precisions_apart(first, second)
    far = max(apart, key=lambda name: abs(apart[name]))
    said.append(
        f"Farthest apart in precision: {_label(far)}, by {abs(apart[far]):.2f}, which is "
        f"{_errors(first, second, far):.1f} errors over texts."
    )
    return said


def precisions_apart(first: Results, second: Results) -> dict[str, float]:
    """For each model, the second run's precision minus the first's, nats per token. Raises ValueError as above."""
    _one_run(first, second)
    pairs = {name: _pair(first, second, name, "precision") for name in _names(first, second)}
    return {name: b - a for name, (a, b) in pairs.items()}


def _one_run(first: Results, second: Results) -> None:
    settings = [{**one["config"], "threads": 0} for one in (first, second)]
    if settings[0] != settings[1]:
        other = sorted(name for name in settings[0] if settings[0][name] != settings[1].get(name))
        raise ValueError(f"these runs differ in {', '.join(other)}: give one run made twice, with equal settings")


def _names(first: Results, second: Results) -> list[str]:
    """Models that both have: teacher, direct, then the warmest student."""
    order = ["teacher", "direct", *(one["name"] for one in students(first))]
    return [name for name in order if model_of(first, name) and model_of(second, name)]


def _label(name: str) -> str:
    return name.replace("tau-", "tau ")


def _estimates(first: Results, second: Results, name: str, what: str) -> list[Mapping[str, Any]]:
    models = [model_of(one, name) for one in (first, second)]
    return [model[what]["token"] for model in models if model is not None]


def _pair(first: Results, second: Results, name: str, what: str) -> tuple[float, float]:
    a, b = (float(one["value"]) for one in _estimates(first, second, name, what))
    return a, b


def _errors(first: Results, second: Results, name: str) -> float:
    """How many errors over texts the two precisions are apart."""
    a, b = _estimates(first, second, name, "precision")
    apart, error = b["value"] - a["value"], math.hypot(a["over_sequences"], b["over_sequences"])
    return float(abs(apart) / error)


def _passes(results: Results, name: str) -> str:
    """After which pass the kept weights were, seed by seed."""
    losses = [curves[name]["validation"] for _, curves in sorted(results["curves"].items()) if name in curves]
    found = [int(np.argmin(one)) + 1 if kept(results) == "best" else len(one) for one in losses if one]
    return ", ".join(map(str, found)) or "?"
