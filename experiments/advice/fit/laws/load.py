"""How delays grow with the load, and which load law holds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import isqrt
from typing import Any

import numpy as np
from scipy.optimize import isotonic_regression, minimize_scalar

from .....delay_models.base import FloatArray
from .....sim.load_laws import OfOneDraw, PartlyProportional
from .goodness import arrivals, ratios, waited_for
from .law import load_law, rounded

# A law is fitted and judged by what it predicts: the mean k-th arrivals of a round at each load,
# for 10 %, half, 90 % and all of the workers. Of one draw X a law makes
#
#     proportional          T = d X                   partly_proportional   T = (f + (1 - f) d) X
#     additive              T = X + d tau             steps                 T = X + cost(d)
#
# All of these keep the order of arrivals. So the mean arrivals of X are those of T with the law
# taken out, averaged over loads, and put in again they are what the law predicts of each load.
# ``per_partition``, T = X1 + ... + Xd, predicts from the rounds of the smallest load, of which d
# are added up. The misfit of a law is the root mean square of log(predicted / measured). f and tau
# have the smallest misfit; costs are the ascending sequence nearest to the median delays (isotonic
# regression, each load weighing the same), less its first number.
#
# A number of a law's own makes any table look better. So for each of them the misfit must be
# smaller by half of the noise: the standard error of a mean arrival, relative to it. Some rounds
# are slow for everybody, and some stretches of rounds are, so it is that of the means of
# about sqrt(T) batches of successive rounds. In long tables there is hardly any noise, and the law
# that is nearest holds. Times spent on a load of 0 exclude ``proportional`` and ``per_partition``.
#
# A line is also fitted to the medians, by ordinary least squares, and reported with R squared.
#
# An odd call, which failed at once or hung, must not decide. So the outermost 2 % of the calls at
# each load, and one at least, count as the next ones; and a load costs no more than leaves all
# other calls at it a delay above 0.

ODD_SHARE = 0.02  # of a load's calls, at either end, that show nothing
WORST = 1e6  # misfit of a law that is excluded
MOST_DRAWS = 10_000  # partitions of a worker that are drawn one by one: of more nobody simulates it
# of the noise, for each number of a law's own: as often right as can be in simulated tables
PRICE_IN_NOISE = 0.5


@dataclass(frozen=True, eq=False)
class LoadFit:
    """What the loads show."""

    loads: FloatArray  # ``(D,)``, ascending
    locations: FloatArray  # median delay at each, ``(D,)`` seconds
    spreads: FloatArray  # mean distance from it, ``(D,)`` seconds
    intercept: float  # seconds at load 0, by regression of locations
    slope: float  # seconds per unit of load
    r_squared: float  # of that regression
    misfits: Mapping[str, float]  # per law, without unit; smaller is better
    law: dict[str, Any]  # the ``load_law:`` section of a config

    @property
    def kind(self) -> str:
        """The law that holds."""
        return str(self.law["kind"])


def measure_load(tables: Mapping[float, FloatArray]) -> LoadFit | None:
    """Compare load laws on ``{load: (rounds, n) seconds}``; ``None`` with fewer than two loads."""
    if len(tables) < 2:
        return None
    loads = np.array(sorted(tables))
    kept = []
    for table in (tables[load] for load in loads):
        odd = min(max(1, int(ODD_SHARE * table.size)), (table.size - 1) // 2)
        ordered = np.partition(table, (odd, table.size - 1 - odd), axis=None)
        kept.append(np.clip(table, ordered[odd], ordered[-1 - odd]))
    locations = np.array([np.median(table) for table in kept])
    spreads = np.array([np.mean(np.abs(t - m)) for t, m in zip(kept, locations, strict=True)])
    slope, intercept = map(float, np.polyfit(loads, locations, 1))
    total = float(np.sum((locations - locations.mean()) ** 2))
    apart = locations - intercept - slope * loads
    r_squared = 1 - float(np.sum(apart**2)) / total if total > 0 else 0.0
    means = MeanArrivals(loads, kept)
    ascending = isotonic_regression(locations).x
    laws = means.laws(ascending - ascending[0])
    misfits = {law["kind"]: misfit for law, misfit, _ in laws}
    law, _, _ = min(laws, key=lambda law: round(law[1] + PRICE_IN_NOISE * means.noise * law[2], 6))
    return LoadFit(loads, locations, spreads, intercept, slope, r_squared, misfits, law)


class MeanArrivals:
    """The mean k-th arrivals of rounds of ``(D,)`` loads, and what laws make of them."""

    def __init__(self, loads: FloatArray, tables: Sequence[FloatArray]) -> None:
        workers = tables[0].shape[1]
        self._loads, self._tables = loads, tables
        self._ks = sorted({max(1, workers // 10), *waited_for(workers)})
        ordered = [arrivals(table, self._ks) for table in tables]
        self._measured = np.array([seconds.mean(axis=0) for seconds in ordered])
        rounds = np.array([[float(len(table))] for table in tables])
        self._weights = rounds / rounds.sum()
        errors, known = [*map(standard_errors, tables, ordered)], self._measured > 0
        relative = np.divide(errors, self._measured, where=known, out=0 * self._measured)
        # Errors of predicted arrivals of half a percent are none.
        self.noise = float(np.hypot(np.sqrt(np.mean(relative**2)), 0.005))

    def laws(self, costs: FloatArray) -> list[tuple[dict[str, Any], float, int]]:
        """Sections, misfits, and how many numbers each has of its own; ``costs`` of steps."""
        loads, shortest = self._loads, np.array([table.min() for table in self._tables])
        none, once = np.zeros(len(loads)), np.ones(len(loads))
        largest = float(np.min(shortest[loads > 0] / loads[loads > 0]))
        tau, added = _least(lambda tau: self._of_one_draw(once, tau * loads), largest)
        fixed, partly = _least(
            lambda f: self._of_one_draw(PartlyProportional(fixed=f).growth(loads), none), 1.0
        )
        laws: list[tuple[dict[str, Any], float, int]] = [
            ({"kind": "proportional"}, self._of_one_draw(loads, none), 0),
            ({"kind": "per_partition"}, self._of_sums(), 0),
            ({"kind": "additive", "seconds_per_partition": rounded(tau)}, added, 1),
            ({"kind": "partly_proportional", "fixed": rounded(fixed)}, partly, 1),
        ]
        if len(loads) > 2:
            # What a load costs at most is also the most that a smaller one does.
            most = np.minimum.accumulate(shortest[::-1])[::-1]
            steps = np.minimum(costs, most)
            jumps = np.flatnonzero(np.diff(steps, prepend=-1.0) > 0)
            section = {"kind": "steps", "loads": [rounded(float(loads[i])) for i in jumps]}
            section |= {"seconds": [rounded(float(steps[i])) for i in jumps]}
            laws.append((section, self._of_one_draw(once, steps), len(loads) - 1))
        return laws

    def _of_one_draw(self, growth: FloatArray, cost: FloatArray) -> float:
        """The misfit of T = growth X + cost."""
        growth, cost = growth[:, None], cost[:, None]
        units = np.divide(self._measured - cost, growth, where=growth > 0, out=0 * self._measured)
        unit = (self._weights * units).sum(axis=0) / self._weights[growth > 0].sum()
        return self._misfit(growth * unit + cost)

    def _of_sums(self) -> float:
        """The misfit of T = X1 + ... + Xd, for whole d alone."""
        loads = self._loads
        if loads[0] <= 0 or np.any(loads != np.round(loads)) or loads[-1] > MOST_DRAWS:
            return WORST
        units, rng = self._tables[0] / loads[0], np.random.default_rng(20190407)
        rounds = max(200, 200_000 // units.shape[1])
        total, predicted = np.zeros((rounds, units.shape[1])), {}
        for load in range(1, int(loads[-1]) + 1):
            total += units[rng.integers(len(units), size=rounds)]
            if load in loads:
                predicted[load] = arrivals(total, self._ks).mean(axis=0)
        return self._misfit(np.array([predicted[int(load)] for load in loads]))

    def _misfit(self, predicted: FloatArray) -> float:
        with np.errstate(divide="ignore", invalid="ignore"):
            logs = np.log(ratios(predicted, self._measured))
            misfit = float(np.sqrt(np.mean(logs**2)))
        return min(misfit, WORST) if np.isfinite(misfit) else WORST


def standard_errors(table: FloatArray, ordered: FloatArray) -> FloatArray:
    """Standard errors of mean arrivals; of one round by the errors of its mean delay."""
    if len(table) == 1:
        return np.full(ordered.shape[1], table.std() / np.sqrt(table.size))
    batches = np.array_split(ordered, max(2, isqrt(len(ordered))))
    means = np.array([batch.mean(axis=0) for batch in batches])
    return np.asarray(means.std(axis=0, ddof=1) / np.sqrt(len(means)))


def _least(misfit: Callable[[float], float], most: float) -> tuple[float, float]:
    """The number between 0 and ``most`` with the smallest misfit, and that."""
    inside = minimize_scalar(misfit, bounds=(0.0, most), options={"xatol": 1e-8 * most})
    return min(((x, misfit(x)) for x in (0.0, float(inside.x), most)), key=lambda fit: fit[1])


def positive_units(
    tables: Mapping[float | None, FloatArray], law: Mapping[str, Any]
) -> tuple[dict[float | None, FloatArray], dict[float | None, int]]:
    """The unit delays of each load, and how many calls are shorter than their load costs. Such a
    call counts as the shortest of the others."""
    units, short = dict(tables), dict[float | None, int]()
    for load, table in tables.items():
        if load is not None:
            unit = unit_delays(table, load, law)
            none_left = (unit <= 1e-4 * table) & (table > 0)
            short[load] = int(none_left.sum())
            units[load] = np.where(none_left, unit.min(where=~none_left, initial=np.inf), unit)
    return units, {load: count for load, count in short.items() if count}


def unit_delays(table: FloatArray, load: float, law: Mapping[str, Any]) -> FloatArray:
    """The delays X of which a load law makes a table's seconds; ``(rounds, n)``, >= 0. Under
    ``per_partition`` the single draws are not seen: their mean is taken, ``T / d``."""
    known = load_law(law)
    if isinstance(known, OfOneDraw):
        growth = float(known.growth(load))
        return np.asarray(np.maximum(table - known.cost(load), 0.0) / (growth or 1.0))
    return np.asarray(table / load) if load > 0 else table
