"""Reads the run sheets of notebooks/INSTRUCTOR.md: their rows, and which parts of which notebooks a row shows."""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import pytest
from support import repository
from support.repository import NOTEBOOKS

SHEETS = {"60 minutes": 60, "120 minutes": 120, "30 minutes": 30}
LINKED = re.compile(r"\[\d\d\]\((\d\d_\w+\.ipynb)\)")
INLINE = re.compile(r"\[([^\]]*)\]\(([^)]*)\)")
BY_NAME = re.compile(r"\[([^\]]*)\]\[(\w+)\]")
QUOTED = re.compile(r"“([^”]*)”")
VALUE = r"\d+(?:,\d{3})*(?:\.\d+)?"
_THEN = f"(?:, then to ({VALUE}))?"
BOLD = re.compile(rf"\*\*([^*]+)\*\*(?: (?:slowly )?(?:from \d+ )?(?:to|at) ({VALUE}|\*[^*]+\*){_THEN}{_THEN})?")


@dataclass(frozen=True)
class Row:
    """A row of a sheet: from and to in minutes, and its cells as they are written. In a break only ``show`` is."""

    start: int
    end: int
    show: str
    ask: str
    expect: str
    say: str

    @property
    def parts(self) -> list[tuple[str, str]]:
        """What it shows: (notebook, heading) pairs, a heading belonging to the notebook last named."""
        found, notebook = [], ""
        for one in re.finditer(f"{LINKED.pattern}|{QUOTED.pattern}", self.show):
            notebook = one[1] or notebook
            if one[2]:
                found.append((notebook, one[2]))
        return found

    @property
    def notebooks(self) -> list[str]:
        return LINKED.findall(self.show)


def text() -> str:
    return str(repository.text("notebooks/INSTRUCTOR.md"))


def section(heading: str) -> str:
    """What stands below a heading of the page."""
    return text().split(f"\n## {heading}\n")[1].split("\n## ")[0]


def rows(sheet: str) -> list[Row]:
    """The rows of a sheet, in order."""
    lines = [line for line in section(sheet).splitlines() if line.startswith("|")][2:]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [Row(*map(int, first.split("–")), *rest) for first, *rest in cells]  # type: ignore[arg-type]


@lru_cache(maxsize=16)
def cells(name: str) -> list[Any]:
    """The cells of a notebook as it is committed."""
    return list(repository.cells(NOTEBOOKS / name))


ROWS = [(sheet, row) for sheet in SHEETS for row in rows(sheet)]
every_row = pytest.mark.parametrize(
    ("sheet", "row"), ROWS, ids=[f"{name[:3].strip()}: {row.start}" for name, row in ROWS]
)
