"""What ``measure`` measures, in which order, and how long it says that it takes."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate, chain, cycle
from types import SimpleNamespace

import numpy as np
import pytest

from erasurehead.experiments import measure
from erasurehead.experiments.config.errors import ConfigError
from erasurehead.experiments.measure import (
    MOST_LOADS,
    Products,
    _require_short,
    _turns,
    read_loads,
    read_workload,
)
from erasurehead.experiments.options import MeasureRequest


def test_loads_take_turns_in_stretches() -> None:
    """Five rounds of a load in a row; the first of each stretch is not recorded."""
    expected = [
        (turn, load)
        for stretch in (range(5), range(5, 7))
        for load in (3, 1)
        for turn in (-1, *stretch)
    ]
    assert [*_turns([3, 1], 7)] == expected
    assert {turn for turn, _ in _turns([1], 10)} == {-1, *range(10)}


def test_loads_are_whole_numbers_from_1_on() -> None:
    assert read_loads("1") == [1]
    assert read_loads("3,1") == [3, 1]
    most = [*map(str, range(1, MOST_LOADS + 1))]
    assert len(read_loads(",".join(most))) == MOST_LOADS
    for text in ("", "0", "-1", "1,1", "1.5", ",".join([*most, str(MOST_LOADS + 1)])):
        with pytest.raises(ConfigError, match="must be whole numbers from 1 on"):
            read_loads(text)


def test_without_a_config_tasks_are_products() -> None:
    assert [*read_workload(None, MeasureRequest(size=1)).tasks] == [Products(1)] * 4
    most = MeasureRequest(size=measure.LARGEST, workers=2)
    assert [*read_workload(None, most).tasks] == [Products(measure.LARGEST)] * 2
    for size in (0, measure.LARGEST + 1):
        with pytest.raises(ConfigError, match="must be from 1 to"):
            read_workload(None, MeasureRequest(size=size))
    assert Products(4).compute(measure.Wanted(0, (3, np.empty(0)), {}, lambda: None)) == (
        pytest.approx(np.full(4, 0.25))
    )


def expected(monkeypatch: pytest.MonkeyPatch, **asked: object) -> None:
    """Two processors; a task takes 5 s at first, which starts libraries, and then 1 s."""
    times: Iterator[float] = accumulate(chain([0.0], cycle([5.0, 0.0, 1.0, 0.0])))
    monkeypatch.setattr(measure, "time", SimpleNamespace(perf_counter=lambda: next(times)))
    monkeypatch.setattr(measure, "cores", lambda: 2)
    monkeypatch.setattr(Products, "compute", lambda self, wanted: np.empty(0))
    given = MeasureRequest(**({"workers": 4, "loads": "1"} | asked))  # type: ignore[arg-type]
    _require_short(read_workload(None, given), given, read_loads(given.loads))


@pytest.mark.parametrize(
    ("asked", "seconds"),
    [
        ({"rounds": 25}, None),
        ({"rounds": 26}, "64"),
        ({"rounds": 50}, "120"),
        ({"rounds": 50, "loads": "1,2,4"}, "840"),
        ({"rounds": 50, "slow": ["1=3", "2=1.5"]}, "360"),
        ({"rounds": 100, "workers": 2}, "120"),
        ({"rounds": 100, "workers": 1}, "120"),
        ({"rounds": 100, "scheduler": "tcp://host:1"}, "120"),
        ({"rounds": 50, "size": 1}, "120"),
        ({"rounds": 50, "size": 800}, "960"),
        ({"rounds": 36_000}, "8.64e+04"),
    ],
)
def test_how_long_tasks_take(
    asked: dict[str, object],
    seconds: str | None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Two of four workers wait for a processor, and every stretch has one round more. What takes
    a minute is not worth a word, and a day is allowed."""
    expected(monkeypatch, **asked)
    said = "" if seconds is None else f"the tasks take about {seconds} s\n"
    assert capsys.readouterr().out == said


@pytest.mark.parametrize(
    ("asked", "named"),
    [
        ({"rounds": 36_001}, "--rounds"),
        ({"slow": ["1=1000"]}, "--slow"),
        ({"loads": "1,800"}, "--loads"),
        ({"size": 20_000}, "--size"),
        ({"slow": ["1=100"], "rounds": 5000}, "--slow"),
        ({"slow": ["1=1e4"], "rounds": 5_000_000}, "--rounds"),
        ({"slow": ["1=1e6"], "rounds": 5_000_000}, "--slow"),
    ],
)
def test_the_option_that_makes_it_long_is_named(
    asked: dict[str, object], named: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first that is enough to change, or else the one that is the furthest from usual."""
    with pytest.raises(ConfigError, match=rf"^{named} = .*: takes about .* days; must take one"):
        expected(monkeypatch, **asked)
