"""Straggler simulator for distributed gradient descent.

    import erasurehead as eh
    from erasurehead.delays import ShiftedExponential
    from erasurehead.schemes import ErasureHead

    rounds = eh.simulate(ErasureHead(load=3, wait_for=6), ShiftedExponential(shift=0.5, rate=1.0),
                         workers=12)
    rounds.times  # (R, T) seconds
    eh.run("example.yaml").plot.loss_time()

The names in ``__all__`` are the public ones; ``docs/python.md`` describes them. ``api``, ``sim``,
``delay_models`` and ``experiments`` may change. In a checkout the last three stand beside this
folder. Each name is imported when it is first used, so that ``import erasurehead`` is quick."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

if not (Path(__file__).parent / "sim").is_dir():  # in a checkout the folders stand beside this one
    __path__.append(str(Path(__file__).resolve().parents[1]))

if TYPE_CHECKING:
    from erasurehead import (
        delays,
        load_laws,
        optimizers,
        problems,
        schemes,
        stopping,
        testing,
        theory,
    )
    from erasurehead.api.advice import Advice, WhatIf, recommend, whatif
    from erasurehead.api.fitting import Fitted, TableRead, fit, read_table
    from erasurehead.api.result import Result
    from erasurehead.api.running import load, run, sweep
    from erasurehead.api.samples import sample
    from erasurehead.api.simulation import Simulation, simulate, train
    from erasurehead.sim.base.errors import ConfigError

__version__ = "0.3.0"

__all__ = [
    "Advice", "ConfigError", "Fitted", "Result", "Simulation", "TableRead", "WhatIf", "__version__",
    "delays", "fit", "load", "load_laws", "optimizers", "problems", "read_table", "recommend",
    "run", "sample", "schemes", "simulate", "stopping", "sweep", "testing", "theory", "train",
    "whatif",
]  # fmt: skip

# where the public names are defined; the others are modules
_HOMES = {
    "ConfigError": "erasurehead.sim.base.errors",
    **dict.fromkeys(("Advice", "WhatIf", "recommend", "whatif"), "erasurehead.api.advice"),
    "Result": "erasurehead.api.result",
    **dict.fromkeys(("Fitted", "TableRead", "fit", "read_table"), "erasurehead.api.fitting"),
    **dict.fromkeys(("load", "run", "sweep"), "erasurehead.api.running"),
    "sample": "erasurehead.api.samples",
    **dict.fromkeys(("Simulation", "simulate", "train"), "erasurehead.api.simulation"),
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    if name in __all__:
        return import_module(f"erasurehead.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
