"""A plugin written for 0.2 still works, and is told the new names."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from erasurehead.sim.base.types import BoolArray, FloatArray
from erasurehead.sim.schemes import Uncoded, base
from erasurehead.sim.schemes.parts import stopping
from erasurehead.sim.schemes.parts.assignments import Groups
from erasurehead.sim.schemes.parts.decoders import SumArrived


def test_old_names_name_the_new_classes() -> None:
    for module, old, new in (
        (base, "Claims", base.Guarantees),
        (base, "Foresight", base.KnownDelays),
        (base, "ForesightedFamily", base.KnownDelaysFamily),
        (stopping, "Tally", stopping.StoppingState),
    ):
        with pytest.warns(DeprecationWarning, match=f"{old} is now called {new.__name__}"):
            assert getattr(module, old) is new
    with pytest.raises(AttributeError, match="no attribute 'Claim'"):
        base.Claim  # type: ignore[attr-defined]  # noqa: B018


def test_promises_under_their_old_name() -> None:
    """As a keyword, as an attribute of a class, and when they are read."""
    sound = base.Guarantees(copies=3)
    code, rule, decoder = Groups(6, 3), stopping.CoverGroups(3), SumArrived()
    with pytest.warns(DeprecationWarning, match="claims is now called guarantees"):
        scheme = base.Fixed("mine", code, rule, decoder, exact=None, claims=sound)  # type: ignore[call-arg]
    assert scheme.guarantees == sound
    with pytest.warns(DeprecationWarning, match="claims"):
        assert scheme.claims == sound

    with pytest.warns(DeprecationWarning, match=r"Old\.claims is now called guarantees"):

        class Old(base.SumOfWorkers):
            claims = sound

            def plan(self, state: base.State) -> base.Round:
                return base.Round(self.ones, stopping.FirstK(self.n))

    assert Old(6).guarantees == sound

    with pytest.warns(DeprecationWarning, match=r"Older\.labour is now called work_time"):

        class Older(Old):
            def labour(self, times: FloatArray) -> tuple[FloatArray, FloatArray]:
                return times, times

    assert Older.work_time is Older.labour


def test_a_rule_that_overrides_the_old_method() -> None:
    with pytest.warns(DeprecationWarning, match=r"Old\.tally is now called stopping_state"):

        class Old(stopping.StoppingRule):
            def enough(self, arrived: BoolArray) -> BoolArray:
                return np.asarray(arrived.any(axis=-1))

            def tally(self, messages: int, opened: float = 0.0) -> stopping.StoppingState:
                return stopping.Countdown(1)

    assert type(Old().stopping_state(4)) is stopping.Countdown
    with pytest.warns(DeprecationWarning, match="tally is now called stopping_state"):
        assert stopping.FirstK(2).tally(4).arrive(0, 0.0) is False


def test_new_names_warn_nobody() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert Uncoded().build(4).guarantees.copies == 1
