#!/bin/sh
# When a notebook's time runs out, papermill marks as "completed" the cell that it stopped in and every cell below,
# none of which has run.
#
# Seen with papermill 2.7.0, nbclient 0.11.0 and ipykernel 7.4.0. Three cells, the second sleeps past execution_timeout.
# execute_notebook raises CellTimeoutError. In the file that it leaves, metadata.papermill.status is "completed" for all
# three, metadata.papermill.exception of the notebook is null, and the third cell has neither start_time nor
# execution_count. Only an exception that a cell raises while it is waited for is marked (cell_exception in papermill's
# NotebookExecutionManager); whatever else ends the run leaves through notebook_complete, which turns "pending" into
# "completed", "in case callbacks were never called" (papermill/engines.py). It is the same where a kernel dies, and then
# no output says so either. Who counts completed cells, or shows the notebook as the report of a run, takes half of it
# for the whole.
#
# What to do: catch what execute_notebook raises besides PapermillExecutionError, and take the last code cell with a
# start_time for the place; those without one have not run, whatever their status says.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
  papermill==2.7.0 nbclient==0.11.0 ipykernel==7.4.0
cd "$folder"
venv/bin/python - <<'PYTHON'
import nbformat
import papermill
from nbclient.exceptions import CellTimeoutError

sources = ("print('ran')", "import time; time.sleep(60)", "print('never ran')")
cells = [nbformat.v4.new_code_cell(source) for source in sources]
kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel}), "given.ipynb")

try:
    papermill.execute_notebook("given.ipynb", "left.ipynb", execution_timeout=5, progress_bar=False)
except CellTimeoutError as error:
    print(type(error).__name__, "was raised")
else:
    raise AssertionError("nothing was raised")

left = nbformat.read("left.ipynb", as_version=4)
for cell in left.cells:
    mark = cell.metadata.papermill
    print(f"{cell.source!r}: {mark.status}, started {mark.start_time}, exception {mark.exception}, In [{cell.execution_count}]")
assert [cell.metadata.papermill.status for cell in left.cells] == ["completed"] * 3, "this has changed"
assert left.metadata.papermill.exception is None
assert left.cells[2].metadata.papermill.start_time is None and left.cells[2].execution_count is None
print("as stated")
PYTHON
