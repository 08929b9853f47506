"""One run from end to end that nobody interrupted, for all tests of a process."""

from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="session")
def looked_at(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, list[tuple[int, int]]]:
    """The run, and how many models its results had and missed whenever it said something."""
    from support.small_run import complete

    from kdlab.lm.folder import read_results
    from kdlab.lm.report.summary import table

    folder, seen = tmp_path_factory.mktemp("whole") / "run", []

    def look(line: Any) -> None:
        told = read_results(folder)
        table(told)
        seen.append((len(told["models"]), len(told["missing"])))

    return complete(folder, look), seen


@pytest.fixture(scope="session")
def run(looked_at: tuple[Any, list[tuple[int, int]]]) -> Any:
    """Read it, and leave it as it is: for changes there is `copy`."""
    return looked_at[0]


@pytest.fixture
def copy(run: Any, tmp_path: Path) -> Path:
    """A copy of the run's folder."""
    import shutil

    return Path(shutil.copytree(run.folder, tmp_path / "run"))
