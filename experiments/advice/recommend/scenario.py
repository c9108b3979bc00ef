"""The cluster and its problem, from a config in which no rounds are measured ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from typing_extensions import override

from ....delay_models import Tape
from ....delay_models.base import DelayModel, ReplayedDelays
from ....delay_models.factors import GroupEffects
from ....delay_models.trace import MeasuredRounds, MeasuredTrace
from ....sim.base.errors import ConfigError, Option, at
from ....sim.base.types import FloatArray, IntArray, Loads, TapeAround, TapeLike
from ....sim.engines.run import Run
from ....sim.engines.tapes import RememberedTape
from ....sim.load_laws import LoadLaw
from ...config import build
from ...config.catalogue import Catalogue
from ...config.cells import Cell, catalogue_of, cells, read_sweep
from ...config.settings import Settings
from ...run.estimate import Room, check, size

TODAY = {"name": "uncoded", "label": "uncoded"}  # the scheme of today where a config names none
MOST_RUNS = 256  # replications of the last rung


@dataclass(frozen=True, eq=False)
class Scenario:
    """A cluster and, if any, its problem."""

    name: str  # of the config
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
    notes: tuple[str, ...]  # what should be known of the config, a line each
    data_dir: Path | None  # where the public data sets lie
    racks: IntArray | None  # the rack of each worker, ``(n,)``, if the delays have racks

    @property
    def workers(self) -> int:
        """The number of workers n."""
        return int(self.base["workers"])

    @property
    def iterations(self) -> int:
        """Iterations T of the config."""
        return int(self.base["iterations"])


def read_scenario(document: Mapping[str, Any], data_dir: Path | None) -> Scenario:
    """Read a config, perhaps without schemes. Raises ConfigError: it is bad, has a grid, or its
    rounds are measured ones."""
    if sweep := read_sweep(document):
        keys = ", ".join(sweep)
        choose = "sweep: must be empty; choose one value with "
        raise ConfigError(choose, Option("set"), f" for {keys}")
    whole = {"schemes": None, **document}
    whole["schemes"] = whole["schemes"] or [TODAY]
    grid = cells(whole, data_dir)
    build.require_delays(grid[0], "a recommendation")
    _refuse_measured_rounds(grid[0].settings)
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
    lines = [*left_out, *build.warnings(settings)]
    if isinstance(settings.delay, ReplayedDelays):
        lines.append(
            "every replication replays the same delays, so that intervals say nothing of other days"
        )
    if build.nothing_random(settings):
        lines.append(
            f"nothing of {grid[0].label} is random: runs that are all the same have no interval"
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
        racks=_racks(settings),
    )


def answered_by_whatif(whatif: str, fit: str) -> str:
    """What to do where rounds were measured: ``whatif`` and ``fit`` as they are called there."""
    return (
        f"recommend searches where nothing was measured; `{whatif}` ranks what helps on measured "
        f"rounds, `{fit}` finds a law to search, if they follow one"
    )


IN_A_SHELL = answered_by_whatif("erasurehead whatif TABLE", "erasurehead fit TABLE")


def _refuse_measured_rounds(settings: Settings) -> None:
    """Refuse (ConfigError) delays that are measured rounds, replayed or drawn, also where another
    law changes them. Single cells of a table, drawn alone, are a law."""
    for law in _laws(settings):
        replayed = isinstance(law, MeasuredTrace) and law.resample != "cells"
        if replayed or isinstance(law, MeasuredRounds):
            model = "trace" if replayed else "measured_rounds"
            field = "delay.model" if law is settings.delay else "delay"
            raise ConfigError(f"{field} = {model}: {IN_A_SHELL}")


def _laws(settings: Settings) -> Iterator[DelayModel]:
    """The delays' law, and those that it is made of."""
    laws = [settings.delay]
    for law in laws:
        laws += law.parts()
        yield law


def _racks(settings: Settings) -> IntArray | None:
    for law in _laws(settings):
        if isinstance(law, GroupEffects):
            return law.racks(settings.workers)
    return None


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
        share = replications / build.replications(cell.settings)
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
