"""How much slower each worker is than the median worker, in what lasts."""

from __future__ import annotations

import numpy as np
from scipy import stats

from ...delay_models.base import FloatArray
from .rows import pieces

PARTS = 10
"""Runs of consecutive rounds from whose medians the error of a worker's factor is told."""

CHANCE = 0.01
"""That any worker of a table without lasting differences keeps its factor as it was measured."""


def worker_factors(table: FloatArray, medians: FloatArray) -> FloatArray:
    """Lasting factors of the workers, 1 for the median worker.

    A worker's factor is the median over rounds of its delay over the round's median. The largest
    of many such numbers is large by chance alone, so what cannot be told from chance is taken back:
    factors within the reach of chance (each has a standard error from ``PARTS`` runs of rounds) are
    shrunk towards 1 by the share of their variance that the errors explain; those beyond it stay.

    Args:
        table: ``(R, n)`` seconds.
        medians: ``(R,)`` seconds, > 0.

    Returns:
        ``(n,)``; ones where there is one round.

    Source:
        James and Stein's estimator with positive part; keeping what is far off is Efron and
        Morris's limited translation (JASA 67, 1972).
    """
    rounds, n = table.shape
    parts = min(PARTS, rounds)
    if parts < 2 or n < 2:
        return np.ones(n)
    edges = np.linspace(0, rounds, parts + 1).astype(int)
    whole, split = np.empty(n), np.empty((parts, n))
    for columns in pieces(n, rounds):
        ratios = table[:, columns] / medians[:, None]
        whole[columns] = np.median(ratios, axis=0)
        for part in range(parts):
            split[part, columns] = np.median(ratios[edges[part] : edges[part + 1]], axis=0)
    centre = float(np.median(whole))
    if centre <= 0:
        return np.ones(n)
    return shrunk(whole / centre, split.var(axis=0, ddof=1) / parts / centre**2, parts - 1)


def shrunk(factors: FloatArray, errors: FloatArray, freedom: int) -> FloatArray:
    """Take back what chance explains of ``(n,)`` factors around 1.

    Args:
        factors: as measured.
        errors: their squared standard errors, each with so many degrees of freedom.
        freedom: of ``errors``.
    """
    typical = float(np.median(errors)) * freedom / float(stats.chi2.median(freedom))
    deviations = np.sqrt(np.maximum(errors, typical))
    reach = float(stats.norm.isf(CHANCE / 2 / len(factors)))
    far = np.abs(factors - 1) > reach * deviations
    near = factors[~far]
    spread = float(np.mean((near - 1) ** 2)) if len(near) else 0.0
    kept = max(0.0, 1 - typical / spread) if spread > 0 else 0.0
    return np.where(far, factors, 1 + kept * (factors - 1))
