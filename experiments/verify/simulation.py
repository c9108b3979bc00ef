"""Rounds for the table, by the engines that every run uses.

Under the policy ``cancel`` and with independent delays every round is an independent repetition
of the same experiment, so a few long runs hold as many replications as rounds.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

import numpy as np

from ...delay_models import Tape
from ...sim.engines.run import Run, simulate
from ...sim.schemes.base import Fixed
from ...sim.steps import DecodedRounds
from ...sim.types import FloatArray, Rounds, Trace
from .grid import Setting

Engine: TypeAlias = Literal["batch", "event"]

RUN = 1000
"""Rounds in one run: few enough that the clock's rounding stays below 1e-12 of a round."""

TAPES_AT_ONCE = 8
"""Tapes that are remembered together: 2 MiB a stream for 30 workers."""

SETTINGS_APART = 2**24
"""Replication numbers kept for each setting, so that no two settings share a tape."""


@dataclass(frozen=True, eq=False)
class Case:
    """One row of the grid, simulated.

    Attributes:
        setting: cluster, delays and load law.
        scheme: what ran.
        trace: R runs of ``RUN`` rounds: times and arrivals.
        decoded: what the master decoded from the trace, with its partition weights.
    """

    setting: Setting
    scheme: Fixed
    trace: Trace
    decoded: DecodedRounds

    @property
    def seconds(self) -> FloatArray:
        """``(R RUN,)`` how long each round took."""
        return self.trace.intervals.ravel()

    @property
    def weights(self) -> FloatArray:
        """``(R RUN, k)`` the partition weights of each round."""
        return self.decoded.weights.reshape(-1, self.scheme.partitions)


@dataclass(frozen=True)
class Remembered:
    """A tape that draws each stream once, since every scheme of a setting reads the same one."""

    tape: Tape
    streams: dict[int, FloatArray] = field(default_factory=dict)

    @property
    def workers(self) -> int:
        """Number of workers n."""
        return self.tape.workers

    @property
    def block_rounds(self) -> int:
        """Rounds that are drawn at once: those of a whole run."""
        return RUN

    def rows(self, start: int, stop: int, stream: int = 0) -> FloatArray:
        """Unit delays of rounds ``start <= t < stop``: ``(stop - start, workers)`` seconds."""
        if stream not in self.streams:
            table = self.tape.rows(0, RUN, stream)
            table.flags.writeable = False
            self.streams[stream] = table
        return self.streams[stream][start:stop]


def cases(setting: Setting, rounds: int, engine: Engine, seed: int) -> Iterator[Case]:
    """Every scheme of a setting, simulated and decoded, in order.

    Args:
        setting: what to simulate.
        rounds: at least this many; rounded up to whole runs.
        engine: which engine.
        seed: of the tapes.

    Cost: schemes that stop alike are simulated once; memory is about ``50 n rounds`` bytes.
    """
    schemes = setting.schemes
    traces: dict[object, list[Trace]] = {_timing(scheme): [] for scheme in schemes}
    for tapes in _tapes(setting, rounds, seed):
        for timing, parts in traces.items():
            scheme = next(s for s in schemes if _timing(s) == timing)
            one = Run(scheme, tapes, setting.law, RUN)
            parts.append(simulate(one, engine, work=False))
    for scheme in schemes:
        trace = _joined(traces[_timing(scheme)])
        steps = scheme.steps(trace)
        assert isinstance(steps, DecodedRounds)
        yield Case(setting, scheme, trace, steps)


def _timing(scheme: Fixed) -> object:
    return scheme.assignment, scheme.stopping


def _tapes(setting: Setting, rounds: int, seed: int) -> Iterator[list[Remembered]]:
    first = setting.index * SETTINGS_APART
    replications = range(first, first - (-rounds // RUN))
    for start in range(0, len(replications), TAPES_AT_ONCE):
        group = replications[start : start + TAPES_AT_ONCE]
        yield [Remembered(Tape(setting.delay, setting.workers, seed, r)) for r in group]


def _joined(parts: list[Trace]) -> Trace:
    arrived = [part.heard.arrived for part in parts if isinstance(part.heard, Rounds)]
    times = np.concatenate([part.times for part in parts])
    return Trace(times, Rounds(np.concatenate(arrived)), None, parts[0].engine)
