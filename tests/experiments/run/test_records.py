"""The tables: means, missing values, comparisons, swept values of every kind."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, replace
from operator import attrgetter
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom

import erasurehead as eh
from erasurehead import ConfigError
from erasurehead.experiments.checks.verify import compare
from erasurehead.experiments.config import build
from erasurehead.experiments.config.build import training
from erasurehead.experiments.config.cells import cells
from erasurehead.experiments.run import records as records_module
from erasurehead.experiments.run.compute import compute
from erasurehead.experiments.run.compute import result as numbers_of
from erasurehead.experiments.run.estimate import Estimate, Room, check
from erasurehead.experiments.run.files import write_table
from erasurehead.experiments.run.metrics import METRICS, per_replication
from erasurehead.experiments.run.records import (
    ClosedForm,
    Finished,
    _of_one_kind,
    _statistics,
    biased,
    compared_times,
    comparison,
    diverged,
    interval_columns,
    iterations_table,
    mean_and_error,
    mean_interval,
    median_interval,
    metrics_of,
    normal_deviate,
    ratio_interval,
    summary_table,
    workers_table,
)
from erasurehead.experiments.run.tuning import Runs, best
from erasurehead.plugins import Messages, Rounds
from erasurehead.problems import LeastSquares
from erasurehead.sim.engines.simulate import simulate
from tests.statistics import BOUND
from tests.tools import inside

NAMED = attrgetter("named")
BASE: dict[str, Any] = {
    "workers": 6,
    "iterations": 4,
    "replications": 3,
    "delay": {"model": "exponential", "rate": 2.0},
    "schemes": [{"name": "uncoded"}],
}


def finished(**changes: Any) -> list[Finished]:
    return [(cell, compute(cell)) for cell in cells(BASE | changes)]


def whole(pieces: Iterable[pd.DataFrame]) -> pd.DataFrame:
    return pd.concat([*pieces], ignore_index=True)


@pytest.mark.parametrize(
    "values",
    [
        {"iterations": [5, 80]},
        {"policy": ["cancel", "finish"]},
        {"target_loss": [None, 0.5, 0.25]},
        {
            "delay": [
                {"model": "exponential", "rate": 2},
                {"model": "pareto", "alpha": 3, "scale": 1},
            ]
        },
    ],
)
def test_tables_made_in_pieces_are_those_made_at_once(
    values: dict[str, list[Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Texts, sections, missing values, and columns that some cells alone have, such as staleness or
    a scheme's field. Catches a piece that is lost, doubled, too long (a single cell has more rows)
    or of another kind of column."""
    schemes = [
        {"name": "ignore_stragglers", "wait_for": [1, 2]},
        {"name": "uncoded"},
        {"name": "asynchronous"},
    ]
    some = finished(schemes=schemes, sweep=values)

    def made(rows: int) -> tuple[list[pd.DataFrame], list[bytes], list[int]]:
        monkeypatch.setattr(records_module, "ROWS_AT_ONCE", rows)
        tables = {"i": iterations_table, "w": workers_table, "s": lambda all: [summary_table(all)]}
        folder = tmp_path / str(rows)
        for name, table in tables.items():
            write_table(folder / f"{name}.parquet", table(some), csv=True)
        frames = [pd.read_parquet(folder / f"{name}.parquet") for name in tables]
        texts = [(folder / f"{name}.csv").read_bytes() for name in tables]
        return frames, texts, [len(piece) for piece in iterations_table(some)]

    (at_once, texts, one), (pieces, other_texts, many) = made(2**15), made(64)
    assert len(one) == 1 < len(many)
    assert max(many) <= 64
    assert texts == other_texts
    for first, second in zip(at_once, pieces, strict=True):
        pd.testing.assert_frame_equal(first, second)


def test_a_missing_value_is_left_out_of_the_mean() -> None:
    """Catches NaN in a mean, and a standard error over the number of all values."""
    mean, error = mean_and_error(np.array([1.0, np.nan, 3.0]))
    assert mean == 2
    assert error == pytest.approx(1.0)  # sd sqrt(2) over sqrt(2) values
    assert np.isnan(mean_and_error(np.array([np.nan, np.nan]))).all()
    assert mean_and_error(np.array([4.0]))[0] == 4
    assert np.isnan(mean_and_error(np.array([4.0]))[1])
    middle, low, high = mean_interval(np.array([1.0, np.nan, 3.0]))
    assert (middle, low + high) == (2, 4)
    assert high > 2
    assert interval_columns("gain", (2.0, 1.0, 3.0)) == {"gain": 2, "gain_low": 1, "gain_high": 3}


def test_a_ratio_needs_two_positive_numbers() -> None:
    """Catches logarithms of zero, of losses below zero, and of two negative numbers."""
    a = np.array([2.0, 8.0, 0.0, -4.0, 3.0])
    b = np.array([1.0, 2.0, 1.0, -2.0, 0.0])
    assert ratio_interval(a, b)[0] == pytest.approx(np.sqrt(2 * 4))
    assert np.isnan(ratio_interval(-a, b)).all()
    assert np.isnan(ratio_interval(np.zeros(3), np.ones(3))).all()


def test_a_comparison_uses_replications_that_both_have() -> None:
    mine = {
        "iteration_time": np.array([1.0, 2.0, 3.0]),
        "time_to_target": np.array([5.0, np.nan, 7.0]),
    }
    base = {
        "iteration_time": np.array([2.0, 2.0, 5.0]),
        "time_to_target": np.array([1.0, 1.0, np.nan]),
    }
    columns = comparison(mine, base)
    assert columns["iteration_time_difference"] == pytest.approx(-1)
    assert columns["iteration_time_difference_low"] < -1 < columns["iteration_time_difference_high"]
    # of the three pairs one is never sooner, and one never later: the medians are those of the rest
    assert columns["time_to_target_difference"] == 4
    assert columns["time_to_target_ratio"] == 5
    assert np.isnan(columns["time_to_target_difference_low"])


def test_the_final_loss_is_the_last_one_also_where_it_is_not_finite() -> None:
    """A diverged run has no good loss: catches the smallest loss, and the last finite one."""
    ((_, result),) = finished()
    losses = np.tile([0.7, 0.2, 0.5, 0.9, 0.4], 3)
    losses[9] = np.nan
    again = replace(result, per_iteration={**result.per_iteration, "train_loss": losses})
    final = per_replication(again)["final_train_loss"]
    np.testing.assert_array_equal(final, [0.4, np.nan, 0.4])
    times = per_replication(again)["iteration_time"]
    expected = again.iterations.groupby("replication")["time"].max().to_numpy() / 4
    np.testing.assert_allclose(times, expected)


def test_a_model_that_diverged_is_said_once_and_no_library_warns() -> None:
    """Of the least squares of so large a rate the loss overflows; warnings are errors here."""
    problem = {"dataset": "synthetic", "loss": "least_squares", "rows": 60, "features": 20}
    schemes = [{"name": "uncoded"}, {"name": "uncoded", "label": "again"}]
    found = {
        rate: finished(
            problem=problem,
            schemes=schemes,
            iterations=10,
            optimizer={"rule": "nesterov", "learning_rate": rate},
        )
        for rate in (0.01, 1e15)
    }
    summary_table(found[1e15])
    assert diverged(found[0.01], NAMED) == ()
    (line,) = diverged(found[1e15], NAMED)
    assert line.startswith("diverged: uncoded, again: the training loss ends over 1000 times")


def test_metrics_of_cells_taken_together_are_those_of_each_to_the_bit() -> None:
    """Cells of several kinds and sizes: catches runs of one cell under another, and lost bits."""
    schemes = [{"name": "uncoded"}, {"name": "asynchronous"}]
    several = [
        *finished(iterations=50, schemes=schemes),
        *finished(replications=2, seed=5),
        *finished(record="clock"),
    ]
    found = metrics_of(several)
    for cell, result in several:
        alone = per_replication(result)
        assert list(found(cell)) == list(alone)
        for name, values in alone.items():
            np.testing.assert_array_equal(found(cell)[name], values, strict=True)


def test_target_reached_is_the_share_of_those_that_did() -> None:
    ((cell, result),) = finished()
    reached = {"time_to_target": np.array([3.0, np.nan, 5.0])}
    again = replace(result, per_replication={**result.per_replication, **reached})
    row = summary_table([(cell, again)]).iloc[0]
    assert row["target_reached"] == pytest.approx(2 / 3)
    assert row["time_to_target_above"] == result.per_replication["elapsed"][1]
    assert np.isnan(row["time_to_target_mean"])
    assert row["time_to_target_median"] == 5


def test_the_costliest_worker_is_the_one_that_cost_most() -> None:
    ((cell, result),) = finished()
    cost = {"cost": np.array([1.0, 0.5, 7.0, 2.0, 0.0, 3.0])}
    again = replace(result, per_worker={**result.per_worker, **cost})
    row = summary_table([(cell, again)]).iloc[0]
    assert row["costliest_worker"] == 2
    assert row["costliest_worker_cost"] == 7
    assert row["costliest_worker_last"] == result.per_worker["last"][2]


PARETO = {"model": "pareto", "alpha": 2.5, "scale": 0.3}
CONSTANT = {"model": "deterministic", "value": 0.7}
TWO_POINTS = {"model": "mixture", "weights": [0.5, 0.5], "components": [CONSTANT, BASE["delay"]]}
FAST = {"model": "markov", "slow_to_slow": 0.9, "fast_to_slow": 0.1,
        "fast": BASE["delay"], "slow": BASE["delay"]}  # fmt: skip
SLOW_MESSAGES: dict[str, Any] = {
    "delay": BASE["delay"],
    "network": {"uplink": BASE["delay"], "broadcast_latency": 0.1},
}
LOSSES = {"message_loss": 0.1, "retry_after": 1.0}
KNOWN: list[tuple[dict[str, Any], tuple[bool, bool], tuple[bool, bool]]] = [
    # what is changed; of uncoded and of the first 4 of 6: is the time known, is the error known
    ({}, (True, True), (True, True)),
    ({"delay": PARETO}, (True, True), (True, True)),
    ({"policy": "queue"}, (True, False), (True, False)),
    ({"delay": CONSTANT}, (True, True), (True, False)),  # all arrive together
    ({"delay": TWO_POINTS}, (True, True), (True, False)),
    ({"delay": FAST}, (False, False), (True, False)),
    ({"network": {"uplink_latency": 0.5}}, (False, False), (False, False)),
    (SLOW_MESSAGES, (True, True), (True, True)),
    (SLOW_MESSAGES | {"policy": "finish"}, (True, False), (True, False)),
    (SLOW_MESSAGES | {"delay": PARETO}, (False, False), (True, True)),
    (SLOW_MESSAGES | {"delay": CONSTANT}, (True, True), (True, True)),
    (
        {"delay": PARETO, "network": {"uplink": CONSTANT, "broadcast_latency": 0.5}},
        (True, True),
        (True, True),
    ),
    (
        {"network": SLOW_MESSAGES["network"] | {"dispatch_skew": 0.1}},
        (False, False),
        (False, False),
    ),
    (SLOW_MESSAGES | {"failures": LOSSES}, (False, False), (False, False)),
]


@pytest.mark.parametrize(("changes", "times", "errors"), KNOWN)
def test_closed_forms_stand_where_they_hold(
    changes: dict[str, Any], times: tuple[bool, bool], errors: tuple[bool, bool]
) -> None:
    """Catches a formula for a policy, delays or ties that it is not for: they would be a lie."""
    schemes = [{"name": "uncoded"}, {"name": "ignore_stragglers", "wait_for": 4}]
    rows = summary_table(finished(schemes=schemes, replications=200, **changes))
    for name, known in (("iteration_time", times), ("decoding_error", errors)):
        column = f"{name}_theory"
        found = rows[column].notna() if column in rows else pd.Series([False, False])
        assert tuple(found) == known, name
        if any(known):
            z = rows[f"{name}_z"].dropna()
            assert np.all(np.abs(z) < BOUND)
    if times[0] and changes.get("delay") is None:
        harmonic = np.cumsum(1 / np.arange(1, 7))[-1]
        assert rows["iteration_time_theory"][0] == pytest.approx(harmonic / 2)


def test_a_last_round_that_is_shorter_has_another_law() -> None:
    """Six steps of rounds of four end with a round of two, which waits longer for a step; the
    theory of rounds of four was 5 standard errors off and more."""
    schemes = [{"name": "local_sgd", "steps": 4}, {"name": "local_sgd", "steps": 3}]
    rows = summary_table(finished(schemes=schemes, iterations=6, replications=200))
    assert rows["iteration_time_theory"].notna().tolist() == [False, True]
    assert abs(rows["iteration_time_z"][1]) < BOUND


def test_a_mean_without_a_third_moment_has_no_z() -> None:
    """One replication, and a heavy tail: the closed form alone."""
    heavy = summary_table(finished(delay=PARETO | {"alpha": 1.5})).iloc[0]
    assert heavy["iteration_time_theory"] > 0
    assert np.isnan(heavy["iteration_time_z"])
    late = [{"name": "ignore_stragglers", "deadline": 1.01}]  # a round ends at its deadline
    fixed = summary_table(finished(delay=PARETO | {"alpha": 1.5}, schemes=late)).iloc[0]
    assert (fixed["iteration_time_theory"], fixed["iteration_time_z"]) == (1.01, 0.0)
    assert np.isnan(summary_table(finished(replications=1)).iloc[0]["iteration_time_z"])


def test_measured_times_and_large_sweeps_have_no_closed_forms(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    some = finished(sweep={"delay.rate": [1.0, 2.0]})
    assert summary_table(some)["iteration_time_theory"].notna().all()
    assert "iteration_time_theory" not in summary_table(some, simulated=False)
    monkeypatch.setattr("erasurehead.experiments.run.records.MAX_CLOSED_FORMS", 1)
    assert "iteration_time_theory" not in summary_table(some)


UNEQUAL = {
    "model": "heterogeneous",
    "base": {"model": "shifted_exponential", "shift": 0.5, "rate": 2.0},
    "factors": [1, 1, 2, 3, 4, 6],
}
OWN = {
    "model": "own_laws",
    "base": {"model": "scaled", "by": 2.0, "base": {"model": "exponential", "rate": 1.0}},
    "workers": [5, 9],
    "models": [{"model": "shifted", "by": 1.0, "base": CONSTANT}, CONSTANT],
}
SHARES = {"model": "heterogeneous", "base": {"model": "exponential", "rate": 1.0}, "spread": 0.3}
PER_SECOND = 1 + 1 + 1 / 2 + 1 / 3 + 1 / 4 + 1 / 6
"""Gradients of ``UNEQUAL``, where the fastest worker takes 1 s on average."""

LEAST = [
    ({}, 1 / 2),
    ({"delay": UNEQUAL}, 6 / PER_SECOND),
    ({"delay": UNEQUAL, "load_law": {"kind": "per_partition"}}, 6 / PER_SECOND),
    ({"load_law": {"kind": "additive", "seconds_per_partition": 0.25}}, 3 / 4),
    ({"network": {"uplink_latency": 0.5}}, 1 / 2),
    ({"delay": OWN}, 6 / (5 / 2 + 1 / 1.7)),
    ({"delay": SHARES}, None),
    ({"delay": PARETO | {"alpha": 1.0}}, None),
    (
        {"failures": {"time_to_failure": CONSTANT | {"value": 20.0}, "time_to_repair": CONSTANT}},
        None,
    ),
]


@pytest.mark.parametrize(("changes", "least"), LEAST)
def test_what_no_method_can_be_below(changes: dict[str, Any], least: float | None) -> None:
    """Of schemes that wait for nobody and break nothing off; catches a mean of times for one of
    speeds, and a claim for workers whose mean times are not known."""
    schemes = [
        {"name": "uncoded"},
        {"name": "asynchronous"},
        {"name": "k_async", "wait_for": 4},
        {"name": "k_batch_sync", "wait_for": 6},
    ]
    some = finished(schemes=schemes, iterations=60, **changes)
    rows = summary_table(some)
    if least is None:
        assert "least_iteration_time" not in rows
        return
    found = rows["least_iteration_time"].to_numpy()
    np.testing.assert_allclose(found, [np.nan, least, least, np.nan])
    seconds, error = rows.loc[1, ["iteration_time_mean", "iteration_time_se"]]
    assert seconds - least > -BOUND * error
    if "network" not in changes:
        assert seconds < 1.1 * least + BOUND * error


LEAST_SQUARES = {
    "workers": 4,
    "replications": 1,
    "problem": {"loss": "least_squares", "dataset": "synthetic", "rows": 30, "features": 3},
    "optimizer": {"rule": "gd", "learning_rate": 0.0003},
}
UNLIKE = {"model": "heterogeneous", "base": {"model": "deterministic", "value": 1.0}}
UNLIKE |= {"factors": [1, 1, 3, 6]}
OWN = {"name": "asynchronous", "data": "own"}


def test_the_bias_of_own_data_is_told_where_it_is_known() -> None:
    """1/tau over its mean is 1.6, 1.6, .533 and .267. Where descent ends is what a run finds, and
    what equations say that know nothing of ours; ``rescale`` ends at the optimum."""
    schemes = [OWN, OWN | {"rescale": True}]
    some = finished(**LEAST_SQUARES, delay=UNLIKE, iterations=1200, schemes=schemes)
    (line,) = biased(some, NAMED)
    assert line.startswith("asynchronous data=own: own data are biased: ")
    assert "the fastest worker count 1.6 times, of the slowest 0.267 times" in line
    assert line.endswith("rescale: true removes this bias")
    problem = training(some[0][0]).problem
    losses = []
    for weights in (np.array([1.6, 1.6, 1.6 / 3, 1.6 / 6]), np.ones(4)):
        root = np.sqrt(np.repeat(weights, [8, 8, 7, 7]))
        X, y = problem.X * root[:, None], problem.y * root
        residuals = problem.X @ np.linalg.lstsq(X, y, rcond=None)[0] - problem.y
        losses.append(np.mean(residuals**2))
    there, best = losses
    assert there > 1.01 * best
    assert f"training loss of {there:.4g}, and the optimum has {best:.4g};" in line
    ends = [result.per_iteration["train_loss"][-1] for _, result in some]
    assert ends == pytest.approx(losses, abs=0.4 * (there - best))


def test_where_biased_descent_ends_is_not_worked_out_for_large_data(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of 4,194,304 numbers at the most; the data of this problem do not even exist."""
    large = Mock(spec=LeastSquares, rows=2**21, features=2, X=None)
    monkeypatch.setattr(records_module, "training", lambda cell: SimpleNamespace(problem=large))
    some = finished(**LEAST_SQUARES, delay=UNLIKE, schemes=[OWN])
    with pytest.raises(AttributeError):
        biased(some, NAMED)
    large.rows += 1
    assert "descent tends to another model than the optimum" in biased(some, NAMED)[0]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({}, True),
        ({"problem": LEAST_SQUARES["problem"] | {"loss": "logistic"}}, True),
        ({"delay": BASE["delay"]}, False),
        ({"delay": {"model": "heterogeneous", "base": BASE["delay"], "spread": 0.5}}, False),
        ({"network": {"uplink_latency": 0.5}}, False),
        ({"problem": None, "optimizer": None}, False),
        ({"schemes": [OWN | {"rescale": True}]}, False),
        ({"schemes": [OWN | {"staleness": {"power": 0.5}}]}, False),
        ({"schemes": [{"name": "asynchronous"}, {"name": "uncoded"}]}, False),
        ({"schemes": [{"name": "k_async", "wait_for": 2, "data": "own"}]}, False),
        ({"schemes": [{"name": "ssp", "ahead": 2, "data": "own"}]}, False),
    ],
)
def test_no_bias_is_told_that_is_not_known(changes: dict[str, Any], told: bool) -> None:
    some = finished(**(LEAST_SQUARES | {"delay": UNLIKE, "schemes": [OWN]} | changes))
    lines = biased(some, NAMED)
    assert len(lines) == told
    assert all(("another model" in line) == ("logistic" in str(changes)) for line in lines)


def test_a_code_with_coefficients_says_how_exact_it_is() -> None:
    schemes = [{"name": "uncoded"}, {"name": "cyclic_repetition", "load": 3}]
    summary = summary_table(finished(schemes=schemes)).set_index("scheme")
    assert np.isnan(summary.loc["uncoded", "code_residual"])
    assert 0 < summary.loc["cyclic_repetition", "code_residual"] < 1e-9
    assert summary.loc["cyclic_repetition", "code_largest_coefficient"] >= 1
    assert not any(name.startswith("code_") for name in summary_table(finished()).columns)


SWEEPS: list[tuple[str, list[Any], list[Any]]] = [
    ("delay.rate", [1, 2.5], [1.0, 2.5]),
    ("policy", ["cancel", "queue"], ["cancel", "queue"]),
    ("target_loss", [None, 0.5], [np.nan, 0.5]),
    ("seed", [1, 2**70], ["1", str(2**70)]),
    ("delay.rate", ["2", 3], ['"2"', "3"]),
    ("load_law.kind", ["per_partition"], ["per_partition"]),
    (
        "delay",
        [BASE["delay"], {"model": "pareto", "alpha": 3, "scale": 1}],
        [json.dumps(BASE["delay"]), '{"alpha": 3, "model": "pareto", "scale": 1}'],
    ),
]


@pytest.mark.parametrize(("key", "values", "shown"), SWEEPS, ids=str)
def test_swept_values_of_any_kind_make_a_column(
    key: str, values: list[Any], shown: list[Any]
) -> None:
    """Catches a mixed column, which Parquet cannot hold, and a row with another cell's value."""
    import pyarrow as pa

    some = finished(sweep={key: values})
    tables = (whole(iterations_table(some)), whole(workers_table(some)), summary_table(some))
    for table, rows in zip(tables, (3 * 5, 6, 1), strict=True):
        pa.Table.from_pandas(table)
        expected = pd.Series(np.repeat(np.array(shown, dtype=object), rows), name=key)
        got = table[key].astype(object)
        pd.testing.assert_series_equal(got, expected, check_dtype=False)
        assert list(table["cell"]) == [cell.key for cell, _ in some for _ in range(rows)]


def test_one_cell_twice_in_a_grid_keeps_both_values() -> None:
    laws = [{"model": "exponential", "rate": rate} for rate in (2, 2.0)]
    some = finished(sweep={"delay": laws})
    assert some[0][0].key == some[1][0].key
    assert len(whole(iterations_table(some))) == 2 * 3 * 5


def test_every_recorded_number_of_a_run_is_a_metric() -> None:
    """Catches a column of a cell's replications that the summary would drop in silence."""
    learning = {
        "problem": {"loss": "logistic", "dataset": "breast_cancer"},
        "optimizer": {"rule": "gd", "learning_rate": 0.1},
        "target_loss": 0.5,
        "failures": {
            "time_to_failure": {"model": "exponential", "rate": 0.1},
            "time_to_repair": {"model": "exponential", "rate": 1.0},
        },
    }
    ((cell, result),) = finished(**learning)
    assert set(result.replications) <= set(METRICS)
    values = per_replication(result)
    assert set(METRICS) - set(values) == {"exact", "staleness", "final_test_accuracy"}
    assert {value.shape for value in values.values()} == {(3,)}
    summary = summary_table([(cell, result)])
    assert {f"{name}_mean" for name in values} <= set(summary)


def test_who_is_never_heard_shows_in_the_summary_and_the_report(tmp_path: Path) -> None:
    """Worker 3 is slower for good: never among the first five of six, always in uncoded."""
    delay = {"model": "heterogeneous", "factors": [1, 1, 1, 9, 1, 1],
             "base": {"model": "shifted_exponential", "shift": 1.0, "rate": 9.0}}  # fmt: skip
    schemes = [{"name": "ignore_stragglers", "wait_for": 5}, {"name": "uncoded"}]
    path, folder = tmp_path / "slow.yaml", tmp_path / "out"
    path.write_text(json.dumps({**BASE, "name": "slow", "delay": delay, "schemes": schemes}))
    assert inside("run", path, "--output", folder).returncode == 0
    summary = pd.read_parquet(folder / "summary.parquet")
    assert summary["least_heard_mean"].tolist() == [0, 1]
    assert inside("report", folder).returncode == 0
    text = (folder / "report.html").read_text()
    assert "least heard" in text
    assert (
        "Some partition is part of 0.0\N{NO-BREAK SPACE}% of the updates of ignore stragglers"
        in text
    )


def test_the_documentation_has_every_metric() -> None:
    """The table in ``docs/results.md`` is the registry."""
    text = (Path(__file__).parents[3] / "docs" / "results.md").read_text(encoding="utf-8")
    rows = [f"| `{m.name}` | {m.meaning} | {m.unit} |" for m in METRICS.values()]
    assert "\n".join(["| name | meaning | unit |", "|---|---|---|", *rows, ""]) in text


def test_staleness_stands_in_all_cells_or_in_none() -> None:
    """A synchronous cell beside an asynchronous one has staleness 0 and one update an iteration."""
    schemes = [{"name": "uncoded"}, {"name": "asynchronous"}]
    some = finished(schemes=schemes)
    table = whole(iterations_table(some))
    place = list(table.columns).index("decoding_error")
    assert list(table.columns[place + 1 : place + 3]) == ["staleness", "updates"]
    assert table["updates"].dtype == "Int64"
    start = table["iteration"] == 0
    assert table.loc[start, ["staleness", "updates"]].isna().all(axis=None)
    rest = table[~start].groupby("scheme")
    assert rest["updates"].unique().map(list).to_dict() == {"uncoded": [1], "asynchronous": [6]}
    staleness = rest["staleness"].mean()
    assert staleness["uncoded"] == 0
    assert 3 < staleness["asynchronous"] < 6
    summary = summary_table(some).set_index("scheme")
    np.testing.assert_allclose(summary["staleness_mean"], staleness[["uncoded", "asynchronous"]])
    for frame in (whole(iterations_table(some[:1])), summary_table(some[:1])):
        assert not {"staleness", "updates", "staleness_mean"} & set(frame.columns)


def test_an_infinite_value_has_no_error() -> None:
    """And no warning of NumPy, which the tests would take for an error."""
    mean, error = mean_and_error(np.array([1.0, np.inf]))
    assert mean == np.inf
    assert np.isnan(error)
    assert np.isnan(mean_interval(np.array([1.0, np.inf]))[1:]).all()


CLOCK_ALONE: list[dict[str, Any]] = [
    {"name": "uncoded"},
    {"name": "erasurehead", "load": 2, "wait_for": 3},
    {"name": "cyclic_repetition", "load": 2},
    {"name": "drop_compute", "pieces": 4, "patience": 0.5},
    {"name": "sequential", "B": 1, "W": 2, "stragglers": 2, "tolerance": 0.5},
    {"name": "adaptive_deadline", "kappa": 3.0, "at_least": 1, "rounds": 2},
    {"name": "k_async", "wait_for": 3},
    {"name": "k_batch_sync", "wait_for": 4},
    {"name": "ringmaster", "oldest": 3},
]


@pytest.mark.parametrize("scheme", CLOCK_ALONE, ids=lambda scheme: scheme["name"])
@pytest.mark.parametrize("policy", ["cancel", "queue"])
def test_the_clock_alone_is_the_clock_of_a_full_run(scheme: dict[str, Any], policy: str) -> None:
    """Catches updates and iterations mixed up, and rounds that a scheme runs before its first."""
    changes = {"schemes": [scheme], "policy": policy}
    full = finished(**changes)
    clock = finished(**changes, record="clock")
    for column in ("replication", "iteration", "time", "iteration_time"):
        pd.testing.assert_series_equal(
            clock[0][1].iterations[column], full[0][1].iterations[column]
        )
    assert list(clock[0][1].iterations) == ["replication", "iteration", "time", "iteration_time"]
    mine, other = summary_table(clock).iloc[0], summary_table(full).iloc[0]
    for column in ("iteration_time_mean", "iteration_time_se", "elapsed_mean"):
        assert mine[column] == other[column]
    assert "costliest_worker" not in mine
    assert not [*workers_table(clock)]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"record": "clock"}, "record = 'clock': gives the clock alone: leave it, or problem, out"),
        ({"engine": "law"}, "engine = 'law': gives the clock alone"),
    ],
)
def test_the_clock_alone_trains_nothing(changes: dict[str, Any], reason: str) -> None:
    problem = {"dataset": "synthetic", "loss": "logistic", "rows": 60, "features": 3}
    optimizer = {"rule": "gd", "learning_rate": 0.1}
    with pytest.raises(ConfigError, match=reason):
        finished(problem=problem, optimizer=optimizer, **changes)


def test_the_law_of_a_round_is_an_engine() -> None:
    _, result = finished(engine="law", iterations=2000, replications=1)[0]
    assert result.engine == "law"
    assert result.iterations["iteration_time"].mean() == pytest.approx(2.45 / 2, rel=0.1)
    with pytest.raises(ConfigError, match=r"the law of a round is known .* must be event or auto"):
        finished(engine="law", policy="queue")


def test_several_schemes_are_drawn_by_their_laws() -> None:
    """Catches tapes that schemes share and that have no seed of their own."""
    schemes = [{"name": "uncoded"}, {"name": "ignore_stragglers", "wait_for": 1}]
    assert not eh.run(BASE | {"engine": "law", "schemes": schemes}, progress=False).failed


@pytest.mark.parametrize(
    ("command", "what"),
    [
        (("run", "--timeline", "t.json"), "a timeline"),
        (("run", "--timeline", "t.json", "--dry-run"), "a timeline"),
        (("recommend",), "a recommendation"),
        (("live",), "a run on real workers"),
    ],
    ids=str,
)
def test_what_is_about_single_workers_needs_more_than_the_law(
    command: tuple[str, ...], what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches another engine, with other delays, in the place of the one that was asked for."""
    monkeypatch.chdir(tmp_path)
    config = tmp_path / "config.yaml"
    config.write_text(json.dumps(BASE | {"engine": "law"}), encoding="utf-8")
    done = inside(command[0], config, "--output", tmp_path / "out", *command[1:])
    says = f"engine = 'law': draws no worker's time, and {what} is about these: must be event, "
    assert done.returncode == 2
    assert done.stderr == f"error: {says}batch or auto\n"
    assert [file.name for file in tmp_path.iterdir()] == ["config.yaml"]


def test_of_a_law_nobody_offers_a_timeline(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(json.dumps(BASE | {"engine": "law"}), encoding="utf-8")
    output = tmp_path / "out"
    assert inside("run", config, "--output", output).returncode == 0
    refused = inside("plot", output, "--kind", "gantt")
    assert refused.returncode == 2
    assert "engine: law drew how long iterations took, and no worker's time" in refused.stderr
    assert inside("report", output).returncode == 0
    page = (output / "report.html").read_text(encoding="utf-8")
    assert "--timeline" not in page
    assert "--set policy=queue --set engine=auto" in page


def test_of_the_clock_alone_there_are_a_report_and_pictures(tmp_path: Path) -> None:
    """Catches a table of workers without rows, and a page that needs what was not recorded."""
    config = tmp_path / "config.yaml"
    config.write_text(json.dumps(BASE | {"record": "clock"}), encoding="utf-8")
    output = tmp_path / "out"
    assert inside("run", config, "--output", output).returncode == 0
    assert not (output / "workers.parquet").exists()
    again = inside("run", config, "--output", output)
    assert "0 cells computed" in again.stdout
    for command in ("plot", "report"):
        done = inside(command, output)
        assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr
    assert (output / "plots" / "iteration_time.png").exists()


def test_a_z_of_few_replications_is_as_unlikely_as_their_t() -> None:
    """95 and 99 % quantiles of Student's tables; of two replications t = 12.7 is z = 1.96."""
    for t, degrees, z in (
        (12.706, 1, 1.96),
        (-12.706, 1, -1.96),
        (2.131, 15, 1.96),
        (9.925, 2, 2.576),
    ):
        assert normal_deviate(t, degrees) == pytest.approx(z, abs=2e-3)
    assert normal_deviate(50.0, 10**6) == 50.0  # beyond what a probability can hold
    assert normal_deviate(0.0, 3) == 0.0


@pytest.mark.parametrize(
    ("ends", "line"),
    [
        ([1000.0], None),  # up to a thousand times the start it may come back
        ([1000.1], "diverged: a0: the"),
        ([np.nan], "diverged: a0: the"),
        ([1001.0] * 3, "diverged: a0, a1, a2: the"),
        ([1001.0] * 4, "diverged: a0, a1, a2, and 1 more: the"),
        ([1001.0, 2.0, 1001.0], "diverged: a0, a2: the"),
    ],
)
def test_cells_that_diverged_are_named(ends: list[float], line: str | None) -> None:
    """Any of its runs is enough, and the first three cells are named."""
    schemes = [{"name": "uncoded", "label": f"a{place}"} for place in range(len(ends))]
    some = []
    for (cell, result), end in zip(finished(schemes=schemes), ends, strict=True):
        losses = np.ones((3, 5))
        losses[1, -1] = end
        table = {**result.per_iteration, "train_loss": losses.ravel()}
        some.append((cell, replace(result, per_iteration=table)))
    found = diverged(some, NAMED)
    assert len(found) == (line is not None)
    assert line is None or found[0].startswith(line)
    of_sweep = diverged(
        [(replace(cell, swept={"seed": 7}), of_cell) for cell, of_cell in some], NAMED
    )
    assert line is None or "a0 [seed=7]" in of_sweep[0], "else three points have one name"
    assert diverged(finished(), NAMED) == (), "without losses nothing diverges"


@pytest.mark.parametrize(
    ("seconds", "far", "error", "z"),
    [
        (2.0, 0.3, 0.1, 3.0),  # of a million replications t is z
        (2.0, -0.3, 0.1, -3.0),
        (2.0, 1e-9, 1e-12, 0.0),  # nothing varied, and it is the same number
        (2.0, 3e-9, 1e-12, None),  # nothing varied: what is rare was not seen
        (2.0, 0.0, 0.0, 0.0),
    ],
)
def test_how_far_a_mean_is_from_its_closed_form(
    seconds: float, far: float, error: float, z: float | None
) -> None:
    found = ClosedForm(seconds=seconds).z("iteration_time", far, error, 10**6, 1)
    assert np.isnan(found) if z is None else found == pytest.approx(z, abs=1e-4)
    endless = ClosedForm(seconds=seconds, error=seconds, skewness=np.inf)
    assert np.isnan(endless.z("iteration_time", 0.3, 0.1, 10**6, 1)), "it has no third moment"
    assert endless.z("decoding_error", 0.3, 0.1, 10**6, 1) == pytest.approx(3.0, abs=1e-4)
    skew = ClosedForm(seconds=seconds, skewness=3.0, local_steps=2)  # 100 rounds have 0.3
    assert np.isnan(skew.z("iteration_time", 0.3, 0.1, 10, 19))
    assert skew.z("iteration_time", 0.3, 0.1, 10, 20) == pytest.approx(2.4, abs=0.1)


QUICK = eh.delays.LogNormal(median=1.0, sigma=0.1)
SPIKE = 5e-5  # chance of one


def rounds_of(law: eh.delays.DelayModel, rng: np.random.Generator, size: int) -> np.ndarray:
    """Seconds of rounds in which all of 20 workers are awaited: a power of the law."""
    level = rng.random(size) ** (1 / 20)
    if not isinstance(law, eh.delays.Mixture):
        return law.ppf(level)
    spikes = rng.random(size) > (1.0 - SPIKE) ** 20  # one worker's; two are too rare to matter
    return np.where(spikes, 50.0 + rng.exponential(1.0, size), QUICK.ppf(level))


@pytest.mark.parametrize(
    ("law", "rounds", "found_after"),
    [
        (
            eh.delays.Mixture(
                weights=(1.0 - SPIKE, SPIKE),
                components=(QUICK, eh.delays.ShiftedExponential(shift=50.0, rate=1.0)),
            ),
            2_000,
            2_000,
        ),
        pytest.param(
            eh.delays.LogNormal(median=1.0, sigma=3.0), 1_000, 300_000, marks=pytest.mark.slow
        ),
        (eh.delays.Pareto(alpha=3.5, scale=1.0), 1_000, 20_000),
        (eh.delays.Weibull(shape=0.4, scale=1.0), 1_000, 60_000),
        (eh.delays.LogNormal(median=1.0, sigma=1.5), 1_000, 60_000),
    ],
    ids=["spikes", "lognormal", "pareto", "weibull", "lognormal_of_half_the_sigma"],
)
def test_skewness_flags_no_right_theory(law: Any, rounds: int, found_after: int) -> None:
    """In 400 runs of 20 replications z, where it is shown at all, is above 3 in at most 1.5 %, and
    the score of F(T) in at most 0.5 %: so many rounds, and as few as show z. With as many rounds as
    ``found_after``, one of both finds rounds that take 2 % longer in 95 % of runs."""
    rng = np.random.default_rng(3)
    scheme = eh.schemes.Uncoded().build(20)
    theory = eh.theory.scheme_iteration_time(scheme, law, eh.load_laws.Proportional())
    closed = ClosedForm(seconds=theory.mean(), skewness=theory.skewness())
    points = theory.quantile(compare.POINTS)
    chances = theory.cdf(points)

    def alarms(form: ClosedForm, runs: int, rounds: int, longer: float) -> np.ndarray:
        """Whether z and F(T) raise an alarm, ``(runs, 2)``."""
        raised = []
        for _ in range(runs):
            seconds = longer * rounds_of(law, rng, rounds).reshape(20, -1)
            mean, error = mean_and_error(seconds.mean(axis=1))
            z = form.z("iteration_time", mean - form.seconds, error, *seconds.shape)
            raised.append((abs(z) > 3, compare.distance(seconds.ravel(), points, chances).z > 3))
        return np.array(raised)

    shown = 20 * int(np.ceil(min(closed.skewness / 0.3, 150.0) ** 2 / 20))
    for enough in {rounds, shown}:
        by_z, by_law = alarms(closed, 400, enough, longer=1.0).mean(axis=0)
        assert by_z <= 0.015, enough
        assert by_law <= 0.005, enough
    assert alarms(closed, 60, found_after, longer=1.02).any(axis=1).mean() >= 0.95
    if isinstance(law, eh.delays.Mixture):  # a limit that withholds no z would be seen
        assert alarms(replace(closed, skewness=0.0), 400, rounds, longer=1.0)[:, 0].mean() > 0.05


@pytest.mark.parametrize(
    ("values", "one"),
    [
        ([1, 2.5, None], True),
        ([True, False, None], True),
        (["a", "b"], True),
        ([True, 1], False),
        (["a", 1], False),
        ([2**63 - 1], True),
        ([2**63], False),  # more than a column of whole numbers holds
        ([-(2**63)], False),
        ([[1], [2]], False),
    ],
)
def test_values_of_one_kind_make_a_column(values: list[Any], one: bool) -> None:
    """Others are written as JSON."""
    assert _of_one_kind(values) == one


def test_a_mean_of_one_run_has_no_interval() -> None:
    middle, *ends = mean_interval(np.array([np.nan, 4.0]))
    assert middle == 4.0
    assert np.isnan(ends).all()
    assert np.isnan(mean_interval(np.array([np.nan]))).all()
    middle, low, high = mean_interval(np.array([1.0, 3.0]))
    assert (middle, high - middle, middle - low) == pytest.approx((2.0, 12.7062, 12.7062))


def test_closed_forms_are_looked_up_for_so_many_cells(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seeds do not matter to them, so four cells of two rates are two."""
    monkeypatch.setattr("erasurehead.experiments.run.records.MAX_CLOSED_FORMS", 2)
    two = finished(sweep={"delay.rate": [1.0, 2.0], "seed": [1, 2]})
    assert "iteration_time_theory" in summary_table(two)
    three = finished(sweep={"delay.rate": [1.0, 2.0, 3.0]})
    assert "iteration_time_theory" not in summary_table(three)


def test_survivors_have_no_mean_time_to_the_target() -> None:
    """One that does not reach it is later than all others; of half of them there is no median."""
    elapsed = np.array([9.0, 8.0, 6.0, 7.0])
    some = _statistics({"time_to_target": np.array([3.0, np.nan, 5.0, 4.0]), "elapsed": elapsed})
    assert np.isnan([some["time_to_target_mean"], some["time_to_target_se"]]).all()
    assert (some["target_reached"], some["time_to_target_median"]) == (0.75, 4.5)
    assert some["time_to_target_above"] == 8.0
    half = _statistics({"time_to_target": np.array([3.0, np.nan, 5.0, np.nan]), "elapsed": elapsed})
    assert (half["time_to_target_median"], half["time_to_target_above"]) == (np.inf, 7.0)
    every = _statistics({"time_to_target": np.array([3.0, 8.0, 5.0, 4.0]), "elapsed": elapsed})
    assert (every["time_to_target_mean"], every["time_to_target_median"]) == (5.0, 4.5)
    assert np.isnan(every["time_to_target_above"])


@pytest.mark.parametrize(("runs", "rank"), [(6, 1), (16, 4), (25, 8)])
def test_a_median_is_between_two_order_statistics(runs: int, rank: int) -> None:
    """As often as the binomial law says, and that is in 95 % of samples or more; of a rank more it
    would be in fewer. Catches ranks off by one, at either end."""
    draws = np.random.default_rng(runs).exponential(size=(4000, runs))
    ends = np.array([median_interval(sample)[1:] for sample in draws])
    inside = (ends[:, 0] <= np.log(2)) & (np.log(2) <= ends[:, 1])
    covered = 1 - 2 * binom.cdf(rank - 1, runs, 0.5)
    assert covered >= 0.95 > 1 - 2 * binom.cdf(rank, runs, 0.5)
    z = (inside.mean() - covered) / np.sqrt(covered * (1 - covered) / len(draws))
    assert abs(z) < BOUND
    assert np.isnan(median_interval(draws[0][:5])[1:]).all()


def test_unknown_values_widen_the_interval_of_a_median() -> None:
    values = np.arange(1.0, 17.0)
    assert median_interval(values) == (8.5, 4, 13)
    values[[2, 5, 11]] = np.nan
    assert median_interval(values, 8.0) == (8.0, 1, 16)  # of ranks 4 and 13 if they are the ends


def test_times_on_common_delays_are_compared_over_all_pairs() -> None:
    """Who fails where the other arrives is later. Of the survivors alone a would be the faster."""
    b = np.full(16, 2.0)
    a = np.array([np.nan] * 9 + [1.0] * 7)
    (late, low, high), (ratio, _, most) = compared_times(a, b)
    assert (late, low, high) == (np.inf, -1, np.inf)
    assert ratio == most == np.inf
    (_, (ratio, least, _)) = compared_times(b, a)
    assert ratio == least == 0
    both = np.where(np.isnan(a), np.nan, b)  # neither arrives in nine pairs: they are equal
    assert compared_times(a, both)[1] == (1, 0, np.inf)
    whole = compared_times(2 * b, b)
    assert whole == [mean_interval(b), ratio_interval(2 * b, b)]


# What an estimate depends on.


def needed(**changes: Any) -> Estimate:
    """Of the last of the cells."""
    grid = cells(BASE | {"workers": 12, "iterations": 1000, "replications": 10} | changes)
    return check(grid, Room()).estimates[grid[-1].key]


TRAINED = {
    "problem": {"loss": "least_squares", "dataset": "synthetic", "rows": 4800, "features": 200},
    "optimizer": {"rule": "gd", "learning_rate": 0.1},
}


def test_rows_disk_and_memory_grow_with_the_tables() -> None:
    one = needed()
    assert (one.rows, one.engine, one.reason) == (10 * 1001, "batch", "")
    assert needed(replications=20).rows == 2 * one.rows
    assert needed(replications=20).disk - one.disk == 40 * one.rows + 80 * 10
    assert needed(workers=24).disk - one.disk == 120 * 12
    assert needed(iterations=64_000).memory > 3 * needed(iterations=16_000).memory > 0
    long = {"iterations": 16_000}
    assert needed(record="clock", **long).memory < needed(**long).memory
    assert needed(engine="event").reason == "asked for"
    assert "message" in needed(network={"bandwidth": 1.0, "message_bytes": 1, "channels": 1}).reason
    bigger = {**TRAINED, "problem": TRAINED["problem"] | {"rows": 9600}}
    more = 2 * 8 * 4800 * 200  # the numbers of the data, twice
    assert more <= needed(**bigger).memory - needed(**TRAINED).memory < 1.5 * more


@pytest.mark.parametrize("first", [0, 1])
def test_cells_with_and_without_a_column_stand_in_one_table(first: int) -> None:
    """Of three cells one or two can fail: the others have no number there, and lose no other."""
    trouble = {"time_to_failure": {"model": "exponential", "rate": 0.5}}
    trouble |= {"time_to_repair": {"model": "deterministic", "value": 0.1}}
    values = [None, trouble, None] if first == 0 else [trouble, None, trouble]
    some = [each for value in values for each in finished(failures=value)]
    for make, rows in ((iterations_table, 3 * 5), (workers_table, 6)):
        table = whole(make(some))
        assert len(table) == 3 * rows
        for place, value in enumerate(values):
            own = table.iloc[place * rows : (place + 1) * rows]
            assert own["dead"].isna().all() == (value is None)
            assert (own["cell"] == some[place][0].key).all()
            alone = whole(make(some[place : place + 1]))
            same = own[[*alone]].reset_index(drop=True)
            pd.testing.assert_frame_equal(same, alone, check_dtype=False)


@pytest.mark.parametrize(
    ("tried", "chosen"),
    [
        ([[3.0, 4.0], [2.0, 4.0]], 1),  # sooner on average
        ([[3.0, 4.0], [1.0, np.nan]], 0),  # reached more often
        ([[3.0, 4.0], [4.0, 3.0]], 0),  # of equals the first
        ([[np.nan, np.nan], [9.0, np.nan]], 1),
        ([[np.nan, np.nan], [np.nan, np.nan]], 0),
        ([[np.nan, 1.0], [5.0, 6.0], [5.0, 5.5]], 2),
    ],
)
def test_the_best_of_some_learning_rates(tried: list[list[float]], chosen: int) -> None:
    assert best([np.array(seconds) for seconds in tried]) == chosen


def test_a_target_is_reached_by_a_run_that_ends_there() -> None:
    """Up to rounding; one that passes it and comes back has not reached it."""
    times = np.tile([0.0, 1.0, 3.0, 6.0], (4, 1))
    losses = np.array(
        [[9, 2.0, 1.5, 1.0], [9, 2.0 * (1 + 9e-10), 3, 2], [9, 1, 2.1, 2.1], [9, 8, 7, 2.0 + 5e-9]]
    )
    runs = Runs(times, losses)
    np.testing.assert_array_equal(runs.seconds(2.0), [1.0, 1.0, np.nan, np.nan])
    np.testing.assert_array_equal(runs.iterations(2.0), [1, 1, np.nan, np.nan])
    np.testing.assert_array_equal(runs.iterations(1.0), [3, np.nan, np.nan, np.nan])
    np.testing.assert_array_equal(runs.iterations(9.0), [0, 0, 0, 0])


CRASHES = {
    "time_to_failure": {"model": "exponential", "rate": 0.3},
    "time_to_repair": {"model": "deterministic", "value": 0.3},
}
LOOPED: list[dict[str, Any]] = [
    {"schemes": [{"name": "uncoded"}], "failures": CRASHES},
    {"schemes": [{"name": "ignore_stragglers", "wait_for": 4}], "policy": "queue"},
    {"schemes": [{"name": "window", "tolerance": 1.0}], "policy": "drain"},
    {"schemes": [{"name": "erasurehead", "load": 2, "wait_for": 3}], "seed": 8},
    {"schemes": [{"name": "k_async", "wait_for": 3}]},
    {"schemes": [{"name": "asynchronous"}], "failures": CRASHES},
    {"schemes": [{"name": "local_sgd", "steps": 3}], "iterations": 7},
    {"schemes": [{"name": "uncoded"}], "workers": 1, "iterations": 1, "replications": 1},
]


@pytest.mark.parametrize("changes", LOOPED, ids=lambda changes: changes["schemes"][0]["name"])
def test_every_column_by_a_plain_loop(changes: dict[str, Any]) -> None:
    """Over what the engine and the scheme say of each update."""
    (cell,) = cells(BASE | changes)
    run = build.run_of(cell.settings)
    trace = simulate(run)
    steps = run.scheme.steps(trace)
    found = numbers_of(run, trace, steps, None, None)
    rows, work, t, local = found.per_iteration, trace.work, run.iterations, run.scheme.local_steps
    assert work is not None
    (replications, updates), place = steps.times.shape, 0
    spare = trace.times.shape[1] - updates
    for r in range(replications):
        before = 0.0
        for i in range(t + 1):
            row = {name: values[place] for name, values in rows.items()}
            assert (row["replication"], row["iteration"]) == (r, i)
            place += 1
            if i == 0:
                assert row["time"] == 0.0
                assert all(np.isnan(value) for value in [*row.values()][3:])
                continue
            if local > 1:
                own = [(i - 1) // local]
            else:
                own = [*range((i - 1) * updates // t, i * updates // t)]
            if local == 1:
                assert row["time"] == steps.times[r, own[-1]]
            assert row["iteration_time"] == row["time"] - before
            before = row["time"]
            assert row["recovered"] == pytest.approx(np.mean([steps.recovered[r, u] for u in own]))
            assert row["decoding_error"] == pytest.approx(np.mean([steps.error[r, u] for u in own]))
            if steps.staleness is not None:
                assert row["staleness"] == pytest.approx(steps.staleness[r, own].mean())
                assert row["updates"] == len(own)
            if "dead" in row:
                assert row["dead"] == work.dead[r, spare + own[-1]]
            if isinstance(trace.heard, Messages):
                heard = {*trace.heard.message[r, own].ravel().tolist()} - {-1}
                assert row["arrived"] == len(heard)
            elif local == 1 and isinstance(trace.heard, Rounds):
                assert row["arrived"] == trace.arrived[r, spare + own[0]].sum()
    assert place == len(rows["time"])
    elapsed = [trace.times[r, -1] for r in range(replications)]
    for r in range(replications):
        busy, useful = (
            sum(work.busy[r]) / run.scheme.workers,
            sum(work.useful[r]) / run.scheme.workers,
        )
        one = {name: values[r] for name, values in found.per_replication.items()}
        assert one["elapsed"] == elapsed[r]
        assert one["utilisation"] == pytest.approx(busy / elapsed[r])
        assert one["wasted"] == pytest.approx(max(1 - useful / busy, 0.0))
        assert ("dead" in one) == ("failures" in changes)
        if "dead" in one:
            assert one["dead"] == pytest.approx(work.down[r].mean() / elapsed[r])
        if "least_heard" in one:
            assert steps.shares is not None
            assert one["least_heard"] == min(steps.shares[r])
    for j in range(run.scheme.workers):
        one = {name: values[j] for name, values in found.per_worker.items()}
        assert one["worker"] == j
        assert one["utilisation"] == pytest.approx(sum(work.busy[:, j]) / sum(elapsed))
        assert one["wasted"] == pytest.approx(
            max(1 - sum(work.useful[:, j]) / sum(work.busy[:, j]), 0.0)
        )
        ended = [(r, u) for r, u in np.argwhere(work.last == j)]
        assert one["last"] == len(ended) / work.last.size
        assert one["cost"] == pytest.approx(sum(work.margin[r, u] for r, u in ended) / replications)
        if "dead" in one:
            assert one["dead"] == pytest.approx(sum(work.down[:, j]) / sum(elapsed))


def test_closed_forms_of_plugins_may_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run does not need them; of a scheme of ours an error is one."""
    monkeypatch.setattr(records_module.theory, "round_theory", Mock(side_effect=ZeroDivisionError))
    [cell] = cells(BASE)
    with pytest.raises(ZeroDivisionError):
        records_module._looked_up.__wrapped__(records_module._asked(cell))
    monkeypatch.setattr(records_module, "scheme_of", lambda cell: None)
    plugin: Any = SimpleNamespace(settings=cell.settings, code=("a",))
    asked = replace(records_module._asked(cell), cell=plugin)
    found = records_module._looked_up.__wrapped__(asked)
    np.testing.assert_equal(asdict(found), asdict(ClosedForm()))


@pytest.mark.parametrize(
    ("delay", "change", "endless"),
    [
        ({"model": "pareto", "alpha": 0.9, "scale": 0.4}, {}, True),
        ({"model": "pareto", "alpha": 1.1, "scale": 0.4}, {}, False),
        (
            {
                "model": "heterogeneous",
                "base": {"model": "pareto", "alpha": 0.9, "scale": 0.4},
                "factors": [1.0, 2.0, 3.0, 4.0],
            },
            {"policy": "queue"},
            True,
        ),
        (
            {"model": "pareto", "alpha": 0.9, "scale": 0.4},
            {"network": {"uplink_latency": 0.1}},
            True,
        ),
        (
            {"model": "pareto", "alpha": 0.9, "scale": 0.4},
            {"failures": {"time_to_failure": {"model": "exponential", "rate": 0.1}}
             | {"time_to_repair": {"model": "exponential", "rate": 1.0}}},
            False,
        ),
    ],
    ids=["law", "light", "one_worker", "network", "crashes"],
)  # fmt: skip
def test_what_has_no_mean_says_its_median(
    delay: dict[str, Any], change: dict[str, Any], endless: bool
) -> None:
    """Everybody is waited for; the third of four Pareto times has a mean. Catches a mean of a law
    without one, with an error that is none, and a crash that cuts long tasks off taken for one."""
    document = {
        "workers": 4,
        "iterations": 50,
        "replications": 4,
        "delay": delay,
        "schemes": [{"name": "uncoded"}, {"name": "ignore_stragglers", "wait_for": 3}],
        **change,
    }
    finished = [(cell, compute(cell)) for cell in cells(document)]
    summary = summary_table(finished)
    assert summary["iteration_time_mean"].isna().tolist() == [endless, False]
    assert ("iteration_time_median" in summary) == endless
    if endless:
        first = summary.iloc[0]
        assert first[["iteration_time_se", "iteration_time_difference"]].isna().all()
        seconds = finished[0][1].iterations["iteration_time"].dropna()
        assert first["iteration_time_median"] == seconds.median()
        said = METRICS["iteration_time"].without_mean(first.to_dict())
        assert said == f"median {seconds.median():.4g}, no mean"
        assert METRICS["iteration_time"].without_mean(summary.iloc[1].to_dict()) == ""


@pytest.mark.parametrize("engine", ["batch", "event"])
@pytest.mark.parametrize(
    ("name", "fields", "gradients"),
    [
        ("k_batch_async", {"wait_for": 4}, 4),
        ("k_batch_async", {"wait_for": 7}, 7),
        ("k_async", {"wait_for": 5}, 5),
        ("k_batch_sync", {"wait_for": 3}, 3),
        ("ssp", {"wait_for": 2, "ahead": 3}, 2),
        ("rennala", {"batch": 20}, 20),
        ("asynchronous", {}, 1),
    ],
)
@pytest.mark.parametrize("iterations", [1, 3, 10])
def test_an_iteration_is_n_gradients(
    engine: str, name: str, fields: dict[str, Any], gradients: int, iterations: int
) -> None:
    """Rows by their definition, from the updates alone: row t is the first update by which 7 t
    gradients were used. Catches whole updates for an iteration."""
    document = {
        "workers": 7,
        "iterations": iterations,
        "replications": 2,
        "engine": engine,
        "delay": {"model": "shifted_exponential", "shift": 1.0, "rate": 3.0},
        "schemes": [{"name": name, **fields}],
    }
    (cell,) = cells(document)
    found = compute(cell)
    updates = simulate(build.run_of(cell.settings)).times
    rows = found.iterations[found.iterations["iteration"] > 0]
    made = [next(u for u in range(1, 99) if u * gradients >= 7 * t) for t in range(iterations + 1)]
    made[0] = 0
    assert updates.shape[1] == made[-1]
    for r, own in rows.groupby("replication"):
        np.testing.assert_array_equal(own["time"], updates[r, np.array(made[1:]) - 1])
        np.testing.assert_array_equal(own["updates"], np.diff(made))
        np.testing.assert_array_equal(own["iteration_time"] == 0, np.diff(made) == 0)
        np.testing.assert_array_equal(own["arrived"] == 0, np.diff(made) == 0)
    seconds = per_replication(found)["iteration_time"]
    np.testing.assert_allclose(seconds, updates[:, -1] * 7 / (gradients * made[-1]), rtol=1e-12)
