"""One cell, from objects to numbers: engine, decoder, learner. A pure function of the cell."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from experiments.config import build
from experiments.config.grid import Cell
from sim.engines.run import simulate
from sim.learner import BLAS_THREADS, EXACT, Training, train
from sim.metrics import time_to_target
from sim.schemes import Scheme
from sim.schemes.conditioning import Conditioning
from sim.schemes.decoding import decoding_error
from sim.types import FloatArray, Trace

WEIGHTS_AT_ONCE = 2**22
"""Partition weights decoded together: 32 MiB."""


@dataclass(frozen=True)
class CellResult:
    """The numbers of one cell.

    Attributes:
        iterations: one row per replication and iteration (0 is the start).
        replications: one row per replication: what is known only of a whole run.
        workers: one row per worker: how it spent its time, and how often others waited for it.
        engine: the engine that ran.
        conditioning: what rounding makes of the code; ``None`` for plain sums.
    """

    iterations: pd.DataFrame
    replications: pd.DataFrame
    workers: pd.DataFrame
    engine: str
    conditioning: Conditioning | None = None


def compute(cell: Cell, data_dir: Path | None = None) -> CellResult:
    """Run a cell.

    Raises:
        ConfigError: the cell cannot be built.
        NeverEnough: a round cannot end.

    Cost: R T n worker-rounds in the engine; per iteration two products with the training data
    (R columns, or one when every round decodes exactly) and one with the test data.
    """
    parts, learning = build.both(cell, data_dir)
    trace = simulate(parts, cell.settings.engine)
    with threadpool_limits(BLAS_THREADS):  # a solve's bits depend on the number of threads
        decoded = decode(parts.scheme, trace, keep_weights=learning is not None)
        conditioning = parts.scheme.conditioning()
    losses = None if learning is None else learn(learning, decoded)
    iterations = _iterations(trace, decoded, losses)
    replications = _replications(trace, losses, cell.settings.target_loss)
    return CellResult(iterations, replications, _workers(trace), trace.engine, conditioning)


@dataclass(frozen=True)
class Decoded:
    """What the master decoded in each round.

    Attributes:
        recovered: ``(R, T)`` share of partitions with non-zero weight.
        error: ``(R, T)`` decoding error.
        weights: ``(R, T, k)`` partition weights, or ``None`` if not kept.
    """

    recovered: FloatArray
    error: FloatArray
    weights: FloatArray | None


def decode(scheme: Scheme, trace: Trace, keep_weights: bool) -> Decoded:
    """Decode every round of a trace, as many rounds at a time as fit in 32 MiB."""
    assert trace.arrived is not None
    r, t, n = trace.arrived.shape
    recovered, error = np.empty((r, t)), np.empty((r, t))
    weights = np.empty((r, t, scheme.partitions)) if keep_weights else None
    step = max(1, WEIGHTS_AT_ONCE // (r * max(scheme.partitions, n)))
    for start in range(0, t, step):
        rounds = slice(start, start + step)
        part = scheme.decoder.partition_weights(trace.arrived[:, rounds])
        recovered[:, rounds] = np.count_nonzero(part, axis=-1) / scheme.partitions
        error[:, rounds] = decoding_error(part)
        if weights is not None:
            weights[:, rounds] = part
    return Decoded(recovered, error, weights)


def learn(learning: build.Training, decoded: Decoded) -> Training:
    """Train on decoded gradients; where every weight is one, all replications share one model."""
    weights = decoded.weights
    assert weights is not None
    exact = bool(np.all(np.abs(weights - 1) <= EXACT))
    replications, iterations, _ = weights.shape
    return train(
        learning.problem,
        learning.optimizer,
        learning.initial,
        None if exact else lambda t: weights[:, t],
        iterations,
        replications,
    )


def _iterations(trace: Trace, decoded: Decoded, losses: Training | None) -> pd.DataFrame:
    assert trace.arrived is not None
    r, t = trace.times.shape
    assert trace.busy is not None
    workers = trace.busy.shape[1]
    heard = trace.arrived.reshape(r, t, workers, -1).any(axis=3).sum(axis=2)

    def column(values: FloatArray, start: float) -> FloatArray:
        return np.concatenate([np.full((r, 1), start), values], axis=1).ravel()

    frame = pd.DataFrame(
        {
            "replication": np.repeat(np.arange(r), t + 1),
            "iteration": np.tile(np.arange(t + 1), r),
            "time": column(trace.times, 0.0),
            "iteration_time": column(trace.iteration_times, np.nan),
            "arrived": pd.Series(column(heard, np.nan)).astype("Int64"),
            "recovered": column(decoded.recovered, np.nan),
            "decoding_error": column(decoded.error, np.nan),
        }
    )
    if trace.dead is not None:
        frame["dead"] = pd.Series(column(trace.dead.astype(np.float64), np.nan)).astype("Int64")
    if losses is not None:
        frame["train_loss"] = losses.train_loss.ravel()
        if losses.test_loss is not None:
            frame["test_loss"] = losses.test_loss.ravel()
    return frame


def _replications(trace: Trace, losses: Training | None, target: float | None) -> pd.DataFrame:
    assert trace.busy is not None
    assert trace.useful is not None
    elapsed = trace.times[:, -1]
    busy, useful = trace.busy.mean(axis=1), trace.useful.mean(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):  # delays of 0 s: no time, no share
        frame = pd.DataFrame(
            {"elapsed": elapsed, "utilisation": busy / elapsed, "wasted": _wasted(useful, busy)}
        )
    if trace.down is not None:
        frame["dead"] = trace.down.mean(axis=1) / elapsed
    if losses is not None:
        if losses.final_auc is not None:
            frame["test_auc"] = losses.final_auc
        if target is not None:
            times = np.concatenate([np.zeros((len(elapsed), 1)), trace.times], axis=1)
            frame["time_to_target"] = time_to_target(times, losses.train_loss, target)
    return frame


def _wasted(useful: FloatArray, busy: FloatArray) -> FloatArray:
    """The share of ``busy`` that was not useful; both are sums that rounding can put in order."""
    return np.maximum(1 - useful / busy, 0.0)


def _workers(trace: Trace) -> pd.DataFrame:
    """How each worker spent its time, and what the master's waiting for it cost, per run."""
    assert trace.busy is not None
    assert trace.useful is not None
    assert trace.last is not None
    assert trace.margin is not None
    replications, rounds = trace.times.shape
    n = trace.busy.shape[1]
    waited = trace.last >= 0
    last, margin = trace.last[waited], trace.margin[waited]
    elapsed = trace.times[:, -1].sum()
    busy, useful = trace.busy.sum(axis=0), trace.useful.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        frame = pd.DataFrame(
            {
                "worker": np.arange(n),
                "utilisation": busy / elapsed,
                "wasted": _wasted(useful, busy),
                "last": np.bincount(last, minlength=n) / (replications * rounds),
                "cost": np.bincount(last, margin, minlength=n) / replications,
            }
        )
    if trace.down is not None:
        frame["dead"] = trace.down.sum(axis=0) / elapsed
    return frame
