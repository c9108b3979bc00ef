"""What a delay model is: a law for the unit time X of each worker in each round.

A model is a frozen dataclass whose fields are its configuration. It is *independent* (every cell
of the table is an independent draw from one law), a *replay* (a fixed table), or a *process* with
a state that passes from round to round (a Markov chain).

Not modelled here: how a worker's time grows with its load (``sim.load_laws``).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Annotated, Any, final

import numpy as np
from annotated_types import Ge, Gt
from numpy.typing import ArrayLike, NDArray
from pydantic import AllowInfNan, ConfigDict

FloatArray = NDArray[np.float64]

Finite = Annotated[float, AllowInfNan(False)]
Positive = Annotated[Finite, Gt(0)]
NonNegative = Annotated[Finite, Ge(0)]

STRICT = ConfigDict(extra="forbid")
"""Every delay model is a pydantic dataclass with this setting: an unknown field is an error."""


class DelayModel(ABC):
    """A law for unit delays; abstract. Times are seconds.

    ``cdf``, ``ppf`` and ``mean`` describe one cell of the table in closed form, or return
    ``None`` where there is no closed form, so that the theory can say it does not apply.
    """

    @abstractmethod
    def start(self, rng: np.random.Generator, workers: int) -> Any:
        """Return the state before round 0 (``None`` for a model without memory)."""

    @abstractmethod
    def advance(
        self, state: Any, rng: np.random.Generator, rounds: int, workers: int
    ) -> tuple[FloatArray, Any]:
        """Return the next ``(rounds, workers)`` delays, finite and >= 0, and the state after."""

    @abstractmethod
    def cdf(self, seconds: ArrayLike) -> FloatArray | None:
        """P(X <= seconds), elementwise, or ``None``."""

    @abstractmethod
    def ppf(self, probability: ArrayLike) -> FloatArray | None:
        """Quantiles of X in seconds, elementwise, or ``None``."""

    @abstractmethod
    def mean(self) -> float | None:
        """E[X] in seconds (may be infinite), or ``None``."""

    @classmethod
    @abstractmethod
    def examples(cls) -> tuple[DelayModel, ...]:
        """A few valid models for the contract tests; none where a model needs a user's file."""

    @final
    def sample(self, rng: np.random.Generator, rounds: int, workers: int) -> FloatArray:
        """Draw rounds 0, 1, ... from ``rng``: ``(rounds, workers)`` seconds."""
        return self.advance(self.start(rng, workers), rng, rounds, workers)[0]

    def sf(self, seconds: ArrayLike) -> FloatArray | None:
        """P(X > seconds), elementwise, precise far below 1e-16; ``None``: use ``1 - cdf``."""
        return None

    def sum_of(self, draws: int) -> DelayModel | None:
        """The law of the sum of ``draws`` independent delays, or ``None`` if not closed."""
        return None

    def rounds_available(self) -> int | None:
        """How many rounds the model can give; ``None`` means any number."""
        return None

    def workers_available(self) -> int | None:
        """How many workers the model can serve; ``None`` means any number."""
        return None


class IndependentDelays(DelayModel):
    """A model without memory; abstract: subclasses give ``draw``."""

    @abstractmethod
    def draw(self, rng: np.random.Generator, shape: tuple[int, ...]) -> FloatArray:
        """Independent unit delays of the given shape, in seconds."""

    @final
    def start(self, rng: np.random.Generator, workers: int) -> None:
        """No state."""

    @final
    def advance(
        self, state: None, rng: np.random.Generator, rounds: int, workers: int
    ) -> tuple[FloatArray, None]:
        """Draw the next rounds; the past does not matter."""
        return self.draw(rng, (rounds, workers)), None


class ReplayedDelays(DelayModel):
    """A model that is a fixed table, the same in every replication; abstract.

    It has no law: ``cdf``, ``ppf`` and ``mean`` are ``None``.
    """

    @abstractmethod
    def replay(self, start: int, stop: int, workers: int) -> FloatArray:
        """Rounds ``start <= t < stop``: ``(stop - start, workers)`` seconds."""

    @final
    def start(self, rng: np.random.Generator, workers: int) -> int:
        """The state is the next round's number."""
        return 0

    @final
    def advance(
        self, state: int, rng: np.random.Generator, rounds: int, workers: int
    ) -> tuple[FloatArray, int]:
        """The next rounds of the table."""
        return self.replay(state, state + rounds, workers), state + rounds

    @final
    def cdf(self, seconds: ArrayLike) -> None:
        """None: a fixed table is not a law."""

    @final
    def ppf(self, probability: ArrayLike) -> None:
        """None."""

    @final
    def mean(self) -> None:
        """None."""
