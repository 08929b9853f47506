"""The page of an executed notebook: whole without a network, its pictures with their words, its formulas as MathML.

A live picture is shown by its PNG, an exercise by its words: the page has no Python behind it, and nothing is fetched.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from html import escape
from pathlib import Path
from typing import Any

import nbformat
from nbconvert import HTMLExporter
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath

__all__ = ["MathRenderer", "page"]

_TEMPLATE = Path(__file__).with_name("page.html.j2")
_WIDGETS = "application/vnd.jupyter.widget-"
_REMOTE = re.compile("[a-z]+:|#")


def page(notebook: Path, beside: Collection[str] = ()) -> str:
    """Return the page of a notebook; ``beside`` names the notebooks whose pages will lie beside it, for links."""
    content = nbformat.read(notebook, as_version=4)  # type: ignore[no-untyped-call]
    content.metadata.pop("widgets", None)
    for output in (output for cell in content.cells for output in cell.get("outputs", ())):
        for mime in [mime for mime in output.get("data", ()) if mime.startswith(_WIDGETS)]:
            del output["data"][mime]
    exporter: Any = HTMLExporter(raw_template=_TEMPLATE.read_text("utf-8"))  # type: ignore[no-untyped-call]
    exporter.register_filter("markdown2html", lambda text: MarkdownWithMath(renderer=_Renderer(beside)).render(text))
    made, _ = exporter.from_notebook_node(content, {"metadata": {"name": notebook.stem}})
    return str(made)


class MathRenderer(IPythonRenderer):
    """HTML of Markdown whose formulas are MathML. Raises ValueError for one that is not understood whole."""

    def __init__(self) -> None:
        super().__init__(escape=False)

    def formula(self, tex: str, *, block: bool) -> str:
        """Return a formula as HTML."""
        from kdlab.core.formulas import mathml  # here: a run leaves its pages where there is no latex2mathml too

        made = mathml(tex, block=block)
        return f'<span class="formula">{made}</span>' if block else made

    def block_math(self, body: str) -> str:
        """A formula on a line of its own."""
        return self.formula(body, block=True)

    def inline_math(self, body: str) -> str:
        """A formula among words."""
        return self.formula(body, block=False)

    def latex_environment(self, name: str, body: str) -> str:
        """A formula without dollars."""
        return self.formula(rf"\begin{{{name}}}{body}\end{{{name}}}", block=True)


class _Renderer(MathRenderer):
    """For a page that must be there, whatever a notebook says: a link to nothing is its words, no formula its TeX."""

    def __init__(self, beside: Collection[str]) -> None:
        super().__init__()
        self._beside = beside

    def formula(self, tex: str, *, block: bool) -> str:
        try:
            return super().formula(tex, block=block)
        except (ImportError, ValueError):
            return f"<pre>{escape(tex)}</pre>" if block else f"<code>{escape(tex)}</code>"

    def link(self, text: str, url: str, title: str | None = None) -> str:
        file, hash_, fragment = url.partition("#")
        if file in self._beside:
            url = Path(file).with_suffix(".html").name + hash_ + fragment
        elif not _REMOTE.match(url):
            return text
        return f'<a href="{escape(url)}">{text}</a>'

    def image(self, text: str, url: str, title: str | None = None) -> str:
        return str(super().image(text, url, title)) if url.startswith(("data:", "attachment:")) else text
