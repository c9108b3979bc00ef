"""Every registered scheme keeps the contracts of assignment, stopping rule and decoder."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.errors import InvalidParameter
from sim.schemes import SCHEMES, Scheme, SchemeFamily
from sim.schemes.stopping import (
    CoverGroups,
    Deadline,
    FirstK,
    StoppingRule,
    bisected_stopping_delay,
)

WORKERS = 12
EXAMPLES = [family for cls in SCHEMES.values() for family in cls.examples()]

every_scheme = pytest.mark.parametrize("family", EXAMPLES, ids=repr)


def random_arrivals(seed: int, scheme: Scheme, rows: int = 400) -> np.ndarray:
    """``(rows, n m)`` messages, from few to nearly all."""
    rng = np.random.default_rng(seed)
    return rng.random((rows, WORKERS * scheme.assignment.messages)) < rng.random((rows, 1))


@pytest.mark.parametrize("name", SCHEMES)
def test_registry_names_match(name: str) -> None:
    assert SCHEMES[name].name == name
    assert SCHEMES[name].examples(), "a scheme without examples is not tested"


@every_scheme
def test_shapes_and_loads(family: SchemeFamily) -> None:
    scheme = family.build(WORKERS)
    encoding = scheme.assignment.encoding.toarray()
    m = scheme.assignment.messages
    assert encoding.shape == (WORKERS * m, scheme.partitions)
    assert scheme.workers == WORKERS
    np.testing.assert_array_equal(
        scheme.assignment.loads,
        np.count_nonzero(encoding.reshape(WORKERS, m, -1).any(axis=1), axis=1),
    )


@every_scheme
def test_partition_weights_are_the_decoding_vector_times_b(family: SchemeFamily) -> None:
    """Catches a decoder whose two answers differ, or that listens to whoever has not arrived."""
    scheme = family.build(WORKERS)
    arrived = random_arrivals(1, scheme)
    vector = scheme.decoder.decoding_vector(arrived)
    assert not np.any(vector[~arrived])
    expected = vector @ scheme.assignment.encoding.toarray()
    np.testing.assert_allclose(
        scheme.decoder.partition_weights(arrived), expected, atol=1e-9 * np.abs(vector).max()
    )


@every_scheme
def test_exact_schemes_are_exact_at_every_stop(family: SchemeFamily) -> None:
    """Every arrival set that the stopping rule accepts decodes to ones (or some do not)."""
    scheme = family.build(WORKERS)
    if scheme.stopping.deadlines:
        assert not scheme.exact
        return
    messages = WORKERS * scheme.assignment.messages
    if messages == WORKERS:
        masks = np.array(list(itertools.product([False, True], repeat=WORKERS)))
    else:
        masks = random_arrivals(4, scheme, rows=4000)
    enough = masks[scheme.stopping.enough(masks)]
    weights = scheme.decoder.partition_weights(enough)
    assert np.allclose(weights, 1, atol=1e-6) == scheme.exact


@every_scheme
def test_stopping_is_monotone(family: SchemeFamily) -> None:
    scheme = family.build(WORKERS)
    rule = scheme.stopping
    arrived = random_arrivals(2, scheme)
    more = arrived | random_arrivals(3, scheme)
    assert np.all(rule.enough(more) >= rule.enough(arrived))
    if not rule.deadlines:
        assert np.all(rule.enough(np.ones_like(arrived)))


RULES: list[StoppingRule] = [
    FirstK(1),
    FirstK(5),
    FirstK(WORKERS),
    *(CoverGroups(d) for d in (1, 2, 3, 6, 12)),
    FirstK(5) | CoverGroups(3),
    FirstK(9) & CoverGroups(4),
    (FirstK(2) & CoverGroups(6)) | (FirstK(8) & CoverGroups(12)),
]
WITH_DEADLINE: list[StoppingRule] = [
    Deadline(0.35),
    FirstK(5) | Deadline(0.35),
    FirstK(5) & Deadline(0.35),
    (CoverGroups(3) & Deadline(0.2)) | Deadline(0.5),
]

delays_with_ties = st.lists(st.integers(0, 6), min_size=WORKERS, max_size=WORKERS).map(
    lambda row: np.array(row) * 0.1
)


@pytest.mark.parametrize("rule", RULES, ids=repr)
@given(delays=delays_with_ties)
@settings(max_examples=60, deadline=None)
def test_stopping_delay_is_the_earliest_instant_with_enough(
    rule: StoppingRule, delays: np.ndarray
) -> None:
    """By definition, over all instants at which a message arrives; and by bisection."""
    instants = [t for t in np.unique(delays) if rule.enough(delays <= t)]
    assert rule.stopping_delay(delays) == instants[0]
    assert bisected_stopping_delay(rule, delays) == instants[0]


@pytest.mark.parametrize("rule", RULES, ids=repr)
def test_stopping_delay_with_dead_workers(rule: StoppingRule) -> None:
    """An infinite delay never arrives; a rule that needs it is never satisfied."""
    rng = np.random.default_rng(5)
    delays = np.where(rng.random((300, WORKERS)) < 0.4, np.inf, rng.random((300, WORKERS)))
    delays[0] = np.inf
    np.testing.assert_array_equal(
        rule.stopping_delay(delays), bisected_stopping_delay(rule, delays)
    )
    never = ~rule.enough(np.isfinite(delays))
    assert never.any()
    np.testing.assert_array_equal(np.isinf(rule.stopping_delay(delays)), never)


@pytest.mark.parametrize("rule", RULES + WITH_DEADLINE, ids=repr)
@given(delays=delays_with_ties)
@settings(max_examples=60, deadline=None)
def test_tally_says_the_same_as_stopping_delay(rule: StoppingRule, delays: np.ndarray) -> None:
    """Tell a tally of arrivals and deadlines in order: its first yes is the stopping delay."""
    events = [(t, 0, int(j)) for j, t in enumerate(delays)]
    events += [(t, 1, -1) for t in rule.deadlines]
    tally = rule.tally(WORKERS)
    for instant, _, worker in sorted(events):
        yes = tally.elapse(instant) if worker < 0 else tally.arrive(worker)
        if yes:
            assert instant == rule.stopping_delay(delays)
            return
    raise AssertionError("the rule was never satisfied")


@every_scheme
def test_one_worker_cluster(family: SchemeFamily) -> None:
    """n = 1 either works or is refused with the field's name."""
    needs = max(getattr(family, "load", 1), getattr(family, "wait_for", 1) or 1)
    if needs > 1:
        with pytest.raises(InvalidParameter, match=r"load|wait_for"):
            family.build(1)
    else:
        scheme = family.build(1)
        arrived = np.ones((1, scheme.assignment.messages), dtype=bool)
        assert scheme.decoder.partition_weights(arrived).shape == (1, 1)


@pytest.mark.parametrize(
    ("family", "field", "valid"),
    [
        (SCHEMES["erasurehead"](load=4, wait_for=15), "load", "1, 2, 3, 5, 6, 10, 15, 30"),
        (SCHEMES["erasurehead"](load=3, wait_for=31), "wait_for", "1 and workers = 30"),
        (SCHEMES["fractional_repetition"](load=7), "load", "1, 2, 3, 5, 6, 10, 15, 30"),
        (SCHEMES["cyclic_repetition"](load=31), "load", "1 and workers = 30"),
        (SCHEMES["ignore_stragglers"](wait_for=31), "wait_for", "1 and workers = 30"),
        (SCHEMES["ignore_stragglers"](), "wait_for", "deadline"),
    ],
    ids=repr,
)
def test_impossible_parameters_say_what_is_valid(
    family: SchemeFamily, field: str, valid: str
) -> None:
    with pytest.raises(InvalidParameter) as caught:
        family.build(30)
    assert caught.value.field == field
    assert valid in str(caught.value)
    assert "\n" not in str(caught.value)


def test_large_fractional_repetition_stays_sparse() -> None:
    """100,000 workers: nothing of size n x n may be made."""
    scheme = SCHEMES["erasurehead"](load=5, wait_for=50_000).build(100_000)
    assert scheme.assignment.encoding.nnz == 500_000


@every_scheme
def test_own_rule_agrees_with_its_definition(family: SchemeFamily) -> None:
    """A scheme's stopping delay and tally against ``enough``, on tables full of ties."""
    scheme = family.build(WORKERS)
    rule, messages = scheme.stopping, WORKERS * scheme.assignment.messages
    delays = np.random.default_rng(6).integers(0, 5, (200, messages)) * 0.1
    if not rule.deadlines:
        expected = bisected_stopping_delay(rule, delays)
        np.testing.assert_array_equal(rule.stopping_delay(delays), expected)
    for row, ended in zip(delays, rule.stopping_delay(delays), strict=True):
        tally = rule.tally(messages)
        events = [(t, j) for j, t in enumerate(row)] + [(t, messages) for t in rule.deadlines]
        for instant, j in sorted(events):
            yes = tally.elapse(instant) if j == messages else tally.arrive(j)
            if yes:
                assert instant == ended
                break


def test_cyclic_code_tolerates_any_stragglers() -> None:
    """Every set of n - s arrivals decodes exactly, on the support that the scheme promises."""
    scheme = SCHEMES["cyclic_repetition"](load=3).build(8)
    encoding = scheme.assignment.encoding.toarray()
    for i in range(8):
        assert set(np.flatnonzero(encoding[i])) == {i, (i + 1) % 8, (i + 2) % 8}
    assert np.all(np.diag(encoding) == 1)
    for lost in itertools.combinations(range(8), 2):
        arrived = np.ones(8, dtype=bool)
        arrived[list(lost)] = False
        np.testing.assert_allclose(scheme.decoder.partition_weights(arrived), 1, atol=1e-8)


def test_rescale_is_unbiased() -> None:
    """Over all r-subsets the mean weight of every partition is exactly 1."""
    subsets = np.array([m for m in itertools.product([False, True], repeat=6) if sum(m) == 2])
    for family in (
        SCHEMES["erasurehead"](load=2, wait_for=2, rescale=True),
        SCHEMES["ignore_stragglers"](wait_for=2, rescale=True),
    ):
        weights = family.build(6).decoder.partition_weights(subsets)
        np.testing.assert_allclose(weights.mean(axis=0), 1)
