"""Every number of a table of two rounds and three workers, worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from erasurehead.experiments.whatif import changes
from erasurehead.experiments.whatif.hosts import waits
from erasurehead.experiments.whatif.study import Study, study

TABLE = np.array([[1.0, 2.0, 6.0], [2.0, 4.0, 5.0]])
"""Medians of rounds 2 and 4 s, their median 3 s; rounds of 6 and 5 s, both ended by the third."""


@pytest.fixture(scope="module")
def found() -> Study:
    return study(TABLE, ("a", "b", "c"), counts=[1], quantiles=[0.5])


def test_a_step_and_its_medians(found: Study) -> None:
    assert found.seconds == 5.5
    assert found.typical == 3.0
    assert found.median == 3.0
    assert found.slowdown == pytest.approx(5.5 / 3)
    assert found.waiting == pytest.approx(1 - 20 / 33)


def test_factors_are_medians_over_rounds(found: Study) -> None:
    """Ratios to the round's median: 0.5 and 0.5, 1 and 1, 3 and 1.25."""
    np.testing.assert_allclose(found.host.factor, [0.5, 1.0, 2.125])


def test_causes_add_up(found: Study) -> None:
    """Jobs with some causes; with a = 2.125 taken out, the rounds take 6 / a = 48/17 and 4 s."""
    a, first = 2.125, 48 / 17
    job = {
        "": 3.0,
        "w": 3 * a,
        "b": 3.0,
        "e": (first * 3 / 2 + 4 * 3 / 4) / 2,
        "wb": 3 * a,
        "we": (6 * 3 / 2 + 5 * 3 / 4) / 2,
        "be": (first + 4) / 2,
        "wbe": 5.5,
    }

    def shapley(own: str, one: str, other: str) -> float:
        def gain(*before: str) -> float:
            return job[_key(own, *before)] - job[_key(*before)]

        return (2 * gain() + gain(one) + gain(other) + 2 * gain(one, other)) / 6

    parts = {cause: part.value for cause, part in found.parts.items()}
    assert parts == pytest.approx(
        {
            "workers": shapley("w", "b", "e"),
            "rounds": shapley("b", "w", "e"),
            "rest": shapley("e", "w", "b"),
        }
    )
    assert sum(parts.values()) == pytest.approx(5.5 - 3.0, rel=1e-12)
    for cause, left in (("workers", "be"), ("rounds", "we"), ("rest", "wb")):
        assert found.saving(f"without {cause}").seconds == pytest.approx(job[left])


def _key(*causes: str) -> str:
    return "".join(cause for cause in "wbe" if cause in causes)


def test_changes(found: Study) -> None:
    seconds = {
        changes.IDEAL: 3.0,
        changes.MEDIAN_WORKER: 3.0,
        changes.REPLACE: 3.0,  # rounds of 2 and 4 s
        changes.DROP: 4.5,  # 3/2 times as long
        changes.WAIT: 3.0,
        changes.BACKUP: 4.5,  # half of the delays are <= 2 s: copies end at 4 and 6 s
    }
    for kind, expected in seconds.items():
        saving = found.saving(kind, 1 if kind in (changes.REPLACE, changes.DROP, "wait for") else 0)
        assert saving.seconds == pytest.approx(expected), kind
        assert saving.saved.value == pytest.approx(5.5 - expected), kind
        assert saving.share.value == pytest.approx((5.5 - expected) / 5.5), kind
        assert saving.hours.value == pytest.approx(24 * (5.5 - expected) / 5.5), kind
    assert found.saving(changes.REPLACE, 1).hosts == (2,)
    assert found.saving(changes.BACKUP).timeout == 2.0


def test_hosts(found: Study) -> None:
    np.testing.assert_allclose(found.host.alone, [0, 0, (4 + 1) / 2])
    np.testing.assert_allclose(found.host.blame, [0, 0, (4 + 1) / 2])
    np.testing.assert_allclose(found.host.ends, [0, 0, 1])
    assert found.host.standing == ()  # two rounds are too few to tell


def test_those_who_are_late_together_share_the_blame() -> None:
    """Up to the fourth's 4 s two share 2 s beyond the median; the last has 2 s more."""
    blame = waits(np.array([[6.0, 1.0, 4.0, 2.0, 1.0]]), np.array([2.0]))
    np.testing.assert_allclose(blame, [3.0, 0.0, 1.0, 0.0, 0.0])


def test_a_worker_that_never_arrives() -> None:
    """Its rounds are no part of the times; replacing it, or not waiting for it, ends them."""
    table = np.vstack([TABLE, [[1.0, 2.0, np.inf], [1.0, np.inf, np.inf]]])
    found = study(table, ("a", "b", "c"), counts=[1], quantiles=[0.5])
    assert found.seconds == 5.5
    assert found.missing.sum(axis=0).tolist() == [0, 1, 2]
    ended = {s.kind: s.ended for s in found.savings}
    assert ended[changes.REPLACE] == ended[changes.DROP] == ended[changes.WAIT] == 1
    assert ended[changes.BACKUP] == ended[changes.IDEAL] == 2
    assert ended["without workers"] == 0
