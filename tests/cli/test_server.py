"""A JupyterLab for a while: what is said where it does not start. That it serves and ends is in test_workshop."""

import sys

import pytest

from kdlab.cli.server import NotStarted, jupyterlab


@pytest.mark.parametrize(
    ("script", "patience", "says"),
    [("echo one; echo broken on purpose >&2; exit 3", 30, "broken on purpose"), ("exec sleep 60", 0.3, "none")],
)
def test_one_that_does_not_start(tmp_path, monkeypatch, script, patience, says):
    """Neither one that ends, with its last words, nor one that never answers."""
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    with pytest.raises(NotStarted, match=f"^{says}$"), jupyterlab(tmp_path, tmp_path, patience=patience):
        pytest.fail("there is nothing to serve")
