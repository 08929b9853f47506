"""From a GGUF file to a plain Llama checkpoint: config.json, model.safetensors and the tokenizer's files.

Needs the packages gguf, safetensors and tokenizers, not torch: quantised blocks become the float32 numbers that they
stand for, exactly, one tensor after the other. The GGUF format: ggml-org/ggml, docs/gguf.md; how a Llama is laid out in
it: convert_hf_to_gguf.py and src/llama-vocab.cpp of ggml-org/llama.cpp.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gguf
import numpy as np
from gguf.quants import dequantize
from numpy.typing import NDArray
from safetensors.numpy import save_file
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

__all__ = ["configuration", "convert", "tensors", "tokenizer"]

_NAMES = {  # what GGUF calls it: what transformers calls it
    "token_embd": "model.embed_tokens",
    "output_norm": "model.norm",
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
_CONTROL = 3  # the token type of markers such as <|im_end|>


def convert(source: Path, folder: Path) -> None:
    """Write the checkpoint of the GGUF file ``source`` into ``folder``, which exists.

    Raises ValueError where the file is no Llama with tied embeddings and a byte-level tokenizer of the SmolLM kind.
    """
    reader = gguf.GGUFReader(source)
    fields = {name: field.contents() for name, field in reader.fields.items()}
    config = configuration(fields)
    _write_json(folder / "config.json", config)
    tokenizer(fields).save(str(folder / "tokenizer.json"))
    _write_json(folder / "tokenizer_config.json", _tokenizer_configuration(fields))
    save_file(tensors(reader, config), folder / "model.safetensors", metadata={"format": "pt"})


def configuration(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The model's config.json, from the GGUF's own fields."""
    if fields["general.architecture"] != "llama":
        raise ValueError(f"architecture {fields['general.architecture']!r}: only a Llama becomes a Llama checkpoint")
    heads = fields["llama.attention.head_count"]
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "vocab_size": len(fields["tokenizer.ggml.tokens"]),
        "hidden_size": fields["llama.embedding_length"],
        "intermediate_size": fields["llama.feed_forward_length"],
        "num_hidden_layers": fields["llama.block_count"],
        "num_attention_heads": heads,
        "num_key_value_heads": fields["llama.attention.head_count_kv"],
        "head_dim": fields["llama.embedding_length"] // heads,
        "max_position_embeddings": fields["llama.context_length"],
        # Kept as float32 there; the published number has few digits.
        "rms_norm_eps": float(f"{fields['llama.attention.layer_norm_rms_epsilon']:.6g}"),
        "rope_parameters": {"rope_type": "default", "rope_theta": fields["llama.rope.freq_base"]},
        "hidden_act": "silu",
        "attention_bias": False,
        "mlp_bias": False,
        "tie_word_embeddings": True,
        "bos_token_id": fields["tokenizer.ggml.bos_token_id"],
        "eos_token_id": fields["tokenizer.ggml.eos_token_id"],
        "pad_token_id": fields["tokenizer.ggml.padding_token_id"],
        "dtype": "float32",
    }


def tensors(reader: gguf.GGUFReader, config: Mapping[str, Any]) -> dict[str, NDArray[np.float32]]:
    """Every weight by its name in transformers, float32, with the shape that torch's layers have (outputs, inputs).

    Raises ValueError for a tensor that a Llama with tied embeddings has no place for.
    """
    weights = {}
    for tensor in reader.tensors:
        name = _renamed(tensor.name)
        weight = dequantize(tensor.data, tensor.tensor_type)
        if name.endswith("q_proj.weight"):
            weight = _halves(weight, config["num_attention_heads"])
        elif name.endswith("k_proj.weight"):
            weight = _halves(weight, config["num_key_value_heads"])
        weights[name] = np.ascontiguousarray(weight, dtype=np.float32)
    return weights


def tokenizer(fields: Mapping[str, Any]) -> Tokenizer:
    """The byte-level tokenizer with the GGUF's vocabulary and merges, splitting text as SmolLM does: digit by digit."""
    kind = (fields["tokenizer.ggml.model"], fields["tokenizer.ggml.pre"])
    if kind != ("gpt2", "smollm"):
        raise ValueError(f"tokenizer {kind}: only the byte-level one of SmolLM ('gpt2', 'smollm') is known here")
    pieces = fields["tokenizer.ggml.tokens"]
    merges = [tuple(pair.split(" ")) for pair in fields["tokenizer.ggml.merges"]]
    made = Tokenizer(models.BPE({piece: i for i, piece in enumerate(pieces)}, merges))
    # Digits first: otherwise spaces before a number are shared out differently, and other ids come out.
    made.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    made.decoder = decoders.ByteLevel()
    types = fields["tokenizer.ggml.token_type"]
    made.add_special_tokens(
        [
            AddedToken(piece, special=True, normalized=False)
            for piece, kind in zip(pieces, types, strict=True)
            if kind == _CONTROL
        ]
    )
    return made


def _tokenizer_configuration(fields: Mapping[str, Any]) -> dict[str, Any]:
    pieces = fields["tokenizer.ggml.tokens"]
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": pieces[fields["tokenizer.ggml.bos_token_id"]],
        "eos_token": pieces[fields["tokenizer.ggml.eos_token_id"]],
        "pad_token": pieces[fields["tokenizer.ggml.padding_token_id"]],
        "unk_token": pieces[fields["tokenizer.ggml.unknown_token_id"]],
        "chat_template": fields["tokenizer.chat_template"],
        "clean_up_tokenization_spaces": False,
        "model_max_length": fields["llama.context_length"],
    }


def _renamed(name: str) -> str:
    """``blk.3.attn_q.weight`` is ``model.layers.3.self_attn.q_proj.weight``."""
    *block, part, kind = name.split(".")
    if part not in _NAMES or kind != "weight":
        raise ValueError(f"tensor {name!r} has no place in a Llama with tied embeddings")
    layer = f"model.layers.{block[1]}." if block else ""
    return f"{layer}{_NAMES[part]}.{kind}"


def _halves(weight: NDArray[np.float32], heads: int) -> NDArray[np.float32]:
    """Undo llama.cpp's order of rows: there the two numbers that rotary positions turn together are neighbours in a
    head, in transformers they stand half a head apart.
    """
    rows, columns = weight.shape
    return weight.reshape(heads, rows // heads // 2, 2, columns).swapaxes(1, 2).reshape(rows, columns)


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
