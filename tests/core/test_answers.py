"""Kept answers: plain, theirs, never half written, never in place of something else, and never in the way."""

from __future__ import annotations

import json
import multiprocessing
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from kdlab.core import answers

FILE = "my_answers.json"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(answers, "_told", set())
    return tmp_path


def unwritable(monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that refuses; file modes would not stop every user that runs tests."""

    def refuse(*args: Any, **kwargs: Any) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "replace", refuse)


# What is kept


def test_what_is_recorded_is_read_again(folder: Path) -> None:
    assert answers.read() == {}
    answers.record("a", {"guess": "β falls"})
    answers.record("b", {"answer": 2, "right": True})
    answers.record("a", {"guess": "β rises"})
    assert answers.read() == {"a": {"guess": "β rises"}, "b": {"answer": 2, "right": True}}
    assert [file.name for file in folder.iterdir()] == [FILE]


def test_the_file_is_plain_and_says_whose_it_is(folder: Path) -> None:
    answers.record("a", {"guess": "β falls"})
    text = (folder / FILE).read_text(encoding="utf-8")
    assert "β falls" in text and "\n  " in text
    content = json.loads(text)
    assert content["kdlab_answers"] == 1
    assert "delete it" in content["about"]


def test_another_folder_is_another_file(folder: Path) -> None:
    other = folder / "other"
    other.mkdir()
    answers.record("a", {"guess": "x"}, other)
    assert answers.read() == {} and answers.read(str(other)) == {"a": {"guess": "x"}}
    assert not (folder / FILE).exists()


def test_forgetting_one_and_all(folder: Path) -> None:
    answers.record("a", {})
    answers.record("b", {})
    answers.forget("a")
    answers.forget("never there")
    assert answers.read() == {"b": {}}
    answers.forget()
    assert list(folder.iterdir()) == []
    answers.forget()  # nothing to forget is no error


def test_reading_and_forgetting_write_nothing(folder: Path) -> None:
    answers.read()
    answers.forget("a")
    assert list(folder.iterdir()) == []


# What must not be lost


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        "{}",
        '{"kdlab_answers": 2, "answers": {}}',
        '{"kdlab_answers": 1, "answers": []}',
        '{"answers": {}}',
        '"text"',
        "[" * 100_000,
    ],
)
def test_a_file_that_is_not_ours_stays_as_it_is(folder: Path, content: str) -> None:
    (folder / FILE).write_text(content, encoding="utf-8")
    for attempt in (answers.read, answers.forget, lambda: answers.forget("a"), lambda: answers.record("a", {})):
        with pytest.raises(answers.AnswersError, match=rf"{FILE}.* left as it is: move it elsewhere or delete it"):
            attempt()
    assert (folder / FILE).read_text(encoding="utf-8") == content


def test_bytes_that_are_no_text_stay_as_they_are(folder: Path) -> None:
    (folder / FILE).write_bytes(b"\xff\xfe\x00")
    with pytest.raises(answers.AnswersError, match="cannot be read"):
        answers.record("a", {})
    assert (folder / FILE).read_bytes() == b"\xff\xfe\x00"


def test_a_failed_write_leaves_the_old_file_and_nothing_else(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answers.record("a", {"guess": "old"})
    with monkeypatch.context() as patch:
        unwritable(patch)
        with pytest.raises(answers.AnswersError, match=r"cannot be written \(Permission denied\)"):
            answers.record("a", {"guess": "new"})
    assert answers.read() == {"a": {"guess": "old"}}
    assert [file.name for file in folder.iterdir()] == [FILE]


def test_half_a_character_does_not_break_the_file() -> None:
    answers.record("a", {"reason": "\ud800"})
    assert answers.read() == {"a": {"reason": "\ud800"}}


def test_many_threads_lose_nothing(folder: Path) -> None:
    threads = [threading.Thread(target=answers.record, args=(f"key {i}", {"i": i})) for i in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers.read() == {f"key {i}": {"i": i} for i in range(40)}
    assert [file.name for file in folder.iterdir()] == [FILE]


def _write_often(folder: Path, name: str) -> None:
    for i in range(50):
        answers.record(name, {"i": i}, folder)


def test_two_processes_never_leave_half_a_file(folder: Path) -> None:
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_write_often, args=(folder, name)) for name in ("a", "b")]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        answers.read(folder)  # raises if it finds half a file
    for writer in writers:
        writer.join()
        assert writer.exitcode == 0
    assert [file.name for file in folder.iterdir()] == [FILE]


# What must not be in the way


def test_a_folder_that_cannot_be_written_is_said_once(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        unwritable(patch)
        said = answers.keep("a", {})
        assert FILE in said and "not kept" in said and "a folder of your own" in said
        assert answers.keep("a", {}) == answers.keep("b", {}) == ""
    assert answers.keep("a", {}) == "" and answers.read() == {"a": {}}
    unwritable(monkeypatch)
    assert answers.keep("a", {}) != ""  # it worked in between: another trouble is news


def test_a_folder_that_is_gone_is_said_too(folder: Path) -> None:
    assert "cannot be written" in answers.keep("a", {}, folder / "gone")
