"""Notebook your_own_world in JupyterLab: a world is drawn by keys, the page computes it, and Python hears of it."""

import shutil

import pytest
from playwright.sync_api import Browser, expect
from support.lab import Lab
from support.repository import NOTEBOOKS

pytestmark = [pytest.mark.browser, pytest.mark.slow]

EXACT = "JSON.parse(document.querySelector('.kdlab-own').dataset.world ?? '{}').exact"


def test_a_world_is_drawn_in_jupyterlab(jupyter: Lab, browser: Browser) -> None:
    lab = jupyter.within("own")
    shutil.copy(NOTEBOOKS / "your_own_world.ipynb", lab.folder)
    with lab.running(browser, "your_own_world.ipynb") as notebook:
        page, root = notebook.page, notebook.page.locator(".kdlab-own").first
        root.wait_for()
        page.wait_for_function(EXACT, timeout=60_000)
        before = root.locator(".kdlab-sentence").inner_text()
        root.locator(".kdlab-own-handle").first.focus()
        for key in ("ArrowRight", "n", "Shift+ArrowLeft", "+"):
            page.keyboard.press(key)
        expect(root.locator(".kdlab-sentence")).to_contain_text("of its 5 components", timeout=60_000)
        page.wait_for_function(EXACT, timeout=60_000)
        assert root.locator(".kdlab-sentence").inner_text() != before
        expect(root.locator(".kdlab-error")).to_be_hidden()
