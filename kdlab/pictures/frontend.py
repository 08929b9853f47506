"""The page's side of the widgets, as text. There is no build step: what all pictures share is put before each."""

from __future__ import annotations

from kdlab.core.files import PACKAGE

__all__ = ["STYLE_SHEET", "front_end"]

SHARED = "pictures/live.js"
STYLE_SHEET = PACKAGE / "pictures/view.css"


def front_end(*names: str) -> str:
    """Return the JavaScript module of one picture: what all share, then the files ``names``, as paths under kdlab/.

    Raises FileNotFoundError where there is no such file.
    """
    return "\n".join((PACKAGE / part).read_text("utf-8") for part in (SHARED, *names))
