"""Steps beside their all-reduces, and ranks beside their hosts, planted: read by names alone."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest

import erasurehead as eh
from erasurehead.delay_models.measured.read import read_measured
from erasurehead.delays import MeasuredTrace
from erasurehead.sim.base.reading import Reading
from tests.tools import inside

ROUNDS, RANKS, SLOW = 80, 6, 4
RANK = np.tile(np.arange(RANKS), ROUNDS)
ROUND = np.repeat(np.arange(ROUNDS), RANKS)


class Training(NamedTuple):
    """Seconds of synchronous training, ``(ROUNDS, RANKS)``; of the transfer ``(ROUNDS, 1)``."""

    compute: np.ndarray
    allreduce: np.ndarray
    step: np.ndarray
    transfer: np.ndarray


def training(seed: int, lag: float = 0.0) -> Training:
    """Rank ``SLOW`` computes 1.5 times as long. With a ``lag`` steps are not equal for all: each
    rank goes on that much later, which its next wait makes up for."""
    rng = np.random.default_rng(seed)
    compute = 0.3 * rng.lognormal(0.0, 0.04, (ROUNDS, RANKS))
    compute[:, SLOW] *= 1.5
    transfer = 0.07 * rng.lognormal(0.0, 0.1, (ROUNDS, 1))
    late = lag * rng.random((ROUNDS + 1, RANKS))
    begun = compute + late[:-1]
    allreduce = begun.max(axis=1, keepdims=True) - begun + transfer + late[1:]
    return Training(compute, allreduce, step=compute + allreduce, transfer=transfer)


def long_table(
    measured: Training,
    step: str = "step_s",
    allreduce: str = "allreduce_s",
    parts: tuple[str, ...] = (),
    host: str = "",
) -> pd.DataFrame:
    """A row for each rank and round; columns whose names say ms are in ms, and ``parts`` share the
    time of computing. Two ranks on each host, if there is a column of hosts."""
    columns = {step: measured.step, allreduce: measured.allreduce}
    columns |= {part: measured.compute / len(parts) for part in parts}
    frame = pd.DataFrame({"step": ROUND, "rank": RANK})
    if host:
        frame[host] = [f"n{rank // 2}" for rank in RANK]
    for name, seconds in columns.items():
        frame[name] = seconds.ravel() * (1e3 if "ms" in name.lower() else 1.0)
    return frame


NAMES: dict[str, dict[str, Any]] = {
    "as a script logs them": {"step": "step_time_s", "parts": ("compute_s",)},
    "two units": {"step": "iter_s", "allreduce": "comm_ms"},
    "ms and s": {"step": "step_ms", "allreduce": "nccl_s", "parts": ("fwd_ms", "bwd_ms")},
    "no unit": {"step": "step_time", "allreduce": "nccl_time"},
    "the part alone has a unit": {
        "step": "batch_time",
        "allreduce": "exposed_comm",
        "host": "node",
    },
    "a part that is a call": {"step": "step_time_s", "parts": ("compute_time_s", "data_load_s")},
    "camels and brackets": {"step": "Iteration Time (ms)", "allreduce": "gradAllReduceMs"},
    "a profiler's": {"step": "dur_ms", "allreduce": "allreduce_ms"},
    "hosts": {"allreduce": "communication_time_ms", "host": "hostname"},
}


@pytest.mark.parametrize("lag", [0.0, 0.004])
@pytest.mark.parametrize("name", NAMES)
def test_own_times_are_read_unasked(name: str, lag: float) -> None:
    """Catches units of one column for both, the largest wait, and another round's."""
    measured = training(seed=3, lag=lag)
    frame = long_table(measured, **NAMES[name]).sample(frac=1, random_state=1)
    found = eh.read_table(frame)
    smallest = measured.allreduce.min(axis=1, keepdims=True)
    own = measured.step - (measured.allreduce - smallest)
    np.testing.assert_allclose(found.tables[None], own, rtol=1e-12)
    (said,) = (note for note in found.notes if note.startswith("Own times: "))
    step, allreduce = NAMES[name].get("step", "step_s"), NAMES[name].get("allreduce", "allreduce_s")
    assert f"{step} holds the wait" in said
    assert f"taken off: {allreduce} less the smallest of its round" in said
    assert f"(the transfer, typically {np.median(smallest):.3g} s" in said
    assert not any("include waiting" in note for note in found.notes)
    asked = eh.read_table(frame, columns={"allreduce": allreduce})
    pd.testing.assert_frame_equal(asked.tables[None], found.tables[None])
    whole = eh.read_table(frame, columns={"allreduce": ""})
    np.testing.assert_allclose(whole.tables[None], measured.step, rtol=1e-12)


WIDE = ("rank{rank}_{name}", "{name}_rank{rank}", "gpu-node-{rank}.{name}", "{name}_{rank}")


@pytest.mark.parametrize("numbered", [True, False])
@pytest.mark.parametrize("pattern", WIDE)
def test_a_wide_table_of_several_measures_of_each_rank(
    pattern: str, numbered: bool, tmp_path: Path
) -> None:
    measured = training(seed=5)
    columns = {"step": np.arange(100, 100 + ROUNDS)} if numbered else {}
    for rank in range(RANKS):
        columns[pattern.format(rank=rank, name="step_time_s")] = measured.step[:, rank]
        columns[pattern.format(rank=rank, name="fwd_ms")] = 500 * measured.compute[:, rank]
        columns[pattern.format(rank=rank, name="comm_ms")] = 1e3 * measured.allreduce[:, rank]
    pd.DataFrame(columns).to_csv(tmp_path / "t.csv", index=False)
    found = eh.read_table(tmp_path / "t.csv")
    np.testing.assert_allclose(found.tables[None], measured.compute + measured.transfer, rtol=1e-9)
    assert found.tables[None].index[0] == (100 if numbered else 0)
    assert [name.rstrip("0123456789") for name in found.tables[None].columns] == [
        pattern.format(rank="", name="").strip("_.") * bool("rank}" in pattern)
    ] * RANKS
    assert "worker:" in found.lines[1]
    assert found.lines[1].endswith("(names of columns)")
    whole = eh.read_table(tmp_path / "t.csv", columns={"allreduce": ""})
    np.testing.assert_allclose(whole.tables[None], measured.step, rtol=1e-9)


UNREAD: dict[str, dict[str, Any]] = {
    "no time": {"allreduce": "allreduce_bytes"},
    "a wait alone": {"allreduce": "comm_wait_s"},
    "a summary": {"allreduce": "comm_total_s"},
    "another thing": {"allreduce": "validation_s"},
}


@pytest.mark.parametrize("name", UNREAD)
def test_other_names_change_nothing(name: str) -> None:
    measured = training(seed=6)
    found = eh.read_table(long_table(measured, **UNREAD[name]))
    np.testing.assert_allclose(found.tables[None], measured.step, rtol=1e-12)
    assert f"Columns not used: {UNREAD[name]['allreduce']}." in found.notes
    assert any(note.startswith("These times include waiting") for note in found.notes)


def test_a_part_that_is_the_only_duration_is_the_own_time_already() -> None:
    measured = training(seed=7)
    frame = long_table(measured, parts=("compute_time_s",)).drop(columns="step_s")
    found = eh.read_table(frame).tables[None]
    np.testing.assert_allclose(found, measured.compute, rtol=1e-12)


def refused() -> dict[str, tuple[pd.DataFrame, dict[str, Any], str]]:
    measured = training(seed=8)
    frame = long_table(measured)
    alone = frame.assign(step_s=measured.compute.ravel())
    neutral = frame.rename(columns={"step_s": "duration_s"})
    clock = ROUND * 1.0
    edges = frame.drop(columns="step_s").assign(start_s=clock, end_s=clock + frame["step_s"])
    longer = frame.assign(allreduce_s=frame["step_s"].where(frame.index != 7, 9.0))
    return {
        "what may hold it or not": (neutral, {}, 'say columns={"allreduce": "allreduce_s"} if it'),
        "a start and an end": (edges, {}, "start_s to end_s may hold it or not"),
        "two": (frame.assign(comm_ms=1.0), {}, "allreduce_s and comm_ms could each be the all-"),
        "two wholes": (frame.assign(iter_s=1.0), {}, "step_s and iter_s could each be"),
        "negative": (frame.assign(allreduce_s=-1.0), {}, "allreduce_s is negative"),
        "longer": (longer, {}, "row 8: allreduce_s is longer than its step"),
        "other units": (frame.assign(allreduce_s=1e3 * frame["allreduce_s"]), {}, "is longer than"),
        "a step that ends before": (alone, {}, "equal for all only if they are added"),
        "added": (
            frame,
            {"retries": "sum"},
            'not added: retries="last"; columns={"allreduce": ""}',
        ),
    }


@pytest.mark.parametrize("name", refused())
def test_what_could_be_two_things_is_asked_for_in_one_line(name: str) -> None:
    frame, options, says = refused()[name]
    with pytest.raises(eh.ConfigError) as caught:
        eh.read_table(frame, **options)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)
    if name != "two wholes":  # and one answer is to read none
        assert eh.read_table(frame, **options, columns={"allreduce": ""}).tables


def test_hosts_of_ranks_and_the_transfer_are_known(tmp_path: Path) -> None:
    """Also at several loads, of some ranks, and where rounds are left out."""
    measured = training(seed=9)
    frame = long_table(measured, host="host")
    path = tmp_path / "t.csv"
    frame.to_csv(path, index=False)
    found = read_measured(str(path))
    assert found.host_of == {str(rank): f"n{rank // 2}" for rank in range(RANKS)}
    assert found.groups == {f"host n{k}": (str(2 * k), str(2 * k + 1)) for k in range(3)}
    np.testing.assert_allclose(found.fixed[None], measured.transfer[:, 0], rtol=1e-9)
    assert "read as 80 rounds of 6 ranks on 3 hosts; times" in eh.read_table(path).lines[0]
    assert any("slowest:" in line and " 4 on n2," in line for line in eh.read_table(path).lines)
    np.testing.assert_array_equal(
        MeasuredTrace(path=str(path)).table, np.asarray(eh.read_table(path).tables[None])
    )
    some = read_measured(str(path), Reading(drop=("4",)))
    np.testing.assert_allclose(some.fixed[None], measured.transfer[:, 0], rtol=1e-9)
    frame.loc[:2, "allreduce_s"] = np.nan
    frame.assign(load=1.0 + ROUND % 2).to_csv(path, index=False)
    found = read_measured(str(path), Reading(missing="drop-rounds"))
    np.testing.assert_allclose(found.fixed[1.0], measured.transfer[2::2, 0], rtol=1e-9)
    np.testing.assert_allclose(found.fixed[2.0], measured.transfer[1::2, 0], rtol=1e-9)
    assert read_measured(str(path), Reading(columns={"allreduce": ""})).fixed == {}


@pytest.mark.parametrize("step", ["seconds", "step_s"])
def test_ranks_on_hosts_without_an_all_reduce(step: str) -> None:
    measured = training(seed=10)
    frame = long_table(measured, step=step, host="machine").drop(columns="allreduce_s")
    frame[step] = measured.compute.ravel()
    found = eh.read_table(frame)
    np.testing.assert_allclose(found.tables[None], measured.compute, rtol=1e-12)
    assert "6 ranks on 3 hosts" in found.lines[0]
    assert not any("not used" in note for note in found.notes)
    moved = frame.assign(machine=np.where(ROUND > 40, "n9", frame["machine"]))
    for odd in (moved, frame.assign(machine=frame["rank"].map(str))):  # a rank on two; one on each
        with pytest.raises(eh.ConfigError, match="rank and machine could each be the worker"):
            eh.read_table(odd)
    asked = eh.read_table(moved, columns={"worker": "rank"})
    assert "6 workers" in asked.lines[0]
    assert "Columns not used: machine." in asked.notes


@pytest.mark.one_in(2)
@pytest.mark.parametrize("name", ["two units", "as a script logs them", "hosts"])
def test_the_slow_rank_is_named_without_an_option(name: str, tmp_path: Path) -> None:
    measured = training(seed=11)
    path, out = tmp_path / "steps.csv", tmp_path / "out"
    long_table(measured, **NAMES[name]).to_csv(path, index=False)
    own = measured.compute + measured.transfer
    read = inside("read", path)
    assert read.returncode == 0
    assert "holds the wait for the slowest, which is taken off" in read.stdout
    told = inside("whatif", path, "--output", out).stdout
    usual = own.copy()
    usual[:, SLOW] = np.median(own / np.median(own, axis=1, keepdims=True))
    share = 100 * (1 - np.delete(own, SLOW, axis=1).max(axis=1).mean() / own.max(axis=1).mean())
    (saves,) = re.findall(r"^Replace (?:host|rank) 4\b.*?, ([\d.]+) % less", told, re.MULTILINE)
    assert float(saves) == pytest.approx(share, abs=1.0)
    fitted = inside("fit", path, "--output", tmp_path / "fit").stdout
    assert "Worker 4 stands out" in fitted
