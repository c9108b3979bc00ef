"""Many sets of stragglers decoded: the worst of them, and their mean."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import sqrt

import numpy as np

from ..types import BoolArray, FloatArray
from .code import Code

SAME = 1e-9
"""Of k: errors that close are the same up to rounding."""


@dataclass(frozen=True, eq=False)
class Survey:
    """What many sets of stragglers leave.

    Attributes:
        worst: ``(W, n)`` the worst sets, the worst first; of equals the first.
        errors: ``(W,)`` theirs.
        mean: of all sets.
        spread: standard error of the mean, if the sets are random ones; NaN of a single one.
        sets: how many.
    """

    worst: BoolArray
    errors: FloatArray
    mean: float
    spread: float
    sets: int


def survey(code: Code, parts: Iterable[BoolArray], keep: int = 1) -> Survey:
    """Decode sets of stragglers, some thousand at a time.

    Sets that the decoder cannot decode at all are left out of everything.

    Args:
        code: what decodes.
        parts: ``(N, n)`` bool each; at least one set in all.
        keep: how many of the worst to remember.

    Cost: one decoding of each set; 8 bytes of memory for each.
    """
    worst, errors, everything = None, np.empty(0), list[FloatArray]()
    for masks in parts:
        found = code.errors(masks)
        everything.append(found)
        first = worst_first(found, SAME * code.partitions)[:keep]
        joint = masks[first] if worst is None else np.concatenate([worst, masks[first]])
        errors = np.concatenate([errors, found[first]])
        order = worst_first(errors, SAME * code.partitions)[:keep]
        worst, errors = joint[order], errors[order]
    assert worst is not None
    known = np.concatenate(everything)
    known = known[~np.isnan(known)]
    spread = float(known.std(ddof=1)) / sqrt(len(known)) if len(known) > 1 else np.nan
    mean = float(known.mean()) if len(known) else np.nan
    return Survey(worst, errors, mean, spread, len(known))


def worst_first(errors: FloatArray, same: float) -> np.ndarray:
    """``(N,)`` places in order of decreasing error; equals up to rounding stay in their order."""
    rounded = np.round(errors / same) if same > 0 else errors
    return np.argsort(-np.nan_to_num(rounded, nan=-np.inf), kind="stable")
