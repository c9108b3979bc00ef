"""Causes by hand, and planted ones."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise
from math import ceil
from types import SimpleNamespace
from typing import Any, cast
from zlib import crc32

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats
from scipy.signal import lfilter

from erasurehead.delay_models.base import FloatArray
from erasurehead.experiments.advice.fit.laws.workers import judge_workers
from erasurehead.experiments.advice.statistics import job
from erasurehead.experiments.advice.statistics.job import Job
from erasurehead.experiments.advice.statistics.series import Blocks, block_length, blocks
from erasurehead.experiments.advice.whatif import answer, rounds
from erasurehead.experiments.advice.whatif import study as study_module
from erasurehead.experiments.advice.whatif.answer import (
    facts,
    hosts_to_name,
    largest_cause,
    late_in_stages,
    other_ways,
    slow_round_lines,
    whatif_verdict,
)
from erasurehead.experiments.advice.whatif.page import proposed, whatif_page
from erasurehead.experiments.advice.whatif.study import Study, change_name, stages_of, study_load
from erasurehead.experiments.page.content import Answer
from erasurehead.experiments.text import percent
from tests.tools import assert_told, examples

# Every number of a table of two rounds and three workers, worked out by hand.


TABLE = np.array([[1.0, 2.0, 6.0], [2.0, 4.0, 5.0]])
"""Medians of rounds 2 and 4 s, their median 3 s; rounds of 6 and 5 s, both ended by the third."""


def hosts(found: Study, column: str) -> FloatArray:
    """A column of the table of hosts, in the order of the measured table."""
    return found.hosts.sort_values("worker")[column].to_numpy(dtype=float)


def order(found: Study) -> list[int]:
    """Workers in the order in which they are replaced."""
    return found.hosts.sort_values("order")["worker"].tolist()


def standing(found: Study) -> tuple[int, ...]:
    """Workers that stand out from chance."""
    return tuple(order(found)[: len(found.standing)])


@pytest.fixture(scope="module")
def found() -> Study:
    return study_load(TABLE, ("a", "b", "c"), counts=[1], quantiles=[0.5])


def test_a_step_and_its_medians(found: Study) -> None:
    assert found.seconds() == 5.5
    assert found.seconds("typical") == 3.0
    assert found.change(rounds.MEDIAN_WORKER)["seconds"] == 3.0
    assert found.seconds() / found.seconds("typical") == pytest.approx(5.5 / 3)
    assert 1 - found.hosts["mean"].mean() / found.seconds() == pytest.approx(1 - 20 / 33)


def test_so_many_hosts_are_left_out() -> None:
    """A few, and shares of all that are rounded up; never more than half."""
    assert rounds.default_counts(3) == [1]
    assert rounds.default_counts(4) == [1, 2]
    assert rounds.default_counts(10) == [1, 2, 3, 5]
    assert rounds.default_counts(150) == [1, 2, 3, 5, 8, 15]
    assert rounds.default_counts(400) == [1, 2, 3, 4, 5, 8, 20, 40]


def test_factors_are_medians_over_rounds(found: Study) -> None:
    """Ratios to the round's median: 0.5 and 0.5, 1 and 1, 3 and 1.25."""
    np.testing.assert_allclose(hosts(found, "factor"), [0.5, 1.0, 2.125])


def test_causes_add_up(found: Study) -> None:
    """Jobs with some causes; with a = 2.125 taken out, the rounds take 6 / a = 48/17 and 4 s."""
    a, first = 2.125, 48 / 17
    job = {
        "": 3.0,
        "w": 3 * a,
        "b": 3.0,
        "e": (first * 3 / 2 + 4 * 3 / 4) / 2,
        "wb": 3 * a,
        "we": (6 * 3 / 2 + 5 * 3 / 4) / 2,
        "be": (first + 4) / 2,
        "wbe": 5.5,
    }

    def shapley(own: str, one: str, other: str) -> float:
        def gain(*before: str) -> float:
            return job[_key(own, *before)] - job[_key(*before)]

        return (2 * gain() + gain(one) + gain(other) + 2 * gain(one, other)) / 6

    parts = {cause: found.seconds(cause) for cause in rounds.CAUSES}
    assert parts == pytest.approx(
        {
            "workers": shapley("w", "b", "e"),
            "rounds": shapley("b", "w", "e"),
            "rest": shapley("e", "w", "b"),
        }
    )
    assert sum(parts.values()) == pytest.approx(5.5 - 3.0, rel=1e-12)
    for cause, left in (("workers", "be"), ("rounds", "we"), ("rest", "wb")):
        assert found.change(f"without {cause}")["seconds"] == pytest.approx(job[left])


def _key(*causes: str) -> str:
    return "".join(cause for cause in "wbe" if cause in causes)


def test_changes(found: Study) -> None:
    seconds = {
        rounds.IDEAL: 3.0,
        rounds.MEDIAN_WORKER: 3.0,
        rounds.REPLACE: 3.0,  # rounds of 2 and 4 s
        rounds.DROP: 4.5,  # 3/2 times as long
        rounds.WAIT: 3.0,
        rounds.BACKUP: 4.5,  # half of the delays are <= 2 s: copies end at 4 and 6 s
    }
    for kind, expected in seconds.items():
        saving = found.change(kind, 1 if kind in (rounds.REPLACE, rounds.DROP, "wait for") else 0)
        assert saving["seconds"] == pytest.approx(expected), kind
        assert saving["saved"] == pytest.approx(5.5 - expected), kind
        assert saving["share"] == pytest.approx((5.5 - expected) / 5.5), kind
        assert saving["hours_a_day"] == pytest.approx(24 * (5.5 - expected) / 5.5), kind
    assert found.change(rounds.REPLACE, 1)["hosts"] == "c"
    assert found.change(rounds.BACKUP)["timeout"] == 2.0


def test_hosts(found: Study) -> None:
    np.testing.assert_allclose(hosts(found, "alone"), [0, 0, (4 + 1) / 2])
    np.testing.assert_allclose(hosts(found, "blame"), [0, 0, (4 + 1) / 2])
    np.testing.assert_allclose(hosts(found, "ends"), [0, 0, 1])
    assert standing(found) == ()  # two rounds are too few to tell


def test_one_round_tells_nobody_from_chance_and_two_might(found: Study) -> None:
    assert "; none stands out from chance; " in whatif_verdict(found)
    once = study_load(TABLE[:1], ("a", "b", "c"))
    assert "; one round cannot tell a host from chance; " in whatif_verdict(once)


def test_those_who_are_late_together_share_the_blame() -> None:
    """Up to the fourth's 4 s two share 2 s beyond the median; the last has 2 s more."""
    blame = Job(np.array([[6.0, 1.0, 4.0, 2.0, 1.0]])).blame
    np.testing.assert_allclose(blame, [3.0, 0.0, 1.0, 0.0, 0.0])


def test_a_large_table_is_looked_at_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each row is in one piece, a row at least, and all is as it is of the whole table."""
    table = np.random.default_rng(0).lognormal(0, 0.3, (23, 5))
    whole = Job(table, 2)
    expected = (whole.medians, whole.blame, whole.slowest.seconds, whole.factors)
    rest = rounds.slowdown(table, whole.medians, whole.factors).jobs[frozenset(["rest"])]
    monkeypatch.setattr(job, "PIECE_CELLS", 10)
    assert [(each.start, each.stop) for each in job.pieces(7, 5)] == [
        *((0, 2), (2, 4), (4, 6), (6, 7))
    ]
    assert [each.stop for each in job.pieces(3, 99)] == [1, 2, 3]
    assert [each.stop for each in job.pieces(20, 0)] == [10, 20]
    parts = Job(table, 2)
    found = (parts.medians, parts.blame, parts.slowest.seconds, parts.factors)
    same = rounds.slowdown(table, parts.medians, parts.factors).jobs[frozenset(["rest"])]
    for one, other in zip((*found, same), (*expected, rest), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12)
    np.testing.assert_array_equal(found[2], np.sort(table, axis=1)[:, :0:-1])
    assert job.slowest(table, 99).seconds.shape == (23, 5)


def test_a_worker_that_never_arrives() -> None:
    """Its rounds are no part of the times; replacing it, or not waiting for it, ends them."""
    table = np.vstack([TABLE, [[1.0, 2.0, np.inf], [1.0, np.inf, np.inf]]])
    found = study_load(table, ("a", "b", "c"), counts=[1], quantiles=[0.5])
    assert found.seconds() == 5.5
    assert found.rounds == (2, 2)
    assert (4 * hosts(found, "missing")).tolist() == [0, 1, 2]
    ended = found.changes.set_index("change")["rounds_ended"] - 2
    assert ended[rounds.REPLACE] == ended[rounds.DROP] == ended[rounds.WAIT] == 1
    assert ended[rounds.BACKUP] == ended[rounds.IDEAL] == 2
    assert ended["without workers"] == 0
    assert whatif_verdict(found).startswith("in the 2 rounds of 4 that end, no single host matters")


# Tables with planted faults: the savings are those of the table before the fault, within 2 %.


ROUNDS, WORKERS = 300, 64
NAMES = [f"gpu-{worker:02d}" for worker in range(WORKERS)]


def healthy(seed: int = 1) -> FloatArray:
    return np.random.default_rng(seed).lognormal(0.0, 0.05, (ROUNDS, WORKERS))


def seconds(table: FloatArray) -> float:
    return float(table.max(axis=1).mean())


def asked(table: FloatArray) -> Study:
    return study_load(table, NAMES, counts=[1, 2, 3], quantiles=[0.98])


def test_one_slow_host() -> None:
    table = healthy()
    table[:, 7] *= 1.35
    found = asked(table)
    planted = seconds(table) - seconds(healthy())
    saving = found.change(rounds.REPLACE, 1)
    assert standing(found) == (7,)
    assert saving["hosts"] == "gpu-07"
    assert saving["saved"] == pytest.approx(planted, rel=0.02)
    assert saving["saved_low"] < planted < saving["saved_high"]
    assert found.change("without workers")["saved"] == pytest.approx(planted, rel=0.02)
    assert hosts(found, "factor")[7] == pytest.approx(1.35, rel=0.02)
    assert hosts(found, "alone")[7] == pytest.approx(saving["saved"])
    said = whatif_verdict(found)
    assert said.startswith("replacing host gpu-07 by a median one saves 1")
    assert "waiting for" not in said
    assert "largest cause: workers (" in said
    assert any(line.startswith("only gpu-07 stands out: to replace") for line in facts(found))


def test_one_host_with_long_spells() -> None:
    """Nothing lasts, so it belongs to the rest; the host is named all the same."""
    table = healthy()
    for start in (20, 110, 200):
        table[start : start + 40, 30] *= 2.0
    found = asked(table)
    planted = seconds(table) - seconds(healthy())
    assert standing(found) == (30,)
    assert found.change(rounds.REPLACE, 1)["saved"] == pytest.approx(planted, rel=0.02)
    assert found.seconds("rest") > 5 * found.seconds("workers")
    assert found.blocks is not None
    assert found.blocks.length > 10
    assert "host gpu-30 " in whatif_verdict(found)


def test_two_slow_hosts_hide_each_other() -> None:
    table = healthy()
    table[:, [7, 50]] *= 1.35
    found = asked(table)
    planted = seconds(table) - seconds(healthy())
    one, two = (found.change(rounds.REPLACE, m)["saved"] for m in (1, 2))
    assert set(standing(found)) == {7, 50}
    assert two == pytest.approx(planted, rel=0.02)
    assert one < 0.25 * planted
    said = whatif_verdict(found)
    assert said.startswith("replacing hosts gpu-")
    for _, host in found.hosts.iloc[:2].iterrows():
        assert f"{host['host']} {100 * host['alone_share']:.1f} %" in said
    other = next(line for line in facts(found) if line.startswith("if gpu-"))
    assert " are dropped, and the others share their work" in other
    assert any(" stand out: to replace or drop more adds" in line for line in facts(found))


def test_twins_cost_nothing_alone_and_share_the_blame() -> None:
    """The same delays twice: an order by what a host costs alone would never find them."""
    table = healthy()
    table[:, 7] *= 1.35
    table[:, 50] = table[:, 7]
    found = asked(table)
    assert hosts(found, "alone").max() == 0.0
    assert set(order(found)[:2]) == {7, 50}
    assert hosts(found, "blame")[7] == hosts(found, "blame")[50]
    planted = seconds(table) - seconds(np.delete(table, [7, 50], axis=1))
    assert found.change(rounds.REPLACE, 2)["saved"] == pytest.approx(planted)


def test_slow_rounds() -> None:
    table = healthy()
    table[::20] *= 3.0
    found = asked(table)
    planted = seconds(table) - seconds(healthy())
    assert found.change("without rounds")["saved"] == pytest.approx(planted, rel=0.02)
    (line,) = (line for line in facts(found) if "slow for all" in line)
    assert line.startswith(f"{ROUNDS // 20} rounds of {ROUNDS} are slow for all workers ")
    assert line.endswith(
        f"{', '.join(map(str, range(0, 240, 20)))} and {ROUNDS // 20 - 12} more, one in 20"
    )
    table[5] *= 3.0  # not at equal distances, with one that never ends, and with names
    table[1, 0] = np.inf
    (line,) = (line for line in facts(asked(table), 100.0 + np.arange(ROUNDS)) if "for all" in line)
    assert ": 100, 105, 120, 140, 160, " in line
    assert line.endswith(f" and {ROUNDS // 20 + 1 - 12} more")
    assert standing(found) == ()
    assert whatif_verdict(found).startswith("no single host matters")


def test_random_spikes() -> None:
    """A task of every round takes 5 s more: copies end when the time-out and a median are over."""
    table = healthy()
    hit = np.random.default_rng(2).permutation(ROUNDS * WORKERS)[:ROUNDS] % WORKERS
    table[np.arange(ROUNDS), hit] += 5.0
    found = asked(table)
    backup = found.change(rounds.BACKUP)
    assert backup["timeout"] == pytest.approx(np.exp(0.05 * 2.4), rel=0.02)
    planted = seconds(table) - (backup["timeout"] + 1.0)
    assert backup["saved"] == pytest.approx(planted, rel=0.02)
    waited = found.change(rounds.WAIT, 1)["saved"]
    assert waited == pytest.approx(seconds(table) - seconds(healthy()), rel=0.02)
    assert found.seconds("rest") == pytest.approx(found.seconds() - 1.0, rel=0.02)
    said = whatif_verdict(found)
    assert "the tail is random" in said
    ordered, step = np.sort(table, axis=1), seconds(table)
    parts = {64 - m: ordered[:, -1 - m].mean() / (64 - m) for m in (1, 2, 3, 4, 5, 7)}
    fewest = min(parts, key=lambda awaited: parts[awaited])
    assert 64 * parts[fewest] < step - backup["saved"]
    share = percent(1 - 64 * parts[fewest] / step)
    assert f"; waiting for {fewest} of 64 saves " in said
    assert f"{share} for as many parts; none" in said


def test_the_first_line_begins_with_the_larger_saving_and_names_the_larger_cause() -> None:
    """A slow host among heavy tails: somebody else is last in most rounds."""
    table = np.random.default_rng(1).lognormal(0, 0.25, (300, 24))
    table[:, 7] *= 1.5
    found = study_load(table, NAMES[:24])
    assert standing(found) == (7,)
    ordered = np.sort(table, axis=1).mean(axis=0)
    fewest = 1 + min((22, 21, 20, 18), key=lambda place: ordered[place] / (place + 1))
    replaced, waited = found.change(rounds.REPLACE, 1), found.change(rounds.WAIT, 24 - fewest)
    assert waited["share_per_part"] > 1.5 * replaced["share"]
    assert found.seconds("rest") > found.seconds("workers")
    said = whatif_verdict(found)
    assert said.startswith(f"waiting for {fewest} of 24 ")
    assert f" saves {100 * waited['share']:.1f} %" in said
    parts = 1 - ordered[fewest - 1] / fewest / (ordered[-1] / 24)
    assert f"{100 * parts:.1f} % for as many parts: " in said
    assert f"; replacing host gpu-07 by a median one saves {100 * replaced['share']:.1f} %" in said
    share = found.seconds("rest") / (found.seconds() - found.seconds("typical"))
    assert said.endswith(
        f"largest cause: the rest (chance, spells, spikes), {100 * share:.0f} % of the slowdown"
    )


def test_whom_waiting_for_fewer_leaves_out_is_said() -> None:
    """The host that ends most steps; not one that ends few of them, among heavy tails."""
    rng = np.random.default_rng(1)
    table = rng.lognormal(0, 0.05, (200, 24))
    table[rng.random(table.shape) < 0.01] *= 5
    table[:, 7] *= 1.5
    found = study_load(table, NAMES[:24])
    last = (table.argmax(axis=1) == 7).mean()
    assert last > 0.6
    told = f"waiting for 23 of 24 (without gpu-07 in {100 * last:.1f} % of steps) saves "
    assert whatif_verdict(found).startswith(told)
    (line,) = (line for line in facts(found) if line.startswith("to replace gpu-07 first"))
    without = np.delete(table, 7, axis=1)
    another = np.column_stack([without, np.median(without, axis=1)])  # a median host instead
    saved = 1 - np.sort(another, axis=1)[:, -2].mean() / table.max(axis=1).mean()
    assert line.endswith(f" first, and then wait for 23 of 24, saves {100 * saved:.1f} %")
    share = 1 - np.sort(table, axis=1)[:, -2].mean() * 24 / 23 / table.max(axis=1).mean()
    assert f", {100 * share:.1f} % for as many parts: " in whatif_verdict(found)
    assert any("'for as many parts' counts n / r such steps" in line for line in facts(found))
    few = found.changes[found.changes["hardly_learned"]]
    assert few["share_per_part"].max() > share, "another number saves more, and is not proposed"
    both = found.change(rounds.REPLACE_AND_WAIT, 1)
    assert both["share"] == pytest.approx(saved)
    assert both["text"] == "replace gpu-07, and wait for 23 of 24"
    assert any(line.startswith("only gpu-07 stands out: ") for line in facts(found))
    one = study_load(table, NAMES[:24], counts=[1])
    assert not any(line.startswith("only") for line in facts(one))
    rare = np.random.default_rng(1).lognormal(0, 0.25, (300, 24))
    rare[:, 7] *= 1.3
    seldom = study_load(rare, NAMES[:24], counts=[1])
    assert "without gpu" not in " ".join([whatif_verdict(seldom), *seldom.changes["text"]])


def test_a_host_is_hardly_learned_below_a_tenth_of_a_mean_share() -> None:
    """Of two of four workers waited for, a mean one is in half of the steps: 0.05 is few enough,
    0.06 is not. It is the share of ``recommend``."""
    late = np.tile([0, 1], (100, 1))
    late[:6, 0] = 2  # worker 0 is waited for in 6 of 100 steps
    change = rounds.Change(rounds.WAIT, np.ones(100), 2, late=late)
    late[:, 1] = 3 - (np.arange(100) % 2) * 2
    some = "wait for 2 of 4 (without a in 94.0 % of steps)"
    assert change_name(change, "abcd", 1.0) == some
    late[4:6, 0] = 0
    few = "wait for 2 of 4 (without a in 96.0 % of steps: hardly learned)"
    assert change_name(change, "abcd", 1.0) == few
    quarter = rounds.Change(rounds.WAIT, np.ones(100), 1, late=np.arange(100)[:, None] % 4)
    assert change_name(quarter, "abcd", 1.0) == "wait for 3 of 4 (without a in 25.0 % of steps)"


def test_numbers_to_wait_for_that_are_not_proposed_are_named() -> None:
    """One host of eight is late in every round."""
    table = (
        1
        + np.random.default_rng(0).random((40, 8)) * [1, 1, 1, 1, 1, 1, 1, 0]
        + 3 * (np.arange(8) == 7)
    )
    assert "waiting for 7, 6, 5 of 8 hardly ever hears some host, so it is not proposed" in facts(
        study_load(table, [*"abcdefgh"])
    )


@pytest.mark.parametrize("seed", [8, 11])
def test_seconds_and_share_of_a_saving_agree_on_the_side_of_0(seed: int) -> None:
    rng = np.random.default_rng(seed)
    table = rng.lognormal(0, 0.3, (7, 5)) * (1 + rng.lognormal(-1, 1, (7, 1)))
    changes = study_load(table, [*"abcde"]).changes
    for end in ("low", "high"):
        assert (np.sign(changes[f"saved_{end}"]) == np.sign(changes[f"share_{end}"])).all()


def test_the_costliest_host_that_the_verdict_names_is_in_the_short_table() -> None:
    """Not the one that is most to blame."""
    table = 1 + np.random.default_rng(5).exponential(0.1, (60, 6))
    found = study_load(table, [*"abcdef"])
    assert found.hosts["host"].iloc[0] != found.order[0]
    page = whatif_page([found], Answer("whatif", "table", "", (), ()))
    hosts_table = next(each for each in page.tables if each.ident == "hosts")
    assert hosts_table.brief == [0]


def test_each_host_that_stands_out_is_replaced_alone() -> None:
    """Three at most, by hand; the verdict says what each saves."""
    table = healthy()[:300]
    for host, times in ((7, 1.5), (30, 1.35), (31, 1.45), (40, 1.4)):
        table[:, host] *= times
    table[:40, 30] *= 3
    found = asked(table)
    assert set(standing(found)) == {7, 30, 31, 40}
    changes = found.changes
    alone = changes[(changes["change"] == rounds.REPLACE) & (changes["count"] == 1)]
    assert alone["hosts"].tolist() == found.order[:3]
    for _, row in alone.iterrows():
        without = np.delete(table, NAMES.index(row["hosts"]), axis=1)
        assert row["saved"] == pytest.approx(seconds(table) - seconds(without))
    each = [f"{row['hosts']} {100 * row['share']:.1f} %" for _, row in alone.iterrows()]
    assert f"each alone: {', '.join(each)}, gpu-40" in whatif_verdict(found)
    pictured = whatif_page([found], Answer("whatif", "t", "")).charts["savings"].picture
    names = pictured.panels[0].y.names or ()
    single = [" ".join(name.split()) for name in names]
    assert {f"replace {host}" for host in alone.nlargest(2, "share")["hosts"]} <= {*single}
    assert len(single) == 8, "the least of nine is in the table alone"


def test_one_change_of_each_kind_is_proposed() -> None:
    """Whom the verdict names replaced, at most all who stand out dropped, and of the others the
    best for as many parts that hears every host; what saves most so comes first."""
    rows = [
        ("ideal", 0, 0.9, 0.9, False),
        ("replace", 1, 0.1, 0.1, False),
        ("drop", 1, -0.2, -0.2, False),
        ("replace", 2, 0.15, 0.15, False),
        ("drop", 2, -0.1, -0.1, False),
        ("drop", 3, 0.05, 0.05, False),
        ("wait for", 1, 0.2, 0.12, False),
        ("wait for", 2, 0.3, 0.11, False),
        ("wait for", 3, 0.6, 0.5, True),
        ("replace and wait", 2, 0.25, 0.2, False),
        ("rebalance", 0, 0.01, 0.01, False),
        ("backup", 0, 0.02, 0.02, False),
        ("backup", 0, 0.03, 0.03, False),
    ]
    names = ["change", "count", "share", "share_per_part", "hardly_learned"]
    changes = pd.DataFrame(rows, columns=names)

    def change(kind: str, count: int) -> pd.Series:
        return changes[(changes["change"] == kind) & (changes["count"] == count)].iloc[0]

    study = SimpleNamespace(changes=changes, standing=("a", "b"), change=change)
    assert proposed(cast(Any, study)) == [9, 3, 6, 12, 10, 4]
    nobody = SimpleNamespace(changes=changes, standing=(), change=change)
    assert proposed(cast(Any, nobody)) == [6, 1, 12, 10, 2]
    assert proposed(cast(Any, nobody), waits=3) == [6, 7, 1, 12, 10, 2], "not the third: unheard"


@pytest.mark.parametrize(
    ("shares", "named"),
    [
        ((), 0),
        ((0.02,), 1),
        ((0.0199,), 0),
        ((0.9, 1.0), 1),
        ((0.89, 1.0), 2),
        ((0.5, 0.95, 1.0), 2),
        ((0.01, 0.03), 2),
        ((0.03, 0.01), 1),
        ((0.12, 0.13, 0.138, 0.146, 0.155), 1),  # each of the others saves less than a tenth of it
        ((0.12, 0.133, 0.146, 0.159, 0.172), 4),  # more than a tenth: up to nine tenths of all
        ((0.1, 0.2, 0.21, 0.22, 0.23), 2),
        ((0.12, 0.121, 0.122, 0.3), 4),  # hosts that are slow together: the last saves the most
        ((0.019, 0.0192, 0.0194, 0.0216), 4),  # the first alone saves too little for a word
    ],
)
def test_the_fewest_hosts_that_save_nine_tenths_are_named(
    shares: tuple[float, ...], named: int
) -> None:
    """Of what all that stand out save, or fewer, where each other one saves less than a tenth as
    much as one of them; nobody where that is less than 2 % of the time."""
    change = dict(enumerate(({"share": share} for share in shares), start=1))
    study = SimpleNamespace(standing=shares, change=lambda kind, count: change[count])
    assert hosts_to_name(cast(Any, study)) == named


@pytest.mark.parametrize(
    ("slow", "said"),
    [
        ((), None),
        ((4,), "1 round of 20 is slow for all workers (1.5 times the typical median or more): r4"),
        ((0, 5), "2 rounds of 20 are slow for all workers"),
        ((0, 5, 10), ": r0, r5, r10, one in 5"),
        ((0, 5, 11), ": r0, r5, r11"),
        ((0, 1, 2, 3), ": r0, r1, r2, r3, one in 1"),
        ((0, 1, 2, 3, 4), None),
    ],
)
def test_rounds_that_are_slow_for_all_are_named(slow: tuple[int, ...], said: str | None) -> None:
    """Where they are a fifth at most, and at which distance, if there is one."""
    study: Any = SimpleNamespace(slow_rounds=slow, rounds=(20, 0))
    lines = [*slow_round_lines(study, [f"r{t}" for t in range(20)])]
    assert len(lines) == (said is not None)
    assert all(said is not None and said in line for line in lines)
    assert not any(line.endswith(("r11, one in 5", "r0, r5, one in 5")) for line in lines)


def test_a_round_is_slow_from_one_and_a_half_times_the_typical_median_on() -> None:
    table = np.ones((12, 3))
    table[[2, 7, 8]] = np.array([[1.5], [1.49], [1.6]])
    assert study_load(table, ("a", "b", "c"), counts=[1]).slow_rounds == (2, 8)
    table[0, 0] = np.inf  # a round that never ends is counted
    assert study_load(table, ("a", "b", "c"), counts=[1]).slow_rounds == (2, 8)


def test_who_is_late_in_which_stage() -> None:
    """Whoever stands out and makes the others wait for 2 % of the step."""
    columns = ["stage", "host", "stands_out", "blame"]
    rows = [
        ("load", "a", True, 0.2),
        ("load", "b", True, 0.3),
        ("load", "c", True, 0.19),
        ("load", "d", False, 2.0),
        ("compute", "b", True, 0.25),
    ]
    stages = pd.DataFrame(rows, columns=columns)
    study: Any = SimpleNamespace(stages=stages, seconds=lambda: 10.0)
    assert late_in_stages(study) == (
        "slow: hosts a, b in load (0.5 s a step), host b in compute (0.25 s a step)"
    )
    study.stages = stages[2:4]
    assert late_in_stages(study) == "no host is clearly slow in a stage"


@pytest.mark.parametrize(("kept", "said"), [(0.0, "nothing"), (-0.1, "nothing"), (0.125, "12.5 %")])
def test_hosts_that_are_dropped_save_something_or_nothing(kept: float, said: str) -> None:
    def change(kind: str, count: int) -> dict[str, float]:
        return {"share": kept if kind == rounds.DROP else 0.25}

    study: Any = SimpleNamespace(order=["a", "b", "c"], change=change)
    one, two = other_ways(study, 1), other_ways(study, 2)
    assert one.startswith(f"if a is dropped, and the others share its work, that saves {said}; ")
    assert two.startswith(
        f"if a, b are dropped, and the others share their work, that saves {said}; "
    )


@pytest.mark.parametrize("spread", [0.05, 0.8])
def test_nothing_planted(spread: float) -> None:
    table = np.random.default_rng(4).lognormal(0.0, spread, (ROUNDS, WORKERS))
    found = asked(table)
    assert found.seconds("workers") < 0.02 * (found.seconds() - found.seconds("typical"))
    without = [seconds(np.delete(table, host, axis=1)) for host in range(WORKERS)]
    costliest = f"no single host matters: replacing host {NAMES[int(np.argmin(without))]}, "
    assert whatif_verdict(found).startswith(costliest)


# Many kinds of tables, each drawn anew: without a host that differs, and with planted ones.


Kind = Callable[[np.random.Generator], FloatArray]


def size(rng: np.random.Generator, least: int = 60, most: int = 400) -> tuple[int, int]:
    """Rounds, and 8 to 64 hosts, spread evenly on a logarithmic scale."""
    return int(np.exp(rng.uniform(*np.log([least, most])))), int(8 ** rng.uniform(1, 2))


def wander(rng: np.random.Generator, shape: tuple[int, int], persistence: float) -> FloatArray:
    """AR(1) of each host, with variance 1."""
    noise = rng.standard_normal(shape)
    noise[1:] *= np.sqrt(1 - persistence**2)
    return np.asarray(lfilter([1.0], [1.0, -persistence], noise, axis=0))


def bursts(rng: np.random.Generator, shape: tuple[int, int]) -> FloatArray:
    """Every host is two or three times as slow in a tenth of its rounds, some in a row."""
    stay, share = 1 - 1 / rng.choice([3, 10, 30]), 0.1
    slow = np.empty(shape, dtype=bool)
    slow[0] = rng.random(shape[1]) < share
    for before, now in pairwise(slow):
        enter = (1 - stay) * share / (1 - share)
        now[:] = rng.random(shape[1]) < np.where(before, stay, enter)
    return np.where(slow, rng.choice([2.0, 3.0]), 1.0) * rng.lognormal(0, 0.1, shape)


def storms(rng: np.random.Generator, shape: tuple[int, int]) -> FloatArray:
    """Now and then a third of the hosts, others each time, is slow for ten rounds."""
    table = rng.lognormal(0, 0.1, shape)
    for start in rng.integers(0, shape[0], 5):
        table[start : start + 10] *= np.where(rng.random(shape[1]) < 0.3, 2, 1)
    return table


def waves(rng: np.random.Generator, shape: tuple[int, int], own: bool) -> FloatArray:
    """Days and nights, of all hosts together or of each at its own hour."""
    hour = np.arange(shape[0])[:, None] / rng.integers(20, 60)
    shift = rng.random(shape[1]) if own else 0.0
    return np.exp(0.2 * np.sin(2 * np.pi * (hour + shift))) * rng.lognormal(0, 0.1, shape)


CLEAN: dict[str, Kind] = {
    "lognormal": lambda rng: rng.lognormal(0, rng.choice([0.05, 0.3, 0.8]), size(rng)),
    "exponential": lambda rng: 0.2 + rng.exponential(1.0, size(rng)),
    "heavy tails": lambda rng: 1 + rng.pareto(rng.choice([1.2, 2.0]), size(rng)),
    "coarse clock": lambda rng: np.round(rng.gamma(20, 0.05, size(rng)), 1) + 0.1,
    "spikes": lambda rng: rng.lognormal(0, 0.1, s := size(rng)) + 5 * (rng.random(s) < 0.003),
    **{
        f"AR(1) of {phi}": lambda rng, phi=phi: np.exp(0.1 * wander(rng, size(rng), phi))  # type: ignore[misc]
        for phi in (0.5, 0.8, 0.9, 0.97, 0.99)
    },
    "random walks": lambda rng: np.exp(0.02 * rng.standard_normal(size(rng)).cumsum(axis=0)),
    "AR(1) and chance": lambda rng: (
        np.exp(0.1 * wander(rng, s := size(rng), rng.choice([0.9, 0.97])))
        * rng.lognormal(0, 0.1, s)
    ),
    "rounds": lambda rng: (
        np.exp(0.5 * wander(rng, ((s := size(rng))[0], 1), 0.9)) * rng.lognormal(0, 0.1, s)
    ),
    "drift": lambda rng: np.linspace(1, 3, (s := size(rng))[0])[:, None] * rng.lognormal(0, 0.1, s),
    "day and night": lambda rng: waves(rng, size(rng), own=False),
    "own days": lambda rng: waves(rng, size(rng), own=True),
    "bursts": lambda rng: bursts(rng, size(rng)),
    "storms": lambda rng: storms(rng, size(rng)),
    "few rounds": lambda rng: np.exp(0.1 * wander(rng, size(rng, 2, 30), rng.choice([0, 0.97]))),
    "many hosts": lambda rng: np.exp(
        0.1 * wander(rng, (size(rng, 20, 80)[0], 512), rng.choice([0, 0.97]))
    ),
}
"""Hosts are alike: who is slow is chance, however long that lasts."""


def calm(rng: np.random.Generator, least: int = 60, persistence: float = 0.0) -> FloatArray:
    return np.exp(0.05 * wander(rng, size(rng, least, max(20, 5 * least)), persistence))


def slow_host(rng: np.random.Generator, table: FloatArray, start: float = 0.0) -> FloatArray:
    """The last host is a third slower from some share of the rounds on."""
    table[int(start * len(table)) :, -1] *= 1.35
    return table


def spells(rng: np.random.Generator, table: FloatArray) -> FloatArray:
    for start in rng.integers(0, len(table) - 20, 3):
        table[start : start + 20, -1] *= 2
    return table


def timeouts(rng: np.random.Generator, table: FloatArray, share: float) -> FloatArray:
    table[rng.random(len(table)) < share, -1] += 3
    return table


def bad(
    rng: np.random.Generator, table: FloatArray, hosts: slice | int, share: float
) -> FloatArray:
    """Rounds, one at least, in which some or all hosts take ten times as long."""
    some = rng.random(len(table)) < share
    some[rng.integers(len(table))] = True
    table[some, hosts] *= 10
    return table


PLANTED: dict[str, Kind] = {
    "slow": lambda rng: slow_host(rng, calm(rng)),
    "slow, heavy tails": lambda rng: slow_host(rng, 1 + rng.exponential(0.3, size(rng, 200))),
    "slow among AR(1) of 0.9": lambda rng: slow_host(rng, calm(rng, 100, 0.9)),
    "slow among AR(1) of 0.97": lambda rng: slow_host(rng, calm(rng, 150, 0.97)),
    "slow, few rounds": lambda rng: slow_host(rng, calm(rng, 8)),
    "slow from a round on": lambda rng: slow_host(rng, calm(rng), rng.uniform(0.4, 0.75)),
    "three spells": lambda rng: spells(rng, calm(rng, 100)),
    "time-outs": lambda rng: timeouts(rng, calm(rng, 100), 0.2),
    "rare time-outs": lambda rng: timeouts(rng, calm(rng, 200), 0.05),
}
"""The last host is at fault."""

COMMON: dict[str, Kind] = {
    "one bad round": lambda rng: bad(rng, calm(rng), slice(None), 0),
    "one bad task": lambda rng: bad(rng, calm(rng), -1, 0),
    "slow rounds": lambda rng: bad(rng, calm(rng), slice(None), 0.1),
}
"""Something happens, and no host is at fault."""


def named(draw: Callable[[int], FloatArray], tables: int) -> Iterator[tuple[int, list[int]]]:
    """Of each of so many tables the last host, and who stands out."""
    for table in map(draw, range(tables)):
        yield table.shape[1] - 1, Job(table).standing_out()


def seeded(kind: str) -> Callable[[int], FloatArray]:
    kinds = CLEAN | COMMON | PLANTED
    return lambda seed: kinds[kind](np.random.default_rng([crc32(kind.encode()), seed]))


@pytest.mark.one_in(2)
@pytest.mark.parametrize(
    ("tables", "most"), [(6, 2), pytest.param(100, 8, marks=pytest.mark.slow)], ids=["6", "100"]
)
@pytest.mark.parametrize("kind", [*CLEAN, *COMMON])
def test_one_clean_table_of_a_hundred_names_a_host(kind: str, tables: int, most: int) -> None:
    """Of 100 tables 9 or more with a chance of 1e-6, and of 6 three or more of 2e-5."""
    assert sum(bool(those) for _, those in named(seeded(kind), tables)) <= most


@pytest.mark.parametrize(
    ("tables", "least"), [(6, 5), pytest.param(100, 95, marks=pytest.mark.slow)], ids=["6", "100"]
)
@pytest.mark.parametrize("kind", PLANTED)
def test_the_host_at_fault_is_named(kind: str, tables: int, least: int) -> None:
    assert sum(last in those for last, those in named(seeded(kind), tables)) >= least


@pytest.mark.parametrize("shape", [(1, 5), (2, 1), (3, 2), (40, 3), (7, 300)])
def test_parts_add_up_whatever_the_table(shape: tuple[int, int]) -> None:
    table = np.random.default_rng(6).gamma(0.7, 1.0, shape)
    found = study_load(table, [f"gpu-{worker}" for worker in range(shape[1])])
    whole = sum(map(found.seconds, rounds.CAUSES))
    assert whole == pytest.approx(found.seconds() - found.seconds("typical"), rel=1e-12, abs=1e-15)
    median = found.change(rounds.MEDIAN_WORKER)["seconds"]
    assert hosts(found, "blame").sum() == pytest.approx(found.seconds() - median, rel=1e-9)
    whatif_verdict(found)


@pytest.mark.parametrize(("persistence", "tolerance"), [(0.0, 0.15), (0.8, 0.3)])
def test_intervals_are_as_wide_as_correlation_makes_them(
    persistence: float, tolerance: float
) -> None:
    """AR(1): the mean's variance is (1 + p) / (1 - p) of that of independent rounds, 9 at 0.8."""
    rng, rounds, widths = np.random.default_rng(9), 1500, []
    for _ in range(12):
        noise = rng.standard_normal(rounds) * np.sqrt(1 - persistence**2)
        noise[0] = rng.standard_normal()
        series = noise.copy()
        for t in range(1, rounds):
            series[t] += persistence * series[t - 1]
        grouped = blocks([series])
        low, high = grouped.interval(0.0, grouped.means(series) - series.mean())
        widths.append(high - low)
    expected = 2 * 1.96 * np.sqrt((1 + persistence) / (1 - persistence) / rounds)
    assert np.mean(widths) == pytest.approx(expected, rel=tolerance)


def length_by_definition(series: list[float]) -> int:
    """Politis and White (2004), section 3.2 and footnote c, with the constant of 2009, in sums."""
    size, mean = len(series), sum(series) / len(series)
    off = [value - mean for value in series]
    looked = max(5, int(np.log10(size)))
    most = min(ceil(size**0.5) + looked, size - 1)
    r = [sum(off[t] * off[t + k] for t in range(size - k)) / size for k in range(most + 1)]
    quiet = [abs(each) < 2 * (np.log10(size) / size) ** 0.5 * r[0] for each in r]
    last = (m for m in range(most - looked + 1) if all(quiet[m + 1 : m + looked + 1]))
    reach = min(2 * max(next(last, most), 1), most)
    window = [min(1.0, 2 * (1 - k / reach)) for k in range(reach + 1)]
    total = r[0] + 2 * sum(window[k] * r[k] for k in range(1, reach + 1))
    slope = 2 * sum(window[k] * k * r[k] for k in range(1, reach + 1))
    if total <= 0:
        return 1
    best = (2 * slope**2 / (4 / 3 * total**2) * size) ** (1 / 3)
    return max(1, ceil(min(best, 3 * size**0.5, size / 3)))


@pytest.mark.parametrize("memory", [-0.5, 0.0, 0.5, 0.9, 0.99, 1.0])
def test_the_length_of_a_block_is_that_of_its_source(memory: float) -> None:
    """Noise, memory, and walks of which no lag is quiet."""
    rng = np.random.default_rng(3)
    for size in (16, 17, 20, 33, 60):
        for _ in range(3):
            series = np.asarray(lfilter([1.0], [1.0, -memory], rng.standard_normal(size)))
            assert block_length(series) == length_by_definition(series.tolist())


def test_blocks_of_constant_and_short_series() -> None:
    assert block_length(np.ones(100)) == 1
    assert block_length(np.arange(3.0)) == 1
    grouped = blocks([np.array([2.0])])
    assert np.isnan(grouped.interval(2.0, grouped.means(np.array([2.0])))).all()
    whole = blocks([np.zeros(10_001)])
    np.testing.assert_allclose(whole.means(np.full(10_001, 3.0)), 3.0)
    assert whole.count <= 2000


def dealt(table: FloatArray) -> float:
    """Share of a step that dealing the work by speed saves, 0 if it is not tried."""
    (change,) = rounds.of_speeds(table)
    return float(1 - change.seconds.mean() / table.max(axis=1).mean())


def test_work_dealt_by_speed_by_hand(found: Study) -> None:
    """Each round by the other's times: 3/t over the sum of 1/t."""
    work = np.array([[20, 10, 8], [6, 3, 1]]) * [[3 / 38], [3 / 10]]
    expected = (TABLE * work).max(axis=1)
    row = found.change(rounds.REBALANCE)
    assert row["seconds"] == pytest.approx(expected.mean())
    assert row["saved"] == pytest.approx(5.5 - expected.mean())
    assert row["rounds_ended"] == 2
    assert not [*rounds.of_speeds(TABLE[:1])]
    assert not [*rounds.of_speeds(TABLE[:, :1])]
    assert len([*rounds.of_speeds(TABLE[:, :2])]) == 1


def test_dealing_by_chance_saves_nothing() -> None:
    """In-sample it would seem to save 1 %; workers that differ for good save what they should."""
    rng = np.random.default_rng(8)
    tables = rng.lognormal(0.0, 0.3, (200, 50, 30))
    assert np.mean([dealt(table) for table in tables]) == pytest.approx(-0.0111, abs=0.002)
    same = [dealt(np.tile(table, (2, 1))) for table in tables]
    assert np.mean(same) == pytest.approx(0.0104, abs=0.0015)
    steady = np.where(np.arange(30) < 15, 1.0, 2.0) * np.ones((8, 1))
    assert dealt(steady) == pytest.approx(1 / 3)
    change = study_load(tables[0], [f"w{i}" for i in range(30)]).change(rounds.REBALANCE)
    assert change["share_low"] < change["share"] < change["share_high"]


def test_a_table_that_includes_waiting_has_no_culprit() -> None:
    """Ranks that look alike, whether they differ by nothing or by their clocks."""
    rng = np.random.default_rng(9)
    own = rng.lognormal(0.0, 0.1, (60, 8)) * np.where(np.arange(8) == 3, 1.5, 1.0)
    clocks = np.diff(rng.normal(0.0, 0.01, (61, 8)), axis=0)
    for beside, unless in ((0 * clocks, True), (clocks, False)):
        found = study_load(own.max(axis=1)[:, None] + beside, [f"gpu{i}" for i in range(8)])
        assert found.waits == ("alike" if unless else "carried")
        said = whatif_verdict(found)
        assert said.startswith("who is slow cannot be told: these times include waiting")
        assert ("unless the hosts are equal" in said) == unless
        assert not any("workers wait" in line for line in facts(found))
    assert not study_load(own, [f"gpu{i}" for i in range(8)]).waits


@pytest.mark.parametrize(
    ("length", "workers", "few"),
    [(8, 4, "8 rounds are"), (job.FEWEST_ROUNDS, 4, ""), (1, 2, "1 round is"), (8, 1, "")],
)
def test_few_rounds_are_said_to_be_few(length: int, workers: int, few: str) -> None:
    """Of two workers, too; one worker waits for nobody."""
    table = 1 + np.random.default_rng(0).exponential(0.3, (length, workers))
    lines = [line for line in facts(study_load(table, "abcd"[:workers])) if " few: " in line]
    assert [line.split(" few")[0] for line in lines] == ([few] if few else [])


def spelled(steps: int = 300) -> tuple[FloatArray, list[list[int]]]:
    """24 hosts of which 3 is always 1.35 times as slow, and 7 is 1.7 times in three spells; a round
    before the second spell has a missing delay."""
    rng, runs = np.random.default_rng(77), [[31, 67], [120, 144], [211, 261]]
    table = 0.38 + rng.gamma(2.5, 0.022, (steps, 24))
    table[:, 3] *= 1.35
    for first, last in runs:
        table[first : last + 1, 7] *= 1.7
    table[100, 5] = np.inf
    return table, runs


def test_spells_are_named_with_their_rounds() -> None:
    """As the table names its rounds, though a round before is left out. Who is slow in spells is
    not lastingly slower, who always is has none, and nobody has where chance alone is."""
    table, runs = spelled()
    names = [f"h{i}" for i in range(24)]
    found = study_load(table, names)
    assert found.spells == {"h7": runs}
    assert found.hosts.set_index("host")["in_spells"].sum() == 1
    assert hosts(found, "factor")[[3, 7]] == pytest.approx([1.35, 1.0], abs=0.02)
    (said,) = (line for line in facts(found, np.arange(48200, 48500)) if "spells" in line)
    where = "48231 to 48267, 48320 to 48344, 48411 to 48461"
    assert said.startswith("host h7 is slow in spells (")
    assert said.endswith(f": rounds {where}")
    inside, outside = map(float, re.findall(r"([\d.]+) times (?:the round|outside)", said))
    assert (inside, outside) == pytest.approx((1.7, 1.0), abs=0.05)  # 113 rounds: 0.016 each
    assert [*np.isfinite(hosts(found, "spell_factor")).nonzero()[0]] == [7]
    more = [[270 + 5 * i, 271 + 5 * i] for i in range(4)]
    named = found.hosts.assign(host=["a0", "a1", "a2", *found.hosts["host"][3:]])
    many = replace(found, hosts=named, spells={f"a{i}": [*runs, *more] for i in range(5)})
    [line] = [line for line in facts(many) if "spells" in line]
    lines = re.split("; (?=host|slow in)", line)
    assert [line.split()[1] for line in lines] == ["a0", "a1", "a2", "in"]
    assert lines[0].endswith(", 211 to 261, 270 to 271, 275 to 276, 280 to 281 and 1 more")
    assert lines[3] == "slow in spells, too: a3, a4"
    assert not study_load(table[:, 8:], names[8:]).spells


@pytest.mark.parametrize("seed", range(3))
def test_a_lighter_round_does_not_end_a_spell(seed: int) -> None:
    """Delays vary by 15 %, so one in ten of the slow rounds is below the level of slow ones."""
    rng = np.random.default_rng(seed)
    table = 0.35 + rng.gamma(3, 0.04, (600, 20))
    runs = [[40, 57], [133, 149], [221, 235], [300, 319], [411, 424], [520, 536]]
    for first, last in runs:
        table[first : last + 1, 17] *= 1.9
    found = study_load(table, [f"h{i}" for i in range(20)])
    assert list(found.spells) == ["h17"]
    # An end may be off by a round that was as light as those beside it.
    np.testing.assert_allclose(found.spells["h17"], runs, atol=1)
    workers = judge_workers([table])
    assert workers is not None
    assert [*workers.spelled] == [17]
    # A round or two elsewhere are as long by chance, and spells of their own.
    assert 10 < workers.spell.value[17] < 18
    assert workers.slow.value[17] == pytest.approx(102 / 600, abs=0.006)


def test_causes_that_are_about_as_large_are_named_together() -> None:
    """Within 5 % of the largest."""
    found = study_load(TABLE, ("a", "b", "c"))
    parts = {"typical": 1.0, "workers": 2.0, "rounds": 1.91, "rest": 1.89, "step": 6.8}
    made = pd.DataFrame({"part": [*parts], "seconds": [*parts.values()]})
    assert largest_cause(replace(found, slowdown=made)) == (
        "workers",
        "34 % of the slowdown; about alike: rounds",
    )


# Stages of a step.


def stages_found(parts: dict[str, FloatArray]) -> Study:
    """A study of the rounds whose stages these are."""
    total = np.add.reduce([*parts.values()])
    return study_load(total, [f"gpu{i}" for i in range(total.shape[1])], stages=parts)


def slow_in(found: Study) -> dict[str, list[int]]:
    """The workers that stand out in each stage, of those in which some do."""
    slow = found.stages[found.stages["stands_out"]]
    return {str(stage): rows["worker"].tolist() for stage, rows in slow.groupby("stage")}


def test_who_ends_each_stage_by_hand() -> None:
    """The stages end after 1, 3 | 4, 4 | 6, 5 and 2, 1 | 2, 4 | 3, 5: the last 3, 4, 6 and 2, 4, 5.

    Catches sums of each stage's own maxima (3, 3, 2 and 2, 3, 1), which are more than the step.
    """
    parts = {
        "load": np.array([[1.0, 3.0], [2.0, 1.0]]),
        "back": np.array([[3.0, 1.0], [0.0, 3.0]]),
        "tail": np.array([[2.0, 1.0], [1.0, 1.0]]),
    }
    added, ends = zip(*stages_of(parts, np.array([[6.0, 5.0], [3.0, 5.0]])), strict=True)
    np.testing.assert_array_equal(added, [[3, 2], [1, 2], [2, 1]])
    # a tie is half a round of each
    np.testing.assert_array_equal(ends, [[0.5, 0.5], [0.25, 0.75], [0.5, 0.5]])
    (table,) = [stages_found(parts).stages]
    assert table["stage"].tolist() == ["load", "load", "back", "back", "tail", "tail"]
    assert table["seconds"].tolist() == [2.5, 2.5, 1.5, 1.5, 1.5, 1.5]
    assert table["share"].sum() / 2 == pytest.approx(1.0)
    assert table["mean"].tolist() == [1.5, 2.0, 1.5, 2.0, 1.5, 1.0]


@examples(100)
@given(
    hnp.arrays(
        np.float64,
        st.tuples(st.integers(1, 5), st.integers(1, 12), st.integers(1, 7)),
        elements=st.one_of(st.just(0.0), st.floats(1e-9, 1e6)),
    )
)
def test_what_stages_add_is_the_step_in_every_round(numbers: FloatArray) -> None:
    """Also with ties, stages of no time, and numbers of very different size."""
    parts = {f"stage {place}": part for place, part in enumerate(numbers)}
    added, ends = zip(*stages_of(parts, np.add.reduce(numbers)), strict=True)
    step = np.add.reduce(numbers).max(axis=1)
    assert (np.array(added) >= 0).all()
    np.testing.assert_allclose(np.sum(added, axis=0), step, rtol=1e-12, atol=0)
    for last in ends:
        assert np.isnan(last).all() or last.sum() == pytest.approx(1.0)


def planted(
    rounds_: int, workers: int, seed: int, **slow: tuple[int, float]
) -> dict[str, FloatArray]:
    """Stages of independent times; in some of them a worker is so many times as slow."""
    rng, typical = np.random.default_rng(seed), {"data": 1.0, "forward": 3.0, "backward": 6.0}
    parts = {
        name: seconds * rng.lognormal(0.0, 0.1, (rounds_, workers))
        for name, seconds in (typical | {"optimizer": 0.5}).items()
    }
    for name, (worker, times) in slow.items():
        parts[name][:, worker] *= times
    return parts


@pytest.mark.parametrize(("rounds_", "workers"), [(60, 4), (40, 8), (100, 30)])
def test_a_worker_is_named_for_the_stage_in_which_it_is_slow(rounds_: int, workers: int) -> None:
    """It is late, and so the last, in the stages that follow as well, but is not slow in these."""
    found = stages_found(planted(rounds_, workers, 1, backward=(3, 1.5)))
    assert slow_in(found) == {"backward": [3]}
    ends = found.stages[found.stages["worker"] == 3].set_index("stage")["ends"]
    assert ends["optimizer"] > 0.8 < ends["backward"]
    assert ends["forward"] < 0.6
    (said,) = (line for line in facts(found) if line.startswith("stages add up to the step: "))
    assert "; slow: host gpu3 in backward (" in said
    two = stages_found(planted(rounds_, workers, 2, data=(0, 3.0), backward=(1, 1.5)))
    assert slow_in(two) == {"data": [0], "backward": [1]}


def test_workers_that_are_alike_are_named_for_no_stage() -> None:
    """By chance a table of four stages has one named in 4 of 100; constant times have none."""
    named = [bool(slow_in(stages_found(planted(40, 6, seed)))) for seed in range(5)]
    assert sum(named) <= 1
    equal = {name: np.ones((30, 4)) for name in ("forward", "backward")}
    assert not slow_in(stages_found(equal))
    assert not [line for line in facts(stages_found(equal)) if "slow: host" in line]
    assert study_load(TABLE, ("a", "b", "c")).stages.empty


@pytest.mark.parametrize("tail", [0.0, 0.5])
def test_stages_tell_who_is_slow_where_steps_include_waiting(tail: float) -> None:
    """The last one is in the all-reduce for 0.2 s, and the others wait as well. It adds 0.2 s and
    nobody is slow in it; that steps include waiting is said, also if what follows it varies."""
    parts = planted(60, 8, 4, backward=(3, 1.5))
    optimizer = parts.pop("optimizer")
    own = np.add.reduce([*parts.values()])
    parts["sync"] = own.max(axis=1, keepdims=True) - own + 0.2
    found = stages_found(parts | ({"optimizer": tail * optimizer} if tail else {}))
    assert slow_in(found) == {"backward": [3]}
    sync = found.stages[found.stages["stage"] == "sync"]
    assert sync["ends"].isna().all()
    assert sync["seconds"].iloc[0] == pytest.approx(0.2)
    said = whatif_verdict(found)
    assert said.startswith("slow: host gpu3 in backward (")
    assert "these times include waiting for the slowest" in said
    blame = found.stages[found.stages["stage"] == "backward"].set_index("worker")["blame"]
    part = parts["backward"]
    assert blame.sum() == pytest.approx(np.mean(part.max(axis=1) - np.median(part, axis=1)))
    assert blame[3] > 0.8 * blame.sum()


def test_the_numbers_of_a_study_are_those_that_the_docs_promise() -> None:
    assert_told(
        "whatif.md",
        f"`hosts` (the first {study_module.LISTED_HOSTS})",
        f"`_low` and `_high` (the first {study_module.JUDGED_HOSTS})",
        f"in tables of fewer than {job.FEWEST_ROUNDS} rounds",
        f"if that is at least {answer.MATTERS:.0%}".replace("%", " %"),
        f"whose blame in a stage is at least {answer.MATTERS:.0%}".replace("%", " %"),
        f"makes blocks {({4.0: 'four'})[job.SPANS_PER_BLOCK]} times as long",
        "default 1, 2, 3, 5, and 1, 2, 5, 10 %",
    )


@pytest.mark.parametrize("count", [2, 5, 50])
def test_an_interval_of_few_blocks_is_students(count: int) -> None:
    """Of normal resampled means it is that of the mean: of the unbiased standard deviation, with
    count - 1 degrees of freedom."""
    drawn = Blocks(1, count, np.ones((1, count)))
    resampled = 3.0 + 0.5 * stats.norm.ppf((np.arange(4000) + 0.5) / 4000)
    low, high = drawn.interval(3.0, resampled)
    half = stats.t.ppf(0.975, count - 1) * 0.5 * np.sqrt(count / (count - 1))
    assert (3.0 - low, high - 3.0) == (pytest.approx(half, rel=2e-3), pytest.approx(half, rel=2e-3))
    assert np.isnan(Blocks(1, 1, np.ones((1, 1))).interval(3.0, resampled)).all()


@pytest.mark.parametrize(("slowest", "out"), [(145, [3]), (115, [])])
def test_a_host_stands_out_beside_each_of_the_others(slowest: int, out: list[int]) -> None:
    """By chance each of four is the slowest in 100 of 400 rounds, and hardly one in 130; of three,
    it would be in 133."""
    rest = np.arange(400 - slowest) % 3
    who = np.random.default_rng(0).permutation([*rest, *[3] * slowest])
    table = np.ones((400, 4))
    table[np.arange(400), who] = 2.0
    assert Job(table).standing_out() == out


def test_where_nobody_stays_slow_each_round_counts_for_itself() -> None:
    """Four of seven rounds are more than chance leaves one of sixty; two blocks of two are not."""
    table = np.ones((7, 60))
    table[:4, 5], table[4, 7], table[5, 8], table[6, 9] = 3.0, 2.0, 2.0, 2.0
    assert Job(table).standing_out() == [5]


def test_long_series_are_looked_at_in_means_of_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """The length is that of the means, in rounds; what is left over at the end does not count."""
    rng = np.random.default_rng(4)
    means = np.asarray(lfilter([1.0], [1.0, -0.9], rng.standard_normal(100)))
    known = block_length(means)
    monkeypatch.setattr("erasurehead.experiments.advice.statistics.series.FINEST", 110)
    series = np.append((means[:, None] + [-0.5, 0.0, 0.5]).ravel(), [99.0, -99.0])
    assert known > 1
    assert block_length(series) == 3 * known
