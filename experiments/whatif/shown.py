"""The findings in the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from ..page import terminal
from ..page.terminal import Column, show_columns
from . import changes
from .frames import hosts_table
from .study import Study
from .words import change_name, facts, percent, percent_range, verdict

HOSTS = 5
"""Hosts that are listed."""


def show(studies: Sequence[Study]) -> None:
    """Print the verdict, the changes and the costliest hosts, for each load."""
    for study in studies:
        place = "" if len(studies) == 1 else f"load {study.load:g}: "
        terminal.say(f"{place}{verdict(study)}")
        terminal.say_all(facts(study))
        terminal.say("")
        left_out = [*show_columns(_savings(study))]
        terminal.say("")
        left_out += show_columns(_hosts(study))
        if left_out:
            listed = ", ".join(dict.fromkeys(column.title for column in left_out))
            terminal.say(f"too narrow for {listed}: see whatif.csv and hosts.csv")
        terminal.say("")


def _savings(study: Study) -> list[Column]:
    shown = [s for s in study.savings if s.kind != changes.MEDIAN_WORKER]
    return [
        Column.of("change", [change_name(study, s) for s in shown]),
        Column("s a step", [f"{s.seconds:.4g}" for s in shown], 2),
        Column("saves", [percent(s.share.value) for s in shown], 1),
        Column("95 % interval", [percent_range(s.share) or "-" for s in shown], 3),
        Column("hours a day", [f"{s.hours.value:.1f}" for s in shown], 4),
    ]


def _hosts(study: Study) -> list[Column]:
    rows = hosts_table([study]).head(HOSTS).to_dict("records")
    return [
        Column.of("host", [row["host"] for row in rows]),
        Column("costs alone", [f"{row['alone']:.3g} s" for row in rows], 1),
        Column("share", [percent(row["alone_share"]) for row in rows], 2),
        Column("factor", [f"{row['factor']:.3f}" for row in rows], 3),
        Column("rounds it ends", [percent(row["ends"]) for row in rows], 4),
        Column("stands out", ["yes" if row["stands_out"] else "no" for row in rows], 5),
    ]
