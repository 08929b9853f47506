"""Record what notebooks 05 and 07 show, so that they open in seconds, with neither PyTorch nor weights.

    python notebooks/record.py use            which tokens p* uses most, for smaller vocabularies: minutes; first of all
    python notebooks/record.py answers        the same in its answers to the bundled instructions: some ten minutes
    python notebooks/record.py smollm2        for 05: minutes; needs `make lm` and `kdlab fetch smollm2`
    python notebooks/record.py smollm2 --only sampler   this part alone; the others stay as they are in the file
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
from collections.abc import Callable, Sequence
from datetime import date
from importlib import metadata
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import softmax
from torch import Tensor

from kdlab.core.files import written_whole
from kdlab.core.sweep import tau_positions
from kdlab.lm.experiment import BUNDLED, read_instructions
from kdlab.lm.folder import read_results, recorded_folder
from kdlab.lm.next_token import next_token_sweep
from kdlab.lm.pipeline.corpus import Prompts, generator
from kdlab.lm.pipeline.reading import read, surprises
from kdlab.lm.pipeline.sampling import next_token_logits, sample
from kdlab.lm.pipeline.scoring import mean_probabilities
from kdlab.lm.pipeline.truth import ANSWERS, USE, Truth, load_truth
from kdlab.lm.recording import FILE, SCHEMA

Json = dict[str, Any]
FloatArray = NDArray[np.float64]

SEED = 2
KEPT = 4096  # tokens of the restricted vocabulary: that of the preset `cpu`
WRITTEN_AFTER, LENGTH, SHOWN, SCORED, COUNTED = "One day, a little", 32, 5, 256, 1024
ANSWERED, ANSWER = 16, 32  # answers to each instruction that are counted, and tokens of each
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
STEP, NAMED = "My favorite color is", 6  # one step for a picture, and its tokens that have a bar of their own
TAUS = np.linspace(0.5, 1, 21)
TOP_K, TOP_P = 50, 0.95  # 50 is what `generate` of transformers takes unless told otherwise: a test asks it
RECORDED = recorded_folder()


def main(argv: Sequence[str] | None = None, folder: Path = RECORDED) -> int:
    """Record SmolLM2, or a run, and write the file, whole."""
    parser = argparse.ArgumentParser(description="Record what notebooks 05 and 07 show.")
    which = parser.add_subparsers(dest="what", required=True)
    which.add_parser("use", help="how much SmolLM2 uses each token, for smaller vocabularies")
    which.add_parser("answers", help="how much it uses each in answers to instructions")
    of_smollm2 = which.add_parser("smollm2", help="for notebook 05")
    of_smollm2.add_argument("--only", choices=PARTS, help="make this part, and keep the others of the file")
    of_a_run = which.add_parser("run", help="for notebook 07")
    of_a_run.add_argument("run", type=Path, help="the folder of a finished run")
    of_a_run.add_argument("--name", help="what it is called in kdlab/data/recorded; else the name of its preset")
    asked = parser.parse_args(argv)
    try:
        if asked.what == "run":
            path = _run(asked.run, folder, asked.name)
        elif asked.what == "smollm2":
            path = _smollm2(folder / "smollm2" / FILE, asked.only)
        else:
            path = _use(folder / "smollm2" / (USE if asked.what == "use" else ANSWERS), asked.what == "answers")
    except ValueError as error:
        print(f"record: {error}", file=sys.stderr)
        return 1
    print(f"{path}: {path.stat().st_size / 1000:.0f} kB")
    return 0


def _run(run: Path, folder: Path, name: str | None) -> Path:
    """Keep a run's results under a name."""
    results = read_results(run)
    done, wanted = len(results["seeds"]), results["config"].get("seeds", 1)  # a measurement has one
    if results["missing"] or done < wanted:
        raise ValueError(
            f"{run} is not finished ({done} of {wanted} seeds; not scored: {results['missing'] or 'nothing'}): "
            "give its command again, and record it then"
        )
    path = folder / (name or results["config"].get("preset", run.name)) / "results.json"
    with written_whole(path) as temporary:
        temporary.write_bytes((run / "results.json").read_bytes())
    return path


def _use(path: Path, answers: bool) -> Path:
    """How probable each token is as the next of p*'s texts, on average: of some to choose by, of others to tell.

    Of stories, or of ``answers`` to instructions.
    """
    truth, found = load_truth("bundled"), {}
    ids: Prompts = truth.encode(WRITTEN_AFTER)
    n, length, purpose = COUNTED, LENGTH, "use of tokens"
    if answers:
        ids = [truth.encode(truth.asked(one)) for one in read_instructions(BUNDLED)]
        n, length, purpose = ANSWERED * len(ids), ANSWER + max(map(len, ids)), "use of tokens in answers"
    for name, rng in (("use", generator(SEED, purpose)), ("told", generator(SEED, purpose, "told"))):
        texts = sample(truth.model, ids, n, length=length, eos=truth.ends, rng=rng)
        found[name] = mean_probabilities(truth.model, texts).astype(np.float32)
    with written_whole(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, **found)
    return path


def _smollm2(path: Path, only: str | None) -> Path:
    torch.set_num_threads(1)  # sums in one order, whatever the machine
    made = recorded(_kept(path, only))
    made["about"]["date"] = _date(path, made)
    with written_whole(path) as temporary:
        temporary.write_text(json.dumps(made, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    return path


def _kept(path: Path, only: str | None) -> Json:
    """The parts of the file that stay: all but one, or none. ValueError where they would not fit the new one."""
    if only is None:
        return {}
    there = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    missing = sorted(PARTS.keys() - {only} - there.keys())
    made_with, here = there.get("about", {}).get("versions"), _versions()
    if missing or made_with != here:
        why = f"has no {', '.join(missing)}" if missing else f"was made with {made_with}, and here is {here}"
        raise ValueError(f"{path} {why}: leave out --only, and record all parts")
    return {part: there[part] for part in PARTS if part != only}


def recorded(kept: Json) -> Json:
    """All of it, as plain values: first with the whole vocabulary, then with 4,096 tokens of it."""
    truth = load_truth("bundled")
    made: Json = {"schema": SCHEMA, "about": _about(truth)}
    for part, make in PARTS.items():
        made[part] = kept[part] if part in kept else make(truth)
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
        "versions": _versions(),
        "seed": SEED,
        "command": "python notebooks/record.py smollm2",
    }


def _versions() -> dict[str, str]:
    return {name: metadata.version(name) for name in ("kdlab", "torch", "transformers", "tokenizers")}


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
    """What fewer tokens leave of p*: one step with numbers, texts, and the entropy rate two ways."""
    logits = next_token_logits(whole.model, whole.encode(RESTRICTED)).astype(float)
    everything, order = softmax(logits), (-logits).argsort(kind="stable")[:12]
    truth = load_truth("bundled", vocabulary=KEPT, prompt=WRITTEN_AFTER)
    kept = dict(
        zip(truth.kept, softmax(next_token_logits(truth.model, truth.encode(RESTRICTED)).astype(float)), strict=True)
    )
    step = {
        "prompt": RESTRICTED,
        "tokens": whole.pieces(order.tolist()),
        "ids": order.tolist(),
        "whole": [round(float(p), 9) for p in everything[order]],
        "kept": [round(float(kept[i]), 9) if i in kept else None for i in order.tolist()],
        "mass": round(float(everything[list(kept)].sum()), 9),
    }
    with np.load(RECORDED / "smollm2" / USE) as data:
        first = round(float(data["told"][:KEPT].sum(dtype=float)), 4)
    mass = {"most_used": truth.provenance["mass"], "first": first}
    return {"vocabulary": KEPT, "mass": mass, "step": step, "written": _written(truth), **_own(truth, whole)}


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
        plain = truth.named(i for i in own if i != truth.eos)
        second = whole.encode(truth.decode(own))
        again.append({"before": plain, "after": second})
    changed = [one for one in again if one["before"] != one["after"]]
    outside = [one for one in changed if not set(one["after"]) <= set(truth.kept)]
    example = min(outside, key=lambda one: len(one["before"]))
    return {
        "own": {"prompt": WRITTEN_AFTER, "nats": nats, "entropies": entropies, "tokens": drawn.counts.tolist()},
        "cut_again": {
            "texts": len(again),
            "changed": len(changed),
            "outside": len(outside),
            "before": _cut(whole, example["before"]),
            "after": _cut(whole, example["after"]),
        },
    }


# What a sampler does to p*, step by step


def _sampler(truth: Truth) -> Json:
    """Steps of p*'s own texts as they are, tempered, and cut to the likeliest tokens."""
    drawn = sample(
        truth.model,
        truth.encode(WRITTEN_AFTER),
        SCORED,
        length=LENGTH,
        eos=truth.eos,
        rng=generator(SEED, "sampler"),
    )
    texts = [row[:length].tolist() for row, length in zip(drawn.ids, drawn.lengths, strict=True)]
    found = [samplers(_log_p(truth, ids, drawn.prompt), ids[drawn.prompt :]) for ids in texts]
    sums = {name: np.array([one[name] for one in found]) for name in found[0]}
    return {
        "prompt": WRITTEN_AFTER,
        "texts": len(texts),
        "tokens": int(drawn.counts.sum()),
        "taus": TAUS.round(3).tolist(),
        "entropies": _rates(sums["entropies"], drawn.counts),
        "nats": _rates(sums["nats"], drawn.counts),
        "cuts": [_as_selective(sums, drawn.counts, i) for i in range(2)],
        "step": _step(truth),
    }


@torch.inference_mode()
def _log_p(truth: Truth, ids: Sequence[int], given: int) -> Tensor:
    """(T, V): log-probabilities of what may come at each step after the first ``given`` tokens."""
    logits = truth.model(torch.tensor([list(ids)])).logits[0, given - 1 : -1]
    return torch.log_softmax(logits.double(), dim=-1)


def samplers(log_p: Tensor, said: Sequence[int]) -> Json:
    """Sums over the steps of one text, (T, V) and (T,): at each of TAUS, and for each of the two cuts."""
    own = torch.tensor(said)[:, None]
    tempered = [_tempered(log_p, own, tau) for tau in TAUS.tolist()]
    ranked, order = log_p.exp().sort(dim=-1, descending=True, stable=True)
    place = (order == own).nonzero()[:, 1]
    found: Json = {"entropies": [one for one, _ in tempered], "nats": [one for _, one in tempered]}
    kept = _kept_of(ranked)
    within = [torch.arange(ranked.shape[1]) < k[:, None] for k in kept]
    masses = [(ranked * inside).sum(dim=-1, keepdim=True) for inside in within]
    found["cut"] = [float(_entropy(ranked * w / mass).sum()) for w, mass in zip(within, masses, strict=True)]
    found["mass"] = [float((1 - mass).sum()) for mass in masses]
    found["inside"] = [bool((place < k).all()) for k in kept]
    found["kept"] = [int(k.sum()) for k in kept]
    return found


def _tempered(log_p: Tensor, own: Tensor, tau: float) -> tuple[float, float]:
    """At ``tau``, summed over steps: the entropies, and -log p of the ``own`` tokens (T, 1)."""
    powers = (log_p / tau).exp_()  # no power is above 1, and the likeliest of a step is far from 0
    total = powers.sum(dim=-1)
    mean = torch.linalg.vecdot(powers, log_p) / total
    return float((total.log() - mean / tau).sum()), float((total.log() - log_p.gather(1, own)[:, 0] / tau).sum())


def _kept_of(ranked: Tensor) -> tuple[Tensor, Tensor]:
    """How many of the likeliest tokens stay at each step (T,): TOP_K, and the fewest that have TOP_P together."""
    fewest = (ranked.cumsum(dim=-1) < TOP_P).sum(dim=-1) + 1
    return torch.full_like(fewest, TOP_K), fewest


def _entropy(p: Tensor) -> Tensor:
    """The entropy of each row, nats."""
    return torch.special.entr(p).sum(dim=-1)


def _rates(sums: FloatArray, counts: FloatArray) -> list[list[float]]:
    """Means per token and their standard errors over texts, a pair for each column of sums per text (N, P)."""
    rates = sums.sum(axis=0) / counts.sum()
    errors = (sums - counts[:, None] * rates).std(axis=0, ddof=1) / np.sqrt(len(sums)) / counts.mean()
    return [[round(float(one), 6) for one in pair] for pair in zip(rates, errors, strict=True)]


def _as_selective(sums: dict[str, FloatArray], counts: FloatArray, i: int) -> Json:
    """What cut ``i`` does, and the temperature that leaves as much entropy: on a straight line between two of TAUS."""
    cut, tempered = sums["cut"][:, i], sums["entropies"]
    rates = tempered.sum(axis=0)
    k = int(np.searchsorted(rates, cut.sum()))
    share = (cut.sum() - rates[k - 1]) / (rates[k] - rates[k - 1])
    between = (1 - share) * tempered[:, k - 1] + share * tempered[:, k]
    slope = (rates[k] - rates[k - 1]) / counts.sum() / (TAUS[k] - TAUS[k - 1])
    ((_, error),) = _rates((cut - between)[:, None], counts)  # of the two on the same texts
    (entropy,), (mass,) = (_rates(sums[name][:, [i]], counts) for name in ("cut", "mass"))
    return {
        "name": (f"top-k {TOP_K}", f"top-p {TOP_P}")[i],
        "entropy": entropy,
        "mass": mass,
        "tau": [round(float(TAUS[k - 1] + share * (TAUS[k] - TAUS[k - 1])), 6), round(error / slope, 6)],
        "kept": round(float(sums["kept"][:, i].sum() / counts.sum()), 2),
        "inside": int(sums["inside"][:, i].sum()),
    }


def _step(truth: Truth) -> Json:
    """One step as it is, cut twice, and at the tau at which it has the entropy of the first cut."""
    log_p = torch.from_numpy(next_token_logits(truth.model, truth.encode(STEP))).double().log_softmax(dim=-1)
    ranked, order = log_p.exp().sort(descending=True, stable=True)
    kept = [int(one[0]) for one in _kept_of(ranked[None])]
    cut = [torch.where(torch.arange(len(ranked)) < k, ranked, 0.0) / ranked[:k].sum() for k in kept]
    tempered = lambda tau: torch.softmax(ranked.log() / tau, dim=-1)  # noqa: E731
    tau = brentq(lambda tau: float(_entropy(tempered(tau)) - _entropy(cut[0])), 0.3, 1.0)
    names = ("p* as it is", f"top-k {TOP_K}", f"top-p {TOP_P}", f"τ = {tau:.2f}")
    edges = [*range(NAMED + 1), *sorted(kept), len(ranked)]
    return {
        "prompt": STEP,
        "tokens": truth.pieces(order[:NAMED].tolist()),
        "edges": edges[NAMED:],
        "samplers": [
            {
                "name": name,
                "entropy": round(float(_entropy(p)), 6),
                "kept": int((p > 0).sum()),
                "shares": [round(float(p[one:other].sum()), 9) for one, other in pairwise(edges)],
            }
            for name, p in zip(names, [ranked, *cut, tempered(tau)], strict=True)
        ],
    }


PARTS: dict[str, Callable[[Truth], Any]] = {
    "sweeps": lambda truth: [_sweep(truth, sentence) for sentence in SENTENCES],
    "cuts": lambda truth: [{"text": text, **_cut(truth, truth.encode(text))} for text in CUTS],
    "written": _written,
    "scored": lambda truth: [_scored(truth, [*truth.encode(text), truth.eos], 1) for text in COMPARED],
    "cut_twice": _cut_twice,
    "sampler": _sampler,
    "restricted": _restricted,  # the last: it changes the model
}

if __name__ == "__main__":
    sys.exit(main())
