"""What static and live pictures share: limits of their panels, notebook 01's axis, contours of p*. No drawing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import contourpy
import numpy as np
from numpy.typing import ArrayLike, NDArray

from kdlab.pictures.limits import Limits

if TYPE_CHECKING:
    from kdlab.mixtures.experiment import MixtureSweep
    from kdlab.mixtures.model import GaussianMixture
    from kdlab.mixtures.scenes import Scene
    from kdlab.mixtures.single import Measured

Floats = NDArray[np.float64]
SHARES = (0.99, 0.95, 0.85, 0.7, 0.5, 0.25)  # of p*'s mass inside each contour, outermost first
_MOST_POINTS = 1000  # that a picture shows
_PEAK = np.arange(-4.0, 4.5, 0.5)  # deviations from a mean where a curve is drawn through a narrow mode
_CELLS = 96  # per axis, for contours: interpolating the log density keeps them smooth

STRETCH = 0.3  # nats below the bound of recall where its axis turns from straight to logarithmic
_SHOWN = {"recall": 30.0, "precision": 7.0}  # nats below the bounds that the plane shows; what is worse is on its edge
_ROOM = 0.09  # of an axis, beyond its bound
BEYOND = _ROOM * _SHOWN["recall"]  # nats: the same room on an axis of recall that is not stretched


# A sweep


def space_limits(sweep: MixtureSweep) -> tuple[Limits, Limits]:
    """Limits (x, y) of the space that hold every position of the sweep, so that axes never rescale.

    In 2-D both have the same length (equal aspect in a square). In 1-D y is density, from 0.
    """
    truth, teacher, direct = sweep.scene.truth, sweep.scene.teacher, sweep.direct
    corners = [_boxes(truth.means, truth.covariances, 3.0), _boxes(teacher.means, teacher.covariances, 1.0)]
    corners += [_boxes(direct.means, direct.covariances, 1.0)]
    corners += [_boxes(sweep.student_means, sweep.student_covariances, 2.0)]
    if sweep.scene.points is not None:
        corners.append(np.asarray(sweep.scene.points, float))
    everything = np.concatenate(corners)
    if everything.shape[1] == 2:
        return _square(everything, 0.51)
    x = (float(everything.min()), float(everything.max()))
    return x, (0.0, _highest_density(sweep, x))


def finer(x: Limits) -> int:
    """How many decimals more than those of a space some units wide these limits need to be told as well; or fewer.

    >>> finer((-4.0, 4.0)), finer((0.0, 0.06)), finer((-3000.0, 3000.0))
    (0, 2, -3)
    """
    return round(math.log10(6 / (x[1] - x[0])))


def shown_points(scene: Scene) -> Floats:
    """The points that a picture shows, (n, D): of more than a thousand every second, or third; (0, D) for none."""
    points = np.zeros((0, scene.truth.dim)) if scene.points is None else np.asarray(scene.points, float)
    return points[:: max(1, math.ceil(len(points) / _MOST_POINTS))]


def curve_places(x: Limits, n: int, *mixtures: GaussianMixture) -> Floats:
    """Places to draw densities at: ``n`` evenly spaced, and more where a mode is narrower. The page has this rule."""
    places = [np.linspace(*x, n)]
    for one in mixtures:
        sd = np.sqrt(one.covariances[:, 0, 0])
        narrow = sd < 2 * (x[1] - x[0]) / n
        places += [mean + _PEAK * width for mean, width in zip(one.means[narrow, 0], sd[narrow], strict=True)]
    found = np.sort(np.concatenate(places))
    return found[(found >= x[0]) & (found <= x[1])]


def map_limits(sweep: MixtureSweep) -> tuple[Limits, Limits]:
    """Limits (x, y) of a square that holds every ellipse of the map, and a name beside it."""
    teacher = sweep.scene.teacher
    corners = [_boxes(teacher.means, teacher.covariances, 1.0)]
    return _square(np.concatenate([*corners, _boxes(sweep.student_means, sweep.student_covariances, 1.0)]), 0.64)


def _boxes(means: Floats, covariances: Floats, sigmas: float) -> Floats:
    """Corners, (2 n, D), of the boxes mean +- sigmas * sd: (..., D) and (..., D, D) in."""
    dim = means.shape[-1]
    sd = np.sqrt(np.diagonal(covariances, axis1=-2, axis2=-1))
    return np.concatenate([(means - sigmas * sd).reshape(-1, dim), (means + sigmas * sd).reshape(-1, dim)])


def _square(corners: Floats, reach: float) -> tuple[Limits, Limits]:
    """Limits of a square around points (n, 2): ``reach`` times their longer side to each side of their middle."""
    low, high = corners.min(axis=0), corners.max(axis=0)
    centre, half = (low + high) / 2, reach * float((high - low).max())
    (x0, y0), (x1, y1) = centre - half, centre + half
    return (float(x0), float(x1)), (float(y0), float(y1))


def _highest_density(sweep: MixtureSweep, x_limits: Limits) -> float:
    """The top of the density axis in 1-D: every model's peak fits, but never at the cost of p*'s shape."""
    truth, teacher = sweep.scene.truth, sweep.scene.teacher
    x = curve_places(x_limits, 400, truth, teacher)
    top = float(np.exp(truth.log_prob(x[:, None])).max())
    taught = _peak(x, sweep.teacher_log_weights, teacher.means, teacher.covariances)
    learned = _peak(x, sweep.student_log_weights, sweep.student_means, sweep.student_covariances)
    return 1.06 * max(top, min(max(taught, learned), 4.0 * top))


def _peak(x: Floats, log_weights: Floats, means: Floats, covariances: Floats) -> float:
    """Highest density over x (N,) of mixtures (P, K), (P or 1, K, 1), (P or 1, K, 1, 1)."""
    variances = covariances[..., 0, 0]
    squared = (x[:, None, None] - means[..., 0]) ** 2 / variances  # (N, P, K)
    log_parts = log_weights - 0.5 * (squared + np.log(2 * np.pi * variances))
    return float(np.exp(log_parts).sum(axis=-1).max())


def density_contours(
    mixture: GaussianMixture, x: Limits, y: Limits, shares: Sequence[float] = SHARES
) -> list[tuple[float, list[Floats]]]:
    """Contours of a 2-D density that hold given shares of its mass, e.g. [(0.99, [(n, 2), ...]), ...].

    Shares of mass rather than of height, so that a light mode next to heavy ones is still seen.
    """
    xs, ys = np.linspace(*x, _CELLS), np.linspace(*y, _CELLS)
    grid_x, grid_y = np.meshgrid(xs, ys)
    log_density = mixture.log_prob(np.column_stack([grid_x.ravel(), grid_y.ravel()])).reshape(grid_x.shape)
    # Far below every contour the log density falls to minus infinity; contourpy wants plain numbers.
    log_density = np.maximum(log_density, log_density.max() - 60.0)
    falling = np.sort(log_density.ravel())[::-1]
    mass = np.cumsum(np.exp(falling - falling[0]))
    lines = contourpy.contour_generator(xs, ys, log_density)
    levels = [(share, falling[np.searchsorted(mass, share * mass[-1])]) for share in shares]
    return [(share, [np.asarray(line) for line in lines.lines(level)]) for share, level in levels]


# A single Gaussian by hand (notebook 01)


def single_space_limits(truth: GaussianMixture) -> tuple[Limits, Limits]:
    """Limits of place and density: all of p*, and the peak of a Gaussian as narrow as its narrowest component."""
    sd = np.sqrt(truth.covariances[:, 0, 0])
    reach = float(np.ceil((np.abs(truth.means[:, 0]) + 3 * sd).max()))
    highest = max(math.exp(truth.mode_density()), 1 / (math.sqrt(2 * math.pi) * float(sd.min())))
    return (-reach, reach), (0.0, 1.06 * highest)


def single_plane_limits(measured: Measured) -> tuple[Limits, Limits]:
    """Limits of recall and precision, nats: fixed, both bounds inside, and room beyond them for the bounds' names."""
    recall, precision = measured.recall_bound, measured.precision_bound
    beyond = float(unbend(-_ROOM * bend(recall - _SHOWN["recall"], recall), recall))
    shown = _SHOWN["precision"]
    return (recall - _SHOWN["recall"], beyond), (precision - shown, precision + _ROOM * shown)


def bend(recall: ArrayLike, bound: float) -> Floats:
    """Where a recall stands on the stretched axis: 0 at its bound, below it the logarithm of how far; the same shape.

    Most Gaussians are close to the bound, and a spike is very far: log(1 + distance / STRETCH) has room for both.
    """
    apart = np.asarray(recall, float) - bound
    return np.asarray(np.sign(apart) * np.log1p(np.abs(apart) / STRETCH))


def unbend(place: ArrayLike, bound: float) -> Floats:
    """Undo `bend`: the recall, nats, that stands at a place of the stretched axis."""
    values = np.asarray(place, float)
    return np.asarray(bound + np.sign(values) * STRETCH * np.expm1(np.abs(values)))


def recall_marks(bound: float) -> tuple[float, ...]:
    """Round recalls, nats, to mark on the stretched axis from its left end to shortly below the bound."""
    round_ones = (-50.0, -30.0, -20.0, -10.0, -5.0, -3.0, -2.0, -1.0)
    return tuple(one for one in round_ones if bound - _SHOWN["recall"] <= one <= bound - 0.1)
