"""Students that answer in JupyterLab: the weights come from the kernel, and none of them stays in the notebook."""

import pytest
from playwright.sync_api import Browser, expect
from support.lab import Lab, write_notebook

from kdlab.lm.talking import answers

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def test_students_answer_in_jupyterlab(jupyter: Lab, browser: Browser) -> None:
    lab = jupyter.within("talk")
    path = write_notebook(lab.folder / "talk.ipynb", "from kdlab import lm\nlm.talk()")
    with lab.running(browser, "talk.ipynb") as notebook:
        root = notebook.view()
        root.locator(".kdlab-talk-tools button").first.click()
        counts = answers()["beginnings"][0]["different"]
        for name in ("direct", "tau-0.6"):
            card = root.locator(f".kdlab-talk-card[data-model='{name}']")
            expect(card.locator(".kdlab-talk-count")).to_have_text(f"{counts[name]} different openings", timeout=60_000)
        text = root.locator(".kdlab-talk-text")
        text.fill("The world")
        text.press("Enter")
        expect(root.locator(".kdlab-sentence")).to_contain_text("After “The world”", timeout=30_000)
        expect(root.locator(".kdlab-error")).to_be_hidden()
        notebook.page.keyboard.press("Control+s")
        notebook.page.wait_for_timeout(1500)
    assert path.stat().st_size < 1_000_000
