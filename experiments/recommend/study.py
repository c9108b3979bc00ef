"""A recommendation: the question, the search, and what follows from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..config import build
from ..config.cells import cells
from ..config.errors import ConfigError, at
from ..run.processes import Lane
from .bench import STAGES, Bench, Report
from .compare import mean, order, ratio, tied
from .course import Course, exact_course
from .entry import Entry, final_order, trial_order
from .goal import Asked, Goal, Limits
from .search import search
from .sensitivity import Moved, few, sensitivity
from .subject import TODAY, Subject


@dataclass(frozen=True, eq=False)
class Study:
    """What was found.

    Attributes:
        subject: the cluster.
        asked: the question.
        entries: all schemes.
        finalists: those that stayed, the best first; the config's own among them.
        winner: the best of those that keep the limits.
        today: the first scheme of the config.
        tied: others that keep the limits and cannot be told apart from the winner.
        untuned: finalists by their value at the common rate, the best first; empty without
            training.
        moved: the best few on changed delays.
        replications: of the last heat.
        bench: on which all was measured.
    """

    subject: Subject
    asked: Asked
    entries: tuple[Entry, ...]
    finalists: tuple[Entry, ...]
    winner: Entry
    today: Entry
    tied: tuple[Entry, ...]
    untuned: tuple[Entry, ...]
    moved: tuple[Moved, ...]
    replications: int
    bench: Bench

    @property
    def reached(self) -> bool:
        """Whether the winner reaches the goal in every replication."""
        return bool(np.isfinite(self.winner.own()).all())

    def value(self, entry: Entry) -> float:
        """Mean of what the goal makes small, at the scheme's own rate."""
        return mean(entry.own())

    def ratio(self, entry: Entry, base: Entry) -> tuple[float, float, float]:
        """A scheme's value over another's, over the replications that both have."""
        mine, other = entry.own(), base.own()
        count = min(len(mine), len(other))
        return ratio(mine[:count], other[:count])

    def costs(self, entry: Entry) -> dict[str, float]:
        """Load, worker-seconds, bytes and error of a scheme."""
        assert entry.final is not None
        return self.bench.costs(entry, entry.final, self.value(entry))

    @property
    def ranked(self) -> list[Entry]:
        """The finalists, and those that left during the race, by their ratio to the winner."""
        left = [e for e in self.entries if e.final is not None and e.out]
        left.sort(key=lambda e: np.nan_to_num(self.ratio(e, self.winner)[0], nan=np.inf))
        return [*self.finalists, *left]

    @property
    def best_coded(self) -> Entry | None:
        """The best code, in the race or as far as it came."""
        return self._best(coded=True)

    @property
    def best_uncoded(self) -> Entry | None:
        """The best scheme whose workers hold one partition each, or without a barrier."""
        return self._best(coded=False)

    def _best(self, coded: bool) -> Entry | None:
        raced = [
            e for e in self.entries if e.final is not None and is_coded(e) == coded and not e.breaks
        ]
        stayed = [e for e in raced if not e.out]
        found = sorted(stayed or raced, key=final_order)
        if found:
            return found[0]
        known = [
            e
            for e in self.entries
            if e.expected is not None and is_coded(e) == coded and e.stage != "limits"
        ]
        return min(known, key=_expected, default=None)


def is_coded(entry: Entry) -> bool:
    """Whether workers hold more than one partition each for the sake of others."""
    return entry.sketch is not None and entry.sketch.coded


def _how_far(entry: Entry) -> tuple[int, float, float]:
    """Those that came furthest first, and of them the best."""
    if entry.final is not None:
        return 0, *final_order(entry)
    if entry.trial is not None:
        return 1, *trial_order(entry)
    return 2, 0.0, _expected(entry)


def _expected(entry: Entry) -> float:
    """The goal's seconds where they need no training; else those of an iteration."""
    assert entry.expected is not None
    found = entry.expected
    return found.iteration_time if np.isnan(found.value) else found.value


def goal_of(
    subject: Subject, target: float | None, budget: float | None
) -> tuple[Goal, Course | None]:
    """The goal, and what the exact gradient does.

    Args:
        subject: the cluster; its ``target_loss`` counts where no target is given.
        target: a loss, or without a problem a number of exact iterations.
        budget: seconds.

    Raises:
        ConfigError: both are given, or what is asked for cannot be.
    """
    if target is not None and budget is not None:
        raise at("--budget", budget, "give either a target or a budget")
    if budget is not None and not 0 < budget < np.inf:
        raise at("--budget", budget, "must be a number of seconds greater than 0")
    if target is not None and not 0 < target < np.inf:
        raise at("--target", target, "must be a number greater than 0")
    if subject.problem is None:
        if budget is not None:
            text = "needs a problem; without one a ranking by seconds is the same for any budget"
            raise at("--budget", budget, text)
        return Goal("iterations", subject.iterations if target is None else target), None
    cell = cells({**subject.base, "schemes": [TODAY]}, subject.data_dir)[0]
    learning = build.training(cell, subject.data_dir)
    assert learning is not None
    if budget is not None:
        goal = Goal("budget", budget)
        return goal, exact_course(learning, subject.iterations, goal)
    wanted = subject.base.get("target_loss") if target is None else target
    if wanted is None:
        course = exact_course(learning, subject.iterations, None)
        half = float(max(course.losses[len(course.losses) // 2], course.losses[-1]))
        return Goal("target", half), course
    goal = Goal("target", float(wanted))
    course = exact_course(learning, subject.iterations, goal)
    if not course.reaches(goal.value):
        place = "target_loss" if target is None else "--target"
        least = float(np.nanmin(course.losses))
        raise at(
            place,
            goal.value,
            f"exact gradients come down to {least:.4g} in {subject.iterations} iterations; must be "
            "at least that, or give more iterations",
        )
    if course.losses[0] <= goal.value:
        raise at(
            "--target", goal.value, f"must be below the loss at the start, {course.losses[0]:.4g}"
        )
    return goal, course


def investigate(
    subject: Subject,
    goal: Goal,
    course: Course | None,
    limits: Limits,
    only: Sequence[str],
    common: float | None,
    lanes: Sequence[Lane],
    report: Report,
) -> Study:
    """Search, and ask how far the answer holds.

    Args:
        subject: the cluster.
        goal, course: as ``goal_of`` gives them.
        limits: what must be kept.
        only: schemes that are searched; empty: all.
        common: learning rate of the untuned comparison; ``None``: the exact gradient's best.
        lanes: where to compute.
        report: progress.

    Raises:
        ConfigError: nothing keeps the limits, or a scheme of the config cannot be simulated.
    """
    centre = np.nan if course is None else course.rate
    rate = centre if common is None else common
    asked = Asked(goal, limits, tuple(only), centre, rate)
    found = search(Bench(subject, asked, lanes, report))
    finalists = found.finalists
    allowed = [entry for entry in finalists if not entry.breaks]
    if not allowed:
        raise ConfigError("no scheme of those that keep the limits could be simulated")
    winner = allowed[0]
    others = [e for e in found.entries if e.out and e.stage != "limits" and e.expected is not None]
    others.sort(key=_how_far)
    chosen = few([winner, *(e for e in finalists if e is not winner)], others)
    moved: list[Moved] = []
    if np.isfinite(winner.own()).all():
        moved = sensitivity(found.bench, chosen)
    report(STAGES, STAGES)
    untuned: list[Entry] = []
    if asked.trains:
        untuned = sorted(finalists, key=lambda e: _at(e, rate))
    ties = [e for e in allowed[1:] if tied(e.own(), winner.own())]
    return Study(
        subject,
        asked,
        tuple(found.entries),
        tuple(finalists),
        winner,
        found.entries[0],
        tuple(ties),
        tuple(untuned),
        tuple(moved),
        len(winner.own()),
        found.bench,
    )


def _at(entry: Entry, rate: float) -> tuple[float, float]:
    assert entry.final is not None
    return order(entry.final.at(rate))
