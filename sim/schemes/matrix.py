"""A code of your own: any encoding matrix, from a file.

    schemes:
      - name: matrix
        path: my_code.csv        # n rows, one per worker; k columns, one per partition
        wait_for: 9              # or stop: decodable, stop: cover, stop: {deadline: 0.8}, ...
        decoder: optimal

The file may be a CSV of numbers without a header, an NPZ with one array or a sparse matrix that
``scipy.sparse.save_npz`` wrote, or a Matrix Market file."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import numpy as np
from scipy import sparse
from typing_extensions import override

from ..errors import InvalidParameter
from ..fields import configured
from ..files import UnusableFile, read_npz, reading, require_cells, require_regular, short
from .assignments import Encoded
from .base import Fixed, SchemeFamily
from .codes import Decoded
from .stop import Covered, DecodableWithin

EXAMPLE_MATRIX = Path(__file__).with_name("example_matrix.csv")  # 12 workers, 12 partitions, load 3
NPZ_ARRAYS = ("data", "indices", "indptr", "shape")  # the arrays of a sparse matrix in an NPZ file


@configured
class Matrix(Decoded):
    """The encoding matrix B in a file: worker j sends sum_i B_ji g_i.

    A worker computes the partitions of its row that are not 0. There may be more or fewer
    partitions than workers.

    Args:
        path: a CSV of numbers, an NPZ or a Matrix Market file (.mtx); one row per worker.

    Source: none: any code that you bring."""

    name: ClassVar[str] = "matrix"
    path: str

    @classmethod
    @override
    def examples(cls) -> tuple[SchemeFamily, ...]:
        path = str(EXAMPLE_MATRIX)
        covered = cls(path=path, stop=Covered(cover=True), decoder="one_step")
        decodable = cls(path=path, stop=DecodableWithin(decodable=1e-6))
        return cls(path=path, wait_for=8), covered, decodable

    @override
    def build(self, workers: int) -> Fixed:
        try:
            code = Encoded(read_matrix(Path(self.path)))
        except UnusableFile as error:
            raise InvalidParameter("path", self.path, str(error)) from error
        if code.workers != workers:
            valid = f"has {code.workers} rows; must have one for each of the workers = {workers}"
            raise InvalidParameter("path", self.path, valid)
        load = float(code.matrix.sum().real) / np.count_nonzero(code.loads)
        if self.decoder == "one_step" and load <= 0:
            valid = "must be any other: the entries of B do not add up to more than 0"
            raise InvalidParameter("decoder", self.decoder, valid)
        return self.coded(code, load)


def read_matrix(path: Path) -> sparse.csr_array:
    """The matrix in a file, zeros left out. Raises ``UnusableFile``: no file, or no numbers."""
    require_regular(path)
    name = path.name.removesuffix(".gz")
    if name.endswith(".csv"):
        matrix = _from_csv(path)
    elif name.endswith(".npz"):
        matrix = _from_npz(path)
    elif name.endswith(".mtx"):
        matrix = _from_matrix_market(path)
    else:
        raise UnusableFile("unknown ending; valid: .csv, .npz, .mtx")
    matrix.sum_duplicates()
    matrix.eliminate_zeros()
    if not np.all(np.isfinite(matrix.data)):
        raise UnusableFile("holds a value that is not a finite number")
    if matrix.nnz == 0:
        raise UnusableFile("holds nothing but zeros")
    return matrix


def _from_csv(path: Path) -> sparse.csr_array:
    import pandas as pd

    from ..tables import read_csv

    frame = read_csv(path, header=None, index_col=False)
    with reading("csv"):
        numbers = frame.apply(pd.to_numeric, errors="coerce")
    rows, columns = np.nonzero(numbers.isna().to_numpy())
    if rows.size:
        cell = frame.iat[rows[0], columns[0]]
        where = f"row {rows[0] + 1}, column {columns[0] + 1}"
        if frame.isna().iat[rows[0], columns[0]]:
            raise UnusableFile(f"{where}: is empty; all rows must have the same number of columns")
        raise UnusableFile(f"{where}: {short(cell)} is not a number; there must be no header")
    return sparse.csr_array(numbers.to_numpy(dtype=np.float64))


def _from_npz(path: Path) -> sparse.csr_array:
    def choose(names: list[str]) -> list[str]:
        if set(NPZ_ARRAYS) <= set(names):
            return [*NPZ_ARRAYS]
        if len(names) != 1:
            raise UnusableFile(f"holds {short(sorted(names))}; valid: one array, or a CSR matrix")
        return names

    arrays = read_npz(path, choose)
    if len(arrays) == 1:
        (array,) = arrays.values()
        if array.ndim != 2 or array.dtype.kind not in "fiub":
            text = f"array has shape {array.shape} and type {array.dtype}"
            raise UnusableFile(f"{text}; valid: numbers in rows and columns")
        return sparse.csr_array(array.astype(np.float64))
    data, indices, indptr, shape = (arrays[name] for name in NPZ_ARRAYS)
    with reading("sparse"):
        rows, columns = (int(size) for size in shape)
        matrix = sparse.csr_array((data, indices, indptr), shape=(rows, columns))
        matrix.check_format(full_check=True)
    return matrix.astype(np.float64)


def _from_matrix_market(path: Path) -> sparse.csr_array:
    from scipy.io import mminfo, mmread

    with reading("Matrix Market"):
        rows, columns, entries, *_ = mminfo(path)
        require_cells(max(rows, columns, entries))
        return sparse.csr_array(mmread(path)).astype(np.float64)
