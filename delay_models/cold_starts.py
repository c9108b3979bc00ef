"""Cold starts: now and then a clump of workers has to be started before it can work. Measured on
AWS Lambda (256 workers): most rounds have no cold start at all; one in ten or so has several at
once, all of about the same length, far longer than the work itself. Their number varies four to six
times as much as if each worker were hit by itself, and they are often next to each other."""

from __future__ import annotations

from math import exp
from typing import Annotated, Any, Literal

import numpy as np
from annotated_types import Ge, Le, MinLen
from numpy.random import Generator
from numpy.typing import NDArray
from typing_extensions import override

from ..sim.fields import configured
from .base import NORMAL_END, DelayModel, FloatArray, IndependentPart, Part, Probability
from .compose import Around
from .parametric import Deterministic, LogNormal


@configured
class ColdStarts(Around):
    """Some rounds are hit: a clump of workers first waits for a start-up, then does its work.

    Args:
        base: delays of a worker that has started; any model.
        probability: that a round is hit, independently of the others.
        delay: law of the start-up in seconds. It is drawn once for a hit round, since the whole
            clump waits for the same thing, and is added to the base's delay.
        within: how start-ups differ within a clump: each is the round's, times a lognormal factor
            of median 1 with this standard deviation of its logarithm.
        clump: ``binomial``: each worker is in it independently, so that its size varies (and can be
            0). ``fixed``: its size is ``share * n``, or one of the two whole numbers next to it, at
            random so that the mean is right; its members are drawn anew in each hit round. The
            choice matters for a master that waits for about ``n - share * n`` workers.
        sizes: instead of ``share`` and ``clump``, how many workers a clump may have; each hit round
            takes one of them at random, at most n.
        neighbours: chance that whoever follows a member of the clump is the next member, until the
            clump is complete (worker 0 follows the last one): 0 scatters it over all workers, 1
            makes it one block. It matters to codes that group neighbouring workers.

    The start-up is part of the unit delay X: the load law ``additive`` counts it once, while
    ``proportional`` and ``per_partition`` count it for every partition. There is no ``cdf``: the
    law of a sum of two delays has no closed form.

    Raises ValueError: not exactly one of ``share`` and ``sizes`` is given, or ``sizes`` with a
    clump.

    Cost: two draws per round, one per cell of a hit round (two and a sort where the clump is not
    binomial and scattered), and one addition per cell."""

    base: Part
    probability: Probability
    delay: IndependentPart
    share: Probability | None = None
    clump: Literal["binomial", "fixed"] = "binomial"
    sizes: Annotated[tuple[Annotated[int, Ge(1)], ...], MinLen(1)] | None = None
    neighbours: Probability = 0.0
    within: Annotated[float, Ge(0), Le(5)] = 0.0

    def __post_init__(self) -> None:
        if (self.share is None) == (self.sizes is None):
            raise ValueError("give either share, of the workers, or sizes, but not both")
        if self.sizes is not None and self.clump != "binomial":
            raise ValueError("sizes say how large a clump is; leave clump out")

    @override
    def evolve(self, state: Any, shared: Generator, rounds: int, workers: int) -> tuple[Any, Any]:
        """Seconds of start-up, ``(rounds, workers)``, and the base's conditions."""
        hit = np.flatnonzero(shared.random(rounds) < self.probability)
        seconds = self.delay.sample(shared, rounds, 1)
        startup = np.zeros((rounds, workers))
        startup[hit] = seconds[hit] * self._clumps(shared, len(hit), workers)
        if self.within > 0:
            startup[hit] *= np.exp(self.within * shared.standard_normal((len(hit), workers)))
        conditions, after = self.base.evolve(state, shared, rounds, workers)
        return (startup, conditions), after

    def _clumps(self, shared: Generator, hits: int, workers: int) -> NDArray[np.bool_]:
        """Who is in the clump of each hit round, ``(hits, workers)``."""
        lots = shared.random((hits, workers))
        scattered = self.share is not None and self.neighbours == 0
        if self.share is None:
            sizes = shared.choice(np.array(self.sizes), (hits, 1))
        elif self.clump == "fixed":
            sizes = np.floor(self.share * workers + shared.random((hits, 1)))
        elif scattered:
            return lots < self.share
        else:
            sizes = shared.binomial(workers, self.share, (hits, 1))
        if scattered:
            return np.argsort(np.argsort(lots, axis=1), axis=1) < sizes
        return self._places(lots, shared) < sizes

    def _places(self, lots: FloatArray, shared: Generator) -> NDArray[np.int64]:
        """In which order the workers of each hit round join its clump, ``(hits, workers)``. Workers
        are cut into runs of neighbours, and the runs are shuffled by their lots."""
        hits, workers = lots.shape
        begins = shared.random((hits, workers)) >= self.neighbours
        runs: NDArray[np.int64] = np.cumsum(begins, axis=1) - begins[:, :1]
        order = np.argsort(np.take_along_axis(lots, runs, axis=1), axis=1, kind="stable")
        turned = (order + shared.integers(0, workers, (hits, 1))) % workers
        ranks = np.empty((hits, workers), dtype=np.int64)
        np.put_along_axis(ranks, turned, np.broadcast_to(np.arange(workers), turned.shape), axis=1)
        return ranks

    @override
    def delays(self, conditions: Any, own: Generator, rounds: int, workers: int) -> FloatArray:
        startup, base = conditions
        return np.asarray(self.base.delays(base, own, rounds, workers) + startup)

    @override
    def longest(self) -> float:
        return self.base.longest() + self.delay.longest() * exp(NORMAL_END * self.within)

    @override
    def mean(self) -> float | None:
        base, delay = self.base.mean(), self.delay.mean()
        if base is None or delay is None or self.share is None:
            return None
        hit = self.probability * self.share * exp(self.within**2 / 2)
        return base + (hit * delay if hit > 0 else 0.0)

    @classmethod
    @override
    def examples(cls) -> tuple[DelayModel, ...]:
        law, start_up = LogNormal(median=0.8, sigma=0.1), Deterministic(value=5.0)
        often: dict[str, Any] = {"base": law, "probability": 0.3, "delay": start_up}
        shared = ColdStarts(**often, share=0.2), ColdStarts(**often, share=0.2, clump="fixed")
        return *shared, ColdStarts(**often, sizes=(1, 2, 7), neighbours=0.4, within=0.3)
