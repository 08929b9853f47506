"""What only a CPU runs: work on several cores that do not wait for each other, and a Llama in few, large products.

PyTorch shares each of its operations among threads that wait for one another by spinning. Where other programs want
the cores too, that is most of the time: `workers` share whole pieces of work instead, each in a thread of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import embedding, linear, rms_norm, scaled_dot_product_attention, silu
from transformers import LlamaForCausalLM, PreTrainedModel

_FEW = 400  # states of one product
_ROWS = 128  # of logits at once, in training


@contextmanager
def workers(device: torch.device) -> Iterator[Any]:
    """Yield a `map` whose pieces run at once: in as many threads as PyTorch has, each of which does its own alone.

    Results come in the order of the pieces, and no sum depends on how many threads there are. Where a piece fails, the
    others that have begun are waited for. On a GPU, which is one worker, it is `map` itself.
    """
    before = torch.get_num_threads()
    if device.type != "cpu":
        yield map
        return
    torch.set_num_threads(1)
    pool = ThreadPoolExecutor(before) if before > 1 else None
    try:
        yield map if pool is None else pool.map
    finally:
        if pool is not None:
            pool.shutdown(cancel_futures=True)
        torch.set_num_threads(before)


class SummedNats(torch.autograd.Function):
    """Minus the log-probability of all targets together, and its gradients, a few rows of logits at a time.

    ``apply(states (N, hidden), weights (V, hidden), targets (N,))`` gives a scalar. What is done row by row to all
    logits at once goes through memory a dozen times; these stay near the core.
    """

    @staticmethod
    def forward(ctx: Any, states: Tensor, weights: Tensor, targets: Tensor) -> Tensor:
        """Sum up, and take both gradients on the way."""
        by_states, by_weights = torch.empty_like(states), torch.zeros_like(weights)
        total = states.new_zeros((), dtype=torch.float64)
        room = states.new_empty(_ROWS, len(weights))
        for own, wanted, by_own in zip(*(of.split(_ROWS) for of in (states, targets[:, None], by_states)), strict=True):
            logits = torch.mm(own, weights.t(), out=room[: len(own)])
            most, at_targets = logits.amax(dim=1, keepdim=True), logits.gather(1, wanted)
            shares = logits.sub_(most).exp_()
            sums = shares.sum(dim=1, keepdim=True)
            total += (sums.log() + most - at_targets).sum(dtype=torch.float64)
            by_logits = shares.scatter_add_(1, wanted, -sums)  # times the sums, by which what is smaller is divided
            torch.mm(by_logits, weights, out=by_own).div_(sums)
            by_weights.addmm_(by_logits.t(), own / sums)
        ctx.save_for_backward(by_states, by_weights)
        return total

    @staticmethod
    def backward(ctx: Any, *upstream: Any) -> tuple[Tensor, Tensor, None]:
        """Scale both gradients."""
        by_states, by_weights = ctx.saved_tensors
        return by_states * upstream[0], by_weights * upstream[0], None


def fits(model: PreTrainedModel) -> bool:
    """Whether `Layers` computes this model: on a CPU, in float32, with no biases and the activation of a Llama."""
    if not isinstance(model, LlamaForCausalLM):
        return False
    shape = model.config
    plain = not (shape.attention_bias or shape.mlp_bias) and shape.hidden_act == "silu"
    return plain and model.device.type == "cpu" and model.dtype == torch.float32


@dataclass(frozen=True)
class _Layer:
    """One layer's weights; those that multiply the same states lie in one matrix."""

    first: Tensor
    queries_keys_values: Tensor
    out: Tensor
    second: Tensor
    gate_up: Tensor
    down: Tensor


class Layers:
    """The layers of a Llama, for what needs no gradients: `read` goes on by some tokens, from what `memory` holds."""

    def __init__(self, model: LlamaForCausalLM, length: int) -> None:
        shape = model.config
        self.heads, self.kv = shape.num_attention_heads, shape.num_key_value_heads
        self.width = model.model.layers[0].self_attn.head_dim
        self.length, self.epsilon = length, shape.rms_norm_eps
        self.embed, self.norm, self.head = (
            model.model.embed_tokens.weight,
            model.model.norm.weight,
            model.lm_head.weight,
        )
        self.layers = [_together(layer) for layer in model.model.layers]
        cos, sin = model.model.rotary_emb(torch.zeros(1), torch.arange(length)[None])
        sign = torch.ones(self.width)
        sign[: self.width // 2] = -1
        self.cos, self.sin = cos[0], sin[0] * sign

    def memory(self, n: int) -> Tensor:
        """Room for the keys and values of ``n`` sequences: (layers, 2, n, kv heads, length, width)."""
        return torch.empty(len(self.layers), 2, n, self.kv, self.length, self.width)

    def begun(self, prompt: Tensor) -> Tensor:
        """Read a prompt (T,); return the memory of one sequence that begins so."""
        memory = self.memory(1)
        if len(prompt):
            self.read(prompt[None], 0, memory)
        return memory

    def spread(self, begun: Tensor, place: int, n: int) -> Tensor:
        """The memory of ``n`` sequences that all begin with the same ``place`` tokens."""
        memory = self.memory(n)
        memory[..., :place, :] = begun[..., :place, :]
        return memory

    def read(self, ids: Tensor, place: int, memory: Tensor) -> Tensor:
        """Read ``ids`` (B, T), which stand at ``place`` and after; return the last states (B, T, hidden)."""
        (n, some), turned, half = ids.shape, self.heads + self.kv, self.width // 2
        cos, sin = (of[place : place + some].repeat(n, 1)[:, None] for of in (self.cos, self.sin))
        states = embedding(ids.reshape(-1), self.embed)
        for layer, kept in zip(self.layers, memory, strict=True):
            together = _product(self._normed(states, layer.first), layer.queries_keys_values)
            together = together.reshape(n * some, -1, self.width)
            part = together[:, :turned]
            together[:, :turned] = (part * cos).addcmul_(part.roll(half, -1), sin)
            states = states + _product(self._attended(together.view(n, some, -1, self.width), place, kept), layer.out)
            gate, up = _product(self._normed(states, layer.second), layer.gate_up).chunk(2, dim=1)
            states = states + _product(silu(gate) * up, layer.down)
        return self._normed(states, self.norm).reshape(n, some, -1)

    def logits(self, states: Tensor) -> Tensor:
        """(N, V) of the token after each of N last states."""
        return _product(states, self.head)

    def _normed(self, states: Tensor, weight: Tensor) -> Tensor:
        return rms_norm(states, weight.shape, weight, self.epsilon)

    def _attended(self, together: Tensor, place: int, kept: Tensor) -> Tensor:
        """Remember keys and values (B, T, heads, width), and let the queries read all that there are: (B * T, ...)."""
        n, some = together.shape[:2]
        queries, *new = together.transpose(1, 2).split([self.heads, self.kv, self.kv], dim=1)
        for old, own in zip(kept, new, strict=True):
            old[:, :, place : place + some] = own
        if some == 1:  # the queries of a group read the same keys; as one batch of all groups, nothing is copied
            keys, values = kept.flatten(1, 2)[:, :, : place + 1]
            weights = torch.bmm(queries.reshape(len(keys), -1, self.width), keys.mT)
            read = torch.bmm(weights.mul_(self.width**-0.5).softmax(dim=-1), values)
        else:
            keys, values = kept[:, :, :, : place + some]
            seen = torch.ones(some, place + some, dtype=torch.bool).tril_(place)
            read = scaled_dot_product_attention(queries, keys, values, attn_mask=seen, enable_gqa=True).transpose(1, 2)
        return read.reshape(n * some, -1)


def _product(states: Tensor, weight: Tensor) -> Tensor:
    """(N, out): states (N, in) times weights (out, in); for few states as weights @ states^T, which is faster then."""
    return linear(states, weight) if len(states) > _FEW else (weight @ states.t()).t()


def _together(layer: Any) -> _Layer:
    """A layer's weights, those that multiply the same states in one matrix."""
    attention, mlp = layer.self_attn, layer.mlp
    return _Layer(
        layer.input_layernorm.weight,
        _joined([attention.q_proj, attention.k_proj, attention.v_proj]),
        attention.o_proj.weight,
        layer.post_attention_layernorm.weight,
        _joined([mlp.gate_proj, mlp.up_proj]),
        mlp.down_proj.weight,
    )


@torch.inference_mode(False)  # else nobody could train these weights
@torch.no_grad()
def _joined(parts: Sequence[torch.nn.Linear]) -> Tensor:
    """The weights of several products as one matrix; each part's own becomes a view of it, so that nothing is twice."""
    whole = getattr(parts[0], "_kdlab_joined", None)
    if whole is None or whole.data_ptr() != parts[0].weight.data_ptr():
        whole = torch.cat([part.weight for part in parts])
        for part, rows in zip(parts, whole.split([len(part.weight) for part in parts]), strict=True):
            part.weight.data = rows
        vars(parts[0])["_kdlab_joined"] = whole
    return whole


class Decoder:
    """A model that goes on token by token, a batch at a time: what `sampling.Decoder` is, by `Layers`."""

    shrinks = True

    def __init__(self, layers: Layers, prompt: list[int]) -> None:
        self.prompt, self.device, self._layers = prompt, layers.embed.device, layers

    def begin(self, n: int) -> None:
        """Read the prompt, once for ``n`` sequences; ``logits`` (n, V) are those of the first token."""
        once, self._place = self._layers.memory(1), len(self.prompt)
        states = self._layers.read(torch.tensor([self.prompt]), 0, once)[:, -1]
        self.logits = self._layers.logits(states).expand(n, -1)
        self._memory = self._layers.spread(once, self._place, n)

    def keep(self, which: Tensor) -> None:
        """Let the other sequences go."""
        self._memory = self._layers.spread(self._memory[:, :, which, :, : self._place], self._place, int(which.sum()))

    def advance(self, token: Tensor) -> None:
        """Read ``token`` (B,); ``logits`` (B, V) are then those of the next."""
        self.logits = self._layers.logits(self._layers.read(token[:, None], self._place, self._memory)[:, 0])
        self._place += 1
