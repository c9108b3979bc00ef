"""The event engine: a SimPy simulation of every worker and message. The ground truth.

Cost: about one SimPy timeout per worker and round, plus one shared event per round; the
benchmark ``benchmarks/event_engine.py`` reports the ratio to raw timeouts.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence

import numpy as np
import simpy

from sim.engines.policy import Policy
from sim.engines.processes import Master, employ
from sim.errors import NeverEnough
from sim.load_laws import LoadLaw
from sim.schemes import Scheme
from sim.types import Tape, Trace

ROWS_AT_ONCE = 256
"""Rounds whose worker times are read from the tape together."""


def simulate(
    scheme: Scheme, tapes: Sequence[Tape], load_law: LoadLaw, iterations: int, policy: Policy
) -> Trace:
    """Run one replication per tape, one after the other.

    Args:
        scheme: what to run.
        tapes: the delays, one tape per replication, each with ``scheme.workers`` workers.
        load_law: how a worker's time grows with its load.
        iterations: number of rounds T.
        policy: what workers do with unfinished work.

    Returns:
        The trace, with R = ``len(tapes)``.

    Raises:
        NeverEnough: a round cannot end because workers are dead.
    """
    runs = [_replicate(scheme, tape, load_law, iterations, policy) for tape in tapes]
    return Trace(
        times=np.stack([run.times for run in runs]),
        arrived=np.stack([run.masks for run in runs]),
        busy=np.stack([run.busy for run in runs]),
        useful=np.stack([run.useful_seconds() for run in runs]),
        engine="event",
    )


def _replicate(
    scheme: Scheme, tape: Tape, load_law: LoadLaw, iterations: int, policy: Policy
) -> Master:
    env = simpy.Environment()
    durations = _durations(scheme, tape, load_law, iterations)
    drains = policy is Policy.DRAIN
    master = Master(env, scheme.stopping, durations, iterations, scheme.workers, drains)
    employ(master, policy)
    env.process(_opening(master))
    step = env.step
    try:
        while not master.done:
            step()
    except simpy.core.EmptySchedule:
        raise NeverEnough(master.round + 1, _missing(master)) from None
    return master


def _opening(master: Master) -> Generator[simpy.Event, None, None]:
    """Open the first round once every worker listens."""
    yield simpy.events.Timeout(master.env, 0.0)
    master.open_round()


def _missing(master: Master) -> list[int]:
    waited_for = np.isinf(master.finished) if master.decided else ~master.heard()
    return [int(worker) for worker in np.flatnonzero(waited_for)]


def _durations(
    scheme: Scheme, tape: Tape, load_law: LoadLaw, iterations: int
) -> Iterator[list[float]]:
    """Worker times, round by round, as Python floats (the same bits, faster to read)."""
    loads = scheme.assignment.loads
    for start in range(0, iterations, ROWS_AT_ONCE):
        stop = min(start + ROWS_AT_ONCE, iterations)
        yield from load_law.worker_times(tape, loads, start, stop).tolist()
