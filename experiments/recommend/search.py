"""The search: theory and the clock, a trial of learning rates, and a race on common delays."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np

from ..config.errors import ConfigError
from ..run.lanes import Died, Lane, Task, map_unordered
from .candidates import CLOCK, Expected, SearchSpace, neighbours, profile
from .contender import (
    Contender,
    behind,
    cannot_win,
    final_order,
    mean_to_goal,
    remaining,
    require_some,
    slower,
    trial_order,
)
from .measure import Performance, Refused, Simulation, performance
from .question import ANYTHING, Order, Question, order

STAGES = 5
"""Steps of the progress bar: theory and clock, trial, rates, race, sensitivity."""

RACE_DELAYS, TRIAL_DELAYS = 0, 1
"""What is added to the config's seed: rates are chosen on other delays than those of the race."""

LONGER = 3
"""Runs are up to so many times as long as the config's, where iterations are short."""

MOST_ITERATIONS = 2000
"""The longest budget, in iterations of uncoded; others run ``LONGER`` times as many."""

Progress = tuple[float, float]
"""A part of the progress bar: stages done when it begins, and its share of a stage."""

Rates = Mapping[Contender, tuple[float, ...]]
"""Learning rates at which each contender is simulated."""

Result = TypeVar("Result")


@dataclass
class Search:
    """A question, the contenders, and where they are simulated.

    Attributes:
        question: what is asked.
        lanes: where to compute; none: here.
        progress: called with the stages that are done, and how many there are.
        contenders: the schemes of the config, and then all that are searched; in place ``i`` the
            one of index ``i``.
        horizon: seconds that uncoded takes for the config's iterations; NaN before its clock ran.
    """

    question: Question
    lanes: Sequence[Lane]
    progress: Callable[[float, int], None]
    contenders: list[Contender] = field(default_factory=list)
    horizon: float = np.nan

    @property
    def left(self) -> list[Contender]:
        """The contenders that have not left."""
        return remaining(self.contenders)

    def simulation(
        self,
        one: Contender,
        replications: int,
        rates: tuple[float, ...] = (),
        delays: int = RACE_DELAYS,
        bar: Order = ANYTHING,
    ) -> Simulation:
        """A run of a contender; where losses are looked at, it is long enough for the goal."""
        scenario, goal = self.question.scenario, self.question.goal
        iterations = scenario.iterations
        each = np.nan if one.clocked is None else float(one.clocked.iteration_time.mean())
        if rates and goal.kind == "budget" and 0 < each < np.inf:
            iterations = min(int(1.3 * goal.value / each) + 5, LONGER * MOST_ITERATIONS)
        elif rates and 0 < each < np.inf:
            iterations = min(max(iterations, int(self.horizon / each)), LONGER * iterations)
        return Simulation(
            index=one.index,
            base=json.dumps(scenario.base),
            scheme=json.dumps(dict(one.section)),
            iterations=iterations,
            replications=replications,
            goal=goal,
            rates=rates,
            reported=rates if delays == RACE_DELAYS else (self.question.common_rate,),
            bar=ANYTHING if one.given else bar,
            data_dir=scenario.data_dir,
            other_delays=delays,
        )

    def results(
        self,
        task: Task[Simulation, Result | Refused],
        simulations: Sequence[Simulation],
        part: Progress,
    ) -> list[Result | Refused]:
        """What a task finds out, in the order of the simulations, in lanes if there are any."""
        start, length = part

        def tell(done: float) -> None:
            self.progress(start + length * done / max(1, len(simulations)), STAGES)

        found: dict[int, Result | Refused] = {}
        for one, result in map_unordered(task, simulations, self.lanes, tell):
            found[one.index] = Refused(result.reason) if isinstance(result, Died) else result
        return [found[one.index] for one in simulations]

    def measure(
        self,
        rates: Rates,
        replications: int,
        part: Progress,
        delays: int = TRIAL_DELAYS,
        bar: Order = ANYTHING,
    ) -> Iterator[tuple[Contender, Performance]]:
        """Simulate contenders side by side; those that cannot be simulated leave.

        Args:
            rates: learning rates of each contender; none: its clock alone.
            replications, delays: of each simulation; ``RACE_DELAYS`` or ``TRIAL_DELAYS``.
            part: of the progress bar.
            bar: what a trial must match to be of interest; of no matter to the config's own.

        Raises:
            ConfigError: one that the config names cannot be simulated.
        """
        simulations = [
            self.simulation(one, replications, own, delays, bar) for one, own in rates.items()
        ]
        found = self.results(performance, simulations, part)
        for one, result in zip(rates, found, strict=True):
            if isinstance(result, Refused):
                one.refuse(result.reason)
            else:
                yield one, result

    def run(self) -> list[Contender]:
        """Go through all stages; returns the finalists, the best first.

        Raises:
            ConfigError: nothing keeps the limits, or a scheme of the config cannot be simulated.
        """
        self.contenders = _listed(self.question)
        screen_by_theory(self)
        screen_by_clock(self)
        if self.question.trains:
            try_rates(self)
            # Then by factors of 2 around the best of each, on more trial delays.
            rates = {one: self.question.rates(FINE, one.rate) for one in self.left}
            _train(self, rates, TUNED, (2.0, 1.0))
        race(self)
        return sorted(self.left, key=final_order)


def _listed(question: Question) -> list[Contender]:
    """The schemes of the config, and then all that are searched."""
    scenario, limits = question.scenario, question.limits
    space = SearchSpace(
        scenario.workers,
        scenario.worker_time[0],
        int(limits.get("load", scenario.workers)),
        fine=not question.trains,
        network=scenario.base.get("network") is not None or "bytes" in limits,
    )
    given = scenario.given
    sections = [*given, *space.sections(scenario.catalogue, question.only)]
    return [Contender(i, section, i < len(given)) for i, section in enumerate(sections)]


CLOCKED = 8
"""Replications of the clock that screens."""

SCREENED = "screened"
"""The stage at which those leave that cannot win."""


def screen_by_theory(search: Search) -> None:
    """Ask theory about every scheme; whoever cannot win leaves."""
    build_all(search, search.contenders, (0.0, 0.5))
    require_some(search.contenders)
    _drop_losers(search)


def screen_by_clock(search: Search) -> None:
    """Run the clocks of all that are left; whoever cannot win or does the same as another leaves.

    Raises:
        ConfigError: the budget is too long.
    """
    goal = search.question.goal
    # The clock of uncoded; where that never ends, of the config's first scheme.
    uncoded = Contender(len(search.contenders), {"name": "uncoded"}, False)
    each = next(
        float(clocked.iteration_time.mean())
        for one in (uncoded, search.contenders[0])
        for _, clocked in search.measure({one: ()}, CLOCKED, (0.5, 0.0))
    )
    search.horizon = each * search.question.scenario.iterations
    most = MOST_ITERATIONS * each
    if goal.kind == "budget" and goal.value > most:
        text = f"is {goal.value / each:.3g} iterations of uncoded"
        raise ConfigError(f"--budget = {goal.value:g}: {text}; must be at most {most:.4g} s")
    clock_all(search, search.left, (0.5, 0.5))
    require_some(search.contenders)
    _drop_doubles(search)
    _drop_losers(search)


def build_all(search: Search, contenders: Iterable[Contender], part: Progress) -> None:
    """Build schemes, and note what is known of each without simulating it."""
    simulations = [search.simulation(one, 1) for one in contenders]
    found = search.results(profile, simulations, part)
    for one, known in zip(contenders, found, strict=True):
        if isinstance(known, Refused):
            one.refuse(known.reason)
            continue
        one.profile, one.expected = known, known.expected
        one.keep_limits(search.question, {"load": float(known.holds)})


def clock_all(search: Search, contenders: Iterable[Contender], part: Progress) -> None:
    """Simulate the clocks of schemes, and note what is expected where theory does not know."""
    for one, clocked in search.measure(dict.fromkeys(contenders, ()), CLOCKED, part):
        one.clocked = clocked
        value = np.nan if search.question.trains else mean_to_goal(clocked.values[0])
        if one.expected is None:
            fresh = clocked.staleness == 0 and not one.barrierless
            seconds = float(clocked.iteration_time.mean())
            one.expected = Expected(CLOCK, seconds, clocked.error, value, fresh)
        one.keep_limits(search.question, one.costs(search.question, clocked, value))


def _drop_losers(search: Search) -> None:
    """Whoever cannot win leaves, unless limits on costs decide that are not known yet."""
    known = not search.question.trains and not np.isnan(search.horizon)
    if {"worker_seconds", "bytes"} & search.question.limits.keys() and not known:
        return
    rivals = [one for one in search.left if not one.breaks]
    for index, reason in cannot_win(rivals, search.question.goal).items():
        search.contenders[index].leave(SCREENED, reason)


def _drop_doubles(search: Search) -> None:
    """Of schemes that do the same the first stays, and those of the config."""
    first: dict[tuple[Any, ...], Contender] = {}
    for one in search.left:
        assert one.clocked is not None
        assert one.profile is not None
        # Fresh exact gradients at the same times are the same; without training, so are other
        # updates that count the same.
        key: tuple[Any, ...] = (one.label,)
        if one.clocked.exact or not search.question.trains:
            key = (one.clocked.digest, one.profile.holds, one.clocked.exact)
        same = first.setdefault(key, one)
        if same is not one and not one.given:
            one.leave(SCREENED, f"does the same as {same.label}")


# Rates are chosen on trial delays and schemes compared on the config's, so that no scheme is
# flattered by the choice of its rate.
TRIAL, TUNED = 4, 16
"""Replications on which rates are tried by factors of 4, and then by factors of 2."""

SPACING = 4.0

COARSE = tuple(SPACING**k for k in range(-3, 2))
"""Learning rates that every scheme is tried at, times the best one of the exact gradient."""

FINE = (0.5, 1.0, 2.0)
"""Learning rates around the best one of a scheme."""

FAR, MOST_SLOW = 4.0, 8
"""Before anything is trained, whoever takes longer than so many times the best by the yardstick of
progress goes; and of schemes without a barrier, which are slow to train, so many stay."""

TRIED, NEAR = 32, 2.0
"""Schemes that are tuned further and race: so many, within this factor of the best of the trial."""

REFINED, TIMES = 3, 2
"""Schemes between whose numbers of arrivals more are tried, and how often."""

LEFT = "trial"
"""The stage at which those leave that are far behind in the trial."""


def try_rates(search: Search) -> None:
    """Try rates by factors of 4 for all; then half-way numbers of arrivals around the best, which
    become contenders as well; whoever is far behind leaves."""
    _drop_by_yardstick(search)
    rates = search.question.rates(COARSE, search.question.exact_rate)
    # What trains quickly goes first, since the trials of the others end once they are as far behind
    # it as those that leave below.
    effort: dict[int, list[Contender]] = {0: [], 1: [], 2: []}
    for one in search.left:
        assert one.clocked is not None
        effort[0 if one.clocked.exact else 1 + one.barrierless].append(one)
    bar = ANYTHING
    for place, some in effort.items():
        _train(search, dict.fromkeys(some, rates), TRIAL, (1 + place / 6, 1 / 6), bar)
        missed, value = min(map(trial_order, search.left))
        bar = missed, NEAR * value
    for _ in range(TIMES):
        _try_between(search)
    left = sorted(search.left, key=trial_order)
    best = trial_order(left[0])
    for rank, one in enumerate(left):
        mine = trial_order(one)
        near = mine[0] <= best[0] and mine[1] <= NEAR * best[1]
        if not (one.given or (near and rank < TRIED)):
            one.leave(LEFT, slower(search.question, mine, best, NEAR))


def _drop_by_yardstick(search: Search) -> None:
    """Whoever is far behind by the yardstick of progress goes, and most of those that are slow to
    simulate."""
    found = sorted((c.clocked.yardstick, c.index) for c in search.left if c.clocked is not None)
    slow = 0
    for seconds, index in found:
        one, best = search.contenders[index], found[0][0]
        slow += one.barrierless
        if one.given:
            continue
        if seconds > FAR * best:
            times = f"{seconds / best:.3g} times the best"
            one.leave(SCREENED, f"{times} by the yardstick of progress")
        elif one.barrierless and slow > MOST_SLOW:
            text = f"not among the {MOST_SLOW} best without a barrier by the yardstick"
            one.leave(SCREENED, text)


def _try_between(search: Search) -> None:
    """Try numbers of arrivals between those that were tried, around the best of each scheme."""
    best: dict[tuple[Any, ...], Contender] = {}
    for one in sorted(search.left, key=trial_order):
        rest = {k: v for k, v in one.section.items() if k not in ("wait_for", "batch", "label")}
        best.setdefault(tuple(rest.items()), one)
    new: dict[Contender, tuple[float, ...]] = {}
    tried = [one.section for one in search.contenders]
    for one in [*best.values()][:REFINED]:
        for section in neighbours(one.section, tried):
            tried.append(section)
            between = Contender(len(search.contenders) + len(new), section, False)
            new[between] = search.question.rates(FINE, one.rate)
    build_all(search, new, (1.5, 0.1))
    clock_all(search, remaining(new), (1.6, 0.1))
    _train(search, {one: new[one] for one in remaining(new)}, TRIAL, (1.75, 0.1))
    search.contenders += new


def _train(
    search: Search, rates: Rates, replications: int, part: Progress, bar: Order = ANYTHING
) -> None:
    """Train at several rates, and note the best of each scheme."""
    for one, trial in search.measure(rates, replications, part, TRIAL_DELAYS, bar):
        one.trial = trial
        one.rate = min(trial.rates, key=lambda rate: (order(trial.at(rate)), rate))


HEATS = ((8, 16), (16, 12), (32, 8), (64, 8))
"""Replications of each heat of the race, and how many schemes stay after it at most."""

QUICK_HEATS = ((16, 24), (64, 12), (256, 8))
"""The same where nothing is trained."""


def race(search: Search) -> None:
    """Run all heats, each with more replications and fewer schemes: whoever is surely behind the
    leader leaves, and the last of too many."""
    question = search.question
    heats = HEATS if question.trains else QUICK_HEATS
    if question.trains:
        _readmit_untuned_best(search)
    for heat, (replications, most) in enumerate(heats):
        rates = {
            one: tuple(dict.fromkeys((one.rate, question.common_rate))) if question.trains else ()
            for one in search.left
        }
        part = (3 + heat / len(heats), 1 / len(heats))
        for one, final in search.measure(rates, replications, part, RACE_DELAYS):
            one.final = final
            one.keep_limits(question, one.costs(question, final, mean_to_goal(one.values)))
        require_some(search.contenders)
        leader = min((one for one in search.left if not one.breaks), key=final_order)
        stage = f"race, {replications} replications"
        for rank, one in enumerate(sorted(search.left, key=final_order)):
            if one is leader or one.given:
                continue
            if behind(one.values, leader.values):
                one.leave(stage, f"surely behind {leader.label}")
            elif rank >= most:
                one.leave(stage, f"not among the best {most}")


def _readmit_untuned_best(search: Search) -> None:
    """Whoever would be first without tuning is in the race as well."""
    common = search.question.common_rate
    tried = [(c, c.trial) for c in search.contenders if c.trial and common in c.trial.rates]
    if tried:
        first, _ = min(tried, key=lambda pair: order(pair[1].at(common)))
        if first.stage == LEFT:
            first.leave("", "")
