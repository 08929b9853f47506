"""A run from end to end, on a p* that needs no files: what it finds, and that no interruption changes it."""

import json
import multiprocessing
import os
import random
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from support.torch_side import torch

from kdlab.cli import main
from kdlab.core import metrics
from kdlab.lm.experiment import RunConfig
from kdlab.lm.folder import Line, read_results, recorded_folder
from kdlab.lm.pipeline import fetch as smollm2
from kdlab.lm.pipeline import results as found
from kdlab.lm.pipeline import sampling, stages
from kdlab.lm.pipeline.corpus import Corpus, generator
from kdlab.lm.pipeline.estimate import Speed, estimate, measured, work
from kdlab.lm.pipeline.scoring import Recorded, Scores
from kdlab.lm.pipeline.stages import Run, _model, hidden_states
from kdlab.lm.pipeline.truth import WeightsError
from kdlab.lm.report.summary import table
from kdlab.lm.sizes import flops_per_token, size_named

ROOT = Path(__file__).resolve().parents[3]
# The smoke preset, smaller: a second of work.
SMALL = {
    "seeds": 1,
    "teacher_sequences": 96,
    "teacher_epochs": 2,
    "student_sequences": 64,
    "student_epochs": 2,
    "validation_sequences": 32,
    "evaluation_sequences": 64,
    "shard": 32,
    "batch": 16,
    "threads": 1,
}
SET = [f"--set={name}={value}" for name, value in SMALL.items()]


def complete(folder: Path, show: Callable[[Line], None] = lambda line: None, **others: Any) -> Run:
    run = stages.opened(folder, "smoke", SMALL | others, show)
    stages.everything(run)
    run.lock.close()
    return run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run that nobody interrupted."""
    return complete(tmp_path_factory.mktemp("whole") / "run")


@pytest.fixture
def copy(run: Run, tmp_path: Path) -> Path:
    return Path(shutil.copytree(run.folder, tmp_path / "run"))


def made(folder: Path) -> dict[str, bytes]:
    """All that a run makes but times: shards, weights, scores, maps."""
    kinds = ("*.npz", "*.safetensors", "map.json", "spec.json")
    files = [path for kind in kinds for path in folder.rglob(kind)]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def numbers(folder: Path) -> dict[str, Any]:
    """The results without times, day and machine, and losses without the seconds that they took."""
    content = read_results(folder)
    for curves in content["curves"].values():
        for curve in curves.values():
            curve.pop("seconds")
    return {name: content[name] for name in content.keys() - {"stages", "date", "device", "processes", "config"}}


def assert_the_same(folder: Path, run: Run) -> None:
    mine, whole = made(folder), made(run.folder)
    assert mine.keys() == whole.keys()
    assert [name for name in mine if mine[name] != whole[name]] == []
    assert numbers(folder) == numbers(run.folder)
    assert not list(folder.rglob("*.tmp"))


# What it finds


@pytest.mark.parametrize("per", ["token", "sequence"])
def test_results_are_precision_and_recall_of_the_models_themselves(run: Run, per: Any) -> None:
    """Recorded runs the models again; results.json came from scores on disk."""
    texts = run.texts("evaluation")
    truth = Recorded(run.truth.model, texts, per)
    models = {model["name"]: model for model in read_results(run.folder)["models"]}
    assert list(models) == ["teacher", "direct", "tau-0.6", "tau-1"]
    for name, told in models.items():
        own = Recorded(_model(run, 0, name), run.samples(0, name).read(64), per)
        for what, estimate_ in (
            ("precision", metrics.precision(own, truth)),
            ("recall", metrics.recall(own, truth)),
        ):
            assert told[what][per]["value"] == pytest.approx(estimate_.value, abs=1e-6), (name, what)
            assert told[what][per]["over_sequences"] == pytest.approx(estimate_.standard_error, abs=1e-6)
            assert told[what][per]["over_seeds"] is None and told[what][per]["n_sequences"] == 64
    ceiling = read_results(run.folder)["truth"]["negative_entropy"][per]["value"]
    assert ceiling == pytest.approx(truth.expected_log_prob(truth).value, abs=1e-6)
    assert all(told["recall"][per]["value"] < ceiling for told in models.values())


def test_errors_over_seeds_are_those_of_their_mean() -> None:
    one = found._over([metrics.Estimate(1.0, 0.1, 50), metrics.Estimate(2.0, 0.3, 50), metrics.Estimate(6.0, 0.2, 50)])
    assert (one["value"], one["by_seed"]) == (3.0, [1.0, 2.0, 6.0])
    assert one["over_sequences"] == pytest.approx(0.2)
    assert one["over_seeds"] == pytest.approx(np.sqrt((4 + 1 + 9) / 2 / 3))  # sample variance 7, over 3 seeds


def test_what_is_told_of_a_run_is_what_is_there(run: Run) -> None:
    told = read_results(run.folder)
    by_stage = {stage["stage"]: stage for stage in told["stages"]}
    assert by_stage["p* writes: train"]["tokens"] == run.texts("train").n_tokens
    assert by_stage["seed 0: train direct"]["tokens"] == 2 * run.texts("train", 64).n_tokens
    assert by_stage["seed 0: teacher at tau 0.6"]["tokens"] == run.tempered(0, 0.6).read(64).n_tokens
    assert all(stage["seconds"] > 0 for stage in told["stages"])
    assert told["sizes"]["truth"]["parameters"] == sum(w.numel() for w in run.truth.model.parameters())
    assert told["sizes"]["student"]["parameters"] == sum(w.numel() for w in _model(run, 0, "direct").parameters())
    curve = told["curves"]["0"]["teacher"]
    assert curve["steps"][-1] == 2 * 96 // 16 and len(curve["validation"]) == 2
    assert told["texts"]["truth"][0] == run.truth.decode(
        run.texts("evaluation").ids[0, : run.texts("evaluation").lengths[0]]
    )
    assert (told["seeds"], told["missing"]) == ([0], [])


def test_the_texts_that_a_student_lost_are_those_it_falls_behind_on_most(run: Run) -> None:
    texts = run.texts("evaluation")
    behind = {}
    for tau in (0.6, 1.0):
        own, direct = (Recorded(_model(run, 0, name)).log_prob(texts) for name in (f"tau-{tau:g}", "direct"))
        behind[tau] = sorted((own - direct) / texts.counts)
    told = read_results(run.folder)["lost"]
    assert [lost["tau"] for lost in told] == [0.6] * 5 + [1.0] * 5
    for tau, first in ((0.6, told[:5]), (1.0, told[5:])):
        np.testing.assert_allclose([one["distilled"] - one["direct"] for one in first], behind[tau][:5], atol=1e-5)
    assert all(one["at_one"] == one["distilled"] for one in told[5:])
    both = {one["text"] for one in told[:5]} & {one["text"] for one in told[5:]}
    assert all(a["at_one"] == b["distilled"] for a in told[:5] for b in told[5:] if a["text"] == b["text"] in both)
    assert all(isinstance(one["at_one"], float) for one in told)


def test_the_map_is_a_plane_of_hidden_states(run: Run) -> None:
    told = read_results(run.folder)["map"]
    assert list(told) == ["truth", "teacher", "direct", "tau-0.6", "tau-1"]
    points = np.array(told["truth"])
    assert points.shape == (64, 2)
    np.testing.assert_allclose(points.mean(axis=0), 0, atol=1e-3)
    assert abs(np.corrcoef(points.T)[0, 1]) < 1e-2 and points[:, 0].var() >= points[:, 1].var()
    some = run.texts("evaluation", 2)
    states = hidden_states(run.truth.model, some)
    whole = run.truth.model.model(torch.tensor(some.ids[1:2, : some.lengths[1]].astype(int))).last_hidden_state
    np.testing.assert_allclose(states[1], whole[0, some.prompt :].mean(dim=0).detach(), atol=1e-5)


def test_all_students_start_alike_and_seeds_do_not(run: Run) -> None:
    first, second = (stages._first_weights(seed, "tiny").initial_seed() for seed in (0, 1))
    assert first != second
    assert (
        run.tempered(0, 0.6).spec["weights"]
        == run.tempered(0, 1.0).spec["weights"]
        == run.trained(0, "teacher")["sha256"]
    )


def test_scores_alone_cannot_draw(run: Run) -> None:
    scored = found.Scored("direct", {}, "token")
    for call in (scored.sample, scored.log_prob):
        with pytest.raises(TypeError, match="by its scores only"):
            call(*([1, None] if call == scored.sample else [None]))
    assert isinstance(stages.read_scores(run.folder / "scores" / "truth.npz"), dict)


# Interruptions


def test_results_are_valid_at_any_moment(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []

    def look(line: Line) -> None:
        told = read_results(tmp_path / "run")
        table(told)
        seen.append((len(told["models"]), len(told["missing"])))

    complete(tmp_path / "run", look)
    assert seen[0] == (0, 1) and {models for models, _ in seen} == {0, 1, 2, 3, 4}
    assert main(["results", str(tmp_path / "run")]) == 0
    assert (tmp_path / "run" / "precision_recall.png").is_file()


def child(folder: Path) -> None:
    complete(folder)
    os._exit(0)


@pytest.mark.slow
def test_killed_at_random_moments_it_ends_in_the_same_bytes(run: Run, tmp_path: Path) -> None:
    """SIGKILL, ten times; every time the next process goes on. Forked, so that torch is loaded once."""
    chance, folder, fork = random.Random(), tmp_path / "run", multiprocessing.get_context("fork")
    delays = [chance.uniform(0.05, 0.6) for _ in range(10)]
    for delay in delays:
        process = fork.Process(target=child, args=(folder,))
        process.start()
        process.join(delay)
        process.kill()
        process.join()
    complete(folder)
    for temporary in folder.rglob("*.tmp"):  # what a kill in the middle of a write leaves; nothing reads it
        temporary.unlink()
    assert_the_same(folder, run)


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
    assert worked == {
        "p* writes: train",
        "seed 0: teacher at tau 0.6",
        "seed 0: train direct",
        "seed 0: scores",
    }
    assert_the_same(copy, run)


def test_a_teacher_that_is_another_writes_anew(run: Run, copy: Path) -> None:
    """On a GPU, training again gives other weights; what the old ones wrote must not stay."""
    again = stages.opened(copy, "smoke", SMALL)
    told = copy / "seed-0/teacher/trained.json"
    told.write_text(json.dumps(again.trained(0, "teacher") | {"sha256": "0"}))
    assert again.tempered(0, 0.6).damaged(2) == ["shard-00000.npz: missing", "shard-00001.npz: missing"]
    again.lock.close()


def test_other_settings_are_refused(run: Run, copy: Path) -> None:
    with pytest.raises(ValueError, match="batch was 16, now 8"):
        stages.opened(copy, "smoke", SMALL | {"batch": 8})
    more = stages.opened(copy, "smoke", SMALL | {"seeds": 2})
    assert read_results(copy)["missing"] == ["seed 1: teacher, direct, tau-0.6, tau-1"]
    more.lock.close()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"prompt": "la la la la la la la la la"}, "takes 17 tokens of it"),
        ({"prompt": "Once upon"}, "'O' in 'Once upon' is none of the"),
    ],
)
def test_a_prompt_that_cannot_be_is_said_before_any_work(
    settings: dict[str, Any], said: str, tmp_path: Path, capsys: Any
) -> None:
    pairs = [f"--set={name}={value}" for name, value in settings.items()]
    assert main(["run", "--preset", "smoke", "--out", str(tmp_path / "run"), *pairs]) == 1
    assert said in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "run").glob("*") if not path.name.startswith(".")] == []


def limited(folder: Path) -> None:
    """As on a disk that is full: no file may grow beyond 20 kB."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, resource.RLIM_INFINITY))
    try:
        complete(folder)
    except OSError as error:
        os._exit(28 if "nothing was left half-written" in str(error) else 1)
    os._exit(0)


def test_a_full_disk_is_said_and_leaves_nothing_half_written(run: Run, tmp_path: Path) -> None:
    process = multiprocessing.get_context("fork").Process(target=limited, args=(tmp_path / "run",))
    process.start()
    process.join()
    assert process.exitcode == 28
    assert not list((tmp_path / "run").rglob("*.tmp"))
    complete(tmp_path / "run")
    assert_the_same(tmp_path / "run", run)


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
    assert {path.name for path in (tmp_path / "recorded/some/corpus").rglob("*")} == {
        path.name for path in (run.folder / "corpus").rglob("*")
    }


# The corpus that comes with the notebooks

RECORDED = recorded_folder() / "cpu" / "corpus"
PARTS = ("train", "validation", "evaluation")


def recorded_corpus(part: str) -> Corpus:
    return Corpus(RECORDED / part, json.loads((RECORDED / part / "spec.json").read_text(encoding="utf-8")))


def test_the_recorded_corpus_is_whole_small_and_enough_for_the_preset() -> None:
    config, tokens = RunConfig.of("cpu"), 0
    for part in PARTS:
        there = recorded_corpus(part)
        n, shards = there.spec["sequences"], there.spec["sequences"] // there.spec["shard"]
        assert there.damaged(shards) == []
        texts = there.read(n)
        assert len(texts) == n and int(texts.ids.max()) < there.spec["vocabulary"] == config.vocabulary
        assert (texts.ids[:, : texts.prompt] == there.spec["prompt"]).all()
        assert there.spec["length"] == config.length and there.spec["shard"] == config.shard
        tokens += texts.n_tokens
        wanted = config.teacher_sequences if part == "train" else getattr(config, f"{part}_sequences")
        assert n >= wanted
    assert tokens > 950_000
    assert sum(path.stat().st_size for path in RECORDED.rglob("*") if path.is_file()) < 3_000_000


def test_the_recorded_corpus_is_what_this_code_samples(tmp_path: Path) -> None:
    """The first sequences of three shards, drawn again from SmolLM2; and the preset takes the corpus for its own."""
    if trouble := smollm2.fault():
        pytest.skip(f"SmolLM2-135M: {trouble}; `kdlab fetch smollm2` brings it, and this test")
    own = stages.opened(tmp_path, "cpu", {"threads": 1})
    decoder = sampling._Decoder(own.truth.model, own.prompt, own.config.length)
    for part, shard in (("train", 0), ("train", 32), ("evaluation", 0)):
        there = recorded_corpus(part)
        assert stages._same(own.corpus(part), there.folder) is not None
        rng = generator(0, "p*", part, 1.0, shard)
        numbers = torch.rand(1024, own.config.length - len(own.prompt), generator=rng, dtype=torch.float64)
        again = sampling._continued(decoder, numbers[:8], own.truth.eos, 1.0)
        kept = there.read((shard + 1) * 1024)[shard * 1024 :][:8]
        assert np.array_equal(again.ids, kept.ids) and np.array_equal(again.lengths, kept.lengths)
    own.lock.close()


# The command, and several processes


@pytest.mark.slow
def test_the_command_killed_and_given_again_ends_in_the_same_bytes(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    kdlab = [sys.executable, "-W", "ignore", "-m", "kdlab.cli"]
    command = [*kdlab, "run", "--preset", "smoke", "--out", str(folder), *SET]
    # Where nothing was fetched: else 05 would read with the real p*, which takes its time.
    empty = {**os.environ, "KDLAB_CACHE": str(tmp_path / "cache")}
    whole = made(run.folder).keys()
    # After some file everything ends. Not after some time: the work takes a second.
    last = random.Random().choice(sorted(name for name in whole if "scores" not in name and "map" not in name))
    first = subprocess.Popen(command, env=empty, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    limit = time.monotonic() + 120
    while not (folder / last).exists() and time.monotonic() < limit and first.poll() is None:
        time.sleep(0.002)
    killed = psutil.Process(first.pid).children(recursive=True)  # its kernel, at work
    for process in [*killed, first]:
        process.kill()
    first.wait()
    psutil.wait_procs(killed)
    there = made(folder).keys()
    assert last in there and there < whole
    done = subprocess.run(command, env=empty, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    assert "seeds finished: 1 of 1" in done.stdout and "tokens/s" in done.stdout
    for name in ("05_meet_smollm2", "06_distil_smollm2", "07_read_the_trade_off"):
        for kind in ("ipynb", "html"):
            assert (folder / f"{name}.{kind}").stat().st_size > 10_000
    for temporary in folder.rglob("*.tmp"):
        temporary.unlink()
    assert_the_same(folder, run)


@pytest.mark.slow
def test_two_processes_make_what_one_makes(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command = [
        *launch,
        "-m",
        "kdlab.cli",
        "run",
        "--no-notebooks",
        "--preset",
        "smoke",
        "--out",
        str(folder),
        *SET,
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=150)
    assert done.returncode == 0, done.stderr
    own, whole = made(folder), made(run.folder)
    assert own.keys() == whole.keys()
    shards = [name for name in own if name.startswith("corpus/") and name.endswith("npz")]
    assert len(shards) == 3 + 1 + 2 and all(own[name] == whole[name] for name in shards)
    told, wanted = read_results(folder), read_results(run.folder)
    assert told["processes"] == 2
    for mine, other in zip(told["models"], wanted["models"], strict=True):
        for what in ("precision", "recall"):
            assert mine[what]["token"]["value"] == pytest.approx(other[what]["token"]["value"], abs=0.02)
    # The teacher's weights differ in their last digits; what it writes is, from the same weights, the same.
    again = stages.opened(folder, "smoke", SMALL)
    before = {path.name: path.read_bytes() for path in (folder / "seed-0/tempered/tau-0.6").glob("*.npz")}
    shutil.rmtree(folder / "seed-0/tempered/tau-0.6")
    stages.tempered(again, 0)
    again.lock.close()
    assert {path.name: path.read_bytes() for path in (folder / "seed-0/tempered/tau-0.6").glob("*.npz")} == before


# The estimate


def test_the_work_of_a_run_is_counted() -> None:
    config = RunConfig.of("smoke", SMALL | {"seeds": 2, "vocabulary": 64})
    counted, tiny = work(config), flops_per_token(size_named("tiny"), 64, 16)
    texts = 96 + 32 + 64 + 2 * (2 * 64 + 4 * 64)  # p*'s; per seed two tempered corpora and four models' samples
    assert counted.sampled == 16 * texts
    assert counted.trained == 16 * 2 * (2 * 96 + 3 * 2 * 64)
    assert counted.scored == 16 * (64 + 2 * 4 * 64 + 2 * 4 * 64)
    assert counted.sampling_flops == pytest.approx(counted.sampled * tiny)
    assert counted.training_flops == pytest.approx(3 * counted.trained * tiny)


def test_an_estimate_is_said_and_agreed_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    said = estimate(RunConfig.of("paper"), Speed("135M", 1e13, 1e14))
    assert "5 seeds" in said and "hours" in said and "GB of disk" in said
    counted = work(RunConfig.of("paper"))
    hours = [counted.sampling_flops / 1e13, counted.training_flops / 1e14, counted.scoring_flops / 1e14]
    assert f"operations / 1e+13 per second = about {hours[0] / 3600:,.0f} " in said
    assert (
        f"together about {sum(hours) / 3600:,.0f} " in said and f"at best {sum(hours) / 8 / 3600:,.0f} on each" in said
    )
    monkeypatch.setattr("kdlab.lm.pipeline.estimate.measured", lambda: Speed("135M", 1e13, 1e14))
    monkeypatch.setattr("kdlab.lm.headless._look_ahead", lambda config: None)
    assert main(["run", "--preset", "paper", "--out", str(tmp_path / "run")]) == 1
    told = capsys.readouterr()
    assert "operations" in told.out and "add --yes" in told.err
    assert not (tmp_path / "run" / "corpus").exists()


def test_who_waits_for_a_hub_is_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    def absent(source: str, **other: Any) -> None:
        raise WeightsError(f"{source} could not be had")

    monkeypatch.setattr("kdlab.lm.pipeline.truth.load_truth", absent)
    assert main(["run", "--preset", "smoke", "--set", "truth=some/model", "--out", str(tmp_path / "run")]) == 1
    told = capsys.readouterr()
    assert told.out == "p*: some/model …\n" and "some/model could not be had" in told.err
    assert not (tmp_path / "run").exists()


def test_this_machine_can_be_measured() -> None:
    speed = measured("tiny", seconds=0.1)
    assert speed.rung == "tiny" and speed.sampling > 0 and speed.training > 0


def test_corpora_say_what_they_are_a_function_of(run: Run) -> None:
    spec = Corpus(run.folder / "corpus/train", run.corpus("train").spec).spec
    assert {"weights", "prompt", "eos", "length", "tau", "seed", "shard", "sequences", "vocabulary"} <= spec.keys()
    assert isinstance(Scores(np.zeros(2), np.ones(2, int)).per_token(), metrics.Estimate)
