"""What tests share: one thread for the numerical libraries, one JupyterLab and one browser for each process of them."""

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):  # before numpy is imported
    os.environ.setdefault(_name, "1")

import publish  # noqa: E402
import pytest  # noqa: E402
from playwright.sync_api import Browser, Page  # noqa: E402
from support import chromium  # noqa: E402
from support.lab import Lab, Notebook, jupyterlab  # noqa: E402
from support.pages import opened, served  # noqa: E402
from support.repository import NOTEBOOKS  # noqa: E402


@pytest.fixture(scope="session")
def jupyter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """JupyterLab on an empty folder; `jupyter.within(name)` is a folder in it for the tests of a module."""
    with jupyterlab(tmp_path_factory.mktemp("served"), tmp_path_factory.mktemp("jupyter")) as running:
        yield running


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The static site, made once for all processes of tests. Ask for it once there is a browser to look at it with."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "site"
    with open(folder.with_suffix(".lock"), "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # until the file is closed: another process waits, and finds it made
        if not folder.exists():
            publish.publish(folder)
    return folder


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """The browser; its pages are closed at the end of a module. Tests are skipped where there is none."""
    with chromium.chromium() as one:
        yield one


@pytest.fixture
def run_notebook(jupyter: Lab, browser: Browser) -> Iterator[Callable[..., Notebook]]:
    """Run a copy of notebook "00" in a folder of that name; at the end nothing may have been thrown on its page."""
    with ExitStack() as stack:

        def run(number: str, *before: Any) -> Notebook:
            lab = jupyter.within(number)
            (path,) = NOTEBOOKS.glob(f"{number}_*.ipynb")
            shutil.copy(path, lab.folder)
            return stack.enter_context(lab.running(browser, path.name, *before))

        yield run


@pytest.fixture(scope="module")
def address(request: pytest.FixtureRequest) -> Iterator[str]:
    """Where the view is served whose files a module names in SCRIPTS."""
    with served(*request.module.SCRIPTS) as one:
        yield one


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    """A page of that view, ready for `open_view`; nothing may be thrown on it."""
    with opened(browser, address) as one:
        yield one


@pytest.fixture(scope="session", autouse=True)
def _browsers() -> Iterator[None]:
    """End the browsers that tests have shared."""
    yield
    chromium.close_all()
