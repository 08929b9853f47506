"""The two kinds of exercises, a choice and a function, and how answers to them are judged.

Nothing here raises for what a reader writes. What is wrong with a function is computed: it is run beside the solution
and beside each known mistake, on the same inputs, and the first whose numbers agree says what happened.
"""

import inspect
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from kdlab.core import answers
from kdlab.core.metrics import Estimate
from kdlab.lessons import card

Kind = Literal["right", "wrong", "other", "unfinished"]
Function = Callable[..., Any]
Arguments = Callable[[], tuple[Any, ...]]  # fresh ones at each call


@dataclass(frozen=True)
class Verdict:
    """What is said to an answer. "wrong" is a mistake that we know, "other" one that we do not."""

    kind: Kind
    text: str

    def __str__(self) -> str:
        return self.text

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, str]:
        return {"text/plain": self.text, "text/html": card.verdict(self)}


@dataclass(frozen=True)
class Parts:
    """What of an exercise is code, where it asks for a function (`Code`).

    ``mistakes`` have the names under which their words stand. ``cases`` are inputs on which functions are compared, by
    the words that a reader sees: "For w = 0.6, 0.4 and β = 5 yours gives ...".
    """

    solution: Function
    mistakes: Mapping[str, Function]
    cases: Mapping[str, Arguments]


@dataclass(frozen=True)
class Exercise:
    """What both kinds of exercises have.

    ``right`` is said to a right answer: why it is right. ``wrong`` has, for each common wrong answer (an option's text,
    or a function that makes the mistake), what to say to it: what was probably done, why it is not so, where to look.
    """

    id: str
    title: str
    task: str
    hints: tuple[str, ...]
    right: str
    wrong: Mapping[Any, str]

    def check(self, answer: Any) -> Verdict:
        """Judge an answer, and keep it beside the notebook."""
        raise NotImplementedError

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        from kdlab.lessons.exercise_view import view  # widgets, which judging does without

        live, metadata = view(self)
        return {"text/plain": card.plain(self), "text/html": card.page(self), **live}, metadata

    @property
    def options(self) -> tuple[str, ...]:
        """The options to choose from, in the order shown; none where a function is asked for."""
        return ()

    @property
    def source(self) -> str:
        """The source of the solution where it is a function, as a reader may see it after a click."""
        return ""

    @property
    def key(self) -> str:
        """The name under which answers to it are kept (kdlab.core.answers)."""
        return f"exercise {self.id}"

    def _keep(self, entry: dict[str, Any], kind: Kind, text: str) -> Verdict:
        """Keep the answer beside the notebook and return the verdict, with a word where that was not possible."""
        trouble = answers.keep(self.key, {"question": self.title, **entry, "right": kind == "right"})
        return Verdict(kind, f"{text} {trouble}".strip())


@dataclass(frozen=True)
class Choice(Exercise):
    """A prediction and a reason: one option, ``answer``, is right, and is shown as number ``place``.

    The reason is kept with the answer and not graded: it is there to be read again after the solution.
    """

    answer: str
    place: int

    @property
    def options(self) -> tuple[str, ...]:
        """All options in the order shown."""
        wrong = list(self.wrong)
        return (*wrong[: self.place - 1], self.answer, *wrong[self.place - 1 :])

    def check(self, answer: Any, reason: str = "") -> Verdict:
        """Judge an option, given by its text or by its number (1 for the first), and keep it with its reason."""
        verdict = self.judge(answer)
        if verdict.kind == "unfinished":
            return verdict
        return self._keep({"answer": self.option(answer), "reason": str(reason)}, verdict.kind, verdict.text)

    def judge(self, answer: Any) -> Verdict:
        """Judge an option, and keep nothing."""
        option = self.option(answer)
        if option is None:
            return Verdict("unfinished", self._ask(answer))
        if option == self.answer:
            return Verdict("right", f"Right. {self.right}")
        return Verdict("wrong", f"Not this one. {self.wrong[option]}")

    def option(self, answer: Any) -> str | None:
        """Return the option that ``answer`` names, None if it names none."""
        if isinstance(answer, str):
            wanted = " ".join(answer.split()).casefold().rstrip(".")
            named = next((one for one in self.options if one.casefold().rstrip(".") == wanted), None)
            if named is not None or not wanted.isdecimal():
                return named
            answer = int(wanted)
        if isinstance(answer, int | np.integer) and not isinstance(answer, bool) and 1 <= answer <= len(self.options):
            return self.options[int(answer) - 1]
        return None

    def _ask(self, answer: Any) -> str:
        if answer is None or answer is Ellipsis or (isinstance(answer, int) and answer == 0):
            return f"Not answered yet: choose an option, or give its number, 1 to {len(self.options)}."
        return f"{_short(answer)} is not an option here: give the number of one, 1 to {len(self.options)}."


@dataclass(frozen=True)
class Code(Exercise):
    """A function of about three lines. ``solution`` is that function, and its own source is what is shown.

    Answers are compared on all ``cases``: they agree within ``tolerance``, absolute, in the unit of the result.
    ``advice`` is said where an answer is neither right nor a known mistake.
    """

    solution: Function
    cases: Mapping[str, Arguments]
    tolerance: float
    advice: str

    @property
    def source(self) -> str:
        """The solution as it stands in its module."""
        return _source(self.solution)

    @property
    def signature(self) -> str:
        """The first line of the function that the reader writes."""
        return f"def {self.solution.__name__}{inspect.signature(self.solution)}:"

    def check(self, answer: Any) -> Verdict:
        """Judge a function that the reader wrote."""
        try:
            results = [self._result(answer, *case) for case in self.cases.items()]
        except _Unfinished as said:
            return Verdict("unfinished", str(said))
        entry = {"answer": _source(answer)}
        different = self._difference(results, self.solution)
        if not different:
            return self._keep(entry, "right", f"Right. {self.right}")
        for mistake, why in self.wrong.items():
            if not self._difference(results, mistake):
                return self._keep(entry, "wrong", f"Not yet. {why}")
        return self._keep(entry, "other", f"Not yet. {different} {self.advice}")

    def _result(self, function: Any, words: str, make: Arguments) -> list[Any]:
        """Run the reader's function on a case; its result as arrays. Raises _Unfinished where there is none."""
        name = self.solution.__name__
        if function is None or function is Ellipsis:
            raise _Unfinished(f"Not answered yet: write {name}, and check it again.")
        if not callable(function):
            raise _Unfinished(f"This is {_short(function)}, not a function: write check({name}), without calling it.")
        arguments, wanted = make(), self.solution(*make())
        if not _takes(function, arguments):
            pair = f"{inspect.signature(self.solution)}, yours takes {inspect.signature(function)}"
            raise _Unfinished(f"{name} is called with {pair}: give it the same arguments.")
        try:
            result = function(*arguments)
        except (Exception, SystemExit) as error:
            raise _Unfinished(f"{_stopped(error)} This was for {words}.") from None
        return _comparable(result, wanted, name)

    def _difference(self, results: list[Any], function: Function) -> str:
        """Say on which case a function gives something else than these results; empty if it gives the same on all."""
        for (words, make), values in zip(self.cases.items(), results, strict=True):
            wanted = function(*make())
            expected = _arrays(wanted, wanted)
            if not all(np.allclose(a, b, rtol=0, atol=self.tolerance) for a, b in zip(values, expected, strict=True)):
                return f"For {words} yours gives {_written(values)}, not {_written(expected)}."
        return ""


# Looking at a reader's function, and at what it returns


class _Unfinished(Exception):
    """Raised with what to say where an answer cannot be compared."""


def _takes(function: Function, arguments: tuple[Any, ...]) -> bool:
    """Say whether a function can be called so; one that does not say what it takes will tell when it is called."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return True
    try:
        signature.bind(*arguments)
    except TypeError:
        return False
    return True


def _arrays(result: Any, wanted: Any) -> list[Any]:
    """A result as float arrays: one, or as many as there are where the solution returns a tuple."""
    return [np.asarray(one, dtype=float) for one in (result if isinstance(wanted, tuple) else (result,))]


def _comparable(result: Any, wanted: Any, name: str) -> list[Any]:
    """A result as arrays of the shapes that are wanted. Raises _Unfinished, with what to say, for any other."""
    if any(one is None or one is Ellipsis for one in (result if isinstance(result, tuple | list) else [result])):
        raise _Unfinished(f"Not answered yet: fill in {name}, and check it again. It has to return something.")
    if isinstance(result, Estimate):
        raise _Unfinished(f"{name} returns an Estimate, and a plain number is wanted: add .value.")
    parts = len(wanted) if isinstance(wanted, tuple) else 0
    if parts and (not isinstance(result, tuple | list) or len(result) != parts):
        raise _Unfinished(f"{name} returns {_short(result)}: return {parts} things, with a comma between them.")
    try:
        arrays = _arrays(result, wanted)
    except Exception:  # whatever an object does that is asked to become numbers
        raise _Unfinished(f"{name} returns {_short(result)}, which is not made of numbers: return numbers.") from None
    for one, other in zip(arrays, _arrays(wanted, wanted), strict=True):
        if one.shape != other.shape:
            shapes = f"{_shape(one)} where {_shape(other)} is wanted"
            raise _Unfinished(f"{name} returns {shapes}: look at what you sum or average over.")
        if not np.isfinite(one).all():
            raise _Unfinished(f"{name} returns {_written([one])}: look for a logarithm of zero or a division by zero.")
    return arrays


def _stopped(error: BaseException) -> str:
    """Say what a function stopped with, and what helps where it took an Estimate for a number."""
    said = f"{type(error).__name__}: {error}".strip(": ")
    advice = " An Estimate is no plain number: add .value." if Estimate.__name__ in said else ""
    return f"Your function stopped with {said}.{advice}"


def _shape(array: Any) -> str:
    return f"an array of shape {array.shape}" if array.ndim else "one number"


def _written(arrays: list[Any]) -> str:
    texts = [np.array2string(one, precision=3, separator=", ", threshold=12) for one in arrays]
    return " and ".join(" ".join(text.split()) for text in texts).replace("-", "\N{MINUS SIGN}")


def _short(value: Any) -> str:
    """A value in a few words, whatever it is."""
    try:
        text = " ".join(repr(value).split())
    except Exception:
        text = f"something of type {type(value).__name__}"
    return text if len(text) <= 60 else f"{text[:57]}..."


def _source(function: Function) -> str:
    """The reader's own lines, where Python still knows them."""
    try:
        return textwrap.dedent(inspect.getsource(function)).strip()
    except (OSError, TypeError):
        return str(getattr(function, "__name__", "a function"))
