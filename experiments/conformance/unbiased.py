"""Declared unbiasedness, by Monte Carlo."""

from __future__ import annotations

import numpy as np

from ...sim.schemes.claims import Independent
from ...sim.steps import Dense, Sparse, Step
from ...sim.types import FloatArray
from .simulated import simulated
from .subject import BOUND, Subject, require

SETS = 20_000
REPLICATIONS, UPDATES = 400, 25


def check_unbiased(subject: Subject) -> str:
    """Every partition's mean weight is 1 within 4.9 standard errors.

    Under ``RandomOrder`` over 400 runs of 25 updates, whose means are independent; with chances
    of one's own over 20,000 sets of arrivals.
    """
    claimed = subject.scheme.claims.unbiased
    if claimed is None:
        return ""
    if isinstance(claimed, Independent):
        require(len(claimed.chances) == subject.workers, f"claims {len(claimed.chances)} chances")
        samples = _independent(subject, np.array(claimed.chances))
    else:
        if subject.sees_losses:
            return ""
        samples = _in_random_order(subject)
    z, mean = _z(samples), samples.mean(axis=0)
    i = int(np.argmax(np.abs(z)))
    text = f"claims to be unbiased; partition {i} weighs {mean[i]:.4g} on average (z = {z[i]:.1f})"
    require(abs(z[i]) <= BOUND, text)
    return f"unbiased: largest |z| {abs(z[i]):.2f} of {len(z)} partitions"


def _z(samples: FloatArray) -> FloatArray:
    """(mean - 1) / standard error, that of all partitions where one's weight never varied."""
    away = samples.mean(axis=0) - 1.0
    error = samples.std(axis=0, ddof=1) / np.sqrt(len(samples))
    error[error < 1e-12] = np.sqrt(np.square(error).mean())
    certain = np.where(np.abs(away) < 1e-9, 0.0, np.inf)
    return np.where(error < 1e-12, certain, away / np.maximum(error, 1e-12))


def _independent(subject: Subject, chances: FloatArray) -> FloatArray:
    scheme = subject.rounds
    require(scheme is not None, "claims unbiased sums of rounds, but has none")
    assert scheme is not None
    heard = np.random.default_rng(3).random((SETS, subject.workers)) >= chances
    return np.asarray(scheme.weights(np.repeat(heard, scheme.messages, axis=1)))


def _in_random_order(subject: Subject) -> FloatArray:
    """``(R, k)`` mean weights of each run's updates."""
    iterations = max(2, UPDATES // subject.scheme.updates(1))
    steps = simulated(subject, REPLICATIONS, iterations)
    updates = steps.times.shape[1]
    total = np.zeros((REPLICATIONS, subject.scheme.partitions))
    for u in range(updates):
        total += _weights(steps.step(u), total.shape)
    return np.asarray(total / updates)


def _weights(step: Step, shape: tuple[int, ...]) -> FloatArray:
    if isinstance(step, Dense):
        return step.weights
    kind = type(step).__name__
    require(isinstance(step, Sparse), f"claims unbiased sums, but an update is a {kind}")
    assert isinstance(step, Sparse)
    found = np.zeros(shape)
    here = step.partition >= 0
    rows = np.broadcast_to(np.arange(shape[0])[:, None], here.shape)
    np.add.at(found, (rows[here], step.partition[here]), step.weight[here])
    return found
