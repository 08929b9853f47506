"""How numbers are written in sentences and pictures: a real minus sign, and as many digits as say something."""


def signed(value: float) -> str:
    """Write nats as every sentence does: two decimals, a real minus sign, and none before zero.

    >>> signed(-2.5), signed(-0.001)
    ('\N{MINUS SIGN}2.50', '0.00')
    """
    return f"{value:.2f}".replace("-0.00", "0.00").replace("-", "\N{MINUS SIGN}")


def plus(value: float) -> str:
    """Write a change of nats: as `signed` does, and with its plus sign.

    >>> plus(0.5), plus(0.001)
    ('+0.50', '0.00')
    """
    return f"+{value:.2f}" if round(value, 2) > 0 else signed(value)


def short(value: float) -> str:
    """Write nats that may be very many: as `signed` does, from a thousand on without decimals.

    >>> short(-1234.5)
    '\N{MINUS SIGN}1,234'
    """
    return signed(value) if abs(value) < 1000 else f"{value:,.0f}".replace("-", "\N{MINUS SIGN}")


def deviation(value: float) -> str:
    """Write a standard deviation: two decimals, more where those would say too little.

    >>> deviation(1.5), deviation(0.25), deviation(0.0312)
    ('1.50', '0.25', '0.0312')
    """
    if value >= 1:
        return f"{value:.2f}"
    if value >= 0.1:
        return f"{value:.3f}".removesuffix("0")
    return f"{value:.4f}".rstrip("0")


def percent(p: float) -> str:
    """Write a probability as a share.

    >>> percent(0.94), percent(0.041), percent(0.0001)
    ('94 %', '4.1 %', 'less than 0.1 %')
    """
    if p >= 0.0995:
        return f"{100 * p:.0f} %"
    return f"{100 * p:.1f} %" if p >= 0.00095 else "less than 0.1 %"


def several(value: float) -> str:
    """Write how many to expect: three digits, and all that stand before the point.

    >>> several(0.0823), several(98.849), several(1481.6)
    ('0.08', '98.8', '1,482')
    """
    if value >= 99.95:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 9.995 else f"{value:.2f}"
