"""Kinds of clusters, as parts of config documents: tails, load laws, persistence, measured ones.

All parametric delays have the mean ``MEAN_DELAY``, so they differ in their tails alone."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import final

from ...sim.engines.cluster import Policy
from ..config import build
from .base import MEAN_DELAY, Section

CLUSTER_WORK = 0.1  # seconds of work per partition
DROP_COMPUTE_PATIENCE = 1.25  # in mean times of a partition
# share of workers that are slow at any moment, and how many times slower they are
SLOW_SHARE, SPEED_RATIO = 0.2, 5.0

# from light to heavy
TAILS: dict[str, Section] = {
    "shifted exponential": {
        "model": "shifted_exponential",
        "shift": MEAN_DELAY / 2,
        "rate": 2 / MEAN_DELAY,
    },
    "log-normal (σ = 1)": {
        "model": "lognormal",
        "median": MEAN_DELAY * math.exp(-0.5),
        "sigma": 1.0,
    },
    "Pareto (α = 2.2)": {"model": "pareto", "alpha": 2.2, "scale": MEAN_DELAY * 1.2 / 2.2},
}


class Varied(StrEnum):
    """What is varied in rows of the ranking."""

    ADDITIVE = "additive law: d work + delay"
    PER_PARTITION = "law per partition: d draws of (work + delay)"
    PROPORTIONAL = "proportional law: d (work + delay)"
    CANCEL = "additive law, stragglers that stay slow; unfinished work: cancel"
    QUEUE = "additive law, stragglers that stay slow; unfinished work: queue"
    MEASURED = "measured clusters"


@final
@dataclass(frozen=True)
class RankedCluster:
    """One row of the ranking."""

    group: Varied
    title: str  # the value
    # delay, load_law: sections of a config
    delay: Section
    load_law: Section
    policy: Policy = Policy.CANCEL  # what becomes of unfinished work

    def mean_time(self) -> float:
        """Mean seconds that a partition takes."""
        mean = build.delay_model(self.delay).mean()
        assert mean is not None
        return mean + float(self.load_law.get("seconds_per_partition", 0.0))


def additive(work: float) -> Section:
    """Load law T = d * work + X."""
    return {"kind": "additive", "seconds_per_partition": work}


def persistent(persistence: float, slow_share: float = SLOW_SHARE, constant: float = 0) -> Section:
    """Delays of workers that are slow or fast, and stay so with a given correlation.

    At persistence 0 every round decides anew who is slow, at 1 the slow workers are always the
    same; in between a worker's state has this correlation from round to round. The law of a single
    round is the same at every persistence. The share ``constant`` of a state's mean delay is always
    the same, the rest is exponential."""
    fast = MEAN_DELAY / (1 - slow_share + slow_share * SPEED_RATIO)
    changing = persistence < 1
    return {
        "model": "markov",
        "slow_to_slow": slow_share + (1 - slow_share) * persistence if changing else 1.0,
        "fast_to_slow": slow_share * (1 - persistence),
        "slow_share": slow_share,
        "fast": _delay(fast, constant),
        "slow": _delay(SPEED_RATIO * fast, constant),
    }


def _delay(mean: float, constant: float) -> Section:
    if not constant:
        return {"model": "exponential", "rate": 1 / mean}
    rate = 1 / ((1 - constant) * mean)
    return {"model": "shifted_exponential", "shift": constant * mean, "rate": rate}


def clusters() -> Iterator[RankedCluster]:
    """The rows of the ranking, group by group."""
    proportional, per_partition = {"kind": "proportional"}, {"kind": "per_partition"}
    for group, law, work in (  # the same tails under three load laws, which agree at load 1
        (Varied.ADDITIVE, additive(CLUSTER_WORK), 0.0),
        (Varied.PER_PARTITION, per_partition, CLUSTER_WORK),
        (Varied.PROPORTIONAL, proportional, CLUSTER_WORK),
    ):
        for tail, delay in TAILS.items():
            shifted = {"model": "shifted", "by": work, "base": delay}
            yield RankedCluster(group, tail, shifted if work else delay, law)
    for group, policy, persistences in (
        (Varied.CANCEL, Policy.CANCEL, (0.0, 1.0)),
        (Varied.QUEUE, Policy.QUEUE, (0.0, 0.5, 0.9, 1.0)),
    ):
        for persistence in persistences:
            title = f"persistence {persistence:g}"
            delay, law = persistent(persistence), additive(CLUSTER_WORK)
            yield RankedCluster(group, title, delay, law, policy)
    for title, delay, law in (
        ("lambda_cnn, additive", {"model": "lambda_cnn", "load": 0}, additive(1.127)),
        ("lambda_cnn, proportional", {"model": "lambda_cnn", "load": 1}, proportional),
        ("llm_ranks, per partition", {"model": "llm_ranks"}, per_partition),
        ("llm_ranks, proportional", {"model": "llm_ranks"}, proportional),
    ):
        yield RankedCluster(Varied.MEASURED, title, delay, law)
