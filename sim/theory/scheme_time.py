"""Which law a scheme's rounds have, and what is known of a run without running it.
``iteration_time`` has the laws and their sources."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..base.fields import require_count
from ..base.types import DelayLaw, FloatArray
from ..load_laws import LoadLaw
from ..schemes.across_rounds.local_sgd import GroupedRounds, LocalRounds
from ..schemes.arrivals import Arrivals, Demand, NoFormula, demand, same_every_round
from ..schemes.base import Fixed, Scheme
from ..schemes.deployed import Copies
from ..schemes.parts.deadlines import Deadline
from ..schemes.parts.stopping import FirstK, StoppingRule
from ..schemes.time_limits import TimeLimited
from .decoding_error import expected_decoding_error, group_erasure
from .dependent_time import levels_law, rack_law
from .iteration_time import BarrierLaw, IterationTimeLaw, StagesLaw
from .worker_time import (
    MessageTime,
    WorkerTime,
    exponential_beyond,
    piece_time_at,
    smallest,
    worker_time_at,
)


def iteration_time_law(
    rule: StoppingRule, workers: int, worker: WorkerTime
) -> IterationTimeLaw | NoFormula:
    """The law of a round's duration for a stopping rule, n workers and one law of their times.
    Returns ``NoFormula`` with the reason when the rule has no closed form. Raises
    ``InvalidParameter``: the rule does not fit the number of workers."""
    require_count("workers", workers)
    asked = demand(rule, workers)
    if isinstance(asked, NoFormula):
        return asked
    if asked.window is None:
        return IterationTimeLaw(asked, worker)
    return NoFormula(TIED) if _tied(worker) else BarrierLaw(asked, worker)


def scheme_iteration_time(
    scheme: Scheme, delay: DelayLaw, law: LoadLaw, message: MessageTime | None = None
) -> IterationTimeLaw | NoFormula:
    """``iteration_time_law`` of a scheme, given the unit delay, the load law, and what a message
    takes (``None``: no time). Returns ``NoFormula`` when the plan changes, when a worker gives up
    by itself or sends several messages, when loads differ, or when the worker's time or the rule
    has no closed form.

    Where racks are slow together it is known for schemes that do the same in every round.

    For ``drop_compute`` it is known only if the micro-batch under way is dropped: a round then
    takes the last worker's time, or tau if that is shorter. Of local steps it is the law of an
    iteration, the H-th part of a round."""
    known = delay.together(scheme.workers)
    if known is not None and isinstance(same_every_round(scheme), NoFormula):
        return NoFormula(NOT_INDEPENDENT)
    if message is not None and (known is not None or isinstance(scheme, TimeLimited | Copies)):
        return NoFormula(NOT_IDEAL)
    if isinstance(scheme, TimeLimited):
        if not (scheme.sharp or scheme.exact):
            return NoFormula("how far a worker goes beyond its patience has no closed form")
        if (worker := piece_time_at(delay, law, scheme.pieces, scheme.pieces)) is None:
            return NoFormula(f"the time of {scheme.pieces} pieces has no closed form")
        limit = FirstK(scheme.workers) | Deadline(scheme.patience)
        rule = FirstK(scheme.workers) if scheme.exact else limit
        return iteration_time_law(rule, scheme.workers, worker)
    if isinstance(scheme, GroupedRounds):
        step = worker_time_at(delay, law, 1)
        if step is None or message is not None:
            return NoFormula("levels: the time of a step has no closed form")
        if _tied(step) and exponential_beyond(step) is None:
            return NoFormula(TIED)
        return levels_law(step, scheme.levels, scheme.workers, scheme.local_steps)
    sent, parts = message or MessageTime(), (scheme.message_size, scheme.local_steps)
    if isinstance(scheme, LocalRounds):
        if scheme.stopping.timed:
            return NoFormula("a round of local steps that ends by time has no closed form")
        worker = sent.added_to(delay, law, scheme.assignment.load, *parts)
        if worker is None:
            return NoFormula(f"the time of {scheme.local_steps} steps has no closed form")
        return iteration_time_law(scheme.stopping, scheme.workers, worker)
    if isinstance(scheme, Copies):
        return _copied_law(scheme, worker_time_at(delay, law, 1))
    plain = same_every_round(scheme)
    if isinstance(plain, NoFormula):
        return plain
    if unequal := _unequal(plain):
        return unequal
    loads = plain.assignment.loads
    loads = loads[loads > 0]  # the others send nothing
    if loads[0] % 1:
        return NoFormula(f"a load of {loads[0]:g} partitions is not a whole number")
    if (worker := sent.added_to(delay, law, int(loads[0]), *parts)) is None:
        return NoFormula(f"a worker's time at load {loads[0]} has no closed form")
    senders = len(loads)
    among = plain.stopping.among(np.asarray(senders))
    if known is None:
        return iteration_time_law(among, senders, worker)
    if isinstance(asked := demand(among, senders), NoFormula):
        return asked
    racks, weights, units = known
    laws = [worker_time_at(unit, law, int(loads[0])) for unit in units]
    if senders < scheme.workers or None in laws:
        return NoFormula(NOT_INDEPENDENT)
    return rack_law(asked, worker, racks, weights, [time for time in laws if time is not None])


def speculative_rates(workers: int, copy_after: int) -> FloatArray:
    """``(n,)`` rates of the waits for the next task of a round with backup tasks, each worker's
    being 1; see ``eh.theory.mean_speculative``."""
    missing = np.arange(workers, 0, -1.0)
    return np.where(np.arange(workers) >= copy_after, np.minimum(2.0 * missing, workers), missing)


def _copied_law(scheme: Copies, worker: WorkerTime | None) -> IterationTimeLaw | NoFormula:
    if worker is not None and scheme.q == scheme.n:
        return iteration_time_law(FirstK(scheme.n), scheme.n, worker)
    law = None if worker is None else exponential_beyond(worker)
    if worker is None or law is None or law[0] > 0 or law[1] == np.inf or scheme.multiplier:
        return NoFormula("backup tasks: only exponential times, without multiplier")
    rates = tuple((law[1] * speculative_rates(scheme.n, scheme.q)).tolist())
    return StagesLaw(Demand(Arrivals(scheme.n, scheme.n, scheme.n)), worker, rates)


def _unequal(scheme: Fixed) -> NoFormula | None:
    loads = scheme.assignment.loads
    loads = loads[loads > 0]
    if not loads.size:
        return NoFormula("no worker holds anything")
    least, most = loads.min(), loads.max()
    return None if least == most else NoFormula(f"loads differ, from {least} to {most}")


# What is known of a run: of its scheme, in its cluster.

NOT_CANCELLED = "closed forms are for the policy cancel, or schemes that wait for everybody"
NOT_INDEPENDENT = "closed forms are for delays that are independent draws from one law"
NOT_IDEAL = "networks and failures have no closed form"
TIED = "ties: all who arrive at the stopping instant count"

# survival levels at which ``_tied`` looks for jumps: no instant of a chance over 1/513 is missed
TIE_LEVELS = np.linspace(0.0, 1.0, 514)[1:-1]


@dataclass(frozen=True)
class RoundTheory:
    """What is known of a scheme's rounds without a run: their law and mean error, or why not."""

    time: IterationTimeLaw | NoFormula
    error: float | NoFormula


def round_theory(
    scheme: Scheme,
    delay: DelayLaw,
    law: LoadLaw,
    cancels: bool = True,
    ideal: bool = True,
    message: MessageTime | None = None,
) -> RoundTheory:
    """What is known of a scheme's rounds, or why it is not.

    Args:
        cancels: whether the policy cancels unfinished work. Where a scheme waits for everybody, all
            policies are alike.
        ideal: whether nothing fails, and messages take no time or that of ``message``.
        message: the law of a message's seconds, if they take any.
    """
    known = 0.0 if scheme.exact else None
    together = delay.together(scheme.workers) is not None
    if not ideal or not (delay.independent or together):
        why = NoFormula(NOT_INDEPENDENT if ideal else NOT_IDEAL)
        return RoundTheory(why, why if known is None or not ideal else known)
    time = scheme_iteration_time(scheme, delay, law, message)
    if not cancels and not (isinstance(time, IterationTimeLaw) and _waits_for_all(time.demand)):
        why = NoFormula(NOT_CANCELLED)
        return RoundTheory(why, why if known is None else known)
    if known is not None:
        return RoundTheory(time, known)
    if together:
        return RoundTheory(time, NoFormula(NOT_INDEPENDENT))
    if (error := expected_decoding_error(scheme)) is None:
        erased = group_erasure(scheme)
        assert isinstance(erased, NoFormula)  # else the error would be known
        return RoundTheory(time, erased)
    plain = same_every_round(scheme)
    if not isinstance(plain, NoFormula) and (unequal := _unequal(plain)):
        return RoundTheory(time, unequal)  # who has less to do arrives first
    tied = isinstance(time, IterationTimeLaw) and _tied(time.worker)
    return RoundTheory(time, NoFormula(TIED) if tied else error)


def _waits_for_all(asked: Demand) -> bool:
    arrivals = asked.arrivals
    return asked.timeless and arrivals is not None and arrivals.low == arrivals.workers


def _tied(worker: WorkerTime) -> bool:
    """Whether some exact time has a chance of its own, so that workers arrive together."""
    times = smallest(lambda t: worker.sf(t) <= TIE_LEVELS, TIE_LEVELS.size)
    before = np.where(times > 0, worker.sf(np.nextafter(times, 0.0)), 1.0)
    return bool(np.any(before - worker.sf(times) > 1e-6))  # a smaller jump is rounding
