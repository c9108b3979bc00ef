"""What the updates of a scheme are worth where nothing is trained: how many exact iterations they
count, whether they hear every partition, and what theory knows of both without a simulation."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import bdtr

from ...sim import theory
from ...sim.engines.cluster import Policy
from ...sim.engines.run import Run
from ...sim.schemes.arrivals import Arrivals, Demand
from ...sim.schemes.barrierless import Barrierless
from ...sim.schemes.base import Fixed
from ...sim.steps import Steps, weights_of
from ...sim.theory.iteration_time import IterationTimeLaw
from ...sim.types import BoolArray, FloatArray
from ..statistics.job import RARELY
from .compare import LAW, Evidence
from .question import Goal


def hearing(steps: Steps, evidence: Evidence = LAW, by_chance: float = 1e-3) -> dict[str, Any]:
    """``least_heard``, ``coverage`` and ``covered`` of a candidate. Not covered: some partition is
    in fewer updates than ``RARELY`` of what a mean one is in, unless chance does that to one of
    them with more than the probability ``by_chance``; in all replications together, or in more than
    5 % of them, and more than two: one or two of eight prove nothing, and who is dropped for it
    does not come back."""
    if steps.shares is None:
        return {"least_heard": np.nan, "coverage": np.nan, "covered": True}
    updates, shares = steps.times.shape[1], np.nan_to_num(steps.shares, nan=1.0)

    def rarely(shares: FloatArray, updates: int) -> BoolArray:
        usual, least = shares.mean(axis=-1), shares.min(axis=-1)
        chance = shares.shape[-1] * bdtr(np.rint(least * updates), updates, np.minimum(usual, 1.0))
        return np.asarray((least < RARELY * usual) & (chance < by_chance))

    all_runs = shares.mean(axis=0)
    least, together = float(all_runs.min()), rarely(all_runs, updates * len(shares))
    rare_runs = rarely(evidence.spread(shares), updates).sum()
    return {
        "least_heard": least,
        "coverage": least / max(float(all_runs.mean()), 1e-300),
        "covered": not (together or rare_runs > max(0.05 * len(shares), 2)),
    }


# Let the k partition gradients be orthogonal and equally long. Along a decoded gradient with
# partition weights w, the best step makes (E sum w)^2 / (k E sum w^2) of the progress of an exact
# gradient: for unbiased weights 1 / (1 + E||w - 1||^2 / k), for r of n workers r / n, for
# ErasureHead the share of groups that were heard. A gradient that is s updates old takes s updates
# more: L (s + rho) / mu instead of L rho / mu, for a growth rho of the gradients. So an update
# counts 1 / (rho + s) exact iterations, with rho the inverse of the share above.
def exact_iterations(steps: Steps, partitions: int, exact: bool, first: int = 0) -> FloatArray:
    """Exact iterations that a mean update of each replication counts, from the update ``first`` on,
    ``(R,)``; ``exact``: every update is known to be exact. A measure where nothing is trained, and
    no promise: real partitions are neither orthogonal nor equal. Of many updates, a thousand are
    looked at. Source: Stich and Karimireddy, The Error-Feedback Framework, arXiv 1909.05350, for
    staleness."""
    replications, updates = steps.times.shape
    stale = steps.staleness
    staleness = np.zeros(replications) if stale is None else stale[:, first:].mean(axis=1)
    if exact:
        return np.asarray(1 / (1 + staleness))
    count = min(updates - first, 1000)
    looked_at = np.unique(np.linspace(first, updates - 1, count).astype(np.int64))
    sums, squares = np.zeros(replications), np.zeros(replications)
    for u in looked_at:
        weights = weights_of(steps.step(int(u)), partitions)
        if weights is None:  # held gradients: only the error of what they add up to is known
            error = steps.error[:, first:].mean(axis=1)
            return np.asarray(1 / (1 + error / partitions + staleness))
        sums += weights.sum(axis=1)
        squares += np.square(weights).sum(axis=1)
    sums, squares = sums / len(looked_at), squares / len(looked_at)
    with np.errstate(divide="ignore", invalid="ignore"):
        growth = np.where(sums > 0, partitions * squares / sums**2, np.inf)
    return np.asarray(1 / (growth + staleness))


def closed_forms(run: Run, goal: Goal) -> dict[str, float] | None:
    """What theory knows of a scheme's mean; ``None`` where it knows too little. Closed forms are
    for independent delays, an ideal network, and the policy ``cancel``."""
    if goal.kind != "iterations" or goal.criterion != "mean":
        return None
    if not run.tapes[0].model.independent or not run.cluster.ideal:  # type: ignore[attr-defined]
        return None
    means = _of_rounds(run) if isinstance(run.scheme, Fixed) else _without_rounds(run)
    names = ("iteration_time", "effective_time", "error", "staleness")
    return None if means is None else dict(zip(names, means, strict=True))


Means = tuple[float, float, float, float]


def _of_rounds(run: Run) -> Means | None:
    scheme, model = run.scheme, run.tapes[0].model  # type: ignore[attr-defined]
    if run.policy is not Policy.CANCEL:
        return None
    law = theory.scheme_iteration_time(scheme, model, run.load_law)
    error, erased = theory.expected_decoding_error(scheme), theory.group_erasure(scheme)
    if isinstance(law, theory.NoFormula) or isinstance(erased, theory.NoFormula) or error is None:
        return None
    seconds, error = law.mean(), error * scheme.workers / scheme.partitions
    return (seconds, seconds / erased.heard, error, 0.0) if erased.heard > 0 else None


def _without_rounds(run: Run) -> Means | None:
    """``k_batch_async`` of random partitions: renewal rates, and n - 1 others between two of one's
    own, so a staleness of (n - 1) / K updates."""
    scheme = run.scheme
    if type(scheme) is not Barrierless or scheme.discount is not None:
        return None
    plain = scheme.independent and scheme.restarts_at_once and not scheme.own_data
    if not plain or np.isfinite(scheme.oldest) or scheme.distinct or scheme.cycles:
        return None
    unit = theory.worker_time_at(run.tapes[0].model, run.load_law, 1)  # type: ignore[attr-defined]
    if unit is None:
        return None
    n, k = scheme.n, scheme.gradients
    mean = IterationTimeLaw(Demand(Arrivals(1, 1, 1)), unit).mean()
    if not np.isfinite(mean) or mean <= 0:
        return None
    update, staleness = theory.mean_k_batch_async(n, k, mean), (n - 1) / k
    return update * scheme.updates(1), update * (1 + 2 * staleness), n * staleness, staleness
