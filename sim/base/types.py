"""The shapes that travel between the parts of the simulator. Letters in shapes, everywhere: R
replications, T iterations, U updates, n workers, m messages per worker, k partitions, K gradients
in an update, N training rows, p features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]
BoolArray = NDArray[np.bool_]
IntArray = NDArray[np.signedinteger[Any]]

Loads = IntArray | FloatArray  # partitions that workers compute; fractions are allowed

Entry = TypeVar("Entry")


def registry(tag: str, *entries: Entry) -> dict[str, Entry]:
    """Entries by the attribute, often a class variable, that says their name."""
    return {getattr(entry, tag): entry for entry in entries}


class TapeLike(Protocol):
    """The unit delays of one replication, drawn once and read by every scheme.
    ``delay_models.Tape`` is the one that runs use; tests hand in plain tables."""

    @property
    def workers(self) -> int:
        """Number of workers n."""

    @property
    def block_rounds(self) -> int:
        """How many rounds are cheapest to read together."""

    def rows(self, start: int, stop: int, stream: int = 0) -> FloatArray:
        """Unit delays of rounds ``start <= t < stop``: ``(stop - start, n)`` seconds."""


@dataclass(frozen=True, eq=False)
class TableTape:
    """A tape of the given unit delays, ``(rounds, n)``, the same for every stream."""

    table: FloatArray

    @property
    def workers(self) -> int:
        """Number of workers n."""
        return int(self.table.shape[1])

    @property
    def block_rounds(self) -> int:
        """All rounds: they are there already."""
        return len(self.table)

    def rows(self, start: int, stop: int, stream: int = 0) -> FloatArray:
        """The same seconds for every stream."""
        return self.table[start:stop]


class DelayLaw(Protocol):
    """What is asked of a delay model; ``None``: it has no closed form."""

    @property
    def independent(self) -> bool:
        """Whether every worker's delay in every round is an independent draw from one law."""

    def cdf(self, seconds: ArrayLike) -> FloatArray | None:
        """P(X <= seconds), elementwise."""

    def sf(self, seconds: ArrayLike) -> FloatArray | None:
        """P(X > seconds), elementwise."""

    def ppf(self, probability: ArrayLike) -> FloatArray | None:
        """Quantiles in seconds, elementwise."""

    def kinks(self) -> FloatArray:
        """Seconds at which ``cdf`` may jump or bend, as far as known."""

    def sum_of(self, draws: int) -> DelayLaw | None:
        """The law of the sum of ``draws`` independent unit delays."""

    def together(self, workers: int) -> tuple[IntArray, Sequence[float], Sequence[DelayLaw]] | None:
        """The rack of each worker, ``(n,)``, and the weights and laws of those that a rack has in a
        round, given which its workers are independent; ``None``: workers are not slow together."""

    def rounds_available(self) -> int | None:
        """How many rounds it can give; ``None``: any number."""

    def sample(self, rng: np.random.Generator, rounds: int, workers: int) -> FloatArray:
        """Draw ``(rounds, workers)`` delays."""


class TapeAround:
    """A tape that reads another one, of the same workers and in the same blocks; abstract."""

    tape: TapeLike

    @property
    def model(self) -> object:
        """The law that delays are drawn from; ``None`` for a plain table."""
        return getattr(self.tape, "model", None)

    @property
    def workers(self) -> int:
        """Number of workers n."""
        return self.tape.workers

    @property
    def block_rounds(self) -> int:
        """How many rounds are cheapest to read together."""
        return self.tape.block_rounds


@dataclass(frozen=True, eq=False)
class Rounds:
    """What the master had heard when each round ended."""

    # ``(R, U, n m)`` bool, which messages of the round had arrived, worker by worker.
    arrived: BoolArray


@dataclass(frozen=True, eq=False)
class Messages:
    """What each update was made of, where no barrier separates rounds; -1 pads. Long runs have many
    messages, so these numbers take 32 bits."""

    # ``(R, U, K)`` the worker of each message, in the order in which they counted.
    message: IntArray
    version: IntArray  # ``(R, U, K)`` updates that the model had on which it was computed


@dataclass(frozen=True, eq=False)
class Stream:
    """What each update was made of, where that is any number of messages: M in all. Replication
    after replication, in the order in which they were decided. An update's messages begin where
    those of the update before end, or of the replication before."""

    message: IntArray  # ``(M,)`` the worker of each message; the last one of an update made it
    version: IntArray  # ``(M,)`` updates that the model had on which it was computed
    ends: IntArray  # ``(R, U)`` messages up to each update


@dataclass(frozen=True, eq=False)
class Work:
    """What the workers did."""

    busy: FloatArray  # ``(R, n)`` seconds that each worker computed until the last update
    useful: FloatArray  # ``(R, n)`` the part of ``busy`` that went into messages which counted
    # ``(R, U)`` the worker whose message alone made the update; -1: a deadline, or several at once
    last: IntArray
    # ``(R, U)`` seconds from the message before it, or the opening: what this worker alone cost
    margin: FloatArray
    dead: IntArray  # ``(R, U)`` workers that were down at the update; 0 where none can fail
    down: FloatArray  # ``(R, n)`` seconds that each worker was down

    @property
    def totals(self) -> Work:
        """Without who made each update, which takes 16 bytes of each."""
        return replace(self, last=self.last[:, :0].copy(), margin=self.margin[:, :0].copy())


@dataclass(frozen=True, eq=False)
class Trace:
    """When each update happened and what had been heard by then; what an engine returns."""

    times: FloatArray  # ``(R, U)`` absolute seconds of each update
    # What it was made of, or ``None`` where that was not asked for.
    heard: Rounds | Messages | Stream | None
    work: Work | None  # what the workers did, or ``None`` where that was not asked for
    engine: str  # the name of the engine that ran
    seed: int = 0  # of what a scheme draws besides the delays
    fails: bool = False  # whether workers could fail
    iterations: int | None = None  # T of the run; ``None``: as many as its updates make

    @property
    def arrived(self) -> BoolArray:
        """``heard.arrived`` of a run with rounds."""
        assert isinstance(self.heard, Rounds)
        return self.heard.arrived

    @property
    def intervals(self) -> FloatArray:
        """``(R, U)`` seconds since the update before (since time 0 for the first)."""
        return np.diff(self.times, axis=1, prepend=0.0)


# The timeline of a run: what each worker and the master did, and when.


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
