"""The search: successive halving of candidates over replications, on common random numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..config.errors import ConfigError
from .candidates import (
    SearchSpace,
    Section,
    alike,
    brief,
    far_beyond,
    frozen,
    neighbours,
    whole,
)
from .compare import behind
from .evaluate import (
    MOST_ITERATIONS,
    Budget,
    Candidate,
    Evaluation,
    Evaluator,
    Row,
    allowed,
    ranked,
)
from .measure import Performance
from .question import ANYTHING, Question, order
from .scenario import MOST_RUNS

PARTIAL = 0.8  # of an exact iteration: an update that counts less leaves much of the data out
MOST_RACED = 4  # the most that replications are multiplied by where few rounds are very slow
FLAT = 0.01  # a last step of the refinement that gained less than this is the end
EXACT = 1e-9  # a decoding error that is rounding
MOST_BACK = 4  # that come back to the last rung at a time
MARGIN = 1.02  # who is slower by this factor by a closed form cannot win, beside another one


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
class Found:
    """What a search found."""

    question: Question
    all: Evaluation  # every candidate, as the last rung that it was on found it
    tuned: Mapping[int, Performance]  # at all rates, on the last rung that tuned them
    rungs: tuple[Rung, ...]

    @property
    def last(self) -> list[Row]:
        """Those of the last rung, the best first."""
        number = len(self.rungs) - 1
        return ranked(row for row in self.all.rows.values() if row.rung == number)


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
    theirs = {frozen(whole(section, catalogue)) for section in given}
    listed = space.sections(catalogue, question.only)
    others = (each for each in listed if frozen(whole(each, catalogue)) not in theirs)
    for index, section in enumerate((*given, *others)):
        yield Candidate(index, section, index < len(given))


def search(question: Question, evaluate: Evaluator) -> Found:
    """Successive halving. Raises ConfigError: nothing keeps the limits, or a scheme of the config
    cannot be simulated."""
    rungs = rungs_of(question)
    pool: Sequence[Candidate] = [*candidates(question)]
    evaluate.part = (0, 0.0, len(rungs) + 1)
    _set_horizon(question, evaluate, pool[0])
    known, tuned = Evaluation(), dict[int, Performance]()
    for number, rung in enumerate(rungs):
        evaluate.part = (number, 0.8 if rung.steps else 1.0, len(rungs) + 1)
        found = _on_rung(rung, pool, evaluate, known)
        found = _numbered(_refined(rung, found, known, evaluate, number), number)
        found = _without_doubles(found, question)
        known |= found
        if rung.factors:
            tuned |= found.runs
        _require_some(found.rows.values())
        pool = [found.rows[index].candidate for index in promoted(rung, found, question)]
    return _completed(Found(question, known, tuned, rungs), evaluate)


def rungs_of(question: Question) -> tuple[Rung, ...]:
    """The rungs: with more replications, of fewer, where few rounds are much slower than the
    others. The config's replications count if they are more."""
    scenario = question.scenario
    times, asked = min(scenario.repeats, MOST_RACED), int(scenario.base["replications"])
    fewer = 1 if times == 1 or question.trains else 2
    scaled = [
        rung
        if rung.factors
        else replace(rung, replications=rung.replications * times, keep=rung.keep // fewer)
        for rung in (TRAINED if question.trains else TIMED)
    ]
    if not question.trains:
        most = max(scaled[-1].replications, min(asked, scenario.affordable))
        scaled[-1] = replace(scaled[-1], replications=most)
    return tuple(scaled)


def _on_rung(
    rung: Rung, pool: Iterable[Candidate], evaluate: Evaluator, known: Evaluation
) -> Evaluation:
    question = evaluate.question
    budget = Budget(rung.replications, tuning=bool(rung.factors), theory=rung.theory)
    if not known.rows or not question.trains:
        return evaluate(dict.fromkeys(pool, ()), budget, known)
    rows = {one: known.rows[one.index] for one in pool}
    own = {one: row.rate if row.rate > 0 else question.exact_rate for one, row in rows.items()}
    if not rung.factors:
        common = question.common_rate
        rates = {one: tuple(dict.fromkeys((own[one], common))) for one in rows}
        return evaluate(rates, budget, known)
    # What trains quickly goes first: trials of the others end once they are far behind it.
    effort = {one: 1 + row.barrierless - row.exact for one, row in rows.items()}
    found = Evaluation()
    for each in sorted({*effort.values()}):
        some = {one: question.rates(rung.factors, own[one]) for one in rows if effort[one] == each}
        found |= evaluate(some, budget, known)
        tier, value = ranked(found.rows.values())[0].order
        budget = replace(budget, bar=(tier, rung.near * value))
    return found


def promoted(rung: Rung, found: Evaluation, question: Question) -> list[int]:
    """Who goes on to the next rung: the config's own, the best that does not cover the data, and of
    the allowed those that are not surely behind the best, within what the rung keeps."""
    rows = [row for row in found.rows.values() if not row.same]
    may = allowed(rows, question)
    uncovered = ranked(row for row in rows if row.feasible and row.index not in may)
    kept = {row.index for row in rows if row.given} | {row.index for row in uncovered[:1]}
    contest = ranked(row for row in rows if row.index in may and row.order < ANYTHING)
    if question.goal.criterion == "mean":
        exact = min((row.iteration_time for row in contest if row.exact), default=np.nan)
        longest = rung.dominated * exact  # for who has a barrier and fresh gradients
        contest = [
            row
            for row in contest
            if row.barrierless or row.staleness != 0 or not row.iteration_time > longest
        ]
    slow, goes_on, catalogue = 0, 0, question.scenario.catalogue
    variants = Counter[str]()
    for row in contest:
        slow += row.barrierless
        tier, value = contest[0].order
        kind = alike(whole(row.section, catalogue))
        near = row.order <= (tier, rung.near * value) and variants[kind] < rung.alike
        if not near or goes_on >= rung.keep or (row.barrierless and slow > rung.barrierless):
            continue
        if row is contest[0] or not _surely_behind(rung, found, row, contest[0], question):
            kept.add(row.index)
            goes_on += 1
            variants[kind] += 1
    if rung.factors and contest:  # whoever would be first without tuning is compared as well
        criterion, common = question.goal.criterion, question.common_rate
        flat = {row.index: order(found.values(row, common), criterion) for row in contest}
        kept.add(min(flat, key=lambda index: flat[index]))
    return sorted(kept)


def _surely_behind(rung: Rung, found: Evaluation, row: Row, best: Row, question: Question) -> bool:
    """On the delays of the race; a count of iterations, tuning and theory rank, and prove less."""
    if rung.factors or row.trained != question.trains:
        return False
    if not (row.replications and best.replications):  # drawn runs err, closed forms do not
        return row.replications == best.replications and row.value > MARGIN * best.value
    pair, run = (found.values(row), found.values(best)), found.runs[row.index]
    return behind(*pair, question.goal.criterion, question.tail_allowance, run.evidence)


def _without_doubles(found: Evaluation, question: Question) -> Evaluation:
    """Of those that do the same, the one that needs the smallest load goes on; the others note it,
    but for the config's own. Fresh exact gradients at the same times are the same; so, untrained,
    are alike counts."""
    first, rows = dict[tuple[str, bool], Row](), dict(found.rows)
    for row in sorted(rows.values(), key=lambda row: (not row.given, row.load, row.index)):
        if row.digest and (row.exact or not question.trains):
            same = first.setdefault((row.digest, row.exact), row)
            if same is not row and not row.given:
                rows[row.index] = replace(row, same=same.label)
    return replace(found, rows=rows)


def _numbered(found: Evaluation, number: int) -> Evaluation:
    return replace(found, rows={i: replace(row, rung=number) for i, row in found.rows.items()})


def _refined(
    rung: Rung, found: Evaluation, known: Evaluation, evaluate: Evaluator, number: int
) -> Evaluation:
    """Go on from the best of each scheme in each of its numbers, until nothing gains any more."""
    question, catalogue = evaluate.question, evaluate.question.scenario.catalogue
    everybody = {i: row.candidate for i, row in {**known.rows, **found.rows}.items()}
    seen = {i: whole(one.section, catalogue) for i, one in sorted(everybody.items())}
    first = [seen[i] for i, one in everybody.items() if one.listed]
    evaluate.part = (number + 0.8, 0.2 / max(1, rung.steps), evaluate.part[2])
    for _ in range(rung.steps):
        may = allowed(found.rows.values(), question)
        fit = {i: row for i, row in found.rows.items() if i in may and row.order[0] == 0}
        best = _best_of_each(rung, [*fit.values()], seen, question)
        tried = [(seen[i], fit[i].order[1] if i in fit else np.inf) for i in seen]
        new: dict[Candidate, Row] = {}
        for row in best:
            near = neighbours(seen[row.index], tried, question.scenario.workers, FLAT)
            for section in (each for each in near if not far_beyond(each, first)):
                one = Candidate(len(seen), brief(section, catalogue), listed=False)
                seen[one.index], new[one] = section, row
                tried.append((section, np.inf))
        if not new:
            break
        if rung.factors:
            found |= _tried_beside(rung, new, best, known, evaluate)
        else:
            budget = Budget(rung.replications, theory=rung.theory)
            found |= evaluate(dict.fromkeys(new, ()), budget)
    return found


def _best_of_each(
    rung: Rung, fit: Sequence[Row], seen: Mapping[int, Section], question: Question
) -> list[Row]:
    """The best of each scheme and of its choices that are no numbers, the best first."""
    best: dict[str, Row] = {}
    for row in ranked(fit):
        if not question.only or row.scheme in question.only:
            # A closed form is of independent delays, among which it gains little to wait for more
            # once some have come: there a grace and none are one choice.
            best.setdefault(alike(seen[row.index], not row.replications), row)
    rows = [*best.values()]
    return [row for row in rows if row.value <= rung.within * rows[0].value][: rung.beside]


def _tried_beside(
    rung: Rung,
    new: Mapping[Candidate, Row],
    best: Sequence[Row],
    known: Evaluation,
    evaluate: Evaluator,
) -> Evaluation:
    """Clock what was found, and try rates around those of what it was found from, unless it is far
    behind by a count of iterations."""
    question = evaluate.question
    clocked = evaluate(dict.fromkeys(new, ()), Budget(TRAINED[0].replications))
    longest = 1.5 * max(row.counted for row in best)
    rates = {
        one: question.rates(FINE, row.rate)
        for one, row in new.items()
        if (there := clocked.rows[one.index]).feasible
        and (there.covered or question.request.allow_unheard)
        and there.counted <= longest
    }
    # Who is not tried has no value beside those who were: a count is another quantity.
    left = {i: replace(row, order=ANYTHING, value=np.nan) for i, row in clocked.rows.items()}
    tried = evaluate(rates, Budget(rung.replications, tuning=True), clocked)
    return replace(clocked, rows=left) | tried


def _set_horizon(question: Question, evaluate: Evaluator, first: Candidate) -> None:
    """Clock uncoded; where that never ends, the config's first scheme. Raises ConfigError: the
    budget is too long."""
    if not question.trains:
        return
    uncoded = Candidate(-1, {"name": "uncoded"})
    found = (evaluate({one: ()}, Budget(8)).rows[one.index] for one in (uncoded, first))
    each = next(row.iteration_time for row in found if not row.refused)
    evaluate.horizon = each * question.scenario.iterations
    goal, most = question.goal, MOST_ITERATIONS * each
    if goal.kind == "budget" and goal.value > most:
        text = f"is {goal.value / each:.3g} iterations of uncoded"
        raise ConfigError(f"--budget = {goal.value:g}: {text}; must be at most {most:.4g} s")


def _require_some(rows: Iterable[Row]) -> None:
    """Refuse limits that no scheme keeps. Raises ConfigError: every scheme breaks one."""
    possible = [row for row in rows if not row.refused]
    if all(row.violates for row in possible):
        over = (f"{row.label}: {row.violates}" for row in possible[:2])
        raise ConfigError(f"no scheme keeps the limits ({'; '.join(over)}, ...)")


def _completed(found: Found, evaluate: Evaluator) -> Found:
    """On the last rung as well: who did better on an earlier one than the best does in all runs;
    and beside a winner whose updates leave much out, the best whose updates are exact."""
    question, number = found.question, len(found.rungs) - 1
    while True:
        rows = found.all.rows
        may = allowed(rows.values(), question)
        if not (leaders := [row for row in found.last if row.index in may]):
            return found
        others = [
            row
            for row in rows.values()
            if row.index in may and row.rung < number and row.trained == question.trains
            if not row.same
        ]
        # Of earlier rungs only who was clearly better, as where the best turned out to hear too
        # little after those that hear more had left.
        lead = leaders[0].order
        clearly = (lead[0], lead[1] / MARGIN)
        better = [
            row for row in others if not row.tuned
            and row.order < (lead if row.rung == number - 1 else clearly)
        ]  # fmt: skip
        more = ranked(better)[:MOST_BACK]
        if not question.trains and leaders[0].progress < PARTIAL:
            exact = [row for row in (*leaders, *others) if row.error <= EXACT and not row.staleness]
            more += [row for row in ranked(exact)[:1] if row.rung < number]
        if not more:
            return found
        evaluate.part = (number, 0.0, len(found.rungs) + 1)
        pool = list(dict.fromkeys(row.candidate for row in more))
        new = _on_rung(found.rungs[-1], pool, evaluate, found.all)
        found = replace(found, all=found.all | _numbered(new, number))
