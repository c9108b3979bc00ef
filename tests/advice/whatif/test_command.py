"""``erasurehead whatif`` as a person uses it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import chdir, nullcontext
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pandas as pd
import pytest

from erasurehead.delay_models.measured.measured import MeasuredDelays
from erasurehead.experiments.advice.whatif import command, rounds
from erasurehead.experiments.advice.whatif.answer import _saves, whatif_answer
from erasurehead.experiments.advice.whatif.page import (
    _round_ticks,
    _stages,
    read_whatif,
    whatif_page,
)
from erasurehead.experiments.advice.whatif.study import Study, change_name, study_load
from erasurehead.experiments.page.content import Answer
from erasurehead.experiments.pictures import style
from erasurehead.experiments.pictures.picture import Axis, Chart, Heat
from erasurehead.experiments.run.files import MARK
from erasurehead.sim.base.errors import ConfigError
from erasurehead.sim.base.reading import Reading
from tests.golden.kept import folder_of
from tests.golden.records import require_recorded
from tests.tools import inside

CSV = ("whatif", "hosts", "slowdown")
TABLES = {f"{name}.{kind}" for name in CSV for kind in ("csv", "parquet")}
TABLES |= {"heat_map.parquet", "timeline.parquet"}
DRAWN = {f"{name}.{kind}" for name in ("heat_map", "timeline") for kind in ("png", "svg")}


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
        done = inside("whatif", trace, "--unit", "s", "--stragglers", "1:2")
    assert (done.returncode, done.stderr) == (0, "")
    where, following = done.stdout.splitlines()[-2:]
    assert where == "report, tables and pictures in results/whatif/cluster/"
    assert following == "next: erasurehead report results/whatif/cluster"
    return trace.parent / "results" / "whatif" / "cluster", done.stdout


def test_it_says_who_and_writes_why(trace: Path, answered: tuple[Path, str]) -> None:
    out, said = answered
    assert said.startswith("read as ")
    assert "\nReplacing host gpu-07 by a median one saves " in said
    assert {path.name for path in out.iterdir()} == TABLES | DRAWN | {
        "report.md",
        "answer.json",
        MARK,
    }
    changes = pd.read_parquet(out / "whatif.parquet")
    again = pd.read_csv(out / "whatif.csv", keep_default_na=False, na_values={"load": [""]})
    np.testing.assert_allclose(again.seconds, changes.seconds)
    assert again.hosts.tolist() == changes.hosts.tolist()
    assert set(changes.loc[changes.change == "replace", "count"]) == {1, 2}
    assert changes.loc[changes.change == "replace", "hosts"].iloc[0] == "gpu-07"
    table = pd.read_csv(trace)
    step = table.max(axis=1).mean()
    without = table.drop(columns="gpu-07").max(axis=1).mean()
    one = changes[changes.change == "replace"].iloc[0]
    assert one.seconds == pytest.approx(without)
    assert one.hours_a_day == pytest.approx(24 * (1 - without / step))
    assert one.saved_low < one.saved < one.saved_high
    parts = pd.read_parquet(out / "slowdown.parquet").set_index("part").seconds
    assert parts.drop("step").sum() == pytest.approx(parts["step"])
    hosts = pd.read_csv(out / "hosts.csv")
    assert hosts.host[0] == "gpu-07"
    assert hosts.stands_out.tolist() == [True] + [False] * 19
    report = (out / "report.md").read_text()
    verdict = next(line for line in said.splitlines() if line.startswith("Replacing"))
    assert verdict in report.replace("\n", " ")
    assert f"- {said.splitlines()[0]}" in report
    assert "gpu-07 (stands out)" in report


@pytest.mark.golden
def test_an_answer_is_the_recorded_one(answered: tuple[Path, str]) -> None:
    out, said = answered
    found = {"page": read_whatif(out), "said": said.splitlines()[-14:], **folder_of(out)}
    require_recorded("whatif/cluster", found)


def test_the_same_table_gives_the_same_bytes(
    trace: Path, answered: tuple[Path, str], tmp_path: Path
) -> None:
    out, _ = answered
    options = ("--unit", "s", "--stragglers", "1:2", "--output", tmp_path)
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


@pytest.mark.golden
def test_each_load_has_its_own_answer(tmp_path: Path, undrawn: None) -> None:
    """And nothing of an earlier table stays in the folder."""
    rng, rows = np.random.default_rng(2), []
    for load, slow in ((1, "b"), (2, "d")):
        for round_ in range(30):
            for host in "abcdef":
                seconds = load * rng.lognormal(0.0, 0.05) * (1.5 if host == slow else 1.0)
                rows.append((host, round_, seconds, load))
    frame = pd.DataFrame(rows, columns=["host", "step", "seconds", "load"])
    frame.to_csv(tmp_path / "long.csv", index=False)
    out = tmp_path / "out"
    out.mkdir()
    for old in (MARK, "heat_map_load_7.png", "timeline_load_7.svg"):
        (out / old).touch()
    done = inside("whatif", tmp_path / "long.csv", "--output", out)
    assert done.returncode == 0, done.stderr
    require_recorded("whatif/loads", {"said": done.stdout.splitlines()[:20]})
    assert "Load 1: replacing host b " in done.stdout
    assert "Load 2: replacing host d " in done.stdout
    drawn = {name.replace(".", f"_load_{load}.") for name in DRAWN for load in (1, 2)}
    words = {"report.md", "answer.json", MARK}
    assert {path.name for path in out.iterdir()} == TABLES | drawn | words
    assert {"heat_map_load_1.png", "timeline_load_2.svg"} <= {*command.file_names([1.0, 2.0])}
    assert {"heat_map.png", "timeline.svg"} <= {*command.file_names([2.0])}
    assert "(heat_map_load_2.png)" in (out / "report.md").read_text()
    done = inside("whatif", tmp_path / "long.csv", "--load", "2", "--output", out)
    assert "\nReplacing host d " in done.stdout
    assert set(pd.read_parquet(out / "whatif.parquet").load) == {2.0}


@pytest.mark.golden
def test_workers_that_never_arrive_are_counted(trace: Path, tmp_path: Path, undrawn: None) -> None:
    table = pd.read_csv(trace)
    table.loc[:4, "gpu-03"] = np.nan
    table.to_csv(tmp_path / "gaps.csv", index=False)
    options = ("whatif", tmp_path / "gaps.csv", "--unit", "s", "--output", tmp_path / "out")
    refused = inside(*options)
    assert refused.returncode == 2
    assert "--missing" in refused.stderr
    done = inside(*options, "--missing", "never")
    assert done.returncode == 0
    read = pd.read_csv(tmp_path / "out" / "whatif.csv")
    require_recorded("whatif/never", {"said": done.stdout.splitlines()[:9], "changes": read})
    assert "5 of 60 rounds never end" in done.stdout
    assert "gpu-03 in 5" in done.stdout
    changes = pd.read_csv(tmp_path / "out" / "whatif.csv").set_index("change")
    assert changes.loc["wait for", "rounds_ended"].max() == 60
    assert changes.loc["without workers", "rounds_ended"] == 55
    assert changes.loc["replace", "rounds_ended"].min() == 55


GOOD = "0.5,0.6,0.9\n0.7,0.4,0.6\n0.5,0.9,0.8\n"


@pytest.mark.parametrize(
    ("content", "options", "words"),
    [
        (GOOD, ["--stragglers", "0:1"], ["--stragglers", "from 1 to 2"]),
        (GOOD, ["--stragglers", "3"], ["--stragglers", "from 1 to 2"]),
        (GOOD, ["--stragglers", "x"], ["--stragglers", "numbers or ranges"]),
        (GOOD, ["--timeout", "1.5"], ["--timeout", "between 0 and 1"]),
        (GOOD, ["--timeout", "nan"], ["--timeout", "between 0 and 1"]),
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
    assert "--columns stages=... names parts of a step" in said.stderr
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
    for text in (done.stdout, report, page):
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
    shown = _stages(cast(Any, SimpleNamespace(stages=stages)))
    [row] = shown.rows
    assert [*shown.brief] == [*range(20)], "more are in the file alone"
    said = dict(zip(shown.columns, map(str, row), strict=True))
    assert said.pop("adds (s a step, 95 %)") == "0.5 (0.4 to 0.6)"
    assert (said.pop("stage"), said.pop("share")) == ("load", "10.0 %")
    assert [*said.values()] == [cell for cell in cells if cell != "-"]


# What the pictures of ``whatif`` show of tables that are made by hand.


ROUNDS, HOSTS = 40, 6


def studied(table: np.ndarray, load: float | None = None) -> Study:
    return study_load(table, [f"h{j}" for j in range(table.shape[1])], load=load, counts=[1])


def alike(hosts: int = HOSTS) -> np.ndarray:
    return np.random.default_rng(0).uniform(0.9, 1.1, (ROUNDS, hosts))


def charts(study: Study) -> Mapping[str, Chart]:
    return whatif_page([study], Answer("whatif", "t.csv", "")).charts


def heat(study: Study) -> tuple[Heat, Axis]:
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
    assert axis.names == tuple(f"h{j}" for j in range(HOSTS))
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
    assert study.heat_map["round"].nunique() <= 400
    many = alike(50)
    _, axis = heat(studied(many))
    assert axis.places is not None
    assert len(axis.places) <= 24
    assert not axis.strong


@pytest.mark.parametrize("prefix", ["", "s"])
def test_pictures_name_rounds_as_the_table_does(tmp_path: Path, prefix: str) -> None:
    """With a round left out, numbers and words alike: numbers that are even are named, where there
    are more than fit. The timeline says that it shows some of the hosts."""
    steps = [f"{prefix}{48200 + i}" for i in range(300)]
    table = pd.DataFrame(np.random.default_rng(0).uniform(0.9, 1.1, (300, 20)))
    table.insert(0, "step", steps)
    table.iloc[12, 3] = np.nan
    table.to_csv(path := tmp_path / "t.csv", index=False)
    reading = Reading(columns={"round": "step"}, missing="never", unit="s")
    measured, _ = command.read_usable(str(path), reading, False)
    told: list[tuple[float, int]] = []
    [study] = command.investigate(measured, (None, (0.99,)), lambda *at: told.append(at))
    assert told == [(0, 1), (1, 1)]
    kept = tuple(steps[:12] + steps[13:])
    [panel] = charts(study)["heat_map"].picture.panels
    [found] = panel.marks
    assert isinstance(found, Heat)
    assert found.names == kept
    named = [kept[int(place)] for place in panel.x.places or ()]
    assert [*(panel.x.names or ())] == named
    assert named == ([f"{48200 + 50 * i}" for i in range(6)] if not prefix else [*kept[::38]])
    made, start = charts(study)["timeline"], int(study.timeline["round"].iloc[0])
    assert made.picture.panels[0].title.startswith(f"measured, rounds {kept[start]} to ")
    assert "16 of 20 hosts" in made.words
    older = replace(study, heat_map=study.heat_map.drop(columns="name"))
    [panel] = charts(older)["heat_map"].picture.panels
    assert (panel.x.names or ())[:2] == ("0", "50")


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


@pytest.mark.parametrize("load", [None, 2.0])
def test_every_table_begins_with_its_load(load: float | None) -> None:
    study = studied(alike(), load)
    for name in ("slowdown", "hosts", "changes", "heat_map", "timeline"):
        table = getattr(study, name)
        assert table.columns[0] == "load"
        assert table["load"].isna().all() if load is None else (table["load"] == load).all()
    assert study.load == load


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


@pytest.mark.parametrize(
    ("stragglers", "timeout", "found"),
    [
        (None, None, (None, [0.95, 0.99])),
        ("1:3, 5", "0.5,0.9,0.5", ([1, 2, 3, 5], [0.5, 0.9])),
        ("1:100", None, ([*range(1, 101)], [0.95, 0.99])),
        ("119", None, ([119], [0.95, 0.99])),
        ("0", None, "--stragglers"),
        ("120", None, "--stragglers"),
        ("1:101", None, "--stragglers"),
        (None, "0", "--timeout"),
        (None, "1", "--timeout"),
        (None, "", "--timeout"),
        (None, ",".join(f"{i / 200}" for i in range(1, 102)), "--timeout"),
    ],
)
def test_what_is_tried(stragglers: str | None, timeout: str | None, found: Any) -> None:
    """Of 120 workers one at least is waited for; each time-out once, and not too many."""
    if isinstance(found, str):
        with pytest.raises(ConfigError, match=rf"^{found} = "):
            command.trials(stragglers, timeout, 120)
        return
    counts, quantiles = command.trials(stragglers, timeout, 120)
    assert (counts if counts is None else [*counts], [*quantiles]) == found


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (rounds.BACKUP, "a backup of late tasks saves 10.0 % (9.0 to 11.0 %)"),
        (
            rounds.WAIT,
            "waiting of late tasks saves 10.0 % (9.0 to 11.0 %), 5.0 % for as many parts",
        ),
    ],
)
def test_what_saves_most_is_said_by_its_kind(change: str, said: str) -> None:
    shares = {"share": 0.1, "share_low": 0.09, "share_high": 0.11, "share_per_part": 0.05}
    best = pd.Series({"change": change, "text": f"{change.split()[0]} of late tasks", **shares})
    assert _saves(best) == said


def test_changes_in_a_few_words() -> None:
    """Two hosts are named; of more, the first and how many there are."""
    names, seconds = [*"abcdef"], np.ones(2)

    def said(kind: str, **more: Any) -> str:
        return change_name(rounds.Change(kind, seconds, **more), names, 1.5)

    replaced = [said(rounds.REPLACE, count=m, hosts=(2, 0, 4)[:m]) for m in (1, 2, 3)]
    assert replaced == [
        "replace c",
        "replace c, a",
        "replace c, ... (3 hosts)",
    ]
    assert said(rounds.DROP, count=1, hosts=(5,)) == "drop f: the others share the work"
    assert said(rounds.WAIT, count=2) == "wait for 4 of 6"
    assert said(rounds.IDEAL) == "every task is typical, 1.5 s"
    assert said(rounds.BACKUP, quantile=0.9, timeout=2.5) == "backup copy after 2.5 s (90 %)"


@pytest.mark.golden
@pytest.mark.parametrize(
    ("hosts", "rows", "lines"), [(16, 16, 16), (17, 17, 16), (128, 128, 16), (129, 64, 16)]
)
def test_of_many_hosts_those_to_blame_most_are_drawn(hosts: int, rows: int, lines: int) -> None:
    """In a heat map up to 128 have a row, else 64; in a timeline 16, of which half are any others
    from the first to the last; it has the 20 rounds in a row that are the most like all."""
    table = np.random.default_rng(0).uniform(0.9, 1.1, (30, hosts))
    table[:5] *= 4.0
    blamed = [hosts - 2, 1, 3, 5, 7, 9, 11, 13]
    for place, host in enumerate(blamed):
        table[:, host] += 3.0 - place / 4
    study = studied(table)
    drawn = charts(study)
    found = {"timeline": study.timeline, "heat": drawn["heat_map"].picture}
    require_recorded(f"whatif/{hosts} hosts", found | {"drawn": drawn["timeline"].picture})
    assert study.heat_map["worker"].nunique() == rows
    in_timeline = study.timeline["worker"].unique()
    assert len(in_timeline) == lines
    assert {*blamed} <= {*in_timeline}
    assert study.timeline["round"].nunique() == 20
    steps = table.max(axis=1)
    means = [abs(steps[i : i + 20].mean() - steps.mean()) for i in range(11)]
    assert means[int(study.timeline["round"].min())] == pytest.approx(min(means))


@pytest.mark.parametrize(("count", "columns"), [(400, 400), (401, 201)])
def test_a_heat_map_has_400_columns_at_most(count: int, columns: int) -> None:
    """Of more rounds, means of as few as make room."""
    table = np.random.default_rng(0).uniform(0.9, 1.1, (count, 3))
    shown = studied(table).heat_map
    assert shown["round"].nunique() == columns
    first = shown[shown["round"] == 0].set_index("worker")["seconds"]
    np.testing.assert_allclose(first, table[: -(-count // 400)].mean(axis=0))


def test_what_to_do_next_begins_with_the_column_that_takes_the_wait_off() -> None:
    """If the table has one, times include the wait, and it was not named already."""
    own, waiting = studied(alike()), studied(np.tile(alike(1), (1, HOSTS)))
    measured: Any = SimpleNamespace(
        allreduce="sync", notes=("a note",), read=("read as",), names_of_rounds=lambda load: None
    )

    def steps(study: Study, again: str) -> list[str]:
        return [step.split("`")[1] for step in whatif_answer([study], "t", measured, again).next]

    both = ["erasurehead fit t.csv", "erasurehead recommend --trace t.csv --only"]
    found = steps(own, "t.csv")
    assert (found[0], found[1].startswith(both[1]), len(found)) == (both[0], True, 2)
    wait = "erasurehead whatif t.csv --columns allreduce=sync"
    assert steps(waiting, "t.csv") == [wait, both[0]]
    assert steps(waiting, "t.csv --columns allreduce=x")[0].startswith(both[0])
    measured.allreduce = None
    assert steps(waiting, "t.csv")[0] == both[0]


def test_a_page_made_again_withholds_what_the_report_withholds(
    tmp_path: Path, undrawn: None
) -> None:
    """Where times include waiting, savings are not known; catches a sign that the tables lose."""
    rng, out = np.random.default_rng(9), tmp_path / "out"
    step = rng.lognormal(0.0, 0.1, (60, 8)).max(axis=1, keepdims=True)
    trace = wide(tmp_path / "steps.csv", step + np.diff(rng.normal(0, 0.01, (61, 8)), axis=0))
    assert inside("whatif", trace, "--unit", "s", "--output", out).returncode == 0
    page = read_whatif(out)
    assert [*page.charts] == ["heat_map", "parts"]
    assert [each.ident for each in page.tables] == ["slowdown"]
    assert set(pd.read_parquet(out / "slowdown.parquet").waits) == {"carried"}
