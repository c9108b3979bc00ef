"""Traces of PyTorch's profiler. Speaks to their reader: no door shows spans and stages in numbers.

The files in ``profiler/`` were written by torch 2.13 (CPU): three ranks of a gloo group whose steps
2 to 5 sleep 2 (rank + 1) + step milliseconds and reduce in step 3; and one file of
``tensorboard_trace_handler`` for a process without a group. Torch itself is no dependency.
"""

from __future__ import annotations

import gzip
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import erasurehead as eh
from erasurehead import ConfigError
from erasurehead.delay_models.measured.profiler import read_traces
from erasurehead.delay_models.measured.read import read_measured
from erasurehead.sim.base.reading import Reading

FOLDER = Path(__file__).parent / "profiler"
SLEPT = np.array([[2.0 * (rank + 1) + step for rank in range(3)] for step in range(2, 6)]) / 1000


@pytest.fixture
def ranks(tmp_path: Path) -> Path:
    for rank in range(3):
        shutil.copy(FOLDER / f"rank{rank}.json", tmp_path)
    return tmp_path


def event(name: str = "ProfilerStep#4", **more: Any) -> dict[str, Any]:
    return {"ph": "X", "cat": "user_annotation", "name": name, "ts": 1.0, "dur": 2500.0, **more}


def trace(*events: dict[str, Any], **more: Any) -> str:
    return json.dumps({"schemaVersion": 1, **more, "traceEvents": [*events]})


def read(path: Path | str, **options: Any) -> pd.DataFrame:
    """The only load, rounds x hosts in seconds."""
    (table,) = eh.read_table(path, **options).tables.values()
    return table


def in_collectives(
    steps: list[dict[str, Any]], spans: list[tuple[float, float]], folder: Path
) -> list[float]:
    """Microseconds of each step; none where no span began in one."""
    calls = [event("nccl:all_reduce", cat="cpu_op", ts=ts, dur=dur) for ts, dur in spans]
    file = folder / "rank0.json"
    file.write_text(trace(*steps, *calls))
    return [*read_traces(str(file), None).frame.get("allreduce_us", ())]


def test_steps_of_every_rank(ranks: Path) -> None:
    """Catches milliseconds taken for microseconds, ranks mixed up, and steps out of order."""
    for path in (str(ranks), f"{ranks}/rank*.json", f"{ranks}/rank[0-2].json"):
        found = read(path, **WITH_WAITS)
        assert [*found.columns] == ["0", "1", "2"]
        table = found.to_numpy()
        assert table.shape == SLEPT.shape
        assert np.all(table >= SLEPT)  # a sleep never ends early
        assert np.all(table[[0, 2, 3]] < SLEPT[[0, 2, 3]] + 0.1)
    first = json.loads((FOLDER / "rank1.json").read_text())["traceEvents"]
    steps = [e["dur"] for e in first if e.get("name", "").startswith("ProfilerStep#")]
    np.testing.assert_allclose(table[:, 1], np.array(steps) / 1e6, rtol=1e-12)


def test_the_name_says_who_where_nothing_else_does(tmp_path: Path) -> None:
    found = read(FOLDER / "nodeA.1795613455663362280.pt.trace.json")
    assert [*found.columns] == ["nodeA"]
    (tmp_path / "worker_rank-07.json.gz").write_bytes(gzip.compress(trace(event()).encode()))
    found = read(tmp_path / "worker_rank-07.json.gz")
    assert [*found.columns] == ["7"]
    np.testing.assert_array_equal(found, [[0.0025]])


@pytest.mark.parametrize("rank", [True, -1, 10**400, 1.0, "0", None, [0]], ids=lambda r: str(r)[:9])
def test_a_rank_that_is_none_leaves_the_name_to_say_it(rank: Any, tmp_path: Path) -> None:
    (tmp_path / "rank3.json").write_text(trace(event(), distributedInfo={"rank": rank}))
    assert [*read(tmp_path).columns] == ["3"]


def test_a_step_on_the_device_is_not_taken_for_another(tmp_path: Path) -> None:
    device = event(cat="gpu_user_annotation", dur=9.0)
    told = {"rank": 0, "world_size": 1}
    (tmp_path / "t.json").write_text(trace(event(), device, event("x"), distributedInfo=told))
    np.testing.assert_array_equal(read(tmp_path / "t.json"), [[0.0025]])


RANK = {"distributedInfo": {"rank": 0}}
BAD = {
    "no steps": (trace(event("aten::mm"), **RANK), "profiler.step()"),
    "no events": ("{}", "no traceEvents"),
    "a number": ("3", "no traceEvents"),
    "no JSON": ("{", "cannot be read as json"),
    "deep": ("[" * 100_000, "cannot be read as json"),
    "no duration": (trace(event(dur=None), **RANK), "no dur"),
    "text for a duration": (trace(event(dur="2"), **RANK), "no dur"),
    "beyond all numbers": (trace(event(dur=10**400), **RANK), "beyond all numbers"),
    "one step twice": (trace(event(), event(), **RANK), "there twice"),
    "nobody": (trace(event()), "no rank in its name"),
    "negative": (trace(event(dur=-1.0), **RANK), "negative"),
    "infinite": (trace(event(dur=1e400), **RANK), "infinite"),
}


@pytest.mark.parametrize("name", BAD)
def test_damaged_traces_are_one_line(name: str, tmp_path: Path) -> None:
    content, says = BAD[name]
    (tmp_path / "t.json").write_text(content)
    with pytest.raises(ConfigError) as error:
        eh.read_table(tmp_path / "t.json")
    line = str(error.value)
    assert line.startswith(f"{tmp_path / 't.json'}: ")
    assert says in line
    assert "\n" not in line
    assert len(line.replace(str(tmp_path), "")) < 250


def test_folders_that_hold_something_else(tmp_path: Path, ranks: Path) -> None:
    (tmp_path / "empty").mkdir()
    for path, says in (
        (tmp_path / "empty", "PyTorch profiler traces"),
        (tmp_path / "rank*.xml", "no file has such a name"),
        (tmp_path / "rank9.json", "no such file"),
    ):
        with pytest.raises(ConfigError, match=says):
            eh.read_table(path)
    shutil.copy(ranks / "rank1.json", ranks / "again_rank1.json")
    with pytest.raises(ConfigError, match="two rows for worker 1, round 2"):
        eh.read_table(ranks)
    shutil.copy(FOLDER / "rank2.json", ranks / "again_rank1.json")
    (ranks / "rank2.json").write_text(trace(event("ProfilerStep#2"), distributedInfo={"rank": 2}))
    (ranks / "again_rank1.json").unlink()
    with pytest.raises(ConfigError, match="3 delays are missing"):
        eh.read_table(ranks)


@pytest.mark.parametrize(
    "odd",
    [
        7,
        "text",
        [1, 2],
        True,
        {"name": 5, "ph": "X"},
        {"rank": 3},
        {"ph": "X", "name": "nccl:all_reduce", "ts": 10**400, "dur": 10**400},
        {"traceEvents": [1]},
        {"distributedInfo": {"rank": 1}, "name": "kernel"},
        {"name": "ProfilerStep#4", "ph": "B", "rank": 2},
        {"ph": "X", "name": "aten::mm", "args": {"rank": [None], "traceEvents": {}}},
    ],
    ids=lambda odd: str(odd)[:60],
)
def test_an_event_may_be_anything(odd: Any, tmp_path: Path) -> None:
    """It is skipped: catches an internal error at an entry that is no object, or has our keys."""
    (tmp_path / "rank0.json").write_text(trace(event(), odd))
    np.testing.assert_allclose(read(tmp_path), [[2.5e-3]])


@pytest.mark.parametrize("content", ["[1, 2]", "{}", '"text"', "3", "[[]]", '{"traceEvents": 3}'])
def test_other_json_beside_the_traces_is_one_line(content: str, ranks: Path) -> None:
    (ranks / "rank0_memory.json").write_text(content)
    with pytest.raises(ConfigError, match=r"rank0_memory.json: has no (event|traceEvents)"):
        eh.read_table(ranks)


def test_a_fit_reads_a_folder(ranks: Path) -> None:
    found = eh.fit(ranks)
    assert "4 rounds of 3 workers" in repr(found)
    assert not [line for line in found.warnings if "unit" in line]


def test_a_large_trace_takes_little_memory_and_a_larger_one_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("erasurehead.delay_models.measured.profiler.MOST_BYTES", 1000)
    (tmp_path / "t.json.gz").write_bytes(gzip.compress(b" " * 10_000))
    with pytest.raises(ConfigError, match="longer than 1,000 bytes"):
        eh.read_table(tmp_path / "t.json.gz")


REDUCED: dict[str, Any] = {"columns": {"allreduce": "allreduce_us"}}
WITH_WAITS: dict[str, Any] = {"columns": {"allreduce": ""}}


def test_spans_of_collectives_take_the_wait_out(ranks: Path) -> None:
    """As torch wrote them: gloo's spans hold the wait, and the calls beside them end at once."""
    whole = read(ranks, **WITH_WAITS)
    found = eh.read_table(ranks)
    np.testing.assert_array_equal(found.tables[None], read(ranks, **REDUCED))
    waited = np.array([13490.067, 120678.731, 5174.365]) / 1e6
    expected = whole.to_numpy().copy()
    expected[1] -= waited - waited.min()
    np.testing.assert_allclose(found.tables[None], expected, rtol=1e-12)
    assert any("allreduce_us" in note for note in found.notes)


@pytest.mark.parametrize("kind", ["ncclDevKernel_AllReduce_Sum_f32_RING_LL(x)", "nccl:all_reduce"])
def test_own_times_of_ranks_that_look_alike(kind: str, tmp_path: Path) -> None:
    """Several overlapping kernels a step; the calls on the host are no time in a collective."""
    rng = np.random.default_rng(4)
    own = rng.lognormal(7.0, 0.2, (30, 6))
    for rank in range(6):
        at, events = 100.0, []
        for step, times in enumerate(own):
            end = at + times.max() + 50.0
            begun, half = at + times[rank], (end - at - times[rank]) / 2
            events += [
                event(f"ProfilerStep#{step}", ts=at, dur=end - at),
                event(kind, cat="kernel", ts=at - 40.0, dur=0.0 if step else 40.0),
                event("c10d::allreduce_", cat="cpu_op", ts=begun, dur=3.0),
                event(kind, cat="kernel", ts=begun, dur=1.5 * half),
                event(kind, cat="kernel", ts=begun + half, dur=half),
                event(kind, cat="kernel", ts=begun + half / 2, dur=1.0),
            ]
            at = end
        (tmp_path / f"rank{rank}.json").write_text(trace(*events))
    notes = " ".join(eh.read_table(tmp_path, **WITH_WAITS).notes)
    assert 'columns={"allreduce": "allreduce_us"}' in notes
    found = eh.read_table(tmp_path, **REDUCED)
    np.testing.assert_allclose(found.tables[None], (own + 50.0) / 1e6, rtol=0.01)
    assert not any("include waiting" in note for note in found.notes)
    (tmp_path / "rank7.json").write_text(trace(event(), event("nccl:x", ts="soon", dur=None)))
    with pytest.raises(ConfigError, match="allreduce_us"):
        eh.read_table(tmp_path, **REDUCED)


def test_spans_that_have_a_name_are_stages(tmp_path: Path) -> None:
    """Per step what began in it; names that few steps have, or that mean a step, are none."""
    rng = np.random.default_rng(7)
    forward, backward = rng.lognormal(7.0, 0.2, (2, 12, 3))
    for rank in range(3):
        at, events = 50.0, []
        for step in range(12):
            first, second = forward[step, rank], backward[step, rank]
            spans = {"forward": (at, first / 2), "## backward ##": (at + first, second)}
            spans |= {"step": (at, 5.0), "dur": (at, 5.0), f"epoch {step}": (at, 5.0)}
            events.append(event(f"ProfilerStep#{step}", ts=at, dur=first + second + 40.0))
            events += [event(name, ts=ts, dur=dur) for name, (ts, dur) in spans.items()]
            events.append(event("forward", ts=at + first / 2, dur=first / 2))
            events.append(event("forward", ts=at, dur=1.0, cat="gpu_user_annotation"))
            events.append(event("aten::mm", ts=at, dur=1.0, cat="cpu_op"))
            at += first + second + 40.0
        (tmp_path / f"rank{rank}.json").write_text(trace(*reversed(events)))
    notes = eh.read_table(tmp_path).notes
    (unused,) = (note for note in notes if "not used" in note)
    assert unused.endswith(": forward_us, ## backward ##_us.")
    (partial,) = (note for note in notes if "may be partial" in note)
    assert partial.startswith("Steps 0 and 11 are the first and last of the traces")
    assert partial.endswith('rows="round=1:10" leaves them out.')
    found = read_measured(
        str(tmp_path), Reading(columns={"stages": "forward_us+## backward ##_us"})
    )
    stages = found.stages[None]
    assert [*stages] == ["forward", "## backward ##", "no stage"]
    np.testing.assert_allclose(stages["forward"], forward / 1e6, rtol=1e-6)
    np.testing.assert_allclose(stages["## backward ##"], backward / 1e6, rtol=1e-6)
    np.testing.assert_allclose(stages["no stage"], 40e-6, rtol=1e-3)
    with pytest.raises(ConfigError, match="epoch 1_us"):
        eh.read_table(tmp_path, columns={"stages": "forward_us+epoch 1_us"})


@pytest.mark.parametrize(
    ("spans", "covered"),
    [
        ([(0, 10)], 10),
        ([(0, 10), (5, 2)], 10),  # within another
        ([(5, 2), (0, 6)], 7),  # in any order
        ([(0, 10), (10, 5)], 15),
        ([(0, 5), (10, 10)], 15),
        ([(1e12, 0.5), (1e12 + 0.25, 0.5)], 0.75),
    ],
)
def test_spans_that_overlap_count_once(
    spans: list[tuple[float, float]], covered: float, tmp_path: Path
) -> None:
    begin = min(ts for ts, _ in spans) - 1.0
    steps = [event("ProfilerStep#1", ts=begin, dur=100.0)]
    assert in_collectives(steps, spans, tmp_path) == [pytest.approx(covered)]


@pytest.mark.parametrize(
    ("spans", "found"),
    [
        ([(0, 7)], [7, 0]),  # at the beginning of a step
        ([(49, 7), (99, 7)], [7, 0]),  # between the steps is in none
        ([(50, 7)], []),  # and at the end as well
        ([(100, 7), (120, 3)], [0, 10]),
        ([(-1, 7)], []),
        ([], []),
    ],
)
def test_a_span_belongs_to_the_step_in_which_it_begins(
    spans: list[tuple[float, float]], found: list[float], tmp_path: Path
) -> None:
    steps = [event(f"ProfilerStep#{i}", ts=100.0 * i, dur=50.0) for i in range(2)]
    for order in (1, -1):
        assert in_collectives(steps[::order], spans, tmp_path) == found[::order]


@pytest.mark.parametrize(("steps", "said"), [(3, 0), (4, 1)])
def test_the_first_and_the_last_step_may_be_partial(steps: int, said: int, tmp_path: Path) -> None:
    """That is said where two others are left."""
    for rank in range(2):
        made = [event(f"ProfilerStep#{5 + i}", ts=1e4 * i, dur=2500.0 + i) for i in range(steps)]
        (tmp_path / f"rank{rank}.json").write_text(trace(*made))
    text = f'rows="round=6:{3 + steps}" leaves them out'
    found = eh.read_table(tmp_path)
    assert sum(text in note for note in found.notes) == said
    assert len(found.tables[None]) == steps


@pytest.mark.parametrize(("spans", "stage"), [(1, False), (2, False), (3, True), (4, True)])
def test_a_name_that_most_steps_have_is_a_stage(spans: int, stage: bool, tmp_path: Path) -> None:
    made = [event(f"ProfilerStep#{i}", ts=1e4 * i, dur=2500.0 + i) for i in range(4)]
    made += [event("forward", ts=1e4 * i + 1, dur=100.0) for i in range(spans)]
    (tmp_path / "rank0.json").write_text(trace(*made))
    columns = read_traces(str(tmp_path / "rank0.json"), None).frame.columns
    assert ("forward_us" in columns) == stage


def test_so_many_files_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for rank in range(3):
        (tmp_path / f"rank{rank}.json").write_text(trace(event(dur=2500.0 + rank)))
    monkeypatch.setattr("erasurehead.delay_models.measured.profiler.MOST_FILES", 3)
    assert [*read(tmp_path).columns] == ["0", "1", "2"]
    monkeypatch.setattr("erasurehead.delay_models.measured.profiler.MOST_FILES", 2)
    with pytest.raises(ConfigError, match="3 files; must be at most 2"):
        eh.read_table(tmp_path)


@pytest.mark.parametrize(
    ("rows", "most", "refused"), [(2, 6, False), (2, 5, True), (3, 9, False), (3, 8, True)]
)
def test_a_table_in_json_has_so_many_cells(
    rows: int, most: int, refused: bool, tmp_path: Path
) -> None:
    path = tmp_path / "t.json"
    path.write_text(json.dumps([[0.5, 0.25 * (row + 1), 0.75] for row in range(rows)]))
    if refused:
        with pytest.raises(ValueError, match=f"must be at most {most}"):
            read_measured(str(path), Reading(unit="s"), most)
    else:
        assert read_measured(str(path), Reading(unit="s"), most).tables[None].shape == (rows, 3)
