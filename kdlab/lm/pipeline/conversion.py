"""From a GGUF file to a plain Llama checkpoint: config.json, model.safetensors and the tokenizer's files.

Needs the packages gguf, safetensors and tokenizers, not torch: quantised blocks become the float32 numbers that they
stand for, exactly. transformers reads such a file too (``gguf_file=``), into the same numbers, but takes four times as
long and has no tokenizer that splits numbers digit by digit. The GGUF format: ggml-org/ggml, docs/gguf.md; how a Llama
is laid out in it: convert_hf_to_gguf.py and src/llama-vocab.cpp of ggml-org/llama.cpp.
"""

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
_TURNED = {"attn_q": "head_count", "attn_k": "head_count_kv"}  # turned by positions: and how many heads these have
_CONTROL = 3  # the token type of markers such as <|im_end|>


def convert(source: Path, folder: Path) -> None:
    """Write the checkpoint of the GGUF file ``source`` into ``folder``, which exists.

    Raises ValueError where the file is no Llama with tied embeddings and a byte-level tokenizer of the SmolLM kind.
    """
    reader = gguf.GGUFReader(source)
    fields = {name: field.contents() for name, field in reader.fields.items()}
    if fields["general.architecture"] != "llama":
        raise ValueError(f"architecture {fields['general.architecture']!r}: give a GGUF file of a Llama")
    _tokenizer(fields).save(str(folder / "tokenizer.json"))
    for name, content in (("config", _config(fields)), ("tokenizer_config", _tokenizer_config(fields))):
        text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
        (folder / f"{name}.json").write_text(text, encoding="utf-8")
    weights = dict(_weight(tensor, fields) for tensor in reader.tensors)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def _config(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The model's config.json."""
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


def _weight(tensor: Any, fields: Mapping[str, Any]) -> tuple[str, NDArray[np.float32]]:
    """A tensor's name in transformers (``blk.3.attn_q.weight`` is ``model.layers.3.self_attn.q_proj.weight``) and
    its numbers, in the shape that torch's layers have, (outputs, inputs).
    """
    *block, part, kind = tensor.name.split(".")
    if part not in _NAMES or kind != "weight":
        raise ValueError(
            f"tensor {tensor.name!r} has no place in a Llama with tied embeddings: give the GGUF file of one"
        )
    weight = dequantize(tensor.data, tensor.tensor_type)
    if part in _TURNED:
        # In a head, rotary positions turn two numbers together: neighbours there, half a head apart in transformers.
        heads, (rows, columns) = fields[f"llama.attention.{_TURNED[part]}"], weight.shape
        weight = weight.reshape(heads, rows // heads // 2, 2, columns).swapaxes(1, 2).reshape(rows, columns)
    layer = f"model.layers.{block[1]}." if block else ""
    return f"{layer}{_NAMES[part]}.weight", np.ascontiguousarray(weight, dtype=np.float32)


def _tokenizer(fields: Mapping[str, Any]) -> Tokenizer:
    """The byte-level tokenizer with the GGUF's vocabulary and merges, splitting text as SmolLM does: digit by digit."""
    kind = (fields["tokenizer.ggml.model"], fields["tokenizer.ggml.pre"])
    if kind != ("gpt2", "smollm"):
        raise ValueError(f"tokenizer {kind}: give a GGUF file with that of SmolLM, ('gpt2', 'smollm')")
    pieces = fields["tokenizer.ggml.tokens"]
    merges = [tuple(pair.split(" ")) for pair in fields["tokenizer.ggml.merges"]]
    made = Tokenizer(models.BPE({piece: i for i, piece in enumerate(pieces)}, merges))
    # Digits first: otherwise spaces before a number are shared out differently, and other ids come out.
    digits, pieces_of_bytes = pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(False)
    made.pre_tokenizer = pre_tokenizers.Sequence([digits, pieces_of_bytes])
    made.decoder = decoders.ByteLevel()
    types = zip(pieces, fields["tokenizer.ggml.token_type"], strict=True)
    markers = [AddedToken(piece, special=True, normalized=False) for piece, kind in types if kind == _CONTROL]
    made.add_special_tokens(markers)
    return made


def _tokenizer_config(fields: Mapping[str, Any]) -> dict[str, Any]:
    names = {"bos_token": "bos", "eos_token": "eos", "pad_token": "padding", "unk_token": "unknown"}
    pieces = fields["tokenizer.ggml.tokens"]
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        **{name: pieces[fields[f"tokenizer.ggml.{there}_token_id"]] for name, there in names.items()},
        "chat_template": fields["tokenizer.chat_template"],
        "clean_up_tokenization_spaces": False,
        "model_max_length": fields["llama.context_length"],
    }
