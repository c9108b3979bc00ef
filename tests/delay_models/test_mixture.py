"""Mixtures, and stragglers that stay."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from erasurehead import ConfigError
from erasurehead.delays import (
    MODELS,
    DelayModel,
    Deterministic,
    Exponential,
    LogNormal,
    Markov,
    Mixture,
    Pareto,
    ShiftedExponential,
    Tape,
    Weibull,
)
from tests.statistics import BOUND, assert_z
from tests.tools import examples

# Mixtures: weights go to their components, cells are independent, quantiles invert atoms too.


def test_cells_take_their_component_with_its_weight_and_independently() -> None:
    """Catches swapped weights, one choice for a whole round or worker, and order in a block."""
    model = Mixture(
        weights=(0.7, 0.1, 0.2), components=tuple(Deterministic(value=v) for v in (1.0, 2.0, 3.0))
    )
    rows = Tape(model, 50, seed=1, replication=0).rows(0, 2000)
    for value, weight in ((1.0, 0.7), (2.0, 0.1), (3.0, 0.2)):
        assert_z((rows == value).ravel(), weight)
    for one, two in ((rows[:, 1:], rows[:, :-1]), (rows[1:], rows[:-1])):
        assert abs(np.corrcoef(one.ravel(), two.ravel())[0, 1]) < BOUND / np.sqrt(one.size)


def test_quantiles_of_atoms_are_the_smallest_seconds_with_enough_probability() -> None:
    """Catches root finding that runs away where the CDF jumps or is flat."""
    model = Mixture(
        weights=(0.5, 0.25, 0.25),
        components=(Deterministic(value=1.0), Deterministic(value=3.0), Exponential(rate=1e-9)),
    )
    np.testing.assert_allclose(model.ppf([0.1, 0.5, 0.6, 0.7499]), [1, 1, 3, 3], rtol=1e-6)
    np.testing.assert_array_equal(model.ppf([0.0, 1.0]), [0.0, np.inf])


def test_quantiles_have_the_shape_of_the_question() -> None:
    model = Mixture.examples()[0]
    assert np.shape(model.ppf(0.5)) == ()
    assert np.shape(model.ppf(np.full((2, 3), 0.5))) == (2, 3)
    assert np.shape(model.cdf(0.5)) == ()


def test_the_tail_is_precise() -> None:
    """Catches 1 - cdf in the survival function: at 1e-20 that is 0."""
    part = Pareto(alpha=2.0, scale=1.0)
    model = Mixture(weights=(0.75, 0.25), components=(Exponential(rate=1.0), part))
    assert model.sf(1e10) == pytest.approx(0.25 * 1e-20, rel=1e-12, abs=0)


def test_one_component_is_that_component() -> None:
    part = Weibull(shape=0.7, scale=1.5)
    model = Mixture(weights=(1.0,), components=(part,))
    q = np.linspace(0, 1, 11)
    np.testing.assert_array_equal(model.ppf(q), part.ppf(q))
    assert model.mean() == part.mean()


def test_a_component_without_weight_does_not_matter() -> None:
    """Catches 0 times an infinite mean."""
    endless, part = Pareto(alpha=0.5, scale=1.0), Exponential(rate=2.0)
    model = Mixture(weights=(0.0, 1.0), components=(endless, part))
    assert model.mean() == 0.5
    assert model.ppf(0.5) == part.ppf(0.5)
    assert Mixture(weights=(0.1, 0.9), components=(endless, part)).mean() == np.inf


def test_mixtures_nest() -> None:
    inner = Mixture(weights=(0.5, 0.5), components=(Exponential(rate=1.0), Exponential(rate=2.0)))
    nested = Mixture(weights=(0.5, 0.5), components=(inner, LogNormal(median=1.0, sigma=0.5)))
    flat = Mixture(weights=(0.25, 0.25, 0.5), components=(*inner.components, nested.components[1]))
    x = np.linspace(0, 5, 20)
    np.testing.assert_allclose(nested.cdf(x), flat.cdf(x), rtol=1e-12)
    np.testing.assert_allclose(nested.ppf([0.2, 0.9]), flat.ppf([0.2, 0.9]), rtol=1e-9)


ONE = Exponential(rate=1.0)


@pytest.mark.parametrize(
    ("weights", "components", "message"),
    [
        ((0.5, 0.4), (ONE, ONE), "weights sum to 0.9; must sum to 1"),
        ((0.5, 0.5), (ONE,), "2 weights for 1 components"),
        ((), (), "at least 1"),
        ((1.0,), (MODELS["markov"].examples()[0],), "independent delays; Markov"),
        ((1.0,), (MODELS["authors_stream"](),), "independent delays; AuthorsStream"),
    ],
)
def test_what_is_no_mixture_is_refused(
    weights: tuple[float, ...], components: tuple[DelayModel, ...], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        Mixture(weights=weights, components=components)


# Markov stragglers: the right chain, from the right start, the same for all tasks of a round.
#
# Where a test has to see the states, fast workers take 1 s and slow ones 2 s.


FAST, SLOW = Deterministic(value=1.0), Deterministic(value=2.0)
WORKERS = 4000  # eight rounds in a block

CHAINS = [(0.9, 0.05), (0.5, 0.1), (0.3, 0.3), (0.1, 0.8), (0.0, 1.0)]
"""(slow_to_slow, fast_to_slow): persistence 0.85, 0.4, 0, -0.7 and -1."""


def chain(slow_to_slow: float, fast_to_slow: float, slow_share: float | None = None) -> Markov:
    return Markov(
        slow_to_slow=slow_to_slow,
        fast_to_slow=fast_to_slow,
        fast=FAST,
        slow=SLOW,
        slow_share=slow_share,
    )


def states(model: Markov, rounds: int, stream: int = 0) -> np.ndarray:
    """``(rounds, WORKERS)``: 1 where slow."""
    return Tape(model, WORKERS, seed=5, replication=0).rows(0, rounds, stream) - 1


@given(
    slow_to_slow=st.sampled_from([0.0, 0.2, 0.5, 0.9, 1.0]),
    fast_to_slow=st.sampled_from([0.0, 0.1, 0.5, 0.8, 1.0]),
    rounds=st.integers(1, 12),
    seed=st.integers(0, 1000),
)
@examples(200)
def test_the_scan_is_the_loop(
    slow_to_slow: float, fast_to_slow: float, rounds: int, seed: int
) -> None:
    """The same uniforms, one round after the other. Catches any slip in the scan or its end."""
    model, workers = chain(slow_to_slow, fast_to_slow, slow_share=0.5), 9
    start = model.start(np.random.default_rng(seed), workers)
    found, after = model.evolve(start, np.random.default_rng(seed + 1), rounds, workers)
    state = start
    for t, u in enumerate(np.random.default_rng(seed + 1).random((rounds, workers))):
        np.testing.assert_array_equal(found[t], state)
        state = u < np.where(state, slow_to_slow, fast_to_slow)
    np.testing.assert_array_equal(after, state)


@pytest.mark.parametrize("probabilities", CHAINS, ids=str)
def test_it_starts_stationary_and_stays_so(probabilities: tuple[float, float]) -> None:
    """Catches a start that favours one state, which a long run would hide."""
    model = chain(*probabilities)
    assert model.stationary
    share = probabilities[1] / (1 - probabilities[0] + probabilities[1])
    assert_z(states(model, 30).T, np.full(30, share), "share of slow workers")
    assert model.mean() == pytest.approx(1 + share)


@pytest.mark.parametrize("probabilities", CHAINS, ids=str)
@pytest.mark.parametrize("lag", [1, 2, 5])
def test_correlation_is_persistence_to_the_lag(
    probabilities: tuple[float, float], lag: int
) -> None:
    """Persistence 0 is independence. Workers are the samples; rounds 0 to 30 cross three blocks.

    Catches the two probabilities swapped, a state lost at a block's border, and delays that show
    the state of another round.
    """
    model = chain(*probabilities)
    share = model.initial_share
    centred = states(model, 31) - share
    products = (centred[lag:] * centred[:-lag]).mean(axis=0) / (share * (1 - share))
    assert_z(products, model.persistence**lag, f"correlation at lag {lag}")
    assert_z((centred[lag + 7] * centred[7]) / (share * (1 - share)), model.persistence**lag)


def test_from_another_start_it_relaxes_geometrically() -> None:
    """share + (slow_share - share) * persistence^t. Catches a start that is a round off."""
    model = chain(0.9, 0.05, slow_share=0.8)
    share = 0.05 / 0.15
    expected = share + (0.8 - share) * 0.85 ** np.arange(25)
    assert_z(states(model, 25).T, expected, "share of slow workers")
    assert not model.stationary
    assert (model.cdf(1.0), model.ppf(0.5), model.mean()) == (None, None, None)


def test_persistence_one_is_a_fixed_slow_set() -> None:
    """Catches any worker that changes, at borders of blocks or in another stream."""
    model = chain(1.0, 0.0, slow_share=0.2)
    slow = states(model, 40)
    np.testing.assert_array_equal(slow, np.broadcast_to(slow[0], slow.shape))
    np.testing.assert_array_equal(slow, states(model, 40, stream=3))
    assert_z(slow[0], 0.2, "share of slow workers")
    other = Tape(model, WORKERS, seed=5, replication=1).rows(0, 1)[0] - 1
    assert 0 < np.sum(other != slow[0]) < WORKERS
    assert model.persistence == 1
    assert model.mean() == pytest.approx(1.2)


def test_workers_are_independent_of_each_other() -> None:
    """Catches one uniform for a whole round. Neighbours' products, averaged over rounds."""
    model = chain(0.9, 0.05)
    centred = states(model, 30) - model.initial_share
    assert_z((centred[:, ::2] * centred[:, 1::2]).mean(axis=0), 0.0, "neighbours' covariance")


def test_tasks_of_a_round_share_the_state_and_draw_for_themselves() -> None:
    """Catches states drawn anew for each partition (``per_partition`` reads a stream for each)."""
    model = Markov(
        slow_to_slow=0.9,
        fast_to_slow=0.05,
        fast=Exponential(rate=1.0),  # never 100 s
        slow=ShiftedExponential(shift=100.0, rate=1.0),
    )
    tape = Tape(model, WORKERS, seed=5, replication=0)
    one, two = tape.rows(0, 20), tape.rows(0, 20, stream=1)
    np.testing.assert_array_equal(one >= 100, two >= 100)
    assert np.any(one >= 100)
    assert not np.any(one == two)


def test_a_slow_start_must_be_said_where_nobody_changes() -> None:
    with pytest.raises(ConfigError, match="slow_share is missing"):
        chain(1.0, 0.0)


@pytest.mark.parametrize("field", ["slow_to_slow", "fast_to_slow", "slow_share"])
def test_probabilities_are_at_most_one(field: str) -> None:
    good = {"slow_to_slow": 0.5, "fast_to_slow": 0.5, "fast": FAST, "slow": SLOW}
    with pytest.raises(ConfigError, match="less than or equal to 1"):
        Markov(**(good | {field: 1.5}))


def test_states_must_be_independent_models() -> None:
    with pytest.raises(ConfigError, match="independent delays; Markov"):
        Markov(slow_to_slow=0.5, fast_to_slow=0.5, fast=FAST, slow=chain(0.5, 0.5))
