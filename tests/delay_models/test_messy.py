"""Messy tables: each is read as exactly the known table, or refused in one line with the remedy."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from erasurehead.delay_models.measured.files import cells_of
from erasurehead.delay_models.measured.measured import TableError
from erasurehead.delay_models.measured.read import read_measured
from erasurehead.experiments.advice.understood import as_read
from erasurehead.sim.base.files import UnusableFile
from erasurehead.sim.base.reading import Reading
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
from tests.tools import told

R, N = SECONDS.shape
ROUNDS = range(R)
LONG = long()
CLOCK = np.cumsum(SECONDS.max(axis=1))
MS_EPOCH = 1_769_860_800_000


@dataclass(frozen=True)
class Read:
    """The table is read as this, with these hosts, and each of these texts is in some note."""

    table: np.ndarray
    hosts: tuple[str, ...] = HOSTS
    said: tuple[str, ...] = ()


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


ASK_INDEX = "--columns round="

INDEX: dict[str, tuple[Cells, str | Read]] = {
    "step": (with_column(wide(), ROUNDS, "step"), WHOLE),
    "step shuffled": (
        with_column(wide(), [*range(1, R), 0], "step"),
        Read(np.roll(SECONDS, 1, axis=0)),
    ),
    "step begun again": (with_column(wide(), [*range(6), *range(6)], "step"), "--rows 1:6"),
    "step of halves": (with_column(wide(), [t / 2 for t in ROUNDS], "step"), WHOLE),
    "step from 7 of two rounds": (with_column(wide()[:3], (7, 9), "step"), Read(SECONDS[:2])),
    "two steps": (
        with_column(with_column(wide(), ROUNDS, "step"), ROUNDS, "round"),
        "--columns round=round",
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
    "any name, falling": (with_column(wide(), range(R, 0, -1), "x"), "--drop x, or --keep x"),
    "any name, two rounds": (with_column(wide()[:3], range(2), "x"), "--drop x, or --keep x"),
    "no header": (with_column(wide(None), ROUNDS), ASK_INDEX),
    "no header, floats": (with_column(wide(None), [f"{t}.0" for t in ROUNDS]), ASK_INDEX),
    "epochs": (with_column(wide(), [t // 4 for t in ROUNDS], "epoch"), "--drop"),
    "loss": (with_column(wide(), [f"{1 / (t + 1):.3f}" for t in ROUNDS], "loss"), "--drop"),
    "mean": (with_column(wide(), SECONDS.mean(axis=1), "mean"), "--drop"),
    "step and time": (
        with_column(with_column(wide(), CLOCK, "time (s)"), ROUNDS, "step"),
        "--drop 'time (s)'",
    ),
}

TEXTS: dict[str, tuple[bytes, Reading, Read | str]] = {
    "wide": (text(wide()), Reading(), WHOLE),
    "wide, no header": (text(wide(None)), Reading(), NUMBERED),
    "wide, no header, a row of 70 kB after empty ones": (
        b"\n" * 5 + text(MANY.astype(str).tolist()),
        Reading(),
        Read(MANY, tuple(map(str, range(4000)))),
    ),
    "wide, a name of 200 kB": (text(wide([*"abc", "d" * 200_000])), Reading(), "131072"),
    "wide, a line of 3 MB": (b"1," * 1_500_000, Reading(), "more than 200,000 columns"),
    "wide, one name thousands of times": (text([["x"] * 50_000]), Reading(), "named 'x'"),
    "wide, numbered from 1": (
        text(wide(["1", "2", "3", "4"])),
        Reading(),
        Read(SECONDS, ("1", "2", "3", "4")),
    ),
    "wide, index named, rows in the other order": (
        text(with_column([wide()[0], *wide()[:0:-1]], range(R, 0, -1), "step")),
        Reading(columns={"round": "step"}),
        WHOLE,
    ),
    "wide, index dropped": (
        text(with_column(wide(), ROUNDS, "")),
        Reading(drop=("Unnamed: 0",)),
        WHOLE,
    ),
    "wide, index without header named": (
        text(with_column(wide(None), ROUNDS)),
        Reading(columns={"round": "0"}),
        Read(SECONDS, ("1", "2", "3", "4")),
    ),
    "wide, a worker that counts": (
        text(with_column(wide(), ROUNDS, "x")),
        Reading(columns={"round": ""}),
        Read(np.column_stack([ROUNDS, SECONDS]), ("x", *HOSTS)),
    ),
    "wide, ms in one name": (text(wide(["a_ms", "b", "c", "d"], millis)), Reading(), "rename"),
    "wide, regions": (text(wide(["a_us", "b_us", "c_us", "d_us"])), Reading(), "--unit us"),
    "wide, minutes": (text(wide([f"{h}_minutes" for h in HOSTS])), Reading(), "--unit 60"),
    "wide, minima": (text(wide([f"{h}_min" for h in HOSTS])), Reading(), "a summary"),
    "wide, names and option differ": (
        text(wide([f"{h}_ms" for h in HOSTS], millis)),
        Reading(unit="us"),
        "rename",
    ),
    "wide, decimals or thousands": (
        text(wide(show=decimal_comma, table=MILLISECONDS + 1000), ";"),
        Reading(),
        "decimal point",
    ),
    "wide, spaces": (text(wide(None), " "), Reading(), NUMBERED),
    "wide, no round has every worker": (
        text(changed(wide(), {(1, 0): ""} | {(row, 2): "" for row in range(2, R + 1)})),
        Reading(missing="drop-rounds"),
        f"leave worker {HOSTS[2]} out, of whose rounds {R - 1} of {R} are missing",
    ),
    "wide, spaces, an index without a name": (
        text([[*HOSTS], *with_column(wide(), ROUNDS, "")[1:]], " "),
        Reading(),
        WHOLE,
    ),
    "wide, spaces behind commas": (text(wide(), ", "), Reading(), WHOLE),
    "wide, UTF-16": (text(wide(), coding="utf-16"), Reading(), WHOLE),
    "wide, quoted": (text(quoted(wide())), Reading(), WHOLE),
    "wide, thousands": (
        text(changed(wide(show=millis), {(3, 1): '"1,234"'})),
        Reading(unit="ms"),
        "separators of thousands",
    ),
    "wide, decimal commas in quotes": (
        text(quoted(wide(show=decimal_comma))),
        Reading(),
        "separators of thousands",
    ),
    "wide, transposed": (text(TRANSPOSED), Reading(), "transpose"),
    "wide, transposed with hosts": (
        text(with_column(TRANSPOSED, HOSTS, "host")),
        Reading(),
        "--columns worker=host",
    ),
    "wide, numbers of other workers": (
        text(wide(["10", "11", "12", "13"])),
        Reading(),
        Read(np.vstack([[10, 11, 12, 13], SECONDS]), ("0", "1", "2", "3")),
    ),
    "wide, numbers of other workers, ms": (
        text(wide(["10", "11", "12", "13"], millis)),
        Reading(unit="ms"),
        Read(np.vstack([np.arange(10, 14) / 1000, SECONDS]), ("0", "1", "2", "3")),
    ),
    "wide, two files": (text([*wide(), *wide()]), Reading(), "split it there"),
    "wide, a gap": (text(changed(wide(), {(3, 1): ""})), Reading(), "--missing"),
    "wide, a short row": (text([*wide(), ["1.5", "2.5"]]), Reading(), "--missing"),
    "wide, gap dropped": (
        text(changed(wide(), {(3, 1): "", (5, 0): "NA"})),
        Reading(missing="drop-rounds"),
        Read(np.delete(SECONDS, [2, 4], axis=0), said=("(2 empty): 2 of",)),
    ),
    "wide, timeout": (text(changed(wide(), {(3, 1): "timeout"})), Reading(), "--missing"),
    "wide, timeout is never": (
        text(changed(wide(), {(3, 1): "TIMEOUT", (4, 2): "0", (5, 0): "inf"})),
        Reading(missing="never"),
        Read(
            holding({(2, 1): np.inf, (3, 2): np.inf, (4, 0): np.inf}),
            said=("(1 failed, 1 infinite, 1 0 s), in 3 of",),
        ),
    ),
    "wide, a failed and an empty cell of one worker": (
        text(changed(wide(), {(3, 1): "timeout", (5, 1): ""})),
        Reading(missing="never"),
        Read(
            holding({(2, 1): np.inf, (4, 1): np.inf}),
            said=("(1 empty, 1 failed), in 2 of",),
        ),
    ),
    "wide, another text beside an empty cell": (
        text(changed(wide(), {(3, 1): "", (5, 1): "soon"})),
        Reading(missing="never"),
        "row 5, column",
    ),
    "wide, a gap in every round": (
        text(with_column(wide(), [""] * R, "dead")),
        Reading(missing="drop-rounds", keep=("dead",)),
        "leave worker dead out",
    ),
    "wide, -1 for a failure": (text(changed(wide(), {(3, 1): "-1"})), Reading(), "cell empty"),
    "wide, a comment": (text([["# seconds"], *wide()]), Reading(), "header"),
    "long": (text(LONG), Reading(), WHOLE),
    "long, Instance Step durationNs": (
        text(long(("Instance", "Step", "durationNs"), nanos)),
        Reading(),
        WHOLE,
    ),
    "long, duration": (
        text(long(("host", "step", "duration"))),
        Reading(),
        Read(SECONDS, said=("column duration says no unit",)),
    ),
    "long, duration of what?": (
        text(long(("host", "step", "duration"), millis)),
        Reading(),
        "--unit",
    ),
    "wide, seconds of what?": (text(wide(show=millis)), Reading(), "--unit"),
    "long, name and option differ": (
        text(long(("host", "step", "duration_ms"), millis)),
        Reading(unit="s"),
        "rename",
    ),
    "long, rounds from 1000 by 10": (
        text([LONG[0], *([w, str(1000 + 10 * int(t)), s] for w, t, s in LONG[1:])]),
        Reading(),
        WHOLE,
    ),
    "long, host and rank": (
        text(with_column(long(("host", "step", "duration_ms"), millis), [*range(N)] * R, "rank")),
        Reading(),
        "--columns worker=rank",
    ),
    "long, host said": (
        text(with_column(long(("host", "step", "duration_ms"), millis), [*range(N)] * R, "rank")),
        Reading(columns={"worker": "host"}),
        WHOLE,
    ),
    "long, own names": (
        text(long(("who", "which", "took"), millis)),
        Reading(columns={"worker": "who", "round": "which", "seconds": "took"}, unit="ms"),
        WHOLE,
    ),
    "long, no such column": (
        text(long(("who", "which", "took"), millis)),
        Reading(columns={"worker": "host"}),
        "who, which, took",
    ),
    "long, semicolons and decimal commas": (
        text(long(show=lambda ms: f"{ms / 1000:.4f}".replace(".", ",")), ";"),
        Reading(),
        WHOLE,
    ),
    "long, start and end since 1970, what?": (text(stamped(since=MS_EPOCH)), Reading(), "--unit"),
    "long, start and end since 1970": (text(stamped(since=MS_EPOCH)), Reading(unit="ms"), WHOLE),
    "long, nanoseconds since 1970": (
        text(stamped(show=lambda ms: str(10**6 * (MS_EPOCH + int(ms)) + 1))),
        Reading(unit="ns"),
        WHOLE,
    ),
    "long, ISO, zones": (
        text(
            [
                row if place % 3 else [*row[:2], *(f"{cell[:-1]}+00:00" for cell in row[2:])]
                for place, row in enumerate(stamped(show=iso), start=-1)
            ]
        ),
        Reading(),
        WHOLE,
    ),
    "long, no time stamps": (text(stamped(show=lambda ms: "noon")), Reading(), "ISO 8601"),
    "long, end before start": (
        text(stamped(("host", "step", "end_ms", "start_ms"))),
        Reading(),
        "end >= start",
    ),
    "long, start, end and seconds": (
        text(with_column(stamped(("host", "step", "start_s", "end_s")), SPENT, "elapsed_s")),
        Reading(),
        "--columns seconds=elapsed_s",
    ),
    "long, a clock": (
        text(with_column([row[:2] for row in LONG], np.repeat(CLOCK, N), "time (s)", 2)),
        Reading(),
        "clock=time (s)",
    ),
    "long, no worker": (
        text([["step", "duration_ms"], *([t, "5"] for _, t, _ in LONG[1:])]),
        Reading(),
        "the worker by its name; valid: rounds x workers",
    ),
    "long, no round": (
        text([["host", "duration_ms"], *([w, "5"] for w, _, _ in LONG[1:])]),
        Reading(),
        "the round by its name; valid: rounds x workers",
    ),
    "long, a row is missing": (text(without(LONG, 7)), Reading(), "are missing; --missing"),
    "long, a row is dropped": (
        text(without(LONG, 7)),
        Reading(missing="drop-rounds"),
        Read(np.delete(SECONDS, 1, axis=0), said=("(1 not in the table): 1 of",)),
    ),
    "long, a row is never": (
        text(without(LONG, 7)),
        Reading(missing="never"),
        Read(holding({(1, 2): np.inf}), said=("(1 not in the table), in 1 of",)),
    ),
    "long, a cell failed": (text(changed(LONG, {(7, 2): "OOM"})), Reading(), "--missing"),
    "long, a failed cell is never": (
        text(changed(LONG, {(7, 2): "OOM"})),
        Reading(missing="never"),
        Read(holding({(1, 2): np.inf}), said=("(1 failed), in 1 of",)),
    ),
    "long, missing steps": (
        text([row for row in LONG if row[1] not in ("3", "4")]),
        Reading(),
        Read(np.delete(SECONDS, [3, 4], axis=0), said=("2 rounds are missing for all workers",)),
    ),
    "long, a call twice": (text(RETRIED), Reading(), "say which counts with --retries"),
    "long, the last call": (
        text(RETRIED),
        Reading(retries="last"),
        Read(holding({(1, 0): 9.5}), said=("1 row repeats",)),
    ),
    "long, calls added": (
        text(RETRIED),
        Reading(retries="sum"),
        Read(holding({(1, 0): SECONDS[1, 0] + 9.5}), said=("1 row repeats",)),
    ),
    "long, a failed call and its second try added": (
        text(tried("ok")),
        Reading(retries="sum"),
        Read(holding({(1, 0): SECONDS[1, 0] + 9.5}), said=("1 row repeats",)),
    ),
    "long, the try after a failed call": (
        text(tried("ok")),
        Reading(retries="last"),
        Read(holding({(1, 0): 9.5}), said=("1 row repeats",)),
    ),
    "long, the last try failed, too": (
        text(tried("failed")),
        Reading(retries="sum", missing="never"),
        Read(holding({(1, 0): np.inf}), said=("1 row repeats", "(1 failed), in 1 of")),
    ),
    "long, a worker that waits through its step": (
        b"worker,round,step_s,reduce_s\na,0,1.5,1.5\nb,0,1.5,0\n",
        Reading(columns={"allreduce": "reduce_s"}),
        Read(np.array([[0.0, 1.5]]), ("a", "b")),
    ),
    "long, two runs": (text(GLUED), Reading(), "split it there"),
    "long, two runs are no retries": (text(GLUED), Reading(retries="last"), "split it there"),
}


def check(path: Path, reading: Reading, wanted: Read | str) -> None:
    if isinstance(wanted, Read):
        found = read_measured(str(path), reading)
        np.testing.assert_array_equal(found.tables[None], wanted.table)
        assert found.hosts == wanted.hosts
        notes = told(found.notes)
        assert all(any(text in note for note in notes) for text in wanted.said), notes
        assert bool(wanted.said) == bool(notes), notes
        return
    with pytest.raises(TableError) as caught:
        read_measured(str(path), reading)
    line = str(caught.value)
    assert line.startswith(f"{path}: ")
    assert "\n" not in line
    assert len(line.replace(str(path), "")) < 250
    assert wanted in line


@pytest.mark.parametrize("name", INDEX)
def test_an_index_is_no_worker(name: str, tmp_path: Path) -> None:
    rows, remedy = INDEX[name]
    (tmp_path / "t.csv").write_bytes(text(rows))
    check(tmp_path / "t.csv", Reading(), remedy)


@pytest.mark.parametrize("name", TEXTS)
def test_a_text_is_read_rightly_or_refused(name: str, tmp_path: Path) -> None:
    content, reading, wanted = TEXTS[name]
    (tmp_path / "t.csv").write_bytes(content)
    check(tmp_path / "t.csv", reading, wanted)


@pytest.mark.parametrize("length", [1, 2, R])
def test_a_step_numbers_the_rounds_of_a_table_of_any_length(length: int, tmp_path: Path) -> None:
    """A maximum of each round does not, and is offered to be dropped alone."""
    seconds = SECONDS[:length]
    numbered = ([str(place), *map(str, row)] for place, row in enumerate(seconds.tolist()))
    table = [["step", *HOSTS], *numbered]
    (tmp_path / "t.csv").write_bytes(text(table))
    check(tmp_path / "t.csv", Reading(), Read(seconds, HOSTS))
    (tmp_path / "t.csv").write_bytes(text([["max", *row[1:]] for row in table]))
    check(tmp_path / "t.csv", Reading(), "row 1 is labelled max, which is no round")
    with pytest.raises(TableError, match=r"^[^=]*$"):  # no --columns round=max
        read_measured(str(tmp_path / "t.csv"))


@pytest.mark.parametrize("name", ["step", "round", "iteration"])
def test_rounds_are_named_by_the_column_that_numbers_them(name: str, tmp_path: Path) -> None:
    """As those of a long table."""
    named = [48203 + 10 * t + t % 3 for t in range(R)]
    (tmp_path / "t.csv").write_bytes(text(with_column(wide(), named, name)))
    found = read_measured(str(tmp_path / "t.csv"))
    assert found.names_of_rounds(None).tolist() == named
    assert f"column {name} numbers the rounds, {named[0]} to {named[-1]}" in told(found.assumed)


def test_a_column_of_racks_names_groups_of_workers(tmp_path: Path) -> None:
    """Also several columns, and one that is said; who has none is in no group."""
    rows = with_column(long(), ["b", "a", "b", ""] * R, "zone_id")
    rows = with_column(rows, [2, 10, 2, 10] * R, "cabinet")
    (tmp_path / "t.csv").write_bytes(text(rows))
    zones = {"zone_id a": HOSTS[1:2], "zone_id b": (HOSTS[0], HOSTS[2])}
    found = read_measured(str(tmp_path / "t.csv"))
    assert found.groups == zones
    assert "  groups:   zone_id a, zone_id b (column zone_id)" in told(as_read(found))
    assert "cabinet" in " ".join(told(found.assumed))
    assert "zone_id" not in " ".join(told(found.assumed))
    found = read_measured(str(tmp_path / "t.csv"), Reading(columns={"rack": "cabinet"}))
    assert list(found.groups) == ["cabinet 2", "cabinet 10"]
    (tmp_path / "t.csv").write_bytes(text(with_column(long(), ["Rack7"] * 4 * R, "rack")))
    assert list(read_measured(str(tmp_path / "t.csv")).groups) == ["Rack7"]
    (tmp_path / "t.csv").write_bytes(text(rows))
    np.testing.assert_array_equal(found.tables[None], SECONDS)
    rows[5][1] = "c"
    (tmp_path / "t.csv").write_bytes(text(rows))
    line = "worker gpu-a is in b and c; a worker belongs to one: --drop zone_id"
    check(tmp_path / "t.csv", Reading(), line)
    check(tmp_path / "t.csv", Reading(drop=("zone_id",)), Read(SECONDS, HOSTS))


def test_other_formats_are_looked_through_as_well(tmp_path: Path) -> None:
    indexed = np.column_stack([ROUNDS, SECONDS])
    np.savez(tmp_path / "t.npz", indexed)
    check(tmp_path / "t.npz", Reading(), ASK_INDEX)
    check(tmp_path / "t.npz", Reading(drop=("0",)), Read(SECONDS, ("1", "2", "3", "4")))
    (tmp_path / "t.csv.gz").write_bytes(packed(LONG))
    check(tmp_path / "t.csv.gz", Reading(), WHOLE)
    (tmp_path / "t.tsv").write_bytes(text(wide(), "\t"))
    check(tmp_path / "t.tsv", Reading(), WHOLE)
    frame = pd.DataFrame(LONG[1:], columns=["worker", "round", "seconds"])
    frame = frame.astype({"round": int, "seconds": float})
    frame.set_index(["worker", "round"]).to_parquet(tmp_path / "index.parquet")
    check(tmp_path / "index.parquet", Reading(), WHOLE)
    twice = frame.set_index(["worker", "round"]).rename(columns={"seconds": "round"})
    twice.to_parquet(tmp_path / "twice.parquet")
    check(tmp_path / "twice.parquet", Reading(), "the index and a column are both named 'round'")
    spent = frame.assign(seconds=pd.to_timedelta(frame["seconds"], unit="s"))
    spent.to_parquet(tmp_path / "spent.parquet")
    check(tmp_path / "spent.parquet", Reading(), WHOLE)
    starts = pd.Timestamp("2026-01-31T12:00:00Z") + pd.to_timedelta(frame["round"], unit="h")
    times = frame.assign(start=starts, end=starts + spent["seconds"]).drop(columns="seconds")
    times.to_parquet(tmp_path / "times.parquet")
    check(tmp_path / "times.parquet", Reading(), WHOLE)
    pd.DataFrame(indexed, columns=["step", *HOSTS]).to_parquet(tmp_path / "wide.parquet")
    check(tmp_path / "wide.parquet", Reading(), WHOLE)
    said = read_measured(str(tmp_path / "wide.parquet"), Reading()).assumed
    assert f"column step numbers the rounds, 0 to {R - 1}" in told(said)


@pytest.mark.parametrize("gaps", [(2,), (2, 5), (R,)])
def test_rounds_without_a_number_stay_where_they_are(gaps: tuple[int, ...], tmp_path: Path) -> None:
    rows = changed(with_column(wide(), ROUNDS, "step"), {(row, 0): "" for row in gaps})
    (tmp_path / "t.csv").write_bytes(text(rows))
    check(tmp_path / "t.csv", Reading(columns={"round": "step"}), WHOLE)


@pytest.mark.parametrize(
    ("index", "wanted"),
    [
        (pd.Index(range(5, 5 + R), name="x"), WHOLE),
        (pd.date_range("2026-01-31", periods=R, freq="h", name="when"), WHOLE),
        (pd.Index([f"r{t}" for t in ROUNDS], name="x"), WHOLE),
        (pd.Index([True, False] * (R // 2), name="x"), "column x holds bool"),
        (pd.Index(ROUNDS, name="rank"), "--columns worker=rank"),
    ],
)
def test_an_index_of_numbers_or_moments_orders_the_rounds(
    index: pd.Index, wanted: Read | str, tmp_path: Path
) -> None:
    pd.DataFrame(SECONDS, columns=HOSTS, index=index).to_parquet(tmp_path / "t.parquet")
    check(tmp_path / "t.parquet", Reading(), wanted)


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
    wanted = "if it is a clock that runs on" if clock else Read(table / 1000, HOSTS[:workers])
    check(tmp_path / "t.csv", Reading(), wanted)


def test_samples_that_are_held_are_no_new_measurements(tmp_path: Path) -> None:
    """Sampled every ten seconds, each value shown twice or three times, as those of PAI."""
    rows = [["", "worker", "gpu", "time", "batch_time_norm"]]
    for worker in range(N):
        shown = np.repeat(MILLISECONDS[:, worker], 2 + (worker == 1))
        for place, value in enumerate(shown):
            rows.append([str(len(rows)), str(worker), "25", str(1 + 10 * place), str(value)])
    (tmp_path / "t.csv").write_bytes(text(rows))
    found = read_measured(str(tmp_path / "t.csv"))
    np.testing.assert_array_equal(found.tables[None], MILLISECONDS)
    assert any(note.startswith(f"{R * (N + 1)} of") for note in told(found.notes))
    assert any("normalised" in note for note in told(found.notes))
    mixed = [
        rows[0],
        *sorted(rows[1:], key=lambda row: row[3], reverse=True),
    ]  # in no order of time
    (tmp_path / "t.csv").write_bytes(text(without(mixed, mixed.index(rows[-1]))))
    again = read_measured(str(tmp_path / "t.csv"))
    np.testing.assert_array_equal(again.tables[None], MILLISECONDS)
    for cells, wanted in (
        ({(3, 3): rows[2][3]}, "row 3: a worker was sampled twice at one time; keep one"),
        ({(4, 4): ""}, "row 4: a worker, a time or a batch time is missing"),
        ({(5, 1): ""}, "row 5: a worker, a time or a batch time is missing"),
    ):
        (tmp_path / "t.csv").write_bytes(text(changed(rows, cells)))
        check(tmp_path / "t.csv", Reading(), wanted)


def test_the_worker_with_the_fewest_samples_counts_the_rounds(tmp_path: Path) -> None:
    rows = [["worker", "time", "batch_time"], ["a", "0", "3"], ["b", "0", "4"], ["a", "10", "5"]]
    rows += [["b", "10", "6"], ["a", "20", "7"]]
    (tmp_path / "t.csv").write_bytes(text(rows))
    wanted = Read(
        np.array([[3.0, 4.0], [5.0, 6.0]]), ("a", "b"), ("0 of 5 samples", "1 measurements are")
    )
    check(tmp_path / "t.csv", Reading(unit="s"), wanted)


def test_durations_have_no_other_unit(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,b\n00:00:01,00:00:02.5\n00:00:04.5,00:00:03\n")
    text = r"column a holds durations \(00:00:01\), which say their unit: --unit s, or leave it out"
    with pytest.raises(TableError, match=text):
        read_measured(str(tmp_path / "t.csv"), Reading(unit="ms"))
    table = read_measured(str(tmp_path / "t.csv"), Reading(unit="s")).tables[None]
    np.testing.assert_array_equal(table, [[1.0, 2.5], [4.5, 3.0]])


@pytest.mark.parametrize(
    ("text", "spaced"),
    [
        ("a b|1 2|3 4", True),
        ("a b|1 2", True),
        ("1 2|3 4", True),
        ("a|1 2|3 4", True),  # an index without a name
        ("# a b|1 2|3 4", True),
        ("1 2", True),
        ("a|1|2", False),
        ("a b|c d", False),
        ("a b|1,5 2,5", True),
        ("a b|1,5,2 2", False),
        ("a b|1|2 3", "line 2 has 1, others 2"),
        ("a b c|1 2|3 4", "line 1 has 3, others 2"),
        ("5|1 2|3 4", "line 1 has 1, others 2"),
    ],
)
def test_cells_that_spaces_separate(text: str, spaced: bool | str) -> None:
    lines = text.split("|")
    if isinstance(spaced, bool):
        assert (cells_of(lines)[0] == r"\s+") == spaced
    else:
        with pytest.raises(UnusableFile, match=spaced):
            cells_of(lines)


@pytest.mark.parametrize(
    ("header", "odd"),
    [("a_s,b_s,c", "c"), ("a,b,c_s", ""), ("a_s,b_s,c,d", ""), ("a_s,b", ""), ("a_s,b_s", "")],
)
def test_one_column_of_another_unit_is_odd(header: str, odd: str, tmp_path: Path) -> None:
    table = np.random.default_rng(0).exponential(1.0, (9, header.count(",") + 1)).round(4)
    lines = [header, *(",".join(map(str, row)) for row in table.tolist())]
    (tmp_path / "t.csv").write_text("\n".join(lines))
    if odd:
        with pytest.raises(TableError, match=f"columns {odd} and .* say different units"):
            read_measured(str(tmp_path / "t.csv"))
    else:
        np.testing.assert_array_equal(read_measured(str(tmp_path / "t.csv")).tables[None], table)
