"""Run the committed notebooks again and write them back without anything that changes by chance.

    python notebooks/build.py                  every notebook beside this file, and in neighbours/
    python notebooks/build.py A.ipynb B.ipynb  only these

Two runs on one machine give the same bytes. Kept: source, execution counts, printed text, pictures. Left
behind: widget state and widget views (a live view carries a picture and its sentence as well), times, and
what names the machine. A notebook that fails, warns, or grows past 1 MB is an error, and stays as it was.
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import re
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

Json = dict[str, Any]

HERE = Path(__file__).resolve().parent
MAX_BYTES = 1_000_000
CELL_TIMEOUT = 300  # seconds
CELL_METADATA = ("tags", "jupyter")  # what a person set; the rest is times and the state of somebody's screen
METADATA = {
    "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
WIDGETS = "application/vnd.jupyter.widget-"
ADDRESS = re.compile(r" at 0x[0-9a-fA-F]{6,}")


class NotebookError(Exception):
    """A notebook that must not be committed as it is; says which, why, and what to do."""


def main(argv: Sequence[str] | None = None) -> int:
    """Build the notebooks named, or all of them; return 1 if any of them could not be built."""
    parser = argparse.ArgumentParser(description="Run the committed notebooks again and normalise them.")
    parser.add_argument("notebooks", nargs="*", type=Path, help="default: every notebook there is")
    paths = parser.parse_args(argv).notebooks or [
        *sorted(HERE.glob("*.ipynb")),
        *sorted(HERE.glob("neighbours/*.ipynb")),
    ]
    failed = 0
    for path in paths:
        try:
            changed = build(path)
        except NotebookError as error:
            failed += 1
            print(f"{path.name}: {error}", file=sys.stderr)
        else:
            size = path.stat().st_size / 1000
            print(f"{path.name}: {'written' if changed else 'unchanged'}, {size:.0f} kB")
    return 1 if failed else 0


def build(path: Path) -> bool:
    """Execute and normalise one notebook and write it whole or not at all; return whether it changed."""
    notebook = load(path)
    execute(notebook, path.parent)
    text = render(normalise(notebook))
    if text == path.read_text(encoding="utf-8"):
        return False
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_text(text, encoding="utf-8", newline="\n")
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    return True


def load(path: Path) -> nbformat.NotebookNode:
    """Read a notebook; a cell without an id gets one from its place, so that ids are never random."""
    content: Json = json.loads(path.read_text(encoding="utf-8"))
    if content.get("nbformat") != 4:
        raise NotebookError(f"nbformat is {content.get('nbformat')!r}, not 4: save it with JupyterLab")
    content["nbformat_minor"] = 5
    seen: set[str] = set()
    for position, cell in enumerate(content["cells"]):
        if cell.get("id", "") in seen | {""}:
            cell["id"] = f"cell-{position:02d}"
        seen.add(cell["id"])
    return nbformat.reads(json.dumps(content), as_version=4)


def execute(notebook: nbformat.NotebookNode, folder: Path) -> None:
    """Run every cell in a fresh kernel, in ``folder``; the outputs are put into ``notebook``.

    Answers that somebody keeps in that folder are not looked at: 07 would show them.
    """
    import matplotlib.font_manager  # noqa: F401 - makes the font cache, which a kernel would announce in the output

    client = NotebookClient(
        notebook,
        timeout=CELL_TIMEOUT,
        kernel_name="python3",
        resources={"metadata": {"path": str(folder)}},
        store_widget_state=False,
        record_timing=False,
    )
    try:
        with tempfile.TemporaryDirectory() as nobody:
            client.execute(env={**os.environ, "KDLAB_ANSWERS": nobody})
    except CellExecutionError as error:
        raise NotebookError(f"a cell raised; nothing was written. Mend it and run again:\n{error}") from error


def normalise(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Return the notebook without what changes by chance. Normalising twice changes nothing more."""
    notebook = copy.deepcopy(notebook)
    notebook.metadata = nbformat.from_dict(METADATA)
    for number, cell in enumerate(notebook.cells):
        for key in [key for key, value in cell.metadata.items() if key not in CELL_METADATA or not value]:
            del cell.metadata[key]
        if cell.cell_type == "code":
            outputs = [_normal_output(output, number) for output in _merged(cell.outputs)]
            cell.outputs = [output for output in outputs if output is not None]
    return notebook


def render(notebook: nbformat.NotebookNode) -> str:
    """Return the notebook's text; NotebookError where it is over the size that we are ready to commit."""
    text = nbformat.writes(notebook).rstrip("\n") + "\n"
    size = len(text.encode())
    if size >= MAX_BYTES:
        raise NotebookError(
            f"{size} bytes; a committed notebook stays under {MAX_BYTES}: show fewer or smaller pictures"
        )
    return text


def _merged(outputs: list[nbformat.NotebookNode]) -> list[nbformat.NotebookNode]:
    """Join printed text that follows printed text: how it was cut into messages is chance."""
    merged: list[nbformat.NotebookNode] = []
    for output in outputs:
        last = merged[-1] if merged else output
        both = last is not output and last.output_type == output.output_type == "stream"
        if both and last.name == output.name:
            last.text += output.text
        else:
            merged.append(output)
    return merged


def _normal_output(output: nbformat.NotebookNode, number: int) -> nbformat.NotebookNode | None:
    """Return one output without widget views and addresses, or None where nothing is left of it."""
    if output.output_type == "stream":
        if output.name == "stderr":
            raise NotebookError(f"cell {number} wrote to stderr; make it run without that:\n{output.text}")
        output.text = ADDRESS.sub("", output.text)
        return output
    if output.output_type == "error":
        raise NotebookError(f"cell {number} holds an error ({output.ename}); mend it and run again")
    for mime in [mime for mime in output.data if mime.startswith(WIDGETS)]:
        del output.data[mime]
        output.metadata.pop(mime, None)
    for mime in [mime for mime in output.data if mime.startswith("text/")]:
        output.data[mime] = ADDRESS.sub("", output.data[mime])
    return output if output.data else None


if __name__ == "__main__":
    sys.exit(main())
