"""The network and failures sections: from a config to what surrounds the workers."""

from __future__ import annotations

import dataclasses
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from erasurehead import ConfigError
from erasurehead.experiments.config import build
from erasurehead.experiments.config.build import Resends
from erasurehead.experiments.config.cells import Cell, cells
from erasurehead.experiments.run.compute import compute
from erasurehead.experiments.run.metrics import per_replication
from tests.statistics import assert_z

BASE: dict[str, Any] = {
    "workers": 6,
    "iterations": 20,
    "replications": 3,
    "delay": {"model": "exponential", "rate": 2.0},
    "schemes": [{"name": "uncoded"}],
}
LAW = {"model": "exponential", "rate": 2.0}
CRASHES = {
    "time_to_failure": {"model": "exponential", "rate": 0.1},
    "time_to_repair": {"model": "exponential", "rate": 1.0},
}
LEARNING: dict[str, Any] = {
    "problem": {"loss": "logistic", "dataset": "breast_cancer"},
    "optimizer": {"rule": "gd", "learning_rate": 0.1},
}


def cell(**changes: Any) -> Cell:
    return cells(BASE | changes)[0]


def test_tapes_of_trouble_are_draws_of_their_own() -> None:
    """Failures, repairs, losses and delays of one law must not be the same numbers."""
    trouble = {"time_to_failure": LAW, "time_to_repair": LAW, "message_loss": 0.5, "retry_after": 1}
    parts = build.run_of(cell(failures=trouble, network={"uplink": LAW, "transfer": LAW}).settings)
    assert parts.cluster.failures is not None
    assert parts.cluster.resends is not None
    assert parts.cluster.uplink is not None
    assert parts.cluster.transfer is not None
    messages = *parts.cluster.uplink, *parts.cluster.transfer
    tables = [tape.rows(0, 50) for tape in (*parts.tapes, *messages)]
    tables += [tape.rows(0, 50, stream=1) for tape in messages]
    for failures, resends in zip(parts.cluster.failures, parts.cluster.resends, strict=True):
        assert failures.down is not None
        tables += [failures.up.rows(0, 50), failures.down.rows(0, 50)]
        assert resends.rows(0, 50).max() >= 1
    for i, one in enumerate(tables):
        for other in tables[:i]:
            assert not np.any(one == other)


@pytest.mark.parametrize("trouble", [{"network": {"uplink_latency": 0.1}}, {"failures": CRASHES}])
def test_copies_of_tasks_need_a_cluster_without_trouble(trouble: dict[str, Any]) -> None:
    copies = [{"name": "speculative", "copy_after": 3}]
    build.run_of(cell(schemes=copies).settings)
    with pytest.raises(build.ImpossibleCell, match=r"schemes\.speculative: .* without network"):
        build.run_of(cell(schemes=copies, **trouble).settings)


@pytest.mark.parametrize(
    ("message_bytes", "seconds"), [(None, 8 * 31 / 100), (50, 0.5), (0.5, 0.005)]
)
def test_a_message_is_eight_bytes_a_feature_unless_said(
    message_bytes: float | None, seconds: float
) -> None:
    """31 features over 100 bytes a second: every round takes that much longer."""
    network = {"bandwidth": 100.0, "message_bytes": message_bytes}
    delay = {"model": "deterministic", "value": 1.0}
    times = compute(cell(network=network, delay=delay, **LEARNING)).iterations.iteration_time
    np.testing.assert_allclose(times.dropna(), 1 + seconds)


@pytest.mark.parametrize("message_bytes", [None, 50])
@pytest.mark.parametrize(("load", "gradients"), [(1, 1), (2, 1), (3, 2)])
def test_messages_of_a_complex_code_are_twice_as_large(
    message_bytes: float | None, load: int, gradients: int
) -> None:
    """Four workers: load 3 leaves an odd number of arrivals to spare, and B is complex."""
    network = {"bandwidth": 100.0, "message_bytes": message_bytes}
    scheme = {"name": "cyclic_mds", "load": load}
    run = build.run_of(cell(network=network, schemes=[scheme], workers=4).settings, features=31)
    assert run.cluster.network is not None
    assert run.cluster.network.occupied == gradients * (message_bytes or 8 * 31) / 100


def test_without_data_a_bandwidth_needs_the_size_of_a_message() -> None:
    """Catches messages of 0 bytes, for which any bandwidth is enough."""
    with pytest.raises(ConfigError, match="message_bytes: missing"):
        build.run_of(cell(network={"bandwidth": 100.0}).settings)
    said = {"bandwidth": 100.0, "message_bytes": 50}
    network = build.run_of(cell(network=said).settings).cluster.network
    assert network is not None
    assert network.occupied == 0.5


def test_costs_are_seconds_per_run() -> None:
    """Margins add up: over all workers, the mean over replications of each run's sum."""
    result = compute(cell(replications=4))
    whole = result.iterations.groupby("replication").time.max().mean()
    assert 0 < result.per_worker["cost"].sum() < whole
    single = compute(cell(replications=1))
    assert result.per_worker["cost"].sum() == pytest.approx(
        single.per_worker["cost"].sum(), rel=0.5
    )
    assert result.per_worker["last"].sum() == pytest.approx(1)


def test_resends_are_geometric() -> None:
    """Mean retry * loss / (1 - loss), P(none) = 1 - loss; catches an attempt counted as a loss."""
    law = Resends(loss=0.3, retry_after=0.5)
    sample = law.draw(np.random.default_rng(1), (40_000,))
    assert_z(sample, 0.5 * 0.3 / 0.7, "mean")
    for seconds in (0.0, 0.5, 1.2):
        chance = 1 - 0.3 ** (seconds // 0.5 + 1)
        assert_z((sample <= seconds).astype(float), chance, f"cdf at {seconds}")
    assert set(np.unique(sample / 0.5) % 1) == {0}


def test_engine_auto_takes_events_where_it_must() -> None:
    contended = {"bandwidth": 100.0, "message_bytes": 10, "channels": 1}
    assert compute(cell()).engine == "batch"
    assert compute(cell(network={"uplink_latency": 1.0})).engine == "batch"
    assert compute(cell(network=contended)).engine == "event"
    assert compute(cell(failures=CRASHES)).engine == "event"


def test_crashes_are_recorded() -> None:
    result = compute(cell(failures=CRASHES, schemes=[{"name": "erasurehead", "load": 2,
                                                      "wait_for": 3}]))  # fmt: skip
    assert 0 < result.per_worker["dead"].mean() < 0.5
    assert result.iterations["dead"].max() >= 1
    assert result.replications["dead"].mean() == pytest.approx(
        np.average(result.per_worker["dead"]), rel=0.2
    )


@pytest.mark.parametrize(
    ("section", "mentions"),
    [
        ({"network": {"latency": 1}}, ["network.latency", "unknown key", "uplink_latency"]),
        ({"network": {"uplink_latency": -1}}, ["network.uplink_latency = -1", "greater"]),
        ({"network": {"channels": 2}}, ["network.channels", "bandwidth", "transfer"]),
        (
            {"network": {"uplink": LAW, "uplink_latency": 0.1}},
            ["network.uplink_latency = 0.1", "left out beside uplink"],
        ),
        (
            {"network": {"transfer": LAW, "bandwidth": 10.0, "message_bytes": 1.0}},
            ["network.bandwidth = 10", "left out beside transfer"],
        ),
        (
            {"network": {"transfer": LAW, "message_bytes": 1.0}},
            ["network.message_bytes = 1", "left out beside transfer"],
        ),
        ({"network": {"uplink": 0.1}}, ["network.uplink", "delay model"]),
        ({"network": {"uplink": LAW | {"rate": -1}}}, ["network.uplink.rate = -1", "greater"]),
        (
            {"network": {"transfer": {"model": "heterogeneous", "base": LAW, "spread": 0.3}}},
            ["network.transfer", "independent delays"],
        ),
        (
            {"network": {"uplink": LAW}, "schemes": [{"name": "partial_stragglers", "load": 2}]},
            ["schemes.partial_stragglers", "give network.uplink_latency"],
        ),
        (
            {"network": {"transfer": LAW, "channels": 1}, "engine": "batch"},
            ["engine", "channel", "event or auto"],
        ),
        ({"network": {"channels": 0, "bandwidth": 1}}, ["network.channels = 0"]),
        ({"failures": {"message_loss": 1.0}}, ["failures.message_loss = 1.0", "less than 1"]),
        ({"failures": {"message_loss": 0.1}}, ["failures", "retry_after"]),
        ({"failures": {"time_to_repair": CRASHES["time_to_repair"]}}, ["time_to_failure"]),
        ({"failures": {"time_to_failure": 3.0}}, ["failures.time_to_failure", "delay model"]),
        (
            {"failures": {"time_to_failure": {"model": "exponential", "rate": -1}}},
            ["failures.time_to_failure.rate = -1", "greater than 0"],
        ),
        (
            {"failures": {"time_to_failure": {"model": "deterministic", "value": 0}}},
            ["time_to_failure", "longer than 0 s"],
        ),
        ({"failures": CRASHES, "engine": "batch"}, ["engine", "crash", "event or auto"]),
        (
            {"network": {"bandwidth": 1, "message_bytes": 1, "channels": 1}, "engine": "batch"},
            ["engine", "channel", "event or auto"],
        ),
    ],
    ids=str,
)
def test_bad_sections_are_one_clear_line(section: dict[str, Any], mentions: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        build.run_of(cell(**section).settings)
    assert "\n" not in str(caught.value)
    for mention in mentions:
        assert mention in str(caught.value)


def test_a_key_that_is_given_is_not_suggested() -> None:
    """``scale`` looks like ``shape``, and stands there already."""
    with pytest.raises(ConfigError) as caught:
        cell(delay={"model": "pareto", "scale": 1.0, "shape": 3.0})
    assert "delay.shape: unknown key; must be one of: alpha, scale" in str(caught.value)
    assert "mean scale" not in str(caught.value)


def test_settings_are_dataclasses_with_defaults_that_change_nothing() -> None:
    """An empty section changes nothing, and is refused."""
    for name in ("network", "failures"):
        with pytest.raises(ConfigError, match=f"{name} = {{}}: .* must say something"):
            cell(**{name: {}})
    network = {"uplink_latency": 0.0}
    ideal, still = compute(cell()), compute(cell(network=network))
    times = ["replication", "iteration", "time"]
    assert ideal.iterations[times].equals(still.iterations[times])
    assert dataclasses.is_dataclass(build.run_of(cell(network=network).settings).cluster)


def test_a_diverged_run_has_no_final_loss() -> None:
    """NaN is what the last iteration says; catches the last loss that happened to be a number."""
    optimizer = {"rule": "gd", "learning_rate": 1e200}
    problem = LEARNING["problem"] | {"l2": 1.0}
    result = compute(cell(problem=problem, optimizer=optimizer))
    assert np.isnan(per_replication(result)["final_train_loss"]).all()


def test_streams_of_failures_are_those_of_no_run() -> None:
    """Delays have the numbers of the replications; half a thousand million are left for each."""
    tapes = build.FAILURE_TAPES, build.REPAIR_TAPES, build.RESEND_TAPES
    streams = [0, *sorted((*tapes, build.UPLINK_TAPES, build.TRANSFER_TAPES)), 2**32]
    assert min(b - a for a, b in pairwise(streams)) >= 2**29
