"""The page's own solver: how near its students are to Python's, and how fast they follow a hand.

    python benchmarks/own.py                 300 random worlds against Python, then the times (some ten minutes)
    python benchmarks/own.py --worlds 40     fewer worlds; --worlds 0: only the times

In Chromium, on a page that was opened as a file. *Behind*: KL(tempered teacher || student) of the page's student less
that of `fit_mixture`'s, nats: of a single fit, of the student at that position of the whole path (121 positions), and
of the page's teacher fitted to p*. *Apart*: precision and recall of the page's students as the page and as Python say.

The times: a mode of a named scene is dragged for three seconds in the live picture of `mixtures.draw`, with a pointer
that moves 60 times a second if the machine allows it. *Picture*: from a move to the picture of that world, students
included. *Paths*: 31 positions of the slider. *Exact*: all 121 after the hand rests. *Task*: on the page's own thread.
Wall-clock, so that a busy machine inflates them.
"""

import argparse
import math
import os
import sys
import tempfile
import time
from pathlib import Path

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

import numpy as np  # noqa: E402
from support.chromium import launched  # noqa: E402
from support.pages import open_view, opened, served  # noqa: E402
from support.solver import plain, random_world, solver_page  # noqa: E402
from support.worlds import FAMILIES  # noqa: E402

from kdlab import GaussianMixture, fit_mixture, mixtures, precision, recall  # noqa: E402
from kdlab.core.sweep import beta_positions  # noqa: E402
from kdlab.mixtures.view_own import SCRIPTS  # noqa: E402

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

# What a page does in a drag: when the worker was asked, what it answered, what was shown, and which tasks were long.
WATCH = """() => {
  window.seen = { asked: [], path: [], rest: [], shown: [], long: [] };
  const Plain = window.Worker;
  window.Worker = class extends Plain {
    constructor(address) {
      super(address);
      this.addEventListener("message", ({ data }) => seen[data.want]?.push(performance.now()));
    }

    postMessage(job) {
      seen.asked.push([performance.now(), JSON.stringify(job.truth)]);
      super.postMessage(job);
    }
  };
  new PerformanceObserver((list) => seen.long.push(...list.getEntries().map(({ duration }) => duration)))
    .observe({ type: "longtask" });
}"""
SHOWN = """() => new MutationObserver(() => {
  const { truth, student } = JSON.parse(document.querySelector(".kdlab-own").dataset.world);
  seen.shown.push([performance.now(), JSON.stringify(truth), JSON.stringify([truth, student])]);
}).observe(document.querySelector(".kdlab-own"), { attributeFilter: ["data-world"] })"""
EXACT = "JSON.parse(document.querySelector('.kdlab-own').dataset.world ?? '{}').exact"
DRAGGED, PACE = 3.0, 1 / 60  # seconds of a drag, and from one move of the pointer to the next


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


def speed(browser):
    """Drag a mode for three seconds; what followed, and how soon."""
    print("world    K''  family      moves/s  pictures/s  picture p50  p95  paths/s  exact after  longest task, ms")
    for scene, n in (("line", 1), ("line", 4), ("rare", 1), ("rare", 2), ("rare", 3), ("rare", 4), ("ring", 4)):
        for family in FAMILIES if scene == "rare" else ("diag",):
            print(f"{scene:8s} {n:3d}  {family:10s}{dragged(browser, scene, n, family)}", flush=True)


def dragged(browser, scene, n, family):
    view = mixtures.draw(scene, n, family)
    with served(*SCRIPTS) as address, opened(browser, address) as page:
        page.evaluate(WATCH)
        open_view(page, view)
        page.wait_for_function(EXACT, timeout=60_000)
        page.evaluate(SHOWN)
        moves, seconds = drag(page)
        seen, until = page.evaluate("[seen, performance.now()]")
        page.wait_for_function(EXACT, timeout=60_000)
        rest = page.evaluate("seen.rest.at(-1)") - until
    view.close()
    asked = {truth: when for when, truth in reversed(seen["asked"])}
    late = [when - asked.pop(truth) for when, truth, _ in seen["shown"] if truth in asked]
    pictures = len({drawn for _, _, drawn in seen["shown"]}) / seconds
    p50, p95 = np.percentile(late, [50, 95])
    longest = max(seen["long"], default=0.0)
    paths = len(seen["path"]) / seconds
    return f"{moves / seconds:9.0f} {pictures:11.0f} {p50:12.1f} {p95:5.1f} {paths:7.1f} {rest:9.0f} ms {longest:12.0f}"


def drag(page):
    """Move a mode along a figure of eight; how often, and in how many seconds."""
    box = page.locator('.kdlab-own-handle[data-mode="1"][data-kind="centre"] path').bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.evaluate("Object.values(seen).forEach((list) => { list.length = 0; })")
    begun, moves = time.perf_counter(), 0
    while (now := time.perf_counter() - begun) < DRAGGED:
        page.mouse.move(x + 50 * math.sin(2 * now), y + 40 * math.sin(3.4 * now))
        moves += 1
        time.sleep(max(0.0, moves * PACE - (time.perf_counter() - begun)))
    seconds = time.perf_counter() - begun
    page.mouse.up()
    return moves, seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--worlds", type=int, default=300, help="how many random worlds to compare")
    n_worlds = parser.parse_args().worlds
    with launched() as browser, tempfile.TemporaryDirectory() as folder, solver_page(browser, Path(folder)) as page:
        if n_worlds:
            agreement(page, n_worlds)
        speed(browser)


if __name__ == "__main__":
    main()
