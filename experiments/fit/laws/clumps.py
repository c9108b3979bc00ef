"""How many workers a cold start hits at once: a binomial number, or nearly always the same.

Both laws have one parameter, the mean size, so the one under which the observed sizes are more
likely is taken. The difference matters to a master that waits for nearly all other workers: when
always 9 of 256 are cold, the 247th arrival is warm, but with a binomial clump of mean 9 it is cold
every second time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import special

FEWEST = 0.2
"""Smallest mean size of a clump: hit rounds with one cold start each say only that it is small."""

SMALLEST_FIXED = 2
"""A fixed size is at least this; rare single slow calls look like clumps of size 1."""


@dataclass(frozen=True)
class Clumps:
    """Fitted fields of the model ``cold_starts``.

    Attributes:
        kind: of the clump, ``binomial`` or ``fixed``.
        share: mean size of a clump over n.
        probability: that a round is hit, also with a clump of 0 workers.
    """

    kind: Literal["binomial", "fixed"]
    share: float
    probability: float


def fit_clumps(sizes: NDArray[np.int64], rounds: int, workers: int) -> Clumps:
    """Fit both laws to the sizes >= 1 of the rounds that are seen to be hit, ``(hit,)``.

    Args:
        sizes: number of cold starts in each hit round.
        rounds: how many rounds there are in all.
        workers: n.
    """
    binomial, binomial_likelihood = _binomial(sizes, rounds, workers)
    fixed, fixed_likelihood = _fixed(sizes, rounds, workers)
    return fixed if fixed_likelihood > binomial_likelihood else binomial


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
