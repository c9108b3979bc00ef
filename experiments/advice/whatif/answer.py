"""The findings in sentences: what to do, and what it rests on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

import numpy as np
import pandas as pd

from ....delay_models.measured.measured import Names, name_at
from ...text import enumerated, number_of, percent, sentence, whole_percent
from ..statistics.job import FEWEST_ROUNDS
from ..statistics.slow import spells_of
from .ranking import MATTERS, Ranking
from .remedies import TODAY, Growth
from .slowdown import CAUSES, REST, ROUNDS, WORKERS
from .study import SLOW_FACTOR, Study, as_hosts

NAMED = 4  # hosts that are named in a sentence
NAMED_IN_LIST = 12  # slow rounds, or hosts that are slow together, that are named
SPELLED_HOSTS, NAMED_SPELLS = 3, 6  # hosts or groups that are slow in spells, and spells of each

PARTS = {  # what a step is made of, in the order in which it adds up: a name, what it is
    "typical": ("a typical task", "median worker, median round"),
    WORKERS: ("workers", "hosts that are lastingly slower"),
    ROUNDS: ("rounds", "slow for all workers"),
    REST: ("the rest", "chance, spells, spikes"),
}


def three_digits(seconds: float) -> str:
    """A number with three digits: ``1.20``."""
    return f"{seconds:#.3g}".rstrip(".")


def verdict(study: Study, ranking: Ranking) -> str:
    """What to do, in a sentence or two."""
    if study.waits:
        return _who_waits(study)
    if ranking.headline is not None:
        row = ranking.remedies.loc[ranking.headline].to_dict()
        before = three_digits(study.step)
        takes = f"a step takes {three_digits(row['seconds'])} s in place of {before} s"
        less = percent(row["saves"])
        ends = f"{100 * row['saves_low']:.1f} to {100 * row['saves_high']:.1f} %"
        text = f"{row['text'][:1].upper()}{row['text'][1:]}"
        return f"{text}: {takes}, {less} less ({ends}). The gradient stays the same."
    if study.workers == 1:
        return "Nothing to do: one worker waits for nobody."
    times = study.step / study.causes.typical
    if times < 1 / (1 - MATTERS):
        return f"Nothing to do: a step takes {times:.3g} times a typical task."
    least = whole_percent(MATTERS)
    return f"Nothing that leaves the gradient the same is sure to save {least} of a step."


def beside(study: Study, ranking: Ranking, names: Names) -> Iterator[str]:
    """What else is to be known before anything is done, a sentence each."""
    if study.waits:
        yield from _unless(study)
        return
    if ranking.headline is not None:
        rows = ranking.remedies
        tied = rows["exact"] & rows["tied"] & (rows["saves"] >= MATTERS)
        if tied.any():
            texts = [str(text) for text in rows["text"][tied]]
            yield f"These rounds cannot tell it from: {enumerated(texts, 2)}."
        if rows["assumed"][ranking.headline]:
            yield "That holds if a task takes as many times as long as it has more work."
    elif study.step * (1 - MATTERS) >= study.causes.typical:
        cause, share = largest_cause(study)
        _, what = PARTS[cause]
        yield (
            f"A step takes {three_digits(study.step)} s, {study.step / study.causes.typical:.3g} "
            f"times a typical task; largest cause: {what}, {share}."
        )
    for host, spells in islice(study.slow.over.items(), SPELLED_HOSTS):
        spans = [[int(study.kept[at]) for at in (spell.first, spell.last)] for spell in spells]
        when = _when(spans, names)
        yield f"{_called(study, host)} was slow in {when} only; do not replace it."
    for host, first in study.slow.since.items():
        if host in study.slow.to_replace:
            begin = name_at(names, int(study.kept[first]))
            yield f"{_called(study, host)} is slow since round {begin}."
    yield from _alone(study)
    if ranking.fewer is not None:
        row = ranking.remedies.loc[ranking.fewer].to_dict()
        best = 0.0 if ranking.headline is None else ranking.remedies["saves"][ranking.headline]
        if row["for_all"] >= best + MATTERS:
            yield (
                f"With fewer gradients, if your data are shuffled over hosts: {row['text']}, "
                f"{percent(row['for_all'])} less for as much data."
            )
    yield from _caveats(study)


def _called(study: Study, host: int) -> str:
    """A host at the beginning of a sentence."""
    name = study.names[host]
    text = as_hosts([name], 1)
    return text if text == name else f"{text[:1].upper()}{text[1:]}"


def _alone(study: Study) -> Iterator[str]:
    """Of hosts in groups that the table names: who alone of its group is slow."""
    for host in study.slow.to_replace[:SPELLED_HOSTS]:
        name = study.names[host]
        for group, members in study.named.items():
            slow = {study.names[other] for other in study.slow.standing} & {*members}
            if len(members) < 2 or slow != {name}:
                continue
            if study.of_ranks:
                yield f"Only one rank of {group} is slow: it is the device, not the host."
            else:
                yield (
                    f"{_called(study, host)} is the only slow one of {len(members)} in {group}: "
                    "the cause is its own, and not what they share."
                )


def _who_waits(study: Study) -> str:
    """Of times that include waiting for the slowest."""
    if len(study.stages):
        return sentence(late_in_stages(study))
    if study.waited_for is None:
        return "Who is slow cannot be told: these times include waiting for the slowest."
    means = study.rounds.mean(axis=0)
    others = np.delete(means, study.waited_for)
    shorter = 1 - float(means[study.waited_for] / others.mean())
    host = as_hosts([study.names[study.waited_for]], 1, always=True)
    return (
        f"{host[:1].upper()}{host[1:]} is probably waited for: its times are the shortest, by "
        f"{100 * shorter:.2g} %."
    )


def _unless(study: Study) -> Iterator[str]:
    unless = ", unless the hosts are equal" if study.waits == "alike" else ""
    waits = f"These times include waiting for the slowest{unless}"
    if len(study.stages):
        yield f"{waits}; a step takes {study.step:.3g} s."
        return
    yield f"{waits} (all ranks look alike): what would be saved is not known."
    yield (
        "Own times would prove it: they need an all-reduce column (--columns allreduce=...) or "
        "profiler traces."
    )


def late_in_stages(study: Study) -> str:
    """Who is slow in which stage, if that matters; ``blame`` is what the others wait for it."""
    matters = study.stages["blame"] >= MATTERS * study.step
    slow = study.stages[study.stages["stands_out"] & matters]
    named = [
        f"{as_hosts([*map(str, rows['host'])], NAMED, always=True)} in {stage} "
        f"({rows['blame'].sum():.3g} s a step)"
        for stage, rows in slow.groupby("stage", sort=False)
    ]
    return f"slow: {enumerated(named, NAMED)}" if named else "no host is clearly slow in a stage"


def largest_cause(study: Study) -> tuple[str, str]:
    """The largest cause; and its share of the slowdown, with causes that are about as large: within
    5 % of it."""
    seconds = study.slowdown.set_index("part")["seconds"]
    cause = max(CAUSES, key=lambda name: float(seconds[name]))
    share = seconds[cause] / (study.step - study.causes.typical)
    near = 0.95 * seconds[cause]
    alike = [also for also in CAUSES if also != cause and seconds[also] >= near > 0]
    also = f" (about alike: {' and '.join(alike)})" if alike else ""
    return cause, f"{100 * min(share, 1.0):.0f} % of the slowdown{also}"


def _spells(study: Study, host: int) -> Sequence[Sequence[int]]:
    """The first and last round of each spell of a host, as places in the table."""
    assert study.slow.rounds is not None
    spells: Sequence[Sequence[int]] = study.kept[spells_of(study.slow.rounds, host)].tolist()
    return spells


def _when(spans: Sequence[Sequence[int]], names: Names) -> str:
    """The longest of some spells, in their order, and how many there are beside them."""
    if not spans:
        return "all rounds"
    by_length = sorted(spans, key=lambda span: span[0] - span[1])
    longest = sorted(by_length[:NAMED_SPELLS], key=lambda span: span[0])
    texts = [" to ".join(name_at(names, at) for at in dict.fromkeys(span)) for span in longest]
    more = f" and {len(spans) - NAMED_SPELLS} more" if len(spans) > NAMED_SPELLS else ""
    return f"rounds {', '.join(texts)}{more}"


def _caveats(study: Study) -> Iterator[str]:
    """What makes all answers doubtful: lost rounds, and few of them."""
    whole, every = len(study.kept), len(study.missing)
    if whole < every:
        absent = study.missing.sum(axis=0)
        worst = int(np.argmax(absent))
        yield (
            f"All rows are of the same {number_of(whole, 'round')} of {every}, in which all hosts "
            f"arrive ({study.names[worst]} is missing in {int(absent[worst])}); {study.left_out}."
        )
    if whole < FEWEST_ROUNDS and study.workers > 1:
        yield (
            f"{number_of(whole, 'round')} {'is' if whole == 1 else 'are'} few: where delays vary "
            "by 30 %, a host stands out in 8 rounds if it takes twice as long as the others, in "
            f"{FEWEST_ROUNDS} rounds if it takes 1.6 times as long, and in 100 rounds 1.3 times."
        )


def growth_line(growth: Growth, study: Study) -> str:
    """What is known of how long more work takes."""
    if not growth.known:
        return (
            "* two parts are assumed to take twice as long as one: --load-law, or a column load, "
            "tells; a code pays if they take under so many times one"
        )
    return f"2 parts take {growth.ratio(study.rounds, 2.0):.3g} times as long as one"


def facts(study: Study, names: Names) -> list[str]:
    """Why steps are slow: for the report, a sentence each."""
    lines = list[str]()
    if len(study.stages):
        adds = study.stages.drop_duplicates("stage").set_index("stage")["seconds"]
        added = ", ".join(f"{name} {seconds:.3g} s" for name, seconds in adds.items())
        late = "" if study.waits else f"; {late_in_stages(study)}"
        lines.append(f"stages add up to the step: {added}{late}")
    if study.waits:
        return lines
    seconds = study.slowdown.set_index("part")["seconds"]
    typical = study.causes.typical
    parts = ", ".join(f"{cause} {seconds[cause]:.3g} s" for cause in CAUSES)
    lines.append(
        f"slowdown {study.step / typical:.3g}: a step takes {study.step:.4g} s, of which "
        f"{typical:.4g} s for a typical task (median worker, median round), {parts} (the mean over "
        "all orders of taking causes out; one alone saves more or less)"
    )
    lines += _who_stands_out(study, names)
    lines += _together(study, names)
    lines += _slow_rounds(study, names)
    waiting = 1 - float(study.rounds.mean()) / study.step
    lines.append(f"workers wait {percent(waiting)} of their time for the slowest of the round")
    return [sentence(line) for line in lines]


def _who_stands_out(study: Study, names: Names) -> Iterator[str]:
    if len(study.kept) < 2:
        yield "one round cannot tell a host from chance"
        return
    if not study.slow.standing:
        yield "no host stands out from chance"
        return
    standing = [study.names[host] for host in study.slow.standing]
    yield f"slower than chance explains: {enumerated(standing, NAMED_IN_LIST)}"
    for host in [*study.slow.factors][:SPELLED_HOSTS]:
        factors = study.slow.factors[host]
        yield (
            f"host {study.names[host]} is slow in spells ({factors.in_spells:.3g} times the "
            f"round's median, {factors.outside:.3g} times outside them): "
            f"{_when(_spells(study, host), names)}"
        )


def _together(study: Study, names: Names) -> Iterator[str]:
    """Which hosts are slow together, and when."""
    for group in study.groups[:SPELLED_HOSTS]:
        hosts = [study.names[host] for host in group.hosts]
        many = f"{number_of(len(hosts), 'host')}, {enumerated(hosts, NAMED_IN_LIST)}"
        many = f"{group.name} ({many})" if group.name else many
        spans = [] if group.slow.all() else study.kept[group.spans].tolist()
        yield f"slow together in {_when(spans, names)}: {many}"
    if (more := len(study.groups) - SPELLED_HOSTS) > 0:
        yield f"{number_of(more, 'other group')} of hosts that are slow together"


def _slow_rounds(study: Study, names: Names) -> Iterator[str]:
    """Which rounds are slow for all, and whether they come at equal distances; of exceptions alone,
    a fifth of the rounds at most."""
    slow, every = study.slow_rounds, len(study.missing)
    if not 0 < len(slow) <= 0.2 * every:
        return
    apart = set(np.diff(slow).tolist())
    in_step = f", one in {apart.pop()}" if len(slow) > 2 and len(apart) == 1 else ""
    texts = [name_at(names, index) for index in slow]
    many = f"{number_of(len(slow), 'round')} of {every} {'is' if len(slow) == 1 else 'are'}"
    beyond = f"{SLOW_FACTOR:g} times the typical median or more"
    yield f"{many} slow for all workers ({beyond}): {enumerated(texts, NAMED_IN_LIST)}{in_step}"


def shown(remedies: pd.DataFrame, exact: bool, most: int) -> pd.DataFrame:
    """The best row of each kind in a block, none of which another row beats: of fewer gradients
    those alone that save time for as much of everybody's data."""
    rows = remedies[(remedies["exact"] == exact) & (remedies["beaten_by"] == "")]
    rows = rows[rows["kind"] != TODAY]
    if not exact:
        rows = rows[rows["for_all"] > 0]
    return rows.drop_duplicates("kind").head(most)
