"""Kept answers: plain, theirs, never half written, never in place of something else, and never in the way."""

import json
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from kdlab.core import answers

FILE = "my_answers.json"
NOT_OURS = ("", "{", "[]", "{}", '{"kdlab_answers": 2, "answers": {}}', '{"kdlab_answers": 1, "answers": []}')
NOT_OURS += ('{"answers": {}}', '"text"', "[" * 100_000)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(answers, "_told", set())
    return tmp_path


def unwritable(monkeypatch: pytest.MonkeyPatch, *asked: str) -> None:
    """A file system that refuses these calls of the system; file modes would not stop every user that runs tests."""

    def refuse(*args: Any, **kwargs: Any) -> None:
        raise OSError(30, "Read-only file system")

    for name in asked:
        monkeypatch.setattr(os, name, refuse)


def test_what_is_recorded_is_read_again_from_a_plain_file_that_says_whose_it_is(folder: Path) -> None:
    assert answers.read() == {}
    answers.record("a", {"guess": "β falls"})
    answers.record("b", {"answer": 2, "right": True})
    answers.record("a", {"guess": "β rises"})
    assert answers.read() == {"a": {"guess": "β rises"}, "b": {"answer": 2, "right": True}}
    assert os.listdir(folder) == [FILE]
    text = (folder / FILE).read_text(encoding="utf-8")
    assert "β rises" in text and "\n  " in text
    assert json.loads(text)["kdlab_answers"] == 1 and "delete it" in json.loads(text)["about"]


def test_another_folder_is_another_file(folder: Path) -> None:
    (folder / "other").mkdir()
    answers.record("a", {"guess": "x"}, folder / "other")
    assert answers.read() == {} and answers.read(str(folder / "other")) == {"a": {"guess": "x"}}
    assert "cannot be written: there is no such folder" in answers.keep("a", {}, folder / "gone")
    assert os.listdir(folder) == ["other"]


def test_forgetting_one_and_all(folder: Path) -> None:
    answers.forget("a")  # nothing to forget is no error, and writes nothing
    assert os.listdir(folder) == []
    answers.record("a", {})
    answers.record("b", {})
    answers.forget("a")
    answers.forget("never there")
    assert answers.read() == {"b": {}}
    answers.forget()
    answers.forget()
    assert os.listdir(folder) == []


# What must not be lost


@pytest.mark.parametrize("content", [*map(str.encode, NOT_OURS), b"\xff\xfe\x00"])
def test_a_file_that_is_not_ours_stays_as_it_is(folder: Path, content: bytes) -> None:
    (folder / FILE).write_bytes(content)
    for attempt in (answers.read, answers.forget, lambda: answers.forget("a"), lambda: answers.record("a", {})):
        with pytest.raises(answers.AnswersError, match=rf"{FILE}.* left as it is: move it elsewhere or delete it"):
            attempt()
    assert (folder / FILE).read_bytes() == content


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


# What must not be in the way


@pytest.mark.parametrize("asked", [("replace",), ("replace", "unlink", "mkdir")])
def test_why_nothing_is_kept_is_said_once_and_that_it_is_not_each_time(
    monkeypatch: pytest.MonkeyPatch, asked: tuple[str, ...]
) -> None:
    """A read-only file system refuses to take the temporary file away as well."""
    answers.record("a", {"guess": "old"})
    with monkeypatch.context() as patch:
        unwritable(patch, *asked)
        with pytest.raises(answers.AnswersError, match=rf"{FILE} cannot be written \(Read-only file system\)"):
            answers.record("a", {"guess": "new"})
        said = answers.keep("a", {})
        assert FILE in said and "not kept" in said and "a folder of your own" in said
        assert (
            answers.keep("a", {}) == answers.keep("b", {}) == "Your answer was not kept either: the reason is the same."
        )
    assert answers.read() == {"a": {"guess": "old"}}
    assert answers.keep("a", {}) == "" and answers.read() == {"a": {}}
    unwritable(monkeypatch, *asked)
    assert answers.keep("a", {}) == said  # it worked in between: another trouble is news


def test_where_there_is_no_folder_nothing_stops(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "file").touch()
    with monkeypatch.context() as patch:
        for place, said in (("file", "there is no such folder"), ("~nobody-has-this-name", "there is no folder for")):
            patch.setenv("KDLAB_ANSWERS", place)
            assert said in answers.keep("a", {})
    unwritable(monkeypatch, "unlink")
    answers.forget()  # nothing is there, and a read-only file system would refuse to delete it
    (folder / "gone").mkdir()
    monkeypatch.chdir(folder / "gone")
    (folder / "gone").rmdir()
    assert "there is no folder for my_answers.json" in answers.keep("a", {})
    monkeypatch.chdir(folder)
