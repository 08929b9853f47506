"""Other places than JupyterLab: Binder's specification, the classic notebook, and a page without a kernel.

JupyterLab itself, with every control moved, is in test_browser.py.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from nbconvert import HTMLExporter
from playwright.sync_api import Browser, Locator, Page, expect
from support.lab import Lab
from support.repository import ROOT, cells, every_notebook
from support.shown import assert_shows, assert_stills_shown

from kdlab import mixtures
from kdlab.mixtures.view import payload

START_HERE = "00_start_here.ipynb"
AGAIN = f"again/{START_HERE}"
RUN_LIMIT = 120_000  # milliseconds for all cells of notebook 00

# The classic notebook asks a new kernel for widgets that it may have, waits up to 4 s for the answer, and then draws
# all widgets again: what a cell showed before that is gone (widgetsnbextension 4, in this lock). A reader who is
# patient sees the picture at once; one who is not runs the cell again, as PLACES.md says.
PATIENCE = 6_000  # milliseconds


# Binder


@pytest.mark.skipif(not shutil.which("repo2docker"), reason="no repo2docker here (pip install jupyter-repo2docker)")
def test_repo2docker_accepts_the_specification(tmp_path: Path) -> None:
    """What it says where it only reads: no container engine, no network; and nothing there but what Binder reads."""
    shutil.copytree(ROOT / "binder", tmp_path / "binder", symlinks=True)
    shutil.copy(ROOT / "environment.yml", tmp_path)
    command = ["repo2docker", "--no-build", "--debug", "--Repo2Docker.default_buildpack=None", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    for line in (
        "Building conda environment for python=3.11", '--file "binder/environment.yml"', "RUN ./binder/postBuild",
        'R2D_ENTRYPOINT="${REPO_DIR}/binder/start"',
    ):  # fmt: skip
        assert line in said


def test_binder_start_limits_threads_and_runs_what_it_is_given() -> None:
    """Run binder/start as the container would: it must hand over to the command, with one thread each."""
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    ask = "import os, sys; print([os.environ.get(name) for name in sys.argv[1:]])"
    clean = {name: value for name, value in os.environ.items() if name not in names}
    command = ["bash", str(ROOT / "binder" / "start"), sys.executable, "-c", ask, *names]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=clean)
    assert done.stdout.strip() == "['1', '1', '1']"


def test_binder_post_build_stops_at_the_first_error(tmp_path: Path) -> None:
    """With a python that fails, postBuild must fail: Binder would otherwise serve an image without kdlab."""
    fake = tmp_path / "python"
    fake.write_text("#!/bin/sh\nexit 3\n", encoding="utf-8")
    fake.chmod(0o755)
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(["bash", str(ROOT / "binder" / "postBuild")], env={**os.environ, "PATH": path})
    assert done.returncode == 3


# The classic notebook: the server that JupyterLab runs on has its pages too


@pytest.fixture(scope="module")
def classic(jupyter: Lab) -> Lab:
    """Notebook 00 once for each test, in folders of their own: what is run and answered is saved."""
    lab = jupyter.within("classic")
    for name in (START_HERE, AGAIN):
        (lab.folder / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / "notebooks" / START_HERE, lab.folder / name)
    return lab


class Classic:
    """Notebook 00 open in the classic interface. Everything that the page threw is in `thrown`."""

    def __init__(self, server: Lab, browser: Browser, name: str) -> None:
        self.page: Page = browser.new_page(viewport={"width": 1280, "height": 900})
        self.thrown: list[str] = []
        self.page.on("pageerror", lambda error: self.thrown.append(str(error)))
        self.page.goto(f"{server.address}/notebooks/classic/{name}?token={server.token}")
        self.page.wait_for_function("window.Jupyter?.notebook?.kernel?.is_connected?.()", timeout=60_000)

    def run(self, source: str = "") -> None:
        """Run the cells whose code contains `source`, in order, and wait for the last one."""
        found = """(source) => Jupyter.notebook.get_cells()
          .flatMap((cell, i) => cell.cell_type === "code" && cell.get_text().includes(source) ? [i] : [])"""
        self.page.evaluate(f"(source) => Jupyter.notebook.execute_cells(({found})(source))", source)
        self.page.wait_for_function(
            """Jupyter.notebook.get_cells().every((cell) => cell.cell_type !== "code"
                || (Number.isInteger(cell.input_prompt_number) && cell.input_prompt_number > 0))""",
            timeout=RUN_LIMIT,
        )

    def printed(self, code: str) -> str:
        """Run code in the kernel, outside the document, and return what it printed."""
        run = """(code) => new Promise((done) => {
          let text = "";
          Jupyter.notebook.kernel.execute(code, {
            iopub: { output: ({ content }) => { text += content.text ?? content.evalue ?? ""; } },
            shell: { reply: () => setTimeout(() => done(text), 300) },
          }, { silent: false, store_history: false });
        })"""
        return str(self.page.evaluate(run, code)).strip()


def press_and_compare(opened: Classic) -> Locator:
    """Uncover the picture and press real arrow keys: it must show what the sweep says, position by position."""
    sent, root = payload(mixtures.teacher_entropy("line", 1)), opened.page.locator(".kdlab-view")
    expect(root).to_have_count(1)
    root.scroll_into_view_if_needed()
    root.locator(".kdlab-cover button").first.click()
    expect(root.locator(".kdlab-picture")).to_be_visible()
    assert_shows(root, sent, 0)
    root.locator(".kdlab-beta").focus()
    for key, index in (("ArrowRight", 1), ("ArrowRight", 2), ("ArrowRight", 3), ("ArrowLeft", 2), ("End", 120)):
        opened.page.keyboard.press(key)
        assert_shows(root, sent, index)
    assert opened.printed("print(view.errors)") == "[]"
    return root


@pytest.fixture(scope="module")
def opened(browser: Browser, classic: Lab) -> tuple[Classic, Classic]:
    """By a reader who is patient, and by one who ran all cells before the classic notebook was ready for widgets."""
    patient = Classic(classic, browser, START_HERE)
    assert_stills_shown(patient.page.locator(".output_subarea.output_png"))
    hasty = Classic(classic, browser, AGAIN)
    hasty.run()
    hasty.page.wait_for_timeout(PATIENCE)
    return patient, hasty


@pytest.mark.browser
@pytest.mark.slow
def test_the_live_picture_in_the_classic_notebook(opened: tuple[Classic, Classic]) -> None:
    opened[0].run()
    root = press_and_compare(opened[0])
    # The arrows stayed in the slider: the notebook's own keys would have selected another cell.
    assert root.locator(".kdlab-beta").evaluate("slider => slider === document.activeElement")
    expect(root.locator(".kdlab-error")).to_be_hidden()
    assert opened[0].thrown == []


@pytest.mark.browser
@pytest.mark.slow
def test_the_classic_notebook_shows_it_when_the_cell_is_run_again(opened: tuple[Classic, Classic]) -> None:
    opened[1].run("mixtures.show(")
    press_and_compare(opened[1])


# On paper


@every_notebook
def test_a_notebook_turned_into_html_keeps_every_still(path: Path) -> None:
    """`jupyter nbconvert --to html`, which a browser then prints, as PLACES.md says."""
    page, _ = HTMLExporter().from_filename(str(path))
    outputs = [output for cell in cells(path, "code") for output in cell.outputs]
    pictures = [output.data["image/png"] for output in outputs if "image/png" in output.get("data", {})]
    flat = "".join(page.split())
    assert pictures and ["".join(picture.split()) in flat for picture in pictures] == [True] * len(pictures)
