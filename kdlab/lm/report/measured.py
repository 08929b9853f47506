"""What a measurement says (`kdlab measure`): a table, differences with their errors, what to bear in mind, a page.

Everything is read from results.json. No PyTorch.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from kdlab.core.files import written_whole
from kdlab.core.format import percent, signed
from kdlab.lm.report.changes import Change, Results, aligned, change, larger_error
from kdlab.lm.report.summary import NAMES
from kdlab.lm.report.units import openings_of, unit_of

PERS = ("token", "sequence", "byte")
_UNITS = {"precision": "k-NN prec.", "recall": "k-NN recall", "vendi": "Vendi", "openings": "openings"}
_TWO = ("precision", "recall")
_SHOWN = 4  # texts of each model


def unit(results: Results) -> str:
    """Per what numbers are shown: tokens where all models have p*'s, else bytes, which all texts have."""
    return "token" if all("token" in one["recall"] for one in results["models"]) else "byte"


def truth_named(results: Results) -> str:
    """Which model p* is, and how many of its tokens it has where some were cut."""
    truth = results["truth"]
    name = NAMES.get(truth["name"], str(truth["name"]))
    return f"{name} ({truth['vocabulary']:,} of its tokens)" if truth["cut"] else name


def about(results: Results) -> str:
    """One line: what was measured, on which texts."""
    config = results["config"]
    begun = "answers to instructions" if config["prompts"] else f"texts after {config['prompt']!r}"
    if not (config["prompt"] or config["prompts"]):
        begun = "texts from nothing on"
    tau = "" if config["tau"] == 1 else f", models at τ = {config['tau']:g}"
    cut = f", {config['truncation'].replace('-', ' ').replace(' ', '-', 1)}" if config["truncation"] else ""
    return (
        f"p* {truth_named(results)}: {config['texts']:,} {begun} of each, at most {config['length']} tokens"
        f"{tau}{cut}; {results['device']}, {results['date']}"
    )


def table(results: Results, per: str | None = None) -> str:
    """Precision, recall and entropy of every model as text, in nats per "token", "sequence" (a text) or "byte".

    Raises ValueError for another unit, and for tokens where a model does not have p*'s.
    """
    per = per or unit(results)
    if per not in PERS:
        raise ValueError(f"per is {per!r}: choose one of {', '.join(PERS)}")
    others = [one["name"] for one in results["models"] if per not in one["recall"]]
    if others:
        raise ValueError(
            f"nats per token of {', '.join(others)} are not comparable: other tokens than p*'s; choose sequence or byte"
        )
    lines = [about(results), _numbers(results, per), "± one standard error over texts"]
    lines += [_unit_table(results)] if _units(results) else []
    lines += [f"not measured yet: {', '.join(results['missing'])}"] if results["missing"] else []
    return "\n".join([*lines, *notes(results)])


def _numbers(results: Results, per: str) -> str:
    """Precision, recall and entropy of p* and of every model."""
    own = _number(results["truth"]["negative_entropy"][per])
    rows = [(f"nats per {_per(per)}", "precision", "recall", "entropy")]
    rows.append(("p* itself", own, own, _entropy(results["truth"], per)))
    for one in results["models"]:
        rows.append((one["name"], *(_number(one[what][per]) for what in _TWO), _entropy(one, per)))
    return aligned((18, 18, 18, 18), rows)


def _unit_table(results: Results) -> str:
    """Practitioners' units of p* (other texts of it) and of every model."""
    units = _units(results)
    rows = [("", *units), ("p* itself", *_row(results, "truth", units))]
    rows += [(one["name"], *_row(results, one["name"], units)) for one in results["models"]]
    return aligned((18, *[max(15, len(name) + 2) for name in units]), rows)


def _per(per: str) -> str:
    return {"sequence": "text"}.get(per, per)


def _number(estimate: Mapping[str, Any]) -> str:
    return f"{signed(estimate['value'])} ± {larger_error(estimate):.2f}"


def _entropy(model: Mapping[str, Any], per: str) -> str:
    """Minus what a model gives its own texts; nothing where it is not known, or not in this unit."""
    own = model.get("negative_entropy", {}).get(per)
    return "" if own is None else f"{-own['value']:.2f} ± {larger_error(own):.2f}"


def _units(results: Results) -> list[str]:
    """The practitioners' units that are there, as `units.compared` names them, in columns' order."""
    found = results.get("units", {}).get("models", {}).values()
    there = {what for each in found for one in each for what in one}
    n = openings_of(results["units"]["texts"]) if there else 0
    return [name if what != "openings" else f"openings of {n}" for what, name in _UNITS.items() if what in there]


def _row(results: Results, name: str, columns: Sequence[str]) -> list[str]:
    """A model's numbers in the units of the columns."""
    of = {shown.split(" of ")[0]: what for what, shown in _UNITS.items()}
    each = results.get("units", {}).get("models", {}).get(name, [{}])[0]
    cells = []
    for column in columns:
        what = of[column.split(" of ")[0]]
        found = unit_of(results, name, what) if what in each else None
        cells.append(f"{found.value:.2f} ± {found.error:.2f}" if found else "")
    return cells


# Differences


def differences(results: Results, per: str | None = None) -> dict[str, tuple[Change, Change]]:
    """How far each model is from the first one: changes of precision and of recall, nats, by name.

    Recalls are of the same texts of p*: what their errors have in common is left out.
    """
    per = per or unit(results)
    first, *others = results["models"] or [None]
    return {
        one["name"]: (change(results, first, one, "precision", per), change(results, first, one, "recall", per))
        for one in others
    }


def sentences(results: Results, per: str | None = None) -> str:
    """What the differences say, a line for each model after the first."""
    found, first = differences(results, per), next(iter(results["models"]), {"name": ""})["name"]
    told = {(1, -1): "more precise, and recalls less", (-1, 1): "less precise, and recalls more",
            (1, 1): "better at both", (-1, -1): "worse at both", (0, 0): "not told apart by these texts"}  # fmt: skip
    lines = []
    for name, both in found.items():
        p, r = (int(math.copysign(1, one.value)) if one.seen else 0 for one in both)
        parts = [f"{'more' if p > 0 else 'less'} precise"] * abs(p) + [f"recalls {'more' if r > 0 else 'less'}"] * abs(
            r
        )
        words = told.get((p, r)) or parts[0]
        lines.append(f"{name} beside {first}: precision {both[0]}, recall {both[1]} nats: {words}.")
    return "\n".join(lines)


# What to bear in mind


def notes(results: Results) -> list[str]:
    """Sentences about tokens, ends and settings, where there is something to bear in mind."""
    lines = []
    for one in results["models"]:
        known = one["about"]
        if not one["tokens_shared"]:
            lines.append(
                f"{one['name']} has other tokens than p*: each reads its own spelling of a text, and other spellings "
                f"are left out. {_left_out(one['name'], known)}"
            )
    if spelt := _left_out("p*", results["truth"]) if any(not one["tokens_shared"] for one in results["models"]) else "":
        lines.append(spelt)
    cut = [(one["name"], one["about"]["cut_short"]) for one in results["models"]]
    cut = [("p*", results["truth"]["cut_short"]), *cut]
    if any(share > 0 for _, share in cut):
        shares = ", ".join(f"{name} {percent(share)}" for name, share in cut)
        lines.append(f"texts that were cut at their length: {shares}")
    if results["config"]["truncation"]:
        lines.append(
            "recall is that of the models before their likeliest tokens were singled out: after it, it is -inf"
        )
    return lines


def _left_out(name: str, known: Mapping[str, Any]) -> str:
    """How much other spellings of a model's own texts hold: minus the log of the share that comes back the same."""
    share = float(known["spelt_as_read"])
    if share >= 1:
        return f"All of the texts of {name} come back as the same tokens."
    if not share:
        return (
            f"None of the texts of {name} come back as the same tokens: nearly all of their probability is elsewhere."
        )
    return (
        f"Of the texts of {name}, {percent(share)} come back as the same tokens: so other spellings hold at least "
        f"{-math.log(share):.2f} nats a text, on average."
    )


# A page


def page(results: Results, picture: bytes) -> str:
    """Return the measurement as an HTML page that is whole by itself; ``picture`` is its plane as PNG."""
    per, title = unit(results), f"Precision and recall beside {truth_named(results)}"
    image = base64.b64encode(picture).decode()
    places = ((one["name"], *(signed(one[what][per]["value"]) for what in _TWO)) for one in results["models"])
    words = " ".join(f"{name}: precision {precision}, recall {recall}." for name, precision, recall in places)
    parts = [
        f"<h1>{escape(title)}</h1><p>{escape(about(results))}</p>",
        f'<img src="data:image/png;base64,{image}" alt="The plane, nats per {_per(per)}. {escape(words)}">',
        *(f"<p>{escape(line)}</p>" for line in [*sentences(results).splitlines(), *notes(results)]),
*(f"<h2>Nats per {_per(one)}</h2>{_pre(_numbers(results, one))}" for one in _pers(results)),
        f"<h2>In practitioners’ units</h2>{_pre(_unit_table(results))}" if _units(results) else "",
        "<h2>Texts</h2>", *_texts(results), "<h2>Settings</h2>", _settings(results),
    ]  # fmt: skip
    head = '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
    return f"{head}<title>{escape(title)}</title>{_STYLE}{''.join(parts)}</html>\n"


def _pre(table: str) -> str:
    return f'<pre class="table">{escape(table)}</pre>'


def _texts(results: Results) -> list[str]:
    """Some texts of p* and of each model."""
    found = []
    for name, some in results["texts"].items():
        texts = "".join(f"<pre>{escape(one)}</pre>" for one in some[:_SHOWN])
        found.append(f"<h3>{escape('p*' if name == 'truth' else name)}</h3>{texts}")
    return found


def _settings(results: Results) -> str:
    """What was asked for, and by which versions it was done."""
    rows = {name: value for name, value in results["config"].items() if value not in ("", [], None)}
    rows["versions"] = [f"{name} {number}" for name, number in results["versions"][-1].items()]
    told = (f"<tr><th>{escape(name)}</th><td>{escape(_told(value))}</td></tr>" for name, value in rows.items())
    return f"<table>{''.join(told)}</table>"


def _pers(results: Results) -> list[str]:
    return [per for per in PERS if all(per in one["recall"] for one in results["models"])]


def _told(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(" = ".join(one) if isinstance(one, list) else str(one) for one in value)
    return str(value)


_STYLE = (
    "<style>body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#222}"
    "img{max-width:100%}pre{overflow-x:auto;background:#f5f5f5;padding:.5rem .75rem;white-space:pre-wrap}"
    "pre.table{white-space:pre}th{text-align:left;padding-right:1.5rem;font-weight:normal;color:#6e6e6e;vertical-align:top}"
    "h1{font-size:1.5rem}td{overflow-wrap:anywhere}h2{margin-top:2rem}h3{margin-bottom:0}"
    "@media(prefers-color-scheme:dark){body{background:#1b1b1b;color:#ddd}pre{background:#2a2a2a}th{color:#aaa}"
    "img{background:#fff}}</style>"
)


def save(results: Results, folder: Path) -> Path:
    """Write report.html beside the picture that is there; return where it is."""
    path = folder / "report.html"
    text = page(results, (folder / "precision_recall.png").read_bytes())
    with written_whole(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return path
