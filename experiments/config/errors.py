"""Errors of the command line: one clear line each, exit code 2. Those of a config are in
``sim.errors``, since objects made from Python raise them too."""

from __future__ import annotations

import errno
import os
import re
import tempfile

from ...sim.errors import ConfigError as ConfigError
from ...sim.errors import at as at
from ...sim.errors import one_of as one_of
from ...sim.errors import quoted as quoted
from ..text import shortened

# errors of the disk or the system, which name no path
OF_THE_MACHINE = (
    errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EFBIG,
)  # fmt: skip
# how libraries say that memory is short, besides ``MemoryError``
SHORT_OF_MEMORY = (
    "cannot allocate memory",
    "failed to map segment",
    "can't start new thread",
    "failed to launch worker thread",
)
MEMORY_REMEDY = (
    "take smaller data, fewer replications, workers or jobs, or more memory (is there a limit, "
    "as by ulimit -v?)"
)
# how typer begins, and behind it pydantic
INVALID = re.compile(r"^Invalid value for '([^']+)'(?: / '[^']+')*: (?:Value error, )?")


class Failed(RuntimeError):
    """A command that cannot go on, by no mistake of the user: one line, exit code 1."""


def of_the_user(error: BaseException) -> str | None:
    """The message, if the user can mend the error: a config, an option, a path that cannot be read
    or written, too little space or memory. ``None`` for a fault of ours."""
    if isinstance(error, ConfigError):
        return str(error)
    if hasattr(error, "format_message"):  # the command line's parser: an option or argument
        message = INVALID.sub(r"\1: ", error.format_message()).rstrip(".")
        message = message.replace("Input should be", "must be")
        command = getattr(getattr(error, "ctx", None), "command_path", "erasurehead")
        return f"{message} (see {command} --help)"
    if is_memory(error):
        return out_of_memory(error)
    if isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE):
        return f"{error.strerror}: take fewer workers or --jobs, or allow more files (ulimit -n)"
    if isinstance(error, OSError) and error.strerror:
        if error.filename not in (None, ""):
            name = error.filename  # an int if it is a file descriptor
            path = os.fsdecode(name) if isinstance(name, str | bytes) else name
            return f"{path}: {error.strerror}"
        if error.errno in OF_THE_MACHINE:
            hint = f"where results, this text and temporary files go (TMPDIR = {_temporary()})"
            return f"{error.strerror} {hint}"
    return None


def is_memory(error: BaseException) -> bool:
    """Whether memory was short."""
    full = hasattr(error, "characters_written")  # a pipe or terminal that takes no more at once
    numbers = () if full else (errno.ENOMEM, errno.EAGAIN)
    refused = isinstance(error, OSError) and error.errno in numbers
    text = str(error).lower()
    return refused or isinstance(error, MemoryError) or any(w in text for w in SHORT_OF_MEMORY)


def out_of_memory(error: BaseException) -> str:
    """The one line, with what a library says about the amount."""
    reason = shortened(str(error).strip(), 100) if isinstance(error, MemoryError) else ""
    return f"not enough memory{f' ({reason})' if reason else ''}: {MEMORY_REMEDY}"


def _temporary() -> str:
    try:
        return tempfile.gettempdir()
    except OSError:
        return os.environ.get("TMPDIR", "unset")
