"""A headless Chromium for the tests that look at a page: the machine's own, through Playwright."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, sync_playwright

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# Quiet (no requests of its own) and able to run in a container.
_SWITCHES = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@contextmanager
def chromium() -> Iterator[Browser]:
    """Yield a browser; skip the test where there is none, unless KDLAB_REQUIRE_BROWSER=1 asks to fail."""
    path = next((path for path in map(shutil.which, _NAMES) if path), None)
    if path is None:
        missing = "no Chromium on this machine (on Debian: apt-get install chromium)"
        if os.environ.get("KDLAB_REQUIRE_BROWSER") == "1":
            pytest.fail(missing)
        pytest.skip(missing)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=_SWITCHES)
        try:
            yield browser
        finally:
            browser.close()
