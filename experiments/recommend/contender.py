"""A scheme on its way through the search, what it costs, and how two are compared."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from ...sim.types import FloatArray, IntArray
from ..config.errors import ConfigError
from ..options import Criterion
from ..run.records import CONFIDENCE, mean_interval
from .candidates import CLOCK, THEORY, Expected, Profile
from .measure import Performance
from .question import Goal, Order, Question, broken, typical
from .scenario import LAW, Evidence

SURE = 0.999  # confidence with which a scheme is dropped early: it is looked at several times
NO_DIFFERENCE = 1e-12  # relative: two means this close are equal, but for rounding
SAMPLES = 400  # bootstrap samples of the replications, always the same ones
EXACT = 1e-9  # a decoding error that is rounding
WHOLE = 0.8  # of an exact iteration: an update that counts less leaves much of the data out
FEW = 16  # so few runs decide a mean by chance
# A mean that is this many times the median is decided by rare runs, if they are such a share; of
# exponential values, it would be an eighth.
ABOVE, RARE = 1.05, 0.04
NUMBER = 8.0  # bytes of a number in a message
# Stages at which a scheme leaves that breaks a limit, and one that does not suit the cluster.
LIMITS, UNBUILT = "limits", "cannot be built"
MARGIN = {THEORY: 0.02, CLOCK: 0.1}  # a scheme must be slower by this to go; drawn rounds err


def to_goal(values: FloatArray, criterion: Criterion = "mean") -> float:
    """What is compared of ``(R,)``; infinite where a replication does not reach the goal."""
    # A mean over the replications that do reach it would flatter.
    return float(typical(values, criterion)) if np.isfinite(values).all() else np.inf


@lru_cache(maxsize=8)
def _samples(replications: int) -> IntArray:
    return np.random.default_rng(0).integers(0, replications, (SAMPLES, replications))


def ratio(
    mine: FloatArray,
    best: FloatArray,
    criterion: Criterion = "mean",
    sure: float = CONFIDENCE,
    evidence: Evidence = LAW,
) -> tuple[float, float, float]:
    """The criterion of mine over that of best with a paired interval, over the replications that
    both have; NaN where one misses the goal in any of them. The standard error is of the ratio's
    logarithm: of means by the first order of their errors, of quantiles by the bootstrap.
    ``evidence``: what the runs are drawn from."""
    count = min(len(mine), len(best))
    mine, best = mine[:count], best[:count]
    if not ((mine > 0) & (best > 0) & np.isfinite(mine) & np.isfinite(best)).all():
        return np.nan, np.nan, np.nan
    middle = float(typical(mine, criterion) / typical(best, criterion))
    if count < 2:
        return middle, np.nan, np.nan
    if criterion == "mean":
        error = (mine / mine.mean() - best / best.mean()).std(ddof=1) / np.sqrt(count)
    else:
        logs = (np.log(typical(values[_samples(count)], criterion)) for values in (mine, best))
        error = np.subtract(*logs).std(ddof=1)
    half = evidence.half(float(error), count, sure)
    return middle, middle * np.exp(-half), middle * np.exp(half)


def estimate(
    values: FloatArray, criterion: Criterion, evidence: Evidence = LAW
) -> tuple[float, float, float]:
    """The criterion of ``(R,)`` with a 95 % interval; NaN values are left out."""
    known = values[~np.isnan(values)]
    if known.size < 2:
        return mean_interval(known)
    if criterion == "mean":
        error = float(known.std(ddof=1)) / np.sqrt(known.size)
    else:
        error = float(typical(known[_samples(known.size)], criterion).std(ddof=1))
    middle, half = float(typical(known, criterion)), evidence.half(error, known.size, CONFIDENCE)
    return middle, middle - half, middle + half


def behind(
    mine: FloatArray,
    best: FloatArray,
    criterion: Criterion = "mean",
    surge: float = 0.0,
    evidence: Evidence = LAW,
) -> bool:
    """Whether a scheme is surely worse than the best: the paired interval of their ratio lies above
    1, or one misses the goal in over half of the replications that both have. ``surge``: seconds by
    which the best may be worse in a run too rare to be sure of having been seen; a mean counts that
    in. ``evidence``: what the runs are drawn from."""
    best = best[: len(mine)]
    there = np.isfinite(mine) & np.isfinite(best)
    if there.sum() < mine.size / 2:
        return True
    low = ratio(mine[there], best[there], criterion, SURE, evidence)[1]
    unseen = surge * -np.log1p(-SURE) / len(mine) if criterion == "mean" else 0.0
    ahead = float(typical(mine[there], criterion) - typical(best[there], criterion))
    return bool(low > 1 + NO_DIFFERENCE and ahead > unseen)


def decided_by(values: FloatArray) -> int:
    """How many runs make half of what the mean exceeds the median of ``(R,)`` by; 0: many do."""
    middle = float(np.median(values))
    if not np.isfinite(values).all() or values.mean() <= ABOVE * middle:
        return 0
    beyond = np.sort(np.maximum(values - middle, 0))[::-1]
    count = 1 + int(np.searchsorted(np.cumsum(beyond), beyond.sum() / 2))
    return count if count <= min(FEW, max(1, RARE * len(values))) else 0


@dataclass(eq=False)
class Contender:
    """A scheme in the search: what each stage found out, and at which stage it left."""

    index: int  # among all contenders
    section: Mapping[str, Any]  # of the config, with a label if the config gives one
    given: bool  # whether the config names it
    found: bool = False  # whether the search went on to it from another one
    profile: Profile | None = None  # what is known without simulating it
    expected: Expected | None = None  # before anything is trained
    clocked: Performance | None = None  # its clock alone
    trial: Performance | None = None  # values on trial delays at several rates
    rate: float = np.nan  # its own learning rate; NaN without training
    final: Performance | None = None  # on the config's delays, at its and the common rate
    stage: str = ""  # at which it left; empty for those that stayed to the end
    reason: str = ""  # why it left
    breaks: str = ""  # the limit that one of the config's breaks; it stays for comparison
    unheard: str = ""  # which of its partitions are not heard, in words; it may stay for comparison

    @property
    def scheme(self) -> str:
        """Its name in the registry of schemes."""
        return str(self.section["name"])

    @property
    def label(self) -> str:
        """Its name, and what is not a default."""
        if self.profile is not None:
            return self.profile.label
        rest = (f"{k}={v}" for k, v in self.section.items() if k not in ("name", "label"))
        return str(self.section.get("label") or " ".join([self.scheme, *rest]))

    @property
    def parts(self) -> int:
        """Partitions of the gradient; 1 as long as that is not known."""
        return 1 if self.profile is None else self.profile.parts

    @property
    def barrierless(self) -> bool:
        """Whether no barrier separates its rounds, as far as that is known."""
        return self.profile is not None and self.profile.barrierless

    @property
    def coded(self) -> bool:
        """Whether workers hold more than one partition each for the sake of others."""
        return self.profile is not None and self.profile.holds > 1 and not self.barrierless

    @property
    def barred(self) -> bool:
        """Whether it is not to be recommended."""
        return bool(self.breaks or self.unheard)

    @property
    def stays(self) -> bool:
        """Whether it is there for comparison, however slow it is."""
        return self.given or self.barred

    @property
    def values(self) -> FloatArray:
        """Final values at its own rate, ``(R,)``."""
        return self.at(self.rate)

    def at(self, rate: float) -> FloatArray:
        """Final values at one of its rates, ``(R,)``."""
        assert self.final is not None
        return self.final.at(rate)

    @property
    def value(self) -> float:
        """What is compared of the final values; infinite where a replication misses the goal."""
        assert self.final is not None
        return to_goal(self.values, self.final.criterion)

    def against(self, other: Contender) -> tuple[float, float, float]:
        """The ratio to another one with a paired 95 % interval, see ``ratio``."""
        assert self.final is not None
        final = self.final
        return ratio(self.values, other.values, final.criterion, evidence=final.evidence)

    @property
    def iteration_time(self) -> float:
        """Mean seconds of an iteration in the race: to the target where there is one that is always
        reached, else in a whole run."""
        assert self.final is not None
        needed = self.final.to_target[:1]  # at its own rate
        if needed.size and np.isfinite(needed).all():
            return float(self.values.mean() / needed.mean())
        return float(self.final.iteration_time.mean())

    @property
    def counts(self) -> float:
        """How much of an exact iteration an update counts where nothing is trained; else NaN."""
        run = self.final or self.clocked
        return np.nan if run is None else float(run.iteration_time.mean()) / run.yardstick

    def leave(self, stage: str, reason: str) -> None:
        """Note that it left, and why."""
        self.stage, self.reason = stage, reason

    def refuse(self, reason: str) -> None:
        """Note that it cannot be simulated. Raises ConfigError: the config names it."""
        if self.given:
            raise ConfigError(reason)
        self.leave(UNBUILT, reason)

    def costs(self, question: Question, one: Performance, value: float) -> dict[str, float]:
        """Load, worker-seconds, message bytes and decoding error to the goal, by name. A budget is
        used up in any case; ``value``, what the goal makes small, may be NaN."""
        assert self.profile is not None
        goal, features = question.goal, question.scenario.features
        seconds = goal.value if goal.kind == "budget" else value
        message = NUMBER * features if features else np.nan
        return {
            "load": float(self.profile.holds),
            "worker_seconds": float(one.busy.mean()) * seconds,
            "bytes": float(one.heard.mean()) * message * seconds,
            "error": one.error,
        }

    def keep_limits(self, question: Question, costs: Mapping[str, float]) -> None:
        """Leave if these costs break a limit; one that the config names only notes it."""
        if self.expected is not None:  # an expected error has no sampling error
            costs = {**costs, "error": self.expected.error}
        if (limit := broken(question.limits, costs)) is not None and self.given:
            self.breaks = limit
        elif limit is not None:
            self.leave(LIMITS, limit)


def trial_order(one: Contender) -> tuple[float, float]:
    """A key that sorts by the trial, each at its best rate."""
    return (np.inf, np.inf) if one.trial is None else one.trial.order(one.rate)


def final_order(one: Contender, rate: float | None = None) -> tuple[float, float]:
    """A key that sorts by the race, each at its own rate or at another one."""
    assert one.final is not None
    return one.final.order(one.rate if rate is None else rate)


def slower(question: Question, mine: Order, best: Order, near: float) -> str:
    """Why a scheme leaves after the trial, where trials end that are ``near`` times the best."""
    if mine[0] > best[0]:
        text = f"does not reach the goal in {mine[0]:.0f} trial replications"
        return f"{text}, or not within {near:g} times the best, at any rate"
    value = f"{mine[1]:.4g}{question.goal.unit} {question.goal.phrase}"
    return f"{value} at its best rate, {mine[1] / best[1]:.3g} times the best"


def remaining(contenders: Iterable[Contender]) -> list[Contender]:
    """Those that have not left."""
    return [one for one in contenders if not one.stage]


def require_some(contenders: Sequence[Contender]) -> None:
    """Refuse limits that no scheme keeps. Raises ConfigError: every scheme breaks one."""
    if any(not one.breaks for one in remaining(contenders)):
        return
    broken = [one for one in contenders if one.breaks or one.stage == LIMITS]
    texts = [f"{one.label}: {one.breaks or one.reason}" for one in broken[:2]]
    raise ConfigError(f"no scheme keeps the limits ({'; '.join(texts)}, ...)")


def cannot_win(contenders: Sequence[Contender], goal: Goal) -> dict[int, str]:
    """Indices of those that surely cannot win, each with the reason. That is a scheme that is
    slower per iteration, by more than a margin, than one whose gradients are at least as good:
    exact, or of the same scheme with no larger error for each of its partitions. Where the goal
    itself is expected, it is a scheme that is behind the best by more than the margin."""
    known = [one for one in contenders if one.expected is not None]
    gone: dict[int, str] = {}
    for one in known:
        reasons = (_beaten(one, other, goal) for other in known)
        if not one.given and (reason := next(filter(None, reasons), None)) is not None:
            gone[one.index] = reason
    return gone


def _beaten(one: Contender, other: Contender, goal: Goal) -> str | None:
    """Why one cannot win while the other is there; ``None`` where that is not sure."""
    mine, theirs = one.expected, other.expected
    assert mine is not None
    assert theirs is not None
    margin = 1 + max(MARGIN[mine.source], MARGIN[theirs.source])
    by = "by a few drawn rounds" if mine.source == CLOCK else f"by {mine.source}"
    if np.isfinite(theirs.value) and mine.value > theirs.value * margin:
        text = f"{mine.value:.4g} s {goal.phrase} {by}"
        return f"{text}; {other.label} takes {theirs.value:.4g} s"
    exact = theirs.error <= EXACT
    shares = [found.error / each.parts for found, each in ((theirs, other), (mine, one))]
    as_good = other.scheme == one.scheme and shares[0] <= shares[1] * (1 + 1e-9)
    slower = goal.criterion == "mean" and mine.iteration_time > theirs.iteration_time * margin
    if mine.fresh and theirs.fresh and (exact or as_good) and slower:
        text = f"an iteration takes {mine.iteration_time:.4g} s {by}"
        better = "is exact" if exact else "has no larger error"
        return f"{text}; {other.label} {better} and takes {theirs.iteration_time:.4g} s"
    return None
