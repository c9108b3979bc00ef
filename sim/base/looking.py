"""Whether code that somebody else may have written is run at the moment.

A result that was sent holds plugins and models. To look at it runs none of them; to compute from it
does, where the user allows that (``experiments.config.code``)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_IS_LOOKING = ContextVar("is_looking", default=False)


@contextmanager
def looking(only: bool = True) -> Iterator[None]:
    """Within this context no plugin and no model of a document is run; with ``only=False`` they
    are again, as what is installed here always is."""
    before = _IS_LOOKING.set(only)
    try:
        yield
    finally:
        _IS_LOOKING.reset(before)


def is_looking() -> bool:
    """Whether this is within ``looking``."""
    return _IS_LOOKING.get()
