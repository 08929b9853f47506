"""Scoring text: log-probabilities per sequence and per token, and precision and recall from recorded samples.

The softmax is taken in float32 over a bounded piece at a time: never batch x length x vocabulary at once. Every token
after the prompt is scored once, EOS included. On a GPU, matrix products are TensorFloat-32 (float32 with ten bits after
the point): benchmarks/precisions.py measures what that changes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import LlamaForCausalLM

from kdlab.core.metrics import Estimate
from kdlab.lm.pipeline.corpus import Sequences
from kdlab.lm.pipeline.sampling import sample

__all__ = ["Recorded", "Scores", "cross_entropies", "score", "token_losses"]

_LOGITS = {"cpu": 2**23, "cuda": 2**28}  # logits at once
_TOKENS = {"cpu": 2**12, "cuda": 2**16}  # tokens whose hidden states are held at once


@dataclass(frozen=True)
class Scores:
    """N sequences under one model: ``nats`` (N,) are their log-probabilities, ``tokens`` (N,) how many were scored."""

    nats: NDArray[np.float64]
    tokens: NDArray[np.int64]

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


def cross_entropies(
    head: torch.nn.Module, hidden: torch.Tensor, targets: torch.Tensor, tau: float = 1.0
) -> torch.Tensor:
    """(M,) minus log-probability of ``targets`` (M,) after ``hidden`` states (M, H)."""
    logits = head(hidden).float()
    tempered = logits if tau == 1.0 else logits / tau  # no second copy of what is large
    return torch.nn.functional.cross_entropy(tempered, targets, reduction="none")


def token_losses(
    model: LlamaForCausalLM,
    ids: torch.Tensor,
    lengths: torch.Tensor,
    prompt: int,
    tau: float = 1.0,
    by: Callable[..., torch.Tensor] = cross_entropies,
) -> torch.Tensor:
    """(B, L - prompt): minus log-probability of each token after the prompt, zero past the end. Differentiable.

    ``ids`` (B, L) padded at the right: in a causal model nothing before the padding sees it, so no mask is needed.
    ``by`` is `cross_entropies`, or what it was compiled to.
    """
    hidden = model.model(input_ids=ids[:, :-1], use_cache=False).last_hidden_state[:, prompt - 1 :]
    targets = ids[:, prompt:]
    scored = torch.arange(prompt, ids.shape[1], device=ids.device) < lengths[:, None]
    losses = torch.zeros(targets.shape, device=ids.device)
    losses[scored] = _losses(model, hidden[scored], targets[scored], tau, by)
    return losses


def _losses(
    model: LlamaForCausalLM,
    hidden: torch.Tensor,
    targets: torch.Tensor,
    tau: float,
    by: Callable[..., torch.Tensor],
) -> torch.Tensor:
    """(M,) from hidden states (M, H), so many rows at a time that the logits stay within their bound."""
    some = max(1, _LOGITS[hidden.device.type] // model.config.vocab_size)
    pieces = zip(hidden.split(some), targets.split(some), strict=True)
    return torch.cat([by(model.lm_head, rows, wanted, tau) for rows, wanted in pieces])


@torch.inference_mode()
def score(model: LlamaForCausalLM, sequences: Sequences, tau: float = 1.0) -> Scores:
    """Return the log-probability of every sequence given the prompt, in nats; ``tau`` tempers every step.

    Raises ValueError for an id outside the model's vocabulary.
    """
    vocabulary = model.config.vocab_size
    if int(sequences.ids.max()) >= vocabulary:
        raise ValueError(
            f"token {int(sequences.ids.max())} is outside the model's vocabulary of {vocabulary}: "
            "these sequences are another vocabulary's"
        )
    nats = np.empty(len(sequences))
    order = np.argsort(-sequences.lengths.astype(int), kind="stable")  # alike in length together: less padding
    some = max(1, _TOKENS[model.device.type] // sequences.ids.shape[1])
    with _tensor_cores(model.device):
        for first in range(0, len(order), some):
            which = order[first : first + some]
            ids, lengths = sequences[which].tensors(model.device)
            nats[which] = -token_losses(model, ids, lengths, sequences.prompt, tau).double().sum(dim=1).cpu().numpy()
    return Scores(nats, sequences.counts)


@contextmanager
def _tensor_cores(device: torch.device) -> Iterator[None]:
    """On a GPU, let products of float32 matrices use the units that are made for products."""
    before = torch.get_float32_matmul_precision()
    if device.type == "cuda":
        torch.set_float32_matmul_precision("high")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


@dataclass(frozen=True)
class Recorded:
    """A language model and samples of its own: what `kdlab.core.metrics.precision` and `recall` need of a model.

    ``samples`` are the model's, drawn at ``tau``; ``per`` says whether expectations are per "sequence" (the paper's
    definition) or per "token" (nats over tokens, what its code reports). Where there are no samples, ``rng`` (a
    `torch.Generator`) is needed, and `sample` draws ``n`` of ``length`` tokens.

    >>> from kdlab.core.metrics import precision, recall          # doctest: +SKIP
    >>> precision(student, truth), recall(student, truth)    # doctest: +SKIP
    """

    model: LlamaForCausalLM
    samples: Sequences | None = None
    per: Literal["sequence", "token"] = "token"
    tau: float = 1.0
    prompt: tuple[int, ...] = ()
    length: int = 0
    eos: int = 0

    def sample(self, n: int, rng: Any) -> Sequences:
        """Draw ``n`` sequences; ``rng`` is a `torch.Generator`, always required."""
        if not isinstance(rng, torch.Generator):
            raise ValueError(f"rng is {rng!r}: sampling needs a torch Generator; pass rng=torch.Generator()")
        return sample(self.model, self.prompt, n, length=self.length, eos=self.eos, rng=rng, tau=self.tau)

    def log_prob(self, x: Sequences) -> NDArray[np.float64]:
        """(N,) nats, of each sequence given the prompt."""
        return score(self.model, x, self.tau).nats

    def tempered(self, beta: float) -> Recorded:
        """The same model with every step's probabilities to the power ``beta`` = 1 / tau; its samples are others."""
        if not 0 < beta < math.inf:
            raise ValueError(f"beta is {beta}: a language model is tempered by a positive number; 1 leaves it as it is")
        return replace(self, tau=self.tau / beta, samples=None)

    def expected_log_prob(self, of: Recorded, rng: Any = None, n: int = 1000) -> Estimate:
        """E_{x ~ self} [ log of(x) ], nats: over the recorded samples, or over ``n`` fresh ones, which need ``rng``."""
        x = self.sample(n, rng) if self.samples is None else self.samples
        scores = score(of.model, x, of.tau)
        return scores.per_token() if self.per == "token" else scores.per_sequence()
