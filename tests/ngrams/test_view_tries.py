"""Two sliders, tau and k: what Python sends, and what the page draws and says of it."""

import base64
import json
import re
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Locator, Page, expect
from support.axe import contrasts, violations
from support.pages import box_of, get, open_view, put, reload, settle, size_of

from kdlab.core.format import several
from kdlab.lessons.predictions import predict
from kdlab.ngrams.experiment import NGramSweep
from kdlab.ngrams.names import real_names
from kdlab.ngrams.tries import AGAIN, DRAWS, NEW, TAUS, TriesSweep
from kdlab.ngrams.view_tries import payload, show_tries
from kdlab.pictures.limits import CLOSE, plane_limits

ONE, TEN, MANY = int(np.flatnonzero(TAUS == 1)[0]), *(int(np.flatnonzero(DRAWS == k)[0]) for k in (10, 3_000))

# Python's side


def test_what_is_sent_is_the_sweep(tries: TriesSweep) -> None:
    sent = json.loads(json.dumps(payload(tries)))
    for name in ("precision", "recall", "real", "distinct"):
        assert sent[name] == getattr(tries, name).tolist()
    assert (sent["tau"], sent["k"]) == (TAUS.tolist(), DRAWS.tolist())
    assert sent["best"] == {
        "tau": tries.best_taus.tolist(), "place": tries.distinct.argmax(axis=0).tolist(), "inside": [0, 0, *[1] * 56],
    }  # fmt: skip
    for said, marks in zip(sent["names"], sent["kinds"], strict=True):
        assert [mark == AGAIN for mark in marks] == [name in said[:i] for i, name in enumerate(said)]
        assert all(
            (mark == NEW) == (name in real_names()) for name, mark in zip(said, marks, strict=True) if mark != AGAIN
        )
    for name, limits in zip(("recall", "precision"), plane_limits(tries, CLOSE), strict=True):
        assert sent["plane"][name] == pytest.approx(limits, abs=1e-5)
    assert len(json.dumps(sent)) < 130_000 and payload(tries.asking(3_000)) == payload(tries)


def test_python_follows_both_sliders(tries: TriesSweep) -> None:
    view = show_tries(tries)
    assert (view.tau, view.k, view.sentence) == (1.0, 10, tries.at(1.0).sentence)
    view.set_state({"tau": 0.7, "k": 3_000})
    assert view.position == tries.asking(3_000).at(0.7) and view.sentence == view.position.sentence
    with pytest.raises(ValueError, match="k is 0: the slider goes from 1 to 1,000,000 tries"):
        view.k = 0
    with pytest.raises(ValueError, match="tau is 2.0: the slider goes from 0.1 to 1.5"):
        view.tau = 2.0
    assert view.errors == [] and show_tries(tries.asking(100)).k == 100
    assert view.filmstrip([1, 100]).words.count("No other teacher here brings more") == 2
    with pytest.raises(TypeError, match=r"NGramSweep is not a TriesSweep: pass what ngrams.tries_over_tau\(...\)"):
        show_tries(NGramSweep.__new__(NGramSweep))  # type: ignore[arg-type]


def test_without_a_page_there_is_a_picture_and_its_sentence(tries: TriesSweep) -> None:
    names = set()
    for k in (10, 3_000):
        view = show_tries(tries.asking(k))
        data, metadata = view._repr_mimebundle_()
        assert base64.b64decode(data["image/png"]).startswith(b"\x89PNG")
        assert data["text/plain"] == metadata["image/png"]["alt"] == tries.asking(k).at(1.0).sentence
        names |= {view.still_name(), show_tries(tries.asking(k), predict=predict("08.tries")).still_name()}
    assert len(names) == 4 and all(name.startswith("tries-3-2-1-0-") for name in names)


# The page


SCRIPTS = ("pictures/plane.js", "pictures/sweep_view.js", "ngrams/view_tries.js")

_LOOK = """(root) => {
  const all = (name) => [...root.querySelectorAll(name)];
  const text = (name) => root.querySelector(name).textContent;
  const [dot, student] = all(".kdlab-student-dot"); // of the curve, of the plane
  const curve = root.querySelector(".kdlab-brought .kdlab-path-past").getAttribute("d");
  return {
    index: root.dataset.index, sentence: text(".kdlab-sentence"), numbers: text(".kdlab-numbers"),
    said: all("input[type=range]").map((slider) => slider.getAttribute("aria-valuetext")),
    names: all(".kdlab-try").map((one) => one.textContent).filter(Boolean),
    real: all(".kdlab-name-real").map((one) => one.textContent).filter(Boolean),
    again: all(".kdlab-try-again").map((one) => one.textContent).filter(Boolean),
    parts: all("[data-part]").map((bar) => Number(bar.dataset.part)),
    curve: curve.slice(1).split("L").map((at) => at.split(" ").map(Number)),
    dot: ["cx", "cy"].map((name) => Number(dot.getAttribute(name))), count: text(".kdlab-brought .kdlab-student-name"),
    peak: Number(root.querySelector(".kdlab-hand-best").getAttribute("transform").match(/[\\d.]+/)[0]),
    named: text(".kdlab-try-peak"),
    student: ["data-precision", "data-recall"].map((name) => Number(student.getAttribute(name))),
  };
}"""


def shortened(names: Any) -> list[str]:
    return [name if len(name) <= 12 else f"{name[:11]}…" for name in names]


def assert_shows(root: Locator, tries: TriesSweep, i: int, j: int) -> None:
    """All of it is the sweep's at these positions of tau and k; places by another route: 234 wide, 240 high."""
    settle(root.page)
    seen, sweep = root.evaluate(_LOOK), tries.asking(int(DRAWS[j]))
    here, distinct = sweep.at(float(TAUS[i])), sweep.distinct[:, j]
    assert seen["index"] == f"{i} {j}" and seen["sentence"] == here.sentence
    numbers = f"{several(here.distinct)} names   precision {here.precision:.2f}   recall {here.recall:.2f}"
    assert seen["numbers"] == numbers.replace("-", "−")
    told = seen["numbers"].replace("   ", ", ")
    assert seen["said"] == [f"tau {here.tau:.2f}, {told}", f"k {here.k:,}, {told}"]
    marks = payload(sweep)["kinds"][i][: here.k]
    assert seen["names"] == shortened(here.names[: here.k])
    for name, kind in (("real", NEW), ("again", AGAIN)):
        assert seen[name] == shortened(
            one for one, mark in zip(here.names[: here.k], marks, strict=True) if mark == kind
        )
    real = here.k * sweep.real[i]
    assert seen["parts"] == pytest.approx([here.distinct, real - here.distinct, here.k - real])
    across, up = 56 + 234 * np.log(TAUS / 0.1) / np.log(15), 296 - 240 * distinct / distinct.max()
    np.testing.assert_allclose(seen["curve"], np.column_stack([across, up]), atol=0.06)
    assert seen["dot"] == pytest.approx([across[i], up[i]], abs=0.06) and seen["count"] == several(here.distinct)
    assert seen["peak"] == pytest.approx(56 + 234 * np.log(here.best_tau / 0.1) / np.log(15), abs=0.06)
    edge = "" if sweep.inside[j] else ", at the edge"
    assert seen["named"] == f"{several(distinct.max())} at τ = {here.best_tau:.2f}{edge}"
    assert seen["student"] == [here.precision, here.recall]


def slider(page: Page, name: str) -> Locator:
    return page.get_by_role("slider", name=re.compile(f"^{name}, "))


@pytest.mark.browser
def test_real_keys_move_both_sliders_and_the_peak_follows_k(page: Page, tries: TriesSweep) -> None:
    open_view(page, show_tries(tries))
    root = page.locator(".kdlab-view")
    assert_shows(root, tries, ONE, TEN)
    slider(page, "k").focus()
    page.keyboard.press("Home")
    peaks = []
    for j in range(58):
        assert_shows(root, tries, ONE, j)
        peaks.append(root.evaluate(_LOOK)["peak"])
        page.keyboard.press("ArrowRight")
    assert_shows(root, tries, ONE, 57)
    assert (np.diff(peaks) >= 0).all() and peaks[0] == 56 and peaks[-1] > 250
    page.keyboard.press("Shift+Tab")
    expect(slider(page, "tau")).to_be_focused()
    page.keyboard.press("Home")
    for i in range(61):
        assert_shows(root, tries, i, 57)
        page.keyboard.press("ArrowRight")
    page.keyboard.press("PageDown")
    settle(page)
    assert int((root.get_attribute("data-index") or "").split()[0]) < 58
    assert get(page, "page_errors") == []


@pytest.mark.browser
def test_every_sentence_is_pythons(page: Page, tries: TriesSweep) -> None:
    """All 61 times 58, and the numbers in them."""
    open_view(page, show_tries(tries))
    said = page.evaluate("""() => {
      window.requestAnimationFrame = (draw) => { draw(); return 0; }; // drawn at once: no waiting for the screen
      const [tau, k] = document.querySelectorAll("input[type=range]"), said = [];
      for (let j = 0; j <= Number(k.max); j += 1) {
        for (let i = 0; i <= Number(tau.max); i += 1) {
          [tau.value, k.value] = [i, j];
          tau.dispatchEvent(new Event("input"));
          said.push(document.querySelector(".kdlab-sentence").textContent);
        }
      }
      return said;
    }""")
    assert said == [sentence for k in DRAWS for sentence in tries.asking(int(k)).sentences]


@pytest.mark.browser
def test_python_hears_of_both_when_a_slider_rests_and_moves_them(page: Page, tries: TriesSweep) -> None:
    open_view(page, show_tries(tries))
    slider(page, "k").focus()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    page.wait_for_function("model.saved > 0")
    assert (get(page, "tau"), get(page, "k"), page.evaluate("model.saved")) == (1, 20, 1)
    put(page, tau=0.7, k=3_000)
    assert_shows(page.locator(".kdlab-view"), tries, tries.index(0.7), MANY)
    reload(page)
    assert_shows(page.locator(".kdlab-view"), tries, tries.index(0.7), MANY)


@pytest.mark.browser
def test_the_question_is_answered_at_three_thousand(page: Page, tries: TriesSweep) -> None:
    open_view(page, show_tries(tries, predict={**predict("08.tries"), "id": ""}))
    for name, value in (("tau", "tau 1.00"), ("k", "k 10")):
        expect(slider(page, name)).to_be_disabled()
        expect(slider(page, name)).to_have_attribute("aria-valuetext", value)  # covered: no more than where it stands
    expect(page.locator(".kdlab-picture")).to_be_hidden()
    page.get_by_role("button", name="τ = 1: the teacher as it is").click()
    expect(slider(page, "k")).to_be_focused()
    outcome = page.locator(".kdlab-outcome")
    expect(outcome).to_have_text("You predicted: τ = 1: the teacher as it is. Now move k to 3,000 and see.")
    ahead = page.locator(".kdlab-path-all")
    expect(ahead).to_have_css("visibility", "hidden")
    for _ in range(4):
        page.keyboard.press("PageUp")  # six steps each: the way that the run sheets name
    settle(page)
    expect(outcome).to_contain_text("Now move k")
    page.keyboard.press("ArrowRight")
    expect(outcome).to_contain_text("What happens: τ about 0.7 brings the most, 98.8 different real names.")
    expect(ahead).to_have_css("visibility", "visible")
    assert_shows(page.locator(".kdlab-view"), tries, ONE, MANY)


_TROUBLES = """() => {
  const box = (one) => one.getBoundingClientRect();
  const common = (p, q) => Math.min(p.right, q.right) - Math.max(p.left, q.left) > 1
    && Math.min(p.bottom, q.bottom) - Math.max(p.top, q.top) > 4;
  return [...document.querySelectorAll(".kdlab-panels > svg")].flatMap((panel) => {
    const words = [...panel.querySelectorAll("text")].filter((one) => one.textContent);
    const texts = words.map((one) => [one.textContent, box(one)]);
    const edge = box(panel);
    const outside = (b) => b.left < edge.left - 2 || b.right > edge.right + 9 || b.bottom > edge.bottom + 1;
    const over = texts.flatMap(([a, p], n) => texts.slice(n + 1).filter(([, q]) => common(p, q)).map(([b]) => [a, b]));
    return [...texts.filter(([, b]) => outside(b)).map(([text]) => text), ...over];
  });
}"""


@pytest.mark.browser
@pytest.mark.parametrize("width", [1200, 760, 390])
def test_nothing_is_cut_off_or_jumps_at_any_width(page: Page, tries: TriesSweep, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 1900})
    open_view(page, show_tries(tries))
    size = size_of(page)
    for k in (1, 10, 100, 3_000, 60_000, 10**6):
        for tau in (0.1, 0.14, 0.3, 0.54, 0.7, 0.88, 1.0, 1.1, 1.5):
            put(page, tau=tau, k=k)
            assert page.evaluate(_TROUBLES) == [], (tau, k)
            assert size_of(page) == size
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    tops = [box_of(page, f".kdlab-{name}")["y"] for name in ("space", "brought", "plane")]
    assert len({round(top) for top in tops}) == {1200: 1, 760: 2, 390: 3}[width]


@pytest.mark.browser
def test_on_a_phone_both_sliders_stay_on_top(page: Page, tries: TriesSweep) -> None:
    page.set_viewport_size({"width": 390, "height": 760})
    open_view(page, show_tries(tries))
    page.evaluate("window.scrollTo(0, 600)")
    first, second = (slider(page, name).bounding_box() for name in ("tau", "k"))
    assert first and second and 0 < first["y"] < second["y"] - 40 < 80
    slider(page, "k").press("ArrowRight")
    settle(page)
    assert page.locator(".kdlab-view").get_attribute("data-index") == f"{ONE} {TEN + 1}"


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_and_every_text_is_legible(page: Page, tries: TriesSweep, scheme: Any) -> None:
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": 980, "height": 1300})
    open_view(page, show_tries(tries.asking(3_000)))
    root = page.locator(".kdlab-view")
    assert violations(root) == []
    for tau in (0.1, 0.7, 1.0):
        put(page, tau=tau)
        assert contrasts(root)[0].ratio >= 4.5, contrasts(root)[0]


@pytest.mark.browser
def test_a_sweep_that_cannot_be_drawn_is_refused_in_words(page: Page, tries: TriesSweep) -> None:
    broken = payload(tries)
    broken["distinct"] = broken["distinct"][:-1]
    open_view(page, show_tries(tries), sweep=broken)
    expect(page.locator(".kdlab-error")).to_contain_text(
        '60 entries in "distinct" for 61 positions of tau. Make it again'
    )
