"""Markdown and notebooks as HTML: links lead to pages, formulas are MathML, headings can be linked to."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from html import escape, unescape
from pathlib import Path
from typing import Any

import nbformat
from nbconvert import HTMLExporter
from nbconvert.exporters.templateexporter import TemplateExporter
from nbconvert.filters.highlight import Highlight2HTML
from nbconvert.filters.markdown_mistune import MarkdownWithMath

from kdlab.lm.pages import MathRenderer

__all__ = ["Book", "slug"]

TEMPLATES = Path(__file__).parent / "templates"
REMOTE = re.compile(r"[a-z]+:")


class Book:
    """What turns the repository's texts into the insides of pages.

    ``places`` says where a file of the repository is on the site: {"notebooks/SYMBOLS.md": "SYMBOLS.html"}.
    """

    def __init__(self, places: Mapping[str, str]) -> None:
        self._places = places
        self._file = ""
        self._cells = _Cells(template_name="cells", extra_template_basedirs=[str(TEMPLATES)])
        self._cells.register_filter("markdown2html", lambda source: self.prose(source, self._file))
        self._cells.register_filter("highlight_code", Highlight2HTML(pygments_lexer="python3"))

    def prose(self, markdown: str, file: str) -> str:
        """Return Markdown as HTML. ``file`` is where it stands in the repository: its links start there.

        Raises ValueError for a link to something that is not on the site.
        """
        return str(MarkdownWithMath(renderer=_Renderer(self._places, file)).render(markdown))

    def notebook(self, content: nbformat.NotebookNode, file: str, **said: Mapping[str, str]) -> str:
        """Return the cells of a notebook as HTML.

        ``live`` has, by cell id, what is said below a live view, ``reviews`` what a review of guesses may say, as JSON.
        """
        self._file = file
        body, _ = self._cells.from_notebook_node(content, resources={"live": {}, "reviews": {}, **said})
        return str(body)


def slug(heading: str, file: str) -> str:
    """Return the name of a heading in links: as GitHub has it, and in a notebook as JupyterLab has it.

    >>> slug("Three models, always", "SYMBOLS.md"), slug("Three models, always", "00.ipynb")
    ('three-models-always', 'Three-models,-always')
    """
    plain = unescape(re.sub(r"<[^>]+>", "", heading)).replace("\N{NO-BREAK SPACE}", " ").strip()
    if not file.endswith(".ipynb"):
        plain = re.sub(r"[^\w\- ]", "", plain.lower())
    return plain.replace(" ", "-")


class _Cells(HTMLExporter):
    """Notebooks by our own template, which leaves nothing to mend: HTMLExporter would read every page once more."""

    def from_notebook_node(self, nb: Any, resources: Any = None, **options: Any) -> Any:
        return TemplateExporter.from_notebook_node(self, nb, resources, **options)


class _Renderer(MathRenderer):
    """HTML of Markdown, for one text of the repository."""

    def __init__(self, places: Mapping[str, str], file: str) -> None:
        super().__init__()
        self._places = places
        self._file = file

    def text(self, text: str) -> str:
        """Plain words; "β = 1" is not broken over two lines."""
        return re.sub(r"(?<=\S) = (?=\S)", "\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}", str(super().text(text)))

    def heading(self, text: str, level: int, **attributes: Any) -> str:
        return f'<h{level} id="{escape(slug(text, self._file))}">{text}</h{level}>\n'

    def table(self, text: str) -> str:
        return f'<div class="scroll"><table>\n{text}</table></div>\n'

    def task_list_item(self, text: str, checked: bool = False) -> str:
        """A task that can be ticked off on the page; nothing keeps the tick."""
        box = f'<input type="checkbox"{" checked" if checked else ""}>'
        return f'<li class="task"><label>{box}<span>{text}</span></label></li>\n'

    def link(self, text: str, url: str, title: str | None = None) -> str:
        words = text if "<" in text else text.replace("_", "_<wbr>")  # a file's name may be broken in a narrow table
        return f'<a href="{escape(self._place(url))}">{words}</a>'

    def image(self, text: str, url: str, title: str | None = None) -> str:
        """A picture of the repository; of one that the network has, its words. What moves has a still beside it."""
        if REMOTE.match(url):
            return text
        place = self._place(url)
        img = f'<img src="{escape(place)}" alt="{escape(text)}">'
        still = self._places.get(str(Path(posixpath.normpath(self._from(url))).with_suffix(".png")), place)
        if still == place:
            return img
        quiet = f'<source media="(prefers-reduced-motion: reduce), print" srcset="{escape(still)}">'
        return f"<picture>{quiet}{img}</picture>"

    def _from(self, url: str) -> str:
        return posixpath.join(posixpath.dirname(self._file), url)

    def _place(self, url: str) -> str:
        """Where a link leads on the site."""
        if REMOTE.match(url) or url.startswith("#"):
            return url
        path, hash_, fragment = url.partition("#")
        target = posixpath.normpath(self._from(path))
        if target not in self._places:
            raise ValueError(f"{self._file} links to {url}, which is not on the site: name it in notebooks/publish.py.")
        return self._places[target] + hash_ + fragment
