"""One run: all that decides its updates, and how it goes on, round by round."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import numpy as np

from ..errors import EngineRefused
from ..load_laws import LoadLaw
from ..schemes.barrierless import Barrierless
from ..schemes.base import Round, RoundOutcome, RoundScheme, Scheme, State
from ..schemes.deadlines import Later
from ..schemes.local_sgd import GroupedRounds, GroupWaits
from ..types import FloatArray, TapeLike, Trace
from .cluster import IDEAL, Cluster, Policy
from .tapes import RoundOfAll

Engine = Literal["auto", "batch", "event", "law"]
"""``law`` draws the length of each round from its law, and has the clock alone; see ``law``."""


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

    @property
    def used(self) -> float:
        """Iterations of n gradients that are used: T, or up to an update more without rounds."""
        if isinstance(self.scheme, Barrierless):
            return self.updates * self.scheme.gradients / self.scheme.workers
        return float(self.iterations)

    @property
    def rounds(self) -> RoundScheme:
        """The scheme, if it has rounds; ``TypeError`` if not."""
        if not isinstance(self.scheme, RoundScheme):
            kind = type(self.scheme).__name__
            raise TypeError(f"{kind} is neither a RoundScheme nor Barrierless")
        return self.scheme

    @property
    def barrierless(self) -> Barrierless:
        """The scheme, if it has no rounds."""
        assert isinstance(self.scheme, Barrierless)
        return self.scheme

    def iteration(self, update: int) -> int:
        """The iteration, from 1, that an update without a barrier belongs to."""
        return self.barrierless.iteration(update)

    def refusal(self) -> str | None:
        """Why the batch engine cannot simulate this, or ``None``."""
        around = self.cluster
        if isinstance(self.scheme, Barrierless):
            if (reason := self.scheme.refusal()) is not None:
                return reason
            if around.max_wait is not None:
                return "a scheme without rounds and with max_wait needs the event engine"
            if not around.ideal:
                where = "on a network, or with failures"
                return f"a scheme without rounds {where}, needs the event engine"
        elif around.contended:
            return "messages that wait for a channel of the master need the event engine"
        elif around.failures is not None:
            return "workers that crash need the event engine"
        return None

    def impossible(self) -> str | None:
        """Why no engine can simulate this, or ``None``."""
        if getattr(self.scheme, "alone", False) and not self.cluster.ideal:
            return "needs a cluster without network and failures: leave these sections out"
        endless = self.cluster.failures is not None and self.cluster.max_wait is None
        if endless and isinstance(self.scheme, GroupedRounds):
            return "waits for workers that crash: give failures.max_wait, or no levels"
        drawn = self.cluster.uplink is not None or self.cluster.transfer is not None
        scheme = self.scheme
        if drawn and isinstance(scheme, RoundScheme) and scheme.plan(scheme.start(1)).fetches:
            known = "fetches sums in a round trip whose seconds are known"
            return f"{known}: give network.uplink_latency, and neither uplink nor transfer"
        return None

    def chosen(self, engine: Engine = "auto") -> Literal["batch", "event"]:
        """The engine that follows the workers: ``auto`` is batch wherever it can. Raises
        ``EngineRefused``: for ``law``, and for ``batch`` where the run needs the event engine."""
        if engine == "law":
            reason = "the law engine gives the clock alone: no timeline, no single round"
            raise EngineRefused(reason)
        refusal = self.refusal() if engine != "event" else None
        if engine == "batch" and refusal is not None:
            raise EngineRefused(refusal)
        return "event" if engine == "event" or refusal is not None else "batch"


Feedback: TypeAlias = "tuple[FloatArray, FloatArray] | None"
"""Losses and alignment, ``(R,)`` each, for a scheme that sees losses; see ``RoundOutcome``."""

Course: TypeAlias = Generator[RoundOutcome, Feedback, Trace]
"""A run, round by round: yields what happened, takes feedback, returns the trace."""

Play = Callable[[int, Round, FloatArray], RoundOutcome]
"""Play round t, given its plan and ``(R, n m)`` seconds until each message is computed."""


def play_rounds(run: Run, play: Play) -> Generator[RoundOutcome, Feedback, None]:
    """Ask for each plan, play its round in all replications, tell the scheme what happened."""
    scheme, replications, tapes = run.rounds, len(run.tapes), RoundOfAll(run.tapes, run.updates)
    state = scheme.start(replications)
    for t in range(run.updates):
        tapes.round = t
        plan = plan_of(run, state)
        if plan.steps > 1:
            raise TypeError(f"{scheme.name}: local steps need a plan that never changes")
        offsets = plan.message_times(run.load_law, tapes, scheme.messages, 0, replications)
        with np.errstate(over="ignore"):  # a time beyond any number is infinite: it never comes
            outcome = play(t, plan, offsets)
        feedback = yield outcome
        if feedback is not None:
            outcome = replace(outcome, losses=feedback[0], alignment=feedback[1])
        state = scheme.after(state, outcome)


def plan_of(run: Run, state: State) -> Round:
    """The next round, among the workers that have something to send, with what the network adds to
    its end, and to the beginning of workers that wait for each other."""
    plan, network = run.rounds.plan(state).among_senders(run.rounds.messages), run.cluster.network
    if isinstance(plan.patience, GroupWaits) and network is not None and network.dispatch_skew > 0:
        later = tuple((np.arange(run.scheme.workers) * network.dispatch_skew).tolist())
        plan = replace(plan, patience=replace(plan.patience, begin=later))
    if not plan.fetches or network is None:
        return plan
    return replace(plan, stopping=Later(plan.stopping, network.round_trip(run.scheme.workers)))


def to_the_end(course: Generator[RoundOutcome, Feedback, Trace]) -> Trace:
    """The trace of a course whose scheme needs no feedback."""
    while True:
        try:
            next(course)
        except StopIteration as end:
            trace: Trace = end.value
            return trace
