"""What many tests use: the program, hand-made tapes, figures without a screen."""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from inspect import signature
from pathlib import Path
from time import process_time
from typing import TYPE_CHECKING, Any, get_args
from unittest import mock

import matplotlib
import numpy as np
import typer
from matplotlib import pyplot
from typer.main import get_command as build_parser
from typer.models import ArgumentInfo

from erasurehead.delay_models.measured.measured import MeasuredDelays
from erasurehead.delay_models.measured.read import read_measured, read_one_load
from erasurehead.experiments.commands.cli import main
from erasurehead.experiments.commands.table import app
from erasurehead.experiments.pictures import paint, style
from erasurehead.experiments.pictures.picture import (
    Axis,
    Bars,
    Curve,
    Heat,
    Mark,
    Panel,
    Picture,
    Points,
    Rules,
    Texts,
    mantissas,
)
from erasurehead.plugins import FloatArray
from erasurehead.problems import Problem
from erasurehead.sim.base import types
from erasurehead.sim.base.errors import Dialect, Message
from erasurehead.sim.base.reading import Reading
from erasurehead.sim.training.problems import LOSSES

if TYPE_CHECKING:
    from hypothesis import settings
    from matplotlib.figure import Figure

SMALL: dict[str, Any] = {
    "name": "small",
    "workers": 6,
    "iterations": 8,
    "replications": 3,
    "delay": {"model": "exponential", "rate": 2.0},
    "schemes": [{"name": "uncoded"}, {"name": "erasurehead", "load": 2, "wait_for": 3}],
    "problem": {"loss": "logistic", "dataset": "synthetic", "rows": 60, "features": 4},
    "optimizer": {"rule": "gd", "learning_rate": 0.5},
}
"""A config that trains."""

# The program, as a process of its own or within this one, which saves a second of starting.


ROOT = Path(__file__).parent.parent


# losses of linear models
LINEAR = {name: loss for name, loss in LOSSES.items() if issubclass(loss, Problem)}


def process(*arguments: object) -> subprocess.CompletedProcess[str]:
    """``erasurehead ...`` as a person starts it."""
    return subprocess.run(
        [sys.executable, "-m", "experiments", *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@contextmanager
def undrawn() -> Iterator[None]:
    """Within this context figures are blank, and their files hold some kB of the name of their
    format: to lay them out and to draw them takes longer than most commands."""

    def blank(picture: Picture, scale: float = 1.0) -> Figure:
        return style.blank_figure(picture.width, picture.height)

    with (
        mock.patch.object(paint, "figure", blank),
        mock.patch.object(style, "rendered", lambda figure, kind: 5000 * kind.encode()),
    ):
        yield


@cache
def parser_of(app: typer.Typer) -> Any:
    """The parser of the command line, which takes some hundredths of a second to build."""
    return build_parser(app)


@dataclass(frozen=True)
class Place:
    """A place of a command that takes a value."""

    word: str  # the option, or nothing for an argument
    takes_path: bool


def places_of_commands() -> dict[str, list[Place]]:
    """By command, its places in their order, as the table of commands has them."""
    found = dict[str, list[Place]]()
    for command in app.registered_commands:
        assert command.callback is not None
        places = list[Place]()
        for parameter in signature(command.callback).parameters.values():
            if parameter.annotation is typer.Context:
                continue
            kind, info = get_args(parameter.annotation)
            names = getattr(info, "param_decls", None) or [f"--{parameter.name.replace('_', '-')}"]
            word = "" if isinstance(info, ArgumentInfo) else names[0]
            places.append(Place(word, takes_path=Path in (kind, *get_args(kind))))
        found[str(command.name)] = places
    return found


def notebook_html(value: Any) -> str:
    """The HTML that a notebook shows of a value."""
    return str(value._repr_html_())


def inside(*arguments: object, pictures: bool = False) -> subprocess.CompletedProcess[str]:
    """The same command line, output and exit code, in this process; every warning is an error.

    Pictures are ``undrawn`` unless they are asked for.
    """
    command = ["erasurehead", *map(str, arguments)]
    out, err = io.StringIO(), io.StringIO()
    with (
        contextlib.nullcontext() if pictures else undrawn(),
        mock.patch.object(typer.main, "get_command", parser_of),
        mock.patch.object(sys, "argv", command),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            main()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 1
        else:
            code = 0
    return subprocess.CompletedProcess(command, code, out.getvalue(), err.getvalue())


def pace() -> float:
    """How many times as long this machine computes, now, as the one that bounds of seconds are
    for: there Python sorts 200,000 numbers in 0.05 s."""
    numbers, taken = np.random.default_rng(0).random(200_000).tolist(), list[float]()
    for _ in range(3):
        began = process_time()
        sorted(numbers)
        taken.append(process_time() - began)
    return min(taken) / 0.05


def examples(most: int) -> settings:
    """Hypothesis tries so many cases, others each time, if the environment says EXAMPLES=all, else
    a sixth or 30, always the same. It judges nothing by the clock: a busy machine is slow at
    drawing cases, too."""
    from hypothesis import HealthCheck, settings

    whole = os.environ.get("EXAMPLES") == "all"
    return settings(
        max_examples=most if whole else min(most, max(most // 6, 30)),
        derandomize=not whole,
        print_blob=True,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
    )


# Figures of pyplot in tests.


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


def assert_told(page: str, *phrases: str) -> None:
    """A page of the documentation has each of these, wherever its lines end."""
    text = " ".join((ROOT / "docs" / page).read_text(encoding="utf-8").split())
    assert [phrase for phrase in phrases if phrase not in text] == []


# of labels that are even on a logarithmic axis, or of ratios near 1
MANTISSAS = {mantissas(ratio) for ratio in (2.0, 10.0, 50.0, 500.0, 5000.0)} | {
    (1,),
    (1, 2, 3, 5),
    (1, 1.5, 2, 2.5, 3, 4, 5, 6, 8),
    (1, 1.1, 1.25, 1.5, 2, 5, 7, 8, 9),
}


def assert_readable(picture: Picture) -> None:
    """Whatever a picture holds can be seen: what belongs together is of one length, and lies within
    its axes."""
    assert picture.panels
    assert picture.width > 1
    assert picture.height > 1
    for panel in picture.panels:
        for mark in panel.marks:
            _assert_drawn(mark, panel)
        for axis in (panel.x, panel.y):
            if axis.names:
                assert len(axis.names) == len(axis.places or axis.names)
            if axis.low is not None and axis.high is not None:
                assert axis.low != axis.high
                assert axis.low > 0 or not axis.log
            assert axis.ticks in MANTISSAS, axis.ticks
            assert axis.log or not axis.ticks


def _assert_drawn(mark: Mark, panel: Panel) -> None:
    if isinstance(mark, Rules | Heat):
        return
    x, y = (mark.start, mark.rows) if isinstance(mark, Bars) else (mark.x, mark.y)
    assert len(x) == len(y)
    if not isinstance(mark, Curve):  # the tail of a curve may end outside
        _assert_within(panel.y, y)
        _assert_within(panel.x, x)
    if isinstance(mark, Bars):
        assert len(mark.end) == len(x)
        _assert_within(panel.x, mark.end)
    if isinstance(mark, Texts):
        assert len(mark.words) == len(x)
    if isinstance(mark, Points):
        for length in (mark.dx, mark.dy):
            assert length is None or (length.shape == (2, len(x)) and not np.any(length < 0))
    if isinstance(mark, Curve) and mark.low is not None and mark.high is not None:
        assert len(mark.low) == len(mark.high) == len(x)
        assert not np.any(mark.low > mark.high)


def _assert_within(axis: Axis, places: FloatArray) -> None:
    """What is not finite, or not positive on a logarithmic axis, has no place."""
    shown = places[np.isfinite(places) & ((places > 0) | (not axis.log))]
    ends = [end for end in (axis.low, axis.high) if end is not None]
    if len(ends) == 2 and len(shown):
        slack = 1e-9 * np.ptp(ends)
        assert min(ends) - slack <= shown.min(), axis
        assert shown.max() <= max(ends) + slack, axis


# Hand-made tapes: unit delays that a test knows cell by cell.


@dataclass(frozen=True)
class LatticeTape:
    """Delays on a lattice of multiples of ``step`` seconds from 0: full of ties and zeros.

    With a step of 1/4 sums are exact, so that ties survive them; with 0.1 they round.
    """

    seed: int
    workers: int
    levels: int = 4
    block_rounds: int = 7
    step: float = 0.25

    def rows(self, start: int, stop: int, stream: int = 0) -> FloatArray:
        def row(t: int) -> FloatArray:
            rng = np.random.default_rng([self.seed, t, stream])
            return rng.integers(0, self.levels, self.workers) * self.step

        return np.stack([row(t) for t in range(start, stop)])


@dataclass(frozen=True, eq=False)
class TableTape(types.TableTape):
    """The same in blocks of a few rounds, so that a run reads several."""

    block_rounds: int = 5


def numbered(tables: Mapping[Any, np.ndarray]) -> MeasuredDelays:
    """Tables of delays of workers without names, by load."""
    (n,) = {table.shape[1] for table in tables.values()}
    return MeasuredDelays(tuple(map(str, range(n))), tables)


def told(lines: Iterable[Message]) -> list[str]:
    """Lines of a table as the command line says them."""
    return [line.spelled(Dialect.SHELL) for line in lines]


def read_delays(path: str, load: float | None = None) -> FloatArray:
    """One load of a measured table, ``(rounds, workers)`` seconds."""
    (table,) = read_one_load(path, Reading(load=load)).tables.values()
    return table


def read_all_loads(path: str) -> Mapping[float | None, FloatArray]:
    """Every load of a measured table."""
    return read_measured(path).tables
