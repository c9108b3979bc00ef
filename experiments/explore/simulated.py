"""A scheme's run as arrays: what the pictures need of a cell, and no tables."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...sim.engines.run import simulate
from ...sim.types import FloatArray
from ..cells.compute import learn
from ..config import build
from ..config.grid import Cell
from ..records.estimates import mean_and_error

Estimate = tuple[float, float]
"""A mean over replications, and its standard error."""


@dataclass(frozen=True, eq=False)
class Simulated:
    """What a cell's run did.

    Attributes:
        label, scheme: its name in pictures, and in the registry.
        times: ``(R, T + 1)`` seconds, when each iteration ended; 0 at the start.
        losses: ``(R, T + 1)`` training losses.
        errors: ``(R,)`` mean decoding errors.
    """

    label: str
    scheme: str
    times: FloatArray
    losses: FloatArray
    errors: FloatArray

    @property
    def seconds(self) -> Estimate:
        """Seconds per iteration."""
        return mean_and_error(self.times[:, -1] / (self.times.shape[1] - 1))

    @property
    def error(self) -> Estimate:
        """The mean decoding error."""
        return mean_and_error(self.errors)

    @property
    def final(self) -> Estimate:
        """The loss after the last iteration."""
        return mean_and_error(self.losses[:, -1])


def simulated(cell: Cell) -> Simulated:
    """Run a cell with rounds and a problem; as ``experiments.cells.compute``, without its tables.

    Raises:
        ConfigError: the cell cannot be built.
    """
    run, learning = build.both(cell, None)
    assert learning is not None
    steps = run.scheme.steps(simulate(run, work=False))
    losses = learn(learning, steps, run.iterations).train_loss
    times = np.concatenate([np.zeros((len(steps.times), 1)), steps.times], axis=1)
    return Simulated(cell.label, cell.scheme["name"], times, losses, steps.error.mean(axis=1))
