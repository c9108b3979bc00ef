"""The one place where names become objects."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from threadpoolctl import threadpool_limits

from delay_models import MODELS, DelayModel, Tape
from delay_models.limits import EndlessDelays, refuse_endless
from experiments.config import surroundings
from experiments.config.errors import ConfigError, at, from_validation
from experiments.config.grid import Cell
from experiments.config.sections import named, names, refuse_truth_values
from sim.engines.cluster import Cluster
from sim.engines.policy import Policy
from sim.errors import DataNotFound, InvalidParameter
from sim.learner import BLAS_THREADS
from sim.load_laws import LOAD_LAWS, LoadLaw
from sim.optimizers import OPTIMIZERS, Optimizer
from sim.problems import DATASETS, Problem, parse_problem
from sim.problems.build import ProblemSettings
from sim.schemes import SCHEMES, Scheme, SchemeFamily
from sim.types import FloatArray


class ImpossibleCell(ConfigError):
    """Each setting is fine, but they cannot go together (the load does not divide workers)."""


@dataclass(frozen=True)
class Timing:
    """Everything that decides when rounds end; no data needed."""

    scheme: Scheme
    delay: DelayModel
    load_law: LoadLaw
    iterations: int
    replications: int
    seed: int
    policy: Policy
    engine: str
    cluster: Cluster
    warnings: tuple[str, ...]

    def tapes(self) -> list[Tape]:
        """One tape per replication."""
        n = self.scheme.workers
        return [Tape(self.delay, n, self.seed, r) for r in range(self.replications)]


@dataclass(frozen=True)
class Training:
    """Everything that decides the losses of a given trace."""

    problem: Problem
    initial: FloatArray
    optimizer: Optimizer


def timing(cell: Cell, features: int | None = None) -> Timing:
    """Build a cell's scheme, delays, load law and surroundings.

    Args:
        cell: what to build.
        features: p, for the size of messages; ``None`` without data.

    Raises:
        ConfigError: a section names something unknown or holds a bad value.
        ImpossibleCell: the values are each valid, but not together.
    """
    settings = cell.settings
    delay = delay_model(settings.delay)
    family: SchemeFamily = named(
        {k: v for k, v in cell.scheme.items() if k != "label"}, "name", SCHEMES, "schemes"
    )
    law: LoadLaw = named(settings.load_law, "kind", LOAD_LAWS, "load_law")
    try:
        scheme = family.build(settings.workers)
    except InvalidParameter as error:
        place = f"schemes.{family.name}.{error.field}"
        raise ImpossibleCell(str(at(place, error.value, error.valid))) from None
    available = delay.workers_available()
    if available is not None and available < settings.workers:
        valid = f"the delay model serves {available} workers; must be 1 to {available}"
        raise ImpossibleCell(str(at("workers", settings.workers, valid)))
    net = surroundings.network(settings.network, features)
    trouble = surroundings.failures(_failure_models(settings.failures))
    cluster = surroundings.cluster(
        net, trouble, settings.workers, settings.seed, settings.replications
    )
    refusal = cluster.refusal()
    if settings.engine == "batch" and refusal is not None:
        raise at("engine", "batch", f"{refusal}: must be event or auto")
    rounds = delay.rounds_available()
    iterations = settings.iterations if rounds is None else min(settings.iterations, rounds)
    warnings = [*delay.warnings()]
    if iterations < settings.iterations:
        end = f"the trace ends after {iterations} rounds, so {settings.iterations} become as many"
        warnings.append(f"iterations = {settings.iterations}: {end}; end: cyclic begins again")
    return Timing(
        cluster=cluster,
        scheme=scheme,
        delay=delay,
        load_law=law,
        iterations=iterations,
        replications=settings.replications,
        seed=settings.seed,
        policy=settings.policy,
        engine=settings.engine,
        warnings=tuple(warnings),
    )


def both(cell: Cell, data_dir: Path | None) -> tuple[Timing, Training | None]:
    """What ``timing`` and ``training`` build, the messages as large as the problem's gradients.

    Raises:
        ConfigError: as these.
    """
    learning = training(cell, data_dir)
    return timing(cell, None if learning is None else learning.problem.features), learning


def _failure_models(section: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    if section is None:
        return None
    return {
        key: delay_model(value, f"failures.{key}") if isinstance(value, Mapping) else value
        for key, value in section.items()
    }


def training(cell: Cell, data_dir: Path | None) -> Training | None:
    """Build a cell's problem and optimizer; ``None`` for a timing-only cell.

    Raises:
        ConfigError: a section names something unknown, holds a bad value, or its data is missing.
    """
    settings = cell.settings
    if settings.problem is None:
        return None
    rule = optimizer(cell)
    if rule is None:
        raise ConfigError("optimizer: missing; a problem needs rule and learning_rate")
    section = json.dumps(settings.problem, sort_keys=True, default=str)
    return Training(*_problem(section, settings.workers, settings.seed, data_dir), rule)


def optimizer(cell: Cell) -> Optimizer | None:
    """Build a cell's optimizer, if it names one.

    Raises:
        ConfigError: an unknown rule or a bad value.
    """
    section = cell.settings.optimizer
    return None if section is None else named(section, "rule", OPTIMIZERS, "optimizer")


@lru_cache(maxsize=2)
def _problem(
    section: str, partitions: int, seed: int, data_dir: Path | None
) -> tuple[Problem, FloatArray]:
    """Load a problem; remembered, since the cells of a run share theirs."""
    settings = json.loads(section)
    family = DATASETS.get(str(settings.get("dataset")))
    known = (ProblemSettings,) if family is None else (ProblemSettings, family)
    refuse_truth_values(settings, known, "problem")
    try:
        config = parse_problem(settings)
        with threadpool_limits(BLAS_THREADS):  # a product's bits depend on the number of threads
            return config.build(partitions, seed, data_dir)
    except ValidationError as error:
        raise from_validation(error, "problem", names(*known)) from None
    except InvalidParameter as error:
        raise at(f"problem.{error.field}", error.value, error.valid) from None
    except (DataNotFound, ValueError) as error:
        raise ConfigError(f"problem.dataset: {error}") from None


def delay_model(section: Mapping[str, Any], place: str = "delay") -> DelayModel:
    """Build a section that names a delay model, and the models nested in it.

    Any mapping inside a delay section stands for a model, also as an entry of a list. ``place`` is
    where the section stands, for errors.

    Raises:
        ConfigError: unknown model, bad parameter or bad trace file, or delays that are no numbers.
    """
    parts = {key: _parts(value, f"{place}.{key}") for key, value in section.items()}
    model = named(parts, "model", MODELS, place)
    try:
        refuse_endless(model)
    except EndlessDelays as error:
        raise ConfigError(f"{place}: {error}") from None
    return model


def _parts(value: Any, place: str) -> Any:
    """Turn the mappings in a field's value into models."""
    if isinstance(value, Mapping):
        return delay_model(value, place)
    if isinstance(value, list):
        for index, entry in enumerate(value):
            if isinstance(entry, bool):
                raise at(f"{place}[{index}]", entry, "must be a number or a delay model")
        return [_parts(entry, f"{place}[{index}]") for index, entry in enumerate(value)]
    return value
