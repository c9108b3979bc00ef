"""The answer in sentences: verdict, reasons, what to do next, and how it was answer. It reads the
whole search. The page reads tables alone, so that a report need not load the search."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ...sim.errors import shell_word
from ...sim.metrics import METRICS
from ..config.schema import first_sentence, meanings_of
from ..page.answer import Answer
from ..pictures.looks import field_as_read
from ..statistics.job import waiting_saves
from ..text import TableCell, at_a_glance, enumerated, interval, number, percent, sentence
from ..whatif.answer import hosts_to_name, whatif_verdict
from .candidates import NOT_SEARCHED, expanded, far_beyond
from .compare import decided_by, order
from .evaluate import Candidate
from .halving import PARTIAL
from .question import LIMITED
from .scenario import SHUFFLED_ROUNDS
from .study import Changed, Recommendation

NAMED_SCHEMES = 3  # in a sentence
# What is compared, in words.
QUANTITIES = {"mean": "means", "median": "medians", "p95": "95 % quantiles"}
# A scheme that is no code may have a code's name: ``erasurehead`` with a load of 1.
NO_CODING, NO_CODE = "coding does not pay", "redundancy is not"
NOT_ASKED = "the answer does not depend on it, since no compared scheme has a load above 1"
CHANGE_WORDS = {  # what is changed about the delays, in words
    "load": "cost of partitions beyond the first",
    "tail": "tail, delays beyond the median",
    "persistence": "persistence",
}


def answered(answer: Recommendation, config: str) -> Answer:
    """The answer of ``answer.json``; ``config`` is the path of the ready config."""
    scenario, steps = answer.question.scenario, tuple(next_steps(answer, config))
    said, limits = verdict(answer)
    words = scenario.name, said, tuple(why(answer)), steps, "", scenario.notes, scenario.read
    facts = answer.coverage, _placement(answer)
    return Answer("recommend", *words, *facts, limits, _stock(answer))


def _stock(answer: Recommendation) -> dict[str, Any] | None:
    """The best for a stock training loop, as ``answer.json`` has it, where another one wins."""
    if not answer.reached or (row := answer.stock) is None:
        return None
    rate = {"rate": row.rate} if answer.question.trains else {}
    facts = {"scheme": row.label, "section": dict(row.section), "value": row.value, **rate}
    return {**facts, "ratio": row.ratio(answer.winner)}


def _placement(answer: Recommendation) -> dict[str, Any] | None:
    """Where a code's groups lie, as ``answer.json`` has it; intervals are a number and its ends."""
    if (of := answer.placement) is None:
        return None
    hosts, ways = answer.question.scenario.hosts, zip(("within", "across"), of.takes, strict=True)
    facts = {"scheme": of.across.label, "racks": of.racks, **dict(ways), "ratio": of.ratio}
    order = [hosts[j] if hosts else j for j in of.order]
    return {**facts, "pays": of.pays, "order": order}


def _where_groups_lie(answer: Recommendation) -> Iterator[str]:
    if (of := answer.placement) is None:
        return
    unit = answer.question.goal.unit
    within, across = (f"{interval(*end)}{unit}" for end in of.takes)
    pays = "to place them across racks makes no sure difference"
    if of.pays:
        pays = f"to place them across racks saves {_less(of.across, of.within)}"
    takes = f"takes {within} with its groups within racks and {across} across them"
    yield f"slow together: {of.racks} racks; {of.across.shown} {takes}: {pays}"


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
    pays = any(row.coded for row in best) or not _codes_searched(answer)
    beside, limits, clauses = _beside_today(answer), list[str](), list[str]()
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
        clauses = [f"{none}the best are {names}, about {value}", *beside]
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
        clauses, limits = [f"{first}, {value}", *beside], partial
    if not pays and today in best:
        clauses[0] = f"{NO_CODING}: {clauses[0]}"
    limits += [*_unheard(answer), *_by_chance(answer), *_counted(answer)]
    return at_a_glance(clauses, limits)


def _stock_and_own(answer: Recommendation, stock: Candidate) -> list[str]:
    """What the winner saves beside the best of a stock loop, and that beside today's."""
    winner, today = answer.winner, answer.today
    tied = f"cannot be told apart from {stock.shown}"
    less = tied if stock in answer.tied else f"takes {_less(winner, stock)} less"
    lines = [f"{winner.shown} {less}, but not each worker sends one fresh gradient in a round"]
    if stock is not today and np.isfinite(stock.ratio(today)[0]):
        lines.append(f"{stock.shown} takes {_less(stock, today)} less than today's {today.shown}")
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
        yield (
            f"{row.shown} takes {_less(row, winner)} less than that, but some partition is in "
            f"{row.least_heard:.2g} of the updates, in some runs in hardly any (--allow-unheard)"
        )


def _less(row: Candidate, other: Candidate) -> TableCell:
    middle, low, high = row.ratio(other)
    return percent(1 - middle, 1 - high, 1 - low)


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
    if (times := answer.question.scenario.times) != 1:
        yield (
            f"every worker keeps its task, so an iteration computes {times:.3g} times the data of "
            "the table (if a task's time is proportional to its data, the same data take "
            f"1 / {times:.3g} of the seconds)"
        )
    if not answer.question.trains:
        free = "" if answer.question.scenario.base.get("network") else ", and messages take no time"
        yield f"iterations were counted, not trained{free}"


def _codes_searched(answer: Recommendation) -> bool:
    return any(row.coded for row in answer.everybody)


def _beside_today(answer: Recommendation) -> list[str]:
    winner, today = answer.winner, answer.today
    if today in (winner, *answer.tied):
        return []
    if np.isnan(winner.ratio(today)[0]):
        return [f"; today's {today.shown} does not reach it in every run"]
    less = f"{_less(winner, today)} less than today's {today.shown}"
    if today.allowed:
        return [f", {less}"]
    limit = f"breaks a limit ({LIMITED[today.violates]})" if today.violates else ""
    return [f"; {less}, which {limit or 'hardly ever hears some partition'}"]


def _next_best(answer: Recommendation) -> list[str]:
    row = next((row for row in answer.finalists[1:] if row.allowed), None)
    if row is None or np.isnan((of := row.ratio(answer.winner))[0]):
        return []
    return [f"; {row.shown}, the next, takes {percent(*(end - 1 for end in of))} more"]


def why(answer: Recommendation) -> list[str]:
    """What the answer rests on, a sentence each."""
    if not answer.reached:
        return []
    reasons = [*_clocks(answer), *_where_search_ended(answer)]
    if _codes_searched(answer) and not answer.winner.coded:
        reasons.append(_no_coding(answer))
    reasons += [*_by_count(answer), _tuning(answer)]
    reasons += [*_who_is_heard(answer), *_by_the_table(answer), *_where_groups_lie(answer)]
    if (evidence := answer.question.scenario.evidence).rounds:
        reasons.append(
            f"intervals cover how far the {evidence.rounds} measured rounds may be off, which are "
            f"drawn in stretches of {evidence.stretch:.3g}"
        )
    elif answer.question.scenario.read:
        reasons.append("intervals cover the randomness of the simulation, not of the measurements")
    holds = {name: _holds(answer, name) for name in CHANGE_WORDS}
    names = sorted(
        CHANGE_WORDS, key=lambda name: holds[name] == NOT_ASKED
    )  # what says nothing comes last
    held = "; ".join(f"{CHANGE_WORDS[name]}: {holds[name]}" for name in names)
    reasons += [*_what_it_does(answer), f"on other delays, {held}"]
    return [*map(sentence, reasons)]


def _what_it_does(answer: Recommendation) -> Iterator[str]:
    """The winner in the words of its docstring, with the meanings of the fields that it names."""
    section = answer.winner.section
    family = answer.question.scenario.catalogue["schemes"].classes[section["name"]]
    meanings = meanings_of(family)
    named = [f"{key}: {re.split('[;:.]', meanings[key])[0]}" for key in section if key in meanings]
    if does := first_sentence(family).rstrip("."):
        does = f"{does[:1].lower()}{does[1:]}"
        yield "; ".join([f"what it does: {does}", *named])


def _clocks(answer: Recommendation) -> Iterator[str]:
    winner, today = answer.winner, answer.today
    old = f", gradients {winner.staleness:.3g} updates old" if winner.staleness else ""
    text = f"an iteration of {winner.shown} takes {number(winner.iteration_time)} s, mean decoding "
    text += f"{_error(winner)}{old}{_iterations(winner)}"
    if today is not winner:
        text += f"; one of {today.shown} {number(today.iteration_time)} s, {_error(today)}"
        text += _iterations(today)
    yield text
    if winner.iterations < 5:
        reached = _iterations(winner).removeprefix(", ")
        yield f"the target is reached in {reached}, too few to say much; give a lower --target"


def _error(row: Candidate) -> str:
    return f"error {METRICS['decoding_error'].rounded(row.error):.3g}"


def _iterations(row: Candidate) -> str:
    text = f"{row.iterations:.3g}"
    return f", {text} iteration{'' if text == '1' else 's'}" if row.iterations >= 0 else ""


def _who_is_heard(answer: Recommendation) -> Iterator[str]:
    """Of a table, since a worker that is slow there is so in the next run, too."""
    winner, share = answer.winner, answer.winner.least_heard
    if answer.question.scenario.evidence.rounds and not np.isnan(share):
        text = f"by the measured rounds, {winner.shown} hears every partition in every update"
        if share < 1:
            text = (
                f"by the measured rounds, the partition that {winner.shown} hears least is in "
                f"{share:.2g} of the updates, a mean one in {share / winner.coverage:.2g}"
            )
        yield text


def _by_the_table(answer: Recommendation) -> Iterator[str]:
    """What the measured rounds say by themselves, in the numbers and words of ``whatif``."""
    study, section = answer.question.scenario.of_table, answer.winner.section
    if study is None:
        return
    if study.waits or hosts_to_name(study):
        yield f"by `whatif`, {whatif_verdict(study)}"
    if {*section} - {"label"} == {"name", "wait_for"} and section["name"] == "ignore_stragglers":
        k, n, table = int(section["wait_for"]), study.workers, answer.question.scenario.table
        assert table is not None
        saves = waiting_saves(table[np.isfinite(table).all(axis=1)], k)
        parts = 1 - (1 - saves) * n / k
        yield (
            f"waiting for {k} of {n} saves {percent(saves)} of a mean measured round, "
            f"{percent(parts)} for as many parts of the gradient, as `whatif` says"
        )


def _where_search_ended(answer: Recommendation) -> Iterator[str]:
    """Numbers of the winner that are as far from those listed as the search goes."""
    catalogue, section = answer.question.scenario.catalogue, answer.winner.section
    listed = [expanded(row.section, catalogue) for row in answer.everybody if row.listed]
    mine = expanded(section, catalogue)
    for key, value in section.items():
        steps = (value / 2, value * 2) if isinstance(value, int | float) else ()
        beyond = [step for step in steps if far_beyond({**mine, key: step}, listed)]
        if possible := [step for step in beyond if step >= 1 or isinstance(value, float)]:
            more = "more" if max(possible) > value else "less"
            yield (
                f"no {more} than {field_as_read(key, value)} was tried: {more} may gain a little "
                "still, and may cost time that is not simulated"
            )


def _no_coding(answer: Recommendation) -> str:
    scenario = answer.question.scenario
    single, double, slowest = scenario.worker_time
    assumed = "assumed" if scenario.load_law_assumed else "medians"
    wait = f"waiting for the slowest of {scenario.workers} takes {slowest / single:.2f} times"
    text = (
        f"a worker with two partitions takes {double / single:.2f} times as long as with one "
        f"({assumed}), while {wait} a typical worker: redundancy can save no more than that wait"
    )
    if (best := answer.best(coded=True)) is None:
        return text
    text += f"; the best code, {best.shown}, "
    middle, low, high = best.ratio(answer.winner)
    if np.isnan(middle):
        return f"{text}left after rung {best.rung + 1}"
    text += f"takes {middle:.2f} times as long ({low:.2f} to {high:.2f})"
    if (than_today := best.ratio(answer.today)[0]) < 1:
        less = f"{percent(1 - than_today)} less than {answer.today.shown}"
        text += f", {less} in the same {best.replications} runs"
    return text


def _by_count(answer: Recommendation) -> Iterator[str]:
    """Which scheme would be best if iterations were counted, where training says another one."""
    known = [row for row in answer.everybody if row.allowed and row.counted > 0]
    if not answer.question.trains or not known:
        return
    best = min(known, key=lambda row: (row.counted, row.index))
    if best not in (answer.winner, *answer.tied):
        why = f"it left after rung {best.rung + 1}"
        if best.trained and not best.tuned:
            why = f"it reaches the goal in {best.reached} of {best.replications} runs"
            why = why if best.order[0] else f"it takes {number(best.value)} s"
        yield f"if iterations were counted, {best.shown} would be best; trained, {why}"


def _tuning(answer: Recommendation) -> str:
    question, winner = answer.question, answer.winner
    if not question.trains:
        return (
            "an update counts as a share of an exact iteration: r / n where r of n workers are "
            "heard, less where decoding weights are uneven or gradients are old"
        )
    common, criterion = question.common_rate, question.goal.criterion
    orders = {row: order(row.values(common), criterion) for row in answer.finalists}
    untuned = sorted(orders, key=lambda row: orders[row])
    names = ", ".join(row.shown for row in untuned[:NAMED_SCHEMES])
    text = "every scheme has its own best learning rate of one grid of powers of 2; at the common "
    text += f"rate {common:.4g}"
    if orders[untuned[0]][0]:
        return f"{text} none of them reaches the goal in every run"
    if untuned[0] is winner:
        return f"{text} the same would be first ({names})"
    late = ", where the best does not always arrive" if orders[winner][0] else ""
    return f"{text} the ranking would be {names}{late}"


def _holds(answer: Recommendation, name: str) -> str:
    tried = [changed for changed in answer.changed if changed.change.name == name]
    if not tried:
        return NOT_ASKED if name == "load" and answer.changed else "not tried"
    better = _better(answer, tried)
    if name == "persistence":
        named = {value: f"kept with probability {value:g}" for value in better}
        named |= {SHUFFLED_ROUNDS: "shuffled each round"}
        return "; ".join(f"{named[value]}: {text}" for value, text in better.items()) or (
            "the answer holds if the delays of a round are shuffled among the workers, and if a "
            "worker keeps its delay of the round before with probability 0.5 or 0.9"
        )
    values = [changed.change.value for changed in tried]
    if not better:
        return f"the answer holds from {min(values):g} to {max(values):g} times"
    down = f"the answer holds down to {min(values):g} times"
    up = f"the answer holds up to {max(values):g} times"
    if below := [value for value in better if value < 1]:
        down = f"at {max(below):g} times {better[max(below)]}"
    if above := [value for value in better if value > 1]:
        up = f"at {min(above):g} times {better[min(above)]}"
    return f"{down}, {up}"


def _better(answer: Recommendation, tried: Sequence[Changed]) -> dict[float, str]:
    """Who is better on changed delays, by the change."""
    here, better = answer.winner.shown, dict[float, str]()
    for changed in tried:
        if answer.turns(changed):
            label = changed.usual.shown
            alone = f"{label} always reaches the goal and {here} does not"
            text = f"{label} is better" if changed.best_reaches else alone
            better.setdefault(changed.change.value, text)
    for changed in tried:
        if not changed.best_reaches:
            better.setdefault(changed.change.value, f"{here} does not always reach the goal")
    return dict(sorted(better.items()))


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
            "`erasurehead measure --loads 1,2,3 --output measured.csv`, then "
            "`erasurehead fit measured.csv`"
        )
    if not answer.question.trains:
        add = "add problem and optimizer to the config"
        if answer.question.scenario.read:
            add = "give --loss, and --dataset if it is not to be synthetic"
        steps.append(f"{add}: losses decide better than a count")
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
