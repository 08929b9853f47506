"""Language models on one GPU: kdlab beside the plain ways, in turn, in one run.

    python benchmarks/lm.py            needs a GPU and `kdlab fetch smollm2`; writes lm.json and lm.md beside this file
    python benchmarks/lm.py --short    the same of the 135M alone, fewer and shorter texts: for a GPU lent by the minute
    python benchmarks/lm.py --tiny     on any machine, a minute: tiny shapes, to see that it runs; writes nothing

Speed: weights are random, as speed does not ask what is said. Each piece is run once to warm up (compilation is told
apart) and then three times; medians. *Sampling*: `kdlab.lm.pipeline.sampling.sample` beside generate as the paper's
code uses it (float16, batch 256, one prompt token, dynamic cache). *Training*: `kdlab.lm.pipeline.training.train`
beside Trainer (float16, every sequence padded to full length, no packing), 256 sequences a step, lengths uniform from
an eighth of the full length on; tokens are those learned from, so padding counts for nothing. Utilisation is
operations (kdlab.lm.sizes) per second over the rate of one large bfloat16 product on the same device. *Scoring*:
`kdlab.lm.pipeline.scoring.score` beside log_softmax of all logits in float32 at batch 16. *Floor*: tokens per second
if nothing took time but the operations, at the measured rate of their format, and (sampling) reading the weights, the
keys and the values, at the measured bandwidth. Where a target is missed, the operations that took longest are listed.

What is known is written at once, so that what ends early, or runs out of memory, has told what it could.

*The same numbers*: SmolLM2-135M as p*, the fast ways beside the plain ones in float32; and a corpus that goes on.
"""

from __future__ import annotations

import argparse
import gc
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
from torch.profiler import ProfilerActivity
from transformers import LlamaForCausalLM, Trainer, TrainingArguments

from kdlab.core.files import written_whole
from kdlab.lm.experiment import SMOLLM2, RunConfig
from kdlab.lm.pipeline import distributed as ranks
from kdlab.lm.pipeline.corpus import Corpus, Sequences, generator
from kdlab.lm.pipeline.estimate import Speed, estimate
from kdlab.lm.pipeline.gpu import cache_bytes, fitting, tensor_cores
from kdlab.lm.pipeline.model import new_model
from kdlab.lm.pipeline.sampling import _BATCH, Decoder, _compiled, _worth_compiling, _writers, continued, sample
from kdlab.lm.pipeline.scoring import score
from kdlab.lm.pipeline.training import TrainingSettings, train
from kdlab.lm.pipeline.truth import Truth, load_truth
from kdlab.lm.sizes import flops_per_token, parameters, size_named

HERE = Path(__file__).resolve().parent
REPEAT, SHARD = 3, 512
TARGETS = {
    "sampling 135M": 5.0,
    "sampling 1.7B": 3.0,
    "training 135M": 2.0,
    "utilisation 135M": 0.4,
    "scoring 135M": 3.0,
}
PLAIN: dict[str, Any] = {"do_sample": True, "top_k": 0, "top_p": 1.0, "pad_token_id": 0}
SAME = "the same numbers"
Json = dict[str, Any]


class Bench:
    """What is measured on which device: shapes, vocabulary, full length, and how many sequences.

    ``form`` is full, short or tiny.
    """

    def __init__(self, form: str) -> None:
        self.device = ranks.device()
        tiny, full = form == "tiny", form == "full"
        self.shapes = ("tiny",) if tiny else ("135M", "360M", "1.7B") if full else ("135M",)
        self.vocabulary, self.length = (64, 16) if tiny else (SMOLLM2, 512 if full else 256)
        self.rows, self.plain_rows = (64, 32) if tiny else (1024, 256)
        self.trained, self.step = (64, 32) if tiny else (4096 if full else 1024, 256)
        self.source, self.prompt, self.drawn = ("random", "la ", 2048) if tiny else ("bundled", "The", 8192)

    def model(self, shape: str) -> LlamaForCausalLM:
        """Make the same model every time."""
        return new_model(size_named(shape), self.vocabulary, eos=0, rng=generator(0, shape)).to(self.device).eval()

    def truth(self) -> Truth:
        """Load p* for what must be the same numbers."""
        truth = load_truth(self.source)
        truth.model.to(self.device)
        return truth

    def texts(self, n: int) -> Sequences:
        """Random ids, of lengths from an eighth of the full one on; 0 is the end."""
        rng = np.random.default_rng(0)
        ids = rng.integers(1, self.vocabulary, (n, self.length)).astype(np.uint16)
        lengths = rng.integers(self.length // 8, self.length + 1, n).astype(np.uint16)
        ids[np.arange(self.length) >= lengths[:, None] - 1] = 0
        return Sequences(ids, lengths, prompt=1, eos=0)

    def seconds(self, piece: Callable[[], Any]) -> tuple[float, float]:
        """Seconds of a piece of work: the first time, and the median of three more."""

        def timed() -> float:
            self._wait()
            started = time.perf_counter()
            piece()
            self._wait()
            return time.perf_counter() - started

        return _first_and_median(timed)

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

    def emptied(self) -> None:
        """Give back the memory of what nobody holds; a decoder and its model hold each other."""
        gc.collect()
        if self.device.type == "cuda":
            torch.cuda.empty_cache()


def _first_and_median(seconds: Callable[[], float]) -> tuple[float, float]:
    times = [seconds() for _ in range(1 + REPEAT)]
    return times[0], statistics.median(times[1:])


# Sampling


def writer(model: LlamaForCausalLM) -> LlamaForCausalLM:
    """The model as it writes."""
    return next(_writers(model))


def rows(bench: Bench, model: LlamaForCausalLM) -> int:
    """How many sequences: one batch."""
    return min(bench.rows, fitting(writer(model), bench.length, _BATCH if bench.device.type == "cuda" else 128))


def sampling(bench: Bench, shape: str) -> Json:
    """Tokens per second of both ways of writing."""
    model, counted = bench.model(shape), [0]
    n = rows(bench, model)

    def here() -> None:
        counted[0] = sample(model, [1], n, length=bench.length, eos=0, rng=generator(1, "bench")).n_tokens

    first, took = bench.seconds(here)
    floor = sampling_floor(bench, shape, model)
    found = {"kdlab": counted[0] / took, "floor": floor, "seconds to start": first - took}
    vars(model).pop("_kdlab_float16", None)
    bench.emptied()
    plain = model.half() if bench.device.type == "cuda" else model

    def theirs() -> None:
        prompt = torch.ones((bench.plain_rows, 1), dtype=torch.int64, device=bench.device)
        ids = plain.generate(prompt, attention_mask=torch.ones_like(prompt), max_length=bench.length, **PLAIN)
        ended = (ids[:, 1:] == 0).long().cumsum(dim=1)
        counted[0] = int((ended - (ids[:, 1:] == 0).long() == 0).sum())  # up to the end, and with it

    torch.manual_seed(0)
    _, took = bench.seconds(theirs)
    return found | _ratio(found["kdlab"], counted[0] / took)


def sampling_floor(bench: Bench, shape: str, model: LlamaForCausalLM) -> float:
    """Tokens per second if a step were nothing but operations, or reading what it must read; whichever takes longer.

    A step reads the weights once, and the keys and values of every sequence over the whole length, as its memory has a
    fixed size.
    """
    size, n, written = size_named(shape), rows(bench, model), writer(model)
    read = parameters(size, bench.vocabulary) * written.dtype.itemsize + n * cache_bytes(written, bench.length)
    worked = n * flops_per_token(size, bench.vocabulary, bench.length)
    return n / max(read / bandwidth(bench), worked / matrix_rate(bench, written.dtype))


def some_steps(bench: Bench, model: LlamaForCausalLM, steps: int = 32) -> None:
    """Write the beginnings of one batch, with what is compiled for its whole length."""
    written, n = writer(model), rows(bench, model)
    made = _compiled if _worth_compiling(written, n) else Decoder
    numbers = torch.rand(n, min(steps, bench.length - 1), dtype=torch.float64, generator=generator(1, "bench"))
    with torch.inference_mode():
        continued(made(written, [1], bench.length), numbers.to(bench.device), 0, 1.0)


def _ratio(ours: float, theirs: float) -> Json:
    return {"plain": theirs, "ratio": ours / theirs}


# Training


def training(bench: Bench, shape: str) -> Json:
    """Tokens per second of both ways of learning, and the share of the device's rate that ours uses."""
    data = bench.texts(bench.trained)
    first, took = _first_and_median(lambda: _ours(bench, shape, data))
    rate = data.n_tokens / took
    theirs = data.n_tokens / _first_and_median(lambda: _trainer(bench, shape, data))[1]
    per_token = 3 * flops_per_token(size_named(shape), bench.vocabulary, int(data.lengths.mean()))
    top = matrix_rate(bench, torch.bfloat16)
    found = {"kdlab": rate, "floor": top / per_token, "seconds to start": first - took}
    return found | _ratio(rate, theirs) | {"matrix rate": top, "utilisation": rate * per_token / top}


def _ours(bench: Bench, shape: str, data: Sequences) -> float:
    """Seconds of learning; a model is made before, and saved after."""
    settings = TrainingSettings(epochs=1, batch=bench.step)
    with tempfile.TemporaryDirectory() as folder:
        return train(bench.model(shape), data, settings, folder=Path(folder), seed=0).seconds


def _trainer(bench: Bench, shape: str, data: Sequences) -> float:
    """The same by Trainer, which tells its seconds too."""
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
            folder, per_device_train_batch_size=32, gradient_accumulation_steps=bench.step // 32, num_train_epochs=1,
            learning_rate=5e-4, adam_beta2=0.95, fp16=bench.device.type == "cuda", save_strategy="no", report_to=[],
            disable_tqdm=True, logging_strategy="no", dataloader_pin_memory=bench.device.type == "cuda",
        )  # fmt: skip
        learned = Trainer(model=bench.model(shape), args=arguments, train_dataset=rows).train()
    return float(learned.metrics["train_runtime"])


def matrix_rate(bench: Bench, dtype: torch.dtype) -> float:
    """Operations per second of one large product."""
    n = 8192 if bench.device.type == "cuda" else 512
    one = torch.randn(n, n, device=bench.device).to(dtype)
    return 2 * n**3 / bench.seconds(lambda: one @ one)[1]


def bandwidth(bench: Bench) -> float:
    """Bytes per second, read or written, of copying a large tensor."""
    one = torch.zeros(2**28 if bench.device.type == "cuda" else 2**22, device=bench.device)
    return 2 * 4 * one.numel() / bench.seconds(one.clone)[1]


# Scoring


def scoring(bench: Bench, shape: str) -> Json:
    """Tokens per second of both ways of scoring, and the memory of each."""
    model, texts = bench.model(shape), bench.texts(bench.trained // 4)
    ours, theirs = (lambda: score(model, texts)), (lambda: _all_logits(model, texts))
    rates = [texts.n_tokens / bench.seconds(way)[1] for way in (ours, theirs)]
    per_token = flops_per_token(size_named(shape), bench.vocabulary, int(texts.lengths.mean()))
    with tensor_cores(bench.device):
        floor = matrix_rate(bench, torch.float32) / per_token
    memory = {"GB, kdlab": bench.peak(ours), "GB, plain": bench.peak(theirs)}
    return {"kdlab": rates[0], "floor": floor} | _ratio(*rates) | memory


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


def frequencies(bench: Bench, truth: Truth, places: int = 3) -> Json:
    """p-values: tokens at the first places, by ours and by plain generate in float32, in two-sample chi-square tests.

    Tokens fall into 64 bins by their id, so that every bin has company.
    """
    n, prompt = bench.drawn, truth.encode(bench.prompt)
    length, eos = len(prompt) + places, truth.eos
    ours = sample(truth.model, prompt, n, length=length, eos=eos, rng=generator(2, "bench")).ids[:, len(prompt) :]
    torch.manual_seed(3)
    ids = torch.tensor([prompt], device=bench.device).expand(n, -1)
    settings = PLAIN | {"pad_token_id": eos, "eos_token_id": eos, "max_length": length}
    plain = truth.model.generate(ids, attention_mask=torch.ones_like(ids), **settings)[:, len(prompt) :].cpu().numpy()
    plain = np.pad(plain, ((0, 0), (0, places - plain.shape[1])), constant_values=eos)
    found = {}
    for place in range(places):
        table = np.array([np.bincount(ids[:, place].astype(int) % 64, minlength=64) for ids in (ours, plain)])
        p_value = stats.chi2_contingency(table[:, table.sum(axis=0) > 0]).pvalue
        found[f"p-value of the frequencies at place {place + 1}"] = float(p_value)
    return found


def agreement(bench: Bench, truth: Truth) -> Json:
    """Nats per token between our scores of p*'s own texts and those in float32: over all texts, and of the worst."""
    texts = drawn(bench, truth, generator(4, "bench"))
    apart = score(truth.model, texts).nats - _all_logits(truth.model, texts)
    return {
        "nats per token between scores": float(abs(apart.sum()) / texts.n_tokens),
        "nats per token between scores, worst text": float(abs(apart / texts.counts).max()),
    }


def drawn(bench: Bench, truth: Truth, rng: torch.Generator) -> Sequences:
    """A shard of p*'s texts."""
    length = min(128, bench.length)
    return sample(truth.model, truth.encode(bench.prompt), SHARD, length=length, eos=truth.eos, rng=rng)


def resumed(bench: Bench) -> Json:
    """Which share of a lost shard's sequences is the same when it is made again, with the model loaded anew."""
    read = []
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(2):
            truth = bench.truth()
            about = {"prompt": truth.encode(bench.prompt), "eos": truth.eos, "sequences": 2 * SHARD, "shard": SHARD}
            corpus = Corpus(Path(folder), about)
            corpus.ensure(lambda shard, truth=truth: drawn(bench, truth, generator(5, "bench", shard)))
            read.append(corpus.read(2 * SHARD)[SHARD:])
            corpus.path(1).unlink()  # as if the run had been killed before
    same = (read[0].ids == read[1].ids).all(axis=1)
    return {"share of a shard's sequences that come again": float(same.mean())}


# All of it


def measured(bench: Bench, keep: Callable[[Json], None]) -> Json:
    """Measure everything: what matters most first, a line as each is known, and ``keep`` all that is known by then."""
    small, found = bench.shapes[0], {"machine": machine(bench)}
    kinds: list[tuple[str, Callable[[], Json]]] = [
        (f"sampling {small}", lambda: sampling(bench, small)),
        (f"training {small}", lambda: training(bench, small)),
        (f"scoring {small}", lambda: scoring(bench, small)),
        (SAME, lambda: same_numbers(bench)),
        *((f"sampling {shape}", lambda shape=shape: sampling(bench, shape)) for shape in bench.shapes[1:]),
    ]
    for name, way in kinds:
        bench.emptied()
        try:
            found[name] = way()
        except torch.OutOfMemoryError as error:
            found[name] = {"out of memory": str(error)}
        print(name, found[name], flush=True)
        keep(found)
    return found


def same_numbers(bench: Bench) -> Json:
    truth = bench.truth()
    return frequencies(bench, truth) | agreement(bench, truth) | resumed(bench)


def verdicts(found: Json) -> list[tuple[str, bool, str]]:
    """Each target: what it is about, whether it is reached, and the sentence."""
    values = {name: seen["ratio"] for name, seen in found.items() if "ratio" in seen}
    values |= {name.replace("training", "utilisation"): seen["utilisation"] for name, seen in found.items()
               if "utilisation" in seen}  # fmt: skip
    told = []
    for name, target in TARGETS.items():
        if name in values:
            reached = values[name] >= target
            told.append((name, reached, f"{name}: at least {target:g} ({values[name]:.2f})"))
    told += [(name, False, f"{name}: out of memory") for name, seen in found.items() if "out of memory" in seen]
    same = found[SAME]
    if "out of memory" in same:
        return told
    p_values = [value for name, value in same.items() if name.startswith("p-value")]
    apart, again = same["nats per token between scores"], same["share of a shard's sequences that come again"]
    told.append(("p-values", min(p_values) > 1e-3, f"frequencies: every p-value above 0.001 ({min(p_values):.3f})"))
    told.append(("scores", apart <= 1e-3, f"scores agree to 0.001 nats per token ({apart:.1e})"))
    told.append(("corpora", again == 1.0, f"a corpus goes on as it was ({100 * again:.1f} % of the sequences)"))
    return told


def profile(bench: Bench, name: str, rows: int = 12) -> str:
    """The operations that take longest in our way; names are as in the table."""
    kind, shape = name.split()
    model, data = bench.model(shape), bench.texts(bench.trained)
    ways: dict[str, Callable[[], Any]] = {
        "sampling": lambda: some_steps(bench, model),
        "training": lambda: _ours(bench, shape, data),
        "utilisation": lambda: _ours(bench, shape, data),
        "scoring": lambda: score(model, data[: len(data) // 4]),
    }
    ways[kind]()  # warm
    on_gpu = bench.device.type == "cuda"
    kinds = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if on_gpu else [])]
    with torch.profiler.profile(activities=kinds) as seen:
        ways[kind]()
    by = "self_cuda_time_total" if on_gpu else "self_cpu_time_total"
    return f"{name}\n\n```\n{seen.key_averages().table(sort_by=by, row_limit=rows, max_name_column_width=60)}\n```"


def machine(bench: Bench) -> Json:
    name = torch.cuda.get_device_name() if bench.device.type == "cuda" else "CPU"
    return {"device": name, **{one: metadata.version(one) for one in ("torch", "transformers")}}


def paper(bench: Bench, found: Json) -> str:
    """The estimate of the preset `paper` from these figures, on one such device and on eight."""
    small = bench.shapes[0]
    if any("out of memory" in found[f"{kind} {small}"] for kind in ("sampling", "training")):
        return "No estimate of the preset paper: what it stands on ran out of memory."
    per_token = flops_per_token(size_named(small), bench.vocabulary, bench.length)
    speed = Speed(
        small, found[f"sampling {small}"]["kdlab"] * per_token, found[f"training {small}"]["kdlab"] * 3 * per_token
    )
    return estimate(RunConfig.of("paper"), speed)


def report(found: Json) -> str:
    """Return tables and verdicts in Markdown."""
    lines = ["| tokens per second | kdlab | the plain way | ratio | floor |", "| --- | ---: | ---: | ---: | ---: |"]
    for name, seen in found.items():
        if "ratio" in seen:
            rates = f"{seen['kdlab']:,.0f} | {seen['plain']:,.0f} | {seen['ratio']:.1f} | {seen['floor']:,.0f}"
            lines.append(f"| {name} | {rates} |")
    lines.append("")
    for name, seen in found.items():
        rest = {key: value for key, value in seen.items() if key not in ("kdlab", "plain", "ratio", "floor")}
        lines += [f"- {name}: {key}: {value:.3g}" for key, value in rest.items() if isinstance(value, float)]
    lines += [f"- {'reached' if reached else 'MISSED'}: {told}" for _, reached, told in verdicts(found)]
    return "\n".join([*lines, "", ", ".join(f"{key} {value}" for key, value in found["machine"].items()) + "."])


def main() -> int:
    """Measure, print, save; return 1 where a target is missed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    forms = parser.add_mutually_exclusive_group()
    forms.add_argument("--short", action="store_true", help="the 135M alone, fewer and shorter texts")
    forms.add_argument("--tiny", action="store_true", help="tiny shapes on any machine; writes nothing")
    asked = parser.parse_args()
    tiny, bench = asked.tiny, Bench("tiny" if asked.tiny else "short" if asked.short else "full")
    if not tiny and bench.device.type != "cuda":
        parser.error("no GPU here: use --tiny to see that it runs, or a machine with a GPU to measure")

    def keep(name: str, content: str) -> None:
        if not tiny:
            with written_whole(HERE / name) as temporary:
                temporary.write_text(content + "\n", encoding="utf-8")

    found = measured(bench, lambda known: keep("lm.json", json.dumps(known, indent=1)))
    missed = [name for name, reached, _ in verdicts(found) if not reached]
    listed = (
        ["sampling tiny", "training tiny", "scoring tiny"] if tiny else [name for name in missed if name in TARGETS]
    )
    text = "\n\n".join([report(found), paper(bench, found)])
    keep("lm.md", text)
    print(text)
    for name in listed:
        bench.emptied()
        slow = profile(bench, name)
        text += f"\n\n{slow}"
        keep("lm.md", text)
        print(f"\n{slow}")
    return int(bool(missed))


if __name__ == "__main__":
    sys.exit(main())
