"""Every error that a person can meet says what to do about it."""

import ast
import re

from list_errors import found, messages

# What a message asks its reader to do; one of these is in each.
DOING = set(
    """
add answer ask begin bring build call choose delete divide draw drop fill get give install keep leave look make mend
move name open pass project read return run save say score set show start temper try use wait write
""".split()
)
# These are no whole messages: others are made of them, and say what to do.
PARTS = {
    "{(said or ['none'])[-1]}", "{scene} holds other numbers than this version of kdlab computes", "{error.strerror}",
    "{path} cannot be written ({why}){then or f'. {_ADVICE}'}", "{trouble}", "{str(error)}",
    "it has schema {content['schema']}, and this kdlab reads {SCHEMA}",
}  # fmt: skip
REASONS = ("kdlab/mixtures/_lines.py", "kdlab/mixtures/_quadrature.py")  # why nothing is exact, for such messages


def test_every_error_says_what_to_do() -> None:
    every = list(messages())
    assert len(every) > 200
    assert [f"{where}: {text}" for where, _, text in every if not where.startswith(REASONS) and not asks(text)] == []


def asks(text: str) -> bool:
    """Say whether a message asks for something in its own words."""
    words = re.findall(r"[a-z]+", re.sub(r"\{[^{}]*\}", "", text.lower()))
    return text in PARTS or not DOING.isdisjoint(words)


def test_an_error_is_listed_with_its_fields_and_whatever_they_say() -> None:
    code = """
RULE = "it must be odd"
def advice(n):
    return f"try {n + 1}"
def check(n):
    if n % 2 == 0:
        raise ValueError(f"n is {n!r}: {RULE}; {advice(n)}")
    if n < 0:
        raise OSError(5, "no " + ("one" if n else "two"))
    raise
"""
    assert [tuple(one) for one in found("a.py", ast.parse(code))] == [
        ("a.py:7", "ValueError", "n is {n}: it must be odd; try {n + 1}"),
        ("a.py:9", "OSError", "no [one | two]"),
    ]
