"""The page of a fit, from its tables alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ...page.content import Answer, CommandLine, Page, Section, Table, capped, plain_cell
from ...page.folder import read_answer, table_at, text_at
from ...pictures import style
from ...pictures.picture import Axis, Chart, Curve, Mark, Panel, Picture
from ...text import NOTHING, TableCell, interval, number, percent
from ..statistics.series import SPELL_CORRELATION
from .config import CONFIG
from .cut.page import cut_page, is_of_cut_rounds
from .looks import DELAY, DIAGONAL, MEASURED, RUN_IT, WITHOUT_COLD_STARTS, look_of
from .study import ESTIMATES, MARKED_LEVELS

NEEDED = {  # tables that every fit leaves, with columns that an older version may lack
    "fit": ("load", "family", "held_out", "order_error", "aic", "ks", "parameters", "delays"),
    "order_statistics": ("load", "family", "k", "observed", "predicted", "ratio"),
    "quantiles": ("family", "level", "fitted", "measured", "marked"),
    "candidates": ("candidate", "held_out", "bias", "taken"),
    "loads": ("load", "rounds", "median", "spread", "worker", "round", "persistence"),
    "load_laws": ("law", "misfit", "holds"),
    "workers": ("host", "stands_out", "slower", "slow", "cost"),
}

REACH = 1.5  # how far fitted quantiles are shown beyond the measured ones
SMALLEST = 1e-12  # seconds that stand for 0 on a logarithmic axis
REACHES = (1.1, 1.25, 1.5, 2.0)  # ends of the axis of ratios; what is beyond the last is not shown
MOST_FAMILIES = 3  # in the terminal, the best, below the config
MOST_KS = 6  # order statistics that have a column in the ranking of the families
DRAWN = 4
BEST = f"The {DRAWN} families that predict arrivals best; the table has all."
WIDEST = {"slow": 0.5, "correlation": 1.0}  # half of what is possible: so wide, nothing is told
UNKNOWN, LASTING = "cannot tell", TableCell("lasting", np.inf)


def read_fit(directory: Path) -> Page:
    """The page again, from what ``fit`` left. Raises ConfigError: the result is not whole."""
    answer = read_answer(directory)
    tables = {
        name: table_at(directory / f"{name}.parquet", columns, name in ("load_laws", "workers"))
        for name, columns in NEEDED.items()
    }
    return fit_page(tables, answer, text_at(directory / DELAY))


def fit_page(tables: Mapping[str, pd.DataFrame], answer: Answer, config: str) -> Page:
    """What is said of a fit, from the tables of ``study.tables`` and the text of ``delay.yaml``."""
    if is_of_cut_rounds(tables):
        return cut_page(tables, answer, config)
    fits, loads, ks = tables["fit"], tables["loads"], tables["order_statistics"]["k"]
    labels = [label for label in loads["load"] if label not in ("", "all")]
    unit = "unit delays: seconds with the load taken out" if labels else "seconds"
    families: list[Chart | Table] = [_order_chart(tables), _quantiles(tables), _families(tables)]
    return Page(
        answer,
        question=[
            ("table", answer.subject),
            ("order statistics", f"k = {ks.min()} to {ks.max()}"),
            ("delays", f"{int(fits['delays'].iloc[0])}, of {int(loads['rounds'].iloc[0])} rounds"),
            ("loads", ", ".join(labels) or "one"),
            ("families are fitted to", unit),
        ],
        sections=[
            Section("families", "Families", families),
            Section("candidates", "Candidates", [_candidates(tables["candidates"])]),
            Section("load", "Load", [_load_laws(tables["load_laws"]), _load_medians(loads)]),
            Section("workers", "Workers", [_workers_table(tables["workers"])]),
            Section("each-load", "Each load", [_each_load(loads, fits)] if len(loads) > 1 else []),
        ],
        provenance=[("made by", "erasurehead fit"), ("fitted", f"{len(fits)} laws")],
        commands=[CommandLine("Ask again:", answer.command), RUN_IT] if answer.command else (),
        config=config,
    )


def _families(tables: Mapping[str, pd.DataFrame]) -> Table:
    fits, orders = tables["fit"], tables["order_statistics"]
    ks = orders["k"].unique()
    chosen = [*np.linspace(0, max(0, len(ks) - 2), MOST_KS - 1).round(), len(ks) - 1]  # n - 1 and n
    some = ks[np.unique(chosen).astype(int)]
    own = orders[orders["k"].isin(some)]
    of = {key: rows["ratio"][::-1] for key, rows in own.groupby(["load", "family"])}
    best = fits.groupby("load")["aic"].transform("min")
    rows = [
        [
            plain_cell(row["family"]),
            plain_cell(row["load"]),
            percent(row["held_out"]),
            percent(row["order_error"]),
            _fixed(row["aic"] - least, 1),
            _fixed(row["ks"], 3),
            *(_fixed(ratio, 3) for ratio in of[row["load"], row["family"]]),
            number(row["parameters"]),
        ]
        for row, least in zip(fits.to_dict("records"), best, strict=True)
    ]
    main, tried = str(fits["load"].iloc[0]), tables["candidates"]
    config = orders[(orders["load"] == main) & (orders["family"] == CONFIG)]["ratio"]
    known = config[(config > 0) & np.isfinite(config)]  # where 0 s were measured there is no ratio
    error = float(np.abs(np.log(known)).mean())
    cells = [plain_cell("fitted config"), plain_cell(main)]
    cells += [percent(tried.loc[tried["taken"].astype(bool), "held_out"].max()), percent(error)]
    cells += [NOTHING, NOTHING, *(_fixed(ratio, 3) for ratio in of[main, CONFIG]), NOTHING]
    rows.insert(0, cells)
    columns = ["family", "load", "held out", "order error", "AIC - best", "KS"]
    columns += [*(f"k={k}" for k in reversed(some)), "parameters"]  # a narrow terminal keeps k = n
    note = (
        f"Maximum likelihood, ranked by the order statistics k = {ks[0]} to {ks[-1]} of rounds "
        "that were held out. An error is the mean over k of |log(predicted / measured)| of the "
        "mean k-th arrival of a round; the order error is that of the fitted rounds themselves; "
        "a column k=... is predicted / measured. A small AIC or KS does not make a law good there. "
        "The config begins with the law of the best AIC; another law, factors, spells or laws of "
        "workers are taken where they predict clearly better, and kept where one law predicts "
        "arrivals a little better: codes depend on who is slow, and when. "
        "Cold starts, if any, are left out."
    )
    brief = range(1 + min(MOST_FAMILIES, int((fits["load"] == main).sum())))
    return capped("families-table", "", columns, rows, "fit.parquet", note, brief)


def _fixed(value: float, digits: int) -> TableCell:
    return NOTHING if np.isnan(value) else TableCell(f"{value:.{digits}f}", float(value))


def _rows(table: pd.DataFrame, **cells: Callable[[Any], TableCell]) -> list[list[TableCell]]:
    """A row of cells for each of the table, from its columns of these names."""
    return [[make(row[name]) for name, make in cells.items()] for row in table.to_dict("records")]


def _yes(value: Any) -> TableCell:
    return plain_cell(bool(value))


def _candidates(table: pd.DataFrame) -> Table:
    rows = _rows(table, candidate=plain_cell, held_out=percent, bias=percent, taken=_yes)
    columns = ["candidate", "held-out error", "error of both halves together", "taken"]
    note = (
        "From simple to full. Each is fitted to one half of the rounds (the first, or every "
        "second) and predicts the mean k-th arrivals of the other, and the other way round: the "
        "held-out error. It includes differences between the halves themselves; these cancel in "
        "the error of both halves together. A fuller candidate is taken only if it predicts better "
        "by the held-out error plus half of that error, and none that misplaces a worker is taken "
        "unless all do. With too few rounds, the errors are those of the fitted rounds. Cold "
        "starts, if any, are left out."
    )
    return capped("candidates-table", "", columns, rows, "candidates.parquet", note)


def _load_laws(table: pd.DataFrame) -> Table:
    rows = _rows(table, law=plain_cell, misfit=partial(number, digits=3), holds=_yes)
    note = (
        "Misfit: by how much mean arrivals at each load are predicted wrong (root mean square of "
        "logarithms); smaller is better, 1e+06 means excluded. A law with more numbers of its own "
        "must be better beyond noise."
    )
    return capped("load-laws", "", ["load law", "misfit", "holds"], rows, "load_laws.parquet", note)


def _load_medians(loads: pd.DataFrame) -> Table:
    measured = loads[np.isfinite(loads["median"])]
    rows = _rows(measured, load=plain_cell, median=number, spread=number)
    columns = ["load", "median (s)", "mean distance from it (s)"]
    return capped("load-medians", "", columns, rows, "loads.parquet")


def _workers_table(table: pd.DataFrame) -> Table:
    columns = ["worker", "times as slow (95 %)", "slow rounds", "rounds in a row"]
    columns += ["correlation at lag 1", "costs (s a round)", "stands out"]
    rows = [
        [
            plain_cell(row["host"]),
            *(
                LASTING if name == "spell" and _lasts(row) else _estimate(row, name)
                for name in ESTIMATES
            ),
            _yes(row["stands_out"]),
        ]
        for row in table.to_dict("records")
    ]
    note = (
        "First those that are the slowest more often, or for longer, than chance explains. A round "
        "is slow for a worker that takes much more than the round's median. The costs are what a "
        "median worker in its place would save."
    )
    return capped("workers-table", "", columns, rows, "workers.parquet", note)


def _lasts(row: Mapping[Any, Any]) -> bool:
    """Whether a worker that stands out is slower for good: it has no spells, though some of its
    rounds are slow and some are not."""
    return bool(
        row["stands_out"] and row["slower_low"] > 1 and row["correlation_low"] < SPELL_CORRELATION
    )


def _estimate(row: Mapping[Any, Any], name: str) -> TableCell:
    """With its 95 % interval, or that nothing can be told where that is as wide as can be."""
    value, low, high = row[name], row[f"{name}_low"], row[f"{name}_high"]
    known = np.isfinite(high - low) and high - low < WIDEST.get(name, np.inf)
    if not np.isfinite(value):
        return TableCell(UNKNOWN, np.nan)
    ends = (low, high) if known else (np.nan, np.nan)
    cell = percent(value, *ends) if name == "slow" else interval(value, *ends)
    return cell if known else TableCell(f"{cell} ({UNKNOWN})", cell.order)


def _each_load(loads: pd.DataFrame, fits: pd.DataFrame) -> Table:
    rows = []
    for row in loads.to_dict("records"):
        own = fits[fits["load"] == row["load"]]
        if own.empty:
            continue
        first, aic = own.iloc[0], own.loc[own["aic"].idxmin()]
        cold, chance = int(row["cold_rounds"]), row["persistence_chance"]
        hit = f"{cold} of {row['rounds']} rounds, {row['cold_at_once']:.1f} at once"
        cells = [
            plain_cell(row["load"]),
            TableCell(f"{first['family']} ({percent(first['held_out'])})"),
            TableCell(f"{aic['family']} (KS {aic['ks']:.3f})"),
            percent(row["worker"]),
            percent(row["round"]),
            TableCell("-" if np.isnan(chance) else f"{row['persistence']:.3f} ({chance:.3f})"),
            TableCell(hit if cold else "none"),
        ]
        rows.append(cells)
    columns = ["load", "best order statistics", "best AIC", "worker", "round"]
    columns += ["persistence (chance)", "cold starts"]
    note = "Families are fitted to unit delays: seconds with the load taken out."
    return capped("each-load-table", "", columns, rows, "loads.parquet", note)


def _order_chart(tables: Mapping[str, pd.DataFrame]) -> Chart:
    orders, cold = tables["order_statistics"], bool(tables["loads"]["cold_rounds"].iloc[0])
    own = orders[orders["load"] == orders["load"].iloc[0]]
    own = own.replace([np.inf, -np.inf], np.nan)
    config, laws = own[own["family"] == CONFIG], own[own["family"] != CONFIG]
    k = config["k"].to_numpy(dtype=float)
    whole = np.maximum(config["observed"].to_numpy(dtype=float), SMALLEST)
    measured = replace(MEASURED, title="measured, all rounds") if cold else MEASURED
    left: list[Mark] = [Curve(measured, k, whole, width=4)]
    right: list[Mark] = [Curve(DIAGONAL, k[[0, -1]], np.ones(2), width=4)]
    if cold:
        bulk = laws[laws["family"] == laws["family"].iloc[0]]["observed"].to_numpy(dtype=float)
        left.append(Curve(WITHOUT_COLD_STARTS, k, bulk, width=4))
    far = [1.0]
    for family, rows in [*_drawn(laws), (CONFIG, config)]:
        look = look_of(family)
        far += [max(ratio, 1 / ratio) for ratio in rows["ratio"] if ratio > 0]
        left.append(Curve(look, k, rows["predicted"].to_numpy(dtype=float)))
        right.append(Curve(look, k, rows["ratio"].to_numpy(dtype=float)))
    mantissas = (1, 1.5, 2, 2.5, 3, 4, 5, 6, 8)
    seconds = Axis("mean k-th smallest (s)", True, mantissas, whole.min() * 0.9, whole.max() * 1.6)
    arrivals = Axis("arrivals waited for, k")
    title = f"{_what(tables)} of a round"
    reach = next((end for end in REACHES if max(far) < end), REACHES[-1])
    near_1 = (1, 1.1, 1.25, 1.5, 2, 5, 7, 8, 9)
    ratios = Axis("predicted / measured", True, near_1, 1 / reach, reach)
    panels = [Panel(arrivals, seconds, left, title), Panel(arrivals, ratios, right, "how far off")]
    picture = Picture(panels, columns=2, width=style.TWO_PANELS, height=4.1)
    how_to_read = (
        "Left: mean seconds until k workers have answered. Right: the same, predicted over "
        f"measured; 1 is right. {BEST}"
    )
    return Chart("order_statistics", "Waiting for the k-th arrival", how_to_read, picture)


def _quantiles(tables: Mapping[str, pd.DataFrame]) -> Chart:
    table = tables["quantiles"]
    positive = table.loc[table["measured"] > 0, "measured"]
    low, high = float(positive.min()), float(positive.max())
    ends = np.array([low / 10, high * 10])
    marks: list[Mark] = [Curve(DIAGONAL, ends, ends, width=1)]
    for family, rows in _drawn(table.replace([np.inf], np.nan)):
        x, y = (rows[name].to_numpy(dtype=float) for name in ("fitted", "measured"))
        marked = tuple(map(int, np.flatnonzero(rows["marked"])))
        marks.append(Curve(look_of(family), x, y, marked=marked))
    fitted = Axis("quantile of the fitted law (s)", True, (1, 2, 5), low / 1.15, high * REACH)
    what = f"measured quantile of {_what(tables)} (s)"
    measured = Axis(what, True, (1, 2, 5), low / 1.15, high * 1.15)
    levels = ", ".join(f"{level:g}" for level in MARKED_LEVELS)
    title = f"best on the grey diagonal; markers at levels\n{levels}"
    panel = Panel(fitted, measured, marks, title)
    picture = Picture([panel], columns=1, width=style.ONE_PANEL, height=4.9, legend=2)
    how_to_read = (
        "Measured quantiles against those of each family. On the diagonal the law is right; "
        f"above it the measured tail is longer, below it shorter. {BEST}"
    )
    return Chart("qq", "Quantiles", how_to_read, picture)


def _drawn(laws: pd.DataFrame) -> list[tuple[Any, pd.DataFrame]]:
    return [*laws.groupby("family", sort=False)][:DRAWN]


def _what(tables: Mapping[str, pd.DataFrame]) -> str:
    """What the seconds of a picture are: with several loads, the load has been taken out."""
    return "delays" if tables["loads"]["load"].iloc[0] == "" else "unit delays"
