"""How far a run is: lines in its folder that whoever works writes, and whoever waits reads.

``progress.jsonl`` only grows: one JSON object for each piece of work done, with its tokens and seconds. Times and
throughput in the results are sums over these lines.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

__all__ = ["Line", "Log", "Stage", "in_place", "read", "sentence", "totals"]

FILE = "progress.jsonl"


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
    """Where progress is told: to the run's folder, and to ``show`` as a sentence."""

    def __init__(self, folder: Path, show: Callable[[Line], None] = lambda line: None, rank: int = 0) -> None:
        self._path, self._show, self._rank = folder / FILE, show, rank
        _end_line(self._path)

    def tell(self, line: Line) -> None:
        """Add one line, in one write, so that several processes may."""
        handle = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            os.write(handle, (json.dumps(asdict(line) | {"rank": self._rank}) + "\n").encode())
        finally:
            os.close(handle)
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
        spent, gained = now - self._begun, fraction - self._first
        left = spent * (1.0 - fraction) / gained if gained > 0 else None
        rate = self._tokens / max(spent, 1e-9)
        self._log.tell(Line(self.name, fraction, tokens, now - self._last, rate, left))
        self._last, self._worked = now, True

    def heard(self, fraction: float, rate: float) -> None:
        """Say how far it is, at most twice a second; tokens and seconds are told at the end."""
        now = time.perf_counter()
        if now - self._told > 0.5 and fraction < 1.0:
            spent, gained = now - self._begun, fraction - self._first
            left = spent * (1.0 - fraction) / gained if gained > 0 else None
            self._log.tell(Line(self.name, fraction, rate=rate, left=left))
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


def _end_line(path: Path) -> None:
    """Where a crash cut the last line short, the next must not be joined to it."""
    if path.is_file() and path.stat().st_size and not path.read_bytes().endswith(b"\n"):
        with path.open("ab") as file:
            file.write(b"\n")


def read(folder: Path, start: int = 0) -> tuple[list[Line], int]:
    """Return the lines from byte ``start`` on, and where to go on from; what a crash cut short is passed over."""
    path = folder / FILE
    if not path.is_file():
        return [], start
    with path.open("rb") as file:
        file.seek(start)
        content = file.read()
    whole = content[: content.rfind(b"\n") + 1]
    return list(_lines(whole.decode(errors="replace").splitlines())), start + len(whole)


def _lines(texts: Iterable[str]) -> Iterator[Line]:
    names = {field.name for field in fields(Line)}
    for text in texts:
        try:
            told = json.loads(text)
        except json.JSONDecodeError:
            continue
        if isinstance(told, dict) and {"stage", "fraction"} <= told.keys() <= names:
            yield Line(**told)


def totals(lines: Iterable[Line]) -> list[dict[str, Any]]:
    """Tokens, seconds and tokens per second of each stage, in the order in which they began.

    Processes work side by side: their tokens add up, and the longest of their times counts.
    """
    tokens: dict[str, int] = {}
    seconds: dict[str, dict[int, float]] = {}
    for line in lines:
        if line.tokens:
            tokens[line.stage] = tokens.get(line.stage, 0) + line.tokens
            own = seconds.setdefault(line.stage, {})
            own[line.rank] = own.get(line.rank, 0.0) + line.seconds
    longest = {stage: max(own.values()) for stage, own in seconds.items()}
    return [
        {
            "stage": stage,
            "tokens": tokens[stage],
            "seconds": round(longest[stage], 2),
            "tokens_per_second": round(tokens[stage] / max(longest[stage], 1e-9)),
        }
        for stage in tokens
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
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


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
