"""Errors of the command line: one clear line each, exit code 2. Text from outside is escaped."""

from __future__ import annotations

import difflib
import errno
import os
import re
import tempfile
import unicodedata
from collections.abc import Iterable
from typing import Any

# Text from outside (labels, names, paths, libraries' words) as it may be shown: as data.
#
# A terminal acts on control characters and an SVG must not hold them, half a character cannot be
# encoded, and marks of direction make a text look like another one. All of these are written as in
# a Python string: ``\x1b``, ``\u202e``. Nothing here imports a library, so that errors can be told
# while nothing else works.

LONGEST_LINE = 300
"""Characters of a line in the terminal."""

GAP = " ... "
"""In place of what is left out of a long text."""

JOINERS = "\u200c\u200d"
"""Marks without a shape of their own, which several scripts and many emoji need."""

_PLAIN = re.compile(r"[ -~]*")


def is_plain(text: str) -> bool:
    """Whether a text is made of visible characters and spaces alone."""
    return bool(_PLAIN.fullmatch(text)) or not any(map(_acts, text))


def escaped(text: str) -> str:
    """The text with everything else than visible characters and spaces written in ASCII."""
    if is_plain(text):
        return text
    return "".join(in_ascii(each) if _acts(each) else each for each in text)


def in_ascii(character: str) -> str:
    """A character as it can be written in a Python string."""
    return character.encode("unicode_escape").decode("ascii")


def shortened(text: str, most: int = LONGEST_LINE) -> str:
    """The text, without its middle if it is longer than ``most``: its end often says the most."""
    if len(text) <= most:
        return text
    last = 2 * (most - len(GAP)) // 5
    return f"{text[: most - len(GAP) - last]}{GAP}{text[-last:]}"


def line(text: str, most: int = LONGEST_LINE) -> str:
    """One line of at most ``most`` characters, whatever the text holds."""
    return shortened(escaped(text), most)


def _acts(character: str) -> bool:
    """Control characters, marks, halves, private and unassigned characters, ends of lines."""
    kind = unicodedata.category(character)
    return (kind[0] == "C" and character not in JOINERS) or kind in ("Zl", "Zp")


class ConfigError(ValueError):
    """A config that cannot be run; one line that names field, value and what is valid.

    What comes from outside, such as a key or a path, is escaped, so that it stays one line.
    """

    def __init__(self, line: str) -> None:
        super().__init__(escaped(line))


def at(place: str, value: Any, valid: str) -> ConfigError:
    """Make the one line: ``delay.rate = -1: must be greater than 0``."""
    return ConfigError(f"{place} = {quoted(value)}: {valid}")


LONGEST = 260
"""Letters of a list of names; of a longer one the likely ones are shown."""

LIKELY = 6


def one_of(valid: Iterable[str], given: Any) -> str:
    """List the valid names, with the likely one last: ``must be one of: ... (did you mean ...?)``.

    Of a long list only those that look like the given one are shown.
    """
    names = sorted(valid)
    close = difflib.get_close_matches(str(given), names, n=1)
    hint = f" (did you mean {close[0]}?)" if close else ""
    if len(", ".join(names)) > LONGEST:
        shown = sorted(difflib.get_close_matches(str(given), names, n=LIKELY, cutoff=0.0))
        return f"must be one of {len(names)} names: {', '.join(shown)}, ...{hint}"
    return f"must be one of: {', '.join(names)}{hint}"


def quoted(value: Any) -> str:
    """A value as an error shows it, in at most 60 characters."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


OF_THE_MACHINE = (
    errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EFBIG, errno.EMFILE, errno.ENFILE,
)  # fmt: skip
"""What no path is to blame for, when the system names none."""

SHORT_OF_MEMORY = (
    "cannot allocate memory",
    "failed to map segment",
    "can't start new thread",
    "failed to launch worker thread",
)
"""How libraries say that memory is short, besides ``MemoryError``."""

REMEDY = (
    "take smaller data, fewer replications, workers or jobs, or more memory (is there a limit, "
    "as by ulimit -v?)"
)

INVALID = re.compile(r"^Invalid value for '([^']+)'(?: / '[^']+')*: (?:Value error, )?")
"""How the parser of the command line begins; the values it quotes from another library."""


def of_the_user(error: BaseException) -> str | None:
    """What the user can mend, in words; ``None`` for a fault of ours.

    That is a config, an option, a path that cannot be read or written, too little space or memory.
    """
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
    if isinstance(error, MemoryError):
        return True
    if isinstance(error, OSError) and error.errno in (errno.ENOMEM, errno.EAGAIN):
        return True
    text = str(error).lower()
    return any(words in text for words in SHORT_OF_MEMORY)


def out_of_memory(error: BaseException) -> str:
    """The one line, with what a library says about the amount."""
    said = shortened(str(error).strip(), 100) if isinstance(error, MemoryError) else ""
    return f"not enough memory{f' ({said})' if said else ''}: {REMEDY}"


def _temporary() -> str:
    try:
        return tempfile.gettempdir()
    except OSError:
        return os.environ.get("TMPDIR", "unset")
