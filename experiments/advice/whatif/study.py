"""Why steps are slow, and who is: what ``whatif`` finds in measured rounds beside its list of
remedies; ``docs/whatif.md`` has the columns of the tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import pandas as pd

from ....delay_models.base import FloatArray
from ....delay_models.measured.signs import Sign, awaited, left_out_rounds, waiting
from ....sim.base.types import BoolArray, IntArray
from ...text import interval_columns
from ..statistics.groups import Group, slow_together
from ..statistics.job import Job
from ..statistics.series import FEWEST_ROUNDS, Blocks, blocks
from ..statistics.slow import FEWEST_HOSTS, Slow, judge
from .slowdown import Slowdown, slowdown

SLOW_FACTOR = 1.5  # times the typical round's median from which on a round is slow as a whole
JUDGED_HOSTS = 50  # the costliest, that have an interval; it takes a thousand means each
# Of the heat map: hosts that are all drawn, else those most to blame; and runs of rounds.
MOST_ROWS, ROWS, COLUMNS = 128, 64, 400


@dataclass(frozen=True, eq=False)
class Study:
    """What was found in the rounds in which all hosts arrive."""

    names: Sequence[str]  # of the hosts
    load: float | None  # at which they were measured, if the table says it
    missing: BoolArray  # ``(all rounds, n)``, who never arrived
    job: Job  # the R rounds in which all did
    slow: Slow
    groups: Sequence[Group]  # hosts that are slow together, the costliest group first
    factors: FloatArray  # ``(n,)``, the lasting factor of each host, in its fast rounds
    named: Mapping[str, Sequence[str]]  # groups of hosts that the table names
    causes: Slowdown
    blocks: Blocks
    waits: Sign  # whether the times include the wait for the slowest, if it shows
    waited_for: int | None  # the host that the others then probably wait for, if that shows
    stages: pd.DataFrame = field(default_factory=pd.DataFrame)  # a row per stage and host
    left_out: str = ""  # how rounds in which somebody is missing differ from the others
    of_ranks: bool = False  # whether workers are ranks, several a host, and groups are the hosts

    @property
    def rounds(self) -> FloatArray:
        """``(R, n)`` seconds."""
        return self.job.table

    @property
    def workers(self) -> int:
        """Number of workers n."""
        return len(self.names)

    @cached_property
    def kept(self) -> IntArray:
        """``(R,)``, places of the rounds in which all arrive among all rounds of the table."""
        return np.flatnonzero(~self.missing.any(axis=1))

    @property
    def step(self) -> float:
        """Seconds of a mean step."""
        return float(self.causes.real.mean())

    @cached_property
    def order(self) -> list[int]:
        """All hosts: those that stand out, then the others, those to blame most first."""
        others = np.argsort(-self.job.blame, kind="stable")
        standing = [*self.slow.standing]
        return [*standing, *others[~np.isin(others, standing)].tolist()]

    @property
    def slow_rounds(self) -> list[int]:
        """The rounds that are slow for all, as places in the table."""
        slow = self.job.medians >= SLOW_FACTOR * self.causes.typical
        return [int(place) for place in self.kept[slow]]

    @cached_property
    def hosts(self) -> pd.DataFrame:
        """The hosts, a row each, the one that costs most alone first."""
        n = self.workers
        everybody = np.arange(n)
        alone, ended = self.job.slowest.alone
        judged = np.argsort(-alone, kind="stable")[:JUDGED_HOSTS] if n > 1 else ()
        low, high = self.blocks.intervals(alone, judged, self.job.slowest.due_to)
        spell_factors = np.full((2, n), np.nan)
        for host, factors in self.slow.factors.items():
            spell_factors[:, host] = factors
        columns = {
            "load": _number(self.load),
            "host": [*self.names],
            "worker": everybody,
            "alone": alone,
            "alone_low": np.maximum(low, 0.0),  # nobody costs less than nothing
            "alone_high": high,
            "alone_share": alone / self.step,
            "blame": self.job.blame,
            "factor": self.factors,
            "ends": ended,
            "mean": self.rounds.mean(axis=0),
            "missing": self.missing.mean(axis=0),
            "stands_out": np.isin(everybody, self.slow.standing),
            "replace": np.isin(everybody, self.slow.to_replace),
            "over": np.isin(everybody, [*self.slow.over]),
            "in_spells": np.isin(everybody, [*self.slow.factors]),
            "spell_factor": spell_factors[0],
            "fast_factor": spell_factors[1],
            "order": np.argsort(self.order) + 1,
            "waited_for": everybody == (-1 if self.waited_for is None else self.waited_for),
        }
        table = pd.DataFrame(columns)
        return table.sort_values(["alone", "blame"], ascending=False, kind="stable")

    @cached_property
    def slowdown(self) -> pd.DataFrame:
        """The seconds of a mean step, a row per cause."""
        rows = [{"part": "typical", "seconds": self.causes.typical}]
        for cause, owed in self.causes.parts().items():
            rows.append({"part": cause, **_estimate("seconds", owed, self.blocks)})
        rows.append({"part": "step", "seconds": self.step})
        table = pd.DataFrame(rows, columns=["part", "seconds", "seconds_low", "seconds_high"])
        table.insert(0, "load", _number(self.load))
        return table.assign(share=table["seconds"] / self.step, waits=self.waits)

    def heat_map(self, rounds: Sequence[str]) -> pd.DataFrame:
        """Means of the hosts' seconds over runs of rounds, a row for each host and the first round
        of each run, which has a name in the table; of many hosts those most to blame."""
        count = len(self.rounds)
        hosts = [*range(self.workers)] if self.workers <= MOST_ROWS else self.order[:ROWS]
        first = np.arange(0, count, -(-count // COLUMNS))
        sums = np.add.reduceat(self.rounds[:, hosts].T, first, axis=1)
        means = sums / np.diff(first, append=count)
        columns = {
            "load": _number(self.load),
            "host": np.repeat([self.names[host] for host in hosts], len(first)),
            "worker": np.repeat(hosts, len(first)),
            "round": np.tile(first, len(hosts)),
            "seconds": means.ravel(),
            "name": [rounds[int(place)] for place in first] * len(hosts),
        }
        return pd.DataFrame(columns)


def study_load(
    table: FloatArray,
    names: Sequence[str],
    load: float | None = None,
    stages: Mapping[str, FloatArray] | None = None,
    named: Mapping[str, Sequence[str]] | None = None,
) -> Study:
    """Study ``(rounds, n)`` seconds, infinite where a worker never arrived; in some round all
    arrive, and no round's or worker's median is 0. ``stages`` are ``(R, n)`` seconds >= 0 each,
    which add up to the table; ``named`` are groups of hosts, of which it is asked instead of
    looking for some. Cost: a sort of every round, and four times the table's memory at most."""
    missing = ~np.isfinite(table)
    whole = ~missing.any(axis=1)
    job = Job(table if whole.all() else table[whole])
    slow = judge(job)
    factors = job.factors
    for host, typical in slow.factors.items():  # whose spells do not last
        factors[host] = min(factors[host], typical.outside)
    together: list[Group] = []
    if len(job.table) >= FEWEST_ROUNDS and len(names) >= FEWEST_HOSTS:
        together = slow_together(job, names, named or {})
        together.sort(key=lambda group: float(group.without(job).mean()))
    if together:
        slow = replace(slow, to_replace=_slow_alone(job, together, slow.to_replace))
    causes = slowdown(job.table, job.medians, factors)
    worst = np.argsort(-job.blame, kind="stable")[:3]
    # Blocks are long enough for rounds as a whole, and for spells of worst hosts and groups.
    spells = [
        *map(job.slowest.due_to, worst),
        *(causes.real - group.without(job) for group in together[:3]),
    ]
    resampled = blocks((causes.real, job.medians, job.slowest.ended[1], *spells))
    added = {name: seconds[whole] for name, seconds in (stages or {}).items()}
    by_stage = stages_table(added, job.table, names, causes.typical, resampled, load)
    sign: Sign = waiting(job.table)
    if added and by_stage["ends"].isna().any():  # a stage that all hosts end together
        sign = "carried"
    return Study(
        names=names,
        load=load,
        missing=missing,
        job=job,
        slow=slow,
        groups=together,
        factors=factors,
        named=named or {},
        causes=causes,
        blocks=resampled,
        waits=sign,
        waited_for=awaited(job.table) if sign else None,
        stages=by_stage,
        left_out="" if whole.all() else left_out_rounds(table, np.asarray(~whole)),
    )


def _slow_alone(job: Job, groups: Sequence[Group], hosts: Sequence[int]) -> list[int]:
    """Those of some hosts that are slow beyond what the hosts of their group share."""
    if not hosts:
        return []
    rounds = job.table
    for group in groups:
        slow = np.flatnonzero(group.slow)
        mended = group.mended(rounds, slow)
        rounds = rounds.copy()
        rounds[slow] = mended
    alone = judge(Job(rounds)).to_replace
    grouped = {int(host) for group in groups for host in group.hosts}
    return [host for host in hosts if host in alone or host not in grouped]


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


def stages_table(
    seconds: Mapping[str, FloatArray],
    table: FloatArray,
    names: Sequence[str],
    typical: float,
    resampled: Blocks,
    load: float | None,
) -> pd.DataFrame:
    """What each stage adds to a step, and who ends it: a row for each stage and host. Whether a
    host is slow in a stage is asked of its seconds there, beside a ``typical`` task."""
    n = len(names)
    step = float(table.max(axis=1).mean())
    tables = list[pd.DataFrame]()
    for name, (added, ends) in zip(seconds, stages_of(seconds, table), strict=True):
        job = Job(seconds[name] + typical)
        slow = [] if np.isnan(ends).any() else job.standing_out()
        adds = _estimate("seconds", added, resampled)
        hosts = {
            "host": [*names],
            "worker": np.arange(n),
            "ends": ends,
            "mean": seconds[name].mean(axis=0),
            "blame": job.blame,
            "stands_out": np.isin(np.arange(n), slow),
        }
        share = adds["seconds"] / step
        columns = {"load": _number(load), "stage": name, **adds, "share": share, **hosts}
        tables.append(pd.DataFrame(columns))
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()


def as_hosts(names: Sequence[str], listed: int, always: bool = False) -> str:
    """The first names in a sentence, and how many they are if there are more; the word *host* is
    ``always`` there, or before numbers, which alone would read as a count."""
    m, counts = len(names), any(map(str.isdigit, names[:listed]))
    text = ", ".join(names[:listed])
    text += f", ... ({m} {'in all' if counts else 'hosts'})" * (m > listed)
    return f"host{'s' * (m > 1)} {text}" if counts or always else text


def _estimate(name: str, series: FloatArray, resampled: Blocks) -> dict[str, float]:
    value = float(series.mean())
    low, high = resampled.interval(value, resampled.means(series))
    return interval_columns(name, (value, low, high))


def _number(load: float | None) -> float:
    return np.nan if load is None else float(load)
