"""Every registered scheme keeps the contracts of assignment, stopping rule and decoder.

What is particular to one part or family is tested in ``tests/schemes``.
"""

from __future__ import annotations

import dataclasses
import itertools
import pickle

import numpy as np
import pytest

from sim.errors import InvalidParameter
from sim.schemes import SCHEMES, SchemeFamily
from sim.schemes.base import Fixed
from sim.schemes.partly_uncoded import PartlyUncoded
from sim.schemes.stochastic import Shares
from sim.schemes.stopping import stopping_delay_by_bisection
from tests.schemes.telling import told

WORKERS = 12
EXAMPLES = [family for cls in SCHEMES.values() for family in cls.examples()]
FIXED = [family for family in EXAMPLES if isinstance(family.build(WORKERS), Fixed)]

every_scheme = pytest.mark.parametrize("family", EXAMPLES, ids=repr)
every_fixed_scheme = pytest.mark.parametrize("family", FIXED, ids=repr)


def fixed(family: SchemeFamily, workers: int = WORKERS) -> Fixed:
    scheme = family.build(workers)
    assert isinstance(scheme, Fixed)
    return scheme


def random_arrivals(seed: int, scheme: Fixed, rows: int = 400) -> np.ndarray:
    """``(rows, n m)`` messages, from few to nearly all."""
    rng = np.random.default_rng(seed)
    return rng.random((rows, WORKERS * scheme.assignment.messages)) < rng.random((rows, 1))


@pytest.mark.parametrize("name", SCHEMES)
def test_registry_names_match(name: str) -> None:
    assert SCHEMES[name].name == name
    assert SCHEMES[name].examples(), "a scheme without examples is not tested"


@every_fixed_scheme
def test_shapes_and_loads(family: SchemeFamily) -> None:
    scheme = fixed(family)
    encoding = scheme.assignment.encoding.toarray()
    m = scheme.assignment.messages
    assert encoding.shape == (WORKERS * m, scheme.partitions)
    assert scheme.workers == WORKERS
    if isinstance(scheme.assignment, Shares):
        held = encoding.sum(axis=1)
    else:
        held = np.count_nonzero(encoding.reshape(WORKERS, m, -1).any(axis=1), axis=1)
    np.testing.assert_allclose(
        scheme.assignment.loads, held * WORKERS / scheme.partitions, rtol=1e-12
    )


@every_fixed_scheme
def test_partition_weights_are_the_decoding_vector_times_b(family: SchemeFamily) -> None:
    """Catches a decoder whose two answers differ, or that listens to whoever has not arrived."""
    scheme = fixed(family)
    arrived = random_arrivals(1, scheme)
    vector = scheme.decoder.decoding_vector(arrived)
    assert not np.any(vector[~arrived])
    expected = (vector @ scheme.assignment.encoding.toarray()).real
    np.testing.assert_allclose(
        scheme.decoder.partition_weights(arrived), expected, atol=1e-9 * np.abs(vector).max()
    )


@every_fixed_scheme
def test_decoders_answer_row_by_row(family: SchemeFamily) -> None:
    """A table of any shape, as engines hand it over: replications x rounds x messages."""
    scheme = fixed(family)
    rows = random_arrivals(7, scheme, rows=30)
    table = rows.reshape(2, 5, 3, -1)
    for answer, width in (
        (scheme.decoder.decoding_vector, rows.shape[1]),
        (scheme.decoder.partition_weights, scheme.partitions),
    ):
        each = np.array([answer(row) for row in rows])
        assert answer(table).shape == (2, 5, 3, width)
        scale = 1 + np.abs(each).max()
        np.testing.assert_allclose(answer(table).reshape(30, width), each, atol=1e-9 * scale)


@every_fixed_scheme
def test_exact_schemes_are_exact_at_every_stop(family: SchemeFamily) -> None:
    """Every arrival set that the stopping rule accepts decodes to ones (or some do not)."""
    scheme = fixed(family)
    if scheme.stopping.timed:
        assert not scheme.exact
        return
    if scheme.exact is None:
        return
    messages = WORKERS * scheme.assignment.messages
    if messages == WORKERS:
        masks = np.array(list(itertools.product([False, True], repeat=WORKERS)))
    else:
        masks = random_arrivals(4, scheme, rows=4000)
    enough = masks[scheme.stopping.enough(masks)]
    weights = scheme.decoder.partition_weights(enough)
    assert np.allclose(weights, 1, atol=1e-6) == scheme.exact


@every_fixed_scheme
def test_stopping_is_monotone(family: SchemeFamily) -> None:
    scheme = fixed(family)
    rule = scheme.stopping
    arrived = random_arrivals(2, scheme)
    more = arrived | random_arrivals(3, scheme)
    assert np.all(rule.enough(more) >= rule.enough(arrived))
    if not rule.timed:
        assert np.all(rule.enough(np.ones_like(arrived)))


@every_fixed_scheme
def test_schemes_are_values(family: SchemeFamily) -> None:
    """Engines, processes and tables share them: nobody can change one, and all can be keys."""
    scheme = fixed(family)
    for part in (family, scheme, scheme.assignment, scheme.stopping, scheme.decoder):
        hash(part)
        with pytest.raises(dataclasses.FrozenInstanceError):
            part.anything = 1
    assert family == pickle.loads(pickle.dumps(family))
    assert pickle.loads(pickle.dumps(scheme.stopping)) == scheme.stopping


@every_fixed_scheme
def test_one_worker_cluster(family: SchemeFamily) -> None:
    """n = 1 either works or is refused with the name of one of the family's fields."""
    try:
        scheme = fixed(family, 1)
    except InvalidParameter as error:
        refused = error.field.partition(".")[0]
    else:
        refused = ""
    if refused:
        assert refused in {each.name for each in dataclasses.fields(family)}  # type: ignore[arg-type]
        return
    needs = max(getattr(family, name, 1) or 1 for name in ("load", "wait_for", "at_least"))
    assert needs == 1
    arrived = np.ones((1, scheme.assignment.messages), dtype=bool)
    assert scheme.decoder.partition_weights(arrived).shape == (1, 1)


def test_large_fractional_repetition_stays_sparse() -> None:
    """100,000 workers: nothing of size n x n may be made."""
    scheme = SCHEMES["erasurehead"](load=5, wait_for=50_000).build(100_000)
    assert scheme.assignment.encoding.nnz == 500_000


@every_fixed_scheme
def test_own_rule_agrees_with_its_definition(family: SchemeFamily) -> None:
    """A scheme's stopping delay and tally against ``enough``, on tables full of ties."""
    scheme = fixed(family)
    rule, messages = scheme.stopping, WORKERS * scheme.assignment.messages
    delays = np.random.default_rng(6).integers(0, 5, (200, messages)) * 0.1
    if not rule.timed:
        expected = stopping_delay_by_bisection(rule, delays)
        np.testing.assert_array_equal(rule.stopping_delay(delays), expected)
    for row, ended in zip(delays, rule.stopping_delay(delays), strict=True):
        assert told(rule.tally(messages), row) == ended


@every_scheme
def test_every_kind_of_scheme_is_a_value(family: SchemeFamily) -> None:
    """With a state, without rounds or fixed: processes share them, and nobody can change one."""
    scheme = family.build(WORKERS)
    hash(scheme)
    assert scheme == family.build(WORKERS) or isinstance(scheme, Fixed | PartlyUncoded)
    with pytest.raises(dataclasses.FrozenInstanceError):
        scheme.anything = 1  # type: ignore[attr-defined]
    assert pickle.loads(pickle.dumps(scheme)).workers == WORKERS
    assert scheme.updates(7) >= 7
