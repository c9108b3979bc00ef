"""Where results lie on disk. Every write is atomic: a file is whole or absent.

A finished cell is one Parquet file, ``cells/<key>.parquet``: its iterations as rows, its
replications, workers and the code's fingerprint in the file's metadata. A cell computed by other
code is not trusted, but computed again.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from functools import cache
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from experiments.compute import CellResult

SOURCES = ("sim", "delay_models", "experiments/build.py", "experiments/compute.py")


@cache
def code_fingerprint() -> str:
    """Hash of the source files that a cell's numbers come from."""
    root = Path(__file__).parent.parent
    digest = hashlib.sha256()
    for source in SOURCES:
        for file in sorted(root.joinpath(source).rglob("*.py")) or [root / source]:
            digest.update(file.relative_to(root).as_posix().encode() + file.read_bytes())
    return digest.hexdigest()[:16]


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file at once or not at all; survives ``kill -9`` at any moment."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def write_table(path: Path, frame: pd.DataFrame, facts: dict[str, str] | None = None) -> None:
    """Write a frame as Parquet: same frame, same bytes."""
    table = pa.Table.from_pandas(frame, preserve_index=False)
    if facts is not None:
        metadata = {**(table.schema.metadata or {}), **{k: v.encode() for k, v in facts.items()}}
        table = table.replace_schema_metadata(metadata)
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    write_bytes(path, sink.getvalue().to_pybytes())


def remove_leftovers(output: Path) -> None:
    """Remove temporary files that killed runs left behind."""
    for folder in (output, output / "cells"):
        for leftover in folder.glob(".*.*.*"):
            leftover.unlink(missing_ok=True)


def cell_path(output: Path, key: str) -> Path:
    """Where a cell's numbers lie."""
    return output / "cells" / f"{key}.parquet"


def write_cell(output: Path, key: str, result: CellResult, seconds: float) -> None:
    """Keep a finished cell."""
    facts = {
        "replications": json.dumps(result.replications.to_dict("list")),
        "workers": json.dumps(result.workers.to_dict("list")),
        "engine": result.engine,
        "code": code_fingerprint(),
        "seconds": json.dumps(round(seconds, 3)),
    }
    write_table(cell_path(output, key), result.iterations, facts)


def read_cell(output: Path, key: str) -> tuple[CellResult, float] | None:
    """A finished cell and its seconds, or ``None`` when absent, unreadable or of other code."""
    try:
        table = pq.read_table(cell_path(output, key))
        facts = {k.decode(): v.decode() for k, v in (table.schema.metadata or {}).items()}
        if facts["code"] != code_fingerprint():
            return None
        replications = pd.DataFrame(json.loads(facts["replications"]))
        workers = pd.DataFrame(json.loads(facts["workers"]))
        result = CellResult(table.to_pandas(), replications, workers, facts["engine"])
        return result, float(facts["seconds"])
    except (FileNotFoundError, KeyError, pa.ArrowInvalid):
        return None
