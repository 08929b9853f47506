"""The real SmolLM2-135M for tests, in the reader's own cache, where `kdlab fetch smollm2` puts it.

Tests that need it are skipped where it is not, unless KDLAB_REQUIRE_WEIGHTS=1.
"""

import os
from functools import cache
from typing import Any

import pytest

from kdlab.lm.pipeline import fetch

GGUF = fetch.cache_folder() / fetch.GGUF.rpartition("/")[2]


def require() -> None:
    """Skip the test, or fail it, where the weights are not here."""
    trouble = fetch.fault() or ("" if GGUF.is_file() else f"{GGUF.name} is gone")
    if trouble:
        said = f"SmolLM2-135M: {trouble}; run `kdlab fetch smollm2`, which brings it (93 MB), and this test"
        pytest.fail(said) if os.environ.get("KDLAB_REQUIRE_WEIGHTS") == "1" else pytest.skip(said)


def truth(vocabulary: int | None = None) -> Any:
    """SmolLM2-135M as p*, or its first tokens; loaded once for all tests of a process."""
    require()
    return _loaded(vocabulary)


@cache
def _loaded(vocabulary: int | None) -> Any:
    from kdlab.lm.pipeline.truth import load_truth

    return load_truth("bundled", vocabulary=vocabulary)
