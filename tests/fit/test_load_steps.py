"""Loads that step instead of slope: said, fitted, and predicted."""

from __future__ import annotations

import numpy as np
import pytest

from erasurehead.experiments.fit.findings import investigate
from erasurehead.experiments.fit.laws.load import measure_load, unit_delays
from erasurehead.experiments.fit.page import terminal_report

MEDIANS = {0.0: 1.46, 0.25: 1.63, 0.5: 1.65, 0.75: 1.66, 1.0: 1.70}
"""Seconds at each load, as measured on a profile of AWS Lambda: a line has R squared 0.75."""


def tables(medians: dict[float, float], rounds: int = 20) -> dict[float, np.ndarray]:
    rng = np.random.default_rng(0)
    return {d: m - 0.3 + 0.3 * rng.lognormal(0, 0.2, (rounds, 64)) for d, m in medians.items()}


def test_steps_are_found() -> None:
    found = measure_load(tables(MEDIANS))
    assert found is not None
    assert found.kind == "steps"
    assert found.r_squared == pytest.approx(0.75, abs=0.05)
    law = found.section()
    assert law["loads"] == [0.0, 0.25, 0.5, 0.75, 1.0][: len(law["loads"])]
    np.testing.assert_allclose(law["seconds"], [0, 0.17, 0.19, 0.20, 0.24], atol=0.01)
    medians = [np.median(unit_delays(t, d, law)) for d, t in tables(MEDIANS).items()]
    np.testing.assert_allclose(medians, 1.46, atol=0.005)


def test_a_line_is_a_line_and_nothing_is_nothing() -> None:
    """Nor are two loads steps, nor loads that do not matter, whose medians differ by chance."""
    line = measure_load(tables({d: 1 + 0.2 * d for d in MEDIANS}))
    flat = measure_load(tables(dict.fromkeys(MEDIANS, 1.5)))
    two = measure_load(tables({0.0: 1.0, 1.0: 2.0}))
    for found in (line, flat, two):
        assert found is not None
        assert found.kind == "additive"


def test_more_work_never_takes_less_time() -> None:
    """A median below that of a smaller load is pooled with it."""
    law = measure_load(tables({0.0: 1.0, 1.0: 2.0, 2.0: 1.9, 3.0: 2.0, 4.0: 2.02}))
    assert law is not None
    section = law.section()
    assert section["kind"] == "steps"
    assert np.all(np.diff(section["seconds"]) > 0)
    assert section["loads"][:2] == [0.0, 1.0]
    assert section["seconds"][1] == pytest.approx(0.95, abs=0.02)


def test_the_report_says_so() -> None:
    found = investigate(tables(MEDIANS), None, range(32, 65), lambda done, total: None)
    assert found.load_law["kind"] == "steps"
    assert "loads step instead of slope" in terminal_report(found)
    assert found.chosen.error < 0.02
