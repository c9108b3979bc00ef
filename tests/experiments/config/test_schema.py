"""The JSON Schema: an editor with it accepts what runs and marks what is wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from erasurehead import ConfigError
from erasurehead.delays import ColdStarts, MeasuredRounds
from erasurehead.experiments.config.catalogue import BUILT_IN
from erasurehead.experiments.config.cells import resolved
from erasurehead.experiments.config.codec import plain
from erasurehead.experiments.config.document import read_yaml, write_yaml
from erasurehead.experiments.config.schema import field_rows, schema
from erasurehead.experiments.config.settings import shown_field, validate
from erasurehead.schemes import SCHEMES
from erasurehead.sim.engines.run import Network
from erasurehead.sim.training.problems.losses import ProblemSettings
from tests.experiments.config.test_plugins import BASE as WITH_PLUGIN
from tests.experiments.config.test_plugins import PLUGIN
from tests.golden.configs import CRASHES, EXPONENTIAL, LOGISTIC, documents
from tests.tools import ROOT, inside

SCHEMA = Draft202012Validator(schema())
SCHEME = {"name": "erasurehead", "load": 3, "wait_for": 6}
LAW = {"model": "exponential", "rate": 1}
BASE: dict[str, Any] = {"workers": 12, "delay": EXPONENTIAL, "schemes": [SCHEME]}


def problems(document: Any) -> list[str]:
    return [error.message for error in SCHEMA.iter_errors(document)]


def test_it_is_a_schema() -> None:
    Draft202012Validator.check_schema(SCHEMA.schema)


@pytest.mark.parametrize("file", sorted((ROOT / "experiments/config/examples").rglob("*.yaml")))
def test_shipped_configs_are_accepted(file: Path) -> None:
    assert problems(read_yaml(file.read_text())) == []


def test_golden_configs_are_accepted_also_as_they_are_saved(tmp_path: Path) -> None:
    for name, golden in documents(tmp_path).items():
        assert problems(golden) == [], name
        assert problems(resolved(golden)) == [], name


@pytest.mark.parametrize("kind", ["delays", "schemes"])
def test_every_example_is_accepted(kind: str) -> None:
    """Also of what is added later."""
    for family in BUILT_IN[kind].classes.values():
        for example in family.examples():
            section = plain(example, BUILT_IN)
            change = {"delay": section} if kind == "delays" else {"schemes": [section]}
            assert problems(BASE | change) == [], section


@pytest.mark.parametrize(
    "change",
    [
        {"schemes": [SCHEME | {"load": [2, 3], "rescale": [True, False], "label": "mine"}]},
        {"sweep": {"delay.rate": [1, 2.5], "policy": ["cancel"], "workers": "range(6, 13, 6)"}},
        {"failures": {**CRASHES, "max_wait": None}},
        {"schemes": [SCHEME | {"wait_for": "n/2"}, SCHEME | {"wait_for": ["n-3", 2], "load": 2}]},
        {"network": None, "problem": None, "optimizer": None, "target_loss": None},
        {
            "workers": "12",
            "seed": " 1_0 ",
            "target_loss": "1e-1",
            "delay": EXPONENTIAL | {"rate": ".5"},
        },
        {"sweep": {"schemes.erasurehead.load": [2, "3"], "schemes": [[SCHEME]], "delay": [LAW]}},
        {"sweep": {"failures.time_to_failure.rate": [1], "network.channels": [1], "seed": ["1"]}},
        {"problem": LOGISTIC["problem"], "sweep": {"optimizer": [LOGISTIC["optimizer"]]}},
        LOGISTIC,
    ],
    ids=str,
)
def test_what_runs_is_accepted(change: dict[str, Any]) -> None:
    assert problems(BASE | change) == []


@pytest.mark.parametrize(
    "change",
    [
        {"wrokers": 3},
        {"workers": "many"},
        {"workers": True},
        {"workers": 2.5},
        {"name": "../etc"},
        {"policy": "abort"},
        {"engine": "gpu"},
        {"schemes": []},
        {"schemes": [{"load": 3}]},
        {"schemes": [{"name": "erasurhead", "load": 3, "wait_for": 6}]},
        {"schemes": [SCHEME | {"laod": 2}]},
        {"schemes": [SCHEME | {"load": "two"}]},
        {"schemes": [SCHEME | {"load": []}]},
        {"schemes": [SCHEME | {"wait_for": "n*2"}]},
        {"schemes": [SCHEME | {"wait_for": ["n/2", "many"]}]},
        {"schemes": [SCHEME | {"deadline": "n/2"}]},
        {"schemes": [SCHEME | {"load": [2, 0]}]},
        {"schemes": [SCHEME | {"deadline": -1}]},
        {"schemes": [SCHEME | {"rescale": "maybe"}]},
        {"delay": {"rate": 1}},
        {"delay": {"model": "exponental", "rate": 1}},
        {"delay": {"model": "exponential", "rate": -1}},
        {"delay": {"model": "exponential", "rate": True}},
        {"delay": {"model": "scaled", "by": 2, "base": {"model": "exponential", "rate": 0}}},
        {"delay": {"model": "scaled", "by": 2, "base": 3}},
        {"delay": {"model": "mixture", "weights": [1], "components": [{"model": "gamma"}]}},
        {"load_law": {"kind": "additive"}},
        {"load_law": None},
        {"problem": LOGISTIC["problem"] | {"loss": "hinge"}},
        {"problem": LOGISTIC["problem"] | {"rows": 5}},
        {"problem": LOGISTIC["problem"] | {"l2": "x"}},
        {"optimizer": {"rule": "gd"}},
        {"network": {"latency": 1}},
        {"failures": {"time_to_failure": 3.0}},
        {"sweep": {"delay.rate": 3}},
        {"sweep": {"delay.rat": [3]}},
        {"sweep": {"dely.rate": [3]}},
        {"sweep": {"schemes.erasurehead.lod": [3]}},
        {"sweep": {"delay.rate": ["x"]}},
        {"sweep": {"workers": [2.5]}},
        {"sweep": {"policy": ["cancle"]}},
        {"problem": LOGISTIC["problem"]},
        {"problem": LOGISTIC["problem"], "optimizer": None},
        {"schemes": [SCHEME | {"stop": {"cover": True}}]},
        {"workers": "1e1"},
        {"delay": EXPONENTIAL | {"rate": "inf"}},
        {"sweep": {"delay.rate": []}},
        {"sweep": {"delay.rate": "range 1 2"}},
        {"plugins": "my_code.py"},
    ],
    ids=str,
)
def test_what_is_wrong_is_refused(change: dict[str, Any]) -> None:
    assert problems(BASE | change) != []


EDGES: dict[str, tuple[dict[str, Any], str, Any, Any]] = {
    # section and its key, a value at the edge, and one just beyond
    "workers": ({}, "workers", 1, 0),
    "workers at most": ({}, "workers", 10**6, 10**6 + 1),
    "iterations": ({}, "iterations", 1, 0),
    "iterations at most": ({}, "iterations", 10**9, 10**9 + 1),
    "replications": ({}, "replications", 1, 0),
    "replications at most": ({}, "replications", 2**30, 2**30 + 1),
    "seed": ({}, "seed", 0, -1),
    "fixed": ({"load_law": {"kind": "partly_proportional"}}, "fixed", 0, -1e-9),
    "fixed at most": ({"load_law": {"kind": "partly_proportional"}}, "fixed", 1, 1 + 1e-9),
    "additive": ({"load_law": {"kind": "additive"}}, "seconds_per_partition", 0, -1e-9),
    "steps": ({"load_law": {"kind": "steps", "seconds": [0]}}, "loads", [0], [-1e-9]),
    "seconds of steps": ({"load_law": {"kind": "steps", "loads": [0]}}, "seconds", [0], [-1e-9]),
    "skew": ({"network": {}}, "dispatch_skew", 0, -1e-9),
    "uplink": ({"network": {}}, "uplink_latency", 0, -1e-9),
    "bandwidth": ({"network": {}}, "bandwidth", 1e-9, 0),
    "message": ({"network": {}}, "message_bytes", 0, -1),
    "channels": ({"network": {"bandwidth": 1}}, "channels", 1, 0),
    "loss": ({"failures": {"retry_after": 1}}, "message_loss", 0, -1e-9),
    "loss below 1": ({"failures": {"retry_after": 1}}, "message_loss", 1 - 1e-9, 1),
    "retry": ({"failures": {}}, "retry_after", 0, -1e-9),
    "max_wait": ({"failures": {}}, "max_wait", 1e-9, 0),
    "rows": ({"problem": {"loss": "logistic", "dataset": "synthetic"}}, "rows", 1, 0),
    "features": ({"problem": {"loss": "logistic", "dataset": "synthetic"}}, "features", 1, 0),
    "test_rows": ({"problem": {"loss": "logistic", "dataset": "synthetic"}}, "test_rows", 0, -1),
    "l2": ({"problem": {"loss": "logistic", "dataset": "synthetic"}}, "l2", 0, -1e-9),
    "cells": (
        {"problem": {"loss": "logistic", "dataset": "file", "path": "a.npz"}},
        *("most_cells", 1, 0),
    ),
    "learning_rate": ({"optimizer": {"rule": "gd"}}, "learning_rate", 1e-9, 0),
    "decay": ({"optimizer": {"rule": "gd", "learning_rate": 1}}, "decay", 1e-9, 0),
    "decay at most": ({"optimizer": {"rule": "gd", "learning_rate": 1}}, "decay", 1, 1 + 1e-9),
    "rate": ({"delay": {"model": "exponential"}}, "rate", 1e-9, 0),
    "quantiles": ({"delay": {"model": "empirical"}}, "quantiles", [0, 1], [1]),
    "tail": (
        {"delay": {"model": "empirical", "quantiles": [0, 1], "tail_scale": 1}},
        *("tail", 1 - 1e-9, 1),
    ),
    "tail_shape": (
        {"delay": {"model": "empirical", "quantiles": [0, 1], "tail": 0.1, "tail_scale": 1}},
        *("tail_shape", -1 + 1e-9, -1),
    ),
    "tail_shape below 1": (
        {"delay": {"model": "empirical", "quantiles": [0, 1], "tail": 0.1, "tail_scale": 1}},
        *("tail_shape", 1 - 1e-9, 1),
    ),
    "ranks": ({"delay": {"model": "empirical", "quantiles": [0, 1]}}, "ranks", [0.0], []),
    "stretch": ({"delay": {"model": "measured_rounds", "seconds": [[1]]}}, "stretch", 1, 1 - 1e-9),
    "measured": ({"delay": {"model": "measured_rounds"}}, "seconds", [[0]], [[]]),
    "over": ({"delay": {"model": "drift", "base": LAW, "to": 2}}, "over", 1, 0),
    "to": ({"delay": {"model": "drift", "base": LAW, "over": 2}}, "to", 1e-9, 0),
    "own": ({"delay": {"model": "own_laws", "base": LAW, "models": [LAW]}}, "workers", [0], [-1]),
    "factors": ({"delay": {"model": "heterogeneous", "base": LAW}}, "factors", [1], []),
    "spread": ({"delay": {"model": "heterogeneous", "base": LAW}}, "spread", 0, -1e-9),
    "sizes": (
        {"delay": {"model": "cold_starts", "base": LAW, "delay": LAW, "probability": 0.5}},
        *("sizes", [1], [0]),
    ),
    "within": (
        {
            "delay": {
                "model": "cold_starts",
                "base": LAW,
                "delay": LAW,
                "probability": 1,
                "share": 1,
            }
        },
        *("within", 5, 5 + 1e-9),
    ),
    "probability": (
        {"delay": {"model": "cold_starts", "base": LAW, "delay": LAW, "share": 0}},
        *("probability", 1, 1 + 1e-9),
    ),
    "weights": ({"delay": {"model": "mixture", "components": [LAW]}}, "weights", [1], [-1]),
    "load": ({"schemes": {"name": "cyclic_mds"}}, "load", 1, 0),
    "wait_for": ({"schemes": {"name": "ignore_stragglers"}}, "wait_for", 1, 0),
    "ahead": ({"schemes": {"name": "ssp"}}, "ahead", 0, -1),
    "power": ({"schemes": {"name": "asynchronous"}}, "staleness", {"power": 0}, {"power": -1e-9}),
    "hinge": (
        {"schemes": {"name": "asynchronous"}},
        *("staleness", {"hinge": [0, 0]}, {"hinge": [0, -1e-9]}),
    ),
    "straggle": (
        {"schemes": {"name": "stochastic_gradient_coding", "load": 3, "wait_for": 2}},
        *("straggle_probability", 0, -1e-9),
    ),
    "straggle below 1": (
        {"schemes": {"name": "stochastic_gradient_coding", "load": 3, "wait_for": 2}},
        *("straggle_probability", 1 - 1e-9, 1),
    ),
    "straggle of each": (
        {"schemes": {"name": "heterogeneous_split", "deadline": 1}},
        *("straggle_probabilities", [1e-9, 1 - 1e-9], [1e-9, 1]),
    ),
    "straggle of each above 0": (
        {"schemes": {"name": "heterogeneous_split", "deadline": 1}},
        *("straggle_probabilities", [1e-9, 1 - 1e-9], [0, 1 - 1e-9]),
    ),
    "inside": (
        {"schemes": {"name": "stochastic_block", "load": 3, "wait_for": 2, "community": 3}},
        *("inside", 1, 1 + 1e-9),
    ),
    "W": ({"schemes": {"name": "sequential", "B": 1, "stragglers": 0, "tolerance": 0}}, "W", 2, 1),
    "B": ({"schemes": {"name": "sequential", "W": 2, "stragglers": 0, "tolerance": 0}}, "B", 1, 0),
    "stragglers": (
        {"schemes": {"name": "sequential", "W": 2, "B": 1, "tolerance": 0}},
        *("stragglers", 0, -1),
    ),
}


@pytest.mark.parametrize("edge", EDGES)
def test_the_edge_of_a_range_is_within_it(edge: str) -> None:
    """For who runs it and for who writes it with the schema."""
    base, key, within, beyond = EDGES[edge]

    def document(value: Any) -> dict[str, Any]:
        if not base:
            return BASE | {key: value}
        [(name, section)] = base.items()
        changed = section | {key: value}
        trained = {"optimizer": {"rule": "gd", "learning_rate": 1}} if name == "problem" else {}
        return BASE | trained | {name: [changed] if name == "schemes" else changed}

    assert problems(document(within)) == []
    validate(document(within))
    assert problems(document(beyond)) != []
    with pytest.raises(ConfigError, match=rf"{key}\b"):
        validate(document(beyond))


@pytest.mark.parametrize("key", ["workers", "delay", "schemes"])
def test_what_is_missing_is_refused(key: str) -> None:
    assert problems({name: value for name, value in BASE.items() if name != key}) != []


def test_an_editor_can_show_meaning_default_and_range() -> None:
    fields = schema()["$defs"]["schemes.erasurehead"]["properties"]
    assert fields["name"] == {"const": "erasurehead"}
    assert fields["load"]["description"].startswith("d, partitions per worker")
    number = fields["load"]["anyOf"][0]
    assert (number["type"], number["minimum"]) == (["integer", "string"], 1)
    assert fields["rescale"]["default"] is False
    assert schema()["properties"]["delay"]["description"] == "how long a worker takes."


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"schemes": [SCHEME | {"load": "x"}]}, ["schemes", 0, "load"]),
        ({"schemes": [SCHEME | {"name": "erasurehed"}]}, ["schemes", 0, "name"]),
        ({"delay": EXPONENTIAL | {"rate": -1}}, ["delay", "rate"]),
        ({"delay": {"model": "shifted", "base": {"model": 0}}}, ["delay", "base", "model"]),
        ({"optimizer": {"rule": "gd", "learning_rate": 0}}, ["optimizer", "learning_rate"]),
    ],
    ids=str,
)  # fmt: skip
def test_an_editor_marks_the_field_at_fault(change: dict[str, Any], path: list[Any]) -> None:
    """Alone: not the section, for which each of forty others would do as well."""
    errors = [*SCHEMA.iter_errors(BASE | change)]
    while errors[0].context:
        errors = [*errors[0].context]
    assert [*errors[0].absolute_path] == path


def test_the_command_knows_the_plugins_of_a_config(tmp_path: Path) -> None:
    (tmp_path / "my_code.py").write_text(PLUGIN)
    document = WITH_PLUGIN | {"plugins": ["my_code.py"]}
    (tmp_path / "c.yaml").write_text(write_yaml(document))
    said = inside("list", "--schema").stdout
    assert json.loads(said) == schema()
    known = json.loads(inside("list", "--schema", tmp_path / "c.yaml").stdout)
    assert list(Draft202012Validator(known).iter_errors(document)) == []
    assert problems(document) != []


@pytest.mark.parametrize(
    ("family", "field", "row"),
    [
        (Network, "bandwidth", ("number > 0", "bytes/s", "none")),
        (Network, "channels", ("integer >= 1", "", "none")),
        (Network, "uplink_latency", ("number >= 0", "s", "0.0")),
        (ColdStarts, "base", ("delay model", "", "required")),
        (ColdStarts, "clump", ("binomial | fixed", "", "binomial")),
        (ColdStarts, "sizes", ("list of integer >= 1", "", "none")),
        (ColdStarts, "within", ("number >= 0 and <= 5", "", "0.0")),
        (MeasuredRounds, "seconds", ("list of list of number >= 0", "s", "required")),
        (ProblemSettings, "loss", ("text", "", "required")),
        (ProblemSettings, "l2", ("number >= 0 or 1/rows", "", "0.0")),
        (ProblemSettings, "shuffle", ("true or false", "", "false")),
        (SCHEMES["erasurehead"], "load", ("integer >= 1", "", "required")),
        (SCHEMES["erasurehead"], "deadline", ("number > 0", "s", "none")),
    ],
    ids=str,
)
def test_a_field_in_words(family: type, field: str, row: tuple[str, str, str]) -> None:
    """Type and range, unit, and what holds if it is left out; and what it means."""
    [found] = [each for each in field_rows(family) if each.name == field]
    assert (found.value, found.unit, found.default) == row
    assert found.meaning


@pytest.mark.parametrize(("models", "allowed"), [(21, True), (22, False)])
def test_delay_models_are_nested_twenty_deep_at_most(models: int, allowed: bool) -> None:
    delay: dict[str, Any] = LAW
    for _ in range(models - 1):
        delay = {"model": "shifted", "by": 1, "base": delay}
    if allowed:
        assert validate(BASE | {"delay": delay}).delay.mean() == models
    else:
        with pytest.raises(ConfigError, match=r"^delay: models are nested more than 20 deep$"):
            validate(BASE | {"delay": delay})


UNLIKE = {"model": "heterogeneous", "base": LAW}


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"workers": True}, "workers: True is not a number"),
        ({"workers": "three"}, "workers = 'three': must be an integer"),
        ({"workers": 2.5}, "workers = 2.5: must be an integer"),
        ({"iterations": 0, "replications": 0}, "must be greater than or equal to 1 (and 1 more)"),
        ({"iterations": 0, "replications": 0, "seed": -1}, "(and 2 more)"),
        ({"name": "_"}, "must be letters, digits, '.', '_' or '-', a letter or digit first"),
        ({"name": "x" * 101}, "must have at most 100 characters"),
        ({"schemes": []}, "schemes = []: must have at least 1 items$"),
        ({"schemes": {"name": "x"}}, "must be a list; a sweep takes a list of such lists$"),
        ({"schemes": [{"name": "mine"}]}, ", ...; plugins: [file.py] (in Python plugins="),
        (
            {"schemes": [SCHEME | {"stop": {"cover": 0.8}, "wait_for": None}]},
            "stop.cover: 0.8: must be true; for a share of the partitions write a stopping rule",
        ),
        ({"workers": [6, 12]}, "must be an integer; a sweep takes lists of values (eh.sweep)$"),
        ({"policy": ["queue"]}, "; a sweep takes lists of values (eh.sweep)$"),
        ({"delay": LAW | {"model": "pareto"}}, "; to change model, replace the section$"),
        ({"schemes": [3]}, "schemes[0] = 3: must be a section: keys with values"),
        ({"delay": UNLIKE | {"factors": [1, 0]}}, "delay.factors[1] = 0: must be greater than 0"),
        ({"delay": UNLIKE | {"factors": [1, True]}}, "delay.factors[1] = True: must be a number"),
        ({"delay": {"model": "exponential"}}, "delay.rate: missing"),
        ({"delay": {"model": "exponential", "rate": 1, "rat": 2}}, "delay.rat: unknown key; "),
        ({"delay": {"model": "exponential", "rate": True}}, "delay.rate = True: must be a number"),
        ({"policy": "cancle"}, "policy = 'cancle': must be "),
        ({"schemes": [SCHEME | {"load": "three"}]}, "or n/2 (rounded up) or n-2, where n is the"),
        ({"schemes": [SCHEME | {"wait_for": []}]}, "must list at least one value"),
        ({"schemes": [{"name": ["uncoded"]}]}, "must be one; write an entry for each scheme"),
        ({"schemes": [SCHEME, SCHEME]}, "appears twice; give each its own label"),
        ({"seed": -1}, "seed = -1: must be greater than or equal to 0"),
        ({"problem": {"loss": "logistic"}}, "problem.dataset: missing; must be one of"),
        ({"problem": {"dataset": "synthetic", "x": 1}}, "must be one of: dataset, features, in"),
        ({"delay": {"kind": "pareto"}}, "delay.kind: unknown key; did you mean model?$"),
        ({"schemes": [{"model": "uncoded"}]}, ".model: unknown key; did you mean name?$"),
        ({"schemes": [Network()]}, ": must be a section: keys with values$"),
        ({"schemes": [ProblemSettings]}, ": keys with values; give its fields, as in Uncoded"),
    ],
    ids=str,
)  # fmt: skip
def test_a_mistake_in_words(change: dict[str, Any], line: str) -> None:
    with pytest.raises(ConfigError) as refused:
        validate(BASE | change)
    said = f"{refused.value}$"
    assert line in said
    assert "\n" not in said


@pytest.mark.parametrize(
    ("key", "value", "shown"),
    [
        ("load", 3.0, "load=3"),
        ("patience", 1.5, "patience=1.5"),
        ("times", [1.0, 2, 3.5, 4], "times=[1, 2, 3.5, 4]"),
        ("times", [1, 2, 3, 4, 5.0], "times=[1, 2, ..., 5]"),
        ("times", [[1, 2, 3, 4, 5, 6], [7.0]], "times=[[1, 2, ..., 6], [7]]"),
        ("path", "a/b/c.csv", "path=c.csv"),
        ("stop", {"cover": True, "window": 1.0, "at_least": None}, "stop(cover, window=1)"),
        ("stop", [{"cover": True}, {"wait_for": 3}], "stop(cover, wait_for=3)"),
        ("cut", True, "cut=True"),
        ("cover", False, "cover=False"),
    ],
)  # fmt: skip
def test_a_field_as_a_label_has_it(key: str, value: Any, shown: str) -> None:
    assert shown_field(key, value) == shown


@pytest.mark.parametrize("value", [3, [1], "x"], ids=repr)
@pytest.mark.parametrize(
    "key", ["delay", "load_law", "network", "failures", "problem", "optimizer"]
)
def test_what_is_no_section_is_named(key: str, value: object) -> None:
    with pytest.raises(ConfigError) as refused:
        validate(BASE | {key: value})
    assert str(refused.value) == f"{key} = {value!r}: must be a section: keys with values"


@pytest.mark.parametrize(
    ("own", "accepted"),
    [
        ({"policy": "queue", "initial": "zeros", "delay": LAW}, True),
        ({"policy": ["cancel", "queue"], "initial": ["zeros", "normal"]}, True),
        ({"delay": [LAW, {"model": "deterministic", "value": 0}]}, True),
        ({"policy": "quue"}, False),
        ({"policy": ["cancel", "quue"]}, False),
        ({"initial": 3}, False),
        ({"delay": {"model": "exponentail", "rate": 1}}, False),
    ],
)
def test_a_scheme_can_have_settings_of_its_own(own: dict[str, Any], accepted: bool) -> None:
    problem = {"loss": "logistic", "dataset": "breast_cancer"}
    document = BASE | {
        "schemes": [SCHEME | own],
        "problem": problem,
        "optimizer": {"rule": "gd", "learning_rate": 1},
    }
    assert (problems(document) == []) is accepted
    if accepted:
        validate(document)
