"""The page's own students beside Python's: as near to their targets, in closed form where there is one."""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser, Error, Page
from support.solver import World, plain, random_world, solver_page
from support.worlds import FAMILIES, random_mixture, within

from kdlab import GaussianMixture, fit_mixture
from kdlab.mixtures.scenes import line_mixture

pytestmark = pytest.mark.browser

WORLDS = 40
CLOSE, FAR = 1e-3, 0.02  # nats of KL behind Python's: of 98 in 100 students, and of any


@pytest.fixture(scope="module")
def page(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with solver_page(browser, tmp_path_factory.mktemp("solver")) as one:
        yield one


def fitted(page: Page, target: GaussianMixture, n: Any, family: Any = "diag", **options: Any) -> Any:
    given = [plain(target), n, family, options]
    return page.evaluate("(given) => solver.finish(solver.fit(...given))", given)


def behind(found: Any, target: GaussianMixture, right: GaussianMixture) -> float:
    """How much farther from the target the page's student is than Python's: a difference of KLs, nats."""
    theirs, mine = (target.expected_log_prob(one).value for one in (right, GaussianMixture(**found["student"])))
    return float(theirs - mine)


def test_students_and_teachers_are_as_near_as_pythons(page: Page) -> None:
    """In 40 random worlds; `benchmarks/own.py` does the same in 300."""
    gaps = []
    for world in map(random_world, range(WORLDS)):
        teacher = world.teacher()
        for target, size, family, right in (
            (world.truth, world.teacher_size, world.teacher_family, teacher),
            (teacher.tempered(world.beta), world.n_components, world.family, None),
        ):
            found = fitted(page, target, size, family)
            assert found["exact"] and not found["looking"] and found["reason"] == ""
            gaps.append(behind(found, target, right or fit_mixture(target, size, covariance=family).model))
            own, other = (target.expected_log_prob(one).value for one in (target, GaussianMixture(**found["student"])))
            assert found["kl"] == pytest.approx(own - other, abs=2e-6)
    assert np.mean(np.array(gaps) <= CLOSE) >= 0.98
    assert max(gaps) <= FAR


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("dim", [1, 2])
def test_one_component_has_the_targets_moments(page: Page, family: str, dim: int) -> None:
    target = random_mixture(np.random.default_rng(dim), 5, dim)
    student = fitted(page, target, 1, family)["student"]
    np.testing.assert_allclose(student["means"], target.mean[None], rtol=1e-12)
    np.testing.assert_allclose(student["covariances"], within(family, target.covariance)[None], rtol=1e-12)


def test_a_student_that_can_be_the_target_is(page: Page) -> None:
    target = random_mixture(np.random.default_rng(5), 3, 2, "diag")
    for n, family in ((3, "diag"), (4, "diag"), (3, "full")):
        found = fitted(page, target, n, family, drawing=True)
        assert not found["looking"] and found["exact"] and found["kl"] == 0
        for name, values in plain(target).items():
            np.testing.assert_allclose(found["student"][name], values, rtol=1e-12)
    assert fitted(page, target, 3, "spherical")["kl"] > 0.01


def test_a_few_steps_draw_a_student_that_is_known_to_be_near(page: Page) -> None:
    """And say that another may be better."""
    target = random_mixture(np.random.default_rng(8), 6, 2)
    known = fitted(page, target, 3, "full")["student"]
    moved = GaussianMixture(target.weights, target.means + [[0.05, 0], *[[0, 0]] * 5], target.covariances)
    drawn = fitted(page, moved, 3, "full", warm=known, drawing=True)
    assert drawn["looking"] and not drawn["exact"] and drawn["reason"]
    assert behind(drawn, moved, fit_mixture(moved, 3, covariance="full").model) < FAR
    assert drawn["kl"] == pytest.approx(fitted(page, moved, 3, "full")["kl"], abs=FAR)


def test_the_work_comes_in_small_parts(page: Page) -> None:
    """A part is a step of EM: whoever runs it may stop, and the result does not depend on who did."""
    target = random_mixture(np.random.default_rng(9), 6, 2)
    parts, kl = page.evaluate(
        """(target) => {
          const work = solver.fit(target, 3, "diag");
          for (let parts = 0; ; parts += 1) {
            solver.finish(solver.fit(target, 2, "full", { drawing: true })); // other work in between
            const { done, value } = work.next();
            if (done) return [parts, value.kl];
          }
        }""",
        plain(target),
    )
    assert parts > 100
    assert kl == fitted(page, target, 3, "diag")["kl"]


def square(*variances: float) -> list[Any]:
    return [np.eye(2) * variance for variance in variances]


HARD = {
    "no weight": GaussianMixture([0.5, 0.0, 0.5], [[0, 0], [1, 1], [2, 0]], square(0.1, 0.2, 0.1)),
    "one of twelve": GaussianMixture(np.eye(12)[0], [[i, i % 3] for i in range(12)], square(*[0.1] * 12)),
    "on top of each other": GaussianMixture([0.2, 0.3, 0.5], [[1, 2]] * 3, square(0.1, 0.1, 0.1)),
    "far outside": GaussianMixture([0.5, 0.3, 0.2], [[0, 0], [1e4, 0], [1e6, 1e6]], square(0.1, 0.1, 0.1)),
    "a thousand to one": GaussianMixture([0.5, 0.3, 0.2], [[0, 0], [1, 0], [0, 1]], square(1, 1e-6, 1e-4)),
    "thin and tilted": GaussianMixture([0.5, 0.5], [[0, 0], [1, 0]], [np.eye(2), [[1, 0.9999995], [0.9999995, 1]]]),
    "on a line": line_mixture([0.5, 0.25, 0.25], [0.0, 1e5, -1e5], [1.0, 1e-3, 0.1]),
}


def numbers_in(value: Any) -> Iterator[float]:
    if isinstance(value, dict | list):
        for one in value.values() if isinstance(value, dict) else value:
            yield from numbers_in(one)
    elif value is None or isinstance(value, int | float):
        yield math.nan if value is None else value


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("name", HARD)
def test_hard_worlds_end_in_numbers_or_in_a_plain_word(page: Page, name: str, family: str) -> None:
    """No NaN, no exception; what is not exact says so, and is near what it should be all the same."""
    target = HARD[name]
    for n in (1, 2):
        found = fitted(page, target, n, family)
        assert all(map(math.isfinite, numbers_in(found)))
        assert found["exact"] != bool(found["reason"])
        student = GaussianMixture(**found["student"])
        assert student.n_components <= n
        if name != "thin and tilted":
            assert found["exact"]
        drawn = fitted(page, target, n, family, warm=found["student"], drawing=True)
        assert all(map(math.isfinite, numbers_in(drawn["student"])))


def test_a_narrow_component_makes_the_grid_finer(page: Page) -> None:
    """Round students of a long thin target are much narrower than it is long: Python's are found."""
    target = GaussianMixture([0.9, 0.1], [[0, 0], [1, 3]], [np.diag([4.0, 0.01]), np.eye(2)])
    right = fit_mixture(target, 4, covariance="spherical").model
    found = fitted(page, target, 4, "spherical")
    assert found["exact"] and behind(found, target, right) <= CLOSE


@pytest.mark.parametrize(
    ("n", "family", "said"),
    [
        (0, "diag", "the number of components is 0: give a whole number from 1"),
        (1.5, "diag", "the number of components is 1.5: give a whole number from 1"),
        (2, "round", 'the family of covariances is "round": choose one of diag, full, spherical'),
    ],
)
def test_wrong_settings_are_errors(page: Page, n: Any, family: str, said: str) -> None:
    with pytest.raises(Error, match="Error") as caught:
        fitted(page, line_mixture([0.5, 0.5], [0.0, 1.0], [1.0, 1.0]), n, family)
    assert said in caught.value.message


def test_a_target_that_is_no_mixture_is_an_error(page: Page) -> None:
    with pytest.raises(Error, match="variance above zero"):
        page.evaluate("solver.finish(solver.fit({ weights: [1], means: [[0]], covariances: [[[0]]] }, 2, 'diag'))")


def test_worlds_are_what_they_say() -> None:
    """So that forty of them try everything, students with fewer components than their teachers above all."""
    worlds: list[World] = [random_world(seed) for seed in range(WORLDS)]
    assert {world.truth.dim for world in worlds} == {1, 2} and {world.family for world in worlds} == set(FAMILIES)
    assert {world.n_components for world in worlds} == {1, 2, 3, 4}
    assert sum(1 < world.n_components < world.teacher_size for world in worlds) >= 10
