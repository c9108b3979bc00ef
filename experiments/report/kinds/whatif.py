"""The report of what if: why steps are slow, and what would change it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar, final

import numpy as np
import pandas as pd
from typing_extensions import override

from ...config.errors import shortened
from ...page.answer import image_at, read_answer, table_at
from ...page.content import Chart, Image, Page, Section, Table, capped
from ...page.numbers import interval, number, percent, plain
from ...pictures import style
from ...pictures.looks import SOLID, Look, shade
from ...pictures.picture import Axis, Bars, Fill, Heat, Mark, Panel, Picture, Points
from ...whatif.command import HEAT_MAP
from .base import ReportKind

CHANGES, HOSTS, SLOWDOWN = "whatif.parquet", "hosts.parquet", "slowdown.parquet"

PARTS = {
    "typical": ("#0072B2", "a typical task"),
    "workers": ("#D55E00", "workers: hosts that are lastingly slower"),
    "rounds": ("#E69F00", "rounds: slow for all workers"),
    "rest": ("#CC79A7", "the rest: chance, spells, spikes"),
}
"""What a step is made of, in the order in which it adds up."""

SAVES = Look("#0072B2", "o", SOLID, "share of a step that it saves, with its 95 % interval")

MOST_CHANGES, MOST_LOADS = 24, 4


@final
class WhatIfReport(ReportKind):
    """The page on a what-if analysis of measured delays, the output of ``whatif``."""

    name: ClassVar[str] = "whatif"

    @override
    def holds(self, directory: Path) -> bool:
        return (directory / CHANGES).exists()

    @override
    def read(self, directory: Path) -> Page:
        answer = read_answer(directory)
        changes = table_at(directory / CHANGES, ("load", "text", "seconds", "share", "saved"))
        hosts = table_at(directory / HOSTS, ("load", "host", "alone", "blame", "factor"))
        slowdown = table_at(directory / SLOWDOWN, ("load", "part", "seconds"))
        heat = table_at(directory / HEAT_MAP, ("load", "host", "round", "seconds"))
        loads = [load for load in dict.fromkeys(changes["load"]) if load == load] or [None]
        shown = loads[:MOST_LOADS]
        part = f"The first {len(shown)} of {len(loads)} loads."
        return Page(
            answer,
            question=[
                ("table", answer.subject),
                ("workers", str(hosts["worker"].nunique())),
                ("loads", ", ".join(f"{load:g}" for load in loads if load is not None) or "one"),
            ],
            sections=[
                Section(
                    "pictures",
                    "What would change it",
                    [each for load in shown for each in _changes(changes, slowdown, load)],
                    part if len(shown) < len(loads) else "",
                ),
                Section("heat", "Workers over rounds", [*_heat(heat, hosts, shown)]),
                Section("timeline", "Measured and ideal", [*_timelines(directory)]),
                Section("table", "All numbers", [_changes_table(changes), _hosts_table(hosts)]),
            ],
            provenance=[("made by", "erasurehead whatif"), ("changes tried", str(len(changes)))],
        )


def _of(table: pd.DataFrame, load: float | None) -> pd.DataFrame:
    return table if load is None else table[table["load"] == load]


def _ident(name: str, load: float | None) -> str:
    return name if load is None else f"{name}-{load:g}".replace(".", "_")


def _at(load: float | None) -> str:
    return "" if load is None else f", load {load:g}"


def _changes(changes: pd.DataFrame, slowdown: pd.DataFrame, load: float | None) -> Iterator[Chart]:
    yield Chart(
        _ident("parts", load),
        f"Where a step's time goes{_at(load)}",
        "Seconds of a mean step: a typical task, and what each cause adds. They add up.",
        _parts(_of(slowdown, load)),
    )
    yield Chart(
        _ident("savings", load),
        f"What each change saves{_at(load)}",
        "Of a step's time. An interval that touches 0 may be chance.",
        _savings(_of(changes, load)),
    )


def _parts(table: pd.DataFrame) -> Picture:
    marks: list[Mark] = []
    at = 0.0
    seconds = dict(zip(table["part"], table["seconds"].astype(float), strict=True))
    for part, (colour, title) in PARTS.items():
        value = float(seconds.get(part, 0.0))
        fill = Fill(colour, "", title, 0.6)
        marks.append(Bars(fill, np.zeros(1), np.array([at]), np.array([at + value])))
        at += value
    whole = float(seconds.get("step", at))
    x = Axis("seconds of a step", low=min(0.0, at), high=1.02 * max(whole, at) or 1.0)
    y = Axis("", low=0.6, high=-0.6, names=("a step",))
    return Picture([Panel(x, y, marks, grid=True)], 1, style.ONE_PANEL, 1.6, legend=2)


def _savings(table: pd.DataFrame) -> Picture:
    rows = table.head(MOST_CHANGES)
    x = rows["share"].to_numpy(dtype=float) * 100
    low, high = (rows[f"share_{end}"].to_numpy(dtype=float) * 100 for end in ("low", "high"))
    lengths = np.nan_to_num(np.stack([np.maximum(x - low, 0), np.maximum(high - x, 0)]))
    names = tuple(shortened(str(text), 46) for text in rows["text"])
    at = np.arange(len(rows), dtype=np.float64)
    bars = Bars(
        Fill(shade(SAVES.colour, 0.75), "", "", 0.62), at, np.minimum(x, 0), np.maximum(x, 0)
    )
    points = Points(SAVES, x, at, dx=lengths, size=4.5)
    heading = f"The first {len(rows)} of {len(table)} changes" if len(table) > len(rows) else ""
    axis = Axis("saved (% of a step)")
    return Picture(
        [Panel(axis, Axis("", low=len(rows) - 0.4, high=-0.6, names=names), [bars, points])],
        1,
        style.TWO_PANELS,
        4.0,
        heading=heading,
        last=(SAVES.title,),
    )


def _heat(table: pd.DataFrame, hosts: pd.DataFrame, loads: list[float | None]) -> Iterator[Chart]:
    for load in loads:
        own = _of(table, load)
        wide = own.pivot_table(index="worker", columns="round", values="seconds", sort=False)
        names = own.drop_duplicates("worker")["host"].astype(str).tolist()
        rounds = wide.columns.to_numpy(dtype=float)
        run = float(rounds[1] - rounds[0]) if len(rounds) > 1 else 1.0
        standing = set(_of(hosts, load).query("stands_out")["host"].astype(str))
        places = _named(names, standing)
        axis = Axis(
            "host",
            names=tuple(shortened(names[i], 24) for i in places),
            places=tuple(float(i) for i in places),
        )
        median = float(np.nanmedian(wide.to_numpy()))
        heat = Heat(
            wide.to_numpy(dtype=float), "s", log=True, low=median / 100,
            extent=(float(rounds[0]) - 0.5, float(rounds[-1]) + run - 0.5),
        )  # fmt: skip
        words = (
            "Delay of each host in each round; shades are equal steps of the logarithm. A dark row "
            "is a slow host, a dark column a slow round."
        )
        if run > 1:
            words += f" Each column is the mean of {run:g} rounds."
        if standing:
            words += f" Stand out from chance: {', '.join(sorted(standing)[:8])}."
        if len(names) < len(_of(hosts, load)):
            words += f" {len(names)} of {len(_of(hosts, load))} hosts, most to blame first."
        picture = Picture([Panel(Axis("round"), axis, [heat], grid=False)], 1, 7.2, 4.0)
        yield Chart(_ident("heat-map", load), f"Delays{_at(load)}", words, picture)


def _named(names: list[str], standing: set[str]) -> list[int]:
    """Rows whose hosts are named: those that stand out, and others not too near to them."""
    apart = -(-len(names) // 24)
    chosen = [place for place, name in enumerate(names) if name in standing]
    for place in range(0, len(names), apart):
        if all(abs(place - other) >= apart for other in chosen):
            chosen.append(place)
    return sorted(chosen)


def _timelines(directory: Path) -> Iterator[Image]:
    words = (
        "Some consecutive rounds, as they were measured and if every task had taken the typical "
        "time, on one time axis."
    )
    for place, path in enumerate(sorted(directory.glob("timeline*.png"))[:MOST_LOADS]):
        load = path.stem.removeprefix("timeline").replace("_load_", ", load ")
        yield from image_at(path, f"timeline-{place}", f"Timeline{load}", words)


def _changes_table(changes: pd.DataFrame) -> Table:
    columns = [
        "change",
        "load",
        "s a step",
        "saves (95 %)",
        "s a step saved (95 %)",
        "hours a day",
        "slowdown left",
    ]
    rows = [
        [
            plain(row["text"]),
            number(row["load"]),
            number(row["seconds"]),
            percent(row["share"], row["share_low"], row["share_high"]),
            interval(row["saved"], row["saved_low"], row["saved_high"]),
            number(row["hours_a_day"]),
            number(row["slowdown"]),
        ]
        for row in changes.to_dict("records")
    ]
    return capped("changes", "Changes", columns, rows, CHANGES)


def _hosts_table(hosts: pd.DataFrame) -> Table:
    columns = [
        "host",
        "load",
        "costs alone (s, 95 %)",
        "share",
        "blame (s)",
        "lasting factor",
        "rounds it ends",
        "stands out",
    ]
    rows = [
        [
            plain(row["host"]),
            number(row["load"]),
            interval(row["alone"], row["alone_low"], row["alone_high"]),
            percent(row["alone_share"]),
            number(row["blame"]),
            number(row["factor"]),
            percent(row["ends"]),
            plain(bool(row["stands_out"])),
        ]
        for row in hosts.to_dict("records")
    ]
    return capped("hosts", "Hosts", columns, rows, HOSTS)
