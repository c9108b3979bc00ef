"""Decoders: least squares, and those of cyclic codes.

Speaks to solvers of many sets at once, which are held to NumPy's and to themselves.
"""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import sparse

from erasurehead.plugins import (
    Assignment,
    BoolArray,
    CyclicCode,
    CyclicMds,
    DecodedRounds,
    Encoded,
    Fixed,
    Groups,
    OnePerGroup,
    OnePerPartition,
    Optimal,
    Pieces,
    Rounds,
    RoundScheme,
    SumArrived,
    Trace,
    decoding_error,
)
from erasurehead.schemes import SCHEMES
from erasurehead.sim.base.numerics import (
    SubsetLeastSquares,
    one_thread,
    solve_each,
    sparse_least_squares,
)
from erasurehead.sim.schemes.codes.cyclic import Banded, Cyclic, Interpolated

# Decoders: which messages are taken, with which weight, and how well.


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


@pytest.mark.parametrize(
    ("k", "code"),
    [(n, Pieces(n, load)) for n, load in [(4, 3), (5, 2), (3, 3), (6, 1), (1, 1)]]
    + [(3, Encoded(np.eye(3)[[0, 2, 2, 1, 0, 0, 2, 0]], messages=2))],  # 4, 1 and 3 copies
)
def test_one_per_partition_takes_the_lowest_index(k: int, code: Assignment) -> None:
    """Catches the order of pieces, in which a worker's late piece comes before an early one."""
    carried = code.encoding.toarray().argmax(axis=1)
    parts = [np.flatnonzero(carried == i).tolist() for i in range(k)]
    masks = every_mask(code.workers * code.messages)
    expected = np.array([first_of_each(mask, parts) for mask in masks])
    decoder = OnePerPartition(code)
    np.testing.assert_array_equal(decoder.decoding_vector(masks), expected)
    covered = [[any(mask[messages]) for messages in parts] for mask in masks]
    np.testing.assert_array_equal(decoder.partition_weights(masks), covered)


@pytest.mark.parametrize(
    ("code", "why"),
    [
        (Groups(4, 2), "a partition in each message, unlike Groups"),
        (Encoded(2.0 * np.eye(3)), "a partition in each message, unlike Encoded"),
        (Encoded(np.eye(3)[[0, 2, 0]]), "some partition is in no message"),
    ],
)
def test_sums_cannot_be_taken_apart(code: Assignment, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        OnePerPartition(code)


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


@pytest.mark.parametrize("share", [0.0, 0.4, 0.9, 1.0])
def test_counts_tell_the_same_as_weights(share: float) -> None:
    """To the bit, of every scheme that decodes by counting: shares, errors, and who is exact.
    Catches a factor n/m whose squares round when they are added, and partitions of half a group."""
    counting, rng = 0, np.random.default_rng(7)
    for family in SCHEMES.values():
        for example in family.examples():
            scheme = example.build(12)
            if not isinstance(scheme, RoundScheme):
                continue
            arrived = rng.random((2, 60, 12 * scheme.messages)) < share
            if scheme.common_weight(arrived) is None:
                continue
            counting += 1
            size = np.ones((2, 60)), arrived, scheme.weights, 12, scheme.partitions
            counted = DecodedRounds(*size, common=scheme.common_weight)
            decoded = DecodedRounds(*size)
            for name in ("error", "recovered", "shares", "exact", "weights"):
                np.testing.assert_array_equal(getattr(counted, name), getattr(decoded, name))
            np.testing.assert_array_equal(counted.step(5).weights, decoded.step(5).weights)
    assert counting >= 20


@pytest.mark.parametrize(
    ("load", "weight", "residual"),
    [(2, 2, 1e-13), (3, 100, 1e-13), (4, 100, 2e-13), (8, 100, 1e-11), (16, 100, 1e-11)],
)
def test_cyclic_mds_codes_of_thirty_are_well_conditioned(load, weight, residual):
    """On sixteen sets; the random code has weights of 6e5 and a residual of 1e-9 at load 4."""
    found = SCHEMES["cyclic_mds"](load=load).build(30).conditioning()
    assert found.largest_weight < weight
    assert found.residual < residual


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


# Least squares with sparse matrices: as good as dense ones, and the same alone or in company.


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
    return scheme.assignment.encoding


@pytest.mark.parametrize("name", ["bernoulli", "regular_graph", "complex"])
@pytest.mark.parametrize("r", [0, 1, 30, 60, 75])
def test_the_vector_of_smallest_norm(name: str, r: int) -> None:
    """As NumPy's least squares of the dense matrix, where rows also depend on each other."""
    code = sparse_code(name)
    masks = some(code.shape[0], r, 5)
    for mask, vector in zip(masks, sparse_least_squares(code, masks), strict=True):
        assert not vector[~mask].any()
        rows = code.toarray()[mask]
        exact = np.linalg.lstsq(rows.T, np.ones(code.shape[1]), rcond=None)[0] if r else []
        np.testing.assert_allclose(vector[mask], exact, atol=1e-8)


def test_the_same_bits_alone_and_in_company() -> None:
    """So that the engines, and one more replication, change nothing; easy and hard sets mixed."""
    code = sparse_code("bernoulli")
    masks = np.concatenate([some(90, r, 12) for r in (3, 40, 80)])
    together = sparse_least_squares(code, masks)
    alone = np.concatenate([sparse_least_squares(code, mask[None]) for mask in masks])
    np.testing.assert_array_equal(together, alone)
    np.testing.assert_array_equal(together[::-1], sparse_least_squares(code, masks[::-1]))


# Least squares for many sets: as NumPy's, and the same bits alone, in company and in any order.


def small_code(name: str, n: int) -> tuple[np.ndarray, int]:
    """B, and how many arrivals are enough where it is exact."""
    if name == "dependent":  # zero rows, equal rows, and more workers than partitions
        rng = np.random.default_rng(4)
        code = (rng.random((n, n // 2)) < 0.2).astype(float)
        code[:3], code[3:6] = 0.0, code[6]
        return code, n
    options: dict[str, object] = {"load": 4}
    if name == "heterogeneity_aware":
        options["speeds"] = (1.0, 2.0) * (n // 2)
    if name in ("bernoulli", "regular_graph"):
        options["wait_for"] = n
    scheme = SCHEMES[name](**options).build(n)
    return scheme.assignment.encoding.toarray(), n - 3


SMALL_CODES = ["bernoulli", "regular_graph", "cyclic_mds", "heterogeneity_aware", "dependent"]


NAMED = [("cyclic_mds", 31), *itertools.product(SMALL_CODES, (30, 90))]  # 31: a complex code


@pytest.mark.parametrize(("name", "n"), NAMED)
def test_many_sets_get_numpys_least_squares(name: str, n: int) -> None:
    """Few and many arrivals, none, all and just enough; rows that depend on each other."""
    code, enough = small_code(name, n)
    target = np.ones(code.shape[1])
    counts = {0, 1, n // 3, n // 2, 2 * n // 3, n - 5, enough, enough + 1, n - 1, n}
    masks = np.concatenate([some(n, min(r, n), 12) for r in sorted(counts)])
    vectors = SubsetLeastSquares(code, target).solve(masks)
    assert not vectors[~masks].any()
    for mask, vector in zip(masks, vectors, strict=True):
        expected = np.zeros_like(vector)
        expected[mask] = np.linalg.lstsq(code[mask].T, target, rcond=None)[0]
        scale = 1 + np.abs(expected).max()
        near = 1e-11 + 1e-13 * (np.abs(expected) @ np.abs(code)).max()
        np.testing.assert_allclose(vector @ code, expected @ code, rtol=0, atol=near)
        np.testing.assert_allclose(vector, expected, rtol=0, atol=1e-8 * scale)


@pytest.mark.parametrize("name", SMALL_CODES)
@pytest.mark.parametrize("n", [30, 100])
def test_a_set_gets_the_same_bits_in_any_company(name: str, n: int) -> None:
    """So that neither the engines, nor replications, nor blocks of rounds change a result."""
    code, enough = small_code(name, n)
    solver = SubsetLeastSquares(code, np.ones(code.shape[1]))
    sizes = (2, n // 3, n // 2, 2 * n // 3, n - 5, enough, n)
    masks = np.concatenate([some(n, min(r, n), 11) for r in sizes])
    order = np.random.default_rng(1).permutation(len(masks))
    with one_thread():
        together = solver.solve(masks)
        mixed = solver.solve(masks[order])
        alone = np.concatenate([solver.solve(mask[None]) for mask in masks])
        fresh = SubsetLeastSquares(code, np.ones(code.shape[1])).solve(masks[-3:])
    np.testing.assert_array_equal(together, alone)
    np.testing.assert_array_equal(together[order], mixed)
    np.testing.assert_array_equal(together[-3:], fresh)


@pytest.mark.parametrize("n", [30, 64, 65])
def test_elimination_gives_the_same_bits_in_any_company(n: int) -> None:
    """Sets that are just enough, more and fewer; stacked up to 64 workers, one by one beyond."""
    scheme = SCHEMES["cyclic_repetition"](load=5).build(n)
    assert isinstance(scheme.decoder, Banded)
    masks = np.concatenate([some(n, r, 9) for r in (n - 4, n - 2, n - 7)])
    order = np.random.default_rng(1).permutation(len(masks))
    with one_thread():
        together = scheme.weights(masks)
        mixed = scheme.weights(masks[order])
        alone = np.array([scheme.weights(mask) for mask in masks])
    np.testing.assert_array_equal(together, alone)
    np.testing.assert_array_equal(together[order], mixed)


def test_a_badly_conditioned_set_is_left_to_numpy() -> None:
    """Two rows that differ by 1e-7: repetition would need thousands of turns."""
    code = np.array([[1.0, 1.0, 0.0], [1.0, 1.0 + 1e-7, 0.0], [0.0, 0.0, 1.0], [2.0, 1.0, 1.0]])
    target = np.array([1.0, 2.0, 0.5])
    mask = np.array([[True, True, False, False]])
    found = SubsetLeastSquares(code, target).solve(mask)[0]
    expected = np.linalg.lstsq(code[:2].T, target, rcond=None)[0]
    np.testing.assert_array_equal(found, [*expected, 0.0, 0.0])


def test_a_well_conditioned_set_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of few rows and of many: NumPy is not asked for the answer of each set."""
    code = np.random.default_rng(5).standard_normal((12, 40))
    masks = np.concatenate([some(12, r, 5) for r in (3, 9)])
    expected = [np.linalg.lstsq(code[mask].T, np.ones(40), rcond=None)[0] for mask in masks]
    monkeypatch.delattr(np.linalg, "lstsq")
    found = SubsetLeastSquares(code, np.ones(40)).solve(masks)
    np.testing.assert_allclose(found[masks], np.concatenate(expected), atol=1e-12)


def test_singular_systems_do_not_disturb_others() -> None:
    systems = np.array([[[2.0, 0.0], [0.0, 4.0]], [[1.0, 1.0], [1.0, 1.0]], np.eye(2)])
    found = solve_each(systems, np.ones((3, 2)))
    np.testing.assert_array_equal(found[[0, 2]], [[0.5, 0.25], [1.0, 1.0]])
    assert np.isnan(found[1]).all()


@pytest.mark.parametrize("load", range(2, 9))
def test_rounding_of_the_random_cyclic_code_counts_as_exact(load: int) -> None:
    """Of thirty workers, in a thousand random sets; a learner takes such weights for 1."""
    arrived = some(30, 30 - load + 1, 1000)
    scheme = SCHEMES["cyclic_repetition"](load=load).build(30)
    assert np.abs(scheme.weights(arrived) - 1).max() < 1e-9


# Decoders of large cyclic codes: exact from every set of arrivals, without least squares.


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
    alone = np.array([decoder.solve(np.flatnonzero(~mask)) for mask in masks])
    np.testing.assert_allclose(alone @ code, 1, atol=1e-8)


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

    monkeypatch.setattr("erasurehead.sim.schemes.parts.decoders.SubsetLeastSquares", refuse)
    scheme = SCHEMES[name](load=10).build(20_000)
    found = scheme.conditioning()
    assert np.isfinite(found.residual)
    small = SCHEMES[name](load=10, decoder="least_squares").build(512)
    with pytest.raises(AssertionError, match="least squares"):
        small.conditioning()


def test_large_random_codes_decode() -> None:
    found = SCHEMES["cyclic_repetition"](load=10).build(2_000).conditioning()
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
    default = own if name == "cyclic_repetition" else other
    assert type(default) is type(SCHEMES[name](load=load).build(30).decoder)
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
    code = (
        SCHEMES["fractional_repetition"](load=2).build(1024).assignment
    )  # too large for a dense B
    decoder = Optimal(code)
    arrived = np.ones(1024, dtype=bool)
    arrived[0] = False
    vector = decoder.decoding_vector(arrived)
    assert "_dense" not in decoder.__dict__, "was made dense"
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
    trace = heard(scheme, 5, 10)
    outline = scheme.outline(trace)
    seen = np.isfinite(outline.error)
    assert np.count_nonzero(seen) == int(2e10 / scheme.decoder.operations) == 45
    np.testing.assert_array_equal(np.isfinite(outline.recovered), seen)
    assert seen[[0, -1], [0, -1]].all(), "spread over the whole run"
    assert not outline.exact
    cheap = SCHEMES["cyclic_repetition"](load=3).build(12)
    assert np.isfinite(cheap.outline(heard(cheap, 5, 10)).error).all()
    approximate = SCHEMES["erasurehead"](load=3, wait_for=6).build(12)
    assert np.isfinite(approximate.outline(heard(approximate, 5, 10)).error).all()


def test_large_complex_codes_are_decoded_from_too_few_arrivals(monkeypatch):
    """As after a deadline: the least error of all weights, by products with the sparse B."""
    code = CyclicMds(30, 3)
    assert not code.real
    arrived = np.ones((1, 30), dtype=np.bool_)
    arrived[0, [0, 1, 2, 9, 10, 17]] = False
    solved = Optimal(code).decoding_vector(arrived)
    monkeypatch.setattr("erasurehead.sim.schemes.parts.decoders.MAX_DENSE_ENTRIES", 100)
    assert Interpolated(code).decoding_vector(arrived) == pytest.approx(solved, abs=1e-6)


@pytest.mark.parametrize(
    ("workers", "decoder", "interpolates"),
    [
        (512, None, False),
        (513, None, True),
        (512, "lagrange", True),
        (513, "least_squares", False),
    ],
)
def test_more_than_512_workers_are_decoded_by_interpolation(workers, decoder, interpolates):
    """Of cyclic MDS codes, unless the config says how; least squares would need much memory."""
    scheme = SCHEMES["cyclic_mds"](load=3, decoder=decoder).build(workers)
    assert isinstance(scheme.decoder, Interpolated if interpolates else Optimal)
