"""What a measurement says, of the one that was recorded, and of changes to it."""

import copy
import math
from typing import Any

import pytest

from kdlab import lm
from kdlab.lm.report import measured


@pytest.fixture
def results() -> Any:
    return copy.deepcopy(lm.open_run("recorded/measured"))


def test_the_table_has_every_number(results: Any) -> None:
    for per in ("token", "sequence", "byte"):
        lines = measured.table(results, per).splitlines()
        assert "SmolLM2-135M-Instruct (4,096 of its tokens): 512 texts after 'One day, a little'" in lines[0]
        for one, line in zip(results["models"], lines[3:], strict=False):
            told = [one[what][per] for what in ("precision", "recall")]
            cells = [f"{est['value']:.2f} ± {est['over_sequences']:.2f}".replace("-", "−") for est in told]
            own = one["negative_entropy"][per]
            assert line.split("  ")[0] == one["name"]
            assert " ".join(line.split()[1:]) == " ".join(
                [*cells, f"{-own['value']:.2f} ± {own['over_sequences']:.2f}"]
            )
    assert measured.table(results) == measured.table(results, "token")
    with pytest.raises(ValueError, match="per is 'word': choose one of token, sequence, byte"):
        measured.table(results, "word")


def test_differences_leave_out_what_errors_have_in_common(results: Any) -> None:
    first, other = results["models"][:2]
    precision, recall = measured.differences(results)["tau-1"]
    a, b = (one["recall"]["token"]["over_sequences"] for one in (first, other))
    common = results["recalls_together"]["token"][0][1]
    assert recall.error == pytest.approx(math.sqrt(a * a + b * b - 2 * common * a * b), rel=1e-6)
    a, b = (one["precision"]["token"]["over_sequences"] for one in (first, other))
    assert precision.error == pytest.approx(math.hypot(a, b), rel=1e-6)


@pytest.mark.parametrize(
    ("up", "right", "says"),
    [
        (1.0, 1.0, "better at both"), (-1.0, -1.0, "worse at both"), (1.0, -1.0, "more precise, and recalls less"),
        (-1.0, 1.0, "less precise, and recalls more"), (0.0, 0.0, "not told apart by these texts"),
        (1.0, 0.0, "more precise"), (-1.0, 0.0, "less precise"),
        (0.0, -1.0, "recalls less"), (0.0, 1.0, "recalls more"),
    ],
)  # fmt: skip
def test_every_difference_has_its_words(results: Any, up: float, right: float, says: str) -> None:
    results["models"] = results["models"][:2]
    first, other = results["models"]
    for what, by in (("precision", up), ("recall", right)):
        for per in ("token", "sequence", "byte"):
            other[what][per]["value"] = first[what][per]["value"] + by
            other[what][per]["by_seed"] = [other[what][per]["value"]]
    assert measured.sentences(results).endswith(f"nats: {says}.")
    assert measured.sentences({**results, "models": results["models"][:1]}) == ""


def test_what_to_bear_in_mind(results: Any) -> None:
    assert measured.notes(results) == [
        "texts that were cut at their length: p* 99 %, direct 99 %, tau-1 98 %, tau-0.6 100 %"
    ]
    results["config"]["truncation"] = "top-k-50"
    for one, share in zip(results["models"], (0.5, 1.0, 0.0), strict=True):
        one["tokens_shared"], one["about"]["spelt_as_read"] = False, share
    results["truth"]["spelt_as_read"] = 0.99
    said = " ".join(measured.notes(results))
    assert "direct has other tokens than p*" in said and "50 % come back as the same tokens: so other spellings" in said
    assert f"at least {math.log(2):.2f} nats a text" in said and "All of the texts of tau-1 come back" in said
    assert "None of the texts of tau-0.6 come back" in said and "at least 0.01 nats a text" in said
    assert "before their likeliest tokens were singled out" in said


def test_where_tokens_differ_bytes_are_shown(results: Any) -> None:
    del results["models"][1]["recall"]["token"]
    assert measured.unit(results) == "byte" and "nats per byte" in measured.table(results)
    with pytest.raises(ValueError, match="nats per token of tau-1 are not comparable.*choose sequence or byte"):
        measured.table(results, "token")


def test_the_page_is_whole_and_says_texts_as_they_are(results: Any) -> None:
    results["texts"]["direct"][0] = "<script>alert('no')</script>"
    page = measured.page(results, b"\x89PNG")
    assert "<script" not in page and "&lt;script&gt;" in page and "http" not in page
    assert page.count('<pre class="table">') == 4  # three units of nats, and practitioners'
    assert "direct: precision −6.42, recall −4.60." in page and "recorded/cpu/direct" in page
