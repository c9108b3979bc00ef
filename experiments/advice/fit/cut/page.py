"""The page of a fit of rounds that were cut, from its tables alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from ....page.content import Answer, CommandLine, Page, Section, Table, capped, plain_cell
from ....pictures import style
from ....pictures.looks import DOTTED, INK, MUTED, SOLID, Look
from ....pictures.picture import Axis, Chart, Curve, Mark, Panel, Picture, Rules, axis_of
from ....text import NOTHING, TableCell, interval, number, percent
from ..config import CONFIG
from ..looks import DIAGONAL, MEASURED, RUN_IT, look_of
from .study import SURVIVAL

DRAWN = 4  # families
REACH = 1.5  # how far fitted quantiles are shown beyond the measured ones
LEAST_SHARE = 1e-3  # of delays, at the end of the picture
AT_LEAST = Look(INK, "", DOTTED, "at least")
ESTIMATE = Look(MUTED, "", SOLID, "measured (Kaplan-Meier), 95 %")
MOST_BRIEF = 3  # families in the terminal


def is_of_cut_rounds(tables: Mapping[str, pd.DataFrame]) -> bool:
    """Whether the tables of a fit are of rounds that ended before all were heard."""
    return "known" in tables["order_statistics"].columns


def cut_page(tables: Mapping[str, pd.DataFrame], answer: Answer, config: str) -> Page:
    """What is said, from the tables of ``cut_tables`` and the text of ``delay.yaml``."""
    load = tables["loads"].iloc[0]
    ks = tables["order_statistics"]["k"]
    few, many = int(load["heard_least"]), int(load["heard_most"])
    heard = f"{few}" if few == many else f"{few} to {many}"
    return Page(
        answer,
        question=[
            ("table", answer.subject),
            ("order statistics", f"k = {ks.min()} to {ks.max()}"),
            ("heard", f"{heard} of {load['workers']} in each of {load['rounds']} rounds"),
            ("families are fitted to", "cells heard, and ends that the others outlasted"),
        ],
        sections=[
            Section("arrivals", "Arrivals", [_order_chart(tables), _arrivals(tables)]),
            Section("families", "Families", [_quantiles(tables), _families(tables)]),
            Section("workers", "Workers", [_workers(tables["workers"])]),
        ],
        provenance=[("made by", "erasurehead fit"), ("fitted", f"{len(tables['fit'])} laws")],
        commands=[CommandLine("Ask again:", answer.command), RUN_IT] if answer.command else (),
        config=config,
    )


def _of_config(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    orders = tables["order_statistics"]
    return orders[orders["family"] == CONFIG]


def _arrivals(tables: Mapping[str, pd.DataFrame]) -> Table:
    own = _of_config(tables)
    rounds = int(tables["loads"]["rounds"].iloc[0])
    rows = []
    for row in own.to_dict("records"):
        measured = row["known"] == "measured"
        rows.append(
            [
                number(row["k"]),
                plain_cell(row["known"]),
                plain_cell(f"{row['rounds_heard']} of {rounds}"),
                interval(row["observed"], row["low"], row["high"]) if measured else NOTHING,
                NOTHING if measured else number(row["at_least"], digits=3),
                number(row["predicted"], digits=3),
            ]
        )
    note = (
        "Seconds until k workers have answered, in the mean of the rounds. Measured: k were heard "
        "in every round. At least: in some; a round that ended before counts with its end. "
        "Extrapolated: in none, so the law alone speaks, and has no interval."
    )
    if int(tables["loads"]["late_cells"].iloc[0]):
        note += (
            " Late work was queued, so measured arrivals include that of the round before; the law "
            "is of workers that begin on time."
        )
    columns = ["k", "how known", "rounds heard", "measured (95 %)", "at least", "by the law"]
    brief = _brief(own["known"].tolist())
    return capped("arrivals-table", "", columns, rows, "order_statistics.parquet", note, brief)


def _brief(known: Sequence[str]) -> list[int]:
    """The ends of what is known in the same way."""
    last = len(known) - 1
    edges = {0, last}
    for place in range(last):
        if known[place] != known[place + 1]:
            edges |= {place, place + 1}
    return sorted(edges)


def _families(tables: Mapping[str, pd.DataFrame]) -> Table:
    fits = tables["fit"]
    orders = tables["order_statistics"]
    last = orders["k"].max()
    latest = orders[orders["k"] == last].set_index("family")["predicted"]
    least = fits["bic"].min()
    rows = [
        [
            plain_cell(row["family"]),
            percent(row["order_error"]),
            plain_cell(bool(row["alike"])),
            number(latest[row["family"]], digits=3),
            TableCell(f"{row['bic'] - least:.1f}", float(row["bic"] - least)),
            TableCell(f"{row['ks']:.3f}", float(row["ks"])),
            number(row["parameters"]),
        ]
        for row in fits.to_dict("records")
    ]
    columns = ["family", "quantiles off", "fits", f"k={last} (s)", "BIC - best", "KS", "parameters"]
    note = (
        "Maximum likelihood: a cell that was heard has its density, one that was not the chance to "
        "outlast its round's end. Quantiles are off by the mean of |log(fitted / measured)| as far "
        "as they were measured (Kaplan-Meier). The config has the one with the smallest BIC of "
        "those that fit about as well as the best. What these say of later arrivals is no interval."
    )
    brief = range(MOST_BRIEF)
    return capped("families-table", "", columns, rows, "fit.parquet", note, brief)


def _workers(table: pd.DataFrame) -> Table:
    rows = [
        [
            plain_cell(row["host"]),
            plain_cell(f"{row['heard']} of {row['rounds']}"),
            number(row["slower"], digits=3),
            plain_cell(bool(row["stands_out"])),
        ]
        for row in table.to_dict("records")
    ]
    columns = ["worker", "heard", "times as slow", "stands out"]
    note = (
        "First those that are heard less often than chance explains; rounds that a worker did not "
        "begin on time are left out. How many times as slow: for which the law would have it heard "
        "as often."
    )
    return capped("workers-table", "", columns, rows, "workers.parquet", note)


def _drawn(tables: Mapping[str, pd.DataFrame]) -> list[str]:
    """The families that fit as well as any, the first ones."""
    fits = tables["fit"]
    return [*fits.loc[fits["alike"].astype(bool), "family"]][:DRAWN]


def _order_chart(tables: Mapping[str, pd.DataFrame]) -> Chart:
    own = _of_config(tables)
    orders = tables["order_statistics"]
    k = own["k"].to_numpy(dtype=float)
    measured, low, high = (own[name].to_numpy(dtype=float) for name in ("observed", "low", "high"))
    at_least = np.where(np.isfinite(measured), np.nan, own["at_least"].to_numpy(dtype=float))
    whole = Curve(MEASURED, k, measured, low=low, high=high, width=4)
    arrivals: list[Mark] = [whole, Curve(AT_LEAST, k, at_least)]
    reached = [measured, at_least]
    for family in _drawn(tables):
        rows = orders[orders["family"] == family]
        seconds = rows["predicted"].replace([np.inf], np.nan).to_numpy(dtype=float)
        arrivals.append(Curve(look_of(family), k, seconds))
        reached.append(seconds)
    seconds_axis = axis_of("mean k-th smallest (s)", np.concatenate(reached), 2.0)
    left = Panel(Axis("arrivals waited for, k"), seconds_axis, arrivals, "arrivals of a round")
    words = (
        "Left: mean seconds until k workers have answered; grey where they were heard in every "
        "round, dotted what they take at least; lines of families beyond are extrapolated. Right: "
        "how many delays are longer, with what was measured, which ends where nobody was listened "
        "to; behind the rule only the laws go on."
    )
    picture = Picture([left, _survival(tables)], columns=2, width=style.TWO_PANELS, height=4.1)
    return Chart("order_statistics", "Waiting for the k-th arrival", words, picture)


def _survival(tables: Mapping[str, pd.DataFrame]) -> Panel:
    quantiles = tables["quantiles"]
    own = quantiles[quantiles["family"] == SURVIVAL]
    seconds = own["measured"].to_numpy(dtype=float)
    shares = [1 - own[name].to_numpy(dtype=float) for name in ("level", "high", "low")]
    longer, low, high = (np.where(share > 0, share, np.nan) for share in shares)
    marks: list[Mark] = [Curve(ESTIMATE, seconds, longer, low=low, high=high, steps=True, width=3)]
    for family in _drawn(tables):
        rows = quantiles[quantiles["family"] == family]
        marks.append(
            Curve(
                look_of(family),
                rows["fitted"].to_numpy(dtype=float),
                1 - rows["level"].to_numpy(dtype=float),
            )
        )
    end = float(tables["loads"]["largest_end"].iloc[0])
    marks.append(Rules("largest end of a round", x=np.array([end])))
    times = Axis("delay (s)", low=0.0, high=3 * end)
    chances = Axis("share of delays that are longer", log=True, low=LEAST_SHARE, high=1.2)
    return Panel(times, chances, marks, "delays")


def _quantiles(tables: Mapping[str, pd.DataFrame]) -> Chart:
    table = tables["quantiles"]
    laws = table[table["family"] != SURVIVAL]
    known = laws["measured"].to_numpy(dtype=float)
    known = known[known > 0]
    low, high = float(known.min()), float(known.max())
    ends = np.array([low / 10, high * 10])
    marks: list[Mark] = [Curve(DIAGONAL, ends, ends, width=1)]
    for family in _drawn(tables):
        rows = laws[laws["family"] == family]
        marks.append(
            Curve(
                look_of(family),
                rows["fitted"].replace([np.inf], np.nan).to_numpy(dtype=float),
                rows["measured"].to_numpy(dtype=float),
                marked=tuple(map(int, np.flatnonzero(rows["marked"]))),
            )
        )
    fitted = Axis("quantile of the fitted law (s)", True, (1, 2, 5), low / 1.15, high * REACH)
    measured = Axis("measured quantile (s)", True, (1, 2, 5), low / 1.15, high * 1.15)
    title = "best on the grey diagonal, as far as was heard"
    picture = Picture(
        [Panel(fitted, measured, marks, title)],
        columns=1,
        width=style.ONE_PANEL,
        height=4.9,
        legend=2,
    )
    words = (
        "Measured quantiles (Kaplan-Meier, so cells that were not heard count as later) against "
        "those of each family. They end where too few were heard; what is longer was not measured."
    )
    return Chart("qq", "Quantiles", words, picture)
