"""Decoders: which messages are taken, with which weight, and how well."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from erasurehead.sim.schemes import SCHEMES
from erasurehead.sim.schemes.assignments import CyclicCode, Groups, Pieces
from erasurehead.sim.schemes.decoders import (
    OnePerGroup,
    OnePerPartition,
    Optimal,
    SumArrived,
    decoding_error,
)


def every_mask(n: int) -> np.ndarray:
    return np.array(list(itertools.product([False, True], repeat=n)))


def first_of_each(arrived: np.ndarray, parts: list[list[int]]) -> np.ndarray:
    """1 for the lowest arrived message of each part, in plain Python."""
    vector = np.zeros(len(arrived))
    for messages in parts:
        heard = [j for j in messages if arrived[j]]
        if heard:
            vector[min(heard)] = 1.0
    return vector


def test_one_per_group_takes_the_lowest_index() -> None:
    groups = [[0, 1, 2], [3, 4, 5], [6, 7, 8]]
    masks = every_mask(9)
    expected = np.array([first_of_each(mask, groups) for mask in masks])
    np.testing.assert_array_equal(OnePerGroup(3).decoding_vector(masks), expected)
    np.testing.assert_array_equal(OnePerGroup(3, 1.5).decoding_vector(masks), 1.5 * expected)


@pytest.mark.parametrize(("n", "load"), [(4, 3), (5, 2), (3, 3), (6, 1), (1, 1)])
def test_one_per_partition_takes_the_lowest_index(n: int, load: int) -> None:
    """Catches the order of pieces, in which a worker's late piece comes before an early one."""
    pieces = Pieces(n, load)
    parts = [[j for j, p in enumerate(pieces.carried) if p == i] for i in range(n)]
    masks = every_mask(n * load)
    expected = np.array([first_of_each(mask, parts) for mask in masks])
    decoder = OnePerPartition(pieces)
    np.testing.assert_array_equal(decoder.decoding_vector(masks), expected)
    covered = [[any(mask[messages]) for messages in parts] for mask in masks]
    np.testing.assert_array_equal(decoder.partition_weights(masks), covered)


def test_sum_of_what_arrived() -> None:
    """1 each, or n/m each of m; nothing at all decodes to 0, not to a division by 0."""
    masks = every_mask(5)
    np.testing.assert_array_equal(SumArrived().decoding_vector(masks), masks.astype(float))
    rescaled = SumArrived(rescale=True).decoding_vector(masks)
    np.testing.assert_array_equal(rescaled[0], np.zeros(5))
    np.testing.assert_allclose(rescaled[1:].sum(axis=1), 5)
    for mask, weights in zip(masks, rescaled, strict=True):
        assert len(set(weights[mask])) <= 1
        assert not weights[~mask].any()


@pytest.mark.parametrize(("n", "load"), [(7, 3), (8, 3), (8, 4), (8, 7)])
def test_cyclic_mds_codes_tolerate_any_stragglers(n: int, load: int) -> None:
    """Every set of n - s arrivals decodes exactly, in real and in complex numbers."""
    scheme = SCHEMES["cyclic_mds"](load=load).build(n)
    masks = np.array(list(itertools.product([False, True], repeat=n)))
    enough = masks.sum(axis=1) >= n - load + 1
    vectors = scheme.decoder.decoding_vector(masks[enough])
    np.testing.assert_allclose(vectors @ scheme.assignment.encoding.toarray(), 1, atol=1e-12)
    np.testing.assert_allclose(scheme.decoder.partition_weights(masks[enough]), 1, atol=1e-12)


@pytest.mark.parametrize(
    ("load", "weight", "residual"),
    [(2, 2, 1e-13), (3, 100, 1e-13), (4, 100, 2e-13), (8, 100, 1e-11), (16, 100, 1e-11)],
)
def test_cyclic_mds_codes_of_thirty_are_well_conditioned(
    load: int, weight: float, residual: float
) -> None:
    """On sixteen sets; the random code has weights of 6e5 and a residual of 1e-9 at load 4."""
    found = SCHEMES["cyclic_mds"](load=load).build(30).conditioning()
    assert found is not None
    assert found.largest_weight < weight
    assert found.residual < residual


@pytest.mark.parametrize("load", [4, 7, 16])
def test_few_sets_of_cyclic_mds_codes_have_large_weights(load: int) -> None:
    """Missing neighbours cost digits: of 500 random sets of thirty the worst have hundreds."""
    arrived = np.random.default_rng(5).random((500, 30)).argsort(axis=1) >= load - 1
    decoder = SCHEMES["cyclic_mds"](load=load).build(30).decoder
    largest = np.abs(decoder.decoding_vector(arrived)).max(axis=1)
    assert np.quantile(largest, 0.99) < 20
    assert largest.max() < 1000
    residual = np.linalg.norm(decoder.partition_weights(arrived) - 1, axis=1)
    assert residual.max() < 1e-10


def test_the_random_cyclic_code_of_thirty_is_badly_conditioned() -> None:
    """Whatever its seed: weights of thousands and more, and a rounding of 1e-11 to 1e-8."""
    order = np.random.default_rng(0).random((300, 30)).argsort(axis=1)
    for load in (3, 4):
        arrived = order < 30 - load + 1
        for seed in range(4):
            scheme = SCHEMES["cyclic_repetition"](load=load, code_seed=seed).build(30)
            weights = scheme.decoder.partition_weights(arrived)
            residual = np.linalg.norm(weights - 1, axis=1).max()
            assert 1e-12 < residual < 1e-8
            assert np.abs(scheme.decoder.decoding_vector(arrived)).max() > 1e3


def test_least_squares_cannot_be_improved() -> None:
    """No other combination of the arrived rows comes closer to ones, and none is shorter."""
    assignment = CyclicCode(7, 3)
    code = assignment.encoding.toarray()
    rng = np.random.default_rng(0)
    masks = rng.random((60, 7)) < 0.5
    decoder = Optimal(assignment)
    vectors = decoder.decoding_vector(masks)
    errors = decoding_error(decoder.partition_weights(masks))
    for mask, vector, error in zip(masks, vectors, errors, strict=True):
        for _ in range(20):
            other = vector + mask * rng.normal(scale=1e-3, size=7)
            assert decoding_error(other @ code) >= error * (1 - 1e-9)
        pseudo = np.linalg.pinv(code[mask].T) @ np.ones(7)
        np.testing.assert_allclose(vector[mask], pseudo, rtol=1e-6, atol=1e-9)


def test_least_squares_on_repetition_is_the_mean_of_each_group() -> None:
    """Copies of a message share its weight: the shortest of all exact answers."""
    decoder = Optimal(Groups(6, 3))
    arrived = np.array([True, True, False, True, True, True])
    np.testing.assert_allclose(decoder.decoding_vector(arrived), [1 / 2, 1 / 2, 0, *[1 / 3] * 3])


def test_least_squares_answers_each_row_of_any_table() -> None:
    """Equal sets of arrivals are solved once; catches answers handed to the wrong rows."""
    decoder = Optimal(CyclicCode(9, 3))
    masks = np.random.default_rng(1).random((4, 50, 9)) < 0.8
    table = decoder.partition_weights(masks)
    assert table.shape == (4, 50, 9)
    for one, row in zip(masks.reshape(-1, 9), table.reshape(-1, 9), strict=True):
        np.testing.assert_allclose(decoder.partition_weights(one), row, atol=1e-9)


def test_nothing_arrived_decodes_to_nothing() -> None:
    """A deadline can end a round before anybody has answered."""
    for decoder, n in (
        (SumArrived(), 6),
        (SumArrived(rescale=True), 6),
        (OnePerGroup(2), 6),
        (OnePerPartition(Pieces(3, 2)), 6),
        (Optimal(CyclicCode(6, 2)), 6),
    ):
        nobody = np.zeros((2, n), dtype=bool)
        assert not decoder.decoding_vector(nobody).any()
        assert not decoder.partition_weights(nobody).any()
