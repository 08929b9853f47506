"""Training from scratch on token ids: AdamW, a warm-up / stable / decay schedule, and a resume that changes nothing.

The order of the data is a function of (seed, epoch), never of what happened before; a checkpoint holds the weights,
AdamW's two moments, the step, and the best weights so far. So a run that was killed and continued ends in the same
weights, bit for bit on a CPU. Several processes (torchrun) share each batch and add up their gradients.

A loop of its own and not transformers' Trainer: here a checkpoint is one file of plain tensors, which nothing has to
unpickle, and the order is known from its arguments; on two cores it is no slower (benchmarks/training.json).

On a GPU: bfloat16 where it is safe (autocast), layers compiled, and sequences of like length read together, so that
little of what is read is padding.
"""

import json
import math
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from transformers import LlamaForCausalLM

from kdlab.core.files import written_whole
from kdlab.lm.pipeline import distributed as ranks
from kdlab.lm.pipeline.corpus import Ends, Prompts, Sequences, ends_of, generator, ids_type
from kdlab.lm.pipeline.cpu import SummedNats, workers
from kdlab.lm.pipeline.gpu import compiled_layers
from kdlab.lm.pipeline.objectives import Objective, token_nats
from kdlab.lm.pipeline.sampling import sample
from kdlab.lm.pipeline.scoring import Losses, after_prompt, cross_entropies, score, token_losses

_PIECE = 2**10  # tokens of one piece, on a CPU, where a batch is cut in two at least, read at once: see `cpu.workers`
_LOGITS = 2**30  # of one piece, at most, on a GPU
_AT_ONCE = {"cpu": 2**19, "cuda": 2**28}  # logits of student and of teacher, while what a teacher says is learned
_ENOUGH = {"cpu": math.inf, "cuda": 2**13}  # tokens that keep the device busy: from there on, a piece may end
_ALIKE = 0.8  # lengths in one piece, where there is enough for another
_COMPILED = 2**20  # tokens: for fewer, compiling takes longer than it saves
_EVERY = 200  # steps between checkpoints
_POINTS = 100  # of the recorded loss curve
_HOPELESS, _FEW = (2.0, 10.0), 256  # times the loss of a model that knows nothing, and of a batch of so few tokens

_TEXTS = ("ids", "lengths", "prompt")  # of what a student has written, in a checkpoint

Progress = Callable[[int, int, float, float], None]


class Diverged(ValueError):
    """Training went wrong, by too large a rate as a rule."""


@dataclass(frozen=True)
class TrainingSettings:
    """How to train: the paper's recipe (section 4 and its released scripts) unless a field says otherwise.

    ``keep``: "best" ends with the weights after the epoch with the lowest validation loss, "last" with the last ones.
    """

    epochs: int = 1
    batch: int = 256
    rate: float = 5e-4
    warmup: float = 0.01
    decay: float = 0.2
    betas: tuple[float, float] = (0.9, 0.95)
    weight_decay: float = 0.01
    clip: float = 1.0
    keep: str = "best"


@dataclass(frozen=True)
class Writes:
    """What a student writes to learn on: ``n`` texts at the beginning of each epoch, as `sample` takes the others."""

    n: int
    prompt: Prompts
    length: int
    eos: Ends


@dataclass(frozen=True)
class Taught:
    """A teacher that is there (evaluation mode, on the student's device), and what is learned of it at each token.

    ``writes``: on-policy, the student learns on texts of its own in place of any data.
    """

    teacher: Any
    objective: Objective
    writes: Writes | None = None


@dataclass
class Training:
    """What came of it: ``steps`` and ``losses`` (nats per token) along the way, ``validation`` after each epoch."""

    steps: list[int] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    validation: list[float] = field(default_factory=list)
    tokens: int = 0
    seconds: float = 0.0


def learning_rate(step: int, n_steps: int, settings: TrainingSettings) -> float:
    """Rate of step ``step`` (from 0): linear up over the first 1 %, level, linear down over the last 20 %."""
    up, down = max(1, round(settings.warmup * n_steps)), max(1, round(settings.decay * n_steps))
    return settings.rate * min(1.0, (step + 1) / up, (n_steps - step) / down)


def order(n: int, seed: int, epoch: int) -> NDArray[np.int64]:
    """(n,): which sequence comes when, in that epoch; a function of its arguments only."""
    return np.random.default_rng([seed, epoch]).permutation(n)


def train(
    model: LlamaForCausalLM,
    data: Sequences,
    settings: TrainingSettings,
    *,
    folder: Path,
    seed: int,
    validation: Sequences | None = None,
    taught: Taught | None = None,
    progress: Progress = lambda step, of, loss, rate: None,
) -> Training:
    """Train ``model`` in place and return its curve; continue from ``folder`` where a checkpoint lies there.

    It learns the texts' tokens, or, ``taught``, what a teacher says at each of them; the loss is then a divergence.
    ``progress(step, n_steps, loss, tokens_per_second)`` hears of it a hundred times. ``folder`` receives
    ``checkpoint.safetensors`` every 200 steps and ``model.safetensors`` at the end. Without ``validation`` no epoch is
    known to be the best, and the last weights are kept. Raises ValueError for data that the model's vocabulary does
    not hold, or a checkpoint of other settings or data.
    """
    run = _Run(model, data, settings, Path(folder), seed, validation, taught)
    run.resume()
    model.train()
    worth = _worth_compiling(model, run.tokens_left)
    with (
        compiled_layers(model, cross_entropies) if worth else nullcontext(cross_entropies) as run.losses_by,
        workers(model.device) as run.at_once,
    ):
        while run.step < run.n_steps:
            run.advance(progress)
    run.keep()
    model.eval()
    if ranks.first():
        _save(dict(model.named_parameters()), {}, run.folder / "model.safetensors")
        run.checkpoint.unlink(missing_ok=True)
    ranks.wait()
    return run.curve


def _worth_compiling(model: LlamaForCausalLM, n_tokens: float) -> bool:
    return model.device.type == "cuda" and n_tokens >= _COMPILED


def pieces(lengths: NDArray[np.int64], enough: float, most: int) -> list[NDArray[np.int64]]:
    """Cut a batch of sequences into pieces, each read at once and padded to its longest; returns who is in which.

    A piece holds at most ``most`` tokens, padding included, or one sequence. From ``enough`` on, it takes in no
    sequence that is much shorter than its longest. What is short enough for one piece stays in its order.
    """
    if len(lengths) * lengths.max() <= min(enough, most):
        return [np.arange(len(lengths))]
    order, found = np.argsort(-lengths, kind="stable"), []
    while len(order):
        longest = int(lengths[order[0]])
        n = max(1, most // longest)
        alike = int((lengths[order] >= _ALIKE * longest).sum())
        n = min(n, max(alike, math.ceil(min(enough / longest, len(order)))))
        found.append(order[:n])
        order = order[n:]
    return found


@dataclass
class _Run:
    """One training run, between two steps."""

    model: LlamaForCausalLM
    data: Sequences
    settings: TrainingSettings
    folder: Path
    seed: int
    validation: Sequences | None
    taught: Taught | None = None
    losses_by: Losses = cross_entropies
    at_once: Any = map

    def __post_init__(self) -> None:
        model, settings = self.model, self.settings
        self.checkpoint = self.folder / "checkpoint.safetensors"
        self.writes = None if self.taught is None else self.taught.writes
        self.per_epoch = math.ceil((self.writes.n if self.writes else len(self.data)) / settings.batch)
        self.n_steps, self.step = settings.epochs * self.per_epoch, 0
        self.every = max(1, self.n_steps // _POINTS)
        self.curve = Training()
        self._since: list[tuple[float, int]] = []
        self._best: dict[str, torch.Tensor] = {}  # off the device: it is needed once, at the end
        decayed = [weight for weight in model.parameters() if weight.dim() > 1]
        others = [weight for weight in model.parameters() if weight.dim() <= 1]
        self.optimizer = torch.optim.AdamW(
            [{"params": decayed}, {"params": others, "weight_decay": 0.0}],
            lr=settings.rate,
            betas=settings.betas,
            weight_decay=settings.weight_decay,
            fused=model.device.type == "cuda",
        )

    @property
    def tokens_left(self) -> float:
        """That this run has still to learn from."""
        return self.data.n_tokens * (self.n_steps - self.step) / self.per_epoch

    def advance(self, progress: Progress) -> None:
        """Take one step, note its loss, save where it is time."""
        started = time.perf_counter()
        epoch, within = divmod(self.step, self.per_epoch)
        if self.writes and not within:
            self._write(self.writes, epoch)
        which = order(len(self.data), self.seed, epoch)[within * self.settings.batch :][: self.settings.batch]
        loss, n_tokens = self._step(which)
        self.step += 1
        self.curve.tokens += n_tokens
        self._since.append((loss, n_tokens))
        if self.step % self.every == 0 or self.step == self.n_steps:
            self._note(progress, time.perf_counter() - started)
        if self.validation is not None and self.step % self.per_epoch == 0:
            self._validate(self.validation)
        self.curve.seconds += time.perf_counter() - started
        if self.step % _EVERY == 0 and self.step < self.n_steps:
            self.save()

    def _write(self, asked: Writes, epoch: int) -> None:
        """Let the student write what it learns on in this epoch."""
        self.model.eval()
        rng = generator(self.seed, "own texts", epoch)
        self.data = sample(self.model, asked.prompt, asked.n, length=asked.length, eos=asked.eos, rng=rng)
        self.model.train()

    def _validate(self, texts: Sequences) -> None:
        """Note the loss on ``texts``; remember the weights if there were none better."""
        self.model.eval()
        loss = -score(self.model, texts).per_token().value
        self.model.train()
        if self.settings.keep == "best" and loss < min(self.curve.validation, default=math.inf):
            self._best = {name: weight.detach().to("cpu", copy=True) for name, weight in self.model.named_parameters()}
        self.curve.validation.append(loss)

    @torch.no_grad()
    def keep(self) -> None:
        """Put the best weights into the model, if any are remembered."""
        for name, weight in self.model.named_parameters():
            if self._best:
                weight.copy_(self._best[name])

    def _note(self, progress: Progress, last: float) -> None:
        nats, tokens = (sum(values) for values in zip(*self._since, strict=True))
        self._since = []
        self.curve.steps.append(self.step)
        self.curve.losses.append(nats / tokens)
        progress(self.step, self.n_steps, nats / tokens, self.curve.tokens / max(self.curve.seconds + last, 1e-9))

    def _step(self, which: NDArray[np.int64]) -> tuple[float, int]:
        """One batch, the sequences ``which`` of all processes together; return its nats and tokens."""
        device, weights = self.model.device, list(self.model.parameters())
        n_tokens = int(self.data.counts[which].sum())
        own = self.data[which[ranks.rank() :: ranks.world()]]
        most = _LOGITS // self.model.config.vocab_size
        if device.type == "cpu":
            most = min(_PIECE, math.ceil(len(own) / 2) * int(own.lengths.max(initial=0)))
        total = torch.zeros((), dtype=torch.float64, device=device)
        cut = pieces(own.lengths.astype(np.int64), _ENOUGH[device.type], most) if len(own) else []
        for nats, gradients in self.at_once(lambda piece: self._learnt(own[piece], weights, n_tokens), cut):
            total += nats
            for weight, gradient in zip(weights, gradients, strict=True):
                weight.grad = gradient if weight.grad is None else weight.grad.add_(gradient)
        self._share(total)
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(self.step, self.n_steps, self.settings)
        norm = torch.nn.utils.clip_grad_norm_(weights, self.settings.clip)
        self._refuse_divergence(float(total) / n_tokens, float(norm), n_tokens)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return float(total), n_tokens

    def _learnt(self, some: Sequences, weights: list[Any], n_tokens: int) -> tuple[torch.Tensor, Any]:
        """The nats of some sequences, and the gradients of their share of the mean over ``n_tokens``."""
        (ids, lengths), prompt = some.tensors(self.model.device), some.given(self.model.device)
        if self.taught is not None:
            counted = after_prompt(prompt, lengths, ids.shape[1])
            most = max(1, _AT_ONCE[ids.device.type] // self.model.config.vocab_size)
            with torch.autocast(ids.device.type, torch.bfloat16, enabled=ids.device.type == "cuda"):
                nats = token_nats(self.model, self.taught.teacher, ids, counted, self.taught.objective, most)
        elif ids.device.type == "cpu" and self.losses_by is cross_entropies:
            hidden = self.model.model(input_ids=ids[:, :-1], use_cache=False).last_hidden_state
            scored = after_prompt(prompt, lengths, ids.shape[1])
            nats = SummedNats.apply(hidden[scored[:, 1:]], self.model.lm_head.weight, ids[scored])
        else:
            with torch.autocast(ids.device.type, torch.bfloat16, enabled=ids.device.type == "cuda"):
                nats = token_losses(self.model, ids, lengths, prompt, by=self.losses_by).sum()
        return nats.detach().double(), torch.autograd.grad(nats / n_tokens, weights)

    def _refuse_divergence(self, loss: float, norm: float, n_tokens: int) -> None:
        """Raise `Diverged` where a step's loss or gradient is no finite number, or the loss is worse than ignorance.

        A batch of few tokens may be one odd text: its loss must be far worse.
        """
        ignorant = math.log(self.model.config.vocab_size)
        odd = n_tokens < _FEW or self.taught is not None  # a divergence may begin far above
        if not loss < _HOPELESS[odd] * ignorant or not math.isfinite(norm):
            raise Diverged(
                f"training diverged at step {self.step + 1} of {self.n_steps}: the loss is {loss:.3g} nats per token, "
                f"where a model that knows nothing has {ignorant:.3g}, and the gradient's norm is {norm:.3g}. Choose a "
                f"lower rate than {self.settings.rate:g}, in another folder"
            )

    def _share(self, total: torch.Tensor) -> None:
        """Add up the gradients and the loss of all processes: each has divided by the whole batch's tokens."""
        if ranks.world() == 1:
            return
        for weight in self.model.parameters():
            if weight.grad is None:  # a process whose share of a small last batch was empty
                weight.grad = torch.zeros_like(weight)
            dist.all_reduce(weight.grad)
        dist.all_reduce(total)

    def told(self) -> dict[str, Any]:
        """What a checkpoint must agree with."""
        told = {"settings": json.loads(json.dumps(asdict(self.settings))), "seed": self.seed}
        if self.taught is not None:
            told["objective"] = str(self.taught.objective)
        if self.writes:
            return told | {"writes": self.writes.n}
        return told | {"sequences": len(self.data), "tokens": self.data.n_tokens}

    def save(self) -> None:
        """Write all that the next step depends on."""
        if ranks.first():
            tensors = {f"model.{name}": weight for name, weight in self.model.named_parameters()}
            for name, weight in self.model.named_parameters():
                state = self.optimizer.state[weight]
                tensors |= {f"{moment}.{name}": state[moment] for moment in ("exp_avg", "exp_avg_sq")}
            tensors |= {f"best.{name}": weight for name, weight in self._best.items()}
            if self.writes:
                each = self.data.ids, self.data.lengths, np.broadcast_to(self.data.prompt, len(self.data))
                texts = (torch.from_numpy(values.astype(np.int64)) for values in each)
                tensors |= {f"texts.{name}": values for name, values in zip(_TEXTS, texts, strict=True)}
            about = {"step": self.step, "told": self.told(), "curve": asdict(self.curve), "since": self._since}
            _save(tensors, {"kdlab": json.dumps(about)}, self.checkpoint)

    def resume(self) -> None:
        """Go back to the last checkpoint, if there is one."""
        if not self.checkpoint.is_file():
            return
        device = str(self.model.device)
        counter = device if self.optimizer.defaults["fused"] else "cpu"  # where AdamW keeps the number of its steps
        with safe_open(self.checkpoint, framework="pt", device=device) as file:
            about = json.loads(file.metadata()["kdlab"])
            if about["told"] != self.told():
                raise ValueError(
                    f"{self.checkpoint} is a checkpoint of another run (it says {about['told']}, "
                    f"this run is {self.told()}): delete it or choose another folder"
                )
            for name, weight in self.model.named_parameters():
                weight.data.copy_(file.get_tensor(f"model.{name}"))
                self.optimizer.state[weight] = {
                    "step": torch.tensor(float(about["step"]), device=counter),
                    "exp_avg": file.get_tensor(f"exp_avg.{name}"),
                    "exp_avg_sq": file.get_tensor(f"exp_avg_sq.{name}"),
                }
            best = {name.removeprefix("best.") for name in file.keys() if name.startswith("best.")}  # noqa: SIM118
            self._best = {name: file.get_tensor(f"best.{name}").cpu() for name in best}
            if self.writes:
                ids, lengths, prompt = (file.get_tensor(f"texts.{name}").cpu().numpy() for name in _TEXTS)
                stored = ids.astype(ids_type(self.model.config.vocab_size))
                self.data = Sequences(stored, lengths.astype(np.uint16), prompt, ends_of(self.writes.eos)[0])
        self.step, self.curve = about["step"], Training(**about["curve"])
        self._since = [(nats, tokens) for nats, tokens in about["since"]]


def load_weights(model: LlamaForCausalLM, path: Path) -> LlamaForCausalLM:
    """Put the weights that `train` left at ``path`` into a model of the same size, in place."""
    with safe_open(path, framework="pt", device=str(model.device)) as file, torch.no_grad():
        for name, weight in model.named_parameters():
            weight.copy_(file.get_tensor(name))
    return model


def _save(tensors: dict[str, torch.Tensor], about: dict[str, str], path: Path) -> None:
    """Write tensors, whole or not at all. Raises OSError."""
    with written_whole(path) as temporary:
        try:
            save_file({name: tensor.detach().contiguous() for name, tensor in tensors.items()}, temporary, about)
        except SafetensorError as error:  # its way to say that the disk is full
            raise OSError(None, str(error)) from error
