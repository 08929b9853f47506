"""Where a p* comes from, and that it is what it says: random, bundled, a folder, a hub."""

import json
import math

import numpy as np
import pytest
from support.torch_side import torch

# isort: split
# After torch_side, which skips this file where the packages of the language-model side are not installed.
from safetensors.torch import load_file, save_file
from support import real_weights, tiny_gguf
from transformers import LlamaForCausalLM, logging

from kdlab.lm.pipeline import fetch as smollm2
from kdlab.lm.pipeline import truth as weights
from kdlab.lm.pipeline.corpus import generator
from kdlab.lm.pipeline.sampling import sample
from kdlab.lm.pipeline.scoring import mean_probabilities
from kdlab.lm.pipeline.truth import WeightsError, load_truth
from kdlab.lm.sizes import SIZES, parameters


def next_tokens(truth, ids):
    """The probabilities of the next token after each of ``ids``, float64."""
    with torch.no_grad():
        return truth.model(torch.tensor([ids])).logits[0].double().softmax(-1).numpy()


def written(truth, texts, length, seed=0):
    """Texts of the model, (texts, length), and the entropy of its choice at each step, averaged over the unfinished."""
    rng = torch.Generator().manual_seed(seed)
    ids, entropies, going = torch.full((texts, 1), 2), [], torch.ones(texts, dtype=torch.bool)
    for _ in range(length - 1):
        with torch.no_grad():
            logs = truth.model(ids).logits[:, -1].log_softmax(-1)
        entropies.append(-(logs.exp() * logs).sum(-1)[going].mean().item())
        chosen = torch.multinomial(logs.exp(), 1, generator=rng)
        going &= chosen[:, 0] != truth.eos
        ids = torch.cat([ids, chosen], 1)
    return ids.numpy(), entropies


def test_the_random_model_has_choices_and_comes_to_an_end():
    truth = load_truth("random")
    ids, entropies = written(truth, 300, 24)
    assert 1.5 < min(entropies) < max(entropies) < 2.5
    ended = (ids == truth.eos).any(1).mean()
    assert 0.3 < ended < 0.6
    # It is no echo of its last token, nor deaf to it.
    assert (ids[:, 1:] == ids[:, :-1]).mean() < 0.3
    rows = np.array([next_tokens(truth, [2, i])[-1] for i in (3, 4, 5)])
    assert abs(rows[0] - rows[1]).sum() > 0.5


def test_the_random_model_writes_syllables():
    truth = load_truth("random")
    assert (truth.vocabulary, truth.eos, truth.name) == (64, 0, "random")
    for row in written(truth, 5, 24)[0].tolist():
        kept = [i for i in row if i != truth.eos]
        assert truth.encode(truth.decode(row)) == kept
    assert truth.pieces([2, 0]) == ["ba", "<end>"]


def test_the_random_model_is_the_same_everywhere():
    # Recorded once. float32 sums may differ in the last place between machines: 1e-5 is a hundred times that.
    found = next_tokens(load_truth("random"), [2, 3, 4])[-1]
    assert found.argsort()[::-1][:5].tolist() == [50, 19, 29, 39, 54]
    np.testing.assert_allclose(np.sort(found)[::-1][:5], [0.918503, 0.02876, 0.01389, 0.009612, 0.004867], atol=1e-5)


def test_the_random_model_leaves_the_global_seeds_alone():
    torch.manual_seed(1)
    np.random.seed(1)
    before = torch.get_rng_state(), np.random.get_state()[1].copy()
    load_truth("random")
    assert torch.equal(before[0], torch.get_rng_state())
    assert np.array_equal(before[1], np.random.get_state()[1])


def test_other_sizes_of_the_random_model():
    for vocabulary in (8, 200):
        truth = load_truth("random", vocabulary=vocabulary)
        assert truth.vocabulary == vocabulary == truth.provenance["vocabulary"]
        assert truth.encode(truth.decode(range(1, vocabulary))) == list(range(1, vocabulary))
    with pytest.raises(ValueError, match="vocabulary is 5000: choose from 3 to"):
        load_truth("random", vocabulary=5000)
    with pytest.raises(ValueError, match="eos is 3: the random model ends a text with token 0"):
        load_truth("random", eos=3)


def test_a_folder(folder, capfd):
    truth = load_truth(str(folder))
    assert (truth.vocabulary, truth.eos) == (len(tiny_gguf.PIECES), 2)
    assert not truth.model.training
    assert not any(weight.requires_grad for weight in truth.model.parameters())
    assert {weight.dtype for weight in truth.model.parameters()} == {torch.float32}
    assert truth.decode([*truth.encode("the Grüße 12"), truth.eos]) == "the Grüße 12"
    assert truth.pieces([2, *truth.encode(" the")]) == ["<|im_end|>", " the"]
    assert truth.provenance["source"] == folder.name
    assert truth.provenance["sha256"] == {"model.safetensors": smollm2.checksum(folder / "model.safetensors")}
    json.dumps(truth.provenance)
    assert capfd.readouterr() == ("", "")  # a notebook keeps whatever is printed


def test_progress_bars_of_others_come_back(folder):
    shown = logging.is_progress_bar_enabled()
    logging.enable_progress_bar()
    load_truth(str(folder))
    assert logging.is_progress_bar_enabled()
    if not shown:
        logging.disable_progress_bar()


def test_the_first_tokens_of_a_folder(folder):
    kept = 100
    whole, few = load_truth(str(folder)), load_truth(str(folder), vocabulary=kept)
    ids = [5, 70, 17, 3]
    wanted = next_tokens(whole, ids)[:, :kept]
    np.testing.assert_allclose(next_tokens(few, ids), wanted / wanted.sum(-1, keepdims=True), rtol=1e-5, atol=1e-9)
    assert few.provenance["vocabulary_of_the_whole"] == whole.vocabulary
    outside = tiny_gguf.PIECES.index("Ġthe")
    with pytest.raises(ValueError, match=f"' the' in '0 the' is token {outside}, and none of the {kept} that are kept"):
        few.encode("0 the")
    assert "mass" not in few.provenance
    assert load_truth(str(folder), vocabulary=kept, eos=99).eos == 99


def test_the_prompt_and_the_ends_are_kept_in_any_case(folder):
    whole = load_truth(str(folder))
    few = load_truth(str(folder), vocabulary=50, prompt="0 the", eos=[200, 2])
    words = whole.encode("0 the")
    assert few.kept == tuple(sorted({*range(50 - len({*words, 200} - set(range(50)))), *words, 200}))
    assert few.named(few.ends) == [200, 2] and few.provenance["eos"] == few.ends
    assert few.decode(few.encode("0 the")) == "0 the" and few.pieces(few.encode("0 the")) == whole.pieces(words)
    with pytest.raises(ValueError, match="vocabulary is 3, and the prompt and the ends take 4 tokens: keep more"):
        load_truth(str(folder), vocabulary=3, prompt="0 the", eos=[200, 2])


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"eos": 264}, "eos is 264, outside the 264 tokens of"),
        ({"eos": -1}, "eos is -1, outside"),
        ({"vocabulary": 1000}, "vocabulary is 1000: p. has 264 tokens"),
        ({"vocabulary": 0}, "vocabulary is 0: p. has 264 tokens"),
    ],
)
def test_vocabularies_and_ends_that_do_not_fit(folder, options, says):
    with pytest.raises(ValueError, match=says):
        load_truth(str(folder), **options)


def copied(folder, place, **changes):
    """A copy of a checkpoint with changes to its config.json."""
    config = json.loads((folder / "config.json").read_text()) | changes
    for file in folder.iterdir():
        (place / file.name).write_bytes(file.read_bytes())
    (place / "config.json").write_text(json.dumps(config))
    return place


@pytest.mark.parametrize(
    ("named", "ends"), [([1, 2], (1, 2)), ([2], (2,)), ([2, 9999], (2,)), ([], (2,)), (None, (2,))]
)
def test_any_of_several_ends_a_text_and_the_tokenizer_s_where_the_model_names_none(folder, tmp_path, named, ends):
    truth = load_truth(str(copied(folder, tmp_path, eos_token_id=named)))
    assert (truth.ends, truth.eos, truth.note) == (ends, ends[0], "")
    assert load_truth(str(tmp_path), eos=[1, 0]).ends == (1, 0)


def test_ends_that_generation_adds_and_the_tokenizer_names_otherwise(folder, tmp_path):
    place = copied(folder, tmp_path)
    (place / "generation_config.json").write_text('{"eos_token_id": [1]}')
    told = json.loads((place / "tokenizer_config.json").read_text())
    (place / "tokenizer_config.json").write_text(json.dumps(told | {"eos_token": "<|endoftext|>"}))
    truth = load_truth(str(place))
    assert truth.ends == (2, 1)
    assert "texts end with token 2 ('<|im_end|>') or 1 ('<|im_start|>')" in truth.note
    assert "names 0 ('<|endoftext|>')" in truth.note and '"eos_token_id": [2, 1, 0] in config.json' in truth.note
    (place / "tokenizer_config.json").write_text(json.dumps(told | {"eos_token": None}))
    (place / "generation_config.json").unlink()
    with pytest.raises(ValueError, match='which token ends a text: write its number into config.json, as "eos_token'):
        load_truth(str(copied(place, place, eos_token_id=None)))


@pytest.mark.parametrize("text", ["3", "null", "[]", "{", ""])
@pytest.mark.parametrize("name", ["config", "generation_config", "tokenizer", "tokenizer_config"])
def test_a_file_that_is_no_object_is_named(folder, tmp_path, name, text):
    (copied(folder, tmp_path) / f"{name}.json").write_text(text)
    with pytest.raises(WeightsError, match=f"/{name}.json is (JSON, but|no JSON: ).* Get the model's files again"):
        load_truth(str(tmp_path))


def test_whatever_transformers_raises_is_a_fault_of_the_folder(folder, tmp_path):
    (copied(folder, tmp_path) / "tokenizer.json").write_text("{}")
    with pytest.raises(WeightsError, match=r"could not be read as a model \(its tokenizer: KeyError: 'added_tokens'"):
        load_truth(str(tmp_path))
    for change, says in (
        ({"eos_token_id": "2"}, "its config.json: .*Field 'eos_token_id' with value '2'"),
        ({"hidden_act": "nope"}, "its weights: KeyError: 'nope'"),
        ({"vocab_size": 263}, "do not fit its config.json .mismatched_keys: .*embed_tokens"),
    ):
        with pytest.raises(WeightsError, match=says):
            load_truth(str(copied(folder, tmp_path, **change)))


@pytest.mark.parametrize(("name", "number"), [("model.norm", math.inf), ("model.layers.1.mlp.up_proj", math.nan)])
def test_weights_that_are_no_numbers(folder, tmp_path, name, number):
    path = copied(folder, tmp_path) / "model.safetensors"
    weights = load_file(path)
    weights[f"{name}.weight"].view(-1)[5] = number
    save_file(weights, path, {"format": "pt"})
    with pytest.raises(WeightsError, match=f"are damaged .{name}.weight: nan or inf.: get them again"):
        load_truth(str(tmp_path))


def test_folders_that_hold_no_such_model(folder, tmp_path):
    empty, other, deeper, cut, pickled = (tmp_path / name for name in ("empty", "other", "deeper", "cut", "pickled"))
    for place in (empty, other, deeper, cut, pickled):
        place.mkdir()
    copied(folder, other, model_type="gpt2")
    copied(folder, deeper, num_hidden_layers=3)
    copied(folder, cut)
    (cut / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes()[:-100])
    copied(folder, pickled)
    (pickled / "model.safetensors").unlink()
    torch.save(LlamaForCausalLM.from_pretrained(folder).state_dict(), pickled / "pytorch_model.bin")
    for place, says in [
        (empty, "could not be read as a model .*It needs config.json, model.safetensors"),
        (other, "do not fit its config.json .missing_keys.*transformer.h.0"),
        (deeper, "do not fit its config.json .missing_keys.*layers.2"),
        (cut, "could not be read as a model"),
        (pickled, "could not be read as a model .*model.safetensors"),
    ]:
        with pytest.raises(WeightsError, match=says):
            load_truth(str(place))


def test_a_hub_that_cannot_be_reached(monkeypatch):
    asked = []

    def out_of_reach(**place):
        asked.append(place)
        raise OSError("We couldn't connect to the hub\nand more")

    monkeypatch.setattr(weights.AutoConfig, "from_pretrained", out_of_reach)
    with pytest.raises(WeightsError, match="Some/Model could not be had .*connect to the hub[)].*Without a network: "):
        load_truth("Some/Model")
    assert asked == [{"pretrained_model_name_or_path": "Some/Model", "local_files_only": False}]


def test_a_hub_that_answers(folder, monkeypatch):
    def answered(real):
        def from_pretrained(*within, **place):  # transformers asks itself by position
            return real(*within, **place if within else place | {"pretrained_model_name_or_path": str(folder)})

        return from_pretrained

    for kind in (weights.AutoConfig, weights.AutoModelForCausalLM, weights.AutoTokenizer):
        monkeypatch.setattr(kind, "from_pretrained", answered(kind.from_pretrained))
    settings = weights.get_tokenizer_config
    monkeypatch.setattr(weights, "get_tokenizer_config", lambda source, **how: settings(str(folder), **how))
    truth = load_truth("Some/Model", vocabulary=100)
    assert (truth.name, truth.vocabulary, truth.provenance["source"]) == ("Some/Model", 100, "Some/Model")


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("bundeld", "did you mean 'bundled'"),
        ("./nowhere", "a folder that exists"),
        ("/no/where", "a folder that exists"),
        ("~/no", "a folder that exists"),
        ("", "a folder that exists"),
    ],
)
def test_sources_that_are_none(source, says):
    with pytest.raises(ValueError, match=f"^p. from '{source}'.*{says}"):
        load_truth(source)


def test_not_fetched_yet(monkeypatch, tmp_path):
    monkeypatch.setenv("KDLAB_CACHE", str(tmp_path))
    with pytest.raises(WeightsError, match=r"not usable in .*\(not fetched\): run `kdlab fetch smollm2`"):
        load_truth("bundled")


def test_the_bundled_one():
    truth = real_weights.truth()
    assert (truth.vocabulary, truth.eos, truth.name) == (49_152, 2, "bundled")
    assert truth.provenance["gguf"]["sha256"] == smollm2.GGUF_SHA256
    assert truth.provenance["license"] == "Apache-2.0"
    assert truth.pieces(truth.encode("One day, a little")) == ["One", " day", ",", " a", " little"]
    assert truth.decode([*truth.encode("2024 größer 世界"), 2]) == "2024 größer 世界"
    json.dumps(truth.provenance)


def test_the_4096_tokens_that_the_bundled_one_uses_most():
    whole, truth = real_weights.truth(), real_weights.truth(4096)
    kept = list(truth.kept)
    wanted = next_tokens(whole, whole.encode("One day, a little"))[:, kept]
    found = next_tokens(truth, truth.encode("One day, a little"))
    # float32 logits of up to 33 have a last place of 4e-6, and their sums differ by a few of those.
    np.testing.assert_allclose(found, wanted / wanted.sum(-1, keepdims=True), rtol=1e-4, atol=1e-9)
    assert sum(weight.numel() for weight in truth.model.parameters()) == parameters(SIZES["135M"], 4096)
    with pytest.raises(ValueError, match="is token .*, and none of the 4096 that are kept of bundled"):
        truth.encode("antidisestablishmentarianism")
    assert truth.decode(truth.encode("One day, a little girl")) == "One day, a little girl"


def test_the_tokens_that_it_uses_most_hold_nine_tenths_of_what_it_says():
    """Counted on other texts than those that chose them."""
    whole, truth = real_weights.truth(), real_weights.truth(4096)
    ids = whole.encode("One day, a little")
    drawn = sample(whole.model, ids, 64, length=32, eos=whole.ends, rng=generator(7, "other texts"))
    mean = mean_probabilities(whole.model, drawn)
    assert mean.sum() == pytest.approx(1, abs=1e-4)  # a softmax of 49,152 in float32
    assert mean[list(truth.kept)].sum() == pytest.approx(truth.provenance["mass"], abs=0.02)
    assert truth.provenance["mass"] > 0.88
    assert mean[:4096].sum() < 0.8  # of the first as many
