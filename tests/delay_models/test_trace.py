"""Replayed tables: every format and layout gives the same delays, at the right rows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from delay_models import MODELS, Tape
from delay_models.table import TableError, read_delays

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
    return sorted(folder.iterdir())


def test_every_format_reads_the_same_table(tmp_path: Path) -> None:
    files = written(tmp_path)
    assert len(files) == 9
    for file in files:
        np.testing.assert_allclose(read_delays(str(file)), TABLE, rtol=1e-15, err_msg=file.name)


def test_load_picks_the_rows(tmp_path: Path) -> None:
    both = pd.concat([long_table().assign(load=1.0), long_table().assign(load=0.5, seconds=9.0)])
    both.to_csv(tmp_path / "t.csv", index=False)
    np.testing.assert_allclose(read_delays(str(tmp_path / "t.csv"), load=1.0), TABLE)
    np.testing.assert_allclose(read_delays(str(tmp_path / "t.csv"), load=0.5), 9.0)
    with pytest.raises(TableError, match=r"no row has load = 3; valid: \[0.5, 1.0\]"):
        read_delays(str(tmp_path / "t.csv"), load=3)


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
        with pytest.raises(TableError, match=name):
            read_delays(str(tmp_path / name))
