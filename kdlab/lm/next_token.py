"""The slider of tau on one real next-token distribution: what a language model may say next, sharper or flatter.

Tempering never changes the order of the tokens: the twelve likeliest are the same at every tau, and two numbers per
position, the logarithm of the sum and the entropy, stand for all the others exactly. No model is needed here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kdlab.core.arrays import unmasked
from kdlab.core.format import percent
from kdlab.core.sweep import Sweep, tau_positions

FloatArray = NDArray[np.float64]

SHOWN = 12  # tokens with a bar of their own
_LONGEST = 14  # characters of a token that are shown
_DIGITS = 9  # that a recording keeps: far finer than anything that is shown
_NUMBERS = ("taus", "logits", "log_sums", "entropies")


@dataclass(frozen=True)
class Position:
    """One position of the slider: ``probabilities`` (K,) of the likeliest tokens, ``rest`` that of all others."""

    tau: float
    tokens: tuple[str, ...]
    probabilities: FloatArray
    rest: float
    entropy: float
    choices: float
    sample: str
    sentence: str


@dataclass(frozen=True)
class NextTokenSweep(Sweep):
    """A slider's P positions of tau, and what may follow ``prompt`` at each of them.

    ``tokens`` (K,) are the likeliest tokens as text, likeliest first; ``logits`` (K,) theirs. ``log_sums`` (P,) is the
    logarithm of the sum of exp(logit / tau) over the whole ``vocabulary``, ``entropies`` (P,) is in nats. ``samples``
    (P,) continue the prompt, drawn with the same random numbers at every tau; empty texts where none were drawn.
    ``source`` says which model it was, in a few words.
    """

    knob: ClassVar[str] = "tau"

    prompt: str
    taus: FloatArray
    tokens: tuple[str, ...]
    logits: FloatArray
    log_sums: FloatArray
    entropies: FloatArray
    vocabulary: int
    samples: tuple[str, ...]
    source: str

    def __post_init__(self) -> None:
        for name, along in (("log_sums", "taus"), ("entropies", "taus"), ("samples", "taus"), ("logits", "tokens")):
            has, wanted = len(getattr(self, name)), len(getattr(self, along))
            if has != wanted:
                raise ValueError(f"{name} has {has} entries: give {wanted}, one for each of the {along}")

    @property
    def probabilities(self) -> FloatArray:
        """(P, K): the likeliest tokens' probabilities at each tau."""
        return np.asarray(np.exp(self.logits / self.taus[:, None] - self.log_sums[:, None]))

    @property
    def rest(self) -> FloatArray:
        """(P,): the probability of all other tokens together."""
        return np.asarray(np.maximum(1 - self.probabilities.sum(axis=1), 0.0))

    @property
    def choices(self) -> FloatArray:
        """(P,): exp of the entropy, among how many equally likely tokens the model might as well choose."""
        return np.asarray(np.exp(self.entropies))

    def sentence(self, i: int) -> str:
        """What position ``i`` shows, in words and numbers."""
        return (
            f"At τ = {self.taus[i]:.2f} the next token has an entropy of {self.entropies[i]:.2f} nats: effectively "
            f"{counted(self.choices[i])}. {visible(self.tokens[0])} has {percent(self.probabilities[i, 0])}; "
            f"all that are not among the {len(self.tokens)} likeliest have {percent(self.rest[i])} together."
        )

    def told(self, i: int) -> str:
        """The sentence of position ``i``, and the text written there, if there is one."""
        text = f" A text at this τ: {one_line(self.prompt + self.samples[i])}" if self.samples[i] else ""
        return self.sentence(i) + text

    def at(self, tau: float) -> Position:
        """Everything at the position nearest to ``tau``."""
        i = self.index(tau)
        rest, entropy, choices = (float(of[i]) for of in (self.rest, self.entropies, self.choices))
        odds, said = self.probabilities[i], self.sentence(i)
        return Position(float(self.taus[i]), self.tokens, odds, rest, entropy, choices, self.samples[i], said)

    def recorded(self) -> dict[str, Any]:
        """Return all of it as plain values, to be written down; `NextTokenSweep.of` reads them."""
        plain = {name: [float(f"{value:.{_DIGITS}g}") for value in getattr(self, name)] for name in _NUMBERS}
        texts = {"prompt": self.prompt, "tokens": list(self.tokens), "samples": list(self.samples)}
        return {**texts, **plain, "vocabulary": self.vocabulary, "source": self.source}

    @classmethod
    def of(cls, recorded: Mapping[str, Any]) -> NextTokenSweep:
        """Return the sweep that `recorded` wrote down. KeyError for what is missing, ValueError for wrong lengths."""
        numbers: dict[str, Any] = {name: np.asarray(recorded[name], float) for name in _NUMBERS}
        texts = {name: tuple(recorded[name]) for name in ("tokens", "samples")}
        return cls(**{name: recorded[name] for name in ("prompt", "vocabulary", "source")} | texts | numbers)


def next_token_sweep(
    prompt: str,
    logits: ArrayLike,
    word: Callable[[int], str],
    *,
    samples: Sequence[str] = (),
    source: str = "",
    taus: ArrayLike | None = None,
) -> NextTokenSweep:
    """Return the sweep of what may follow ``prompt``.

    ``logits`` (V,) are the model's for the next token, ``word(id)`` a token's text. ``samples`` are texts that go on
    from the prompt, one for each of ``taus`` (61 from 0.3 to 1.5 unless given), or none. Raises ValueError for logits
    that are not one row of two or more finite numbers, a tau that is not positive, and too few or too many samples.

    >>> sweep = next_token_sweep("a", [2.0, 1.0, 0.0], "xyz".__getitem__)
    >>> bool(sweep.at(0.5).entropy < sweep.at(1).entropy < sweep.at(1.5).entropy)
    True
    """
    values = np.asarray(unmasked(logits, "logits"), dtype=float)
    places = tau_positions() if taus is None else np.asarray(unmasked(taus, "taus"), dtype=float)
    if values.ndim != 1 or len(values) < 2 or not np.isfinite(values).all():
        raise ValueError(f"logits have shape {values.shape}: give one row of two or more finite numbers")
    if places.ndim != 1 or not len(places) or not ((places > 0) & np.isfinite(places)).all():
        raise ValueError(f"taus is {places}: give one or more positive temperatures")
    likeliest = np.argsort(-values, kind="stable")[:SHOWN]
    log_sums, entropies = zip(*(_sums(values, tau) for tau in places), strict=True)
    words, texts = tuple(word(int(i)) for i in likeliest), tuple(samples) or ("",) * len(places)
    numbers = values[likeliest], np.array(log_sums), np.array(entropies)
    return NextTokenSweep(prompt, places, words, *numbers, len(values), texts, source)


def _sums(logits: FloatArray, tau: float) -> tuple[float, float]:
    """log of the sum of exp(logits / tau), and the entropy of softmax(logits / tau), nats."""
    scaled = logits / tau
    top = float(scaled.max())
    log_sum = top + math.log(float(np.exp(scaled - top).sum()))
    return log_sum, max(log_sum - float(np.exp(scaled - log_sum) @ scaled), 0.0)


def entropy_limits(sweep: NextTokenSweep) -> tuple[float, float]:
    """Limits of the axis of a next token's entropy, nats: from 0, with a margin above the highest."""
    return 0.0, max(1.05 * float(sweep.entropies.max()), 1.0)


# Words


def visible(token: str) -> str:
    """A token in quotation marks, in one line that does not break; a very long one is cut."""
    shown = one_line(token).replace(" ", "\N{NO-BREAK SPACE}")
    return f"“{shown}”" if len(shown) <= _LONGEST else f"“{shown[: _LONGEST - 1]}…”"


def one_line(text: str) -> str:
    """A text with arrows for its line breaks and tabs."""
    return text.replace("\r", "").replace("\n", "↵").replace("\t", "⇥")


def shared(text: str, other: str) -> int:
    """How many characters two texts begin with alike."""
    alike = (i for i, (one, two) in enumerate(zip(text, other, strict=False)) if one != two)
    return next(alike, min(len(text), len(other)))


def counted(choices: float) -> str:
    """1.3 choices, 79 choices, 4,370 choices: as many digits as say something."""
    if choices < 9.95:
        return f"{choices:.1f} choices"
    if choices < 999.5:
        return f"{choices:.0f} choices"
    digits = 10 ** (math.floor(math.log10(choices)) - 2)
    return f"{round(choices / digits) * digits:,} choices"
