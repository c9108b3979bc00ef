"""How many workers a cold start hits at once, and whether they are next to each other.

The number is binomial, or nearly always the same. Both laws have one parameter, the mean size, so
the one under which the observed sizes are more likely is taken; but where sizes vary so much more
that a binomial law makes it in ``CHANCE`` of tables, they are kept as they were seen. The
difference matters to a master that waits for nearly all other workers: when always 9 of 256 are
cold, the 247th arrival is warm, but with a binomial clump of mean 9 it is cold every second time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import special

FEWEST = 0.2
"""Smallest mean size of a clump: hit rounds with one cold start each say only that it is small."""

CHANCE = 0.01
MOST_SIZES = 100
"""Observed sizes that are kept; of more, so many at equal distances in their order."""

SMALLEST_FIXED = 2
"""A fixed size is at least this; rare single slow calls look like clumps of size 1."""


@dataclass(frozen=True)
class Clumps:
    """Fitted fields of the model ``cold_starts``.

    Attributes:
        kind: of the clump, ``binomial`` or ``fixed``.
        share: mean size of a clump over n.
        probability: that a round is hit, also with a clump of 0 workers.
        sizes: as observed; none where the law holds.
    """

    kind: Literal["binomial", "fixed"]
    share: float
    probability: float
    sizes: tuple[int, ...] = ()


def fit_clumps(sizes: NDArray[np.int64], rounds: int, workers: int) -> Clumps:
    """Fit the laws to the sizes >= 1 of the rounds that are seen to be hit, ``(hit,)``.

    Args:
        sizes: number of cold starts in each hit round.
        rounds: how many rounds there are in all.
        workers: n.
    """
    if _varies_more(sizes, workers):
        kept = np.sort(sizes)
        if len(kept) > MOST_SIZES:
            kept = kept[np.linspace(0, len(kept) - 1, MOST_SIZES).round().astype(int)]
        share, probability = float(sizes.mean()) / workers, len(sizes) / rounds
        return Clumps("binomial", share, probability, tuple(map(int, kept)))
    binomial, binomial_likelihood = _binomial(sizes, rounds, workers)
    fixed, fixed_likelihood = _fixed(sizes, rounds, workers)
    return fixed if fixed_likelihood > binomial_likelihood else binomial


def _varies_more(sizes: NDArray[np.int64], workers: int) -> bool:
    """The index of dispersion, variance over that of a binomial law, has a chi-square law."""
    mean = float(sizes.mean())
    expected = mean * (1 - mean / workers)
    if len(sizes) < 2 or expected <= 0:
        return False
    index = float(((sizes - mean) ** 2).sum()) / expected
    return bool(special.chdtrc(len(sizes) - 1, index) <= CHANCE)


def fit_neighbours(cells: Sequence[NDArray[np.bool_]]) -> float:
    """Chance that the worker after a member of a clump is in it, too; 0 where chance explains it.

    A clump of c of n workers that is scattered has c (c - 1) / n members that follow another one on
    average; that many more than this is a Poisson event with a chance of at most ``CHANCE``.

    Args:
        cells: which delays are cold starts, ``(rounds, n)`` each.
    """
    rounds = np.concatenate(cells)
    sizes = rounds.sum(axis=1)
    follows = int((rounds & np.roll(rounds, 1, axis=1)).sum())
    expected = float((sizes * (sizes - 1)).sum()) / rounds.shape[1]
    most = float(np.maximum(sizes - 1, 0).sum())
    if follows == 0 or most <= expected or special.pdtrc(follows - 1, expected) > CHANCE:
        return 0.0
    return float(min(1.0, (follows - expected) / (most - expected)))


def _binomial(sizes: NDArray[np.int64], rounds: int, workers: int) -> tuple[Clumps, float]:
    """The law and the log-likelihood of the sizes.

    It can give 0, but a round with a clump of 0 does not look hit. So the mean size of the hit
    rounds is matched to the law given a size > 0, and the probability is divided by the chance of
    that.
    """
    hit = len(sizes) / rounds
    share = min(1.0, _untruncated(float(sizes.mean()), hit) / workers)
    seen = -float(np.expm1(workers * np.log1p(-share))) if share < 1 else 1.0
    logs = (
        special.gammaln(workers + 1)
        - special.gammaln(sizes + 1)
        - special.gammaln(workers - sizes + 1)
        + special.xlogy(sizes, share)
        + special.xlog1py(workers - sizes, -share)
        - np.log(seen)
    )
    return Clumps("binomial", share, min(1.0, hit / seen)), float(logs.sum())


def _fixed(sizes: NDArray[np.int64], rounds: int, workers: int) -> tuple[Clumps, float]:
    """The law of two neighbouring sizes, and the log-likelihood: -inf for any other sizes."""
    larger = float(np.mean(sizes - sizes.min()))
    law = Clumps("fixed", float(sizes.mean()) / workers, len(sizes) / rounds)
    if sizes.max() - sizes.min() > 1 or sizes.min() < SMALLEST_FIXED:
        return law, -np.inf
    entropy = special.entr(larger) + special.entr(1 - larger)
    return law, -len(sizes) * float(entropy)


def _untruncated(mean: float, probability: float) -> float:
    """Mean m of a Poisson law whose mean without its 0 is ``mean``: m / (1 - exp(-m)).

    At least so large that the probability of a hit, seen or not, is at most 1.
    """
    least = max(FEWEST, -float(np.log1p(-min(probability, 1 - 1e-9))))
    size = mean
    for _ in range(200):
        size = mean * -float(np.expm1(-size))
    return max(size, least)
