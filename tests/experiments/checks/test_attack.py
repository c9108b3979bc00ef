"""``erasurehead verify --worst`` as a person uses it: table, picture, terminal, bad input."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import yaml

from erasurehead import ConfigError
from erasurehead.experiments.checks import attack as command
from erasurehead.experiments.checks.attack import (
    RANDOM_SETS_LOOK,
    THICK,
    THIN,
    UPPER_BOUND_LOOK,
    WORST_SET_LOOK,
    beginning,
    picture,
    rounding,
    straggler_numbers,
)
from erasurehead.experiments.pictures.picture import Curve, Points
from erasurehead.experiments.run.command import RunOptions, run
from erasurehead.experiments.run.files import MARK, locked
from erasurehead.experiments.run.outputs import ATTACK, id_in, make_way
from erasurehead.sim.attack import SearchBudget
from tests.golden.records import require_recorded
from tests.tools import inside

DOCUMENT: dict[str, Any] = {
    "name": "attacked",
    "workers": 12,
    "iterations": 1,
    "delay": {"model": "exponential", "rate": 1.0},
    "schemes": [
        {"name": "erasurehead", "load": 3, "wait_for": [6, 9]},
        {"name": "cyclic_mds", "load": 4, "label": "[red]mine"},
        {"name": "asynchronous"},
    ],
}


def plan_of(document: dict[str, Any]) -> command.AttackPlan:
    return command.plan_attack(document, None, SearchBudget())


def attacked(asked: str | None = "0:5", **changes: Any) -> tuple[command.AttackPlan, pd.DataFrame]:
    planned = command.plan_attack({**DOCUMENT, **changes}, asked, SearchBudget(100, 20))
    return planned, command.attack_codes(planned, lambda done, total: None)


@pytest.mark.golden
def test_what_a_person_gets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(DOCUMENT))
    done = inside("verify", "--worst", "config.yaml")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith("next: erasurehead run config.yaml\n")
    out = tmp_path / "results" / "attack" / "attacked"
    assert {path.name for path in out.iterdir()} == {MARK, "config.yaml", *ATTACK}
    frame = pd.read_csv(out / "attack.csv", keep_default_na=True)
    found = {"said": done.stdout, "table": frame, "picture": picture(frame)}
    require_recorded("attack", found)
    repetition = frame[frame["scheme"] == "erasurehead"]
    assert repetition["worst_error"].tolist() == [3 * (s // 3) for s in range(7)]
    assert repetition["bound"].tolist() == repetition["worst_error"].tolist()
    lost = "no error with up to 2 stragglers; the worst 3 stragglers cost an error of 3 of 12"
    assert f"ErasureHead (d = 3, r = 6), 12 workers: {lost}" in done.stdout
    assert "[red]mine, 12 workers: no error with up to 3 stragglers" in done.stdout
    assert "ErasureHead (d = 3, r = 9): left out: the same code and decoder as" in done.stdout
    assert "asynchronous: left out: it has no rounds" in done.stdout


def test_columns(tmp_path: Path) -> None:
    planned, frame = attacked()
    assert frame["worst_relative"].tolist() == (frame["worst_error"] / 12).tolist()
    exact = frame["bound"].notna() & (frame["worst_error"] >= frame["bound"] - 1e-9)
    assert frame.loc[exact, "exact"].all()
    assert set(frame.loc[frame["found_by"] == "enumeration", "random_se"]) == {0.0}
    assert frame["worst_set"].str.split().str.len().tolist() == frame["stragglers"].tolist()
    command.write_attack(planned, frame, tmp_path)
    again = pd.read_parquet(tmp_path / "attack.parquet")
    pd.testing.assert_frame_equal(again, frame)


def test_the_same_bytes_twice(tmp_path: Path) -> None:
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        command.write_attack(*attacked(), tmp_path / name)
    for name in command.ATTACK_FILES:
        assert (tmp_path / "first" / name).read_bytes() == (tmp_path / "second" / name).read_bytes()


def test_the_seed_is_that_of_the_config() -> None:
    means = [attacked("5", seed=seed)[1]["random_mean"].tolist() for seed in (0, 0, 1)]
    assert means[0] == means[1] != means[2]


def id_in_table(output: Path) -> str | None:
    return id_in(pq.read_schema(output / "attack.parquet").metadata)


def test_a_table_says_what_it_is_made_from(tmp_path: Path) -> None:
    planned, frame = attacked()
    command.write_attack(planned, frame, tmp_path)
    assert id_in_table(tmp_path) == planned.id
    other, _ = attacked(seed=3)
    assert other.id != planned.id
    assert command.plan_attack(DOCUMENT, "0:5", SearchBudget(99, 20)).id != planned.id


def test_one_folder_one_story(tmp_path: Path) -> None:
    """Beside another config's result nothing is written; another run takes the files away."""
    planned, frame = attacked()
    command.write_attack(planned, frame, tmp_path)
    make_way(tmp_path, {**planned.config, "seed": 7})
    assert not any((tmp_path / name).exists() for name in ATTACK)
    run(DOCUMENT, tmp_path / "out", RunOptions())
    command.require_own(
        tmp_path / "out", command.plan_attack(DOCUMENT, "1", SearchBudget(1, 2)).config
    )
    with pytest.raises(ConfigError, match="another config; give another --output"):
        command.require_own(tmp_path / "out", planned.config | {"seed": 7})


def test_a_result_that_is_half_written_has_no_table_of_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    planned, frame = attacked()
    for name in ATTACK:
        (tmp_path / name).write_text("of the one before")
    monkeypatch.setattr(command.paint, "figure", {}.__getitem__)
    with pytest.raises(KeyError):
        command.write_attack(planned, frame, tmp_path)
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {command.CONFIG, command.ATTACK[0]}
    assert b"of the one before" not in (tmp_path / command.ATTACK[0]).read_bytes()


def write(folder: Path, document: dict[str, Any]) -> Path:
    path = folder / "given.yaml"
    path.write_text(yaml.safe_dump(document))
    return path


def test_another_command_is_writing(tmp_path: Path) -> None:
    with locked(tmp_path / "out"):
        done = inside("verify", "--worst", write(tmp_path, DOCUMENT), "--output", tmp_path / "out")
    assert done.returncode == 2
    assert "is writing to it" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_sweep_over_workers_has_a_panel_each() -> None:
    _, frame = attacked("3", sweep={"workers": [12, 15], "delay.rate": [1.0, 2.0]})
    assert frame.groupby("label", sort=False)["workers"].apply(list).tolist() == [[12, 15]] * 2
    shown = picture(frame)
    assert [panel.title for panel in shown.panels] == ["12 workers", "15 workers"]
    three = picture(pd.concat([frame, frame[frame["workers"] == 12].assign(workers=18)]))
    assert (len(three.panels), shown.columns, three.columns) == (3, 2, 2)
    assert three.height > 1.5 * shown.height


def test_what_differs_in_nothing_that_an_attack_sees_is_named_once() -> None:
    """Delays do not change a code; what cannot be attacked is left out in one line."""
    found = plan_of({**DOCUMENT, "sweep": {"delay.rate": [1.0, 2.0]}})
    once = plan_of(DOCUMENT)
    assert [each.label for each in found.codes] == [each.label for each in once.codes]
    assert found.left_out == once.left_out
    assert [line.partition(":")[0] for line in once.left_out] == [
        "ErasureHead (d = 3, r = 9)",
        "asynchronous",
    ]
    assert "the same code and decoder as ErasureHead (d = 3, r = 6)" in once.left_out[0]
    assert len(found.keys) == 2 * len(once.keys)


def test_labels_of_a_sweep_tell_codes_apart() -> None:
    """A label that the config gives would stand for both loads."""
    _, frame = attacked("3", sweep={"schemes.cyclic_mds.load": [2, 4]})
    labels = frame.drop_duplicates("label")["label"].tolist()
    assert labels[1:] == ["[red]mine", "[red]mine [schemes.cyclic_mds.load=4]"]


def test_a_picture_shows_worst_random_and_bound() -> None:
    """Solid, dashed and dotted in the scheme's colour; hollow where it is a lower bound."""
    _, frame = attacked()
    (panel,) = picture(frame).panels
    rows = frame[frame["scheme"] == "erasurehead"]
    curves = [mark for mark in panel.marks if isinstance(mark, Curve) and len(mark.x)]
    bound, mean, worst = curves[:3]
    assert worst.y.tolist() == rows["worst_relative"].tolist()
    assert mean.y.tolist() == (rows["random_mean"] / 12).tolist()
    assert bound.y.tolist() == (rows["bound"] / 12).tolist()
    assert [curve.width for curve in (*curves[2::3],)] == [THICK, THIN], "both can be seen"
    titles = [mark.look.title for mark in panel.marks if isinstance(mark, Curve) and mark.title]
    assert titles == [
        "ErasureHead (d = 3, r = 6)",
        "[red]mine",
        WORST_SET_LOOK.title,
        RANDOM_SETS_LOOK.title,
        UPPER_BOUND_LOOK.title,
    ]
    styles = [curve.look.line for curve in (worst, mean, bound)]
    assert styles == [WORST_SET_LOOK.line, RANDOM_SETS_LOOK.line, UPPER_BOUND_LOOK.line]
    points = [mark for mark in panel.marks if isinstance(mark, Points)]
    hollow = sum(len(mark.x) for mark in points if mark.hollow)
    assert hollow == (~frame["exact"]).sum() > 0


@pytest.mark.parametrize(
    ("text", "workers", "expected"),
    [
        (None, 12, range(7)),
        (None, 1, range(2)),
        ("3", 12, [3]),
        ("0:2, 5,1", 12, [0, 1, 2, 5]),
        ("12", 12, [12]),
    ],
)
def test_counts(text: str | None, workers: int, expected: list[int]) -> None:
    assert list(straggler_numbers(text, workers)) == list(expected)


def test_counts_of_large_clusters_are_thinned() -> None:
    """To ten all, then some at equal distances, thirty in all; of up to sixty workers every one."""
    found = list(straggler_numbers(None, 1000))
    assert found[:11] == [*range(11)]
    assert (found[-1], len(found)) == (500, 30)
    assert {*np.diff(found[10:])} == {25, 26}
    assert [*straggler_numbers(None, 60)] == [*range(31)]
    assert len([*straggler_numbers(None, 62)]) == 30


@pytest.mark.parametrize("text", ["a", "", "3:", "5:3", "13", "-1", "1.5", "9" * 40])
def test_bad_counts(text: str) -> None:
    with pytest.raises(ConfigError, match="--stragglers = "):
        straggler_numbers(text, 12)


def test_a_config_without_codes_is_refused() -> None:
    with pytest.raises(ConfigError, match="none is a code with an encoding matrix"):
        command.plan_attack(
            {**DOCUMENT, "schemes": [{"name": "asynchronous"}]}, None, SearchBudget()
        )


def test_a_code_that_cannot_be_built_is_left_out_of_a_sweep_alone() -> None:
    """Where no key is swept it is a mistake."""
    schemes = [{"name": "fractional_repetition", "load": 5}]
    with pytest.raises(ConfigError, match="must divide workers = 12"):
        plan_of({**DOCUMENT, "schemes": schemes})
    found = plan_of({**DOCUMENT, "schemes": schemes, "sweep": {"workers": [12, 10]}})
    assert [each.code.workers for each in found.codes] == [10]
    [line] = found.left_out
    assert "left out: " in line
    assert "must divide workers = 12" in line


def test_too_many_workers_are_refused() -> None:
    with pytest.raises(ConfigError, match="workers = 30000: must be at most 20000"):
        command.plan_attack({**DOCUMENT, "workers": 30_000}, None, SearchBudget())


@pytest.mark.parametrize(
    ("errors", "exact", "expected"),
    [
        (
            [0, 0, 2],
            [True, True, True],
            "no error with up to 1 straggler; the worst 2 stragglers cost an error of 2 of 9",
        ),
        ([0, 0, 2], [True, False, True], "no error was found with up to 1 straggler; the worst 2"),
        ([0, 2, 2], [True, True, True], "no error without stragglers; the worst straggler costs"),
        ([1, 1, 2], [True, True, True], "an error of 1 of 9 without stragglers"),
        ([0, 0, 1e-9], [True, True, True], "no error with up to 2 stragglers"),
        ([0, 0, 0], [True, True, False], "no error was found with up to 2 stragglers"),
    ],
)
def test_where_a_code_begins_to_lose(errors: list[float], exact: list[bool], expected: str) -> None:
    columns = {"stragglers": range(3), "worst_error": errors, "exact": exact, "partitions": 9}
    assert beginning(pd.DataFrame(columns)).startswith(expected)


@pytest.mark.parametrize(
    ("errors", "expected"),
    [
        ([0, 0, 2], "up to 3 stragglers (4 to 5 not looked at); the worst 6 stragglers cost"),
        ([0, 2, 2], "no error without stragglers (1 to 2 not looked at); the worst 3 stragglers"),
        ([0, 0, 0], "no error with up to 6 stragglers"),
    ],
)
def test_numbers_of_stragglers_that_were_not_looked_at_are_said(
    errors: list[int], expected: str
) -> None:
    columns = {"stragglers": [0, 3, 6], "worst_error": errors, "exact": True, "partitions": 9}
    assert expected in beginning(pd.DataFrame(columns))
    last = pd.DataFrame({**columns, "stragglers": [0, 0, 1], "worst_error": [0, 0, 0]})
    assert beginning(last) == "no error with up to 1 straggler"


def test_where_rounding_begins_to_count() -> None:
    """A bound holds in exact arithmetic; a badly conditioned code may be worse."""
    columns = {"stragglers": range(3), "worst_error": [0, 2e-3, 5], "bound": [0, 0, np.nan]}
    assert str(rounding(pd.DataFrame(columns))).startswith("from s = 1 on the decoder loses")
    assert rounding(pd.DataFrame(columns | {"worst_error": [0, 1e-9, 5]})) is None
    assert (
        rounding(pd.DataFrame(columns | {"worst_error": [0, command.MAX_ROUNDING_ERROR, 5]}))
        is None
    )


def test_lines_of_codes_are_thinner_one_after_the_other() -> None:
    """From thick to thin, so that those below can be seen; one alone is thick."""
    _, frame = attacked("0:1")
    first = frame[frame["label"] == frame["label"][0]]
    for labels, expected in (("a", [THICK]), ("ab", [THICK, THIN]), ("abc", [THICK, 2.4, THIN])):
        (panel,) = picture(pd.concat([first.assign(label=label) for label in labels])).panels
        curves = [mark for mark in panel.marks if isinstance(mark, Curve) and len(mark.x)]
        assert [curve.width for curve in curves[2::3]] == pytest.approx(expected)


def test_eight_of_the_worst_stragglers_are_named() -> None:
    _, frame = attacked("0")
    row, names = frame[:1], [*map(str, range(9))]
    for many, said in ((8, "0 1 2 3 4 5 6 7"), (9, "0 1 2 3 4 5 6 7 ...")):
        [cells] = command.code_cells(row.assign(worst_set=" ".join(names[:many])))
        assert cells[-1].text == said


def test_every_number_of_stragglers_is_told_when_it_is_done() -> None:
    """From nothing on, of the numbers of all codes together."""
    told: list[tuple[int, int]] = []
    planned, _ = attacked("0:1")
    command.attack_codes(planned, lambda *at: told.append(at))
    assert told == [(done, 4) for done in range(5)]
