"""One run, and the only way to call an engine.

A ``Run`` is everything that decides when updates happen. Whoever has one cannot forget the network.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from ..errors import EngineRefused
from ..load_laws import LoadLaw
from ..schemes.barrierless import Barrierless
from ..schemes.base import RoundOutcome, RoundScheme, Scheme, Sees
from ..types import FloatArray, TapeLike, Trace
from .batch import barrierless as batch_barrierless
from .batch import rounds as batch_rounds
from .cluster import IDEAL, Cluster
from .event import barrierless as event_barrierless
from .event import rounds as event_rounds
from .event.timeline import Recorder
from .policy import Policy

Engine = Literal["auto", "batch", "event"]


@dataclass(frozen=True, eq=False)
class Run:
    """A scheme, the delays of its workers, and what surrounds them.

    Attributes:
        scheme: what to run.
        tapes: the delays, one tape per replication, each with ``scheme.workers`` workers.
        load_law: how a worker's time grows with its load.
        iterations: number of iterations T.
        policy: what workers do with unfinished work; of no meaning without rounds.
        cluster: network, lost messages and failures; sequences have one entry per tape.
        seed: of what a scheme draws besides the delays.
    """

    scheme: Scheme
    tapes: Sequence[TapeLike]
    load_law: LoadLaw
    iterations: int
    policy: Policy = Policy.CANCEL
    cluster: Cluster = IDEAL
    seed: int = 0

    @property
    def updates(self) -> int:
        """Updates (rounds, with a barrier) that are simulated."""
        return self.scheme.updates(self.iterations)

    def refusal(self) -> str | None:
        """Why the batch engine cannot simulate this, or ``None``."""
        if isinstance(self.scheme, Barrierless):
            return self.scheme.refusal() or self.cluster.barrierless_refusal()
        return self.cluster.refusal()

    def chosen(self, engine: Engine = "auto") -> Literal["batch", "event"]:
        """The engine that runs: ``auto`` is batch wherever it can.

        Raises:
            EngineRefused: ``batch`` was asked for, and the run needs the event engine.
        """
        refusal = self.refusal() if engine != "event" else None
        if engine == "batch" and refusal is not None:
            raise EngineRefused(refusal)
        return "event" if engine == "event" or refusal is not None else "batch"


Feedback: TypeAlias = "tuple[FloatArray, FloatArray] | None"
"""Losses and alignment, ``(R,)`` each, for a scheme that sees losses; see ``RoundOutcome``."""

Course: TypeAlias = Generator[RoundOutcome, Feedback, Trace]
"""A run, round by round: yields what happened, takes feedback, returns the trace."""


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
        NeverEnough: an update can never happen, or has not by ``max_wait``.
        InvalidDelay: a tape gives a negative number or NaN.
        ValueError: the scheme sees losses; see ``rounds``.
    """
    batch = run.chosen("event" if recorder is not None else engine) == "batch"
    with np.errstate(over="ignore"):  # a time beyond any number is infinite: it never comes
        if isinstance(run.scheme, Barrierless):
            if batch:
                return batch_barrierless.simulate(run, heard, work)
            return event_barrierless.simulate(run, recorder)
        scheme = _with_rounds(run)
        if scheme.sees is Sees.LOSSES:
            raise ValueError(f"{scheme.name} sees losses: a run needs a problem and a learner")
        if batch:
            return batch_rounds.simulate(run, scheme, heard, work)
        return event_rounds.simulate(run, scheme, recorder)


def rounds(run: Run, engine: Engine = "auto", recorder: Recorder | None = None) -> Course:
    """A run of a scheme with rounds, one round at a time, all replications together.

    Send ``(losses, alignment)`` after each outcome where the scheme sees losses, else ``None``.

    Args:
        run, engine, recorder: as for ``simulate``.

    Raises:
        EngineRefused, NeverEnough, InvalidDelay: as ``simulate``.
    """
    scheme = _with_rounds(run)
    if run.chosen("event" if recorder is not None else engine) == "batch":
        return batch_rounds.course(run, scheme)
    return event_rounds.course(run, scheme, recorder)


def _with_rounds(run: Run) -> RoundScheme:
    if not isinstance(run.scheme, RoundScheme):
        raise TypeError(f"{type(run.scheme).__name__} is neither a RoundScheme nor Barrierless")
    return run.scheme.within(run.iterations)
