"""Ctrl-C: one line, exit code 130, whatever the command is doing at the moment.

Nothing needs to be tidied up: files are whole or absent at any time, and processes that compute
cells end when this one does. So the command stops at once, instead of raising ``KeyboardInterrupt``
in the middle of an import, a finalizer or a thread's lock. Only while files are written that belong
together does Ctrl-C wait a moment.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from types import FrameType

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
