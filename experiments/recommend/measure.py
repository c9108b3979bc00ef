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
from scipy.special import bdtr

from ...sim.engines.run import Engine, Run
from ...sim.engines.simulate import simulate
from ...sim.engines.tapes import CheckedTape, RememberedTape
from ...sim.errors import EngineRefused, InvalidParameter, NeverEnough
from ...sim.learner import Learner, fit_into_memory, training_context, updates_in
from ...sim.load_laws import PerPartition
from ...sim.numerics import one_thread
from ...sim.schemes.barrierless import Barrierless
from ...sim.schemes.base import RoundScheme, Sees
from ...sim.steps import WEIGHT_TOLERANCE, Steps, weights_of
from ...sim.types import BoolArray, FloatArray, Messages, Rounds, Stream, Trace
from ..config import build
from ..config.catalogue import with_plugins
from ..config.cells import Cell
from ..config.codec import plain
from ..config.errors import ConfigError
from ..config.settings import Settings, section, validate
from ..options import Criterion
from ..run.compute import learn_along
from ..run.estimate import estimate, size
from ..run.pools import Share
from ..run.tuning import clock
from ..statistics.job import RARELY
from .closed_forms import closed_forms
from .question import ANYTHING, ExactPath, Goal, Order, Trial, order, trial
from .scenario import LAW, UNCHANGED, Evidence, Perturbation

# What says that a scheme does not suit the cluster.
REFUSALS = (ConfigError, EngineRefused, InvalidParameter, NeverEnough)
MOST_UPDATES = 1000  # updates whose weights are looked at
START = 4  # updates for each worker that are the start of a run with stale gradients, at most half
# A partition is unheard that is in fewer updates than ``RARELY`` of what a mean one is in, unless
# chance does the same to one of them with more than this probability.
CHANCE = 1e-3
# So is one in more than this share of the replications, of few in more than so many: one or two of
# eight prove nothing, and who is dropped for it does not come back.
MANY, BY_CHANCE = 0.05, 2
REMEMBERED = 2**20  # delays of a simulation that are kept for the next scheme, 8 MiB
LONGEST, LARGEST = 60.0, 2**30  # seconds and bytes that one simulation may take, as estimated


@dataclass(frozen=True)
class Simulation:
    """One scheme on one set of delays, as plain values that any process can take."""

    index: int  # tells simulations apart
    base: str  # the config without its schemes, every default written out, as JSON
    scheme: str  # its section, as JSON
    iterations: int  # ``iterations``, ``replications``: instead of the config's
    replications: int
    goal: Goal  # what is looked at
    rates: tuple[float, ...] = ()  # learning rates, in order; empty: the clock alone
    # rates whose values are of interest; others compete, and end once they cannot be the best
    reported: tuple[float, ...] = ()
    bar: Order = ANYTHING  # what a competing rate must match, or it ends as well
    data_dir: Path | None = None  # where the public data sets lie
    perturbation: Perturbation = UNCHANGED  # of the delays
    other_delays: int = 0  # is added to the seed of the delays, not to that of the problem
    evidence: Evidence = LAW  # what the delays are drawn from
    most_load: float = np.inf  # a scheme that needs more is not simulated
    theory: bool = False  # whether closed forms do, where there are any
    work: bool = True  # whether what workers compute is looked at

    def cell(self) -> Cell:
        """The cell of this simulation, as ``run`` would have it."""
        base: Mapping[str, Any] = json.loads(self.base)
        settings = _settings(self.base)
        catalogue = with_plugins(base.get("plugins", []))
        schemes = section("schemes", [json.loads(self.scheme)], catalogue)
        changed = {"iterations": self.iterations, "replications": self.replications}
        changed |= {"schemes": schemes, "seed": (settings.seed + self.other_delays) % 2**63}
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


def hearing(steps: Steps, evidence: Evidence = LAW) -> tuple[float, float, bool]:
    """``least_heard``, ``balance`` and ``unheard`` of a performance: whether some partition is
    hardly ever part of an update, in many of the replications or in all of them together."""
    if steps.shares is None:
        return np.nan, np.nan, False
    updates, shares = steps.times.shape[1], np.nan_to_num(steps.shares, nan=1.0)

    def rarely(shares: FloatArray, updates: int) -> BoolArray:
        usual, least = shares.mean(axis=-1), shares.min(axis=-1)
        chance = shares.shape[-1] * bdtr(np.rint(least * updates), updates, np.minimum(usual, 1.0))
        return np.asarray((least < RARELY * usual) & (chance < CHANCE))

    all_runs = shares.mean(axis=0)
    together = rarely(all_runs, updates * len(shares))
    balance = float(all_runs.min() / max(all_runs.mean(), 1e-300))
    few = rarely(evidence.spread(shares), updates).sum()
    unheard = bool(together or few > max(MANY * len(shares), BY_CHANCE))
    return float(all_runs.min()), balance, unheard


# Let the k partition gradients be orthogonal and equally long. Along a decoded gradient with
# partition weights w, the best step makes (E sum w)^2 / (k E sum w^2) of the progress of an exact
# gradient: for unbiased weights 1 / (1 + E||w - 1||^2 / k), for r of n workers r / n, for
# ErasureHead the share of groups that were heard. A gradient that is s updates old takes s updates
# more: L (s + rho) / mu instead of L rho / mu, for a growth rho of the gradients. So an update
# counts 1 / (rho + s) exact iterations, with rho the inverse of the share above.
def exact_iterations(steps: Steps, partitions: int, exact: bool, first: int = 0) -> FloatArray:
    """Exact iterations that a mean update of each replication counts, from the update ``first`` on,
    ``(R,)``; ``exact``: every update is known to be exact. A yardstick where nothing is trained,
    and no promise: real partitions are neither orthogonal nor equal. Source: Stich and Karimireddy,
    The Error-Feedback Framework, arXiv 1909.05350, for staleness."""
    replications, updates = steps.times.shape
    stale = steps.staleness
    staleness = np.zeros(replications) if stale is None else stale[:, first:].mean(axis=1)
    if exact:
        return np.asarray(1 / (1 + staleness))
    several = min(updates - first, MOST_UPDATES)
    looked_at = np.unique(np.linspace(first, updates - 1, several).astype(np.int64))
    sums, squares = np.zeros(replications), np.zeros(replications)
    for u in looked_at:
        found = weights_of(steps.step(int(u)), partitions)
        if found is None:  # held gradients: only the error of what they add up to is known
            error = steps.error[:, first:].mean(axis=1)
            return np.asarray(1 / (1 + error / partitions + staleness))
        sums += found.sum(axis=1)
        squares += np.square(found).sum(axis=1)
    sums, squares = sums / len(looked_at), squares / len(looked_at)
    with np.errstate(divide="ignore", invalid="ignore"):
        growth = np.where(sums > 0, partitions * squares / sums**2, np.inf)
    return np.asarray(1 / (growth + staleness))


Facts = dict[str, Any]  # what is known of a scheme, by the names of the fields of a ``Row``


@dataclass(frozen=True, eq=False)
class Performance:
    """What a scheme does in R replications of a simulation."""

    criterion: Criterion  # what of the values is made small
    rates: tuple[float, ...]  # learning rates; empty without training
    # ``(len(rates) or 1, R)``, made small; NaN: not reached; by a count without rates
    values: FloatArray
    to_target: FloatArray  # ``(len(rates), R)`` iterations to the target, or NaN
    evidence: Evidence = LAW  # what the delays were drawn from
    shares: FloatArray | None = None  # of the updates that hold each partition, ``(k,)``

    def at(self, rate: float) -> FloatArray:
        """The values at one rate, ``(R,)``."""
        return np.asarray(self.values[self.rates.index(rate) if self.rates else 0])

    def order(self, rate: float) -> Order:
        """How good the values at one rate are."""
        return order(self.at(rate), self.criterion)


def _performance(
    simulation: Simulation, run: Run, trace: Trace, steps: Steps, trials: Sequence[Trial]
) -> tuple[Facts, Performance]:
    goal, rates = simulation.goal, simulation.rates
    scheme, elapsed = run.scheme, steps.times[:, -1]
    stale, within = steps.staleness, scheme.partitions * WEIGHT_TOLERANCE**2
    # Local steps are taken at other models, whatever their weights.
    fresh = stale is None and steps.local_steps == 1
    exact = fresh and (bool(scheme.exact) or float(np.nanmax(steps.error)) <= within)
    values = np.array([each.values for each in trials]).reshape(-1, len(elapsed))
    yardstick = np.full(len(elapsed), np.nan)
    if not rates:
        # A start with nothing but fresh gradients is no gain of a scheme whose gradients are stale.
        first, updates = 0, steps.times.shape[1]
        if stale is not None:
            first = min(updates // 2, START * scheme.workers)
        counted = exact_iterations(steps, scheme.partitions, exact, first) * (updates - first)
        began = steps.times[:, first - 1] if first else 0.0
        with np.errstate(divide="ignore", invalid="ignore"):  # no progress at all
            yardstick = (elapsed - began) / counted
        # the goal itself, or a count in its place
        values = (yardstick * (goal.value if goal.kind == "iterations" else 1.0))[None]
    least_heard, balance, unheard = hearing(steps, simulation.evidence)
    to_target = np.array([each.iterations for each in trials]).reshape(-1, len(elapsed))
    # What a run says of a target comes from the rounds until then.
    used = to_target[np.isfinite(to_target)]
    length = float(used.mean()) if used.size else float(run.iterations)
    busy = np.full(len(elapsed), np.nan)
    with np.errstate(divide="ignore", invalid="ignore"):
        if trace.work is not None:
            busy = np.asarray(trace.work.busy.sum(axis=1)) / elapsed
        heard = _heard(run, trace) / elapsed
    digest = hashlib.sha256(np.ascontiguousarray(steps.times).tobytes())
    for part in (steps.error, values):
        digest.update(np.ascontiguousarray(part).tobytes())
    facts = {
        "effective_time": float(yardstick.mean()),
        "iteration_time": float((elapsed / run.used).mean()),
        "error": float(np.nanmean(steps.error)) * scheme.workers / scheme.partitions,
        "staleness": 0.0 if stale is None else float(stale.mean()),
        "busy": float(busy.mean()),
        "heard": float(heard.mean()),
        "exact": exact,
        "least_heard": least_heard,
        "coverage": balance,
        "covered": not unheard,
        "digest": digest.hexdigest(),
    }
    evidence = replace(simulation.evidence, length=max(1.0, length))
    shares = None if steps.shares is None else np.nan_to_num(steps.shares, nan=1.0).mean(axis=0)
    return facts, Performance(goal.criterion, rates, values, to_target, evidence, shares)


def _heard(run: Run, trace: Trace) -> FloatArray:
    """Messages that the master heard, in gradients, ``(R,)``."""
    size, heard = run.scheme.message_size, trace.heard
    match heard:
        case Rounds():
            assert isinstance(run.scheme, RoundScheme)
            sizes = np.asarray(run.scheme.message_sizes)
            each = heard.arrived.reshape(*heard.arrived.shape[:2], -1, len(sizes))
            return np.asarray(size * (each.sum(axis=(1, 2)) * sizes).sum(axis=-1))
        case Messages():
            return np.asarray(size * (heard.message >= 0).sum(axis=(1, 2)), dtype=np.float64)
        case Stream():
            return np.asarray(size * np.diff(heard.ends[:, -1], prepend=0), dtype=np.float64)
        case None:
            raise ValueError("the run did not record what was heard")


def fast_engine(cell: Cell) -> Engine:
    """The batch engine where it can, also under ``engine: event``: the bits are the same."""
    return "auto" if cell.settings.engine == "event" else cell.settings.engine


def too_much(run: Run, cell: Cell) -> str | None:
    """Why a run is not simulated here, if it would take long or much memory."""
    cost = estimate(run, fast_engine(cell))
    if cost.seconds <= LONGEST and cost.memory <= LARGEST:
        return None
    needs = f"about {cost.seconds:.0f} s and {size(cost.memory)}"
    return f"would take {needs} to simulate once; run it alone"


# Of a scheme that was only built, or of which a closed form is known, there are no replications.
Known = tuple[Facts, Performance | None]


def performance(simulation: Simulation, share: Share = lambda done: None) -> Known | str:
    """Run one simulation: the engine once, the learner for each rate; or why that cannot be."""
    try:
        cell = simulation.cell()
        data = replace(simulation, other_delays=0).cell() if simulation.other_delays else cell
        learning = build.training(data)
        run = build.timing(cell, None if learning is None else learning.problem.parameters)
        known = profile(run, cell)
        if known["load"] > simulation.most_load:
            return known, None
        if simulation.theory and (found := closed_forms(run, simulation.goal)) is not None:
            return {**known, **found}, None
        if (needs := too_much(run, cell)) is not None:
            return needs
        run = simulation.perturbation.of(_remembering(simulation, run))
        with one_thread():
            facts, did = _simulated(simulation, cell, run, learning, share)
        return {**known, **facts}, did
    except REFUSALS as error:
        return str(error)


def profile(run: Run, cell: Cell) -> Facts:
    """What is known of a scheme as soon as it is built."""
    scheme, computes, alone = run.scheme, 1.0, True
    free = isinstance(scheme, Barrierless)
    if isinstance(scheme, RoundScheme):
        state = scheme.start(1)  # a plan that depends on it may change
        computes = float(np.max(scheme.plan(state).loads))
        alone = state is None and computes <= 1
    named = getattr(cell.settings.schemes[0].family, "load", 1)
    load = max(int(np.ceil(computes)), named if isinstance(named, int) else 1)
    if isinstance(scheme, Barrierless):
        load = 1 if scheme.own_data else scheme.partitions
    coded = load > 1 and not free
    known = {"load": float(load), "alone": alone, "barrierless": free, "coded": coded}
    return {"label": cell.label, **known}


def _remembering(simulation: Simulation, run: Run) -> Run:
    """The run on tapes that other schemes read, too, if they are not large."""
    cells = len(run.tapes) * run.updates * run.scheme.workers
    if cells > REMEMBERED or isinstance(run.load_law, PerPartition):  # a stream for each partition
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
    simulation: Simulation, cell: Cell, run: Run, learning: build.Training | None, share: Share
) -> tuple[Facts, Performance]:
    engine, scheme, goal = fast_engine(cell), run.scheme, simulation.goal
    trials: list[Trial] = []
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
        trace = simulate(run, engine, work=simulation.work)
        steps = scheme.steps(trace)
        times, best = clock(steps, run.iterations), simulation.bar
        for rate in simulation.rates:
            losses = _losses(simulation, run, steps, _at_rate(learning, rate))
            with training_context():
                reported = rate in simulation.reported
                trials.append(trial(goal, times, losses, ANYTHING if reported else best))
            best = min(best, order(trials[-1].values, simulation.goal.criterion))
            share(len(trials) / len(simulation.rates))
    else:
        trace = simulate(run, engine, work=simulation.work)
        steps = scheme.outline(trace)
    return _performance(simulation, run, trace, steps, trials)


def _at_rate(learning: build.Training, rate: float) -> build.Training:
    """The same training at another learning rate; test rows are not looked at."""
    problem = replace(learning.problem, X_test=None, y_test=None)
    optimizer = replace(learning.optimizer, learning_rate=rate)
    return replace(learning, problem=problem, optimizer=optimizer)


def _losses(
    simulation: Simulation, run: Run, steps: Steps, learning: build.Training
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
    for t in range(run.iterations):
        for u in updates_in(steps, t, run.iterations):
            learner.update(steps.step(u))
        yield learner.evaluate()[0]


@lru_cache(maxsize=1)
def _exact_paths(base: str) -> dict[float, ExactPath]:
    return {}
