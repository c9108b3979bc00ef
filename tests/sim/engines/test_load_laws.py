"""Load laws on both engines."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from erasurehead import ConfigError
from erasurehead.delays import MODELS, Tape
from erasurehead.load_laws import LoadLaw, PartlyProportional, PerPartition, Proportional, StepCosts
from erasurehead.plugins import FloatArray, TapeLike
from erasurehead.theory import piece_time_at, worker_time_at
from tests.tools import TableTape, inside

# The load law with a fixed share: by hand, in parts, in closed form, and refused beyond 0 to 1.


LAW = PartlyProportional(fixed=0.25)
TAPE = Tape(MODELS["exponential"](rate=1.0), 4, seed=0, replication=0)


def test_a_quarter_of_the_time_does_not_grow() -> None:
    """Loads 0, 1, 2 and 5 take 0.25, 1, 1.75 and 4 times the unit delay."""
    times = LAW.worker_times(TAPE, np.array([0.0, 1.0, 2.0, 5.0]), 0, 6)
    np.testing.assert_array_equal(times, TAPE.rows(0, 6) * [0.25, 1.0, 1.75, 4.0])


def test_without_a_fixed_share_it_is_proportional() -> None:
    loads = np.array([1.0, 2.0, 3.0, 7.0])
    times = PartlyProportional(fixed=0.0).worker_times(TAPE, loads, 0, 6)
    np.testing.assert_array_equal(times, Proportional().worker_times(TAPE, loads, 0, 6))


def test_the_first_of_two_messages_has_the_fixed_share_before_it() -> None:
    times = LAW.message_times(TAPE, np.full(4, 2.0), 2, 0, 6).reshape(6, 4, 2)
    unit = TAPE.rows(0, 6)
    np.testing.assert_allclose(times[..., 0], unit, rtol=1e-15)
    np.testing.assert_allclose(times[..., 1], 1.75 * unit, rtol=1e-15)


def test_its_closed_form_is_that_of_the_multiple() -> None:
    delay = MODELS["gamma"](shape=2.0, scale=0.5)
    seconds = np.linspace(0, 4, 9)
    for time, multiple in (
        (worker_time_at(delay, LAW, 3), 2.5),
        (piece_time_at(delay, LAW, 4, 2), 0.625),
    ):
        np.testing.assert_allclose(time.cdf(seconds), delay.cdf(seconds / multiple))


@pytest.mark.parametrize("fixed", [-0.1, 1.1, float("nan")])
def test_a_share_is_between_0_and_1(fixed: float) -> None:
    with pytest.raises(ConfigError, match="fixed"):
        PartlyProportional(fixed=fixed)


# The load law of steps: by hand, in parts, in closed form, and refused where it makes no sense.


LOAD_STEPS_LAW = StepCosts(loads=(0.5, 1.0, 3.0), seconds=(0.2, 0.3, 1.0))


def test_it_jumps_at_the_loads_and_nowhere_else() -> None:
    loads = np.array([0.0, 0.25, 0.5, 0.99, 1.0, 2.0, 3.0, 9.0])
    np.testing.assert_allclose(LOAD_STEPS_LAW.cost(loads), [0, 0, 0.2, 0.2, 0.3, 0.3, 1.0, 1.0])
    tape = Tape(MODELS["exponential"](rate=1.0), 8, seed=0, replication=0)
    times = LOAD_STEPS_LAW.worker_times(tape, loads, 0, 5)
    np.testing.assert_array_equal(times, tape.rows(0, 5) + LOAD_STEPS_LAW.cost(loads))


def test_a_part_of_a_load_costs_what_it_costs_alone() -> None:
    """Two messages of a load of 2: after a load of 1, and after both."""
    tape = Tape(MODELS["exponential"](rate=1.0), 3, seed=0, replication=0)
    times = LOAD_STEPS_LAW.message_times(tape, np.full(3, 2.0), 2, 0, 4).reshape(4, 3, 2)
    np.testing.assert_allclose(times[..., 0], tape.rows(0, 4) + 0.3)
    np.testing.assert_allclose(times[..., 1], tape.rows(0, 4) + 0.3)


def test_its_closed_form_is_that_of_the_delay_later_by_the_cost() -> None:
    delay = MODELS["gamma"](shape=2.0, scale=0.5)
    seconds = np.linspace(0, 4, 9)
    for time, cost in (
        (worker_time_at(delay, LOAD_STEPS_LAW, 3), 1.0),
        (worker_time_at(delay, LOAD_STEPS_LAW, 2), 0.3),
        (piece_time_at(delay, LOAD_STEPS_LAW, 4, 3), 0.2),
    ):
        expected = np.where(seconds >= cost, delay.cdf(np.maximum(seconds - cost, 0)), 0.0)
        np.testing.assert_allclose(time.cdf(seconds), expected)


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({"loads": (1.0, 2.0), "seconds": (1.0,)}, "2 loads and 1 seconds"),
        ({"loads": (2.0, 1.0), "seconds": (1.0, 2.0)}, "loads must ascend"),
        ({"loads": (1.0, 2.0), "seconds": (2.0, 1.0)}, "seconds must ascend"),
        ({"loads": (), "seconds": ()}, "at least 1"),
    ],
)
def test_what_makes_no_sense_is_refused(fields: dict[str, tuple[float, ...]], word: str) -> None:
    with pytest.raises(ConfigError, match=word):
        StepCosts(**fields)


def test_a_config_may_have_it(tmp_path: Path) -> None:
    """Whether it runs on one engine or on the other."""
    config = tmp_path / "c.yaml"
    config.write_text(
        "workers: 6\niterations: 5\ndelay: {model: exponential, rate: 1.0}\n"
        "load_law: {kind: steps, loads: [0.5, 1, 3], seconds: [0.2, 0.3, 1.0]}\n"
        "schemes: [{name: uncoded}, {name: fractional_repetition, load: 3}]\n"
    )
    tables = []
    for engine in ("event", "batch"):
        out = tmp_path / engine
        done = inside("run", config, "--set", f"engine={engine}", "--output", out)
        assert done.returncode == 0, done.stderr
        tables.append(pd.read_parquet(out / "iterations.parquet").iteration_time.dropna())
    assert tables[0].tolist() == tables[1].tolist()
    assert tables[0].min() > 0.3


class Streams:
    """Draws that say which stream they are of: 1, 10, 100, ... times the worker's number."""

    workers, block_rounds = 3, 4

    def rows(self, start: int, stop: int, stream: int = 0) -> FloatArray:
        return np.tile(10.0**stream * np.array([1.0, 2.0, 3.0]), (stop - start, 1))


@pytest.mark.parametrize(
    ("loads", "expected"),
    [
        ([1, 1, 1], [1, 2, 3]),
        ([2, 2, 2], [11, 22, 33]),
        ([0.5, 0.5, 0.5], [0.5, 1, 1.5]),
        ([1.5, 1, 3], [6, 2, 333]),
        ([0, 2, 0.25], [0, 22, 0.75]),
        ([0, 0, 0], [0, 0, 0]),
    ],
)
def test_each_partition_has_a_draw_of_its_own(loads: list[float], expected: list[float]) -> None:
    """And a part of one that part of its draw."""
    found = PerPartition().worker_times(Streams(), np.array(loads), 0, 2)
    np.testing.assert_allclose(found, [expected] * 2)


def test_each_message_has_a_draw_of_its_own() -> None:
    """Of two messages each takes half of the load, or its share, and comes after the others."""
    law, loads = PerPartition(), np.array([1.0, 2.0, 4.0])
    halves = law.message_times(Streams(), loads, 2, 0, 1).reshape(3, 2)
    np.testing.assert_allclose(halves[:, 0], [0.5, 2, 6])
    np.testing.assert_allclose(halves[:, 1], [0.5 + 5, 2 + 20, 6 + 60])
    shares = law.message_times(Streams(), loads, 2, 0, 1, np.array([0.25, 1.0])).reshape(3, 2)
    np.testing.assert_allclose(shares[:, 0], [0.25, 1, 3])
    np.testing.assert_allclose(shares[:, 1], [0.25 + 7.5, 1 + 30, 3 + 90])
    whole = law.message_times(Streams(), np.array([1.0, 1.0, 1.0]), 1, 0, 1)
    np.testing.assert_allclose(whole, [[1, 2, 3]])


class Squared(LoadLaw):
    """A law of one's own, which says no more than it must: T = d^2 X."""

    kind = "squared"

    def worker_times(self, tape: TapeLike, loads: FloatArray, start: int, stop: int) -> FloatArray:
        return np.asarray(tape.rows(start, stop) * np.asarray(loads) ** 2)


def test_messages_of_a_law_of_ones_own() -> None:
    """Each is there when its part of the load is done, of the same draw."""
    law, loads = Squared(), np.array([1.0, 2.0, 4.0])
    found = law.message_times(Streams(), loads, 2, 0, 2).reshape(2, 3, 2)
    np.testing.assert_allclose(found, [[[0.25, 1], [2, 8], [12, 48]]] * 2)
    found = law.message_times(Streams(), loads, 2, 0, 1, np.array([0.25, 1.0])).reshape(3, 2)
    np.testing.assert_allclose(found, [[1 / 16, 1], [0.5, 8], [3, 48]])
    np.testing.assert_allclose(law.message_times(Streams(), loads, 1, 0, 1), [[1, 8, 48]])


@pytest.mark.parametrize(
    "law",
    [Proportional(), LAW, LOAD_STEPS_LAW, PerPartition(), Squared()],
    ids=lambda law: law.kind,
)
@pytest.mark.parametrize("shares", [None, np.array([0.25, 0.5, 1.0])])
def test_loads_that_differ_between_rows_are_those_of_each(law, shares):
    """As many rows as workers too: catches loads that are read along the other axis."""
    table = np.random.default_rng(1).random((3, 3)) + 0.1
    loads = np.array([[2.0, 4.0, 1.0], [1.0, 3.0, 6.0], [5.0, 1.0, 2.0]])
    found = law.message_times(TableTape(table), loads, 3, 0, 3, shares)
    for row, own in zip(found, range(3), strict=True):
        alone = law.message_times(TableTape(table[[own]]), loads[own], 3, 0, 1, shares)
        np.testing.assert_array_equal(row, alone[0])


@pytest.mark.parametrize("law", [Proportional(), LAW, LOAD_STEPS_LAW, PerPartition()])
@pytest.mark.parametrize("messages", [1, 2])
def test_who_never_ends_and_has_nothing_to_do_warns_nobody(law: LoadLaw, messages: int) -> None:
    tape = TableTape(np.array([[np.inf, 2.0]]))
    found = law.message_times(tape, np.array([0.0, 1.0]), messages, 0, 1)
    assert np.isfinite(found[:, messages:]).all()


@pytest.mark.parametrize(("largest", "streams"), [(0.5, 1), (1, 1), (1.5, 2), (2, 2), (4, 4)])
def test_each_of_several_tasks_has_draws_of_its_own(largest: float, streams: int) -> None:
    """Task i reads from stream i times the partitions of the largest load, at least one."""
    loads = np.array([0.5, 0.5, largest])
    once = PerPartition().worker_times(Streams(), loads, 0, 1)[0]
    found = PerPartition().task_times(Streams(), loads, 3, 0, 1).reshape(3, 3)
    for task in range(3):
        np.testing.assert_allclose(found[:, task], once * 10.0 ** (task * streams))
