"""Pictures of a run: every kind, from its tables alone, in one look."""

from __future__ import annotations

import itertools
import json
import pkgutil
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text
from scipy import stats

import erasurehead as eh
import erasurehead.experiments.pictures
from erasurehead import ConfigError
from erasurehead.delays import MODELS, Tape
from erasurehead.experiments.commands.table import result_kinds
from erasurehead.experiments.config.cells import cells
from erasurehead.experiments.pictures import paint, style
from erasurehead.experiments.pictures.base import PanelKind, PictureKind, on_axes
from erasurehead.experiments.pictures.kinds import (
    PICTURE_KINDS,
    delays,
    gantt,
    kinds_by_rank,
    losses,
    times,
)
from erasurehead.experiments.pictures.kinds.delays import samples
from erasurehead.experiments.pictures.kinds.losses import band_of, loss_at, pareto
from erasurehead.experiments.pictures.kinds.times import AgainstKind
from erasurehead.experiments.pictures.looks import SCHEME_LOOKS, Look, look, shade, variants
from erasurehead.experiments.pictures.picture import (
    Axis,
    Band,
    Bars,
    Curve,
    Fill,
    Heat,
    Panel,
    Picture,
    Points,
    Rules,
    axis_of,
    mantissas,
)
from erasurehead.experiments.reports.report.command import write_pictures, write_report
from erasurehead.experiments.run import timeline
from erasurehead.experiments.run.command import RunOptions, run
from erasurehead.experiments.run.reader import Records, read_records, short_text
from erasurehead.experiments.run.records import mean_interval
from erasurehead.schemes import SCHEMES
from tests.experiments.commands.test_cli import BASE, LEARNING
from tests.golden.records import require_recorded
from tests.tools import inside, undrawn
from website.galleries import figures, picture_of

QUIET = RunOptions(1, None)

VECTOR = ("svg",)
"""One format, where the question is whether a picture can be drawn at all."""

PANELS = [name for name, kind in PICTURE_KINDS.items() if isinstance(kind, PanelKind)]


@pytest.fixture(scope="module")
def directories(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A training run, a timing-only run and a sweep, each with its timeline."""
    root = tmp_path_factory.mktemp("runs")
    documents: dict[str, dict[str, Any]] = {
        "training": BASE | LEARNING,
        "timing": BASE,
        "sweep": BASE | LEARNING | {"sweep": {"delay.rate": [0.5, 2.0], "workers": [6, 12]}},
    }
    for name, document in documents.items():
        run(document, root / name, QUIET)
        if name != "timing":
            timeline.write_timeline(cells(document), root / f"{name}.json", root / name)
    return {name: root / name for name in documents}


@pytest.fixture(scope="module")
def drawn(directories: dict[str, Path]) -> tuple[list[Path], list[str]]:
    """Every picture of the training run, and what was left out."""
    return write_pictures(directories["training"])


@cache
def read(directory: Path) -> Records:
    """The tables of a run that several tests look at, and none changes."""
    return read_records(directory)


def figure_of(kind: str, records: Records) -> Figure:
    return paint.figure(PICTURE_KINDS[kind].picture(records))


@pytest.mark.golden
@pytest.mark.parametrize("kind", PANELS)
@pytest.mark.parametrize("name", ["training", "sweep"])
def test_every_kind_has_labels_and_a_legend(
    kind: str, name: str, directories: dict[str, Path]
) -> None:
    figure = figure_of(kind, read(directories[name]))
    if name == "training":
        require_recorded("pictures/drawn", {kind: figure}, drawn=True)
    most = 3 if kind == "utilisation" else 4
    assert len(figure.axes) == (1 if name == "training" else most)
    assert all(axes.has_data() for axes in figure.axes)
    assert figure.axes[-1].get_xlabel()
    assert figure.axes[-1].get_xlabel().endswith(("(s)", "iteration", "time"))
    [legend] = figure.legends
    named = *figure.axes[0].get_yticklabels(), *legend.get_texts()
    labels = {text.get_text() for text in named}
    assert {"uncoded", "ErasureHead (d = 2, r = 3)"} <= labels
    if name == "sweep":
        assert figure.axes[0].get_title() == "delay.rate = 0.5\nworkers = 6"


@pytest.mark.golden
@pytest.mark.parametrize("kind", PICTURE_KINDS)
@pytest.mark.parametrize("name", ["training", "timing", "sweep"])
def test_a_picture_is_the_recorded_one(kind: str, name: str, directories: dict[str, Path]) -> None:
    """As plain data; or why there is none."""
    made, records = PICTURE_KINDS[kind], read(directories[name])
    obstacle = made.obstacle(records)
    require_recorded(f"pictures/{name}", {kind: obstacle or made.picture(records)})


@pytest.mark.long("draws every kind as PNG and SVG")
def test_all_kinds_are_written_and_repeat_to_the_byte(
    drawn: tuple[list[Path], list[str]], directories: dict[str, Path]
) -> None:
    """Catches dates, random identifiers, and settings that leak from one picture to the next."""
    written, left_out = drawn
    kinds = [kind for kind in PICTURE_KINDS if kind != "against"]
    assert {path.name for path in written} == {k + e for k in kinds for e in (".png", ".svg")}
    assert left_out == ["against left out: nothing was swept; it needs a key with several values"]
    before = {path: path.read_bytes() for path in written}
    for kind in (kinds[-1], kinds[0]):  # another order, so that settings would leak
        write_pictures(directories["training"], kind, VECTOR)
    assert {path: path.read_bytes() for path in written} == before


def test_means_over_a_swept_key_with_lines_of_theory(tmp_path: Path) -> None:
    """Points are the table's, lines the closed forms; what a scheme sweeps is an axis, too."""
    document = BASE | {
        "workers": 12,
        "replications": 20,
        "schemes": [
            {"name": "uncoded"},
            {"name": "erasurehead", "load": [2, 3], "wait_for": 4},
        ],
        "sweep": {"delay.rate": [2.0, 0.5]},
    }
    run(document, tmp_path, QUIET)
    written, _ = write_pictures(tmp_path, None, VECTOR, x="delay.rate", y="iteration_time")
    assert written == [tmp_path / "plots" / "iteration_time_over_delay.rate.svg"]
    records = read_records(tmp_path)
    rows = records.summary.sort_values("delay.rate")
    [panel] = AgainstKind("delay.rate", "iteration_time").picture(records).panels
    for label, own in rows.groupby("label"):
        shown = records.shown(str(label))
        [points] = [m for m in panel.marks if isinstance(m, Points) and m.title == shown]
        np.testing.assert_array_equal(points.x, [0.5, 2.0])
        np.testing.assert_array_equal(points.y, own["iteration_time_mean"])
        student = stats.t.ppf(0.975, own["replications"] - 1)
        bars = np.tile(student * own["iteration_time_se"], (2, 1))
        np.testing.assert_allclose(points.dy, bars)
        lines = [m for m in panel.marks if isinstance(m, Curve) and m.colour == points.colour]
        assert any(np.array_equal(m.y, own["iteration_time_theory"]) for m in lines)
    assert "lines: theory, at the points" in [mark.title for mark in panel.marks]
    over_loads = AgainstKind("scheme.load", "decoding_error").picture(records)
    assert [part.title for part in over_loads.panels] == ["delay.rate = 2", "delay.rate = 0.5"]
    assert (over_loads.columns, over_loads.share) == (2, "y")
    titles = {mark.title for mark in over_loads.panels[0].marks}
    assert {"uncoded", "ErasureHead"} <= titles, "a line for a scheme, whatever its load"
    for wrong in ({"x": "workers"}, {"y": "speed"}):
        with pytest.raises(ConfigError, match="must be one of"):
            write_pictures(tmp_path, None, VECTOR, **wrong)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="axes of its own"):
        write_pictures(tmp_path, "delays", VECTOR, x="delay.rate")


@pytest.mark.slow
def test_a_long_legend_takes_no_height_from_the_panels(tmp_path: Path) -> None:
    """Also where the figure is saved by its own method: the vertical label is whole."""
    loads = [{"name": "erasurehead", "load": d, "wait_for": 4} for d in (1, 2, 3, 4, 6)]
    document = BASE | {
        "schemes": [{"name": "uncoded", "label": "waits for everyone, " * 3}, *loads],
        "iterations": 2,
        "sweep": {"workers": [12, 24], "policy": ["cancel", "queue", "drain"]},
    }
    run(document, tmp_path, QUIET)
    figure = paint.figure(AgainstKind("workers").picture(read_records(tmp_path)))
    figure.savefig(tmp_path / "own.png")
    label = figure.axes[0].yaxis.label.get_window_extent()
    assert len(figure.axes) == 3
    assert 0 <= label.y0 < label.y1 <= figure.bbox.height


def test_rounding_of_exact_schemes_takes_no_room(directories: dict[str, Path]) -> None:
    """Errors of 1e-25 beside 1 would make an axis of 25 decades."""
    records = read(directories["sweep"])
    exact = records.summary["scheme"] == "uncoded"
    errors = records.summary["decoding_error_mean"].where(~exact, 2.59e-25)
    rounded = replace(records, summary=records.summary.assign(decoding_error_mean=errors))
    for panel in AgainstKind("delay.rate", "decoding_error").picture(rounded).panels:
        assert not panel.y.log
        [points] = [m for m in panel.marks if isinstance(m, Points) and m.title == "uncoded"]
        assert not points.y.any()
    timing = read(directories["timing"])
    errors = timing.summary["decoding_error_mean"] * 0 + 2.59e-25
    timing = replace(timing, summary=timing.summary.assign(decoding_error_mean=errors))
    [panel] = PICTURE_KINDS["tradeoff"].picture(timing).panels
    assert not any(m.y.any() for m in panel.marks if isinstance(m, Points))


def test_the_lowest_line_of_losses_is_that_of_workers_that_never_wait(
    directories: dict[str, Path],
) -> None:
    """The best loss after each iteration of the schemes that have a least time, at that time.
    Catches losses of schemes that have none, and times of another point."""
    kind, records = PICTURE_KINDS["loss_time"], read(directories["sweep"])
    title = losses.LOWEST_LOOK.title
    assert title not in [m.title for p in kind.picture(records).panels for m in p.marks]
    least = 1 / records.summary["delay.rate"].where(records.summary["scheme"] != "uncoded")
    some = replace(records, summary=records.summary.assign(least_iteration_time=least))
    for part, panel in zip(some.points(), kind.picture(some).panels, strict=True):
        [line] = [mark for mark in panel.marks if mark.title == title]
        assert isinstance(line, Curve)
        runs = [
            np.percentile(part.runs(label, "train_loss"), 50, axis=0, method="nearest")
            for label, scheme in part.labels()
            if scheme != "uncoded"
        ]
        step = 1 / part.summary["delay.rate"].iloc[0]
        np.testing.assert_allclose(line.x, step * np.arange(len(line.x)))
        np.testing.assert_array_equal(line.y, np.min(runs, axis=0))
    other = PICTURE_KINDS["loss_iteration"].picture(some).panels
    assert title not in [mark.title for panel in other for mark in panel.marks]


def test_a_dotted_line_where_no_method_is_faster(directories: dict[str, Path]) -> None:
    """In each panel that of its point, and only beside a scheme that can come near it."""
    kind = PICTURE_KINDS["iteration_time"]
    records = read(directories["sweep"])
    assert times.LEAST_TIME_LOOK.title not in [
        m.title for p in kind.picture(records).panels for m in p.marks
    ]
    least = 1 / records.summary["delay.rate"].where(records.summary["scheme"] != "uncoded")
    some = replace(records, summary=records.summary.assign(least_iteration_time=least))
    for part, panel in zip(some.points(), kind.picture(some).panels, strict=True):
        [line] = [mark for mark in panel.marks if mark.title == times.LEAST_TIME_LOOK.title]
        assert isinstance(line, Curve)
        np.testing.assert_array_equal(line.x, 1 / part.summary["delay.rate"].iloc[0])
    for panel in AgainstKind("delay.rate", "iteration_time").picture(some).panels:
        [line] = [mark for mark in panel.marks if mark.title == times.LEAST_TIME_LOOK.title]
        assert isinstance(line, Curve)
        np.testing.assert_array_equal(line.x, [0.5, 2.0])
        np.testing.assert_array_equal(line.y, [2.0, 0.5])
    over_errors = AgainstKind("delay.rate", "decoding_error").picture(some).panels
    assert times.LEAST_TIME_LOOK.title not in [
        mark.title for panel in over_errors for mark in panel.marks
    ]


class Stranger(PictureKind):
    """A kind that nobody has named anywhere else."""

    name = "stranger"
    title = "A stranger's picture"
    caption = "It shows one line."
    rank = 15

    def obstacle(self, records: Records) -> str | None:
        return None

    def picture(self, records: Records, band: Band | None = None) -> Picture:
        line = Curve(look("uncoded"), np.arange(3.0), np.arange(3.0))
        return Picture([Panel(Axis("time (s)"), Axis("loss"), [line])], 1, 4.8, 3.0)


def test_a_new_kind_appears_everywhere_by_rank(
    directories: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches a list of kinds beside the registry."""
    monkeypatch.setitem(PICTURE_KINDS, "stranger", Stranger())
    assert [kind.name for kind in kinds_by_rank()][1:4] == ["loss_time", "stranger", "tradeoff"]
    folder = tmp_path / "run"
    shutil.copytree(directories["training"], folder)
    assert write_pictures(folder, "stranger", VECTOR)[0] == [folder / "plots" / "stranger.svg"]
    text = write_report(folder, result_kinds()).read_text()
    for part in ("A stranger&#39;s picture", "It shows one line."):
        assert part in text
    assert text.index("Loss against time") < text.index("It shows one line.")
    assert text.index("It shows one line.") < text.index("Time against final training loss")
    assert "| `stranger` | A stranger's picture | It shows one line. |" in figures(tmp_path, "")


def test_the_users_own_settings_play_no_part(
    drawn: tuple[list[Path], list[str]], directories: dict[str, Path]
) -> None:
    import matplotlib

    [png] = [path for path in drawn[0] if path.name == "tradeoff.png"]
    before = png.read_bytes()
    with matplotlib.rc_context({"lines.linewidth": 9, "font.size": 30, "savefig.dpi": 30}):
        write_pictures(directories["training"], "tradeoff")
    assert png.read_bytes() == before


@undrawn()
def test_timing_only_runs_have_no_losses(directories: dict[str, Path]) -> None:
    written, left_out = write_pictures(directories["timing"], None, VECTOR)
    assert {p.stem for p in written} == {
        "iteration_time",
        "tradeoff",
        "utilisation",
        "workers",
        "delays",
    }
    missing = ["against", "loss_time", "loss_iteration", "gantt"]
    assert [line.split()[0] for line in left_out] == missing
    with pytest.raises(ConfigError, match=r"loss_time cannot be drawn: .*timing-only"):
        write_pictures(directories["timing"], "loss_time")


def test_command_line_errors(directories: dict[str, Path], tmp_path: Path) -> None:
    """Exit code 2 and one line that says what is wrong."""
    timing = directories["timing"]
    broken = {"other": ("iterations", pd.DataFrame({"a": [1]})), "spans": ("timeline", None)}
    for name, (file, frame) in broken.items():
        shutil.copytree(timing, tmp_path / name)
        path = tmp_path / name / f"{file}.parquet"
        path.write_bytes(b"PAR1 not") if frame is None else frame.to_parquet(path)
    shutil.copytree(timing, tmp_path / "config")
    (tmp_path / "config" / "config.yaml").write_text("delay: {model: trace, path: gone.csv}")
    for arguments, mention in (
        (["plot", tmp_path / "none"], "no such directory"),
        (["plot", tmp_path], "iterations.parquet: no such file"),
        (["plot", tmp_path / "other"], "iterations.parquet has no column cell"),
        (["plot", tmp_path / "spans"], "timeline.parquet: cannot be read"),
        (["plot", tmp_path / "config", "--kind", "delays"], "config.yaml: "),
        (["plot", timing, "--kind", "gantt"], f"with --output {timing} --timeline"),
        (["plot", directories["training"], "--kind", "losstime"], "did you mean loss_time"),
        (["plot", directories["timing"], "--kind", "loss_iteration"], "timing-only"),
    ):
        done = inside(*arguments)
        assert done.returncode == 2
        assert done.stderr.count("\n") == 1
        assert done.stderr.startswith("error: ")
        assert mention in done.stderr
    assert "utilisation.svg" in inside("plot", timing, "--kind", "utilisation").stdout


def test_a_sweep_of_many_points_is_cut_and_says_so(directories: dict[str, Path]) -> None:
    whole = read(directories["training"])
    many = 9 + 3
    iterations, summary = (
        pd.concat([table.assign(seed=i) for i in range(many)], ignore_index=True)
        for table in (whole.iterations, whole.summary)
    )
    parts = Records(iterations, summary).points()
    assert [part.title for part in parts] == [f"seed = {i}" for i in range(9)]
    assert {part.left_out for part in parts} == {3}
    pd.testing.assert_frame_equal(
        parts[2].iterations.drop(columns="seed").reset_index(drop=True), whole.iterations
    )
    figure = figure_of("iteration_time", Records(iterations, summary))
    assert "3 more points" in figure.get_suptitle()


def test_scheme_fields_make_lines_not_panels(tmp_path: Path) -> None:
    schemes = [{"name": "uncoded"}, {"name": "erasurehead", "load": [2, 3], "wait_for": [2, 4]}]
    run(BASE | {"schemes": schemes}, tmp_path, QUIET)
    [part] = read_records(tmp_path).points()
    looks = variants(part.labels())
    assert len(looks) == 5
    assert len({(look.colour, look.marker) for look in looks.values()}) == 5


def test_sweep_over_whole_models_makes_panels(tmp_path: Path) -> None:
    """A swept mapping has one name, however Parquet stores it."""
    models = [{"model": "exponential", "rate": 2.0}, {"model": "pareto", "alpha": 2.0, "scale": 1}]
    run(BASE | {"sweep": {"delay": models}}, tmp_path, QUIET)
    parts = read_records(tmp_path).points()
    assert [part.title for part in parts] == [
        "delay = exponential, rate = 2",
        "delay = pareto, alpha = 2, scale = 1",
    ]
    assert all(len(part.iterations) > 0 for part in parts)
    for kind in ("iteration_time", "workers", "delays"):
        assert figure_of(kind, read_records(tmp_path)).axes[0].has_data()


def test_captions_say_what_numbers_cannot_be_compared(tmp_path: Path) -> None:
    """Errors over other partitions; and shares of the few rounds that no deadline ended."""
    drop = {"name": "drop_compute", "pieces": 6, "patience": 1e-6, "cut": "at", "label": "dropped"}
    sizes = {"iterations": 100, "replications": 8, "sweep": {"delay.rate": [1, 2]}}
    run(BASE | sizes | {"schemes": [{"name": "uncoded"}, drop]}, tmp_path, QUIET)
    records = read_records(tmp_path)
    against, workers = (
        [chart.words for chart in PICTURE_KINDS[kind].charts(records)]
        for kind in ("against", "workers")
    )
    assert ["error / partitions" in words for words in against] == [False, True]
    assert "Uneven" not in workers[0]
    short = replace(records, summary=records.summary.assign(replications=1))
    assert (
        "fewer than 30 rounds a worker: uncoded."
        in next(PICTURE_KINDS["workers"].charts(short)).words
    )


def test_gantt_shows_every_scheme_round_and_worker(directories: dict[str, Path]) -> None:
    """The bars, lines and marks of a panel are the spans of the table."""
    for name in ("training", "sweep"):
        records = read(directories[name])
        assert records.timeline is not None
        figure = figure_of("gantt", records)
        assert PICTURE_KINDS["gantt"].picture(records).columns == 1
        labels = [*dict.fromkeys(records.timeline["label"])]
        shown = [*map(records.shown, labels)]
        assert [a.get_title(loc="left").split(":")[0] for a in figure.axes] == shown
        assert figure.axes[-1].get_xlabel() == "simulated time (s)"
        assert all(axes.get_ylabel() == "worker" for axes in figure.axes)
        titles = [text.get_text() for text in figure.legends[0].get_texts()]
        assert titles == [
            "computing, in time",
            "computing, broken off",
            gantt.ROUND_END_TITLE,
            gantt.ENDER_LOOK.title,
        ]
        assert ("first point of the sweep" in figure.get_suptitle()) == (name == "sweep")
        end = figure.axes[0].get_xlim()[1]
        for axes, label in zip(figure.axes, labels, strict=True):
            spans = records.timeline[records.timeline["label"] == label]
            rounds = spans[(spans["worker"] < 0) & (spans["end"] <= end)]
            assert f": {len(rounds)} round" in axes.get_title(loc="left")
            [marks] = [line for line in axes.lines if line.get_label() == gantt.ENDER_LOOK.title]
            np.testing.assert_array_equal(marks.get_xdata(), rounds["end"])
            np.testing.assert_array_equal(marks.get_ydata(), rounds["ended_by"])
            bars = sum(len(collection.get_paths()) for collection in axes.collections)
            assert bars == ((spans["worker"] >= 0) & (spans["start"] < end)).sum()


def spans(rows: Sequence[tuple[str, int, str, float, float, int, int]]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=timeline.SPAN_COLUMNS)


def test_gantt_tells_work_that_came_too_late() -> None:
    """By hand: worker 1 ends its first task after its round, worker 0 ends both rounds."""
    table = spans(
        [
            ("a", -1, "waiting", 0, 2, 1, 0),
            ("a", -1, "waiting", 2, 5, 2, 0),
            ("a", 0, "computing", 0, 2, 1, -1),
            ("a", 1, "computing", 0, 3, 1, -1),
            ("a", 0, "computing", 2, 5, 2, -1),
            ("a", 1, "cancelled", 3, 5, 2, -1),
        ]
    )
    kinds = gantt.classified(table)["kind"].tolist()
    assert kinds[2:] == ["computing", "late", "computing", "cancelled"]


def test_gantt_calls_no_message_late_where_there_are_no_rounds(tmp_path: Path) -> None:
    """Catches tasks of an asynchronous run drawn as lost because an update came before them."""
    schemes = [{"name": "erasurehead", "load": 2, "wait_for": 3}, {"name": "asynchronous"}]
    document = BASE | {"schemes": schemes, "policy": "finish"}
    run(document, tmp_path, QUIET)
    timeline.write_timeline(cells(document), tmp_path / "timeline.json", tmp_path)
    records = read_records(tmp_path)
    assert gantt.without_rounds(records.iterations) == {"asynchronous"}
    for panel, word, late in zip(
        PICTURE_KINDS["gantt"].picture(records).panels,
        (" round", " update"),
        (True, False),
        strict=True,
    ):
        assert word in panel.title
        fills = [mark.fill for mark in panel.marks if isinstance(mark, Bars)]
        assert (gantt.SPAN_FILLS["late"] in fills) == late


def test_gantt_shows_a_few_rounds_and_who_ended_them() -> None:
    fast = [("f", -1, "waiting", i, i + 1.0, i + 1, 90 - i) for i in range(40)]
    slow = [("s", -1, "waiting", 4.0 * i, 4.0 * i + 4, i + 1, 3) for i in range(10)]
    work = [("f", j, "computing", 0.0, 1.0, 1, -1) for j in range(100)]
    assert gantt.horizon(spans(fast)) == 4
    assert gantt.horizon(spans(fast + slow)) == 10
    slowest = [("s", -1, "waiting", 0.0, 99.0, 1, 3)]
    assert gantt.horizon(spans(fast + slowest)) == 99
    shown = gantt.shown_workers(spans(fast + slow + work), 15.0)
    assert len(shown) == 48
    assert {3, *range(76, 91)} < set(shown)
    assert {*range(48 - 16)} < set(shown)
    first = [("f", -1, "waiting", i, i + 1.0, i + 1, 40 + i if i else 0) for i in range(60)]
    ended = [0, *range(41, 40 + 48)]  # more than there is room for, in their order
    assert gantt.shown_workers(spans(first + work), 60.0) == ended


def test_gantt_is_legible_at_half_the_width_of_a_text(directories: dict[str, Path]) -> None:
    """3.4 inches: letters of at least 6 points, and three schemes hardly higher than wide."""
    rounds = [("a", -1, "waiting", i, i + 1.0, i + 1, 3) for i in range(5)]
    kinds = ("computing", "cancelled", "sending", "dead")
    work = [("a", j, kinds[j % 4], 0.0, 1.0 + j % 3, 1, -1) for j in range(30)]
    table = pd.concat([spans(rounds + work).assign(label=label) for label in ("a", "b", "c")])
    figure = figure_of("gantt", replace(read(directories["training"]), timeline=table))
    width, height = figure.get_size_inches()
    sizes = [
        text.get_fontsize()
        for text in figure.findobj(Text)
        if isinstance(text, Text) and text.get_text()
    ]
    assert min(sizes) * 3.4 / width >= 6
    assert 3.4 * height / width <= 4
    figure.draw_without_rendering()
    box = figure.legends[0].get_window_extent()
    assert box.x0 >= 0
    assert box.x1 <= figure.bbox.width


MEMORY = {
    "model": "markov",
    "slow_to_slow": 0.9,
    "fast_to_slow": 0.1,
    "fast": {"model": "exponential", "rate": 4.0},
    "slow": {"model": "exponential", "rate": 1.0},
}


@pytest.mark.parametrize("section", [BASE["delay"], MEMORY])
def test_delays_are_those_of_the_run(section: dict[str, Any], directories: dict[str, Path]) -> None:
    """Catches another seed, other rounds, or another model than the run's."""
    document = BASE | {"delay": section, "workers": 12, "iterations": 300}
    records = replace(read(directories["training"]), config=document)
    [sample], left_out = delays.samples(records)
    assert left_out == 0
    assert sample.seconds.size >= 2**17
    assert isinstance(sample.model, MODELS[section["model"]])
    for replication in (0,) if sample.model.independent else (0, 1):
        tape = Tape(sample.model, 12, 0, replication)
        rounds = slice(300 * replication, 300 * replication + 300)
        np.testing.assert_array_equal(sample.seconds[rounds], tape.rows(0, 300))
    mean = sample.model.mean()
    assert mean is not None
    np.testing.assert_allclose(sample.seconds.mean(), mean, rtol=0.03)


def test_delays_of_no_time_at_all_can_be_drawn(tmp_path: Path) -> None:
    """No warning, such as of a logarithmic axis without a positive number, either."""
    document = BASE | {"delay": {"model": "deterministic", "value": 0.0}}
    run(document, tmp_path, QUIET)
    timeline.write_timeline(cells(document), tmp_path / "timeline.json", tmp_path)
    for kind in ("delays", "gantt", "iteration_time"):
        assert write_pictures(tmp_path, kind, VECTOR)[0], kind


def test_delays_of_no_time_have_no_place_on_a_logarithmic_axis() -> None:
    """Beside others, and alone; the others are the longest delay and the survival's first step."""
    look = Look("#000000", "o", "-", "")
    never, always = (
        (delays.Sample("", MODELS["deterministic"](value=value), np.full(shape, value)), look)
        for value, shape in ((0.0, (5, 2)), (2.0, (25, 2)))
    )
    alone, both = delays.survival([never]), delays.survival([never, always])
    once = delays.Sample("", never[0].model, np.diag([0.0, 2.0]))
    assert not alone.marks
    assert len(delays.survival([(once, look)]).marks) == 2, "the longest decides"
    assert (alone.x.low, alone.x.high) == (0.9, 1.1)
    assert [curve.x.min() for curve in both.marks if isinstance(curve, Curve)] == [2.0, 2.0]
    assert (both.x.low, both.x.high) == (1.8, pytest.approx(2.2))
    assert (alone.y.low, both.y.low) == (1 / 10, 1 / 50)  # the longest of as many


@pytest.mark.parametrize(
    "delay",
    [
        {"model": "pareto", "alpha": 0.2, "scale": 1.0},
        pytest.param({"model": "deterministic", "value": 1e149}, marks=pytest.mark.slow),
        pytest.param(
            {
                "model": "cold_starts",
                "probability": 0.1,
                "share": 0.2,
                "delay": {"model": "deterministic", "value": 1e100},
                "base": {"model": "deterministic", "value": 0.0},
            },
            marks=pytest.mark.slow,
        ),
    ],
    ids=["pareto", "deterministic", "cold_starts"],
)
def test_delays_of_any_length_can_be_drawn(delay: dict[str, Any], tmp_path: Path) -> None:
    """Without a warning: catches ratios and margins that overflow or vanish."""
    run(BASE | {"delay": delay}, tmp_path, QUIET)
    for kind in ("delays", "workers", "iteration_time"):
        assert write_pictures(tmp_path, kind, VECTOR)[0], kind


FAILURES = {
    "time_to_failure": {"model": "exponential", "rate": 0.2},
    "time_to_repair": {"model": "exponential", "rate": 1.0},
}


@pytest.mark.one_in(3)
@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"replications": 1}, marks=pytest.mark.slow),
        pytest.param({"iterations": 1}, marks=pytest.mark.slow),
        {"replications": 1, "iterations": 1},
        pytest.param({"failures": FAILURES}, marks=pytest.mark.slow),
        {"failures": FAILURES, "replications": 1, "problem": None, "optimizer": None},
        {"workers": 1, "schemes": [{"name": "uncoded"}]},
    ],
    ids=str,
)
def test_the_smallest_runs_can_be_drawn(change: dict[str, Any], tmp_path: Path) -> None:
    """All kinds but those that a line explains."""
    document = BASE | LEARNING | change
    if document["problem"] is None:
        del document["target_loss"]
    run(document, tmp_path, QUIET)
    timeline.write_timeline(cells(document), tmp_path / "timeline.json", tmp_path)
    written, left_out = write_pictures(tmp_path, None, VECTOR)
    expected = {"loss_time", "loss_iteration"} if document["problem"] is None else set()
    expected |= {"tradeoff"} if len(document["schemes"]) == 1 else set()
    expected |= {"against"}
    assert {line.split()[0] for line in left_out} == expected
    assert {path.stem for path in written} == set(PICTURE_KINDS) - expected


def with_losses(records: Records, losses: pd.Series[float], at_end: float | None) -> Records:
    """The same run with other losses; ``at_end`` is that of the second scheme."""
    summary = records.summary.copy()
    if at_end is not None:
        columns = ["final_train_loss_mean", "final_train_loss_se"]
        summary.loc[summary.index[1], columns] = at_end, np.nan
    return replace(
        records, iterations=records.iterations.assign(train_loss=losses), summary=summary
    )


DIVERGING = {
    "infinite": lambda t: t["train_loss"].where(t["iteration"] < 3, np.inf),
    "no number": lambda t: t["train_loss"].where(t["iteration"] < 3, np.nan),
    "at once": lambda t: t["train_loss"].where(t["iteration"] < 1, np.inf),
    "large": lambda t: t["train_loss"].where(t["iteration"] < 3, 1.7e308),
    "growing": lambda t: 10.0 ** np.minimum(60 * t["iteration"], 308),
    "one scheme": lambda t: t["train_loss"].where(
        (t["iteration"] < 3) | (t["scheme"] == "uncoded"), np.inf
    ),
    "one replication": lambda t: t["train_loss"].where(
        (t["iteration"] < 3) | (t["replication"] > 0), np.inf
    ),
}


@pytest.mark.one_in(3)
@pytest.mark.parametrize(
    ("name", "kind"),
    [
        *((name, "loss_time") for name in DIVERGING),
        ("large", "loss_iteration"),
        *(
            pytest.param(name, "loss_iteration", marks=pytest.mark.slow)
            for name in DIVERGING
            if name != "large"
        ),
    ],
)
def test_a_diverged_run_is_drawn_as_far_as_it_goes(
    name: str, kind: str, directories: dict[str, Path], tmp_path: Path
) -> None:
    """Lines end at the top, and the others keep their room; no axis or dot overflows."""
    records = read(directories["training"])
    diverged = with_losses(records, DIVERGING[name](records.iterations), np.inf)
    assert PICTURE_KINDS[kind].obstacle(diverged) is None
    figure = figure_of(kind, diverged)
    style.save(figure, tmp_path / kind, ["png"])
    [axes] = figure.axes
    assert axes.get_ylim()[1] < 1e4
    said = [text.get_text() for text in axes.texts]
    assert said == ([] if name == "one replication" else ["a line that ends at the top: diverged"])
    drawn = [line for line in axes.lines if line.get_label() != "target"]
    tops = [np.nanmax(np.asarray(line.get_ydata(), dtype=float)) for line in drawn]
    most = losses.ceiling(diverged)
    gone = {"one scheme": [False, True], "one replication": [False, False]}
    assert [bool(top == most) for top in tops] == gone.get(name, [True, True])
    for line in axes.lines:
        assert np.isfinite(np.asarray(line.get_ydata())[:1]).all()


def test_diverged_schemes_have_no_point_in_the_tradeoff(
    directories: dict[str, Path], tmp_path: Path
) -> None:
    """Of three schemes one diverged; where fewer than two are left, a line says so."""
    records = read(directories["training"])
    third = records.summary.iloc[[0]].assign(label="third")
    summary = pd.concat([records.summary, third], ignore_index=True)
    for loss in (np.inf, np.nan, 1e308, 1e9):
        some = with_losses(replace(records, summary=summary), records.iterations.train_loss, loss)
        figure = figure_of("tradeoff", some)
        style.save(figure, tmp_path / "tradeoff", VECTOR)
        [axes] = figure.axes
        assert [text.get_text() for text in axes.texts] == ["not shown: 1 that diverged"]
        low, high = axes.get_ylim()
        assert high - low < 1
    none = with_losses(records, records.iterations.train_loss, np.inf)
    assert PICTURE_KINDS["tradeoff"].obstacle(none) == (
        "1 scheme ends with a loss that can be drawn; the others diverged"
    )


def test_no_number_at_the_start_is_left_out_with_a_line(directories: dict[str, Path]) -> None:
    records = read(directories["training"])
    for loss in (np.inf, np.nan, 1e308):
        bad = with_losses(records, records.iterations.train_loss * 0 + loss, np.inf)
        for kind in ("loss_time", "loss_iteration"):
            assert PICTURE_KINDS[kind].obstacle(bad) == "no run begins with a loss that is a number"


def test_panels_of_a_sweep_may_diverge(directories: dict[str, Path], tmp_path: Path) -> None:
    records = read(directories["sweep"])
    gone = records.iterations["delay.rate"] == 2.0
    table = records.iterations.assign(
        train_loss=records.iterations.train_loss.where(~gone | (records.iterations.iteration < 2))
    )
    summary = records.summary.copy()
    summary.loc[summary["delay.rate"] == 2.0, "final_train_loss_mean"] = np.nan
    part = replace(records, iterations=table, summary=summary)
    for kind in ("loss_time", "tradeoff"):
        assert PICTURE_KINDS[kind].obstacle(part) is None
        figure = figure_of(kind, part)
        style.save(figure, tmp_path / kind, VECTOR)
        assert [len(axes.texts) for axes in figure.axes] == [0, 0, 1, 1]


def test_delays_has_a_line_for_each_swept_model(directories: dict[str, Path]) -> None:
    """The survival function is that of the sample; the closed form is drawn where there is one."""
    records = read(directories["sweep"])
    drawn, left_out = delays.samples(records)
    titles = [f"rate = {rate}, workers = {n}" for rate in (0.5, 2) for n in (6, 12)]
    assert [sample.title for sample in drawn] == titles
    assert left_out == 0
    figure = figure_of("delays", records)
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == [*titles, delays.CLOSED_FORM_LOOK.title]
    units = [axes.get_xlabel() for axes in figure.axes] + [a.get_ylabel() for a in figure.axes]
    assert all(any(u in text for u in ("(s)", "(1/s)", "$k/n$", "share")) for text in units)
    for sample, line in zip(drawn, figure.axes[1].lines[::2], strict=True):
        seconds, share = np.asarray(line.get_xdata()), np.asarray(line.get_ydata())
        ordered = np.sort(sample.seconds, axis=None)
        expected = 1 - np.searchsorted(ordered, seconds, side="right") / ordered.size
        np.testing.assert_allclose(share, expected, atol=0.02)
    config = dict(records.config or {})
    config["sweep"] = {"delay.rate": [0.1 * i for i in range(1, 10)]}
    reason = "config.yaml: its sweep has none of the points of the tables"
    assert PICTURE_KINDS["delays"].obstacle(replace(records, config=config)) == reason
    many = figure_of("delays", replace(swept(config["sweep"]), config=config))
    assert many.get_suptitle() == "3 more delay models of the sweep are not shown"


@pytest.mark.golden
@pytest.mark.parametrize("name", ["exponential", "weibull", "lambda_cnn"])
def test_one_long_delay_does_not_take_the_room_of_all_others(name: str) -> None:
    """In the gallery a typical delay is a twelfth of the axis and of the shades, or more."""
    for model in MODELS[name].examples()[:1]:
        require_recorded("pictures/gallery", {name: picture_of(model)})
        left, right = picture_of(model).panels
        [curve], [heat] = left.marks, right.marks
        assert isinstance(curve, Curve)
        assert isinstance(heat, Heat)
        typical = float(np.median(curve.x))
        assert left.x.low is not None
        assert left.x.high is not None
        assert left.x.log or typical >= left.x.high / 13
        assert left.x.low < typical < left.x.high
        low, high = heat.limits
        assert heat.log or typical >= (high - low) / 13
        assert low < typical


def test_order_statistics_against_theory() -> None:
    """Exponential: E[X_(k)] = sum of 1/(n - i + 1); shuffling changes nothing but correlation."""
    rng = np.random.default_rng(0)
    seconds = rng.exponential(size=(20_000, 5))
    expected = np.cumsum(1 / np.arange(5, 0, -1))
    np.testing.assert_allclose(delays.mean_order_statistics(seconds), expected, rtol=0.03)
    together = np.repeat(rng.exponential(size=(20_000, 1)), 5, axis=1)
    assert np.ptp(delays.mean_order_statistics(together)) == 0
    apart = delays.shuffled(together)
    np.testing.assert_allclose(delays.mean_order_statistics(apart), expected, rtol=0.05)
    np.testing.assert_array_equal(np.sort(apart, axis=None), np.sort(together, axis=None))


def test_workers_shows_shares_and_seconds(directories: dict[str, Path]) -> None:
    """Catches rows in another order than their names, and shares of another sum."""
    records = read(directories["training"])
    assert records.workers is not None
    ended, waited = figure_of("workers", records).axes[:2]
    labels = [label for label, _ in records.labels()]
    shown = [*map(records.shown, labels)]
    assert [text.get_text() for text in ended.get_yticklabels()] == [f"{n}: 100 %" for n in shown]
    assert waited.get_xlabel() == "worker"
    for axes, column in ((ended, "last"), (waited, "cost")):
        table = np.asarray(axes.images[0].get_array(), dtype=float)
        wide = records.workers.pivot(index="label", columns="worker", values=column).loc[labels]
        np.testing.assert_allclose(table, wide.to_numpy() / wide.to_numpy().sum(1, keepdims=True))
    for name, text in zip(labels, waited.get_yticklabels(), strict=True):
        seconds = records.workers.loc[records.workers["label"] == name, "cost"].sum()
        assert f"{seconds:.3g}\N{NO-BREAK SPACE}s" in text.get_text()


def test_legends_fit_their_width() -> None:
    assert style.entries_in_a_row(["abc"] * 5, 3, 7.2) == 3
    assert style.entries_in_a_row(["a" * 40] * 5, 3, 7.2) == 1
    assert style.entries_in_a_row(["a" * 30] * 4, 3, 7.2) == 2
    assert style.entries_in_a_row(["a"], 3, 0.1) == 1


@pytest.mark.parametrize(("letters", "columns"), [((3, 3, 3), 3), ((40, 40, 3), 2), ((90, 90), 1)])
@pytest.mark.parametrize("layout", [None, "tight"])
def test_a_legend_lies_close_under_axes_of_ones_own(
    letters: tuple[int, ...], columns: int, layout: Literal["tight"] | None
) -> None:
    """A few points below the label; columns that do not fit into the width are one less."""
    axes = Figure((6.0, 4.0), layout=layout).subplots()
    for place, count in enumerate(letters):
        axes.plot([0, 1], [0, place], label=f"{place}".ljust(count, "a"))
    axes.set_xlabel("seconds")
    style.legend_under(axes)
    axes.figure.draw_without_rendering()
    [legend] = [own for own in (*axes.figure.legends, axes.get_legend()) if own]
    box, texts = legend.get_window_extent(), legend.get_texts()
    below, inch = axes.xaxis.get_tightbbox().y0, axes.figure.dpi
    assert legend._ncols == columns
    assert 0 < below - box.y1 < 0.12 * inch
    assert {text.get_fontsize() for text in texts} == {8.0}
    if layout is None:
        assert box.x0 >= 0
        assert box.x1 <= axes.figure.bbox.width
    if columns > 1:  # 8 points, and a line of 16 with 6.4 behind it, before the next column
        first, second = (texts[i].get_window_extent() for i in (0, -(-len(letters) // columns)))
        assert second.x0 - first.x1 == pytest.approx(30.4 / 72 * inch, abs=2.0)


def texts_of(figure: Figure) -> list[tuple[str, Any]]:
    """What is written in a figure, and where."""
    figure.draw_without_rendering()
    beyond = {
        label
        for axes in figure.axes
        for axis in (axes.xaxis, axes.yaxis)
        for tick in {*axis.get_major_ticks(), *axis.get_minor_ticks()} - {*axis._update_ticks()}
        for label in (tick.label1, tick.label2)
    }
    texts = (text for text in figure.findobj(Text) if text not in beyond)
    seen = [text for text in texts if text.get_visible() and text.get_text().strip()]  # type: ignore[attr-defined]
    return [(text.get_text(), text.get_window_extent()) for text in seen]  # type: ignore[attr-defined]


def assert_whole(figure: Figure) -> None:
    """No text is outside of the figure, or over another."""
    texts, whole = texts_of(figure), figure.bbox
    for words, box in texts:
        assert whole.padded(1).x0 <= box.x0 < box.x1 <= whole.padded(1).x1, words
        assert whole.padded(1).y0 <= box.y0 < box.y1 <= whole.padded(1).y1, words
    for (words, box), (others, other) in itertools.combinations(texts, 2):
        assert not box.padded(-0.5).overlaps(other.padded(-0.5)), (words, others)


@pytest.mark.one_in(11)
@pytest.mark.parametrize("kind", PICTURE_KINDS)
@pytest.mark.parametrize("width", [3.4, 5.0, 7.0])
@pytest.mark.parametrize("name", ["sweep", "training"])
def test_every_kind_is_whole_at_the_widths_of_a_paper(
    kind: str, width: float, name: str, directories: dict[str, Path]
) -> None:
    records = read(directories[name])
    if (PICTURE_KINDS[kind].obstacle(records)) is None:
        figure = paint.printed(PICTURE_KINDS[kind].picture(records), width)
        assert_whole(figure)
        assert figure.get_figwidth() == width
        sizes = [text.get_fontsize() for text in figure.findobj(Text) if text.get_text()]  # type: ignore[attr-defined]
        assert 5.5 < min(sizes) < max(sizes) < 9


@pytest.mark.one_in(2)
@pytest.mark.parametrize("kind", PANELS)
def test_a_figure_that_is_made_smaller_is_whole(kind: str, directories: dict[str, Path]) -> None:
    """The panel keeps a quarter of the height. Made larger again, it has its words in one line."""
    figure = figure_of(kind, read(directories["training"]))
    before = {words for words, _ in texts_of(figure)}
    size = figure.get_size_inches()
    figure.set_size_inches(3.4, 3.4)
    assert_whole(figure)
    assert figure.axes[0].bbox.height > figure.bbox.height / 4
    figure.set_size_inches(*size)
    assert {words for words, _ in texts_of(figure)} == before


def test_axes_in_a_row_are_whole_and_share_a_legend(directories: dict[str, Path]) -> None:
    figure = Figure((7.0, 3.0))
    records = read(directories["training"])
    kinds = ("loss_time", "tradeoff", "iteration_time")
    for kind, axes in zip(kinds, figure.subplots(1, 3), strict=True):
        on_axes(axes, PICTURE_KINDS[kind].possible(records))
    assert_whole(figure)
    [legend] = figure.legends
    assert legend.get_window_extent().height < 0.4 * figure.bbox.height
    names = [text.get_text() for text in legend.get_texts()]
    assert len(names) == len({*names})


def test_names_of_ones_own(directories: dict[str, Path], tmp_path: Path) -> None:
    """They stand in the legend, and not in the tables; a file of a paper has TrueType letters."""
    records = read(directories["training"])
    [panel] = PICTURE_KINDS["loss_time"].picture(records.named(["ours", ""])).panels
    assert [mark.title for mark in panel.marks][:2] == ["ours", "ErasureHead (d = 2, r = 3)"]
    assert [label for label, _ in records.labels()] == ["uncoded", "erasurehead load=2 wait_for=3"]
    copy = shutil.copytree(directories["training"], tmp_path / "copy")
    words = ["--width", "86mm", "--title", "Words", "--labels", "a,b", "--format", "pdf"]
    done = inside("plot", copy, "--kind", "loss_time", *words, pictures=True)
    assert done.returncode == 0, done.stderr
    eh.load(copy).plot.loss_time().figure.savefig(saved := tmp_path / "saved.pdf")
    for data in ((copy / "plots" / "loss_time.pdf").read_bytes(), saved.read_bytes()):
        assert b"/TrueType" in data or b"/CIDFontType2" in data
        assert b"/Type3" not in data
    for wrong, message in (
        (["--width", "wide"], "--width = 'wide': must be a length such as 3.4in"),
        (["--labels", "a"], "labels = 'a': must name 2 schemes, in the order uncoded, "),
    ):
        refused = inside("plot", copy, *wrong)
        assert refused.returncode == 2
        assert message in refused.stderr


def test_a_figure_is_arranged_when_it_is_written() -> None:
    """Thirty letters beside the axes take two inches, and there is hardly any margin."""
    y = Axis("y", names=("a name of thirty letters or so",), places=(1.0,))
    curve = Curve(look("uncoded"), np.arange(3.0), np.arange(3.0))
    drawn = paint.figure(Picture([Panel(Axis("x"), y, [curve])], 1, 4.8, 3.0, legend=0))
    style.rendered(drawn, "svg")
    assert drawn.get_layout_engine() is None
    box = drawn.axes[0].get_position()
    assert 1.5 < 4.8 * box.x0 < 2.5
    assert 4.6 < 4.8 * box.x1 < 4.8
    assert 0.3 < 3.0 * box.y0 < 0.7


def test_pictures_are_small_and_keep_their_colours(drawn: tuple[list[Path], list[str]]) -> None:
    """256 colours are enough: the schemes' colours and white are still there, exactly."""
    from PIL import Image

    [png] = [path for path in drawn[0] if path.name == "utilisation.png"]
    picture = Image.open(png)
    assert picture.mode == "P"
    colours = {colour for _, colour in picture.convert("RGB").getcolors(1 << 24) or []}
    assert {(255, 255, 255), (0xD5, 0x5E, 0x00), (0x00, 0x00, 0x00)} <= colours


def packed(colours: Any, counts: Any) -> tuple[str, Any]:
    """The mode of a picture with so many pixels of each colour, and how far each of these is from
    what it becomes. Beside each other, and shuffled: pictures keep every pixel where it is."""
    dots = np.repeat(np.asarray(colours), counts, axis=0)
    order = np.random.default_rng(0).permutation(len(dots))
    modes, away = set(), np.zeros(len(dots), dtype=np.int64)
    for places in (np.arange(len(dots)), order):
        pixels = np.column_stack([dots[places], np.full(len(dots), 255)]).astype(np.uint8)
        found = style.packed(pixels.tobytes(), (len(dots), 1))
        modes.add(found.mode)
        off = np.abs(np.asarray(found.convert("RGB"), dtype=np.int64)[0] - dots[places])
        away[places] = np.maximum(away[places], off.max(axis=1))
    (mode,) = modes
    return mode, away


def test_few_colours_stay_as_they_are() -> None:
    colours = [(255, 255, 255), (0, 114, 178), (1, 114, 178), (213, 94, 0), (0, 0, 0)]
    mode, away = packed(colours, [1500, 1, 3, 2, 40])
    assert (mode, away.max()) == ("P", 0)


def test_a_colour_of_forty_pixels_is_not_lost_among_shades() -> None:
    """512 colours, a fifth of them in 60 pixels: not all of them have a place among 256."""
    lattice = np.stack(np.meshgrid(*[np.arange(0, 256, 36)] * 3), axis=-1).reshape(-1, 3)
    modes = []
    for spot in (39, 40):
        counts = np.where(np.arange(512) % 5 == 0, 60, spot)
        mode, away = packed(lattice[np.lexsort(lattice.T[::-1])], counts)
        assert np.bincount(np.repeat(np.arange(512), counts), away > 40).max() < 40
        assert mode == "P" or not away.any()
        modes.append(mode)
    assert modes == ["P", "RGB"]


ENGINES = (
    "simpy",
    "erasurehead.sim.engines",
    "erasurehead.sim.training.learner",
    "erasurehead.experiments.run.compute",
    "erasurehead.experiments.run.command",
)


@pytest.mark.one_in(3)
@pytest.mark.parametrize("name", SCHEME_LOOKS)
@pytest.mark.parametrize("hollow", [False, True])
def test_every_marker_can_be_drawn(name: str, hollow: bool) -> None:
    """Letters are markers in another way than symbols are."""
    one = np.ones(1)
    axes = Figure().subplots()
    paint.add_mark(axes, Points(look(name), one, one, hollow=hollow))
    assert [line.get_marker() for line in axes.lines] == [look(name).marker]


def test_pictures_import_no_engine() -> None:
    """Everything that importing any of their modules brings in, in a process of its own."""

    found = pkgutil.walk_packages(
        erasurehead.experiments.pictures.__path__, "erasurehead.experiments.pictures."
    )
    modules = [module.name for module in found]
    assert "erasurehead.experiments.pictures.kinds.gantt" in modules
    code = f"import sys, {', '.join(modules)}; print(*sys.modules, sep='\\n')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    imported = done.stdout.split()
    assert "erasurehead.experiments.pictures.kinds.gantt" in imported
    assert [name for name in imported if name.startswith(ENGINES)] == []


def test_any_format_repeats_to_the_byte(directories: dict[str, Path]) -> None:
    """Catches a date in a PDF, formats that move the next ones' panels, a bar that never ends."""
    seen: list[tuple[int, int]] = []
    report = lambda done, total: seen.append((done, total))  # noqa: E731
    written, _ = write_pictures(directories["training"], "tradeoff", style.PICTURE_FORMATS, report)
    assert [path.name for path in written] == ["tradeoff.png", "tradeoff.svg", "tradeoff.pdf"]
    assert written[2].read_bytes().startswith(b"%PDF")
    assert seen == [(0, 1), (1, 1)]
    before = [path.read_bytes() for path in written]
    again, _ = write_pictures(directories["training"], "tradeoff", style.PICTURE_FORMATS[::-1])
    assert [path.read_bytes() for path in again[::-1]] == before
    assert b"CreationDate" not in before[2]
    with pytest.raises(ConfigError, match=r"--format = 'jpg': must be one of: pdf, png, svg"):
        write_pictures(directories["training"], "tradeoff", ["jpg"])


@pytest.mark.parametrize("kind", PANELS)
def test_a_picture_on_axes_of_ones_own(kind: str, directories: dict[str, Path]) -> None:
    records = read(directories["training"])
    axes = Figure().subplots()
    chosen = records.only(["uncoded", "erasurehead"])
    assert on_axes(axes, PICTURE_KINDS[kind].possible(chosen, "ci")) is axes
    [legend] = axes.figure.legends
    named = axes.get_yticklabels() if kind == "utilisation" else legend.get_texts()
    assert "uncoded" in [text.get_text() for text in named]
    with pytest.raises(ConfigError, match=r"schemes = 'uncode': .*did you mean uncoded"):
        records.only(["uncode"])
    with pytest.raises(ConfigError, match=r"must be [34], one for each panel"):
        on_axes(axes, PICTURE_KINDS[kind].possible(read(directories["sweep"])))


@pytest.mark.parametrize("layout", ["tight", "constrained"])
def test_the_legend_on_axes_of_ones_own_covers_nothing(
    layout: Literal["tight", "constrained"], directories: dict[str, Path]
) -> None:
    """It stands below the words of the axes, inside the figure, and two fifths of the height are
    left for the data; also where something is drawn twice, and where somebody else arranges."""
    figure = Figure(figsize=(10, 4), layout=layout)
    records = read(directories["training"])
    panels = [*zip(("loss_time", "utilisation"), figure.subplots(1, 2), strict=True)]
    for kind, axes in [*panels, panels[0]]:
        on_axes(axes, PICTURE_KINDS[kind].possible(records))
    figure.draw_without_rendering()
    for _, axes in panels:
        legends = [own for own in (axes.get_legend(), *figure.legends) if own]
        assert len(legends) == 1
        names = [text.get_text() for text in legends[0].get_texts()]
        assert len(names) == len({*names})
        legend, words = legends[0].get_window_extent(), axes.xaxis.get_tightbbox()
        assert 0 < legend.y0 < legend.y1 < words.y0 < axes.bbox.y0
        assert axes.bbox.height > 0.4 * figure.bbox.height


def test_a_picture_says_what_it_shows(directories: dict[str, Path]) -> None:
    """The data of a picture are the numbers of the tables: catches another column or scheme."""
    records = read(directories["training"]).only(["erasurehead"])
    [panel] = PICTURE_KINDS["loss_iteration"].picture(records, "ci").panels
    [curve] = [mark for mark in panel.marks if isinstance(mark, Curve)]
    [(label, _)] = records.labels()
    losses = records.runs(label, "train_loss")
    np.testing.assert_allclose(curve.y, losses.mean(axis=0))
    middle, low, high = mean_interval(losses[:, -1])
    assert curve.low is not None
    assert curve.high is not None
    np.testing.assert_allclose([curve.y[-1], curve.low[-1], curve.high[-1]], [middle, low, high])
    [panel] = PICTURE_KINDS["loss_iteration"].picture(records, "quantiles").panels
    [curve] = [mark for mark in panel.marks if isinstance(mark, Curve)]
    np.testing.assert_allclose(curve.y, np.percentile(losses, 50, axis=0, method="nearest"))


def test_bars_of_a_tradeoff_are_quantiles_or_intervals(directories: dict[str, Path]) -> None:
    """By hand for one scheme; catches bars of the iterations instead of the runs."""
    records = read(directories["training"])
    label, _ = records.labels()[1]
    times = records.runs(label, "iteration_time")[:, 1:].mean(axis=1)
    row = records.summary.set_index("label").loc[label]
    expected = {
        "quantiles": np.abs(np.percentile(times, (10, 90)) - times.mean()),
        "ci": np.repeat(mean_interval(times)[2] - row["iteration_time_mean"], 2),
    }
    for band, bars in expected.items():
        [panel] = PICTURE_KINDS["tradeoff"].picture(records, band).panels  # type: ignore[arg-type]
        points = [mark for mark in panel.marks if isinstance(mark, Points)][1]
        assert points.dx is not None
        np.testing.assert_allclose(points.dx[:, 0], bars)
        for mark in panel.marks:
            if isinstance(mark, Points) and mark.dx is not None and mark.dy is not None:
                for axis, values, ends in ((panel.x, mark.x, mark.dx), (panel.y, mark.y, mark.dy)):
                    assert axis.low is not None
                    assert axis.high is not None
                    assert np.all(axis.low < values - ends[0])
                    assert np.all(axis.high > values + ends[1])


DICHROMATS = {
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.01182, 0.04294, 0.968881],
    ],
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
}
"""Machado, Oliveira and Fernandes (2009): what linear red, green and blue look like."""


def seen(colour: str, matrix: Any) -> Any:
    """A hex colour in CIELAB, as somebody sees it."""
    given = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    linear = np.where(given <= 0.04045, given / 12.92, ((given + 0.055) / 1.055) ** 2.4)
    to_xyz = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    xyz = to_xyz @ np.clip(np.array(matrix) @ linear, 0, 1) / [0.9505, 1.0, 1.089]
    x, y, z = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("matrix", [np.eye(3), *DICHROMATS.values()], ids=["all", *DICHROMATS])
def test_schemes_with_the_same_line_differ_in_colour_for_everybody(matrix: Any) -> None:
    """10 units of CIELAB are about four times what an eye can just tell apart."""
    for one, other in itertools.combinations(SCHEME_LOOKS.values(), 2):
        if one.line == other.line:
            assert np.linalg.norm(seen(one.colour, matrix) - seen(other.colour, matrix)) > 10


def test_looks_are_distinct_and_stable() -> None:
    """Catches two schemes that look alike, also in grey."""
    assert set(SCHEME_LOOKS) <= set(SCHEMES), "a look of a scheme that is gone"
    looks = list(SCHEME_LOOKS.values())
    assert len({look.colour for look in looks}) == len(looks)
    assert len({look.marker for look in looks}) == len(looks)
    broken = [look.line for look in looks if not isinstance(look.line, str)]
    assert len(broken) > 9
    assert {offset for offset, _ in broken} == {0}, "a line begins with its first dash"
    assert look("a_new_scheme") == look("a_new_scheme")
    assert look("a_new_scheme").title == "a new scheme"
    plugins = [look(f"plugin_{i}") for i in range(12)]
    assert len({(own.colour, own.marker, own.line) for own in plugins}) > 10
    assert {own.colour for own in plugins}.isdisjoint(own.colour for own in looks)
    assert shade("#000000", 0.5) == "#808080"


def test_loss_at_takes_the_newest_model() -> None:
    times, losses = np.array([[0.0, 1.0, 3.0]]), np.array([[9.0, 5.0, 4.0]])
    instants = np.array([0.0, 0.99, 1.0, 2.9, 3.0, 8.0])
    np.testing.assert_array_equal(loss_at(times, losses, instants), [[9, 9, 5, 5, 4, 4]])


def test_a_band_holds_diverged_runs_above() -> None:
    values = np.arange(11.0)[:, None] * np.ones((1, 2))
    values[10, 1] = np.nan
    result = band_of(values, "quantiles")
    np.testing.assert_array_equal(result.middle, [5, 5])
    np.testing.assert_array_equal(result.low, [1, 1])
    np.testing.assert_array_equal(result.high, [9, 9])


@pytest.mark.parametrize("runs", [1, 2, 8, 11, 32])
def test_the_line_is_the_median_of_the_runs(runs: int) -> None:
    """Of an even number the mean of the two in the middle; where one of them diverged, infinite."""
    values = np.random.default_rng(runs).random((runs, 5))
    result = band_of(values, "quantiles")
    for line, quantile in ((result.low, 0.1), (result.middle, 0.5), (result.high, 0.9)):
        np.testing.assert_allclose(line, np.quantile(values, quantile, axis=0), rtol=1e-14)
    values[: runs - runs // 2] = np.inf  # a half of them, or one more
    np.testing.assert_array_equal(band_of(values, "quantiles").middle, np.inf)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([2.0, 20.0], Axis("x", log=True, ticks=(1, 1.5, 2, 3, 4, 6, 8))),
        ([2.0, np.inf, np.nan, 199.0], Axis("x", log=True, ticks=(1, 2, 5))),
        ([2.0, 200.0], Axis("x", log=True, ticks=(1, 3))),
        ([2.0, 2000.0], Axis("x", log=True)),
        ([2.0, 19.9], Axis("x")),
        ([0.0, 200.0], Axis("x")),
        ([-2.0, 200.0], Axis("x")),
        ([np.nan], Axis("x")),
    ],
)
def test_an_axis_is_logarithmic_where_values_span_so_much(
    values: list[float], expected: Axis
) -> None:
    """Over a decade here. Below three decades powers of ten alone would be three ticks at most."""
    assert axis_of("x", np.array(values), wide=10.0) == expected


@pytest.mark.parametrize("ratio", [5.01, 8.0, 12.0, 12.1, 31.0, 99.9, 100.0, 999.0, 1000.0])
def test_three_ticks_of_a_logarithmic_axis_have_labels(ratio: float) -> None:
    """Wherever it begins, from the least ratio that makes losses logarithmic on."""
    marks = np.outer(10.0 ** np.arange(-6, 7), mantissas(ratio) or (1,)).ravel()
    for low in np.geomspace(0.1, 1.0, 50):
        assert np.count_nonzero((marks >= low) & (marks <= 1.0001 * low * ratio)) >= 3


@pytest.mark.parametrize(("ticks", "labels"), [((), ["10^{0}"]), ((1, 3), ["1", "3"])])
def test_no_others_of_a_logarithmic_axis_have_labels(
    ticks: tuple[int, ...], labels: list[str]
) -> None:
    """Where matplotlib would write them between: less than a power of ten is shown."""
    axes = style.blank_figure(4.8, 3.0).subplots()
    axes.set_xlim(0.9, 5.0)
    style.log_axis(axes.xaxis, ticks)
    assert {label.get_text() for label in axes.get_xticklabels(minor=True)} <= {""}
    shown = [tick for tick in axes.get_xticks() if 0.9 <= tick <= 5.0]
    texts = axes.xaxis.get_major_formatter().format_ticks(shown)
    assert len(texts) == len(labels)
    assert all(label in text for label, text in zip(labels, texts, strict=True))


def test_pareto_front_by_hand() -> None:
    cost = np.array([1.0, 2.0, 2.0, 3.0, 4.0, np.nan, 1.0])
    loss = np.array([5.0, 4.0, 3.0, 3.0, 1.0, 0.0, 5.0])
    expected = [True, False, True, False, True, False, True]
    np.testing.assert_array_equal(pareto(cost, loss), expected)


def test_delays_of_a_tiny_run_draw_few_tapes() -> None:
    """One worker, one round: catches a tape, and its whole block, for each of 131,072 cells."""
    document = {
        "workers": 1,
        "iterations": 1,
        "delay": MEMORY,
        "schemes": [{"name": "uncoded"}],
    }
    (sample,), _ = delays.samples(Records(pd.DataFrame(), pd.DataFrame(), config=document))
    assert sample.seconds.shape == (delays.MAX_TAPES, 1)


@pytest.mark.parametrize(
    ("table", "change", "line"),
    [
        ("iterations", {"time": "soon"}, "column time must hold numbers"),
        ("iterations", {"label": None}, "column label must hold text"),
        ("workers", {"cell": 1.0}, "column cell must hold text"),
        ("summary", {"utilisation_se": ...}, "has no column utilisation_se"),
    ],
)
def test_columns_are_those_that_a_run_writes(
    table: str, change: dict[str, Any], line: str, directories: dict[str, Path], tmp_path: Path
) -> None:
    output = tmp_path / "out"
    shutil.copytree(directories["timing"], output)
    path = output / f"{table}.parquet"
    arrow = pq.read_table(path)
    ((name, value),) = change.items()
    frame = arrow.to_pandas()
    frame = frame.drop(columns=name) if value is ... else frame.assign(**{name: value})
    changed = pa.Table.from_pandas(frame, preserve_index=False)
    metadata = {**arrow.schema.metadata, **changed.schema.metadata}
    pq.write_table(changed.replace_schema_metadata(metadata), path)
    with pytest.raises(ConfigError, match=line):
        read_records(output)


def test_panels_of_a_sweep_stand_in_rows_of_three_but_four_in_a_square() -> None:
    class Empty(PanelKind):
        def obstacle(self, records: Records) -> str | None:
            return None

        def panel(self, records: Records, looks: Any, band: Any) -> Panel:
            return Panel(Axis("x"), Axis("y"), [])

    @dataclass(frozen=True)
    class Swept(Records):
        count: int = 1

        def points(self) -> list[Records]:
            return [Records(self.iterations, self.summary)] * self.count

    table = pd.DataFrame({"scheme": ["uncoded"], "label": ["a"]})
    for count, columns, rows in (1, 1, 1), (2, 2, 1), (3, 3, 1), (4, 2, 2), (5, 3, 2), (7, 3, 3):
        picture = Empty().picture(Swept(table, table, count=count))
        assert (len(picture.panels), picture.columns) == (count, columns)
        assert 3 * rows < picture.height < 3 * rows + 1


def test_a_swept_text_need_not_be_a_section() -> None:
    assert short_text('{"model": "exponential", "rate": 2.0}') == "exponential, rate = 2"
    assert short_text("{{x") == "{{x"


def test_what_has_one_value_is_no_title() -> None:
    """``set={"schemes": [schemes]}`` of a sweep is an axis with one point."""
    records = swept({"schemes": ["[...]"], "seed": [0]})
    assert [part.title for part in records.points()] == [""]
    assert [part.title for part in swept({"schemes": ["[...]"], "seed": [0, 1]}).points()] == [
        "seed = 0",
        "seed = 1",
    ]


@pytest.mark.parametrize(("target", "drawn"), [(0.4, True), (0.04, False), (None, False)])
def test_a_line_lies_at_the_target_loss(target: float | None, drawn: bool) -> None:
    """Not at one that is a tenth of what anybody reaches."""
    start = swept({}).iterations
    rows = [start.assign(iteration=i, time=float(i), train_loss=1.0 - i / 4) for i in range(3)]
    summary = swept({}).summary.iloc[:1]
    records = Records(pd.concat(rows), summary, config={"target_loss": target})
    for name in ("loss_time", "loss_iteration"):
        marks = PICTURE_KINDS[name].picture(records).panels[0].marks
        lines = [(mark.title, mark.y.tolist()) for mark in marks if isinstance(mark, Rules)]
        assert lines == ([("target", [target])] if drawn else [])


# Kinds as plain data, from tables of a few rows.


def swept(values: dict[str, Sequence[Any]], labels: Sequence[str] = ("a",), **more: Any) -> Records:
    """A summary with a row for each value of what was swept and each label."""
    rows = [
        {"cell": f"{place}{label}", "scheme": "uncoded", "label": label, "workers": 6}
        | {"replications": 5, "iteration_time_mean": 1.0 + place, "iteration_time_se": 0.1}
        | dict(zip(values, point, strict=True))
        | {key: found(place, label) for key, found in more.items()}
        for place, point in enumerate(itertools.product(*values.values()))
        for label in labels
    ]
    summary = pd.DataFrame(rows)
    start = summary.assign(replication=0, iteration=0, time=0.0, train_loss=1.0)
    swept_keys = [key for key in values if not key.startswith("scheme.")]
    kept = [
        "cell",
        "scheme",
        "label",
        "replication",
        "iteration",
        "time",
        "train_loss",
        *swept_keys,
    ]
    return Records(start[kept], summary)


def against(records: Records, x: str = "", y: str = "") -> Panel:
    return AgainstKind(x, y).possible(records).panels[0]


@pytest.mark.parametrize(
    ("values", "log", "named"),
    [
        ([12, 24, 48], True, 3),  # each a factor more than the one before
        ([12, 24, 36], False, 3),
        ([2.0, 19.0], False, 2),
        ([2.0, 20.0], True, 2),  # from a ratio of ten on
        ([0.0, 20.0, 400.0], False, 3),
        ([4, 2, 1], True, 3),  # in any order
        ([*range(1, 9)], False, 8),
        ([*range(1, 10)], False, 0),  # more than eight ticks would be too many
        ([*range(1, 12)], True, 0),
    ],
)
def test_the_axis_of_what_was_swept(values: list[float], log: bool, named: int) -> None:
    records = swept({"delay.rate": values})
    axis = against(records).x
    assert (axis.label, axis.log, len(axis.names or ())) == ("delay.rate", log, named)
    if named:
        assert axis.places == tuple(sorted(values))
        assert axis.names == tuple(f"{value:g}" for value in sorted(values))
    curve, points = against(records).marks[:2]
    assert isinstance(curve, Curve)
    assert isinstance(points, Points)
    assert points.x.tolist() == curve.x.tolist() == sorted(values)
    order = np.argsort(values)
    np.testing.assert_array_equal(points.y, 1.0 + order)


def test_what_is_no_number_stands_in_the_order_of_the_run() -> None:
    axis = against(swept({"policy": ["queue", "cancel", "finish"]})).x
    assert (axis.names, axis.places, axis.log) == (("queue", "cancel", "finish"), None, False)


def test_the_key_with_the_most_values_is_the_axis_and_numbers_come_first() -> None:
    def label_of(**values: Sequence[Any]) -> str:
        return against(swept({key.replace("_", "."): each for key, each in values.items()})).x.label

    assert label_of(delay_rate=[1, 2], network_latency=[1, 2, 3]) == "network.latency"
    assert label_of(delay_rate=[1, 2, 3], network_latency=[1, 2]) == "delay.rate"
    assert label_of(policy=["a", "b", "c"], delay_rate=[1, 2]) == "delay.rate"


@pytest.mark.parametrize(
    ("heights", "log", "low"),
    [
        ([1.0, 29.0], False, 0.0),
        ([1.0, 30.0], True, None),  # over a factor of thirty
        ([1.0, 2.0], False, 0.0),  # from a factor of two on, the axis begins at 0
        ([1.0, 1.9], False, None),
        ([0.0, 9.0], False, 0.0),
        ([-1.0, 9.0], False, None),
    ],
)
def test_the_axis_of_means(heights: list[float], log: bool, low: float | None) -> None:
    records = swept({"delay.rate": [1, 2]}, iteration_time_mean=lambda place, _: heights[place])
    axis = against(records).y
    assert (axis.label, axis.log, axis.low) == ("mean iteration time (s)", log, low)


@pytest.mark.parametrize(("points", "shown", "heading"), [
    (1, 1, ""),
    (2, 2, ""),
    (6, 6, ""),
    (7, 6, "1 more point of the sweep is not shown"),
    (9, 6, "3 more points of the sweep are not shown"),
])  # fmt: skip
def test_a_panel_for_each_point_of_the_other_keys(points: int, shown: int, heading: str) -> None:
    records = swept({"delay.rate": [*range(1, 12)], "seed": [*range(points)]})
    picture = AgainstKind().picture(records)
    assert [panel.title for panel in picture.panels] == [
        f"seed = {seed}" if points > 1 else "" for seed in range(shown)
    ]
    assert picture.heading == heading
    assert picture.columns == min(3, shown)
    assert picture.share == ("y" if shown > 1 else "")
    assert picture.width == (4.8 if shown == 1 else 7.2)
    rows = -(-shown // 3)
    assert 3.2 * rows + 0.2 < picture.height < 3.2 * rows + 0.7


def test_lines_of_theory_where_they_are_known_and_thin_ones_elsewhere() -> None:
    """A scheme without the swept field is level, at its closed form where there is one."""
    theory = {"a": 1.5, "b": np.nan, "c": 7.0}
    records = swept(
        {"scheme.load": [1, 2, 3]},
        labels="abc",
        iteration_time_theory=lambda _, label: theory[label],
        scheme=lambda _, label: {"a": "uncoded", "b": "erasurehead", "c": "window"}[label],
    )
    records.summary["scheme.load"] = records.summary["scheme.load"].where(
        records.summary["label"] != "c"
    )
    panel = against(records)
    curves = {mark.colour: mark for mark in panel.marks if isinstance(mark, Curve) and len(mark.x)}
    names = ("uncoded", "erasurehead", "window")
    by_scheme = {label: curves[look(name).colour] for label, name in zip("abc", names, strict=True)}
    assert by_scheme["a"].y.tolist() == [1.5] * 3
    assert by_scheme["b"].y.tolist() == [1.0, 2.0, 3.0]
    assert by_scheme["b"].width < 1 < by_scheme["a"].width
    assert (by_scheme["c"].x.tolist(), by_scheme["c"].y.tolist()) == ([1.0, 3.0], [7.0, 7.0])
    titles = [mark.title for mark in panel.marks]
    assert titles[-3:] == [
        times.MEANS_LOOK.title,
        times.THEORY_AT_POINTS_LOOK.title,
        times.JOINED_LOOK.title,
    ]
    simulated = against(swept({"scheme.load": [1, 2, 3]}))
    assert [mark.title for mark in simulated.marks][-2:] == [
        times.MEANS_LOOK.title,
        times.JOINED_LOOK.title,
    ]
    known = against(swept({"delay.rate": [1, 2]}, iteration_time_theory=lambda *_: 1.0))
    assert [mark.title for mark in known.marks][-2:] == [
        times.MEANS_LOOK.title,
        times.THEORY_AT_POINTS_LOOK.title,
    ]


def test_a_time_that_some_runs_reach_does_not_look_like_one_that_all_reach() -> None:
    """The median is hollow where some miss the target; where half do, when the first ended is."""
    shares = {"a": [0.75, 1.0, 0.5, 0.0], "b": [0.75] * 4, "c": [0.0] * 4}

    records = swept(
        {"scheme.load": [1, 2, 3, 4]},
        labels="abc",
        replications=lambda *_: 8,
        scheme=lambda _, label: {"a": "uncoded", "b": "window", "c": "ssp"}[label],
        target_reached=lambda place, label: shares[label][place],
        time_to_target_mean=lambda place, label: 7.0 if shares[label][place] == 1 else np.nan,
        time_to_target_median=lambda place, _label: (
            5.0 + place if shares[_label][place] > 0.5 else np.inf
        ),
        time_to_target_median_low=lambda place, _: 4.0 + place,
        time_to_target_median_high=lambda place, _: 8.0 + place if place else np.inf,
        time_to_target_above=lambda place, _: 9.0 + place,
    )
    known = records.summary["label"] != "b"
    records.summary["scheme.load"] = records.summary["scheme.load"].where(known)
    panel = against(records)
    points = [mark for mark in panel.marks if isinstance(mark, Points) and len(mark.x)]
    full, hollow = (
        [
            (*place, p.look.marker)
            for p in points
            if p.hollow == which
            for place in zip(p.x, p.y, p.dy[0], p.dy[1], strict=True)
        ]
        for which in (False, True)
    )
    a, c = look("uncoded").marker, "^"
    assert [place for place in full if np.isfinite(place[1])] == [(2.0, 6.0, 1.0, 3.0, a)]
    top = pytest.approx(1.1 * 11)  # later than the upper end of the highest interval
    assert hollow[:3] == [(1, 5, 0, 0, a), (3, top, 0, 0, c), (4, top, 0, 0, c)]
    assert hollow[3:] == [(place, top, 0, 0, c) for place in (1, 2, 3, 4)]
    assert panel.y.label == "median time to the target loss (s)"
    titles = [mark.title for mark in panel.marks]
    assert "b (> 9 in 2 of 8 runs)" in titles
    assert {times.MEDIANS_LOOK.title, times.SOME_LOOK.title, times.NEVER_LOOK.title} <= {*titles}
    assert times.MEANS_LOOK.title not in titles


def test_where_nobody_reaches_the_target_one_line_says_so() -> None:
    missed = {"target_reached": lambda *_: 0.4, "time_to_target_mean": lambda *_: np.nan}
    missed["time_to_target_median"] = lambda *_: np.inf
    records = swept({"delay.rate": [1, 2]}, **missed)
    assert against(records).y.label == "mean iteration time (s)"
    lack = "no scheme reaches the target loss in more than half of its runs"
    assert against(records).remark == lack
    asked = AgainstKind("", "time_to_target").obstacle(records)
    assert asked.startswith(f"{lack}; y must be one of")
    assert against(records, y="iteration_time").remark == ""


def test_bars_of_means_are_students_or_what_the_table_says() -> None:
    records = swept({"delay.rate": [1, 2]}, gain=lambda place, _: 2.0 + place)
    [points] = [m for m in against(records).marks if isinstance(m, Points) and len(m.x)]
    np.testing.assert_allclose(points.dy, np.full((2, 2), 0.1 * stats.t.ppf(0.975, 4)))
    with_ends = swept(
        {"delay.rate": [1, 2]},
        gain=lambda place, _: 2.0 + place,
        gain_low=lambda place, _: 1.5,
        gain_high=lambda place, _: 4.0 + place,
    )
    [points] = [m for m in against(with_ends, y="gain").marks if isinstance(m, Points) and len(m.x)]
    np.testing.assert_allclose(points.dy, [[0.5, 1.5], [2.0, 2.0]])
    assert against(with_ends, y="gain").y.label == "gain"


def test_a_dotted_line_over_what_was_swept_needs_two_points() -> None:
    """It is the least time of any method, so it stands under iteration times alone."""

    def dotted(least: dict[int, float], y: str = "") -> list[Curve]:
        records = swept(
            {"delay.rate": [4, 2, 8]},
            "ab",
            least_iteration_time=lambda place, label: least.get(place, np.nan),
            time_to_target_mean=lambda place, _: 5.0,
        )
        marks = against(records, y=y or "iteration_time").marks
        return [m for m in marks if isinstance(m, Curve) and m.title == times.LEAST_TIME_LOOK.title]

    [line] = dotted({0: 0.5, 1: 0.4})
    assert (line.x.tolist(), line.y.tolist()) == ([2.0, 4.0], [0.4, 0.5])
    assert dotted({0: 0.5}) == dotted({0: 0.5, 1: 0.4}, "time_to_target") == []


@pytest.mark.parametrize(
    ("values", "x", "y", "words"),
    [
        ({"delay.rate": [1]}, "", "", "nothing was swept"),
        ({"delay.rate": [1, 2], "seed": [1]}, "seed", "", "seed was not swept; x must be one of"),
        ({"delay.rate": [1, 2]}, "speed", "", "speed was not swept"),
        ({"delay.rate": [1, 2]}, "", "speed", "the summary has no numbers speed; y must be one"),
        ({"delay.rate": [1, 2]}, "delay.rate", "iteration_time", None),
        ({"delay.rate": [1, 2]}, "", "workers", None),
    ],
)
def test_what_cannot_be_drawn_against_anything(
    values: dict[str, list[int]], x: str, y: str, words: str | None
) -> None:
    found = AgainstKind(x, y).obstacle(swept(values))
    assert (found is None) == (words is None)
    assert words is None or words in str(found)


@pytest.mark.parametrize(
    ("values", "schemes", "charts"),
    [
        ({"scheme.load": [1, 2]}, "aa", 0),  # two points of a line show no shape
        ({"scheme.load": [1, 2, 3]}, "aa", 1),
        ({"scheme.load": [1, 2, 3]}, "ab", 1),  # one scheme with three is enough
        ({"delay.rate": [1, 2]}, "aa", 1),
    ],
)
def test_a_report_shows_means_over_three_values_of_a_field_or_two_of_a_key(
    values: dict[str, list[int]], schemes: str, charts: int
) -> None:
    records = swept(values, "ab", scheme=lambda _, label: schemes["ab".index(label)])
    if schemes == "ab":
        own = records.summary["label"] == "a"
        records = replace(records, summary=records.summary[own | (records.summary["workers"] < 0)
                          | (records.summary["scheme.load"] == 1)])  # fmt: skip
    found = [*AgainstKind().charts(records)]
    assert len(found) == charts
    if found:
        assert found[0].title.startswith("Mean iteration time over ")
        assert found[0].ident == "overview-iteration-time"


def test_a_report_shows_no_metric_that_is_zero_everywhere() -> None:
    for error, charts in ((1e-13, 1), (1e-3, 2)):
        records = swept(
            {"delay.rate": [1, 2]}, decoding_error_mean=lambda place, _, e=error: e * place
        )
        assert len([*AgainstKind().charts(records)]) == charts


def run_of(**columns: Any) -> Records:
    """Iterations 0 to T of schemes ``a`` and ``b``: column -> label -> ``(R, T + 1)``."""
    rows, labels = [], [*next(iter(columns.values()))]
    for label in labels:
        tables = {name: np.asarray(of[label], dtype=float) for name, of in columns.items()}
        shape = next(iter(tables.values())).shape
        for r, t in np.ndindex(shape):
            found = {name: table[r, t] for name, table in tables.items()}
            rows.append({"cell": label, "scheme": label, "label": label, "replication": r}
                        | {"iteration": t} | found)  # fmt: skip
    summary = pd.DataFrame({"cell": labels, "scheme": labels, "label": labels, "replications": 2})
    return Records(pd.DataFrame(rows), summary)


def test_iteration_times_as_shares_of_all_iterations() -> None:
    """By hand: of the times 1, 2, 3 and 4 a quarter took at most 1.75, all took at most 4."""
    seconds = {"a": [[np.nan, 1, 2], [np.nan, 3, 4]], "b": [[np.nan, 1, 1], [np.nan, 1, 50]]}
    [panel] = PICTURE_KINDS["iteration_time"].picture(run_of(iteration_time=seconds)).panels
    a, *_ = [m for m in panel.marks if isinstance(m, Curve)]
    assert np.interp([0.0, 0.25, 1.0], a.y, a.x) == pytest.approx([1.0, 1.75, 4.0])
    assert a.across == "x"
    assert a.low is not None
    assert a.high is not None
    assert (a.low >= 1.0).all(), "a band does not begin before anything was seen"
    assert (a.low[-1], a.high[-1]) == pytest.approx((2.2, 3.8)), (
        "a tenth of the way between two runs"
    )
    [sure] = PICTURE_KINDS["iteration_time"].picture(run_of(iteration_time=seconds), "ci").panels
    ci, *_ = [m for m in sure.marks if isinstance(m, Curve)]
    assert ci.low is not None
    assert ci.low[0] == 1.0, "what an interval of two runs reaches below is not shown"
    assert (panel.x.log, panel.x.low) == (True, None), "50 is more than thirty times the median"
    [plain] = (
        PICTURE_KINDS["iteration_time"].picture(run_of(iteration_time={"a": seconds["a"]})).panels
    )
    assert (plain.x.log, plain.x.low) == (False, 0.0)
    single = run_of(iteration_time={"a": [[np.nan, 1, 2, 3]]})
    [panel] = PICTURE_KINDS["iteration_time"].picture(single).panels
    [curve] = panel.marks
    assert isinstance(curve, Curve)
    assert curve.low is None, "of one run there is no spread, and no entry that explains it"


@pytest.mark.parametrize(("long", "log"), [(30.0, False), (31.0, True)])
def test_an_axis_of_iteration_times_shows_a_long_tail(long: float, log: bool) -> None:
    """Of 401 times each is a quantile: the last but one to the one in the middle decides."""
    seconds = [1.0] * 201 + [long] * 199 + [1e6]
    single = run_of(iteration_time={"a": [[np.nan, *seconds]]})
    [panel] = PICTURE_KINDS["iteration_time"].picture(single).panels
    assert panel.x.log == log


def test_the_workers_time_by_hand() -> None:
    """60 % busy, a quarter of that in vain: 45 % in time, 15 % wasted, 40 % idle."""
    columns = {"utilisation_mean": 0.6, "wasted_mean": 0.25, "utilisation_se": [0.01, np.nan]}
    records = swept({"seed": [1]}, "ab")
    records = replace(records, summary=records.summary.assign(**columns))
    kind = PICTURE_KINDS["utilisation"]
    [panel] = kind.picture(records).panels
    bars = [m for m in panel.marks if isinstance(m, Bars) and len(m.rows)]
    found = [(*m.rows, *m.start.round(9), *m.end.round(9)) for m in bars]
    assert found == [
        (row, *ends) for row in (0, 1) for ends in ((0, 0.45), (0.45, 0.6), (0.6, 1.0))
    ]
    [points] = [m for m in panel.marks if isinstance(m, Points)]
    half = 0.01 * stats.t.ppf(0.975, 4)
    np.testing.assert_allclose(points.dx, [[half, 0.0]] * 2)
    assert (points.x.tolist(), points.y.tolist()) == ([0.6, 0.6], [0.0, 1.0])
    assert (panel.y.low, panel.y.high, panel.y.names) == (1.5, -0.5, ("a", "b"))
    many = swept({"seed": [*range(6)]}, "ab")
    many = replace(many, summary=many.summary.assign(**(columns | {"utilisation_se": 0.01})))
    picture = kind.picture(many)
    assert [own.title for own in picture.panels] == ["seed = 0", "seed = 2", "seed = 5"]
    assert picture.heading.startswith("3 more points")


@pytest.mark.parametrize(
    ("middle", "bars", "least", "ends"),
    [
        ([1.0, 2.0], [[0, 0], [0, 0]], 0.0, (0.88, 2.12)),
        ([1.0, 2.0], [[1, 0], [0, 2]], 0.0, (-0.48, 4.48)),
        ([10.0, 10.1], [[0, 0], [0, 0]], 0.1, (10.05 - 0.5025, 10.05 + 0.5025)),
        ([1.0, np.nan], [[0.5, 0], [0.5, 0]], 0.0, (0.38, 1.62)),
        ([2.0], [[0], [0]], 0.0, (None, None)),
        ([np.nan], [[0], [0]], 0.1, (None, None)),
    ],
)
def test_an_axis_around_bars(
    middle: list[float], bars: list[list[float]], least: float, ends: tuple[float | None, ...]
) -> None:
    """A margin of 12 % on both sides, and at least a tenth of the values where that is asked."""
    axis = losses.axis_around("x", np.array(middle), np.array(bars, dtype=float), least)
    assert (axis.low, axis.high) == pytest.approx(ends)


def test_a_trade_off_of_two_schemes_and_of_fewer() -> None:
    kind = PICTURE_KINDS["tradeoff"]
    both = swept({"seed": [1]}, "ab", iteration_time_mean=lambda _, label: 1.0 + (label == "b"),
                 final_train_loss_mean=lambda _, label: 0.5 - 0.2 * (label == "b"))  # fmt: skip
    [panel] = kind.possible(both).panels
    line, a, b = panel.marks
    assert isinstance(line, Curve)
    assert isinstance(a, Points)
    assert isinstance(b, Points)
    assert (line.x.tolist(), line.y.tolist(), line.steps) == ([1, 2], [0.5, 0.3], True)
    assert (a.ringed, b.ringed, panel.remark) == (True, True, "")
    for loss, words in ((999.0, None), (1001.0, "1 scheme ends with a loss that can be drawn")):
        ends = both.summary.assign(final_train_loss_mean=[0.5, loss])
        found = kind.obstacle(replace(both, summary=ends))
        assert (found is None) == (words is None)
        assert words is None or str(found).startswith(words)
    gone = both.summary.assign(final_train_loss_mean=[0.5, np.inf])
    third = pd.concat([gone, both.summary.iloc[:1].assign(label="c", cell="c")])
    [panel] = kind.possible(replace(both, summary=third)).panels
    assert panel.remark == "not shown: 1 that diverged"
    assert "at least two" in str(kind.obstacle(both.only(["a"])))
    nothing = both.summary.drop(columns="final_train_loss_mean")
    assert "no pair" in str(kind.obstacle(replace(both, summary=nothing)))
    [chart] = kind.charts(both)
    assert chart.title == "Time against final training loss"
    errors = nothing.assign(decoding_error_mean=[0.0, 0.1])
    [chart] = kind.charts(replace(both, summary=errors))
    assert (chart.title, chart.words[:41]) == (
        *("Time against decoding error", "Seconds per iteration against the decoding"[:41]),
    )


def test_a_line_that_diverges_ends_at_the_top() -> None:
    """It leaves once, and may come back; what was never below is not drawn."""
    values = np.array([5.0, 1.0, 20.0, 30.0, 2.0, 40.0])
    made = losses.cut(losses.MiddleAndBand(values, values, values), 10.0)
    np.testing.assert_array_equal(made.middle, [5.0, 1.0, 10.0, np.nan, 2.0, 10.0])
    np.testing.assert_array_equal(made.low, [5.0, 1.0, np.nan, np.nan, 2.0, np.nan])
    np.testing.assert_array_equal(made.high, [5.0, 1.0, 10.0, 10.0, 2.0, 10.0])
    above = losses.cut(losses.MiddleAndBand(*np.array([[20.0, 1.0]] * 3)), 10.0).middle
    np.testing.assert_array_equal(above, [np.nan, 1.0])
    at_most = losses.cut(losses.MiddleAndBand(*np.array([[10.0, 1.0]] * 3)), 10.0).middle
    np.testing.assert_array_equal(at_most, [10.0, 1.0])


def test_a_band_of_means_is_students_and_of_one_run_nothing() -> None:
    values = np.array([[1.0, np.inf], [2.0, 1.0], [3.0, 1.0]])
    made = band_of(values, "ci")
    half = stats.t.ppf(0.975, 2) / np.sqrt(3)
    assert (made.middle[0], made.low[0], made.high[0]) == pytest.approx((2.0, 2 - half, 2 + half))
    assert np.isinf(made.middle[1])
    for end in band_of(values[:1], "ci"):
        np.testing.assert_array_equal(end, values[0])


@pytest.mark.parametrize(
    ("error", "runs", "degrees"), [(2.0, 10, 9), (2.0, 2, 1), (np.inf, 10, 9), (np.nan, 1, 1)]
)
def test_half_of_the_interval_of_a_mean(error: float, runs: int, degrees: int) -> None:
    row = {"elapsed_se": error, "replications": runs}
    found = losses.half_interval(pd.DataFrame([row]), "elapsed")
    half = error * stats.t.ppf(0.975, degrees)
    np.testing.assert_allclose(found, [half if np.isfinite(half) else np.nan])


def test_losses_that_no_axis_can_show() -> None:
    """The start says what has diverged; a start that is no number counts for nobody."""
    records = run_of(
        train_loss={"a": [[2.0, 1.0]], "b": [[np.nan, 1.0]]}, time={"a": [[0, 1]], "b": [[0, 1]]}
    )
    assert losses.ceiling(records) == 2000.0
    assert PICTURE_KINDS["loss_time"].obstacle(records) is None
    nobody = run_of(train_loss={"a": [[np.inf, 1.0]]}, time={"a": [[0, 1]]})
    assert losses.ceiling(nobody) == 0.0
    assert "no run begins with a loss" in str(PICTURE_KINDS["loss_time"].obstacle(nobody))
    curve = Curve(look("a"), np.arange(2.0), np.array([1e-3, 1.0]))
    assert losses.loss_axis([curve]).log
    for least in (1e-101, 0.3):
        assert not losses.loss_axis([replace(curve, y=np.array([least, 1.0]))]).log


def test_work_of_a_scheme_on_its_clock() -> None:
    """By hand: what begins after the end is not drawn, and what goes on is cut there."""
    table = spans(
        [
            ("a", -1, "waiting", 0, 2, 1, 1),
            ("a", -1, "waiting", 2, 5, 2, 0),
            ("a", -1, "waiting", 5, 9, 3, 0),
            ("a", 0, "computing", 0, 2, 1, -1),
            ("a", 1, "computing", 4, 9, 1, -1),
            ("a", 0, "computing", 5, 9, 2, -1),
            ("a", 7, "computing", 0, 9, 2, -1),
        ]
    )
    panel = gantt.panel(table, [0, 1], 5.0, "round", "a")
    bars, rules, enders = panel.marks
    assert isinstance(bars, Bars)
    assert isinstance(enders, Points)
    assert [bars.rows.tolist(), bars.start.tolist(), bars.end.tolist()] == [[0, 1], [0, 4], [2, 5]]
    assert rules.x.tolist() == [2, 5]  # type: ignore[union-attr]
    assert (enders.x.tolist(), enders.y.tolist()) == ([2, 5], [1, 0])
    assert panel.title == "a: 2 rounds"
    assert (panel.y.names, panel.y.places) == (("0", "1"), (0, 1))
    for workers, names in ((10, 10), (11, 3)):
        axis = gantt.panel(table, [*range(workers)], 5.0, "round", "a").y
        assert len(axis.names or ()) == len(axis.places or ()) == names
    assert gantt.horizon(table[table["worker"] >= 0]) == 9.0, "without rounds, all of it"


@pytest.mark.parametrize(
    ("schemes", "workers", "notes"), [(6, 48, 0), (7, 48, 1), (6, 49, 1), (8, 60, 2)]
)
def test_a_timeline_says_what_it_leaves_out(schemes: int, workers: int, notes: int) -> None:
    table = spans(
        [
            row
            for label in map(str, range(schemes))
            for row in [(label, -1, "waiting", 0, 1, 1, 0)]
            + [(label, worker, "computing", 0, 1, 1, -1) for worker in range(workers)]
        ]
    )
    run_once = run_of(time={str(label): [[0.0, 1.0]] for label in range(schemes)})
    made = PICTURE_KINDS["gantt"].picture(replace(run_once, timeline=table))
    assert len(made.panels) == 6
    assert len([*filter(None, made.heading.split("\n"))]) == notes
    assert made.height == pytest.approx(6 * (0.3 + 0.036 * 48) + 1.3 + 0.22 * notes)
    if schemes == 7:
        assert made.heading == "1 more scheme is not shown"
    if workers == 49:
        assert made.heading.startswith("48 of 49 workers are shown")


def test_who_caused_delays_as_shares_of_a_row() -> None:
    workers = pd.DataFrame(
        {"cell": ["a"] * 3 + ["b"] * 2, "label": ["a"] * 3 + ["b"] * 2, "worker": [2, 0, 1, 0, 1]}
        | {"last": [0.5, 0.25, 0.25, 0.0, 0.0], "cost": [6.0, 1.0, 1.0, 0.0, 3.0]}
    )
    summary = pd.DataFrame(
        {"cell": ["a", "b"], "scheme": ["a", "b"], "label": ["a", "b"], "workers": [3, 2]}
        | {"iterations": [8, 8], "replications": [1, 1]}
    )
    start = summary[["cell", "scheme", "label"]].assign(replication=0, iteration=0)
    records = Records(start, summary, workers=workers)
    ended, waited = PICTURE_KINDS["workers"].possible(records).panels
    np.testing.assert_array_equal(ended.marks[0].values, [[0.25, 0.25, 0.5], [np.nan] * 3])  # type: ignore[union-attr]
    np.testing.assert_array_equal(waited.marks[0].values, [[0.125, 0.125, 0.75], [0, 1, np.nan]])  # type: ignore[union-attr]
    assert waited.y.names == ("a: 8\N{NO-BREAK SPACE}s", "b: 3\N{NO-BREAK SPACE}s")
    [chart] = PICTURE_KINDS["workers"].charts(records)
    assert "50.0 % (of 2 workers), 33.3 % (of 3 workers)" in chart.words
    assert "workers.parquet" in str(
        PICTURE_KINDS["workers"].obstacle(replace(records, workers=None))
    )


@pytest.mark.parametrize(
    ("labels", "columns", "width", "fit"),
    [
        (["a"] * 5, 3, 7.2, 3),
        (["a"], 3, 7.2, 1),
        (["a" * 20] * 4, 3, 7.2, 3),  # 0.65 and 20 times 0.075 inches each: 6.45
        (["a" * 20] * 4, 3, 6.4, 2),
        (["a" * 60, "b"], 2, 5.9, 2),
        (["a" * 60, "b"], 2, 5.8, 1),
        (["a" * 60, "b\n" + "c" * 60], 2, 7.2, 1),
    ],
)
def test_so_many_entries_of_a_legend_fit(
    labels: list[str], columns: int, width: float, fit: int
) -> None:
    assert style.entries_in_a_row(labels, columns, width) == fit


def test_further_variants_of_a_scheme_are_lighter_and_have_other_markers() -> None:
    made = variants([("a", "uncoded"), ("b", "uncoded"), ("c", "uncoded"), ("d", "erasurehead")])
    assert made["a"] == replace(SCHEME_LOOKS["uncoded"], title="a")
    assert made["d"].colour == SCHEME_LOOKS["erasurehead"].colour
    assert [made[label].colour for label in "bc"] == [
        shade("#000000", 0.31),
        shade("#000000", 0.62),
    ]
    assert len({made[label].marker for label in "abc"}) == 3
    pair = variants([("a", "uncoded"), ("b", "uncoded")])
    assert pair["b"].colour == shade("#000000", 0.31), "two are as far apart as two of three"


@pytest.mark.parametrize(("ratio", "labels"), [(2.5, 18), (2.6, 7), (12.0, 7), (12.1, 3)])
def test_marks_of_a_bar_of_shades(ratio: float, labels: int) -> None:
    assert len(mantissas(ratio)) == labels


def test_delays_that_are_drawn_are_those_of_the_run_or_more_of_the_same() -> None:
    """131,072 of them: a whole run where rounds are alike, else more runs, 64 at the most."""

    def shape(**changes: Any) -> tuple[int, ...]:
        document = {"workers": 64, "iterations": 32, "delay": {"model": "exponential", "rate": 1}}
        document |= {"schemes": [{"name": "uncoded"}]} | changes
        empty = Records(pd.DataFrame(), pd.DataFrame(), config=document)
        [sample], hidden = delays.samples(empty)
        assert hidden == 0
        return sample.seconds.shape

    assert shape() == (2048, 64)
    assert shape(delay=MEMORY) == (2048, 64), "64 runs of 32 rounds"
    assert shape(delay=MEMORY, iterations=16) == (1024, 64)
    assert shape(delay=MEMORY, iterations=5000) == (2048, 64)
    assert shape(delay={"model": "authors_stream"}, iterations=40) == (40, 64), (
        "they are always the same"
    )


def test_a_density_has_the_area_of_the_delays_that_it_shows() -> None:
    """95 % of them, on bins that all models share; the axis leaves 2 % at both ends."""
    seconds = np.linspace(1.0, 3.0, 4001).reshape(-1, 1)
    model = MODELS["exponential"](rate=1.0)
    drawn = [(delays.Sample("a", model, k * seconds), look("a")) for k in (1.0, 2.0)]
    panel = delays.density(drawn)
    high = 2.0 * (1.0 + 2 * 0.95)
    assert panel.x.low == pytest.approx(1.0 - 0.02 * (high - 1.0))
    assert panel.x.high == pytest.approx(high + 0.02 * (high - 1.0))
    for curve, area in zip(panel.marks, (1.0, 0.95), strict=True):
        assert isinstance(curve, Curve)
        assert len(curve.x) == 60 + 2
        assert (curve.y[0], curve.y[-1]) == (0.0, 0.0)
        assert float(np.sum(curve.y[1:-1] * np.diff(curve.x)[1:])) == pytest.approx(area, abs=0.025)
    same = delays.density([(delays.Sample("a", model, np.full((4, 2), 2.0)), look("a"))])
    assert (same.x.low, same.x.high) == pytest.approx((1.9, 2.1)), "one value has room around it"


def test_the_share_of_delays_that_are_longer() -> None:
    seconds = np.arange(1.0, 1001.0).reshape(-1, 10)
    model = MODELS["exponential"](rate=0.01)
    panel = delays.survival([(delays.Sample("a", model, seconds), look("a"))])
    seen, closed = panel.marks
    assert isinstance(seen, Curve)
    assert isinstance(closed, Curve)
    assert (seen.x[0], seen.y[0], seen.x[-1]) == (1.0, 1.0, 1000.0)
    assert seen.y[-1] == pytest.approx(1 / 1000)
    middle = np.abs(seen.y - 0.5).argmin()
    assert seen.x[middle] == pytest.approx(500, abs=15)
    np.testing.assert_allclose(closed.y, np.exp(-0.01 * closed.x))
    assert (panel.y.low, panel.x.log, panel.y.log) == (1 / 1000, True, True)
    near = delays.survival([(delays.Sample("a", model, 1000 + seconds), look("a"))])
    assert (panel.x.ticks, near.x.ticks) == ((), (1, 2, 5)), "less than a factor of twenty"
    assert (panel.x.low, panel.x.high) == pytest.approx((0.9 * 1.999, 1100.0))
    assert panel.x.ticks == (), "three decades need no more than powers of ten"


@pytest.mark.parametrize(("spread_of", "log"), [(30.0, False), (31.0, True)])
def test_waiting_for_k_of_n_by_hand(spread_of: float, log: bool) -> None:
    rows = np.array([[3.0, 1.0], [1.0, 2 * spread_of - 3.0]])
    panel = delays.order_statistics(
        [(delays.Sample("a", MODELS["exponential"](rate=1.0), rows), look("a"))]
    )
    [curve] = panel.marks
    assert isinstance(curve, Curve)
    assert curve.x.tolist() == [0.5, 1.0]
    assert curve.y.tolist() == [1.0, spread_of]
    assert (panel.y.log, panel.y.low) == (log, None if log else 0.0)


@pytest.mark.parametrize(("slow", "log"), [(30.0, False), (30.5, True)])
def test_waiting_for_k_of_n_if_workers_were_not_slow_together(slow: float, log: bool) -> None:
    """All workers take 1 s in a round or all take so long: if that were mixed, each round would
    have both. The line for this lies beside the other, and the axis has room for it."""
    rows = np.tile(np.repeat([[1.0], [slow]], 20, axis=1), (25, 1))
    model = MODELS["markov"].examples()[0]
    assert not model.independent
    panel = delays.order_statistics([(delays.Sample("a", model, rows), look("a"))])
    together, apart = panel.marks
    assert isinstance(together, Curve)
    assert isinstance(apart, Curve)
    np.testing.assert_allclose(together.y, (1 + slow) / 2)
    assert (apart.y[0], apart.y[-1]) == (1.0, slow)
    assert float(apart.y.mean()) == pytest.approx((1 + slow) / 2)
    assert apart.x.tolist() == together.x.tolist()
    assert panel.y.log is log


# What matplotlib is told, mark by mark.


RED = look("erasurehead")


def painted(*marks: Any, **how: Any) -> Any:
    """The axes of a picture of one panel."""
    panel = Panel(how.pop("x", Axis("x")), how.pop("y", Axis("y")), list(marks), **how)
    (axes,) = paint.figure(Picture([panel], 1, 4.8, 3.0, legend=0)).axes[:1]
    return axes


@pytest.mark.parametrize(("count", "columns", "rows"), [(1, 1, 1), (4, 2, 2), (5, 3, 2), (3, 3, 1)])
def test_panels_stand_in_a_grid_and_share_their_labels(count: int, columns: int, rows: int) -> None:
    """The vertical one in the first column, the horizontal one where nothing like it is below."""
    panels = [Panel(Axis("t"), Axis("loss"), [Curve(RED, np.arange(3.0), np.arange(3.0))])] * count
    figure = paint.figure(Picture(panels, columns, 7.2, 3.0 * rows, "y", heading="all of it"))
    assert len(figure.axes) == count
    grid = figure.axes[0].get_subplotspec().get_gridspec()
    assert (grid.nrows, grid.ncols) == (rows, columns)
    for place, axes in enumerate(figure.axes):
        assert axes.get_ylabel() == ("loss" if place % columns == 0 else "")
        assert axes.get_xlabel() == ("t" if place + columns >= count else "")
    assert figure.get_suptitle() == "all of it"
    own = [replace(panel, x=Axis(f"t{place}")) for place, panel in enumerate(panels)]
    figure = paint.figure(Picture(own, columns, 7.2, 3.0 * rows, "y"))
    assert [axes.get_xlabel() for axes in figure.axes] == [f"t{place}" for place in range(count)]
    apart = paint.figure(Picture(panels, columns, 7.2, 3.0 * rows))
    assert {axes.get_ylabel() for axes in apart.axes} == {"loss"}


@pytest.mark.parametrize(("rows", "lines"), [(1, 0), (32, 31), (33, 0)])
def test_white_lines_keep_up_to_32_rows_of_shades_apart(rows: int, lines: int) -> None:
    axes = painted(Heat(np.ones((rows, 3)), "s"))
    between = [segment for each in axes.collections for segment in each.get_segments()]
    assert len(between) == lines
    assert [float(segment[0, 1]) for segment in between] == [row + 0.5 for row in range(lines)]
    assert axes.images[0].get_extent() == [-0.5, 2.5, rows - 0.5, -0.5]


@pytest.mark.parametrize(("most", "whole"), [(3.0, True), (3.5, False)])
def test_counts_have_whole_numbers_beside_their_shades(most: float, whole: bool) -> None:
    bar = painted(Heat(np.array([[1.0, np.nan], [2.0, most]]), "message")).images[0].colorbar
    assert bar is not None
    ticks = bar.get_ticks()
    assert all(tick % 1 == 0 for tick in ticks) == whole
    assert {1, 2, 3} <= {*ticks}


def test_a_line_has_eight_markers_or_those_that_it_names() -> None:
    x = np.arange(80.0)
    [line] = painted(Curve(RED, x, x)).lines
    assert line.get_markevery() == (5, 10)
    assert (line.get_linewidth(), line.get_drawstyle()) == (1.8, "default")
    [line] = painted(Curve(RED, x[:3], x[:3], marked=(2,), steps=True)).lines
    assert (line.get_markevery(), line.get_drawstyle()) == ([2], "steps-post")
    [line] = painted(Curve(RED, x[:3], x[:3])).lines
    assert line.get_markevery() == (0, 1)


@pytest.mark.parametrize("across", ["x", "y"])
def test_a_band_lies_along_its_own_axis(across: Literal["x", "y"]) -> None:
    x = np.arange(3.0)
    [band] = painted(Curve(RED, x, x, x - 1, x + 7, across=across)).collections
    box = band.get_paths()[0].get_extents()
    widths = (box.width, box.height)
    assert widths == ((2, 10) if across == "y" else (10, 2))


@pytest.mark.parametrize(
    ("marker", "ringed", "size", "edge", "width"),
    [
        ("P", False, 6.0, RED.colour, None),
        ("P", True, 8.0, "#222222", None),
        ("x", True, 8.0, RED.colour, 2.2),
        ("+", False, 6.0, RED.colour, 2.2),
    ],
)
def test_points_that_stand_out_have_a_ring_unless_they_are_strokes(
    marker: str, ringed: bool, size: float, edge: str, width: float | None
) -> None:
    points = Points(replace(RED, marker=marker), np.ones(1), np.ones(1), ringed=ringed)
    line = painted(points).containers[0].lines[0]
    assert (line.get_markersize(), line.get_markeredgecolor()) == (size, edge)
    assert width is None or line.get_markeredgewidth() == width
    small = replace(points, look=replace(RED, marker="x"), size=2.0)
    assert painted(small).containers[0].lines[0].get_markeredgewidth() == pytest.approx(0.8)


@pytest.mark.parametrize(("beneath", "order"), [(False, 3), (True, 2)])
def test_hollow_points_lie_above_unless_they_may_be_covered(beneath: bool, order: int) -> None:
    one = np.ones(1)
    [line] = painted(Points(RED, one, one, hollow=True, beneath=beneath, size=5.0)).lines
    assert (line.get_zorder(), line.get_markersize()) == (order, 5.0)
    assert line.get_markerfacecolor() == "white"
    assert not line.get_clip_on(), "one at the edge is whole"
    assert painted(Points(RED, hollow=True)).lines[0].get_clip_on(), "an entry of the legend alone"


def test_a_bar_takes_a_part_of_its_row() -> None:
    bars = Bars(
        Fill("#56B4E9", "//", "b", height=0.5), np.array([2.0]), np.zeros(1), np.array([3.0])
    )
    [drawn] = painted(bars).collections
    box = drawn.get_paths()[0].get_extents()
    assert (box.x0, box.x1, box.y0, box.y1) == (0.0, 3.0, 1.75, 2.25)
    assert drawn.get_hatch() == "//"
    [outline] = painted(replace(bars, fill=replace(bars.fill, outline=True))).collections
    assert outline.get_linewidth()[0] == 1.6
    assert len(outline.get_facecolor()) == 0


def test_names_on_an_axis_and_the_strong_ones_in_red() -> None:
    y = Axis("y", low=0.0, high=4.0, names=("a", "b"), places=(1.0, 3.0), strong=frozenset({3.0}))
    axes = painted(Curve(RED, np.arange(3.0), np.arange(3.0)), y=y, remark="mind", grid=False)
    assert [text.get_text() for text in axes.get_yticklabels()] == ["a", "b"]
    assert axes.get_yticks().tolist() == [1.0, 3.0]
    assert axes.get_ylim() == (0.0, 4.0)
    assert [text.get_color() == paint.STRONG_COLOUR for text in axes.get_yticklabels()] == [
        False,
        True,
    ]
    assert [text.get_text() for text in axes.texts] == ["mind"]
    counted = painted(Curve(RED, np.arange(3.0), np.arange(3.0)), y=Axis("y", names=("a", "b")))
    assert counted.get_yticks().tolist() == [0, 1]
    low = painted(Curve(RED, np.arange(3.0), np.arange(3.0)), y=Axis("y", low=-5.0))
    assert low.get_ylim()[0] == -5.0 < low.get_ylim()[1]


def test_one_logarithmic_panel_makes_all_so_where_they_are_compared() -> None:
    x = np.array([1.0, 10.0, 50.0])
    panels = [Panel(Axis("t", log=log), Axis("y"), [Curve(RED, x, x)]) for log in (False, True)]
    for share, scales in (("y", {"log"}), ("", {"linear", "log"})):
        figure = paint.figure(Picture(panels, 2, 7.2, 3.0, share))  # type: ignore[arg-type]
        assert {axes.get_xscale() for axes in figure.axes} == scales
    ends = [(0.0, 3.0), (-1.0, 2.0)]
    reached = [Panel(Axis("t"), Axis("y", low=a, high=b), []) for a, b in ends]
    figure = paint.figure(Picture(reached, 2, 7.2, 3.0, "y"))
    assert {axes.get_ylim() for axes in figure.axes} == {(-1.0, 3.0)}
    turned = [Panel(Axis("t"), Axis("y", low=b, high=a), []) for a, b in ends]
    figure = paint.figure(Picture(turned, 2, 7.2, 3.0, "y"))
    assert {axes.get_ylim() for axes in figure.axes} == {(3.0, -1.0)}


def test_the_last_entries_of_a_legend_stand_at_its_end() -> None:
    looks = [replace(RED, title=title) for title in ("note", "a", "b")]
    curves = [Curve(own, np.arange(3.0), np.arange(3.0)) for own in looks]
    picture = Picture([Panel(Axis("x"), Axis("y"), curves)] * 2, 2, 7.2, 3.0, last=("note", "gone"))
    [legend] = paint.figure(picture).legends
    assert [text.get_text() for text in legend.get_texts()] == ["a", "b", "note"]
    assert legend._ncols == 3
    assert not paint.figure(replace(picture, legend=0)).legends


# The parts of what a run wrote.


@pytest.mark.parametrize(
    ("points", "shown", "left_out"), [(1, 1, 0), (9, 9, 0), (10, 9, 1), (12, 9, 3)]
)
def test_nine_points_of_a_sweep_are_shown(points: int, shown: int, left_out: int) -> None:
    records = swept({"delay.rate": [*range(points)]}, "ab")
    parts = records.points()
    titles = [f"delay.rate = {rate}" for rate in range(shown)]
    assert [part.title for part in parts] == (titles if points > 1 else [""])
    assert {part.left_out for part in parts} == {left_out}
    for rate, part in enumerate(parts):
        assert part.summary["delay.rate"].tolist() == [rate, rate]
        assert part.iterations["cell"].tolist() == [f"{rate}a", f"{rate}b"]
    titled = replace(records, title="measured on real workers", live=True).points()
    assert titled[0].title == "\n".join(["measured on real workers", *titles[: points > 1]])
    assert titled[0].clock == "measured time (s)"
    assert parts[0].clock == "simulated time (s)"


GAMMA = {"model": "scaled", "by": 2, "base": {"model": "gamma", "shape": 2.0}}


@pytest.mark.parametrize(
    ("key", "values", "wanted", "texts"),
    [
        ("seed", [1000001, 1000002], 1000002, ["1000001", "1000002"]),
        ("delay.rate", [1.00000001, 1.00000002], "1.00000002", ["1 (1)", "1 (2)"]),
        ("network.bandwidth", [1e6, None], None, ["1e+06", "null"]),
        ("network.bandwidth", [1e6, None], "null", ["1e+06", "null"]),
        (
            "delay",
            [json.dumps({**GAMMA, "base": "exponential"}), json.dumps(GAMMA)],
            {**GAMMA, "by": 2.0},
            ["scaled, by = 2, base = exponential", "scaled, by = 2"],
        ),
        (
            "delay",
            [json.dumps(GAMMA | {"base": {"shape": shape}}) for shape in (1, 2)],
            "scaled, by = 2 (2)",
            ["scaled, by = 2 (1)", "scaled, by = 2 (2)"],
        ),
    ],
)
def test_points_that_read_alike_are_points_of_their_own(
    key: str, values: list[Any], wanted: Any, texts: list[str]
) -> None:
    """A panel and a mark for each, and ``where`` takes the one that is meant."""
    records = swept({key: values})
    assert [part.title for part in records.points()] == [f"{key} = {text}" for text in texts]
    part = records.where({key: wanted})
    assert part.summary["cell"].tolist() == ["1a"]
    assert part.title == f"{key} = {texts[1]}"
    marks = [mark for mark in against(records).marks if isinstance(mark, Points) and len(mark.x)]
    assert [(len({*mark.x}), mark.y.tolist()) for mark in marks] == [(2, [1.0, 2.0])]


def test_a_part_has_the_timeline_and_the_delays_of_its_own_points() -> None:
    """The timeline is that of the first point, so a part without that has none."""
    config = {"workers": 6, "iterations": 2, "schemes": [{"name": "uncoded"}], "replications": 1}
    config |= {"delay": {"model": "exponential", "rate": 1.0}, "sweep": {"delay.rate": [1, 5]}}
    spans = pd.DataFrame({"label": ["a", "b"], "worker": 0})
    records = replace(swept({"delay.rate": [1, 5]}, "ab"), timeline=spans, config=config)
    first, second = (records.where({"delay.rate": rate}) for rate in (1, 5))
    kind = PICTURE_KINDS["gantt"]
    assert (kind.obstacle(first), first.timeline.to_dict()) == (None, spans.to_dict())
    assert "of the sweep's first point, which is not in this part" in str(kind.obstacle(second))
    assert [sample.title for sample in samples(second, delays=1)[0]] == ["exponential, rate = 5"]
    assert [sample.title for sample in samples(records, delays=1)[0]] == ["rate = 1", "rate = 5"]


def test_fields_of_a_scheme_make_no_points_and_several_keys_a_line_each() -> None:
    records = swept({"scheme.load": [1, 2], "delay.rate": [1.5, 2.0], "schemes.uncoded.x": [7, 8]})
    assert records.swept() == ["delay.rate", "schemes.uncoded.x"]
    assert [part.title for part in records.points()] == [
        "delay.rate = 1.5\nuncoded.x = 7",
        "delay.rate = 1.5\nuncoded.x = 8",
        "delay.rate = 2\nuncoded.x = 7",
        "delay.rate = 2\nuncoded.x = 8",
    ]
    plain = swept({"scheme.load": [1, 2]})
    assert [part.title for part in plain.points()] == [""]
    live = replace(plain, title="measured on real workers")
    assert [part.title for part in live.points()] == ["measured on real workers"], "in one line"


def test_a_scheme_is_picked_by_label_or_name() -> None:
    records = swept(
        {"seed": [1]}, "ab", scheme=lambda _, label: {"a": "uncoded", "b": "window"}[label]
    )
    workers = records.summary[["cell", "scheme", "label"]].assign(worker=0)
    records = replace(records, workers=workers)
    for names, labels in ((None, "ab"), (["a"], "a"), (["window"], "b"), (["b", "uncoded"], "ab")):
        part = records.only(names)
        assert part.labels() == [(x, {"a": "uncoded", "b": "window"}[x]) for x in labels]
        for table in (part.iterations, part.summary, part.workers):
            assert table is not None
            assert table["label"].tolist() == [*labels]
        assert part.timeline is None
    with pytest.raises(ConfigError, match="schemes = 'c': must be one of: a, b, uncoded, window"):
        records.only(["a", "c"])


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (2.0, "2"),
        (0.123456789, "0.123457"),
        (3, "3"),
        (True, "True"),
        ("a", "a"),
        ({"model": "gamma", "shape": 2.0, "scale": 0.5}, "gamma, shape = 2, scale = 0.5"),
        ({"model": "scaled", "by": 2, "base": {"model": "gamma"}}, "scaled, by = 2"),
        ({"bandwidth": 1e6}, "..., bandwidth = 1e+06"),
        ('{"model": "gamma", "shape": [1]}', "gamma"),
        ("{no json", "{no json"),
    ],
)
def test_a_value_of_a_config_in_a_title(value: Any, text: str) -> None:
    assert short_text(value) == text


def test_nothing_is_left_out_of_a_run(directories: dict[str, Path]) -> None:
    """Catches a heading that says so."""
    assert read(directories["training"]).left_out == 0
    assert figure_of("iteration_time", read(directories["training"])).get_suptitle() == ""


@pytest.mark.parametrize(("most", "labelled"), [(41.0, True), (42.0, False)])
def test_axes_that_become_logarithmic_are_labelled_between_powers_where_they_are_short(
    most: float, labelled: bool
) -> None:
    """Below sixty times, a twentieth of room on either side included; powers of ten are enough
    beyond."""
    curve = Curve(look("uncoded"), np.array([1.0, most]), np.array([0.0, 1.0]))
    panels = [Panel(Axis("a", log=log), Axis("b"), [curve]) for log in (True, False)]
    _, second = paint.figure(Picture(panels, 2, 7.2, 3.0, share="y")).axes
    assert second.get_xscale() == "log"
    ticks = second.xaxis.get_major_locator().tick_values(1.0, most)
    assert (2.0 in ticks) == labelled


def test_delays_that_cannot_be_built_are_no_picture() -> None:
    """Nor those of nobody knows which config; the others are drawn."""
    kind, none = PICTURE_KINDS["delays"], Records(pd.DataFrame(), pd.DataFrame())
    assert kind.obstacle(none) == "there is no config.yaml"
    own = {"workers": 3, "iterations": 2, "replications": 1, "schemes": [{"name": "uncoded"}]}
    bad = replace(none, config={**own, "delay": {"model": "trace", "path": "gone.csv"}})
    assert str(kind.obstacle(bad)).startswith("config.yaml: ")
    good = replace(none, config={**own, "delay": {"model": "exponential", "rate": 1.0}})
    assert kind.obstacle(good) is None
