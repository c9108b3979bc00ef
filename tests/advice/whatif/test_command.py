"""``erasurehead whatif`` as a person uses it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import chdir, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from erasurehead import ConfigError
from erasurehead.delay_models.measured.measured import MeasuredDelays
from erasurehead.experiments.advice.whatif import command
from erasurehead.experiments.advice.whatif.page import (
    _round_ticks,
    _stages,
    read_whatif,
    whatif_page,
)
from erasurehead.experiments.page.content import Answer
from erasurehead.experiments.pictures import style
from erasurehead.experiments.pictures.picture import Axis, Chart, Heat
from erasurehead.experiments.run.files import MARK
from erasurehead.sim.base.reading import Reading
from tests.golden.kept import folder_of
from tests.golden.records import require_recorded
from tests.tools import inside, numbered

CSV = ("whatif", "hosts", "slowdown")
TABLES = {f"{name}.{kind}" for name in CSV for kind in ("csv", "parquet")} | {"heat_map.parquet"}
DRAWN = {"heat_map.png", "heat_map.svg"}
OTHERS = {"report.md", "answer.json", "remedies.yaml", "rounds.npz", MARK}


def wide(path: Path, table: np.ndarray) -> Path:
    names = [f"gpu-{worker:02d}" for worker in range(table.shape[1])]
    pd.DataFrame(table, columns=names).to_csv(path, index=False)
    return path


@pytest.fixture(scope="module")
def trace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    table = np.random.default_rng(1).lognormal(0.0, 0.05, (60, 20))
    table[:, 7] *= 1.5
    return wide(tmp_path_factory.mktemp("whatif") / "cluster.csv", table)


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures are made, but not drawn, which takes a second for each table."""
    monkeypatch.setattr(style, "rendered", lambda figure, kind: b"")


@pytest.fixture(scope="module")
def answered(trace: Path) -> tuple[Path, str]:
    """Where nothing else is said, a folder is named after the table."""
    with chdir(trace.parent):
        done = inside("whatif", trace, "--unit", "s")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-2:] == [
        "next: erasurehead run results/whatif/cluster/remedies.yaml",
        "next: erasurehead report results/whatif/cluster",
    ]
    return trace.parent / "results" / "whatif" / "cluster", done.stdout


def test_it_says_what_to_do_and_writes_why(trace: Path, answered: tuple[Path, str]) -> None:
    """At most 25 lines, none twice; the verdict stands in the report and the answer."""
    out, said = answered
    lines = [line for line in said.splitlines() if line]
    assert len(said.splitlines()) <= 25
    assert len(lines) == len({*lines})
    for word in ("not recommended", "refused"):
        assert word not in said
    assert {path.name for path in out.iterdir()} == TABLES | DRAWN | OTHERS
    rows = pd.read_parquet(out / "whatif.parquet")
    again = pd.read_csv(out / "whatif.csv", keep_default_na=False)
    np.testing.assert_allclose(again["seconds"], rows["seconds"])
    assert again["needs"].tolist() == rows["needs"].tolist()
    table = pd.read_csv(trace)
    [one] = rows[rows["kind"] == "replace"].to_dict("records")
    assert one["text"] == "replace gpu-07"
    without = table.drop(columns="gpu-07").max(axis=1).mean()
    assert one["seconds"] == pytest.approx(without)
    parts = pd.read_parquet(out / "slowdown.parquet").set_index("part")["seconds"]
    assert parts.drop("step").sum() == pytest.approx(parts["step"])
    hosts = pd.read_csv(out / "hosts.csv")
    assert hosts["host"][0] == "gpu-07"
    assert hosts["replace"].tolist() == [True] + [False] * 19
    report = (out / "report.md").read_text()
    verdict = next(line for line in lines if line.startswith("Replace gpu-07: a step takes "))
    assert verdict in report.replace("\n", " ")
    assert json.loads((out / "answer.json").read_bytes())["verdict"] == verdict
    assert "gpu-07 (stands out)" in report


def test_a_narrow_terminal_has_all_rows(
    trace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    done = inside("whatif", trace, "--unit", "s", "--output", tmp_path / "out")
    tables = [line for line in done.stdout.splitlines() if line.count("  ") > 1]
    assert max(map(len, tables)) <= 80
    assert any(line.startswith("replace gpu-07 ") and "% (" in line for line in tables)


def test_a_folder_of_an_older_version_is_one_line(
    answered: tuple[Path, str], tmp_path: Path
) -> None:
    """Whose table of changes has other columns, and which had a timeline."""
    old = tmp_path / "old"
    old.mkdir()
    (old / "answer.json").write_bytes((answered[0] / "answer.json").read_bytes())
    pd.DataFrame({"load": [None], "change": ["ideal"], "text": ["t"]}).to_parquet(
        old / "whatif.parquet"
    )
    done = inside("report", old)
    assert done.returncode == 2
    [line] = done.stderr.splitlines()
    assert line.endswith("whatif.parquet: has no column kind; run the command that wrote it again")
    (old / "timeline.parquet").touch()
    [line] = inside("report", old).stderr.splitlines()
    assert line.endswith("old: is of an older version; run `erasurehead whatif` again")


@pytest.mark.golden
def test_an_answer_is_the_recorded_one(answered: tuple[Path, str]) -> None:
    out, said = answered
    found = {"page": read_whatif(out), "said": said.splitlines(), **folder_of(out)}
    require_recorded("whatif/cluster", found)


def test_the_same_table_gives_the_same_bytes(
    trace: Path, answered: tuple[Path, str], tmp_path: Path
) -> None:
    out, _ = answered
    options = ("--unit", "s", "--output", tmp_path)
    assert inside("whatif", trace, *options).returncode == 0
    for path in out.iterdir():
        assert path.read_bytes() == (tmp_path / path.name).read_bytes(), path.name


def test_a_page_goes_with_its_answer(trace: Path, tmp_path: Path) -> None:
    """The same answer keeps it, another one removes it; catches a page beside another table's."""
    out = tmp_path / "out"
    again = ("whatif", trace, "--unit", "s", "--output", out)
    assert inside(*again).returncode == 0
    assert inside("report", out).returncode == 0
    assert inside(*again).returncode == 0
    assert (out / "report.html").exists()
    assert inside(*again, "--drop", "gpu-07").returncode == 0
    assert not (out / "report.html").exists()
    assert (out / "answer.json").exists()


GOOD = "0.5,0.6,0.9\n0.7,0.4,0.6\n0.5,0.9,0.8\n"


@pytest.mark.parametrize(
    ("content", "options", "words"),
    [
        (GOOD, ["--load", "2"], ["--load", "no column load"]),
        ("0.5,0.6,0.9\n0,0,0.6\n", [], ["round 1", "0 s", "--missing drop-rounds"]),
        ("0.5,0,0.9\n0.6,0,0.6\n", [], ["host 1", "0 s", "--missing drop-rounds"]),
        ("0.5,,0.9\n0.6,,0.6\n", ["--missing", "never"], ["host 1", "2 of 2 rounds"]),
        ("0.5,0.6,0.9\n1e-300,1,0.6\n", [], ["1e-300 s", "at least 1e-150 s"]),
        ("0.5,0.6,slow\n", [], ["slow"]),
    ],
    ids=lambda value: str(value)[:30],
)
def test_bad_input_is_one_clear_line(
    tmp_path: Path, content: str, options: list[str], words: list[str]
) -> None:
    (tmp_path / "t.csv").write_text(content)
    done = inside("whatif", tmp_path / "t.csv", *options, "--output", tmp_path / "out")
    assert done.returncode == 2, done.stdout
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith("error: ")
    for word in words:
        assert word in line
    assert not (tmp_path / "out").exists()


ODD = {
    "all alike": np.ones((5, 4)),
    "one worker": np.array([[1.0], [3.0], [2.0]]),
    "one round": np.array([[1.0, 2.0]]),
    "huge": np.random.default_rng(3).lognormal(20, 1, (3, 3)),
    "hugest": 1e140 * np.random.default_rng(4).random((9, 5)) + 1e130,
    "many workers": np.random.default_rng(5).random((3, 300)) + 0.1,
    "many rounds": np.random.default_rng(6).random((900, 3)) + 0.1,
}


def answer(name: str, folder: Path) -> None:
    np.savez(folder / "t.npz", seconds=ODD[name])
    done = inside("whatif", folder / "t.npz", "--unit", "s", "--output", folder / "out")
    assert done.returncode == 0, done.stderr
    assert (folder / "out" / "report.md").stat().st_size > 1000


@pytest.mark.golden
@pytest.mark.parametrize("name", ODD)
def test_odd_tables_get_an_answer(name: str, tmp_path: Path, undrawn: None) -> None:
    answer(name, tmp_path)
    told = json.loads((tmp_path / "out" / "answer.json").read_bytes())
    found: dict[str, Any] = {"told": [told["verdict"], *told["why"], *told["notes"]]}
    found |= {table: pd.read_csv(tmp_path / "out" / f"{table}.csv") for table in CSV}
    require_recorded(f"whatif/{name}", found)


@pytest.mark.slow
@pytest.mark.parametrize("name", ODD)
def test_odd_tables_can_be_drawn(name: str, tmp_path: Path) -> None:
    answer(name, tmp_path)
    assert {path.name for path in (tmp_path / "out").iterdir()} >= DRAWN


@pytest.mark.golden
def test_stages_are_a_table_on_every_page_where_they_are_named(
    tmp_path: Path, undrawn: None
) -> None:
    """And a folder that had them is without them after a table that has none."""
    rng, frame = np.random.default_rng(7), pd.DataFrame({"rank": np.tile(range(6), 50)})
    frame["step"] = np.repeat(range(50), 6)
    for name, seconds in (("forward", 0.3), ("backward", 0.6)):
        frame[f"{name}_s"] = seconds * rng.lognormal(0.0, 0.05, 300)
    frame.loc[frame["rank"] == 4, "backward_s"] *= 1.5
    path, out = tmp_path / "stages.csv", tmp_path / "out"
    frame.to_csv(path, index=False)
    said = inside("whatif", path, "--output", out)
    assert said.returncode == 2
    assert "--columns stages=forward_s+backward_s names parts of a step" in said.stderr
    words = ("--columns", "stages=forward_s+backward_s")
    done = inside("whatif", path, *words, "--output", out)
    assert done.returncode == 0, done.stderr
    require_recorded("whatif/stages", {"said": done.stdout, **folder_of(out)})
    table = pd.read_csv(out / "stages.csv")
    whole = pd.read_parquet(out / "stages.parquet").astype({"host": int})
    pd.testing.assert_frame_equal(table, whole)
    each = table.drop_duplicates("stage")
    step = (frame["forward_s"] + frame["backward_s"]).to_numpy().reshape(50, 6).max(axis=1).mean()
    assert each["seconds"].sum() == pytest.approx(step, rel=1e-12)
    assert table.loc[table["stands_out"], ["stage", "host"]].to_numpy().tolist() == [
        ["backward", 4]
    ]
    assert inside("report", out).returncode == 0
    report, page = (out / "report.md").read_text(), (out / "report.html").read_text()
    for text in (report, page):
        assert "By stage" in text
        assert "ends it most often" in text
    why = json.loads((out / "answer.json").read_bytes())["why"]
    assert any("slow: host 4 in backward" in line for line in why)
    whole = frame.assign(seconds=frame["forward_s"] + frame["backward_s"])
    whole.to_csv(path, index=False)
    done = inside("whatif", path, "--output", out)
    assert "y stage" not in done.stdout + (out / "report.md").read_text()
    assert not [*out.glob("stages.*")]


@pytest.mark.parametrize(
    ("ends", "slow", "cells"),
    [
        ([0.25, 0.75], [False, True], ["b", "75.0 %", "b"]),
        ([0.75, 0.25], [True, True], ["a", "75.0 %", "a, b"]),
        ([0.5, 0.5], [False, False], ["a", "50.0 %", "nobody"]),
        ([np.nan, np.nan], [False, False], ["all together", "-", "not known"]),
        ([1.0], [False], ["a", "100 %", "nobody"]),
    ],
)
def test_a_row_of_a_stage(ends: list[float], slow: list[bool], cells: list[str]) -> None:
    """What it adds, and who ends it most often and is slow in it, if that can be told."""
    added = {"seconds": 0.5, "seconds_low": 0.4, "seconds_high": 0.6, "share": 0.1}
    columns = {"stage": "load", **added, "ends": ends, "stands_out": slow}
    stages = pd.DataFrame({"host": [*"ab"][: len(ends)], **columns})
    shown = _stages(stages)
    [row] = shown.rows
    said = dict(zip(shown.columns, map(str, row), strict=True))
    assert said.pop("adds (s a step, 95 %)") == "0.5 (0.4 to 0.6)"
    assert (said.pop("stage"), said.pop("share")) == ("load", "10.0 %")
    assert [*said.values()] == [cell for cell in cells if cell != "-"]


# What the pictures of ``whatif`` show of tables that are made by hand.


ROUNDS, HOSTS = 40, 6


def studied(table: np.ndarray) -> command.Found:
    return command.investigate(numbered({None: table}))


def alike(hosts: int = HOSTS) -> np.ndarray:
    return np.random.default_rng(0).uniform(0.9, 1.1, (ROUNDS, hosts))


def charts(found: command.Found) -> Mapping[str, Chart]:
    answer = Answer("whatif", "t.csv", "")
    return whatif_page(found.tables, answer).charts


def heat(study: command.Found) -> tuple[Heat, Axis]:
    [panel] = charts(study)["heat_map"].picture.panels
    [found] = panel.marks
    assert isinstance(found, Heat)
    return found, panel.y


def test_shades_begin_at_the_least_delay_or_a_hundredth_of_the_median() -> None:
    table = alike()
    assert heat(studied(table))[0].low == table.min()
    table[3, 2] = 1e-6
    assert heat(studied(table))[0].low == pytest.approx(np.median(table) / 100)
    table[3, 2] = 0.0
    assert heat(studied(table))[0].low == table[table > 0].min(), "no logarithm of nothing"


def test_a_heat_map_has_the_rounds_and_the_hosts() -> None:
    """In their order, where all have room; and in bold who stands out."""
    table = alike()
    table[:, 4] *= 3
    study = studied(table)
    found, axis = heat(study)
    np.testing.assert_allclose(found.values, table.T)
    assert found.extent is not None
    assert found.extent[1] - found.extent[0] == ROUNDS
    assert axis.names == tuple(map(str, range(HOSTS)))
    assert axis.strong == {4.0}
    [panel] = charts(study)["heat_map"].picture.panels
    assert panel.x.label == "round"
    [alone] = charts(studied(table[:1]))["heat_map"].picture.panels
    [one] = alone.marks
    assert isinstance(one, Heat)
    assert (alone.x.label, one.extent) == ("round", (-0.5, 0.5))
    long = np.repeat(table, 800 // ROUNDS + 1, axis=0)
    [panel] = charts(study := studied(long))["heat_map"].picture.panels
    assert panel.x.label == "round (means of 3)"
    assert study.tables["heat_map.parquet"]["round"].nunique() <= 400
    many = alike(50)
    _, axis = heat(studied(many))
    assert axis.places is not None
    assert len(axis.places) <= 24
    assert not axis.strong


@pytest.mark.parametrize("prefix", ["", "s"])
def test_pictures_name_rounds_as_the_table_does(tmp_path: Path, prefix: str) -> None:
    """With a round left out, numbers and words alike: numbers that are even are named, where there
    are more than fit."""
    steps = [f"{prefix}{48200 + i}" for i in range(300)]
    table = pd.DataFrame(np.random.default_rng(0).uniform(0.9, 1.1, (300, 20)))
    table.insert(0, "step", steps)
    table.iloc[12, 3] = np.nan
    table.to_csv(path := tmp_path / "t.csv", index=False)
    reading = Reading(columns={"round": "step"}, missing="never", unit="s")
    measured, _ = command.read_usable(str(path), reading, False)
    study = command.investigate(measured)
    kept = tuple(steps[:12] + steps[13:])
    [panel] = charts(study)["heat_map"].picture.panels
    [found] = panel.marks
    assert isinstance(found, Heat)
    assert found.names == kept
    named = [kept[int(place)] for place in panel.x.places or ()]
    assert [*(panel.x.names or ())] == named
    assert named == ([f"{48200 + 50 * i}" for i in range(6)] if not prefix else [*kept[::38]])


def test_round_numbers_are_named_also_where_columns_are_means() -> None:
    """Up to the end, although most multiples are of rounds that no column begins with."""
    first = np.arange(0.0, 594.0, 2)
    kept = [number for number in range(1000, 1600) if number not in (1017, 1090, 1222, 1305, 1571)]
    names, places = _round_ticks([str(kept[int(place)]) for place in first], first)
    assert names == ("1000", "1100", "1200", "1300", "1400", "1500")
    for name, place in zip(names, places, strict=True):
        assert place == pytest.approx(sum(number < int(name) for number in kept), abs=1)
    assert _round_ticks(["7"], np.zeros(1)) == (("7",), (0.0,))
    for count, step in ((8, 1), (9, 2), (16, 2), (17, 5), (40, 5), (41, 10), (81, 20), (401, 100)):
        numbers = [str(number) for number in range(3, count + 3)]
        names, places = _round_ticks(numbers, np.arange(float(count)))
        expected = [number for number in range(3, count + 3) if number % step == 0]
        assert [*map(int, names)] == expected, "steps of 1, 2 and 5"
        assert [*places] == [number - 3 for number in expected]


@pytest.mark.parametrize(
    ("zeros", "said"),
    [
        (((0, 0),), ""),
        (((0, 0), (1, 1), (2, 2)), ""),
        (((1, 0), (1, 2)), "half or more of the delays of round 120 are 0 s"),
        (((0, 1), (1, 1)), "half or more of the delays of host h1 are 0 s"),
    ],
)
def test_delays_of_nothing_are_few(zeros: tuple[tuple[int, int], ...], said: str) -> None:
    """Of a round and of a host less than half, or there is no median; a round that never ends is
    counted, and not looked at."""
    table = np.ones((4, 4))
    table[tuple(np.array(zeros).T)] = 0.0
    table = np.insert(table, 1, [np.inf, 0, 0, 0], axis=0)
    names = ("h0", "h1", "h2", "h3")
    measured = MeasuredDelays(names, {None: table}, rounds={None: np.arange(100, 150, 10)})
    with pytest.raises(ConfigError, match=said) if said else nullcontext():
        command._require_usable("t.csv", measured, None)


@pytest.mark.parametrize(("hosts", "rows"), [(128, 128), (129, 64)])
def test_of_many_hosts_those_to_blame_most_are_drawn(hosts: int, rows: int) -> None:
    """In a heat map up to 128 have a row, else 64."""
    table = np.random.default_rng(0).uniform(0.9, 1.1, (30, hosts))
    table[:, [hosts - 2, 1, 3]] += 3.0
    drawn = studied(table).tables["heat_map.parquet"]
    assert drawn["worker"].nunique() == rows
    assert {hosts - 2, 1, 3} <= {*drawn["worker"]}


def test_what_to_do_next_begins_with_the_column_that_takes_the_wait_off() -> None:
    """If the table has one, times include the wait, and it was not named already."""

    def steps(table: np.ndarray, allreduce: str, words: str) -> list[str]:
        measured = replace(numbered({None: table}), allreduce=allreduce)
        found = command.investigate(measured)
        answer = command.whatif_answer(found, "t", measured, words)
        return [step.split("`")[1] for step in answer.next]

    waiting = np.tile(alike(1), (1, HOSTS))
    own = "erasurehead whatif t.csv --columns allreduce=sync"
    fit = "erasurehead fit t.csv"
    assert steps(alike(), "sync", "t.csv") == [fit]
    assert steps(waiting, "sync", "t.csv") == [own, fit]
    assert steps(waiting, "", "t.csv") == [fit]
    named = "t.csv --columns allreduce=x"
    assert steps(waiting, "sync", named) == [f"erasurehead fit {named}"]


@pytest.mark.parametrize(("count", "columns"), [(400, 400), (401, 201)])
def test_a_heat_map_has_400_columns_at_most(count: int, columns: int) -> None:
    """Of more rounds, means of as few as make room."""
    table = np.random.default_rng(0).uniform(0.9, 1.1, (count, 3))
    shown = studied(table).tables["heat_map.parquet"]
    assert shown["round"].nunique() == columns
    first = shown[shown["round"] == 0].set_index("worker")["seconds"]
    np.testing.assert_allclose(first, table[: -(-count // 400)].mean(axis=0))


def test_a_page_made_again_withholds_what_the_report_withholds(
    tmp_path: Path, undrawn: None
) -> None:
    """Where times include waiting, savings are not known; catches a sign that the tables lose."""
    rng, out = np.random.default_rng(9), tmp_path / "out"
    step = rng.lognormal(0.0, 0.1, (60, 8)).max(axis=1, keepdims=True)
    trace = wide(tmp_path / "steps.csv", step + np.diff(rng.normal(0, 0.01, (61, 8)), axis=0))
    assert inside("whatif", trace, "--unit", "s", "--output", out).returncode == 0
    page = read_whatif(out)
    assert [*page.charts] == ["heat_map"]
    assert [each.ident for each in page.tables] == ["slowdown"]
    assert set(pd.read_parquet(out / "slowdown.parquet").waits) == {"carried"}
