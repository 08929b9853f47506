"""Words and code of the exercises: joined where they fit, and said with file, exercise and rule where they do not."""

from pathlib import Path

import pytest

from kdlab.lessons import card, catalogue, words
from kdlab.lessons.kinds import Choice, Code, Parts

HINTS = '["""\n    Look\n    there.\n\n    Then here.\n    """, "Last."]'
BOTH = f'title = "One"\ntask = """\nA line\nand another.\n\nA paragraph.\n"""\nright = "Yes."\nhints = {HINTS}\n'
CHOICE = f'["06.1"]\n{BOTH}answer = "b"\nplace = 2\n["06.1".wrong]\na = """\nNot\na."""\n'
CODE = (
    f'["06.2"]\n{BOTH}advice = "Try 1."\ntolerance = 1e-6\n["06.2".wrong]\nhalf = "Not half."\ntwice = "Not twice."\n'
)
PARTS = Parts(lambda x: x, {"twice": lambda x: 2 * x, "half": lambda x: x / 2}, {"one": lambda: (1.0,)})


def test_a_line_break_is_a_space_and_a_task_keeps_its_lines(folder: Path) -> None:
    (folder / "nb06.toml").write_text(CHOICE + CODE, encoding="utf-8")
    choice, code = words.read(folder / "nb06.toml", {"06.2": PARTS})
    for one in (choice, code):
        assert one.hints == ("Look there.\n\nThen here.", "Last.")
        assert one.task == "A line\nand another.\n\nA paragraph."
        assert "<p>A line and another.</p><p>A paragraph.</p>" in card.page(one)
    assert isinstance(choice, Choice) and choice.options == ("a", "b") and choice.wrong == {"a": "Not a."}
    assert isinstance(code, Code) and list(code.wrong.values()) == ["Not half.", "Not twice."]  # in the order of words
    said = [code.check(PARTS.mistakes[name]).text for name in ("half", "twice")]
    assert said == ["Not yet. Not half.", "Not yet. Not twice."] and code.check(PARTS.solution).kind == "right"


def test_choices_need_no_python(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "nb06.toml").write_text(CHOICE, encoding="utf-8")
    monkeypatch.setattr(catalogue, "_FOLDER", folder)
    assert [one.id for one in catalogue.exercises_of("06")] == ["06.1"]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('title = "One"', 'title = "One', " is not TOML in UTF-8: .*line 2"),
        ("half =", "twice =", " is not TOML in UTF-8: Cannot overwrite"),  # one mistake twice
        ('["06.1"]', "[06.1]", r': 06 is no exercise here: begin one with \["06\.1"\], in quotes\.'),
        ('["06.1"]', '"06.3" = 1\n["06.1"]', ": 06.3 is no exercise here"),
        ("06.2", "06.3", r": every exercise with code in nb06\.py has its words here\. Missing: 06\.2\."),
        ("place =", "plaec =", r", 06\.1: a choice.* has the keys .*, place\. Missing: place\. Unknown: plaec\."),
        ("advice =", "answer =", r", 06\.2: a function.* has the keys .*\. Missing: advice\. Unknown: answer\."),
        ("half =", "hafl =", r", 06\.2: every mistake in the code has its words .*\. Missing: half\. Unknown: hafl\."),
        ("place = 2", "place = 3", r", 06\.1, place: write the number of the answer .*, 1 to 2\. It is 3\."),
        ('answer = "b"', 'answer = "a"', r", 06\.1, answer: it is not among the wrong ones\. It is 'a'\."),
        (
            'answer = "b"',
            'answer = " "',
            r", 06\.1, answer: write a text in quotes, and not an empty one\. It is ' '\.",
        ),
        (HINTS, '"Last."', r", 06\.1, hints: write a list of texts\. It is 'Last\.'\."),
        ('"Last."', "3", r", 06\.1, hints: write a text in quotes, .* It is 3\."),
        ('["06.1".wrong]\na', "wrong", r', 06\.1, wrong: write a table, \["06\.1"\.wrong\], of texts\.'),
        ('"Not half."', "[]", r", 06\.2, wrong, half: write a text in quotes, .* It is \[\]\."),
        ("tolerance = 1e-6", "tolerance = 0", r", 06\.2, tolerance: write a number above 0, such as 1e-6\. It is 0\."),
    ],
)
def test_what_does_not_hold_is_said_with_file_exercise_and_rule(folder: Path, old: str, new: str, said: str) -> None:
    assert old in CHOICE + CODE
    (folder / "nb06.toml").write_text((CHOICE + CODE).replace(old, new), encoding="utf-8")
    with pytest.raises(ValueError, match=rf"^nb06\.toml{said}"):
        words.read(folder / "nb06.toml", {"06.2": PARTS})
