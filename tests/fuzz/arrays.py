"""NPZ files, with odd arrays or with members that are not what they say."""

from __future__ import annotations

import io
import random
import warnings
import zipfile
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

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
