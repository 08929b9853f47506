"""The page's own solver (measure.js, fit.js, path.js) beside Python, which is the truth."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser, Page

from kdlab.core.files import PACKAGE
from kdlab.core.metrics import precision, recall
from kdlab.core.sweep import beta_positions
from kdlab.mixtures.experiment import teacher_entropy
from kdlab.mixtures.fit import fit_mixture
from kdlab.mixtures.limits import SHARES, density_contours
from kdlab.mixtures.model import GaussianMixture
from kdlab.mixtures.scenes import NAMED, make_scene
from kdlab.mixtures.view import parts

pytestmark = [pytest.mark.browser, pytest.mark.slow]

FILES = ("measure", "contours", "fit", "path")
MAKE = """
const measures = makeMeasures();
const solver = makeSolver(measures);
const paths = makePaths(measures, solver);
const contours = makeContours(measures);
"""


@pytest.fixture(scope="module")
def page(browser: Browser) -> Iterator[Page]:
    one = browser.new_page()
    for name in FILES:
        one.add_script_tag(content=(PACKAGE / "mixtures" / f"{name}.js").read_text("utf-8"))
    one.add_script_tag(content=MAKE)
    yield one
    one.close()


def sent(model: GaussianMixture) -> dict[str, Any]:
    return {name: getattr(model, name).tolist() for name in ("weights", "means", "covariances")}


def mixture(told: dict[str, Any]) -> GaussianMixture:
    weights = np.array(told["weights"])
    return GaussianMixture(weights / weights.sum(), told["means"], told["covariances"])


def world(seed: int) -> tuple[GaussianMixture, GaussianMixture, int, Any]:
    """A p*, a teacher of it that is tempered, and what the student may be: K* to 8, K' to 6, K'' to 4."""
    rng = np.random.default_rng([seed, 20])
    dim, k = 1 + seed % 2, int(rng.integers(2, 9))
    roots = rng.normal(size=(k, dim, dim)) * 0.25 + np.eye(dim) * rng.uniform(0.25, 0.7, (k, 1, 1))
    covariances = roots @ np.swapaxes(roots, 1, 2) + 0.03 * np.eye(dim)
    truth = GaussianMixture(rng.dirichlet(np.full(k, 2.0)), rng.uniform(-2.5, 2.5, (k, dim)), covariances)
    teacher = fit_mixture(truth, int(rng.integers(1, 7))).model
    families = ("diag", "full", "spherical")
    return truth, teacher.tempered(float(100 ** rng.random())), int(rng.integers(1, 5)), families[seed % 3]


def test_students_of_random_worlds_are_as_good_and_worth_the_same(page: Page) -> None:
    """Thirty worlds; benchmarks/own.py looks at three hundred.

    Both searches end in the better of several optima, not always in the same one: 1e-3 nats apart at most, in all of
    these, where the promise is 98 of a hundred. What the page says of the student that it shows is right to 1e-5 nats.
    """
    for seed in range(30):
        truth, target, n, family = world(seed)
        told = page.evaluate(
            """([truth, target, n, family]) => {
              const found = solver.finish(solver.fit(target, n, family));
              return { ...found, ...measures.measured(found.student, truth) };
            }""",
            [sent(truth), sent(target), n, family],
        )
        assert told["exact"] and not told["looking"], (seed, told["reason"])
        student = mixture(told["student"])
        assert told["precision"] == pytest.approx(precision(student, truth).value, abs=1e-5), seed
        assert told["recall"] == pytest.approx(recall(student, truth).value, abs=1e-5), seed
        ours = target.expected_log_prob(fit_mixture(target, n, covariance=family).model).value
        assert ours - target.expected_log_prob(student).value < 1e-3, seed


@pytest.mark.parametrize(("name", "n"), [("line", 2), ("falls", 1), ("rare", 4)])
def test_a_path_is_that_of_the_sweep(page: Page, name: str, n: int) -> None:
    """All positions, the gaps too; numbers differ by as much as where both stop, some 1e-3 nats.

    Recall only where no component is lighter than 1e-4: the likelihood, which both climb, does not feel where a
    component of 1e-18 lies, and recall does.
    """
    sweep = teacher_entropy(name, n)
    told = page.evaluate(
        """([teacher, truth, n, betas]) => {
          const found = solver.finish(paths.path(teacher, n, "diag", betas));
          return { ...found, ...solver.finish(paths.worthAlong(found, truth)), ...{ bounds: measures.bounds(truth) } };
        }""",
        [sent(sweep.scene.teacher), sent(sweep.scene.truth), n, beta_positions().tolist()],
    )
    np.testing.assert_allclose(told["precision"], sweep.precision, atol=3e-3)
    felt = sweep.student_log_weights.min(axis=1) > np.log(1e-4)
    assert felt.sum() > 25
    np.testing.assert_allclose(np.array(told["recall"])[felt], sweep.recall[felt], atol=3e-3)
    np.testing.assert_allclose(told["coverage"], sweep.coverage, atol=0.02)
    assert np.flatnonzero(told["switched"]).tolist() == np.flatnonzero(sweep.switched).tolist()
    assert told["bounds"]["recall"] == pytest.approx(sweep.recall_bound, abs=1e-5)
    assert told["bounds"]["precision"] == pytest.approx(sweep.precision_bound, abs=1e-5)


@pytest.mark.parametrize("name", [name for name in NAMED if make_scene(name).truth.dim == 2])
def test_contours_hold_the_same_shares(page: Page, name: str) -> None:
    """Inside each line of the page as much of p* is as its level says: to what a cell of the grid holds, 2 %."""
    truth = make_scene(name).truth
    told = page.evaluate("([p, x]) => contours(p, x, x)", [sent(truth), [-4, 4]])
    assert [one["level"] for one in told] == list(SHARES)
    theirs = density_contours(truth, (-4, 4), (-4, 4))
    for one, (_, lines) in zip(told, theirs, strict=True):
        assert sum(len(line) > 8 for line in one["path"]) == sum(len(line) > 8 for line in lines)
        level = np.concatenate([truth.log_prob(np.array(line)) for line in one["path"]])
        assert np.ptp(level) < 0.1  # a line of one height
        drawn = truth.sample(4000, np.random.default_rng(0))
        share = (truth.log_prob(drawn) > level.mean()).mean()
        assert share == pytest.approx(one["level"], abs=0.02)


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ({"weights": [0.5, 0.6]}, "they sum to 1.1, not 1"),
        ({"weights": [1.5, -0.5]}, "not negative"),
        ({"weights": []}, "give a list with one entry for each component"),
        ({"means": [[0.0], [float("nan")]]}, "finite numbers"),
        ({"covariances": [[[1.0]], [[0.0]]]}, "positive definite"),
    ],
)
def test_what_is_no_mixture_is_refused_in_words(page: Page, broken: dict[str, Any], said: str) -> None:
    good = {"weights": [0.5, 0.5], "means": [[0.0], [1.0]], "covariances": [[[1.0]], [[1.0]]]}
    told = page.evaluate(
        "p => { try { return measures.measured(p, p) } catch (error) { return error.message } }", good | broken
    )
    assert isinstance(told, str) and said in told


def test_hard_worlds_throw_nothing_and_give_numbers(page: Page) -> None:
    """Modes of no weight, on top of each other, far outside, a thousand times as wide: numbers, or a reason why not."""
    one = [[0.04, 0.0], [0.0, 0.04]]
    worlds = [
        {"weights": [1.0] + [0.0] * 11, "means": [[float(i), 0.0] for i in range(12)], "covariances": [one] * 12},
        {"weights": [0.5, 0.5], "means": [[0.0, 0.0]] * 2, "covariances": [one] * 2},
        {"weights": [0.999, 0.001], "means": [[0.0, 0.0], [1000.0, 0.0]], "covariances": [one] * 2},
        {"weights": [0.5, 0.5], "means": [[0.0], [1.0]], "covariances": [[[1.0]], [[1e-6]]]},
    ]
    for truth in worlds:
        for n in (1, 2, 4):
            told = page.evaluate(
                """([truth, n]) => {
                  const found = solver.finish(solver.fit(measures.tempered(truth, 3), n, "diag"));
                  return { ...found, ...measures.measured(found.student, truth), fitted: found.exact };
                }""",
                [truth, n],
            )
            assert np.isfinite([told["precision"], told["recall"], told["kl"]]).all(), (truth, n, told)
            assert told["exact"] or told["reason"]
            mixture(told["student"])


def test_what_the_page_is_sent_is_what_it_takes(page: Page) -> None:
    truth = make_scene("rare").truth
    told = page.evaluate("p => measures.bounds(p)", parts(truth.weights, truth.means, truth.covariances))
    assert told["precision"] == pytest.approx(truth.mode_density(), abs=1e-4)
