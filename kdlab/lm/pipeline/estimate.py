"""What a run would take: tokens, operations, hours, disk; from its settings and a measurement on this machine."""

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
from kdlab.lm.sizes import SIZES, flops_per_token, parameters, size_named

_SECONDS = 15.0  # for each of the two measurements
_TRUTHS = {"bundled": "135M", "random": "tiny"}


@dataclass(frozen=True)
class Work:
    """All seeds together, at most (sequences of full length): ``tokens`` and ``operations`` of "sampling", "training"
    and "scoring"; bytes on ``disk``.
    """

    tokens: dict[str, int]
    operations: dict[str, float]
    disk: int


@dataclass(frozen=True)
class Speed:
    """Operations per second of this machine, measured on ``rung``."""

    rung: str
    sampling: float
    training: float


def work(config: RunConfig) -> Work:
    """Count what a run does; p* of an unknown name is taken for a 1.7B."""
    vocabulary, seeds, n = config.vocabulary or SMOLLM2, config.seeds, config.length
    taught = len(config.taus) + len(config.truncations)  # each by a corpus of the teacher's
    students = taught + 1
    truth = _TRUTHS.get(config.truth, next((name for name in SIZES if config.truth.endswith(name)), "1.7B"))
    sizes = {"truth": size_named(truth), "teacher": size_named(config.teacher), "student": size_named(config.student)}
    read = config.evaluation_sequences  # by every model; and p* reads what each of them wrote
    drawn = max(config.teacher_sequences, config.student_sequences) + config.validation_sequences + read
    sequences = {
        "sampling": {
            "truth": drawn,
            "teacher": seeds * (taught * config.student_sequences + read),
            "student": seeds * students * read,
        },
        "training": {
            "teacher": seeds * config.teacher_epochs * config.teacher_sequences,
            "student": seeds * students * config.student_epochs * config.student_sequences,
        },
        "scoring": {
            "truth": (1 + seeds * (1 + students)) * read,
            "teacher": seeds * read,
            "student": seeds * students * read,
        },
    }
    each = {role: flops_per_token(size, vocabulary, n) * n for role, size in sizes.items()}
    tokens = {kind: sum(many.values()) * n for kind, many in sequences.items()}
    operations = {kind: sum(many[role] * each[role] for role in many) for kind, many in sequences.items()}
    operations["training"] *= 3  # there, and twice as much on the way back
    teacher, student = (parameters(sizes[role], vocabulary) for role in ("teacher", "student"))
    weights = seeds * (teacher + students * student) + 4 * teacher  # and a checkpoint: two moments, the best so far
    return Work(tokens, operations, 2 * tokens["sampling"] + 4 * weights)


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
    speed, of = speed or measured(), work(config)
    device = "GPU" if torch.cuda.is_available() else "CPU"
    lines = [f"{config.preset}, {config.seeds} seeds, if every sequence has its full {config.length} tokens:"]
    seconds = 0.0
    for kind, operations in of.operations.items():
        rate = speed.sampling if kind == "sampling" else speed.training
        seconds += operations / rate
        lines.append(
            f"  {kind}: {of.tokens[kind]:.2g} tokens, {operations:.2g} operations / {rate:.2g} per second = about "
            f"{_time(operations / rate, device)}"
        )
    lines += [
        f"  together about {_time(seconds, device)} on one such {device}, at best {_time(seconds / 8, device)} on each "
        f"of eight, and up to {of.disk / 1e9:,.1f} GB of disk",
        f"Measured here on a model of {speed.rung}. Models of another size use a machine better or worse.",
    ]
    return "\n".join(lines)


def _time(seconds: float, device: str) -> str:
    """In the largest unit that there are three of."""
    unit, long = next(((name, n) for name, n in (("hours", 3600), ("minutes", 60)) if seconds >= 3 * n), ("seconds", 1))
    return f"{seconds / long:,.0f} {device} {unit}"
