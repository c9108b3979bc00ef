"""What is said of a fit: sentences from its findings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np

from ....sim.base.errors import Dialect, shell_word
from ...page.content import Answer
from ...text import at_a_glance, enumerated, left_out, number, number_of, percent, sentence
from ..statistics.job import waiting_saves
from .cut.answer import cut_answer
from .cut.study import CutFindings
from .laws.law import section_of
from .laws.load import LoadFit
from .laws.variance import Memory
from .laws.workers import Workers
from .study import Findings

APART = 0.01  # of a step: savings that differ by so much are explained
MOST_CHECKED = 5  # loads that are compared in a sentence
MOST_WORKERS, MOST_NAMED = 3, 8  # that stand out: with a sentence of their own, and named
LAGS = (1, 2, 5, 10)  # at which the correlation of being slow is told


def fit_answer(
    findings: Findings | CutFindings,
    source: str,
    words: str = "",
    dialect: Dialect = Dialect.SHELL,
) -> Answer:
    """Which model simulates the workers of ``source``; ``words`` has also the options it took, and
    ``dialect`` is that of who reads it."""
    if isinstance(findings, CutFindings):
        return cut_answer(findings, source, dialect)
    main, chosen, ks = findings.main, findings.chosen, findings.ks
    best = main.fits[0]
    fields = section_of(best.law).items()
    numbers = ", ".join(f"{key} {v:.4g}" for key, v in fields if isinstance(v, int | float))
    limits = [*findings.warnings]
    does = "does not simulate these workers well" if limits else "simulates these workers"
    score = chosen.tried[chosen.taken]
    if len(score.apart) > 1:
        limits.append(f"where rounds were held out, they are off by {percent(score.error)}")
    of = f"k = {ks[0]} to {ks[-1]} of {findings.measured.workers}"
    does += f": its mean k-th arrivals are off by {percent(chosen.error)}"
    clauses = [f"delay model {chosen.section['model']} {does}", f" on average, {of}"]
    verdict, limit = at_a_glance(clauses, limits)
    made_of = [*chosen.why]
    if chosen.taken.effects.worker and chosen.taken.effect == "factor":
        made_of.append("a worker's factor is against the mean of all")
    made_of += ["all loads are pooled"] * (len(main.delays.tables) > 1)
    if findings.load is None:
        assumed = f"the load law is assumed: {findings.load_law['kind']}"
        load = f"the table has one, so {assumed}; measure several to know it"
    else:
        load = _load_sentence(findings.load)
    workers, hosts = findings.workers, findings.measured.hosts
    standing = "; ".join(worker_sentences(workers, hosts))
    why = ["; ".join(made_of), f"load: {load}", standing]
    if findings.racks is None:
        why += _together_sentences(findings)
    why[1:1] = _waiting_sentence(findings)
    if findings.load is not None:  # of one load, the ranking's row of the config says it
        why.insert(1, _checked_sentence(findings))
    why += [
        f"{number_of(count, 'call')} at load {load:g} took less than the load costs, and "
        "counted as the shortest of the others"
        for load, count in findings.shorter.items()
        if findings.load is not None
    ]
    if (cold := main.delays.cold) is not None:
        rounds = number_of(cold.rounds, "round has", "rounds have")
        beyond = f"beyond {cold.beyond:.3g} s, {cold.clump:.1f} at once"
        why.append(f"cold starts: {cold.hit} of {rounds} delays {beyond}")
    rows = [] if workers is None else [(hosts[j], workers.spell.value[j]) for j in workers.spelled]
    spells = [f"{host} has spells ({many:.1f} rounds in a row)" for host, many in rows]
    why.append(f"memory: {_memory_sentence(main.memory, spells)}")
    law = f"{best.family.name}{f' ({numbers})' if numbers else ''}"
    error = percent(best.order_error)
    why.append(f"of one law for all delays, {law} predicts arrivals best: off by {error}")
    if (split := main.variance) is not None:
        shares = (f"{of} {percent(split.share(of))}" for of in ("worker", "round", "rest"))
        chance = f"{split.worker_chance:.3f}, of a round part: {split.round_chance:.3f}"
        text = f"variance of single delays, not of steps: {', '.join(shares)}"
        why.append(f"{text} (chance of a worker part so large: {chance})")
    refused = [f"{name} cannot be fitted: {text}" for name, text in main.refused.items()]
    steps = (
        f"`erasurehead whatif {words or shell_word(source)}` says which hosts to blame, and what "
        "fixing them would save.",
    )
    reasons = tuple(map(sentence, why))
    notes = [line.spelled(dialect) for line in findings.measured.notes]
    return Answer(
        "fit",
        source,
        verdict,
        reasons,
        steps,
        notes=(*notes, *refused),
        read=tuple(line.spelled(dialect) for line in findings.measured.read),
        limits=limit,
    )


def _checked_sentence(findings: Findings) -> str:
    checked = findings.checked
    farthest = sorted(checked, key=lambda check: -float(np.abs(np.log(check.times.ratios)).max()))
    named = [check for check in checked if check in farthest[:MOST_CHECKED]]
    lines = []
    for check in named:
        at = "" if check.load is None else f" at load {check.load:g}"
        lines.append(", ".join(f"{ratio:.2f}" for ratio in check.times.ratios) + at)
    if more := left_out(len(checked) - len(named), "load"):
        lines.append(more)
    ks = enumerated([str(k) for k in named[0].times.ks], len(named[0].times.ks))
    arrivals = f"simulated over measured mean arrivals k = {ks}"
    return f"against its own table, {arrivals} are {'; '.join(lines)}"


def _waiting_sentence(findings: Findings) -> Iterator[str]:
    """What waiting for fewer saves: in the measured rounds, as ``whatif`` says, and by the model;
    and why these differ."""
    times, load = findings.checked[0].times, findings.checked[0].load
    table, several = findings.measured.tables[load], len(findings.checked) > 1
    at = f" at load {load:g}" if several else ""
    for k, last in pairwise(times.ks[-2:]):
        measured = waiting_saves(table, k)
        by_model = 1 - float(times.simulated[-2]) / max(float(times.simulated[-1]), 1e-300)
        why = ""
        if abs(by_model - measured) >= APART:
            chance = f"chance explains that in {number_of(len(table), 'round')}"
            why = f" ({chance if times.outside.max() <= 1 else 'which misses these rounds'})"
        yield (
            f"waiting for {k} of {last} saves {percent(measured)} in the measured rounds{at}, "
            f"and {percent(by_model)} by this model{why}"
        )


def _load_sentence(load: LoadFit) -> str:
    law, line = load.law, f"{number(load.intercept)} + {number(load.slope)} load"
    text = f"seconds = {line} (R squared {load.r_squared:.3f}); "
    if load.kind == "partly_proportional":
        return f"{text}{law['fixed']:.3g} of the time at load 1 is the same at every load"
    if load.kind == "additive":
        return f"{text}the additive law holds, with {number(law['seconds_per_partition'])} load"
    if load.kind != "steps":
        return f"{text}the {load.kind} law holds"
    costs = (f"{s:.3g} s from {d:g}" for d, s in zip(law["loads"], law["seconds"], strict=True))
    return f"{text}no straight line fits: seconds grow in steps, by {', '.join(costs)} on"


def _memory_sentence(memory: Memory | None, spells: Sequence[str] = ()) -> str:
    """``memory`` is measured without the workers that have ``spells`` of their own, a text each."""
    if spells:
        return f"{enumerated(spells, MOST_NAMED)}; in the others {_memory_sentence(memory)}"
    if memory is None:
        return "cannot be told (too few rounds)"
    low, high = memory.interval
    if memory.unknown:
        return f"too few rounds to tell: persistence may be {low:.2f} to {high:.2f}"
    lags = [lag for lag in LAGS if lag <= len(memory.correlation)]
    decay = ", ".join(f"{memory.correlation[lag - 1]:.3f}" for lag in lags)
    verdict = "slow workers stay slow for a while" if memory.significant else "none that matters"
    lasting = f", levelling off at {memory.static:.3f}" if memory.static > 0.05 else ""
    always = ": some workers are always slower" if lasting else ""
    return (
        f"{verdict}: persistence {memory.persistence:.3f} ± {memory.standard_error:.3f} "
        f"(chance {memory.chance:.3f}); correlation of being slow {decay} at lags "
        f"{', '.join(map(str, lags))}{lasting}{always}"
    )


def worker_sentences(workers: Workers | None, hosts: tuple[str, ...]) -> list[str]:
    """A line for each worker that stands out."""
    if workers is None:
        return ["workers: cannot be told (too few rounds or workers)"]
    if not workers.standing:
        return ["workers: none is slow more often, or for longer, than chance explains"]
    lines, costly = [], sorted(workers.standing, key=lambda j: -workers.cost.value[j])
    for j in costly[:MOST_WORKERS]:
        slower, slow, spell = (e.value[j] for e in (workers.slower, workers.slow, workers.spell))
        often = f"in {percent(slow)} of rounds"
        how = f"{slower:.4g} times as slow as the median worker"
        low, high = workers.slower.low[j], workers.slower.high[j]
        if low > 1:
            how = f"lastingly {how} ({low:.4g} to {high:.4g} times)"
        else:
            how += f"; more than {workers.level:.2f} times the round's median {often}"
        if j in workers.spelled:
            inside, outside = workers.spelled[j]
            how = f"slow in spells, {often}, {spell:.1f} in a row: {inside:.3g} times the round's "
            how += f"median, else {outside:.3g} times"
        if j in workers.over:
            how += "; this is over, so it need not be replaced"
        cost = f"costs {workers.cost.value[j]:.3g} s a round"
        lines.append(f"worker {hosts[j]} stands out: {how}; {cost}")
    if others := [hosts[j] for j in costly[MOST_WORKERS:]]:
        lines.append(f"so do, but cost less: {enumerated(others, MOST_NAMED)}")
    return lines


def _together_sentences(findings: Findings) -> Iterator[str]:
    """A line for each group of workers that are slow together, which no law has."""
    for group in findings.together[:MOST_WORKERS]:
        who = enumerated([findings.measured.hosts[j] for j in group.hosts], MOST_NAMED)
        times = float(np.exp(np.median(group.beyond[group.slow])))
        who = f"{group.name} ({who})" if group.name else who
        yield f"slow together: {who}, {times:.3g} times in {percent(group.slow.mean())} of rounds"
    if (more := len(findings.together) - MOST_WORKERS) > 0:
        yield f"{number_of(more, 'other group')} of workers that are slow together"
