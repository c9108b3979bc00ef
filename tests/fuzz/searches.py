"""Random tables as grids of cells, and random searches."""

from __future__ import annotations

import random
from typing import Any

from erasurehead.sim.training.problems.datasets.brought import AMAZON_COLUMNS, KC_COLUMNS
from tests.fuzz import configs, labels, values
from tests.fuzz.values import Case, Command

# Tables as text: rows of cells with something odd among them.


Rows = list[list[str]]

CELLS = (
    *(
        "",
        " ",
        "nan",
        "NaN",
        "NA",
        "inf",
        "-inf",
        "Infinity",
        "-1",
        "0",
        "-0",
        "1e308",
        "1e309",
        "1e400",
    ),
    *(
        "1e-320",
        "1e-400",
        "9" * 400,
        "-" + "9" * 400,
        "9" * 19,
        "1" * 5000,
        "x" * 100_000,
        "0x10",
        "1_0",
    ),
    *(
        "1,5",
        '"1,5"',
        '"',
        '""',
        '"1',
        '1"',
        "'1'",
        "True",
        "None",
        "null",
        "#N/A",
        "1 s",
        "1s",
        "٣",
        "１",
    ),
    *(
        "é",
        "日",
        "\x1b[31m",
        "\0",
        "\x07",
        "\r",
        "\u2028",
        "=1+1",
        "2001-01-01",
        "1;2",
        "1\t2",
        "1.2.3",
    ),
    *(
        "[/b]",
        "$x$",
        "\u202e",
        "1j",
        "+1",
        "--1",
        "1e",
        ".",
        "e",
        "1e5",
        "1E+2",
        "𝟙",
        "½",
        "∞",
        "-0.0",
    ),
)
EXTREME = (
    *(
        "0",
        "-0",
        "0.0",
        "1e-320",
        "1e-150",
        "1e-9",
        "1e9",
        "1e15",
        "1e16",
        "1e150",
        "1e299",
        "1e308",
        "1",
    ),
    *(
        "0.1",
        "3",
        "100",
        "0.30000000000000004",
        "1.7976931348623157e308",
        "5e-324",
        "2",
        "10000000000",
    ),
)
LINES = (
    "",
    " ",
    ",",
    ",,,,",
    "#",
    '"',
    "x",
    "1",
    "1,2,3,4,5,6,7,8,9,10",
    "\0",
    "---",
    "é" * 100,
    "\ufeff",
)


def delays(rng: random.Random) -> Rows:
    """A table of delays, wide or long."""
    rounds, workers = rng.choice((1, 3, 8, 12)), rng.choice((1, 4, 5))
    cells = [[f"{rng.expovariate(1) + 0.1:.4g}" for _ in range(workers)] for _ in range(rounds)]
    if rng.random() < 0.7:
        header = rng.choice(
            (
                [],
                [[f"w{i}" for i in range(workers)]],
                [[str(i) for i in range(workers)]],
                [[str(i + 1) for i in range(workers)]],
            )
        )
        return [*header, *cells]
    loads = rng.choice(([], ["1"], ["1", "2"], ["0.5", "1e300"]))
    rows = [["worker", "round", "seconds", *(["load"] if loads else [])]]
    for load in loads or [""]:
        for t, row in enumerate(cells):
            rows += [
                [str(j), str(t), cell, *([load] if loads else [])] for j, cell in enumerate(row)
            ]
    return rows


def amazon(rng: random.Random) -> tuple[str, str, Rows]:
    return "amazon", "train.csv", _public(rng, ["ACTION", *AMAZON_COLUMNS], 2)


def covertype(rng: random.Random) -> tuple[str, str, Rows]:
    names = [*(f"f{i}" for i in range(54)), "Cover_Type"]
    rows = _public(rng, names, 3)
    return (
        ("covertype", "covtype.csv", rows)
        if rng.random() < 0.5
        else (
            "covertype",
            "covtype.data",
            rows[1:],
        )
    )


def houses(rng: random.Random) -> tuple[str, str, Rows]:
    return "kc_housing", "kc_house_data.csv", _public(rng, ["id", "price", *KC_COLUMNS], 9)


PUBLIC = (amazon, covertype, houses)


def _public(rng: random.Random, names: list[str], values: int) -> Rows:
    count = rng.choice((5, 20, 60))
    return [names, *([str(rng.randrange(values)) for _ in names] for _ in range(count))]


def csv(rng: random.Random, rows: Rows) -> tuple[bytes, str]:
    """The rows as CSV, with up to three things wrong, and which."""
    notes = [_mutate(rng, rows) for _ in range(rng.choice((0, 1, 1, 1, 2, 3)))]
    separator = "," if rng.random() < 0.95 else rng.choice((";", "\t", " ", ", ", "|"))
    end = "\n" if rng.random() < 0.9 else rng.choice(("\r\n", "\r", "\n\n", "\n\r", "\v"))
    lines = [separator.join(row) for row in rows]
    for _ in range(rng.choice((0, 0, 0, 1, 2))):
        lines.insert(rng.randrange(len(lines) + 1), rng.choice(LINES))
        notes.append("a line more")
    text = end.join(lines) + rng.choice((end, end, ""))
    coding = "utf-8" if rng.random() < 0.93 else rng.choice(("utf-8-sig", "utf-16", "latin-1"))
    return text.encode(coding, "replace"), ", ".join(notes)


def _mutate(rng: random.Random, rows: Rows) -> str:
    if not rows:
        rows.append(["1"])
    row = rng.choice(rows)
    kind = rng.randrange(14)
    if kind < 6 and row:
        at = rng.randrange(len(row))
        row[at] = rng.choice(EXTREME if kind < 4 else CELLS)
        return f"cell {row[at][:30]!r}"
    if kind == 6 and row:
        row.pop(rng.randrange(len(row)))
        return "a cell less"
    if kind == 7:
        row.insert(rng.randrange(len(row) + 1), rng.choice(CELLS))
        return "a cell more"
    if kind == 8:
        rows.remove(row)
        return "a row less"
    if kind == 9:
        rows.insert(rng.randrange(len(rows) + 1), [*row])
        return "a row twice"
    if kind == 10 and row:
        at, odd = rng.randrange(len(row)), rng.choice((*EXTREME, *CELLS))
        for each in rows[1:]:
            each[at : at + 1] = [odd]
        return f"column of {odd[:30]!r}"
    if kind == 11 and rows[0]:
        at = rng.randrange(len(rows[0]))
        rows[0][at] = rng.choice((*CELLS, *rows[0], "worker", "round", "seconds", "load"))
        return f"header {rows[0][at][:30]!r}"
    if kind == 12:
        rows[:] = [[*each, each[-1] if each else ""] for each in rows]
        return "last column twice"
    if kind == 13 and rng.random() < 0.3:
        wide, odd = rng.choice((3000, 120_000, 250_000)), rng.choice(("1", "", "x"))
        rows[rng.randrange(len(rows))] = [odd] * wide
        return f"a row of {wide} cells"
    rng.shuffle(rows)
    return "shuffled"


# Small searches whose question or config is broken somewhere.


SMALL: dict[str, Any] = {"workers": 4, "iterations": 4, "replications": 2}

ONLY = (
    *("uncoded,ignore_stragglers", "uncoded,fractional_repetition", "erasurehead,k_async"),
    *("uncoded", "rennala,uncoded", "adaptive_k", "drop_compute,window", "multi_message"),
    *("nosuch", "", ",", "uncoded,", "uncoded,uncoded", "[/b]", "x" * 5000),
)

NUMBERS = ("1", "0.5", "2", "10", "1e-3", "1e9", "0", "-1", "nan", "inf", "1e400", "x", "")

LIMITS = ("--max-load", "--max-worker-seconds", "--max-bytes", "--max-error")


def make(rng: random.Random) -> Case:
    """A search of a config, small enough for some seconds; at times its page, or a run of its
    winner."""
    case = _of_config(rng)
    kind, more = rng.random(), ()
    if kind < 0.15:
        more = (("report", "out"),)
    elif kind < 0.3:
        more = (("run", "out/winner.yaml", "--output", "run"),)
    return Case(case.files, (*case.commands, *more), case.note, fifos=case.fifos)


def _of_config(rng: random.Random) -> Case:
    document = _small(rng)
    changes = rng.choice((0, 0, 0, 1, 1, 2))
    notes = [rng.choice(configs.MUTATORS)(rng, document) for _ in range(changes)]
    text = labels.write(document, rng).encode("utf-8", "surrogatepass")
    overrides = configs.settings(rng, document) if rng.random() < 0.1 else ()
    command: Command = ("recommend", "config.yaml", *overrides, *_question(rng), "--output", "out")
    files = {"config.yaml": text, **values.files()}
    return Case(files, (command,), "; ".join(notes), fifos=("pipe",))


def _small(rng: random.Random) -> Any:
    """A config that a search of a few schemes takes some seconds for."""
    document = {**values.config(rng), **SMALL}
    if rng.random() < 0.8:
        document["schemes"] = rng.choice(
            ([], [{"name": "uncoded"}], [values.grown(rng, "schemes")])
        )
    document.pop("sweep", None)
    if document["delay"].get("model") == "authors_stream":  # a second for each replication
        document["delay"] = {"model": "exponential", "rate": 1.0}
    return document


def _question(rng: random.Random) -> list[str]:
    """Goal, limits, and few schemes."""
    options = ["--only", rng.choice(ONLY[:8]) if rng.random() < 0.9 else rng.choice(ONLY)]
    for option, chance in (("--target", 0.15), ("--budget", 0.15), *((x, 0.08) for x in LIMITS)):
        if rng.random() < chance:
            options += [option, rng.choice(NUMBERS)]
    if rng.random() < 0.05:
        options += ["--jobs", rng.choice(("2", "0", "x"))]
    return options
