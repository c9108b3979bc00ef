"""Settings that would move nothing are refused, or a warning names them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import erasurehead as eh
from tests.tools import inside

BASE = {
    "workers": 4,
    "iterations": 3,
    "delay": {"model": "exponential", "rate": 1.0},
    "schemes": [{"name": "uncoded"}],
}
RATES = {"rule": "gd", "learning_rate": 0.1}
PROBLEM = {"loss": "logistic", "dataset": "breast_cancer"}
REPLAY = {"delay": {"model": "authors_stream"}, "replications": 4}
CONSTANT = {"delay": {"model": "deterministic", "value": 1.0}, "replications": 2}


@pytest.mark.parametrize(
    ("more", "line"),
    [
        ({"optimizer": RATES}, "optimizer: has no effect without a problem"),
        ({"target_loss": 0.1}, "target_loss: has no effect without a problem"),
        ({"problem": PROBLEM, "optimizer": RATES, "target_loss": -0.1}, "is never reached"),
        ({"policy": "drain", "schemes": [{"name": "asynchronous"}]}, "policy: drain has no effect"),
        ({"network": {"message_bytes": 8.0}}, "message_bytes: has no effect without bandwidth"),
        ({"failures": {"retry_after": 0.1}}, "retry_after: has no effect without message_loss"),
        (REPLAY, "replications = 4: the delays are the same in each"),
        (CONSTANT, "replications = 2: the delays are the same in each"),
    ],
)
def test_a_setting_without_effect_is_named(more: dict[str, Any], line: str, tmp_path: Any) -> None:
    """And only where it has none: the base alone has no warning."""
    with pytest.warns(UserWarning, match=re.escape(line)):
        eh.run({**BASE, **more}, output=tmp_path / "r")
    eh.run(BASE, output=tmp_path / "base")


@pytest.mark.parametrize(
    ("more", "place"),
    [
        ({"network": {}}, "network"),
        ({"failures": {}}, "failures"),
        ({"sweep": {"name": ["a", "b"]}}, "sweep.name"),
        ({"sweep": {"schemes.0.label": ["a", "b"]}}, "sweep.schemes.0.label"),
        ({"schemes": [{"name": "local_sgd", "steps": 2, "levels": {}}]}, "levels"),
    ],
)
def test_a_setting_that_can_have_no_effect_is_refused(
    more: dict[str, Any], place: str, tmp_path: Any
) -> None:
    with pytest.raises(eh.ConfigError, match=place):
        eh.sweep({**BASE, **more}, output=tmp_path / "r")


@pytest.mark.parametrize(
    ("sets", "ends_well"),
    [
        (["delay.rate=1", "delay.rate=2"], False),
        (["delay.rate=1,2", "delay={model: exponential, rate: 5}"], False),
        (["delay={model: exponential, rate: 5}", "delay.rate=1,2"], True),
    ],
)
def test_a_key_is_set_once(sets: list[str], ends_well: bool, tmp_path: Path) -> None:
    """Catches the last one that wins in silence, so that a swept axis is lost; a section and then
    a key of it is composition."""
    config = tmp_path / "c.yaml"
    config.write_text(json.dumps(BASE))
    options = [part for text in sets for part in ("--set", text)]
    ended = inside("sweep", config, "--dry-run", *options)
    assert ended.returncode == (0 if ends_well else 2), ended.stderr


def test_rows_are_cut_into_the_partitions_of_the_scheme() -> None:
    """Catches a number of partitions that is replaced in silence."""
    X = np.ones((12, 1))
    run = eh.simulate(eh.schemes.Uncoded(), eh.delays.Exponential(rate=1.0), workers=6)
    rule = eh.optimizers.GradientDescent(learning_rate=0.1)
    with pytest.raises(eh.ConfigError, match="partitions"):
        eh.train(run, eh.problems.LeastSquares(X, X[:, 0], partitions=3), rule)
    for partitions in (1, 6):
        eh.train(run, eh.problems.LeastSquares(X, X[:, 0], partitions=partitions), rule)
