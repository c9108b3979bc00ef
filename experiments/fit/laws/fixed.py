"""The share of a task's time that does not grow with its load, if there clearly is one.

It is seen in the mean logarithm of a round's delays, which is log(f + (1 - f) d) and a constant
under ``partly_proportional``, however the workers' speeds differ. The standard error of that mean
over the rounds takes into account that some rounds are slow for everybody.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from delay_models.base import FloatArray

CLEAR = 3.0
"""Standard errors. A false alarm does little harm: f is near 0 then."""


def fixed_share(tables: Mapping[float, FloatArray]) -> float | None:
    """f of ``{load: (rounds, n) seconds}``, above 0 and below 1.

    Returns:
        ``None`` unless the largest load clearly takes longer than the smallest one above 0, but
        clearly less per partition.
    """
    loads = np.array(sorted(load for load in tables if load > 0))
    if len(loads) < 2 or any(len(tables[d]) < 2 or tables[d].min() <= 0 for d in loads):
        return None
    logs = [np.log(tables[load]).mean(axis=1) for load in loads]
    means = np.array([each.mean() for each in logs])
    errors = np.array([each.var(ddof=1) / len(each) for each in logs])
    grows, clear = means[-1] - means[0], CLEAR * float(np.sqrt(errors[0] + errors[-1]))
    if not clear < grows < np.log(loads[-1] / loads[0]) - clear:
        return None
    slope, intercept = np.polyfit(loads, np.exp(means - means[0]), 1)
    share = float(intercept / (intercept + slope))
    return share if 0 < share < 1 else None
