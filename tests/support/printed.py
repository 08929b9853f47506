"""Numbers as the pages beside the notebooks print them, and the sweeps that they come from."""

import re
from functools import lru_cache

from kdlab import mixtures

NUMBER = re.compile(r"−?\d+(?:,\d{3})*(?:\.\d+)?")


def said(value: float, decimals: int = 2) -> str:
    """A number as the pages print it: a real minus sign, and none before zero."""
    text = f"{value:.{decimals}f}"
    return text.removeprefix("-") if float(text) == 0 else text.replace("-", "−")


# The sweep of a scene and a number of components, made or read once for all tests of a process.
sweep = lru_cache(maxsize=16)(mixtures.teacher_entropy)
