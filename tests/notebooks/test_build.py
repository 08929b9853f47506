"""`make notebooks`: what is kept, what is left behind, and that nothing is half written."""

import json

import build
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output
from support.lab import write_notebook
from support.repository import cells

from kdlab import exercise
from kdlab.core import answers

VIEW = "application/vnd.jupyter.widget-view+json"
WORLD = """\
import ipywidgets, numpy as np
from IPython.display import display

class Picture(ipywidgets.IntSlider):
    def _repr_mimebundle_(self, **options):
        view = super()._repr_mimebundle_(**options)
        return view | {"image/png": "aGVsbG8=", "text/plain": "beta is 1"}

print(object())
display(Picture())
for word in ("one", "two"):
    print(word, flush=True)
"""


@pytest.mark.slow
def test_two_runs_give_the_same_bytes_and_keep_the_picture(tmp_path):
    path = write_notebook(tmp_path / "a.ipynb", WORLD, "1 + 1")
    assert build.build(path)
    first = path.read_bytes()
    assert not build.build(path)
    assert path.read_bytes() == first
    assert b"widget" not in first.replace(b"ipywidgets", b"")
    assert b"0x" not in first
    assert [name.name for name in tmp_path.iterdir()] == ["a.ipynb"]

    world, total = cells(path, "code")
    assert [cell.execution_count for cell in (world, total)] == [1, 2]
    assert world.outputs[0].text.startswith("<object object>")
    assert world.outputs[1].data == {"image/png": "aGVsbG8=", "text/plain": "beta is 1"}
    assert world.outputs[2].text == "one\ntwo\n"
    assert total.outputs[0].data["text/plain"] == "2"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("raise KeyError('oops')", "oops"),
        ("import warnings; warnings.warn('careful')", "stderr"),
        (f"print('x' * {build.MAX_BYTES})", "under 1000000"),
    ],
)
def test_a_notebook_that_must_not_be_committed_stays_as_it_was(tmp_path, capsys, source, why):
    path = write_notebook(tmp_path / "a.ipynb", source)
    before = path.read_bytes()
    assert build.main([str(path)]) == 1
    assert path.read_bytes() == before
    assert why in capsys.readouterr().err
    assert [name.name for name in tmp_path.iterdir()] == ["a.ipynb"]


def test_normalising_drops_what_changes_by_chance_and_is_done_after_one_pass():
    view = {VIEW: {"model_id": "3f2a"}, "text/plain": "beta is 1"}
    only_a_view = new_output("display_data", {VIEW: {"model_id": "9c"}})
    cell = new_code_cell(
        "view",
        execution_count=3,
        outputs=[new_output("execute_result", view, execution_count=3), only_a_view],
        metadata={"execution": {"iopub.status.busy": "2026-01-01"}, "tags": ["parameters"], "scrolled": True},
    )
    language = {"name": "python", "version": "3.11.2"}
    notebook = new_notebook(cells=[cell], metadata={"widgets": {}, "language_info": language})

    once = build.normalise(notebook)
    kept = once.cells[0]
    assert kept.metadata == {"tags": ["parameters"]}
    assert [output.data for output in kept.outputs] == [{"text/plain": "beta is 1"}]
    assert kept.outputs[0].execution_count == kept.execution_count == 3
    assert once.metadata == build.METADATA
    assert VIEW in notebook.cells[0].outputs[0].data, "the notebook handed in was changed"
    assert build.render(build.normalise(once)) == build.render(once)


def test_a_cell_without_an_id_gets_the_same_one_every_time(tmp_path):
    path = write_notebook(tmp_path / "a.ipynb", "1", "2", "3")
    content = json.loads(path.read_text())
    for cell in content["cells"][:2]:
        del cell["id"]
    path.write_text(json.dumps(content))
    ids = [cell.id for cell in build.load(path).cells]
    assert ids == [cell.id for cell in build.load(path).cells]
    assert len(set(ids)) == 3


def test_an_old_format_is_refused_with_what_to_do(tmp_path):
    path = tmp_path / "old.ipynb"
    path.write_text('{"nbformat": 3, "worksheets": []}')
    with pytest.raises(build.NotebookError, match=r"nbformat is 3.*JupyterLab"):
        build.load(path)


@pytest.mark.slow
def test_a_build_does_not_look_at_the_answers_in_its_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("KDLAB_ANSWERS", raising=False)
    question = {"id": "02.ring", "question": "?", "options": ["a", "b"], "outcome": "c"}
    show = f"from kdlab import mixtures\nmixtures.show(mixtures.teacher_entropy('line'), predict={question})"
    exercises = ('from kdlab import exercise\nexercise("02.1")', 'exercise("02.2").check(...)')
    path = write_notebook(tmp_path / "a.ipynb", show, *exercises)
    build.build(path)
    without = path.read_bytes()
    assert [file.name for file in tmp_path.iterdir()] == ["a.ipynb"]
    exercise("02.1").check(2)
    answers.record("prediction 02.ring", {**question, "guess": "a"}, tmp_path)
    assert set(answers.read(tmp_path)) == {"exercise 02.1", "prediction 02.ring"}
    assert not build.build(path) and path.read_bytes() == without
