"""`kdlab measure` from end to end, on tiny models: every number again, plainly, from the texts that it left."""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import real_weights
from support.any_models import plainly, save, tokenizer
from support.small_run import complete
from support.torch_side import torch  # noqa: F401 - skips where it is not installed

from kdlab import lm
from kdlab.cli import main
from kdlab.core.files import checksum, read_lines
from kdlab.lm.folder import Line, read_results, recorded_folder
from kdlab.lm.measurement import MeasureConfig
from kdlab.lm.measuring.measure import everything
from kdlab.lm.pipeline.fetch import WeightsError
from kdlab.lm.pipeline.truth import load_truth

ASKED: Mapping[str, Any] = {"prompt": "The teacher", "texts": 40, "length": 12, "shard": 16}


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Folders: p* and two models of its tokens, and one of others that puts <s> first."""
    place, others = tmp_path_factory.mktemp("models"), tokenizer(400, True, "notebooks/INSTRUCTOR.md")
    same = {name: save(place / name, kind, tokenizer(), i) for i, (name, kind) in enumerate(
        {"truth": "llama", "near": "qwen2", "far": "gpt2"}.items())}  # fmt: skip
    return same | {"other": save(place / "other", "gemma2", others, 4)}


@pytest.fixture(scope="session")
def measured(models: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A measurement of the first two, with practitioners' units."""
    out = tmp_path_factory.mktemp("measured") / "run"
    named = {"near": models["near"], "far": models["far"]}
    lm.measure(models["truth"], named, out=out, tau=0.8, also=["distinct", "knn", "vendi"], **ASKED)
    return out


def texts_of(out: Path, name: str) -> list[dict[str, Any]]:
    return [dict(one) for one in read_lines(out / "texts" / f"{name}.jsonl")]  # type: ignore[call-overload]


def shards(out: Path, name: str) -> tuple[np.ndarray, np.ndarray]:
    parts = [np.load(path) for path in sorted((out / "texts" / name).glob("*.npz"))]
    width = max(part["ids"].shape[1] for part in parts)
    ids = [np.pad(part["ids"], ((0, 0), (0, width - part["ids"].shape[1]))) for part in parts]
    return np.concatenate(ids), np.concatenate([part["lengths"] for part in parts])


def test_every_number_again_from_the_tokens(models: dict[str, str], measured: Path) -> None:
    results = read_results(measured)
    truth, given = load_truth(models["truth"]), len(tokenizer().encode("The teacher"))
    written = {name: shards(measured, name) for name in ("truth", "near", "far")}

    def nats(model: Any, of: str, tau: float = 1.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        ids, lengths = written[of]
        each = [plainly(model, row[:n].tolist(), given, tau) for row, n in zip(ids, lengths, strict=True)]
        bytes_ = [max(1, len(one["text"].encode())) for one in texts_of(measured, of)]
        return np.array(each), lengths.astype(int) - given, np.array(bytes_)

    def check(told: Mapping[str, Any], found: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
        each, tokens, sizes = found
        assert told["sequence"]["value"] == pytest.approx(each.mean(), abs=1e-3)
        assert told["sequence"]["over_sequences"] == pytest.approx(each.std(ddof=1) / np.sqrt(40), rel=1e-3)
        for per, under in (("token", tokens), ("byte", sizes)):
            ratio = each.sum() / under.sum()
            assert told[per]["value"] == pytest.approx(ratio, abs=1e-4)
            spread = (each - ratio * under).std(ddof=1) / np.sqrt(40) / under.mean()
            assert told[per]["over_sequences"] == pytest.approx(spread, rel=1e-3)

    check(results["truth"]["negative_entropy"], nats(truth.model, "truth"))
    for one in results["models"]:
        own = load_truth(models[one["name"]]).model
        assert one["tokens_shared"] and one["tau"] == 0.8
        check(one["precision"], nats(truth.model, one["name"]))
        check(one["recall"], nats(own, "truth", 0.8))
        check(one["negative_entropy"], nats(own, one["name"], 0.8))
    near, far = (nats(load_truth(models[name]).model, "truth", 0.8)[0] for name in ("near", "far"))
    assert results["recalls_together"]["sequence"][1][0] == pytest.approx(np.corrcoef(near, far)[0, 1], abs=1e-4)


def test_what_is_left_to_be_read(measured: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = (measured / "report.html").read_text()
    assert "near beside" not in page and "far beside near" in page and "data:image/png;base64," in page
    assert (measured / "precision_recall.png").read_bytes().startswith(b"\x89PNG")
    assert len(texts_of(measured, "truth")) == 40 and texts_of(measured, "near")[3]["id"] == "near/3"
    assert main(["results", str(measured), "--per", "byte"]) == 0
    said = capsys.readouterr().out
    assert "nats per byte" in said and "k-NN prec." in said and "openings of" in said and "τ = 0.8" in said
    told = read_results(measured)["units"]
    assert told["texts"] == 20 and set(told["models"]) == {"truth", "near", "far"}


def test_the_same_again_does_nothing_and_another_model_joins(models: dict[str, str], measured: Path) -> None:
    before, lines = (measured / "results.json").read_bytes(), list[Line]()
    named = [(name, models[name]) for name in ("near", "far")]
    settings = {**ASKED, "tau": 0.8, "also": ["distinct", "knn", "vendi"]}
    everything(MeasureConfig.of(models["truth"], named, **settings), measured, lines.append)
    assert (measured / "results.json").read_bytes() == before and not any(line.tokens for line in lines)
    again = [*named, ("again", models["near"])]
    found = everything(MeasureConfig.of(models["truth"], again, **settings), measured, lines.append)
    assert {line.stage for line in lines if line.tokens} == {
        "again writes", "again reads again", "again reads p*", "p* reads again",
    }  # fmt: skip
    by_name = {one["name"]: one for one in found["models"]}
    assert by_name["again"]["recall"] == by_name["near"]["recall"]  # the same model on the same texts
    assert by_name["again"]["precision"] != by_name["near"]["precision"]  # and texts of its own


def test_what_is_damaged_is_made_again(models: dict[str, str], tmp_path: Path) -> None:
    named = {"near": models["near"]}
    first = lm.measure(models["truth"], named, out=tmp_path / "run", **ASKED)
    shard = tmp_path / "run" / "texts" / "near" / "shard-00001.npz"
    kept = shard.read_bytes()
    shard.write_bytes(kept[:-20])
    (tmp_path / "run" / "scores" / "truth-of-truth-00002.npz").write_bytes(b"")
    second = lm.measure(models["truth"], named, out=tmp_path / "run", **ASKED)
    assert shard.read_bytes() == kept and first["models"] == second["models"] and first["truth"] == second["truth"]


def test_models_of_other_tokens_are_read_as_texts(models: dict[str, str], tmp_path: Path) -> None:
    out = tmp_path / "run"
    results = lm.measure(models["truth"], {"other": models["other"]}, out=out, **ASKED)
    (one,) = results["models"]
    truth, other = load_truth(models["truth"]), load_truth(models["other"])
    for told, reader, of in ((one["precision"], truth, "other"), (one["recall"], other, "truth")):
        rows = texts_of(out, of)
        nats = []
        for row in rows:
            given = reader.begun("The teacher")
            whole = reader.begun("The teacher" + row["text"])
            if whole[: len(given)] != given:
                whole = [*given, *reader.encode(row["text"])]
            nats.append(plainly(reader.model, [*whole, *([reader.eos] if row["ended"] else [])], len(given)))
        assert told["sequence"]["value"] == pytest.approx(np.mean(nats), abs=1e-2)
        assert set(told) == {"sequence", "byte"}
    assert "token" in one["negative_entropy"] and not one["tokens_shared"]
    said = lm.report.measured.table(results)
    assert "nats per byte" in said and "other has other tokens than p*" in said
    with pytest.raises(ValueError, match="nats per token of other are not comparable"):
        lm.report.measured.table(results, "token")
    assert lm.plots.precision_recall(results, "byte").words


def test_prompts_take_turns_and_are_what_is_drawn(models: dict[str, str], tmp_path: Path) -> None:
    prompts = tmp_path / "prompts.txt"
    prompts.write_text("The teacher\nA student\n\nWhat is entropy?\n")
    asked = {**ASKED, "prompt": "", "prompts": str(prompts)}
    results = lm.measure(
        models["truth"], {"near": models["near"], "other": models["other"]}, out=tmp_path / "run", **asked
    )
    assert [one["prompt"] for one in texts_of(tmp_path / "run", "near")][:4] == [0, 1, 2, 0]
    assert results["truth"]["asked"] == ["The teacher\n", "A student\n", "What is entropy?\n"]
    own = {one["name"]: one for one in results["models"]}
    assert own["near"]["recall"]["token"]["over_sequences"] > 0 and "token" not in own["other"]["recall"]


def test_a_run_s_own_models_and_its_p_star(tmp_path: Path) -> None:
    """The same texts would be the same scores: both draw from the model at tau 1, so numbers agree within errors."""
    complete(tmp_path / "run")
    told = {one["name"]: one for one in read_results(tmp_path / "run")["models"]}
    named = {name: str(tmp_path / "run" / "seed-0" / name) for name in ("direct", "tau-0.6")}
    found = lm.measure(str(tmp_path / "run"), named, out=tmp_path / "again", prompt="la ", texts=128, length=14)
    for one in found["models"]:
        for what in ("precision", "recall"):
            a, b = one[what]["token"], told[one["name"]][what]["token"]
            assert abs(a["value"] - b["value"]) < 4 * np.hypot(a["over_sequences"], b["over_sequences"])
    with pytest.raises(ValueError, match="is a measurement, and no model"):
        lm.measure(str(tmp_path / "again"), {}, out=tmp_path / "third")


# Log-probabilities from elsewhere


def test_scores_from_elsewhere_are_those_that_are_measured_here(models: dict[str, str], tmp_path: Path) -> None:
    """A model behind an interface: what it says of p*'s texts and of its own gives the numbers of the model itself."""
    out, named = tmp_path / "run", {"near": models["near"]}
    results = lm.measure(models["truth"], named, out=out, **ASKED)
    (here,) = results["models"]
    model = load_truth(models["near"])
    given = model.begun("The teacher")
    lines = []
    for i, ((row, n), one) in enumerate(
        zip(zip(*shards(out, "truth"), strict=True), texts_of(out, "truth"), strict=True)
    ):
        nats = plainly(model.model, row[:n].tolist(), len(given))
        lines.append({"model": "api", "nats": nats} | ({"id": f"truth/{i}"} if i % 2 else {"text": one["text"]}))
    for (row, n), one in zip(zip(*shards(out, "near"), strict=True), texts_of(out, "near"), strict=True):
        nats = plainly(model.model, row[:n].tolist(), len(given))
        lines.append(
            {"model": "api", "text": one["text"], "ended": one["ended"], "nats": nats, "tokens": int(n) - len(given)}
        )
    scores = tmp_path / "scores.jsonl"
    scores.write_text("\n".join(json.dumps(line) for line in lines))
    found = lm.measure(models["truth"], named, out=out, scores=str(scores), **ASKED)
    (api,) = [one for one in found["models"] if one["name"] == "api"]
    assert api["recall"]["sequence"]["value"] == pytest.approx(here["recall"]["sequence"]["value"], abs=1e-3)
    assert api["negative_entropy"]["token"]["value"] == pytest.approx(
        here["negative_entropy"]["token"]["value"], abs=1e-4
    )
    # p* reads the words, in its own spelling, where the model's own tokens were another one
    assert set(api["precision"]) == {"sequence", "byte"}
    assert found["recalls_together"]["names"] == ["near", "api"]
    bare = [{name: value for name, value in line.items() if name != "tokens"} for line in lines]
    scores.write_text("\n".join(json.dumps(line) for line in bare))
    (again,) = [
        one
        for one in lm.measure(models["truth"], named, out=out, scores=str(scores), **ASKED)["models"]
        if one["name"] == "api"
    ]
    assert set(again["negative_entropy"]) == {"sequence", "byte"}  # nobody said how many tokens
    assert found["recalls_together"]["sequence"][0][1] == pytest.approx(1.0, abs=1e-4)


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ("not json", "line 1: no JSON"),
        ('{"text": "a", "nats": -1}', 'line 1: no "model"'),
        ('{"model": "api", "nats": -1}', 'line 1: neither "text" nor "id"'),
        ('{"model": "near", "text": "a", "nats": -1}', "line 1: \"model\" is 'near', which is measured here"),
        ('{"model": "api", "text": "a", "nats": 3.5}', 'line 1: "nats" is 3.5, above 0'),
        ('{"model": "api", "text": "a", "nats": NaN}', 'line 1: "nats" is nan, and no finite number'),
        ('{"model": "api", "id": "truth/99", "nats": -1}', "id 'truth/99' is no text of p"),
        ('{"model": "api", "id": "truth/0"}', "has no nats"),
        ('{"model": "api", "id": "truth/0", "nats": -1}', "39 of p.'s 40 texts have no score .the first: truth/1"),
        ('{"model": "api", "text": "a", "nats": -1, "tokens": 0}', 'line 1: "tokens" is 0, and no whole number from 1'),
        ('{"model": "api", "text": "a", "nats": -1, "prompt": "b"}', "line 1: \"prompt\" is 'b', and no whole number"),
        ("", "has no line"),
    ],
)
def test_scores_that_cannot_be(models: dict[str, str], measured: Path, tmp_path: Path, lines: str, says: str) -> None:
    scores = tmp_path / "scores.jsonl"
    scores.write_text(lines + "\n")
    named, settings = {"near": models["near"], "far": models["far"]}, {**ASKED, "tau": 0.8}
    before = (measured / "results.json").read_bytes()
    with pytest.raises(ValueError, match=says):
        lm.measure(models["truth"], named, out=measured, scores=str(scores), **settings)
    assert (measured / "results.json").read_bytes() == before


def test_scores_of_too_few_texts_are_refused_before_a_model_is_measured(models: dict[str, str], tmp_path: Path) -> None:
    """They are of p*'s texts, which have to be there to say so; nothing else does."""
    scores = tmp_path / "scores.jsonl"
    scores.write_text('{"model": "api", "id": "truth/0", "nats": -1}\n')
    with pytest.raises(ValueError, match="39 of p.'s 40 texts have no score"):
        lm.measure(models["truth"], {"near": models["near"]}, out=tmp_path / "run", scores=str(scores), **ASKED)
    assert {path.stem for path in (tmp_path / "run" / "texts").iterdir()} == {"truth"}
    assert not (tmp_path / "run" / "scores").exists()


# What cannot be


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"texts": 3}, "texts is 3: choose 4 or more"),
        ({"length": 0}, "length is 0: choose 1 or more"),
        ({"length": 500}, "has 256 positions, and a prompt of .* with 500 new ones takes more"),
        ({"tau": 0.0}, "tau is 0.0: give a positive temperature"),
        ({"prompts": "bundled"}, "give one of the two"),
        ({"also": ["fid"]}, "also is 'fid': choose of distinct, knn, vendi"),
        ({"dtype": "int8"}, "dtype is 'int8': choose of float32"),
        ({"truncation": "top-k 50"}, "truncation is 'top-k 50': write top-k-50"),
        ({"truncation": "nucleus"}, "truncation is 'nucleus': give one such as"),
    ],
)
def test_settings_that_cannot_be_are_refused_before_any_work(
    models: dict[str, str], tmp_path: Path, change: dict[str, Any], says: str
) -> None:
    with pytest.raises(ValueError, match=says):
        lm.measure(models["truth"], {"near": models["near"]}, out=tmp_path / "run", **{**ASKED, **change})
    assert not (tmp_path / "run" / "run.json").exists()


def test_models_that_cannot_be_are_refused_before_any_work(
    models: dict[str, str], measured: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    for named, error, says in (
        ({"near": str(tmp_path / "none")}, ValueError, "choose 'bundled', 'random', a folder that exists"),
        ({"near": str(tmp_path)}, WeightsError, "could not be read as a model"),
        ({"truth": models["near"]}, ValueError, "a model is called 'truth'"),
        ({"a b": models["near"]}, ValueError, "a model is called 'a b'"),
        ([("a", models["near"]), ("A", models["far"])], ValueError, "give each a name of its own"),
        (
            {"near": "recorded/nothing/direct"},
            ValueError,
            "is no run that came with kdlab: choose recorded/ and one of cpu",
        ),
    ):
        with pytest.raises(error, match=says):
            lm.measure(models["truth"], named, out=out, **ASKED)
    assert not (out / "texts").exists() and not (out / "run.json").exists()
    with pytest.raises(ValueError, match="holds a measure with other settings: tau was 0.8, now 1.0"):
        lm.measure(models["truth"], {}, out=measured, **ASKED)
    assert main(["run", "--preset", "smoke", "--no-notebooks", "--out", str(measured)]) == 1
    assert "holds a measure, and this would be a run" in capsys.readouterr().err
    assert main(["measure", "--truth", models["truth"], "--model", "near", "--out", str(out)]) == 1
    assert "write it as NAME=MODEL" in capsys.readouterr().err


def test_a_p_star_of_fewer_tokens_reads_no_other_ones(models: dict[str, str], tmp_path: Path) -> None:
    real_weights.require()
    with pytest.raises(ValueError, match="near .* has other tokens than p., and truth is cut to 4096 of its own"):
        lm.measure("recorded/cpu", {"near": models["near"]}, out=tmp_path / "run", **ASKED)
    assert not (tmp_path / "run" / "run.json").exists()


def test_the_models_that_came_with_kdlab_score_as_they_did(tmp_path: Path) -> None:
    """Rounded to float16, on fewer texts: within four errors of what they scored in their run."""
    real_weights.require()
    told = json.loads((recorded_folder() / "cpu" / "weights" / "weights.json").read_text())["models"]
    for name, one in told.items():
        assert checksum(recorded_folder() / "cpu" / "weights" / f"{name}.safetensors") == one["sha256"]
    named = {"tau-0.6": "recorded/cpu/tau-0.6"}
    asked = {"prompt": "One day, a little", "texts": 12, "length": 28}
    for one in lm.measure("recorded/cpu", named, out=tmp_path / "run", **asked)["models"]:
        for what in ("precision", "recall"):
            estimate = one[what]["token"]
            assert abs(estimate["value"] - told[one["name"]][what]) < 4 * estimate["over_sequences"]


@pytest.mark.slow
def test_two_processes_find_the_same(models: dict[str, str], tmp_path: Path) -> None:
    flags = ["--prompt", "The teacher", "--texts", "40", "--length", "12", "--also", "knn"]
    named = [f"--model={name}={models[name]}" for name in ("near", "other")]
    both = ["measure", "--truth", models["truth"], *named, *flags]
    assert main([*both, "--out", str(tmp_path / "one")]) == 0
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "-m", "kdlab.cli"]
    subprocess.run([*torchrun, *both, "--out", str(tmp_path / "two")], check=True, capture_output=True)
    one, two = (read_results(tmp_path / name) for name in ("one", "two"))
    assert two["processes"] == 2
    assert {name for name in one if one[name] != two[name]} <= {"processes", "device"}
