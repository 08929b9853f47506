"""Make ring.npz: one draw of the paper's 100 points, and the teacher of four components fitted to them.

The paper's released notebook draws its points without a seed, so its own cannot be had again. Of the seeds 0 to 3 we
keep 3, whose numbers, read the way that notebook reads them, lie nearest to its printed ones.

    python scripts/make_ring.py
"""

import numpy as np

from kdlab import GaussianMixture, fit_mixture
from kdlab.core.files import PACKAGE, written_whole

SEED = 3
DATA = PACKAGE / "data"


def main() -> None:
    """Draw, fit, and write the file whole or not at all."""
    grid = [(x, y) for x in (-1.0, 0.0, 1.0) for y in (-1.0, 0.0, 1.0) if (x, y) != (0.0, 0.0)]
    truth = GaussianMixture(np.full(8, 1 / 8), grid, [0.025 * np.eye(2)] * 8)
    points = truth.sample(100, np.random.default_rng(SEED))
    teacher = fit_mixture(points, 4).model
    with written_whole(DATA / "ring.npz") as temporary, temporary.open("wb") as file:
        np.savez_compressed(
            file, points=points, weights=teacher.weights, means=teacher.means, covariances=teacher.covariances
        )


if __name__ == "__main__":
    main()
