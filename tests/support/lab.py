"""A JupyterLab of one's own (free port, token, own settings, a folder to throw away), and a notebook open in it."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import copy
from pathlib import Path
from typing import Any

import nbformat
from playwright.sync_api import Browser, BrowserContext, Error, Locator, Page, ViewportSize
from support.chromium import keep

from kdlab.cli import server

START_LIMIT = 90  # seconds until JupyterLab must answer
RUN_LIMIT = 240_000  # milliseconds for all cells of a notebook
_SETTINGS = {
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
    "apputils-extension/themes": {"theme": "JupyterLab Light"},
}
# Runs code in the notebook's kernel, as a cell would but outside the document; gives what it printed.
RUN = """async (code) => {
  const { kernel } = jupyterapp.shell.currentWidget.sessionContext.session;
  const future = kernel.requestExecute({ code, store_history: false });
  const printed = [];
  future.onIOPub = ({ header, content }) => { if (header.msg_type === "stream") printed.push(content.text); };
  const { content } = await future.done;
  if (content.status !== "ok") throw new Error(`${content.ename}: ${content.evalue}`);
  return printed.join("");
}"""
# Shows a notebook on a page where JupyterLab runs already, as it would be on a new one.
SHOW = """async (path) => {
  document.body.dataset.jpThemeLight = "true";
  await jupyterapp.commands.execute("docmanager:open", { path, factory: "Notebook" });
}"""
# Runs all cells, as the menu does, and waits for the last one.
RUN_ALL = """async () => {
  await jupyterapp.shell.currentWidget.sessionContext.ready;
  await jupyterapp.commands.execute("notebook:run-all-cells");
}"""
_CLOSE = """async () => {
  const notebook = jupyterapp.shell.currentWidget;
  await notebook.sessionContext.shutdown();
  notebook.dispose();
}"""
_SIZE: ViewportSize = {"width": 1400, "height": 1000}


class Lab:
    """A running server and the folder it serves, or one within it."""

    def __init__(self, folder: Path, address: str, token: str) -> None:
        self.folder, self.address, self.token, self._below = folder, address, token, ""
        self._contexts: dict[Browser, BrowserContext] = {}
        self._idle: dict[Browser, list[Page]] = {}

    def within(self, name: str) -> Lab:
        """Make a folder in the one that is served, for some notebooks and what is kept beside them."""
        (self.folder / name).mkdir()
        inner = copy(self)
        inner.folder, inner._below = self.folder / name, f"{self._below}{name}/"
        return inner

    def open(self, browser: Browser, name: str, **options: Any) -> Notebook:
        """Open a notebook of the folder, and wait for its kernel; on the page of one that is closed, if there is one.

        To start JupyterLab takes longer than to run most notebooks. With ``options`` of a browser's context it is on a
        page of its own, with those.
        """
        idle = [] if options else self._idle.setdefault(browser, [])
        page = idle.pop() if idle else self._started(browser, **options)
        page.set_viewport_size(options.get("viewport", _SIZE))
        page.evaluate(SHOW, f"{self._below}{name}")
        page.wait_for_selector(".jp-Notebook", timeout=60_000)
        page.wait_for_function("jupyterapp.shell.currentWidget?.sessionContext?.session?.kernel", timeout=60_000)
        return Notebook(page, idle)

    @contextmanager
    def running(self, browser: Browser, name: str, before: Callable[[Page], None] = lambda page: None) -> Iterator[Any]:
        """A notebook of the folder, run; at the end it is closed, and nothing may have been thrown on its page."""
        notebook = self.open(browser, name)
        before(notebook.page)
        notebook.run_all()
        yield notebook
        notebook.close()
        assert notebook.thrown == []

    def fresh(self) -> str:
        """The address of JupyterLab with nothing open, for a page that has not been there."""
        return f"{self.address}/lab/workspaces/{secrets.token_hex(4)}?token={self.token}"

    def _started(self, browser: Browser, **options: Any) -> Page:
        """Start JupyterLab on a page. Pages share what their browser keeps: JupyterLab's code is read once."""
        if browser not in self._contexts:
            self._contexts[browser] = keep(browser.new_context(viewport=_SIZE))
        page = (browser.new_context(**options) if options else self._contexts[browser]).new_page()
        page.goto(self.fresh())
        page.wait_for_function("window.jupyterapp", timeout=60_000)
        page.evaluate("jupyterapp.restored")
        return page


class Notebook:
    """One notebook, open on a page, with its kernel."""

    def __init__(self, page: Page, idle: list[Page]) -> None:
        self.page, self._idle = page, idle
        self.thrown: list[str] = []
        page.on("pageerror", self._throws)

    def _throws(self, error: Error) -> None:
        self.thrown.append(str(error))

    def run_all(self) -> None:
        """Run all cells, as the menu does, and wait for the last one."""
        self.page.set_default_timeout(RUN_LIMIT)
        self.page.evaluate(RUN_ALL)
        self.page.set_default_timeout(30_000)

    def close(self) -> None:
        """End the kernel and leave the page, with JupyterLab on it, to the next notebook."""
        self.page.evaluate(_CLOSE)
        self.page.remove_listener("pageerror", self._throws)
        self._idle.append(self.page)

    def run(self, code: str) -> str:
        """Run code in the kernel and return what it printed."""
        return str(self.page.evaluate(RUN, code)).strip()

    def json(self, expression: str) -> Any:
        """Evaluate an expression in the kernel; what it gives must be plain."""
        return json.loads(self.run(f"import json\nprint(json.dumps({expression}))"))

    def soon(self, expression: str, wanted: Any, patience: float = 20.0) -> Any:
        """Evaluate an expression in the kernel until it gives what is wanted or patience (seconds) ends.

        For what the page tells Python when the hand rests.
        """
        limit = time.monotonic() + patience
        while (got := self.json(expression)) != wanted and time.monotonic() < limit:
            self.page.wait_for_timeout(100)
        return got

    def view(self, number: int = 0) -> Locator:
        """Find one of the notebook's live pictures and bring it onto the screen."""
        root = self.page.locator(".kdlab-view").nth(number)
        root.scroll_into_view_if_needed()
        return root


def write_notebook(path: Path, *sources: str) -> Path:
    """Write a notebook of code cells for the kernel of this environment; return its path."""
    kernel = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}
    cells = [nbformat.v4.new_code_cell(source.strip()) for source in sources]
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel}), path)
    return path


@contextmanager
def jupyterlab(folder: Path, state: Path) -> Iterator[Lab]:
    """Serve `folder` on a free port of this machine; settings, runtime files and the log go to `state`."""
    for name, values in _SETTINGS.items():
        file = state / "jupyterlab_settings_dir" / "@jupyterlab" / f"{name}.jupyterlab-settings"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(values), encoding="utf-8")
    option = "--LabApp.expose_app_in_browser=True"
    with server.jupyterlab(folder, state, option, patience=START_LIMIT) as (address, token):
        yield Lab(folder, address, token)
