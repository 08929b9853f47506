"""What a run would take: tokens, operations, hours, disk; from its settings and a measurement on this machine."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from transformers import LlamaForCausalLM

from kdlab.lm.experiment import SMOLLM2, RunConfig
from kdlab.lm.pipeline import distributed as ranks
from kdlab.lm.pipeline.corpus import generator
from kdlab.lm.pipeline.model import new_model
from kdlab.lm.pipeline.sampling import sample
from kdlab.lm.pipeline.scoring import token_losses
from kdlab.lm.sizes import SIZES, Size, flops_per_token, parameters, size_named

__all__ = ["Speed", "Work", "estimate", "measured", "work"]

_SECONDS = 15.0  # for each of the two measurements
_TRUTHS = {"bundled": "135M", "random": "tiny"}


@dataclass(frozen=True)
class Work:
    """All seeds together, at most (sequences of full length): tokens, and operations of each kind; bytes on disk."""

    sampled: int
    trained: int
    scored: int
    sampling_flops: float
    training_flops: float
    scoring_flops: float
    disk: int


@dataclass(frozen=True)
class Speed:
    """Operations per second of this machine, measured on ``rung``."""

    rung: str
    sampling: float
    training: float


def work(config: RunConfig) -> Work:
    """Count what a run does; p* of an unknown name is taken for a 1.7B."""
    vocabulary = config.vocabulary or SMOLLM2
    truth = size_named(_TRUTHS.get(config.truth, next((n for n in SIZES if config.truth.endswith(n)), "1.7B")))
    teacher, student = size_named(config.teacher), size_named(config.student)

    def flops(size: Size) -> float:
        return flops_per_token(size, vocabulary, config.length)

    models, length = 1 + len(config.taus), config.length
    drawn = max(config.teacher_sequences, config.student_sequences)
    by_truth = (drawn + config.validation_sequences + config.evaluation_sequences) * length
    by_teacher = config.seeds * (len(config.taus) * config.student_sequences + config.evaluation_sequences) * length
    by_students = config.seeds * models * config.evaluation_sequences * length
    taught = config.seeds * config.teacher_epochs * config.teacher_sequences * length
    learned = config.seeds * models * config.student_epochs * config.student_sequences * length
    under_truth = (1 + config.seeds * (1 + models)) * config.evaluation_sequences * length
    under_teacher = config.seeds * config.evaluation_sequences * length
    weights = 4 * config.seeds * (parameters(teacher, vocabulary) + models * parameters(student, vocabulary))
    checkpoint = 4 * 4 * parameters(teacher, vocabulary)  # weights, two moments, and the best weights so far
    return Work(
        sampled=by_truth + by_teacher + by_students,
        trained=taught + learned,
        scored=under_truth + under_teacher + by_students,
        sampling_flops=by_truth * flops(truth) + by_teacher * flops(teacher) + by_students * flops(student),
        training_flops=3 * (taught * flops(teacher) + learned * flops(student)),
        scoring_flops=under_truth * flops(truth) + under_teacher * flops(teacher) + by_students * flops(student),
        disk=2 * (by_truth + by_teacher + by_students) + weights + checkpoint,
    )


def measured(rung: str | None = None, seconds: float = _SECONDS) -> Speed:
    """Sample and train a model of the shape of ``rung`` for about ``seconds`` each, and count operations per second."""
    device = ranks.device()
    name = rung or ("135M" if device.type == "cuda" else "2M")
    size, vocabulary, length = size_named(name), SMOLLM2 if device.type == "cuda" else 4096, 64
    model = new_model(size, vocabulary, eos=0, rng=generator(0, "estimate")).to(device)
    rows = 256 if device.type == "cuda" else 32
    per_token = flops_per_token(size, vocabulary, length)

    def write() -> int:
        return sample(model, [1], rows, length=length, eos=0, rng=generator(0, "estimate")).n_tokens

    sampling = _rate(write, seconds) * per_token
    return Speed(name, sampling, _rate(lambda: _step(model, rows, length), seconds) * 3 * per_token)


def _step(model: LlamaForCausalLM, rows: int, length: int) -> int:
    ids = torch.zeros((rows, length), dtype=torch.int64, device=model.device)
    with torch.autocast(model.device.type, torch.bfloat16, enabled=model.device.type == "cuda"):
        loss = token_losses(model, ids, torch.full((rows,), length, device=model.device), 1).mean()
    loss.backward()
    model.zero_grad(set_to_none=True)
    return rows * (length - 1)


def _rate(piece: Callable[[], int], seconds: float) -> float:
    """Tokens per second; the first piece is for warming up."""
    piece()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    started, tokens = time.perf_counter(), 0
    while time.perf_counter() - started < seconds:
        tokens += piece()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
    return tokens / (time.perf_counter() - started)


def estimate(config: RunConfig, speed: Speed | None = None) -> str:
    """Say what a run would take on this machine; measures it for half a minute unless ``speed`` is given."""
    speed, all_of_it = speed or measured(), work(config)
    device = "GPU" if torch.cuda.is_available() else "CPU"
    kinds = {
        "sampling": (all_of_it.sampled, all_of_it.sampling_flops, speed.sampling),
        "training": (all_of_it.trained, all_of_it.training_flops, speed.training),
        "scoring": (all_of_it.scored, all_of_it.scoring_flops, speed.training),
    }
    lines = [f"{config.preset}, {config.seeds} seeds, if every sequence has its full {config.length} tokens:"]
    hours = 0.0
    for kind, (tokens, flops, rate) in kinds.items():
        own = flops / rate / 3600
        hours += own
        lines.append(
            f"  {kind}: {tokens:.2g} tokens, {flops:.2g} operations / {rate:.2g} per second = about {own:,.0f} "
            f"{device} hours"
        )
    lines += [
        f"  together about {hours:,.0f} {device} hours on one such {device}, at best {hours / 8:,.0f} on each of "
        f"eight, and up to {all_of_it.disk / 1e9:,.0f} GB of disk",
        f"Measured here on a model of {speed.rung}. Models of another size use a machine better or worse.",
    ]
    return "\n".join(lines)
