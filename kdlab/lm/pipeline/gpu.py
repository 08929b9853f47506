"""What only a GPU runs: compiled functions, a copy of a model in float16, and faster products and attention.

On a CPU nothing of this is used; the tests run it there.
"""

import copy
import math
import os
import shutil
import sysconfig
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import AttentionInterface, LlamaForCausalLM, PreTrainedModel
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import AttentionMaskInterface, sdpa_mask

from kdlab.lm.pipeline.causal import vocabulary

GROUPED = "kdlab_grouped"  # the name of `_grouped` among transformers' kinds of attention
_SHAPES = 128  # that one process may compile a function for: models, batches and lengths; torch's own limit is 8
_CHOICE = 48  # bytes for each token that may come next, while one is chosen: the same share in several formats


def fault() -> str:
    """What a GPU's compiler needs and is not on this machine; "" where nothing is missing or nothing compiles."""
    if not torch.cuda.is_available() or os.environ.get("TORCHDYNAMO_DISABLE") == "1":
        return ""
    missing = [] if any(map(shutil.which, (os.environ.get("CC", "cc"), "gcc", "clang"))) else ["a C compiler"]
    if not (Path(sysconfig.get_path("include")) / "Python.h").is_file():
        missing.append("Python.h")
    if not missing:
        return ""
    return (
        f"to compile for a GPU, this machine lacks {' and '.join(missing)}: install what is missing (Debian: apt "
        "install gcc python3-dev), or set TORCHDYNAMO_DISABLE=1 to go on without compiling, several times slower"
    )


def compiled(function: Callable[..., Any], **how: Any) -> Callable[..., Any]:
    """Compile ``function`` in one piece, or fail; ``how`` is what torch.compile takes."""
    limits: Any = torch._dynamo.config
    limits.recompile_limit = max(limits.recompile_limit, _SHAPES)
    # Which products use these units is decided here on purpose: see `tensor_cores`.
    warnings.filterwarnings("ignore", message="TensorFloat32 tensor cores")
    return torch.compile(function, fullgraph=True, **how)


# Training


@contextmanager
def compiled_layers(model: LlamaForCausalLM, losses: Callable[..., Any]) -> Iterator[Callable[..., Any]]:
    """Compile the model's layers while the block runs, and yield ``losses``, the function after them, compiled too.

    All layers have one shape, so one is compiled, for all and for all models. Layers and not the whole model: compiled
    whole, it would hand attention a mask, and with that its slower way. Losses: uncompiled, they go over the logits of
    a large vocabulary a dozen times, which takes longer than a small model.
    """
    layers: Any = model.model.layers
    for layer in layers:
        layer.forward = compiled(layer.forward, dynamic=True)
    try:
        with warnings.catch_warnings():  # torch's, about its own look at the gradients of what it traces
            warnings.filterwarnings("ignore", message="The .grad attribute of a Tensor that is not a leaf")
            yield compiled(losses, dynamic=True)
    finally:
        for layer in layers:
            del layer.forward


# Sampling


def in_float16(model: LlamaForCausalLM) -> LlamaForCausalLM:
    """A copy with the same weights now, in the memory of the last one, which what is compiled stands on.

    Weights only: angles of positions stay float32, as half the digits would turn later tokens by a visible angle.
    """
    kept = vars(model).get("_kdlab_float16")
    if kept is None:
        with torch.inference_mode(False):
            kept = copy.deepcopy(model).requires_grad_(False)
            for weight in kept.parameters():
                weight.data = weight.data.half()
        kept.set_attn_implementation(GROUPED)
        vars(model)["_kdlab_float16"] = kept
    with torch.no_grad():  # else the copies would be remembered as made of the weights, to learn through
        for copied, weight in zip(kept.parameters(), model.parameters(), strict=True):
            copied.copy_(weight)
    return kept


def fitting(model: PreTrainedModel, length: int, most: int) -> int:
    """How many sequences at once: ``most``, or on a GPU as many as take a third of its memory with all they need."""
    if model.device.type == "cpu":
        return most
    memory = torch.cuda.get_device_properties(model.device).total_memory
    each = cache_bytes(model, length) + _CHOICE * vocabulary(model)
    return max(1, min(most, 2 ** int(math.log2(max(1, memory / 3 / each)))))


def cache_bytes(model: PreTrainedModel, length: int) -> int:
    """Bytes of one sequence's keys and values, as far as the model's shape has the usual names; else too many."""
    shape = model.config.get_text_config()
    heads = getattr(shape, "num_attention_heads", 1)
    head = getattr(shape, "head_dim", None) or shape.hidden_size // heads
    heads = getattr(shape, "num_key_value_heads", None) or heads
    return int(2 * shape.num_hidden_layers * heads * head * length * model.dtype.itemsize)


def _grouped(
    module: torch.nn.Module, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None, **how: Any
) -> tuple[Tensor, None]:
    """As transformers' "sdpa", but for one new token the queries (B, H, 1, D) of a group go together.

    Their keys and values (B, H / group, L, D) are then read where they lie. Compiled, "sdpa" would first copy them for
    every query of a group, at every token.
    """
    group = getattr(module, "num_key_value_groups", 1)
    rows, heads, length, width = query.shape
    if length != 1 or group == 1 or attention_mask is None:
        return sdpa_attention_forward(module, query, key, value, attention_mask, **how)
    together = query.reshape(rows, heads // group, group, width)
    read = torch.nn.functional.scaled_dot_product_attention(
        together, key, value, attn_mask=attention_mask, scale=how.get("scaling")
    )
    return read.reshape(rows, 1, heads, width), None


AttentionInterface.register(GROUPED, _grouped)
AttentionMaskInterface.register(GROUPED, sdpa_mask)


# Scoring


@contextmanager
def tensor_cores(device: torch.device) -> Iterator[None]:
    """On a GPU, let products of float32 matrices use the units that are made for products."""
    before = torch.get_float32_matmul_precision()
    if device.type == "cuda":
        torch.set_float32_matmul_precision("high")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)
