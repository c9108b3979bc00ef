"""Workers that differ from the others, and spells in which they are slow."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from ...delay_models.base import FloatArray
from ...delay_models.factors import GroupEffects
from ..statistics.intervals import LEVEL as CONFIDENCE
from ..statistics.intervals import Estimates, blocks, correlations
from ..statistics.job import RUNS, Job, round_medians
from ..statistics.spells import FEWEST_ROUNDS, Runs, likely_states
from .law import Section, delay_model, lognormal_section, rounded
from .racks import placement

JUDGED_WORKERS = 50  # for which intervals are computed: those that cost most
NEUTRAL = {"factors": 1.0, "ranks": 0.0}  # fields that list workers, and a number without effect


@dataclass(frozen=True, eq=False)
class Workers:
    """What is known of each worker."""

    slower: Estimates  # times the median worker's typical delay
    slow: Estimates  # share of the rounds in which it is slow
    spell: Estimates  # rounds in a row in which it is slow, on average
    correlation: Estimates  # of log(delay / round's median) in successive rounds
    cost: Estimates  # seconds a round that a median worker in its place would save
    # Those that stand out by spells: slow for a while, then fast again; with how many times the
    # round's median they typically take in them, and in the other rounds.
    spelled: Mapping[int, tuple[float, float]]
    standing: tuple[int, ...]  # those that stand out from chance, the costliest first
    order: tuple[int, ...]  # all, those that stand out first, then by what they cost
    level: float  # a worker is slow beyond so many times the round's median

    @property
    def differ(self) -> bool:
        """Whether one that stands out is slower for good: its interval lies above 1."""
        return any(self.slower.low[j] > 1 for j in self.standing)


def judge_workers(tables: Sequence[FloatArray]) -> Workers | None:
    """Of ``(rounds, n)`` tables; ``None`` with few rounds or workers, or a round's median of 0 s.
    Cost: a sort of every round, and a thousand means for each of ``JUDGED_WORKERS`` workers."""
    rounds = np.concatenate(tables)
    job = Job(rounds)
    medians = job.medians
    if len(rounds) < FEWEST_ROUNDS or rounds.shape[1] < 3 or medians.min() <= 0:
        return None
    cost, _ = job.slowest.alone
    costly, due_to = np.argsort(-cost, kind="stable"), job.slowest.due_to
    resampled = blocks([rounds.max(axis=1), medians, *map(due_to, costly[:3])])
    ratios = rounds / medians[:, None]
    ends = np.cumsum([len(table) for table in tables])[:-1].tolist()
    standing, slow, spelled = job.judged(ends)
    order = [*standing, *(int(j) for j in costly if j not in standing)]
    judged, share = order[:JUDGED_WORKERS], slow.cells.mean(axis=0)
    slow_ends = resampled.intervals(share, judged, lambda j: slow.cells[:, j].astype(np.float64))
    low, high = resampled.intervals(cost, judged, due_to)
    return Workers(
        _slower(ratios),
        Estimates(share, *np.clip(slow_ends, 0.0, 1.0)),
        spell_lengths(slow.runs),
        correlations(np.split(np.log(np.maximum(ratios, 1e-12)), ends)),
        Estimates(cost, np.maximum(low, 0.0), high),
        spelled,
        tuple(standing),
        tuple(order),
        slow.level,
    )


def _slower(ratios: FloatArray) -> Estimates:
    """Medians over rounds; intervals from the medians of ``RUNS`` runs of rounds."""
    whole = np.median(ratios, axis=0)
    count = min(RUNS, len(ratios))
    split = [np.median(run, axis=0) for run in np.array_split(ratios, count)]
    errors = np.std(split, axis=0, ddof=1) / np.sqrt(count)
    reach = _student(count) * errors
    centre = float(np.median(whole)) or 1.0
    return Estimates(whole / centre, (whole - reach) / centre, (whole + reach) / centre)


def _student(count: int) -> float:
    """How many standard errors the mean of so many numbers may be off."""
    return -float(special.stdtrit(count - 1, (1 - CONFIDENCE) / 2))


def spell_lengths(every: Sequence[Runs]) -> Estimates:
    """Mean length of runs of slow rounds, by Student's interval of their lengths from three on."""
    value, low, high = (np.full(len(every), np.nan) for _ in range(3))
    for j, lengths in enumerate(lengths for _, lengths in every):
        if len(lengths):
            value[j] = lengths.mean()
        if len(lengths) >= 3:
            reach = _student(len(lengths)) * (float(lengths.std(ddof=1)) / np.sqrt(len(lengths)))
            low[j], high[j] = max(1.0, value[j] - reach), value[j] + reach
    return Estimates(value, low, high)


def without(tables: Sequence[FloatArray], workers: Iterable[int]) -> list[FloatArray]:
    """``(rounds, n)`` tables without the columns of some workers."""
    return [np.delete(table, [*workers], axis=1) for table in tables]


def with_own_laws(section: Section, tables: Sequence[FloatArray], workers: Workers) -> Section:
    """A section that was fitted to the other workers, and the laws of those with spells, whose
    delays are those of a typical round where a factor of the round stays around all of them."""
    if section["model"] == "round_effects":
        rounds = np.concatenate(tables)
        medians = round_medians(rounds)
        typical = rounds / (medians / np.median(medians))[:, None]
        return section | {"base": with_own_laws(section["base"], [typical], workers)}
    others = iter(range(tables[0].shape[1]))
    origins = [None if j in workers.spelled else next(others) for j in range(tables[0].shape[1])]
    return {
        "model": "own_laws",
        "workers": [*workers.spelled],
        "models": [_spells_of(tables, worker, workers) for worker in workers.spelled],
        "base": _arranged(section, origins, len(origins)),
        **({"complete": True} if "complete" in section else {}),
    }


def in_turn(section: Section, workers: int, count: int) -> Section:
    """A section of so many ``workers`` for a ``count`` of them: these again and again, in their
    order. Measured rounds have no more."""
    return _arranged(section, [j % workers for j in range(count)], workers)


def _arranged(section: Section, origins: Sequence[int | None], workers: int) -> Section:
    """A section for workers each of whom is like the one of the section that is its origin;
    ``None``: like none, which has neutral numbers. The section is of so many ``workers``; those
    that come again are in racks of their own."""
    arranged = dict(section)
    if section["model"] == "group_effects":
        model = delay_model(section)
        assert isinstance(model, GroupEffects)
        racks, j = model.racks(workers), np.arange(len(origins))
        racks = racks[j % workers] + j // workers * (racks.max() + 1)
        arranged = {k: v for k, v in section.items() if k not in ("size", "placement")}
        arranged |= placement(racks)
    for field in NEUTRAL.keys() & section.keys():
        arranged[field] = [NEUTRAL[field] if j is None else section[field][j] for j in origins]
    if isinstance(section.get("base"), dict):
        arranged["base"] = _arranged(section["base"], origins, workers)
    if section["model"] == "own_laws":
        laws = dict(zip(section["workers"], section["models"], strict=True))
        arranged["workers"] = [j for j, origin in enumerate(origins) if origin in laws]
        arranged["models"] = [laws[origin] for origin in origins if origin in laws]
        return arranged if arranged["workers"] else dict(arranged["base"])
    return arranged


def _spells_of(tables: Sequence[FloatArray], worker: int, workers: Workers) -> Section:
    """Two states with the mean length of its spells and its share of slow rounds."""
    own = np.concatenate([table[:, worker] for table in tables])
    medians = np.concatenate([round_medians(table) for table in tables])
    slow, logs = own > workers.level * medians, np.log(np.maximum(own, 1e-12))
    if slow.all() or not slow.any():  # of a fold, say
        return _lognormal(logs)
    slow = likely_states(np.log(np.maximum(own / medians, 1e-12)), slow)
    leaves = 1 / float(workers.spell.value[worker])
    share = float(slow.mean())
    return {
        "model": "markov",
        "slow_to_slow": rounded(1 - leaves, 4),
        "fast_to_slow": rounded(min(1.0, leaves * share / (1 - share)), 4),
        "fast": _lognormal(logs[~slow]),
        "slow": _lognormal(logs[slow]),
    }


def _lognormal(logs: FloatArray) -> Section:
    return lognormal_section(logs, max(1e-3, float(logs.std())))
