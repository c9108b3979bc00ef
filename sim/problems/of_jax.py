"""Functions of JAX as plain functions of many models, in float64."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from types import ModuleType
from typing import Any

import jax
import numpy as np
from jax import numpy as jnp
from jax.flatten_util import ravel_pytree
from typing_extensions import override

from ..types import FloatArray
from .own_model import Functions, called, wrong


@contextmanager
def in_float64() -> Iterator[None]:
    """Within this context JAX computes in double precision, whatever the process does else."""
    with jax.enable_x64(True):
        yield


class JaxFunctions(Functions):
    """``init``, ``row_losses`` and perhaps ``accuracy`` of a file. Each is compiled once for each
    number of rows and models."""

    def __init__(self, path: str, module: ModuleType, features: int, classes: int) -> None:
        self._path, self._module, self._size = path, module, (features, classes)
        numbers, self._unravel = self._flat(0)  # before anything is traced
        self.parameters = len(numbers)
        self.judges = hasattr(module, "accuracy")

    def _flat(self, seed: int) -> tuple[FloatArray, Any]:
        with in_float64():
            tree = called(self._path, "init", self._module.init, seed, *self._size)
            try:
                numbers, unravel = ravel_pytree(jax.tree.map(jnp.float64, tree))
            except (TypeError, ValueError):
                kind = type(tree).__name__
                raise wrong(self._path, f"init returns a {kind} that holds no numbers") from None
            return np.asarray(numbers, dtype=np.float64), unravel

    @override
    def start(self, seed: int) -> FloatArray:
        return self._flat(seed)[0]

    def _rows(self, name: str, flat: Any, X: Any, y: Any) -> Any:
        """What a function says of each row. Raises InvalidParameter: it says something else."""
        values = called(self._path, name, getattr(self._module, name), self._unravel(flat), X, y)
        if jnp.shape(values) != (len(y),):
            shape = f"shape {jnp.shape(values)} for {len(y)} rows"
            raise wrong(self._path, f"{name} returns {shape}; must be ({len(y)},)")
        return values

    def _losses(self, flat: Any, X: Any, y: Any) -> Any:
        return self._rows("row_losses", flat, X, y).sum()

    def _judged(self, flat: Any, X: Any, y: Any) -> Any:
        return self._rows("accuracy", flat, X, y).sum()

    @cached_property
    def _compiled(self) -> tuple[Any, Any, Any]:
        """Of several models: losses, gradients, and how many rows are right."""

        def weighted(flat: Any, X: Any, y: Any, w: Any) -> Any:
            return (self._rows("row_losses", flat, X, y) * w).sum()

        losses, right = (jax.vmap(of, (0, None, None)) for of in (self._losses, self._judged))
        gradients = jax.vmap(jax.grad(weighted), (0, None, None, 0))
        return jax.jit(losses), jax.jit(gradients), jax.jit(right)

    @override
    def losses(self, models: FloatArray, X: FloatArray, y: Any) -> FloatArray:
        with in_float64():
            return np.asarray(self._compiled[0](models, X, y))

    @override
    def gradients(self, models: FloatArray, X: FloatArray, y: Any, w: FloatArray) -> FloatArray:
        with in_float64():
            return np.asarray(self._compiled[1](models, X, y, w))

    @override
    def right(self, models: FloatArray, X: FloatArray, y: Any) -> FloatArray:
        with in_float64():
            return np.asarray(self._compiled[2](models, X, y))

    @override
    def tried(self, model: FloatArray, X: FloatArray, y: Any) -> tuple[float, FloatArray]:
        with in_float64():
            if self.judges:
                self._judged(model, X, y)
            loss = float(self._losses(model, X, y))
            return loss, np.asarray(jax.grad(self._losses)(model, X, y))
