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
# Where it explains less than ``STRAIGHT`` of three locations or more, though they differ by more
# than chance, loads step instead of slope: T = X + cost(d), where the cost is the ascending
# sequence nearest to the locations (isotonic regression, each load weighing the same), less its
# first number.

WORST = 1e6

STRAIGHT = 0.9
"""R squared of a line that is one."""

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
            return {"kind": "additive", "seconds_per_partition": rounded(max(0.0, self.slope))}
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
    locations = np.array([np.median(tables[load]) for load in loads])
    spreads = np.array(
        [np.mean(np.abs(tables[load] - m)) for load, m in zip(loads, locations, strict=True)]
    )
    slope, intercept = np.polyfit(loads, locations, 1)
    rest = locations - intercept - slope * loads
    total = float(np.sum((locations - locations.mean()) ** 2))
    r_squared = 1 - float(np.sum(rest**2)) / total if total > 0 else 0.0
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
    if len(loads) > 2 and r_squared < STRAIGHT and differ:
        misfits["steps"] = _misfit(locations - ascending, spreads, np.zeros_like(loads))
    fixed = fixed_share(tables)
    if fixed is not None:
        growth = PartlyProportional(fixed).growth(loads)
        misfits["partly_proportional"] = _misfit(_multiples(growth, locations), spreads, growth)
    line = float(intercept), float(slope), r_squared
    steps = np.asarray(ascending - ascending[0])
    return LoadFit(loads, locations, spreads, *line, misfits, steps, fixed)


def positive_law(growth: LoadFit, tables: Mapping[float | None, FloatArray]) -> dict[str, Any]:
    """The ``load_law:`` section; a load costs no more than leaves every unit delay positive."""
    section = growth.section()
    if section["kind"] == "additive":
        most = min(float(t.min()) / key for key, t in tables.items() if key)
        section["seconds_per_partition"] = min(section["seconds_per_partition"], most * 0.999)
    if section["kind"] == "steps":
        least = min(float(t.min()) for key, t in tables.items() if key != min(growth.loads))
        section["seconds"] = [min(seconds, least * 0.999) for seconds in section["seconds"]]
    return section


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
