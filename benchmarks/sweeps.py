"""How long a sweep takes to make, beside what sampling and scikit-learn would take for the same slider.

    python benchmarks/sweeps.py            all 121 positions of both
    python benchmarks/sweeps.py --every 10 scikit-learn at every tenth position only, scaled up

Ours: the random scene in the plane (six modes, a teacher of five), population students with deterministic starts at
all 121 positions, and their precision, recall, KL and coverage. Scikit-learn: at each beta, 50,000 samples of the
tempered teacher and one fit of the same size and family, from one start, and nothing else. Both on one core.
"""

import argparse
import json
import os
import time
from pathlib import Path

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")

import numpy as np  # noqa: E402
from sklearn.mixture import GaussianMixture as Reference  # noqa: E402

from kdlab.core.sweep import N_BETAS, beta_positions  # noqa: E402
from kdlab.mixtures.experiment import teacher_entropy  # noqa: E402
from kdlab.mixtures.scenes import make_scene  # noqa: E402

SIZES = (1, 2, 4, 8)
SAMPLES = 50_000
HERE = Path(__file__).parent


def ours(n_components):
    start = time.perf_counter()
    teacher_entropy("random", n_components)
    return time.perf_counter() - start


def reference(n_components, every):
    teacher, rng = make_scene("random").teacher, np.random.default_rng(0)
    betas = beta_positions()[::every]
    start = time.perf_counter()
    for beta in betas:
        points = teacher.tempered(beta).sample(SAMPLES, rng)
        Reference(n_components, covariance_type="diag", random_state=0, max_iter=500).fit(points)
    return (time.perf_counter() - start) * N_BETAS / len(betas)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--every", type=int, default=1, help="fit scikit-learn at every n-th position, and scale")
    every = parser.parse_args().every
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    teacher_entropy("random", 1)  # imports and the scene itself are not what is timed
    rows = []
    print(f"K''   a sweep, s   scikit-learn, {N_BETAS} fits of {SAMPLES:,} samples, s   ratio")
    for n_components in SIZES:
        mine, theirs = ours(n_components), reference(n_components, every)
        rows.append({"n_components": n_components, "sweep_s": round(mine, 2), "scikit_learn_s": round(theirs, 1)})
        print(f"{n_components:3d} {mine:13.2f} {theirs:50.1f} {theirs / mine:7.1f}", flush=True)
    path = HERE / "sweeps.json"
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps({"scikit_learn_every": every, "rows": rows}, indent=1) + "\n")
    os.replace(temporary, path)


if __name__ == "__main__":
    main()
