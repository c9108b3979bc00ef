"""One run: all that decides its updates, with the network, crashes and the straggler policy around
its workers; and how it goes on, round by round."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Annotated, Literal, TypeAlias

import numpy as np
from annotated_types import Ge, Gt, Unit
from pydantic import AllowInfNan
from pydantic.dataclasses import dataclass as checked_dataclass

from ..base.errors import EngineRefused
from ..base.fields import STRICT, Configurable
from ..base.types import BoolArray, FloatArray, TapeLike, Trace
from ..load_laws import LoadLaw
from ..schemes.across_rounds.local_sgd import GroupedRounds, GroupWaits
from ..schemes.barrierless import Barrierless
from ..schemes.base import Round, RoundOutcome, RoundScheme, Scheme, State
from ..schemes.parts.deadlines import Later
from .tapes import RoundOfAll

# The network between the master and its workers.
#
# A model reaches worker j ``broadcast_latency + j * dispatch_skew`` seconds after the round opens;
# a message reaches the master ``uplink_latency + message_bytes / bandwidth`` seconds after its
# worker has computed it. With ``channels`` set, the master receives at most that many messages at
# a time and the others queue in order (incast): then, and only then, messages wait for each other.
#
# Not modelled here: messages that slow each other down while they share a link.

Seconds = Annotated[float, Ge(0), AllowInfNan(False), Unit("s")]
Bytes = Annotated[float, Ge(0), AllowInfNan(False), Unit("bytes")]
BytesPerSecond = Annotated[float, Gt(0), AllowInfNan(False), Unit("bytes/s")]


@checked_dataclass(frozen=True, config=STRICT, kw_only=True)
class Network(metaclass=Configurable):
    """Latencies in seconds, sizes in bytes, bandwidth in bytes per second.

    Args:
        broadcast_latency: from the opening of a round until the first worker has the model.
        dispatch_skew: seconds between one worker and the next, when the master sends in turn.
        uplink_latency: of a message.
        bandwidth: of the master's ingress, per channel; ``None`` for no limit.
        message_bytes: size of a message that carries one gradient; ``None`` for 8 bytes a feature
            of the problem. Messages of a complex code (``cyclic_mds``) are twice as large.
        channels: messages that the master receives at the same time; ``None`` for no limit.
    """

    broadcast_latency: Seconds = 0.0
    dispatch_skew: Seconds = 0.0
    uplink_latency: Seconds = 0.0
    bandwidth: BytesPerSecond | None = None
    message_bytes: Bytes | None = None
    channels: Annotated[int, Ge(1)] | None = None

    @property
    def occupied(self) -> float:
        """Seconds that one message occupies a channel."""
        return (self.message_bytes or 0.0) / self.bandwidth if self.bandwidth else 0.0

    def round_trip(self, workers: int) -> float:
        """Seconds to ask all workers at once for a message, and to receive them all."""
        turns = 1 if self.channels is None else -(-workers // self.channels)
        out = self.broadcast_latency + (workers - 1) * self.dispatch_skew
        return out + self.uplink_latency + turns * self.occupied

    def downlink(self, workers: int) -> FloatArray:
        """``(n,)`` seconds from the opening of a round until each worker has the model."""
        return np.asarray(self.broadcast_latency + np.arange(workers) * self.dispatch_skew)


class Policy(StrEnum):
    """What a worker does with unfinished work at the next broadcast; both engines read it here."""

    CANCEL = "cancel"  # drop it at once: the next round starts as this one ends
    FINISH = "finish"  # finish it, then take the newest model, skipping those in between
    QUEUE = "queue"  # finish it, then take the next model in order, skipping none
    DRAIN = "drain"  # the master starts the next round only when everyone is idle

    @property
    def interrupts(self) -> bool:
        """Whether a new model ends a worker's earlier work."""
        return self is Policy.CANCEL

    @property
    def in_order(self) -> bool:
        """Whether a worker takes every model, one after the other."""
        return self is Policy.QUEUE

    @property
    def drains(self) -> bool:
        """Whether the master waits for every worker before the next round."""
        return self is Policy.DRAIN

    @property
    def couples_rounds(self) -> bool:
        """Whether unfinished work is carried into later rounds."""
        return not (self.interrupts or self.drains)

    def next_round(self, last: int, newest: int) -> int:
        """The round that a free worker begins, after ``last``."""
        return last + 1 if self.in_order else newest

    def begins(self, received: FloatArray, free: FloatArray) -> FloatArray:
        """When workers begin a round, given when they receive the model and become free."""
        return received if self.interrupts else np.maximum(received, free)

    def skips(self, begun: FloatArray, next_model: FloatArray) -> BoolArray | None:
        """Who is still busy when the next model comes and so skips it; ``None``: nobody."""
        return begun > next_model if self is Policy.FINISH else None


@dataclass(frozen=True)
class Failures:
    """When the workers of one replication crash and come back."""

    up: TapeLike  # row i: how long each worker stays up for the i-th time
    # Row i: how long its i-th repair takes; ``None`` when a crash is for good.
    down: TapeLike | None


@dataclass(frozen=True)
class Cluster:
    """What surrounds the workers of a run, by default nothing; one entry per replication."""

    network: Network | None = None  # latencies, sizes, contention; ``None``: messages take no time
    # Row t: seconds that lost messages of round t cost each worker; ``None``: none lost.
    resends: Sequence[TapeLike] | None = None
    failures: Sequence[Failures] | None = None  # crashes and repairs; ``None``: none
    # Seconds that a round may take; a longer one stops the run. ``None``: any time.
    max_wait: float | None = None
    # Row t of stream i: seconds of each worker's i-th message of round t, or of its t-th without
    # rounds, in place of ``uplink_latency``; and of the transfer of a whole gradient, in place of
    # ``message_bytes / bandwidth``. ``None``: these are constant.
    uplink: Sequence[TapeLike] | None = None
    transfer: Sequence[TapeLike] | None = None

    @property
    def ideal(self) -> bool:
        """Whether nothing lies between the master and workers that never fail."""
        around = self.network, self.uplink, self.transfer, self.resends, self.failures
        return all(trouble is None for trouble in around)

    @property
    def contended(self) -> bool:
        """Whether messages can wait for each other."""
        network = self.network
        if network is None or network.channels is None:
            return False
        return self.transfer is not None or network.occupied > 0


IDEAL = Cluster()


Engine = Literal["auto", "batch", "event", "law"]
"""``law`` draws the length of each round from its law, and has the clock alone; see ``law``."""


@dataclass(frozen=True, eq=False)
class Run:
    """A scheme, the delays of its workers, what surrounds them: all that decides its updates."""

    scheme: Scheme  # what to run
    tapes: Sequence[TapeLike]  # the delays of ``scheme.workers`` workers, one tape per replication
    load_law: LoadLaw  # how a worker's time grows with its load
    iterations: int  # number of iterations T
    policy: Policy = Policy.CANCEL  # what becomes of unfinished work; of no meaning without rounds
    cluster: Cluster = IDEAL  # network, lost messages, failures; sequences have one entry per tape
    seed: int = 0  # of what a scheme draws besides the delays

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
