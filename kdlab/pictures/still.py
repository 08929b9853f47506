"""A static picture that a notebook can show before matplotlib is loaded, if it was drawn ahead (kdlab/data/stills)."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from kdlab.pictures.live import still, still_name

if TYPE_CHECKING:
    from kdlab.pictures.figure import Picture


class Still:
    """A picture known by what it says: its still is shown where there is one, else ``draw()`` is called and shown.

    ``key`` says which picture it is and ``words`` what it says, numbers included; both together name the still.
    """

    def __init__(self, key: str, words: str, draw: Callable[[], Picture]) -> None:
        self.key, self.words, self.draw = key, words, draw

    def still_name(self) -> str:
        """The name under which `drawn` was kept, if it was drawn ahead."""
        return still_name(self.key, [self.words])

    def drawn(self) -> bytes:
        """Draw the picture as a PNG."""
        from kdlab.pictures.figure import png  # here: the first slider must not wait for matplotlib

        return png(self.draw())

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the PNG and the words, as a Picture does."""
        picture = base64.b64encode(still(self.still_name()) or self.drawn()).decode()
        return {"image/png": picture, "text/plain": self.words}, {"image/png": {"alt": self.words}}
