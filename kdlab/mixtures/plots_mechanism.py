"""Static pictures of why it happens (notebook 03): selectivity, slope, pairs, frontiers, two divergences.

Drawn with `kdlab.pictures`: same roles, no pyplot, and every picture carries its words.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray

from kdlab.mixtures.experiment import MixtureSweep
from kdlab.mixtures.limits import map_limits
from kdlab.mixtures.mechanism import Pairs, component_precisions, precision_slope, reverse_student
from kdlab.mixtures.model import GaussianMixture
from kdlab.mixtures.plots import fading, teacher_ellipse
from kdlab.mixtures.scenes import Scene
from kdlab.pictures.figure import INK, QUIET, STYLE, Picture, ellipse, our_settings
from kdlab.pictures.plane import calm, draw_bounds, draw_path, frame

__all__ = ["frontier", "heavier_and_better", "pair_matrices", "selectivity", "two_divergences"]

Floats = NDArray[np.float64]

_TICKS = (1, 2, 5, 10, 20, 50, 100)
_HALO = withStroke(linewidth=2, foreground="white")  # paper around a name that stands on a line
_ASIDE = 0.3  # nats: a direct student farther than this from its distilled twin gets a name of its own


def _picture(width: float, height: float, columns: int, words: str, **spacing: Any) -> tuple[Picture, list[Axes]]:
    made = Picture(width, height, words)
    made.subplots_adjust(**spacing)
    return made, [calm(made.add_subplot(1, columns, n + 1)) for n in range(columns)]


def _title(axes: Axes, text: str, **look: Any) -> None:
    axes.set_title(text, fontsize=11, color=INK, **look)


@our_settings()
def selectivity(sweep: MixtureSweep) -> Picture:
    """The teacher's weights against beta, and how many components it effectively uses, beside K''."""
    first, last = sweep.effective_components[[0, -1]]
    size, role, student = sweep.settings.n_components, STYLE["teacher"], STYLE["distilled"].colour
    words = (
        f"Two panels over β from 1 to 100. Left: the teacher's weights; all but the heaviest fade. Right: its "
        f"effective components, exp of the weight entropy, fall from {first:.2f} to {last:.2f}; the student has {size}."
    )
    made, (weights, used) = _picture(9.2, 2.9, 2, words, left=0.07, right=0.93, bottom=0.18, top=0.88, wspace=0.28)
    for axes, values, width, title in (
        (weights, np.exp(sweep.teacher_log_weights), 2.4, "weights of the teacher, α′(β)"),
        (used, sweep.effective_components, 2.8, "effective components, exp(weight entropy)"),
    ):
        axes.plot(sweep.betas, values, color=role.colour, linestyle=role.line, linewidth=width)
        axes.set(xscale="log", xlim=(1, 100), xlabel="β")
        axes.set_xticks(_TICKS, [str(tick) for tick in _TICKS])
        axes.minorticks_off()
        _title(axes, title, loc="left")
    weights.set(ylim=(0, 1.03))
    used.axhline(size, color=student, linewidth=1.4)
    place: dict[str, Any] = {"xycoords": used.get_yaxis_transform(), "textcoords": "offset points", "va": "center"}
    used.annotate(f"K″ = {size}", (1, size), (4, 0), color=student, fontsize=9, **place)
    used.set(ylim=(0.8, 1.05 * max(first, size)))
    return made


@our_settings()
def heavier_and_better(scenes: Sequence[Scene], beta: float = 1.0) -> Picture:
    """Each teacher component's log-weight against the precision of its own samples; area is its weight at ``beta``.

    The line is the weighted regression: it climbs exactly where the tempered teacher's own precision does.
    """
    slopes = [precision_slope(scene.teacher, scene.truth, beta) for scene in scenes]
    said = [
        f"{scene.title}: the line through them {'climbs' if slope > 0 else 'falls'}, slope of precision {slope:+.3f}."
        for scene, slope in zip(scenes, slopes, strict=True)
    ]
    words = "Teacher components as dots, log-weight across and precision of their own samples up. " + " ".join(said)
    room = {"left": 0.09, "right": 0.98, "bottom": 0.17, "top": 0.8, "wspace": 0.28}
    made, panels = _picture(4.4 * len(scenes), 3.3, len(scenes), words.replace(" -", " −"), **room)
    for axes, scene, slope in zip(panels, scenes, slopes, strict=True):
        weights = scene.teacher.tempered(beta).weights
        logs, scores = scene.teacher.log_weights, component_precisions(scene.teacher, scene.truth)
        axes.scatter(logs, scores, s=800 * weights, color=STYLE["teacher"].colour, edgecolor="white", zorder=3)
        middle = weights @ logs, weights @ scores
        tilt = slope / float(weights @ (logs - middle[0]) ** 2)
        ends = np.array([logs.min() - 0.15, logs.max() + 0.15])
        axes.plot(ends, middle[1] + tilt * (ends - middle[0]), color=QUIET, linewidth=1)
        axes.margins(0.16, 0.2)
        axes.locator_params(nbins=5)
        axes.set(xlabel="log α′: heavier to the right, nats", ylabel="E[log p*] under the component, nats")
        _title(axes, scene.title, loc="left", pad=20)
        turn = "rises" if slope > 0 else "falls"
        text = f"covariance {slope:+.3f} at β = {beta:g}: precision {turn}".replace("-", "−")
        axes.text(0, 1.03, text, transform=axes.transAxes, fontsize=9, color=QUIET)
    return made


@our_settings()
def pair_matrices(pairs: Pairs, betas: Sequence[float]) -> Picture:
    """At each beta, the components with their numbers, and three matrices over their pairs: (a'), (b'), best shares.

    (a') and the shares light up with their own value, as on the page; (b') is in nats and stays dark.
    """
    indices = pairs.indices(betas)
    height = 0.2 + 1.9 * len(indices)
    made = Picture(9.6, height, "\n".join(pairs.sentences[i] for i in indices))
    for row, i in enumerate(indices):
        bottom = 1 - 1.9 * (row + 1) / height
        made.text(0.01, bottom + 1.47 / height, f"β = {pairs.betas[i]:.3g}", fontsize=11, color=INK)
        _map(made.add_axes((0.01, bottom, 1.3 / 9.6, 1.3 / height)), pairs, i)
        for column, (title, values, lit) in enumerate(
            (
                ("(a′)  α′ α″", pairs.joint_weights[i], True),
                ("(b′)  cross-entropy, nats", pairs.cross_entropies[i], False),
                ("share of the mass, α′ r", pairs.shares[i], True),
            )
        ):
            axes = made.add_axes((0.215 + 0.27 * column, bottom, 0.22, 1.3 / height))
            _matrix(axes, values, lit)
            if row == 0:
                _title(axes, title, pad=18)
    return made


def _map(axes: Axes, pairs: Pairs, i: int) -> None:
    """The components at one standard deviation, fading with their weight, and their numbers."""
    sweep, teacher, role = pairs.sweep, pairs.sweep.scene.teacher, STYLE["distilled"]
    x, y = map_limits(sweep)
    axes.set(xlim=x, ylim=y, aspect="equal")
    axes.axis("off")
    weights = np.exp(sweep.teacher_log_weights[i])
    for number, k in enumerate(pairs.order, start=1):
        axes.add_patch(teacher_ellipse(weights[k], teacher.means[k], teacher.covariances[k], 2.0))
        _outside(axes, f"p′{number}", teacher.means[k], teacher.covariances[k])
    learned = zip(
        np.exp(sweep.student_log_weights[i]), sweep.student_means[i], sweep.student_covariances[i], strict=True
    )
    for number, (weight, mean, covariance) in enumerate(learned, start=1):
        axes.add_patch(ellipse(mean, covariance, 1.0, role, 1.6, alpha=fading(weight)))
        at = (mean[0], mean[1] + np.sqrt(covariance[1, 1]))
        name = axes.text(*at, f"p″{number}", fontsize=7, color=role.colour, ha="center", va="bottom")
        name.set_path_effects([_HALO])


def _outside(axes: Axes, name: str, mean: Floats, covariance: Floats) -> None:
    """Write a name beside its ellipse, on the side away from the middle; view_mechanism.js has the same rule."""
    x, y = mean - np.array([np.mean(axes.get_xlim()), np.mean(axes.get_ylim())])
    right, up = (int(np.sign(x)), 0) if abs(x) > abs(y) else (0, int(np.sign(y)))
    at = mean + np.array([right, up]) * np.sqrt(np.diagonal(covariance))
    text = axes.annotate(name, at, (2 * right, 2 * up), textcoords="offset points", fontsize=7, path_effects=[_HALO])
    ha, va = ("center", "left", "right")[right], ("center", "bottom", "top")[up]
    text.set(ha=ha, va=va, color=STYLE["teacher"].ink)


def _matrix(axes: Axes, values: Floats, lit: bool) -> None:
    """Numbers on cells; the student's colour over grey, as strong as the number (0 to 1) where cells are ``lit``."""
    k_teacher, k_student = values.shape
    axes.set(xlim=(0, k_student), ylim=(k_teacher, 0))
    axes.set_xticks(np.arange(k_student) + 0.5, [f"p″ {k + 1}" for k in range(k_student)])
    axes.set_yticks(np.arange(k_teacher) + 0.5, [f"p′ {k + 1}" for k in range(k_teacher)])
    axes.tick_params(length=0, labelsize=8, labelcolor=QUIET, top=True, labeltop=True, bottom=False, labelbottom=False)
    axes.spines[:].set_visible(False)
    for (t, s), value in np.ndenumerate(values):
        alpha, cell = float(value) if lit else 0.0, ([s + 0.02, s + 0.98], t + 0.03, t + 0.97)
        axes.fill_between(*cell, color="#f2f2f2", linewidth=0)
        axes.fill_between(*cell, color=STYLE["distilled"].colour, alpha=alpha, linewidth=0)
        ink = "white" if alpha > 0.8 else INK
        text = f"{value:.2f}" if lit else f"{value:.1f}"
        axes.text(s + 0.5, t + 0.5, text, ha="center", va="center", fontsize=9, color=ink)


@our_settings()
def frontier(sweeps: Sequence[MixtureSweep], lowest_recall: float) -> Picture:
    """Precision and recall over beta for several K'', direct students as squares, both bounds.

    Paths go on to the left of ``lowest_recall``, where the picture ends. Sweeps whose paths coincide share a name.
    """
    words = "Paths in the precision-recall plane as β goes from 1 to 100. " + " ".join(
        f"K″ = {one.settings.n_components}: precision {one.precision[0]:.2f} to {one.precision[-1]:.2f}, recall "
        f"{one.recall[0]:.2f} to {one.recall[-1]:.2f} nats; direct {one.direct_precision:.2f}, {one.direct_recall:.2f}."
        for one in sweeps
    )
    made, (axes,) = _picture(7.4, 4.6, 1, words, left=0.1, right=0.97, bottom=0.13, top=0.95)
    first, low = sweeps[0], min(one.precision.min() for one in sweeps)
    span, length = first.recall_bound - lowest_recall, first.precision_bound - low
    limits = (low - 0.08 * length, first.precision_bound + 0.08 * length)
    frame(axes, (lowest_recall, first.recall_bound + 0.06 * span), limits, bins=None)
    draw_bounds(axes, first.recall_bound, first.precision_bound, name_at=0.02)
    for role, name, y in (("distilled", "distilled: dot at β = 1, path to β = 100", 0.13), ("direct", "direct", 0.07)):
        axes.plot(0.02, y, STYLE[role].marker, color=STYLE[role].colour, markersize=6, transform=axes.transAxes)
        axes.text(0.035, y - 0.003, name, fontsize=8, color=INK, va="center", transform=axes.transAxes)
    groups: dict[tuple[float, ...], list[MixtureSweep]] = {}
    for sweep in sweeps:
        groups.setdefault((*sweep.precision.round(4), *sweep.recall.round(4)), []).append(sweep)
    for n, group in enumerate(groups.values()):
        _one_path(axes, group, 0.35 + 0.65 * (n + 1) / len(groups))
    return made


def _one_path(axes: Axes, group: Sequence[MixtureSweep], strength: float) -> None:
    """A path, a dot with its name where it begins, and the squares of the direct students of the same sizes."""
    one, role, direct = group[0], STYLE["distilled"], STYLE["direct"]
    draw_path(axes, one, alpha=strength, linewidth=2.2)
    start = (float(one.recall[0]), float(one.precision[0]))
    axes.plot(*start, "o", color=role.colour, markersize=10, markeredgecolor="white", zorder=5)
    name = "K″ = " + " and ".join(str(each.settings.n_components) for each in group)
    style: dict[str, Any] = {"textcoords": "offset points", "fontsize": 9}
    # A long name stands above the path, away from the bound.
    offset, ha, va = ((9, -4), "left", "top") if len(group) == 1 else ((-8, 5), "right", "bottom")
    axes.annotate(name, start, offset, color=role.colour, ha=ha, va=va, **style)
    for each in group:
        at = (each.direct_recall, each.direct_precision)
        axes.plot(*at, direct.marker, color=direct.colour, markersize=5.5, markeredgecolor="white", zorder=6)
        if np.hypot(at[0] - start[0], at[1] - start[1]) > _ASIDE:
            name = f"direct, K″ = {each.settings.n_components}"
            axes.annotate(name, at, (-8, 0), color=direct.colour, ha="right", va="center", **style)


@our_settings()
def two_divergences(target: GaussianMixture, betas: Sequence[float]) -> Picture:
    """At each beta, the tempered target on a line with its forward-KL student and its reverse-KL student."""
    tempered = [target.tempered(beta) for beta in betas]
    forward = [GaussianMixture([1.0], one.mean[None], one.covariance[None]) for one in tempered]
    reverse = [reverse_student(one) for one in tempered]
    words = " ".join(
        f"β = {beta:g}: the forward student is {_centre_and_width(f)}, the reverse student {_centre_and_width(r)}."
        for beta, f, r in zip(betas, forward, reverse, strict=True)
    )
    room = {"left": 0.02, "right": 0.98, "bottom": 0.16, "top": 0.86, "wspace": 0.08}
    made, panels = _picture(3.1 * len(betas), 2.7, len(betas), words, **room)
    reach = 4 * np.sqrt(target.covariances[:, 0, 0])
    x = np.linspace((target.means[:, 0] - reach).min(), (target.means[:, 0] + reach).max(), 500)
    top = 1.08 * max(np.exp(one.log_prob(x[:, None])).max() for one in tempered)
    teacher, student = STYLE["teacher"], STYLE["distilled"].colour
    looks = (("p′ tempered", teacher.ink, teacher.colour, ":", 2.4), ("forward KL", student, student, "-", 2.2),
             ("reverse KL", INK, INK, "-.", 1.4))  # fmt: skip
    for axes, beta, *models in zip(panels, betas, tempered, forward, reverse, strict=True):
        axes.set(yticks=[], ylim=(0, top), xlim=(x[0], x[-1]))
        axes.spines["left"].set_visible(False)
        _title(axes, f"β = {beta:g}", loc="left")
        for line, (model, (name, ink, colour, dashes, width)) in enumerate(zip(models, looks, strict=True)):
            axes.plot(x, np.exp(model.log_prob(x[:, None])), color=colour, linestyle=dashes, linewidth=width)
            if axes is panels[0]:
                axes.text(0.98, 0.95 - 0.1 * line, name, color=ink, transform=axes.transAxes, fontsize=9, ha="right")
    return made


def _centre_and_width(gaussian: GaussianMixture) -> str:
    return f"centred at {gaussian.means[0, 0]:.2f} with width {gaussian.covariances[0, 0, 0] ** 0.5:.2f}"
