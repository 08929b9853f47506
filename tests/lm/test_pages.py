"""The pages of executed notebooks: whole with no network and no Python, and every picture said in words."""

import base64
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from PIL import Image
from playwright.sync_api import Browser
from support.chromium import chromium

from kdlab.lm.pages import page

VIEW = "application/vnd.jupyter.widget-view+json"
STATE = {"application/vnd.jupyter.widget-state+json": {"version_major": 2, "version_minor": 0, "state": {}}}
WORDS = 'At β < 1 it says "so".'
PROSE = r"""# Title

See [one](05_one.ipynb#Meet-p*), [another](SYMBOLS.md), [a paper](https://arxiv.org/abs/2505.13111), [below](#end).
![drawn](figures/live.png) and $\mathbb{1}_{x}$, but $\unheard{x}$; $$p(x) = \frac12$$

\begin{aligned} a &= b \\ c &= d \end{aligned}
"""


def png() -> str:
    Image.new("RGB", (8, 8)).save(file := io.BytesIO(), format="png")
    return base64.b64encode(file.getvalue()).decode() + "\n"


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """The page of a notebook with a view, an exercise, a picture of a reader's, and a cell that raised."""
    drawing = '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>'
    view: dict[str, Any] = {VIEW: {"model_id": "1"}, "image/png": png(), "text/plain": WORDS}
    shown = [
        [new_output("execute_result", view, metadata={"image/png": {"alt": WORDS}})],
        [new_output("execute_result", {VIEW: {"model_id": "2"}, "text/html": "<p>exercise 05.1", "text/plain": "x"})],
        [new_output("display_data", {"image/svg+xml": drawing, "text/plain": "<Figure>"})],
        [new_output("stream", name="stderr", text="written\n")],
        [new_output("error", ename="E", evalue="it failed", traceback=["\x1b[31mit failed\x1b[0m"])],
    ]
    cells = [new_markdown_cell(PROSE), *(new_code_cell("1", outputs=outputs) for outputs in shown)]
    file = tmp_path / "07_two.ipynb"
    nbformat.write(new_notebook(cells=cells, metadata={"widgets": STATE}), file)
    (tmp_path / "07_two.html").write_text(page(file, ["05_one.ipynb"]), "utf-8")
    return tmp_path / "07_two.html"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.mark.browser
def test_a_page_asks_nobody_and_shows_everything(made: Path, browser: Browser) -> None:
    with browser.new_context(offline=True) as context:
        opened = context.new_page()
        asked: list[str] = []
        opened.on("request", lambda request: asked.append(request.url))
        opened.goto(made.as_uri())
        pictures = opened.evaluate("Array.from(document.images, (one) => [one.alt, one.naturalWidth])")
        read = opened.inner_text("body")
        links = opened.evaluate("Array.from(document.links, (one) => one.getAttribute('href'))")
        rows = opened.locator("math mtr").count()
    assert [url for url in asked if not url.startswith(("data:", "file:"))] == []
    assert pictures == [[WORDS, 8], ["<Figure>", 9]]
    assert all(words in read for words in ("exercise 05.1", "written", "it failed", r"\unheard{x}", "𝟙", "another"))
    assert rows == 2 and "begin{aligned}" not in read and "drawn" in read
    assert [link for link in links if link not in ("#Title", "#end")] == [
        "05_one.html#Meet-p*",
        "https://arxiv.org/abs/2505.13111",
    ]


def test_a_page_has_no_scripts_and_its_title(made: Path) -> None:
    text = made.read_text("utf-8")
    assert "<script" not in text and "<title>07_two</title>" in text and 'src="http' not in text
