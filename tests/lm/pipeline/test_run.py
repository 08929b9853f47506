"""A whole run, interrupted: killed, on a full disk, by several processes, by the command; it ends in the same bytes."""

import os
import random
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from support.small_run import SMALL, assert_the_same, command, complete, forked, made

from kdlab.cli import main
from kdlab.lm.folder import read_results
from kdlab.lm.pipeline import stages
from kdlab.lm.pipeline.run import Run
from kdlab.lm.pipeline.truth import WeightsError


@pytest.mark.slow
def test_killed_at_random_moments_it_ends_in_the_same_bytes(run: Run, tmp_path: Path) -> None:
    """SIGKILL, ten times; every time the next process goes on."""
    chance, folder = random.Random(), tmp_path / "killed"
    for _ in range(10):
        process = forked(complete, folder)
        process.join(chance.uniform(0.05, 0.6))
        process.kill()
        process.join()
    complete(folder)
    assert_the_same(folder, run)


def limited(folder: Path) -> None:
    """As on a disk that is full: no file may grow beyond 20 kB."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, resource.RLIM_INFINITY))
    try:
        complete(folder)
    except OSError as error:
        os._exit(28 if "nothing was left half-written" in str(error) else 1)
    os._exit(0)


def test_a_full_disk_is_said_and_leaves_nothing_half_written(run: Run, tmp_path: Path) -> None:
    process = forked(limited, tmp_path / "run")
    process.join()
    assert process.exitcode == 28
    assert not list((tmp_path / "run").rglob("*.tmp"))
    complete(tmp_path / "run")
    assert_the_same(tmp_path / "run", run)


@pytest.mark.parametrize(
    ("prompt", "said"),
    [("la la la la la la la la la", "takes 17 tokens of it"), ("Once upon", "'O' in 'Once upon' is none of the")],
)
def test_a_prompt_that_cannot_be_is_said_before_any_work(prompt: str, said: str, tmp_path: Path, capsys: Any) -> None:
    assert main(["run", "--preset", "smoke", "--out", str(tmp_path / "run"), f"--set=prompt={prompt}"]) == 1
    assert said in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "run").glob("*") if not path.name.startswith(".")] == []


def test_who_waits_for_a_hub_is_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    def absent(source: str, **other: Any) -> None:
        raise WeightsError(f"{source} could not be had")

    monkeypatch.setattr("kdlab.lm.pipeline.run.load_truth", absent)
    assert main(["run", "--preset", "smoke", "--set", "truth=some/model", "--out", str(tmp_path / "run")]) == 1
    told = capsys.readouterr()
    assert told.out == "p*: some/model, from a model hub …\n" and "some/model could not be had" in told.err
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_the_command_killed_and_given_again_ends_in_the_same_bytes(run: Run, tmp_path: Path) -> None:
    folder, said = tmp_path / "killed", tmp_path / "said"
    # As where nothing was fetched: else 05 would read with the real p*, which takes its time.
    nothing = {"KDLAB_CACHE": str(tmp_path / "cache")}
    whole = sorted(made(run.folder), key=lambda name: (run.folder / name).stat().st_mtime_ns)
    # After some file everything ends, one with work after it. Not after some time: the work takes a second.
    last = random.Random().choice(whole[: 3 * len(whole) // 4])
    first = forked(command, folder, said, nothing)
    limit = time.monotonic() + 120
    while not (folder / last).exists() and time.monotonic() < limit and first.is_alive():
        time.sleep(0.002)
    first.kill()
    first.join()
    there = made(folder).keys()
    assert last in there and there < set(whole)
    second = forked(command, folder, said, nothing)
    second.join(250)
    told = said.read_text()
    assert second.exitcode == 0, told
    assert "seeds finished: 1 of 1" in told and "tokens/s" in told
    for name in ("05_meet_smollm2", "06_distil_smollm2", "07_read_the_trade_off"):
        for kind in ("ipynb", "html"):
            assert (folder / f"{name}.{kind}").stat().st_size > 10_000
    assert_the_same(folder, run)


@pytest.mark.slow
def test_two_processes_make_what_one_makes(run: Run, tmp_path: Path) -> None:
    """Started by torchrun, as a user does."""
    folder = tmp_path / "run"
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    chosen = [f"--set={name}={value}" for name, value in SMALL.items()]
    told = [*launch, "-m", "kdlab.cli", "run", "--no-notebooks", "--preset", "smoke", "--out", str(folder), *chosen]
    done = subprocess.run(told, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    own, whole = made(folder), made(run.folder)
    assert own.keys() == whole.keys()
    shards = [name for name in own if name.startswith("corpus/") and name.endswith("npz")]
    assert len(shards) == 3 + 1 + 2 and all(own[name] == whole[name] for name in shards)
    found, wanted = read_results(folder), read_results(run.folder)
    assert found["processes"] == 2
    for mine, other in zip(found["models"], wanted["models"], strict=True):
        for what in ("precision", "recall"):
            assert mine[what]["token"]["value"] == pytest.approx(other[what]["token"]["value"], abs=0.02)
    # The teacher's weights differ in their last digits; what it writes is, from the same weights, the same.
    again = stages.opened(folder, "smoke", SMALL)
    before = {path.name: path.read_bytes() for path in (folder / "seed-0/tempered/tau-0.6").glob("*.npz")}
    shutil.rmtree(folder / "seed-0/tempered/tau-0.6")
    stages.tempered(again, 0)
    again.lock.close()
    assert {path.name: path.read_bytes() for path in (folder / "seed-0/tempered/tau-0.6").glob("*.npz")} == before
