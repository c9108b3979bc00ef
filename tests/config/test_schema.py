"""The JSON Schema: an editor with it accepts what runs and marks what is wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from erasurehead.experiments.config.catalogue import BUILT_IN
from erasurehead.experiments.config.cells import resolved
from erasurehead.experiments.config.codec import plain
from erasurehead.experiments.config.document import read_yaml, write_yaml
from erasurehead.experiments.config.schema import schema
from tests.config.test_plugins import BASE as WITH_PLUGIN
from tests.config.test_plugins import PLUGIN
from tests.golden.configs import CRASHES, EXPONENTIAL, LOGISTIC, documents
from tests.tools import ROOT, inside

SCHEMA = Draft202012Validator(schema())
SCHEME = {"name": "erasurehead", "load": 3, "wait_for": 6}
BASE: dict[str, Any] = {"workers": 12, "delay": EXPONENTIAL, "schemes": [SCHEME]}


def problems(document: Any) -> list[str]:
    return [error.message for error in SCHEMA.iter_errors(document)]


def test_it_is_a_schema() -> None:
    Draft202012Validator.check_schema(schema())


@pytest.mark.parametrize("file", sorted((ROOT / "experiments/configs").glob("*.yaml")))
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
        {"network": None, "problem": None, "optimizer": None, "target_loss": None},
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
        {"workers": 0},
        {"workers": True},
        {"workers": 2.5},
        {"name": "../etc"},
        {"policy": "abort"},
        {"engine": "gpu"},
        {"replications": 2**31},
        {"schemes": []},
        {"schemes": [{"load": 3}]},
        {"schemes": [{"name": "erasurhead", "load": 3, "wait_for": 6}]},
        {"schemes": [SCHEME | {"laod": 2}]},
        {"schemes": [SCHEME | {"load": "two"}]},
        {"schemes": [SCHEME | {"load": []}]},
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
        {"optimizer": {"rule": "gd", "learning_rate": 0}},
        {"network": {"latency": 1}},
        {"network": {"channels": 0}},
        {"failures": {"message_loss": 1.0}},
        {"failures": {"time_to_failure": 3.0}},
        {"sweep": {"delay.rate": 3}},
        {"sweep": {"delay.rate": []}},
        {"sweep": {"delay.rate": "range 1 2"}},
        {"plugins": "my_code.py"},
    ],
    ids=str,
)
def test_what_is_wrong_is_refused(change: dict[str, Any]) -> None:
    assert problems(BASE | change) != []


@pytest.mark.parametrize("key", ["workers", "delay", "schemes"])
def test_what_is_missing_is_refused(key: str) -> None:
    assert problems({name: value for name, value in BASE.items() if name != key}) != []


def test_an_editor_can_show_meaning_default_and_range() -> None:
    fields = schema()["$defs"]["schemes.erasurehead"]["properties"]
    assert fields["name"] == {"const": "erasurehead"}
    assert fields["load"]["description"].startswith("d, partitions per worker")
    assert fields["load"]["anyOf"][0] == {"type": "integer", "minimum": 1}
    assert fields["rescale"]["default"] is False
    assert schema()["properties"]["delay"]["description"] == "how long a worker takes."


def test_the_command_knows_the_plugins_of_a_config(tmp_path: Path) -> None:
    (tmp_path / "my_code.py").write_text(PLUGIN)
    document = WITH_PLUGIN | {"plugins": ["my_code.py"]}
    (tmp_path / "c.yaml").write_text(write_yaml(document))
    assert json.loads(inside("schema").stdout) == schema()
    known = json.loads(inside("schema", tmp_path / "c.yaml").stdout)
    assert list(Draft202012Validator(known).iter_errors(document)) == []
    assert problems(document) != []
