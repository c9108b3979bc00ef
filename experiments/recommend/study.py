"""A recommendation: the best scheme, how far that holds, and everything as tables."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np
import pandas as pd

from ...sim.types import FloatArray
from ..config.errors import ConfigError
from ..options import Criterion
from ..pictures.kinds.losses import pareto
from ..run.records import interval_columns
from . import stages
from .contender import LIMITS, NO_DIFFERENCE, Contender, estimate, final_order, ratio, to_goal
from .measure import Performance, Simulation, performance
from .question import Question
from .scenario import LAW, UNCHANGED, Evidence, Perturbation, perturbations
from .search import STAGES, Search

TRAINED_REPLICATIONS, TIMED_REPLICATIONS = 16, 64  # on changed delays


@dataclass(frozen=True, eq=False)
class Sensitivity:
    """One scheme on changed delays, beside the recommended one."""

    perturbation: Perturbation  # what is changed
    contender: Contender  # the scheme
    values: FloatArray  # ``(R,)`` of what is minimised; NaN where the goal is not reached
    best: FloatArray  # the same of the recommended scheme, on the same delays
    criterion: Criterion  # what of the values is compared
    evidence: Evidence = LAW  # what the delays are drawn from

    @property
    def ratio(self) -> tuple[float, float, float]:
        """Over the recommended scheme, with a 95 % interval; NaN where one misses the goal."""
        return ratio(self.values, self.best, self.criterion, evidence=self.evidence)

    @property
    def beats(self) -> bool:
        """Whether it is surely better than the recommended scheme here."""
        return self.ratio[2] < 1 or self.alone

    @property
    def alone(self) -> bool:
        """Whether it reaches the goal in every run where the recommended scheme does not."""
        return bool(np.isfinite(self.values).all() and not np.isfinite(self.best).all())


def sensitivities(search: Search, finalists: Sequence[Contender]) -> list[Sensitivity]:
    """Simulate a few schemes on changed delays; of the finalists, the first is recommended."""
    question = search.question
    chosen = _few(search, finalists)
    replications = TRAINED_REPLICATIONS if question.trains else TIMED_REPLICATIONS
    changes = [UNCHANGED, *perturbations(question.scenario.unit_delay)]
    if all(one.profile is not None and one.profile.holds <= 1 for one in chosen):
        changes = [change for change in changes if change.name != "load"]
    asked: dict[tuple[Perturbation, int], Simulation] = {}
    for change, one in product(changes, chosen):
        rate = one.rate if one.rate > 0 else question.exact_rate
        plain = search.simulation(one, replications, (rate,) if question.trains else ())
        there = replace(plain, index=len(asked), perturbation=change)
        asked.setdefault(_alike(change, one), there)
    search.part = (STAGES - 1, 1.0)
    found = dict(zip(asked, search.results(performance, [*asked.values()]), strict=True))
    rows: list[Sensitivity] = []
    for change in changes:
        best, *_ = own = [found[_alike(change, one)] for one in chosen]
        rows += [
            Sensitivity(
                change, one, result.values[0], best.values[0], result.criterion, result.evidence
            )
            for one, result in zip(chosen, own, strict=True)
            if isinstance(result, Performance) and isinstance(best, Performance)
        ]
    return rows


def _alike(change: Perturbation, one: Contender) -> tuple[Perturbation, int]:
    """What is simulated for a scheme on changed delays: where no task is of further partitions,
    nothing changes with what these cost."""
    alone = change.name == "load" and one.profile is not None and one.profile.alone
    return (UNCHANGED if alone else change), one.index


def _few(search: Search, finalists: Sequence[Contender]) -> list[Contender]:
    """The best three, one of the config, and the best coded, not coded, and without a barrier."""
    gone = [c for c in search.contenders if c.stage not in ("", LIMITS) and c.expected is not None]
    ranked = [*finalists, *sorted(gone, key=_how_far)]
    chosen = [*finalists[:3]]
    for kind in ((True, False), (False, False), (False, True)):
        alike = [one for one in ranked if (one.coded, one.barrierless) == kind]
        if alike and not any(one in chosen for one in alike):
            chosen.append(alike[0])
    given = [one for one in finalists if one.given and one not in chosen]
    return [*chosen, *given[:1]]  # six at most: a kind is among the first three


def _how_far(one: Contender) -> tuple[int, float, float]:
    if one.final is not None:
        return 0, *final_order(one)
    return (1, *one.trial.order(one.rate)) if one.trial is not None else (2, 0.0, _expected(one))


def _expected(one: Contender) -> float:
    """The goal's seconds where they need no training; else those of an iteration."""
    assert one.expected is not None
    known = one.expected
    return known.iteration_time if np.isnan(known.value) else known.value


@dataclass(frozen=True, eq=False)
class Recommendation:
    """The answer to a question, and the search that found it."""

    search: Search  # the question, and all contenders
    finalists: tuple[Contender, ...]  # those that stayed, also the config's own; the best first
    winner: Contender  # the best of those that keep the limits
    tied: tuple[Contender, ...]  # others, within limits, that cannot be told apart from it
    untuned: tuple[Contender, ...]  # finalists at the common rate, the best first, if any
    sensitivities: tuple[Sensitivity, ...]  # the best few on changed delays

    @property
    def question(self) -> Question:
        """The question that was asked."""
        return self.search.question

    @property
    def contenders(self) -> Sequence[Contender]:
        """All schemes that were looked at."""
        return self.search.contenders

    @property
    def today(self) -> Contender:
        """The first scheme of the config."""
        return self.contenders[0]

    @property
    def reached(self) -> bool:
        """Whether the winner reaches the goal in every replication."""
        return bool(np.isfinite(self.winner.values).all())

    def costs(self, one: Contender) -> dict[str, float]:
        """Load, worker-seconds, bytes and error of a scheme of the race."""
        assert one.final is not None
        return one.costs(self.question, one.final, one.value)

    @property
    def best_exact(self) -> Contender | None:
        """The best finalist whose updates are exact."""
        exact = (one for one in self.finalists if one.final is not None and one.final.exact)
        return next((one for one in exact if not one.barred), None)

    @property
    def best_coded(self) -> Contender | None:
        """The best code, in the race or as far as it came."""
        coded = [one for one in self.contenders if one.coded]
        if raced := [one for one in coded if one.final is not None and not one.barred]:
            return min([one for one in raced if not one.stage] or raced, key=final_order)
        known = [one for one in coded if one.expected is not None and one.stage != LIMITS]
        return min(known, key=_expected, default=None)


def recommended(search: Search) -> Recommendation:
    """Search, and ask how far the answer holds. Raises ConfigError: nothing can be recommended."""
    question, finalists = search.question, stages.finalists(search)
    kept = [one for one in finalists if not one.breaks]
    if not (allowed := [one for one in kept if not one.unheard] or kept):
        raise ConfigError("no scheme of those that keep the limits could be simulated")
    winner = allowed[0]
    changed: list[Sensitivity] = []
    if np.isfinite(winner.values).all():
        changed = sensitivities(search, [winner, *(c for c in finalists if c is not winner)])
    search.progress(STAGES, STAGES)
    untuned: list[Contender] = []
    if question.trains:
        untuned = sorted(finalists, key=lambda one: final_order(one, question.common_rate))
    ties = [one for one in allowed[1:] if one.against(winner)[1] <= 1 + NO_DIFFERENCE]
    others = tuple(ties), tuple(untuned), tuple(changed)
    return Recommendation(search, tuple(finalists), winner, *others)


def recommendation_tables(found: Recommendation) -> dict[str, pd.DataFrame]:
    """All that is kept of a recommendation, by the names of its files."""
    candidates = pd.DataFrame([*_candidates(found)])
    costs = candidates[["value", "error", "worker_seconds"]].to_numpy(float)
    changed = ["dial", "times", "scheme", "label", "value", "ratio", "ratio_low", "ratio_high"]
    changed.append("replications")
    rates = ["label", "rate", "value", "reached", "replications", "own"]
    return {
        "ranking": pd.DataFrame([*_ranking(found)]),
        "candidates": candidates.assign(front=pareto(*costs.T)),
        "sensitivity": pd.DataFrame([*_sensitivity(found)], columns=changed),
        "rates": pd.DataFrame([*_rates(found)], columns=rates),
    }


def _ranking(found: Recommendation) -> Iterator[dict[str, Any]]:
    question, winner, today = found.question, found.winner, found.today
    places = {one.index: place for place, one in enumerate(found.untuned, 1)}
    left = [one for one in found.contenders if one.final is not None and one.stage]
    left.sort(key=final_order)
    for rank, one in enumerate((*found.finalists, *left), 1):
        final, values = one.final, one.values
        assert final is not None
        there = np.isfinite(values)
        known = values if there.all() else np.full(len(values), np.nan)
        to_target, untuned = final.to_target, np.nan
        if question.trains:
            untuned = to_goal(one.at(question.common_rate), final.criterion)
        yield {
            "rank": rank,
            "scheme": one.scheme,
            "label": one.label,
            "goal": question.goal.column,
            **interval_columns("value", estimate(known, final.criterion, final.evidence)),
            **interval_columns("ratio", one.against(winner)),
            **interval_columns("to_today", one.against(today)),
            "reached": int(there.sum()),
            "replications": len(values),
            "tied": one is winner or one in found.tied,
            "rate": one.rate,
            "value_at_common_rate": untuned,
            "rank_at_common_rate": places.get(one.index, np.nan),
            "iteration_time": one.iteration_time,
            "iterations": float(np.mean(to_target[0])) if to_target.size else np.nan,
            "staleness": final.staleness,
            **found.costs(one),
            "coded": one.coded,
            "today": one is today,
            "breaks": one.breaks,
            "least_heard": final.least_heard,
            "unheard": one.unheard,
            "left": one.stage,
        }


def _candidates(found: Recommendation) -> Iterator[dict[str, Any]]:
    for one in found.contenders:
        expected = one.expected
        value = np.nan if one.reason.startswith(stages.SAME) else _best_known(one)
        costs = {"load": np.nan, "worker_seconds": np.nan, "bytes": np.nan, "error": np.nan}
        if one.clocked is not None:
            costs = one.costs(found.question, one.final or one.clocked, value)
        elif expected is not None:
            costs["error"] = expected.error
        if one.profile is not None:
            costs["load"] = float(one.profile.holds)
        fields = {key: field for key, field in one.section.items() if key != "label"}
        yield {
            "scheme": one.scheme,
            "label": one.label,
            "section": json.dumps(fields, sort_keys=True),
            "stage": one.stage or "stayed",
            "reason": one.reason or one.breaks or one.unheard,
            "value": value if np.isfinite(value) else np.nan,
            "rate": one.rate,
            "iteration_time": expected.iteration_time if expected is not None else np.nan,
            "known_by": expected.source if expected is not None else "",
            **costs,
            "coded": one.coded,
        }


def _best_known(one: Contender) -> float:
    if one.final is not None:
        return one.value
    if one.trial is not None:
        return to_goal(one.trial.at(one.rate), one.trial.criterion)
    return np.nan if one.expected is None else one.expected.value


def _sensitivity(found: Recommendation) -> Iterator[list[Any]]:
    for each in found.sensitivities:
        change, one = each.perturbation, each.contender
        value = to_goal(each.values, each.criterion)
        known = value if np.isfinite(value) else np.nan
        name, runs = change.name or "unchanged", len(each.values)
        yield [name, change.value, one.scheme, one.label, known, *each.ratio, runs]


def _rates(found: Recommendation) -> Iterator[list[Any]]:
    for one, trial in ((one, one.trial) for one in found.contenders if one.trial is not None):
        for rate in sorted(trial.rates):
            values = trial.at(rate)
            there = np.isfinite(values)
            average = float(values[there].mean()) if there.any() else np.nan
            yield [one.label, rate, average, int(there.sum()), len(values), rate == one.rate]
