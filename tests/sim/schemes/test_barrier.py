"""A barrier that looks at the end of a window: the definition, special cases, printed numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import special, stats

import erasurehead as eh
from erasurehead import ConfigError
from erasurehead.delays import MODELS
from erasurehead.load_laws import Additive, Proportional
from erasurehead.plugins import FloatArray
from erasurehead.schemes import SCHEMES, Sequential
from erasurehead.theory import NoFormula, scheme_iteration_time
from tests.sim.engines.agreement import POLICIES, both, both_finish, runs
from tests.sim.schemes.rules import end_by_state, rule_of
from tests.statistics import BOUND, assert_z
from tests.tools import LatticeTape, examples

N = 8


def durations(stop: Any, table: FloatArray) -> FloatArray:
    return rule_of(stop, table.shape[1]).stopping_delay(table)


# what is said of it, and when more than that are late
MANNERS: list[dict[str, Any]] = [{"strict": True}, {"strict": False}, {"otherwise": "decodable"}]


def ended(times: FloatArray, window: float, s: int, manner: dict[str, Any]) -> float:
    """The definition, worker by worker: the authors' round, and what the others may do."""
    ranked = sorted(times)
    closes = ranked[0] + window * ranked[0]
    late = sum(time > closes for time in times)
    if late < s or (late == s and not manner.get("strict", True)):
        return min(closes, ranked[-1])
    if "otherwise" not in manner:
        return ranked[-1]
    return min(ranked[-1], max(closes, ranked[max(len(ranked) - s, 1) - 1]))


@pytest.mark.parametrize("manner", MANNERS, ids=str)
@pytest.mark.parametrize("s", [0, 1, 3, 7, 8])
def test_a_round_ends_by_the_definition(s: int, manner: dict[str, Any]) -> None:
    """Ties and windows that close at an arrival; a state told of each message says the same.

    Catches a round that ends as n - s are in, at the last timely arrival, or with one straggler
    more or less than it may.
    """
    rng = np.random.default_rng(s)
    tables = rng.integers(1, 9, (150, N)) * 0.25, rng.lognormal(0.0, 0.5, (150, N))
    for window in (0.0, 0.5, 1.0, 3.0):
        rule = rule_of({"window": window, "tolerates": s} | manner, N)
        for table in tables:
            expected = [ended(row, window, s, manner) for row in table]
            np.testing.assert_array_equal(rule.stopping_delay(table), expected)
            opened = np.full(len(table), 4.0)
            for row, later in zip(table, rule.stopping_delay(table + 4.0, opened), strict=True):
                assert end_by_state(rule.stopping_state(N, 4.0), row + 4.0, 4.0) == later


def test_a_round_by_hand() -> None:
    """First at 1 s, window to 2 s: three are late of eight, and seven have arrived by 3 s."""
    row = np.array([[1.0, 1.25, 1.25, 1.5, 1.75, 2.25, 3.0, 6.0]])
    for keys, seconds in (
        ({"tolerates": 4}, 2.0),  # not at 1.5 s, when four are in
        ({"tolerates": 3}, 6.0),  # three are not fewer than three
        ({"tolerates": 3, "strict": False}, 2.0),
        ({"tolerates": 3, "otherwise": "decodable"}, 2.0),
        ({"tolerates": 2, "otherwise": "decodable"}, 2.25),
        ({"tolerates": 1, "otherwise": "decodable"}, 3.0),
        ({"tolerates": 0}, 6.0),
    ):
        assert durations({"window": 1.0} | keys, row) == seconds


def test_special_cases_to_the_bit() -> None:
    """A window that outlasts everybody, tolerance of everybody or of nobody, and of the first."""
    table = np.random.default_rng(5).lognormal(0.0, 0.4, (2000, N))
    every = table.max(axis=1)
    for keys in ({"window": 1e9, "tolerates": 3}, {"window": 0.4, "tolerates": 0}):
        np.testing.assert_array_equal(durations(keys, table), every)
    plain = durations({"window": 0.4}, table)
    for keys in ({"tolerates": N}, {"tolerates": N - 1, "strict": False}):
        np.testing.assert_array_equal(durations({"window": 0.4} | keys, table), plain)
    for s in range(N):
        both_rules = {"all": [{"first": N - s}, {"window": 0.4}]}
        keys = {"window": 0.4, "tolerates": s, "otherwise": "decodable"}
        np.testing.assert_array_equal(durations(keys, table), durations(both_rules, table))


def test_the_first_round_of_a_sequential_code_has_this_barrier() -> None:
    """Nobody has straggled before, so its model allows lambda late ones."""
    table = np.random.default_rng(2).lognormal(0.0, 0.4, (500, N))
    for stragglers in range(N):
        fields = {"B": 1, "W": 2, "stragglers": stragglers, "tolerance": 0.8}
        code = Sequential(variant="multiplexed", **fields).build(N)
        first = code.plan(code.start(len(table))).stopping
        keys = {"window": 0.8, "tolerates": stragglers, "strict": False}
        np.testing.assert_array_equal(first.stopping_delay(table), durations(keys, table))


SIGMA, WORKERS, S = 0.3, 30, 6


def integral(kappa: float) -> tuple[float, float, float]:
    """E of a round, the chance that it ends in time, and E[T_(n)]; log-normal, strict, s = 6.

    Over the first arrival u, with the others independent beyond it: fewer than s later than
    kappa u, in a double integral of what waiting for everybody would cost more.
    """
    law = stats.lognorm(SIGMA)
    nodes, weights = np.polynomial.legendre.leggauss(120)

    def between(low: float, high: float) -> tuple[FloatArray, FloatArray]:
        half = 0.5 * (high - low)
        return low + half * (1.0 + nodes), half * weights

    late = np.arange(S)
    choose = special.comb(WORKERS - 1, late)
    in_time, saved = 0.0, 0.0
    for u, weight in zip(*between(0.1, 2.0), strict=True):
        closes = kappa * u
        density = WORKERS * law.pdf(u) * weight
        early = law.cdf(closes) - law.cdf(u)
        ways = density * choose * early ** (WORKERS - 1 - late)
        in_time += float(ways @ law.sf(closes) ** late)
        t, dt = between(closes, closes + 8.0)
        gone = law.cdf(t) - law.cdf(closes)  # of those late, all have come by t
        waiting = law.sf(closes) ** late[:, None] - gone ** late[:, None]
        saved += float(ways @ (waiting @ dt))
    t, dt = between(0.0, 10.0)
    every = float((1.0 - law.cdf(t) ** WORKERS) @ dt)
    return every - saved, in_time, every


@pytest.mark.parametrize(("kappa", "printed", "error"), [(2.0, 1.8108, 5e-5), (3.0, 1.6549, 3e-3)])
def test_the_mean_of_a_round_of_log_normal_times(kappa, printed, error):
    """30 workers, s = 6: the integral, the number that others found, and 200,000 rounds."""
    mean, in_time, every = integral(kappa)
    assert mean == pytest.approx(printed, abs=error)
    assert every == pytest.approx(1.8668, abs=1e-4)
    table = np.random.default_rng(9).lognormal(0.0, SIGMA, (200_000, WORKERS))
    keys = {"window": kappa - 1.0, "tolerates": S}
    simulated = durations(keys, table)
    assert_z(simulated, mean)
    first = table.min(axis=1)
    assert_z(simulated <= first + (kappa - 1.0) * first, in_time, "in time")
    assert in_time == pytest.approx({2.0: 0.1145, 3.0: 0.9027}[kappa], abs=5e-5)


SMALL: dict[str, Any] = {
    "name": "barrier",
    "workers": 6,
    "iterations": 12,
    "replications": 2,
    "delay": {"model": "lognormal", "median": 1.0, "sigma": 0.5},
}


# Its law.


def law_of(stop: Any, delay: Any, workers: int = WORKERS) -> Any:
    scheme = SCHEMES["ignore_stragglers"](stop=stop).build(workers)
    return scheme_iteration_time(scheme, delay, Proportional())


@pytest.mark.parametrize("kappa", [2.0, 3.0])
def test_the_closed_form_is_the_integral(kappa: float) -> None:
    law = law_of(
        {"window": kappa - 1.0, "tolerates": S}, MODELS["lognormal"](median=1, sigma=SIGMA)
    )
    assert law.mean() == pytest.approx(integral(kappa)[0], rel=1e-6)
    first = law_of({"first": WORKERS - S}, MODELS["lognormal"](median=1, sigma=SIGMA))
    assert first.mean() == pytest.approx(1.266, abs=6e-4)  # far sooner, as the docs tell


@pytest.mark.parametrize(
    ("delay", "draw"),
    [
        (MODELS["lognormal"](median=1, sigma=0.3), lambda rng, n: rng.lognormal(0, 0.3, n)),
        (
            MODELS["shifted_exponential"](shift=1, rate=2),
            lambda rng, n: 1 + rng.exponential(0.5, n),
        ),
        (MODELS["pareto"](scale=1, alpha=4.5), lambda rng, n: 1 + rng.pareto(4.5, n)),
    ],
    ids=["lognormal", "shifted_exponential", "pareto"],
)
@pytest.mark.parametrize(("window", "late", "workers"), [(0.5, 2, 9), (1.0, 6, 30), (0.2, 5, 7)])
def test_the_closed_form_is_that_of_simulated_rounds(delay, draw, window, late, workers):
    """Mean, spread and CDF; catches a law of the last arrival, and one straggler more or less."""
    keys = {"window": window, "tolerates": late, "strict": False}
    law = law_of(keys, delay, workers)
    rounds = durations(keys, draw(np.random.default_rng(4), (100_000, workers)))
    mean = law.mean()
    assert_z(rounds, mean)
    assert_z((rounds - mean) ** 2, law.variance(), "variance")
    for share in (0.05, 0.3, 0.5, 0.7, 0.95):
        seconds = float(law.quantile(share))
        reached = float(law.cdf(seconds))
        assert reached == pytest.approx(share, abs=1e-9)
        spread = np.sqrt(share * (1 - share) / len(rounds))
        assert abs(np.mean(rounds <= seconds) - share) < BOUND * spread + 1e-4


def test_a_run_has_the_closed_form_beside_it() -> None:
    """30 workers that wait alike under ``cancel``; under ``finish`` nothing is known."""
    scheme = {"name": "ignore_stragglers", "stop": {"window": 1.0, "tolerates": S}}
    delay = {"model": "lognormal", "median": 1.0, "sigma": SIGMA}
    document = SMALL | {"workers": WORKERS, "delay": delay, "schemes": [scheme]}
    known = eh.run(document).summary["iteration_time_theory"]
    assert known.tolist() == pytest.approx([integral(2.0)[0]], rel=1e-6)
    assert "iteration_time_theory" not in eh.run(document | {"policy": "finish"}).summary


def test_what_has_no_closed_form_says_why() -> None:
    keys = {"window": 1.0, "tolerates": 3}
    exponential = MODELS["exponential"](rate=1.0)
    beside = law_of({"any": [keys, {"deadline": 2.0}]}, exponential)
    assert isinstance(beside, NoFormula)
    assert "another part" in beside.reason
    tied = law_of(keys, MODELS["deterministic"](value=1.0))
    assert isinstance(tied, NoFormula)
    assert "ties" in tied.reason
    for seconds in (0.4, 1.3, 2.2):  # one worker in 300 takes exactly so long
        components = MODELS["deterministic"](value=seconds), exponential
        mixed = law_of(keys, MODELS["mixture"](components=components, weights=(1 / 300, 299 / 300)))
        assert isinstance(mixed, NoFormula)
        assert "ties" in mixed.reason
    everybody = law_of({"window": 1.0, "tolerates": 1}, exponential)  # nobody may be late
    assert everybody.mean() == pytest.approx(np.sum(1 / np.arange(1, WORKERS + 1)), rel=1e-9)
    with pytest.raises(ConfigError, match="few are late"):
        eh.run(SMALL | {"engine": "law", "record": "clock", "schemes": [
            {"name": "ignore_stragglers", "stop": keys | {"tolerates": 4}}]})  # fmt: skip


# In both engines.


def local_steps(stop: Any) -> Any:
    return SCHEMES["local_sgd"](steps=3, stop=stop)


CODES = st.sampled_from(
    [
        local_steps,
        lambda stop: SCHEMES["ignore_stragglers"](stop=stop),
        lambda stop: SCHEMES["cyclic_repetition"](load=3, stop=stop),
        lambda stop: SCHEMES["fractional_repetition"](load=2, stop=stop),
        lambda stop: SCHEMES["erasurehead"](load=2, stop=stop),
        lambda stop: SCHEMES["multi_message"](load=2, stop=stop),
        lambda stop: SCHEMES["bernoulli"](load=2, stop=stop, decoder="one_step"),
    ]
)
BARRIERS = st.builds(
    lambda window, s, manner: {"window": window, "tolerates": s} | manner,
    st.sampled_from([0.0, 0.25, 1.0, 2.0]),
    st.integers(0, 6),
    st.sampled_from(MANNERS),
)
SPREADS = st.fixed_dictionaries(
    {"first": st.integers(1, 6), "spread": st.sampled_from([0.0, 0.5, 1.0, 3.0])}
)
FOLLOWING = st.fixed_dictionaries(
    {
        "kappa": st.sampled_from([0.0, 1.0, 3.0]),
        "at_least": st.integers(1, 6),
        "rounds": st.integers(1, 4),
    }
)
STOPS = BARRIERS | SPREADS | st.fixed_dictionaries({"adaptive": FOLLOWING})
SKEWED = {"broadcast_latency": 0.25, "dispatch_skew": 0.25, "uplink_latency": 0.25}


@st.composite
def coded(draw):
    """A code that stops by one of these, or at a deadline beside."""
    code, own = draw(CODES), draw(STOPS)
    assume(not (code is local_steps and "adaptive" in own))  # their plan never changes
    return code({"any": [own, {"deadline": 1.1}]} if draw(st.booleans()) else own).build(6)


@given(
    run=runs(coded(), longest=8, replications=st.just(2), waits=True),
    network=st.sampled_from([None, SKEWED]),
)
@examples(90)
def test_engines_agree_to_the_bit(run, network):
    """Ties, zeros, tasks that never end, pieces, local steps, a patience, and a deadline beside."""
    both(**run, network=network)


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("manner", MANNERS[1:], ids=str)
def test_who_sends_nothing_is_not_late(manner, policy, tmp_path) -> None:
    """Three of seven have empty rows: of the four others one may be late."""
    np.savetxt(path := tmp_path / "b.csv", np.diag([1.0, 0, 1, 1, 0, 0, 1]), delimiter=",")
    stop = {"window": 0.5, "tolerates": 1} | manner
    scheme = SCHEMES["matrix"](path=str(path), stop=stop).build(7)
    law, tapes = Additive(seconds_per_partition=0.25), [LatticeTape(3, 7), LatticeTape(4, 7)]
    trace = both_finish(scheme, tapes, law, 40, policy)
    if policy == "cancel":
        for tape, intervals in zip(tapes, trace.intervals, strict=True):
            seconds = law.worker_times(tape, scheme.assignment.loads, 0, 40)[:, [0, 2, 3, 6]]
            expected = [ended(row, 0.5, 1, manner) for row in seconds]
            np.testing.assert_array_equal(intervals, expected)


@pytest.mark.one_in(2)
@pytest.mark.parametrize("number", range(36))
def test_random_configs_run_in_both_engines(number: int) -> None:
    """Policies, failures, drops, networks, pieces, ``record: clock``: no traceback."""
    rng = np.random.default_rng(number)

    def pick(*values: Any) -> Any:
        return values[rng.integers(len(values))]

    stop = {
        "window": float(pick(0.0, 0.5, 1.0, 3.0)),
        "tolerates": int(rng.integers(0, 7)),
    } | pick(*MANNERS)
    spread = {"first": int(rng.integers(1, 7)), "spread": float(pick(0.5, 3.0))}
    scheme = pick(
        {"name": "cyclic_repetition", "load": 3},
        {"name": "multi_message", "load": 2},
        {"name": "local_sgd", "steps": 2},
        {"name": "ignore_stragglers", "rescale": False},
        {"name": "expander", "load": 2, "decoder": "one_step"},
    )
    past = {"adaptive": {"kappa": float(pick(0.0, 2.0)), "at_least": 2, "rounds": 3}}
    if scheme["name"] == "local_sgd":  # its plan never changes
        past = spread
    both_stops = pick({"all": [{"first": 2}, stop]}, {"any": [past, {"deadline": 3.0}]})
    document = SMALL | {
        "schemes": [scheme | {"stop": pick(stop, spread, past, both_stops)}],
        "policy": pick("cancel", "finish", "queue", "drain"),
        "record": pick("all", "clock"),
    }
    up, down = {"model": "exponential", "rate": 0.1}, {"model": "deterministic", "value": 0.5}
    document |= pick(
        {},
        {"failures": {"time_to_failure": up, "time_to_repair": down, "max_wait": 60.0}},
        {"failures": {"message_loss": 0.2, "retry_after": 0.3}},
        {"network": {"uplink_latency": 0.1, "broadcast_latency": 0.05}},
    )
    batch, event = (eh.run(document | {"engine": name}).iterations for name in ("auto", "event"))
    np.testing.assert_array_equal(batch.time, event.time)


@pytest.mark.parametrize("manner", MANNERS[1:], ids=str)
def test_a_code_decodes_what_it_tolerates(manner: dict[str, Any]) -> None:
    """Load 4 does without three; a barrier that lets six be late leaves an error in some rounds."""
    errors = []
    for tolerates in (3, 6):
        stop = {"window": 0.2, "tolerates": tolerates} | manner
        scheme = {"name": "cyclic_repetition", "load": 4, "stop": stop}
        alike = {"model": "lognormal", "median": 1.0, "sigma": 0.1}
        size = {"workers": 12, "iterations": 100, "delay": alike}
        run = eh.run(SMALL | size | {"schemes": [scheme]})
        rounds = run.iterations[run.iterations.iteration > 0]
        assert (rounds.arrived >= 12 - tolerates).all()
        assert rounds.arrived.min() == 12 - tolerates
        errors.append(rounds.decoding_error.max())
    assert errors[0] < 1e-12 < 0.1 < errors[1]


# Refusals.


def test_it_has_a_class_in_python() -> None:
    barrier = eh.stopping.Barrier(window=1.0, tolerates=2)
    assert (barrier.strict, barrier.otherwise) == (True, "all")
    schemes = [eh.schemes.CyclicRepetition(load=3, stop=barrier)]
    keys = {"window": 1.0, "tolerates": 2, "strict": True, "otherwise": "all"}
    named = [{"name": "cyclic_repetition", "load": 3, "stop": keys}]
    times = [eh.run(SMALL | {"schemes": s}).iterations.time for s in (schemes, named)]
    np.testing.assert_array_equal(*times)
