"""kdlab doctor: says what works, what to do otherwise, and answers the shell with 0 or 1."""

import os
import re
import subprocess
import sys
import venv
from pathlib import Path

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


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        (
            '{"argv": ["/usr/bin/other-python", "-m"], "display_name": "x", "language": "x"}',
            "starts /usr/bin/other-python",
        ),
        ("[]", "starts nothing (TypeError: "),
        ("{", "starts nothing (JSONDecodeError: "),
    ],
)
def test_another_kernel_of_the_same_name(tmp_path, monkeypatch, capsys, spec, says):
    folder = tmp_path / "kernels" / "python3"
    folder.mkdir(parents=True)
    (folder / "kernel.json").write_text(spec)
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    assert main(["doctor"]) == 1
    answer = capsys.readouterr().out
    assert f"missing  JupyterLab and its Python kernel: the kernel python3 of {folder} {says}" in answer
    assert f"-> delete {folder}, or take the folder that holds it out of JUPYTER_PATH" in answer and "git" not in answer
    (folder / "kernel.json").write_text(f'{{"argv": ["{sys.executable}"], "display_name": "x", "language": "x"}}')
    assert doctor.kernel_fault() is None


def test_a_jupyterlab_of_another_environment(tmp_path, monkeypatch):
    """Its Python starts the kernel in which the doctor is asked; the extensions lie beside that of the doctor only."""
    venv.create(tmp_path / "other", symlinks=True)
    other = tmp_path / "other" / "bin" / "python"
    ask = "import os, subprocess, sys; os.environ['JPY_PARENT_PID'] = str(os.getpid()); subprocess.run(sys.argv[1:])"
    command = [other, "-c", ask, sys.executable, "-m", "kdlab.cli", "doctor"]
    environment = os.environ | {"JPY_SESSION_NAME": "00_start_here.ipynb", "HOME": str(tmp_path)}
    answer = subprocess.run(command, capture_output=True, text=True, env=environment).stdout
    said = f"JupyterLab of {other.parent} has no anywidget, @jupyter-widgets/jupyterlab-manager\n"
    assert said in answer and f"({other} -m pip install ipywidgets anywidget)" in answer
    for name in doctor.LAB_EXTENSIONS:
        package = tmp_path / "other" / "share" / "jupyter" / "labextensions" / name / "package.json"
        package.parent.mkdir(parents=True)
        package.write_text("{}")
    assert doctor._absent_extensions(str(other)) == []
    package.unlink()
    (other.parent / "jupyter-lab").touch(0o755)
    monkeypatch.setenv("PATH", str(other.parent))
    found = doctor._shell()
    assert found.status == "optional" and "without @jupyter-widgets/jupyterlab-manager" in found.found
    assert f"{sys.executable} -m jupyterlab" in found.remedy


def test_a_user_without_a_home(monkeypatch, capsys):
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)  # as where HOME is not set and the user is unknown
    for name in ("HOME", "KDLAB_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    assert main(["doctor"]) == 1
    answer = capsys.readouterr().out
    assert "missing  JupyterLab and its Python kernel: this user has no home folder" in answer
    assert re.search(
        r"optional SmolLM2.* no home folder to keep weights in: set KDLAB_CACHE to the path of a fo", answer
    )
    assert answer.count("missing ") == 1 and main(["fetch", "smollm2"]) == 1
    assert capsys.readouterr().err.startswith("kdlab fetch: this user has no home folder")
    monkeypatch.setenv("KDLAB_CACHE", "cache")
    assert main(["fetch", "smollm2"]) == 1
    assert (
        f"KDLAB_CACHE is 'cache': give the whole path of a folder, such as {Path.cwd()}/cache"
        in capsys.readouterr().err
    )


def test_whatever_goes_wrong_is_a_line(monkeypatch, capsys):
    def broken():
        raise OSError("libcudart.so: cannot open")

    monkeypatch.setitem(doctor.WANTED, "a GPU that PyTorch can use", broken)
    assert main(["doctor"]) == 0
    assert "optional a GPU that PyTorch can use: OSError: libcudart.so: cannot open\n" in capsys.readouterr().out
