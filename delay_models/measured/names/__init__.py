"""What the name of a column says: its role, its unit, and whether it can be a duration. No number
is looked at; docs/traces.md has the rule, and ``vocabulary`` its words."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from .vocabulary import meanings_of, words_of

# How many of each unit. Dividing by it is exact to the last bit, multiplying by 1e-3 is not.
PER_SECOND = {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9}
UNIT_NAMES = {"s": "seconds", "ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds"}
# Seconds of units that are refused with ``--unit``.
UNIT_SECONDS = {"min": "60", "h": "3600", "days": "86400", "cs": "0.01", "ds": "0.1", "ps": "1e-12"}


SPELLINGS = meanings_of("unit")
# Spellings that are a unit wherever they stand in a name.
ANYWHERE = {word for word in SPELLINGS if len(word) > 3} | {"ms", "sec", "secs", "µs", "μs", "ns"}
ROLE_WORDS = meanings_of("role")
EDGE_WORDS = meanings_of("edge")
CLOCK_WORDS = words_of("edge clock")
ENDINGS = re.compile(r"_(id|name|index|idx|number|no|num|\d+)$")
DURATION_WORDS = words_of("duration")
EITHER_WORDS = words_of("either")
OF_A_CALL = words_of("of a call")
PLACES = words_of("place")
STEP_WORDS = words_of("step")
PART_WORDS = meanings_of("part")
ALLREDUCE_WORDS = words_of("all-reduce", "")
BESIDE_ALLREDUCE = words_of("all-reduce", "beside")
COUNTED_WORDS = words_of("counted")
WRONG_WORDS = meanings_of("no duration")
HOST_WORDS = words_of("host")
HOST_WORDS_ALONE = words_of("host alone")
SUMMARY_WORDS = (words_of("no duration", "a summary") | words_of("summary")) - {"le", "bucket"}
FAILED_WORDS = words_of("failed")
FAILED_WORDS_OF_TEXTS = FAILED_WORDS - words_of("failed", "in a cell alone")
APART_WORDS = meanings_of("apart")
CLOCK_LABELS = words_of("clock label")
QUANTILE_NAME = re.compile(r"(p|q|pct)\d{2,4}|\d{1,3}%")
PLURAL_OF_CAPITALS = re.compile(r"(?<![A-Za-z])[A-Z]{2,}s(?![a-z])")  # TFLOPs
WORD_BREAK = re.compile(r"[^0-9a-zA-Zµμ/]+")


@dataclass(frozen=True)
class Name:
    """A column's name, taken apart: ``durationMs``, ``Duration (ms)``, ``duration_ms`` are one."""

    whole: str  # in small letters with ``_`` between its words
    base: str  # without the unit
    unit: str | None  # a value of ``SPELLINGS``, or ``None``
    wrong: str  # what it says that is no duration, such as ``a rate``; empty: it may be one
    # Of its numbers, before the unit: ``Duration (10 ms)``, ``ms_per_10_steps``.
    factor: float = 1.0

    @property
    def words(self) -> list[str]:
        """Of the base."""
        return self.base.split("_")


@lru_cache(maxsize=2**18)  # more than a CSV has columns
def parse(name: str) -> Name:
    """Take a column's name apart. Of ``seconds{host="a"}`` the labels' names count as words."""
    metric, _, labels = name.strip().partition("{")
    metric, factor, unclear = _factor(metric)
    metric = PLURAL_OF_CAPITALS.sub(lambda match: match[0].lower(), metric)
    text = re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", metric)
    pieces = [piece.lower() for piece in WORD_BREAK.split(text.replace("%", "_percent_"))]
    words = [word for piece in pieces for word in _slashed(piece) if word]
    words, share = _of_one(words)
    least_of = re.search(r"(__|[./ -])min$", name.lower())  # no minutes, which follow a single _
    rest, unit, wrong = _per(words) if "per" in words[1:] else _unit(words, least_of is not None)
    wrong = wrong or unclear
    if unit is not None:
        rest = "_".join(rest).replace("wall_time", "walltime").split("_")
    timed = bool({*rest} & DURATION_WORDS)
    for word in (*rest, *re.findall(r"(\w+)\s*=", labels)) if not wrong else ():
        if (word == "epoch" and timed) or (word == "wall" and {*rest} & STEP_WORDS):
            continue  # how long one took
        wrong = wrong or WRONG_WORDS.get(word, "a summary" if QUANTILE_NAME.fullmatch(word) else "")
    return Name("_".join(words), "_".join(rest), unit, wrong, factor * share)


UNCLEAR_FACTOR = "an unclear factor"
COUNT_PER_TIME = "a rate, a count per time"
FACTOR_IN_BRACKETS = re.compile(
    r"(?:[(\[]\s*(?:in\s+)?(?:units\s+of\s+)?|\bin\s+)[x×]?"
    r"(\d+(?:\.\d+)?(?:e[-+]?\d+)?)\s+([A-Za-zµμ]+)\s*[)\]]?",
    re.IGNORECASE,
)
FACTOR_AT_UNIT = re.compile(r"(?<![0-9A-Za-z.])(10+)(ms|us|µs|μs|ns)(?![0-9A-Za-z])")
FACTOR_BEHIND = re.compile(r"[\s_.\-(\[]*[x×*]\s?(\d{2,})[)\]]?$")
FACTOR_WITHIN = re.compile(r"(?<![0-9a-z])[x×*]\d{2,}(?![0-9a-z])", re.IGNORECASE)
FACTOR_IN_WORDS = re.compile(
    r"\b(tens|hundreds|thousands)\s+of\b"
    r"|(?<![0-9a-z])per[\s_]+(n|k|m|few|some|several|many)[\s_]+[a-z]"
    r"|(^|(?<![0-9a-z])for[\s_]+)\d+[\s_]+(step|iter|batch|round|epoch)",
    re.IGNORECASE,
)


def _factor(name: str) -> tuple[str, float, str]:
    """The name without a factor of its unit, as in ``Duration (10 ms)`` or ``time_100us``; the
    factor; and ``UNCLEAR_FACTOR`` where a number behind the unit may be meant either way."""
    for form in (FACTOR_IN_BRACKETS, FACTOR_AT_UNIT):
        match = form.search(name)
        if match and match[2].lower() in SPELLINGS and float(match[1]) > 0:
            plain = f"{name[: match.start()]}_{match[2]}{name[match.end() :]}"
            return plain, float(match[1]), ""
    if FACTOR_WITHIN.search(name) or FACTOR_IN_WORDS.search(name):
        return name, 1.0, UNCLEAR_FACTOR
    behind = FACTOR_BEHIND.search(name)
    if behind and parse(name[: behind.start()]).unit:
        return name[: behind.start()], 1.0, UNCLEAR_FACTOR
    return name, 1.0, ""


def _of_one(words: list[str]) -> tuple[list[str], float]:
    """``per 10 steps`` as ``per step``, and the share of the number that one of them takes."""
    if "per" not in words[1:-2]:
        return words, 1.0
    index = words.index("per", 1)
    number = re.fullmatch(r"([1-9]\d*)(k?)", words[index + 1])
    if number is None:
        return words, 1.0
    one = words[index + 2].removesuffix("s") if words[index + 2] != "s" else "s"
    one = {"batche": "batch"}.get(one, one)
    count = int(number[1]) * (1000 if number[2] else 1)
    return [*words[: index + 1], one, *words[index + 3 :]], 1 / count


def _slashed(piece: str) -> list[str]:
    """``ms/batch`` and ``it/s`` are per; other slashes part the words of a path."""
    first, *rest = piece.split("/")
    words = [first]
    for left, right in zip([first, *rest], rest, strict=False):
        several = re.fullmatch(r"\d+k?", right)
        per = right in SPELLINGS or (left in SPELLINGS and (right in OF_A_CALL or several))
        words += ["per", right] if per else [right]
    return words


def _unit(words: list[str], minimum: bool = False) -> tuple[list[str], str | None, str]:
    """The words without a unit, the unit, and what is wrong with it."""
    last = words[-1] if words else ""
    timed = bool({*words[:-1]} & DURATION_WORDS)
    pairs = pairwise(words)
    per_time = any(
        count in COUNTED_WORDS and SPELLINGS.get(unit) in ("s", "min", "h") for count, unit in pairs
    )
    if per_time and not timed:
        return words, None, COUNT_PER_TIME
    least = last == "min" and (minimum or not timed)  # not minutes
    if len(words) > 1 and not least and (last in SPELLINGS or (last == "m" and timed)):
        rest = words[: -2 if words[-2] == "in" else -1]
        of_ten = len(rest) > 1 and rest[-2] in DURATION_WORDS and re.fullmatch("10+", rest[-1])
        return rest, SPELLINGS.get(last, "min"), UNCLEAR_FACTOR if of_ten else ""
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
    if parsed.words[-1] in ("status", "state"):
        return "status"
    if plain in ("unnamed", "level"):
        return "label"
    words = [word for word in parsed.words if word not in CLOCK_WORDS]
    if len(words) == 1 and words[0] in EDGE_WORDS:
        return EDGE_WORDS[words[0]]
    return "seconds" if is_call(parsed) else None


def apart_role(name: str) -> str | None:
    """The role, ``worker`` or ``round``, that a column such as ``local_rank`` or ``epoch_idx`` is a
    part of by its name; ``None``: of none."""
    whole = parse(name).whole
    return APART_WORDS.get(whole) or APART_WORDS.get(ENDINGS.sub("", whole))


def is_place(name: str) -> bool:
    """Whether a column of this name says on which host a rank is; alone it names the worker."""
    return ENDINGS.sub("", parse(name).whole) in PLACES


def is_whole_step(name: Name) -> bool:
    """Whether a duration is that of a whole step by its name, with the all-reduce in it; ``dur_us``
    is what a profiler's trace calls it."""
    words = {*name.words}
    return bool(words & STEP_WORDS and not words & {*PART_WORDS}) or name.base == "dur"


def part_of(name: Name) -> str:
    """Which part of a step a name says that a duration is: a meaning of the vocabulary; ``""``: no
    part."""
    words = {*name.words}
    parts = {PART_WORDS[word] for word in words & {*PART_WORDS}}
    return next((part for part in dict.fromkeys(PART_WORDS.values()) if part in parts), "")


def is_part_of_step(name: Name) -> bool:
    """Whether a duration is by its name what a worker does for itself in a step."""
    return bool(part_of(name))


def is_clock(name: str) -> bool:
    """Whether a column's name says that it is a clock, which runs on from round to round."""
    parsed = parse(name)
    if role_of(name) == "label":
        return parsed.whole in CLOCK_LABELS
    words = {*parsed.words}
    relative = "relative" not in words or "time" in words
    wrong = {WRONG_WORDS[word] for word in words & {*WRONG_WORDS}}
    return parsed.wrong == "a clock" and relative and wrong == {"a clock"}


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
    text = re.sub(r"[^a-z0-9%]+", " ", str(label).lower()).strip()
    words = {*text.split()}
    named = words <= SUMMARY_WORDS and words != {"dev"}
    return bool(words) and (named or bool(QUANTILE_NAME.fullmatch(text)))


def least(name: str, names: Iterable[str]) -> bool:
    """Whether ``time_min`` is the least time, not in minutes: it stands beside ``time_max``."""
    stem, end = name[:-3], name[-3:].lower()
    return end == "min" and any(f"{stem}{word}" in names for word in ("max", "mean", "avg", "p50"))
