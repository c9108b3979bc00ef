"""Schemes with rounds in the event engine.

Cost: about one SimPy timeout per worker and round, plus one shared event per round; the benchmark
``benchmarks/event_engine.py`` reports the ratio to raw timeouts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from ...schemes.base import RoundOutcome, RoundScheme, Sees
from ...schemes.stopping import StoppingRule
from ...types import FloatArray, Rounds, Trace, Work
from ..plans import plan_of, play_rounds, to_the_end
from ..tapes import CheckedTape
from .ideal import IdealCrew
from .master import Crew, Master
from .real import RealCrew
from .timeline import Recorder

if TYPE_CHECKING:
    from ..run import Course, Run


def simulate(run: Run, scheme: RoundScheme, recorder: Recorder | None = None) -> Trace:
    """Run the replications, one after the other; see ``engines.run.simulate``.

    A scheme that looks at arrivals is asked for its plan for all replications together.
    """
    if scheme.sees is not Sees.NOTHING:
        return to_the_end(course(run, scheme, recorder))
    stopping = plan_of(run, scheme, scheme.start(len(run.tapes))).stopping
    masters = []
    for replication in range(len(run.tapes)):
        master = _master(run, scheme, replication, recorder)
        master.advance()
        for row in _offsets(run, scheme, replication):
            master.open_round(row, stopping.of(replication))
            master.advance()
        masters.append(master)
    return _trace(run, masters)


def course(run: Run, scheme: RoundScheme, recorder: Recorder | None = None) -> Course:
    """All replications together, a round at a time; see ``engines.run.rounds``."""
    group = range(len(run.tapes))
    masters = [_master(run, scheme, r, recorder) for r in group]
    for master in masters:
        master.advance()

    def play(t: int, stopping: StoppingRule, offsets: FloatArray) -> RoundOutcome:
        for r, (master, row) in enumerate(zip(masters, offsets.tolist(), strict=True)):
            master.open_round(row, stopping.of(r))
            master.advance()
        ended = np.array([master.times[t] for master in masters])
        opened = np.array([master.opened for master in masters])
        arrived = np.stack([master.masks[t] for master in masters])
        arrival = np.array([master.instants for master in masters]) - opened[:, None]
        return RoundOutcome(ended - opened, arrived, arrival=arrival)

    yield from play_rounds(run, scheme, play)
    return _trace(run, masters)


def _master(run: Run, scheme: RoundScheme, replication: int, recorder: Recorder | None) -> Master:
    noted = recorder if replication == 0 else None
    crew: Crew
    if run.cluster.ideal:
        crew = IdealCrew(scheme.workers, run.policy, noted)
    else:
        sizes = scheme.message_sizes
        crew = RealCrew(scheme.workers, run.policy, run.cluster, replication, noted, sizes)
    return Master(
        crew,
        scheme.workers,
        scheme.messages,
        run.updates,
        run.policy.drains,
        run.cluster.max_wait,
        noted,
    )


def _offsets(run: Run, scheme: RoundScheme, replication: int) -> Iterator[list[float]]:
    """When each message is computed, round by round, as Python floats (the same bits)."""
    tape, plan = CheckedTape(run.tapes[replication]), scheme.plan(scheme.start(1))
    for start in range(0, run.updates, tape.block_rounds):
        stop = min(start + tape.block_rounds, run.updates)
        yield from plan.message_times(run.load_law, tape, scheme.messages, start, stop).tolist()


def _trace(run: Run, masters: Sequence[Master]) -> Trace:
    return Trace(
        times=np.stack([master.times for master in masters]),
        heard=Rounds(np.stack([master.masks for master in masters])),
        work=Work(
            busy=np.stack([master.crew.busy for master in masters]),
            useful=np.stack([np.array(master.useful) for master in masters]),
            last=np.stack([master.last for master in masters]),
            margin=np.stack([master.margin for master in masters]),
            dead=np.stack([master.dead for master in masters]),
            down=np.stack([master.crew.down for master in masters]),
        ),
        engine="event",
        seed=run.seed,
        fails=run.cluster.failures is not None,
    )
