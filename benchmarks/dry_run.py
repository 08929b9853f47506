"""The run sheets of notebooks/INSTRUCTOR.md against the clock: does every row have time for its cells and its words?

    python benchmarks/dry_run.py              all sheets; status 1 if a row gives less time than it needs
    python benchmarks/dry_run.py --saved F    with the seconds of an earlier run, which `--save F` wrote

Every notebook of the sheets is executed once from top to bottom, in a folder to throw away, and each cell is timed. A
row's *cells* are those from where its notebook stood before, down to the end of what the row shows, as if nobody had
run anything ahead; the first row of a notebook also has the kernel's start. *Words* are those of the sections shown,
read at 200 a minute; what the sheet itself asks and says is spoken at 130.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path
from typing import Any

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

import nbformat  # noqa: E402
from nbclient import NotebookClient  # noqa: E402
from support.sheets import NOTEBOOKS, SHEETS, Row, cells, rows  # noqa: E402

READ, SPOKEN = 200, 130  # words a minute
Seconds = dict[str, list[float]]  # of each cell of each notebook; the kernel's start is in the first


def timed(path: Path) -> list[float]:
    """Execute a notebook; return the seconds of each cell, with the kernel's start and end in the first."""
    notebook = nbformat.read(path, as_version=4)
    with tempfile.TemporaryDirectory() as folder:
        client = NotebookClient(notebook, timeout=240, resources={"metadata": {"path": folder}}, record_timing=True)
        start = time.monotonic()
        client.execute(env={**os.environ, "KDLAB_ANSWERS": folder})
        whole = time.monotonic() - start
    seconds = [_seconds(cell.metadata.get("execution", {})) for cell in notebook.cells]
    seconds[0] += whole - sum(seconds)
    return seconds


def _seconds(told: dict[str, str]) -> float:
    if "iopub.execute_input" not in told or "shell.execute_reply" not in told:
        return 0.0
    first, last = (datetime.fromisoformat(told[name].replace("Z", "+00:00")) for name in
                   ("iopub.execute_input", "shell.execute_reply"))  # fmt: skip
    return (last - first).total_seconds()


def sections(name: str) -> list[str]:
    """For each cell of a notebook, the heading that it stands below; the notebook's own title before the first."""
    heading, found = "", []
    for cell in cells(name):
        if cell.cell_type == "markdown":
            heading = (re.findall(r"^## (.*)$", cell.source, flags=re.M) or [heading])[-1]
        found.append(heading)
    return found


def words(name: str, headings: list[str]) -> int:
    """Words to read in sections of a notebook: prose without its formulas."""
    prose = [cell.source for cell, below in zip(cells(name), sections(name), strict=True)
             if cell.cell_type == "markdown" and below in headings]  # fmt: skip
    return len(re.sub(r"\$\$.*?\$\$|\$[^$]*\$", " ", "\n".join(prose), flags=re.S).split())


def needs(row: Row, seconds: Seconds, reached: dict[str, int], read: set[tuple[str, str]]) -> dict[str, float]:
    """Return what a row needs; ``reached`` (cells run of each notebook) and ``read`` (sections seen) move on."""
    running, seen = 0.0, 0
    for name in dict.fromkeys(name for name, _ in row.parts):
        headings = [heading for notebook, heading in row.parts if notebook == name]
        end = max(i for i, below in enumerate(sections(name)) if below in headings) + 1
        start = reached.get(name, 0)
        running += sum(seconds[name][start:end])
        reached[name] = max(start, end)
        seen += words(name, [heading for heading in headings if (name, heading) not in read])
        read.update((name, heading) for heading in headings)
    told = len(f"{row.ask} {row.say}".split())
    return {"cells": running, "words": seen, "reading": 60 * seen / READ, "speaking": 60 * told / SPOKEN}


def table(sheet: str, seconds: Seconds) -> tuple[str, int]:
    """Return a sheet's table in Markdown, and how many of its rows give less time than they need."""
    lines = ["| minutes | given, s | cells, s | words | reading, s | asking and saying, s | left for them, s |",
             "| --- | ---: | ---: | ---: | ---: | ---: | ---: |"]  # fmt: skip
    reached: dict[str, int] = {}
    read: set[tuple[str, str]] = set()
    short, total = 0, 0.0
    for row in rows(sheet):
        need = needs(row, seconds, reached, read)
        given, needed = 60 * (row.end - row.start), need["cells"] + need["reading"] + need["speaking"]
        total += needed
        short += needed > given
        lines.append(
            f"| {row.start}–{row.end} | {given} | {need['cells']:.1f} | {need['words']:.0f} | {need['reading']:.0f} | "
            f"{need['speaking']:.0f} | {given - needed:.0f}{' SHORT' if needed > given else ''} |"
        )
    lines.append(f"\n{sheet}: {60 * SHEETS[sheet]} s given, {total:.0f} s needed, {short} rows short.")
    return "\n".join(lines), short


def main() -> int:
    """Time, print, and return 1 where a row is short."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--save", type=Path, help="write the seconds of every cell to this file")
    parser.add_argument("--saved", type=Path, help="read them from this file and execute nothing")
    asked = parser.parse_args()
    seconds: Any = json.loads(asked.saved.read_text()) if asked.saved else {}
    for name in sorted({name for sheet in SHEETS for row in rows(sheet) for name in row.notebooks}):
        if name not in seconds:
            seconds[name] = timed(NOTEBOOKS / name)
        print(f"{name}: {sum(seconds[name]):.1f} s for all cells", flush=True)
    if asked.save:
        asked.save.write_text(json.dumps(seconds))
    short = 0
    for sheet in SHEETS:
        text, missing = table(sheet, seconds)
        print(f"\n{text}")
        short += missing
    return int(short > 0)


if __name__ == "__main__":
    sys.exit(main())
