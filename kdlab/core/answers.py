"""What a reader predicted and answered, kept beside the notebook: one plain file, theirs to read and to delete.

The file is `my_answers.json` in the kernel's working directory, or in the folder that the environment variable
KDLAB_ANSWERS names (for notebooks in a folder that many share). It is written only when the reader answers, and it is
sent nowhere. Two notebooks that answer in the very same instant could lose one entry.
"""

import json
import os
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kdlab.core.files import written_whole

FILE = "my_answers.json"
_VERSION = 1
_ABOUT = "Your predictions and answers in kdlab's notebooks. Yours alone: read it, change it or delete it as you like."
_ADVICE = "It was left as it is: move it elsewhere or delete it, then answer again."
_ELSEWHERE = (
    "Nothing else is affected; to have answers kept, open the notebook in a folder of your own, "
    "or name one in KDLAB_ANSWERS."
)
_lock = threading.RLock()  # widget callbacks come from several threads
_told: set[str] = set()  # reasons why answers are not kept that the reader has heard


class AnswersError(Exception):
    """The answers cannot be read or written; says which file, why, and what to do."""


def read(folder: str | Path | None = None) -> dict[str, Any]:
    """Return what is kept, {key: entry}; empty where there is no file.

    ``folder`` is KDLAB_ANSWERS, else the kernel's working directory, unless said otherwise. Raises AnswersError for a
    file that is broken or not ours.
    """
    path = _path(folder)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, ValueError, RecursionError) as error:
        raise AnswersError(f"{path} cannot be read ({error}). {_ADVICE}") from error
    version = content.get("kdlab_answers") if isinstance(content, dict) else None
    if version != _VERSION or not isinstance(content.get("answers"), dict):
        raise AnswersError(f"{path} is not a file of answers of version {_VERSION}. {_ADVICE}")
    return dict(content["answers"])


def record(key: str, entry: Mapping[str, Any], folder: str | Path | None = None) -> None:
    """Keep ``entry`` (plain JSON) under ``key``, in place of what was there; the rest of the file stays.

    Raises AnswersError where the file is not ours, or the folder cannot be written.
    """
    with _lock:
        _write({**read(folder), key: dict(entry)}, _path(folder))


def forget(key: str | None = None, folder: str | Path | None = None) -> None:
    """Forget one answer, or all of them: then the file is deleted. Raises AnswersError as `record` does."""
    with _lock:
        kept = read(folder)
        rest = {} if key is None else {name: entry for name, entry in kept.items() if name != key}
        try:
            if rest:
                _write(rest, _path(folder))
            elif _path(folder).exists():  # a read-only file system refuses to delete even what is not there
                _path(folder).unlink(missing_ok=True)
        except OSError as error:
            raise AnswersError(f"{_path(folder)} cannot be deleted ({error.strerror}): delete it yourself.") from error


def keep(key: str, entry: Mapping[str, Any], folder: str | Path | None = None) -> str:
    """Record an answer where that is possible; a notebook goes on where it is not.

    Returns the sentence to show: empty if all went well, a short one where the reader has heard the reason.
    """
    with _lock:
        try:
            record(key, entry, folder)
        except AnswersError as error:
            said = str(error) in _told
            _told.add(str(error))
            return f"Your answer was not kept{' either: the reason is the same.' if said else f': {error}'}"
        _told.clear()
        return ""


def _path(folder: str | Path | None) -> Path:
    chosen = os.environ.get("KDLAB_ANSWERS", "") if folder is None else folder
    try:
        return Path(chosen).expanduser().absolute() / FILE
    except (OSError, RuntimeError) as error:  # the working directory is gone, or ~ is nobody's
        raise AnswersError(f"there is no folder for {Path(chosen) / FILE} ({error}). {_ELSEWHERE}") from error


def _write(entries: Mapping[str, Any], path: Path) -> None:
    text = json.dumps({"kdlab_answers": _VERSION, "about": _ABOUT, "answers": entries}, indent=2, ensure_ascii=False)
    if not path.parent.is_dir():  # a name that was misspelt makes no folder
        raise AnswersError(f"{path} cannot be written: there is no such folder. {_ELSEWHERE}")
    try:
        with written_whole(path, advice=_ELSEWHERE) as temporary:
            # Half of a surrogate pair, which is no character, becomes its JSON escape.
            temporary.write_text(text + "\n", encoding="utf-8", errors="backslashreplace", newline="\n")
    except OSError as error:
        raise AnswersError(error.strerror) from error
