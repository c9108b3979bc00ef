"""From the ``problem`` section of a config to a problem and its start.

The section is one flat mapping: the fields of ``ProblemSettings`` and, beside them, the fields of
the data set that it names.

Randomness: data, start and shuffle draw from ``SeedSequence(seed, spawn_key=(2**32 - 1, s))`` with
s = 0, 1, 2. The tapes of delays use longer keys, so nothing else reads these streams, and none of
them depends on the scheme or on the replication.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from annotated_types import Ge
from pydantic import AllowInfNan
from pydantic.dataclasses import dataclass

from ..errors import InvalidParameter
from ..types import FloatArray
from .base import Problem
from .datasets.base import STRICT, Dataset, DatasetFamily
from .losses import LOSSES

DATA_STREAM, START_STREAM, SHUFFLE_STREAM = range(3)


@dataclass(frozen=True, config=STRICT)
class ProblemSettings:
    """The fields that every problem has, with any data set.

    Args:
        loss: a name in ``LOSSES``.
        dataset: a name in ``DATASETS``.
        l2: coefficient of ``||beta||^2``; ``1/rows`` is one over the number of training rows, the
            value of the authors' experiments.
        initial: the start, the same for every scheme and replication: zeros, or standard normal
            draws. A data set that brings its own start uses that one.
        shuffle: permute the training rows before they are cut into partitions.
    """

    loss: str
    dataset: str
    l2: Annotated[float, Ge(0), AllowInfNan(False)] | Literal["1/rows"] = 0.0
    initial: Literal["zeros", "normal"] = "zeros"
    shuffle: bool = False


@dataclasses.dataclass(frozen=True)
class ProblemConfig:
    """A checked ``problem`` section; nothing is loaded yet.

    Attributes:
        settings: what every problem has.
        family: the data set with its own fields.
        losses: the losses by name.
    """

    settings: ProblemSettings
    family: DatasetFamily
    losses: Mapping[str, type[Problem]] = dataclasses.field(
        default_factory=lambda: LOSSES, compare=False
    )

    def build(
        self, partitions: int, seed: int, data_dir: Path | None = None
    ) -> tuple[Problem, FloatArray]:
        """Load the data; return the problem and the start ``(p,)``.

        Args:
            partitions: k.
            seed: the run's seed.
            data_dir: where the user keeps data files, or ``None``.

        Raises:
            DataNotFound: a file that users bring themselves is not there.
            InvalidParameter: fields, data and number of partitions do not fit each other.
        """
        settings = self.settings
        loss = self.losses[settings.loss]
        data = self.family.load(loss.task, _generator(seed, DATA_STREAM), data_dir)
        if data.task != loss.task:
            valid = ", ".join(
                name for name, other in self.losses.items() if other.task == data.task
            )
            raise InvalidParameter(
                "loss", settings.loss, f"dataset {settings.dataset} is for {data.task}: {valid}"
            )
        if settings.shuffle:
            order = _generator(seed, SHUFFLE_STREAM).permutation(len(data.y))
            data = replace(data, X=data.X[order], y=data.y[order])
        l2 = 1 / len(data.y) if settings.l2 == "1/rows" else settings.l2
        problem = loss(data.X, data.y, partitions, l2, data.X_test, data.y_test)
        return problem, self._start(data, seed)

    def _start(self, data: Dataset, seed: int) -> FloatArray:
        if data.initial is not None:
            if self.settings.initial != "zeros":
                valid = f"leave it out: dataset {self.settings.dataset} brings its own start"
                raise InvalidParameter("initial", self.settings.initial, valid)
            return data.initial
        if self.settings.initial == "normal":
            features = int(data.X.shape[1])
            return _generator(seed, START_STREAM).standard_normal(features)
        return np.zeros(data.X.shape[1])


def _generator(seed: int, stream: int) -> np.random.Generator:
    key = (2**32 - 1, stream)
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=key)))
