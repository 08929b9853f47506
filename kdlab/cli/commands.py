"""The command line: ``kdlab doctor`` says what works here, ``kdlab fetch`` gets the weights of a real language model.

``kdlab run`` distils language models without a reader, and ``kdlab results`` shows what came of it, at any moment.
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
    command.add_argument("--preset", required=True, help="smoke, cpu, gpu, instruct, gpu-instruct or paper")
    command.add_argument("--out", required=True, type=Path, help="the run's folder, such as runs/smoke")
    command.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", dest="settings", help="any setting"
    )
    command.add_argument("--yes", action="store_true", help="start a long run without being asked")
    command.add_argument("--no-notebooks", action="store_true", help="leave out the notebooks")
    command.set_defaults(answer=_run)
    command = commands.add_parser("results", help="the table and the figure of a run, finished or not")
    command.add_argument("folder", type=Path, help="the run's folder")
    command.add_argument("--per", choices=["token", "sequence"], default="token", help="nats per what (default: token)")
    command.set_defaults(answer=_results)


def _run(arguments: argparse.Namespace) -> int:
    from kdlab.core.files import Busy
    from kdlab.lm import headless
    from kdlab.lm.pipeline.fetch import WeightsError

    plain, yes = arguments.no_notebooks, arguments.yes
    try:
        settings = headless.settings_from(arguments.settings)
        headless.run(arguments.preset, arguments.out, settings, yes=yes, plain=plain)
    except ImportError as error:
        remedy = "run `make lm`, or: pip install 'kdlab[lm]' (`kdlab doctor` says what is missing)"
        print(f"kdlab run: language models need more than is here ({error}): {remedy}", file=sys.stderr)
        return 1
    except (ValueError, OSError, Busy, headless.Failed, WeightsError) as error:
        print(f"kdlab run: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        logging.getLogger("asyncio").setLevel(logging.CRITICAL)  # a kernel that the same kill has ended is no news
        print("\nkdlab run: stopped; the same command goes on from what is done.", file=sys.stderr)
        return 130
    return 0


def _results(arguments: argparse.Namespace) -> int:
    from kdlab.lm.folder import read_results
    from kdlab.lm.plots import save
    from kdlab.lm.report.summary import table

    try:
        results = read_results(arguments.folder)
        print(table(results, arguments.per))
        if results["models"]:
            print("figure: " + ", ".join(str(path) for path in save(results, arguments.folder)))
    except (ValueError, OSError) as error:
        print(f"kdlab results: {error}", file=sys.stderr)
        return 1
    return 0
