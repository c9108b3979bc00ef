"""A progress bar where somebody can see it: in a terminal or in a notebook."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from importlib import import_module

from erasurehead.experiments.run.command import Progress

ShowProgress = bool | Progress | None
"""``None``: a bar in a terminal or notebook. ``False``: no bar. A function: it is called instead,
with what is done and what there is in all."""

PAUSE = 0.1
"""Seconds between two updates of a notebook's bar."""


@contextmanager
def reporting(progress: ShowProgress, unit: str) -> Iterator[Progress]:
    """Where a long call reports to."""
    if progress is False:
        yield lambda done, total: None
    elif callable(progress):
        yield progress
    elif in_notebook():
        with _notebook_bar(unit) as bar:
            yield bar
    else:
        from erasurehead.experiments.page import terminal

        with terminal.progress(unit) as bar:
            yield bar


def in_notebook() -> bool:
    """Whether this runs in a Jupyter kernel."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return hasattr(shell, "kernel")


@contextmanager
def _notebook_bar(unit: str) -> Iterator[Progress]:
    """One line of HTML, replaced as work goes on; it appears with the first report."""
    display = import_module("IPython.display")
    began = time.monotonic()
    place, shown = None, began

    def show(done: float, total: int) -> None:
        nonlocal place, shown
        now = time.monotonic()
        html = display.HTML(bar(unit, done, total, now - began))
        if place is None:
            place = display.display(html, display_id=True)
        elif done >= total or now > shown + PAUSE:
            shown = now
            place.update(html)

    yield show


def bar(unit: str, done: float, total: int, seconds: float) -> str:
    """The bar as HTML."""
    full = f'<progress value="{done:g}" max="{total}"></progress>'
    return f"{escape(unit)} {full} {int(done)}/{total}, {seconds:.0f} s"
