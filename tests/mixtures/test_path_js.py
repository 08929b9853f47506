"""The page's own paths beside Python's committed sweeps."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser, Error, Page
from support.solver import plain, solver_page
from support.worlds import random_mixture

from kdlab import GaussianMixture
from kdlab.core.sweep import beta_positions
from kdlab.mixtures.experiment import MixtureSweep, teacher_entropy
from kdlab.mixtures.judge import Judge, divergences
from kdlab.mixtures.solver.em import Students

pytestmark = pytest.mark.browser

BETAS = beta_positions().tolist()
FEW = beta_positions(31).tolist()
SWEEPS = [("falls", 2, "diag"), ("rare", 2, "full"), ("rare", 3, "diag"), ("line", 3, "diag")]


@pytest.fixture(scope="module")
def page(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with solver_page(browser, tmp_path_factory.mktemp("solver")) as one:
        yield one


def path_of(page: Page, teacher: GaussianMixture, n: int, family: str, betas: list[float], **options: Any) -> Any:
    given = [plain(teacher), n, family, betas, options]
    return page.evaluate("(given) => solver.finish(paths.path(...given))", given)


def students_of(found: Any) -> Students:
    return Students.of([GaussianMixture(**student) for student in found["students"]])


def kls(teacher: GaussianMixture, found: Any) -> Any:
    return divergences([teacher.tempered(beta) for beta in found["betas"]], students_of(found))


@pytest.mark.parametrize(("scene", "n", "family"), SWEEPS)
def test_a_path_is_that_of_the_committed_sweep(page: Page, scene: str, n: int, family: Any) -> None:
    """At each position as near to the teacher, as good to look at, and with gaps in the same places.

    What is drawn of a path is a hundredth of a nat wide. Past beta = 30 components of weight 1e-6 and less cover p*'s
    other modes; the likelihood does not feel where exactly they lie, recall does, and is compared before.
    """
    sweep: MixtureSweep = teacher_entropy(scene, n, family)
    found = path_of(page, sweep.scene.teacher, n, family, BETAS)
    assert found["exact"] and not found["looking"] and found["reason"] == ""
    assert (kls(sweep.scene.teacher, found) - sweep.kl).max() < 2e-4
    given = [found, plain(sweep.scene.truth)]
    worth = page.evaluate("(given) => solver.finish(paths.worthAlong(...given))", given)
    assert worth["measured"]
    np.testing.assert_allclose(worth["precision"], sweep.precision, atol=0.01)
    before = sweep.betas < 30
    np.testing.assert_array_equal(np.array(worth["switched"])[before], sweep.switched[before])
    np.testing.assert_allclose(np.array(worth["recall"])[before], sweep.recall[before], atol=0.03)
    covered = np.array(worth["coverage"]) >= 0.5
    assert (covered != sweep.covered)[np.abs(sweep.coverage - 0.5) > 0.03].sum() == 0


def test_numbers_along_a_path_are_pythons(page: Page) -> None:
    sweep = teacher_entropy("rare", 2, "diag")
    found = path_of(page, sweep.scene.teacher, 2, "diag", FEW)
    given = [found, plain(sweep.scene.truth)]
    worth = page.evaluate("(given) => solver.finish(paths.worthAlong(...given))", given)
    students = students_of(found)
    judge = Judge(sweep.scene.truth, students)
    np.testing.assert_allclose(worth["precision"], judge.precisions(students), atol=1e-6)
    np.testing.assert_allclose(worth["recall"], judge.recalls_and_coverages(students)[0], atol=1e-6)


def test_component_k_keeps_its_identity(page: Page) -> None:
    teacher = random_mixture(np.random.default_rng(3), 6, 2)
    found = path_of(page, teacher, 4, "full", BETAS)
    means = students_of(found).means
    steps = np.linalg.norm(np.diff(means, axis=0), axis=2).max(axis=1)
    assert steps[~np.array(found["switched"])[1:]].max() < 0.25


def test_what_needs_no_search_is_in_closed_form(page: Page) -> None:
    teacher = random_mixture(np.random.default_rng(4), 4, 2, "diag")
    one = path_of(page, teacher, 1, "spherical", FEW, drawing=True)
    same = path_of(page, teacher, 5, "diag", FEW, drawing=True)
    for i, beta in enumerate(FEW):
        tempered = teacher.tempered(beta)
        np.testing.assert_allclose(one["students"][i]["means"][0], tempered.mean, rtol=1e-12)
        np.testing.assert_allclose(same["students"][i]["weights"], tempered.weights, atol=1e-12)
    for found in (one, same):
        assert found["exact"] and not found["looking"] and not any(found["switched"])


def test_a_path_is_drawn_from_the_one_before(page: Page) -> None:
    """After a step of the hand: as near as the exact one to 0.02 nats, at each position. And with nothing before it."""
    teacher = random_mixture(np.random.default_rng(6), 5, 2)
    before = path_of(page, teacher, 3, "diag", FEW)
    moved = GaussianMixture(teacher.weights, teacher.means + np.eye(5, 2) * 0.1, teacher.covariances)
    exact = kls(moved, path_of(page, moved, 3, "diag", FEW))
    drawn = path_of(page, moved, 3, "diag", FEW, warm=before, drawing=True)
    assert drawn["looking"] and not drawn["exact"]
    assert (kls(moved, drawn) - exact).max() < 0.02
    cold = path_of(page, moved, 3, "diag", FEW, drawing=True)
    assert np.median(kls(moved, cold) - exact) < 0.02


def test_a_path_that_no_grid_can_hold_says_so(page: Page) -> None:
    teacher = GaussianMixture(
        [0.5, 0.3, 0.2], [[0, 0], [1, 0], [0, 1]], [np.eye(2), [[1, 0.9999995], [0.9999995, 1]], np.eye(2) * 0.01]
    )
    found = path_of(page, teacher, 2, "full", FEW)
    assert not found["exact"] and not found["looking"] and "differ too much" in found["reason"]
    assert np.isfinite(students_of(found).covariances).all()


def test_wrong_settings_are_errors(page: Page) -> None:
    teacher = random_mixture(np.random.default_rng(7), 3, 1)
    with pytest.raises(Error, match="choose one of diag, full, spherical"):
        path_of(page, teacher, 2, "tied", FEW)
    with pytest.raises(Error, match="beta is -1"):
        path_of(page, teacher, 2, "diag", [-1.0])
