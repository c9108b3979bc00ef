"""Parts of a step: the all-reduce, which hides a wait for the slowest worker in it, and stages."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from shlex import quote

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ...sim.files import UnusableFile, short
from ...sim.reading import Reading, Retries
from ..base import FloatArray
from ..formats.cells import numbers, settle
from ..formats.files import FileContents
from .measured import Roles
from .names import ROLE_WORDS, parse, without_unit


def allreduce_of(others: pd.DataFrame) -> str:
    """The first column of times that says by its name that it is of an all-reduce, or ``""``."""
    kinds = ((str(name), column.dtype.kind) for name, column in others.items())
    named = re.compile(r"all_?reduce|nccl|collective|(^|_)comm(unication)?(_|$)")
    return next((n for n, kind in kinds if kind in "fi" and named.search(parse(n).whole)), "")


def own_seconds(calls: pd.DataFrame, column: str, retries: Retries) -> pd.DataFrame:
    """The calls with each worker's own seconds: step - (all-reduce - the shortest of its round).
    Who comes last does not wait, so that its all-reduce is the transfer alone; that is left in
    everybody's own time. Of several rows of a worker and round the last one counts. Raises
    UnusableFile: an all-reduce takes longer than its step, or steps are to be added."""
    if retries == "sum":
        raise UnusableFile(f"steps with {short(column)} are not added: --retries last")
    counted = calls[calls["seconds"].notna()].sort_values("try", kind="stable")
    counted = counted.drop_duplicates(["worker", "round"], keep="last")
    least = calls["round"].map(counted.groupby("round")["allreduce"].min())
    own = calls["seconds"] - (calls["allreduce"] - least)
    if (own < 0).any():
        row = int(own.index[(own < 0).to_numpy()][0]) + 1
        remedy = "say --columns seconds=...,allreduce=..., and units in their names if they differ"
        raise UnusableFile(f"row {row}: {short(column)} is longer than its step: {remedy}")
    return calls.assign(seconds=own)


def require_stages(options: Reading) -> None:
    """Refuse a column that is named twice, and a whole step as a stage (UnusableFile)."""
    if twice := [n for index, n in enumerate(options.named) if n in options.named[:index]]:
        raise UnusableFile(f"--columns names {short(twice[0])} twice; valid: each column once")
    for name in options.stages:
        if ROLE_WORDS.get(parse(name).base.removesuffix("_time")) == "round":
            text = f"column {short(name)} is a whole step by its name, and no stage"
            raise UnusableFile(f"{text}: say --columns {quote(f'seconds={name},stages=...')}")


def with_sum(contents: FileContents, role: Roles, options: Reading) -> tuple[FileContents, Roles]:
    """With a column that adds up the stages of a step, where no other is its seconds. Raises
    UnusableFile: the stages cannot be added, or cannot be told apart."""
    stages = options.stages
    if not stages:
        return contents, role
    if options.asked.get("allreduce") or options.retries == "sum":
        no = "allreduce=" if options.asked.get("allreduce") else "--retries sum"
        raise UnusableFile(f"{no} cannot stand beside stages=: who ends a stage needs neither")
    if "seconds" in role or "start" in role:
        return contents, role
    units = [contents.unit_of(name) for name in stages]
    if odd := [name for name, unit in zip(stages, units, strict=True) if unit != units[0]]:
        text = f"stages {short(stages[0])} and {short(odd[0])} are in different units"
        remedy = "rename one, or name the column of the whole step"
        raise UnusableFile(f"{text} by their names: {remedy}")
    gaps = options.missing != "refuse"
    total = sum(numbers(contents.frame[name], "a stage", "", gaps)[0] for name in stages)
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
    values, _ = numbers(contents.frame[name], "a part of a step", "", options.missing != "refuse")
    if np.any(values < 0):
        raise UnusableFile(f"column {short(name)} is negative; --columns {kind}=... names another")
    unit = (
        contents.unit_of(name)
        or contents.unit_of(role.get("seconds") or role["start"])
        or contents.unit
    )
    return settle(options.unit, unit, f"column {short(name)}", None).seconds(values)
