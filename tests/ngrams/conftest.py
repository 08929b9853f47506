"""The sweeps of notebooks 04 and 08, which no test changes: read once for all of them."""

import pytest

from kdlab.ngrams.experiment import NGramSweep, teacher_temperature
from kdlab.ngrams.tries import TriesSweep, tries_over_tau


@pytest.fixture(scope="session")
def sweep() -> NGramSweep:
    return teacher_temperature()


@pytest.fixture(scope="session")
def tries(sweep: NGramSweep) -> TriesSweep:
    return tries_over_tau(sweep)
