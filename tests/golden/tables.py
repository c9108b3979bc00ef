"""What is kept of runs, names of columns, schemes, laws and pictures, as plain data of a record.

Bits of logarithms and matrix products differ between processors and library versions. So where
another machine wrote a record, means of columns are compared, not hashes of their bits.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from erasurehead.delay_models.measured.names import parse, role_of, without_unit
from erasurehead.delay_models.measured.roles import roles_of
from erasurehead.delays import Exponential, Tape
from erasurehead.experiments.config.catalogue import BUILT_IN
from erasurehead.experiments.config.cells import cells
from erasurehead.experiments.config.codec import plain
from erasurehead.experiments.config.schema import schema
from erasurehead.experiments.pictures import paint
from erasurehead.experiments.pictures.kinds import PICTURE_KINDS
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
from erasurehead.experiments.pictures.style import MATPLOTLIB_SETTINGS
from erasurehead.experiments.pictures.svg.marks import PageStyle
from erasurehead.experiments.pictures.svg.picture import draw_picture
from erasurehead.experiments.run.command import RunOptions, run
from erasurehead.experiments.run.reader import read_records
from erasurehead.experiments.run.timeline import write_timeline
from erasurehead.load_laws import PerPartition, Proportional
from erasurehead.plugins import Fixed, InvalidParameter, RoundScheme, Run
from erasurehead.sim.attack.code import Code, code_of
from erasurehead.sim.attack.search import SearchBudget, worst_sets
from erasurehead.sim.base.errors import EngineRefused, NeverEnough
from erasurehead.sim.base.files import UnusableFile
from erasurehead.sim.base.reading import Reading
from erasurehead.sim.engines.run import Policy
from erasurehead.sim.engines.simulate import simulate
from erasurehead.theory import NoFormula, round_theory, worst_bound, worst_cases
from tests.golden.configs import Document
from tests.golden.machine import hash_of
from tests.tools import TableTape

ROOT = Path(__file__).parents[2]
TABLES = ("iterations", "summary", "workers")


def tables(document: Document, folder: Path) -> dict[str, dict[str, str]]:
    """Run a config and describe its tables, the cells' names left out."""
    output = folder / str(document["name"])
    outcome = run(document, output, RunOptions())
    assert not outcome.failed, outcome.failed
    return {table: columns(pd.read_parquet(output / f"{table}.parquet")) for table in TABLES}


def columns(frame: pd.DataFrame) -> dict[str, str]:
    """Of each column a hash of its bits, and its mean; the cells' names left out."""
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


def _kept(column: pd.Series) -> str:
    if pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column):
        values = column.to_numpy(dtype=np.float64, na_value=np.nan) + 0.0  # -0 is 0
        known = values[np.isfinite(values)]
        return f"#{hash_of(values.tobytes())} {float(np.mean(known)) if known.size else None}"
    return hash_of("\0".join(map(str, column)))


# What names and random files are taken for: what was said of them yesterday is said today
# (``tests/golden``).


WORDS = (
    *("worker", "host", "step", "round", "iteration", "seconds", "duration", "time", "start"),
    *("end", "load", "loss", "max", "Unnamed: 0", "level_1", "timestamp", "epoch", "w", "id"),
)
UNITS = ("", "s", "sec", "ms", "us", "µs", "ns", "min", "h", "days", "cs", "ds", "ps", "ticks")


def named() -> dict[str, str]:
    """What a column's name is taken for in several spellings: of each word a hash."""
    return {word: hash_of(in_words([*_spelled(word)])) for word in WORDS}


def _spelled(word: str) -> Iterator[list[Any]]:
    for unit in UNITS:
        for name in (f"{word}_{unit}", f"{word} ({unit})", f"{word}{unit.title()}", f"{word}_id"):
            parts = parse(name)
            yield [name, parts.whole, parts.base, parts.unit, parts.wrong]
            yield [role_of(name), without_unit(name)]


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


def in_roles() -> dict[str, str]:
    """Which columns of a few have which role: of ten random choices a hash."""
    seeds = [range(n, n + 10) for n in range(0, 400, 10)]
    return {
        f"{ten[0]} to {ten[-1]}": hash_of(in_words([*map(said_of_columns, ten)])) for ten in seeds
    }


def simulated(kind: str, name: str) -> dict[str, str]:
    """Of each example of a scheme, under every policy, or of a delay model: hashes of what comes
    out, and for how many workers it is refused, in which words."""
    facts = _of_scheme if kind == "schemes" else _of_law
    return {
        f"example {number}, {fact}": hash_of(in_words(value))
        for number, example in enumerate(BUILT_IN[kind].classes[name].examples())
        for fact, value in facts(example, number).items()
    }


NAMES = [(kind, name) for kind in ("schemes", "delays") for name in BUILT_IN[kind].classes]


def _of_scheme(family: Any, number: int) -> dict[str, Any]:
    refused = [_refusal(family.build, workers) for workers in (1, 2, 5, 7, 11, 13, 24)]
    scheme, policies = family.build(12), [Policy.CANCEL]
    facts = [scheme.exact, scheme.partitions, scheme.message_size, scheme.updates(7)]
    said: dict[str, Any] = {"refused": refused, "facts": facts}
    if isinstance(scheme, RoundScheme):
        facts += scheme.message_sizes
        policies = policies if number else list(Policy)
    for cancels in (True, False)[: 1 if number else 2]:
        known = round_theory(scheme, Exponential(rate=2.0), Proportional(), cancels, True)
        time: Any = known.time
        if not isinstance(time, NoFormula):
            time = [time.mean(), time.variance(), time.tail_index()]
        said[f"theory{'' if cancels else ' without cancelling'}"] = [known.error, time]
    if isinstance(scheme, Fixed):
        facts += [scheme.assignment.loads, scheme.assignment.operations, scheme.decoder.operations]
    code, cases = code_of(scheme), worst_cases(scheme)
    if isinstance(code, Code) and not number:
        said["attacked"] = [*worst_sets(code, [2, 5], SearchBudget(7, 5, 1))]
    bounded = cases if isinstance(cases, NoFormula) else [worst_bound(cases, s) for s in range(13)]
    return said | {"worst": bounded} | {str(p): _played(scheme, p) for p in policies}


def offered() -> dict[str, dict[str, str]]:
    """Of each section of a config the fields: types, ranges and defaults, as its schema has them,
    and a hash of the words beside them."""
    whole = schema()
    sections = {**whole["$defs"], "a config": {k: v for k, v in whole.items() if k != "$defs"}}
    found = {}
    for name, section in sections.items():
        rest = {key: value for key, value in section.items() if key != "properties"}
        fields_of = {"": rest} | section.get("properties", {})
        found[name] = {
            field: f"{json.dumps(_bare(value))} {hash_of(json.dumps(value))}"
            for field, value in fields_of.items()
        }
    return found


def _bare(node: Any) -> Any:
    """Of a schema without its words."""
    if isinstance(node, list):
        return [_bare(entry) for entry in node]
    if not isinstance(node, dict):
        return node
    return {key: _bare(value) for key, value in node.items() if key != "description"}


def _refusal(build: Callable[[int], object], workers: int) -> str:
    try:
        build(workers)
    except InvalidParameter as error:
        # wherever a file of ours lies: long paths are cut
        text = f"path = '~': {error.valid}" if error.field == "path" else str(error)
        return re.sub(r"/[^'\" ]*", "~", text)
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


def _of_law(model: Any, number: int) -> dict[str, Any]:
    """Draws of a delay model, and what it knows of them."""
    tape, seconds = Tape(model, 5, 3, 1), np.array([-1.0, 0.0, 0.3, 1.0, 2.5, 40.0])
    both = model.sum_of(3)
    return {
        "facts": [
            *(model.mean(), model.longest(), model.warnings(), model.independent),
            *(model.row_by_row, model.rounds_available(), model.workers_available()),
            *(model.workers_required(), model.worker_means(5), tape.block_rounds),
        ],
        "distribution": [
            *(model.cdf(seconds), model.sf(seconds)),
            model.ppf([-0.1, 0.0, 0.2, 0.9, 1.0, 1.1]),
        ],
        "draws": [tape.rows(0, 3), tape.rows(1, 2, 4)],
        "sum of three": None if both is None else both.cdf(seconds),
    }


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


def paintings() -> dict[str, str]:
    """Of pictures of every mark, what matplotlib paints."""
    hand = _by_hand()
    return {f"by hand {n}": painted(hand[n]) for n in (0, 2, 4, 5)}


def pictures(folder: Path) -> dict[str, list[str]]:
    """Of each kind of picture of some runs, and of pictures of every mark, what is drawn."""
    found = {f"by hand {n}": [drawn(picture)] for n, picture in enumerate(_by_hand())}
    found["settings"] = [f"{key}: {value}" for key, value in MATPLOTLIB_SETTINGS.items()]
    for name, document in PICTURED.items():
        output = folder / f"pictured_{name}"
        run(document, output, RunOptions())
        if name != "sweep":
            write_timeline(cells(document), output / "t.json", output)
        records = read_records(output)
        for kind in PICTURE_KINDS.values():
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
