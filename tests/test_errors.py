"""Errors on purpose cross from one process to another without loss."""

from __future__ import annotations

import pickle

import pytest

from erasurehead.sim.errors import InvalidDelay, InvalidParameter, NeverEnough


@pytest.mark.parametrize(
    "error",
    [
        InvalidParameter("load", 4, "must divide workers = 30: 3 or 5", {"load": 3}),
        NeverEnough(2, [1, 3], waited=5.0),
        InvalidDelay("a trace", -1.0, 2, 7),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_survives_pickling(error: Exception) -> None:
    """Catches one that breaks the pool of processes that it should be reported through."""
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert str(again) == str(error)
    assert vars(again) == vars(error)
