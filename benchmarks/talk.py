"""How soon students answer in the page, and PyTorch beside it, in one run.

    python benchmarks/talk.py        writes talk.json and talk.md beside this file; some two minutes

A headless Chromium opens the view as a notebook does; its parts come from this process. *Answers*: twelve continuations
of 24 tokens of all five students, from the key press to the last text on the screen, 15 times. *First token*: from the
arrival of the last part to the first word on the screen, on pages that are opened anew. *Task*: the longest on the
page's own thread. PyTorch: the same models and texts, float32, twelve rows at once, keys and values kept
(kdlab.lm.pipeline.sampling), on as many threads as there are workers.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "tests"), str(HERE.parent / "scripts")]

import torch  # noqa: E402
from latency import machine  # noqa: E402
from playwright.sync_api import Browser  # noqa: E402
from record_talk import LENGTH, NAMES, ROWS, SEED, load  # noqa: E402
from support.chromium import launched  # noqa: E402
from support.pages import opened, served  # noqa: E402
from support.talk import SCRIPTS, open_talk, rested  # noqa: E402

from kdlab.lm.pipeline.sampling import sample  # noqa: E402
from kdlab.lm.talking import answers, weights_folder  # noqa: E402
from kdlab.lm.view_talk import TalkView  # noqa: E402

ROUNDS, OPENINGS = 15, 5
WATCH = """() => {
  Object.assign(window, { tasks: [], began: 0, ended: 0, first: 0 });
  const root = document.querySelector(".kdlab-view");
  new PerformanceObserver((list) => list.getEntries().forEach(({ duration }) => window.tasks.push(duration)))
    .observe({ type: "longtask" });
  root.addEventListener("click", () => { window.began = performance.now(); }, true);
  new MutationObserver(() => {
    if (root.dataset.talk) window.ended = performance.now();
    if (!window.first && root.querySelector(".kdlab-talk-token")) window.first = performance.now();
  }).observe(root, { subtree: true, childList: true, attributes: true, attributeFilter: ["data-talk"] });
}"""
LAST = """() => { window.last = 0; const listeners = model.heard["msg:custom"];
  listeners.unshift(() => { window.last = performance.now(); }); }"""


def on_a_page(browser: Browser, address: str, shown: int) -> dict[str, Any]:
    """Times of one page: its first token after the last part, and each round of answers; milliseconds."""
    with opened(browser, address) as page:
        open_talk(page, TalkView())
        page.evaluate(WATCH)
        page.evaluate(LAST)
        page.locator(".kdlab-beta").fill(str(shown))
        page.locator(".kdlab-talk-tools button").first.click()
        text = answers()["beginnings"][0]["text"]
        rested(page, text)
        first, rounds = page.evaluate("window.first - window.last"), []
        page.evaluate("() => { window.tasks.length = 0; }")
        for seed in range(SEED + 1, SEED + 1 + ROUNDS):
            page.get_by_role("button", name="other random numbers").click()
            rested(page, text, seed=seed)
            rounds.append(page.evaluate("window.ended - window.began"))
        return {"first": first, "rounds": rounds, "task": max(page.evaluate("window.tasks"), default=0.0)}


def in_pytorch(threads: int) -> list[float]:
    """The same answers by PyTorch, milliseconds."""
    found = load(weights_folder())
    students = [found.models[name].float() for name in NAMES if name != "teacher"]
    begun, times = answers()["beginnings"][0]["ids"], []
    torch.set_num_threads(threads)
    for seed in range(ROUNDS + 1):
        began = time.perf_counter()
        for model in students:
            rng = torch.Generator().manual_seed(seed)
            sample(model, begun, ROWS, length=LENGTH - 3, eos=found.truth.eos, tau=1.0, rng=rng)
        times.append(1e3 * (time.perf_counter() - began))
    return times[1:]


def main() -> None:
    """Measure, and write both files."""
    load = os.getloadavg()[0]
    with launched() as browser, served(*SCRIPTS) as address:
        pages = [on_a_page(browser, address, shown) for shown in (3, 12) for _ in range(OPENINGS)]
        workers = browser.new_page().evaluate("Math.min(2, navigator.hardwareConcurrency)")
        about = machine(browser.version, load)
    found = {"machine": about, "workers": workers, "pages": pages, "pytorch": in_pytorch(workers)}
    (HERE / "talk.json").write_text(json.dumps(found, indent=1) + "\n")
    rows = ["# Students that answer", "", (__doc__ or "").split("\n\n")[2].replace("\n", " "), ""]
    rows += [
        "| shown | answers, ms p50 | p95 | first token, ms p50 | longest task, ms |",
        "| ---: | ---: | ---: | ---: | ---: |",
    ]
    for shown, some in ((3, pages[:OPENINGS]), (12, pages[OPENINGS:])):
        every = sorted(one for page in some for one in page["rounds"])
        first, task = statistics.median(page["first"] for page in some), max(page["task"] for page in some)
        p50, p95 = statistics.median(every), every[int(0.95 * len(every))]
        rows.append(f"| {shown} | {p50:.0f} | {p95:.0f} | {first:.0f} | {task:.0f} |")
    rows += [
        "",
        f"PyTorch, {workers} threads: {statistics.median(found['pytorch']):.0f} ms p50. Load {load:.1f} at the start.",
        "",
    ]
    (HERE / "talk.md").write_text("\n".join(rows))
    print("\n".join(rows))


if __name__ == "__main__":
    main()
