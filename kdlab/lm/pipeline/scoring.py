"""Scoring text: the log-probability that a model gives each sequence, and its mean per sequence and per token.

Sequences that continue the same prompt are read together, after the prompt, which is read once.

The softmax is taken in float32 over a bounded piece at a time: never batch x length x vocabulary at once. Every token
after the prompt is scored once, EOS included. On a GPU, matrix products are TensorFloat-32 (float32 with ten bits after
the point): benchmarks/precisions.py measures what that changes.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import LlamaForCausalLM, PreTrainedModel

from kdlab.core.metrics import Estimate
from kdlab.lm.pipeline import causal, cpu
from kdlab.lm.pipeline.corpus import Sequences
from kdlab.lm.pipeline.cpu import workers
from kdlab.lm.pipeline.gpu import tensor_cores

Per = Literal["token", "sequence"]
Losses = Callable[..., Tensor]  # `cross_entropies`, or what it was compiled to
Reader = Callable[[Tensor], Tensor]
_LOGITS = {"cpu": 2**23, "cuda": 2**28}  # logits at once
_TOKENS = {"cpu": 2**9, "cuda": 2**16}  # tokens whose hidden states are held at once


@dataclass(frozen=True)
class Scores:
    """N sequences under one model: ``nats`` (N,) are their log-probabilities, ``tokens`` (N,) how many were scored.

    ``groups`` (N,) says which continue the same prompt, where there are several: 0, 1, ... in the order in which
    prompts come. ``states`` (M, hidden), of the first M: the mean of the last hidden states over a sequence's tokens.
    """

    nats: NDArray[np.float64]
    tokens: NDArray[np.int64]
    groups: NDArray[np.int64] | None = None
    states: NDArray[np.float32] | None = None

    def per(self, what: Per) -> Estimate:
        """Mean nats per "token" or per "sequence"."""
        return self.per_token() if what == "token" else self.per_sequence()

    def per_sequence(self) -> Estimate:
        """Mean nats per sequence: E[log p(x)], as the paper defines precision and recall."""
        return Estimate(float(self.nats.mean()), self._error("sequence"), len(self.nats))

    def per_token(self) -> Estimate:
        """All nats over all tokens, as the paper's released code reports; the error is over sequences.

        A ratio of two means: its error, to first order, is that of the residuals nats - ratio * tokens (Cochran
        1977, Sampling Techniques, section 2.11).
        """
        error = self._error("token") / float(self.tokens.mean())
        return Estimate(float(self.nats.sum() / self.tokens.sum()), error, len(self.nats))

    def residuals(self, per: Per) -> NDArray[np.float64]:
        """(N,): what each sequence adds to the error of the mean; (G,) where there are G prompts: what each adds.

        Sequences of one prompt have something in common, so that prompts are what is drawn independently (Cochran
        1977, section 9A.2): their sums are as many numbers as there is evidence.
        """
        rows = self.nats - self.nats.sum() / self.tokens.sum() * self.tokens if per == "token" else self.nats
        return np.asarray(rows if self.groups is None else np.bincount(self.groups, rows - rows.mean()), float)

    def _error(self, per: Per) -> float:
        """The standard error of the mean of the residuals over sequences."""
        rows = self.residuals(per)
        return float(rows.std(ddof=1)) / math.sqrt(len(rows)) * (len(rows) / len(self.nats))


def cross_entropies(head: torch.nn.Module, hidden: Tensor, targets: Tensor, tau: float = 1.0) -> Tensor:
    """(M,) minus log-probability of ``targets`` (M,) after ``hidden`` states (M, H)."""
    logits = head(hidden).float()
    tempered = logits if tau == 1.0 else logits / tau  # no second copy of what is large
    return torch.nn.functional.cross_entropy(tempered, targets, reduction="none")


def token_losses(
    model: LlamaForCausalLM,
    ids: Tensor,
    lengths: Tensor,
    prompt: int | Tensor,
    tau: float = 1.0,
    by: Losses = cross_entropies,
) -> Tensor:
    """(B, L - prompt): minus log-probability of each token after the prompt, zero past the end. Differentiable.

    ``ids`` (B, L) padded at the right: in a causal model nothing before the padding sees it, so no mask is needed.
    ``prompt`` may be (B,): then the shortest counts for the shape, and there are zeros where a longer one goes on.
    """
    first = int(torch.as_tensor(prompt).min())
    hidden = model.model(input_ids=ids[:, :-1], use_cache=False).last_hidden_state[:, first - 1 :]
    return _losses(model, hidden, ids, after_prompt(prompt, lengths, ids.shape[1]), tau, by)


def after_prompt(prompt: int | Tensor, lengths: Tensor, width: int) -> Tensor:
    """(B, width): which tokens of B sequences were not given and are no padding."""
    places = torch.arange(width, device=lengths.device)
    given = prompt[:, None] if isinstance(prompt, Tensor) else prompt
    return (places >= given) & (places < lengths[:, None])


def _losses(
    model: PreTrainedModel, hidden: Tensor, ids: Tensor, counted: Tensor, tau: float, by: Losses = cross_entropies
) -> Tensor:
    """(B, T): minus log-probability of the last T of ``ids``, each after its ``hidden`` state; 0 where not counted."""
    targets, scored = ids[:, -hidden.shape[1] :], counted[:, -hidden.shape[1] :]
    losses = torch.zeros(targets.shape, device=ids.device)
    some = max(1, _LOGITS[ids.device.type] // causal.vocabulary(model))  # rows whose logits stay within their bound
    rows = zip(hidden[scored].split(some), targets[scored].split(some), strict=True)
    losses[scored] = torch.cat([by(causal.head(model), states, wanted, tau) for states, wanted in rows])
    return losses


@torch.inference_mode()
def score(model: PreTrainedModel, sequences: Sequences, tau: float = 1.0, states: int = 0) -> Scores:
    """Return the log-probability of every sequence given the prompt, in nats; ``tau`` tempers every step.

    Of the first ``states`` sequences their hidden states come with it, for one more token of reading. Raises ValueError
    for an id outside the model's vocabulary.
    """
    vocabulary = causal.vocabulary(model)
    if int(sequences.ids.max()) >= vocabulary:
        raise ValueError(
            f"token {int(sequences.ids.max())} is outside the model's vocabulary of {vocabulary}: "
            "score these sequences with a model of the vocabulary that they were written in"
        )
    groups = np.empty(len(sequences), np.int64)
    for i, (which, _) in enumerate(alike := sequences.alike()):
        groups[which] = i
    with tensor_cores(model.device):
        order, parts = _of_parts(model, sequences, partial(_nats, model, tau), states)
    nats = _sorted(order, [part[:, 0] for part in parts])
    further = [(which, part[:, 1:]) for which, part in zip(order, parts, strict=True) if part.shape[1] > 1]
    means = _sorted(*zip(*further, strict=True))[:states].astype(np.float32) if further else None
    return Scores(nats, sequences.counts, groups if len(alike) > 1 else None, means)


def _sorted(order: Sequence[NDArray[np.int64]], parts: Sequence[Tensor]) -> NDArray[np.float64]:
    """What was found of sequences, in their own order."""
    return np.asarray(torch.cat([*parts]).cpu().numpy()[np.argsort(np.concatenate(order))])


def _nats(model: PreTrainedModel, tau: float, read: Reader, part: Sequences, further: bool) -> Tensor:
    """(B, 1): the log-probabilities of sequences of one prompt.

    ``further`` (B, 1 + hidden): beside them the means of the states after each token.
    """
    ids, lengths = part.tensors(model.device)
    counted = after_prompt(part.prompt, lengths, ids.shape[1])
    states = read(torch.nn.functional.pad(ids, (0, 1)) if further else ids)  # before each token, and after the last
    before = states[:, :-1] if further else states
    nats = -_losses(model, before, ids, counted, tau).double().sum(dim=1, keepdim=True)
    if not further:
        return nats
    counted = counted[:, part.prompt :, None]
    if not causal.splits(model):  # what was read are logits
        states = causal.states(model, ids)[:, part.prompt - 1 :]
    return torch.cat([nats, (states[:, 1:].double() * counted).sum(dim=1) / counted.sum(dim=1)], dim=1)


def mean_probabilities(model: PreTrainedModel, sequences: Sequences) -> NDArray[np.float64]:
    """(V,): the probability of each token of the vocabulary as the next, on average over all that were chosen."""

    def summed(read: Reader, part: Sequences, further: bool) -> Tensor:
        ids, lengths = part.tensors(model.device)
        chosen = after_prompt(part.prompt, lengths, ids.shape[1])[:, part.prompt :]
        return torch.softmax(causal.head(model)(read(ids)[chosen]).float(), dim=-1).sum(dim=0, dtype=torch.float64)

    _, parts = _of_parts(model, sequences, summed)
    return np.asarray(sum(parts).cpu().numpy()) / sequences.n_tokens


def _of_parts(
    model: PreTrainedModel, sequences: Sequences, found: Callable[[Reader, Sequences, bool], Tensor], further: int = 0
) -> tuple[list[NDArray[np.int64]], list[Tensor]]:
    """Which sequences are taken together, all of one prompt, and what is found of them.

    The first ``further`` are taken first; ``found`` is told of each part whether it has one of them.
    """
    new, plain = _readers(model, sequences.ids.shape[1]), not cpu.fits(model)
    held = (
        _TOKENS[model.device.type] if causal.splits(model) else _LOGITS[model.device.type] // causal.vocabulary(model)
    )

    @torch.inference_mode()  # a thread has its own mode
    def of_one(alike: tuple[NDArray[np.int64], Sequences], each: Any = map) -> list[tuple[Any, Any]]:
        which, own = alike
        order = np.lexsort((-own.lengths.astype(int), which >= further))  # alike in length together: less padding
        width = own.ids.shape[1] - (0 if plain else own.prompt - 1)  # what is read of each
        some, read = max(1, held // width), new(own)

        @torch.inference_mode()
        def of_part(part: NDArray[np.int64]) -> tuple[NDArray[np.int64], Tensor]:
            return which[part], found(read, own[part], bool((which[part] < further).any()))

        return list(each(of_part, np.array_split(order, math.ceil(len(own) / some))))

    alike = sequences.alike()
    with workers(model.device) as at_once:
        # Either parts are read at once, or prompts with all that continues them.
        each = [of_one(alike[0], at_once)] if len(alike) == 1 else list(at_once(of_one, alike))
    order, parts = zip(*(part for of in each for part in of), strict=True)
    return list(order), list(parts)


def _readers(model: PreTrainedModel, width: int) -> Callable[[Sequences], Reader]:
    """What makes, for sequences of one prompt, the reader of their ids (B, L <= ``width`` + 1).

    It gives the states (B, L - prompt, hidden) before each token after the prompt.
    """
    if not cpu.fits(model):
        return lambda own: lambda ids: causal.read(model, ids[:, :-1])[:, own.prompt - 1 :]
    layers = cpu.Layers(model, width)

    def begin(own: Sequences) -> Reader:
        assert isinstance(own.prompt, int)
        given = own.prompt - 1
        begun = layers.begun(torch.from_numpy(own.ids[0, :given].astype(np.int64)))  # the same in all
        return lambda ids: layers.read(ids[:, given:-1], given, layers.spread(begun, given, len(ids)))

    return begin
