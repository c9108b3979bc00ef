"""What a scheme is, what it promises, and what it may know of the workers' times before a run."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Never, Protocol, TypeAlias, final

import numpy as np
from typing_extensions import override

from ..base.fields import Configurable
from ..base.types import BoolArray, FloatArray, IntArray, Loads, TapeLike, Trace
from ..load_laws import LoadLaw
from ..training.steps import CommonlyWeighted, DecodedRounds, Steps
from .parts.assignments import Assignment
from .parts.decoders import PROBED_ORDERS, Conditioning, Decoder, SumArrived
from .parts.stopping import StoppingRule, stopping_delay_by_bisection


@dataclass(frozen=True)
class RandomOrder:
    """Workers whose times are independent and of one law; a round ends by the scheme's own rule."""


@dataclass(frozen=True)
class Independent:
    """Each worker straggles with its own chance, ``(n,)`` in [0, 1), whatever ends the round."""

    chances: tuple[float, ...]


Stragglers: TypeAlias = RandomOrder | Independent  # who straggles


@dataclass(frozen=True)
class Guarantees:
    """What a scheme promises beyond being exact, for the conformance tests; ``None``: nothing.

    Attributes:
        copies: workers that hold each partition.
        tolerates: s; whoever s of the workers never send anything, a round ends without them, and
            is decoded exactly.
        unbiased: the stragglers under which every partition's weight is 1 on average.
        mean_error: the mean decoding error ``||w - 1||^2`` of a round, under ``RandomOrder``.
        largest_error: the most that it can be when a round ends.
    """

    copies: int | None = None
    tolerates: int | None = None
    unbiased: Stragglers | None = None
    mean_error: float | None = None
    largest_error: float | None = None


State: TypeAlias = Any  # what a scheme remembers, for all replications; never changed in place

# What a worker does by itself within a round, such as giving up after a time. It turns the times of
# its messages, ``(..., n m)`` seconds after its task began, into those at which they are really
# sent; infinite where it gave up. A worker is free after its last message, which comes after all
# others that are sent. Both engines call it, so it may compute anything.
Patience: TypeAlias = Callable[[FloatArray], FloatArray]

MAX_DECODING_OPERATIONS = 2e10  # in all, for which every round of an exact code is decoded
MAX_TAPE_BLOCKS = 16  # blocks of a tape that are read together for rounds of several steps: 4 MiB


class Sees(Enum):
    """What a plan depends on; NOTHING: one plan for all rounds and replications."""

    NOTHING = "nothing"
    ARRIVALS = "arrivals"
    LOSSES = "losses"


@dataclass(frozen=True, eq=False)
class Round:
    """The plan of one round.

    Attributes:
        loads: ``(n,)`` or ``(R, n)`` partitions that each worker computes; one with 0 has nothing
            to send, and nobody waits for it.
        stopping: when the round ends; its numbers may be ``(R,)``, see ``StoppingRule.of``.
        patience: what a worker does by itself, or what workers wait for between local steps.
        shares: ``(m,)`` share of its load that a worker has computed for each of its messages and
            those before, ascending to 1; after the i-th of m messages i/m unless given.
        tasks: how many tasks of its load a worker begins one after the other, each with draws of
            its own; patience turns their seconds, ``(..., n tasks)``, into the times of messages.
            ``None``: it does its load once.
        fetches: the round ends one round trip later, in which the master asks for the sums.
        steps: how often a worker does its load, each time in the seconds of the tape's next row, so
            that a measured trace gives successive rounds to successive steps; patience turns the
            seconds of all steps, ``(..., n steps)``, into the times of messages. For one message a
            worker, and a plan that never changes.
        rows: of the tape in all, where the last round may have fewer steps.
    """

    loads: Loads
    stopping: StoppingRule
    patience: Patience | None = None
    shares: FloatArray | None = None
    tasks: int | None = None
    fetches: bool = False
    steps: int = 1
    rows: int | None = None

    def message_times(
        self, law: LoadLaw, tape: TapeLike, messages: int, start: int, stop: int
    ) -> FloatArray:
        """When each message is sent, from the beginning of its worker's task; see ``LoadLaw``.
        Infinite: never; NaN: its worker has nothing to send, and is free at once."""
        times = self.times(law, tape, messages, start, stop)
        times = times if self.patience is None else self.patience(times)
        if self.loads.all():
            return times
        return np.where(np.repeat(self.loads == 0, messages, axis=-1), np.nan, times)

    def among_senders(self, messages: int) -> Round:
        """The same with a stopping rule that knows how many workers, with m messages each, have
        something to send."""
        if self.loads.all():
            return self
        senders = np.count_nonzero(self.loads, axis=-1)
        return replace(self, stopping=self.stopping.among(np.asarray(senders * messages)))

    def times(
        self, law: LoadLaw, tape: TapeLike, messages: int, start: int, stop: int
    ) -> FloatArray:
        """What patience is asked about: ``(stop - start, n m)``, of tasks ``(..., n tasks)``, of
        steps ``(..., n steps)``; without patience, of steps the sums."""
        if self.tasks is not None:
            return law.task_times(tape, self.loads, self.tasks, start, stop)
        if self.steps == 1:
            return law.message_times(tape, self.loads, messages, start, stop, self.shares)
        first, end = start * self.steps, stop * self.steps
        seconds = law.worker_times(tape, self.loads, first, min(end, self.rows or end))
        padded = np.zeros((end - first, seconds.shape[1]))
        padded[: len(seconds)] = seconds
        by_round = padded.reshape(stop - start, self.steps, -1)
        if self.patience is not None:
            return by_round.swapaxes(1, 2).reshape(stop - start, -1)
        return np.asarray(np.add.accumulate(by_round, axis=1)[:, -1])  # in their order

    def together(self, tape: TapeLike) -> int:
        """Rounds that are cheapest to read together: their steps fill ``MAX_TAPE_BLOCKS`` blocks of
        the tape, or fewer. Blocks that two readings share are drawn twice: at most one in
        sixteen."""
        return max(1, tape.block_rounds * min(self.steps, MAX_TAPE_BLOCKS) // self.steps)


@dataclass(frozen=True, eq=False)
class RoundOutcome:
    """What happened in one round, for all replications.

    Attributes:
        duration: ``(R,)`` seconds from its opening to its end.
        arrived: ``(R, n m)`` whose message of the round had arrived by then.
        losses: ``(R,)`` the training loss after the round's update, for a scheme that sees losses.
        alignment: ``(R,)`` inner product of the round's decoded gradient with the one before, 0 in
            the first round; for a scheme that sees losses.
        arrival: ``(R, n m)`` seconds from the opening to each message's arrival; infinite where it
            had not arrived. Engines always say it.
    """

    duration: FloatArray
    arrived: BoolArray
    losses: FloatArray | None = None
    alignment: FloatArray | None = None
    arrival: FloatArray | None = None


class Scheme(ABC):
    """A scheme for n workers, a frozen value; abstract.

    Attributes:
        name: the registry name of its family.
        exact: True when every set of arrivals that ends a round decodes to the exact gradient, in
            exact arithmetic; None where that depends on the draw, so that it is measured.
        local_steps: iterations that an update is: steps that every worker takes on its own.
    """

    name: str
    exact: bool | None = False
    local_steps: int = 1

    @property
    def random(self) -> bool:
        """Whether ``steps`` draws something, by the trace's seed, in each replication anew.
        ``True``, the safe answer, unless overridden."""
        return True

    @property
    def guarantees(self) -> Guarantees:
        """What else it promises; nothing unless overridden."""
        return Guarantees()

    @property
    @abstractmethod
    def workers(self) -> int:
        """Number of workers n."""

    @property
    def partitions(self) -> int:
        """Number of partitions k; n unless overridden."""
        return self.workers

    @property
    def message_size(self) -> float:
        """Size of a message, in gradients; 1 unless overridden."""
        return 1.0

    @abstractmethod
    def steps(self, trace: Trace) -> Steps:
        """What the master's updates were made of."""

    def outline(self, trace: Trace) -> Steps:
        """``steps`` of a run that trains nothing; may measure the decoding of a sample alone."""
        return self.steps(trace)

    def updates(self, iterations: int) -> int:
        """Updates (rounds, with a barrier) that an engine simulates for so many iterations."""
        return -(-iterations // self.local_steps)

    def conditioning(self) -> Conditioning | None:
        """How large the code's numbers are and how exactly it decodes; ``None`` for plain sums."""
        return None


class RoundScheme(Scheme):
    """A scheme with rounds: one broadcast, the wait, the decision; abstract."""

    sees: ClassVar[Sees] = Sees.ARRIVALS
    alone: ClassVar[bool] = False
    """Whether it needs an ideal cluster: workers that know of each other without a message."""

    @property
    @override
    def random(self) -> bool:
        """What arrived decides all: a scheme whose own ``steps`` draw something says so."""
        return False

    @property
    def messages(self) -> int:
        """Messages m that each worker sends per round, the last with its whole load."""
        return 1

    @property
    def message_sizes(self) -> tuple[float, ...]:
        """``(m,)`` sizes of a worker's messages, as multiples of ``message_size``; 1 by default."""
        return (1.0,) * self.messages

    def within(self, iterations: int) -> RoundScheme:
        """The scheme in a run of so many iterations, for one that does something at the end."""
        return self

    def start(self, replications: int) -> State:
        """The state before the first round; ``None`` for a scheme without memory."""
        return None

    @abstractmethod
    def plan(self, state: State) -> Round:
        """Who computes what in the next round, and when it stops."""

    def after(self, state: State, outcome: RoundOutcome) -> State:
        """The state after a round."""
        return state

    def work_time(self, times: FloatArray) -> tuple[FloatArray, FloatArray] | None:
        """Busy and useful seconds of each worker, ``(..., n)`` each, in a round that ends when all
        is done, from the ``(..., n tasks)`` seconds that ``Round.patience`` gets. ``None``: each is
        busy until its last message. For schemes of one plan whose workers do each other's tasks, or
        wait for each other."""
        return None

    @abstractmethod
    def weights(self, arrived: BoolArray) -> FloatArray:
        """Partition weights from what had arrived: ``(..., n m)`` bool -> ``(..., k)``."""

    def common_weight(self, arrived: BoolArray) -> CommonlyWeighted | None:
        """As ``Decoder.common_weight``, of ``weights``."""
        return None

    @override
    def steps(self, trace: Trace) -> Steps:
        """Each round's update with the gradient that was decoded in it."""
        return self.decoded(trace.times, trace.arrived)

    @final
    def decoded(
        self, times: FloatArray, arrived: BoolArray, lag: int = 0, checked: int | None = None
    ) -> DecodedRounds:
        """Updates at ``(R, U)`` times, from what had arrived in ``(R, U, n m)`` rounds."""
        size = self.workers, self.partitions
        common = self.common_weight
        return DecodedRounds(times, arrived, self.weights, *size, lag, checked, common=common)


@dataclass(frozen=True)
class OfWorkers(RoundScheme):
    """A scheme with rounds that is made for ``n`` workers, without a code; abstract."""

    n: int

    @property
    @override
    def workers(self) -> int:
        return self.n

    @property
    def ones(self) -> IntArray:
        """``(n,)`` loads: one partition each."""
        return np.ones(self.n, dtype=np.int64)


class SumOfWorkers(OfWorkers):
    """A partition a worker: n times the mean of those that arrived; abstract."""

    @override
    def weights(self, arrived: BoolArray) -> FloatArray:
        return SumArrived(rescale=True).partition_weights(arrived)


class Assigned(RoundScheme):
    """A scheme with one assignment: in every round all compute and send the same; abstract."""

    sees: ClassVar[Sees] = Sees.NOTHING
    assignment: Assignment

    @property
    @override
    def workers(self) -> int:
        return self.assignment.workers

    @property
    @override
    def partitions(self) -> int:
        return self.assignment.partitions

    @property
    @override
    def messages(self) -> int:
        return self.assignment.messages

    @property
    @override
    def message_size(self) -> float:
        return self.assignment.message_size


@dataclass(frozen=True)
class Fixed(Assigned):
    """An assignment (who computes what and how messages are encoded) x a stopping rule x a decoder,
    the same in every round, unless the rule remembers past ones; the other fields as in ``Scheme``
    and ``Round``."""

    name: str
    assignment: Assignment
    stopping: StoppingRule
    decoder: Decoder
    exact: bool | None  # ``conditioning`` says what rounding leaves of it
    patience: Patience | None = None
    guarantees: Guarantees = Guarantees()

    @property
    @override
    def sees(self) -> Sees:  # type: ignore[override]
        return Sees.ARRIVALS if self.stopping.remembers else Sees.NOTHING

    @override
    def start(self, replications: int) -> FloatArray | None:
        """The arrivals of past rounds, ``(R, rounds, m)``, of a rule that remembers them."""
        sent = self.messages * self.assignment.senders
        return np.empty((replications, 0, sent)) if self.stopping.remembers else None

    @override
    def plan(self, state: FloatArray | None = None) -> Round:
        return Round(self.assignment.loads, self.stopping.given(state), self.patience)

    @override
    def after(self, state: FloatArray | None, outcome: RoundOutcome) -> FloatArray | None:
        if state is None or outcome.arrival is None:
            return state
        arrival = outcome.arrival[:, np.repeat(self.assignment.loads > 0, self.messages)]
        kept = state[:, : self.stopping.remembers - 1]
        return np.concatenate([arrival[:, None], kept], axis=1)

    @override
    def weights(self, arrived: BoolArray) -> FloatArray:
        return self.decoder.partition_weights(arrived)

    @override
    def common_weight(self, arrived: BoolArray) -> CommonlyWeighted | None:
        return self.decoder.common_weight(arrived)

    @override
    def outline(self, trace: Trace) -> Steps:
        """An exact code needs no decoding for its times: beyond ``MAX_DECODING_OPERATIONS``
        operations (about ten seconds) a sample of its rounds is decoded, ``PROBED_ORDERS`` or as
        many as that allows."""
        checked = None
        if self.exact and self.decoder.operations:
            checked = max(PROBED_ORDERS, int(MAX_DECODING_OPERATIONS / self.decoder.operations))
        return self.decoded(trace.times, trace.arrived, checked=checked)

    @override
    def conditioning(self) -> Conditioning | None:
        """Measured on ``PROBED_ORDERS`` random orders of arrival, always the same ones; deadlines
        aside. ``None`` for a decoder that solves no equations (plain sums and choices). Cost: as
        much as decoding ``PROBED_ORDERS`` rounds: 0.05 s for ``Optimal`` and n = 300, 0.7 s for
        ``cyclic_repetition`` with load 10 and n = 20,000."""
        return self._conditioning

    @cached_property
    def _conditioning(self) -> Conditioning | None:
        if not self.decoder.solves:
            return None
        encoding = self.assignment.encoding
        ranks = np.tile(np.arange(float(encoding.shape[0])), (PROBED_ORDERS, 1))
        ranks = np.random.default_rng(0).permuted(ranks, axis=1)
        ranks[:, np.repeat(self.assignment.loads == 0, self.messages)] = np.inf  # nothing to send
        rule = self.plan().among_senders(self.messages).stopping
        arrived = ranks <= stopping_delay_by_bisection(rule, ranks)[:, None]
        vectors = self.decoder.decoding_vector(arrived)
        weights = np.asarray((encoding.T @ vectors.T).T)
        largest = float(np.abs(encoding.data).max(initial=0.0)), float(np.abs(vectors).max())
        return Conditioning(*largest, float(np.linalg.norm(weights - 1.0, axis=1).max()))


class SchemeFamily(metaclass=Configurable):
    """A scheme as the config names it; abstract. Subclasses are frozen pydantic dataclasses."""

    name: ClassVar[str]  # the registry name

    @classmethod
    @abstractmethod
    def examples(cls) -> tuple[SchemeFamily, ...]:
        """Valid configurations for 12 workers, for the tests: a telling one, then edge cases."""

    @classmethod
    def portrait(cls) -> tuple[SchemeFamily, int]:
        """The configuration that the atlas shows, and its workers; the first example by default."""
        return cls.examples()[0], 12

    @abstractmethod
    def build(self, workers: int) -> Scheme:
        """Return the scheme for ``workers`` workers. Raises ``InvalidParameter``: the family's
        fields cannot work with this number of workers."""

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Never:
            kind = type(self).__name__
            lacks = f"{kind!r} object has no attribute {name!r}"
            if hasattr(RoundScheme, name):  # it was taken for the scheme that it makes
                lacks += f"; {kind}(...).build(12) is the scheme for 12 workers, which has it"
            raise AttributeError(lacks)


class SingleFamily(SchemeFamily):
    """A family of one scheme, without fields; abstract."""

    @classmethod
    @override
    def examples(cls) -> tuple[SchemeFamily, ...]:
        return (cls(),)


# What a scheme may know of the workers' times before a run, where its plan depends on them.
class KnownDelays(Protocol):
    """The law of the seconds that a worker needs for one partition, as far as schemes ask for it.
    ``sim.theory.worker_time`` has it for a delay model and a load law."""

    def order_statistics(self, workers: int) -> FloatArray:
        """``(n,)`` mean seconds until the first, second, ... of n workers has done a partition."""

    def chances(self, workers: int, seconds: float) -> FloatArray:
        """``(n,)`` chance of each worker to do a partition in so many seconds."""


@final
class UnitExponential:
    """Independent exponential times of 1 s on average."""

    def order_statistics(self, workers: int) -> FloatArray:
        """H_n - H_(n-j)."""
        return np.cumsum(1.0 / np.arange(workers, 0, -1))

    def chances(self, workers: int, seconds: float) -> FloatArray:
        """1 - exp(-seconds), the same for every worker."""
        return np.full(workers, -np.expm1(-seconds))


class KnownDelaysFamily(SchemeFamily):
    """A family whose scheme depends on the law of the delays; abstract. A run gives it the law of
    its config; ``build`` alone takes that of ``UnitExponential``."""

    @override
    def build(self, workers: int) -> Scheme:
        return self.build_for(workers, UnitExponential())

    @abstractmethod
    def build_for(self, workers: int, known_delays: KnownDelays) -> Scheme:
        """Return the scheme for ``workers`` workers whose times are known. Raises
        ``InvalidParameter``: the family's fields cannot work with these workers."""
