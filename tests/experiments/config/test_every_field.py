"""Every field of everything that a config can name moves something when it is changed alone.

The fields are those of the registries. Each is changed in configs in which it should matter: the
class's own examples, and those below; its other values are those of other examples, and those that
``VALUES`` has for its name. A field of which nothing moves a table fails, and so does a new one of
which no other value is known."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import erasurehead as eh
from erasurehead.experiments.config.catalogue import BUILT_IN
from erasurehead.experiments.config.codec import names, plain
from erasurehead.experiments.config.settings import (
    FIELDS,
    OWN_SETTINGS,
    FailureSettings,
    NetworkSettings,
)
from erasurehead.sim.base.reading import Reading

Section = dict[str, Any]
EXPONENTIAL = {"model": "exponential", "rate": 1.0}
OTHER = {"model": "exponential", "rate": 0.3}
ONE = {"model": "deterministic", "value": 1.0}
TWO = {"model": "deterministic", "value": 2.0}
CONFIG: Section = {
    "workers": 12,
    "iterations": 8,
    "seed": 1,
    "delay": EXPONENTIAL,
    "schemes": [{"name": "ignore_stragglers", "wait_for": 8}],
    "problem": {"dataset": "synthetic", "loss": "logistic", "rows": 144, "features": 2},
    "optimizer": {"rule": "gd", "learning_rate": 0.05},
}
COLD = {"model": "cold_starts", "base": EXPONENTIAL, "probability": 0.5, "delay": TWO}
STALE = {"power": 1.0}
# Other values of a field, by its name; those that do not fit a class are refused, and passed over.
VALUES: Mapping[str, list[Any]] = {
    "value": [2.0],
    "rate": [0.3],
    "shift": [0.4],
    "shape": [3.0],
    "scale": [0.3],
    "median": [0.3],
    "sigma": [0.9],
    "alpha": [1.5],
    "by": [3.0],
    "base": [OTHER],
    "tail": [0.2],
    "tail_scale": [3.0],
    "tail_shape": [0.5],
    "worker": [0.5],
    "round": [0.5],
    "spells": [0.4],
    "persistence": [0.9],
    "ranks": [[1.0] * 6 + [-1.0] * 6],
    "quantiles": [[0.1, 0.4, 3.0]],
    "fast": [OTHER],
    "slow": [OTHER],
    "slow_share": [0.9],
    "factors": [[1.0] * 11 + [4.0]],
    "spread": [0.9],
    "factor": [{"model": "lognormal", "median": 1.0, "sigma": 0.9}],
    "size": [2],
    "placement": ["across"],
    "workers": [[0, 3]],
    "models": [[TWO, TWO]],
    "complete": [True],
    "to": [5.0],
    "over": [3],
    "delay": [OTHER],
    "share": [0.9, 3],
    "probability": [0.9],
    "clump": ["fixed"],
    "sizes": [[5, 6]],
    "neighbours": [0.9],
    "within": [0.9],
    "stretch": [2.0],
    "seconds": [[[1.0] * 12, [2.0] * 12], [1.0] * 11 + [2.0], [1.0, 9.0]],
    "fixed": [0.7],
    "seconds_per_partition": [0.9],
    "loads": [[1, 5]],
    "wait_for": [5, 10],
    "rescale": [True, False],
    "deadline": [0.4],
    "grace": [0.4],
    "stop": [{"deadline": 0.4}, {"first": 4}],
    "tolerance": [3.0],
    "at_least": [11],
    "decoder": ["one_step", "fixed", "least_squares", "elimination", "lagrange"],
    "partial": [0.5],
    "code_seed": [7],
    "partitions": [20],
    "speeds": [[1.0] * 6 + [2.0] * 6],
    "pruned": [True],
    "community": [6],
    "inside": [0.1],
    "graph": ["circulant", "random"],
    "degree": [2],
    "straggle_probability": [0.4],
    "straggle_probabilities": [[0.2] * 12],
    "assignment": ["fractional"],
    "order": ["rotated"],
    "load": [2, 4, 6],
    "pieces": [2],
    "patience": [0.3],
    "cut": ["at"],
    "copy_after": [4],
    "multiplier": [1.2],
    "spark": ["4.0"],
    "micro_batches": [24],
    "trials": [2],
    "split": [[1.0]],
    "B": [2],
    "W": [3],
    "stragglers": [2],
    "variant": ["multiplexed"],
    "exempt": ["current"],
    "steps": [2],
    "outer": [{"rule": "momentum", "momentum": 0.9}, {"learning_rate": 0.5}],
    "levels": [{"3": 2}],
    "step": [2],
    "burn_in": [3],
    "threshold": [0],
    "most": [6],
    "kappa": [0.5],
    "rounds": [2],
    "data": ["own", "sampled"],
    "delay_adaptive": [True],
    "staleness": [STALE],
    "ahead": [0],
    "batch": [9],
    "on_stale": ["interrupt"],
    "oldest": [1],
    "stops": [True],
    "rows": [96],
    "features": [3],
    "test_rows": [50],
    "hidden": [[3]],
    "classes": [5],
    "learning_rate": [0.2],
    "decay": [0.5],
}
# Configs in which a field matters, beside the examples of its class, by class and field.
MORE: Mapping[tuple[str, str], list[Section]] = {}
# Fields that move no table, and why not.
EXCEPTIONS: Mapping[tuple[str, str], str] = {
    ("own_laws", "complete"): "refuses more workers than it names; moves no delay",
}


def outcome(config: Section) -> tuple[bytes, ...] | None:
    """The tables of a run; ``None``: it is refused."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ran = eh.run(config, output=None)
    except (eh.ConfigError, eh.NeverEnough):
        return None
    return tuple(
        pd.util.hash_pandas_object(table.drop(columns=["cell", "label"]), index=False)
        .to_numpy()
        .tobytes()
        for table in (ran.iterations, ran.workers)
    )


def placed(kind: str, section: Section) -> Section:
    """A config with a section in its place."""
    if kind == "schemes":
        return {**CONFIG, "schemes": [section]}
    if kind == "delays":
        return {**CONFIG, "delay": section}
    return {**CONFIG, kind: section}


def moves(kind: str, key: str, bases: list[Section]) -> bool:
    """Whether some other value of the field moves the tables of one of the configs."""
    values = [base[key] for base in bases if key in base] + VALUES.get(key, [])
    for base in bases:
        before = outcome(placed(kind, base))
        for value in values if before is not None else ():
            after = None
            if value != base.get(key):
                after = outcome(placed(kind, {**base, key: value}))
            if after is not None and after != before:
                return True
    return False


def fields_of(kind: str) -> list[tuple[str, str]]:
    families = BUILT_IN[kind].classes.items()
    return [(name, key) for name, family in families for key in names(family)]


@pytest.mark.parametrize(("name", "key"), fields_of("schemes"))
def test_a_field_of_a_scheme_moves_something(name: str, key: str) -> None:
    family = BUILT_IN["schemes"].classes[name]
    examples = [plain(example, BUILT_IN) for example in family.examples()]
    bases = MORE.get((name, key), []) + examples
    assert moves("schemes", key, bases) != ((name, key) in EXCEPTIONS)


READS = {field.name for field in dataclasses.fields(Reading)}  # how a table is read


@pytest.mark.parametrize(("name", "key"), fields_of("delays"))
def test_a_field_of_a_delay_law_moves_something(name: str, key: str) -> None:
    family = BUILT_IN["delays"].classes[name]
    examples = [plain(example, BUILT_IN) for example in family.examples()]
    bases = MORE.get((name, key), []) + examples
    assert moves("delays", key, bases) != ((name, key) in EXCEPTIONS)
