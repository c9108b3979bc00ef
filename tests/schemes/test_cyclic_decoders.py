"""Decoders of large cyclic codes: exact from every set of arrivals, without least squares."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from erasurehead.sim.schemes import SCHEMES
from erasurehead.sim.schemes.assignments import CyclicCode, CyclicMds
from erasurehead.sim.schemes.base import DECODING, Fixed
from erasurehead.sim.schemes.conditioning import PROBES
from erasurehead.sim.schemes.cyclic_decoders import Banded, Cyclic, Interpolated
from erasurehead.sim.schemes.decoders import Optimal
from erasurehead.sim.schemes.repetition import LEAST_SQUARES
from erasurehead.sim.types import Rounds, Trace

SIZES = [(n, load) for n in range(2, 9) for load in range(2, n + 1)]
CASES: list[Cyclic] = [Banded(CyclicCode(n, load)) for n, load in SIZES]
CASES += [Interpolated(CyclicMds(n, load)) for n, load in SIZES if load < n]


def enough(decoder: Cyclic) -> np.ndarray:
    """Every set of at least n - d + 1 arrivals."""
    n = decoder.assignment.n
    masks = np.array(list(itertools.product([False, True], repeat=n)))
    return masks[masks.sum(axis=1) > n - decoder.assignment.load]


@pytest.mark.parametrize("decoder", CASES, ids=lambda d: f"{type(d).__name__}-{d.assignment}")
def test_every_set_that_is_enough_decodes(decoder: Cyclic) -> None:
    """Real and complex codes, more arrivals than needed; nobody counts who has not arrived.

    Catches a wrong shift of the exponents, an off-by-one in the band, and rows put first that
    should come last.
    """
    masks = enough(decoder)
    vectors = decoder.decoding_vector(masks)
    code = decoder.assignment.encoding.toarray()
    np.testing.assert_allclose(vectors @ code, 1, atol=1e-8)
    np.testing.assert_allclose(decoder.partition_weights(masks), 1, atol=1e-8)
    assert not vectors[~masks].any()
    assert vectors.dtype == code.dtype


@pytest.mark.parametrize("decoder", [Banded(CyclicCode(9, 3)), Interpolated(CyclicMds(9, 3))])
def test_too_few_arrivals_are_decoded_by_least_squares(decoder: Cyclic) -> None:
    """In one table with sets that are enough; rows stay where they were."""
    masks = np.random.default_rng(1).random((4, 50, 9)) < 0.7
    few = masks.sum(axis=-1) < 7
    assert 0 < np.count_nonzero(few) < few.size
    weights = decoder.partition_weights(masks)
    expected = Optimal(decoder.assignment).partition_weights(masks)
    np.testing.assert_allclose(weights[few], expected[few], atol=1e-12)
    np.testing.assert_allclose(weights[~few], 1, atol=1e-9)


@pytest.mark.parametrize("name", ["cyclic_repetition", "cyclic_mds"])
def test_a_large_code_is_never_dense(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """20,000 workers: a dense B has 3.2 GB, and its least squares take hours."""

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("least squares of a dense matrix")

    monkeypatch.setattr(np.linalg, "lstsq", refuse)
    scheme = SCHEMES[name](load=10).build(20_000)
    found = scheme.conditioning()
    assert found is not None
    assert np.isfinite(found.residual)
    small = SCHEMES[name](load=10).build(LEAST_SQUARES)
    with pytest.raises(AssertionError, match="least squares"):
        small.conditioning()


def test_large_random_codes_decode() -> None:
    found = SCHEMES["cyclic_repetition"](load=10).build(2_000).conditioning()
    assert found is not None
    assert found.residual < 1e-6


@pytest.mark.parametrize(("n", "load"), [(600, 4), (600, 5), (1001, 10)])
def test_interpolation_is_as_exact_as_least_squares(n: int, load: int) -> None:
    """Missing workers anywhere; weights are those of the code, not of the method."""
    code = CyclicMds(n, load)
    rng = np.random.default_rng(0)
    masks = np.ones((3, n), dtype=bool)
    for mask in masks:
        mask[rng.choice(n, load - 1, replace=False)] = False
    vectors = Interpolated(code).decoding_vector(masks)
    assert np.linalg.norm(vectors @ code.encoding.toarray() - 1) < 1e-8


@pytest.mark.parametrize(
    ("name", "decoder", "load"),
    [
        ("cyclic_mds", "lagrange", 4),
        ("cyclic_mds", "lagrange", 5),
        ("cyclic_repetition", "elimination", 3),
    ],
)
def test_a_chosen_decoder_solves_the_same_equations(name: str, decoder: str, load: int) -> None:
    """n - d + 1 rows are independent, so there is one answer; and it is not merely a name."""
    order = np.random.default_rng(3).random((200, 30)).argsort(axis=1)
    arrived = order < 30 - load + 1
    own, other = (
        SCHEMES[name](load=load, decoder=each).build(30).decoder
        for each in (decoder, "least_squares")
    )
    assert type(own) is not type(other)
    assert type(other) is type(SCHEMES[name](load=load).build(30).decoder)
    expected = other.decoding_vector(arrived)
    found = own.decoding_vector(arrived)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6 * np.abs(expected).max())


def test_missing_neighbours_leave_a_code_with_many_missing_finite_numbers() -> None:
    """Products of many small distances leave the range of floats; logarithms do not."""
    code = CyclicMds(1200, 400)
    vector = Interpolated(code).solve(np.arange(399))
    assert vector.shape == (1200,)
    assert not np.isnan(vector).any()


def test_least_squares_of_a_large_code_take_bounded_work() -> None:
    """By products with a sparse B: here each partition is the mean of those who sent it."""
    code = SCHEMES["fractional_repetition"](load=2).build(1024).assignment  # more than DENSE
    decoder = Optimal(code)
    arrived = np.ones(1024, dtype=bool)
    arrived[0] = False
    vector = decoder.decoding_vector(arrived)
    assert "_encoding" not in decoder.__dict__, "was made dense"
    np.testing.assert_allclose(vector[:4], [0, 1, 0.5, 0.5], atol=1e-9)
    np.testing.assert_allclose(decoder.partition_weights(arrived), 1, atol=1e-9)
    arrived[1] = False
    np.testing.assert_allclose(decoder.partition_weights(arrived)[:3], [0, 0, 1], atol=1e-9)


def heard(scheme: Fixed, replications: int, rounds: int) -> Trace:
    rng = np.random.default_rng(0)
    arrived = np.ones((replications, rounds, scheme.workers), dtype=bool)
    for one in arrived.reshape(-1, scheme.workers):
        one[rng.integers(scheme.workers)] = False
    times = np.cumsum(np.ones((replications, rounds)), axis=1)
    return Trace(times, Rounds(arrived), None, "batch")


def test_an_exact_code_is_decoded_on_a_sample_where_only_times_are_asked_for() -> None:
    """The rest is empty, not 0: nobody has looked. A learner gets every round."""
    scheme = SCHEMES["cyclic_repetition"](load=100).build(2000)
    assert isinstance(scheme, Fixed)
    trace = heard(scheme, 5, 10)
    sample = max(PROBES, int(DECODING / scheme.decoder.operations))
    assert sample < 50
    outline = scheme.outline(trace)
    seen = np.isfinite(outline.error)
    assert np.count_nonzero(seen) == sample
    np.testing.assert_array_equal(np.isfinite(outline.recovered), seen)
    assert seen[[0, -1], [0, -1]].all(), "spread over the whole run"
    assert not outline.exact
    cheap = SCHEMES["cyclic_repetition"](load=3).build(12)
    assert np.isfinite(cheap.outline(heard(cheap, 5, 10)).error).all()
    approximate = SCHEMES["erasurehead"](load=3, wait_for=6).build(12)
    assert np.isfinite(approximate.outline(heard(approximate, 5, 10)).error).all()


def test_large_complex_codes_are_decoded_from_too_few_arrivals(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As after a deadline: the least error of all weights, by products with the sparse B."""
    code = CyclicMds(30, 3)
    assert not code.real
    arrived = np.ones((1, 30), dtype=np.bool_)
    arrived[0, [0, 1, 2, 9, 10, 17]] = False
    solved = Optimal(code).decoding_vector(arrived)
    monkeypatch.setattr("erasurehead.sim.schemes.decoders.DENSE", 100)
    assert Interpolated(code).decoding_vector(arrived) == pytest.approx(solved, abs=1e-6)
