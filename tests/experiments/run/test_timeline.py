"""The timeline of a run."""

from __future__ import annotations

import json
from collections import defaultdict
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from erasurehead.experiments.config.cells import cells
from erasurehead.experiments.run import timeline
from erasurehead.experiments.run.compute import compute
from erasurehead.sim.base.types import Span

DOCUMENT: dict[str, Any] = {
    "workers": 30,
    "iterations": 100,
    "delay": {"model": "shifted_exponential", "shift": 1.0, "rate": 2.0},
    "schemes": [{"name": "uncoded"}, {"name": "erasurehead", "load": 3, "wait_for": 15}],
}
NETWORK = {"uplink_latency": 0.1, "bandwidth": 1e6, "message_bytes": 1e5, "channels": 2}
FAILURES = {
    "time_to_failure": {"model": "exponential", "rate": 0.05},
    "time_to_repair": {"model": "exponential", "rate": 0.5},
}
PHASES = {"M": {"name", "args"}, "X": {"name", "ts", "dur", "tid"}, "i": {"ts", "s"}}
ARROWS = {"s": {"id", "ts", "tid", "cat"}, "f": {"id", "ts", "tid", "cat", "bp"}}


def document(**changes: Any) -> dict[str, Any]:
    return DOCUMENT | changes


VARIANTS = [
    {},
    {"policy": "queue"},
    {"policy": "finish", "network": NETWORK},
    {"failures": FAILURES},
    {"policy": "drain", "failures": FAILURES, "network": NETWORK},
]


@pytest.mark.one_in(2)
@pytest.mark.parametrize("changes", VARIANTS, ids=str)
def test_trace_event_file(changes: dict[str, Any]) -> None:
    """Every event has its phase's fields; spans on a row nest; arrows come in pairs."""
    grid = cells(document(**changes))
    content = timeline.trace_events(timeline.record(grid))
    assert len(content) < 5e6
    events = json.loads(content)["traceEvents"]
    rows = defaultdict(list)
    arrows = defaultdict(list)
    for entry in events:
        assert (PHASES | ARROWS)[entry["ph"]] <= set(entry)
        assert isinstance(entry["pid"], int)
        if entry["ph"] == "X":
            assert entry["dur"] > 0
            rows[entry["pid"], entry["tid"]].append((entry["ts"], entry["ts"] + entry["dur"]))
        if entry["ph"] in ARROWS:
            arrows[entry["pid"], entry["id"]].append((entry["ph"], entry["ts"]))
    names = [e for e in events if e["name"] == "thread_name"]
    named = {(e["pid"], e["tid"]): e["args"]["name"] for e in names}
    assert set(rows) <= set(named)
    for (_, row), name in named.items():
        worker, uplink = divmod(row - 1, 2)
        assert name == ("master" if row == 0 else f"worker {worker}{' uplink' * uplink}")
    for (_, row), spans in rows.items():
        spans.sort()
        if "network" in changes and row > 0 and row % 2 == 0:
            continue  # several messages of one worker may be on their way
        for (_, end), (start, _) in pairwise(spans):
            assert start >= end - 1e-3, "spans overlap"
    assert len(arrows) == 2 * 100
    for pair in arrows.values():
        assert [phase for phase, _ in pair] == ["s", "f"]
        assert pair[0][1] == pair[1][1]


@pytest.mark.one_in(2)
@pytest.mark.parametrize("changes", VARIANTS, ids=str)
def test_busy_time_is_the_recorded_utilisation(changes: dict[str, Any]) -> None:
    """The spans of the first replication add up to what the tables say."""
    grid = cells(document(**changes))
    spans = timeline.timeline_table(timeline.record(grid))
    for cell in grid:
        result = compute(cell)
        mine = spans[(spans.label == cell.label) & spans.kind.isin(["computing", "cancelled"])]
        busy = (mine.end - mine.start).sum()
        elapsed = result.replications.elapsed[0]
        assert busy / elapsed / 30 == pytest.approx(result.replications.utilisation[0], rel=1e-9)
        master = spans[(spans.label == cell.label) & (spans.worker == -1)]
        times = result.iterations.query("replication == 0 and iteration > 0").time
        np.testing.assert_array_equal(master.end, times)


def test_what_a_trace_viewer_is_told_by_hand() -> None:
    """Microseconds to the nanosecond; a worker's uplink is the row below its own; the arrow starts
    there if messages take time, else at the worker, and there is none where no message ended."""
    alone = [Span(1, "computing", 0.0, 1 / 3, 1), Span(-1, "waiting", 0.0, 1 / 3, 1, 1)]
    sent = [Span(0, "computing", 0.0, 0.5, 2), Span(0, "sending", 0.5, 2 / 3, 2)]
    sent += [Span(-1, "waiting", 0.25, 2 / 3, 2, 0), Span(-1, "waiting", 0.0, 1.0, 3)]
    told = json.loads(timeline.trace_events({"a": alone, "b": sent}))
    assert told["displayTimeUnit"] == "ms"
    names: dict[tuple[int, int], set[str]] = defaultdict(set)
    seen = []
    for event in told["traceEvents"]:
        if event["ph"] != "M":
            where = event["pid"], event["tid"]
            what = event.get("id", (event.get("args") or {}).get("iteration"))
            seen.append((event["ph"], *where, event["ts"], event.get("dur"), what))
        elif event["name"] != "thread_sort_index":
            names[event["pid"], event.get("tid", -1)].add(event["args"]["name"])
        else:
            assert event["args"] == {"sort_index": event["tid"]}
    assert names == {
        (1, -1): {"a"},
        (1, 0): {"master"},
        (1, 3): {"worker 1"},
        (2, -1): {"b"},
        (2, 0): {"master"},
        (2, 1): {"worker 0"},
        (2, 2): {"worker 0 uplink"},
    }
    third, rest = 333333.333, 416666.667
    assert seen == [
        ("X", 1, 3, 0, third, 1),
        *(("X", 1, 0, 0, third, 1), ("i", 1, 0, third, None, 1)),
        *(("s", 1, 3, third, None, 1), ("f", 1, 0, third, None, 1)),
        *(("X", 2, 1, 0, 5e5, 2), ("X", 2, 2, 5e5, 166666.667, 2)),
        *(("X", 2, 0, 2.5e5, rest, 2), ("i", 2, 0, 666666.667, None, 2)),
        *(("s", 2, 2, 666666.667, None, 2), ("f", 2, 0, 666666.667, None, 2)),
        *(("X", 2, 0, 0, 1e6, 3), ("i", 2, 0, 1e6, None, 3)),
    ]


def test_who_delayed_us() -> None:
    """One worker is always late: it ends every round, and its cost is what it adds."""
    slow = [1.0] * 29 + [5.0]
    delay = {
        "model": "heterogeneous",
        "factors": slow,
        "base": {"model": "deterministic", "value": 2.0},
    }
    (cell,) = cells(document(delay=delay, schemes=[{"name": "uncoded"}]))
    workers = pd.DataFrame(dict(compute(cell).per_worker)).set_index("worker")
    assert workers["last"].tolist() == [0.0] * 29 + [1.0]
    assert workers["cost"][29] == pytest.approx(100 * (10.0 - 2.0))
    assert workers["utilisation"][0] == pytest.approx(0.2)


def test_command_writes_both_files(tmp_path: Path) -> None:
    timelines = timeline.record(cells(document()))
    assert set(timelines) == {"uncoded", "erasurehead load=3 wait_for=15"}
    timeline.write_timeline(cells(document()), tmp_path / "t.json", tmp_path / "out")
    assert json.loads((tmp_path / "t.json").read_text())["traceEvents"]
    frame = pd.read_parquet(tmp_path / "out" / "timeline.parquet")
    assert list(frame.columns) == timeline.SPAN_COLUMNS


def test_messages_have_the_size_of_the_data() -> None:
    """The timeline is of the same cluster as the run: 8 bytes a feature through one channel."""
    changes = {
        "iterations": 3,
        "network": {"bandwidth": 1e4, "channels": 1},
        "problem": {"loss": "logistic", "dataset": "breast_cancer"},
        "optimizer": {"rule": "gd", "learning_rate": 0.1},
    }
    (cell, *_) = cells(document(**changes))
    spans = timeline.timeline_table(timeline.record([cell]))
    assert spans[spans.worker == -1].end.max() == compute(cell).iterations.time.max()


def test_a_scheme_that_looks_at_losses_has_a_timeline(tmp_path: Path) -> None:
    """Its rounds are known only while it trains."""
    document = {
        "workers": 4,
        "iterations": 5,
        "delay": {"model": "exponential", "rate": 2.0},
        "schemes": [{"name": "adaptive_k", "wait_for": 2, "burn_in": 1, "threshold": 0}],
        "problem": {"loss": "logistic", "dataset": "breast_cancer"},
        "optimizer": {"rule": "gd", "learning_rate": 0.1},
    }
    (cell,) = cells(document)
    (spans,) = timeline.record([cell]).values()
    ends = [span.end for span in spans if span.worker < 0]
    times = compute(cell).iterations["time"].to_numpy()
    np.testing.assert_array_equal(ends, times[1:])
