"""Several prompts of different lengths, against each sequence by itself: written, scored, learnt from, and kept.

And a run whose texts answer instructions, from end to end.
"""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import real_weights
from support.small_run import SMALL, assert_the_same, complete
from support.torch_side import EOS, LENGTH, small_model, torch
from transformers import LlamaForCausalLM

from kdlab.cli import main
from kdlab.lm.experiment import RunConfig
from kdlab.lm.folder import Line, read_results
from kdlab.lm.pipeline import cpu, stages, training
from kdlab.lm.pipeline.corpus import Corpus, MixedRuns, Sequences, generator
from kdlab.lm.pipeline.reading import truth_of
from kdlab.lm.pipeline.run import Run, prompt_ids
from kdlab.lm.pipeline.sampling import chosen, sample
from kdlab.lm.pipeline.scoring import Scores, mean_probabilities, score
from kdlab.lm.pipeline.truth import asked, load_truth
from kdlab.lm.report import attempts

PROMPTS = [[3, 4], [5], [6, 7, 8]]
ROOM = LENGTH - 3


def draw(model: Any, n: int) -> Sequences:
    return sample(model, PROMPTS, n, length=LENGTH, eos=EOS, rng=generator(1, "draw"))


@pytest.fixture(scope="module")
def drawn(model: Any) -> Sequences:
    return draw(model, 61)


def rows(sequences: Sequences) -> list[tuple[list[int], list[int]]]:
    """What was given and what was written, of each."""
    each = zip(sequences.ids, sequences.prompt, sequences.lengths, strict=True)  # type: ignore[arg-type]
    return [(row[:given].tolist(), row[given:length].tolist()) for row, given, length in each]


def log_probabilities(model: LlamaForCausalLM, given: list[int], written: list[int]) -> torch.Tensor:
    """(T, V) by transformers: one sequence, all of it read at once."""
    return torch.log_softmax(model(torch.tensor([given + written])).logits[0, len(given) - 1 : -1].double(), dim=-1)


def test_each_is_written_as_if_it_were_alone(model: Any, drawn: Sequences) -> None:
    uniform = torch.rand(61, ROOM, generator=generator(1, "draw"), dtype=torch.float64)
    ended = 0
    for i, (given, written) in enumerate(rows(drawn)):
        assert given == PROMPTS[i % 3]
        alone: list[int] = []
        with torch.no_grad():
            while len(alone) < ROOM and EOS not in alone:
                logits = model(torch.tensor([given + alone])).logits[:, -1]
                alone += chosen(logits, 1.0, uniform[i, [len(alone)]]).tolist()
        assert written == alone
        ended += EOS in written
        assert (drawn.ids[i, len(given) + len(written) :] == EOS).all()
    assert 5 < ended < 56 and drawn.n_tokens == sum(len(written) for _, written in rows(drawn))


def test_fewer_are_the_first_of_more_and_other_layers_write_the_same(
    drawn: Sequences, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = small_model()
    fewer = draw(model, 20)
    assert (fewer.ids == drawn.ids[:20]).all() and (fewer.prompt == drawn.prompt[:20]).all()  # type: ignore[index]
    assert rows(draw(model, 2)) == rows(drawn)[:2]
    monkeypatch.setattr(cpu, "fits", lambda model: False)
    assert rows(draw(model, 61)) == rows(drawn)


def test_each_is_scored_as_if_it_were_alone(model: Any, drawn: Sequences) -> None:
    with torch.no_grad():
        each = [log_probabilities(model, *row) for row in rows(drawn)]
    own = [float(p.gather(1, torch.tensor(w)[:, None]).sum()) for p, (_, w) in zip(each, rows(drawn), strict=True)]
    mixed = np.random.default_rng(0).permutation(61)
    scores = score(model, drawn[mixed])
    np.testing.assert_allclose(scores.nats, np.array(own)[mixed], atol=1e-5, rtol=0)
    assert (scores.tokens == drawn.counts[mixed]).all() and scores.groups is not None
    of = {tuple(rows(drawn)[i][0]): group for i, group in zip(mixed, scores.groups, strict=True)}
    assert sorted(of.values()) == [0, 1, 2]
    assert [of[tuple(rows(drawn)[i][0])] for i in mixed] == scores.groups.tolist()
    probabilities = torch.cat(each).exp().mean(dim=0).numpy()
    np.testing.assert_allclose(mean_probabilities(model, drawn), probabilities, atol=1e-6)
    with torch.no_grad():
        states = [model.model(torch.tensor([given + w])).last_hidden_state[0, len(given) :] for given, w in rows(drawn)]
    means = torch.stack([one.mean(dim=0) for one in states])  # of the longest as well
    np.testing.assert_allclose(score(model, drawn, states=61).states, means, atol=1e-5)


@pytest.mark.parametrize("as_on_a_gpu", [False, True])
def test_only_what_was_written_is_learnt(model: Any, drawn: Sequences, tmp_path: Path, as_on_a_gpu: bool) -> None:
    own = small_model()
    run = training._Run(own, drawn, training.TrainingSettings(), tmp_path, 0, None)
    if as_on_a_gpu:
        run.losses_by = lambda *how: training.cross_entropies(*how)
    nats, gradients = run._learnt(drawn, list(own.parameters()), drawn.n_tokens)
    each = [log_probabilities(own, *row).gather(1, torch.tensor(row[1])[:, None]).sum() for row in rows(drawn)]
    alone = -torch.stack(each).sum()
    assert float(nats) == pytest.approx(alone.item(), abs=1e-3)
    wanted = torch.autograd.grad(alone / drawn.n_tokens, list(own.parameters()))
    for one, other in zip(gradients, wanted, strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-4)


def test_a_corpus_knows_whose_turn_it_is(model: Any, drawn: Sequences, tmp_path: Path) -> None:
    """Also where shards do not end with the last prompt."""
    corpus = Corpus(tmp_path, {"prompt": PROMPTS, "eos": EOS, "sequences": 14, "shard": 5})
    starts = []

    def make(shard: int) -> Sequences:
        starts.append(corpus.prompt(shard)[0])
        return drawn[shard * 5 : shard * 5 + min(5, 14 - shard * 5)]

    corpus.ensure(make)
    assert rows(corpus.read(14)) == rows(drawn)[:14] and starts == [PROMPTS[0], PROMPTS[2], PROMPTS[1]]
    assert corpus.read(14).texts(str) == [str(written) for _, written in rows(drawn)[:14]]


# Errors


def test_errors_are_over_prompts_where_sequences_of_one_have_something_in_common() -> None:
    """400 times 24 prompts with 15 sequences each, against how far the means really lie apart (known to 4 %)."""
    rng, n_prompts, each = np.random.default_rng(0), 24, 15
    groups = np.repeat(np.arange(n_prompts), each)
    found: dict[str, list[tuple[float, float]]] = {"token": [], "sequence": []}
    alone = []
    for _ in range(400):
        length = rng.integers(3, 20, n_prompts)[groups]
        tokens = rng.integers(1, length + 1)
        nats = tokens * (rng.normal(-3.0, 1.0, n_prompts)[groups] + rng.normal(0.0, 0.5, len(groups)))
        scores = Scores(nats, tokens, groups)
        for per in found:
            one = scores.per(per)  # type: ignore[arg-type]
            found[per].append((one.value, one.standard_error))
        alone.append(Scores(nats, tokens).per_token().standard_error)
    for per, pairs in found.items():
        values, errors = np.array(pairs).T
        assert np.mean(errors) == pytest.approx(values.std(ddof=1), rel=0.12), per
    assert np.mean(alone) < 0.6 * np.mean([error for _, error in found["token"]])


def test_a_prompt_for_each_sequence_changes_no_error() -> None:
    rng = np.random.default_rng(1)
    tokens = rng.integers(1, 30, 50)
    nats = -rng.gamma(2.0, 3.0, 50) * tokens
    plain, each = Scores(nats, tokens), Scores(nats, tokens, rng.permutation(50))
    for per in ("token", "sequence"):
        assert each.per(per).standard_error == pytest.approx(plain.per(per).standard_error, rel=1e-12)  # type: ignore


# A run

INSTRUCTIONS = ["la", "bana", "da la fa"]  # and a space, as Syllables asks: 2, 3 and 6 tokens


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    path = tmp_path_factory.mktemp("prompts") / "instructions.txt"
    path.write_text("\n".join(INSTRUCTIONS))
    return {"prompts": str(path), "truncations": "none", "shard": 40}


@pytest.fixture(scope="module")
def answered(settings: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Run:
    return complete(tmp_path_factory.mktemp("answered") / "run", **settings)


def test_every_corpus_answers_all_instructions_in_turn(answered: Run) -> None:
    ids = [answered.truth.encode(f"{one} ") for one in INSTRUCTIONS]
    assert [*map(len, ids)] == [2, 3, 6] and answered.prompt == ids
    parts = [answered.texts(part) for part in ("train", "validation", "evaluation")]
    parts += [answered.tempered(0, tau).read(64) for tau in (0.6, 1.0)] + [answered.samples(0, "direct").read(64)]
    for texts in parts:
        assert [given for given, _ in rows(texts)] == [ids[i % 3] for i in range(len(texts))]
        assert texts.counts.max() == 10 and texts.counts.min() < 10  # the room that the longest leaves


def test_what_is_found_is_of_the_answers(answered: Run) -> None:
    """Precision and recall of one model by transformers, one answer at a time; what several tries bring, from these."""
    told, texts = read_results(answered.folder), answered.texts("evaluation")
    own = answered.samples(0, "tau-1").read(64)
    assert told["instructions"] == INSTRUCTIONS and len(told["map"]["tau-1"]) == 64 and told["missing"] == []
    student = stages._model(answered, 0, "tau-1")
    numbers = next(one for one in told["models"] if one["name"] == "tau-1")
    rates = {}
    for what, under, some in (("precision", answered.truth.model, own), ("recall", student, texts)):
        each = []
        for given, written in rows(some):
            with torch.no_grad():
                of = log_probabilities(under, given, written)
            each.append((float(of.gather(1, torch.tensor(written)[:, None]).sum()), len(written)))
        nats, tokens = np.array(each).T
        rates[what] = nats / tokens
        assert numbers[what]["token"]["value"] == pytest.approx(nats.sum() / tokens.sum(), abs=1e-5)
        left = nats - nats.sum() / tokens.sum() * tokens
        error = np.sqrt(3 / 2 * sum(left[i::3].sum() ** 2 for i in range(3))) / tokens.sum()
        assert numbers[what]["token"]["over_sequences"] == pytest.approx(error, rel=1e-3)
    truth = score(answered.truth.model, texts)
    found = told["attempts"]
    assert (found["tries"], found["answers"], found["words"]) == ([1, 4, 16], 21, 3)
    assert [*found["models"]] == ["truth", "teacher", "direct", "tau-0.6", "tau-1"]
    least = [np.median((truth.nats / truth.tokens)[i::3]) for i in range(3)]
    accepted = rates["precision"] >= np.resize(least, 64)
    words = [" ".join(answered.truth.decode(written).split()[:3]) for _, written in rows(own)]
    shares = [np.mean([a and w != "" for a, w in zip(accepted[i::3], words[i::3], strict=True)]) for i in range(3)]
    np.testing.assert_allclose(found["models"]["tau-1"]["different"][0], shares, atol=1e-5)
    assert np.allclose(found["models"]["tau-1"]["any"][0], shares, atol=1e-5)
    assert attempts.attempts_table(told).count("\n") == 5 and told["texts"]["truth"][1].startswith("bana → ")
    assert all(one["text"].partition(" → ")[0] in INSTRUCTIONS for one in told["lost"])


def test_a_run_that_answers_goes_on(answered: Run, settings: dict[str, Any], tmp_path: Path) -> None:
    shutil.copytree(answered.folder, tmp_path / "run")
    (tmp_path / "run/seed-0/attempts.json").write_text("{")
    (tmp_path / "run/corpus/train/shard-00001.npz").unlink()  # begins with the second instruction
    lines: list[Line] = []
    complete(tmp_path / "run", lines.append, **settings)
    assert_the_same(tmp_path / "run", answered)
    assert {line.stage for line in lines if line.tokens} == {"p* writes: train"}


def test_other_instructions_are_another_run(answered: Run, settings: dict[str, Any], tmp_path: Path) -> None:
    folder, path = shutil.copytree(answered.folder, tmp_path / "run"), Path(settings["prompts"])
    path.write_text("\n".join(INSTRUCTIONS[::-1]))
    try:
        with pytest.raises(MixedRuns, match=r"prompt was \[\[\d.*\], now \[\[") as caught:
            complete(folder, **settings)
        assert len(str(caught.value)) < 400
    finally:
        path.write_text("\n".join(INSTRUCTIONS))


def test_its_instructions_are_read_where_a_prompt_would_be(answered: Run) -> None:
    truth, prompt = truth_of(answered.folder)
    assert prompt == "la " and truth.encode(prompt) == answered.prompt[0]


def test_a_single_instruction_has_plain_errors(tmp_path: Path) -> None:
    (tmp_path / "one.txt").write_text("la\n")
    run = complete(tmp_path / "run", prompts=str(tmp_path / "one.txt"), truncations="none")
    told = read_results(run.folder)
    plain = Scores(*(getattr(score(run.truth.model, run.texts("evaluation")), name) for name in ("nats", "tokens")))
    error = told["truth"]["negative_entropy"]["token"]["over_sequences"]
    assert error == pytest.approx(plain.per_token().standard_error) and told["attempts"]["answers"] == 64


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("la\nda Once", "'O' in 'da Once ' is none of the"),
        ("la\n" + 8 * "la ", "length is 16, and the prompt 'la la la la la la la la' takes 16 tokens of it"),
        ("\n", "a file without an instruction: write one on each line"),
        ("la\nla", "'la' is twice in"),
        ("\n".join("la " * n for n in range(1, 130)), "evaluation_sequences is 128, and there are 129 instructions"),
    ],
)
def test_instructions_that_cannot_be_are_said_first(lines: str, said: str, tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "some.txt").write_text(lines)
    command = ["run", "--no-notebooks", "--preset", "smoke", "--out", str(tmp_path / "run")]
    assert main([*command, f"--set=prompts={tmp_path / 'some.txt'}"]) == 1
    assert said in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "run").glob("*") if not path.name.startswith(".")] == []


def test_a_run_from_before_there_were_instructions_stays_as_it_is(run: Run, copy: Path) -> None:
    for name in ("run.json", "results.json"):
        told = json.loads((copy / name).read_text())
        del told["config"]["prompts"]
        (copy / name).write_text(json.dumps(told))
    before = {path: path.read_bytes() for path in copy.rglob("[!.]*") if path.is_file()}
    again = stages.opened(copy, "smoke", SMALL)
    again.lock.close()
    assert {path: path.read_bytes() for path in before} == before
    assert "prompts" not in again.corpus("train").spec


# How p* is asked


class Bare:
    """A tokenizer that knows no template."""

    chat_template = None


def test_without_a_template_a_newline_ends_an_instruction() -> None:
    assert asked(Bare(), "Name a bird.") == "Name a bird.\n"


def test_smollm2_is_asked_as_its_template_says() -> None:
    real_weights.require()
    config = RunConfig.of("instruct")
    truth = load_truth("bundled", vocabulary=config.vocabulary, prompt=config.begun)
    assert truth.asked("Name a fruit.") == (
        "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n"
        "<|im_start|>user\nName a fruit.<|im_end|>\n<|im_start|>assistant\n"
    )
    ids = prompt_ids(config, truth)
    assert len(ids) == 60 and truth.named(ids[0])[-3:] == [520, 9531, 198] and truth.vocabulary == 4096
    longest = max(len(one) for one in ids)  # type: ignore[arg-type]
    assert (config.length - longest, RunConfig.of("gpu-instruct").length - longest) == (20, 32)
    assert 0.75 < truth.provenance["mass"] < 1
