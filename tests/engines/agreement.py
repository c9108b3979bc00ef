"""Both engines on one run: the same trace to the bit, or the same refusal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from erasurehead.experiments.conformance.rounds import arrays
from erasurehead.sim.engines.cluster import IDEAL, Cluster, Policy
from erasurehead.sim.engines.run import Run
from erasurehead.sim.errors import NeverEnough
from erasurehead.sim.load_laws import LoadLaw
from erasurehead.sim.schemes import Scheme
from erasurehead.sim.types import FloatArray, TapeLike, Trace
from tests.engines.engines import Engine, batch, event


@dataclass(frozen=True)
class Mortal:
    """A tape on which a share of the tasks never ends; each stream loses tasks of its own."""

    tape: TapeLike
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
    engine: Engine,
    scheme: Scheme,
    tapes: Sequence[TapeLike],
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
    tapes: Sequence[TapeLike],
    law: LoadLaw,
    rounds: int,
    policy: Policy,
    around: Cluster = IDEAL,
) -> Trace | NeverEnough:
    """Run both engines and hold one to the other; returns what they agree on.

    What the batch engine refuses, the event engine runs alone.
    """
    refused = Run(scheme, tapes, law, rounds, policy, around).refusal() is not None
    slow, fast = (
        outcome(engine, scheme, tapes, law, rounds, policy, around)
        for engine in (event, event if refused else batch)
    )
    if isinstance(slow, NeverEnough) or isinstance(fast, NeverEnough):
        assert repr(slow) == repr(fast)
        return slow
    one, two = arrays(slow), arrays(fast)
    assert one.keys() == two.keys()
    for name in one:
        assert one[name].dtype == two[name].dtype
        assert np.array_equal(one[name], two[name]), name
    return slow


def both_finish(
    scheme: Scheme,
    tapes: Sequence[TapeLike],
    law: LoadLaw,
    rounds: int,
    policy: Policy,
    around: Cluster = IDEAL,
) -> Trace:
    """As ``both``, for a run that comes to its end."""
    trace = both(scheme, tapes, law, rounds, policy, around)
    assert isinstance(trace, Trace), trace
    return trace
