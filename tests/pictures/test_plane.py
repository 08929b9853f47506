"""The static plane: names keep off each other and stay on the paper, and the check of that can fail."""

from __future__ import annotations

import pytest
from support.pictures import assert_tidy

from kdlab.pictures.figure import Picture


def test_the_check_for_tidiness_can_fail() -> None:
    over, cut = Picture(figsize=(3, 2)), Picture(figsize=(3, 2))
    over.text(0.2, 0.5, "one name")
    over.text(0.25, 0.5, "another")
    cut.text(0.9, 0.5, "far too long for this paper")
    with pytest.raises(AssertionError, match="over"):
        assert_tidy(over)
    with pytest.raises(AssertionError, match="cut off"):
        assert_tidy(cut)
