"""A run's folder: the settings that it belongs to, how far the work is, and what has been found so far.

``run.json`` holds the settings, ``progress.jsonl`` a line for each piece of work done, ``results.json`` the results.
Nothing here needs PyTorch, so that a run can be read on any machine.
"""

from __future__ import annotations

import json
import os
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from importlib import metadata
from pathlib import Path
from typing import Any

from kdlab.core.files import PACKAGE, add_line, read_lines, write_json
from kdlab.lm.experiment import RunConfig, whole_path

__all__ = [
    "SCHEMA", "Line", "Log", "Stage", "begin", "config_for", "in_place", "read_log", "read_results", "recorded_folder",
    "refuse_others", "sentence", "settings_told", "totals", "versions",
]  # fmt: skip

SCHEMA = 1  # of results.json and run.json
FILE = "progress.jsonl"
RUN = "run"  # what a folder holds that says nothing else
# What may change when work goes on, by what a folder holds: it changes nothing that is there already.
FREE = {RUN: ("seeds", "threads"), "measure": ("models", "also", "scores")}
_BEFORE: dict[str, Any] = {  # before there were these settings
    "keep": "last", "truncations": [], "prompts": "", "objectives": [], "on": "truth", "loss_tau": 1.0, "stored": "",
}  # fmt: skip
PACKAGES = ("kdlab", "numpy", "torch", "transformers")
REMEDY = "run `kdlab run --preset smoke --out runs/smoke` for a small one"


def recorded_folder() -> Path:
    """Where recorded runs lie: in the package."""
    return PACKAGE / "data" / "recorded"


# Settings


def config_for(folder: Path, preset: str, settings: Mapping[str, Any] | None = None) -> RunConfig:
    """Return what a run in ``folder`` is asked to be. Raises ValueError as `RunConfig.of` does.

    A run from before there were ``keep``, ``truncations`` and ``prompts`` goes on as it began, with each model's last
    weights and with none, unless ``settings`` say otherwise.
    """
    told = settings_told(folder)
    missing = {} if told is None else {name: _BEFORE[name] for name in _BEFORE.keys() - told["config"].keys()}
    return RunConfig.of(preset, {**missing, **(settings or {})})


def refuse_others(folder: Path, config: Any, kind: str = RUN) -> None:
    """Raise ValueError where ``folder`` holds work of other settings (a dataclass), naming them, or something else.

    What is in `FREE` may change.
    """
    told, now = settings_told(folder), _plain(config)
    if told is not None:
        there = told.get("kind", RUN)
        if there != kind:
            raise ValueError(f"{folder} holds a {there}, and this would be a {kind}: choose another folder")
        before = {**(_BEFORE if kind == RUN else {}), **told["config"]}
        before["truth"] = whole_path(str(before.get("truth", "")))  # once kept as it was typed
        names = sorted(name for name in before.keys() | now.keys() if before.get(name) != now.get(name))
        other = [f"{name} was {before.get(name)!r}, now {now.get(name)!r}" for name in names if name not in FREE[kind]]
        if other:
            said = f"{folder} holds a {kind} with other settings: {'; '.join(other)}"
            raise ValueError(f"{said}. Choose another folder, or delete that one.")
    elif folder.exists() and (not folder.is_dir() or any(not file.name.startswith(".") for file in folder.iterdir())):
        raise ValueError(f"{folder} is there, and is no run's folder: choose another")


def begin(folder: Path, config: Any, kind: str = RUN) -> None:
    """Make the folder of a run, or go on in it. Raises ValueError as `refuse_others` does."""
    refuse_others(folder, config, kind)
    before, now = settings_told(folder), _plain(config)
    told = {"schema": SCHEMA, **({} if kind == RUN else {"kind": kind}), "config": now, "versions": [versions()]}
    if before is not None:
        told["config"] = {name: now[name] for name in before["config"]}  # without those of _BEFORE, where it was
        told["versions"] = [*(entry for entry in before.get("versions", []) if entry != versions()), versions()]
        if told == before:
            return
    write_json(folder / "run.json", told, indent=2)


def settings_told(folder: Path) -> dict[str, Any] | None:
    """What a folder's run.json says; None where there is none. Raises ValueError where it is damaged."""
    path = folder / "run.json"
    return _read_json(path, config=dict) if path.is_file() else None


def _plain(config: Any) -> dict[str, Any]:
    """The settings as JSON has them."""
    return dict(json.loads(json.dumps(asdict(config))))


def versions() -> dict[str, str]:
    """Versions of what a run's numbers depend on, as far as it is installed."""
    found = {}
    for package in PACKAGES:
        with suppress(metadata.PackageNotFoundError):
            found[package] = metadata.version(package)
    return found


# Results


def read_results(folder: Path | str) -> dict[str, Any]:
    """Return what a run has found so far; finished or not.

    Raises ValueError where there is no run, nothing yet, or results of another version of kdlab.
    """
    path = Path(folder) / "results.json"
    if not path.is_file():
        raise ValueError(f"{path} is not there; {_no_results(Path(folder))}")
    return _read_json(path, SCHEMA, schema=int, config=dict, truth=dict, models=list, missing=list, seeds=list)


def _no_results(folder: Path) -> str:
    """What to do where a folder has no results."""
    if (folder / "run.json").is_file():
        wait = "wait a little, or, if nothing is running there, give the run's command again"
        return f"the run there has nothing to show yet: {wait}"
    beside = recorded_folder().parent / folder
    if (beside / "results.json").is_file():
        return f"the run that came with kdlab is {os.path.relpath(beside)}"
    return f"there is no run there: {REMEDY}"


def _read_json(path: Path, version: int = 0, **parts: type) -> dict[str, Any]:
    """Return a file of ours. Raises ValueError where it is damaged, of another ``version``, or lacks a part."""
    remedy = "delete it and give the run's command again"
    if path.name == "run.json":  # without it nobody knows what the rest of the folder is
        remedy = "choose another folder, or delete that one"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} cannot be read ({error}): {remedy}") from error
    told = content if isinstance(content, dict) else {}
    if version and told.get("schema", version) != version:
        raise ValueError(
            f"{path} has schema {told['schema']!r}, and this kdlab reads {version}: use the kdlab that wrote it"
        )
    wrong = [name for name, kind in parts.items() if not isinstance(told.get(name), kind)]
    if wrong:
        raise ValueError(f"{path} is JSON, and not what a run leaves there (no {', '.join(wrong)}): {remedy}")
    return told


# Progress


@dataclass(frozen=True)
class Line:
    """A piece of work: ``fraction`` of the stage is done; ``tokens`` and ``seconds`` are this piece's.

    ``rate`` is in tokens per second, ``left`` in seconds; both None where nobody knows. ``rank`` is the process's
    number. ``note`` says what is out of the ordinary.
    """

    stage: str
    fraction: float
    tokens: int = 0
    seconds: float = 0.0
    rate: float | None = None
    left: float | None = None
    rank: int = 0
    note: str = ""


class Log:
    """Where progress is told: to the run's folder, and by the first process to ``show`` as well."""

    def __init__(self, folder: Path, show: Callable[[Line], None] = lambda line: None, rank: int = 0) -> None:
        self._path, self._show, self._rank = folder / FILE, show, rank

    def tell(self, line: Line) -> None:
        """Add one line."""
        add_line(self._path, asdict(line) | {"rank": self._rank})
        if self._rank == 0:
            self._show(line)

    def stage(self, name: str) -> Stage:
        """Begin a stage, or go on with it."""
        return Stage(self, name)


class Stage:
    """One stage while it runs: knows its times."""

    def __init__(self, log: Log, name: str) -> None:
        self._log, self.name = log, name
        self._begun = self._last = time.perf_counter()
        self._tokens, self._first, self._worked, self._told = 0, 0.0, False, 0.0

    def skip(self, fraction: float) -> None:
        """So much is done, and not by us."""
        self._last = time.perf_counter()
        if not self._worked:
            self._first, self._begun = fraction, self._last

    def step(self, fraction: float, tokens: int) -> None:
        """``tokens`` more are done, and now ``fraction`` of all."""
        now = time.perf_counter()
        self._tokens += tokens
        rate = self._tokens / max(now - self._begun, 1e-9)
        self._log.tell(Line(self.name, fraction, tokens, now - self._last, rate, self._left(now, fraction)))
        self._last, self._worked = now, True

    def heard(self, fraction: float, rate: float) -> None:
        """Say how far it is, at most twice a second; tokens and seconds are told at the end."""
        now = time.perf_counter()
        if now - self._told > 0.5 and fraction < 1.0:
            self._log.tell(Line(self.name, fraction, rate=rate, left=self._left(now, fraction)))
            self._told = now

    def done(self, tokens: int = 0, seconds: float = 0.0) -> None:
        """The stage is over; ``tokens`` and ``seconds`` are those that no step has told."""
        if tokens:
            self._log.tell(Line(self.name, 1.0, tokens, seconds, tokens / max(seconds, 1e-9), 0.0))
        elif not self._worked:
            self._log.tell(Line(self.name, 1.0, left=0.0, note="was there already"))

    def note(self, text: str) -> None:
        """Say what is out of the ordinary."""
        self._log.tell(Line(self.name, 0.0, note=text))

    def _left(self, now: float, fraction: float) -> float | None:
        """Seconds still to go, at the pace so far."""
        gained = fraction - self._first
        return (now - self._begun) * (1.0 - fraction) / gained if gained > 0 else None


def read_log(folder: Path) -> list[Line]:
    """Return all that was told in a run's folder."""
    names, entries = {field.name for field in fields(Line)}, read_lines(folder / FILE)
    return [Line(**one) for one in entries if isinstance(one, dict) and {"stage", "fraction"} <= one.keys() <= names]


def totals(lines: Iterable[Line]) -> list[dict[str, Any]]:
    """Tokens, seconds and tokens per second of each stage, in the order in which they began.

    Processes work side by side: their tokens add up, and the longest of their times counts.
    """
    tokens: Counter[str] = Counter()
    seconds: defaultdict[str, defaultdict[int, float]] = defaultdict(lambda: defaultdict(float))
    for line in lines:
        if line.tokens:
            tokens[line.stage] += line.tokens
            seconds[line.stage][line.rank] += line.seconds
    times = [(stage, n, max(seconds[stage].values())) for stage, n in tokens.items()]
    return [
        {"stage": stage, "tokens": n, "seconds": round(s, 2), "tokens_per_second": round(n / max(s, 1e-9))}
        for stage, n, s in times
    ]


def sentence(line: Line) -> str:
    """One line of text: what, how far, how fast, how long still."""
    if line.note:
        return f"{line.stage:<28}{line.note}"
    rate = "" if line.rate is None else f"{line.rate:>9,.0f} tokens/s"
    left = "" if line.left is None or line.fraction >= 1.0 else f"   {_duration(line.left)} left"
    return f"{line.stage:<28}{100 * line.fraction:3.0f} %{rate}{left}"


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def in_place() -> Callable[[Line], None]:
    """Return what shows a run's progress in a notebook: one line that changes, and goes when the stage is over.

    What is out of the ordinary stays.
    """
    from IPython.display import clear_output, display

    notes: list[str] = []

    def show(line: Line) -> None:
        clear_output(wait=line.fraction < 1.0)  # type: ignore[no-untyped-call]
        if line.note and line.fraction < 1.0:
            notes.append(sentence(line))
        if notes:
            print("\n".join(notes))
        if line.fraction < 1.0 and not line.note:
            display({"text/plain": sentence(line)}, raw=True)  # type: ignore[no-untyped-call]

    return show
