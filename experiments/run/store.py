"""Where finished cells lie on disk.

A finished cell is one Parquet file, ``cells/<key>.parquet``: its iterations as rows, its
replications, workers, key and the code's fingerprint in the file's metadata. A cell computed by
other code, or by other versions of the libraries that its numbers come from, is not trusted, but
computed again; so is a damaged one, which the checksums of its pages tell, and another cell's file.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
from dataclasses import asdict
from functools import cache
from pathlib import Path

import pandas as pd
import pyarrow as pa

from ...sim.schemes.conditioning import Conditioning
from ..guard import is_memory
from .compute import CellResult
from .files import TEMPORARY, alive, read_arrow, write_arrow

SOURCES = ("sim", "delay_models", "experiments/config", "experiments/run")
"""Folders whose code a cell's numbers can come from; a test compares them with what is imported."""

LIBRARIES = ("numpy", "scipy", "simpy", "pandas", "scikit-learn")
"""Packages whose version can change a number."""

CHECKSUM = b"checksum"


@cache
def code_fingerprint() -> str:
    """Hash of the source files that a cell's numbers come from, and of the libraries' versions."""
    root = Path(__file__).parents[2]
    digest = hashlib.sha256()
    for library in LIBRARIES:
        digest.update(f"{library} {importlib.metadata.version(library)}\n".encode())
    for source in SOURCES:
        for file in sorted(root.joinpath(source).rglob("*.py")):
            digest.update(file.relative_to(root).as_posix().encode() + file.read_bytes())
    return digest.hexdigest()[:16]


def remove_leftovers(output: Path) -> None:
    """Remove temporary files that killed runs left behind; those of a living process stay."""
    for folder in (output, output / "cells"):
        for leftover in folder.glob(f".*.*.*{TEMPORARY}"):
            process = leftover.name.split(".")[-3]
            if process.isdecimal() and not alive(int(process)):
                leftover.unlink(missing_ok=True)


def cell_path(output: Path, key: str) -> Path:
    """Where a cell's numbers lie."""
    return output / "cells" / f"{key}.parquet"


def write_cell(output: Path, key: str, result: CellResult) -> None:
    """Keep a finished cell."""
    facts = {
        "replications": json.dumps(result.replications.to_dict("list")),
        "workers": json.dumps(result.workers.to_dict("list")),
        "engine": result.engine,
        "conditioning": json.dumps(result.conditioning and asdict(result.conditioning)),
        "key": key,
        "code": code_fingerprint(),
    }
    table = pa.Table.from_pandas(result.iterations, preserve_index=False)
    metadata = {**(table.schema.metadata or {}), **{k: v.encode() for k, v in facts.items()}}
    metadata[CHECKSUM] = _checksum(table.schema.with_metadata(metadata))
    write_arrow(cell_path(output, key), table.replace_schema_metadata(metadata))


def read_cell(output: Path, key: str) -> CellResult | None:
    """A finished cell, or ``None`` when it is absent, damaged, another one, or of other code.

    Raises:
        MemoryError: or what else says that memory is short: the cell may be as good as ever.
    """
    try:
        table = read_arrow(cell_path(output, key))
        facts = {k.decode(): v.decode() for k, v in (table.schema.metadata or {}).items()}
        sound = facts[CHECKSUM.decode()].encode() == _checksum(table.schema)
        if not sound or (facts["key"], facts["code"]) != (key, code_fingerprint()):
            return None
        replications = pd.DataFrame(json.loads(facts["replications"]))
        workers = pd.DataFrame(json.loads(facts["workers"]))
        found = json.loads(facts["conditioning"])
        conditioning = None if found is None else Conditioning(**found)
        iterations = table.to_pandas(use_threads=False)
        return CellResult(iterations, replications, workers, facts["engine"], conditioning)
    except (OSError, KeyError, ValueError, pa.ArrowException) as error:
        if is_memory(error):
            raise
        return None


def _checksum(schema: pa.Schema) -> bytes:
    """Of what Parquet's own checksums leave out: columns and metadata."""
    digest = hashlib.sha256(str(schema.remove_metadata()).encode())
    for name, value in sorted((schema.metadata or {}).items()):
        if name != CHECKSUM:
            digest.update(name + value)
    return digest.hexdigest().encode()
