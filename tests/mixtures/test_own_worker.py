"""The worker of a drawn world: the newest first, drawn at once, a path now and then, all of it exactly at rest."""

import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser, Page
from support.solver import plain, solver_page
from support.worlds import random_mixture

from kdlab import GaussianMixture
from kdlab.core.files import PACKAGE
from kdlab.core.sweep import beta_positions
from kdlab.mixtures.judge import Judge
from kdlab.mixtures.solver.em import Students

pytestmark = [pytest.mark.browser, pytest.mark.slow]

BETAS = beta_positions().tolist()
FOLLOW = """([jobs, wait]) => new Promise((done) => {
  const heard = [];
  const end = () => { worker.close(); done(heard); };
  const worker = startWorker(
    (answer) => { heard.push(answer); if (answer.want === "rest" && answer.key === jobs.at(-1).key) end(); },
    (error) => heard.push({ want: "error", message: error.message }));
  jobs.forEach((job, i) => setTimeout(() => worker.ask(job), i * wait));
})"""


@pytest.fixture(scope="module")
def page(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with solver_page(browser, tmp_path_factory.mktemp("solver")) as one:
        one.add_script_tag(content=(PACKAGE / "mixtures" / "own_worker.js").read_text("utf-8"))
        yield one


def job(key: str, shift: float = 0.0, *, rest: bool = False, **other: Any) -> dict[str, Any]:
    truth = random_mixture(np.random.default_rng(12), 6, 2, "diag")
    truth = GaussianMixture(truth.weights, truth.means + np.eye(6, 2) * shift, truth.covariances)
    usual = {"taught": 5, "n": 2, "family": "diag", "beta": 6.0, "betas": BETAS, "reach": 4.0}
    return {"key": key, "truth": plain(truth), "rest": rest} | usual | other


def test_a_world_is_answered_part_by_part(page: Page) -> None:
    heard = page.evaluate(FOLLOW, [[job("one", rest=True)], 0])
    assert [one["want"] for one in heard] == ["here", "path", "rest"]
    here, path, rest = heard
    assert len(path["students"]) == len(path["precision"]) == 31 and path["looking"] and not path["exact"]
    assert rest["betas"] == pytest.approx(BETAS) and rest["exact"] and not rest["looking"]
    truth, students = GaussianMixture(**job("")["truth"]), rest["students"]
    stack = Students.of([GaussianMixture(**one) for one in students])
    judge = Judge(truth, stack)
    np.testing.assert_allclose(rest["precision"], judge.precisions(stack), atol=1e-5)
    np.testing.assert_allclose(rest["recall"], judge.recalls_and_coverages(stack)[0], atol=1e-5)
    assert rest["bounds"]["precision"] == pytest.approx(truth.mode_density(), abs=1e-6)
    i = int(np.abs(np.array(BETAS) - 6).argmin())
    for name in ("precision", "recall"):  # what is drawn at once, from no student before, is near what is right
        assert here[name] == pytest.approx(rest[name][i], abs=0.3)
    taught = GaussianMixture(**rest["teacher"]).tempered(6.0).weights
    np.testing.assert_allclose(
        rest["taught"][i], GaussianMixture(**rest["teacher"]).tempered(BETAS[i]).weights, atol=1e-9
    )
    np.testing.assert_allclose(here["teacher"]["weights"], taught, atol=0.05)


def test_contours_are_as_fine_in_a_small_world(page: Page) -> None:
    """They come in units of the space shown: the same, to rounding, where all is 400 times smaller."""
    one = job("one", rest=True, taught=None)
    truth = GaussianMixture(**one["truth"])
    small = GaussianMixture(truth.weights, truth.means / 400, truth.covariances / 400**2)
    found = []
    for asked in (one, one | {"truth": plain(small), "reach": 0.01}):
        texts = page.evaluate(FOLLOW, [[asked], 0])[0]["contours"]
        found.append([[float(number) for number in re.findall(r"[-\d.]+", text)] for text in texts])
    assert len(found[0]) == 6 and min(map(len, found[0])) > 20
    for large, little in zip(*found, strict=True):
        np.testing.assert_allclose(little, large, atol=1.5)
        assert 1000 < np.abs(large).max() <= 10_600  # 10,000 is the reach


def test_the_newest_world_comes_first(page: Page) -> None:
    """A hand at 60 moves a second: some are drawn at once, a path comes now and then, all of it only for the last.

    How many is up to the machine: 39 of 40 on a quiet one, a few on a busy one.
    """
    jobs = [job(str(number), 0.01 * number, rest=number == 39) for number in range(40)]
    heard = page.evaluate(FOLLOW, [jobs, 16])
    parts: dict[str, list[int]] = {name: [] for name in ("here", "path", "rest")}
    for one in heard:
        parts[one["want"]].append(int(one["key"]))
    assert parts["here"] == sorted(parts["here"]) and parts["here"][-1] == 39 and len(parts["here"]) >= 2
    assert parts["path"] == sorted(parts["path"]) and parts["path"][-1] == 39
    assert parts["rest"] == [39]


def test_nothing_of_a_world_of_another_shape_is_taken_for_the_next(page: Page) -> None:
    line = plain(random_mixture(np.random.default_rng(1), 3, 1))
    edited = plain(random_mixture(np.random.default_rng(2), 4, 2))
    jobs = [
        job("fitted"),
        job("known", taught=None),
        job("edited", taught=edited),
        job("larger", n=4, family="full"),
        job("line", truth=line, rest=True),
    ]
    heard = page.evaluate(FOLLOW, [jobs, 60])
    assert not [one for one in heard if one["want"] == "error"]
    assert heard[-1]["key"] == "line" and np.shape(heard[-1]["students"][0]["means"])[1] == 1


def test_a_world_that_is_none_is_an_error_and_the_next_is_answered(page: Page) -> None:
    wrong = job("")["truth"] | {"weights": [0.5] * 6}
    heard = page.evaluate(FOLLOW, [[job("wrong", truth=wrong), job("right", rest=True)], 50])
    assert [one["want"] for one in heard] == ["error", "here", "path", "rest"]
    assert "they sum to 3, not 1" in heard[0]["message"]
