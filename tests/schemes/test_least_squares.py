"""Least squares with sparse matrices: as good as dense ones, and the same alone or in company."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from erasurehead.sim.schemes import SCHEMES, decoders
from erasurehead.sim.schemes.base import Fixed
from erasurehead.sim.types import BoolArray


def some(n: int, r: int, count: int) -> BoolArray:
    rng = np.random.default_rng(n + r)
    return rng.permuted(np.tile(np.arange(n) < r, (count, 1)), axis=1)


def sparse_code(name: str) -> sparse.csr_array:
    if name == "complex":
        rng = np.random.default_rng(3)
        code = sparse.random_array((90, 80), density=0.06, rng=rng, format="csr")
        code.data = code.data * np.exp(2j * np.pi * rng.random(code.nnz))
        return code
    scheme = SCHEMES[name](load=4, wait_for=60).build(90)
    assert isinstance(scheme, Fixed)
    return scheme.assignment.encoding


@pytest.mark.parametrize("name", ["bernoulli", "regular_graph", "complex"])
@pytest.mark.parametrize("r", [0, 1, 30, 60, 75])
def test_the_vector_of_smallest_norm(name: str, r: int) -> None:
    """As NumPy's least squares of the dense matrix, where rows also depend on each other."""
    code = sparse_code(name)
    masks = some(code.shape[0], r, 5)
    for mask, vector in zip(masks, decoders.solve(code, masks), strict=True):
        assert not vector[~mask].any()
        rows = code.toarray()[mask]
        exact = np.linalg.lstsq(rows.T, np.ones(code.shape[1]), rcond=None)[0] if r else []
        np.testing.assert_allclose(vector[mask], exact, atol=1e-8)


def test_the_same_bits_alone_and_in_company() -> None:
    """So that the engines, and one more replication, change nothing; easy and hard sets mixed."""
    code = sparse_code("bernoulli")
    masks = np.concatenate([some(90, r, 12) for r in (3, 40, 80)])
    together = decoders.solve(code, masks)
    alone = np.concatenate([decoders.solve(code, mask[None]) for mask in masks])
    np.testing.assert_array_equal(together, alone)
    np.testing.assert_array_equal(together[::-1], decoders.solve(code, masks[::-1]))
