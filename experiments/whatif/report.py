"""``report.md``: the verdict, and everything behind it."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from ..page.answer import Answer
from ..page.markdown import plain, table, wrapped
from ..page.numbers import counted
from .frames import hosts_table
from .intervals import DRAWS
from .study import Estimate, Study
from .words import change_name, facts, percent, percent_range, verdict

LISTED = 20
"""Hosts in the report; ``hosts.csv`` has all."""


def markdown(
    studies: Sequence[Study], source: str, notes: Sequence[str], marks: Sequence[str]
) -> str:
    """The whole report.

    Args:
        studies: one per load.
        source: name of the table.
        notes: what was left out or mended in it.
        marks: what the names of each study's pictures end with.
    """
    lines = [f"# What if: {plain(source)}", ""]
    for study, mark in zip(studies, marks, strict=True):
        if len(studies) > 1:
            lines += [f"## Load {study.load:g}", ""]
        lines += _study(study, mark)
    lines += [*(f"- {plain(note)}" for note in notes), *([""] if notes else [])]
    return "\n".join(map(wrapped, [*lines, *_method(studies[0])]))


def answer(
    studies: Sequence[Study], source: str, notes: Sequence[str], command: str = ""
) -> Answer:
    """The findings in a few sentences, for ``answer.json``."""

    def said(study: Study, text: str) -> str:
        place = "" if len(studies) == 1 else f"load {study.load:g}: "
        whole = f"{place}{text}"
        return f"{whole[:1].upper()}{whole[1:]}."

    where = shlex.quote(source)
    steps = [
        f"`erasurehead fit {where}` fits a delay model to this table, which a config can simulate.",
        f"`erasurehead whatif {where} --stragglers 1:{max(1, min(8, studies[0].workers - 1))}` "
        "tries more hosts.",
    ]
    return Answer(
        "whatif",
        source,
        " ".join(said(study, verdict(study)) for study in studies),
        tuple(said(study, fact) for study in studies for fact in facts(study)),
        tuple(steps),
        command,
        tuple(notes),
    )


def _study(study: Study, mark: str) -> list[str]:
    rounds, n = study.table.shape
    lines = [f"**{plain(verdict(study))}.**", ""]
    lines += [f"{n} workers, {rounds} rounds. Times are seconds.", ""]
    lines += [*(f"- {plain(fact)}" for fact in facts(study)), ""]
    lines += [f"![Delays of workers and rounds](heat_map{mark}.png)", ""]
    lines += [f"![Measured and ideal](timeline{mark}.png)", ""]
    lines += ["### Why a step takes longer than a typical task", "", *_parts(study), ""]
    lines += ["### What would change it", "", *_savings(study), ""]
    lines += ["### Hosts", "", *_hosts(study), ""]
    return lines


def _parts(study: Study) -> list[str]:
    rows = [
        [
            "a typical task: median worker, median round",
            f"{study.typical:.4g}",
            "",
            percent(1 / study.slowdown),
        ]
    ]
    text = {
        "workers": "workers: hosts that are lastingly slower",
        "rounds": "rounds: slow for all workers",
        "rest": "the rest: chance, spells, spikes",
    }
    rows += [
        [text[cause], f"{part.value:.4g}", _range(part), percent(part.value / study.seconds)]
        for cause, part in study.parts.items()
    ]
    rows.append(["a step", f"{study.seconds:.4g}", "", "100 %"])
    return table(["part", "s a step", "95 % interval", "share"], rows)


def _savings(study: Study) -> list[str]:
    lost = len(study.missing)
    header = ["change", "s a step", "saves", "95 % interval", "s a step saved", "hours a day"]
    rows = [
        [
            change_name(study, saving),
            f"{saving.seconds:.4g}",
            percent(saving.share.value),
            percent_range(saving.share),
            f"{saving.saved.value:.4g}",
            f"{saving.hours.value:.1f}",
            *([f"{saving.ended} of {lost}"] if lost else []),
        ]
        for saving in study.savings
    ]
    return table([*header, *(["of the endless rounds end"] if lost else [])], rows)


def _hosts(study: Study) -> list[str]:
    rows = [
        [
            host["host"] + (" (stands out)" if host["stands_out"] else ""),
            f"{host['alone']:.4g}",
            _range(Estimate(host["alone"], host["alone_low"], host["alone_high"])),
            percent(host["alone_share"]),
            f"{host['blame']:.4g}",
            f"{host['factor']:.3f}",
            percent(host["ends"]),
        ]
        for host in hosts_table([study]).head(LISTED).to_dict("records")
    ]
    header = ["host", "costs alone (s a step)", "95 % interval", "share", "blame (s a step)"]
    return table([*header, "lasting factor", "rounds it ends"], rows)


def _method(study: Study) -> list[str]:
    return [
        "## How to read this",
        "",
        "A step ends with its slowest worker. A delay is that of a typical task, times a lasting "
        "factor of its worker, times that of its round (its median), times the rest; each cause's "
        "part is its Shapley value: the mean over all orders of taking the causes out. *Costs "
        "alone* is what a median host in place of this one saves. *Blame* shares the wait beyond "
        "the median among all who were late, so that hosts that are slow together have theirs. A "
        "host *stands out* if it ends more rounds, or costs more, than chance explains (1 % of "
        "tables without such hosts name one). Hosts were chosen from the rounds that they are "
        "judged by, so of hosts that do not stand out, savings are flattered. Dropped hosts leave "
        "their work to the others under a proportional load law; where a task has a fixed part, "
        "dropping costs less.",
        "",
        f"Intervals: 95 %, bootstrap of blocks of {counted(study.block, 'consecutive round')} "
        f"({study.blocks} blocks, {DRAWS} draws, fixed seed), for the hosts, time-outs and factors "
        "as they are. Hours a day: what 24 hours of such rounds take less.",
        "",
    ]


def _range(estimate: Estimate) -> str:
    return "" if estimate.low != estimate.low else f"{estimate.low:.4g} to {estimate.high:.4g}"
