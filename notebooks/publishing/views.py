"""The live views of a notebook, as a page without Python can have them: their state, and answers made ahead.

Nothing is run but the statements that a view's cell depends on, so a page is made in a second or two.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import chdir, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from itertools import product
from pathlib import Path
from typing import Any

import nbformat

from kdlab.lessons import card as cards
from kdlab.lessons.review import Row
from kdlab.lm.view_talk import TalkView
from kdlab.pictures.sweep_view import SweepView

__all__ = ["Live", "live_of", "live_views", "reviews", "script"]

Json = dict[str, Any]

REVIEWS = re.compile(r"\breview\(")  # the call that gives the reader's guesses beside what happened
SHOWS = re.compile(r"\b(?:show|by_hand|draw|show_pairs|show_tries|quiz|talk)\(")  # the calls that give a live view
ASKED = {  # what a notebook asks its reader to choose, though having it takes a second: {view: settings}
    "NGramView": (
        {"orders": "3, 2, 1", "seed": 1},
        {"orders": "3, 2, 1", "seed": 2},
        {"orders": "3, 2, 2", "seed": 0},
    )
}
NOT_SENT = ("layout", "tabbable", "tooltip")


@dataclass(frozen=True)
class Live:
    """One live view: the front-end module that draws it, the traits it begins with, and what answers it.

    ``answers`` has, for settings written as `name_of` writes them, the key of a sweep made ahead.
    ``less`` says whether its menus offer less than they would beside Python. ``parts`` are what it asks for
    by messages.
    """

    cell: str
    module: str
    source: str
    style: str
    state: Json
    answers: Mapping[str, str]
    less: bool
    parts: Mapping[str, bytes]


def live_views(notebook: nbformat.NotebookNode, folder: Path, made: dict[str, Json]) -> list[Live]:
    """Return the live views of a notebook, in order.

    Its cells see ``folder`` as theirs. ``made`` keeps the sweeps that several views share; it is added to.
    """
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    found = []
    for place, cell in enumerate(cells):
        pictured = any("image/png" in output.get("data", {}) for output in cell.outputs)
        if pictured and SHOWS.search(cell.source):
            with chdir(folder):
                found.append(live_of(cell.id, _shown([one.source for one in cells[: place + 1]]), made))
    return found


def reviews(notebook: nbformat.NotebookNode, folder: Path) -> dict[str, list[Json]]:
    """Return, by cell, what a review of guesses says of every guess that could be made; the page knows which were.

    One entry for each question: its id, and for each option the cells of its row and whether it came true.
    """
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    found = {}
    for place, cell in enumerate(cells):
        if REVIEWS.search(cell.source):
            with chdir(folder):
                shown = _shown([one.source for one in cells[: place + 1]])
            found[cell.id] = [_reviewed(row) for row in shown.rows]
    return found


def _reviewed(row: Row) -> Json:
    guesses = [Row(row.question, option) for option in row.question.options]
    said = {one.guess: [cards.inline(one.guessed), cards.inline(one.happened), one.came_true] for one in guesses}
    return {"id": row.question.id, "said": said}


def script(source: str, name: str) -> str:
    """Return an ES module as a plain script that hands its default export to the page: a file may open it, too.

    Raises ValueError for a module without one default export, or with imports.
    """
    if len(re.findall(r"^export default ", source, flags=re.M)) != 1 or re.search(r"^import ", source, flags=re.M):
        raise ValueError(f"{name} cannot become a script: write it as a module of one default export and no imports.")
    body = re.sub(r"^export default ", "return ", source, flags=re.M)
    return f"kdlab.modules.{name} = (() => {{\n{body}\n}})();\n"


# What a cell shows


def _shown(sources: Sequence[str]) -> Any:
    """Run what the last cell's value depends on, and return that value: a view."""
    statements = [part for source in sources for statement in ast.parse(source).body for part in _parts(statement)]
    *before, last = statements
    if not isinstance(last, ast.Expr):
        raise ValueError(f"The cell ends in {ast.unparse(last)!r}: make a view its last line.")
    names: Json = {}
    needed = ast.fix_missing_locations(ast.Module(body=_needed(before, last), type_ignores=[]))
    with redirect_stdout(StringIO()):  # what a page shows as printed is what was committed
        exec(compile(needed, "<notebook>", "exec"), names)
        return eval(compile(ast.Expression(last.value), "<notebook>", "eval"), names)


def _parts(statement: ast.stmt) -> list[ast.stmt]:
    """An import of several names as several imports: none is needed for another's sake, and some load slowly."""
    if isinstance(statement, ast.ImportFrom):
        return [ast.ImportFrom(statement.module, [name], statement.level) for name in statement.names]
    return [statement]


def _needed(statements: Sequence[ast.stmt], last: ast.stmt) -> list[ast.stmt]:
    """The statements that bind a name which the last one uses, directly or through others, in order."""
    wanted, kept = set(_used(last)), []
    for statement in reversed(statements):
        if wanted & set(_bound(statement)):
            kept.append(statement)
            wanted |= set(_used(statement))
    return kept[::-1]


def _used(statement: ast.stmt) -> Iterator[str]:
    for node in ast.walk(statement):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            yield node.id


def _bound(statement: ast.stmt) -> Iterator[str]:
    for node in ast.walk(statement):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.Import | ast.ImportFrom):
            yield from ((alias.asname or alias.name).split(".")[0] for alias in node.names)
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name


# What a page without Python is given


def live_of(cell: str, view: Any, made: dict[str, Json]) -> Live:
    """A view as a page without Python has it; ``made`` keeps the sweeps that several views share, and is added to."""
    state = {name: value for name, value in view.get_state().items() if name[0] != "_" and name not in NOT_SENT}
    if state.get("prediction"):
        state["prediction"] = {**state["prediction"], "guess": None}  # one kept on this machine is nobody else's
    answers, less = {}, False
    if isinstance(view, SweepView) and view.choices:
        offered = state["choices"]
        answers = _answers(view, offered, made)
        state["choices"] = _answered(offered, answers)
        less = state["choices"] != offered
    style = str(view.get_state()["_css"])
    parts = {name: view.part(name) for name in view.parts} if isinstance(view, TalkView) else {}
    return Live(cell, type(view).__name__, str(view.get_state()["_esm"]), style, state, answers, less, parts)


def name_of(settings: Mapping[str, Any], fields: Sequence[str]) -> str:
    """The name of settings, the same as the page's: assets/site.js, nameOf."""
    return json.dumps([settings[field] for field in fields], ensure_ascii=False, separators=(",", ":"))


def _answers(view: SweepView, choices: Json, made: dict[str, Json]) -> dict[str, str]:
    """The sweeps that take no time, and those that a notebook asks for, by the settings that give them."""
    kind, answers = type(view).__name__, {}
    for values in product(*([choice["value"] for choice in offered] for offered in choices.values())):
        settings = dict(zip(choices, values, strict=True))
        name = name_of(settings, list(choices))
        key = view.key_at_once(settings) or (name if settings in ASKED.get(kind, ()) else None)
        if key is not None:
            answers[name] = f"{kind} {key}"
            if answers[name] not in made:
                made[answers[name]] = view.sent(settings)
    return answers


def _answered(choices: Json, answers: Mapping[str, str]) -> Json:
    """The choices that lead anywhere without Python."""
    asked = [json.loads(name) for name in answers]
    return {
        field: [choice for choice in offered if any(values[place] == choice["value"] for values in asked)]
        for place, (field, offered) in enumerate(choices.items())
    }
