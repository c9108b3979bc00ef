"""Gradients that are held for several rounds, as the slopes of their rows."""

from __future__ import annotations

from typing import final

import numpy as np

from .problems.base import Problem
from .types import BoolArray, FloatArray


@final
class Layers:
    """Each layer holds one gradient of every partition, of a few replications side by side.

    A row's share of a gradient is its features times its slope, so held gradients are mixed row by
    row before the one product with ``X^T``.

    Args:
        problem: data and loss.
        layers: d.
        width: replications.
    """

    def __init__(self, problem: Problem, layers: int, width: int) -> None:
        self._problem = problem
        self._slopes = np.zeros((layers, problem.rows, width))

    def mixed(self, fresh: BoolArray, weights: FloatArray, margins: FloatArray) -> FloatArray:
        """Renew some gradients, and ``(p, width)`` decode a weighted sum of all.

        Args:
            fresh: ``(width, d, k)`` which are taken anew.
            weights: ``(width, d, k)`` what each weighs in the decoded gradient.
            margins: ``(N, width)`` of the newest model.

        Cost: one product, and two passes over N numbers for each layer and replication.
        """
        problem, slopes = self._problem, self._problem.slopes(margins)
        renewed = np.ascontiguousarray(fresh.transpose(1, 2, 0))
        scaled = np.ascontiguousarray(weights.transpose(1, 2, 0)) / problem.rows
        for rows, owner in problem.pieces(slopes.shape[1]):
            newest, mixed = slopes[rows], np.zeros_like(slopes[rows])
            for held, renew, weight in zip(self._slopes[:, rows], renewed, scaled, strict=True):
                np.copyto(held, newest, where=renew[owner])
                mixed += held * weight[owner]
            slopes[rows] = mixed
        return problem.gradient_from_slopes(slopes)
