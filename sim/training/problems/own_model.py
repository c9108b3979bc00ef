"""A user's own model: a Python file with functions of JAX, or a module of PyTorch.

    def init(seed, features, classes): ...         # parameters, any tree of arrays
    def row_losses(parameters, X, y): ...          # (rows,), differentiable
    def accuracy(parameters, X, y): ...            # (rows,) of 0 and 1; optional

or, with PyTorch, ``module(features, classes)``, ``row_losses(outputs, y)`` and perhaps
``accuracy(outputs, y)``. Weighted sums, gradients, replications side by side, float64 and the order
of the parameters are ours: a model is a vector of P numbers, as the learner knows it."""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.metadata
from collections.abc import Callable
from contextlib import suppress
from functools import cached_property, lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar, Literal, final

import numpy as np
from pydantic.dataclasses import dataclass
from typing_extensions import override

from ...base.errors import InvalidParameter
from ...base.fields import STRICT
from ...base.files import UnusableFile, require_regular
from ...base.looking import is_looking
from ...base.types import FloatArray
from .functions import Functions, wrong
from .network import Start
from .objective import Objective, Task, as_rows, scores

EXTRAS = {"jax": 'pip install "erasurehead-simulator[jax]"', "torch": "pip install torch"}
MOST_PARAMETERS = 10**8  # of a model: 0.8 GB


@dataclass(frozen=True, config=STRICT, kw_only=True)
class ModelFields:
    """What a config says of a model of the user's own, in place of a loss.

    Args:
        model: a Python file: ``init`` and ``row_losses`` of JAX, or ``module`` and ``row_losses``
            of PyTorch.
        targets: what ``y`` is: the numbers of ``classes`` from 0, or ``numbers``.
        start: ``{seed: ...}``: of ``init``, the same for every scheme and replication; default from
            the run's seed.
    """

    model: str
    targets: Literal["classes", "numbers"] = "classes"
    start: Start | None = None

    @property
    def file(self) -> Path:
        """The file, whose bytes are part of a cell's key."""
        return Path(self.model)

    def versions(self) -> list[str]:
        """Of the libraries that compute it, which are part of a cell's key, too."""
        versions = []
        for name in ("jax", "jaxlib", "torch"):
            with suppress(importlib.metadata.PackageNotFoundError):
                versions.append(f"{name} {importlib.metadata.version(name)}")
        return versions


# To add a framework: a class with these functions, and a line in ``functions_of``.
@final
@dataclasses.dataclass(frozen=True, eq=False)
class OwnModel(Objective):
    """A model that a Python file defines, and its loss.

    Raises ``InvalidParameter``: the file, or what its functions return, cannot be used."""

    task: ClassVar[Task] = "classes"
    fields: ClassVar[type[Any] | None] = ModelFields
    compiles: ClassVar[bool] = True
    _: dataclasses.KW_ONLY
    model: str
    targets: Literal["classes", "numbers"] = "classes"
    classes: int = 0  # 0: as many as the largest label says; none for numbers

    @override
    def __post_init__(self) -> None:
        super().__post_init__()
        self.require_dense("a model")
        if self.targets == "classes":
            object.__setattr__(self, "classes", self.count_classes(self.classes, 1))
        self._functions  # noqa: B018  so that a bad file is refused before anything runs

    def __getstate__(self) -> dict[str, Any]:
        """Its fields: another process reads the file again."""
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}

    @cached_property
    def _functions(self) -> Functions:
        if is_looking():
            raise wrong(self.model, "is code, which is not run to look at a result")
        try:
            require_regular(Path(self.model))
            content = Path(self.model).read_bytes()
        except UnusableFile as error:
            raise wrong(self.model, str(error)) from None
        except OSError as error:
            raise wrong(self.model, f"cannot be read: {error.strerror}") from None
        return functions_of(self.model, content, self.features, self.classes)

    @property
    @override
    def parameters(self) -> int:
        """Numbers in what ``init`` returns."""
        return self._functions.parameters

    @override
    def start(self, rng: np.random.Generator) -> FloatArray:
        """Raises InvalidParameter: what the functions return there cannot be trained."""
        return self.start_of(int(rng.integers(2**31)), rng)

    @override
    def start_of(self, seed: int, rng: np.random.Generator) -> FloatArray:
        """``init`` with this seed; as ``start``."""
        rows, functions = min(self.rows // 2 * 2, 8) or 1, self._functions
        if not functions.good:
            X, y = np.asarray(self.X[:rows]), self._labels(self.y[:rows])
            _require_good(self.model, functions, X, y)
            functions.good = True
        return functions.start(seed)

    @override
    def mean_loss(self, X: Any, y: FloatArray, beta: FloatArray) -> FloatArray:
        return self._scored(X, y, beta)[0]

    @override
    def test_accuracy(self, beta: FloatArray) -> FloatArray | None:
        return self.tested(beta)[1]

    @override
    def tested(self, beta: FloatArray) -> tuple[FloatArray | None, FloatArray | None]:
        if self.X_test is None or self.y_test is None:
            return None, None
        loss, right = self._scored(self.X_test, self.y_test, beta)
        if not self._functions.judges:
            return loss, None
        return loss, np.where(np.isfinite(loss), right, np.nan)

    @override
    def summed_gradient(
        self, X: Any, y: FloatArray, beta: FloatArray, weights: FloatArray | None = None
    ) -> FloatArray:
        return self._passed(X, y, beta, weights)[1]

    @override
    def scores_and_gradient_at(
        self, at: FloatArray, beta: FloatArray, weights: FloatArray | None = None
    ) -> tuple[FloatArray, FloatArray]:
        losses, gradient = self._passed(self.X, self.y, at, self._row_weights(weights))
        return scores(losses / self.rows, *self.tested(beta)), gradient / self.rows

    def _scored(self, X: Any, y: FloatArray, beta: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Mean losses, and the share of the rows that are right: ``(..., R)`` each."""

        def of(models: FloatArray, _: slice) -> FloatArray:
            return np.asarray(self._functions.scored(models, X, self._labels(y))).T

        both = self._each(of, beta, len(y), 2) / len(y)
        return both[..., 0], both[..., 1]

    def _passed(
        self, X: Any, y: FloatArray, beta: FloatArray, weights: FloatArray | None
    ) -> tuple[FloatArray, FloatArray]:
        """Summed losses ``(..., R)`` and their weighted gradient ``(..., P, R)``."""
        lead, count = beta.shape[:-2], beta.shape[-1]
        every = np.ones((count, len(y))) if weights is None else weights
        every = np.tile(every, (int(np.prod(lead)), 1))

        def of(models: FloatArray, some: slice) -> FloatArray:
            w = np.resize(every[some], (len(models), len(y)))
            losses, gradients = self._functions.gradients(models, X, self._labels(y), w)
            return np.column_stack([losses, gradients])

        both = self._each(of, beta, len(y), 1 + self.parameters)
        return both[..., 0], np.ascontiguousarray(both[..., 1:].swapaxes(-1, -2))

    def _labels(self, y: FloatArray) -> Any:
        return y.astype(np.int64) if self.targets == "classes" else y

    def _each(
        self, of: Callable[[FloatArray, slice], FloatArray], beta: FloatArray, rows: int, size: int
    ) -> FloatArray:
        """A function of some models at a time. A library compiles it for each number of models: so
        there are powers of two alone, and the last model stands in for those that lack."""
        models = as_rows(beta)
        results = np.empty((len(models), size))
        step = 2 ** (max(1, 2**20 // rows).bit_length() - 1)  # so many rows of models at once
        for first in range(0, len(models), step):
            some = slice(first, min(first + step, len(models)))
            group = models[some]
            lacking = 2 ** (len(group) - 1).bit_length() - len(group)
            padded = np.concatenate([group, np.repeat(group[-1:], lacking, axis=0)])
            results[some] = of(padded, some)[: len(group)]
        return results.reshape(*beta.shape[:-2], beta.shape[-1], size)


@lru_cache(maxsize=8)
def functions_of(path: str, content: bytes, features: int, classes: int) -> Functions:
    """The functions of a file with this content; remembered, since the cells of a run share
    what was compiled. Raises InvalidParameter: it cannot be run, or lacks a function."""
    module = ModuleType(f"erasurehead_model_{hashlib.sha256(content).hexdigest()[:16]}")
    module.__file__ = path
    try:
        exec(compile(content, path, "exec", dont_inherit=True), module.__dict__)
    except Exception as error:
        if isinstance(error, ModuleNotFoundError) and error.name in EXTRAS:
            raise _lacking(path, error.name) from None
        raise wrong(path, f"raises {type(error).__name__}: {error}") from None
    if not callable(getattr(module, "row_losses", None)):
        raise wrong(path, "defines no function row_losses; valid: row_losses(parameters, X, y)")
    with_jax, with_torch = (callable(getattr(module, name, None)) for name in ("init", "module"))
    if with_jax == with_torch:
        text = "defines both init and module" if with_jax else "defines neither init nor module"
        raise wrong(path, f"{text}; valid: init(seed, features, classes), or module of PyTorch")
    made: Callable[..., Functions]
    try:  # here, since few have both libraries
        if with_jax:
            from .of_jax import JaxFunctions

            made = JaxFunctions
        else:
            from .of_torch import TorchFunctions

            made = TorchFunctions
    except ImportError:
        raise _lacking(path, "jax" if with_jax else "torch") from None
    return made(path, module, features, classes)


def _lacking(path: str, library: str) -> InvalidParameter:
    return wrong(path, f"needs {library}, which is not installed: {EXTRAS[library]}")


def _require_good(path: str, functions: Functions, X: FloatArray, y: Any) -> None:
    """Refuse (InvalidParameter) a model whose start is not finite, or whose calls differ."""
    if not 1 <= (size := functions.parameters) <= MOST_PARAMETERS:
        text = f"init returns {size:,} numbers; must be 1 to {MOST_PARAMETERS:,}"
        raise wrong(path, f"{text} (classes is 0 where targets are numbers)")
    start, repeated = functions.start(1), functions.start(1)
    if not np.array_equal(start, repeated, equal_nan=True):
        raise wrong(path, "init returns other numbers when it is called again with one seed")
    if not np.isfinite(start).all():
        raise wrong(path, "init returns NaN or infinite numbers")
    before = X.copy(), y.copy()
    try:
        (loss, gradient), (other, _) = (functions.tried(start, X, y) for _ in range(2))
    finally:  # whatever else is wrong then
        if not (np.array_equal(X, before[0]) and np.array_equal(y, before[1])):
            raise wrong(path, "row_losses writes to its inputs; it must leave them as they are")
    if not np.isfinite(loss):
        raise wrong(path, f"row_losses returns {loss} at the start; must be finite")
    if loss != other:
        raise wrong(path, "row_losses returns other numbers when it is called again: randomness")
    _require_rows_alone(path, functions, start, X, y)
    if not np.isfinite(gradient).all():
        raise wrong(path, "the gradient of row_losses is not finite at the start")


def _require_rows_alone(
    path: str, functions: Functions, start: FloatArray, X: FloatArray, y: Any
) -> None:
    """Refuse (InvalidParameter) a model whose loss of a row depends on the rows beside it. It is
    asked near the start, too: at zeros a loss can be the same whatever the rows are."""
    half = len(X) // 2
    if not half:
        return
    near = start + 0.1 * np.random.default_rng(0).standard_normal(start.shape)
    # Each half twice: with as many rows, nothing is compiled again.
    first, second = np.tile(np.arange(half), 2), np.tile(np.arange(half, 2 * half), 2)
    for model in (start, near):
        whole = np.arange(2 * half)
        loss, gradient = functions.tried(model, X[whole], y[whole])
        first_loss, first_gradient = functions.tried(model, X[first], y[first])
        second_loss, second_gradient = functions.tried(model, X[second], y[second])
        far = abs((first_loss + second_loss) / 2 - loss)
        turned = np.abs((first_gradient + second_gradient) / 2 - gradient).max()
        apart = far > 1e-6 * max(abs(loss), 1.0)
        if apart or turned > 1e-6 * max(np.abs(gradient).max(), 1.0):
            raise wrong(
                path,
                "row_losses of a row depends on the rows beside it, as batch normalisation does: "
                "a worker that has some of the rows could not compute it",
            )
