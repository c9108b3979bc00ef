"""Data sets, included and brought."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import OneHotEncoder

from erasurehead.plugins import Dataset, InvalidParameter
from erasurehead.problems import DATASETS, Synthetic
from erasurehead.sim.base.errors import DataNotFound
from erasurehead.sim.training.problems.datasets.base import interactions, one_hot
from erasurehead.sim.training.problems.datasets.brought import (
    AMAZON_COLUMNS,
    DATA_VARIABLE,
    KC_COLUMNS,
)
from tests.sim.training.test_build import build_problem

# Data sets that need no file, and the encodings, on small generated tables.


def test_one_hot_agrees_with_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    table = rng.integers(0, 7, (40, 5)) * np.array([1, -3, 10, 1000, 0])
    expected = OneHotEncoder().fit_transform(table).toarray()
    np.testing.assert_array_equal(one_hot(list(table.T)).toarray(), expected)


def test_synthetic_rows_know_their_size_before_they_are_drawn() -> None:
    """Features, a label and a side of every row, and the model."""
    assert Synthetic(rows=8, features=3, test_rows=2).entries == 10 * 3 + 10 + 10 + 3
    assert Synthetic(rows=8, features=3).entries == 10 * 3 + 10 + 10 + 3


def test_an_interaction_is_one_value_per_pair_of_values() -> None:
    rng = np.random.default_rng(1)
    columns = [rng.integers(0, 5, 60) * scale for scale in (1, 7, -2)]
    pairs = interactions(list(columns), skip=frozenset({(0, 2)}))
    assert len(pairs) == 2
    for combined, (i, j) in zip(pairs, [(0, 1), (1, 2)], strict=True):
        table = np.column_stack([np.asarray(combined), columns[i], columns[j]])
        triples = set(map(tuple, table.tolist()))
        assert len(triples) == len({t[0] for t in triples}) == len({t[1:] for t in triples})


def synthetic(task: str, seed: int = 0, rows: int = 4000, features: int = 9):
    family = Synthetic(rows=rows, features=features)
    data = family.load(task, np.random.default_rng(seed), None)
    model = np.random.default_rng(seed).choice([-1.0, 1.0], size=features)
    return data, model


def test_synthetic_labels_follow_the_logistic_model() -> None:
    """z of the labels against their stated chances, and of a wrong sign as a counter-check."""
    data, model = synthetic("classification")
    chance = expit(data.X @ model)

    def z(p: np.ndarray) -> float:
        return float(np.sum((data.y > 0) - p) / np.sqrt(np.sum(p * (1 - p))))

    residual = (data.y > 0) - chance
    slope = float(np.sum(residual * (data.X @ model)))
    spread = np.sqrt(np.sum(chance * (1 - chance) * (data.X @ model) ** 2))
    assert abs(z(chance)) < 5
    assert abs(slope / spread) < 5
    assert set(np.unique(data.y)) == {-1.0, 1.0}


def test_synthetic_rows_are_the_stated_mixture() -> None:
    """x.beta* has mean 0, variance 100 + 15^2/p, and a mixture's negative excess kurtosis."""
    data, model = synthetic("classification", rows=40_000)
    m = np.asarray(data.X @ model)
    p = model.size
    mean = 10 / np.sqrt(p) * 1.5
    assert abs(m.mean()) < 5 * m.std() / np.sqrt(m.size)
    fourth = 3 * 100.0**2 + 6 * 100 * mean**2 + mean**4
    variance = 100 + mean**2
    error = np.sqrt((fourth - variance**2) / m.size)
    assert abs(np.mean(m**2) - variance) < 5 * error
    one = np.asarray(data.X[:, 0])
    assert abs(one.var() / (100 / p + (mean / p) ** 2) - 1) < 5 * np.sqrt(2 / m.size)


def test_synthetic_regression_adds_unit_noise() -> None:
    data, model = synthetic("regression", rows=4000)
    noise = data.y - data.X @ model
    assert abs(noise.mean()) < 5 / np.sqrt(noise.size)
    assert abs(noise.var() - 1) < 5 * np.sqrt(2 / noise.size)


def test_synthetic_is_a_function_of_its_seed() -> None:
    first, second, other = (synthetic("classification", seed)[0] for seed in (3, 3, 4))
    assert first.X.tobytes() == second.X.tobytes()
    assert first.y.tobytes() == second.y.tobytes()
    assert not np.array_equal(first.X, other.X)


def test_synthetic_test_rows() -> None:
    rng = np.random.default_rng(0)
    assert Synthetic(rows=10, features=2).load("regression", rng, None).X_test.shape == (2, 2)
    assert Synthetic(rows=10, features=2, test_rows=0).load("regression", rng, None).X_test is None
    seven = Synthetic(rows=10, features=2, test_rows=7).load("regression", rng, None)
    assert seven.X_test.shape == (7, 2)
    assert seven.y_test.shape == (7,)


@pytest.mark.parametrize(
    ("name", "shape", "task"),
    [("breast_cancer", (455, 31), "classification"), ("diabetes", (353, 11), "regression")],
)
def test_embedded_data_are_standardised_with_the_training_rows(name, shape, task):
    data = DATASETS[name]().load(task, np.random.default_rng(0), None)
    assert data.task == task
    assert data.X.shape == shape
    np.testing.assert_allclose(data.X[:, :-1].mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(data.X[:, :-1].std(axis=0), 1, rtol=1e-12)
    assert np.all(data.X[:, -1] == 1)
    assert np.all(data.X_test[:, -1] == 1)
    assert not np.allclose(data.X_test[:, :-1].mean(axis=0), 0, atol=1e-6)
    if task == "classification":
        assert set(np.unique(data.y)) == {-1.0, 1.0}
    else:
        assert np.mean(data.y**2) == pytest.approx(1)


# Loaders of files that users bring: small generated files, and the real ones where they are.


TASKS = {"amazon": "classification", "covertype": "classification", "kc_housing": "regression"}


@pytest.fixture(autouse=True)
def no_data_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(DATA_VARIABLE, raising=False)


def load(name: str, data_dir: Path | None) -> Dataset:
    return DATASETS[name]().load(TASKS[name], np.random.default_rng(0), data_dir)


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


def test_a_missing_file_says_what_where_and_whence(tmp_path, monkeypatch):
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
        (
            "covertype",
            "covtype.data",
            "1," * 53 + "x,2\n",
            "other things than numbers in column 53",
        ),
        ("covertype", "covtype.data", "1," * 54 + "\n", "empty cells in Cover_Type"),
        ("covertype", "covtype.csv", ",".join(map(str, range(55))), "no column Cover_Type"),
        ("kc_housing", "kc_house_data.csv", "price\n1\n", "no column bedrooms"),
        ("kc_housing", "house_prices.parquet", "not parquet", "cannot be read"),
    ],
)
def test_a_wrong_file_is_refused_by_name(tmp_path, name, file, text, says):
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


@pytest.mark.parametrize(
    ("lost", "said"),
    [
        (1, "has no column RESOURCE; is it"),
        (5, "ROLE_DEPTNAME; is it"),
        (6, "ROLE_DEPTNAME, ...; is it"),
    ],
)
def test_five_columns_that_are_missing_are_named(lost: int, said: str, tmp_path: Path) -> None:
    amazon_table().drop(columns=AMAZON_COLUMNS[:lost]).to_csv(tmp_path / "train.csv", index=False)
    with pytest.raises(InvalidParameter) as refused:
        load("amazon", tmp_path)
    assert said in str(refused.value)


def test_the_first_row_with_an_empty_cell_is_named(tmp_path: Path) -> None:
    """Counted from 1, below the header; and a text among numbers is refused as well."""
    table = amazon_table().astype(float)
    table.loc[[3, 5], "MGR_ID"] = np.nan
    table.to_csv(tmp_path / "train.csv", index=False)
    with pytest.raises(InvalidParameter, match="the first in row 4; was the download cut short"):
        load("amazon", tmp_path)
    words = amazon_table().astype(object)
    words.loc[2, "ROLE_CODE"] = "none of them"
    words.to_csv(tmp_path / "train.csv", index=False)
    with pytest.raises(InvalidParameter, match="other things than numbers in column ROLE_CODE"):
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
    assert data.X_test.shape[1] == data.X.shape[1]


REAL_DATA = Path(os.environ.get(DATA_VARIABLE) or ".")


def test_the_digits_are_those_of_scikit_learn() -> None:
    """Read and cut without importing it."""
    X, y = load_digits(return_X_y=True)
    digits = DATASETS["digits"]().load("classes", np.random.default_rng(0), None)
    cut = train_test_split(X / 16.0, y, test_size=0.2, random_state=0)
    for ours, theirs in zip((digits.X, digits.X_test, digits.y, digits.y_test), cut, strict=True):
        np.testing.assert_array_equal(ours, theirs)
