"""Decoding errors and moments against enumeration of every order or set of arrivals."""

from __future__ import annotations

import dataclasses
from fractions import Fraction
from itertools import combinations, permutations
from math import comb

import numpy as np
import pytest
from scipy import stats

from erasurehead.delays import MODELS
from erasurehead.load_laws import Proportional
from erasurehead.plugins import CoverGroups, Fixed, OnePerGroup, Optimal, SumArrived, decoding_error
from erasurehead.schemes import SCHEMES
from erasurehead.sim.schemes.parts import assignments
from erasurehead.stopping import Deadline, FirstK
from erasurehead.theory import (
    GroupErasure,
    NoFormula,
    bernoulli_error,
    common_weight_error,
    expected_decoding_error,
    one_step_error,
    scheme_iteration_time,
    stochastic_block_error,
)


def subsets(n, r):
    masks = np.zeros((comb(n, r), n), dtype=bool)
    for row, members in zip(masks, combinations(range(n), r), strict=True):
        row[list(members)] = True
    return masks


@pytest.mark.parametrize(
    ("n", "d", "r"), [(6, 2, 3), (12, 3, 5), (12, 3, 10), (8, 8, 1), (9, 1, 4)]
)
def test_chances_of_erasure_are_exact_ratios(n, d, r):
    """Catches members of a group taken for independent, and pi_2 taken for pi_1 squared."""
    erasure = GroupErasure(n, d, r)
    one, two = (
        Fraction(comb(max(n - m * d, 0), r), comb(n, r)) if n >= m * d else Fraction(0)
        for m in (1, 2)
    )
    assert erasure.one_erased == pytest.approx(float(one), rel=1e-13)
    assert erasure.two_erased == pytest.approx(float(two), rel=1e-13)
    assert erasure.heard == pytest.approx(float(1 - one), rel=1e-13)
    assert erasure.contrast == pytest.approx(float(one - two), rel=1e-13)


@pytest.mark.parametrize(
    ("n", "d", "r"), [(100_000, 10, 50_000), (100_000, 2, 3), (5000, 50, 4000)]
)
def test_chances_of_erasure_keep_their_digits_in_large_clusters(n, d, r):
    """Catches overflow of the binomials, and cancellation in 1 - pi_1 and in pi_1 - pi_2."""
    erasure = GroupErasure(n, d, r)
    one = two = Fraction(1)
    for i in range(2 * d):
        two *= Fraction(n - r - i, n - i)
        one = two if i == d - 1 else one
    assert erasure.one_erased == pytest.approx(float(one), rel=1e-11)
    assert erasure.two_erased == pytest.approx(float(two), rel=1e-11)
    assert erasure.heard == pytest.approx(float(1 - one), rel=1e-11)
    assert erasure.contrast == pytest.approx(float(one - two), rel=1e-11)


@pytest.mark.parametrize("scale", [1.0, 1.7])
@pytest.mark.parametrize(("n", "d", "r"), [(6, 2, 3), (8, 2, 5), (9, 3, 2), (4, 4, 2), (7, 1, 3)])
def test_moments_over_every_set_of_arrivals(n, d, r, scale):
    """Catches a wrong cross term, and the scale squared in the wrong place: exact, no sampling."""
    groups = np.random.default_rng(n).standard_normal((n // d, 5))
    heard = subsets(n, r).reshape(-1, n // d, d).any(axis=2)
    decoded = scale * heard @ groups
    gradient = groups.sum(axis=0)
    erasure = GroupErasure(n, d, r, scale)
    np.testing.assert_allclose(erasure.mean_gradient(groups), decoded.mean(axis=0), rtol=1e-12)
    square = np.mean(np.sum(decoded**2, axis=1))
    error = np.mean(np.sum((decoded - gradient) ** 2, axis=1))
    weights = np.repeat(scale * heard, d, axis=1)
    assert erasure.mean_square(groups) == pytest.approx(square, rel=1e-12)
    assert erasure.mean_square_error(groups) == pytest.approx(error, rel=1e-12)
    assert erasure.decoding_error == pytest.approx(decoding_error(weights).mean(), rel=1e-12)
    errors = decoding_error(weights)
    skewness = stats.skew(errors) if np.ptp(errors) > 1e-9 else 0.0
    assert erasure.error_skewness == pytest.approx(skewness, abs=1e-9)


def custom(stopping, decoder, load=2, n=6):
    held = assignments.Groups(n, load)
    return Fixed("custom", held, stopping, decoder, exact=False)


CASES = {
    "uncoded": SCHEMES["uncoded"]().build(6),
    "ignore, rescaled": SCHEMES["ignore_stragglers"](wait_for=4, rescale=True).build(6),
    "ignore, plain": SCHEMES["ignore_stragglers"](wait_for=4, rescale=False).build(6),
    "fractional": SCHEMES["fractional_repetition"](load=2).build(6),
    "cyclic": SCHEMES["cyclic_repetition"](load=3).build(6),
    "erasurehead": SCHEMES["erasurehead"](load=2, wait_for=4).build(6),
    "erasurehead, rescaled": SCHEMES["erasurehead"](load=2, wait_for=4, rescale=True).build(6),
    "erasurehead, exact": SCHEMES["erasurehead"](load=2, wait_for=5, rescale=True).build(6),
    "erasurehead, no early stop": custom(FirstK(4), OnePerGroup(2, 1.5)),
    "erasurehead, both": custom(FirstK(4) & CoverGroups(2), OnePerGroup(2, 1.5)),
    "erasurehead, bounded": custom((FirstK(3) & CoverGroups(2)) | FirstK(4), OnePerGroup(2, 1.5)),
    "optimal decoding": custom(FirstK(3), Optimal(assignments.Groups(6, 2))),
    "optimal, uncoded": custom(FirstK(3), Optimal(assignments.Groups(6, 1)), load=1),
    "sum of ones": custom(FirstK(3), SumArrived(), load=1),
}


@pytest.mark.parametrize("case", CASES)
def test_expected_error_over_every_order_of_arrivals(case):
    """Catches an early stop that is ignored or counted twice: all 720 orders, no sampling."""
    scheme = CASES[case]
    orders = np.array(list(permutations(range(6))))
    rank = np.argsort(orders, axis=1)
    prefixes = rank[:, None, :] <= np.arange(6)[:, None]  # (720, m, n): after m + 1 arrivals
    first = np.argmax(scheme.stopping.enough(prefixes), axis=1)
    arrived = prefixes[np.arange(len(orders)), first]
    errors = decoding_error(scheme.decoder.partition_weights(arrived))
    assert expected_decoding_error(scheme) == pytest.approx(errors.mean(), rel=1e-12, abs=1e-20)


@pytest.mark.parametrize(
    "scheme",
    [
        SCHEMES["erasurehead"](load=2, wait_for=4, deadline=1.0).build(6),
        SCHEMES["ignore_stragglers"](deadline=1.0).build(6),
        custom(FirstK(4) | CoverGroups(3), OnePerGroup(2)),
        custom(FirstK(4), SumArrived()),
        custom(FirstK(4) & Deadline(1.0), OnePerGroup(2)),
        custom(FirstK(4), OnePerGroup(3)),
    ],
    ids=str,
)
def test_no_formula_is_none(scheme):
    """Catches a number where the count of arrivals is random or the parts do not fit."""
    assert expected_decoding_error(scheme) is None


def test_one_step_decoding_depends_on_row_and_column_sums_only():
    """Catches k and n confused: square and rectangular codes, every set of arrivals."""
    cyclic = (np.arange(7)[None, :] - np.arange(7)[:, None]) % 7 < 3
    fano = np.zeros((7, 7), dtype=bool)
    for j in range(7):
        fano[j, [(j + x) % 7 for x in (0, 1, 3)]] = True
    repetition = np.kron(np.eye(2), np.ones((3, 3))).astype(bool)
    pairs = subsets(4, 2)  # 6 workers, 4 partitions, 2 a worker
    for code in (cyclic, fano, repetition, pairs):
        n, k = code.shape
        d = int(code[0].sum())
        for r in range(1, n + 1):
            weights = k / (r * d) * (subsets(n, r).astype(float) @ code)
            expected = decoding_error(weights).mean()
            assert one_step_error(n, k, d, r) == pytest.approx(expected, rel=1e-12, abs=1e-12)


@pytest.mark.parametrize("k", [1, 8])
def test_a_single_community_is_a_bernoulli_code(k: int) -> None:
    """Nobody is outside: catches a chance there that is 0 / 0."""
    for r in range(1, k + 1):
        found = stochastic_block_error(k, 0.25 * k, k, 0.25, r)
        assert found == pytest.approx(bernoulli_error(k, 0.25 * k, r), rel=1e-12)


def test_several_messages_have_no_formula() -> None:
    """n m dependent messages are not n m independent workers, whatever the rule looks like."""
    scheme = SCHEMES["multi_message"](load=2, wait_for=5).build(6)
    plain = dataclasses.replace(scheme, stopping=FirstK(5))
    exponential = MODELS["exponential"](rate=1.0)
    assert expected_decoding_error(plain) is None
    assert isinstance(scheme_iteration_time(plain, exponential, Proportional()), NoFormula)


def test_a_worker_that_gives_up_has_no_formula() -> None:
    """Catches formulas of the arrivals that a plain worker would give."""
    plain = SCHEMES["erasurehead"](load=2, wait_for=4).build(6)
    impatient = dataclasses.replace(plain, patience=lambda times: np.minimum(times, 2.0))
    exponential = MODELS["exponential"](rate=1.0)
    assert expected_decoding_error(plain) is not None
    assert expected_decoding_error(impatient) is None
    assert isinstance(scheme_iteration_time(impatient, exponential, Proportional()), NoFormula)


COMMON = [
    ("bernoulli", 10, {"load": 3, "decoder": "one_step"}),
    ("bernoulli", 10, {"load": 3, "decoder": "fixed", "code_seed": 1}),
    ("bernoulli", 10, {"load": 2, "decoder": "sum"}),
    ("graph_assignment", 9, {"degree": 3, "decoder": "one_step"}),
    ("expander", 10, {"load": 3}),
    ("block_design", 7, {"load": 3}),
    ("stochastic_gradient_coding", 9, {"load": 2, "straggle_probability": 0.3}),
]


@pytest.mark.parametrize(("name", "workers", "fields"), COMMON)
def test_the_mean_error_of_a_common_weight(name, workers, fields):
    """Exact for one code, whatever its rows: catches one that needs equal rows or columns, and one
    that counts a worker whose row is empty, which sends nothing."""
    full = np.flatnonzero(SCHEMES[name](wait_for=1, **fields).build(workers).assignment.loads)
    for asked in range(1, workers + 1):
        scheme = SCHEMES[name](wait_for=asked, **fields).build(workers)
        arrivals = min(asked, len(full))
        chosen = subsets(len(full), arrivals)
        heard = np.zeros((len(chosen), workers), dtype=bool)
        heard[:, full] = chosen
        expected = decoding_error(scheme.weights(heard)).mean()
        assert expected_decoding_error(scheme) == pytest.approx(expected, abs=1e-10)
        weight = scheme.decoder.weights[arrivals]
        assert common_weight_error(scheme.assignment, arrivals, weight) == pytest.approx(
            expected, abs=1e-10
        )
