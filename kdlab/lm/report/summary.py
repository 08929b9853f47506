"""What a run was, and what it found: its settings beside the paper's, its numbers in a table, its texts."""

import itertools
import re
import textwrap
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from kdlab.core.format import signed
from kdlab.lm.experiment import PRESETS
from kdlab.lm.folder import read_results, recorded_folder
from kdlab.lm.report.changes import Results, aligned, kept, listed, models, shown, students

_WIDTH = 108  # of printed text
NAMES = {"bundled": "SmolLM2-135M-Instruct", "random": "a tiny Llama with random weights"}


# Which run


def open_run(run: str) -> dict[str, Any]:
    """Return the results of a run's folder; "recorded/..." is found in the package from anywhere.

    Raises ValueError, with what to do, where there is no run or nothing to show yet.
    """
    beside = recorded_folder().parent / run
    return read_results(beside if not Path(run).exists() and beside.is_dir() else run)


def about(results: Results) -> str:
    """One line that says which run this is: ground truth, sizes, lengths."""
    config = results["config"]
    vocabulary = "" if config["vocabulary"] is None else f" with {config['vocabulary']:,} tokens"
    return (
        f"{config['preset']}: p* {results['truth']['name']}{vocabulary}, teacher {config['teacher']}, students "
        f"{config['student']}, at most {config['length']} tokens from {_begun(config['prompt'])} on"
    )


def which_run(results: Results) -> str:
    """Several lines: what p*, teacher and students are, the texts, the seeds, the machine, the day."""
    config = results["config"]
    count = {role: f"{size['parameters']:,}" for role, size in results["sizes"].items()}
    rows = [
        ("preset", config["preset"]),
        ("p*", f"{_truth(results)}, {count['truth']} parameters"),
        ("teacher", f"rung {config['teacher']}, {count['teacher']} parameters, from scratch on "
                    f"{config['teacher_sequences']:,} texts of p*, {_times(config['teacher_epochs'])}"),
        ("students", f"rung {config['student']}, {count['student']} parameters, from scratch on "
                     f"{config['student_sequences']:,} texts, {_times(config['student_epochs'])}"),
        ("texts", f"up to {config['length']} tokens, all begin with {_begun(config['prompt'].strip())}"),
        ("scored on", f"{config['evaluation_sequences']:,} texts of p* and as many of each model"),
        ("seeds", f"{len(results['seeds'])} of {config['seeds']} finished"),
        ("made", f"{results['date']}, on {results['device']}"),
    ]  # fmt: skip
    rows += [("not scored", one) for one in results["missing"]]
    return "\n".join(f"{name:<10} {told}" for name, told in rows)


def _begun(prompt: str) -> str:
    """What texts begin with; a run without a prompt has instructions."""
    return repr(prompt) if prompt else "an instruction"


def _times(epochs: int) -> str:
    return {1: "once", 2: "twice"}.get(epochs, f"{epochs} times")


def against_the_paper(results: Results) -> str:
    """A table: what the paper did (section 4 and its released scripts), and what this run did."""
    paper, ours = _settings(asdict(PRESETS["paper"])), _settings(results["config"])
    rows = [
        ("", "paper", "this run"),
        ("p*", "SmolLM2-1.7B", _truth(results)),
        *((name, told + (" (5 *)" if name == "students" else ""), ours[name]) for name, told in paper.items()),
        ("weights kept", "best on validation", {"best": "best on validation", "last": "the last"}[kept(results)]),
        ("first weights", "norms pretrained *", "all new"),
        ("end of text", "not learned or scored *", "learned and scored"),
        ("tokens", "from text again *", "kept as sampled"),
        ("map", "UMAP", "two directions of most variance"),
    ]
    lines = [f"{name:<15}{theirs:<34}{own}".rstrip() for name, theirs, own in rows]
    return "\n".join([*lines, "* in the released scripts"])


def _truth(results: Results) -> str:
    """Which weights, and how many bits of them: "…, quantised to Q4_1" in a run's provenance is "4-bit (Q4_1)"."""
    vocabulary, truth = results["config"]["vocabulary"], results["truth"]
    name = NAMES.get(truth["name"], str(truth["name"]))
    bits = re.search(r"quantised to (Q(\d+)\w*)", str(truth.get("provenance", {}).get("model", "")))
    name += f", {bits[2]}-bit ({bits[1]})" if bits else ""
    if vocabulary is None:
        return name
    counted = "mass" in truth.get("provenance", {})
    return name + (
        f", the {vocabulary:,} tokens that it uses most" if counted else f", its first {vocabulary:,} tokens"
    )


def _settings(config: Mapping[str, Any]) -> dict[str, str]:
    """The settings that a run has in common with the paper, as that table names and writes them."""
    return {
        "teacher": f"{config['teacher']}, {config['teacher_sequences']:,} texts x {config['teacher_epochs']}",
        "students": f"{config['student']}, {config['student_sequences']:,} texts x {config['student_epochs']}",
        "a text": f"{config['length']} tokens, from {_begun(config['prompt'].strip())}",
        "tau": ", ".join([listed(sorted(config["taus"])), *map(shown, config.get("truncations", ()))]),
        "batch, rate": f"{config['batch']}, {config['rate']:g}",
        "scored on": f"{config['evaluation_sequences']:,} texts",
        "seeds": f"{config['seeds']}",
    }


# Numbers


def table(results: Results, per: str = "token", *, where: bool = True) -> str:
    """Return a run's numbers as text: precision and recall of every model, in nats per "token" or per "sequence".

    ``where=False`` leaves out the device and the day, so that the same numbers are the same text.
    """
    config, done, ceiling = results["config"], results["seeds"], results["truth"].get("negative_entropy")
    rows = [(f"nats per {per}", "precision", "recall")]
    if ceiling:
        own = _number(ceiling[per])
        rows.append(("p* itself", own, f"{own:>22}   minus its entropy: the ceiling of recall"))
    for one in results["models"]:
        rows.append((shown(one["name"]), _number(one["precision"][per]), _number(one["recall"][per])))
    lines = [
        about(results) + (f"; {results['device']}, {results['date']}" if where else ""),
        aligned((18, 22, 22), rows),
        "± one standard error over sequences" + ("" if len(done) < 2 else "; in brackets, over seeds"),
        f"seeds finished: {len(done)} of {config['seeds']}",
    ]
    lines += [f"not scored yet: {'; '.join(results['missing'])}"] if results["missing"] else []
    return "\n".join(lines)


def _number(estimate: Mapping[str, Any]) -> str:
    over_seeds = estimate.get("over_seeds")
    brackets = "" if over_seeds is None else f" ({over_seeds:.2f})"
    return f"{signed(estimate['value'])} ± {estimate['over_sequences']:.2f}{brackets}"


def lengths(results: Results) -> str:
    """How many tokens a text of p* and of each model has on average; the end counts, the prompt does not.

    All nats over all texts, divided by all nats over all tokens, is tokens per text: it is in the results already.
    """
    ceiling = results["truth"].get("negative_entropy")
    found = [("p*", ceiling)] if ceiling else []
    found += [(shown(one["name"]), one["precision"]) for one in models(results)]
    tokens = [np.mean(np.divide(one["sequence"]["by_seed"], one["token"]["by_seed"])) for _, one in found]  # over seeds
    return aligned(
        (9, 6, 0), [(name, f"{n:.1f}", " tokens per text") for (name, _), n in zip(found, tokens, strict=True)]
    )


# Texts


def side_by_side(results: Results, n: int = 4, width: int = 34, columns: int = 3) -> str:
    """Return ``n`` samples of p* and of every model as text, in columns ``width`` letters wide."""
    taught = [model["name"] for model in results["models"] if model["role"] in ("distilled", "truncated")]
    named = {"truth": "p*"} | {name: f"student at {shown(name)}" for name in taught}
    cells = [
        [[named.get(name, name), "-" * (width - 2)], *(textwrap.wrap(text, width - 2) or [""] for text in texts[:n])]
        for name, texts in results["texts"].items()
    ]
    lines: list[str] = []
    for first in range(0, len(cells), columns):
        for row in zip(*cells[first : first + columns], strict=False):
            for parts in itertools.zip_longest(*row, fillvalue=""):
                lines.append("".join(f"{part:<{width}}" for part in parts).rstrip())
            lines.append("")
    return "\n".join(lines).rstrip()


def lost_texts(results: Results, n: int = 4) -> str:
    """The texts of p* on which the coldest student falls farthest behind the direct one, in nats per token.

    With the student at tau = 1, where the run recorded what that one gives these texts.
    """
    path = students(results)
    found = [one for one in results["lost"] if path and one["tau"] == path[-1]["tau"]][:n]
    if not found:
        return "No such texts are recorded yet."
    lines = []
    for one in found:
        under = {"p*": one["truth"], "direct": one["direct"]}
        if one["tau"] != 1.0 and one.get("at_one") is not None:
            under["τ = 1"] = one["at_one"]
        under[f"τ = {one['tau']:g}"] = one["distilled"]
        whole = " / ".join(part.strip() for part in one["text"].splitlines() if part.strip())
        told = ",  ".join(f"{name} {signed(nats)}" for name, nats in under.items())
        lines += [*textwrap.wrap(f"· {whole}", _WIDTH, subsequent_indent="  "), f"    nats per token under {told}"]
    return "\n".join(lines)
