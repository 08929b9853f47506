"""What the recorded students answered, and what they are: read from the package, with neither PyTorch nor a picture."""

from functools import cache
from pathlib import Path
from typing import Any

from kdlab.core.files import read_object
from kdlab.core.format import signed
from kdlab.lm.folder import read_results, recorded_folder
from kdlab.lm.report.changes import aligned
from kdlab.lm.sizes import size_named

SHOWN = 3  # continuations of each student, before the reader asks for more
_EPS = 1e-5  # of RMSNorm in our models: rms_norm_eps


def answers() -> dict[str, Any]:
    """What the students answered when they were recorded, as scripts/record_talk.py describes it."""
    return _answers(weights_folder())


def weights_folder() -> Path:
    """Where the recorded weights lie."""
    return recorded_folder() / "cpu" / "weights"


@cache
def _answers(place: Path) -> dict[str, Any]:
    return read_object(place / "talk.json")


def models() -> list[dict[str, Any]]:
    """The models as the page has them, the teacher last: name, role, label and shape."""
    config, made = read_results(recorded_folder() / "cpu")["config"], []
    for name in answers()["names"]:
        size = size_named(config["teacher"] if name == "teacher" else config["student"])
        sizes = {"layers": size.layers, "heads": size.heads, "kvHeads": size.kv_heads, "theta": size.rope_theta}
        role = name if name in ("teacher", "direct") else "distilled"
        made.append({"name": name, "role": role, "label": label(name), "sizes": {**sizes, "eps": _EPS}})
    return made


def label(name: str) -> str:
    """A model's name as readers know it: "τ = 0.9" of "tau-0.9"."""
    return name.replace("tau-", "τ = ")


def talk_table() -> str:
    """What was recorded as a table: each model's recall, in nats per token, and how many of its twelve texts differ.

    Two texts differ where their first three words do (report.attempts.opening). In brackets: the mean of a hundred
    other draws of twelve, whose standard error is at most 0.15.
    """
    told, seed = answers(), recalls()
    begun = [one["text"] for one in told["beginnings"]]
    rows = [["", "recall", *(f"“{text}”" for text in begun)]]
    for name in told["names"]:
        counts = [f"{one['different'][name]} ({one['openings'][name][0]:.1f})" for one in told["beginnings"]]
        rows.append([label(name), signed(seed[name]), *counts])
    return aligned([10, 8, *(max(len(text) + 4, 12) for text in begun)], rows)


def recalls() -> dict[str, float]:
    """Recall of the models that answer, before their weights were rounded, in nats per token."""
    return {name: told["recall"] for name, told in read_object(weights_folder() / "weights.json")["models"].items()}


def words(covered: bool) -> str:
    """What was recorded, in words: a text of each student, or, where nothing is asked any more, how many differ."""
    told = answers()
    first, students = told["beginnings"][0], [name for name in told["names"] if name != "teacher"]
    if covered:
        said = "; ".join(f"{label(name)}: “{first['texts'][name][0].strip()}”" for name in students)
        return f"Five students go on from “{first['text']}”. One text of each: {said}."
    counts = ", ".join(f"{first['different'][name]} of {label(name)}" for name in students)
    return f"After “{first['text']}”, how many of {told['rows']} texts differ in their first three words: {counts}."
