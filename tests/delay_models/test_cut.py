"""Rounds in which not everybody was heard: what is read of them, what is refused, and replays."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np
import pandas as pd
import pytest

import erasurehead as eh
from erasurehead.delays import Exponential, LogNormal, ShiftedExponential
from tests.delay_models import cut_runs
from tests.delay_models.cut_runs import CutRun
from tests.tools import inside, notebook_html

DELAYS = cut_runs.shifted_exponential(100, 30)
ERASUREHEAD = cut_runs.covering(DELAYS, group=3, at_most=15)
CODED = cut_runs.queued(DELAYS, 25)
OTHER = np.random.default_rng(4).lognormal(-1.0, 0.7, (60, 8))


def said(path: Path, *options: str) -> str:
    """What ``read`` prints."""
    done = inside("read", path, *options)
    assert done.returncode == 0, done.stderr
    return done.stdout


def refused(path: Path, *options: str) -> str:
    """The one line with which ``read`` refuses a table."""
    done = inside("read", path, *options)
    assert done.returncode == 2, done.stdout
    assert done.stderr.count("\n") == 1
    return done.stderr


def wide(path: Path, run: CutRun, **columns: Any) -> Path:
    """A CSV with an empty cell for each worker that was not heard."""
    frame = pd.DataFrame(np.where(np.isinf(run.seconds), np.nan, run.seconds))
    frame.columns = pd.Index([f"w{j}_s" for j in frame.columns])
    frame.assign(**columns).to_csv(path, index=False)
    return path


def calls(run: CutRun) -> pd.DataFrame:
    """A row for each call, in milliseconds, of which those that were not heard hold some number."""
    round_, worker = np.indices(run.seconds.shape)
    heard = np.isfinite(run.seconds)
    return pd.DataFrame(
        {
            "worker": worker.ravel(),
            "round": round_.ravel(),
            "duration_ms": np.where(heard, 1e3 * run.seconds, 7.0).ravel(),
            "heard": heard.ravel(),
            "round_end_ms": np.repeat(1e3 * run.ends, run.seconds.shape[1]),
        }
    )


def expect(run: CutRun, table: eh.TableRead) -> None:
    """What was read are the seconds of a run and the ends of its rounds."""
    np.testing.assert_allclose(table.tables[None], run.seconds, rtol=1e-9)
    np.testing.assert_allclose(table.ends[None], run.ends, rtol=1e-9)


def test_a_file_of_the_authors_says_all_that_is_to_be_known(tmp_path: Path) -> None:
    path = cut_runs.write_authors(tmp_path, "replication_acc_2", ERASUREHEAD)
    expect(ERASUREHEAD, eh.read_table(path))
    text = said(path)
    assert "100 rounds of 30 workers" in text
    assert "11 to 15 of 30 workers heard in each round; 1,520 cells not heard" in text
    assert "its last message" in text
    assert "late work:    dropped" in text
    assert "> 0.4397" in text  # a worker that was not heard in the first round
    assert "own update, typically 0.0025 s" in text


@pytest.mark.parametrize("stem", ["coded_acc_5", "avoidstragg_acc_5", "partialcoded_5_2"])
def test_where_late_work_is_queued_a_backlog_is_no_delay(tmp_path: Path, stem: str) -> None:
    path = cut_runs.write_authors(tmp_path, stem, CODED)
    expect(CODED, eh.read_table(path))
    assert "25 of 30 workers heard in each round; 500 cells not heard" in said(path)
    assert "queued; 495 cells left out as backlog" in said(path)
    # Of rows from the second on, nobody knows who began the first of them late.
    assert "485 cells left out as backlog" not in said(path, "--rows", "3:100")
    assert "515 cells left out as backlog" in said(path, "--rows", "3:100")
    assert "--rows" in refused(path, "--rows", "::2")


def test_everybody_is_heard_in_an_uncoded_run(tmp_path: Path) -> None:
    run = cut_runs.first(DELAYS, 30)
    path = cut_runs.write_authors(tmp_path, "naive_acc", run)
    table = eh.read_table(path)
    np.testing.assert_allclose(table.tables[None], DELAYS, rtol=1e-9)
    assert table.ends == {}
    assert "not heard" not in said(path)


def with_cell(run: CutRun, row: int, values: Any) -> CutRun:
    """The same run with another row."""
    seconds = run.seconds.copy()
    seconds[row] = values
    return CutRun(seconds=seconds, ends=run.ends)


def test_a_damaged_file_of_the_authors_is_refused(tmp_path: Path) -> None:
    twice = with_cell(ERASUREHEAD, 3, np.where(np.arange(30) == 4, -2.0, ERASUREHEAD.seconds[3]))
    path = cut_runs.write_authors(tmp_path, "replication_acc_2", twice)
    assert "round 3, worker 4 is negative; valid: seconds >= 0, or -1" in refused(path)
    path = cut_runs.write_authors(tmp_path, "naive_acc", with_cell(ERASUREHEAD, 5, np.inf))
    assert "nobody was heard in round 5" in refused(path)
    path = cut_runs.write_authors(tmp_path, "coded_acc_5", CODED)
    ends = tmp_path / "coded_acc_5_timeset.dat"
    whole = ends.read_text()
    ends.write_text("".join(whole.splitlines(keepends=True)[:99]))
    assert "coded_acc_5_timeset.dat beside it has 99 lines" in refused(path)
    ends.write_text(whole.replace("\n", "\n0.001\n", 1).rsplit("\n", 2)[0] + "\n")
    assert "round 1 ended after 0.001 s, before its last message" in refused(path)
    assert "give coded_acc_5_worker_timeset.dat" in refused(ends)
    ends.unlink()
    assert "update" not in said(path)
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:-1], lines[-1].rpartition(" ")[0]]))
    assert "line 100 has no number in place 30" in refused(path)
    path.write_text("\n".join([lines[0].replace(" ", " x", 1), *lines[1:]]))
    assert "line 1, number 2: " in refused(path)


@pytest.mark.parametrize("missing", ["never", "drop-rounds"])
def test_not_heard_is_no_failure(tmp_path: Path, missing: str) -> None:
    path = cut_runs.write_authors(tmp_path, "replication_acc_2", ERASUREHEAD)
    assert "--missing" in refused(path, "--missing", missing)


def test_what_a_missing_delay_is_must_be_said(tmp_path: Path) -> None:
    run = cut_runs.until(OTHER, 0.5)
    path = wide(tmp_path / "deadline.csv", run)
    assert "--missing later" in refused(path)
    assert "say --round-end last" in refused(path, "--missing", "later")
    expect(run, eh.read_table(path, missing="later", round_end=0.5))
    text = said(path, "--missing", "later", "--round-end", "0.5")
    assert "a deadline of 0.5 s" in text
    assert "--late-work queued if not" in text
    wrong = refused(path, "--missing", "later", "--round-end", "0.1")
    assert "--round-end last takes the last message" in wrong


def test_a_number_that_means_not_heard_is_said_in_the_file_s_unit(tmp_path: Path) -> None:
    run = cut_runs.until(OTHER, 0.5)
    milliseconds = np.where(np.isinf(run.seconds), -1.0, 1e3 * run.seconds)
    path = tmp_path / "marked.csv"
    pd.DataFrame(milliseconds).add_prefix("w").to_csv(path, index=False)
    assert "--not-heard -1" in refused(path, "--unit", "ms")
    how = {"unit": "ms", "not_heard": -1, "round_end": 0.5}
    expect(run, eh.read_table(path, **how))
    expect(run, eh.read_table(milliseconds, **how))
    milliseconds[2, 3] = -2.0
    with pytest.raises(eh.ConfigError, match=r"round 2, worker 3 is negative.*or -1 for a worker"):
        eh.read_table(milliseconds, **how)
    milliseconds[2, 3] = np.nan  # a call that failed, beside workers that were not heard
    with pytest.raises(eh.ConfigError, match="round 2, worker 3 is missing"):
        eh.read_table(milliseconds, **how)
    table = eh.read_table(milliseconds, missing="drop-rounds", **how)
    kept = np.delete(np.arange(60), 2)
    expect(CutRun(run.seconds[kept], run.ends[kept]), table)


def test_as_many_heard_in_each_round_say_when_it_ends(tmp_path: Path) -> None:
    run = cut_runs.first(OTHER, 5)
    path = wide(tmp_path / "first.csv", run)
    expect(run, eh.read_table(path, missing="later"))
    assert "5 workers are heard in every round" in said(path, "--missing", "later")


def test_columns_that_say_so_are_read_unasked(tmp_path: Path) -> None:
    run = cut_runs.covering(OTHER, group=2, at_most=5)
    path = tmp_path / "calls.csv"
    calls(run).to_csv(path, index=False)
    expect(run, eh.read_table(path))
    text = said(path)
    assert "(column heard)" in text
    assert "(column round_end_ms)" in text
    calls(run).rename(columns={"heard": "arrived", "round_end_ms": "ended_ms"}).to_csv(path)
    assert "--round-end" in refused(path)
    expect(run, eh.read_table(path, round_end="ended_ms"))
    only_heard = calls(run).query("heard").drop(columns="heard")
    only_heard.to_csv(path, index=False)
    assert "--missing later" in refused(path)
    expect(run, eh.read_table(path, missing="later"))
    only_heard.assign(round_end_ms=1e3 * np.arange(len(only_heard))).to_csv(path, index=False)
    assert "one end a round" in refused(path, "--missing", "later")
    expect(run, eh.read_table(wide(path, run, round_end_ms=1e3 * run.ends), missing="later"))


def test_a_load_may_be_cut_and_another_not(tmp_path: Path) -> None:
    whole = cut_runs.first(OTHER, 8)
    cut = cut_runs.first(2 * OTHER, 5)
    path = tmp_path / "loads.csv"
    pd.concat([calls(whole).assign(load=1), calls(cut).assign(load=2)]).to_csv(path, index=False)
    table = eh.read_table(path)
    np.testing.assert_allclose(table.tables[1.0], OTHER)
    np.testing.assert_allclose(table.tables[2.0], cut.seconds)
    assert [*table.ends] == [2.0]
    assert "5 of 8 workers heard" in said(path, "--load", "2")


def test_nobody_heard_by_a_deadline_is_known_and_by_a_last_message_is_not() -> None:
    run = cut_runs.until(OTHER, float(OTHER.min(axis=1).max()) - 1e-9)
    assert np.isinf(run.seconds).all(axis=1).any()
    table = np.where(np.isinf(run.seconds), np.nan, run.seconds)
    expect(run, eh.read_table(table, missing="later", round_end=float(run.ends[0])))
    with pytest.raises(eh.ConfigError, match="nobody was heard in round"):
        eh.read_table(table, missing="later", round_end="last")


def test_a_notebook_shows_that_a_delay_is_beyond_the_end(tmp_path: Path) -> None:
    path = cut_runs.write_authors(tmp_path, "replication_acc_2", ERASUREHEAD)
    html = notebook_html(eh.read_table(path))
    assert f"&gt; {ERASUREHEAD.ends[0]:.4g}" in html
    assert "inf" not in html.partition("<table")[2]


def test_columns_without_cut_rounds_change_nothing(tmp_path: Path) -> None:
    whole = cut_runs.first(OTHER, 8)
    path = tmp_path / "calls.csv"
    calls(whole).to_csv(path, index=False)
    text = said(path)
    assert "columns not used: heard, round_end_ms" in text
    assert "not heard" not in text


def config(path: Path, wait_for: int, **delay: Any) -> Mapping[str, Any]:
    """A run that replays a table."""
    return {
        "workers": "auto",
        "iterations": 100,
        "delay": {"model": "trace", "path": str(path), **delay},
        "schemes": [{"name": "ignore_stragglers", "wait_for": wait_for}],
    }


def mean_time(path: Path, wait_for: int, replications: int = 1, **delay: Any) -> float:
    """The mean seconds of a round that waits for so many."""
    with pytest.warns(UserWarning, match="1,520 cells not heard"):
        result = eh.run({**config(path, wait_for, **delay), "replications": replications})
    return float(result.summary["iteration_time_mean"].iloc[0])


def test_a_replay_waits_for_those_that_were_heard(tmp_path: Path) -> None:
    path = cut_runs.write_authors(tmp_path, "replication_acc_2", ERASUREHEAD)
    for count in (1, 10, 11):
        expected = np.sort(DELAYS, axis=1)[:, count - 1].mean()
        assert mean_time(path, count) == pytest.approx(expected, rel=1e-9)
    assert mean_time(path, 10) == pytest.approx(0.2109, abs=5e-5)


def test_a_replay_that_needs_more_is_refused_in_words_of_the_cut(tmp_path: Path) -> None:
    path = cut_runs.write_authors(tmp_path, "replication_acc_2", ERASUREHEAD)
    with pytest.raises(
        eh.ConfigError, match="not heard: the measured rounds were cut, 11 to 15 of"
    ):
        eh.run(config(path, 20))


LATER = {"model": "shifted_exponential", "shift": 0.02, "rate": 2.0}


def test_a_law_says_what_came_after_the_cut(tmp_path: Path) -> None:
    path = cut_runs.write_authors(tmp_path, "replication_acc_2", ERASUREHEAD)
    assert mean_time(path, 10, later=LATER) == pytest.approx(0.2109, abs=5e-5)
    # What is left of a law given the end of each round, drawn by the definition of it.
    draws = 0.02 + np.random.default_rng(0).exponential(0.5, (4000, 30))
    beyond = draws[None] + np.maximum(ERASUREHEAD.ends - 0.02, 0.0)[:, None, None]
    means = [
        np.sort(np.where(np.isinf(row), fresh, row), axis=1)[:, 19].mean()
        for row, fresh in zip(ERASUREHEAD.seconds, beyond, strict=True)
    ]
    assert mean_time(path, 20, 200, later=LATER) == pytest.approx(np.mean(means), rel=0.01)


@pytest.mark.parametrize("resample", ["rounds", "cells"])
def test_rounds_that_are_drawn_again_have_the_law_beyond_their_ends(
    tmp_path: Path, resample: str
) -> None:
    path = cut_runs.write_authors(tmp_path, "replication_acc_2", ERASUREHEAD)
    model = eh.delays.MeasuredTrace(
        path=str(path), resample=resample, later=ShiftedExponential(shift=0.02, rate=2.0)
    )
    drawn = model.sample(np.random.default_rng(1), 3000, 30)
    assert np.isfinite(drawn).all()
    assert drawn.max() <= model.longest()
    assert drawn.mean() == pytest.approx(0.52, rel=0.03)


def test_a_law_that_cannot_be_what_came_later_is_refused(tmp_path: Path) -> None:
    path = cut_runs.write_authors(tmp_path, "replication_acc_2", ERASUREHEAD)
    whole = cut_runs.write_authors(tmp_path, "naive_acc", cut_runs.first(DELAYS, 30))
    short = {"model": "deterministic", "value": 0.1}
    for table, delay, words in (
        (path, {"later": short}, "no delay beyond the end of the longest round"),
        (path, {"later": {"model": "markov"}}, "later"),
        (path, {"resample": "cells"}, "needs later"),
        (whole, {"later": LATER}, "everybody was heard"),
    ):
        with pytest.raises(eh.ConfigError, match=words):
            eh.run(config(table, 10, **delay))


@pytest.mark.parametrize(
    "later", [Exponential(rate=2.0), LogNormal(median=0.4, sigma=1.0)], ids=["exponential", "tail"]
)
def test_what_came_later_is_beyond_the_end(tmp_path: Path, later: Any) -> None:
    path = cut_runs.write_authors(tmp_path, "replication_acc_2", ERASUREHEAD)
    model = eh.delays.MeasuredTrace(path=str(path), later=later)
    replayed = model.sample(np.random.default_rng(0), 100, 30)
    heard = np.isfinite(ERASUREHEAD.seconds)
    np.testing.assert_allclose(replayed[heard], ERASUREHEAD.seconds[heard], rtol=1e-9)
    assert (replayed >= ERASUREHEAD.ends[:, None] * (1 - 1e-9))[~heard].all()


def test_a_large_table_is_read_quickly(tmp_path: Path) -> None:
    run = cut_runs.first(cut_runs.shifted_exponential(1000, 100), 60)
    path = cut_runs.write_authors(tmp_path, "avoidstragg_acc_40", run)
    said(path)
    begin = process_time()
    said(path)
    assert process_time() - begin < 2.0


def test_samples_are_written_without_a_network(tmp_path: Path) -> None:
    for name in ("slow_host", "cut_rounds", "llm_steps"):
        assert name in inside("data").stdout
        done = inside("data", name, "--data-dir", tmp_path)
        assert done.returncode == 0, done.stderr
        path = eh.sample(name, tmp_path)  # the same again
        eh.read_table(path)
    expect(cut_runs.first(DELAYS, 15), eh.read_table(eh.sample("cut_rounds", tmp_path)))
    ranks = eh.read_table(eh.sample("llm_steps", tmp_path))
    assert ranks.tables[None].shape == (43, 32)
    assert "Apache" in (tmp_path / "llm_steps_LICENSE.txt").read_text()
    (tmp_path / "slow_host.csv").write_text("mine")
    done = inside("data", "slow_host", "--data-dir", tmp_path)
    assert done.returncode == 2
    assert (tmp_path / "slow_host.csv").read_text() == "mine"
    assert inside("data", "slow_hots").returncode == 2
