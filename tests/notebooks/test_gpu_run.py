"""What `make gpu` does, as far as a machine without a GPU can try it."""

import json
import re
import sys
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import lm as bench
import pytest
import record
from support.fake_results import fake_results
from support.repository import ROOT, text
from support.small_run import complete
from support.torch_side import torch

from kdlab import lm

MAKEFILE = text("Makefile")
LONG, SHORT = (MAKEFILE.split(f"\n{name}: lm")[1].split("\n\n")[0] for name in ("gpu", "gpu-short"))


def test_a_finished_run_is_recorded_under_its_preset(tmp_path: Path) -> None:
    source = lm.recorded_folder() / "smoke"
    assert record.main(["run", str(source)], tmp_path) == 0
    assert (tmp_path / "smoke" / "results.json").read_bytes() == (source / "results.json").read_bytes()
    told = lm.open_run(str(tmp_path / "smoke"))
    assert record.main(["run", str(source), "--name", "mine"], tmp_path) == 0
    assert (tmp_path / "mine" / "results.json").is_file()
    assert {"versions", "device", "date", "config", "curves", "texts"} <= told.keys()


@pytest.mark.parametrize("change", [{"missing": ["seed 1: tau-1"]}, {"seeds": [0]}])
def test_a_run_that_is_not_finished_is_not_recorded(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], change: dict[str, Any]
) -> None:
    results = fake_results(seeds=2, over_seeds=0.1) | change
    results["config"] = {**results["config"], "seeds": 2}
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "results.json").write_text(json.dumps(results), encoding="utf-8")
    assert record.main(["run", str(tmp_path / "run")], tmp_path / "recorded") == 1
    assert "is not finished" in capsys.readouterr().err and not (tmp_path / "recorded").exists()
    assert record.main(["run", str(tmp_path / "nowhere")], tmp_path) == 1
    assert "there is no run there" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("recipe", "in_order"),
    [(LONG, ["fetch", "run", "notebooks/record.py", "benchmarks/lm.py"]),
     (SHORT, ["fetch", "benchmarks/lm.py", "run", "notebooks/record.py"])],
)  # fmt: skip
def test_the_recipes_are_of_commands_that_there_are(recipe: str, in_order: list[str]) -> None:
    found = re.findall(r"\$\(BIN\)/(?:python|kdlab) (\S+)", recipe)
    assert found == in_order and recipe.splitlines()[1].strip() == "$(HAS_GPU)"
    assert all((ROOT / one).is_file() for one in found if one.endswith(".py"))


def test_one_training_after_the_other_is_recorded_at_its_end(tmp_path: Path) -> None:
    """As `make gpu-short` does: the same command with one training more goes on, and adds to what is recorded."""
    run, kept = tmp_path / "run", []
    for seeds in (1, 2):
        complete(run, seeds=seeds)
        assert record.main(["run", str(run)], tmp_path) == 0
        kept.append(json.loads((tmp_path / "smoke" / "results.json").read_text(encoding="utf-8")))
    assert [one["seeds"] for one in kept] == [[0], [0, 1]] and kept[1]["config"]["seeds"] == 2
    first, both = (one["models"][0]["recall"]["token"]["by_seed"] for one in kept)
    assert both[:1] == first and len(both) == 2


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_it_says_so_before_any_work() -> None:
    (code,) = re.findall(r'^HAS_GPU := .* -c "(.*)"$', MAKEFILE, flags=re.M)
    with pytest.raises(SystemExit, match="no GPU here"):
        exec(code)


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_the_benchmark_measures_what_it_says(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Tiny shapes: rates and ratios mean nothing here, but what must be the same numbers is."""
    monkeypatch.setattr(bench, "REPEAT", 1)
    monkeypatch.setattr(sys, "argv", ["lm.py", "--tiny"])
    assert bench.main() == 0
    told = capsys.readouterr().out
    for line in ("| sampling tiny |", "| training tiny |", "| scoring tiny |", "utilisation: ", "on each of eight"):
        assert line in told
    assert told.count("- reached: ") == 3 and "MISSED" not in told
    assert told.count("Self CPU time total") == 3


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_the_benchmark_is_not_of_a_cpu(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["lm.py"])
    with pytest.raises(SystemExit, match="2"):
        bench.main()
    assert "no GPU here" in capsys.readouterr().err


def test_what_does_not_fit_is_told_and_the_rest_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    full = Mock(side_effect=torch.OutOfMemoryError("tried to allocate"))
    monkeypatch.setattr(bench, "sampling", full)
    monkeypatch.setattr(bench, "training", lambda *_: {"kdlab": 2.0, "plain": 1.0, "ratio": 2.0, "floor": 9.0})
    monkeypatch.setattr(bench, "scoring", full)
    same = {"p-value": 0.5, "nats per token between scores": 0.0, "share of a shard's sequences that come again": 1.0}
    monkeypatch.setattr(bench, "same_numbers", lambda *_: same)
    kept: list[set[str]] = []
    machine = bench.Bench("tiny")
    found = bench.measured(machine, lambda known: kept.append(set(known)))
    assert kept[0] == {"machine", "sampling tiny"} and len(kept) == 4 and kept[-1] == set(found)
    told = bench.report(found)
    assert "- MISSED: sampling tiny: out of memory" in told and "- MISSED: scoring tiny: out of memory" in told
    assert "| training tiny | 2 | 1 | 2.0 | 9 |" in told and told.count("- reached: ") == 3
    assert "ran out of memory" in bench.paper(machine, found)


def test_a_run_on_a_gpu_says_which_and_in_which_formats(monkeypatch: pytest.MonkeyPatch) -> None:
    from kdlab.lm.pipeline import distributed, results

    assert results.device_told().startswith("CPU (")
    monkeypatch.setattr(distributed, "device", lambda: torch.device("cuda", 0))
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: f"the GPU {device.index}")
    assert results.device_told() == "the GPU 0 (texts in float16, training in bfloat16, scores in TensorFloat-32)"
