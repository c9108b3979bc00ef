"""Errors of the command line: one clear line each, exit code 2. Text from outside is escaped."""

from __future__ import annotations

import difflib
import errno
import os
import re
import tempfile
from collections.abc import Iterable
from typing import Any

from ..text import escaped, shortened

LONGEST = 190  # letters of a list of names; of a longer one the likely ones are shown
LIKELY = 6
# what papers and other programs call a key, where no letters are alike
MEANT = {
    "n": "workers", "N": "workers", "d": "load", "r": "wait_for", "T": "iterations",
    "R": "replications", "rounds": "iterations", "steps": "iterations", "runs": "replications",
    "repetitions": "replications", "scheme": "schemes", "delays": "delay", "law": "load_law",
    "lr": "learning_rate", "nodes": "workers",
}  # fmt: skip
# what no path is to blame for, when the system names none
OF_THE_MACHINE = (
    errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EFBIG, errno.EMFILE, errno.ENFILE,
)  # fmt: skip
# how libraries say that memory is short, besides ``MemoryError``
SHORT_OF_MEMORY = (
    "cannot allocate memory",
    "failed to map segment",
    "can't start new thread",
    "failed to launch worker thread",
)
REMEDY = (
    "take smaller data, fewer replications, workers or jobs, or more memory (is there a limit, "
    "as by ulimit -v?)"
)
# how the parser of the command line begins; the values it quotes from another library
INVALID = re.compile(r"^Invalid value for '([^']+)'(?: / '[^']+')*: (?:Value error, )?")


class ConfigError(ValueError):
    """A config that cannot be run; one line that names field, value and what is valid.
    What comes from outside, such as a key or a path, is escaped, so that it stays one line."""

    def __init__(self, line: str) -> None:
        super().__init__(escaped(line))


class Failed(RuntimeError):
    """A command that cannot go on, by no mistake of the user: one line, exit code 1."""


def at(place: str, value: Any, valid: str) -> ConfigError:
    """Make the one line: ``delay.rate = -1: must be greater than 0``."""
    return ConfigError(f"{place} = {quoted(value)}: {valid}")


def one_of(valid: Iterable[str], given: Any, likely: Iterable[str] | None = None) -> str:
    """List the valid names, with the likely one last: ``must be one of: ... (did you mean ...?)``.
    Of a long list only those that look like the given one are shown. ``likely``: the names that
    letters may be meant for, default all; of others they must be very like one."""
    names, text = sorted(valid), str(given)
    close = difflib.get_close_matches(text, names if likely is None else sorted(likely), n=1)
    close = close or difflib.get_close_matches(text, names, n=1, cutoff=0.8)
    close = [meant] if (meant := MEANT.get(text)) in names else close
    hint = f" (did you mean {close[0]}?)" if close else ""
    if len(", ".join(names)) > LONGEST:
        shown = sorted(difflib.get_close_matches(text, names, n=LIKELY, cutoff=0.0))
        return f"must be one of {len(names)} names: {', '.join(shown)}, ...{hint}"
    return f"must be one of: {', '.join(names)}{hint}"


def quoted(value: Any) -> str:
    """A value as an error shows it, in at most 60 characters."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def of_the_user(error: BaseException) -> str | None:
    """What the user can mend, in words; ``None`` for a fault of ours. That is a config, an option,
    a path that cannot be read or written, too little space or memory."""
    if isinstance(error, ConfigError):
        return str(error)
    if hasattr(error, "format_message"):  # the command line's parser: an option or argument
        message = INVALID.sub(r"\1: ", error.format_message()).rstrip(".")
        message = message.replace("Input should be", "must be")
        command = getattr(getattr(error, "ctx", None), "command_path", "erasurehead")
        return f"{message} (see {command} --help)"
    if is_memory(error):
        return out_of_memory(error)
    if isinstance(error, OSError) and error.strerror:
        if error.filename not in (None, ""):
            name = error.filename  # a descriptor is a number
            path = os.fsdecode(name) if isinstance(name, str | bytes) else name
            return f"{path}: {error.strerror}"
        if error.errno in OF_THE_MACHINE:
            places = f"where results, this text and temporary files go (TMPDIR = {_temporary()})"
            return f"{error.strerror} {places}"
    return None


def is_memory(error: BaseException) -> bool:
    """Whether memory was short."""
    refused = isinstance(error, OSError) and error.errno in (errno.ENOMEM, errno.EAGAIN)
    text = str(error).lower()
    return refused or isinstance(error, MemoryError) or any(w in text for w in SHORT_OF_MEMORY)


def out_of_memory(error: BaseException) -> str:
    """The one line, with what a library says about the amount."""
    said = shortened(str(error).strip(), 100) if isinstance(error, MemoryError) else ""
    return f"not enough memory{f' ({said})' if said else ''}: {REMEDY}"


def _temporary() -> str:
    try:
        return tempfile.gettempdir()
    except OSError:
        return os.environ.get("TMPDIR", "unset")
