"""The load law with a fixed share: by hand, in parts, in closed form, and refused beyond 0 to 1."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from erasurehead.delay_models import MODELS, Tape
from erasurehead.sim.load_laws import PartlyProportional, Proportional
from erasurehead.sim.theory.worker_time import piece_time_at, worker_time_at

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
    delay = MODELS["gamma"](2.0, 0.5)
    seconds = np.linspace(0, 4, 9)
    for time, multiple in (
        (worker_time_at(delay, LAW, 3), 2.5),
        (piece_time_at(delay, LAW, 4, 2), 0.625),
    ):
        assert time is not None
        np.testing.assert_allclose(time.cdf(seconds), delay.cdf(seconds / multiple))


@pytest.mark.parametrize("fixed", [-0.1, 1.1, float("nan")])
def test_a_share_is_between_0_and_1(fixed: float) -> None:
    with pytest.raises(ValidationError, match="fixed"):
        PartlyProportional(fixed=fixed)
