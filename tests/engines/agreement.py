"""Both engines on one run: the same trace to the bit, or the same refusal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType

import numpy as np

from sim.engines import batch, event
from sim.engines.cluster import IDEAL, Cluster
from sim.engines.policy import Policy
from sim.errors import NeverEnough
from sim.load_laws import LoadLaw
from sim.schemes import Scheme
from sim.types import FloatArray, Tape, Trace

FIELDS = ("times", "arrived", "busy", "useful", "last", "margin")


@dataclass(frozen=True)
class Mortal:
    """A tape on which a share of the tasks never ends; each stream loses tasks of its own."""

    tape: Tape
    seed: int
    share: float

    @property
    def workers(self) -> int:
        return self.tape.workers

    @property
    def block_rounds(self) -> int:
        return self.tape.block_rounds

    def rows(self, start: int, stop: int, stream: int = 0) -> FloatArray:
        table = self.tape.rows(start, stop, stream).copy()
        for t, row in enumerate(table, start):
            rng = np.random.default_rng([self.seed, t, stream])
            row[rng.random(self.workers) < self.share] = np.inf
        return table


def outcome(
    engine: ModuleType,
    scheme: Scheme,
    tapes: Sequence[Tape],
    law: LoadLaw,
    rounds: int,
    policy: Policy,
    around: Cluster = IDEAL,
) -> Trace | NeverEnough:
    """What an engine does: a trace, or who it waits for in vain."""
    try:
        trace = engine.simulate(scheme, tapes, law, rounds, policy, around)
    except NeverEnough as error:
        return error
    assert isinstance(trace, Trace)
    return trace


def both(
    scheme: Scheme,
    tapes: Sequence[Tape],
    law: LoadLaw,
    rounds: int,
    policy: Policy,
    around: Cluster = IDEAL,
) -> Trace | NeverEnough:
    """Run both engines and hold one to the other; returns what they agree on."""
    slow, fast = (
        outcome(engine, scheme, tapes, law, rounds, policy, around) for engine in (event, batch)
    )
    if isinstance(slow, NeverEnough) or isinstance(fast, NeverEnough):
        assert repr(slow) == repr(fast)
        return slow
    for name in FIELDS:
        one, two = getattr(slow, name), getattr(fast, name)
        assert one.dtype == two.dtype
        assert np.array_equal(one, two), name
    return slow


def both_finish(
    scheme: Scheme,
    tapes: Sequence[Tape],
    law: LoadLaw,
    rounds: int,
    policy: Policy,
    around: Cluster = IDEAL,
) -> Trace:
    """As ``both``, for a run that comes to its end."""
    trace = both(scheme, tapes, law, rounds, policy, around)
    assert isinstance(trace, Trace), trace
    return trace
