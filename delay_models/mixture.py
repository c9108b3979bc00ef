"""Each cell takes one of several laws: at random, or by a state that stays for some rounds."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Annotated, TypeAlias

import numpy as np
from annotated_types import MinLen
from numpy.random import Generator
from numpy.typing import ArrayLike, NDArray
from typing_extensions import override

from ..sim.base.fields import configured
from .base import (
    DelayModel,
    FloatArray,
    IndependentDelays,
    IndependentPart,
    NonNegative,
    Probability,
)
from .parametric import Gamma, LogNormal, ShiftedExponential

Law: TypeAlias = "tuple[Sequence[float], Sequence[DelayModel]]"  # weights of any sum, and laws


class Mixed(DelayModel):
    """A model in which the law of one cell is a mixture of laws; abstract. Nothing is said of how
    cells depend on each other, so models with a memory can use this, too. ``cdf``, ``sf``, ``ppf``
    and ``mean`` follow from the parts; they are ``None`` where a part's are, and where there is no
    ``mixed``. Cost: ``ppf`` finds roots, about ten times ``cdf``."""

    @property
    @abstractmethod
    def mixed(self) -> Law | None:
        """The law of one cell; ``None`` where it is not a mixture."""

    @override
    def cdf(self, seconds: ArrayLike) -> FloatArray | None:
        return self._weighted([law.cdf(seconds) for law in self._laws])

    @override
    def sf(self, seconds: ArrayLike) -> FloatArray | None:
        """As precise as the parts' own, or as ``1 - cdf`` where a part has none."""
        return self._weighted([law.survival(seconds) for law in self._laws])

    @override
    def mean(self) -> float | None:
        mean = self._weighted([law.mean() for law in self._laws])
        return None if mean is None else float(mean)

    @override
    def kinks(self) -> FloatArray:
        return np.concatenate([np.empty(0), *(law.kinks() for law in self._present)])

    @override
    def longest(self) -> float:
        return max(law.longest() for law in self.parts())

    @override
    def ppf(self, probability: ArrayLike) -> FloatArray | None:
        q = np.asarray(probability, dtype=np.float64)
        return self._root([law.ppf(q) for law in self._present], self.cdf, q, 1)

    @override
    def isf(self, probability: ArrayLike) -> FloatArray | None:
        p = np.asarray(probability, dtype=np.float64)
        return self._root([law.isf(p) for law in self._present], self.sf, p, -1)

    def _root(
        self,
        quantiles: Sequence[FloatArray | None],
        chance: Callable[[FloatArray], FloatArray | None],
        wanted: FloatArray,
        sign: int,
    ) -> FloatArray | None:
        """Where a chance that rises (1) or falls (-1) is the wanted one, by root finding
        (Chandrupatla's method) between the extremes of the parts' quantiles."""
        if self.mixed is None or any(quantile is None for quantile in quantiles):
            return None
        table = np.stack([x for x in quantiles if x is not None])
        low, high = table.min(axis=0), table.max(axis=0)

        def excess(seconds: FloatArray, wanted: FloatArray) -> FloatArray:
            value = chance(seconds)
            assert value is not None
            return sign * (value - wanted)

        at_low, at_high = excess(low, wanted) >= 0, excess(high, wanted) <= 0
        inside = ~(at_low | at_high)
        result: FloatArray = np.where(at_low, low, high)
        if np.any(inside):
            bracket = (low[inside], high[inside])
            from scipy.optimize import elementwise  # a fifth of a second, only for quantiles

            result[inside] = elementwise.find_root(excess, bracket, args=(wanted[inside],)).x
        return result

    @staticmethod
    def _differ(laws: Sequence[DelayModel]) -> bool:
        """Whether it matters by chance which of these laws a cell takes, or one is random."""
        return any(law.random for law in laws) or len({law.longest() for law in laws}) > 1

    @property
    def _present(self) -> list[DelayModel]:
        """The laws that have a weight."""
        return [] if self.mixed is None else [law for w, law in zip(*self.mixed, strict=True) if w]

    @property
    def _laws(self) -> Sequence[DelayModel]:
        return () if self.mixed is None else self.mixed[1]

    def _weighted(self, values: Sequence[FloatArray | float | None]) -> FloatArray | None:
        if self.mixed is None or any(value is None for value in values):
            return None
        weights = self.mixed[0]
        known = [(w, x) for w, x in zip(weights, values, strict=True) if w > 0 and x is not None]
        total = sum((w * x for w, x in known), start=np.zeros(()))
        return np.asarray(total / sum(weights), dtype=np.float64)


@configured
class Mixture(Mixed, IndependentDelays):
    """Each cell is drawn from ``components[i]`` with probability ``weights[i]``.

    Two-component mixtures of lognormals fit measured call times better than any classic law.

    Raises ValueError: as many weights as components are needed, and a sum of 1.

    Cost: one uniform draw per cell and one draw from its component."""

    weights: Annotated[tuple[NonNegative, ...], MinLen(1)]
    components: tuple[IndependentPart, ...]

    def __post_init__(self) -> None:
        if len(self.weights) != len(self.components):
            text = f"{len(self.weights)} weights for {len(self.components)} components"
            raise ValueError(f"{text}; must be one weight for each component")
        total = sum(self.weights)
        if abs(total - 1) > 1e-6:  # else they are divided by their sum
            raise ValueError(f"weights sum to {total:g}; must sum to 1")

    @override
    def draw(self, rng: Generator, shape: tuple[int, ...]) -> FloatArray:
        bounds = np.cumsum(self.weights) / sum(self.weights)
        which = np.searchsorted(bounds[:-1], rng.random(shape), side="right")
        delays = np.empty(shape)
        for index, component in enumerate(self.components):
            mine = which == index
            delays[mine] = component.sample(rng, 1, int(mine.sum()))[0]
        return delays

    @property
    @override
    def random(self) -> bool:
        return self._differ(self._present)

    @property
    @override
    def mixed(self) -> Law:
        return self.weights, self.components

    @classmethod
    @override
    def examples(cls) -> tuple[DelayModel, ...]:
        fast, slow = LogNormal(median=0.6, sigma=0.1), LogNormal(median=1.5, sigma=0.4)
        tail = ShiftedExponential(shift=0.2, rate=2.0)
        two = Mixture(weights=(0.8, 0.2), components=(fast, slow))
        return two, Mixture(weights=(0.5, 0.2, 0.3), components=(tail, slow, fast))


BoolArray = NDArray[np.bool_]


@configured
class Markov(Mixed):
    """Each worker is slow or fast; in each round it stays or changes (Gilbert-Elliott).

    Args:
        slow_to_slow: probability that a slow worker is slow in the next round too.
        fast_to_slow: probability that a fast worker is slow in the next round.
        fast: delays while fast, independent draws.
        slow: delays while slow.
        slow_share: probability that a worker is slow in round 0. By default the stationary one,
            so that no round is special. Required where workers never change, since there every
            share is stationary.

    With ``persistence`` 0 states are independent from round to round; with 1 the slow workers of
    round 0 stay slow. Workers are independent of each other.

    Raises ValueError: ``slow_share`` is missing where workers never change.

    Cost: one uniform draw and about five array passes per cell, no loop over rounds; then one or
    two draws of a delay.

    Source: E. N. Gilbert, "Capacity of a burst-noise channel", Bell System Technical Journal 39
    (1960); E. O. Elliott, ibid. 42 (1963): a two-state Markov chain with a law in each state."""

    slow_to_slow: Probability
    fast_to_slow: Probability
    fast: IndependentPart
    slow: IndependentPart
    slow_share: Probability | None = None

    def __post_init__(self) -> None:
        if (self.slow_to_slow, self.fast_to_slow, self.slow_share) == (1, 0, None):
            text = "with slow_to_slow = 1 and fast_to_slow = 0 nobody ever changes"
            valid = "so it must say which share of workers is slow"
            raise ValueError(f"slow_share is missing; {text}, {valid}")

    @property
    def persistence(self) -> float:
        """Correlation of a worker's states in successive rounds: -1 to 1."""
        return self.slow_to_slow - self.fast_to_slow

    @property
    def initial_share(self) -> float:
        """Probability that a worker is slow in round 0."""
        if self.slow_share is not None:
            return self.slow_share
        return self.fast_to_slow / (1 - self.slow_to_slow + self.fast_to_slow)

    @property
    def stationary(self) -> bool:
        """Every round has the same law: the chain starts in its stationary share, or stays put."""
        share = self.initial_share
        return abs(share * self.slow_to_slow + (1 - share) * self.fast_to_slow - share) <= 1e-12

    @override
    def start(self, shared: Generator, workers: int) -> BoolArray:
        """The state is who is slow in the next round, ``(workers,) bool``."""
        return shared.random(workers) < self.initial_share

    @override
    def evolve(
        self, state: BoolArray, shared: Generator, rounds: int, workers: int
    ) -> tuple[BoolArray, BoolArray]:
        """Who is slow in each round: ``(rounds, workers) bool``, and in the round after them. One
        uniform draw u decides a worker's next step: below both probabilities it becomes slow, above
        both it becomes fast, and in between it keeps its state (persistence > 0) or flips it (< 0).
        So a state is that of the last round with a decision, and each flip since turns it."""
        u = shared.random((rounds, workers))
        slow = np.concatenate([state[None], u < min(self.slow_to_slow, self.fast_to_slow)])
        decided = slow[1:] | (u >= max(self.slow_to_slow, self.fast_to_slow))
        row = np.where(decided, np.arange(1, rounds + 1)[:, None], 0)
        np.maximum.accumulate(row, axis=0, out=row)
        if self.persistence < 0:
            flips = np.concatenate([np.zeros_like(state)[None], ~decided])
            parity = np.logical_xor.accumulate(flips, axis=0)
            slow ^= parity
            after = np.take_along_axis(slow, row, axis=0) ^ parity[1:]
        else:
            after = np.take_along_axis(slow, row, axis=0)
        return np.concatenate([state[None], after[:-1]]), after[-1]

    @override
    def delays(self, slow: BoolArray, own: Generator, rounds: int, workers: int) -> FloatArray:
        """A fast draw for every cell, then a slow one in place of it where a worker is slow."""
        table = self.fast.sample(own, rounds, workers)
        table[slow] = self.slow.sample(own, 1, int(slow.sum()))[0]
        return table

    @property
    @override
    def random(self) -> bool:
        """Whoever begins in a known state, and changes always or never, draws no state."""
        laws = self.fast, self.slow
        chances = self.initial_share, self.slow_to_slow, self.fast_to_slow
        if all(chance in (0, 1) for chance in chances):
            return any(law.random for law in laws)
        return self._differ(laws)

    @property
    @override
    def mixed(self) -> Law | None:
        """The stationary mixture of the two states; ``None`` if the chain does not start in it."""
        share = self.initial_share
        return ((share, 1 - share), (self.slow, self.fast)) if self.stationary else None

    @classmethod
    @override
    def examples(cls) -> tuple[DelayModel, ...]:
        fast, slow = LogNormal(median=0.6, sigma=0.2), ShiftedExponential(shift=1.0, rate=2.0)
        return (
            Markov(slow_to_slow=0.9, fast_to_slow=0.05, fast=fast, slow=slow),
            Markov(slow_to_slow=1.0, fast_to_slow=0.0, fast=fast, slow=slow, slow_share=0.2),
            Markov(slow_to_slow=0.1, fast_to_slow=0.8, fast=fast, slow=Gamma(shape=2.0, scale=1.0)),
        )
