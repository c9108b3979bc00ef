"""Speaks to the reader of tables, as no door shows the stages of a step cell by cell: data loading,
computing and the all-reduce of a table that logs each."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from erasurehead.delay_models.measured.measured import MeasuredDelays, TableError
from erasurehead.delay_models.measured.read import read_measured
from erasurehead.sim.base.reading import Reading
from tests.tools import told

STAGES = "data_ms+backward_ms+nccl_ms"


@pytest.fixture(scope="module")
def staged() -> tuple[dict[str, np.ndarray], pd.DataFrame]:
    """Seconds of stages, ``(40, 5)``, and what ranks would log in any order."""
    rng = np.random.default_rng(6)
    parts = {name: rng.lognormal(0.0, 0.2, (40, 5)) for name in ("data", "backward", "nccl")}
    frame = pd.DataFrame({"rank": np.tile(range(5), 40), "step": np.repeat(range(40), 5)})
    for name, part in parts.items():
        frame[f"{name}_ms"] = 1e3 * part.ravel()
    frame["step_ms"] = frame["data_ms"] + frame["backward_ms"] + frame["nccl_ms"] + 250
    return parts, frame.sample(frac=1, random_state=2)


def read_stages(frame: pd.DataFrame, folder: Path, **how: Any) -> MeasuredDelays:
    frame.to_csv(folder / "t.csv", index=False)
    columns = how.pop("columns", {"stages": STAGES})
    return read_measured(str(folder / "t.csv"), Reading(columns=columns, **how))


def test_stages_of_a_long_table(
    staged: tuple[dict[str, np.ndarray], pd.DataFrame], tmp_path: Path
) -> None:
    """Catches rows out of place, other units, and a rest that is forgotten."""
    parts, frame = staged
    for changed, rest in (
        (frame, True),
        (frame.drop(columns="step_ms"), False),
        (frame.assign(step_ms=frame["step_ms"] - 250), False),
        (frame.rename(columns={n: n[:-3] for n in ("data_ms", "backward_ms", "nccl_ms")}), True),
        (frame.assign(data_us=1e3 * frame["data_ms"]).drop(columns="data_ms"), True),
    ):
        names = [n for n in changed if n.split("_")[0] in parts]
        names.sort(key=lambda name: [*parts].index(name.split("_")[0]))
        found = read_stages(changed, tmp_path, columns={"stages": " + ".join(names)})
        (stages,) = found.stages.values()
        assert [*stages] == [*parts, *(["no stage"] if rest else [])]
        for name, part in parts.items():
            np.testing.assert_allclose(stages[name], part, rtol=1e-9)
        whole = sum(parts.values()) + 0.25 * rest
        np.testing.assert_allclose(found.tables[None], whole, rtol=1e-9)
        np.testing.assert_allclose(sum(stages.values()), whole, rtol=1e-9)
        assert not any("not used" in line for line in told(found.assumed))
    assert not read_stages(frame, tmp_path, columns={"seconds": "step_ms"}).stages
    rounded = read_stages(frame.assign(step_ms=(frame["step_ms"] - 250).round(-1)), tmp_path)
    assert all((part >= 0).all() for part in rounded.stages[None].values())
    np.testing.assert_allclose(sum(rounded.stages[None].values()), rounded.tables[None], rtol=1e-12)


def test_stages_of_workers_rounds_and_loads_that_are_left_out(
    staged: tuple[dict[str, np.ndarray], pd.DataFrame], tmp_path: Path
) -> None:
    parts, frame = staged
    gaps = frame.sort_values(["step", "rank"]).reset_index(drop=True)
    gaps.loc[7, "data_ms"] = np.nan  # round 1, worker 2
    found = read_stages(gaps, tmp_path, missing="drop-rounds", drop=("4",))
    expected = np.delete(parts["data"], 1, axis=0)[:, :4]
    np.testing.assert_allclose(found.stages[None]["data"], expected, rtol=1e-9)
    np.testing.assert_allclose(
        found.only(["3", "1"]).stages[None]["data"], expected[:, [3, 1]], rtol=1e-9
    )
    two = pd.concat([frame.assign(load=1), frame[frame["rank"] < 3].assign(load=2)])
    found = read_stages(two, tmp_path)
    shapes = {1.0: (40, 3), 2.0: (40, 3)}
    assert {load: part["nccl"].shape for load, part in found.stages.items()} == shapes
    assert {load: table.shape for load, table in found.tables.items()} == shapes


@pytest.mark.parametrize(
    ("change", "columns", "says"),
    [
        ({}, "data_ms+nope", "nope"),
        ({}, "data_ms+data_ms", "names data_ms twice"),
        ({}, "rank+data_ms", "no column is the worker"),
        ({}, "step_ms+data_ms", "column step_ms is a whole step by its name"),
        ({"data_ms": -1.0}, STAGES, "data_ms is negative"),
        ({"data_ms": "long"}, STAGES, "'long' is not a number"),
        ({"data_ms": np.nan}, STAGES, "is missing"),
        ({"data_ms": 5e3}, STAGES, "take longer than their step: do they overlap"),
        ({"rank": None, "step": None}, STAGES, "no column is the worker or the round"),
        ({"step_ms": None, "nccl_us": 5.0}, "data_ms+nccl_us", "nccl_us are in different units"),
        ({"step_ms": None}, "", "+nccl_ms names parts of a step"),
    ],
)
def test_stages_that_cannot_be_told(
    staged: tuple[dict[str, np.ndarray], pd.DataFrame],
    change: dict[str, Any],
    columns: str,
    says: str,
    tmp_path: Path,
) -> None:
    """Each is one line; nothing is left out, cut or doubled in silence."""
    gone = [name for name, value in change.items() if value is None]
    frame = staged[1].assign(**change).drop(columns=gone)
    with pytest.raises(TableError) as caught:
        read_stages(frame, tmp_path, columns={"stages": columns} if columns else {})
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def in_stages(*steps: str) -> str:
    return "worker,round,step_s,read_s,work_s\n" + "".join(
        f"{worker},{number},{step}\n" for number, step in enumerate(steps) for worker in "ab"
    )


def test_stages_may_be_longer_than_their_step_by_a_hundredth(tmp_path: Path) -> None:
    """Their digits are rounded; what is beyond the step is cut. Of what is left nobody says what
    it is, unless there is nothing."""
    path = tmp_path / "t.csv"
    by = Reading(columns={"seconds": "step_s", "stages": "read_s+work_s"}, rows=":")
    path.write_text(in_stages("2.00,0.5,1.52", "2.00,0.5,1.5", "1.00,0.25,0.75"))
    stages = read_measured(str(path), by).stages[None]
    assert list(stages) == ["read", "work"]
    np.testing.assert_allclose(stages["work"][:, 0], [1.5, 1.5, 0.75])
    path.write_text(in_stages("2.00,0.5,1.25", "2.00,0.5,1.5"))
    stages = read_measured(str(path), by).stages[None]
    assert list(stages) == ["read", "work", "no stage"]
    np.testing.assert_allclose(stages["no stage"][:, 1], [0.25, 0.0])
    path.write_text(in_stages("2.00,0.5,1.5", "2.00,0.5,1.53"))
    with pytest.raises(TableError, match=r"row 3: stages read_s\+work_s take longer than their st"):
        read_measured(str(path), by)
    alone = Reading(columns={"stages": "read_s+work_s"}, drop=("step_s",), rows=":")
    found = read_measured(str(path), alone)
    np.testing.assert_allclose(found.tables[None][:, 0], [2.0, 2.03])
    path.write_text(in_stages("9,0.5,1.5", "9,,1.5", "9,0.5,1.0"))
    with pytest.raises(TableError, match="is missing"):
        read_measured(str(path), alone)
    left = read_measured(str(path), replace(alone, missing="drop-rounds"))
    np.testing.assert_allclose(left.tables[None][:, 0], [2.0, 1.5])
    for also, no in (({"retries": "sum"}, "--retries sum"), ({}, "--columns allreduce=...")):
        columns = {"stages": "read_s+work_s"} | ({} if also else {"allreduce": "step_s"})
        with pytest.raises(TableError, match=f"{no} cannot stand beside --columns stages="):
            read_measured(str(path), Reading(columns=columns, **also, drop=(), rows=":"))  # type: ignore[arg-type]
