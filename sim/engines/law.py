"""Rounds by the law of their length: a few random numbers a round, at any number of workers.

The number M of arrivals that ends a round is drawn first (``docs/design.md`` says why it can be);
the instant is ``F^-1(Beta(M, n - M + 1))``, where F is the law of a worker's time.

M of a code whose groups must all be heard comes from the same idea (our derivation): in uniform
time a group of d is first heard by v with probability ``1 - (1 - v)^d``, so the last of g groups is
at v with ``v = 1 - (1 - U^(1/g))^(1/d)``. Given v, that group has one arrival, and each of the
others has j in 1..d with probability proportional to ``C(d, j) v^j (1 - v)^(d - j)``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from scipy import special

from ..base.numerics import generator
from ..base.types import DelayLaw, FloatArray, IntArray, TableTape, Trace
from ..load_laws import PerPartition
from ..schemes.arrivals import Arrivals, Demand, NoFormula, demand
from ..schemes.base import RoundScheme, Sees
from .run import Run

ROUNDS_DRAWN = 2**13  # drawn together: a run's first rounds do not depend on its length


@dataclass(frozen=True)
class RoundLaw:
    """What a round's length depends on."""

    demand: Demand  # how many arrivals end a round, and its deadlines
    delay: DelayLaw  # the law of one draw
    load: float  # partitions of a worker; 1 where ``delay`` is already that of the whole load


def round_law(run: Run) -> RoundLaw | str:
    """The law of a run's rounds, or in words why it is not known."""
    scheme = run.scheme
    if not isinstance(scheme, RoundScheme) or scheme.sees is not Sees.NOTHING:
        return "the law of a round is known for schemes with rounds whose plan never changes"
    plan = scheme.plan(scheme.start(1))
    if plan.steps > 1:
        return "the law of a round is known where workers take no local steps"
    if scheme.messages > 1 or plan.patience is not None or plan.tasks is not None:
        return "the law of a round is known for one message per worker"
    if run.policy.couples_rounds or not run.cluster.ideal:
        return "the law of a round is known under cancel and drain, without network and failures"
    if run.cluster.max_wait is not None:
        return "the law of a round is known where no max_wait ends the run"
    load = float(plan.loads.min())
    if plan.loads.max() > load:
        return "the law of a round is known where all workers have the same load"
    unit: DelayLaw | None = getattr(run.tapes[0], "model", None)
    if unit is not None and unit.independent and isinstance(run.load_law, PerPartition):
        unit, load = unit.sum_of(int(load)) if load == int(load) else None, 1.0
    if unit is None or not unit.independent or unit.ppf(0.5) is None:
        return "the law of a round is known for independent delays with quantiles"
    wanted = demand(plan.stopping, scheme.workers)
    if isinstance(wanted, NoFormula):
        return wanted.reason
    if wanted.window is not None:
        return "a window that ends a round if few are late is not drawn from its law"
    return RoundLaw(wanted, unit, load)


def law_rounds(run: Run, law: RoundLaw) -> Trace:
    """Run all replications: their clock alone, ``(R, T)``; see ``engines.simulate.simulate``. Cost:
    two draws and a quantile a round, with groups d more draws; nothing grows with n."""
    times, tapes = np.empty((len(run.tapes), run.updates)), cast("Sequence[Any]", run.tapes)
    for row, tape in zip(times, tapes, strict=True):  # only the seeds of tapes are used
        now = 0.0
        for block, first in enumerate(range(0, run.updates, ROUNDS_DRAWN)):
            rng = generator(tape.seed, tape.replication, 2**32 - 2, block)  # no tape reads these
            ended, ready = _lengths(run, law, rng)
            block_times = row[first : first + ROUNDS_DRAWN]
            opened = np.add.accumulate(np.concatenate([[now], ready]))
            np.add(opened[: len(block_times)], ended[: len(block_times)], out=block_times)
            now = opened[-1]
    return Trace(times, None, None, "law", run.seed)


def _lengths(run: Run, law: RoundLaw, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
    """``(ROUNDS_DRAWN,)`` seconds until each round ends, and until the next one opens."""
    wanted, n = law.demand, run.scheme.workers
    asked, grace = wanted.quorum or (wanted.arrivals, 0.0)
    count = np.zeros(ROUNDS_DRAWN, dtype=np.int64)
    reached = ended = np.zeros(ROUNDS_DRAWN)
    if asked is not None:
        count = arrivals_at_the_end(asked, rng)
        reached = rng.beta(count, n - count + 1)
        ended = _seconds(run, law, reached) + grace
    all_end_it = wanted.quorum is not None and wanted.arrivals is not None
    all_in = ended
    if run.policy.drains or all_end_it:
        # Given the M-th, the others are n - M draws of the law beyond it.
        beyond = -np.expm1(np.log(rng.random(ROUNDS_DRAWN)) / np.maximum(n - count, 1))
        all_in = _seconds(run, law, np.where(count < n, 1 - (1 - reached) * beyond, reached))
    if all_end_it:
        ended = np.minimum(ended, all_in)
    ended = np.maximum(wanted.earliest, np.minimum(ended, wanted.latest))
    return ended, np.maximum(ended, all_in) if run.policy.drains else ended


def _seconds(run: Run, law: RoundLaw, probability: FloatArray) -> FloatArray:
    """A worker's time of which so much of the law lies below: ``(ROUNDS_DRAWN,)``."""
    unit: Any = law.delay.ppf(probability)
    draws = TableTape(np.asarray(unit, dtype=np.float64)[:, None])
    return run.load_law.worker_times(draws, np.array([law.load]), 0, ROUNDS_DRAWN)[:, 0]


def arrivals_at_the_end(arrivals: Arrivals, rng: np.random.Generator) -> IntArray:
    """M, the arrivals after which a round has enough: ``(ROUNDS_DRAWN,)``. Cost: nothing to draw
    where a count decides. With g groups of d workers, a draw a round, and a multinomial of d
    classes, or the quantiles of g binomials where groups are few and large."""
    if arrivals.size is None:
        return np.full(ROUNDS_DRAWN, arrivals.high)
    d, groups = arrivals.size, arrivals.workers // arrivals.size
    late = -np.expm1(np.log(rng.random(ROUNDS_DRAWN)) / groups)  # P(a group is first heard after v)
    heard = -np.expm1(np.log(late) / d)  # v
    few = 8 * groups < d
    rows = max(1, 2**20 // (groups if few else d))  # at most 2^20 chances of groups at once
    covered = np.ones(ROUNDS_DRAWN, dtype=np.int64)
    for first in range(0, ROUNDS_DRAWN, rows if groups > 1 else ROUNDS_DRAWN):
        some = slice(first, first + rows)
        v = heard[some, None]
        if few:
            from scipy import stats  # takes half a second, and few runs need it

            beyond = (1 - late[some, None]) * rng.random((len(v), groups - 1))
            covered[some] += np.asarray(stats.binom.isf(beyond, d, v), dtype=np.int64).sum(axis=1)
        else:
            classes = rng.multinomial(groups - 1, _group_arrivals(d, v))
            covered[some] += classes @ np.arange(1, d + 1)
    return np.clip(covered, arrivals.low, arrivals.high)


def _group_arrivals(d: int, v: FloatArray) -> FloatArray:
    """Chances that 1..d workers of a group have arrived, given that one has: ``(rows, d)``."""
    j = np.arange(1, d + 1)
    choose = special.gammaln(d + 1) - special.gammaln(j + 1) - special.gammaln(d - j + 1)
    log = choose + special.xlogy(j, v) + special.xlog1py(d - j, -v)
    chance = np.exp(log - log.max(axis=1, keepdims=True))
    return np.asarray(chance / chance.sum(axis=1, keepdims=True))
