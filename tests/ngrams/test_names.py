"""The file of first names, and how it was made."""

import runpy
import tarfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from kdlab.core.files import PACKAGE
from kdlab.ngrams.names import first_names

DATA = PACKAGE / "data"


SCRIPT: Any = SimpleNamespace(**runpy.run_path(str(PACKAGE.parent / "scripts" / "make_names.py")))


def test_the_names_are_the_census() -> None:
    """MARY 2.629 % of women and 0.009 % of men; JAMES 3.318 % of men and 0.010 % of women, as the files say."""
    names, weights = first_names()
    assert len(names) == len(set(names)) == len(weights) == 5163
    assert weights.sum() == pytest.approx(1.0, abs=1e-12)
    assert names[:3] == ["james", "john", "robert"]
    people = dict(zip(names, np.round(weights * 179_992).astype(int).tolist(), strict=True))
    assert (people["mary"], people["james"], sum(people.values())) == (2629 + 9, 3318 + 10, 179_992)
    assert all(set(name) <= set("abcdefghijklmnopqrstuvwxyz") for name in names)
    assert (DATA / "first_names.csv").stat().st_size < 200_000


def test_the_file_is_what_its_script_writes(tmp_path: Path) -> None:
    names, weights = first_names()
    pairs = list(zip(names, np.round(weights * 179_992).astype(int).tolist(), strict=True))
    SCRIPT.write(sorted(pairs, key=lambda pair: (-pair[1], pair[0])), tmp_path / "names.csv")
    assert (tmp_path / "names.csv").read_bytes() == (DATA / "first_names.csv").read_bytes()
    assert [file.name for file in tmp_path.iterdir()] == ["names.csv"]


MEN, WOMEN = "JO             0.318  0.318      1\nAL             0.010  0.328      2\n", "JO  1.002  1.002  1\n"


def test_men_and_women_are_added_up(tmp_path: Path) -> None:
    folder = tmp_path / "names-0.3.0" / "names"
    folder.mkdir(parents=True)
    (folder / "dist.male.first").write_text(MEN)
    (folder / "dist.female.first").write_text(WOMEN)
    with tarfile.open(tmp_path / "names.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "names-0.3.0", "names-0.3.0")
    for source in (tmp_path / "names-0.3.0", tmp_path / "names.tar.gz"):
        assert SCRIPT.merge(SCRIPT.read_files(source)) == [("jo", 1320), ("al", 10)]
    (folder / "dist.female.first").unlink()
    with pytest.raises(FileNotFoundError, match=r"holds no dist\.female\.first: give the source of names 0\.3\.0"):
        SCRIPT.read_files(folder)


@pytest.mark.parametrize("line", ["JO 0.31 0.318 1", "O'NEIL  0.318  0.318  1", "jo  0.318 1 1", ""])
def test_lines_that_are_no_census(line: str) -> None:
    with pytest.raises(ValueError, match="line is .*: a name from A to Z"):
        SCRIPT.merge([line + "\n"])
