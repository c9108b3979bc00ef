"""The program: ``erasurehead`` after installation, ``python -m experiments`` in a checkout.
Exit codes: 0 done, 1 a check or a cell failed, 2 bad input, 70 a fault of ours, 130 interrupted.
Nothing that is imported here is a library, so that errors of imports can be told, too."""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import sys
import tempfile
import threading
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from ...sim.base.errors import Failed
from ..page.terminal import tell
from ..text import line, of_the_user
from .aliases import in_new_words

DEBUG = "--debug"  # understood in any place of the command line
BAD_INPUT, INTERNAL, NOBODY_READS, FAILED = 2, 70, 1, 1


def main() -> None:
    """Run the command line; every error is one line on stderr."""
    arguments = [argument for argument in sys.argv[1:] if argument != DEBUG]

    def command() -> Any:
        from . import table as commands  # takes a while, and may fail

        # what reports call their command is its name today
        sys.argv[1:] = words = in_new_words(arguments)
        try:
            return commands.app(words, prog_name="erasurehead", standalone_mode=False)
        except SystemExit as end:
            came = traceback.extract_tb(end.__traceback__)
            if isinstance(end.__context__, BrokenPipeError):  # so Rich ends
                raise end.__context__ from None
            if all(frame.filename != commands.__file__ for frame in came):
                raise  # the completion of a shell
            raise Failed(f"{came[-1].filename}: line {came[-1].lineno}: exits") from None

    with stopped_by_ctrl_c(arguments):
        code = guarded(command, debug=DEBUG in sys.argv[1:])
    sys.exit(code)


# Ctrl-C: one line, exit code 130, whatever the command is doing at the moment.
#
# Little needs to be tidied up: files are whole or absent at any time, and processes that compute
# cells end when this one does. So the command stops at once, instead of raising
# ``KeyboardInterrupt`` in the middle of an import, a finalizer or a thread's lock. Only while
# files are written that belong together does Ctrl-C wait a moment (``run.files.postponed``).

INTERRUPTED = 130
STDERR = 2


@contextmanager
def stopped_by_ctrl_c(arguments: Sequence[str]) -> Iterator[None]:
    """Within this context Ctrl-C stops the command; not where someone else decides about Ctrl-C."""
    command = next((argument for argument in arguments if not argument.startswith("-")), "")
    # these find again what an interrupted one has finished
    then = b"go on" if command in ("run", "sweep") else b"start over"
    words = b"interrupted; run the same command again to " + then + b"\n"
    show_cursor = b"\x1b[?25h\n"  # a progress bar hides it

    def stop(number: int, frame: FrameType | None) -> None:
        try:
            os.write(STDERR, show_cursor + words if os.isatty(STDERR) else words)
        finally:
            os._exit(INTERRUPTED)

    elsewhere = threading.current_thread() is not threading.main_thread()
    if elsewhere or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    signal.signal(signal.SIGINT, stop)
    # All is written then, but Python would let Ctrl-C kill the process while it takes itself down.
    atexit.register(signal.signal, signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


# Whatever goes wrong becomes one line and an exit code: what the user can mend is exit code 2,
# anything else is a fault of ours, with the traceback in a file.


def guarded(command: Callable[[], int | None], debug: bool = False) -> int:
    """Run a command; returns its exit code, 0 for ``None``.
    With ``debug``, every error shows its traceback besides its line.
    Raises SystemExit: as the command does, and ``KeyboardInterrupt``."""
    for stream in (sys.stdout, sys.stderr):  # escape what the terminal's encoding cannot say
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    with warnings.catch_warnings():
        warnings.showwarning = lambda message, *_, **__: tell(
            f"warning: {' '.join(str(message).split())}"
        )
        try:
            code = command() or 0
            sys.stdout.flush()
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # a plugin may raise what is no Exception
            code = _report(error, debug)
        finally:
            _flush()
    return code


def _report(error: BaseException, debug: bool) -> int:
    """Say in one line what happened; returns the exit code."""
    if isinstance(error, BrokenPipeError):
        return NOBODY_READS
    kind = type(error)  # of a module that may never have been imported
    if kind.__name__ == "Abort" and kind.__module__ in ("typer.exceptions", "click.exceptions"):
        if not isinstance(error.__cause__, EOFError):
            return INTERRUPTED
        error = error.__cause__  # no end of the user's input, of which there is none
        kind = type(error)
    if kind.__name__ == "NoArgsIsHelpError":  # the help has been shown, or is the message
        return BAD_INPUT
    if debug:
        for detail in _details(error).splitlines():
            tell(detail, len(detail) * 10)
    if isinstance(error, Failed):
        tell(f"failed: {error}")
        return FAILED
    if (mistake := of_the_user(error)) is not None:
        tell(f"error: {mistake}")
        return BAD_INPUT
    text = str(error).strip()
    what = line(f"{kind.__name__}: {text}" if text else kind.__name__, 120)
    file = _kept(_details(error))
    where = "run it again with --debug for details" if file is None else f"details in {file}"
    tell(f"internal error: {what} ({where}; please report)")
    return INTERNAL


def _details(error: BaseException) -> str:
    """The traceback, and what ran where."""
    from platform import platform, python_version

    ran = f"{' '.join(map(repr, sys.argv))}\nPython {python_version()} on {platform()}\n"
    return ran + "".join(traceback.format_exception(error))


def _kept(details: str) -> Path | None:
    """Write the details where the user's programs keep such things; returns the file, if any."""
    for folder in (_state, tempfile.gettempdir):
        with contextlib.suppress(OSError, RuntimeError, ValueError):
            crashes = Path(folder())
            crashes.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(".txt", "error-", crashes)
            with open(handle, "w", encoding="utf-8", errors="backslashreplace") as file:
                file.write(details)
            return Path(name)
    return None


def _state() -> Path:
    """The folder for what programs note, by the XDG convention."""
    given = os.environ.get("XDG_STATE_HOME", "")
    base = Path(given) if os.path.isabs(given) else Path.home() / ".local" / "state"
    return base / "erasurehead"


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
