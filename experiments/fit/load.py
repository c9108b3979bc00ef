"""How delays grow with the load: the slope, a fixed share, and which load law holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import isqrt
from typing import Any

import numpy as np
from scipy.optimize import isotonic_regression

from ...delay_models.base import FloatArray
from ...sim.load_laws import PartlyProportional, StepCosts
from ..run.records import mean_and_error
from .law import rounded

# The share of a task's time that does not grow with its load is seen in the mean logarithm of a
# round's delays, which is log(f + (1 - f) d) and a constant under ``partly_proportional``, however
# the workers' speeds differ. Some rounds are slow for everybody, and some stretches of rounds are:
# so the standard error of the mean over T rounds is that of the means of about sqrt(T) batches of
# successive rounds.

CLEAR = 4.0
"""Standard errors; there may be few batches."""

FEWEST = 4
"""Batches."""


def fixed_share(tables: Mapping[float, FloatArray]) -> float | None:
    """f of ``{load: (rounds, n) seconds}``, above 0 and below 1; ``None`` unless the largest load
    clearly takes longer than the smallest one above 0, but clearly less per partition."""
    loads = np.array(sorted(load for load in tables if load > 0))
    if len(loads) < 2 or any(len(tables[d]) < FEWEST**2 or tables[d].min() <= 0 for d in loads):
        return None
    logs = [np.log(tables[load]).mean(axis=1) for load in loads]
    means = np.array([each.mean() for each in logs])
    errors = []
    for each in (logs[0], logs[-1]):
        batches = [batch.mean() for batch in np.array_split(each, isqrt(len(each)))]
        errors.append(mean_and_error(np.array(batches))[1])
    clear = CLEAR * float(np.hypot(errors[0], errors[1]))
    grows = means[-1] - means[0]
    if not clear < grows < np.log(loads[-1] / loads[0]) - clear:
        return None
    slope, intercept = np.polyfit(loads, np.exp(means - means[0]), 1)
    share = float(intercept / (intercept + slope))
    return share if 0 < share < 1 else None


# At each load, the *location* is the median delay and the *spread* the mean distance from it. The
# laws say
#
#     additive              T = d tau + X            location a + tau d    spread s
#     proportional          T = d X                  location m d          spread s d
#     partly_proportional   T = (f + (1 - f) d) X    location m (f + (1 - f) d), and spread alike
#     per_partition         T = X1 + ... + Xd        location m d          spread s sqrt(d)
#
# Each is fitted to locations and spreads by least squares, and its misfit is the root mean square
# over loads of two numbers without unit: the error of the location in units of the spread, and the
# error of log(spread). The law with the smallest misfit holds. So a law is judged by how the spread
# changes as well as by the slope: locations that grow in proportion are proportional only if the
# spread does too. ``partly_proportional`` has one number more, f, and so competes only where there
# clearly is such a share (``fixed_share``), and holds only if it halves the misfit of all others.
# Delays at load 0 that are not 0 exclude ``proportional`` and ``per_partition``.
#
# The line is also fitted to the locations by ordinary least squares, and reported with R squared.
# Where it explains less than ``STRAIGHT`` of three locations or more, or misses one by more than
# ``BENT`` spreads, though they differ by more than chance, loads step instead of slope: T = X +
# cost(d), where the cost is the ascending sequence nearest to the locations (isotonic regression,
# each load weighing the same), less its first number.
#
# An odd call, which failed at once or hung, must not decide. So the outermost ``ODD`` of the calls
# at each load, and one at least, count as the next ones; and a load costs no more than leaves all
# other calls at it a delay above 0.


ODD = 0.02
"""Share of a load's calls, at either end, that show nothing."""

SOON = 1e-4
"""A call whose load leaves less than this share of it is shorter than its load costs."""

WORST = 1e6

STRAIGHT = 0.9
"""R squared of a line that is one ..."""

BENT = 1.0
"""... if no location is farther from it, in units of the spread."""

HANDICAPS = {"partly_proportional": 2.0}
"""By how much the misfit of a law with one number more must be smaller."""

CLEARLY_DIFFERENT = 5.0
"""Standard errors of a median by which the largest and the smallest location differ at least."""


@dataclass(frozen=True, eq=False)
class LoadFit:
    """What the loads show.

    Attributes:
        loads: ``(D,)``, ascending.
        locations: median delay at each, ``(D,)`` seconds.
        spreads: mean distance from it, ``(D,)`` seconds.
        intercept: seconds at load 0, by regression of locations.
        slope: seconds per unit of load.
        r_squared: of that regression.
        cost: seconds per unit of load under ``additive``: the slope, but at least 0, and no more
            than leaves delays above 0.
        misfits: per law, without unit; smaller is better.
        steps: what each load costs more than the smallest, ascending, ``(D,)`` seconds.
        fixed: f of ``partly_proportional``; ``None`` where that law does not compete.
    """

    loads: FloatArray
    locations: FloatArray
    spreads: FloatArray
    intercept: float
    slope: float
    r_squared: float
    cost: float
    misfits: Mapping[str, float]
    steps: FloatArray
    fixed: float | None

    @property
    def kind(self) -> str:
        """The law that holds."""
        return min(self.misfits, key=lambda kind: self.misfits[kind] * HANDICAPS.get(kind, 1.0))

    def section(self) -> dict[str, Any]:
        """The ``load_law:`` section of a config."""
        if self.kind == "additive":
            return {"kind": "additive", "seconds_per_partition": rounded(self.cost)}
        if self.fixed is not None and self.kind == "partly_proportional":
            return {"kind": self.kind, "fixed": rounded(self.fixed)}
        if self.kind == "steps":
            first = [*np.flatnonzero(np.diff(self.steps, prepend=-1.0) > 0)]
            return {
                "kind": "steps",
                "loads": [rounded(float(self.loads[i])) for i in first],
                "seconds": [rounded(float(self.steps[i])) for i in first],
            }
        return {"kind": self.kind}


def measure_load(tables: Mapping[float, FloatArray]) -> LoadFit | None:
    """Compare load laws on ``{load: (rounds, n) seconds}``; ``None`` with fewer than two loads."""
    if len(tables) < 2:
        return None
    loads = np.array(sorted(tables))
    tables = {load: _without_odd(tables[load]) for load in loads}
    locations = np.array([np.median(tables[load]) for load in loads])
    spreads = np.array(
        [np.mean(np.abs(tables[load] - m)) for load, m in zip(loads, locations, strict=True)]
    )
    shortest = np.array([tables[load].min() for load in loads])
    slope, intercept = map(float, np.polyfit(loads, locations, 1))
    total = float(np.sum((locations - locations.mean()) ** 2))
    apart = locations - intercept - slope * loads
    r_squared = 1 - float(np.sum(apart**2)) / total if total > 0 else 0.0
    straight = r_squared >= STRAIGHT and np.all(np.abs(apart) <= BENT * spreads)
    most = float(np.min(shortest[loads > 0] / loads[loads > 0]))
    cost = min(max(0.0, slope), most)
    rest = locations - cost * loads
    rest -= rest.mean()
    ascending = isotonic_regression(locations).x
    multiples = _multiples(loads, locations)
    misfits = {
        "additive": _misfit(rest, spreads, np.zeros_like(loads)),
        "proportional": _misfit(multiples, spreads, loads),
        "per_partition": _misfit(multiples, spreads, np.sqrt(loads)),
    }
    if np.any(loads != np.round(loads)):
        misfits["per_partition"] = WORST
    errors = 1.25 * spreads / np.sqrt([tables[load].size for load in loads])
    differ = float(np.ptp(ascending)) > CLEARLY_DIFFERENT * float(errors.max())
    if len(loads) > 2 and not straight and differ:
        misfits["steps"] = _misfit(locations - ascending, spreads, np.zeros_like(loads))
    fixed = fixed_share(tables)
    if fixed is not None:
        growth = PartlyProportional(fixed).growth(loads)
        misfits["partly_proportional"] = _misfit(_multiples(growth, locations), spreads, growth)
    steps = ascending - ascending[0]
    # What a load costs at most is also the most that a smaller one does.
    steps[1:] = np.minimum(steps, np.minimum.accumulate(shortest[::-1])[::-1])[1:]
    line = intercept, slope, r_squared, cost
    return LoadFit(loads, locations, spreads, *line, misfits, steps, fixed)


def _without_odd(table: FloatArray) -> FloatArray:
    odd = min(max(1, int(ODD * table.size)), (table.size - 1) // 2)
    ordered = np.partition(table, (odd, table.size - 1 - odd), axis=None)
    return np.clip(table, ordered[odd], ordered[-1 - odd])


def positive_units(
    tables: Mapping[float | None, FloatArray], law: Mapping[str, Any]
) -> tuple[dict[float | None, FloatArray], dict[float | None, int]]:
    """The unit delays of each load, and how many calls are shorter than their load costs.

    Such a call counts as the shortest of the others.
    """
    units, short = dict(tables), dict[float | None, int]()
    for load, table in tables.items():
        if load is not None:
            unit = unit_delays(table, load, law)
            none_left = unit <= SOON * table
            none_left &= table > 0
            short[load] = int(none_left.sum())
            units[load] = np.where(none_left, unit.min(where=~none_left, initial=np.inf), unit)
    return units, {load: count for load, count in short.items() if count}


def unit_delays(table: FloatArray, load: float, law: Mapping[str, Any]) -> FloatArray:
    """The delays X of which a load law makes a table's seconds; ``(rounds, n)``, >= 0.

    Under ``per_partition`` the single draws are not seen: their mean is taken, ``T / d``.
    """
    if law["kind"] == "additive":
        return np.asarray(np.maximum(table - load * law["seconds_per_partition"], 0.0))
    if law["kind"] == "steps":
        cost = float(StepCosts(tuple(law["loads"]), tuple(law["seconds"])).cost(load))
        return np.asarray(np.maximum(table - cost, 0.0))
    if law["kind"] == "partly_proportional":
        return np.asarray(table / PartlyProportional(law["fixed"]).growth(load))
    return np.asarray(table / load) if load > 0 else table


def _multiples(growth: FloatArray, locations: FloatArray) -> FloatArray:
    """What the nearest multiple of ``growth`` leaves of locations."""
    return locations - growth * (float(growth @ locations) / float(growth @ growth))


def _misfit(rest: FloatArray, spreads: FloatArray, growth: FloatArray) -> float:
    """RMS of location errors in spreads and of log(spread) errors; ``growth`` 0 means constant."""
    if np.any(spreads <= 0):
        return float(np.sqrt(np.mean(rest**2)))
    expected = np.zeros_like(spreads) if not growth.any() else np.log(np.maximum(growth, 1e-300))
    logs = np.log(spreads) - expected
    logs = logs - logs.mean()
    misfit = float(np.sqrt(np.mean((rest / spreads) ** 2) + np.mean(logs**2)))
    return min(misfit, WORST)
