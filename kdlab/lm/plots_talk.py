"""What the recorded students answered, as a static picture: a column for each, as they were recorded."""

import textwrap

from kdlab.lm.talking import SHOWN, answers, label, words
from kdlab.pictures.figure import INK, QUIET, STYLE, Picture, our_settings

__all__ = ["recorded"]

_ACROSS, _LETTERS, _LINE = 1.86, 27, 0.165  # inches of a column, letters of a line, inches of a line


@our_settings()
def recorded(*, counts: bool = True) -> Picture:
    """Each student's first texts after the first beginning; with ``counts``, how many openings differ."""
    told = answers()
    first, students = told["beginnings"][0], [name for name in told["names"] if name != "teacher"]
    cut = {name: [textwrap.wrap(text.strip(), _LETTERS) for text in first["texts"][name][:SHOWN]] for name in students}
    tall = [max(len(cut[name][i]) for name in students) for i in range(SHOWN)]
    made = Picture(0.3 + _ACROSS * len(students), 1.25 + _LINE * sum(tall) + 0.12 * SHOWN)
    made.write(0.15, 0.3, f"Five students go on from “{first['text']}”", 13)
    for i, name in enumerate(students):
        left, down = 0.15 + _ACROSS * i, 0.72
        made.write(left, down, label(name), 11, STYLE["direct" if name == "direct" else "distilled"].ink)
        if counts:
            made.write(left, down + 0.2, f"{first['different'][name]} different openings", 9, QUIET)
        for lines, room in zip(cut[name], tall, strict=True):
            for k, line in enumerate(lines):
                made.write(left, down + 0.46 + _LINE * k, line, 8.5, INK)
            down += _LINE * room + 0.12
    made.words = words(not counts)
    return made
