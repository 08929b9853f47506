"""What only a GPU runs: compiled functions, and attention that reads what a group of queries shares once.

On a CPU nothing of this is used; the tests run it there.
"""

from __future__ import annotations

import os
import shutil
import sysconfig
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from transformers import AttentionInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import AttentionMaskInterface, sdpa_mask

__all__ = ["GROUPED", "compiled", "fault"]

GROUPED = "kdlab_grouped"  # the name of `_grouped` among transformers' kinds of attention
_SHAPES = 128  # that one process may compile a function for: models, batches and lengths; torch's own limit is 8


def compiled(function: Callable[..., Any], **how: Any) -> Callable[..., Any]:
    """Compile ``function`` in one piece, or fail; ``how`` is what torch.compile takes."""
    limits: Any = torch._dynamo.config
    limits.recompile_limit = max(limits.recompile_limit, _SHAPES)
    # Which products use these units is decided here on purpose: see scoring.
    warnings.filterwarnings("ignore", message="TensorFloat32 tensor cores")
    return torch.compile(function, fullgraph=True, **how)


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


def _grouped(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    **how: Any,
) -> tuple[torch.Tensor, None]:
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
