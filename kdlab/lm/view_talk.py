"""The recorded students, speaking: a reader types a beginning, and five of them go on from it side by side.

The page computes everything itself, in workers (lm/llama.js, lm/tokens.js, lm/talk_worker.js), from the weights that
came with kdlab. They are sent when the page asks for them, each as a message of its own, and are in no notebook file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import traitlets

from kdlab.core.files import checksum
from kdlab.lm.talking import SHOWN, answers, models, weights_folder, words
from kdlab.pictures.live import LiveView, front_end, still_name


def talk(*, predict: Mapping[str, Any] | None = None) -> TalkView:
    """Let the recorded students of the preset `cpu` answer; in a notebook, make this the last line of a cell.

    ``predict`` covers the picture until the reader commits a guess, as in `mixtures.show`. Raises OSError where what
    was recorded is not there.
    """
    return TalkView(predict)


class TalkView(LiveView):
    """Students that answer. Make it with `talk`; lm/view_talk.js says what each trait is for."""

    _esm = front_end("lm/llama.js", "lm/tokens.js", "lm/talk_worker.js", "lm/view_talk.js")

    models: Any = traitlets.List().tag(sync=True)
    parts = traitlets.Dict().tag(sync=True)
    known = traitlets.Dict().tag(sync=True)

    def __init__(self, predict: Mapping[str, Any] | None = None) -> None:
        told = answers()
        known = {name: told[name] for name in ("seed", "rows", "steps", "length", "likeliest", "names", "end")}
        begun = [{"text": one["text"], "ids": one["ids"]} for one in told["beginnings"]]
        known |= {"shown": SHOWN, "beginnings": begun}
        super().__init__(predict, models=models(), parts=told["parts"], known=known)
        self.on_msg(self._on_wish)

    def part(self, name: str) -> bytes:
        """The bytes of a part that the page may ask for. OSError where its file is not there or has other bytes."""
        told = self.parts[name]
        path = weights_folder() / told["file"]
        if not path.is_file() or checksum(path) != told["sha256"]:
            fault = "has other bytes than were recorded" if path.is_file() else "is not there"
            raise OSError(f"{path} {fault}: install kdlab again")
        return path.read_bytes()

    def _on_wish(self, _: Any, content: Any, buffers: Sequence[Any]) -> None:
        """The page asks for a part."""
        name = content.get("part") if isinstance(content, dict) else None
        if not isinstance(name, str) or name not in self.parts:
            return
        try:
            self.send({"part": name}, buffers=[self.part(name)])
        except OSError as error:
            self.send({"part": name, "error": str(error)})

    # Where there is no page

    @property
    def covered(self) -> bool:
        """Whether a question is still open: then nothing may be told that would answer it."""
        return self.prediction is not None and self.prediction["guess"] is None

    @property
    def sentence(self) -> str:
        """What the students answered to the first beginning when they were recorded."""
        return words(self.covered)

    def still_name(self) -> str:
        """The name of the PNG that `drawn` draws, by all that it shows."""
        return still_name(f"talk|{self.covered}", [self.sentence])

    def drawn(self) -> bytes:
        """Draw some of the recorded answers as a PNG."""
        from kdlab.lm import plots_talk  # here: no page must wait for matplotlib
        from kdlab.pictures.figure import png

        return png(plots_talk.recorded(counts=not self.covered))
