"""A world that the reader draws: notebook your_own_world's live picture, and the page own.html of the site.

The page computes everything itself, in a worker (mixtures/own_worker.js): teacher, student, the path over beta,
precision and recall, with no kernel on the path. Python hears of the world when the hand rests, and is the truth:
`OwnView.sweep` is what `mixtures.teacher_entropy` makes of it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import traitlets

from kdlab.mixtures.challenges import CHALLENGES
from kdlab.mixtures.experiment import CHOICES, MixtureSweep, Settings, teacher_entropy
from kdlab.mixtures.model import GaussianMixture
from kdlab.mixtures.own import own_scene
from kdlab.mixtures.scenes import NAMED, Scene, make_scene
from kdlab.mixtures.solver.em import Covariance
from kdlab.pictures.live import LiveView, front_end, still_name

REACH = {"line": 5.0, "ring": 2.0, "falls": 4.0, "rare": 3.6, "random": 3.6}  # of the space shown, to each side
SCRIPTS = (
    "pictures/plane.js", "mixtures/measure.js", "mixtures/contours.js", "mixtures/fit.js", "mixtures/path.js",
    "mixtures/own_worker.js", "mixtures/world.js", "mixtures/share.js", "mixtures/own_space.js",
    "mixtures/challenges.js", "mixtures/view_own.js",
)  # fmt: skip
MOST_COMPONENTS = 8  # of a student, or a fitted teacher, that the page offers: world.js has the same
QUESTIONS = {  # that an address may ask, by the name of the challenge that stands below the picture then
    "falls": {
        "question": "p* stays as it is. Which teacher makes precision fall as β rises? Guess, then try them.",
        "options": ["one that knows p*", "one that was fitted with few components", "one that is wrong about a mode"],
        "outcome": "try each of them in the menu of teachers; the list below says how far precision falls with it.",
    }
}


def draw(
    scene: str | None = None,
    n_components: int = 1,
    covariance: Covariance = "diag",
    *,
    truth: GaussianMixture | None = None,
    teacher: GaussianMixture | int | None = None,
    predict: Mapping[str, Any] | None = None,
) -> OwnView:
    """Show a world whose p* can be changed by hand; in a notebook, make this the last line of a cell.

    It begins as the scene of that name ("line" unless told), or as ``truth`` with its ``teacher``: None, a mixture, or
    a number of components fitted to ``truth``. ``predict`` covers the picture until the reader commits a guess, as in
    `show`. Raises ValueError for settings outside the rules of `teacher_entropy`, and for more than 8 components.
    """
    settings = Settings("line" if truth is not None else scene or "line", n_components, covariance)
    if truth is not None and scene is not None:
        raise ValueError(f"scene is {scene!r} and truth is given too: a drawing begins as one; drop one of the two")
    if truth is None and teacher is not None:
        raise ValueError("teacher is given without truth: give p* as truth too, or choose a teacher on the page")
    if truth is not None and not isinstance(truth, GaussianMixture):
        raise ValueError(
            f"truth is a {type(truth).__name__}: drawing begins with a GaussianMixture; for points give a fit, such as "
            "fit_mixture(points, 4).model"
        )
    fitted = None if isinstance(teacher, GaussianMixture) else teacher
    if max(n_components, fitted or 1) > MOST_COMPONENTS:
        raise ValueError(
            f"n_components is {n_components}, teacher {fitted or 1}: choose from 1 to {MOST_COMPONENTS} components"
        )
    begun = make_scene(settings.scene) if truth is None else own_scene(truth, teacher)
    world = world_of(begun, n_components, covariance)
    return OwnView(world | ({"teacher": {"kind": "fitted", "n": fitted}} if fitted else {}), predict)


class OwnView(LiveView):
    """A world that the reader draws. Make it with `draw`.

    Traits are what Python and the page share; mixtures/view_own.js and world.js say what each is for.
    """

    _esm = front_end(*SCRIPTS)

    world = traitlets.Dict().tag(sync=True)
    opened = traitlets.Dict().tag(sync=True)
    scenes = traitlets.Dict().tag(sync=True)
    challenges: Any = traitlets.List().tag(sync=True)
    questions = traitlets.Dict(QUESTIONS).tag(sync=True)
    addressed = traitlets.Bool(False).tag(sync=True)  # whether the page's own address may hold the world

    def __init__(self, world: Mapping[str, Any], predict: Mapping[str, Any] | None = None, **traits: Any) -> None:
        self._made: tuple[str, MixtureSweep] | None = None
        scenes = {name: {"title": CHOICES["scene"][name], "world": world_of(make_scene(name))} for name in NAMED}
        sent = [{name: getattr(one, name) for name in _SENT} for one in CHALLENGES.values()]
        super().__init__(predict, world=dict(world), opened=dict(world), scenes=scenes, challenges=sent, **traits)

    @traitlets.validate("world")
    def _check_world(self, proposal: Mapping[str, Any]) -> dict[str, Any]:
        """A world that Python can make as well, or ValueError."""
        world = dict(proposal["value"])
        try:
            mixture_of(world["modes"])
            Settings("line", world["n"], world["family"])
        except (KeyError, TypeError) as error:
            raise ValueError(f"world is {world}, which is none ({error!r}): give what world_of(scene) makes") from None
        return world

    # What a notebook may ask

    @property
    def truth(self) -> GaussianMixture:
        """p* as it is drawn now, as far as the page has told; the page tells when the hand rests."""
        return mixture_of(self.world["modes"])

    @property
    def sweep(self) -> MixtureSweep:
        """Everything there is to show of this world along the slider, exactly, by Python: seconds the first time."""
        key = json.dumps({**self.world, "beta": None}, sort_keys=True)
        if self._made is None or self._made[0] != key:
            self._made = key, _swept(self.world)
        return self._made[1]

    def check(self, name: str, *others: MixtureSweep) -> Any:
        """Say how far this world is from a challenge, exactly. ValueError for a name that is none."""
        if name not in CHALLENGES:
            raise ValueError(f"the challenge is {name!r}: choose one of {', '.join(CHALLENGES)}")
        return CHALLENGES[name].check(self.sweep, *others)

    @property
    def sentence(self) -> str:
        """What the world shows at its position of the slider."""
        return self.sweep.sentence(self.sweep.index(self.world["beta"]))

    def still_name(self) -> str:
        """The name of the PNG that `drawn` draws, by all that it shows."""
        return still_name(f"own|{self.sweep.settings.key}", [self.sentence, *self.sweep.sentences])

    def drawn(self) -> bytes:
        """Draw the world at its position of the slider as a PNG."""
        from kdlab.mixtures import plots  # here: the first slider must not wait for matplotlib
        from kdlab.pictures.figure import png

        return png(plots.figure(self.sweep, self.world["beta"], path=self.prediction is None))


_SENT = ("name", "title", "task", "what", "wanted", "most", "unit")  # of a challenge


def _swept(world: Mapping[str, Any]) -> MixtureSweep:
    """The sweep of a world: a named scene's own, which is there at once, where the world is one."""
    n, covariance = world["n"], world["family"]
    for name in NAMED:
        if {**world, "beta": 1.0} == world_of(make_scene(name), n, covariance):
            return teacher_entropy(name, n, covariance)
    kind = world["teacher"]["kind"]
    taught = {"truth": None, "fitted": world["teacher"].get("n")}.get(kind)
    teacher = mixture_of(world["teacher"]["modes"]) if kind == "edited" else taught
    return teacher_entropy(truth=mixture_of(world["modes"]), teacher=teacher, n_components=n, covariance=covariance)


# A world as the page has it


def modes_of(mixture: GaussianMixture) -> list[dict[str, Any]]:
    """A mixture's components as the page has them: {at, widths, tilt, weight}, as mixtures/world.js says."""
    modes = []
    for weight, mean, covariance in zip(mixture.weights, mixture.means, mixture.covariances, strict=True):
        variances, axes = np.linalg.eigh(covariance)
        upright = mixture.dim == 1 or covariance[0, 1] == 0
        widths = np.sqrt(np.diagonal(covariance) if upright else variances[::-1])
        tilt = 0.0 if upright else math.atan2(*axes[::-1, 1])
        modes.append({"at": mean.tolist(), "widths": widths.tolist(), "tilt": tilt, "weight": float(weight)})
    return modes


def mixture_of(modes: list[dict[str, Any]]) -> GaussianMixture:
    """The same back: the modes of a world as a mixture."""
    weights = np.array([mode["weight"] for mode in modes], float)
    covariances = []
    for mode in modes:
        c, s = math.cos(mode["tilt"]), math.sin(mode["tilt"])
        turn = np.array([[c, -s], [s, c]]) if len(mode["widths"]) == 2 else np.eye(1)
        covariances.append((turn * np.square(mode["widths"])) @ turn.T)
    return GaussianMixture(weights / weights.sum(), [mode["at"] for mode in modes], covariances)


def world_of(scene: Scene, n_components: int = 1, covariance: str = "diag") -> dict[str, Any]:
    """A scene as a world of the page."""
    known = scene.teacher is scene.truth
    return {
        "dim": scene.truth.dim,
        "reach": REACH.get(scene.name) or _reach(scene),
        "modes": modes_of(scene.truth),
        "teacher": {"kind": "truth"} if known else {"kind": "edited", "modes": modes_of(scene.teacher)},
        "n": n_components,
        "family": covariance,
        "beta": 1.0,
    }


def _reach(scene: Scene) -> float:
    """How far the space of a reader's own scene goes to each side: beyond two deviations of every mode."""
    models = (scene.truth, scene.teacher)
    corners = [np.abs(one.means) + 2 * np.sqrt(np.diagonal(one.covariances, axis1=1, axis2=2)) for one in models]
    return float(np.ceil(11 * max(one.max() for one in corners)) / 10)
