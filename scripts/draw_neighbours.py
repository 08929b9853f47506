"""Draw a plane for each of the eight neighbours: writes notebooks/figures/neighbours.png (some forty seconds).

python scripts/draw_neighbours.py

Six have a sweep over their knob. The other two are trained here as in their notebooks: online distillation over its
module's rank, self-features over the weight of the penalty, eight seeds each.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from kdlab.core.files import written_whole
from kdlab.neighbours import (
    mixture_gradient,
    mixup,
    online_teacher,
    score_distillation,
    self_features,
    target_domain,
    teacher_selection,
    variance_reduction,
)
from kdlab.neighbours.comparison import Comparison, Fixed
from kdlab.neighbours.plots import gallery
from kdlab.ngrams.objectives import compare_objectives
from kdlab.pictures.figure import png

PLACE = Path(__file__).resolve().parents[1] / "notebooks" / "figures" / "neighbours.png"
SEEDS, RANKS, WEIGHTS = 8, (4, 8, 16, 26), (0.0, 0.25, 0.5, 1.0, 2.0, 4.0)
STANDS = (0.3, 4, 16, 0.65, 0.5, 1, 100, 0.5)  # where each student's dot stands, as its notebook has it


def comparisons() -> list[Comparison]:
    """One comparison for each work, in the order of the page's table."""
    return [
        score_distillation.sweep(),
        online(),
        mixture_gradient.sweep(),
        variance_reduction.sweep(np.random.default_rng(0)),
        target_domain.sweep(np.random.default_rng(0)),
        penalised(),
        teacher_selection.sweep(np.random.default_rng(0)),
        mixup.sweep(),
    ]


def online() -> Comparison:
    """Online distillation over its module's rank, beside students of fixed teachers."""
    names = online_teacher.world()
    path = []
    for rank in RANKS:
        each = [
            online_teacher.distil(names, online_teacher.Recipe(rank=rank), rng=rng)
            for rng in np.random.default_rng(0).spawn(SEEDS)
        ]
        path.append((np.mean([one.precision for one in each]).item(), np.mean([one.recall for one in each]).item()))
    forward, _, _, reverse, on_policy = compare_objectives(names.truth, names.teacher, 1, 1.0)
    recipe = online_teacher.Recipe(beta=3, data=1.0)
    sharper = online_teacher.distil(names, recipe, rng=np.random.default_rng(1))
    others = [
        Fixed("forward", forward.precision, forward.recall),
        Fixed("on-policy", on_policy.precision, on_policy.recall),
        Fixed("sharper teacher, with data", sharper.precision, sharper.recall),
    ]
    return on_names(
        "online_teacher",
        "A module in the teacher, rank 4 to 26",
        "rank of the module",
        RANKS,
        path,
        Fixed("reverse", reverse.precision, reverse.recall),
        others,
        own="module, rank 4",
    )


def penalised() -> Comparison:
    """Self-features over the penalty's weight, 400 steps on 200 names, beside its controls."""

    def mean(name: str, way: self_features.Way, end: str = "late") -> Fixed:
        runs = self_features.train(200, way, rng=np.random.default_rng(0), seeds=SEEDS)
        return Fixed(name, *self_features.numbers(getattr(runs, end), truth).mean(axis=1).tolist())

    truth = online_teacher.world().truth
    path = [mean("plain", self_features.Way(weight)) for weight in WEIGHTS]
    controls = [mean(name, self_features.WAYS[name]) for name in ("shuffled", "smoothing")]
    return on_names(
        "self_features",
        "Deep features for shallow, 200 names",
        "weight of the penalty",
        WEIGHTS,
        [(one.precision, one.recall) for one in path],
        path[0],
        [*controls, mean("plain, stopped early", self_features.Way(), "early")],
        own="self",
    )


def on_names(
    name: str,
    title: str,
    knob: str,
    dials: Sequence[float],
    path: Sequence[tuple[float, float]],
    plain: Fixed,
    others: Sequence[Fixed],
    *,
    own: str,
) -> Comparison:
    """A comparison of students of first names (p*: order 3) from pairs of precision and recall."""
    truth = online_teacher.world().truth
    precision, recall = np.array(path).T
    return Comparison(
        name=name,
        title=title,
        knob_name=knob,
        dials=np.array(dials, dtype=float),
        precision=precision,
        recall=recall,
        direct_precision=plain.precision,
        direct_recall=plain.recall,
        precision_bound=float(truth.most_likely()[1]),
        recall_bound=-truth.entropy,
        curves={"recall": recall},
        curve_unit="nats",
        said=("",) * len(dials),
        marks=(),
        start=dials[0],
        own=own,
        plain=plain.name,
        others=tuple(others),
    )


if __name__ == "__main__":
    with written_whole(PLACE) as temporary:
        temporary.write_bytes(png(gallery(comparisons(), STANDS)))
    print(PLACE)
