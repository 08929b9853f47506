"""The stages of a run, on a p* that needs no files: what is there is kept, what is damaged or other is made again."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from support import real_weights
from support.small_run import SMALL, assert_the_same, complete
from support.torch_side import torch

from kdlab.lm.experiment import RunConfig
from kdlab.lm.folder import Line, read_results, recorded_folder
from kdlab.lm.pipeline import run as open_run
from kdlab.lm.pipeline import sampling, stages
from kdlab.lm.pipeline.corpus import Corpus, generator
from kdlab.lm.pipeline.fetch import WeightsError
from kdlab.lm.pipeline.stages import Run


def test_all_students_start_alike_and_seeds_do_not(run: Run) -> None:
    first, second = (stages.first_weights(seed, "tiny").initial_seed() for seed in (0, 1))
    assert first != second
    assert [run.tempered(0, tau).spec["weights"] for tau in (0.6, 1.0)] == 2 * [run.trained(0, "teacher")["sha256"]]


def test_what_the_teacher_writes_cut_to_its_likeliest_tokens(run: Run) -> None:
    """No token outside them, at any step; a corpus of its own numbers; and other corpora say nothing of truncation."""
    made, plain = run.truncated(0, "top-k-50"), run.tempered(0, 1.0)
    assert made.spec["truncation"] == {"top_k": 50} and "truncation" not in plain.spec
    assert (made.read(64).ids[:, 2] != plain.read(64).ids[:, 2]).any()
    for corpus, outside in ((made, False), (plain, True)):
        texts = corpus.read(64)
        ids, lengths = texts.tensors(torch.device("cpu"))
        with torch.inference_mode():
            logits = stages._model(run, 0, "teacher")(ids).logits[:, texts.prompt - 1 : -1]
        ids = ids[:, texts.prompt :, None]
        likelier = (logits > logits.gather(2, ids)).sum(dim=2)
        counted = torch.arange(texts.prompt, texts.prompt + ids.shape[1]) < lengths[:, None]
        assert bool((likelier[counted] >= 50).any()) is outside


def test_what_is_damaged_or_missing_is_named_and_made_again(run: Run, copy: Path) -> None:
    shard, other = copy / "corpus/train/shard-00001.npz", copy / "seed-0/tempered/tau-0.6/shard-00000.npz"
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 1
    shard.write_bytes(content)
    other.unlink()
    weights, scores = copy / "seed-0/direct/model.safetensors", copy / "seed-0/scores/tau-1.npz"
    weights.write_bytes(weights.read_bytes()[:-8])
    scores.write_bytes(b"PK")
    lines: list[Line] = []
    complete(copy, lines.append)
    notes = [f"{line.stage}: {line.note}" for line in lines if line.note and "already" not in line.note]
    assert notes == [
        "p* writes: train: shard-00001.npz: its checksum is not the manifest's; made again",
        "seed 0: train direct: direct/model.safetensors: its checksum is not the recorded one; trained again",
    ]
    worked = {line.stage for line in lines if line.tokens}
    assert worked == {"p* writes: train", "seed 0: teacher at tau 0.6", "seed 0: train direct", "seed 0: scores"}
    assert_the_same(copy, run)


def test_a_teacher_that_is_another_writes_anew(run: Run, copy: Path) -> None:
    """On a GPU, training again gives other weights; what the old ones wrote must not stay."""
    again = stages.opened(copy, "smoke", SMALL)
    told = copy / "seed-0/teacher/trained.json"
    told.write_text(json.dumps(again.trained(0, "teacher") | {"sha256": "0"}))
    assert again.tempered(0, 0.6).damaged() == ["shard-00000.npz: missing", "shard-00001.npz: missing"]
    again.lock.close()


def test_other_settings_are_refused(run: Run, copy: Path) -> None:
    with pytest.raises(ValueError, match="batch was 16, now 8"):
        stages.opened(copy, "smoke", SMALL | {"batch": 8})
    more = stages.opened(copy, "smoke", SMALL | {"seeds": 2})
    assert read_results(copy)["missing"] == ["seed 1: teacher, direct, tau-0.6, tau-1, top-k-50"]
    more.lock.close()


def test_what_is_wrong_with_p_star_leaves_a_folder_that_takes_other_settings(tmp_path: Path, folder: Path) -> None:
    place, model = tmp_path / "run", shutil.copytree(folder, tmp_path / "model")
    config = json.loads((model / "config.json").read_text())
    settings = SMALL | {"truth": str(model), "prompt": "the"}
    (model / "config.json").write_text("3")
    with pytest.raises(WeightsError, match="config.json is JSON, but int and no object"):
        stages.opened(place, "smoke", settings)
    assert not (place / "run.json").exists()
    (model / "config.json").write_text(json.dumps(config | {"eos_token_id": [5, 7]}))
    lines: list[Line] = []
    run = stages.opened(place, "smoke", settings | {"student_sequences": 96}, lines.append)
    assert "texts end with token 5 " in lines[0].note and "its tokenizer names 2 ('<|im_end|>')" in lines[0].note
    stages.corpus(run)
    texts = run.texts("train")
    ended = texts.lengths < run.config.length
    assert {7} <= {int(row[n - 1]) for row, n in zip(texts.ids[ended], texts.lengths[ended], strict=True)} <= {5, 7}
    assert run.corpus("train").spec["eos"] == [5, 7] and stages._from_scratch(run, 0, "tiny").config.eos_token_id == [
        5,
        7,
    ]
    run.lock.close()


def test_a_recorded_corpus_is_taken_where_it_fits(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(run.folder / "corpus", tmp_path / "recorded/some/corpus")
    monkeypatch.setattr(stages, "recorded_folder", lambda: tmp_path / "recorded")
    cases: tuple[tuple[str, dict[str, int], int], ...] = (
        ("fits", {}, 3),
        ("fewer", {"teacher_sequences": 64}, 3),
        ("cut", {"teacher_sequences": 80}, 3),
        ("more", {"evaluation_sequences": 96}, 2),
        ("not", {"length": 15}, 0),
    )
    for name, others, copied in cases:
        lines: list[Line] = []
        own = stages.opened(tmp_path / name, "smoke", SMALL | {"corpus": "recorded"} | others, lines.append)
        stages.corpus(own)
        own.lock.close()
        notes = [line.note for line in lines if line.note]
        assert ["copied from" in note for note in notes].count(True) == copied
        assert ["no recorded corpus has these settings" in note for note in notes].count(True) == 3 - copied
        assert len(own.texts("train")) == others.get("teacher_sequences", 96)
        if name in ("fewer", "cut"):  # the first of the recorded ones, and what sampling as many would give
            settings = SMALL | others
            sampled = stages.opened(tmp_path / f"{name} sampled", "smoke", settings)
            stages.corpus(sampled)
            sampled.lock.close()
            for part in ("train", "evaluation"):
                assert np.array_equal(own.texts(part).ids, sampled.texts(part).ids)
    for path in (run.folder / "corpus").rglob("*.npz"):
        assert (tmp_path / "fits" / path.relative_to(run.folder)).read_bytes() == path.read_bytes()
    there, wanted = (folder.rglob("*") for folder in (tmp_path / "recorded/some/corpus", run.folder / "corpus"))
    assert {path.name for path in there} == {path.name for path in wanted}


# The corpus that comes with the notebooks

RECORDED = recorded_folder() / "cpu" / "corpus"
PARTS = ("train", "validation", "evaluation")


def recorded_corpus(part: str) -> Corpus:
    return Corpus(RECORDED / part, json.loads((RECORDED / part / "spec.json").read_text(encoding="utf-8")))


def test_the_recorded_corpus_is_whole_small_and_enough_for_the_preset() -> None:
    config, tokens = RunConfig.of("cpu"), 0
    for part in PARTS:
        there = recorded_corpus(part)
        n = there.spec["sequences"]
        assert there.damaged() == []
        texts = there.read(n)
        assert len(texts) == n and int(texts.ids.max()) < there.spec["vocabulary"] == config.vocabulary
        assert (texts.ids[:, : texts.prompt] == there.spec["prompt"]).all()
        assert there.spec["length"] == config.length and there.spec["shard"] == config.shard
        tokens += texts.n_tokens
        wanted = config.teacher_sequences if part == "train" else getattr(config, f"{part}_sequences")
        assert n >= wanted
    assert tokens > 930_000
    assert sum(path.stat().st_size for path in RECORDED.rglob("*") if path.is_file()) < 3_000_000


def test_the_recorded_corpus_is_what_this_code_samples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first sequences of two shards, drawn again from SmolLM2; and the preset takes the corpus for its own."""
    truth = real_weights.truth(4096)
    monkeypatch.setattr(open_run, "load_truth", lambda source, vocabulary, prompt: truth)
    own = stages.opened(tmp_path, "cpu", {"threads": 1})
    decoder = sampling.Decoder(own.truth.model, own.prompt, own.config.length)
    for part in PARTS:
        assert stages._same(own.corpus(part), RECORDED / part) is not None
    for part, shard in (("train", 31), ("evaluation", 0)):
        there = recorded_corpus(part)
        rng = generator(0, "p*", part, 1.0, shard)
        numbers = torch.rand(1024, own.config.length - len(own.prompt), generator=rng, dtype=torch.float64)
        again = sampling.continued(decoder, numbers[:4], own.truth.eos, 1.0)
        kept = there.read((shard + 1) * 1024)[shard * 1024 :][:4]
        assert np.array_equal(again.ids, kept.ids) and np.array_equal(again.lengths, kept.lengths)
    own.lock.close()


def test_corpora_say_what_they_are_a_function_of(run: Run) -> None:
    spec = Corpus(run.folder / "corpus/train", run.corpus("train").spec).spec
    assert {"weights", "prompt", "eos", "length", "tau", "seed", "shard", "sequences", "vocabulary"} <= spec.keys()


def test_a_container_has_its_share_of_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    """Eight threads as torch would have it, three cores for this group; what the reader has set stays."""
    monkeypatch.setattr(torch, "get_num_threads", lambda: 8)
    monkeypatch.setattr(stages, "cores", lambda: 3)
    assert stages._usual_threads() == 8  # OMP_NUM_THREADS is set, as in every test
    monkeypatch.delenv("OMP_NUM_THREADS")
    assert stages._usual_threads() == 3
