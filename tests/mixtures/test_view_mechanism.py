"""The live matrices: what Python sends, and notebook 03 in JupyterLab with every control moved by real keys."""

import base64
import json
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Locator, Page, expect
from support.axe import serious
from support.pages import get, open_view

from kdlab import mixtures
from kdlab.mixtures.mechanism import Pairs, pairs_along
from kdlab.mixtures.view_mechanism import show_pairs

MATRICES = (("joint_weights", 2), ("cross_entropies", 1), ("shares", 2))
LAST = 120

SCRIPTS = ("pictures/sweep_view.js", "mixtures/view_mechanism.js")


@pytest.fixture(scope="module")
def pairs() -> Pairs:
    return pairs_along(mixtures.teacher_entropy("ring", 2))


def test_what_is_sent_is_plain_and_right(pairs: Pairs) -> None:
    view = show_pairs(pairs)
    sent = json.loads(json.dumps(view.sweep))
    for name, _ in MATRICES:
        np.testing.assert_allclose(sent[name], getattr(pairs, name), atol=1e-6)
    assert sent["sentence"] == list(pairs.sentences)
    assert len(json.dumps(sent)) < 150_000
    (x0, x1), (y0, y1) = sent["space"]["x"], sent["space"]["y"]
    assert x1 - x0 == pytest.approx(y1 - y0)
    means = np.array(sent["teacher"]["means"])
    assert ((means > [x0, y0]) & (means < [x1, y1])).all()


def test_without_a_page_there_is_a_picture_and_its_sentence(pairs: Pairs) -> None:
    view = show_pairs(pairs)
    view.beta = 5.0
    data, metadata = view._repr_mimebundle_()
    assert base64.b64decode(data["image/png"]).startswith(b"\x89PNG")
    assert data["text/plain"] == metadata["image/png"]["alt"] == pairs.sentence(pairs.index(5.0))
    assert view.position.jensen == pairs.jensen[pairs.index(5.0)]
    assert len(view.filmstrip().axes) == 12  # a map and three matrices for each of three betas
    assert view.errors == []


def test_bad_input_is_refused(pairs: Pairs) -> None:
    with pytest.raises(TypeError, match=r"MixtureSweep is not a Pairs: pass what .*pairs_along"):
        show_pairs(pairs.sweep)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="'line' lives on a line"):
        show_pairs(pairs_along(mixtures.teacher_entropy("line", 2)))
    with pytest.raises(ValueError, match="beta is 0.5: the slider goes from 1 to 100"):
        show_pairs(pairs).beta = 0.5


# In JupyterLab


def assert_at(root: Locator, sent: dict[str, Any], index: int) -> None:
    """Slider, sentence, sums, all numbers and the lit cells are those of the position."""
    expect(root).to_have_attribute("data-index", str(index))
    assert root.locator(".kdlab-sentence").inner_text() == sent["sentence"][index]
    said = " ".join(root.locator(".kdlab-numbers").inner_text().split())
    numbers = (
        f"{word} {sent[name][index]:.2f}"
        for word, name in (("Jensen", "jensen"), ("variational", "variational"), ("exact", "exact"))
    )
    assert said == " ".join(numbers)
    shown = root.locator(".kdlab-pair-number").all_text_contents()
    expected = [f"{value:.{decimals}f}" for name, decimals in MATRICES for row in sent[name][index] for value in row]
    assert [text.replace("−", "-") for text in shown] == [text.replace("-0.00", "0.00") for text in expected]
    light = root.locator(".kdlab-pair-light").evaluate_all("all => all.map((one) => +one.getAttribute('fill-opacity'))")
    lit = [value for name in ("joint_weights", "shares") for row in sent[name][index] for value in row]
    assert light == pytest.approx(lit, abs=6e-4)


BOXES = """all => all.map((one) => {
  const { left, top, right, bottom } = one.getBoundingClientRect();
  return [left, top, right, bottom];
})"""


def assert_names_are_beside(space: Locator) -> None:
    """Each number of the teacher stands outside the box of its ellipse, and within the map."""
    ((left, top, right, bottom),) = space.evaluate_all(BOXES)
    names, ellipses = (space.locator(kind).evaluate_all(BOXES) for kind in (".kdlab-pair-teacher", ".kdlab-teacher"))
    assert len(names) == 4
    for name, ellipse in zip(names, ellipses, strict=True):
        assert left <= name[0] and top <= name[1] and name[2] <= right and name[3] <= bottom
        assert name[2] < ellipse[0] or name[0] > ellipse[2] or name[3] < ellipse[1] or name[1] > ellipse[3]


@pytest.mark.browser
@pytest.mark.slow
def test_notebook_03(run_notebook: Any, pairs: Pairs) -> None:
    """Runs through; the gated view waits for a guess and moves; the matrices follow their slider at every position."""
    notebook = run_notebook("03")
    gated = notebook.view(0)
    expect(gated.locator(".kdlab-cover button")).to_have_count(3)
    gated.locator(".kdlab-cover button").nth(1).click()
    predicted = "You predicted: It falls first, then rises a little."
    expect(gated.locator(".kdlab-outcome")).to_have_text(f"{predicted} Now move the slider to its right end and see.")
    gated.locator(".kdlab-beta").focus()
    notebook.page.keyboard.press("End")
    expect(gated.locator(".kdlab-outcome")).to_contain_text(
        f"{predicted} What happens: it falls first, then rises a little."
    )
    expect(gated).to_have_attribute("data-index", str(LAST))
    root, sent = notebook.view(1), show_pairs(pairs).sweep
    step_through(notebook.page, root, sent, every=10)  # the test of the page reads what each position shows
    assert_names_are_beside(root.locator(".kdlab-pair-panels > svg").first)
    assert serious(gated) == [] == serious(root)
    assert notebook.json("[four_view.errors, pairs_view.errors]") == [[], []]
    assert notebook.soon("round(pairs_view.beta, 6)", 100.0) == 100.0  # Python hears of it when the hand rests


def step_through(page: Page, root: Locator, sent: dict[str, Any], every: int = 1) -> None:
    root.locator(".kdlab-beta").focus()
    page.keyboard.press("Home")
    for index in range(LAST + 1):
        if index % every == 0:
            assert_at(root, sent, index)
        page.keyboard.press("ArrowRight")
    assert_at(root, sent, LAST)


@pytest.mark.browser
def test_real_keys_walk_every_position(page: Page, pairs: Pairs) -> None:
    sent = open_view(page, show_pairs(pairs))["sweep"]
    step_through(page, page.locator(".kdlab-view"), sent)


@pytest.mark.browser
def test_numbers_that_cannot_be_drawn_are_said_and_kept(page: Page, pairs: Pairs) -> None:
    view = show_pairs(pairs)
    open_view(page, view, sweep={**view.sweep, "shares": view.sweep["shares"][:-1]})
    expect(page.locator(".kdlab-error")).to_contain_text('120 entries in "shares" for 121 positions of beta')
    expect(page.locator(".kdlab-beta")).to_be_disabled()
    assert "shares" in get(page, "page_errors")[0]
