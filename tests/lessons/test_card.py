"""How an exercise looks: its solution is a click away in every form, and what is shown is what is run."""

import ast
import re
from math import comb
from typing import Any
from xml.etree import ElementTree

import numpy as np
from support.exercises import every_code, every_exercise

from kdlab import recall
from kdlab.lessons import card
from kdlab.lessons.kinds import Code, Exercise


class Folds:
    """The text of a page: what is in view, and what is inside <details>; summaries are in view."""

    def __init__(self, page: str) -> None:
        whole = ElementTree.fromstring(f"<div>{page}</div>")  # which refuses a tag that is not closed
        self.tags = {one.tag for one in whole.iter()}
        assert not any(name.startswith("on") or name == "open" for one in whole.iter() for name in one.attrib)
        for style in whole.findall("style"):
            style.text = ""
        hidden = [(fold, part) for fold in whole.iter("details") for part in fold if part.tag != "summary"]
        self.folded = "".join(text for _, part in hidden for text in part.itertext())
        for fold, part in hidden:
            fold.remove(part)
        self.seen = "".join(whole.itertext())


def flat(text: str) -> str:
    return " ".join(text.replace("\N{NO-BREAK SPACE}", " ").replace("`", "").split())


@every_exercise
def test_the_solution_is_a_click_away_in_every_form(one: Exercise) -> None:
    bundle, _ = one._repr_mimebundle_()
    page = Folds(bundle["text/html"])
    seen, folded = flat(page.seen), flat(page.folded)
    assert not page.tags & {"script", "iframe", "img", "link"}
    solution = [line.strip() for line in one.source.splitlines()[1:]]
    for piece in map(flat, [*solution, *re.split(r"(?<=[.:]) ", one.right)]):  # and the reason of the right answer
        assert piece in folded
        assert piece not in seen and piece not in flat(bundle["text/plain"]), piece
    assert flat(one.title) in seen and all(part in seen for part in map(flat, one.task.split("\n\n")))
    assert flat(one.task) in flat(bundle["text/plain"])
    for hint in map(flat, one.hints):
        assert hint in folded and hint not in seen and hint not in flat(bundle["text/plain"])
    assert "Solution" in seen and "a click away" in bundle["text/plain"]
    for option in one.options:  # none stands out
        assert bundle["text/plain"].count(option) == seen.count(flat(option)) == 1


@every_exercise
def test_no_mark_that_a_card_does_not_know_is_left_standing(one: Exercise) -> None:
    """A card knows `code` alone: an asterisk before a word would be read as one, beside p*."""
    texts = [one.title, one.task, one.right, *one.hints, *one.wrong.values()]
    texts += [*one.options, getattr(one, "advice", "")]
    assert [text for text in texts if re.search(r"(?<![\w*])[*_]+\w", re.sub(r"`[^`]*`", "", text))] == []


@every_code
def test_what_is_shown_is_what_is_run(one: Code) -> None:
    names: dict[str, Any] = {"np": np, "recall": recall, "comb": comb}  # what the notebooks import
    exec(one.source, names)
    assert one.check(names[one.solution.__name__]).kind == "right"
    assert one.source in Folds(card.page(one)).folded
    body = ast.parse(one.source).body[0].body[1:]  # type: ignore[attr-defined]
    assert len(body) <= 3  # of about three lines
    assert max(map(len, one.source.splitlines())) <= 80  # no scrolling in a card
