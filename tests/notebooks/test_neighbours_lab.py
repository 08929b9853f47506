"""A neighbour in JupyterLab: a guess, the knob by keys, and the exercise, as a reader does them."""

import shutil

import pytest
from playwright.sync_api import Browser, expect
from support.axe import serious
from support.lab import Lab
from support.pages import settle
from support.repository import NOTEBOOKS

from kdlab import exercise
from kdlab.neighbours import mixture_gradient

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def test_a_neighbour_in_jupyterlab(jupyter: Lab, browser: Browser) -> None:
    name = "mixture_gradient"
    wanted, lab = mixture_gradient.sweep(), jupyter.within(f"neighbour-{name}")
    shutil.copy(NOTEBOOKS / "neighbours" / f"{name}.ipynb", lab.folder)
    with lab.running(browser, f"{name}.ipynb") as notebook:
        page, root = notebook.page, notebook.view()
        expect(root.locator(".kdlab-cover")).to_be_visible()
        root.locator(".kdlab-cover button").first.click()
        expect(root.locator(".kdlab-cover")).to_be_hidden()
        root.locator(".kdlab-beta").focus()
        for key, index in (("Home", 0), ("ArrowRight", 1), ("End", len(wanted.dials) - 1)):
            page.keyboard.press(key)
            settle(page)
            expect(root.locator(".kdlab-sentence")).to_have_text(wanted.sentence(index))
        expect(root.locator(".kdlab-outcome")).to_contain_text("You predicted")
        expect(root.locator(".kdlab-error")).to_be_hidden()
        assert serious(root) == []
        radios, right = page.get_by_role("radio"), exercise(f"{name}.1").answer
        page.get_by_role("button", name="Check", exact=True).scroll_into_view_if_needed()
        for wrong in (True, False):
            options = exercise(f"{name}.1").options
            radios.nth(next(i for i, option in enumerate(options) if (option != right) == wrong)).check()
            page.get_by_role("button", name="Check", exact=True).click()
            expect(page.locator(f".kdlab-verdict-{'wrong' if wrong else 'right'}")).to_be_visible()
