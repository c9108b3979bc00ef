"""What is asked of the rounds of one load, as tables; ``docs/whatif.md`` has their columns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ...delay_models.base import FloatArray
from . import rounds
from .intervals import Blocks, blocks
from .rounds import Change, Slowest

HOURS = 24.0

JUDGED = 50
"""Hosts, those that cost most alone, that have an interval; it takes a thousand means each."""

LISTED = 100
"""Hosts that a cell of a table names; ``hosts`` has the order of all."""

ALL, SOME = 128, 64
"""Hosts that have a row each in a heat map; of more, so many of those to blame most."""

COLUMNS = 400
"""Rounds that have a column each in a heat map; of more, means of consecutive ones."""

ROUNDS, LINES = 20, 16
"""Rounds and hosts of a timeline."""


@dataclass(frozen=True, eq=False)
class Study:
    """What was found in the rounds of one load, all of it as tables.

    Attributes:
        load: or ``None``.
        slowdown: the seconds of a step, a row per cause.
        hosts: a row each, the one that costs most alone first.
        changes: what each change saves, a row each.
        heat_map: seconds of hosts and rounds, or of runs of consecutive rounds.
        timeline: seconds of some hosts in some rounds; ``step`` is how long the round took.
        blocks: that the intervals are made from; ``None`` where the tables were read again.
    """

    load: float | None
    slowdown: pd.DataFrame
    hosts: pd.DataFrame
    changes: pd.DataFrame
    heat_map: pd.DataFrame
    timeline: pd.DataFrame
    blocks: Blocks | None = None

    @property
    def workers(self) -> int:
        """Number of workers n."""
        return len(self.hosts)

    def seconds(self, part: str = "step") -> float:
        """Seconds of a mean step, or what it owes to a part; ``typical`` is a typical task."""
        return float(self.slowdown.set_index("part")["seconds"][part])

    @property
    def order(self) -> list[str]:
        """The hosts in the order in which they are replaced or dropped."""
        return [str(host) for host in self.hosts.sort_values("order")["host"]]

    @property
    def standing(self) -> list[str]:
        """The hosts that stand out from chance, the first ones of ``order``."""
        return self.order[: int(self.hosts["stands_out"].sum())]

    @property
    def rounds(self) -> tuple[int, int]:
        """Rounds in which all workers arrive, of which all times are; and those that never end."""
        whole = int(self.change(f"{rounds.WITHOUT} {rounds.WORKERS}")["rounds_ended"])
        return whole, int(self.change(rounds.IDEAL)["rounds_ended"]) - whole

    def change(self, kind: str, count: int = 0) -> pd.Series:
        """The first change of a kind and count."""
        found = self.changes
        return found[(found["change"] == kind) & (found["count"] == count)].iloc[0]


def study_load(
    table: FloatArray,
    names: Sequence[str],
    load: float | None = None,
    counts: Sequence[int] | None = None,
    quantiles: Sequence[float] = (0.95, 0.99),
) -> Study:
    """Ask everything of one table.

    Args:
        table: ``(rounds, n)`` seconds, infinite where a worker never arrived; in some round all
            arrive, and no round's or worker's median is 0.
        names: of the hosts.
        load: of the table.
        counts: how many hosts are replaced, dropped or not waited for; each below n.
        quantiles: time-outs.

    Cost: a sort of every round, and four times the table's memory at most.
    """
    whole = np.isfinite(table).all(axis=1)
    missing = ~np.isfinite(table[~whole])
    table = table if whole.all() else table[whole]
    n = table.shape[1]
    asked = rounds.default_counts(n) if counts is None else counts
    medians = rounds.round_medians(table)
    slowest = rounds.slowest(table, max([rounds.MOST, *asked]) + 2)
    factors = rounds.worker_factors(table, medians)
    slow = rounds.slowdown(table, medians, factors)
    blame = rounds.waits(table, medians)
    grouped = blocks(_series(slowest, blame, medians))
    standing = rounds.standing_out(slowest, blame, grouped.of_rounds)
    others = np.argsort(-blame, kind="stable")
    order = [*standing, *others[~np.isin(others, standing)].tolist()]
    tried = chain(
        rounds.of_causes(slow),
        rounds.of_hosts(slowest, order, sorted({*asked, *range(1, len(standing) + 1)})),
        rounds.of_timeouts(table, medians, quantiles),
    )
    seconds, typical = float(slow.real.mean()), slow.typical
    parts = {"typical": {"seconds": typical}}
    parts |= {name: _estimate("seconds", part, grouped) for name, part in slow.parts().items()}
    parts["step"] = {"seconds": seconds}
    columns = ["load", "part", "seconds", "seconds_low", "seconds_high", "share"]
    slowdown = pd.DataFrame(
        [
            {"load": load, "part": name, **part, "share": part["seconds"] / seconds}
            for name, part in parts.items()
        ],
        columns=columns,
    )
    changes = [
        {
            "load": load,
            "change": change.kind,
            "count": change.count,
            "hosts": ", ".join(names[host] for host in change.hosts[:LISTED]),
            "quantile": change.quantile,
            "timeout": change.timeout,
            "seconds": float(change.seconds.mean()),
            **_saving(change, slow.real, grouped),
            "slowdown": float(change.seconds.mean()) / typical,
            "rounds_ended": len(table) + _ended(change, missing),
            "text": change_name(change, names, typical),
        }
        for change in tried
    ]
    alone, ended = rounds.slow_alone(slowest)
    low, high = _alone_intervals(slowest, alone, grouped)
    place = np.empty(n, dtype=np.int64)
    place[order] = np.arange(1, n + 1)
    hosts = pd.DataFrame(
        {
            "load": np.full(n, np.nan if load is None else load),
            "host": [*names],
            "worker": np.arange(n),
            "alone": alone,
            "alone_low": low,
            "alone_high": high,
            "alone_share": alone / seconds,
            "blame": blame,
            "factor": factors,
            "ends": ended,
            "mean": table.mean(axis=0),
            "missing": missing.sum(axis=0) / (len(table) + len(missing)),
            "stands_out": np.isin(np.arange(n), standing),
            "order": place,
        }
    ).sort_values(["alone", "blame"], ascending=False, kind="stable")
    timeline = _host_rows(names, load, *_timeline(table, order))
    return Study(
        load,
        slowdown.astype({"load": float}),
        hosts,
        pd.DataFrame(changes).astype({"load": float}),
        _host_rows(names, load, *_heat_map(table, order)),
        timeline.assign(step=slow.real[timeline["round"]]),
        grouped,
    )


def change_name(change: Change, names: Sequence[str], typical: float) -> str:
    """A change in a few words."""
    n, m = len(names), change.count
    listed = ", ".join(names[host] for host in change.hosts[: m if m <= 2 else 1])
    hosts = listed if m <= 2 else f"{listed}, ... ({m} hosts)"
    return {
        rounds.IDEAL: f"every task is typical, {typical:.4g} s",
        rounds.MEDIAN_WORKER: "every worker takes its round's median",
        rounds.REPLACE: f"replace {hosts} by median hosts",
        rounds.DROP: f"drop {hosts}: the others share the work",
        rounds.WAIT: f"wait for {n - m} of {n}",
        rounds.BACKUP: f"backup copy after {change.timeout:.4g} s ({100 * change.quantile:g} %)",
        f"{rounds.WITHOUT} {rounds.WORKERS}": "without lasting differences of hosts",
        f"{rounds.WITHOUT} {rounds.ROUNDS}": "without slow rounds",
        f"{rounds.WITHOUT} {rounds.REST}": "without the rest",
    }[change.kind]


def _estimate(name: str, series: FloatArray, grouped: Blocks) -> dict[str, float]:
    """The mean of ``(R,)``, with its interval."""
    value = float(series.mean())
    low, high = grouped.interval(value, grouped.means(series))
    return {name: value, f"{name}_low": low, f"{name}_high": high}


def _saving(change: Change, real: FloatArray, grouped: Blocks) -> dict[str, float]:
    """What a change saves: seconds a round, a share of them, and hours that a day takes less."""
    saved = real - change.seconds
    found = _estimate("saved", saved, grouped)
    share = found["saved"] / float(real.mean())
    # a ratio of means, each of the same resampled rounds
    shares = share, *grouped.interval(share, grouped.means(saved) / grouped.means(real))
    for name, scale in (("share", 1.0), ("hours_a_day", HOURS)):
        for end, value in zip(("", "_low", "_high"), shares, strict=True):
            found[f"{name}{end}"] = scale * value
    return found


def _ended(change: Change, missing: NDArray[np.bool_]) -> int:
    """Of the rounds that never end, those that end after the change."""
    match change.kind:
        case rounds.REPLACE | rounds.DROP:
            return int((~np.delete(missing, change.hosts, axis=1).any(axis=1)).sum())
        case rounds.WAIT:
            return int((missing.sum(axis=1) <= change.count).sum())
        case rounds.BACKUP | rounds.IDEAL | rounds.MEDIAN_WORKER:
            return len(missing)
        case _:
            return 0


def _series(slowest: Slowest, blame: FloatArray, medians: FloatArray) -> Iterator[FloatArray]:
    """What the blocks must be long enough for: rounds as a whole, and the worst hosts' spells."""
    first, worker, second = slowest.without(())
    yield first
    yield medians
    yield first - second
    for host in np.argsort(-blame, kind="stable")[:3]:
        yield np.where(worker == host, first - second, 0.0)


def _alone_intervals(
    slowest: Slowest, alone: FloatArray, grouped: Blocks
) -> tuple[FloatArray, FloatArray]:
    """Intervals of what the costliest hosts cost alone, ``(n,)`` each."""
    low, high = np.full_like(alone, np.nan), np.full_like(alone, np.nan)
    first, worker, second = slowest.without(())
    for host in np.argsort(-alone, kind="stable")[:JUDGED] if slowest.of > 1 else ():
        series = np.where(worker == host, first - second, 0.0)
        low[host], high[host] = grouped.interval(float(alone[host]), grouped.means(series))
    return low, high


def _heat_map(
    table: FloatArray, order: list[int]
) -> tuple[list[int], NDArray[np.int64], FloatArray]:
    """Hosts of the rows, the first rounds of the columns, and ``(hosts, columns)`` seconds."""
    count, n = table.shape
    hosts = list(range(n)) if n <= ALL else order[:SOME]
    run = -(-count // COLUMNS)
    first = np.arange(0, count, run)
    sums = np.add.reduceat(table[:, hosts].T, first, axis=1)
    return hosts, first, sums / np.diff(first, append=count)


def _timeline(
    table: FloatArray, order: list[int]
) -> tuple[list[int], NDArray[np.int64], FloatArray]:
    """``ROUNDS`` consecutive rounds whose slowdown is nearest to that of all, as ``_heat_map``.

    Of more than ``LINES`` hosts, half are those to blame most and half any others.
    """
    real, n, half = table.max(axis=1), table.shape[1], LINES // 2
    start = 0
    if len(real) > ROUNDS:
        sums = np.cumsum(np.concatenate([[0.0], real]))
        means = (sums[ROUNDS:] - sums[:-ROUNDS]) / ROUNDS
        start = int(np.argmin(np.abs(means - real.mean())))
    hosts = list(range(n))
    if n > LINES:
        others = sorted(order[half:])
        some = [others[int(i)] for i in np.linspace(0, len(others) - 1, LINES - half)]
        hosts = sorted([*order[:half], *some])
    window = table[start : start + ROUNDS, hosts].T
    return hosts, np.arange(start, start + window.shape[1]), window


def _host_rows(
    names: Sequence[str],
    load: float | None,
    hosts: Sequence[int],
    first: NDArray[np.int64],
    seconds: FloatArray,
) -> pd.DataFrame:
    """A row for each host and round (the first of a run), from ``(hosts, columns)`` seconds."""
    columns = seconds.shape[1]
    return pd.DataFrame(
        {
            "load": np.nan if load is None else float(load),
            "host": np.repeat([names[host] for host in hosts], columns),
            "worker": np.repeat(hosts, columns),
            "round": np.tile(first, len(hosts)),
            "seconds": seconds.ravel(),
        }
    )
