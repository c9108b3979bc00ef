"""Who computes what: supports against loads, and copies of every partition."""

from __future__ import annotations

import numpy as np

from ...sim.schemes.base import Fixed
from ...sim.schemes.stochastic import Shares
from .subject import Subject, require


def check_loads(subject: Subject) -> str:
    """A worker's load is what its rows of B hold, in n-th parts of the data; copies are as claimed.

    Of a scheme without a fixed encoding matrix, loads are finite and at least 0.
    """
    scheme = subject.scheme
    require(scheme.workers == subject.workers, f"has {scheme.workers} workers")
    if (fixed := subject.fixed) is not None:
        return _held(fixed)
    if subject.rounds is None:
        return ""
    planned = np.asarray(subject.first_round().loads)
    require(planned.shape[-1] == subject.workers, f"plans {planned.shape[-1]} loads")
    usable = np.all(np.isfinite(planned)) and planned.min() >= 0
    require(usable, "plans a load that is no number of at least 0")
    return f"mean load {planned.mean():.4g}"


def _held(scheme: Fixed) -> str:
    code, n, k = scheme.assignment, scheme.workers, scheme.partitions
    b, m = code.encoding.toarray(), code.messages
    require(b.shape == (n * m, k), f"B has shape {b.shape}, not {(n * m, k)}")
    support = (b != 0).reshape(n, m, k).any(axis=1)
    held = b.sum(axis=1) if isinstance(code, Shares) else np.count_nonzero(support, axis=1)
    declared = np.asarray(code.loads, dtype=np.float64)
    require(declared.shape == (n,), f"loads has shape {declared.shape}, not {(n,)}")
    wrong = np.flatnonzero(np.abs(declared - held * n / k) > 1e-9 * n)
    if wrong.size:
        j = wrong[0]
        text = f"worker {j} declares a load of {declared[j]:g}; its rows of B hold"
        require(False, f"{text} {held[j]:g} of {k} partitions, a load of {held[j] * n / k:g}")
    copies = np.count_nonzero(support, axis=0)
    if (claimed := scheme.claims.copies) is not None:
        wrong = np.flatnonzero(copies != claimed)
        if wrong.size:
            i = wrong[0]
            require(False, f"claims {claimed} copies; partition {i} is held by {copies[i]} workers")
        return f"mean load {declared.mean():.4g}, {claimed} copies of each partition"
    return f"mean load {declared.mean():.4g}"
