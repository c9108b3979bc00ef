"""How many arrivals a stopping rule needs, when their order is uniformly random.

With independent, identically distributed times the order of arrivals is uniformly random and
independent of their instants. So a rule without a deadline is known by one sequence: u_m, the
probability that m arrivals are not enough. A round then lasts longer than t with probability
sum_m u_m C(n, m) F^m (1 - F)^(n - m), where F = P(one worker's time <= t) (our derivation)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
from scipy import special

from ..base.errors import InvalidParameter
from ..base.fields import require_count, require_group
from ..base.types import FloatArray
from .base import Fixed, Scheme
from .parts.deadlines import Deadline, Later, WindowIfFew
from .parts.stopping import AllOf, AnyOf, CoverGroups, FirstK, StoppingRule

LEFT_OUT = 1e-100  # the least chance that the chain goes on with

Pick: TypeAlias = Callable[[float, float], Any]  # ``min``: the earlier of two rules; or ``max``


@dataclass(frozen=True)
class NoFormula:
    """The reason why there is no closed form."""

    reason: str


@dataclass(frozen=True)
class Arrivals:
    """A rule that needs ``high`` arrivals, or at least ``low`` that cover every group. The first k
    arrivals are low = high = k; cover alone is low = 0, high = n; ErasureHead is low = 0, high = r.
    The form is closed under "either" and "both". Raises ``InvalidParameter``: not 0 <= low <= high
    and 1 <= high <= n, or a size that does not divide n."""

    workers: int  # n
    low: int  # fewer arrivals are never enough
    high: int  # this many arrivals are always enough
    # Workers in a group, or ``None`` when only the count matters (low = high).
    size: int | None = None

    def __post_init__(self) -> None:
        require_count("workers", self.workers)
        require_count("high", self.high, workers=self.workers)
        require_count("low", self.low, least=0, high=self.high)
        if self.size is not None:
            require_group(self.size, self.workers)
        elif self.low != self.high:
            raise InvalidParameter("size", None, "must be given when low and high differ")

    def joined(self, other: Arrivals, pick: Pick) -> Arrivals | NoFormula:
        """The rule that ends a round as soon as one of the two does, or once both do."""
        if None not in (self.size, other.size) and self.size != other.size:
            return NoFormula(f"covers of groups of {self.size} and of {other.size} are dependent")
        size = self.size if other.size is None else other.size
        low, high = pick(self.low, other.low), pick(self.high, other.high)
        return Arrivals(self.workers, low, high, None if low == high else size)

    @cached_property
    def not_enough(self) -> FloatArray:
        """u_m for m = 0 .. n: ``(n + 1,)``. Cost: ``uncovered_after``."""
        u = np.zeros(self.workers + 1)
        if self.size is not None:
            u[: self.high] = uncovered_after(self.workers, self.size, self.high)
        u[: self.low] = 1.0
        return u

    @cached_property
    def _terms(self) -> tuple[int, FloatArray, FloatArray]:
        """The first count of arrivals that may be enough, those that may be or not, log C(n, m)."""
        n, split = self.workers, int(np.argmax(self.not_enough < 1.0))
        m = np.arange(split, self.high, dtype=np.float64)
        ways = special.gammaln(n + 1) - special.gammaln(m + 1) - special.gammaln(n - m + 1)
        return split, m, ways

    def sf(self, missing: FloatArray, reached: Callable[[], FloatArray]) -> FloatArray:
        """Probability that the round goes on, given the probability ``missing`` that one worker is
        not done, of any shape. ``reached`` gives P(a worker's time <= t): 1 - missing would lose
        digits where it is small. It is called only where needed: a worker's law takes most of the
        time. Cost: O(1) per element for the first k and for cover alone, else O(high - n/d)."""
        n, k = self.workers, self.high
        if self.size is None:
            return np.asarray(special.betainc(n - k + 1, k, missing))
        groups = n // self.size
        if self.low <= groups and self.high > n - self.size:
            with np.errstate(divide="ignore"):
                return np.asarray(-np.expm1(groups * np.log1p(-(missing**self.size))))
        split, m, ways = self._terms  # fewer are never enough: an incomplete beta
        head = np.asarray(special.betainc(n - split + 1, split, missing))
        if split == self.high:
            return head
        done, gone = np.ravel(reached())[:, None], np.ravel(missing)[:, None]
        log_done, log_gone = special.xlogy(1.0, done), special.xlogy(1.0, gone)
        # Terms of a binomial so many deviations and terms from its mean are below 1e-40.
        reach = 14.0 * np.sqrt(n * done * gone) + 60.0
        lowest, highest = n * done - reach - split, n * done + reach + 1 - split
        rest = np.empty(len(done))
        step = max(1, 2**20 // (self.high - split))  # terms in memory at once: 8 MiB
        for start in range(0, len(done), step):
            rows = slice(start, start + step)
            near = slice(max(0, int(lowest[rows].min())), max(0, int(highest[rows].max())))
            log = ways[near] + m[near] * log_done[rows] + (n - m[near]) * log_gone[rows]
            rest[rows] = np.exp(log) @ self.not_enough[split : self.high][near]
        return head + rest.reshape(head.shape)


def uncovered_after(workers: int, load: int, wait_for: int) -> FloatArray:
    """q_m = P(some group has no arrival after m random arrivals), m < r: ``(wait_for,)``.

    The number U of uncovered groups is a Markov chain in m: all ``load`` members of an uncovered
    group are among the n - m workers still out, so the next arrival covers a new group with
    probability load * U / (n - m). Every term is positive (our derivation); the alternating sum of
    inclusion-exclusion would lose half of its digits in doubles at n = 240, load = 2, and all of
    them at n = 1000. Chances below 1e-100 are left out. Cost: O(r sqrt(n / load)), and
    O(r) where all groups are surely not covered. Raises ``InvalidParameter``: not 1 <= r <= n, or a
    load that does not divide n."""
    require_group(load, workers)
    require_count("wait_for", wait_for, workers=workers)
    groups = workers // load
    q = np.ones(wait_for)
    others = np.arange(load)
    alone = np.prod(np.maximum(workers - wait_for + 1.0 - others, 0.0) / (workers - others))
    # What one group has, others lack: all are covered no likelier than if they were independent.
    if (1.0 - alone) ** groups < 1e-17:
        return q
    members = load * np.arange(groups + 1.0)  # of U groups
    chance = np.zeros(groups + 1)
    chance[groups] = 1.0
    low, high = groups, groups + 1  # the values of U that are not left out
    for m in range(wait_for):
        if low == 0 and chance[0] > 1e-17:  # else 1 to the last digit
            q[m] = min(1.0, chance[1:high].sum())
            if q[m] < LEFT_OUT:
                q[m + 1 :] = 0.0
                break
        out, uncovered = workers - m, members[low:high]
        covers = chance[low:high] * (uncovered / out)
        chance[low:high] *= (out - uncovered) / out
        if low == 0:
            chance[: high - 1] += covers[1:]
        else:
            low -= 1
            chance[low : high - 1] += covers
        if m % 16 == 0:
            while chance[high - 1] < LEFT_OUT:
                high -= 1
            while low and chance[low] < LEFT_OUT:
                chance[low] = 0.0
                low += 1
    return q


@dataclass(frozen=True)
class Demand:
    """A rule as arrivals and times: the round lasts ``max(earliest, min(A, Q, latest))``."""

    # The rule that is met at the random time A, or ``None`` for time alone.
    arrivals: Arrivals | None
    earliest: float = 0.0  # seconds before which the round never ends
    latest: float = np.inf  # seconds at which it always ends
    # The number of arrivals, and the grace after them in seconds, that make Q; A is then the last.
    quorum: tuple[Arrivals, float] | None = None
    # How much longer than the first arrival others may take, and how many may be late, where a
    # round in which no more are ends with that window; A is then the last.
    window: tuple[float, int] | None = None

    @property
    def timeless(self) -> bool:
        """Whether the rule counts arrivals alone."""
        timed = self.quorum is not None or self.window is not None
        return self.earliest == 0.0 and self.latest == np.inf and not timed


def demand(rule: StoppingRule, workers: int) -> Demand | NoFormula:
    """Bring a rule into the form of ``Demand``. Knows ``FirstK``, ``CoverGroups``, ``Deadline`` and
    their combinations, as long as groups have one size and a deadline is not bound to one of two
    random parts; and a grace after a number of arrivals, or else all of them, perhaps with a
    deadline; and a window that ends a round alone, if few are late. Raises ``InvalidParameter``: it
    waits for too many, or groups do not divide them."""
    match rule:
        case FirstK(k):
            require_count("wait_for", k, workers=workers)
            return Demand(Arrivals(workers, k, k))
        case CoverGroups(size):
            return Demand(Arrivals(workers, 0, workers, size))
        case Deadline(seconds):
            return Demand(None, seconds, seconds)
        case Later(FirstK(k), seconds):
            require_count("wait_for", k, workers=workers)
            return Demand(None, quorum=(Arrivals(workers, k, k), seconds))
        case WindowIfFew(window, late, messages) if messages == workers and late < workers - 1:
            return Demand(Arrivals(workers, workers, workers), window=(window, late))
        case AnyOf(left, right) | AllOf(left, right):
            a, b = demand(left, workers), demand(right, workers)
            if isinstance(a, NoFormula):
                return a
            if isinstance(b, NoFormula):
                return b
            return _joined(a, b, min if isinstance(rule, AnyOf) else max)
    return NoFormula(f"the stopping rule {type(rule).__name__} has no closed form")


def _joined(a: Demand, b: Demand, pick: Pick) -> Demand | NoFormula:
    for barrier, other in ((a, b), (b, a)):
        if barrier.window is not None:  # a round also ends when everybody has arrived
            alone = pick is min and other == Demand(barrier.arrivals)
            why = "a window for few late ones is bound to another part than the last arrival"
            return barrier if alone else NoFormula(why)
    earliest, latest = pick(a.earliest, b.earliest), pick(a.latest, b.latest)
    if a.quorum or b.quorum:
        every = [d.arrivals for d in (a, b) if d.arrivals]
        # A deadline for which only the last arrival waits.
        bound = any(d.arrivals and d.earliest > 0 for d in (a, b))
        last = all(e.low == e.workers for e in every)
        if pick is max or (a.quorum and b.quorum) or bound or not last:
            return NoFormula("a grace is bound to another part than the last arrival")
        return Demand(every[0] if every else None, earliest, latest, a.quorum or b.quorum)
    if a.arrivals is None or b.arrivals is None:
        return Demand(a.arrivals or b.arrivals, earliest, latest)
    if max(a.earliest, b.earliest) > 0 if pick is min else min(a.latest, b.latest) < np.inf:
        return NoFormula("a deadline is bound to one part of a rule with two random parts")
    joint = a.arrivals.joined(b.arrivals, pick)
    return joint if isinstance(joint, NoFormula) else Demand(joint, earliest, latest)


def first_arrivals(scheme: Fixed) -> Arrivals | NoFormula:
    """What a scheme without a deadline waits for; raises as ``demand`` does."""
    asked = demand(scheme.stopping, scheme.workers)
    if isinstance(asked, NoFormula):
        return asked
    if asked.arrivals is None or not asked.timeless:
        return NoFormula("a deadline leaves the number of arrivals random")
    return asked.arrivals


def same_every_round(scheme: Scheme) -> Fixed | NoFormula:
    """A scheme in whose rounds each worker computes its load once and sends one message."""
    if scheme.local_steps > 1:
        return NoFormula("workers take local steps, and send no gradients")
    if not isinstance(scheme, Fixed):
        return NoFormula("its rounds differ in code or stopping rule, or it has none")
    if scheme.patience is not None:
        return NoFormula("workers give up or start again by themselves")
    if scheme.assignment.messages > 1:
        return NoFormula("workers send several messages, which do not arrive independently")
    return scheme
