"""The table of simulated against closed form: it passes, and wrong code fails in the right rows."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from typer.testing import CliRunner

from erasurehead.delays import Exponential, Pareto, ShiftedExponential
from erasurehead.experiments.checks.request import VerifyRequest
from erasurehead.experiments.checks.verify import compare, grid
from erasurehead.experiments.checks.verify.command import (
    TableRow,
    Verification,
    compare_settings,
    show_verification,
    summary,
)
from erasurehead.experiments.checks.verify.compare import (
    EQUAL_TOLERANCE,
    Scored,
    at_most,
    binomial_z,
    bound,
    bound_of_each,
    compare_mean,
    same,
)
from erasurehead.experiments.checks.verify.grid import cases
from erasurehead.experiments.commands.table import app
from erasurehead.load_laws import Additive, PerPartition, Proportional
from erasurehead.optimizers import Optimizer
from erasurehead.plugins import CoverGroups, InvalidParameter, OnePerGroup, SumArrived
from erasurehead.schemes import SCHEMES, ErasureHead
from erasurehead.sim.engines import law
from erasurehead.sim.schemes.arrivals import Arrivals
from erasurehead.stopping import FirstK
from erasurehead.theory import ErasureBound, GroupErasure, IterationTimeLaw, NoFormula
from tests.golden.records import require_recorded

GRID = grid.whole_grid()


def test_the_law_engine_is_verified_where_loads_cost_in_proportion() -> None:
    by_law = [(s.workers, s.law.kind) for s in GRID if s.by_law]
    assert set(by_law) == {(30, "proportional")}
    assert len(by_law) == len({grid.delay_label(s.delay) for s in GRID if s.workers == 30})


def settings(workers=30, delay="exponential", load_law="proportional"):
    """Settings whose labels begin so."""
    return tuple(
        s
        for s in GRID
        if s.workers == workers
        and grid.delay_label(s.delay).split()[0] == delay
        and s.law.kind == load_law
    )


def few(chosen, every=7):
    """The same settings with every seventh scheme, where the event engine would take minutes."""
    return tuple(replace(s, families=s.families[::every]) for s in chosen)


def only(chosen, *labels):
    """The same settings with the schemes of these labels."""
    return tuple(
        replace(
            s,
            families=tuple(
                family
                for family, label in zip(s.families, s.labels, strict=True)
                if label in labels
            ),
        )
        for s in chosen
    )


def run(monkeypatch, tmp_path, chosen, *options):
    """Exit code, printed text and table of the command on a part of the grid."""
    monkeypatch.setattr(grid, "whole_grid", lambda: chosen)
    arguments = ["verify", *options, "--output", str(tmp_path)]
    done = CliRunner().invoke(app, arguments, catch_exceptions=False)
    return done.exit_code, done.stdout, pd.read_parquet(tmp_path / "verify.parquet")


def in_turn(chosen, turns):
    """The same settings with one in so many of their schemes, in turn."""
    return tuple(replace(s, families=s.families[i % turns :: turns]) for i, s in enumerate(chosen))


@pytest.mark.long("every scheme, law and law of loads is verified")
@pytest.mark.golden
def test_the_grid_passes(monkeypatch, tmp_path):
    """Every scheme, delay model and load law, with few rounds. `verify` itself does them all."""
    code, text, frame = run(monkeypatch, tmp_path, in_turn(GRID, 8), "--replications", "1000")
    assert code == 0, text
    told = "\n".join(text.splitlines()[:12])  # the last ones say how long it took
    require_recorded("verify/grid", {"table": frame, "said": told})
    assert set(frame.verdict) == {"pass", "no formula", "not comparable"}
    assert (frame.verdict == "pass").sum() > 300
    assert set(frame.delay) == {grid.delay_label(s.delay) for s in GRID}
    skipped = frame[frame.verdict != "pass"]
    assert (skipped.reason != "").all()
    assert skipped.expected.isna().all()
    assert "no formula: a worker's time at load 3 has no closed form" in text
    assert "not comparable: ties" in text
    assert "the variance is infinite" in text
    assert f"{(frame.verdict == 'no formula').sum()} without a formula" in text
    assert max(map(len, text.splitlines())) <= 120
    schemes = sum(len(setting.families) for setting in in_turn(GRID, 8))
    assert text.startswith(f"{schemes} schemes, 1000 rounds each: ")
    csv = pd.read_csv(tmp_path / "verify.csv", keep_default_na=False, na_values=[""])
    assert list(csv.verdict) == list(frame.verdict)
    np.testing.assert_allclose(csv.z, frame.z)


@pytest.mark.slow
@pytest.mark.parametrize("seed", ["1", "2"])
def test_the_event_engine_passes_on_the_whole_grid(monkeypatch, tmp_path, seed):
    """Ten thousand rounds of each scheme."""
    options = "--replications", "10000", "--engine", "event", "--seed", seed
    code, text, _ = run(monkeypatch, tmp_path, GRID, *options)
    assert code == 0, text


@pytest.mark.slow
def test_the_default_command_passes(monkeypatch, tmp_path):
    """What ``make verify`` runs."""
    code, text, _ = run(monkeypatch, tmp_path, GRID)
    assert code == 0, text


DEMO = {
    "workers": 12,
    "delay": {"model": "shifted_exponential", "shift": 0.5, "rate": 1.0},
    "schemes": [
        {"name": "uncoded"},
        {"name": "erasurehead", "load": 3, "wait_for": 4},
        {"name": "drop_compute", "pieces": 3, "patience": 4.0, "cut": "at"},
        {"name": "k_async", "wait_for": 3},
    ],
}


def verified(tmp_path, *options):
    """Exit code and table of the command on a config of one's own."""
    path, out = tmp_path / "own.yaml", tmp_path / "out"
    path.write_text(json.dumps(DEMO))
    arguments = ["verify", str(path), "--replications", "2000", "--output", str(out), *options]
    done = CliRunner().invoke(app, arguments, catch_exceptions=False)
    return done.exit_code, pd.read_parquet(out / "verify.parquet")


@pytest.mark.golden
def test_a_config_of_ones_own_is_verified(tmp_path, monkeypatch):
    """Each scheme at each point of a sweep; what has no closed form says why."""
    code, frame = verified(tmp_path, "--set", "delay.rate=1,2")
    require_recorded("verify/own", {"table": frame})
    assert code == 0
    passed = frame[frame.verdict == "pass"].groupby("scheme").size()
    assert dict(passed) == {
        "uncoded": 6, "erasurehead load=3 wait_for=4": 6,
        "drop_compute pieces=3 patience=4 cut=at": 4,
    }  # fmt: skip
    assert (frame.loc[frame.scheme.str.startswith("k_async"), "reason"] != "").all()
    monkeypatch.setattr(FirstK, "stopping_delay", first_k_late)
    code, frame = verified(tmp_path)
    assert code == 1
    assert "erasurehead load=3 wait_for=4" in set(frame.scheme[frame.verdict == "FAIL"])


def test_one_label_of_several_schemes_is_verified_for_each(tmp_path, monkeypatch):
    """Catches points of a sweep that are left out since their label is known."""
    own = {"name": "erasurehead", "load": 3, "wait_for": 4, "label": "EH"}
    monkeypatch.setitem(DEMO, "schemes", [own])
    code, frame = verified(tmp_path, "--set", "schemes.EH.wait_for=4,6")
    assert code == 0
    assert set(frame.scheme) == {"EH", "EH [schemes.EH.wait_for=6]"}
    law = frame[frame.quantity == frame.quantity[0]].set_index("scheme").expected
    assert law["EH"] < law["EH [schemes.EH.wait_for=6]"]


def test_work_of_no_time_is_verified(tmp_path):
    """Catches ties at 0 s, after which more have arrived than were waited for."""
    still = ["delay={model: deterministic, value: 0}", "policy=cancel"]
    code, _ = verified(tmp_path, *(word for own in still for word in ("--set", own)))
    assert code == 0


def test_rounds_that_remember_have_no_standard_error(tmp_path):
    """Catches rounds of a spell that count as independent: z was 18."""
    spells = "{slow: 5, enter: 0.001, leave: 0.004}"
    base = "{model: exponential, rate: 1}"
    racks = f"delay={{model: group_effects, size: 3, base: {base}, factor: {spells}}}"
    code, frame = verified(tmp_path, "--set", racks)
    assert code == 0
    assert frame.reason.str.contains("spells last").any()


def test_a_policy_without_closed_forms_verifies_only_who_waits_for_all(tmp_path):
    """Catches rounds that are simulated under another policy than the config's."""
    code, frame = verified(tmp_path, "--set", "policy=queue")
    assert code == 0
    assert set(frame.scheme[frame.verdict == "pass"]) == {"uncoded"}
    assert frame.reason.str.contains("policy cancel").sum() == 3


def test_engines_and_neighbours_do_not_change_a_number():
    """Catches an engine that is not the one asked for, and a tape that depends on the grid."""
    chosen = few(settings(12, "exponential", "additive"), every=40)
    alone = compare_settings(chosen, VerifyRequest(200, "batch", seed=3)).frame()
    both = few(settings(12, "exponential", "proportional"), every=40) + chosen
    event = compare_settings(both, VerifyRequest(200, "event", seed=3))
    pd.testing.assert_frame_equal(alone, event.frame().tail(len(alone)).reset_index(drop=True))
    (setting,) = chosen
    for engine in ("batch", "event"):
        assert {c.trace.engine for c in cases(setting, VerifyRequest(200, engine))} == {engine}


# Wrong code. Each case: what is patched, where it is looked for, and which rows must fail.


def first_k_late(self, delays, opened=0.0):
    return np.sort(delays, axis=-1)[..., min(self.first, delays.shape[-1] - 1)]


def shift_forgotten(self, tape, loads, start, stop):
    return tape.rows(start, stop)


def unshifted_draw(self, rng, shape):
    return rng.exponential(1 / self.rate, shape)


def scale_twice(self, arrived):
    covered = arrived.reshape(*arrived.shape[:-1], -1, self.size).any(axis=-1)
    return np.repeat(self.scale**2 * covered, self.size, axis=-1)


def scale_by_the_missing(self, arrived):
    weights = arrived.astype(np.float64)
    if self.rescale:
        weights *= (arrived.shape[-1] / (np.count_nonzero(arrived, axis=-1) + 1))[..., None]
    return weights


def one_group_ignored(self, delays, opened=0.0):
    groups = delays.reshape(*delays.shape[:-1], -1, self.size)
    return groups.min(axis=-1)[..., 1:].max(axis=-1)


def one_draw_for_all_partitions(self, tape, loads, start, stop):
    return tape.rows(start, stop) * loads


def one_slow_worker(self, rng, shape):
    delays = rng.exponential(1 / self.rate, shape)
    delays[:, 7] *= 3
    return delays


def double_rate(self, t):
    return 2 * self.learning_rate


def cover_forgotten(self):
    return (np.arange(self.workers + 1) < self.high).astype(np.float64)


ENOUGH, LENGTHS = law.arrivals_at_the_end, law._lengths


def one_arrival_more(arrivals, rng):
    return np.minimum(ENOUGH(arrivals, rng) + 1, arrivals.workers)


def undrained(run, found, rng):
    ended, _ = LENGTHS(run, found, rng)
    return ended, ended


def first_moment_as_mean(self):
    return float(self.quantile(0.5))


PATCHES = {
    "first k waits for one more": (
        (FirstK, "stopping_delay", first_k_late),
        settings(),
        ("ignore_stragglers", "cyclic_repetition", "erasurehead"),
        ("iteration time", "decoding error", "u along", "|u"),
    ),
    "load law forgets the computing time": (
        (Additive, "worker_times", shift_forgotten),
        settings(load_law="additive"),
        ("uncoded", "ignore_stragglers", "fractional", "cyclic_repetition", "erasurehead"),
        ("iteration time",),
    ),
    "delays forget their shift": (
        (ShiftedExponential, "draw", unshifted_draw),
        settings(delay="shifted_exponential"),
        ("uncoded", "ignore_stragglers", "fractional", "cyclic_repetition", "erasurehead"),
        ("iteration time", "law engine, drain: distance to batch"),
    ),
    "partitions of a worker share one draw": (
        (PerPartition, "worker_times", one_draw_for_all_partitions),
        settings(delay="gamma", load_law="per_partition"),
        ("fractional", "cyclic_repetition", "erasurehead"),
        ("iteration time",),
    ),
    "decoder scales twice": (
        (OnePerGroup, "partition_weights", scale_twice),
        settings(delay="pareto"),
        ("erasurehead load=3 wait_for=15 rescale=True",),
        ("decoding error", "u along", "|u"),
    ),
    "sum is scaled by one arrival too many": (
        (SumArrived, "partition_weights", scale_by_the_missing),
        settings(delay="weibull"),
        ("ignore_stragglers wait_for=25",),
        ("decoding error", "u along", "|u"),
    ),
    "cover ignores a group": (
        (CoverGroups, "stopping_delay", one_group_ignored),
        settings(),
        ("fractional", "erasurehead"),
        ("iteration time", "decoding error", "u along", "|u", "f - f*"),
    ),
    "one worker is slower": (
        (Exponential, "draw", one_slow_worker),
        settings(),
        ("uncoded", "ignore_stragglers", "fractional", "cyclic_repetition", "erasurehead"),
        (
            "iteration time",
            "law engine, drain: distance to batch",
            "u along a random direction",
            "u along",
            "|u - grad f|^2",
        ),
    ),
    "learner steps twice as far": (
        (Optimizer, "rate", double_rate),
        settings(),
        ("uncoded", "ignore_stragglers", "fractional", "cyclic_repetition", "erasurehead"),
        ("f - f*",),
    ),
    "theory forgets that cover ends a round": (
        (Arrivals, "not_enough", property(cover_forgotten)),
        settings(delay="lognormal", load_law="additive"),
        ("erasurehead",),
        ("iteration time",),
    ),
    "theory takes the median for the mean": (
        (IterationTimeLaw, "mean", first_moment_as_mean),
        settings(delay="gamma"),
        ("uncoded", "ignore_stragglers", "fractional", "cyclic_repetition", "erasurehead"),
        ("iteration time, mean", "law engine: mean", "law engine, drain: mean"),
    ),
    "law engine waits for one more": (
        (law, "arrivals_at_the_end", one_arrival_more),
        settings(delay="weibull"),
        ("ignore_stragglers", "fractional", "cyclic_repetition", "erasurehead"),
        ("law engine: mean", "law engine: distance"),
    ),
    "law engine opens rounds before they have drained": (
        (law, "_lengths", undrained),
        settings(delay="lognormal"),
        ("ignore_stragglers", "fractional", "cyclic_repetition", "erasurehead"),
        ("law engine, drain: mean", "law engine, drain: distance"),
    ),
    "theory takes two groups for independent": (
        (GroupErasure, "two_erased", property(lambda self: self.one_erased**2)),
        settings(),
        ("ignore_stragglers", "erasurehead"),
        ("|u - grad f|^2",),
    ),
    "theory halves the noise of a step": (
        (
            ErasureBound,
            "kick",
            property(lambda self: 0.25 * self.smoothness * self.erasure.contrast
                     * (self.erasure.scale * self.step) ** 2),
        ),
        settings(),
        ("ignore_stragglers", "erasurehead"),
        ("f - f* after 20, condition 1", "f - f* after 1, condition 1"),
    ),
}  # fmt: skip

ROUNDS = {"one worker is slower": 20_000, "cover ignores a group": 100_000}
"""Rounds of each scheme, where the effect is too small for 5,000: along a random direction, and on
rounds that the 15th arrival ends in all but one of seven."""

EACH = (
    *("uncoded", "ignore_stragglers wait_for=25", "fractional_repetition load=5"),
    *("cyclic_repetition load=3", "erasurehead load=3 wait_for=15"),
    "erasurehead load=3 wait_for=15 rescale=True",
)
"""One scheme of each kind."""

OFTEN = (
    *("first k waits for one more", "decoder scales twice", "learner steps twice as far"),
    *("theory forgets that cover ends a round", "theory takes the median for the mean"),
    *("law engine waits for one more", "law engine opens rounds before they have drained"),
    *("theory takes two groups for independent", "theory halves the noise of a step"),
)
"""Each quantity fails in one of them; of the others other tests would tell, too."""


@pytest.mark.one_in(2)
@pytest.mark.parametrize(
    "name",
    [name if name in OFTEN else pytest.param(name, marks=pytest.mark.slow) for name in PATCHES],
)
def test_wrong_code_fails_in_the_right_rows(monkeypatch, tmp_path, name):
    """Exactly the schemes that read the wrong code fail, in the quantities that it decides."""
    (owner, attribute, wrong), chosen, schemes, quantities = PATCHES[name]
    monkeypatch.setattr(owner, attribute, wrong)
    code, text, frame = run(
        monkeypatch,
        tmp_path,
        only(chosen, *EACH),
        *("--replications", str(ROUNDS.get(name, 5000))),
    )
    failed = frame[frame.verdict == "FAIL"]
    assert code == 1, text
    assert f"{len(failed)} fail" in text
    for _, row in failed.iterrows():
        assert row.scheme.startswith(schemes), row
        assert row.quantity.startswith(quantities), row
    for scheme in schemes:
        assert failed.scheme.str.startswith(scheme).any(), scheme
    for quantity in quantities:
        assert failed.quantity.str.startswith(quantity).any(), quantity


def test_a_wrong_event_engine_fails(monkeypatch, tmp_path):
    """The event engine counts arrivals by a state of its own."""
    right = FirstK.stopping_state
    early = lambda self, n, opened: right(FirstK(self.first - 1), n, opened)  # noqa: E731
    monkeypatch.setattr(FirstK, "stopping_state", early)
    options = "--replications", "1000", "--engine", "event"
    schemes = "uncoded", "fractional_repetition load=3"
    code, _, frame = run(monkeypatch, tmp_path, only(settings(12), *schemes), *options)
    failed = frame[frame.verdict == "FAIL"]
    assert code == 1
    assert "uncoded" in set(failed.scheme)
    assert "fractional_repetition load=3" in set(frame.scheme) - set(failed.scheme)


def test_constant_delays_are_compared_exactly(monkeypatch, tmp_path):
    """A formula wrong by 1e-11 fails, and ties are not held against anyone."""
    wrong = lambda self: float(self.quantile(0.5)) * (1 + 1e-11)  # noqa: E731
    monkeypatch.setattr(IterationTimeLaw, "mean", wrong)
    chosen = settings(delay="deterministic")
    code, _, frame = run(monkeypatch, tmp_path, chosen, "--replications", "1000")
    assert code == 1
    assert set(frame[frame.verdict == "FAIL"].quantity) == {"iteration time, mean"}
    assert set(frame[frame.verdict == "not comparable"].reason.str[:5]) == {"ties:"}
    by_law = {name for name in frame.quantity if name.startswith("law engine")}
    assert by_law == {"law engine: mean", "law engine, drain: mean"}


def test_heavy_tails_keep_their_quantile():
    """Catches a mean without variance that is compared, and a skipped quantile."""
    heavy = tuple(s for s in settings(delay="pareto") if s.delay == Pareto(alpha=1.5, scale=1 / 3))
    schemes = "uncoded", "fractional_repetition load=2", "erasurehead load=3 wait_for=15"
    told = []
    one = only(heavy, *schemes)
    found = compare_settings(one, VerifyRequest(1000), lambda *done: told.append(done))
    assert told == [(0, 3), (1, 3), (2, 3), (3, 3)]
    frame = found.frame().set_index(["scheme", "quantity"])
    names = "iteration time, mean", "iteration time, 90% quantile"
    for scheme, index in (("uncoded", "variance"), ("fractional_repetition load=2", "third")):
        assert index in frame.loc[(scheme, names[0]), "reason"]
        assert frame.loc[(scheme, names[1]), "verdict"] == "pass"
    assert frame.loc[("erasurehead load=3 wait_for=15", names[0]), "verdict"] == "pass"


def test_rounds_that_never_vary_are_compared_as_they_are():
    """A law without a variance has no error, and one whose rounds vary rarely has its own."""
    seconds = np.full(100, 2.0)
    for variance, mean, z in ((0.0, 2.0, 0.0), (0.0, 2.5, np.inf), (4.0, 2.5, -2.5)):
        law = SimpleNamespace(tail_index=lambda: np.inf)
        law.mean, law.variance = lambda at=mean: at, lambda at=variance: at
        found = compare.mean_outcome(seconds, law)
        assert (found.z, found.expected, found.varies) == (z, mean, variance > 0)
    for index, known in ((2.0, False), (2.1, False), (3.0, False), (3.1, True)):
        law.tail_index = lambda at=index: at
        assert isinstance(compare.mean_outcome(seconds, law), Scored) == known


def test_scores_have_the_law_that_the_bound_assumes():
    """Catches a standard error without its root, and a variance of the wrong binomial."""
    rng = np.random.default_rng(1)
    tables = rng.exponential(2.0, (2000, 500))
    means = [compare_mean(table, 2.0).z for table in tables]
    quantile = -2.0 * np.log(0.1)
    shares = [binomial_z(int(np.sum(table <= quantile)), 500, 0.9) for table in tables]
    limits = [at_most(table, np.full(500, 2.0), 1.0).z for table in tables]
    for scores in (means, shares, limits):
        assert abs(np.mean(scores)) < 0.15  # the skew of 500 samples moves it a little
        assert np.std(scores) == pytest.approx(1.0, abs=0.08)
    assert bound(1, 1e-4) == pytest.approx(stats.norm.isf(0.5e-4))
    assert bound(1000, 1e-4) == pytest.approx(stats.norm.isf(0.5e-7))


def test_what_does_not_vary_must_agree():
    """Catches a zero standard error that lets anything pass, or nothing."""
    fives = np.full(10, 5.0)
    assert compare_mean(fives, 5.0).z == 0.0
    assert compare_mean(fives, 5.0 + 1e-9).z == np.inf
    rounded = np.array([5.0, 5.0 + 4e-12])  # of the larger of both numbers, less than rounding
    assert compare_mean(rounded, 1.0).z == compare_mean(rounded - 4.0, 5.0).z == np.inf
    assert same(fives, 5.0).z == 0.0
    assert same(np.append(fives, 5.1), 5.0).z == np.inf
    assert at_most(fives, np.full(10, 6.0), 5.0).z == 0.0
    assert at_most(fives, np.full(10, 4.0), 5.0).z == np.inf
    above = np.full(4, EQUAL_TOLERANCE)
    assert at_most(above, np.zeros(4), 1.0).z == 0.0, "rounding itself is none"
    assert binomial_z(10, 10, 1.0) == 0.0
    assert binomial_z(9, 10, 1.0) == np.inf


def test_the_distance_of_distributions_by_hand():
    """A distribution function counts what is equal. Half of the rounds are above its median."""
    samples, points = np.array([1.0, 1.0, 2.0, 2.0]), np.array([1.0, 1.5, 2.0])
    assert compare.distance(samples, points, np.array([0.5, 0.5, 1.0])).simulated == 0.0
    found = compare.distance(samples, points, np.array([0.25, 0.5, 0.9]), others=4.0)
    assert found.simulated == 0.25
    assert found.one_sided
    assert found.expected == pytest.approx(stats.kstwobign.ppf(0.5) / np.sqrt(2))
    assert found.z == pytest.approx(stats.norm.isf(stats.kstwobign.sf(0.25 * np.sqrt(2))))


def test_nothing_that_is_not_a_number_passes():
    """Catches NaN, which compares false with any bound, and a one-sided |z|."""
    assert Scored(np.nan, 1.0, np.nan).excess == np.inf
    assert compare_mean(np.array([1.0, np.nan, 2.0]), 1.5).excess == np.inf
    assert Scored(1.0, 2.0, -50.0, one_sided=True).excess == -50.0
    assert Scored(1.0, 2.0, -50.0).excess == 50.0


def test_bound_of_each_run_is_the_theory_s():
    """The bound is affine in the spreads: many runs at once are the same as one by one."""
    spreads = np.random.default_rng(2).exponential(1.0, (3, 6))
    theory = ErasureBound(4.0, 0.5, GroupErasure(12, 3, 6), 0.2, 9.0, 3.0)
    one_by_one = [theory.bound_along(path) for path in spreads]
    np.testing.assert_allclose(bound_of_each(theory, spreads), one_by_one, rtol=1e-12)


def test_failed_rows_are_printed_once_more(capsys):
    outcomes = {
        "good": Scored(1.5, 1, 0.5),
        "bad": Scored(2, 1, 99.0),
        "none": NoFormula("?"),
    }
    rows = [
        TableRow(12, "exponential", "additive", "uncoded", name, outcome)
        for name, outcome in outcomes.items()
    ]
    show_verification(Verification(rows), 1.0)
    shown = capsys.readouterr().out
    before, after = shown.split("\nFailed\n")
    for name, count in (("good", (1, 0)), ("bad", (1, 1)), ("none", (1, 0))):
        assert tuple(part.count(f"    {name} ") for part in (before, after)) == count
    show_verification(Verification(rows[::2]), 1.0)
    assert "Failed" not in capsys.readouterr().out


def test_summary_names_the_worst_row():
    """Catches a worst |z| that forgets negative scores or counts one-sided ones as two-sided."""
    scores = {"high": (1.0, False), "low": (-3.0, False), "far below a bound": (-100.0, True)}
    rows = [
        TableRow(12, "exponential", "additive", name, "mean", Scored(1, 1, z, one_sided=side))
        for name, (z, side) in scores.items()
    ]
    result = Verification(rows)
    assert result.worst() == (rows[1], -3.0)
    assert "worst |z|: 3.00, mean, low" in "\n".join(summary(result, 1.0))
    unknown = TableRow(12, "exponential", "additive", "a", "mean", NoFormula("nobody knows"))
    (counts,) = summary(Verification([unknown]), 1.0)  # no bound, no reason a second time
    assert counts.endswith("0 pass, 0 fail, 1 without a formula, 0 cannot be compared")


def exact_schemes(workers, loads):
    """Exact schemes with a code or an order of messages, at these loads: label -> scheme."""
    fast = tuple(1.0 + np.arange(workers) % 3)
    found = {}
    for load in loads:
        for name, more in (
            ("fractional_repetition", {}),
            ("generalized_fractional_repetition", {}),
            ("cyclic_repetition", {}),
            ("cyclic_repetition", {"partial": 0.5}),
            ("cyclic_mds", {}),
            ("heterogeneity_aware", {"speeds": fast}),
            ("communication_efficient", {"share": max(1, load // 2)}),
            ("erasurehead", {"wait_for": workers}),
            ("multi_message", {}),
        ):
            with suppress(InvalidParameter):  # this load does not fit these workers
                scheme = SCHEMES[name](load=load, **more).build(workers)
                if scheme.exact:
                    found[f"{name} {load} {more}"] = scheme
    return found


def failures_of_exact_schemes(monkeypatch, workers, loads, rounds):
    """Labels of exact schemes whose decoding error is not the 0 of their closed form."""
    monkeypatch.setattr(grid, "RUN_ROUNDS", rounds)
    given = tuple(exact_schemes(workers, loads).items())
    one = grid.Setting(0, workers, Exponential(rate=1.0), Proportional(), (), False, given=given)
    asked, compared = VerifyRequest(rounds), (compare.compare_decoding_error,)
    frame = compare_settings([one], asked, comparisons=compared).frame()
    assert len(frame) == len(given) > 0
    return sorted(frame.scheme[frame.verdict != "pass"])


@pytest.mark.parametrize(
    ("workers", "load"),
    [
        *((12, 4), (40, 5), (60, 30), (100, 20)),
        *(pytest.param(*size, marks=pytest.mark.slow) for size in ((100, 50), (200, 160))),
    ],
)
def test_what_rounding_leaves_of_an_exact_gradient_is_no_error(monkeypatch, workers, load):
    """Catches a tolerance that only clusters of some tens keep: weights of 200 are off by 1e-5."""
    assert failures_of_exact_schemes(monkeypatch, workers, [load], 50) == []


@pytest.mark.slow
@pytest.mark.parametrize("workers", [2, 3, 7, 12, 31, 40, 64, 65, 100, 128, 200])
def test_every_exact_scheme_decodes_at_every_load(monkeypatch, workers):
    """The same for all loads, some 2,000 schemes a cluster of 200."""
    assert failures_of_exact_schemes(monkeypatch, workers, range(1, workers + 1), 20) == []


def test_a_partition_that_is_lost_once_is_no_rounding(monkeypatch):
    """Catches a tolerance that hides one wrong round in a thousand."""
    right = OnePerGroup.common_weight

    def once(self, arrived):
        used, scale = right(self, arrived)
        used[0, 0] = False
        return used, scale

    monkeypatch.setattr(OnePerGroup, "common_weight", once)
    assert failures_of_exact_schemes(monkeypatch, 12, [3], 1000) == [
        "erasurehead 3 {'wait_for': 12}",
        "fractional_repetition 3 {}",
    ]


def test_an_error_that_is_too_rare_to_be_seen_is_held_to_its_chance():
    """ErasureHead that misses a group in 7 of 100,000 rounds: none of 1,000 does, which is no
    fault; that none of 200,000 does would be one."""
    (setting,) = settings(30, "exponential", "proportional")
    one = replace(setting, families=(ErasureHead(load=5, wait_for=25),))
    (case,) = cases(one, VerifyRequest(1000))
    assert not case.decoded.error.any()
    [(_, found)] = compare.compare_decoding_error(case)
    assert found.varies
    assert -1.0 < found.z < 0.0
    many = SimpleNamespace(error=np.zeros((200, 10_000)))
    [(_, found)] = compare.compare_decoding_error(replace(case, decoded=many))
    assert found.z < -5.0
