"""``stop``: what each choice means, how it is written, and what is refused."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from pydantic import TypeAdapter, ValidationError

from erasurehead.sim.errors import InvalidParameter
from erasurehead.sim.schemes import SCHEMES
from erasurehead.sim.schemes.assignments import Encoded
from erasurehead.sim.schemes.base import Fixed
from erasurehead.sim.schemes.decoders import Optimal, decoding_error
from erasurehead.sim.schemes.graph_codes import shifted
from erasurehead.sim.schemes.stop import KINDS, Stop, ending

READ = TypeAdapter(Stop)
CODE = shifted(np.array([0, 1, 3]), 8)
EVERY = [*map(np.array, itertools.permutations(range(1, 6)))][::7]
"""Some orders of arrival of the first five workers, the others later."""


def ends(stop: Any, delays: np.ndarray, code: Encoded = CODE) -> float:
    return float(ending(READ.validate_python(stop), code).stopping_delay(delays))


def table() -> np.ndarray:
    """``(200, 8)`` delays without ties."""
    return np.random.default_rng(3).permuted(np.tile(np.arange(1.0, 9.0), (200, 1)), axis=1)


@pytest.mark.parametrize("row", table()[:40], ids=lambda row: "".join(str(int(x)) for x in row))
def test_each_choice_ends_when_it_says(row: np.ndarray) -> None:
    """Against plain Python, one arrival after the other."""
    held = CODE.matrix.toarray() != 0

    def first(enough: Any) -> float:
        return next((t for t in np.sort(row) if enough(row <= t)), np.sort(row)[-1])

    covered = first(lambda here: held[here].any(axis=0).all())
    decodable = first(lambda here: decoding_error(Optimal(CODE).partition_weights(here)) <= 1e-6)
    assert ends({"first": 3}, row) == 3.0
    assert ends({"cover": True}, row) == ends("cover", row) == covered
    assert ends({"decodable": 1e-6}, row) == ends("decodable", row) == decodable
    assert ends({"deadline": 2.5}, row) == 2.5
    assert ends({"deadline": 99.0}, row) == 8.0  # everybody is there
    assert ends({"window": 3.5}, row) == 4.5
    assert ends({"window": 0.0, "at_least": 4}, row) == 4.0
    assert ends({"any": [{"first": 6}, "cover"]}, row) == min(6.0, covered)
    assert ends({"all": [{"first": 2}, "cover"]}, row) == max(2.0, covered)
    nested = {"any": [{"all": [{"deadline": 3.5}, {"first": 2}]}, {"first": 7}]}
    assert ends(nested, row) == 3.5


def test_what_can_never_be_covered_ends_with_everybody() -> None:
    """A partition that nobody holds must not make the master wait for ever."""
    held = CODE.matrix.toarray()
    held[:, 2] = 0
    from scipy import sparse

    code = Encoded(sparse.csr_array(held))
    row = table()[0]
    assert ends("cover", row, code) == ends("decodable", row, code) == 8.0


@pytest.mark.parametrize(
    ("value", "place"),
    [
        ({"first": 0}, "first"),
        ({"first": True}, "first"),
        ({"first": 3, "cover": True}, "cover"),
        ({"cover": False}, "cover"),
        ({"cover": 1}, "cover"),
        ({"deadline": -1}, "deadline"),
        ({"decodable": 0}, "decodable"),
        ({"any": [{"first": 2}, {"window": -1}]}, "window"),
        ({"sooner": 3}, ""),
        ("covered", ""),
        (7, ""),
        ([], ""),
        (None, ""),
    ],
)
def test_a_wrong_choice_is_refused_where_it_stands(value: Any, place: str) -> None:
    with pytest.raises(ValidationError) as error:
        READ.validate_python(value)
    first = error.value.errors()[0]
    assert place == "" or place in [str(part) for part in first["loc"]]
    if not place:
        assert all(name in first["msg"] for name in KINDS)


@pytest.mark.parametrize(
    ("stop", "field"),
    [
        ({"first": 9}, "stop.first"),
        ({"window": 1, "at_least": 9}, "stop.at_least"),
        ({"any": []}, "stop.any"),
        ({"all": [{"first": 3}, {"first": 9}]}, "stop.first"),
    ],
)
def test_a_choice_that_the_code_cannot_meet_is_refused(stop: Any, field: str) -> None:
    with pytest.raises(InvalidParameter) as error:
        ends(stop, table()[0])
    assert error.value.field == field


def test_groups_are_covered_by_their_own_fast_rule() -> None:
    """The rule of fractional repetition, and the general one, mean the same."""
    fields = {"load": 3, "decoder": "optimal"}
    general = SCHEMES["stochastic_block"](**fields, community=3, inside=1.0, stop="cover").build(12)
    own = SCHEMES["fractional_repetition"](load=3).build(12)
    assert isinstance(general, Fixed)
    assert isinstance(own, Fixed)
    delays = np.random.default_rng(1).random((500, 12))
    np.testing.assert_array_equal(
        general.stopping.stopping_delay(delays), own.stopping.stopping_delay(delays)
    )
