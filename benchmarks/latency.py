"""How soon the picture follows a key press, and how smoothly a drag: the usual way beside ours, in one run.

    python benchmarks/latency.py            50 presses each; writes latency.json and latency.md beside this file
    python benchmarks/latency.py --short    10 presses each at 1x, 50 where a ratio is missed, and fails if it stays so

A headless Chromium and a JupyterLab on this machine. Every press is a trusted key on a native control of the same
kind: <input type=range> for sliders (ipywidgets' own is not an <input>, and JupyterLab takes its arrow keys), <select>
for settings. Time runs from the key event's own timeStamp to the first task after the first animation frame with the
new picture: style, layout and paint of that frame are inside. A picture that is an <img> counts when it is decoded.
Presses come one at a time, each after the answer to the one before; contenders take turns, ten presses each.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import platform
import random
import statistics
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests"))

import websocket  # noqa: E402
from playwright.sync_api import Browser, Locator, Page  # noqa: E402
from support.chromium import launched  # noqa: E402
from support.lab import Lab, Notebook, jupyterlab, write_notebook  # noqa: E402

from kdlab.cli.server import free_port  # noqa: E402

ROUND = 10  # presses per contender and turn
DRAG_SECONDS = 3.0
CROSSINGS = 3  # of the whole slider in one drag: faster than a position a frame
HAND = 0.008  # seconds between two movements of the mouse: 125 a second, as common mice do

CONTROL = '''
import anywidget, ipywidgets, traitlets

class Native(anywidget.AnyWidget, ipywidgets.ValueWidget):
    """A native slider of 121 positions, which keeps its keys to itself."""
    _esm = """export default { render({ model, el }) {
      const input = document.createElement("input");
      Object.assign(input, { type: "range", className: "native", min: 0, max: 120, value: model.get("value") });
      input.addEventListener("keydown", (event) => event.stopPropagation());
      input.addEventListener("input", () => { model.set("value", Number(input.value)); model.save_changes(); });
      el.append(input);
    } }"""
    value = traitlets.Int(0).tag(sync=True)
    description = traitlets.Unicode("").tag(sync=True)

control = Native()
'''

USUAL = """
%matplotlib inline
import numpy as np
import matplotlib.pyplot as plt
from sklearn.mixture import GaussianMixture
from kdlab import mixtures

scene = mixtures.teacher_entropy("ring").scene
betas = np.geomspace(1, 100, 121)
side = np.linspace(-6, 6, 300)
x, y = np.meshgrid(side, side)
grid = np.column_stack([x.ravel(), y.ravel()])

def draw(position):
    teacher = scene.teacher.tempered(betas[position])
    points = teacher.sample(1000, np.random.default_rng(0))
    student = GaussianMixture(2, covariance_type="diag", random_state=0).fit(points)
    plt.figure(figsize=(6, 6))
    plt.contourf(x, y, np.exp(scene.truth.log_prob(grid)).reshape(x.shape), cmap="Greys")
    plt.contour(x, y, np.exp(student.score_samples(grid)).reshape(x.shape), colors="C1")
    plt.scatter(*points.T, s=3)
    plt.title(f"beta = {betas[position]:.2f}")
    plt.show()

ipywidgets.interact(draw, position=control);
"""

LABEL = """
label = ipywidgets.Label("0")
control.observe(lambda change: setattr(label, "value", f"position {change['new']}"), "value")
ipywidgets.VBox([control, label])
"""

OURS = """
from IPython.display import display
from kdlab import mixtures
display(mixtures.show(mixtures.teacher_entropy("ring", 2)))
for covariance in ("diag", "full", "spherical"):
    display(mixtures.show(mixtures.teacher_entropy("line", 1, covariance)))
"""

ANYTHING = {"childList": True, "characterData": True, "subtree": True}
Press = tuple[Locator, str, Locator]  # a control, a key, and what changes when the answer is there

# In the page: notes when a key was pressed and when the frame with what followed was done.
PROBE = """() => {
  const afterRendering = () => new Promise((done) => {
    const { port1, port2 } = new MessageChannel();
    port2.onmessage = () => done(performance.now());
    port1.postMessage(0);
  });
  let inFrame = false;
  const plain = window.requestAnimationFrame.bind(window);
  window.requestAnimationFrame = (callback) => plain((time) => {
    inFrame = true; // what changes in here is in this very frame
    afterRendering().then(() => { inFrame = false; });
    callback(time);
  });
  const nextFrame = () => new Promise((done) => plain(() => done(afterRendering())));
  let start = null;
  window.addEventListener("keydown", (event) => { start = event.isTrusted ? event.timeStamp : NaN; }, true);
  window.arm = (element, { image: isImage, ...changes }) => {
    start = null;
    const before = element.querySelector("img")?.src;
    window.answered = new Promise((done) => {
      const observer = new MutationObserver(async () => {
        if (start === null) return; // something else still moved
        let frame = inFrame ? afterRendering() : null;
        if (isImage) {
          const image = element.querySelector("img");
          if (!image || image.src === before) return;
          observer.disconnect();
          await image.decode();
          frame = null;
        }
        observer.disconnect();
        done((await (frame ?? nextFrame())) - start);
      });
      observer.observe(element, changes);
    });
  };
}"""

# In the page: one entry per animation frame while a hand drags the slider.
WATCH = """(root) => {
  const slider = root.querySelector(".kdlab-beta"), dot = root.querySelector(".kdlab-student-dot");
  const whole = () => root.isConnected && Number.isFinite(parseFloat(dot.getAttribute("cx")))
    && root.querySelector(".kdlab-path-past").getAttribute("d").length > 0
    && [...root.querySelectorAll(".kdlab-student-ellipse")].every((ellipse) => ellipse.getAttribute("rx") > 0);
  window.frames_seen = [];
  const look = (time) => {
    frames_seen.push([time, root.dataset.index, dot.getAttribute("cx") + " " + dot.getAttribute("cy"), whole()]);
    window.watching = requestAnimationFrame(look);
  };
  window.watching = requestAnimationFrame(look);
}"""


# In the page: two frames later, stop watching.
STOP = """() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => {
  cancelAnimationFrame(watching);
  done(frames_seen);
})))"""


class Contender:
    """One way to answer a key press, and how long it took each time."""

    def __init__(self, name: str, notebook: Notebook, presses: Iterator[Press], changes: dict[str, Any]) -> None:
        self.name, self.page, self.presses, self.changes = name, notebook.page, presses, changes
        self.times: list[float] = []

    def press(self, pause: float) -> None:
        """Press the next key and note how long the answer took, in milliseconds."""
        control, key, answer = next(self.presses)
        control.focus()
        self.page.wait_for_timeout(pause)  # a hand's pace, and out of step with the screen's own rhythm
        answer.evaluate("(element, changes) => arm(element, changes)", self.changes)
        self.page.keyboard.press(key)
        took = self.page.evaluate("answered")
        if took is None or took <= 0:
            raise RuntimeError(f"{self.name}: a key that was not trusted, or an answer before its question")
        self.times.append(took)


def right_and_left(control: Locator, answer: Locator) -> Iterator[Press]:
    """Walk up the slider and down again: every press is another position."""
    while True:
        for key in ("ArrowRight", "ArrowLeft"):
            for _ in range(100):
                yield control, key, answer


def new_sweeps(views: list[Locator]) -> Iterator[Press]:
    """Ask each view for all K'' of all named scenes in turn: every sweep is new to its view."""
    for view in views:
        size, scene = view.locator(".kdlab-n-components"), view.locator(".kdlab-scene")
        for step in range(4):
            for _ in range(4):
                yield size, "ArrowUp" if step % 2 else "ArrowDown", view
            if step < 3:
                yield scene, "ArrowDown", view


@contextmanager
def contenders(lab: Lab, browser: Browser, scales: tuple[int, ...]) -> Iterator[list[Contender]]:
    """Open a notebook per contender, run it, and put the probe into its page."""
    notebooks: list[Notebook] = []

    def opened(name: str, scale: int = 1) -> Notebook:
        notebook = lab.open(browser, name, device_scale_factor=scale, viewport={"width": 1280, "height": 1400})
        notebooks.append(notebook)
        notebook.run_all()
        notebook.page.evaluate(PROBE)
        return notebook

    usual, label = opened("usual.ipynb"), opened("label.ipynb")
    native, ours = ".native", [opened(f"ours-{scale}.ipynb", scale) for scale in scales]
    picture, text = usual.page.locator(".jp-OutputArea-output .widget-output").last, label.page.locator(".widget-label")
    made = [
        Contender("usual", usual, right_and_left(usual.page.locator(native), picture), {**ANYTHING, "image": True}),
        Contender("label", label, right_and_left(label.page.locator(native), text.last), ANYTHING),
    ]
    for scale, notebook in zip(scales, ours, strict=True):
        presses = right_and_left(notebook.view(0).locator(".kdlab-beta"), notebook.view(0))
        made.append(Contender(f"ours_{scale}x", notebook, presses, {"attributeFilter": ["data-index"]}))
    presses = new_sweeps([ours[0].page.locator(".kdlab-view").nth(n) for n in (1, 2, 3)])
    made.append(Contender("sweep", ours[0], presses, {"attributeFilter": ["data-key"]}))
    yield made
    for notebook in notebooks:
        notebook.page.close()


def take_turns(made: list[Contender], presses: int) -> None:
    """Press in turns; the first press of each contender warms it up and does not count."""
    pace = random.Random(0)
    for first in range(0, presses, ROUND):
        for contender in made:
            contender.page.bring_to_front()
            for _ in range(min(ROUND, presses - first) + (first == 0)):
                contender.press(pace.uniform(60, 140))
            if first == 0:
                del contender.times[0]


class Hand:
    """A mouse that moves without waiting to be answered, as a real one does: Chromium's own protocol, raw."""

    def __init__(self, port: int, page: Page) -> None:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/json") as answer:
            targets = json.load(answer)
        (url,) = [one["webSocketDebuggerUrl"] for one in targets if one["type"] == "page" and one["url"] == page.url]
        self.socket = websocket.create_connection(url, suppress_origin=True)
        self.sent = 0

    def move(self, x: float, y: float) -> None:
        """Move with the left button down."""
        self.sent += 1
        where = {"type": "mouseMoved", "x": x, "y": y, "button": "left", "buttons": 1}
        self.socket.send(json.dumps({"id": self.sent, "method": "Input.dispatchMouseEvent", "params": where}))

    def rest(self) -> None:
        """Wait until every movement has arrived."""
        while json.loads(self.socket.recv()).get("id") != self.sent:
            pass
        self.socket.close()


def drag(page: Page, port: int) -> dict[str, Any]:
    """Drag the slider up and down for three seconds, and say what each animation frame showed."""
    page.bring_to_front()
    root = page.locator(".kdlab-view").first
    root.scroll_into_view_if_needed()
    slider = root.locator(".kdlab-beta")
    slider.focus()
    page.keyboard.press("Home")
    box = slider.bounding_box()
    thumb = 9  # half its width
    left, width, y = box["x"] + thumb, box["width"] - 2 * thumb, box["y"] + box["height"] / 2
    page.mouse.move(left, y)
    page.mouse.down()
    hand = Hand(port, page)
    root.evaluate(WATCH)
    start = time.monotonic()
    while (elapsed := time.monotonic() - start) < DRAG_SECONDS:
        phase = CROSSINGS * elapsed / DRAG_SECONDS % 2
        hand.move(left + width * min(phase, 2 - phase), y)
        time.sleep(HAND)
    hand.rest()
    page.mouse.up()
    return seen_in(page.evaluate(STOP), slider.input_value())


def seen_in(frames: list[Any], final: str) -> dict[str, Any]:
    """Say what a drag's animation frames showed: [time, index, where the dot was, whether the picture was whole]."""
    pictures = sum(now[2] != before[2] for before, now in itertools.pairwise(frames))
    seconds = (frames[-1][0] - frames[0][0]) / 1000
    return {
        "pictures_per_second": round(pictures / seconds, 1),
        "frames_per_second": round((len(frames) - 1) / seconds, 1),
        "blank_frames": sum(not frame[3] for frame in frames),
        "last_picture_is_the_final_value": frames[-1][1] == final,
    }


def measure(scales: tuple[int, ...], presses: int) -> dict[str, Any]:
    """Measure everything; return plain numbers."""
    port = free_port()
    with tempfile.TemporaryDirectory() as temporary, launched(f"--remote-debugging-port={port}") as browser:
        folder = Path(temporary) / "notebooks"
        folder.mkdir()
        write_notebook(folder / "usual.ipynb", CONTROL, USUAL)
        write_notebook(folder / "label.ipynb", CONTROL, LABEL)
        for scale in scales:
            write_notebook(folder / f"ours-{scale}.ipynb", OURS)
        with jupyterlab(folder, Path(temporary) / "jupyter") as lab, contenders(lab, browser, scales) as made:
            load = os.getloadavg()[0]
            take_turns(made, presses)
            drags = {one.name: drag(one.page, port) for one in made if one.name.startswith("ours")}
            return {
                "milliseconds": {one.name: summary(one.times) for one in made},
                "drag": drags,
                "machine": machine(browser.version, load),
            }


def summary(times: list[float]) -> dict[str, Any]:
    cuts = statistics.quantiles(times, n=20, method="inclusive")
    return {"presses": len(times), "p50": round(statistics.median(times), 1), "p95": round(cuts[18], 1)}


def machine(chromium: str, load: float) -> dict[str, Any]:
    packages = ("jupyterlab", "ipykernel", "ipywidgets", "anywidget", "matplotlib", "scikit-learn", "numpy")
    return {
        "cores": os.cpu_count(),
        "load_at_start": round(load, 1),
        "load_at_end": round(os.getloadavg()[0], 1),
        "system": platform.system(),
        "python": platform.python_version(),
        "chromium": chromium,
        **{package: version(package) for package in packages},
    }


NAMES = {
    "usual": "(a) the usual way: `interact`, scikit-learn on 1,000 samples, fresh contours on 300 x 300",
    "label": "(b) a text label set by the kernel",
    "ours_1x": "(c) ours, a prepared position, 1x",
    "ours_2x": "(c) ours, a prepared position, 2x",
    "sweep": "(d) ours, a new K'' or scene: another sweep from the kernel",
}


def targets(measured: dict[str, Any]) -> list[tuple[str, bool, bool]]:
    """What is to be reached: in words, whether it is, and whether it is a ratio."""
    p50 = {name: times["p50"] for name, times in measured["milliseconds"].items()}
    ours = [name for name in p50 if name.startswith("ours")]
    listed = []
    for name in ours:
        a, b = p50["usual"] / p50[name], p50["label"] / p50[name]
        listed.append((f"{name}: at most half of the label (it is 1/{b:.1f})", b >= 2, True))
        listed.append((f"{name}: at most a twentieth of the usual way (it is 1/{a:.0f})", a >= 20, True))
    d = p50["sweep"] / p50["label"]
    listed.append((f"sweep: at most 4 times the label (it is {d:.1f} times)", d <= 4, True))
    for name, seen in measured["drag"].items():
        rate = seen["pictures_per_second"]
        listed.append((f"drag, {name}: at least 50 pictures a second ({rate:.1f})", rate >= 50, False))
        whole = seen["blank_frames"] == 0 and seen["last_picture_is_the_final_value"]
        listed.append((f"drag, {name}: no blank frame, and the last picture is the final value's", whole, False))
    return listed


def table(measured: dict[str, Any]) -> str:
    """Return the results in Markdown."""
    lines = ["| key press to picture, ms | presses | p50 | p95 |", "| --- | ---: | ---: | ---: |"]
    for name, times in measured["milliseconds"].items():
        lines.append(f"| {NAMES[name]} | {times['presses']} | {times['p50']:.1f} | {times['p95']:.1f} |")
    lines += ["", "| a drag of 3 s | distinct pictures/s | frames/s | blank frames | last picture right |"]
    lines += ["| --- | ---: | ---: | ---: | --- |"]
    for name, seen in measured["drag"].items():
        right = "yes" if seen["last_picture_is_the_final_value"] else "no"
        rates = f"{seen['pictures_per_second']:.0f} | {seen['frames_per_second']:.0f}"
        lines.append(f"| {name} | {rates} | {seen['blank_frames']} | {right} |")
    lines += ["", *(f"- {'reached' if ok else 'MISSED'}: {words}" for words, ok, _ in targets(measured)), ""]
    where = measured["machine"]
    lines.append(f"{where['cores']} cores, load {where['load_at_start']} before and {where['load_at_end']} after; ")
    lines[-1] += f"Chromium {where['chromium']}, JupyterLab {where['jupyterlab']}, Python {where['python']}."
    return "\n".join(lines)


def save(name: str, text: str) -> None:
    temporary = HERE / f".{name}.tmp"
    temporary.write_text(text.rstrip("\n") + "\n", encoding="utf-8")
    os.replace(temporary, HERE / name)


def main() -> int:
    """Measure, print, save; return 1 where a target is missed (in the short form, where a ratio is)."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--short", action="store_true", help="10 presses each, 1x only, and 50 where a ratio is missed; writes nothing"
    )
    short = parser.parse_args().short
    for presses in (10, 50) if short else (50,):
        measured = measure((1,) if short else (1, 2), presses)
        text = table(measured)
        print(text, flush=True)
        missed = [words for words, ok, ratio in targets(measured) if not ok and (ratio or not short)]
        if not missed:
            break
    if not short:
        save("latency.json", json.dumps(measured, indent=1))
        save("latency.md", f"# From a key press to the picture\n\n{__doc__.split(chr(10) * 2, 2)[2]}\n{text}")
    return int(bool(missed))


if __name__ == "__main__":
    sys.exit(main())
