"""The notebooks that the static site is made of, and the programs in notebooks/ that make it."""

import re
import sys
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = ROOT / "notebooks"
sys.path.insert(0, str(NOTEBOOKS))

import build  # noqa: E402
import publish  # noqa: E402
from publishing import animation, formulas, pages, views  # noqa: E402

__all__ = [
    "FORMULA", "FORMULAS", "LIVE", "NOTEBOOKS", "ROOT", "animation", "build", "formulas", "pages", "prose", "publish",
    "views",
]  # fmt: skip

# The live views of each notebook, in order: what draws them.
LIVE = {
    "00_start_here": ["MixtureView"],
    "01_precision_and_recall": ["SingleView"],
    "02_teacher_entropy": ["MixtureView", "MixtureView"],
    "03_why_it_happens": ["MixtureView", "MechanismView"],
    "04_from_mixtures_to_text": ["NGramView"],
    "05_meet_smollm2": ["NextTokenView", "NextTokenView"],
    "06_distil_smollm2": [],
    "07_read_the_trade_off": ["QuizView"],
}
FORMULA = re.compile(r"\$\$(.+?)\$\$|\$(.+?)\$", re.DOTALL)


def prose(name: str) -> str:
    """All Markdown of a notebook."""
    cells = nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4).cells
    return "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")


FORMULAS = sorted({one or other for name in LIVE for one, other in FORMULA.findall(prose(name))})
