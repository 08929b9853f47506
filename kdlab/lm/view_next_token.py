"""What a language model may say next, shown in a notebook: likeliest tokens, entropy, a text, as tau moves.

Drawn by lm/view_next_token.js from `payload(sweep)`. All sweeps are there from the start: choosing another makes none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import traitlets

from kdlab.core.sweep import Sweep, expect
from kdlab.lm.next_token import NextTokenSweep, counted, entropy_limits, one_line, shared, visible
from kdlab.lm.recording import Cut, cost_words, cut_words
from kdlab.pictures.live import front_end, plain
from kdlab.pictures.still import Still
from kdlab.pictures.sweep_view import SweepView, require_finite

if TYPE_CHECKING:
    from kdlab.pictures.figure import Picture

# Texts in pieces, which a notebook shows before its first slider: drawn ahead, since matplotlib takes long to load


def pieces(cuts: Sequence[Cut]) -> Still:
    """Show texts cut into tokens, a line for each: a tile is a token, a space ␣. ValueError for no texts."""

    def draw() -> Picture:
        from kdlab.lm import plots_next_token

        return plots_next_token.pieces(cuts)

    return Still("pieces", cut_words(cuts), draw)


def costs(scored: Sequence[Cut]) -> Still:
    """Show what each token of a text cost, a row for each text: bars of -log p in nats, the sum and its mean.

    Tokens that were given have no bar. Raises ValueError for no texts, or one that was not scored.
    """

    def draw() -> Picture:
        from kdlab.lm import plots_next_token

        return plots_next_token.costs(scored)

    return Still("costs", cost_words(scored), draw)


# The slider of tau


def show(
    sweeps: NextTokenSweep | Sequence[NextTokenSweep], *, predict: Mapping[str, Any] | None = None
) -> NextTokenView:
    """Show next-token sweeps as one live picture, the first at first; in a notebook, make this the last line.

    ``predict`` covers the picture until the reader commits a guess, as in `mixtures.show`. Raises TypeError
    for anything but next-token sweeps, ValueError for none of them or two of one prompt.
    """
    several = [sweeps] if isinstance(sweeps, Sweep) else list(sweeps)
    for one in several:
        expect(one, NextTokenSweep, "lm.next_token_sweep")
    if not several or len({one.prompt for one in several}) < len(several):
        raise ValueError(
            f"prompts are {[one.prompt for one in several]}: give one sweep or more, each of a prompt of its own"
        )
    return NextTokenView(several, predict)


class NextTokenView(SweepView):
    """The live picture of a few next-token sweeps, one at a time. Make it with `show`."""

    _esm = front_end("pictures/sweep_view.js", "lm/view_next_token.js")
    _plots = "kdlab.lm.plots_next_token"
    _film = (0.3, 0.7, 1.0, 1.5)

    tau = traitlets.Float(1.0).tag(sync=True)

    def __init__(self, sweeps: Sequence[NextTokenSweep], predict: Mapping[str, Any] | None = None) -> None:
        self._sweeps = {one.prompt: one for one in sweeps}
        offered = [{"value": prompt, "label": prompt} for prompt in self._sweeps]
        super().__init__(sweeps[0], predict, {"prompt": offered})

    @property
    def sentence(self) -> str:
        """What the position shown now says, and the text written there."""
        sweep: NextTokenSweep = self.sweep_shown
        return sweep.told(sweep.index(self.tau))

    # What other sweeps are

    def _settings_of(self, sweep: NextTokenSweep) -> dict[str, Any]:
        return {"prompt": sweep.prompt}

    def _key(self, settings: Mapping[str, Any]) -> str:
        prompt = str(settings.get("prompt"))
        if prompt not in self._sweeps:
            raise ValueError(f"Nothing is here for {prompt!r}: choose one of {', '.join(map(repr, self._sweeps))}.")
        return prompt

    def _is_ready(self, settings: Mapping[str, Any]) -> bool:
        return True

    def _made(self, settings: Mapping[str, Any], progress: Callable[[float], None]) -> NextTokenSweep:
        return self._sweeps[self._key(settings)]

    def _sent(self, sweep: NextTokenSweep) -> dict[str, Any]:
        return payload(sweep)


# What is sent


def payload(sweep: NextTokenSweep) -> dict[str, Any]:
    """Return a sweep as the plain numbers and texts that the page draws from (about 30 kB as JSON).

    Raises ValueError where a number is not finite.
    """
    one, samples = sweep.index(1.0), [one_line(text) for text in sweep.samples]
    odds = plain(np.column_stack([sweep.probabilities, sweep.rest]))
    sent: dict[str, Any] = {
        "key": sweep.prompt,
        "settings": {"prompt": sweep.prompt},
        "title": f"The next token after “{sweep.prompt}”" + (f" ({sweep.source})" if sweep.source else ""),
        "prompt": sweep.prompt,
        "tau": sweep.taus.tolist(),
        "words": [*map(visible, sweep.tokens), f"{sweep.vocabulary - len(sweep.tokens):,} others"],
        "odds": odds,
        "one": odds[one],
        "entropy": sweep.entropies.tolist(),
        "limits": list(entropy_limits(sweep)),
        "sample": samples,
        "shared": [shared(text, samples[one]) for text in samples],
        "sentence": list(sweep.sentences),
        "told": [f"entropy {entropy:.2f} nats   {counted(np.exp(entropy))}" for entropy in sweep.entropies],
    }
    require_finite(sent, sweep.prompt)
    return sent
