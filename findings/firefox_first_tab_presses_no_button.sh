#!/bin/sh
# In the tab that a headless Firefox has at its start, keys sent by WebDriver BiDi reach a button and do not press it.
#
# Seen with Debian's firefox-esr 153.8.0esr-1~deb12u1 and websocket-client 1.9.2. The button is document.activeElement;
# keydown, keypress and keyup arrive there, trusted and not prevented; no click follows from Enter or Space, and
# document.hasFocus() is false. browsingContext.activate, which is to give the tab the system's focus, succeeds and
# changes nothing. A slider does move there, so a test may be half through before it is noticed. In
# a tab of one's own, from browsingContext.create, the same keys press the same button.
#
# What to do: make a tab with browsingContext.create before the first key, and work in that.
# Wants: Debian 12 with the libraries of its Firefox (apt-get install --no-install-recommends firefox-esr brings them).
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
(cd "$folder" && apt-get download -qq firefox-esr=153.8.0esr-1~deb12u1 2>/dev/null && dpkg-deb -x firefox-esr_*.deb .)
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check websocket-client==1.9.2
"$folder/venv/bin/python" - "$folder" <<'PYTHON'
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import websocket

folder = Path(sys.argv[1])
profile = folder / "profile"
profile.mkdir()
page = folder / "page.html"
page.write_text("<button onclick='clicked = (window.clicked ?? 0) + 1'>x</button><input type=range>")
place = profile / "WebDriverBiDiServer.json"
browser = subprocess.Popen(
    [str(folder / "usr/lib/firefox-esr/firefox-esr"), "--headless", "--no-remote", "--profile", str(profile),
     "--remote-debugging-port", "0"],
    env={**os.environ, "HOME": str(profile)}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
)
try:
    limit = time.monotonic() + 120
    while not (place.exists() and place.read_text()):
        assert time.monotonic() < limit and browser.poll() is None, "Firefox did not start"
        time.sleep(0.1)
    where = json.loads(place.read_text())
    socket = websocket.create_connection(
        f"ws://{where['ws_host']}:{where['ws_port']}/session", timeout=60, suppress_origin=True
    )

    def ask(method, **params):
        socket.send(json.dumps({"id": 1, "method": method, "params": params}))
        while (said := json.loads(socket.recv())).get("type") == "event":
            pass
        assert said["type"] == "success", said
        return said["result"]

    def tried(tab):
        ask("browsingContext.activate", context=tab)
        ask("browsingContext.navigate", context=tab, url=page.as_uri(), wait="complete")

        def js(code):
            made = ask("script.evaluate", expression=f"JSON.stringify({code})", target={"context": tab}, awaitPromise=False)
            return json.loads(made["result"]["value"])

        def press(element, key):
            js(f"document.querySelector('{element}').focus() ?? 0")
            strokes = [{"type": kind, "value": key} for kind in ("keyDown", "keyUp")]
            ask("input.performActions", context=tab, actions=[{"type": "key", "id": "k", "actions": strokes}])
            time.sleep(0.5)

        js("addEventListener('keyup', ({ key, isTrusted }) => (window.heard ??= []).push([key, isTrusted])) ?? 0")
        press("button", "\ue006")
        press("button", " ")
        press("input", "\ue014")
        told = js("[window.heard, window.clicked ?? 0, document.hasFocus(), document.querySelector('input').value]")
        print(f"heard {told[0]}; clicks {told[1]}; hasFocus {told[2]}; the slider, once 50, is at {told[3]}")
        return told

    print(ask("session.new", capabilities={})["capabilities"]["browserVersion"])
    heard = [["Enter", True], [" ", True], ["ArrowRight", True]]
    first = tried(ask("browsingContext.getTree")["contexts"][0]["context"])
    own = tried(ask("browsingContext.create", type="tab")["context"])
    assert first == [heard, 0, False, "51"], "this has changed"
    assert own == [heard, 2, True, "51"], "this has changed"
    socket.close()
finally:
    browser.terminate()
    browser.wait(30)
print("as stated")
PYTHON
