"""``erasurehead whatif`` as a person uses it."""

from __future__ import annotations

import json
from contextlib import chdir
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from erasurehead.experiments.run.files import MARK
from erasurehead.experiments.whatif import command
from erasurehead.experiments.whatif.page import _savings
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
    """Pictures are made, but not written, which takes a second for each table."""
    monkeypatch.setattr(command.style, "save", lambda figure, stem: [])


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


def test_the_same_table_gives_the_same_bytes(
    trace: Path, answered: tuple[Path, str], tmp_path: Path
) -> None:
    out, _ = answered
    options = ("--unit", "s", "--stragglers", "1:2", "--output", tmp_path)
    assert inside("whatif", trace, *options).returncode == 0
    for path in out.iterdir():
        assert path.read_bytes() == (tmp_path / path.name).read_bytes(), path.name


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
    assert "Load 1: replacing host b " in done.stdout
    assert "Load 2: replacing host d " in done.stdout
    assert {path.name for path in out.iterdir()} == TABLES | {"report.md", "answer.json", MARK}
    assert "(heat_map_load_2.png)" in (out / "report.md").read_text()
    done = inside("whatif", tmp_path / "long.csv", "--load", "2", "--output", out)
    assert "\nReplacing host d " in done.stdout
    assert set(pd.read_parquet(out / "whatif.parquet").load) == {2.0}


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


@pytest.mark.parametrize("name", ODD)
def test_odd_tables_get_an_answer(name: str, tmp_path: Path, undrawn: None) -> None:
    answer(name, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", ODD)
def test_odd_tables_can_be_drawn(name: str, tmp_path: Path) -> None:
    answer(name, tmp_path)
    assert {path.name for path in (tmp_path / "out").iterdir()} >= DRAWN


def test_the_picture_has_eight_changes_with_whole_names() -> None:
    """Catches names that are cut where they differ, and changes that save less than others."""
    hosts = [f"ip-10-0-{i}.a-rack-with-a-long-name.cluster.example.org" for i in range(12)]
    texts = [f"replace {hosts[0]}, {host} (2 hosts) by median hosts" for host in hosts]
    share = np.linspace(0.01, 0.3, 12)
    changes = pd.DataFrame({"text": texts, "share": share, "share_low": share, "share_high": share})
    [panel] = _savings(changes).panels
    names = [name.replace("\n", " ").replace("- ", "-") for name in panel.y.names or ()]
    assert names == texts[:3:-1]
    assert max(len(line) for name in panel.y.names or () for line in name.split("\n")) <= 60


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
    words = said.stderr.split("say ")[1].split(" if")[0].split()
    done = inside("whatif", path, *words, "--output", out)
    assert done.returncode == 0, done.stderr
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
