"""The command line: ``kdlab doctor`` says what works here, ``kdlab fetch`` gets the weights of a real language model.

``kdlab run`` distils language models without a reader, ``kdlab measure`` says where models of the reader's own stand,
and ``kdlab results`` shows what came of it, at any moment.
Thin: it parses, calls and prints.
"""

import argparse
import itertools
import logging
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from kdlab.cli import doctor, workshop


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
    found = list(doctor.checks(brief=arguments.brief))
    print(doctor.report(found, brief=arguments.brief))
    return 1 if any(check.status == "missing" for check in found) else 0


def _workshop(people: int) -> int:
    """Print each line as soon as it is known."""
    print("What the notebooks need, then what a workshop needs. The last lines take up to a minute.", flush=True)
    missing = 0
    for check in itertools.chain(doctor.checks(), workshop.found(people)):
        print("\n".join(doctor.lines(check)), flush=True)
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
    command.add_argument("--preset", required=True, help="smoke, cpu, objectives, gpu, instruct, gpu-instruct or paper")
    command.add_argument("--out", required=True, type=Path, help="the run's folder, such as runs/smoke")
    command.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", dest="settings", help="any setting"
    )
    command.add_argument("--yes", action="store_true", help="start a long run without being asked")
    command.add_argument("--no-notebooks", action="store_true", help="leave out the notebooks")
    command.set_defaults(answer=_run)
    _add_measure(commands)
    command = commands.add_parser("results", help="the table and the figure of a run, finished or not")
    command.add_argument("folder", type=Path, help="the run's folder")
    command.add_argument("--per", choices=["token", "sequence", "byte"], help="nats per what (default: token)")
    command.set_defaults(answer=_results)


def _run(arguments: argparse.Namespace) -> int:
    from kdlab.lm import headless

    def work() -> None:
        settings = headless.settings_from(arguments.settings)
        headless.run(arguments.preset, arguments.out, settings, yes=arguments.yes, plain=arguments.no_notebooks)

    return _worked("run", work)


def _worked(command: str, work: Callable[[], None]) -> int:
    """Do what a command does with language models; say what is in the way, and what to do."""
    from kdlab.core.files import Busy
    from kdlab.lm import headless

    try:
        from kdlab.lm.pipeline.fetch import WeightsError

        work()
    except ImportError as error:
        remedy = "run `make lm`, or: pip install 'kdlab[lm]' (`kdlab doctor` says what is missing)"
        print(f"kdlab {command}: language models need more than is here ({error}): {remedy}", file=sys.stderr)
        return 1
    except (ValueError, OSError, Busy, headless.Failed, WeightsError) as error:
        print(f"kdlab {command}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        logging.getLogger("asyncio").setLevel(logging.CRITICAL)  # a kernel that the same kill has ended is no news
        print(f"\nkdlab {command}: stopped; the same command goes on from what is done.", file=sys.stderr)
        return 130
    return 0


def _add_measure(commands: Any) -> None:
    command = commands.add_parser(
        "measure", help="precision and recall of any language models under another, p*; resumable like a run"
    )
    command.add_argument(
        "--truth", required=True, metavar="MODEL", help="p*: a folder, a hub's somebody/model, bundled"
    )
    command.add_argument(
        "--model", action="append", default=[], metavar="NAME=MODEL", dest="models", help="a model; may come again"
    )
    command.add_argument("--out", required=True, type=Path, help="the measurement's folder, such as runs/mine")
    command.add_argument("--prompt", default="", help="what all texts continue (default: nothing)")
    command.add_argument("--prompts", default="", metavar="FILE", help="instructions, one on each line, or bundled")
    command.add_argument("--texts", type=int, default=512, help="texts of each (default: 512)")
    command.add_argument("--length", type=int, default=64, help="new tokens of a text, at most (default: 64)")
    command.add_argument("--tau", type=float, default=1.0, help="temperature of the models, not of p* (default: 1)")
    command.add_argument("--truncation", default="", help="top-k-50 or top-p-0.9, of what models write (default: none)")
    command.add_argument("--scores", default="", metavar="FILE", help="log-probabilities from elsewhere, JSON Lines")
    command.add_argument("--also", default="", help="practitioners' units: distinct,knn,vendi")
    command.add_argument("--dtype", default="float32", help="float32, bfloat16 or float16 (default: float32)")
    command.add_argument("--seed", type=int, default=0, help="of what is drawn (default: 0)")
    command.set_defaults(answer=_measure)


def _measure(arguments: argparse.Namespace) -> int:
    from kdlab.lm.headless import printed

    names = ("prompt", "prompts", "texts", "length", "tau", "truncation", "scores", "dtype", "seed")
    settings = {name: getattr(arguments, name) for name in names}
    settings["also"] = [one.strip() for one in arguments.also.split(",") if one.strip()]

    def work() -> None:
        from kdlab.lm.measurement import MeasureConfig, pairs_from
        from kdlab.lm.measuring.measure import everything
        from kdlab.lm.report import measured

        config = MeasureConfig.of(arguments.truth, pairs_from(arguments.models), **settings)
        results = everything(config, arguments.out, printed())
        print(measured.table(results))
        if told := measured.sentences(results):
            print(told)
        print(f"report: {arguments.out / 'report.html'}")

    return _worked("measure", work)


def _results(arguments: argparse.Namespace) -> int:
    from kdlab.lm.folder import read_results
    from kdlab.lm.plots import save
    from kdlab.lm.report.measured import table as measured_table
    from kdlab.lm.report.summary import table

    try:
        results = read_results(arguments.folder)
        measured = results.get("kind") == "measure"
        print(measured_table(results, arguments.per) if measured else table(results, arguments.per or "token"))
        if results["models"]:
            print("figure: " + ", ".join(str(path) for path in save(results, arguments.folder)))
    except (ValueError, OSError) as error:
        print(f"kdlab results: {error}", file=sys.stderr)
        return 1
    return 0
