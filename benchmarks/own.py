"""The page's own solver: how near its students are to Python's, and how fast they follow a hand.

    python benchmarks/own.py                 300 random worlds against Python, then the times (some ten minutes)
    python benchmarks/own.py --worlds 40     fewer worlds; --worlds 0: only the times

In Chromium, on a page that was opened as a file. *Behind*: KL(tempered teacher || student) of the page's student less
that of `fit_mixture`'s, nats: of a single fit, of the student at that position of the whole path (121 positions), and
of the page's teacher fitted to p*. *Apart*: precision and recall of the page's students as the page and as Python say.

The times: six modes in the plane, one of which a hand moves, a teacher of five components. *Drag*: the teacher, the
student where the slider is and the student of p*, with what they are worth, after each of 60 moves. *Path*: 31
positions, with what they are worth. *Rest*: everything at 121 positions. Wall-clock, so that a busy machine inflates
them: beside them stands how long a fixed piece of arithmetic took, 10 ms on a quiet core of this year's.
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
from support.worlds import FAMILIES, random_mixture  # noqa: E402

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

DRAG = """([truth, n, family]) => {
  const [memory, times] = [{}, { drag: [], path: [], rest: [], fixed: [] }];
  const world = { truth, teacher: { n: 5, family: "diag" }, student: { n, family }, beta: 6 };
  const timed = (name, make) => {
    const start = performance.now();
    const value = make();
    times[name].push(performance.now() - start);
    return value;
  };
  const fixed = () => {
    let sum = 0;
    for (let i = 1; i < 1e6; i += 1) sum += Math.exp(-1 / i) * Math.log(i);
    return sum;
  };
  const [path, rest] = paths.later;
  for (let move = 0; move < 60; move += 1) {
    truth.means[0] = truth.means[0].map((value) => value + 0.03);
    timed("drag", () => solver.finish(paths.now(world, memory)));
    if (move % 3 === 0) timed("path", () => solver.finish(path(world, memory)));
    if (move % 20 === 19) timed("rest", () => solver.finish(rest(world, memory)));
    if (move % 20 === 10) timed("fixed", fixed);
  }
  return times;
}"""


CONTOURS = """(truth) => Array.from({ length: 200 }, () => {
  const start = performance.now();
  contours(truth, [-4, 4], [-4, 4]);
  return performance.now() - start;
})"""


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


def speed(page):
    print("K''  family     drag p50  p95   path p50  p95   rest p50  p95   fixed, ms")
    for n in (1, 2, 3, 4):
        for family in FAMILIES:
            truth = random_mixture(np.random.default_rng(0), 6, 2, "diag")
            times = page.evaluate(DRAG, [plain(truth), n, family])
            told = "  ".join(
                "{:8.1f} {:5.1f}".format(*np.percentile(times[name], [50, 95])) for name in list(times)[:3]
            )
            print(f"{n:3d}  {family:10s}{told}  {min(times['fixed']):10.1f}", flush=True)

    eight = random_mixture(np.random.default_rng(1), 8, 2, "full")
    half, most = np.percentile(page.evaluate(CONTOURS, plain(eight)), [50, 95])
    print(f"contours of eight modes: {half:.1f} ms, 95 in 100 within {most:.1f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--worlds", type=int, default=300, help="how many random worlds to compare")
    n_worlds = parser.parse_args().worlds
    with launched() as browser, tempfile.TemporaryDirectory() as folder, solver_page(browser, Path(folder)) as page:
        if n_worlds:
            agreement(page, n_worlds)
        speed(page)


if __name__ == "__main__":
    main()
