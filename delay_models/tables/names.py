"""What the name of a column says: whose or what it is, and in which unit.

``durationMs``, ``duration_ms``, ``Duration (ms)`` and ``duration [ms]`` are one name.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

A_SECOND = {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9}
"""How many of each unit. Dividing by it is exact to the last bit, multiplying by 1e-3 is not."""

SPELLINGS = {
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), "s"),
    **dict.fromkeys(
        ("ms", "msec", "msecs", "milli", "millis", "millisecond", "milliseconds"), "ms"
    ),
    **dict.fromkeys(
        ("us", "µs", "μs", "usec", "usecs", "micro", "micros", "microsecond", "microseconds"), "us"
    ),
    **dict.fromkeys(("ns", "nsec", "nsecs", "nano", "nanos", "nanosecond", "nanoseconds"), "ns"),
    **dict.fromkeys(("min", "mins", "minute", "minutes"), "min"),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), "h"),
}
"""Of units; minutes and hours are known so as to be refused."""

ALIASES = {
    "worker": (
        *("worker", "host", "rank", "node", "instance", "machine", "hostname", "pod"),
        *("dp_rank", "global_rank", "device"),
    ),
    "round": (
        *("round", "step", "iteration", "iter", "global_step", "batch", "minibatch"),
        *("time_step", "timestep"),
    ),
    "seconds": (
        *("seconds", "second", "sec", "secs", "ms", "msec", "millis", "milliseconds", "usec"),
        *("microseconds", "nsec", "nanoseconds", "duration", "dur", "time", "elapsed", "latency"),
        *("delay", "runtime", "run_time", "elapsed_time", "step_time", "iteration_time"),
        *("round_time", "batch_time", "compute_time", "task_time"),
    ),
    "start": ("start", "begin", "started", "start_time", "begin_time", "started_at", "start_ts"),
    "end": (
        *("end", "stop", "finish", "ended", "finished", "end_time", "stop_time", "finish_time"),
        *("finished_at", "ended_at", "end_ts"),
    ),
    "load": ("load",),
}
ENDINGS = ("_id", "_name", "_index", "_idx", "_number", "_no", "_num")
"""That a worker's or a round's name may have."""

NOT_WORKERS = frozenset(
    (
        *("epoch", "timestamp", "time_stamp", "ts", "date", "datetime", "clock", "wall_time"),
        *("index", "idx", "id", "row", "row_id", "unnamed", "level", "wall", "utc"),
        *("loss", "lr", "learning_rate", "accuracy", "job", "run", "seed", "attempt", "retry"),
        *("max", "min", "mean", "median", "avg", "average", "total", "sum", "std", "count"),
    )
)
"""Names that no worker has: counters, clocks and summaries."""


@dataclass(frozen=True)
class Name:
    """A column's name, taken apart.

    Attributes:
        whole: in small letters with ``_`` between its words.
        base: without the unit.
        unit: ``s``, ``ms``, ``us``, ``ns``, ``min``, ``h``, or ``None``.
    """

    whole: str
    base: str
    unit: str | None


def parse(name: str) -> Name:
    """Take a column's name apart."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name.strip())
    words = [word.lower() for word in re.split(r"[^0-9a-zA-Zµμ]+", spaced) if word]
    whole = "_".join(words)
    if len(words) > 1 and words[-1] in SPELLINGS:
        return Name(whole, "_".join(words[:-1]), SPELLINGS[words[-1]])
    return Name(whole, whole, SPELLINGS.get(whole) if whole in ALIASES["seconds"] else None)


def role(name: str) -> str | None:
    """Which role a column's name stands for, if any; ``step_ms`` is seconds, ``step`` a round."""
    parsed = parse(name)
    for place in ("worker", "round"):
        plain = (parsed.whole.removesuffix(ending) for ending in ("", *ENDINGS))
        if any(candidate in ALIASES[place] for candidate in plain):
            return place
    if parsed.whole == "load":
        return "load"
    for time in ("start", "end", "seconds"):
        if {parsed.whole, parsed.base} & {*ALIASES[time]}:
            return time
    return "seconds" if parsed.unit and parsed.base in ALIASES["round"] else None


def no_worker(name: str) -> bool:
    """Whether a column of a wide table is, by its name, something else than a worker's times."""
    whole = re.sub(r"^(unnamed|level)_\d+$", r"\1", parse(name).whole)
    return bool({whole, parse(name).base} & NOT_WORKERS) or role(name) is not None


ROUND_COLUMN = re.compile(r"(round|step|iteration|iter|epoch|t)_?\d+")


def of_rounds(names: list[str]) -> bool:
    """Whether a wide table's columns are named after rounds, not workers: it is transposed."""
    whole = [parse(name).whole for name in names]
    return len(whole) > 1 and sum(ROUND_COLUMN.fullmatch(name) is not None for name in whole) > 1
