"""Workers in words and numbers: a part of the report, and ``workers.parquet``."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from .workers import Estimates, Workers

COLUMNS = ("slower", "slow", "spell", "correlation", "cost")
TITLES = {
    "slower": "times as slow",
    "slow": "slow rounds",
    "spell": "rounds in a row",
    "correlation": "correlation at lag 1",
    "cost": "costs (s a round)",
}
UNKNOWN = "cannot tell"
WIDEST = {"slow": 0.5, "correlation": 1.0}
"""Half of what is possible: an interval as wide holds everything that might matter."""


def worker_table(workers: Workers | None, hosts: Sequence[str]) -> pd.DataFrame:
    """One row per worker, those that stand out first.

    Columns: ``worker`` (its number), ``host``, ``stands_out``; and ``slower`` (times the median
    worker), ``slow`` (share of rounds), ``spell`` (mean slow rounds in a row), ``correlation`` (at
    lag 1), ``cost`` (seconds a round), each with ``_low`` and ``_high``, the ends of its 95 %
    interval. No rows where there are too few rounds or workers.
    """
    order = [] if workers is None else [*workers.order]
    columns: dict[str, object] = {
        "worker": np.array(order, dtype=np.int64),
        "host": pd.array([hosts[j] for j in order], dtype="string"),
        "stands_out": np.array(
            [workers is not None and j in workers.standing for j in order], bool
        ),
    }
    for name in COLUMNS:
        found: Estimates | None = None if workers is None else getattr(workers, name)
        for field, end in (("value", ""), ("low", "_low"), ("high", "_high")):
            values = np.empty(0) if found is None else getattr(found, field)[order]
            columns[name + end] = values
    return pd.DataFrame(columns)


def named(workers: Workers | None, hosts: Sequence[str]) -> list[str]:
    """A line for each worker that stands out."""
    if workers is None:
        return ["- workers: cannot be told (too few rounds or workers)"]
    if not workers.standing:
        return ["- workers: none is slow more often, or for longer, than chance explains"]
    return [f"- worker {hosts[j]} stands out: {_sentence(workers, j)}" for j in workers.standing]


def standing_rows(workers: Workers, hosts: Sequence[str]) -> tuple[list[str], list[list[str]]]:
    """Header and rows of a table of those that stand out."""
    rows = [
        [hosts[j], *(_with_interval(name, getattr(workers, name), j) for name in COLUMNS)]
        for j in workers.standing
    ]
    return ["worker", *TITLES.values()], rows


def _sentence(workers: Workers, j: int) -> str:
    slower, slow, spell = workers.slower.value[j], workers.slow.value[j], workers.spell.value[j]
    parts = [f"{slower:.2f} times as slow as the median worker", f"slow in {slow:.1%} of rounds"]
    if np.isfinite(spell):
        parts.append(f"for {spell:.1f} rounds in a row")
    return f"{', '.join(parts)}; costs {workers.cost.value[j]:.3g} s a round"


def _with_interval(name: str, found: Estimates, j: int) -> str:
    value, low, high = found.value[j], found.low[j], found.high[j]
    width = high - low
    if not np.isfinite(width) or width >= WIDEST.get(name, np.inf):
        return UNKNOWN if not np.isfinite(value) else f"{_number(name, value)} ({UNKNOWN})"
    return f"{_number(name, value)} ({_number(name, low)} to {_number(name, high)})"


def _number(name: str, value: float) -> str:
    return f"{value:.1%}" if name == "slow" else f"{value:.3g}"
