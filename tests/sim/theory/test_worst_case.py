"""Upper bounds of the worst case: against their papers, and against every set of stragglers."""

from __future__ import annotations

from math import comb
from types import SimpleNamespace

import networkx as nx
import numpy as np
import pytest
from scipy import sparse

from erasurehead.plugins import (
    CyclicMds,
    Encoded,
    Fixed,
    Groups,
    InvalidParameter,
    Optimal,
    SumArrived,
    unbiased,
)
from erasurehead.schemes import SCHEMES, SchemeFamily
from erasurehead.sim.attack import code_of
from erasurehead.sim.attack.code import every_set
from erasurehead.sim.schemes.codes.graph_codes import adjacency
from erasurehead.sim.theory.worst_case import GroupsLost, singular_values
from erasurehead.stopping import FirstK
from erasurehead.theory import (
    ErasureBound,
    GroupErasure,
    NoFormula,
    design_error,
    expander_bound,
    expected_total_time,
    gradient_descent_rate,
    least_squares_spectrum,
    spectral_bound,
    worst_bound,
    worst_cases,
)
from tests.statistics import BOUND, assert_z

EXAMPLES = {
    f"{name}{place}": example
    for name, family in SCHEMES.items()
    for place, example in enumerate(family.examples())
}


def test_the_bound_of_expanders() -> None:
    """Raviv et al.: (lambda / d)^2 n s / (n - s), with the weight n / (m d)."""
    for m in range(1, 14):
        fixed = spectral_bound(13, 13, 6, 2.3028, m, 13 / (6 * m))
        assert fixed == pytest.approx(expander_bound(13, 6, 2.3028, m), abs=1e-12)


def test_the_error_of_designs() -> None:
    """Kadhe et al.: v - d^2 m / (d + lambda (m - 1)); singular values are sqrt(d - lambda)."""
    for n, d, shared in ((7, 3, 1), (13, 4, 1), (37, 9, 2)):
        for m in range(1, n + 1):
            found = spectral_bound(n, n, d, np.sqrt(d - shared), m)
            assert found == pytest.approx(design_error(n, d, m), abs=1e-9)


def test_the_bound_of_graphs() -> None:
    """Glasgow, Wootters: relative error (2 d - gap) / (2 d) p / (1 - p), weight 1 / (1 - p) / 2."""
    d, k = 3, 20
    graph = nx.random_regular_graph(d, k, seed=1)
    n = graph.number_of_edges()
    eigenvalues = np.sort(np.linalg.eigvalsh(adjacency(graph).toarray()))
    gap = d - eigenvalues[-2]
    scheme = SCHEMES["graph_assignment"](degree=d, wait_for=n, code_seed=1).build(n)
    second = singular_values(scheme.assignment.encoding)[1]
    for s in range(n):
        p, m = s / n, n - s
        paper = k * (2 * d - gap) / (2 * d) * p / (1 - p)
        fixed = spectral_bound(n, k, 2, second, m, k / (2 * m))
        assert fixed == pytest.approx(paper, abs=1e-9)
        assert spectral_bound(n, k, 2, second, m) <= paper + 1e-9


@pytest.mark.parametrize("example", EXAMPLES.values(), ids=EXAMPLES)
def test_no_set_of_stragglers_exceeds_a_bound(example: SchemeFamily) -> None:
    """Every set of up to 5 of 12; where a bound is attained, one of them is as bad."""
    workers = {"block_design": 13}.get(example.name, 12)
    try:
        scheme = example.build(workers)
    except InvalidParameter:
        pytest.skip("needs another number of workers")
    cases = worst_cases(scheme)
    if isinstance(cases, NoFormula):
        assert cases.reason
        return
    code = code_of(scheme)
    for s in range(6):
        bound = worst_bound(cases, s)
        if bound is None:
            continue
        (errors,) = (code.errors(masks) for masks in every_set(workers, s))
        assert len(errors) == comb(workers, s)
        assert errors.max() <= bound.value + 1e-8
        if bound.attained:
            assert errors.max() == pytest.approx(bound.value, abs=1e-8)


@pytest.mark.parametrize(
    ("name", "fields", "workers"),
    [
        ("cyclic_repetition", {"load": 3}, 12),
        ("cyclic_mds", {"load": 3}, 12),
        ("fractional_repetition", {"load": 3}, 12),
        ("generalized_fractional_repetition", {"load": 3}, 13),
        ("communication_efficient", {"load": 4, "share": 2}, 12),
        ("heterogeneity_aware", {"load": 3, "speeds": (1.0,) * 4 + (2.0,) * 4}, 8),
        ("heterogeneity_aware", {"load": 2, "speeds": (1.0,) + (10.0,) * 5}, 6),  # one holds none
        ("uncoded", {}, 12),
    ],
)
def test_an_exact_code_is_exact_with_as_many_stragglers_as_it_tolerates(name, fields, workers):
    """And no code of theirs is with one more, where it is known what is lost then."""
    scheme = SCHEMES[name](**fields).build(workers)
    cases = worst_cases(scheme)
    assert not isinstance(cases, NoFormula)
    tolerated = scheme.guarantees.tolerates
    for stragglers in range(tolerated + 1):
        bound = worst_bound(cases, stragglers)
        assert (bound.value, bound.attained) == (0.0, True)
    more = worst_bound(cases, tolerated + 1)
    assert more is None or more.value > 0.5


def test_large_factors_make_few_lost_groups_the_worst() -> None:
    """Each of l lost partitions counts 1, each of the other 6 - l counts (c - 1)^2."""
    bounds = {s: GroupsLost(6, 2, 3.0).bound(s).value for s in range(7)}
    assert bounds[3] == 4 * 6  # one of each group may be there
    assert bounds[4] == 2 + 4 * 4  # two workers are in two groups at most
    assert bounds[5] == 4 + 4 * 2
    assert bounds[6] == 6
    assert GroupsLost(6, 2, 1.5).bound(5).value == 4 + 0.25 * 2


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ((6, 2, 0.0), "scale"),
        ((6, 2, np.inf), "scale"),
        ((6, 4, None), "load"),
        ((0, 1), "workers"),
    ],
)
def test_groups_that_cannot_be(fields: tuple[float, ...], field: str) -> None:
    with pytest.raises(InvalidParameter) as refused:
        GroupsLost(*fields)
    assert refused.value.field == field
    for stragglers in (-1, 7):
        with pytest.raises(InvalidParameter, match="between 0 and workers = 6"):
            GroupsLost(6, 2).bound(stragglers)


def test_an_exact_code_with_another_decoder_tolerates_nobody() -> None:
    """Plain sums of a cyclic code: with one straggler the error is above 0."""
    code = CyclicMds(12, 4)
    scheme = Fixed("mine", code, FirstK(9), unbiased(code, 4.0), exact=None)
    cases = worst_cases(scheme)
    bound = None if isinstance(cases, NoFormula) else worst_bound(cases, 1)
    assert bound is None or bound.value > 0.1


def test_plain_sums_lose_whole_groups_only_where_groups_are_single_workers() -> None:
    """Groups of two are counted twice while nobody straggles."""
    for d, source in ((1, "whole groups lost"), (2, None)):
        code = Groups(12, d)
        scheme = Fixed("mine", code, FirstK(9), SumArrived(), exact=None)
        cases = worst_cases(scheme)
        found = None if isinstance(cases, NoFormula) else worst_bound(cases, 3)
        assert (found.source if found else None) == source


def test_large_matrices_have_the_same_second_singular_value(monkeypatch):
    scheme = SCHEMES["regular_graph"](load=4, wait_for=9).build(60)
    whole = singular_values(scheme.assignment.encoding)
    monkeypatch.setattr("erasurehead.sim.theory.worst_case.MAX_DENSE_SIZE", 10)
    assert singular_values(scheme.assignment.encoding) == pytest.approx(whole[:2], rel=1e-9)


@pytest.mark.parametrize("name", ["bernoulli", "stochastic_gradient_coding"])
def test_nothing_is_claimed_of_irregular_codes(name: str) -> None:
    scheme = SCHEMES[name](load=3, wait_for=6).build(12)
    assert isinstance(worst_cases(scheme), NoFormula)


def test_complex_codes_and_negative_entries_have_the_bound_too() -> None:
    """Row sums of both are equal; the all-ones vector of the second is not of the largest value."""
    complex_code = SCHEMES["cyclic_mds"](load=3).build(12)
    bound = worst_bound(worst_cases(complex_code), 4)
    assert bound.source == "spectral"
    rng = np.random.default_rng(0)
    signs = _circulant(np.array([3.0, -2.0, 1.0, 0, 0, -1.0, 0, 0.5, 0, 0]))
    for b in (signs, signs + 0.1 * _circulant(rng.standard_normal(10))):
        code = Encoded(sparse.csr_array(b))
        scheme = Fixed("mine", code, FirstK(10), Optimal(code), exact=None)
        (case,) = worst_cases(scheme)
        for s in range(1, 6):
            errors = np.concatenate([code_of(scheme).errors(masks) for masks in every_set(10, s)])
            assert errors.max() <= case.bound(s).value + 1e-9


def _circulant(row: np.ndarray) -> np.ndarray:
    return np.array([np.roll(row, j) for j in range(len(row))])


def test_classes_that_split_all_partitions() -> None:
    """Of three classes of four workers the fullest counts: two stragglers leave one complete, and
    six take two workers of each, with three partitions apiece. Of 13 workers in three classes
    sizes differ, and no more is known than who is tolerated."""
    family = SCHEMES["generalized_fractional_repetition"](load=3)
    known = worst_cases(family.build(12))
    assert not isinstance(known, NoFormula)
    found = [worst_bound(known, s) for s in (0, 2, 3, 6, 12)]
    assert [bound.value for bound in found if bound is not None] == [0, 0, 3, 6, 12]
    uneven = worst_cases(family.build(13))
    assert not isinstance(uneven, NoFormula)
    tolerated = worst_bound(uneven, 2)
    assert tolerated.value == 0
    assert worst_bound(uneven, 3) is None


# The convergence bound against gradient descent written out in the test.


def descend(x, y, l2, erasure, step, iterations, runs, rng):
    """Objectives and sums over groups of ||grad f_b||^2, both ``(runs, iterations + 1)``."""
    rows, columns = x.shape
    groups = erasure.workers // erasure.size
    blocks = np.array_split(np.arange(rows), groups)
    beta = np.zeros((runs, columns))
    losses, spreads = [], []
    for t in range(iterations + 1):
        residual = beta @ x.T - y
        losses.append(np.mean(residual**2, axis=1) + l2 * np.sum(beta**2, axis=1))
        parts = np.stack([2 * residual[:, b] @ x[b] / rows for b in blocks], axis=1)
        spreads.append(np.sum(parts**2, axis=(1, 2)))
        if t < iterations:
            order = rng.random((runs, erasure.workers)).argsort(axis=1)
            arrived = np.zeros((runs, erasure.workers), dtype=bool)
            np.put_along_axis(arrived, order[:, : erasure.arrivals], True, axis=1)
            heard = arrived.reshape(runs, groups, erasure.size).any(axis=2)
            decoded = erasure.scale * np.einsum("rg,rgp->rp", heard, parts)
            beta = beta - step * (decoded + 2 * l2 * beta)
    return np.stack(losses, axis=1), np.stack(spreads, axis=1)


def problem(seed=1, rows=240, columns=8):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((rows, columns))
    y = x @ rng.standard_normal(columns) + rng.standard_normal(rows)
    return x, y


@pytest.mark.parametrize(
    ("r", "unbiased", "l2"), [(3, False, 0.0), (5, False, 0.0), (3, True, 0.0), (3, True, 0.05)]
)
def test_mean_loss_stays_below_the_bound(r, unbiased, l2):
    """Catches a noise floor or a rate that is too small, also at the longest step allowed."""
    x, y = problem()
    plain = GroupErasure(12, 3, r)
    erasure = GroupErasure(12, 3, r, 1 / plain.heard if unbiased else 1.0)
    spectrum = least_squares_spectrum(x, y, l2)
    step = 1 / (spectrum.smoothness * erasure.scale * erasure.heard)
    losses, spreads = descend(x, y, l2, erasure, step, 60, 400, np.random.default_rng(7))
    gaps = losses - spectrum.minimum
    b, mu, gap = spectrum.smoothness, spectrum.pl_constant, gaps[0, 0]
    bound = ErasureBound(b, mu, erasure, step, spreads.max(), gap, l2)
    error = gaps.std(axis=0, ddof=1) / np.sqrt(len(gaps)) + 1e-12
    mean, close = gaps.mean(axis=0), bound.bound_along(spreads.mean(axis=0)[:-1])
    assert np.all(mean <= close + BOUND * error)
    assert np.all(close <= bound.bound(60) * (1 + 1e-12))
    # The noise is real: without its floor the bound would be broken, and it is not far away.
    assert mean[-1] - BOUND * error[-1] > bound.rate**60 * gap
    assert close[-1] < 6 * mean[-1]


def test_full_arrivals_are_gradient_descent():
    """Catches a floor where nothing is erased, and a rate other than 1 - mu / beta."""
    x, y = problem()
    spectrum = least_squares_spectrum(x, y)
    b, mu = spectrum.smoothness, spectrum.pl_constant
    bound = ErasureBound(b, mu, GroupErasure(12, 3, 10), 1 / b, spread=5.0, gap=2.0)
    assert bound.noise_floor == 0.0
    assert bound.rate == pytest.approx(1 - mu / b, rel=1e-14)
    assert gradient_descent_rate(b, mu, 1 / b) == bound.rate
    np.testing.assert_allclose(bound.bound(3), 2.0 * (1 - mu / b) ** np.arange(4), rtol=1e-13)


def test_rate_is_that_of_full_descent_at_the_longest_step():
    """rho = 1 - mu / beta and a floor of (pi_1 - pi_2) V / (2 p^2 mu), whatever the scale is."""
    one, two = 84 / 924, 1 / 924  # C(9, 6) and C(6, 6) over C(12, 6)
    for scale in (1.0, 1 / (1 - one)):
        erasure = GroupErasure(12, 3, 6, scale)
        bound = ErasureBound(4.0, 0.5, erasure, 1 / (4.0 * scale * (1 - one)), 3.0, 1.0)
        assert bound.rate == pytest.approx(1 - 0.5 / 4.0, rel=1e-13)
        floor = (one - two) * 3.0 / (2 * (1 - one) ** 2 * 0.5)
        assert bound.noise_floor == pytest.approx(floor, rel=1e-12)
        assert bound.bound(2000)[-1] == pytest.approx(floor, rel=1e-12)


@pytest.mark.parametrize("l2", [0.0, 0.1])
@pytest.mark.parametrize("rank", [8, 5])
def test_spectrum_from_the_definition(l2, rank):
    """Catches factors of 2 and of N, and the zero eigenvalues of data without full rank."""
    x, y = problem()
    x = x[:, :rank] @ np.random.default_rng(2).standard_normal((rank, 8)) if rank < 8 else x
    spectrum = least_squares_spectrum(x, y, l2)
    hessian = 2 * x.T @ x / len(x) + 2 * l2 * np.eye(8)
    values = np.linalg.eigvalsh(hessian)
    assert spectrum.smoothness == pytest.approx(values[-1], rel=1e-12)
    assert spectrum.pl_constant == pytest.approx(values[values > 1e-9][0], rel=1e-9)
    best = spectrum.minimiser
    gradient = 2 * x.T @ (x @ best - y) / len(x) + 2 * l2 * best
    np.testing.assert_allclose(gradient, 0.0, atol=1e-12)
    value = np.mean((x @ best - y) ** 2) + l2 * best @ best
    assert spectrum.minimum == pytest.approx(value, rel=1e-13)


def test_what_the_derivation_does_not_cover_is_refused():
    """Catches a bound for a step that may diverge, or for a step that is not along grad f."""
    half = SimpleNamespace(smoothness=4.0, pl_constant=0.5, spread=1.0, gap=1.0)
    with pytest.raises(InvalidParameter, match="learning_rate"):
        ErasureBound(step=0.5, erasure=GroupErasure(12, 3, 6), **vars(half))
    with pytest.raises(InvalidParameter, match="l2"):
        ErasureBound(step=0.1, erasure=GroupErasure(12, 3, 6), l2=0.1, **vars(half))
    with pytest.raises(InvalidParameter):
        gradient_descent_rate(4.0, 0.5, 0.3)


def test_the_bound_of_two_workers_is_their_error():
    """Weights 3/4 and 1/4: with one of them ||a (3/4, 1/4) - 1||^2 is 2 - 8/5 at best."""
    code = Encoded(sparse.csr_array(np.array([[0.75, 0.25], [0.25, 0.75]])))
    scheme = Fixed("two", code, FirstK(1), Optimal(code), exact=None)
    assert worst_bound(worst_cases(scheme), 1).value == pytest.approx(0.4)
    assert worst_bound(worst_cases(scheme), 0).value == pytest.approx(0.0, abs=1e-12)


def test_a_code_of_one_partition_has_no_second_singular_value() -> None:
    code = Encoded(sparse.csr_array(np.ones((2, 1))))
    scheme = Fixed("one", code, FirstK(1), Optimal(code), exact=None)
    assert isinstance(worst_cases(scheme), NoFormula)


def test_wald_for_a_random_number_of_rounds():
    """Catches a mean of ratios: rounds until a coin falls, each of exponential length."""
    rng = np.random.default_rng(11)
    rounds = rng.geometric(0.2, 20_000)
    ends = np.cumsum(rng.exponential(1.5, rounds.sum()))[np.cumsum(rounds) - 1]
    totals = np.diff(ends, prepend=0.0)
    assert_z(totals, expected_total_time(5.0, 1.5))
    assert expected_total_time(5.0, 0.0) == expected_total_time(0.0, 1.5) == 0.0
    assert (expected_total_time(0.0, np.inf), expected_total_time(1.0, np.inf)) == (0.0, np.inf)


@pytest.mark.parametrize("shape", [(1, 3), (3, 1), (1, 1)])
def test_one_row_or_column_has_no_second_singular_value(shape: tuple[int, int]) -> None:
    with pytest.raises(InvalidParameter, match="two rows and columns"):
        singular_values(sparse.csr_array(np.ones(shape)))
    assert singular_values(sparse.csr_array(np.eye(2))).tolist() == [1.0, 1.0]
