"""Files of delays and data that are broken somewhere: in a cell, in their form, in their bytes."""

from __future__ import annotations

import gzip
import random
from collections.abc import Callable

from tests.fuzz import arrays, columns, grids, yaml_out
from tests.fuzz.case import Case, Command
from tests.fuzz.values import Raw

NAMES = (
    *(
        "trace",
        "データ",
        "tra ce",
        "a'b",
        "[/b]",
        "$x$",
        "x\x1b[1my",
        "a\nb",
        "\u202ecsv",
        "é" * 100,
    ),
    *("-x", "a,b", "a#b", "%s", ".hidden", "n" * 240, "trace.csv", "con", "🙂", "a:b", "*", "~"),
)
WRONG_ENDINGS = (
    ".csv",
    ".csv.gz",
    ".parquet",
    ".npz",
    ".txt",
    "",
    ".CSV",
    ".gz",
    ".npy",
    ".csv.zip",
)


def make(rng: random.Random) -> Case:
    """A table, and what is done with it."""
    kind = rng.random()
    if kind < 0.25:
        return _data(rng)
    if kind < 0.35:
        return _public(rng)
    return _trace(rng)


def _trace(rng: random.Random) -> Case:
    ending, content, note = rng.choice(TRACES)(rng)
    content, damage = damaged(rng, content)
    if rng.random() < 0.05:
        ending, damage = rng.choice(WRONG_ENDINGS), f"{damage} wrong ending"
    name = "trace" if rng.random() < 0.9 else rng.choice(NAMES)
    while len(name.encode()) + len(ending) > 255:
        name = name[:-1]
    file = f"{name}{ending}"
    commands = _measured(rng, file) if rng.random() < 0.5 else _runs(rng)
    files = {file: content}
    runs = commands[0][0] == "run"
    if runs:
        files["config.yaml"] = _config(rng, file)
    return Case(files, commands, f"{file!r:.60} {note} {damage}", again=runs)


def _measured(rng: random.Random, file: str) -> tuple[Command, ...]:
    """What is done with a table by itself; some of the configs that a fit writes are run."""
    kind = rng.random()
    if kind < 0.4:
        whatif = _whatif(rng, file)
        return rng.choice(((whatif,), (whatif, ("report", "out"))))
    if kind < 0.5:
        run = ("run", "out/delay.yaml", "--set", "iterations=3", "--output", "fitted")
        return (("fit", "--output", "out", "--", file), rng.choice((run, ("report", "out"))))
    return (_fit(rng, file),)


def _fit(rng: random.Random, file: str) -> Command:
    """The name could be taken for an option."""
    options = read(rng)
    if rng.random() < 0.2:
        ranges = ("1:3", "2:2", "0:3", "3:1", ":", "1:", "a:b", "1:9999999", "-1:2", "1:2:3", "١:٢")
        options += ["--k-range", rng.choice((*ranges, "9" * 5000 + ":1"))]
    if rng.random() < 0.2:
        options += [
            "--output",
            rng.choice(("out", "out/deep", "[/b]", "日本", "x\x1b", "trace.csv")),
        ]
    return ("fit", *options, "--", file)


def read(rng: random.Random) -> list[str]:
    """Options of every command that reads a table."""
    options: list[str] = []
    choices = {
        "--load": ("1", "2", "0", "-1", "nan", "1e400", "x", "inf", ""),
        "--unit": ("s", "ms", "us", "ns", "h"),
        "--missing": ("refuse", "drop-rounds", "never", "0"),
        "--retries": ("refuse", "last", "sum", "mean"),
        "--columns": ("worker=host", "round=", "seconds=load,load=seconds", "x=y", "=", "worker"),
        "--drop": ("0", "load", "Unnamed: 0", ",", "0,1,2,3,4,5,6,7"),
    }
    for option, values in choices.items():
        if rng.random() < 0.12:
            options += [option, rng.choice(values)]
    return options


def _whatif(rng: random.Random, file: str) -> Command:
    options = read(rng)
    if rng.random() < 0.3:
        counts = ("1:2", "0", "1", "1,2", "2:1", "-1", "x", "1:99999999", "", "1,1", "9" * 5000)
        options += ["--stragglers", rng.choice(counts)]
    if rng.random() < 0.2:
        options += ["--timeout", rng.choice(("0.5", "0.9,0.99", "1", "0", "nan", "2", "x", ""))]
    return ("whatif", *options, "--output", "out", "--", file)


def _runs(rng: random.Random) -> tuple[Command, ...]:
    run = ("run", "config.yaml", "--output", "out", "--data-dir", "data")
    return rng.choice(((run,), (run,), (run, run), ((*run, "--dry-run"),)))


def _config(rng: random.Random, file: str) -> bytes:
    delay = {"model": "trace", "path": file}
    delay |= rng.choice(({}, {"resample": "cells"}, {"resample": "rounds"}, {"end": "cyclic"}))
    if rng.random() < 0.1:
        delay["load"] = Raw(rng.choice(("1", "2", "0", "-1", ".nan", "1e400", "x")))
    return _document(rng, {"delay": delay})


def _document(rng: random.Random, more: dict[str, object]) -> bytes:
    document = {
        "workers": rng.choice((1, 2, 2, 4)),
        "iterations": 5,
        "replications": 2,
        "delay": {"model": "exponential", "rate": 1.0},
        "schemes": [{"name": "uncoded"}, {"name": "erasurehead", "load": 2, "wait_for": 2}],
        **more,
    }
    return yaml_out.write(document, random.Random(0)).encode("utf-8", "surrogatepass")


def _data(rng: random.Random) -> Case:
    """A user's own NPZ of X, y and so on."""
    content, note = arrays.data(rng)
    content, damage = damaged(rng, content)
    loss = rng.choice(("least_squares", "logistic", "least_squares"))
    problem = {"loss": loss, "dataset": "file", "path": "data.npz"}
    optimizer = {"rule": rng.choice(("gd", "accelerated", "nesterov")), "learning_rate": 0.05}
    config = _document(rng, {"problem": problem, "optimizer": optimizer})
    files = {"config.yaml": config, "data.npz": content}
    return Case(files, _runs(rng), f"data.npz {loss} {note} {damage}", again=True)


def _public(rng: random.Random) -> Case:
    """A download of a public data set."""
    dataset, file, rows = rng.choice(grids.PUBLIC)(rng)
    content, note = grids.csv(rng, rows)
    content, damage = damaged(rng, content)
    loss = "least_squares" if dataset == "kc_housing" else "logistic"
    problem = {"loss": loss, "dataset": dataset}
    config = _document(
        rng, {"problem": problem, "optimizer": {"rule": "gd", "learning_rate": 0.01}}
    )
    files = {"config.yaml": config, f"data/{file}": content}
    return Case(files, _runs(rng), f"{file} {note} {damage}", again=True)


def _csv(rng: random.Random) -> tuple[str, bytes, str]:
    content, note = grids.csv(rng, grids.delays(rng))
    return ".csv", content, note


def _gz(rng: random.Random) -> tuple[str, bytes, str]:
    if rng.random() < 0.05:
        line, times = rng.choice(
            ((b"1,2,3\n", 10**7), (b"1", 10**8), (b"\n", 10**8), (b",", 10**8))
        )
        return ".csv.gz", gzip.compress(line * times, 1, mtime=0), "a bomb"
    content, note = grids.csv(rng, grids.delays(rng))
    packed = gzip.compress(content, mtime=0)
    if rng.random() < 0.2:
        packed, note = (
            packed + rng.choice((packed, b"rubbish", b"\0" * 50, content)),
            f"{note} more",
        )
    return ".csv.gz", packed, note


def _npz(rng: random.Random) -> tuple[str, bytes, str]:
    return ".npz", *arrays.delays(rng)


def _parquet(rng: random.Random) -> tuple[str, bytes, str]:
    return ".parquet", *columns.parquet(rng)


TRACES: tuple[Callable[[random.Random], tuple[str, bytes, str]], ...] = (
    *(_csv,) * 4,
    _gz,
    *(_npz,) * 2,
    *(_parquet,) * 2,
)


def damaged(rng: random.Random, content: bytes) -> tuple[bytes, str]:
    """Most files stay as they are; some lose, gain or change bytes."""
    kind, at = rng.random(), rng.randrange(len(content) + 1)
    size = rng.choice((1, 1, 2, 8, 100))
    noise = bytes(rng.randrange(256) for _ in range(size))
    if kind < 0.8:
        return content, ""
    if kind < 0.84:
        return content[:at], "cut short"
    if kind < 0.89:
        return content[:at] + noise + content[at + size :], "bytes replaced"
    if kind < 0.91:
        return content[:at] + content[at + size :], "bytes missing"
    if kind < 0.93:
        return content[:at] + noise + content[at:], "bytes more"
    if kind < 0.95:
        return content[at:], "its end alone"
    if kind < 0.96:
        return content[:at] + b"\0" * (len(content) - at), "zeros to the end"
    if kind < 0.985 and content:
        at = min(at, len(content) - 1)
        return content[:at] + bytes([content[at] ^ 1 << rng.randrange(8)]) + content[
            at + 1 :
        ], "a bit"
    return rng.choice((b"", b"\0", noise, noise * 50, content + content, b"\n" * 50)), "other bytes"
