"""Loaders of files that users bring: small generated files, and the real ones where they are."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import OneHotEncoder

from erasurehead.sim.errors import DataNotFound, InvalidParameter
from erasurehead.sim.problems import DATASETS
from erasurehead.sim.problems.datasets.base import Dataset
from erasurehead.sim.problems.datasets.brought import AMAZON_COLUMNS, DATA_VARIABLE, KC_COLUMNS
from tests.problems.building import build_problem

TASKS = {"amazon": "classification", "covertype": "classification", "kc_housing": "regression"}


@pytest.fixture(autouse=True)
def no_data_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(DATA_VARIABLE, raising=False)


def load(name: str, data_dir: Path | None) -> Dataset:
    return DATASETS[name]().load(TASKS[name], np.random.default_rng(0), data_dir)  # type: ignore[arg-type]


def amazon_table(rows: int = 30) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    table = pd.DataFrame({name: rng.integers(0, 4, rows) * 1000 for name in AMAZON_COLUMNS})
    table.insert(0, "ACTION", rng.integers(0, 2, rows))
    return table


def covertype_table(rows: int = 40) -> pd.DataFrame:
    rng = np.random.default_rng(1)
    table = pd.DataFrame({f"f{i}": rng.integers(0, 3, rows) for i in range(54)})
    table["Cover_Type"] = rng.integers(1, 8, rows)
    table.loc[:5, "Cover_Type"] = [1, 2, 1, 2, 1, 2]
    return table


def kc_table(rows: int = 25) -> pd.DataFrame:
    rng = np.random.default_rng(2)
    table = pd.DataFrame({name: rng.integers(0, 5, rows) / 4 for name in KC_COLUMNS})
    table["waterfront"] = rng.random(rows) < 0.5
    table.insert(0, "price", rng.integers(100_000, 900_000, rows))
    table.insert(0, "id", np.arange(rows))
    return table


def expected(table: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, ...]:
    """The stated encoding, by scikit-learn alone."""
    table = np.hstack([table, np.ones((len(table), 1), dtype=table.dtype)])
    X_train, X_test, y_train, y_test = train_test_split(table, y, test_size=0.2, random_state=0)
    encoder = OneHotEncoder().fit(np.vstack([X_train, X_test]))
    return (
        encoder.transform(X_train).toarray(),
        encoder.transform(X_test).toarray(),
        y_train,
        y_test,
    )


def check(data: Dataset, wanted: tuple[np.ndarray, ...]) -> None:
    for found, want in zip((data.X, data.X_test), wanted[:2], strict=True):
        np.testing.assert_array_equal(found.toarray(), want)
    np.testing.assert_array_equal(data.y, wanted[2])
    np.testing.assert_array_equal(data.y_test, wanted[3])


def test_amazon_encoding(tmp_path: Path) -> None:
    table = amazon_table()
    table.to_csv(tmp_path / "train.csv", index=False)
    raw = table[AMAZON_COLUMNS].to_numpy()
    pairs = [(i, j) for i in range(9) for j in range(i + 1, 9) if (i, j) not in {(5, 7), (2, 3)}]
    assert len(pairs) == 34
    both = np.column_stack([raw] + [raw[:, i] * 10_000 + raw[:, j] for i, j in pairs])
    check(load("amazon", tmp_path), expected(both, 2.0 * table["ACTION"].to_numpy() - 1))


def test_covertype_encoding_with_and_without_header(tmp_path: Path) -> None:
    table = covertype_table()
    kept = table[table["Cover_Type"] <= 2]
    y = np.where(kept["Cover_Type"] == 1, -1.0, 1.0)
    wanted = expected(kept.drop(columns="Cover_Type").to_numpy(), y)
    table.to_csv(tmp_path / "covtype_part.csv.gz", index=False)
    check(load("covertype", tmp_path), wanted)
    bare = tmp_path / "bare"
    bare.mkdir()
    table.to_csv(bare / "covtype.data.gz", index=False, header=False)
    check(load("covertype", bare), wanted)


@pytest.mark.parametrize(
    "name", ["kc_house_data.csv", "kc_house_data.csv.gz", "house_prices.parquet"]
)
def test_kc_housing_encoding(tmp_path: Path, name: str) -> None:
    table = kc_table()
    if name.endswith(".parquet"):
        table.to_parquet(tmp_path / name)
    else:
        table.to_csv(tmp_path / name, index=False)
    features = table[KC_COLUMNS].to_numpy(dtype=np.float64)
    check(load("kc_housing", tmp_path), expected(features, table["price"].to_numpy() / 1e6))


def test_files_are_looked_for_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The given directory before the variable's, its subdirectory datasets, plain before gz."""
    given, other = tmp_path / "given", tmp_path / "other"
    for rows, file in (
        (10, other / "datasets" / "train.csv"),
        (25, other / "train.csv"),
        (15, other / "train.csv.gz"),
        (20, given / "datasets" / "amazon_employee_access_train.csv.gz"),
    ):
        file.parent.mkdir(parents=True, exist_ok=True)
        amazon_table(rows).to_csv(file, index=False)
    with pytest.raises(DataNotFound):
        load("amazon", None)
    monkeypatch.setenv(DATA_VARIABLE, str(other))
    assert len(load("amazon", None).y) == 20
    (other / "train.csv").unlink()
    assert len(load("amazon", None).y) == 12
    assert len(load("amazon", given).y) == 16
    assert len(load("amazon", tmp_path / "nowhere").y) == 12


def test_a_missing_file_says_what_where_and_whence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(DATA_VARIABLE, str(tmp_path / "b"))
    with pytest.raises(DataNotFound) as missing:
        build_problem({"loss": "logistic", "dataset": "amazon"}, 3, 0, tmp_path / "a")
    message = str(missing.value)
    for part in (
        "amazon",
        "train.csv",
        str(tmp_path / "a"),
        str(tmp_path / "b" / "datasets"),
        "kaggle.com",
        DATA_VARIABLE,
    ):
        assert part in message


@pytest.mark.parametrize(
    ("name", "file", "text", "says"),
    [
        ("amazon", "train.csv", "a,b\n1,2\n", "no column ACTION"),
        ("amazon", "train.csv", "", "cannot be read"),
        ("amazon", "train.csv.gz", "not gzip", "cannot be read"),
        ("covertype", "covtype.data", "1,2\n", "2 columns"),
        ("kc_housing", "kc_house_data.csv", "price\n1\n", "no column bedrooms"),
        ("kc_housing", "house_prices.parquet", "not parquet", "cannot be read"),
    ],
)
def test_a_wrong_file_is_refused_by_name(
    tmp_path: Path, name: str, file: str, text: str, says: str
) -> None:
    (tmp_path / file).write_text(text)
    with pytest.raises(InvalidParameter, match=says) as refused:
        load(name, tmp_path)
    assert file in str(refused.value)


def test_empty_cells_are_refused(tmp_path: Path) -> None:
    table = amazon_table().astype(float)
    table.loc[3, "MGR_ID"] = np.nan
    table.to_csv(tmp_path / "train.csv", index=False)
    with pytest.raises(InvalidParameter, match="empty cells in MGR_ID"):
        load("amazon", tmp_path)


@pytest.mark.skipif(
    not os.environ.get(DATA_VARIABLE), reason=f"needs the real files; set {DATA_VARIABLE}"
)
@pytest.mark.parametrize(
    ("name", "shapes"),
    [
        ("amazon", {(26_215, 241_915)}),
        ("covertype", {(396_112, 15_509), (63_377, 13_983)}),
        ("kc_housing", {(17_290, 27_654)}),
    ],
)
def test_real_files_have_the_shapes_of_the_authors(name: str, shapes: set[tuple[int, int]]) -> None:
    """Covertype has two: the whole file, and a 16 % sample of it."""
    try:
        data = load(name, REAL_DATA)
    except DataNotFound as missing:
        pytest.skip(str(missing))
    assert data.X.shape in shapes
    assert data.X_test is not None
    assert data.X_test.shape[1] == data.X.shape[1]


REAL_DATA = Path(os.environ.get(DATA_VARIABLE) or ".")
