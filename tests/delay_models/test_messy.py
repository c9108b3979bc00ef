"""Messy tables: each is read as exactly the known table, or refused in one line with the remedy."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import erasurehead as eh
from tests.delay_models.door import outcome, without_numbers
from tests.delay_models.layouts import (
    HOSTS,
    MILLISECONDS,
    SECONDS,
    Cells,
    decimal_comma,
    iso,
    long,
    millis,
    nanos,
    packed,
    quoted,
    stamped,
    text,
    wide,
    with_column,
)
from tests.golden.records import require_recorded

R, N = SECONDS.shape
ROUNDS = range(R)
LONG = long()
CLOCK = np.cumsum(SECONDS.max(axis=1))
MS_EPOCH = 1_769_860_800_000


@dataclass(frozen=True)
class Read:
    """The table is read as this, with these hosts."""

    table: np.ndarray
    hosts: tuple[str, ...] = HOSTS


WHOLE = Read(SECONDS)
NUMBERED = Read(SECONDS, ("0", "1", "2", "3"))
MANY = np.random.default_rng(0).uniform(1.0, 2.0, (3, 4000))


def without(rows: Cells, *places: int) -> Cells:
    return [row for place, row in enumerate(rows) if place not in places]


def changed(rows: Cells, cells: dict[tuple[int, int], str]) -> Cells:
    found = [[*row] for row in rows]
    for (row, column), cell in cells.items():
        found[row][column] = cell
    return found


def holding(cells: dict[tuple[int, int], float]) -> np.ndarray:
    table = SECONDS.copy()
    for place, value in cells.items():
        table[place] = value
    return table


SPENT = [1.5] * R * N
TRANSPOSED = wide([f"round_{t}" for t in ROUNDS], table=MILLISECONDS.T)
GLUED = [*LONG, *LONG[1:]]
RETRIED = [*LONG[:6], [*LONG[5][:2], "9.5"], *LONG[6:]]
"""The call of worker 0 in round 1 is there twice."""


def tried(second: str) -> Cells:
    """The same with a column that says that the first try failed, and how the second one ended."""
    said = ["ok"] * 4 + ["failed", second] + ["ok"] * (R * N - 5)
    return with_column(RETRIED, said, "status")


INDEX: dict[str, tuple[Cells, Read | None]] = {
    "step": (with_column(wide(), ROUNDS, "step"), WHOLE),
    "step shuffled": (
        with_column(wide(), [*range(1, R), 0], "step"),
        Read(np.roll(SECONDS, 1, axis=0)),
    ),
    "step begun again": (with_column(wide(), [*range(6), *range(6)], "step"), None),
    "step of halves": (with_column(wide(), [t / 2 for t in ROUNDS], "step"), WHOLE),
    "step from 7 of two rounds": (with_column(wide()[:3], (7, 9), "step"), Read(SECONDS[:2])),
    "two steps": (
        with_column(with_column(wide(), ROUNDS, "step"), ROUNDS, "round"),
        None,
    ),
    "step from 100": (with_column(wide(), range(100, 100 + R), "Step"), WHOLE),
    "iteration at the end": (with_column(wide(), ROUNDS, "iteration", N), WHOLE),
    "index of pandas": (with_column(wide(), ROUNDS, ""), WHOLE),
    "Unnamed: 0": (with_column(wide(), ROUNDS, "Unnamed: 0"), WHOLE),
    "index": (with_column(wide(), ROUNDS, "index"), WHOLE),
    "step over numbers": (with_column(wide(["0", "1", "2", "3"]), ROUNDS, "step"), NUMBERED),
    "time stamps": (with_column(wide(), [1769860800 + t for t in ROUNDS], "timestamp"), WHOLE),
    "ISO time stamps": (with_column(wide(), map(iso, range(R)), "date"), WHOLE),
    "ISO time stamps, any name": (with_column(wide(), map(iso, range(R)), "when"), WHOLE),
    "any name, falling": (with_column(wide(), range(R, 0, -1), "x"), None),
    "any name, two rounds": (with_column(wide()[:3], range(2), "x"), None),
    "no header": (with_column(wide(None), ROUNDS), None),
    "no header, floats": (with_column(wide(None), [f"{t}.0" for t in ROUNDS]), None),
    "epochs": (with_column(wide(), [t // 4 for t in ROUNDS], "epoch"), None),
    "loss": (with_column(wide(), [f"{1 / (t + 1):.3f}" for t in ROUNDS], "loss"), None),
    "mean": (with_column(wide(), SECONDS.mean(axis=1), "mean"), None),
    "step and time": (
        with_column(with_column(wide(), CLOCK, "time (s)"), ROUNDS, "step"),
        None,
    ),
}

TEXTS: dict[str, tuple[bytes, dict[str, Any], Read | None]] = {
    "wide": (text(wide()), {}, WHOLE),
    "wide, no header": (text(wide(None)), {}, NUMBERED),
    "wide, no header, a row of 70 kB after empty ones": (
        b"\n" * 5 + text(MANY.astype(str).tolist()),
        {},
        Read(MANY, tuple(map(str, range(4000)))),
    ),
    "wide, a name of 200 kB": (text(wide([*"abc", "d" * 200_000])), {}, None),
    "wide, a line of 3 MB": (b"1," * 1_500_000, {}, None),
    "wide, one name thousands of times": (text([["x"] * 50_000]), {}, None),
    "wide, numbered from 1": (
        text(wide(["1", "2", "3", "4"])),
        {},
        Read(SECONDS, ("1", "2", "3", "4")),
    ),
    "wide, index named, rows in the other order": (
        text(with_column([wide()[0], *wide()[:0:-1]], range(R, 0, -1), "step")),
        {"columns": {"round": "step"}},
        WHOLE,
    ),
    "wide, index dropped": (
        text(with_column(wide(), ROUNDS, "")),
        {"drop": ("Unnamed: 0",)},
        WHOLE,
    ),
    "wide, index without header named": (
        text(with_column(wide(None), ROUNDS)),
        {"columns": {"round": "0"}},
        Read(SECONDS, ("1", "2", "3", "4")),
    ),
    "wide, a worker that counts": (
        text(with_column(wide(), ROUNDS, "x")),
        {"columns": {"round": ""}},
        Read(np.column_stack([ROUNDS, SECONDS]), ("x", *HOSTS)),
    ),
    "wide, ms in one name": (text(wide(["a_ms", "b", "c", "d"], millis)), {}, None),
    "wide, regions": (text(wide(["a_us", "b_us", "c_us", "d_us"])), {}, None),
    "wide, minutes": (text(wide([f"{h}_minutes" for h in HOSTS])), {}, None),
    "wide, minima": (text(wide([f"{h}_min" for h in HOSTS])), {}, None),
    "wide, names and option differ": (
        text(wide([f"{h}_ms" for h in HOSTS], millis)),
        {"unit": "us"},
        None,
    ),
    "wide, decimals or thousands": (
        text(wide(show=decimal_comma, table=MILLISECONDS + 1000), ";"),
        {},
        None,
    ),
    "wide, spaces": (text(wide(None), " "), {}, NUMBERED),
    "wide, no round has every worker": (
        text(changed(wide(), {(1, 0): ""} | {(row, 2): "" for row in range(2, R + 1)})),
        {"missing": "drop-rounds"},
        None,
    ),
    "wide, spaces, an index without a name": (
        text([[*HOSTS], *with_column(wide(), ROUNDS, "")[1:]], " "),
        {},
        WHOLE,
    ),
    "wide, spaces behind commas": (text(wide(), ", "), {}, WHOLE),
    "wide, UTF-16": (text(wide(), coding="utf-16"), {}, WHOLE),
    "wide, quoted": (text(quoted(wide())), {}, WHOLE),
    "wide, thousands": (
        text(changed(wide(show=millis), {(3, 1): '"1,234"'})),
        {"unit": "ms"},
        None,
    ),
    "wide, decimal commas in quotes": (
        text(quoted(wide(show=decimal_comma))),
        {},
        None,
    ),
    "wide, transposed": (text(TRANSPOSED), {}, None),
    "wide, transposed with hosts": (
        text(with_column(TRANSPOSED, HOSTS, "host")),
        {},
        None,
    ),
    "wide, numbers of other workers": (
        text(wide(["10", "11", "12", "13"])),
        {},
        Read(np.vstack([[10, 11, 12, 13], SECONDS]), ("0", "1", "2", "3")),
    ),
    "wide, numbers of other workers, ms": (
        text(wide(["10", "11", "12", "13"], millis)),
        {"unit": "ms"},
        Read(np.vstack([np.arange(10, 14) / 1000, SECONDS]), ("0", "1", "2", "3")),
    ),
    "wide, two files": (text([*wide(), *wide()]), {}, None),
    "wide, a gap": (text(changed(wide(), {(3, 1): ""})), {}, None),
    "wide, a short row": (text([*wide(), ["1.5", "2.5"]]), {}, None),
    "wide, gap dropped": (
        text(changed(wide(), {(3, 1): "", (5, 0): "NA"})),
        {"missing": "drop-rounds"},
        Read(np.delete(SECONDS, [2, 4], axis=0)),
    ),
    "wide, timeout": (text(changed(wide(), {(3, 1): "timeout"})), {}, None),
    "wide, timeout is never": (
        text(changed(wide(), {(3, 1): "TIMEOUT", (4, 2): "0", (5, 0): "inf"})),
        {"missing": "never"},
        Read(holding({(2, 1): np.inf, (3, 2): np.inf, (4, 0): np.inf})),
    ),
    "wide, a failed and an empty cell of one worker": (
        text(changed(wide(), {(3, 1): "timeout", (5, 1): ""})),
        {"missing": "never"},
        Read(holding({(2, 1): np.inf, (4, 1): np.inf})),
    ),
    "wide, another text beside an empty cell": (
        text(changed(wide(), {(3, 1): "", (5, 1): "soon"})),
        {"missing": "never"},
        None,
    ),
    "wide, a gap in every round": (
        text(with_column(wide(), [""] * R, "dead")),
        {"missing": "drop-rounds", "keep": ("dead",)},
        None,
    ),
    "wide, -1 for a failure": (text(changed(wide(), {(3, 1): "-1"})), {}, None),
    "wide, a comment": (text([["# seconds"], *wide()]), {}, None),
    "long": (text(LONG), {}, WHOLE),
    "long, Instance Step durationNs": (
        text(long(("Instance", "Step", "durationNs"), nanos)),
        {},
        WHOLE,
    ),
    "long, duration": (
        text(long(("host", "step", "duration"))),
        {},
        Read(SECONDS),
    ),
    "long, duration of what?": (
        text(long(("host", "step", "duration"), millis)),
        {},
        None,
    ),
    "wide, seconds of what?": (text(wide(show=millis)), {}, None),
    "long, name and option differ": (
        text(long(("host", "step", "duration_ms"), millis)),
        {"unit": "s"},
        None,
    ),
    "long, rounds from 1000 by 10": (
        text([LONG[0], *([w, str(1000 + 10 * int(t)), s] for w, t, s in LONG[1:])]),
        {},
        WHOLE,
    ),
    "long, host and rank": (
        text(with_column(long(("host", "step", "duration_ms"), millis), [*range(N)] * R, "rank")),
        {},
        None,
    ),
    "long, host said": (
        text(with_column(long(("host", "step", "duration_ms"), millis), [*range(N)] * R, "rank")),
        {"columns": {"worker": "host"}},
        WHOLE,
    ),
    "long, own names": (
        text(long(("who", "which", "took"), millis)),
        {"columns": {"worker": "who", "round": "which", "seconds": "took"}, "unit": "ms"},
        WHOLE,
    ),
    "long, no such column": (
        text(long(("who", "which", "took"), millis)),
        {"columns": {"worker": "host"}},
        None,
    ),
    "long, semicolons and decimal commas": (
        text(long(show=lambda ms: f"{ms / 1000:.4f}".replace(".", ",")), ";"),
        {},
        WHOLE,
    ),
    "long, start and end since 1970, what?": (text(stamped(since=MS_EPOCH)), {}, None),
    "long, start and end since 1970": (text(stamped(since=MS_EPOCH)), {"unit": "ms"}, WHOLE),
    "long, nanoseconds since 1970": (
        text(stamped(show=lambda ms: str(10**6 * (MS_EPOCH + int(ms)) + 1))),
        {"unit": "ns"},
        WHOLE,
    ),
    "long, ISO, zones": (
        text(
            [
                row if place % 3 else [*row[:2], *(f"{cell[:-1]}+00:00" for cell in row[2:])]
                for place, row in enumerate(stamped(show=iso), start=-1)
            ]
        ),
        {},
        WHOLE,
    ),
    "long, no time stamps": (text(stamped(show=lambda ms: "noon")), {}, None),
    "long, end before start": (
        text(stamped(("host", "step", "end_ms", "start_ms"))),
        {},
        None,
    ),
    "long, start, end and seconds": (
        text(with_column(stamped(("host", "step", "start_s", "end_s")), SPENT, "elapsed_s")),
        {},
        None,
    ),
    "long, a clock": (
        text(with_column([row[:2] for row in LONG], np.repeat(CLOCK, N), "time (s)", 2)),
        {},
        None,
    ),
    "long, no worker": (
        text([["step", "duration_ms"], *([t, "5"] for _, t, _ in LONG[1:])]),
        {},
        None,
    ),
    "long, no round": (
        text([["host", "duration_ms"], *([w, "5"] for w, _, _ in LONG[1:])]),
        {},
        None,
    ),
    "long, a row is missing": (text(without(LONG, 7)), {}, None),
    "long, a row is dropped": (
        text(without(LONG, 7)),
        {"missing": "drop-rounds"},
        Read(np.delete(SECONDS, 1, axis=0)),
    ),
    "long, a row is never": (
        text(without(LONG, 7)),
        {"missing": "never"},
        Read(holding({(1, 2): np.inf})),
    ),
    "long, a cell failed": (text(changed(LONG, {(7, 2): "OOM"})), {}, None),
    "long, a failed cell is never": (
        text(changed(LONG, {(7, 2): "OOM"})),
        {"missing": "never"},
        Read(holding({(1, 2): np.inf})),
    ),
    "long, missing steps": (
        text([row for row in LONG if row[1] not in ("3", "4")]),
        {},
        Read(np.delete(SECONDS, [3, 4], axis=0)),
    ),
    "long, a call twice": (text(RETRIED), {}, None),
    "long, the last call": (
        text(RETRIED),
        {"retries": "last"},
        Read(holding({(1, 0): 9.5})),
    ),
    "long, calls added": (
        text(RETRIED),
        {"retries": "sum"},
        Read(holding({(1, 0): SECONDS[1, 0] + 9.5})),
    ),
    "long, a failed call and its second try added": (
        text(tried("ok")),
        {"retries": "sum"},
        Read(holding({(1, 0): SECONDS[1, 0] + 9.5})),
    ),
    "long, the try after a failed call": (
        text(tried("ok")),
        {"retries": "last"},
        Read(holding({(1, 0): 9.5})),
    ),
    "long, the last try failed, too": (
        text(tried("failed")),
        {"retries": "sum", "missing": "never"},
        Read(holding({(1, 0): np.inf})),
    ),
    "long, a worker that waits through its step": (
        b"worker,round,step_s,reduce_s\na,0,1.5,1.5\nb,0,1.5,0\n",
        {"columns": {"allreduce": "reduce_s"}},
        Read(np.array([[0.0, 1.5]]), ("a", "b")),
    ),
    "long, two runs": (text(GLUED), {}, None),
    "long, two runs are no retries": (text(GLUED), {"retries": "last"}, None),
}


def check(name: str, path: Path, options: dict[str, Any], wanted: Read | None) -> None:
    """The outcome is that of the record; a table that is known is read to the last digit, and then
    the record is of what is said of it, not of its numbers."""
    lines = outcome(path, **options)
    require_recorded("read/messy", {name: lines if wanted is None else without_numbers(lines)})
    if wanted is not None:
        found = eh.read_table(path, **options)
        (table,) = found.tables.values()
        np.testing.assert_array_equal(table.to_numpy(), wanted.table)
        assert tuple(table.columns) == wanted.hosts


@pytest.mark.golden
@pytest.mark.parametrize("name", INDEX)
def test_an_index_is_no_worker(name: str, tmp_path: Path) -> None:
    rows, wanted = INDEX[name]
    (tmp_path / "t.csv").write_bytes(text(rows))
    check(f"index {name}", tmp_path / "t.csv", {}, wanted)


@pytest.mark.golden
@pytest.mark.parametrize("name", TEXTS)
def test_a_text_is_read_rightly_or_refused(name: str, tmp_path: Path) -> None:
    content, options, wanted = TEXTS[name]
    (tmp_path / "t.csv").write_bytes(content)
    check(name, tmp_path / "t.csv", options, wanted)


@pytest.mark.golden
@pytest.mark.parametrize("length", [1, 2, R])
def test_a_step_numbers_the_rounds_of_a_table_of_any_length(length: int, tmp_path: Path) -> None:
    """A maximum of each round does not, and is offered to be dropped alone."""
    seconds = SECONDS[:length]
    numbered = ([str(place), *map(str, row)] for place, row in enumerate(seconds.tolist()))
    table = [["step", *HOSTS], *numbered]
    path = tmp_path / "t.csv"
    path.write_bytes(text(table))
    check(f"step of {length}", path, {}, Read(seconds, HOSTS))
    path.write_bytes(text([["max", *row[1:]] for row in table]))
    check(f"max of {length}", path, {}, None)


@pytest.mark.parametrize("name", ["step", "round", "iteration"])
def test_rounds_are_named_by_the_column_that_numbers_them(name: str, tmp_path: Path) -> None:
    """As those of a long table."""
    named = [48203 + 10 * t + t % 3 for t in range(R)]
    (tmp_path / "t.csv").write_bytes(text(with_column(wide(), named, name)))
    found = eh.read_table(tmp_path / "t.csv")
    assert [*found.tables[None].index] == named
    assert f"Column {name} numbers the rounds, {named[0]} to {named[-1]}." in found.notes


@pytest.mark.golden
def test_a_column_of_racks_names_groups_of_workers(tmp_path: Path) -> None:
    """Also several columns, and one that is said; who has none is in no group."""
    rows = with_column(long(), ["b", "a", "b", ""] * R, "zone_id")
    rows = with_column(rows, [2, 10, 2, 10] * R, "cabinet")
    path = tmp_path / "t.csv"
    path.write_bytes(text(rows))
    check("racks of zone_id", path, {}, WHOLE)
    check("racks of cabinet", path, {"columns": {"rack": "cabinet"}}, WHOLE)
    path.write_bytes(text(with_column(long(), ["Rack7"] * 4 * R, "rack")))
    check("one rack", path, {}, WHOLE)
    rows[5][1] = "c"
    path.write_bytes(text(rows))
    check("a worker in two racks", path, {}, None)
    check("no racks", path, {"drop": ["zone_id"]}, WHOLE)


@pytest.mark.golden
def test_other_formats_are_looked_through_as_well(tmp_path: Path) -> None:
    indexed = np.column_stack([ROUNDS, SECONDS])
    np.savez(tmp_path / "t.npz", indexed)
    check("npz", tmp_path / "t.npz", {}, None)
    check("npz, dropped", tmp_path / "t.npz", {"drop": ["0"]}, Read(SECONDS, ("1", "2", "3", "4")))
    (tmp_path / "t.csv.gz").write_bytes(packed(LONG))
    check("csv.gz", tmp_path / "t.csv.gz", {}, WHOLE)
    (tmp_path / "t.tsv").write_bytes(text(wide(), "\t"))
    check("tsv", tmp_path / "t.tsv", {}, WHOLE)
    frame = pd.DataFrame(LONG[1:], columns=["worker", "round", "seconds"])
    frame = frame.astype({"round": int, "seconds": float})
    by_call = frame.set_index(["worker", "round"])
    spent = frame.assign(seconds=pd.to_timedelta(frame["seconds"], unit="s"))
    starts = pd.Timestamp("2026-01-31T12:00:00Z") + pd.to_timedelta(frame["round"], unit="h")
    times = frame.assign(start=starts, end=starts + spent["seconds"]).drop(columns="seconds")
    frames: dict[str, tuple[pd.DataFrame, Read | None]] = {
        "index": (by_call, WHOLE),
        "twice": (by_call.rename(columns={"seconds": "round"}), None),
        "spent": (spent, WHOLE),
        "times": (times, WHOLE),
        "wide": (pd.DataFrame(indexed, columns=["step", *HOSTS]), WHOLE),
    }
    for name, (table, wanted) in frames.items():
        table.to_parquet(tmp_path / f"{name}.parquet")
        check(f"parquet, {name}", tmp_path / f"{name}.parquet", {}, wanted)


@pytest.mark.golden
@pytest.mark.parametrize("gaps", [(2,), (2, 5), (R,)])
def test_rounds_without_a_number_stay_where_they_are(gaps: tuple[int, ...], tmp_path: Path) -> None:
    rows = changed(with_column(wide(), ROUNDS, "step"), {(row, 0): "" for row in gaps})
    (tmp_path / "t.csv").write_bytes(text(rows))
    name = f"no number of rows {gaps}"
    check(name, tmp_path / "t.csv", {"columns": {"round": "step"}}, WHOLE)


INDEXES: dict[str, tuple[pd.Index, Read | None]] = {
    "numbers": (pd.Index(range(5, 5 + R), name="x"), WHOLE),
    "moments": (pd.date_range("2026-01-31", periods=R, freq="h", name="when"), WHOLE),
    "texts": (pd.Index([f"r{t}" for t in ROUNDS], name="x"), WHOLE),
    "truths": (pd.Index([True, False] * (R // 2), name="x"), None),
    "ranks": (pd.Index(ROUNDS, name="rank"), None),
}


@pytest.mark.golden
@pytest.mark.parametrize("kind", INDEXES)
def test_an_index_of_numbers_or_moments_orders_the_rounds(kind: str, tmp_path: Path) -> None:
    index, wanted = INDEXES[kind]
    pd.DataFrame(SECONDS, columns=HOSTS, index=index).to_parquet(tmp_path / "t.parquet")
    check(f"index of {kind}", tmp_path / "t.parquet", {}, wanted)


@pytest.mark.golden
@pytest.mark.parametrize(
    ("rounds", "workers", "stays", "clock"),
    [(10, 2, False, True), (9, 2, False, False), (10, 1, False, False), (10, 2, True, False)],
)
def test_a_clock_grows_in_every_round_of_a_long_table(
    rounds: int, workers: int, stays: bool, clock: bool, tmp_path: Path
) -> None:
    """Of several workers and ten rounds: fewer may grow by chance, and one worker may tire."""
    table = np.cumsum(np.full((rounds, workers), 7), axis=0) + np.arange(workers)
    if stays:
        table[4] = table[3]
    (tmp_path / "t.csv").write_bytes(text(long(hosts=HOSTS[:workers], table=table)))
    wanted = None if clock else Read(table / 1000, HOSTS[:workers])
    check(f"growing {rounds} {workers} {stays}", tmp_path / "t.csv", {}, wanted)


@pytest.mark.golden
def test_samples_that_are_held_are_no_new_measurements(tmp_path: Path) -> None:
    """Sampled every ten seconds, each value shown twice or three times, as those of PAI."""
    rows = [["", "worker", "gpu", "time", "batch_time_norm"]]
    for worker in range(N):
        shown = np.repeat(MILLISECONDS[:, worker], 2 + (worker == 1))
        for place, value in enumerate(shown):
            rows.append([str(len(rows)), str(worker), "25", str(1 + 10 * place), str(value)])
    path = tmp_path / "t.csv"
    path.write_bytes(text(rows))
    whole = Read(MILLISECONDS, tuple(map(str, range(N))))
    check("held samples", path, {}, whole)
    out_of_order = [rows[0], *sorted(rows[1:], key=lambda row: row[3], reverse=True)]
    path.write_bytes(text(without(out_of_order, out_of_order.index(rows[-1]))))
    check("held samples out of order", path, {}, whole)
    for name, cells in {
        "one time twice": {(3, 3): rows[2][3]},
        "no batch time": {(4, 4): ""},
        "no worker": {(5, 1): ""},
    }.items():
        path.write_bytes(text(changed(rows, cells)))
        check(f"held samples, {name}", path, {}, None)


@pytest.mark.golden
def test_the_worker_with_the_fewest_samples_counts_the_rounds(tmp_path: Path) -> None:
    rows = [["worker", "time", "batch_time"], ["a", "0", "3"], ["b", "0", "4"], ["a", "10", "5"]]
    rows += [["b", "10", "6"], ["a", "20", "7"]]
    (tmp_path / "t.csv").write_bytes(text(rows))
    wanted = Read(np.array([[3.0, 4.0], [5.0, 6.0]]), ("a", "b"))
    check("held samples, fewest", tmp_path / "t.csv", {"unit": "s"}, wanted)


@pytest.mark.golden
def test_durations_have_no_other_unit(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,b\n00:00:01,00:00:02.5\n00:00:04.5,00:00:03\n")
    check("durations in ms", tmp_path / "t.csv", {"unit": "ms"}, None)
    wanted = Read(np.array([[1.0, 2.5], [4.5, 3.0]]), ("a", "b"))
    check("durations in s", tmp_path / "t.csv", {"unit": "s"}, wanted)


SPACED = [
    *("a b|1 2|3 4", "a b|1 2", "1 2|3 4", "1 2", "a b|1|2 3", "a b c|1 2|3 4", "5|1 2|3 4"),
    *("a|1 2|3 4", "# a b|1 2|3 4", "a|1|2", "a b|c d", "a b|1,5 2,5", "a b|1,5,2 2"),
]


@pytest.mark.golden
@pytest.mark.parametrize("lines", SPACED)
def test_cells_that_spaces_separate(lines: str, tmp_path: Path) -> None:
    """One column without a name more than there are names is an index; ``|`` ends a line."""
    (tmp_path / "t.csv").write_text(lines.replace("|", "\n"))
    check(f"spaces {lines}", tmp_path / "t.csv", {"unit": "s"}, None)


@pytest.mark.golden
@pytest.mark.parametrize("header", ["a_s,b_s,c", "a,b,c_s", "a_s,b_s,c,d", "a_s,b", "a_s,b_s"])
def test_one_column_of_another_unit_is_odd(header: str, tmp_path: Path) -> None:
    """If it has none, and at least two others have the same."""
    table = np.random.default_rng(0).exponential(1.0, (9, header.count(",") + 1)).round(4)
    lines = [header, *(",".join(map(str, row)) for row in table.tolist())]
    (tmp_path / "t.csv").write_text("\n".join(lines))
    check(f"units {header}", tmp_path / "t.csv", {}, None)
