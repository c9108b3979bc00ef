"""The numbers of an attack as a table: one row per code and number of stragglers."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd

from ...sim.attack import Worst
from ..counted import counted
from .subjects import Subject

LOSS = 1e-6
"""An error up to here is rounding."""


def table(found: Iterable[tuple[Subject, Worst]]) -> pd.DataFrame:
    """Columns as ``docs/results.md`` has them."""
    return pd.DataFrame([_row(subject, worst) for subject, worst in found])


def _row(subject: Subject, worst: Worst) -> dict[str, object]:
    k = subject.code.partitions
    bound = subject.bound(worst.stragglers)
    return {
        "label": subject.label,
        "scheme": subject.scheme,
        "workers": subject.code.workers,
        "partitions": k,
        "stragglers": worst.stragglers,
        "worst_error": worst.error,
        "worst_relative": worst.error / k,
        "exact": worst.exact,
        "found_by": worst.found_by,
        "bound": np.nan if bound is None else bound.value,
        "bound_attained": bound is not None and bound.attained,
        "bound_source": "" if bound is None else bound.source,
        "random_mean": worst.mean,
        "random_se": worst.mean_error,
        "random_sets": worst.sets,
        "worst_set": " ".join(map(str, worst.members)),
    }


def rounding(rows: pd.DataFrame) -> str | None:
    """From how many stragglers on a decoder's rounding costs more than the bound allows, in words.

    Args:
        rows: of one code.
    """
    above = rows[rows["worst_error"] > rows["bound"] + LOSS]
    if above.empty:
        return None
    s = above["stragglers"].iloc[0]
    return f"from s = {s} on the decoder loses so many digits that errors exceed the upper bound"


def beginning(rows: pd.DataFrame) -> str:
    """From how many stragglers on a code loses something, in words.

    Args:
        rows: of one code.
    """
    lost = rows[rows["worst_error"] > LOSS]
    if lost.empty:
        most, proven = rows["stragglers"].max(), bool(rows["exact"].all())
        return f"no error {'with' if proven else 'was found with'} up to {most} stragglers"
    first = lost.iloc[0]
    k = first["partitions"]
    error = f"{first['worst_error']:.4g} of {k}"
    if first["stragglers"] == 0:
        return f"an error of {error} without stragglers"
    before = rows[rows["stragglers"] < first["stragglers"]]
    if before.empty:
        return f"an error of {error} with {counted(first['stragglers'], 'straggler')}"
    none = "no error" if bool(before["exact"].all()) else "no error was found"
    most, s = before["stragglers"].max(), first["stragglers"]
    gap = "" if s == most + 1 else f" ({most + 1} to {s - 1} not looked at)"
    return f"{none} up to s = {most}{gap}; the first, {error}, at s = {s}"
