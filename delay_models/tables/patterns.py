"""Which columns of a wide table are workers', by what their names share and say."""

from __future__ import annotations

import re
from collections import Counter
from fnmatch import fnmatchcase
from functools import lru_cache
from glob import escape
from shlex import quote

from ...sim.files import UnusableFile, short
from ...sim.reading import Reading
from .names import (
    HOST_WORDS,
    HOST_WORDS_ALONE,
    QUANTILE_NAME,
    WRONG_WORDS,
    least,
    parse,
    role_of,
    without_unit,
)


def of_rounds(names: list[str]) -> bool:
    """Whether columns are named after rounds, not workers: the table is transposed."""
    named = re.compile(r"(round|step|iteration|iter|epoch|t)_?\d+")
    return len(names) > 1 and sum(bool(named.fullmatch(parse(n).base)) for n in names) > 1


@lru_cache(maxsize=2**16)
def shape_of(name: str) -> str:
    """A name with its numbers as ``#``, or a letter at its end as ``@``: what workers share."""
    plain = re.sub(r"[0-9]+", "#", without_unit(name))
    return re.sub(r"(?<=[-_ ./])[A-Za-z]$", "@", plain)


def wrong_of(name: str, unit: object = None) -> str:
    """What the name of a column of a wide table says that is no worker's delay; empty: nothing. A
    word and a number may be a host's name, and so may parts with hyphens between them: ``log-7``.
    ``min`` is minutes if a ``unit`` is said in seconds."""
    parsed, role = parse(name), role_of(name)
    if role is not None:
        return f"it is the {role}"
    if parsed.wrong and ("per" in parsed.whole.split("_") or "{" in name or "two" in parsed.wrong):
        return parsed.wrong
    pieces = re.split(r"[^0-9A-Za-zµμ%-]+", without_unit(name))
    pieces = [piece for piece in pieces if re.search("[A-Za-z%]", piece)]
    for piece in pieces:
        raw = parse(piece).whole.split("_")
        words = [word for token in raw if (word := re.sub(r"\d+", "", token))]
        numbered = bool(re.search(r"\d", piece))
        if numbered and "-" in piece and len(words) > 1 and not {*words} & HOST_WORDS:
            continue  # a host's
        alone = len(pieces) == len(words) == 1 and bool(re.search(r"\d", name))
        allowed = HOST_WORDS_ALONE if alone else {"min"} if isinstance(unit, float) else set()
        if bad := [
            WRONG_WORDS[word] for word in words if word in WRONG_WORDS and word not in allowed
        ]:
            return bad[0]
        if not alone and any(map(QUANTILE_NAME.fullmatch, raw)):
            return "a summary"
    return ""


def workers_of(columns: list[str], options: Reading) -> tuple[list[str], list[str]]:
    """The workers' columns, and what that assumes. Raises UnusableFile: a name says something else,
    is outside the others' pattern, or comes again; or there are two patterns."""
    if globs := options.asked.get("workers"):
        ways = globs.split("+")
        if none := [way for way in ways if not any(fnmatchcase(name, way) for name in columns)]:
            raise UnusableFile(f"--columns workers={short(none[0])}: no column is named like that")
        chosen = [name for name in columns if any(fnmatchcase(name, way) for way in ways)]
        left = [name for name in columns if name not in chosen]
        return chosen, [f"columns not used: {short(', '.join(left))}"] if left else []
    hosts = [without_unit(name) for name in columns]
    mangled = r"(.*[^\d.].*)\.\d+"  # what pandas makes of a name that comes again
    repeated = [match[1] for name in columns if (match := re.fullmatch(mangled, name))]
    twice = [name for name in repeated if name in columns and role_of(name) is None]
    if twice := twice + [host for host, count in Counter(hosts).items() if count > 1]:
        raise UnusableFile(f"several columns are of worker {short(twice[0])}: leave one of them")
    free = [name for name in columns if name not in options.keep]
    if of_rounds(free):
        text = f"columns are named after rounds ({short(free[0])}): write a row per round and a "
        text += "column per worker (transpose the table), or say --columns worker= where a row is a"
        raise UnusableFile(f"{text} worker's; worker=NAME where that column names them")
    if all(re.fullmatch(r"\d+(\.0)?", name) for name in free):
        return columns, []
    shapes = Counter(map(shape_of, free))
    wrong = {n: wrong_of(n, options.unit) or ("a summary" if least(n, free) else "") for n in free}
    for name in free:  # p95 is a quantile, unless p94 stands beside it
        share = re.fullmatch(r"([pq])(50|75|90|95|99|999)", without_unit(name))
        if share and f"{share[1]}{int(share[2]) - 1}" not in hosts:
            wrong[name] = "a summary"
    bad = [name for name in free if wrong[name]]
    if bad and len(bad) == len(free):
        text = f"columns such as {short(bad[0])} say {wrong[bad[0]]} by their names"
        raise UnusableFile(f"{text}, not how long calls took: export the seconds of each call")
    _require_one_pattern(free, wrong, shapes)
    if bad:
        text = f"column {short(bad[0])} holds no worker's delays by its name ({wrong[bad[0]]})"
        raise UnusableFile(f"{text}: --drop {quote(','.join(bad))}")
    other = [name for name in free if shapes[shape_of(name)] == 1]
    if other and 2 * len(other) < len(free):
        listed, usual = quote(",".join(other)), short(shapes.most_common(1)[0][0])
        text = f"column {short(other[0])} is not named as others are ({usual})"
        raise UnusableFile(f"{text}: --drop {listed}, or --keep {listed} if it is a worker's")
    text = f"all columns are workers', by no common pattern: {short(', '.join(free))}"
    return columns, [text] if len(shapes) > 1 else []


def _require_one_pattern(free: list[str], wrong: dict[str, str], shapes: Counter[str]) -> None:
    """Refuse (UnusableFile) columns of several patterns, such as two metrics of each host, unless
    these are hosts of several kinds."""
    patterns = [shape for shape, count in shapes.items() if count > 1]
    of = {shape: [name for name in free if shape_of(name) == shape] for shape in patterns}
    good = [shape for shape in patterns if not wrong[of[shape][0]]]
    ends = {s: r"[A-Za-z]$" if s.endswith("@") else r"[0-9]+" for s in good}
    keys = [{tuple(re.findall(ends[s], without_unit(n))) for n in of[s]} for s in good]
    hosts = all({*re.findall(r"[a-z]+", shape.lower())} & HOST_WORDS for shape in good)
    apart = hosts and len(good) == len(patterns) and not (keys and set.intersection(*keys))
    if len(patterns) < 2 or not good or apart:
        return
    globs = {s: re.sub(r"[0-9]+|(?<=[-_ ./])[A-Za-z]$", "*", escape(of[s][0])) for s in patterns}
    ways = []
    for shape in good[:2]:
        alone = all(shape_of(n) == shape for n in free if fnmatchcase(n, globs[shape]))
        others = ",".join(globs[other] for other in patterns if other != shape)
        way = f"columns {quote(f'workers={globs[shape]}')}" if alone else f"drop {quote(others)}"
        ways.append(f"--{way}")
    names = " and ".join(short(of[shape][0]) for shape in patterns[:2])
    raise UnusableFile(f"columns are named by two patterns, as {names}: say {' or '.join(ways)}")
