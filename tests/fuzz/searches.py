"""Small searches whose question, config or table is broken somewhere."""

from __future__ import annotations

import random
from typing import Any

from tests.fuzz import configs, grids, seeds, tables, yaml_out
from tests.fuzz.case import Case, Command

SMALL: dict[str, Any] = {"workers": 4, "iterations": 4, "replications": 2}

ONLY = (
    *("uncoded,ignore_stragglers", "uncoded,fractional_repetition", "erasurehead,k_async"),
    *("uncoded", "rennala,uncoded", "adaptive_k", "drop_compute,window", "multi_message"),
    *("nosuch", "", ",", "uncoded,", "uncoded,uncoded", "[/b]", "x" * 5000),
)

NUMBERS = ("1", "0.5", "2", "10", "1e-3", "1e9", "0", "-1", "nan", "inf", "1e400", "x", "")

LIMITS = ("--max-load", "--max-worker-seconds", "--max-bytes", "--max-error")


def make(rng: random.Random) -> Case:
    """A search of a config or of a table, small enough for some seconds; at times its page, or a
    run of its winner."""
    case = _of_table(rng) if rng.random() < 0.3 else _of_config(rng)
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
    text = yaml_out.write(document, rng).encode("utf-8", "surrogatepass")
    overrides = configs.settings(rng, document) if rng.random() < 0.1 else ()
    command: Command = ("recommend", "config.yaml", *overrides, *_question(rng), "--output", "out")
    files = {"config.yaml": text, **seeds.files()}
    return Case(files, (command,), "; ".join(notes), fifos=("pipe",))


def _small(rng: random.Random) -> Any:
    """A config that a search of a few schemes takes some seconds for."""
    document = {**seeds.config(rng), **SMALL}
    if rng.random() < 0.8:
        document["schemes"] = rng.choice(([], [{"name": "uncoded"}], [seeds.grown(rng, "schemes")]))
    document.pop("sweep", None)
    if document["delay"].get("model") == "authors_stream":  # a second for each replication
        document["delay"] = {"model": "exponential", "rate": 1.0}
    return document


def _of_table(rng: random.Random) -> Case:
    options, damage = ["--set", "iterations=4"], ""
    if rng.random() < 0.5:
        content, note = _plain_table(rng), "plain"
    else:
        content, note = grids.csv(rng, grids.delays(rng))
        content, damage = tables.damaged(rng, content)
        options += tables.read(rng)
    choices = {
        "--workers": ("4", "2", "0", "3000", "1e9", "x"),
        "--loss": ("logistic", "least_squares", "hinge", ""),
        "--dataset": ("synthetic", "nosuch", "amazon"),
        "--replay": (None,),
    }
    for option, values in choices.items():
        if rng.random() < 0.3:
            value = rng.choice(values)
            options += [option] if value is None else [option, value]
    command: Command = (
        *("recommend", "--trace", "trace.csv", *options, *_question(rng), "--output", "out"),
    )
    return Case({"trace.csv": content}, (command,), f"{note} {damage}")


def _plain_table(rng: random.Random) -> bytes:
    """Delays of four workers at one load or two."""
    rows = ["worker,round,load,seconds"]
    for load in rng.choice(((1,), (1, 2), (2, 4))):
        for t in range(12):
            rows += [f"{j},{t},{load},{load * (0.1 + rng.expovariate(1))}" for j in range(4)]
    return "\n".join(rows).encode()


def _question(rng: random.Random) -> list[str]:
    """Goal, limits, and few schemes."""
    options = ["--only", rng.choice(ONLY[:8]) if rng.random() < 0.9 else rng.choice(ONLY)]
    for option, chance in (("--target", 0.15), ("--budget", 0.15), *((x, 0.08) for x in LIMITS)):
        if rng.random() < chance:
            options += [option, rng.choice(NUMBERS)]
    if rng.random() < 0.05:
        options += ["--jobs", rng.choice(("2", "0", "x"))]
    return options
