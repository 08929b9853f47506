"""The committed notebooks as files: executed, honest about their outputs, small, and the same when run again."""

import base64
import shutil
from pathlib import Path
from typing import Any

import build
import nbformat
import papermill
import pytest
from support.lab import write_notebook
from support.repository import BOOKS, NEIGHBOURS, cells, every_notebook

from kdlab.core import answers
from kdlab.lessons import card

CHECKED = "# NBVAL_CHECK_OUTPUT"
PNG = b"\x89PNG\r\n"
CELL_TIMEOUT = 240
LONG = ("online_teacher", "self_features", "mixup", "score_distillation", "target_domain")
SHORTER = [path for path in BOOKS if path.stem[:2] not in ("02", "03", "06", "me")]
SHORTER += [path for path in NEIGHBOURS if path.stem not in LONG]


def checked_cells(path: Path) -> list[Any]:
    return [cell for cell in cells(path, "code") if CHECKED in cell.source]


def printed(cell: Any) -> str:
    """All text that a cell shows, printed or as its value."""
    streams = [output.text for output in cell.outputs if output.output_type == "stream"]
    values = [output.data.get("text/plain", "") for output in cell.outputs if "data" in output]
    return "".join(streams + values).strip()


def assert_executed(path: Path) -> None:
    """nbval compares no cell whose execution_count is null: without this a stripped notebook would pass."""
    checked = checked_cells(path)
    assert len(checked) >= 3, f"{path.name} has {len(checked)} checked cells"
    for cell in checked:
        assert cell.execution_count is not None, f"not executed: {cell.source}"
        assert printed(cell), f"nothing to compare: {cell.source}"
        assert all(output.output_type != "stream" or output.name == "stdout" for output in cell.outputs)


@every_notebook
def test_checked_cells_are_executed_and_say_something(path: Path) -> None:
    assert_executed(path)


@every_notebook
def test_that_check_fails_on_a_stripped_notebook(path: Path, tmp_path: Path) -> None:
    stripped = {"execution_count": None, "outputs": [], "source": "1"}
    for part, nothing in stripped.items():
        notebook = nbformat.read(path, as_version=4)
        for cell in notebook.cells:
            if cell.cell_type == "code":
                cell[part] = nothing
        nbformat.write(notebook, tmp_path / path.name)
        with pytest.raises(AssertionError):
            assert_executed(tmp_path / path.name)


@every_notebook
def test_cells_ran_in_order_and_without_errors(path: Path) -> None:
    run = cells(path, "code")
    assert [cell.execution_count for cell in run] == list(range(1, len(run) + 1))
    outputs = [output for cell in run for output in cell.outputs]
    assert outputs
    assert "error" not in {output.output_type for output in outputs}


@every_notebook
def test_every_picture_says_in_words_what_it_shows(path: Path) -> None:
    pictures = [
        output for cell in cells(path, "code") for output in cell.outputs if "image/png" in output.get("data", {})
    ]
    assert pictures
    for picture in pictures:
        assert base64.b64decode(picture.data["image/png"]).startswith(PNG)
        words = picture.metadata.get("image/png", {}).get("alt", "") or picture.data.get("text/plain", "")
        assert len(words.split()) > 10, words
        assert not words.startswith("<"), words  # an address in memory says nothing


@every_notebook
def test_nothing_of_a_live_session_is_committed(path: Path) -> None:
    assert path.stat().st_size < 1_000_000
    notebook = nbformat.read(path, as_version=4)
    assert notebook.metadata.kernelspec.name == "python3"
    assert "widgets" not in notebook.metadata
    shown = [output.data for cell in cells(path, "code") for output in cell.outputs if "data" in output]
    assert {mime for data in shown for mime in data} <= {"text/plain", "image/png", "text/html"}
    for page in (data["text/html"] for data in shown if "text/html" in data):
        assert page.startswith(card.STYLE), "only exercises come as HTML: for them to fold, and without scripts"
        assert "<script" not in page


def headless(path: Path, folder: Path) -> Any:
    """Run a notebook as a cluster would: no page, no reader."""
    how = {"kernel_name": "python3", "execution_timeout": CELL_TIMEOUT, "progress_bar": False, "log_output": False}
    return papermill.execute_notebook(path, folder / path.name, cwd=folder, **how)


@pytest.mark.slow
@pytest.mark.parametrize("path", SHORTER, ids=lambda path: path.stem)
def test_papermill_runs_it_headless_and_nothing_changes_by_chance(path: Path, tmp_path: Path) -> None:
    """A prediction that nobody commits must not stop it, and the checked text must be what is committed.

    So must every byte, once normalised; where another machine's last digits differ, the next run must give the same.
    The longest, and what measures, are left to nbval and JupyterLab; 06 goes through papermill in `kdlab run`
    (test_stages.py).
    """
    done = headless(path, tmp_path)
    assert done.metadata.papermill.exception is None
    again = [printed(cell) for cell in done.cells if cell.cell_type == "code" and CHECKED in cell.source]
    assert again == [printed(cell) for cell in checked_cells(path)]
    assert not (tmp_path / answers.FILE).exists(), "nobody answered, so no answers are kept"
    once = build.render(build.normalise(build.load(tmp_path / path.name)))
    if once != path.read_text(encoding="utf-8"):
        shutil.copy(path, tmp_path)
        build.build(tmp_path / path.name)
        assert once == (tmp_path / path.name).read_text(encoding="utf-8")


@pytest.mark.slow
def test_papermill_fails_where_a_cell_does(tmp_path: Path) -> None:
    write_notebook(tmp_path / "broken.ipynb", "1 / 0")
    (tmp_path / "out").mkdir()
    with pytest.raises(papermill.PapermillExecutionError, match="ZeroDivisionError"):
        headless(tmp_path / "broken.ipynb", tmp_path / "out")
