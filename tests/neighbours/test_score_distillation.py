"""Score distillation: EM of another kind, Newton and finite differences agree; the claim, and where it stops."""

import math
from typing import Any

import numpy as np
import pytest

from kdlab.core.metrics import precision, recall
from kdlab.mixtures.model import GaussianMixture
from kdlab.neighbours.score_distillation import (
    FLOOR,
    NOISE,
    _scores,
    blurred,
    denoised_once,
    distilled,
    sweep,
    three_sticks,
)

TRUTH = three_sticks()
TEACHER = blurred(TRUTH, NOISE)
OWN = precision(TRUTH, TRUTH).value


def numbers(student: GaussianMixture) -> tuple[float, float]:
    return precision(student, TRUTH).value, recall(student, TRUTH).value


def deconvolved(points: Any, start: GaussianMixture, noise: float, steps: int) -> GaussianMixture:
    """Extreme deconvolution (Bovy, Hogg & Roweis 2011, Annals of Applied Statistics 5): EM that guesses clean x."""
    weights, means, covariances = start.weights, start.means, start.covariances
    for _ in range(steps):
        noisy = GaussianMixture(weights / weights.sum(), means, covariances + noise**2 * np.eye(2))
        shares = noisy.responsibilities(points)
        gains = covariances @ np.linalg.inv(noisy.covariances)
        guesses = means + np.einsum("kij,nkj->nki", gains, points[:, None] - means)
        left = covariances - gains @ covariances
        mass = shares.sum(axis=0)
        means = np.einsum("nk,nki->ki", shares, guesses) / mass[:, None]
        apart = guesses - means
        covariances = np.einsum("nk,nki,nkj->kij", shares, apart, apart) / mass[:, None, None] + left
        weights = mass / len(points)
    return GaussianMixture(weights / weights.sum(), means, covariances)


def test_noise_adds_to_the_covariance() -> None:
    rng = np.random.default_rng(0)
    noisy = TRUTH.sample(100_000, rng) + NOISE * rng.standard_normal((100_000, 2))
    np.testing.assert_allclose(TEACHER.covariance, np.cov(noisy.T), atol=0.05)  # 5 standard errors of the widest
    np.testing.assert_allclose(TEACHER.mean, noisy.mean(axis=0), atol=0.03)


def test_scores_are_slopes_of_log_prob() -> None:
    x, h = np.array([[-1.0, 0.3], [0.5, 0.9], [4.0, -2.0]]), 1e-5
    for axis in (0, 1):
        step = h * np.eye(2)[axis]
        slope = (TEACHER.log_prob(x + step) - TEACHER.log_prob(x - step)) / (2 * h)
        np.testing.assert_allclose(_scores(TEACHER, x)[:, axis], slope, atol=1e-6)


@pytest.mark.parametrize("by", ["forward", "reverse", "fisher"])
def test_with_the_noise_known_the_student_is_clean(by: str) -> None:
    """The claim: with room for every stick, and in whatever divergence, precision and recall of p* itself."""
    found = numbers(distilled(TEACHER, 3, NOISE, by))
    assert found == pytest.approx((OWN, OWN), abs=2e-3)


def test_without_noise_it_is_plain_imitation() -> None:
    plain = numbers(distilled(TEACHER, 3, 0.0))
    assert plain == pytest.approx(numbers(TEACHER), abs=1e-4)
    assert plain[0] < OWN - 15 and plain[1] < OWN - 1


@pytest.mark.parametrize("assumed", [0.2, NOISE])
def test_too_little_noise_leaves_the_rest_of_it(assumed: float) -> None:
    """A closed form: variances that are not taken away stay."""
    left = blurred(TRUTH, math.sqrt(NOISE**2 - assumed**2))
    np.testing.assert_allclose(distilled(TEACHER, 3, assumed).covariances, left.covariances, atol=1e-5)


def test_extreme_deconvolution_of_samples_finds_the_same() -> None:
    """On 4,000 noisy points, from p*: EM over clean points, without floor or grid, beside the grid's optimum for p*."""
    points = TEACHER.sample(4000, np.random.default_rng(3))
    found = deconvolved(points, TRUTH, NOISE, 60)
    exact = distilled(TEACHER, 3, NOISE)
    np.testing.assert_allclose(found.means, exact.means, atol=0.06)
    np.testing.assert_allclose(found.covariances, exact.covariances, atol=0.03)


def test_too_much_noise_buys_precision_with_recall() -> None:
    student = distilled(TEACHER, 3, 0.36)
    found = numbers(student)
    assert found[0] > OWN + 0.4 and found[1] < OWN - 0.7
    assert np.linalg.eigvalsh(student.covariances)[:, 0] == pytest.approx(FLOOR**2, rel=1e-6)


def test_too_few_components_bring_the_old_trade_back() -> None:
    covering, seeking = (numbers(distilled(TEACHER, 2, NOISE, by)) for by in ("forward", "reverse"))
    assert covering[0] < -8 and covering[1] > -1.2
    assert seeking[0] > OWN - 0.1 and seeking[1] < -50


def test_reverse_student_is_no_better_elsewhere() -> None:
    """Its divergence by sampling from it, beside that of the forward student: the search did find something better."""
    rng, losses = np.random.default_rng(1), []
    for by in ("reverse", "forward"):
        noisy = blurred(distilled(TEACHER, 2, NOISE, by), NOISE)
        x = noisy.sample(20_000, rng)
        losses.append((noisy.log_prob(x) - TEACHER.log_prob(x)).mean())
    assert losses[0] < losses[1] - 0.05


def guess_and_slope(y: Any) -> tuple[Any, Any]:
    """Tweedie's mean from the score, and its derivative by finite differences."""

    def guess(at: Any) -> Any:
        return at + NOISE**2 * _scores(TEACHER, at)

    h = 1e-5
    columns = [(guess(y + h * side) - guess(y - h * side)) / (2 * h) for side in np.eye(2)]
    return guess(y), np.stack(columns, axis=-1)


def test_the_best_guess_has_the_density_that_newton_finds() -> None:
    """For x from p*, solve m(y) = x by Newton on a convex function, and read the density off there."""
    rng = np.random.default_rng(5)
    x = TRUTH.sample(1500, rng)
    y = x.copy()

    def height(at: Any) -> Any:
        return 0.5 * (at**2).sum(axis=1) + NOISE**2 * TEACHER.log_prob(at) - (x * at).sum(axis=1)

    for _ in range(30):
        mean, slope = guess_and_slope(y)
        step, share, now = np.linalg.solve(slope, (mean - x)[..., None])[..., 0], np.ones((len(x), 1)), height(y)
        while (high := height(y - share * step) > now + 1e-9).any():
            share[high] /= 2
        y = y - share * step
    mean, slope = guess_and_slope(y)
    np.testing.assert_allclose(mean, x, atol=1e-6)
    scores = TEACHER.log_prob(y) - np.log(np.linalg.det(slope))
    p, r = denoised_once(TRUTH, NOISE)
    # 4 standard errors: a false alarm once in 16,000 seeds.
    assert abs(r.value - scores.mean()) < 4 * scores.std() / math.sqrt(len(x))
    said = TRUTH.log_prob(guess_and_slope(TEACHER.sample(20_000, rng))[0])
    assert abs(p.value - said.mean()) < 4 * said.std() / math.sqrt(20_000)
    assert p.value > OWN + 0.5 and r.value < OWN - 8


def test_the_sweep_is_best_where_the_noise_is_right() -> None:
    found = sweep()
    right = found.index(NOISE)
    assert len(found.dials) == 31 and found.dials[right] == NOISE
    assert found.recall.argmax() == right and (np.diff(found.precision) > 0).all()
    assert (found.recall <= found.recall_bound + 1e-4).all() and (found.precision <= found.precision_bound).all()
    assert (
        "as it is" in found.sentence(right) and "too little" in found.sentence(0) and "too much" in found.sentence(-1)
    )


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: blurred(TRUTH, -0.1), "noise is -0.1: give"),
        (lambda: distilled(TEACHER, 3, math.nan), "noise is nan: give"),
        (lambda: distilled(TEACHER, 4, 0.3), "n_components is 4: choose from 1 to the teacher's 3"),
        (lambda: distilled(TEACHER, 3, 0.3, "js"), "by is 'js': choose forward"),
        (lambda: denoised_once(TRUTH, 0), "noise is 0: .* give"),
    ],
)
def test_bad_input_is_refused(call: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        call()
