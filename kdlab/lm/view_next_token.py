"""What a language model may say next, shown in a notebook: likeliest tokens, entropy, a text, as tau moves. No maths.

The picture is drawn by lm/view_next_token.js from `payload(ladder)`, which is sent once for each text that was read.
All of them are there from the start: choosing another makes nothing.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import traitlets

from kdlab.lm.next_token import Moment, NextTokenLadder, counted, one_line, shared, visible
from kdlab.mixtures.limits import entropy_limits
from kdlab.pictures.frontend import STYLE_SHEET, front_end
from kdlab.pictures.sweep_view import MakingView, require_finite

if TYPE_CHECKING:
    from kdlab.mixtures.plots import Picture

__all__ = ["NextTokenView", "payload", "show_next_token"]


def show_next_token(
    ladders: NextTokenLadder | Sequence[NextTokenLadder], *, predict: Mapping[str, Any] | None = None
) -> NextTokenView:
    """Show next-token ladders as one live picture, the first at first; in a notebook, make this the last line.

    ``predict`` covers the picture until the reader commits a guess, as in `kdlab.mixtures.view.show`. Raises TypeError
    for anything but next-token ladders, ValueError for none of them or two of one prompt.
    """
    several = [ladders] if isinstance(ladders, NextTokenLadder) else list(ladders)
    for one in several:
        if not isinstance(one, NextTokenLadder):
            raise TypeError(
                f"{type(one).__name__} is not a NextTokenLadder: pass what next_token.next_token_ladder(...) returns."
            )
    if not several or len({one.prompt for one in several}) < len(several):
        raise ValueError(f"{len(several)} ladders: one or more are needed, each of a prompt of its own")
    return NextTokenView(several, predict)


class NextTokenView(MakingView):
    """The live picture of a few next-token ladders, one at a time. Make it with `show_next_token`."""

    _esm = front_end("pictures/sweep_view.js", "lm/view_next_token.js")
    _css = STYLE_SHEET

    tau = traitlets.Float(1.0).tag(sync=True)

    def __init__(self, ladders: Sequence[NextTokenLadder], predict: Mapping[str, Any] | None = None) -> None:
        self._ladders = {one.prompt: one for one in ladders}
        offered = [{"value": prompt, "label": prompt} for prompt in self._ladders]
        super().__init__(ladders[0], predict, {"prompt": offered})

    @traitlets.validate("tau")
    def _check_tau(self, proposal: Mapping[str, Any]) -> float:
        tau = float(proposal["value"])
        self.ladder_object.index(tau)  # raises ValueError off the slider
        return tau

    # What a notebook may ask

    @property
    def ladder_object(self) -> NextTokenLadder:
        """The ladder shown now."""
        return cast("NextTokenLadder", self._shown)

    @property
    def position(self) -> Moment:
        """The position shown now, as far as the page has told; the page tells when the slider rests."""
        return self.ladder_object.at(self.tau)

    def filmstrip(self, taus: Sequence[float] = (0.3, 0.7, 1.0, 1.5)) -> Picture:
        """The static version: the same ladder at several tau, side by side."""
        from kdlab.lm import plots_next_token as plots_tokens  # here: the live picture must not wait for matplotlib

        return plots_tokens.filmstrip(self.ladder_object, taus)

    # What other ladders are

    def _settings_of(self, ladder: NextTokenLadder) -> dict[str, Any]:
        return {"prompt": ladder.prompt}

    def _key(self, settings: Mapping[str, Any]) -> str:
        prompt = str(settings.get("prompt"))
        if prompt not in self._ladders:
            raise ValueError(f"Nothing is here for {prompt!r}: there are {', '.join(map(repr, self._ladders))}.")
        return prompt

    def _is_ready(self, settings: Mapping[str, Any]) -> bool:
        return True

    def _made(self, settings: Mapping[str, Any], progress: Callable[[float], None]) -> NextTokenLadder:
        return self._ladders[self._key(settings)]

    def _sent(self, ladder: NextTokenLadder) -> dict[str, Any]:
        return payload(ladder)

    # Where there is no page: GitHub, print, a Lab without a kernel

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the live view, and beside it a PNG of the current position and its sentence."""
        from kdlab.lm import plots_next_token as plots_tokens  # here: the live picture must not wait for matplotlib
        from kdlab.mixtures import plots

        data, metadata = super()._repr_mimebundle_(**kwargs) or ({}, {})
        still = plots_tokens.figure(self.ladder_object, self.tau, path=self.prediction is None)
        data = {**data, "image/png": base64.b64encode(plots.png(still)).decode(), "text/plain": still.words}
        return data, {**metadata, "image/png": {"alt": still.words}}


# What is sent


def payload(ladder: NextTokenLadder) -> dict[str, Any]:
    """Return a ladder as the plain numbers and texts that the page draws from (about 30 kB as JSON).

    Raises ValueError where a number is not finite.
    """
    one, samples = ladder.index(1.0), [one_line(text) for text in ladder.samples]
    odds = [
        [*(round(float(p), 5) for p in row), round(float(rest), 5)]
        for row, rest in zip(ladder.probabilities, ladder.rest, strict=True)
    ]
    sent: dict[str, Any] = {
        "key": ladder.prompt,
        "settings": {"prompt": ladder.prompt},
        "title": f"The next token after “{ladder.prompt}”" + (f" ({ladder.source})" if ladder.source else ""),
        "prompt": ladder.prompt,
        "tau": ladder.taus.tolist(),
        "words": [*map(visible, ladder.tokens), f"{ladder.vocabulary - len(ladder.tokens):,} others"],
        "odds": odds,
        "one": odds[one],
        "entropy": ladder.entropies.tolist(),
        "limits": list(entropy_limits(ladder)),
        "sample": samples,
        "shared": [shared(text, samples[one]) for text in samples],
        "sentence": list(ladder.sentences),
        "told": [
            f"entropy {entropy:.2f} nats   {counted(choices)}"
            for entropy, choices in zip(ladder.entropies, ladder.choices, strict=True)
        ],
    }
    require_finite(sent, ladder.prompt)
    return sent
