"""Straggler simulator for distributed gradient descent.

    import erasurehead as eh

    result = eh.run("example.yaml")
    result.summary
    result.plot.loss_time()

The names in ``__all__`` are the public ones; ``docs/python.md`` describes them. ``sim``,
``delay_models`` and ``experiments`` may change, except what a plugin builds on (the reference has
it). In a checkout these three are links to folders at the top of the repository.
Each name is imported when it is first used, so that ``import erasurehead`` is quick."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from erasurehead.experiments.config.errors import ConfigError
    from erasurehead.fitting import Fitted, TableRead, fit, read_table
    from erasurehead.result import Result
    from erasurehead.running import load, run, sweep
    from erasurehead.sim import theory

__version__ = "0.2.0"

__all__ = [
    "ConfigError", "Fitted", "Result", "TableRead", "__version__", "fit", "load", "read_table",
    "run", "sweep", "theory",
]  # fmt: skip

# where the public names are defined; ``theory`` is a module
_HOMES = {
    "ConfigError": "erasurehead.experiments.config.errors",
    "Result": "erasurehead.result",
    **dict.fromkeys(("Fitted", "TableRead", "fit", "read_table"), "erasurehead.fitting"),
    **dict.fromkeys(("load", "run", "sweep"), "erasurehead.running"),
}


def __getattr__(name: str) -> Any:
    if name == "theory":
        return import_module("erasurehead.sim.theory")
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
