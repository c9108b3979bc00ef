"""Tables of measured rounds whose truth is known, each made by a pure function of a generator.

A *kind* plants who is to be replaced: those who are still slow at the end, and not those whose one
or two spells have ended. A *process* can be measured again: its fresh rounds come from the hosts
of its measured ones."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy import signal

import erasurehead as eh
from erasurehead import delays, load_laws, schemes
from erasurehead.plugins import FloatArray

SPREAD = 0.15  # of a task's logarithm
Rng = np.random.Generator


def names(hosts: int) -> list[str]:
    return [f"h{host:02}" for host in range(hosts)]


def answered(rounds: FloatArray) -> eh.WhatIf:
    return eh.whatif(pd.DataFrame(rounds, columns=names(rounds.shape[1])), unit="s")


def replaced(answer: eh.WhatIf) -> list[int]:
    """The hosts that are to be replaced, those to blame most first."""
    hosts = answer.hosts[answer.hosts["replace"]].sort_values("blame", ascending=False)
    return [int(host) for host in hosts["worker"]]


def simulated(
    scheme: schemes.SchemeFamily, rounds: FloatArray, law: load_laws.LoadLaw
) -> eh.Simulation:
    """``simulate`` of a scheme on some rounds, in their order."""
    count, workers = rounds.shape
    with TemporaryDirectory() as folder:
        np.savez(path := Path(folder) / "rounds.npz", delays=rounds)
        replayed = delays.MeasuredTrace(path=str(path), unit="s")
        return eh.simulate(scheme, replayed, workers=workers, iterations=count, load_law=law)


def steps_for_all(found: eh.Simulation) -> float:
    """How many steps have as much of everybody's data as one of all gradients."""
    weights = found.weights[0]
    with np.errstate(divide="ignore", invalid="ignore"):
        needed = (weights**2).mean(axis=0) / weights.mean(axis=0) ** 2
    return float(np.nan_to_num(needed, nan=np.inf).mean())


# Who is to be replaced.


class Planted(NamedTuple):
    """A table, and who is to be replaced."""

    rounds: FloatArray
    replace: Sequence[int]


def alike(rng: Rng, rounds: int, hosts: int) -> FloatArray:
    """Hosts that differ by chance alone, in rounds that do."""
    own = rng.lognormal(0.0, SPREAD, (rounds, hosts))
    return np.asarray(own * rng.lognormal(0.0, 0.03, (rounds, 1)))


def wandering(rng: Rng, rounds: int, hosts: int, span: float, spread: float) -> FloatArray:
    """Factors of hosts that stay slow or fast for about ``span`` rounds."""
    stays = np.exp(-1 / span)
    noise = rng.normal(0.0, spread * np.sqrt(1 - stays**2), (rounds, hosts))
    noise[0] = rng.normal(0.0, spread, hosts)
    return np.asarray(np.exp(signal.lfilter([1.0], [1.0, -stays], noise, axis=0)))


def _some_hosts(rng: Rng) -> int:
    return int(rng.integers(12, 25))


def _with_one(rng: Rng) -> tuple[FloatArray, int]:
    """400 rounds of hosts that are alike, and one of these."""
    seconds = alike(rng, 400, _some_hosts(rng))
    return seconds, int(rng.integers(seconds.shape[1]))


def _two(rng: Rng, hosts: int) -> Sequence[int]:
    return [int(host) for host in rng.choice(hosts, 2, replace=False)]


def nobody(rng: Rng, rounds: int = 400) -> Planted:
    return Planted(alike(rng, rounds, _some_hosts(rng)), [])


def one_always(
    rng: Rng, rounds: int = 400, least: float = 1.3, most: float = 2.0, first: float = 0.0
) -> Planted:
    """One host takes longer, from a share of the rounds on."""
    seconds = alike(rng, rounds, _some_hosts(rng))
    host = int(rng.integers(seconds.shape[1]))
    seconds[round(first * rounds) :, host] *= rng.uniform(least, most)
    return Planted(seconds, [host])


def two_always(rng: Rng) -> Planted:
    seconds = alike(rng, 400, _some_hosts(rng))
    hosts = _two(rng, seconds.shape[1])
    seconds[:, hosts] *= rng.uniform(1.3, 2.0, 2)
    return Planted(seconds, sorted(hosts))


def _spell(rng: Rng, seconds: FloatArray, host: int, first: float, last: float) -> None:
    """Between two shares of the rounds a host is slow in 20 to 60 of them."""
    length = int(rng.integers(20, 61))
    begin = int(rng.integers(round(first * len(seconds)), round(last * len(seconds)) - length))
    seconds[begin : begin + length, host] *= rng.uniform(1.7, 3.0)


def past_spell(rng: Rng) -> Planted:
    seconds, host = _with_one(rng)
    _spell(rng, seconds, host, 0.0, 0.9)
    return Planted(seconds, [])


def two_past_spells(rng: Rng) -> Planted:
    """Of one host."""
    seconds, host = _with_one(rng)
    _spell(rng, seconds, host, 0.0, 0.4)
    _spell(rng, seconds, host, 0.5, 0.9)
    return Planted(seconds, [])


def past_spells_of_two(rng: Rng) -> Planted:
    """Each of two hosts has one."""
    seconds = alike(rng, 400, _some_hosts(rng))
    for host in _two(rng, seconds.shape[1]):
        _spell(rng, seconds, host, 0.0, 0.9)
    return Planted(seconds, [])


def since_the_last(rng: Rng) -> Planted:
    """Slow in the last 5 % of the rounds."""
    return one_always(rng, least=1.8, most=3.0, first=0.95)


def many_spells(rng: Rng) -> Planted:
    """A host is slow for 12 to 25 rounds of every 50 to 80."""
    seconds, host = _with_one(rng)
    times = rng.uniform(1.7, 2.5)
    begin = int(rng.integers(10, 50))
    while begin < len(seconds):
        seconds[begin : begin + int(rng.integers(12, 26)), host] *= times
        begin += int(rng.integers(50, 81))
    return Planted(seconds, [host])


def beside_a_spell(rng: Rng) -> Planted:
    """One is always slow, another was once."""
    seconds = alike(rng, 400, _some_hosts(rng))
    always, once = _two(rng, seconds.shape[1])
    seconds[:, always] *= rng.uniform(1.3, 1.8)
    _spell(rng, seconds, once, 0.0, 0.9)
    return Planted(seconds, [always])


def repaired(rng: Rng, end: float | None = None) -> Planted:
    """Slow until about half of the rounds."""
    seconds, host = _with_one(rng)
    last = rng.uniform(0.4, 0.7) if end is None else end
    seconds[: round(last * len(seconds)), host] *= rng.uniform(1.4, 2.0)
    return Planted(seconds, [])


def warming_up(rng: Rng) -> Planted:
    """Slow in the first 5 % of the rounds."""
    return repaired(rng, end=0.05)


def in_turn(rng: Rng) -> Planted:
    """Two hosts on one power feed are slow in turn, for 30 to 50 rounds each."""
    seconds = alike(rng, 400, _some_hosts(rng))
    hosts = _two(rng, seconds.shape[1])
    turns = np.arange(400) // int(rng.integers(30, 51)) % 2
    for turn, host in enumerate(hosts):
        seconds[turns == turn, host] *= rng.uniform(1.5, 2.0)
    return Planted(seconds, hosts)


def cooling_down(rng: Rng) -> Planted:
    """Slow in the first rounds, less and less."""
    seconds, host = _with_one(rng)
    seconds[:, host] *= 1 + rng.uniform(0.6, 1.2) * np.exp(-np.arange(400) / rng.uniform(15, 40))
    return Planted(seconds, [])


def rare_spikes(rng: Rng) -> Planted:
    seconds = alike(rng, 400, _some_hosts(rng))
    seconds[rng.random(seconds.shape) < 0.01] *= 4.0
    return Planted(seconds, [])


def slow_now_and_then(rng: Rng) -> Planted:
    """One host is slow in a tenth of the rounds, which have nothing to do with each other."""
    seconds, host = _with_one(rng)
    seconds[rng.random(len(seconds)) < 0.1, host] *= rng.uniform(2.0, 3.0)
    return Planted(seconds, [host])


def heavy_tails(rng: Rng) -> Planted:
    """One always slow host, where tasks of all have heavy tails."""
    seconds = 1 + 0.2 * rng.pareto(2.5, (400, _some_hosts(rng)))
    host = int(rng.integers(seconds.shape[1]))
    seconds[:, host] *= rng.uniform(1.5, 2.0)
    return Planted(seconds, [host])


def drifting(rng: Rng) -> Planted:
    """A host becomes slower all the time."""
    seconds, host = _with_one(rng)
    seconds[:, host] *= np.linspace(1.0, rng.uniform(1.8, 2.5), len(seconds))
    return Planted(seconds, [host])


def a_rack(rng: Rng) -> Planted:
    """Four hosts are slow together in a seventh of the rounds."""
    seconds = alike(rng, 400, _some_hosts(rng))
    seconds[np.ix_(rng.random(len(seconds)) < 0.15, [2, 3, 4, 5])] *= 2.0
    return Planted(seconds, [])


def all_wander(rng: Rng) -> Planted:
    """All hosts are slow for some rounds and fast for some."""
    hosts = _some_hosts(rng)
    return Planted(alike(rng, 400, hosts) * wandering(rng, 400, hosts, 15.0, 0.15), [])


def some_fast(rng: Rng) -> Planted:
    """Three hosts are faster than the others."""
    seconds = alike(rng, 400, _some_hosts(rng))
    seconds[:, rng.choice(seconds.shape[1], 3, replace=False)] *= 0.7
    return Planted(seconds, [])


def among_wandering(rng: Rng) -> Planted:
    """One always slow host among hosts that wander."""
    hosts = _some_hosts(rng)
    seconds = alike(rng, 400, hosts) * wandering(rng, 400, hosts, 15.0, 0.15)
    host = int(rng.integers(hosts))
    seconds[:, host] *= rng.uniform(1.5, 2.0)
    return Planted(seconds, [host])


def always_and_worse_once(rng: Rng) -> Planted:
    """A host is always slow, and slower in a spell that has ended."""
    seconds, host = _with_one(rng)
    seconds[:, host] *= rng.uniform(1.3, 1.6)
    _spell(rng, seconds, host, 0.0, 0.9)
    return Planted(seconds, [host])


def past_spell_now_and_then(rng: Rng) -> Planted:
    """A host is slow in a tenth of the rounds, and was slow in a spell."""
    seconds, [host] = slow_now_and_then(rng)
    _spell(rng, seconds, host, 0.0, 0.9)
    return Planted(seconds, [host])


def short_spells(rng: Rng) -> Planted:
    """A host is slow for 3 to 6 rounds, every 25 to 50."""
    seconds, host = _with_one(rng)
    times = rng.uniform(1.8, 3.0)
    begin = int(rng.integers(10, 40))
    while begin < len(seconds):
        seconds[begin : begin + int(rng.integers(3, 7)), host] *= times
        begin += int(rng.integers(25, 51))
    return Planted(seconds, [host])


KINDS: Mapping[str, Callable[[Rng], Planted]] = {
    "nobody slow": nobody,
    "one always": one_always,
    "two always": two_always,
    "a past spell": past_spell,
    "two past spells": two_past_spells,
    "past spells of two hosts": past_spells_of_two,
    "since the last 5 %": since_the_last,
    "many spells": many_spells,
    "one always, beside a past spell": beside_a_spell,
    "repaired half way": repaired,
    "rare spikes": rare_spikes,
    "8 rounds, one slow": lambda rng: one_always(rng, 8, 2.0, 3.0),
    "8 rounds, nobody slow": lambda rng: nobody(rng, 8),
    "30 rounds, one slow": lambda rng: one_always(rng, 30, 1.6, 2.0),
    "30 rounds, nobody slow": lambda rng: nobody(rng, 30),
    "slow now and then": slow_now_and_then,
    "one always, heavy tails": heavy_tails,
    "a drifting host": drifting,
    "all wander": all_wander,
    "three fast hosts": some_fast,
    "slow in the first 5 %": warming_up,
    "cooling down": cooling_down,
    "two in turn": in_turn,
    "always, among wandering": among_wandering,
    "always, and worse once": always_and_worse_once,
    "now and then, and worse once": past_spell_now_and_then,
    "short spells": short_spells,
    "a rack together": a_rack,
}


# What is best on fresh rounds.


class Measured(NamedTuple):
    """Rounds of a process, and what they would have been without what a rack shares."""

    rounds: FloatArray
    mended: FloatArray


Process = Callable[[Rng, int], Measured]
"""Rounds of hosts that are known, so many of them."""


def _alone(rounds: FloatArray) -> Measured:
    return Measured(rounds, rounds)


def in_spells(rng: Rng, rounds: int, hosts: int, often: float, span: float) -> FloatArray:
    """Which hosts are in a spell, ``(rounds, hosts)``: a share of the rounds, about ``span``
    rounds each."""
    slow = rng.random(hosts) < often
    spells = np.empty((rounds, hosts), dtype=np.bool_)
    for row in range(rounds):
        chance = rng.random(hosts)
        slow = np.where(slow, chance >= 1 / span, chance < often / (1 - often) / span)
        spells[row] = slow
    return spells


def slow_host_process(rng: Rng, hosts: int) -> Process:
    host = int(rng.integers(hosts))
    times = rng.uniform(1.4, 1.8)
    factors = np.where(np.arange(hosts) == host, times, 1.0)
    return lambda own, rounds: _alone(alike(own, rounds, hosts) * factors)


def weak_hosts_process(rng: Rng, hosts: int) -> Process:
    """All hosts differ, some more than others."""
    factors = rng.lognormal(0.0, 0.15, hosts)
    return lambda own, rounds: _alone(alike(own, rounds, hosts) * factors)


def spells_process(rng: Rng, hosts: int) -> Process:
    """Two hosts are slow in spells of 20 rounds, a fifth of the time."""
    two = _two(rng, hosts)
    times = rng.uniform(1.8, 2.5)

    def measured(own: Rng, rounds: int) -> Measured:
        seconds = alike(own, rounds, hosts)
        seconds[:, two] *= np.where(in_spells(own, rounds, 2, 0.2, 20.0), times, 1.0)
        return _alone(seconds)

    return measured


def clumps_process(rng: Rng, hosts: int) -> Process:
    """All hosts wander, for ten rounds or so."""
    span = rng.uniform(6.0, 14.0)
    spread = rng.uniform(0.15, 0.25)
    return lambda own, rounds: _alone(
        alike(own, rounds, hosts) * wandering(own, rounds, hosts, span, spread)
    )


def rack_process(rng: Rng, hosts: int) -> Process:
    """Four hosts are slow together in 15 % of the rounds."""
    rack = rng.choice(hosts, 4, replace=False)
    times = rng.uniform(1.6, 2.2)

    def measured(own: Rng, rounds: int) -> Measured:
        mended = alike(own, rounds, hosts)
        seconds = mended.copy()
        seconds[:, rack] *= np.where(in_spells(own, rounds, 1, 0.15, 3.0), times, 1.0)
        return Measured(seconds, mended)

    return measured


def checkpoints_process(rng: Rng, hosts: int) -> Process:
    """Every 25th round is slow for all."""
    times = rng.uniform(2.0, 4.0)

    def measured(own: Rng, rounds: int) -> Measured:
        seconds = alike(own, rounds, hosts)
        seconds[24::25] *= times
        return _alone(seconds)

    return measured


def heavy_tails_process(rng: Rng, hosts: int) -> Process:
    index = rng.uniform(2.2, 3.0)
    return lambda own, rounds: _alone(1 + 0.2 * own.pareto(index, (rounds, hosts)))


def spikes_process(rng: Rng, hosts: int) -> Process:
    often = rng.uniform(0.003, 0.01)
    times = rng.uniform(3.0, 5.0)

    def measured(own: Rng, rounds: int) -> Measured:
        seconds = alike(own, rounds, hosts)
        seconds[own.random(seconds.shape) < often] *= times
        return _alone(seconds)

    return measured


PROCESSES: Mapping[str, Callable[[Rng, int], Process]] = {
    "a slow host": slow_host_process,
    "weak hosts": weak_hosts_process,
    "spells": spells_process,
    "clumps": clumps_process,
    "a rack": rack_process,
    "checkpoints": checkpoints_process,
    "heavy tails": heavy_tails_process,
    "rare spikes": spikes_process,
}


@dataclass(frozen=True, eq=False)
class FreshRounds:
    """Fresh rounds of a process whose measured rounds were answered."""

    answer: eh.WhatIf
    measured: FloatArray
    fresh: Measured

    def seconds_for_all(self, row: Mapping[str, Any]) -> float:
        """Seconds of one step's data of everybody on fresh rounds, for a row of the answer's list
        with the parameters that its text says; tasks with more parts take as many times as long."""
        hosts = self.measured.shape[1]
        text = str(row["text"])
        digits = re.sub(r"\bh\d\d\b", "", text)
        numbers = [float(number) for number in re.findall(r"\d+\.?\d*(?:e[-+]\d+)?", digits)]
        rounds = self.fresh.rounds
        scheme: schemes.SchemeFamily = schemes.Uncoded()
        law: Any = load_laws.PartlyProportional(fixed=1.0)
        match row["kind"]:
            case "today":
                pass
            case "replace":
                rounds = self._replaced(int(row["hosts"]))
            case "replace and wait":
                rounds = self._replaced(int(row["hosts"]))
                scheme = schemes.IgnoreStragglers(wait_for=int(numbers[-2]))
            case "drop":
                named = re.search(r"\((\d+) ", text)
                count = int(named[1]) if named else len(re.findall(r"\bh\d\d\b", text))
                left = np.delete(rounds, replaced(self.answer)[:count], axis=1)
                rounds = left * hosts / (hosts - count)
            case "rebalance":
                speeds = 1 / self.measured.mean(axis=0)
                rounds = rounds * (hosts * speeds / speeds.sum())
            case "mend":
                rounds = self.fresh.mended
            case "backup":
                rounds = np.minimum(rounds, numbers[0] + np.median(rounds, axis=1)[:, None])
            case "code" if text.startswith("repeat"):
                scheme = schemes.FractionalRepetition(load=int(row["load"]))
            case "code":
                scheme = schemes.CyclicMdsCode(load=int(row["load"]))
            case "erasurehead":
                scheme = schemes.ErasureHead(load=int(row["load"]), wait_for=int(numbers[-2]))
            case "wait":
                scheme = schemes.IgnoreStragglers(wait_for=int(numbers[0]))
            case "deadline":
                scheme = schemes.IgnoreStragglers(wait_for=hosts, deadline=numbers[0])
            case "grace":
                scheme = schemes.IgnoreStragglers(wait_for=int(numbers[0]), grace=numbers[2])
            case "drop compute":
                scheme = schemes.DropCompute(pieces=int(numbers[1]), patience=numbers[0])
                law = load_laws.Proportional()
            case kind:
                raise AssertionError(kind)
        outcome = simulated(scheme, rounds, law)
        steps = 1.0 if row["exact"] else steps_for_all(outcome)
        return float(row["load"] * outcome.times[0, -1] / len(rounds) * steps)

    def _replaced(self, count: int) -> FloatArray:
        hosts = replaced(self.answer)[:count]
        rounds = self.fresh.rounds.copy()
        others = np.delete(rounds, hosts, axis=1)
        rounds[:, hosts] = np.median(others, axis=1)[:, None]
        return rounds

    def regret(self, exact: bool) -> float:
        """How much longer the best row of a block takes on fresh rounds than the one that is the
        best there, as a share; with fewer gradients, for as much of everybody's data."""
        rows = self.answer.remedies[self.answer.remedies["exact"] == exact]
        times = [self.seconds_for_all(row.to_dict()) for _, row in rows.iterrows()]
        return times[0] / min(times) - 1


def asked(kind: str, seed: int, measured: int = 400, fresh: int = 4000) -> FreshRounds:
    """The answer to measured rounds of a process, beside fresh ones."""
    process_rng, measured_rng, fresh_rng = np.random.default_rng(
        [seed, [*PROCESSES].index(kind)]
    ).spawn(3)
    process = PROCESSES[kind](process_rng, int(process_rng.integers(16, 25)))
    rounds = process(measured_rng, measured).rounds
    return FreshRounds(answered(rounds), rounds, process(fresh_rng, fresh))


def table_of(kind: str, seed: int) -> Planted:
    """A table of a kind."""
    return KINDS[kind](np.random.default_rng([seed, [*KINDS].index(kind)]))
