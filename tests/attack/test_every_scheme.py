"""Every scheme of the registry, plugins' kinds too: attacked, or left out with a reason."""

from __future__ import annotations

import numpy as np
import pytest

from erasurehead.sim.attack import Effort, NoCode, attack, code_of
from erasurehead.sim.attack.code import mask
from erasurehead.sim.errors import InvalidParameter
from erasurehead.sim.schemes import SCHEMES, SchemeFamily
from erasurehead.sim.theory import NoFormula, worst_bound, worst_cases

EXAMPLES = {
    f"{name}{place}": example
    for name, family in SCHEMES.items()
    for place, example in enumerate(family.examples())
}


@pytest.mark.parametrize("example", EXAMPLES.values(), ids=EXAMPLES)
@pytest.mark.parametrize("budget", [0, 100])
def test_an_error_is_certified_and_below_every_bound(example: SchemeFamily, budget: int) -> None:
    workers = {"block_design": 13}.get(example.name, 12)
    try:
        scheme = example.build(workers)
    except InvalidParameter:
        pytest.skip("needs another number of workers")
    code = code_of(scheme)
    if isinstance(code, NoCode):
        assert code.reason
        return
    cases = worst_cases(scheme)
    for found in attack(code, [0, 1, 2, 5, 11, workers], Effort(budget=budget, samples=10)):
        (error,) = code.errors(mask(np.array(found.members, dtype=np.int64), workers)[None])
        assert len(set(found.members)) == found.stragglers
        assert error == pytest.approx(found.error, abs=1e-8)
        if not isinstance(cases, NoFormula):
            bound = worst_bound(cases, found.stragglers)
            assert bound is None or error <= bound.value + 1e-8
    assert found.error >= found.mean - 1e-8
