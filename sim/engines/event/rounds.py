"""Schemes with rounds in the event engine: a master and its workers for each replication."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from ...schemes.base import Round, RoundOutcome, Sees
from ...types import FloatArray, Recorder, Rounds, Trace, Work
from ..run import Course, Run, plan_of, play_rounds, to_the_end
from ..tapes import CheckedTape
from .master import Master
from .networked import NetworkedRoundWorkers
from .worker import IdealRoundWorkers

# Cost: about one SimPy timeout per worker and round, plus two events of the master per round;
# the benchmark ``benchmarks/event_engine.py`` reports the ratio to raw timeouts.


def event_rounds(run: Run, recorder: Recorder | None = None) -> Trace:
    """Run the replications, one after the other; see ``engines.simulate.simulate``. A scheme that
    looks at arrivals is asked for its plan for all replications together."""
    if run.rounds.sees is not Sees.NOTHING:
        return to_the_end(event_course(run, recorder))
    plan = plan_of(run, run.rounds.start(len(run.tapes)))
    played = []
    for replication in range(len(run.tapes)):
        master = _master(run, replication, recorder)
        for row in _offsets(run, replication, plan):
            master.play(row, plan)
        played.append(_numbers(master))  # the master holds blocks of tapes
    return _trace(run, played)


def event_course(run: Run, recorder: Recorder | None = None) -> Course:
    """All replications together, a round at a time; see ``engines.simulate.rounds``."""
    masters = [_master(run, r, recorder) for r in range(len(run.tapes))]

    def play(t: int, plan: Round, offsets: FloatArray) -> RoundOutcome:
        for master, row in zip(masters, offsets.tolist(), strict=True):
            master.play(row, plan)
        ended = np.array([master.times[t] for master in masters])
        opened = np.array([master.opened for master in masters])
        arrived = np.stack([master.masks[t] for master in masters])
        arrival = np.array([master.instants for master in masters]) - opened[:, None]
        return RoundOutcome(ended - opened, arrived, arrival=arrival)

    yield from play_rounds(run, play)
    return _trace(run, list(map(_numbers, masters)))


def _master(run: Run, replication: int, recorder: Recorder | None) -> Master:
    workers = IdealRoundWorkers if run.cluster.ideal else NetworkedRoundWorkers
    return Master(run, workers(run, replication, recorder))


def _offsets(run: Run, replication: int, plan: Round) -> Iterator[list[float]]:
    """When each message is computed, round by round, as Python floats (the same bits)."""
    scheme, tape = run.rounds, CheckedTape(run.tapes[replication])
    together = plan.together(tape)
    for start in range(0, run.updates, together):
        stop = min(start + together, run.updates)
        yield from plan.message_times(run.load_law, tape, scheme.messages, start, stop).tolist()


def _numbers(master: Master) -> tuple[np.ndarray, ...]:
    """Times, masks and the arrays of ``Work`` of a replication."""
    workers = master.workers
    work = (workers.busy, master.useful, master.last, master.margin, master.dead, workers.down)
    return tuple(map(np.array, (master.times, master.masks, *work)))


def _trace(run: Run, played: Sequence[tuple[np.ndarray, ...]]) -> Trace:
    times, masks, *work = (np.stack(arrays) for arrays in zip(*played, strict=True))
    fails = run.cluster.failures is not None
    return Trace(times, Rounds(masks), Work(*work), "event", run.seed, fails, run.iterations)
