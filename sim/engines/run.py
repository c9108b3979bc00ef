"""One run, and the only way to call an engine.

A ``Run`` is everything that decides when rounds end. Whoever has one cannot forget the network.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from sim.engines import batch, event
from sim.engines.cluster import IDEAL, Cluster
from sim.engines.policy import Policy
from sim.engines.timeline import Recorder
from sim.load_laws import LoadLaw
from sim.schemes import Scheme
from sim.types import Tape, Trace

Engine = Literal["auto", "batch", "event"]


@dataclass(frozen=True, eq=False)
class Run:
    """A scheme, the delays of its workers, and what surrounds them.

    Attributes:
        scheme: what to run.
        tapes: the delays, one tape per replication, each with ``scheme.workers`` workers.
        load_law: how a worker's time grows with its load.
        iterations: number of iterations T.
        policy: what workers do with unfinished work.
        cluster: network, lost messages and failures; sequences have one entry per tape.
    """

    scheme: Scheme
    tapes: Sequence[Tape]
    load_law: LoadLaw
    iterations: int
    policy: Policy = Policy.CANCEL
    cluster: Cluster = IDEAL

    def refusal(self) -> str | None:
        """Why the batch engine cannot simulate this, or ``None``."""
        return self.cluster.refusal()


def simulate(
    run: Run,
    engine: Engine = "auto",
    *,
    heard: bool = True,
    work: bool = True,
    recorder: Recorder | None = None,
) -> Trace:
    """Simulate a run.

    Args:
        run: what to simulate.
        engine: ``auto`` takes the batch engine wherever it can, and the event engine elsewhere.
        heard: record which messages the master had heard.
        work: record each worker's busy and useful seconds, and who ended each round.
        recorder: collects the timeline of the first replication; needs the event engine.

    Raises:
        EngineRefused: ``batch`` was asked for, and the run needs the event engine.
        NeverEnough: a round cannot end.
        InvalidDelay: a tape gives a negative number or NaN.
    """
    parts = (run.scheme, run.tapes, run.load_law, run.iterations, run.policy, run.cluster)
    if engine == "event" or recorder is not None or (engine == "auto" and run.refusal()):
        return event.simulate(*parts, recorder)
    return batch.simulate(*parts, masks=heard, work=work)
