"""The answer in sentences: verdict, its limits, what to do next, and how it was found. It reads the
whole search. The page reads tables alone, so that a report need not load the search."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np

from ....sim.base.errors import shell_word
from ...page.content import Answer
from ...text import at_a_glance, enumerated, number, percent
from .compare import decided_by
from .question import LIMITED
from .reasons import NAMED_SCHEMES, beside, saved, why
from .search.candidates import NOT_SEARCHED
from .search.evaluate import Candidate
from .search.halving import PARTIAL
from .study import Recommendation, who_is_unheard

# What is compared, in words.
QUANTITIES = {"mean": "means", "median": "medians", "p95": "95 % quantiles"}
# A scheme that is no code may have a code's name: ``erasurehead`` with a load of 1.
NO_CODING, NO_CODE = "coding does not pay", "redundancy is not"


def answered(answer: Recommendation, config: str) -> Answer:
    """The answer of ``answer.json``; ``config`` is the path of the ready config."""
    scenario, steps = answer.question.scenario, tuple(next_steps(answer, config))
    said, limits = verdict(answer)
    return Answer(
        kind="recommend",
        subject=scenario.name,
        verdict=said,
        why=tuple(why(answer)),
        next=steps,
        notes=scenario.notes,
        placement=_placement(answer),
        limits=limits,
        stock=_stock(answer),
    )


def _stock(answer: Recommendation) -> dict[str, Any] | None:
    """The best for a stock training loop, as ``answer.json`` has it, where another one wins."""
    if not answer.reached or (row := answer.stock) is None:
        return None
    rate = {"rate": row.rate} if answer.question.trains else {}
    facts = {"scheme": row.label, "section": dict(row.section), "value": row.value, **rate}
    return {**facts, "ratio": row.shown_ratio(answer.winner)}


def _placement(answer: Recommendation) -> dict[str, Any] | None:
    """Where a code's groups lie, as ``answer.json`` has it; intervals are a number and its ends."""
    if (of := answer.placement) is None:
        return None
    within, across = of.takes
    return {
        "scheme": of.across.label,
        "racks": of.racks,
        "within": within,
        "across": across,
        "ratio": of.ratio,
        "pays": of.pays,
        "order": [*of.order],
    }


def verdict(answer: Recommendation) -> tuple[str, str]:
    """The answer in one sentence, which begins with no scheme's name: that has no capital; and what
    limits it."""
    winner, today, goal = answer.winner, answer.today, answer.question.goal
    if not answer.reached:
        most = f"{winner.shown} does in {winner.reached} of {winner.replications}"
        more = "give more iterations or an easier target"
        return at_a_glance(["no scheme reaches the goal in every run", f": {most}"], [more])
    value = f"{number(winner.value)}{goal.unit} {goal.phrase}"
    best = [winner, *answer.tied]
    pays = any(row.coded for row in best) or not answer.codes_searched
    limits, clauses = list[str](), list[str]()
    if answer.tied and today in best:
        others = enumerated([row.shown for row in best if row is not today], NAMED_SCHEMES)
        clauses = [f"keep {today.shown}: nothing is surely better", f", about {value}"]
        limits = [f"{others} cannot be told apart from it"]
    elif (stock := answer.stock) is not None:
        # The other's fields stand in the limits: with them there would be no room for it here.
        value = f"{number(stock.value)}{goal.unit} {goal.phrase}"
        own = f"{winner.shown.partition(' (')[0]} in its own, {number(winner.value)}{goal.unit}"
        clauses = [f"best in a stock training loop: {stock.shown}, {value}", f"; {own}"]
        limits = [] if pays or stock.coded else [f"{NO_CODE} best"]
        limits += _stock_and_own(answer, stock) + _partial(answer)
    elif answer.tied:
        more = f" and {len(best) - 2} more" if len(best) > 2 else ""
        names = f"{winner.shown}{',' if more else ' and'} {best[1].shown}{more}"
        none = "" if pays else f"{NO_CODE} among the best: "
        clauses = [f"{none}the best are {names}, about {value}", *_beside_today(answer)]
        others = enumerated([row.shown for row in best], NAMED_SCHEMES)
        limits = [f"{others} cannot be told apart"]
    elif winner is today:
        none = "nothing that hears every partition" if _faster(answer) else "nothing"
        clauses = [f"keep {winner.shown}, {none} is better: {value}", *_next_best(answer)]
    else:
        by = " by count alone" if (partial := _partial(answer)) else ""
        first = (
            f"the best{by} is {winner.shown}" if pays else f"{NO_CODE} best:{by} {winner.shown} is"
        )
        clauses, limits = [f"{first}, {value}", *_beside_today(answer)], partial
    if not pays and today in best:
        clauses[0] = f"{NO_CODING}: {clauses[0]}"
    limits += [*_unheard(answer), *_by_chance(answer), *_counted(answer)]
    return at_a_glance(clauses, limits)


def _stock_and_own(answer: Recommendation, stock: Candidate) -> list[str]:
    """What the winner saves beside the best of a stock loop, and that beside today's."""
    winner, today = answer.winner, answer.today
    takes = f"takes {saved(winner, stock)} less"
    if stock in answer.tied:
        takes = f"cannot be told apart from {stock.shown}"
    lines = [f"{winner.shown} {takes}, but not each worker sends one fresh gradient in a round"]
    if stock is not today and np.isfinite(stock.ratio(today)[0]):
        lines.append(f"{stock.shown} takes {beside(stock, today)} than today's {today.shown}")
    return lines


def _partial(answer: Recommendation) -> list[str]:
    """What a winner by count leaves out, where that is much."""
    if answer.question.trains or not (counts := answer.winner.progress) < PARTIAL:
        return []
    it = "it" if answer.stock is None else answer.winner.shown
    lines = [f"an update of {it} counts as {counts:.2g} of an exact iteration"]
    if exact := next((row for row in answer.finalists if row.exact and row.allowed), None):
        lines.append(f"the best with exact updates is {exact.shown}, {number(exact.value)} s")
    return lines


def _unheard(answer: Recommendation) -> Iterator[str]:
    winner, share = answer.winner, f"{answer.winner.least_heard:.2g} of the updates"
    if not winner.covered:
        yield f"{winner.shown} hardly ever hears some partition (in {share})"
        return
    if winner.coverage < 0.5:
        it = "it" if answer.stock is None else winner.shown
        yield f"the partition that {it} hears least is in {share}"
    for row in _faster(answer):
        but = f"{who_is_unheard(row)} (--allow-unheard)"
        yield f"{row.shown} takes {saved(row, winner)} less than that, but {but}"


def _faster(answer: Recommendation) -> list[Candidate]:
    """The best of those that are not recommended since they leave data out, if it is faster."""
    others = [row for row in answer.finalists if row.feasible and not row.allowed][:1]
    return [row for row in others if answer.winner.covered and row.ratio(answer.winner)[2] < 1]


def _by_chance(answer: Recommendation) -> Iterator[str]:
    if answer.question.goal.criterion != "mean":
        return
    total, few = answer.winner.replications, decided_by(answer.winner.values())
    for row in answer.finalists:  # or those of a scheme that would be better without
        values = row.values()
        count = decided_by(values) if row.allowed else 0
        if count and float(np.median(values)) <= answer.winner.value:
            few = min(few or count, count)
    if few:
        decide = "decides" if few == 1 else "decide"
        yield f"{few} of {total} runs {decide} that: more replications are needed"


def _counted(answer: Recommendation) -> Iterator[str]:
    if not answer.question.trains:
        free = "" if answer.question.scenario.base.get("network") else ", and messages take no time"
        yield f"iterations were counted, not trained{free}"


def _beside_today(answer: Recommendation) -> list[str]:
    winner, today = answer.winner, answer.today
    if today in (winner, *answer.tied):
        return []
    if np.isnan(winner.ratio(today)[0]):
        return [f"; today's {today.shown} does not reach it in every run"]
    than_today = f"{beside(winner, today)} than today's {today.shown}"
    if today.allowed:
        return [f", {than_today}"]
    limit = f"breaks a limit ({LIMITED[today.violates]})" if today.violates else ""
    return [f"; {than_today}, which {limit or 'hardly ever hears some partition'}"]


def _next_best(answer: Recommendation) -> list[str]:
    row = next((row for row in answer.finalists[1:] if row.allowed), None)
    if row is None or np.isnan((of := row.shown_ratio(answer.winner))[0]):
        return []
    return [f"; {row.shown}, the next, takes {percent(*(end - 1 for end in of))} more"]


def next_steps(answer: Recommendation, config: str) -> list[str]:
    """What to do next, a sentence each; commands stand between backticks."""
    if not answer.reached:
        return ["give more iterations, or an easier --target, and ask again"]
    run = f"erasurehead run {shell_word(config)}"
    steps = [f"run it: `{run}`"]
    if (stock := answer.stock) is not None:
        own = shell_word(f"schemes={json.dumps([dict(stock.section)])}")
        rate = f" --set optimizer.learning_rate={stock.rate:g}" if answer.question.trains else ""
        steps = [f"run {answer.winner.shown}: `{run}`"]
        steps.insert(0, f"run {stock.shown}: `{run} --set {own}{rate}`")
    if answer.tied:
        costs = {row.shown: row.worker_seconds for row in (answer.winner, *answer.tied)}
        if min(costs.values()) < 0.99 * max(costs.values()):
            cheapest = min(costs, key=lambda label: costs[label])
            steps.insert(0, f"take the cheaper one: {cheapest} costs fewest worker-seconds")
    if answer.placement is not None and answer.placement.pays:
        steps.append(
            f"place the groups of {answer.placement.across.shown} across racks: answer.json has "
            "the order of workers, group after group, in placement"
        )
    if any(answer.turns(changed) for changed in answer.changed if changed.change.name == "load"):
        steps.append(
            "measure how a worker's time grows with its load, since the answer depends on it: "
            "`erasurehead live --measure measured.csv --loads 1,2,3`, then "
            "`erasurehead fit measured.csv`"
        )
    if not answer.question.trains:
        steps.append("add problem and optimizer to the config: losses decide better than a count")
    return steps


def method(answer: Recommendation) -> list[str]:
    """How it was found, a paragraph each."""
    rows, rungs = answer.everybody, answer.search.rungs
    simulated = [row for row in rows if not row.refused]
    counts = ", ".join(
        f"{sum(row.rung >= rung.number for row in simulated)} with {rung.replications}"
        f"{' on tuning delays' if rung.factors else ''}"
        for rung in rungs
    )
    theory = ", or a closed form on the first rung" if any(row.run is None for row in rows) else ""
    what = QUANTITIES[answer.question.goal.criterion]
    text = (
        f"{len(rows)} candidates, {sum(not row.allowed for row in rows)} of them infeasible. "
        f"Successive halving over replications{theory}, all on the same delays: {counts}. After a "
        "rung, candidates that are surely behind the best (99.9 % paired interval of the ratio) "
        "leave, and so do the slowest if too many remain. Intervals are 95 %, of the paired ratio "
        f"of {what}; the best of several schemes looks slightly better than it is. Cannot be told "
        "apart: the interval does not exclude 1."
    )
    return [text, *(f"{name} was not searched: {reason}." for name, reason in NOT_SEARCHED.items())]
