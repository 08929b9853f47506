"""What a run would take: counted by hand, measured on this machine, and agreed to before the longest preset."""

import re
from pathlib import Path
from typing import Any

import pytest
from support.small_run import SMALL

from kdlab.cli import main
from kdlab.lm.experiment import RunConfig
from kdlab.lm.pipeline.estimate import Speed, estimate, measured, work
from kdlab.lm.sizes import flops_per_token, size_named


def test_the_work_of_a_run_is_counted() -> None:
    config = RunConfig.of("smoke", SMALL | {"seeds": 2, "vocabulary": 64})
    counted, tiny = work(config), flops_per_token(size_named("tiny"), 64, 16)
    texts = (
        96 + 32 + 64 + 2 * (3 * 64 + 5 * 64)
    )  # p*'s; per seed three corpora of the teacher's and five models' samples
    assert counted.tokens["sampling"] == 16 * texts
    assert counted.tokens["training"] == 16 * 2 * (2 * 96 + 4 * 2 * 64)
    assert counted.tokens["scoring"] == 16 * (64 + 2 * 5 * 64 + 2 * 5 * 64)
    assert counted.operations["sampling"] == pytest.approx(counted.tokens["sampling"] * tiny)
    assert counted.operations["training"] == pytest.approx(3 * counted.tokens["training"] * tiny)


def test_an_estimate_is_said_and_agreed_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    said = estimate(RunConfig.of("paper"), Speed("135M", 1e13, 1e14))
    assert "5 seeds" in said and "hours" in said and "GB of disk" in said
    counted = work(RunConfig.of("paper"))
    speeds = {"sampling": 1e13, "training": 1e14, "scoring": 1e14}
    hours = [counted.operations[kind] / speed / 3600 for kind, speed in speeds.items()]
    assert f"operations / 1e+13 per second = about {hours[0]:,.0f} " in said
    assert f"together about {sum(hours):,.0f} " in said and f"at best {sum(hours) / 8:,.0f} " in said
    few = work(RunConfig.of("gpu", {"seeds": 1})).operations
    told = estimate(RunConfig.of("gpu", {"seeds": 1}), Speed("135M", few["sampling"] / 600, 1e20))
    assert re.search(r"sampling: .* = about 10 [CG]PU minutes\n", told) and re.search("about 0 [CG]PU seconds\n", told)
    assert re.search(r"together about 10 [CG]PU minutes .* at best 75 [CG]PU seconds on each of eight", told)
    monkeypatch.setattr("kdlab.lm.pipeline.estimate.measured", lambda: Speed("135M", 1e13, 1e14))
    monkeypatch.setattr("kdlab.lm.headless._look_ahead", lambda config: None)
    assert main(["run", "--preset", "paper", "--out", str(tmp_path / "run")]) == 1
    told = capsys.readouterr()
    assert "operations" in told.out and "add --yes" in told.err
    assert not (tmp_path / "run" / "corpus").exists()


def test_this_machine_can_be_measured() -> None:
    speed = measured("tiny", seconds=0.1)
    assert speed.rung == "tiny" and speed.sampling > 0 and speed.training > 0
