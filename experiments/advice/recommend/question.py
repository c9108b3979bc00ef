"""What is asked: the goal, the limits and the schemes that are searched."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ....sim.base.errors import Option, at, one_of
from ....sim.base.types import FloatArray, IntArray
from ....sim.training.learner import Learner, training_context
from ...config import build
from ...config.catalogue import Catalogue
from ...config.cells import cells
from ...run.tuning import ROUND_OFF
from .compare import ANYTHING, Order, order
from .request import Criterion, SearchRequest
from .scenario import TODAY, Scenario, read_scenario

# What can be limited, with its name in sentences: partitions that a worker holds; until the goal,
# what workers compute and what the master hears; ``||w - 1||^2 n / k`` of an update.
LIMITED = {
    "load": "partitions a worker",
    "worker_seconds": "worker-seconds",
    "bytes": "message bytes",
    "error": "mean decoding error",
}


@dataclass(frozen=True)
class Goal:
    """What is made as small as possible."""

    # ``target``: seconds until the training loss is first at or below ``value``, and stays;
    # ``budget``: the training loss after ``value`` seconds; ``iterations``, without a problem:
    # seconds that ``value`` exact iterations, or as much progress, take
    kind: Literal["target", "budget", "iterations"]
    value: float  # a loss, seconds, or a number of iterations
    criterion: Criterion = "mean"  # what of the runs' seconds (or losses) is made small

    @property
    def unit(self) -> str:
        """The unit after a number: `` s``, or nothing for a loss."""
        return "" if self.kind == "budget" else " s"

    @property
    def column(self) -> str:
        """The name of this quantity in tables."""
        return "loss" if self.kind == "budget" else "seconds"

    @property
    def phrase(self) -> str:
        """The goal after a number: ``12.3 s to a training loss of 0.5``."""
        of = {"mean": "", "median": " (median)", "p95": " in 95 % of the runs"}[self.criterion]
        match self.kind:
            case "target":
                return f"to a training loss of {self.value:.4g}{of}"
            case "budget":
                return f"of training loss after {self.value:.4g} s{of}"
            case "iterations":
                return f"for the progress of {self.value:g} exact iterations{of}"


def trial(
    goal: Goal,
    times: FloatArray,
    losses: Iterable[FloatArray],
    best: Order = ANYTHING,
    least_stay: int = 10,
) -> FloatArray:
    """What the goal makes small, and the iterations to a target, ``(2, R)``; NaN where it is not
    reached. Looks at losses, ``(R,)`` at the start and after each iteration, until that is known,
    or until the values can no longer be as good as ``best``. ``times``: ``(R, T + 1)`` seconds at
    the end of each iteration; 0 at first. A target is reached when the loss is first at or below
    it and then stays there once as long as that took, ``least_stay`` iterations at least, or to the
    end of the run: a rate that is too large may pass the target by chance."""
    replications, end = len(times), times.shape[1] - 1
    if goal.kind == "budget":
        last = np.maximum((times <= goal.value).sum(axis=1) - 1, 0)
        values = _taken(np.stack([*islice(losses, int(last.max()) + 1)], axis=1), last)
        values = np.where(np.isfinite(values), values, np.nan)
        return np.array([values, np.full(replications, np.nan)])
    target = goal.value * (1 + ROUND_OFF)
    first, stay = np.full(replications, -1), np.zeros(replications, dtype=np.int64)
    reached, lost = np.zeros(replications, dtype=bool), np.zeros(replications, dtype=bool)
    for t, loss in enumerate(losses):
        below = loss <= target
        first[below & (first < 0)] = t
        stay = np.where(below, stay + 1, 0)
        reached |= below & ((stay > np.maximum(first, least_stay)) | (t == end))
        lost |= ~np.isfinite(loss) & ~reached
        # At best, who has not been there yet gets there in the next iteration.
        soonest = _taken(times, np.where(first < 0, min(t + 1, end), first))
        ends = np.where(lost, np.nan, soonest)
        if (reached | lost).all() or order(ends, goal.criterion) > best:
            break
    seconds = _taken(times, np.where(reached, first, 0))
    return np.where(reached, [seconds, first], np.nan)


def _taken(rows: FloatArray, columns: IntArray) -> FloatArray:
    return np.take_along_axis(rows, columns[:, None], axis=1)[:, 0]


def read_limits(request: SearchRequest, features: int) -> dict[str, float]:
    """The limits that a request gives. Raises ConfigError: one is not a number that can be kept."""
    values = {name: getattr(request, f"max_{name}") for name in LIMITED}
    given = {name: value for name, value in values.items() if value is not None}
    for name, value in given.items():
        least = 1.0 if name == "load" else 0.0
        if not (math.isfinite(value) and value >= least):
            option = Option(f"max_{name}")
            raise at(option, value, f"must be a number of at least {least:g}")
    if "bytes" in given and not features:
        text = "needs a problem, which says how long a gradient is"
        raise at(Option("max_bytes"), request.max_bytes, text)
    return given


def read_schemes(request: SearchRequest, catalogue: Catalogue) -> tuple[str, ...]:
    """Names of the schemes that are searched; empty: all. Raises ConfigError: an unknown one."""
    if request.only is None:
        return ()
    names = tuple(dict.fromkeys(part.strip() for part in request.only.split(",")))
    known: Mapping[str, Any] = catalogue["schemes"].classes
    for name in names:
        if name not in known:
            raise at(Option("only"), name, one_of(known, name))
    return names


class ExactPath:
    """Exact gradient descent, trained as far as it is looked at, within ``training_context()``."""

    def __init__(self, learning: build.Training) -> None:
        self.learning = learning
        problem = replace(learning.problem, X_test=None, y_test=None)
        self._learner = Learner(problem, [learning.optimizer], learning.initial, 1)
        self._losses = [float(self._learner.evaluate()[0, 0])]

    def loss(self, t: int) -> float:
        """The training loss after t iterations."""
        while len(self._losses) <= t:
            self._learner.update(None)
            self._losses.append(float(self._learner.evaluate()[0, 0]))
        return self._losses[t]


@dataclass(frozen=True, eq=False)
class ExactDescent:
    """Exact gradient descent at its best rate of those a power of 2 away from the config's."""

    rate: float  # the best
    losses: FloatArray  # ``(T + 1,)`` training losses at it

    @property
    def halfway(self) -> float:
        """The loss after half of the iterations, or at the end where that is higher."""
        return float(max(self.losses[len(self.losses) // 2], self.losses[-1]))


def exact_descent(
    learning: build.Training, iterations: int, target: float | None = None, doublings: int = 40
) -> ExactDescent:
    """Walk from the config's rate while it gets better, so many doublings at most, either way: to
    ``target``, or the loss half-way."""

    @cache
    def descent(power: int) -> ExactDescent:
        rate = learning.optimizer.learning_rate * 2.0**power
        optimizer = replace(learning.optimizer, learning_rate=rate)
        with training_context():
            path = ExactPath(replace(learning, optimizer=optimizer))
            return ExactDescent(rate, np.array([path.loss(t) for t in range(iterations + 1)]))

    def quality(power: int) -> tuple[float, float]:
        losses, half = descent(power).losses, descent(power).halfway
        first = np.flatnonzero(losses <= target) if target is not None else np.zeros(1)
        stays = first.size > 0 and (target is None or losses[-1] <= target)
        return float(first[0]) if stays else np.inf, half if np.isfinite(half) else np.inf

    best = 0
    for way in (1, -1):
        for _ in range(doublings):
            if quality(best + way) >= quality(best):
                break
            best += way
    return descent(best)


@dataclass(frozen=True, eq=False)
class Question:
    """A question that can be answered."""

    scenario: Scenario  # the cluster and its problem
    goal: Goal  # what is made small
    limits: Mapping[str, float]  # what must be kept, by the names of ``LIMITED``
    request: SearchRequest  # goal, limits and schemes as they were given
    only: tuple[str, ...]  # schemes that are searched; empty: all
    exact_rate: float  # the exact gradient's best learning rate; NaN without training
    common_rate: float  # the rate of the untuned comparison; NaN without training

    @property
    def trains(self) -> bool:
        """Whether there is a problem."""
        return self.goal.kind != "iterations"

    @property
    def tail_allowance(self) -> float:
        """What a rare slow round adds to the value of a run; not known of a loss."""
        scenario, goal = self.scenario, self.goal
        shares = {"target": 1.0, "budget": 0.0, "iterations": goal.value / scenario.iterations}
        return scenario.tail_allowance * shares[goal.kind]

    def rates(self, factors: Sequence[float], centre: float) -> tuple[float, ...]:
        """A few rates around one, and the common one; the nearest first, as likely the best."""
        rates = {*(centre * factor for factor in factors), self.common_rate}
        return tuple(sorted(rates, key=lambda rate: (abs(np.log(rate / centre)), rate)))


def ask(document: Mapping[str, Any], request: SearchRequest, data_dir: Path | None) -> Question:
    """Read a question about the cluster of a config, whose learning rate is that of the untuned
    comparison. Raises ConfigError: one of them is bad."""
    scenario = read_scenario(document, data_dir)
    limits = read_limits(request, scenario.features)
    only = read_schemes(request, scenario.catalogue)
    goal, exact = _goal(scenario, request)
    goal = replace(goal, criterion=request.criterion)
    exact_rate = common_rate = np.nan
    if exact is not None:
        exact_rate = exact.rate
        common_rate = float(scenario.base["optimizer"]["learning_rate"])
    return Question(scenario, goal, limits, request, only, exact_rate, common_rate)


def _goal(scenario: Scenario, request: SearchRequest) -> tuple[Goal, ExactDescent | None]:
    """The goal, and what the exact gradient does; the config's ``target_loss`` counts where no
    target is given, and without a problem a target is a number of exact iterations. Raises
    ConfigError: both goals are given, or what is asked for cannot be."""
    target, budget = request.target, request.budget
    if target is not None and budget is not None:
        raise at(Option("budget"), budget, "give either a target or a budget")
    if budget is not None and not 0 < budget < np.inf:
        raise at(Option("budget"), budget, "must be a number of seconds greater than 0")
    if target is not None and not 0 < target < np.inf:
        raise at(Option("target"), target, "must be a number greater than 0")
    iterations = scenario.iterations
    if not scenario.features:
        if budget is not None:
            text = "needs a problem; without one a ranking by seconds is the same for any budget"
            raise at(Option("budget"), budget, text)
        return Goal("iterations", iterations if target is None else target), None
    learning = build.training(cells({**scenario.base, "schemes": [TODAY]}, scenario.data_dir)[0])
    assert learning is not None
    if budget is not None:
        return Goal("budget", budget), exact_descent(learning, iterations)
    wanted = scenario.base.get("target_loss") if target is None else target
    exact = exact_descent(learning, iterations, None if wanted is None else float(wanted))
    if wanted is None:
        return Goal("target", exact.halfway), exact
    goal = Goal("target", float(wanted))
    if not exact.losses[-1] <= goal.value:
        option = "target_loss" if target is None else Option("target")
        text = f"exact gradients come down to {float(np.nanmin(exact.losses)):.4g} in {iterations}"
        must = "must be at least that, or give more iterations"
        raise at(option, goal.value, f"{text} iterations; {must}")
    if exact.losses[0] <= goal.value:
        text = f"must be below the loss at the start, {exact.losses[0]:.4g}"
        raise at(Option("target"), goal.value, text)
    return goal, exact
