"""Simulate one scheme from objects, and train a model on what the master decoded."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, final

import numpy as np

from erasurehead.api.face import face
from erasurehead.delay_models import DelayModel
from erasurehead.experiments.config import build
from erasurehead.experiments.config.build import Training, run_of, scheme_of
from erasurehead.experiments.config.catalogue import BUILT_IN
from erasurehead.experiments.config.codec import Reader, located
from erasurehead.experiments.config.settings import SchemeEntry, Settings
from erasurehead.experiments.run.compute import (
    CellResult,
    clock_alone,
    iteration_times,
    learn,
    result,
)
from erasurehead.sim.base.errors import ConfigError, EngineRefused, at
from erasurehead.sim.base.numerics import one_thread
from erasurehead.sim.base.types import BoolArray, FloatArray, Rounds, Trace
from erasurehead.sim.engines.run import Engine, Run
from erasurehead.sim.engines.simulate import simulate as play
from erasurehead.sim.load_laws import LoadLaw
from erasurehead.sim.schemes import SchemeFamily
from erasurehead.sim.schemes.base import RoundScheme, Sees
from erasurehead.sim.training.learner import Learned
from erasurehead.sim.training.optimizers import Optimizer
from erasurehead.sim.training.problems import Objective
from erasurehead.sim.training.steps import Steps, weights_of

if TYPE_CHECKING:
    import pandas as pd

Section = Mapping[str, Any]  # of a config, such as {"uplink_latency": 0.01}


@face
@final
@dataclass(frozen=True, eq=False, repr=False)
class Simulation:
    """R replications of T iterations of one scheme. All times are simulated seconds.

    U is the number of updates of the model, one a round: as many as iterations, but for schemes
    without rounds (several updates an iteration) and local SGD (several iterations an update). What
    is decoded is decoded when it is first asked for, and then kept.

    Attributes:
        scheme: what was simulated.
    """

    scheme: SchemeFamily
    _run: Run
    _trace: Trace

    @property
    def times(self) -> FloatArray:
        """``(R, T)`` seconds from the start to the end of each iteration; decodes nothing."""
        if self._trace.heard is None:
            return iteration_times(self._run, self._trace).copy()
        return self._steps.clock(self._run.iterations)

    @property
    def arrived(self) -> BoolArray:
        """``(R, U, n)`` whether a message of each worker had arrived when its round ended.
        Raises ConfigError: the scheme has no rounds, or the engine ``law`` drew no worker."""
        heard = self._heard.heard
        if not isinstance(heard, Rounds):
            raise ConfigError(f"arrived: {self._name} has no rounds")
        n = self._run.scheme.workers
        by_worker = heard.arrived.reshape(*heard.arrived.shape[:2], n, -1)
        return np.asarray(by_worker.any(axis=3))

    @cached_property
    def weights(self) -> FloatArray:
        """``(R, U, k)`` partition weights w = B^T a of each update. Cost: R U k numbers.
        Raises ConfigError: updates mix gradients of several rounds, or the engine was ``law``."""
        steps, k = self._steps, self._run.scheme.partitions
        with one_thread():
            of_updates = [weights_of(steps.step(u), k) for u in range(steps.times.shape[1])]
        known = [weights for weights in of_updates if weights is not None]
        if len(known) < len(of_updates):
            raise ConfigError(f"weights: updates of {self._name} mix gradients of several rounds")
        return np.stack(known, axis=1)

    @property
    def decoding_error(self) -> FloatArray:
        """``(R, T)`` decoding error ||w - 1||^2, the mean over an iteration's updates.
        Raises ConfigError: the engine was ``law``, which gives the clock alone."""
        self._heard  # noqa: B018
        return self._of_iterations("decoding_error")

    @property
    def table(self) -> pd.DataFrame:
        """A row for each replication and iteration (0 is the start), with the columns of
        ``Result.iterations``."""
        return self._result.iterations.copy()

    @property
    def _name(self) -> str:
        return type(self.scheme).__name__

    @property
    def _heard(self) -> Trace:
        if self._trace.heard is None:
            raise at("engine", self._trace.engine, "gives the clock alone: take batch or event")
        return self._trace

    @cached_property
    def _steps(self) -> Steps:
        return self._run.scheme.steps(self._heard)

    @cached_property
    def _result(self) -> CellResult:
        with one_thread():
            if self._trace.heard is None:
                return clock_alone(self._run, self._trace)
            return result(self._run, self._trace, self._steps, None, None)

    def _of_iterations(self, column: str) -> FloatArray:
        by_replication = self._result.per_iteration[column].reshape(len(self._trace.times), -1)
        return np.asarray(by_replication[:, 1:])

    def __repr__(self) -> str:
        size = f"{self._run.scheme.workers} workers, {self._run.iterations} iterations"
        return f"<Simulation of {self.scheme!r}: {size} x {len(self._run.tapes)} replications>"


@face
def simulate(
    scheme: SchemeFamily,
    delay: DelayModel,
    *,
    workers: int,
    iterations: int = 100,
    replications: int = 1,
    load_law: LoadLaw | None = None,
    engine: Engine = "auto",
    policy: Literal["cancel", "finish", "queue", "drain"] = "cancel",
    network: Section | None = None,
    failures: Section | None = None,
    seed: int = 0,
) -> Simulation:
    """Simulate a scheme: the numbers of ``run`` with the same settings, to the bit, in memory.

    Cost: that of the engine and about a millisecond.

    Args:
        scheme: of ``erasurehead.schemes``, or a class of your own that derives from
            ``SchemeFamily``.
        delay: of ``erasurehead.delays``, or of your own: the law of the seconds X that a worker
            takes.
        workers: n.
        iterations: T, of n gradients each.
        replications: R, independent of each other.
        load_law: of ``erasurehead.load_laws``: how a worker's time grows with its load;
            ``Proportional()`` unless given.
        engine: ``event``: SimPy processes; ``batch``: the same rounds in NumPy; ``auto``: batch
            where it can; ``law``: the clock alone.
        policy: what workers do with unfinished work when the next model arrives.
        network, failures: sections of a config, such as ``{"uplink_latency": 0.01}``.
        seed: of everything random.

    Raises:
        ConfigError: a value is wrong, or values do not go together: one line.
        NeverEnough: a round can never end, since too many workers are dead.
    """
    if not isinstance(scheme, SchemeFamily):
        raise at("scheme", scheme, "must be a scheme, such as Uncoded() of erasurehead.schemes")
    if not isinstance(delay, DelayModel):
        valid = "must be a delay law, such as Exponential(rate=1.0) of erasurehead.delays"
        raise at("delay", delay, valid)
    name = type(scheme).__name__
    config: dict[str, Any] = {
        "workers": workers,
        "iterations": iterations,
        "replications": replications,
        "engine": engine,
        "policy": policy,
        "network": network,
        "failures": failures,
        "seed": seed,
        "delay": delay,
        "schemes": [SchemeEntry(scheme, name, {}, place=name)],
    }
    if load_law is not None:
        config["load_law"] = load_law
    with located(""):
        settings = Settings.model_validate(config, context=Reader(BUILT_IN, workers))
    built = scheme_of(settings)
    if isinstance(built, RoundScheme) and built.sees is Sees.LOSSES:
        raise ConfigError(f"{name} decides by the losses: eh.run takes it, with a problem")
    run = run_of(settings)
    for text in build.warnings(settings):
        warnings.warn(text, stacklevel=3)
    if replications > 1 and build.nothing_random(settings):
        text = "nothing is random, so that all are the same run"
        warnings.warn(f"replications = {replications}: {text}", stacklevel=3)
    try:
        with one_thread():
            return Simulation(scheme, run, play(run, engine, work=engine != "law"))
    except EngineRefused as error:
        raise at("engine", engine, str(error)) from None


@face
def train(
    simulation: Simulation,
    problem: Objective,
    optimizer: Optimizer,
    *,
    initial: FloatArray | None = None,
) -> Learned:
    """Train a model for each replication on the gradients that the master decoded.

    Cost: two products with the data an iteration, for all replications together.

    Args:
        simulation: what ``simulate`` returned.
        problem: of ``erasurehead.problems``, such as ``Logistic(X, y)``; its rows are cut into the
            scheme's k partitions.
        optimizer: of ``erasurehead.optimizers``.
        initial: ``(P,)`` the start; zeros unless given, or a network's own draws.

    Raises:
        ConfigError: the data do not fit the scheme or each other, or are not finite.
    """
    such = "a problem, such as Logistic(X, y) of erasurehead.problems"
    wanted = {
        "simulation": (simulation, Simulation, "what eh.simulate returned"),
        "problem": (problem, Objective, such),
        "optimizer": (optimizer, Optimizer, "an optimizer, such as GradientDescent(...)"),
    }
    for name, (value, kind, valid) in wanted.items():
        if not isinstance(value, kind):
            raise at(name, value, f"must be {valid}")
    run = simulation._run
    if problem.partitions not in (1, run.scheme.partitions):
        k = run.scheme.partitions
        raise at("problem.partitions", problem.partitions, f"the scheme has {k}: must be left out")
    cut = replace(problem, partitions=run.scheme.partitions)
    cut.require_finite()
    start = cut.start(np.random.default_rng(run.seed)) if initial is None else initial
    start, size = np.asarray(start, dtype=np.float64), cut.parameters
    if start.shape != (size,) or not np.isfinite(start).all():
        what = "one a feature" if size == cut.features else "one a parameter"
        raise at("initial", initial, f"must be {size} finite numbers, {what}")
    with one_thread():
        return learn(Training(cut, start, optimizer), simulation._steps, run.iterations)
