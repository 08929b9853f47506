"""Any causal model: scores against log-probabilities computed plainly, texts against reading all of it again."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.any_models import KINDS, make, plainly, save, tokenizer
from support.torch_side import torch
from transformers import BertConfig, BertLMHeadModel, T5Config, T5ForConditionalGeneration

from kdlab.lm.pipeline import causal
from kdlab.lm.pipeline.corpus import Sequences, generator
from kdlab.lm.pipeline.fetch import WeightsError
from kdlab.lm.pipeline.sampling import continued, sample
from kdlab.lm.pipeline.scoring import score
from kdlab.lm.pipeline.truth import load_truth

PROMPT, LENGTH, VOCABULARY = [5, 6, 7], 20, 97


@pytest.mark.parametrize("kind", KINDS)
def test_scores_are_the_model_s_own(kind: str) -> None:
    """To 1e-4 nats per token, as asked; float32 sums leave some 1e-6."""
    model = make(kind, VOCABULARY)
    texts = sample(model, PROMPT, 10, length=LENGTH, eos=0, rng=generator(0, kind), tau=0.9)
    for tau in (1.0, 0.7):
        found = score(model, texts, tau, states=5)
        for ids, length, nats, tokens in zip(texts.ids, texts.lengths, found.nats, found.tokens, strict=True):
            assert abs(plainly(model, ids[:length].tolist(), len(PROMPT), tau) - nats) < 1e-4 * tokens
    assert found.states is not None and found.states.shape == (5, 32)
    own = causal.states(model, torch.from_numpy(texts.ids[:1, : int(texts.lengths[0])].astype(np.int64)))
    np.testing.assert_allclose(found.states[0], own[0, len(PROMPT) :].mean(dim=0).detach(), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("kind", KINDS)
def test_texts_are_those_of_a_model_that_reads_all_of_it_again(kind: str) -> None:
    """Windows, positions and memories of all sorts, past what they were tried on: token by token the same."""
    model = make(kind, VOCABULARY)
    texts = sample(model, PROMPT, 8, length=LENGTH, eos=0, rng=generator(1, kind))
    uniform = torch.rand(8, LENGTH - len(PROMPT), generator=generator(1, kind), dtype=torch.float64)
    with torch.inference_mode():
        again = continued(causal.Rereading(model, PROMPT), uniform, 0, 1.0)
    np.testing.assert_array_equal(texts.ids, again.ids)
    np.testing.assert_array_equal(texts.lengths, again.lengths)
    assert (texts.lengths == LENGTH).any()


def test_which_ways_are_taken() -> None:
    ways = {kind: (causal.splits(make(kind, 50)), causal.goes_on(make(kind, 50))) for kind in KINDS}
    assert [kind for kind, (splits, _) in ways.items() if not splits] == ["gemma2", "granite"]
    assert [kind for kind, (_, goes_on) in ways.items() if not goes_on] == ["mamba"]


def test_vocabularies_of_any_size() -> None:
    """Beyond 65,536 tokens ids take 32 bits."""
    model = make("qwen2", 70_000)
    texts = sample(model, [69_999], 8, length=6, eos=0, rng=generator(0))
    assert texts.ids.dtype == np.uint32 and int(texts.ids.max()) == 69_999
    assert texts.ids[:, 1:].max() > 2**16
    assert sample(make("qwen2", 2**16), [3], 2, length=4, eos=0, rng=generator(0)).ids.dtype == np.uint16
    found = score(model, texts)
    assert plainly(model, texts.ids[0].tolist()[: texts.lengths[0]], 1) == pytest.approx(found.nats[0], abs=1e-4)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_weights_are_read_whole_from_shards_of_any_format(tmp_path: Path, dtype: Any) -> None:
    folder = save(tmp_path, "gemma2", tokenizer(), dtype=dtype, max_shard_size="20KB")
    assert len(list(tmp_path.glob("*.safetensors"))) > 1
    truth = load_truth(folder)
    assert truth.model.dtype == torch.float32 and not truth.model.training
    assert set(truth.provenance["sha256"]) == {path.name for path in tmp_path.glob("*.safetensors")}
    texts = sample(truth.model, truth.begun("The"), 6, length=12, eos=truth.ends, rng=generator(0))
    nats = score(truth.model, texts).nats
    rounded = make("gemma2", 300).to(dtype).float()
    for ids, length, own in zip(texts.ids, texts.lengths, nats, strict=True):
        assert plainly(rounded, ids[:length].tolist(), int(texts.prompt)) == pytest.approx(own, abs=1e-3)


def test_what_a_tokenizer_puts_first_is_put_first(tmp_path: Path) -> None:
    plain, with_first = (tmp_path / name for name in ("plain", "first"))
    truth, other = (
        load_truth(save(plain, "llama", tokenizer())),
        load_truth(save(with_first, "llama", tokenizer(300, True))),
    )
    assert truth.begun("The teacher") == truth.encode("The teacher") == tokenizer().encode("The teacher")
    assert other.begun("The teacher") == [1, *other.encode("The teacher")] == tokenizer(300, True).encode("The teacher")
    assert other.begun("") == [1] and truth.begun("") == []


def test_a_tokenizer_is_what_its_file_says_and_not_what_the_model_s_kind_would_have(tmp_path: Path) -> None:
    """AutoTokenizer 5.23 puts Qwen's way of splitting in its place (findings/auto_tokenizer_resplits.sh)."""
    truth = load_truth(save(tmp_path, "qwen2", tokenizer()))
    text = "in 2026 and 1999, don't"
    assert truth.encode(text) == tokenizer().encode(text)


def test_what_is_no_causal_model_is_refused(tmp_path: Path) -> None:
    shape = {"vocab_size": 300, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1}
    both_ways, two_parts = tmp_path / "bert", tmp_path / "t5"
    BertLMHeadModel(BertConfig(**shape, num_attention_heads=4, eos_token_id=0)).save_pretrained(both_ways)
    t5 = T5Config(vocab_size=300, d_model=32, d_kv=8, d_ff=64, num_layers=1, num_heads=4, eos_token_id=0)
    T5ForConditionalGeneration(t5).save_pretrained(two_parts)
    for folder, says in (
        (both_ways, "is a bert whose words see what follows"),
        (two_parts, "is a t5, and not a causal"),
    ):
        tokenizer().save_pretrained(folder)
        with pytest.raises(WeightsError, match=says):
            load_truth(str(folder))
    remote = tmp_path / "remote"
    remote.mkdir()
    told = {"model_type": "ours", "auto_map": {"AutoConfig": "ours.Config", "AutoModelForCausalLM": "ours.Model"}}
    (remote / "config.json").write_text(json.dumps(told))
    (remote / "ours.py").write_text("raise SystemExit('this must not run')")
    tokenizer().save_pretrained(remote)
    with pytest.raises(WeightsError, match="could not be read as a model"):
        load_truth(str(remote))


def test_fewer_tokens_are_kept_of_a_tied_llama_only(tmp_path: Path) -> None:
    tied, other = (save(tmp_path / name, kind, tokenizer()) for name, kind in (("a", "llama, tied"), ("b", "gpt2")))
    assert load_truth(tied, vocabulary=200, prompt="The").vocabulary == 200
    with pytest.raises(ValueError, match="only a Llama whose embeddings are tied can be cut"):
        load_truth(other, vocabulary=200, prompt="The")


def test_sequences_of_two_widths_are_scored_alike() -> None:
    model = make("gpt2", VOCABULARY)
    ids = np.array([[5, 6, 7, 8, 9, 10], [5, 6, 7, 8, 0, 0]], np.uint16)
    found = score(model, Sequences(ids, np.array([6, 4], np.uint16), np.array([2, 3]), 0))
    assert found.nats == pytest.approx(
        [plainly(model, [5, 6, 7, 8, 9, 10], 2), plainly(model, [5, 6, 7, 8], 3)], abs=1e-4
    )
    assert found.groups is not None and found.groups.tolist() == [0, 1]
