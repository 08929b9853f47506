"""Sampling from a model: sequences continue a prompt, at temperature tau; no top-k or top-p unless asked for.

Each token is where a uniform number falls in the cumulated probabilities. So the same numbers give the same text, and
a text that changes little when tau does. A batch has one prompt, read once for all; a sequence that has ended leaves
the batch.

On a GPU, a copy of the model in float16 writes: benchmarks/precisions.py measures how far its probabilities are from
those in float32. Where float16 is too narrow for a model, the model itself writes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Generator, Tensor
from torch.nn.functional import pad
from transformers import DynamicCache, LlamaForCausalLM, PreTrainedModel, StaticCache

from kdlab.lm.experiment import Truncation
from kdlab.lm.pipeline import causal, cpu
from kdlab.lm.pipeline.corpus import Ends, Prompts, Sequences, ends_of, ids_type, in_turn, joined, several
from kdlab.lm.pipeline.cpu import workers
from kdlab.lm.pipeline.gpu import compiled, fitting, in_float16

_BATCH = 2048  # sequences, on a GPU
_SHARES, _FEWEST, _ENOUGH, _MOST = 4, 64, 128, 512  # on a CPU: pieces of a call, and sequences in each: see `_piece`
_COMPILED = 256  # sequences: for fewer, compiling takes longer than it saves
_BLOCK = 64  # tokens whose shares are added up at once, before a uniform number is looked for among them
_MODE = "reduce-overhead"  # CUDA graphs
_WORTH_IT = 0.75  # a batch is made smaller when no more of it than this is still going on


@torch.inference_mode()
def sample(
    model: PreTrainedModel,
    prompt: Prompts,
    n: int,
    *,
    length: int,
    eos: Ends,
    rng: Generator,
    tau: float = 1.0,
    truncation: Truncation | None = None,
) -> Sequences:
    """Draw ``n`` continuations of ``prompt``, each until any of ``eos`` or ``length`` tokens, the prompt's included.

    Several prompts (a list of ids for each) take turns, and all leave the room that the longest does.
    ``tau`` divides the logits of every step: below 1 the model is more selective. ``truncation`` then leaves it the
    likeliest tokens only. ``rng`` is a generator on the CPU; its numbers are drawn at once, so that neither device nor
    batch decides which sequence gets which.

    Raises ValueError for an empty prompt, tokens outside the vocabulary, a ``length`` that leaves nothing to sample,
    a ``tau`` that is not a positive number, and a model whose logits are not finite.
    """
    prompts = several(prompt)
    for one in prompts:
        _check(model, one, length, eos, [tau])
    if n < 1:
        raise ValueError(f"n is {n}: ask for one sequence or more")
    uniform = torch.rand(n, length - max(map(len, prompts)), generator=rng, dtype=torch.float64)
    each = [(one, uniform[i :: len(prompts)]) for i, one in enumerate(prompts[:n])]
    for writer in _writers(model):
        try:
            return in_turn(_batches(writer, each, length, eos=eos, tau=tau, truncation=truncation))
        except _TooNarrow:
            continue
    raise ValueError("the model's logits are not finite: its weights are damaged, or of no model; make it again")


@torch.inference_mode()
def sweep_of_samples(
    model: PreTrainedModel,
    prompt: Sequence[int],
    taus: Sequence[float],
    *,
    length: int,
    eos: Ends,
    rng: Generator,
) -> Sequences:
    """Draw one continuation of ``prompt`` for each of ``taus``, all from the same random numbers, as one batch.

    So two rows differ by tau alone: they agree up to where it first moves a number into another token's share. Raises
    ValueError for no taus, and for what `sample` refuses.
    """
    if not len(taus):
        raise ValueError("taus is empty: give one temperature or more")
    _check(model, prompt, length, eos, taus)
    uniform = torch.rand(1, length - len(prompt), generator=rng, dtype=torch.float64).expand(len(taus), -1)
    column = torch.tensor([float(tau) for tau in taus], device=model.device)[:, None]
    return continued(_decoders(model, length)(list(prompt)), uniform.to(model.device), eos, column)


@torch.inference_mode()
def next_token_logits(model: PreTrainedModel, ids: Sequence[int]) -> np.ndarray:
    """(V,) float32: the logits of the token that follows ``ids``."""
    logits = model(torch.tensor([list(ids)], device=model.device), logits_to_keep=1).logits[0, -1]
    return np.asarray(logits.float().cpu().numpy())


def chosen(logits: Tensor, tau: float | Tensor, uniform: Tensor, truncation: Truncation | None = None) -> Tensor:
    """Return the token of each row (B, V) in whose share of the tempered probabilities ``uniform`` (B,) falls.

    ``tau`` is one number, or a column (B, 1) of them. A token that ``truncation`` leaves out has no share.
    """
    plain = not isinstance(tau, Tensor) and tau == 1.0  # a division less of what is large
    shares = torch.softmax(logits.float() if plain else logits.float() / tau, dim=-1)
    if truncation is not None:
        shares = truncated(shares, truncation)
    n, vocabulary = shares.shape
    whole = shares if vocabulary % _BLOCK == 0 else pad(shares, (0, -vocabulary % _BLOCK))
    blocks = whole.view(n, -1, _BLOCK)
    upto = blocks.sum(dim=-1).double().cumsum(dim=-1)
    wanted = uniform[:, None] * upto[:, -1:]
    block = _first_above(upto, wanted)
    own = blocks.take_along_dim(block[:, :, None], dim=1)[:, 0].double().cumsum(dim=-1)
    before = upto.gather(1, block) - own[:, -1:]
    within = (wanted - before).clamp_(min=0.0)  # rounding must not point before the first share of all
    return (block * _BLOCK + _first_above(own, within))[:, 0].clamp_(max=vocabulary - 1)


def truncated(shares: Tensor, to: Truncation) -> Tensor:
    """Return shares (B, V) that are 0 but for the likeliest tokens; those stay as they are, not divided by their sum.

    Of tokens that are equally likely, the first ones are kept.
    """
    n = shares.shape[1]
    if to.top_p is None:
        first = torch.full_like(shares[:, :1], max(n - (to.top_k or n), 0), dtype=torch.int64)
        least = _in_order(shares, int(first[0])).gather(1, first)
    else:
        rising = _in_order(shares)
        upto = rising.cumsum(dim=-1, dtype=torch.float64)
        first = torch.searchsorted(upto, (1 - to.top_p) * upto[:, -1:], right=True)
        first.clamp_(0, n - 1)  # also where logits are not finite, which is said later
        least = rising.gather(1, first)
    kept = shares >= least
    too_many = kept.sum(dim=-1, keepdim=True, dtype=torch.int32) - (n - first)
    if bool((too_many > 0).any()):
        equal = shares == least
        kept &= ~equal | (equal.cumsum(dim=-1) <= equal.sum(dim=-1, keepdim=True) - too_many)
    return torch.where(kept, shares, 0.0)


def _in_order(shares: Tensor, only: int | None = None) -> Tensor:
    """Each row's values, the smallest first, or with the one at place ``only`` where it belongs.

    On a CPU by NumPy, which takes a tenth of PyTorch's time.
    """
    if shares.device.type != "cpu":
        return shares.sort(dim=-1).values
    values = shares.numpy()
    return torch.from_numpy(np.sort(values, axis=-1) if only is None else np.partition(values, only, axis=-1))


def _first_above(upto: Tensor, wanted: Tensor) -> Tensor:
    """Where cumulated shares (B, N) first exceed ``wanted`` (B, 1): never one whose own share is 0."""
    below = torch.nextafter(upto[:, -1:], torch.zeros_like(wanted))
    return torch.searchsorted(upto, torch.minimum(wanted, below), right=True).clamp_(max=upto.shape[1] - 1)


def _check(model: PreTrainedModel, prompt: Sequence[int], length: int, eos: Ends, taus: Sequence[float]) -> None:
    vocabulary = causal.vocabulary(model)
    if not len(prompt):
        raise ValueError("prompt is empty: the first token needs something to follow; give at least one id")
    outside = [token for token in (*prompt, *ends_of(eos)) if not 0 <= token < vocabulary]
    if outside:
        raise ValueError(f"token {outside[0]} is outside the model's vocabulary: choose from 0 to {vocabulary - 1}")
    if length <= len(prompt):
        raise ValueError(f"length is {length}, the prompt {len(prompt)} tokens: choose a length above the prompt's")
    for tau in taus:
        if not 0 < tau < float("inf"):
            raise ValueError(f"tau is {tau}: give a positive temperature; 1 leaves the model as it is")


# One batch, token by token


class _TooNarrow(ArithmeticError):
    """A logit is no finite number."""


def _batches(model: PreTrainedModel, each: list[tuple[list[int], Tensor]], length: int, **how: Any) -> list[Sequences]:
    """Write uniform numbers (N, T) to N sequences for each prompt: what continues a prompt is returned together.

    On a CPU in pieces at once, on a GPU in large ones, one by one. ``how``: what `continued` asks for.
    """
    n, most = sum(len(uniform) for _, uniform in each), max(len(uniform) for _, uniform in each)
    on_cpu = model.device.type == "cpu" and not _worth_compiling(model, most)
    some = _piece(n) if on_cpu else min(most, fitting(model, length, _BATCH))
    pieces = [(i, numbers) for i, (_, uniform) in enumerate(each) for numbers in uniform.split(some)]
    if on_cpu:
        new = _decoders(model, length)

        @torch.inference_mode()  # a thread has its own mode
        def write(piece: tuple[int, Tensor]) -> Sequences:
            return continued(new(each[piece[0]][0]), piece[1], **how)

        with workers(model.device) as at_once:
            written = list(at_once(write, pieces))
    else:
        decoder = _compiled(model, [], length) if _worth_compiling(model, most) else _decoders(model, length)([])
        written = []
        for i, numbers in pieces:
            decoder.prompt = each[i][0]
            written.append(_batch(decoder, numbers, some, **how))
    return [joined([own for (i, _), own in zip(pieces, written, strict=True) if i == k]) for k in range(len(each))]


def _piece(n: int) -> int:
    """How many of ``n`` sequences are written at once, on a CPU: for two cores, or for four once products are fast."""
    return min(_MOST, max(_FEWEST, min(n // 2, _ENOUGH), n // _SHARES))


def _decoders(model: PreTrainedModel, length: int) -> Callable[[list[int]], AnyDecoder]:
    """Return what makes decoders, one for each batch, from its prompt."""
    if not isinstance(model, LlamaForCausalLM):
        other = causal.Growing if causal.goes_on(model) else causal.Rereading
        return lambda prompt: other(model, prompt)
    if not cpu.fits(model):
        return lambda prompt: Decoder(model, prompt, length)
    layers = cpu.Layers(model, length)
    return lambda prompt: cpu.Decoder(layers, prompt)


def _batch(decoder: AnyDecoder, numbers: Tensor, some: int, **how: Any) -> Sequences:
    """One batch of at most ``some``, filled up where a batch of another size would be compiled anew."""
    missing = 0 if decoder.shrinks else some - len(numbers)
    numbers = torch.cat([numbers, numbers[:1].expand(missing, -1)]).to(decoder.device)
    return continued(decoder, numbers, **how)[: some - missing]


def continued(
    decoder: AnyDecoder, uniform: Tensor, eos: Ends, tau: float | Tensor, truncation: Truncation | None = None
) -> Sequences:
    """Write one batch: (B, T) uniform numbers to B sequences; ``tau`` is one number, or a column (B, 1) of them."""
    (n, steps), prompt, device = uniform.shape, decoder.prompt, uniform.device
    fill, ends = ends_of(eos)[0], torch.tensor(ends_of(eos), device=device)
    ids = torch.full((n, len(prompt) + steps), fill, device=device)
    ids[:, : len(prompt)] = torch.tensor(prompt, device=device)
    lengths = torch.full((n,), len(prompt) + steps, device=device)
    decoder.begin(n)
    going = torch.arange(n, device=device)  # sequences that the decoder still holds, in its order
    ended = torch.zeros(n, dtype=torch.bool, device=device)
    finite = torch.ones((), dtype=torch.bool, device=device)
    for step in range(steps):
        place = len(prompt) + step
        finite &= decoder.logits.sum(dtype=torch.float32).isfinite()  # as all of them are
        own = tau[going] if isinstance(tau, Tensor) else tau
        token = torch.where(ended[going], fill, chosen(decoder.logits, own, uniform[going, step], truncation))
        ids[going, place] = token
        now = torch.isin(token, ends) & ~ended[going]
        lengths[going[now]] = place + 1
        ended[going] |= now
        if place + 1 == ids.shape[1] or bool(ended.all()):
            break
        alive = ~ended[going]
        if decoder.shrinks and int(alive.sum()) <= _WORTH_IT * len(going):
            going, token = going[alive], token[alive]
            decoder.keep(alive)
        decoder.advance(token)
    if not finite:
        raise _TooNarrow
    stored = ids.cpu().numpy().astype(ids_type(decoder.logits.shape[-1]))
    return Sequences(stored, lengths.cpu().numpy().astype(np.uint16), prompt=len(prompt), eos=fill)


class Decoder:
    """A model that goes on token by token: keys and values lie in memory of a fixed size, written in place.

    ``step`` is the model, or what it was compiled to: for one size of batch, so that it never `shrinks`.
    """

    def __init__(self, model: PreTrainedModel, prompt: list[int], length: int, step: Any = None) -> None:
        self.prompt, self.length, self.device, self.shrinks = prompt, length, model.device, step is None
        self._model, self._step = model, model if step is None else step
        self._cache: StaticCache | None = None

    def begin(self, n: int) -> None:
        """Read the prompt, once for ``n`` sequences; ``logits`` (n, V) are those of the first token."""
        once = DynamicCache(config=self._model.config)
        prompt = torch.tensor([self.prompt], device=self.device)
        self.logits = self._model(prompt, past_key_values=once, logits_to_keep=1).logits[:, -1].expand(n, -1)
        self._fill([(layer.keys.expand(n, -1, -1, -1), layer.values.expand(n, -1, -1, -1)) for layer in once.layers])

    def _fill(self, read: list[tuple[Tensor, Tensor]]) -> None:
        """Put what has been read (each layer's keys and values) at the start of room for the whole length."""
        if self._cache is not None and self._cache.layers[0].keys.shape[0] == len(read[0][0]):
            self._cache.reset()  # what is compiled stands on this very memory
        else:
            self._cache = StaticCache(config=self._model.config, max_cache_len=self.length)
        for i, (keys, values) in enumerate(read):
            self._cache.update(keys, values, i)

    def keep(self, which: Tensor) -> None:
        """Let the other sequences go."""
        assert self._cache is not None
        n = int(self._cache.get_seq_length())
        self._fill([(layer.keys[which, :, :n], layer.values[which, :, :n]) for layer in self._cache.layers])

    def advance(self, token: Tensor) -> None:
        """Read ``token`` (B,); ``logits`` (B, V) are then those of the next."""
        self.logits = self._step(token[:, None], past_key_values=self._cache).logits[:, -1]


AnyDecoder: TypeAlias = Decoder | cpu.Decoder | causal.Growing | causal.Rereading


# On a GPU


def _writers(model: PreTrainedModel) -> Iterator[PreTrainedModel]:
    """The model that writes, and the one to take where it overflows."""
    if isinstance(model, LlamaForCausalLM) and model.device.type == "cuda" and model.dtype == torch.float32:
        yield in_float16(model)
    yield model


def _worth_compiling(model: PreTrainedModel, n: int) -> bool:
    return isinstance(model, LlamaForCausalLM) and model.device.type == "cuda" and n >= _COMPILED


def _compiled(model: PreTrainedModel, prompt: list[int], length: int) -> Decoder:
    """A decoder whose step is compiled to one piece: on a GPU, starting hundreds of small operations is what it costs.

    What is compiled stands on the decoder's own memory, so it is kept, with its model, for the next shard.
    """
    kept = vars(model).get("_kdlab_decoder")
    if kept is None or kept.length != length:
        kept = Decoder(model, prompt, length, compiled(model, dynamic=False, mode=_MODE))
        vars(model)["_kdlab_decoder"] = kept
    kept.prompt = prompt
    return kept
