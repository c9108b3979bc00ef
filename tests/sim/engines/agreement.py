"""Runs on both engines, a plain loop beside them, how their bits are compared; what tests draw.

Speaks to the engines: their traces are compared to the bit, and hand-made tapes put ties, tasks
that never end and crashes where a test wants them. What surrounds workers is said in the words of
a config: ``policy="queue"``, ``network={"uplink_latency": 0.5}``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from hypothesis import strategies as st

from erasurehead.experiments.checks.conformance.rounds import trace_arrays as arrays
from erasurehead.load_laws import Additive, LoadLaw, PartlyProportional, PerPartition, Proportional
from erasurehead.plugins import Barrierless, FloatArray, Run, Stops, TapeLike, Trace
from erasurehead.schemes import SCHEMES, Scheme
from erasurehead.sim.base.errors import NeverEnough
from erasurehead.sim.base.types import Recorder, Span
from erasurehead.sim.engines.run import Cluster, Failures, Network, Policy
from erasurehead.sim.engines.simulate import simulate
from tests.tools import LatticeTape, TableTape

POLICIES = ["cancel", "finish", "queue", "drain"]

# ``network``, a section of a config, ``None`` for no network and ``{}`` for one that takes no time;
# ``max_wait`` seconds; ``lives``, tapes of how long workers are up and down (``None``: for good);
# ``resends``, ``uplink``, ``transfer``: one tape for each replication.
Around: TypeAlias = Mapping[str, Any]


def run_of(
    scheme: Scheme,
    tapes: Sequence[TapeLike],
    law: LoadLaw,
    iterations: int,
    policy: str = "cancel",
    *,
    network: Around | None = None,
    lives: Sequence[tuple[TapeLike, TapeLike | None]] | None = None,
    seed: int = 0,
    **around: Any,
) -> Run:
    """A run in words."""
    cluster = Cluster(
        network=None if network is None else Network(**network),
        failures=None if lives is None else [Failures(up, down) for up, down in lives],
        **around,
    )
    return Run(scheme, tapes, law, iterations, Policy(policy), cluster, seed)


@dataclass(frozen=True)
class Engine:
    """An engine by name, for tests that hold one to the other or to a number worked by hand."""

    name: Literal["batch", "event", "auto", "law"]

    def simulate(self, *run: Any, heard: bool = True, work: bool = True, **around: Any) -> Trace:
        """The trace of a run in words."""
        return simulate(run_of(*run, **around), self.name, heard=heard, work=work)

    def stuck(self, *run: Any, **around: Any) -> NeverEnough:
        """Why a run in words cannot come to its end."""
        error = outcome(lambda: self.simulate(*run, **around))
        assert isinstance(error, NeverEnough), error
        return error


batch, event, auto, by_law = Engine("batch"), Engine("event"), Engine("auto"), Engine("law")


def timeline(*run: Any, **around: Any) -> tuple[Trace, list[Span]]:
    """The trace of a run in words, and what everybody did."""
    recorder = Recorder()
    return simulate(run_of(*run, **around), recorder=recorder), recorder.spans


def steady(*seconds: float, rows: int = 60) -> TableTape:
    """Every task of worker j takes ``seconds[j]``."""
    return TableTape(np.tile(np.array(seconds, dtype=float), (rows, 1)))


# The asynchronous family by a plain loop over instants, without SimPy and without sorting blocks.
#
# It is slow and knows nothing of the engines: at each instant it collects who is done, decides in
# the order of workers, and sets workers to work again.


def plain(
    scheme: Barrierless, table: np.ndarray, updates: int
) -> tuple[list[float], list[list[int]], list[list[int]]] | None:
    """Times, senders and versions of each update; ``None`` if they never come.

    Args:
        scheme: the four choices.
        table: ``(rows, n)`` seconds of each worker's tasks.
        updates: how many.
    """
    n = scheme.workers
    row, version, waiting = [0] * n, [0] * n, [False] * n
    done_at = [float(table[0, j]) for j in range(n)]
    times: list[float] = []
    senders: list[list[int]] = []
    versions: list[list[int]] = []
    buffer: list[tuple[int, int]] = []
    counted: set[int] = set()
    sent = [0] * n

    def begin(worker: int, now: float) -> None:
        row[worker] += 1
        version[worker] = len(times)
        waiting[worker] = False
        done_at[worker] = now + float(table[row[worker], worker])

    while True:
        busy = [j for j in range(n) if not waiting[j]]
        now = min((done_at[j] for j in busy), default=np.inf)
        if np.isinf(now):
            return None
        lost = {j for j in busy if np.isinf(done_at[j])}
        if scheme.distinct and n - len(counted | lost) < scheme.gradients - len(buffer):
            return None
        before = len(times)
        ready = [j for j in busy if done_at[j] == now]
        starting = set()
        for worker in ready:
            if len(times) - version[worker] >= scheme.oldest:
                starting.add(worker)
                continue
            if scheme.distinct and worker in counted:
                starting.add(worker)
                continue
            counted.add(worker)
            buffer.append((worker, version[worker]))
            sent[worker] += 1
            if scheme.ahead < np.inf or not scheme.restarts_at_once:
                waiting[worker] = True
            else:
                starting.add(worker)
            if len(buffer) == scheme.gradients:
                times.append(now)
                senders.append([sender for sender, _ in buffer])
                versions.append([read for _, read in buffer])
                if not scheme.restarts_at_once:
                    starting |= {sender for sender, _ in buffer}
                buffer, counted = [], set()
                if len(times) == updates:
                    return times, senders, versions
        if len(times) > before:
            for worker in range(n):
                stale = len(times) - version[worker] >= scheme.oldest
                if scheme.stops is Stops.EVERYBODY or (scheme.stops is Stops.STALE and stale):
                    starting.add(worker)
        if scheme.ahead < np.inf:
            starting = {j for j in range(n) if waiting[j] and sent[j] - min(sent) <= scheme.ahead}
        for worker in sorted(starting):
            begin(worker, now)


# Both engines on one run: the same trace to the bit, or the same refusal.


@dataclass(frozen=True)
class Mortal:
    """A tape on which a share of the tasks never ends; each stream loses tasks of its own."""

    tape: TapeLike
    seed: int
    share: float

    @property
    def workers(self) -> int:
        return self.tape.workers

    @property
    def block_rounds(self) -> int:
        return self.tape.block_rounds

    def rows(self, start: int, stop: int, stream: int = 0) -> FloatArray:
        table = self.tape.rows(start, stop, stream).copy()
        for t, row in enumerate(table, start):
            rng = np.random.default_rng([self.seed, t, stream])
            row[rng.random(self.workers) < self.share] = np.inf
        return table


def outcome(play: Callable[[], Trace]) -> Trace | NeverEnough:
    """What an engine does: a trace, or who it waits for in vain."""
    try:
        return play()
    except NeverEnough as error:
        return error


def alike(slow: Callable[[], Trace], fast: Callable[[], Trace]) -> Trace | NeverEnough:
    """What two ways to run the same agree on, to the bit."""
    expected, found = outcome(slow), outcome(fast)
    if isinstance(expected, NeverEnough) or isinstance(found, NeverEnough):
        assert repr(expected) == repr(found)
        return expected
    one, two = arrays(expected), arrays(found)
    assert one.keys() == two.keys()
    for name in one:
        assert one[name].dtype == two[name].dtype
        assert np.array_equal(one[name], two[name]), name
    return expected


def same(one: Trace, two: Trace) -> bool:
    """Whether two traces have the same bits."""
    a, b = arrays(one), arrays(two)
    return a.keys() == b.keys() and all(np.array_equal(a[name], b[name]) for name in a)


def both(*run: Any, **around: Any) -> Trace | NeverEnough:
    """Play a run in words on both engines and hold one to the other; what they agree on.

    What the batch engine refuses, the event engine runs alone.
    """
    played = run_of(*run, **around)
    other: Literal["batch", "event"] = "batch" if played.refusal() is None else "event"
    return alike(lambda: simulate(played, "event"), lambda: simulate(played, other))


def both_finish(*run: Any, **around: Any) -> Trace:
    """As ``both``, for a run that comes to its end."""
    trace = both(*run, **around)
    assert isinstance(trace, Trace), trace
    return trace


def both_stuck(*run: Any, **around: Any) -> NeverEnough:
    """As ``both``, for a run that cannot."""
    error = both(*run, **around)
    assert isinstance(error, NeverEnough), error
    return error


# What the property tests of the engines draw: schemes, laws, policies, and trouble.

LAWS: list[LoadLaw] = [
    Proportional(),
    PartlyProportional(fixed=0.25),
    Additive(seconds_per_partition=0.25),
    PerPartition(),
]

laws = st.sampled_from(LAWS)
policies = st.sampled_from(POLICIES)
steps = st.sampled_from([0.1, 0.25])
"""Seconds between points of a lattice: sums of 0.1 round, those of 0.25 do not."""

all_levels = st.sampled_from([1, 2, 4, 50])
"""Points of a lattice; of one alone every delay is 0."""

dead_shares = st.sampled_from([0.0, 0.0, 0.01, 0.05, 0.3])
"""Shares of the tasks that never end."""

patience = st.none() | st.integers(1, 12)
"""``max_wait`` in points of the lattice, where rounds often end exactly then."""


@st.composite
def schemes(draw: st.DrawFn) -> Scheme:
    """Any scheme over any shape (n, d, r) that it allows."""
    groups, load = draw(st.integers(1, 5)), draw(st.integers(1, 4))
    n = groups * load
    r = draw(st.integers(1, n))
    deadline = draw(st.none() | st.sampled_from([0.05, 0.1, 0.25, 0.5, 4.0]))
    window, burst = draw(st.sampled_from([(2, 1), (4, 1), (3, 2), (5, 2)]))
    family = draw(
        st.sampled_from(
            [
                SCHEMES["uncoded"](),
                SCHEMES["ignore_stragglers"](wait_for=r, deadline=deadline),
                SCHEMES["ignore_stragglers"](deadline=deadline or 0.1),
                SCHEMES["window"](
                    tolerance=draw(st.sampled_from([0.0, 0.3, 1.0, 2.0])),
                    deadline=deadline,
                    at_least=r,
                ),
                SCHEMES["window"](deadline=deadline or 0.1, at_least=r),
                SCHEMES["fractional_repetition"](load=load),
                SCHEMES["cyclic_repetition"](load=draw(st.integers(1, n))),
                SCHEMES["cyclic_mds"](load=draw(st.integers(1, max(n - 1, 1)))),
                SCHEMES["erasurehead"](load=load, wait_for=r, deadline=deadline),
                SCHEMES["sequential"](
                    B=burst,
                    W=window,
                    stragglers=r if n > 1 else 0,
                    tolerance=draw(st.sampled_from([0.0, 0.5, 2.0])),
                ),
                SCHEMES["sequential"](
                    variant="multiplexed", B=burst, W=window, stragglers=r, tolerance=0.5
                ),
                SCHEMES["adaptive_deadline"](
                    kappa=draw(st.sampled_from([0.0, 1.0, 3.0])), at_least=r, rounds=burst
                ),
                SCHEMES["partial_stragglers"](load=load),
                SCHEMES["fractional_repetition"](load=load, partial=0.3),
                SCHEMES["cyclic_repetition"](load=load, partial=0.5),
                SCHEMES["mindflayer"](trials=load, patience=deadline or 0.1),
                SCHEMES["block_coordinate"](),
                SCHEMES["block_coordinate"](split=(0.5,) * min(load, n)),
                SCHEMES["drop_compute"](pieces=load, patience=deadline),
                SCHEMES["drop_compute"](pieces=load, patience=deadline or 0.1, cut="at"),
                SCHEMES["pipelined"](load=load, wait_for=r),
                SCHEMES["multi_message"](load=load),
                SCHEMES["multi_message"](load=load, wait_for=r),
                SCHEMES["multi_message"](
                    load=load,
                    assignment=draw(st.sampled_from(["cyclic", "fractional"])),
                    order="rotated",
                ),
            ]
        )
    )
    return family.build(n)


def lattice(
    seed: int, workers: int, replications: int, levels: int, step: float, dead: float
) -> list[TapeLike]:
    """Tapes full of ties and zeros, with a share of tasks that never end."""
    return [
        Mortal(LatticeTape(seed + r, workers, levels, step=step), seed + r, dead)
        for r in range(replications)
    ]


@st.composite
def runs(
    draw: st.DrawFn,
    of: st.SearchStrategy[Scheme],
    *,
    longest: int,
    replications: st.SearchStrategy[int],
    policies: st.SearchStrategy[str] = policies,
    levels: st.SearchStrategy[int] = all_levels,
    steps: st.SearchStrategy[float] = steps,
    waits: bool = False,
) -> dict[str, Any]:
    """A run in words on tapes full of ties and zeros, with tasks that never end. With ``waits``
    rounds end, or messages come, exactly at ``max_wait``."""
    scheme, step = draw(of), draw(steps)
    size = scheme.workers, draw(replications), draw(levels), step
    wait = draw(patience) if waits else None
    return {
        "scheme": scheme,
        "tapes": lattice(draw(st.integers(0, 10**6)), *size, draw(dead_shares)),
        "law": draw(laws),
        "iterations": draw(st.integers(1, longest)),
        "policy": draw(policies),
        "max_wait": None if wait is None else wait * step,
    }
