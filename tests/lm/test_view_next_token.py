"""The live picture of one next token: what Python sends, what the page draws from it, and both in a real JupyterLab."""

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Locator, Page, expect
from support import pages
from support.axe import serious

from kdlab.core.format import percent
from kdlab.lm.next_token import NextTokenSweep, counted, next_token_sweep
from kdlab.lm.recording import read_recording
from kdlab.lm.view_next_token import NextTokenView, payload, show

ONE, LAST = 35, 60  # the positions of tau = 1 and of tau = 1.5


@pytest.fixture(scope="module")
def sweeps() -> list[NextTokenSweep]:
    return list(read_recording().sweeps.values())


@pytest.fixture
def view(sweeps: list[NextTokenSweep]) -> Iterator[NextTokenView]:
    shown = show(sweeps)
    yield shown
    shown.close()


# Python's side


def test_what_is_sent_is_the_sweep(sweeps: list[NextTokenSweep]) -> None:
    for sweep in sweeps:
        sent = json.loads(json.dumps(payload(sweep)))
        np.testing.assert_allclose([row[:12] for row in sent["odds"]], sweep.probabilities, atol=6e-6)
        np.testing.assert_allclose([row[12] for row in sent["odds"]], sweep.rest, atol=6e-6)
        assert sent["one"] == sent["odds"][ONE] and sent["entropy"] == sweep.entropies.tolist()
        assert sent["sentence"] == list(sweep.sentences) and sent["words"][-1] == "49,140 others"
        texts = [text.replace("\r", "").replace("\n", "").replace("\t", "⇥") for text in sweep.samples]
        assert [text.replace("↵", "") for text in sent["sample"]] == texts
        for text, alike in zip(sent["sample"], sent["shared"], strict=True):
            assert text[:alike] == sent["sample"][ONE][:alike]
            assert text[alike : alike + 1] != sent["sample"][ONE][alike : alike + 1] or text == sent["sample"][ONE]
        assert sent["told"][ONE] == f"entropy {sweep.entropies[ONE]:.2f} nats   {counted(sweep.choices[ONE])}"
        assert len(json.dumps(sent)) < 60_000


def test_anything_but_sweeps_of_one_prompt_each_is_an_error(sweeps: list[NextTokenSweep]) -> None:
    for wrong in ([{}], "ab"):
        with pytest.raises(TypeError, match="is not a NextTokenSweep: pass what"):
            show(wrong)  # type: ignore[arg-type]
    for several in ([], [sweeps[0], sweeps[0]]):
        with pytest.raises(ValueError, match=r"prompts are \[.*\]: give one sweep or more"):
            show(several)


def test_another_prompt_is_answered_at_once(view: NextTokenView, sweeps: list[NextTokenSweep]) -> None:
    view.tau = 0.5
    view.settings = {"prompt": sweeps[3].prompt}
    assert view.sweep["key"] == sweeps[3].prompt and view.sweep_shown is sweeps[3] and view.progress is None
    assert view.position.sentence == sweeps[3].at(0.5).sentence
    with pytest.raises(ValueError, match="the slider goes from 0.3 to 1.5"):
        view.tau = 0.29
    view.settings = {"prompt": "nothing"}
    assert "Nothing is here for 'nothing'" in view.kernel_error and len(view.errors) == 1
    assert view.settings == {"prompt": sweeps[3].prompt}


def test_a_slider_that_ends_sooner_takes_tau_along() -> None:
    """The page stands at the nearest position then, and so does Python."""
    long, short = (next_token_sweep(text, [2.0, 1.0], "xy".__getitem__, taus=taus) for text, taus in (
        ("long", [0.5, 1.0, 1.5]), ("short", [0.8, 1.0, 1.2]),
    ))  # fmt: skip
    view = show([long, short])
    view.tau = 1.5
    view.settings = {"prompt": "short"}
    assert view.errors == [] and view.tau == 1.2 and view.sentence == short.told(2)


def test_the_mimebundle_has_a_picture_and_its_words(view: NextTokenView, sweeps: list[NextTokenSweep]) -> None:
    data, metadata = view._repr_mimebundle_()
    assert data["text/plain"] == metadata["image/png"]["alt"] and sweeps[0].sentences[ONE] in data["text/plain"]
    assert data["application/vnd.jupyter.widget-view+json"]["model_id"] == view.model_id
    assert view.filmstrip((0.3, 1.5)).words.startswith(sweeps[0].sentences[0])


# The page


SCRIPTS = ("pictures/sweep_view.js", "lm/view_next_token.js")


def open_view(page: Page, sweeps: list[NextTokenSweep], sent: dict[str, Any] | None = None) -> dict[str, Any]:
    first = sent or payload(sweeps[0])
    pages.open_view(page, show(sweeps), sweep=first, settings=first["settings"])
    return first


_LOOK = """async (root, index) => {
  const limit = performance.now() + 5000;
  while (root.dataset.index !== String(index) && performance.now() < limit) await new Promise(requestAnimationFrame);
  const all = (name) => [...root.querySelectorAll(name)];
  const text = (name) => root.querySelector(name).textContent;
  const dot = root.querySelector(".kdlab-next-dot");
  return {
    index: root.dataset.index, sentence: text(".kdlab-sentence"), numbers: text(".kdlab-numbers"),
    said: root.querySelector(".kdlab-beta").getAttribute("aria-valuetext"),
    ends: all(".kdlab-next-teacher").map((path) => Number(path.getAttribute("d").match(/H([\\d.]+)V/)[1])),
    truth: all(".kdlab-truth-bar").map((bar) => Number(bar.getAttribute("width"))),
    odds: all(".kdlab-next-odds").map((one) => one.textContent),
    sample: text(".kdlab-next-text:not(.kdlab-next-room)"), other: text(".kdlab-next-other"),
    dot: [Number(dot.getAttribute("cx")), Number(dot.getAttribute("cy"))],
  };
}"""


def assert_shows(root: Locator, sent: dict[str, Any], sweep: NextTokenSweep, index: int) -> None:
    """Bars, dot, text, numbers and sentence are the sweep's at this position; places by another route: 246 to one."""
    seen = root.evaluate(_LOOK, index)
    at = sweep.at(float(sweep.taus[index]))
    assert seen["index"] == str(index) and seen["sentence"] == at.sentence
    assert seen["said"] == f"tau {at.tau:.2f}, entropy {at.entropy:.2f} nats, {counted(at.choices)}"
    assert seen["numbers"] == f"entropy {at.entropy:.2f} nats   {counted(at.choices)}"
    odds = [*at.probabilities, at.rest]
    assert seen["ends"] == pytest.approx([134 + 246 * p for p in odds], abs=0.06)
    assert seen["truth"] == pytest.approx([246 * p for p in sent["one"]], abs=0.06)
    assert seen["odds"] == [percent(round(p, 5)).replace("less than", "<") for p in odds]
    assert seen["sample"] == sweep.prompt + sent["sample"][index]
    assert seen["other"] == sent["sample"][index][sent["shared"][index] :]
    top = sent["limits"][1]
    assert seen["dot"] == pytest.approx([46 + 332 * (at.tau - 0.3) / 1.2, 348 - 314 * at.entropy / top], abs=0.06)


@pytest.mark.browser
def test_real_keys_walk_every_position(page: Page, sweeps: list[NextTokenSweep]) -> None:
    sent = open_view(page, sweeps)
    root = page.locator(".kdlab-view")
    assert_shows(root, sent, sweeps[0], ONE)
    page.locator(".kdlab-beta").focus()
    page.keyboard.press("Home")
    for index in range(LAST + 1):
        assert_shows(root, sent, sweeps[0], index)
        page.keyboard.press("ArrowRight")
    assert_shows(root, sent, sweeps[0], LAST)
    expect(root.locator(".kdlab-error")).to_be_hidden()


@pytest.mark.browser
@pytest.mark.parametrize("width", [980, 400])
def test_nothing_jumps_and_nothing_is_cut_off(page: Page, sweeps: list[NextTokenSweep], width: int) -> None:
    """The place of the sentence is the same at every tau, and every text of the panels is inside its panel."""
    page.set_viewport_size({"width": width, "height": 1200})
    for sweep in sweeps:
        page.evaluate("() => { window.close_view?.(); document.getElementById('here').replaceChildren(); }")
        open_view(page, sweeps, payload(sweep))
        places, outside = page.evaluate("""async () => {
          const box = (one) => one.getBoundingClientRect();
          const slider = document.querySelector(".kdlab-beta"), places = new Set(), outside = [];
          for (let i = 0; i <= Number(slider.max); i += 1) {
            model.set("tau", model.get("sweep").tau[i]);
            places.add(box(document.querySelector(".kdlab-sentence")).top);
            for (const panel of document.querySelectorAll(".kdlab-panels > svg")) {
              const [p, words] = [box(panel), [...panel.querySelectorAll("text")]];
              const out = (b) => b.left < p.left - 1 || b.right > p.right + 1 || b.bottom > p.bottom + 1;
              outside.push(...words.filter((one) => out(box(one))).map((one) => one.textContent));
            }
          }
          return [[...places], outside];
        }""")
        assert outside == [] and len(places) == 1, (sweep.prompt, places, outside)


@pytest.mark.browser
def test_other_prompts_and_texts_without_samples(page: Page, sweeps: list[NextTokenSweep]) -> None:
    open_view(page, sweeps)
    root = page.locator(".kdlab-view")
    page.evaluate("tau => model.set('tau', tau)", 0.5)
    page.locator("select.kdlab-prompt").select_option(sweeps[1].prompt)
    assert page.evaluate("model.get('settings')") == {"prompt": sweeps[1].prompt}
    other = payload(sweeps[1])
    page.evaluate("sweep => model.set('sweep', sweep)", other)
    assert_shows(root, other, sweeps[1], 10)  # and tau stays where it was
    silent = next_token_sweep("x", np.arange(20.0), str)
    sent = payload(silent)
    page.evaluate("() => { close_view(); document.getElementById('here').replaceChildren(); }")
    open_view(page, [silent], sent)
    expect(root.locator(".kdlab-next-sample")).to_be_hidden()


@pytest.mark.browser
def test_a_sweep_that_cannot_be_drawn_is_refused_in_words(page: Page, sweeps: list[NextTokenSweep]) -> None:
    broken = payload(sweeps[0])
    broken["odds"] = broken["odds"][:-1]
    open_view(page, sweeps, broken)
    expect(page.locator(".kdlab-error")).to_contain_text('60 entries in "odds" for 61 positions of tau. Make it again')
    assert page.evaluate("model.get('page_errors').length") == 1


# The notebook, in JupyterLab


@pytest.mark.browser
@pytest.mark.slow
def test_notebook_05(run_notebook: Any, sweeps: list[NextTokenSweep]) -> None:
    """Runs through; the gated view waits for a guess, follows every key, and shows every beginning."""
    notebook = run_notebook("05")
    root = notebook.view()
    expect(root.locator(".kdlab-picture")).to_be_hidden()
    root.locator(".kdlab-cover button").nth(1).click()
    predicted = "You predicted: About 250. Now move the slider to its right end and see."
    expect(root.locator(".kdlab-outcome")).to_have_text(predicted)
    sent = payload(sweeps[0])
    root.locator(".kdlab-beta").focus()
    notebook.page.keyboard.press("Home")
    for index in range(LAST + 1):
        assert_shows(root, sent, sweeps[0], index)
        notebook.page.keyboard.press("ArrowRight")
    expect(root.locator(".kdlab-outcome")).to_contain_text("What happens: about 1,800.")
    assert serious(root) == []
    assert notebook.soon("round(view.tau, 6)", 1.5) == 1.5
    select = root.locator("select.kdlab-prompt")
    for sweep in sweeps[1:]:
        select.focus()
        notebook.page.keyboard.press("ArrowDown")
        expect(root).to_have_attribute("data-key", sweep.prompt)
        assert_shows(root, payload(sweep), sweep, LAST)
    root.locator(".kdlab-reset").focus()
    notebook.page.keyboard.press("Enter")
    expect(root).to_have_attribute("data-key", sweeps[0].prompt)
    assert_shows(root, sent, sweeps[0], ONE)
    own = notebook.view(2)
    own.locator(".kdlab-beta").focus()
    notebook.page.keyboard.press("End")
    assert_shows(own, payload(sweeps[2]), sweeps[2], LAST)
    assert notebook.json("view.errors + own_view.errors") == []
