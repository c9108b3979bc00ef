"""Some 40 small configs: every scheme, delay model, load law, policy, and kind of trouble.

They are the acceptance test of every change: what a config gave yesterday it gives tomorrow.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

Document = dict[str, Any]

EXPONENTIAL = {"model": "exponential", "rate": 2.0}
SHIFTED = {"model": "shifted_exponential", "shift": 0.5, "rate": 2.0}
ADDITIVE = {"kind": "additive", "seconds_per_partition": 0.1}
FIVE = [
    {"name": "uncoded"},
    {"name": "ignore_stragglers", "wait_for": 9},
    {"name": "fractional_repetition", "load": 3},
    {"name": "cyclic_repetition", "load": 3},
    {"name": "erasurehead", "load": 3, "wait_for": 6},
]
MORE = [
    {"name": "ignore_stragglers", "wait_for": 8, "rescale": False},
    {"name": "ignore_stragglers", "deadline": 0.9},
    {"name": "cyclic_repetition", "load": 1},
    {"name": "cyclic_repetition", "load": 4, "code_seed": 5},
    {"name": "erasurehead", "load": 4, "wait_for": 5, "rescale": True},
    {"name": "erasurehead", "load": 2, "wait_for": 7, "deadline": 0.9},
    {"name": "multi_message", "load": 3},
    {"name": "multi_message", "load": 3, "wait_for": 10},
]
NEWER = [
    {"name": "window", "tolerance": 0.5},
    {"name": "window", "tolerance": 1.0, "deadline": 0.9, "at_least": 4, "rescale": False},
    {"name": "cyclic_mds", "load": 3},
    {"name": "cyclic_mds", "load": 4},
    {"name": "sequential", "B": 1, "W": 2, "stragglers": 6, "tolerance": 0.5},
    {"name": "sequential", "B": 2, "W": 5, "stragglers": 5, "tolerance": 1.0},
]
"""Schemes that came later, in configs of their own."""

GROWING = {"name": "adaptive_k", "wait_for": 2, "step": 2, "burn_in": 1, "threshold": 0}
FREE = [
    {"name": "asynchronous"},
    {"name": "k_async", "wait_for": 4},
    {"name": "k_batch_async", "wait_for": 5, "data": "own"},
    {"name": "k_batch_sync", "wait_for": 5},
    {"name": "rennala", "batch": 5},
    {"name": "ringmaster", "oldest": 8, "stops": True, "delay_adaptive": True},
]
LATEST = [
    {"name": "gradient_table"},
    {"name": "malenia"},
    {"name": "ringleader"},
    {"name": "pipelined", "load": 3, "wait_for": 6},
]
"""Schemes with gradients that are kept, and Malenia."""

LOCAL = [
    {"name": "local_sgd", "steps": 4},
    {"name": "local_sgd", "steps": 5, "wait_for": 7, "outer": {"rule": "nesterov"}},
    {"name": "local_sgd", "steps": 3, "load": 3, "wait_for": 5},
]
"""Local steps, with a last round that is shorter and without."""

DEPLOYED = [
    {"name": "ignore_stragglers", "wait_for": 6, "grace": 0.3},
    {"name": "fractional_repetition", "load": 3, "stop": {"first": 3, "grace": 0.2}},
    {"name": "speculative", "copy_after": 8},
    {"name": "speculative", "spark": "before 4.0"},
    {"name": "balanced", "micro_batches": 48},
    {"name": "ssp", "ahead": 2},
    {"name": "asynchronous", "data": "own", "rescale": True},
    {"name": "asynchronous", "staleness": {"power": 0.5}},
]
"""What people deploy."""

LOGISTIC = {
    "problem": {"loss": "logistic", "dataset": "breast_cancer", "l2": 1e-4},
    "optimizer": {"rule": "accelerated", "learning_rate": 0.5},
    "target_loss": 0.3,
}
SQUARES = {
    "problem": {"loss": "least_squares", "dataset": "diabetes"},
    "optimizer": {"rule": "gd", "learning_rate": 0.05, "decay": 0.99},
}
NETWORK = {"broadcast_latency": 0.02, "dispatch_skew": 0.001, "uplink_latency": 0.01}
SIZED = {**NETWORK, "bandwidth": 1e6, "message_bytes": 5e4}
LOSSES = {"message_loss": 0.1, "retry_after": 0.2}
CRASHES = {
    "time_to_failure": {"model": "exponential", "rate": 0.05},
    "time_to_repair": {"model": "shifted_exponential", "shift": 0.5, "rate": 1.0},
}
FAST = {"model": "lognormal", "median": 0.6, "sigma": 0.2}

DELAYS: dict[str, Document] = {
    "deterministic": {"model": "deterministic", "value": 0.7},
    "weibull": {"model": "weibull", "shape": 0.7, "scale": 1.5},
    "pareto": {"model": "pareto", "alpha": 2.5, "scale": 0.4},
    "lognormal": {"model": "lognormal", "median": 0.8, "sigma": 0.5, "shift": 0.2},
    "gamma": {"model": "gamma", "shape": 2.5, "scale": 0.4},
    "mixture": {"model": "mixture", "weights": [0.8, 0.2], "components": [FAST, SHIFTED]},
    "markov": {
        "model": "markov",
        "slow_to_slow": 0.9,
        "fast_to_slow": 0.05,
        "fast": FAST,
        "slow": SHIFTED,
    },
    "scaled": {"model": "scaled", "by": 1.5, "base": EXPONENTIAL},
    "shifted": {"model": "shifted", "by": 0.2, "base": EXPONENTIAL},
    "heterogeneous": {"model": "heterogeneous", "base": EXPONENTIAL, "spread": 0.3},
    "round_effects": {
        "model": "round_effects",
        "base": EXPONENTIAL,
        "factor": {"model": "lognormal", "median": 1.0, "sigma": 0.2},
    },
    "group_effects": {
        "model": "group_effects",
        "base": EXPONENTIAL,
        "size": 3,
        "factor": {"slow": 3.0, "enter": 0.1, "leave": 0.4},
    },
    "drift": {"model": "drift", "base": EXPONENTIAL, "to": 2.0, "over": 5},
    "cold_starts": {
        "model": "cold_starts",
        "base": FAST,
        "probability": 0.3,
        "share": 0.2,
        "delay": {"model": "deterministic", "value": 5.0},
    },
    "lambda_cnn": {"model": "lambda_cnn", "load": 0},
    "llm_ranks": {"model": "llm_ranks"},
    "authors_measured": {"model": "authors_measured"},
    "authors_stream": {"model": "authors_stream"},
}


def documents(folder: Path) -> dict[str, Document]:
    """The configs by name; files that they read are written to ``folder``."""
    trace, data = _trace(folder), _data(folder)
    small: Document = {"workers": 12, "iterations": 12, "replications": 2, "schemes": FIVE}
    found: dict[str, Document] = {
        "five": {**small, "delay": EXPONENTIAL},
        "more": {**small, "delay": SHIFTED, "schemes": MORE},
        "additive": {**small, "delay": EXPONENTIAL, "load_law": ADDITIVE},
        "per_partition": {
            **small,
            "delay": EXPONENTIAL,
            "load_law": {"kind": "per_partition"},
            "schemes": [*FIVE, MORE[-1]],
        },
        "event": {**small, "delay": EXPONENTIAL, "engine": "event", "schemes": [*FIVE, *MORE]},
        "one_replication": {**small, "delay": SHIFTED, "replications": 1, "seed": 3},
        "logistic": {**small, **LOGISTIC, "delay": EXPONENTIAL, "schemes": [*FIVE, *MORE]},
        "squares": {**small, **SQUARES, "delay": SHIFTED},
        "newer": {**small, **LOGISTIC, "delay": SHIFTED, "schemes": [*NEWER, GROWING]},
        "newer_event": {
            **small,
            **LOGISTIC,
            "optimizer": {"rule": "gd", "learning_rate": 3.0},
            "delay": EXPONENTIAL,
            "engine": "event",
            "schemes": [*NEWER, GROWING],
        },
        "newer_network": {**small, "delay": EXPONENTIAL, "network": SIZED, "schemes": NEWER},
        "newer_queue": {**small, "delay": SHIFTED, "policy": "queue", "schemes": NEWER},
        "newer_drain": {**small, "delay": SHIFTED, "policy": "drain", "schemes": NEWER},
        "nesterov": {
            **small,
            **LOGISTIC,
            "delay": EXPONENTIAL,
            "optimizer": {"rule": "nesterov", "learning_rate": 0.3},
        },
        "synthetic": {
            **small,
            "delay": SHIFTED,
            "problem": {
                "loss": "logistic",
                "dataset": "synthetic",
                "rows": 240,
                "features": 8,
                "l2": "1/rows",
                "initial": "normal",
                "shuffle": True,
            },
            "optimizer": {"rule": "gd", "learning_rate": 0.2},
        },
        "regression": {
            **small,
            "delay": SHIFTED,
            "problem": {
                "loss": "least_squares",
                "dataset": "synthetic",
                "rows": 120,
                "features": 5,
                "test_rows": 0,
            },
            "optimizer": {"rule": "gd", "learning_rate": 0.01},
        },
        "file": {
            **small,
            "delay": EXPONENTIAL,
            "problem": {"loss": "least_squares", "dataset": "file", "path": str(data)},
            "optimizer": {"rule": "gd", "learning_rate": 0.05},
        },
        "sweep": {
            **small,
            **SQUARES,
            "delay": EXPONENTIAL,
            "schemes": [
                {"name": "uncoded"},
                {"name": "erasurehead", "load": [2, 3], "wait_for": 6},
            ],
            "sweep": {"delay.rate": [1, 2], "policy": ["cancel", "drain"]},
        },
        "network": {**small, **LOGISTIC, "delay": EXPONENTIAL, "network": NETWORK},
        "sized": {**small, "delay": EXPONENTIAL, "network": SIZED, "schemes": [*FIVE, MORE[-2]]},
        "incast": {**small, "delay": EXPONENTIAL, "network": {**SIZED, "channels": 2}},
        "losses": {**small, "delay": EXPONENTIAL, "failures": LOSSES, "policy": "queue"},
        "crashes": {**small, "delay": SHIFTED, "failures": CRASHES, "schemes": [*FIVE, MORE[-2]]},
        "all_trouble": {
            **small,
            **SQUARES,
            "delay": SHIFTED,
            "policy": "finish",
            "network": {**SIZED, "channels": 3},
            "failures": {**CRASHES, **LOSSES, "max_wait": 300.0},
        },
        "free": {**small, "delay": EXPONENTIAL, "schemes": FREE},
        "free_learning": {**small, **LOGISTIC, "delay": SHIFTED, "schemes": FREE},
        "free_network": {
            **small,
            "delay": EXPONENTIAL,
            "schemes": FREE,
            "network": SIZED,
            "failures": CRASHES,
        },
        "local": {
            **small,
            **LOGISTIC,
            "delay": DELAYS["markov"],
            "network": NETWORK,
            "schemes": LOCAL,
        },
        "messages": {
            **small,
            "delay": EXPONENTIAL,
            "policy": "finish",
            "schemes": [*FIVE, MORE[-2], {"name": "cyclic_mds", "load": 12}, FREE[1], DEPLOYED[5]],
            "network": {"uplink": SHIFTED, "transfer": FAST, "broadcast_latency": 0.1},
        },
        "levels": {
            **small,
            **LOGISTIC,
            "delay": EXPONENTIAL,
            "schemes": [{"name": "local_sgd", "steps": 4, "levels": {"1": 2, "2": 6}}],
        },
        "latest_learning": {**small, **LOGISTIC, "delay": SHIFTED, "schemes": LATEST},
        "latest_network": {
            **small,
            "delay": EXPONENTIAL,
            "schemes": LATEST,
            "network": SIZED,
            "failures": CRASHES,
        },
        "deployed": {**small, **LOGISTIC, "delay": SHIFTED, "schemes": DEPLOYED},
        "trace": {
            **small,
            "delay": {"model": "trace", "path": str(trace), "hosts": "first"},
            "iterations": 20,
        },
        "trace_cyclic": {
            **small,
            "delay": {"model": "trace", "path": str(trace), "hosts": "first", "end": "cyclic"},
            "iterations": 20,
        },
        "trace_rounds": {
            **small,
            "delay": {"model": "trace", "path": str(trace), "hosts": "first", "resample": "rounds"},
        },
        "trace_cells": {
            **small,
            "delay": {"model": "trace", "path": str(trace), "resample": "cells"},
        },
    }
    for policy in ("finish", "queue", "drain"):
        found[f"policy_{policy}"] = {
            **small,
            "delay": EXPONENTIAL,
            "policy": policy,
            "schemes": [*FIVE, *MORE],
        }
        found[f"network_{policy}"] = {
            **small,
            "delay": EXPONENTIAL,
            "policy": policy,
            "network": SIZED,
        }
    for name, delay in DELAYS.items():
        found[f"delay_{name}"] = {**small, "delay": delay, "iterations": 8}
    return {name: {"name": name, **document} for name, document in found.items()}


def _trace(folder: Path) -> Path:
    """A table of 15 rounds x 14 workers with exact decimal cells."""
    cells = (np.arange(15 * 14) * 7919 % 1000).reshape(15, 14) / 500 + 0.25
    path = folder / "trace.csv"
    path.write_text("\n".join(",".join(f"{cell:.3f}" for cell in row) for row in cells) + "\n")
    return path


def _data(folder: Path) -> Path:
    rng = np.random.default_rng(7)
    X = rng.integers(-3, 4, (60, 4)).astype(float)
    path = folder / "data.npz"
    np.savez(path, X=X, y=X @ np.array([1.0, -2.0, 0.5, 0.0]), initial=np.ones(4))
    return path
