"""The live picture of text: what Python sends, what the page draws from it, and both in a real JupyterLab."""

import json
import threading
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Locator, Page, expect
from support.axe import serious
from support.hands import choose
from support.pages import open_view, wait_for

from kdlab.ngrams import experiment as temperature
from kdlab.ngrams import view as text
from kdlab.ngrams.experiment import PREFIX, NGramSweep, teacher_temperature
from kdlab.ngrams.names import first_names
from kdlab.pictures.limits import CLOSE, plane_limits

ONE, LAST = 35, 60  # the positions of tau = 1 and of tau = 1.5


# Python's side


def test_what_is_sent_is_the_sweep(sweep: NGramSweep) -> None:
    sent = json.loads(json.dumps(text.payload(sweep)))
    assert sent["precision"] == sweep.precision.tolist() and sent["recall"] == sweep.recall.tolist()
    assert sent["sentence"] == list(sweep.sentences) and sent["names"] == [list(names) for names in sweep.names]
    real = set(first_names()[0])
    assert sent["real"] == [[int(name in real) for name in names] for names in sweep.names]
    for name, odds in (("student", sweep.next_learned), ("teacher", sweep.next_taught), ("truth", sweep.next_true)):
        np.testing.assert_allclose(sent["next"][name], odds, atol=6e-6)
    assert len(sent["letters"]) == len(sent["next"]["truth"]) == 27 and sent["prefix"] == PREFIX
    for name, limits in zip(("recall", "precision"), plane_limits(sweep, CLOSE), strict=True):
        assert sent["plane"][name] == pytest.approx(limits, abs=1e-5)
    assert len(json.dumps(sent)) < 120_000


def test_anything_but_a_sweep_of_text_is_an_error() -> None:
    with pytest.raises(TypeError, match="dict is not a NGramSweep: pass what"):
        text.show({})  # type: ignore[arg-type]


def test_other_orders_are_made_on_a_thread_with_progress(monkeypatch: pytest.MonkeyPatch) -> None:
    small = teacher_temperature(2, 1, 0, positions=5)
    view = text.show(small)
    told: list[float] = []
    view.observe(lambda change: told.append(change["new"]), names="progress")
    threads: list[str] = []
    real = temperature.teacher_temperature

    def make(*orders: int, **other: Any) -> NGramSweep:
        threads.append(threading.current_thread().name)
        return real(*orders, **other)

    monkeypatch.setattr(temperature, "teacher_temperature", make)
    view.settings = {"orders": "2, 2, 1", "seed": 1}
    wait_for(lambda: view.sweep["settings"] == {"orders": "2, 2, 1", "seed": 1})
    assert threads and threads[0] != threading.main_thread().name
    assert told[0] == 0.0 and told[-1] is None and max(t for t in told if t is not None) == 1.0
    assert view.sweep_shown.orders == (2, 2, 1) and len(view.sweep_shown.taus) == 5 and view.errors == []
    view.close()


@pytest.mark.parametrize("orders", ["1, 2, 3", "3, 2", "three", "9, 2, 1"])
def test_orders_that_cannot_be_are_shown_and_kept(orders: str) -> None:
    view = text.show(teacher_temperature(2, 1, 0, positions=2))
    view.settings = {"orders": orders, "seed": 0}
    wait_for(lambda: view.kernel_error)
    assert "whole numbers" in view.kernel_error and len(view.errors) == 1
    assert view.settings == {"orders": "2, 1, 0", "seed": 0}
    view.close()


def test_the_controls_offer_the_sweep_at_hand() -> None:
    view = text.show(teacher_temperature(1, 1, 1, seed=7, positions=2))
    offered = {field: [choice["value"] for choice in choices] for field, choices in view.choices.items()}
    assert offered["orders"][-1] == "1, 1, 1" and offered["seed"][-1] == 7 and "4, 3, 2" in offered["orders"]
    view.close()


# The page


SCRIPTS = ("pictures/plane.js", "pictures/sweep_view.js", "ngrams/view.js")


_LOOK = """async (root, index) => {
  const limit = performance.now() + 5000;
  while (root.dataset.index !== String(index) && performance.now() < limit) await new Promise(requestAnimationFrame);
  const all = (name) => [...root.querySelectorAll(name)];
  const top = (path) => Number(path.getAttribute("d").match(/V([\\d.]+)/)[1]);
  const shown = (element) => element.style.display !== "none";
  const dot = root.querySelector(".kdlab-student-dot");
  return {
    index: root.dataset.index, sentence: root.querySelector(".kdlab-sentence").innerText,
    said: root.querySelector(".kdlab-beta").getAttribute("aria-valuetext"),
    names: all(".kdlab-name").map((name) => name.textContent),
    real: all(".kdlab-name").map((name) => Number(name.classList.contains("kdlab-name-real"))),
    taught: all(".kdlab-letter-teacher").map((path) => [shown(path), top(path)]),
    learned: all(".kdlab-letter-dot").map((dot) => [shown(dot), Number(dot.getAttribute("cy"))]),
    share: Number(root.querySelector(".kdlab-share").getAttribute("width")),
    dot: ["data-precision", "data-recall"].map((name) => Number(dot.getAttribute(name))),
  };
}"""


def assert_shows(root: Locator, sent: dict[str, Any], index: int) -> None:
    """Names, bars, share, dot and sentence are the payload's at this position; heights by another route: 116 to one."""
    seen = root.evaluate(_LOOK, index)
    told = ", ".join(f"{name} {sent[name][index]:.2f}".replace("-", "−") for name in ("precision", "recall"))
    assert seen["index"] == str(index) and seen["said"] == f"tau {sent['tau'][index]:.2f}, {told}"
    assert seen["sentence"] == sent["sentence"][index]
    assert (seen["names"], seen["real"]) == (sent["names"][index], sent["real"][index])
    assert seen["dot"] == [sent["precision"][index], sent["recall"][index]]
    assert seen["share"] == pytest.approx(416 * sent["covered"][index], abs=0.06)
    for marks, odds in (
        (seen["taught"], sent["next"]["teacher"][index]),
        (seen["learned"], sent["next"]["student"][index]),
    ):
        assert [shown for shown, _ in marks] == [p >= 0.005 for p in odds]
        assert [top for _, top in marks] == pytest.approx([142 - 116 * p for p in odds], abs=0.06)


@pytest.mark.browser
def test_real_keys_walk_every_position(page: Page, sweep: NGramSweep) -> None:
    sent = open_view(page, text.show(sweep))["sweep"]
    root = page.locator(".kdlab-view")
    assert_shows(root, sent, ONE)
    page.locator(".kdlab-beta").focus()
    page.keyboard.press("Home")
    for index in range(LAST + 1):
        assert_shows(root, sent, index)
        page.keyboard.press("ArrowRight")
    assert_shows(root, sent, LAST)


@pytest.mark.browser
def test_the_solid_path_runs_from_tau_one_to_the_dot(page: Page, sweep: NGramSweep) -> None:
    open_view(page, text.show(sweep))
    lengths = {}
    for tau in (0.3, 1.0, 1.5):
        page.evaluate("tau => model.set('tau', tau)", tau)
        lengths[tau] = page.evaluate("document.querySelector('.kdlab-path-past').getTotalLength()")
    whole = page.evaluate("document.querySelector('.kdlab-path-all').getTotalLength()")
    assert lengths[1.0] == pytest.approx(0, abs=0.1)
    assert lengths[0.3] + lengths[1.5] == pytest.approx(whole, abs=0.5)


@pytest.mark.browser
def test_nothing_is_cut_off_and_no_words_overlap(page: Page, sweep: NGramSweep) -> None:
    """At the ends and in the middle: every text inside its panel, and no two texts of the left panel on each other."""
    open_view(page, text.show(sweep))
    for tau in (0.3, 0.6, 1.0, 1.5):
        page.evaluate("tau => model.set('tau', tau)", tau)
        troubles = page.evaluate("""() => {
          const box = (one) => one.getBoundingClientRect();
          const boxes = [...document.querySelectorAll(".kdlab-space text")].map((one) => [one.textContent, box(one)]);
          const panel = box(document.querySelector(".kdlab-space"));
          const outside = (b) => b.left < panel.left - 1 || b.right > panel.right + 1 || b.bottom > panel.bottom + 1;
          const common = (p, q) => Math.min(p.right, q.right) - Math.max(p.left, q.left) > 1
            && Math.min(p.bottom, q.bottom) - Math.max(p.top, q.top) > 3;
          const out = boxes.filter(([, b]) => outside(b));
          const pairs = boxes.flatMap(([a, p], i) =>
            boxes.slice(i + 1).filter(([, q]) => common(p, q)).map(([b]) => [a, b]));
          return [out.map(([text]) => text), pairs];
        }""")
        assert troubles == [[], []], tau


@pytest.mark.browser
def test_a_sweep_that_cannot_be_drawn_is_refused_in_words(page: Page, sweep: NGramSweep) -> None:
    broken = text.payload(sweep)
    broken["names"] = broken["names"][:-1]
    open_view(page, text.show(sweep), sweep=broken)
    error = page.locator(".kdlab-error")
    expect(error).to_contain_text('60 entries in "names" for 61 positions of tau. Make it again with')
    assert page.evaluate("model.get('page_errors').length") == 1


# The notebook, in JupyterLab


@pytest.mark.browser
@pytest.mark.slow
def test_notebook_04(run_notebook: Any, sweep: NGramSweep) -> None:
    """Runs through; the gated view waits for a guess, follows every key, and makes other sweeps."""
    notebook = run_notebook("04")
    root = notebook.view()
    expect(root.locator(".kdlab-picture")).to_be_hidden()
    root.locator(".kdlab-cover button").nth(2).click()
    expect(root.locator(".kdlab-outcome")).to_have_text(
        "You predicted: Both fall. Now move the slider to its right end and see."
    )
    sent = text.payload(sweep)
    root.locator(".kdlab-beta").focus()
    notebook.page.keyboard.press("Home")
    for index in range(LAST + 1):  # each key is followed; what a position shows, the page's own test reads at each
        if index % 10 == 0:
            assert_shows(root, sent, index)
        notebook.page.keyboard.press("ArrowRight")
    expect(root.locator(".kdlab-outcome")).to_contain_text("What happens: both fall.")
    assert serious(root) == []
    assert notebook.soon("round(view.tau, 6)", 1.5) == 1.5
    orders = [choice["value"] for choice in text._choices(sweep)["orders"]]
    cheap = orders.index("2, 1, 0")  # soon made
    for field, values in (("orders", {0: orders[0], cheap: orders[cheap]}), ("seed", {0: 0, 1: 1})):
        for index, value in values.items():
            choose(notebook, root.locator(f"select.kdlab-{field}"), index)
            expect(root).to_have_attribute("aria-busy", "false", timeout=60_000)
            named = {"orders": orders[0], "seed": 0, field: value}
            made = teacher_temperature(*map(int, str(named["orders"]).split(",")), seed=int(named["seed"]))
            assert_shows(root, text.payload(made), LAST)
        choose(notebook, root.locator(f"select.kdlab-{field}"), 0)
        expect(root).to_have_attribute("aria-busy", "false", timeout=60_000)
    root.locator(".kdlab-reset").focus()
    notebook.page.keyboard.press("Enter")
    assert_shows(root, sent, ONE)
    assert notebook.json("view.errors") == []
