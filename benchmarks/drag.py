"""How soon a drawn world follows a hand: in JupyterLab and on the site, and the usual way beside it, in one run.

    python benchmarks/drag.py            writes drag.json and drag.md beside this file (twenty minutes)
    python benchmarks/drag.py --short    one world in each place; writes nothing

A headless Chromium, a JupyterLab on this machine, and the site opened as files. A mode of a named scene is dragged
for three seconds along a figure of eight, by a mouse that moves 125 times a second and does not wait for answers.
Three times, each after six seconds of rest: a row has the medians of its drags, as others use this machine too, and the
longest task of all. *Taken*: the most of the machine's time, in a drag, that went to others (Linux calls it steal).
*Picture*: from the moment at which the page hears of a move to the picture of that world, with its teacher, student
and numbers at the slider's place. *Painted*: to the end of the frame with that picture. *Pictures*: distinct ones a
second. *Paths*: of 31 positions of the slider, fresh ones a second. *Exact*: all 121 positions, from the hand's last
move. *Task*: the longest on the page's own thread.

The usual way: `interact`, a slider that moves the same mode, scikit-learn's mixtures fitted to 1,000 samples, fresh
contours on 300 x 300, and what that takes from a key press to its picture: with the path of 31 positions in the
plane, as ours has it, and without.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests"))

import numpy as np  # noqa: E402
from latency import ANYTHING, CONTROL, PROBE, Contender, Hand, machine, right_and_left, save  # noqa: E402
from playwright.sync_api import Browser, Page, ViewportSize  # noqa: E402
from support.chromium import launched  # noqa: E402
from support.lab import Lab, jupyterlab, write_notebook  # noqa: E402
from support.worlds import FAMILIES  # noqa: E402

from kdlab.cli.server import free_port  # noqa: E402

SECONDS, HAND = 3.0, 0.008  # of a drag, and between two movements of the mouse: 125 a second, as common mice do
REST, DRAGS = 6.0, 3  # seconds before each drag, and drags for a row
PRESSES = 5  # of each usual way, four times in between
SIZE: ViewportSize = {"width": 1400, "height": 1000}
WORLDS = [
    ("line", 1, "diag"),
    ("line", 4, "diag"),
    *[("rare", n, family) for n in (1, 2, 3, 4) for family in FAMILIES],
    ("ring", 4, "diag"),
]
DRAWN = "from kdlab import mixtures\nmixtures.draw('rare')"

USUAL = """
%matplotlib inline
import numpy as np
import matplotlib.pyplot as plt
from sklearn.mixture import GaussianMixture
import kdlab
from kdlab import mixtures

truth = mixtures.teacher_entropy("rare").scene.truth
side = np.linspace(-4, 4, 300)
x, y = np.meshgrid(side, side)
grid = np.column_stack([x.ravel(), y.ravel()])

def worth(target, beta):
    points = target.tempered(beta).sample(1000, np.random.default_rng(0))
    student = GaussianMixture(4, covariance_type="diag", random_state=0).fit(points)
    precision = target.log_prob(student.sample(1000)[0]).mean()
    return student, precision, student.score(target.sample(1000, np.random.default_rng(1)))

def draw(position):
    means = truth.means.copy()
    means[1, 0] += position / 60 - 1
    moved = kdlab.GaussianMixture(truth.weights, means, truth.covariances)
    student, precision, recall = worth(moved, 2)
    fig, (space, plane) = plt.subplots(1, 2, figsize=(10, 5))
    space.contourf(x, y, np.exp(moved.log_prob(grid)).reshape(x.shape), cmap="Greys")
    space.contour(x, y, np.exp(student.score_samples(grid)).reshape(x.shape), colors="C1")
    path = [worth(moved, beta)[1:] for beta in np.geomspace(1, 100, 31)] if WITH_PATH else []
    plane.plot([one for _, one in path], [one for one, _ in path])
    plane.plot(recall, precision, "o")
    plt.show()

ipywidgets.interact(draw, position=control);
"""

# In the page, before a view is there: what its worker is asked, what it answers, and which tasks are long.
WATCH_WORKER = """() => {
  window.seen = { asked: [], shown: [], path: [], rest: [], long: [] };
  const Plain = window.Worker;
  window.Worker = class extends Plain {
    constructor(...given) {
      super(...given);
      this.addEventListener("message", ({ data }) => seen[data?.want]?.push(performance.now()));
    }

    postMessage(job, ...others) {
      if (job?.truth && !job.rest) seen.asked.push([heard ?? performance.now(), JSON.stringify(job.truth)]);
      heard = null;
      super.postMessage(job, ...others);
    }
  };
  let heard = null; // when the first move came that no job tells of yet
  window.addEventListener("pointermove", ({ buttons }) => { if (buttons) heard ??= performance.now(); }, true);
  new PerformanceObserver((list) => seen.long.push(...list.getEntries().map(({ duration }) => duration)))
    .observe({ type: "longtask" });
}"""
# In the page, once a view is there: which world it shows when, and when the frame with that was done.
WATCH_VIEW = """() => {
  const root = document.querySelector(".kdlab-own");
  const painted = () => new Promise((done) => requestAnimationFrame(() => {
    const { port1, port2 } = new MessageChannel();
    port2.onmessage = () => done(performance.now());
    port1.postMessage(0);
  }));
  new MutationObserver(async () => {
    const { truth, student } = JSON.parse(root.dataset.world);
    const picture = [performance.now(), JSON.stringify(truth), JSON.stringify(student)];
    seen.shown.push(picture);
    picture.push(await painted());
  }).observe(root, { attributeFilter: ["data-world"] });
}"""
CLEAR = "() => Object.values(seen).forEach((list) => { list.length = 0; })"
EXACT = "JSON.parse(document.querySelector('.kdlab-own')?.dataset.world ?? '{}').exact"


@contextmanager
def places(browser: Browser, folder: Path) -> Iterator[tuple[dict[str, Page], list[Contender]]]:
    """Pages with a drawn world, by what they are of; and the usual way in two notebooks."""
    publish = [sys.executable, str(HERE.parent / "notebooks" / "publish.py"), "--out", str(folder / "site")]
    subprocess.run(publish, check=True, capture_output=True)
    site = browser.new_context(viewport=SIZE).new_page()
    site.add_init_script(f"({WATCH_WORKER})()")
    site.goto((folder / "site" / "own.html").as_uri())
    (folder / "notebooks").mkdir()
    write_notebook(folder / "notebooks" / "own.ipynb", DRAWN)
    with jupyterlab(folder / "notebooks", folder / "jupyter") as lab:
        own = lab.open(browser, "own.ipynb", viewport=SIZE)
        own.page.evaluate(WATCH_WORKER)
        own.run_all()
        pages = {"JupyterLab": own.page, "site": site}
        for page in pages.values():
            page.wait_for_function(EXACT, timeout=60_000)
            page.evaluate(WATCH_VIEW)
        yield pages, [usual(lab, browser, name) for name in ("path", "place")]


def usual(lab: Lab, browser: Browser, name: str) -> Contender:
    """The usual way in a notebook of its own: a key on the slider, and the picture that follows."""
    write_notebook(lab.folder / f"{name}.ipynb", CONTROL, f"WITH_PATH = {name == 'path'}", USUAL)
    notebook = lab.open(browser, f"{name}.ipynb", viewport=SIZE)
    notebook.run_all()
    notebook.page.evaluate(PROBE)
    picture = notebook.page.locator(".jp-OutputArea-output .widget-output").last
    presses = right_and_left(notebook.page.locator(".native"), picture)
    return Contender(name, notebook, presses, {**ANYTHING, "image": True})


def dragged(page: Page, port: int, scene: str, n: int, family: str) -> dict[str, float]:
    """Set the view to a scene and a student, drag a mode, and say what followed and how soon (milliseconds)."""
    page.bring_to_front()
    view = page.locator(".kdlab-own")
    for name, value in (("start", scene), ("n", str(n)), ("family", family)):
        control = view.locator(f".kdlab-own-{name}")
        if control.is_enabled():
            control.select_option(value)
    drags = [one_drag(page, port) for _ in range(DRAGS)]
    found = {name: statistics.median(drag[name] for drag in drags) for name in drags[0]}
    return found | {name: max(drag[name] for drag in drags) for name in ("longest task", "taken")}


def one_drag(page: Page, port: int) -> dict[str, float]:
    page.wait_for_function(EXACT, timeout=60_000)
    page.wait_for_timeout(1000 * REST)
    page.locator(".kdlab-own .kdlab-picture").first.scroll_into_view_if_needed()
    before = stolen()
    seconds = hand_over(page, port)
    taken = (stolen() - before) / seconds
    page.wait_for_function(EXACT, timeout=60_000)
    page.wait_for_timeout(200)
    return summary(page.evaluate("seen"), seconds) | {"taken": 100 * taken}


def stolen() -> float:
    """Seconds of each core's time that went to others so far."""
    ticks = float(Path("/proc/stat").read_text(encoding="ascii").split()[8])
    return ticks / os.sysconf("SC_CLK_TCK") / (os.cpu_count() or 1)


def hand_over(page: Page, port: int) -> float:
    """Drag the second mode along a figure of eight; in how many seconds."""
    box = page.locator('.kdlab-own-handle[data-mode="1"][data-kind="centre"] path').bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    hand = Hand(port, page)
    page.evaluate(CLEAR)
    begun = time.monotonic()
    moves = 0
    while (now := time.monotonic() - begun) < SECONDS:
        hand.move(x + 50 * math.sin(2 * now), y + 40 * math.sin(3.4 * now))
        moves += 1
        time.sleep(max(0.0, moves * HAND - (time.monotonic() - begun)))
    hand.rest()
    seconds = time.monotonic() - begun
    page.mouse.up()
    return seconds


def summary(seen: dict[str, Any], seconds: float) -> dict[str, float]:
    """What a drag's worlds and pictures say, in milliseconds and per second."""
    until = max(when for when, _ in seen["asked"])
    asked = {truth: when for when, truth in reversed(seen["asked"])}
    fresh = {}  # the first picture of each world
    for drawn, truth, student, painted in seen["shown"]:
        if truth in asked:
            fresh.setdefault((truth, student), (truth, drawn, painted))
    first = {
        truth: (drawn - asked[truth], painted - asked[truth]) for truth, drawn, painted in reversed(fresh.values())
    }
    drawn, painted = np.array(list(first.values())).T
    return {
        "picture p50": float(np.percentile(drawn, 50)),
        "picture p95": float(np.percentile(drawn, 95)),
        "painted p50": float(np.percentile(painted, 50)),
        "pictures/s": len(first) / seconds,
        "paths/s": sum(when <= until for when in seen["path"]) / seconds,
        "exact": min(when for when in seen["rest"] if when > until) - until,
        "longest task": max(seen["long"], default=0.0),
    }


def measure(*, short: bool) -> dict[str, Any]:
    """Drag in both places, with the usual way before, between and after."""
    port = free_port()
    with tempfile.TemporaryDirectory() as folder, launched(f"--remote-debugging-port={port}") as browser:
        with places(browser, Path(folder)) as (pages, ways):
            rows = []
            for turn, (scene, n, family) in enumerate([WORLDS[i] for i in (8, 11, 14)] if short else WORLDS):
                for place, page in pages.items():
                    rows.append([place, scene, n, family, dragged(page, port, scene, n, family)])
                    print(row(*rows[-1]), flush=True)
                for way in ways if turn % 4 == 0 else []:
                    press(way, PRESSES)
            usual_ways = {way.name: statistics.median(way.times[1:]) for way in ways}
            return {"usual": usual_ways, "rows": rows, "machine": machine(browser.version, os.getloadavg()[0])}


def press(usual: Contender, times: int) -> None:
    usual.page.bring_to_front()
    for _ in range(times):
        usual.press(100)


def row(place: str, scene: str, n: int, family: str, found: dict[str, float]) -> str:
    return f"| {place} | {scene} | {n} | {family} | " + " | ".join(f"{value:.1f}" for value in found.values()) + " |"


def table(measured: dict[str, Any]) -> str:
    """Return the results in Markdown."""
    names = ["picture, ms p50", "p95", "painted, ms p50", "pictures/s", "paths/s", "exact, ms"]
    names += ["longest task, ms", "taken, %"]
    head = ["where", "world", "K''", "family", *names]
    lines = [f"| {' | '.join(head)} |", f"| --- | --- | ---: | --- | {' | '.join(['---:'] * len(names))} |"]
    lines += [row(*one) for one in measured["rows"]]
    slowest = max(found["picture p50"] for *_, found in measured["rows"])
    where, ways = measured["machine"], measured["usual"]
    for name, words in (("path", "with the path"), ("place", "without it")):
        times = f"{ways[name] / slowest:.0f} times the slowest picture p50 above"
        lines += ["", f"The usual way, {words}: {ways[name]:.0f} ms from a key press to its picture, {times}."]
    versions = f"Chromium {where['chromium']}, JupyterLab {where['jupyterlab']}"
    lines += ["", f"{where['cores']} cores, load {where['load_at_end']}; {versions}."]
    return "\n".join(lines)


def main() -> None:
    """Measure, print, save."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--short", action="store_true", help="one world in each place; writes nothing")
    short = parser.parse_args().short
    measured = measure(short=short)
    text = table(measured)
    print(text)
    if not short:
        save("drag.json", json.dumps(measured, indent=1))
        save("drag.md", f"# A drawn world under a hand\n\n{__doc__.split(chr(10) * 2, 2)[2]}\n{text}")


if __name__ == "__main__":
    main()
