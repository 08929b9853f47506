"""Changes between models of a run, and their errors; and how tables are set."""

import math

import numpy as np
import pytest
from support.fake_results import PATH, fake_results, path

from kdlab.lm.report import changes


def test_an_error_of_a_difference_is_that_of_independent_draws() -> None:
    """Against a simulation: two estimates that err independently, and two that err together."""
    rng, n = np.random.default_rng(0), 200_000
    for common in (0.0, 0.9):
        noise = rng.multivariate_normal([0, 0], 0.05**2 * np.array([[1, common], [common, 1]]), size=n)
        simulated = float((noise[:, 1] - noise[:, 0]).std())
        step = changes.steps(fake_results(path((-6, -5), (-5, -5.5)), common=common))[0]
        assert step.recall.error == pytest.approx(simulated, rel=0.01)  # 6 standard errors of such a simulation
        assert step.precision.error == pytest.approx(math.hypot(0.05, 0.05))  # each measured on texts of its own
    older = fake_results(common=0.9)
    del older["recalls_together"]  # read as independent
    assert changes.steps(older)[0].recall.error == pytest.approx(math.hypot(0.05, 0.05))


def test_steps_go_from_warm_to_cold_and_have_the_differences() -> None:
    steps = changes.steps(fake_results())
    assert [(step.warm, step.cold) for step in steps] == [(1.0, 0.9), (0.9, 0.8), (0.8, 0.6)]
    for step in steps:
        assert step.precision.value == pytest.approx(PATH[step.cold][0] - PATH[step.warm][0])
        assert step.recall.value == pytest.approx(PATH[step.cold][1] - PATH[step.warm][1])
    assert changes.steps(fake_results(), "sequence")[0].recall.value == pytest.approx(22 * (-5.01 + 4.93))
    (only,) = changes.steps(fake_results({1.4: (-7.0, -5.2), 1.0: (-6.5, -4.9), 0.8: (-5.1, -5.3)}))
    assert (only.warm, only.cold) == (1.0, 0.8)  # above 1 is another story


def test_over_seeds_the_difference_is_taken_seed_by_seed() -> None:
    results = fake_results(path((-6, -5), (-5, -5.5)), seeds=3, over_seeds=0.4)
    for model in results["models"]:
        for what in ("precision", "recall"):
            estimate = model[what]["token"]
            estimate["by_seed"] = [estimate["value"] + shift for shift in (-0.7, 0.0, 0.7)]
    assert changes.steps(results)[0].precision.error == pytest.approx(math.hypot(0.05, 0.05))  # the shift is common
    cold = next(model for model in results["models"] if model["name"] == "tau-0.9")
    cold["precision"]["token"]["by_seed"] = [-5.3, -5.0, -4.7]  # of differences: 1.4, 1.0, 0.6
    wide = 4.302653 / 2  # 95 % of noise lies within so many errors, of two degrees of freedom
    assert changes.steps(results)[0].precision.error == pytest.approx(wide * 0.4 / math.sqrt(3))
    cold["recall"]["token"]["by_seed"] = [-5.2, -5.5, -5.8]  # of differences: 0.5, -0.5, -1.5
    # Recalls of all trainings are on the same texts: what another text and what another training would give add up.
    assert changes.steps(results)[0].recall.error == pytest.approx(math.hypot(0.05, 0.05, wide / math.sqrt(3)))
    cold["seeds"] = [1]  # a run that is not finished
    cold["precision"]["token"]["by_seed"] = cold["recall"]["token"]["by_seed"] = [-5.0]
    assert changes.steps(results)[0].precision.error == pytest.approx(math.hypot(0.05, 0.05))


@pytest.mark.parametrize("n", [2, 3, 5])
def test_noise_is_seen_once_in_twenty_times(n: int) -> None:
    """Precisions of n trainings that differ by chance only, far more than their texts explain."""
    rng, seen, tries = np.random.default_rng(n), 0, 1_000
    results = fake_results(path((-6, -5), (-6, -5.5)), seeds=n, over_seeds=1.0)
    for _ in range(tries):
        for model in results["models"]:
            values = rng.normal(-6.0, 1.0, size=n)
            model["precision"]["token"] |= {"by_seed": values.tolist(), "value": values.mean()}
        seen += changes.steps(results)[0].precision.seen
    assert seen / tries == pytest.approx(0.05, abs=0.028)  # 4 standard errors


def test_a_change_says_what_it_is() -> None:
    told = [str(changes.Change(value, 0.5)) for value in (1.0, -1.0, 0.001, -0.001)]
    assert told == ["+1.00 ± 0.50", "−1.00 ± 0.50", "0.00 ± 0.50", "0.00 ± 0.50"]
    assert [changes.Change(value, 0.5).seen for value in (1.01, -1.01, 1.0, 0.0)] == [True, True, False, False]


def test_of_two_errors_the_larger_is_taken() -> None:
    for over_seeds, error in ((None, 0.1), (0.02, 0.1), (0.3, 0.3)):
        assert changes.larger_error({"over_sequences": 0.1, "over_seeds": over_seeds}) == error


def test_models_come_from_the_teacher_to_the_coldest_student() -> None:
    names = [one["name"] for one in changes.models(fake_results({1.2: (-7.0, -5.2), **PATH}))]
    assert names == ["teacher", "direct", "tau-1.2", "tau-1", "tau-0.9", "tau-0.8", "tau-0.6"]
    assert changes.models(fake_results({}, direct=None, teacher=None)) == []
