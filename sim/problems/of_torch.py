"""A module of PyTorch as plain functions of many models, in float64, by ``torch.func``. A module
has parameters alone: buffers that training changes, such as those of BatchNorm, stay as they are.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch.func import functional_call, grad, vmap

from ..types import FloatArray
from .own_model import called, wrong


class TorchFunctions:
    """``module``, ``row_losses`` and perhaps ``accuracy`` of a file."""

    def __init__(self, path: str, module: ModuleType, features: int, classes: int) -> None:
        self._path, self._module, self._size = path, module, (features, classes)
        self._net = self._made(0)
        self._shapes = {name: each.shape for name, each in self._net.named_parameters()}
        self.parameters = sum(shape.numel() for shape in self._shapes.values())
        self.judges = hasattr(module, "accuracy")

    def _made(self, seed: int) -> Any:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            found = called(self._path, "module", self._module.module, *self._size)
        if not isinstance(found, torch.nn.Module):
            kind = type(found).__name__
            raise wrong(self._path, f"module returns a {kind}; must be a torch.nn.Module")
        return found.double()

    def start(self, seed: int) -> FloatArray:
        """See ``Functions``."""
        parts = [each.detach().numpy().ravel() for each in self._made(seed).parameters()]
        return np.concatenate(parts).astype(np.float64)

    def _rows(self, name: str, flat: Any, X: Any, y: Any) -> Any:
        parts = flat.split([shape.numel() for shape in self._shapes.values()])
        named = zip(self._shapes.items(), parts, strict=True)
        own = {name: part.view(shape) for (name, shape), part in named}
        out = called(self._path, "forward", functional_call, self._net, own, (X,))
        found = called(self._path, name, getattr(self._module, name), out, y)
        if tuple(found.shape) != (len(y),):
            shape = f"shape {tuple(found.shape)} for {len(y)} rows"
            raise wrong(self._path, f"{name} returns {shape}; must be ({len(y)},)")
        return found

    def _of(self, function: Any, models: FloatArray, X: FloatArray, y: Any, *w: Any) -> FloatArray:
        axes = (0, None, None, *(0 for _ in w))
        given = [torch.from_numpy(np.array(each)) for each in (models, X, y, *w)]
        found: FloatArray = vmap(function, axes)(*given).detach().numpy()
        return found

    def _losses(self, flat: Any, X: Any, y: Any) -> Any:
        return self._rows("row_losses", flat, X, y).sum()

    def losses(self, models: FloatArray, X: FloatArray, y: Any) -> FloatArray:
        """See ``Functions``."""
        return self._of(self._losses, models, X, y)

    def gradients(self, models: FloatArray, X: FloatArray, y: Any, w: FloatArray) -> FloatArray:
        """See ``Functions``."""

        def weighted(flat: Any, X: Any, y: Any, w: Any) -> Any:
            return (self._rows("row_losses", flat, X, y) * w).sum()

        return self._of(grad(weighted), models, X, y, w)

    def right(self, models: FloatArray, X: FloatArray, y: Any) -> FloatArray:
        """See ``Functions``."""
        return self._of(lambda *g: self._rows("accuracy", *g).double().sum(), models, X, y)

    def tried(self, model: FloatArray, X: FloatArray, y: Any) -> tuple[float, FloatArray]:
        """See ``Functions``."""
        given = [torch.from_numpy(each) for each in (model, X, y)]
        if self.judges:
            self._rows("accuracy", *given)
        return float(self._losses(*given)), grad(self._losses)(*given).detach().numpy()
