"""Numbers in words: a real minus sign, none before zero, and as many digits as say something."""

from collections.abc import Callable

import pytest

from kdlab.core.format import deviation, percent, plus, several, short, signed

SIGNED = {
    1.0: "1.00",
    -2.345: "−2.35",
    -0.004: "0.00",
    0.0: "0.00",
    -10.0: "−10.00",
    -0.01: "−0.01",
    -999.99: "−999.99",
}
SHORT = SIGNED | {-1.318: "−1.32", -0.001: "0.00", 2.5: "2.50", 1234.5: "1,234", -164045.6: "−164,046"}
PLUS = {0.5: "+0.50", 0.001: "0.00", -0.001: "0.00", -0.5: "−0.50"}
DEVIATION = {0.005: "0.005", 0.0052: "0.0052", 0.05: "0.05", 0.1: "0.10", 0.452: "0.452", 1.0: "1.00", 5: "5.00"}
PERCENT = {1: "100 %", 0.41: "41 %", 0.0996: "10 %", 0.0994: "9.9 %", 0.001: "0.1 %"} | dict.fromkeys(
    (0.0009, 0), "less than 0.1 %"
)
SEVERAL = {0.0: "0.00", 9.994: "9.99", 9.996: "10.0", 99.94: "99.9", 99.96: "100", 1481.6: "1,482", 9e5: "900,000"}
CASES = ((signed, SIGNED), (short, SHORT), (plus, PLUS), (deviation, DEVIATION), (percent, PERCENT), (several, SEVERAL))


@pytest.mark.parametrize(
    ("write", "value", "text"), [(write, *pair) for write, words in CASES for pair in words.items()]
)
def test_a_number_in_words(write: Callable[[float], str], value: float, text: str) -> None:
    assert write(value) == text
