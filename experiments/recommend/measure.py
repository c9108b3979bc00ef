"""Measures one scheme on one set of delays: its clock once, and the learner at each learning rate.

A pure function of the item, so it may run in any process.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from ...sim.engines.run import Run
from ...sim.engines.simulate import simulate
from ...sim.numerics import one_thread
from ...sim.schemes.base import RoundScheme, Sees
from ..config import build
from ..config.cells import Cell
from ..run.compute import learn_along
from ..run.estimate import estimate, size
from ..run.pool import Died, map_unordered
from ..run.processes import Lane, Share
from ..run.tuning import Runs, clock, replayed
from .item import REFUSALS, Item, Refused, cell_of
from .measured import Measured, numbers

LONGEST, LARGEST = 60.0, 2**30
"""Seconds and bytes that one simulation may take, as estimated."""

Found = Measured | Refused


def measure_all(
    items: Sequence[Item],
    lanes: Sequence[Lane],
    report: Callable[[float], None] = lambda done: None,
) -> list[Found]:
    """Measure items, in lanes if there are any; results in the items' order."""
    found: dict[int, Found] = {}
    for item, result in map_unordered(measure, items, lanes, report):
        found[item.place] = Refused(result.reason) if isinstance(result, Died) else result
    return [found[item.place] for item in items]


def measure(item: Item, share: Share = lambda done: None) -> Found:
    """Measure one item.

    Cost: the engine once; the learner once for each rate.
    """
    try:
        cell = cell_of(item)
        data = cell if item.delays == 0 else cell_of(replace(item, delays=0))
        learning = build.training(data, item.data_dir)
        run = build.timing(cell, None if learning is None else learning.problem.features)
        cost = estimate(run, cell.settings.engine)
        if cost.seconds > LONGEST or cost.memory > LARGEST:
            needs = f"about {cost.seconds:.0f} s and {size(cost.memory)}"
            return Refused(f"would take {needs} to simulate once; run it alone")
        run = item.dial.turned(run)
        with one_thread():
            return _simulated(item, cell, run, learning, share)
    except REFUSALS as error:
        return Refused(str(error))


def _simulated(
    item: Item, cell: Cell, run: Run, learning: build.Training | None, share: Share
) -> Measured:
    engine, scheme = cell.settings.engine, run.scheme
    runs: list[Runs] = []
    if isinstance(scheme, RoundScheme) and scheme.sees is Sees.LOSSES:
        assert learning is not None
        for rate in item.rates or (learning.optimizer.learning_rate,):
            mover = replace(learning.optimizer, learning_rate=rate)
            at_rate = replace(learning, optimizer=mover)
            with np.errstate(over="ignore", invalid="ignore"):
                trace, learned = learn_along(run, scheme, at_rate, engine)
            steps = scheme.steps(trace)
            runs.append(Runs(clock(steps, run.iterations), learned.train_loss))
    else:
        trace = simulate(run, engine)
        training = learning is not None and bool(item.rates)
        steps = scheme.steps(trace) if training else scheme.outline(trace)
        if training:
            assert learning is not None
            for done, one in enumerate(replayed(run, steps, learning, item.rates), 1):
                runs.append(one)
                share(done / len(item.rates))
    return numbers(item, cell.label, run, trace, steps, runs)
