"""Settings that would move nothing are refused, or a warning names them."""

from __future__ import annotations

import json
import re
import warnings
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
SLOWLY = {"rule": "gd", "learning_rate": 1e-3}
PROBLEM = {"loss": "logistic", "dataset": "breast_cancer"}
REPLAY = {"delay": {"model": "authors_stream"}, "replications": 4}
NOISY = {"loss": "least_squares", "dataset": "synthetic", "rows": 60, "features": 4}
CONSTANT = {"delay": {"model": "deterministic", "value": 1.0}, "replications": 2}


@pytest.mark.parametrize(
    ("more", "line"),
    [
        ({"optimizer": RATES}, "optimizer: has no effect without a problem"),
        ({"target_loss": 0.1}, "target_loss: has no effect without a problem"),
        ({"problem": PROBLEM, "optimizer": RATES, "target_loss": -0.1}, "is never reached"),
        ({"problem": PROBLEM, "optimizer": RATES, "target_loss": 9.0}, "before the first step"),
        (
            {"problem": NOISY, "optimizer": SLOWLY, "target_loss": 1e-9},
            "target_loss = 1e-09: is never reached; no model has a training loss below 0.9233",
        ),
        ({"policy": "drain", "schemes": [{"name": "asynchronous"}]}, "policy: drain has no effect"),
        ({"network": {"message_bytes": 8.0}}, "message_bytes: has no effect without bandwidth"),
        ({"failures": {"retry_after": 0.1}}, "retry_after: has no effect without message_loss"),
        (REPLAY, "replications = 4: nothing is random, so that all would be the same run"),
        (CONSTANT, "replications = 2: nothing is random, so that all would be the same run"),
    ],
)
def test_a_setting_without_effect_is_named(more: dict[str, Any], line: str, tmp_path: Any) -> None:
    """And only where it has none: the base alone has no warning."""
    with pytest.warns(UserWarning, match=re.escape(line)):
        eh.run({**BASE, **more}, output=tmp_path / "r")
    eh.run(BASE, output=tmp_path / "base")


PARTS: list[dict[str, Any]] = [
    {"model": "scaled", "by": 2.0, "base": CONSTANT["delay"]},
    {"model": "drift", "base": CONSTANT["delay"], "to": 2.0, "over": 2},
    {"model": "heterogeneous", "base": CONSTANT["delay"], "factors": [1.0, 2.0, 3.0, 4.0]},
    {"model": "mixture", "weights": [0.5, 0.5], "components": [CONSTANT["delay"]] * 2},
    {"model": "own_laws", "base": REPLAY["delay"], "workers": [1], "models": [CONSTANT["delay"]]},
]
RANDOM_PARTS: list[dict[str, Any]] = [
    {"schemes": [{"name": "asynchronous"}]},  # which partition is drawn
    {"failures": {"message_loss": 0.5, "retry_after": 0.1}},
    {"network": {"uplink": {"model": "exponential", "rate": 1.0}}},
    {"delay": {"model": "heterogeneous", "base": CONSTANT["delay"], "spread": 0.3}},
    {
        "delay": {
            "model": "mixture",
            "weights": [0.5, 0.5],
            "components": [CONSTANT["delay"], {"model": "deterministic", "value": 2.0}],
        }
    },
]


@pytest.mark.one_in(2)
@pytest.mark.parametrize("delay", [REPLAY["delay"], CONSTANT["delay"], *PARTS])
def test_a_run_without_chance_is_made_once(delay: dict[str, Any], tmp_path: Path) -> None:
    """One replication, no error and no interval, in tables and in the ratios. Catches intervals of
    no width, of one run that was made four times, also where laws are made of such laws."""
    schemes = [{"name": "uncoded"}, {"name": "erasurehead", "load": 2, "wait_for": 2}]
    config = {**BASE, "delay": delay, "replications": 4, "schemes": schemes}
    with pytest.warns(UserWarning, match="nothing is random, so that all would be the same run"):
        made = eh.run(config, output=tmp_path / "r")
    assert (made.summary["replications"] == 1).all()
    ends = [name for name in made.summary if name.endswith(("_se", "_low", "_high"))]
    assert made.summary[ends].isna().all(axis=None)


@pytest.mark.parametrize("more", RANDOM_PARTS)
def test_a_run_with_any_chance_is_made_as_often_as_asked(
    more: dict[str, Any], tmp_path: Path
) -> None:
    """Of delays, messages or a scheme. Catches a law or a scheme that is taken as certain."""
    made = eh.run({**BASE, **CONSTANT, **more}, output=tmp_path / "r")
    assert (made.summary["replications"] == 2).all()


def test_certain_schemes_stand_beside_random_ones(tmp_path: Path) -> None:
    """The line names who is made once; times that are the same in all runs have no interval, and
    losses that are not have one. Catches runs that share the tapes of a scheme that is made once.
    """
    schemes = [
        {"name": "uncoded"},
        {"name": "asynchronous"},
        {"name": "drop_compute", "pieces": 3, "patience": 0.2},
    ]
    learning = {"problem": PROBLEM, "optimizer": RATES}
    with pytest.warns(UserWarning, match="nothing of uncoded is random"):
        made = eh.run({**BASE, **REPLAY, **learning, "schemes": schemes}, output=tmp_path / "r")
    rows = made.summary.set_index("scheme")
    assert rows["replications"].to_dict() == {"uncoded": 1, "asynchronous": 4, "drop_compute": 4}
    others = rows.drop("uncoded")
    assert others["iteration_time_ratio_low"].isna().all()
    assert (others["final_train_loss_ratio_low"] < others["final_train_loss_ratio_high"]).all()


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


@pytest.mark.parametrize(
    "idle",
    [
        {"network": {"uplink_latency": 0.0}},
        {"network": {"bandwidth": 9.0, "message_bytes": 0.0}},
        {"failures": {"message_loss": 0.0}},
    ],
)
def test_a_section_that_does_nothing_takes_no_theory_away(idle: dict[str, Any]) -> None:
    """Catches closed forms that stand only where the section is left out."""
    plain, same = (eh.run({**BASE, **more}, output=None).summary for more in ({}, idle))
    assert np.isfinite(plain["iteration_time_theory"]).all()
    assert (same["iteration_time_theory"] == plain["iteration_time_theory"]).all()


@pytest.mark.parametrize(
    ("max_wait", "strikes"),
    [(1e300, False), (38.0, False), (36.0, True), (20.0, True)],
)
def test_a_deadline_that_never_strikes_takes_no_theory_away(
    max_wait: float, strikes: bool, tmp_path: Path
) -> None:
    """Of three rounds of four workers one in 3e15 takes 38 s, and one in 4e14 takes 36 s. Catches
    closed forms that stand beside a deadline that ends runs, or vanish beside one that cannot."""
    plain = eh.run(BASE, output=None).summary
    same = eh.run({**BASE, "failures": {"max_wait": max_wait}}, output=None).summary
    assert ("iteration_time_theory" in same) != strikes
    if not strikes:
        assert (same["iteration_time_theory"] == plain["iteration_time_theory"]).all()


SETTINGS = [*json.loads(inside("list", "--schema").stdout)["properties"]]


@pytest.mark.parametrize("key", SETTINGS)
def test_null_is_a_setting_left_out_or_refused(key: str) -> None:
    """Left out, without a line, where that is what a config without it means; refused where the
    setting must have a value. Catches a null that becomes a value of its own."""
    config = {**BASE, "problem": PROBLEM, "optimizer": RATES, "target_loss": 0.5}
    without = {name: value for name, value in config.items() if name != key}
    nothing = {"problem", "optimizer", "network", "failures", "target_loss"}
    if key not in nothing:
        with pytest.raises(eh.ConfigError, match=rf"^{key} = None: must be"):
            eh.run({**config, key: None}, output=None)
        return
    ends = []
    for same in ({**config, key: None}, without):
        with warnings.catch_warnings(record=True):
            warnings.simplefilter("always")
            try:
                ends.append(eh.run(same, output=None).summary.to_csv())
            except eh.ConfigError as error:
                ends.append(str(error))
    assert ends[0] == ends[1]


@pytest.mark.parametrize(
    "key", ["delay.rate", "workers", "seed", "optimizer.learning_rate", "target_loss"]
)
def test_a_number_has_no_underscore(key: str, tmp_path: Path) -> None:
    """Python reads 1_0 as 10, and YAML as a text: catches one that becomes another number."""
    config = tmp_path / "c.yaml"
    config.write_text(json.dumps({**BASE, "problem": PROBLEM, "optimizer": RATES}))
    ended = inside("run", config, "--dry-run", "--set", f"{key}=1_0")
    assert ended.returncode == 2
    assert ended.stderr == f"error: {key} = '1_0': must be a number without _\n"
    swept = inside("sweep", config, "--dry-run", "--set", f"{key}=1_0,2_0")
    assert swept.returncode == 2
    assert "must be a number without _" in swept.stderr


def test_rows_are_cut_into_the_partitions_of_the_scheme() -> None:
    """Catches a number of partitions that is replaced in silence."""
    X = np.ones((12, 1))
    run = eh.simulate(eh.schemes.Uncoded(), eh.delays.Exponential(rate=1.0), workers=6)
    rule = eh.optimizers.GradientDescent(learning_rate=0.1)
    with pytest.raises(eh.ConfigError, match="partitions"):
        eh.train(run, eh.problems.LeastSquares(X, X[:, 0], partitions=3), rule)
    for partitions in (1, 6):
        eh.train(run, eh.problems.LeastSquares(X, X[:, 0], partitions=partitions), rule)


@pytest.mark.parametrize("command", ["report", "plot"])
def test_a_part_that_is_the_whole_is_refused(command: str, tmp_path: Path) -> None:
    """Also by its Python function. Catches a page that calls all cells a part."""
    eh.sweep({**BASE, "sweep": {"delay.rate": [1.0, 2.0]}}, output=tmp_path / "r")
    ended = inside(command, tmp_path / "r", "--where", "delay.rate=1,2")
    assert ended.returncode == 2
    assert "all cells have these; leave it out" in ended.stderr


def test_a_report_of_a_part_shows_that_part(tmp_path: Path) -> None:
    """Its values, seeds and engines; what is said of the whole is called so. Catches a page of one
    point whose question, provenance and warnings are those of all points."""
    sweep = {"seed": [3, 4], "target_loss": [0.1, 9.0]}
    config = {**BASE, "problem": PROBLEM, "optimizer": RATES, "sweep": sweep}
    with pytest.warns(UserWarning, match="before the first step"):
        eh.sweep(config, output=tmp_path / "r")
    page = tmp_path / "page.html"
    conditions = ["--where", "seed=4", "--where", "target_loss=0.1"]
    assert inside("report", tmp_path / "r", *conditions, "--output", page).returncode == 0
    text = re.sub(r"<[^>]*>", " ", page.read_text())
    shown = re.sub(r"\s+", " ", text)
    assert "swept: seed 4 swept: target_loss 0.1 " in shown
    assert re.search(r" seed 4 ", shown)
    assert not re.search(r" seed 3, 4 ", shown)
    assert "of the whole result: target_loss = 9: is reached before the first step" in shown
