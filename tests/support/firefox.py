"""A headless Firefox for whatever looks at a page: the machine's own, spoken to in WebDriver BiDi over a websocket.

https://www.w3.org/TR/webdriver-bidi/ has the commands. Playwright cannot: it drives only a Firefox that it brings.
"""

import base64
import io
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import websocket
from PIL import Image
from support.pages import wait_for

_NAMES = ("firefox-esr", "firefox")
PATIENCE = 60.0  # seconds for any one answer
# What WebDriver calls a keyboard's keys.
_KEYS = {"Enter": "\ue006", "PageUp": "\ue00e", "ArrowRight": "\ue014", "ArrowDown": "\ue015"}
# No page gets an answer from anywhere but this machine.
_OFFLINE = {"proxyType": "manual", "httpProxy": "127.0.0.1:9", "sslProxy": "127.0.0.1:9"}
# A formula that is painted before it has arrived whole is called an error (Firefox 153: findings/). What has come to
# stay is looked at instead: these elements with another number of children than theirs.
_HALF_READ = "Invalid markup: Incorrect number of children for"
_MISSHAPEN = """Object.entries({ msub: 2, msup: 2, mfrac: 2, munder: 2, mover: 2, mroot: 2, msubsup: 3, munderover: 3 })
  .flatMap(([name, n]) => [...document.querySelectorAll(name)].filter((one) => one.childElementCount !== n))
  .map((one) => one.outerHTML)"""
_DRAWN = "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))"


class Firefox:
    """One window. What the page that is open throws, logs as an error, or asks of another machine is in `wrong`."""

    def __init__(self, socket: websocket.WebSocket) -> None:
        self.wrong: list[str] = []
        self._socket = socket
        self._asked = 0
        self.ask("session.new", capabilities={"alwaysMatch": {"proxy": _OFFLINE}})
        self.ask("session.subscribe", events=["log.entryAdded", "network.beforeRequestSent"])
        # A tab of our own: in the one that is there at the start, Enter and Space reach a button and do not press it.
        self._window = {"context": self.ask("browsingContext.create", type="tab")["context"]}

    def ask(self, method: str, **params: Any) -> dict[str, Any]:
        """Give a command and return its result; what happens on the page meanwhile is kept."""
        self._asked += 1
        self._socket.send(json.dumps({"id": self._asked, "method": method, "params": params}))
        while True:
            said = json.loads(self._socket.recv())
            if said["type"] == "event":
                self._hear(said["method"], said["params"])
            elif said["id"] == self._asked:
                assert said["type"] == "success", f"{method}: {said['error']}: {said['message']}"
                return dict(said["result"])

    def _hear(self, event: str, said: dict[str, Any]) -> None:
        if event == "log.entryAdded" and said["level"] == "error" and not said["text"].startswith(_HALF_READ):
            self.wrong.append(str(said["text"]))
        elif event == "network.beforeRequestSent":
            url = said["request"]["url"]
            if not url.startswith(("http://127.0.0.1:", "file:", "data:", "blob:")):
                self.wrong.append(f"asked for {url}")

    def open(self, url: str, width: int, height: int) -> None:
        """Load a page in a window of this size, pixels."""
        self.wrong.clear()
        self.ask("browsingContext.setViewport", **self._window, viewport={"width": width, "height": height})
        self.ask("browsingContext.navigate", **self._window, url=url, wait="complete")
        self.wrong += self.evaluate(_MISSHAPEN)

    def evaluate(self, expression: str) -> Any:
        """Evaluate an expression on the page, or wait for what it promises; what it gives must be plain."""
        code = f"(async () => JSON.stringify(await ({expression}) ?? null))()"
        said = self.ask("script.evaluate", expression=code, target=self._window, awaitPromise=True)
        assert said["type"] == "success", f"{expression}: {said['exceptionDetails']['text']}"
        return json.loads(said["result"]["value"])

    def wait_for(self, expression: str) -> None:
        """Evaluate an expression until it gives something true."""
        wait_for(lambda: self.evaluate(expression), PATIENCE)

    def press(self, *keys: str) -> None:
        """Press keys, one after the other, as a hand would; then, or for none, wait until all is drawn."""
        strokes = [{"type": kind, "value": _KEYS[key]} for key in keys for kind in ("keyDown", "keyUp")]
        if strokes:
            actions = [{"type": "key", "id": "keys", "actions": strokes}]
            self.ask("input.performActions", **self._window, actions=actions)
        self.evaluate(_DRAWN)

    def picture(self) -> np.ndarray:
        """What the window shows: (height, width, 3), 0 to 255."""
        png = self.ask("browsingContext.captureScreenshot", **self._window)["data"]
        return np.asarray(Image.open(io.BytesIO(base64.b64decode(png))).convert("RGB"), float)


@contextmanager
def firefox() -> Iterator[Firefox]:
    """For tests: yield a Firefox; skip where there is none, unless KDLAB_REQUIRE_FIREFOX=1 asks to fail."""
    path = next((path for path in map(shutil.which, _NAMES) if path), None)
    if path is None:
        missing = pytest.fail if os.environ.get("KDLAB_REQUIRE_FIREFOX") == "1" else pytest.skip
        missing("no Firefox on this machine (on Debian: apt-get install firefox-esr)")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = Path(name)  # its profile; and its home, for it refuses one that belongs to somebody else
        command = [path, "--headless", "--no-remote", "--profile", name, "--remote-debugging-port", "0"]
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(command, env={**os.environ, "HOME": name}, stdout=log, stderr=log)
        try:
            address = _address(folder, process)
            with closing(websocket.create_connection(address, timeout=PATIENCE, suppress_origin=True)) as socket:
                yield Firefox(socket)
        finally:
            process.terminate()
            process.wait(30)


def _address(folder: Path, process: subprocess.Popen[bytes]) -> str:
    """Where it listens, which it writes beside its profile once it does."""
    said = folder / "WebDriverBiDiServer.json"
    wait_for(lambda: process.poll() is not None or (said.exists() and said.read_text("utf-8")), PATIENCE)
    assert process.poll() is None, (folder / "log").read_text("utf-8")
    place = json.loads(said.read_text("utf-8"))
    return f"ws://{place['ws_host']}:{place['ws_port']}/session"
