"""The cluster and its problem, from a config or from a measured table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from typing_extensions import override

from ....delay_models import Tape
from ....delay_models.base import ReplayedDelays
from ....delay_models.factors import GroupEffects
from ....delay_models.measured.measured import AS_IT_IS, MeasuredDelays
from ....delay_models.trace import MeasuredRounds, MeasuredTrace
from ....sim.base.errors import ConfigError, at
from ....sim.base.reading import Reading
from ....sim.base.types import FloatArray, IntArray, Loads, TapeAround, TapeLike
from ....sim.engines.run import Run
from ....sim.engines.tapes import RememberedTape
from ....sim.load_laws import LoadLaw
from ...config import build
from ...config.catalogue import Catalogue
from ...config.cells import Cell, catalogue_of, cells, read_sweep
from ...config.settings import Settings
from ...run.estimate import Room, check, size
from ..fit import command
from ..fit.study import study_for
from ..statistics.groups import placed
from ..whatif.study import Study, study_load
from .compare import LAW, Evidence
from .request import MeasuredJob

TODAY = {"name": "uncoded", "label": "uncoded"}  # the scheme of today where a config names none
MOST_RUNS = 256  # replications of the last rung


@dataclass(frozen=True)
class MeasuredConfig:
    """A config that is made from a measured table."""

    job: MeasuredJob  # the table, if there is no config, and what is trained, if there is a loss
    reading: Reading = AS_IT_IS  # what the table does not say of itself
    called: str = ""  # in sentences, a table in memory, whose file does not last; else the file's

    @cached_property
    def table(self) -> tuple[MeasuredDelays, list[str]]:
        """What was measured, and what to know of it. Raises ConfigError: it cannot be used."""
        return command.read_tables(str(self.job.trace), self.reading)

    def document(self, overrides: Sequence[str] = ()) -> tuple[dict[str, Any], list[str]]:
        """The config before ``--set``, and what to know of it. Raises ConfigError: a bad table."""
        job, path = self.job, self.job.trace
        assert path is not None
        measured, notes = self.table[0], [*self.table[1]]
        n = measured.workers if job.workers is None else job.workers
        more, source = n > measured.workers, self.called or path.name
        name = "table" if self.called else path.name.split(".")[0] or "trace"
        name += f"-{n}" if more else ""
        document: dict[str, Any] = {"name": name, "workers": n}
        document |= {"iterations": 100, "replications": 32}
        several = len(measured.tables) > 1 and self.reading.load is None
        law = job.law or several or more
        if not law:
            document["delay"] = self._rounds(n)
        else:
            ks = command.k_range(None, measured.workers)
            size, load = n if more else None, self.reading.load
            fitted = study_for(size, measured, ks, load, lambda done, total: None)
            document |= {"delay": fitted.chosen.section, "load_law": fitted.load_law}
            notes.append(f"delays fitted to {source}: {', '.join(fitted.chosen.why)}")
            notes += fitted.warnings
            if fitted.warnings:
                instead = "--load D takes the measured rounds of load D"
                if more:
                    instead = f"for {measured.workers} workers or fewer the measured rounds decide"
                elif job.law:
                    instead = "without --law the measured rounds decide"
                lacking = "who is hardly heard, and what that costs, is not known"
                notes.append(f"so {lacking}: {instead}")
        if self.assumes_load_law(overrides):
            notes.append(f"{source} has one load, so the load law is assumed: proportional")
        if job.loss is not None:
            data: dict[str, Any] = {"dataset": job.dataset or "synthetic"}
            if job.dataset is None:  # its size stands for that of the user's own
                data |= {"rows": 40 * n, "features": 20}
                times = "times to its target rank the schemes, and are not those of your training"
                notes.append(f"the problem is synthetic: {times}")
            document["problem"] = {"loss": job.loss, **data}
            document["optimizer"] = {"rule": "gd", "learning_rate": 1.0}
        elif job.dataset is not None:
            raise at("--dataset", job.dataset, "needs --loss as well")
        return document, notes

    def assumes_load_law(self, overrides: Sequence[str]) -> bool:
        """Whether neither the table, with its one load, nor ``--set`` says how load counts."""
        given = any(override.startswith("load_law") for override in overrides)
        return len(self.table[0].tables) == 1 and not given

    def _rounds(self, workers: int) -> dict[str, Any]:
        """A section that draws stretches of whole rounds of the table."""
        read = {k: list(v) if isinstance(v, tuple) else v for k, v in vars(self.reading).items()}
        measured = self.table[0]
        read["hosts"] = "first" if workers < measured.workers else None
        read = {key: value for key, value in read.items() if value not in (None, [], {})}
        stretch = round(max(1.0, min(map(len, measured.tables.values())) ** 0.5), 3)
        drawn = {"resample": "rounds", "stretch": stretch}
        return {"model": "trace", "path": str(self.job.trace), **drawn, **read}

    def of(self, scenario: Scenario, overrides: Sequence[str] = ()) -> Scenario:
        """The scenario of its document, with what only the table says."""
        measured, path = self.table[0], scenario.base["delay"].get("path")
        # The section reads the file once more, and says under its path what was said already.
        notes = [note for note in scenario.notes if not note.startswith(f"{path}: ")]
        times = scenario.workers / measured.workers
        assumed = self.assumes_load_law(overrides)
        known = replace(scenario, read=measured.read, times=times, notes=tuple(notes))
        return replace(known, load_law_assumed=assumed, lasting=not self.called)


@dataclass(frozen=True, eq=False)
class Scenario:
    """A cluster and, if any, its problem."""

    name: str  # of the config or the table
    base: Mapping[str, Any]  # the config without its schemes, every default written out
    given: tuple[Mapping[str, Any], ...]  # sections of the config's schemes, with labels
    catalogue: Catalogue  # what a config can name
    features: int  # p; 0 without a problem
    unit_delay: float  # seconds, median unit delay
    worker_time: tuple[float, float, float]  # medians at load 1 and 2, mean of the slowest
    # seconds by which the slowest of many rounds is slower than the slowest of a run
    tail_allowance: float
    repeats: int  # how many times the usual replications are needed, since few rounds are very slow
    affordable: int  # replications that one run of each scheme of the config may have
    notes: tuple[str, ...]  # what should be known of the input, a line each
    data_dir: Path | None  # where the public data sets lie
    read: tuple[str, ...] = ()  # how the table that the config was made from was read, a line each
    evidence: Evidence = LAW  # what the runs are drawn from
    # Measured rounds that runs are drawn from, ``(R, n)`` seconds, and what their hosts are called.
    table: FloatArray | None = None
    hosts: tuple[str, ...] = ()
    lasting: bool = True  # whether the file of these rounds is there when the search is over
    # How many times the workers of that table there are, each with a task as large as it had.
    times: float = 1.0
    load_law_assumed: bool = False  # nothing measured or given says how a task grows with its load
    named: Mapping[str, Sequence[str]] = field(default_factory=dict)  # groups that the table names
    of_law: IntArray | None = None  # the rack of each worker, ``(n,)``, if the delays have racks

    @property
    def workers(self) -> int:
        """The number of workers n."""
        return int(self.base["workers"])

    @property
    def iterations(self) -> int:
        """Iterations T of the config."""
        return int(self.base["iterations"])

    @cached_property
    def of_table(self) -> Study | None:
        """What ``whatif`` finds in the measured rounds in which all arrive; ``None``: there are no
        such, or some are of 0 s, which it refuses."""
        table = self.table
        if table is None or not (whole := table[np.isfinite(table).all(axis=1)]).size:
            return None
        medians = np.concatenate([np.median(whole, axis=axis) for axis in (0, 1)])
        return study_load(whole, self.hosts, named=self.named) if (medians > 0).all() else None

    @cached_property
    def racks(self) -> IntArray | None:
        """The rack of each worker, ``(n,)``, by the delay law or the table; ``None``: no workers
        are slow together. Who is in none has one of its own."""
        if self.of_law is not None:
            return self.of_law
        study = self.of_table
        if study is None or study.waits or not study.groups:
            return None
        racks = placed([hosts for hosts, _, _ in study.groups], self.hosts, self.named)
        alone = np.flatnonzero(racks < 0)
        racks[alone] = racks.max() + 1 + np.arange(len(alone))
        return racks if len(alone) < len(racks) else None


def read_scenario(
    document: Mapping[str, Any], data_dir: Path | None, notes: Sequence[str] = ()
) -> Scenario:
    """Read a config, perhaps without schemes. Raises ConfigError: it is bad, or has a grid."""
    if sweep := read_sweep(document):
        keys = ", ".join(sweep)
        raise ConfigError(f"sweep: must be empty; choose one value with --set for {keys}")
    whole = {"schemes": None, **document}
    whole["schemes"] = whole["schemes"] or [TODAY]
    grid = cells(whole, data_dir)
    build.require_delays(grid[0], "a recommendation")
    grid, left_out, affordable = _possible(grid)
    settings = grid[0].settings
    _, learning = build.both(grid[0])
    drawn = _drawn(settings)
    drawn[~np.isfinite(drawn)] = np.nan
    # Later rounds may be slower; spells may last for 200.
    usual = drawn[:, :, : max(200, settings.iterations)]
    if np.isnan(usual[:, 1]).all():
        raise ConfigError("delay: no worker ever arrives in the first rounds")
    unit, single, double = np.nanmedian(usual, axis=(0, 2, 3))
    if single <= 0:
        raise ConfigError("delay: half or more of the delays are 0 s; nothing to compare")
    slowest = np.nan_to_num(drawn[:, 1]).max(axis=-1)
    allowance, repeats = _rare(slowest.ravel(), settings, affordable)
    lines = [*notes, *left_out, *build.warnings(settings)]
    if isinstance(settings.delay, ReplayedDelays):
        lines.append(
            "every replication replays the same delays, so that intervals say nothing of other "
            "days; {model: trace, resample: rounds} draws whole rounds anew"
        )
    waits = slowest[:, : usual.shape[2]]
    return Scenario(
        name=settings.name,
        base={k: v for k, v in grid[0].document.items() if k not in ("schemes", "sweep")},
        given=tuple({**cell.scheme, "label": cell.label} for cell in grid),
        catalogue=catalogue_of(whole),
        features=0 if learning is None else learning.problem.parameters,
        unit_delay=float(unit),
        worker_time=(float(single), float(double), float(waits[waits > 0].mean())),
        tail_allowance=allowance,
        repeats=repeats,
        affordable=affordable,
        notes=tuple(dict.fromkeys(lines)),
        data_dir=data_dir,
        of_law=_racks(settings),
        **_measured(settings),
    )


def _racks(settings: Settings) -> IntArray | None:
    laws = [settings.delay]
    for law in laws:
        laws += law.parts()
    known = (law.racks(settings.workers) for law in laws if isinstance(law, GroupEffects))
    return next(known, None)


def _measured(settings: Settings) -> dict[str, Any]:
    """The fields of a scenario that only measured rounds have."""
    delay, n = settings.delay, settings.workers
    facts: dict[str, Any] = {"hosts": tuple(map(str, range(n)))}
    if isinstance(delay, MeasuredTrace) and delay.resample == "rounds":
        facts = {"hosts": delay.measured.hosts[:n], "named": delay.measured.groups}
    elif not isinstance(delay, MeasuredRounds):
        return {}
    evidence = Evidence(len(delay.table), delay.stretch, settings.iterations)
    return {"evidence": evidence, "table": delay.table[:, :n], **facts}


def _drawn(settings: Settings, runs: int = 16, most: int = 20_000) -> FloatArray:
    """Many rounds of some runs, to see what is rare: unit delays, and what a worker takes with one
    partition and with two, ``(runs, 3, rounds, n)`` seconds."""
    model, law, n = settings.delay, settings.load_law, settings.workers
    rounds = min(most, 2**21 // n, runs * (model.rounds_available() or most)) // runs
    drawn = []
    for r in range(1 if isinstance(model, ReplayedDelays) else runs):
        tape = RememberedTape(Tape(model, n, settings.seed, r), rounds)
        times = (law.worker_times(tape, np.full(n, load), 0, rounds) for load in (1, 2))
        drawn.append([tape.rows(0, rounds), *times])
    return np.array(drawn)


def _rare(slowest: FloatArray, settings: Settings, affordable: int) -> tuple[float, int]:
    """What rare rounds do: ``tail_allowance`` and ``repeats`` of a scenario, from the slowest
    worker's seconds in many rounds. The mean round of eight runs shall be known to 5 %, with up to
    16 times the replications, and 2^14 delays of a run times them."""
    n, length = settings.workers, settings.iterations
    runs = slowest[: len(slowest) // length * length].reshape(-1, length)
    allowance = float(slowest.max() - runs.max(axis=1).mean()) if len(runs) else 0.0
    noise = float(slowest.std() / slowest.mean()) / 0.05
    needed, most = noise**2 / (8 * length), 2**14 / (length * n)
    repeats = 1
    while repeats < min(needed, most / 4, affordable / MOST_RUNS / 4, 16):
        repeats *= 4
    return allowance, repeats


def _possible(
    grid: Sequence[Cell],
    replications: int = 64,
    max_cost: float = 3e8,
    max_memory: int = 2**30,
) -> tuple[list[Cell], list[str], int]:
    """The cells that can be built, a line for each other one, and the replications that each can
    have: of a list of values, some may not suit the rest. Raises ConfigError: there is none, a run
    of so many replications costs too many rounds of a worker, or too many bytes, for a search of
    some hundred schemes, or data are missing."""
    settings = grid[0].settings
    if settings.workers > 2000:
        raise at("workers", settings.workers, "must be at most 2000 for a search")
    checked = check(grid, Room.here(Path()))
    possible = [cell for cell in grid if cell.key in checked.estimates]
    affordable = np.inf
    for cell in possible:
        need = checked.estimates[cell.key]
        share = replications / cell.settings.replications
        cost, memory = need.cost * share, need.memory * share
        room = min(max_cost / max(cost, 1.0), max_memory / max(memory, 1.0))
        affordable = min(affordable, replications * room)
        if room < 1:
            valid = (
                f"{cell.label} is as much work as {cost:.2g} rounds of a worker, and takes "
                f"{size(memory)}, in one of many runs of a search; must be at most {max_cost:.2g} "
                f"and {size(max_memory)}: take fewer"
            )
            raise at("iterations", settings.iterations, valid)
    lost = [cell for cell in grid if cell.key in checked.impossible]
    left_out = [f"{cell.label} is left out: {checked.impossible[cell.key]}" for cell in lost]
    return possible, left_out, int(affordable)


@dataclass(frozen=True)
class Perturbation:
    """One change of the delays; everything else stays, so that a scheme is compared with itself."""

    # ``load``: what partitions beyond the first add to a worker's time is multiplied by ``value``.
    # ``tail``: what a unit delay exceeds ``median`` by is. ``persistence``: with this chance a unit
    # delay is that of the worker's round before; below 0, rounds are shuffled among workers.
    # ``placement``: worker j is the one that is j-th in ``order``.
    name: Literal["", "load", "tail", "persistence", "placement"] = ""
    value: float = 1.0  # 1 changes nothing for the first two, 0 for the third
    median: float = 0.0  # of the unit delays, seconds
    order: tuple[int, ...] = ()

    def of(self, run: Run) -> Run:
        """The run on changed delays."""
        if self.name == "load":
            return replace(run, load_law=ScaledLoad(run.load_law, self.value))
        if not self.name:
            return run
        tapes = [PerturbedTape(tape, self, (run.seed, r)) for r, tape in enumerate(run.tapes)]
        return replace(run, tapes=tapes)


UNCHANGED = Perturbation()
SHUFFLED_ROUNDS = -1.0


def perturbations(median: float) -> list[Perturbation]:
    """All that are tried, around unit delays with this median."""
    factors = (0.25, 0.5, 2.0, 4.0)
    return [
        *(Perturbation("load", value) for value in factors),
        *(Perturbation("tail", value, median) for value in factors),
        *(Perturbation("persistence", value) for value in (SHUFFLED_ROUNDS, 0.5, 0.9)),
    ]


@dataclass(frozen=True)
class ScaledLoad(LoadLaw):
    """Another law, in which partitions beyond a worker's first cost ``times`` as much. Load d takes
    the other law's time for 1 + times (d - 1) partitions: where a time is linear in the load, the
    first takes what it took, and what the rest adds is multiplied."""

    kind: ClassVar[str] = "scaled_load"

    law: LoadLaw
    times: float

    @override
    def worker_times(self, tape: TapeLike, loads: Loads, start: int, stop: int) -> FloatArray:
        whole = np.asarray(loads, dtype=np.float64)
        scaled = np.where(whole > 1, 1 + self.times * (whole - 1), whole)
        return self.law.worker_times(tape, scaled, start, stop)


class PerturbedTape(TapeAround):
    """A tape whose delays are changed as they are read; ``key`` is of its own random numbers."""

    def __init__(self, tape: TapeLike, change: Perturbation, key: tuple[int, int]) -> None:
        self.tape, self._change, self._key = tape, change, key

    def rows(self, start: int, stop: int, stream: int = 0) -> FloatArray:
        """Changed unit delays of rounds ``start <= t < stop``: ``(stop - start, n)`` seconds."""
        value, median = self._change.value, self._change.median
        if self._change.order:
            return self.tape.rows(start, stop, stream)[:, self._change.order]
        if self._change.name == "tail":
            drawn = self.tape.rows(start, stop, stream)
            return np.where(drawn > median, median + value * (drawn - median), drawn)
        drawn = self.tape.rows(0, stop, stream)
        chance = np.random.default_rng(self._key).random(drawn.shape)
        if value < 0:
            return np.take_along_axis(drawn, chance.argsort(axis=1), axis=1)[start:]
        kept = chance < value
        kept[:1] = False
        source = np.maximum.accumulate(np.where(kept, 0, np.arange(stop)[:, None]), axis=0)
        return np.take_along_axis(drawn, source, axis=0)[start:]
