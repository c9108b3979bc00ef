"""Functions of JAX as plain functions of many models, in float64."""

from __future__ import annotations

from functools import cached_property, partial
from types import ModuleType
from typing import Any

import jax
import numpy as np
from jax import numpy as jnp
from jax.flatten_util import ravel_pytree
from typing_extensions import override

from ...base.types import FloatArray
from .functions import Functions, called, wrong

in_float64 = partial(jax.enable_x64, True)
"""Within this context JAX computes in double precision, whatever the process does else."""

# How XLA compiles: one thread, so that bits do not depend on the machine's cores, and without the
# passes that take longest. A check or a start runs once, so it takes longer to compile than to run.
OPTIONS = {"xla_cpu_multi_thread_eigen": False, "xla_backend_optimization_level": 1}
QUICKLY = {"xla_backend_optimization_level": 0, "xla_llvm_disable_expensive_passes": True}


class JaxFunctions(Functions):
    """``init``, ``row_losses`` and perhaps ``accuracy`` of a file. Losses and gradients are
    compiled once for each number of rows and models; models follow each other, each in the cache.
    """

    def __init__(self, path: str, module: ModuleType, features: int, classes: int) -> None:
        self._path, self._module, self._size = path, module, (features, classes)
        self._programs: dict[str, Any] = {}
        self._unravel: Any = None
        self.parameters = len(self.start(0))  # before anything else is traced
        self.judges = hasattr(module, "accuracy")

    @override
    def start(self, seed: int) -> FloatArray:
        try:
            numbers = self._once(self._flat, seed)
        except Exception:  # an ``init`` that needs its seed as a number, or one with a mistake
            with in_float64():
                numbers = self._flat(seed)
        return np.asarray(numbers, dtype=np.float64)

    def _flat(self, seed: Any) -> Any:
        tree = called(self._path, "init", self._module.init, seed, *self._size)
        try:
            numbers, self._unravel = ravel_pytree(jax.tree.map(jnp.float64, tree))
        except (TypeError, ValueError):
            kind = type(tree).__name__
            raise wrong(self._path, f"init returns a {kind} that holds no numbers") from None
        return numbers

    def _once(self, of: Any, *given: Any) -> Any:
        """What a function returns. It is traced anew, which shows numbers drawn without a seed, but
        compiled only if it has become another program."""
        with in_float64():
            lowered = jax.jit(lambda *arrays: of(*arrays)).lower(*given)
            if (text := lowered.as_text()) not in self._programs:
                self._programs[text] = lowered.compile(compiler_options=QUICKLY)
            return self._programs[text](*given)

    def _rows(self, name: str, flat: Any, X: Any, y: Any) -> Any:
        """What a function says of each row. Raises InvalidParameter: it says something else."""
        values = called(self._path, name, getattr(self._module, name), self._unravel(flat), X, y)
        if jnp.shape(values) != (len(y),):
            shape = f"shape {jnp.shape(values)} for {len(y)} rows"
            raise wrong(self._path, f"{name} returns {shape}; must be ({len(y)},)")
        return values

    def _scored(self, flat: Any, X: Any, y: Any) -> tuple[Any, Any]:
        loss = self._rows("row_losses", flat, X, y).sum()
        return loss, self._rows("accuracy", flat, X, y).sum() if self.judges else loss * jnp.nan

    def _weighted(self, flat: Any, X: Any, y: Any, w: Any) -> tuple[Any, Any]:
        """The loss with weights, of which a gradient is taken, and without."""
        rows = self._rows("row_losses", flat, X, y)
        return (rows * w).sum(), rows.sum()

    @cached_property
    def _compiled(self) -> tuple[Any, Any]:
        """Of several models: ``_scored``, and gradients with the losses."""

        def of_several(of: Any) -> Any:
            def mapped(X: Any, y: Any, *own: Any) -> Any:
                return jax.lax.map(lambda one: of(one[0], X, y, *one[1:]), own)

            return jax.jit(mapped, compiler_options=OPTIONS)

        return of_several(self._scored), of_several(jax.grad(self._weighted, has_aux=True))

    @override
    def scored(self, models: FloatArray, X: FloatArray, y: Any) -> FloatArray:
        with in_float64():
            return np.asarray(self._compiled[0](X, y, models), dtype=np.float64)

    @override
    def gradients(
        self, models: FloatArray, X: FloatArray, y: Any, w: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        with in_float64():
            gradients, losses = self._compiled[1](X, y, models, w)
            return np.asarray(losses), np.asarray(gradients)

    @override
    def tried(self, model: FloatArray, X: FloatArray, y: Any) -> tuple[float, FloatArray]:
        with in_float64():  # the arrays themselves, which a function could write to
            jax.eval_shape(lambda flat: self._scored(flat, X, y), model)
        of = jax.value_and_grad(lambda *given: self._scored(*given)[0])
        loss, gradient = self._once(of, model, X, y)
        return float(loss), np.asarray(gradient)
