"""Thin components: means of log-densities that no evenly spaced grid sees, against scipy's adaptive rules."""

import math
from typing import Any

import numpy as np
import pytest
from scipy.integrate import quad
from support.accuracy import dense_mean
from support.drill import judged, mean_log_prob
from support.worlds import random_mixture

from kdlab import GaussianMixture, fit_mixture, precision, recall
from kdlab.mixtures import _lines
from kdlab.mixtures._lines import expect_log_prob
from kdlab.mixtures._quadrature import TooManyNodes
from kdlab.mixtures.judge import Judge, cross_entropies
from kdlab.mixtures.scenes import line_mixture, make_scene

BELL = line_mixture([1.0], [0.0], [1.0])


def spiked(width: float, at: float = 0.013) -> GaussianMixture:
    """Half a bell, half a spike in it."""
    return line_mixture([0.5, 0.5], [0.013, at], [1.0, width])


@pytest.mark.parametrize("width", [0.3, 0.1, 0.09, 0.03, 0.01, 1e-3, 1e-4])
def test_a_spike_is_seen_wherever_it_stands(width: float) -> None:
    """Twelve offsets between the nodes of the plain grid; scipy's `quad` is told where the spike is."""
    for offset in np.linspace(0.0, 0.25, 12):
        q = spiked(width, float(offset))

        def integrand(x: float, q: GaussianMixture = q) -> float:
            return float(q.log_prob([[x]])[0]) * math.exp(-0.5 * x * x) / math.sqrt(2 * math.pi)

        places = sorted({-9.0, 9.0, *(offset + sign * step * width for step in (0, 1, 4, 7, 12) for sign in (1, -1))})
        exact = sum(quad(integrand, a, b, epsabs=1e-10, limit=200)[0] for a, b in zip(places, places[1:], strict=False))
        assert recall(q, BELL).value == pytest.approx(exact, abs=1e-6)


def test_the_numbers_of_a_spike() -> None:
    q = spiked(0.01)
    assert recall(q, BELL).value == pytest.approx(-2.0332907, abs=1e-6)
    assert recall(q, BELL).standard_error == 0
    assert precision(q, q).value == pytest.approx(mean_log_prob(q, q), abs=1e-6)


@pytest.mark.parametrize("i", [*range(0, 100, 2), 1, 3, 9])
def test_random_mixtures_are_right_or_refused(i: int) -> None:
    """The first of the four hundred of `support/drill.py`: even ones on a line, odd ones in the plane."""
    error, refused = judged(i)
    assert error <= 1e-6
    assert not refused


def test_lines_say_what_the_grid_says() -> None:
    """Where no component is thin both rules are right: the plane, tilted components, and means far off."""
    rng = np.random.default_rng(3)
    for dim in (1, 2):
        model, of = (random_mixture(rng, 3, dim) for _ in range(2))
        found = 0.0
        for weight, mean, root in zip(model.weights, model.means, model.choleskys, strict=True):
            # No grid of one node: line by line.
            found += weight * expect_log_prob(of, mean, root, tolerance=1e-8, max_nodes=1)[0]
        assert found == pytest.approx(dense_mean(model, of), abs=1e-6)


def test_too_many_lines_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_lines, "_MAX_LINE_NODES", 1000)
    needles = GaussianMixture([0.5, 0.5], np.zeros((2, 2)), [np.diag([1.0, 1e-8]), np.diag([1e-8, 1.0])])
    with pytest.raises(TooManyNodes, match="more than 1000 nodes"):
        expect_log_prob(needles, np.zeros(2), np.eye(2), tolerance=1e-7)
    with pytest.raises(ValueError, match=r"rng is None and quadrature refused: more than 1000 nodes.*pass rng="):
        needles.expected_log_prob(needles)


# Who else asks


def thin_student() -> tuple[GaussianMixture, GaussianMixture]:
    """What a student of ten points may become, and the truth that the points came from."""
    truth = make_scene("line").truth
    return fit_mixture(truth.sample(10, np.random.default_rng(3)), 4).model, truth


def test_a_student_of_few_points() -> None:
    student, truth = thin_student()
    assert np.sqrt(student.covariances.min() / truth.covariances.max()) < 0.03
    exact = mean_log_prob(truth, student)
    assert recall(student, truth).value == pytest.approx(exact, abs=1e-6)
    judge = Judge(truth, student)
    assert judge.recall(student) == pytest.approx(exact, abs=1e-6)
    assert judge.precision(student) == pytest.approx(mean_log_prob(student, truth), abs=1e-6)


def test_students_thinner_than_the_teacher() -> None:
    student, teacher = thin_student()
    assert cross_entropies([teacher], [student])[0] == pytest.approx(-mean_log_prob(teacher, student), abs=1e-6)


@pytest.mark.parametrize("dim", [1, 2])
def test_a_truth_with_a_thin_mode(dim: int) -> None:
    """On a line it is laid out as finely as it needs; in the plane the judge says why not, and precision goes on."""
    cov: Any = [np.eye(dim), 1e-8 * np.eye(dim)]
    truth = GaussianMixture([0.7, 0.3], np.full((2, dim), 0.1), cov)
    student = GaussianMixture([1.0], np.zeros((1, dim)), [np.eye(dim)])
    if dim == 1:
        assert Judge(truth, student).precision(student) == pytest.approx(mean_log_prob(student, truth), abs=1e-6)
    else:
        with pytest.raises(ValueError, match=r"p\* would be laid out on .* nodes.*kdlab\.precision"):
            Judge(truth, student)
    assert precision(student, truth).value == pytest.approx(mean_log_prob(student, truth), abs=1e-6)
