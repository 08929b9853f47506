"""A static picture behind a question, for what does not move: guess first, then look. No maths."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

import traitlets

from kdlab.pictures.figure import Picture, png
from kdlab.pictures.live import LiveView, front_end


def quiz(picture: Picture, before: Picture, *, predict: Mapping[str, Any]) -> QuizView:
    """Show ``picture`` once the reader has committed a guess; in a notebook, make this the last line of a cell.

    ``before`` is the same picture without the answer: it stands where there is no page that could cover anything.
    ``predict`` is as in `mixtures.show`. Raises TypeError for anything but pictures of kdlab.
    """
    for one in (picture, before):
        if not isinstance(one, Picture):
            raise TypeError(f"{type(one).__name__} is not a Picture: pass what a function of a world's plots returns.")
    return QuizView(picture, before, predict)


class QuizView(LiveView):
    """A picture that a question covers. Make it with `quiz`; pictures/quiz.js says what each trait is for."""

    _esm = front_end("pictures/quiz.js")

    picture = traitlets.Unicode().tag(sync=True)
    words = traitlets.Unicode().tag(sync=True)
    size = traitlets.List(traitlets.Int()).tag(sync=True)

    def __init__(self, picture: Picture, before: Picture, predict: Mapping[str, Any]) -> None:
        self._before = before
        width, height = (round(96 * inches) for inches in picture.get_size_inches())
        super().__init__(
            predict, picture=base64.b64encode(png(picture)).decode(), words=picture.words, size=[width, height]
        )

    @property
    def sentence(self) -> str:
        """What the picture without the answer says: a still cannot be uncovered."""
        return self._before.words

    def drawn(self) -> bytes:
        """Draw the picture without the answer."""
        return png(self._before)
