"""The public functions and what they return."""

from __future__ import annotations

import copy
import inspect
import os
import re
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
import pytest
import yaml
from matplotlib import pyplot
from pandas.testing import assert_frame_equal

import erasurehead as eh
from erasurehead import delays, schemes
from erasurehead.api import running
from tests.golden.records import require_recorded
from tests.tools import SMALL, agg, inside, notebook_html

# ``run``, ``sweep`` and ``load`` from Python.


ROOT = Path(__file__).parents[2]
EXPONENTIAL = {"model": "exponential", "rate": 0.2}


@pytest.fixture(scope="session")
def result() -> eh.Result:
    return eh.run(SMALL, progress=False)


@pytest.fixture
def screenless() -> Iterator[None]:
    with agg():
        yield


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_run_without_output_leaves_nothing_behind(files: Path) -> None:
    result = eh.run(SMALL, progress=False)
    assert result.directory is None
    assert not list(files.iterdir())
    assert list(result.summary["scheme"]) == ["uncoded", "erasurehead"]
    assert len(result.iterations) == 2 * 3 * 9
    assert len(result.workers) == 2 * 6
    assert result.config["delay"] == {"model": "exponential", "rate": 2.0}


def test_a_file_a_mapping_and_what_was_written_are_the_same(files: Path, result: eh.Result) -> None:
    Path("small.yaml").write_text(yaml.safe_dump(SMALL))
    written = eh.run("small.yaml", output="out", progress=False)
    assert written.directory == Path("out")
    for other in (written, eh.load("out"), eh.run(result.config, progress=False)):
        for name in ("summary", "iterations", "workers"):
            assert_frame_equal(getattr(other, name), getattr(result, name))
        assert other.config == result.config


@pytest.mark.parametrize(
    "given",
    [
        {"sweep": {"target_loss": [None, 0.6], "delay.rate": [1, 2.5]}},
        {
            "sweep": {
                "load_law": [
                    {"kind": "proportional"},
                    {"kind": "additive", "seconds_per_partition": 1.0},
                ]
            }
        },
        {"failures": {"time_to_failure": EXPONENTIAL, "time_to_repair": EXPONENTIAL}},
        {"schemes": [{"name": "asynchronous"}, {"name": "uncoded"}], "replications": 1},
        {"problem": None, "record": "clock"},
    ],
    ids=["null", "sections", "failures", "staleness", "clock"],
)
def test_in_memory_is_what_a_folder_would_hold(files: Path, given: dict[str, Any]) -> None:
    """To the kinds of the columns, which those of a written table change; with its timeline."""
    traced = "sweep" not in given
    mine = eh.run(SMALL | given, timeline=traced, progress=False)
    other = eh.run(SMALL | given, timeline=traced, progress=False, output="out")
    assert mine.config == other.config
    for name in ("summary", "iterations", *(["workers"] if "record" not in given else [])):
        assert_frame_equal(getattr(mine, name), getattr(other, name), check_exact=True)
    assert repr(mine.plot) == repr(other.plot)
    assert (".gantt()" in repr(mine.plot)) == traced


def test_the_config_that_was_given_stays_as_it_was() -> None:
    given = copy.deepcopy(SMALL) | {"sweep": {"seed": [0, 1]}}
    before = copy.deepcopy(given)
    changed = eh.run(given, set={"delay.rate": 1.0, "seed": 5}, progress=False)
    assert given == before
    assert changed.config["delay"]["rate"] == 1.0
    assert len(changed.summary) == 2  # a set value replaces the axis
    assert changed.config["seed"] == 5


@pytest.mark.filterwarnings("ignore:replications = ")
def test_a_relative_path_starts_from_the_working_directory(files: Path) -> None:
    rounds = 1 + np.random.default_rng(0).random((9, 6))
    np.savetxt("delays.csv", rounds, delimiter=",")
    delay = {"model": "trace", "path": Path("delays.csv")}
    found = eh.run(SMALL | {"delay": delay}, output="deep/out", progress=False)
    assert found.config["delay"]["path"] == str(files / "delays.csv")
    changed = eh.run(SMALL, set={"delay": delay}, progress=False)
    assert changed.config["delay"] == found.config["delay"]
    eh.run("deep/out/config.yaml", progress=False)


def test_numbers_and_lists_may_be_those_of_numpy() -> None:
    given = SMALL | {"workers": np.int64(6), "schemes": tuple(SMALL["schemes"])}
    found = eh.sweep(
        given, set={"delay.rate": np.array([1.0, 2.0]), "seed": range(2)}, progress=False
    )
    points = found.summary[["delay.rate", "seed"]].drop_duplicates()
    assert points.to_numpy().tolist() == [[1.0, 0], [1.0, 1], [2.0, 0], [2.0, 1]]


def test_hosts_that_are_left_out_are_told() -> None:
    """Of a law for each host; the slow one may be among them. Three workers take all three."""
    delay = {"model": "heterogeneous", "factors": [1.0, 1.0, 9.0], "base": SMALL["delay"]}
    small = {"workers": 2, "delay": delay, "schemes": [{"name": "uncoded"}]}
    text = r"^delay: the first 2 of 3 hosts; workers = 3 has them"
    with pytest.warns(UserWarning, match=text) as said:
        eh.run(SMALL | small, progress=False)
    assert said[0].filename == __file__
    eh.run(SMALL | small | {"workers": 3}, progress=False)
    law = delays.Heterogeneous(factors=(1.0, 1.0, 9.0), base=delays.Exponential(rate=1.0))
    with pytest.warns(UserWarning, match=text) as said:
        eh.simulate(schemes.Uncoded(), law, workers=2)
    assert said[0].filename == __file__


def test_points_that_differ_in_their_target_are_computed_once(tmp_path: Path) -> None:
    """Each has the time to its own."""
    targets = [0.6, 0.5]
    found = eh.sweep(SMALL, set={"target_loss": targets}, output=tmp_path, progress=False).summary
    assert len(list((tmp_path / "cells").iterdir())) * 2 == len(found)
    for target, rows in found.groupby("target_loss"):
        alone = eh.run(SMALL, set={"target_loss": target}, progress=False).summary
        for column in ("time_to_target_mean", "target_reached"):
            np.testing.assert_array_equal(rows[column], alone[column])


def test_a_list_in_another_list_is_one_value() -> None:
    values = [{"name": "uncoded"}, {"name": "ignore_stragglers", "wait_for": 3}]
    found = eh.sweep(SMALL, set={"schemes": [values], "seed": 1}, progress=False)
    assert list(found.summary["scheme"]) == ["uncoded", "ignore_stragglers"]
    (value,) = found.config["sweep"].values()
    assert value == [values]


def test_a_mistake_is_one_line() -> None:
    with pytest.raises(eh.ConfigError, match="must be greater than 0") as info:
        eh.run(SMALL, set={"delay.rate": -1.0})
    assert "\n" not in str(info.value)
    with pytest.raises(eh.ConfigError, match=r"^nowhere.yaml: no such file$"):
        eh.run("nowhere.yaml")
    with pytest.raises(eh.ConfigError, match="nowhere: no such directory"):
        eh.load("nowhere")


def test_a_mistake_shows_the_line_that_made_it(result: eh.Result) -> None:
    """And one of ours: not the ten between, which a user cannot mend."""
    calls: list[Callable[[], Any]] = [
        lambda: eh.run(SMALL, set={"delay.rate": -1.0}),
        lambda: eh.sweep("nowhere.yaml"),
        lambda: eh.load("nowhere"),
        lambda: eh.fit("nowhere.csv"),
        lambda: eh.read_table([[1.0, -1.0]]),
        lambda: result.plot.loss_time(schemes="uncode"),
        lambda: result.plot.gantt(),
        lambda: bare.workers,  # a property
    ]
    bare = eh.Result(None, {}, replace(result._records, workers=None))
    for call in calls:
        with pytest.raises(eh.ConfigError) as info:
            call()
        shown = traceback.extract_tb(info.tb)
        assert [frame.filename == __file__ for frame in shown] == [True, True, False]
        assert info.value.__suppress_context__
    assert "schemes" in inspect.signature(result.plot.loss_time).parameters


def test_a_folder_without_a_result_is_none(files: Path) -> None:
    with pytest.raises(eh.ConfigError, match="the output of a run"):
        eh.load(files)


def test_large_tables_are_read_when_they_are_asked_for(files: Path) -> None:
    eh.run(SMALL, output="out", progress=False)
    loaded = eh.load("out")
    Path("out/iterations.parquet").write_bytes(b"damaged")
    assert repr(loaded) == "<Result small: 2 cells; 6 workers, 8 iterations, in out>"
    assert len(loaded.summary) == 2
    with pytest.raises(eh.ConfigError, match=r"iterations.parquet: cannot be read"):
        loaded.iterations  # noqa: B018


def test_cells_that_cannot_be_computed_are_named() -> None:
    with pytest.warns(UserWarning, match="^1 cell could not be computed .*must divide") as said:
        found = eh.sweep(SMALL, set={"schemes.erasurehead.load": [2, 4]}, progress=False)
    assert said[0].filename == __file__  # it points at the caller
    ((name, reason),) = found.failed.items()
    assert name.endswith("[schemes.erasurehead.load=4]")
    assert "must divide workers = 6" in reason
    assert len(found.summary) == 3
    assert "3 cells, 1 failed" in repr(found)


def test_where_nothing_can_be_computed_there_is_no_result() -> None:
    """One line with the first reason, and no warning besides: all workers die."""
    dying = {"failures": {"time_to_failure": {"model": "deterministic", "value": 0.1}}}
    dying["schemes"] = [{"name": "uncoded", "label": label} for label in ("one", "two")]  # type: ignore[assignment]
    said = r"^no cell could be computed; one: iteration 1 can never end: .* 6 workers: 0, 1, 2, 3,"
    with pytest.raises(eh.ConfigError, match=said):
        eh.run(SMALL | dying, progress=False)


def test_cells_that_cannot_be_computed_are_told_later_as_well(files: Path) -> None:
    """By the folder alone: ``load``, the report and the line that counts cells."""
    (files / "small.yaml").write_text(yaml.safe_dump(SMALL))
    done = inside("sweep", "small.yaml", "--set", "schemes.erasurehead.load=2,4", "--output", "out")
    assert done.returncode == 1
    assert "computed, 3 of 4 in all" in done.stdout
    ((name, reason),) = eh.load("out").failed.items()
    assert name.endswith("[schemes.erasurehead.load=4]")
    assert inside("report", "out").returncode == 0
    page = " ".join(Path("out/report.html").read_text().split())
    assert re.search(rf"not computed: {re.escape(name)}: .*{re.escape(reason[-20:])}", page, re.I)


def test_progress_can_be_a_function() -> None:
    seen: list[tuple[int, int]] = []
    eh.run(SMALL, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(0, 2), (1, 2), (2, 2)]
    assert {type(count) for told in seen for count in told} == {int}


@pytest.mark.parametrize(("output", "said"), [("half", "are in half; the"), (None, "nothing is")])
def test_ctrl_c_says_what_is_kept(output: str | None, said: str) -> None:
    def stop(done: int, total: int) -> None:
        if done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as stopped:
        eh.run(SMALL, output=output, progress=stop)
    assert said in stopped.value.__notes__[0]


def test_a_result_is_frozen(result: eh.Result) -> None:
    with pytest.raises(AttributeError):
        result.directory = Path()  # type: ignore[misc]


def test_a_result_says_what_it_is(result: eh.Result) -> None:
    assert repr(result) == "<Result small: 2 cells; 6 workers, 8 iterations, in memory>"


def test_html_shows_the_main_columns_and_is_escaped() -> None:
    schemes: list[Any] = [{"name": "uncoded", "label": "<b>all & sundry</b>"}]
    html = notebook_html(eh.run(SMALL | {"schemes": schemes}, progress=False))
    assert "&lt;b&gt;all &amp; sundry&lt;/b&gt;" in html
    assert "<b>" not in html
    assert "border=" not in html
    assert "s / iteration" in html
    assert " ± " in html


def test_html_shows_no_rounding() -> None:
    """A cyclic code is exact: its error is 0, not some 1e-25."""
    schemes: list[Any] = [{"name": "cyclic_repetition", "load": 3}]
    found = eh.run(SMALL | {"schemes": schemes}, progress=False)
    assert 0 < found.summary["decoding_error_mean"].iloc[0] < 1e-12
    assert "e-" not in re.sub(r"± [0-9.e-]+", "", notebook_html(found))


def test_html_of_a_sweep_shows_the_points() -> None:
    found = eh.sweep(SMALL, set={"workers": [4, 6], "delay.rate": [1.0, 2.0]}, progress=False)
    html = notebook_html(found)
    assert "<th>workers</th>" in html
    assert "<th>delay.rate</th>" in html
    assert "8 cells; 4 to 6 workers, 8 iterations" in html


SCRIPT = """
import erasurehead as eh
found = eh.sweep("small.yaml", set={"seed": [0, 1]}, jobs=2)
print(len(found.summary))
"""


@pytest.mark.slow
def test_two_jobs_need_no_main_guard(files: Path) -> None:
    """A script that calls ``sweep`` at its top level must not run itself once more."""
    Path("small.yaml").write_text(yaml.safe_dump(SMALL))
    Path("script.py").write_text(SCRIPT)
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "script.py"], env=environment, capture_output=True, text=True
    )
    assert done.stdout == "4\n", done.stderr
    assert not done.stderr


@pytest.mark.parametrize("jobs", [0, -1, True])
def test_jobs_are_counted_from_one(jobs: int) -> None:
    with pytest.raises(eh.ConfigError, match=r"jobs = .*: must be a whole number of at least 1"):
        eh.run({"workers": 2}, jobs=jobs)


# ``fit`` from Python.


SECONDS = np.random.default_rng(1).gamma(3.0, 0.2, size=(40, 6))


@pytest.fixture(scope="module")
def fitted() -> eh.Fitted:
    return eh.fit(SECONDS, progress=False)


def long(load: bool) -> pd.DataFrame:
    table = pd.DataFrame(SECONDS).rename_axis(index="round").reset_index()
    table = table.melt("round", var_name="worker", value_name="seconds")
    return table.assign(load=2.0) if load else table


def test_a_file_an_array_and_frames_are_the_same(tmp_path: Path, fitted: eh.Fitted) -> None:
    file = tmp_path / "delays.csv"
    pd.DataFrame(SECONDS).to_csv(file, index=False)
    assert eh.fit(file, progress=False).delay == fitted.delay
    for table in (str(file), pd.DataFrame(SECONDS), long(load=False), SECONDS.tolist()):
        np.testing.assert_array_equal(eh.read_table(table, unit="s").tables[None], SECONDS)


def test_a_table_says_how_it_is_read(tmp_path: Path) -> None:
    file = tmp_path / "delays.csv"
    pd.DataFrame(1000 * SECONDS, columns=[*"abcdef"]).to_csv(file, index=False)
    found = eh.read_table(file, unit="ms", rows="1:30", drop=["b"])
    np.testing.assert_allclose(found.tables[None], SECONDS[:30, [0, 2, 3, 4, 5]])
    assert [*found.tables[None].columns] == [*"acdef"]
    assert found.notes == ("All columns are workers', by no common pattern: a, c, d, e, f.",)
    assert found.lines[0] == (
        "read as 30 rounds of 5 workers, one column a worker; times in milliseconds, as unit says"
    )
    (assumed,) = eh.read_table(pd.DataFrame(SECONDS)).notes
    assert assumed.startswith("No unit is said: read as seconds, typically 0.5")
    with pytest.raises(
        eh.ConfigError, match=r"says no unit .* say with unit what they are, s, ms, us or ns"
    ):
        eh.read_table(file)
    measured = eh.read_table(
        long(load=True).assign(worker="w" + long(load=True).worker.astype(str))
    )
    assert [*measured.tables] == [2.0]
    assert [*measured.tables[2.0].columns] == [f"w{j}" for j in range(6)]


def test_more_workers_than_rounds_may_be_a_table_on_its_side() -> None:
    wide = np.random.default_rng(2).gamma(3.0, 0.2, size=(4, 40))
    turned = "4 rounds of 40 workers: if rows are workers, transpose the table, or say "
    for table in (wide, pd.DataFrame(wide)):
        found = eh.read_table(table, unit="s")
        assert found.notes == (turned + 'columns={"worker": ""}.',)
        assert turned + 'columns={"worker": ""}' in found.lines
        other = eh.read_table(table, unit="s", columns={"worker": ""})
        np.testing.assert_array_equal(other.tables[None], wide.T)
        assert other.notes == ()
    named = pd.DataFrame(wide).add_prefix("node")
    for table in (named, wide[:, :15], wide[:1]):  # it says who is who; not four times as many; one
        assert eh.read_table(table, unit="s").notes == ()
    assert eh.read_table(wide[:, :16], unit="s").notes[0].startswith("4 rounds of 16 workers: if")


def test_what_is_assumed_of_a_table_is_a_warning() -> None:
    assumed, law = eh.fit(pd.DataFrame(SECONDS), progress=False).warnings
    assert assumed.startswith("the table: no unit is said: read as seconds, ")
    assert assumed.endswith('; unit="ms" if not')
    assert law == "the table: one load, so the load law is assumed: proportional"


def test_its_config_runs(fitted: eh.Fitted) -> None:
    found = eh.run(fitted.config, set={"replications": 2}, progress=False)
    assert found.config["delay"]["model"] == fitted.delay["model"]
    assert found.config["workers"] == 6


def test_it_has_tables_report_and_pictures(
    fitted: eh.Fitted, tmp_path: Path, screenless: None
) -> None:
    assert fitted.table["rank_order"].iloc[0] == 1
    assert set(fitted.order_statistics["k"]) == {3, 4, 5, 6}
    assert fitted.report.startswith("# fit: the table")
    assert "40 rounds of 6 workers, one column a worker; times in seconds\n" in fitted.report
    assert "- `eh.run(fitted.config)` simulates these workers" in fitted.report
    for of_files in (
        "--unit",
        "delay.yaml",
        "'the table'",
        "In the folder",
        "whatif",
        "![",
        "Left:",
    ):
        assert of_files not in fitted.report
    assert "## Workers" not in fitted.report, "none stands out"
    slow = replace(fitted)
    workers = fitted.workers.assign(stands_out=fitted.workers["host"] == "3")
    slow.__dict__["_tables"] = {**fitted._tables, "workers": workers}
    rows = slow.report.partition("## Workers")[2].partition("\n## ")[0].splitlines()
    assert [line.split()[1] for line in rows if line.startswith("| ")] == ["worker", "3"]
    quantiles, orders = fitted.plot.quantiles(), fitted.plot.order_statistics()
    assert quantiles.has_data()
    assert repr(fitted.plot) == "<Plots: .quantiles(), .order_statistics()>", "not its whole page"
    assert len(orders.figure.axes) == 2
    assert orders is orders.figure.axes[0]
    assert quantiles.get_ylabel() != orders.get_ylabel(), "each draws its own chart"
    saved = fitted.save(tmp_path)
    assert (tmp_path / "delay.yaml") in saved
    assert all(path.is_file() for path in saved)


def test_order_statistics_can_be_chosen() -> None:
    fitted = eh.fit(SECONDS, k_range=(2, 3), progress=False)
    assert set(fitted.order_statistics["k"]) == {2, 3}
    with pytest.raises(eh.ConfigError, match="k_range = '2:9': must be A:B"):
        eh.fit(SECONDS, k_range=(2, 9))
    with pytest.raises(eh.ConfigError, match=r"^k-range\.csv: "):
        eh.fit("k-range.csv")


def test_a_load_is_picked() -> None:
    fitted = eh.fit(long(load=True), load=2.0, progress=False)
    assert eh.fit(long(load=True), load="2", progress=False).config == fitted.config  # type: ignore[typeddict-item]
    assert [*eh.read_table(long(load=True), load="2").tables] == [2.0]  # type: ignore[typeddict-item]
    with pytest.raises(eh.ConfigError, match=r"^load = 3.0: must be one of \[2.0\]"):
        eh.fit(long(load=True), load=3.0)


def test_a_bad_table_is_one_line() -> None:
    bad = SECONDS.copy()
    bad[3, 2] = -1.0
    for table in (bad, pd.DataFrame(bad)):
        with pytest.raises(eh.ConfigError, match=r"^the table: the delay of round 3, worker 2 is"):
            eh.fit(table)
    named = pd.DataFrame(bad, index=pd.RangeIndex(48200, 48200 + len(bad), name="step"))
    with pytest.raises(eh.ConfigError, match=r"^the table: the delay of round 48203, worker 2 is"):
        eh.fit(named)
    with pytest.raises(eh.ConfigError, match=r"^the table: "):
        eh.fit(np.array([["a", "b"]]))  # type: ignore[arg-type]


@pytest.mark.golden
def test_it_says_what_it_is(fitted: eh.Fitted) -> None:
    assert repr(fitted).startswith("<Fitted the table: 40 rounds of 6 workers, delay model ")
    assert "<pre>delay:" in notebook_html(fitted)
    require_recorded("fit/api", {"text": repr(fitted), "html": notebook_html(fitted)})


# The bar in a notebook.


class Display:
    """What IPython shows: the HTML of one place, as it changes."""

    def __init__(self) -> None:
        self.shown: list[str] = []

    def update(self, html: str) -> None:
        self.shown.append(html)


@pytest.fixture
def display(monkeypatch: pytest.MonkeyPatch) -> Display:
    """A Jupyter kernel."""
    place = Display()
    ipython, module = ModuleType("IPython"), ModuleType("IPython.display")

    def show(html: str, display_id: bool) -> Display:
        assert display_id
        place.update(html)
        return place

    ipython.get_ipython = lambda: SimpleNamespace(kernel=object())  # type: ignore[attr-defined]
    module.HTML, module.display = str, show  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", module)
    return place


def test_a_notebook_gets_a_bar_that_ends_full(
    display: Display, capsys: pytest.CaptureFixture[str]
) -> None:
    eh.run(SMALL)
    assert 'value="0" max="2"' in display.shown[0]
    assert 'value="2" max="2"' in display.shown[-1]
    assert capsys.readouterr() == ("", "")


def test_no_bar_where_none_is_wanted(display: Display) -> None:
    eh.run(SMALL, progress=False)
    assert not display.shown


def test_no_bar_where_the_config_is_bad(display: Display) -> None:
    with pytest.raises(eh.ConfigError):
        eh.run(SMALL, set={"workers": 0})
    assert not display.shown


def test_a_script_has_no_bar_of_html(capsys: pytest.CaptureFixture[str]) -> None:
    eh.run(SMALL)
    assert "<progress" not in "".join(capsys.readouterr())


# Pictures on axes.


pytestmark = pytest.mark.usefixtures("screenless")

KINDS = ("loss_time", "loss_iteration", "iteration_time", "tradeoff", "utilisation")


@pytest.fixture(scope="module")
def swept() -> eh.Result:
    return eh.sweep(SMALL, set={"delay.rate": [1.0, 2.0]}, progress=False)


@pytest.mark.golden
@pytest.mark.parametrize("kind", KINDS)
def test_a_picture_goes_into_the_axes_that_are_given(result: eh.Result, kind: str) -> None:
    figure, (left, right) = pyplot.subplots(1, 2)
    assert getattr(result.plot, kind)(ax=right) is right
    if kind in ("loss_time", "utilisation"):
        getattr(result.plot, kind)(ax=right)
        require_recorded("pictures/axes", {kind: figure}, drawn=True)
    assert right.has_data()
    assert right.get_xlabel()
    assert not left.has_data()
    assert pyplot.get_fignums() == [figure.number]


@pytest.mark.one_in(3)
@pytest.mark.parametrize("kind", [*KINDS, "workers", "delays"])
def test_without_axes_pyplot_has_a_new_figure(result: eh.Result, kind: str) -> None:
    axes = getattr(result.plot, kind)()
    assert pyplot.gcf() is axes.figure
    axes.figure.canvas.draw()


@pytest.mark.parametrize("kind", ["against", "loss_time", "tradeoff"])
def test_a_legend_has_one_order(result: eh.Result, swept: eh.Result, kind: str) -> None:
    """Schemes first, in axes of one's own as in a new figure."""
    plot = (swept if kind == "against" else result).plot
    [own] = getattr(plot, kind)(ax=pyplot.subplots()[1]).figure.legends
    [new] = getattr(plot, kind)().figure.legends
    texts = [[text.get_text() for text in legend.get_texts()] for legend in (own, new)]
    assert texts[0] == texts[1]
    assert texts[0][:2] == ["uncoded", "ErasureHead (d = 2, r = 3)"]


def test_matplotlib_keeps_its_settings(result: eh.Result) -> None:
    with matplotlib.rc_context({"axes.grid": False, "font.size": 17.0}):
        before = dict(matplotlib.rcParams)
        result.plot.loss_time()
        result.plot.loss_time(pyplot.subplots()[1])
        assert dict(matplotlib.rcParams) == before


def test_a_legend_is_left_out(result: eh.Result) -> None:
    """Also of a new figure; axes that stay as they are get no layout engine."""
    own = pyplot.subplots()[1]
    assert result.plot.utilisation(own, legend=False).figure.legends == []
    assert own.get_figure(root=True).get_layout_engine() is None
    assert result.plot.loss_time(legend=False).figure.legends == []
    assert len(result.plot.loss_time().figure.legends) == 1


@pytest.mark.parametrize(
    ("wrong", "shown"),
    [
        (lambda: pyplot.subplots(1, 2)[1], "'2 Axes': must be one"),
        (lambda: pyplot.subplots(2, 2)[1], "'4 Axes': must be one"),
        (lambda: pyplot.figure(), "<Figure size .*>: must be one matplotlib Axes, or an array of "),
    ],
)
def test_axes_of_ones_own_are_one(result: eh.Result, wrong: Callable[[], Any], shown: str) -> None:
    with pytest.raises(eh.ConfigError, match=rf"^ax = {shown}"):
        result.plot.loss_time(wrong())


@pytest.mark.parametrize("schemes", ["erasurehead", ["erasurehead load=2 wait_for=3"]])
def test_schemes_are_picked_by_name_or_label(result: eh.Result, schemes: str | list[str]) -> None:
    axes = result.plot.loss_time(pyplot.subplots()[1], schemes=schemes)
    names = [text.get_text() for text in axes.figure.legends[0].get_texts()]
    assert names == ["ErasureHead (d = 2, r = 3)", "line: median; band: 10th to 90th percentile"]


def test_the_band_is_quantiles_or_an_interval(result: eh.Result) -> None:
    axes = result.plot.loss_time(pyplot.subplots()[1], band="ci")
    *_, note = [text.get_text() for text in axes.figure.legends[0].get_texts()]
    assert note == "line: mean; band: 95 % confidence interval"


def test_a_width_is_that_of_the_place_in_print(result: eh.Result) -> None:
    figure = result.plot.workers(width=3.4).figure
    assert figure.get_figwidth() == 3.4
    assert figure.axes[0].xaxis.label.get_fontsize() < 9
    for ax, width, valid in ((None, 0.1, "inches, 1.5 to 40"), (pyplot.subplots()[1], 3.4, "None")):
        with pytest.raises(eh.ConfigError, match=f"^width = {width}: must be {valid}"):
            result.plot.loss_time(ax, width=width)


def test_an_unknown_scheme_is_one_line(result: eh.Result) -> None:
    with pytest.raises(eh.ConfigError, match=r"schemes = 'uncode': must be one of: .*uncoded"):
        result.plot.loss_time(schemes="uncode")
    with pytest.raises(eh.ConfigError, match=r"schemes = 3: must be one of: .*uncoded"):
        result.plot.loss_time(schemes=3)  # type: ignore[arg-type]
    with pytest.raises(
        eh.ConfigError, match=r"schemes = \[\]: must name one or more of: .*uncoded"
    ):
        result.plot.loss_time(schemes=[])


def test_a_sweep_has_a_panel_for_each_point(swept: eh.Result) -> None:
    axes = swept.plot.loss_time()
    assert [each.get_title() for each in axes.figure.axes] == ["delay.rate = 1", "delay.rate = 2"]
    with pytest.raises(eh.ConfigError, match="must be 2, one for each panel of this picture"):
        swept.plot.loss_time(pyplot.subplots()[1])
    own = pyplot.subplots(1, 2)[1]
    assert swept.plot.loss_time(own) is own[0]
    assert [each.get_title() for each in own] == ["delay.rate = 1", "delay.rate = 2"]


def test_a_part_of_a_sweep(swept: eh.Result, tmp_path: Path) -> None:
    """By value, however it is written; also of the pictures and the page of a folder."""
    for value in (2, 2.0, "2", [2]):
        part = swept.where({"delay.rate": value})
        assert {*part.summary["delay.rate"]} == {*part.iterations["delay.rate"]} == {2}
    assert part.plot.loss_time().get_title() == "delay.rate = 2"
    assert len(swept.where({"delay.rate": [1, 2]}).summary) == len(swept.summary)
    for key, value, valid in (("delay.rat", 2, "did you mean"), ("delay.rate", 3, "be one of: 1,")):
        with pytest.raises(eh.ConfigError, match=f"{valid}"):
            swept.where({key: value})
    with pytest.raises(eh.ConfigError, match="must be a mapping"):
        swept.where("delay.rate=1")  # type: ignore[arg-type]
    eh.sweep(swept.config, output=tmp_path / "out", progress=False)
    kind = ["--kind", "loss_time", "--format", "svg"]
    done = inside("plot", tmp_path / "out", *kind, "--where", "delay.rate=2", pictures=True)
    assert done.returncode == 0, done.stderr
    drawn = (tmp_path / "out" / "plots" / "loss_time.svg").read_text()
    assert "delay.rate = 2" in drawn
    assert "delay.rate = 1" not in drawn
    done = inside("report", tmp_path / "out", "--where", "delay.rate=2")
    assert done.returncode == 0, done.stderr
    assert "a part of the result: delay.rate" in (tmp_path / "out/report.html").read_text()
    assert inside("report", tmp_path / "out", "--where", "delay.rate").returncode == 2


def test_what_a_notebook_shows_is_short(swept: eh.Result) -> None:
    """Sixty rows of three thousand, and of the pictures those that can be drawn."""
    assert repr(swept.plot).startswith("<Plots: .against(), .loss_time(), .tradeoff(), ")
    table = pd.concat([swept.summary] * 50, ignore_index=True)
    long = eh.Result(None, {}, replace(swept._records, summary=table))
    assert long._repr_html_().count("<tr") == 60 + 2
    assert f"{len(table) - 60} more rows" in long._repr_html_()
    delays = pd.DataFrame(np.ones((300, 400)), columns=[f"<{j}>" for j in range(400)])
    read = notebook_html(eh.read_table(delays, missing="drop-rounds"))
    assert "read as 300 rounds of 400 workers" in read
    assert read.count("<tr") == 1 + 12 + 1, "titles, rounds and what is left out"
    assert "&lt;0&gt;" in read


def test_what_the_tables_do_not_hold_is_said(result: eh.Result) -> None:
    with pytest.raises(eh.ConfigError, match=r"no timeline.*run\(\.\.\., timeline=True\)"):
        result.plot.gantt()
    with pytest.raises(eh.ConfigError, match=r"schemes = 'erasurehed'.*did you mean erasurehead\?"):
        result.plot.utilisation(schemes=["erasurehed"])


def test_an_axis_that_was_not_swept_is_an_argument(swept: eh.Result) -> None:
    with pytest.raises(eh.ConfigError, match=r"; x must be one of: delay\.rate"):
        swept.plot.against("x")


def test_a_timeline_is_drawn_when_it_was_recorded() -> None:
    result = eh.run(SMALL, timeline=True, progress=False)
    assert result.plot.gantt().has_data()


@pytest.mark.one_in(2)
@pytest.mark.parametrize("kind", ["loss_time", "loss_iteration", "iteration_time", "tradeoff"])
def test_bands_are_quantiles_or_confidence_intervals(result: eh.Result, kind: str) -> None:
    draw = getattr(result.plot, kind)
    pictures = []
    for band in ("quantiles", "ci"):
        figure = draw(pyplot.subplots()[1], band=band).figure
        figure.canvas.draw()
        pictures.append(np.asarray(figure.canvas.buffer_rgba()))
    assert not np.array_equal(*pictures)


def test_an_unknown_band_is_one_line(result: eh.Result) -> None:
    with pytest.raises(eh.ConfigError, match=r"band = 'cis': must be one of: ci, quantiles"):
        result.plot.loss_time(band="cis")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            {"missing": "drop"},
            "missing = 'drop': must be 'refuse', 'drop-rounds', 'never' or 'later'",
        ),
        ({"retries": "x"}, "retries = 'x': must be 'refuse', 'last' or 'sum'"),
        ({"columns": {"rond": "step"}}, "columns = .*: must be 'worker', 'round', 'seconds'"),
        ({"unit": "sec"}, "unit = 'sec': must be 's', 'ms', 'us' or 'ns', or how many seconds"),
        ({"unit": -1}, "unit = -1: must be 's', 'ms', 'us' or 'ns', or how many seconds one is"),
        ({"decimal": "x"}, "decimal = 'x': must be 'point' or 'comma'"),
        ({"header": "maybe"}, "header = 'maybe': must be 'yes' or 'no'"),
        ({"rows": 5}, "rows = 5: must be a valid string"),
        ({"drop": "node4"}, "drop = 'node4': must be a list of names"),
        ({"keep": "node4"}, "keep = 'node4': must be a list of names"),
        ({"k_range": (1,)}, r"k_range = \(1,\): must be two whole numbers"),
        ({"k_range": "a"}, "k_range = 'a': must be two whole numbers"),
        ({"k_range": (2.9, 4.9)}, r"k_range = \(2.9, 4.9\): must be two whole numbers"),
    ],
    ids=str,
)
def test_an_argument_is_refused_in_its_own_words(
    options: dict[str, Any], said: str, tmp_path: Path
) -> None:
    """Catches one that is taken in silence for another, or ends deep in the reader."""
    table = tmp_path / "t.csv"
    table.write_text("a,b\n1.1,2.2\n1.2,2.1\n1.3,2.4\n")
    calls = [eh.fit] if "k_range" in options else [eh.fit, eh.read_table]
    for call in calls:
        with pytest.raises(eh.ConfigError, match=said):
            call(table, **options)


@pytest.mark.parametrize(("seconds", "refused"), [(99.0, False), (101.0, True)])
def test_an_array_is_in_seconds_unless_that_is_absurd(seconds: float, refused: bool) -> None:
    """From 100 s on a typical time is rather one of milliseconds; missing ones do not count."""
    table = seconds * np.random.default_rng(0).lognormal(0.0, 0.001, (12, 3))
    table[5] = np.nan
    table[6, 0] = np.nan
    if refused:
        whole = np.random.default_rng(0).permutation(np.linspace(95.0, 105.0, 33)).reshape(11, 3)
        with pytest.raises(eh.ConfigError, match=r"the table: .* say with unit"):
            eh.read_table(whole)  # 100 s typically
        with pytest.raises(eh.ConfigError, match=r"the table: .* say with unit"):
            eh.read_table(table, missing="drop-rounds")
        assert eh.read_table(table, unit="s", missing="drop-rounds").tables[None].shape == (10, 3)
    else:
        assert eh.read_table(table, missing="drop-rounds").tables[None].shape == (10, 3)


def test_a_result_is_told_with_its_sizes_and_errors(result: eh.Result) -> None:
    """One number where all cells have it, else from the least to the most."""
    known = [(1.23456, 0.01234, "1.235 ± 0.01"), (1.23456, np.nan, "1.235"), (np.nan, 0.1, "-")]
    means, errors, texts = zip(*known, strict=True)
    columns = {
        "label": ["a", "b", "c"],
        "workers": [48, 12, 24],
        "iterations": 100,
        "replications": 2,
    }
    summary = pd.DataFrame({**columns, "staleness_mean": means, "staleness_se": errors})
    result = eh.Result(None, {}, replace(result._records, summary=summary, workers=None))
    with pytest.raises(eh.ConfigError, match=r"^this result: has no table of workers$"):
        result.workers  # noqa: B018
    assert "; 12 to 48 workers, 100 iterations, " in repr(result)
    assert all(f"<td>{text}</td>" in notebook_html(result) for text in texts)


def test_a_notebooks_bar_is_updated_ten_times_a_second(
    display: Display, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And at the end, whenever that comes; it counts from when it was made."""
    clock = SimpleNamespace(now=5.0)
    monkeypatch.setattr(running, "time", SimpleNamespace(monotonic=lambda: clock.now))
    with running.reporting(None, "cells") as show:
        for at, done in ((5.0, 0), (5.05, 1), (5.1, 2), (5.2, 3), (5.25, 4), (7.0, 5), (7.01, 6)):
            clock.now = at
            show(done, 6)
    assert [re.findall(r'value="(\d)"', html) for html in display.shown] == [
        ["0"], ["3"], ["5"], ["6"],
    ]  # fmt: skip
    assert [re.findall(r"(\d)/6, (\d+) s$", html)[0] for html in display.shown] == [
        *(("0", "0"), ("3", "0"), ("5", "2"), ("6", "2"))
    ]


@pytest.mark.parametrize("call", [eh.run, eh.sweep])
def test_what_is_not_said_is_one_process_and_what_this_machine_has_room_for(
    call: Callable[..., Any],
) -> None:
    """And no events of workers; as on the command line."""
    usual = {name: each.default for name, each in inspect.signature(call).parameters.items()}
    assert (usual["jobs"], usual["data_dir"], usual["allow_large"]) == (1, None, False)
    assert usual.get("timeline", False) is False
    with pytest.raises(eh.ConfigError, match="allow it with allow_large=True"):
        call(SMALL | {"iterations": 10**9}, progress=False)


def test_a_table_that_was_read_is_shown_by_its_first_line() -> None:
    table = eh.read_table(np.full((12, 3), 0.5) + np.arange(3) / 64)
    assert repr(table) == f"<the table {table.lines[0]}>"
    assert table.lines[0].startswith("read as 12 rounds of 3 workers, one column a worker; ")
