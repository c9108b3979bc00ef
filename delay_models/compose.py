"""Models around another: scaled, shifted, some workers with laws of their own, cold starts."""

from __future__ import annotations

from abc import abstractmethod
from math import exp
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from annotated_types import Ge, Le, MinLen
from numpy.random import Generator
from numpy.typing import ArrayLike, NDArray
from typing_extensions import override

from ..sim.base.fields import configured, refuse_naming
from .base import (
    NORMAL_END,
    DelayModel,
    FloatArray,
    IndependentPart,
    Part,
    Positive,
    Probability,
    Seconds,
)
from .mixture import Markov
from .parametric import Deterministic, Gamma, LogNormal, Weibull


class Around(DelayModel):
    """A model that changes the delays of another one, ``base``; abstract."""

    if TYPE_CHECKING:  # at run time a dataclass would take the property for a default value

        @property
        def base(self) -> DelayModel:
            """The model whose delays are changed."""

    @override
    def start(self, shared: Generator, workers: int) -> Any:
        return self.base.start(shared, workers)


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
    def random(self) -> bool:
        return self.base.random

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
    def kinks(self) -> FloatArray:
        offset, factor = self.coefficients
        return np.asarray(offset + factor * self.base.kinks())

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

    @override
    def workers_required(self) -> int | None:
        return self.base.workers_required()

    @override
    def require_workers(self, workers: int) -> None:
        self.base.require_workers(workers)
        for worker, model in self._there(workers):
            model.require_workers(1)
            if (columns := model.workers_required()) not in (None, 1):
                rule = f"hosts in the trace of worker {worker} (hosts: [name] chooses); must be"
                refuse_naming("models", columns or 0, [1], rule)

    @property
    @override
    def random(self) -> bool:
        return any(model.random for model in self.parts())

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

    @classmethod
    @override
    def examples(cls) -> tuple[DelayModel, ...]:
        fast, slow = LogNormal(median=0.6, sigma=0.1), LogNormal(median=1.5, sigma=0.3)
        sticky = Markov(slow_to_slow=0.9, fast_to_slow=0.05, fast=fast, slow=slow)
        return (OwnLaws(base=fast, workers=(2, 0), models=(sticky, slow)),)


# Cold starts: now and then a clump of workers has to be started before it can work. Measured on AWS
# Lambda (256 workers): most rounds have no cold start at all; one in ten or so has several at once,
# all of about the same length, far longer than the work itself. Their number varies four to six
# times as much as if each worker were hit by itself, and they are often next to each other.


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

    @property
    @override
    def random(self) -> bool:
        return self.probability > 0 or self.base.random

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
