"""Files of an output folder: whole or absent, written by one command at a time."""

from __future__ import annotations

import ctypes
import json
import os
import re
import secrets
import signal
import stat
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from glob import escape
from pathlib import Path
from typing import Any, BinaryIO

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from ...sim.base.errors import ConfigError, Option, address_defect
from ...sim.base.tables import csv_of

# what a command found, and the page made of it
ANSWER, REPORT_FILE = "answer.json", "report.html"
TEMPORARY = ".part"  # ending of files that are being written: ``.<name>.<process>.<random>.part``
NAME_LETTERS = 40  # of their names, which cannot be long
FILE_TYPES = {
    stat.S_IFDIR: "a directory",
    stat.S_IFLNK: "a symbolic link",
    stat.S_IFIFO: "a FIFO",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFSOCK: "a socket",
}
# of a cell; in version 0.3 keys had no second part, which is of the code and the libraries
CELL_FILE = re.compile(r"(?P<key>[0-9a-f]{16}(-[0-9a-f]{8})?)\.parquet")
# of the Windows API: the right to wait for a process, an error, and the answer while it runs
WINDOWS_SYNCHRONIZE = 0x100000
WINDOWS_ACCESS_DENIED = 5
WINDOWS_WAIT_TIMEOUT = 0x102
MARK = ".erasurehead"  # a file in each folder of results, also after a command that was killed
MARK_TEXT = b"The files beside this one are results of erasurehead, which replaces them.\n"


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file at once or not at all; survives ``kill -9`` at any moment.
    Raises ConfigError: it cannot be written there, or something else than a file is there."""
    with _replacing(path) as file, _reported(path):
        file.write(content)


@contextmanager
def _replacing(path: Path) -> Iterator[BinaryIO]:
    """A file that takes the place of ``path`` when this context ends without an error.
    Raises ConfigError: as ``write_bytes``."""
    beginning = path.name[:NAME_LETTERS]
    partial = path.with_name(f".{beginning}.{os.getpid()}.{secrets.token_hex(4)}{TEMPORARY}")
    with _reported(path):
        require_replaceable(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        file = partial.open("xb")  # with the permissions that the umask leaves
    try:
        yield file
        with _reported(path):
            file.close()  # which writes the rest: a disk can be full
            partial.replace(path)
    except BaseException:
        with suppress(OSError):
            file.close()
        partial.unlink(missing_ok=True)
        raise


@contextmanager
def _reported(path: Path) -> Iterator[None]:
    """Turn what the system refuses within this context into the one line for ``path``, where an
    address is refused, too."""
    if (defect := address_defect(path)) is not None:
        raise ConfigError(f"{path}: {defect}")
    try:
        yield
    except ConfigError:
        raise
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else None
        raise ConfigError(f"{path}: cannot be written: {reason or error}") from None


def require_replaceable(path: Path) -> None:
    """Refuse to replace a device, a link, or whatever else is no file. Raises ConfigError."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISREG(mode):
        raise ConfigError(
            f"{path}: is {FILE_TYPES.get(stat.S_IFMT(mode), 'no file')}; must be a file"
        )


@contextmanager
def folder_made(folder: Path) -> Iterator[None]:
    """``folder`` is there within; what was made and stays empty goes again. Raises ConfigError."""
    new: list[Path] = []
    try:
        with _reported(folder):
            for parent in (*reversed(folder.parents), folder):
                if not parent.is_dir():
                    with suppress(FileExistsError):
                        parent.mkdir()
                        new.append(parent)
            if not folder.is_dir():
                raise NotADirectoryError(20, "Not a directory")
        yield
    finally:
        for parent in reversed(new):
            with suppress(OSError):  # not empty
                parent.rmdir()


def require_writable(folder: Path) -> None:
    """Find out now that ``folder`` can be made and written to. Raises ConfigError: why not."""
    with folder_made(folder):
        _try_out(folder / f".{os.getpid()}.{secrets.token_hex(4)}{TEMPORARY}", folder)


def require_file(path: Path) -> None:
    """Find out now that a file can be written at ``path``. Raises ConfigError: why not."""
    with _reported(path):
        remove_leftovers(path.parent, escape(path.name[:NAME_LETTERS]))
        require_replaceable(path)
        exists = path.exists()
    if exists:
        require_writable(path.parent)
    else:
        with folder_made(path.parent):
            _try_out(path, path)


def _try_out(file: Path, named: Path) -> None:
    with _reported(named):
        with file.open("xb"):
            pass
        file.unlink()


def remove(paths: Iterable[Path]) -> None:
    """Remove files in this order, if they are there. Raises ConfigError: one cannot be removed."""
    for path in paths:
        with _reported(path):
            path.unlink(missing_ok=True)


def alive(process: int) -> bool:
    """Whether there is such a process on this machine."""
    if sys.platform == "win32":  # where ``os.kill`` ends a process, whatever the signal
        return _alive_on_windows(process)
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:  # somebody else's
        return True
    return True


def _alive_on_windows(process: int) -> bool:
    kernel: Any = vars(ctypes)["windll"].kernel32
    handle = kernel.OpenProcess(WINDOWS_SYNCHRONIZE, False, process)
    if not handle:
        return bool(kernel.GetLastError() == WINDOWS_ACCESS_DENIED)  # somebody else's
    try:
        return bool(kernel.WaitForSingleObject(handle, 0) == WINDOWS_WAIT_TIMEOUT)
    finally:
        kernel.CloseHandle(handle)


def remove_leftovers(output: Path, name: str = "*") -> None:
    """Remove temporary files that killed runs left behind, of all files or those of a name; those
    of a living process stay."""
    for folder in (output, output / "cells"):
        for leftover in folder.glob(f".{name}.*{TEMPORARY}"):
            process = leftover.name.split(".")[-3]
            if process.isdecimal() and not alive(int(process)):
                leftover.unlink(missing_ok=True)


def cell_path(output: Path, key: str) -> Path:
    """Where a cell's numbers lie."""
    return output / "cells" / f"{key}.parquet"


def cells_there(output: Path) -> frozenset[str]:
    """The keys of the cells that have a file: one look instead of one for each."""
    try:
        files = map(CELL_FILE.fullmatch, os.listdir(output / "cells"))
        return frozenset(file["key"] for file in files if file is not None)
    except OSError:
        return frozenset()


def write_table(
    path: Path,
    frames: pd.DataFrame | Iterable[pd.DataFrame],
    facts: Mapping[bytes, bytes] = {},
    csv: bool = False,
) -> None:
    """Write a frame, or several of the same columns below each other, as Parquet with page
    checksums and with facts in its metadata, and with ``csv`` once more as CSV: same bytes. Without
    a frame there is no file. Raises ConfigError."""
    writer: pq.ParquetWriter | None = None
    with ExitStack() as opened:
        for frame in [frames] if isinstance(frames, pd.DataFrame) else frames:
            table = pa.Table.from_pandas(frame, preserve_index=False)
            if first := writer is None:
                sinks = [opened.enter_context(_replacing(path))]
                if csv:
                    sinks.append(opened.enter_context(_replacing(path.with_suffix(".csv"))))
                schema = table.schema.with_metadata({**(table.schema.metadata or {}), **facts})
                how: Any = {"compression": "zstd", "write_page_checksum": True}
                opened.enter_context(_reported(path))  # the end of the file is written at its close
                writer = opened.enter_context(pq.ParquetWriter(sinks[0], schema, **how))
            with _reported(path):
                writer.write_table(table)
                for text in sinks[1:]:
                    text.write(csv_of(frame, header=first))
            del frame, table  # before there is the next


def as_written(frames: Iterable[pd.DataFrame]) -> pd.DataFrame | None:
    """Frames of the same columns below each other, as ``write_table`` would have written them and
    pandas read them; ``None`` without a frame."""
    tables = [pa.Table.from_pandas(frame, preserve_index=False) for frame in frames]
    return as_frame(pa.concat_tables(tables)) if tables else None


def as_frame(table: pa.Table) -> pd.DataFrame:
    """A table as pandas reads it, in this thread and by its columns alone."""
    frame: pd.DataFrame = table.to_pandas(use_threads=False, ignore_metadata=True)
    return frame


def write_arrow(
    path: Path,
    table: pa.Table,
    facts: Mapping[bytes, bytes] = {},
    compression: str = "zstd",
    **how: Any,
) -> None:
    """Write an Arrow table as Parquet, with page checksums: same bytes. Facts join its metadata; a
    schema that had them would be there twice. ``how`` is as of pyarrow's ``ParquetWriter``. Raises
    ConfigError."""
    how |= {"compression": compression, "write_page_checksum": True}
    with (
        _replacing(path) as file,
        _reported(path),
        pq.ParquetWriter(file, table.schema, **how) as writer,
    ):
        writer.write_table(table)
        writer.add_key_value_metadata(facts)


def read_arrow(path: Path) -> pa.Table:
    """Read an Arrow table from Parquet in this thread alone, with its page checksums.
    pyarrow's own threads need address space. Where a limit refuses it, they never answer. Raises
    OSError, ValueError, pyarrow.ArrowException: it is not there, or damaged."""
    with (
        pa.OSFile(str(path)) as source,
        pq.ParquetFile(source, page_checksum_verification=True, pre_buffer=False) as file,
    ):
        return file.read(use_threads=False)


# The lock is the system's own (``flock``) on the file ``.lock``, which holds the process that has
# it. It goes with that process, however it ends, so a file that a killed command left is no
# obstacle. Where the system or the file system knows no such locks, nothing is locked.

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

LOCK_NAME = ".lock"


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Within this context no other command writes to ``folder``, which is made if need be.
    Raises ConfigError: another command does at the moment, or the folder cannot be written."""
    with folder_made(folder):
        path = folder / LOCK_NAME
        with _reported(folder):
            handle = _acquired(path)
        try:
            yield
        finally:
            try:
                if _same(handle, path):
                    with suppress(OSError):
                        path.unlink()
            finally:
                os.close(handle)


@contextmanager
def all_or_none(paths: Sequence[Path]) -> Iterator[Callable[[], None]]:
    """If this context ends with an error, such as a full disk, what it has written of these files
    goes again, so that nobody takes a part for the whole; not what was there when it was last
    called: then they are whole."""

    def known(path: Path) -> tuple[int, int] | None:
        try:
            status = path.lstat()
        except (OSError, ValueError):
            return None
        return status.st_ino, status.st_mtime_ns

    before = dict[Path, tuple[int, int] | None]()

    def keep() -> None:
        before.update((path, known(path)) for path in paths)

    keep()
    try:
        yield keep
    except BaseException:
        for path, as_it_was in before.items():
            if known(path) not in (None, as_it_was):
                with suppress(OSError):
                    path.unlink()
        for folder in {path.parent for path in paths}:
            with suppress(OSError):  # not empty
                folder.rmdir()
        raise


@contextmanager
def output_folder(
    folder: Path, names: Iterable[str] = (), reads: Iterable[Path] = ()
) -> Iterator[Callable[[], None]]:
    """``locked`` for a folder of results, which must be new, empty, or one of ours.
    What stands in the way of ``names``, the files to come, is found now, not after hours of work;
    they come ``all_or_none``. So nothing of the user's is replaced or removed: neither in a
    folder that holds other things than results, nor ``reads``, what the command itself reads.
    Raises ConfigError: also where something else is in the way; nothing has been written then."""
    paths = [folder / name for name in names]
    for path in paths:
        with _reported(folder):
            require_replaceable(path)
        for read in reads:
            if path.exists() and read.exists() and path.samefile(read):
                raise ConfigError(
                    Option("output"),
                    f" = {str(folder)!r}: {read} is read by this command, which would replace it; "
                    "choose another folder",
                )
    with _reported(folder):
        other = None if is_ours(folder) else min(p.name for p in folder.iterdir())
    if other is not None:
        raise ConfigError(
            Option("output"),
            f" = {str(folder)!r}: holds {other}, and no result of erasurehead; choose another "
            "folder, new or empty",
        )
    with locked(folder):
        remove_leftovers(folder)
        mark, answer = folder / MARK, folder / ANSWER
        with _reported(answer):
            before = answer.read_bytes() if answer.is_file() else None
        try:
            if not mark.exists():
                write_bytes(mark, MARK_TEXT)
            with all_or_none(paths) as keep:
                yield keep
            same = before is None or (answer.is_file() and answer.read_bytes() == before)
            if not same and (folder / REPORT_FILE).is_file():
                remove([folder / REPORT_FILE])  # the page of another answer
        finally:
            if {path.name for path in folder.iterdir()} <= {MARK, LOCK_NAME}:
                mark.unlink(missing_ok=True)


def is_ours(folder: Path) -> bool:
    """Whether a folder is not there yet, is empty, or has results of ours."""
    if not folder.is_dir():
        return True  # what else is there is refused when the folder is made
    return has_results(folder) or all(p.name.startswith(".") for p in folder.iterdir())


def has_results(folder: Path) -> bool:
    """Whether a folder has results of ours."""
    if (folder / MARK).is_file():
        return True
    # files with these facts are in folders that were made before there was a mark
    for name, fact in (("manifest.json", "versions"), ("answer.json", "verdict")):
        with suppress(OSError, ValueError, RecursionError):
            facts = json.loads((folder / name).read_bytes())
            if isinstance(facts, dict) and fact in facts:
                return True
    return False


def writer_of(folder: Path) -> int | None:
    """The process that writes to ``folder`` at the moment, if there is one."""
    path = folder / LOCK_NAME
    try:
        if fcntl is None or not path.is_file():
            return None
        with path.open("rb") as file:
            return None if _taken(file.fileno()) else _process(file.read(32))
    except OSError:
        return None


def _acquired(path: Path) -> int:
    """An open file with the lock on it; closing it gives the lock back."""
    who = "another process"
    for _ in range(50):  # looks at a lock whose owner has not yet said who it is
        handle = _opened(path)
        taken = False
        try:
            if not _taken(handle):
                if (owner := _process(os.read(handle, 32))) is not None and alive(owner):
                    who = f"process {owner}"
                    break
                time.sleep(0.02)
            elif _same(handle, path):  # otherwise its last owner has just removed it
                try:
                    os.ftruncate(handle, 0)
                    os.write(handle, f"{os.getpid()}\n".encode())
                except OSError:  # no room to write who has it: the file goes again
                    path.unlink()
                    raise
                taken = True
                return handle
        finally:
            if not taken:
                os.close(handle)
    raise ConfigError(f"{path.parent}: {who} is writing to it; wait for its end")


def _opened(path: Path) -> int:
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    handle = os.open(path, flags, 0o666)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise ConfigError(f"{path}: must be a file")
    return handle


def _taken(handle: int) -> bool:
    try:
        if fcntl is not None:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:  # any other one: a file system without locks
        return not isinstance(error, BlockingIOError)
    return True


def _same(handle: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False


def _process(content: bytes) -> int | None:
    text = content.strip()
    return int(text) if text.isdigit() and len(text) < 20 else None


@contextmanager
def postponed() -> Iterator[None]:
    """Ctrl-C waits for this context's end: for a moment, as while files are written together."""
    came: list[int] = []
    try:
        before = signal.signal(signal.SIGINT, lambda number, frame: came.append(number))
    except ValueError:  # not in the main thread, where Ctrl-C does not come
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if came:
            signal.raise_signal(signal.SIGINT)
