"""A language model as every world of kdlab has its models; how to make one from scratch, or with fewer tokens."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from numpy import float64
from numpy.typing import NDArray
from transformers import LlamaConfig, LlamaForCausalLM

from kdlab.core.metrics import Estimate
from kdlab.lm.pipeline.causal import vocabulary as vocabulary_of
from kdlab.lm.pipeline.corpus import Ends, Sequences, ends_of
from kdlab.lm.pipeline.sampling import sample
from kdlab.lm.pipeline.scoring import Per, score
from kdlab.lm.sizes import Size

_CONTEXT = 8192  # positions that the family is made for
_DEVIATION = 0.02  # of the first weights; Llama's own initializer_range


def new_model(size: Size, vocabulary: int, *, eos: Ends, rng: torch.Generator) -> LlamaForCausalLM:
    """Make a model of ``size`` from scratch: weights normal with deviation 0.02, norms one, all drawn from ``rng``.

    Raises ValueError where ``eos`` is no token of the vocabulary. The model is in evaluation mode, float32, on the CPU.
    """
    ends = ends_of(eos)
    if not ends or not all(0 <= end < vocabulary for end in ends):
        raise ValueError(f"eos is {eos}, outside a vocabulary of {vocabulary}, so no text could end: choose one within")
    config = LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=size.hidden,
        intermediate_size=size.ffn,
        num_hidden_layers=size.layers,
        num_attention_heads=size.heads,
        num_key_value_heads=size.kv_heads,
        max_position_embeddings=_CONTEXT,
        rms_norm_eps=1e-5,
        rope_parameters={"rope_type": "default", "rope_theta": size.rope_theta},
        tie_word_embeddings=True,
        bos_token_id=ends[0],
        eos_token_id=ends[0] if len(ends) == 1 else list(ends),
        attn_implementation="sdpa",
    )
    with torch.random.fork_rng(devices=[]):  # what transformers draws is replaced, and must not move anyone's seed
        model = LlamaForCausalLM(config)
    with torch.no_grad():
        for weight in model.parameters():
            if weight.dim() == 1:
                weight.fill_(1.0)
            else:
                weight.normal_(0.0, _DEVIATION, generator=rng)
    return model.eval()


def restricted(model: Any, kept: Sequence[int]) -> Any:
    """Keep the tokens ``kept``, in place: each step is p* given that the next token is one of them.

    Token i is then what kept[i] was. The embedding and the output layer are one matrix (tied), so taking some of its
    rows leaves every kept logit as it was; the softmax over fewer of them is the conditional distribution. Raises
    ValueError for tokens that the model does not have, or a model whose embeddings are not tied.
    """
    whole = vocabulary_of(model)
    if list(kept) == list(range(whole)):
        return model
    if not kept or not all(0 <= token < whole for token in kept) or len(set(kept)) < len(kept):
        raise ValueError(
            f"kept has {len(kept)} tokens, up to {max(kept, default=0)}: p* has {whole}; choose some, once each"
        )
    if not isinstance(model, LlamaForCausalLM) or model.lm_head.weight is not model.model.embed_tokens.weight:
        raise ValueError(
            f"vocabulary is {len(kept)} of {whole}, and only a Llama whose embeddings are tied can be cut: give such a "
            "p*, or leave vocabulary at all"
        )
    # A copy, so that the rows that are left out do not stay in memory.
    rows = torch.nn.Parameter(model.lm_head.weight.detach()[list(kept)].clone(), requires_grad=False)
    model.lm_head.weight = model.model.embed_tokens.weight = rows
    model.lm_head.out_features = model.model.embed_tokens.num_embeddings = len(kept)
    model.config.vocab_size = model.vocab_size = model.model.vocab_size = len(kept)
    return model


@dataclass(frozen=True)
class LanguageModel:
    """A language model with the four methods that precision and recall need of a model (`kdlab.core.metrics`).

    ``samples`` are its own, drawn at ``tau``; ``per`` says whether expectations are per "sequence" (the paper's
    definition) or per "token" (nats over tokens, what its code reports). Where there are no samples, `sample` draws
    some, which continue ``prompt`` to ``length`` tokens at most.

    >>> from kdlab import precision, recall                  # doctest: +SKIP
    >>> precision(student, truth), recall(student, truth)    # doctest: +SKIP
    """

    model: LlamaForCausalLM
    samples: Sequences | None = None
    per: Per = "token"
    tau: float = 1.0
    prompt: tuple[int, ...] = ()
    length: int = 0
    eos: Ends = 0

    def sample(self, n: int, rng: Any) -> Sequences:
        """Draw ``n`` sequences; ``rng`` is a `torch.Generator`, always required."""
        if not isinstance(rng, torch.Generator):
            raise ValueError(f"rng is {rng!r}: sampling needs a torch Generator; pass rng=torch.Generator()")
        return sample(self.model, self.prompt, n, length=self.length, eos=self.eos, rng=rng, tau=self.tau)

    def log_prob(self, x: Sequences) -> NDArray[float64]:
        """(N,) nats, of each sequence given the prompt."""
        return score(self.model, x, self.tau).nats

    def tempered(self, beta: float) -> LanguageModel:
        """The same model with every step's probabilities to the power ``beta`` = 1 / tau; its samples are others."""
        if not 0 < beta < math.inf:
            raise ValueError(f"beta is {beta}: give a positive number; 1 leaves a language model as it is")
        return replace(self, tau=self.tau / beta, samples=None)

    def expected_log_prob(self, of: LanguageModel, rng: Any = None, n: int = 1000) -> Estimate:
        """E_{x ~ self} [ log of(x) ], nats: over the recorded samples, or over ``n`` fresh ones, which need ``rng``."""
        x = self.sample(n, rng) if self.samples is None else self.samples
        return score(of.model, x, of.tau).per(self.per)
