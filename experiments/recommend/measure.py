"""One scheme on one set of delays: its clock once, and what it reaches at each learning rate.

A pure function of the item, so it may run in any process.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from experiments.cells.compute import learn_along
from experiments.cells.estimate import estimate
from experiments.cells.fits import size
from experiments.cells.pool import Died, Lane, Share, map_unordered
from experiments.config import build, plugins
from experiments.config.codec import plain
from experiments.config.errors import ConfigError
from experiments.config.grid import Cell
from experiments.config.settings import Settings, validate
from experiments.config.settings import section as setting
from experiments.recommend.dials import AS_IT_IS, Dial
from experiments.recommend.goal import Goal
from experiments.recommend.progress import exact_iterations
from experiments.tuning import Runs, clock, replayed
from sim.engines.run import Run, simulate
from sim.errors import EngineRefused, InvalidParameter, NeverEnough
from sim.learner import BLAS_THREADS
from sim.schemes.base import RoundScheme, Sees
from sim.steps import EXACT, Steps
from sim.types import FloatArray, Messages, Rounds, Stream, Trace

LONGEST, LARGEST = 60.0, 2**30
"""Seconds and bytes that one simulation may take, as estimated."""

REFUSALS = (ConfigError, EngineRefused, InvalidParameter, NeverEnough)


@dataclass(frozen=True)
class Item:
    """What is measured.

    Attributes:
        place: tells items apart.
        base: the config without its schemes, every default written out, as JSON.
        scheme: its section, as JSON.
        seed, iterations, replications: instead of the config's.
        goal: what is looked at.
        rates: learning rates; empty: the clock alone.
        data_dir: where the public data sets lie.
        dial: what is changed about the delays.
    """

    place: int
    base: str
    scheme: str
    seed: int
    iterations: int
    replications: int
    goal: Goal
    rates: tuple[float, ...] = ()
    data_dir: Path | None = None
    dial: Dial = AS_IT_IS


@dataclass(frozen=True)
class Refused:
    """A scheme that cannot be measured here, and why."""

    reason: str


@dataclass(frozen=True, eq=False)
class Measured:
    """What a scheme does, R replications of it.

    Attributes:
        label: its name and what is not a default.
        rates: learning rates; empty without training.
        yardstick: seconds of an exact iteration's progress, see ``progress``.
        values: ``(len(rates), R)``, or ``(1, R)`` for progress: what the goal makes small; NaN
            where it is not reached; empty where a clock alone was asked for.
        needed: ``(len(rates), R)`` iterations to the target; NaN where there is no target.
        iteration_time: ``(R,)`` mean seconds of an iteration.
        error: mean decoding error of an update.
        staleness: mean, in updates.
        busy: ``(R,)`` workers that compute at a time, on average.
        heard: ``(R,)`` gradients that the master hears in a second, by the size of messages.
        exact: whether every update is exact and fresh.
        mark: hash of all that was simulated; equal for two that do the same.
    """

    label: str
    rates: tuple[float, ...]
    yardstick: float
    values: FloatArray
    needed: FloatArray
    iteration_time: FloatArray
    error: float
    staleness: float
    busy: FloatArray
    heard: FloatArray
    exact: bool
    mark: str

    def at(self, rate: float) -> FloatArray:
        """The values at one rate, ``(R,)``."""
        return np.asarray(self.values[self.rates.index(rate) if self.rates else 0])


Found = Measured | Refused


def measure_all(
    items: Sequence[Item], lanes: Sequence[Lane], report: Any = lambda done: None
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
        run, learning = build.both(cell, item.data_dir)
        cost = estimate(run, cell.settings.engine)
        if cost.seconds > LONGEST or cost.memory > LARGEST:
            needs = f"about {cost.seconds:.0f} s and {size(cost.memory)}"
            return Refused(f"would take {needs} to simulate once; run it alone")
        run = item.dial.turned(run)
        with threadpool_limits(BLAS_THREADS):
            return _measured(item, cell, run, learning, share)
    except REFUSALS as error:
        return Refused(str(error))


def cell_of(item: Item) -> Cell:
    """The cell that an item stands for, as ``run`` would have it."""
    base: Mapping[str, Any] = json.loads(item.base)
    settings = _settings(item.base)
    catalogue = plugins.catalogue(base.get("plugins", []))
    entries = setting("schemes", [json.loads(item.scheme)], catalogue)
    changed = {
        "schemes": entries,
        "seed": item.seed,
        "iterations": item.iterations,
        "replications": item.replications,
    }
    section = {**plain(entries[0].family, catalogue), "label": entries[0].label}
    cell = Cell({**base, "schemes": [section]}, entries[0].label, {}, 0, "")
    cell.__dict__["settings"] = settings.model_copy(update=changed)
    return cell


@lru_cache(maxsize=2)
def _settings(base: str) -> Settings:
    """Read once in each process: a trace may be long."""
    document = {**json.loads(base), "schemes": [{"name": "uncoded"}]}
    return validate(document, plugins.catalogue(document.get("plugins", [])))


def _measured(
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
    return _numbers(item, cell, run, trace, steps, runs)


def _numbers(
    item: Item, cell: Cell, run: Run, trace: Trace, steps: Steps, runs: Sequence[Runs]
) -> Measured:
    scheme, elapsed = run.scheme, steps.times[:, -1]
    stale = steps.staleness
    staleness = 0.0 if stale is None else float(stale.mean())
    within = scheme.partitions * EXACT**2
    exact = stale is None and (bool(scheme.exact) or float(np.nanmax(steps.error)) <= within)
    iteration_time = elapsed / run.iterations
    values = np.empty((0, len(elapsed)))
    needed = np.full((len(item.rates), len(elapsed)), np.nan)
    if item.rates:
        values = np.stack([_value(item.goal, each) for each in runs[: len(item.rates)]])
        if item.goal.kind == "target":
            needed = np.stack([each.iterations(item.goal.value) for each in runs])
    yardstick = np.full(len(elapsed), np.nan)
    if not item.rates:
        counted = exact_iterations(steps, scheme.partitions, exact) * steps.times.shape[1]
        yardstick = elapsed / counted
        if item.goal.kind == "iterations":
            values = (item.goal.value * yardstick)[None]
    with np.errstate(divide="ignore", invalid="ignore"):
        busy = _busy(trace) / elapsed
        heard = _heard(run, trace) / elapsed
    mark = hashlib.sha256(np.ascontiguousarray(steps.times).tobytes())
    for part in (steps.error, values):
        mark.update(np.ascontiguousarray(part).tobytes())
    return Measured(
        cell.label,
        item.rates,
        float(yardstick.mean()),
        values,
        needed,
        iteration_time,
        float(np.nanmean(steps.error)),
        staleness,
        busy,
        heard,
        exact,
        mark.hexdigest(),
    )


def _value(goal: Goal, runs: Runs) -> FloatArray:
    """What the goal makes small, ``(R,)``."""
    if goal.kind == "target":
        return runs.seconds(goal.value)
    last = np.maximum((runs.times <= goal.value).sum(axis=1) - 1, 0)
    losses = np.take_along_axis(runs.losses, last[:, None], axis=1)[:, 0]
    return np.where(np.isfinite(losses), losses, np.nan)


def _busy(trace: Trace) -> FloatArray:
    """Seconds that all workers computed, ``(R,)``."""
    assert trace.work is not None
    return np.asarray(trace.work.busy.sum(axis=1))


def _heard(run: Run, trace: Trace) -> FloatArray:
    """Messages that the master heard, in gradients, ``(R,)``."""
    size, heard = run.scheme.message_size, trace.heard
    match heard:
        case Rounds():
            assert isinstance(run.scheme, RoundScheme)
            sizes = np.asarray(run.scheme.message_sizes)
            each = heard.arrived.reshape(*heard.arrived.shape[:2], -1, len(sizes))
            return np.asarray(size * (each.sum(axis=(1, 2)) * sizes).sum(axis=-1))
        case Messages():
            return np.asarray(size * (heard.message >= 0).sum(axis=(1, 2)), dtype=np.float64)
        case Stream():
            return np.asarray(size * np.diff(heard.ends[:, -1], prepend=0), dtype=np.float64)
        case None:
            raise ValueError("the run did not record what was heard")
