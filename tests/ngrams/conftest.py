"""The sweep of notebook 04, which no test changes: read once for all of them."""

import pytest

from kdlab.ngrams.experiment import NGramSweep, teacher_temperature


@pytest.fixture(scope="session")
def sweep() -> NGramSweep:
    return teacher_temperature()
