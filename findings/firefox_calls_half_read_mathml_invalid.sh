#!/bin/sh
# Firefox logs an error about valid MathML when it paints a page that has not arrived whole.
#
# Seen with Debian's firefox-esr 153.8.0esr-1~deb12u1 and websocket-client 1.9.2. The page is one <msub> with its two
# children, sent by a server in two pieces, half a second apart, the first ending between the children. The log has
# "Invalid markup: Incorrect number of children for <msub/> tag." at level "error", though the formula that is there
# in the end is whole and right; sent in one piece, the same bytes log nothing. So a test that allows no error in
# the log may fail on a busy machine or a large page, and pass when it is run again.
#
# What to do: leave out such entries that came while a page was loading, and look at the formulas that are there then.
# Wants: Debian 12 with the libraries of its Firefox (apt-get install --no-install-recommends firefox-esr brings them).
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
(cd "$folder" && apt-get download -qq firefox-esr=153.8.0esr-1~deb12u1 2>/dev/null && dpkg-deb -x firefox-esr_*.deb .)
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check websocket-client==1.9.2
"$folder/venv/bin/python" - "$folder" <<'PYTHON'
import http.server
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import websocket

BEGIN = b"<!doctype html><meta charset=utf-8><p>A formula</p><math><msub><mi>x</mi>"
END = b"<mi>y</mi></msub></math>"
SAYS = "Invalid markup: Incorrect number of children for <msub/> tag."


class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(BEGIN)
        self.wfile.flush()
        time.sleep(0.5 if self.path == "/pieces" else 0)
        self.wfile.write(END)

    def log_message(self, *said):
        pass


folder = Path(sys.argv[1])
profile = folder / "profile"
profile.mkdir()
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
threading.Thread(target=server.serve_forever, daemon=True).start()
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
    heard = []

    def ask(method, **params):
        socket.send(json.dumps({"id": 1, "method": method, "params": params}))
        while (said := json.loads(socket.recv())).get("type") == "event":
            heard.append((said["params"]["level"], said["params"]["text"]))
        assert said["type"] == "success", said
        return said["result"]

    print(ask("session.new", capabilities={})["capabilities"]["browserVersion"])
    ask("session.subscribe", events=["log.entryAdded"])
    tab = ask("browsingContext.create", type="tab")["context"]
    for path, times in (("/one", False), ("/pieces", True)):
        heard.clear()
        ask("browsingContext.navigate", context=tab, url=f"http://127.0.0.1:{server.server_port}{path}", wait="complete")
        count = "String(document.querySelector('msub').childElementCount)"
        children = ask("script.evaluate", expression=count, target={"context": tab}, awaitPromise=False)["result"]["value"]
        print(f"{path}: {children} children, the log has {heard}")
        assert children == "2", "this has changed"
        assert (("error", SAYS) in heard) == times, "this has changed"
    socket.close()
finally:
    browser.terminate()
    browser.wait(30)
print("as stated")
PYTHON
