"""Clusters of eight kinds, of which tables are measured and fresh rounds are known. All times are
seconds, ``(rounds, hosts)``; a seed makes the cluster, another one the rounds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Rounds = NDArray[np.float64]


def spells(rng: Generator, rounds: int, columns: int, often: float, lasts: float) -> Rounds:
    """Whether each of so many is in a spell, ``(rounds, columns)``: in a share ``often`` of the
    rounds, ``lasts`` of them in a row in the mean."""
    end = 1 / lasts
    begin = end * often / (1 - often)
    state, changes = rng.random(columns) < often, rng.random((rounds, columns))
    found = np.empty((rounds, columns))
    for t, change in enumerate(changes):
        state = np.where(state, change >= end, change < begin)
        found[t] = state
    return found


def slow_host(rng: Generator, base: Rounds, own: Generator) -> Rounds:
    """One host is slower for good."""
    factors = np.ones(base.shape[1])
    factors[own.integers(base.shape[1])] = own.uniform(1.3, 3.0)
    return base * factors


def two_states(rng: Generator, base: Rounds, own: Generator) -> Rounds:
    """Some hosts are slow for a while, each for itself."""
    factors = np.where(own.random(base.shape[1]) < 0.3, own.uniform(1.5, 4.0), 1.0)
    slow = spells(rng, *base.shape, own.uniform(0.05, 0.3), own.uniform(2, 8))
    return base * np.where(slow > 0, factors, 1.0)


def racks(rng: Generator, base: Rounds, own: Generator) -> Rounds:
    """Hosts of a rack are slow together."""
    size = int(own.choice([4, 8]))
    slow = spells(
        rng, len(base), -(-base.shape[1] // size), own.uniform(0.02, 0.1), own.uniform(1, 4)
    )
    return base * (1 + own.uniform(0.5, 2.0) * slow.repeat(size, axis=1)[:, : base.shape[1]])


def clumps(rng: Generator, base: Rounds, own: Generator) -> Rounds:
    """In few rounds many are late, others each time."""
    late = rng.random((len(base), 1)) < 0.05
    return base + np.where(late & (rng.random(base.shape) < 0.4), 3 * base.mean(), 0.0)


def checkpoints(rng: Generator, base: Rounds, own: Generator) -> Rounds:
    """In each so-manieth round some write, which takes long."""
    every = int(own.integers(8, 30))
    writes = (np.arange(len(base)) + rng.integers(every)) % every == 0
    who = own.random(base.shape[1]) < own.choice([0.25, 1.0])
    return base + np.where(writes[:, None] & who, own.uniform(1, 5) * base.mean(), 0.0)


def drift(rng: Generator, base: Rounds, own: Generator) -> Rounds:
    """What every host takes wanders, each for itself, and so does the load of all."""
    keeps = np.exp(-1 / own.uniform(5, 15))
    log = np.empty((len(base), base.shape[1] + 1))
    state = rng.normal(size=log.shape[1])
    for t, step in enumerate(rng.normal(size=log.shape)):
        log[t] = state
        state = keeps * state + np.sqrt(1 - keeps**2) * step
    return base * np.exp(0.1 * log[:, :1] + own.uniform(0.05, 0.2) * log[:, 1:])


def restarts(rng: Generator, base: Rounds, own: Generator) -> Rounds:
    """Any host may begin again, which takes many rounds' time."""
    chance = own.uniform(0.05, 0.2) / base.shape[1]
    return base + np.where(rng.random(base.shape) < chance, own.uniform(3, 15) * base.mean(), 0.0)


def heavy_tail(rng: Generator, base: Rounds, own: Generator) -> Rounds:
    """Delays of a law of Pareto."""
    return base + 0.3 * base.mean() * rng.pareto(own.uniform(2.2, 3.5), base.shape)


KINDS: dict[str, Callable[[Generator, Rounds, Generator], Rounds]] = {
    kind.__name__: kind
    for kind in (
        *(slow_host, two_states, racks, clumps),
        *(checkpoints, drift, restarts, heavy_tail),
    )
}


@dataclass(frozen=True)
class Cluster:
    """One of ``KINDS``: 16 to 64 hosts, of which 40 to 600 rounds are measured."""

    kind: str
    seed: int

    @property
    def size(self) -> tuple[int, int]:
        """Rounds that are measured, and hosts."""
        rng = np.random.default_rng((self.seed, 1))
        return int(40 * 15 ** rng.random()), int(rng.choice([16, 24, 32, 48, 64]))

    def rounds(self, count: int, stream: int) -> Rounds:
        """So many rounds, others for each stream."""
        rng, own = (np.random.default_rng((self.seed, k)) for k in (10 + stream, 2))
        spread = own.choice([4.0, 16.0, 64.0])
        base = 0.2 + rng.gamma(spread, 0.5 / spread, (count, self.size[1]))
        return KINDS[self.kind](rng, base, own)

    @property
    def table(self) -> Rounds:
        """What was measured."""
        return self.rounds(self.size[0], 0)


def clusters(count: int, seed: int = 0) -> list[Cluster]:
    """So many, of all kinds in turn."""
    kinds = [*KINDS]
    return [Cluster(kinds[i % len(kinds)], 1000 * seed + i) for i in range(count)]
