"""From what lies in a run's folder to results.json: precision and recall of every model so far, and what to show of it.

`stages` calls `gather` after each stage. What it writes is valid at any moment: whatever is not there yet is left out,
and named. It is made from the files alone, so a run that goes on, or has long ended, gives the same.
"""

import json
import math
import platform
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import numpy as np
import torch

from kdlab.core.files import read_object, write_json
from kdlab.core.metrics import Estimate
from kdlab.lm.experiment import OBJECTIVES, Truncation, label
from kdlab.lm.folder import SCHEMA, read_log, read_results, totals
from kdlab.lm.pipeline import distributed as ranks
from kdlab.lm.pipeline.corpus import Sequences
from kdlab.lm.pipeline.run import Run, attempts_path, read_scores, scores_path, states_path
from kdlab.lm.pipeline.scoring import Per, Scores
from kdlab.lm.report import units
from kdlab.lm.report.attempts import gathered
from kdlab.lm.sizes import Size, flops_per_token, parameters, size_named

Found = Mapping[tuple[int, str], Mapping[str, Scores]]  # by seed and model: the scores "precision" and "recall"

_PER: tuple[Per, ...] = ("token", "sequence")
_SHOWN = 6  # sample texts per model
_LOST = 5  # texts of p* per student that it lost most of


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
        write_json(path, found, ensure_ascii=False)


def _found(run: Run) -> dict[str, Any]:
    seeds = range(run.config.seeds)
    scores = {(seed, name): read_scores(scores_path(run, seed, name)) for seed in seeds for name in run.models(seed)}
    there = {key: one for key, one in scores.items() if one is not None and run.trained(*key)}
    told = json.loads((run.folder / "run.json").read_text(encoding="utf-8"))
    missing = {seed: [name for name in run.models(seed) if (seed, name) not in there] for seed in seeds}
    return {
        "schema": SCHEMA,
        "config": told["config"],
        "seeds": [seed for seed in seeds if not missing[seed]],
        "missing": [f"seed {seed}: {', '.join(names)}" for seed, names in missing.items() if names],
        "versions": told["versions"],
        "device": device_told(),
        "processes": ranks.world(),
        "date": date.today().isoformat(),
        "truth": _truth(run),
        "sizes": _sizes(run),
        "stages": totals(read_log(run.folder)),
        "curves": {
            str(seed): {name: about["curve"] for name in run.models(seed) if (about := run.trained(seed, name))}
            for seed in seeds
        },
        "models": [model for name in run.models(0) if (model := _model(run, name, there)) is not None],
        "recalls_together": _together(run, there),
        **_examples(run, there),
        **_tries(run),
        "units": _units(run),
    }


def device_told() -> str:
    """What this process computes on, and in which precision."""
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
        about["negative_entropy"] = {per: over_seeds([scores["recall"].per(per)]) for per in _PER}
    return about


def _sizes(run: Run) -> dict[str, Any]:
    vocabulary, length = run.truth.vocabulary, run.config.length
    sizes = {"teacher": size_named(run.config.teacher), "student": size_named(run.config.student)}
    if run.truth.model.config.model_type == "llama":
        shape = run.truth.model.config
        heads = (shape.num_attention_heads, shape.num_key_value_heads)
        sizes |= {"truth": Size("p*", shape.hidden_size, shape.num_hidden_layers, *heads, shape.intermediate_size)}
    told = {
        role: {
            "parameters": parameters(size, vocabulary),
            "flops_per_token": flops_per_token(size, vocabulary, length),
        }
        for role, size in sizes.items()
    }
    n = sum(weight.numel() for weight in run.truth.model.parameters())  # of another shape: two operations per weight
    return {"truth": {"parameters": n, "flops_per_token": 2.0 * n}} | told


# Precision and recall


def _model(run: Run, name: str, there: Found) -> dict[str, Any] | None:
    """Precision and recall of one model, over the seeds that have it."""
    own = {seed: scores for (seed, model), scores in there.items() if model == name}
    if not own:
        return None
    tau = {label(tau): tau for tau in run.config.taus} | {"direct": None}  # the others: 1
    numbers = {
        what: {per: over_seeds([scores[what].per(per) for scores in own.values()], what == "recall") for per in _PER}
        for what in ("precision", "recall")
    }
    cut = {"truncation": Truncation.of(name).settings} if name in run.config.truncations else {}
    role = name if name in ("teacher", "direct") else "truncated" if cut else "distilled"
    role = "objective" if name in OBJECTIVES else role
    cost = {"flops": _flops(run, name, list(own))} if role != "teacher" else {}
    return {"name": name, "role": role, "tau": tau.get(name, 1.0), **cut, "seeds": list(own), **numbers, **cost}


def _flops(run: Run, name: str, seeds: Sequence[int]) -> float:
    """Operations that a student took, on average over seeds: its training, and what its teacher wrote or read for it.

    A step of training takes three forward passes. What the teacher's own training took is the same for all.
    """
    student, teacher = (
        flops_per_token(size_named(size), run.truth.vocabulary, run.config.length)
        for size in (run.config.student, run.config.teacher)
    )
    tokens = float(np.mean([run.trained(seed, name)["curve"]["tokens"] for seed in seeds]))
    whose = OBJECTIVES.get(name, (None, None))[1]
    writes = {"student": student}.get(str(whose), teacher if name in OBJECTIVES and run.config.on == "teacher" else 0.0)
    hears = 0.0 if name == "direct" else teacher
    return tokens * (3 * student + hears + writes)


def over_seeds(found: Sequence[Estimate], same_texts: bool = True) -> dict[str, Any]:
    """The mean over seeds; its standard error over sequences and over seeds (None for one seed).

    Where each seed has texts of its own, their errors partly cancel in the mean.
    """
    values, errors = (np.array([getattr(one, name) for one in found]) for name in ("value", "standard_error"))
    several = len(values) > 1
    over_sequences = errors.mean() if same_texts else np.sqrt((errors**2).sum()) / len(errors)
    return {
        "value": float(values.mean()),
        "over_sequences": float(over_sequences),
        "over_seeds": float(values.std(ddof=1)) / math.sqrt(len(values)) if several else None,
        "by_seed": values.tolist(),
        "n_sequences": found[0].n_samples,
    }


def _together(run: Run, there: Found) -> dict[str, Any]:
    """How the recalls of seed 0 err together, since all are measured on the same texts: correlations of their errors.

    ``names`` (M,), and (M, M) for "token" and "sequence". With them the error of a difference of two recalls follows.
    """
    own = {name: there[0, name]["recall"] for name in run.models(0) if (0, name) in there}
    if not own:
        return {"names": [], "token": [], "sequence": []}
    rows = {per: [one.residuals(per) for one in own.values()] for per in _PER}
    return {"names": list(own), **{per: np.atleast_2d(np.corrcoef(of)).round(6).tolist() for per, of in rows.items()}}


# Texts


def _examples(run: Run, there: Found) -> dict[str, Any]:
    """Texts of seed 0: some of every model, those of p* that its students lost, and the map of samples."""
    names = [name for name in run.models(0) if (0, name) in there]
    try:
        written = run.texts("evaluation") if names else None
        own = {name: run.samples(0, name).read(_SHOWN) for name in names}
    except ValueError:  # a damaged shard: the stage that made it will say so, and make it again
        written = None
    if written is None:
        return {"texts": {}, "lost": [], "map": {}}
    texts = {name: _shown(run, some) for name, some in {"truth": written[:_SHOWN], **own}.items()}
    points = read_object(states_path(run, 0)).get("points", {})
    return {"texts": texts, "lost": _lost(run, written, there), "map": points}


def _shown(run: Run, some: Sequences, which: Sequence[int] | None = None) -> list[str]:
    """Texts as they are shown: answers after their instructions; ``which`` they are, if not the first."""
    texts, begun = some.texts(run.truth.decode), run.begun
    if isinstance(begun, str):
        return texts
    places = range(len(texts)) if which is None else which
    return [f"{begun[i % len(begun)]} → {text}" for i, text in zip(places, texts, strict=True)]


def _lost(run: Run, written: Sequences, there: Found) -> list[dict[str, Any]]:
    """For each distilled student, the texts of p* on which it falls farthest behind the direct one, per token."""
    truth = read_scores(scores_path(run, 0, "truth"))
    if (0, "direct") not in there or truth is None:
        return []
    scores = {name: scores for (seed, name), scores in there.items() if seed == 0} | {"truth": truth}
    under = {name: scores[name]["recall"].nats / written.counts for name in scores}
    found = []
    for tau in run.config.taus:
        if label(tau) in under:
            worst = np.argsort(under[label(tau)] - under["direct"], kind="stable")[:_LOST]
            whose = {"distilled": label(tau), "direct": "direct", "truth": "truth", "at_one": label(1.0)}
            for i, text in zip(worst, _shown(run, written[worst], worst.tolist()), strict=True):
                nats = {what: float(under[name][i]) if name in under else None for what, name in whose.items()}
                found.append({"tau": tau, "text": text, "tokens": int(written.counts[i]), **nats})
    return found


# Instructions


def _tries(run: Run) -> dict[str, Any]:
    """The instructions of a run that has some, and what comes of asking each model several times."""
    if isinstance(run.begun, str):
        return {}
    by_seed = [read_object(attempts_path(run, seed)) for seed in range(run.config.seeds)]
    found = [one for one in by_seed if one.get("models")]
    about = {name: found[0][name] for name in ("words", "tries", "answers")} if found else {}
    each = {name: gathered([one["models"][name] for one in found]) for name in (found[0]["models"] if found else ())}
    return {"instructions": run.begun, "attempts": {**about, "models": each}}


def _units(run: Run) -> dict[str, Any]:
    """What hidden states said of each seed's models, as far as they have been read."""
    by_seed = [read_object(states_path(run, seed)).get("units", {}) for seed in range(run.config.seeds)]
    return units.together([one for one in by_seed if one.get("models")])
