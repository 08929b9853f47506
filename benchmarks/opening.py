"""From opening a notebook to a slider that answers, on one core, and the memory that it takes.

    python benchmarks/opening.py               each notebook 3 times; writes opening.json and .md beside this file
    python benchmarks/opening.py --repeat 1    once each
    python benchmarks/opening.py --together    the browser on the same core too; writes nothing
    python benchmarks/opening.py 00 02         only these notebooks; writes nothing

The JupyterLab server and the kernels share one core (os.sched_setaffinity), as on Binder; the reader's browser, a
headless Chromium with an empty cache, and this process have the others, as on a machine of the reader's own, or with
`--together` the same one core. The server is up before the clock starts; the clock starts with the request for the
notebook's address, JupyterLab's own page included. *Still*: nothing is run; the page is scrolled to the first live
picture's cell, and its committed still can be seen. *Cells there*: JupyterLab is up and shows the notebook, and the
cells are run from now on. *Slider, run to here*: the cells up to the first live picture are run as soon as the page
lets them, a guess is committed where one is asked for, and a real ArrowRight moves the slider. *Slider, from a double
click*: the same in a JupyterLab that is already open, from a double click on the notebook in its list of files.
*Slider, run all*: the same as *run to here* with Run All Cells, so that the later cells compete for the core. *All
cells*: the last cell is done. *Memory*: the peak of server and kernel together while all cells run, PSS (proportional
set size), sampled every 0.2 s; the browser is not in it. *Processor seconds* are what the core really worked: less
than the clock shows, the more so the busier the machine is with other things.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # as the Makefile does: what is compiled once is kept

HERE = Path(__file__).resolve().parent
NOTEBOOKS = HERE.parent / "notebooks"
sys.path.insert(0, str(HERE.parent / "tests"))

import nbformat  # noqa: E402
from latency import machine, save  # noqa: E402
from playwright.sync_api import Browser, Page  # noqa: E402
from support.chromium import launched  # noqa: E402
from support.lab import Lab, jupyterlab  # noqa: E402

SLIDER_TARGET = 5.0  # seconds
MEMORY_TARGET = 1000  # MB, of a million bytes
REST = 3_000  # milliseconds that an open JupyterLab is given to come to rest
LIMIT = 240_000  # milliseconds for anything on the page
MOMENTS = {
    "still": "still",
    "notebook": "cells there",
    "kernel": "kernel ready",
    "imports": "imports done",
    "first": "slider, run to here",
    "clicked": "slider, from a double click",
    "slider": "slider, run all",
    "all": "all cells",
}
ROLES = ("browser", "server", "Python kernel", "this script")
LIVE = re.compile(r"\b(show|by_hand|show_pairs|show_tries)\(")

# In the page, once the cells are there: scrolls to the live picture's cell and waits for its committed still.
LOOK = """async (live) => {
  const { content } = jupyterapp.shell.currentWidget;
  content.activeCellIndex = live;
  await content.scrollToItem(live, "smart");
  const { node } = content.widgets[live];
  for (;;) {
    const image = node.querySelector(".jp-RenderedImage img");
    if (image?.complete && image.getBoundingClientRect().width > 100) return performance.now() / 1000;
    await new Promise(requestAnimationFrame);
  }
}"""

# In the page, once the cells are there: runs them, and notes when the kernel is ready and when they are done.
RUN = """([cells, all]) => {
  const now = () => performance.now() / 1000;
  const panel = jupyterapp.shell.currentWidget, { sessionContext, content } = panel;
  window.moments = { notebook: now() };
  window.finished = (async () => {
    await sessionContext.ready;
    await sessionContext.session.kernel.info;
    moments.kernel = now();
    const executed = (cell) => new Promise((done) => cell.model.stateChanged.connect((_, { name, newValue }) => {
      if (name === "executionCount" && newValue !== null) done();
    }));
    executed(content.widgets[cells.imports]).then(() => { moments.imports = now(); });
    if (all) {
      await jupyterapp.commands.execute("notebook:run-all-cells");
    } else {
      content.activeCellIndex = cells.live;
      await jupyterapp.commands.execute("notebook:run-all-above");
      content.activeCellIndex = cells.live;
      await jupyterapp.commands.execute("notebook:run-cell");
    }
    moments.all = now();
  })();
}"""


def places(path: Path) -> dict[str, int]:
    """Which cells matter: the first live picture's, and the last before it that imports from kdlab."""
    cells = nbformat.read(path, as_version=4).cells
    live = next(i for i, cell in enumerate(cells) if cell.cell_type == "code" and LIVE.search(cell.source))
    imports = [i for i, cell in enumerate(cells[:live]) if cell.cell_type == "code" and "kdlab" in cell.source]
    return {"live": live, "imports": imports[-1]}


class Memory(threading.Thread):
    """Samples the PSS of the JupyterLab server below this process, and of all that it started; keeps the peak."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.peak, self.stopping = 0, threading.Event()

    def run(self) -> None:
        while not self.stopping.wait(0.2):
            self.peak = max(self.peak, sum(map(pss, server_and_kernels())))

    def stop(self) -> float:
        """Return the peak in MB."""
        self.stopping.set()
        self.join()
        return self.peak / 1e6


def below(pid: int) -> list[int]:
    """Process ids of all that a process started, and of all that those started."""
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue  # it has ended
        children.setdefault(parent, []).append(int(stat.parent.name))
    found = list(children.get(pid, []))
    for one in found:  # grows while it is walked
        found += children.get(one, [])
    return found


def server_and_kernels() -> list[int]:
    return [pid for pid in below(os.getpid()) if role(pid) in ("server", "Python kernel")]


def role(pid: int) -> str:
    line = command_line(pid)
    names = {b"ipykernel": "Python kernel", b"jupyterlab": "server", b"--headless": "browser", b"--type=": "browser"}
    return next((name for part, name in names.items() if part in line), "this script")


def busy() -> dict[str, float]:
    """Processor seconds so far, of this process and all below it, by role."""
    seconds = dict.fromkeys(ROLES, 0.0)
    for pid in (os.getpid(), *below(os.getpid())):
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        seconds[role(pid)] += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return seconds


def command_line(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def pss(pid: int) -> int:
    """Bytes, shared pages counted in proportion; 0 for a process that has ended."""
    try:
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0
    return 1024 * sum(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:"))


CELLS = "window.jupyterapp?.shell?.currentWidget?.content?.widgets?.length > 5"


def opened(server: Lab, browser: Browser, name: str) -> Page:
    """Open a notebook as a reader does; the page's clock starts with the request. Return when its cells are there."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.set_default_timeout(LIMIT)
    page.goto(f"{server.address}/lab/tree/{name}?token={server.token}", wait_until="commit")
    page.wait_for_function(CELLS)
    return page


def clicked(server: Lab, browser: Browser, name: str) -> float:
    """Open JupyterLab alone, let it come to rest, double-click the notebook; seconds from there to a moved slider."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.set_default_timeout(LIMIT)
    page.goto(f"{server.address}/lab?token={server.token}", wait_until="commit")
    page.wait_for_function("window.jupyterapp?.restored.then(() => true)")
    entry = page.locator(".jp-DirListing-item", has_text=name)
    entry.wait_for()
    page.wait_for_timeout(REST)
    start = float(page.evaluate("performance.now() / 1000"))
    entry.dblclick()
    page.wait_for_function(CELLS)
    page.evaluate(RUN, [places(server.folder / name), False])
    return first_key(page) - start


def visited(server: Lab, browser: Browser, name: str, mode: str) -> dict[str, float]:
    """Look, run to the first live picture, or run all; return seconds since the notebook was opened."""
    if mode == "clicked":
        return {"clicked": clicked(server, browser, name)}
    before = busy()
    page = opened(server, browser, name)
    cells = places(server.folder / name)
    if mode == "still":
        return {"still": page.evaluate(LOOK, cells["live"])}
    page.evaluate(RUN, [cells, mode == "all"])
    slider = first_key(page)
    if mode == "first":
        return {"first": slider, **{name: spent - before[name] for name, spent in busy().items()}}
    page.evaluate("finished")
    return {"slider": slider, **page.evaluate("moments")}


def first_key(page: Page) -> float:
    """Commit a guess if one is asked for, press a real ArrowRight, and wait until the slider has moved."""
    slider = page.locator(".kdlab-view input[type=range]").first
    slider.wait_for(state="attached")
    slider.scroll_into_view_if_needed()
    guess = page.locator(".kdlab-view").first.locator(".kdlab-cover button").first
    if guess.is_visible():
        guess.click()
    slider.focus()
    before = slider.input_value()
    page.keyboard.press("ArrowRight")
    handle = slider.element_handle()
    page.wait_for_function("([slider, before]) => slider.value !== before", arg=[handle, before])
    return float(page.evaluate("performance.now() / 1000"))


def assert_still_is_said(path: Path) -> None:
    """What is seen before a kernel starts: a picture with a sentence, committed in the file."""
    cell = nbformat.read(path, as_version=4).cells[places(path)["live"]]
    (output,) = [one for one in cell.outputs if "image/png" in one.get("data", {})]
    if len(output.data["text/plain"].split()) < 10:
        raise RuntimeError(f"{path.name}: its live picture has no sentence: {output.data['text/plain']!r}")


def move_the_reader() -> None:
    """Put the browser and this process on the cores that the server and the kernels do not have."""
    others = set(range(os.cpu_count() or 1)) - os.sched_getaffinity(0)
    for pid in (os.getpid(), *below(os.getpid())):
        if others and role(pid) in ("browser", "this script"):
            os.sched_setaffinity(pid, others)


@contextmanager
def one_core() -> Iterator[int]:
    """Put this process and all that it starts on one core."""
    before = os.sched_getaffinity(0)
    core = min(before)
    os.sched_setaffinity(0, {core})
    try:
        yield core
    finally:
        os.sched_setaffinity(0, before)


def measure_once(path: Path, core: int, together: bool) -> dict[str, float]:
    """Measure one notebook, with a server and browsers of its own."""
    assert_still_is_said(path)
    found: dict[str, float] = {}
    for mode in ("still", "first", "clicked", "all"):
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary) / "notebooks"
            folder.mkdir()
            (folder / path.name).write_bytes(path.read_bytes())
            os.sched_setaffinity(0, {core})
            with jupyterlab(folder, Path(temporary) / "jupyter") as server, launched() as browser:
                if not together:
                    move_the_reader()
                memory = Memory()
                memory.start()
                found |= visited(server, browser, path.name, mode)
                found["memory"] = memory.stop()
    return found


def imports(repeat: int) -> dict[str, Any]:
    """Seconds of a new Python, bare and with what a live picture needs; and the costliest imports, in ms."""
    code = "from kdlab import mixtures; mixtures.teacher_entropy, mixtures.show"
    seconds = {}
    for what, run in {"python alone": "pass", "kdlab": code}.items():
        times = []
        for _ in range(repeat):
            start = time.perf_counter()
            subprocess.run([sys.executable, "-c", run], check=True)
            times.append(time.perf_counter() - start)
        seconds[what] = round(statistics.median(times), 2)
    done = subprocess.run([sys.executable, "-X", "importtime", "-c", code], capture_output=True, text=True, check=True)
    own: dict[str, float] = {}
    for line in done.stderr.splitlines():
        found = re.match(r"import time:\s+(\d+) \|\s+\d+ \|\s+(\w+)", line)
        if found:
            own[found[2]] = own.get(found[2], 0) + int(found[1]) / 1000
    costly = sorted(own.items(), key=lambda item: -item[1])[:8]
    return {"seconds": seconds, "milliseconds of their own": {package: round(ms) for package, ms in costly}}


def measure(paths: list[Path], repeat: int, together: bool) -> dict[str, Any]:
    with one_core() as core:
        load = os.getloadavg()[0]
        needed = imports(repeat)
        results = {}
        for path in paths:
            runs = [measure_once(path, core, together) for _ in range(repeat)]
            results[path.stem] = {
                name: round(statistics.median(run[name] for run in runs), 0 if name == "memory" else 1)
                for name in (*MOMENTS, *ROLES, "memory")
            }
            results[path.stem]["slowest slider"] = round(max(run["slider"] for run in runs), 1)
            print(path.stem, results[path.stem], flush=True)
        with launched() as browser:
            where = machine(browser.version, load)
    return {"repeat": repeat, "core": core, "notebooks": results, "imports": needed, "machine": where}


def table(measured: dict[str, Any]) -> str:
    """Return the results in Markdown."""
    lines = [f"| seconds from opening | {' | '.join(MOMENTS.values())} | memory, MB |"]
    lines.append("| --- |" + " ---: |" * (len(MOMENTS) + 1))
    for name, seen in measured["notebooks"].items():
        cells = " | ".join(f"{seen[moment]:.1f}" for moment in MOMENTS)
        lines.append(f"| {name} | {cells} | {seen['memory']:.0f} |")
    waits = {name: seen["slider"] - seen["notebook"] for name, seen in measured["notebooks"].items()}
    listed = ", ".join(f"{wait:.1f} ({name})" for name, wait in waits.items())
    lines += ["", f"Of *slider, run all*, the seconds since the cells were there: {listed}."]
    lines += ["", f"| processor seconds until *slider, run to here* | {' | '.join(ROLES)} | together |"]
    lines.append("| --- |" + " ---: |" * (len(ROLES) + 1))
    for name, seen in measured["notebooks"].items():
        spent = [seen[one] for one in ROLES]
        lines.append(f"| {name} | {' | '.join(f'{one:.1f}' for one in (*spent, sum(spent)))} |")
    lines.append("")
    for name, seen in measured["notebooks"].items():
        for words, value, target, unit in [
            ("first slider, from the address", seen["first"], SLIDER_TARGET, "s"),
            ("first slider, from a double click", seen["clicked"], SLIDER_TARGET, "s"),
            ("memory", seen["memory"], MEMORY_TARGET, "MB"),
        ]:
            verdict = "reached" if value <= target else "MISSED"
            lines.append(f"- {verdict}: {name}, {words} within {target:g} {unit} ({value:g})")
    seconds = measured["imports"]["seconds"]
    costly = measured["imports"]["milliseconds of their own"]
    listed = ", ".join(f"{package} {ms}" for package, ms in costly.items())
    lines += [
        "",
        f"Imports: {seconds['kdlab']} s for a new Python with `kdlab.mixtures` and its live picture, ",
    ]
    lines[-1] += f"{seconds['python alone']} s without. By package, in ms of their own: {listed}."
    where = measured["machine"]
    lines += [
        "",
        f"Median of {measured['repeat']}. Server and kernel on one core; load {where['load_at_start']} before ",
    ]
    lines[-1] += f"and {where['load_at_end']} after; Chromium {where['chromium']}, JupyterLab {where['jupyterlab']}, "
    lines[-1] += f"Python {where['python']}."
    return "\n".join(lines)


def main() -> int:
    """Measure, print, save; return 1 where a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("notebooks", nargs="*", help="how their names begin; default: all, and the results are saved")
    parser.add_argument("--repeat", type=int, default=3, help="times each notebook is opened")
    parser.add_argument("--together", action="store_true", help="the browser shares the one core")
    asked = parser.parse_args()
    paths = [path for path in sorted(NOTEBOOKS.glob("*.ipynb")) if LIVE.search(path.read_text(encoding="utf-8"))]
    chosen = [path for path in paths if not asked.notebooks or path.name.startswith(tuple(asked.notebooks))]
    measured = measure(chosen, asked.repeat, asked.together)
    text = table(measured)
    print(text)
    if not asked.notebooks and not asked.together:
        save("opening.json", json.dumps(measured, indent=1))
        save("opening.md", f"# From opening a notebook to a slider\n\n{__doc__.split(chr(10) * 2, 2)[2]}\n{text}")
    return int("MISSED" in text)


if __name__ == "__main__":
    sys.exit(main())
