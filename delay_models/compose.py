"""Models around another model: scaled, shifted, and some workers with laws of their own."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from annotated_types import Ge, MinLen
from numpy.random import Generator
from numpy.typing import ArrayLike
from typing_extensions import override

from ..sim.fields import configured
from .base import DelayModel, FloatArray, Part, Positive, Seconds
from .mixture import Markov
from .parametric import Gamma, LogNormal, Weibull


def fewest(*limits: int | None) -> int | None:
    """The smallest of some limits; ``None``, which is no limit, where there is none."""
    return min((limit for limit in limits if limit is not None), default=None)


class Around(DelayModel):
    """A model that changes the delays of another one, ``base``; abstract."""

    if TYPE_CHECKING:  # at run time a dataclass would take the property for a default value

        @property
        def base(self) -> DelayModel:
            """The model whose delays are changed."""

    @override
    def start(self, shared: Generator, workers: int) -> Any:
        return self.base.start(shared, workers)

    @override
    def rounds_available(self) -> int | None:
        return self.base.rounds_available()

    @override
    def workers_available(self) -> int | None:
        return self.base.workers_available()


class Affine(Around):
    """``offset + factor * X`` with X of the base and two fixed numbers; abstract. State, conditions
    and independence are the base's; quantiles map to quantiles."""

    @property
    @abstractmethod
    def coefficients(self) -> tuple[float, float]:
        """Offset in seconds, >= 0, and factor, > 0."""

    def _of_base(self, seconds: ArrayLike) -> FloatArray:
        """The base's delays that become these."""
        offset, factor = self.coefficients
        return np.asarray((np.asarray(seconds, dtype=np.float64) - offset) / factor)

    @property
    @override
    def independent(self) -> bool:
        return self.base.independent

    @property
    @override
    def row_by_row(self) -> bool:
        return self.base.row_by_row

    @override
    def evolve(self, state: Any, shared: Generator, rounds: int, workers: int) -> tuple[Any, Any]:
        return self.base.evolve(state, shared, rounds, workers)

    @override
    def delays(self, conditions: Any, own: Generator, rounds: int, workers: int) -> FloatArray:
        offset, factor = self.coefficients
        return np.asarray(offset + factor * self.base.delays(conditions, own, rounds, workers))

    @override
    def cdf(self, seconds: ArrayLike) -> FloatArray | None:
        return self.base.cdf(self._of_base(seconds))

    @override
    def sf(self, seconds: ArrayLike) -> FloatArray | None:
        return self.base.sf(self._of_base(seconds))

    @override
    def ppf(self, probability: ArrayLike) -> FloatArray | None:
        quantiles, (offset, factor) = self.base.ppf(probability), self.coefficients
        return None if quantiles is None else np.asarray(offset + factor * quantiles)

    @override
    def longest(self) -> float:
        offset, factor = self.coefficients
        return offset + factor * self.base.longest()

    @override
    def mean(self) -> float | None:
        mean, (offset, factor) = self.base.mean(), self.coefficients
        return None if mean is None else offset + factor * mean

    @override
    def worker_means(self, workers: int) -> FloatArray | None:
        means, (offset, factor) = self.base.worker_means(workers), self.coefficients
        return None if means is None else np.asarray(offset + factor * means)


@configured
class Scaled(Affine):
    """Every delay of ``base`` times ``by``: another machine, the same law."""

    by: Positive
    base: Part

    @property
    @override
    def coefficients(self) -> tuple[float, float]:
        return 0.0, self.by

    @override
    def sum_of(self, draws: int) -> Scaled | None:
        total = self.base.sum_of(draws)
        return None if total is None else Scaled(by=self.by, base=total)

    @classmethod
    @override
    def examples(cls) -> tuple[DelayModel, ...]:
        return (Scaled(by=1.5, base=Gamma(shape=2.5, scale=0.4)),)


@configured
class Shifted(Affine):
    """Every delay of ``base`` and ``by`` seconds more: a start-up or a fixed cost of a call."""

    by: Seconds
    base: Part

    @property
    @override
    def coefficients(self) -> tuple[float, float]:
        return self.by, 1.0

    @override
    def sum_of(self, draws: int) -> Shifted | None:
        total = self.base.sum_of(draws)
        return None if total is None else Shifted(by=draws * self.by, base=total)

    @classmethod
    @override
    def examples(cls) -> tuple[DelayModel, ...]:
        return (Shifted(by=0.5, base=Weibull(shape=0.7, scale=1.5)),)


@configured
class OwnLaws(Around):
    """Each worker named has a model of its own; all others follow ``base``.

    So a cluster has one bad host, and all others are alike. With ``markov`` for one worker, that
    one has spells while nobody else does; with ``markov`` as ``base``, every worker has some.

    Args:
        base: delays of the others; any model.
        workers: which ones, counted from 0; those that a run does not have are left out.
        models: the model of each of them, as if it were the only worker.
        complete: refuse more workers than are named here or in ``base``, as ``fit`` does where it
            has found a law for each.

    There is no ``cdf``: it would depend on how many others there are.

    Raises ValueError: not as many models as workers, or a worker is named twice.

    Cost: that of ``base``, and a draw per round for each worker named."""

    base: Part
    workers: Annotated[tuple[Annotated[int, Ge(0)], ...], MinLen(1)]
    models: tuple[Part, ...]
    complete: bool = False

    def __post_init__(self) -> None:
        if len(self.workers) != len(self.models):
            both = f"{len(self.models)} models for {len(self.workers)} workers"
            raise ValueError(f"{both}; must be one for each")
        if len(set(self.workers)) < len(self.workers):
            raise ValueError("a worker is named twice; must have one model")

    @override
    def workers_available(self) -> int | None:
        others = self.base.workers_available()
        return max(*self.workers, (others or 0) - 1) + 1 if self.complete else others

    def _there(self, workers: int) -> list[tuple[int, DelayModel]]:
        named = zip(self.workers, self.models, strict=True)
        return [(worker, model) for worker, model in named if worker < workers]

    @override
    def start(self, shared: Generator, workers: int) -> Any:
        base = self.base.start(shared, workers)
        return base, [model.start(shared, 1) for _, model in self._there(workers)]

    @override
    def evolve(self, state: Any, shared: Generator, rounds: int, workers: int) -> tuple[Any, Any]:
        base, states = state
        conditions, base = self.base.evolve(base, shared, rounds, workers)
        there = zip(states, self._there(workers), strict=True)
        own = [model.evolve(mine, shared, rounds, 1) for mine, (_, model) in there]
        return (conditions, [mine for mine, _ in own]), (base, [after for _, after in own])

    @override
    def delays(self, conditions: Any, own: Generator, rounds: int, workers: int) -> FloatArray:
        base, mine = conditions
        table = np.array(self.base.delays(base, own, rounds, workers))
        for condition, (worker, model) in zip(mine, self._there(workers), strict=True):
            table[:, worker] = model.delays(condition, own, rounds, 1)[:, 0]
        return table

    @override
    def worker_means(self, workers: int) -> FloatArray | None:
        means = self.base.worker_means(workers)
        for worker, model in self._there(workers):
            own = model.worker_means(1)
            if means is None or own is None:
                return None
            means[worker] = own[0]
        return means

    @override
    def longest(self) -> float:
        return max(model.longest() for model in self.parts())

    @override
    def rounds_available(self) -> int | None:
        return fewest(*(model.rounds_available() for model in self.parts()))

    @classmethod
    @override
    def examples(cls) -> tuple[DelayModel, ...]:
        fast, slow = LogNormal(median=0.6, sigma=0.1), LogNormal(median=1.5, sigma=0.3)
        sticky = Markov(slow_to_slow=0.9, fast_to_slow=0.05, fast=fast, slow=slow)
        return (OwnLaws(base=fast, workers=(2, 0), models=(sticky, slow)),)
