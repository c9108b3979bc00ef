"""A fitted model against the table that it came from: the rounds of each load, simulated again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...delay_models import Tape
from ...delay_models.base import FloatArray
from ..config.build import delay_model
from ..config.settings import section
from .goodness import arrivals, observed_order_statistics, waited_for
from .law import Section

# A load law, unit delays, factors and cold starts may each look right and together be wrong. So the
# sections that are written are simulated as ``run`` simulates them, and a round of each load is
# compared with those of the table where masters wait: for half, for 90 % and for all of the
# workers. What is noise is seen in the simulation itself: means over as many rounds as the table
# has vary from one simulated table to the next, whatever makes them vary (tails, memory, rare
# events, slow rounds). Where the measured mean is well outside of nearly all of them, the model
# does not make such tables.


CELLS, LEAST = 400_000, 200  # simulated delays of a load, and rounds at least
REPLICATIONS = 20  # runs in which they are simulated: a model with a memory has so many starts
SEED = 20190406
OFF = 1.1  # a model misses its table where the measured mean is outside by more than this factor
OUTSIDE = 0.01  # share of simulated tables at either end that count as the next ones


@dataclass(frozen=True, eq=False)
class Resimulated:
    """Rounds of one load."""

    load: float | None  # ``None`` where the table has no loads
    ks: tuple[int, ...]  # which arrivals
    measured: FloatArray  # mean k-th smallest delay of a round, ``(K,)`` seconds
    simulated: FloatArray  # by the fitted sections, ``(K,)`` seconds
    # ``low``, ``high``: between these lie the means of nearly all simulated tables, ``(K,)``
    # seconds
    low: FloatArray
    high: FloatArray

    @property
    def ratios(self) -> FloatArray:
        """Simulated over measured, ``(K,)``; 1 where both are 0."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(self.simulated == self.measured, 1.0, self.simulated / self.measured)

    @property
    def outside(self) -> FloatArray:
        """How many times too short or too long the nearest simulated mean is, ``(K,)``, >= 1."""
        with np.errstate(divide="ignore", invalid="ignore"):
            factors = np.maximum(self.low / self.measured, self.measured / self.high)
        return np.asarray(np.nan_to_num(np.maximum(factors, 1.0), nan=1.0))

    @property
    def missed(self) -> bool:
        """Whether the model does not make such rounds."""
        return bool(self.outside.max() > OFF)


def resimulated(
    delay: Section, law: Mapping[str, Any], tables: Mapping[float | None, FloatArray]
) -> list[Resimulated]:
    """Simulate sections of a config at each load of ``{load: (rounds, n) seconds}``."""
    model, grows = delay_model(delay), section("load_law", dict(law))
    found = []
    for load, table in tables.items():
        n = table.shape[1]
        ks = waited_for(n)
        rounds = -(-max(LEAST, CELLS // n) // REPLICATIONS)
        length = min(rounds, len(table))
        # Of empty tasks alone no load law is known: their times are those of a task.
        unknown = load is None or (load == 0 and len(tables) == 1)
        loads = np.full(n, 1.0 if unknown else load)
        means = []
        for replication in range(REPLICATIONS):
            tape = Tape(model, n, SEED, replication)
            times = arrivals(grows.worker_times(tape, loads, 0, rounds), ks)
            whole = rounds // length * length
            means.append(times[:whole].reshape(-1, length, len(ks)).mean(axis=1))
        of_tables = np.concatenate(means)
        low, high = np.quantile(of_tables, [OUTSIDE, 1 - OUTSIDE], axis=0)
        measured = observed_order_statistics(table, ks)
        found.append(Resimulated(load, ks, measured, of_tables.mean(axis=0), low, high))
    return found
