"""The front door of a package: names that are loaded when somebody first asks for one (PEP 562)."""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

__all__ = ["front_door"]


def front_door(package: str, where: Mapping[str, str]) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return ``__getattr__`` and ``__dir__`` of a package.

    ``where`` has, for each public name, the module under ``package`` that holds it, or "" where the name is a module
    itself. A name that is not there is an AttributeError, which `from package import name` turns into an ImportError.

    >>> get, names = front_door("kdlab.core", {"plus": "format", "files": ""})
    >>> names(), get("plus")(0.5)
    (['files', 'plus'], '+0.50')
    """

    def get(name: str) -> Any:
        if name not in where:
            raise AttributeError(f"module {package!r} has no {name!r}: there are {', '.join(sorted(where))}")
        module = import_module(f"{package}.{where[name] or name}")
        return getattr(module, name) if where[name] else module

    return get, lambda: sorted(where)
