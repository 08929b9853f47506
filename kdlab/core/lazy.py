"""The front door of a package: names that are loaded when somebody first asks for one (PEP 562)."""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def front_door(
    package: str, modules: Mapping[str, str]
) -> tuple[list[str], Callable[[str], Any], Callable[[], list[str]]]:
    """Return ``__all__``, ``__getattr__`` and ``__dir__`` of a package.

    ``modules`` has, for each module under ``package``, the public names that it holds, in one string; for "", the
    modules that are public themselves. A name that is not there is an AttributeError, which `from package import
    name` turns into an ImportError.

    >>> names, get, _ = front_door("kdlab.core", {"format": "plus signed", "": "files"})
    >>> names, get("plus")(0.5)
    (['files', 'plus', 'signed'], '+0.50')
    """
    where = {name: module for module, names in modules.items() for name in names.split()}
    offered = sorted(where)

    def get(name: str) -> Any:
        if name not in where:
            raise AttributeError(f"module {package!r} has no {name!r}: choose one of {', '.join(offered)}")
        module = import_module(f"{package}.{where[name] or name}")
        return getattr(module, name) if where[name] else module

    return offered, get, lambda: offered
