"""How a code's conditioning is measured."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import final

import numpy as np
import pytest
from scipy import sparse

from erasurehead.sim.schemes import SCHEMES, Scheme
from erasurehead.sim.schemes.assignments import Groups, UniformLoad
from erasurehead.sim.schemes.base import Fixed
from erasurehead.sim.schemes.conditioning import PROBES
from erasurehead.sim.schemes.decoders import Decoder, Optimal
from erasurehead.sim.schemes.stopping import CoverGroups, Deadline, FirstK
from erasurehead.sim.types import BoolArray, FloatArray


@final
@dataclass(frozen=True)
class Multiples(UniformLoad):
    """Worker j sends ``factors[j]`` times partition j."""

    factors: tuple[float, ...]

    @property
    def encoding(self) -> sparse.csr_array:
        return sparse.csr_array(np.diag(self.factors))


@pytest.mark.parametrize(
    "scheme",
    [
        SCHEMES["uncoded"]().build(12),
        SCHEMES["ignore_stragglers"](wait_for=8).build(12),
        SCHEMES["fractional_repetition"](load=3).build(12),
        SCHEMES["erasurehead"](load=3, wait_for=6, rescale=True).build(12),
        SCHEMES["multi_message"](load=3).build(12),
        SCHEMES["cyclic_repetition"](load=1).build(12),
    ],
    ids=lambda scheme: scheme.name,
)
def test_plain_sums_have_no_conditioning(scheme: Scheme) -> None:
    assert scheme.conditioning() is None


def test_a_large_cluster_of_plain_sums_is_not_made_dense() -> None:
    """Ten thousand million entries would be made for nothing."""
    scheme = SCHEMES["erasurehead"](load=5, wait_for=50_000).build(100_000)
    assert scheme.conditioning() is None


def test_of_a_code_small_enough_to_try_every_set() -> None:
    """The five sets of four arrivals are all among the probes: the maxima are those over all."""
    scheme = SCHEMES["cyclic_repetition"](load=2, code_seed=4).build(5)
    code = scheme.assignment.encoding.toarray()
    found = scheme.conditioning()
    assert found is not None
    weights, residuals = [], []
    for heard in itertools.combinations(range(5), 4):
        rows = code[list(heard)]
        a = np.linalg.lstsq(rows.T, np.ones(5), rcond=None)[0]
        weights.append(np.abs(a).max())
        residuals.append(np.linalg.norm(a @ rows - 1))
    assert found.largest_coefficient == np.abs(code).max()
    assert found.largest_weight == pytest.approx(max(weights), rel=1e-9)
    assert found.residual <= 10 * max(residuals)


@pytest.mark.parametrize(("n", "load"), [(12, 4), (12, 12), (30, 3)])
def test_of_a_usable_code(n: int, load: int) -> None:
    """Exact to many digits, and the same numbers each time."""
    scheme = SCHEMES["cyclic_repetition"](load=load).build(n)
    found = scheme.conditioning()
    assert found is not None
    assert found == SCHEMES["cyclic_repetition"](load=load).build(n).conditioning()
    assert found.largest_coefficient >= 1
    assert found.residual < 1e-9


@final
class Solved(Decoder):
    """Adds what arrived, and says that it solves equations."""

    solves = True

    def decoding_vector(self, arrived: BoolArray) -> FloatArray:
        return arrived.astype(np.float64)

    def partition_weights(self, arrived: BoolArray) -> FloatArray:
        raise AssertionError("would decode a second time")


def test_of_an_approximate_code() -> None:
    """Three of four arrive; the worst set lacks the last: weights 3 2 2 0.

    Catches a mean or a least for the largest, and squares for roots.
    """
    code = Multiples(4, 1, (3.0, 2.0, 2.0, 1.0))
    scheme = Fixed("multiples", code, FirstK(3), Solved(), exact=False)
    found = scheme.conditioning()
    assert found is not None
    assert found.largest_coefficient == 3.0
    assert found.largest_weight == 1.0
    assert found.residual == pytest.approx(np.sqrt(4 + 1 + 1 + 1), rel=1e-15)


def test_negative_coefficients_and_weights_count_by_size() -> None:
    code = Multiples(4, 1, (2.0, -8.0, 1.0, -0.25))
    scheme = Fixed("signs", code, FirstK(4), Optimal(code), exact=True)
    found = scheme.conditioning()
    assert found is not None
    assert found.largest_coefficient == 8.0
    assert found.largest_weight == pytest.approx(4.0)
    assert found.residual < 1e-14


@final
@dataclass(frozen=True)
class NearlyParallel(UniformLoad):
    """Two rows that differ in the eleventh digit: only their difference tells g_2 from g_1."""

    @property
    def encoding(self) -> sparse.csr_array:
        return sparse.csr_array(np.array([[0.3, 0.7], [0.3, 0.7 + 1e-11]]))


def test_of_a_code_that_is_exact_on_paper_only() -> None:
    """a_1 + a_2 = 1/0.3 with a_2 = 4/3 * 1e11: of sixteen digits, eleven cancel."""
    code = NearlyParallel(2, 2)
    found = Fixed("near", code, FirstK(2), Optimal(code), exact=True).conditioning()
    assert found is not None
    assert found.largest_coefficient == 0.7 + 1e-11
    assert found.largest_weight == pytest.approx(4 / 3 * 1e11, rel=1e-4)
    assert 1e-9 < found.residual < 1e-2


@final
class Counting(Decoder):
    """Notes what it is asked."""

    solves = True

    def __init__(self) -> None:
        self.asked: list[BoolArray] = []

    def decoding_vector(self, arrived: BoolArray) -> FloatArray:
        self.asked.append(arrived)
        return arrived.astype(np.float64)

    def partition_weights(self, arrived: BoolArray) -> FloatArray:
        raise AssertionError("would decode a second time")


def test_cost_is_that_of_a_few_rounds() -> None:
    """Each probe is decoded once; a deadline has no say in who is heard."""
    decoder = Counting()
    rule = (FirstK(9) & CoverGroups(3)) | Deadline(1e-6)
    Fixed("probe", Multiples(12, 1, (2.0,) * 12), rule, decoder, exact=False).conditioning()
    (arrived,) = decoder.asked
    assert arrived.shape == (PROBES, 12)
    assert np.all(np.count_nonzero(arrived, axis=1) >= 9)
    assert len(np.unique(arrived, axis=0)) > PROBES // 2
    decoder.solves = False
    Fixed("plain", Groups(12, 1), FirstK(9), decoder, exact=False).conditioning()
    assert len(decoder.asked) == 1, "a decoder that solves nothing is not asked at all"
