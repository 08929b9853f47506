"""A world of the reader's own, a mixture, or points and the mixture fitted to them, made into a Scene.

Everything is checked here, before any student is made; what cannot be exact within seconds is refused with the reason.
"""

import hashlib
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kdlab.core.arrays import unmasked
from kdlab.mixtures.fit import fit_mixture, narrowest_cut
from kdlab.mixtures.model import GaussianMixture
from kdlab.mixtures.scenes import Scene

FloatArray = NDArray[np.float64]
Teacher = GaussianMixture | int | str | None

OWN = "own-"  # how the names of such scenes begin
MOST_MODES, MOST_POINTS = 12, 10_000  # so many points take twelve modes a dozen seconds
REACH = {1: 900, 2: 23}  # narrowest widths that half a world may be wide, in D dimensions: grids must see both
_FAR, _UNITS = 1e6, 1e50  # narrowest widths from zero; the largest number, and one over the least
_LIGHTEST = 1e-12  # a lighter mode is lost in the rounding of the others
_FLOOR = {1: 1 / 50, 2: 1 / 10}  # of half the points' range: the least width of a mode fitted to them; keeps `REACH`
_UNEVEN = 3  # one column's deviation over the other's: the floor is the same along both
_POINTS_PER_MODE = 5


def own_scene(truth: GaussianMixture | ArrayLike, teacher: Teacher = None, n_modes: int | None = None) -> Scene:
    """Return the scene of a mixture p*, or of points (N, D) whose p* is ``n_modes`` full Gaussians fitted to them.

    ``teacher`` is None or "truth" (it knows p*), a mixture, or K', a number of diagonal components fitted to p*, or to
    the points where there are some. D is 1 or 2. Modes lighter than 1e-12 are left out; no mode fitted to points is
    narrower than a tenth of half their range (on a line, a fiftieth). The name holds a digest of all numbers. Raises
    ValueError for what is no mixture and no table of numbers, for more than 12 modes, and where half the world is more
    than 900 (on a line) or 23 (in the plane) times as wide as the standard deviation of its narrowest mode.

    >>> own_scene(GaussianMixture([0.5, 0.5], [[-1.0], [1.0]], [[[0.1]], [[0.1]]])).title
    'Your world'
    """
    points, floor = None, None
    if not isinstance(truth, GaussianMixture):
        points = _checked_points(truth, n_modes)
        floor = (_FLOOR[points.shape[1]] * float(np.ptp(points, axis=0).max()) / 2) ** 2
        truth = fit_mixture(points, int(n_modes or 1), covariance="full", covariance_floor=floor).model
    elif n_modes is not None:
        raise ValueError(f"n_modes is {n_modes!r} beside a mixture, which has modes of its own: drop it")
    truth = _checked(truth, "truth")
    _require_exact(truth)
    if teacher is None or (isinstance(teacher, str) and teacher == "truth"):
        teacher = truth
    elif isinstance(teacher, GaussianMixture):
        teacher = _checked(teacher, "teacher")
        if teacher.dim != truth.dim:
            raise ValueError(f"teacher lives in {teacher.dim}-D and p* in {truth.dim}-D: give both in one space")
        _require_exact(truth, teacher)
    else:
        size = _checked_size(teacher, "teacher", " components, a GaussianMixture, or 'truth' for one that knows p*")
        teacher = fit_mixture(truth if points is None else points, size, covariance_floor=floor).model
    return Scene(_name(truth, teacher, points), "Your world", truth, teacher, points)


def _name(truth: GaussianMixture, teacher: GaussianMixture, points: FloatArray | None) -> str:
    """What such a scene is called: its dimension, and eight digits that all its numbers decide."""
    arrays = [array for one in (truth, teacher) for array in (one.log_weights, one.means, one.covariances)]
    arrays += [] if points is None else [points]
    numbers = b"".join(str(array.shape).encode() + (array + 0.0).tobytes() for array in arrays)  # -0 is 0
    return f"{OWN}{truth.dim}d-{hashlib.sha256(numbers).hexdigest()[:8]}"


# Mixtures


def _checked(model: GaussianMixture, role: str) -> GaussianMixture:
    """The mixture without modes that weigh next to nothing."""
    kept = model.weights >= _LIGHTEST
    if not kept.all():
        model = GaussianMixture.from_log_weights(model.log_weights[kept], model.means[kept], model.covariances[kept])
    if model.dim > 2:
        raise ValueError(
            f"{role} lives in {model.dim} dimensions: exact numbers and pictures need 1 or 2; choose two, as in "
            "GaussianMixture(p.weights, p.means[:, :2], p.covariances[:, :2, :2])"
        )
    if model.n_components > MOST_MODES:
        raise ValueError(
            f"{role} has {model.n_components} modes: up to {MOST_MODES} can be told apart, and made in seconds; keep "
            f"the heaviest, or give {role}.sample(2000, rng) as truth with n_modes={MOST_MODES}"
        )
    return model


def _require_exact(*models: GaussianMixture) -> None:
    """Raise ValueError where widths and places, of all models together, are too different for one grid."""
    means, dim = np.concatenate([one.means for one in models]), models[0].dim
    widths = np.sqrt(np.concatenate([np.diagonal(one.covariances, axis1=1, axis2=2) for one in models]))
    narrow, far = min(map(narrowest_cut, models)), float(np.abs(means).max())
    reach = float(((means + widths).max(axis=0) - (means - widths).min(axis=0)).max()) / 2
    if reach > REACH[dim] * narrow:
        raise ValueError(
            f"half the world is {reach:.4g} wide and its narrowest mode {narrow:.4g} (standard deviation): up to "
            f"{REACH[dim]:,} times as much can be laid out exactly in {dim}-D, in seconds; make that mode wider, leave "
            "it out, or bring the modes nearer to each other"
        )
    if far > _FAR * narrow or min(1 / reach, narrow) < 1 / _UNITS:
        raise ValueError(
            f"the world lies up to {far:.3g} from zero, and its narrowest mode is {narrow:.3g} wide: numbers have too "
            "few digits for that; subtract the mean, and choose units in which the modes are about 1 wide"
        )


# Points


def _checked_size(size: Any, name: str, advice: str) -> int:
    if isinstance(size, bool) or not isinstance(size, int | np.integer) or not 1 <= size <= MOST_MODES:
        raise ValueError(f"{name} is {size!r}: give a whole number from 1 to {MOST_MODES}{advice}")
    return int(size)


def _numbers(values: Any) -> FloatArray:
    """A copy of whatever numpy reads as numbers, such as a DataFrame, its columns in order."""
    problem = ""
    try:
        table = np.asarray(unmasked(values, "points"))
        if table.dtype.kind in "biufO":
            return np.array(table, dtype=float)
    except (TypeError, ValueError) as error:
        problem = f" ({error})"
    raise ValueError(
        f"truth is a {type(values).__name__} that is no table of numbers{problem}: give a GaussianMixture, or points "
        "(N, D) without text and dates, as df[['x', 'y']] chooses them"
    )


def _checked_points(values: Any, n_modes: int | None) -> FloatArray:
    """(N, D) of finite numbers, enough of them and not too many, in columns that a common width makes sense for."""
    points = _numbers(values)
    if points.ndim != 2 or points.shape[1] not in (1, 2):
        raise ValueError(
            f"points have shape {points.shape}: give (N, 1) or (N, 2); x.reshape(-1, 1) makes rows of a vector, and "
            "points[:, [0, 1]], or df[['x', 'y']], chooses two columns"
        )
    size = _checked_size(n_modes, "n_modes", ": p* is the mixture of so many Gaussians fitted to the points")
    if not np.isfinite(points).all():
        row = int(np.flatnonzero(~np.isfinite(points).all(axis=1))[0])
        raise ValueError(f"point {row} is {points[row].tolist()}: drop such rows, as df.dropna() does, or mend them")
    if not _POINTS_PER_MODE * size <= len(points) <= MOST_POINTS:
        raise ValueError(
            f"{len(points):,} points for n_modes={size}: bring from {_POINTS_PER_MODE * size} (5 for each mode) to "
            f"{MOST_POINTS:,}; rng.choice(points, {MOST_POINTS}, replace=False) keeps so many of more, by chance"
        )
    spread = points.std(axis=0)
    if not 0 < spread.max() <= _UNEVEN * spread.min():
        raise ValueError(
            f"the columns have standard deviations {spread.tolist()}: one may be up to {_UNEVEN} times as wide as the "
            "other, and none constant, or the plane is a line; drop a column, or divide each by its deviation"
        )
    points.setflags(write=False)
    return points
