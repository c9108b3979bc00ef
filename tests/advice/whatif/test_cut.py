"""``whatif`` where rounds ended before everybody was heard."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest

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

WORKERS = 30


def erasurehead_run(
    folder: Path, slow: Mapping[int, float] = MappingProxyType({}), seed: int = 0
) -> Path:
    """The file of an ErasureHead run in which some workers take longer."""
    factors = [slow.get(worker, 1.0) for worker in range(WORKERS)]
    delays = shifted_exponential(100, WORKERS, seed) * factors
    return write_authors(folder, "replication_acc_2", covering(delays, group=3, at_most=15))


def test_what_waiting_for_some_takes_is_measured_as_far_as_all_rounds_go(tmp_path: Path) -> None:
    file = erasurehead_run(tmp_path)
    found = eh.whatif(file)
    rows = found.remedies.set_index("k")
    delays = np.sort(shifted_exponential(100, WORKERS), axis=1)
    heard = rows["rounds_heard"]
    measured = rows.index[heard == 100]
    assert [*rows.loc[measured, "known"]] == ["measured"] * len(measured)
    np.testing.assert_allclose(rows.loc[measured, "seconds"], delays.mean(axis=0)[measured - 1])
    assert rows["seconds"].isna().sum() == WORKERS - len(measured)
    assert {*rows["known"][(heard > 0) & (heard < 100)]} == {"at least"}
    assert {*rows["known"][heard == 0]} == {"extrapolated"}
    # What is said to be a bound is one, and what is extrapolated has no interval.
    bounds = rows["at_least"]
    assert np.all(bounds <= delays.mean(axis=0)[rows.index - 1] + 1e-12)
    assert rows["seconds_low"].notna().sum() == len(measured)
    assert found.delays is None
    assert "heard in each round" in found.verdict
    assert "extrapolated" in found.limits


def test_the_config_replays_what_was_measured(tmp_path: Path) -> None:
    file = erasurehead_run(tmp_path)
    found = eh.whatif(file)
    rows = found.remedies.set_index("k")
    with pytest.warns(UserWarning, match="cells not heard"):
        result = eh.run(found.config)
    means = result.summary["iteration_time_mean"]
    for scheme, mean in zip(found.config["schemes"], means, strict=True):
        assert mean == pytest.approx(rows.loc[scheme["wait_for"], "seconds"], rel=1e-9)


@pytest.mark.one_in(3)
@pytest.mark.parametrize("seed", [0, 1000, 2000])
def test_slow_hosts_are_those_that_are_heard_too_seldom(tmp_path: Path, seed: int) -> None:
    none = eh.whatif(erasurehead_run(tmp_path / "none", seed=seed)).hosts
    assert not none["stands_out"].any()
    two = eh.whatif(erasurehead_run(tmp_path / "two", slow={3: 3.0, 17: 3.0}, seed=seed)).hosts
    assert {*two["worker"][two["stands_out"].astype(bool)]} == {3, 17}


def test_what_the_command_says(tmp_path: Path) -> None:
    file, out = erasurehead_run(tmp_path, slow={3: 3.0, 17: 3.0}), tmp_path / "out"
    said = inside("whatif", file, "--output", out).stdout
    lines = said.splitlines()
    assert len(lines) <= 25
    assert "hosts 3, 17 are heard too seldom" in said or "hosts 17, 3 are heard too seldom" in said
    for word in ("measured", "at least", "extrapolated", "that wait for all 30"):
        assert word in said
    assert "saves" not in said.split("next:")[0]  # nothing is made up of the slowest
    assert inside("report", out).returncode == 0
    page = (out / "report.html").read_text()
    assert "Waiting for some" in page
    assert "(too seldom)" in page
    refused = inside("whatif", file, "--load-law", "proportional", "--output", tmp_path / "no")
    assert refused.returncode == 2
    assert refused.stderr.count("error: ") == 1
    assert "--load-law" in refused.stderr
    assert not (tmp_path / "no").exists()


@pytest.mark.parametrize("name", ["first", "until", "queued"])
def test_other_stops(name: str) -> None:
    delays = shifted_exponential(60, 12)
    stops = {"first": first(delays, 8), "until": until(delays, 0.4), "queued": queued(delays, 9)}
    run: CutRun = stops[name]
    late = "queued" if name == "queued" else "dropped"
    end: str | float = 0.4 if name == "until" else "last"
    found = eh.whatif(run.marked, not_heard=-1, round_end=end, late_work=late)
    heard = np.isfinite(run.seconds).sum(axis=1).min()
    assert (found.remedies["known"] == "measured").sum() == heard
    assert found.config == {}  # there is no file that it could replay


def test_a_law_of_loads_is_refused_where_no_code_is_compared() -> None:
    run = first(shifted_exponential(60, 12), 8)
    with pytest.raises(eh.ConfigError, match="load_law"):
        eh.whatif(run.marked, load_law="proportional", not_heard=-1, round_end="last")
