"""Data from a user's own NPZ file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, ClassVar, final

import numpy as np
from annotated_types import Ge
from pydantic.dataclasses import dataclass
from typing_extensions import override

from ...errors import InvalidParameter
from ...files import MOST_CELLS, UnusableFile, floats, read_npz
from ...types import FloatArray
from ..base import Task
from .base import STRICT, Dataset, DatasetFamily

ARRAYS = {"X": 2, "y": 1, "X_test": 2, "y_test": 1, "initial": 1}
"""The arrays that a file may hold and their number of dimensions; X and y are required."""


@final
@dataclass(frozen=True, config=STRICT)
class File(DatasetFamily):
    """Arrays X, y and optionally X_test, y_test, initial (the start) of an NPZ file.

    For classification, labels are -1 and +1; 0 and 1 are read as -1 and +1.

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
        if initial is not None:
            self._require_shape("initial", initial, (X.shape[1],))
        if task == "classification":
            y, y_test = self._signs(y, y_test)
        return Dataset(task, X, y, X_test, y_test, initial)

    def _read(self) -> dict[str, FloatArray]:
        def choose(names: list[str]) -> list[str]:
            return [name for name in ARRAYS if name in names]

        try:
            found = read_npz(Path(self.path), choose, self.most_cells)
        except UnusableFile as error:
            raise self._invalid(str(error)) from error
        for name in ("X", "y"):
            if name not in found:
                raise self._invalid(f"holds no array {name}")
        return {name: self._numbers(name, array) for name, array in found.items()}

    def _numbers(self, name: str, array: np.ndarray) -> FloatArray:
        if array.ndim != ARRAYS[name] or array.dtype.kind not in "fiub" or array.size == 0:
            raise self._invalid(
                f"array {name} has shape {array.shape} and type {array.dtype}; "
                f"valid: a {ARRAYS[name]}-dimensional array of numbers, not empty"
            )
        numbers = np.ascontiguousarray(floats(array))
        if not np.isfinite(numbers).all():
            where = tuple(int(i) for i in np.argwhere(~np.isfinite(numbers))[0])
            raise self._invalid(f"array {name} is not finite at {where}")
        return numbers

    def _require_shape(self, name: str, array: FloatArray, shape: tuple[int, ...]) -> None:
        if array.shape != shape:
            raise self._invalid(f"array {name} has shape {array.shape}; valid: {shape}")

    def _signs(
        self, y: FloatArray, y_test: FloatArray | None
    ) -> tuple[FloatArray, FloatArray | None]:
        labels = np.unique(y if y_test is None else np.concatenate([y, y_test]))
        if np.isin(labels, (-1.0, 1.0)).all():
            return y, y_test
        if np.isin(labels, (0.0, 1.0)).all():
            return 2 * y - 1, None if y_test is None else 2 * y_test - 1
        raise self._invalid(
            f"labels are {labels[:5].tolist()}; valid for logistic loss: -1 and +1, or 0 and 1"
        )

    def _invalid(self, defect: str) -> InvalidParameter:
        return InvalidParameter("path", self.path, defect)
