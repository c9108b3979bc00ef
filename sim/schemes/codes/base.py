"""A code's fields: when a round ends, and how it is decoded; and a code of your own, from a file.

A code is an encoding matrix; with a stopping rule and a decoder it is a scheme. Families of codes
inherit the fields from here, say what their own rule and decoder are, and call ``scheme`` or
``coded``, which put the scheme together. Any encoding matrix can be read from a file::

    schemes:
      - name: matrix
        path: my_code.csv        # n rows, one per worker; k columns, one per partition
        wait_for: 9              # or stop: decodable, stop: cover, stop: {deadline: 0.8}, ...
        decoder: optimal"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
import scipy
from pydantic.dataclasses import dataclass
from typing_extensions import override

from ...base.errors import InvalidParameter
from ...base.fields import (
    STRICT,
    Load,
    Seed,
    WaitFor,
    configured,
    require_at_most_workers,
    require_size,
)
from ...base.files import UnusableFile, read_npz, reading, require_cells, require_regular, short
from ..base import Fixed, Guarantees, RandomOrder, SchemeFamily
from ..parts.assignments import Assignment, Encoded
from ..parts.decoders import CommonWeight, Decoder, Optimal, least_error, unbiased
from ..parts.stop import Covered, DecodableWithin, Stop, ending, refuse_beside
from ..parts.stopping import FirstK, StoppingRule

DecoderName = Literal["optimal", "one_step", "least_error", "fixed", "sum"]


@dataclass(frozen=True, config=STRICT, kw_only=True)
class Loaded(SchemeFamily):
    """A code whose workers have a load; abstract.

    Args:
        load: d, partitions per worker."""

    load: Load

    def require_load(self, workers: int) -> None:
        """Refuse a load of more partitions than workers, or of more than a scheme may hold."""
        require_at_most_workers("load", self.load, workers)
        require_size("load", self.load, workers)


@dataclass(frozen=True, config=STRICT, kw_only=True)
class Stopped(Loaded):
    """A code with a stopping rule of its own, which ``stop`` replaces; abstract.

    Args:
        stop: when a round ends, in place of the code's own rule. Whether a round is then decoded
            exactly depends on who has arrived.
    """

    stop: Stop | None = None

    def scheme(self, code: Assignment, own: StoppingRule, decoder: Decoder, late: int) -> Fixed:
        """A code of d copies that is exact with its own rule, after so many stragglers. Raises
        ``InvalidParameter``: the choice cannot work with the code."""
        if self.stop is not None:
            rule, guarantees = ending(self.stop, code), Guarantees(copies=self.load)
            return Fixed(self.name, code, rule, decoder, exact=None, guarantees=guarantees)
        guarantees = Guarantees(copies=self.load, tolerates=late)
        return Fixed(self.name, code, own, decoder, exact=True, guarantees=guarantees)


@dataclass(frozen=True, config=STRICT, kw_only=True)
class Counted(SchemeFamily):
    """A code that is waited for by a number of arrivals or by ``stop``; abstract.

    Args:
        wait_for: r, arrivals that end a round.
        stop: when a round ends, in place of ``wait_for``."""

    wait_for: WaitFor | None = None
    stop: Stop | None = None

    def rule(self, code: Assignment) -> StoppingRule:
        """The stopping rule for a code. Raises ``InvalidParameter``: neither field is given, or
        both, or they cannot work with the code."""
        if self.stop is not None:
            refuse_beside("stop", wait_for=self.wait_for)
            return ending(self.stop, code)
        if self.wait_for is None:
            raise InvalidParameter("wait_for", None, f"give 1 to {code.workers}, or a stop")
        require_at_most_workers("wait_for", self.wait_for, code.workers)
        return FirstK(self.wait_for)


@dataclass(frozen=True, config=STRICT, kw_only=True)
class Choosing(SchemeFamily):
    """A code of plain numbers, with a choice of decoders; abstract.

    Args:
        decoder: ``optimal``: the weights of least error ||w - 1||^2 for what arrived. ``one_step``:
            the sum, times k / (m d) for m arrivals, d the mean of the rows of B that are not empty;
            unbiased where they come in random order, as with equal loads. ``least_error``: the sum,
            times the weight of least mean error over all sets of m arrivals. ``fixed``: the sum,
            times the weight that the code's paper has for m arrivals, or else that of
            ``least_error``. ``sum``: as it is."""

    decoder: DecoderName = "optimal"

    def decoder_of(self, code: Assignment, own: Mapping[str, Decoder] = {}) -> Decoder:
        """The decoder that was chosen: one of the code's ``own`` by that name (the weights of
        ``fixed`` where its paper has some, a faster decoder for ``optimal``), or one for any code.
        Raises ``InvalidParameter``: it cannot decode the code."""
        name = self.decoder
        if name in own:
            return own[name]
        if name == "optimal":
            return Optimal(code)
        if np.iscomplexobj(code.encoding):
            valid = "must be optimal, since the code is complex"
            raise InvalidParameter("decoder", name, valid, {"decoder": "optimal"})
        if name == "one_step":
            return unbiased(code)
        if name in ("fixed", "least_error"):
            return least_error(code)
        return CommonWeight(code, (1.0,) * (code.workers * code.messages + 1))


@dataclass(frozen=True, config=STRICT, kw_only=True)
class Decoded(Choosing, Counted):
    """A code with a choice of decoders and of when a round ends; abstract."""

    def coded(
        self, code: Assignment, own: Mapping[str, Decoder] = {}, copies: int | None = None
    ) -> Fixed:
        """A code with the chosen rule and decoder (``decoder_of``), of so many copies if all have
        as many; whether it is exact depends on who arrives. Raises ``InvalidParameter``: the
        choices cannot work with the code."""
        decoder = self.decoder_of(code, own)
        fair = copies and self.stop is None and decoder == unbiased(code)
        guarantees = Guarantees(copies=copies, unbiased=RandomOrder() if fair else None)
        return Fixed(self.name, code, self.rule(code), decoder, exact=None, guarantees=guarantees)


@dataclass(frozen=True, config=STRICT, kw_only=True)
class Seeded(SchemeFamily):
    """A random code; abstract.

    Args:
        code_seed: seed of the code, apart from the run's seed: every replication and every run
            uses the same code.
    """

    code_seed: Seed = 0


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
        if self.decoder == "one_step" and code.matrix.sum() <= 0:
            valid = "must be any other: the entries of B do not add up to more than 0"
            raise InvalidParameter("decoder", self.decoder, valid)
        return self.coded(code)


def read_matrix(path: Path) -> scipy.sparse.csr_array:
    """The matrix in a file, zeros left out. Raises ``UnusableFile``: no file, or no numbers."""
    require_regular(path)
    readers = {".csv": _from_csv, ".npz": _from_npz, ".mtx": _from_matrix_market}
    if (suffix := path.name.removesuffix(".gz")[-4:]) not in readers:
        raise UnusableFile(f"unknown ending; valid: {', '.join(readers)}")
    matrix = readers[suffix](path)
    matrix.sum_duplicates()
    matrix.eliminate_zeros()
    if not np.all(np.isfinite(matrix.data)):
        raise UnusableFile("holds a value that is not a finite number")
    if matrix.nnz == 0:
        raise UnusableFile("holds nothing but zeros")
    return matrix


def _from_csv(path: Path) -> scipy.sparse.csr_array:
    import pandas as pd

    from ...base.tables import read_csv

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
    return scipy.sparse.csr_array(numbers.to_numpy(dtype=np.float64))


def _from_npz(path: Path) -> scipy.sparse.csr_array:
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
        return scipy.sparse.csr_array(array.astype(np.float64))
    data, indices, indptr, shape = (arrays[name] for name in NPZ_ARRAYS)
    with reading("sparse"):
        rows, columns = (int(size) for size in shape)
        matrix = scipy.sparse.csr_array((data, indices, indptr), shape=(rows, columns))
        matrix.check_format(full_check=True)
    return matrix.astype(np.float64)


def _from_matrix_market(path: Path) -> scipy.sparse.csr_array:
    from scipy.io import mminfo, mmread

    with reading("Matrix Market"):
        rows, columns, entries, _, field, _ = mminfo(path)
        if field == "complex":
            raise UnusableFile("holds complex numbers; valid: real numbers")
        require_cells(max(rows, columns, entries))
        return scipy.sparse.csr_array(mmread(path)).astype(np.float64)
