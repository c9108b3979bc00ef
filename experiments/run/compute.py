"""One cell: from objects to numbers, and its file on disk.

pandas and pyarrow take 0.3 s to import. They are imported where a table is made, packed or read,
since numbers alone, such as the times of ``erasurehead.simulate``, need neither."""

from __future__ import annotations

import json
import time
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from functools import cache, cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from typing_extensions import override

from ...sim.base.errors import ConfigError, EngineRefused, InvalidParameter, NeverEnough, at
from ...sim.base.numerics import one_thread, summed_by
from ...sim.base.types import FloatArray, Recorder, Trace, Work
from ...sim.engines.run import Engine, Run
from ...sim.engines.simulate import rounds, simulate
from ...sim.schemes.barrierless import Barrierless
from ...sim.schemes.base import RoundScheme, Sees
from ...sim.schemes.parts.decoders import Conditioning
from ...sim.training.learner import Learned, Learner, Progress, train_each, training_context
from ...sim.training.optimizers import Optimizer
from ...sim.training.steps import WEIGHT_TOLERANCE, Dense, Steps, ends_of, iteration_ends
from ..config import build
from ..config.catalogue import streams_kept
from ..config.cells import Cell
from ..config.installed import code_fingerprint
from ..text import is_memory, out_of_memory
from .metrics import time_to_target

if TYPE_CHECKING:
    import pandas as pd

# a table by its columns: to make a frame of each takes longer than to compute a small cell
Columns = Mapping[str, np.ndarray]
TABLES_OF_A_CELL = ("per_iteration", "per_replication", "per_worker")  # of ``CellResult``
WHOLE_NUMBERS = ("replication", "iteration", "worker")  # all other columns are real numbers
# A finished cell is one Parquet file, ``cells/<key>.parquet``: a row for each column of its three
# tables, with the column's numbers as a list. The file's metadata hold the rest. A leaf of Parquet
# for each column took twice as long to write and to read, and three times as much space.

# of numbers that hardly repeat, in files of which there can be 100,000
CELL_FORMAT: Mapping[str, Any] = {
    "compression": "lz4",
    "use_dictionary": False,
    "write_statistics": False,
}
CHECKSUM = b"checksum"
PACKED_ROWS = 4096  # of columns that are packed: of longer ones there are few
ITEM = 8  # bytes of a number in a packed column

# of columns by name: one mapping for all tables that have the same ones
_KINDS: Callable[[tuple[tuple[str, str], ...]], dict[str, str]] = cache(dict)


class Packed(Columns):
    """Columns in half of their memory, which is what 10,000 small cells take most of. Nobody may
    change them. Columns of one table are asked for one after another: the last table stays open."""

    __slots__ = ("_bits", "_kinds", "_rows")
    __hash__ = object.__hash__

    @classmethod
    def of(cls, table: Columns) -> Columns:
        """The same columns; long ones, which few cells have, as they are."""
        columns = table.values()
        small = all(
            0 < column.size <= PACKED_ROWS and column.itemsize == ITEM for column in columns
        )
        return table if isinstance(table, Packed) or not (columns and small) else cls(table)

    def __init__(self, table: Columns) -> None:
        import pyarrow as pa

        self._kinds = _KINDS(tuple([(name, column.dtype.str) for name, column in table.items()]))
        self._rows = len(next(iter(table.values())))
        numbers = b"".join([column.tobytes() for column in table.values()])
        bits = np.frombuffer(numbers, np.uint8).reshape(-1, ITEM).T.tobytes()  # alike beside alike
        self._bits = pa.compress(bits, "lz4_raw").to_pybytes()  # as long as it must be

    @lru_cache(maxsize=1)  # noqa: B019
    def _opened(self) -> dict[str, np.ndarray]:
        import pyarrow as pa

        step, kinds = self._rows * ITEM, enumerate(self._kinds.items())
        bits = pa.decompress(self._bits, step * len(self._kinds), "lz4_raw", asbytes=True)
        numbers = np.frombuffer(bits, np.uint8).reshape(ITEM, -1).T.tobytes()
        return {
            name: np.frombuffer(numbers, kind, self._rows, i * step) for i, (name, kind) in kinds
        }

    @override
    def __getitem__(self, name: str) -> np.ndarray:
        return self._opened()[name]

    @override
    def __contains__(self, name: object) -> bool:
        return name in self._kinds

    @override
    def __iter__(self) -> Iterator[str]:
        return iter(self._kinds)

    @override
    def __len__(self) -> int:
        return len(self._kinds)


@dataclass(frozen=True)
class CellResult:
    """The numbers of one cell."""

    per_iteration: Columns  # one row per replication and iteration (0 is the start)
    per_replication: Columns  # one row per replication: what is known only of a whole run
    per_worker: Columns  # one row per worker: how it spent its time, how often others waited
    engine: str  # the engine that ran
    conditioning: Conditioning | None = None  # what rounding makes of the code; not of plain sums

    def __post_init__(self) -> None:
        for name in TABLES_OF_A_CELL:
            object.__setattr__(self, name, Packed.of(getattr(self, name)))

    @cached_property
    def iterations(self) -> pd.DataFrame:
        """``per_iteration`` as a frame; counts are whole numbers, missing at the start."""
        return frame_of_iterations(self.per_iteration)

    @cached_property
    def replications(self) -> pd.DataFrame:
        """``per_replication`` as a frame."""
        import pandas as pd

        return pd.DataFrame(dict(self.per_replication))


def frame_of_iterations(columns: Columns) -> pd.DataFrame:
    """Iterations as a frame. Counts are whole numbers, and missing (NaN) at the start."""
    import pandas as pd

    counts = [name for name in ("arrived", "updates", "dead") if name in columns]
    whole = {name: pd.array(columns[name], "Int64") for name in counts}
    return pd.DataFrame({**columns, **whole}, copy=False)


def compute(
    cell: Cell, progress: Progress | None = None, tapes: build.SharedTapes | None = None
) -> CellResult:
    """Run a cell; ``progress`` is told of each iteration that is learned; ``tapes`` are those of
    other cells of its point, too. Raises ConfigError: it cannot be built; NeverEnough: an update
    can never happen. Cost: R T n worker-rounds in the engine; per iteration two products with the
    training data (R columns, or one when every round decodes exactly) and one with the test data;
    of stale single gradients, see ``sim.training.learner``."""
    run, learning = build.both(cell)
    run = build.made_once(run, cell.settings)
    engine = cell.settings.engine
    if tapes is not None and engine != "law":  # which reads no tape, but its seed
        # a scheme may have delays of its own, and another one be made once
        run = tapes.shared((cell.point, json.dumps(cell.document["delay"]), len(run.tapes)), run)
    losses, workers = None, None
    with one_thread():
        if cell.settings.clock_alone:
            return clock_alone(run, simulate(run, engine, heard=False, work=False))
        if isinstance(run.scheme, RoundScheme) and run.scheme.sees is Sees.LOSSES:
            assert learning is not None  # a config without a problem is refused
            trace, losses = learn_along(run, learning, engine, progress)
            steps = run.scheme.steps(trace)
        else:
            trace = simulate(run, engine)
            workers = _workers(trace)
            trace = replace(trace, work=_work(trace).totals)  # the rest is of the size of the run
            steps = run.scheme.outline(trace) if learning is None else run.scheme.steps(trace)
            if learning is not None:
                losses = learn(learning, steps, run.iterations, progress)
        return result(run, trace, steps, losses, cell.settings.target_loss, workers)


@dataclass(frozen=True)
class Done:
    """What computing a cell has given."""

    result: CellResult | str  # its numbers, or why there are none
    seconds: float
    code: str  # the fingerprint of the code that ran, which may be on another machine


def compute_cell(
    cell: Cell, share: Callable[[float], None], tapes: build.SharedTapes | None = None
) -> Done:
    """What a worker process does with a cell, telling the share that is done, 0 to 1; ``tapes`` as
    for ``compute``. Any error is that cell's alone, also where a plugin exits."""
    began = time.monotonic()
    result: CellResult | str
    try:
        with streams_kept() if cell.code else nullcontext():
            shared = None if cell.code else tapes  # what a plugin does is done for each cell
            result = compute(cell, lambda done, total: share(done / total), shared)
    except (ConfigError, EngineRefused, NeverEnough) as error:  # their message says everything
        result = str(error)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        result = out_of_memory(error) if is_memory(error) else f"{type(error).__name__}: {error}"
    return Done(result, time.monotonic() - began, code_fingerprint())


def result(
    run: Run,
    trace: Trace,
    steps: Steps,
    losses: Learned | None,
    target_loss: float | None,
    workers: Columns | None = None,
) -> CellResult:
    """The numbers of a finished run; ``losses`` are ``None`` without a problem.
    ``target_loss`` is the training loss whose time is of interest; ``workers`` is the table of
    workers, ``None`` to make it from the trace."""
    iterations = _iterations(run, trace, steps, losses)
    replications = _replications(trace, losses)
    replications |= _exact_time(run, trace)
    if run.scheme.exact is None:
        within = run.scheme.partitions * WEIGHT_TOLERANCE**2
        replications["exact"] = (steps.error <= within).mean(axis=1)
    if steps.shares is not None:
        replications["least_heard"] = steps.shares.min(axis=1)
    conditioning = run.scheme.conditioning()
    workers = _workers(trace) if workers is None else workers
    numbers = CellResult(iterations, replications, workers, trace.engine, conditioning)
    return with_target(numbers, target_loss)


def with_target(result: CellResult, target: float | None) -> CellResult:
    """A cell's numbers with the time to another target, from the losses that are stored."""
    if target is None and "time_to_target" not in result.per_replication:
        return result
    table, whole = result.per_iteration, dict(result.per_replication)
    whole.pop("time_to_target", None)
    if target is not None and "train_loss" in table:
        shape = (whole["elapsed"].size, -1)
        times, losses = (table[name].reshape(shape) for name in ("time", "train_loss"))
        whole["time_to_target"] = time_to_target(times, losses, target)
    return replace(result, per_replication=whole)


def clock_alone(run: Run, trace: Trace) -> CellResult:
    """The result of a run of which nothing is known but when its iterations ended."""
    times = iteration_times(run, trace)
    replications, t = times.shape
    start = np.zeros((replications, 1))
    frame = {
        "replication": np.repeat(np.arange(replications), t + 1),
        "iteration": np.tile(np.arange(t + 1), replications),
        "time": np.hstack([start, times]).ravel(),
        "iteration_time": np.hstack([start * np.nan, np.diff(times, axis=1, prepend=0.0)]).ravel(),
    }
    whole = {"elapsed": trace.times[:, -1].copy()} | _exact_time(run, trace)
    nobody = {
        "worker": np.arange(0),
        **dict.fromkeys(("utilisation", "wasted", "last", "cost"), np.empty(0)),
    }
    return CellResult(frame, whole, nobody, trace.engine, None)


def iteration_times(run: Run, trace: Trace) -> FloatArray:
    """``(R, T)`` seconds from the start to the end of each iteration, from the clock alone."""
    # An iteration without a barrier has several updates; a sequential code runs some rounds first.
    first = max(run.updates - run.iterations, 0) if isinstance(run.scheme, RoundScheme) else 0
    if isinstance(run.scheme, Barrierless):
        ends = ends_of(run.iterations, run.scheme.workers, run.scheme.gradients)
        return np.asarray(trace.times[:, ends - 1])
    return iteration_ends(trace.times[:, first:], run.iterations, run.scheme.local_steps)


def _exact_time(run: Run, trace: Trace) -> dict[str, np.ndarray]:
    """Mean seconds of an iteration, where the last update used more gradients than iterations."""
    return {} if run.used == run.iterations else {"iteration_time": trace.times[:, -1] / run.used}


def learn(
    learning: build.Training, steps: Steps, iterations: int, progress: Progress | None = None
) -> Learned:
    """Train on a finished run's updates; see ``learn_each``."""
    [learned] = learn_each(learning, [learning.optimizer], steps, iterations, progress)
    return learned


def learn_each(
    learning: build.Training,
    optimizers: Sequence[Optimizer],
    steps: Steps,
    iterations: int,
    progress: Progress | None = None,
) -> list[Learned]:
    """Train on a finished run's updates with each of several optimizers.
    Raises ConfigError: gradients are so stale that their models do not fit into memory."""
    problem, initial = learning.problem, learning.initial
    try:
        return train_each(problem, optimizers, initial, steps, iterations, progress)
    except InvalidParameter as error:
        raise at(error.field, error.value, error.valid) from None


def learn_along(
    run: Run,
    learning: build.Training,
    engine: Engine = "auto",
    progress: Progress | None = None,
    recorder: Recorder | None = None,
) -> tuple[Trace, Learned]:
    """Run a scheme that looks at losses: engine and learner take turns."""
    scheme, course = run.scheme, rounds(run, engine, recorder)
    assert isinstance(scheme, RoundScheme)
    with training_context():
        learner = Learner(learning.problem, [learning.optimizer], learning.initial, len(run.tapes))
        outcome, done = next(course), 0
        while True:
            learner.update(Dense(scheme.weights(outcome.arrived)), align=True)
            done += 1
            if progress is not None:
                progress(done, run.iterations)
            try:
                outcome = course.send((learner.evaluate()[0], learner.alignment[0]))
            except StopIteration as end:
                return end.value, learner.learned()[0]


def _iterations(
    run: Run, trace: Trace, steps: Steps, losses: Learned | None
) -> dict[str, np.ndarray]:
    """One row per replication and iteration; an iteration ends with its last update."""
    (r, updates), t = steps.times.shape, run.iterations
    ends = steps.ends(t) if steps.local_steps == 1 else np.arange(t) // steps.local_steps + 1

    def column(values: FloatArray, start: float) -> FloatArray:
        return np.concatenate([np.full((r, 1), start), values], axis=1).ravel()

    def mean(values: np.ndarray) -> FloatArray:
        return column(steps.at(values, t), np.nan)

    times = steps.clock(t)
    frame = {
        "replication": np.repeat(np.arange(r), t + 1),
        "iteration": np.tile(np.arange(t + 1), r),
        "time": column(times, 0.0),
        "iteration_time": column(np.diff(times, axis=1, prepend=0.0), np.nan),
        "arrived": column(steps.arrived_by(t).astype(np.float64), np.nan),
        "recovered": mean(steps.recovered),
        "decoding_error": mean(steps.error),
    }
    if steps.staleness is not None:
        frame["staleness"] = mean(steps.staleness)
        made = np.maximum(np.diff(ends, prepend=0), int(steps.local_steps > 1))
        frame["updates"] = column(np.tile(made.astype(np.float64), (r, 1)), np.nan)
    if trace.fails:
        dead = _work(trace).dead[:, -updates:][:, ends - 1]
        frame["dead"] = column(dead.astype(np.float64), np.nan)
    if losses is not None:
        frame["train_loss"] = losses.train_loss.flatten()
        if losses.test_loss is not None:
            frame["test_loss"] = losses.test_loss.flatten()
        if losses.test_accuracy is not None:
            frame["test_accuracy"] = losses.test_accuracy.flatten()
    return frame


def _replications(trace: Trace, losses: Learned | None) -> dict[str, np.ndarray]:
    work = _work(trace)
    elapsed = trace.times[:, -1].copy()
    busy, useful = work.busy.mean(axis=1), work.useful.mean(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):  # delays of 0 s: no time, no share
        frame = {"elapsed": elapsed, "utilisation": busy / elapsed, "wasted": _wasted(useful, busy)}
        if trace.fails:
            frame["dead"] = work.down.mean(axis=1) / elapsed
    if losses is not None and losses.final_auc is not None:
        frame["test_auc"] = losses.final_auc
    return frame


def _wasted(useful: FloatArray, busy: FloatArray) -> FloatArray:
    """The share of ``busy`` that was not useful; rounding can leave useful a little larger."""
    return np.maximum(1 - useful / busy, 0.0)


def _workers(trace: Trace) -> Columns:
    """How each worker spent its time, and what the master's waiting for it cost, per run."""
    work = _work(trace)
    replications, updates = trace.times.shape
    n = work.busy.shape[1]
    # at the end: of updates that were no single worker's
    last = work.last.reshape(-1)
    alone, cost = (summed_by(last, of, n + 1) for of in (1.0, work.margin.reshape(-1)))
    elapsed = trace.times[:, -1].sum()
    busy, useful = work.busy.sum(axis=0), work.useful.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        frame = {
            "worker": np.arange(n),
            "utilisation": busy / elapsed,
            "wasted": _wasted(useful, busy),
            "last": alone[:n] / (replications * updates),
            "cost": cost[:n] / replications,
        }
        if trace.fails:
            frame["dead"] = work.down.sum(axis=0) / elapsed
    return frame


def _work(trace: Trace) -> Work:
    if trace.work is None:
        raise ValueError("the run did not record what the workers did")
    return trace.work


def write_cell(output: Path, key: str, result: CellResult) -> None:
    """Keep a finished cell."""
    import pyarrow as pa

    from .files import cell_path, write_arrow

    names, columns = [], []
    for table in TABLES_OF_A_CELL:
        for name, values in getattr(result, table).items():
            names.append((table, name))
            columns.append(values)
    numbers = np.concatenate(columns, dtype=np.float64)
    ends = np.cumsum([0, *(values.size for values in columns)])
    rows = pa.table(
        {
            "table": [table for table, _ in names],
            "column": [name for _, name in names],
            "values": pa.LargeListArray.from_arrays(pa.array(ends), pa.array(numbers)),
        }
    )
    facts = {
        b"key": key.encode(),
        b"engine": result.engine.encode(),
        b"conditioning": json.dumps(result.conditioning and asdict(result.conditioning)).encode(),
    }
    facts[CHECKSUM] = _checksum(facts, names, ends, numbers)
    write_arrow(cell_path(output, key), rows, facts, **CELL_FORMAT)


def read_cell(output: Path, key: str) -> CellResult | None:
    """A finished cell, or ``None`` when it is absent, damaged, or another one.
    Raises MemoryError: or what else says that memory is short: the cell may be as good as ever."""
    import pyarrow as pa

    from .files import cell_path, read_arrow

    try:
        rows = read_arrow(cell_path(output, key))
        facts = dict(rows.schema.metadata or {})
        names = [*zip(rows["table"].to_pylist(), rows["column"].to_pylist(), strict=True)]
        lists = rows["values"].combine_chunks()
        numbers, ends = lists.values.to_numpy(), lists.offsets.to_numpy()
        sound = facts[CHECKSUM] == _checksum(facts, names, ends, numbers)
        if not sound or facts[b"key"] != key.encode():
            return None
        tables = {table: dict[str, np.ndarray]() for table in TABLES_OF_A_CELL}
        for (table, name), start, end in zip(names, ends, ends[1:], strict=False):
            kind = np.int64 if name in WHOLE_NUMBERS else np.float64
            tables[table][name] = numbers[start:end].astype(kind, copy=False)
        conditioning = json.loads(facts[b"conditioning"])
        return CellResult(
            **tables,
            engine=facts[b"engine"].decode(),
            conditioning=None if conditioning is None else Conditioning(**conditioning),
        )
    except (OSError, KeyError, ValueError, AttributeError, pa.ArrowException) as error:
        if is_memory(error):
            raise
        return None


def _checksum(
    facts: Mapping[bytes, bytes],
    names: Sequence[tuple[str, str]],
    ends: np.ndarray,
    numbers: np.ndarray,
) -> bytes:
    """Of all that a cell's file holds: Parquet's own checksums leave out names and lengths."""
    rest = [*sorted(fact for fact in facts.items() if fact[0] != CHECKSUM), *names]
    checksum = zlib.crc32(repr(rest).encode())
    for array in (ends, numbers):
        checksum = zlib.crc32(array.data, checksum)
    return f"{checksum:08x}".encode()
