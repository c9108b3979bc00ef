"""What can be done about slow steps. A *remedy* is a change of the measured rounds and a scheme
that runs on them, one round after the other, in their order: every number is that of ``simulate``.

Some remedies leave the gradient as it is: other hosts, work dealt otherwise, copies, exact codes.
Steps of the others go without a part of it: the master does not wait for all workers, or workers
stop early."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields, replace
from functools import cached_property
from typing import Any

import numpy as np

from ....sim.base.errors import InvalidParameter
from ....sim.base.types import FloatArray, IntArray, TableTape
from ....sim.engines.run import Run
from ....sim.engines.simulate import simulate
from ....sim.load_laws import LoadLaw, OfOneDraw, PartlyProportional, Proportional
from ....sim.schemes.base import RoundScheme, SchemeFamily
from ....sim.schemes.codes.cyclic import CyclicMdsCode
from ....sim.schemes.codes.erasurehead import ErasureHead, FractionalRepetition
from ....sim.schemes.time_limits import DropCompute
from ....sim.schemes.uncoded import IgnoreStragglers, Uncoded
from ....sim.training.steps import DecodedRounds
from ..statistics.groups import Group
from ..statistics.job import pieces, round_medians
from .study import as_hosts

AS_MEASURED = PartlyProportional(fixed=1.0)  # tasks take what the rounds say, whatever their load
TODAY, REPLACE = "today", "replace"
LOADS = (2, 3, 4, 5)  # partitions of a worker that codes are tried with
NAMED = 2  # hosts that are named in the text of a remedy

# What remedies of different kinds need, in the column ``needs``.
NEW_HOSTS, NEW_DEVICES = "new hosts", "new devices"
LAUNCHER, SWITCH = "launcher", "rack or switch"
SPARE_HOSTS, OWN_LOOP = "spare hosts", "own loop"
DATA_COPIES, MICRO_BATCHES = "copies of the data", "micro-batches"

# Parameters that are tried: shares of workers, quantiles of all delays, shares of a typical delay.
BACKUP_QUANTILES = (0.9, 0.95, 0.99)
DEADLINE_QUANTILES = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995)
GRACE_SHARES = (0.05, 0.1, 0.2, 0.4)
STOP_QUANTILES = (0.3, 0.5, 0.8)
MICRO_BATCH_COUNT = 8
MOST_WAITS, FEW_WAITS, MOST_QUORUMS, MOST_CODE_WAITS = 32, 8, 4, 5


@dataclass(frozen=True, eq=False)
class Outcome:
    """What a scheme makes of measured rounds."""

    seconds: FloatArray  # ``(R,)`` of each step
    worker_seconds: float  # of a mean step: what all workers compute until its end
    # ``(k,)`` share of the steps in which each partition is heard; one number if the gradient is
    # exact.
    heard: FloatArray
    # How many of its steps have as much of everybody's data as one exact step: the mean over
    # partitions of E w^2 / (E w)^2, w the weight of a partition in a step; n / r if r of n are
    # heard, all alike, and infinite if one is never heard.
    steps_for_all: float


def evaluate(scheme: RoundScheme, rounds: FloatArray, law: LoadLaw = AS_MEASURED) -> Outcome:
    """The evaluator: a scheme on ``(R, n)`` seconds, one round after the other. Rounds are taken in
    pieces, of whose weights the sums are kept."""
    exact = scheme.exact is True
    count = len(rounds)
    seconds = np.empty(count)
    busy = 0.0
    heard = np.zeros(scheme.partitions)
    weights = np.zeros(scheme.partitions)
    squares = np.zeros(scheme.partitions)
    for rows in pieces(count, scheme.workers * scheme.messages):
        run = Run(scheme, [TableTape(rounds[rows])], law, rows.stop - rows.start)
        trace = simulate(run, "batch", heard=not exact)
        assert trace.work is not None
        seconds[rows] = trace.intervals[0]
        busy += float(trace.work.busy.sum())
        if not exact:
            steps = scheme.outline(trace)
            assert isinstance(steps, DecodedRounds)
            of_steps = steps.weights[0]
            heard += (of_steps != 0).sum(axis=0)
            weights += of_steps.sum(axis=0)
            squares += np.square(of_steps).sum(axis=0)
    if exact:
        return Outcome(seconds, busy / count, heard=np.ones(1), steps_for_all=1.0)
    needed = np.divide(
        count * squares, np.square(weights), out=np.full(len(weights), np.inf), where=weights != 0
    )
    return Outcome(seconds, busy / count, heard / count, steps_for_all=float(needed.mean()))


@dataclass(frozen=True, eq=False)
class Growth:
    """How long a task takes with more or less work than was measured."""

    law: OfOneDraw | None = None  # of a worker's load; ``None``: not known
    load: float = 1.0  # at which the rounds were measured
    # ``(R,)`` seconds of each round that no load changes, such as the transfer of an all-reduce.
    fixed: FloatArray | None = None

    @property
    def known(self) -> bool:
        """Whether it was measured or given; otherwise proportional growth is assumed."""
        return self.law is not None or self.fixed is not None

    @cached_property
    def _law(self) -> OfOneDraw:
        return Proportional() if self.law is None else self.law

    def _transfer(self, rows: slice) -> FloatArray:
        fixed = np.zeros(1) if self.fixed is None else self.fixed[rows]
        return fixed[:, None]

    def units(self, rounds: FloatArray, rows: slice = slice(None)) -> FloatArray:
        """The unit delays X >= 0 of which the law makes these ``rows`` of the measured rounds."""
        own = rounds - self._transfer(rows) - self._law.cost(self.load)
        return np.asarray(np.maximum(own, 0.0) / self._law.growth(self.load))

    def times(
        self, rounds: FloatArray, work: float | FloatArray, rows: slice = slice(None)
    ) -> FloatArray:
        """These ``rows`` of the measured rounds, ``(rows, n)``, if workers had so many times as
        much work, ``(n,)`` or the same for all."""
        load = self.load * np.asarray(work, dtype=np.float64)
        own = self._law.growth(load) * self.units(rounds, rows) + self._law.cost(load)
        return np.asarray(self._transfer(rows) + own)

    def ratio(self, rounds: FloatArray, work: float) -> float:
        """How many times as long a mean task takes with so many times as much work."""
        return float(self.times(rounds, work).mean() / rounds.mean())

    def in_parts(self, scheme: RoundScheme, rounds: FloatArray) -> Outcome:
        """The evaluator, for a scheme that does a task in parts."""
        transfer = self._transfer(slice(None))
        if self.load == 1:
            outcome = evaluate(scheme, self.units(rounds), self._law)
        else:  # the law is of other loads than those of a scheme
            outcome = evaluate(scheme, rounds - transfer, Proportional())
        return replace(outcome, seconds=outcome.seconds + transfer[:, 0])


@dataclass(frozen=True, eq=False)
class Remedy:
    """A remedy and what it makes of the measured rounds."""

    kind: str
    text: str  # as one says what is to be done
    exact: bool  # whether the gradient stays the same
    outcome: Outcome
    load: int = 1  # partitions of a worker, so copies of the data
    growth: float = 1.0  # how many times as long a task is assumed to take; outcomes are at 1
    once: Outcome | None = None  # of a code: if tasks took as long as they do today
    copies: float = 0.0  # tasks that are started twice, a step
    hosts: int = 0  # that are replaced
    needs: Sequence[str] = ()
    assumed: bool = False  # whether it depends on how tasks grow, which was not measured
    least_host: str = ""  # who holds the partition that is heard least; empty if all are
    section: Mapping[str, Any] | None = None  # of a config, of a scheme on the hosts of today

    @property
    def seconds(self) -> FloatArray:
        """``(R,)`` of each step; at the larger of two bounds where growth is not known."""
        return self.growth * self.outcome.seconds


@dataclass(frozen=True, eq=False)
class Cluster:
    """Measured rounds in which all workers arrive, and what is known of the workers."""

    rounds: FloatArray  # ``(R, n)`` seconds
    names: Sequence[str]
    growth: Growth = Growth()
    to_replace: Sequence[int] = ()  # hosts that are slow and still are
    groups: Sequence[Group] = ()  # hosts that are slow together
    racks: IntArray | None = None  # ``(n,)`` the rack of each host, if any share one
    new_worker: str = NEW_HOSTS  # what a replaced worker needs; of ranks on hosts ``NEW_DEVICES``

    @property
    def workers(self) -> int:
        """Number of workers n."""
        return len(self.names)

    @cached_property
    def medians(self) -> FloatArray:
        """Each round's median over its workers, ``(R,)`` seconds."""
        return round_medians(self.rounds)

    def called(self, hosts: Iterable[int]) -> str:
        """Hosts in the text of a remedy."""
        return as_hosts([self.names[host] for host in hosts], NAMED)

    def without(self, hosts: Sequence[int]) -> FloatArray:
        """The rounds with median hosts in the place of some: each takes the median of the others
        in every round."""
        rounds = self.rounds.copy()
        others = np.delete(self.rounds, hosts, axis=1)
        rounds[:, hosts] = round_medians(others)[:, None]
        return rounds


def remedies(cluster: Cluster) -> Iterator[Remedy]:
    """All remedies that are tried; the first is to leave all as it is."""
    yield from same_gradient(cluster)
    yield from fewer_gradients(cluster)
    if cluster.to_replace:
        yield from replaced_and_waited(cluster)


def same_gradient(cluster: Cluster) -> Iterator[Remedy]:
    """Remedies that leave the gradient as it is."""
    yield _uncoded(cluster.rounds, TODAY, "as it is")
    yield from _other_hosts(cluster)
    for group in cluster.groups:
        slow = np.flatnonzero(group.slow)
        rounds = cluster.rounds.copy()
        rounds[slow] = group.mended(cluster.rounds, slow)
        if group.name and cluster.new_worker == NEW_DEVICES:  # a group of ranks is a host
            text = f"mend or replace {group.name}"
            yield _uncoded(rounds, "mend", text, hosts=1, needs=(NEW_HOSTS,))
            continue
        shared = f"the hosts of {group.name}" if group.name else cluster.called(group.hosts)
        yield _uncoded(rounds, "mend", f"mend what {shared} share", needs=(SWITCH,))
    yield from _dealt_by_speed(cluster)
    yield from _backups(cluster)
    yield from _exact_codes(cluster)


def _uncoded(rounds: FloatArray, kind: str, text: str, **costs: Any) -> Remedy:
    """A remedy after which all n workers are waited for, in these rounds."""
    scheme = Uncoded().build(rounds.shape[1])
    return Remedy(kind, text, exact=True, outcome=evaluate(scheme, rounds), **costs)


def _other_hosts(cluster: Cluster) -> Iterator[Remedy]:
    """The first hosts that are to be replaced are, or are dropped: the others share their work."""
    n, growth, new = cluster.workers, cluster.growth, cluster.new_worker
    for count in range(1, len(cluster.to_replace) + 1):
        hosts = cluster.to_replace[:count]
        called = cluster.called(hosts)
        rounds = cluster.without(hosts)
        yield _uncoded(rounds, REPLACE, f"replace {called}", hosts=count, needs=(new,))
        if n - count < 2:
            continue
        rounds = np.delete(growth.times(cluster.rounds, n / (n - count)), hosts, axis=1)
        whose = "its" if count == 1 else "their"
        text = f"drop {called} and share {whose} work"
        yield _uncoded(rounds, "drop", text, needs=(LAUNCHER,), assumed=not growth.known)


def _dealt_by_speed(cluster: Cluster) -> Iterator[Remedy]:
    """The work dealt by speed: each host gets n / t_j over the sum of 1 / t, where t_j is its mean.
    The means are those of the *other* half of the rounds: dealt by their own, rounds would gain
    from chance alone."""
    count, n = cluster.rounds.shape
    half = count // 2
    halves = (slice(half), slice(half, count))
    if n < 2 or not half:
        return
    means = [cluster.rounds[rows].mean(axis=0) for rows in halves]
    if not np.all(means):  # a host that takes no time has no speed
        return
    dealt = np.empty_like(cluster.rounds)
    for rows, mean in zip(halves, reversed(means), strict=True):
        work = n * (1 / mean) / (1 / mean).sum()
        dealt[rows] = cluster.growth.times(cluster.rounds[rows], work, rows)
    assumed = not cluster.growth.known
    yield _uncoded(dealt, "rebalance", "deal the work by speed", needs=(LAUNCHER,), assumed=assumed)


def _backups(cluster: Cluster) -> Iterator[Remedy]:
    """A task that outlasts a time-out is started once more on a spare host, where it takes the
    round's median; the first copy to end counts."""
    rounds = cluster.rounds
    for quantile in BACKUP_QUANTILES:
        timeout = float(np.quantile(rounds, quantile, method="inverted_cdf"))
        ends = np.minimum(rounds, timeout + cluster.medians[:, None])
        started = rounds > timeout
        outcome = evaluate(Uncoded().build(cluster.workers), ends)
        copies = float((ends - timeout).sum(where=started)) / len(rounds)
        outcome = replace(outcome, worker_seconds=outcome.worker_seconds + copies)
        yield Remedy(
            "backup",
            f"start a backup copy after {timeout:.3g} s",
            exact=True,
            outcome=outcome,
            copies=float(started.sum() / len(rounds)),
            needs=(SPARE_HOSTS,),
        )


def _exact_codes(cluster: Cluster) -> Iterator[Remedy]:
    for load in LOADS:
        repetition = FractionalRepetition(load=load)
        yield from _coded(cluster, "code", f"repeat each part on {load} workers", repetition)
        if cluster.racks is not None:
            text = f"repeat each part on {load} workers in different racks"
            order = across_racks(cluster.racks)
            yield from _coded(cluster, "code", text, repetition, order)
        text = f"code cyclically, {load} parts a worker"
        yield from _coded(cluster, "code", text, CyclicMdsCode(load=load))


def across_racks(racks: IntArray) -> IntArray:
    """An order of ``(n,)`` hosts in which neighbours are in different racks."""
    places = np.zeros(len(racks), dtype=np.int64)
    for rack in np.unique(racks):
        own = np.flatnonzero(racks == rack)
        places[own] = np.arange(len(own))
    return np.lexsort((racks, places))


def _coded(
    cluster: Cluster,
    kind: str,
    text: str,
    family: FractionalRepetition | CyclicMdsCode | ErasureHead,
    order: IntArray | None = None,
) -> Iterator[Remedy]:
    """A code, if there is one for so many workers; perhaps with the workers in another order."""
    load = int(family.load)
    scheme = _built(family, cluster.workers) if load <= cluster.workers // 2 else None
    if scheme is None or (isinstance(family, ErasureHead) and scheme.exact):
        return
    hosts = np.arange(cluster.workers) if order is None else order
    once = evaluate(scheme, cluster.rounds[:, hosts])
    outcome = once
    growth = float(load)
    if cluster.growth.known:
        outcome = evaluate(scheme, cluster.growth.times(cluster.rounds, load)[:, hosts])
        growth = 1.0
    yield Remedy(
        kind,
        text,
        exact=scheme.exact is True,
        outcome=outcome,
        load=load,
        growth=growth,
        once=once,
        needs=(DATA_COPIES, OWN_LOOP),
        assumed=not cluster.growth.known,
        least_host=_least_held(scheme, outcome, [cluster.names[int(host)] for host in hosts]),
        section=section_of(family) if order is None else None,
    )


def _built(family: SchemeFamily, workers: int) -> Any:
    """The scheme; ``None``: there is none for so many workers."""
    try:
        return family.build(workers)
    except InvalidParameter:
        return None


def _least_held(scheme: Any, outcome: Outcome, names: Sequence[str]) -> str:
    """The workers that hold the partition of a code that is heard least."""
    if scheme.exact:
        return ""
    column = scheme.assignment.encoding.tocsc()[:, [int(np.argmin(outcome.heard))]]
    return ", ".join(names[int(worker)] for worker in column.indices)


def section_of(family: SchemeFamily) -> dict[str, Any]:
    """A scheme as a config says it, without what is so anyway."""
    section: dict[str, Any] = {"name": family.name}
    for setting in fields(family):  # type: ignore[arg-type]
        value = getattr(family, setting.name)
        if setting.default is MISSING or value != setting.default:
            section[setting.name] = value
    return section


def fewer_gradients(cluster: Cluster) -> Iterator[Remedy]:
    """Remedies whose steps go without a part of the gradient."""
    rounds, n = cluster.rounds, cluster.workers
    typical = float(np.median(rounds))
    for wait_for in _evenly(max(1, n // 2), n - 1, MOST_WAITS):
        yield _ignoring(cluster, "wait", f"wait for {wait_for} of {n}", wait_for=wait_for)
    for end in _quantiles(rounds, DEADLINE_QUANTILES):
        text = f"end a step after {end:g} s"
        yield _ignoring(cluster, "deadline", text, wait_for=n, deadline=end)
    for wait_for in _evenly(max(1, n // 4), n - 2, MOST_QUORUMS):
        for share in GRACE_SHARES:
            grace = float(f"{share * typical:.2g}")
            text = f"wait for {wait_for} of {n} and {grace:g} s more"
            yield _ignoring(cluster, "grace", text, wait_for=wait_for, grace=grace)
    for end in _quantiles(rounds, STOP_QUANTILES):
        yield _stopping(cluster, end)
    for load in LOADS:
        for wait_for in _evenly(max(1, n // load), n - 1, MOST_CODE_WAITS):
            text = f"ErasureHead, {load} parts a worker, wait for {wait_for} of {n}"
            family = ErasureHead(load=load, wait_for=wait_for)
            yield from _coded(cluster, "erasurehead", text, family)


def replaced_and_waited(cluster: Cluster) -> Iterator[Remedy]:
    """The hosts that are to be replaced are, and then not all workers are waited for."""
    hosts = cluster.to_replace
    n, called = cluster.workers, cluster.called(hosts)
    replaced = replace(cluster, rounds=cluster.without(hosts))
    for wait_for in _evenly(max(1, n // 2), n - 1, FEW_WAITS):
        text = f"replace {called}, then wait for {wait_for} of {n}"
        remedy = _ignoring(replaced, "replace and wait", text, wait_for=wait_for)
        needs = (cluster.new_worker, OWN_LOOP)
        yield replace(remedy, hosts=len(hosts), needs=needs, section=None)


def _ignoring(cluster: Cluster, kind: str, text: str, **settings: Any) -> Remedy:
    family = IgnoreStragglers(**settings)
    outcome = evaluate(family.build(cluster.workers), cluster.rounds)
    return Remedy(
        kind,
        text,
        exact=False,
        outcome=outcome,
        needs=(OWN_LOOP,),
        least_host=cluster.names[int(np.argmin(outcome.heard))],
        section=section_of(family),
    )


def _stopping(cluster: Cluster, end: float) -> Remedy:
    """Workers stop by themselves after so many seconds."""
    family = DropCompute(pieces=MICRO_BATCH_COUNT, patience=end)
    outcome = cluster.growth.in_parts(family.build(cluster.workers), cluster.rounds)
    return Remedy(
        "drop compute",
        f"stop workers after {end:g} s ({MICRO_BATCH_COUNT} micro-batches)",
        exact=False,
        outcome=outcome,
        needs=(OWN_LOOP, MICRO_BATCHES),
        assumed=not cluster.growth.known,
        least_host=cluster.names[int(np.argmin(outcome.heard)) // MICRO_BATCH_COUNT],
        section=section_of(family),
    )


def _quantiles(rounds: FloatArray, shares: Sequence[float]) -> list[float]:
    """Seconds within which these shares of all tasks end, in three digits, each once."""
    seconds = np.quantile(rounds, shares)
    return [*dict.fromkeys(float(f"{end:.3g}") for end in seconds if end > 0)]


def _evenly(low: int, high: int, most: int) -> list[int]:
    """At most so many whole numbers at about equal distances, both ends included."""
    if high < low:
        return []
    return sorted({round(number) for number in np.linspace(low, high, most)})
