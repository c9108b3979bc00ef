"""Every registered scheme passes the conformance suite: its line in the registry is enough.

What is particular to one part or family is tested in ``tests/schemes``; that each check can fail,
in ``tests/contracts/test_conformance.py``.
"""

from __future__ import annotations

import numpy as np
import pytest

from erasurehead.experiments.conformance import CHECKS, Subject
from erasurehead.sim.errors import InvalidParameter
from erasurehead.sim.schemes import SCHEMES, SchemeFamily
from erasurehead.sim.schemes.base import Fixed

WORKERS = 12
EXAMPLES = [family for cls in SCHEMES.values() for family in cls.examples()]


def thirty(family: SchemeFamily) -> bool:
    """Whether it is an exact code for 30 workers as well."""
    try:
        return bool(family.build(30).claims.tolerates)
    except InvalidParameter:
        return False


LARGE = [family for family in EXAMPLES if thirty(family)]
LARGE.append(SCHEMES["heterogeneity_aware"](load=3, speeds=(1, 2, 4) * 10, partitions=60))  # type: ignore[call-arg]


@pytest.mark.parametrize("name", SCHEMES)
def test_registry_names_match(name: str) -> None:
    assert SCHEMES[name].name == name
    assert SCHEMES[name].examples(), "a scheme without examples is not tested"


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("family", EXAMPLES, ids=repr)
def test_conformance(family: SchemeFamily, check: str) -> None:
    CHECKS[check](Subject(family, WORKERS))


@pytest.mark.parametrize("family", LARGE, ids=repr)
def test_exact_codes_of_thirty_workers(family: SchemeFamily) -> None:
    """2,000 random patterns of stragglers, or all of them where they are few."""
    assert "stragglers" in CHECKS["exactness"](Subject(family, 30))


def test_every_kind_of_claim_is_checked() -> None:
    """Catches a suite that passes because nobody claims anything."""
    claims = [family.build(WORKERS).claims for family in EXAMPLES]
    for field in ("copies", "tolerates", "unbiased"):
        assert sum(getattr(each, field) is not None for each in claims) >= 20, field
    assert len(LARGE) >= 10


def test_one_worker_cluster_decodes() -> None:
    """Whoever accepts n = 1 needs no more than one of anything."""
    for family in EXAMPLES:
        try:
            scheme = family.build(1)
        except InvalidParameter:
            continue
        if isinstance(scheme, Fixed):
            needs = max(getattr(family, name, 1) or 1 for name in ("load", "wait_for", "at_least"))
            assert needs == 1
            arrived = np.ones((1, scheme.assignment.messages), dtype=bool)
            assert scheme.decoder.partition_weights(arrived).shape == (1, 1)


def test_large_fractional_repetition_stays_sparse() -> None:
    """100,000 workers: nothing of size n x n may be made."""
    scheme = SCHEMES["erasurehead"](load=5, wait_for=50_000).build(100_000)
    assert scheme.assignment.encoding.nnz == 500_000
