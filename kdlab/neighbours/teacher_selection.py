"""Reinforced teacher selection: which teacher should a student hear, on which text?

Yuan et al., "Reinforced multi-teacher selection for knowledge distillation" (arXiv 2012.06048): weights that a policy
learns for each training example teach better students than equal, fixed ones.

Sentences are replaced by one letter in each of four regions, networks by tables, what the policy sees by the region.
Exact is all but what is drawn, for S seeds: teachers (S, K, R, V), letters' probabilities given the region, and labels
(S, R, V), counted. We could read the abstract, the opening and summaries of the work: formulas are our reading.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kdlab.core.metrics import log_sum_exp
from kdlab.neighbours.comparison import Comparison, Fixed

FloatArray = NDArray[np.float64]
World = tuple[FloatArray, NDArray[np.int64]]  # teachers and labels

_ROW = np.array([0.45, 0.25, 0.14, 0.08, 0.05, 0.03])
TRUTH: FloatArray = np.stack([np.roll(_ROW, turn) for turn in (0, 1, 3, 4)])  # p*(letter | region), (R, V)
REGIONS, LETTERS = TRUTH.shape  # there are as many teachers as regions: K = R
READING, STEPS, RATE, SWIFT = 100, 1_000, 10.0, 0.3 * LETTERS  # letters read of a region; steps of policy and student


@dataclass(frozen=True)
class Student:
    """Precision and recall (S,) in nats per letter, the region given: means over regions, exact."""

    precision: FloatArray
    recall: FloatArray


def make_world(difference: float, n_labels: int, rng: np.random.Generator, *, seeds: int = 48) -> World:
    """Draw teachers that have each read 100 letters of every region, and ``n_labels`` labels; each region as often.

    What teacher k reads in region r is p* of r and, in a share ``difference`` (0 to 1), p* of region k, its home: at 1
    it says everywhere what is right at home. Raises ValueError for a difference outside, and for no labels or seeds.
    """
    if not 0 <= difference <= 1 or min(n_labels, seeds) < 1:
        raise ValueError(f"{difference=}, {n_labels=}, {seeds=}: choose 0 to 1 for the first, 1 or more for the others")
    read = (1 - difference) * TRUTH + difference * TRUTH[:, None]
    teachers = _rows(rng.multinomial(READING, read, size=(seeds, REGIONS, REGIONS)))
    return teachers, rng.multinomial(n_labels, TRUTH.ravel() / REGIONS, size=seeds).reshape(-1, REGIONS, LETTERS)


def _rows(counts: NDArray[np.int64]) -> FloatArray:
    return np.asarray((counts + 0.5) / (counts + 0.5).sum(axis=-1, keepdims=True))  # half a letter: none is impossible


def measure(rows: FloatArray) -> Student:
    """Return E_{letter ~ student}[log p*] and E_{letter ~ p*}[log student] of students' rows (S, R, V)."""
    return Student((rows * np.log(TRUTH)).sum(axis=-1).mean(axis=-1), (TRUTH * np.log(rows)).sum(axis=-1).mean(axis=-1))


def learned(
    world: World, rng: np.random.Generator, *, reward: str = "labels", share: float = 0.0, look: tuple[int, ...] = ()
) -> FloatArray:
    """Return the policy's weights (T + 1, S, R, K) at the steps ``look`` and after the last of 1,000.

    In each step and region the policy, softmax(a[r]), picks one teacher (the work: any number); the student, a softmax
    table, steps along the gradient of its cross-entropy to that teacher's row. REINFORCE moves a: by how much likelier
    the labels have become on average ("labels"), or by minus that cross-entropy ("imitation"). With a ``share`` (from 0
    to below 1) of each target the student learns the labels too. ValueError for another reward or share.
    """
    if reward not in ("labels", "imitation") or not 0 <= share < 1:
        raise ValueError(f"reward is {reward!r}, share {share}: choose labels or imitation, and a share in [0, 1)")
    teachers, labels = world
    counted, logs = labels / labels.sum(axis=(1, 2), keepdims=True), np.full(labels.shape, -np.log(LETTERS))
    a, usual, kept = np.zeros((len(teachers), REGIONS, REGIONS)), np.zeros(len(teachers)), []
    for step in range(STEPS + 1):
        weights = np.exp(a - log_sum_exp(a)[..., None])
        if step in look or step == STEPS:
            kept.append(weights)
        picked = np.eye(REGIONS)[(rng.random((len(a), REGIONS, 1)) > weights.cumsum(axis=-1)[..., :-1]).sum(axis=-1)]
        target = (1 - share) * np.einsum("srk,skrv->srv", picked, teachers) + share * _rows(labels)
        table = logs + SWIFT * (target - np.exp(logs))
        after = table - log_sum_exp(table)[..., None]
        gain = (counted * (after - logs) if reward == "labels" else target * logs / REGIONS).sum(axis=(1, 2))
        a = (a + RATE * (gain - usual)[:, None, None] * (picked - weights)).round(6)  # else the last digits grow
        usual, logs = usual + 0.05 * (gain - usual), after
    return np.array(kept)


def rules(world: World) -> dict[str, FloatArray]:
    """Return weights (S, R, K) that nobody trains: "equal", "at home" (told who is right), and three from the labels.

    In a region "likeliest" hears the teacher under whom its labels are likeliest, "posterior" all in proportion to
    that likelihood (Bayes' rule from equal odds); "best single" is the likeliest for all labels together.
    """
    scores = np.einsum("srv,skrv->srk", world[1], np.log(world[0]))
    one, whole = np.eye(REGIONS), np.ones((len(scores), REGIONS, 1))
    return {
        "equal": np.full(scores.shape, 1 / REGIONS),
        "best single": whole * one[scores.sum(axis=1).argmax(axis=-1)][:, None],
        "likeliest": one[scores.argmax(axis=-1)],
        "posterior": np.exp(scores - log_sum_exp(scores)[..., None]),
        "at home": whole * one,
    }


def compare(world: World, policy: FloatArray) -> dict[str, Student]:
    """Return the students that weights (S, R, K), "learned", and `rules` end in: means; and a table of "labels alone".

    >>> world = make_world(1.0, 200, np.random.default_rng(0))
    >>> students = compare(world, learned(world, np.random.default_rng(1))[-1])
    >>> bool(students["learned"].recall.mean() > students["equal"].recall.mean())
    True
    """
    weights = {"learned": policy, **rules(world)}
    students = {name: measure(np.einsum("srk,skrv->srv", w, world[0])) for name, w in weights.items()}
    return students | {"labels alone": measure(_rows(world[1]))}


def at_home(weights: FloatArray) -> FloatArray:
    """Return the weight on the teacher who is right, a mean over regions: (..., R, K) to (...,)."""
    return np.asarray(np.diagonal(weights, axis1=-2, axis2=-1).mean(axis=-1))


def sweep(rng: np.random.Generator, *, seeds: int = 48) -> Comparison:
    """Return the learned student, a mean over seeds, from 2 to 100 labels; teachers differ wholly and stay the same."""
    dials, seed = np.r_[2:20:2, 20:105:5].astype(float), int(rng.integers(2**31))
    worlds = [make_world(1.0, int(n), np.random.default_rng(seed), seeds=seeds) for n in dials]
    weights = [[*learned(world, rng, look=(10, 50)), rules(world)["likeliest"]] for world in worlds]
    found = [compare(world, w[2]) for world, w in zip(worlds, weights, strict=True)]
    means = {k: np.array([(one[k].precision.mean(), one[k].recall.mean()) for one in found]) for k in found[0]}
    own, equal, settling = means["learned"], means["equal"][-1], at_home(np.array(weights)).mean(axis=-1).T
    said = tuple(f"{n:.0f} labels: {w:.2f} on the right teacher." for n, w in zip(dials, settling[2], strict=True))
    return Comparison(
        name="teacher_selection",
        title="Whom to hear: a policy that labels reward",
        knob_name="labels",
        dials=dials,
        precision=own[:, 0],
        recall=own[:, 1],
        direct_precision=equal[0],
        direct_recall=equal[1],
        precision_bound=float(np.log(TRUTH.max())),
        recall_bound=float(measure(TRUTH).recall),
        curves=dict(zip(("after 1,000", "after 50", "after 10", "likeliest"), settling[[2, 1, 0, 3]], strict=True)),
        curve_unit="weight on the right teacher, by steps",
        said=said,
        marks=(2, 20, 40, 60, 80, 100),
        start=20,
        own="learned",
        plain="equal weights",
        others=tuple(Fixed(name, *means[name][-1]) for name in ("best single", "at home")),
    )
