"""From a cell's settings to what an engine runs and what a learner trains on."""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Annotated, Any, TypeVar, final, overload

import numpy as np
from annotated_types import Ge, Lt
from typing_extensions import override

from ...delay_models import DelayModel, Tape
from ...delay_models.base import Finite, IndependentDelays, Seconds
from ...sim.base.errors import ConfigError, DataNotFound, InvalidParameter, at, message_of
from ...sim.base.fields import configured
from ...sim.base.numerics import one_thread
from ...sim.base.types import FloatArray
from ...sim.engines.law import round_law
from ...sim.engines.run import IDEAL, Cluster, Failures, Policy, Run
from ...sim.engines.tapes import RememberedTape
from ...sim.load_laws import PerPartition
from ...sim.schemes import Scheme, SchemeFamily
from ...sim.schemes.barrierless import Barrierless
from ...sim.schemes.base import KnownDelaysFamily, RoundScheme, Sees
from ...sim.training.optimizers import Optimizer
from ...sim.training.problems import LOSSES, Objective, ProblemConfig
from ..text import number_of, raised
from .cells import Cell
from .codec import names
from .settings import FailureSettings, Settings, section

T = TypeVar("T")
# replication numbers of the tapes of failures, repairs and losses; no run has so many
FAILURE_TAPES, REPAIR_TAPES, RESEND_TAPES = 2**30, 2**30 + 2**29, 2**31
UPLINK_TAPES, TRANSFER_TAPES = 2**31 + 2**29, 2**31 + 2**30  # and of the times of messages


class ImpossibleCell(ConfigError):
    """Each setting is fine, but they cannot go together (the load does not divide workers)."""


@dataclass(frozen=True)
class Training:
    """Everything that decides the losses of a given trace."""

    problem: Objective
    initial: FloatArray
    optimizer: Optimizer


def run_of(settings: Settings, features: int | None = None) -> Run:
    """Build everything that decides when rounds end. No tape is made before it is read.
    ``features`` is p, for the size of messages; ``None`` without data. Raises ConfigError: engine
    or network do not suit, or a problem is missing; ImpossibleCell: values do not go together."""
    scheme = scheme_of(settings)
    n, seed, delay = settings.workers, settings.seed, settings.delay
    sees = scheme.sees if isinstance(scheme, RoundScheme) else Sees.NOTHING
    if sees is Sees.LOSSES and settings.problem is None:
        raise ConfigError(f"problem: missing; {scheme.name} decides by the losses")
    if settings.clock_alone and settings.problem is not None:
        key, value = ("engine", "law") if settings.engine == "law" else ("record", "clock")
        raise at(key, value, "gives the clock alone: leave it, or problem, out")
    _require_workers(settings)
    if isinstance(scheme, Barrierless) and delay.rounds_available() is not None:
        valid = "a scheme without rounds reads on at the end of a trace; give end: cyclic"
        raise ImpossibleCell(str(at("delay.end", "truncated", valid)))
    rounds, recorded = iterations(settings), delay.rounds_available()
    more = max(scheme.updates(rounds) - rounds, 0)
    if recorded is not None and rounds + more > recorded:  # it would begin again at the trace's end
        longer = f"{scheme.name} takes {number_of(more, 'more round')}, and the trace has"
        valid = f"{longer} {recorded}: must be at most {recorded - more}, or give end: cyclic"
        raise ImpossibleCell(str(at("iterations", settings.iterations, valid)))
    cluster = _cluster(settings, features, scheme.message_size)
    tapes = Lazily(partial(Tape, delay, n, seed), settings.replications)
    run = Run(scheme, tapes, settings.load_law, rounds, settings.policy, cluster, seed)
    if (reason := run.impossible()) is not None:
        raise ImpossibleCell(f"schemes.{scheme.name}: {reason}")
    refusal = round_law(run) if settings.engine == "law" else run.refusal()
    if settings.engine in ("batch", "law") and isinstance(refusal, str):
        raise at("engine", settings.engine, f"{refusal}: must be event or auto")
    return run


@final
class SharedTapes:
    """Delays that runs of several schemes read, drawn once. Life cycle: ``shared`` for each run.

    Args:
        max_delays: of the tapes that are kept, together; a run of more draws its own.
        max_keys: how many runs' tapes are kept, the latest.
    """

    def __init__(self, max_delays: int, max_keys: int = 2**20) -> None:
        self._max_delays, self._max_keys = max_delays, max_keys
        self._known: dict[Hashable, tuple[int, list[RememberedTape]]] = {}  # with their delays

    def shared(self, key: Hashable, run: Run) -> Run:
        """The run on the tapes that all runs with this key read, which says all that decides their
        delays."""
        if not isinstance(run.scheme, RoundScheme) or run.cluster.failures is not None:
            return run  # these read on as long as it takes
        known = self._known
        if key not in known:  # some schemes begin some rounds earlier: an eighth more is drawn
            rounds = max(run.updates + run.updates // 8, run.iterations)
            streams = run.scheme.workers if isinstance(run.load_law, PerPartition) else 1
            delays = len(run.tapes) * rounds * run.scheme.workers * streams
            if delays > self._max_delays:
                return run
            known[key] = delays, [RememberedTape(tape, rounds) for tape in run.tapes]
        known[key] = known.pop(key)  # the latest is the last
        while len(known) > self._max_keys or sum(n for n, _ in known.values()) > self._max_delays:
            known.pop(next(iter(known)))
        return replace(run, tapes=known[key][1])


def _require_workers(settings: Settings) -> None:
    """Refuse (ImpossibleCell) a number of workers that a delay model does not serve."""
    n, trouble = settings.workers, settings.failures or FailureSettings()
    times = ("time_to_failure", "time_to_repair")
    laws = {f"failures.{key}": getattr(trouble, key) for key in times}
    for place, law in {"delay": settings.delay, **laws}.items():
        if law is None:
            continue
        if (available := law.workers_available()) is not None and available < n:
            what = "the delay model" if place == "delay" else place
            valid = f"{what} has {number_of(available, 'worker')}; must be 1 to {available}, "
            valid += "or else give one delay law for all workers, which serves any number"
            raise ImpossibleCell(str(at("workers", n, valid)))
        try:
            law.require_workers(n)
        except InvalidParameter as error:
            text = str(at(f"{place}.{error.field}", error.value, error.valid))
            raise ImpossibleCell(text) from None
    if (required := settings.delay.workers_required()) is not None and required != n:
        has = number_of(required, "worker")
        valid = f"the trace has {has}; must be {required} or auto, or else give "
        raise ImpossibleCell(str(at("workers", n, f"{valid}delay.hosts: first or a list of names")))


def require_delays(cell: Cell, what: str) -> None:
    """Refuse the law engine where ``what`` is about single workers.
    Raises ConfigError: the cell's engine draws the lengths of rounds alone."""
    if cell.settings.engine == "law":
        valid = f"draws no worker's time, and {what} is about these: must be event, batch or auto"
        raise at("engine", "law", valid)


def scheme_of(settings: Settings) -> Scheme:
    """Build the scheme of settings that have one. Raises ImpossibleCell: it cannot be, for this
    number of workers."""
    family = settings.schemes[0].family
    section = settings.schemes[0].place or f"schemes.{family.name}"
    if isinstance(family, KnownDelaysFamily):  # which draws some
        _require_workers(settings)
    try:
        return _scheme(settings)
    except InvalidParameter as error:
        where = f"{section}.{error.field}"
        raise ImpossibleCell(str(at(where, error.value, error.valid))) from None
    except Exception as error:
        if ours(settings):
            raise
        what = f"cannot be built for {number_of(settings.workers, 'worker')}: {raised(error)}"
        raise ImpossibleCell(f"{section}: {what}") from None


def ours(settings: Settings) -> bool:
    """Whether the scheme is no plugin's: of an error in it we want to see the traceback."""
    return type(settings.schemes[0].family).__module__.startswith("erasurehead.sim.")


def iterations(settings: Settings) -> int:
    """Those asked for, or as many as the delay model has."""
    return min(settings.iterations, settings.delay.rounds_available() or settings.iterations)


def warnings(settings: Settings) -> tuple[str, ...]:
    """What a reader should know of a cell's results, a line each."""
    lines = settings.delay.warnings()
    asked, rounds = settings.iterations, iterations(settings)
    if rounds < asked:
        end = f"the trace ends after {number_of(rounds, 'round')}, so {asked} become as many"
        lines += (f"iterations = {asked}: {end}; end: cyclic begins again",)
    delay, n = settings.delay, settings.workers
    known, laws = delay.workers_available() or 0, (delay, *delay.parts())
    if known > n and all(getattr(law, "hosts", "") != "first" for law in laws):
        lines += (f"delay: the first {n} of {known} hosts; workers = {known} has them all",)
    return lines + without_effect(settings)


def nothing_random(settings: Settings) -> bool:
    """Whether all replications are the same run: neither the delays, nor what surrounds the
    workers, nor the scheme draws anything. The data and the start are the same in any case."""
    network, failures = settings.network, settings.failures
    laws: list[DelayModel | None] = [settings.delay]
    if network is not None:
        laws += [network.uplink, network.transfer]
    if failures is not None:
        laws += [failures.time_to_failure, failures.time_to_repair]
    loses_messages = failures is not None and failures.message_loss > 0
    if loses_messages or any(law.random for law in laws if law is not None):
        return False
    return not scheme_of(settings).random


def replications(settings: Settings) -> int:
    """Those asked for, or one where nothing is random."""
    return 1 if nothing_random(settings) else settings.replications


def made_once(run: Run, settings: Settings) -> Run:
    """The run with the replications that are made, see ``replications``."""
    return replace(run, tapes=run.tapes[:1]) if nothing_random(settings) else run


def without_problem(cell: Cell) -> tuple[str, ...]:
    """The settings that only learning has, where nothing is learned, a line each; none where
    ``problem: null`` says that nothing is."""
    if cell.settings.problem is not None or cell.says_no_problem:
        return ()
    given = [key for key in ("optimizer", "target_loss") if cell.document.get(key) is not None]
    return tuple(f"{key}: has no effect without a problem" for key in given)


def without_effect(settings: Settings) -> tuple[str, ...]:
    """The settings that move nothing beside the others, a line each."""
    lines = []
    network, failures, target = settings.network, settings.failures, settings.target_loss
    scheme = scheme_of(settings)
    if settings.policy is not Policy.CANCEL and isinstance(scheme, Barrierless):
        lines.append(
            f"policy: {settings.policy} has no effect on {scheme.name}, which has no rounds, and "
            "slows the schemes beside it; cancel is fair to both"
        )
    family = settings.schemes[0].family
    discounts = getattr(family, "staleness", None) or getattr(family, "delay_adaptive", False)
    if isinstance(scheme, Barrierless) and discounts and scheme.always_fresh:
        lines.append(
            f"schemes.{scheme.name}: staleness, or delay_adaptive, has no effect: none of its "
            "gradients is stale"
        )
    if (
        settings.problem is not None
        and target is not None
        and target < 0
        and settings.problem.settings.loss in LOSSES
    ):
        lines.append(f"target_loss = {target:g}: is never reached; no loss is below 0")
    if network is not None and network.message_bytes is not None and network.bandwidth is None:
        lines.append("network.message_bytes: has no effect without bandwidth")
    if failures is not None and failures.retry_after > 0 and failures.message_loss == 0:
        lines.append("failures.retry_after: has no effect without message_loss")
    return tuple(lines)


def both(cell: Cell) -> tuple[Run, Training | None]:
    """What ``run_of`` and ``training`` build, and raise; messages are as large as gradients."""
    learning = training(cell)
    features = None if learning is None else learning.problem.parameters
    return run_of(cell.settings, features), learning


def training(cell: Cell) -> Training | None:
    """Build a cell's problem, cut into its scheme's partitions; ``None`` for a timing-only cell.
    Raises ConfigError: there is no optimizer, or the data are missing or do not fit;
    ImpossibleCell: the scheme does not suit the number of workers."""
    settings = cell.settings
    if settings.problem is None:
        return None
    if settings.optimizer is None:
        raise ConfigError("optimizer: missing; a problem needs rule and learning_rate")
    config = settings.problem
    code = (type(config.family), config.losses[config.settings.loss])
    text = json.dumps(cell.document["problem"], sort_keys=True)
    files = cell.data_stamps()
    wanted = _Wanted(text, code, files, settings.workers, settings.seed, cell.data_dir, config)
    problem, initial = _problem(wanted)
    if (partitions := scheme_of(settings).partitions) != problem.partitions:
        try:
            problem = replace(problem, partitions=partitions)
        except InvalidParameter as error:
            raise at(f"problem.{error.field}", error.value, error.valid) from None
    return Training(problem, initial, settings.optimizer)


@dataclass(frozen=True)
class _Wanted:
    """A problem, told from others by text, code and file: its config need not have a hash."""

    text: str
    code: tuple[type, ...]
    files: tuple[tuple[Path, int, int], ...]
    partitions: int
    seed: int
    data_dir: Path | None
    config: ProblemConfig = field(compare=False)


@lru_cache(maxsize=2)
def _problem(wanted: _Wanted) -> tuple[Objective, FloatArray]:
    """Load a problem; remembered, since the cells of a run share theirs."""
    try:
        with one_thread():
            return wanted.config.build(wanted.partitions, wanted.seed, wanted.data_dir)
    except InvalidParameter as error:
        raise at(f"problem.{error.field}", error.value, error.valid) from None
    except (DataNotFound, ValueError) as error:
        raise ConfigError("problem.dataset: ", message_of(error)) from None


def _scheme(settings: Settings) -> Scheme:
    family, workers = settings.schemes[0].family, settings.workers
    if isinstance(family, KnownDelaysFamily):
        from ...sim.theory.worker_time import KnownDelayLaw  # only where it is needed

        return family.build_for(workers, KnownDelayLaw(settings.delay, settings.load_law))
    if "path" in names(type(family)):  # what it reads may change
        return family.build(workers)
    try:
        return _built(family, workers)
    except TypeError:  # a field that cannot be hashed
        return family.build(workers)


@lru_cache(maxsize=16)
def _built(family: SchemeFamily, workers: int) -> Scheme:
    """Remembered, since the points of a grid share theirs."""
    return family.build(workers)


def delay_model(given: Mapping[str, Any]) -> DelayModel:
    """Build a section that names a delay model, and the models nested in it. Raises ConfigError:
    unknown model, bad parameter or bad trace file, or delays that are no numbers."""
    model: DelayModel = section("delay", given)
    return model


@configured
class Resends(IndependentDelays):
    """Each attempt is lost with probability ``loss``; a loss costs ``retry_after`` seconds. The sum
    is ``retry_after`` times a geometric number of losses. Not in the registry: it is part of a
    config's ``failures``, not a model of workers."""

    loss: Annotated[Finite, Ge(0), Lt(1)]
    retry_after: Seconds

    @override
    def draw(self, rng: np.random.Generator, shape: tuple[int, ...]) -> FloatArray:
        return np.asarray(self.retry_after * (rng.geometric(1 - self.loss, shape) - 1.0))

    @override
    def longest(self) -> float:
        """The largest whole number that NumPy draws is 2^63 - 1."""
        return self.retry_after * 2.0**63


def _cluster(settings: Settings, features: int | None, gradients: float) -> Cluster:
    """What surrounds the workers, with a tape for each kind of trouble and replication. A gradient
    takes 8 bytes a feature unless ``message_bytes`` is given; a message of the scheme has the size
    of so many gradients. Raises ConfigError: no size is known, and a bandwidth needs one."""
    net, trouble, replications = settings.network, settings.failures, settings.replications
    if net is None and trouble is None:
        return IDEAL
    uplink = transfer = None
    if net is not None:
        size = net.message_bytes
        if size is None and features is None and net.bandwidth is not None:
            raise ConfigError("network.message_bytes: missing; without a problem no size is known")
        size = 8.0 * (features or 0) if size is None else size
        net = replace(net, message_bytes=gradients * size)
    trouble = trouble or FailureSettings()

    def tapes(model: DelayModel, first: int) -> Sequence[Tape]:
        n, seed = settings.workers, settings.seed
        return Lazily(partial(_tape, model, n, seed, first), replications)

    if net is not None:
        uplink = None if net.uplink is None else tapes(net.uplink, UPLINK_TAPES)
        transfer = None if net.transfer is None else tapes(net.transfer, TRANSFER_TAPES)
    lives = None
    if trouble.time_to_failure is not None:
        up = tapes(trouble.time_to_failure, FAILURE_TAPES)
        repair = trouble.time_to_repair
        down = None if repair is None else tapes(repair, REPAIR_TAPES)
        lives = Lazily(partial(_failures, up, down), replications)
    resends = None
    if trouble.message_loss > 0:
        lost = Resends(loss=trouble.message_loss, retry_after=trouble.retry_after)
        resends = tapes(lost, RESEND_TAPES)
    return Cluster(net, resends, lives, trouble.max_wait, uplink, transfer)


# What ``Lazily`` calls is a function of this module, so that a run can be pickled.


def _tape(model: DelayModel, workers: int, seed: int, first: int, replication: int) -> Tape:
    return Tape(model, workers, seed, first + replication)


def _failures(up: Sequence[Tape], down: Sequence[Tape] | None, replication: int) -> Failures:
    return Failures(up[replication], None if down is None else down[replication])


class Lazily(Sequence[T]):
    """A sequence whose items are made each time that they are read; a million cost no memory."""

    def __init__(self, make: Callable[[int], T], length: int) -> None:
        self._make, self._length = make, length

    def __len__(self) -> int:
        return self._length

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[T]: ...
    def __getitem__(self, index: int | slice) -> T | Sequence[T]:
        indices = range(self._length)[index]
        return self._make(indices) if isinstance(indices, int) else [self._make(i) for i in indices]
