"""PyTorch and a small model for the tests of the language-model wing.

Skipped where PyTorch is not installed, unless KDLAB_REQUIRE_TORCH=1.
"""

import os
from typing import Any

import pytest

try:
    import torch
except ImportError:
    if os.environ.get("KDLAB_REQUIRE_TORCH") == "1":
        raise
    pytest.skip("PyTorch is not installed: `make lm` brings it, and these tests", allow_module_level=True)

torch.set_num_threads(1)  # as in every test: times and sums do not depend on how many cores are free

from kdlab.lm.pipeline.corpus import Sequences, generator  # noqa: E402
from kdlab.lm.pipeline.model import new_model  # noqa: E402
from kdlab.lm.pipeline.sampling import sample  # noqa: E402
from kdlab.lm.sizes import size_named  # noqa: E402

__all__ = ["EOS", "LENGTH", "PROMPT", "VOCABULARY", "draw", "small_model", "torch"]

PROMPT, LENGTH, EOS, VOCABULARY = [3, 4], 10, 0, 16


def small_model() -> Any:
    """A tiny model that has its preferences: from scratch every token would be as likely as any."""
    made = new_model(size_named("tiny"), VOCABULARY, eos=EOS, rng=generator(0, "model"))
    with torch.no_grad():
        for name, weight in made.named_parameters():
            weight.mul_(1 if "norm" in name else 8)
    return made


def draw(model: Any, n: int, **others: Any) -> Sequences:
    """Sequences of at most 10 tokens, the same ones every time."""
    settings = {"length": LENGTH, "eos": EOS, "rng": generator(1, "draw")} | others
    return sample(model, PROMPT, n, **settings)
