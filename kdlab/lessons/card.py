"""How an exercise looks: plain HTML that folds by itself, without scripts, in a light page and in a dark one.

The solution is never in view without a click: in HTML it is folded, and plain text leaves it out. A card asks for
attributes and not for types: with ``options`` an exercise is a choice, with a ``source`` its solution is a function.
"""

import re
from html import escape
from typing import Any

from kdlab.core.files import PACKAGE

STYLE_SHEET = PACKAGE / "lessons/card.css"
STYLE = f"<style>\n{STYLE_SHEET.read_text('utf-8')}</style>"


def page(exercise: Any) -> str:
    """The whole card: the task, the options if there are any, hints and solution folded."""
    listed = "".join(f"<li>{inline(option)}</li>" for option in exercise.options)
    options = f"<ol>{listed}</ol>" if listed else ""
    return f'{STYLE}<div class="kdlab-card">{question(exercise)}{options}{folded(exercise)}</div>'


def question(exercise: Any) -> str:
    """The name of the exercise and its task."""
    return f'<p class="kdlab-name">Exercise {exercise.id}. {inline(exercise.title)}</p>{_paragraphs(exercise.task)}'


def folded(exercise: Any) -> str:
    """Hints, one after another, and the solution: each a click away."""
    count = len(exercise.hints)
    names = ["Hint"] if count == 1 else [f"Hint {i + 1} of {count}" for i in range(count)]
    parts = [_details(name, _paragraphs(hint)) for name, hint in zip(names, exercise.hints, strict=True)]
    if exercise.source:
        solution = f"<pre><code>{escape(exercise.source)}</code></pre>{_paragraphs(exercise.right)}"
    else:
        solution = f"<p><b>{inline(exercise.answer)}.</b> {inline(exercise.right)}</p>"
    return "".join(parts) + _details("Solution", solution)


def verdict(said: Any) -> str:
    """A verdict, with its ``kind`` and ``text``, as a short paragraph; its first word says what its colour says."""
    return f"{STYLE}{bare_verdict(said)}"


def bare_verdict(said: Any) -> str:
    """The same paragraph for a page that has the style sheet already."""
    return f'<div class="kdlab-verdict kdlab-verdict-{said.kind}">{inline(said.text)}</div>'


def unjudged(error: Exception) -> str:
    """What stands in the place of a verdict where judging broke."""
    said = f"Your answer was not judged ({type(error).__name__}: {error}): run this cell again and check it once more."
    return f'<div class="kdlab-verdict kdlab-verdict-unfinished">{inline(said)}</div>'


def plain(exercise: Any) -> str:
    """The task in plain text. Hints and solution are left out: they are for a page that can fold them."""
    lines = [f"Exercise {exercise.id}. {exercise.title}", "", exercise.task]
    if exercise.options:
        lines += ["", *(f"{i}. {option}" for i, option in enumerate(exercise.options, 1))]
        lines += ["", f'Answer with exercise("{exercise.id}").check(number).']
    lines += ["", "Hints and the solution are a click away where this notebook runs in JupyterLab."]
    return "\n".join(lines)


def inline(text: str) -> str:
    """Plain text as HTML, with `code` between backticks; "β = 1" is not broken over two lines."""
    unbroken = re.sub(r"(?<=\S) = (?=\S)", "\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}", escape(text, quote=False))
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", unbroken)


def _paragraphs(text: str) -> str:
    return "".join(f"<p>{inline(' '.join(part.split()))}</p>" for part in text.split("\n\n"))


def _details(name: str, content: str) -> str:
    return f"<details><summary>{name}</summary><div>{content}</div></details>"
