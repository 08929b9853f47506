"""The page's side of the widgets, as text. There is no build step: what all pictures share is put before each."""

from __future__ import annotations

from pathlib import Path

__all__ = ["STYLE_SHEET", "front_end"]

_STATIC = Path(__file__).parent / "static"
STYLE_SHEET = _STATIC / "view.css"


def front_end(*names: str) -> str:
    """Return the JavaScript module of one picture: static/tools.js, then ``names``, such as "ladder.js", "view.js".

    Raises FileNotFoundError where static/ has no such file.
    """
    return "\n".join((_STATIC / part).read_text("utf-8") for part in ("tools.js", *names))
