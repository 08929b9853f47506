"""The page's own solver on a page that was opened as a file, and random worlds to try it on."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from playwright.sync_api import Browser, Error, Page
from support.worlds import FAMILIES, random_mixture

from kdlab import GaussianMixture, fit_mixture
from kdlab.core.files import PACKAGE
from kdlab.core.sweep import beta_positions

FILES = ("measure", "contours", "fit", "path")
START = """
const measures = makeMeasures();
const contours = makeContours(measures);
const solver = makeSolver(measures);
const paths = makePaths(measures, solver);
"""


def solver_text() -> str:
    """The files as a page puts them before its own text."""
    return "\n".join((PACKAGE / "mixtures" / f"{name}.js").read_text("utf-8") for name in FILES) + START


@contextmanager
def solver_page(browser: Browser, folder: Path) -> Iterator[Page]:
    """A page with `measures`, `contours`, `solver` and `paths`; it fails if anything throws where nobody catches it."""
    file = folder / "solver.html"
    file.write_text(f'<!doctype html><meta charset="utf-8"><script>{solver_text()}</script>', "utf-8")
    page, thrown = browser.new_page(), []

    def hear(error: Error) -> None:
        thrown.append(str(error))

    page.on("pageerror", hear)
    page.goto(file.as_uri())
    yield page
    page.close()
    assert thrown == []


def plain(model: GaussianMixture) -> dict[str, Any]:
    """A mixture as the page has it, to the last digit."""
    return {name: getattr(model, name).tolist() for name in ("weights", "means", "covariances")}


@dataclass(frozen=True)
class World:
    """p*, how large its teacher is and of which family, the same of the student, and a position of beta."""

    truth: GaussianMixture
    teacher_size: int
    teacher_family: Any
    n_components: int
    family: Any
    position: int

    @property
    def beta(self) -> float:
        return float(beta_positions()[self.position])

    def teacher(self) -> GaussianMixture:
        return fit_mixture(self.truth, self.teacher_size, covariance=self.teacher_family).model


def random_world(seed: int) -> World:
    """K* up to 8, K' up to 6, K'' up to 4, three families, one dimension or two."""
    rng = np.random.default_rng([seed, 7])
    dim, size = int(rng.integers(1, 3)), int(rng.integers(2, 9))
    truth = random_mixture(rng, size, dim, FAMILIES[int(rng.integers(3))])
    teacher_size, n_components, position = (int(rng.integers(low, high)) for low, high in ((1, 7), (1, 5), (0, 121)))
    return World(truth, teacher_size, FAMILIES[int(rng.integers(3))], n_components, FAMILIES[seed % 3], position)
