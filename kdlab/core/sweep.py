"""Sweeps: the positions of a slider, and at each of them everything there is to show.

A sweep is made once, by pure functions; pictures, sentences and tests all read its numbers. What there is at a position
is up to each world: this module knows the slider only.
"""

from collections.abc import Sequence
from typing import Any, ClassVar, TypeVar

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
S = TypeVar("S", bound="Sweep")

N_BETAS, N_TAUS = 121, 61  # positions of the usual sliders
_SLACK = 1e-9  # relative: the ends of a logarithmic slider are right only to rounding


class Sweep:
    """What the sweeps of all worlds share: P positions of one knob, and a sentence at each.

    A subclass is a frozen dataclass. It names its ``knob``, "beta" (logarithmic, from 1 up), "tau" or "dial", keeps the
    P positions as ``betas``, ``taus`` or ``dials``, and answers ``sentence(i)``.
    """

    knob: ClassVar[str]

    @property
    def positions(self) -> FloatArray:
        """(P,) values of the knob."""
        return np.asarray(getattr(self, f"{self.knob}s"))

    @property
    def sentences(self) -> tuple[str, ...]:
        """P sentences, one per position, as the page shows them."""
        return tuple(self.sentence(i) for i in range(len(self.positions)))

    def sentence(self, i: int) -> str:
        """What position ``i`` shows, in words and numbers."""
        raise NotImplementedError

    def index(self, value: float) -> int:
        """The position nearest to a value of the knob; on the logarithmic scale for beta. ValueError off the slider."""
        low, high = float(self.positions[0]), float(self.positions[-1])
        known = isinstance(value, int | float | np.number)
        if not known or not low * (1 - _SLACK) <= value <= high * (1 + _SLACK):
            said = value if known else repr(value)
            raise ValueError(f"{self.knob} is {said}: the slider goes from {low:g} to {high:g}; choose a value on it")
        scale = np.log if self.knob == "beta" else np.asarray
        return int(np.abs(scale(self.positions) - scale(value)).argmin())

    def indices(self, values: Sequence[float]) -> list[int]:
        """The positions of several values, for a filmstrip. ValueError for none at all, and for one off the slider."""
        several = list(values) if np.iterable(values) else []
        if not several:
            low, high = self.positions[[0, -1]]
            said = f"no {self.knob}" if np.iterable(values) else repr(values)
            raise ValueError(f"A filmstrip of {said}: give a list of at least one value from {low:g} to {high:g}.")
        return [self.index(value) for value in several]


class PlaneSweep(Sweep):
    """A sweep of students in the precision-recall plane, P of them and the direct student; everything in nats.

    ``recall_bound`` is -H(p*), ``precision_bound`` max log p*: bounds, not corners to reach.
    """

    precision: FloatArray
    recall: FloatArray
    direct_precision: float
    direct_recall: float
    precision_bound: float
    recall_bound: float

    @property
    def breaks(self) -> NDArray[np.bool_]:
        """(P,): where the path does not continue the position before it."""
        return np.zeros(len(self.positions), dtype=bool)


def beta_positions(n: int = N_BETAS) -> FloatArray:
    """(n,) values of beta, logarithmic from 1 to 100. ValueError for fewer than two."""
    return np.geomspace(1.0, 100.0, _enough(n, N_BETAS))


def tau_positions(n: int = N_TAUS) -> FloatArray:
    """(n,) values of tau, evenly spaced from 0.3 to 1.5; 61 are whole fiftieths. ValueError for fewer than two."""
    return np.round(np.linspace(0.3, 1.5, _enough(n, N_TAUS)), 12)


def _enough(n: int, usual: int) -> int:
    if n < 2:
        raise ValueError(f"positions is {n}: ask for 2 or more, which a slider has; {usual} is usual")
    return n


def expect(thing: Any, kind: type[S], maker: str) -> S:
    """Return ``thing`` if it is a sweep of this kind. TypeError otherwise, naming the function that makes one."""
    if not isinstance(thing, kind):
        raise TypeError(f"{type(thing).__name__} is not a {kind.__name__}: pass what {maker}(...) returns.")
    return thing
