"""One run: all that an engine takes, the cluster and its policy, and how its tapes are read."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Annotated, Literal, TypeAlias, final

import numpy as np
from annotated_types import Ge, Gt, Unit
from pydantic import AllowInfNan, ConfigDict
from pydantic.dataclasses import dataclass as checked_dataclass

from ..errors import EngineRefused, InvalidDelay
from ..load_laws import LoadLaw
from ..schemes.barrierless import Barrierless
from ..schemes.base import Round, RoundOutcome, RoundScheme, Scheme, State
from ..schemes.deadlines import Later
from ..schemes.stopping import StoppingRule
from ..types import BoolArray, FloatArray, TapeAround, TapeLike, Trace

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


@checked_dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Network:
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
    def transfer(self) -> float:
        """Seconds that one message occupies a channel."""
        return (self.message_bytes or 0.0) / self.bandwidth if self.bandwidth else 0.0

    @property
    def contended(self) -> bool:
        """Whether messages can wait for each other."""
        return self.channels is not None and self.transfer > 0

    def round_trip(self, workers: int) -> float:
        """Seconds to ask all workers at once for a message, and to receive them all."""
        turns = 1 if self.channels is None else -(-workers // self.channels)
        out = self.broadcast_latency + (workers - 1) * self.dispatch_skew
        return out + self.uplink_latency + turns * self.transfer

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

    def skips(self, begun: FloatArray, told: FloatArray) -> BoolArray | None:
        """Who is still busy when the next model comes and so skips it; ``None``: nobody."""
        return begun > told if self is Policy.FINISH else None


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

    @property
    def ideal(self) -> bool:
        """Whether nothing lies between the master and workers that never fail."""
        return self.network is None and self.resends is None and self.failures is None


IDEAL = Cluster()


@dataclass(frozen=True)
class Span:
    """One thing that one worker did."""

    worker: int  # index from 0; -1 is the master
    # ``computing`` (to the end), ``cancelled`` (computing, but not to the end), ``sending``,
    # ``dead``; for the master ``waiting``.
    kind: str
    # Absolute seconds.
    start: float
    end: float
    iteration: int  # which round's model it was about, from 1; 0 for none
    ended_by: int = -1  # for the master's spans, the worker whose message ended the round, or -1


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
        return update // (self.updates // self.iterations) + 1

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
        elif around.network is not None and around.network.contended:
            return "messages that wait for a channel of the master need the event engine"
        elif around.failures is not None:
            return "workers that crash need the event engine"
        return None

    def impossible(self) -> str | None:
        """Why no engine can simulate this, or ``None``."""
        if getattr(self.scheme, "alone", False) and not self.cluster.ideal:
            return "needs a cluster without network and failures: leave these sections out"
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


@final
@dataclass(frozen=True)
class CheckedTape(TapeAround):
    """A tape that refuses negative delays and NaN. Infinity is allowed and means never: the task of
    a dead worker, a message that is lost again and again, the failure of a worker that does not
    fail. Delay models promise finite delays; where one overflows, its task never ends either. Cost:
    one pass over cells that are in the cache, about a hundredth of drawing them."""

    tape: TapeLike

    def rows(self, start: int, stop: int, stream: int = 0) -> FloatArray:
        """Rows ``start <= t < stop``: ``(stop - start, n)`` seconds; raises ``InvalidDelay``,
        naming the first invalid cell and the model."""
        table = self.tape.rows(start, stop, stream)
        if not table.min(initial=0.0) >= 0:  # NaN is the minimum wherever there is one
            row, worker = (int(i) for i in np.argwhere(~(table >= 0))[0])
            source = " ".join(repr(self.model or type(self.tape).__name__).split())
            raise InvalidDelay(source, float(table[row, worker]), worker, start + row)
        return table


@final
class RoundOfAll:
    """One round of all replications, as a tape whose row r is replication r's; ``rounds`` will be
    read. So a load law's ``message_times(tape, loads, m, 0, R)`` gives ``(R, n m)``, also where
    loads differ between replications. The latest block of each stream is kept."""

    def __init__(self, tapes: Sequence[TapeLike], rounds: int) -> None:
        self._tapes = [CheckedTape(tape) for tape in tapes]
        self._size = min(self._tapes[0].block_rounds, rounds)
        self._blocks: dict[int, tuple[int, FloatArray]] = {}
        self.workers, self.block_rounds, self.round = tapes[0].workers, 1, 0

    def rows(self, start: int, stop: int, stream: int = 0) -> FloatArray:
        """Replications ``start <= r < stop`` in the current round, ``(stop - start, n)``."""
        block, offset = divmod(self.round, self._size)
        if self._blocks.get(stream, (-1, None))[0] != block:
            first = block * self._size
            rows = [tape.rows(first, first + self._size, stream) for tape in self._tapes]
            self._blocks[stream] = block, np.stack(rows)
        return self._blocks[stream][1][start:stop, offset]


Play = Callable[[int, StoppingRule, FloatArray], RoundOutcome]
"""Play round t, given its stopping rule and ``(R, n m)`` seconds until each message is computed."""


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
            outcome = play(t, plan.stopping, offsets)
        feedback = yield outcome
        if feedback is not None:
            outcome = replace(outcome, losses=feedback[0], alignment=feedback[1])
        state = scheme.after(state, outcome)


def plan_of(run: Run, state: State) -> Round:
    """The next round, with what the network adds to its end."""
    plan, network = run.rounds.plan(state), run.cluster.network
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
