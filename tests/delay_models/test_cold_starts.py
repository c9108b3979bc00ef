"""Cold starts: how often a round is hit, who is in the clump, and that it waits together."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError
from scipy import stats

from delay_models import MODELS, Tape
from delay_models.cold_starts import ColdStarts
from delay_models.parametric import Deterministic, LogNormal

WORKERS = 200
START_UP = LogNormal(median=20.0, sigma=0.2)
MODEL = ColdStarts(base=Deterministic(value=1.0), probability=0.1, share=0.05, delay=START_UP)
ROWS = Tape(MODEL, WORKERS, seed=8, replication=0).rows(0, 6000)
COLD = ROWS > 1
HIT = COLD.any(axis=1)


def test_rounds_are_hit_with_the_probability() -> None:
    """Catches hits per worker instead of per round: then nearly every round would have one."""
    empty = 0.95**WORKERS  # a clump of nobody
    assert stats.binomtest(int(HIT.sum()), 6000, 0.1 * (1 - empty)).pvalue > 1e-6
    assert abs(np.corrcoef(HIT[1:], HIT[:-1])[0, 1]) < 4.9 / 6000**0.5


def test_the_clump_is_binomial() -> None:
    """Catches a clump of fixed size, of everyone, or of the first workers only."""
    sizes = COLD[HIT].sum(axis=1)
    assert abs(sizes.mean() - 10) < 4.9 * np.sqrt(9.5 / len(sizes))
    assert abs(sizes.var() - 9.5) < 4.9 * 9.5 * np.sqrt(2.1 / len(sizes))
    per_worker = COLD[HIT].sum(axis=0)
    assert stats.chisquare(per_worker).pvalue > 1e-6


FIXED = ColdStarts(
    base=Deterministic(value=1.0), probability=0.1, share=0.0525, delay=START_UP, clump="fixed"
)  # 10.5 workers of 200


def test_a_fixed_clump_has_one_of_two_sizes() -> None:
    """And is anyone: catches a rounded mean, a size per run, neighbours, and the first workers."""
    cold = Tape(FIXED, WORKERS, seed=8, replication=0).rows(0, 6000) > 1
    hit = cold.any(axis=1)
    assert stats.binomtest(int(hit.sum()), 6000, 0.1).pvalue > 1e-6
    sizes = cold[hit].sum(axis=1)
    assert set(sizes) == {10, 11}
    assert stats.binomtest(int((sizes == 11).sum()), len(sizes), 0.5).pvalue > 1e-6
    assert stats.chisquare(cold[hit].sum(axis=0)).pvalue > 1e-6
    neighbours = np.sum(cold[hit][:, 1:] & cold[hit][:, :-1])
    assert neighbours < 2 * len(sizes)  # about half a pair in a round


@pytest.mark.parametrize(("share", "size"), [(0.0, 0), (0.05, 10), (1.0, WORKERS)])
def test_a_whole_fixed_size_never_varies(share: float, size: int) -> None:
    model = ColdStarts(
        base=Deterministic(value=1.0), probability=1.0, share=share, delay=START_UP, clump="fixed"
    )
    cold = Tape(model, WORKERS, seed=8, replication=0).rows(0, 50) > 1
    np.testing.assert_array_equal(cold.sum(axis=1), size)


def test_a_clump_waits_for_one_start_up_on_top_of_its_work() -> None:
    """Catches a start-up for each worker, and one that replaces the work."""
    highest = ROWS[HIT].max(axis=1)
    np.testing.assert_array_equal(np.where(COLD[HIT], highest[:, None], 1.0), ROWS[HIT])
    assert stats.kstest(highest - 1, START_UP.cdf).pvalue > 1e-6


def test_all_tasks_of_a_round_meet_the_same_cold_start() -> None:
    """Catches hits drawn by a stream for itself; other replications are hit at other times."""
    tape = Tape(MODEL, WORKERS, seed=8, replication=0)
    np.testing.assert_array_equal(tape.rows(0, 500, stream=2), ROWS[:500])
    other = Tape(MODEL, WORKERS, seed=8, replication=1).rows(0, 6000) > 1
    assert np.sum(other.any(axis=1) & HIT) < 120  # 60 expected


def test_the_base_goes_on_as_without_cold_starts() -> None:
    """Catches start-ups that disturb the base's state or draws."""
    base = MODELS["markov"].examples()[0]
    never = ColdStarts(base=base, probability=0.0, share=0.5, delay=START_UP)
    model = ColdStarts(base=base, probability=0.3, share=0.5, delay=Deterministic(value=1e6))
    tables = [Tape(m, 7, seed=8, replication=0).rows(0, 300) for m in (never, model)]
    warm = tables[1] < 1e5
    assert 0.8 < warm.mean() < 0.9
    for m, table in ((never, tables[0]), (model, tables[1])):
        assert m.mean() == pytest.approx(base.mean() + (0.15 * 1e6 if m is model else 0))
        assert np.all(table[warm] < 1e5)


def test_the_start_up_must_be_independent() -> None:
    with pytest.raises(ValidationError, match="independent"):
        ColdStarts(base=START_UP, probability=0.1, share=0.1, delay=MODELS["markov"].examples()[0])
