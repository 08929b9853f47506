"""What students answer in the page, and what p* would say at each of their tokens: writes two files beside the weights.

python scripts/record_talk.py     after `kdlab fetch smollm2`; some minutes

For each of four beginnings each model goes on twelve times, with the page's random numbers of seed 0.

- talk.json: the parts that the page loads, with their bytes and checksums; the beginnings; the texts; for each model
  how many of twelve begin differently (`opening`), the same as a mean of a hundred draws of twelve with its standard
  error, and what rounding its weights to float16 cost in nats per token.
- pstar.bin: p*'s eight likeliest next tokens at each token of these texts. Little-endian numbers of two bytes: the
  token, eight tokens, eight probabilities out of 65,535; beginnings, models, texts and tokens in that order. 65,535
  stands for no token.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from kdlab.core.files import checksum, read_object, write_json, written_whole
from kdlab.lm.experiment import RunConfig
from kdlab.lm.folder import read_results, recorded_folder
from kdlab.lm.pipeline.corpus import Corpus, generator
from kdlab.lm.pipeline.model import new_model
from kdlab.lm.pipeline.run import truth_of
from kdlab.lm.pipeline.sampling import sample
from kdlab.lm.pipeline.scoring import score
from kdlab.lm.pipeline.training import load_weights
from kdlab.lm.report.attempts import opening
from kdlab.lm.sizes import size_named

NAMES = ("direct", "tau-1", "tau-0.9", "tau-0.8", "tau-0.6", "teacher")  # in the order of the page
BEGINNINGS = ("One day, a little", "One day", "One day, a little girl named", "The world")
SEED, ROWS, STEPS, LENGTH, LIKELIEST = 0, 12, 24, 32, 8
DRAWS = 100  # of twelve texts each, for the mean
CLOSE = 1e-10  # of a share: far more than float64 errs by
_NOTHING = 0xFFFF
_32 = 0xFFFFFFFF

Ids = list[int]


# The page's random numbers (lm/llama.js, uniform and choose)


def mixed(x: int) -> int:
    """A hash of 32 bits, lowbias32 by C. Wellons."""
    x = (x ^ (x >> 16)) * 0x7FEB352D & _32
    x = (x ^ (x >> 15)) * 0x846CA68B & _32
    return x ^ (x >> 16)


def uniform(seed: int, row: int, position: int) -> float:
    """A number in [0, 1): the same for every model, at the same token of the same text."""
    return mixed((mixed((mixed((seed + 0x9E3779B9) & _32) + row) & _32) + position) & _32) / 2**32


def choose(logits: NDArray[np.float64], u: float) -> int:
    """The token in whose share of softmax(logits) ``u`` falls, tokens in order."""
    upto = np.exp(logits - logits.max()).cumsum()
    token = int(np.searchsorted(upto[:-1], u * upto[-1], side="right"))
    if np.abs(upto[max(token - 1, 0) : token + 1] / upto[-1] - u).min() < CLOSE:
        raise ValueError(f"{u} falls on the edge of a token's share, and the page may draw another: change SEED")
    return token


# Going on


@torch.inference_mode()
def logits_of(model: Any, ids: Sequence[Ids]) -> NDArray[np.float64]:
    """(N, L, V): what a model makes of N texts of L tokens."""
    return np.asarray(model(torch.tensor(ids)).logits.double())


def go_on(model: Any, begun: Ids, end: int) -> list[Ids]:
    """Twelve continuations, each up to 24 tokens, the text's 32, or its end, which is one of them."""
    texts: list[Ids] = [[] for _ in range(ROWS)]
    for step in range(min(STEPS, LENGTH - len(begun))):
        alive = [row for row, text in enumerate(texts) if not text or text[-1] != end]
        if alive:
            last = logits_of(model, [[*begun, *texts[row]] for row in alive])[:, -1]
            for row, logits in zip(alive, last, strict=True):
                texts[row].append(choose(logits, uniform(SEED, row, step)))
    return texts


def openings(found: Models, begun: Ids) -> dict[str, list[float]]:
    """Of each model: how many of twelve texts begin differently, a mean of a hundred draws, and its standard error."""
    told = {}
    for name, model in found.models.items():
        rng, length = generator(SEED, "openings", name), min(len(begun) + STEPS, LENGTH)
        drawn = sample(model, begun, DRAWS * ROWS, length=length, eos=found.truth.eos, rng=rng)
        texts = [
            found.truth.decode(ids[len(begun) : n].tolist()) for ids, n in zip(drawn.ids, drawn.lengths, strict=True)
        ]
        counts = [len({opening(text) for text in texts[i : i + ROWS]}) for i in range(0, len(texts), ROWS)]
        told[name] = [round(float(np.mean(counts)), 2), round(float(np.std(counts, ddof=1) / DRAWS**0.5), 2)]
    return told


def after_each(truth: Any, begun: Ids, texts: Sequence[Ids]) -> list[Ids]:
    """A row of pstar.bin for each of 24 tokens of each text: it, and the eight that p* finds likeliest in its place."""
    rows = []
    padded = [[*begun, *text, *[0] * (STEPS - len(text))] for text in texts]  # what follows a token changes nothing
    for text, logits in zip(texts, logits_of(truth, padded)[:, len(begun) - 1 :], strict=True):
        for token, here in zip(text, logits, strict=False):
            p = np.exp(here - here.max())
            best = np.argsort(-p, kind="stable")[:LIKELIEST]
            rows.append([token, *best.tolist(), *np.rint(65_535 * p[best] / p.sum()).astype(int).tolist()])
        rows += [[_NOTHING] * (1 + 2 * LIKELIEST)] * (STEPS - len(text))
    return rows


# Recording


@dataclass(frozen=True)
class Models:
    """The recorded models with their rounded weights, and p*."""

    truth: Any
    models: dict[str, Any]


class Angles(torch.nn.Module):
    """The cosines and sines of positions in float64, where transformers has float32."""

    def __init__(self, config: Any) -> None:
        super().__init__()
        width = config.hidden_size // config.num_attention_heads
        powers = torch.arange(0, width, 2, dtype=torch.float64) / width
        self.speeds = config.rope_parameters["rope_theta"] ** -powers

    def forward(self, _: Any, position_ids: Any) -> Any:
        """(N, L, width) each, of positions (N, L)."""
        angles = torch.cat(2 * [position_ids[..., None] * self.speeds], dim=-1)
        return angles.cos(), angles.sin()


def load(place: Path) -> Models:
    """Load what was recorded in ``place``, and the p* of its run."""
    told = read_results(place.parent)["config"]
    truth = truth_of(RunConfig.of(told["preset"], {name: value for name, value in told.items() if name != "preset"}))
    models = {}
    for name in NAMES:
        size = size_named(told["teacher"] if name == "teacher" else told["student"])
        made = new_model(size, truth.vocabulary, eos=truth.ends, rng=torch.Generator().manual_seed(0))
        whole = load_weights(made, place / f"{name}.safetensors").eval().requires_grad_(False)
        whole.model.rotary_emb = Angles(whole.config)
        models[name] = whole.double()  # as the page computes: float32 would now and then draw another token
    return Models(truth, models)


def rounding(found: Models, place: Path) -> dict[str, float]:
    """What float16 costs: each model's recall on p*'s texts to evaluate on, less what it was, nats per token."""
    folder, before = place.parent / "corpus" / "evaluation", read_object(place / "weights.json")["models"]
    n = read_results(place.parent)["config"]["evaluation_sequences"]
    texts = Corpus(folder, read_object(folder / "spec.json")).read(n)
    after = {name: score(model, texts).per("token").value for name, model in found.models.items()}
    return {name: round(recall - before[name]["recall"], 4) for name, recall in after.items()}


def parts(place: Path) -> dict[str, Any]:
    """What the page loads, with its bytes and checksums."""
    files = {"tokens": "tokens.json", "pstar": "pstar.bin"} | {name: f"{name}.safetensors" for name in NAMES}
    told = {}
    for name, file in files.items():
        data = (place / file).read_bytes()
        sums = {"crc": zlib.crc32(data), "sha256": checksum(place / file)}
        told[name] = {"file": file, "bytes": len(data), **sums}
    return told


def record(place: Path) -> Path:
    """Write both files into ``place``."""
    found, rows, begun = load(place), [], []
    for text in BEGINNINGS:
        ids = found.truth.begun(text)
        texts: dict[str, list[str]] = {}
        for name, model in found.models.items():
            answers = go_on(model, ids, found.truth.eos)
            rows += after_each(found.truth.model, ids, answers)
            texts[name] = [found.truth.decode(answer) for answer in answers]
        different = {name: len({opening(one) for one in some}) for name, some in texts.items()}
        mean = openings(found, ids)
        begun.append({"text": text, "ids": ids, "texts": texts, "different": different, "openings": mean})
        print(text, different, mean, flush=True)
    with written_whole(place / "pstar.bin") as temporary:
        temporary.write_bytes(np.asarray(rows, "<u2").tobytes())
    (place / "pstar.bin").chmod(0o644)
    told = {"seed": SEED, "rows": ROWS, "steps": STEPS, "length": LENGTH, "likeliest": LIKELIEST, "names": NAMES}
    told |= {"end": found.truth.eos, "rounding": rounding(found, place), "parts": parts(place), "beginnings": begun}
    write_json(place / "talk.json", told, ensure_ascii=False, indent=1)
    return place / "talk.json"


if __name__ == "__main__":
    print(record(recorded_folder() / "cpu" / "weights"))
