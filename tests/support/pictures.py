"""Reads a static picture back: its words, dots and paths, and whether any words lie over others or off the paper."""

from typing import Any

import numpy as np
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.text import Text


def shown(figure: Figure) -> list[Text]:
    """All text that is drawn, labels of ticks and axes included."""
    inside = list(figure.texts)
    for axes in figure.axes:
        inside += axes.texts
        if axes.axison:
            x, y = axes.get_xlim(), axes.get_ylim()
            inside += [axes.xaxis.label, axes.yaxis.label]
            for (low, high), ticks, labels in (
                (x, axes.get_xticks(), axes.get_xticklabels()),
                (y, axes.get_yticks(), axes.get_yticklabels()),
            ):
                inside += [label for tick, label in zip(ticks, labels, strict=True) if low <= tick <= high]
    return [text for text in inside if text.get_text().strip()]


def assert_tidy(figure: Figure) -> None:
    """No two texts share a pixel, and all of them are on the paper."""
    figure.draw_without_rendering()
    boxes = [(text.get_text(), text.get_window_extent()) for text in shown(figure)]
    paper = figure.bbox
    for said, box in boxes:
        inside = paper.x0 <= box.x0 and box.x1 <= paper.x1 and paper.y0 <= box.y0 and box.y1 <= paper.y1
        assert inside, f"{said!r} is cut off"
    low, high = (np.array([getattr(box, corner) for _, box in boxes]) for corner in ("min", "max"))
    common = np.minimum(high[:, None], high) - np.maximum(low[:, None], low)  # (N, N, 2), negative where apart
    over = np.triu(np.maximum(common, 0).prod(axis=-1) >= 1, 1)
    assert not over.any(), [f"{boxes[i][0]!r} over {boxes[j][0]!r}" for i, j in np.argwhere(over)]


def said(figure: Figure) -> list[str]:
    """All that is written in the picture."""
    return [text.get_text() for text in shown(figure)]


def dots(axes: Any, colour: str) -> list[tuple[float, float, float]]:
    """(x, y, size) of single dots in a colour, largest first; hollow ones go by their edge."""
    found = []
    for line in axes.lines:
        mine = colour.lower() in (to_hex(line.get_color()), to_hex(line.get_markeredgecolor()))
        if mine and len(line.get_xdata()) == 1 and line.get_marker() not in ("", "None"):
            found.append((float(line.get_xdata()[0]), float(line.get_ydata()[0]), float(line.get_markersize())))
    return sorted(found, key=lambda dot: -dot[2])


def paths(axes: Any) -> list[np.ndarray]:
    """The (N, 2) points of every line of three points or more."""
    return [line.get_xydata() for line in axes.lines if len(line.get_xdata()) > 2]
