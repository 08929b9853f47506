"""Pages of this room's views: one for all tests of a module, loaded anew for each of them, which is quicker."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page
from support.pages import SIZE, loaded


@pytest.fixture(scope="module")
def window(browser: Browser) -> Page:
    return browser.new_page(viewport=SIZE, has_touch=True)  # closed with the browser's others


@pytest.fixture
def page(window: Page, address: str) -> Iterator[Page]:
    """Ready for `open_view`; nothing may be thrown on it."""
    window.set_viewport_size(SIZE)
    with loaded(window, address) as one:
        yield one
