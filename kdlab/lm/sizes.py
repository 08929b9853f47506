"""The shapes of the SmolLM2 family and smaller rungs of the same shape, and what each costs; no torch needed.

The three large rungs are the published configurations (HuggingFaceTB/SmolLM2-1.7B, -360M and -135M): the Llama
architecture with tied embeddings. The rungs below are ours, so that the same experiment fits one GPU or a laptop.
"""

import difflib
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Size:
    """A rung: ``heads`` query heads share ``kv_heads`` key and value heads; ``hidden`` splits evenly over ``heads``."""

    name: str
    hidden: int
    layers: int
    heads: int
    kv_heads: int
    ffn: int
    rope_theta: float = 100_000.0

    def __post_init__(self) -> None:
        if self.hidden % self.heads or (self.hidden // self.heads) % 2:
            raise ValueError(
                f"size {self.name!r}: hidden {self.hidden} does not split into {self.heads} heads of even width; "
                "choose hidden as an even multiple of heads"
            )
        if self.heads % self.kv_heads:
            raise ValueError(
                f"size {self.name!r}: {self.heads} heads do not divide among {self.kv_heads} key-value heads; "
                "choose heads as a multiple of kv_heads"
            )


SIZES = {
    size.name: size
    for size in (
        Size("1.7B", 2048, 24, 32, 32, 8192, 130_000.0),
        Size("360M", 960, 32, 15, 5, 2560),
        Size("135M", 576, 30, 9, 3, 1536),
        Size("30M", 384, 8, 6, 2, 1024),
        Size("10M", 160, 6, 5, 1, 448),
        Size("2M", 128, 8, 4, 2, 352),
        Size("0.4M", 64, 3, 2, 1, 176),
        Size("tiny", 32, 2, 2, 1, 64),
    )
}


def size_named(name: str) -> Size:
    """Return the rung of that name; ValueError, with the nearest name, for one that there is not."""
    if name in SIZES:
        return SIZES[name]
    raise ValueError(
        f"size {name!r} is not a rung of the family: choose one of {', '.join(SIZES)} (nearest: {nearest(name, SIZES)})"
    )


def nearest(name: str, names: Iterable[str]) -> str:
    """The one of ``names`` that is most like ``name``, for a message about a slip of the keys."""
    return difflib.get_close_matches(str(name), list(names), n=1, cutoff=0.0)[0]


def parameters(size: Size, vocabulary: int) -> int:
    """Count the weights: the tied embedding once, each layer's attention, feed-forward and two norms, a last norm."""
    head = size.hidden // size.heads
    attention = 2 * size.hidden * head * (size.heads + size.kv_heads)
    layer = attention + 3 * size.hidden * size.ffn + 2 * size.hidden
    return vocabulary * size.hidden + size.layers * layer + size.hidden


def flops_per_token(size: Size, vocabulary: int, length: int) -> float:
    """Operations of one forward pass per token, in sequences of ``length``; training takes three times as many.

    Two per weight of every matrix that a token meets (the embedding counts once, as the output layer), and for
    attention two products over half the sequence on average (Kaplan et al. 2020, section 2.1, with causal attention).
    """
    matrices = parameters(size, vocabulary) - (2 * size.layers + 1) * size.hidden
    return 2.0 * matrices + 2.0 * size.layers * size.hidden * length
