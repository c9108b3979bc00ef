"""Workers with spells get laws of their own in the fitted section; the others are as they were."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...delay_models.base import FloatArray
from ..whatif.rows import round_medians
from .laws.law import lognormal_section, rounded_to_4
from .workers import Workers

Section = dict[str, Any]
LISTS = {"factors": 1.0, "ranks": 0.0}
"""Fields with a number for each worker, and that of a worker which is left out."""

SMALLEST_SIGMA = 1e-3


def without(tables: Sequence[FloatArray], workers: Sequence[int]) -> list[FloatArray]:
    """``(rounds, n)`` tables without the columns of some workers."""
    return [np.delete(table, [*workers], axis=1) for table in tables]


def with_own_laws(section: Section, tables: Sequence[FloatArray], workers: Workers) -> Section:
    """A section that was fitted to the other workers, and the laws of those with spells.

    A factor of the round stays around all of them. Then their delays are those that they would have
    had in a typical round.
    """
    if section["model"] == "round_effects":
        rounds = np.concatenate(tables)
        medians = round_medians(rounds)
        typical = rounds / (medians / np.median(medians))[:, None]
        return section | {"base": _around(section["base"], [typical], workers)}
    return _around(section, tables, workers)


def _around(section: Section, tables: Sequence[FloatArray], workers: Workers) -> Section:
    for worker in sorted(workers.lasting):
        section = _widened(section, worker)
    return {
        "model": "own_laws",
        "workers": [*workers.lasting],
        "models": [_spells(tables, worker, workers) for worker in workers.lasting],
        "base": section,
    }


def _widened(section: Section, worker: int) -> Section:
    """Room for one more worker: a number in every list of them, and the later ones count on."""
    wider = dict(section)
    for field, neutral in LISTS.items():
        if field in section:
            numbers = [*section[field]]
            wider[field] = [*numbers[:worker], neutral, *numbers[worker:]]
    if section["model"] == "own_laws":
        wider["workers"] = [each + (each >= worker) for each in section["workers"]]
    if isinstance(section.get("base"), dict):
        wider["base"] = _widened(section["base"], worker)
    return wider


def _spells(tables: Sequence[FloatArray], worker: int, workers: Workers) -> Section:
    """Two states with the mean length of its spells and its share of slow rounds."""
    mine = np.concatenate([table[:, worker] for table in tables])
    medians = np.concatenate([round_medians(table) for table in tables])
    slow = mine > workers.level * medians
    leaves = 1 / float(workers.spell.value[worker])
    share = float(slow.mean())
    return {
        "model": "markov",
        "slow_to_slow": rounded_to_4(1 - leaves),
        "fast_to_slow": rounded_to_4(min(1.0, leaves * share / (1 - share))),
        "fast": _lognormal(mine[~slow]),
        "slow": _lognormal(mine[slow]),
    }


def _lognormal(sample: FloatArray) -> Section:
    logs = np.log(np.maximum(sample, 1e-12))
    sigma = max(SMALLEST_SIGMA, float(logs.std()))
    return lognormal_section(float(logs.mean()), sigma)
