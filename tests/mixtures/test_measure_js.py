"""The page's own numbers of mixtures: precision, recall, bounds, coverage and contours, beside Python's."""

import math
from collections.abc import Iterator
from typing import Any

import contourpy
import numpy as np
import pytest
from playwright.sync_api import Browser, Error, Page
from support.solver import plain, solver_page
from support.worlds import FAMILIES, random_mixture

from kdlab import GaussianMixture, precision, recall
from kdlab.mixtures.judge import Judge
from kdlab.mixtures.limits import SHARES
from kdlab.mixtures.scenes import line_mixture, make_scene
from kdlab.mixtures.solver.em import Students

pytestmark = pytest.mark.browser

EXACT = 1e-6  # nats: what the page promises; Python's own error is a fifth of it
PAIR = {"weights": [0.5, 0.5], "means": [[0.0], [1.0]], "covariances": [[[1.0]], [[2.0]]]}


@pytest.fixture(scope="module")
def page(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with solver_page(browser, tmp_path_factory.mktemp("solver")) as one:
        yield one


def measured(page: Page, student: GaussianMixture, truth: GaussianMixture, **options: Any) -> Any:
    given = [plain(student), plain(truth), options]
    return page.evaluate("(given) => measures.measured(...given)", given)


def pairs(dim: int) -> list[tuple[GaussianMixture, GaussianMixture]]:
    """Students and truths of all families: round and tilted, narrow and wide, of one component and of many."""
    rng = np.random.default_rng(dim)
    draw = lambda most: random_mixture(rng, int(rng.integers(1, most)), dim, FAMILIES[int(rng.integers(3))])  # noqa: E731
    return [(draw(5), draw(9)) for _ in range(20)]


@pytest.mark.parametrize("dim", [1, 2])
def test_precision_and_recall_are_exact(page: Page, dim: int) -> None:
    for student, truth in pairs(dim):
        found = measured(page, student, truth)
        assert found["exact"] and found["reason"] == ""
        assert found["precision"] == pytest.approx(precision(student, truth).value, abs=EXACT)
        assert found["recall"] == pytest.approx(recall(student, truth).value, abs=EXACT)


@pytest.mark.parametrize("dim", [1, 2])
def test_what_is_drawn_is_near(page: Page, dim: int) -> None:
    """Within 0.01 nats, a fifth of a step that the plane would call a jump."""
    for student, truth in pairs(dim):
        found = measured(page, student, truth, drawing=True)
        assert not found["exact"] and found["reason"]
        assert found["precision"] == pytest.approx(precision(student, truth).value, abs=0.01)
        assert found["recall"] == pytest.approx(recall(student, truth).value, abs=0.01)


@pytest.mark.parametrize("dim", [1, 2])
def test_on_the_grid_that_it_needed_it_is_the_same(page: Page, dim: int) -> None:
    """At once, without coarser grids; one that would be too fine is not tried again."""
    student, truth = pairs(dim)[0]
    found = measured(page, student, truth)
    assert measured(page, student, truth, fine=found["step"]) == found
    assert measured(page, student, truth, fine=1e-5) == found


@pytest.mark.parametrize("name", ["line", "ring", "falls", "rare"])
def test_bounds_are_pythons(page: Page, name: str) -> None:
    truth = make_scene(name).truth
    found = page.evaluate("(truth) => measures.bounds(truth)", plain(truth))
    assert found["precision"] == pytest.approx(truth.mode_density(), abs=1e-9)
    assert found["recall"] == pytest.approx(recall(truth, truth).value, abs=EXACT)


def test_two_that_cross_have_their_highest_mode_between_their_means(page: Page) -> None:
    crossed = GaussianMixture([0.5, 0.5], [[0.0, 1.0], [1.0, 0.0]], [np.diag([2.0, 0.01]), np.diag([0.01, 2.0])])
    found = page.evaluate("(truth) => measures.bounds(truth).precision", plain(crossed))
    assert found == pytest.approx(crossed.mode_density(), abs=1e-9)
    assert found > crossed.log_prob(crossed.means).max() + 0.1


@pytest.mark.parametrize("dim", [1, 2])
def test_coverage_is_pythons(page: Page, dim: int) -> None:
    """In the plane both err by parts of a cell at the edge of what is covered; Python's cells are larger."""
    for student, truth in pairs(dim)[:8]:
        right = Judge(truth, student).recalls_and_coverages(Students.of([student]))[1][0]
        np.testing.assert_allclose(measured(page, student, truth)["coverage"], right, atol=0.005 if dim == 1 else 0.03)


def test_thin_components_are_seen(page: Page) -> None:
    """Widths a thousand to one on a line, and two hundred to one in the plane: exact still."""
    spike = line_mixture([0.5, 0.3, 0.2], [0.0, 0.7, -1.0], [1.0, 0.001, 0.03])
    wide = line_mixture([0.6, 0.4], [0.2, -1.0], [1.2, 0.5])
    thin = GaussianMixture([0.7, 0.3], [[0.0, 0.0], [0.5, 0.3]], [np.eye(2), np.diag([1e-2, 2.5e-5])])
    round_ = GaussianMixture([1.0], [[0.1, 0.0]], [np.eye(2) * 1.5])
    for student, truth in ((wide, spike), (spike, wide), (round_, thin), (thin, round_)):
        found = measured(page, student, truth)
        assert found["exact"]
        assert found["precision"] == pytest.approx(precision(student, truth).value, abs=EXACT)
        assert found["recall"] == pytest.approx(recall(student, truth).value, abs=EXACT)


def test_what_cannot_be_exact_says_so(page: Page) -> None:
    tilted = GaussianMixture([0.5, 0.5], [[0.0, 0.0], [1.0, 0.0]], [np.eye(2), [[1.0, 0.9999995], [0.9999995, 1.0]]])
    found = measured(page, GaussianMixture([1.0], [[0.5, 0.0]], [np.eye(2)]), tilted)
    assert not found["exact"] and "differ too much" in found["reason"]
    assert all(math.isfinite(found[name]) for name in ("precision", "recall", "entropy"))


def test_densities_do_not_underflow_and_weights_may_be_nothing(page: Page) -> None:
    truth = line_mixture([0.75, 0.25, 0.0], [-1.0, 1.0, 5.0], [0.1, 0.2, 1.0])
    for x in (-1.0, 0.3, 5.0, 1e4):
        found = page.evaluate("([truth, x]) => measures.logDensity(truth, [x])", [plain(truth), x])
        assert found == pytest.approx(truth.log_prob([[x]])[0], rel=1e-12)
    for beta in (0.0, 1.0, 2.5, 400.0):
        found = page.evaluate("([truth, beta]) => measures.tempered(truth, beta).weights", [plain(truth), beta])
        np.testing.assert_allclose(found, truth.tempered(beta).weights, rtol=1e-12)


@pytest.mark.parametrize(
    ("change", "beginning", "end"),
    [
        ({"weights": [0.5, -0.5]}, "weights are [0.5,-0.5]: ", "make each a finite number, not negative."),
        ({"weights": [0.5, 0.6]}, "weights are [0.5,0.6]: ", "they sum to 1.1, not 1; divide them by their sum."),
        ({"weights": [1.0]}, "means are [[0],[1]]: ", "give one for each of the 1 weights."),
        ({"weights": []}, "weights are []: ", "give a list with one entry for each component."),
        ({"means": [[0.0], ["nan"]]}, 'mean 1 is ["nan"]: ', "give a list of 1 finite numbers."),
        ({"means": [[0.0, 1.0, 2.0], [0.0]]}, "mean 0 is [0,1,2]: ", "a list of one or two numbers, as in [0.5]."),
        ({"covariances": [[[1.0]], [[0.0]]]}, "covariance 1 is [[0]]: ", "give each axis a variance above zero."),
        ({"covariances": [[[1.0]], [1.0]]}, "covariance 1 is [1]: ", "give 1 lists of 1 finite numbers."),
    ],
)
def test_what_is_no_mixture_is_an_error(page: Page, change: dict[str, Any], beginning: str, end: str) -> None:
    with pytest.raises(Error) as caught:
        page.evaluate("(given) => measures.bounds(given)", PAIR | change)
    said = caught.value.message.partition("Error: ")[2].partition("\n")[0]
    assert said.startswith(beginning) and said.endswith(end)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("measures.check({ ...pair, means: [[0], [NaN]] })", 'mean 1 is ["NaN"]'),
        ("measures.tempered(pair, -1)", "beta is -1: weights are raised to a power"),
        ("measures.measured(pair, plane)", "dimensions are [1,2]: give two models of one space"),
        ("measures.logDensity(pair, [0, 1])", "the point is [0,1]: give a list of 1 numbers"),
        ("measures.check({ ...plane, covariances: [[[1, 0.5], [0.4, 1]]] })", "make it symmetric"),
        ("measures.check({ ...plane, covariances: [[[1, 2], [2, 1]]] })", "it must be positive definite"),
    ],
)
def test_wrong_questions_are_errors(page: Page, asked: str, said: str) -> None:
    with pytest.raises(Error) as caught:
        page.evaluate(
            f"""(pair) => {{
          const plane = {{ weights: [1], means: [[0, 0]], covariances: [[[1, 0], [0, 1]]] }};
          return {asked};
        }}""",
            PAIR,
        )
    assert said in caught.value.message


@pytest.mark.parametrize("name", ["ring", "rare"])
def test_contours_are_contourpys(page: Page, name: str) -> None:
    """Levels hold their shares, to 0.01 nats; at each as many lines, of the same points; loops come back."""
    truth, limits = make_scene(name).truth, ((-2.5, 3.5), (-2.0, 2.2))  # some lines end at the picture's edge
    found = page.evaluate("([truth, x, y]) => contours(truth, x, y)", [plain(truth), *map(list, limits)])
    xs, ys = (np.linspace(*one, 96) for one in limits)
    logs = truth.log_prob(np.stack(np.meshgrid(xs, ys), axis=-1).reshape(-1, 2)).reshape(96, 96)
    mass = np.exp(logs) / np.exp(logs).sum()
    for share, one in zip(SHARES, found, strict=True):
        assert mass[logs > one["level"] + 0.01].sum() < share <= mass[logs > one["level"] - 0.01].sum()
        mine = [np.asarray(line) for line in one["path"]]
        lines = contourpy.contour_generator(xs, ys, logs).lines(one["level"])
        assert sorted(map(len, mine)) == sorted(map(len, lines))
        apart = np.linalg.norm(np.concatenate(mine)[:, None] - np.concatenate(lines), axis=2)
        assert max(apart.min(axis=0).max(), apart.min(axis=1).max()) < 1e-9
        for line in mine:
            on_edge = np.isclose(line, np.transpose(limits)[:, None]).any()
            assert on_edge or np.array_equal(line[0], line[-1])


def test_contours_take_little_memory(page: Page) -> None:
    """A hand draws 75 a second: of a megabyte each Chromium swept all memory again and again, and drags stuttered."""
    taken = page.evaluate(
        """([truth, x, y]) => {
          const plain = { Float64Array, Int32Array, Uint8Array };
          let bytes = 0;
          for (const [name, Plain] of Object.entries(plain)) {
            window[name] = class extends Plain {
              constructor(...given) {
                super(...given);
                bytes += this.byteLength;
              }
            };
          }
          try {
            contours(truth, x, y);
          } finally {
            Object.assign(window, plain);
          }
          return bytes;
        }""",
        [plain(make_scene("ring").truth), [-4.0, 4.0], [-4.0, 4.0]],
    )
    assert 1000 < taken < 100_000
