"""What a scheme does, in numbers, from its trace and its losses."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...sim.engines.run import Run
from ...sim.schemes.base import RoundScheme
from ...sim.steps import EXACT, Steps
from ...sim.types import FloatArray, Messages, Rounds, Stream, Trace
from ..run.tuning import Runs
from .goal import Goal
from .item import Item
from .progress import exact_iterations


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


def numbers(
    item: Item, label: str, run: Run, trace: Trace, steps: Steps, runs: Sequence[Runs]
) -> Measured:
    """The numbers of a finished run.

    Args:
        item: what was measured.
        label: of the scheme.
        run, trace, steps: what was simulated.
        runs: the losses at each learning rate; empty where nothing was trained.
    """
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
        label,
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
