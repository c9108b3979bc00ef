"""``erasurehead whatif`` as a person uses it. A page that is made again of a folder is read by its
own function, so that a record has what it holds."""

from __future__ import annotations

import json
from contextlib import chdir, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import erasurehead as eh
from erasurehead.experiments.advice.whatif.page import read_whatif
from tests.golden.kept import folder_of
from tests.golden.records import require_recorded
from tests.tools import inside

CSV = ("whatif", "hosts", "slowdown")
TABLES = {f"{name}.{kind}" for name in CSV for kind in ("csv", "parquet")} | {"heat_map.parquet"}
DRAWN = {"heat_map.png", "heat_map.svg"}
OTHERS = {"report.md", "answer.json", "remedies.yaml", "rounds.npz", ".erasurehead"}


def wide(path: Path, table: np.ndarray) -> Path:
    names = [f"gpu-{worker:02d}" for worker in range(table.shape[1])]
    pd.DataFrame(table, columns=names).to_csv(path, index=False)
    return path


@pytest.fixture(scope="module")
def trace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    table = np.random.default_rng(1).lognormal(0.0, 0.05, (60, 20))
    table[:, 7] *= 1.5
    return wide(tmp_path_factory.mktemp("whatif") / "cluster.csv", table)


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
def test_odd_tables_get_an_answer(name: str, tmp_path: Path) -> None:
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
def test_stages_are_a_table_on_every_page_where_they_are_named(tmp_path: Path) -> None:
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


def stage_rows(parts: dict[str, np.ndarray]) -> list[str]:
    """The table of stages in a report, a row each."""
    rounds, ranks = next(iter(parts.values())).shape
    frame = pd.DataFrame({"rank": np.tile(range(ranks), rounds)})
    frame["step"] = np.repeat(range(rounds), ranks)
    frame = frame.assign(**{f"{name}_s": seconds.ravel() for name, seconds in parts.items()})
    stages = "+".join(f"{name}_s" for name in parts)
    report = eh.whatif(frame, columns={"stages": stages}, unit="s").report
    shown = report.partition("By stage")[2].partition("\n#")[0]
    return [line for line in shown.splitlines() if line.startswith("| ")]


@pytest.mark.golden
def test_rows_of_stages() -> None:
    """What each adds, and who ends it most often and is slow in it, if that can be told: one, two,
    nobody, or all together in the all-reduce."""
    rng = np.random.default_rng(1)
    load, back = 0.3 * rng.lognormal(0, 0.1, (50, 6)), 0.6 * rng.lognormal(0, 0.1, (50, 6))
    slow = np.where(np.isin(np.arange(6), [1, 4]), 1.6, 1.0)
    own = load + back * slow
    wait = {"load": load, "back": back * slow, "sync": own.max(axis=1, keepdims=True) - own + 0.2}
    cases = {
        "two": {"load": load, "back": back * slow},
        "nobody": {"load": load, "back": back},
        "all together": wait,
    }
    found = {name: stage_rows(parts) for name, parts in cases.items()}
    slow_in_it = [rows[2].split("|")[-2].strip() for rows in found.values()]
    assert slow_in_it == ["hosts 1, 4", "nobody", "hosts 1, 4"]
    require_recorded("whatif/stages of", {name: "\n".join(rows) for name, rows in found.items()})


# What the pictures of ``whatif`` show.


def alike(rounds: int = 40, hosts: int = 6) -> np.ndarray:
    return np.random.default_rng(0).uniform(0.9, 1.1, (rounds, hosts))


def with_cell(seconds: float) -> np.ndarray:
    table = alike()
    table[3, 2] = seconds
    return table


def slower(table: np.ndarray, hosts: list[int], times: float = 3.0) -> np.ndarray:
    table[:, hosts] *= times
    return table


def named(steps: list[str]) -> pd.DataFrame:
    """Rounds as a table names them, of which one misses a worker."""
    table = pd.DataFrame(alike(len(steps), 20))
    table.iloc[12, 3] = np.nan
    return table.assign(step=steps)


PICTURES: dict[str, Any] = {
    "alike": alike(),  # shades begin at the least delay, or at a hundredth of the median
    "a tiny delay": with_cell(1e-6),
    "no delay": with_cell(0.0),
    "a slow host": slower(alike(), [4]),  # whose name is bold
    "one round": alike(1),
    "many hosts": alike(40, 50),  # not all have room for a name
    "128 hosts": slower(alike(30, 128), [126, 1, 3]),  # each has a row
    "129 hosts": slower(alike(30, 129), [127, 1, 3]),  # those to blame most
    "400 rounds": alike(400, 3),  # a column each; of more, means
    "401 rounds": alike(401, 3),
    "801 rounds": alike(801, 3),
    "numbers": named([f"{48200 + i}" for i in range(300)]),  # even ones are named
    "words": named([f"s{48200 + i}" for i in range(300)]),
}


@pytest.mark.golden
@pytest.mark.parametrize("name", PICTURES)
def test_a_heat_map_is_the_recorded_one(name: str) -> None:
    table, how = PICTURES[name], dict[str, Any]()
    if name in ("numbers", "words"):
        how = {"missing": "never", "columns": {"round": "step"}}
    found = eh.whatif(table, unit="s", **how)
    picture, drawn = found._page.charts["heat_map"].picture, found.tables["heat_map"]
    require_recorded(f"whatif/heat {name}", {"picture": picture})
    [panel] = picture.panels
    [shown] = panel.marks
    if name in ("alike", "a slow host"):
        np.testing.assert_allclose(shown.values, table.T)
    if name.endswith(" rounds"):
        count = len(table)
        assert drawn["round"].nunique() == -(-count // -(-count // 400))
        first = drawn[drawn["round"] == 0].set_index("worker")["seconds"]
        np.testing.assert_allclose(first, table[: -(-count // 400)].mean(axis=0))
    if name.endswith(" hosts") and name != "many hosts":
        hosts = table.shape[1]
        assert drawn["worker"].nunique() == (128 if hosts == 128 else 64)
        assert {hosts - 2, 1, 3} <= {*drawn["worker"]}
    if name in ("alike", "a tiny delay"):
        least = np.median(table) / 100 if name == "a tiny delay" else table.min()
        assert shown.low == pytest.approx(least)
    assert shown.low > 0


@pytest.mark.parametrize(
    ("count", "step"),
    [(1, 1), (8, 1), (9, 2), (16, 2), (17, 5), (40, 5), (41, 10), (81, 20), (401, 100)],
)
def test_round_numbers_are_named_in_steps_of_1_2_and_5(count: int, step: int) -> None:
    """Up to the end, also where columns are means."""
    table = pd.DataFrame(alike(count, 3), index=pd.Index(range(3, count + 3), name="step"))
    [panel] = eh.whatif(table, unit="s")._page.charts["heat_map"].picture.panels
    expected = [number for number in range(3, count + 3) if number % step == 0]
    assert [*map(int, panel.x.names)] == expected
    assert [*panel.x.places] == [number - 3 for number in expected]


@pytest.mark.parametrize(
    ("zeros", "said"),
    [
        (((0, 0),), ""),
        (((0, 0), (1, 1), (2, 2)), ""),
        (((1, 0), (1, 2)), "half or more of the delays of round 110 are 0 s"),
        (((0, 1), (1, 1)), "half or more of the delays of host h1 are 0 s"),
    ],
)
def test_delays_of_nothing_are_few(zeros: tuple[tuple[int, int], ...], said: str) -> None:
    """Of a round and of a host less than half, or there is no median."""
    table = np.ones((4, 4))
    table[tuple(np.array(zeros).T)] = 0.0
    rounds = pd.Index(range(100, 140, 10), name="step")
    frame = pd.DataFrame(table, index=rounds, columns=["h0", "h1", "h2", "h3"])
    with pytest.raises(eh.ConfigError, match=said) if said else nullcontext():
        eh.whatif(frame, unit="s")


@pytest.mark.parametrize(
    ("waits", "column", "words", "first"),
    [
        (False, "nccl_kernel_s", "", "run"),
        (True, "nccl_kernel_s", "", "whatif t.csv --unit s --columns allreduce=nccl_kernel_s"),
        (True, "other", "", "fit t.csv --unit s"),
        (True, "nccl_kernel_s", "allreduce=", "fit t.csv --columns allreduce= --unit s"),
    ],
)
def test_what_to_do_next_begins_with_the_column_that_takes_the_wait_off(
    waits: bool, column: str, words: str, first: str, tmp_path: Path
) -> None:
    """If the table has one, times include the wait, and it was not named already."""
    seconds = np.tile(alike(40, 1), (1, 6)) if waits else alike()
    calls = {"worker": np.tile(range(6), 40), "step": np.repeat(range(40), 6)}
    frame = pd.DataFrame(calls | {"seconds": seconds.ravel(), column: alike().ravel() / 9})
    with chdir(tmp_path):
        frame.to_csv("t.csv", index=False)
        options = ("--columns", words) if words else ()
        said = inside("whatif", "t.csv", "--unit", "s", *options).stdout
    lines = [line for line in said.splitlines() if line.startswith("next: ")]
    assert lines[0].removeprefix("next: ").removeprefix("`").startswith(f"erasurehead {first}")


def test_a_page_made_again_withholds_what_the_report_withholds(tmp_path: Path) -> None:
    """Where times include waiting, savings are not known; catches a sign that the tables lose."""
    rng, out = np.random.default_rng(9), tmp_path / "out"
    step = rng.lognormal(0.0, 0.1, (60, 8)).max(axis=1, keepdims=True)
    trace = wide(tmp_path / "steps.csv", step + np.diff(rng.normal(0, 0.01, (61, 8)), axis=0))
    assert inside("whatif", trace, "--unit", "s", "--output", out).returncode == 0
    page = read_whatif(out)
    assert [*page.charts] == ["heat_map"]
    assert [each.ident for each in page.tables] == ["slowdown"]
    assert set(pd.read_parquet(out / "slowdown.parquet").waits) == {"carried"}
