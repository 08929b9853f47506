"""The repository as files: what is committed, what a page says, and the cells of the notebooks."""

import re
import subprocess
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = ROOT / "notebooks"
BOOKS = sorted(NOTEBOOKS.glob("*.ipynb"))
NEIGHBOURS = sorted(NOTEBOOKS.glob("neighbours/*.ipynb"))
every_book = pytest.mark.parametrize("path", BOOKS, ids=lambda path: path.stem)
every_notebook = pytest.mark.parametrize("path", [*BOOKS, *NEIGHBOURS], ids=lambda path: path.stem)


def text(name):
    return (ROOT / name).read_text(encoding="utf-8")


def cells(path, kind=None):
    """The cells of a notebook, or those of one kind, "code" or "markdown"."""
    return [cell for cell in nbformat.read(path, as_version=4).cells if kind in (None, cell.cell_type)]


def questions_asked(path):
    """The ids of `predict` in a notebook, each with the heading that it stands below."""
    heading, asked = "", []
    for cell in cells(path):
        if cell.cell_type == "markdown":
            heading = (re.findall(r"^## (.*)$", cell.source, flags=re.M) or [heading])[-1]
        else:
            asked += [(name, heading) for name in re.findall(r'\bpredict\("([^"]*)"', cell.source)]
            assert "predict={" not in cell.source
    return asked


def prose(path):
    """All Markdown of a notebook."""
    return "\n\n".join(cell.source for cell in cells(path, "markdown"))


def tracked_files():
    done = subprocess.run(["git", "ls-files", "-z"], capture_output=True, text=True, cwd=ROOT)
    if done.returncode:
        pytest.skip(f"not a git checkout: {done.stderr.strip()}")
    return [ROOT / name for name in done.stdout.split("\0") if name and (ROOT / name).is_file()]
