"""``matrix``: a code from a file, in each format, and files that are not one."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
from scipy import sparse
from scipy.io import mmwrite

from erasurehead.sim.errors import InvalidParameter
from erasurehead.sim.schemes.base import Fixed
from erasurehead.sim.schemes.decoders import Optimal
from erasurehead.sim.schemes.matrix import Matrix

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
    assert isinstance(scheme, Fixed)
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
            b"a,b\n1,2\n3,4\n",
            "row 1, column 1: a is not a number; there must be no header",
        ),
        ("b.csv", b"1,2\n3\n", "row 2, column 2: is empty; each row must have as many numbers"),
        ("b.csv", b"1,2\n3,4,5\n", "line 2 has 3 cells, and the lines before it have 2"),
        ("b.csv", b"0,0\n0,0\n", "nothing but zeros"),
        ("b.csv", b"1,inf\n1,1\n", "not a finite number"),
        ("b.csv", b"1,2\n3,4\n5,6\n", "has 3 rows; must have one for each of the workers = 2"),
        ("b.csv", b"", ""),
        ("b.txt", b"1,2\n3,4\n", "unknown ending; valid: .csv, .npz, .mtx"),
        ("b.npz", b"PK\x03\x04 no archive", ""),
        ("b.mtx", b"%%MatrixMarket matrix coordinate real general\n2 2 1\n9 9 1.0\n", ""),
        ("b.mtx", b"%%MatrixMarket matrix array real general\n1000000 1000000\n", ""),
        ("b.mtx", b"no matrix at all", ""),
    ],
)
def test_a_file_that_is_no_code_is_one_line(
    name: str, content: bytes, says: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InvalidParameter) as error:
        Matrix(path=str(path), wait_for=1).build(2)
    assert error.value.field == "path"
    assert says in error.value.valid
    assert "\n" not in str(error.value)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidParameter, match="no such file"):
        Matrix(path=str(tmp_path / "none.csv"), wait_for=1).build(2)


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
    assert isinstance(scheme, Fixed)
    assert isinstance(scheme.decoder, Optimal)
