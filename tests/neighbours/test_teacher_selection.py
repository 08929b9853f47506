"""Teacher selection: rules against products of probabilities, a step against a sum over all picks, and the claim."""

import itertools
import math

import numpy as np
import pytest

from kdlab.neighbours import teacher_selection as selection
from kdlab.neighbours.teacher_selection import LETTERS, REGIONS, TRUTH, at_home, compare, learned, make_world, rules

SEEDS = 48


def rng(seed: int = 1) -> np.random.Generator:
    return np.random.default_rng(seed)


def students(difference: float, n_labels: int) -> dict[str, selection.Student]:
    world = make_world(difference, n_labels, rng(), seeds=SEEDS)
    return compare(world, learned(world, rng(2))[-1])


def surely_more(one: np.ndarray, other: np.ndarray) -> bool:
    """The mean difference is above three of its standard errors: chance does that once in 740 times."""
    gap = one - other
    return bool(gap.mean() > 3 * gap.std(ddof=1) / math.sqrt(len(gap)))


def test_the_last_digits_of_a_processor_choose_no_teacher(monkeypatch: pytest.MonkeyPatch) -> None:
    """Processors differ in the last digit of an exponential: the same picks, and so the same policy.

    rng.multinomial would pick others (findings/numpy_binomial_mirrors_above_one_half.sh).
    """
    world, exact = make_world(1.0, 50, rng(), seeds=8), selection.log_sum_exp
    policies = []
    for sign in (0, 1, -1):
        monkeypatch.setattr(selection, "log_sum_exp", lambda a, sign=sign: exact(a) * (1 + sign * 3e-16))
        policies.append(learned(world, rng(2))[-1])
    for other in policies[1:]:
        np.testing.assert_allclose(other, policies[0], atol=1e-4)


def test_both_numbers_against_draws() -> None:
    """100,000 letters: four standard errors."""
    rows = make_world(0.7, 1, rng(), seeds=1)[0][0, 2]
    got = selection.measure(rows)
    regions = rng().integers(REGIONS, size=100_000)
    for of, by, exact in ((TRUTH, rows, got.precision), (rows, TRUTH, got.recall)):
        letters = (rng(3).random(len(regions))[:, None] > by[regions].cumsum(axis=1)).sum(axis=1)
        scores = np.log(of[regions, np.minimum(letters, LETTERS - 1)])
        assert abs(scores.mean() - exact) < 4 * scores.std() / math.sqrt(len(scores))


def test_recall_falls_short_of_its_bound_by_the_divergence() -> None:
    rows = make_world(1.0, 1, rng(), seeds=3)[0][:, 0]
    short = selection.measure(TRUTH).recall - selection.measure(rows).recall
    np.testing.assert_allclose(short, (TRUTH * np.log(TRUTH / rows)).sum(axis=-1).mean(axis=-1), rtol=1e-12)
    assert selection.measure(TRUTH).precision == pytest.approx(selection.measure(TRUTH).recall)


def test_teachers_say_what_is_right_at_home() -> None:
    """Over 4,000 seeds of 100 letters a mean is known to 0.0008."""
    for difference in (0.0, 0.4, 1.0):
        teachers, labels = make_world(difference, 30, rng(), seeds=4_000)
        assert (labels.sum(axis=(1, 2)) == 30).all()
        for k, r in itertools.product(range(REGIONS), repeat=2):
            read = (1 - difference) * TRUTH[r] + difference * TRUTH[k]
            expected = (100 * read + 0.5) / (100 + 0.5 * LETTERS)
            np.testing.assert_allclose(teachers[:, k, r].mean(axis=0), expected, atol=0.004)


def test_rules_against_products_of_probabilities() -> None:
    world = make_world(0.6, 12, rng(), seeds=5)
    teachers, labels = world
    found = rules(world)
    for s in range(5):
        odds = np.ones((REGIONS, REGIONS))
        for r, k in itertools.product(range(REGIONS), repeat=2):
            for letter in range(LETTERS):
                odds[r, k] *= teachers[s, k, r, letter] ** labels[s, r, letter]
        np.testing.assert_allclose(found["posterior"][s], odds / odds.sum(axis=1, keepdims=True), rtol=1e-10)
        assert (found["likeliest"][s].argmax(axis=1) == odds.argmax(axis=1)).all()
        assert (found["best single"][s].argmax(axis=1) == odds.prod(axis=0).argmax()).all()
    for weights in found.values():
        np.testing.assert_allclose(weights.sum(axis=-1), 1.0)
    assert at_home(found["at home"]).tolist() == [1.0] * 5 and at_home(found["equal"]).tolist() == [0.25] * 5


@pytest.mark.parametrize("reward", ["labels", "imitation"])
def test_a_step_of_the_policy_is_the_slope_of_the_expected_reward(monkeypatch: pytest.MonkeyPatch, reward: str) -> None:
    """One step from equal odds, over 20,000 draws, against differences of a sum over all 256 picks."""
    monkeypatch.setattr(selection, "STEPS", 1)
    monkeypatch.setattr(selection, "RATE", 1.0)
    one = make_world(0.8, 20, rng(), seeds=1)
    many = np.repeat(one[0], 20_000, axis=0), np.repeat(one[1], 20_000, axis=0)
    after = np.log(learned(many, rng(4), reward=reward)[-1])
    moved = after - after.mean(axis=-1, keepdims=True)

    def descent(row: np.ndarray) -> np.ndarray:
        """Minus the slope of a softmax's cross-entropy to this row, at equal odds, by differences."""
        ends = [
            [row @ (step - math.log(np.exp(step).sum())) for step in sign * 1e-5 * np.eye(LETTERS)] for sign in (1, -1)
        ]
        return np.subtract(*ends) / 2e-5

    def reward_of(picks: tuple[int, ...]) -> float:
        before, target = np.full(LETTERS, -math.log(LETTERS)), one[0][0, picks, range(REGIONS)]
        if reward == "imitation":
            return float((target @ before).mean())
        table = selection.SWIFT * np.array([descent(row) for row in target])
        logs = table - np.log(np.exp(table).sum(axis=1, keepdims=True))
        return float((one[1][0] * (logs - before)).sum() / one[1].sum())

    rewards = {picks: reward_of(picks) for picks in itertools.product(range(REGIONS), repeat=REGIONS)}

    def expected(a: np.ndarray) -> float:
        odds = np.exp(a) / np.exp(a).sum(axis=1, keepdims=True)
        return sum(value * odds[range(REGIONS), picks].prod() for picks, value in rewards.items())

    h = 1e-5
    for r, k in itertools.product(range(REGIONS), repeat=2):
        step = np.zeros((REGIONS, REGIONS))
        step[r, k] = h
        slope = (expected(step) - expected(-step)) / (2 * h)
        error = moved[:, r, k].std() / math.sqrt(20_000)
        assert abs(moved[:, r, k].mean() - slope) < 4 * error + 1e-6


def test_a_student_that_never_moves_teaches_its_policy_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selection, "SWIFT", 0.0)
    np.testing.assert_allclose(learned(make_world(1.0, 50, rng(), seeds=2), rng(3))[-1], 0.25, rtol=1e-12)


def test_with_two_hundred_labels_learned_weights_beat_equal_ones_and_the_best_single() -> None:
    one = students(1.0, 200)
    for name in ("equal", "best single"):
        assert surely_more(one["learned"].precision, one[name].precision + 0.5)
        assert surely_more(one["learned"].recall, one[name].recall + 0.25)


def test_a_closed_form_does_as_well_and_labels_alone_nearly() -> None:
    one = students(1.0, 200)
    for name in ("likeliest", "posterior", "at home"):
        assert abs(one["learned"].recall.mean() - one[name].recall.mean()) < 0.005
        assert surely_more(one[name].precision, one["learned"].precision)
    assert abs(one["learned"].precision.mean() - one["labels alone"].precision.mean()) < 0.02
    assert surely_more(one["learned"].recall, one["labels alone"].recall)


def test_with_two_labels_it_gains_precision_and_pays_in_recall() -> None:
    one = students(1.0, 2)
    assert surely_more(one["learned"].precision, one["equal"].precision)
    assert surely_more(one["equal"].recall, one["learned"].recall)
    assert surely_more(one["posterior"].precision, one["equal"].precision)
    assert surely_more(one["posterior"].recall, one["equal"].recall)


def test_among_equal_teachers_it_loses_recall() -> None:
    one = students(0.0, 200)
    assert surely_more(one["equal"].recall, one["learned"].recall)
    assert not surely_more(one["learned"].precision, one["equal"].precision)


def test_which_reward_finds_the_teachers() -> None:
    """Imitation does not; the labels that the student itself learns still do, more slowly the more it learns them."""
    world = make_world(1.0, 200, rng(), seeds=SEEDS)
    ends = {s: at_home(learned(world, rng(2), share=s)[-1]).mean() for s in (0.0, 0.5, 0.9)}
    assert ends[0.0] > 0.95 and ends[0.5] > 0.95 and 0.4 < ends[0.9] < 0.9
    for share in (0.0, 0.5):
        blind = at_home(learned(world, rng(2), reward="imitation", share=share)[-1])
        assert abs(blind.mean() - 0.25) < 4 * blind.std() / math.sqrt(SEEDS)


def test_the_sweep_is_what_compare_says() -> None:
    sweep = selection.sweep(rng(7), seeds=4)
    again = selection.sweep(rng(7), seeds=4)
    np.testing.assert_array_equal(sweep.precision, again.precision)
    world = make_world(1.0, 100, rng(int(rng(7).integers(2**31))), seeds=4)
    equal = compare(world, rules(world)["equal"])["learned"]
    assert (sweep.direct_precision, sweep.direct_recall) == (equal.precision.mean(), equal.recall.mean())
    assert sweep.dials[[0, -1]].tolist() == [2, 100] and sweep.start in sweep.dials
    assert (sweep.recall < sweep.recall_bound).all() and (sweep.precision < sweep.precision_bound).all()
    assert all(((0 <= curve) & (curve <= 1)).all() for curve in sweep.curves.values())


@pytest.mark.parametrize("given", [(-0.1, 5, 1), (1.1, 5, 1), (math.nan, 5, 1), (0.5, 0, 1), (0.5, 5, 0)])
def test_worlds_that_cannot_be_drawn(given: tuple[float, int, int]) -> None:
    with pytest.raises(ValueError, match="choose 0 to 1 for the first, 1 or more for the others"):
        make_world(given[0], given[1], rng(), seeds=given[2])


@pytest.mark.parametrize("given", [{"reward": "accuracy"}, {"share": 1.0}, {"share": -0.1}])
def test_policies_that_cannot_be_learned(given: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"choose labels or imitation, and a share in \[0, 1\)"):
        learned(make_world(1.0, 5, rng(), seeds=1), rng(), **given)  # type: ignore[arg-type]
