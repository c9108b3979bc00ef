"""``fit`` from Python."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import erasurehead as eh

SECONDS = np.random.default_rng(1).gamma(3.0, 0.2, size=(40, 6))


@pytest.fixture(scope="module")
def fitted() -> eh.Fitted:
    return eh.fit(SECONDS, progress=False)


def long(load: bool) -> pd.DataFrame:
    table = pd.DataFrame(SECONDS).rename_axis(index="round").reset_index()
    table = table.melt("round", var_name="worker", value_name="seconds")
    return table.assign(load=2.0) if load else table


def test_a_file_an_array_and_frames_are_the_same(tmp_path: Path, fitted: eh.Fitted) -> None:
    file = tmp_path / "delays.csv"
    pd.DataFrame(SECONDS).to_csv(file, index=False)
    for table in (file, str(file), pd.DataFrame(SECONDS), long(load=False), SECONDS.tolist()):
        assert eh.fit(table, progress=False).delay == fitted.delay


def test_its_config_runs(fitted: eh.Fitted) -> None:
    found = eh.run(fitted.config, set={"replications": 2}, progress=False)
    assert found.config["delay"]["model"] == fitted.delay["model"]
    assert found.config["workers"] == 6


def test_it_has_tables_report_and_pictures(
    fitted: eh.Fitted, tmp_path: Path, screenless: None
) -> None:
    assert fitted.table["rank_order"].iloc[0] == 1
    assert set(fitted.order_statistics["k"]) == {3, 4, 5, 6}
    assert fitted.report.startswith("# Delays in the table")
    assert fitted.plot.quantiles().has_data()
    assert len(fitted.plot.order_statistics().figure.axes) == 2
    assert (tmp_path / "delay.yaml") in fitted.save(tmp_path)


def test_order_statistics_can_be_chosen() -> None:
    fitted = eh.fit(SECONDS, k_range=(2, 3), progress=False)
    assert set(fitted.order_statistics["k"]) == {2, 3}
    with pytest.raises(eh.ConfigError, match="k_range = '2:9': must be A:B"):
        eh.fit(SECONDS, k_range=(2, 9))


def test_a_load_is_picked() -> None:
    eh.fit(long(load=True), load=2.0, progress=False)
    with pytest.raises(eh.ConfigError, match=r"^load = 3.0: must be one of \[2.0\]"):
        eh.fit(long(load=True), load=3.0)


def test_a_bad_table_is_one_line() -> None:
    bad = SECONDS.copy()
    bad[3, 2] = -1.0
    for table in (bad, pd.DataFrame(bad)):
        with pytest.raises(eh.ConfigError, match=r"^the table: the delay of round 3, worker 2 is"):
            eh.fit(table)
    with pytest.raises(eh.ConfigError, match=r"^the table: "):
        eh.fit(np.array([["a", "b"]]))  # type: ignore[arg-type]


def test_it_says_what_it_is(fitted: eh.Fitted) -> None:
    assert repr(fitted).startswith("<Fitted the table: 40 rounds of 6 workers, delay model ")
    assert "<pre>delay:" in fitted._repr_html_()
