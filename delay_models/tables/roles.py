"""Which column of a long table is what, by its name or by what is said."""

from __future__ import annotations

from shlex import quote

import pandas as pd

from ...sim.files import UnusableFile, short
from ...sim.reading import Reading
from ..formats.cells import NUMBER_KINDS
from ..formats.files import ISO_MOMENT
from .measured import also_needed
from .names import least, parse, role_of
from .parts import require_stages
from .patterns import shape_of

CANONICAL = ("worker", "round", "seconds")  # columns that need no choice whatever else there is
EDGES = {"start", "end"}
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
    if not asked and {*CANONICAL} <= {*free}:
        return {role: role for role in (*CANONICAL, "load") if role in free}
    free = [name for name in free if not least(name, free)]
    ways: Ways = {role: [name] for role, name in asked.items()}
    for name in free:
        if (role := role_of(name)) in (*CANONICAL, *EDGES, "load") and role not in asked:
            ways.setdefault(role, []).append(name)
    if {*asked} == {"worker"} and not {"round", "seconds", *EDGES} & {*ways}:
        return None  # a row for each worker, and a column for each round
    kinds = {str(name): dtype.kind for name, dtype in frame.dtypes.items()}
    rest = [name for name in free if role_of(name) is None and kinds[name] in NUMBER_KINDS]
    timed = [name for name in rest if parse(name).unit and not parse(name).wrong]
    calls = ways.pop("seconds", [])
    calls = [n for n in calls if parse(n).whole != "time" or len(calls) == 1]  # it may say when
    if timed and [parse(name).whole for name in calls] in ([], ["time"]) and not {*ways} >= EDGES:
        calls = timed if len(timed) == 1 else []  # whatever it is called: there is no other
    if (calls and "seconds" in asked) or (not EDGES & {*asked} and calls):
        ways["seconds"] = calls
    if "seconds" in asked or (stages and not {*ways} >= EDGES):
        ways = {role: names for role, names in ways.items() if role not in EDGES}
    both, known = {"worker", "round"} <= {*ways}, "seconds" in ways or {*ways} >= EDGES or stages
    if not (both and known):
        shapes = [*map(shape_of, rest)]
        alike = any(shapes.count(shape) > 1 for shape in shapes)
        wanted = {"worker", "seconds", *EDGES} & {*asked} or allreduce or stages or both
        if not wanted and (alike or len({*ways} - {"load"}) < 2):
            return None
        raise UnusableFile(_lacking(frame, ways, bool(known), options))
    roles = {role: _the_one(frame, role, ways) for role in ways}
    if "seconds" in roles and {*roles} >= EDGES:
        text = "the seconds could be {seconds}, or {start} and {end}".format(**roles)
        edges = quote("start={start},end={end}".format(**roles))
        seconds = quote(f"seconds={roles['seconds']}")
        raise UnusableFile(f"{short(text)}: say --columns {seconds}, or --columns {edges}")
    return {r: n for r, n in roles.items() if "seconds" not in roles or r not in EDGES}


def _the_one(frame: pd.DataFrame, role: str, ways: Ways) -> str:
    """The column of a role. Raises UnusableFile: there are several; of workers and rounds those are
    named in which no call comes twice."""
    names, other = ways[role], {"worker": "round", "round": "worker"}.get(role, "")
    if len(names) == 1:
        return names[0]
    text = f"columns {short(' and '.join(names))} could each be the {role}"
    if not other:
        raise UnusableFile(f"{text}: say --columns {role}=...")
    good = [name for name in names if not frame.duplicated([name, ways[other][0]]).any()]
    if not good:
        raise UnusableFile(f"{text}, and calls come again by each: write a column of both")
    raise UnusableFile(f"{text}: say --columns {quote(f'{role}={good[0]}')}")


def _lacking(frame: pd.DataFrame, ways: Ways, timed: bool, options: Reading) -> str:
    """What to say where a role has no column by its name, a line."""
    lacking = [role for role in ("worker", "round") if role not in ways]
    lacking += [] if timed else ["seconds"]
    asked: dict[str, str] = {role: name for role, name in options.asked.items() if name}
    asked |= dict.fromkeys(lacking, "...")
    taken = {*options.named, *(name for names in ways.values() for name in names)}
    free = [name for name in map(str, frame.columns) if name not in taken]
    edges = [n for n in free if role_of(n) is None and _is_moment(frame[n])]
    wrong = [f"{short(n)} ({parse(n).wrong})" for n in free if parse(n).wrong]
    stages = [n for n in free if parse(n).unit and not parse(n).wrong]
    text, more = "; valid: rounds x workers; or columns worker, round, seconds, ", ""
    text += "or as host, step, duration_ms; else"
    if "seconds" in lacking and len(edges) == 2:
        edges.sort(key=lambda name: str(frame[name].iloc[0]))
        text = f"; {short(' and '.join(edges))} say when:"
        del asked["seconds"]
        asked |= {"start": edges[0], "end": edges[1]}
    elif "seconds" in lacking:
        text = "; --columns stages=... names parts of a step; else" if len(stages) > 1 else text
        text = f"; there are {', '.join(wrong[:3])}; else" if wrong else text
        more = " or start=...,end=..."
    what = quote(",".join(f"{role}={name}" for role, name in asked.items()))
    line = (
        f"no column is the {' or the '.join(lacking)} by its name{text} say --columns {what}{more}"
    )
    if lacking != ["seconds"]:
        return line
    keys = frame[[ways["worker"][0], ways["round"][0]]].drop_duplicates()
    cells = keys.iloc[:, 0].nunique() * keys.iloc[:, 1].nunique()
    return line + also_needed(len(keys) < cells, options)


def _is_moment(column: pd.Series) -> bool:
    known = column.dropna()
    iso = column.dtype.kind == "M" or (
        len(known) > 0 and bool(ISO_MOMENT.fullmatch(str(known.iloc[0])))
    )
    return iso and known.nunique() > 1
