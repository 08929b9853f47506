"""The settings of a run: presets, text and values, and what cannot work."""

from pathlib import Path
from typing import Any

import pytest

from kdlab.lm.experiment import PRESETS, RunConfig, Truncation, read_instructions


def test_the_presets_of_the_issue() -> None:
    assert list(PRESETS) == ["smoke", "cpu", "gpu", "objectives", "instruct", "gpu-instruct", "paper"]
    cpu, paper = PRESETS["cpu"], PRESETS["paper"]
    assert (cpu.vocabulary, cpu.length, cpu.prompt, cpu.taus) == (4096, 32, "One day, a little", (0.6, 0.8, 0.9, 1.0))
    assert (paper.truth, paper.teacher, paper.student) == ("HuggingFaceTB/SmolLM2-1.7B", "360M", "135M")
    assert (paper.teacher_epochs, paper.student_epochs, paper.seeds, paper.batch, paper.rate) == (5, 1, 5, 256, 5e-4)
    assert {name: preset.truncations for name, preset in PRESETS.items()} == {
        "smoke": ("top-k-50",), "cpu": (), "gpu": ("top-k-50", "top-p-0.9"), "paper": (),
        "objectives": (), "instruct": (), "gpu-instruct": (),
    }  # fmt: skip
    assert all(RunConfig.of(name) == preset for name, preset in PRESETS.items())


def test_settings_as_text_and_as_values_are_the_same() -> None:
    text = {"taus": "1.0, 0.6", "seeds": "3", "rate": "1e-3", "vocabulary": "all", "corpus": "sample", "student": "2M"}
    values = {"taus": [0.6, 1], "seeds": 3, "rate": 0.001, "vocabulary": None, "corpus": "sample", "student": "2M"}
    made = RunConfig.of("cpu", text)
    assert made == RunConfig.of("cpu", values)
    assert (made.taus, made.seeds, made.rate, made.vocabulary) == ((0.6, 1.0), 3, 0.001, None)


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ("none", []),
        ([], []),
        ("top-p-.90, top-k-050", ["top-k-50", "top-p-0.9"]),
        (["top-k 7"], ["top-k-7"]),
        ("top-p-0.00001,top-p 1", ["top-p-1", "top-p-1e-05"]),
    ],
)
def test_a_truncation_has_one_name(given: Any, names: list[str]) -> None:
    made = RunConfig.of("smoke", {"truncations": given})
    assert list(made.truncations) == names == [str(Truncation.of(name)) for name in names]
    assert RunConfig.of("smoke", {"truncations": list(made.truncations)}) == made


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({}, "top_k is None, top_p is None: give one of the two"),
        ({"top_k": 5, "top_p": 0.5}, "top_k is 5, top_p is 0.5: give one of the two"),
        ({"top_k": 0}, "top_k is 0: choose 1 or more"),
        ({"top_p": 0.0}, "top_p is 0.0: choose a share of the mass above 0 and up to 1"),
        ({"top_p": 1.01}, "top_p is 1.01"),
        ({"top_p": float("nan")}, "top_p is nan"),
    ],
)
def test_a_truncation_that_cannot_be_is_refused(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError) as caught:
        Truncation(**settings)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"keep": "first"}, "keep is 'first': choose best or last"),
        ({"seed": "3"}, "'seed' is no setting of a run: did you mean 'seeds'"),
        ({"preset": "gpu"}, "'preset' is no setting of a run. Choose one of truth, "),
        ({"lr": "0.1"}, "'lr' is no setting of a run: did you mean 'rate'?"),
        ({"temperature": "0.1"}, "did you mean 'taus'?"),
        ({"num_train_epochs": "1"}, "did you mean 'student_epochs'?"),
        ({"batch_size": "1"}, "did you mean 'batch'?"),
        ({"lengths": "9"}, "did you mean 'length'?"),
        ({"weight_decay": "0.1"}, "'weight_decay' is no setting of a run. Choose one of truth, "),
        ({"seeds": "three"}, "seeds is 'three': give a whole number"),
        ({"seeds": "2.5"}, "whole number"),
        ({"seeds": True}, "whole number"),
        ({"taus": "0.6;1"}, "taus is '0.6;1': give numbers with commas"),
        ({"truncations": "top-k-0"}, "truncations is 'top-k-0': give top-k-K (K is 1 or more), top-p-P"),
        ({"truncations": "top-p-90"}, "truncations is 'top-p-90'"),
        ({"truncations": "50"}, "truncations is '50'"),
        ({"truncations": "none,top-k-5"}, "truncations is 'none,top-k-5'"),
        ({"truncations": "top-k-5,top-k-05"}, "the same one twice"),
        ({"top_k": 50}, "did you mean 'truncations'?"),
        ({"rate": "fast"}, "a number"),
        ({"prompt": 3}, "prompt is 3: give text"),
        ({"taus": "0,1"}, "positive temperatures"),
        ({"taus": "nan"}, "positive temperatures"),
        ({"taus": []}, "positive temperatures"),
        ({"taus": "1,1.0"}, "same temperature twice"),
        ({"vocabulary": "50000"}, "vocabulary is 50000: p* (bundled) has at most 49152"),
        ({"truth": "random", "vocabulary": "5000"}, "vocabulary is 5000"),
        ({"teacher": "3M"}, "size '3M' is not a rung of the family"),
        ({"student_sequences": "1"}, "student_sequences is 1: choose 2 or more"),
        ({"seeds": 0}, "seeds is 0: choose 1 or more"),
        ({"length": 1}, "length is 1"),
        ({"threads": -1}, "threads is -1"),
        ({"rate": "inf"}, "rate is inf"),
        ({"corpus": "new"}, "corpus is 'new'"),
        ({"prompt": ""}, "must not be empty"),
        ({"prompt": "One day", "prompts": "bundled"}, "prompt is 'One day' and prompts is 'bundled': give one"),
    ],
)
def test_settings_that_cannot_work_fail_before_any_work(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError) as caught:
        RunConfig.of("cpu", settings)
    assert said in str(caught.value)


def test_an_unknown_preset_gets_the_nearest_name() -> None:
    with pytest.raises(ValueError, match=r"'smok': choose one of .* \(nearest: smoke\)"):
        RunConfig.of("smok")


def test_a_folder_is_the_same_from_everywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "m" / "folder"
    folder.mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    spelt = ("m/folder", "./m/folder/", "m/../m/folder", str(folder), "~/m/folder")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert {RunConfig.of("smoke", {"truth": one}).truth for one in spelt} == {str(folder)}
    (tmp_path / "random").mkdir()
    for other in ("random", "some/model", "~nobody-here/model"):  # no folder, or a name that is taken
        assert RunConfig.of("smoke", {"truth": other}).truth == other


# Instructions


def test_the_sixty_instructions() -> None:
    found = RunConfig.of("instruct").begun
    assert isinstance(found, list) and len(found) == len(set(found)) == 60
    assert all(len(one) < 60 and one[-1] in ".?" and one.isascii() for one in found)
    for name in ("instruct", "gpu-instruct"):  # an equal share of them in every corpus, and in every shard
        sizes = {size: value for size, value in vars(PRESETS[name]).items() if size.endswith(("sequences", "shard"))}
        assert len(sizes) == 5 and {size: value % 60 for size, value in sizes.items()} == dict.fromkeys(sizes, 0)


def test_instructions_take_the_place_of_the_prompt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine.txt").write_text("  Say hello.\n\n\tName a bird. \n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for path in ("mine.txt", "~/mine.txt", str(tmp_path / "mine.txt")):
        made = RunConfig.of("cpu", {"prompts": path})
        assert (made.prompt, made.prompts) == ("", str(tmp_path / "mine.txt"))
        assert made.begun == ["Say hello.", "Name a bird."]
    back = RunConfig.of("instruct", {"prompt": "The"})
    assert (back.prompts, back.begun) == ("", "The")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "no text to be read \\(.*No such file.*\\): give a text file with one instruction on each line"),
        (b"\xff\xfe", "there is no text to be read"),
        (b"", "a file without an instruction: write one on each line"),
        (b" \n\n", "a file without an instruction"),
        (b"Say hello.\nName a bird.\nSay hello. \n", "'Say hello.' is twice in .*write each instruction once"),
    ],
)
def test_a_file_that_holds_no_instructions(tmp_path: Path, content: bytes | None, said: str) -> None:
    if content is not None:
        (tmp_path / "some.txt").write_bytes(content)
    with pytest.raises(ValueError, match=said):
        read_instructions(str(tmp_path / "some.txt"))
