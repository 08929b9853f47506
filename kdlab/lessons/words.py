"""The words of the exercises: a notebook's TOML file, read, checked, and joined with the code that goes with it.

In every text a line break is a space, and an empty line begins a paragraph. Only a task keeps its lines, for it is also
shown where nothing would wrap them.
"""

import re
import tomllib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from kdlab.lessons.kinds import Choice, Code, Exercise, Parts

_KEYS = ("title", "task", "hints", "right", "wrong")


def read(file: Path, code: Mapping[str, Parts]) -> tuple[Exercise, ...]:
    """Return the exercises whose words are in a file such as nb01.toml, in its order.

    An exercise asks for a function where ``code`` has parts under its id, and is a choice otherwise. Raises ValueError,
    with the file, the id and the rule, where words are missing or unknown, or do not fit the code.
    """
    book, python = file.stem.removeprefix("nb"), file.with_suffix(".py").name
    try:
        tables = tomllib.loads(file.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{file.name} is not TOML in UTF-8: {error}. Mend it there.") from None
    for name, table in tables.items():
        if not re.fullmatch(rf"{book}\.[1-9]\d*", name) or not isinstance(table, dict):
            raise ValueError(f'{file.name}: {name} is no exercise here: begin one with ["{book}.1"], in quotes.')
    _same(f"{file.name}: every exercise with code in {python} has its words here", tables.keys() & code, code)
    return tuple(_exercise(f"{file.name}, {name}", name, table, code.get(name)) for name, table in tables.items())


def _exercise(where: str, name: str, table: Mapping[str, Any], parts: Parts | None) -> Exercise:
    """What is said in the same way of both kinds, and then the kind; ``where`` is the file and the exercise."""
    what = "a choice, which has no code," if parts is None else "a function, which has code,"
    keys = (*_KEYS, "answer", "place") if parts is None else (*_KEYS, "advice", "tolerance")
    _same(f"{where}: {what} has the keys {', '.join(keys)}", table, keys)
    hints, wrong = table["hints"], table["wrong"]
    _hold(isinstance(hints, list), f"{where}, hints: write a list of texts", hints)
    _hold(isinstance(wrong, dict), f'{where}, wrong: write a table, ["{name}".wrong], of texts', wrong)
    both: dict[str, Any] = {
        "id": name,
        "title": _text(f"{where}, title", table["title"]),
        "task": _text(f"{where}, task", table["task"], line_break="\n"),
        "hints": tuple(_text(f"{where}, hints", hint) for hint in hints),
        "right": _text(f"{where}, right", table["right"]),
    }
    why = {answer: _text(f"{where}, wrong, {answer}", text) for answer, text in wrong.items()}
    return _choice(where, both, why, table) if parts is None else _code(where, both, why, table, parts)


def _choice(where: str, both: dict[str, Any], why: dict[str, str], table: Mapping[str, Any]) -> Choice:
    answer, place, most = _text(f"{where}, answer", table["answer"]), table["place"], len(why) + 1
    _hold(answer not in why, f"{where}, answer: it is not among the wrong ones", answer)
    rule = f"{where}, place: write the number of the answer among the options, 1 to {most}"
    _hold(isinstance(place, int) and 1 <= place <= most, rule, place)
    return Choice(**both, wrong=why, answer=answer, place=place)


def _code(where: str, both: dict[str, Any], why: dict[str, str], table: Mapping[str, Any], parts: Parts) -> Code:
    advice, tolerance = _text(f"{where}, advice", table["advice"]), table["tolerance"]
    above = isinstance(tolerance, int | float) and tolerance > 0
    _hold(above, f"{where}, tolerance: write a number above 0, such as 1e-6", tolerance)
    _same(f"{where}: every mistake in the code has its words under wrong, by its name", why, parts.mistakes)
    wrong = {parts.mistakes[mistake]: text for mistake, text in why.items()}
    return Code(**both, wrong=wrong, solution=parts.solution, cases=parts.cases, tolerance=tolerance, advice=advice)


def _text(where: str, value: Any, line_break: str = " ") -> str:
    """A text as it is shown."""
    _hold(isinstance(value, str) and value.strip(), f"{where}: write a text in quotes, and not an empty one", value)
    paragraphs = re.split(r"\n\s*\n", value.strip())
    return "\n\n".join(line_break.join(line.strip() for line in one.splitlines()) for one in paragraphs)


def _hold(holds: Any, rule: str, value: Any) -> None:
    if not holds:
        raise ValueError(f"{rule}. It is {value!r}.")


def _same(rule: str, found: Collection[str], wanted: Collection[str]) -> None:
    """Raise ValueError where a name is found and not wanted, or wanted and not found."""
    missing, unknown = [name for name in wanted if name not in found], [name for name in found if name not in wanted]
    said = [f"{what}: {', '.join(names)}." for what, names in (("Missing", missing), ("Unknown", unknown)) if names]
    if said:
        raise ValueError(f"{rule}. {' '.join(said)}")
