"""kdlab doctor: says what works, what to do otherwise, and answers the shell with 0 or 1."""

import re
import subprocess
import sys

import pytest

from kdlab.cli import commands as cli
from kdlab.lm.experiment import read_results, recorded_folder
from kdlab.lm.pipeline import fetch as smollm2


def test_all_is_well_where_the_tests_run(capsys):
    assert cli.main(["doctor"]) == 0
    answer = capsys.readouterr().out
    assert "missing" not in answer
    assert answer.rstrip().endswith("Everything that notebooks 00 to 04 need is here.")
    assert all(re.match("ok |optional | +-> |Everything", line) for line in answer.splitlines())


def test_the_command_in_a_shell():
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "kdlab.cli", "doctor", "--brief"], capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == cli.doctor(brief=True) + "\n"


def test_the_brief_answer_is_the_same_on_every_machine():
    answer = cli.doctor(brief=True)
    assert not re.search(r"\d+\.\d+\.\d+|/home|/usr|optional", answer)
    assert sys.prefix not in answer
    assert sys.executable not in answer


def test_the_brief_answer_does_not_look_for_torch():
    code = "import sys; from kdlab.cli.commands import doctor; doctor(brief=True); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("OLDEST_PYTHON", (99, 0), "install Python 99.0 or newer"),
        ("NUMBERS", ("numpy", "no-such-package"), "no no-such-package"),
        ("LAB_EXTENSIONS", ("no-such-extension",), "in one environment"),
        ("FRONT_END", ("no-such-file.js",), "no no-such-file.js"),
    ],
)
def test_what_is_missing_is_named_with_what_to_do(monkeypatch, capsys, name, value, says):
    monkeypatch.setattr(cli, name, value)
    assert cli.main(["doctor"]) == 1
    answer = capsys.readouterr().out
    missing = answer[answer.index("\nmissing") if "\nmissing" in answer else 0 :]
    assert says in missing
    assert "-> " in missing
    assert "Missing for notebooks 00 to 04: 1." in missing


def test_a_sweep_that_is_missing(monkeypatch):
    from kdlab.mixtures import experiment as experiments

    def teacher_entropy(scene):
        if scene == "ring":
            raise FileNotFoundError("sweeps-ring.npz is missing")

    monkeypatch.setattr(experiments, "teacher_entropy", teacher_entropy)
    answer = cli.doctor()
    assert re.search(r"missing +the prepared sweeps .*sweeps-ring.npz is missing\n +-> run `make setup`", answer)


def test_what_is_optional_is_no_fault(monkeypatch, capsys):
    monkeypatch.setattr(cli.shutil, "which", lambda name: None)
    assert cli.main(["doctor"]) == 0
    assert re.search(r"optional +a browser on this machine.*\n +-> open the address", capsys.readouterr().out)


def test_what_the_language_model_notebooks_need_is_optional(monkeypatch, capsys):
    monkeypatch.setattr(cli, "LANGUAGE_MODELS", ("numpy", "no-such-package"))
    assert cli.main(["doctor"]) == 0
    answer = capsys.readouterr().out
    assert re.search(r"optional PyTorch and transformers .*: no no-such-package\n +-> run `make lm`, or: pip", answer)
    assert "to come" not in answer


def test_sizes_of_the_weights_are_the_same_wherever_they_are_said(capsys):
    provenance = read_results(recorded_folder() / "cpu")["truth"]["provenance"]
    kept = provenance["gguf"]["bytes"] + sum(one["bytes"] for one in provenance["files"].values())
    fetched, disk = f"{smollm2.WHEEL_BYTES / 1e6:.0f} MB", f"{round(kept / 1e7) * 10} MB"
    root = recorded_folder().parent.parent
    assert (fetched, disk) == ("93 MB", "640 MB")
    section = (root / "README.md").read_text().split("## With real language models")[1].split("\n## ")[0]
    assert re.findall(r"\d+ MB", section) == [fetched]
    recording = (root / "notebooks" / "05_meet_smollm2.ipynb").read_text()
    assert re.findall(r"\d+ MB", recording) == [fetched, disk]
    with pytest.raises(SystemExit, match="0"):
        cli.main(["fetch", "--help"])
    assert re.findall(r"\d+\s+MB", " ".join(capsys.readouterr().out.split())) == [fetched, disk]


def test_a_command_that_does_not_exist(capsys):
    with pytest.raises(SystemExit, match="2"):
        cli.main(["cure"])
    assert "doctor" in capsys.readouterr().err
