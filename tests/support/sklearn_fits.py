"""What scikit-learn reaches on the data sets of test_fits.py, worked out once: it takes longer than all that it judges.

PYTHONPATH=tests python tests/support/sklearn_fits.py   writes sklearn_fits.json; the tests work out some of it again
"""

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import sklearn
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture
from support.worlds import FAMILIES, random_mixture

N_SETS = 67  # per family
FILE = Path(__file__).with_suffix(".json")


def data_set(covariance: Any, seed: int) -> tuple[Any, int]:
    """Points in 1 to 3 dimensions, and how many components to fit to them."""
    rng = np.random.default_rng([41, FAMILIES.index(covariance), seed])
    dim, k = 1 + seed % 3, int(rng.integers(2, 5))
    return random_mixture(rng, int(rng.integers(2, 6)), dim).sample(int(rng.integers(60, 200)), rng), k


def reached(covariance: Any, seed: int) -> float:
    """Scikit-learn's log-likelihood on a data set, nats per point: five starts, tolerance 1e-6."""
    points, k = data_set(covariance, seed)
    model = GaussianMixture(k, covariance_type=covariance, tol=1e-6, max_iter=2000, n_init=5, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(points)
    return float(model.score(points))


def recorded() -> Any:
    """What was worked out: a list of numbers by family."""
    return json.loads(FILE.read_text(encoding="utf-8"))["reached"]


if __name__ == "__main__":
    found = {covariance: [reached(covariance, seed) for seed in range(N_SETS)] for covariance in FAMILIES}
    FILE.write_text(json.dumps({"scikit-learn": sklearn.__version__, "reached": found}, indent=1) + "\n")
