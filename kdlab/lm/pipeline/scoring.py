"""Scoring text: the log-probability that a model gives each sequence, and its mean per sequence and per token.

The softmax is taken in float32 over a bounded piece at a time: never batch x length x vocabulary at once. Every token
after the prompt is scored once, EOS included. On a GPU, matrix products are TensorFloat-32 (float32 with ten bits after
the point): benchmarks/precisions.py measures what that changes.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import LlamaForCausalLM

from kdlab.core.metrics import Estimate
from kdlab.lm.pipeline import cpu
from kdlab.lm.pipeline.corpus import Sequences
from kdlab.lm.pipeline.cpu import workers
from kdlab.lm.pipeline.gpu import tensor_cores

Per = Literal["token", "sequence"]
Losses = Callable[..., Tensor]  # `cross_entropies`, or what it was compiled to
_LOGITS = {"cpu": 2**23, "cuda": 2**28}  # logits at once
_TOKENS = {"cpu": 2**9, "cuda": 2**16}  # tokens whose hidden states are held at once


@dataclass(frozen=True)
class Scores:
    """N sequences under one model: ``nats`` (N,) are their log-probabilities, ``tokens`` (N,) how many were scored."""

    nats: NDArray[np.float64]
    tokens: NDArray[np.int64]

    def per(self, what: Per) -> Estimate:
        """Mean nats per "token" or per "sequence"."""
        return self.per_token() if what == "token" else self.per_sequence()

    def per_sequence(self) -> Estimate:
        """Mean nats per sequence: E[log p(x)], as the paper defines precision and recall."""
        n = len(self.nats)
        return Estimate(float(self.nats.mean()), float(self.nats.std(ddof=1)) / math.sqrt(n), n)

    def per_token(self) -> Estimate:
        """All nats over all tokens, as the paper's released code reports; the error is over sequences.

        A ratio of two means: its error, to first order, is that of the residuals nats - ratio * tokens (Cochran
        1977, Sampling Techniques, section 2.11).
        """
        n, ratio = len(self.nats), float(self.nats.sum() / self.tokens.sum())
        residuals = self.nats - ratio * self.tokens
        return Estimate(ratio, float(residuals.std(ddof=1)) / math.sqrt(n) / float(self.tokens.mean()), n)


def cross_entropies(head: torch.nn.Module, hidden: Tensor, targets: Tensor, tau: float = 1.0) -> Tensor:
    """(M,) minus log-probability of ``targets`` (M,) after ``hidden`` states (M, H)."""
    logits = head(hidden).float()
    tempered = logits if tau == 1.0 else logits / tau  # no second copy of what is large
    return torch.nn.functional.cross_entropy(tempered, targets, reduction="none")


def token_losses(
    model: LlamaForCausalLM, ids: Tensor, lengths: Tensor, prompt: int, tau: float = 1.0, by: Losses = cross_entropies
) -> Tensor:
    """(B, L - prompt): minus log-probability of each token after the prompt, zero past the end. Differentiable.

    ``ids`` (B, L) padded at the right: in a causal model nothing before the padding sees it, so no mask is needed.
    """
    hidden = model.model(input_ids=ids[:, :-1], use_cache=False).last_hidden_state[:, prompt - 1 :]
    return _losses(model, hidden, ids, lengths, tau, by)


def _losses(
    model: LlamaForCausalLM, hidden: Tensor, ids: Tensor, lengths: Tensor, tau: float, by: Losses = cross_entropies
) -> Tensor:
    """(B, T): minus log-probability of the last T of ``ids``, each after its ``hidden`` state; zero past an end."""
    targets = ids[:, -hidden.shape[1] :]
    places = torch.arange(ids.shape[1], device=ids.device)[-hidden.shape[1] :]
    scored = places < lengths[:, None]
    losses = torch.zeros(targets.shape, device=ids.device)
    some = max(1, _LOGITS[ids.device.type] // model.config.vocab_size)  # rows whose logits stay within their bound
    rows = zip(hidden[scored].split(some), targets[scored].split(some), strict=True)
    losses[scored] = torch.cat([by(model.lm_head, states, wanted, tau) for states, wanted in rows])
    return losses


@torch.inference_mode()
def score(model: LlamaForCausalLM, sequences: Sequences, tau: float = 1.0) -> Scores:
    """Return the log-probability of every sequence given the prompt, in nats; ``tau`` tempers every step.

    Raises ValueError for an id outside the model's vocabulary.
    """
    vocabulary = model.config.vocab_size
    if int(sequences.ids.max()) >= vocabulary:
        raise ValueError(
            f"token {int(sequences.ids.max())} is outside the model's vocabulary of {vocabulary}: "
            "score these sequences with a model of the vocabulary that they were written in"
        )
    order = np.argsort(-sequences.lengths.astype(int), kind="stable")  # alike in length together: less padding
    read, nats = reader(model, sequences), np.empty(len(sequences))

    def scored(part: Sequences) -> Tensor:
        ids, lengths = part.tensors(model.device)
        return -_losses(model, read(ids), ids, lengths, tau).double().sum(dim=1)

    with tensor_cores(model.device):
        nats[order] = torch.cat(_of_parts(model, sequences[order], scored)).cpu().numpy()
    return Scores(nats, sequences.counts)


def reader(model: LlamaForCausalLM, sequences: Sequences) -> Callable[[Tensor], Tensor]:
    """What reads ids (B, L) and gives the states (B, L - prompt, hidden) before each token after the prompt."""
    given = sequences.prompt - 1
    if not cpu.fits(model):
        return lambda ids: model.model(input_ids=ids[:, :-1], use_cache=False).last_hidden_state[:, given:]
    layers = cpu.Layers(model, sequences.ids.shape[1])
    begun = layers.begun(torch.from_numpy(sequences.ids[0, :given].astype(np.int64)))  # the same in all

    def read(ids: Tensor) -> Tensor:
        return layers.read(ids[:, given:-1], given, layers.spread(begun, given, len(ids)))

    return read


def mean_probabilities(model: LlamaForCausalLM, sequences: Sequences) -> NDArray[np.float64]:
    """(V,): the probability of each token of the vocabulary as the next, on average over all that were chosen."""
    read = reader(model, sequences)

    def summed(part: Sequences) -> Tensor:
        ids, lengths = part.tensors(model.device)
        chosen = torch.arange(part.prompt, ids.shape[1], device=ids.device) < lengths[:, None]
        return torch.softmax(model.lm_head(read(ids)[chosen]).float(), dim=-1).sum(dim=0, dtype=torch.float64)

    return np.asarray(sum(_of_parts(model, sequences, summed)).cpu().numpy()) / sequences.n_tokens


def hidden_states(model: LlamaForCausalLM, sequences: Sequences) -> NDArray[np.float64]:
    """(N, hidden): each sequence's mean last hidden state, over the tokens after the prompt."""
    longer = Sequences(np.pad(sequences.ids, ((0, 0), (0, 1))), sequences.lengths, sequences.prompt, sequences.eos)
    read = reader(model, longer)

    def means(part: Sequences) -> Tensor:
        ids, lengths = part.tensors(model.device)
        counted = torch.arange(part.prompt, ids.shape[1], device=ids.device) < lengths[:, None]
        states = read(torch.nn.functional.pad(ids, (0, 1)))[:, 1:]  # what is read are the states before each token
        return (states.double() * counted[:, :, None]).sum(dim=1) / counted.sum(dim=1, keepdim=True)

    return np.asarray(torch.cat(_of_parts(model, sequences, means)).cpu().numpy())


def _of_parts(model: LlamaForCausalLM, sequences: Sequences, found: Callable[[Sequences], Tensor]) -> list[Tensor]:
    """What is found of some sequences at a time, in their order."""
    some = max(1, _TOKENS[model.device.type] // sequences.ids.shape[1])
    with workers(model.device) as at_once:
        parts = [sequences[first : first + some] for first in range(0, len(sequences), some)]
        return list(at_once(torch.inference_mode()(found), parts))  # a thread has its own mode
