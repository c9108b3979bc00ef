"""What is said of a fit of rounds that were cut: what was measured, and what is extrapolated."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .....sim.base.errors import Dialect
from ....page.content import Answer
from ....text import at_a_glance, enumerated, number_of, percent, sentence
from ...statistics.cut import Known
from ..laws.law import section_of
from .study import SLOWEST_FACTOR, CutFindings, CutFit

MOST_NAMED = 3  # slow hosts with a sentence of their own
MOST_FAMILIES = 4  # beside the first
MOST_LISTED = 8  # names in a sentence


def cut_answer(findings: CutFindings, source: str, dialect: Dialect) -> Answer:
    """Which law what was heard has, and what is known of each arrival."""
    workers = findings.measured.workers
    heard = findings.observed.listening.heard.sum(axis=1)
    few, many = int(heard.min()), int(heard.max())
    a_round = f"{few}" if few == many else f"{few} to {many}"
    has = "has" if findings.has_shape else "has not"
    clauses = [
        f"delay model {findings.chosen.section['model']} {has} the shape of what was heard, "
        f"{a_round} of {workers} workers a round",
        "; what comes later is extrapolated",
    ]
    verdict, limit = at_a_glance(clauses, findings.warnings)
    why = [
        "; ".join(findings.chosen.why),
        known_sentence(findings),
        *later_sentences(findings),
        *host_sentences(findings),
        f"the table has one load, so the load law is assumed: {findings.load_law['kind']}",
        _law_sentence(findings.fits[0]),
    ]
    if findings.label not in ("", "1"):
        why.append(
            f"seconds are of a task of load 1: those at load {findings.label}, divided by it"
        )
    if late := int((~findings.observed.listening.on_time).sum()):
        why.append(
            f"{number_of(late, 'cell follows', 'cells follow')} a round in which their worker was "
            "not heard: it began late, and they are not fitted"
        )
    refused = [f"{name} cannot be fitted: {text}" for name, text in findings.refused.items()]
    return Answer(
        kind="fit",
        subject=source,
        verdict=verdict,
        why=tuple(map(sentence, why)),
        next=(
            "A stretch of rounds that wait for all workers would measure what is extrapolated "
            "here, and show a slow state that begins later.",
        ),
        notes=(*(note.spelled(dialect) for note in findings.measured.notes), *refused),
        read=tuple(line.spelled(dialect) for line in findings.measured.read),
        limits=limit,
    )


def known_sentence(findings: CutFindings) -> str:
    """Which arrivals are measured, which are bounds, which are extrapolated."""
    arrivals = findings.arrivals
    wheres: dict[Known, str] = {
        "measured": "in every round",
        "at least": "in some rounds",
        "extrapolated": "in no round",
    }
    parts = []
    for known, where in wheres.items():
        ks = [int(k) for k, of in zip(arrivals.ks, arrivals.known, strict=True) if of == known]
        if ks:
            parts.append(f"{known}: k = {_span(ks)}, heard {where}")
    return "; ".join(parts)


def _span(ks: Sequence[int]) -> str:
    return f"{ks[0]}" if len(ks) == 1 else f"{ks[0]} to {ks[-1]}"


def later_sentences(findings: CutFindings) -> list[str]:
    """What waiting for the last that was asked for costs, and how that is known."""
    arrivals = findings.arrivals
    last = int(arrivals.ks[-1])
    of = f"arrival {last} of {findings.measured.workers}"
    if arrivals.known[-1] == "measured":
        return [f"{of} is measured: {arrivals.seconds[-1]:.4g} s in the mean"]
    first, *others = findings.alike
    extrapolated = f"{of} is extrapolated: {_seconds(first)} by {first.family.name}"
    if others:
        alike = [f"{fit.family.name} {_seconds(fit)}" for fit in others]
        extrapolated += f"; as well fit {enumerated(alike, MOST_FAMILIES)}"
    return [
        extrapolated,
        f"it is at least {arrivals.at_least[-1]:.4g} s, and has no interval: "
        f"{percent(findings.beyond)} of delays are beyond the largest end, "
        f"{findings.largest_end:.4g} s, where a slow state would be unseen",
    ]


def _seconds(fit: CutFit) -> str:
    seconds = float(fit.predicted[-1])
    return f"{seconds:.3g} s" if np.isfinite(seconds) else "without a mean"


def host_sentences(findings: CutFindings) -> list[str]:
    """Who is heard too seldom, and about how slow that is."""
    hosts = findings.observed.hosts
    names = findings.measured.hosts
    if not hosts.seldom:
        return ["no host is heard less often than chance explains"]
    lines = []
    for host in hosts.seldom[:MOST_NAMED]:
        factor = findings.factors[host]
        slower = f"about {factor:.2g} times as slow as the others"
        if factor >= SLOWEST_FACTOR or hosts.times[host] == 0:
            slower = f"at least {factor:.2g} times as slow as the others"
        lines.append(
            f"host {names[host]} is heard too seldom: in {hosts.times[host]} of "
            f"{number_of(int(hosts.rounds[host]), 'round')}, where the others typically are in "
            f"{hosts.usual * hosts.rounds[host]:.0f}; it is {slower}"
        )
    if more := [names[host] for host in hosts.seldom[MOST_NAMED:]]:
        lines.append(f"so are {enumerated(more, MOST_LISTED)}")
    return lines


def _law_sentence(fit: CutFit) -> str:
    fields = section_of(fit.law).items()
    numbers = ", ".join(f"{name} {v:.4g}" for name, v in fields if isinstance(v, int | float))
    law = f"{fit.family.name}{f' ({numbers})' if numbers else ''}"
    return (
        f"the law is {law}, by maximum likelihood: what was not heard counts as later than its "
        f"round's end; its quantiles are off by {percent(fit.error)} as far as they were measured"
    )
