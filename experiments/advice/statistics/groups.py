"""Hosts that are slow together, such as those of a rack: which they are, and in which rounds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from ....delay_models.base import FloatArray
from .job import Job
from .series import SPELL_CHANCE, likely_states, runs_of, spans

FEWEST_HOSTS = 3  # of a group; half of all at most
FEWEST_SLOW = 3  # rounds in which a group is slow
# Correlations of hosts count that are so many standard errors above 0, and hosts of a group that
# are slower in its rounds by so many.
CLEAR_ERRORS = 4.0


@dataclass(frozen=True, eq=False)
class Group:
    """Hosts that are slow together, and when."""

    hosts: NDArray[np.int64]
    slow: NDArray[np.bool_]  # ``(R,)``, the rounds in which they are
    beyond: FloatArray  # ``(R,)``, the logarithm of how many times as slow as the others, where so
    name: str = ""  # that the table gives it; empty: it was found by its delays

    @property
    def spans(self) -> NDArray[np.int64]:
        """The first and the last of each run of these rounds, ``(runs, 2)``."""
        return spans(runs_of(self.slow[:, None])[0])

    def without(self, job: Job) -> FloatArray:
        """``(R,)`` seconds of rounds without what the hosts share: they are divided by how many
        times as slow they are. What each has of its own stays."""
        rows, seconds = np.flatnonzero(self.slow), job.slowest.seconds[:, 0].copy()
        seconds[rows] = self.mended(job.table, rows).max(axis=1)
        return seconds

    def mended(self, table: FloatArray, rows: NDArray[np.int64]) -> FloatArray:
        """These rounds of ``(R, n)`` seconds, ``(rows, n)``, without what the hosts share."""
        kept = table[rows]
        kept[:, self.hosts] /= np.exp(self.beyond[rows])[:, None]
        return kept


def slow_together(
    job: Job, hosts: Sequence[str], named: Mapping[str, Sequence[str]]
) -> list[Group]:
    """The groups of a job's hosts: of those that a table names, if one of them can be told from the
    others (two hosts or more are in it, and outside of it), else found."""
    known = {name: j for j, name in enumerate(hosts)}
    racks = {rack: [known[h] for h in own if h in known] for rack, own in named.items()}
    told_apart = any(2 <= len(own) <= len(hosts) - 2 for own in racks.values())
    return named_groups(job, racks) if told_apart else groups(job)


def placed(
    slow: Sequence[Sequence[str]], hosts: Sequence[str], named: Mapping[str, Sequence[str]]
) -> NDArray[np.int64]:
    """The rack of each host, ``(n,)``: those that are ``slow`` in their order, then others that a
    table names, the smallest first (a zone holds racks), which share no host with one before. -1:
    in none. A host that two claim is in the first of them; where that leaves half of the other, or
    less, all are in none."""
    of_host, known = np.full(len(hosts), -1), {name: j for j, name in enumerate(hosts)}
    for rack, names in enumerate([*slow, *sorted(named.values(), key=len)]):
        own = np.array([known[name] for name in names if name in known], dtype=np.int64)
        free = own[of_host[own] < 0]
        if rack < len(slow) and 2 * len(free) <= len(own):
            return np.full(len(hosts), -1)
        if rack < len(slow) or 0 < len(own) == len(free):
            of_host[free] = of_host.max() + 1
    return of_host


def shared(slow: NDArray[np.bool_], beyond: FloatArray) -> FloatArray:
    """What hosts share, ``(R,)`` logarithms >= 0: the median of a run of slow rounds, or of all
    those of fewer than five together, of how far their own median is ``beyond`` in each round."""
    times, short = np.zeros(len(slow)), np.zeros(len(slow), dtype=bool)
    for first, last in spans(runs_of(slow[:, None])[0]):
        run = slice(first, last + 1)
        if last - first + 1 < 5:
            short[run] = True
        else:
            times[run] = np.median(beyond[run])
    if short.any():
        times[short] = np.median(beyond[short])
    return np.maximum(times, 0.0)


def named_groups(job: Job, named: Mapping[str, Sequence[int]]) -> list[Group]:
    """Of the groups of hosts that a table names, those that are slow: lastingly, by more than the
    hosts of a group and the others differ among themselves, or in spells, in which most of its
    hosts are slow with the others. The one that costs most is taken away, and the question is asked
    again of the others, which would seem to be fast whenever it is slow."""
    n, groups, left = job.table.shape[1], list[Group](), job
    free = {name: np.array(hosts) for name, hosts in named.items() if 2 <= len(hosts) <= n - 2}
    while free:
        logs = np.log(np.maximum(left.table, 1e-12))
        slow = (_if_slow(left, logs, name, hosts, len(named)) for name, hosts in free.items())
        ends = [(float(group.without(left).mean()), group) for group in slow if group is not None]
        least, most = min(ends, key=lambda end: end[0], default=(np.inf, None))
        if most is None or least >= left.table.max(axis=1).mean():
            break
        groups.append(most)
        del free[most.name]
        left = Job(most.mended(left.table, np.arange(len(logs))), job.most)
    return groups


def _if_slow(
    job: Job, logs: FloatArray, name: str, hosts: NDArray[np.int64], tried: int
) -> Group | None:
    """A group that has a name, if it is slow: what its hosts share then, beside the others."""
    ratios, own = _beside(logs, hosts)
    correlation, errors = _correlations(job, logs[:, hosts])
    np.fill_diagonal(correlation, 0.0)
    np.fill_diagonal(errors, 0.0)
    slow = np.zeros(len(own), dtype=bool)
    if _lower(correlation.sum(axis=0) / np.sqrt((errors**2).sum(axis=0)), axis=0) > CLEAR_ERRORS:
        state = _slow_state(own)
        slow = state if FEWEST_SLOW <= state.sum() <= len(own) - FEWEST_SLOW else slow
    usual = _slower(ratios[~slow], hosts, tried)
    always = float(np.median(own[~slow]))
    if usual > 0:
        return Group(hosts, np.ones_like(slow), np.where(slow, shared(slow, own), always), name)
    if not slow.any() or (usual < 0 and _slower(ratios[slow], hosts, tried) <= 0):
        return None  # or it is fast, but for rounds in which it is like the others
    return Group(hosts, slow, shared(slow, own - (0.0 if usual else always)), name)


def _slower(ratios: FloatArray, hosts: NDArray[np.int64], tried: int) -> int:
    """Whether most of some hosts of ``(R, n)`` logarithms are slower (1) or faster (-1) than the
    others by more than 1 %, and than hosts differ on either side, as chance has it in 1 of 1000
    tables."""
    means, n = ratios.mean(axis=0), ratios.shape[1]
    inside = np.isin(np.arange(n), hosts)
    middles = [float(np.median(means[side])) for side in (inside, ~inside)]
    apart = np.abs(means - np.where(inside, *middles))
    spread = 1.4826 * float(np.median(apart)) * np.sqrt(n / (n - 2))
    error = 1.2533 * spread * np.sqrt(1 / len(hosts) + 1 / (n - len(hosts)))  # of medians
    reach = max(0.01, -float(special.stdtrit(n - 2, SPELL_CHANCE / tried)) * error)
    ends = (_lower(sign * (means[inside] - middles[1]), axis=0) for sign in (1, -1))
    return next((sign for sign, end in zip((1, -1), ends, strict=True) if end > reach), 0)


def _lower(values: FloatArray, axis: int) -> FloatArray:
    """Medians, of an even number the smaller of the two in the middle: most are beyond it."""
    return np.asarray(np.quantile(values, 0.5, axis=axis, method="lower"))


def _beside(logs: FloatArray, hosts: NDArray[np.int64]) -> tuple[FloatArray, FloatArray]:
    """The ``(R, n)`` logarithms less the median of all but these hosts, and ``(R,)`` their own."""
    others = np.delete(np.arange(logs.shape[1]), hosts)
    ratios = logs - np.median(logs[:, others], axis=1, keepdims=True)
    return ratios, np.median(ratios[:, hosts], axis=1)


def _slow_state(own: FloatArray) -> NDArray[np.bool_]:
    first = own > (own.max() + float(np.median(own))) / 2
    return likely_states(own, first) if first.any() and not first.all() else first


def groups(job: Job) -> list[Group]:
    """The groups of a job, each once: hosts whose delays are correlated. Who belongs to a group is
    who is slower in its rounds, by half of what is typical of it at least; its rounds are the slow
    state of its hosts' median over that of the others. So neither depends on how clearly a single
    host is slow in a single round."""
    logs = np.log(np.maximum(job.table, 1e-12))
    settled = list[Group]()
    for hosts in _correlated(job, logs):
        if not any(_alike(hosts, group.hosts) for group in settled):
            group = _settled(logs, hosts)
            if group is not None and not any(_alike(group.hosts, g.hosts) for g in settled):
                settled.append(group)
    return settled


def _alike(some: NDArray[np.int64], others: NDArray[np.int64]) -> bool:
    return 2 * len(np.intersect1d(some, others)) >= len(np.union1d(some, others))


def _settled(logs: FloatArray, hosts: NDArray[np.int64]) -> Group | None:
    """The group that these hosts of ``(R, n)`` logarithms are in: four times by turns its rounds by
    its hosts, and its hosts by its rounds, of which it is slow in half at most."""
    before = hosts[:0]
    for turn in range(5):
        if not FEWEST_HOSTS <= len(hosts) <= logs.shape[1] / 2:
            return None
        if turn == 4 or np.array_equal(hosts, before):
            break
        ratios, own = _beside(logs, hosts)
        slow = _slow_state(own)
        many = int(np.count_nonzero(slow))
        if not FEWEST_SLOW <= many <= 0.5 * len(slow):
            return None
        more = ratios[slow].mean(axis=0) - ratios[~slow].mean(axis=0)
        errors = ratios[slow].var(axis=0) / many + ratios[~slow].var(axis=0) / (len(slow) - many)
        before, typical = hosts, float(np.median(more[hosts]))
        hosts = np.flatnonzero((more > typical / 2) & (more > CLEAR_ERRORS * np.sqrt(errors)))
    return Group(hosts, slow, shared(slow, own - np.median(own[~slow])))


def _correlated(job: Job, logs: FloatArray) -> Iterator[NDArray[np.int64]]:
    """Sets of hosts that are linked by clear correlations, of the thousand most to blame."""
    chosen = np.sort(np.argsort(-job.blame, kind="stable")[:1000])
    correlation, errors = _correlations(job, logs[:, chosen])
    linked = correlation > CLEAR_ERRORS * errors
    before, first = None, np.arange(len(chosen))  # of the set, as far as links are followed
    while before is None or (first != before).any():
        before, first = first, np.minimum(first, np.where(linked, first, len(chosen)).min(axis=1))
    for label in np.unique(first):
        yield chosen[first == label]


def _correlations(job: Job, logs: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Correlations of ``(R, m)`` logarithms of delays and their errors, ``(m, m)`` each. What is
    common to a round is taken out first, and no single delay counts for much; of more than 5000
    rounds, means of runs are compared. Slow spells of
    independent hosts overlap by chance, the more the longer they are: the error is that of two
    series with these autocorrelations. Source: Bartlett, J. R. Stat. Soc. Suppl. 8 (1946)."""
    run = -(-len(logs) // 5000)
    values = (logs - np.log(job.medians)[:, None])[: len(logs) // run * run]
    values = values.reshape(-1, run, logs.shape[1]).mean(axis=1)
    values -= np.median(values, axis=0)
    values /= np.maximum(1.4826 * np.median(np.abs(values), axis=0), 1e-9)
    values = np.clip(values, -5.0, 5.0)
    values -= values.mean(axis=0)
    values /= np.maximum(values.std(axis=0), 1e-12)
    rounds, lags = len(values), max(1, int(0.25 * len(values)))
    spectrum = np.fft.rfft(values, 1 << (2 * rounds - 1).bit_length(), axis=0)
    before = np.fft.irfft(np.abs(spectrum) ** 2, axis=0)[:lags] / rounds
    weights = 2 * (1 - np.arange(lags) / lags)
    weights[0] = 1.0
    errors = np.sqrt(np.maximum((before * weights[:, None]).T @ before, 1.0) / rounds)
    return values.T @ values / rounds, errors
