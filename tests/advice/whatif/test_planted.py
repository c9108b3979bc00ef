"""What ``whatif`` says of planted tables is what is right, in so many tables of each kind."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.advice.whatif import planted
from tests.advice.whatif.beaten import require_none_beaten
from tests.tools import inside


@pytest.mark.parametrize("tables", [1, pytest.param(20, marks=pytest.mark.slow)])
@pytest.mark.parametrize("kind", planted.KINDS)
def test_who_is_to_be_replaced_is_right(kind: str, tables: int) -> None:
    """In 95 % of the tables: chance makes somebody stand out in 1 %. What is told first saves in
    the last quarter, too."""
    right = 0
    for seed in range(tables):
        rounds, replace = planted.table_of(kind, seed)
        answer = planted.answered(rounds)
        first, told = answer.remedies.iloc[0], answer.verdict
        holds = told.startswith("Nothing") or (
            first["lately"] > 0
            and first["saves_low"] >= 0
            and told.lower().startswith(first["text"].lower())
        )
        right += holds and sorted(planted.replaced(answer)) == sorted(replace)
    assert right >= 0.95 * tables


def test_of_unequal_hosts_half_at_most_stand_out() -> None:
    """Each ends more rounds than those that are faster; catches 13 of 16 that are."""
    rng = np.random.default_rng(0)
    table = planted.alike(rng, 400, 16) * np.geomspace(1.0, 2.0, 16)
    assert planted.replaced(planted.answered(table)) == [*range(15, 7, -1)]


@pytest.mark.slow
def test_the_best_row_of_a_block_is_near_the_best_on_fresh_rounds() -> None:
    """Within 2.5 %, in 15 of 16 tables: two of each kind."""
    near = {True: 0, False: 0}
    for kind in planted.PROCESSES:
        for seed in range(2):
            asked = planted.asked(kind, seed)
            for exact in near:
                near[exact] += asked.regret(exact) <= 0.025
    assert min(near.values()) >= 15


@pytest.mark.one_in(4)
@pytest.mark.parametrize("kind", [*planted.KINDS, *planted.PROCESSES])
def test_no_row_that_is_shown_is_beaten(kind: str, tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    if kind in planted.KINDS:
        rounds = planted.table_of(kind, 0).rounds
    else:
        rounds = planted.asked(kind, 0, fresh=2).measured
    pd.DataFrame(rounds, columns=planted.names(rounds.shape[1])).to_csv(table, index=False)
    done = inside("whatif", table, "--unit", "s", "--output", tmp_path / "out")
    require_none_beaten(tmp_path / "out" / "whatif.csv", done.stdout)
