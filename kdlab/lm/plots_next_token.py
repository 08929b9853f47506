"""Static pictures of tokens (notebook 05): texts cut into pieces, what each piece cost, a slider of tau, and samplers.

p* is grey and filled, p* tempered a dotted orange outline.
"""

import math
import textwrap
from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Any

from matplotlib.axes import Axes
from matplotlib.font_manager import FontProperties, findfont, get_font

from kdlab.core.format import percent, signed
from kdlab.core.sweep import expect
from kdlab.lm.next_token import NextTokenSweep, counted, entropy_limits, one_line, shared, visible
from kdlab.lm.recording import END, Cut, cost_words, cut_words, opened
from kdlab.pictures.figure import INK, QUIET, STYLE, Picture, our_settings

__all__ = ["costs", "figure", "filmstrip", "pieces", "samplers"]

Pair = tuple[float, float]

_TILES = ("#ECECEC", "#D6D6D6")
_MARKS = (0.3, 0.5, 0.7, 1.0, 1.2, 1.5)
_MONO = 0.602  # the width of a letter of DejaVu Sans Mono, in its size


# Texts in pieces


@our_settings()
def pieces(cuts: Sequence[Cut]) -> Picture:
    """Texts cut into tokens, a line for each: a tile is a token, a space shows as ␣. ValueError for no texts."""
    words = cut_words(cuts)
    size, row, left = 12.0, 0.52, 0.1
    letter = _MONO * size / 72
    width = max(9.2, left + 0.1 + max(sum(len(_open(piece)) * letter + 0.09 for piece in cut.pieces) for cut in cuts))
    height = 0.15 + row * len(cuts)
    made, axes = _sheet(width, height)
    for n, cut in enumerate(cuts):
        x, y = left, height - 0.12 - row * n - 0.3
        for k, piece in enumerate(cut.pieces):
            long = len(_open(piece)) * letter + 0.07
            _tile(axes, (x, y), (long, 0.3), _open(piece), size, _TILES[k % 2])
            x += long + 0.02
    made.words = words
    return made


@our_settings()
def costs(scored: Sequence[Cut]) -> Picture:
    """What each token of a text cost, a row for each text: bars of -log p in nats, the sum and its mean at the right.

    Tokens that were given have no bar. Raises ValueError for no texts, or one that was not scored.
    """
    words = cost_words(scored)
    size, row, left, top = 11.0, 1.72, 0.15, max(max(one.nats) for one in scored)
    letter = _MONO * size / 72
    widths = [[max(len(_open(piece)), 5) * letter + 0.08 for piece in one.pieces] for one in scored]
    width, height = left + max(map(sum, widths)) + 2.6, 0.35 + row * len(scored)
    made, axes = _sheet(width, height)
    look: dict[str, Any] = {"color": STYLE["truth"].colour, "alpha": 0.45, "linewidth": 0}
    axes.text(left, height - 0.2, "−log p* of each token, nats: how surprised p* was", fontsize=9, color=QUIET)
    for n, (one, columns) in enumerate(zip(scored, widths, strict=True)):
        x, base = left, height - 0.35 - row * (n + 1) + 0.42
        for k, (piece, wide) in enumerate(zip(one.pieces, columns, strict=True)):
            colour = "white" if k < one.given else _TILES[0]
            _tile(axes, (x, base - 0.33), (wide - 0.04, 0.28), _open(piece), size, colour)
            if k >= one.given:
                middle, nats = x + wide / 2 - 0.02, one.nats[k - one.given]
                axes.bar(middle, 0.95 * nats / top, wide - 0.16, base, **look)
                axes.text(middle, base + 0.95 * nats / top + 0.04, f"{nats:.1f}", fontsize=8.5, color=INK, ha="center")
            x += wide
        _sum(axes, width - 2.3, base, one)
    made.words = words
    return made


def _sum(axes: Axes, left: float, base: float, one: Cut) -> None:
    count, end = len(one.nats), ", the end included" if one.pieces[-1] == END else ""
    axes.text(left, base + 0.32, f"log p* = {signed(one.log_prob)}", fontsize=11, color=INK)
    lines = f"{count} token{'s' * (count > 1)}{end}\n{signed(one.log_prob / count)} nats per token"
    axes.text(left, base + 0.24, lines, fontsize=8.5, color=QUIET, va="top", linespacing=1.4)


def _sheet(width: float, height: float) -> tuple[Picture, Axes]:
    """A picture whose axes are measured in inches."""
    made = Picture(width, height)
    axes = made.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, width), ylim=(0, height))
    axes.axis("off")
    return made, axes


def _tile(axes: Axes, at: Pair, extent: Pair, text: str, size: float, colour: str) -> None:
    """One token on its tile; a white tile, which has an edge only, stands back."""
    edge, ink = (STYLE["bounds"].colour, QUIET) if colour == "white" else (colour, INK)
    axes.bar(at[0], extent[1], extent[0], at[1], align="edge", color=colour, edgecolor=edge, linewidth=0.6)
    middle = at[0] + extent[0] / 2, at[1] + extent[1] / 2 - 0.01
    look: dict[str, Any] = {"family": "DejaVu Sans Mono", "ha": "center", "va": "center", "parse_math": False}
    axes.text(*middle, text, fontsize=size, color=ink, **look)


def _open(piece: str) -> str:
    """A token as it stands on a tile."""
    return drawable(opened(piece), "DejaVu Sans Mono")


# The slider of tau


@our_settings()
def figure(sweep: NextTokenSweep, tau: float, *, path: bool = True) -> Picture:
    """One position, laid out as on the page: title, likeliest tokens, entropy over tau, a text that goes on, sentence.

    ``path=False`` leaves out where the entropy goes, which would answer a question that is still open. Raises
    ValueError for a tau off the slider.
    """
    i = expect(sweep, NextTokenSweep, "lm.next_token_sweep").index(tau)
    made = Picture(9.2, 5.8, sweep.told(i))
    made.around(f"The next token after “{sweep.prompt}”", sweep.sentences[i], f"τ = {sweep.taus[i]:.2f}", top=0.95)
    _bars(made.add_axes((0.15, 0.365, 0.36, 0.535)), *_odds(sweep, i), 9.5)
    _curve(made.add_axes((0.62, 0.425, 0.29, 0.45)), sweep, i, path=path)
    if sweep.samples[i]:
        same = "one text at this τ, with the same random numbers at every τ"
        made.text(0.02, 0.305, same, fontsize=8, color=QUIET)
        _text(made, 0.184, 4.147, sweep, i, 108, 10.5)
    return made


@our_settings()
def filmstrip(sweep: NextTokenSweep, taus: Sequence[float]) -> Picture:
    """Small multiples: likeliest tokens and a text at each tau, in the order given, two beside each other.

    Raises ValueError for no tau at all, and for one off the slider.
    """
    indices = expect(sweep, NextTokenSweep, "lm.next_token_sweep").indices(taus)
    columns = min(len(indices), 2)
    rows, wide, high = math.ceil(len(indices) / columns), 4.6, 3.45
    words = [f"{sweep.sentences[i]} Text: {one_line(sweep.prompt + sweep.samples[i])}" for i in indices]
    made = Picture(columns * wide, rows * high + 0.4, "\n".join(words))
    made.write(0.1, 0.26, f"After “{sweep.prompt}”", 12)
    for n, i in enumerate(indices):
        left, top = (n % columns) * wide, 0.4 + (n // columns) * high
        heading = f"τ = {sweep.taus[i]:.2f}: {counted(sweep.choices[i])}"
        made.write(left + 0.1, top + 0.3, heading, 10.5, STYLE["teacher"].ink)
        _bars(made.panel(left + 1.25, top + 0.4, 2.75, 2.2), *_odds(sweep, i), 8)
        _text(made, left + 0.1, top + 2.78, sweep, i, 66, 8.5)
    return made


@our_settings()
def samplers(step: Mapping[str, Any], *, answer: bool = True) -> Picture:
    """One step of p* as it is, cut to its likeliest tokens, and tempered, beside each other.

    ``step`` is that of a recording's ``sampler``. ``answer=False`` leaves all but p* itself empty.
    """
    first, *_ = every = step["samplers"]
    shown = every if answer else [first]
    names = [*map(visible, step["tokens"]), *(f"ranks {low + 1:,}–{high:,}" for low, high in pairwise(step["edges"]))]
    title = f"The next token after “{step['prompt']}”"
    made = Picture(9.2, 3.9, " ".join([f"{title}.", *(_sampler_words(names, one) for one in shown)]))
    made.write(0.15, 0.32, title, 14)
    for n, one in enumerate(every):
        left, hidden = 1.5 + 1.92 * n, one not in shown
        name = one["name"].partition(" =")[0] if hidden else one["name"]  # which tau is the answer
        made.write(left, 0.76, name, 11, STYLE["teacher"].ink if n else INK)
        made.write(left, 0.98, "?" if hidden else f"{one['entropy']:.2f} nats, {one['kept']:,} tokens", 9, QUIET)
        if not hidden:
            axes = made.panel(left, 1.12, 1.72, 2.68)
            _bars(axes, names, first["shares"], one["shares"] if n else None, 9)
            axes.set(xlim=(0, 1.35 * max(max(of["shares"]) for of in every)), **({"yticks": []} if n else {}))
    return made


def _sampler_words(names: Sequence[str], one: Mapping[str, Any]) -> str:
    odds = ", ".join(f"{name} {_share(p)}" for name, p in zip(names, one["shares"], strict=True))
    return f"{one['name']}: {one['entropy']:.2f} nats, {one['kept']:,} tokens; {odds}."


def _share(p: float) -> str:
    return percent(p).replace("less than", "<") if p else "cut off"


def _odds(sweep: NextTokenSweep, i: int) -> tuple[list[str], list[float], list[float]]:
    """The likeliest tokens and all others: their names, p*, and p* tempered."""
    truth, taught = ([*sweep.probabilities[k], sweep.rest[k]] for k in (sweep.index(1.0), i))
    return [*map(visible, sweep.tokens), f"{sweep.vocabulary - len(sweep.tokens):,} others"], truth, taught


def _bars(axes: Axes, names: Sequence[str], truth: Sequence[float], made: Sequence[float] | None, size: float) -> None:
    """A bar for each name: p* filled; what a sampler made of it dotted, its probability beside."""
    y = range(len(names))
    axes.barh(y, truth, 0.66, color=STYLE["truth"].colour, alpha=0.3, linewidth=0)
    if made is not None:
        look: dict[str, Any] = {"fill": False, "edgecolor": STYLE["teacher"].colour, "linestyle": ":", "linewidth": 1.6}
        axes.barh(y, made, 0.66, **look)
    for k, p in enumerate(truth if made is None else made):
        ink, beside = INK if made is None else STYLE["teacher"].ink, max(p, truth[k]) + 0.015
        axes.text(beside, k, _share(p), fontsize=size - 1, color=ink, va="center")
    axes.set(xlim=(0, 1), ylim=(len(names) - 0.4, -0.6), xticks=[])
    axes.set_yticks(y, [drawable(name) for name in names], parse_math=False)
    axes.tick_params(length=0, labelsize=size, labelcolor=INK)
    axes.get_yticklabels()[-1].set_color(QUIET)
    axes.spines[["top", "right", "bottom"]].set_visible(False)
    axes.spines["left"].set_color(STYLE["bounds"].colour)


def _curve(axes: Axes, sweep: NextTokenSweep, i: int, *, path: bool) -> None:
    """Entropy over tau, in nats at the left and as effective choices at the right."""
    colour, one = STYLE["teacher"].colour, sweep.index(1.0)
    low, high = entropy_limits(sweep)
    axes.set(xlim=(sweep.taus[0], sweep.taus[-1]), ylim=(low, high), xlabel="τ")
    axes.set_title("entropy, nats", fontsize=9, color=QUIET, loc="left", x=-0.12)
    if path:
        first, last = min(one, i), max(one, i)
        axes.plot(sweep.taus, sweep.entropies, color=colour, alpha=0.45, linewidth=1.4)
        axes.plot(sweep.taus[first : last + 1], sweep.entropies[first : last + 1], color=colour, linewidth=2.4)
    look: dict[str, Any] = {"marker": "o", "clip_on": False, "zorder": 6}
    truth, start = STYLE["truth"].colour, (1.0, float(sweep.entropies[one]))
    axes.plot(sweep.taus[i], sweep.entropies[i], color=colour, markersize=11, markeredgecolor="white", **look)
    axes.plot(*start, color="white", markersize=5, markeredgecolor=truth, markeredgewidth=1.4, **look)
    axes.annotate("p*", start, (8, -13), textcoords="offset points", color=truth)
    marks = [mark for mark in _MARKS if sweep.taus[0] <= mark <= sweep.taus[-1]]
    axes.set_xticks(marks, [f"{mark:g}" for mark in marks])
    axes.xaxis.label.set(color=QUIET, size=9)
    powers = [10**k for k in range(9) if math.log(10**k) <= high]
    beside = axes.twinx()
    beside.set(ylim=(low, high))
    beside.set_yticks([math.log(power) for power in powers], [f"{power:,}" for power in powers])
    beside.set_title("effective choices", fontsize=9, color=QUIET, loc="right", x=1.18)
    for each in (axes, beside):
        each.tick_params(labelsize=9, color=STYLE["bounds"].colour, labelcolor=QUIET)
        each.spines["top"].set_visible(False)
        each.spines[["left", "bottom", "right"]].set_color(STYLE["bounds"].colour)


def _text(made: Picture, left: float, down: float, sweep: NextTokenSweep, i: int, columns: int, size: float) -> None:
    """The text at one tau, in lines at a place in inches: what it shares with tau = 1 in ink, the rest in orange."""
    if not sweep.samples[i]:
        return
    whole, one = (sweep.prompt + sweep.samples[k] for k in (i, sweep.index(1.0)))
    same = shared(one_line(whole), one_line(one))
    done = 0
    for n, line in enumerate(textwrap.wrap(drawable(one_line(whole)), columns, drop_whitespace=False)[:5]):
        alike = max(0, min(len(line), same - done))
        done += len(line)
        at = down + 1.55 * n * size / 72
        ink, taught = line[:alike].lstrip(), line[alike:] if line[:alike].strip() else line[alike:].lstrip()
        first = made.write(left, at, ink, size, va="top")
        start = first.get_window_extent().x1 / made.dpi if ink else left
        made.write(start, at, taught, size, STYLE["teacher"].ink, va="top")


# Letters that the font has


def drawable(text: str, family: str = "DejaVu Sans") -> str:
    """The text with ▯ for every character that the pictures' font does not have."""
    return "".join(letter if _has(family, letter) else "▯" for letter in text)


@lru_cache(maxsize=4096)
def _has(family: str, letter: str) -> bool:
    shown = letter.isprintable() or letter == "\N{NO-BREAK SPACE}"
    return shown and get_font(findfont(FontProperties(family=family))).get_char_index(ord(letter)) > 0
