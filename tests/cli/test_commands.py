"""The command line: what it says of itself, and what it answers to what it does not know."""

import re

import pytest

from kdlab import lm
from kdlab.cli import main
from kdlab.core.files import notebooks_folder
from kdlab.lm.pipeline import fetch


def test_sizes_of_the_weights_are_the_same_wherever_they_are_said(capsys):
    provenance = lm.read_results(lm.recorded_folder() / "cpu")["truth"]["provenance"]
    kept = provenance["gguf"]["bytes"] + sum(one["bytes"] for one in provenance["files"].values())
    fetched, disk = f"{fetch.WHEEL_BYTES / 1e6:.0f} MB", f"{round(kept / 1e7) * 10} MB"
    root = notebooks_folder().parent
    assert (fetched, disk) == ("93 MB", "640 MB")
    section = (root / "README.md").read_text().split("## With real language models")[1].split("\n## ")[0]
    assert re.findall(r"\d+ MB", section) == [fetched]
    recording = (root / "notebooks" / "05_meet_smollm2.ipynb").read_text()
    assert re.findall(r"\d+ MB", recording) == [fetched, disk]
    with pytest.raises(SystemExit, match="0"):
        main(["fetch", "--help"])
    assert re.findall(r"\d+\s+MB", " ".join(capsys.readouterr().out.split())) == [fetched, disk]


@pytest.mark.parametrize("people", ["0", "-1", "many", "1.5"])
def test_people_are_counted(capsys, people):
    with pytest.raises(SystemExit, match="2"):
        main(["doctor", f"--workshop={people}"])
    assert "is no number of people" in capsys.readouterr().err
