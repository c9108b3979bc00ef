"""Measures one scheme on one set of delays: its clock once, and the learner at each rate."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from .....sim import theory
from .....sim.base.errors import ConfigError, EngineRefused, NeverEnough
from .....sim.base.numerics import one_thread
from .....sim.base.types import FloatArray, Messages, Rounds, Stream, Trace
from .....sim.engines.run import Engine, Policy, Run
from .....sim.engines.simulate import simulate
from .....sim.engines.tapes import CheckedTape, RememberedTape
from .....sim.load_laws import PerPartition
from .....sim.schemes.arrivals import Arrivals, Demand
from .....sim.schemes.barrierless import Barrierless
from .....sim.schemes.base import Fixed, RoundScheme, Sees
from .....sim.schemes.parts.assignments import Groups
from .....sim.theory.iteration_time import IterationTimeLaw
from .....sim.training.learner import Learner, fit_into_memory, training_context, updates_of
from .....sim.training.steps import WEIGHT_TOLERANCE, Steps
from ....config import build
from ....config.catalogue import with_plugins
from ....config.cells import Cell
from ....config.codec import plain
from ....config.settings import Settings, section, validate
from ....run.compute import learn_along
from ....run.estimate import estimate, size
from ....run.pools import Share
from ....run.tuning import clock
from ..compare import ANYTHING, Order, exact_iterations, hearing, order
from ..question import ExactPath, Goal, trial
from ..request import Criterion
from ..scenario import UNCHANGED, Perturbation

REMEMBERED_DELAYS = 2**20  # of a simulation, for the next scheme: 8 MiB


@dataclass(frozen=True)
class Budget:
    """What the evaluation of a candidate may cost, and on which delays it is done."""

    replications: int
    rung: int = 0  # of the search
    # Tuning has delays of its own, so that the last rungs flatter nobody's rate: this is added to
    # the seed of the delays, and not to that of the problem.
    other_delays: int = 0
    theory: bool = False  # closed forms will do, where there are any
    work: bool = True  # look at what workers compute, too
    # What a rate, and the common one, must match to be of interest; of no matter if ``given``.
    bar: Order = ANYTHING
    common_bar: Order = ANYTHING
    perturbation: Perturbation = UNCHANGED  # of the delays


@dataclass(frozen=True)
class CandidateRuns:
    """One scheme on one set of delays, as plain values that any process can take."""

    index: int  # tells simulations apart
    base: str  # the config without its schemes, every default written out, as JSON
    scheme: str  # its section, as JSON
    goal: Goal  # what is looked at
    iterations: int  # in place of the config's, as are the replications of the budget
    budget: Budget
    rates: tuple[float, ...] = ()  # learning rates, in order; empty: the clock alone
    # rates whose values are of interest; others compete, and end once they cannot be the best
    reported: tuple[float, ...] = ()
    data_dir: Path | None = None  # where the public data sets lie
    most_load: float = np.inf  # a scheme that needs more is not simulated

    def cell(self) -> Cell:
        """The cell of this simulation, as ``run`` would have it."""
        base: Mapping[str, Any] = json.loads(self.base)
        settings = _settings(self.base)
        catalogue = with_plugins(base.get("plugins", []))
        schemes = section("schemes", [json.loads(self.scheme)], catalogue)
        seed = (settings.seed + self.budget.other_delays) % 2**63
        changed = {"iterations": self.iterations, "replications": self.budget.replications}
        changed |= {"schemes": schemes, "seed": seed}
        named = {**plain(schemes[0].family, catalogue), "label": schemes[0].label}
        document, label = {**base, "schemes": [named]}, schemes[0].label
        cell = Cell(document, label, {}, 0, "", data_dir=self.data_dir)
        cell.__dict__["settings"] = settings.model_copy(update=changed)
        return cell


@lru_cache(maxsize=2)  # once in each process: a trace may be long
def _settings(base: str) -> Settings:
    document = {**json.loads(base), "schemes": [{"name": "uncoded"}]}
    return validate(document, with_plugins(document.get("plugins", [])))


def forget() -> None:
    """Read a config's files again, when it is next asked for."""
    _settings.cache_clear()


Facts = dict[str, Any]  # what is known of a scheme, by the names of a ``Candidate``'s fields


@dataclass(frozen=True, eq=False)
class Performance:
    """What a scheme does in R replications of a simulation."""

    criterion: Criterion  # what of the values is made small
    rates: tuple[float, ...]  # learning rates; empty without training
    # ``(len(rates) or 1, R)``, made small; NaN: not reached; by a count without rates
    values: FloatArray
    to_target: FloatArray  # ``(len(rates), R)`` iterations to the target, or NaN

    def at(self, rate: float) -> FloatArray:
        """The values at one rate, ``(R,)``."""
        return np.asarray(self.values[self.rates.index(rate) if self.rates else 0])


def _performance(
    simulation: CandidateRuns, run: Run, trace: Trace, steps: Steps, trials: Sequence[FloatArray]
) -> Facts:
    goal, rates = simulation.goal, simulation.rates
    scheme, elapsed = run.scheme, steps.times[:, -1]
    stale, within = steps.staleness, scheme.partitions * WEIGHT_TOLERANCE**2
    # Local steps are taken at other models, whatever their weights.
    fresh = stale is None and steps.local_steps == 1
    exact = fresh and (bool(scheme.exact) or float(np.nanmax(steps.error)) <= within)
    values, to_target = np.reshape(trials, (-1, 2, len(elapsed))).swapaxes(0, 1)
    effective_time = np.full(len(elapsed), np.nan)
    if not rates:
        # A start with nothing but fresh gradients is no gain of a scheme whose gradients are stale:
        # four updates for each worker are left out, or half of them all.
        first, updates = 0, steps.times.shape[1]
        if stale is not None:
            first = min(updates // 2, 4 * scheme.workers)
        counted = exact_iterations(steps, scheme.partitions, exact, first) * (updates - first)
        began = steps.times[:, first - 1] if first else 0.0
        with np.errstate(divide="ignore", invalid="ignore"):  # no progress at all
            effective_time = (elapsed - began) / counted
        # the goal itself, or a count in its place
        values = (effective_time * (goal.value if goal.kind == "iterations" else 1.0))[None]
    with np.errstate(divide="ignore", invalid="ignore"):
        heard = _heard(run, trace) / elapsed
        busy = {}
        if trace.work is not None:
            busy["busy"] = float((trace.work.busy.sum(axis=1) / elapsed).mean())
    digest = hashlib.sha256(np.ascontiguousarray(steps.times).tobytes())
    for array in (steps.error, values):
        digest.update(np.ascontiguousarray(array).tobytes())
    return {
        "effective_time": float(effective_time.mean()),
        "iteration_time": float((elapsed / run.used).mean()),
        "error": float(np.nanmean(steps.error)) * scheme.workers / scheme.partitions,
        "staleness": 0.0 if stale is None else float(stale.mean()),
        "heard": float(heard.mean()),
        **busy,
        "exact": exact,
        **hearing(steps),
        "digest": digest.hexdigest(),
        "run": Performance(goal.criterion, rates, values, to_target),
    }


def _heard(run: Run, trace: Trace) -> FloatArray:
    """Messages that the master heard, in gradients, ``(R,)``."""
    size, heard = run.scheme.message_size, trace.heard
    match heard:
        case Rounds():
            assert isinstance(run.scheme, RoundScheme)
            sizes = np.asarray(run.scheme.message_sizes)
            arrived = heard.arrived.reshape(*heard.arrived.shape[:2], -1, len(sizes))
            return np.asarray(size * (arrived.sum(axis=(1, 2)) * sizes).sum(axis=-1))
        case Messages():
            return np.asarray(size * (heard.message >= 0).sum(axis=(1, 2)), dtype=np.float64)
        case Stream():
            return np.asarray(size * np.diff(heard.ends[:, -1], prepend=0), dtype=np.float64)
        case None:
            raise ValueError("the run did not record what was heard")


def fast_engine(cell: Cell) -> Engine:
    """The batch engine where it can, also under ``engine: event``: the bits are the same."""
    return "auto" if cell.settings.engine == "event" else cell.settings.engine


def too_much(run: Run, cell: Cell, max_cost: float = 1e9, max_memory: int = 2**30) -> str | None:
    """Why a run is not simulated here, if it costs more rounds of a worker, or more bytes."""
    need = estimate(run, fast_engine(cell))
    if need.cost <= max_cost and need.memory <= max_memory:
        return None
    return (
        f"is as much work as {need.cost:.2g} rounds of a worker, and takes {size(need.memory)}: "
        f"a search simulates at most {max_cost:.2g} and {size(max_memory)}; run it alone"
    )


def performance(simulation: CandidateRuns, share: Share = lambda done: None) -> Facts | str:
    """Run one simulation: the engine once, the learner for each rate; or why that cannot be. Of a
    scheme that was only built, or of which a closed form is known, there is no ``run``."""
    budget = simulation.budget
    try:
        cell = simulation.cell()
        data = cell
        if budget.other_delays:
            data = replace(simulation, budget=replace(budget, other_delays=0)).cell()
        learning = build.training(data)
        run = build.run_of(cell.settings, None if learning is None else learning.problem.parameters)
        known = profile(run, cell)
        if known["load"] > simulation.most_load:
            return known
        if budget.theory and (facts := closed_forms(run, simulation.goal)) is not None:
            return {**known, **facts}
        if (needs := too_much(run, cell)) is not None:
            return needs
        run = budget.perturbation.of(_remembering(simulation, run))
        with one_thread():
            return {**known, **_simulated(simulation, cell, run, learning, share)}
    except (ConfigError, EngineRefused, NeverEnough) as error:  # it does not suit the cluster
        return str(error)


def profile(run: Run, cell: Cell) -> Facts:
    """What is known of a scheme as soon as it is built."""
    scheme, computes, alone = run.scheme, 1.0, True
    free, plain = isinstance(scheme, Barrierless), False
    if isinstance(scheme, RoundScheme):
        state = scheme.start(1)  # a plan that depends on it may change
        computes = float(np.max(scheme.plan(state).loads))
        alone = state is None and computes <= 1
        plain = scheme.messages == 1 and scheme.local_steps == 1
    named = getattr(cell.settings.schemes[0].family, "load", 1)
    load = max(int(np.ceil(computes)), named if isinstance(named, int) else 1)
    if isinstance(scheme, Barrierless):
        load = 1 if scheme.own_data else scheme.partitions
    known: Facts = {"load": float(load), "alone": alone, "barrierless": free, "plain": plain}
    code = getattr(scheme, "assignment", None)
    known["group"] = code.load if isinstance(code, Groups) else 1
    return {"label": cell.label, **known, "coded": load > 1 and not free}


def _remembering(simulation: CandidateRuns, run: Run) -> Run:
    """The run on tapes that other schemes read, too, if they are not large."""
    delays = len(run.tapes) * run.updates * run.scheme.workers
    if delays > REMEMBERED_DELAYS or isinstance(run.load_law, PerPartition):  # several streams
        return run
    known = _known_tapes(simulation.base, run.seed)
    if known and known[0].model is not CheckedTape(run.tapes[0]).model:  # a file has changed
        known.clear()
    more = range(len(known), len(run.tapes))
    known += [RememberedTape(run.tapes[r], run.updates) for r in more]
    return replace(run, tapes=known[: len(run.tapes)])


@lru_cache(maxsize=2)
def _known_tapes(base: str, seed: int) -> list[RememberedTape]:
    return []


def _simulated(
    simulation: CandidateRuns, cell: Cell, run: Run, learning: build.Training | None, share: Share
) -> Facts:
    engine, scheme, goal = fast_engine(cell), run.scheme, simulation.goal
    trials: list[FloatArray] = []
    if isinstance(scheme, RoundScheme) and scheme.sees is Sees.LOSSES:
        # Its clock depends on the losses, so it runs once for each rate.
        assert learning is not None
        for rate in simulation.rates or (learning.optimizer.learning_rate,):
            with np.errstate(over="ignore", invalid="ignore"):
                trace, learned = learn_along(run, _at_rate(learning, rate), engine)
            steps = scheme.steps(trace)
            if simulation.rates:
                trials.append(trial(goal, clock(steps, run.iterations), learned.train_loss.T))
    elif learning is not None and simulation.rates:
        trace = simulate(run, engine, work=simulation.budget.work)
        steps = scheme.steps(trace)
        budget = simulation.budget
        times, best = clock(steps, run.iterations), budget.bar
        for rate in simulation.rates:
            losses = _losses(simulation, run, steps, _at_rate(learning, rate))
            with training_context():
                bar = max(best, budget.common_bar) if rate in simulation.reported else best
                trials.append(trial(goal, times, losses, bar))
            best = min(best, order(trials[-1][0], goal.criterion))
            share(len(trials) / len(simulation.rates))
    else:
        trace = simulate(run, engine, work=simulation.budget.work)
        steps = scheme.outline(trace)
    return _performance(simulation, run, trace, steps, trials)


def _at_rate(learning: build.Training, rate: float) -> build.Training:
    """The same training at another learning rate; test rows are not looked at."""
    problem = replace(learning.problem, X_test=None, y_test=None)
    optimizer = replace(learning.optimizer, learning_rate=rate)
    return replace(learning, problem=problem, optimizer=optimizer)


def _losses(
    simulation: CandidateRuns, run: Run, steps: Steps, learning: build.Training
) -> Iterator[FloatArray]:
    """Training losses ``(R,)`` at the start and after each iteration; trained as they are read."""
    replications = len(steps.times)
    if steps.exact:
        # One path for all schemes whose gradients are exact, in each process and for each rate. The
        # same config on other data, where a file has changed meanwhile, has another path.
        paths, rate = _exact_paths(simulation.base), learning.optimizer.learning_rate
        if (path := paths.get(rate)) is None or path.learning.problem.X is not learning.problem.X:
            path = paths[rate] = ExactPath(learning)
        yield from (np.full(replications, path.loss(t)) for t in range(run.iterations + 1))
        return
    fit_into_memory(learning.problem, steps)
    learner = Learner(learning.problem, [learning.optimizer], learning.initial, replications, steps)
    yield learner.evaluate()[0]
    for t, updates in enumerate(updates_of(steps, run.iterations)):
        learner.begin(t + 1, steps)
        for u in updates:
            learner.update(steps.step(u))
        yield learner.evaluate()[0]


@lru_cache(maxsize=1)
def _exact_paths(base: str) -> dict[float, ExactPath]:
    return {}


def closed_forms(run: Run, goal: Goal) -> dict[str, float] | None:
    """What theory knows of a scheme's mean; ``None`` where it knows too little. Closed forms are
    for independent delays, an ideal network, and the policy ``cancel``."""
    if goal.kind != "iterations" or goal.criterion != "mean":
        return None
    if not run.tapes[0].model.independent or not run.cluster.ideal:  # type: ignore[attr-defined]
        return None
    means = _of_rounds(run) if isinstance(run.scheme, Fixed) else _without_rounds(run)
    names = ("iteration_time", "effective_time", "error", "staleness")
    return None if means is None else dict(zip(names, means, strict=True))


Means = tuple[float, float, float, float]


def _of_rounds(run: Run) -> Means | None:
    scheme, model = run.scheme, run.tapes[0].model  # type: ignore[attr-defined]
    if run.policy is not Policy.CANCEL:
        return None
    law = theory.scheme_iteration_time(scheme, model, run.load_law)
    error, erased = theory.expected_decoding_error(scheme), theory.group_erasure(scheme)
    if isinstance(law, theory.NoFormula) or isinstance(erased, theory.NoFormula) or error is None:
        return None
    seconds, error = law.mean(), error * scheme.workers / scheme.partitions
    return (seconds, seconds / erased.heard, error, 0.0) if erased.heard > 0 else None


def _without_rounds(run: Run) -> Means | None:
    """``k_batch_async`` of random partitions: renewal rates, and n - 1 others between two of one's
    own, so a staleness of (n - 1) / K updates."""
    scheme = run.scheme
    if type(scheme) is not Barrierless or scheme.discount is not None:
        return None
    plain = scheme.independent and scheme.restarts_at_once and not scheme.own_data
    if not plain or np.isfinite(scheme.oldest) or scheme.distinct or scheme.cycles:
        return None
    unit = theory.worker_time_at(run.tapes[0].model, run.load_law, 1)  # type: ignore[attr-defined]
    if unit is None:
        return None
    n, k = scheme.n, scheme.gradients
    mean = IterationTimeLaw(Demand(Arrivals(1, 1, 1)), unit).mean()
    if not np.isfinite(mean) or mean <= 0:
        return None
    update, staleness = theory.mean_k_batch_async(n, k, mean), (n - 1) / k
    return update * scheme.updates(1), update * (1 + 2 * staleness), n * staleness, staleness
