"""Hosts that are slow together, such as those of a rack: which they are, and in which rounds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.csgraph import connected_components

from ...delay_models.base import FloatArray
from .job import Job
from .spells import likely_states, runs_of

# A group has so many hosts at least and half of all at most. It is slow in so many rounds at least
# and in half of all at most.
FEWEST, LASTS, MOSTLY = 3, 3, 0.5
FAR = 5.0  # robust standard deviations from which on a delay is as far off as any
# Correlations of hosts count that are so many standard errors above 0, and hosts of a group that
# are slower in its rounds by so many.
CLEAR = 4.0
REACH = 0.25  # share of the rounds up to which hosts are compared with themselves, some rounds ago
MOST_HOSTS, MOST_ROUNDS = 1000, 5000  # compared: those to blame most; of more rounds, means of runs
SHORT = 5  # spells of fewer rounds have one factor together
TRIES = 4  # to find a group's hosts by its rounds, and its rounds by its hosts


@dataclass(frozen=True, eq=False)
class Group:
    """Hosts that are slow together, and when."""

    hosts: NDArray[np.int64]
    slow: NDArray[np.bool_]  # ``(R,)``, the rounds in which they are
    # ``(R,)``, the logarithm of their median over that of the others, less what it usually is
    beyond: FloatArray

    @property
    def spans(self) -> NDArray[np.int64]:
        """The first and the last of each run of these rounds, ``(runs, 2)``."""
        first, many = runs_of(self.slow[:, None])[0]
        return np.stack([first, first + many - 1], axis=1)

    def without(self, job: Job) -> FloatArray:
        """``(R,)`` seconds of rounds without what the hosts share: they are divided by how many
        times as slow they are in a run, or in all short ones. What each has of its own stays."""
        times, short = np.zeros(len(self.slow)), np.zeros(len(self.slow), dtype=bool)
        for first, last in self.spans:
            run = slice(first, last + 1)
            if last - first + 1 < SHORT:
                short[run] = True
            else:
                times[run] = np.median(self.beyond[run])
        if short.any():
            times[short] = np.median(self.beyond[short])
        rows, seconds = np.flatnonzero(self.slow), job.slowest.seconds[:, 0].copy()
        table = job.table[rows]
        table[:, self.hosts] /= np.exp(np.maximum(times[rows], 0.0))[:, None]
        seconds[rows] = table.max(axis=1)
        return seconds


def groups(job: Job) -> list[Group]:
    """The groups of a job, each once: hosts whose delays are correlated. Who belongs to a group is
    who is slower in its rounds, by half of what is typical of it at least; its rounds are the slow
    state of its hosts' median over that of the others. So neither depends on how clearly a single
    host is slow in a single round."""
    logs = np.log(np.maximum(job.table, 1e-12))
    found = list[Group]()
    for hosts in _correlated(job, logs):
        if not any(_alike(hosts, each.hosts) for each in found):
            group = _settled(logs, hosts)
            if group is not None and not any(_alike(group.hosts, each.hosts) for each in found):
                found.append(group)
    return found


def _alike(one: NDArray[np.int64], other: NDArray[np.int64]) -> bool:
    return 2 * len(np.intersect1d(one, other)) >= len(np.union1d(one, other))


def _few(hosts: NDArray[np.int64], workers: int) -> bool:
    return FEWEST <= len(hosts) <= workers / 2


def _settled(logs: FloatArray, hosts: NDArray[np.int64]) -> Group | None:
    """The group that these hosts of ``(R, n)`` logarithms are in, by turns its rounds and hosts."""
    n = logs.shape[1]
    for _ in range(TRIES):
        if not _few(hosts, n):
            return None
        others = np.delete(np.arange(n), hosts)
        ratios = logs - np.median(logs[:, others], axis=1, keepdims=True)
        own = np.median(ratios[:, hosts], axis=1)
        usual = float(np.median(own))
        first = own > (own.max() + usual) / 2
        slow = likely_states(own, first) if first.any() and not first.all() else first
        many = int(np.count_nonzero(slow))
        if not LASTS <= many <= MOSTLY * len(slow):
            return None
        more = ratios[slow].mean(axis=0) - ratios[~slow].mean(axis=0)
        errors = ratios[slow].var(axis=0) / many + ratios[~slow].var(axis=0) / (len(slow) - many)
        before = hosts
        typical = float(np.median(more[hosts]))
        hosts = np.flatnonzero((more > typical / 2) & (more > CLEAR * np.sqrt(errors)))
        if np.array_equal(hosts, before):
            break
    return Group(hosts, slow, own - np.median(own[~slow])) if _few(hosts, n) else None


def _correlated(job: Job, logs: FloatArray) -> Iterator[NDArray[np.int64]]:
    """Sets of hosts that are linked by clear correlations. What is common to a round is taken out
    first, and no single delay counts for much. Slow spells of independent hosts overlap by chance,
    the more the longer they are: the error is that of two series with these autocorrelations.
    Source: Bartlett, J. R. Stat. Soc. Suppl. 8 (1946)."""
    chosen = np.sort(np.argsort(-job.blame, kind="stable")[:MOST_HOSTS])
    run = -(-len(logs) // MOST_ROUNDS)
    part = (logs[:, chosen] - np.log(job.medians)[:, None])[: len(logs) // run * run]
    part = part.reshape(-1, run, len(chosen)).mean(axis=1)
    part -= np.median(part, axis=0)
    part /= np.maximum(1.4826 * np.median(np.abs(part), axis=0), 1e-9)
    part = np.clip(part, -FAR, FAR)
    part -= part.mean(axis=0)
    part /= np.maximum(part.std(axis=0), 1e-12)
    rounds, lags = len(part), max(1, int(REACH * len(part)))
    spectrum = np.fft.rfft(part, 1 << (2 * rounds - 1).bit_length(), axis=0)
    before = np.fft.irfft(np.abs(spectrum) ** 2, axis=0)[:lags] / rounds
    weights = 2 * (1 - np.arange(lags) / lags)
    weights[0] = 1.0
    errors = np.sqrt(np.maximum((before * weights[:, None]).T @ before, 1.0) / rounds)
    count, sets = connected_components(part.T @ part / rounds > CLEAR * errors, directed=False)
    for each in range(count):
        yield chosen[sets == each]
