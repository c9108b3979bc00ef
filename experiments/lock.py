"""One command at a time writes to an output folder.

The lock is the system's own (``flock``) on the file ``.lock``, which holds the process that has it.
It goes with that process, however it ends, so a file that a killed command left is no obstacle.
Where the system or the file system knows no such locks, nothing is locked.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

from .cells.files import alive, cannot_write, folder_made, require_replaceable
from .config.errors import ConfigError

NAME = ".lock"

LOOKS, PAUSE = 50, 0.02
"""How often a lock is looked at whose owner has not yet said who it is, and seconds in between."""


@contextmanager
def locked(folder: Path, names: Iterable[str] = ()) -> Iterator[None]:
    """Within this context no other command writes to ``folder``, which is made if need be.

    Args:
        folder: where to write.
        names: what will be written there; what stands in the way is found now, and not after
            hours of work.

    Raises:
        ConfigError: another command does at the moment, or the folder or one of these files cannot
            be written.
    """
    with folder_made(folder):
        path = folder / NAME
        try:
            handle = _acquired(path)
        except OSError as error:
            raise cannot_write(folder, error) from None
        try:
            for name in names:
                require_replaceable(folder / name)
            yield
        finally:
            try:
                if _same(handle, path):
                    with suppress(OSError):
                        path.unlink()
            finally:
                os.close(handle)


def writer_of(folder: Path) -> int | None:
    """The process that writes to ``folder`` at the moment, if there is one."""
    path = folder / NAME
    try:
        if fcntl is None or not path.is_file():
            return None
        with path.open("rb") as file:
            return None if _taken(file.fileno()) else _process(file.read(32))
    except OSError:
        return None


def _acquired(path: Path) -> int:
    """An open file with the lock on it; closing it gives the lock back."""
    for _ in range(LOOKS):
        handle = _opened(path)
        taken = False
        try:
            if not _taken(handle):
                owner = _process(os.read(handle, 32))
                if owner is not None and alive(owner):
                    raise _refused(path.parent, f"process {owner} is writing to it")
                time.sleep(PAUSE)
            elif _same(handle, path):  # otherwise its last owner has just removed it
                _sign(handle, path)
                taken = True
                return handle
        finally:
            if not taken:
                os.close(handle)
    raise _refused(path.parent, "another process is writing to it")


def _sign(handle: int, path: Path) -> None:
    """Write who has the lock; where there is no room for that, the file goes again."""
    try:
        os.ftruncate(handle, 0)
        os.write(handle, f"{os.getpid()}\n".encode())
    except OSError:
        path.unlink()
        raise


def _refused(folder: Path, why: str) -> ConfigError:
    return ConfigError(f"{folder}: {why}; wait for its end")


def _opened(path: Path) -> int:
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    handle = os.open(path, flags, 0o666)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise ConfigError(f"{path}: must be a file")
    return handle


def _taken(handle: int) -> bool:
    if fcntl is None:
        return True
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        return True
    return True


def _same(handle: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False


def _process(content: bytes) -> int | None:
    text = content.strip()
    return int(text) if text.isdigit() and len(text) < 20 else None
