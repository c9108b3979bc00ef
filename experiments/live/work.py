"""What of a scheme and its problem each worker holds, and which schemes have such workers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy import sparse

from ...sim.engines.run import Run
from ...sim.problems.base import Problem
from ...sim.schemes.barrierless import Barrierless
from ...sim.schemes.base import Fixed, Scheme
from .tasks import Encoded, Nothing, Single, Work

ENTRIES = 2**18
"""Entries of X, 2 MiB: under a millisecond of work."""

SUPPORTED = (
    "every code with an encoding matrix (uncoded, ignore_stragglers, fractional_repetition, "
    "cyclic_repetition, erasurehead, ...) and asynchronous, k_async, k_batch_async, k_batch_sync, "
    "rennala, ringmaster"
)


def refusal(run: Run, injected: bool) -> str | None:
    """Why real workers cannot run this, or ``None``.

    Args:
        run: what to run.
        injected: whether the config's delays are slept out.
    """
    if not supported(run.scheme):
        return f"{run.scheme.name} is not among what live runs: {SUPPORTED}"
    if not injected and isinstance(run.scheme, Fixed) and run.scheme.patience is not None:
        return f"{run.scheme.name} cuts off the config's delays; --no-injection has none"
    if not run.cluster.ideal:
        return "network and failures are real here: leave these sections out (max_wait may stay)"
    return None


def supported(scheme: Scheme) -> bool:
    """Whether a message is a sum of whole gradients, and the master a plain one."""
    if type(scheme) is Fixed:
        return scheme.message_size >= 1
    return type(scheme) is Barrierless and not (scheme.distinct or scheme.cycles)


def works(scheme: Scheme, problem: Problem | None) -> list[Work]:
    """What each worker computes.

    Where a gradient is that of a partition drawn at random, every worker holds all the data.
    """
    if problem is None:
        return [Nothing()] * scheme.workers
    parts = parts_of(problem)
    if isinstance(scheme, Fixed):
        code, m = sparse.csr_array(scheme.assignment.encoding), scheme.messages
        rows = [code[worker * m : (worker + 1) * m] for worker in range(scheme.workers)]
        return [
            Encoded({int(i): parts[i] for i in np.unique(own.indices)}, problem.rows, own)
            for own in rows
        ]
    assert isinstance(scheme, Barrierless)
    if scheme.own_data:
        return [Single({i: part}, problem.rows) for i, part in enumerate(parts)]
    return [Single(dict(enumerate(parts)), problem.rows)] * scheme.workers


def parts_of(problem: Problem, entries: int = ENTRIES) -> list[list[Problem]]:
    """Each partition as problems of a few rows each, without test rows.

    Args:
        problem: with k partitions.
        entries: of X that a worker reads before it listens again; p where that is more, since
            each piece costs a sum of p numbers, too.
    """
    most = max(1, max(entries, problem.features) * problem.rows // max(1, problem.X.size))
    ends = np.cumsum(problem.partition_sizes).tolist()
    return [
        [
            replace(
                problem,
                X=problem.X[first : min(first + most, end)],
                y=problem.y[first : min(first + most, end)],
                partitions=1,
                X_test=None,
                y_test=None,
            )
            for first in range(start, end, most)
        ]
        for start, end in zip([0, *ends], ends, strict=False)
    ]
