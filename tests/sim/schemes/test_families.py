"""What families promise: exactness at its boundary, unbiased sums, and refusals in one line."""

from __future__ import annotations

import itertools
from fractions import Fraction

import numpy as np
import pytest

from erasurehead import ConfigError, plugins
from erasurehead.load_laws import Proportional
from erasurehead.plugins import InvalidParameter
from erasurehead.schemes import (
    SCHEMES,
    ErasureHead,
    IgnoreStragglers,
    MultiMessage,
    Scheme,
    TimeWindow,
)
from erasurehead.stopping import FirstK
from tests.sim.engines.agreement import POLICIES, both_finish
from tests.statistics import assert_z
from tests.tools import TableTape


def every_mask(n: int) -> np.ndarray:
    return np.array(list(itertools.product([False, True], repeat=n)))


def always_exact(scheme: Scheme) -> bool:
    """Every set of arrivals that ends a round decodes to ones."""
    masks = every_mask(scheme.workers * scheme.assignment.messages)
    weights = scheme.decoder.partition_weights(masks[scheme.stopping.enough(masks)])
    return bool(np.allclose(weights, 1))


def stop(scheme: Scheme, delays: np.ndarray) -> np.ndarray:
    """Who has arrived when each round ends."""
    return delays <= scheme.stopping.stopping_delay(delays)[..., None]


@pytest.mark.parametrize("n", range(1, 9))
@pytest.mark.parametrize("rescale", [False, True])
def test_erasurehead_is_exact_from_more_than_n_minus_d_arrivals(n: int, rescale: bool) -> None:
    """Every (n, d, r) against every set of arrivals: one arrival fewer is not exact."""
    for load in (d for d in range(1, n + 1) if n % d == 0):
        for wait_for in range(1, n + 1):
            scheme = ErasureHead(load=load, wait_for=wait_for, rescale=rescale).build(n)
            assert scheme.exact == always_exact(scheme) == (wait_for > n - load)


@pytest.mark.parametrize(("n", "load"), [(1, 1), (4, 1), (4, 2), (3, 3), (5, 2)])
def test_multi_message_is_exact_from_more_messages_than_leave_a_partition_out(n, load):
    """Every r against every set of messages."""
    assert MultiMessage(load=load).build(n).exact
    for wait_for in range(1, n * load + 1):
        scheme = MultiMessage(load=load, wait_for=wait_for).build(n)
        assert scheme.exact == always_exact(scheme) == (wait_for > (n - 1) * load)


def test_ignoring_nobody_is_exact() -> None:
    for wait_for in range(1, 7):
        for rescale in (False, True):
            scheme = IgnoreStragglers(wait_for=wait_for, rescale=rescale).build(6)
            assert scheme.exact == always_exact(scheme) == (wait_for == 6)


def test_a_deadline_is_never_exact() -> None:
    """Even with as many arrivals asked for as make it exact otherwise."""
    assert not ErasureHead(load=3, wait_for=6, deadline=9.0).build(6).exact
    assert not IgnoreStragglers(wait_for=6, deadline=9.0).build(6).exact


@pytest.mark.parametrize(("n", "load", "wait_for"), [(6, 2, r) for r in range(1, 7)] + [(6, 3, 2)])
def test_rescaled_erasurehead_is_unbiased_over_every_order(n, load, wait_for):
    """All n! orders, stopped early at a full cover: each partition's mean weight is exactly 1.

    Catches a p that takes the early stop for a loss of arrivals, as one that counts those of the
    round would.
    """
    scheme = ErasureHead(load=load, wait_for=wait_for, rescale=True).build(n)
    orders = np.array(list(itertools.permutations(range(n))), dtype=float)
    arrived = stop(scheme, orders)
    if 1 < n // load < wait_for:
        assert arrived.sum(axis=1).min() < wait_for, "no order stops early: nothing is tested"
    weights = scheme.decoder.partition_weights(arrived)
    np.testing.assert_allclose(weights.mean(axis=0), 1, rtol=1e-12)


@pytest.mark.parametrize(("decoder", "rule", "claimed"), [
    ("one_step", None, True), ("one_step", FirstK(4), False),
    ("optimal", FirstK(4), False), ("sum", None, False),
])  # fmt: skip
def test_who_claims_to_be_unbiased_is_so_over_every_order(decoder, rule, claimed):
    """The decoders that are not exact: one step weighs partitions by 1 until groups are covered."""
    scheme = SCHEMES["fractional_repetition"](load=2, decoder=decoder, stop=rule).build(6)
    assert (scheme.guarantees.unbiased is not None) == claimed
    if claimed:
        weights = scheme.weights(stop(scheme, np.array([*itertools.permutations(range(6))], float)))
        np.testing.assert_allclose(weights.mean(axis=0), 1, rtol=1e-12)


def test_a_plain_sum_has_a_weight_for_each_number_of_arrivals() -> None:
    """From nobody to everybody."""
    scheme = SCHEMES["fractional_repetition"](load=2, decoder="sum", stop=FirstK(4)).build(6)
    assert scheme.decoder.weights == (1.0,) * 7


def test_rescaled_sum_is_unbiased_with_a_deadline() -> None:
    """n/m counts the arrivals of the round, so it holds whatever ends it; 0 when nobody comes."""
    scheme = IgnoreStragglers(wait_for=4, deadline=0.3).build(6)
    delays = np.random.default_rng(11).random((40_000, 6))
    arrived = stop(scheme, delays)
    weights = scheme.decoder.partition_weights(arrived)
    someone = arrived.any(axis=1)
    assert 0 < np.count_nonzero(~someone) < 40_000
    assert_z(weights[someone], np.ones(6), "weight where somebody arrived")
    assert not weights[~someone].any()


@pytest.mark.parametrize(
    ("n", "load", "arrivals"),
    [
        *((6, 2, 3), (12, 3, 9), (12, 3, 10), (12, 12, 1), (9, 1, 4), (8, 4, 1), (30, 3, 15)),
        # Binomials of a million workers have 300,000 digits; a product of ten ratios has not.
        *((1_000_000, 10, 500_000), (1_000_000, 500_000, 10), (1_000_000, 1, 1)),
    ],
)
def test_a_rescaled_group_weighs_one_over_its_chance_to_be_heard(n, load, arrivals) -> None:
    """A ratio of binomials, in exact fractions."""
    missed = Fraction(1)
    for i in range(min(load, arrivals)):
        missed *= Fraction(max(n - max(load, arrivals) - i, 0), n - i)
    scheme = ErasureHead(load=load, wait_for=arrivals, rescale=True).build(n)
    assert 1 / scheme.decoder.scale == pytest.approx(float(1 - missed), rel=1e-14)


# Arrivals at 1.5, 2, 3, 4 and 5 s, in two rounds: the second opens where the first ends.
TWICE = [[3.0, 1.5, 5.0, 2.0, 4.0], [1.5, 2.0, 3.0, 4.0, 5.0]]
ONCE = [[1.0, 2.0, 3.0, 7.0]]


@pytest.mark.parametrize(
    ("family", "table", "seconds"),
    [
        (TimeWindow(tolerance=0.5), TWICE, 2.25),
        (TimeWindow(tolerance=0.0), TWICE, 1.5),
        (TimeWindow(tolerance=0.5, at_least=4), TWICE, 4.0),
        (TimeWindow(tolerance=0.5, at_least=5), TWICE, 5.0),
        (TimeWindow(tolerance=9.0), TWICE, 5.0),
        (TimeWindow(tolerance=0.5, deadline=2.1), TWICE, 2.1),
        (TimeWindow(tolerance=0.5, deadline=3.0), TWICE, 2.25),
        (TimeWindow(deadline=3.5), TWICE, 3.5),
        (TimeWindow(deadline=1.0), TWICE, 1.5),  # somebody must have arrived
        (TimeWindow(deadline=9.0, at_least=2), TWICE, 5.0),
        (TimeWindow(tolerance=0.5, deadline=2.1, at_least=3), TWICE, 3.0),
        # Who comes within the grace counts, under every policy.
        (IgnoreStragglers(wait_for=2, grace=1.5), ONCE, 3.5),
        (IgnoreStragglers(wait_for=2, grace=0.0), ONCE, 2.0),
        (IgnoreStragglers(wait_for=2, grace=9.0), ONCE, 7.0),
        (IgnoreStragglers(wait_for=2, grace=1.5, deadline=3.2), ONCE, 3.2),
        (IgnoreStragglers(wait_for=4, grace=1.5), ONCE, 7.0),
        (ErasureHead(load=2, stop={"first": 2, "grace": 0.5}), ONCE, 2.5),
        (ErasureHead(load=2, stop={"first": 2, "grace": 1.5}), ONCE, 3.0),  # both groups are there
    ],
    ids=repr,
)
@pytest.mark.parametrize("policy", POLICIES)
def test_windows_and_graces_worked_out_by_hand(family, table, seconds, policy) -> None:
    table = np.array(table)[: None if policy == "cancel" else 1]
    tape = TableTape(table / getattr(family, "load", 1))
    trace = both_finish(family.build(tape.workers), [tape], Proportional(), len(table), policy)
    np.testing.assert_array_equal(trace.times[0], seconds * np.arange(1, len(table) + 1))
    np.testing.assert_array_equal(trace.heard.arrived[0], table <= seconds)


def test_a_grace_of_nothing_is_none() -> None:
    """The very same schemes, so the same bits; and after the last arrival nobody waits."""
    plain = IgnoreStragglers(wait_for=8).build(12)
    assert IgnoreStragglers(wait_for=8, grace=0).build(12) == plain
    assert IgnoreStragglers(stop={"first": 8, "grace": 0}).build(12).stopping == plain.stopping
    late = IgnoreStragglers(wait_for=12, grace=3.0).build(12)
    assert late.stopping == SCHEMES["uncoded"]().build(12).stopping
    assert late.exact


@pytest.mark.parametrize("name", SCHEMES)
def test_unknown_fields_are_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=r"no field (load|wait_for|waitfor); "):
        SCHEMES[name](load=1, wait_for=1, waitfor=3)


def test_limits_belong_to_what_is_allowed() -> None:
    plugins.require_at_most_workers("wait_for", 12, 12)
    with pytest.raises(InvalidParameter) as refused:
        plugins.require_at_most_workers("wait_for", 13, 12)
    assert str(refused.value) == "wait_for = 13: must be between 1 and workers = 12"
    assert refused.value.nearest == {"wait_for": 12}
    for value in (1, 3, np.int64(2)):
        plugins.require_count("k", value, load=3)
    plugins.require_count("k", 0, least=0)
    for wrong in (0, 4, 1.0, True, None, "1"):
        with pytest.raises(InvalidParameter, match="must be a whole number between 1 and load = 3"):
            plugins.require_count("k", wrong, load=3)
    for wrong in (-1, 0.5):
        with pytest.raises(InvalidParameter, match=r"must be a whole number >= 0$"):
            plugins.require_count("k", wrong, least=0)
    plugins.require_positive("x", 5e-324)
    plugins.require_non_negative("x", 0.0)
    for wrong in (0.0, -1.0, np.inf, np.nan):
        with pytest.raises(InvalidParameter, match=r"must be a finite number > 0$"):
            plugins.require_positive("x", wrong)
    for wrong in (-5e-324, np.inf, np.nan):
        with pytest.raises(InvalidParameter, match=r"must be a finite number >= 0$"):
            plugins.require_non_negative("x", wrong)
    for load, workers, field in ((0, 4, "load"), (1, 0, "workers"), (3, 4, "load")):
        with pytest.raises(InvalidParameter, match=f"^{field} = "):
            plugins.require_group(load, workers)
    plugins.require_group(2, 4)
