"""From GGUF to a Llama checkpoint, against an oracle that reads and runs the GGUF itself; the real one where it is."""

import json
from functools import lru_cache

import numpy as np
import pytest
from support.torch_side import torch

# isort: split
# After torch_side, which skips this file where the packages of the language-model side are not installed.
import gguf
from support import real_weights, tiny_gguf
from support.gguf_oracle import Oracle, numbers
from transformers import AutoTokenizer, LlamaForCausalLM

from kdlab.lm.pipeline import fetch as smollm2
from kdlab.lm.pipeline.conversion import convert

TEXTS = [
    "One day, a little",
    "In 1969 it was 12,345.67; x   2024 \n 12\n3",
    "Grüße aus Zürich, größer!",
    "世界和平，こんにちは",
    "हिन्दी में 😀🏽 naïve Ελλάδα ٣٤ ½",
    "  two spaces,\ttabs\r\n\n and don't I'LL they're  ",
    "the then in  the\u00a0end",
]


@pytest.fixture(scope="module")
def tiny(folder):
    """A tiny GGUF and its checkpoint."""
    return Oracle(folder.parent / "tiny.gguf"), folder


@pytest.fixture(scope="module")
def real():
    """The real GGUF and its checkpoint, in the reader's cache."""
    real_weights.require()
    return Oracle(real_weights.GGUF), smollm2.checkpoint()


def loaded(folder):
    model, report = LlamaForCausalLM.from_pretrained(
        folder, dtype=torch.float32, output_loading_info=True, local_files_only=True
    )
    assert not any(report.values()), report
    return model.eval()


@pytest.fixture(scope="module")
def real_model(real):
    """Read it, and leave it as it is."""
    return loaded(real[1])


def logits(model, ids):
    with torch.no_grad():
        return model(torch.tensor([ids])).logits[0].numpy()


def test_the_model_computes_what_the_gguf_says(tiny):
    oracle, folder = tiny
    model = loaded(folder)
    ids = [5, 200, 17, 3, 260, 90, 5]
    wanted = oracle.logits(ids)
    # float32 against float64: errors of about 1e-6 of the largest number were seen, ten times for safety.
    np.testing.assert_allclose(logits(model, ids), wanted, atol=1e-5 * abs(wanted).max(), rtol=0)
    assert abs(wanted).max() > 1
    with torch.no_grad():  # rows in the wrong order would be seen
        weight = model.model.layers[0].self_attn.k_proj.weight
        weight.copy_(torch.tensor(oracle.of("blk.0.attn_k")))  # as llama.cpp has them
    assert abs(logits(model, ids) - wanted).max() > 0.01


def test_embeddings_are_tied_and_kept_once(tiny):
    from safetensors import safe_open

    model = loaded(tiny[1])
    assert model.lm_head.weight is model.model.embed_tokens.weight
    with safe_open(tiny[1] / "model.safetensors", "np") as file:
        assert "lm_head.weight" not in file.keys()  # noqa: SIM118
        assert {file.get_slice(name).get_dtype() for name in file.keys()} == {"F32"}  # noqa: SIM118


@pytest.mark.parametrize("quantised", ["F32", "Q8_0"])
def test_other_kinds_of_blocks(tmp_path, quantised):
    tiny_gguf.write(tmp_path / "tiny.gguf", quantised=quantised)
    convert(tmp_path / "tiny.gguf", tmp_path)
    oracle, model = Oracle(tmp_path / "tiny.gguf"), loaded(tmp_path)
    wanted = oracle.of("blk.1.ffn_down").astype(np.float32)
    assert np.array_equal(model.model.layers[1].mlp.down_proj.weight.detach().numpy(), wanted)


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ({"architecture": "gpt2"}, "architecture 'gpt2': give a GGUF file of a Llama"),
        ({"pre": "llama-bpe"}, r"\('gpt2', 'llama-bpe'\): give a GGUF file with that of SmolLM"),
        ({"extra": ("output",)}, "'output.weight' has no place in a Llama with tied embeddings"),
        ({"extra": ("blk.0.attn_sinks",)}, "'blk.0.attn_sinks.weight' has no place"),
    ],
)
def test_what_is_not_such_a_llama_is_refused(tmp_path, how, says):
    tiny_gguf.write(tmp_path / "tiny.gguf", **how)
    with pytest.raises(ValueError, match=says):
        convert(tmp_path / "tiny.gguf", tmp_path)


def test_a_few_tensors_of_the_real_file(real):
    oracle, folder = real
    from safetensors import safe_open

    with safe_open(folder / "model.safetensors", "np") as file:
        assert len(file.keys()) == len(oracle.tensors) == 272
        for there, here in [
            ("blk.0.attn_v", "model.layers.0.self_attn.v_proj"),
            ("blk.13.ffn_down", "model.layers.13.mlp.down_proj"),
            ("blk.29.attn_norm", "model.layers.29.input_layernorm"),
        ]:
            # The oracle's float64 rounded once: kdlab's float32 may round the product and the sum, each to half a unit.
            wanted = oracle.of(there)
            np.testing.assert_allclose(file.get_tensor(f"{here}.weight"), wanted, rtol=0, atol=2e-7 * abs(wanted).max())
        for name, heads in [("q", 9), ("k", 3)]:
            here = file.get_tensor(f"model.layers.7.self_attn.{name}_proj.weight").reshape(heads, 64, 576)
            there = oracle.of(f"blk.7.attn_{name}").reshape(heads, 64, 576)
            turned = np.concatenate([there[:, ::2], there[:, 1::2]], axis=1)
            np.testing.assert_allclose(here, turned, rtol=0, atol=2e-7 * abs(turned).max())


def test_logits_of_the_real_model(real, real_model):
    oracle, model = real[0], real_model
    assert model.lm_head.weight is model.model.embed_tokens.weight
    for text in ("One day, a little", "The capital of France is"):
        ids = oracle.encode(text)
        wanted, found = oracle.logits(ids), logits(model, ids)
        # float32 through 30 layers against float64, logits of up to 33: differences of 7e-5 were seen.
        np.testing.assert_allclose(found, wanted, rtol=0, atol=5e-4)
        assert (found.argmax(-1) == wanted.argmax(-1)).all()
    assert oracle.pieces[wanted[-1].argmax()] == "ĠParis"


@pytest.mark.parametrize(("which", "text", "pieces"), [("tiny", "the in", "t he Ġ in"), ("real", "The", "The")])
def test_the_tokenizer(which, text, pieces, request):
    oracle, folder = request.getfixturevalue(which)
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    assert tokenizer.convert_ids_to_tokens(range(len(tokenizer))) == oracle.pieces
    assert (tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id) == (1, 2, 2)
    for one in TEXTS:
        ids = tokenizer.encode(one, add_special_tokens=False)
        assert ids == oracle.encode(one)
        assert tokenizer.decode(ids) == one
    assert tokenizer.tokenize("2024") == ["2", "0", "2", "4"] and tokenizer.tokenize(text) == pieces.split()


@pytest.mark.slow
def test_transformers_reads_the_same_weights(real_model, monkeypatch):
    """It would open the file twice, and look up the names of tensors once for each module: seconds, for the same."""
    for name in ("GGUFReader", "get_tensor_name_map"):
        monkeypatch.setattr(gguf, name, lru_cache(getattr(gguf, name)))
    file = real_weights.GGUF
    theirs = LlamaForCausalLM.from_pretrained(file.parent, gguf_file=file.name, dtype=torch.float32).state_dict()
    ours = real_model.state_dict()
    assert theirs.keys() == ours.keys()
    assert all(torch.equal(weight, theirs[name]) for name, weight in ours.items())


def test_the_record_of_the_real_one(real):
    record = json.loads((real[1] / "PROVENANCE.json").read_text())
    assert record["gguf"]["sha256"] == smollm2.GGUF_SHA256
    assert {record["license"], record["wheel_license"], real[0].fields["general.license"].title()} == {"Apache-2.0"}
    assert smollm2.fault() is None
    assert numbers(real[0].tensors["output_norm.weight"]).shape == (576,)
