"""Keep SmolLM2's tokenizer for pages: writes kdlab/data/recorded/cpu/weights/tokens.json (273 kB).

python scripts/record_tokenizer.py

Needs the real weights (`kdlab fetch smollm2`), and writes nothing that does not cut texts as the real tokenizer does.
The file is one object. A token's number is its id there: first the special ones, then single bytes, then one for each
merge, in the order in which merges apply.

special  the texts of the special tokens, ids 0, 1, ...
bytes    the bytes that have a token of their own, in the order of their ids; the tokenizer drops the others
merges   for each token after these the ids of the two that it is made of: base64 of two uint16 each, low byte first
kept     the ids of the tokens that p* of the preset `cpu` keeps, in its order, which is their own id: the same way
ends     which of those, by their own ids, end a text
source   whose it is

A text is cut at special tokens, then every digit stands alone, then GPT-2's pattern; no space is put before it.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

from kdlab.core.files import write_json
from kdlab.lm.experiment import PRESETS
from kdlab.lm.folder import recorded_folder

SOURCE = "the tokenizer of SmolLM2-135M-Instruct by HuggingFaceTB, Apache-2.0"
_TEXTS, _LONG = 400, 24  # to compare with the real one: how many, of how many tokens


def letters() -> list[str]:
    """GPT-2's letter for each byte: itself where it can be seen, else the next from U+0100 on."""
    seen = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    unseen = [byte for byte in range(256) if byte not in seen]
    return [chr(byte if byte in seen else 256 + unseen.index(byte)) for byte in range(256)]


def packed(ids: Any) -> str:
    """Numbers below 65,536 as base64."""
    return b64encode(np.asarray(ids, "<u2").tobytes()).decode("ascii")


def unpacked(text: str) -> list[int]:
    """What was packed."""
    return [int(i) for i in np.frombuffer(b64decode(text), "<u2")]


def names(data: Mapping[str, Any]) -> list[str]:
    """All tokens of the file in the order of their ids, in GPT-2's letters."""
    letter, merges = letters(), iter(unpacked(data["merges"]))
    found = [*data["special"], *(letter[byte] for byte in data["bytes"])]
    for left, right in zip(merges, merges, strict=True):
        found.append(found[left] + found[right])
    return found


def restricted(data: Mapping[str, Any]) -> Tokenizer:
    """What cuts a piece, in GPT-2's letters, into kept tokens: only merges of kept ones into kept ones; own ids."""
    every, kept, merges = names(data), unpacked(data["kept"]), iter(unpacked(data["merges"]))
    own, made = {every[i]: n for n, i in enumerate(kept)}, len(data["special"]) + len(data["bytes"])
    threes = [(every[a], every[b], every[made + n]) for n, (a, b) in enumerate(zip(merges, merges, strict=True))]
    return Tokenizer(models.BPE(own, [(a, b) for a, b, c in threes if {a, b, c} <= own.keys()]))


def rebuilt(data: Mapping[str, Any]) -> Tokenizer:
    """The whole tokenizer, from nothing but the file."""
    every, merges = names(data), iter(unpacked(data["merges"]))
    pairs = [(every[a], every[b]) for a, b in zip(merges, merges, strict=True)]
    made = Tokenizer(models.BPE({name: i for i, name in enumerate(every)}, pairs))
    digits, pieces_of_bytes = pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(False)
    made.pre_tokenizer = pre_tokenizers.Sequence([digits, pieces_of_bytes])
    made.decoder = decoders.ByteLevel()
    made.add_special_tokens([AddedToken(name, special=True, normalized=False) for name in data["special"]])
    return made


def described(tokenizer: Any, kept: Sequence[int], ends: Sequence[int]) -> dict[str, Any]:
    """What the file holds of a tokenizer."""
    about = json.loads(tokenizer.backend_tokenizer.to_str())
    ids, letter = about["model"]["vocab"], letters()
    special = [one["content"] for one in sorted(about["added_tokens"], key=lambda one: one["id"])]
    single = [letter.index(name) for name in sorted(ids, key=ids.__getitem__)[len(special) :] if len(name) == 1]
    merges = [ids[part] for pair in about["model"]["merges"] for part in pair]
    packs = {"merges": packed(merges), "kept": packed(kept)}
    return {"source": SOURCE, "special": special, "bytes": single, **packs, "ends": list(ends)}


def check(data: Mapping[str, Any], tokenizer: Any) -> None:
    """Raise ValueError unless the file's tokenizer has the real one's tokens, and cuts texts as that does."""
    found, real = rebuilt(data), tokenizer.backend_tokenizer
    if found.get_vocab() != real.get_vocab():
        raise ValueError(
            "the tokens are not special ones, bytes and merges in this order: tokens.json cannot hold them"
        )
    rng = np.random.default_rng(0)
    for _ in range(_TEXTS):
        text = real.decode(rng.integers(0, len(tokenizer), _LONG).tolist(), skip_special_tokens=False)
        if (mine := found.encode(text).tokens) != (theirs := real.encode(text, add_special_tokens=False).tokens):
            raise ValueError(f"{text!r} becomes {mine} and not {theirs}: tokens.json does not hold this tokenizer")


def record(folder: Path) -> Path:
    """Write the tokenizer of p* of the preset `cpu` below ``folder``; return the file."""
    from kdlab.lm.pipeline.truth import load_truth  # brings torch and transformers, which reading needs not

    preset = PRESETS["cpu"]
    truth = load_truth(preset.truth, vocabulary=preset.vocabulary, prompt=preset.begun)
    data = described(truth.tokenizer, truth.kept, truth.ends)
    check(data, truth.tokenizer)
    path = folder / preset.preset / "weights" / "tokens.json"
    write_json(path, data, separators=(",", ":"))
    return path


if __name__ == "__main__":
    print(record(recorded_folder()))
