"""A sentence read by a model: against the model's own probabilities, on the tiny one that needs no files."""

import json
from pathlib import Path

import numpy as np
import pytest
from support.torch_side import torch

from kdlab.lm.pipeline.corpus import Sequences, generator
from kdlab.lm.pipeline.reading import read, surprises, truth_of
from kdlab.lm.pipeline.scoring import score
from kdlab.lm.pipeline.truth import Truth, load_truth


@pytest.fixture(scope="module")
def truth() -> Truth:
    return load_truth("random")


def test_a_reading_is_the_models_next_token_and_texts_that_go_on(truth: Truth) -> None:
    heard: list[str] = []
    found = read(truth, "la ba", [0.3, 1.0, 1.0], new_tokens=9, rng=generator(0), say=heard.append)
    assert found.ids == tuple(truth.encode("la ba")) and found.sentence == "la ba" and len(heard) == 2
    wanted = truth.model(torch.tensor([list(found.ids)])).logits[0, -1]
    np.testing.assert_allclose(found.logits, wanted.detach().numpy(), atol=1e-5)
    assert len(found.samples) == 3 and found.samples[1] == found.samples[2]
    for text in found.samples:
        assert not text.startswith("la ba") and len(truth.encode("la ba" + text)) <= len(found.ids) + 9
    again = read(truth, "la ba", [0.3, 1.0, 1.0], new_tokens=9, rng=generator(0))
    assert again.samples == found.samples


@pytest.mark.parametrize(("sentence", "said"), [("", "has no token"), ("xyz", "'x' in 'xyz'")])
def test_what_cannot_be_read_is_refused(truth: Truth, sentence: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        read(truth, sentence, [1.0], rng=generator(0))


def test_surprises_add_up_to_the_score_and_entropies_are_of_the_choices(truth: Truth) -> None:
    ids = [*truth.encode("la ba da fa"), truth.eos]
    nats, entropies = surprises(truth, ids, 2)
    whole = Sequences(np.array([ids], np.uint16), np.array([len(ids)], np.uint16), prompt=2, eos=truth.eos)
    assert len(nats) == len(entropies) == len(ids) - 2
    assert nats.sum() == pytest.approx(-score(truth.model, whole).nats[0], abs=1e-4)
    logits = truth.model(torch.tensor([ids])).logits[0].detach().double().numpy()
    for t in range(2, len(ids)):
        p = np.exp(logits[t - 1] - logits[t - 1].max())
        p /= p.sum()
        assert nats[t - 2] == pytest.approx(-np.log(p[ids[t]]), abs=1e-5)
        assert entropies[t - 2] == pytest.approx(-(p * np.log(p)).sum(), abs=1e-5)


@pytest.mark.parametrize("given", [0, 3, -1])
def test_something_is_given_and_something_scored(truth: Truth, given: int) -> None:
    with pytest.raises(ValueError, match=f"given is {given}, of 3 tokens"):
        surprises(truth, [2, 3, 4], given)


def test_the_p_star_of_a_run_is_the_one_it_names(tmp_path: Path) -> None:
    config = {"truth": "random", "vocabulary": 32, "prompt": "la "}
    (tmp_path / "run.json").write_text(json.dumps({"config": config}), encoding="utf-8")
    truth, prompt = truth_of(tmp_path)
    assert (truth.name, truth.vocabulary, prompt) == ("random", 32, "la ")
