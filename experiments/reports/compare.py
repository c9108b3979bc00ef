"""``erasurehead report FIRST SECOND``: two results of the same schemes, round by round."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from ...sim.base.errors import ConfigError
from ...sim.base.tables import csv_of
from ...sim.base.types import FloatArray
from ..config.names import shown_in
from ..page.content import Answer, Image, Page, Section, Table, capped, plain_cell
from ..page.folder import read_answer, table_at, write_answer
from ..pictures import paint, style
from ..pictures.kinds.losses import loss_axis
from ..pictures.looks import DASHED, MUTED, Look, variants
from ..pictures.picture import Axis, Chart, Curve, Mark, Panel, Picture, Points
from ..run import files, outputs
from ..run.files import ANSWER
from ..run.reader import Records, comparable, read_records
from ..run.records import CONFIDENCE
from ..text import enumerated, interval, interval_columns, left_out, number

COMPARISON_CSV = "comparison.csv"
PICTURE = "comparison"
MOST_DIGITS = 12  # of a number in a sentence
CAPTION = "Iterations", "Each iteration of both results, and their losses on the clock."


@dataclass(frozen=True, eq=False)
class Pair:
    """One scheme at one point of a sweep, in two results."""

    label: str  # ``label``, ``scheme``: its name in tables, and in the registry
    scheme: str
    swept: dict[str, str]  # the sweep's keys and values
    first: dict[str, FloatArray]  # ``(R, T + 1)`` of iterations, by column; so ``second``
    second: dict[str, FloatArray]


def pairs(first: Records, second: Records) -> list[Pair]:
    """The cells that both results have, by label and swept values, in the first one's order, with
    the replications and iterations that both have. Raises ConfigError: no scheme is in both, or
    they sweep other keys."""
    keys, theirs = first.swept(), second.swept()
    if {*keys} != {*theirs}:
        swept = [", ".join(names) or "nothing" for names in (theirs, keys)]
        valid = f"must sweep the same keys as {first.directory}, which sweeps {swept[1]}"
        raise ConfigError(f"{second.directory}: sweeps {swept[0]}; {valid}")
    others = dict(_cells(second, keys))
    known = ((name, rows) for name, rows in _cells(first, keys) if name in others)
    matched = [_pair(keys, rows, others[name]) for name, rows in known]
    if not matched:
        labels = ", ".join(label for label, _ in second.labels())
        lack = f"has no scheme and point of a sweep that {second.directory} has"
        raise ConfigError(f"{first.directory}: {lack}: {labels}")
    return matched


def _cells(records: Records, keys: list[str]) -> Iterator[tuple[Hashable, pd.DataFrame]]:
    """The rows of each cell, by what names it in every result."""
    names = ["label", "scheme", *keys]
    for _, rows in records.iterations.groupby(names, dropna=False, sort=False):
        yield comparable(rows[names].iloc[0].tolist()), rows


def _pair(keys: list[str], left: pd.DataFrame, right: pd.DataFrame) -> Pair:
    known = ("time", "iteration_time", "train_loss")
    columns = [c for c in known if c in left and c in right]
    wide = []
    for rows in (left, right):
        tables = {
            c: rows.pivot(index="replication", columns="iteration", values=c) for c in columns
        }
        wide.append({c: t.to_numpy(dtype=float, na_value=np.nan) for c, t in tables.items()})
    r, t = (min(side["time"].shape[axis] for side in wide) for axis in (0, 1))
    first, second = ({c: values[:r, :t] for c, values in side.items()} for side in wide)
    label, scheme, *values = left[["label", "scheme", *keys]].iloc[0]
    swept = {k: "null" if pd.isna(v) else str(v) for k, v in zip(keys, values, strict=True)}
    return Pair(str(label), str(scheme), swept, first, second)


def ratio_of_means(a: FloatArray, b: FloatArray) -> tuple[float, float, float]:
    """Mean of b over mean of a, for pairs ``(N,)``, and its 95 % interval. The interval is that of
    the ratio estimator: with q the ratio, the error of b - q a over the mean of a. Pairs are taken
    as independent, which iterations are where delays are independent and stragglers are cancelled;
    else the interval is too narrow. Where neither side varies there is none. Source:
    Cochran, Sampling Techniques, section 6.3."""
    if not a.any() and not b.any():
        return 1.0, 1.0, 1.0
    ratio = float(b.mean() / a.mean())
    if a.size < 2:
        return ratio, np.nan, np.nan
    error = (b - ratio * a).std(ddof=1) / np.sqrt(a.size) / a.mean()
    if np.ptp(a) == 0 == np.ptp(b) and ratio != 1:  # nothing varied, which says nothing of others
        return ratio, np.nan, np.nan
    half = float(stdtrit(a.size - 1, (1 + CONFIDENCE) / 2) * error)
    return ratio, ratio - half, ratio + half


def comparison_table(pairs: Sequence[Pair]) -> pd.DataFrame:
    """One row per scheme and point of the sweep; see ``docs/results.md``."""
    return pd.DataFrame([_row(pair) for pair in pairs])


def _row(pair: Pair) -> dict[str, object]:
    a, b = (side["iteration_time"][:, 1:] for side in (pair.first, pair.second))
    varies = np.ptp(a) > 0 and np.ptp(b) > 0
    with np.errstate(invalid="ignore", divide="ignore"):
        numbers = {
            "first": float(a.mean()),
            "second": float(b.mean()),
            "difference": float((b - a).mean()),
            **interval_columns("ratio", ratio_of_means(a.ravel(), b.ravel())),
            "correlation": float(np.corrcoef(a.ravel(), b.ravel())[0, 1]) if varies else np.nan,
        }
        if "train_loss" in pair.first:
            apart = np.abs(pair.first["train_loss"] - pair.second["train_loss"])
            numbers["loss_difference"] = float(apart.max())
    r, t = a.shape
    names = {"label": pair.label, "scheme": pair.scheme, **pair.swept}
    return {**names, "replications": r, "iterations": t, **numbers}


def comparison_answer(table: pd.DataFrame, first: str, second: str) -> Answer:
    """What ``answer.json`` says of the results that are called ``first`` and ``second``."""
    ratios = table["ratio"].to_numpy(dtype=float)
    low, high = (table[f"ratio_{end}"].to_numpy(dtype=float) for end in ("low", "high"))
    known = np.isfinite(low) & np.isfinite(high)
    apart = known & ((low > 1) | (high < 1))
    same = bool((ratios == 1).all())
    enough = _digits(
        lambda d: all((f"{r:.{d}g}" == "1") == (r == 1) for r in ratios[apart | ~known])
    )
    mean = float(np.exp(np.log(ratios).mean())) if (ratios > 0).all() else float(ratios.mean())
    scope = "the scheme" if len(table) == 1 else f"the {len(table)} schemes and points"
    verdict = f"Iterations of {second} take exactly as long as those of {first}."
    if not same:
        reach = f" ({ratios.min():.{enough}g} to {ratios.max():.{enough}g})"
        span = reach if len(table) > 1 else ""
        longer = f"{mean:.{enough}g} times as long as one of {first}{span}"
        if f"{mean:.{enough}g}" == "1" and known.all() and not apart.any():
            longer = f"as long as one of {first}: their means do not differ clearly"
        verdict = f"An iteration of {second} takes {longer}, over {scope} that both have."
    why = list[str]()
    if known.any() and not same:
        some = f"{int(apart.sum())} of {int(known.sum())} ratios"
        why.append(f"{some} differ from 1 by more than their 95 % intervals.")
    if not same:
        far = table.loc[np.abs(np.log(table["ratio"].clip(lower=1e-300))).idxmax()]
        a, b = float(far["first"]), float(far["second"])
        d = 1 + _digits(
            lambda d: _printed_ratio(a, b, d + 1, enough) == f"{far['ratio']:.{enough}g}"
        )
        times = f"{a:.{d}g} s an iteration in {first}, {b:.{d}g} s in {second}"
        why.append(f"Farthest apart is {shown_in(far)}: {times}.")
    if "loss_difference" in table:
        worst = float(table["loss_difference"].max())
        apart_by = f"differ by {worst:.3g} at most, iteration by iteration"
        why.append(f"Training losses {apart_by if worst < np.inf else 'diverge'}.")
    limits = "Iterations are taken as independent: if a straggler lasts, intervals are too narrow."
    return Answer("compare", f"{first}, {second}", verdict, tuple(why), limits=limits)


def _digits(agree: Callable[[int], bool]) -> int:
    """The fewest digits, at least three, for which ``agree`` holds."""
    return next((digits for digits in range(3, MOST_DIGITS) if agree(digits)), MOST_DIGITS)


def _printed_ratio(a: float, b: float, digits: int, of_ratio: int) -> str:
    """What a reader finds who divides the second printed number by the first."""
    first = float(f"{a:.{digits}g}")
    return f"{float(f'{b:.{digits}g}') / first:.{of_ratio}g}" if first else ""


def comparison_page(
    table: pd.DataFrame, answer: Answer, iterations: Sequence[Chart | Image]
) -> Page:
    """The page of two results; ``iterations`` are pictures, which the table is not enough for."""
    words = "Ratio of mean iteration times, with its 95 % interval."
    ratios = Chart("ratios", "Second over first", words, ratio_picture(table))
    return Page(
        answer,
        question=[
            ("results", answer.subject),
            ("iterations", str(int(table["iterations"].max()))),
            ("replications", str(int(table["replications"].max()))),
        ],
        sections=[
            Section("pictures", "Side by side", [ratios, *iterations]),
            Section("table", "All numbers", [_numbers(table)]),
        ],
        provenance=[("made by", "erasurehead report")],
    )


def read_comparison(directory: Path) -> Page:
    """The page again, from the files of a comparison. Raises ConfigError: it is not whole."""
    answer = read_answer(directory)
    numbers = ("first", "second", "difference", "ratio", "ratio_low", "ratio_high", "correlation")
    table = table_at(directory / COMPARISON_CSV, ("label", "scheme", *numbers))
    drawn = list[Image]()
    with suppress(OSError):  # the folder need not have the picture
        png = (directory / f"{PICTURE}.png").read_bytes()
        drawn += [Image(PICTURE, *CAPTION, png)] if png.startswith(b"\x89PNG") else []
    return comparison_page(table, answer, drawn)


def ratio_picture(table: pd.DataFrame) -> Picture:
    """A row for each scheme (and point), its ratio with an interval."""
    rows = table.head(30)
    pairs = rows[["label", "scheme"]].drop_duplicates("label")
    looks = variants([(str(a), str(b)) for a, b in pairs.itertuples(index=False)])
    marks: list[Mark] = []
    for i, row in enumerate(rows.to_dict("records")):
        x, at = np.array([row["ratio"]], dtype=float), np.array([float(i)])
        ends = np.array([[row["ratio"] - row["ratio_low"]], [row["ratio_high"] - row["ratio"]]])
        marks.append(Points(looks[str(row["label"])], x, at, dx=np.nan_to_num(ends)))
    line = Look(MUTED, "", DASHED, "no difference")
    marks.insert(0, Curve(line, np.ones(2), np.array([-0.6, len(rows) - 0.4]), width=1.0))
    x_axis = Axis("ratio of mean iteration times, second over first")
    names = tuple(map(_named, rows.to_dict("records")))
    y_axis = Axis("", low=len(rows) - 0.4, high=-0.6, names=names)
    panels, heading = [Panel(x_axis, y_axis, marks)], left_out(len(table) - len(rows), "row")
    return Picture(panels, 1, style.ONE_PANEL, 3.4, heading=heading, last=(line.title,))


def _swept(columns: Sequence[str]) -> Sequence[str]:
    """The keys of a sweep stand between the scheme and the replications."""
    return columns[2 : columns.index("replications")] if "replications" in columns else []


def _named(row: Mapping[Any, Any]) -> str:
    point = ", ".join(str(row[key]) for key in _swept([*row]))
    return f"{shown_in(row)}; {point}" if point else shown_in(row)


def _numbers(table: pd.DataFrame) -> Table:
    swept, losses = _swept([*map(str, table.columns)]), "loss_difference" in table
    columns = ["scheme", *swept, "first (s)", "second (s)", "ratio (95 %)", "correlation"]
    rows = []
    for row in table.to_dict("records"):
        ratio = interval(row["ratio"], row["ratio_low"], row["ratio_high"])
        cells = [number(row["first"]), number(row["second"]), ratio, number(row["correlation"])]
        cells += [number(row["loss_difference"])] if losses else []
        rows.append([plain_cell(shown_in(row)), *(plain_cell(row[key]) for key in swept), *cells])
    columns += ["largest loss difference"] if losses else []
    return capped(
        "comparison-table", "", columns, rows, COMPARISON_CSV, "", range(40), 1 + len(swept)
    )


def comparison_picture(pairs: Sequence[Pair], first: str, second: str) -> Picture:
    """Two panels, of the first point of a sweep, of results that are called first and second."""
    drawn = [pair for pair in pairs if pair.swept == pairs[0].swept]
    looks = variants([(pair.label, pair.scheme) for pair in drawn])
    panels = [_times(drawn, looks, first, second)]
    if all("train_loss" in pair.first for pair in drawn):
        panels.append(_losses(drawn, looks, first, second))
    width = style.TWO_PANELS if len(panels) == 2 else style.ONE_PANEL
    height = 3.2 + 0.22 * -(-(len(drawn) + 1) // 3)
    heading = ", ".join(f"{key} = {value}" for key, value in pairs[0].swept.items())
    return Picture(panels, len(panels), width, height, heading=heading)


def _times(pairs: Sequence[Pair], looks: dict[str, Look], first: str, second: str) -> Panel:
    marks, ends = list[Mark](), [np.inf, 0.0]
    for pair in pairs:
        a, b = (side["iteration_time"][:, 1:].ravel() for side in (pair.first, pair.second))
        # of more than 300 iterations, so many at equal distances
        taken = np.unique(np.linspace(0, a.size - 1, min(a.size, 300)).astype(int))
        x, y = a[taken], b[taken]
        low, high = min(x.min(), y.min()), max(x.max(), y.max())
        ends = [min(ends[0], float(low)), max(ends[1], float(high))]
        marks.append(Points(looks[pair.label], x, y, size=3.0))
    log = 0 < 10 * ends[0] < ends[1]
    low = ends[0] / 1.1 if log else 0.0
    line = np.array([low, ends[1] * 1.05 or 1.0])
    marks.append(Curve(Look(MUTED, "", DASHED, "equal"), line, line, width=1.0))
    ticks = (1.0, 2.0, 5.0) if log else ()
    names = (f"{name}: iteration time (s)" for name in (first, second))
    x_axis, y_axis = (Axis(name, log, ticks, low, line[1]) for name in names)
    return Panel(x_axis, y_axis, marks, "each iteration")


def _losses(pairs: Sequence[Pair], looks: dict[str, Look], first: str, second: str) -> Panel:
    """Means over replications; the second result as points on the first one's lines."""
    curves, marks = [], list[Mark]()
    for pair in pairs:
        look = replace(looks[pair.label], title="")
        t, loss = (pair.first[name].mean(axis=0) for name in ("time", "train_loss"))
        curves.append(Curve(replace(look, marker=""), t, loss))
        t, loss = (pair.second[name].mean(axis=0) for name in ("time", "train_loss"))
        taken = np.unique(np.linspace(0, len(t) - 1, 12).astype(int))
        marks.append(Points(look, t[taken], loss[taken], size=4.5, hollow=True))
    title = f"line: {first}; marks: {second}"
    return Panel(Axis("time (s)"), loss_axis(curves), [*curves, *marks], title)


def compare_results(first: Path, second: Path, output: Path, command: str = "") -> Page:
    """Compare two results scheme by scheme, the first as what is expected, and write the files.
    Raises ConfigError: one is no result, they share no scheme, or ``output`` is one of them."""
    for directory in (first, second):
        if output.resolve() == directory.resolve():
            raise ConfigError(f"--output = {str(output)!r}: must not be one of the two results")
    left, right = read_records(first), read_records(second)
    together, names = pairs(left, right), _names(left, right)
    table = comparison_table(together)
    notes = differences(left, right, *names)
    answer = replace(comparison_answer(table, *names), command=command, notes=notes)
    chart = Chart(PICTURE, *CAPTION, comparison_picture(together, *names))
    written = (ANSWER, COMPARISON_CSV, f"{PICTURE}.png", f"{PICTURE}.svg")
    with files.postponed(), files.output_folder(output, written):
        files.remove([output / ANSWER])
        files.write_bytes(output / COMPARISON_CSV, csv_of(table))
        style.save(paint.figure(chart.picture), output / PICTURE)
        write_answer(answer, output)
    return comparison_page(table, answer, [chart])


def differences(left: Records, right: Records, first: str, second: str) -> tuple[str, ...]:
    """In which settings the two results differ, and which schemes one of them has alone."""
    notes = list[str]()
    configs = left.config or {}, right.config or {}
    timing = ("workers", "iterations", "seed", "delay", "load_law", "policy", "network", "failures")
    of = dict.fromkeys(timing, "ratios") | {"problem": "losses", "optimizer": "losses"}
    for key, what in of.items() if all(configs) else ():
        a, b = (config.get(key) for config in configs)
        if a != b:
            plain = all(isinstance(value, int | float | str) for value in (a, b))
            which = f": {a} in {first}, {b} in {second}" if plain else ""
            notes.append(f"They differ in {key}{which}, so {what} are not of schemes alone.")
    if all(configs) and (configs[0].get("sweep") or {}) != (configs[1].get("sweep") or {}):
        notes.append("They sweep other values; the points that both have are compared.")
    sections = [
        {
            str(section["label"]): section
            for section in config.get("schemes") or ()
            if isinstance(section, Mapping) and "label" in section
        }
        for config in configs
    ]
    for label in [label for label in sections[0] if label in sections[1]]:
        if sections[0][label] != sections[1][label]:
            notes.append(f"{label} is another scheme in {second} than in {first}.")
    labels = [[label for label, _ in records.labels()] for records in (left, right)]
    for name, mine, theirs in ((first, *labels), (second, *labels[::-1])):
        if alone := [label for label in mine if label not in theirs]:
            notes.append(f"Only {name} has {enumerated(alone, 4)}.")
    for name, records in ((first, left), (second, right)):
        notes += [f"{name}: {line}" for line in outputs.warnings_of_live(records.directory)]
    return tuple(notes)


def _names(first: Records, second: Records) -> tuple[str, str]:
    """What pictures call them: the folders' names, unless one of them is measured."""
    live = [records.live for records in (first, second)]
    if live[0] != live[1]:
        return ("measured", "simulated") if live[0] else ("simulated", "measured")
    names = first.directory.resolve().name, second.directory.resolve().name
    return names if names[0] != names[1] else (str(first.directory), str(second.directory))
