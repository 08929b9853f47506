"""A slider's positions, the nearest of them to a value, and what is said where that cannot be."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from kdlab.core.sweep import N_BETAS, N_TAUS, PlaneSweep, Sweep, beta_positions, expect, tau_positions


@dataclass(frozen=True)
class Temperatures(PlaneSweep):
    knob = "tau"
    taus: Any

    def sentence(self, i: int) -> str:
        return f"tau is {self.taus[i]}"


@dataclass(frozen=True)
class Exponents(Sweep):
    knob = "beta"
    betas: Any


def test_positions_of_beta_are_logarithmic_from_1_to_100() -> None:
    betas = beta_positions()
    assert (len(betas), betas[0], betas[-1]) == (121, 1.0, 100.0) and N_BETAS == 121
    np.testing.assert_allclose(np.diff(np.log(betas)), math.log(100) / 120, rtol=1e-9)


def test_positions_of_tau_are_whole_fiftieths_with_one_among_them() -> None:
    taus = tau_positions()
    assert (len(taus), taus[0], taus[-1]) == (61, 0.3, 1.5) and N_TAUS == 61 and 1.0 in taus
    np.testing.assert_allclose(taus * 50, np.round(taus * 50), atol=1e-12)


@pytest.mark.parametrize(("positions", "usual"), [(beta_positions, 121), (tau_positions, 61)])
@pytest.mark.parametrize("n", [1, 0, -4])
def test_a_slider_has_two_positions(positions: Any, usual: int, n: int) -> None:
    with pytest.raises(ValueError, match=f"positions is {n}: ask for 2 or more, .*; {usual} is usual"):
        positions(n)


def test_the_nearest_position_is_by_ratio_for_beta_and_by_distance_for_tau() -> None:
    values = np.array([1.0, 4.0, 16.0])  # 2.2 is nearer to 1 by distance, to 4 by ratio
    assert [Exponents(values).index(value) for value in (1, 1.9, 2.2, 7.9, 8.1, 16)] == [0, 0, 1, 1, 2, 2]
    assert [Temperatures(values).index(value) for value in (1, 2.4, 2.6, 16 * (1 + 1e-12))] == [0, 0, 1, 2]
    assert Temperatures(values).sentences == ("tau is 1.0", "tau is 4.0", "tau is 16.0")
    assert not Temperatures(values).breaks.any() and Temperatures(values).breaks.shape == (3,)


@pytest.mark.parametrize("value", [0.5, 100.1, -3.0, math.nan, math.inf, "five", None])
def test_a_value_off_the_slider_is_an_error(value: Any) -> None:
    said = f"beta is {value!r}: the slider goes from 1 to 100; choose a value on it"
    with pytest.raises(ValueError, match=said):
        Exponents(beta_positions()).index(value)


@pytest.mark.parametrize(("values", "said"), [([], "no beta"), (5, "5"), (None, "None"), (np.array(5.0), "array.*")])
def test_a_filmstrip_takes_a_list(values: Any, said: str) -> None:
    sweep = Exponents(beta_positions(3))
    with pytest.raises(ValueError, match=f"A filmstrip of {said}: give a list of at least one value from 1 to 100"):
        sweep.indices(values)
    assert sweep.indices(np.array([1.0, 100.0])) == sweep.indices(iter([1, 100])) == [0, 2]


@pytest.mark.parametrize("wrong", [None, 3, "ring", {"beta": [1]}, Exponents(beta_positions())])
def test_anything_but_a_sweep_of_the_kind_is_an_error(wrong: Any) -> None:
    said = rf"{type(wrong).__name__} is not a Temperatures: pass what ngrams.make\(...\) returns"
    with pytest.raises(TypeError, match=said):
        expect(wrong, Temperatures, "ngrams.make")
    assert expect(Temperatures(tau_positions()), Temperatures, "ngrams.make").knob == "tau"
