"""Tables as tools write them, each with what it holds: by its names alone it must be read so, or be
refused with a line that leads there. Trainers' logs, ``sacct``, exports of MLflow, W&B,
TensorBoard, Grafana, Ray and Spark, spreadsheets, and what pandas writes.

A *kind* is what a name may be mistaken in. ``all_cases`` is a pure function: numbers come from
generators with a seed."""

from __future__ import annotations

import datetime
import decimal
import gzip
import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

Rng = np.random.Generator
Array = np.ndarray


class Kind(Enum):
    """What the name of a column, or the shape of a table, may be mistaken in."""

    RATE = "a rate is not a duration"
    CLOCK = "a clock is not a duration"
    PART = "a part is not the step"
    FACTOR = "a number before the unit is a factor"
    ROW = "rows that are no measurement"
    REPEATED = "rows that another column tells apart"
    SHAPE = "shapes"
    CONTROL = "ordinary tables"


@dataclass(frozen=True, eq=False)
class Case:
    """A table as it is written, and what it holds.

    With ``seconds`` alone it must be read so, unasked. With ``after`` alone it must be refused, and
    what the line suggests may read one of these; with both, either will do. ``took`` is the column
    of durations, where the first line of a reading must name it."""

    name: str
    kind: Kind
    path: str  # what is given to the reader: a file's name, or a pattern of several
    files: Mapping[str, bytes]
    workers: tuple[str, ...]  # names of the columns of ``seconds``; in ``after`` any order will do
    seconds: Array | None = None  # (rounds, workers)
    after: tuple[Array, ...] = ()  # what an option that the refusal suggests may read
    is_open: bool = False  # it may also be refused without an option that can be tried
    asks: bool = False  # the refusal must suggest an option that can be tried as it stands
    column: str = ""  # what the refusal must name
    took: str = ""
    said: tuple[str, ...] = ()  # words of the file that the lines of a reading must name

    def write(self, folder: Path) -> str:
        """Write the files into a folder; what is to be read."""
        for name, content in self.files.items():
            file = folder / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
        return str(folder / self.path)


# How numbers and names are made.


def pick(rng: Rng, options: Sequence[Any]) -> Any:
    return options[int(rng.integers(len(options)))]


def durations(rng: Rng, rounds: int | None = None, workers: int | None = None) -> Array:
    """Seconds with four digits, ``(rounds, workers)``, in no order."""
    shape = (rounds or int(rng.integers(12, 17)), workers or int(rng.integers(3, 6)))
    return (0.3 + rng.gamma(4, 0.3, shape)).round(4)


class Naming(NamedTuple):
    """How a column of workers is called, and each worker in it; ``None``: by numbers from 0."""

    column: str
    pattern: str | None

    def workers(self, count: int) -> list[Any]:
        if self.pattern is None:
            return [*range(count)]
        return [self.pattern.format(index + 1) for index in range(count)]


NAMINGS = (
    Naming("rank", None),
    Naming("host", "node{}"),
    Naming("worker", "worker-{}"),
    Naming("hostname", "gpu-{:02d}.cluster.local"),
    Naming("dp_rank", None),
    Naming("node", "n{:03d}"),
    Naming("instance", "10.0.0.{}:9100"),
    Naming("Executor ID", None),
    Naming("pod_name", "trainer-{}"),
    Naming("global_rank", None),
)
ROUNDS = ("step", "iteration", "global_step", "round", "batch", "iter", "train_step", "Step")
# Of a worker's column in a wide table, around what was measured.
AROUND = ("node{j}_{m}", "{m}/rank{j}", "{m}_node{j}", "host{j} {m}", "worker-{j}.{m}")
WORKER_OF = {
    "node{j}_{m}": "node{j}",
    "{m}/rank{j}": "rank{j}",
    "{m}_node{j}": "node{j}",
    "host{j} {m}": "host{j}",
    "worker-{j}.{m}": "worker-{j}",
}


# How a frame is written.


class Form(NamedTuple):
    """A file's ending, and its bytes for a frame."""

    ending: str
    write: Callable[[pd.DataFrame], bytes]


def csv(frame: pd.DataFrame, **how: Any) -> bytes:
    return frame.to_csv(index=False, **how).encode()


def parquet(frame: pd.DataFrame) -> bytes:
    held = io.BytesIO()
    frame.to_parquet(held)
    return held.getvalue()


def parquet_table(table: pa.Table) -> bytes:
    held = io.BytesIO()
    pq.write_table(table, held)
    return held.getvalue()


def lines_of_json(frame: pd.DataFrame) -> bytes:
    return frame.to_json(orient="records", lines=True, double_precision=15).encode()


def json_in(orient: str) -> Callable[[pd.DataFrame], bytes]:
    def write(frame: pd.DataFrame) -> bytes:
        return frame.to_json(orient=orient, double_precision=15).encode()

    return write


CSV = Form(".csv", csv)
FORMS = (
    CSV,
    CSV,
    CSV,
    Form(".tsv", lambda frame: csv(frame, sep="\t")),
    Form(".csv", lambda frame: csv(frame, sep=";", decimal=",")),
    Form(".psv", lambda frame: csv(frame, sep="|")),
    Form(".csv.gz", lambda frame: gzip.compress(csv(frame), mtime=0)),
    Form(".jsonl", lines_of_json),
    Form(".json", json_in("records")),
    Form(".parquet", parquet),
)


class Written(NamedTuple):
    """What of a case is its file."""

    path: str
    files: Mapping[str, bytes]
    workers: tuple[str, ...]


def as_file(
    rng: Rng, frame: pd.DataFrame, workers: Iterable[Any], form: Form | None = None
) -> Written:
    """A frame in a file of any form, unless one is said."""
    chosen = form or pick(rng, FORMS)
    path = f"table{chosen.ending}"
    return Written(path, {path: chosen.write(frame)}, tuple(map(str, workers)))


def long_frame(
    table: Array, columns: Mapping[str, Any], naming: Naming, round_name: str
) -> pd.DataFrame:
    """A row per call in the order of rounds; ``columns`` hold ``(rounds, workers)`` cells, or one
    for all."""
    rounds, count = table.shape
    workers = naming.workers(count)
    frame = pd.DataFrame(
        {
            naming.column: [workers[w] for _ in range(rounds) for w in range(count)],
            round_name: np.repeat(np.arange(rounds), count),
        }
    )
    for name, cells in columns.items():
        flat = np.ravel(np.asarray(cells, dtype=object)) if np.ndim(cells) else cells
        frame[name] = flat
    return frame.infer_objects()


def long(
    rng: Rng,
    table: Array,
    columns: Mapping[str, Any],
    naming: Naming | None = None,
    form: Form | None = None,
) -> Written:
    """A long table of any naming and form, its further columns in any order."""
    chosen = naming or pick(rng, NAMINGS)
    shuffled = {str(name): columns[str(name)] for name in rng.permutation([*columns])}
    frame = long_frame(table, shuffled, chosen, pick(rng, ROUNDS))
    return as_file(rng, frame, chosen.workers(table.shape[1]), form)


def wide(
    rng: Rng,
    table: Array,
    measure: str,
    labels: Mapping[str, Any] | None = None,
    form: Form | None = None,
) -> Written:
    """A wide table, in which the name of each column holds what was measured."""
    around = pick(rng, AROUND)
    places = range(1, table.shape[1] + 1)
    names = [around.format(j=place, m=measure) for place in places]
    columns = dict(zip(names, table.T, strict=True))
    frame = pd.DataFrame({**(labels or {}), **columns})
    workers = [WORKER_OF[around].format(j=place) for place in places]
    return as_file(rng, frame, workers, form)


def stamp(second: float) -> str:
    """A moment as ISO 8601 with milliseconds."""
    moment = datetime.datetime(2026, 1, 31, 8) + datetime.timedelta(seconds=float(second))
    return moment.isoformat(timespec="milliseconds")


# Rates.

# A count per time, where the second is written as a unit is.
RATES = (
    *("examples_sec", "imgs_sec", "tokens_sec", "samples_s", "images_s", "steps_sec", "batches_s"),
    *("iters_s", "frames_s", "records_sec", "words_s", "gb_sec", "mib_s", "gbit_s", "mbit_sec"),
    *(
        "req_s",
        "requests_sec",
        "queries_sec",
        "TFLOP/s",
        "tok/s",
        "imgs/sec",
        "seqs_s",
        "updates_s",
    ),
    *("examples/sec/gpu", "tokens/s/device", "rows_ms", "messages_s", "packets_sec", "kB_s"),
    *("steps/min", "samples_hour", "Samples Sec", "tokensSec", "GFLOP_s", "events_sec", "MB/sec"),
)
TOOK = (
    ("duration_ms", 1e3),
    ("step_time_s", 1.0),
    ("elapsed_us", 1e6),
    ("latency [ms]", 1e3),
    ("Duration (s)", 1.0),
    ("iteration_time_ms", 1e3),
    ("took_s", 1.0),
    ("step_sec", 1.0),
)


def rates(rng: Rng) -> Iterator[Case]:
    for index, rate in enumerate(RATES):
        table = durations(rng)
        speed = (64 / table).round(4)
        if index % 3 == 0:
            yield Case(
                f"long, only {rate}",
                Kind.RATE,
                *long(rng, table, {rate: speed, "loss": 2.5}),
                column=rate,
            )
        elif index % 3 == 1:
            took, units = pick(rng, TOOK)
            columns = {rate: speed, took: (table * units).round(3)}
            seconds = columns[took] / units
            yield Case(
                f"long, {rate} beside {took}",
                Kind.RATE,
                *long(rng, table, columns),
                seconds=seconds,
                column=took,
            )
        else:
            step = {"step": range(len(table))} if index % 2 else {}
            yield Case(f"wide {rate}", Kind.RATE, *wide(rng, speed, rate, step), column=rate)
    for rate in ("images_sec", "ops_sec", "tokens_s", "mb_sec"):
        yield tidy_rates(rng, rate)
    for rate in ("Throughput(samples/sec)", "MBps", "img_per_s", "kiB/s", "calls_sec", "tasks_s"):
        table = durations(rng)
        columns = {rate: (64 / table).round(4), "duration": table}
        # The rate's second is not the unit of what stands beside it.
        yield Case(
            f"long, {rate} beside duration",
            Kind.RATE,
            *long(rng, table, columns),
            seconds=table,
            column="duration",
            took="duration",
        )
    for rate in ("images_sec", "tokens_s"):
        table = durations(rng)
        held = io.BytesIO()
        np.savez(held, **{rate: 64 / table})
        yield Case(
            f"NPZ, array {rate}",
            Kind.RATE,
            "table.npz",
            {"table.npz": held.getvalue()},
            tuple(map(str, range(table.shape[1]))),
            column=rate,
        )
    for rate in ("steps_s", "batches_sec"):
        one = rate.replace("steps", "step").replace("batches", "batch")
        table = durations(rng)
        yield Case(
            f"long, {one} beside {rate}",
            Kind.RATE,
            *long(rng, table, {rate: (1 / table).round(4), one: table}),
            seconds=table,
            column=one,
            took=one,
        )


def tidy_rates(rng: Rng, rate: str) -> Case:
    """A row per metric, as MLflow and W&B export them: one of them is a rate."""
    table = durations(rng)
    naming = pick(rng, NAMINGS)
    key = pick(rng, ("key", "metric", "tag"))
    took = long_frame(table, {key: "step_time_s", "value": table}, naming, "step")
    speed = long_frame(table, {key: rate, "value": (64 / table).round(3)}, naming, "step")
    frame = pd.concat([speed, took], ignore_index=True)
    return Case(
        f"tidy, {rate} and step_time_s",
        Kind.RATE,
        *as_file(rng, frame, naming.workers(table.shape[1])),
        after=(table,),
        asks=True,
        column=key,
    )


# Clocks.

CLOCKS = (
    ("since_start", 1.0),
    ("time_since_start_s", 1.0),
    ("seconds_since_launch", 1.0),
    ("ms_since_begin", 1e3),
    ("uptime", 1.0),
    ("uptime_ms", 1e3),
    ("system_uptime_s", 1.0),
    ("monotonic", 1.0),
    ("monotonic_ns", 1e9),
    ("wall_clock", 1.0),
    ("wall_clock_ms", 1e3),
    ("wallclock_s", 1.0),
    ("clock", 1.0),
    ("clock_us", 1e6),
    ("Relative Time (Process)", 1.0),
    ("Relative Time (Wall)", 1.0),
    ("relative_time_s", 1.0),
    ("process_uptime_seconds", 1.0),
)
MOMENTS = (
    ("timestamp", 1.0),
    ("timestamp_ms", 1e3),
    ("_timestamp", 1.0),
    ("Wall time", 1.0),
    ("unix_time", 1.0),
    ("unixtime_ms", 1e3),
    ("epoch_ms", 1e3),
    ("epoch_seconds", 1.0),
    ("ts_us", 1e6),
    ("@timestamp", 0.0),
    ("datetime", 0.0),
    ("logged_at", 0.0),
    ("time_utc", 0.0),
)


def ticking(rng: Rng, rounds: int | None = None) -> Array:
    """Seconds of a clock at the end of each step, in sixty-fourths, which are exact also when
    they are counted since 1970."""
    took = np.round(64 * durations(rng, rounds)) / 64
    return np.cumsum(took, axis=0) + np.round(64 * rng.uniform(1, 9)) / 64


def in_units(clock: Array, units: float) -> Array:
    """A clock in such units, or as moments in texts if there are none to a second."""
    if not units:
        return np.array([[stamp(cell) for cell in row] for row in np.round(clock, 3)], dtype=object)
    if units == 1.0:
        return clock
    return np.round(clock * units).astype(np.int64)


def steps_of(clock: Array, units: float) -> Array:
    """Seconds between rows of a worker, as they were written."""
    if not units:
        return np.diff(np.round(clock, 3), axis=0)
    return np.diff(in_units(clock, units), axis=0) / units


def without_rounds(table: Array) -> Array:
    """The rounds in which no cell is missing."""
    return table[np.isfinite(table).all(axis=1)]


def with_gaps(table: Array) -> tuple[Array, ...]:
    """What options may make of missing cells."""
    return (without_rounds(table), np.where(np.isfinite(table), table, np.inf))


def clocks(rng: Rng) -> Iterator[Case]:
    for index, (clock_name, units) in enumerate((*CLOCKS, *MOMENTS)):
        clock = ticking(rng, 8 if index % 4 == 1 else None)
        clock = clock + 1.75e9 if (clock_name, units) in MOMENTS and units else clock
        columns = {clock_name: in_units(clock, units)}
        if index % 3 == 2:
            table = durations(rng, *clock.shape)
            took, per_second = pick(rng, TOOK)
            columns[took] = (table * per_second).round(3)
            yield Case(
                f"long, {clock_name} beside {took}",
                Kind.CLOCK,
                *long(rng, table, columns),
                seconds=columns[took] / per_second,
                column=took,
            )
        else:
            yield Case(
                f"long, only {clock_name}",
                Kind.CLOCK,
                *long(rng, clock, columns),
                seconds=steps_of(clock, units),
                column=clock_name,
            )
    for clock_name in ("since_start_s", "uptime_s", "seconds_since_start"):
        yield from odd_clocks(rng, clock_name)
    for clock_name in ("elapsed_time_s", "walltime", "time_elapsed_s", "elapsed_seconds", "time_s"):
        yield from clocks_or_not(rng, clock_name)
    for clock_name in ("elapsed_s", "wall_time_s"):
        clock = ticking(rng, 8)
        yield Case(
            f"long, {clock_name} only grows in 8 rounds",
            Kind.CLOCK,
            *long(rng, clock, {clock_name: clock}),
            after=(np.diff(clock, axis=0), clock),
            asks=True,
            column=clock_name,
        )
        table = durations(rng)
        table[:, 0] = np.sort(table[:, 0])
        yield Case(
            f"long, {clock_name} grows for one worker alone",
            Kind.CLOCK,
            *long(rng, table, {clock_name: table}),
            seconds=table,
            column=clock_name,
            took=clock_name,
        )
    table = durations(rng)
    ended = np.cumsum(table, axis=0).round(4)
    # The Ray Tune trainer counts up beside the duration of each iteration.
    yield Case(
        "long, time_since_restore beside time_this_iter_s",
        Kind.CLOCK,
        *long(rng, table, {"time_this_iter_s": table, "time_since_restore": ended}),
        seconds=table,
        column="time_this_iter_s",
        took="time_this_iter_s",
    )
    for clock_name in ("uptime_s", "since_start", "wall_clock_ms"):
        units = 1e3 if clock_name.endswith("ms") else 1.0
        clock = ticking(rng)
        yield Case(
            f"wide {clock_name}",
            Kind.CLOCK,
            *wide(rng, in_units(clock, units), clock_name),
            seconds=steps_of(clock, units),
            after=(steps_of(clock, units),),
            column=clock_name,
        )
    for label in ("Relative Time (Process)", "Relative Time (Wall)", "uptime_s", "since_start"):
        table = durations(rng, rounds=14)
        when = {label: (np.arange(14) * 60.5 + 3.25).tolist()}
        yield Case(
            f"wide, beside {label}",
            Kind.CLOCK,
            *wide(rng, table, pick(rng, ("step_time_s", "step_time", "duration_s")), when),
            seconds=table,
            column=label,
        )


def odd_clocks(rng: Rng, name: str) -> Iterator[Case]:
    """Clocks of which a worker begins again, has a gap, or ticks too slowly."""
    clock = ticking(rng)
    clock[5:, 1] -= clock[5, 1] - 0.25
    steps = np.diff(clock, axis=0)
    steps[4, 1] = np.nan
    yield Case(
        f"long, {name}, a worker restarts",
        Kind.CLOCK,
        *long(rng, clock, {name: clock}),
        seconds=without_rounds(steps),
        after=with_gaps(steps),
        column=name,
        said=(name,),
    )
    clock = ticking(rng)
    clock[6:] -= clock[6].max() - 0.25
    clock[6:] += clock[6].max() - clock[6].min()
    steps = np.diff(clock, axis=0)
    steps[5] = np.nan
    yield Case(
        f"long, {name}, all restart",
        Kind.CLOCK,
        *long(rng, clock, {name: clock}),
        seconds=without_rounds(steps),
        after=(without_rounds(steps),),
        column=name,
        said=(name,),
    )
    clock = ticking(rng)
    clock[4, 0] = clock[3, 0]
    steps = np.diff(clock, axis=0)
    yield Case(
        f"long, {name}, two rows tie",
        Kind.CLOCK,
        *long(rng, clock, {name: clock}),
        seconds=steps,
        after=(np.where(steps > 0, steps, np.inf), steps[(steps > 0).all(axis=1)]),
        column=name,
    )
    clock = ticking(rng)
    clock[5, 2] = np.nan
    steps = np.diff(clock, axis=0)
    yield Case(
        f"long, {name}, a cell is missing",
        Kind.CLOCK,
        *long(rng, clock, {name: clock}, form=CSV),
        seconds=without_rounds(steps),
        after=with_gaps(steps),
        column=name,
    )


def clocks_or_not(rng: Rng, name: str) -> Iterator[Case]:
    """Names that may be a duration or a clock: where they only grow within each worker, the
    line asks."""
    clock = ticking(rng)
    yield Case(
        f"long, {name} only grows",
        Kind.CLOCK,
        *long(rng, clock, {name: clock}),
        after=(np.diff(clock, axis=0), clock),
        asks=True,
        column=name,
    )
    table = durations(rng)
    yield Case(
        f"long, {name} of calls",
        Kind.CLOCK,
        *long(rng, table, {name: table}),
        seconds=table,
        column=name,
    )


# Parts of a step.

WAITS = (
    *("barrier_wait_s", "stall_ms", "blocked_time_s", "idle_seconds", "queue_delay_ms", "wait_s"),
    *("sync_wait_us", "time_in_queue_s", "waiting_time_ms", "Fetch Wait Time (ms)", "sleep_s"),
    *("Scheduler Delay (ms)", "queueing_ms", "pending_time_s", "lock_wait_us", "idle (ms)"),
)
REMAINING = (
    *("remaining_s", "time_remaining_s", "seconds_left", "ETA (s)", "time_to_completion_s"),
    *("secs_left", "countdown_s", "time_left_ms", "ms_to_go", "est_time_left_s"),
)
COMPUTING = (
    *("compute_s", "compute_time_ms", "forward_time_ms", "fwd_bwd_ms", "backward_s", "kernel_ms"),
    *("forward-backward (ms)", "computation_us", "forward_backward_s", "compute_ns"),
)
# A part, and the whole beside it.
BESIDE = (
    ("data_time", "batch_time"),
    ("data_time_s", "iter_time_s"),
    ("wait_ms", "step_ms"),
    ("idle_s", "duration_s"),
    ("forward_ms", "iteration_time_ms"),
    ("optimizer_ms", "step_time_ms"),
    ("GC Time (ms)", "Duration (ms)"),
    ("Scheduler Delay (ms)", "Duration (ms)"),
    ("eta_s", "step_time_s"),
    ("time_left_s", "took_s"),
    ("compute_s", "round_time_s"),
    ("io_ms", "elapsed_ms"),
    ("queue_time_s", "latency_s"),
    ("queue_s", "runtime_s"),
    ("fwd_ms", "batch_ms"),
    ("dataloader_us", "step_us"),
    ("barrier_s", "seconds"),
    ("load_time_ms", "train_step_time_ms"),
)


def units_in(name: str) -> float:
    """How many of the unit that a name of these lists ends with make a second."""
    bare = name.rstrip(")]").replace("(", " ").replace("[", " ").replace("_", " ").split()
    return {"ms": 1e3, "us": 1e6, "ns": 1e9}.get(bare[-1], 1e3 if bare[0] == "ms" else 1.0)


def parts(rng: Rng) -> Iterator[Case]:
    for wait in WAITS:
        table = durations(rng)
        cells = (table * units_in(wait)).round(3)
        yield Case(
            f"long, only {wait}",
            Kind.PART,
            *long(rng, table, {wait: cells}),
            after=(cells / units_in(wait),),
            asks=True,
            column=wait,
        )
    for left in REMAINING:
        table = durations(rng)
        left_cells = (table * units_in(left)).round(3)
        yield Case(
            f"long, only {left}",
            Kind.PART,
            *long(rng, table, {left: left_cells}),
            after=(left_cells / units_in(left),),
            column=left,
        )
    for own in COMPUTING:
        table = durations(rng)
        cells = (table * units_in(own)).round(3)
        yield Case(
            f"long, only {own}",
            Kind.PART,
            *long(rng, table, {own: cells, "loss": 0.5}),
            seconds=cells / units_in(own),
            column=own,
            said=(own,),
        )
    for part, whole in BESIDE:
        yield part_beside_whole(rng, part, whole)
    for own, wait in (("compute_ms", "wait_ms"), ("compute_s", "idle_s"), ("fwd_bwd_s", "stall_s")):
        table = durations(rng)
        cells = (table * units_in(own)).round(3)
        waits = (0.4 * cells).round(2)
        yield Case(
            f"long, {own} beside {wait}",
            Kind.PART,
            *long(rng, table, {own: cells, wait: waits}),
            seconds=cells / units_in(own),
            after=(cells / units_in(own), (cells + waits) / units_in(own)),
            column=own,
            said=(own, wait),
        )
    yield from several_parts(rng)


def part_beside_whole(rng: Rng, part: str, whole: str) -> Case:
    """The whole step is read, and the part is said not to be."""
    table = durations(rng)
    share = rng.uniform(0.1, 0.6, table.shape)
    columns = {
        part: (share * table * units_in(part)).round(3),
        whole: (table * units_in(whole)).round(3),
    }
    return Case(
        f"long, {part} beside {whole}",
        Kind.PART,
        *long(rng, table, columns),
        seconds=columns[whole] / units_in(whole),
        column=part,
        said=(part,),
    )


def several_parts(rng: Rng) -> Iterator[Case]:
    """Several parts of each step, with and without the whole."""
    for names, whole in (
        (("fwd_ms", "bwd_ms", "step_ms"), ""),
        (("forward_ms", "backward_ms", "step_ms"), ""),
        (("fwd_microstep_ms", "bwd_microstep_ms", "step_microstep_ms"), ""),
        (("forward_s", "backward_s"), ""),
        (("data_s", "forward_s", "backward_s", "optimizer_s"), ""),
        (("data_s", "forward_s", "backward_s", "optimizer_s"), "batch_time_s"),
        (("fwd_ms", "bwd_ms", "opt_ms"), "iter_ms"),
        (("data_ms", "fwd_ms", "bwd_ms", "step_ms"), "iter_time_ms"),
        (("load_us", "compute_us"), "duration_us"),
    ):
        units = units_in(names[0])
        table = durations(rng)
        split = rng.dirichlet(np.full(len(names), 4.0), table.shape)
        columns = {
            name: (split[..., place] * table * units).round(2) for place, name in enumerate(names)
        }
        total = np.sum([*columns.values()], axis=0)
        if whole:
            columns[whole] = (total * 1.05).round(2)
        truth = columns[whole] / units if whole else total / units
        yield Case(
            f"long, {'+'.join(names)}{f' beside {whole}' if whole else ''}",
            Kind.PART,
            *long(rng, table, columns),
            seconds=truth,
            after=() if whole else (truth,),
            column=names[0],
            said=(names[0],),
        )
    for part, whole in (("wait_ms", "step_ms"), ("data_time", "step_time"), ("idle_s", "iter_s")):
        table = durations(rng, workers=4)
        other = (0.3 * table).round(3)
        scale = units_in(part)
        columns = {}
        for place in range(4):
            columns[f"node{place}_{whole}"] = (table[:, place] * scale).round(3)
            columns[f"node{place}_{part}"] = (other[:, place] * scale).round(3)
        steps = np.column_stack([columns[f"node{place}_{whole}"] for place in range(4)]) / scale
        waits = np.column_stack([columns[f"node{place}_{part}"] for place in range(4)]) / scale
        yield Case(
            f"wide, {part} beside {whole}",
            Kind.PART,
            *as_file(rng, pd.DataFrame(columns), [f"node{place}" for place in range(4)], CSV),
            seconds=steps,
            after=(steps, waits),
            asks=True,
            column=part,
        )


# Factors before a unit.

FACTORS = (
    ("Duration (10 ms)", 1e-2),
    ("step time [100 us]", 1e-4),
    ("duration (100 ns)", 1e-7),
    ("elapsed_100ns", 1e-7),
    ("latency (0.1 ms)", 1e-4),
    ("duration_10ms", 1e-2),
    ("Time [10 us]", 1e-5),
    ("ms_per_10_steps", 1e-4),
    ("ms/20 steps", 5e-5),
    ("s_per_100_batches", 1e-2),
    ("sec per 1000 iterations", 1e-3),
    ("time_per_50_steps_s", 0.02),
    ("us per 25 batches", 4e-8),
    ("seconds per 4 rounds", 0.25),
    ("Time per 2 rounds (ms)", 5e-4),
    ("Runtime (1e-3 s)", 1e-3),
    ("step_time (x100 us)", 1e-4),
    ("batch time in 10 ms", 1e-2),
    ("seconds_per_5_iters", 0.2),
    ("iteration time (5 ms)", 5e-3),
    ("ms per 100 it", 1e-5),
)
# What the number is, or whether it multiplies or divides, is not said.
UNCLEAR = (
    "ms_per_N_steps",
    "seconds per k iterations",
    "time_us_x10",
    "duration_x100_ms",
    "time (tens of ms)",
    "ms per few steps",
)
FACTORS_OF_WORKERS = (
    ("node{j} (10 ms)", "node{j}", 1e-2),
    ("rank{j} [100 us]", "rank{j}", 1e-4),
    ("step time of host{j} (10 ms)", "host{j}", 1e-2),
    ("node{j} ms per 10 steps", "node{j}", 1e-4),
    # Here the number is the worker's.
    ("rank_{j}_ms", "rank_{j}", 1e-3),
    ("gpu {j} ms", "gpu {j}", 1e-3),
    ("worker-{j} (ms)", "worker-{j}", 1e-3),
    ("node 1{j} us", "node 1{j}", 1e-6),
)


def factors(rng: Rng) -> Iterator[Case]:
    for name, factor in FACTORS:
        table = durations(rng)
        cells = (table / factor).round(2)
        columns = {name: cells, "loss": 1.5} if rng.integers(2) else {name: cells}
        yield Case(
            f"long, {name}",
            Kind.FACTOR,
            *long(rng, table, columns),
            seconds=cells * factor,
            column=name,
            said=(name,),
        )
    for name in UNCLEAR:
        table = durations(rng)
        yield Case(
            f"long, {name}", Kind.FACTOR, *long(rng, table, {name: 1e3 * table}), column=name
        )
    for pattern, worker, factor in FACTORS_OF_WORKERS:
        table = durations(rng)
        cells = (table / factor).round(2)
        places = range(1, table.shape[1] + 1)
        columns = {pattern.format(j=place): cells[:, place - 1] for place in places}
        labels = {"step": range(len(table))} if rng.integers(2) else {}
        workers = [worker.format(j=place) for place in places]
        yield Case(
            f"wide, {pattern}",
            Kind.FACTOR,
            *as_file(rng, pd.DataFrame({**labels, **columns}), workers),
            seconds=cells * factor,
            column=pattern.format(j=1),
        )
    for took, factor in (
        ("duration_ms", 1e-3),
        ("time_per_step_s", 1.0),
        ("ms_per_batch", 1e-3),
        # A number in a word is no factor, and neither is that of a version.
        ("duration_v2_ms", 1e-3),
        ("step_time_t4_s", 1.0),
        ("latency_h100_ms", 1e-3),
        ("duration_fp16_ms", 1e-3),
        ("iter_time_bf16_s", 1.0),
        ("ms_per_1_step", 1e-3),
    ):
        table = durations(rng)
        cells = (table / factor).round(3)
        yield Case(
            f"long, {took} without a factor",
            Kind.FACTOR,
            *long(rng, table, {took: cells}),
            seconds=cells * factor,
            column=took,
            took=took,
        )
    for took, factor in (("10_step_time_ms", 1e-4), ("time for 10 steps (s)", 0.1)):
        table = durations(rng)
        cells = (table / factor).round(3)
        yield Case(
            f"long, {took}",
            Kind.FACTOR,
            *long(rng, table, {took: cells}),
            seconds=cells * factor,
            after=(cells * factor,),
            is_open=True,
            column=took,
        )
    yield from units_beside(rng)


def units_beside(rng: Rng) -> Iterator[Case]:
    """A factor in the second row of a spreadsheet, and in a column of units."""
    table = durations(rng)
    cells = (100 * table).round(2)
    naming = Naming("host", "node{}")
    frame = long_frame(table, {"duration": cells}, naming, "step")
    head, *body = csv(frame, sep=";").decode().splitlines()
    text = "\n".join((head, ";;(10 ms)", *body)) + "\n"
    workers = tuple(naming.workers(table.shape[1]))
    yield Case(
        "long, a second row of units, (10 ms)",
        Kind.FACTOR,
        "table.csv",
        {"table.csv": text.encode()},
        workers,
        seconds=cells / 100,
        after=(cells / 100,),
        is_open=True,
        column="10 ms",
    )
    yield Case(
        "long, a column unit of 10 ms",
        Kind.FACTOR,
        *as_file(rng, frame.assign(unit="10 ms"), workers, CSV),
        seconds=cells / 100,
        after=(cells / 100,),
        is_open=True,
        column="10 ms",
    )


# Rows that are no measurement.

SUMMARIES: tuple[tuple[str, ...], ...] = (
    ("TOTAL",),
    ("mean",),
    ("std dev",),
    ("p99",),
    ("Average", "Std. Dev."),
    ("count", "mean", "std", "min", "25%", "50%", "75%", "max"),
    ("Grand Total",),
    ("median", "p95"),
    ("AVG:", "MAX:"),
    ("Sum",),
    ("overall",),
    ("min", "max"),
)
FAILURES = (
    ("status", "OK", "OOMKilled"),
    ("state", "COMPLETED", "NODE_FAIL"),
    ("State", "COMPLETED", "CANCELLED by 1001"),
    ("exit_code", 0, 137),
    ("ExitCode", "0:0", "1:0"),
    ("ExitCode", "0:0", "0:9"),
    ("result", "success", "error"),
    ("status", "Succeeded", "Evicted"),
    ("state", "FINISHED", "FAILED"),
    ("Status", "SUCCESS", "KILLED"),
    ("outcome", "ok", "nan_loss_error"),
    ("state", "memory", "erred"),
    ("returncode", 0, -9),
    ("success", True, False),
    ("http_status", 200, 503),
    ("status", "done", "Error: CUDA out of memory"),
    ("task_status", "Completed", "Failed"),
    ("Pod Status", "Completed", "CrashLoopBackOff"),
    ("failed", False, True),
    ("exit_status", "0", "SIGKILL"),
    ("final_state", "finished", "crashed"),
    ("job_state", "COMPLETED", "TIMEOUT"),
)


# In place of a number: a word, or words of which one says that the call failed.
FAILED_WORDS = (
    *("OOMKilled", "error", "failed", "timeout", "CANCELLED by 1001", "Error: CUDA out of memory"),
    *("SIGKILL", "killed (OOM)", "NODE_FAIL", "exit 137", "failed: NCCL", "time out", "lost"),
)


def rows_of_no_measurement(rng: Rng) -> Iterator[Case]:
    for index, labels in enumerate(SUMMARIES):
        yield summaries_of_steps(rng, labels)
        yield (summaries_of_ranks if index % 2 else wide_summaries)(rng, labels)
    for column, good, bad in FAILURES:
        yield failed_calls(rng, column, good, bad)
    for word in ("OOMKilled", "NODE_FAIL", "cancelled", "error", "DNF", "timed out", "n/a"):
        yield failed_cells(rng, word)
    for word in FAILED_WORDS:
        yield from failed_cells_of_workers(rng, word)
    yield dead_worker(rng)
    for status, bad, good in (
        ("status", "FAILED", "COMPLETED"),
        ("result", "error", "success"),
        ("exit_code", 1, 0),
    ):
        yield calls_tried_again(rng, status, bad, good)


def summaries_of_steps(rng: Rng, labels: Sequence[str]) -> Case:
    """Below the calls, rows whose step is called as a summary is, one for each worker."""
    table = durations(rng)
    naming = pick(rng, NAMINGS)
    round_name = pick(rng, ROUNDS)
    frame = long_frame(table, {"duration_s": table}, naming, round_name)
    workers = naming.workers(table.shape[1])
    below = [
        pd.DataFrame(
            {
                naming.column: workers,
                round_name: label,
                "duration_s": (table.mean(axis=0) * (place + 1)).round(4),
            }
        )
        for place, label in enumerate(labels)
    ]
    frame = pd.concat([frame.astype({round_name: object}), *below], ignore_index=True)
    form = pick(rng, [form for form in FORMS if form.ending != ".parquet"])
    return Case(
        f"long, rows {', '.join(labels)} of {round_name}",
        Kind.ROW,
        *as_file(rng, frame, workers, form),
        seconds=table,
        column=labels[0],
        said=(labels[0],),
    )


def summaries_of_ranks(rng: Rng, labels: Sequence[str]) -> Case:
    """After the calls of each step, rows whose worker is called as a summary is."""
    table = durations(rng)
    naming = pick(rng, NAMINGS)
    frame = long_frame(table, {"step_time_ms": (1e3 * table).round(1)}, naming, "step")
    workers = naming.workers(table.shape[1])
    below = [
        pd.DataFrame(
            {
                naming.column: label,
                "step": range(len(table)),
                "step_time_ms": (1e3 * table.mean(axis=1) * (place + 1)).round(1),
            }
        )
        for place, label in enumerate(labels)
    ]
    frame = pd.concat([frame.astype({naming.column: object}), *below], ignore_index=True)
    frame = frame.sort_values("step", kind="stable")
    form = pick(rng, [form for form in FORMS if form.ending != ".parquet"])
    return Case(
        f"long, rows {', '.join(labels)} of {naming.column}",
        Kind.ROW,
        *as_file(rng, frame, workers, form),
        seconds=table,
        column=labels[0],
        said=(labels[0],),
    )


def wide_summaries(rng: Rng, labels: Sequence[str]) -> Case:
    """Rows below the rounds, in a table with a column per worker."""
    table = durations(rng)
    workers = [f"node{place}" for place in range(1, table.shape[1] + 1)]
    label_name = pick(rng, ("step", "Round", "iteration", ""))
    frame = pd.DataFrame(table, columns=workers)
    frame.insert(0, label_name, [*map(str, range(len(table)))])
    below = [
        [label, *(table.mean(axis=0) * (place + 1)).round(4)] for place, label in enumerate(labels)
    ]
    frame = pd.concat([frame, pd.DataFrame(below, columns=frame.columns)], ignore_index=True)
    return Case(
        f"wide, rows {', '.join(labels)} of {label_name or 'a nameless column'}",
        Kind.ROW,
        *as_file(rng, frame, workers, pick(rng, FORMS[:6])),
        seconds=table,
        column=labels[0],
        said=(labels[0],),
    )


def failed_calls(rng: Rng, column: str, good: Any, bad: Any) -> Case:
    """Two calls failed, as another column says: their delays are missing."""
    table = durations(rng)
    ended = np.full(table.shape, good, dtype=object)
    gone = table.copy()
    for place in (1, 4):
        worker = int(rng.integers(table.shape[1]))
        ended[place, worker] = bad
        gone[place, worker] = np.nan
    table = np.where(np.isnan(gone), (0.01 * table).round(4), table)
    return Case(
        f"long, {column} is {bad} of two",
        Kind.ROW,
        *long(rng, table, {"duration_s": table, column: ended}),
        after=with_gaps(gone),
        asks=True,
        column=column,
    )


def failed_cells(rng: Rng, word: str) -> Case:
    """Two calls failed, as a word in place of their duration says."""
    table = durations(rng)
    gone = table.copy()
    cells = table.astype(object)
    for place in (2, 5):
        worker = int(rng.integers(table.shape[1]))
        gone[place, worker] = np.nan
        cells[place, worker] = word
    return Case(
        f"long, {word} in two cells",
        Kind.ROW,
        *long(rng, table, {"duration_s": cells}, form=pick(rng, FORMS[:4])),
        after=with_gaps(gone),
        asks=True,
    )


def failed_cells_of_workers(rng: Rng, word: str) -> Iterator[Case]:
    """Words in place of durations in a table with a column per worker, perhaps in its first row."""
    for labels, rows in (({}, (2, 5)), ({"step": range(12)}, (3, 7)), ({}, (0, 4))):
        table = durations(rng, 12)
        measure = pick(rng, ("step_time_s", "duration_s"))
        gone = table.copy()
        cells = table.astype(object)
        for place in rows:
            worker = int(rng.integers(table.shape[1]))
            gone[place, worker] = np.nan
            cells[place, worker] = word
        yield Case(
            f"wide, {word} in rows {rows}",
            Kind.ROW,
            *wide(rng, cells, measure, labels, pick(rng, FORMS[:4])),
            after=with_gaps(gone),
            asks=True,
        )


def dead_worker(rng: Rng) -> Case:
    """A worker that failed in the first round and did not come back."""
    table = durations(rng, 12, 4)
    cells = table.astype(object)
    cells[:, 1] = "OOMKilled"
    gone = table.copy()
    gone[:, 1] = np.inf
    return Case(
        "wide, OOMKilled in every row of a worker",
        Kind.ROW,
        *wide(rng, cells, "step_time_s", {"step": range(12)}, CSV),
        after=(gone,),
        asks=True,
    )


def calls_tried_again(rng: Rng, status: str, bad: Any, good: Any) -> Case:
    """Two calls failed and were tried again: what counts is the one that did not fail."""
    table = durations(rng)
    naming = pick(rng, NAMINGS)
    frame = long_frame(table, {"duration_s": table, "attempt": 1, status: good}, naming, "step")
    again = frame.iloc[[3, 8]]
    first = again.assign(**{"attempt": 0, status: bad, "duration_s": 0.125})
    tries = pd.concat([frame.drop(index=again.index).assign(attempt=0), first, again])
    added = table.copy()
    added.ravel()[[3, 8]] += 0.125
    return Case(
        f"long, tried again where {status} is {bad}",
        Kind.ROW,
        *as_file(rng, tries, naming.workers(table.shape[1])),
        seconds=table,
        after=(table, added),
    )


# Rows that another column tells apart.

INNER = (
    ("host", "local_rank", 2),
    ("node", "gpu", 4),
    ("hostname", "device_index", 2),
    ("host", "gpu_id", 3),
    ("node", "cuda_device", 2),
    ("machine", "slot", 2),
    ("host", "process", 3),
    ("node", "thread", 2),
    ("hostname", "local_rank", 4),
    ("pod", "container", 2),
)
OUTER = (
    ("epoch", "step"),
    ("epoch", "batch"),
    ("Epoch", "iteration"),
    ("epoch_idx", "iter"),
    ("cycle", "step"),
    ("generation", "round"),
    ("pass", "batch"),
    ("fold", "step"),
)
FILTERS = (
    ("phase", ("train", "eval")),
    ("task", ("encode", "decode")),
    ("mode", ("train", "val")),
    ("split", ("train", "test")),
    ("stage", ("map", "reduce")),
    ("op", ("matmul", "reduce")),
    ("phase", ("forward", "backward")),
    ("task_type", ("map", "shuffle", "reduce")),
)


def told_apart(rng: Rng) -> Iterator[Case]:
    for outer, inner, count in INNER:
        yield several_ranks_of_a_host(rng, outer, inner, count)
    for outer, inner in OUTER:
        yield rounds_in_epochs(rng, outer, inner, in_order=True)
    for outer, inner in OUTER[:3]:
        yield rounds_in_epochs(rng, outer, inner, in_order=False)
    for column, values in FILTERS:
        yield several_phases(rng, column, values)
    for outer, inner in (("host", "local_rank"), ("node", "gpu"), ("machine", "slot")):
        yield several_ranks_of_a_host(rng, outer, inner, 2, with_decoys=True)
    for task in ("task", "microbatch", "chunk"):
        yield several_tasks(rng, task)


def several_ranks_of_a_host(
    rng: Rng, outer: str, inner: str, count: int, with_decoys: bool = False
) -> Case:
    """A host has several ranks; decoys are columns that tell all rows apart, or none."""
    hosts = 3
    table = durations(rng, workers=hosts * count)
    rows = [
        (f"node{host + 1}", rank, step, round(1e3 * table[step, host * count + rank], 1))
        for step in range(len(table))
        for host in range(hosts)
        for rank in range(count)
    ]
    frame = pd.DataFrame(rows, columns=[outer, inner, "step", "duration_ms"])
    if with_decoys:
        frame = frame.assign(loss=np.linspace(3, 1, len(frame)).round(6), seed=7, device="cuda")
    # One rank of each host, or all as rounds of the hosts: no other reading keeps a call whole.
    one_rank = [table[:, rank::count] for rank in range(count)]
    as_rounds = table.reshape(len(table), hosts, count).transpose(0, 2, 1).reshape(-1, hosts)
    return Case(
        f"long, {inner} within {outer}{', beside decoys' if with_decoys else ''}",
        Kind.REPEATED,
        *as_file(rng, frame[[*rng.permutation(frame.columns)]], []),
        after=(table, *one_rank, as_rounds),
        asks=True,
        column=inner,
    )


def rounds_in_epochs(rng: Rng, outer: str, inner: str, in_order: bool) -> Case:
    epochs, steps, workers = 3, 6, 4
    table = durations(rng, epochs * steps, workers)
    naming = pick(rng, NAMINGS)
    frame = long_frame(table, {"duration_s": table}, naming, inner)
    frame.insert(1, outer, frame[inner] // steps)
    frame[inner] %= steps
    if not in_order:
        frame = frame.sort_values([inner, outer], kind="stable")
    one_epoch = [table[epoch * steps : (epoch + 1) * steps] for epoch in range(epochs)]
    return Case(
        f"long, {inner} within {outer}{'' if in_order else ', by ' + inner}",
        Kind.REPEATED,
        *as_file(rng, frame, naming.workers(workers)),
        seconds=table,
        after=(table, *one_epoch),
        asks=True,
        column=outer,
    )


def several_phases(rng: Rng, column: str, values: Sequence[str]) -> Case:
    workers = 4
    tables = [durations(rng, 12, workers) for _ in values]
    naming = pick(rng, NAMINGS)
    frames = [
        long_frame(table, {column: value, "took_s": table}, naming, "step")
        for value, table in zip(values, tables, strict=True)
    ]
    frame = pd.concat(frames, ignore_index=True)
    if rng.integers(2):
        frame = frame.sort_values("step", kind="stable", ignore_index=True)
    return Case(
        f"long, {column} is one of {', '.join(values)}",
        Kind.REPEATED,
        *as_file(rng, frame, naming.workers(workers)),
        after=tuple(tables),
        asks=True,
        column=column,
    )


def several_tasks(rng: Rng, task: str) -> Case:
    """A worker does numbered tasks in each step: each is a round, or a worker's own, or alone."""
    steps, workers, tasks = 8, 4, 3
    table = durations(rng, steps * tasks, workers)
    naming = pick(rng, NAMINGS)
    frame = long_frame(table, {"took_ms": (1e3 * table).round(1)}, naming, "step")
    frame.insert(2, task, frame["step"] % tasks)
    frame["step"] //= tasks
    by_task = table.reshape(steps, tasks, workers)
    return Case(
        f"long, {task} within step",
        Kind.REPEATED,
        *as_file(rng, frame, naming.workers(workers)),
        after=(
            table,
            by_task.transpose(0, 2, 1).reshape(steps, -1),
            *(by_task[:, number] for number in range(tasks)),
        ),
        asks=True,
        column=task,
    )


# Shapes.


def shapes(rng: Rng) -> Iterator[Case]:
    yield from orients(rng)
    yield from columns_of_dates(rng)
    yield from types_of_parquet(rng)
    yield from several_files(rng)
    yield from slurm(rng)
    yield from epochs_as_rounds(rng)
    yield from tags_in_names_of_files(rng)
    yield from folders_of_workers(rng)
    yield from lines_that_are_no_rows(rng)
    yield from logs_of_tools(rng)


def orients(rng: Rng) -> Iterator[Case]:
    """JSON as pandas writes it."""
    for orient in ("split", "index", "records", "columns", "table"):
        form = Form(".json", json_in(orient))
        table = durations(rng)
        naming = pick(rng, NAMINGS)
        yield Case(
            f"long, orient={orient}",
            Kind.SHAPE,
            *long(rng, table, {"duration_s": table}, naming, form),
            seconds=table,
            column="duration_s",
        )
        yield Case(
            f"wide, orient={orient}",
            Kind.SHAPE,
            *wide(rng, table, "step_time_s", form=form),
            seconds=table,
            column="step_time_s",
        )
    table = durations(rng)
    frame = pd.DataFrame(table, columns=[f"node{place}" for place in range(table.shape[1])])
    frame.index.name = "step"
    for orient in ("split", "index"):
        yield Case(
            f"wide, orient={orient}, the index is step",
            Kind.SHAPE,
            *as_file(rng, frame, frame.columns, Form(".json", json_in(orient))),
            seconds=table,
        )


def columns_of_dates(rng: Rng) -> Iterator[Case]:
    """A column of dates beside the workers', by whatever name."""
    for name, place, show in (
        ("Datum", 0, stamp),
        ("created", 0, stamp),
        ("when", 0, lambda second: stamp(second)[:10]),
        ("logged", -1, stamp),
        ("day", 0, lambda second: stamp(86400 * second)[:10]),
        ("saved on", -1, stamp),
    ):
        table = durations(rng)
        frame = pd.DataFrame(table, columns=[f"node{j + 1}" for j in range(table.shape[1])])
        workers = [*frame.columns]
        days = [show(60 * step) for step in range(len(table))]
        frame.insert(0 if place == 0 else len(workers), name, days)
        yield Case(
            f"wide, beside {name}",
            Kind.SHAPE,
            *as_file(rng, frame, workers, pick(rng, (CSV, *FORMS[3:]))),
            seconds=table,
            column=name,
        )


def parquet_cells(seconds: Array, type_name: str) -> pa.Array:
    """Seconds of three digits as a type of Arrow."""
    thousandths = np.round(1e3 * seconds).astype(np.int64).tolist()
    if type_name == "decimal":
        exact = [decimal.Decimal(cell).scaleb(-3) for cell in thousandths]
        return pa.array(exact, pa.decimal128(12, 3))
    if type_name == "time64":
        return pa.array([1000 * cell for cell in thousandths], pa.time64("us"))
    if type_name == "time32":
        return pa.array(thousandths, pa.time32("ms"))
    if type_name == "duration":
        return pa.array(thousandths, pa.duration("ms"))
    return pa.array(seconds.astype(np.float32))


def types_of_parquet(rng: Rng) -> Iterator[Case]:
    """Durations in types that only Parquet has."""
    for type_name in ("decimal", "time64", "time32", "duration", "float32"):
        table = durations(rng).round(3)
        naming = pick(rng, NAMINGS)
        frame = long_frame(table, {}, naming, "step")
        cells = parquet_cells(table.ravel(), type_name)
        name = pick(rng, ("elapsed", "duration", "took"))
        written = pa.Table.from_pandas(frame).append_column(name, cells)
        read = table.astype(np.float32).astype(np.float64) if type_name == "float32" else table
        yield Case(
            f"long, Parquet, {name} as {type_name}",
            Kind.SHAPE,
            "table.parquet",
            {"table.parquet": parquet_table(written)},
            tuple(map(str, naming.workers(table.shape[1]))),
            seconds=read,
            column=name,
        )
    for type_name in ("decimal", "time64"):
        table = durations(rng).round(3)
        names = [f"node{place}" for place in range(1, table.shape[1] + 1)]
        columns = {
            name: parquet_cells(cells, type_name)
            for name, cells in zip(names, table.T, strict=True)
        }
        yield Case(
            f"wide, Parquet, {type_name}",
            Kind.SHAPE,
            "table.parquet",
            {"table.parquet": parquet_table(pa.table(columns))},
            tuple(names),
            seconds=table,
        )


def several_files(rng: Rng) -> Iterator[Case]:
    """A file for each worker, which its name says, or a column in it."""
    for pattern, file_name, worker, form in (
        ("rank*.csv", "rank{j}.csv", "{j}", CSV),
        ("node*.csv", "node{j}.csv", "node{j}", CSV),
        ("logs/worker-*.jsonl", "logs/worker-{j}.jsonl", "worker-{j}", FORMS[7]),
        ("out/rank_*.parquet", "out/rank_{j}.parquet", "{j}", FORMS[9]),
        ("timing_rank*.tsv", "timing_rank{j}.tsv", "{j}", FORMS[3]),
    ):
        table = durations(rng)
        places = range(table.shape[1])
        cells = (1e3 * table).round(1)
        files = {
            file_name.format(j=j): form.write(
                pd.DataFrame({"step": range(len(table)), "step_time_ms": cells[:, j]})
            )
            for j in places
        }
        yield Case(
            f"files {pattern}",
            Kind.SHAPE,
            pattern,
            files,
            tuple(worker.format(j=j) for j in places),
            seconds=cells / 1e3,
        )
    for pattern, file_name, form in (
        ("part-*.csv", "part-0000{j}.csv", CSV),
        ("run/*.jsonl", "run/metrics.{j}.jsonl", FORMS[7]),
    ):
        table = durations(rng)
        places = range(table.shape[1])
        files = {
            file_name.format(j=j): form.write(
                pd.DataFrame({"rank": j, "step": range(len(table)), "duration_s": table[:, j]})
            )
            for j in places
        }
        yield Case(
            f"files {pattern}, with a column rank",
            Kind.SHAPE,
            pattern,
            files,
            tuple(map(str, places)),
            seconds=table,
        )


def slurm(rng: Rng) -> Iterator[Case]:
    """What ``sacct`` prints: a job's own row, and those of its steps."""

    def elapsed(second: float) -> str:
        whole = int(second)
        return f"{whole // 3600:02d}:{whole // 60 % 60:02d}:{whole % 60:02d}"

    for end, separator, ending in (("|", "|", ".txt"), ("", "|", ".csv"), ("", ",", ".csv")):
        table = np.round(60 * durations(rng, 10, 4))
        lines = [separator.join(("JobID", "JobName", "NodeList", "Step", "Elapsed", "State")) + end]
        for step, row in enumerate(table):
            for worker, seconds in enumerate(row):
                job = 4000 + len(row) * step + worker
                for suffix, job_name, more in (
                    ("", "train", 0),
                    (".batch", "batch", 0),
                    (".extern", "extern", 1),
                ):
                    cells = (
                        f"{job}{suffix}",
                        job_name,
                        f"node{worker + 1}",
                        str(step),
                        elapsed(seconds + more),
                        "COMPLETED",
                    )
                    lines.append(separator.join(cells) + end)
        path = f"sacct{ending}"
        yield Case(
            f"sacct, {ending}, lines end in {end or 'nothing'}, {separator} between",
            Kind.SHAPE,
            path,
            {path: ("\n".join(lines) + "\n").encode()},
            tuple(f"node{place}" for place in range(1, 5)),
            seconds=table,
            after=(table,),
            asks=True,
            column="JobID",
            said=(".batch",),
        )


# How a file's name is written, around a number and a tag, and the worker in it.
TAGGED = (
    ("run_rank{j}-tag-{tag}.csv", "{j}"),
    ("run-rank{j}-tag-{tag}.csv", "{j}"),
    ("run-exp1_worker{j}-tag-{tag}.csv", "worker{j}"),
    ("run-.-tag-rank{j}_{tag}.csv", "{j}"),
    ("tb/rank{j}/run-.-tag-{tag}.csv", "{j}"),
    ("node{j}-tag-{tag}.csv", "node{j}"),
    ("rank{j}_{tag}.csv", "{j}"),
)
TAGS = (
    ("perf_step_time_ms", 1e3),
    ("step_time_s", 1.0),
    ("Perf_Batch Time (ms)", 1e3),
    ("iteration_time", 1.0),
    ("duration_us", 1e6),
    ("perf_step_time", 1.0),
    ("timing_step_sec", 1.0),
)
OTHER_TAGS = ("loss", "train_loss", "steps_per_sec", "samples_sec", "lr", "throughput", "gpu_util")


def scalars(rng: Rng, pattern: str, worker: str, tag: str, units: float) -> tuple[Written, Array]:
    """A file of TensorBoard for each worker, and the seconds in them."""
    table = durations(rng, workers=4)
    cells = (table * units).round(3)
    clock = (1.75e9 + np.cumsum(table, axis=0)).round(3)
    files = {
        pattern.format(j=j, tag=tag): csv(
            pd.DataFrame(
                {"Wall time": clock[:, j], "Step": range(len(table)), "Value": cells[:, j]}
            )
        )
        for j in range(4)
    }
    path = pattern.format(j="*", tag=tag)
    workers = tuple(worker.format(j=j) for j in range(4))
    return Written(path, files, workers), cells / units


def tags_in_names_of_files(rng: Rng) -> Iterator[Case]:
    """The column is only called ``Value``: what it is stands in the file's name."""
    for (pattern, worker), (tag, units) in zip(TAGGED, TAGS, strict=True):
        written, seconds = scalars(rng, pattern, worker, tag, units)
        yield Case(
            f"files {pattern}, {tag}",
            Kind.SHAPE,
            *written,
            seconds=seconds,
            column=tag,
            took=tag,
            said=("Value",),
        )
    for place, tag in enumerate(OTHER_TAGS):
        written, _ = scalars(rng, *TAGGED[place % 6], tag, 1.0)
        yield Case(f"files of {tag}", Kind.SHAPE, *written, column=tag)
    written, seconds = scalars(rng, *TAGGED[0], "barrier_wait_ms", 1e3)
    yield Case("files of barrier_wait_ms", Kind.SHAPE, *written, after=(seconds,), asks=True)


def folders_of_workers(rng: Rng) -> Iterator[Case]:
    """Files of one name, each in a folder of its worker."""
    for folder, worker in (
        ("logs/rank{j}/metrics.csv", "{j}"),
        ("node{j}/out/steps.csv", "node{j}"),
        ("run7/worker-{j}.d/log.csv", "worker-{j}"),
        ("pods/alpha-{j}/log.csv", "alpha-{j}"),
    ):
        table = durations(rng)
        places = range(table.shape[1])
        files = {
            folder.format(j=j): csv(
                pd.DataFrame({"step": range(len(table)), "batch_time_s": table[:, j]})
            )
            for j in places
        }
        yield Case(
            f"files {folder}",
            Kind.SHAPE,
            folder.format(j="*"),
            files,
            tuple(worker.format(j=j) for j in places),
            seconds=table,
        )


def lines_that_are_no_rows(rng: Rng) -> Iterator[Case]:
    """What stands above a table, or between its names and rows."""
    for name, above, separator in (
        ("Excel's sep=;", "sep=;\n", ";"),
        ("Excel's sep=,", "sep=,\n", ","),
        ("a remark", "# written by trainer 1.2\n", ","),
        ("two remarks", "# written by trainer 1.2\n# on node7\n", "\t"),
    ):
        table = durations(rng)
        frame = long_frame(table, {"duration_s": table}, NAMINGS[0], "step")
        yield Case(
            f"long, below {name}",
            Kind.SHAPE,
            "table.csv",
            {"table.csv": above.encode() + csv(frame, sep=separator)},
            tuple(map(str, range(table.shape[1]))),
            seconds=table,
        )
    table = durations(rng)
    frame = long_frame(table, {"duration_s": table}, NAMINGS[1], "step")
    head = [" | ".join(frame.columns), "|".join(["---"] * 3)]
    body = [" | ".join(map(str, row)) for row in frame.itertuples(index=False)]
    text = "".join(f"| {line} |\n" for line in (*head, *body))
    yield Case(
        "long, Markdown",
        Kind.SHAPE,
        "table.txt",
        {"table.txt": text.encode()},
        tuple(NAMINGS[1].workers(table.shape[1])),
        seconds=table,
    )
    for minutes in (0, 1, 61):
        table = (durations(rng) + 60 * minutes).round(4)
        cells = np.array([[as_go(cell) for cell in row] for row in table], dtype=object)
        yield Case(
            f"long, durations of Go from {minutes} min",
            Kind.SHAPE,
            *long(rng, table, {"took": cells}, form=CSV),
            seconds=table,
        )


def as_go(seconds: float) -> str:
    """Seconds as Go prints a duration: ``1h1m0.5s``."""
    hours = f"{int(seconds // 3600)}h" if seconds >= 3600 else ""
    minutes = f"{int(seconds // 60 % 60)}m" if seconds >= 60 else ""
    return f"{hours}{minutes}{seconds % 60:.4f}s"


def logs_of_tools(rng: Rng) -> Iterator[Case]:
    """Columns as further programs call them, beside a duration or in its place."""
    for tool, worker, round_name, took, units, others in (
        ("mmengine", "rank", "iter", "time", 1.0, {"data_time": 0.1, "eta_seconds": 900.5}),
        ("Megatron", "rank", "iteration", "elapsed time per iteration (ms)", 1e3, MEGATRON),
        ("DeepSpeed", "rank", "step", "step_time", 1.0, {"CurrSamplesPerSec": 31.5}),
        ("Flower", "client_id", "server_round", "fit_duration_s", 1.0, {"num_examples": 128}),
        ("federated", "cid", "rnd", "duration_s", 1.0, {"num_examples": 128}),
        ("NCCL's tests", "rank", "iter", "time (us)", 1e6, {"algbw (GB/s)": 1.5, "size (B)": 8}),
        (
            "a kernel's statistics",
            "rank",
            "step",
            "duration_ns",
            1e9,
            {"Med (ns)": 9, "Avg (ns)": 8},
        ),
        ("TFLOPs", "rank", "step", "step_ms", 1e3, {"TFLOPs": 31.5, "GPUs": 8}),
        ("a wall clock of a step", "rank", "step", "step_wall_ms", 1e3, {"loss": 0.5}),
        ("a wall time per step", "rank", "step", "wall_time_per_step", 1.0, {"loss": 0.5}),
        ("Google's benchmarks", "rank", "repetition", "real_time_us", 1e6, {"iterations": 100}),
        ("fairseq", "rank", "num_updates", "update_time_s", 1.0, {"wps": 900.5, "ups": 1.5}),
    ):
        table = durations(rng)
        cells = (table * units).round(3)
        yield Case(
            f"long, {tool}",
            Kind.SHAPE,
            *long_of(rng, cells, Naming(worker, None), round_name, {took: cells, **others}),
            seconds=cells / units,
            column=took,
            took=took,
        )
    for name in ("Med (ns)", "TFLOPs", "wps", "bw_gbs", "e2e"):
        table = durations(rng)
        yield Case(f"long, only {name}", Kind.RATE, *long(rng, table, {name: table}), column=name)
    for start, end in (
        ("startTime", "completionTime"),
        ("start_date", "end_date"),
        ("creationTimestamp", "completionTime"),
    ):
        table = durations(rng).round(3)
        began = np.repeat(np.arange(len(table)) * 9.0, table.shape[1]).reshape(table.shape)
        yield Case(
            f"long, {start} and {end} as moments",
            Kind.SHAPE,
            *long(rng, table, {start: in_units(began, 0), end: in_units(began + table, 0)}),
            seconds=table,
            after=(table,),
        )
    table = durations(rng)
    yield Case(
        "long, wall_ms of calls",
        Kind.CLOCK,
        *long(rng, table, {"wall_ms": (1e3 * table).round(3)}),
        after=((1e3 * table).round(3) / 1e3,),
        asks=True,
        column="wall_ms",
    )
    for first, second in (("inter_token_ms", "e2e_ms"), ("out-of-place (us)", "in-place (us)")):
        table = durations(rng)
        columns = {first: (0.1 * table).round(4), second: table}
        # Neither is a part of the other by its name, so that they are not to be added.
        yield Case(
            f"long, {first} and {second}", Kind.PART, *long(rng, table, columns), column=first
        )


MEGATRON = {
    "consumed samples": 512,
    "global batch size": 64,
    "throughput per GPU (TFLOP/s/GPU)": 120.5,
    "lm loss": 3.5,
}


def long_of(
    rng: Rng, table: Array, naming: Naming, round_name: str, columns: Mapping[str, Any]
) -> Written:
    """A long table of this naming of workers and rounds, in any form."""
    frame = long_frame(table, columns, naming, round_name)
    return as_file(rng, frame, naming.workers(table.shape[1]))


def epochs_as_rounds(rng: Rng) -> Iterator[Case]:
    """Rounds that are called otherwise, where no other column numbers them."""
    for worker, round_name, took in (
        ("rank", "epoch", "epoch_time_s"),
        ("host", "epoch", "duration_s"),
        ("worker", "Epoch", "Epoch Time (s)"),
        ("rank", "training_iteration", "time_this_iter_s"),
        ("node", "epoch", "seconds_per_epoch"),
    ):
        table = durations(rng)
        naming = Naming(worker, None if worker == "rank" else "node{}")
        frame = long_frame(table, {took: table, "val_loss": 0.25}, naming, round_name)
        if round_name == "training_iteration":
            frame["time_total_s"] = np.cumsum(table, axis=0).ravel()
            frame["timestamp"] = 1_760_000_000 + frame["time_total_s"].astype(int)
        yield Case(
            f"long, {worker}, {round_name}, {took}",
            Kind.SHAPE,
            *as_file(rng, frame, naming.workers(table.shape[1])),
            seconds=table,
            column=took,
        )


# Ordinary tables.


def controls(rng: Rng) -> Iterator[Case]:
    """Tables that are read today, each as it is."""
    for took, units in (
        *TOOK,
        ("seconds", 1.0),
        ("latency_us", 1e6),
        ("ms_per_batch", 1e3),
        ("s/it", 1.0),
        ("iterTime", 1.0),
        ("runtime_s", 1.0),
        ("step_ms", 1e3),
        ("batch_time", 1.0),
        ("duration_ns", 1e9),
        ("ms/step", 1e3),
        ("elapsed", 1.0),
        ("delay", 1.0),
        ("time_per_iteration_ms", 1e3),
    ):
        table = durations(rng)
        cells = (table * units).round(4)
        more = pick(
            rng, ({}, {"loss": 1.25}, {"epoch": 0}, {"samples_per_s": (9 / table).round(3)})
        )
        yield Case(
            f"long, {took}",
            Kind.CONTROL,
            *long(rng, table, {took: cells, **more}),
            seconds=cells / units,
            column=took,
            took=took,
        )
    for measure, units in (("step_time_s", 1.0), ("ms", 1e3), ("duration_ms", 1e3), ("us", 1e6)):
        table = durations(rng)
        cells = (table * units).round(4)
        labels = pick(
            rng, ({}, {"step": range(len(table))}, {"Time": map(stamp, range(len(table)))})
        )
        yield Case(
            f"wide, {measure}",
            Kind.CONTROL,
            *wide(rng, cells, measure, labels),
            seconds=cells / units,
        )
    for names in ("node{}", "10.0.0.{}", "rank{}", "gpu-{}", "rack1/node{}"):
        table = durations(rng)
        columns = [names.format(place) for place in range(1, table.shape[1] + 1)]
        frame = pd.DataFrame(table, columns=columns)
        yield Case(f"wide, {names}", Kind.CONTROL, *as_file(rng, frame, columns), seconds=table)
    for start, end in (
        ("start", "end"),
        ("t_begin_s", "t_finish_s"),
        ("started_at", "finished_at"),
    ):
        table = durations(rng)
        began = np.repeat(np.arange(len(table)) * 9.0, table.shape[1]).reshape(table.shape)
        ended = (began + table).round(4)
        yield Case(
            f"long, {start} and {end}",
            Kind.CONTROL,
            *long(rng, table, {start: began, end: ended}),
            seconds=ended - began,
        )
    # Hosts may be called by any word: the number at the end makes it a name.
    for names in (
        "queue1-dy-compute-{}",
        "compute-0-{}",
        "batch-node-{}",
        "idle-{}",
        "wait-{}",
        "p4d-24xlarge-{}",
        "a100_{} (ms)",
        "rack10-node{}_ms",
        "data-{}",
    ):
        table = durations(rng)
        units = units_in(names)
        cells = (table * units).round(3)
        columns = [names.format(place) for place in range(1, table.shape[1] + 1)]
        workers = [name.removesuffix(" (ms)").removesuffix("_ms") for name in columns]
        frame = pd.DataFrame(cells, columns=columns)
        yield Case(
            f"wide, {names}",
            Kind.CONTROL,
            *as_file(rng, frame, workers),
            seconds=cells / units,
        )
    for ending in (".npz", ".npy", ".txt"):
        table = durations(rng)
        held = io.BytesIO()
        if ending == ".npz":
            np.savez(held, delays_ms=1e3 * table)
        elif ending == ".npy":
            np.save(held, table)
        else:
            np.savetxt(held, table)
        yield Case(
            f"an array in {ending}",
            Kind.CONTROL,
            f"table{ending}",
            {f"table{ending}": held.getvalue()},
            tuple(map(str, range(table.shape[1]))),
            seconds=1e3 * table / 1e3 if ending == ".npz" else table,
        )
    for unit, more in (("ms", 1e3), ("us", 1e6)):
        table = durations(rng)
        cells = (table * more).round(2)
        yield Case(
            f"long, a column unit of {unit}",
            Kind.CONTROL,
            *long(rng, table, {"duration": cells, "unit": unit}),
            seconds=cells / more,
        )
    for status, good in (("status", "ok"), ("exit_code", 0), ("State", "COMPLETED")):
        table = durations(rng)
        yield Case(
            f"long, {status} is {good} of all",
            Kind.CONTROL,
            *long(rng, table, {"duration_s": table, status: good}),
            seconds=table,
        )


def all_cases() -> list[Case]:
    """Every case, in the order of kinds."""
    makers = (
        rates,
        clocks,
        parts,
        factors,
        rows_of_no_measurement,
        told_apart,
        shapes,
        controls,
    )
    return [
        case
        for number, maker in enumerate(makers)
        for case in maker(np.random.default_rng([2019, number]))
    ]
