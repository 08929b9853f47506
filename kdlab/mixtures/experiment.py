"""From settings to a MixtureSweep: everything there is to show at every position of the slider. Pure: no drawing.

A MixtureSweep is made once. Those of the named scenes are committed as data (kdlab/data), any other takes a
second or two; what is drawn, printed or asserted afterwards all comes from the same numbers.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib.resources import files
from typing import Any, ClassVar, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kdlab.core.format import signed
from kdlab.core.sweep import N_BETAS, PlaneSweep, beta_positions
from kdlab.mixtures.fit import fit_mixture, narrowest_cut
from kdlab.mixtures.judge import COVERED_SHARE, Judge, divergences
from kdlab.mixtures.model import GaussianMixture
from kdlab.mixtures.own import OWN, Teacher, own_scene
from kdlab.mixtures.scenes import NAMED, Scene, make_scene
from kdlab.mixtures.solver.em import Covariance, Students
from kdlab.mixtures.solver.path import Path as StudentPath
from kdlab.mixtures.solver.path import common_samples, sampled_path, solve_path

FloatArray = NDArray[np.float64]

CHOICES: dict[str, Any] = {
    "scene": {
        "line": "Four modes on a line",
        "ring": "The paper's ring",
        "falls": "A hole in the middle",
        "rare": "A rare mode",
        "random": "A random scene",
    },
    "n_components": (1, 2, 3, 4, 8),
    "covariance": ("diag", "full", "spherical"),
    "samples": (None, 100, 1000),
    "seed": (0, 1, 2, 3, 4),
}

_JUMP = 0.05  # nats: a step of precision or recall that the eye may take for a jump
_ONE_DIMENSIONAL = ("line", "falls", f"{OWN}1d")
_SAMPLE_FLOOR = 0.5  # of the narrowest deviation in p*, or in a teacher far narrower: how far students of points shrink


@dataclass(frozen=True)
class Settings:
    """What the controls say. ``samples`` None means the population; ``seed`` draws random scenes and samples.

    Raises ValueError for an unknown scene or family, K'' < 1, fewer than two samples per component, or a
    negative seed.
    """

    scene: str = "line"
    n_components: int = 1
    covariance: Covariance = "diag"
    samples: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if not isinstance(self.scene, str) or not (self.scene in CHOICES["scene"] or self.scene.startswith(OWN)):
            raise ValueError(
                f"scene is {self.scene!r}: choose one of {', '.join(CHOICES['scene'])}, or give a mixture of your "
                "own, or points, as truth"
            )
        if self.covariance not in get_args(Covariance):
            raise ValueError(f"covariance is {self.covariance!r}: choose one of {', '.join(get_args(Covariance))}")
        if not _whole(self.n_components) or self.n_components < 1:
            raise ValueError(f"n_components is {self.n_components!r}: give a whole number from 1")
        if self.samples is not None and (not _whole(self.samples) or self.samples < 2 * self.n_components):
            raise ValueError(
                f"samples is {self.samples!r} for {self.n_components} components: give at least two "
                "points per component, or None for the population"
            )
        if not _whole(self.seed) or self.seed < 0:
            raise ValueError(f"seed is {self.seed!r}: give a whole number from 0")

    @property
    def key(self) -> str:
        """A name for the sweep; settings that cannot matter are left at their defaults."""
        covariance = "diag" if self.scene.startswith(_ONE_DIMENSIONAL) else self.covariance
        seed = self.seed if self.scene == "random" or self.samples is not None else 0
        return f"{self.scene}|{self.n_components}|{covariance}|{self.samples or 'population'}|{seed}"


def _whole(value: object) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


@dataclass(frozen=True)
class Position:
    """One position of the slider: models, and numbers in nats."""

    beta: float
    teacher: GaussianMixture
    student: GaussianMixture
    precision: float
    recall: float
    weight_entropy: float
    effective_components: float
    kl: float
    coverage: FloatArray
    covered: NDArray[np.bool_]
    switched: bool
    sentence: str


@dataclass(frozen=True)
class MixtureSweep(PlaneSweep):
    """A slider's P positions and everything there is to show at each of them. All log-densities in nats.

    ``coverage`` (P, K*) is the share of each mode of p* where p''(x) >= 0.1 p*(x), weighted by the mode's
    mass; ``covered`` says where it is at least half. ``switched`` (P,) marks positions whose student does
    not continue the one before, or whose precision or recall jumps: the path has a gap there.
    ``recall_bound`` is -H(p*), ``precision_bound`` max log p*: bounds, not corners to reach.
    """

    knob: ClassVar[str] = "beta"

    settings: Settings
    scene: Scene
    betas: FloatArray
    teacher_log_weights: FloatArray
    student_log_weights: FloatArray
    student_means: FloatArray
    student_covariances: FloatArray
    direct: GaussianMixture
    direct_precision: float
    direct_recall: float
    precision: FloatArray
    recall: FloatArray
    weight_entropy: FloatArray
    effective_components: FloatArray
    kl: FloatArray
    coverage: FloatArray
    switched: NDArray[np.bool_]
    recall_bound: float
    precision_bound: float

    @property
    def covered(self) -> NDArray[np.bool_]:
        """(P, K*): which modes of p* the student still covers."""
        return self.coverage >= COVERED_SHARE

    @property
    def breaks(self) -> NDArray[np.bool_]:
        """(P,): ``switched``, as the plane calls it."""
        return self.switched

    def at(self, beta: float) -> Position:
        """Everything at the position nearest to ``beta``."""
        i = self.index(beta)
        names = ("precision", "recall", "weight_entropy", "effective_components", "kl")
        students = Students(self.student_log_weights, self.student_means, self.student_covariances)
        return Position(
            beta=float(self.betas[i]),
            teacher=self.scene.teacher.tempered(float(self.betas[i])),
            student=students.model(i),
            coverage=self.coverage[i],
            covered=self.covered[i],
            switched=bool(self.switched[i]),
            sentence=self.sentence(i),
            **{name: float(getattr(self, name)[i]) for name in names},
        )

    def sentence(self, i: int) -> str:
        """What position ``i`` shows, in words and numbers."""
        used, available = self.effective_components[i], self.teacher_log_weights.shape[1]
        modes = self.coverage.shape[1]
        drawn = self.settings.samples is not None or self.settings.n_components == 1  # then it is the points that jump
        jump = "the points jump, and the student with them" if drawn else "the best student is another one"
        gap = f" Here {jump}: its path has a gap." if self.switched[i] else ""
        return (
            f"At β = {self.betas[i]:.2f} the teacher effectively uses {used:.2f} of its {available} components. "
            f"The student covers {int(self.covered[i].sum())} of {modes} modes of p*, with "
            f"precision {signed(self.precision[i])} and recall {signed(self.recall[i])} nats; "
            f"the direct student has {signed(self.direct_precision)} and {signed(self.direct_recall)}.{gap}"
        )


# Making one


def teacher_entropy(
    scene: str | Scene | None = None,
    n_components: int = 1,
    covariance: Covariance = "diag",
    *,
    truth: GaussianMixture | ArrayLike | None = None,
    teacher: Teacher = None,
    n_modes: int | None = None,
    samples: int | None = None,
    seed: int = 0,
    positions: int = N_BETAS,
    progress: Callable[[float], None] | None = None,
) -> MixtureSweep:
    """Return the sweep of section 3: students of teachers whose weights are raised to beta, 1 to 100.

    ``scene`` is "line" (unless told), "ring", "falls", "rare" or "random"; ``n_components`` is K'', ``covariance``
    the student's family. ``samples`` fits students to that many points of each tempered teacher (common random
    numbers along the slider) instead of to the teacher itself. ``progress`` is called with fractions up to 1.

    A world of your own comes as ``truth``: p*, a mixture, or points (N, D) and p* is the mixture of ``n_modes``
    Gaussians fitted to them. ``teacher`` knows p* (None, "truth"), is a mixture, or K' components fitted to p* or the
    points. `own.own_scene` says what can be exact. ``scene=sweep.scene`` makes another sweep of the same world.
    Raises ValueError for settings outside the rules of `Settings`, and for a world that cannot be exact.

    >>> sweep = teacher_entropy("line")
    >>> bool(sweep.at(20).precision > sweep.at(1).precision)
    True
    >>> pair = GaussianMixture([0.7, 0.3], [[0.0], [4.0]], [[[1.0]], [[0.25]]])
    >>> teacher_entropy(truth=pair, positions=11).precision[[0, -1]].round(2)
    array([-2.67, -1.77])
    """
    name, own = _world(scene, truth, teacher, n_modes)
    settings = Settings(name, n_components, covariance, samples, seed)
    told = progress or (lambda fraction: None)
    ready = positions == N_BETAS and is_prepared(settings)
    sweep = _load(settings) if ready else make_sweep(settings, beta_positions(positions), told, own)
    told(1.0)
    return sweep


def _world(scene: Any, truth: Any, teacher: Teacher, n_modes: int | None) -> tuple[str, Scene | None]:
    """The name of a scene, and the scene itself if it is the reader's own."""
    if truth is not None and scene is not None:
        raise ValueError(f"scene is {scene!r} and truth is given too: a sweep is of one world; drop one of the two")
    if truth is None and (teacher is not None or n_modes is not None):
        name = "n_modes" if teacher is None else "teacher"
        raise ValueError(f"{name} is given without truth: give your world's p* as truth, or drop {name}")
    own = scene if truth is None else own_scene(truth, teacher, n_modes)
    if not isinstance(own, Scene):
        return "line" if scene is None else scene, None
    if not own.name.startswith(OWN):
        raise ValueError(f"scene is the Scene {own.name!r}: give its name, or its mixtures as truth and teacher")
    return own.name, own


def is_prepared(settings: Settings) -> bool:
    """Say whether the sweep is committed as data, and so loads in milliseconds."""
    return settings.scene in NAMED and settings.samples is None and settings.n_components in CHOICES["n_components"]


_named = lru_cache(maxsize=32)(make_scene)


def _scene_of(settings: Settings) -> Scene:
    """The named scene of these settings."""
    return _named(settings.scene, settings.seed if settings.scene == "random" else 0)


def _taught(tempered: Sequence[GaussianMixture]) -> dict[str, Any]:
    """What the slider does to a scene's teacher, whatever the student."""
    return {
        "teacher_log_weights": np.stack([one.log_weights for one in tempered]),
        "weight_entropy": np.array([one.weight_entropy for one in tempered]),
        "effective_components": np.array([one.effective_components for one in tempered]),
    }


def make_sweep(
    settings: Settings,
    betas: FloatArray,
    progress: Callable[[float], None] = lambda fraction: None,
    own: Scene | None = None,
) -> MixtureSweep:
    """Compute a sweep at the positions ``betas`` (P,), whether or not it is committed as data; of ``own``, if given."""
    scene = own or _scene_of(settings)
    tempered = [scene.teacher.tempered(float(beta)) for beta in betas]
    path = _students(settings, scene, betas, lambda fraction: progress(0.75 * fraction))
    direct = _direct(settings, scene)
    judge = Judge(scene.truth, reach=path)
    progress(0.8)
    recalls, coverages = judge.recalls_and_coverages(path)
    progress(0.9)
    measured: dict[str, Any] = {
        "precision": judge.precisions(path),
        "recall": recalls,
        "coverage": coverages,
        "kl": divergences(tempered, path),
        "direct": direct,
        "direct_precision": judge.precision(direct),
        "direct_recall": judge.recall(direct),
        **scene.bounds,
    }
    switched = path.switched | _jumps(measured["recall"]) | _jumps(measured["precision"])
    return _assemble(settings, scene, replace(path, switched=switched), betas, measured | _taught(tempered))


def _jumps(values: FloatArray) -> NDArray[np.bool_]:
    """(P,): where a step is over 0.05 nats and four times the median of the eight around it, or both beside it.

    A component too light for the likelihood to hold in place may change its place; recall feels that.
    """
    steps = np.abs(np.diff(values))
    if len(steps) < 2:
        return np.zeros(len(values), dtype=bool)
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(steps, 4, constant_values=np.nan), 9)
    usual = np.minimum(np.nanmedian(np.delete(windows, 4, axis=1), axis=1), np.nanmax(windows[:, [3, 5]], axis=1))
    return np.append(False, steps > np.maximum(_JUMP, 4 * usual))


def _assemble(
    settings: Settings, scene: Scene, path: StudentPath, betas: FloatArray, measured: dict[str, Any]
) -> MixtureSweep:
    return MixtureSweep(
        settings=settings,
        scene=scene,
        betas=betas,
        student_log_weights=path.log_weights,
        student_means=path.means,
        student_covariances=path.covariances,
        switched=path.switched,
        **measured,
    )


def _students(settings: Settings, scene: Scene, betas: FloatArray, progress: Callable[[float], None]) -> StudentPath:
    if settings.samples is None:
        return solve_path(scene.teacher, settings.n_components, settings.covariance, betas, progress)
    rng = np.random.default_rng([settings.seed, 1])
    clouds = common_samples(scene.teacher, betas, settings.samples, rng)
    narrow, taught = narrowest_cut(scene.truth), narrowest_cut(scene.teacher)
    floor = (_SAMPLE_FLOOR * (taught if taught < _SAMPLE_FLOOR * narrow else narrow)) ** 2
    return sampled_path(clouds, settings.n_components, settings.covariance, floor, progress)


def _direct(settings: Settings, scene: Scene) -> GaussianMixture:
    """The student that never met the teacher: fitted to the data, to p*, or to as many points of p*."""
    target: Any = scene.truth if scene.points is None else scene.points
    floor = (_SAMPLE_FLOOR * narrowest_cut(scene.truth)) ** 2
    if settings.samples is not None and scene.points is None:
        target = scene.truth.sample(settings.samples, np.random.default_rng([settings.seed, 2]))
    return fit_mixture(target, settings.n_components, covariance=settings.covariance, covariance_floor=floor).model


# Committed data

MEASURED = "precision recall coverage kl direct_precision direct_recall recall_bound precision_bound".split()


def _load(settings: Settings) -> MixtureSweep:
    source = files("kdlab") / "data" / f"sweeps-{settings.scene}.npz"
    if not source.is_file():
        raise FileNotFoundError(f"{source.name} is missing from kdlab/data: install kdlab again, or run `make sweeps`")
    with source.open("rb") as file, np.load(file) as data:

        def stored(names: Iterable[str]) -> list[Any]:
            return [data[f"{settings.key}|{name}"] for name in names]

        path = StudentPath(*stored(["log_weights", "means", "covariances", "switched"]))
        direct = GaussianMixture.from_log_weights(*stored(["direct_log_weights", "direct_means", "direct_covariances"]))
        measured = {name: value[()] for name, value in zip(MEASURED, stored(MEASURED), strict=True)}
    scene, betas = _scene_of(settings), beta_positions()
    taught = _taught([scene.teacher.tempered(float(beta)) for beta in betas])
    return _assemble(settings, scene, path, betas, {"direct": direct, **measured, **taught})
