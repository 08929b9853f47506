"""A folder of its own for the answers of each test."""

from pathlib import Path

import pytest

from kdlab.core import answers


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a test's answers are kept; nothing has been said yet about trouble with them."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("KDLAB_ANSWERS", raising=False)
    monkeypatch.setattr(answers, "_told", set())
    return tmp_path
