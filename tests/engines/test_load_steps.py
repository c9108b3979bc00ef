"""The load law of steps: by hand, in parts, in closed form, and refused where it makes no sense."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from erasurehead.delay_models import MODELS, Tape
from erasurehead.sim.load_laws import Steps
from erasurehead.sim.theory.worker_time import piece_time_at, worker_time_at
from tests.program import inside

LAW = Steps(loads=(0.5, 1.0, 3.0), seconds=(0.2, 0.3, 1.0))


def test_it_jumps_at_the_loads_and_nowhere_else() -> None:
    loads = np.array([0.0, 0.25, 0.5, 0.99, 1.0, 2.0, 3.0, 9.0])
    np.testing.assert_allclose(LAW.cost(loads), [0, 0, 0.2, 0.2, 0.3, 0.3, 1.0, 1.0])
    tape = Tape(MODELS["exponential"](rate=1.0), 8, seed=0, replication=0)
    times = LAW.worker_times(tape, loads, 0, 5)
    np.testing.assert_array_equal(times, tape.rows(0, 5) + LAW.cost(loads))


def test_a_part_of_a_load_costs_what_it_costs_alone() -> None:
    """Two messages of a load of 2: after a load of 1, and after both."""
    tape = Tape(MODELS["exponential"](rate=1.0), 3, seed=0, replication=0)
    times = LAW.message_times(tape, np.full(3, 2.0), 2, 0, 4).reshape(4, 3, 2)
    np.testing.assert_allclose(times[..., 0], tape.rows(0, 4) + 0.3)
    np.testing.assert_allclose(times[..., 1], tape.rows(0, 4) + 0.3)


def test_its_closed_form_is_that_of_the_delay_later_by_the_cost() -> None:
    delay = MODELS["gamma"](2.0, 0.5)
    seconds = np.linspace(0, 4, 9)
    for time, cost in (
        (worker_time_at(delay, LAW, 3), 1.0),
        (worker_time_at(delay, LAW, 2), 0.3),
        (piece_time_at(delay, LAW, 4, 3), 0.2),
    ):
        assert time is not None
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
    with pytest.raises(ValidationError, match=word):
        Steps(**fields)


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
