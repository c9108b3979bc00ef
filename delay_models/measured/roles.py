"""Which column of a table is what, by its name or by what is said; in a wide one, whose it is; and
parts of a step: the all-reduce, which hides a wait for the slowest worker in it, and stages."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from functools import lru_cache
from glob import escape
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ...sim.base.errors import EMPTY_MESSAGE, Message, Option
from ...sim.base.files import UnusableFile, reading, short
from ...sim.base.reading import Reading
from ..base import FloatArray
from .cells import NUMBER_KINDS, numbers, settle
from .files import FileContents, of_moments
from .measured import Roles, Times, also_needed
from .names import (
    COUNT_PER_TIME,
    DURATION_WORDS,
    HOST_WORDS,
    HOST_WORDS_ALONE,
    OF_A_CALL,
    QUANTILE_NAME,
    ROLE_WORDS,
    WRONG_WORDS,
    apart_role,
    is_allreduce,
    is_clock,
    is_part_of_step,
    is_place,
    is_whole_step,
    least,
    parse,
    part_of,
    role_of,
    without_unit,
)


def of_rounds(names: list[str]) -> bool:
    """Whether columns are named after rounds, not workers: the table is transposed."""
    named = re.compile(r"(round|step|iteration|iter|epoch|t)_?\d+")
    return len(names) > 1 and sum(bool(named.fullmatch(parse(n).base)) for n in names) > 1


@lru_cache(maxsize=2**18)
def shape_of(name: str) -> str:
    """A name with its numbers as ``#``, or a letter at its end as ``@``: the pattern that columns
    of workers have in common."""
    plain = re.sub(r"[0-9]+", "#", without_unit(name))
    return re.sub(r"(?<=[-_ ./])[A-Za-z]$", "@", plain)


def wrong_of(name: str, unit: object = None) -> str:
    """Why a column's name in a wide table shows that it holds no worker's delay; empty if it does
    not. A word and a number may be a host's name, and so may parts with hyphens between them:
    ``log-7``. If the user gives the ``unit`` as seconds, ``min`` is minutes and no minimum."""
    parsed, role = parse(name), role_of(name)
    if role is not None:
        return f"it is the {role}"
    is_per = "per" in parsed.whole.split("_") or parsed.wrong == COUNT_PER_TIME
    if parsed.wrong and (is_per or "{" in name or "two" in parsed.wrong):
        return parsed.wrong
    pieces = re.split(r"[^0-9A-Za-zµμ%-]+", without_unit(name))
    pieces = [piece for piece in pieces if re.search("[A-Za-z%]", piece)]
    for piece in pieces:
        raw = parse(piece).whole.split("_")
        words = [word for token in raw if (word := re.sub(r"\d+", "", token))]
        numbered = bool(re.search(r"\d", piece))
        if numbered and "-" in piece and len(words) > 1 and not {*words} & HOST_WORDS:
            continue  # a host's name, such as log-7-a
        alone = len(pieces) == len(words) == 1 and bool(re.search(r"\d", name))
        allowed = frozenset({"min"} if isinstance(unit, float) else ())
        if alone:
            allowed = HOST_WORDS_ALONE | {w for w in words if WRONG_WORDS.get(w) == "a wait"}
        if bad := [word for word in words if word in WRONG_WORDS and word not in allowed]:
            return WRONG_WORDS[bad[0]]
        if not alone and any(map(QUANTILE_NAME.fullmatch, raw)):
            return "a summary"
    return ""


def workers_of(columns: list[str], options: Reading) -> tuple[list[str], list[str]]:
    """The workers' columns, and what that assumes. Raises UnusableFile: a name says something else,
    is outside the others' pattern, or is repeated; or the names follow several patterns."""
    if globs := options.asked.get("workers"):
        ways = globs.split("+")
        if none := [way for way in ways if not any(fnmatchcase(name, way) for name in columns)]:
            way = Option("columns", {"workers": short(none[0])})
            raise UnusableFile(way, ": no column is named like that")
        chosen = [name for name in columns if any(fnmatchcase(name, way) for way in ways)]
        left = [name for name in columns if name not in chosen]
        return chosen, [f"columns not used: {short(', '.join(left))}"] if left else []
    hosts = [without_unit(name) for name in columns]
    parts = (name.rpartition(".") for name in columns)  # pandas numbers a name that comes again
    repeated = [own for own, _, number in parts if number.isdecimal() and re.search(r"[^\d.]", own)]
    twice = [name for name in repeated if name in columns and role_of(name) is None]
    if twice := twice + [host for host, count in Counter(hosts).items() if count > 1]:
        raise UnusableFile(f"several columns are of worker {short(twice[0])}: leave one of them")
    free = [name for name in columns if name not in options.keep]
    if of_rounds(free):
        raise UnusableFile(
            f"columns are named after rounds ({short(free[0])}): write a row per round and a "
            "column per worker (transpose the table), or say ",
            Option("columns", {"worker": ""}),
            " where a row is a worker's; ",
            Option("columns", {"worker": "NAME"}),
            " where that column names them",
        )
    if all(re.fullmatch(r"\d+(\.0)?", name) for name in free):
        return columns, []
    shapes = Counter(map(shape_of, free))
    wrong = {n: wrong_of(n, options.unit) or ("a summary" if least(n, free) else "") for n in free}
    for name in free:  # p95 is a quantile, unless p94 stands beside it
        share = re.fullmatch(r"([pq])(50|75|90|95|99|999)", without_unit(name))
        if share and f"{share[1]}{int(share[2]) - 1}" not in hosts:
            wrong[name] = "a summary"
    bad = [name for name in free if wrong[name]]
    if bad and len(bad) == len(free) and not are_clocks(free, options):
        text = f"columns such as {short(bad[0])} say {wrong[bad[0]]} by their names"
        if wrong[bad[0]] == "a wait":
            all_named = Option("columns", {"workers": pattern_of(bad)})
            raise UnusableFile(f"{text}: say ", all_named, " if they are how long calls took")
        raise UnusableFile(f"{text}, not how long calls took: export the seconds of each call")
    kinds = {part_of(parse(name)) for name in free if is_timed(name)}
    if kinds in ({"loading data"}, {"the optimizer's"}):
        all_named = Option("columns", {"workers": pattern_of(free)})
        text = f"columns such as {short(free[0])} are a part of a step by their names"
        raise UnusableFile(f"{text} ({min(kinds)}): say ", all_named, " if they are all of it")
    _require_one_pattern(free, wrong, shapes)
    if bad and not are_clocks(free, options):
        text = f"column {short(bad[0])} holds no worker's delays by its name ({wrong[bad[0]]})"
        raise UnusableFile(f"{text}: ", Option("drop", bad))
    other = [name for name in free if shapes[shape_of(name)] == 1]
    if other and 2 * len(other) < len(free):
        usual = short(shapes.most_common(1)[0][0])
        text = f"column {short(other[0])} is not named as others are ({usual}): "
        leave, take = Option("drop", other), Option("keep", other)
        raise UnusableFile(text, leave, ", or ", take, " if it is a worker's")
    text = f"all columns are workers', by no common pattern: {short(', '.join(free))}"
    return columns, [text] if len(shapes) > 1 else []


def are_clocks(names: Sequence[str], options: Reading) -> bool:
    """Whether all columns of a wide table are clocks by their names, which run on."""
    free = [name for name in names if name not in options.keep]
    words = {word for name in free for word in re.sub(r"\d+", "", parse(name).whole).split("_")}
    wrong = {WRONG_WORDS[word] for word in words & {*WRONG_WORDS}}
    if len(free) < 2 or wrong != {"a clock"}:
        return False
    return all(wrong_of(name, options.unit) == "a clock" for name in free)


def pattern_of(names: Sequence[str]) -> str:
    """The first pattern, with ``*`` for numbers, of names that may follow several."""
    return re.sub(r"[0-9]+|(?<=[-_ ./])[A-Za-z]$", "*", escape(names[0]))


def is_timed(name: str) -> bool:
    """Whether a name has a unit of time, or a word for a duration."""
    parsed = parse(name)
    return parsed.unit is not None or bool({*parsed.words} & DURATION_WORDS)


def round_columns(names: Sequence[str]) -> list[str]:
    """The columns that number rounds by their names; an epoch does where no other does."""
    rounds = [name for name in names if role_of(name) == "round"]
    return rounds or [name for name in names if parse(name).whole in ("epoch", "epoch_id")]


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
    globs = {shape: pattern_of(of[shape]) for shape in patterns}
    ways = []
    for shape in good[:2]:
        alone = all(shape_of(n) == shape for n in free if fnmatchcase(n, globs[shape]))
        others = Option("drop", [globs[other] for other in patterns if other != shape])
        ways.append(Option("columns", {"workers": globs[shape]}) if alone else others)
    first = sorted(patterns, key=lambda shape: shape not in good)[:2]
    names = " and ".join(short(of[shape][0]) for shape in sorted(first, key=patterns.index))
    several = "two" if len(patterns) == 2 else "several"
    text = f"columns are named by {several} patterns, as {names}"
    first_way, *other_way = ways
    raise UnusableFile(f"{text}: say ", first_way, *(Message(" or ", way) for way in other_way))


CANONICAL = ("worker", "round", "seconds")  # columns that need no choice whatever else there is
EDGES = {"start", "end"}
PASS_WORDS = {"forward": "forward", "fwd": "forward", "backward": "backward", "bwd": "backward"}
Ways = dict[str, list[str]]  # role to the columns that could have it


def roles_of(frame: pd.DataFrame, options: Reading) -> dict[str, str] | None:
    """Role to column of a long table; ``None``: a wide one. Raises UnusableFile: several columns
    could have one role, or one role has no column."""
    asked: dict[str, str] = {role: name for role, name in options.asked.items() if name}
    if "workers" in asked or options.asked.get("round") == "":
        return None
    require_stages(options)
    allreduce, stages = asked.pop("allreduce", None), asked.pop("stages", None)
    asked.pop("rack", None)
    free = [n for n in map(str, frame.columns) if n not in {*options.named, *options.keep}]
    free = [name for name in free if not is_round_end(name)]
    if not asked and {*CANONICAL} <= {*free}:
        return {role: role for role in (*CANONICAL, "load") if role in free}
    free = [name for name in free if not least(name, free)]
    ways: Ways = {role: [name] for role, name in asked.items()}
    for name in free:
        role = role_of(name)
        if role == "seconds" and of_moments(frame[name]):
            role = "end"  # completionTime
        if role in (*CANONICAL, *EDGES, "load") and role not in asked:
            ways.setdefault(role, []).append(name)
    if "round" not in asked and (rounds := round_columns(free)):
        ways["round"] = rounds
    if {*asked} == {"worker"} and not {"round", "seconds", "clock", *EDGES} & {*ways}:
        return None  # a row for each worker, and a column for each round
    kinds = {str(name): dtype.kind for name, dtype in frame.dtypes.items()}
    rest = [name for name in free if role_of(name) is None and kinds[name] in NUMBER_KINDS]
    timed = [name for name in rest if parse(name).unit and not parse(name).wrong]
    calls = ways.pop("seconds", [])
    calls = [n for n in calls if parse(n).whole != "time" or len(calls) == 1]  # it may say when
    if timed and [parse(name).whole for name in calls] in ([], ["time"]) and not {*ways} >= EDGES:
        # Whatever it is called, if there is no other; but no part that is not computing.
        calls = timed if len(timed) == 1 and not _is_other_part(timed[0]) else []
        calls = calls or whole_of(frame, free)
    if {*words_in(timed)} >= {"forward", "backward"} and len(calls) > 1:
        calls = [name for name in calls if parse(name).base != "step"]  # the optimizer's part
    if not options.asked and not any(map(is_allreduce, [*free, *options.drop])):
        _require_no_optimizer_step(calls, timed)
    if (calls and "seconds" in asked) or (not EDGES & {*asked} and calls):
        ways["seconds"] = calls
        dates = [r for r in {*EDGES} - {*asked} if all(map(is_date, ways.get(r, [])))]
        ways = {role: names for role, names in ways.items() if role not in dates}
    if not {"seconds", "clock", *EDGES} & {*ways} and not stages:
        # an epoch may be a clock, but alone it counts passes over the data
        clocks = [name for name in free if is_clock(name) and apart_role(name) is None]
        clocks = [name for name in clocks if role_of(name) is None] or clocks
        if clocks and "value" not in map(role_of, free):
            ways["clock"] = clocks
    if {"seconds", "clock"} & {*asked} or (stages and not {*ways} >= EDGES):
        ways = {role: names for role, names in ways.items() if role not in EDGES}
    if "clock" in asked:
        ways.pop("seconds", None)
    both = {"worker", "round"} <= {*ways}
    known = {"seconds", "clock"} & {*ways} or {*ways} >= EDGES or stages
    if not (both and known):
        shapes = [*map(shape_of, rest)]
        alike = any(shapes.count(shape) > 1 for shape in shapes)
        wanted = {"worker", "seconds", "clock", *EDGES} & {*asked} or allreduce or stages or both
        if not wanted and (alike or len({*ways} - {"load", "clock"}) < 2):
            return None
        raise UnusableFile(_lacking(frame, ways, bool(known), options))
    others = [name for name in free if name not in ways.get("seconds", [])]
    if "allreduce" in options.asked or allreduce_columns(frame[others]):
        # Beside a whole step, others may be parts of it, such as the time of computing.
        whole = [name for name in ways.get("seconds", []) if not is_part_of_step(parse(name))]
        if len(whole) == 1 and is_whole_step(parse(whole[0])):
            ways["seconds"] = whole
    roles = {role: _the_one(frame, role, ways) for role in ways}
    if "seconds" in roles and {*roles} >= EDGES:
        text = "the seconds could be {seconds}, or {start} and {end}".format(**roles)
        seconds = Option("columns", {"seconds": roles["seconds"]})
        edges = Option("columns", {"start": roles["start"], "end": roles["end"]})
        raise UnusableFile(f"{short(text)}: say ", seconds, ", or ", edges)
    return {r: n for r, n in roles.items() if "seconds" not in roles or r not in EDGES}


def _is_other_part(name: str) -> bool:
    """Whether a duration is by its name a part of a step that is no computing of the worker's."""
    return part_of(parse(name)) not in ("", "computing") or is_allreduce(name)


def whole_of(frame: pd.DataFrame, names: Sequence[str]) -> list[str]:
    """The column of a total that stands beside at least two parts of a step, whose whole it is."""
    kinds = {str(name): dtype.kind for name, dtype in frame.dtypes.items()}
    timed = [name for name in names if kinds[name] in NUMBER_KINDS and is_timed(name)]
    parts = [name for name in timed if part_of(parse(name)) or is_allreduce(name)]
    parts += [name for name in timed if parse(name).wrong == "a wait"]
    others = DURATION_WORDS | OF_A_CALL
    totals = [n for n in timed if {*parse(n).words} - others in ({"total"}, {"overall"})]
    return totals if len(totals) == 1 and len(parts) >= 2 else []


def words_in(names: Sequence[str]) -> list[str]:
    """The passes, forward or backward, that names are of."""
    return [PASS_WORDS[word] for name in names for word in parse(name).words if word in PASS_WORDS]


def _require_no_optimizer_step(calls: Sequence[str], timed: Sequence[str]) -> None:
    """Refuse (UnusableFile) a step beside a forward and a backward pass and without an optimizer:
    in some programs it is all of them, and in others the optimizer's part alone."""
    if len(calls) != 1 or parse(calls[0]).base != "step":
        return
    passes = [name for name in timed if {*parse(name).words} & {*PASS_WORDS}]
    has_optimizer = any(part_of(parse(name)) == "the optimizer's" for name in timed)
    if has_optimizer or not {*words_in(passes)} >= {"forward", "backward"}:
        return
    raise UnusableFile(
        f"column {short(calls[0])} beside {short(' and '.join(passes))} may be the whole step or "
        "the optimizer's part of it: say ",
        Option("columns", {"stages": "+".join([*passes, calls[0]])}),
        " if it is a part, or call it step_time if it is the whole",
    )


def _the_one(frame: pd.DataFrame, role: str, ways: Ways) -> str:
    """The column of a role. Raises UnusableFile: there are several; of workers and rounds those are
    named in which no call comes twice."""
    names, other = ways[role], {"worker": "round", "round": "worker"}.get(role, "")
    if len(names) == 1:
        return names[0]
    ranks = [name for name in names if not is_place(name)]
    if role == "worker" and len(ranks) == 1:
        places = [name for name in names if name != ranks[0]]
        if all(are_on(frame, ranks[0], place) for place in places):
            return ranks[0]
    text = f"columns {short(' and '.join(names))} could each be the {role}"
    if not other:
        raise UnusableFile(f"{text}: say ", Option("columns", {role: names[0]}))
    good = [name for name in names if not frame.duplicated([name, ways[other][0]]).any()]
    if not good:
        text = f"{text}, and calls come again by each"
        places = sorted(names, key=lambda name: not is_place(name))
        parts = [name for name in map(str, frame.columns) if apart_role(name) == role]
        for joined in (places, *([place, part] for place in places[:1] for part in parts)):
            if not frame.duplicated([*joined, ways[other][0]]).any():
                raise UnusableFile(f"{text}: say ", Option("columns", {role: "+".join(joined)}))
        raise UnusableFile(f"{text}: write a column of both")
    raise UnusableFile(f"{text}: say ", Option("columns", {role: good[0]}))


def _lacking(frame: pd.DataFrame, ways: Ways, timed: bool, options: Reading) -> Message:
    """What to say where a role has no column by its name, a line."""
    lacking = [role for role in ("worker", "round") if role not in ways]
    lacking += [] if timed else ["seconds"]
    asked: dict[str, str] = {role: name for role, name in options.asked.items() if name}
    asked |= dict.fromkeys(lacking, "...")
    taken = {*options.named, *(name for names in ways.values() for name in names)}
    free = [name for name in map(str, frame.columns) if name not in taken]
    free_of_role = (n for n in free if role_of(n) is None)
    edges = [n for n in free_of_role if of_moments(frame[n]) and frame[n].nunique() > 1]
    wrong = [f"{short(n)} ({parse(n).wrong})" for n in free if parse(n).wrong]
    stages = [n for n in free if parse(n).unit and not parse(n).wrong]
    valid = "; valid: rounds x workers; or columns worker, round, seconds, or as host, step, "
    choice, more = Message(f"{valid}duration_ms; else"), ""
    known_edge = [role for role in EDGES if role in ways]
    if "worker" in lacking and "round" in ways:
        runs = [name for name in free if role_of(name) == "group"]
        runs = [n for n in runs if not frame.duplicated([n, ways["round"][0]]).any()]
        several = [name for name in runs if frame[name].nunique() > 1]
        if several:
            asked["worker"] = max(several, key=lambda name: "name" in parse(name).words)
    if "seconds" in lacking and len(known_edge) == len(edges) == 1:
        choice = Message(f"; {short(edges[0])} says when, as {ways[known_edge[0]][0]} does:")
        del asked["seconds"]
        missing_edge = "start" if known_edge == ["end"] else "end"
        asked |= {missing_edge: edges[0], known_edge[0]: ways[known_edge[0]][0]}
    elif "seconds" in lacking and len(edges) == 2:
        edges.sort(key=lambda name: str(frame[name].iloc[0]))
        choice = Message(f"; {short(' and '.join(edges))} say when:")
        del asked["seconds"]
        asked |= {"start": edges[0], "end": edges[1]}
    elif "seconds" in lacking and len(stages) > 1 and not any(map(is_part, stages)):
        choice = Message(f"; columns {short(' and '.join(stages[:3]))} could each be it;")
    elif "seconds" in lacking and len(stages) > 1:
        named = Option("columns", {"stages": "+".join(stages)})
        choice = Message("; ", named, " names parts of a step; else")
        more = " (or start and end in place of seconds)"
    elif likely := [n for n in free if _may_be_seconds(frame, n)] if "seconds" in lacking else []:
        reasons = [f"{short(n)} ({_reason(n)})" for n in likely]
        choice = Message(f"; there are {', '.join(reasons[:3])};")
        if len(reasons) == 1:
            choice = Message(f"; there is {reasons[0]};")
        asked["seconds"] = likely[0]
        more = " if that is how long calls took"
    elif "seconds" in lacking:
        numeric = [n for n in free if frame[n].dtype.kind in NUMBER_KINDS and not parse(n).wrong]
        if wrong or numeric:
            there = [*map(short, numeric), *wrong]
            choice = Message(f"; there are {', '.join(there[:6])}; else")
        more = " (or start and end in place of seconds)"
    none = f"no column is the {' or the '.join(lacking)} by its name"
    line = Message(none, choice, " say ", Option("columns", asked), more)
    if lacking != ["seconds"]:
        return line
    keys = frame[[ways["worker"][0], ways["round"][0]]].drop_duplicates()
    cells = keys.iloc[:, 0].nunique() * keys.iloc[:, 1].nunique()
    return Message(line, also_needed(len(keys) < cells, options))


def is_date(name: str) -> bool:
    """Whether a name says that a column holds dates, as those of Airflow, ``start_date``."""
    return "date" in parse(name).words


def is_part(name: str) -> bool:
    """Whether a time is by its name a part of a step."""
    return bool(part_of(parse(name))) or is_allreduce(name)


def _may_be_seconds(frame: pd.DataFrame, name: str) -> bool:
    """Whether a column is a time by its name, and one that a call may have taken."""
    is_number = frame[name].dtype.kind in NUMBER_KINDS
    named = parse(name).wrong == "a wait" or _is_other_part(name)
    return is_number and is_timed(name) and named


def _reason(name: str) -> str:
    """Why a time is not read as that of calls unasked."""
    parsed = parse(name)
    part = "an all-reduce" if is_allreduce(name) else f"a part: {part_of(parsed)}"
    return parsed.wrong or part


def said_of_seconds(frame: pd.DataFrame, name: str, options: Reading) -> Message:
    """What is to be known of a column that is read as the seconds; empty: its name says it."""
    parsed = parse(name)
    if options.stages or not name or is_clock(name):
        return EMPTY_MESSAGE
    if "seconds" in options.asked and parsed.wrong:
        read = f"column {short(name)} is read as seconds, as "
        return Message(read, Option("columns"), f" says; its name says {parsed.wrong}")
    if parsed.wrong == "a summary" and whole_of(frame, [*map(str, frame.columns)]) == [name]:
        return Message(f"column {short(name)} is the whole of the parts beside it by its name")
    if "seconds" not in options.asked and part_of(parsed) == "computing":
        text = (
            f"column {short(name)} is what a worker computes by its name, and read as all it does"
        )
        return Message(text)
    return EMPTY_MESSAGE


def with_differences(
    contents: FileContents, role: Roles, options: Reading
) -> tuple[FileContents, Roles]:
    """In place of a clock that runs on, what passed since the row before of the same worker, as the
    seconds. The first round has none; rounds in which a clock starts again are left out; where a
    row is missing, what passed is unknown. Raises UnusableFile: the clock is no time."""
    if "clock" not in role:
        return contents, role
    name = role["clock"]
    frame = contents.frame
    moments, unit = moments_of(frame[name])
    rounds, _ = numbers(frame[role["round"]], "the round")
    numbered = np.unique(rounds, return_inverse=True)[1]
    workers = pd.factorize(frame[role["worker"]])[0]
    order = np.lexsort((numbered, workers))
    follows = (np.diff(workers[order]) == 0) & (np.diff(numbered[order]) == 1)
    passed = np.full(len(frame), np.nan)
    passed[order[1:]] = np.where(follows, np.diff(moments[order]), np.nan)
    restarts = np.unique(numbered[passed < 0])
    if is_no_clock(passed) or len(restarts) >= numbered.max():
        never = f"column {short(name)} is a clock by its name, and never runs on: say "
        durations = Option("columns", {"seconds": name})
        raise UnusableFile(never, durations, " if it is how long each call took")
    kept = ~np.isin(numbered, [0, *restarts])
    by_name = "" if "clock" in options.asked else " by its name"
    said = (
        f"column {short(name)} is a clock{by_name}: read is what passed since the worker's row "
        f"before, which the first round does not have{restart_words(len(restarts))}"
    )
    units = contents.units if unit is None else {**contents.units, name: unit}
    contents = replace(
        contents,
        frame=frame.assign(**{name: passed})[kept].reset_index(drop=True),
        units=units,
        assumed=(*contents.assumed, Message(said)),
    )
    others = {of: column for of, column in role.items() if of != "clock"}
    return contents, {**others, "seconds": name}


def is_no_clock(passed: FloatArray, most: float = 0.25) -> bool:
    """Whether differences between rows of a clock are negative for more than this share of those
    that are known: times of calls are so for half."""
    known = passed[np.isfinite(passed)]
    return bool(known.size) and float(np.mean(known < 0)) > most


def restart_words(rounds: int) -> str:
    """What is said of so many rounds in which a clock starts again; empty: there are none."""
    if rounds == 0:
        return ""
    left_out = "1 round" if rounds == 1 else f"{rounds} rounds"
    return f"; {left_out} in which a clock starts again {'is' if rounds == 1 else 'are'} left out"


def moments_of(column: pd.Series) -> tuple[NDArray[Any], str | None]:
    """The numbers of a clock, and their unit where they were written as moments. Differences of
    whole numbers are exact. Raises UnusableFile: it is no time."""
    if column.dtype.kind in "iu" and column.notna().all():
        return column.to_numpy(np.int64), None
    if not of_moments(column):
        return numbers(column, "a clock", gaps=True)[0], None
    with reading("time stamps"):
        stamps = pd.to_datetime(column, format="ISO8601", utc=True)
    since = (stamps - stamps.min()) / pd.Timedelta(seconds=1)
    return since.to_numpy(np.float64), "s"


def has_one_value_each(frame: pd.DataFrame, worker: str, column: str) -> bool:
    """Whether every worker has one value of a column, as a rank has one host."""
    return bool(frame.groupby(worker)[column].nunique().le(1).all())


def are_on(frame: pd.DataFrame, worker: str, place: str) -> bool:
    """Whether each worker is on one place, and several are on one, as ranks are on hosts."""
    shared = frame.groupby(place)[worker].nunique().gt(1).any()
    return bool(shared) and has_one_value_each(frame, worker, place)


def place_of(frame: pd.DataFrame, worker: str, others: pd.DataFrame) -> str:
    """The first column that names a host for each worker, or ``""``."""
    if is_place(worker):
        return ""
    places = [name for name in map(str, others.columns) if is_place(name)]
    return next((name for name in places if has_one_value_each(frame, worker, name)), "")


def allreduce_columns(others: pd.DataFrame) -> list[str]:
    """The columns of numbers that are the time of an all-reduce by their names."""
    kinds = {str(name): column.dtype.kind for name, column in others.items()}
    return [n for n, kind in kinds.items() if kind in NUMBER_KINDS and is_allreduce(n)]


def allreduce_role(others: pd.DataFrame, role: Roles, options: Reading) -> str:
    """The column of the all-reduce whose wait is taken off: the one that was said, or the one that
    is called so beside the column of a whole step; empty: none. Raises UnusableFile: several are
    called so, or the seconds may hold the all-reduce or not."""
    if "allreduce" in options.asked:
        return options.asked["allreduce"]
    names = allreduce_columns(others)
    seconds = role.get("seconds") or f"{role['start']} to {role['end']}"
    if not names or options.stages or is_part_of_step(parse(seconds)):
        return ""
    if "seconds" not in role or not is_whole_step(parse(seconds)):
        raise UnusableFile(
            f"column {short(names[0])} is an all-reduce by its name, and {short(seconds)} may hold "
            "it or not: say ",
            Option("columns", {"allreduce": names[0]}),
            " if it does, ",
            Option("columns", {"allreduce": ""}),
            " if not",
        )
    if len(names) > 1:
        raise UnusableFile(
            f"columns {short(' and '.join(names))} could each be the all-reduce: say ",
            Option("columns", {"allreduce": names[0]}),
            "; or ",
            Option("columns", {"allreduce": ""}),
            " to read none",
        )
    return names[0]


def allreduce_of(others: pd.DataFrame) -> str:
    """The first column of times that says by its name that it is of an all-reduce, or ``""``."""
    kinds = ((str(name), column.dtype.kind) for name, column in others.items())
    named = re.compile(r"all_?reduce|nccl|collective|(^|_)comm(unication)?(_|$)")
    return next((n for n, kind in kinds if kind in "fi" and named.search(parse(n).whole)), "")


def own_seconds(calls: pd.DataFrame, column: str, options: Reading) -> pd.DataFrame:
    """The calls with each worker's own seconds: step - (all-reduce - the shortest of its round).
    Who comes last does not wait, so that its all-reduce is the ``transfer`` alone; that is left in
    everybody's own time. Of several rows of a worker and round the last one counts. Raises
    UnusableFile: an all-reduce takes longer than its step, or steps are to be added."""
    unread = EMPTY_MESSAGE
    if "allreduce" not in options.asked:
        unread = Message("; ", Option("columns", {"allreduce": ""}), " leaves it unread")
    if options.retries == "sum":
        last = Option("retries", "last")
        raise UnusableFile(f"steps with {short(column)} are not added: ", last, unread)
    counted = calls[calls["seconds"].notna()].sort_values("try", kind="stable")
    counted = counted.drop_duplicates(["worker", "round"], keep="last")
    least = calls["round"].map(counted.groupby("round")["allreduce"].min())
    own = calls["seconds"] - (calls["allreduce"] - least)
    longer = own < 0
    if "allreduce" not in options.asked:  # nobody said that it is one
        longer |= calls["allreduce"] > 1.01 * calls["seconds"]  # their digits are rounded
        together = calls["seconds"] + calls["allreduce"]
        # Ranks end a step together. If they do so only after both, the step ends before the wait.
        if _spread(together, calls["round"]) < _spread(calls["seconds"], calls["round"]) / 4:
            raise UnusableFile(
                f"steps and {short(column)} are equal for all only if they are added, so a step "
                "may end before its all-reduce: say ",
                Option("columns", {"allreduce": column}),
                " if it does not, ",
                Option("columns", {"allreduce": ""}),
                " if it does",
            )
    if longer.any():
        row = int(own.index[longer.to_numpy()][0]) + 1
        raise UnusableFile(
            f"row {row}: {short(column)} is longer than its step: say ",
            Option("columns", {"seconds": "...", "allreduce": "..."}),
            ", and units in their names if they differ",
            unread,
        )
    return calls.assign(seconds=own, transfer=least)


def _spread(seconds: pd.Series, rounds: pd.Series) -> float:
    """The sum of squares about the mean of each round."""
    return float(((seconds - seconds.groupby(rounds).transform("mean")) ** 2).sum())


def require_stages(options: Reading) -> None:
    """Refuse a column that is named twice, and a whole step as a stage (UnusableFile)."""
    if twice := [n for index, n in enumerate(options.named) if n in options.named[:index]]:
        once = f" names {short(twice[0])} twice; valid: each column once"
        raise UnusableFile(Option("columns"), once)
    for name in options.stages:
        passes = {word for other in options.stages for word in parse(other).words} & {*PASS_WORDS}
        if ROLE_WORDS.get(parse(name).base.removesuffix("_time")) == "round" and not passes:
            text = f"column {short(name)} is a whole step by its name, and no stage"
            raise UnusableFile(
                f"{text}: say ", Option("columns", {"seconds": name, "stages": "..."})
            )


def with_sum(contents: FileContents, role: Roles, options: Reading) -> tuple[FileContents, Roles]:
    """With a column that adds up the stages of a step, where no other is its seconds. Raises
    UnusableFile: the stages cannot be added, or cannot be told apart."""
    stages = options.stages
    if not stages:
        return contents, role
    if options.asked.get("allreduce") or options.retries == "sum":
        unneeded = Option("retries", "sum")
        if options.asked.get("allreduce"):
            unneeded = Option("columns", {"allreduce": "..."})
        raise UnusableFile(
            unneeded,
            " cannot stand beside ",
            Option("columns", {"stages": "..."}),
            ": who ends a stage needs neither",
        )
    if "seconds" in role or "start" in role:
        return contents, role
    units = [contents.unit_of(name) for name in stages]
    if odd := [name for name, unit in zip(stages, units, strict=True) if unit != units[0]]:
        text = f"stages {short(stages[0])} and {short(odd[0])} are in different units"
        remedy = "rename one, or name the column of the whole step"
        raise UnusableFile(f"{text} by their names: {remedy}")
    gaps = options.missing != "refuse"
    total = sum(numbers(contents.frame[name], "a stage", gaps=gaps)[0] for name in stages)
    name = "+".join(stages)
    known = contents.units if units[0] is None else {**contents.units, name: units[0]}
    frame = contents.frame.assign(**{name: total})
    return replace(contents, frame=frame, units=known), {**role, "seconds": name}


def stage_seconds(
    calls: pd.DataFrame, named: Sequence[str], table: FloatArray, at: tuple[NDArray[np.int64], ...]
) -> dict[str, FloatArray]:
    """Seconds of each stage, ``(rounds, n)``, and of what no stage names; they add up to the table.
    Raises UnusableFile: stages take longer than their step."""
    stages: dict[str, FloatArray] = {}
    if not named:
        return stages
    total = calls[[*range(len(named))]].sum(axis=1, skipna=False)
    over = (total > 1.01 * calls["seconds"]).to_numpy()  # their digits are rounded
    if over.any():
        row = int(calls.index[over][0]) + 1
        text = f"row {row}: stages {short('+'.join(named))} take longer than their step"
        raise UnusableFile(f"{text}: do they overlap? name those alone that follow each other")
    left = table
    for index, name in enumerate(named):
        seconds = np.full(table.shape, np.nan)
        seconds[at] = calls[index].to_numpy()
        seconds = np.minimum(seconds, left)
        plain = without_unit(name)
        stages[name if plain in stages else plain] = seconds
        left = left - seconds
    if (left > 1e-9 * table).any():
        stages["no stage named" if "no stage" in stages else "no stage"] = left
    return stages


def part_of_step(
    contents: FileContents, role: Roles, options: Reading, name: str, kind: str
) -> FloatArray:
    """Seconds of a column beside that of the step, whose unit it has if nothing else is said."""
    gaps = options.missing != "refuse"
    values, _ = numbers(contents.frame[name], "a part of a step", gaps=gaps)
    if np.any(values < 0):
        other = Option("columns", {kind: "..."})
        raise UnusableFile(f"column {short(name)} is negative; ", other, " names another")
    step = role.get("seconds") or role["start"]
    unit = contents.unit_of(name) or contents.unit_of(step) or contents.unit
    return settle(options.unit, unit, f"column {short(name)}", None).seconds(values)


# What a table says of rounds that stopped listening before everybody was heard.

HEARD_WORDS = ("heard", "arrived", "received")  # names of columns that say who was heard
TRUTHS = {"true": True, "yes": True, "false": False, "no": False}


def end_column(frame: pd.DataFrame, options: Reading) -> str | None:
    """The column that says when a round stopped listening: the one that was said, or the one that
    is called so."""
    if options.end_column is not None:
        return options.end_column
    free = (name for name in map(str, frame.columns) if name not in options.keep)
    return next((name for name in free if is_round_end(name)), None)


def is_round_end(name: str) -> bool:
    """Whether a name says when a round stopped listening, such as ``round_end_ms``."""
    return parse(name).base == "round_end"


def ends_in_seconds(column: pd.Series, contents: FileContents, times: Times) -> FloatArray:
    """The ends of rounds that a column says, in its own unit, or else in that of the times."""
    values, _ = numbers(column, "the end of a round", gaps=True)
    name = str(column.name)
    unit = contents.unit_of(name)
    if unit is None:
        return times.seconds(values)
    return settle(None, unit, f"column {short(name)}", None).seconds(values)


def not_heard_value(options: Reading) -> str:
    """What a file has in place of the time of a worker that was not heard."""
    return f"{options.not_heard:g} where not"


class HeardColumn(NamedTuple):
    """A column that says of each call whether the master heard it."""

    name: str
    heard: NDArray[np.bool_]  # by row


def heard_column(others: pd.DataFrame, options: Reading) -> HeardColumn | None:
    """The column that says who was heard, by its name and its Booleans; ``None``: none does."""
    for name in map(str, others.columns):
        if parse(name).whole not in HEARD_WORDS or name in options.keep:
            continue
        column = others[name]
        if column.dtype.kind == "O":
            column = column.map(lambda cell: TRUTHS.get(str(cell).strip().lower()))
        if column.notna().all() and {*column.unique()} <= {0, 1}:
            return HeardColumn(name, column.to_numpy(np.bool_))
    return None
