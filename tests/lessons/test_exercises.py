"""What the exercises say of the pictures and numbers of their notebooks, computed again."""

from typing import Any

import numpy as np
import pytest
from scipy import special, stats
from support.printed import said as written
from support.worlds import single

from kdlab import GaussianMixture, lm, mixtures, ngrams, precision, recall
from kdlab.lessons import exercise
from kdlab.lessons.exercises import nb03, nb04, nb05, nb08


def said(name: str) -> str:
    one = exercise(name)
    return " ".join([one.task, one.right, *one.hints, *one.wrong.values()])


def lost_at(sweep: Any) -> list[float]:
    """For each mode, the first β at which the student no longer covers it; infinite where it always does."""
    return [sweep.betas[int(np.argmin(column))] if not column.all() else np.inf for column in sweep.covered.T]


def bell(mean: float, deviation: float) -> GaussianMixture:
    return GaussianMixture([1.0], [[mean]], [[[deviation**2]]])


def test_00_1_the_lightest_mode_is_lost_first() -> None:
    sweep = mixtures.teacher_entropy("line", 1)
    lost = lost_at(sweep)
    assert lost[3] < lost[2] < lost[1] < lost[0] == np.inf
    assert f"β = {lost[3]:.2f}" in said("00.1") and f"β = {lost[2]:.2f}" in said("00.1")
    assert list(dict.fromkeys(sweep.covered.sum(axis=1).tolist())) == [4, 3, 2, 1]
    assert round(100 * sweep.at(2).teacher.weights[3]) == 3
    assert (np.diff(sweep.student_means[:, 0, 0]) < 0).all()  # the centre moves left
    assert (np.diff(sweep.student_covariances[:, 0, 0, 0]) < 0).all()  # and the student narrows


def test_01_2_the_standard_error() -> None:
    one = exercise("01.2")
    for make in one.cases.values():
        student, truth, rng = make()
        error = truth.log_prob(student.sample(10_000, rng)).std() / 100
        assert error < 0.025 and one.tolerance > 4 * error
        exact = precision(student, truth).value
        assert abs(one.solution(*make()) - exact) < 4 * error
    assert "at most 0.02" in said("01.2")


def test_01_1_the_numbers_of_the_options() -> None:
    sweep = mixtures.teacher_entropy("line", 1)
    truth = sweep.scene.truth
    text = said("01.1")
    wide = bell(truth.mean[0], truth.covariance[0, 0] ** 0.5)
    assert written(precision(wide, truth).value) == "−2.91" and "−2.91" in text
    bump = precision(bell(-3.0, 0.45), truth).value
    assert written(bump) == "−1.51" and "−1.51" in text
    narrower = [precision(bell(-3.0, width), truth).value for width in (0.3, 0.1, 0.03, 0.01)]
    assert all(a < b for a, b in zip([bump, *narrower], narrower, strict=False))
    assert written(narrower[-1]) == written(sweep.precision_bound) == "−1.04" and "−1.04" in text
    assert recall(bell(-3.0, 0.01), truth).value < -10_000
    assert precision(bell(-1.0, 10.0), truth).value < precision(wide, truth).value
    assert "direct" not in text  # nobody has told the reader of a direct student yet


def test_01_1_where_a_wide_student_pays() -> None:
    """A fine grid: its error is far below the last digit that is said."""
    truth, x, text = mixtures.teacher_entropy("line", 1).scene.truth, np.linspace(-20, 20, 400_001), said("01.1")
    share = np.exp(bell(truth.mean[0], truth.covariance[0, 0] ** 0.5).log_prob(x[:, None]))
    share, scores = share / share.sum(), truth.log_prob(x[:, None])
    centres, width = truth.means.ravel(), np.sqrt(truth.covariances[0, 0, 0])
    away = np.abs(x[:, None] - centres).min(axis=1) > 2 * width
    outside = away & ((x < centres.min()) | (x > centres.max()))
    there = share[outside] @ scores[outside] / share[outside].sum()
    assert f"{100 * share[away].sum():.0f} percent of what it says lies more than two bump widths" in text
    assert f"{100 * share[outside].sum():.0f} percent lie more than two bump widths beyond the outer centres" in text
    assert f"log p* there is {written(there, 1)} nats on average" in text
    assert scores[away & ~outside].min() > there  # even the deepest gap costs less than that


def test_02_1_who_misses_the_rare_mode() -> None:
    sweep = mixtures.teacher_entropy("rare", 4)
    lost = lost_at(sweep)
    assert sweep.covered[0].all() and lost[4] < 1.53 < min(lost[:4])
    assert sweep.scene.truth.weights.argmin() == 4
    assert lost[3] == min(lost[:4]) and sweep.scene.truth.weights[:4].argmin() == 3
    start, end, text = sweep.at(1), sweep.at(1.53), said("02.1")
    assert f"β = {lost[3]:.2f}" in text
    assert f"Recall goes from {written(start.recall)} to {written(end.recall)}" in text
    assert f"precision from {written(start.precision)} to {written(end.precision)}" in text
    assert (sweep.recall[sweep.betas > end.beta] < end.recall).all()
    dips = np.flatnonzero(sweep.precision[: sweep.index(1.53)] < start.precision - 1e-3)
    assert f"around β = {sweep.betas[dips[0]]:.2f}" in text and sweep.switched[dips[0]] and "precision dips" in text
    assert (np.diff(sweep.recall[: sweep.index(1.53)]) < 0).all()  # it drops, and nothing of it comes back
    truth = sweep.scene.truth
    there = [single(truth, 4).expected_log_prob(sweep.at(beta).student).value for beta in (1, 1.5, 3, 10, 30, 100)]
    assert (np.diff(there) < 0).all() and there[-1] < -50 and "at β = 100 log p″ is below −50 nats there" in text
    assert end.student.log_prob(truth.means[4:])[0] < start.student.log_prob(truth.means[4:])[0] - 3  # hardly said


def test_02_2_is_the_fit() -> None:
    sweep = mixtures.teacher_entropy("ring", 1)
    for beta in (1, 3, 30):
        one = sweep.at(beta)
        diagonal = np.array([np.diag(covariance) for covariance in one.teacher.covariances])
        mean, variance = exercise("02.2").solution(one.teacher.weights, one.teacher.means, diagonal)
        np.testing.assert_allclose(mean, one.student.means[0], atol=1e-9)
        np.testing.assert_allclose(variance, np.diag(one.student.covariances[0]), atol=1e-9)


def test_02_3_the_numbers_of_the_notebook() -> None:
    sweep = mixtures.teacher_entropy("ring", 1)
    selective = sweep.scene.teacher.tempered(100)
    pair = [sweep.direct, sweep.at(100).student]
    under = [precision(student, selective).value for student in pair]
    true = [precision(student, sweep.scene.truth).value for student in pair]
    text = said("02.3")
    assert f"From {written(under[0])} to {written(under[1])} is a gain of {under[1] - under[0]:.1f} nats" in text
    assert f"are {true[1] - true[0]:.1f} nats apart under p*, and {under[1] - under[0]:.1f} under" in text
    assert under[1] < selective.mode_density()
    assert (selective.log_prob(sweep.direct.sample(10_000, np.random.default_rng(0))) < -10).mean() > 0.5


@pytest.mark.parametrize("scene", ["line", "rare"])
def test_03_1_is_the_slope_of_precision(scene: str) -> None:
    """And mixtures.mechanism's slope is that of finite differences, by a test of its own."""
    truth, teacher = mixtures.make_scene(scene).truth, mixtures.make_scene(scene).teacher
    scores = mixtures.mechanism.component_precisions(teacher, truth)
    for beta in (1.0, 2.5, 6.0):
        slope = nb03.my_slope(teacher.tempered(beta).weights, teacher.log_weights, scores)
        assert slope == pytest.approx(mixtures.mechanism.precision_slope(teacher, truth, beta), abs=1e-9)


def test_03_1_looking_where_it_says_tells_mistakes_apart() -> None:
    """Of the two cases that are named, one at least gives each known mistake away."""
    one = exercise("03.1")
    assert "all scores are equal" in one.advice and "`log_alpha` in the place" in one.advice

    def passes(slope: Any) -> bool:
        inputs = [make()[:2] for make in one.cases.values()]
        with_equal_scores = [slope(w, log_alpha, np.full(len(w), -2.0)) for w, log_alpha in inputs]
        of_log_alpha = [slope(w, a, a) - np.cov(a, aweights=w, ddof=0) for w, a in inputs]
        return np.allclose([with_equal_scores, of_log_alpha], 0, atol=1e-9)

    assert passes(one.solution) and not any(map(passes, one.wrong))


def test_04_1_looking_where_it_says_tells_mistakes_apart() -> None:
    one, row = exercise("04.1"), np.array([0.75, 0.25])
    assert "larger entry must grow" in one.advice and "the sum must still be 1" in one.advice

    def passes(tempered: Any) -> bool:
        cold = tempered(row, 0.5)
        return np.allclose(tempered(row, 1.0), row) and cold[0] > row[0] and abs(cold.sum() - 1) < 1e-9

    assert passes(one.solution) and not any(map(passes, one.wrong))


def test_03_2_and_3_3_what_they_claim_of_the_sweeps() -> None:
    line = mixtures.teacher_entropy("line", 1)
    assert line.covered[0].sum() == 4 and line.covered[-1].sum() == 1
    four, eight = (mixtures.teacher_entropy("ring", k) for k in (4, 8))
    assert np.abs(four.precision - eight.precision).max() < 1e-9 and np.abs(four.recall - eight.recall).max() < 1e-9
    assert np.abs(four.kl).max() < 1e-9
    assert written(four.recall[0]) in said("03.3") and written(four.recall_bound) in said("03.3")
    round_four, round_eight = (mixtures.teacher_entropy("ring", k, "spherical") for k in (4, 8))
    assert np.abs(round_four.precision - round_eight.precision).max() > 0.1


def test_04_1_is_what_the_slider_does_to_every_row_and_04_2_the_log_probability_of_a_name() -> None:
    sweep = ngrams.teacher_temperature(positions=7)
    truth, teacher = sweep.truth, sweep.teacher
    for tau in (0.3, 1.5):
        hotter = teacher.tempered(1 / tau).next_letters("ma")
        np.testing.assert_allclose(nb04.my_tempered(teacher.next_letters("ma"), tau), hotter, rtol=0, atol=1e-12)
    steps = [truth.next_letters("mary"[:i])[ngrams.LETTERS.index("mary"[i])] for i in range(4)]
    steps.append(truth.next_letters("mary")[-1])
    assert nb04.my_log_prob(np.array(steps)) == pytest.approx(truth.log_prob(["mary"])[0], abs=1e-12)


def test_04_3_what_it_claims_of_the_sweep() -> None:
    sweep = ngrams.teacher_temperature(3, 2, 2)
    cold, one = sweep.at(0.3), sweep.at(1.0)
    np.testing.assert_allclose(cold.student.table, cold.teacher.table, rtol=0, atol=1e-12)  # has room
    for moment in (cold, one):
        assert written(moment.precision) in said("04.3") and written(moment.recall) in said("04.3")
    steps = [moment.student.visits.sum() for moment in (one, cold)]  # the letters of a name and its end, on average
    rates = [moment.precision / n for moment, n in zip((one, cold), steps, strict=True)]
    assert f"from {steps[0] - 1:.2f} to {steps[1] - 1:.2f} letters" in said("04.3")
    assert f"rises too, from {written(rates[0])} to {written(rates[1])}" in said("04.3") and rates[1] > rates[0]
    ring = mixtures.make_scene("ring")
    scores = mixtures.mechanism.component_precisions(ring.teacher, ring.truth)
    assert "heaviest component is no better than the four are on average" in said("04.3")
    heaviest, average = scores[ring.teacher.weights.argmax()], ring.teacher.weights @ scores
    assert len(scores) == 4 and heaviest < min(average, scores.mean())


def test_05_1_and_05_2_are_what_scipy_has() -> None:
    logits, ids = np.random.default_rng(0).normal(0, 3, (7, 20)), np.array([3, 1, 4, 1, 5, 9, 0])
    wanted = special.log_softmax(logits, axis=1)[np.arange(7), ids].sum()
    assert nb05.my_log_prob(logits, ids) == pytest.approx(wanted, abs=1e-10)
    sweep = lm.next_token_sweep("x", logits[0], str)
    for tau in (0.3, 1.0, 1.5):
        assert nb05.my_choices(logits[0], tau) == pytest.approx(sweep.at(tau).choices, rel=1e-12)


def test_05_2_and_05_3_the_numbers_of_the_recording() -> None:
    recording = lm.read_recording()
    at = recording.sweeps["My favorite color is"].at(1)
    assert f"{at.entropy:.2f} nats after “My favorite color is” are {at.choices:.0f} choices" in said("05.2")
    again, costs = recording.cut_again, [way.log_prob for way in recording.ways]
    assert f"Of the {again['texts']} texts above, {again['changed']} came back" in said("05.3")
    assert f"{again['outside']} of the {again['texts']} texts above come back" in said("05.3")
    assert f"from {written(max(costs))} to {written(min(costs))}" in said("05.3") and len(costs) == 4


def odds(tau: float) -> Any:
    """The probabilities that the student of the names, taught at tau, gives to the real names."""
    return np.exp(ngrams.teacher_temperature().at(tau).student.log_prob(ngrams.first_names()[0]))


def test_08_1_is_what_one_more_try_adds_and_when_the_warm_student_is_ahead() -> None:
    cold, warm = odds(0.3), odds(1.0)
    next_cold, next_warm = (np.array([nb08.my_next(q, k) for k in range(400)]) for q in (cold, warm))
    student, names = ngrams.teacher_temperature().at(1.0).student, ngrams.first_names()[0]
    in_all = ngrams.expected_distinct(student, names, np.arange(1, 401))
    np.testing.assert_allclose(next_warm.cumsum(), in_all, rtol=1e-9)
    assert (np.diff(next_cold) < 0).all() and (np.diff(next_warm) < 0).all()
    text, (first, second) = said("08.1"), [[written(one[k], 3) for one in (next_cold, next_warm)] for k in (0, 100)]
    assert (
        f"the first try brings {first[0]} at τ = 0.3 and {first[1]} at τ = 1, the 101st {' and '.join(second)}." in text
    )
    crossed = int(np.argmax(next_warm > next_cold)) + 1
    ahead = int(np.argmax(next_warm.cumsum() > next_cold.cumsum())) + 1
    assert f"From the {crossed}st on each try brings more at τ = 1; but only after {ahead} has it brought more" in text
    assert f"The second adds {written(nb08.my_next(np.array([0.25]), 2), 3)}." in exercise("08.1").advice


def test_08_2_is_right_on_average_and_the_plugged_in_one_too_low() -> None:
    p, n, k = odds(1.0).sum(), 20, 10
    counts = np.arange(n + 1)
    shares = stats.binom.pmf(counts, n, p)
    true = 1 - (1 - p) ** k
    assert shares @ [nb08.my_pass_at_k(n, int(c), k) for c in counts] == pytest.approx(true, abs=1e-12)
    np.testing.assert_allclose(
        [nb08.my_pass_at_k(n, int(c), k) for c in counts], ngrams.estimated_pass_at_k(n, counts, k), atol=1e-12
    )
    low = shares @ (1 - (1 - counts / n) ** k)
    assert f"would give {written(low, 3)} for k = 10, where {written(true, 3)} is right" in said("08.2")
    assert "5/6" in exercise("08.2").advice and nb08.my_pass_at_k(4, 2, 2) == pytest.approx(5 / 6)


def test_08_3_what_it_claims_of_the_table() -> None:
    names, text, one = ngrams.first_names()[0], said("08.3"), exercise("08.3")
    taus, draws, found, *_ = one.cases["answers worth 1 and tries at 0.02"]()
    for i, tau in enumerate(taus):
        student = ngrams.NGramChain.fit(ngrams.teacher_temperature().teacher.tempered(1 / tau), order=1)
        np.testing.assert_allclose(found[i], ngrams.expected_distinct(student, names, draws), rtol=1e-9)
    left = {price: found - price * draws for price in (0.1, 0.02, 0.005)}
    best = [np.argwhere(gain == gain.max())[0] for gain in left.values()]
    places = [(taus[i], draws[j]) for i, j in best]
    assert places == [one.solution(taus, draws, found, 1, price) for price in left]
    for (tau, k), words in zip(places, ("has {} tries and τ = {};", "fiftieth {} and {};", "{} and {}."), strict=True):
        assert words.format(f"{k:,.0f}", tau) in text
    most = left[0.02].max()
    assert f"bring {found[*best[1]]:.1f} answers and cost 60: {most:.1f} are left" in one.advice
    assert f"τ = 0.2 leaves {left[0.02][0].max():.1f} answers, and {most:.1f} can be had" in text
    assert found.max() == found[7, 9] and f"the {found.max():.0f} answers of a hundred thousand tries cost" in text
    assert (found[:, 0].argmax(), found[:, -1].argmax()) == (0, 7) and left[0.1][7, 0] < 0  # not even one try pays
    assert (found / draws).argmax() == 0  # the first try of the coldest
