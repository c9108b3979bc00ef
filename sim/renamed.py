"""Old names of what a plugin builds on: each works, and warns with the name that replaced it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, TypeVar
from warnings import warn

Class = TypeVar("Class", bound=type[Any])


def warn_renamed(old: str, new: str) -> None:
    """Say to who calls our caller that a name was replaced."""
    warn(f"{old} is now called {new}", DeprecationWarning, stacklevel=3)


def renamed_names(module: str, names: Mapping[str, tuple[str, Any]]) -> Callable[[str], Any]:
    """A module's ``__getattr__`` that finds old names, each with the new name and what it names."""

    def find(name: str) -> Any:
        if name not in names:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        new, value = names[name]
        warn_renamed(name, new)
        return value

    return find


def renamed_argument(old: str, new: str) -> Callable[[Class], Class]:
    """A class whose constructor takes a keyword by its old name too."""

    def with_old_name(family: Class) -> Class:
        init = family.__init__

        @wraps(init)
        def start(self: Any, *args: Any, **fields: Any) -> None:
            if old in fields:
                warn_renamed(old, new)
                fields[new] = fields.pop(old)
            init(self, *args, **fields)

        family.__init__ = start
        return family

    return with_old_name
