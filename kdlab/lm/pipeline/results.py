"""From what lies in a run's folder to results.json: precision and recall of every model so far, and what to show of it.

Valid at any moment: whatever is not there yet is left out, and named.
"""

from __future__ import annotations

import json
import math
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any, Literal

import numpy as np
import torch

from kdlab.core.files import written_whole
from kdlab.core.metrics import Estimate, precision, recall
from kdlab.lm.experiment import label
from kdlab.lm.folder import SCHEMA, read_log, read_results, totals
from kdlab.lm.pipeline import distributed as ranks
from kdlab.lm.pipeline.corpus import Sequences
from kdlab.lm.pipeline.run import Run, read_scores, scores_path, told
from kdlab.lm.pipeline.scoring import Scores
from kdlab.lm.sizes import Size, flops_per_token, parameters, size_named

__all__ = ["Scored", "estimates", "gather"]

Per = Literal["token", "sequence"]
_SHOWN = 6  # sample texts per model
_LOST = 5  # texts of p* per student that it lost most of


@dataclass(frozen=True)
class Scored:
    """What is left of a model once its texts are scored: enough for `kdlab.core.metrics.precision` and `recall`.

    ``under`` holds the scores of its own texts under other models, by their names. `kdlab.lm.pipeline.scoring.Recorded`
    is the model itself; the two give the same numbers.
    """

    name: str
    under: Mapping[str, Scores]
    per: Per

    def expected_log_prob(self, of: Scored, rng: Any = None) -> Estimate:
        """E_{x ~ self} [ log of(x) ], nats."""
        scores = self.under[of.name]
        return scores.per_token() if self.per == "token" else scores.per_sequence()

    def sample(self, n: int, rng: Any) -> Any:
        """Raise: the model itself is not here."""
        raise TypeError(f"{self.name} is here by its scores only: load the model to draw from it")

    def log_prob(self, x: Any) -> Any:
        """Raise: the model itself is not here."""
        raise TypeError(f"{self.name} is here by its scores only: load the model to score with it")


def estimates(name: str, scores: Mapping[str, Scores], per: Per) -> tuple[Estimate, Estimate]:
    """Precision and recall of a model, from its ``scores`` "precision" and "recall"."""
    student = Scored(name, {"truth": scores["precision"]}, per)
    truth = Scored("truth", {name: scores["recall"]}, per)
    return precision(student, truth), recall(student, truth)


def gather(run: Run) -> None:
    """Write results.json, whole; leave it alone where nothing but the day, the machine or the processes are new."""
    if not ranks.first():
        return
    path, found = run.folder / "results.json", json.loads(json.dumps(_found(run)))
    try:
        before = read_results(run.folder)
    except ValueError:
        before = {}
    circumstances = {"date": "", "device": "", "processes": 0}
    if {**found, **circumstances} != {**before, **circumstances}:
        with written_whole(path) as temporary:
            temporary.write_text(json.dumps(found, ensure_ascii=False) + "\n", encoding="utf-8")


def _found(run: Run) -> dict[str, Any]:
    seeds = range(run.config.seeds)
    scores = {(seed, name): read_scores(scores_path(run, seed, name)) for seed in seeds for name in run.models(seed)}
    there = {key: one for key, one in scores.items() if one is not None and run.trained(*key)}
    missing = {seed: [name for name in run.models(seed) if (seed, name) not in there] for seed in seeds}
    return {
        "schema": SCHEMA,
        "config": asdict(run.config),
        "seeds": [seed for seed in seeds if not missing[seed]],
        "missing": [f"seed {seed}: {', '.join(names)}" for seed, names in missing.items() if names],
        "versions": json.loads((run.folder / "run.json").read_text(encoding="utf-8"))["versions"],
        "device": _device(),
        "processes": ranks.world(),
        "date": date.today().isoformat(),
        "truth": _truth(run),
        "sizes": _sizes(run),
        "stages": totals(read_log(run.folder)),
        "curves": _curves(run),
        "models": [model for name in run.models(0) if (model := _model(run, name, there)) is not None],
        "recalls_together": _together(run, there),
        **_examples(run, there),
    }


def _device() -> str:
    device = ranks.device()
    if device.type == "cuda":
        name = torch.cuda.get_device_name(device)
        return f"{name} (texts in float16, training in bfloat16, scores in TensorFloat-32)"
    return f"CPU ({platform.machine()}, {torch.get_num_threads()} threads)"


def _truth(run: Run) -> dict[str, Any]:
    """Who p* is, and minus its entropy: what it scores on texts of its own."""
    about: dict[str, Any] = {"name": run.truth.name, "provenance": dict(run.truth.provenance)}
    scores = read_scores(scores_path(run, 0, "truth"))
    if scores is not None:
        pairs: list[Per] = ["token", "sequence"]
        about["negative_entropy"] = {per: _over([estimates("truth", scores, per)[1]]) for per in pairs}
    return about


def _sizes(run: Run) -> dict[str, Any]:
    config, vocabulary = run.truth.model.config, run.truth.vocabulary
    whole = Size(
        "p*",
        config.hidden_size,
        config.num_hidden_layers,
        config.num_attention_heads,
        config.num_key_value_heads,
        config.intermediate_size,
    )
    shapes = {"truth": whole, "teacher": size_named(run.config.teacher), "student": size_named(run.config.student)}
    return {
        role: {
            "parameters": parameters(size, vocabulary),
            "flops_per_token": flops_per_token(size, vocabulary, run.config.length),
        }
        for role, size in shapes.items()
    }


def _curves(run: Run) -> dict[str, dict[str, Any]]:
    """Loss curves, by seed and model."""
    return {
        str(seed): {name: about["curve"] for name in run.models(seed) if (about := run.trained(seed, name))}
        for seed in range(run.config.seeds)
    }


def _model(run: Run, name: str, there: Mapping[tuple[int, str], Mapping[str, Scores]]) -> dict[str, Any] | None:
    """Precision and recall of one model, over the seeds that have it."""
    own = [(seed, scores) for (seed, model), scores in there.items() if model == name]
    if not own:
        return None
    tau = {label(tau): tau for tau in run.config.taus} | {"teacher": 1.0, "direct": None}
    numbers: dict[str, Any] = {"precision": {}, "recall": {}}
    pairs: list[Per] = ["token", "sequence"]
    for per in pairs:
        both = [estimates(name, scores, per) for _, scores in own]
        numbers["precision"][per], numbers["recall"][per] = (_over(column) for column in zip(*both, strict=True))
    role = name if name in ("teacher", "direct") else "distilled"
    return {"name": name, "role": role, "tau": tau[name], "seeds": [seed for seed, _ in own], **numbers}


def _over(found: Sequence[Estimate]) -> dict[str, Any]:
    """The mean over seeds; its standard error over sequences (their mean) and over seeds (None for one seed)."""
    values = np.array([one.value for one in found])
    several = len(values) > 1
    return {
        "value": float(values.mean()),
        "over_sequences": float(np.mean([one.standard_error for one in found])),
        "over_seeds": float(values.std(ddof=1)) / math.sqrt(len(values)) if several else None,
        "by_seed": values.tolist(),
        "n_sequences": found[0].n_samples,
    }


def _together(run: Run, there: Mapping[tuple[int, str], Mapping[str, Scores]]) -> dict[str, Any]:
    """How the recalls of seed 0 err together, since all are measured on the same texts: correlations of their errors.

    ``names`` (M,), and (M, M) for "token" and "sequence". With them the error of a difference of two recalls follows.
    """
    own = {name: there[0, name]["recall"] for name in run.models(0) if (0, name) in there}
    if not own:
        return {"names": [], "token": [], "sequence": []}
    rows = {
        "token": [one.nats - one.nats.sum() / one.tokens.sum() * one.tokens for one in own.values()],
        "sequence": [one.nats for one in own.values()],
    }
    return {"names": list(own), **{per: np.atleast_2d(np.corrcoef(of)).round(6).tolist() for per, of in rows.items()}}


def _examples(run: Run, there: Mapping[tuple[int, str], Mapping[str, Scores]]) -> dict[str, Any]:
    """Texts of seed 0: some of every model, those of p* that its students lost, and the map of samples."""
    names = [name for name in run.models(0) if (0, name) in there]
    try:
        written = run.texts("evaluation") if names else None
        own = {name: run.samples(0, name).read(_SHOWN) for name in names}
    except ValueError:  # a damaged shard: the stage that made it will say so, and make it again
        written = None
    if written is None:
        return {"texts": {}, "lost": [], "map": {}}
    texts = {name: _read(run, some) for name, some in {"truth": written[:_SHOWN], **own}.items()}
    points = told(run.folder / "seed-0" / "map.json").get("points", {})
    return {"texts": texts, "lost": _lost(run, written, names, there), "map": points}


def _lost(
    run: Run, written: Sequences, names: Sequence[str], there: Mapping[tuple[int, str], Mapping[str, Scores]]
) -> list[dict[str, Any]]:
    """For each distilled student, the texts of p* on which it falls farthest behind the direct one, per token."""
    truth = read_scores(scores_path(run, 0, "truth"))
    if "direct" not in names or truth is None:
        return []
    tokens = written.counts
    direct, under = there[0, "direct"]["recall"].nats / tokens, truth["recall"].nats / tokens
    at_one = there[0, label(1.0)]["recall"].nats / tokens if label(1.0) in names else None
    found = []
    for tau in run.config.taus:
        if label(tau) in names:
            own = there[0, label(tau)]["recall"].nats / tokens
            worst = np.argsort(own - direct, kind="stable")[:_LOST]
            texts = _read(run, written[worst])
            found += [
                {
                    "tau": tau,
                    "text": text,
                    "tokens": int(tokens[i]),
                    "distilled": float(own[i]),
                    "direct": float(direct[i]),
                    "truth": float(under[i]),
                    "at_one": None if at_one is None else float(at_one[i]),
                }
                for i, text in zip(worst, texts, strict=True)
            ]
    return found


def _read(run: Run, some: Sequences) -> list[str]:
    return some.texts(run.truth.decode)
