"""From what lies in a measurement's folder to its results.json, of a run's schema: the same tools read both.

Estimates are per text ("sequence"), per byte, and per token where a model has p*'s tokens.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date
from typing import Any

import numpy as np

from kdlab.core.files import write_json
from kdlab.core.metrics import Estimate
from kdlab.lm.experiment import Truncation
from kdlab.lm.folder import SCHEMA, read_results, settings_told
from kdlab.lm.measurement import KIND
from kdlab.lm.measuring import elsewhere
from kdlab.lm.measuring.opening import Measurement
from kdlab.lm.measuring.reading import in_bytes, scores_of, shares, words_of
from kdlab.lm.measuring.wording import Wording
from kdlab.lm.pipeline import distributed as ranks
from kdlab.lm.pipeline.results import device_told, over_seeds
from kdlab.lm.pipeline.scoring import Scores
from kdlab.lm.report import units

_SHOWN = 8  # sample texts per model


def finish(run: Measurement) -> dict[str, Any]:
    """Write the results, and the report; return the results."""
    gather(run, last=True)
    ranks.wait()
    results = read_results(run.folder)
    if ranks.first():
        from kdlab.lm import plots
        from kdlab.lm.report import measured

        plots.save(results, run.folder)
        measured.save(results, run.folder)
    ranks.wait()
    return results


def gather(run: Measurement, *, last: bool = False) -> None:
    """Write results.json, whole: all that is there so far; at the ``last`` time with what comes from elsewhere."""
    if not ranks.first():
        return
    found: dict[str, dict[str, Scores]] = {"truth": {"own": scores_of(run, "truth", "truth")}}
    words = {"truth": words_of(run, "truth")}
    for name in list(run.models)[1:]:
        try:
            of = {"own": (name, name), "recall": (name, "truth"), "precision": ("truth", name)}
            found[name] = {what: scores_of(run, *pair) for what, pair in of.items()}
            words[name] = words_of(run, name)
        except ValueError:  # not there yet
            found.pop(name, None)
    together = {name: shares(run, name) for name in found}
    if run.config.scores and last:
        for name, own in elsewhere.read(run).items():
            found[name], words[name], together[name] = own.scores, own.words, False
    told = settings_told(run.folder) or {}
    results = {
        "schema": SCHEMA,
        "kind": KIND,
        "config": told["config"],
        "seeds": [0],
        "missing": [name for name in run.models if name not in found],
        "versions": told["versions"],
        "device": device_told(),
        "processes": ranks.world(),
        "date": date.today().isoformat(),
        "truth": _truth(run, found["truth"]["own"], words["truth"]),
        "models": [_model(run, name, found[name], words, together[name]) for name in found if name != "truth"],
        "recalls_together": _together(found, words["truth"], together),
        "texts": {name: own.texts[:_SHOWN] for name, own in words.items()},
        "units": _units(found, words, run),
    }
    write_json(run.folder / "results.json", json.loads(json.dumps(results)), ensure_ascii=False)


def _per(scores: Scores, words: Wording, tokens: bool) -> dict[str, Any]:
    """Mean nats per token (where tokens are the same), per text, and per byte."""
    each: dict[str, Estimate] = {"token": scores.per_token()} if tokens and scores.tokens.all() else {}
    each |= {"sequence": scores.per_sequence(), "byte": in_bytes(scores, words).per_token()}
    return {per: over_seeds([one]) for per, one in each.items()}


def _about(run: Measurement, name: str, words: Wording) -> dict[str, Any]:
    known = dict(run.models[name].about) if name in run.models else {"name": name, "source": run.config.scores}
    for private in ("weights", "tokens"):
        known.pop(private, None)
    return known | {
        "cut_short": round(float(1 - words.ended.mean()), 4),
        "spelt_as_read": round(float(words.spelt.mean()), 4),
        "bytes_per_text": round(float(words.bytes.mean()), 2),
    }


def _truth(run: Measurement, own: Scores, words: Wording) -> dict[str, Any]:
    return _about(run, "truth", words) | {"negative_entropy": _per(own, words, True)}


def _model(
    run: Measurement, name: str, found: Mapping[str, Scores], words: Mapping[str, Wording], same: bool
) -> dict[str, Any]:
    """One model's two numbers, and its own entropy, with what is known of it."""
    config, own = run.config, {"own": words[name], "precision": words[name], "recall": words["truth"]}
    numbers = {what: _per(scores, own[what], same or what == "own") for what, scores in found.items()}
    entropy = {"negative_entropy": numbers.pop("own")} if "own" in numbers else {}
    cut = {"truncation": Truncation.of(config.truncation).settings} if config.truncation else {}
    role = name if name in ("teacher", "direct") else "distilled"
    return (
        {"name": name, "role": role, "tau": config.tau, "seeds": [0], "tokens_shared": same}
        | cut | numbers | entropy | {"about": _about(run, name, words[name])}
    )  # fmt: skip


def _together(found: Mapping[str, Mapping[str, Scores]], words: Wording, same: Mapping[str, bool]) -> dict[str, Any]:
    """How recalls err together, as all are of the same texts: correlations of their errors, by name."""
    names = [name for name, one in found.items() if "recall" in one]
    if not names:
        return {"names": [], "token": [], "sequence": [], "byte": []}
    rows = {
        "token": [found[name]["recall"].residuals("token") for name in names],
        "sequence": [found[name]["recall"].residuals("sequence") for name in names],
        "byte": [in_bytes(found[name]["recall"], words).residuals("token") for name in names],
    }
    with np.errstate(invalid="ignore"):  # of rows without any spread
        return {"names": names} | {
            per: np.nan_to_num(np.atleast_2d(np.corrcoef(own))).round(6).tolist() for per, own in rows.items()
        }


def _units(found: Mapping[str, Mapping[str, Scores]], words: Mapping[str, Wording], run: Measurement) -> dict[str, Any]:
    """Practitioners' units that were asked for, of p*'s hidden states of texts, and of first words."""
    also = set(run.config.also)
    states = found["truth"]["own"].states
    if not also or states is None and also != {"distinct"}:
        return {}
    n, told = run.config.texts // 2 if states is None else len(states) // 2, dict[str, Any]()
    for name, one in found.items():
        texts = words[name].texts[n : 2 * n] if name == "truth" else words[name].texts[:n]
        if states is None:
            told[name] = [units.openings(texts)]
        elif name == "truth":
            told[name] = [units.compared(np.asarray(states[:n], float), np.asarray(states[n:], float), texts)]
        elif (own := one["precision"].states) is not None and len(own) >= n:
            told[name] = [units.compared(np.asarray(states[:n], float), np.asarray(own[:n], float), texts)]
    wanted = {"distinct": ("openings",), "knn": ("precision", "recall"), "vendi": ("vendi",)}
    kept = [what for one in also for what in wanted[one]]
    models = {name: [{what: one[what] for what in kept if what in one} for one in each] for name, each in told.items()}
    return {"texts": n, "models": models} if n >= units.FEWEST else {}
