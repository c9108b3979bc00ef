"""Writes files. Every write is atomic: a file is whole or absent."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from experiments.config.errors import ConfigError

TEMPORARY = ".part"
"""Ending of files that are being written: ``.<name>.<process>.<random>.part``."""


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file at once or not at all; survives ``kill -9`` at any moment.

    Raises:
        ConfigError: it cannot be written there.
    """
    name = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(
            dir=path.parent, prefix=f".{path.name}.{os.getpid()}.", suffix=TEMPORARY
        )
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        os.chmod(name, 0o644)
        os.replace(name, path)
    except OSError as error:
        raise cannot_write(path, error) from None
    finally:
        if name is not None:  # already renamed when all went well
            Path(name).unlink(missing_ok=True)


def require_writable(folder: Path) -> None:
    """Find out now, before hours of work, whether ``folder`` can be made and written to.

    Raises:
        ConfigError: why not.
    """
    existing = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    try:
        with tempfile.TemporaryFile(dir=existing):
            pass
    except OSError as error:
        raise cannot_write(folder, error) from None


def require_file(path: Path) -> None:
    """Find out now that a file can be written at ``path``.

    Raises:
        ConfigError: why not.
    """
    if path.is_dir():
        raise ConfigError(f"{path}: is a directory; must be a file")
    require_writable(path.parent)


def cannot_write(path: Path, error: OSError) -> ConfigError:
    """The one line for a path that the system refuses."""
    return ConfigError(f"{path}: cannot be written: {error.strerror or error}")


def write_table(path: Path, frame: pd.DataFrame) -> None:
    """Write a frame as Parquet: same frame, same bytes.

    Raises:
        ConfigError: it cannot be written there.
    """
    write_arrow(path, pa.Table.from_pandas(frame, preserve_index=False))


def write_arrow(path: Path, table: pa.Table) -> None:
    """Write an Arrow table as Parquet, with page checksums: same table, same bytes.

    Raises:
        ConfigError: it cannot be written there.
    """
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd", write_page_checksum=True)
    write_bytes(path, sink.getvalue().to_pybytes())
