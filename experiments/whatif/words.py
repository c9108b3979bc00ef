"""The findings in words: the verdict, and short names of changes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from . import changes
from .slowdown import REST, ROUNDS, WORKERS
from .study import Estimate, Saving, Study

MATTERS = 0.02
"""Share of the job's time from which a saving is worth a word."""

NEARLY = 0.9
"""Of what all hosts that stand out save together; the fewest that save so much are named."""

NAMED = 4
"""Hosts that are named in a line."""


def names(study: Study, hosts: Sequence[int], most: int = NAMED) -> str:
    """``gpu-07, gpu-12``; of many the first ones, and how many there are."""
    listed = ", ".join(study.names[host] for host in hosts[:most])
    return listed if len(hosts) <= most else f"{listed}, ... ({len(hosts)} hosts)"


def percent(share: float) -> str:
    """To three digits at most: ``38.2 %``."""
    if np.isnan(share):
        return "-"
    shown = round(100 * share, 1) + 0.0  # no -0
    return f"{shown:.1f} %" if abs(shown) < 100 else f"{shown:.0f} %"


def percent_range(estimate: Estimate) -> str:
    """``36.1 to 40.3 %``, or nothing where it cannot be told."""
    if np.isnan(estimate.low):
        return ""
    return f"{percent(estimate.low).removesuffix(' %')} to {percent(estimate.high)}"


def _with_range(estimate: Estimate) -> str:
    shown = percent_range(estimate)
    return percent(estimate.value) + (f" ({shown})" if shown else "")


def change_name(study: Study, saving: Saving) -> str:
    """A change in a few words."""
    n, m = study.workers, saving.count
    match saving.kind:
        case changes.IDEAL:
            return f"every task is typical, {study.typical:.4g} s"
        case changes.MEDIAN_WORKER:
            return "every worker takes its round's median"
        case changes.REPLACE:
            return f"replace {_counted(study, saving.hosts)} by median hosts"
        case changes.DROP:
            return f"drop {_counted(study, saving.hosts)}: the others share the work"
        case changes.WAIT:
            return f"wait for {n - m} of {n}"
        case changes.BACKUP:
            return f"backup copy after {saving.timeout:.4g} s ({100 * saving.quantile:g} %)"
        case _:
            what = {
                WORKERS: "lasting differences of hosts",
                ROUNDS: "slow rounds",
                REST: "the rest",
            }
            return f"without {what[saving.kind.removeprefix(f'{changes.WITHOUT} ')]}"


def _counted(study: Study, hosts: Sequence[int]) -> str:
    return names(study, hosts, 2) if len(hosts) <= 2 else names(study, hosts, 1)


def verdict(study: Study) -> str:
    """What an engineer should know first, in one line."""
    standing = study.host.standing
    share = [study.saving(changes.REPLACE, m + 1).share.value for m in range(len(standing))]
    if share and max(share) >= MATTERS:
        return _culprits(study, next(i for i, s in enumerate(share) if s >= NEARLY * share[-1]) + 1)
    if study.workers == 1:
        return "one worker: nobody waits for anybody"
    if study.saving(changes.IDEAL).share.value < MATTERS:
        return f"nothing to gain: a step takes {study.slowdown:.3f} times a typical task"
    return _nobody(study)


def _culprits(study: Study, m: int) -> str:
    hosts = study.host.order[:m]
    saving, dropped = (study.saving(kind, m) for kind in (changes.REPLACE, changes.DROP))
    one = m == 1
    alone = study.saving(changes.REPLACE, 1).share.value
    text = (
        f"replacing host{'' if one else 's'} {names(study, hosts)} by "
        f"{'a median one' if one else 'median ones'} saves {_with_range(saving.share)}: "
        f"{saving.saved.value:.3g} of {study.seconds:.3g} s a step, "
        f"{saving.hours.value:.1f} hours a day"
    )
    if not one:
        text += f"; {names(study, hosts[:1])} alone {percent(alone)}"
    kept = dropped.share.value
    return text + (
        f"; dropped, with {'its' if one else 'their'} work shared by the others, "
        f"{percent(kept) if kept > 0 else 'nothing'}"
    )


def _nobody(study: Study) -> str:
    host = int(np.argmax(study.host.alone))
    best = percent(float(study.host.alone[host]) / study.seconds)
    if study.host.standing:
        chance = f"{names(study, study.host.standing)} stand out, but cost little"
    elif len(study.table) < 2:
        chance = "one round cannot tell a host from chance"
    else:
        chance = "none stands out from chance"
    cause, part = max(study.parts.items(), key=lambda item: item[1].value)
    why = {
        WORKERS: "many hosts differ lastingly",
        ROUNDS: "rounds are slow as a whole",
        REST: "the tail is random",
    }
    share = part.value / (study.seconds - study.typical)
    return (
        f"no single host matters: replacing {study.names[host]} saves most, {best}, and {chance}; "
        f"{why[cause]} ({100 * min(share, 1.0):.0f} % of the slowdown)"
    )


def facts(study: Study) -> list[str]:
    """What else is to be known, a line each."""
    parts = ", ".join(f"{cause} {part.value:.3g} s" for cause, part in study.parts.items())
    lines = [
        f"slowdown {study.slowdown:.3g}: a step takes {study.seconds:.4g} s, of which "
        f"{study.typical:.4g} s for a typical task (median worker, median round), {parts}",
        f"workers wait {percent(study.waiting)} of their time for the slowest of the round",
    ]
    lost = len(study.missing)
    if lost:
        absent = study.missing.sum(axis=0)
        worst = int(np.argmax(absent))
        rounds = lost + len(study.table)
        lines.append(
            f"{lost} of {rounds} rounds never end, since somebody never arrives "
            f"({study.names[worst]} in {absent[worst]}); times are those of the others"
        )
    return lines
