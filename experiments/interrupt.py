"""Ctrl-C: one line, exit code 130, whatever the command is doing at the moment.

Nothing needs to be tidied up: files are whole or absent at any time, and processes that compute
cells end when this one does. So the command stops at once, instead of raising ``KeyboardInterrupt``
in the middle of an import, a finalizer or a thread's lock.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

INTERRUPTED = 130
LINE = b"interrupted; run the same command again to go on\n"
SHOW_CURSOR = b"\x1b[?25h\n"
"""A progress bar hides it."""

STDERR = 2


@contextmanager
def one_line() -> Iterator[None]:
    """Within this context Ctrl-C stops the command; not where someone else decides about Ctrl-C."""
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    try:
        signal.signal(signal.SIGINT, _stop)
    except ValueError:  # not in the main thread
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _stop(number: int, frame: FrameType | None) -> None:
    try:
        os.write(STDERR, SHOW_CURSOR + LINE if os.isatty(STDERR) else LINE)
    finally:
        os._exit(INTERRUPTED)
