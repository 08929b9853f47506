"""What a reader predicted in the notebooks, beside what happened: the table at the end of notebook 08.

Guesses are read from the reader's own file (kdlab.core.answers); questions and outcomes from kdlab.lessons.predictions.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from kdlab.core import answers
from kdlab.lessons import card
from kdlab.lessons.predictions import QUESTIONS, Question, question


@dataclass(frozen=True)
class Row:
    """One question; ``guess`` is the option that the reader committed, None where none is kept."""

    question: Question
    guess: str | None

    @property
    def place(self) -> str:
        """Where it is asked."""
        return f"notebook {self.question.id[:2]}, “{self.question.section}”"

    @property
    def guessed(self) -> str:
        """What stands in the column of guesses."""
        return f"You made no guess here: {self.place}, asks." if self.guess is None else self.guess

    @property
    def came_true(self) -> bool | None:
        """Whether the guess is what happened; None where there is no guess, or no option says what happened."""
        if self.guess is None or self.question.answer is None:
            return None
        return self.guess == self.question.answer

    @property
    def happened(self) -> str:
        """What happened, and whether it is what was guessed; nothing where nothing was."""
        if self.guess is None:
            return ""
        said = {True: "As you guessed", False: "Otherwise", None: "None of the options says quite this"}
        first, _, _ = self.question.outcome.partition(". ")  # what follows points to places in its own notebook
        whole = f"{said[self.came_true]}: {first.rstrip('.')}."
        return whole if self.came_true else f"{whole} See {self.place}."


@dataclass(frozen=True)
class Review:
    """All questions with what was guessed; ``trouble`` says why guesses could not be read, if so."""

    rows: tuple[Row, ...]
    trouble: str = ""

    @property
    def summary(self) -> str:
        """One sentence over all rows."""
        made = [row for row in self.rows if row.guess is not None]
        if self.trouble:
            return f"Your guesses could not be read: {self.trouble}"
        if not made:
            return f"You have made none of the {len(self.rows)} guesses yet."
        true = sum(row.came_true is True for row in made)
        return f"You made {len(made)} of {len(self.rows)} guesses; {true} of them came true."

    def __str__(self) -> str:
        parts = [f"{row.question.text}\n   {row.guessed}\n   {row.happened}".rstrip() for row in self.rows]
        return "\n".join([*parts, self.summary])

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, str]:
        return {"text/plain": str(self), "text/html": _page(self)}


def review(results: Mapping[str, Any] | None = None, folder: str | Path | None = None) -> Review:
    """Return every prediction of the notebooks beside what happened; in a notebook, the last line of a cell.

    ``results`` are those of the run that 07 reads; ``folder`` is where answers are kept, as in `answers.read`. A kept
    guess counts while it is among the options. A file that cannot be read is said, and not raised.
    """
    trouble = ""
    try:
        kept = answers.read(folder)
    except answers.AnswersError as error:
        kept, trouble = {}, str(error)
    asked = [question(one.id, results) for one in QUESTIONS]
    return Review(tuple(Row(one, _guess(kept.get(one.key), one.options)) for one in asked), trouble)


def _guess(entry: Any, options: Sequence[str]) -> str | None:
    guess = entry.get("guess") if isinstance(entry, dict) else None
    return guess if guess in options else None


def _page(review: Review) -> str:
    """A table in the look of the exercises; aligned cell by cell, as JupyterLab has tables on the right."""
    lines = [_line("th", 'scope="col"', ("The question", "You guessed", "What happened"))]
    lines += [_line("td", "", (row.question.text, row.guessed, row.happened)) for row in review.rows]
    caption = f'<caption style="text-align: left">{escape(review.summary, quote=False)}</caption>'
    return f'{card.STYLE}<div class="kdlab-card"><table>{caption}{"".join(lines)}</table></div>'


def _line(tag: str, scope: str, cells: Sequence[str]) -> str:
    start = " ".join(filter(None, (tag, scope, 'style="text-align: left; vertical-align: top"')))
    return "<tr>" + "".join(f"<{start}>{card.inline(cell)}</{tag}>" for cell in cells) + "</tr>"
