"""Pages of this room's views: one for all tests of a module, loaded anew for each of them, which is quicker."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Error, Page
from support.pages import SIZE, opened


@pytest.fixture(scope="module")
def window(browser: Browser, address: str) -> Iterator[Page]:
    with opened(browser, address) as one:
        yield one


@pytest.fixture
def page(window: Page) -> Iterator[Page]:
    """Ready for `open_view`; nothing may be thrown on it."""
    thrown: list[str] = []

    def hear(error: Error) -> None:
        thrown.append(str(error))

    window.on("pageerror", hear)
    window.set_viewport_size(SIZE)
    window.reload()
    window.wait_for_function("window.ready")
    yield window
    window.remove_listener("pageerror", hear)
    assert thrown == []
