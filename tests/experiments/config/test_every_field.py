"""Every field of everything that a config can name moves something when it is changed alone.

The fields are those of the registries. Each is changed in configs in which it should matter: the
class's own examples, and those below; its other values are those of other examples, and those that
``VALUES`` has for its name. A field of which nothing moves a table fails, and so does a new one of
which no other value is known."""

from __future__ import annotations

import dataclasses
import json
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
    "iterations": 6,
    "seed": 1,
    "delay": EXPONENTIAL,
    "schemes": [{"name": "ignore_stragglers", "wait_for": 8}],
    "problem": {"dataset": "synthetic", "loss": "logistic", "rows": 144, "features": 2},
    "optimizer": {"rule": "gd", "learning_rate": 0.05},
}
ADAPTING = {"name": "adaptive_k", "wait_for": 1, "step": 1, "burn_in": 0, "threshold": 0}
MIXTURE = {"model": "mixture", "weights": [0.5, 0.5], "components": [ONE, TWO]}
TAIL = {"model": "empirical", "quantiles": [0.5, 1.0, 2.0], "tail": 0.1, "tail_scale": 2.0}
FACTORS = {"model": "heterogeneous", "base": ONE, "factors": [1.0] * 12}
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
ENDS_A_ROUND = ("wait_for", "deadline", "grace")  # must be left out beside ``stop``
# Configs in which a field matters, with its other value, where the examples have none: by class and
# field, or by field alone, of every class that has it.
MORE: Mapping[tuple[str, str], tuple[Section, Any]] = {
    ("bernoulli", "pruned"): ({"load": 2, "wait_for": 9, "code_seed": 1}, True),
    ("sequential", "B"): ({"B": 1, "W": 4, "stragglers": 4}, 3),
    ("adaptive_k", "step"): (ADAPTING, 3),
    ("adaptive_k", "burn_in"): (ADAPTING, 6),
    ("adaptive_k", "threshold"): (ADAPTING, 3),
    ("adaptive_k", "most"): (ADAPTING, 6),
    ("asynchronous", "rescale"): ({"data": "own"}, True),
    ("k_batch_sync", "data"): ({"wait_for": 5, "data": "own"}, "sampled"),
    ("mixture", "weights"): (MIXTURE, [0.9, 0.1]),
    ("mixture", "components"): (MIXTURE, [TWO, TWO]),
    ("empirical", "tail"): (TAIL, 0.4),
    ("empirical", "tail_scale"): (TAIL, 9.0),
    ("heterogeneous", "factors"): (FACTORS, [1.0] * 11 + [4.0]),
    ("cold_starts", "share"): ({**COLD, "share": 0.5}, 0.9),
    ("cold_starts", "sizes"): ({**COLD, "sizes": [1, 2]}, [11, 12]),
    ("cold_starts", "within"): ({**COLD, "share": 0.5}, 0.9),
}
# Fields that move no table, and why not.
EXCEPTIONS: Mapping[tuple[str, str], str] = {
    ("own_laws", "complete"): "refuses more workers than it names; moves no delay",
    ("matrix", "path"): "there is one file with a code; test_matrix.py reads others",
    ("sequential", "exempt"): "matters where a round waits; test_sequential.py has the authors' rule",
    ("adaptive_k", "step"): "matters where losses have stalled; test_adaptive.py has such runs",
    ("adaptive_k", "burn_in"): "as step",
    ("adaptive_k", "threshold"): "as step",
    ("adaptive_k", "most"): "as step",
    ("k_batch_sync", "delay_adaptive"): "none of its gradients is stale: a warning says so, below",
    ("k_batch_sync", "staleness"): "as delay_adaptive",
    ("rennala", "delay_adaptive"): "as of k_batch_sync: it takes gradients of the newest model alone",
    ("rennala", "staleness"): "as delay_adaptive",
}


KNOWN: dict[str, tuple[bytes, ...] | None] = {}  # outcomes of configs, as JSON


def outcome(config: Section) -> tuple[bytes, ...] | None:
    """The tables of a run; ``None``: it is refused."""
    text = json.dumps(config)
    if text not in KNOWN:
        KNOWN[text] = computed(config)
    return KNOWN[text]


def computed(config: Section) -> tuple[bytes, ...] | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ran = eh.run(config, output=None)
    except eh.ConfigError:
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


def moves(kind: str, name: str, key: str) -> bool:
    """Whether some other value of the field moves the tables of one of the configs."""
    tag, examples = BUILT_IN[kind].tag, BUILT_IN[kind].classes[name].examples()
    bases = [plain(example, BUILT_IN) for example in examples]
    if key == "stop":
        without = [{k: v for k, v in base.items() if k not in ENDS_A_ROUND} for base in bases]
        bases = [{**base, "stop": {"first": 9}} for base in without]
    values = [base[key] for base in bases if key in base] + VALUES.get(key, [])
    if (name, key) in MORE:
        base, value = MORE[name, key]
        bases, values = [{tag: name, **base}, *bases], [value, *values]
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
    assert moves("schemes", name, key) != ((name, key) in EXCEPTIONS)


READS = {field.name for field in dataclasses.fields(Reading)}  # how a table is read


@pytest.mark.parametrize(
    ("name", "key"), [pair for pair in fields_of("delays") if pair[0] != "trace"]
)
def test_a_field_of_a_delay_law_moves_something(name: str, key: str) -> None:
    assert moves("delays", name, key) != ((name, key) in EXCEPTIONS)


@pytest.mark.parametrize(
    "scheme",
    [
        {"name": "k_batch_sync", "wait_for": 5, "delay_adaptive": True},
        {"name": "rennala", "batch": 5, "staleness": STALE},
    ],
)
def test_a_discount_of_stale_gradients_where_none_is_stale_is_named(scheme: Section) -> None:
    with pytest.warns(UserWarning, match="has no effect: none of its gradients is stale"):
        eh.run({**CONFIG, "schemes": [scheme]}, output=None)
