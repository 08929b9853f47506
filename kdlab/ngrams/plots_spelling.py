"""The picture of a name being written letter by letter (notebook 04): bars of the next letter under three chains."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from kdlab.ngrams.model import NGramChain
from kdlab.ngrams.spelling import chance, odds, steps, two_digits
from kdlab.pictures.figure import INK, QUIET, STYLE, Picture, our_settings

_MARKS = {"truth": "p*", "teacher": "p′", "distilled": "p″"}
_FAINT = "#EEEEEE"
_LEAST = 0.005  # next letters rarer than this would only blur the line they stand on


@our_settings()
def spelling(chains: Mapping[str, NGramChain], name: str, words: str) -> Picture:
    """Draw a row for each step of a name, under the chains of "truth", "teacher" and "distilled"."""
    height = 2.0 + len(name)
    made = Picture(9.2, height, words)
    top = max(chain.next_letters(prefix).max() for chain in chains.values() for prefix, _ in steps(name))
    _key(made, name, 1 - 0.29 / height)
    for row, (prefix, coming) in enumerate(steps(name)):
        axes = made.add_axes((0.16, 1 - (1.35 + row) / height, 0.7, 0.78 / height))
        _bars(axes, chains, prefix, coming, 1.08 * float(top))
        _beside(axes, chains, prefix, coming)
    look: dict[str, Any] = {"y": 0.12 / height, "fontsize": 10.5}
    made.text(0.02, s=f"Multiplied down, “{name}” has probability", color=INK, **look)
    for n, (role, chain) in enumerate(chains.items()):
        whole = f"{_MARKS[role]}  {two_digits(chance(chain, name))}"
        made.text(0.42 + 0.14 * n, s=whole, color=STYLE[role].ink, **look)
    return made


def _key(made: Picture, name: str, y: float) -> None:
    made.text(0.02, y, f"Writing “{name}”", fontsize=14, color=INK, va="center_baseline")
    for n, (role, sign, label) in enumerate(
        [("truth", "■", "p* truth"), ("teacher", "⬚", "p′ teacher"), ("distilled", "●", "p″ student")]
    ):
        made.text(0.3 + 0.13 * n, y, sign, fontsize=11, color=STYLE[role].ink, va="center")
        made.text(0.322 + 0.13 * n, y, label, fontsize=9, color=STYLE[role].ink, va="center")
    made.text(0.69, y, f"(below {two_digits(_LEAST)} nothing is drawn)", fontsize=8, color=QUIET, va="center")
    made.text(0.98, y, "next letter", fontsize=9, color=QUIET, ha="right", va="center")


def _bars(axes: Axes, chains: Mapping[str, NGramChain], prefix: str, coming: str, top: float) -> None:
    """Bars of one step: p* filled, the teacher a dotted outline, the student a dot; what comes next on a band."""
    names = [*chains["truth"].alphabet, "end"]
    here = names.index(coming)
    axes.axvspan(here - 0.5, here + 0.5, color=_FAINT, linewidth=0, zorder=0)
    looks: dict[str, dict[str, Any]] = {
        "truth": {"color": STYLE["truth"].colour, "alpha": 0.45, "linewidth": 0},
        "teacher": {"fill": False, "edgecolor": STYLE["teacher"].colour, "linestyle": ":", "linewidth": 1.6},
    }
    for role, chain in chains.items():
        p = chain.next_letters(prefix)
        x = np.flatnonzero(p >= _LEAST)
        if role in looks:
            axes.bar(x, p[x], 0.72, **looks[role])
        else:
            axes.plot(x, p[x], "o", color=STYLE[role].colour, markersize=4.5, clip_on=False, zorder=5)
    axes.set(xlim=(-0.6, len(names) - 0.4), ylim=(0, top), yticks=[])
    axes.set_xticks(np.arange(len(names)), names)
    axes.tick_params(length=0, labelsize=9, labelcolor=QUIET, pad=3)
    axes.get_xticklabels()[here].set(color=INK, fontweight="bold")
    axes.spines[["left", "top", "right"]].set_visible(False)
    axes.spines["bottom"].set_color(STYLE["bounds"].colour)


def _beside(axes: Axes, chains: Mapping[str, NGramChain], prefix: str, coming: str) -> None:
    """Left of the bars the prefix and what each chain sees of it; right of them the next letter and its odds."""
    for x, align, head, lines in (
        (-0.2, "left", f"{prefix}_", {role: f"sees {_seen(prefix, chain)}" for role, chain in chains.items()}),
        (
            1.17,
            "right",
            coming,
            {role: f" {two_digits(odds(chain, prefix, coming))}" for role, chain in chains.items()},
        ),
    ):
        at: dict[str, Any] = {"transform": axes.transAxes, "va": "center", "ha": align}
        axes.text(x, 0.84, head, fontsize=13, color=INK, fontweight="bold", **at)
        for n, (role, line) in enumerate(lines.items()):
            axes.text(x, 0.52 - 0.22 * n, f"{_MARKS[role]} {line}", fontsize=8, color=STYLE[role].ink, **at)


def _seen(prefix: str, chain: NGramChain) -> str:
    """What a chain sees of a prefix; dots where it cannot know whether more stands before."""
    depth = max(chain.order, 1)
    if not prefix:
        return "the start"
    if chain.order == 0:
        return "nothing"
    return prefix if len(prefix) < depth else f"…{prefix[-depth:]}"
