"""Times to a target loss at several learning rates, and which rate is best for a scheme. Timing
does not depend on gradients: its clock runs once, and the learner replays it at each rate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from ...sim.base.types import FloatArray
from ...sim.engines.run import Run
from ...sim.training.problems import Objective
from ...sim.training.steps import Steps
from ..config.build import Training
from .compute import learn_each
from .metrics import time_to_target

# of the way from the zero model's loss to the best model's, where the target lies
TARGET_SHARE = 0.99
# relative: so close to the target is there, or rounding would tell exact schemes apart
ROUND_OFF = 1e-9


@final
@dataclass(frozen=True)
class Runs:
    """All replications of a scheme at one learning rate."""

    times: FloatArray  # ``(R, T + 1)`` seconds at the end of each iteration; 0 at first
    losses: FloatArray  # ``(R, T + 1)`` training losses

    def seconds(self, target: float) -> FloatArray:
        """Time to the target, ``(R,)`` s; NaN where the run does not end at it or below."""
        return self._first(self.times, target)

    def iterations(self, target: float) -> FloatArray:
        """Iterations to the target, ``(R,)``; NaN where the run does not end at it or below."""
        counts = np.broadcast_to(np.arange(self.losses.shape[1]), self.times.shape)
        return self._first(counts, target)

    def _first(self, clock: NDArray[Any], target: float) -> FloatArray:
        """A rate that is too large may pass the target by chance; such a run does not reach it."""
        goal = target * (1 + ROUND_OFF)
        first = time_to_target(np.asarray(clock, dtype=np.float64), self.losses, goal)
        return np.where(self.losses[:, -1] <= goal, first, np.nan)


def target_loss(problem: Objective, share: float = TARGET_SHARE) -> float:
    """The data loss that lies this share of the way from the zero model to the best one.
    The best model minimises the objective, data loss and L2 term; no scheme has a part in it."""

    def objective(beta: FloatArray) -> float:
        return float(problem.objective(beta[:, None])[0])

    def gradient(beta: FloatArray) -> FloatArray:
        return problem.gradient(beta[:, None])[:, 0] + problem.l2_gradient(beta)

    zero = problem.start(np.random.default_rng(0))
    from scipy.optimize import minimize  # a sixth of a second that other commands save

    until: Any = {"ftol": 1e-15, "gtol": 1e-10, "maxiter": 10_000}
    best = minimize(objective, zero, jac=gradient, method="L-BFGS-B", options=until).x
    start, end = (float(problem.loss(beta[:, None])[0]) for beta in (zero, best))
    return start - share * (start - end)


def replayed(run: Run, steps: Steps, learning: Training, rates: Sequence[float]) -> list[Runs]:
    """The runs of a scheme that does not look at losses, at each rate; test rows are not looked at.
    Its updates are there already. To be called within ``one_thread()``.
    Cost: the learner for each rate, where few replications train side by side."""
    bare = replace(learning, problem=replace(learning.problem, X_test=None, y_test=None))
    optimizers = [replace(learning.optimizer, learning_rate=rate) for rate in rates]
    learned = learn_each(bare, optimizers, steps, run.iterations)
    times = clock(steps, run.iterations)
    return [Runs(times, losses.train_loss) for losses in learned]


def clock(steps: Steps, iterations: int) -> FloatArray:
    """``(R, T + 1)`` seconds at the end of each iteration; 0 at first."""
    ends = steps.clock(iterations)
    return np.concatenate([np.zeros((len(ends), 1)), ends], axis=1)


def best(tried: Sequence[FloatArray]) -> int:
    """Which of ``(R,)`` is best: most often reached, then soonest; if never reached, the first."""
    reached = [seconds[np.isfinite(seconds)] for seconds in tried]
    ranks = [(-times.size, float(times.mean()) if times.size else np.inf) for times in reached]
    return ranks.index(min(ranks))
