"""Hands on a mixture's live picture in JupyterLab: its slider and its selects by real keys, every picture compared."""

from functools import lru_cache
from typing import Any

from playwright.sync_api import Locator, expect
from support.lab import Notebook
from support.shown import assert_shows

from kdlab import mixtures
from kdlab.mixtures.experiment import CHOICES
from kdlab.mixtures.view import payload

SELECTS = ("n_components", "covariance", "scene", "samples", "seed")
MAKING = 90_000  # ms: a sweep made in the background may take this long on a busy machine
LAST = 120


@lru_cache(maxsize=64)
def expected(scene: str, n_components: int, covariance: Any, samples: int | None, seed: int) -> dict[str, Any]:
    """What this process says the page must show: the same settings, computed here."""
    return payload(mixtures.teacher_entropy(scene, n_components, covariance, samples=samples, seed=seed))


def wanted(root: Locator) -> dict[str, Any]:
    """What the selects ask for, as Python reads it."""
    values: dict[str, Any] = {}
    for field in SELECTS:
        text = select_of(root, field).input_value()
        values[field] = text if field in ("scene", "covariance") else None if text == "null" else int(text)
    return values


def select_of(root: Locator, field: str) -> Locator:
    return root.locator(f"select.kdlab-{field.replace('_', '-')}")


def await_answer(root: Locator) -> dict[str, Any]:
    """Wait until the page shows the sweep that its selects ask for; return the payload it must be."""
    sent = expected(**wanted(root))
    expect(root).to_have_attribute("data-key", sent["key"], timeout=MAKING)
    expect(root).to_have_attribute("aria-busy", "false", timeout=MAKING)
    expect(root.locator(".kdlab-beta")).to_be_enabled()
    return sent


def step_through_every_position(notebook: Notebook, root: Locator, sent: dict[str, Any]) -> None:
    root.locator(".kdlab-beta").focus()
    notebook.page.keyboard.press("Home")
    pictures = set()
    for index in range(LAST + 1):
        seen = assert_shows(root, sent, index)
        pictures.add((tuple(seen["dot"]), seen["curve"], str(seen["ellipses"]), str(seen["taught"]), seen["sentence"]))
        notebook.page.keyboard.press("ArrowRight")
    assert len(pictures) == LAST + 1  # no two positions look the same
    assert_shows(root, sent, LAST)  # the last press had nowhere to go


def leap_through(notebook: Notebook, root: Locator, sent: dict[str, Any]) -> None:
    """From end to end in a few keys."""
    root.locator(".kdlab-beta").focus()
    indices = []
    for key in ("Home", "PageUp", "PageUp", "ArrowRight", "End", "PageDown", "ArrowLeft"):
        notebook.page.keyboard.press(key)
        indices.append(int(root.locator(".kdlab-beta").input_value()))
        assert_shows(root, sent, indices[-1])
    step = indices[1]
    assert step > 1
    assert indices == [0, step, 2 * step, 2 * step + 1, LAST, LAST - step, LAST - step - 1]


def walk_select(notebook: Notebook, root: Locator, field: str) -> int:
    """Choose every value of one select by keys, check what is shown, and go back; return how many there were.

    At the first and the last value the slider moves too.
    """
    select = select_of(root, field)
    options = select.locator("option").count()
    before = select.evaluate("select => select.selectedIndex")
    for index in range(options):
        select.focus()
        notebook.page.keyboard.press("ArrowDown" if index else "Home")
        assert select.evaluate("select => select.selectedIndex") == index
        answer = await_answer(root)
        if index in (0, options - 1):
            leap_through(notebook, root, answer)
        assert_shows(root, answer, int(root.locator(".kdlab-beta").input_value()))
    choose(notebook, select, before)
    await_answer(root)
    return options


def choose(notebook: Notebook, select: Locator, index: int) -> None:
    select.focus()
    notebook.page.keyboard.press("Home")
    for _ in range(index):
        notebook.page.keyboard.press("ArrowDown")
    assert select.evaluate("select => select.selectedIndex") == index


def walk_all_selects(notebook: Notebook, root: Locator) -> None:
    """Every select across its range; one that could change nothing must be disabled."""
    expect(select_of(root, "seed")).to_be_disabled()
    fields = ("n_components", "scene", "samples", "covariance")
    walked = {field: walk_select(notebook, root, field) for field in fields}
    choose(notebook, select_of(root, "samples"), 1)
    expect(select_of(root, "seed")).to_be_enabled()
    walked["seed"] = walk_select(notebook, root, "seed")
    choices = {field: len(CHOICES[field]) for field in walked}
    assert walked == choices


def reset_by_key(notebook: Notebook, root: Locator, opening: dict[str, Any]) -> None:
    root.locator(".kdlab-reset").focus()
    notebook.page.keyboard.press("Enter")
    assert await_answer(root) == opening
    assert_shows(root, opening, 0)
