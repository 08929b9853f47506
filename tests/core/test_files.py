"""Files that are whole or not there, and folders that one process holds at a time."""

import hashlib
import json
import math
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import kdlab
from kdlab.core.files import (
    PACKAGE,
    Busy,
    add_line,
    checksum,
    held,
    notebooks_folder,
    read_lines,
    read_object,
    written_whole,
)

HOLD = """
import sys
from pathlib import Path
from kdlab.core.files import held
with held(Path(sys.argv[1]), "work"):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_where_things_lie() -> None:
    assert Path(kdlab.__file__).parent == PACKAGE
    assert (notebooks_folder() / "00_start_here.ipynb").is_file()


def test_what_is_written_is_there_whole_in_a_folder_that_is_made(tmp_path: Path) -> None:
    path = tmp_path / "new" / "numbers.txt"
    for text in ("one", "two"):
        with written_whole(path) as temporary:
            temporary.write_text(text)
            assert not path.exists() or path.read_text() == "one"
        assert path.read_text() == text
    assert os.listdir(path.parent) == ["numbers.txt"]


@pytest.mark.parametrize("trouble", [KeyboardInterrupt(), ValueError("no")])
def test_what_is_broken_off_leaves_the_old_file_and_nothing_else(tmp_path: Path, trouble: BaseException) -> None:
    path = tmp_path / "numbers.txt"
    path.write_text("old")
    with pytest.raises(type(trouble)), written_whole(path) as temporary:
        temporary.write_text("ne")
        raise trouble
    assert path.read_text() == "old" and os.listdir(tmp_path) == ["numbers.txt"]


def test_a_full_disk_is_said_with_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "numbers.txt"
    said = r"numbers.txt cannot be written \(No space left on device\); nothing was left half-written. Make room"
    with pytest.raises(OSError, match=said) as raised, written_whole(path) as temporary:
        temporary.write_text("ne")
        raise OSError(28, "No space left on device")
    assert raised.value.errno == 28 and os.listdir(tmp_path) == []
    with pytest.raises(OSError, match=r"half-written\. Buy a disk$"), written_whole(path, advice="Buy a disk"):
        raise OSError(28, "No space left on device")


READ_ONLY = """
import sys
from pathlib import Path
from kdlab.core.files import add_line, held, write_json
folder = Path(sys.argv[1])
def hold(place):
    with held(place, "work"):
        pass
for write in (lambda: write_json(folder / "a", 1), lambda: add_line(folder / "a", 1), lambda: hold(folder)):
    try:
        write()
    except OSError as error:
        print(error.errno, error.strerror)
"""


def test_a_read_only_file_system_is_said_with_what_to_do(tmp_path: Path) -> None:
    """A real one, in a name space of its own: what takes a temporary file away is refused there too."""
    mount = f"mount --bind {tmp_path} {tmp_path} && mount -o remount,ro,bind {tmp_path}"
    command = ["unshare", "-rm", "sh", "-c", f'{mount} && "$@"', "sh", sys.executable, "-c", READ_ONLY, str(tmp_path)]
    try:
        subprocess.run([*command[:5], "sh", "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("nothing can be mounted here")
    pytest.importorskip("filelock")
    why, advice = "cannot be written (Read-only file system)", "Make room or choose another folder"
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    starts = [f"30 {tmp_path}/a {why}; nothing was left", f"30 {tmp_path}/a {why}. {advice}", f"30 {tmp_path} {why}."]
    assert [line.startswith(start) and advice in line for line, start in zip(said, starts, strict=True)] == [True] * 3


def test_a_checksum_is_sha256_of_the_whole_file(tmp_path: Path) -> None:
    content = bytes(range(256)) * 5000  # more than one piece
    (tmp_path / "file").write_bytes(content)
    assert checksum(tmp_path / "file") == hashlib.sha256(content).hexdigest()


def test_one_process_holds_a_folder_until_it_ends(tmp_path: Path) -> None:
    pytest.importorskip("filelock")
    folder = tmp_path / "new"
    with subprocess.Popen([sys.executable, "-c", HOLD, folder], stdin=-1, stdout=-1, text=True) as other:
        assert other.stdout and other.stdout.readline() == "held\n"
        with pytest.raises(Busy, match=f"another process is at work in {folder}: wait for it"), held(folder, "work"):
            pass
        with held(folder, "another"):  # a lock of another name is free
            pass
        threading.Timer(0.3, other.kill).start()
        with held(folder, "work", wait=math.inf), held(folder, "work"):  # and this process may have it twice
            assert other.wait() != 0


def test_a_line_that_a_crash_cut_short_stays_by_itself(tmp_path: Path) -> None:
    path = tmp_path / "told.jsonl"
    assert read_lines(path) == []
    add_line(path, {"a": 1})
    with path.open("ab") as file:
        file.write(b'{"b": "\xc3')
    add_line(path, [2])
    add_line(path, "c")
    assert read_lines(path) == [{"a": 1}, [2], "c"] and path.read_bytes().count(b"\n") == 4


@pytest.mark.parametrize("text", [None, "", "{", "[1]", "\x00", '"a"'])
def test_a_file_that_is_no_object_is_empty(tmp_path, text):
    path = tmp_path / "a.json"
    if text is not None:
        path.write_text(text)
    assert read_object(path) == {}
    path.write_text('{"a": 1}')
    assert read_object(path) == {"a": 1}


def test_lines_end_where_json_lines_end(tmp_path):
    """A text may hold characters that str.splitlines takes for ends of lines; JSON does not escape them."""
    texts = ["a\u2028b", "c\x85d", "e\x1cf"]
    path = tmp_path / "texts.jsonl"
    path.write_text("".join(json.dumps({"text": text}, ensure_ascii=False) + "\n" for text in texts), encoding="utf-8")
    assert [one["text"] for one in read_lines(path)] == texts
