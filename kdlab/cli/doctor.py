"""One line of what the doctor finds, and how it is printed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

__all__ = ["Check", "lines"]


@dataclass(frozen=True)
class Check:
    """One line of the doctor's answer.

    ``name`` reads the same on every machine; ``found`` is what is there on this one; ``remedy`` says what
    to do where ``status`` is not "ok". Only "missing" stops notebooks 00 to 04, or the workshop.
    """

    name: str
    status: Literal["ok", "missing", "optional"]
    found: str
    remedy: str = ""


def lines(check: Check, *, brief: bool = False) -> Iterator[str]:
    """Yield the lines to print; ``brief`` leaves out what is different from machine to machine."""
    yield f"{check.status:<9}{check.name}" + ("" if brief or not check.found else f": {check.found}")
    if check.status != "ok" and check.remedy:
        yield f"{'':<9}-> {check.remedy}"
