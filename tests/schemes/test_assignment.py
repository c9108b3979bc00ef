"""Who holds what: supports, loads and messages of each assignment."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from erasurehead.sim.schemes.assignments import (
    Assignment,
    CyclicCode,
    CyclicMds,
    Groups,
    Pieces,
)

EVERY: list[Assignment] = [
    Groups(1, 1),
    Groups(6, 1),
    Groups(6, 3),
    Groups(6, 6),
    CyclicCode(1, 1),
    CyclicCode(7, 1),
    CyclicCode(7, 3),
    CyclicCode(7, 7),
    CyclicMds(1, 1),
    CyclicMds(7, 1),
    CyclicMds(7, 3),
    CyclicMds(7, 4),
    Pieces(1, 1),
    Pieces(7, 1),
    Pieces(7, 3),
    Pieces(7, 7),
    Pieces(7, 3, rotated=True),
    Pieces(6, 3, fractional=True),
    Pieces(6, 2, fractional=True, rotated=True),
]

every = pytest.mark.parametrize("assignment", EVERY, ids=repr)


@every
def test_every_partition_is_held_by_as_many_workers_as_a_worker_holds(
    assignment: Assignment,
) -> None:
    """Uniform loads and k = n: rows and columns of the support sum to d."""
    n, m, d = assignment.workers, assignment.messages, int(assignment.loads[0])
    held = assignment.encoding.toarray().reshape(n, m, assignment.partitions).any(axis=1)
    assert assignment.partitions == n
    assert assignment.loads.dtype == np.int64
    assert np.all(assignment.loads == d)
    assert np.all(held.sum(axis=0) == d)
    assert np.all(held.sum(axis=1) == d)


@every
def test_equal_assignments_are_one(assignment: Assignment) -> None:
    """Frozen values: what was computed from one does not tell it from another."""
    twin = dataclasses.replace(assignment)
    assert assignment.encoding.nnz
    assert assignment == twin
    assert hash(assignment) == hash(twin)


def test_groups_of_fractional_repetition() -> None:
    block = np.ones((2, 2))
    expected = np.kron(np.eye(3), block)
    np.testing.assert_array_equal(Groups(6, 2).encoding.toarray(), expected)


def test_cyclic_code_solves_the_null_space_identity() -> None:
    """H B^T = 0 with H as the source draws it: catches coefficients on the wrong partitions."""
    n, d = 9, 4
    code = CyclicCode(n, d, code_seed=3).encoding.toarray()
    h = np.random.default_rng(3).standard_normal((d - 1, n))
    h[:, -1] = -h[:, :-1].sum(axis=1)
    np.testing.assert_allclose(h @ code.T, 0, atol=1e-12 * np.abs(code).max())
    assert np.all(np.diag(code) == 1)
    for i in range(n):
        assert set(np.flatnonzero(code[i])) == {(i + j) % n for j in range(d)}


@pytest.mark.parametrize(
    ("n", "load", "row"),
    [(5, 3, [1, (1 + 5**0.5) / 2, 1]), (4, 2, [1, 1]), (6, 1, [1]), (6, 6, [1] * 6)],
)
def test_cyclic_mds_codes_worked_out_by_hand(n: int, load: int, row: list[float]) -> None:
    code = CyclicMds(n, load)
    assert code.real
    assert code.message_size == 1
    for i, found in enumerate(code.encoding.toarray()):
        np.testing.assert_allclose(np.roll(found, -i)[:load], row, rtol=1e-14)


@pytest.mark.parametrize(("n", "load"), [(5, 3), (6, 4), (6, 3), (30, 3), (30, 4), (30, 16)])
def test_cyclic_mds_rows_are_the_product_over_consecutive_exponents(n: int, load: int) -> None:
    """By multiplying out: exponents around n/2, never 0, symmetric where the code is real."""
    s = load - 1
    exponents = (n - s + 1) // 2 + np.arange(s) if (n - s) % 2 else (n - s) // 2 + np.arange(s)
    assert 0 < exponents[0] <= exponents[-1] < n
    g = np.poly(np.exp(2j * np.pi * exponents / n))[::-1]
    code = CyclicMds(n, load)
    row = code.encoding.toarray()[2]
    np.testing.assert_allclose(np.roll(row, -2)[:load], g, atol=1e-13 * np.abs(g).max())
    assert code.real == np.isrealobj(row) == bool((n - s) % 2)
    assert code.message_size == (1 if code.real else 2)


def test_code_seed_is_the_code() -> None:
    """The same seed gives the same bits; another one, another code."""
    one, same, other = (CyclicCode(9, 4, seed).encoding.toarray() for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert not np.allclose(one, other)
    assert CyclicCode(9, 4) == CyclicCode(9, 4, 0)


def test_pieces_are_in_the_order_in_which_they_are_computed() -> None:
    """Worker 4 of 5 computes partitions 4, 0, 1: messages 12, 13, 14."""
    pieces = Pieces(5, 3)
    assert pieces.messages == 3
    assert pieces.carried == (0, 1, 2, 1, 2, 3, 2, 3, 4, 3, 4, 0, 4, 0, 1)
    np.testing.assert_array_equal(pieces.encoding.toarray().argmax(axis=1), pieces.carried)
    np.testing.assert_array_equal(pieces.encoding.sum(axis=1), np.ones(15))
    expected = [[0, 11, 13], [1, 3, 14], [2, 4, 6], [5, 7, 9], [8, 10, 12]]
    np.testing.assert_array_equal(pieces.carriers, expected)
