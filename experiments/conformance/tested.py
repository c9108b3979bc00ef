"""The scheme under test, how a check fails, and a plain run of the scheme."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from math import comb

import numpy as np

from ...delay_models import Tape
from ...delay_models.parametric import Exponential
from ...sim.engines.run import Run
from ...sim.engines.simulate import simulate
from ...sim.load_laws import Proportional
from ...sim.schemes import Scheme, SchemeFamily
from ...sim.schemes.base import Fixed, Round, RoundScheme, Sees
from ...sim.steps import Steps
from ...sim.types import BoolArray

Z_BOUND = 4.9  # a standard normal is beyond this, on either side, with probability 1e-6
# so many patterns of stragglers are tried, or random ones
MAX_PATTERNS, RANDOM_PATTERNS = 5000, 2000


class Nonconforming(AssertionError):
    """A scheme breaks what it claims, or what every scheme must keep; the message is one line."""


def ensure(condition: object, text: str) -> None:
    """Raise ``Nonconforming`` with this line unless the condition holds."""
    if not condition:
        raise Nonconforming(text)


@dataclass(frozen=True)
class SchemeUnderTest:
    """A family and the scheme that it builds for some workers."""

    family: SchemeFamily
    workers: int

    @cached_property
    def scheme(self) -> Scheme:
        """The built scheme; raises ``InvalidParameter`` where the family refuses the workers."""
        return self.family.build(self.workers)

    @property
    def fixed(self) -> Fixed | None:
        """The scheme, if it is an assignment, a stopping rule and a decoder."""
        return self.scheme if isinstance(self.scheme, Fixed) else None

    @property
    def rounds(self) -> RoundScheme | None:
        """The scheme, if it has rounds."""
        return self.scheme if isinstance(self.scheme, RoundScheme) else None

    @property
    def sees_losses(self) -> bool:
        """Whether its rounds cannot be simulated without a problem."""
        return self.rounds is not None and self.rounds.sees is Sees.LOSSES

    def first_round(self) -> Round:
        """The plan of the first round, for one replication; needs a scheme with rounds."""
        assert self.rounds is not None
        return self.rounds.plan(self.rounds.start(1))

    def arrivals(self, seed: int, rows: int = 400) -> BoolArray:
        """``(rows, n m)`` random messages, from few to nearly all; needs rounds."""
        assert self.rounds is not None
        rng = np.random.default_rng(seed)
        return rng.random((rows, self.workers * self.rounds.messages)) < rng.random((rows, 1))

    def without(self, stragglers: int) -> BoolArray:
        """``(rows, n m)`` bool: everything has arrived but the messages of so many workers. Every
        pattern where there are at most ``MAX_PATTERNS``, else ``RANDOM_PATTERNS`` random ones."""
        assert self.rounds is not None
        n = self.workers
        if comb(n, stragglers) <= MAX_PATTERNS:
            lost = np.array([*combinations(range(n), stragglers)], dtype=np.int64)
        else:
            draws = np.random.default_rng(5).random((RANDOM_PATTERNS, n))
            lost = draws.argsort(axis=1)[:, :stragglers]
        heard = np.ones((len(lost), n), dtype=np.bool_)
        np.put_along_axis(heard, lost, False, axis=1)
        return np.repeat(heard, self.rounds.messages, axis=1)

    def steps(self, replications: int, iterations: int) -> Steps:
        """The updates of a run on an ideal cluster: exponential times, mean 1 s a partition."""
        seed, delay = 11, Exponential(rate=1.0)
        tapes = [Tape(delay, self.workers, seed, r) for r in range(replications)]
        run = Run(self.scheme, tapes, Proportional(), iterations, seed=seed)
        return self.scheme.steps(simulate(run, work=False))
