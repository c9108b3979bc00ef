"""The probe: what it writes is what ``fit`` reads, and a slowed worker is slow."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from erasurehead.delay_models.tables.read import read_all_loads
from erasurehead.experiments.measure import Gradients, Products, gradients
from tests.live.simulated import nobody
from tests.live.test_masters import problem
from tests.live.test_processes import written
from tests.program import inside


def test_measured_tasks_are_a_table_that_fit_reads(tmp_path: Path) -> None:
    """Worker 2 waits 50 times as long as it computes: it is busy longest, whatever else the
    machine does. Tasks of a round begin together, and none ends before its round began."""
    path = tmp_path / "measured.csv"
    options = ["--workers", 3, "--loads", "1,4", "--rounds", 12, "--size", 60, "--slow", "2=50"]
    done = inside("measure", *options, "--output", path)
    assert done.returncode == 0, done.stderr
    table = pd.read_csv(path)
    assert len(table) == 3 * 2 * 12
    assert np.allclose(table["end"] - table["start"], table["seconds"], atol=1e-6)
    medians = table.groupby("worker")["busy"].median()
    assert medians.idxmax() == 2
    tables = read_all_loads(str(path))
    assert list(tables) == [1.0, 4.0]
    assert tables[1.0].shape == (12, 3)
    assert (table["busy"] <= table["seconds"]).all()
    turns = table.groupby(["load", "round"]).agg({"start": ["min", "max"], "end": "max"})
    assert (turns["start"]["min"] == turns["start"]["max"]).all()
    turns = turns.sort_values(("start", "min"))
    assert (turns["start"]["min"].to_numpy()[1:] >= turns["end"]["max"].to_numpy()[:-1]).all()
    assert turns.index.tolist() == [
        (load, turn)
        for stretch in (range(5), range(5, 10), range(10, 12))
        for load in (1, 4)
        for turn in stretch
    ]


def test_a_task_is_as_many_gradients_as_its_load() -> None:
    """Worker j's task of load 2 is the sum of the gradients of partitions j and j + 1."""
    learning = problem(3)
    tasks = gradients(learning, 3)
    beta = tasks.model
    for worker, work in enumerate(tasks.works):
        assert isinstance(work, Gradients)
        expected = sum(
            learning.problem.partition_gradient((worker + i) % 3, beta) for i in range(2)
        )
        np.testing.assert_allclose(work.compute(0, (2, beta), {}, nobody), expected, rtol=1e-9)
    assert Products(5).compute(0, (3, beta), {}, nobody).shape == (5,)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--loads", "1,x"], "--loads = '1,x': must be whole numbers"),
        (["--loads", "2,2"], "none twice"),
        (["--size", "0"], "--size = 0: must be from 1"),
        (["--slow", "4=2"], "--slow = 4: must be a worker from 0 to 3"),
        (["--output", "table.parquet"], "must end in .csv"),
    ],
)
def test_refusals_are_one_line(tmp_path: Path, options: list[str], says: str) -> None:
    done = inside("measure", "--output", tmp_path / "out.csv", *options)
    assert done.returncode == 2
    assert says in done.stderr
    assert done.stderr.count("\n") == 1


def test_workers_are_those_of_the_config(tmp_path: Path) -> None:
    done = inside("measure", written(tmp_path), "--workers", 5, "--output", tmp_path / "out.csv")
    assert done.returncode == 2
    assert "--workers = 5: must be that of the config, 4" in done.stderr
