"""A headless Chromium for whatever looks at a page: the machine's own, through Playwright."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

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


class NoChromium(Exception):
    """Raised where there is no browser to start."""


@contextmanager
def launched(*switches: str) -> Iterator[Browser]:
    """Yield a browser, with more switches if wanted; raise NoChromium where there is none."""
    path = next((path for path in map(shutil.which, _NAMES) if path), None)
    if path is None:
        raise NoChromium("no Chromium on this machine (on Debian: apt-get install chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=[*_SWITCHES, *switches])
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def chromium(*switches: str) -> Iterator[Browser]:
    """For tests: yield a browser; skip where there is none, unless KDLAB_REQUIRE_BROWSER=1 asks to fail."""
    import pytest

    if os.environ.get("KDLAB_REQUIRE_BROWSER") != "1" and not any(map(shutil.which, _NAMES)):
        pytest.skip("no Chromium on this machine (on Debian: apt-get install chromium)")
    with launched(*switches) as browser:
        yield browser
