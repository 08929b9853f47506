"""What a neighbour gives to a picture: students along one knob, others beside them, and curves over the knob."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from kdlab.core.format import signed
from kdlab.core.sweep import PlaneSweep
from kdlab.pictures.limits import ROOMY, Limits, with_margin

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Fixed:
    """A student, or a teacher, that the knob does not move: its name, and both numbers in nats."""

    name: str
    precision: float
    recall: float


@dataclass(frozen=True)
class Comparison(PlaneSweep):
    """Students of one work along its knob, P of them, beside the plain student and others; numbers in nats.

    ``dials`` (P,) are the knob's values, rising; ``knob_name`` says what it is ("noise assumed"), ``marks`` are the
    round values under the slider, ``start`` is where it stands at first. ``precision`` and ``recall`` (P,) are those
    of the work's own student, which the picture calls ``own``; ``direct_precision`` and ``direct_recall`` those of
    the ``plain`` one. ``others`` stay where they are. ``curves`` are what is drawn over the knob, {name: (P,)}, in
    the unit that ``curve_unit`` says, four at most. ``said`` are P sentences. Raises ValueError where lengths differ,
    a number is not finite, or there is nothing to move or to draw.
    """

    knob: ClassVar[str] = "dial"

    name: str
    title: str
    knob_name: str
    dials: FloatArray
    precision: FloatArray
    recall: FloatArray
    direct_precision: float
    direct_recall: float
    precision_bound: float
    recall_bound: float
    curves: Mapping[str, FloatArray]
    curve_unit: str
    said: tuple[str, ...]
    marks: tuple[float, ...]
    start: float
    own: str = "distilled"
    plain: str = "plain"
    others: tuple[Fixed, ...] = ()

    def __post_init__(self) -> None:
        if len(self.dials) < 2 or not 1 <= len(self.curves) <= 4:
            raise ValueError(
                f"{self.name} has {len(self.dials)} values of the knob and {len(self.curves)} curves: give two "
                "values or more, and one to four curves"
            )
        whole = {
            "precision": self.precision,
            "recall": self.recall,
            **{f"curve {k}": v for k, v in self.curves.items()},
        }
        for name, values in whole.items():
            if np.shape(values) != np.shape(self.dials) or not np.isfinite(values).all():
                raise ValueError(
                    f"{name} of {self.name} has shape {np.shape(values)} for {len(self.dials)} positions, or a number "
                    "that is not finite: give one finite number for each value of the knob"
                )
        if len(self.said) != len(self.dials) or not (np.diff(self.dials) > 0).all():
            raise ValueError(
                f"{self.name} has {len(self.said)} sentences for {len(self.dials)} values of the knob: "
                "give one for each, and let the values rise"
            )

    def sentence(self, i: int) -> str:
        """What position ``i`` shows: its own words, and both numbers of both students where these do not say them."""
        if "precision" in self.said[i]:
            return self.said[i]
        own, plain = (self.precision[i], self.recall[i]), (self.direct_precision, self.direct_recall)
        both = [f"precision {signed(precision)} and recall {signed(recall)}" for precision, recall in (own, plain)]
        return f"{self.said[i]} The student “{self.own}” has {both[0]} nats, “{self.plain}” {both[1]}."


def limits(comparison: Comparison) -> tuple[Limits, Limits]:
    """Limits of the plane (recall, precision), nats: all that is compared inside, and both bounds."""
    others = comparison.others
    recall = [*comparison.recall, comparison.direct_recall, comparison.recall_bound, *(one.recall for one in others)]
    precision = [comparison.direct_precision, comparison.precision_bound, *(one.precision for one in others)]
    return with_margin(recall, ROOMY), with_margin([*comparison.precision, *precision], ROOMY)


def span(comparison: Comparison) -> Limits:
    """From where to where the curves' axis goes."""
    values = np.concatenate(list(comparison.curves.values()))
    low, high = float(values.min()), float(values.max())
    margin = 0.06 * max(high - low, 1e-3)
    return low - margin, high + margin
