"""A run's folder: whose it is, how far the work is, and results that can be read anywhere."""

import json
from pathlib import Path
from typing import Any

import pytest
from support.fake_results import fake_results

from kdlab.cli import main
from kdlab.lm import folder as run_folder
from kdlab.lm.experiment import RunConfig
from kdlab.lm.folder import Line, Log, begin, config_for, read_log, read_results, refuse_others, sentence, totals

SMOKE = RunConfig.of("smoke")


def test_a_folder_refuses_another_run(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    begin(folder, SMOKE)
    before = (folder / "run.json").read_bytes()
    begin(folder, SMOKE)
    assert (folder / "run.json").read_bytes() == before
    with pytest.raises(ValueError, match=r"batch was 32, now 16; length was 16, now 12"):
        begin(folder, RunConfig.of("smoke", {"length": 12, "batch": 16}))
    assert (folder / "run.json").read_bytes() == before
    begin(folder, RunConfig.of("smoke", {"seeds": 5, "threads": 2}))
    assert json.loads((folder / "run.json").read_text())["config"]["seeds"] == 5


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("mine")
    with pytest.raises(ValueError, match="no run's folder"):
        begin(tmp_path, SMOKE)
    assert [file.name for file in tmp_path.iterdir()] == ["thesis.tex"]
    (tmp_path / "run.json").write_text("{")
    with pytest.raises(ValueError, match="cannot be read"):
        begin(tmp_path, SMOKE)


def test_a_run_that_kept_its_folder_as_it_was_typed_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "m" / "folder").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    begin(tmp_path / "run", SMOKE)
    path = tmp_path / "run" / "run.json"
    path.write_text(path.read_text().replace('"random"', '"m/folder"'))
    begin(tmp_path / "run", RunConfig.of("smoke", {"truth": "m/folder"}))
    assert json.loads(path.read_text())["config"]["truth"] == str(tmp_path / "m" / "folder")
    monkeypatch.chdir(tmp_path / "m")
    with pytest.raises(ValueError, match="truth was '/.*/m/folder', now 'm/folder'"):
        refuse_others(tmp_path / "run", RunConfig.of("smoke", {"truth": "m/folder"}))


@pytest.mark.parametrize("text", ["{}", "[]", "3", '{"config": 3}', '{"schema": 1}'])
def test_files_of_a_run_that_are_json_and_nothing_more(tmp_path: Path, text: str, capsys: Any) -> None:
    for name in ("run.json", "results.json"):
        (tmp_path / name).write_text(text)
    for command in (["results", str(tmp_path)], ["run", "--preset", "smoke", "--out", str(tmp_path)]):
        assert main(command) == 1
    said = capsys.readouterr().err
    assert "results.json is JSON, and not what a run leaves there (no " in said
    assert "run.json is JSON, and not what a run leaves there (no config): choose another folder" in said


def test_other_versions_are_written_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begin(tmp_path / "run", SMOKE)
    monkeypatch.setattr(run_folder, "versions", lambda: {"torch": "99"})
    begin(tmp_path / "run", SMOKE)
    told = json.loads((tmp_path / "run" / "run.json").read_text())["versions"]
    assert len(told) == 2 and told[-1] == {"torch": "99"}


def test_a_folder_from_before_there_were_keep_and_truncations_goes_on_without(tmp_path: Path) -> None:
    begin(tmp_path, RunConfig.of("smoke", {"keep": "last", "truncations": "none"}))
    path = tmp_path / "run.json"
    told = json.loads(path.read_text())
    del told["config"]["keep"], told["config"]["truncations"]
    path.write_text(json.dumps(told))
    for settings in ({}, {"seeds": "3"}, {"keep": "last"}):  # every time again: it is still such a folder
        config = config_for(tmp_path, "smoke", settings)
        assert config.keep == "last" and config.truncations == ()
        begin(tmp_path, config)
        assert not {"keep", "truncations"} & json.loads(path.read_text())["config"].keys()
    with pytest.raises(ValueError, match="keep was 'last', now 'best'"):
        begin(tmp_path, config_for(tmp_path, "smoke", {"keep": "best"}))
    with pytest.raises(ValueError, match=r"truncations was \[\], now \['top-k-50'\]"):
        begin(tmp_path, config_for(tmp_path, "smoke", {"truncations": "top-k-50"}))
    assert config_for(tmp_path / "new", "smoke") == SMOKE


def test_progress_is_read_as_far_as_it_is_whole(tmp_path: Path) -> None:
    assert read_log(tmp_path) == []
    shown: list[Line] = []
    log = Log(tmp_path, shown.append)
    log.tell(Line("a", 0.5, tokens=10, seconds=2.0))
    first = read_log(tmp_path)
    with (tmp_path / run_folder.FILE).open("a") as file:
        file.write('{"stage": "a", "fra')
    assert read_log(tmp_path) == first
    again = Log(tmp_path, shown.append)  # after a crash: what it cut short stays by itself
    again.tell(Line("b", 1.0))
    assert read_log(tmp_path) == [*first, Line("b", 1.0)]
    assert first == [Line("a", 0.5, tokens=10, seconds=2.0)] and shown == [*first, Line("b", 1.0)]


def test_processes_side_by_side_add_tokens_and_not_time() -> None:
    lines = [Line("a", 0.5, 10, 2.0), Line("a", 1.0, 30, 4.0, rank=1), Line("a", 1.0, 10, 1.0), Line("b", 1.0)]
    assert totals(lines) == [{"stage": "a", "tokens": 50, "seconds": 4.0, "tokens_per_second": 12}]


def test_a_line_says_how_fast_and_how_long_still(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    clock = iter([0.0, 100.0, 150.0])
    monkeypatch.setattr(run_folder.time, "perf_counter", lambda: next(clock))
    shown: list[Line] = []
    stage = Log(tmp_path, shown.append).stage("write")
    stage.skip(0.5)  # at 100 s half is done, and not by us
    stage.step(0.75, 5000)  # 50 s for a quarter
    assert (shown[0].rate, shown[0].left, shown[0].seconds) == (100.0, 50.0, 50.0)
    assert sentence(shown[0]).split() == ["write", "75", "%", "100", "tokens/s", "50", "s", "left"]


def test_results_that_cannot_be_read_say_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="there is no run there"):
        read_results(tmp_path)
    begin(tmp_path / "new", SMOKE)
    with pytest.raises(ValueError, match="nothing to show yet: .* if nothing is running there, give the run's command"):
        read_results(tmp_path / "new")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match="the run that came with kdlab is .*kdlab/data/recorded/cpu$"):
        read_results("recorded/cpu")
    (tmp_path / "future").mkdir()
    for text, said in ((json.dumps({**fake_results(), "schema": 99}), "schema 99"), ('{"schema": 1', "cannot be read")):
        (tmp_path / "future" / "results.json").write_text(text)
        with pytest.raises(ValueError, match=said):
            read_results(tmp_path / "future")
    assert main(["results", str(tmp_path)]) == 1
