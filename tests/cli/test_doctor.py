"""kdlab doctor: says what works, what to do otherwise, and answers the shell with 0 or 1."""

import re
import subprocess
import sys

import pytest

from kdlab.cli import doctor, main
from kdlab.core.files import PACKAGE


def test_all_is_well_where_the_tests_run(capsys):
    assert main(["doctor"]) == 0
    answer = capsys.readouterr().out
    assert "missing" not in answer
    assert answer.rstrip().endswith("Everything that notebooks 00 to 04 need is here.")
    assert all(re.match("ok |optional | +-> |Everything", line) for line in answer.splitlines())


def test_the_brief_answer_is_the_same_on_every_machine_and_does_not_look_for_torch():
    command = [sys.executable, "-W", "error", "-X", "importtime", "-m", "kdlab.cli", "doctor", "--brief"]
    done = subprocess.run(command, capture_output=True, text=True)
    loaded = {line.split("|")[-1].strip() for line in done.stderr.splitlines() if line.startswith("import time:")}
    assert (done.returncode, len(loaded & {"kdlab.cli.doctor", "torch"})) == (0, 1)
    assert len(done.stderr.splitlines()) >= len(loaded) and "Error" not in done.stderr and "Warning:" not in done.stderr
    assert done.stdout == doctor.doctor(brief=True) + "\n"
    assert not re.search(r"\d+\.\d+\.\d+|/home|/usr|optional", done.stdout)
    assert sys.prefix not in done.stdout and sys.executable not in done.stdout


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
    monkeypatch.setattr(doctor, name, value)
    assert main(["doctor", "--brief"]) == 1
    answer = capsys.readouterr().out
    missing = answer[answer.index("missing ") :]
    assert "-> " in missing
    assert "Missing for notebooks 00 to 04: 1." in missing
    assert says in doctor.doctor()


def test_the_page_side_is_all_of_it():
    files = (file.relative_to(PACKAGE).as_posix() for kind in ("js", "css") for file in PACKAGE.rglob(f"*.{kind}"))
    assert sorted(doctor.FRONT_END) == sorted(files)


def test_a_sweep_that_is_missing(monkeypatch):
    from kdlab.mixtures import experiment

    def teacher_entropy(scene):
        if scene == "ring":
            raise FileNotFoundError("sweeps-ring.npz is missing")

    monkeypatch.setattr(experiment, "teacher_entropy", teacher_entropy)
    answer = doctor.doctor(brief=False)
    assert re.search(r"missing +the prepared sweeps .*sweeps-ring.npz is missing\n +-> run `make setup`", answer)


def test_what_is_optional_is_no_fault(monkeypatch, capsys):
    monkeypatch.setattr(doctor.shutil, "which", lambda name: None)
    monkeypatch.setattr(doctor, "LANGUAGE_MODELS", ("numpy", "no-such-package"))
    assert main(["doctor"]) == 0
    answer = capsys.readouterr().out
    assert re.search(r"optional +a browser on this machine.*\n +-> open the address", answer)
    assert re.search(r"optional PyTorch and transformers .*: no no-such-package\n +-> run `make lm`, or: pip", answer)
