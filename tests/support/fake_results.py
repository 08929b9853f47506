"""Results of a run that never was: the shape of results.json, with numbers that a test chooses."""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from kdlab.lm.experiment import PRESETS, Truncation, label
from kdlab.lm.folder import SCHEMA

Pair = tuple[float, float]

TRUNCATED: dict[str, Pair] = {"top-k-50": (-5.0, -5.05), "top-p-0.9": (-5.6, -4.96)}
PATH: dict[float, Pair] = {0.6: (-3.73, -6.51), 0.8: (-5.12, -5.30), 0.9: (-5.72, -5.01), 1.0: (-6.51, -4.93)}
N_TOKENS = 22.0  # per text
# What no test chooses.
FIXED: dict[str, Any] = {
    "schema": SCHEMA, "missing": [], "versions": [], "device": "CPU (x86_64, 2 threads)", "processes": 1,
    "date": "2026-01-31", "stages": [], "curves": {},
    "sizes": {role: {"parameters": n, "flops_per_token": 2.0 * n}
              for role, n in (("truth", 108_567_360), ("teacher", 1_900_000), ("student", 400_000))},
}  # fmt: skip


def path(*pairs: Pair) -> dict[float, Pair]:
    """Students from tau = 1 down by tenths, given as (precision, recall)."""
    return {round(1 - 0.1 * i, 1): pair for i, pair in enumerate(pairs)}


def fake_results(
    path: Mapping[float, Pair] = PATH,
    *,
    direct: Pair | None = (-6.14, -4.58),
    teacher: Pair | None = (-6.12, -4.55),
    ceiling: float | None = -2.83,
    error: float = 0.05,
    over_seeds: float | None = None,
    seeds: int = 1,
    common: float = 0.0,
    n_points: int = 40,
    truncated: Mapping[str, Pair] = {},
) -> dict[str, Any]:
    """Return results with (precision, recall) per token of every model; per sequence all is 22 times as much.

    ``common`` is the correlation of any two recalls. The clouds of the map are exact multiples of p*'s: half of tau.
    """
    taus, cut = tuple(sorted(path)) or (1.0,), tuple(truncated)
    config = asdict(replace(PRESETS["cpu"], taus=taus, seeds=seeds, truncations=cut))
    named: dict[str, tuple[str, float | None, Pair | None]] = {
        "teacher": ("teacher", 1.0, teacher), "direct": ("direct", None, direct),
        **{label(tau): ("distilled", tau, pair) for tau, pair in sorted(path.items())},
        **{name: ("truncated", 1.0, pair) for name, pair in truncated.items()},
    }  # fmt: skip
    how = (error, over_seeds, seeds)
    models = [model(name, role, tau, pair, *how) for name, (role, tau, pair) in named.items() if pair is not None]
    names = [str(one["name"]) for one in models]
    bound = {} if ceiling is None else {"negative_entropy": both(ceiling, 0.02, None, 1)}
    together = (common + (1 - common) * np.eye(len(names))).tolist()
    return deepcopy(FIXED) | {
        "config": {**config, "taus": list(taus), "truncations": list(cut), "objectives": []},
        "seeds": list(range(seeds)),
        "truth": {"name": "bundled", "provenance": {}} | bound,
        "models": models,
        "recalls_together": {"names": names, "token": together, "sequence": together},
        "map": clouds(names, n_points),
        **texts(names, sorted(path)),
    }


def model(name: str, role: str, tau: float | None, pair: Pair, *how: Any) -> dict[str, Any]:
    """One model's entry."""
    cut = {"truncation": Truncation.of(name).settings} if role == "truncated" else {}
    numbers = {what: both(one, *how) for what, one in zip(("precision", "recall"), pair, strict=True)}
    return {"name": name, "role": role, "tau": tau, **cut, "seeds": list(range(how[-1])), **numbers}


def clouds(names: list[str], n_points: int) -> dict[str, Any]:
    """The points of the map: those of p*, and a multiple of them for each model."""
    wide = {"teacher": 0.9, "direct": 0.8, "top-k-50": 0.7, "top-p-0.9": 0.6}
    cloud = np.random.default_rng(0).normal(size=(n_points, 2))
    shares = {name: wide[name] if name in wide else float(name.removeprefix("tau-")) / 2 for name in names}
    return {"truth": cloud.tolist()} | {name: (shares[name] * cloud + [0.5, 0.0]).tolist() for name in names}


def texts(names: list[str], taus: list[float]) -> dict[str, Any]:
    """A few texts of each model, and what each temperature lost."""
    return {
        "texts": {name: [f"One day, a little {animal} met {name}." for animal in ("fox", "hen", "owl", "cat")]
                  for name in ("truth", *names)},
        "lost": [{"tau": tau, "text": f"One day, a little text that τ = {tau:g} lost.", "tokens": 20,
                  "distilled": -9.5, "direct": -5.25, "truth": -3.0} for tau in taus],
    }  # fmt: skip


def both(value: float, error: float, over_seeds: float | None, seeds: int) -> dict[str, Any]:
    """An estimate per token and per sequence."""
    return {
        per: {
            "value": scale * value,
            "over_sequences": scale * error,
            "over_seeds": None if over_seeds is None else scale * over_seeds,
            "by_seed": [scale * value] * seeds,
            "n_sequences": 1024,
        }
        for per, scale in (("token", 1.0), ("sequence", N_TOKENS))
    }
