"""Other programs' files: NPZ with odd arrays or members, and folders of profilers."""

from __future__ import annotations

import gzip
import io
import json
import random
import warnings
import zipfile
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from tests.fuzz.values import Case, Command

Arrays = dict[str, Any]

KINDS = (
    *(
        "f2",
        "f4",
        ">f8",
        "i1",
        "u1",
        "i8",
        "u8",
        ">i4",
        "?",
        "c16",
        "g",
        "S5",
        "U5",
        "O",
        "M8[s]",
        "m8[s]",
    ),
    *("V8", "G"),
)
NUMBERS = (np.nan, np.inf, -np.inf, -1.0, 0.0, 1e308, -1e308, 5e-324, 1e-160, 1e160, 0.5, 2.0, 3.0)
DECLARED = (
    *(
        "(1000000000000, 4)",
        "(-1, 4)",
        "(4,)",
        "(0, 4)",
        "(4, 0)",
        "()",
        "(2, 2, 2)",
        "[4, 4]",
        "4",
        "'a'",
    ),
    *(
        "(1e400, 4)",
        "(" + "9" * 400 + ", 4)",
        "(" + "9" * 5000 + ",)",
        "(True, 4)",
        "(4.5, 4)",
        "(None,)",
    ),
    *(
        "(" * 300,
        "(9**9**9, 4)",
        "(4, 4",
        "{}",
        "(" + "4, " * 100 + ")",
        "(4611686018427387904, 4)",
    ),
)


def delays(rng: random.Random) -> tuple[bytes, str]:
    """A table of delays as NPZ."""
    shape = rng.choice(((8, 4), (12, 5), (1, 4), (5, 1), (3, 4)))
    table = np.random.default_rng(rng.randrange(99)).exponential(1.0, shape) + 0.1
    found: Arrays = {rng.choice(("seconds", "seconds", "x", "日本")): table}
    return _npz(rng, found)


def data(rng: random.Random) -> tuple[bytes, str]:
    """Data for training as NPZ."""
    generator = np.random.default_rng(rng.randrange(99))
    rows, features = rng.choice((8, 40)), rng.choice((1, 4))
    X = generator.normal(size=(rows, features))
    y = np.where(X.sum(axis=1) > 0, 1.0, -1.0)
    found: Arrays = {"X": X, "y": y}
    if rng.random() < 0.4:
        found |= {"X_test": X[:5] + 0.5, "y_test": y[:5]}
    if rng.random() < 0.3:
        found["initial"] = np.ones(features)
    return _npz(rng, found)


def _npz(rng: random.Random, found: Arrays) -> tuple[bytes, str]:
    notes = [_mutate(rng, found) for _ in range(rng.choice((0, 1, 1, 1, 2)))]
    sink = io.BytesIO()
    save = rng.choice((np.savez, np.savez_compressed))
    save(sink, **{name.replace("\0", "") or "x": array for name, array in found.items()})
    content = sink.getvalue()
    if rng.random() < 0.35:
        broken = rng.choice(FORMS)
        content = broken(rng, content)
        notes.append(broken.__name__)
    return content, ", ".join(notes)


def _mutate(rng: random.Random, found: Arrays) -> str:
    name = rng.choice([*found]) if found else "x"
    array = np.asarray(found.get(name, np.ones(4)))
    kind = rng.randrange(9)
    if kind <= 1 and array.size and array.dtype.kind == "f":
        at = tuple(rng.randrange(size) for size in array.shape)
        found[name] = array.copy()
        found[name][at] = rng.choice(NUMBERS)
        return f"{name} holds {found[name][at]}"
    if kind == 2:
        dtype = rng.choice(KINDS)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                found[name] = array.astype(dtype)
        except (ValueError, TypeError):
            found[name] = np.zeros(array.shape, dtype)
        return f"{name} is {dtype}"
    if kind == 3:
        found.pop(name, None)
        return f"no {name}"
    if kind == 4:
        found[rng.choice(("X", "y", "X_test", "initial", "seconds", "z", "\x1b[1m", "a/b"))] = array
        return f"{name} twice"
    if kind == 5:
        shapes: tuple[Any, ...] = (array.ravel(), array[None], array.T, array[:0], array[..., :-1])
        found[name] = rng.choice(shapes) if array.ndim else array
        return f"{name} has shape {found[name].shape}"
    if kind == 6:
        size = rng.choice(((10_000, 10), (1, 100_000), (100_000, 1), (1000, 1000)))
        found[name] = np.ones(size)
        return f"{name} has shape {size}"
    if kind == 7:
        found[name] = np.full(array.shape, rng.choice(NUMBERS))
        return f"{name} holds {found[name].flat[:1]}"
    found[name] = (
        np.asfortranarray(array) * rng.choice((-1, 1e-200, 1e200, 1e-20, 1e20, 0))
        if (array.dtype.kind == "f")
        else array
    )
    return f"{name} scaled"


def declared(rng: random.Random, content: bytes) -> bytes:
    """A member whose header says another shape or type."""
    shape = rng.choice(DECLARED)
    kind = rng.choice(
        ("<f8", "<f8", "<f8", "|O", "<f99", "|S0", "|V0", "[('a', '<f8')]", "x" * 100)
    )
    kind = kind if kind.startswith("[") else f"'{kind}'"
    header = f"{{'descr': {kind}, 'fortran_order': False, 'shape': {shape}, }}".encode()
    size = len(header).to_bytes(2, "little") if rng.random() < 0.9 else b"\xff\xff"
    version = rng.choice((b"\x01\x00", b"\x01\x00", b"\x02\x00", b"\x03\x00", b"\x09\x00"))
    member = b"\x93NUMPY" + version + size + header + b"\0" * 128
    return _rezipped(content, {rng.choice(_names(content)): member})


def huge(rng: random.Random, content: bytes) -> bytes:
    """A member that unpacks to more than a file may hold."""
    count = 60_000_000
    header = f"{{'descr': '|i1', 'fortran_order': False, 'shape': ({count // 4}, 4), }}".encode()
    start = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header
    return _rezipped(content, {rng.choice(_names(content)): start + b"\0" * count})


def method(rng: random.Random, content: bytes) -> bytes:
    """Flags, compression or sizes in the archive's directory changed."""
    at = content.rfind(b"PK\x01\x02")
    if at < 0:
        return content
    at += rng.choice((8, 9, 10, 11, 16, 20, 24, 28, 42))
    return content[:at] + bytes([rng.randrange(256)]) + content[at + 1 :]


def twice(rng: random.Random, content: bytes) -> bytes:
    """Two members of one name."""
    sink = io.BytesIO(content)
    with warnings.catch_warnings(), zipfile.ZipFile(sink, "a") as archive:
        warnings.simplefilter("ignore")
        archive.writestr(f"{rng.choice(_names(content))}.npy", b"rubbish")
    return sink.getvalue()


def packed(rng: random.Random, content: bytes) -> bytes:
    """Another compression."""
    return _rezipped(content, {}, rng.choice((zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2)))


def member(rng: random.Random, content: bytes) -> bytes:
    """A member that is no array."""
    rubbish = rng.choice((b"", b"text", b"\x93NUMPY", b"\x93NUMPY\x01\x00", b"\x80\x04."))
    return _rezipped(content, {rng.choice(_names(content)): rubbish})


def single(rng: random.Random, content: bytes) -> bytes:
    """An array without an archive."""
    sink = io.BytesIO()
    np.save(sink, np.ones((4, 4)))
    return sink.getvalue()


FORMS: tuple[Callable[[random.Random, bytes], bytes], ...] = (
    *(declared,) * 4,
    huge,
    *(method,) * 3,
    twice,
    packed,
    member,
    single,
)


def _names(content: bytes) -> list[str]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return [name.removesuffix(".npy") for name in archive.namelist()] or ["seconds"]


def _rezipped(
    content: bytes, changed: Mapping[str, bytes], compression: int = zipfile.ZIP_DEFLATED
) -> bytes:
    sink = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(content)) as old,
        zipfile.ZipFile(sink, "w", compression, compresslevel=1) as new,
    ):
        members = {name.removesuffix(".npy"): old.read(name) for name in old.namelist()} | changed
        for name, held in members.items():
            new.writestr(zipfile.ZipInfo(f"{name}.npy"), held, compression)
    return sink.getvalue()


# Folders of PyTorch's profiler: a trace a rank, in which any JSON may stand, and other files.


ODD = (
    *(
        "null",
        "true",
        "false",
        "0",
        "-1",
        "7",
        "1.5",
        "1e400",
        "-1e400",
        "1e-320",
        "NaN",
        "Infinity",
    ),
    *(
        "9" * 400,
        "9" * 5000,
        "-0",
        '""',
        '"7"',
        '"x"',
        '"\\ud800"',
        '"\\u0000\\u001b[31m"',
        '"[/b]"',
    ),
    *("[]", "{}", "[[]]", "[1, 2]", "[null]", '{"": {}}', '{"rank": 3}', '{"traceEvents": [1]}'),
    *('{"name": "ProfilerStep#4"}', '{"name": 5, "ph": "X"}', '{"distributedInfo": {"rank": 1}}'),
    *('{"distributedInfo": 3, "ph": "X"}', '{"ph": "X", "name": "ProfilerStep#4", "dur": 3}'),
    *(
        "[" * 300 + "]" * 300,
        '{"a":' * 300 + "1" + "}" * 300,
        "[" * 100_000,
        '"' + "x" * 5000 + '"',
    ),
)
"""Values of JSON, some of which no writer would write, as text."""

STEPS = ("ProfilerStep#{}", "ProfilerStep# {}", "ProfilerStep#-{}", "ProfilerStep*{}", "step {}")
KEYS = (
    "name",
    "name",
    "dur",
    "dur",
    "dur",
    "ph",
    "cat",
    "ts",
    "pid",
    "tid",
    "args",
    "rank",
    "traceEvents",
)
BESIDE = (
    "rank0_memory",
    "README",
    "a.1795613455663362280.pt.trace",
    "rank1",
    "日本",
    ".hidden",
    "x y",
)
PATHS = ("traces", "traces/", "traces/*.json", "traces/rank*", "traces/rank0.json", "trac?s")


class _Text(str):
    """JSON as it shall be written."""


def _written(value: Any) -> str:
    if isinstance(value, _Text):
        return value
    if isinstance(value, dict):
        return f"{{{', '.join(f'{json.dumps(key)}: {_written(v)}' for key, v in value.items())}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(_written, value))}]"
    return json.dumps(value)


def _odd(rng: random.Random) -> Any:
    return _Text(rng.choice(ODD))


def _trace(rng: random.Random, rank: int, numbers: range) -> dict[str, Any]:
    """What a profiler writes of one rank: its first and last step may be partial."""
    events: list[Any] = [{"ph": "M", "name": "process_name", "pid": rank, "args": {"name": "x"}}]
    now, form = 1e9, STEPS[0] if rng.random() < 0.97 else rng.choice(STEPS)
    for number in numbers:
        took = 1e5 * (1 + rank + rng.expovariate(1))
        if number in (numbers[0], numbers[-1]):
            took *= rng.choice((1, 0.1, 1e-4))
        common = {"ph": "X", "ts": now, "dur": took, "pid": rank, "tid": rank}
        events.append({**common, "cat": "user_annotation", "name": form.format(number)})
        if rng.random() < 0.5:
            events.append({**common, "cat": "cpu_op", "name": rng.choice(("aten::mm", "nccl:all"))})
        now += took
    return {"schemaVersion": 1, "distributedInfo": {"rank": rank}, "traceEvents": events}


def _broken(rng: random.Random, trace: dict[str, Any]) -> str:
    """Change a trace somewhere, and say where."""
    events = trace.get("traceEvents")
    kind = rng.randrange(10)
    if kind == 9 or not isinstance(events, list) or not events:
        key = rng.choice((*trace, "distributedInfo", "rank", "traceEvents"))
        trace[key] = _odd(rng)
        return f"{key} is {trace[key]:.20}"
    at = rng.randrange(len(events))
    if kind < 2:
        events.insert(at, _odd(rng))
        return f"an event {events[at]:.20}"
    if kind < 5 and isinstance(events[at], dict):
        key = rng.choice(KEYS)
        events[at] = {**events[at], key: _odd(rng)}
        return f"{key} of an event is {events[at][key]:.20}"
    if kind == 5 and isinstance(events[at], dict):
        gone = rng.choice((*events[at], ""))
        events[at] = {key: value for key, value in events[at].items() if key != gone}
        return f"an event without {gone}"
    if kind == 6:
        del events[at]
        return "an event less"
    if kind == 7:
        events.append(events[at])
        return "an event twice"
    trace["distributedInfo"] = {"rank": _odd(rng) if rng.random() < 0.7 else 0}
    return "another rank"


def profilers(rng: random.Random) -> Case:
    """A folder of traces, and a command that reads it."""
    files, notes = {}, []
    length, ranks = rng.choice((1, 2, 3, 5, 12)), rng.choice((1, 2, 4))
    for rank in range(ranks):
        begin = 3 + (rng.random() < 0.1)
        trace = _trace(rng, rank, range(begin, begin + length))
        wrong = rng.choice((0, 0, 0, 1, 1, 2)) if ranks > 1 else 1
        notes += [_broken(rng, trace) for _ in range(wrong)]
        whole = trace if rng.random() < 0.97 else trace.get("traceEvents")
        content = _written(whole).encode("utf-8", "surrogatepass")
        if rng.random() < 0.06:
            content = content[: rng.randrange(len(content))]
            notes.append("cut short")
        name = f"rank{rank}.json" if rng.random() < 0.95 else rng.choice(BESIDE) + ".json"
        if rng.random() < 0.1:
            name, content = f"{name}.gz", gzip.compress(content, mtime=0)
        files[f"traces/{name}"] = content
    if rng.random() < 0.25:
        other = rng.choice(BESIDE) + rng.choice((".json", ".json", ".txt", ".json.gz"))
        files[f"traces/{other}"] = rng.choice(ODD).encode()
        notes.append(f"{other} beside")
    path = PATHS[0] if rng.random() < 0.8 else rng.choice(PATHS)
    more = [] if rng.random() < 0.7 else ["--rows", rng.choice(("round=4:5", "round=4:13", "x=1"))]
    read: Command = (rng.choice(("read", "read", "fit", "whatif")), path, *more)
    return Case(
        files, (read if read[0] == "read" else (*read, "--output", "out"),), "; ".join(notes)
    )
