"""Some workers follow laws of their own: the one bad host of a cluster, and all others alike."""

from __future__ import annotations

from typing import Annotated, Any, final

import numpy as np
from annotated_types import Ge, MinLen
from pydantic.dataclasses import dataclass
from typing_extensions import override

from .base import STRICT, DelayModel, FloatArray, Part
from .compose import Around
from .markov import Markov
from .parametric import LogNormal


@final
@dataclass(frozen=True, config=STRICT)
class OwnLaws(Around):
    """Each worker named has a model of its own; all others follow ``base``.

    With ``markov`` for one worker, that one has spells while nobody else does; with ``markov`` as
    ``base``, every worker has some.

    Args:
        base: delays of the others; any model.
        workers: which ones, counted from 0; those that a run does not have are left out.
        models: the model of each of them, as if it were the only worker.

    There is no ``cdf``: it would depend on how many others there are.

    Raises:
        ValueError: not as many models as workers, or a worker is named twice.

    Cost: that of ``base``, and a draw per round for each worker named.
    """

    base: Part
    workers: Annotated[tuple[Annotated[int, Ge(0)], ...], MinLen(1)]
    models: tuple[Part, ...]

    def __post_init__(self) -> None:
        if len(self.workers) != len(self.models):
            raise ValueError(
                f"{len(self.models)} models for {len(self.workers)} workers; must be one for each"
            )
        if len(set(self.workers)) < len(self.workers):
            raise ValueError("a worker is named twice; must have one model")

    def _there(self, workers: int) -> list[tuple[int, DelayModel]]:
        named = zip(self.workers, self.models, strict=True)
        return [(worker, model) for worker, model in named if worker < workers]

    @override
    def start(self, shared: np.random.Generator, workers: int) -> Any:
        base = self.base.start(shared, workers)
        return base, [model.start(shared, 1) for _, model in self._there(workers)]

    @override
    def evolve(
        self, state: Any, shared: np.random.Generator, rounds: int, workers: int
    ) -> tuple[Any, Any]:
        base, states = state
        conditions, base = self.base.evolve(base, shared, rounds, workers)
        own = [
            model.evolve(mine, shared, rounds, 1)
            for mine, (_, model) in zip(states, self._there(workers), strict=True)
        ]
        return (conditions, [each for each, _ in own]), (base, [after for _, after in own])

    @override
    def delays(
        self, conditions: Any, own: np.random.Generator, rounds: int, workers: int
    ) -> FloatArray:
        base, mine = conditions
        table = np.array(self.base.delays(base, own, rounds, workers))
        for each, (worker, model) in zip(mine, self._there(workers), strict=True):
            table[:, worker] = model.delays(each, own, rounds, 1)[:, 0]
        return table

    @override
    def longest(self) -> float:
        return max(part.longest() for part in (self.base, *self.models))

    @override
    def rounds_available(self) -> int | None:
        limits = (part.rounds_available() for part in (self.base, *self.models))
        return min((limit for limit in limits if limit is not None), default=None)

    @classmethod
    @override
    def examples(cls) -> tuple[DelayModel, ...]:
        fast, slow = LogNormal(median=0.6, sigma=0.1), LogNormal(median=1.5, sigma=0.3)
        sticky = Markov(slow_to_slow=0.9, fast_to_slow=0.05, fast=fast, slow=slow)
        return (OwnLaws(base=fast, workers=(2, 0), models=(sticky, slow)),)
