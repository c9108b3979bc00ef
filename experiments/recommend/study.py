"""The answer in numbers: the winner, ties, today's scheme, how far that holds, and tables. It has
no sentences; ``answer`` makes them from it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from ...sim.types import FloatArray
from ..pictures.kinds.losses import pareto
from ..run.records import interval_columns
from ..whatif.study import Study, study_load
from .compare import NO_DIFFERENCE, estimate, optimism, ratio
from .evaluate import Budget, Candidate, Evaluator, Row, allowed
from .halving import Found, search
from .measure import Performance, forget
from .question import Question, order, typical
from .scenario import SHUFFLED, UNCHANGED, Perturbation, perturbations

TRAINED_REPLICATIONS, TIMED_REPLICATIONS = 16, 64  # on changed delays
Interval = tuple[float, float, float]


@dataclass(frozen=True, eq=False)
class Changed:
    """A candidate on changed delays, beside the winner on the same."""

    change: Perturbation
    row: Row  # what it did on the delays as they are
    value: float  # what is compared; NaN: not always reached
    ratio: Interval  # over the winner's
    replications: int
    reaches: bool  # the goal in every replication, and whether the winner does
    best_reaches: bool

    @property
    def beats(self) -> bool:
        """Whether it is surely better than the winner here, or alone reaches the goal."""
        return self.ratio[2] < 1 or (self.reaches and not self.best_reaches)


@dataclass(frozen=True, eq=False)
class Recommendation:
    """The best candidate, and how sure that is."""

    found: Found  # the search
    changed: tuple[Changed, ...] = ()  # the best few on changed delays

    @property
    def question(self) -> Question:
        """The question that was asked."""
        return self.found.question

    @cached_property
    def may(self) -> set[int]:
        """Who may be recommended."""
        return allowed(self.found.all.rows.values(), self.question)

    @cached_property
    def finalists(self) -> list[Row]:
        """Those of the last rung, the winner first."""
        rows = self.found.last
        first = next((row for row in rows if row.index in self.may), rows[0])
        return [first, *(row for row in rows if row is not first)]

    @property
    def winner(self) -> Row:
        """The best of those that may be recommended."""
        return self.finalists[0]

    @property
    def today(self) -> Row:
        """The first scheme of the config."""
        return self.found.all.rows[0]

    @cached_property
    def tied(self) -> list[Row]:
        """Others that may be recommended and cannot be told apart from the winner."""
        others = [row for row in self.finalists[1:] if row.index in self.may]
        return [row for row in others if self.ratio(row, self.winner)[1] <= 1 + NO_DIFFERENCE]

    @cached_property
    def of_table(self) -> Study | None:
        """What ``whatif`` finds in the measured rounds in which all arrive; ``None``: there are no
        such, or some are of 0 s, which it refuses."""
        table, hosts = self.question.scenario.table, self.question.scenario.hosts
        if table is None or not (whole := table[np.isfinite(table).all(axis=1)]).size:
            return None
        medians = np.concatenate([np.median(whole, axis=axis) for axis in (0, 1)])
        return study_load(whole, hosts) if (medians > 0).all() else None

    @property
    def coverage(self) -> dict[str, Any] | None:
        """How often partitions of the winner are heard, as ``answer.json`` has it, of a table."""
        shares, hosts = self.found.all.runs[self.winner.index].shares, self.question.scenario.hosts
        if shares is None or not hosts:
            return None
        own = self.winner.load == 1 and len(shares) == len(hosts)
        names = hosts if own else map(str, range(len(shares)))
        known = dict(zip(names, shares.round(6).tolist(), strict=True))
        return {"least": min(known.values()), "mean": float(shares.mean()), "shares": known}

    @property
    def optimism(self) -> float:
        """What the winner of a table takes longer than measured on average, as it was chosen."""
        same = [row for row in self.finalists if row.index in self.may and row.order[0] == 0]
        run, many = self.found.all.runs[self.winner.index], self.winner.replications
        if not run.evidence.rounds or run.criterion != "mean":
            return 0.0
        values = [self.values(row) for row in same if row.replications == many]
        return optimism(np.array(values), run.evidence) if len(values) > 1 else 0.0

    @property
    def reached(self) -> bool:
        """Whether the winner reaches the goal."""
        return self.winner.order[0] == 0

    @cached_property
    def everybody(self) -> list[Row]:
        """All candidates, the best of the furthest rung first."""
        rows = self.found.all.rows.values()
        return sorted(rows, key=lambda row: (-row.rung, row.order, row.index))

    def best(self, **fields: Any) -> Row | None:
        """The best feasible candidate whose fields are these, on the furthest rung that one is on;
        ``None``: there is none."""
        feasible = (row for row in self.everybody if row.feasible)
        alike = (row for row in feasible if all(getattr(row, k) == v for k, v in fields.items()))
        return next(alike, None)

    def values(self, row: Row, rate: float | None = None) -> FloatArray:
        """What it takes at its own rate, or at another one, ``(R,)``."""
        return self.found.all.values(row, rate)

    def iterations(self, row: Row) -> float:
        """Mean iterations to the target, of the runs that reach it; NaN: none does."""
        needed = self.found.all.runs[row.index].to_target[:1]
        return float(np.nanmean(needed)) if np.isfinite(needed).any() else np.nan

    def ratio(self, row: Row, other: Row) -> Interval:
        """Of what the two take, with a paired 95 % interval; NaN where one misses the goal, or they
        are not known on the same delays."""
        both = row, other
        if (
            any(not each.replications or each.tuned for each in both)
            or row.trained != other.trained
        ):
            return np.nan, np.nan, np.nan
        run = self.found.all.runs[row.index]
        pair = self.values(row), self.values(other)
        return ratio(*pair, run.criterion, evidence=run.evidence)

    def turns(self, each: Changed) -> bool:
        """Whether on changed delays another scheme, and not just another number of arrivals, is
        better, and so because of the change."""
        row, winner = each.row, self.winner
        if row.violates or (not row.covered and winner.covered and each.change.value != SHUFFLED):
            return False  # as little as on the delays as they are; where shuffled, all count
        if row.trained and not row.tuned and row.order[0]:
            return False  # in the race, which has more runs, it misses the goal
        usual = (one for one in self.changed if one.row is row and not one.change.name)
        if row.covered and any(one.beats for one in usual):
            return False  # so it is not the change that makes it better
        return each.beats and (row.scheme, row.coded) != (winner.scheme, winner.coded)


def recommended(question: Question, evaluate: Evaluator) -> Recommendation:
    """Search, and ask how far the answer holds. Raises ConfigError: nothing can be recommended."""
    forget()  # a file of the same name may have changed since the last search of this process
    answer = Recommendation(search(question, evaluate))
    if answer.reached:
        answer = replace(answer, changed=tuple(_on_changed_delays(answer, evaluate)))
    steps = evaluate.part[2]
    evaluate.progress(steps, steps)
    return answer


def _few(answer: Recommendation) -> list[Row]:
    """The winner, the next two of other schemes, the best coded, uncoded and barrierless, and one
    of the config: another variant of the winner would be no other answer."""
    winner, kinds = answer.winner, ((True, False), (False, False), (False, True))
    others = [r for r in answer.finalists if (r.scheme, r.coded) != (winner.scheme, winner.coded)]
    best = (answer.best(coded=coded, barrierless=free) for coded, free in kinds)
    some = (winner, *others[:2], *(row for row in best if row is not None))
    chosen = {row.index: row for row in some}
    given = [row for row in answer.finalists if row.given and row.index not in chosen]
    return [*chosen.values(), *given[:1]]


def _on_changed_delays(answer: Recommendation, evaluate: Evaluator) -> Iterator[Changed]:
    question, chosen = answer.question, _few(answer)
    changes = [UNCHANGED, *perturbations(question.scenario.unit_delay)]
    if all(row.load <= 1 for row in chosen):
        changes = [change for change in changes if change.name != "load"]
    count = TRAINED_REPLICATIONS if question.trains else TIMED_REPLICATIONS
    rungs, unchanged = len(answer.found.rungs), dict[int, Performance]()
    for place, change in enumerate(changes):
        evaluate.part = (rungs + place / len(changes), 1 / len(changes), rungs + 1)
        asked = dict[Candidate, tuple[float, ...]]()
        for row in chosen:  # where no task is of further partitions, what these cost is no change
            if not (change.name == "load" and row.alone):
                rate = row.rate if row.rate > 0 else question.exact_rate
                asked[row.candidate] = (rate,) if question.trains else ()
        new = evaluate(asked, Budget(count, perturbation=change, work=False), answer.found.all)
        unchanged = unchanged or dict(new.runs)
        runs = {**unchanged, **new.runs} if change.name == "load" else new.runs
        if (best := runs.get(chosen[0].index)) is None:
            continue
        for row in (row for row in chosen if row.index in runs):
            run, pair = runs[row.index], (runs[row.index].values[0], best.values[0])
            tier, value = order(pair[0], run.criterion)
            yield Changed(
                change,
                row,
                value if tier == 0 else np.nan,
                ratio(*pair, run.criterion, evidence=run.evidence),
                len(pair[0]),
                *(bool(np.isfinite(values).all()) for values in pair),
            )


def recommendation_tables(answer: Recommendation) -> dict[str, pd.DataFrame]:
    """All that is kept of a recommendation, by the names of its files."""
    everybody = sorted(answer.everybody, key=lambda row: row.index)
    candidates = pd.DataFrame([_candidate(answer, row) for row in everybody])
    costs = candidates[["value", "error", "worker_seconds"]].to_numpy(float)
    changed = [
        (each.change.name or "unchanged", each.change.value, each.row.scheme, each.row.label,
         each.value, *each.ratio, each.replications)
        for each in answer.changed
    ]  # fmt: skip
    columns = ["dial", "times", "scheme", "label", "value", "ratio", "ratio_low", "ratio_high"]
    rates = ["label", "rate", "value", "reached", "replications", "own"]
    return {
        "ranking": pd.DataFrame([*_ranking(answer)]),
        "candidates": candidates.assign(front=pareto(*costs.T)),
        "sensitivity": pd.DataFrame(changed, columns=[*columns, "replications"]),
        "rates": pd.DataFrame([*_rates(answer)], columns=rates),
    }


def _ranking(answer: Recommendation) -> Iterator[dict[str, Any]]:
    """Those of the last two rungs, which are on the same delays."""
    question, found, last = answer.question, answer.found, len(answer.found.rungs) - 1
    before = (row for row in answer.everybody if row.rung == last - 1)
    raced = [*answer.finalists, *(row for row in before if row.replications and not row.tuned)]
    tied = {answer.winner.index, *(row.index for row in answer.tied)}
    flat = {row.index: np.nan for row in raced}
    if question.trains:
        criterion, common = question.goal.criterion, question.common_rate
        for row in raced:  # infinite where a replication misses the goal
            values = answer.values(row, common)
            there = np.isfinite(values).all()
            flat[row.index] = float(typical(values, criterion)) if there else np.inf
    places = {i: place for place, i in enumerate(sorted(flat, key=lambda i: flat[i]), 1)}
    for rank, row in enumerate(raced, 1):
        values, run = answer.values(row), found.all.runs[row.index]
        known = values if row.order[0] == 0 else np.full(len(values), np.nan)
        value = estimate(known, run.criterion, run.evidence)
        if row is answer.winner:
            value = (*value[:2], value[2] + answer.optimism)
        yield {
            "rank": rank,
            "scheme": row.scheme,
            "label": row.label,
            "goal": question.goal.column,
            **interval_columns("value", value),
            **interval_columns("ratio", answer.ratio(row, answer.winner)),
            **interval_columns("to_today", answer.ratio(row, answer.today)),
            "reached": row.reached,
            "replications": row.replications,
            "tied": row.index in tied,
            "rate": row.rate,
            "value_at_common_rate": flat[row.index],
            "rank_at_common_rate": places[row.index] if question.trains else np.nan,
            "iteration_time": row.iteration_time,
            "iterations": answer.iterations(row),
            **_costs(row),
            "staleness": row.staleness,
            "today": row is answer.today,
            "breaks": row.violates,
            "least_heard": row.least_heard,
            "unheard": _unheard(answer, row),
            "left": "" if row.rung == last else f"after {row.replications} runs",
        }


def _costs(row: Row) -> dict[str, Any]:
    names = ("load", "worker_seconds", "bytes", "error", "coverage", "coded")
    return {name: getattr(row, name) for name in names}


def _unheard(answer: Recommendation, row: Row) -> str:
    if row.violates or row.index in answer.may:
        return ""
    return f"some partition is in {row.least_heard:.2g} of the updates"


def _candidate(answer: Recommendation, row: Row) -> dict[str, Any]:
    section = {key: field for key, field in row.section.items() if key != "label"}
    stage = "stayed" if row.rung == len(answer.found.rungs) - 1 else f"rung {row.rung + 1}"
    barred = row.refused or row.violates or _unheard(answer, row)
    return {
        "scheme": row.scheme,
        "label": row.label,
        "section": json.dumps(section, sort_keys=True),
        "stage": "infeasible" if barred and not row.given else stage,
        "reason": barred or (f"does the same as {row.same}" if row.same else ""),
        "value": row.value if row.trained == answer.question.trains else np.nan,
        "rate": row.rate,
        "iteration_time": row.iteration_time,
        "known_by": f"{row.replications} runs" if row.replications else "closed form",
        **_costs(row),
    }


def _rates(answer: Recommendation) -> Iterator[list[Any]]:
    rows = answer.found.all.rows
    for index, run in sorted(answer.found.tuned.items()):
        for rate in sorted(run.rates):
            values = run.at(rate)
            there = np.isfinite(values)
            average = float(values[there].mean()) if there.any() else np.nan
            own = rate == rows[index].rate
            yield [rows[index].label, rate, average, int(there.sum()), len(values), own]
