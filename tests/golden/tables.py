"""What is kept of a golden run: for each column of each table a hash, and its mean.

Bits of logarithms and matrix products differ between processors and library versions. So hashes
are compared where both are those of the machine that wrote them; elsewhere the means are, to a
relative 1e-6.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
import pytest
import sklearn  # loads the libraries that threadpoolctl looks at
from threadpoolctl import threadpool_info

from erasurehead.delay_models import Exponential, Tape
from erasurehead.delay_models.tables.names import parse, role_of, without_unit
from erasurehead.delay_models.tables.roles import roles_of
from erasurehead.experiments.config.catalogue import BUILT_IN
from erasurehead.experiments.config.cells import cells
from erasurehead.experiments.config.codec import plain
from erasurehead.experiments.config.schema import schema
from erasurehead.experiments.pictures import paint
from erasurehead.experiments.pictures.kinds import KINDS
from erasurehead.experiments.pictures.looks import DASHED, SOLID, Look
from erasurehead.experiments.pictures.picture import (
    Axis,
    Bars,
    Curve,
    Fill,
    Heat,
    Panel,
    Picture,
    Points,
    Rules,
    Texts,
)
from erasurehead.experiments.pictures.records import read_records
from erasurehead.experiments.pictures.style import SETTINGS
from erasurehead.experiments.pictures.svg.marks import PageStyle
from erasurehead.experiments.pictures.svg.picture import draw_picture
from erasurehead.experiments.run.command import RunOptions, run
from erasurehead.experiments.run.timeline import write_timeline
from erasurehead.sim.attack.code import Code, code_of
from erasurehead.sim.attack.search import SearchBudget, worst_sets
from erasurehead.sim.engines.cluster import Policy
from erasurehead.sim.engines.run import Run
from erasurehead.sim.engines.simulate import simulate
from erasurehead.sim.errors import EngineRefused, InvalidParameter, NeverEnough
from erasurehead.sim.files import UnusableFile
from erasurehead.sim.load_laws import PerPartition, Proportional
from erasurehead.sim.reading import Reading
from erasurehead.sim.schemes.base import Fixed, RoundScheme
from erasurehead.sim.theory import NoFormula, round_theory, worst_bound, worst_cases
from tests.golden.configs import Document
from tests.tools import TableTape

ROOT = Path(__file__).parents[2]
FILE = Path(__file__).parent / "golden.json"
ROUNDING = 1e-11
"""``code_residual`` is rounding and nothing else: 4e-12 on one processor, 5e-12 on another."""

TABLES = ("iterations", "summary", "workers")

Kept = dict[str, dict[str, dict[str, Any]]]
"""Table -> column -> {"hash": ..., "mean": ...}."""


def machine() -> dict[str, str]:
    """What the last bit of a number can depend on besides the code."""
    from numpy._core._multiarray_umath import __cpu_features__ as features

    kernels = {str(info.get("architecture")) for info in threadpool_info()}
    return {
        "python": ".".join(platform.python_version_tuple()[:2]),
        "numpy": np.__version__,
        "pandas": pd.__version__,
        "sklearn": sklearn.__version__,
        "blas": " ".join(sorted(kernels)),
        "cpu": hash_of(json.dumps(features, sort_keys=True)),
    }


def tables(document: Document, folder: Path) -> Kept:
    """Run a config and describe its tables, the cells' names left out."""
    output = folder / str(document["name"])
    outcome = run(document, output, RunOptions())
    assert not outcome.failed, outcome.failed
    return {table: columns(pd.read_parquet(output / f"{table}.parquet")) for table in TABLES}


def columns(frame: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """What is kept of each column, the cells' names left out."""
    return {name: _kept(frame[name]) for name in frame.columns if name != "cell"}


def examples() -> dict[str, list[str]]:
    """What ``verify`` and ``recommend`` try of each scheme, and the contracts of each delay model:
    the section of each example, of a long one a hash."""
    found: dict[str, list[str]] = {}
    for kind in ("schemes", "delays"):
        for name, family in BUILT_IN[kind].classes.items():
            sections = [json.dumps(plain(each, BUILT_IN)) for each in family.examples()]
            texts = [re.sub(r'"/[^"]*/', '"', section) for section in sections]
            found[f"{kind}.{name}"] = [t if len(t) < 500 else hash_of(t) for t in texts]
    return found


def require_same(expected: Kept, found: Kept, bits: bool) -> None:
    """Every column of a golden table is there, in its order and to the bit; others may be added.

    Args:
        expected: the golden tables.
        found: those of today.
        bits: whether hashes are compared; otherwise means are, where there are any.
    """
    for table, columns in expected.items():
        assert [name for name in found[table] if name in columns] == list(columns), table
        for column, kept in columns.items():
            if bits or kept["mean"] is None:
                assert found[table][column]["hash"] == kept["hash"], f"{table}.{column}"
            else:
                mean = pytest.approx(kept["mean"], rel=1e-6, abs=ROUNDING)
                assert found[table][column]["mean"] == mean, f"{table}.{column}"


def _kept(column: pd.Series) -> dict[str, Any]:
    if pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column):
        values = column.to_numpy(dtype=np.float64, na_value=np.nan) + 0.0  # -0 is 0
        known = values[np.isfinite(values)]
        mean = float(np.mean(known)) if known.size else None
        return {"hash": hash_of(values.tobytes()), "mean": mean}
    return {"hash": hash_of("\0".join(map(str, column))), "mean": None}


def hash_of(content: str | bytes) -> str:
    """Twelve letters."""
    return hashlib.sha256(content.encode() if isinstance(content, str) else content).hexdigest()[
        :12
    ]


# What names and random files are taken for: what was said of them yesterday is said today
# (``tests/golden``).


WORDS = (
    *("worker", "host", "step", "round", "iteration", "seconds", "duration", "time", "start"),
    *("end", "load", "loss", "max", "Unnamed: 0", "level_1", "timestamp", "epoch", "w", "id"),
)
UNITS = ("", "s", "sec", "ms", "us", "µs", "ns", "min", "h", "days", "cs", "ds", "ps", "ticks")


def said_of_names() -> list[Any]:
    """What a column's name is taken for, in several spellings."""
    found = []
    for word in WORDS:
        for unit in UNITS:
            for name in (
                f"{word}_{unit}",
                f"{word} ({unit})",
                f"{word}{unit.title()}",
                f"{word}_id",
            ):
                parts = parse(name)
                found.append([name, parts.whole, parts.base, parts.unit, parts.wrong])
                found[-1] += [role_of(name), without_unit(name)]
    return [*found, *map(said_of_columns, range(400))]


POOL = (
    *("worker", "host", "rank", "round", "step", "seconds", "duration_ms", "start", "end"),
    *("load", "loss", "compute_ms", "comm_ms", "x", "r1", "r2", "attempt"),
)


def said_of_columns(seed: int) -> list[Any]:
    """Which columns of a few have which role, or why they cannot; perhaps with some named."""
    rng = np.random.default_rng([10, seed])
    names = [str(name) for name in rng.permutation(POOL)[: int(rng.integers(2, 7))]]
    if seed % 2:
        names = [*dict.fromkeys([str(rng.choice(["worker", "rank"])), "round", *names])]
    said: dict[Any, str] = {}
    for role in rng.choice(
        ["worker", "round", "seconds", "start", "end", "stages", "allreduce"], 2
    ):
        if rng.random() < 0.25:
            said[str(role)] = str(rng.choice([*names, ""]))
    if rng.random() < 0.1:
        said = {"stages": "+".join(names[:2])}
    try:
        return [names, said, roles_of(pd.DataFrame(columns=names), Reading(columns=said))]
    except UnusableFile as error:
        return [names, said, str(error)]


def told() -> list[str]:
    """What is told of names of columns; a hash of ten at a time."""
    names = said_of_names()
    return [hash_of(in_words(names[n : n + 10])) for n in range(0, len(names), 10)]


def simulated(kind: str, name: str) -> str:
    """Of a scheme, under every policy, or a delay model: what comes out, as a hash; and for how
    many workers it is refused, in which words."""
    examples = BUILT_IN[kind].classes[name].examples()
    said = [_of_scheme(each, place) if kind == "schemes" else _of_law(each)
            for place, each in enumerate(examples)]  # fmt: skip
    return hash_of(in_words(said))


NAMES = [(kind, name) for kind in ("schemes", "delays") for name in BUILT_IN[kind].classes]


def _of_scheme(family: Any, place: int) -> list[Any]:
    said: list[Any] = [_refusal(family.build, workers) for workers in (1, 2, 5, 7, 11, 13, 24)]
    scheme, policies = family.build(12), [Policy.CANCEL]
    said += [scheme.exact, scheme.partitions, scheme.message_size, scheme.updates(7)]
    if isinstance(scheme, RoundScheme):
        said += scheme.message_sizes
        policies = policies if place else list(Policy)
    for cancels in (True, False)[: 1 if place else 2]:
        known = round_theory(scheme, Exponential(rate=2.0), Proportional(), cancels, True)
        said += [known.error, known.time]
        if not isinstance(known.time, NoFormula):
            said[-1] = [known.time.mean(), known.time.variance(), known.time.tail_index()]
    if isinstance(scheme, Fixed):
        said += [scheme.assignment.loads, scheme.assignment.operations, scheme.decoder.operations]
    code, cases = code_of(scheme), worst_cases(scheme)
    if isinstance(code, Code) and not place:
        said += [[*worst_sets(code, [2, 5], SearchBudget(7, 5, 1))]]
    said += [cases if isinstance(cases, NoFormula) else [worst_bound(cases, s) for s in range(13)]]
    return said + [_played(scheme, policy) for policy in policies]


def offered() -> dict[str, str]:
    """Of each section of a config a hash of types, ranges and defaults, as its schema has them."""
    whole = schema()

    def bare(node: Any) -> Any:
        if isinstance(node, list):
            return [bare(each) for each in node]
        if not isinstance(node, dict):
            return node
        return {key: bare(each) for key, each in node.items() if key != "description"}

    sections = {**whole["$defs"], "a config": {k: v for k, v in whole.items() if k != "$defs"}}
    return {name: hash_of(json.dumps(bare(each))) for name, each in sections.items()}


def _refusal(build: Callable[[int], object], workers: int) -> str:
    try:
        build(workers)
    except InvalidParameter as error:
        return re.sub(r"/[^'\" ]*/", "", str(error))  # wherever a file of ours lies
    return "built"


def _played(scheme: Any, policy: Policy) -> list[Any]:
    """Two replications of seven iterations: times with ties, what was heard, done and decoded."""
    tapes = [TableTape(np.random.default_rng([9, r]).integers(1, 9, (600, 12)) / 4) for r in (0, 1)]
    try:
        trace = simulate(Run(scheme, tapes, PerPartition(), 7, policy))
    except (EngineRefused, NeverEnough, ValueError) as error:
        return [str(error)]
    steps = scheme.steps(trace)
    parts = [trace.times, trace.engine, steps.clock(7), steps.recovered, steps.error]
    parts += [steps.shares, steps.staleness, steps.depth, steps.table_size, steps.held]
    parts += [
        *vars(trace.heard).values(),
        *([] if trace.work is None else vars(trace.work).values()),
    ]
    parts += [each for u in range(steps.times.shape[1]) for each in vars(steps.step(u)).values()]
    return [np.round(x * 1.0, 9) + 0.0 if isinstance(x, np.ndarray) else x for x in parts]


def _of_law(model: Any) -> list[Any]:
    """Draws of a delay model, and what it knows of them."""
    tape, seconds = Tape(model, 5, 3, 1), np.array([-1.0, 0.0, 0.3, 1.0, 2.5, 40.0])
    facts = [model.mean(), model.longest(), model.warnings(), model.independent, model.row_by_row]
    facts += [model.cdf(seconds), model.sf(seconds), model.ppf([-0.1, 0.0, 0.2, 0.9, 1.0, 1.1])]
    facts += [model.rounds_available(), model.workers_available(), model.workers_required()]
    facts += [tape.rows(0, 3), tape.rows(1, 2, 4), tape.block_rounds, model.worker_means(5)]
    both = model.sum_of(3)
    return [*facts, None if both is None else both.cdf(seconds)]


def in_words(value: Any) -> str:
    """A value with all that it consists of, numbers to six digits, and to 10 after the point, where
    processors differ; of images their size alone, and of paths what is below the checkout."""
    if isinstance(value, np.ndarray):
        return f"{value.shape}{in_words(value.ravel().tolist())}"
    if isinstance(value, float | np.floating):
        return f"{round(float(value), 10) + 0.0:.6g}"  # the sum makes 0 of -0
    if is_dataclass(value):
        parts = (f"{field.name}={in_words(getattr(value, field.name))}" for field in fields(value))
        return f"{type(value).__name__}({', '.join(parts)})"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key}: {in_words(each)}' for key, each in value.items())}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(in_words, value))}]"
    if value is None or isinstance(value, str | int):
        return re.sub(r"base64,[^\"]*", "base64", str(value)).replace(f"{ROOT}{os.sep}", "")
    return type(value).__name__


def drawn(picture: Picture) -> str:
    """A hash of what a page shows of a picture."""
    style = PageStyle()
    page = draw_picture(picture, "a name", "p", style)
    return hash_of(in_words([page, style.definitions(), style.css()]))


def painted(picture: Picture) -> str:
    """A hash of all that a figure of matplotlib consists of, before it is laid out."""
    parts = []
    for artist in paint.figure(picture).findobj():
        facts = {name: getattr(artist, f"get_{name}", str)() for name in ASKED}
        parts.append([type(artist).__name__, facts])
    return hash_of(in_words(parts))


ASKED = (
    *("label", "text", "color", "facecolor", "edgecolor", "alpha", "hatch", "zorder", "visible"),
    *("linewidth", "linestyle", "drawstyle", "marker", "markersize", "markevery", "clip_on"),
    *("markeredgewidth", "markeredgecolor", "markerfacecolor", "fontsize", "fontweight", "ha"),
    *("xlim", "ylim", "xscale", "yscale", "ticklocs", "in_layout", "data", "xydata", "figwidth"),
    *("ncols", "bbox_patch", "extent", "array", "clim", "segments"),
)
"""Properties of artists that somebody can see."""


def pictures(folder: Path) -> dict[str, list[str]]:
    """Of each kind of picture of some runs, and of pictures of every mark, what is drawn."""
    hand = _by_hand()
    found = {f"by hand {n}": [drawn(picture)] for n, picture in enumerate(hand)}
    some = hand[0], hand[2], hand[4], hand[5]
    found["painted"] = [matplotlib.__version__, *map(painted, some)]
    found["settings"] = [f"{key}: {value}" for key, value in SETTINGS.items()]
    for name, document in PICTURED.items():
        output = folder / f"pictured_{name}"
        run(document, output, RunOptions())
        if name != "sweep":
            write_timeline(cells(document), output / "t.json", output)
        records = read_records(output)
        for kind in KINDS.values():
            if (why := kind.obstacle(records)) is not None:
                found[f"{name}.{kind.name}"] = [re.sub(r"/\S*/", "", why)]
                continue
            shown = [chart.picture for chart in kind.charts(records)]
            if kind.name in ("loss_time", "iteration_time", "loss_iteration"):
                shown.append(kind.picture(records, "ci"))
            found[f"{name}.{kind.name}"] = [hash_of(in_words(each)) for each in shown]
    return found


SCHEMES = [
    {"name": "uncoded"},
    {"name": "erasurehead", "load": 2, "wait_for": 3},
    {"name": "erasurehead", "load": 2, "wait_for": 2, "label": "a quicker one"},
]
TRAINED = {
    "problem": {"loss": "logistic", "dataset": "synthetic", "rows": 40, "features": 3},
    "optimizer": {"rule": "gd", "learning_rate": 0.5},
    "target_loss": 0.6,
}
ONE = {
    "workers": 4,
    "iterations": 10,
    "replications": 3,
    "delay": {"model": "shifted_exponential", "shift": 0.5, "rate": 1.0},
    "schemes": SCHEMES,
}
PICTURED: dict[str, Document] = {
    "trained": {**ONE, **TRAINED, "schemes": [*SCHEMES, {"name": "asynchronous"}]},
    "timed": {**ONE, "replications": 1, "policy": "queue", "schemes": SCHEMES[:2]},
    "sweep": {**ONE, **TRAINED, "sweep": {"delay.rate": [0.5, 8]}, "schemes": SCHEMES[:2]},
}


def _by_hand() -> list[Picture]:
    """Every mark with each of its options, on linear and logarithmic axes, beside each other."""
    look, dashed = Look("#0072B2", "s", SOLID, "one"), Look("#222222", "P", DASHED, "an <other>")
    plain_look = Look("#D55E00", "", SOLID, "")
    x = np.arange(1.0, 21.0)
    y = np.where(x == 7, np.nan, x**1.5)
    curves = [
        Curve(look, x, y, y * 0.8, y * 1.3),
        Curve(dashed, x, y + 9, y + 7, y + 12, bars=True),
        Curve(plain_look, x, y / 2, x / 2, x * 2, across="x", steps=True, width=3.0),
        Curve(dashed, x, 40 - y / 3, steps=True, marked=(0, 4)),
        Points(look, x[:4], y[:4], np.ones((2, 4)), np.full((2, 4), 0.5), ringed=True),
        Points(dashed, x[4:8], y[4:8], dy=np.full((2, 4), 0.25), hollow=True, size=9.0),
        Points(plain_look, x[8:9], y[8:9]),
        Rules("a limit", x=np.array([3.0, np.nan]), y=np.array([50.0]), line=DASHED),
        Texts(x[:2], y[:2] + 20, ["two\nlines", "& one"], "center", bold=True),
    ]
    bars = [
        Bars(Fill("#009E73", "//", "busy"), np.arange(3.0), np.zeros(3), np.array([2.0, 0.0, 5])),
        Bars(
            Fill("#CC79A7", "", "", 0.4, outline=True), np.arange(3.0), np.ones(3), np.full(3, 4.0)
        ),
    ]
    rows = ("first", "a second that has a long name which is folded into lines", "third\nof two")
    shades = np.array([[1.0, 20.0, 300.0], [np.nan, 0.0, 5.0]])
    plain_axis, log = Axis("what (s)"), Axis("seconds\nof it (s)", log=True, ticks=(1, 2, 5))
    panels = [
        Panel(plain_axis, plain_axis, curves, "a title\nin two lines", "a remark", grid=False),
        Panel(log, log, curves[:1]),
        Panel(plain_axis, Axis("", names=rows, strong=frozenset({1.0})), bars, remark="short"),
        Panel(
            Axis("n", names=("12", "24", "48"), places=(0.0, 1.0, 2.0), low=-0.5, high=2.5),
            Axis("rows", names=("one", "two"), low=1.5, high=-0.5),
            [Heat(shades, "things", names=("a", "b", "c"))],
        ),
        Panel(plain_axis, Axis("rows"), [Heat(shades, log=True, low=2.0, extent=(0.0, 9.0))]),
    ]
    many = Bars(Fill("#009E73", "x", "many"), np.arange(50.0), np.zeros(50), np.arange(50.0))
    crowd = Axis("", names=tuple(f"worker {row}" for row in range(50)), low=-0.5, high=49.5)
    alone = [Picture([panel], 1, 4.8, 3.4, last=("one",)) for panel in panels]
    beside = [
        Picture(panels[:2], 2, 9, 3, "y", "a heading"),
        Picture([panels[0], Panel(plain_axis, log, curves[:1])], 3, 9, 3, "x", names_left=True),
        Picture([*panels[:2], *panels[:2]], 2, 9, 6, "rows", legend=0),
        Picture([panels[2], panels[2], panels[2]], 3, 9, 3),
        Picture([Panel(plain_axis, crowd, [many])], 1, 5, 9),
        Picture([Panel(plain_axis, plain_axis, [each]) for _, each in pairwise(curves)], 3, 9, 9),
    ]
    return [*alone, *beside]
