"""Static pictures of k tries (notebook 08): names that come out, what each teacher brings, and the plane."""

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes

from kdlab.core.format import several
from kdlab.core.sweep import expect
from kdlab.ngrams.plots import draw_real_name, draw_students, plane
from kdlab.ngrams.tries import AGAIN, NEW, TriesSweep, kinds
from kdlab.pictures.figure import INK, QUIET, STYLE, Picture, our_settings
from kdlab.pictures.limits import CLOSE, plane_limits
from kdlab.pictures.plane import Labels, calm

__all__ = ["figure", "filmstrip"]

_COLUMNS, _ROWS = 3, 15
_LONGEST = 10  # letters of a name that are shown
_TICKS = (0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.5)
_TAU, _SHARE = "teacher's τ; the student is sampled at 1", "share of the most at this k"


@our_settings()
def figure(tries: TriesSweep, tau: float, *, path: bool = True) -> Picture:
    """One position of tau at the sweep's k, laid out as on the page: names, what every teacher brings, plane, sentence.

    ``path=False`` leaves out where the student goes. Raises ValueError for a tau off the slider.
    """
    index = expect(tries, TriesSweep, "ngrams.tries_over_tau").index(tau)
    made = Picture(9.2, 4.9)
    made.around(tries.title, tries.sentence(index), f"τ = {tries.taus[index]:.2f}, k = {tries.k:,}")
    _draw_names(made.add_axes((0.02, 0.32, 0.285, 0.56)), tries, index)
    _draw_bar(made.add_axes((0.02, 0.215, 0.285, 0.07)), tries, index)
    made.text(0.385, 0.86, f"different real names in {_tries(tries)}", fontsize=8, color=QUIET)
    _draw_curve(made.add_axes((0.385, 0.27, 0.25, 0.53)), tries, index)
    labels = plane(made.add_axes((0.715, 0.27, 0.265, 0.595)), tries, *plane_limits(tries, CLOSE), path=path)
    draw_students(labels, tries, {index: "distilled"}, 11, toward=200)
    return made


@our_settings()
def filmstrip(tries: TriesSweep, ks: Sequence[int]) -> Picture:
    """Small multiples: what every teacher brings in k tries, for each k in the order given.

    Raises ValueError for no k at all, and for one off the slider.
    """
    expect(tries, TriesSweep, "ngrams.tries_over_tau")
    asked = [tries.asking(k) for k in ks]
    if not asked:
        raise ValueError("A filmstrip of no k: give a list of at least one number of tries from 1 to 1,000,000.")
    said = [one.sentence(int(one.best_places[one.column])) for one in asked]
    made = Picture(0.6 + 2.4 * len(asked), 3.2, "\n".join(said))
    made.write(0.1, 0.3, "Different real names in k tries; the student is sampled at 1", 12)
    for n, one in enumerate(asked):
        left = 0.8 + 2.4 * n
        made.write(left, 0.65, _tries(one), 10)
        axes = _draw_curve(made.panel(left, 0.8, 1.95, 1.8), one)
        axes.set(xlabel="teacher's τ", ylabel=_SHARE if n == 0 else "")
    return made


def _tries(tries: TriesSweep) -> str:
    return "one try" if tries.k == 1 else f"{tries.k:,} tries"


def _draw_names(axes: Axes, tries: TriesSweep, index: int) -> None:
    """The first names drawn, downwards: new real ones bold and underlined, what was said before grey and slanted."""
    names = tries.names[index][: min(tries.k, _COLUMNS * _ROWS)]
    axes.set(xlim=(0, _COLUMNS), ylim=(0, 1))
    axes.axis("off")
    said = (
        f"the student's first {len(names)} of {tries.k:,} names" if len(names) < tries.k else "all names that it says"
    )
    look: dict[str, Any] = {"fontsize": 8, "color": QUIET, "va": "top"}
    axes.text(0, 1, f"{said}\nunderlined: a real name · slanted: said before", **look)
    for i, (name, kind) in enumerate(zip(names, kinds(names), strict=True)):
        at = i // _ROWS, 0.86 - 0.86 * (i % _ROWS + 0.5) / _ROWS
        if kind == NEW:
            draw_real_name(axes, at, name, 9)
        else:
            look = {"color": QUIET, "fontstyle": "italic"} if kind == AGAIN else {"color": INK}
            shown = name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…"
            axes.text(*at, shown, fontsize=9, **look)


def _draw_bar(axes: Axes, tries: TriesSweep, index: int) -> None:
    """All k tries as one bar, on average: new real names, the same ones again, and what is no real name."""
    new, real = float(tries.distinct[index, tries.column]), float(tries.k * tries.real[index])
    axes.set(xlim=(0, tries.k), ylim=(0, 1))
    axes.axis("off")
    colours, parts = (
        (STYLE["distilled"].colour, STYLE["bounds"].colour, "#E4E4E4"),
        (new, max(real - new, 0.0), tries.k - real),
    )
    for colour, part, left in zip(colours, parts, (0, new, real), strict=True):
        axes.barh(0.8, part, 0.4, left=left, color=colour, linewidth=0)
    words = "{} new, {} again, {} not real".format(*map(several, parts))
    axes.text(0, 0, f"on average {words}", fontsize=8, color=QUIET)


def _draw_curve(axes: Axes, tries: TriesSweep, index: int | None = None) -> Axes:
    """Expected different real names over tau, as shares of the most at this k; its peak, and the position, named."""
    j = tries.column
    most = float(tries.distinct[:, j].max())
    shares, best = tries.distinct[:, j] / most, float(tries.best_taus[j])
    calm(axes, 8).set(xscale="log", xlim=(0.094, 1.6), ylim=(0, 1.2), xlabel=_TAU, ylabel=_SHARE)
    axes.minorticks_off()
    axes.set_xticks(_TICKS, [f"{tau:g}" for tau in _TICKS])
    axes.set_yticks([0, 0.5, 1], ["0", "50 %", "100 %"])
    axes.plot(tries.taus, shares, color=STYLE["distilled"].colour, linewidth=1.8)
    axes.plot([best], [1.07], "v", color=INK, markerfacecolor="white", markersize=6, clip_on=False)
    edge = "" if tries.inside[j] else ", at the edge"
    across, side = (best, "center") if 0.25 < best < 0.6 else (0.1, "left") if best < 0.5 else (1.5, "right")
    axes.text(across, 1.12, f"{several(most)} at τ = {best:.2f}{edge}", fontsize=8.5, color=INK, ha=side)
    one, labels = tries.index(1.0), Labels(axes)
    if index is not None:
        at = float(tries.taus[index]), float(shares[index])
        labels.dot(*at, "distilled", 11)
        said = several(tries.distinct[index, j])
        labels.add(said, at, STYLE["distilled"].ink, 9, toward=270)
    labels.dot(1.0, float(shares[one]), "direct", 5, zorder=6)
    return axes
