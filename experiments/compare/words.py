"""A comparison in a few sentences."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ..answers import Answer


def answer(table: pd.DataFrame, first: str, second: str, command: str = "") -> Answer:
    """What ``answer.json`` says.

    Args:
        table: of ``experiments.compare.table``.
        first, second: what the two results are called.
        command: how it was asked.
    """
    ratios = table["ratio"].to_numpy(dtype=float)
    low, high = (table[f"ratio_{end}"].to_numpy(dtype=float) for end in ("low", "high"))
    known = np.isfinite(low) & np.isfinite(high)
    apart = known & ((low > 1) | (high < 1))
    same = bool((ratios == 1).all())
    mean = float(np.exp(np.log(ratios).mean())) if (ratios > 0).all() else float(ratios.mean())
    number = "the scheme" if len(table) == 1 else f"the {len(table)} schemes and points"
    if same:
        verdict = f"Iterations of {second} take exactly as long as those of {first}."
    else:
        span = "" if len(table) == 1 else f" ({ratios.min():.3g} to {ratios.max():.3g})"
        verdict = (
            f"An iteration of {second} takes {mean:.3g} times as long as one of {first}{span}, "
            f"over {number} that both have."
        )
    why = [] if same else _why(table, apart, known, first, second)
    if "loss_difference" in table:
        worst = float(table["loss_difference"].max())
        why.append(f"Training losses differ by {worst:.3g} at most, iteration by iteration.")
    steps = (
        "Pairs of iterations are taken as independent: where stragglers last, intervals are wider "
        "than these.",
    )
    return Answer("compare", f"{first}, {second}", verdict, tuple(why), steps, command)


def _why(
    table: pd.DataFrame, apart: np.ndarray, known: np.ndarray, first: str, second: str
) -> list[str]:
    lines = []
    if known.any():
        lines.append(
            f"{int(apart.sum())} of {int(known.sum())} ratios are told apart from 1 by their 95 % "
            "intervals."
        )
    far = table.loc[np.abs(np.log(table["ratio"].clip(lower=1e-300))).idxmax()]
    lines.append(
        f"Farthest apart is {far['label']}: {far['first']:.4g} s an iteration in {first}, "
        f"{far['second']:.4g} s in {second}."
    )
    return lines
