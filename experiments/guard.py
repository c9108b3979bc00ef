"""The edge of the program: every error is one line and an exit code, and so is Ctrl-C."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import signal
import sys
import tempfile
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

from .config.errors import line, shortened
from .page.terminal import tell

# Ctrl-C: one line, exit code 130, whatever the command is doing at the moment.
#
# Nothing needs to be tidied up: files are whole or absent at any time, and processes that compute
# cells end when this one does. So the command stops at once, instead of raising
# ``KeyboardInterrupt`` in the middle of an import, a finalizer or a thread's lock. Only while
# files are written that belong together does Ctrl-C wait a moment.


INTERRUPTED = 130
GOES_ON = b"interrupted; run the same command again to go on\n"
STARTS_OVER = b"interrupted; run the same command again to start over\n"
RESUMED = ("run", "sweep")
"""Commands that find again what an interrupted one has finished."""

SHOW_CURSOR = b"\x1b[?25h\n"
"""A progress bar hides it."""

STDERR = 2


@contextmanager
def one_line(arguments: Sequence[str]) -> Iterator[None]:
    """Within this context Ctrl-C stops the command; not where someone else decides about Ctrl-C.

    Args:
        arguments: of the command line, the command among them.
    """
    command = next((each for each in arguments if not each.startswith("-")), "")
    stop = partial(_stop, GOES_ON if command in RESUMED else STARTS_OVER)
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    try:
        signal.signal(signal.SIGINT, stop)
    except ValueError:  # not in the main thread
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@contextmanager
def postponed() -> Iterator[None]:
    """Within this context Ctrl-C waits for the end of the context: for a moment's work, such as
    writing files that belong together."""
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


def _stop(line: bytes, number: int, frame: FrameType | None) -> None:
    try:
        os.write(STDERR, SHOW_CURSOR + line if os.isatty(STDERR) else line)
    finally:
        os._exit(INTERRUPTED)


# The edge of the program: whatever goes wrong becomes one line and an exit code, no traceback.
#
# What the user can mend (a config, an option, a path that cannot be read or written, too little
# space or memory) is exit code 2. Anything else is a fault of ours: ``internal error``, exit 70,
# with the traceback in a file. Nothing here imports a library: errors of imports are told, too.


BAD_INPUT, INTERNAL, NOBODY_READS = 2, 70, 1

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

Command = Callable[[], int | None]


def run(command: Command, debug: bool = False) -> int:
    """Run a command; returns its exit code.

    Args:
        command: returns its exit code; ``None`` is 0.
        debug: show the traceback of every error, besides its line.

    Raises:
        SystemExit: as the command does, and ``KeyboardInterrupt``.
    """
    _never_fail_to_encode()
    with warnings.catch_warnings():
        warnings.showwarning = _warn
        try:
            code = command() or 0
            sys.stdout.flush()
        except Exception as error:
            code = _report(error, debug)
        finally:
            _flush()
    return code


def _report(error: Exception, debug: bool) -> int:
    """Say in one line what happened; returns the exit code."""
    if isinstance(error, BrokenPipeError):
        return NOBODY_READS
    if _is(error, "typer.exceptions", "Abort") or _is(error, "click.exceptions", "Abort"):
        return INTERRUPTED
    if type(error).__name__ == "NoArgsIsHelpError":  # the help has been shown, or is the message
        return BAD_INPUT
    if debug:
        for each in _details(error).splitlines():
            tell(each, len(each) * 10)
    mistake = of_the_user(error)
    if mistake is not None:
        tell(f"error: {mistake}")
        return BAD_INPUT
    what = line(_named(error), 120)
    file = _kept(_details(error))
    where = "run it again with --debug for details" if file is None else f"details in {file}"
    tell(f"internal error: {what} ({where}; please report)")
    return INTERNAL


def of_the_user(error: BaseException) -> str | None:
    """What the user can do something about, in words; ``None`` for a fault of ours."""
    if _is(error, "erasurehead.experiments.config.errors", "ConfigError"):
        return str(error)
    if hasattr(error, "format_message"):  # the command line's parser
        return _usage(error)
    if is_memory(error):
        return out_of_memory(error)
    if isinstance(error, OSError) and error.strerror:
        if error.filename not in (None, ""):
            return f"{_name(error.filename)}: {error.strerror}"
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


def _usage(error: Any) -> str:
    """A wrong option or argument."""
    message = INVALID.sub(r"\1: ", error.format_message()).rstrip(".")
    message = message.replace("Input should be", "must be")
    command = getattr(error.ctx, "command_path", "erasurehead")
    return f"{message} (see {command} --help)"


def _is(error: BaseException, module: str, name: str) -> bool:
    """Whether it is of a class whose module may never have been imported."""
    kind = getattr(sys.modules.get(module), name, None)
    return isinstance(kind, type) and isinstance(error, kind)


def _name(path: object) -> str:
    return os.fsdecode(path) if isinstance(path, str | bytes) else str(path)


def _named(error: BaseException) -> str:
    text = str(error).strip()
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _temporary() -> str:
    try:
        return tempfile.gettempdir()
    except OSError:
        return os.environ.get("TMPDIR", "unset")


def _details(error: BaseException) -> str:
    """The traceback, and what ran where."""
    from platform import platform, python_version

    ran = f"{' '.join(map(repr, sys.argv))}\nPython {python_version()} on {platform()}\n"
    return ran + "".join(traceback.format_exception(error))


def _kept(details: str) -> Path | None:
    """Write the details where the user's programs keep such things; returns the file, if any."""
    for folder in (_state, tempfile.gettempdir):
        with contextlib.suppress(OSError, RuntimeError, ValueError):
            place = Path(folder())
            place.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(".txt", "error-", place)
            with open(handle, "w", encoding="utf-8", errors="backslashreplace") as file:
                file.write(details)
            return Path(name)
    return None


def _state() -> Path:
    """The folder for what programs note, by the XDG convention."""
    given = os.environ.get("XDG_STATE_HOME", "")
    base = Path(given) if os.path.isabs(given) else Path.home() / ".local" / "state"
    return base / "erasurehead"


def _never_fail_to_encode() -> None:
    """What the terminal's encoding cannot say is escaped."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def _warn(message: Warning | str, *place: object, **options: object) -> None:
    """A library's warning, as one line."""
    tell(f"warning: {' '.join(str(message).split())}")


def _flush() -> None:
    """Write what is left to write; if that fails, it must not fail again when Python ends."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (AttributeError, ValueError):  # no such stream, or closed
            continue
        except OSError:
            with contextlib.suppress(OSError, ValueError):
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, stream.fileno())
                os.close(nowhere)
