"""A headless Chromium for whatever looks at a page: the machine's own, through Playwright."""

import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from playwright.sync_api import Browser, BrowserContext, Playwright, sync_playwright

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# Quiet (no requests of its own) and able to run in a container.
_SWITCHES = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
# What the tests of a process share: one Playwright (a second beside it is refused), a browser for each set of switches,
# and contexts that outlive their module.
_running = ExitStack()
_playwright: Playwright | None = None
_browsers: dict[tuple[str, ...], Browser] = {}
_kept: list[BrowserContext] = []


class NoChromium(Exception):
    """Raised where there is no browser to start."""


@contextmanager
def launched(*switches: str) -> Iterator[Browser]:
    """Yield a browser, with more switches if wanted; raise NoChromium where there is none."""
    path = next((path for path in map(shutil.which, _NAMES) if path), None)
    if path is None:
        raise NoChromium("no Chromium on this machine (on Debian: apt-get install chromium)")
    with ExitStack() as stack:
        playwright = _playwright or stack.enter_context(sync_playwright())
        browser = playwright.chromium.launch(executable_path=path, args=[*_SWITCHES, *switches])
        stack.callback(browser.close)
        yield browser


@contextmanager
def chromium(*switches: str) -> Iterator[Browser]:
    """For tests: yield a browser; skip where there is none, unless KDLAB_REQUIRE_BROWSER=1 asks to fail.

    Every module gets the same one, as starting it takes seconds; at the end of the block all pages are closed that
    are in no context that is kept.
    """
    import pytest

    if os.environ.get("KDLAB_REQUIRE_BROWSER") != "1" and not any(map(shutil.which, _NAMES)):
        pytest.skip("no Chromium on this machine (on Debian: apt-get install chromium)")
    global _playwright
    if _playwright is None:
        _playwright = _running.enter_context(sync_playwright())
    if switches not in _browsers:
        _browsers[switches] = _running.enter_context(launched(*switches))
    try:
        yield _browsers[switches]
    finally:
        for context in _browsers[switches].contexts:
            if context not in _kept:
                context.close()


def keep(context: BrowserContext) -> BrowserContext:
    """Leave a context, its pages, and what it has read, for the modules that come."""
    _kept.append(context)
    return context


def close_all() -> None:
    """End every browser; the last thing that a process of tests does."""
    global _playwright
    _playwright = None
    _browsers.clear()
    _kept.clear()
    _running.close()
