"""Language models on one GPU: kdlab beside the plain ways, in turn, in one run.

    python benchmarks/lm.py            needs a GPU; writes lm.json and lm.md beside this file
    python benchmarks/lm.py --tiny     on any machine, a minute: tiny shapes, to see that it runs; writes nothing

Weights are random: speed does not ask what is said. Each piece is run once to warm up (compilation is told apart) and
then three times; medians. *Sampling*: `kdlab.lm.sampling.sample` beside generate as the paper's code uses it (float16,
batch 256, one prompt token, dynamic cache). *Training*: `kdlab.lm.training.train` beside Trainer (float16, every
sequence padded to full length, no packing), on sequences whose lengths are uniform from an eighth of the full length
on; tokens are those learned from, so padding counts for nothing. Utilisation is operations (kdlab.lm.rungs) per second
over the rate of one large bfloat16 product on the same device. *Scoring*: `kdlab.lm.scoring.score` beside log_softmax
of all logits in float32 at batch 16. *The same numbers*: what the fast ways say against the plain ones.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy import stats
from transformers import LlamaForCausalLM, Trainer, TrainingArguments

from kdlab.files import written_whole
from kdlab.lm import ranks
from kdlab.lm.estimate import Speed, estimate
from kdlab.lm.rungs import flops_per_token, size_named
from kdlab.lm.sampling import sample
from kdlab.lm.scoring import score
from kdlab.lm.sizes import new_model
from kdlab.lm.tokens import Sequences, generator
from kdlab.lm.training import TrainingSettings, train
from kdlab.runs import SMOLLM2, RunConfig

HERE = Path(__file__).resolve().parent
REPEAT = 3
TARGETS = {"sampling 135M": 5.0, "sampling 1.7B": 3.0, "training 135M": 2.0, "scoring 135M": 3.0, "utilisation": 0.4}
Json = dict[str, Any]


class Bench:
    """What is measured on which device: shapes, vocabulary, full length, and how many sequences."""

    def __init__(self, tiny: bool) -> None:
        self.device = ranks.device()
        self.shapes = ("tiny",) if tiny else ("135M", "360M", "1.7B")
        self.vocabulary, self.length = (64, 16) if tiny else (SMOLLM2, 512)
        self.rows, self.plain_rows = (64, 32) if tiny else (1024, 256)
        self.trained = 64 if tiny else 2048

    def model(self, shape: str) -> LlamaForCausalLM:
        """Make the same model every time."""
        return new_model(size_named(shape), self.vocabulary, eos=0, rng=generator(0, shape)).to(self.device).eval()

    def texts(self, n: int) -> Sequences:
        """Random ids, of lengths from an eighth of the full one on; 0 is the end."""
        rng = np.random.default_rng(0)
        ids = rng.integers(1, self.vocabulary, (n, self.length)).astype(np.uint16)
        lengths = rng.integers(self.length // 8, self.length + 1, n).astype(np.uint16)
        ids[np.arange(self.length) >= lengths[:, None] - 1] = 0
        return Sequences(ids, lengths, prompt=1, eos=0)

    def seconds(self, piece: Callable[[], Any]) -> tuple[float, float]:
        """Seconds of a piece of work: the first time, and the median of three more."""
        times = []
        for _ in range(1 + REPEAT):
            self._wait()
            started = time.perf_counter()
            piece()
            self._wait()
            times.append(time.perf_counter() - started)
        return times[0], statistics.median(times[1:])

    def _wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize()

    def peak(self, piece: Callable[[], Any]) -> float:
        """GB that a piece of work takes at most, beyond what was held before it; NaN without a GPU."""
        if self.device.type != "cuda":
            return float("nan")
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        piece()
        return (torch.cuda.max_memory_allocated() - before) / 1e9


# Sampling


def sampling(bench: Bench, shape: str) -> Json:
    """Tokens per second of both ways of writing."""
    model, counted = bench.model(shape), [0]

    def ours() -> None:
        texts = sample(model, [1], bench.rows, length=bench.length, eos=0, rng=generator(1, "bench"))
        counted[0] = texts.n_tokens

    first, took = bench.seconds(ours)
    found = {"kdlab": counted[0] / took, "kdlab, seconds until compiled": first - took}
    vars(model).pop("_kdlab_decoder", None)
    plain = model.half() if bench.device.type == "cuda" else model

    def theirs() -> None:
        prompt = torch.ones((bench.plain_rows, 1), dtype=torch.int64, device=bench.device)
        settings = {"do_sample": True, "top_k": 0, "top_p": 1.0, "max_length": bench.length, "pad_token_id": 0}
        ids = plain.generate(prompt, attention_mask=torch.ones_like(prompt), **settings)
        ended = (ids[:, 1:] == 0).long().cumsum(dim=1)
        counted[0] = int((ended - (ids[:, 1:] == 0).long() == 0).sum())  # up to the end, and with it

    torch.manual_seed(0)
    _, took = bench.seconds(theirs)
    return found | _ratio(found["kdlab"], counted[0] / took)


def _ratio(ours: float, theirs: float) -> Json:
    return {"plain": theirs, "ratio": ours / theirs}


# Training


def training(bench: Bench, shape: str) -> Json:
    """Tokens per second of both ways of learning, and the share of the device's rate that ours uses."""
    data = bench.texts(bench.trained)
    rate = data.n_tokens / bench.seconds(lambda: _ours(bench, shape, data))[1]
    theirs = data.n_tokens / bench.seconds(lambda: _trainer(bench, shape, data))[1]
    per_token = 3 * flops_per_token(size_named(shape), bench.vocabulary, int(data.lengths.mean()))
    top = matrix_rate(bench)
    return {"kdlab": rate} | _ratio(rate, theirs) | {"matrix rate": top, "utilisation": rate * per_token / top}


def _ours(bench: Bench, shape: str, data: Sequences) -> None:
    with tempfile.TemporaryDirectory() as folder:
        train(bench.model(shape), data, TrainingSettings(epochs=1, batch=32), folder=Path(folder), seed=0)


def _trainer(bench: Bench, shape: str, data: Sequences) -> None:
    ids = torch.from_numpy(data.ids.astype(np.int64))
    there = torch.arange(ids.shape[1]) < torch.from_numpy(data.lengths.astype(np.int64))[:, None]
    labels = torch.where(there, ids, -100)
    labels[:, : data.prompt] = -100
    rows: Any = [
        {"input_ids": row, "attention_mask": mask.long(), "labels": label}
        for row, mask, label in zip(ids, there, labels, strict=True)
    ]
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            folder, per_device_train_batch_size=32, num_train_epochs=1, learning_rate=5e-4, adam_beta2=0.95,
            fp16=bench.device.type == "cuda", save_strategy="no", report_to=[], disable_tqdm=True,
            logging_strategy="no",
        )  # fmt: skip
        Trainer(model=bench.model(shape), args=arguments, train_dataset=rows).train()


def matrix_rate(bench: Bench) -> float:
    """Operations per second of one large product in bfloat16."""
    n = 8192 if bench.device.type == "cuda" else 512
    one = torch.randn(n, n, device=bench.device, dtype=torch.bfloat16)
    return 2 * n**3 / bench.seconds(lambda: one @ one)[1]


# Scoring


def scoring(bench: Bench, shape: str) -> Json:
    """Tokens per second of both ways of scoring, the memory of each, and how far apart their numbers are."""
    model, texts = bench.model(shape), bench.texts(bench.trained // 2)
    ours, theirs = (lambda: score(model, texts)), (lambda: _all_logits(model, texts))
    apart = np.abs((ours().nats - theirs()) / texts.counts).max()
    rates = [texts.n_tokens / bench.seconds(way)[1] for way in (ours, theirs)]
    memory = {"GB, kdlab": bench.peak(ours), "GB, plain": bench.peak(theirs)}
    return {"kdlab": rates[0]} | _ratio(*rates) | memory | {"nats per token apart, at most": float(apart)}


@torch.inference_mode()
def _all_logits(model: LlamaForCausalLM, texts: Sequences) -> Any:
    """(N,) nats: float32, eager, 16 at a time, the logits of every place at once."""
    nats = []
    for first in range(0, len(texts), 16):
        ids, lengths = texts[first : first + 16].tensors(model.device)
        logs = torch.log_softmax(model(ids[:, :-1]).logits.float(), dim=-1)
        own = logs.gather(2, ids[:, 1:, None])[:, :, 0]
        places = torch.arange(1, ids.shape[1], device=ids.device)
        counted = (places >= texts.prompt) & (places < lengths[:, None])
        nats.append((own.double() * counted).sum(dim=1).cpu().numpy())
    return np.concatenate(nats)


# The same numbers


def frequencies(bench: Bench, shape: str, places: int = 3, n: int = 8192) -> Json:
    """p-values: tokens at the first places, by ours and by generate, in two-sample chi-square tests.

    Tokens fall into 64 bins by their id, so that every bin has company.
    """
    model = bench.model(shape)
    ours = sample(model, [1], n, length=1 + places, eos=0, rng=generator(2, "bench")).ids[:, 1:]
    torch.manual_seed(3)
    prompt = torch.ones((n, 1), dtype=torch.int64, device=bench.device)
    settings = {"do_sample": True, "top_k": 0, "top_p": 1.0, "max_length": 1 + places, "pad_token_id": 0}
    plain = model.generate(prompt, attention_mask=torch.ones_like(prompt), **settings)[:, 1:].cpu().numpy()
    plain = np.pad(plain, ((0, 0), (0, places - plain.shape[1])))
    found = {}
    for place in range(places):
        bins = [np.bincount(ids[:, place].astype(int) % 64, minlength=64) for ids in (ours, plain)]
        table = np.array(bins)
        found[f"place {place + 1}"] = float(stats.chi2_contingency(table[:, table.sum(axis=0) > 0]).pvalue)
    return found


# All of it


def measured(bench: Bench) -> Json:
    """Measure everything, a line as each is known."""
    found: Json = {}
    for shape in bench.shapes:
        found[f"sampling {shape}"] = sampling(bench, shape)
        print(f"sampling {shape}", found[f"sampling {shape}"], flush=True)
    small = bench.shapes[0]
    for name, way in (("training", training), ("scoring", scoring), ("frequencies", frequencies)):
        found[f"{name} {small}"] = way(bench, small)
        print(f"{name} {small}", found[f"{name} {small}"], flush=True)
    return found


def machine(bench: Bench) -> Json:
    name = torch.cuda.get_device_name() if bench.device.type == "cuda" else "CPU"
    return {"device": name, **{one: metadata.version(one) for one in ("torch", "transformers")}}


def paper(bench: Bench, found: Json) -> str:
    """The estimate of the preset `paper` from these figures, on one such device and on eight."""
    small = bench.shapes[0]
    per_token = flops_per_token(size_named(small), bench.vocabulary, bench.length)
    speed = Speed(
        small, found[f"sampling {small}"]["kdlab"] * per_token, found[f"training {small}"]["kdlab"] * 3 * per_token
    )
    return (
        estimate(RunConfig.of("paper"), speed) + "\nOn eight such devices an eighth of the hours: shards share nothing."
    )


def report(found: Json, about: Json) -> str:
    """Return tables and verdicts in Markdown."""
    lines = ["| tokens per second | kdlab | the plain way | ratio |", "| --- | ---: | ---: | ---: |"]
    for name, seen in found.items():
        if "ratio" in seen:
            lines.append(f"| {name} | {seen['kdlab']:,.0f} | {seen['plain']:,.0f} | {seen['ratio']:.1f} |")
    lines.append("")
    for name, seen in found.items():
        rest = {key: value for key, value in seen.items() if key not in ("kdlab", "plain", "ratio")}
        lines += [f"- {name}: {key}: {value:.3g}" for key, value in rest.items()]
    values = {name: seen["ratio"] for name, seen in found.items() if "ratio" in seen}
    values["utilisation"] = next(seen["utilisation"] for seen in found.values() if "utilisation" in seen)
    for name, target in TARGETS.items():
        if name in values:
            verdict = "reached" if values[name] >= target else "MISSED"
            lines.append(f"- {verdict}: {name}: at least {target:g} ({values[name]:.2f})")
    return "\n".join([*lines, "", ", ".join(f"{key} {value}" for key, value in about.items()) + "."])


def main() -> int:
    """Measure, print, save; return 1 where a target is missed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--tiny", action="store_true", help="tiny shapes on any machine; writes nothing")
    tiny = parser.parse_args().tiny
    bench = Bench(tiny)
    if not tiny and bench.device.type != "cuda":
        parser.error("no GPU here: use --tiny to see that it runs, or a machine with a GPU to measure")
    found, about = measured(bench), machine(bench)
    text = report(found, about) + "\n\n" + paper(bench, found)
    print(text)
    if not tiny:
        for name, content in (("lm.json", json.dumps(found | {"machine": about}, indent=1)), ("lm.md", text)):
            with written_whole(HERE / name) as temporary:
                temporary.write_text(content + "\n", encoding="utf-8")
    return int("MISSED" in text)


if __name__ == "__main__":
    sys.exit(main())
