"""The page's own solver: how near its students are to Python's.

    python benchmarks/own.py                 300 random worlds (some six minutes)
    python benchmarks/own.py --worlds 40     fewer worlds

In Chromium, on a page that was opened as a file. *Behind*: KL(tempered teacher || student) of the page's student less
that of `fit_mixture`'s, nats: of a single fit, of the student at that position of the whole path (121 positions), and
of the page's teacher fitted to p*. *Apart*: precision and recall of the page's students as the page and as Python say.
How soon they follow a hand is in drag.py.
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

import numpy as np  # noqa: E402
from support.chromium import launched  # noqa: E402
from support.solver import plain, random_world, solver_page  # noqa: E402

from kdlab import GaussianMixture, fit_mixture, precision, recall  # noqa: E402
from kdlab.core.sweep import beta_positions  # noqa: E402

EDGES = (-np.inf, -1e-3, -1e-5, 1e-6, 1e-5, 1e-4, 1e-3, 2e-2, np.inf)

SOLVE = """([truth, teacher, size, teacherFamily, n, family, betas, position]) => {
  const run = (work) => solver.finish(work);
  const single = run(solver.fit(measures.tempered(teacher, betas[position]), n, family));
  const whole = run(paths.path(teacher, n, family, betas));
  const student = whole.students[position];
  const { precision, recall, exact } = measures.measured(student, truth);
  return { single: single.student, student, exact: whole.exact && single.exact && exact, precision, recall,
    teacher: run(solver.fit(truth, size, teacherFamily)).student };
}"""


def gap(target, right, student):
    theirs, mine = (target.expected_log_prob(one).value for one in (right, GaussianMixture(**student)))
    return theirs - mine


def compared(page, seed):
    """Behind: of the single fit, of the path, of the teacher; apart: precision and recall; was the page sure."""
    world = random_world(seed)
    teacher = world.teacher()
    target = teacher.tempered(world.beta)
    right = fit_mixture(target, world.n_components, covariance=world.family).model
    sizes = [world.teacher_size, world.teacher_family, world.n_components, world.family]
    given = [plain(world.truth), plain(teacher), *sizes, beta_positions().tolist(), world.position]
    found = page.evaluate(SOLVE, given)
    student = GaussianMixture(**found["student"])
    return [
        gap(target, right, found["single"]),
        gap(target, right, found["student"]),
        gap(world.truth, teacher, found["teacher"]),
        abs(found["precision"] - precision(student, world.truth).value),
        abs(found["recall"] - recall(student, world.truth).value),
        found["exact"],
    ]


def histogram(gaps):
    for low, high in zip(EDGES, EDGES[1:], strict=False):
        count = int(((gaps > low) & (gaps <= high)).sum())
        print(f"   {low:8.0e} to {high:8.0e}  {count:4d}  {'#' * -(-60 * count // len(gaps))}")


def agreement(page, n_worlds):
    rows = np.array([compared(page, seed) for seed in range(n_worlds)], dtype=float)
    for name, gaps in zip(("a single fit", "the path", "the teacher"), rows.T, strict=False):
        close = (gaps <= 1e-3).mean()
        print(f"{name}: {close:.1%} at most 1e-3 nats behind, the worst {gaps.max():.1e}, the best {gaps.min():.1e}")
        histogram(gaps)
    print(
        f"apart: precision {rows[:, 3].max():.1e}, recall {rows[:, 4].max():.1e} nats; sure in {rows[:, 5].mean():.1%}"
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--worlds", type=int, default=300, help="how many random worlds to compare")
    n_worlds = parser.parse_args().worlds
    with launched() as browser, tempfile.TemporaryDirectory() as folder, solver_page(browser, Path(folder)) as page:
        agreement(page, n_worlds)


if __name__ == "__main__":
    main()
