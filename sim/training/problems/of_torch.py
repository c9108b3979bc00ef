"""A module of PyTorch as plain functions of many models, in float64, by ``torch.func``. A module
has parameters alone: buffers that training changes, such as those of BatchNorm, stay as they are.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch.func import functional_call, grad, vmap
from typing_extensions import override

from ...base.types import FloatArray
from .functions import Functions, called, wrong


class TorchFunctions(Functions):
    """``module``, ``row_losses`` and perhaps ``accuracy`` of a file."""

    def __init__(self, path: str, module: ModuleType, features: int, classes: int) -> None:
        self._path, self._module, self._size = path, module, (features, classes)
        self._net = self._made(0)
        self._shapes = {name: parameter.shape for name, parameter in self._net.named_parameters()}
        self.parameters = sum(shape.numel() for shape in self._shapes.values())
        self.judges = hasattr(module, "accuracy")

    def _made(self, seed: int) -> Any:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            net = called(self._path, "module", self._module.module, *self._size)
        if not isinstance(net, torch.nn.Module):
            kind = type(net).__name__
            raise wrong(self._path, f"module returns a {kind}; must be a torch.nn.Module")
        return net.double()

    @override
    def start(self, seed: int) -> FloatArray:
        arrays = [parameter.detach().numpy().ravel() for parameter in self._made(seed).parameters()]
        return np.concatenate(arrays).astype(np.float64)

    def _rows(self, name: str, flat: Any, X: Any, y: Any) -> Any:
        pieces = flat.split([shape.numel() for shape in self._shapes.values()])
        named = zip(self._shapes.items(), pieces, strict=True)
        own = {name: piece.view(shape) for (name, shape), piece in named}
        out = called(self._path, "forward", functional_call, self._net, own, (X,))
        values = called(self._path, name, getattr(self._module, name), out, y)
        if tuple(values.shape) != (len(y),):
            shape = f"shape {tuple(values.shape)} for {len(y)} rows"
            raise wrong(self._path, f"{name} returns {shape}; must be ({len(y)},)")
        return values

    def _of(self, function: Any, models: FloatArray, X: FloatArray, y: Any, *w: Any) -> Any:
        axes = (0, None, None, *(0 for _ in w))
        given = [torch.from_numpy(np.array(array)) for array in (models, X, y, *w)]
        return vmap(function, axes)(*given)

    def _losses(self, flat: Any, X: Any, y: Any) -> Any:
        return self._rows("row_losses", flat, X, y).sum()

    def _scored(self, flat: Any, X: Any, y: Any) -> Any:
        loss = self._losses(flat, X, y)
        right = (
            self._rows("accuracy", flat, X, y).double().sum() if self.judges else loss * torch.nan
        )
        return torch.stack([loss, right])

    @override
    def scored(self, models: FloatArray, X: FloatArray, y: Any) -> FloatArray:
        return np.asarray(self._of(self._scored, models, X, y).detach().T)

    @override
    def gradients(
        self, models: FloatArray, X: FloatArray, y: Any, w: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        def weighted(flat: Any, X: Any, y: Any, w: Any) -> Any:
            rows = self._rows("row_losses", flat, X, y)
            return (rows * w).sum(), rows.sum()

        gradients, losses = self._of(grad(weighted, has_aux=True), models, X, y, w)
        return losses.detach().numpy(), gradients.detach().numpy()

    @override
    def tried(self, model: FloatArray, X: FloatArray, y: Any) -> tuple[float, FloatArray]:
        given = [torch.from_numpy(array) for array in (model, X, y)]
        buffers = [buffer.clone() for buffer in self._net.buffers()]
        if self.judges:
            self._rows("accuracy", *given)
        loss = float(self._losses(*given))
        pairs = zip(buffers, self._net.buffers(), strict=True)
        if not all(torch.equal(before, after) for before, after in pairs):
            raise wrong(
                self._path,
                "forward changes the module's buffers, as BatchNorm does in training: a model has "
                "parameters alone; return the module after eval()",
            )
        return loss, grad(self._losses)(*given).detach().numpy()
