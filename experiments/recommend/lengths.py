"""How long the runs of the search are: long enough for the goal, and not much longer."""

from __future__ import annotations

import numpy as np

from ..config.errors import ConfigError
from .entry import Entry
from .goal import Goal

LONGER = 3
"""Runs are up to so many times as long as the config's, where iterations are short."""

MOST_ITERATIONS = 2000
"""Of uncoded within a budget; of others ``LONGER`` times as many."""


def long_enough(entry: Entry, iterations: int, goal: Goal, horizon: float) -> int:
    """Iterations of a scheme whose losses are looked at.

    Args:
        entry: the scheme; where its clock is not known, it runs as long as the config says.
        iterations: of the config.
        goal: what is looked at.
        horizon: seconds that uncoded takes for the config's iterations.
    """
    if entry.clocked is None:
        return iterations
    each = float(entry.clocked.iteration_time.mean())
    if not 0 < each < np.inf:
        return iterations
    if goal.kind == "budget":
        wanted = int(1.3 * goal.value / each) + 5
        return min(wanted, LONGER * MOST_ITERATIONS)
    return min(max(iterations, int(horizon / each)), LONGER * iterations)


def require_budget(goal: Goal, each: float) -> None:
    """Refuse a budget that takes too long to simulate.

    Args:
        goal: with the budget.
        each: seconds of an iteration of uncoded.

    Raises:
        ConfigError: it does.
    """
    most = MOST_ITERATIONS * each
    if goal.value > most:
        text = f"is {goal.value / each:.3g} iterations of uncoded"
        raise ConfigError(f"--budget = {goal.value:g}: {text}; must be at most {most:.4g} s")
