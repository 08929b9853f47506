"""A view's module on a page of its own: served as anywidget would load it, with a stand-in for the widget's model."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Error, Page
from support.axe import state_of

from kdlab.pictures.live import STYLE_SHEET, front_end

# The stand-in behaves as a widget's model does in JupyterLab: `set` tells listeners only of changes.
HTML = """<!doctype html><meta charset="utf-8"><link rel="stylesheet" href="view.css">
<link rel="icon" href="data:,"><body><div id="here"></div><script type="module">
import make from "./view.js";
class Model {
  constructor(values) { Object.assign(this, { values, heard: {}, saved: 0 }); }
  get(name) { return this.values[name]; }
  set(name, value) {
    const same = JSON.stringify(this.values[name]) === JSON.stringify(value);
    this.values[name] = value;
    if (!same) for (const listener of [...(this.heard["change:" + name] ?? [])]) listener();
  }
  on(event, listener) { (this.heard[event] ??= []).push(listener); }
  off(event, listener) { this.heard[event] = this.heard[event].filter((other) => other !== listener); }
  send(content) { window.sent(this, content); }
  save_changes() { this.saved += 1; if (window.broken) throw new Error("no kernel"); }
}
window.open_view = (state) => {
  window.model = new Model(state);
  const widget = typeof make === "function" ? make() : make;
  widget.initialize?.({ model });
  window.close_view = widget.render({ model, el: document.getElementById("here") });
};
window.ready = true;
</script>"""


SIZE: Any = {"width": 980, "height": 760}  # of a window, pixels


@contextmanager
def served(*names: str, style: Path = STYLE_SHEET) -> Iterator[str]:
    """Serve the page of one view, such as "pictures/sweep_view.js", "mixtures/view.js"; yield its address."""
    files = {
        "/": ("text/html", HTML),
        "/view.js": ("text/javascript", front_end(*names)),
        "/view.css": ("text/css", style.read_text("utf-8")),
    }

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:  # noqa: N802
            kind, text = files[self.path]
            self.send_response(200)
            self.send_header("Content-Type", f"{kind}; charset=utf-8")
            self.end_headers()
            self.wfile.write(text.encode())

    with serving(Handler) as address:
        yield f"{address}/"


@contextmanager
def serving(handler: Any) -> Iterator[str]:
    """Serve on a free port of this machine; yield the address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()  # asked to end, it ends
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def opened(browser: Browser, address: str, **options: Any) -> Iterator[Page]:
    """A page at this address, for fingers too, that fails if anything throws where nobody catches it."""
    page = browser.new_page(**({"viewport": SIZE, "has_touch": True} | options))
    with loaded(page, address):
        yield page
        page.close()


@contextmanager
def loaded(page: Page, address: str) -> Iterator[Page]:
    """The page with this address anew; it fails if anything throws where nobody catches it."""
    thrown: list[str] = []

    def hear(error: Error) -> None:
        thrown.append(str(error))

    page.on("pageerror", hear)
    page.goto(address)
    page.wait_for_function("window.ready")
    yield page
    page.remove_listener("pageerror", hear)
    assert thrown == []


def open_view(page: Page, view: Any, **other: Any) -> dict[str, Any]:
    """Show a view there with what Python would send, or with other values of some of it; return what was sent."""
    state = state_of(view) | other
    page.evaluate("state => open_view(state)", state)
    return state


def reload(page: Page) -> None:
    """Load the page again with Python alive: the widget is as Python has it, and nothing else is remembered."""
    state = page.evaluate("model.values")
    page.reload()
    page.wait_for_function("window.ready")
    page.evaluate("state => open_view(state)", state)


def get(page: Page, name: str) -> Any:
    """A trait of the widget."""
    return page.evaluate("name => model.get(name)", name)


def put(page: Page, **values: Any) -> None:
    """Set traits as a message from Python would."""
    page.evaluate("values => Object.entries(values).forEach(([n, v]) => model.set(n, v))", values)


def settle(page: Page) -> None:
    """Wait until what was asked for is drawn."""
    page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")


def box_of(page: Page, part: str) -> dict[str, float]:
    """Where a part of the view is: x, y, width and height, pixels."""
    box = page.locator(part).bounding_box()
    assert box is not None, f"{part} is not on the page"
    return dict(**box)


def size_of(page: Page) -> tuple[float, float]:
    """Width and height of the view, pixels."""
    box = box_of(page, ".kdlab-view")
    return box["width"], box["height"]


def wait_for(condition: Callable[[], Any], seconds: float = 30.0) -> None:
    """Wait until something that another thread does has happened."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "nothing happened"
        time.sleep(0.005)
