"""Why an answer is the answer: what it rests on, and how far it holds, a sentence each."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import numpy as np

from ...config.names import field_as_read
from ...config.schema import first_sentence, meanings_of
from ...run.metrics import METRICS
from ...text import TableCell, interval, number, percent, sentence
from .compare import order
from .scenario import SHUFFLED_ROUNDS
from .search.candidates import expanded, far_beyond
from .search.evaluate import Candidate
from .study import Changed, Recommendation

NAMED_SCHEMES = 3  # in a sentence
NOT_ASKED = "the answer does not depend on it, since no compared scheme has a load above 1"
CHANGE_WORDS = {  # what is changed about the delays, in words
    "load": "cost of partitions beyond the first",
    "tail": "tail, delays beyond the median",
    "persistence": "persistence",
}


def why(answer: Recommendation) -> list[str]:
    """What the answer rests on, a sentence each."""
    if not answer.reached:
        return []
    reasons = [*_clocks(answer), *_where_search_ended(answer)]
    if answer.codes_searched and not answer.winner.coded:
        reasons.append(_no_coding(answer))
    reasons += [*_by_count(answer), _tuning(answer)]
    reasons += _where_groups_lie(answer)
    holds = {name: _holds(answer, name) for name in CHANGE_WORDS}
    # what says nothing comes last
    names = sorted(CHANGE_WORDS, key=lambda name: holds[name] == NOT_ASKED)
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

    def clock(row: Candidate, kind: str = "", old: str = "") -> str:
        error = METRICS["decoding_error"].rounded(row.error)
        return f"{number(row.iteration_time)} s, {kind}error {error:.3g}{old}{_iterations(row)}"

    old = f", gradients {winner.staleness:.3g} updates old" if winner.staleness else ""
    text = f"an iteration of {winner.shown} takes {clock(winner, 'mean decoding ', old)}"
    yield text if today is winner else f"{text}; one of {today.shown} {clock(today)}"
    if winner.iterations < 5:
        reached = _iterations(winner).removeprefix(", ")
        yield f"the target is reached in {reached}, too few to say much; give a lower --target"


def _iterations(row: Candidate) -> str:
    text = f"{row.iterations:.3g}"
    return f", {text} iteration{'' if text == '1' else 's'}" if row.iterations >= 0 else ""


def _where_groups_lie(answer: Recommendation) -> Iterator[str]:
    if (of := answer.placement) is None:
        return
    unit = answer.question.goal.unit
    within, across = (f"{interval(*end)}{unit}" for end in of.takes)
    pays = "to place them across racks makes no sure difference"
    if of.pays:
        pays = f"to place them across racks saves {saved(of.across, of.within)}"
    takes = f"takes {within} with its groups within racks and {across} across them"
    yield f"slow together: {of.racks} racks; {of.across.shown} {takes}: {pays}"


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
    wait = f"waiting for the slowest of {scenario.workers} takes {slowest / single:.2f} times"
    text = (
        f"a worker with two partitions takes {double / single:.2f} times as long as with one "
        f"(medians), while {wait} a typical worker: redundancy can save no more than that wait"
    )
    if (best := answer.best(coded=True)) is None:
        return text
    text += f"; the best code, {best.shown}, "
    middle, low, high = best.shown_ratio(answer.winner)
    if np.isnan(middle):
        return f"{text}left after rung {best.rung + 1}"
    ends = "" if np.isnan(low) else f" ({low:.2f} to {high:.2f})"
    text += f"takes {middle:.2f} times as long{ends}"
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
            text = f"{label} is better" if changed.best.always else alone
            better.setdefault(changed.change.value, text)
    for changed in tried:
        if not changed.best.always:
            better.setdefault(changed.change.value, f"{here} does not always reach the goal")
    return dict(sorted(better.items()))


def saved(row: Candidate, other: Candidate) -> TableCell:
    """How much less than another one a candidate takes, with its interval."""
    middle, low, high = row.shown_ratio(other)
    return percent(1 - middle, 1 - high, 1 - low)


def beside(row: Candidate, other: Candidate) -> str:
    """How much less, or more, a candidate takes beside another one, which may break a limit."""
    middle, low, high = row.shown_ratio(other)
    if middle <= 1:
        return f"{saved(row, other)} less"
    return f"{percent(middle - 1, low - 1, high - 1)} more"
