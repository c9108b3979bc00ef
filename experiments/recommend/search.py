"""A question, its contenders, and where they are simulated."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np

from ..run.lanes import Died, Lane, Task, map_unordered
from .candidates import CLOCK, Expected, profile
from .contender import Contender, remaining, to_goal
from .measure import Performance, Simulation, performance
from .question import ANYTHING, Order, Question
from .scenario import MOST_REPEATS

CLOCKED = 8  # replications of the clock that screens
STAGES = 5  # steps of the progress bar: theory and clock, trial, rates, race, sensitivity
# What is added to the config's seed: rates are chosen on other delays than those of the race.
RACE_DELAYS, TRIAL_DELAYS = 0, 1
LONGER = 3  # runs are up to so many times as long as the config's, where iterations are short
MOST_ITERATIONS = 2000  # of uncoded, in the longest budget; others run ``LONGER`` as many
Rates = Mapping[Contender, tuple[float, ...]]  # learning rates at which each contender is simulated
Result = TypeVar("Result")


@dataclass
class Search:
    """A question, the contenders, and where they are simulated."""

    question: Question  # what is asked
    lanes: Sequence[Lane]  # where to compute; none: here
    progress: Callable[[float, int], None]  # called with the stages done, and in all
    contenders: list[Contender] = field(default_factory=list)  # those of the config first; by index
    horizon: float = np.nan  # seconds of uncoded's iterations; NaN before its clock ran
    part: tuple[float, float] = (0.0, 1.0)  # of the bar, what comes next fills: stages, and share

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
            evidence=scenario.evidence,
        )

    def results(
        self, task: Task[Simulation, Result | str], simulations: Sequence[Simulation]
    ) -> list[Result | str]:
        """What a task finds out, in the order of the simulations, in lanes if there are any."""
        start, length = self.part

        def tell(done: float) -> None:
            self.progress(start + length * done / max(1, len(simulations)), STAGES)

        found: dict[int, Result | str] = {}
        for one, result in map_unordered(task, simulations, self.lanes, tell):
            found[one.index] = result.reason if isinstance(result, Died) else result
        return [found[one.index] for one in simulations]

    def measure(
        self, rates: Rates, replications: int, delays: int = TRIAL_DELAYS, bar: Order = ANYTHING
    ) -> Iterator[tuple[Contender, Performance]]:
        """Simulate contenders side by side, each at its learning rates (none: its clock alone), on
        ``RACE_DELAYS`` or ``TRIAL_DELAYS``; those that cannot be simulated leave. ``bar`` is what a
        trial must match to be of interest; of no matter to the config's own. Raises ConfigError:
        one that the config names cannot be simulated."""
        asked = [self.simulation(one, replications, own, delays, bar) for one, own in rates.items()]
        for one, result in zip(rates, self.results(performance, asked), strict=True):
            if isinstance(result, str):
                one.refuse(result)
            else:
                yield one, result

    def build_all(self, contenders: Iterable[Contender], replications: int = 1) -> None:
        """Build schemes, unless they would take too long, and note what is known of each."""
        simulations = [self.simulation(one, replications) for one in contenders]
        for one, known in zip(contenders, self.results(profile, simulations), strict=True):
            if isinstance(known, str):
                one.refuse(known)
                continue
            one.profile, one.expected = known, known.expected
            one.keep_limits(self.question, {"load": float(known.holds)})

    def clock_all(self, contenders: Iterable[Contender], most: int = MOST_REPEATS) -> None:
        """Simulate the clocks of schemes, and note what is expected where theory does not know.
        ``most``: the replications are multiplied by, where few rounds are very slow."""
        replications = CLOCKED * min(self.question.scenario.repeats, most)
        for one, clocked in self.measure(dict.fromkeys(contenders, ()), replications):
            one.clocked = clocked
            value = np.nan
            if not self.question.trains:
                value = to_goal(clocked.values[0], clocked.criterion)
            if one.expected is None or (np.isnan(one.expected.value) and not np.isnan(value)):
                fresh = clocked.staleness == 0 and not one.barrierless
                seconds = float(clocked.iteration_time.mean())
                one.expected = Expected(CLOCK, seconds, clocked.error, value, fresh)
            one.keep_limits(self.question, one.costs(self.question, clocked, value))

    def train(self, rates: Rates, replications: int, bar: Order = ANYTHING) -> None:
        """Train at several rates, and note the best of each scheme."""
        for one, trial in self.measure(rates, replications, TRIAL_DELAYS, bar):
            one.trial = trial
            one.rate = min(trial.rates, key=lambda rate: (trial.order(rate), rate))
