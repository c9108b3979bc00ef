"""Before any cell runs: what it needs, what this machine has, and whether all can be built."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import inf
from operator import attrgetter
from pathlib import Path

import numpy as np

from ...delay_models.base import BLOCK_CELLS
from ...sim.base.errors import (
    ConfigError,
    EngineRefused,
    InvalidParameter,
    Message,
    NeverEnough,
    Option,
    Part,
    at,
)
from ...sim.engines.batch.arrivals import TASKS_AT_ONCE
from ...sim.engines.batch.rounds import (
    BYTES_PER_CELL,
    CELLS_IN_CACHE,
    MOST_WORKING_BYTES,
    at_once,
)
from ...sim.engines.run import IDEAL, Engine, Run
from ...sim.engines.simulate import simulate
from ...sim.load_laws import PerPartition
from ...sim.schemes.barrierless import Barrierless
from ...sim.schemes.base import MAX_DECODING_OPERATIONS, Fixed, RoundScheme, Sees
from ...sim.schemes.parts.decoders import PROBED_ORDERS
from ...sim.training.learner import BLOCK_WIDTH, past_bytes
from ...sim.training.problems import Problem
from ...sim.training.steps import WEIGHTS_AT_ONCE, WEIGHTS_KEPT
from ..config import build
from ..config.cells import NO_NUMBERS, Cell
from ..config.settings import FIELDS
from ..text import enumerated, number_of

# limit and use of a container, of both versions
CGROUPS = (
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
    ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
)


def file_text(path: str) -> str:
    """The text of a file; empty if there is none, as on other systems than Linux."""
    try:
        return Path(path).read_text()
    except OSError:
        return ""


def free_memory(text: Callable[[str], str] = file_text) -> int | None:
    """Bytes that this process may still take, by every limit that is known; ``None``: none is."""
    return min((max(room, 0) for room in _rooms(text)), default=None)


def _rooms(text: Callable[[str], str]) -> Iterator[int]:
    facts = dict(line.split(":", 1) for line in text("/proc/meminfo").splitlines() if ":" in line)
    if "MemAvailable" in facts:
        yield 1024 * int(facts["MemAvailable"].split()[0])
    elif hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        yield os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    for limit, used in CGROUPS:
        if (most := text(limit).strip()).isdigit():
            yield int(most) - int(text(used).strip() or 0)
    if (space := _address_space()) is not None:
        pages = (text("/proc/self/statm").split() or ["0"])[0]
        yield space - int(pages) * os.sysconf("SC_PAGE_SIZE")


def _address_space() -> int | None:
    """The limit of ``ulimit -v`` in bytes."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    most, _ = resource.getrlimit(resource.RLIMIT_AS)
    return None if most == resource.RLIM_INFINITY else most


def free_disk(folder: Path) -> int | None:
    """Bytes that are free where a folder is or will be; ``None`` if nobody knows."""
    for parent in (folder.absolute(), *folder.absolute().parents):
        try:
            return shutil.disk_usage(parent).free
        except OSError:
            continue
    return None


# The cost of a cell says which cells take longest, so that these start first; it is no time. Its
# unit is a worker's round in the batch engine.
EVENT_COST = 100.0  # of a worker's round in the event engine, which handles each event in Python
LAW_COST = 30.0  # of a round in the law engine, which draws no worker's time
GRADIENT_COST = 5.0  # of a gradient of a scheme without rounds, whose arrivals are sorted
OPERATIONS = 100.0  # multiplications of a product or of a decoder that cost a worker's round
# Memory is at least half of the measured peak (nineteen kinds of cells, ``test_estimate.py``).
# bytes of the law engine, and of a worker in the event engine
LAW_WORKING, PROCESS = 2**25, 10_000
AHEAD = 64  # bytes of a gradient where nobody may be too far ahead
FLOAT_BYTES = 8  # bytes
# bytes of memory for a row of the table of iterations, for a replication, for a row of the table of
# workers (without it, for a worker's load), and for a gradient without rounds; measured
ROW_BYTES, RUN_BYTES, WORKER, LOADS, MESSAGE = 270, 350, 450, 32, 60
# bytes on disk for the same, and for a cell however small it is
DISK, DISK_RUN, DISK_WORKER, DISK_CELL = 40, 80, 120, 60_000
DATA = 2  # how often the data are in memory while they are made
MARGINS = 4  # arrays with a number for each row and model of the learner
# worker-rounds of which is seen how old gradients are, where old models can take so many bytes
PROBED_ROUNDS, SMALL_PAST = 5000, 64 * 2**20
NAMED_CELLS = 3  # cells that a warning names
HOW_TO_ALLOW = Message(", or allow it with ", Option("allow_large", True))


@dataclass(frozen=True)
class Estimate:
    """What a cell will need."""

    engine: str  # the one that runs
    reason: str  # why, if it is not the batch engine; else empty
    cost: float  # how much work it is beside other cells, in rounds of a worker
    memory: int  # bytes beyond the program itself
    disk: int = 0  # bytes of its file and of its part of the tables
    rows: int = 0  # of its table of iterations


@dataclass(frozen=True)
class Data:
    """How large a problem is."""

    entries: int  # of the training data
    work: int  # multiplications of a product: the entries, or rows by parameters of a network
    kept: int  # numbers that the learner keeps of a model to take gradients there later
    parameters: int  # of a model
    held_size: int  # numbers of a held gradient of every partition, for a model


def estimate(run: Run, engine: Engine, data: Data | None = None, clock: bool = False) -> Estimate:
    """Estimate a cell; ``data`` is ``None`` for timing only; ``clock``: only the clock is kept."""
    chosen = "law" if engine == "law" else run.chosen(engine)
    reason = "asked for" if engine == "event" else run.refusal() or ""
    replications = len(run.tapes)
    cost = _rounds_cost(run, chosen)
    if clock:
        rounds = run.updates * replications
        memory = _tables(run, LOADS) + FLOAT_BYTES * rounds + _working(run, chosen)
    else:
        cost += _decoding(run, data) / OPERATIONS
        memory = _recorded(run) + _working(run, chosen)
    if data is not None:
        late = run.scheme.updates(run.iterations) > run.iterations  # each trains its own models
        models = 1 if run.scheme.exact and not late else replications
        cost += 2 * run.iterations * data.work * models / OPERATIONS
        memory += DATA * data.entries * FLOAT_BYTES
        kept = data.kept * min(models, BLOCK_WIDTH)
        memory += MARGINS * FLOAT_BYTES * (kept + data.parameters * models)
        memory += 0 if clock else _past(run, data)
    rows = replications * (run.iterations + 1)
    disk = DISK * rows + DISK_RUN * replications + DISK_WORKER * run.scheme.workers + DISK_CELL
    return Estimate(chosen, reason, cost, int(memory), disk, rows)


def _rounds_cost(run: Run, engine: str) -> float:
    """The cost of the rounds of a run, or of its gradients where it has no rounds."""
    scheme, rounds = run.scheme, run.updates * len(run.tapes)
    if engine == "law":
        return LAW_COST * rounds
    if isinstance(scheme, Barrierless):
        cost = scheme.gradients * (EVENT_COST if engine == "event" else GRADIENT_COST)
        return cost * rounds
    draws = float(scheme.local_steps)  # of a worker in a round
    if isinstance(run.load_law, PerPartition) and isinstance(scheme, Fixed):
        draws *= float(scheme.assignment.loads.max())
    if isinstance(scheme, RoundScheme):
        draws += scheme.messages - 1
    return rounds * scheme.workers * draws * (EVENT_COST if engine == "event" else 1.0)


def _past(run: Run, data: Data) -> int:
    """Bytes of past models and gradients that the learner keeps, as the first iterations of one
    replication need them. Raises ImpossibleCell: more than it may keep."""
    most = run.updates * (data.parameters + data.kept) * len(run.tapes) * FLOAT_BYTES
    sees_losses = isinstance(run.scheme, RoundScheme) and run.scheme.sees is Sees.LOSSES
    if most < SMALL_PAST or sees_losses:
        return 0
    iterations = min(run.iterations, max(1, PROBED_ROUNDS // run.scheme.workers))
    first = replace(run, tapes=run.tapes[:1], cluster=IDEAL, iterations=iterations)
    try:
        steps = run.scheme.steps(simulate(first, "auto", work=False))
    except (EngineRefused, InvalidParameter, NeverEnough):
        return 0  # the cell itself will say so
    try:
        return past_bytes(steps, len(run.tapes), data.parameters, data.kept, data.held_size)
    except InvalidParameter as error:
        raise build.ImpossibleCell(str(at(error.field, error.value, error.valid))) from None


def _tables(run: Run, worker: int = WORKER) -> int:
    replications = len(run.tapes)
    rows = replications * (run.iterations + 1)
    return ROW_BYTES * rows + RUN_BYTES * replications + worker * run.scheme.workers


def _recorded(run: Run) -> int:
    """Bytes of the trace, of what is decoded from it, and of the tables."""
    replications, scheme, tables = len(run.tapes), run.scheme, _tables(run)
    rounds = replications * run.updates
    if isinstance(scheme, Barrierless):
        return tables + MESSAGE * rounds * scheme.gradients
    weights = rounds * scheme.partitions
    at_once = min(weights, max(WEIGHTS_AT_ONCE, replications * scheme.partitions))
    messages, counted = 1, None
    if isinstance(scheme, RoundScheme):
        messages = scheme.messages
        counted = scheme.common_weight(np.zeros((1, scheme.workers * messages), dtype=np.bool_))
    kept = weights if weights <= WEIGHTS_KEPT and counted is None else 0
    return tables + rounds * scheme.workers * messages + FLOAT_BYTES * (kept + 3 * at_once)


def _working(run: Run, engine: str) -> int:
    """Bytes that an engine works in."""
    scheme = run.scheme
    if engine == "law":
        return LAW_WORKING
    if engine == "event":
        return PROCESS * scheme.workers
    if isinstance(scheme, Barrierless) and scheme.ahead < inf:
        sent = run.updates * scheme.gradients
        tasks = sent + scheme.n * int(min(scheme.ahead, sent))
        return AHEAD * tasks * min(len(run.tapes), max(1, TASKS_AT_ONCE // tasks))
    if not isinstance(scheme, RoundScheme):
        return 0
    coupled = run.policy.couples_rounds or not run.cluster.ideal
    block = max(1, BLOCK_CELLS // scheme.workers)
    block = block if coupled else at_once(block, scheme.workers * scheme.messages)
    rounds = run.updates if not run.cluster.ideal else min(run.updates, block)
    trace = BYTES_PER_CELL * rounds * scheme.workers * scheme.messages
    if scheme.sees is not Sees.NOTHING:
        return len(run.tapes) * trace // 4
    most = MOST_WORKING_BYTES if coupled else CELLS_IN_CACHE * BYTES_PER_CELL
    return max(trace, min(len(run.tapes) * trace, most))


def _decoding(run: Run, data: Data | None) -> float:
    """Operations to make a code and to decode, as far as rounds are decoded."""
    scheme = run.scheme
    if not isinstance(scheme, Fixed) or not scheme.decoder.operations:
        return 0.0
    decoding = (PROBED_ORDERS + run.updates * len(run.tapes)) * scheme.decoder.operations
    if data is None and scheme.exact:
        most = MAX_DECODING_OPERATIONS + 2 * PROBED_ORDERS * scheme.decoder.operations
        decoding = min(decoding, most)
    return decoding + scheme.assignment.operations


@dataclass(frozen=True)
class Room:
    """Bytes that there is room for; ``None``: any number."""

    memory: int | None = None
    disk: int | None = None

    @classmethod
    def here(cls, output: Path | None) -> Room:
        """That of this machine, with results going to ``output`` if anywhere."""
        disk = None if output is None else free_disk(output)
        return cls(memory=free_memory(), disk=disk)


def require_memory(needed: float, room: Room, what: str, remedy: Part) -> None:
    """Refuse what needs more bytes than there are. Raises ConfigError: with both numbers."""
    if room.memory is not None and needed > room.memory:
        raise ConfigError(
            f"{what} takes about {size(needed)} of memory, and {size(room.memory)} are free: ",
            remedy,
            HOW_TO_ALLOW,
        )


def require_fits(cells: Sequence[tuple[Cell, Estimate]], room: Room, jobs: int = 1) -> None:
    """Refuse cells that need more memory or disk than there is. ``jobs`` cells run together on
    this machine; 0 on a cluster. Raises ConfigError: the largest, with its number."""
    if not cells:
        return
    cell, need = max(cells, key=lambda pair: pair[1].memory)
    if jobs > 0:
        remedy = "take fewer workers, iterations or replications"
        require_memory(need.memory, room, _named(cell), remedy)
        together = sum(sorted((need.memory for _, need in cells), reverse=True)[:jobs])
        if len(cells) > 1 and jobs > 1:
            fewer = Message("take fewer ", Option("jobs"))
            require_memory(together, room, f"{jobs} cells at a time", fewer)
    tables = ROW_BYTES * sum(need.rows for _, need in cells)
    require_memory(tables, room, f"the tables of {len(cells)} cells", "take fewer of them")
    disk = sum(need.disk for _, need in cells)
    if room.disk is not None and disk > room.disk:
        raise ConfigError(
            f"the results take about {size(disk)} of disk, and {size(room.disk)} are free: "
            "take fewer cells, iterations or replications",
            HOW_TO_ALLOW,
        )


def _named(cell: Cell) -> str:
    settings = cell.settings
    sizes = f"{settings.workers} workers, {number_of(settings.iterations, 'iteration')}, "
    return f"{cell.label} ({sizes}{number_of(settings.replications, 'replication')})"


def size_beside_program(memory: float) -> str:
    """Bytes beside those of the program: less than a mebibyte is nothing."""
    return "< 1 MiB" if memory < 2**20 else size(memory)


def size(number: float) -> str:
    """Bytes for a reader."""
    units = ((2**40, "TiB"), (2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB"))
    unit, short = next((pair for pair in units if number >= pair[0]), units[-1])
    form = ".1e" if number >= 1e15 else ".3g" if number < 1000 * unit else ".4g"
    return f"{number / unit:{form}} {short}"


@dataclass(frozen=True)
class Checked:
    """What is known of cells before any of them runs."""

    impossible: Mapping[str, str]  # cells of a sweep whose values do not go together, by key
    warnings: tuple[str, ...]  # what the reader should know of the results, a line each
    estimates: Mapping[str, Estimate]  # what each of the other cells will need, by key


def check(grid: Sequence[Cell], room: Room | None = None, simulated: bool = True) -> Checked:
    """Build every cell, so that a bad config writes nothing. What cells share (a problem, the
    warnings of a delay model) is built once. Without ``room`` the data may be of any size; what is
    not ``simulated`` takes other times in each replication. Raises ConfigError: a section is wrong,
    data are missing or too large, or no cell is possible."""
    sizes: dict[tuple[int, int, int], Data | None] = {}
    impossible: dict[str, str] = {}
    warnings: dict[tuple[int, ...], tuple[str, ...]] = {}
    estimates: dict[str, Estimate] = {}
    known: dict[tuple[int, ...], Estimate | str] = {}
    made_once = list[Cell]()
    for cell in grid:
        settings = cell.settings
        (entry,) = settings.schemes
        alike = (*map(id, needed(settings)), id(entry))
        if alike not in known:
            try:
                known[alike] = _estimated(cell, room or Room(), sizes)
            except build.ImpossibleCell as error:
                if not cell.swept:
                    raise
                known[alike] = str(error)
        estimate = known[alike]
        if isinstance(estimate, str):
            impossible[cell.key] = estimate
            continue
        if alike not in warnings:
            no_problem = build.without_problem(cell)
            warnings[alike] = (*build.warnings(settings), *no_problem)
        estimates[cell.key] = estimate
        if simulated and settings.replications > 1 and build.nothing_random(settings):
            made_once.append(cell)
    if all(cell.key in impossible for cell in grid):
        raise ConfigError(next(iter(impossible.values())))
    lines = dict.fromkeys(line for texts in warnings.values() for line in texts)
    if made_once:
        lines[_made_once_line(made_once, every=len(made_once) == len(estimates))] = None
    return Checked(impossible, tuple(lines), estimates)


def _made_once_line(made_once: Sequence[Cell], every: bool) -> str:
    asked = ", ".join(dict.fromkeys(str(cell.settings.replications) for cell in made_once))
    of = "" if every else f" of {enumerated([cell.named for cell in made_once], NAMED_CELLS)}"
    return (
        f"replications = {asked}: nothing{of} is random, so that all would be the same run: one is "
        "made, without an interval"
    )


# the settings that an estimate depends on; what cells share of them is one object
needed = attrgetter(*(name for name in FIELDS if name not in (*NO_NUMBERS, "seed", "schemes")))


def _estimated(cell: Cell, room: Room, sizes: dict[tuple[int, int, int], Data | None]) -> Estimate:
    settings = cell.settings
    cut = build.scheme_of(cell.settings).partitions
    problem = (id(settings.problem), settings.workers, cut)  # the seed cannot be wrong
    if problem not in sizes:
        sizes[problem] = _size(cell, room)
    data = sizes[problem]
    try:
        run = build.run_of(settings, None if data is None else data.parameters)
        run = build.made_once(run, settings)
        return estimate(run, settings.engine, data, settings.clock_alone)
    except (Exception, SystemExit) as error:
        if isinstance(error, ConfigError) or build.ours(settings):
            raise
        return Estimate("event", "", cost=0.0, memory=0)  # its cell fails, and says so


def _size(cell: Cell, room: Room) -> Data | None:
    """How large a cell's problem is; one that says so before it is made may be refused."""
    config = cell.settings.problem
    entries = None if config is None else config.family.entries
    if config is not None and entries is not None:
        what = f"problem.dataset = {config.family.name} ({entries:.3g} numbers)"
        require_memory(DATA * FLOAT_BYTES * entries, room, what, "take fewer rows or features")
    if (learning := build.training(cell)) is None:
        return None
    problem = learning.problem
    entries, linear = int(problem.X.size), isinstance(problem, Problem)
    work = entries if linear else problem.rows * problem.parameters
    return Data(entries, work, problem.kept, problem.parameters, problem.held_size)
