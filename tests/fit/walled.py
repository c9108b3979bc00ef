"""A generator of delays behind a wall: a shared file system serves workers in the order of launch.

Whoever is launched late waits longest, but nobody longer than the wall, which lies between 16 and
19 s and moves a little from round to round. So delays are skewed to the left, and a worker that is
usually launched early is usually fast.
"""

from __future__ import annotations

import numpy as np
from scipy import stats

FIRST, WALLS = 2.0, (16.0, 19.0)


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
