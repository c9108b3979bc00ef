"""Data matrices, dense or sparse, and the one place where they are multiplied with models."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from scipy import sparse

from sim.types import FloatArray

Csr: TypeAlias = "sparse.csr_array[np.float64]"
Matrix: TypeAlias = "FloatArray | Csr"


def product(matrix: Any, columns: FloatArray) -> FloatArray:
    """Dense or sparse matrix times dense columns."""
    return np.asarray(matrix @ columns)
