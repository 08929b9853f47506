"""The page's tokenizer beside the library tokenizers: cut alike, and kept tokens in the place of others."""

import json
import os
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import playwright
import pytest

if os.environ.get("KDLAB_REQUIRE_TORCH") != "1":
    pytest.importorskip("tokenizers", reason="tokenizers is not installed: `make lm` brings it, and these tests")

from record_tokenizer import names, rebuilt, restricted, unpacked  # noqa: E402

from kdlab.core.files import PACKAGE  # noqa: E402
from kdlab.lm.experiment import PRESETS  # noqa: E402
from kdlab.lm.folder import recorded_folder  # noqa: E402

CPU = recorded_folder() / "cpu"
DATA: dict[str, Any] = json.loads((CPU / "weights" / "tokens.json").read_text("utf-8"))
SOURCE = (PACKAGE / "lm" / "tokens.js").read_text("utf-8")
# Playwright brings a Node of its own.
NODE = shutil.which(
    "node", path=os.pathsep.join([str(Path(playwright.__file__).parent / "driver"), os.environ["PATH"]])
)
# As in a worker: the function's text alone, and whatever it needs besides would be missing.
PROGRAM = """
const { source, data, calls } = JSON.parse(require("fs").readFileSync(0, "utf-8"));
const text = new Function(`${source}\\nreturn String(makeTokenizer)`)();
const tokenizer = (0, eval)(`(${text})`)()(data);
process.stdout.write(JSON.stringify(calls.map(([name, given]) => tokenizer[name](given))));
"""

PLAIN = "One day a little girl named Lily went to the park with her mom and they saw red balls near an old tree".split()
RARE = """The quick brown fox jumps over Tom's lazy dog while Benjamin whispered something extraordinary. photosynthesis
zyzzyva Massachusetts unbelievably COMPUTER iPhone well-known e-mail Mr. Smith, however; perhaps: never!""".split()
PARTS = {
    "numbers": ["7", "42", "1969", "12,345.67", "3rd", "x2", "v1.0.3", "½", "²", "Ⅷ", "①", "٣٤", "१२३", "万2", "5 000"],
    "spaces": ["  ", "   ", "        ", "\t", "\t\t", "\n", "\n\n", "\r\n", " \n ", " \t", "\n    ", "  1", "\t2"],
    "scripts": [
        "Ελληνικά ώρα", "Привет, мир", "世界和平，你好", "مرحبا بالعالم", "हिन्दी में", "สวัสดีครับ", "größer", "naïve café",
        "Łódź", "İstanbul", "ﬁn", "e\u0301", "שלום",
    ],
    "emoji": ["😀", "👨‍👩‍👧", "🏳️‍🌈", "👍🏽", "❤️", "🇬🇷", "1️⃣", " 🎉🎉"],
    "contractions": ["don't", "I'LL", "they're", "'tis", "we'd've", "it’s", "'s", " 't", "O'Neil's", "'12"],
    "punctuation": ["...", "?!", "--", "***", "((", "//", '"', "_", "^^", "!!!!!!", "$5", "<=>", "«»", "\\"],
    "odd": [
        "\u00a0", "\u2003\u2003", "\u3000", "\u0085", "\ufeff", "\u180e", "\u200b", "\u2028", "\u1680", "\u000b",
        "\u000c", "\u202f", " \ufeff", "\u00a0 ", "\u001f", "\u205f", "\ufffd", "   \u0085.", "   \ufeff.",
    ],
    "code": ["for (i = 0; i < n; i++) {\n\treturn x[i];\n}", "def f(x):\n    return x ** 2\n", "<io.h>", "a->b"],
}  # fmt: skip


def sentence(rng: np.random.Generator, words: list[str]) -> str:
    return " ".join(rng.choice(words, int(rng.integers(1, 12)))) + str(rng.choice([".", "!", "?", ""]))


def random_text(rng: np.random.Generator) -> str:
    """A plain sentence, before or after others with anything in between, with a space or without."""
    plain, found = sentence(rng, PLAIN), ""
    for _ in range(int(rng.integers(8))):
        part = PARTS[str(rng.choice([*PARTS]))]
        found += sentence(rng, PLAIN + RARE) if rng.random() < 0.4 else part[int(rng.integers(len(part)))]
        found += " " * int(rng.integers(2))
    return plain + found if rng.random() < 0.5 else found + plain


def random_texts() -> list[str]:
    rng, found = np.random.default_rng(11), dict[str, None]()
    while len(found) < 500:
        found[random_text(rng)] = None
    return [*found]


def asked(calls: list[tuple[str, Any]], source: str = SOURCE) -> list[Any]:
    """What the page's functions return, in one process for all calls."""
    given = json.dumps({"source": source, "data": DATA, "calls": calls})
    done = subprocess.run([str(NODE), "-e", PROGRAM], input=given, capture_output=True, encoding="utf-8")
    assert done.returncode == 0, done.stderr
    found: list[Any] = json.loads(done.stdout)
    return found


class Library:
    """The same from the library: all merges, then for what is not kept those of kept tokens."""

    def __init__(self) -> None:
        self.whole, self.few = rebuilt(DATA), restricted(DATA)
        self.names, self.kept = names(DATA), unpacked(DATA["kept"])
        self.letters = self.few.get_vocab().keys()
        self.own = {name: i for i, name in enumerate(self.kept)}

    def encode(self, text: str) -> dict[str, Any]:
        ids, outside = [], []
        for name in self.whole.encode(text).ids:
            special = name < len(DATA["special"])
            if name in self.own and not special:
                ids.append(self.own[name])
                continue
            letters = "" if special else self.names[name]
            cut = [one.id for one in self.few.model.tokenize(letters)] if letters else []
            lost = special or not set(letters) <= self.letters
            outside.append({"text": self.decode([name], special), "instead": self.pieces(cut), "lost": lost})
            ids += cut
        return {"ids": ids, "outside": outside}

    def decode(self, names: list[int], special: bool = False) -> str:
        return str(self.whole.decode(names, skip_special_tokens=not special))

    def pieces(self, ids: list[int]) -> list[str]:
        return [self.decode([self.kept[i]], special=True) for i in ids]


@cache
def library() -> Library:
    return Library()


@pytest.fixture(scope="module")
def texts() -> dict[str, dict[str, Any]]:
    """Each text with what the library makes of it."""
    return {text: library().encode(text) for text in random_texts()}


def differ(texts: dict[str, dict[str, Any]], found: list[Any]) -> dict[str, Any]:
    return {text: one for (text, right), one in zip(texts.items(), found, strict=True) if one != right}


def test_500_texts_are_cut_as_the_library_cuts_them(texts: dict[str, dict[str, Any]]) -> None:
    assert differ(texts, asked([("encode", text) for text in texts])) == {}
    outside = [one for right in texts.values() for one in right["outside"]]
    assert len(texts) == 500 and sum(not right["outside"] for right in texts.values()) > 20
    assert sum(one["lost"] for one in outside) > 500 and sum(len(one["instead"]) > 1 for one in outside) > 500


def test_ids_become_text_as_in_the_library(texts: dict[str, dict[str, Any]]) -> None:
    rng, kept = np.random.default_rng(2), library().kept
    rows = [right["ids"] for right in texts.values()] + rng.integers(0, len(kept), (100, 40)).tolist()
    rows.append([*DATA["ends"], *range(len(kept)), *DATA["ends"]])
    found = asked([(name, row) for row in rows for name in ("decode", "pieces")])
    assert found[::2] == [library().decode([kept[i] for i in row]) for row in rows]
    assert found[1::2] == [library().pieces(row) for row in rows]
    assert any("\ufffd" in text for text in found[::2]) and found[-1][0] == DATA["special"][kept[DATA["ends"][0]]]


def test_pieces_that_are_not_kept_are_said_and_replaced() -> None:
    text = "the zyzzyva: Zürich"
    found, unlike = asked([("encode", text), ("encode", "the end of the day")])
    assert unlike["outside"] == []
    whole = [one for one in found["outside"] if not one["lost"]]
    assert whole and all("".join(one["instead"]) == one["text"] for one in whole)
    assert [one for one in found["outside"] if one["lost"]] == [{"text": "ü", "instead": [], "lost": True}]
    assert asked([("decode", found["ids"])]) == [text.replace("ü", "")]


def test_a_special_token_that_is_typed_is_not_taken_silently() -> None:
    special, (a, b) = DATA["special"], asked([("encode", "A"), ("encode", " b")])
    found = asked([("encode", f"A{one} b") for one in special])
    for one, said in zip(special, found, strict=True):
        assert said == {"ids": a["ids"] + b["ids"], "outside": [{"text": one, "instead": [], "lost": True}]}
    assert {special[library().kept[end]] for end in DATA["ends"]} <= {*special}


def test_a_byte_that_the_tokenizer_has_no_token_for_is_said() -> None:
    """The library drops it in silence, and joins what stood on both sides of it."""
    plain, found, beyond = asked([("encode", text) for text in ("..", ".\x04.", "\U00040000")])
    assert found == {"ids": plain["ids"], "outside": [{"text": "\x04", "instead": [], "lost": True}]}
    assert found["ids"] == library().encode(".\x04.")["ids"] and len(found["ids"]) == 1
    assert beyond["ids"] == [] and all(one["lost"] for one in beyond["outside"])


def test_half_a_character_is_the_replacement_character() -> None:
    half, whole = asked([("encode", "a \ud83d b\udc00"), ("encode", "a \ufffd b\ufffd")])
    assert half == whole == library().encode("a \ufffd b\ufffd")


def test_the_tokens_are_those_of_the_recorded_models() -> None:
    preset = PRESETS["cpu"]
    (found,) = asked([("encode", preset.prompt)])
    with np.load(next((CPU / "corpus" / "evaluation").glob("*.npz"))) as shard:
        assert (shard["ids"][:, : len(found["ids"])] == found["ids"]).all() and found["outside"] == []
    assert len(library().kept) == preset.vocabulary


@pytest.mark.parametrize(
    ("right", "wrong"),
    [(r"\p{White_Space}", r"\s"), (r"|\p{N}|", r"| ?\p{N}+|")],
)
def test_the_comparison_can_fail(texts: dict[str, dict[str, Any]], right: str, wrong: str) -> None:
    assert SOURCE.count(right) == 1
    assert len(differ(texts, asked([("encode", text) for text in texts], SOURCE.replace(right, wrong)))) >= 3
