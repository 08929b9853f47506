"""Static pictures of a sweep: for print, for GitHub, and for people who do not use a pointer.

They show the same numbers, in the same colours and the same places, as the live picture (mixtures/view.js): the space
on the left, the precision-recall plane on the right, the sentence below. No pyplot (kdlab.pictures.figure says why).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Ellipse, PathPatch
from matplotlib.path import Path
from numpy.typing import NDArray

from kdlab.core.format import signed
from kdlab.core.sweep import expect
from kdlab.mixtures.experiment import MixtureSweep
from kdlab.mixtures.limits import curve_places, density_contours, shown_points, space_limits
from kdlab.pictures.figure import INK, QUIET, STYLE, Picture, draw_key, ellipse, our_settings
from kdlab.pictures.limits import ROOMY, Limits, plane_limits
from kdlab.pictures.plane import Labels, draw_bounds, draw_path, frame

if TYPE_CHECKING:
    from kdlab.mixtures.model import GaussianMixture

__all__ = [
    "draw_density",
    "draw_plane",
    "draw_space",
    "fading",
    "figure",
    "filmstrip",
    "teacher_ellipse",
    "teacher_width",
]

Floats = NDArray[np.float64]


# Figures


@our_settings()
def figure(sweep: MixtureSweep, beta: float = 1.0, *, path: bool = True) -> Picture:
    """One position of the sweep, laid out as on the page: title, space, plane, sentence.

    ``path=False`` leaves out where the student goes, which would answer a question that is still open.
    """
    index = expect(sweep, MixtureSweep, "mixtures.teacher_entropy").index(beta)
    made = Picture(9.2, 5.35)
    draw_space(made.add_axes((0.02, 0.2, 0.44, 0.645)), sweep, index)
    draw_plane(made.add_axes((0.55, 0.27, 0.43, 0.575)), sweep, [index], path=path)
    made.around(sweep.scene.title, sweep.sentences[index], f"β = {sweep.betas[index]:.2f}")
    draw_key(made, 0.02, 0.885)
    return made


@our_settings()
def filmstrip(sweep: MixtureSweep, betas: Sequence[float]) -> Picture:
    """Small multiples: the space at each beta, in the order given, and all of them in the plane on the right."""
    indices = expect(sweep, MixtureSweep, "mixtures.teacher_entropy").indices(betas)
    columns = min(len(indices), 4)
    rows = math.ceil(len(indices) / columns)
    width, height, side = 2.0, 2.62, 3.3  # inches: a frame, a row, the plane
    words = "\n".join(sweep.sentences[index] for index in indices)
    made = Picture(columns * width + side, rows * height + 0.6, words)
    for n, index in enumerate(indices):
        left, top = (n % columns) * width, 0.75 + (n // columns) * height
        draw_space(made.panel(left + 0.06, top, 1.88, 1.88), sweep, index, small=True)
        numbers = f"precision {signed(sweep.precision[index])}, recall {signed(sweep.recall[index])}"
        made.write(left + 1.0, top + 1.97, f"β = {sweep.betas[index]:.2f}", 10, ha="center", va="top")
        made.write(left + 1.0, top + 2.18, numbers, 8, QUIET, ha="center", va="top")
    draw_plane(made.panel(columns * width + 0.7, 0.75, 2.45, 1.88), sweep, indices)
    made.write(0.06, 0.3, sweep.scene.title, 12)
    wide, high = made.get_size_inches()
    draw_key(made, 0.06 / wide, 1 - 0.58 / high)
    return made


# The space


def draw_space(axes: Axes, sweep: MixtureSweep, index: int, *, small: bool = False) -> None:
    """Draw p*, the teacher, the direct and the distilled student of one position into `axes`; no ticks."""
    x_limits, y_limits = space_limits(sweep)
    axes.set(xlim=x_limits, ylim=y_limits, xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    axes.patch.set_visible(False)
    lean = 0.7 if small else 1.0  # lines of a small multiple are thinner
    if sweep.scene.truth.means.shape[1] == 1:
        _draw_curves(axes, sweep, index, lean)
    else:
        axes.set_aspect("equal")
        _draw_truth(axes, sweep, x_limits, y_limits, lean)
        _draw_ellipses(axes, sweep, index, lean)
    _draw_modes(axes, sweep, index, lean)


def _draw_curves(axes: Axes, sweep: MixtureSweep, index: int, lean: float) -> None:
    here = sweep.at(float(sweep.betas[index]))
    x = curve_places(axes.get_xlim(), 400, sweep.scene.truth, sweep.direct, here.teacher, here.student)
    draw_density(axes, x, sweep.scene.truth, "truth", 1.0 * lean)
    # Broken lines lie above solid ones: where two models are the same, both are seen.
    draw_density(axes, x, here.student, "distilled", 2.2 * lean)
    draw_density(axes, x, sweep.direct, "direct", 1.6 * lean)
    draw_density(axes, x, here.teacher, "teacher", 2.2 * lean)
    axes.axhline(0, color=STYLE["bounds"].colour, linewidth=0.8)
    points = shown_points(sweep.scene)[:, 0]
    _draw_points(axes, points, np.full(len(points), -0.03 * axes.get_ylim()[1]), lean)


def draw_density(axes: Axes, x: Floats, mixture: GaussianMixture, name: str, width: float) -> None:
    """Draw the density of a mixture on a line over places x (N,), in the look of a role; that of p* is filled."""
    role, height = STYLE[name], np.exp(mixture.log_prob(x[:, None]))
    axes.plot(x, height, color=role.colour, linestyle=role.line, linewidth=width)
    if name == "truth":
        axes.fill_between(x, height, color=role.colour, alpha=0.16, linewidth=0)


def _draw_truth(axes: Axes, sweep: MixtureSweep, x: Limits, y: Limits, lean: float) -> None:
    role = STYLE["truth"]
    for n, (_, lines) in enumerate(density_contours(sweep.scene.truth, x, y)):
        if not lines:
            continue
        path = Path.make_compound_path(*(Path(line) for line in lines))
        axes.add_patch(PathPatch(path, facecolor=role.colour, alpha=0.11, linewidth=0))
        if n == 0:
            axes.add_patch(PathPatch(path, fill=False, edgecolor=role.colour, alpha=0.5, linewidth=0.7 * lean))
    points = shown_points(sweep.scene)
    _draw_points(axes, points[:, 0], points[:, 1], lean)


def _draw_points(axes: Axes, x: Floats, y: Floats, lean: float) -> None:
    """The points that teacher and direct student were fitted to, where there are some."""
    style: dict[str, Any] = {"s": 7 * lean**2, "facecolors": "none", "linewidths": 0.5, "alpha": 0.7, "clip_on": False}
    if len(x):
        axes.scatter(x, y, edgecolors=STYLE["truth"].colour, **style)


def _draw_ellipses(axes: Axes, sweep: MixtureSweep, index: int, lean: float) -> None:
    here = sweep.at(float(sweep.betas[index]))
    for weight, mean, covariance in _parts(here.student):
        for sigmas, width in ((1.0, 2.2), (2.0, 1.3)):
            width *= lean * (0.45 + 0.55 * math.sqrt(weight))
            axes.add_patch(ellipse(mean, covariance, sigmas, STYLE["distilled"], width))
    for _, mean, covariance in _parts(sweep.direct):
        axes.add_patch(ellipse(mean, covariance, 1.0, STYLE["direct"], 1.6 * lean, linestyle=(0, (4, 2.5))))
    for weight, mean, covariance in _parts(here.teacher):
        axes.add_patch(teacher_ellipse(weight, mean, covariance, teacher_width(weight) * lean))


def teacher_ellipse(weight: float, mean: Floats, covariance: Floats, width: float) -> Ellipse:
    """A component of the teacher at one standard deviation, dotted, fading with its weight."""
    style: dict[str, Any] = {"linestyle": (0, (0.01, 1.7)), "capstyle": "round", "alpha": fading(weight)}
    return ellipse(mean, covariance, 1.0, STYLE["teacher"], width, **style)


def fading(weight: float) -> float:
    """Opacity of a component, so that one without weight nearly vanishes. The page uses the same rule."""
    return min(1.0, 0.25 + 3 * float(weight))


def teacher_width(weight: float) -> float:
    """Line width of a teacher component, so that beta is seen to empty it. The page uses the same rule."""
    return 0.5 + 4.0 * math.sqrt(weight)


def _parts(mixture: GaussianMixture) -> list[tuple[float, Floats, Floats]]:
    return list(zip(mixture.weights.tolist(), mixture.means, mixture.covariances, strict=True))


def _draw_modes(axes: Axes, sweep: MixtureSweep, index: int, lean: float) -> None:
    """A dot at each mode of p*: full where the student covers it, a hollow ring where it is lost."""
    means = sweep.scene.truth.means
    at = means if means.shape[1] == 2 else np.column_stack([means, np.zeros(len(means))])
    covered = np.asarray(sweep.coverage[index]) >= 0.5
    style: dict[str, Any] = {"s": 22 * lean**2, "zorder": 6, "clip_on": False}
    axes.scatter(*at[covered].T, facecolors=INK, edgecolors="white", linewidths=0.8 * lean, **style)
    axes.scatter(*at[~covered].T, facecolors="none", edgecolors=QUIET, linewidths=1.0 * lean, **style)
    if lean == 1.0:
        text = f"modes of p*:   ● {covered.sum()} covered   ○ {(~covered).sum()} lost"
        axes.text(0.5, -0.055, text, transform=axes.transAxes, fontsize=9, color=QUIET, ha="center", va="top")


# The plane


def draw_plane(axes: Axes, sweep: MixtureSweep, indices: Sequence[int], *, path: bool = True) -> None:
    """Draw the precision-recall plane into `axes`: bounds, path, direct student, and a dot at each position.

    With one position the path up to it is solid, as on the page; with several the dots carry their beta.
    ``path=False`` leaves out the path ahead.
    """
    frame(axes, *plane_limits(sweep, ROOMY))
    draw_bounds(axes, sweep.recall_bound, sweep.precision_bound)
    names = Labels(axes)
    if path:
        draw_path(axes, sweep, alpha=0.3, linewidth=1.5)
        names.keep_off(sweep.recall, sweep.precision)
    alone = len(indices) == 1
    if alone:
        draw_path(axes, sweep, indices[0] + 1, linewidth=2.4)
        names.keep_off(sweep.recall[: indices[0] + 1], sweep.precision[: indices[0] + 1])
    for index in indices:
        names.dot(float(sweep.recall[index]), float(sweep.precision[index]), "distilled", 11 if alone else 7)
    direct = (sweep.direct_recall, sweep.direct_precision)
    names.dot(*direct, "direct", 7.5, zorder=6)
    names.add("direct", direct, STYLE["direct"].colour, 9, toward=270)
    named = [direct]
    for index in indices:
        at = (float(sweep.recall[index]), float(sweep.precision[index]))
        apart = axes.transData.transform(at) - axes.transData.transform(named)
        if alone or np.hypot(*apart.T).min() >= _CROWDED * axes.figure.dpi:
            text = "distilled" if alone else f"{float(f'{sweep.betas[index]:.2g}'):g}"  # 100, not 1e+02
            names.add(text, at, STYLE["distilled"].colour, 9, toward=190)
            named.append(at)


_CROWDED = 0.15  # inches: of several dots, those closer than this to a named one go without a name of their own
