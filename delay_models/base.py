"""What a delay model is: a law for the unit time X of each worker in each round.

A model is a frozen dataclass whose fields are its configuration. It is either *independent*
(every cell of the table is an independent draw from one law) or a *process* with a state that
passes from round to round (a replayed trace, a Markov chain). The tape treats both alike.

Not modelled here: how a worker's time grows with its load (``sim.load_laws``).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Annotated, Any, ClassVar, final

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

    independent: ClassVar[bool] = False
    """True when all cells are independent and identically distributed."""

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

    independent: ClassVar[bool] = True

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
