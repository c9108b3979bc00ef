"""A generator of delays behind a wall: a shared file system serves workers in the order of launch.

Whoever is launched late waits longest, but nobody longer than the wall, which lies between 16 and
19 s and moves a little from round to round. So delays are skewed to the left, and a worker that is
usually launched early is usually fast.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import stats

from erasurehead.experiments.advice.fit import answer, study

FIRST, WALLS = 2.0, (16.0, 19.0)


def fit_told(found: study.Findings) -> dict[str, Any]:
    """What a record has of a fit: the sections, sentences and most tables."""
    said, made = answer.fit_answer(found, "t.csv"), study.tables(found)
    told = [said.verdict, *said.why, *said.notes]
    ranked = made["fit"][["load", "family", "delay", "log_likelihood", "held_out", "ks"]]
    return {"sections": found.sections, "told": told, "fit": ranked, "tried": made["candidates"]}


def walled(
    rng: np.random.Generator, rounds: int, workers: int, lasting: float = 0.22
) -> np.ndarray:
    """Delays in seconds, ``(rounds, workers)``.

    Args:
        rng: the generator.
        rounds, workers: how many.
        lasting: share of the launch order's variance that is a worker's own.
    """
    own = np.sqrt(lasting) * rng.standard_normal(workers)
    lots = own + np.sqrt(1 - lasting) * rng.standard_normal((rounds, workers))
    place = (np.argsort(np.argsort(lots, axis=1), axis=1) + rng.random((rounds, workers))) / workers
    wall = rng.uniform(WALLS[0] + 1.5, WALLS[1], (rounds, 1))
    noise = rng.uniform(0.0, 1.0, (rounds, workers))
    seconds = FIRST + (wall - 1.0 - FIRST) * (1 - (1 - place) ** 2.5) + noise
    return np.asarray(np.minimum(seconds, wall))


def drawn(rng: np.random.Generator, rounds: int, workers: int, lasting: float = 0.22) -> np.ndarray:
    """The same with places that are drawn, not dealt out: two workers may have the same one."""
    own = np.sqrt(lasting) * rng.standard_normal(workers)
    place = stats.norm.cdf(own + np.sqrt(1 - lasting) * rng.standard_normal((rounds, workers)))
    return np.asarray(19 - 15 * stats.beta(1.2, 3).ppf(1 - place))


def in_launches(rng: np.random.Generator, rounds: int, workers: int, of: int = 8) -> np.ndarray:
    """Workers are launched ``of`` at a time, always in the same order, before a wall.

    All vary by 0.8 s, so that early ones vary more for what they take than late ones.
    """
    launch = rng.permutation(workers) // of
    middle = 16.5 - 12 * np.exp(-2.5 * launch / (workers / of))
    seconds = middle + rng.normal(0, 0.8, (rounds, workers))
    return np.clip(np.minimum(seconds, rng.uniform(*WALLS, (rounds, 1))), 0.5, None)


# Kinds of clusters, each with parameters at random: ``KINDS[name](rng, rounds, workers)`` seconds.


def _noise(rng: np.random.Generator, rounds: int, workers: int) -> np.ndarray:
    return np.asarray(rng.lognormal(0.0, rng.uniform(0.03, 0.2), (rounds, workers)))


def _held(
    rng: np.random.Generator, shape: tuple[int, ...], stay: float, share: float
) -> np.ndarray:
    """States that last 1 / (1 - stay) rounds in the mean, true in a share of all rounds."""
    enter = min(1.0, (1 - stay) * share / (1 - share))
    state = rng.random(shape[1:]) < share
    rows = []
    for _ in range(shape[0]):
        rows.append(state)
        state = np.where(state, rng.random(shape[1:]) < stay, rng.random(shape[1:]) < enter)
    return np.array(rows)


def two_states(rng: np.random.Generator, rounds: int, workers: int) -> np.ndarray:
    """One to three workers, 4 to 12 times slower in a fifth to four fifths of their rounds."""
    table = _noise(rng, rounds, workers)
    for worker in rng.choice(workers, rng.integers(1, 4), replace=False):
        slow = rng.random(rounds) < rng.uniform(0.2, 0.8)
        table[:, worker] *= np.where(slow, rng.uniform(4, 12), 1.0)
    return table


def spells(rng: np.random.Generator, rounds: int, workers: int) -> np.ndarray:
    """Every worker is now and then 2 to 5 times slower for some rounds."""
    slow = _held(rng, (rounds, workers), rng.uniform(0.3, 0.9), rng.uniform(0.02, 0.15))
    return _noise(rng, rounds, workers) * np.where(slow, rng.uniform(2, 5), 1.0)


def clumps(rng: np.random.Generator, rounds: int, workers: int) -> np.ndarray:
    """Rounds in which some workers start anew, for a long and very different time."""
    hit = rng.random((rounds, 1)) < rng.uniform(0.1, 0.5)
    cold = hit & (rng.random((rounds, workers)) < rng.uniform(0.02, 0.1))
    starts = rng.lognormal(np.log(rng.uniform(4, 20)), rng.uniform(0.1, 1.0), (rounds, workers))
    return _noise(rng, rounds, workers) + np.where(cold, starts, 0.0)


def same_five(rng: np.random.Generator, rounds: int, workers: int) -> np.ndarray:
    """Slow rounds that hit the same five workers."""
    table = _noise(rng, rounds, workers)
    five = rng.choice(workers, 5, replace=False)
    slow = rng.random((rounds, 1)) < rng.uniform(0.1, 0.6)
    table[:, five] *= np.where(slow, rng.uniform(2, 8), 1.0)
    return table


def wall(rng: np.random.Generator, rounds: int, workers: int) -> np.ndarray:
    """Delays that no worker exceeds."""
    return drawn(rng, rounds, workers, rng.uniform(0.0, 0.4))


def drift(rng: np.random.Generator, rounds: int, workers: int) -> np.ndarray:
    """Every worker wanders, each by itself."""
    decay, width = rng.uniform(0.8, 0.97), rng.uniform(0.05, 0.3)
    steps = rng.standard_normal((rounds, workers))
    logs = [steps[0]]
    for step in steps[1:]:
        logs.append(decay * logs[-1] + np.sqrt(1 - decay**2) * step)
    return np.asarray(_noise(rng, rounds, workers) * np.exp(width * np.array(logs)))


def day_and_night(rng: np.random.Generator, rounds: int, workers: int) -> np.ndarray:
    """All workers are 1.2 to 2 times slower for half of each 8 to 24 rounds."""
    period = int(rng.integers(4, 12))
    day = (np.arange(rounds) + rng.integers(2 * period)) // period % 2
    return _noise(rng, rounds, workers) * np.where(day, rng.uniform(1.2, 2), 1.0)[:, None]


def two_machines(rng: np.random.Generator, rounds: int, workers: int) -> np.ndarray:
    """Some workers are 1.3 to 3 times slower for good, and vary otherwise."""
    old = rng.random(workers) < rng.uniform(0.2, 0.6)
    both = _noise(rng, rounds, workers), rng.uniform(1.3, 3) * _noise(rng, rounds, workers)
    return np.where(old, both[1], both[0])


def restarts(rng: np.random.Generator, rounds: int, workers: int) -> np.ndarray:
    """Each worker starts anew now and then, and takes 3 to 10 times as long in that round."""
    anew = rng.random((rounds, workers)) < rng.uniform(0.2, 2) / workers
    return _noise(rng, rounds, workers) * np.where(anew, rng.uniform(3, 10), 1.0)


def tails(rng: np.random.Generator, rounds: int, workers: int) -> np.ndarray:
    """Independent delays of a classic law."""
    laws = (
        lambda size: rng.lognormal(0.0, rng.uniform(0.3, 0.9), size),
        lambda size: 0.2 + rng.exponential(1.0, size),
        lambda size: 1.0 + rng.pareto(rng.uniform(2.5, 5), size),
        lambda size: rng.gamma(rng.uniform(1, 5), 1.0, size),
    )
    return np.asarray(laws[rng.integers(len(laws))]((rounds, workers)))


KINDS = {
    each.__name__: each
    for each in (
        two_states,
        spells,
        clumps,
        same_five,
        wall,
        drift,
        day_and_night,
        two_machines,
        restarts,
        tails,
    )
}
