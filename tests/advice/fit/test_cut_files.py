"""Fits of files and arrays in which not everybody was heard, as a person asks for them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

import erasurehead as eh
from tests.delay_models.cut_runs import (
    CutRun,
    covering,
    first,
    queued,
    shifted_exponential,
    until,
    write_authors,
)
from tests.tools import inside

DELAYS = shifted_exponential(rounds=100, workers=30)
RATE, MEAN_OF_ALL = 2.0, 2.017  # of .02 + Exp(mean .5), and the mean of the largest of 30
RUNS: dict[str, tuple[CutRun, float]] = {  # by the stem of the file, and how near the rate is
    "replication_acc_2": (covering(DELAYS, group=3, at_most=15), 0.08),
    "replication_acc_1": (covering(DELAYS, group=3, at_most=30), 0.08),
    "avoidstragg_acc_2": (queued(DELAYS, 28), 0.06),
    "coded_acc_5": (queued(DELAYS, 25), 0.06),
}


def unheard(run: CutRun) -> np.ndarray:
    """The seconds, NaN where a worker was not heard."""
    return np.where(np.isinf(run.seconds), np.nan, run.seconds)


@pytest.mark.parametrize("stem", RUNS)
def test_a_file_of_the_authors_has_its_rate(stem: str, tmp_path: Path) -> None:
    run, within = RUNS[stem]
    fitted = eh.fit(write_authors(tmp_path, stem, run), progress=False)
    law = json.loads(fitted.table.set_index("family").loc["shifted_exponential", "delay"])
    assert law["rate"] == pytest.approx(RATE, rel=within)
    assert fitted.delay["model"] == "shifted_exponential"
    last = fitted.order_statistics.query("family == 'config' and k == 30").iloc[0]
    assert last["known"] == "extrapolated"
    assert last["predicted"] == pytest.approx(MEAN_OF_ALL, rel=0.08)
    assert np.isnan(last["low"])
    assert fitted.table.set_index("family").loc["mixture", "alike"]
    said = " ".join(fitted.report.split())
    assert "Arrival 30 of 30 is extrapolated" in said
    assert "mixture" in said.partition("Arrival 30 ")[2], "it fits what was heard about as well"


def test_the_command_says_what_is_known_of_each_arrival(tmp_path: Path) -> None:
    """The same as Python; what is extrapolated is called so, and the config runs."""
    path = write_authors(tmp_path, "replication_acc_2", RUNS["replication_acc_2"][0])
    done = inside("fit", path, "--output", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert "1,520 cells not heard" in done.stdout + done.stderr
    for known in (
        "Measured: k = 1 to 11, heard in every round",
        "at least: k = 12 to 15, heard in some rounds",
        "extrapolated: k = 16 to 30, heard in no round",
    ):
        assert known in done.stdout
    assert "Arrival 30 of 30 is extrapolated" in done.stdout
    pd.testing.assert_frame_equal(
        pd.read_parquet(tmp_path / "out" / "order_statistics.parquet"),
        eh.fit(path, progress=False).order_statistics,
    )
    assert yaml.safe_load((tmp_path / "out" / "delay.yaml").read_text())["delay"] == (
        eh.fit(path, progress=False).delay
    )
    reported = inside("report", tmp_path / "out")
    assert reported.returncode == 0, reported.stderr


def test_a_deadline_must_be_said(tmp_path: Path) -> None:
    run = until(shifted_exponential(rounds=1000, workers=30, seed=500), 0.35)
    table = pd.DataFrame(unheard(run))
    table.to_csv(tmp_path / "t.csv", index=False)
    refused = inside("fit", tmp_path / "t.csv", "--missing", "later", "--output", tmp_path / "out")
    assert refused.returncode == 2
    assert "--round-end" in refused.stderr
    fitted = eh.fit(table, missing="later", round_end=0.35, progress=False)
    assert fitted.delay["rate"] == pytest.approx(RATE, rel=0.03)
    last = fitted.order_statistics.query("family == 'config' and k == 30").iloc[0]
    assert last["predicted"] == pytest.approx(MEAN_OF_ALL, rel=0.03)


def test_slow_hosts_are_named() -> None:
    delays = DELAYS.copy()
    delays[:, [4, 17]] *= 3
    fitted = eh.fit(unheard(first(delays, 15)), missing="later", progress=False)
    assert sorted(fitted.workers.loc[fitted.workers["stands_out"], "host"]) == ["17", "4"]
    assert "host 4 is heard too seldom: in " in fitted.report.replace("\n  ", " ").replace(
        "Host", "host"
    )
    assert fitted.plot.quantiles() is not None
