"""Cold starts: now and then a clump of workers has to be started before it can work.

Measured on AWS Lambda (256 workers): most rounds have no cold start at all; one in ten or so has
several at once, all of about the same length, far longer than the work itself.
"""

from __future__ import annotations

from typing import Any, Literal, final

import numpy as np
from numpy.typing import NDArray
from pydantic.dataclasses import dataclass
from typing_extensions import override

from delay_models.base import (
    STRICT,
    DelayModel,
    FloatArray,
    IndependentPart,
    Part,
    Probability,
)
from delay_models.compose import Around
from delay_models.parametric import Deterministic, LogNormal


@final
@dataclass(frozen=True, config=STRICT)
class ColdStarts(Around):
    """Some rounds are hit: a clump of workers first waits for a start-up, then does its work.

    Args:
        base: delays of a worker that has started; any model.
        probability: that a round is hit, independently of the others.
        share: of the workers in a hit round: a clump has ``share * n`` of them on average.
        delay: law of the start-up in seconds. It is drawn once for a hit round, since the whole
            clump waits for the same thing, and is added to the base's delay.
        clump: ``binomial``: each worker is in it independently, so that its size varies (and can be
            0). ``fixed``: its size is ``share * n``, or one of the two whole numbers next to it, at
            random so that the mean is right; its members are drawn anew in each hit round. The
            choice matters for a master that waits for about ``n - share * n`` workers.

    The start-up is part of the unit delay X: the load law ``additive`` counts it once, while
    ``proportional`` and ``per_partition`` count it for every partition. There is no ``cdf``: the
    law of a sum of two delays has no closed form.

    Cost: two draws per round, one per cell of a hit round (a fixed clump sorts them too), and one
    addition per cell.
    """

    base: Part
    probability: Probability
    share: Probability
    delay: IndependentPart
    clump: Literal["binomial", "fixed"] = "binomial"

    @override
    def start(self, shared: np.random.Generator, workers: int) -> Any:
        return self.base.start(shared, workers)

    @override
    def evolve(
        self, state: Any, shared: np.random.Generator, rounds: int, workers: int
    ) -> tuple[Any, Any]:
        """Seconds of start-up, ``(rounds, workers)``, and the base's conditions."""
        hit = np.flatnonzero(shared.random(rounds) < self.probability)
        seconds = self.delay.sample(shared, rounds, 1)
        startup = np.zeros((rounds, workers))
        startup[hit] = seconds[hit] * self._clumps(shared, len(hit), workers)
        conditions, after = self.base.evolve(state, shared, rounds, workers)
        return (startup, conditions), after

    def _clumps(self, shared: np.random.Generator, hits: int, workers: int) -> NDArray[np.bool_]:
        """Who is in the clump of each hit round, ``(hits, workers)``."""
        lots = shared.random((hits, workers))
        if self.clump == "binomial":
            return lots < self.share
        sizes = np.floor(self.share * workers + shared.random((hits, 1)))
        return np.argsort(np.argsort(lots, axis=1), axis=1) < sizes

    @override
    def delays(
        self, conditions: Any, own: np.random.Generator, rounds: int, workers: int
    ) -> FloatArray:
        startup, base = conditions
        return np.asarray(self.base.delays(base, own, rounds, workers) + startup)

    @override
    def longest(self) -> float:
        return self.base.longest() + self.delay.longest()

    @override
    def mean(self) -> float | None:
        base, delay = self.base.mean(), self.delay.mean()
        if base is None or delay is None:
            return None
        hit = self.probability * self.share
        return base + (hit * delay if hit > 0 else 0.0)

    @classmethod
    @override
    def examples(cls) -> tuple[DelayModel, ...]:
        return (
            ColdStarts(
                base=LogNormal(median=0.8, sigma=0.1),
                probability=0.3,
                share=0.2,
                delay=Deterministic(value=5.0),
            ),
            ColdStarts(
                base=LogNormal(median=0.8, sigma=0.1),
                probability=0.3,
                share=0.2,
                delay=Deterministic(value=5.0),
                clump="fixed",
            ),
        )
