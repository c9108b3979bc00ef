"""What the name of a column says: its role, its unit, and whether it can be a duration. No number
is looked at; docs/traces.md has the rule and its words."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

# How many of each unit. Dividing by it is exact to the last bit, multiplying by 1e-3 is not.
PER_SECOND = {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9}
UNIT_NAMES = {"s": "seconds", "ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds"}
# Seconds of units that are refused with ``--unit``.
UNIT_SECONDS = {"min": "60", "h": "3600", "days": "86400", "cs": "0.01", "ds": "0.1", "ps": "1e-12"}


def _keyed(**lists: str) -> dict[str, str]:
    return {word: key.replace("_", " ") for key, words in lists.items() for word in words.split()}


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


SPELLINGS = _keyed(
    s="s sec secs second seconds",
    ms="ms msec msecs milli millis millisecond milliseconds",
    us="us µs μs usec usecs micro micros microsecond microseconds",
    ns="ns nsec nsecs nano nanos nanosecond nanoseconds",
    min="min mins minute minutes",
    h="h hr hrs hour hours",
    days="day days",
    cs="cs csec centisecond centiseconds",
    ds="ds dsec decisecond deciseconds",
    ps="ps picosecond picoseconds",
) | {unit: unit for unit in ("ticks", "cycles", "jiffies", "clocks")}
# Spellings that are a unit wherever they stand in a name.
ANYWHERE = {word for word in SPELLINGS if len(word) > 3} | {"ms", "sec", "secs", "µs", "μs", "ns"}

ROLE_WORDS = _keyed(
    worker="worker host hostname host_name node nodename node_name nodelist node_list rank "
    "world_rank dp_rank global_rank machine instance pod pod_name device server executor",
    round="round step iteration iter global_step train_step training_step batch minibatch "
    "mini_batch time_step timestep",
    load="load",
    rack="rack zone group availability_zone",
    group="job run experiment trial session jobid run_name job_name",
    event="event event_type metric metric_name key tag variable statistic stat quantile le",
    value="value val",
    unit="unit units",
    attempt="attempt retry retries try attempt_number task_attempt",
    status="status state ok success succeeded failed failure error timed_out killed crashed result "
    "outcome exit_code exit_status return_code returncode rc error_code exitcode status_code "
    "http_status http_code response_code code exception error_message failure_reason traceback",
    label="label index idx row id unnamed level timestamp time_stamp ts date datetime wall_time "
    "time_utc created_at logged_at",
)
EDGE_WORDS = _keyed(start="start begin started began", end="end stop finish ended stopped finished")
CLOCK_WORDS = _words("t ts time at timestamp")  # that may stand beside a start or an end
ENDINGS = re.compile(r"_(id|name|index|idx|number|no|num|\d+)$")

DURATION_WORDS = _words("duration dur time elapsed latency delay runtime walltime took seconds")
# Words that may stand beside one of these in the name of how long a call took.
OF_A_CALL = _words(
    "run step iteration iter it round batch minibatch compute task train training execution exec "
    "processing response completion call worker job per"
)
# Words for the place of a rank, where a rank has a column as well.
PLACES = _words("host hostname node nodename machine server instance")
STEP_WORDS = _words("step iteration iter it round batch minibatch")
PART_WORDS = _words(
    "compute computation computing forward fwd backward bwd data dataloader loader loading "
    "optimizer optim kernel own work busy local processing"
)
ALLREDUCE_WORDS = _words("allreduce nccl comm comms communication collective collectives")
BESIDE_ALLREDUCE = _words("exposed grad grads gradient gradients per")
WRONG_WORDS = _keyed(  # what a word says that is not how long something took
    a_rate="rate throughput speed bandwidth fps ips qps rps tps sps bps kbps mbps gbps hz khz mhz "
    "ghz flops gflops tflops mfu freq frequency rpm",
    a_logarithm="log log2 log10 ln logarithm",
    a_spread="std stddev stdev sd var variance stderr sem cv mad iqr jitter skew skewness kurtosis "
    "drift error ci confidence lower upper",
    a_summary="min max mean avg average median mode minimum maximum total sum cumulative cum "
    "cumsum percentile quantile slowest fastest overall aggregate bucket ema smoothed all le best "
    "worst rolling moving",
    a_share="percent pct share ratio fraction util utilization utilisation usage efficiency "
    "occupancy load speedup slowdown factor normalized normalised",
    a_count="count counts counter num samples tokens images records rows size length bytes kb mb "
    "gb kib mib gib retries errors failures depth threads concurrency inflight",
    another_quantity="loss lr accuracy acc perplexity ppl temp temperature celsius watts power "
    "volts memory mem rss vram norm learning seed score energy "
    "joules amps weight priority",
    a_plan="eta timeout deadline target expected predicted prediction forecast estimate estimated "
    "remaining limit threshold sla slo budget ttl slack headroom",
    a_clock="timestamp stamp date datetime clock wall epoch utc uptime age since relative offset",
)
# Words that a machine may be called by, alone before a number: log-7. But loss_1 is a loss.
HOST_WORDS_ALONE = {"log", "max"}
SUMMARY_WORDS = {word for word, reason in WRONG_WORDS.items() if reason == "a summary"}
SUMMARY_WORDS |= _words("count std stddev var variance totals sums averages grand subtotal")
SUMMARY_WORDS -= {"le", "bucket"}
QUANTILE_NAME = re.compile(r"(p|q|pct)\d{2,4}|\d{1,3}%")
HOST_WORDS = _words("worker host node gpu cpu tpu rank machine server executor instance pod device")
WORD_BREAK = re.compile(r"[^0-9a-zA-Zµμ/]+")


@dataclass(frozen=True)
class Name:
    """A column's name, taken apart: ``durationMs``, ``Duration (ms)``, ``duration_ms`` are one."""

    whole: str  # in small letters with ``_`` between its words
    base: str  # without the unit
    unit: str | None  # a value of ``SPELLINGS``, or ``None``
    wrong: str  # what it says that is no duration, such as ``a rate``; empty: it may be one

    @property
    def words(self) -> list[str]:
        """Of the base."""
        return self.base.split("_")


@lru_cache(maxsize=2**18)  # more than a CSV has columns
def parse(name: str) -> Name:
    """Take a column's name apart. Of ``seconds{host="a"}`` the labels' names count as words."""
    metric, _, labels = name.strip().partition("{")
    text = re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", metric)
    pieces = [piece.lower() for piece in WORD_BREAK.split(text.replace("%", "_percent_"))]
    words = [word for piece in pieces for word in _slashed(piece) if word]
    least_of = re.search(r"(__|[./ -])min$", name.lower())  # no minutes, which follow a single _
    rest, unit, wrong = _per(words) if "per" in words[1:] else _unit(words, least_of is not None)
    for word in (*rest, *re.findall(r"(\w+)\s*=", labels)) if not wrong else ():
        wrong = wrong or WRONG_WORDS.get(word, "a summary" if QUANTILE_NAME.fullmatch(word) else "")
    return Name("_".join(words), "_".join(rest), unit, wrong)


def _slashed(piece: str) -> list[str]:
    """``ms/batch`` and ``it/s`` are per; other slashes part the words of a path."""
    first, *rest = piece.split("/")
    words = [first]
    for left, right in zip([first, *rest], rest, strict=False):
        per = right in SPELLINGS or (left in SPELLINGS and right in OF_A_CALL)
        words += ["per", right] if per else [right]
    return words


def _unit(words: list[str], minimum: bool = False) -> tuple[list[str], str | None, str]:
    """The words without a unit, the unit, and what is wrong with it."""
    last, timed = words[-1] if words else "", bool({*words[:-1]} & DURATION_WORDS)
    least = last == "min" and (minimum or not timed)  # not minutes
    if len(words) > 1 and not least and (last in SPELLINGS or (last == "m" and timed)):
        return words[: -2 if words[-2] == "in" else -1], SPELLINGS.get(last, "min"), ""
    if len(words) == 1:
        known = last in ANYWHERE and SPELLINGS[last] in PER_SECOND
        return words, SPELLINGS[last] if known else None, ""
    inside = {SPELLINGS[word] for word in words if word in ANYWHERE}
    return words, inside.pop() if len(inside) == 1 else None, "two units" if inside else ""


def _per(words: list[str]) -> tuple[list[str], str | None, str]:
    """Of ``ms_per_batch`` and ``time_per_iteration_ms``, which last; other names with a per are
    rates, as ``samples_per_s`` is."""
    index = words.index("per", 1)
    left, right = words[:index], words[index + 1 :]
    if right and right[0] not in SPELLINGS and left[-1] in {*SPELLINGS} - {"min"}:
        return [*left[:-1], "time", *right], SPELLINGS[left[-1]], ""
    rest, unit, wrong = _unit(["per", *right])
    timed = right and right[0] not in SPELLINGS and {*left} & DURATION_WORDS
    return ([*left, *rest], unit, wrong) if timed else (words, None, "a rate")


@lru_cache(maxsize=2**18)  # more than a CSV has columns
def role_of(name: str) -> str | None:
    """The role that a column's name stands for, if any; ``step_ms`` is seconds, ``step`` a round.
    ``label``: it says when or which, and is no delay."""
    parsed = parse(name)
    if "{" in name:
        return None
    plain = ENDINGS.sub("", parsed.whole)
    if parsed.whole in ROLE_WORDS or (plain in ROLE_WORDS and not parsed.whole[-1].isdigit()):
        return ROLE_WORDS.get(parsed.whole) or ROLE_WORDS[plain]
    if plain in ("unnamed", "level"):
        return "label"
    words = [word for word in parsed.words if word not in CLOCK_WORDS]
    if len(words) == 1 and words[0] in EDGE_WORDS:
        return EDGE_WORDS[words[0]]
    return "seconds" if is_call(parsed) else None


def is_place(name: str) -> bool:
    """Whether a column of this name says on which host a rank is; alone it names the worker."""
    return ENDINGS.sub("", parse(name).whole) in PLACES


def is_whole_step(name: Name) -> bool:
    """Whether a duration is that of a whole step by its name, with the all-reduce in it; ``dur_us``
    is what a profiler's trace calls it."""
    words = {*name.words}
    return bool(words & STEP_WORDS and not words & PART_WORDS) or name.base == "dur"


def is_part_of_step(name: Name) -> bool:
    """Whether a duration is by its name what a worker does for itself in a step."""
    return bool({*name.words} & PART_WORDS)


@lru_cache(maxsize=2**18)  # more than a CSV has columns
def is_allreduce(name: str) -> bool:
    """Whether a name says how long a worker was in the all-reduce, and nothing else, such as how
    many bytes it sent."""
    parsed = parse(re.sub("all[-_ ]?reduce", " allreduce ", name, flags=re.IGNORECASE))
    words = {*parsed.words} - DURATION_WORDS - STEP_WORDS - BESIDE_ALLREDUCE
    return not parsed.wrong and bool(words) and words <= ALLREDUCE_WORDS


def is_call(name: Name) -> bool:
    """Whether a name is that of how long a call took."""
    of_round = name.unit and ROLE_WORDS.get(ENDINGS.sub("", name.base)) == "round"
    timed = {*name.words} & DURATION_WORDS or name.base in ANYWHERE
    others = {*name.words} - DURATION_WORDS - OF_A_CALL - ANYWHERE
    return not name.wrong and bool(of_round or (timed and not others))


@lru_cache(maxsize=2**18)  # more than a CSV has columns
def without_unit(name: str) -> str:
    """A column's name as it stands, but for a unit at its end."""
    last = WORD_BREAK.split(re.sub(r"[)\]\s]+$", "", name))[-1].lower()
    if not parse(name).unit or last not in SPELLINGS:
        return name
    return re.sub(r"([\s_]in)?[\s_\-./(\[]*[A-Za-zµμ]+[)\]]?\s*$", "", name) or name


def summary_word(label: object) -> bool:
    """Whether a row's or a worker's label is that of a summary of others: ``Total:``, ``p95``."""
    word = re.sub(r"[^a-z0-9%]+", " ", str(label).lower()).strip()
    return bool(word) and ({*word.split()} <= SUMMARY_WORDS or bool(QUANTILE_NAME.fullmatch(word)))


def least(name: str, names: Iterable[str]) -> bool:
    """Whether ``time_min`` is the least time, not in minutes: it stands beside ``time_max``."""
    stem, end = name[:-3], name[-3:].lower()
    return end == "min" and any(f"{stem}{word}" in names for word in ("max", "mean", "avg", "p50"))
