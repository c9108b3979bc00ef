"""Old names of what a plugin builds on: each works, and warns with the name that replaced it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import wraps
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar
from warnings import warn

from typing_extensions import override

Class = TypeVar("Class", bound=type[Any])

JOINED = {
    "experiments.config.errors": "sim.base.errors",
    "sim.schemes.claims": "sim.schemes.base",
}
"""Modules that plugins of version 0.2 import, and those that hold their names now."""


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


class OldModules(MetaPathFinder, Loader):
    """Finds modules by the names that plugins of version 0.2 import: without ``erasurehead``."""

    def __init__(self, plugin: str) -> None:
        self.plugin = plugin
        self.found: list[str] = []

    @override
    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name.partition(".")[0] not in ("sim", "delay_models", "experiments"):
            return None
        other = PathFinder.find_spec(name) if "." not in name else None
        if other is not None and other.origin is not None:
            origin = Path(other.origin).resolve()  # of a checkout, whose package links to it: ours
            if (origin.parents[1] / "erasurehead" / name / origin.name).resolve() != origin:
                return None  # somebody else's
        return ModuleSpec(name, self)

    @override
    def exec_module(self, module: ModuleType) -> None:
        old = module.__name__
        new = f"erasurehead.{JOINED.get(old, old)}"
        sys.modules[old] = import_module(new)
        if not self.found or old in JOINED:  # once, and where more than the beginning changed
            text = f"plugins: {self.plugin}: write {new} for {old}, and so on"
            warn(f"{text}: these names work until 0.4", DeprecationWarning, stacklevel=2)
        self.found.append(old)


@contextmanager
def old_modules(plugin: str) -> Iterator[None]:
    """Within, ``import sim`` is ``import erasurehead.sim``, unless there is another ``sim``."""
    finder = OldModules(plugin)
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
        for name in finder.found:
            sys.modules.pop(name, None)
