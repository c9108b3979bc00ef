"""Replayed tables: every format and layout gives the same delays, at the right rows."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import erasurehead as eh
from erasurehead import ConfigError
from erasurehead.delays import MODELS, DelayModel, Tape

TABLE = np.random.default_rng(0).exponential(1.0, (5, 3))


def long_table() -> pd.DataFrame:
    rounds, workers = np.indices(TABLE.shape)
    columns = {"worker": workers.ravel(), "round": rounds.ravel(), "seconds": TABLE.ravel()}
    return pd.DataFrame(columns).sample(frac=1, random_state=1)


def written(folder: Path) -> list[Path]:
    wide, long = pd.DataFrame(TABLE, columns=["a", "b", "c"]), long_table()
    wide.to_csv(folder / "wide.csv", index=False)
    wide.to_csv(folder / "headless.csv", index=False, header=False)
    wide.to_csv(folder / "wide.csv.gz", index=False)
    wide.to_parquet(folder / "wide.parquet")
    long.to_csv(folder / "long.csv", index=False)
    long.to_parquet(folder / "long.parquet")
    long.assign(load=2.0).to_csv(folder / "one_load.csv", index=False)
    np.savez(folder / "named.npz", seconds=TABLE, other=np.ones(3))
    np.savez(folder / "only.npz", TABLE)
    split = wide.to_dict("split")  # with ``index=False`` pandas leaves the third list out
    (folder / "split.json").write_text(json.dumps(split))
    (folder / "two.json").write_text(json.dumps({n: split[n] for n in ("columns", "data")}))
    return sorted(folder.iterdir())


def read(path: Path, load: float | None = None) -> np.ndarray:
    """One load of a table, ``(rounds, workers)`` seconds."""
    (table,) = eh.read_table(path, load=load).tables.values()
    return table.to_numpy()


def test_every_format_reads_the_same_table(tmp_path: Path) -> None:
    files = written(tmp_path)
    assert len(files) == 11
    for file in files:  # pandas 2 reads a text to a few of the last bits
        np.testing.assert_allclose(read(file), TABLE, rtol=1e-13, err_msg=file.name)


def test_load_picks_the_rows(tmp_path: Path) -> None:
    both = pd.concat([long_table().assign(load=1.0), long_table().assign(load=0.5, seconds=9.0)])
    both.to_csv(tmp_path / "t.csv", index=False)
    np.testing.assert_allclose(read(tmp_path / "t.csv", load=1.0), TABLE)
    np.testing.assert_allclose(read(tmp_path / "t.csv", load=0.5), 9.0)
    with pytest.raises(ConfigError, match=r"load = 3\.0: must be one of \[0\.5, 1\.0\]"):
        read(tmp_path / "t.csv", load=3)


def test_replay_is_the_table_and_cyclic_begins_again(tmp_path: Path) -> None:
    """Every replication reads the same rows; fewer workers read the first columns."""
    np.savez(tmp_path / "t.npz", TABLE)
    model = MODELS["trace"](path=str(tmp_path / "t.npz"), end="cyclic")
    for replication in (0, 7):
        rows = Tape(model, 2, seed=3, replication=replication).rows(3, 12)
        np.testing.assert_array_equal(rows, TABLE[[3, 4, 0, 1, 2, 3, 4, 0, 1], :2])
    assert model.rounds_available() is None
    assert MODELS["trace"](path=str(tmp_path / "t.npz")).rounds_available() == 5
    assert model.workers_available() == 3
    assert model.mean() is None
    assert model.cdf(1.0) is None


def test_a_pickle_is_never_loaded(tmp_path: Path) -> None:
    """A pickled object inside an NPZ, and a pickle renamed to NPZ, are refused unread."""
    np.savez(tmp_path / "object.npz", np.array([[object()]], dtype=object), allow_pickle=True)
    pd.to_pickle({"a": 1}, tmp_path / "renamed.npz", compression=None)
    for name in ("object.npz", "renamed.npz"):
        with pytest.raises(ConfigError, match=name):
            read(tmp_path / name)


def trace(folder: Path, resample: str, table: np.ndarray = TABLE) -> DelayModel:
    np.savez(folder / "t.npz", table)
    return MODELS["trace"](path=str(folder / "t.npz"), resample=resample)


def test_the_longest_delay_of_a_trace_is_its_largest(tmp_path: Path) -> None:
    """Catches the second largest, the last one of the table, and the smallest."""
    table = np.array([[0.52, 0.75, 3.1], [2.3, 7.25, 2.7], [0.9, 7.1, 1.4]])
    assert trace(tmp_path, "cells", table).longest() == 7.25
    assert trace(tmp_path, "replay", np.full((2, 3), 0.75)).longest() == 0.75


def test_resampled_rounds_come_whole(tmp_path: Path) -> None:
    """Catches single cells taken from different rounds, and rounds that are not equally likely."""
    model = trace(tmp_path, "rounds")
    rows = Tape(model, 3, seed=3, replication=0).rows(0, 5000)
    which = np.argmax(np.all(rows[:, None] == TABLE, axis=2), axis=1)
    np.testing.assert_array_equal(rows, TABLE[which])
    assert stats.chisquare(np.bincount(which, minlength=5)).pvalue > 1e-6
    lag_one = np.corrcoef(which[1:], which[:-1])[0, 1]
    assert abs(lag_one) < 4.9 / np.sqrt(which.size)
    assert model.rounds_available() is None
    assert model.workers_available() == 3
    assert not model.independent


def test_resampled_rounds_are_the_same_for_every_task_of_a_round(tmp_path: Path) -> None:
    """Catches a round drawn from a stream's own generator; replications still differ."""
    model = trace(tmp_path, "rounds")
    tape = Tape(model, 2, seed=3, replication=0)
    np.testing.assert_array_equal(tape.rows(0, 50), tape.rows(0, 50, stream=2))
    assert np.any(tape.rows(0, 50) != Tape(model, 2, seed=3, replication=1).rows(0, 50))


def test_resampled_cells_are_independent(tmp_path: Path) -> None:
    """Catches rounds or columns kept together, and cells that are not equally likely."""
    model = trace(tmp_path, "cells")
    rows = Tape(model, 40, seed=3, replication=0).rows(0, 800)  # more workers than were measured
    values, counts = np.unique(rows, return_counts=True)
    np.testing.assert_array_equal(values, np.sort(TABLE, axis=None))
    assert stats.chisquare(counts).pvalue > 1e-6
    for one, two in ((rows[:, :-1], rows[:, 1:]), (rows[:-1], rows[1:])):
        assert abs(np.corrcoef(one.ravel(), two.ravel())[0, 1]) < 4.9 / np.sqrt(one.size)
    assert model.independent
    assert model.workers_available() is None
    assert np.any(rows[:50] != Tape(model, 40, 3, 0).rows(0, 50, stream=1))


@pytest.mark.parametrize("resample", ["rounds", "cells"])
def test_the_law_of_a_resampled_cell_is_the_tables(resample: str, tmp_path: Path) -> None:
    """Catches an off-by-one in the empirical CDF or its inverse, ties included."""
    table = np.array([[1.0, 2.0], [4.0, 2.0]])
    model = trace(tmp_path, resample, table)
    np.testing.assert_array_equal(model.cdf([0.5, 1, 1.5, 2, 3, 4]), [0, 0.25, 0.25, 0.75, 0.75, 1])
    np.testing.assert_array_equal(model.sf([0.5, 1, 1.5, 2, 3, 4]), [1, 0.75, 0.75, 0.25, 0.25, 0])
    np.testing.assert_array_equal(model.ppf([0.1, 0.25, 0.3, 0.75, 0.8, 1]), [1, 1, 2, 2, 4, 4])
    assert model.mean() == 2.25


def test_implausible_units_are_a_warning_of_every_model_around(tmp_path: Path) -> None:
    """Catches a model that keeps its parts' warnings to itself."""
    table = np.random.default_rng(0).lognormal(0, 0.2, (30, 10))
    assert trace(tmp_path, "replay", table).warnings() == ()
    table[:, 4] *= 1000
    replay, cells = (trace(tmp_path, each, table) for each in ("replay", "cells"))
    (line,) = replay.warnings()
    assert line.startswith(f"{tmp_path / 't.npz'}: the median of worker 4 is ")
    assert "milliseconds" in line
    fine = MODELS["exponential"](rate=1.0)
    assert fine.warnings() == ()
    inner = MODELS["mixture"](weights=(0.5, 0.5), components=(fine, cells))
    for model in (
        MODELS["drift"](to=2.0, over=3, base=MODELS["shifted"](by=1.0, base=replay)),
        MODELS["cold_starts"](probability=0.1, share=0.1, base=fine, delay=inner),
        MODELS["markov"](slow_to_slow=0.5, fast_to_slow=0.5, fast=cells, slow=fine),
    ):
        assert model.warnings() == (line,), model


def test_warnings_are_of_the_load_that_is_replayed(tmp_path: Path) -> None:
    fine = long_table().assign(load=1.0, seconds=0.5)
    pd.concat([fine, fine.assign(load=2.0, seconds=2e3)]).to_csv(tmp_path / "t.csv", index=False)
    path = str(tmp_path / "t.csv")
    assert MODELS["trace"](path=path, load=1.0).warnings() == ()
    said = f"{path}: steps take 2000 s: if the table is in ms, say unit: 0.001"
    assert MODELS["trace"](path=path, load=2.0).warnings() == (said,)
    assert MODELS["trace"](path=path, load=2.0, unit=0.001).warnings() == ()  # whatever its name


def test_steps_of_minutes_may_be_of_milliseconds(tmp_path: Path) -> None:
    """Where they were read as seconds, by their name or by what was said, and nothing else."""
    for typical, unit, warned in (
        (659.0, "s", True),
        (59.0, "s", False),
        (659.0, "ms", False),
        (6.59e5, "ms", False),
        (6.59, 100.0, False),
    ):
        times = typical * np.random.default_rng(0).lognormal(0, 0.2, (30, 11))
        np.savez(tmp_path / "t.npz", times)
        found = eh.read_table(tmp_path / "t.npz", unit=unit).notes
        said = f'Steps take {np.median(times):.4g} s: if the table is in ms, say unit="ms".'
        assert (said in found) == warned
        assert warned or not any("if the table is in ms" in note for note in found)


def test_a_trace_can_be_a_part_of_another_model(tmp_path: Path) -> None:
    """A wrapper hands on how many rounds and workers there are; only cells are independent."""
    replay = trace(tmp_path, "replay")
    doubled = MODELS["drift"](base=replay, to=2.0, over=4)
    rows = Tape(doubled, 3, seed=1, replication=0).rows(1, 5)
    np.testing.assert_allclose(rows, TABLE[1:5] * np.array([[1.25], [1.5], [1.75], [2.0]]))
    conditions, _ = doubled.evolve(doubled.start(None, 3), None, 5, 3)
    once = doubled.delays(conditions, None, 5, 3).copy()  # the rows must not be scaled in place
    np.testing.assert_array_equal(doubled.delays(conditions, None, 5, 3), once)
    assert (doubled.rounds_available(), doubled.workers_available()) == (5, 3)
    mixed = {"weights": (0.5, 0.5), "components": (MODELS["exponential"](rate=1.0), replay)}
    with pytest.raises(ConfigError, match="independent"):
        MODELS["mixture"](**mixed)
    mixed["components"] = (mixed["components"][0], trace(tmp_path, "cells"))
    assert MODELS["mixture"](**mixed).mean() == pytest.approx((1 + TABLE.mean()) / 2)


@pytest.mark.parametrize("resample", ["replay", "cells"])
def test_a_stretch_is_of_rounds_that_are_drawn(resample: str, tmp_path: Path) -> None:
    np.savez(tmp_path / "t.npz", np.array([[1.0, 2.0], [2.0, 4.0]]))
    with pytest.raises(ConfigError, match=f"stretch = 5 needs resample: rounds, not {resample}"):
        MODELS["trace"](path=str(tmp_path / "t.npz"), resample=resample, stretch=5.0)
    MODELS["trace"](path=str(tmp_path / "t.npz"), resample=resample, stretch=1.0)


@pytest.mark.parametrize("hosts", ["all", "first"])
@pytest.mark.parametrize(
    ("resample", "end", "rounds", "workers", "law"),
    [
        ("replay", "truncated", 3, 2, False),
        ("replay", "cyclic", None, 2, False),
        ("rounds", "truncated", None, 2, True),
        ("cells", "truncated", None, None, True),
    ],
)
def test_what_a_table_serves_and_knows(
    resample: str,
    end: str,
    rounds: int | None,
    workers: int | None,
    law: bool,
    hosts: str,
    tmp_path: Path,
) -> None:
    """A replay is no law; of the others it is that of all cells, a worker that never comes too."""
    np.savez(tmp_path / "t.npz", np.array([[1.0, 2.0], [2.0, 4.0], [8.0, np.inf]]))
    fields = {"resample": resample, "end": end, "hosts": hosts, "missing": "never"}
    model = MODELS["trace"](path=str(tmp_path / "t.npz"), **fields)
    assert model.rounds_available() == rounds
    assert model.workers_available() == workers
    assert model.workers_required() == (None if hosts == "first" else workers)
    assert model.independent == model.row_by_row == (resample == "cells")
    assert model.longest() == 8.0
    x = [0.9, 1.0, 2.0, 8.0, np.inf]
    if not law:
        assert model.cdf(x) is model.sf(x) is model.ppf([0.5]) is None
        return
    found = model.cdf(x), model.sf(x), model.ppf([0.0, 1 / 6, 0.5, 0.51, 5 / 6, 1.0])
    assert all(each is not None for each in found)
    np.testing.assert_allclose(found[0], [0, 1 / 6, 3 / 6, 5 / 6, 1])  # type: ignore[arg-type]
    np.testing.assert_allclose(found[1], [1, 5 / 6, 3 / 6, 1 / 6, 0])  # type: ignore[arg-type]
    np.testing.assert_array_equal(found[2], [1, 1, 2, 4, 8, np.inf])  # type: ignore[arg-type]
