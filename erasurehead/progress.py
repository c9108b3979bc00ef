"""A progress bar where somebody can see it: in a terminal or in a notebook."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from importlib import import_module

from experiments.run import Report

Progress = bool | Report | None
"""``None``: a bar in a terminal or notebook. ``False``: no bar. A function: it is called instead,
with what is done and what there is in all."""

PAUSE = 0.1
"""Seconds between two updates of a notebook's bar."""


@contextmanager
def reporting(progress: Progress, unit: str) -> Iterator[Report]:
    """Where a long call reports to."""
    if progress is False:
        yield lambda done, total: None
    elif callable(progress):
        yield progress
    elif in_notebook():
        with _notebook_bar(unit) as report:
            yield report
    else:
        from experiments import console

        with console.progress(unit) as report:
            yield report


def in_notebook() -> bool:
    """Whether this runs in a Jupyter kernel."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return hasattr(shell, "kernel")


@contextmanager
def _notebook_bar(unit: str) -> Iterator[Report]:
    """One line of HTML that is replaced as work goes on; needs no widgets."""
    display = import_module("IPython.display")
    began = shown = time.monotonic()
    handle = display.display(display.HTML(bar(unit, 0, 0, 0.0)), display_id=True)

    def report(done: float, total: int) -> None:
        nonlocal shown
        now = time.monotonic()
        if done >= total or now > shown + PAUSE:
            shown = now
            handle.update(display.HTML(bar(unit, done, total, now - began)))

    yield report


def bar(unit: str, done: float, total: int, seconds: float) -> str:
    """The bar as HTML."""
    value = f' value="{done:g}" max="{total}"' if total else ""
    counted = f" {int(done)}/{total}" if total else ""
    return f"{escape(unit)} <progress{value}></progress>{counted}, {seconds:.0f} s"
