"""The findings as a page of tables and pictures, from the tables of a study alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import count
from pathlib import Path

import numpy as np
import pandas as pd

from ....sim.base.types import FloatArray
from ...page.content import Answer, Page, Section, Table, capped, plain_cell
from ...page.folder import read_answer, table_at
from ...pictures import style
from ...pictures.looks import GRID_COLOUR, SOLID, Look, shade
from ...pictures.picture import Axis, Bars, Chart, Fill, Heat, Mark, Panel, Picture, Points, Rules
from ...text import TableCell, interval, number_of, percent, shortened
from . import rounds
from .answer import NAMED, PARTS, SHARE, hosts_to_name
from .study import Study, as_hosts

CHANGES, HOSTS, SLOWDOWN = "whatif.parquet", "hosts.parquet", "slowdown.parquet"
HEAT_MAP, TIMELINE, STAGES = "heat_map.parquet", "timeline.parquet", "stages.parquet"
SECONDS = ("load", "host", "worker", "round", "seconds")
# Of a study, by file, with the columns that each must have; stages only if they are named.
TABLES = {
    SLOWDOWN: ("slowdown", ("load", "part", "seconds", "share")),
    HOSTS: ("hosts", ("load", "host", "alone", "blame", "factor", "stands_out", "order")),
    CHANGES: (
        "changes",
        ("load", "text", "seconds", "share", "share_per_part", "saved", "rounds_ended"),
    ),
    HEAT_MAP: ("heat_map", SECONDS),
    TIMELINE: ("timeline", (*SECONDS, "step")),
    STAGES: ("stages", ("load", "stage", "seconds", "share", "host", "ends", "stands_out")),
}

TICKS = 24  # hosts that are named beside a picture
LABELLED = 8  # rounds that are named below it

Part = Chart | Table
SAVES = Look("#0072B2", "o", SOLID, "share of a step that it saves, with its 95 % interval")
SPANS = {"computing": "#0072B2", "the slowest of the round": "#D55E00", "waiting": GRID_COLOUR}
MOST_CHANGES, MOST_LOADS = 8, 4  # changes in a picture, and loads that have pictures
# Options that ask for changes; of these the terminal prints so many, else one of each kind.
ASKED, MOST_ASKED = ("--stragglers", "--timeout"), 40
WAITS = 3  # numbers to wait for that are printed, if none was asked for
MOST_HOSTS = 5  # in the terminal, of those that the verdict names

METHOD = (
    "A step ends with its slowest worker. A delay is that of a typical task, times a lasting "
    "factor of its worker, times that of its round (its median), times the rest; each cause's "
    "part is its Shapley value: the mean over all orders of taking the causes out; `fit` splits "
    "the variance of all delays instead. *Costs alone* is the saving if a median host replaced "
    "this one: its outliers go too, so it can be more than its lasting factor explains. *Blame* "
    "shares the wait beyond the median among all who were late, so hosts that are slow together "
    "each have a part. A host *stands out* if it ends more rounds, or costs more, than chance "
    "explains (1 % of tables without such hosts name one), or has a spell that chance makes in one "
    "of a thousand tables. Hosts are *slow together* if their delays are correlated as those of "
    "independent hosts are in one of a thousand tables; without what they share, "
    "they are as much faster in these rounds as their median is slower than that of the others. "
    "Hosts were selected from the same rounds, so savings of hosts that do not stand out are "
    "overestimated. Dropped hosts leave their work to the others under a proportional load law; "
    "where a task has a fixed part, dropping costs less. Work is dealt by speed under the same "
    "law, by speeds learned in the other half of the rounds; if hosts differ by chance alone, that "
    "loses time.",
    "Intervals: 95 %, bootstrap of blocks of rounds, with hosts, time-outs and factors kept as "
    "they are. Hours a day: what 24 hours of such rounds would save.",
)

BY_STAGE = (
    "A stage adds the seconds between the instants at which the last worker ends the stage before "
    "and this one, if all begin a step together and wait at its end, or in a stage that they end "
    "together, such as an all-reduce. A host that is late in one stage may end the next ones as "
    "well, but adds to the first alone. *Slow in it*: the host stands out by its seconds there."
)


def read_whatif(directory: Path) -> Page:
    """The page again, from what ``whatif`` left. Raises ConfigError: the result is not whole."""
    answer = read_answer(directory)
    there = [name for name in TABLES if name != STAGES or (directory / name).exists()]
    frames = [table_at(directory / name, TABLES[name][1]) for name in there]
    loads = [None if load != load else float(load) for load in frames[0]["load"].unique()]
    studies = [
        Study(load, *(frame if load is None else frame[frame["load"] == load] for frame in frames))
        for load in loads
    ]
    return whatif_page(studies, answer)


def whatif_page(studies: Sequence[Study], answer: Answer) -> Page:
    """The page, made from the saved tables alone, so that ``report`` can make it again."""

    def of_loads(make: Callable[[Study], Iterable[Part]], some: Sequence[Study]) -> list[Part]:
        """Of each load, which is in names and titles where there are several."""
        if len(studies) == 1:
            return [*make(studies[0])]
        items = [(item, study.load) for study in some for item in make(study)]
        return [
            replace(item, ident=item.ident + mark(load), title=f"{item.title}, load {load:g}")
            for item, load in items
        ]

    tables = partial(_tables, asked=any(option in answer.command for option in ASKED))
    most = studies[:MOST_LOADS]
    few = f"The first {MOST_LOADS} of {len(studies)} loads." if len(most) < len(studies) else ""
    loads = [f"{study.load:g}" for study in studies if study.load is not None]
    return Page(
        answer,
        question=[
            ("table", answer.subject),
            ("workers", str(studies[0].workers)),
            ("rounds", ", ".join(str(sum(study.rounds)) for study in studies)),
            ("loads", ", ".join(loads) or "one"),
        ],
        sections=[
            Section("heat", "Workers over rounds", of_loads(_heat_map, most), few),
            Section("pictures", "What would change it", of_loads(_bars, most), few),
            Section("ideal", "Measured and ideal", of_loads(_timeline, most), few),
            Section("table", "All numbers", of_loads(tables, studies)),
        ],
        provenance=[
            ("made by", "erasurehead whatif"),
            ("changes tried", str(sum(len(study.changes) for study in studies))),
        ],
        method=(*METHOD, BY_STAGE) if any(len(study.stages) for study in studies) else METHOD,
    )


def mark(load: float | None) -> str:
    """What the names of a load's pictures end with."""
    return "" if load is None else f"_load_{load:g}"


def _changes(study: Study, brief: Sequence[int]) -> Table:
    lost = study.rounds[1]
    header = ["change", "saves (95 %)", "for as many parts", "s a step"]
    header += ["s a step saved (95 %)", "hours a day"]
    header += ["slowdown left", "endless rounds that end"]
    rows = [
        [
            plain_cell(row["text"]),
            percent(*(row[name] for name in SHARE)),
            percent(row["share_per_part"]),
            plain_cell(row["seconds"]),
            interval(row["saved"], row["saved_low"], row["saved_high"]),
            plain_cell(row["hours_a_day"]),
            plain_cell(row["slowdown"]),
            plain_cell(row["rounds_ended"] - study.rounds[0] if lost else np.nan),
        ]
        for row in study.changes.to_dict("records")
    ]
    ends = "ends" if lost == 1 else "end"
    note = f"{number_of(lost, 'round')} never {ends} as measured. " if lost else ""
    note += "Rows 'without ...' take one cause out of the measured rounds; the next table divides "
    note += "a step among the causes."
    return capped("changes", "Changes", header, rows, "whatif.csv", note, brief, 2)


def proposed(study: Study, waits: int = 1) -> list[int]:
    """Places of what can be done, a change of each kind, the one that saves most for as many parts
    of the gradient first: whom the verdict names are replaced, at most all who stand out dropped;
    so many numbers to wait for, the best but for those that hardly hear a host; one time-out."""
    kind, count = study.changes["change"], study.changes["count"]
    some, standing = hosts_to_name(study) or 1, max(1, len(study.standing))
    fits = {
        rounds.GROUP: count > 0,
        rounds.REPLACE: count == some,
        rounds.DROP: count <= standing,
        rounds.REBALANCE: count == 0,
        rounds.WAIT: ~study.changes["hardly_learned"],
        rounds.REPLACE_AND_WAIT: count == some,
        rounds.BACKUP: count == 0,
    }
    most = {rounds.WAIT: waits}
    best = pd.concat(
        study.changes[(kind == name) & own].nlargest(most.get(name, 1), "share_per_part")
        for name, own in fits.items()
    )
    ordered = best.sort_values("share_per_part", ascending=False, kind="stable")
    return [*map(int, study.changes.index.get_indexer(ordered.index))]


def _tables(study: Study, asked: bool) -> Iterator[Table]:
    """What a change or a host costs is left out where times include waiting: it is not known."""
    if not study.waits:
        yield _changes(study, range(MOST_ASKED) if asked else proposed(study, WAITS))
    header = ["part of a step", "s a step (95 %)", "share"]
    rows = [
        [
            plain_cell(": ".join(PARTS.get(row["part"], ("", "a step"))[1:])),
            interval(row["seconds"], row["seconds_low"], row["seconds_high"], 4),
            percent(row["share"]),
        ]
        for row in study.slowdown.to_dict("records")
    ]
    note = (
        "A cause's part is the mean of what it saves over all orders of taking the causes out. "
        "Taken out alone, it saves what the changes say: less where the others end steps anyhow."
    )
    yield capped("slowdown", "Why a step takes so long", header, rows, "slowdown.csv", note)
    if len(study.stages):
        yield _stages(study)
    if not study.waits:
        yield _hosts(study)


def _hosts(study: Study) -> Table:
    header = ["host", "costs alone (s a step, 95 %)", "share", "lasting factor"]
    header += ["rounds it ends", "blame (s a step)"]
    older = {"in_spells": False, "spell_factor": np.nan}  # what its table lacks
    rows = [
        [
            plain_cell(
                f"{row['host']}{' (stands out)' * bool(row['stands_out'])}"
                f"{' (in spells)' * bool(row['in_spells'])}"
            ),
            interval(row["alone"], row["alone_low"], row["alone_high"]),
            percent(row["alone_share"]),
            TableCell(
                f"{plain_cell(row['factor'])}"
                + f"; {row['spell_factor']:.3g} in spells" * bool(row["spell_factor"] > 0),
                row["factor"],
            ),
            percent(row["ends"]),
            plain_cell(row["blame"]),
        ]
        for row in (older | row for row in study.hosts.to_dict("records"))
    ]
    named = study.order[: min(MOST_HOSTS, hosts_to_name(study))]
    brief = np.flatnonzero(study.hosts["host"].astype(str).isin(named)).tolist() or [0]
    note = "Costs alone: what a median host in its place saves, in this table. "
    note += "Of a host with few spells an interval is wide: how often they come is hardly known."
    return capped("hosts", "Hosts", header, rows, "hosts.csv", note, brief)


def _stages(study: Study) -> Table:
    rows = []
    for stage, hosts in study.stages.groupby("stage", sort=False):
        first, most = hosts.iloc[0], hosts.dropna(subset="ends").nlargest(1, "ends")
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
    header = ["stage", "adds (s a step, 95 %)", "share", "ends it most often", "rounds it ends"]
    note = "In the order in which a worker does them; what they add is the step."
    header.append("slow in it")
    return capped("stages", "By stage", header, rows, "stages.csv", note, range(20))


def _bars(study: Study) -> Iterator[Chart]:
    words = "Seconds of a mean step: a typical task, and what each cause adds. They add up."
    yield Chart("parts", "Where a step's time goes", words, _parts(study))
    if not study.waits:
        words = "Of a step's time. An interval that touches 0 may be chance."
        changes = study.changes
        alone = np.flatnonzero((changes["change"] == rounds.REPLACE) & (changes["count"] == 1))
        picture = _savings(changes, dict.fromkeys([*proposed(study), *alone.tolist()]))
        yield Chart("savings", "What each change saves", words, picture)


def _parts(study: Study) -> Picture:
    marks: list[Mark] = []
    at = 0.0
    for cause, (colour, name, what) in PARTS.items():
        value = study.seconds(cause)
        fill = Fill(colour, "", f"{name}: {what}", 0.6)
        marks.append(Bars(fill, np.zeros(1), np.array([at]), np.array([at + value])))
        at += value
    x = Axis("seconds of a step", low=min(0.0, at), high=1.02 * max(study.seconds(), at) or 1.0)
    y = Axis("", low=0.6, high=-0.6, names=("a step",))
    return Picture([Panel(x, y, marks)], 1, style.TWO_PANELS, 1.6, legend=2)


def _savings(changes: pd.DataFrame, indexes: Iterable[int]) -> Picture:
    """Of the changes at these places, those that save most."""
    rows = changes.iloc[[*indexes]].nlargest(MOST_CHANGES, "share", keep="first")
    x, low, high = 100 * rows[["share", "share_low", "share_high"]].to_numpy(dtype=float).T
    beyond = np.nan_to_num(np.stack([np.maximum(x - low, 0), np.maximum(high - x, 0)]))
    names = tuple(map(str, rows["text"]))
    at = np.arange(len(rows), dtype=np.float64)
    fill = Fill(shade(SAVES.colour, 0.75), "", "", 0.62)
    bars = Bars(fill, at, np.minimum(x, 0), np.maximum(x, 0))
    points = Points(SAVES, x, at, dx=beyond, size=4.5)
    more = len(changes) > len(rows)
    heading = f"{len(rows)} of {len(changes)} changes; the table has all" if more else ""
    y = Axis("", low=len(rows) - 0.4, high=-0.6, names=names)
    panel = Panel(Axis("saved (% of a step)"), y, [bars, points])
    height = 1.4 + 0.31 * len(names)
    return Picture([panel], 1, style.TWO_PANELS, height, heading=heading, last=(SAVES.title,))


def _heat_map(study: Study) -> Iterator[Chart]:
    table, standing = _wide(study.heat_map), study.standing
    first, named = table.columns.to_numpy(dtype=float), _names(study.heat_map)
    run = int(first[1] - first[0]) if len(first) > 1 else 1
    values, extent = table.to_numpy(dtype=float), (first[0] - 0.5, first[-1] + run - 0.5)
    shortest = values[values > 0].min(initial=np.inf)
    least = max(float(np.nanmedian(values)) / 100, float(shortest))
    heat = Heat(values, "delay (s)", log=True, low=least, extent=extent, names=named)
    rows, above = len(table), list[str]()
    if rows != study.workers:
        above.append(f"{rows} of {study.workers} hosts, most to blame first")
    if standing:
        many = "stands" if len(standing) == 1 else "stand"
        above.append(f"{many} out from chance: {as_hosts(standing, NAMED)}")
    label = "round" if run == 1 else f"round (means of {run})"
    labels, at = _round_ticks(named, first)
    x = Axis(label, names=labels, places=at)
    panel = Panel(x, _hosts_axis(study, study.heat_map), [heat], "\n".join(above), grid=False)
    words = (
        "Delay of each host in each round; shades are equal steps of the logarithm. A dark row "
        "is a slow host, a dark column a slow round."
    )
    picture = Picture([panel], 1, 7.2, 0.9 + min(4.4, 0.17 * max(4, rows)))
    yield Chart("heat_map", "Delays", words, picture)


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


def _names(table: pd.DataFrame) -> tuple[str, ...]:
    """What the table calls its rounds; an older version counted those that were kept."""
    rounds_of = table.drop_duplicates("round")
    return tuple(map(str, rounds_of["name" if "name" in rounds_of else "round"]))


def _wide(table: pd.DataFrame) -> pd.DataFrame:
    return table.pivot_table(index="worker", columns="round", values="seconds", sort=False)


def _hosts_axis(study: Study, table: pd.DataFrame) -> Axis:
    """Names those that stand out, and others not too near to them."""
    names = [str(name) for name in table.drop_duplicates("worker")["host"]]
    apart, standing = -(-len(names) // TICKS), set(study.standing)
    chosen = [row for row, name in enumerate(names) if name in standing]
    for row in range(0, len(names), apart):
        if all(abs(row - other) >= apart for other in chosen):
            chosen.append(row)
    chosen.sort()
    labels, at = tuple(shortened(names[r], TICKS) for r in chosen), tuple(map(float, chosen))
    strong = frozenset(float(row) for row in chosen if names[row] in standing)
    low = len(names) - 0.5
    return Axis("", low=low, high=-0.5, names=labels, places=at, strong=strong)


def _timeline(study: Study) -> Iterator[Chart]:
    if study.waits:  # times include waiting: nobody is seen to wait
        return
    table, typical = _wide(study.timeline), study.seconds("typical")
    delays, named = table.to_numpy(dtype=float).T, _names(study.timeline)
    steps = study.timeline.drop_duplicates("round")["step"].to_numpy(dtype=float)
    same, alike = np.full_like(delays, typical), np.full_like(steps, typical)
    measured = f"measured, rounds {named[0]} to {named[-1]}: {steps.sum():.3g} s"
    ideal = f"every task typical, {typical:.3g} s: {alike.sum():.3g} s"
    x = Axis("time (s)", low=0.0, high=1.01 * float(steps.sum()))
    y = _hosts_axis(study, study.timeline)
    both = (measured, delays, steps), (ideal, same, alike)
    panels = [Panel(x, y, _spans(d, ends), title, grid=False) for title, d, ends in both]
    some = f" {len(table)} of {study.workers} hosts: half those to blame most, half any others."
    some = some if len(table) < study.workers else ""
    words = (
        "Some consecutive rounds, as they were measured and if every task had taken the typical "
        f"time, on one time axis.{some}"
    )
    picture = Picture(panels, 1, style.TWO_PANELS, 1.8 + 0.28 * max(4, len(table)), share="x")
    yield Chart("timeline", "Timeline", words, picture)


def _spans(delays: FloatArray, steps: FloatArray) -> list[Mark]:
    """What every worker did, ``(rounds, hosts)`` one round after the other, and the last end."""
    ends = np.cumsum(steps)
    begin = np.broadcast_to((ends - steps)[:, None], delays.shape)
    finish, close = begin + delays, np.broadcast_to(ends[:, None], delays.shape)
    last = np.greater_equal(delays, steps[:, None])
    # where all are equal, nobody waits for anybody
    late = last & ~last.all(axis=1, keepdims=True)
    rows = np.broadcast_to(np.arange(delays.shape[1], dtype=float), delays.shape)
    spans = (~late, begin, finish), (late, begin, finish), (~late, finish, close)
    marks: list[Mark] = [
        Bars(Fill(colour, "", name, 0.8), rows[where], start[where], end[where])
        for (name, colour), (where, start, end) in zip(SPANS.items(), spans, strict=True)
    ]
    return [*marks, Rules("", ends[-1:])]
