"""What a data set is, and what a family of data sets (the thing a config names) must offer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
from pydantic import ConfigDict

from ...types import FloatArray
from ..base import Task
from ..matrices import Matrix

STRICT = ConfigDict(extra="forbid")
"""Every data set family is a pydantic dataclass with this setting: an unknown field is an error."""


@dataclass(frozen=True, eq=False)
class Dataset:
    """Plain arrays, ready for a problem.

    Attributes:
        task: what kind of target ``y`` is.
        X: ``(N, p)`` training rows, in the order that partitions are cut from.
        y: ``(N,)`` targets; -1 and +1 for classification.
        X_test: ``(M, p)`` test rows, or ``None``.
        y_test: ``(M,)`` test targets, or ``None``.
        initial: ``(p,)`` the start that the data set brings with it, or ``None``.
    """

    task: Task
    X: Matrix
    y: FloatArray
    X_test: Matrix | None = None
    y_test: FloatArray | None = None
    initial: FloatArray | None = None


class DatasetFamily(ABC):
    """A data set as the config names it; abstract. Subclasses are frozen pydantic dataclasses."""

    name: ClassVar[str]
    """The registry name."""

    def file(self, data_dir: Path | None) -> Path | None:
        """The file that ``load`` reads, or ``None`` for data that need none.

        Raises:
            DataNotFound: it is not there.
        """
        return None

    @property
    def entries(self) -> int | None:
        """Numbers in the arrays, where the fields say it; ``None``: only reading them tells."""
        return None

    @abstractmethod
    def load(self, task: Task, rng: np.random.Generator, data_dir: Path | None) -> Dataset:
        """Return the arrays.

        Args:
            task: what the loss asks for; a family that has only the other kind ignores it, and
                the caller refuses the pair.
            rng: for families that draw their data; a function of the run's seed alone.
            data_dir: where the user keeps data files, or ``None``.

        Raises:
            DataNotFound: a file that users bring themselves is not there.
            InvalidParameter: a file or a field cannot be used.
        """
