"""What is kept of a golden run: for each column of each table a hash, and its mean.

Bits of logarithms and matrix products differ between processors and library versions. So hashes
are compared where both are those of the machine that wrote them; elsewhere the means are, to a
relative 1e-6.
"""

from __future__ import annotations

import hashlib
import json
import platform
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import sklearn  # loads the libraries that threadpoolctl looks at
from threadpoolctl import threadpool_info

from erasurehead.experiments.config.catalogue import BUILT_IN
from erasurehead.experiments.config.codec import plain
from erasurehead.experiments.run.command import RunOptions, run
from tests.golden.configs import Document

FILE = Path(__file__).parent / "golden.json"
ROUNDING = 1e-11
"""``code_residual`` is rounding and nothing else: 4e-12 on one processor, 5e-12 on another."""

TABLES = ("iterations", "summary", "workers")

Kept = dict[str, dict[str, dict[str, Any]]]
"""Table -> column -> {"hash": ..., "mean": ...}."""


def machine() -> dict[str, str]:
    """What the last bit of a number can depend on besides the code."""
    from numpy._core._multiarray_umath import __cpu_features__ as features

    kernels = {str(info.get("architecture")) for info in threadpool_info()}
    return {
        "python": ".".join(platform.python_version_tuple()[:2]),
        "numpy": np.__version__,
        "pandas": pd.__version__,
        "sklearn": sklearn.__version__,
        "blas": " ".join(sorted(kernels)),
        "cpu": hashlib.sha256(json.dumps(features, sort_keys=True).encode()).hexdigest()[:12],
    }


def tables(document: Document, folder: Path) -> Kept:
    """Run a config and describe its tables, the cells' names left out."""
    output = folder / str(document["name"])
    outcome = run(document, output, RunOptions())
    assert not outcome.failed, outcome.failed
    return {table: columns(pd.read_parquet(output / f"{table}.parquet")) for table in TABLES}


def columns(frame: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """What is kept of each column, the cells' names left out."""
    return {name: _kept(frame[name]) for name in frame.columns if name != "cell"}


def examples() -> dict[str, list[str]]:
    """What ``verify`` and ``recommend`` try of each scheme, and the contracts of each delay model:
    the section of each example, of a long one a hash."""
    found: dict[str, list[str]] = {}
    for kind in ("schemes", "delays"):
        for name, family in BUILT_IN[kind].classes.items():
            sections = [json.dumps(plain(each, BUILT_IN)) for each in family.examples()]
            texts = [re.sub(r'"/[^"]*/', '"', section) for section in sections]
            found[f"{kind}.{name}"] = [t if len(t) < 500 else _hash(t.encode()) for t in texts]
    return found


def require_same(expected: Kept, found: Kept, bits: bool) -> None:
    """Every column of a golden table is there, in its order and to the bit; others may be added.

    Args:
        expected: the golden tables.
        found: those of today.
        bits: whether hashes are compared; otherwise means are, where there are any.
    """
    for table, columns in expected.items():
        assert [name for name in found[table] if name in columns] == list(columns), table
        for column, kept in columns.items():
            if bits or kept["mean"] is None:
                assert found[table][column]["hash"] == kept["hash"], f"{table}.{column}"
            else:
                mean = pytest.approx(kept["mean"], rel=1e-6, abs=ROUNDING)
                assert found[table][column]["mean"] == mean, f"{table}.{column}"


def _kept(column: pd.Series) -> dict[str, Any]:
    if pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column):
        values = column.to_numpy(dtype=np.float64, na_value=np.nan) + 0.0  # -0 is 0
        known = values[np.isfinite(values)]
        mean = float(np.mean(known)) if known.size else None
        return {"hash": _hash(values.tobytes()), "mean": mean}
    return {"hash": _hash("\0".join(map(str, column)).encode()), "mean": None}


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:12]
