"""The answer in numbers: the winner, ties, today's scheme, how far that holds, and tables. It has
no sentences; ``answer`` makes them from it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from ...pictures.kinds.losses import pareto
from ...text import interval_columns
from .compare import EQUAL_WITHIN, Interval, interval_of, statistic
from .question import Question
from .scenario import SHUFFLED_ROUNDS, UNCHANGED, Perturbation, perturbations
from .search.candidates import frozen
from .search.evaluate import Candidate, Evaluator, recommendable
from .search.halving import SearchResult, search
from .search.measure import Budget, forget


@dataclass(frozen=True, eq=False)
class Changed:
    """A candidate on changed delays, beside the winner on the same."""

    change: Perturbation
    usual: Candidate  # on the delays as they are
    row: Candidate  # on the changed ones
    best: Candidate  # the winner on these

    @property
    def beats(self) -> bool:
        """Whether it is surely better than the winner here, or alone reaches the goal."""
        return self.row.ratio(self.best)[2] < 1 or (self.row.always and not self.best.always)


@dataclass(frozen=True, eq=False)
class Placement:
    """A code whose groups lie in as few racks as they can, and one in as many."""

    racks: int  # that have several workers
    order: tuple[int, ...]  # the workers, group after group, across racks
    within: Candidate
    across: Candidate

    @property
    def takes(self) -> list[Interval]:
        """What it takes within and across racks, with 95 % intervals."""
        runs = [(row.values(), row.run) for row in (self.within, self.across) if row.run]
        return [interval_of(values, run.criterion) for values, run in runs]

    @property
    def ratio(self) -> Interval:
        """Of what it takes across racks over what it takes within, with a 95 % interval."""
        return self.across.ratio(self.within)

    @property
    def pays(self) -> bool:
        """Whether it is surely faster across racks."""
        return bool(self.ratio[2] < 1)


@dataclass(frozen=True, eq=False)
class Recommendation:
    """The best candidate, and how sure that is."""

    search: SearchResult
    changed: tuple[Changed, ...] = ()  # the best few on changed delays
    # Of the best code that has groups; ``None``: none has, or no workers are slow together.
    placement: Placement | None = None

    @property
    def question(self) -> Question:
        """The question that was asked."""
        return self.search.question

    @cached_property
    def everybody(self) -> list[Candidate]:
        """All candidates, the best of the furthest rung first."""
        may = recommendable(self.search.rows.values(), self.question)
        rows = [replace(row, allowed=row.index in may) for row in self.search.rows.values()]
        return sorted(rows, key=lambda row: (-row.rung, row.order, row.index))

    @cached_property
    def finalists(self) -> list[Candidate]:
        """Those of the last rung, the winner first."""
        last = len(self.search.rungs) - 1
        rows = [row for row in self.everybody if row.rung == last and row.run]
        first = next((row for row in rows if row.allowed), rows[0])
        return [first, *(row for row in rows if row is not first)]

    @property
    def winner(self) -> Candidate:
        """The best of those that may be recommended."""
        return self.finalists[0]

    @cached_property
    def today(self) -> Candidate:
        """The first scheme of the config."""
        return next(row for row in self.everybody if row.index == 0)

    @cached_property
    def tied(self) -> list[Candidate]:
        """Others that may be recommended and cannot be told apart from the winner."""
        others = [row for row in self.finalists[1:] if row.allowed]
        return [row for row in others if row.ratio(self.winner)[1] <= 1 + EQUAL_WITHIN]

    @cached_property
    def stock(self) -> Candidate | None:
        """Where the winner needs a training loop of its own and was not asked for, the best that a
        stock one can run; ``None``: there is none that reaches the goal, or today's is as good."""
        as_good = (self.winner, *self.tied)
        if self.winner.stock or self.today in as_good or self.question.only:
            return None
        rows = (row for row in self.finalists if row.allowed and row.stock)
        return next((row for row in rows if row.order[0] == 0), None)

    @property
    def reached(self) -> bool:
        """Whether the winner reaches the goal."""
        return self.winner.order[0] == 0

    @property
    def codes_searched(self) -> bool:
        """Whether there is a candidate whose workers hold more than one partition."""
        return any(row.coded for row in self.everybody)

    def best(self, **fields: Any) -> Candidate | None:
        """The best feasible candidate whose fields are these, on the furthest rung that one is on;
        ``None``: there is none."""
        feasible = (row for row in self.everybody if row.feasible)
        alike = (row for row in feasible if all(getattr(row, k) == v for k, v in fields.items()))
        return next(alike, None)

    def turns(self, changed: Changed) -> bool:
        """Whether on changed delays another scheme, and not just another number of arrivals, is
        better, and so because of the change."""
        row, winner, shuffled = changed.usual, self.winner, changed.change.value == SHUFFLED_ROUNDS
        if row.violates or (not row.covered and winner.covered and not shuffled):
            return False  # as little as on the delays as they are; where shuffled, all count
        if row.trained and not row.tuned and row.order[0]:
            return False  # in the last rungs, which have more runs, it misses the goal
        same = (c for c in self.changed if c.usual.index == row.index and not c.change.name)
        if row.covered and any(c.beats for c in same):
            return False  # so it is not the change that makes it better
        return changed.beats and (row.scheme, row.coded) != (winner.scheme, winner.coded)


def recommended(question: Question, evaluate: Evaluator) -> Recommendation:
    """Search, and ask how far the answer holds. Raises ConfigError: nothing can be recommended."""
    forget()  # a file of the same name may have changed since the last search of this process
    answer = Recommendation(search(evaluate))
    if answer.reached:
        changed = tuple(_on_changed_delays(answer, evaluate))
        answer = replace(answer, changed=changed, placement=_placement(answer, evaluate))
    evaluate.progress(evaluate.steps, evaluate.steps)
    return answer


def _few(answer: Recommendation) -> list[Candidate]:
    """The winner, the next two of other schemes, the best coded, uncoded and barrierless, and one
    of the config: another variant of the winner would be no other answer."""
    winner, kinds = answer.winner, ((True, False), (False, False), (False, True))
    others = [r for r in answer.finalists if (r.scheme, r.coded) != (winner.scheme, winner.coded)]
    best = (answer.best(coded=coded, barrierless=free) for coded, free in kinds)
    some = dict.fromkeys((winner, *others[:2], *(row for row in best if row and row.reached)))
    given = [row for row in answer.finalists if row.given and row not in some]
    return [*some, *given[:1]]


def _on_changed_delays(answer: Recommendation, evaluate: Evaluator) -> Iterator[Changed]:
    question, chosen = answer.question, _few(answer)
    changes = [UNCHANGED, *perturbations(question.scenario.unit_delay)]
    if all(row.load <= 1 for row in chosen):
        changes = [change for change in changes if change.name != "load"]
    rates = {row: row.rate if row.rate > 0 else question.exact_rate for row in chosen}
    rungs, unchanged = len(answer.search.rungs), dict[int, Candidate]()
    for number, change in enumerate(changes, 1):
        evaluate.until = rungs + number / len(changes)
        budget = Budget(16 if question.trains else 64, work=False, perturbation=change)
        # where no task is of further partitions, what these cost is no change
        some = [row for row in chosen if not (change.name == "load" and row.alone)]
        new = evaluate({row: (rates[row],) if question.trains else () for row in some}, budget)
        unchanged = unchanged or new
        rows = {**unchanged, **new} if change.name == "load" else new
        known = [row for row in chosen if (at := rows.get(row.index)) and at.run]
        if chosen[0] in known:
            best = rows[chosen[0].index]
            yield from (Changed(change, row, rows[row.index], best) for row in known)


def _placement(answer: Recommendation, evaluate: Evaluator) -> Placement | None:
    question = answer.question
    best = (row for row in (answer.winner, *answer.everybody) if row.feasible and row.group > 1)
    if (row := next(best, None)) is None or (racks := question.scenario.racks) is None:
        return None
    # Of workers rack by rack, each of G groups takes every G-th.
    sizes, within = np.bincount(racks), np.argsort(racks, kind="stable")
    across = within.reshape(row.group, -1).T.ravel()
    rate, placed = row.rate if row.rate > 0 else question.exact_rate, list[Candidate]()
    for order in (within, across):
        change = Perturbation("placement", order=tuple(order.tolist()))
        budget = Budget(16 if question.trains else 64, work=False, perturbation=change)
        placed += evaluate({row: (rate,) if question.trains else ()}, budget).values()
    of = Placement(int((sizes > 1).sum()), change.order, *placed)
    return of if np.isfinite(of.ratio).all() else None


def recommendation_tables(answer: Recommendation) -> dict[str, pd.DataFrame]:
    """All that is kept of a recommendation, by the names of its files."""
    everybody = sorted(answer.everybody, key=lambda row: row.index)
    candidates = pd.DataFrame([_candidate(answer, row) for row in everybody])
    costs = candidates[["value", "error", "worker_seconds"]].to_numpy(float)
    changed = [
        (c.change.name or "unchanged", c.change.value, c.usual.scheme, c.usual.label, c.row.value,
         *c.row.shown_ratio(c.best), c.row.replications)
        for c in answer.changed
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
    question, last = answer.question, len(answer.search.rungs) - 1
    before = (row for row in answer.everybody if row.rung == last - 1 and row.run)
    rows = [*answer.finalists, *(row for row in before if not row.tuned)]
    tied = {answer.winner.index, *(row.index for row in answer.tied)}
    untuned = dict.fromkeys((row.index for row in rows), np.nan)
    if question.trains:
        for row in rows:  # infinite where a replication misses the goal
            values = row.values(question.common_rate)
            always = np.isfinite(values).all()
            value = statistic(values, question.goal.criterion) if always else np.inf
            untuned[row.index] = float(value)
    ranks = {i: rank for rank, i in enumerate(sorted(untuned, key=lambda i: untuned[i]), 1)}
    for rank, row in enumerate(rows, 1):
        assert row.run is not None
        known = row.values() if row.order[0] == 0 else np.full(row.replications, np.nan)
        value = interval_of(known, row.run.criterion)
        yield {
            "rank": rank,
            **_fields(row, "scheme", "label"),
            "goal": question.goal.column,
            **interval_columns("value", value),
            **interval_columns("ratio", row.shown_ratio(answer.winner)),
            **interval_columns("to_today", row.shown_ratio(answer.today)),
            **_fields(row, "reached", "replications"),
            "tied": row.index in tied,
            "rate": row.rate,
            "value_at_common_rate": untuned[row.index],
            "rank_at_common_rate": ranks[row.index] if question.trains else np.nan,
            **_fields(row, "iteration_time", "iterations", *COSTS, "staleness"),
            "today": row is answer.today,
            "breaks": row.violates,
            "least_heard": row.least_heard,
            "unheard": who_is_unheard(row),
            "left": "" if row.rung == last else f"after {row.replications} runs",
        }


COSTS = ("load", "worker_seconds", "bytes", "error", "coverage", "coded", "stock")


def _fields(row: Candidate, *names: str) -> dict[str, Any]:
    return {name: getattr(row, name) for name in names}


def who_is_unheard(row: Candidate) -> str:
    """Why a candidate that leaves data out is not recommended; empty if it may be."""
    if row.violates or row.allowed:
        return ""
    heard = f"{row.least_heard:.2g} of the updates"
    return f"some partition is in {heard}, in some runs in hardly any"


def _candidate(answer: Recommendation, row: Candidate) -> dict[str, Any]:
    stage = "stayed" if row.rung == len(answer.search.rungs) - 1 else f"rung {row.rung + 1}"
    infeasible = row.refused or row.violates or who_is_unheard(row)
    return {
        **_fields(row, "scheme", "label"),
        "section": frozen(row.section),
        "stage": "infeasible" if infeasible and not row.given else stage,
        "reason": infeasible or (f"does the same as {row.same}" if row.same else ""),
        "value": row.value if row.trained == answer.question.trains else np.nan,
        **_fields(row, "rate", "iteration_time"),
        "known_by": f"{row.replications} runs" if row.run else "closed form",
        **_fields(row, *COSTS),
    }


def _rates(answer: Recommendation) -> Iterator[list[Any]]:
    for index, row in sorted(answer.search.tuned.items()):
        now = answer.search.rows[index]
        for rate in sorted(row.run.rates if row.run else ()):
            values = row.values(rate)
            reached = values[np.isfinite(values)]
            mean = float(reached.mean()) if reached.size else np.nan
            yield [now.label, rate, mean, reached.size, values.size, rate == now.rate]
