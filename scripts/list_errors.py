"""List every error that a person can meet: where it is raised, its type, and its text with the fields in it.

A name in a field stands for the texts that the same file gives it, if any. Read the list as an editor: each text
repeats the value, names the rule and says what to do. Run::

    python scripts/list_errors.py
"""

from __future__ import annotations

import ast
import builtins
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent
BUILT_IN = {name for name, one in vars(builtins).items() if isinstance(one, type) and issubclass(one, BaseException)}
Given = Mapping[str, list[ast.expr]]


class Message(NamedTuple):
    """One message: its file and line, the type of what is raised, and its text, {fields} and all."""

    where: str
    kind: str
    text: str


def messages() -> Iterator[Message]:
    """Yield the messages of the package and of the scripts beside the notebooks, file by file."""
    for path in sorted([*(ROOT / "kdlab").rglob("*.py"), *(ROOT / "notebooks").rglob("*.py")]):
        yield from found(str(path.relative_to(ROOT)), ast.parse(path.read_text(encoding="utf-8")))


def found(file: str, tree: ast.Module) -> Iterator[Message]:
    """Yield what is raised with a text, what is made of a built-in exception to be raised elsewhere, and warnings."""
    nodes = sorted((node for node in ast.walk(tree) if isinstance(node, ast.expr | ast.stmt)), key=lambda x: x.lineno)
    raised = [node.exc for node in nodes if isinstance(node, ast.Raise)]
    given: Given = defaultdict(list)
    for node in nodes:
        if isinstance(node, ast.Assign):
            given[ast.unparse(node.targets[0])].append(node.value)
        elif isinstance(node, ast.FunctionDef):
            given[node.name] += [one.value for one in ast.walk(node) if isinstance(one, ast.Return) and one.value]
    for node in nodes:
        if isinstance(node, ast.Call) and node.args:
            kind = ast.unparse(node.func).split(".")[-1]
            if kind in BUILT_IN or kind == "warn" or (node in raised and kind.lstrip("_")[:1].isupper()):
                text = node.args[1] if kind == "OSError" and len(node.args) > 1 else node.args[0]
                yield Message(f"{file}:{node.lineno}", kind, said(text, given))


def said(node: ast.expr, given: Given) -> str:
    """What an expression says, as far as it is written down."""
    match node:
        case ast.Constant(value=str(words)):
            return words
        case ast.JoinedStr(values=parts):
            return "".join(said(part, given) for part in parts)
        case ast.FormattedValue(value=inner):
            return said(inner, given)
        case ast.BinOp(left=ast.Constant(value=str()) | ast.JoinedStr() as one, right=other):
            return said(one, given) + said(other, given)
        case ast.IfExp(body=one, orelse=other):
            return f"[{said(one, given)} | {said(other, given)}]"
        case ast.Name(id=name) | ast.Call(func=ast.Name(id=name)) if texts := [
            one for one in given.get(name, []) if isinstance(one, ast.Constant | ast.JoinedStr | ast.IfExp)
        ]:
            return " | ".join(said(one, {**given, name: []}) for one in texts)
    return f"{{{ast.unparse(node)}}}"


def main() -> None:
    """Print the list."""
    for where, kind, text in messages():
        print(f"{where}: {kind}: {text}")


if __name__ == "__main__":
    main()
