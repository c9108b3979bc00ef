"""Output folders, their manifest, and ``answer.json``."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
import yaml
from pandas.testing import assert_frame_equal

import erasurehead as eh
from erasurehead import ConfigError
from erasurehead.experiments.commands.run import show_outcome, show_plan
from erasurehead.experiments.config import installed
from erasurehead.experiments.config.cells import cells
from erasurehead.experiments.config.document import load
from erasurehead.experiments.page.content import Answer
from erasurehead.experiments.page.folder import command_line, json_at, read_answer, write_answer
from erasurehead.experiments.reports.compare import comparison_answer
from erasurehead.experiments.reports.report.command import write_pictures
from erasurehead.experiments.run import command as running
from erasurehead.experiments.run import outputs
from erasurehead.experiments.run.command import Outcome, Plan, RunOptions, plan, run
from erasurehead.experiments.run.compute import compute
from erasurehead.experiments.run.estimate import Checked, Estimate, size_beside_program
from erasurehead.experiments.run.files import ANSWER, MARK
from erasurehead.experiments.run.pools import Died
from erasurehead.experiments.run.reader import read_records
from erasurehead.experiments.run.records import summary_table
from erasurehead.experiments.text import number
from tests.tools import ROOT, inside

# An output folder tells one story, and a plan tells it before it happens.


DOCUMENT: dict[str, Any] = {
    "workers": 6,
    "iterations": 20,
    "replications": 4,
    "delay": {"model": "exponential", "rate": 2.0},
    "schemes": [{"name": "uncoded"}, {"name": "erasurehead", "load": 2, "wait_for": 3}],
}
TABLES = {"iterations.parquet", "summary.parquet", "workers.parquet"}


def go(document: Mapping[str, Any], out: Path) -> tuple[running.Outcome, list[str]]:
    said: list[str] = []
    return run(document, out, RunOptions(tell=said.append)), said


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} - {MARK}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run, its pictures and a timeline, and files of the user."""
    out = tmp_path_factory.mktemp("made") / "out"
    run(DOCUMENT, out, RunOptions(timeline=out / "timeline.json"))
    write_pictures(out, "workers")
    (out / "notes.txt").write_text("mine")
    (out / "plots" / "notes.txt").write_text("mine too")
    return out


@pytest.fixture
def out(made: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(made, tmp_path / "out"))


@pytest.mark.parametrize("damaged", ["", *sorted(TABLES), "cells"])
def test_the_same_run_again_keeps_everything(
    damaged: str, out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And makes nothing again where all is as it was; a byte that changed is mended."""
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    del before[out / "manifest.json"]
    first, _ = go(DOCUMENT, tmp_path / "first")
    made, write = list[object](), running.write_result
    monkeypatch.setattr(running, "write_result", lambda *a, **k: made.append(write(*a, **k)))
    if damaged:
        path = max((out / damaged).iterdir()) if damaged == "cells" else out / damaged
        path.write_bytes(before[path][:-9] + bytes([before[path][-9] ^ 1]) + before[path][-8:])
    outcome, said = go(DOCUMENT, out)
    assert (len(made), len(outcome.seconds), said) == (bool(damaged), damaged == "cells", [])
    assert_frame_equal(outcome.summary, first.summary, check_exact=True)
    kept = [(*(cell.key for cell in run.finished), run.warnings) for run in (outcome, first)]
    assert kept[0] == kept[1]
    assert all(path.read_bytes() == content for path, content in before.items())


def test_another_run_leaves_nothing_of_the_first_but_cells(
    out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches tables of one config beside the manifest of another: here every cell fails."""
    first = names(out / "cells")

    def all_die(task: object, items: list[Any], *_: object) -> Any:
        return ((item, Died("out of memory?")) for item in items)

    with monkeypatch.context() as patch:
        patch.setattr(running, "map_unordered", all_die)
        outcome, said = go(DOCUMENT | {"seed": 1}, out)
    assert len(outcome.failed) == 2
    assert said == [f"{out} held another run: its tables and pictures go, its cells stay"]
    kept = {"cells", "config.yaml", "manifest.json", "plots", "notes.txt", "timeline.parquet"}
    assert names(out) == kept
    assert len(pd.read_parquet(out / "timeline.parquet")) == 0
    assert names(out / "plots") == {"notes.txt"}
    assert names(out / "cells") == first


@pytest.mark.parametrize("place", ["manifest.json", "summary.parquet", "timeline.json", "cells"])
def test_what_stands_in_the_way_is_known_before_anything_is_computed(
    place: str, tmp_path: Path
) -> None:
    """A link of the user's is left alone. Catches hours of work that end with one line."""
    out, target = tmp_path / "out", tmp_path / "target"
    target.write_bytes(b"of the user")
    out.mkdir()
    (out / MARK).touch()
    (out / place).symlink_to(target)
    told: list[float] = []
    with pytest.raises(ConfigError, match=f"^{out / place}: "):
        running.run(DOCUMENT, out, running.RunOptions(progress=lambda done, _: told.append(done)))
    assert told == []
    assert names(out) == {place}
    assert (out / place).is_symlink()
    assert target.read_bytes() == b"of the user"


OLD = Path(__file__).with_name("result_of_0_3")
OUTDATED = (
    "holds 2 cells computed by other code or libraries than are installed here: "
    "this run computes its own, and removes those at its end"
)


def test_a_result_of_version_0_3_is_read(tmp_path: Path) -> None:
    """With its config, report and pictures; what is not of it is refused there, too."""
    old = Path(shutil.copytree(OLD, tmp_path / "old"))
    result = eh.load(old)
    assert (len(result.summary), len(result.workers), len(result.iterations)) == (2, 8, 24)
    assert inside("report", old).returncode == 0
    assert f"{result.id}" in (old / "report.html").read_text()
    assert write_pictures(old, "workers")[0]
    part = result.where({})
    assert_frame_equal(part.summary, result.summary)
    (old / "config.yaml").write_text((old / "config.yaml").read_text() + "\npolicy: queue\n")
    with pytest.raises(ConfigError, match=r"config.yaml: is not the config that the tables"):
        eh.load(old)


def test_a_result_of_version_0_3_is_computed_again(tmp_path: Path) -> None:
    """Said in a line: its cells are of other code. They go when ours are there."""
    old = Path(shutil.copytree(OLD, tmp_path / "old"))
    config = tmp_path / "config.yaml"
    shutil.copy(old / "config.yaml", config)
    before = eh.load(old)
    tables = [before.summary, before.iterations, before.workers]
    planned = inside("run", config, "--output", old, "--dry-run")
    assert f"{old} {OUTDATED}\n2 of 2 cells to compute" in planned.stdout
    assert {*names(old / "cells")} == {*names(OLD / "cells")}
    outcome, said = go(load(config), old)
    assert (len(outcome.seconds), said) == (2, [f"{old} {OUTDATED}"])
    assert not names(old / "cells") & names(OLD / "cells")
    assert {key.removesuffix(".parquet") for key in names(old / "cells")} == {
        cell.key for cell in outcome.finished
    }
    after = eh.load(old)
    for mine, its in zip(tables, [after.summary, after.iterations, after.workers], strict=True):
        kept = its.columns.difference(["cell", *Z_SCORES])
        assert_frame_equal(its[kept], mine[kept])
    outcome, said = go(load(config), old)
    assert (len(outcome.seconds), said) == (0, [])


def test_cells_of_other_code_stay_until_the_run_is_whole(
    out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run under other code that is stopped has taken nothing away; of the user's files none."""
    first = names(out / "cells")
    (out / "cells" / "notes.parquet").write_bytes(b"mine")

    def stopped(*_: object) -> Any:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(installed, "installed", lambda: {"numpy": "another"})
        with monkeypatch.context() as inner:
            inner.setattr(running, "map_unordered", stopped)
            with pytest.raises(KeyboardInterrupt):
                go(DOCUMENT, out)
        assert names(out / "cells") == {*first, "notes.parquet"}
        assert len(eh.load(out).summary) == 2
        _, said = go(DOCUMENT, out)
        assert said == [f"{out} {OUTDATED}"]
        assert not names(out / "cells") & first
    assert (out / "cells" / "notes.parquet").read_bytes() == b"mine"


def test_points_that_differ_in_their_target_share_their_cells(tmp_path: Path) -> None:
    """And have rows of their own in every table, and in a part of them."""
    problem = {"dataset": "synthetic", "loss": "logistic", "rows": 60, "features": 3}
    optimizer = {"rule": "gd", "learning_rate": 0.02}
    sweep = {"sweep": {"target_loss": [0.6, 0.3]}}
    outcome, _ = go(DOCUMENT | sweep | {"problem": problem, "optimizer": optimizer}, tmp_path)
    assert (len(outcome.seconds), len(outcome.finished)) == (2, 4)
    assert len(names(tmp_path / "cells")) == 2
    result = eh.load(tmp_path)
    assert result.summary["cell"].nunique() == 2
    part = result.where({"target_loss": 0.3})
    for table, whole in ((part.summary, 4), (part.iterations, 4 * 84), (part.workers, 4 * 6)):
        assert len(table) == whole / 2
        assert {*table["target_loss"]} == {0.3}
    times = result.summary.set_index(["target_loss", "label"])["time_to_target_median"]
    assert (times[0.6] < times[0.3]).all()


def test_going_back_computes_nothing(out: Path) -> None:
    before = {name: (out / name).read_bytes() for name in TABLES}
    go(DOCUMENT | {"seed": 1}, out)
    assert all((out / name).read_bytes() != before[name] for name in TABLES - {"workers.parquet"})
    outcome, _ = go(DOCUMENT, out)
    assert dict(outcome.seconds) == {}
    assert {name: (out / name).read_bytes() for name in TABLES} == before


def test_a_killed_run_leaves_no_result_but_says_so(
    made: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed before any of the files that a run removes or writes: the old story, or none."""

    class Killed(BaseException):
        pass

    def read() -> str:
        """As every command that shows a run does."""
        try:
            read_records(out)
        except ConfigError as error:
            return str(error)
        return "whole"

    def killed_before(step: int) -> bool:
        """Whether the run was killed, before its change of so many files."""
        steps = iter(range(step, -1, -1))

        def counted(change: Callable[..., Any]) -> Callable[..., Any]:
            def counting(*arguments: Any, **options: Any) -> Any:
                if next(steps, None) == 0:
                    raise Killed
                return change(*arguments, **options)

            return counting

        with monkeypatch.context() as patch:
            for name in ("replace", "unlink"):
                patch.setattr(Path, name, counted(getattr(Path, name)))
            try:
                go(DOCUMENT | {"seed": 1}, out)
            except Killed:
                return True
        return False

    unfinished = f"{out}: its run has not come to the end; run the same command again"
    said = []
    for step in count():
        go(DOCUMENT, out)
        shutil.copytree(made / "plots", out / "plots", dirs_exist_ok=True)
        assert read() == "whole"
        if not killed_before(step):
            break
        said.append(read())
    assert said[0] == "whole"
    assert set(said) == {"whole", unfinished}
    first, last = said.index(unfinished), len(said) - said[::-1].index(unfinished)
    assert set(said[first:last]) == {unfinished}
    assert last - first > 10
    assert read() == "whole"


@pytest.mark.parametrize("table", sorted(TABLES))
def test_a_table_of_another_run_is_refused(table: str, out: Path, tmp_path: Path) -> None:
    """Of another config, of other cells, of nobody knows what; also one that plot does not need."""
    go(DOCUMENT | {"seed": 1}, tmp_path / "other")
    whole = (out / table).read_bytes()
    other = pd.read_parquet(tmp_path / "other" / table)
    other.to_parquet(tmp_path / "unknown.parquet")
    changes = {
        (tmp_path / "other" / table).read_bytes(): "is made from another config or other cells",
        (tmp_path / "unknown.parquet").read_bytes(): "does not say what it is made from",
    }
    for content, reason in changes.items():
        (out / table).write_bytes(content)
        for read in (read_records, lambda folder: eh.load(folder).iterations):
            with pytest.raises(
                ConfigError, match=f"{table}: {reason}.*; run the same command again"
            ):
                read(out)
    (out / table).write_bytes(whole)
    assert len(eh.load(out).workers) == 12


def test_tables_of_other_cells_are_refused(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The config is the same, but a file that it names, or the code, was another."""
    old = (out / "summary.parquet").read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(installed, "installed", lambda: {"numpy": "another"})
        go(DOCUMENT, out)
    assert len(pd.read_parquet(out / "timeline.parquet")) == 0
    (out / "summary.parquet").write_bytes(old)
    with pytest.raises(ConfigError, match=r"summary.parquet: is made from another config or other"):
        read_records(out)


@pytest.mark.parametrize(("table", "needed"), [("iterations", True), ("workers", False)])
def test_only_iterations_must_have_every_cell(table: str, needed: bool, out: Path) -> None:
    path = out / f"{table}.parquet"
    arrow = pq.read_table(path)
    cell = arrow["cell"][0]
    pq.write_table(arrow.filter(pc.not_equal(arrow["cell"], cell)), path)
    if needed:
        with pytest.raises(ConfigError, match=f"{table}.parquet: has other cells than summary"):
            read_records(out)
    else:
        found = read_records(out)
        assert cell.as_py() in set(found.summary["cell"]) - set(found.workers["cell"])


def test_an_edited_config_is_not_that_of_the_tables(out: Path) -> None:
    path = out / "config.yaml"
    path.write_text(path.read_text().replace("workers: 6", "workers: 8"))
    with pytest.raises(ConfigError, match=r"config.yaml: is not the config that the tables"):
        eh.load(out)


def test_a_result_that_was_replaced_is_not_mixed_with_the_new_one(out: Path) -> None:
    result = eh.load(out)
    assert len(result.summary) == 2
    go(DOCUMENT | {"seed": 1}, out)
    with pytest.raises(ConfigError, match="holds another run by now; load it again"):
        result.iterations  # noqa: B018


def test_a_timeline_of_another_run_is_not_drawn(out: Path, tmp_path: Path) -> None:
    events = tmp_path / "t.json"
    run(DOCUMENT, out, RunOptions(timeline=events))
    assert write_pictures(out, "gantt")[0]
    timeline = (out / "timeline.parquet").read_bytes()
    assert json.loads(events.read_text())["otherData"] == {"id": eh.load(out).id}
    go(DOCUMENT | {"seed": 1}, out)
    with pytest.raises(
        ConfigError, match=r"gantt cannot be drawn: there is no timeline of this run"
    ):
        write_pictures(out, "gantt")
    (out / "timeline.parquet").write_bytes(timeline)
    with pytest.raises(ConfigError, match=r"timeline.parquet: is made from another config"):
        write_pictures(out, "gantt")


def test_a_run_without_any_cell_says_so(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def all_die(task: object, items: list[Any], *_: object) -> Any:
        return ((item, Died("out of memory?")) for item in items)

    with monkeypatch.context() as patch:
        patch.setattr(running, "map_unordered", all_die)
        go(DOCUMENT | {"seed": 1}, out)
    for read in (write_pictures, eh.load):
        with pytest.raises(ConfigError, match=f"{out}: no cell of its run could be computed"):
            read(out)


def test_a_grown_sweep_computes_what_is_new(tmp_path: Path) -> None:
    go(DOCUMENT | {"sweep": {"delay.rate": [1.0, 2.0]}}, tmp_path)
    outcome, _ = go(DOCUMENT | {"sweep": {"delay.rate": [1.0, 2.0, 3.0]}}, tmp_path)
    assert len(outcome.seconds) == 2
    summary = pd.read_parquet(tmp_path / "summary.parquet")
    assert sorted(summary["delay.rate"].unique()) == [1, 2, 3]


def test_cells_that_share_their_delays_are_those_that_run_alone() -> None:
    """To the bit. Catches delays of another point: each axis changes what is drawn, or how much of
    it is read, and some schemes read ahead, or draw by partition."""
    sequential = {"name": "sequential", "B": 2, "W": 3, "stragglers": 2, "tolerance": 1.0}
    schemes = [*DOCUMENT["schemes"], sequential, {"name": "asynchronous"}]
    sweep = {
        "load_law": [{"kind": "proportional"}, {"kind": "per_partition"}],
        "workers": [6, 8],
        "seed": [0, 1],
        "iterations": [3, 20],
        "delay.rate": [1.0, 2.0],
    }
    document = DOCUMENT | {"schemes": schemes, "sweep": sweep}
    together = eh.run(document).iterations
    for cell in cells(document)[::7]:
        own = together[together["cell"] == cell.key]
        alone = compute(cell).iterations
        pd.testing.assert_frame_equal(own[["time"]].reset_index(drop=True), alone[["time"]])


def test_a_plan_says_what_would_run_and_writes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    network = {"bandwidth": 1e6, "message_bytes": 1e3, "channels": 2}
    document = DOCUMENT | {"sweep": {"network": [None, network]}}
    show_plan(plan(document, tmp_path / "out", RunOptions(jobs=2)))
    lines = capsys.readouterr().out.splitlines()
    assert not list(tmp_path.iterdir())
    assert ["batch" in line for line in lines[1:5]] == [True, True, False, False]
    assert sum("event engine: messages that wait for a channel" in line for line in lines) == 1
    assert any(line.startswith("4 of 4 cells to compute: < 1 MiB of memory") for line in lines)
    assert lines[-1].startswith("nothing was computed or written")


def test_a_plan_knows_what_is_finished(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    grown = DOCUMENT | {
        "schemes": [*DOCUMENT["schemes"], {"name": "ignore_stragglers", "wait_for": 5}]
    }
    show_plan(plan(grown, out, RunOptions()))
    lines = capsys.readouterr().out.splitlines()
    assert ["finished" in line for line in lines[1:4]] == [True, True, False]
    assert names(out) >= TABLES


def test_a_plan_of_several_targets_is_not_finished(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its points are computed once for all; none of them is there."""
    show_plan(plan(DOCUMENT | {"sweep": {"target_loss": [0.6, 0.5]}}, tmp_path, RunOptions()))
    text = capsys.readouterr().out
    assert "finished" not in text
    assert "2 of 4 cells to compute: < 1 MiB of memory" in text


def test_costlier_cells_come_first(tmp_path: Path) -> None:
    document = DOCUMENT | {"sweep": {"iterations": [10, 1000, 100], "engine": ["batch", "event"]}}
    planned = plan(document, tmp_path, RunOptions())
    order = [cell.settings.iterations for cell in planned.todo if cell.settings.engine == "event"]
    assert order == sorted(order, reverse=True)
    costs = [planned.checked.estimates[cell.key].cost for cell in planned.todo]
    assert costs == sorted(costs, reverse=True)
    for need in planned.checked.estimates.values():
        assert need.memory > 0
        assert need.reason == ("asked for" if need.engine == "event" else "")


# ``answer.json``: what commands found, for programs.


NUMBER = """{"kind": "fit", "subject": "a.csv", "verdict": 3, "command": "erasurehead fit a.csv",
"why": [], "next": [], "notes": []}"""
"""An answer but for its verdict."""


def test_an_answer_comes_back_as_it_was(tmp_path: Path) -> None:
    said = Answer(
        "fit", "a.csv", "It is so.", ("because",), ("`do` this", "é<script>"), "erase", ()
    )
    write_answer(said, tmp_path)
    assert read_answer(tmp_path) == said
    assert (tmp_path / ANSWER).read_bytes().isascii()


@pytest.mark.parametrize(
    "content", ["", "[]", '{"kind": "fit"}', '{"kind": 3}', NUMBER, "[" * 10_000]
)
def test_what_is_no_answer_is_refused(content: str, tmp_path: Path) -> None:
    (tmp_path / ANSWER).write_text(content)
    with pytest.raises(ConfigError, match="is no answer"):
        read_answer(tmp_path)


@pytest.mark.parametrize("content", ["", "[]", "3", '{"kind"', "[" * 10_000])
def test_facts_that_are_no_object_are_damaged(content: str, tmp_path: Path) -> None:
    path = tmp_path / "facts.json"
    path.write_text(content)
    with pytest.raises(ConfigError, match="is damaged; run the command that wrote it again"):
        json_at(path)
    path.write_text('{"a": 1}')
    assert json_at(path) == {"a": 1}


def test_the_command_is_told_without_where_its_results_went() -> None:
    given = ["fit", "my cluster.csv", "--output", "x", "--unit=s", "--output=y", "--debug"]
    assert command_line(given) == "erasurehead fit 'my cluster.csv' --unit=s"


def rows(**columns: list[float]) -> pd.DataFrame:
    labels = [f"code {i}" for i in range(len(columns["ratio"]))]
    return pd.DataFrame({"label": labels, "scheme": labels, **columns})


def test_a_comparison_in_words() -> None:
    """The geometric mean of 2 and 8 is 4; one of two intervals holds 1."""
    table = rows(
        first=[1.0, 2.0],
        second=[2.0, 16.0],
        ratio=[2.0, 8.0],
        ratio_low=[0.9, 7.0],
        ratio_high=[3.0, 9.0],
        loss_difference=[0.0, 0.25],
    )
    said = comparison_answer(table, "a", "b")
    assert "takes 4 times as long as one of a (2 to 8), over the 2 schemes" in said.verdict
    assert said.why[0].startswith("1 of 2 ratios")
    assert "code 1: 2 s an iteration in a, 16 s in b" in said.why[1]
    assert "0.25 at most" in said.why[2]


def test_equal_results_are_called_equal() -> None:
    table = rows(first=[1.0], second=[1.0], ratio=[1.0], ratio_low=[1.0], ratio_high=[1.0])
    assert (
        comparison_answer(table, "a", "b").verdict
        == "Iterations of b take exactly as long as those of a."
    )


# Nothing of the user's is touched.


THEIRS = {
    "config.yaml": "# mine\nname: mine\n",
    "summary.parquet": "mine",
    "report.html": "<p>mine</p>",
    "manifest.json": '{"mine": true}',
    "answer.json": "[1]",
    "plots/photo.png": "mine",
    "cells/0123456789abcdef.parquet": "mine",
    "attack.csv": "mine",
    "verify.csv": "mine",
    "summary.md": "mine",
}
"""Files with the names of ours, in a folder that is not ours."""


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    folder = tmp_path / "mine"
    for name, text in THEIRS.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


@pytest.mark.parametrize(
    "arguments",
    [
        ["run", "CONFIG"],
        ["sweep", "CONFIG", "--jobs", 1],
        ["live", "CONFIG"],
        ["recommend", "CONFIG"],
        ["verify", "--worst", "CONFIG"],
        ["fit", "TABLE"],
        ["whatif", "TABLE"],
        ["report", "RESULT", "RESULT"],
        ["reproduce", "iteration_time_workers"],
        ["verify", "--replications", 1000],
    ],
    ids=lambda words: words[0],
)
def test_a_folder_of_the_user_survives_every_command(
    arguments: list[object], mine: Path, out: Path, tmp_path: Path
) -> None:
    """One line, exit code 2, and every byte as it was: nothing is added, either."""
    config, table = tmp_path / "config.yaml", tmp_path / "table.csv"
    config.write_text(json.dumps({"name": "mine", **DOCUMENT}))
    delays = np.random.default_rng(0).exponential(1.0, (20, 6)) + 0.5
    pd.DataFrame(delays, columns=[f"host_{letter}" for letter in "abcdef"]).to_csv(
        table, index=False
    )
    given = {"CONFIG": config, "TABLE": table, "RESULT": out}
    words = [given.get(str(word), word) for word in arguments]
    done = inside(*words, "--output", mine)
    assert done.returncode == 2, done
    [line] = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert str(mine) in line
    assert contents(mine) == {name: text.encode() for name, text in THEIRS.items()}


@pytest.mark.parametrize("command", ["run", "recommend"])
def test_the_config_that_is_run_is_never_an_output(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beside the user's own config, and in the folder of an earlier result."""
    monkeypatch.chdir(tmp_path)
    mine = tmp_path / "config.yaml"
    mine.write_text("# why six workers\n" + json.dumps({"name": "mine", **DOCUMENT}))
    before = mine.read_bytes()
    done = inside(command, "config.yaml", "--output", ".")
    assert (done.returncode, mine.read_bytes()) == (2, before)
    assert "config.yaml" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["config.yaml"]
    if command == "run":
        assert inside("run", "config.yaml", "--output", "made").returncode == 0
        kept = contents(tmp_path / "made")
        again = ["run", "made/config.yaml", "--output", "made"]
        assert inside(*again).returncode == 0
        assert contents(tmp_path / "made")["config.yaml"] == kept["config.yaml"]
        refused = inside(*again, "--set", "workers=12")
        assert refused.returncode == 2
        assert "made/config.yaml is read by this command" in refused.stderr
        assert contents(tmp_path / "made").keys() == kept.keys()


def test_what_else_lies_in_a_folder_of_ours_stays(out: Path) -> None:
    """Pictures that were drawn go with the config before; those of the user do not."""
    (out / "plots" / "photo.png").write_text("mine")
    assert (out / "plots" / "workers.png").is_file()
    go(DOCUMENT | {"replications": 3}, out)
    assert not (out / "plots" / "workers.png").exists()
    assert {"photo.png", "notes.txt"} <= names(out / "plots")
    assert (out / "notes.txt").read_text() == "mine"


def test_tables_as_csv_go_with_their_config_and_no_csv_of_the_user_does(out: Path) -> None:
    """The same numbers to the last digit; without the option, nothing."""
    (out / "summary.csv").write_text("mine")
    go(DOCUMENT, out)
    assert {"iterations.csv", "workers.csv"} & names(out) == set()
    go(DOCUMENT | {"replications": 3}, out)
    assert (out / "summary.csv").read_text() == "mine"
    run(DOCUMENT | {"replications": 3}, out, RunOptions(csv=True))
    for table in ("iterations", "summary", "workers"):
        kept = pd.read_parquet(out / f"{table}.parquet")
        pd.testing.assert_frame_equal(pd.read_csv(out / f"{table}.csv"), kept, check_dtype=False)
    go(DOCUMENT, out)
    assert {"iterations.csv", "summary.csv", "workers.csv"} & names(out) == set()


@pytest.mark.parametrize("odd", ["/", "/dev/null", "loop"])
def test_odd_places_are_one_line(odd: str, tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    config = tmp_path / "config.yaml"
    config.write_text(json.dumps({"name": "mine", **DOCUMENT}))
    done = inside("run", config, "--output", tmp_path / odd)
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1


def test_what_a_comparison_should_not_mix_is_said(out: Path, tmp_path: Path) -> None:
    """Catches a ratio of 6 and 9 workers that is read as one of schemes."""
    other = DOCUMENT | {"workers": 8, "iterations": 21, "schemes": [{"name": "uncoded"}]}
    go(other, tmp_path / "other")
    done = inside("report", out, tmp_path / "other", "--output", tmp_path / "both")
    assert done.returncode == 0, done.stderr
    notes = done.stderr.splitlines()
    assert [note.split(":")[1].split(",")[0].strip() for note in notes] == [
        "They differ in workers",
        "They differ in iterations",
        "Only out has erasurehead load=2 wait_for=3.",
    ]
    assert "6 in out, 8 in other" in notes[0]
    assert read_answer(tmp_path / "both").notes == tuple(n.removeprefix("note: ") for n in notes)
    again = inside("report", out, out, "--output", tmp_path / "same")
    assert again.stderr == ""


def test_a_pattern_of_traces_is_read_into_a_folder_twice(tmp_path: Path) -> None:
    """A pattern is no file: catches a second command that looks for it beside its results."""
    steps = [
        {
            "ph": "X",
            "name": f"ProfilerStep#{step}",
            "ts": 1.0,
            "dur": 1000.0 + 7 * (step * step % 11),
        }
        for step in range(12)
    ]
    for rank in range(3):
        (tmp_path / f"rank{rank}.json").write_text(json.dumps({"traceEvents": steps}))
    for _ in range(2):
        words = ["whatif", tmp_path / "rank*.json", "--output", tmp_path / "out"]
        done = inside(*words)
        assert done.returncode == 0, done.stderr


# What the terminal says of a run and of a plan, line by line.


def tiny(**changes: Any) -> dict[str, Any]:
    base = {"workers": 4, "iterations": 3, "delay": {"model": "exponential", "rate": 1.0}}
    return base | {"schemes": [{"name": "uncoded"}], "replications": 2} | changes


def said_of_run(
    capsys: pytest.CaptureFixture[str], *failed: str, warnings: tuple[str, ...] = (), **changes: Any
) -> tuple[list[str], list[str]]:
    """Lines after the table, and those of the standard error."""
    grid = cells(tiny(**changes))
    finished = [(cell, compute(cell)) for cell in grid if cell.label not in failed]
    lost = [(cell, f"no {cell.label}") for cell in grid if cell.label in failed]
    summary = summary_table(finished)
    done = [cell for cell, _ in finished]
    outcome = Outcome(done, lost, {done[0].key: 1.0} if done else {}, summary, warnings)
    show_outcome(outcome, Path("out"))
    said = capsys.readouterr()
    return said.out.splitlines()[(1 + len(finished)) if finished else 0 :], said.err.splitlines()


def test_how_long_a_run_took_is_kept_to_a_millisecond(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def timed(task: Any, items: list[Any], *_: object) -> Any:
        return ((each, replace(task(each, lambda share: None), seconds=1.23456)) for each in items)

    monkeypatch.setattr(running, "map_unordered", timed)
    looks = iter([5.0, 8.45678])
    monkeypatch.setattr(running, "time", SimpleNamespace(monotonic=lambda: next(looks)))
    outcome, _ = go(tiny(), tmp_path)
    assert [*outcome.seconds.values()] == [1.235]
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert [cell["seconds"] for cell in manifest["cells"].values()] == [1.235]
    assert manifest["wall_seconds"] == 3.457


Z_SCORES = ("iteration_time_z", "decoding_error_z")  # since 0.3 not where rounds are too few
TOO_FEW = "too few rounds: for the tail of these times or errors, so there is no z"
TWO = [{"name": "uncoded"}, {"name": "ignore_stragglers", "wait_for": 2, "label": "b"}]


@pytest.mark.parametrize(
    ("changes", "failed", "lines"),
    [
        ({}, (), [TOO_FEW, "1 cell computed, 1 in all", "results in out/"]),
        ({"schemes": TWO}, (), [TOO_FEW, "1 cell computed, 2 in all", "results in out/"]),
        ({"schemes": TWO}, ("b",), [TOO_FEW, "1 cell computed, 1 of 2 in all", "results in out/"]),
        ({"schemes": TWO}, ("uncoded", "b"), ["results in out/"]),
        (
            *({"replications": 1}, ()),
            [
                "one replication has no standard error: no ±, and no z where times vary",
                *("1 cell computed, 1 in all", "results in out/"),
            ],
        ),
    ],
    ids=str,
)
def test_what_is_said_of_a_run(
    changes: dict[str, Any],
    failed: tuple[str, ...],
    lines: list[str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    out, err = said_of_run(capsys, *failed, warnings=("mind the gap",), **changes)
    assert out == lines
    assert err == ["warning: mind the gap", *(f"failed: {label}: no {label}" for label in failed)]


@pytest.mark.parametrize(
    ("mean", "error", "text"),
    [
        (1.23456, 0.0321, "1.235 ± 0.03"),
        (1.5, np.nan, "1.5"),
        (np.nan, 1.0, "-"),
        (0.0, 0.0, "0"),
    ],
)
def test_a_mean_with_its_error(mean: float, error: float, text: str) -> None:
    assert str(number(mean, error)) == text


@pytest.mark.parametrize(
    ("memory", "text"), [(0, "< 1 MiB"), (2**20 - 1, "< 1 MiB"), (2**20, "1 MiB"), (2**31, "2 GiB")]
)
def test_a_size_below_a_mebibyte_is_nothing(memory: int, text: str) -> None:
    assert size_beside_program(memory) == text


def made_plan(tmp_path: Path, jobs: int, todo: int, **changes: Any) -> Plan:
    """The first so many cells are to compute: 60, 50, 40, ... MiB."""
    grid = cells(tiny(**changes))
    needs = {
        cell.key: Estimate("batch", "", cost=1.0, memory=(60 - 10 * place) * 2**20)
        for place, cell in enumerate(grid)
    }
    checked = Checked({}, (), needs)
    return Plan(tmp_path / "out", RunOptions(jobs=jobs), grid, checked, grid[:todo], {})


@pytest.mark.parametrize(
    ("jobs", "todo", "line"),
    [
        (1, 3, "3 of 3 cells to compute: 60 MiB of memory beside the program"),
        (2, 3, "3 of 3 cells to compute: 110 MiB of memory beside the program with 2 jobs"),
        (3, 3, "3 of 3 cells to compute: 150 MiB of memory beside the program with 3 jobs"),
        (2, 1, "1 of 3 cells to compute: 60 MiB of memory beside the program with 2 jobs"),
        (1, 0, "0 of 3 cells to compute: all are finished"),
    ],
)
def test_a_plan_says_what_all_of_it_needs(
    jobs: int, todo: int, line: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The memory of the largest cells that run together, and no seconds."""
    show_plan(made_plan(tmp_path, jobs, todo, sweep={"seed": [1, 2, 3]}))
    lines = capsys.readouterr().out.splitlines()
    assert lines[-2] == line
    assert lines[-1] == f"nothing was computed or written; results would be in {tmp_path}/out/"
    assert sum("finished" in each for each in lines[1:4]) == 3 - todo
    assert lines[0].endswith("memory") == (todo == 3), "no column where none is finished"


def test_a_plan_says_what_cannot_run_and_what_to_know(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    planned = made_plan(tmp_path, 1, 2, sweep={"seed": [1, 2, 3]})
    *_, last = planned.cells
    known = {key: need for key, need in planned.checked.estimates.items() if key != last.key}
    show_plan(replace(planned, checked=Checked({last.key: "too odd"}, ("mind it",), known)))
    lines = capsys.readouterr().out.splitlines()
    assert lines[3:5] == [f"cannot run: {last.named}: too odd", "warning: mind it"]
    assert lines[5].startswith("2 of 2 cells to compute: ")


@pytest.mark.parametrize(
    ("count", "more"), [(40, ""), (41, "... and 1 more"), (50, "... and 10 more")]
)
def test_a_plan_shows_forty_cells(
    count: int, more: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    show_plan(made_plan(tmp_path, 1, count, sweep={"seed": [*range(count)]}))
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1 + 40 + bool(more) + 2
    assert not more or lines[41] == more


# A folder of results, without a run.


def test_pictures_of_a_result_are_noted_and_go_with_it(tmp_path: Path) -> None:
    """By name, each once and in order; what else lies beside them is the user's."""
    plots = tmp_path / "plots"
    plots.mkdir()
    for name in ("a.png", "b.svg", "c.png", "mine.png"):
        (plots / name).write_text(name)
    outputs.note_drawn(tmp_path, [plots / "c.png", plots / "a.png"])
    assert (plots / MARK).read_text() == "a.png\nc.png\n"
    outputs.note_drawn(tmp_path, [plots / "a.png", plots / "b.svg"])
    assert (plots / MARK).read_text() == "a.png\nb.svg\nc.png\n"
    (plots / MARK).write_text("a.png\nb.svg\n../plots/c.png\n../answer.json\n")
    (tmp_path / "answer.json").write_text("{}")
    assert outputs.clear(tmp_path)
    assert [path.name for path in plots.iterdir()] == ["mine.png"]
    assert (tmp_path / "answer.json").exists()
    assert not outputs.clear(tmp_path), "nothing is left"


@pytest.mark.parametrize(
    "name", ["manifest.json", "summary.parquet", "timeline.json", "attack.svg"]
)
def test_what_is_made_of_one_config_is_cleared(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("x")
    (tmp_path / "notes.txt").write_text("x")
    assert outputs.clear(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


@pytest.mark.parametrize(
    ("first", "ours"),
    [(b"cell,scheme,label,x\n", True), (b"cell,scheme,label\n", False), (b"", False)],
)
def test_a_csv_goes_if_it_is_a_table_of_ours(first: bytes, ours: bool, tmp_path: Path) -> None:
    (tmp_path / "summary.csv").write_bytes(first)
    assert outputs.clear(tmp_path) == ours
    assert (tmp_path / "summary.csv").exists() != ours


def test_a_timeline_is_emptied_and_a_damaged_one_goes(tmp_path: Path) -> None:
    """Who reads it by name finds its columns and no rows."""
    path = tmp_path / "timeline.parquet"
    assert not outputs.has_rows(path)
    pd.DataFrame({"worker": [1, 2]}).to_parquet(path)
    assert outputs.has_rows(path)
    assert outputs.clear(tmp_path)
    assert pd.read_parquet(path).columns.tolist() == ["worker"]
    assert not outputs.has_rows(path)
    assert not outputs.clear(tmp_path)
    path.write_bytes(b"PAR1 and no more")
    assert outputs.has_rows(path), "it counts as such"
    assert outputs.clear(tmp_path)
    assert not path.exists()


def test_whose_a_table_is(tmp_path: Path) -> None:
    """By its id: of another result, or of none that is known."""
    path = tmp_path / "t.parquet"
    outputs.require_id("a", "a", path)
    for found, what in (
        (None, "does not say what it is made from"),
        ("b", "is made from another config or other cells than the result in its folder"),
    ):
        with pytest.raises(ConfigError) as refused:
            outputs.require_id("a", found, path)
        assert str(refused.value) == f"{path}: {what}; run the same command again"
    assert outputs.id_in({outputs.ID: b"a"}) == "a"
    assert outputs.id_in(None) is outputs.id_in({b"else": b"{}"}) is None
    mine = outputs.result_id({"a": 1, "b": 2}, ["k", "l"])
    assert len(mine) == 16
    assert outputs.result_id({"b": 2, "a": 1}, ["k", "l", "k"]) == mine, "the same said otherwise"
    others = (({"a": 1}, ["k", "l"], None), ({"a": 1, "b": 2}, ["l", "k"], None))
    others += (({"a": 1, "b": 2}, ["k"], None), ({"a": 1, "b": 2}, ["k", "l"], "live"))
    assert len({mine, *(outputs.result_id(*facts) for facts in others)}) == 5


def test_what_is_said_of_a_table_that_is_not_there(tmp_path: Path) -> None:
    """Nothing was run; a run has not ended; it has, without a table; or with another one."""
    table = tmp_path / "summary.parquet"
    nothing = f"{table}: no such file; is {tmp_path} the output of a run?"
    assert str(outputs.nothing_at(table)) == nothing
    (tmp_path / "cells").mkdir()
    assert "its run has not come to the end; run the same command again" in str(
        outputs.nothing_at(table)
    )
    (tmp_path / "manifest.json").write_text('{"id": "a"}')
    assert "no cell of its run could be computed, so there is no table" in str(
        outputs.nothing_at(table)
    )
    (tmp_path / "workers.parquet").write_text("x")
    assert "no such file; is" in str(outputs.nothing_at(table))
    assert outputs.failed_cells(tmp_path) == {}
    (tmp_path / "manifest.json").write_text('{"failed": {"a": 5}}')
    assert outputs.failed_cells(tmp_path) == {"a": "5"}
    assert outputs.id_of(tmp_path) is None
    with pytest.raises(ConfigError, match="its run has not come to the end"):
        outputs.required_id(tmp_path)
    assert outputs.to_json({"a": [1]}) == b'{\n  "a": [\n    1\n  ]\n}\n'


def test_where_results_came_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without git, or a package, there is nothing instead of an error."""
    monkeypatch.setattr(outputs, "PACKAGES", ("numpy", "a-package-of-nobody"))
    known = outputs.provenance()
    assert [*known] == ["versions", "commit", "dirty", "host", "machine", "date"]
    assert [*known["machine"]] == ["system", "processor", "cores", "blas"]
    assert re.search(r"openblas [\d.]+ \w+|mkl|accelerate|blis", known["machine"]["blas"])
    assert known["versions"]["numpy"] == np.__version__
    assert known["versions"]["a-package-of-nobody"] is None
    commit = known["commit"]
    assert commit is None or len(commit) == 40
    waits: list[float] = []

    def says(*_: object, timeout: float, **__: object) -> str:
        waits.append(timeout)
        return " abc-dirty \n"

    monkeypatch.setattr(outputs.subprocess, "check_output", says)
    known = outputs.provenance()
    assert (known["commit"], known["dirty"]) == ("abc", True)
    assert waits == [10, 10], "git of a folder on a network may never answer"

    def fails(*_: object, **__: object) -> None:
        raise OSError

    monkeypatch.setattr(outputs.subprocess, "check_output", fails)
    installed = tmp_path / "experiments" / "run" / "outputs.py"
    monkeypatch.setattr(outputs, "__file__", str(installed))  # a build leaves a file in a checkout
    assert outputs.provenance()["commit"] is None
    (tmp_path / "commit.txt").write_text("built\n")
    known = outputs.provenance()
    assert (known["commit"], known["dirty"]) == ("built", None), "that of the wheel"
    assert outputs.seeds_of({"seed": 3}) == "3"
    assert outputs.seeds_of({"seeds": [*range(9)]}) == "9 from 0 to 8"


def test_what_a_paper_says_of_a_result(tmp_path: Path) -> None:
    """Versions, seeds and machine of the manifest, and the paper of CITATION.cff; without a result
    the paper and this version."""
    document = {"workers": 3, "iterations": 2, "replications": 1, "sweep": {"seed": [4, 7]}}
    document |= {"delay": {"model": "exponential", "rate": 1.0}, "schemes": [{"name": "uncoded"}]}
    run(document, tmp_path, RunOptions())
    done = inside("report", "--cite", tmp_path)
    assert done.returncode == 0, done.stderr
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    sentence = done.stdout.splitlines()[-1]
    assert "; seeds: 4, 7; " in sentence
    facts = [manifest["host"], manifest["date"][:10], f"numpy {np.__version__}"]
    facts += [manifest["machine"]["processor"], manifest["id"]]
    assert [fact for fact in facts if fact not in sentence] == []
    assert done.stdout.count("@") == 2
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text())["references"][0]
    assert cited["identifiers"][0]["value"] in done.stdout
    assert cited["title"] in done.stdout.replace("{", "").replace("}", "")
    assert inside("report", "--cite", tmp_path / "cells").returncode == 2
    assert done.stdout.startswith(inside("report", "--cite").stdout)
