"""A Llama read and run straight from a GGUF file, in numpy and float64: the oracle for the conversion.

Written from the format (blocks of 32 numbers), from the Llama equations, and for weights as llama.cpp lays them out:
the two numbers that a rotary position turns are neighbours. So nothing is shared with kdlab.lm.pipeline.conversion, not
even the order of the rows of q and k. The tokenizer is written from its merges.
"""

import gguf
import numpy as np
import regex

# The splits of "smollm" in llama.cpp: every digit alone, then GPT-2's pattern.
_WORDS = regex.compile(r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+")


def numbers(tensor):
    """The numbers of a tensor, float64, (rows, columns) or (columns,)."""
    shape = tuple(int(n) for n in reversed(tensor.shape))
    kind, raw = tensor.tensor_type.name, np.ascontiguousarray(tensor.data)
    if kind == "F32":
        return raw.view(np.float32).reshape(shape).astype(np.float64)
    if kind == "Q8_0":  # a scale, then 32 signed bytes
        blocks = raw.reshape(-1, 34)
        scale = blocks[:, :2].copy().view(np.float16).astype(np.float64)
        return (scale * blocks[:, 2:].view(np.int8)).reshape(shape)
    assert kind == "Q4_1", kind  # a scale, a minimum, then 16 bytes: low halves are the first 16 numbers
    blocks = raw.reshape(-1, 20)
    scale, least = (blocks[:, i : i + 2].copy().view(np.float16).astype(np.float64) for i in (0, 2))
    halves = np.concatenate([blocks[:, 4:] & 15, blocks[:, 4:] >> 4], axis=1)
    return (scale * halves + least).reshape(shape)


class Oracle:
    """The model in a GGUF file."""

    def __init__(self, path):
        reader = gguf.GGUFReader(path)
        self.tensors = {tensor.name: tensor for tensor in reader.tensors}
        self.fields = {name: field.contents() for name, field in reader.fields.items()}
        self.pieces = self.fields["tokenizer.ggml.tokens"]

    def of(self, name):
        return numbers(self.tensors[f"{name}.weight"])

    def logits(self, ids):
        """The next-token logits after each of ``ids``: (len(ids), vocabulary)."""
        embedding = self.of("token_embd")
        x = embedding[ids]
        for layer in range(self.fields["llama.block_count"]):
            x = x + self._attention(layer, self._normed(x, f"blk.{layer}.attn_norm"))
            inner = self._normed(x, f"blk.{layer}.ffn_norm")
            gate, up = (inner @ self.of(f"blk.{layer}.ffn_{name}").T for name in ("gate", "up"))
            x = x + (gate / (1 + np.exp(-gate)) * up) @ self.of(f"blk.{layer}.ffn_down").T
        return self._normed(x, "output_norm") @ embedding.T

    def _normed(self, x, name):
        epsilon = self.fields["llama.attention.layer_norm_rms_epsilon"]
        return x / np.sqrt((x**2).mean(-1, keepdims=True) + epsilon) * self.of(name)

    def _attention(self, layer, x):
        heads = self.fields["llama.attention.head_count"]
        shared = heads // self.fields["llama.attention.head_count_kv"]
        q, k, v = (x @ self.of(f"blk.{layer}.attn_{name}").T for name in "qkv")
        width, future = q.shape[1] // heads, np.triu(np.full((len(x), len(x)), -np.inf), 1)
        out = np.zeros_like(q)
        for head in range(heads):
            mine = slice(head * width, (head + 1) * width)
            lent = slice(head // shared * width, (head // shared + 1) * width)
            scores = self._turned(q[:, mine]) @ self._turned(k[:, lent]).T / np.sqrt(width) + future
            weights = np.exp(scores - scores.max(-1, keepdims=True))
            out[:, mine] = weights / weights.sum(-1, keepdims=True) @ v[:, lent]
        return out @ self.of(f"blk.{layer}.attn_output").T

    def _turned(self, x):
        """Neighbours (2i, 2i + 1) as a complex number, turned by position * theta^(-2i / width)."""
        position, width = np.arange(len(x))[:, None], x.shape[1]
        angle = position * self.fields["llama.rope.freq_base"] ** (-np.arange(0, width, 2) / width)
        turned = (x[:, ::2] + 1j * x[:, 1::2]) * np.exp(1j * angle)
        return np.stack([turned.real, turned.imag], axis=-1).reshape(x.shape)

    def encode(self, text):
        """The ids of a text without markers: split, then join the pair that was learnt first, until none is left."""
        ids = {piece: i for i, piece in enumerate(self.pieces)}
        rank = {tuple(pair.split(" ")): i for i, pair in enumerate(self.fields["tokenizer.ggml.merges"])}
        found = []
        for part in filter(None, regex.split(r"(\p{N})", text)):
            for word in _WORDS.findall(part):
                pieces = [SHOWN[byte] for byte in word.encode()]
                while pairs := [pair for pair in zip(pieces, pieces[1:], strict=False) if pair in rank]:
                    pieces = _joined(pieces, min(pairs, key=rank.__getitem__))
                found += [ids[piece] for piece in pieces]
        return found


def _joined(pieces, pair):
    out = []
    for piece in pieces:
        # A piece that has just been joined starts no new pair with its neighbour in the same pass: it is longer.
        if out and (out[-1], piece) == pair:
            out[-1] += piece
        else:
            out.append(piece)
    return out


def _shown():
    """GPT-2's way to write bytes as visible characters: those that are visible stay, the rest follow from U+0100 on."""
    visible = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in visible]
    return {byte: chr(byte) for byte in visible} | {byte: chr(256 + i) for i, byte in enumerate(others)}


SHOWN = _shown()
