"""Figures of pyplot in tests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import matplotlib
from matplotlib import pyplot


@contextmanager
def agg() -> Iterator[None]:
    """Within this context pyplot needs no screen; its figures are closed at the end."""
    before = matplotlib.get_backend()
    pyplot.switch_backend("agg")
    try:
        yield
    finally:
        pyplot.close("all")
        pyplot.switch_backend(before)
