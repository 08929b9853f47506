"""What static pictures are made of: the roles' colours are the page's, and the same picture is the same few bytes."""

import ast
import base64
import io
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import matplotlib
import matplotlib.style
import numpy as np
import pytest
from IPython.core.pylabtools import print_figure
from PIL import Image

from kdlab.core.files import PACKAGE
from kdlab.pictures.figure import STYLE, Picture, draw_key, ellipse, our_settings, png


@pytest.mark.parametrize("role", sorted(STYLE))
def test_page_and_matplotlib_use_the_same_colours(role: str) -> None:
    css = (PACKAGE / "pictures/view.css").read_text("utf-8")
    found = re.search(rf"--kdlab-{role}: light-dark\((#[0-9A-Fa-f]{{6}}),", css)
    assert found and found[1].lower() == STYLE[role].colour.lower()


def test_the_colours_are_okabe_and_itos_and_a_png_keeps_them() -> None:
    """A palette may shift a hue by what no eye sees, not by more."""
    made = Picture(6, 1)
    draw_key(made, 0.02, 0.5)
    pixels = np.asarray(Image.open(io.BytesIO(png(made))).convert("RGB"), int).reshape(-1, 3)
    for role, colour in (("teacher", (230, 159, 0)), ("direct", (0, 114, 178)), ("distilled", (213, 94, 0))):
        assert STYLE[role].colour == "#{:02X}{:02X}{:02X}".format(*colour)
        assert np.abs(pixels - colour).max(axis=1).min() <= 6, role


def test_the_same_picture_is_the_same_bytes_and_jupyter_gets_it_with_its_words() -> None:
    made, again = Picture(6, 1), Picture(6, 1)
    for one in (made, again):
        draw_key(one, 0.02, 0.5)
        one.words = "Four roles."
    data, metadata = made._repr_mimebundle_()
    assert base64.b64decode(data["image/png"]) == png(again) and len(png(made)) < 10_000
    assert data["text/plain"] == metadata["image/png"]["alt"] == "Four roles."


def test_an_ellipse_is_where_the_density_has_fallen_by_its_sigmas() -> None:
    mean, cov = np.array([1.0, -2.0]), np.array([[2.0, 0.6], [0.6, 0.5]])
    edge = ellipse(mean, cov, 2.0, STYLE["teacher"], 1.0)
    points = edge.get_transform().transform(edge.get_path().vertices) - mean
    # The outline is made of Bezier curves, right to a few parts in ten thousand.
    assert np.sqrt(np.einsum("ni,ij,nj->n", points, np.linalg.inv(cov), points))[::3] == pytest.approx(2.0, rel=1e-3)


# What readers set in matplotlib

SET: dict[str, Any] = {
    "savefig.dpi": 300, "savefig.bbox": "tight", "savefig.pad_inches": 1.0, "savefig.format": "pdf",
    "savefig.facecolor": "red", "savefig.transparent": True, "figure.dpi": 200, "figure.constrained_layout.use": True,
    "text.usetex": True, "font.family": "serif", "font.size": 20, "axes.unicode_minus": False, "axes.grid": True,
    "axes.formatter.limits": (0, 0), "axes.prop_cycle": matplotlib.cycler(color=["red"]), "lines.linewidth": 9,
    "lines.dashed_pattern": [1, 9], "path.sketch": (1, 100, 2), "image.cmap": "gray", "text.hinting": "none",
    "legend.fontsize": 30, "xtick.minor.visible": True,
}  # fmt: skip


@our_settings()
def busy() -> Picture:
    """A picture in which all that a setting may change is seen."""
    made = Picture(4, 3, "words")
    axes = made.add_axes((0.2, 0.2, 0.7, 0.7))
    axes.imshow(np.eye(2), extent=(-1e4, 0, 0, 1), aspect="auto")
    axes.plot([-2e4, 2e4], [-1, 1], "--", label="a line")
    axes.bar([1e4], [0.5], width=3e3)
    axes.legend(title="of $x^2$")
    axes.set_title("no picture of theirs")
    return made


@pytest.mark.parametrize("theirs", [SET, {"figure.autolayout": True}], ids=["many", "autolayout"])
def test_what_a_reader_has_set_changes_no_picture(theirs: dict[str, Any]) -> None:
    """Made before or after, drawn by us, saved by them, or drawn by Jupyter as the JPEG that they asked it for."""
    wanted, early = png(busy()), busy()

    def saved(made: Picture) -> list[bytes | str]:
        made.savefig(file := io.BytesIO(), format="png")
        made.canvas.draw()
        return [file.getvalue(), bytes(made.canvas.buffer_rgba()), print_figure(made, "jpeg", base64=True)]

    files = saved(busy())
    with matplotlib.rc_context():
        matplotlib.style.use("dark_background")
        matplotlib.rcParams.update(theirs)
        assert png(busy()) == png(early) == wanted
        assert saved(busy()) == files
        assert matplotlib.rcParams["figure.facecolor"] == "black"  # theirs are in force again


def test_a_file_of_settings_changes_no_picture(tmp_path: Path) -> None:
    (tmp_path / "matplotlibrc").write_text("savefig.dpi: 300\naxes.facecolor: black\nfont.family: serif\n")
    code = f"import runpy; its = runpy.run_path({__file__!r}); print(its['png'](its['busy']()).hex())"
    other = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert bytes.fromhex(other.stdout) == png(busy())


def test_every_function_that_makes_a_picture_is_marked() -> None:
    """Else a reader's settings are in what it makes."""
    found = {}
    for file in PACKAGE.glob("*/plots*.py"):
        for node in ast.parse(file.read_text("utf-8")).body:
            if isinstance(node, ast.FunctionDef) and node.name[0] != "_" and node.returns:
                if ast.unparse(node.returns) == "Picture":
                    found[f"{file.parent.name}.{file.stem}.{node.name}"] = [
                        ast.unparse(one) for one in node.decorator_list
                    ]
    assert len(found) >= 23 and {name for name, marks in found.items() if "our_settings()" not in marks} == set()
