"""Writes files. Every write is atomic, a file is whole or absent, and only files are replaced."""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from ..config.errors import ConfigError

TEMPORARY = ".part"
"""Ending of files that are being written: ``.<name>.<process>.<random>.part``."""

LONGEST = 40
"""Characters of a file's name that stand in its temporary one: names have a largest length."""

KINDS = {
    stat.S_IFDIR: "a directory",
    stat.S_IFLNK: "a symbolic link",
    stat.S_IFIFO: "a FIFO",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFSOCK: "a socket",
}


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file at once or not at all; survives ``kill -9`` at any moment.

    Raises:
        ConfigError: it cannot be written there, or something else than a file is there.
    """
    part = path.with_name(f".{path.name[:LONGEST]}.{os.getpid()}.{secrets.token_hex(4)}{TEMPORARY}")
    made = False
    try:
        require_replaceable(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        with part.open("xb") as file:  # with the permissions that the umask leaves
            made = True
            file.write(content)
        part.replace(path)
        made = False
    except ConfigError:
        raise
    except (OSError, ValueError) as error:
        raise cannot_write(path, error) from None
    finally:
        if made:
            part.unlink(missing_ok=True)


def require_replaceable(path: Path) -> None:
    """Refuse to replace a device, a link, or whatever else is no file.

    Raises:
        ConfigError: there is one.
    """
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISREG(mode):
        kind = KINDS.get(stat.S_IFMT(mode), "no file")
        raise ConfigError(f"{path}: is {kind}; must be a file")


@contextmanager
def folder_made(folder: Path) -> Iterator[None]:
    """Within this context ``folder`` is there; what was made for it and stays empty goes again.

    Raises:
        ConfigError: it cannot be made.
    """
    new: list[Path] = []
    try:
        try:
            for place in (*reversed(folder.parents), folder):
                if not place.is_dir():
                    with suppress(FileExistsError):
                        place.mkdir()
                        new.append(place)
            if not folder.is_dir():
                raise NotADirectoryError(20, "Not a directory")
        except (OSError, ValueError) as error:
            raise cannot_write(folder, error) from None
        yield
    finally:
        for place in reversed(new):
            with suppress(OSError):  # not empty
                place.rmdir()


def require_writable(folder: Path) -> None:
    """Find out now, before hours of work, whether ``folder`` can be made and written to.

    Raises:
        ConfigError: why not.
    """
    with folder_made(folder):
        _try_out(folder / f".{os.getpid()}.{secrets.token_hex(4)}{TEMPORARY}", folder)


def require_file(path: Path) -> None:
    """Find out now that a file can be written at ``path``.

    Raises:
        ConfigError: why not.
    """
    try:
        require_replaceable(path)
        exists = path.exists()
    except ConfigError:
        raise
    except (OSError, ValueError) as error:
        raise cannot_write(path, error) from None
    if exists:
        require_writable(path.parent)
    else:
        with folder_made(path.parent):
            _try_out(path, path)


def _try_out(file: Path, named: Path) -> None:
    try:
        with file.open("xb"):
            pass
        file.unlink()
    except (OSError, ValueError) as error:
        raise cannot_write(named, error) from None


def cannot_write(path: Path, error: OSError | ValueError) -> ConfigError:
    """The one line for a path that the system refuses."""
    reason = error.strerror if isinstance(error, OSError) else None
    return ConfigError(f"{path}: cannot be written: {reason or error}")


def remove(paths: Iterable[Path]) -> None:
    """Remove files in this order; those that are not there are no error.

    Raises:
        ConfigError: one cannot be removed.
    """
    for path in paths:
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise cannot_write(path, error) from None


def alive(process: int) -> bool:
    """Whether there is such a process on this machine."""
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:  # somebody else's
        return True
    return True


def write_table(
    path: Path, frame: pd.DataFrame, facts: Mapping[bytes, bytes] | None = None
) -> None:
    """Write a frame as Parquet, with facts in its metadata: same input, same bytes.

    Raises:
        ConfigError: it cannot be written there.
    """
    table = pa.Table.from_pandas(frame, preserve_index=False)
    write_arrow(
        path, table.replace_schema_metadata({**(table.schema.metadata or {}), **(facts or {})})
    )


def write_arrow(path: Path, table: pa.Table) -> None:
    """Write an Arrow table as Parquet, with page checksums: same table, same bytes.

    Raises:
        ConfigError: it cannot be written there.
    """
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd", write_page_checksum=True)
    write_bytes(path, sink.getvalue().to_pybytes())


def read_arrow(path: Path) -> pa.Table:
    """Read an Arrow table from Parquet in this thread alone, with its page checksums.

    pyarrow's own threads need address space. Where a limit refuses it, they never answer.

    Raises:
        OSError, ValueError, pyarrow.ArrowException: it is not there, or damaged.
    """
    with pq.ParquetFile(path, page_checksum_verification=True, pre_buffer=False) as file:
        return file.read(use_threads=False)
