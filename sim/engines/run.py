"""One run: all that an engine takes, and what it may note of each worker."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from ..errors import EngineRefused
from ..load_laws import LoadLaw
from ..schemes.barrierless import Barrierless
from ..schemes.base import Round, RoundOutcome, RoundScheme, Scheme, State
from ..schemes.deadlines import Later
from ..schemes.stopping import StoppingRule
from ..types import FloatArray, TapeLike, Trace
from .cluster import IDEAL, Cluster, Policy
from .tapes import RoundOfAll

if TYPE_CHECKING:
    from collections.abc import Generator


@dataclass(frozen=True)
class Span:
    """One thing that one worker did.

    Attributes:
        worker: index from 0; -1 is the master.
        kind: ``computing`` (to the end), ``cancelled`` (computing, but not to the end),
            ``sending``, ``dead``; for the master ``waiting``.
        start, end: absolute seconds.
        iteration: which round's model it was about, from 1; 0 for none.
        ended_by: for the master's spans, the worker whose message ended the round, or -1.
    """

    worker: int
    kind: str
    start: float
    end: float
    iteration: int
    ended_by: int = -1


@dataclass(frozen=True)
class Recorder:
    """Collects spans while a run goes on; each worker's spans are in order and do not overlap."""

    spans: list[Span] = field(default_factory=list)

    def span(self, worker: int, kind: str, start: float, end: float, of_round: int) -> None:
        """Note a worker's span; an empty one is left out."""
        if end > start:
            self.spans.append(Span(worker, kind, start, end, of_round + 1))

    def round_ended(self, of_round: int, opened: float, now: float, ended_by: int) -> None:
        """Note the master's wait in a round."""
        self.spans.append(Span(-1, "waiting", opened, now, of_round + 1, ended_by))


Engine = Literal["auto", "batch", "event"]


@dataclass(frozen=True, eq=False)
class Run:
    """A scheme, the delays of its workers, and what surrounds them: all that decides its updates.

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


Play = Callable[[int, StoppingRule, FloatArray], RoundOutcome]
"""Play round t, given its stopping rule and ``(R, n m)`` seconds until each message is computed."""


def play_rounds(
    run: Run, scheme: RoundScheme, play: Play
) -> Generator[RoundOutcome, Feedback, None]:
    """Ask for each plan, play its round in all replications, tell the scheme what happened."""
    replications, tapes = len(run.tapes), RoundOfAll(run.tapes, run.updates)
    state = scheme.start(replications)
    for t in range(run.updates):
        tapes.round = t
        plan = plan_of(run, scheme, state)
        offsets = plan.message_times(run.load_law, tapes, scheme.messages, 0, replications)
        with np.errstate(over="ignore"):  # a time beyond any number is infinite: it never comes
            outcome = play(t, plan.stopping, offsets)
        feedback = yield outcome
        if feedback is not None:
            outcome = replace(outcome, losses=feedback[0], alignment=feedback[1])
        state = scheme.after(state, outcome)


def plan_of(run: Run, scheme: RoundScheme, state: State) -> Round:
    """The next round, with what the network adds to its end."""
    plan, network = scheme.plan(state), run.cluster.network
    if not plan.fetches or network is None:
        return plan
    return replace(plan, stopping=Later(plan.stopping, network.round_trip(scheme.workers)))


def to_the_end(course: Generator[RoundOutcome, Feedback, Trace]) -> Trace:
    """The trace of a course whose scheme needs no feedback."""
    while True:
        try:
            next(course)
        except StopIteration as end:
            trace: Trace = end.value
            return trace
