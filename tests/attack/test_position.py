"""What a change of one worker would do: foreseen and decoded."""

from __future__ import annotations

import numpy as np
import pytest

from erasurehead.sim.attack import Code, code_of
from erasurehead.sim.attack.positions import ByDecoding, Position, nobody_straggles
from erasurehead.sim.schemes import SCHEMES

REAL = [
    ("bernoulli", {"load": 3, "wait_for": 6}),  # some rows depend on each other
    ("regular_graph", {"load": 3, "wait_for": 6}),
    ("graph_assignment", {"degree": 3, "wait_for": 6}),
    ("cyclic_mds", {"load": 4}),
    ("expander", {"load": 4, "wait_for": 6}),
    ("stochastic_gradient_coding", {"load": 3, "wait_for": 6}),
    ("bernoulli", {"load": 3, "wait_for": 6, "decoder": "fixed"}),
]


def both(name: str, fields: dict[str, object], stragglers: int) -> tuple[Position, Position]:
    """The same set, foreseen and decoded."""
    code = code_of(SCHEMES[name](**fields).build(12))
    assert isinstance(code, Code)
    straggles = np.zeros(12, dtype=np.bool_)
    straggles[np.random.default_rng(stragglers).permutation(12)[:stragglers]] = True
    fast = nobody_straggles(code)
    assert fast.foresees
    return fast.at(straggles), ByDecoding(code, straggles)


@pytest.mark.parametrize(("name", "fields"), REAL, ids=lambda value: str(value))
@pytest.mark.parametrize("stragglers", [0, 1, 5])
def test_foresight_is_what_decoding_gives(
    name: str, fields: dict[str, object], stragglers: int
) -> None:
    fast, slow = both(name, fields, stragglers)
    assert fast.error == pytest.approx(slow.error, abs=1e-5)
    assert fast.losing() == pytest.approx(slow.losing(), abs=1e-5)
    inside = np.flatnonzero(fast.stragglers)
    if stragglers:
        assert fast.swapping(inside) == pytest.approx(slow.swapping(inside), abs=1e-5)


@pytest.mark.parametrize(("name", "fields"), REAL, ids=lambda value: str(value))
def test_positions_follow_each_other(name: str, fields: dict[str, object]) -> None:
    """Ten changes in a row leave the same as a new beginning."""
    fast, _ = both(name, fields, 4)
    rng = np.random.default_rng(1)
    for _ in range(10):
        inside, outside = np.flatnonzero(fast.stragglers), np.flatnonzero(~fast.stragglers)
        fast = fast.swapped(int(rng.choice(inside)), int(rng.choice(outside)))
    fast = fast.lost(int(np.flatnonzero(~fast.stragglers)[0]))
    assert np.count_nonzero(fast.stragglers) == 5
    assert fast.losing() == pytest.approx(fast.at(fast.stragglers).losing(), abs=1e-5)


def test_large_tables_are_not_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("erasurehead.sim.attack.positions.LARGEST", 100)
    code = code_of(SCHEMES["regular_graph"](load=3, wait_for=6).build(12))
    assert isinstance(code, Code)
    assert isinstance(nobody_straggles(code), ByDecoding)
