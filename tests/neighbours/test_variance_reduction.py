"""Distillation as variance reduction: formulas against enumeration, small steps, long runs and closed forms."""

import numpy as np
import pytest

from kdlab.neighbours import variance_reduction as vr
from kdlab.ngrams.names import first_names

LETTERS, P = vr.next_letters()
TOP = float(P @ np.log(P))
TEACHER = vr.tempered(P, 1.5)
LAMS = np.linspace(0, 1, 5)


def softmax(logits: np.ndarray) -> np.ndarray:
    return np.exp(logits) / np.exp(logits).sum()


def linear_risks(
    lams: np.ndarray, step: float, dim: int, excess: float, *, n: int, runs: int, rng: np.random.Generator
) -> np.ndarray:
    """(runs, L): excess risks in nats after n steps of least squares with mixed labels; the best weights are 0."""
    teacher = np.full(dim, np.sqrt(2 * excess / dim))
    students = np.zeros((runs, len(lams), dim))
    for _ in range(n):
        x, noise = rng.standard_normal((runs, dim)), rng.standard_normal((runs, 1))
        labels = (1 - lams) * noise + lams * (x @ teacher)[:, None]
        students -= step * (np.einsum("rld,rd->rl", students, x) - labels)[..., None] * x[:, None]
    return np.asarray(0.5 * (students**2).sum(axis=-1))


def test_the_row_is_counted_from_the_names() -> None:
    counts = dict.fromkeys(LETTERS, 0.0)
    for name, share in zip(*first_names(), strict=True):
        for i, letter in enumerate(name):
            following = name[i + 1] if i + 1 < len(name) else "."
            if letter == "m" and following in counts:
                counts[following] += share
    np.testing.assert_allclose(P, np.array(list(counts.values())) / sum(counts.values()), rtol=1e-12)
    assert LETTERS == "aie.oy" and (np.diff(P) < 0).all()


@pytest.mark.parametrize("lam", [0.0, 0.3, 1.0])
def test_gradients_are_the_slopes_of_the_loss_and_a_control_variate(lam: float) -> None:
    logits, h = np.array([0.4, -1.0, 0.2, 0.0, 2.0, -0.3]), 1e-5

    def loss(at: np.ndarray, y: int) -> float:
        logs = np.log(softmax(at))
        return float(-(1 - lam) * logs[y] - lam * TEACHER @ logs)

    ours = vr.gradients(logits, TEACHER, lam)
    for y in range(len(P)):
        slopes = [(loss(logits + h * e, y) - loss(logits - h * e, y)) / (2 * h) for e in np.eye(len(P))]
        np.testing.assert_allclose(ours[y], slopes, atol=1e-9)
    there = vr.gradients(np.log(TEACHER), TEACHER, 0.0)
    np.testing.assert_allclose(ours, vr.gradients(logits, TEACHER, 0.0) - lam * there, atol=1e-14)


def test_one_step_is_a_gradient() -> None:
    """Two letters from equal odds, done again by hand with the letters that the same generator draws."""
    runs = vr.sgd(P, TEACHER, [0.3], np.array([[0.5], [0.2]]), runs=2, rng=np.random.default_rng(3))
    drawn = np.random.default_rng(3).choice(len(P), p=P, size=(2, 2))
    for run in range(2):
        logits = np.zeros(len(P))
        for letter, step in zip(drawn[:, run], (0.5, 0.2), strict=True):
            logits = logits - step * vr.gradients(logits, TEACHER, 0.3)[letter]
        np.testing.assert_allclose(runs.last[run, 0], logits, atol=1e-14)
        np.testing.assert_allclose(runs.averaged[run, 0], logits, atol=1e-14)  # the second half is one letter
        assert runs.recall[run, 0] == pytest.approx(P @ np.log(softmax(logits)))
        assert runs.precision[run, 0] == pytest.approx(softmax(logits) @ np.log(P))


def test_the_floor_with_a_small_step_is_the_short_formula() -> None:
    floor = vr.floor(P, P, LAMS, 1e-6)  # a teacher that is p*: no mistake, and one covariance for all lams
    np.testing.assert_allclose(floor.bias, 0, atol=1e-15)
    np.testing.assert_allclose(floor.noise, (1 - LAMS) ** 2 * 1e-6 * (1 - P @ P) / 4, rtol=1e-6)
    mixed = np.outer(1 - LAMS, P) + np.outer(LAMS, TEACHER)
    np.testing.assert_allclose(vr.floor(P, TEACHER, LAMS, 0.5).bias, (P * np.log(P / mixed)).sum(axis=1))


def test_long_runs_settle_where_theory_says_and_worse_with_large_steps() -> None:
    """64 runs, mean and standard error; the first order in the step is off by 1.5 % at 0.5, by more at 1.5."""
    for step, near in ((0.5, 0.02), (1.5, 0.15)):
        steps = np.full((2_000, 1), step)
        runs = vr.sgd(P, TEACHER, LAMS, steps, runs=64, rng=np.random.default_rng(1))
        lost, theory = TOP - runs.recall, sum(vr.floor(P, TEACHER, LAMS, step))
        error = lost.std(axis=0, ddof=1) / 8
        assert (np.abs(lost.mean(axis=0) - theory) < near * theory + 4 * error).all()
        straight = (1 - LAMS) * TOP + LAMS * (TEACHER @ np.log(P))  # of precision, at any step
        error = runs.precision.std(axis=0, ddof=1) / 8
        assert (np.abs(runs.precision.mean(axis=0) - straight) < 4 * error + 1e-6).all()
    assert lost.mean(axis=0)[0] > 1.04 * theory[0]


def test_least_squares_to_three_digits() -> None:
    risks = linear_risks(LAMS, 0.1, 5, 0.14, n=250, runs=4_000, rng=np.random.default_rng(5))
    theory = sum(vr.linear_floor(LAMS, 0.1, 5, 0.14))
    assert (np.abs(risks.mean(axis=0) - theory) < 4 * risks.std(axis=0) / np.sqrt(4_000) + 1e-4).all()


@pytest.mark.parametrize("excess", [0.01, 0.2, 5.0])
def test_best_weight_and_where_harm_begins(excess: float) -> None:
    plain = float(vr.linear_floor(0.0, 0.1, 5, excess).noise[0])
    best = plain / (plain + excess)
    fine = np.linspace(0, 1, 10_001)
    lost = sum(vr.linear_floor(fine, 0.1, 5, excess))
    assert fine[np.argmin(lost)] == pytest.approx(best, abs=1e-4)
    harm = fine[lost > plain * (1 + 1e-9)]
    assert harm.size == 0 and best >= 0.5 or harm[0] == pytest.approx(2 * best, abs=2e-4)


def test_any_teacher_helps_a_little_and_none_once_steps_decay() -> None:
    """The claim for a teacher with the row turned around, and where it stops: 400 runs, the same letters for all."""
    wrong, n = P[::-1], 1_000
    lost = sum(vr.floor(P, wrong, [0.0, 0.05, 0.3], 0.5))
    assert lost[1] < lost[0] < lost[2]
    decaying = 0.5 / (1 + np.arange(n)[:, None] / 10)
    runs = vr.sgd(P, TEACHER, [0.0, 0.65], decaying, runs=400, rng=np.random.default_rng(7))
    gain = np.diff(vr.precision_and_recall(P, runs.last)[1], axis=1)
    assert gain.mean() < -10 * gain.std() / 20


def test_a_sweep_says_what_it_shows() -> None:
    sweep = vr.sweep(np.random.default_rng(0), letters=200, runs=8)
    assert len(sweep.dials) == 41 and sweep.direct_recall == sweep.recall[0]
    np.testing.assert_allclose(sweep.curves["measured"], sweep.recall_bound - sweep.recall)
    np.testing.assert_allclose(sweep.curves["theory"], sweep.curves["teacher's mistake"] + sweep.curves["noise"])
    assert sweep.sentence(20).startswith("Weight of the teacher 0.5: precision")
    teacher = sweep.others[0]
    assert teacher.precision == pytest.approx(TEACHER @ np.log(P))
    assert teacher.recall == pytest.approx(P @ np.log(TEACHER))


def test_what_is_refused() -> None:
    good, rng = np.full((10, 1), 0.5), np.random.default_rng(0)
    with pytest.raises(ValueError, match="lams are .*choose"):
        vr.floor(P, TEACHER, [0.0, 1.2], 0.5)
    with pytest.raises(ValueError, match=r"steps from .* below 2"):
        vr.sgd(P, TEACHER, [0.0], 5 * good, runs=2, rng=rng)
    with pytest.raises(ValueError, match="steps from .* below 0.286"):
        vr.linear_floor(0.5, 0.3, 5, 0.1)
    with pytest.raises(ValueError, match="runs is 1: give"):
        vr.sgd(P, TEACHER, [0.0], good, runs=1, rng=rng)
    with pytest.raises(ValueError, match="letters follow '!': ask"):
        vr.next_letters("!")
