"""What every static picture is made of: the roles' colours, a figure that Jupyter shows, and its PNG.

Every picture of every world is a `Picture` of its own; none touches pyplot, whose figures are global state and not safe
on the threads that widgets' callbacks run on. What a reader has set in matplotlib changes none: a function that makes
one is marked `@our_settings()`. The page's colours are in view.css.
"""

import base64
import io
import math
import textwrap
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from matplotlib import rc_context, rcParamsDefault
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Ellipse
from matplotlib.text import Text
from numpy.typing import NDArray
from PIL import Image

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Role:
    """How one role looks in every picture: colour, and line style and marker as the second cue."""

    label: str
    colour: str
    line: Literal["-", ":", "--", "-."]
    marker: str
    text: str = ""  # colour of small text, where the line's would be too bright on white

    @property
    def ink(self) -> str:
        """The colour of its name."""
        return self.text or self.colour


STYLE = {
    "truth": Role("p* truth", "#595959", "-", "o"),
    "teacher": Role("p′ teacher", "#E69F00", ":", "", text="#9A6A00"),
    "direct": Role("p″ direct", "#0072B2", "--", "s"),
    "distilled": Role("p″ distilled", "#D55E00", "-", "o"),
    "truncated": Role("p″ distilled, truncated", "#D55E00", "-.", "^"),
    "objective": Role("p″ distilled, by token", "#D55E00", "--", "v"),
    "bounds": Role("bound", "#999999", "-", ""),
}
INK, QUIET = "#222222", "#6E6E6E"  # text, and text that should stand back

_READERS = ("backend", "pdf.fonttype", "ps.fonttype")  # settings that change a file, and nothing that is seen
_one_at_a_time = threading.RLock()


@contextmanager
def our_settings() -> Iterator[None]:
    """Put matplotlib's own settings in force; the reader's, of a file or of a cell, come back at the end.

    They are read when a part of a figure is made, and again when it is drawn. They are global, hence the lock.
    """
    with _one_at_a_time, rc_context({name: rcParamsDefault[name] for name in rcParamsDefault if name not in _READERS}):
        yield


class _Canvas(FigureCanvasAgg):
    """Where a picture is drawn."""

    print_figure = our_settings()(FigureCanvasAgg.print_figure)


class Picture(Figure):
    """A figure that a notebook shows by itself: without pyplot, nothing else tells Jupyter how.

    ``width`` and ``height`` are in inches; ``words`` say what the picture says, for those who do not see it.
    """

    def __init__(self, width: float, height: float, words: str = "") -> None:
        super().__init__(figsize=(width, height), dpi=110, facecolor="white")
        _Canvas(self)
        self.words = words

    draw = our_settings()(Figure.draw)
    savefig = our_settings()(Figure.savefig)

    def write(self, left: float, down: float, text: str, size: float, colour: str = INK, **look: Any) -> Text:
        """Write at a place in inches from the upper left corner. "$" is a dollar."""
        wide, high = self.get_size_inches()
        look = {"fontsize": size, "color": colour, "parse_math": False, **look}
        return self.text(left / wide, 1 - down / high, text, **look)

    def panel(self, left: float, down: float, across: float, tall: float) -> Axes:
        """Add axes whose upper left corner is there, in inches, and that are so large."""
        wide, high = self.get_size_inches()
        return self.add_axes((left / wide, 1 - (down + tall) / high, across / wide, tall / high))

    def around(self, title: str, sentence: str, knob: str = "", *, top: float = 0.945, bottom: float = 0.125) -> None:
        """Write what stands around a live picture as well: title and knob above, the sentence below it."""
        look: dict[str, Any] = {"color": INK, "parse_math": False}
        self.text(0.02, top, title, fontsize=14, **look)
        self.text(0.98, top, knob, fontsize=13, ha="right", **look)
        self.text(0.02, bottom, textwrap.fill(sentence, 112), fontsize=10.5, va="top", linespacing=1.45, **look)
        self.words = self.words or sentence

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        picture = base64.b64encode(png(self)).decode()
        return {"image/png": picture, "text/plain": self.words}, {"image/png": {"alt": self.words}}


def png(figure: Picture) -> bytes:
    """Return a figure as a PNG of some 50 kB, with no name, version or date inside: same picture, same bytes.

    A palette of 256 colours is a third of the size, in notebooks that keep one such picture for every view.
    """
    buffer = io.BytesIO()
    figure.savefig(buffer, format="raw")
    drawn = Image.frombytes("RGBA", figure.canvas.get_width_height(), buffer.getvalue())
    few = drawn.convert("RGB").quantize(256, dither=Image.Dither.NONE)
    small = io.BytesIO()
    few.save(small, format="png", optimize=True)
    return small.getvalue()


def draw_key(made: Figure, x: float, y: float) -> None:
    """One line of names in their roles' colours, each behind a sample of its line."""
    inches = float(made.get_size_inches()[0])
    aspect = inches / float(made.get_size_inches()[1])
    for name in ("truth", "teacher", "direct", "distilled"):
        role = STYLE[name]
        across, up = [x, x + 0.26 / inches], [y + 0.006 * aspect] * 2
        made.add_artist(Line2D(across, up, color=role.colour, linestyle=role.line, linewidth=2.2))
        made.text(x + 0.33 / inches, y, role.label, fontsize=9, color=role.ink)
        x += (0.33 + 0.072 * len(role.label) + 0.16) / inches


def ellipse(mean: Floats, cov: Floats, sigmas: float, role: Role, width: float, **style: Any) -> Ellipse:
    """Return a Gaussian's ellipse at so many standard deviations: ``mean`` (2,), ``cov`` (2, 2)."""
    values, vectors = np.linalg.eigh(cov)
    angle = math.degrees(math.atan2(vectors[1, 1], vectors[0, 1]))  # of the longer axis
    long, short = 2 * sigmas * np.sqrt(values[::-1])
    return Ellipse(
        (mean[0], mean[1]), long, short, angle=angle, fill=False, edgecolor=role.colour, linewidth=width, **style
    )
