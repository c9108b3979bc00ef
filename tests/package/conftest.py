"""A small config that trains, and its result."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import erasurehead as eh
from tests.tools import agg

SMALL: dict[str, Any] = {
    "name": "small",
    "workers": 6,
    "iterations": 8,
    "replications": 3,
    "delay": {"model": "exponential", "rate": 2.0},
    "schemes": [{"name": "uncoded"}, {"name": "erasurehead", "load": 2, "wait_for": 3}],
    "problem": {"loss": "logistic", "dataset": "synthetic", "rows": 60, "features": 4},
    "optimizer": {"rule": "gd", "learning_rate": 0.5},
}


@pytest.fixture(scope="session")
def result() -> eh.Result:
    return eh.run(SMALL, progress=False)


@pytest.fixture
def screenless() -> Iterator[None]:
    with agg():
        yield
