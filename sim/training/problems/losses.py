"""The losses, and a problem from the ``problem`` section of a config."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from functools import cached_property, partial
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self, TypeVar, final

import numpy as np
from annotated_types import Ge
from pydantic import AllowInfNan
from pydantic.dataclasses import dataclass
from typing_extensions import override

from ...base.errors import InvalidParameter
from ...base.fields import STRICT
from ...base.numerics import generator
from ...base.types import BoolArray, FloatArray
from .base import Problem, product
from .datasets.base import DatasetFamily
from .network import Mlp, Softmax, Start
from .objective import Csr, Objective, Task
from .own_model import OwnModel

LossT = TypeVar("LossT", bound=Objective)


# To add a loss: a final subclass of ``Problem`` and a line in ``LOSSES``.
@final
@dataclasses.dataclass(frozen=True, eq=False)
class LeastSquares(Problem):
    """Mean of (y - x.beta)^2, without a factor of one half."""

    task: ClassVar[Task] = "regression"

    @override
    def row_losses(self, margins: FloatArray, targets: FloatArray) -> FloatArray:
        return self.losses_and_slopes(margins, targets, None)

    @override
    def row_slopes(self, margins: FloatArray, targets: FloatArray) -> FloatArray:
        """The derivative 2 (x.beta - y)."""
        residuals = margins - targets[:, None]
        residuals *= 2.0
        return residuals

    @override
    def losses_and_slopes(
        self, margins: FloatArray, targets: FloatArray, slopes: FloatArray | None
    ) -> FloatArray:
        residuals = margins - targets[:, None]
        if slopes is not None:
            np.multiply(residuals, 2.0, out=slopes)
        return np.square(residuals, out=residuals)


LARGEST_EXPONENT = 709.0  # its exponential is finite
MOST_TURNED = 2**20  # numbers of training data that are copied: 8 MiB


def _capped(exponents: FloatArray) -> FloatArray:
    """At most the largest; the array itself where none is larger, nor NaN."""
    fit = exponents.max() <= LARGEST_EXPONENT
    return exponents if fit else np.minimum(exponents, LARGEST_EXPONENT)


@final
@dataclasses.dataclass(frozen=True, eq=False)
class Logistic(Problem):
    """Mean of log(1 + exp(-y x.beta)) with y = -1 or +1; finite for margins of any size."""

    task: ClassVar[Task] = "classification"

    @override
    def __post_init__(self) -> None:
        super().__post_init__()
        for name, labels in (("y", self.y), ("y_test", self.y_test)):
            if labels is not None and not np.isin(labels, (-1.0, 1.0)).all():
                examples = np.unique(labels)[:5].tolist()
                raise InvalidParameter(name, examples, "logistic loss needs labels -1 and +1")

    @override
    def row_losses(self, margins: FloatArray, targets: FloatArray) -> FloatArray:
        return self.losses_and_slopes(margins, targets, None)

    @override
    def row_slopes(self, margins: FloatArray, targets: FloatArray) -> FloatArray:
        """-y exp(v) / (1 + exp(v)) with v = -y x.beta."""
        slopes = np.exp(_capped(self._turned(margins, targets)))
        slopes /= slopes + 1.0
        return self._turned(slopes, targets)

    @override
    def losses_and_slopes(
        self, margins: FloatArray, targets: FloatArray, slopes: FloatArray | None
    ) -> FloatArray:
        """log(1 + exp(v)), and the slopes from the same exponentials."""
        signed = self._turned(margins, targets)
        capped = _capped(signed)
        exponentials = np.exp(capped, out=slopes)
        losses = np.log1p(exponentials)
        if capped is not signed:
            losses += np.maximum(signed - LARGEST_EXPONENT, 0.0)
        if slopes is not None:
            slopes /= slopes + 1.0
            if not self._one_class:
                slopes *= -targets[:, None]
        return losses

    def _turned(self, values: FloatArray, targets: FloatArray) -> FloatArray:
        """-y times ``(..., N, R)`` values."""
        return values if self._one_class else values * -targets[:, None]

    @cached_property
    def _one_class(self) -> bool:
        """Whether every y is -1."""
        return bool(self._targets.max() < 0)

    @override
    def merged(self, initial: FloatArray) -> tuple[Self, FloatArray, Csr | None]:
        """And small dense data with the signs of rows of class +1 turned, which makes them rows of
        class -1 with the same loss: then no margin and no slope needs a sign."""
        problem, start, basis = super().merged(initial)
        if isinstance(problem.X, np.ndarray) and problem.X.size <= MOST_TURNED:
            turned: dict[str, Any] = {}
            for X, y in (("X", "y"), ("X_test", "y_test")):
                if (labels := getattr(problem, y)) is not None:
                    turned[X] = getattr(problem, X) * -labels[:, None]
                    turned[y] = np.full(len(labels), -1.0)
            problem = dataclasses.replace(problem, **turned)
        return problem, start, basis

    @override
    def test_auc(self, beta: FloatArray) -> FloatArray | None:
        """NaN for a model that has diverged; ``None`` unless both classes are in the test set."""
        if self.X_test is None or self.y_test is None or np.unique(self.y_test).size < 2:
            return None
        positive, scores = self.y_test > 0, product(self.X_test, beta)
        return np.array([area_under_curve(positive, column) for column in scores.T])


def area_under_curve(positive: BoolArray, scores: FloatArray) -> float:
    """Area under the ROC curve, the trapezoids between its corners added up; NaN unless every
    ``(M,)`` score is finite. ``positive`` says which rows are of class +1: some, and not all. These
    are the sums of scikit-learn's ``roc_auc_score``, to the bit, without the millisecond or two
    that it takes to look at its arguments."""
    if not np.isfinite(scores).all():
        return np.nan
    order = np.argsort(scores)[::-1]
    ranked = scores[order]
    ends = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True))  # equal scores count at once
    hits = np.cumsum(positive[order])[ends]
    misses = ends + 1 - hits
    corner = np.ones(ends.size, dtype=np.bool_)
    corner[1:-1] = (np.diff(hits, 2) != 0) | (np.diff(misses, 2) != 0)
    height = np.append(0, hits[corner]) / hits[-1]
    width = np.diff(np.append(0, misses[corner]) / misses[-1])
    return float((width * (height[1:] + height[:-1]) / 2.0).sum())


LOSSES: dict[str, type[Objective]] = {
    "logistic": Logistic,
    "least_squares": LeastSquares,
    "softmax": Softmax,
    "mlp": Mlp,
    "model": OwnModel,
}


# Data, start and shuffle draw from ``SeedSequence(seed, spawn_key=(2**32 - 1, s))`` with s = 0, 1,
# 2. The tapes of delays use longer keys, so nothing else reads these streams, and none of them
# depends on the scheme or on the replication.
DATA_STREAM, START_STREAM, SHUFFLE_STREAM = range(3)


@dataclass(frozen=True, config=STRICT)
class ProblemSettings:
    """The fields of a config's ``problem`` section that do not depend on the data set.

    The section is flat: beside these fields stand those of the data set that it names.

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
    """A checked ``problem`` section; nothing is loaded yet."""

    settings: ProblemSettings  # what every problem has
    family: DatasetFamily  # the data set with its own fields
    own: Any = None  # the loss's own fields, if it has any
    losses: Mapping[str, type[Objective]] = dataclasses.field(
        default_factory=lambda: LOSSES, compare=False
    )

    def build(
        self, partitions: int, seed: int, data_dir: Path | None = None
    ) -> tuple[Objective, FloatArray]:
        """Load the data, from ``data_dir`` where the user keeps files; return the problem and the
        start ``(p,)``. Raises ``DataNotFound``: a file that users bring themselves is not there;
        ``InvalidParameter``: fields, data and number of partitions do not fit each other."""
        settings, own = self.settings, {} if self.own is None else dict(vars(self.own))
        return from_dataset(
            self.losses[settings.loss],
            self.family,
            l2=settings.l2,
            start=own.pop("start", None) or settings.initial,
            shuffle=settings.shuffle,
            partitions=partitions,
            seed=seed,
            data_dir=data_dir,
            **own,
        )


def from_dataset(
    loss: type[LossT],
    dataset: DatasetFamily,
    *,
    l2: float | Literal["1/rows"] = 0.0,
    start: Literal["zeros", "normal"] | Start = "zeros",
    shuffle: bool = False,
    partitions: int = 1,
    seed: int = 0,
    data_dir: Path | None = None,
    **own: Any,
) -> tuple[LossT, FloatArray]:
    """Load a data set, from ``data_dir`` where the user keeps files: the problem, and the start
    ``(P,)``. The other arguments are those of a config's ``problem`` section (``start`` is its
    ``initial``, and a network begins at its own draws in place of zeros), ``own`` are the loss's
    fields, and the seed is the run's. Raises ``DataNotFound``: a file that users bring themselves
    is not there; ``InvalidParameter``: what is given does not fit together."""
    draws = partial(generator, seed, 2**32 - 1)
    task: Task = "regression" if own.get("targets") == "numbers" else loss.task
    data = dataset.load(task, draws(DATA_STREAM), data_dir)
    if data.task == "classification" and task == "classes":
        y_test = None if data.y_test is None else (data.y_test + 1) / 2
        data = dataclasses.replace(data, task="classes", y=(data.y + 1) / 2, y_test=y_test)
    if data.task != task and "targets" in own:
        wanted = "numbers" if data.task == "regression" else "classes"
        valid = f"must be {wanted}: dataset {dataset.name} is for {data.task}"
        raise InvalidParameter("targets", own["targets"], valid)
    if data.task != task:
        alike = (data.task, "classes" if data.task == "classification" else data.task)
        fits = [n for n, other in LOSSES.items() if other.task in alike and n != "model"]
        valid = f"dataset {dataset.name} is for {data.task}: {', '.join(fits)}"
        names = (name for name, other in LOSSES.items() if other is loss)
        raise InvalidParameter("loss", next(names, getattr(loss, "name", loss.__name__)), valid)
    if shuffle:
        order = draws(SHUFFLE_STREAM).permutation(len(data.y))
        data = dataclasses.replace(data, X=data.X[order], y=data.y[order])
    problem = loss(
        data.X,
        data.y,
        partitions=partitions,
        l2=1 / len(data.y) if l2 == "1/rows" else l2,
        X_test=data.X_test,
        y_test=data.y_test,
        **own,
    )
    if data.initial is not None:
        if start != "zeros":
            valid = f"leave it out: dataset {dataset.name} brings its own start"
            raise InvalidParameter("initial", start, valid)
        if data.initial.shape != (problem.parameters,):
            valid = f"its shape must be ({problem.parameters},), a number for each parameter"
            raise InvalidParameter("initial", data.initial.shape, valid)
        return problem, data.initial
    if start == "normal":
        return problem, draws(START_STREAM).standard_normal(problem.parameters)
    if isinstance(start, Start):
        return problem, problem.start_of(start.seed, generator(start.seed, START_STREAM))
    return problem, problem.start(draws(START_STREAM))
