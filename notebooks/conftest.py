"""For nbval: notebook 06 trains, so it needs PyTorch; without it the others are run all the same."""

import importlib.util
import os

if importlib.util.find_spec("torch") is None and os.environ.get("KDLAB_REQUIRE_TORCH") != "1":
    collect_ignore = ["06_distil_smollm2.ipynb"]


def pytest_report_header() -> list[str]:
    """Say what is left out, and how to have it."""
    left_out = ", ".join(globals().get("collect_ignore", []))
    return [f"left out, as PyTorch is not installed (`make lm`): {left_out}"] if left_out else []
