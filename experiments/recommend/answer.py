"""The answer in sentences: verdict, reasons, what to do next, and how it was found. It reads the
whole search. The page reads tables alone, so that a report need not load the search."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from shlex import quote

import numpy as np

from ...sim.metrics import METRICS
from ..config.schema import first_sentence, meanings_of
from ..page.answer import Answer
from ..text import enumerated, number, percent, sentence
from .candidates import LEFT_OUT, far_beyond, whole
from .contender import MARGIN, WHOLE, Contender, decided_by
from .scenario import SHUFFLED
from .search import CLOCKED
from .stages import SPACING, TRIAL, TUNED
from .study import Recommendation, Sensitivity

FEW_ITERATIONS = 5  # so few say little of a long training
UNEVEN = 0.5  # a partition in less than this share of a mean one's updates is worth a word
NAMED = 3  # schemes that are named in a sentence
CHEAPER = 0.01  # share of worker-seconds from which on one scheme is cheaper than another
# What is compared, in words.
QUANTITIES = {"mean": "means", "median": "medians", "p95": "95 % quantiles"}
# A scheme that is no code may have a code's name: ``erasurehead`` with a load of 1.
NO_CODING, NO_CODE = "coding does not pay", "redundancy is not"
UNASKED = "the answer does not depend on it, since no compared scheme has a load above 1"
CHANGES = {  # what is changed about the delays, in words
    "load": "cost of partitions beyond the first",
    "tail": "tail, delays beyond the median",
    "persistence": "persistence",
}


def answered(found: Recommendation, config: str) -> Answer:
    """The answer of ``answer.json``; ``config`` is the path of the ready config."""
    scenario, reasons = found.question.scenario, tuple(why(found))
    steps = tuple(next_steps(found, config))
    notes, read = scenario.notes, scenario.read
    said = verdict(found)
    return Answer("recommend", scenario.name, said, reasons, steps, notes=notes, read=read)


def verdict(found: Recommendation) -> str:
    """The answer in one sentence, which begins with no scheme's name: that has no capital."""
    winner, goal = found.winner, found.question.goal
    if not found.reached:
        there, all_ = np.isfinite(winner.values).sum(), len(winner.values)
        most = f"{winner.label} does in {there} of {all_}; give more iterations or an easier target"
        return sentence(f"no scheme reaches the goal in every run: {most}")
    value = f"{number(winner.value)}{goal.unit} {goal.phrase}"
    pays = any(one.coded for one in (winner, *found.tied)) or not _codes_searched(found)
    best = [winner, *found.tied]
    if found.tied and found.today in best:
        others = [one.label for one in best if one is not found.today]
        text = (
            f"keep {found.today.label}, nothing is surely better: "
            f"{enumerated(others, NAMED)} cannot be told apart from it, about {value}"
        )
    elif found.tied:
        labels = [one.label for one in best]
        last = f"{len(labels) - NAMED} more" if len(labels) > NAMED else labels.pop()
        names = f"{', '.join(labels[:NAMED])} and {last}"
        end = f"about {value}{_beside_today(found)}"
        text = f"the best cannot be told apart: {names}, {end}"
        text = text if pays else f"{NO_CODE} among the best: {names} cannot be told apart, {end}"
    elif winner is found.today:
        none = "nothing that hears every partition" if _faster(found) else "nothing"
        text = f"keep {winner.label}, {none} is better: {value}{_next_best(found)}"
    else:
        partial = _partial(found)
        by = " by count alone" if partial else ""
        named = f"the best{by} is {winner.label}"
        named = named if pays else f"{NO_CODE} best:{by} {winner.label} is"
        text = f"{named}{partial}, {value}{_beside_today(found)}"
    if not pays and found.today in best:
        text = f"{NO_CODING}: {text}"
    more = (_unheard, _by_chance, _counted)
    return sentence("; ".join([text, *(part for parts in more for part in parts(found))]))


def _partial(found: Recommendation) -> str:
    """What a winner by count leaves out, where that is much."""
    if found.question.trains or not (counts := found.winner.counts) < WHOLE:
        return ""
    text = f"an update of it counts as {counts:.2g} of an exact iteration"
    if (best := found.best_exact) is not None:
        text += f"; the best with exact updates is {best.label}, {number(best.value)} s"
    return f" ({text})"


def _less(ratio: float) -> str:
    return f"{percent(abs(1 - ratio))} {'less' if ratio <= 1 else 'more'}"


def _unheard(found: Recommendation) -> Iterator[str]:
    clocked = found.winner.clocked
    if clocked is not None and clocked.unheard:
        share = f"{clocked.least_heard:.2g} of the updates"
        yield f"{found.winner.label} hardly ever hears some partition (in {share})"
        return
    if clocked is not None and clocked.balance < UNEVEN:
        yield f"the partition that it hears least is in {clocked.least_heard:.2g} of the updates"
    for one in _faster(found):
        middle, low, high = one.against(found.winner)
        less = percent(1 - middle, 1 - high, 1 - low)
        yield f"{one.label} takes {less} less than that, but {one.unheard} (--allow-unheard)"


def _faster(found: Recommendation) -> list[Contender]:
    """The best of those that are not recommended since they leave data out, if it is faster."""
    if found.winner.unheard:
        return []
    others = [one for one in found.finalists if one.unheard and not one.breaks][:1]
    return [one for one in others if one.against(found.winner)[2] < 1]


def _by_chance(found: Recommendation) -> Iterator[str]:
    if found.question.goal.criterion != "mean":
        return
    few, total = decided_by(found.winner.values), len(found.winner.values)
    for one in (found.today, *found.finalists):  # or those of a scheme that would be better without
        count = decided_by(one.values)
        if count and not one.barred and float(np.median(one.values)) <= found.winner.value:
            few = min(few or count, count)
    if few:
        decide = "decides" if few == 1 else "decide"
        yield f"{few} of {total} runs {decide} that: more replications are needed"


def _counted(found: Recommendation) -> Iterator[str]:
    if (times := found.question.scenario.times) != 1:
        yield (
            f"every worker keeps its task, so an iteration computes {times:.3g} times the data of "
            "the table (if a task's time is proportional to its data, the same data take "
            f"1 / {times:.3g} of the seconds)"
        )
    if not found.question.trains:
        free = "" if found.question.scenario.base.get("network") else ", and messages take no time"
        yield f"iterations were counted, not trained{free}"


def _codes_searched(found: Recommendation) -> bool:
    return any(one.coded for one in found.contenders)


def _beside_today(found: Recommendation) -> str:
    today = found.today
    if today in (found.winner, *found.tied):
        return ""
    middle, low, high = found.winner.against(today)
    if np.isnan(middle):
        return f"; {today.label}, the scheme of today, does not reach it in every run"
    less = f"{percent(1 - middle, 1 - high, 1 - low)} less than {today.label}, the scheme of today"
    if today.barred:
        why = "breaks a limit" if today.breaks else "hardly ever hears some partition"
        return f"; {less}, which {why}"
    return f", {less}"


def _next_best(found: Recommendation) -> str:
    others = [one for one in found.finalists if one is not found.winner and not one.barred]
    if not others:
        return ""
    middle, low, high = others[0].against(found.winner)
    if np.isnan(middle):
        return ""
    return f"; {others[0].label}, the next, takes {percent(middle - 1, low - 1, high - 1)} more"


def why(found: Recommendation) -> list[str]:
    """What the answer rests on, a sentence each."""
    if not found.reached:
        return []
    reasons = [*_clocks(found), *_where_search_ended(found)]
    if _codes_searched(found) and not found.winner.coded:
        reasons.append(_no_coding(found))
    reasons += [*_by_count(found), _tuning(found)]
    reasons += _who_is_heard(found)
    if (evidence := found.question.scenario.evidence).rounds:
        reasons.append(
            f"intervals cover how far the {evidence.rounds} measured rounds may be off, which are "
            f"drawn in stretches of {evidence.stretch:.3g}"
        )
    elif found.question.scenario.read:
        reasons.append("intervals cover the randomness of the simulation, not of the measurements")
    holds = {name: _holds(found, name) for name in CHANGES}
    told = sorted(CHANGES, key=lambda name: holds[name] == UNASKED)  # what says nothing comes last
    reasons += [*_what_it_does(found), *(f"{CHANGES[name]}: {holds[name]}" for name in told)]
    return [*map(sentence, reasons)]


def _what_it_does(found: Recommendation) -> Iterator[str]:
    """The winner in the words of its docstring, with the meanings of the fields that it names."""
    section = found.winner.section
    family = found.question.scenario.catalogue["schemes"].classes[section["name"]]
    meanings = meanings_of(family)
    named = [f"{key}: {re.split('[;:.]', meanings[key])[0]}" for key in section if key in meanings]
    if does := first_sentence(family).rstrip("."):
        does = f"{does[:1].lower()}{does[1:]}"
        yield "; ".join([f"what it does: {does}", *named])


def _clocks(found: Recommendation) -> Iterator[str]:
    mine, today = found.winner.final, found.today.final
    assert mine is not None
    text = f"an iteration of {found.winner.label} takes {number(found.winner.iteration_time)} s"
    text += f", mean decoding error {METRICS['decoding_error'].shown(mine.error):.3g}"
    if (parts := found.winner.parts) > found.question.scenario.workers:
        text += f" over {parts} pieces"
    if mine.staleness:
        text += f", gradients {mine.staleness:.3g} updates old"
    needed = np.inf
    if np.isfinite(mine.to_target).any():
        needed = np.nanmean(mine.to_target[0])
        text += f", {_iterations(needed)}"
    if today is not None and today is not mine:
        text += f"; one of {found.today.label} {number(found.today.iteration_time)} s"
        text += f", error {METRICS['decoding_error'].shown(today.error):.3g}"
        if np.isfinite(today.to_target).any():
            text += f", {_iterations(np.nanmean(today.to_target[0]))}"
    yield text
    if needed < FEW_ITERATIONS:
        few = f"{_iterations(needed)}, too few to say much"
        yield f"the target is reached in {few}; give a lower --target"


def _who_is_heard(found: Recommendation) -> Iterator[str]:
    """Of a table, since a worker that is slow there is so in the next run, too."""
    final, evidence = found.winner.final, found.question.scenario.evidence
    if final is None or not evidence.rounds or np.isnan(final.least_heard):
        return
    text = f"by the measured rounds, {found.winner.label} hears every partition in every update"
    if final.least_heard < 1:
        text = (
            f"by the measured rounds, the partition that {found.winner.label} hears least is in "
            f"{final.least_heard:.2g} of the updates, a mean one in "
            f"{final.least_heard / final.balance:.2g}"
        )
    yield text


def _where_search_ended(found: Recommendation) -> Iterator[str]:
    """Numbers of the winner that are as far from those listed as the search goes."""
    catalogue = found.question.scenario.catalogue
    listed = [whole(one.section, catalogue) for one in found.contenders if not one.found]
    mine = whole(found.winner.section, catalogue)
    for key, value in found.winner.section.items():
        steps = (value / 2, value * 2) if isinstance(value, int | float) else ()
        beyond = [step for step in steps if far_beyond({**mine, key: step}, listed)]
        if possible := [step for step in beyond if step >= 1 or isinstance(value, float)]:
            more = "more" if max(possible) > value else "less"
            yield (
                f"no {more} than {key}={value} was tried: {more} may gain a little still, and may "
                "cost time that is not simulated"
            )


def _iterations(mean: float) -> str:
    text = f"{mean:.3g}"
    return f"{text} iteration{'' if text == '1' else 's'}"


def _no_coding(found: Recommendation) -> str:
    scenario = found.question.scenario
    one, two, slowest = scenario.worker_time
    assumed = "assumed" if any("law is assumed" in note for note in scenario.notes) else "medians"
    wait = f"waiting for the slowest of {scenario.workers} takes {slowest / one:.2f} times"
    text = (
        f"a worker with two partitions takes {two / one:.2f} times as long as with one "
        f"({assumed}), while {wait} a typical worker: redundancy can save no more than that wait"
    )
    if (best := found.best_coded) is None:
        return text
    if best.final is not None:
        middle, low, high = best.against(found.winner)
        if not np.isnan(middle):
            text += f"; the best code, {best.label}, takes {middle:.2f} times as long"
            text += f" ({low:.2f} to {high:.2f})"
            if (than_today := best.against(found.today)[0]) < 1:
                text += f", {_less(than_today)} than {found.today.label}"
                text += f" in the same {len(best.values)} runs"
            return text
    return f"{text}; the best code, {best.label}, was ruled out: {best.reason}"


def _by_count(found: Recommendation) -> Iterator[str]:
    """Which scheme would be best if iterations were counted, where training says another one."""
    known = [
        (one.clocked.yardstick, one.index, one)
        for one in found.contenders
        if one.clocked is not None and not (one.barred or one.clocked.unheard)
    ]
    if not found.question.trains or not known:
        return
    _, _, best = min(known)
    if best in (found.winner, *found.tied):
        return
    why = f"it left the search: {best.reason}"
    if best.final is not None:
        there, runs = np.isfinite(best.values).sum(), len(best.values)
        why = f"it takes {number(best.value)} s"
        why = why if there == runs else f"it reaches the goal in {there} of {runs} runs"
    yield f"if iterations were counted, {best.label} would be best; trained, {why}"


def _tuning(found: Recommendation) -> str:
    question = found.question
    if not question.trains:
        return (
            "an update counts as a share of an exact iteration: r / n where r of n workers are "
            "heard, less where decoding weights are uneven or gradients are old"
        )
    first, winner, common = found.untuned[0], found.winner, question.common_rate
    names = ", ".join(one.label for one in found.untuned[:NAMED])
    grid = "every scheme has its own best learning rate of one grid of powers of 2"
    text = f"{grid}; at the common rate {common:.4g}"
    if not np.isfinite(first.at(common)).all():
        return f"{text} none of them reaches the goal in every run"
    if first is winner:
        return f"{text} the same would be first ({names})"
    reached = np.isfinite(winner.at(common)).all()
    rest = "" if reached else ", where the best does not always arrive"
    return f"{text} the ranking would be {names}{rest}"


def _holds(found: Recommendation, name: str) -> str:
    rows = [each for each in found.sensitivities if each.perturbation.name == name]
    if not rows and name == "load" and found.sensitivities:
        return UNASKED
    if not rows:
        return "not tried"
    changed = _changed(found, rows)
    if name == "persistence":
        named = {value: f"kept with probability {value:g}" for value in changed}
        named |= {SHUFFLED: "shuffled each round"}
        texts = [f"{named[value]}: {text}" for value, text in changed.items()]
        held = (
            "the answer holds if the delays of a round are shuffled among the workers, and if a "
            "worker keeps its delay of the round before with probability 0.5 or 0.9"
        )
        return "; ".join(texts) or held
    values = sorted({each.perturbation.value for each in rows})
    if not changed:
        return f"the answer holds from {values[0]:g} to {values[-1]:g} times"
    below = [value for value in changed if value < 1]
    above = [value for value in changed if value > 1]
    down = f"the answer holds down to {values[0]:g} times"
    up = f"the answer holds up to {values[-1]:g} times"
    if below:
        down = f"at {max(below):g} times {changed[max(below)]}"
    if above:
        up = f"at {min(above):g} times {changed[min(above)]}"
    return f"{down}, {up}"


def _changed(found: Recommendation, rows: Sequence[Sensitivity]) -> dict[float, str]:
    here = found.winner.label
    changed: dict[float, str] = {}
    for each in rows:
        if each.perturbation.value not in changed and _another(found, each):
            label = each.contender.label
            alone = f"{label} always reaches the goal and {here} does not"
            changed[each.perturbation.value] = alone if each.alone else f"{label} is better"
    for each in rows:
        if not np.isfinite(each.best).all():
            changed.setdefault(each.perturbation.value, f"{here} does not always reach the goal")
    return dict(sorted(changed.items()))


def _another(found: Recommendation, each: Sensitivity) -> bool:
    """Whether another scheme, and not just another number of arrivals, is better."""
    one, winner = each.contender, found.winner
    if one.breaks or (one.unheard and not winner.unheard and each.perturbation.value != SHUFFLED):
        return False  # as little as on the delays as they are; where these are shuffled, all count
    if one.final is not None and not np.isfinite(one.values).all():
        return False  # in the race, which has more runs, it misses the goal
    usual = (row for row in found.sensitivities if row.contender is one)
    if not one.unheard and any(row.beats for row in usual if not row.perturbation.name):
        return False  # so it is not the change that makes it better
    return each.beats and (one.scheme != winner.scheme or one.coded != winner.coded)


def next_steps(found: Recommendation, config: str) -> list[str]:
    """What to do next, a sentence each; commands stand between backticks."""
    if not found.reached:
        return ["give more iterations, or an easier --target, and ask again"]
    steps = [f"run it: `erasurehead run {quote(config)}`"]
    if found.tied:
        best = [found.winner, *found.tied]
        costs = {one.label: found.costs(one)["worker_seconds"] for one in best}
        if min(costs.values()) < (1 - CHEAPER) * max(costs.values()):
            cheapest = min(costs, key=lambda label: costs[label])
            steps.insert(0, f"take the cheaper one: {cheapest} costs fewest worker-seconds")
    loads = [each for each in found.sensitivities if each.perturbation.name == "load"]
    if any(_another(found, each) for each in loads):
        steps.append(
            "measure how a worker's time grows with its load, since the answer depends on it: "
            "`erasurehead measure --loads 1,2,3 --output measured.csv`, then "
            "`erasurehead fit measured.csv`"
        )
    if not found.question.trains:
        add = "add problem and optimizer to the config"
        if found.question.scenario.read:
            add = "give --loss, and --dataset if it is not to be synthetic"
        steps.append(f"{add}: losses decide better than a count")
    return steps


def method(found: Recommendation) -> list[str]:
    """How it was found, a paragraph each."""
    stages = Counter(one.stage or "stayed" for one in found.contenders)
    told = "; ".join(f"{stage}: {count}" for stage, count in stages.items())
    text = (
        f"{len(found.contenders)} schemes were looked at ({told}). Closed forms rule out who is "
        "slower than a scheme with gradients at least as good by more than "
        f"{percent(min(MARGIN.values()))}; where there is none, the clock of {CLOCKED} runs, with "
        f"{percent(max(MARGIN.values()))}. "
    )
    if found.question.trains:
        text += (
            f"Learning rates are chosen on trial delays (the seed after the config's): {TRIAL} "
            f"replications by factors of {SPACING:g}, then {TUNED} by factors of 2, on one grid "
            "for all, around the best rate of the exact gradient. "
        )
    text += (
        "Then all race on common delays, those of the config's seed. After each heat, schemes "
        "that are surely behind the leader (99.9 % paired interval of the ratio) leave, and so do "
        f"the slowest if too many remain. The last heat has {len(found.winner.values)} "
        "replications. Intervals are 95 %, of the paired ratio of "
        f"{QUANTITIES[found.question.goal.criterion]}; the best of several schemes looks slightly "
        "better than it is. Cannot be told apart: the interval does not exclude 1. A scheme that "
        "left early, but did better until then than the best in all its runs, comes back."
    )
    return [text, *(f"{name} was not searched: {reason}." for name, reason in LEFT_OUT.items())]
