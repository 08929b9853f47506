"""For all tests of a process: a small model, a checkpoint, and a run from end to end that nobody interrupted."""

from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="session")
def model() -> Any:
    """Read it, and leave it as it is."""
    from support.torch_side import small_model

    return small_model()


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of a tiny Llama with a byte-level tokenizer of 264 tokens; beside it is tiny.gguf, its source."""
    from support import tiny_gguf

    from kdlab.lm.pipeline.conversion import convert

    folder = tmp_path_factory.mktemp("tiny") / "checkpoint"
    folder.mkdir()
    tiny_gguf.write(folder.parent / "tiny.gguf")
    convert(folder.parent / "tiny.gguf", folder)
    return folder


class Graphs(list[Any]):
    """What torch.compile has traced, with a backend that keeps its graphs and compiles nothing."""

    def backend(self, graph: Any, inputs: Any) -> Any:
        self.append(graph)
        return graph.forward


@pytest.fixture
def graphs() -> Graphs:
    """None yet."""
    from support.torch_side import torch

    torch.compiler.reset()
    return Graphs()


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
