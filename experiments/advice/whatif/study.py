"""What is asked of the rounds of one load, as tables; ``docs/whatif.md`` has their columns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ....delay_models.base import FloatArray
from ....delay_models.measured.signs import Sign, awaited, waiting
from ...text import interval_columns, percent
from ..statistics import groups
from ..statistics.job import MOST_REPLACED, RARELY, Job, saved_share
from ..statistics.series import FEWEST_ROUNDS, Blocks, Runs, blocks, spans
from . import rounds
from .rounds import Change

QUANTILES = (0.95, 0.99)
SLOW_FACTOR = 1.5  # times the typical round's median from which on a round is slow as a whole
JUDGED_HOSTS = 50  # the costliest, that have an interval; it takes a thousand means each
LISTED_HOSTS = 100  # that a cell of a table names; ``hosts`` has the order of all

# Hosts, the first and last round of each spell (none: they are always slow), and the name that the
# table gives them, or "".
Group = tuple[list[str], list[list[int]], str]


@dataclass(frozen=True, eq=False)
class Study:
    """What was found in the rounds of one load, all of it as tables."""

    load: float | None  # or ``None``
    slowdown: pd.DataFrame  # the seconds of a step, a row per cause
    hosts: pd.DataFrame  # a row each, the one that costs most alone first
    changes: pd.DataFrame  # what each change saves, a row each
    heat_map: pd.DataFrame  # seconds of hosts and rounds, or of runs of consecutive rounds
    timeline: pd.DataFrame  # seconds of some hosts and rounds, and of the round, ``step``
    stages: pd.DataFrame = field(default_factory=pd.DataFrame)  # a row per stage and host
    blocks: Blocks | None = field(default=None, kw_only=True)  # ``None`` of tables read again
    # Rounds of ``SLOW_FACTOR`` times the typical median or more, from 0; none of tables read again.
    slow_rounds: tuple[int, ...] = field(default=(), kw_only=True)
    # Hosts that are slow in spells, with the first and last round of each of two rounds or more.
    spells: Mapping[str, list[list[int]]] = field(default_factory=dict, kw_only=True)
    # Who is slow together; the changes ``rounds.GROUP`` are without what these share.
    groups: Sequence[Group] = field(default=(), kw_only=True)

    @property
    def waits(self) -> Sign:
        """Whether the times include the wait for the slowest, if it shows."""
        # an older version's table does not say so
        sign: Sign = self.slowdown["waits"].iloc[0] if "waits" in self.slowdown else ""
        return sign

    @property
    def waited_for(self) -> tuple[str, float] | None:
        """The host that the others probably wait for, and by what share its times are shorter than
        theirs; ``None``: that does not show."""
        there, means = self.hosts["waited_for"].to_numpy(bool), self.hosts["mean"].to_numpy(float)
        if not there.any():
            return None
        return self.hosts["host"][there].iloc[0], 1 - means[there][0] / float(means[~there].mean())

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
        rows = (self.changes["change"] == kind) & (self.changes["count"] == count)
        return self.changes[rows].iloc[0]


def study_load(
    table: FloatArray,
    names: Sequence[str],
    load: float | None = None,
    counts: Sequence[int] | None = None,
    quantiles: Sequence[float] = QUANTILES,
    stages: Mapping[str, FloatArray] | None = None,
    named: Mapping[str, Sequence[str]] | None = None,
) -> Study:
    """Ask everything of one table, ``(rounds, n)`` seconds, infinite where a worker never arrived;
    in some round all arrive, and no round's or worker's median is 0. ``counts`` are how many hosts
    are replaced, dropped or not waited for, each below n; ``quantiles`` are time-outs; ``stages``
    are ``(R, n)`` seconds >= 0 each, which add up to the table; ``named`` are groups of hosts, of
    which it is asked instead of looking for some. Cost: a sort of every round, and
    four times the table's memory at most."""
    asked = rounds.default_counts(table.shape[1]) if counts is None else counts
    job = _Load(table, names, max([MOST_REPLACED, *asked]), named or {})
    numbers = sorted({*asked, *range(1, len(job.standing) + 1)})
    tried = chain(
        rounds.of_causes(job.slow),
        rounds.of_groups(job.job, job.groups),
        rounds.of_speeds(job.table),
        rounds.of_hosts(job.job.slowest, job.order, numbers, len(job.standing)),
        rounds.of_timeouts(job.job, quantiles),
    )
    by_stage = job.stages({name: added[job.whole] for name, added in (stages or {}).items()})
    together = bool(stages) and by_stage["ends"].isna().any()
    sign: Sign = "carried" if together else waiting(job.table)
    late = awaited(job.table) if sign else None
    hosts = job.hosts()
    frames = (
        job.slowdown().assign(waits=sign),
        hosts.assign(waited_for=hosts["worker"] == (-1 if late is None else late)),
        pd.DataFrame([job.change(change) for change in tried]),
        job.heat_map(),
        job.timeline(),
        by_stage,
    )
    for frame in frames[: 6 if stages else 5]:
        frame.insert(0, "load", np.nan if load is None else float(load))
    kept = np.flatnonzero(job.whole)
    spells = {
        names[host]: kept[spans(runs)[runs[1] > 1]].tolist() for host, runs in job.spells.items()
    }
    shared = list[Group]()
    for group in job.groups:
        spans_of = [] if group.slow.all() else kept[group.spans].tolist()
        shared.append(([names[host] for host in group.hosts], spans_of, group.name))
    slow = tuple(kept[job.job.medians >= SLOW_FACTOR * job.slow.typical].tolist())
    return Study(load, *frames, blocks=job.blocks, slow_rounds=slow, spells=spells, groups=shared)


def _left_out(change: Change, names: Sequence[str]) -> str:
    """Whom waiting for fewer leaves out of a quarter of the steps or more, and whether its data is
    hardly learned."""
    host, heard = change.least_heard(len(names))
    if heard > 0.75:
        return ""
    hardly = ": hardly learned" if hardly_learned(change, len(names)) else ""
    return f" (without {as_hosts([names[host]], 1)} in {percent(1 - heard)} of steps{hardly})"


def hardly_learned(change: Change, workers: int) -> bool:
    """Whether a change leaves some host out of nearly all steps."""
    _, heard = change.least_heard(workers)
    return heard < RARELY * (1 - change.missed / workers)


def as_hosts(names: Sequence[str], listed: int, always: bool = False) -> str:
    """The first names in a sentence, and how many they are if there are more; the word *host* is
    ``always`` there, or before numbers, which alone would read as a count."""
    m, counts = len(names), any(map(str.isdigit, names[:listed]))
    text = ", ".join(names[:listed])
    text += f", ... ({m} {'in all' if counts else 'hosts'})" * (m > listed)
    return f"host{'s' * (m > 1)} {text}" if counts or always else text


def change_name(change: Change, names: Sequence[str], typical: float) -> str:
    """A change in a few words."""
    n, m = len(names), change.count
    hosts = as_hosts([names[host] for host in change.hosts], 2 if m <= 2 else 1)
    return {
        rounds.IDEAL: f"every task is typical, {typical:.4g} s",
        rounds.MEDIAN_WORKER: "every worker takes its round's median",
        rounds.GROUP: f"mend what {f'the hosts of {change.name}' if change.name else hosts} share",
        rounds.REPLACE: f"replace {hosts}",
        rounds.DROP: f"drop {hosts}: the others share the work",
        rounds.REPLACE_AND_WAIT: f"replace {hosts}, and wait for {n - 1} of {n}",
        rounds.WAIT: f"wait for {n - m} of {n}{_left_out(change, names)}",
        rounds.REBALANCE: "deal the work by speed",
        rounds.BACKUP: f"backup copy after {change.timeout:.4g} s ({100 * change.quantile:g} %)",
        f"{rounds.WITHOUT} {rounds.WORKERS}": "without lasting differences of hosts",
        f"{rounds.WITHOUT} {rounds.ROUNDS}": "without slow rounds",
        f"{rounds.WITHOUT} {rounds.REST}": "without the rest",
    }[change.kind]


def stages_of(
    seconds: Mapping[str, FloatArray], table: FloatArray
) -> Iterator[tuple[FloatArray, FloatArray]]:
    """What each stage, ``(R, n)`` seconds >= 0 in the order in which a worker does them, adds to
    the rounds, ``(R,)`` seconds; and the share of rounds in which each worker is the last to end
    it, ``(n,)`` (those who are equally late share a round; NaN where the stage holds the wait for
    all: they end it together). ``table`` is their sum. Our derivation. All workers begin a round
    together and wait at its end alone. Worker j has done its first s stages after C_js = x_j1 + ...
    + x_js seconds, so the last worker has after E_s = max_j C_js. Stage s adds D_s = E_s - E_(s-1).
    No x is negative, so no D is; and D_1 + ... + D_S = E_S = max_j C_jS, the step. Who is late in a
    stage is late in those that follow, and may end them all, but adds to that one alone. If a stage
    holds a wait for the slowest, as an all-reduce does, all have about the same C_js after it, and
    it adds what it takes the last worker."""
    done, before = np.zeros_like(table), np.zeros(len(table))
    apart = 0.0
    for count, stage in enumerate(seconds.values(), 1):
        done = np.minimum(done + stage, table) if count < len(seconds) else table
        end, was = done.max(axis=1), apart
        apart = float(np.median(done.std(axis=1)))
        last = done == end[:, None]
        ends = (last / last.sum(axis=1, keepdims=True)).mean(axis=0)
        # A stage that leaves less than half of how far apart workers were holds the wait.
        yield end - before, ends * np.nan if apart < 0.5 * was else ends
        before = end


class _Load:
    """The rounds of one load in which all workers arrive, and the tables made of them. At most
    ``most`` hosts are replaced, dropped or not waited for."""

    def __init__(
        self,
        table: FloatArray,
        names: Sequence[str],
        most: int,
        named: Mapping[str, Sequence[str]],
    ) -> None:
        self.whole = whole = np.isfinite(table).all(axis=1)
        self.names = names
        self.table = table if whole.all() else table[whole]
        self.missing = ~np.isfinite(table[~whole])
        self.job = job = Job(self.table, most)
        self.standing, self.groups = job.standing_out(), list[groups.Group]()
        self.spells, self.factors = dict[int, Runs](), job.factors
        self.spell_factors = np.full((2, len(names)), np.nan)  # in spells, and in other rounds
        if len(self.table) >= FEWEST_ROUNDS and len(names) >= 3:
            self.standing, slow, spelled = job.judged()
            for host, (inside, outside) in spelled.items():  # whose spells do not last
                self.spells[host], self.spell_factors[:, host] = slow.runs[host], (inside, outside)
                self.factors[host] = min(self.factors[host], outside)
            self.groups = groups.slow_together(job, names, named)
        self.slow = rounds.slowdown(self.table, job.medians, self.factors)
        self.seconds = float(self.slow.real.mean())
        longest, others = self.slow.real, np.argsort(-job.blame, kind="stable")
        self.groups.sort(key=lambda group: float(group.without(job).mean()))
        # Blocks are long enough for rounds as a whole, and for spells of worst hosts and groups.
        spells = [
            *map(job.slowest.due_to, others[:3]),
            *(longest - group.without(job) for group in self.groups[:3]),
        ]
        self.blocks = blocks((longest, job.medians, job.slowest.ended[1], *spells))
        self.order = [*self.standing, *others[~np.isin(others, self.standing)].tolist()]

    def _estimate(self, name: str, series: FloatArray) -> dict[str, float]:
        value = float(series.mean())
        ends = self.blocks.interval(value, self.blocks.means(series))
        return interval_columns(name, (value, *ends))

    def slowdown(self) -> pd.DataFrame:
        """The seconds of a mean step, a row per cause."""
        rows: list[dict[str, Any]] = [{"part": "typical", "seconds": self.slow.typical}]
        for cause, owed in self.slow.parts().items():
            rows.append({"part": cause, **self._estimate("seconds", owed)})
        rows.append({"part": "step", "seconds": self.seconds})
        table = pd.DataFrame(rows, columns=["part", "seconds", "seconds_low", "seconds_high"])
        return table.assign(share=table["seconds"] / self.seconds)

    def change(self, change: Change) -> dict[str, Any]:
        """A row of the table of changes; what one saves is seconds, a share, and hours of a day."""
        seconds, typical, n = float(change.seconds.mean()), self.slow.typical, len(self.names)
        saved = self.slow.real - change.seconds
        share = saved_share(self.slow.real, change.seconds)
        # a ratio of means, each of the same resampled rounds
        ratios = self.blocks.means(saved) / self.blocks.means(self.slow.real)
        ends = np.array(self.blocks.interval(share, ratios))
        own = np.array(self.blocks.interval(float(saved.mean()), self.blocks.means(saved)))
        # whether anything is saved is one question: the share, which varies less, answers it
        own = np.where(np.sign(own) == np.sign(ends), own, ends * self.seconds)
        ended = 0  # of the rounds that never end, those that end after the change
        if change.kind in (rounds.BACKUP, rounds.IDEAL, rounds.MEDIAN_WORKER):
            ended = len(self.missing)
        elif change.kind in (rounds.REPLACE, rounds.DROP, rounds.WAIT, rounds.REPLACE_AND_WAIT):
            late = np.delete(self.missing, change.hosts, axis=1).sum(axis=1)
            most = 0 if change.late is None else change.late.shape[1]
            ended = int((late <= most).sum())
        return {
            "change": change.kind,
            "count": change.count,
            "hosts": ", ".join(self.names[host] for host in change.hosts[:LISTED_HOSTS]),
            "quantile": change.quantile,
            "timeout": change.timeout,
            "seconds": seconds,
            **interval_columns("saved", (float(saved.mean()), *own)),
            **interval_columns("share", (share, *ends)),
            "share_per_part": 1 - (1 - share) * n / (n - change.missed),
            "hardly_learned": hardly_learned(change, n),
            **interval_columns("hours_a_day", (24.0 * share, *(24.0 * ends))),
            "slowdown": seconds / typical,
            "rounds_ended": len(self.table) + ended,
            "text": change_name(change, self.names, typical),
        }

    def hosts(self) -> pd.DataFrame:
        """The hosts, a row each, the one that costs most alone first."""
        n = len(self.names)
        alone, ended = self.job.slowest.alone
        judged = np.argsort(-alone, kind="stable")[:JUDGED_HOSTS] if n > 1 else ()
        low, high = self.blocks.intervals(alone, judged, self.job.slowest.due_to)
        columns = {
            "host": [*self.names],
            "worker": np.arange(n),
            "alone": alone,
            "alone_low": np.maximum(low, 0.0),  # nobody costs less than nothing
            "alone_high": high,
            "alone_share": alone / self.seconds,
            "blame": self.job.blame,
            "factor": self.factors,
            "ends": ended,
            "mean": self.table.mean(axis=0),
            "missing": self.missing.sum(axis=0) / (len(self.table) + len(self.missing)),
            "stands_out": np.isin(np.arange(n), self.standing),
            "in_spells": np.isin(np.arange(n), [*self.spells]),
            "spell_factor": self.spell_factors[0],
            "fast_factor": self.spell_factors[1],
            "order": np.argsort(self.order) + 1,
        }
        table = pd.DataFrame(columns)
        return table.sort_values(["alone", "blame"], ascending=False, kind="stable")

    def heat_map(self, most: int = 128, some: int = 64, columns: int = 400) -> pd.DataFrame:
        """Means of the hosts' seconds over runs of rounds, at most so many ``columns``; of more
        than ``most`` hosts, ``some`` that are most to blame."""
        count, n = self.table.shape
        hosts = list(range(n)) if n <= most else self.order[:some]
        first = np.arange(0, count, -(-count // columns))
        sums = np.add.reduceat(self.table[:, hosts].T, first, axis=1)
        return self._rows(hosts, first, sums / np.diff(first, append=count))

    def timeline(self, length: int = 20, lines: int = 16) -> pd.DataFrame:
        """Consecutive rounds whose slowdown is nearest to that of all. Of more hosts than
        ``lines``, half are those to blame most and half any others."""
        real, n, half = self.slow.real, len(self.names), lines // 2
        start = 0
        if len(real) > length:
            sums = np.cumsum(np.concatenate([[0.0], real]))
            means = (sums[length:] - sums[:-length]) / length
            start = int(np.argmin(np.abs(means - self.seconds)))
        hosts = list(range(n))
        if n > lines:
            others = sorted(self.order[half:])
            some = [others[int(i)] for i in np.linspace(0, len(others) - 1, lines - half)]
            hosts = sorted([*self.order[:half], *some])
        window = self.table[start : start + length, hosts].T
        table = self._rows(hosts, np.arange(start, start + window.shape[1]), window)
        return table.assign(step=real[table["round"]])

    def stages(self, seconds: Mapping[str, FloatArray]) -> pd.DataFrame:
        """What each stage adds to a step, and who ends it: a row for each stage and host. Whether a
        host is slow in a stage is asked of its seconds there, beside a typical task."""
        n, tables = len(self.names), list[pd.DataFrame]()
        for name, (added, ends) in zip(seconds, stages_of(seconds, self.table), strict=True):
            job = Job(seconds[name] + self.slow.typical)
            slow = [] if np.isnan(ends).any() else job.standing_out()
            adds = self._estimate("seconds", added)
            hosts = {
                "host": [*self.names],
                "worker": np.arange(n),
                "ends": ends,
                "mean": seconds[name].mean(axis=0),
                "blame": job.blame,
                "stands_out": np.isin(np.arange(n), slow),
            }
            share = adds["seconds"] / self.seconds
            tables.append(pd.DataFrame({"stage": name, **adds, "share": share, **hosts}))
        return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()

    def _rows(
        self, hosts: Sequence[int], first: NDArray[np.int64], seconds: FloatArray
    ) -> pd.DataFrame:
        """A row for each host and round (the first of a run), from ``(hosts, columns)`` seconds."""
        columns = {
            "host": np.repeat([self.names[host] for host in hosts], len(first)),
            "worker": np.repeat(hosts, len(first)),
            "round": np.tile(first, len(hosts)),
            "seconds": seconds.ravel(),
        }
        return pd.DataFrame(columns)
