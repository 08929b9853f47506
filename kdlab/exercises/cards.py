"""How an exercise looks: plain HTML that folds by itself, without scripts, in a light page and in a dark one.

The solution is never in view without a click: in HTML it is folded, and plain text leaves it out.
"""

from __future__ import annotations

import re
from html import escape
from typing import Any

from kdlab.exercises.frame import Choice, Code, Verdict

__all__ = ["STYLE", "folded", "page", "plain", "question", "verdict"]

# JupyterLab names its colours for the theme at hand; elsewhere the page's own text colour does.
STYLE = """<style>
.kdlab-card, .kdlab-verdict { max-width: 46em; font: 15px/1.5 var(--jp-ui-font-family, system-ui, sans-serif);
  color: var(--jp-content-font-color1, inherit); }
.kdlab-card { border-left: 3px solid var(--jp-border-color1, #bdbdbd); padding: 2px 0 2px 16px; margin: 8px 0; }
.kdlab-card p, .kdlab-card ol { margin: 0 0 8px; }
.kdlab-card .kdlab-name { font-size: 17px; font-weight: 600; }
.kdlab-card details { margin: 4px 0; }
.kdlab-card summary { cursor: pointer; color: var(--jp-content-link-color, #0072b2); width: fit-content; }
.kdlab-card details > :not(summary) { margin: 6px 0 10px 16px; }
.kdlab-card pre { padding: 8px 12px; overflow-x: auto; font-size: 13px; line-height: 1.45;
  background: var(--jp-layout-color2, rgba(128, 128, 128, 0.12)); color: inherit; }
.kdlab-card code, .kdlab-verdict code { background: none; color: inherit; padding: 0;
  font: 0.92em/1.45 var(--jp-code-font-family, monospace); }
.kdlab-verdict { border-left: 3px solid var(--kdlab-mark, #999999); padding: 2px 0 2px 16px; margin: 8px 0; }
.kdlab-verdict-right { --kdlab-mark: #009e73; }
.kdlab-verdict-wrong, .kdlab-verdict-other { --kdlab-mark: #e69f00; }
</style>"""


def page(exercise: Any) -> str:
    """The whole card: the task, the options if there are any, hints and solution folded."""
    options = ""
    if isinstance(exercise, Choice):
        options = "<ol>" + "".join(f"<li>{inline(option)}</li>" for option in exercise.options) + "</ol>"
    return f'{STYLE}<div class="kdlab-card">{question(exercise)}{options}{folded(exercise)}</div>'


def question(exercise: Any) -> str:
    """The name of the exercise and its task."""
    return f'<p class="kdlab-name">Exercise {exercise.id}. {inline(exercise.title)}</p>{_paragraphs(exercise.task)}'


def folded(exercise: Any) -> str:
    """Hints, one after another, and the solution: each a click away."""
    count = len(exercise.hints)
    names = ["Hint"] if count == 1 else [f"Hint {i + 1} of {count}" for i in range(count)]
    parts = [_details(name, _paragraphs(hint)) for name, hint in zip(names, exercise.hints, strict=True)]
    if isinstance(exercise, Code):
        solution = f"<pre><code>{escape(exercise.source)}</code></pre>{_paragraphs(exercise.right)}"
    else:
        solution = f"<p><b>{inline(exercise.answer)}.</b> {inline(exercise.right)}</p>"
    return "".join(parts) + _details("Solution", solution)


def verdict(said: Verdict) -> str:
    """A verdict as a short paragraph; its first word says what its colour says."""
    return f'{STYLE}<div class="kdlab-verdict kdlab-verdict-{said.kind}" role="status">{inline(said.text)}</div>'


def plain(exercise: Any) -> str:
    """The task in plain text. Hints and solution are left out: they are for a page that can fold them."""
    lines = [f"Exercise {exercise.id}. {exercise.title}", "", exercise.task]
    if isinstance(exercise, Choice):
        lines += ["", *(f"{i}. {option}" for i, option in enumerate(exercise.options, 1))]
        lines += ["", f'Answer with exercise("{exercise.id}").check(number).']
    lines += ["", "Hints and the solution are a click away where this notebook runs in JupyterLab."]
    return "\n".join(lines)


def inline(text: str) -> str:
    """Plain text as HTML, with `code` between backticks."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))


def _paragraphs(text: str) -> str:
    return "".join(f"<p>{inline(' '.join(part.split()))}</p>" for part in text.split("\n\n"))


def _details(name: str, content: str) -> str:
    return f"<details><summary>{name}</summary><div>{content}</div></details>"
