"""Choosing an option on the page: the only place of the exercises where ipywidgets is loaded."""

from __future__ import annotations

from typing import Any

from kdlab import answers
from kdlab.exercises import cards
from kdlab.exercises.frame import Choice

__all__ = ["build", "view"]


def view(exercise: Choice) -> dict[str, Any]:
    """Return the form as an entry of a mimebundle; nothing of it is saved with a committed notebook."""
    return {mime: value for mime, value in (build(exercise)._repr_mimebundle_() or {}).items() if "widget-view" in mime}


def build(exercise: Choice) -> Any:
    """Build the form: the question, the options, a reason, a button, and below them what is said to the answer."""
    import ipywidgets as w

    full = w.Layout(width="100%", max_width="46em")
    options = w.RadioButtons(
        options=[(option.replace("`", ""), option) for option in exercise.options],
        value=None,
        description="Your answer",
        style={"description_width": "0"},
        layout=full,
    )
    reason = w.Textarea(description="Because", placeholder="One sentence is enough.", rows=2, layout=full)
    button = w.Button(description="Check", tooltip=f"Check the answer to exercise {exercise.id}")
    said = w.HTML(layout=full)
    for one in (options, reason):
        one.description_allow_html = False

    def on_click(_: Any) -> None:
        verdict = exercise.check(options.value, reason.value)
        if verdict.kind == "unfinished":
            said.value = cards.verdict(type(verdict)("unfinished", "Choose an option first."))
        else:
            said.value = cards.verdict(verdict)

    button.on_click(on_click)
    options.value, reason.value = _kept(exercise)
    question = w.HTML(f'{cards.STYLE}<div class="kdlab-card">{cards.question(exercise)}</div>')
    fold = w.HTML(f'<div class="kdlab-card">{cards.folded(exercise)}</div>')
    return w.VBox([question, options, reason, button, said, fold])


def _kept(exercise: Choice) -> tuple[str | None, str]:
    """The option and the reason that the reader gave before, as far as they still make sense."""
    try:
        entry = answers.read().get(f"exercise {exercise.id}", {})
    except answers.AnswersError:
        return None, ""  # said when the reader answers: a look alone must not fail
    if not isinstance(entry, dict) or entry.get("answer") not in exercise.options:
        return None, ""
    return entry["answer"], str(entry.get("reason", ""))
