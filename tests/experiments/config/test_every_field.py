"""Every field of everything that a config can name moves something when it is changed alone.

The fields are those of the registries. Each is changed in configs in which it should matter: the
class's own examples, and those below; its other values are those of other examples, and those that
``VALUES`` has for its name. A field of which nothing moves a table fails, and so does a new one of
which no other value is known."""

from __future__ import annotations

import dataclasses
import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

import erasurehead as eh
from erasurehead.experiments.config.catalogue import BUILT_IN
from erasurehead.experiments.config.cells import cells
from erasurehead.experiments.config.codec import names, plain
from erasurehead.experiments.config.settings import FailureSettings, NetworkSettings
from erasurehead.experiments.run.compute import compute_cell
from erasurehead.problems import DATASETS
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
ROUNDS = {"model": "measured_rounds", "seconds": [[r + 1.0] * 12 for r in range(9)]}
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
    ("measured_rounds", "stretch"): (ROUNDS, 5.0),
    ("bernoulli", "pruned"): ({"load": 1, "wait_for": 6}, True),
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
    ("matrix", "path"): "there is one file with a code; test_codes.py reads others",
    (
        "sequential",
        "exempt",
    ): "matters in rare rounds; test_sequential.py has them",
    ("adaptive_k", "step"): "matters where losses have stalled; test_adaptive.py has such runs",
    ("adaptive_k", "burn_in"): "as step",
    ("adaptive_k", "threshold"): "as step",
    ("adaptive_k", "most"): "as step",
    ("k_batch_sync", "delay_adaptive"): "none of its gradients is stale: a warning says so, below",
    ("k_batch_sync", "staleness"): "as delay_adaptive",
    (
        "rennala",
        "delay_adaptive",
    ): "as of k_batch_sync",
    ("rennala", "staleness"): "as delay_adaptive",
}


KNOWN: dict[str, tuple[bytes, ...] | None] = {}  # outcomes of configs, as JSON


def outcome(config: Section) -> tuple[bytes, ...] | None:
    """The columns of a run's iterations and workers, before they are made a table, which takes most
    of the time of so small a run; ``None``: it is refused."""
    text = json.dumps(config)
    if text not in KNOWN:
        KNOWN[text] = computed(config)
    return KNOWN[text]


def computed(config: Section) -> tuple[bytes, ...] | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            [cell] = cells(config)
            result = compute_cell(cell, lambda share: None).result
    except eh.ConfigError:
        return None
    if isinstance(result, str):
        return None
    return tuple(
        name.encode() + column.tobytes()
        for table in (result.per_iteration, result.per_worker)
        for name, column in table.items()
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


LOAD = {"name": "fractional_repetition", "load": 2}  # on which a load law depends
LOAD_LAWS: list[tuple[Section, str, Any]] = [
    ({"kind": "partly_proportional", "fixed": 0.2}, "fixed", 0.9),
    ({"kind": "additive", "seconds_per_partition": 0.2}, "seconds_per_partition", 0.9),
    ({"kind": "steps", "loads": [1, 2], "seconds": [1.0, 5.0]}, "loads", [1, 3]),
    ({"kind": "steps", "loads": [1, 2], "seconds": [1.0, 5.0]}, "seconds", [1.0, 9.0]),
]
SENT = {"bandwidth": 100.0, "message_bytes": 50.0}
NETWORKS: list[tuple[Section, str, Any]] = [
    ({}, "broadcast_latency", 0.1),
    ({}, "dispatch_skew", 0.1),
    ({}, "uplink_latency", 0.1),
    ({"bandwidth": 100.0}, "bandwidth", 9.0),
    (SENT, "message_bytes", 90.0),
    (SENT, "channels", 1),
    ({}, "uplink", EXPONENTIAL),
    ({}, "transfer", EXPONENTIAL),
]
CRASHES = {"time_to_failure": OTHER, "time_to_repair": ONE}
LOSSES = {"message_loss": 0.3, "retry_after": 0.5}
FAILURES: list[tuple[Section, str, Any]] = [
    (CRASHES, "time_to_failure", EXPONENTIAL),
    (CRASHES, "time_to_repair", TWO),
    (LOSSES, "message_loss", 0.6),
    (LOSSES, "retry_after", 2.0),
    (CRASHES, "max_wait", 0.1),  # which ends the run, with one line
]
SYNTHETIC: Section = CONFIG["problem"]
PROBLEMS: list[tuple[Section, str, Any]] = [
    (SYNTHETIC, "loss", "least_squares"),
    (SYNTHETIC, "dataset", "breast_cancer"),
    (SYNTHETIC, "l2", 0.5),
    (SYNTHETIC, "initial", "normal"),
    (SYNTHETIC, "shuffle", True),
    (SYNTHETIC, "rows", 96),
    (SYNTHETIC, "features", 3),
    (SYNTHETIC, "test_rows", 50),
    ({**SYNTHETIC, "loss": "mlp", "hidden": [3]}, "hidden", [4]),
    ({**SYNTHETIC, "loss": "mlp", "hidden": [3]}, "start", {"seed": 5}),
]
OPTIMIZERS: list[tuple[Section, str, Any]] = [
    ({"rule": rule, "learning_rate": 0.05}, key, value)
    for rule in BUILT_IN["optimizers"].classes
    for key, value in (("learning_rate", 0.1), ("decay", 0.5))
]
SECTIONS = {
    "load_law": LOAD_LAWS,
    "network": NETWORKS,
    "failures": FAILURES,
    "problem": PROBLEMS,
    "optimizer": OPTIMIZERS,
}


@pytest.mark.parametrize(
    ("section", "base", "key", "value"),
    [(section, *case) for section, cases in SECTIONS.items() for case in cases],
)
def test_a_field_of_a_section_moves_something(
    section: str, base: Section, key: str, value: Any
) -> None:
    around = {**CONFIG, "schemes": [LOAD]}
    before = outcome({**around, section: base} if base else around)
    assert before is not None
    assert outcome({**around, section: {**base, key: value}}) != before


def test_every_field_of_a_section_is_changed() -> None:
    """Of those of the registries. Catches a new field that nobody has tried."""
    known = {section: {key for _, key, _ in cases} for section, cases in SECTIONS.items()}
    laws = BUILT_IN["load_laws"].classes.values()
    rules = BUILT_IN["optimizers"].classes.values()
    losses = [loss.fields for loss in BUILT_IN["losses"].classes.values() if loss.fields]
    files = {"path", "most_cells", "multiple_of", "model", "targets"}  # of data that users bring
    problem = {"loss", "dataset", "l2", "initial", "shuffle", *names(DATASETS["synthetic"])}
    assert known["load_law"] == {key for law in laws for key in names(law)}
    assert known["network"] == {*names(NetworkSettings)}
    assert known["failures"] == {*names(FailureSettings)}
    assert known["optimizer"] == {key for rule in rules for key in names(rule)}
    assert known["problem"] == problem | {key for loss in losses for key in names(loss)} - files
    data = {key for family in BUILT_IN["data"].classes.values() for key in names(family)}
    assert data <= problem | files


TABLE = [[r, *(1 + (7 * r + 3 * w) % 11 / 10 for w in range(12))] for r in range(9)]
REPLAYS: list[tuple[Section, str, Any]] = [
    ({}, "resample", "rounds"),
    ({"resample": "rounds"}, "stretch", 5.0),
    ({"rows": "0:4"}, "end", "cyclic"),
    ({}, "hosts", [f"w{w}" for w in range(11, -1, -1)]),
    ({}, "unit", "ms"),
    ({}, "rows", "2:9"),
]
# How a table is read: tests of the reader hold each, on tables that have what it is about.
READS = {field.name for field in dataclasses.fields(Reading)}
NOT_OF_REPLAYS = {
    "path": "another file is another run",
    "most_cells": "refuses a larger file",
    "later": "of rounds that were cut: test_trace.py has them",
}


@pytest.mark.parametrize(("beside", "key", "value"), REPLAYS)
def test_a_field_of_a_replay_moves_something(
    beside: Section, key: str, value: Any, tmp_path: Path
) -> None:
    path = tmp_path / "t.csv"
    lines = [",".join(["round", *(f"w{w}" for w in range(12))])]
    path.write_text("\n".join([*lines, *(",".join(map(str, row)) for row in TABLE)]) + "\n")
    base = {"model": "trace", "path": str(path), "unit": "s", **beside}
    before = outcome({**CONFIG, "delay": base})
    assert before is not None
    assert outcome({**CONFIG, "delay": {**base, key: value}}) not in (None, before)


def test_every_field_of_a_replay_is_changed() -> None:
    tried = {key for _, key, _ in REPLAYS}
    assert tried | READS | NOT_OF_REPLAYS.keys() == {*names(BUILT_IN["delays"].classes["trace"])}
