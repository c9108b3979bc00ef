"""Who holds what, and what rounding makes of a code."""

from __future__ import annotations

import dataclasses
import gzip
import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np
import pytest
from scipy import sparse
from scipy.io import mmwrite

from erasurehead.plugins import (
    Assignment,
    BoolArray,
    CoverGroups,
    CyclicCode,
    CyclicMds,
    Decoder,
    Encoded,
    Fixed,
    FloatArray,
    Groups,
    InvalidParameter,
    Optimal,
    Pieces,
    UniformLoad,
)
from erasurehead.schemes import SCHEMES, Matrix, Scheme
from erasurehead.stopping import Deadline, FirstK

PROBED_ORDERS = 16
"""Random orders of arrival that are decoded."""

# Who holds what: supports, loads and messages of each assignment.


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
def test_every_partition_is_held_by_as_many_workers_as_a_worker_holds(assignment):
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


@pytest.mark.parametrize("at_once", [1, 18, 2**22])
def test_cyclic_code_solves_the_null_space_identity(at_once, monkeypatch):
    """H B^T = 0 with H as the source draws it: catches coefficients on the wrong partitions. The
    nine systems of nine entries are solved one by one, in pairs, or all together."""
    monkeypatch.setattr("erasurehead.sim.schemes.parts.assignments.SYSTEM_ENTRIES_AT_ONCE", at_once)
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


def test_messages_of_any_matrix() -> None:
    """Two workers of two messages: the second one sends the same partition twice, and computes it
    once; four partitions are two of n = 2. Rows must go round."""
    rows = np.eye(4)[[1, 3, 2, 2]]
    code = Encoded(rows, messages=2)
    assert (code.workers, code.partitions, code.messages) == (2, 4, 2)
    np.testing.assert_array_equal(code.loads, [1.0, 0.5])
    assert code.carriers is None, "partition 0 is in no message"
    full = Encoded(np.eye(4)[[1, 3, 2, 0, 2, 1]], messages=3)
    np.testing.assert_array_equal(full.carriers, [[3, 3], [0, 5], [2, 4], [1, 1]])
    assert code != Encoded(rows)
    with pytest.raises(ValueError, match=r"\(4, 4\): must be \(workers times 3, partitions\)"):
        Encoded(rows, messages=3)
    with pytest.raises(InvalidParameter, match="messages = 0: must be a whole number >= 1"):
        Encoded(rows, messages=0)


# How a code's conditioning is measured.


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
    assert found == SCHEMES["cyclic_repetition"](load=load).build(n).conditioning()
    assert found.largest_coefficient >= 1
    assert found.residual < 1e-9
    orders = np.tile(np.arange(float(n)), (PROBED_ORDERS, 1))
    heard = np.random.default_rng(0).permuted(orders, axis=1) <= n - load
    largest = np.abs(scheme.decoder.decoding_vector(heard)).max()
    assert found.largest_weight == largest, "the orders are those of the releases before"


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
    assert found.largest_coefficient == 3.0
    assert found.largest_weight == 1.0
    assert found.residual == pytest.approx(np.sqrt(4 + 1 + 1 + 1), rel=1e-15)


def test_negative_coefficients_and_weights_count_by_size() -> None:
    code = Multiples(4, 1, (2.0, -8.0, 1.0, -0.25))
    scheme = Fixed("signs", code, FirstK(4), Optimal(code), exact=True)
    found = scheme.conditioning()
    assert found.largest_coefficient == 8.0
    assert found.largest_weight == pytest.approx(4.0)
    assert found.residual < 1e-14


def test_of_a_code_with_more_workers_than_partitions() -> None:
    """Of a + b = 1 for each partition, 3 a^2 + b^2 is least with a = 1/4."""
    code = Encoded(sparse.csr_array(np.vstack([np.eye(3), np.ones(3)])))
    found = Fixed("four", code, FirstK(4), Optimal(code), exact=True).conditioning()
    assert found.largest_weight == pytest.approx(0.75)
    assert found.residual < 1e-14


def test_an_empty_row_is_never_among_the_arrivals() -> None:
    """Any two of the three senders decode, with weights 2 and -1, 3/2 and -1/2, or 3 and -2; who
    waits for five waits for all three, of which 4/3, 1/3 and -2/3 are the smallest."""
    rows = np.array([[1.0, 2.0], [0, 0], [1.0, 3.0], [0, 0], [1.0, 4.0], [0, 0]])
    code = Encoded(sparse.csr_array(rows))
    for asked, largest in ((2, 3.0), (5, 4 / 3)):
        found = Fixed("sparse", code, FirstK(asked), Optimal(code), exact=True).conditioning()
        assert found.residual < 1e-12
        assert found.largest_weight == pytest.approx(largest)


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
    assert arrived.shape == (PROBED_ORDERS, 12)
    assert np.all(np.count_nonzero(arrived, axis=1) >= 9)
    assert len(np.unique(arrived, axis=0)) > PROBED_ORDERS // 2
    decoder.solves = False
    Fixed("plain", Groups(12, 1), FirstK(9), decoder, exact=False).conditioning()
    assert len(decoder.asked) == 1, "a decoder that solves nothing is not asked at all"


# ``matrix``: a code from a file, in each format, and files that are not one.


B = np.array([[1.0, 1, 0, 0, 0.5], [0, 1, 1, 0, 0], [0, 0, 1, -2, 0], [1, 0, 0, 1, 1]])
"""4 workers, 5 partitions."""


def write(path: Path) -> Path:
    match path.suffixes:
        case [".csv"]:
            np.savetxt(path, B, delimiter=",")
        case [".csv", ".gz"]:
            np.savetxt(path, B, delimiter=",")
        case [".npz"]:
            np.savez(path, B)
        case [".npz", ".npz"]:
            sparse.save_npz(path, sparse.csr_array(B))
        case [".mtx"]:
            mmwrite(path, sparse.coo_array(B))
        case [".dense", ".mtx"]:
            mmwrite(path, B)
    return path


@pytest.mark.parametrize(
    "name", ["b.csv", "b.csv.gz", "b.npz", "b.npz.npz", "b.mtx", "b.dense.mtx"]
)
def test_every_format_gives_the_same_code(name: str, tmp_path: Path) -> None:
    scheme = Matrix(path=str(write(tmp_path / name)), wait_for=3).build(4)
    np.testing.assert_array_equal(scheme.assignment.encoding.toarray(), B)
    assert scheme.assignment.encoding.nnz == 10
    assert scheme.partitions == 5
    np.testing.assert_allclose(scheme.assignment.loads, np.array([3, 2, 2, 3]) * 4 / 5)
    arrived = np.array([True, True, False, True])
    best = np.linalg.lstsq(B[arrived].T, np.ones(5), rcond=None)[0] @ B[arrived]
    np.testing.assert_allclose(scheme.decoder.partition_weights(arrived), best)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        (
            "b.csv",
            b"1,2\n3,x\n",
            "row 2, column 2: x is not a number; there must be no header",
        ),
        ("b.csv", b"1,2\n3\n", "row 2, column 2: is empty; all rows must have the same number of"),
        ("b.csv", b"1,2\n3,4,5\n", "line 2 has 3 cells, and the lines before it have 2"),
        ("b.csv", b"0,0\n0,0\n", "nothing but zeros"),
        ("b.csv", b"1,inf\n1,1\n", "not a finite number"),
        ("b.csv", b"1,2\n3,4\n5,6\n", "has 3 rows; must have one for each of the workers = 2"),
        ("b.csv", b"", ""),
        ("b.txt", b"1,2\n3,4\n", "unknown ending; valid: .csv, .npz, .mtx"),
        ("b.npz", b"PK\x03\x04 no archive", ""),
        ("b.mtx", b"%%MatrixMarket matrix coordinate real general\n2 2 1\n9 9 1.0\n", ""),
        ("b.mtx", b"%%MatrixMarket matrix array real general\n1000000 1000000\n", ""),
        ("b.mtx", b"no matrix at all", "cannot be read as Matrix Market: "),
        (
            "b.mtx",
            b"%%MatrixMarket matrix coordinate complex general\n2 2 2\n1 1 1 2\n2 2 1 0\n",
            "holds complex numbers; valid: real numbers",
        ),
    ],
)
def test_a_file_that_is_no_code_is_one_line(name, content, says, tmp_path):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InvalidParameter) as error:
        Matrix(path=str(path), wait_for=1).build(2)
    assert error.value.field == "path"
    assert says in error.value.valid
    assert "\n" not in str(error.value)


def test_a_gzipped_bomb_is_refused(tmp_path: Path) -> None:
    """By what it would hold, not by its size or its rows."""
    path = tmp_path / "b.csv.gz"
    with gzip.open(path, "wb") as file:
        file.write(b"1," * 300_000 + b"1\n")
    with pytest.raises(InvalidParameter, match="more than 200,000 columns"):
        Matrix(path=str(path), wait_for=1).build(1)


def test_one_step_needs_coefficients_with_a_positive_sum(tmp_path: Path) -> None:
    path = tmp_path / "b.csv"
    np.savetxt(path, [[1, -1], [-1, 1]], delimiter=",")
    with pytest.raises(InvalidParameter, match="decoder"):
        Matrix(path=str(path), wait_for=1, decoder="one_step").build(2)
    scheme = Matrix(path=str(path), wait_for=1).build(2)
    assert isinstance(scheme.decoder, Optimal)


def read_matrix(path: Path, workers: int = 2) -> np.ndarray:
    return Matrix(path=str(path), wait_for=1).build(workers).assignment.encoding.toarray()


@pytest.mark.parametrize("ending", [".csv", ".npz", ".mtx", ".csv.gz", ".txt", ""])
def test_a_matrix_must_be_in_a_file(ending: str, tmp_path: Path) -> None:
    """Whatever its name: first it is looked at whether there is one, and then at its ending."""
    path = tmp_path / f"m{ending}"
    with pytest.raises(InvalidParameter, match=r"no such file$"):
        read_matrix(path)
    path.mkdir()
    with pytest.raises(InvalidParameter, match=r"is a folder; must be a regular file$"):
        read_matrix(path)


def test_arrays_that_are_no_matrix(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    for arrays, says in (
        (
            {"a": np.ones((2, 2)), "b": np.ones(2)},
            r"holds \['a', 'b'\]; valid: one array, or a CSR",
        ),
        ({"a": np.ones(3)}, r"array has shape \(3,\) and type float64; valid: numbers in rows"),
    ):
        np.savez(path, **arrays)
        with pytest.raises(InvalidParameter, match=says):
            read_matrix(path)
    np.savez(path, a=np.array([[1, 0], [0, 2]]))
    assert read_matrix(path).tolist() == [[1, 0], [0, 2]]
    sparse.save_npz(path, sparse.csr_array([[0.0, 3.0], [4.0, 0.0]]))
    assert read_matrix(path).tolist() == [[0, 3], [4, 0]]
