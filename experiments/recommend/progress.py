"""How much an update counts where nothing is trained, in exact iterations.

Let the k partition gradients be orthogonal and equally long. Along a decoded gradient with
partition weights w, the best step makes ``(E sum w)^2 / (k E sum w^2)`` of the progress of an exact
gradient: for unbiased weights 1 / (1 + E||w - 1||^2 / k), for r of n workers r / n, for ErasureHead
the share of groups that were heard. A gradient that is s updates old takes s updates more
(L (s + rho) / mu instead of L rho / mu of them for a growth rho of the gradients: Stich and
Karimireddy, The Error-Feedback Framework, arXiv 1909.05350). So an update counts
1 / (rho + s) exact iterations, with rho the inverse of the share above.

That is a yardstick and no promise: real partitions are neither orthogonal nor equal. A problem in
the config is better.
"""

from __future__ import annotations

import numpy as np

from ...sim.steps import Dense, Sparse, Step, Steps
from ...sim.types import FloatArray

MOST = 1000
"""Updates that are looked at."""


def exact_iterations(steps: Steps, partitions: int, exact: bool) -> FloatArray:
    """Exact iterations that a mean update of each replication counts, ``(R,)``.

    Args:
        steps: of the run.
        partitions: k.
        exact: whether every update is known to be exact.
    """
    replications, updates = steps.times.shape
    stale = steps.staleness
    staleness = np.zeros(replications) if stale is None else stale.mean(axis=1)
    if exact:
        return np.asarray(1 / (1 + staleness))
    looked_at = np.unique(np.linspace(0, updates - 1, min(updates, MOST)).astype(np.int64))
    sums, squares = np.zeros(replications), np.zeros(replications)
    for u in looked_at:
        found = _weights(steps.step(int(u)), partitions)
        if found is None:  # held gradients: only the error of what they add up to is known
            return np.asarray(1 / (1 + steps.error.mean(axis=1) / partitions + staleness))
        sums += found.sum(axis=1)
        squares += np.square(found).sum(axis=1)
    sums, squares = sums / len(looked_at), squares / len(looked_at)
    with np.errstate(divide="ignore", invalid="ignore"):
        growth = np.where(sums > 0, partitions * squares / sums**2, np.inf)
    return np.asarray(1 / (growth + staleness))


def _weights(step: Step, partitions: int) -> FloatArray | None:
    """``(R, k)`` partition weights of an update, whatever model its gradients are of."""
    match step:
        case Dense():
            return step.weights
        case Sparse():
            there = step.partition >= 0
            weights = np.zeros((len(there), partitions))
            rows = np.broadcast_to(np.arange(len(there))[:, None], there.shape)
            np.add.at(weights, (rows[there], step.partition[there]), step.weight[there])
            return weights
        case _:
            return None
