"""The event engine: a SimPy simulation of every worker and message. The ground truth.

Cost: about one SimPy timeout per worker and round, plus one shared event per round; the
benchmark ``benchmarks/event_engine.py`` reports the ratio to raw timeouts.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from math import inf

import numpy as np
import simpy

from sim.engines.cluster import IDEAL, Cluster
from sim.engines.master import END_OF_TIME, Crew, Master, at
from sim.engines.policy import Policy
from sim.engines.processes import IdealCrew
from sim.engines.real import RealCrew
from sim.engines.tapes import Checked
from sim.engines.timeline import Recorder
from sim.load_laws import LoadLaw
from sim.schemes import Scheme
from sim.types import FloatArray, Tape, Trace


@np.errstate(over="ignore")  # a time beyond any number is infinite: it never comes
def simulate(
    scheme: Scheme,
    tapes: Sequence[Tape],
    load_law: LoadLaw,
    iterations: int,
    policy: Policy,
    cluster: Cluster = IDEAL,
    recorder: Recorder | None = None,
) -> Trace:
    """Run one replication per tape, one after the other.

    Args:
        scheme: what to run.
        tapes: the delays, one tape per replication, each with ``scheme.workers`` workers.
        load_law: how a worker's time grows with its load.
        iterations: number of rounds T.
        policy: what workers do with unfinished work.
        cluster: network, lost messages and failures.
        recorder: collects the timeline of the first replication.

    Returns:
        The trace, with R = ``len(tapes)``.

    Raises:
        NeverEnough: a round cannot end because workers are dead or crash too often, or has not
            ended by ``max_wait``.
        InvalidDelay: a tape gives a negative number or NaN.
    """
    runs = []
    for replication, tape in enumerate(tapes):
        noted = recorder if replication == 0 else None
        if cluster.ideal:
            crew: Crew = IdealCrew(scheme.workers, policy, noted)
        else:
            crew = RealCrew(scheme.workers, policy, cluster, replication, noted)
        offsets = _offsets(scheme, Checked(tape), load_law, iterations)
        master = Master(
            simpy.Environment(),
            scheme.stopping,
            offsets,
            iterations,
            scheme.workers,
            crew,
            messages=scheme.assignment.messages,
            drains=policy is Policy.DRAIN,
            max_wait=cluster.max_wait,
            recorder=noted,
        )
        runs.append(_run(master, crew))
    failing = cluster.failures is not None
    return Trace(
        times=np.stack([run.master.times for run in runs]),
        arrived=np.stack([run.master.masks for run in runs]),
        busy=np.stack([run.crew.busy for run in runs]),
        useful=np.stack([np.array(run.master.useful) for run in runs]),
        last=np.stack([run.master.last for run in runs]),
        margin=np.stack([run.master.margin for run in runs]),
        dead=np.stack([run.master.dead for run in runs]) if failing else None,
        down=np.stack([run.down() for run in runs]) if failing else None,
        engine="event",
    )


@dataclass(frozen=True)
class _Run:
    """A finished replication."""

    master: Master
    crew: Crew

    def down(self) -> FloatArray:
        """``(n,)`` seconds that each worker was down."""
        assert isinstance(self.crew, RealCrew)
        return self.crew.down


def _run(master: Master, crew: Crew) -> _Run:
    at(master.env, END_OF_TIME, master.wait_in_vain, inf)
    crew.employ(master)
    master.env.process(_opening(master))
    step = master.env.step
    while not master.done:
        step()
    return _Run(master, crew)


def _opening(master: Master) -> Generator[simpy.Event, None, None]:
    """Open the first round once every worker listens."""
    yield simpy.events.Timeout(master.env, 0.0)
    master.open_round()


def _offsets(
    scheme: Scheme, tape: Tape, load_law: LoadLaw, iterations: int
) -> Iterator[list[float]]:
    """When each message is computed, round by round, as Python floats (the same bits)."""
    for start in range(0, iterations, tape.block_rounds):
        stop = min(start + tape.block_rounds, iterations)
        yield from load_law.message_times(tape, scheme.assignment, start, stop).tolist()
