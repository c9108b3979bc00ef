"""Runs that stop listening before everybody was heard, with laws and stops that tests know; and
files of them, as ErasureHead's authors' programs write them (the format is a fact, the code is
ours)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from erasurehead.delay_models.measured.listening import Listening, began_on_time
from erasurehead.delay_models.measured.measured import MeasuredDelays
from erasurehead.plugins import FloatArray

NOT_HEARD = -1.0


@dataclass(frozen=True)
class CutRun:
    """Measured rounds: ``seconds`` ``(rounds, n)``, infinite where a worker was not heard; the
    moment ``(rounds,)`` at which each round stopped listening; and whether a worker that was not
    heard begins the next round late."""

    seconds: FloatArray
    ends: FloatArray
    is_queued: bool = False

    @property
    def marked(self) -> FloatArray:
        """The seconds with -1 where a worker was not heard."""
        return np.where(np.isinf(self.seconds), NOT_HEARD, self.seconds)

    @property
    def measured(self) -> MeasuredDelays:
        """The table as it is read."""
        heard = np.isfinite(self.seconds)
        on_time = began_on_time(heard, self.is_queued)
        hosts = tuple(map(str, range(self.seconds.shape[1])))
        listening = Listening(self.ends, heard, on_time)
        return MeasuredDelays(hosts, {None: self.seconds}, listening={None: listening})


def shifted_exponential(rounds: int, workers: int, seed: int = 0) -> FloatArray:
    """.02 s and a mean of .5 s, the stream of the authors' injected delays for ``seed = 0``."""
    streams = [np.random.RandomState(seed + t) for t in range(rounds)]
    return 0.02 + np.stack([stream.exponential(0.5, workers) for stream in streams])


def first(delays: FloatArray, count: int) -> CutRun:
    """Rounds that wait for so many workers."""
    ends = np.sort(delays, axis=1)[:, count - 1]
    return _cut(delays, ends)


def covering(delays: FloatArray, group: int = 3, at_most: int | None = None) -> CutRun:
    """Rounds that wait until a worker of each group is heard, or so many workers: ErasureHead."""
    groups = delays.reshape(len(delays), -1, group)
    covered = groups.min(axis=2).max(axis=1)
    enough = np.sort(delays, axis=1)[:, (at_most or delays.shape[1]) - 1]
    return _cut(delays, np.minimum(covered, enough))


def until(delays: FloatArray, deadline: float) -> CutRun:
    """Rounds that stop at a deadline."""
    return _cut(delays, np.full(len(delays), deadline))


def queued(service: FloatArray, count: int) -> CutRun:
    """Rounds that wait for so many workers, of which the others go on with their late task: a
    worker's time holds what it still had to do."""
    rounds, workers = service.shape
    seconds = np.empty(service.shape)
    ends = np.empty(rounds)
    left = np.zeros(workers)  # seconds of earlier rounds that a worker still has to do
    for t in range(rounds):
        seconds[t] = left + service[t]
        ends[t] = np.sort(seconds[t])[count - 1]
        left = np.maximum(seconds[t] - ends[t], 0.0)
    return replace(_cut(seconds, ends), is_queued=True)


def _cut(delays: FloatArray, ends: FloatArray) -> CutRun:
    return CutRun(seconds=np.where(delays > ends[:, None], np.inf, delays), ends=ends)


def write_authors(folder: Path, stem: str, run: CutRun, update: float = 0.0025) -> Path:
    """Write ``STEM_worker_timeset.dat``, whose path is returned, and ``STEM_timeset.dat``, which
    includes a master's own update."""
    folder.mkdir(parents=True, exist_ok=True)
    own = np.random.default_rng(1).uniform(0.5, 1.5, len(run.ends)) * update
    whole = "".join(f"{end:5.3f} \n" for end in run.ends + own)
    (folder / f"{stem}_timeset.dat").write_text(whole)
    path = folder / f"{stem}_worker_timeset.dat"
    path.write_text("".join(" ".join(map(_as_python_2, row)) + "\n" for row in run.marked))
    return path


def _as_python_2(seconds: float) -> str:
    return f"{seconds:.1f}" if seconds == round(seconds) else f"{seconds:.12g}"
