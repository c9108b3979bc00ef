"""When the master stops waiting.

Speaks to rules that no config names, and to what a config's ``stop`` makes of any code.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from erasurehead.plugins import (
    BoolArray,
    CoverGroups,
    CoverPartitions,
    Decodable,
    Encoded,
    FirstKEach,
    OfWorkers,
    Optimal,
    Pieces,
    StoppingState,
    decoding_error,
)
from erasurehead.schemes import SCHEMES
from erasurehead.sim.schemes.parts.stop import Stop, ending
from erasurehead.sim.schemes.parts.stopping import stopping_delay_by_bisection
from erasurehead.stopping import Deadline, FirstK, Spread, StoppingRule, Window
from tests.sim.schemes.rules import earliest, end_by_state
from tests.tools import examples

# Stopping rules against their definition: instants, ties, dead workers, states, clocks.


MESSAGES = 12

RULES: list[StoppingRule] = [
    FirstK(1),
    FirstK(5),
    FirstK(MESSAGES),
    *(CoverGroups(d) for d in (1, 2, 3, 6, 12)),
    *(CoverPartitions(Pieces(n, MESSAGES // n)) for n in (2, 3, 4, 6)),
    FirstK(5) | CoverGroups(3),
    FirstK(9) & CoverGroups(4),
    CoverGroups(4) & CoverPartitions(Pieces(4, 3)),
    (FirstK(2) & CoverGroups(6)) | (FirstK(8) & CoverGroups(12)),
]
WITH_DEADLINE: list[StoppingRule] = [
    Deadline(0.35),
    FirstK(5) | Deadline(0.35),
    FirstK(5) & Deadline(0.35),
    Deadline(0.35) | FirstK(5),
    Deadline(0.2) & FirstK(5),
    Deadline(0.2) & CoverGroups(3) & FirstK(7),
    CoverPartitions(Pieces(4, 3)) & Deadline(0.4),
    (CoverGroups(3) & Deadline(0.2)) | Deadline(0.5),
    Window(0.5),
    Window(0.5) & FirstK(5),
    (Window(0.3) | Deadline(0.4)) & FirstK(5),
    FirstK(12) | (Window(2.0) & FirstK(2)),
]

delays_with_ties = st.lists(st.integers(0, 6), min_size=MESSAGES, max_size=MESSAGES).map(
    lambda row: np.array(row) * 0.1
)


@pytest.mark.parametrize("rule", RULES, ids=repr)
@given(delays=delays_with_ties)
@examples(60)
def test_stopping_delay_is_the_earliest_instant_with_enough(rule, delays):
    """By definition, over all instants at which a message arrives; and by bisection."""
    assert rule.stopping_delay(delays) == earliest(rule, delays)
    assert stopping_delay_by_bisection(rule, delays) == earliest(rule, delays)


@pytest.mark.parametrize("rule", RULES, ids=repr)
def test_stopping_delay_with_dead_workers(rule: StoppingRule) -> None:
    """An infinite delay never arrives; a rule that needs it is never satisfied."""
    rng = np.random.default_rng(5)
    delays = np.where(rng.random((300, MESSAGES)) < 0.4, np.inf, rng.random((300, MESSAGES)))
    delays[0] = np.inf
    for ends in (rule.stopping_delay(delays), stopping_delay_by_bisection(rule, delays)):
        np.testing.assert_array_equal(ends, earliest(rule, delays))
    never = ~rule.enough(np.isfinite(delays))
    assert never.any()
    np.testing.assert_array_equal(np.isinf(rule.stopping_delay(delays)), never)


@pytest.mark.one_in(4)
@pytest.mark.parametrize("rule", RULES + WITH_DEADLINE, ids=repr)
@given(delays=delays_with_ties)
@examples(60)
def test_the_state_says_the_same_as_stopping_delay(rule: StoppingRule, delays: np.ndarray) -> None:
    """On the round's own clock and on another, the rule's own state and the default one."""
    assert end_by_state(rule.stopping_state(MESSAGES), delays) == rule.stopping_delay(delays)
    opened = 0.3
    ended = rule.stopping_delay(opened + delays, opened)
    assert end_by_state(rule.stopping_state(MESSAGES, opened), opened + delays, opened) == ended
    if not rule.timed:
        assert end_by_state(StoppingState(rule, MESSAGES), delays) == rule.stopping_delay(delays)


def at_least_seven(arrived: np.ndarray) -> bool:
    return sum(arrived) >= 7


def every_four_in_a_row(arrived: np.ndarray) -> bool:
    return any(arrived[0:4]) and any(arrived[4:8]) and any(arrived[8:12])


def every_partition(arrived: np.ndarray) -> bool:
    """Messages of workers 0 to 3, three each: partitions 0 1 2, 1 2 3, 2 3 0, 3 0 1."""
    carries = [0, 1, 2, 1, 2, 3, 2, 3, 0, 3, 0, 1]
    return {p for p, heard in zip(carries, arrived, strict=True) if heard} == {0, 1, 2, 3}


@pytest.mark.parametrize(
    ("rule", "definition"),
    [
        (FirstK(7), at_least_seven),
        (CoverGroups(4), every_four_in_a_row),
        (CoverPartitions(Pieces(4, 3)), every_partition),
        (
            FirstK(7) | CoverGroups(4),
            lambda arrived: at_least_seven(arrived) or every_four_in_a_row(arrived),
        ),
        (
            FirstK(7) & CoverGroups(4),
            lambda arrived: at_least_seven(arrived) and every_four_in_a_row(arrived),
        ),
        (FirstK(7) | Deadline(1.0), at_least_seven),
        (FirstK(7) & Deadline(1.0), at_least_seven),  # time aside
        (Deadline(1.0), lambda arrived: False),
        # Least squares without copies: the error is the number of those that are missing.
        (Decodable(Encoded(np.eye(MESSAGES)), 5.0), at_least_seven),
    ],
    ids=lambda part: "" if callable(part) else repr(part),
)
def test_enough_in_plain_words(rule, definition):
    """On all 4096 sets of arrivals, since everything else is held to ``enough``."""
    masks = np.array(list(itertools.product([False, True], repeat=MESSAGES)))
    np.testing.assert_array_equal(rule.enough(masks), [definition(mask) for mask in masks])
    table = masks.reshape(64, 64, MESSAGES)
    np.testing.assert_array_equal(rule.enough(table), rule.enough(masks).reshape(64, 64))


@pytest.mark.parametrize(
    ("delays", "either", "both"),
    [
        ([1, 1, 1, 1], 1, 1),  # all at once: each rule has more than it needs
        ([1, 1, 1, 2], 1, 1),  # three arrivals at one instant also cover both groups
        ([1, 2, 1, 2], 1, 2),  # cover at 1; the third arrival ties with the fourth
        ([1, 1, 2, 2], 2, 2),  # the third arrival ties with the fourth, and covers
        ([1, 1, 1, 3], 1, 1),
        ([1, 2, 2, 3], 2, 2),  # the second and the third tie
        ([0, 0, 3, 3], 3, 3),
        ([0, 0, 0, 0], 0, 0),
        ([1, 3, 2, 3], 2, 3),
    ],
)
def test_ties_between_a_count_and_a_cover(delays: list[float], either: float, both: float) -> None:
    """Three of four, and both pairs: instants worked out by hand, in both ways of asking."""
    row = np.array(delays, dtype=float)
    count, cover = FirstK(3), CoverGroups(2)
    for rule, ended in (
        (count | cover, either),
        (cover | count, either),
        (count & cover, both),
        (cover & count, both),
    ):
        assert rule.stopping_delay(row) == ended
        assert rule.stopping_delay(row + 5.0, np.array(5.0)) == ended + 5.0
        order = np.argsort(row, kind="stable")
        for ties in (order, order[np.lexsort((-order, row[order]))]):  # either way round in a tie
            state = rule.stopping_state(4)
            assert next(row[j] for j in ties if state.arrive(int(j), row[j])) == ended


@pytest.mark.parametrize(
    ("delays", "seconds", "either", "both"),
    [
        ([1, 2, 3, 4], 2.5, 2.5, 3),
        ([1, 2, 3, 4], 3.0, 3, 3),  # a deadline at the instant of an arrival
        ([1, 2, 3, 4], 3.5, 3, 3.5),
        ([4, 4, 4, 4], 3.0, 3, 4),
        ([1, 1, np.inf, np.inf], 3.0, 3, np.inf),
    ],
)
def test_deadlines_count_from_the_opening_of_each_round(delays, seconds, either, both):
    """Three of four, and a deadline: on the round's own clock, and on clocks of their own."""
    row = np.array(delays, dtype=float)
    opened = np.array([0.0, 8.0, 64.0])
    table = opened[:, None] + row
    count, deadline = FirstK(3), Deadline(seconds)
    for rule, ended in (
        (deadline, seconds),
        (count | deadline, either),
        (deadline | count, either),
        (count & deadline, both),
        (deadline & count, both),
    ):
        assert rule.stopping_delay(row) == ended
        np.testing.assert_array_equal(rule.stopping_delay(table, opened), opened + ended)


def test_alarms_of_all_parts_are_asked_for() -> None:
    """The event engine wakes the state at each of them."""
    rule = (FirstK(2) & Deadline(1.0)) | (CoverGroups(2) & Deadline(2.0)) | Deadline(4.0)
    assert sorted(rule.stopping_state(MESSAGES).alarms) == [1.0, 2.0, 4.0]


def test_a_window_follows_the_first_arrival() -> None:
    """First at 2 s of a round that opened at 1: half of that second more."""
    rule, row = Window(0.5), np.array([4.0, 2.0, 3.0, np.inf])
    assert rule.stopping_delay(row, 1.0) == 2.5
    assert (rule | FirstK(1)).stopping_delay(row, 1.0) == 2.0
    assert (rule & FirstK(2)).stopping_delay(row, 1.0) == 3.0
    assert rule.stopping_delay(np.full(4, np.inf)) == np.inf


def test_a_window_among_messages_that_differ_between_replications() -> None:
    """Each replication waits for as many as it sends, in both ways of asking."""
    sent = np.array([1, 2, 5])
    rows = np.array([[1.0, np.inf, np.inf, np.inf, np.inf], [1, 2, np.inf, np.inf, np.inf]])
    rows = np.concatenate([rows, [[1.0, 2.0, 3.0, 4.0, 5.0]]])
    rule = Window(0.5, at_least=3).among(sent)
    np.testing.assert_array_equal(rule.stopping_delay(rows), [1.5, 2.0, 3.0])
    for replication, (row, count) in enumerate(zip(rows, sent, strict=True)):
        own = Window(0.5, at_least=3).among(np.asarray(count))
        assert own.stopping_delay(row) == rule.stopping_delay(rows)[replication]
        assert end_by_state(rule.of(replication).stopping_state(5), row) == own.stopping_delay(row)


def test_a_spread_is_of_as_many_arrivals_in_each_replication() -> None:
    rule = Spread(first=3, spread=1.0)
    assert rule.among(np.array([4, 5])) == rule
    assert rule.among(np.array([2, 2])) == Spread(first=2, spread=1.0)
    with pytest.raises(ValueError, match=r"replications send \[2, 3\] of 3 messages"):
        rule.among(np.array([5, 2]))
    assert rule.stopping_delay(np.full((1, 3), np.inf), np.array([np.inf])) == np.inf


def test_no_arrivals_can_be_enough() -> None:
    """A round that needs nobody ends as it opens, in both ways of asking."""
    row = np.array([4.0, 1.0, np.inf, 1.0])
    rule = FirstKEach(np.array([0, 1, 3, 4]))
    table = np.tile(row, (4, 1))
    for at, ends in ((0.9, [1, 0, 0, 0]), (1.0, [1, 1, 0, 0]), (4.0, [1, 1, 1, 0])):
        np.testing.assert_array_equal(rule.enough(table <= at), np.array(ends, bool))
    np.testing.assert_array_equal(rule.stopping_delay(table + 5, 5.0), [5, 6, 9, np.inf])
    for r, ended in enumerate((5.0, 6.0, 9.0, np.inf)):
        assert end_by_state(rule.of(r).stopping_state(4, 5.0), row + 5, 5.0) == ended
        assert end_by_state(StoppingState(rule.of(r), 4), row + 5, 5.0) == ended
        assert stopping_delay_by_bisection(rule.of(r), row + 5, 5.0) == ended


@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (1, 1, 1)])
@pytest.mark.parametrize("rule", RULES + WITH_DEADLINE, ids=repr)
def test_any_leading_shape(rule: StoppingRule, shape: tuple[int, ...]) -> None:
    """Catches a rule that works on rows of a table alone; the last axis is the only one reduced."""
    delays = np.random.default_rng(2).integers(0, 5, (*shape, MESSAGES)) * 0.1
    ended = rule.stopping_delay(delays)
    assert np.shape(ended) == shape
    rows = [rule.stopping_delay(row) for row in delays.reshape(-1, MESSAGES)]
    np.testing.assert_array_equal(np.ravel(ended), rows)


@pytest.mark.parametrize("n", [1, 2, 4, 255, 256, 257, 512, 1000])
def test_long_and_short_rows_agree(n: int) -> None:
    """The fast paths change with the row's length and the group's size; the numbers do not."""
    delays = np.random.default_rng(n).random((5, n))
    ranked = np.sort(delays, axis=1)
    for k in range(1, n + 1):
        np.testing.assert_array_equal(FirstK(k).stopping_delay(delays), ranked[:, k - 1])
    for size in (d for d in range(1, n + 1) if n % d == 0):
        expected = delays.reshape(5, -1, size).min(axis=2).max(axis=1)
        np.testing.assert_array_equal(CoverGroups(size).stopping_delay(delays), expected)


def test_a_rule_that_nobody_can_satisfy_never_ends() -> None:
    """All twelve have arrived, and thirteen are wanted."""
    assert stopping_delay_by_bisection(FirstK(13), np.ones(MESSAGES)) == np.inf


def test_asking_changes_nothing() -> None:
    """A rule that sorted or filled the engine's own table would spoil its masks."""
    delays = np.random.default_rng(3).random((20, MESSAGES))
    before = delays.copy()
    for rule in RULES + WITH_DEADLINE:
        rule.stopping_delay(delays, np.zeros(20))
        rule.enough(delays < 0.5)
        np.testing.assert_array_equal(delays, before)


# ``stop``: what each choice means, how it is written, and what is refused.


READ = TypeAdapter(Stop)
CODE = Encoded(sum(np.roll(np.eye(8), offset, axis=1) for offset in (0, 1, 3)))
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
    assert ends({"first": 3, "grace": 1.5}, row) == 4.5
    assert ends({"first": 3, "grace": 0}, row) == ends({"first": 3, "grace": 0.0}, row) == 3.0
    assert ends({"first": 3, "grace": 99.0}, row) == ends({"first": 8, "grace": 1.0}, row) == 8.0
    assert ends({"any": [{"first": 3, "grace": 1.5}, {"deadline": 3.2}]}, row) == 3.2
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
    code = Encoded(held)
    row = table()[0]
    assert ends("cover", row, code) == ends("decodable", row, code) == 8.0
    assert not CoverPartitions(code).enough(np.ones((2, code.messages), dtype=bool)).any()


@pytest.mark.parametrize("width", [3, 255, 256, 1000])
def test_the_median_of_few_and_of_many_messages(width: int) -> None:
    """Long rows are ranked in single precision first: in the second row all numbers are alike
    there, in the third most are, in the fourth some are beyond it, in the last they tie."""
    drawn = np.random.default_rng(width).exponential(size=(6, width))
    table = np.array([drawn[0], 1 + drawn[1] * 1e-12, 1e6 + drawn[2], drawn[3], drawn[4].round()])
    table[3, ::2] = np.inf
    table[3, 1::4] *= 1e300
    expected = np.sort(table)[:, width // 2]
    np.testing.assert_array_equal(FirstK(width // 2 + 1).stopping_delay(table), expected)


@dataclass(frozen=True)
class OneAnswer(StoppingRule):
    """Forgets that it is asked of many rounds at once."""

    def enough(self, arrived: BoolArray) -> BoolArray:
        return np.asarray(arrived.mean() >= 0.9)


@pytest.mark.parametrize(
    "rule", [OneAnswer(), OneAnswer() | Deadline(9.0), FirstK(1) & OneAnswer()]
)
def test_one_answer_for_all_rounds_is_refused(rule: StoppingRule) -> None:
    """Else every round would end when nine tenths of the messages of all rounds have come."""
    delays = np.random.default_rng(0).random((5, 10))
    text = (
        r"^OneAnswer\.enough of \(5, 10\) arrivals has shape \(\): must be \(5,\), one answer for"
    )
    with pytest.raises(TypeError, match=text):
        rule.stopping_delay(delays)
    assert rule.stopping_delay(delays[0]) == np.sort(delays[0])[8]  # of a single round it is right


@dataclass(frozen=True)
class OfParts(StoppingRule):
    """Somebody's own rule, with a field that the package has a word for as well."""

    parts: int

    def enough(self, arrived: BoolArray) -> BoolArray:
        return np.asarray(arrived.sum(axis=-1) >= self.parts)


def test_a_rule_may_call_its_fields_as_it_likes() -> None:
    rule = OfParts(3) | Deadline(0.9)
    np.testing.assert_array_equal(rule.stopping_delay(np.array([0.5, 0.1, 0.3, 0.7])), 0.5)
    assert not OfParts(3).timed
    assert OfParts(3).monotone
    assert rule.timed
    assert not rule.only_timed


def test_after_a_deadline_a_rule_still_asks_who_arrived() -> None:
    """The deadline alone is of time alone; what it delays is not, nor what stands beside it."""
    assert Deadline(0.5).only_timed
    late = SCHEMES["ignore_stragglers"](wait_for=2, grace=0.1).build(4).stopping
    assert not late.only_timed


def test_a_scheme_of_workers_says_how_it_decodes() -> None:
    """Catches a sum that nobody asked for."""
    assert "weights" in OfWorkers.__abstractmethods__
