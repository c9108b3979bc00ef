"""The findings as a page: the answer, a picture of all rounds, and the list of remedies, from the
saved tables alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ....sim.base.errors import ConfigError
from ....sim.base.types import FloatArray
from ...page.content import Answer, Page, Section, Table, capped, plain_cell
from ...page.folder import read_answer, table_at
from ...page.terminal import Column
from ...pictures.picture import Axis, Chart, Heat, Panel, Picture
from ...text import NOTHING, TableCell, interval, line, number_of, percent, shortened
from .answer import NAMED, PARTS, three_digits
from .cut import TABLES as CUT_TABLES
from .cut import cut_page
from .remedies import NEW_DEVICES, NEW_HOSTS, SPARE_HOSTS, TODAY
from .study import as_hosts

REMEDIES, HOSTS, SLOWDOWN = "whatif.parquet", "hosts.parquet", "slowdown.parquet"
HEAT_MAP, STAGES = "heat_map.parquet", "stages.parquet"
OLDER = "timeline.parquet"  # what version 0.3 left beside other columns
# By file the columns that each table must have; stages only if they are named.
TABLES = {
    REMEDIES: ("kind", "text", "exact", "seconds", "saves", "for_all", "beaten_by"),
    SLOWDOWN: ("part", "seconds", "share", "waits"),
    HOSTS: ("host", "alone", "blame", "factor", "stands_out", "order", "over"),
    HEAT_MAP: ("host", "worker", "round", "seconds", "name"),
    STAGES: ("stage", "seconds", "share", "host", "ends", "stands_out"),
}
LISTED = {True: 5, False: 4}  # rows that are listed at most, by whether the gradient is exact

TICKS = 24  # hosts that are named beside a picture
LABELLED = 8  # rounds that are named below it

FOR_ALL = "for all: less time for as much of everybody's data; only a run with your data tells more"
METHOD = (
    "Every row is a scheme that runs on the measured rounds, one after the other, in their order: "
    "`simulate` gives the same numbers. A host that is replaced takes the median of the others in "
    "each round; a backup copy takes the round's median; work is dealt by the speeds of the other "
    "half of the rounds. *For all* compares how long it takes to have as much of everybody's "
    "data: a step counts as 1 / (the mean over partitions of E w^2 / (E w)^2) exact steps, where "
    "w is the weight of a partition in a step: r / n, if r of n workers are heard, all alike. A "
    "row that another beats in time, and that is better in nothing else, is not listed; "
    "`whatif.csv` has all.",
    "A host *stands out* if it ends more rounds, or costs more, than chance explains (1 % of "
    "tables without such hosts name one), or has a spell that chance makes in one of a thousand "
    "tables. Who had one or two spells that have ended is named, and not replaced. *Costs alone* "
    "is the saving if a median host replaced this one. *Blame* shares the wait beyond the median "
    "among all who were late. Hosts are *slow together* if their delays are correlated as those of "
    "independent hosts are in one of a thousand tables.",
    "A delay is that of a typical task, times a lasting factor of its worker, times that of its "
    "round (its median), times the rest; each cause's part is its Shapley value: the mean over all "
    "orders of taking the causes out.",
    "Intervals: 95 %, bootstrap of blocks of rounds. Those of the best row of each block are lower "
    "by what it gains from having been chosen among so many.",
)
BY_STAGE = (
    "A stage adds the seconds between the instants at which the last worker ends the stage before "
    "and this one, if all begin a step together and wait at its end, or in a stage that they end "
    "together, such as an all-reduce. A host that is late in one stage may end the next ones as "
    "well, but adds to the first alone. *Slow in it*: the host stands out by its seconds there."
)


def read_whatif(directory: Path) -> Page:
    """The page again, from what ``whatif`` left. Raises ConfigError: the result is not whole, or
    an older version's."""
    if (directory / OLDER).exists():
        raise ConfigError(f"{directory}: is of an older version; run `erasurehead whatif` again")
    answer = read_answer(directory)
    if "known" in table_at(directory / REMEDIES, ("kind", "text")).columns:
        tables = {name: table_at(directory / name, columns) for name, columns in CUT_TABLES.items()}
        return cut_page(tables, answer)
    there = [name for name in TABLES if name != STAGES or (directory / name).exists()]
    return whatif_page({name: table_at(directory / name, TABLES[name]) for name in there}, answer)


def whatif_page(tables: Mapping[str, pd.DataFrame], answer: Answer) -> Page:
    """The page, made from the saved tables alone, so that ``report`` can make it again."""
    if "known" in tables[REMEDIES].columns:
        return cut_page(tables, answer)
    hosts = tables[HOSTS]
    waits = bool(tables[SLOWDOWN]["waits"].iloc[0])
    folded = list[Section]()
    if not waits:
        lists = [_remedies(tables[REMEDIES], exact) for exact in LISTED]
        folded.append(Section("remedies", "What can be done", lists, FOR_ALL.capitalize() + "."))
    why = [_slowdown(tables[SLOWDOWN])]
    if STAGES in tables:
        why.append(_stages(tables[STAGES]))
    if not waits:
        why.append(_hosts(hosts))
    folded.append(Section("causes", "Why a step takes so long", why))
    heat_map = _heat_map(tables[HEAT_MAP], hosts)
    return Page(
        answer,
        question=[("table", answer.subject), ("workers", str(len(hosts)))],
        sections=[
            Section("heat", "Workers over rounds", [heat_map]),
            Section("numbers", "All numbers", [], folded=folded),
        ],
        provenance=[
            ("made by", "erasurehead whatif"),
            ("remedies tried", str(len(tables[REMEDIES]) - 1)),
        ],
        method=(*METHOD, BY_STAGE) if STAGES in tables else METHOD,
    )


def columns(rows: pd.DataFrame, exact: bool) -> list[Column]:
    """Some rows for the terminal; what it has no room for goes from the right."""
    titles, cells = _cells(rows, exact)
    texts = [[cell.text for cell in row] for row in zip(*cells, strict=True)]
    named, *others = zip(titles, texts, strict=True)
    return [Column.of(*named), *(Column(*column, rank) for rank, column in enumerate(others, 1))]


def _cells(rows: pd.DataFrame, exact: bool) -> tuple[list[str], list[list[TableCell]]]:
    """Titles and cells of a block of the list."""
    cells = list[list[TableCell]]()
    for row in rows.to_dict("records"):
        mark = " *" if row["assumed"] else ""
        own = [TableCell(f"{row['text']}{mark}"), _seconds(row), _saves(row)]
        if exact:
            lately = NOTHING if _may_pay(row) else percent(row["lately"])
            own += [lately, TableCell(_costs(row))]
        else:
            least = f"{line(row['least_host'])} {100 * row['least']:.0f} %"
            heard = TableCell(f"{100 * row['heard']:.0f} %; {least}", row["heard"])
            own += [percent(row["for_all"]), heard]
        cells.append(own)
    if exact:
        return ["same gradient", "s a step", "less (95 %)", "lately", "costs"], cells
    return ["fewer gradients a step", "s a step", "less (95 %)", "for all", "heard; least"], cells


def _seconds(row: Mapping[Any, Any]) -> TableCell:
    """A step, or both bounds where it depends on how tasks grow."""
    text = three_digits(row["seconds"])
    if row["seconds_low"] < row["seconds"]:
        text = f"{three_digits(row['seconds_low'])} to {text}"
    return TableCell(text, row["seconds"])


def _may_pay(row: Mapping[Any, Any]) -> bool:
    """Whether a code saves time by one of its bounds alone."""
    return bool(row["seconds_low"] < row["seconds"] and row["saves"] <= 0)


def _saves(row: Mapping[Any, Any]) -> TableCell:
    if _may_pay(row):
        return TableCell(f"if under {three_digits(row['worth_below'])} times one", row["saves"])
    return percent(row["saves"], row["saves_low"], row["saves_high"])


def _costs(row: Mapping[Any, Any]) -> str:
    """What a remedy costs, in a few words."""
    if row["needs"] in (NEW_HOSTS, NEW_DEVICES):
        return number_of(row["hosts"], "host" if row["needs"] == NEW_HOSTS else "device")
    if row["needs"] == SPARE_HOSTS:
        return f"{row['copies']:.2g} copies a step, spare hosts"
    if row["load"] > 1:
        return f"{row['load']} x data, own loop"
    return str(row["needs"])


def _remedies(remedies: pd.DataFrame, exact: bool) -> Table:
    rows = remedies[(remedies["exact"] == exact) & (remedies["beaten_by"].fillna("") == "")]
    titles, cells = _cells(rows[rows["kind"] != TODAY], exact)
    ident = "same_gradient" if exact else "fewer_gradients"
    return capped(ident, "", titles, cells, "whatif.csv", _MARKED)


_MARKED = "*: depends on how a task grows with its work, which was not measured."


def _slowdown(slowdown: pd.DataFrame) -> Table:
    header = ["part of a step", "s a step (95 %)", "share"]
    rows = [
        [
            plain_cell(": ".join(PARTS.get(row["part"], ("a step",)))),
            interval(row["seconds"], row["seconds_low"], row["seconds_high"], 4),
            percent(row["share"]),
        ]
        for row in slowdown.to_dict("records")
    ]
    note = "A cause's part is the mean of what it saves over all orders of taking the causes out."
    return capped("slowdown", "Causes", header, rows, "slowdown.csv", note)


def _hosts(hosts: pd.DataFrame) -> Table:
    header = [
        "host",
        "costs alone (s a step, 95 %)",
        "share",
        "lasting factor",
        "rounds it ends",
        "blame (s a step)",
    ]
    rows = list[list[TableCell]]()
    for row in hosts.to_dict("records"):
        signs = {
            "stands out": row["stands_out"],
            "in spells": row["in_spells"],
            "over": row["over"],
        }
        known = "".join(f" ({sign})" for sign, holds in signs.items() if holds)
        factor = str(plain_cell(row["factor"]))
        if row["spell_factor"] > 0:
            factor += f"; {row['spell_factor']:.3g} in spells"
        cells = [
            plain_cell(f"{row['host']}{known}"),
            interval(row["alone"], row["alone_low"], row["alone_high"]),
            percent(row["alone_share"]),
            TableCell(factor, row["factor"]),
            percent(row["ends"]),
            plain_cell(row["blame"]),
        ]
        rows.append(cells)
    note = (
        "Costs alone: what a median host in its place saves. Of a host with few spells an interval "
        "is wide: how often they come is hardly known."
    )
    return capped("hosts", "Hosts", header, rows, "hosts.csv", note)


def _stages(stages: pd.DataFrame) -> Table:
    rows = []
    for stage, hosts in stages.groupby("stage", sort=False):
        first = hosts.iloc[0]
        most = hosts.dropna(subset="ends").nlargest(1, "ends")
        slow = [*map(str, hosts.loc[hosts["stands_out"], "host"])]
        cells = [
            plain_cell(stage),
            interval(first["seconds"], first["seconds_low"], first["seconds_high"]),
            percent(first["share"]),
            plain_cell(most["host"].iloc[0] if len(most) else "all together"),
            percent(most["ends"].iloc[0] if len(most) else np.nan),
            plain_cell(as_hosts(slow, NAMED) if slow else "nobody" if len(most) else "not known"),
        ]
        rows.append(cells)
    header = [
        "stage",
        "adds (s a step, 95 %)",
        "share",
        "ends it most often",
        "rounds it ends",
        "slow in it",
    ]
    note = "In the order in which a worker does them; what they add is the step."
    return capped("stages", "By stage", header, rows, "stages.csv", note)


def _heat_map(heat_map: pd.DataFrame, hosts: pd.DataFrame) -> Chart:
    table = heat_map.pivot_table(index="worker", columns="round", values="seconds", sort=False)
    by_order = hosts.sort_values("order")
    standing = [str(host) for host in by_order["host"][by_order["stands_out"].astype(bool)]]
    first = table.columns.to_numpy(dtype=float)
    named = tuple(map(str, heat_map.drop_duplicates("round")["name"]))
    run = int(first[1] - first[0]) if len(first) > 1 else 1
    values, extent = table.to_numpy(dtype=float), (first[0] - 0.5, first[-1] + run - 0.5)
    shortest = values[values > 0].min(initial=np.inf)
    least = max(float(np.nanmedian(values)) / 100, float(shortest))
    heat = Heat(values, "delay (s)", log=True, low=least, extent=extent, names=named)
    rows, above = len(table), list[str]()
    if rows != len(hosts):
        above.append(f"{rows} of {len(hosts)} hosts, most to blame first")
    if standing:
        many = "stands" if len(standing) == 1 else "stand"
        above.append(f"{many} out from chance: {as_hosts(standing, NAMED)}")
    label = "round" if run == 1 else f"round (means of {run})"
    labels, at = _round_ticks(named, first)
    x = Axis(label, names=labels, places=at)
    panel = Panel(x, _hosts_axis(heat_map, standing), [heat], "\n".join(above), grid=False)
    words = (
        "Delay of each host in each round; shades are equal steps of the logarithm. A dark row "
        "is a slow host, a dark column a slow round."
    )
    picture = Picture([panel], 1, 7.2, 0.9 + min(4.4, 0.17 * max(4, rows)))
    return Chart("heat_map", "Delays", words, picture)


def _round_ticks(
    named: Sequence[str], first: FloatArray
) -> tuple[tuple[str, ...], tuple[float, ...]]:
    """Round numbers where a table counts its rounds, else names at equal distances; and places."""
    numbers = [int(name) for name in named if name.isdecimal()]
    if len(numbers) == len(named) > 1 and all(np.diff(numbers) > 0):
        span = numbers[-1] - numbers[0]
        step = next(m * 10**p for p in count() for m in (1, 2, 5) if span < LABELLED * m * 10**p)
        marks = range(-(-numbers[0] // step) * step, numbers[-1] + 1, step)
        at = np.interp(marks, numbers, first).tolist()
        return tuple(map(str, marks)), tuple(at)
    chosen = range(0, len(named), -(-len(named) // LABELLED))
    return tuple(shortened(named[i], TICKS) for i in chosen), tuple(float(first[i]) for i in chosen)


def _hosts_axis(heat_map: pd.DataFrame, standing: Sequence[str]) -> Axis:
    """Names those that stand out, and others not too near to them."""
    names = [str(name) for name in heat_map.drop_duplicates("worker")["host"]]
    apart = -(-len(names) // TICKS)
    chosen = [row for row, name in enumerate(names) if name in standing]
    for row in range(0, len(names), apart):
        if all(abs(row - other) >= apart for other in chosen):
            chosen.append(row)
    chosen.sort()
    labels, at = tuple(shortened(names[r], TICKS) for r in chosen), tuple(map(float, chosen))
    strong = frozenset(float(row) for row in chosen if names[row] in standing)
    low = len(names) - 0.5
    return Axis("", low=low, high=-0.5, names=labels, places=at, strong=strong)
