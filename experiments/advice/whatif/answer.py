"""The findings in sentences: a verdict, why, and what to do next."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import zip_longest

import numpy as np
import pandas as pd

from ....delay_models.measured.measured import MeasuredDelays, Names, name_at
from ....sim.base.errors import shell_word
from ...page.content import Answer
from ...text import at_a_glance, enumerated, number_of, percent, sentence
from ..statistics.job import FEWEST_ROUNDS
from ..statistics.series import DRAWS
from . import rounds
from .study import SLOW_FACTOR, Group, Study, as_hosts

SHARE = ["share", "share_low", "share_high"]  # of a saving, with its interval
MATTERS = 0.02  # share of the job's time from which a saving is worth a word
NAMED = 4  # hosts that are named in a sentence
NAMED_IN_LIST = 12  # slow rounds, or hosts that are slow together, that are named
SPELLED_HOSTS, NAMED_SPELLS = 3, 6  # hosts or groups that are slow in spells, and spells of each

PARTS = {  # what a step is made of, in the order in which it adds up: a colour, a name, what it is
    "typical": ("#0072B2", "a typical task", "median worker, median round"),
    "workers": ("#D55E00", "workers", "hosts that are lastingly slower"),
    "rounds": ("#E69F00", "rounds", "slow for all workers"),
    "rest": ("#CC79A7", "the rest", "chance, spells, spikes"),
}


Said = tuple[list[str], list[str]]  # clauses of a verdict, and what limits it


def whatif_verdict(study: Study) -> str:
    """What an engineer should know first, and what limits it."""
    clauses, limits = whatif_clauses(study)
    return "; ".join(["".join(clauses), *limits])


def whatif_clauses(study: Study) -> Said:
    """The same as clauses of a sentence, and what limits it."""
    if study.waits:
        return _who_waits(study)
    if culprits := hosts_to_name(study):
        return _culprits(study, culprits)
    if study.workers == 1:
        return ["one worker: nobody waits for anybody"], []
    if study.change(rounds.IDEAL)["share"] < MATTERS:
        slowdown = study.seconds() / study.seconds("typical")
        return [f"nothing to gain: a step takes {slowdown:.3f} times a typical task"], []
    return _nobody(study)


def _who_waits(study: Study) -> Said:
    """Of times that include waiting for the slowest."""
    unless = ", unless the hosts are equal" if study.waits == "alike" else ""
    step = f"; a step takes {study.seconds():.4g} s"
    waits = f"these times include waiting for the slowest{unless}"
    if len(study.stages):
        return [late_in_stages(study), step], [waits]
    alike = f"{waits} (all ranks look alike)"
    prove = "own times would prove it: they need an all-reduce column (--columns allreduce=...) or "
    prove += "profiler traces"
    if study.waited_for is None:
        return [f"who is slow cannot be told: {alike}", step], [prove]
    host, share = study.waited_for
    least = f": its times are the shortest, by {100 * share:.2g} %"
    first = f"host {host} is probably waited for"
    return [first, least, step], ["such are those of a rank that does not wait", alike, prove]


def hosts_to_name(study: Study) -> int:
    """How many hosts the verdict names; 0 if none stands out whose replacement matters. The fewest
    that save 90 % of what all that stand out save, or whose replacement matters and after which
    more of them, however many, add less than a tenth each of what one of them saves."""
    saved = [study.change(rounds.REPLACE, m + 1)["share"] for m in range(len(study.standing))]
    if not saved or max(saved) < MATTERS:
        return 0
    for m, share in enumerate(saved, 1):
        added = [(more - share) / count for count, more in enumerate(saved[m:], 1)]
        little = share >= MATTERS and max(added, default=0.0) < 0.1 * share / m
        if share >= 0.9 * saved[-1] or little:
            return m
    return len(saved)


def _culprits(study: Study, m: int) -> Said:
    saving = study.change(rounds.REPLACE, m)
    some = "a median one" if m == 1 else "median ones"
    hosts = as_hosts(study.order[:m], NAMED, always=True)
    text = replaced = f"replacing {hosts} by {some} saves {percent(*saving[SHARE])}"
    alone = study.hosts.set_index("host")["alone_share"]
    if m > 1:
        savings = [f"{as_hosts([host], 1)} {percent(alone[host])}" for host in study.order[:m]]
        replaced = f"{text} (each alone: {enumerated(savings, NAMED)})"
    best = _most(study, saving["share"])
    if best is None and m > 1:  # they may be slow for one reason
        shared = (row for (group, *_), row in _mended(study) if {*study.order[:m]} <= {*group})
        best = next(shared, None)
    if best is not None:
        text, saving = _saves(best), best
    step = f": {saving['saved']:.3g} of {study.seconds():.3g} s a step"
    day = f", {saving['hours_a_day']:.1f} hours a day"
    also = [replaced] if best is not None or m > 1 else []
    cause, share = largest_cause(study)
    _, name, what = PARTS[cause]
    if cause == rounds.REST:
        what = _rest(study) or what
    return [text, step, day], [*also, f"largest cause: {name} ({what}), {share}"]


def other_ways(study: Study, m: int) -> str:
    """What dropping m hosts would save."""
    dropped = study.change(rounds.DROP, m)["share"]
    kept = percent(dropped) if dropped >= 0.0005 else "nothing"
    are, their = ("is", "its") if m == 1 else ("are", "their")
    gone = as_hosts(study.order[:m], NAMED)
    return (
        f"if {gone} {are} dropped, and the others share {their} work, "
        f"that saves {kept}; a host that is replaced loses its outliers too, not only its lasting "
        "slowness"
    )


def _waiting(study: Study, m: int) -> Iterator[str]:
    """Of waiting for fewer, what it saves after m hosts were replaced, and what its shares mean."""
    if rounds.REPLACE_AND_WAIT in set(study.changes["change"]):
        both = study.change(rounds.REPLACE_AND_WAIT, m)
        first = f"to replace {as_hosts(study.order[:m], NAMED)} first, and then wait for"
        yield f"{first} {study.workers - 1} of {study.workers}, saves {percent(both['share'])}"
    yield (
        "a step that waits for r of n has r of n parts of the gradient; 'for as many parts' counts "
        "n / r such steps as one, and the number named saves most by that count"
    )


def _most(study: Study, share: float) -> pd.Series | None:
    """What saves most for as many parts of the gradient without a change of hosts, and without a
    host that is hardly learned, if that is clearly more than this share."""
    kinds = study.changes["change"].isin([rounds.WAIT, rounds.BACKUP, rounds.GROUP])
    best = study.changes[kinds & ~study.changes["hardly_learned"]].nlargest(1, "share_per_part")
    clear = len(best) and best.iloc[0]["share_per_part"] >= share + MATTERS
    return best.iloc[0] if clear else None


def _saves(best: pd.Series) -> str:
    text = best["text"].split(" ", 1)[1]
    saves = f"saves {percent(*best[SHARE])}"
    if best["change"] != rounds.WAIT:
        return f"{'mending' if best['change'] == rounds.GROUP else 'a backup'} {text} {saves}"
    return f"waiting {text} {saves}, {percent(best['share_per_part'])} for as many parts"


def late_in_stages(study: Study) -> str:
    """Who is slow in which stage, if that matters; ``blame`` is what the others wait for it."""
    matters = study.stages["blame"] >= MATTERS * study.seconds()
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
    cause = max(rounds.CAUSES, key=study.seconds)
    share = study.seconds(cause) / (study.seconds() - study.seconds("typical"))
    near = 0.95 * study.seconds(cause)
    alike = [also for also in rounds.CAUSES if also != cause and study.seconds(also) >= near > 0]
    also = f"; about alike: {' and '.join(alike)}" if alike else ""
    return cause, f"{100 * min(share, 1.0):.0f} % of the slowdown{also}"


def _own_spells(study: Study) -> list[str]:
    """Who has spells, but for hosts that are slow together with others."""
    shared = {host for hosts, *_ in study.groups for host in hosts}
    return [host for host in study.spells if host not in shared]


def _rest(study: Study) -> str:
    """What the rest is made of beside chance, where that is known."""
    own = _own_spells(study)
    some = [f"spells of {as_hosts(own, NAMED)}"] * bool(own)
    some += ["hosts that are slow together"] * any(spans for _, spans, _ in study.groups)
    return f"chance, spikes, and {' and '.join(some)}" if some else ""


def _nobody(study: Study) -> Said:
    first = study.hosts.iloc[0]
    if study.standing:
        s = "s" if len(study.standing) == 1 else ""
        chance = f"{as_hosts(study.standing, NAMED)} stand{s} out, but cost{s} little"
    elif study.rounds[0] < 2:
        chance = "one round cannot tell a host from chance"
    else:
        chance = "none stands out from chance"
    cause, share = largest_cause(study)
    why = {
        rounds.WORKERS: "many hosts differ lastingly",
        rounds.ROUNDS: "rounds are slow as a whole",
        rounds.REST: "the tail is random",
    }
    why[rounds.REST] = _rest(study) or why[rounds.REST]
    best = _most(study, first["alone_share"])
    whole, lost = study.rounds  # who never arrives in a round is said to be so below
    ends = f"in the {number_of(whole, 'round')} of {whole + lost} that end, " if lost else ""
    saves = f"{ends}no single host matters: replacing host {first['host']}, the costliest, saves "
    saves += f"{percent(first['alone_share'])}"
    most = [] if best is None else [f"; {_saves(best)}"]
    return [saves, *most], [chance, f"{why[cause]} ({share})"]


def slow_round_lines(study: Study, names: Names) -> Iterator[str]:
    """Which rounds are slow for all, and whether they come at equal distances; of exceptions alone,
    a fifth of the rounds at most."""
    slow, whole = study.slow_rounds, sum(study.rounds)
    if not 0 < len(slow) <= 0.2 * whole:
        return
    apart = set(np.diff(slow).tolist())
    every = f", one in {apart.pop()}" if len(slow) > 2 and len(apart) == 1 else ""
    texts = [name_at(names, index) for index in slow]
    many = f"{number_of(len(slow), 'round')} of {whole} {'is' if len(slow) == 1 else 'are'}"
    beyond = f"{SLOW_FACTOR:g} times the typical median or more"
    yield f"{many} slow for all workers ({beyond}): {enumerated(texts, NAMED_IN_LIST)}{every}"


def _when(spans: Sequence[list[int]], names: Names) -> str:
    """The longest of some spells, in their order, and how many there are beside them."""
    if not spans:
        return "all rounds"
    longest = sorted(sorted(spans, key=lambda span: span[0] - span[1])[:NAMED_SPELLS])
    texts = [" to ".join(name_at(names, at) for at in dict.fromkeys(span)) for span in longest]
    more = f" and {len(spans) - NAMED_SPELLS} more" if len(spans) > NAMED_SPELLS else ""
    return f"rounds {', '.join(texts)}{more}"


def _spells(study: Study, names: Names) -> Iterator[str]:
    """Which hosts are slow in spells of their own, and when."""
    hosts, factors = _own_spells(study), study.hosts.set_index("host")
    for host in hosts[:SPELLED_HOSTS]:
        slow, fast = factors.loc[host, ["spell_factor", "fast_factor"]]
        times = f"{slow:.3g} times the round's median, {fast:.3g} times outside them"
        yield f"host {host} is slow in spells ({times}): {_when(study.spells[host], names)}"
    if others := hosts[SPELLED_HOSTS:]:
        yield f"slow in spells, too: {enumerated(others, NAMED)}"


def _mended(study: Study) -> Iterator[tuple[Group, pd.Series]]:
    """The groups, and what is saved without what each shares."""
    savings = study.changes[study.changes["change"] == rounds.GROUP]
    yield from zip(study.groups, (row for _, row in savings.iterrows()), strict=True)


def _groups(study: Study, names: Names) -> Iterator[str]:
    """Which hosts are slow together, when, and what is saved without what they share."""
    for (hosts, spans, name), saving in [*_mended(study)][:SPELLED_HOSTS]:
        many = f"{number_of(len(hosts), 'host')}, {enumerated(hosts, NAMED_IN_LIST)}"
        many = f"{name} ({many})" if name else many
        saved = f"to mend what they share saves {percent(*saving[SHARE])}"
        yield f"slow together in {_when(spans, names)}: {many}; {saved}"
    if (more := len(study.groups) - SPELLED_HOSTS) > 0:
        yield f"{number_of(more, 'other group')} of hosts that are slow together"


def facts(study: Study, names: Names | None = None) -> list[str]:
    """What else is to be known, a line each, what matters most first; ``names`` are those of the
    rounds, else 0, 1, ..."""
    lines = [*_caveats(study)]
    if len(study.stages):
        adds = study.stages.drop_duplicates("stage").set_index("stage")["seconds"]
        added = ", ".join(f"{name} {seconds:.3g} s" for name, seconds in adds.items())
        late = "" if study.waits else f"; {late_in_stages(study)}"
        lines.append(f"stages add up to the step: {added}{late}")
    if study.waits:
        return [*lines, "what each change saves is then not known either"]
    known = np.arange(sum(study.rounds)) if names is None else names
    step, typical = study.seconds(), study.seconds("typical")
    parts = ", ".join(f"{cause} {study.seconds(cause):.3g} s" for cause in rounds.CAUSES)
    waiting = 1 - float(study.hosts["mean"].mean()) / step
    kinds = [
        [
            f"slowdown {step / typical:.3g}: a step takes {step:.4g} s, of which {typical:.4g} s "
            f"for a typical task (median worker, median round), {parts} (the mean over all orders "
            "of taking causes out; one alone saves more or less)"
        ],
        ["; ".join(_spells(study, known))],
        ["; ".join(_groups(study, known))],
        [*slow_round_lines(study, known)],
        [*_not_proposed(study)],
        *([line] for line in _of_culprits(study)),
        [f"workers wait {percent(waiting)} of their time for the slowest of the round"],
    ]
    # A short answer shows the first of each kind.
    return [*lines, *(line for rank in zip_longest(*kinds) for line in rank if line)]


def _of_culprits(study: Study) -> Iterator[str]:
    """What else there is to say of the hosts that the verdict names."""
    if not (culprits := hosts_to_name(study)):
        return
    yield other_ways(study, culprits)
    best = _most(study, study.change(rounds.REPLACE, culprits)["share"])
    if best is not None and best["change"] == rounds.WAIT:
        yield from _waiting(study, culprits)
    replaced, standing = study.changes["change"] == rounds.REPLACE, len(study.standing)
    if study.changes.loc[replaced, "count"].max() > standing:
        who = as_hosts(study.standing, NAMED)
        only = f"only {who} stand{'s' if standing == 1 else ''} out"
        yield f"{only}: to replace or drop more adds hosts that were slow by chance"


def _not_proposed(study: Study) -> Iterator[str]:
    """Numbers to wait for that are left out of the short table."""
    unheard = study.changes["hardly_learned"] & (study.changes["change"] == rounds.WAIT)
    if unheard.any():
        many = ", ".join(map(str, study.workers - study.changes["count"][unheard]))
        waiting = f"waiting for {many} of {study.workers}"
        yield f"{waiting} hardly ever hears some host, so it is not proposed"


def _caveats(study: Study) -> Iterator[str]:
    """What makes all answers doubtful: lost rounds, and few of them."""
    whole, lost = study.rounds
    if lost:
        worst = study.hosts.sort_values("worker").nlargest(1, "missing").iloc[0]
        who = f"{as_hosts([worst['host']], 1)} in {round(worst['missing'] * (whole + lost))}"
        end = "ends" if lost == 1 else "end"
        text = f"{lost} of {whole + lost} rounds never {end}, since somebody never arrives ({who})"
        yield f"{text}; times are those of the others"
    if whole < FEWEST_ROUNDS and study.workers > 1:
        yield (
            f"{number_of(whole, 'round')} {'is' if whole == 1 else 'are'} few: where delays vary "
            "by 30 %, a host stands out in 8 rounds if it takes twice as long as the others, in "
            f"{FEWEST_ROUNDS} rounds if it takes 1.6 times as long, and in 100 rounds 1.3 times"
        )


def whatif_answer(
    studies: Sequence[Study], source: str, measured: MeasuredDelays, words: str
) -> Answer:
    """The findings at each load in a few sentences; ``source`` is what the table is called.
    ``again`` is the table with the options that read it, for a shell."""

    def of_load(study: Study, text: str) -> str:
        return sentence(text if len(studies) == 1 else f"load {study.load:g}: {text}")

    why = [
        of_load(study, fact)
        for study in studies
        for fact in facts(study, measured.names_of_rounds(study.load))
    ]
    resampled = [study.blocks for study in studies if study.blocks is not None]
    made = [
        f"Intervals are made from {number_of(blocks.count, 'block')} of "
        f"{number_of(blocks.length, 'consecutive round')}, drawn {DRAWS} times with a fixed seed."
        for blocks in resampled[:1]
    ]
    steps = (
        f"`erasurehead fit {words}` fits a delay model to this table, which a config can simulate.",
        f"`erasurehead recommend --trace {words} --only uncoded,ignore_stragglers` looks for the "
        "number of workers to wait for.",
    )
    clauses, limits = whatif_clauses(studies[0])
    verdict, limit = at_a_glance(clauses, limits)
    if len(studies) > 1:
        verdict = f"Load {studies[0].load:g}: {verdict[:1].lower()}{verdict[1:]}"
        others = (of_load(study, whatif_verdict(study)) for study in studies[1:])
        limit = " ".join(filter(None, [limit, *others]))
    waits = any(study.waits for study in studies)
    if measured.allreduce and waits and "--columns" not in words:
        column = shell_word(f"allreduce={measured.allreduce}")
        own = f"`erasurehead whatif {words} --columns {column}` takes off what each host waits."
        steps = own, steps[0]
    reasons, read = tuple(why), measured.read
    notes = (*measured.notes, *made)
    return Answer("whatif", source, verdict, reasons, steps, notes=notes, read=read, limits=limit)
