"""Front doors: every public name is there, and a wrong name is answered with the right ones."""

from importlib import import_module

import pytest

from kdlab.core.lazy import front_door

DOORS = ("kdlab", "kdlab.mixtures", "kdlab.ngrams", "kdlab.lm", "kdlab.lm.report")


@pytest.mark.parametrize("door", DOORS)
def test_every_name_of_a_front_door_is_there(door: str) -> None:
    room = import_module(door)
    held = [name for names in room._MODULES.values() for name in names.split()]
    assert room.__all__ == sorted(held) == dir(room)
    missing = [name for name in room.__all__ if getattr(room, name, None) is None]
    assert missing == []
    with pytest.raises(
        AttributeError, match=rf"module '{door}' has no 'presicion': choose one of .*{room.__all__[-1]}"
    ):
        room.presicion  # noqa: B018


def test_a_name_is_a_module_or_what_a_module_holds() -> None:
    names, get, _ = front_door("kdlab.core", {"format": "plus", "": "files"})
    assert names == ["files", "plus"] and get("files") is import_module("kdlab.core.files")
    assert get("plus") is import_module("kdlab.core.format").plus
    with pytest.raises(ImportError, match="cannot import name 'presicion'"):
        from kdlab import presicion  # noqa: F401
