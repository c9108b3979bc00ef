"""The search: successive halving of candidates over replications, on common random numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from .....sim.base.errors import ConfigError, Option
from ..compare import ANYTHING, behind, order
from ..question import Question
from ..scenario import MOST_RUNS
from .candidates import (
    SearchSpace,
    Section,
    brief,
    choices,
    expanded,
    far_beyond,
    frozen,
    neighbours,
)
from .evaluate import MOST_ITERATIONS, Candidate, Evaluator, Rows, best_first, recommendable
from .measure import Budget

PARTIAL = 0.8  # of an exact iteration: an update that counts less leaves much of the data out
SLOWER_RATIO = 1.02  # who is slower by this factor by a closed form cannot win, beside another one


@dataclass(frozen=True)
class Rung:
    """Replications that each candidate gets, and who is promoted to the next rung."""

    replications: int
    keep: int  # the best so many go on,
    alike: int = 10**6  # of the variants of a scheme so many,
    near: float = np.inf  # those within so many times the best,
    barrierless: int = 10**6  # and of those without a barrier, which are slow to train, so many;
    dominated: float = np.inf  # but none whose iterations take so many times those of an exact one
    theory: bool = False  # closed forms will do, where there are any
    factors: tuple[float, ...] = ()  # tuning: learning rates, times the best one so far
    steps: int = 0  # how often it goes on beside the best candidates, at most,
    beside: int = 6  # of so many schemes that are
    within: float = 1.5  # within this factor of the best
    number: int = 0  # from 0 for the first rung

    @property
    def budget(self) -> Budget:
        """What an evaluation on this rung may cost."""
        tunes = bool(self.factors)  # what workers compute is known of the first rung
        return Budget(self.replications, self.number, int(tunes), self.theory, not tunes)


# Rates are tuned on delays of their own: first by factors of 4 around the exact gradient's best
# rate, then by factors of 2 around a candidate's own. The last two are on the config's delays.
FINE = (0.5, 1.0, 2.0)
TRAINED = (
    Rung(8, 10**6, near=4.0, barrierless=8, dominated=1.1, steps=24),
    Rung(4, 32, near=2.0, factors=(1 / 64, 1 / 16, 0.25, 1.0, 4.0), steps=8, beside=3, within=4.0),
    Rung(16, 16, alike=4, near=2.0, factors=FINE),
    Rung(16, 8, alike=2),
    Rung(64, 8),
)
TIMED = (
    Rung(8, 32, near=1.1, theory=True, steps=24),
    Rung(16, 12, alike=3),
    Rung(64, 8, alike=2),
    Rung(MOST_RUNS, 8),
)


@dataclass(frozen=True, eq=False)
class SearchResult:
    """What a search result."""

    question: Question
    rows: Rows  # every candidate, as the last rung that it was on found it
    tuned: Rows  # at all rates, on the last rung that tuned them
    rungs: tuple[Rung, ...]

    @property
    def last(self) -> list[Candidate]:
        """Those of the last rung that could be simulated, the best first."""
        number = len(self.rungs) - 1
        return best_first(row for row in self.rows.values() if row.rung == number and row.run)


def candidates(question: Question) -> Iterator[Candidate]:
    """The schemes of the config, and then all others that are searched."""
    scenario, limits = question.scenario, question.limits
    space = SearchSpace(
        scenario.workers,
        scenario.worker_time[0],
        int(limits.get("load", scenario.workers)),
        fine=not question.trains,
        network=scenario.base.get("network") is not None or "bytes" in limits,
    )
    catalogue, given = scenario.catalogue, scenario.given
    theirs = {frozen(expanded(section, catalogue)) for section in given}
    listed = space.sections(catalogue, question.only)
    others = (section for section in listed if frozen(expanded(section, catalogue)) not in theirs)
    for index, section in enumerate((*given, *others)):
        yield Candidate(index, section, index < len(given))


def search(evaluate: Evaluator) -> SearchResult:
    """Successive halving. Raises ConfigError: nothing keeps the limits, or a scheme of the config
    cannot be simulated."""
    question = evaluate.question
    rungs, rows, tuned = rungs_of(question), Rows(), Rows()
    pool = [*candidates(question)]
    evaluate.steps = len(rungs) + 1
    _set_horizon(evaluate, pool[0])
    for rung in rungs:
        evaluate.until = rung.number + 1
        on_rung = _refined(rung, _on_rung(rung, pool, evaluate), rows, evaluate)
        on_rung = _without_doubles(on_rung, question)
        rows |= on_rung
        if rung.factors:
            tuned |= {index: row for index, row in on_rung.items() if row.run}
        possible = [row for row in on_rung.values() if not row.refused]
        if all(row.violates for row in possible):
            over = (f"{row.label}: {row.violates}" for row in possible[:2])
            raise ConfigError(f"no scheme keeps the limits ({'; '.join(over)}, ...)")
        pool = promoted(rung, on_rung, question)
    return _completed(SearchResult(question, rows, tuned, rungs), evaluate)


def rungs_of(question: Question, most_times: int = 4) -> tuple[Rung, ...]:
    """The rungs: with up to so many times the replications, of fewer, where few rounds are much
    slower than the others. The config's replications count if they are more."""
    scenario = question.scenario
    times, asked = min(scenario.repeats, most_times), int(scenario.base["replications"])
    fewer = 1 if times == 1 or question.trains else 2
    # What is limited is not known of closed forms, nor of clocks alone: who is slow may keep it.
    unknown = not {"worker_seconds", "bytes"}.isdisjoint(question.limits)
    rungs = list[Rung]()
    for number, rung in enumerate(TRAINED if question.trains else TIMED):
        if unknown:
            rung = replace(rung, theory=False, dominated=np.inf)
        more, keep = (1, rung.keep) if rung.factors else (times, rung.keep // fewer)
        rungs.append(replace(rung, number=number, replications=rung.replications * more, keep=keep))
    if not question.trains:
        most = max(rungs[-1].replications, min(asked, scenario.affordable))
        rungs[-1] = replace(rungs[-1], replications=most)
    return tuple(rungs)


def _on_rung(rung: Rung, pool: Sequence[Candidate], evaluate: Evaluator) -> Rows:
    question, budget = evaluate.question, rung.budget
    if rung.number == 0 or not question.trains:
        return evaluate(dict.fromkeys(pool, ()), budget)
    own = {row: row.rate if row.rate > 0 else question.exact_rate for row in pool}
    common, criterion = question.common_rate, question.goal.criterion
    if not rung.factors:
        return evaluate({row: tuple(dict.fromkeys((own[row], common))) for row in pool}, budget)
    # What trains quickly goes first: trials of the others end once they are far behind it.
    effort = {row: 1 + row.barrierless - row.exact for row in pool}
    on_rung = Rows()
    for amount in sorted({*effort.values()}):
        rows = (row for row in pool if effort[row] == amount)
        on_rung |= evaluate({r: question.rates(rung.factors, own[r]) for r in rows}, budget)
        may = recommendable(on_rung.values(), question)
        untuned = [row.values(common) for index, row in on_rung.items() if index in may]
        first = min((order(values, criterion) for values in untuned), default=ANYTHING)
        tier, value = best_first(on_rung.values())[0].order
        budget = replace(budget, bar=(tier, rung.near * value), common_bar=first)
    return on_rung


def promoted(rung: Rung, on_rung: Rows, question: Question) -> list[Candidate]:
    """Who goes on to the next rung: the config's own, the best that does not cover the data, and of
    the allowed those that are not surely behind the best, within what the rung keeps."""
    rows = [row for row in on_rung.values() if not row.same]
    may = recommendable(rows, question)
    uncovered = best_first(row for row in rows if row.feasible and row.index not in may)
    kept = {row.index for row in (*uncovered[:1], *(row for row in rows if row.given))}
    rivals = best_first(row for row in rows if row.index in may and row.order < ANYTHING)
    if question.goal.criterion == "mean":
        exact = min((row.iteration_time for row in rivals if row.exact), default=np.nan)
        longest = rung.dominated * exact  # for who has a barrier and fresh gradients
        stale = {row for row in rivals if row.barrierless or row.staleness != 0}
        rivals = [row for row in rivals if row in stale or not row.iteration_time > longest]
    barrierless, variants = 0, Counter[str]()
    for row in rivals:
        barrierless += row.barrierless
        tier, value = rivals[0].order
        kind = choices(expanded(row.section, question.scenario.catalogue))
        if row.order > (tier, rung.near * value) or variants[kind] >= rung.alike:
            continue
        if variants.total() >= rung.keep or (row.barrierless and barrierless > rung.barrierless):
            continue
        if row is rivals[0] or not _surely_behind(rung, row, rivals[0], question):
            kept.add(row.index)
            variants[kind] += 1
    if rung.factors and rivals:  # whoever would be first without tuning is compared as well
        common, criterion = question.common_rate, question.goal.criterion
        kept.add(min(rivals, key=lambda row: order(row.values(common), criterion)).index)
    return [on_rung[index] for index in sorted(kept)]


def _surely_behind(rung: Rung, row: Candidate, best: Candidate, question: Question) -> bool:
    """On the delays of the last rungs; a count of iterations, tuning and theory prove less."""
    if rung.factors or row.trained != question.trains:
        return False
    if row.run is None or best.run is None:  # drawn runs err, closed forms do not
        return row.run is best.run and row.value > SLOWER_RATIO * best.value
    criterion, tail = question.goal.criterion, question.tail_allowance
    return behind(row.values(), best.values(), criterion, tail)


def _without_doubles(on_rung: Rows, question: Question) -> Rows:
    """Of those that do the same, the one that needs the smallest load goes on; the others note it,
    but for the config's own. Fresh exact gradients at the same times are the same; so, untrained,
    are alike counts."""
    first, rows = dict[tuple[str, bool], Candidate](), dict(on_rung)
    for row in sorted(rows.values(), key=lambda row: (not row.given, row.load, row.index)):
        if row.digest and (row.exact or not question.trains):
            same = first.setdefault((row.digest, row.exact), row)
            if same is not row and not row.given:
                rows[row.index] = replace(row, same=same.label)
    return rows


def _refined(rung: Rung, on_rung: Rows, known: Rows, evaluate: Evaluator) -> Rows:
    """Go on from the best of each scheme in each of its numbers, until nothing gains any more: no
    step gains 1 %."""
    question, catalogue = evaluate.question, evaluate.question.scenario.catalogue
    everybody = {**known, **on_rung}
    seen = {i: expanded(everybody[i].section, catalogue) for i in sorted(everybody)}
    first = [seen[i] for i, row in everybody.items() if row.listed]
    for _ in range(rung.steps):
        may = recommendable(on_rung.values(), question)
        fit = {i: row for i, row in on_rung.items() if i in may and row.order[0] == 0}
        best = _best_of_each(rung, [*fit.values()], seen, question)
        tried = [(seen[i], fit[i].order[1] if i in fit else np.inf) for i in seen]
        new: dict[Candidate, Candidate] = {}
        for row in best:
            near = neighbours(seen[row.index], tried, question.scenario.workers, flat=0.01)
            for section in near:
                if not far_beyond(section, first):
                    beside = Candidate(len(seen), brief(section, catalogue), listed=False)
                    seen[beside.index], new[beside] = section, row
                    tried.append((section, np.inf))
        if not new:
            break
        if rung.factors:
            on_rung = on_rung | _tried_beside(rung, new, best, evaluate)
        else:
            on_rung = on_rung | evaluate(dict.fromkeys(new, ()), rung.budget)
    return on_rung


def _best_of_each(
    rung: Rung, fit: Sequence[Candidate], seen: Mapping[int, Section], question: Question
) -> list[Candidate]:
    """The best of each scheme and of its choices that are no numbers, the best first."""
    best: dict[str, Candidate] = {}
    for row in best_first(fit):
        if not question.only or row.scheme in question.only:
            # A closed form is of independent delays, among which it gains little to wait for more
            # once some have come: there a grace and none are one choice.
            best.setdefault(choices(seen[row.index], row.run is None), row)
    rows = [*best.values()]
    return [row for row in rows if row.value <= rung.within * rows[0].value][: rung.beside]


def _tried_beside(
    rung: Rung,
    new: Mapping[Candidate, Candidate],
    best: Sequence[Candidate],
    evaluate: Evaluator,
    far: float = 1.5,
) -> Rows:
    """Clock what was found, and try rates around those of what it was found from, unless it takes
    ``far`` times as long as the best by a count of iterations."""
    question = evaluate.question
    clocked = evaluate(dict.fromkeys(new, ()), Budget(TRAINED[0].replications, rung.number))
    longest = far * max(row.counted for row in best)
    rates = {
        row: question.rates(FINE, parent.rate)
        for row, parent in zip(clocked.values(), new.values(), strict=True)
        if row.feasible and (row.covered or question.request.allow_unheard)
        if row.counted <= longest
    }
    # Who is not tried has no value beside those who were: a count is another quantity.
    left = {i: replace(row, order=ANYTHING, value=np.nan) for i, row in clocked.items()}
    return left | evaluate(rates, rung.budget)


def _set_horizon(evaluate: Evaluator, first: Candidate) -> None:
    """Clock uncoded; where that never ends, the config's first scheme. Raises ConfigError: the
    budget is too long."""
    question = evaluate.question
    if not question.trains:
        return
    uncoded = Candidate(-1, {"name": "uncoded"})
    clocked = (evaluate({row: ()}, Budget(8))[row.index] for row in (uncoded, first))
    seconds = next(row.iteration_time for row in clocked if not row.refused)
    evaluate.horizon = seconds * question.scenario.iterations
    goal, most = question.goal, MOST_ITERATIONS * seconds
    if goal.kind == "budget" and goal.value > most:
        text = f"is {goal.value / seconds:.3g} iterations of uncoded"
        raise ConfigError(
            Option("budget"),
            f" = {goal.value:g}: {text}; must be at most {most:.4g} s",
        )


def _completed(result: SearchResult, evaluate: Evaluator, at_a_time: int = 4) -> SearchResult:
    """On the last rung as well: who did better on an earlier one than the best does in all runs;
    and beside a winner whose updates leave much out, the best whose updates are exact, and beside
    one that needs a training loop of its own, the best that does not."""
    question, number = result.question, len(result.rungs) - 1
    while True:
        rows = result.rows.values()
        may = recommendable(rows, question)
        if not (leaders := [row for row in result.last if row.index in may]):
            return result
        others = [row for row in rows if row.index in may and row.rung < number and not row.same]
        others = [row for row in others if row.trained == question.trains]
        rivals = [*leaders, *others]
        # Of earlier rungs only who was clearly better, as where the best turned out to hear too
        # little after those that hear more had left.
        lead = leaders[0].order
        clearly = (lead[0], lead[1] / SLOWER_RATIO)
        bars = {number - 1: lead}
        better = (r for r in others if not r.tuned and r.order < bars.get(r.rung, clearly))
        more = best_first(better)[:at_a_time]
        beside = list[list[Candidate]]()
        if not question.trains and leaders[0].progress < PARTIAL:
            beside.append([row for row in rivals if row.error <= 1e-9 and not row.staleness])
        if not (leaders[0].stock or question.only):
            beside.append([row for row in rivals if row.stock])
        best = {row for group in beside for row in best_first(group)[:1]}
        more += [row for row in best_first(best) if row.rung < number and row not in more]
        if not more:
            return result
        new = _on_rung(result.rungs[-1], more, evaluate)
        result = replace(result, rows={**result.rows, **new})
