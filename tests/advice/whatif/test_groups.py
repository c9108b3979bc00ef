"""Hosts that are slow together: planted racks, what they save, and independent hosts. Speaks to the
groups that are found, as hundreds of tables are looked at."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import erasurehead as eh
from erasurehead.experiments.advice.statistics import groups, job
from erasurehead.plugins import FloatArray


def delays(rng: np.random.Generator, law: str, rounds: int, n: int) -> FloatArray:
    """Seconds of independent hosts that are alike."""
    return np.asarray(
        {
            "lognormal": lambda: rng.lognormal(0.0, 0.1, (rounds, n)),
            "gamma": lambda: 1.9 + rng.gamma(3, 0.1, (rounds, n)),
            "exponential": lambda: 0.2 + rng.exponential(0.05, (rounds, n)),
        }[law]()
    )


def with_a_rack(
    rng: np.random.Generator, table: FloatArray, rack: list[int], share: float, length: int
) -> tuple[FloatArray, float]:
    """The table with these hosts 1.8 to 2.5 times as slow in a share of the rounds, in spells of so
    many; and which share of a step that takes."""
    rounds, spells = len(table), max(1, round(share * len(table) / length))
    gaps = rng.multinomial(rounds - spells * length, np.ones(spells + 1) / (spells + 1))
    slow = table.copy()
    for first in np.cumsum(gaps[:-1]) + length * np.arange(spells):
        slow[first : first + length, rack] *= rng.uniform(1.8, 2.5)
    return slow, float(1 - table.max(axis=1).mean() / slow.max(axis=1).mean())


def planted(seed: int, tables: int, share: float, length: int) -> tuple[float, float]:
    """Of racks of 4 to 8 among 16 to 64 hosts, the share that is named host by host, and of those
    whose saving is within 10 % of the truth."""
    named, near = list[bool](), list[bool]()
    for place in range(tables):
        rng = np.random.default_rng([seed, place])
        n, rounds = int(rng.choice([16, 24, 32, 64])), int(rng.choice([200, 400, 600]))
        law = str(rng.choice(["lognormal", "gamma", "exponential"]))
        rack = sorted(rng.permutation(n)[: int(rng.integers(4, 8))].tolist())
        table, truth = with_a_rack(rng, delays(rng, law, rounds, n), rack, share, length)
        found = [each for each in groups.groups(job.Job(table)) if each.hosts.tolist() == rack]
        named.append(len(found) == 1)
        if found:
            saved = 1 - float(found[0].without(job.Job(table)).mean() / table.max(axis=1).mean())
            near.append(abs(saved / truth - 1) <= 0.1)
    return float(np.mean(named)), float(np.mean(near))


KINDS = [(0.2, 1), (0.2, 6), (0.2, 15), (0.05, 3), (0.1, 10)]


@pytest.mark.parametrize(("share", "length"), KINDS)
def test_a_rack_is_named_with_its_saving(share: float, length: int) -> None:
    """Also one that is slow in a fifth of the rounds, for a round or for many. Catches a count of
    slow hosts whose shares include the rack's own rounds: a fifth hides four hosts."""
    named, near = planted(1, 20, share, length)
    assert named >= 0.9
    assert near >= 0.95


@pytest.mark.slow
@pytest.mark.parametrize(("share", "length"), KINDS)
def test_racks_are_named_in_95_of_100_tables(share: float, length: int) -> None:
    named, near = planted(2, 200, share, length)
    assert named >= 0.95
    assert near >= 0.97


def spelled(rng: np.random.Generator, rounds: int, n: int) -> FloatArray:
    """Independent hosts that are twice as slow in spells, or wander, or have a heavy tail."""
    table, kind = delays(rng, "lognormal", rounds, n), rng.integers(3)
    if kind == 0:
        for host in range(n):
            for _ in range(rng.integers(0, 4)):
                length = int(rng.integers(2, rounds // 4))
                first = int(rng.integers(0, rounds - length))
                table[first : first + length, host] *= 2.0
    elif kind == 1:
        walk, memory = rng.standard_normal((rounds, n)), rng.choice([0.5, 0.9, 0.97])
        for t in range(1, rounds):
            walk[t] = memory * walk[t - 1] + np.sqrt(1 - memory**2) * walk[t]
        table = np.exp(0.15 * walk)
    else:
        table *= np.where(rng.random(table.shape) < 0.02, rng.pareto(1.2, table.shape) + 1, 1)
    return table * rng.lognormal(0.0, 0.2, (rounds, 1))


@pytest.mark.parametrize("tables", [60, pytest.param(1500, marks=pytest.mark.slow)])
def test_independent_hosts_are_no_group(tables: int) -> None:
    """In one table of a thousand; more than 1 of 60, or 6 of 1,500, have a chance of 2e-3 or less.
    Catches correlations whose error forgets spells: those of long ones overlap by chance."""
    false = 0
    for seed in range(tables):
        rng = np.random.default_rng([3, seed])
        false += bool(groups.groups(job.Job(spelled(rng, int(rng.choice([60, 120, 400])), 24))))
    assert false <= (1 if tables == 60 else 6)


def test_a_group_is_a_remedy_and_has_one_line() -> None:
    """Beside hosts with spells of their own; all spells of the group stand in the line."""
    rng, names = np.random.default_rng(8), [f"node-{j:02}" for j in range(24)]
    table = delays(rng, "gamma", 400, 24)
    table[:, 2] *= 1.2
    table[50:90, 20] *= 2.2
    table[190:240, 21] *= 2.2
    table[np.arange(400) % 50 == 0] *= 2.0
    slow, _ = with_a_rack(rng, table[:, :20], [*range(8, 14)], 0.15, 10)
    table[:, :20] = slow
    found = eh.whatif(pd.DataFrame(table, columns=names), unit="s")
    whole = groups.groups(job.Job(table))[0]
    mended = found.remedies.set_index("kind").loc["mend"]
    assert mended["text"] == "mend what node-08, node-09, ... (6 hosts) share"
    assert mended["seconds"] == pytest.approx(float(whole.without(job.Job(table)).mean()))
    assert mended["saves_low"] < mended["saves"] < mended["saves_high"]
    alone = eh.whatif(pd.DataFrame(slow, columns=names[:20]), unit="s")
    assert alone.verdict.startswith("Mend what node-08, node-09, ... (6 hosts) share: a ")
    [group] = [line for line in found.why if line.startswith("Slow together")]
    first = whole.spans[0]
    assert group.startswith(f"Slow together in rounds {first[0]} to {first[1]}, ")
    assert "6 hosts, node-08, node-09, node-10, node-11, node-12, node-13." in group


def racks_of(rng: np.random.Generator, n: int, size: int) -> dict[str, list[int]]:
    """All of n hosts, in their racks."""
    return {
        f"rack r{first // size}": part.tolist()
        for first, part in zip(
            range(0, n, size), np.split(rng.permutation(n), n // size), strict=True
        )
    }


@pytest.mark.parametrize("share", [1.0, 0.2])
def test_a_rack_that_the_table_names_is_slow_by_its_name(share: float) -> None:
    """Always or in a fifth of the rounds, beside a host that is always slow. Catches the slow
    state of a rack that is always slow, and racks that seem slow when another one is."""
    named, near, others = 0, 0, 0
    for place in range(20):
        rng = np.random.default_rng([6, place])
        n, size = [(16, 4), (24, 6), (32, 4), (64, 8)][place % 4]
        racks, law = racks_of(rng, n, size), ["lognormal", "gamma", "exponential"][place % 3]
        table, truth = delays(rng, law, 200, n), 0.0
        table[:, racks["rack r1"][0]] *= 2
        slow = table.copy()
        if share == 1:
            slow[:, racks["rack r0"]] *= rng.uniform(1.8, 2.5)
            truth = float(1 - table.max(axis=1).mean() / slow.max(axis=1).mean())
        else:
            slow, truth = with_a_rack(rng, table, racks["rack r0"], share, 6)
        found = {each.name: each for each in groups.named_groups(job.Job(slow), racks)}
        others += len({*found} - {"rack r0"})
        if "rack r0" in found:
            saved = 1 - found["rack r0"].without(job.Job(slow)).mean() / slow.max(axis=1).mean()
            named, near = named + 1, near + (abs(saved - truth) <= 0.1 * truth)
    assert named >= 19
    assert near >= 18
    assert others == 0


def test_racks_that_are_not_slow_are_not_named() -> None:
    """With one slow host in a rack, slow hosts of different racks, or a rack that is fast."""
    for place in range(30):
        rng = np.random.default_rng([9, place])
        racks, table = racks_of(rng, 24, 6), delays(rng, "lognormal", 200, 24)
        if place % 3 == 0:
            table[:, racks["rack r2"][0]] *= 3
        elif place % 3 == 1:
            table, _ = with_a_rack(rng, table, [hosts[0] for hosts in racks.values()], 0.2, 6)
        else:
            table[:, racks["rack r3"]] *= 0.6
        assert not groups.named_groups(job.Job(table), racks)


def test_a_column_names_the_group_that_is_mended(tmp_path: Path) -> None:
    """From the file to the verdict; hosts of a rack that is always slow need no pattern in time."""
    rng = np.random.default_rng(4)
    table = delays(rng, "gamma", 100, 12)
    table[:, 4:8] *= 1.5
    rows = [
        (f"h{j}", t, f"r{j // 4}", "eu" if j < 4 else "us", table[t, j])
        for t in range(100)
        for j in range(12)
    ]
    frame = pd.DataFrame(rows, columns=["host", "step", "rack", "zone", "seconds"])
    frame.to_csv(tmp_path / "t.csv", index=False)
    found = eh.whatif(tmp_path / "t.csv", unit="s")
    [line] = [line for line in found.why if line.startswith("Slow together")]
    assert line == "Slow together in all rounds: rack r1 (4 hosts, h4, h5, h6, h7)."
    assert found.verdict.startswith("Mend what the hosts of rack r1 share: ")
    assert not found.hosts["replace"].any(), "each of them is slow for one reason"
    typical = np.delete(table, [*range(4, 8)], axis=1)
    mended = found.remedies.set_index("kind").loc["mend"]
    assert mended["seconds"] == pytest.approx(typical.max(axis=1).mean(), rel=0.05)
    rows = found.remedies[found.remedies["text"].str.contains("in different racks")]
    assert len(rows), "groups of a code can lie across racks"


def test_a_group_without_what_it_shares_by_hand() -> None:
    """A run of five rounds has its own factor; shorter ones have that of all of them. What each
    host has of its own stays."""
    table = np.ones((20, 6))
    table[2:7, 3:] = 3.0
    table[10, 3:] = table[12, 3:] = 2.0
    table[4, 3] = 6.0
    slow = (table > 1).any(axis=1)
    beyond = np.log(np.median(table[:, 3:], axis=1))
    group = groups.Group(np.array([3, 4, 5]), slow, groups.shared(slow, beyond))
    assert group.spans.tolist() == [[2, 6], [10, 10], [12, 12]]
    expected = np.ones(20)
    expected[4] = 2.0
    np.testing.assert_allclose(group.without(job.Job(table)), expected)
    beyond[10] = np.log(4.0)
    group = groups.Group(group.hosts, slow, groups.shared(slow, beyond))
    expected[[10, 12]] = 2 / 8**0.5
    expected = np.maximum(expected, 1.0)
    np.testing.assert_allclose(group.without(job.Job(table)), expected)


def test_hosts_that_stand_out_for_one_reason_are_not_replaced() -> None:
    """What they share is mended; a host beside them has a reason of its own."""
    table = delays(np.random.default_rng(5), "lognormal", 300, 24)
    for first in (20, 90, 160, 230):
        table[first : first + 25, :3] *= 2.0
    found = eh.whatif(table)
    assert found.verdict.startswith("Mend what hosts 0, 1, ... (3 in all) share: ")
    assert not found.hosts["replace"].any()
    table[:, 3] *= 1.5
    replaced = eh.whatif(table).hosts
    assert replaced["host"][replaced["replace"]].tolist() == ["3"]
