"""What a delay model is: a law for the unit time X of each worker in each round.

A model is a frozen dataclass whose fields are its configuration, such as ``Exponential(rate=2.0)``.
It is *independent* (every cell of the table is an independent draw from one law), a *replay* (a
fixed table, such as a measured trace), or a *process* (such as ``Markov`` or ``ColdStarts``):
workers and rounds have *conditions* (a speed, a Markov state, a common factor) under which the
delays of tasks are drawn.

A table is made in three steps, which the tape takes block by block: ``start``, ``evolve`` and
``delays``. The first two read a generator that all streams share, the third one the stream's own
generator. So workers and rounds have the same conditions for all tasks of a round, while the
draws of the tasks differ. The signatures make sure that state and conditions cannot depend on a
task's own draw.

The tape holds the unit delays of one replication, drawn once and read by every scheme: common
random numbers (``docs/design.md``). The conditions of workers and rounds are drawn from a stream
that no task reads, ``SHARED_STREAM``, so they are the same for all streams of a replication."""

from __future__ import annotations

import dataclasses
import struct
from abc import abstractmethod
from itertools import chain
from typing import Annotated, Any

import numpy as np
from annotated_types import Ge, Gt, Le, Unit
from numpy.random import PCG64, Generator, SeedSequence
from numpy.typing import ArrayLike, NDArray
from pydantic import AfterValidator, AllowInfNan, BeforeValidator, ValidationInfo
from typing_extensions import override

from ..sim.base.fields import STRICT as STRICT
from ..sim.base.fields import Configurable

# Engines read an infinite time as "never": the task of a dead worker. So a law whose draws overflow
# (a lognormal with sigma 300, an exponential with rate 1e-320) would silently kill workers, and one
# whose draws come close would overflow in sums and squares. This is known before anything is drawn:
# a draw is made from finitely many random bits, so every law has a longest one. Code that makes a
# model from a user's numbers calls ``refuse_endless``; a tape does not, so drawing costs nothing.

MAX_DELAY_SECONDS = 1e150  # sums and squares of delays up to here do not overflow
EXPONENTIAL_END = 45.0  # no exponential draw of NumPy is larger: its tail's begin, 7.7, + 53 log 2
NORMAL_END = 14.0  # no normal draw of NumPy is larger: its tail's begin, 3.65, + 53 log 2 / 3.65


class EndlessDelays(ValueError):
    """A delay model, or its part, whose longest draw in seconds is beyond ``MAX_DELAY_SECONDS``."""

    def __init__(self, model: DelayModel, longest: float) -> None:
        super().__init__(model, longest)
        self.model, self.longest = model, longest

    @override
    def __str__(self) -> str:
        seconds = "infinity" if np.isinf(self.longest) else f"{self.longest:.2g} s"
        model = " ".join(repr(self.model).split())
        return f"{model} can give delays up to {seconds}; must be at most {MAX_DELAY_SECONDS:.0e} s"


def refuse_endless(model: DelayModel) -> None:
    """Refuse a model with delays beyond ``MAX_DELAY_SECONDS``. Raises EndlessDelays: the innermost
    such."""
    for inner in model.parts():
        refuse_endless(inner)
    longest = model.longest()
    if not longest <= MAX_DELAY_SECONDS:
        raise EndlessDelays(model, longest)


def exp(exponent: float) -> float:
    """e to that power; infinity, without a warning, where that overflows."""
    with np.errstate(over="ignore"):
        return float(np.exp(exponent))


def fewest(*limits: int | None) -> int | None:
    """The smallest of some limits; ``None``, which is no limit, where there is none."""
    return min((limit for limit in limits if limit is not None), default=None)


FloatArray = NDArray[np.float64]
Finite = Annotated[float, AllowInfNan(False)]
Positive = Annotated[Finite, Gt(0)]
NonNegative = Annotated[Finite, Ge(0)]
Probability = Annotated[Finite, Ge(0), Le(1)]
Seconds = Annotated[NonNegative, Unit("s")]
PositiveSeconds = Annotated[Positive, Unit("s")]
PerSecond = Annotated[Positive, Unit("1/s")]


class DelayModel(metaclass=Configurable):
    """A law for unit delays; abstract. Times are seconds. ``cdf``, ``sf``, ``ppf`` and ``mean``
    describe one cell of the table, at a worker and a round picked at random, in closed form. They
    return ``None``, the default, where there is no closed form, so that the theory can say it does
    not apply. Cells are independent of each other only where ``independent`` says so."""

    @property
    def independent(self) -> bool:
        """Every cell is an independent draw from one law; state and conditions are ``None``."""
        return False

    @property
    def independent_rounds(self) -> bool:
        """Rounds do not depend on each other, though workers may."""
        return self.independent

    @property
    def random(self) -> bool:
        """Whether replications differ. ``True``, the safe answer, unless overridden: where it is
        ``False`` for all that a run draws, the run is made once, however often it is asked for."""
        return True

    @property
    def row_by_row(self) -> bool:
        """Whether ``delays`` draws a shorter table as the first rows of a longer one, bit for bit.
        Then a tape draws no more of a block than is read of it. ``False``, the safe answer, unless
        overridden; only of meaning for independent models."""
        return False

    @abstractmethod
    def start(self, shared: Generator, workers: int) -> Any:
        """Return the state before round 0 (``None`` for a model without memory)."""

    @abstractmethod
    def evolve(self, state: Any, shared: Generator, rounds: int, workers: int) -> tuple[Any, Any]:
        """Return the conditions of the next rounds, and the state after them. State and conditions
        may be read by several streams: they are never changed in place."""

    @abstractmethod
    def delays(self, conditions: Any, own: Generator, rounds: int, workers: int) -> FloatArray:
        """Draw ``(rounds, workers)`` delays under the conditions, finite and >= 0."""

    @abstractmethod
    def longest(self) -> float:
        """Upper bound on every draw, in seconds; a config refuses an infinite one. It is
        finite even for an unbounded law: a draw is made from finitely many random bits."""

    def cdf(self, seconds: ArrayLike) -> FloatArray | None:
        """P(X <= seconds), elementwise, or ``None``."""
        return None

    def sf(self, seconds: ArrayLike) -> FloatArray | None:
        """P(X > seconds), elementwise, precise far below 1e-16; ``None``: see ``survival``."""
        return None

    def ppf(self, probability: ArrayLike) -> FloatArray | None:
        """Quantiles of X in seconds, elementwise, or ``None``."""
        return None

    def isf(self, probability: ArrayLike) -> FloatArray | None:
        """Seconds that X exceeds with that chance, elementwise, precise near 0; or ``None``."""
        return None

    def mean(self) -> float | None:
        """E[X] in seconds (may be infinite), or ``None``."""
        return None

    def kinks(self) -> FloatArray:
        """Seconds at which ``cdf`` may jump or bend, as far as known: integrals are cut there.
        Unless overridden, where the law begins."""
        begins = self.ppf(np.zeros(1))
        return np.empty(0) if begins is None else begins[np.isfinite(begins)]

    def worker_means(self, workers: int) -> FloatArray | None:
        """E[X] of each worker, ``(n,)`` seconds (may be infinite). ``None`` unless each worker's
        delays are independent draws from a law of its own whose mean is known."""
        mean = self.mean() if self.independent else None
        return None if mean is None else np.full(workers, mean)

    @classmethod
    def examples(cls) -> tuple[DelayModel, ...]:
        """A few valid models for the contract tests; none where a model needs a user's file."""
        return ()

    def parts(self) -> tuple[DelayModel, ...]:
        """The models that this one is made of: those in its fields."""
        values = (getattr(self, field.name) for field in dataclasses.fields(self))  # type: ignore[arg-type]
        entries = [value if isinstance(value, tuple) else (value,) for value in values]
        kinds = {kind for entry in entries for kind in set(map(type, entry))}
        models = tuple(kind for kind in kinds if issubclass(kind, DelayModel))  # few: quick to ask
        return tuple(value for value in chain.from_iterable(entries) if isinstance(value, models))

    def warnings(self) -> tuple[str, ...]:
        """What a user should look at before believing a run: one line each, those of the parts."""
        return tuple(line for model in self.parts() for line in model.warnings())

    def unknown_after_cut(self) -> str:
        """What a replay of rounds that stopped listening does not know, and what to do about it, in
        words; empty: no delay is unknown. Such delays are infinite."""
        return next(filter(None, (model.unknown_after_cut() for model in self.parts())), "")

    def survival(self, seconds: ArrayLike) -> FloatArray | None:
        """P(X > seconds), elementwise: ``sf``, or ``1 - cdf`` for a model without one."""
        precise, below = self.sf(seconds), self.cdf(seconds)
        return 1 - below if precise is None and below is not None else precise

    def sample(self, rng: Generator, rounds: int, workers: int) -> FloatArray:
        """Draw rounds 0, 1, ... from ``rng``: ``(rounds, workers)`` seconds."""
        conditions, _ = self.evolve(self.start(rng, workers), rng, rounds, workers)
        return self.delays(conditions, rng, rounds, workers)

    def sum_of(self, draws: int) -> DelayModel | None:
        """The law of the sum of ``draws`` independent delays, or ``None`` if not closed."""
        return None

    def rounds_available(self) -> int | None:
        """How many rounds the model, and each of its parts, can give; ``None`` means any number."""
        return fewest(*(model.rounds_available() for model in self.parts()))

    def workers_available(self) -> int | None:
        """How many workers these can serve; ``None`` means any number."""
        return fewest(*(model.workers_available() for model in self.parts()))

    def require_workers(self, workers: int) -> None:
        """Raises InvalidParameter, with the name of a field: so many workers do not suit it, or one
        of its parts."""
        for model in self.parts():
            model.require_workers(workers)

    def together(
        self, workers: int
    ) -> tuple[NDArray[np.int64], list[float], list[DelayModel]] | None:
        """Who is slow together: the rack of each worker, counted from 0, ``(n,)``; the chances of
        the laws that a rack can have in a round; and these. Given the laws of all racks, delays are
        independent. ``None``: nothing of the kind is known."""
        return None

    def workers_required(self) -> int | None:
        """How many workers the model must have: a column each; ``None`` means up to as many."""
        wanted = (model.workers_required() for model in self.parts())
        return next((number for number in wanted if number is not None), None)


def _model(value: Any, info: ValidationInfo) -> Any:
    """Whoever reads models from a text says in pydantic's context how (``delay_model``)."""
    if info.context is not None:
        value = info.context.delay_model(value)
    if not isinstance(value, DelayModel):
        raise ValueError("must be a delay model, such as {model: exponential, rate: 2.0}")
    return value


def _independent(model: DelayModel) -> DelayModel:
    if not model.independent:
        text = f"must be a model with independent delays; {type(model).__name__} has a memory"
        raise ValueError(f"{text}, couples workers, or replays a fixed table")
    return model


Part = Annotated[DelayModel, BeforeValidator(_model)]  # a field that holds any delay model
# A field that holds a model whose cells are independent draws from one law.
IndependentPart = Annotated[DelayModel, BeforeValidator(_model), AfterValidator(_independent)]


class IndependentDelays(DelayModel):
    """A model without memory; abstract: subclasses give ``draw``."""

    @abstractmethod
    def draw(self, rng: Generator, shape: tuple[int, ...]) -> FloatArray:
        """Independent unit delays of the given shape, in seconds."""

    independent = True

    @override
    def start(self, shared: Generator, workers: int) -> None:
        return None

    @override
    def evolve(self, state: Any, shared: Generator, rounds: int, workers: int) -> tuple[None, None]:
        return None, None

    @override
    def delays(self, conditions: None, own: Generator, rounds: int, workers: int) -> FloatArray:
        return self.draw(own, (rounds, workers))


class ReplayedDelays(DelayModel):
    """A model that is a fixed table, the same in every replication and stream; abstract. That is no
    law: ``cdf``, ``ppf`` and ``mean`` stay ``None``."""

    random = False

    @abstractmethod
    def replay(self, start: int, stop: int, workers: int) -> FloatArray:
        """Rounds ``start <= t < stop``: ``(stop - start, workers)`` seconds."""

    @override
    def start(self, shared: Generator, workers: int) -> int:
        """The state is the next round's number."""
        return 0

    @override
    def evolve(
        self, state: int, shared: Generator, rounds: int, workers: int
    ) -> tuple[FloatArray, int]:
        """The conditions are the next rounds of the table."""
        return self.replay(state, state + rounds, workers), state + rounds

    @override
    def delays(self, table: FloatArray, own: Generator, rounds: int, workers: int) -> FloatArray:
        return table


BLOCK_CELLS = 2**15  # cells in one block: 256 KiB stay in the cache while they are used
SHARED_STREAM = 2**32 - 1  # the stream of the conditions that all tasks share
START_BLOCK = 2**32 - 1  # of that stream, from which the start is drawn; no run is that long


@dataclasses.dataclass(frozen=True)
class Tape:
    """Delays X[round, worker] of one replication. Cost: one draw per cell read, rounded up to whole
    blocks (to 16 rows if the model draws row by row), and about 10 microseconds a block. A model
    with conditions also evolves once through every block up to the last one read."""

    model: DelayModel
    workers: int  # n
    seed: int  # the run's
    replication: int  # from 0
    _states: dict[int, Any] = dataclasses.field(default_factory=dict, compare=False, repr=False)

    @property
    def block_rounds(self) -> int:
        """Rounds in one block: a function of the number of workers alone."""
        return max(1, BLOCK_CELLS // self.workers)

    def rows(self, start: int, stop: int, stream: int = 0) -> FloatArray:
        """Unit delays of rounds ``start <= t < stop``: ``(stop - start, workers)`` seconds."""
        if isinstance(self.model, ReplayedDelays):
            return self.model.replay(start, stop, self.workers)
        length = self.block_rounds
        first, last = start // length, max(start, stop - 1) // length
        by_row = self.model.independent and self.model.row_by_row
        blocks = []
        for b in range(first, last + 1):
            drawn, own = length, self._generator(stream, b)
            if by_row:
                # In sixteens of rows, as vector instructions see whole vectors.
                drawn = min(-(-(stop - b * length) // 16) * 16, length)
            conditions = None if self.model.independent else self._conditions(b, drawn)
            blocks.append(self.model.delays(conditions, own, drawn, self.workers))
        table = blocks[0] if len(blocks) == 1 else np.concatenate(blocks)
        return table[start - first * length : stop - first * length]

    def _conditions(self, block: int, length: int) -> Any:
        """Conditions in a block, found by walking from the last state that is remembered."""
        known = next((b for b in range(block, 0, -1) if b in self._states), 0)
        if known not in self._states:
            first = self._generator(SHARED_STREAM, START_BLOCK)
            self._states[0] = self.model.start(first, self.workers)
        conditions = None
        for b in range(known, block + 1):
            shared = self._generator(SHARED_STREAM, b)
            conditions, after = self.model.evolve(self._states[b], shared, length, self.workers)
            self._states[b + 1] = after
        return conditions

    def _generator(self, stream: int, block: int) -> Generator:
        key = (self.replication, stream, block)
        try:  # the words that SeedSequence makes of them itself, in twice the time
            words = struct.pack("=7I", self.seed, 0, 0, 0, *key)
        except struct.error:  # one takes several words, or is no such number
            return Generator(PCG64(SeedSequence(self.seed, spawn_key=key)))
        return Generator(PCG64(SeedSequence(np.frombuffer(words, dtype=np.uint32))))
