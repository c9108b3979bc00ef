"""Parts of a step: the wait for the slowest worker that an all-reduce hides in it, and stages. Two
signs, of docs/traces.md, tell a table of steps that end when the slowest worker has come."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import special

from ...sim.files import UnusableFile, short
from ..base import FloatArray
from .columns import ALIASES, numbers, parse, settle, without_unit
from .files import Held
from .measured import Reading, Retries, Roles
from .odd_columns import as_word

# Standard deviation among the workers of a typical round, over their median, up to which they look
# alike; and of nine rounds in ten, for a coarse clock hides what is less than a tick. Ranks that
# wait for each other may differ by ``OFFSET`` for good, by clocks and by what waiting takes. Beside
# that, they look alike up to ``NOISE`` of a coarse clock, if rounds differ by ``COMMON`` times what
# independent workers would make of it: own times of equal machines come as near as 3e-3.
ALIKE, NEARLY = 1e-3, 1e-2
OFFSET, NOISE, COMMON = 0.03, 2.5e-3, 9.0
UNLIKE = 0.03  # that chance gives some rank offset far below all others
BLOCK = 10  # rounds whose differences are added up
CHANCE, LARGEST = 1e-3, 0.5  # that chance makes sums so small; and the largest ratio that counts
# Correlation with the round before up to which a wait ends there, and with some rounds ago from
# which on workers take turns at being slow: that cancels in sums as well.
NEXT, RHYTHM = -0.25, 0.4
FEWEST = 20  # differences of workers, (n - 1) times rounds, from which on it can be told
# Rounds, and workers, looked at: of more, the first rounds, and workers at equal distances.
MOST = 1000
Sign = Literal["alike", "carried", ""]


def waiting(table: FloatArray) -> Sign:
    """Whether ``(T, n)`` seconds include the wait for the slowest worker of each round: ``alike``
    (or equal workers), ``carried``; empty: they need not. Only rounds with all workers count."""
    part = table[:MOST, :: -(-table.shape[1] // MOST)]
    part = part[np.isfinite(part).all(axis=1)]
    part = part[np.median(part, axis=1) > 0]
    if (part.shape[1] - 1) * len(part) < FEWEST:
        return ""
    if alike(part):
        return "alike"
    ratio, most = carried(part)
    if ratio > most:
        return ""
    # Correlations of differences from the round's mean with those 1 to ``BLOCK`` rounds before.
    beyond = part - part.mean(axis=1, keepdims=True)
    square = float(np.square(beyond).mean())
    lags = range(1, BLOCK + 1)
    before, *earlier = (float(np.mean(beyond[lag:] * beyond[:-lag])) / square for lag in lags)
    return "carried" if before <= NEXT and max(earlier) < RHYTHM else ""


def alike(table: FloatArray) -> bool:
    """Whether the workers of ``(T, n)`` seconds > 0 take equally long in each round, but for a
    factor of each that is near 1 in all rounds. What that factor hides is at most ``OFFSET``."""
    factors = np.median(table / np.median(table, axis=1, keepdims=True), axis=0)
    if np.abs(factors - 1).max() > OFFSET:
        return False
    own = table / factors
    apart, (rounds, n) = spread(own), table.shape
    if apart > NOISE or spread(own, 0.9) > NEARLY:
        return False
    means = own.mean(axis=1)
    within = float(np.square(own - means[:, None]).sum()) / max((rounds - 1) * (n - 1), 1)
    return apart <= ALIKE or n * float(means.var(ddof=1)) > COMMON * within


def waited_for(table: FloatArray) -> int | None:
    """The worker whom the others of ``(T, n)`` seconds > 0, which include waiting, probably wait
    for: it alone does not have what waiting costs, so its times are the shortest, by more than the
    others differ. ``None``: chance would give some worker such an offset in ``UNLIKE`` of tables.
    Source: Grubbs, Ann. Math. Statist. 21 (1950), the outlier of a normal sample."""
    offsets = (table / np.median(table, axis=1, keepdims=True)).mean(axis=0)
    n, first = len(offsets), int(np.argmin(offsets))
    others = np.delete(offsets, first)
    if n < 4 or (deviation := float(others.std(ddof=1))) <= 0:
        return None
    beyond = (others.mean() - offsets[first]) / (deviation * np.sqrt(1 + 1 / (n - 1)))
    return first if n * special.stdtr(n - 2, -beyond) <= UNLIKE else None


def spread(table: FloatArray, share: float = 0.5) -> float:
    """Standard deviation over median of a round's workers, of ``(T, n)`` seconds > 0: as large as
    in the typical round, or as this share of them has at most."""
    return float(np.quantile(table.std(axis=1, ddof=1) / np.median(table, axis=1), share))


def carried(table: FloatArray) -> tuple[float, float]:
    """How far differences of ``(T, n)`` seconds from the round's mean are made up for within blocks
    of rounds, and the largest ratio that chance does not make; 0 for fewer than two blocks. The
    squared sums over blocks, over the sum of squares: 1 for independent times, more for lasting
    differences, and about 1 / ``BLOCK`` where a wait that begins late ends as much earlier."""
    blocks, n = len(table) // BLOCK, table.shape[1]
    if blocks < 2:
        return 1.0, 0.0
    beyond = table[: blocks * BLOCK] - table[: blocks * BLOCK].mean(axis=1, keepdims=True)
    squares = float(np.square(beyond).sum())
    sums = beyond.reshape(blocks, BLOCK, n).sum(axis=1)
    freedom = (n - 1) * blocks
    by_chance = 2 * float(special.gammaincinv(freedom / 2, CHANCE)) / freedom
    ratio = float(np.square(sums).sum()) / squares if squares > 0 else 1.0
    return ratio, min(LARGEST, by_chance)


def known_above(rounds: int, workers: int) -> float:
    """Where a worker's own law is known from so many maxima of workers that are alike: above this
    value of its distribution function, that of the smallest maximum."""
    return float(rounds ** (-1 / workers))


def waiting_note(table: FloatArray, column: str = "", by_stage: bool = False) -> str:
    """What to know of a table that includes the wait, a line; empty: it need not. ``column`` looks
    like the time of an all-reduce; ``by_stage``: stages are named, and tell who is slow."""
    sign = waiting(table)
    if not sign:
        return ""
    unless = ", unless the workers are equal" if sign == "alike" else ""
    text = f"these times include waiting for the slowest (all ranks look alike){unless}"
    if by_stage:
        return f"{text}: who is slow is told by stage"
    share = 100 * known_above(*table.shape)
    return (
        f"{text}: only the law of the maximum can be known from them (and, of workers that are "
        f"alike, their own above its {share:.3g} % quantile); own times need an all-reduce column "
        f"(--columns allreduce={as_word(column or '...')}) or profiler traces"
    )


ALLREDUCE = re.compile(r"all_?reduce|nccl|collective|(^|_)comm(unication)?(_|$)")


def allreduce_of(others: pd.DataFrame) -> str:
    """The first column of times that says by its name that it is of an all-reduce, or ``""``."""
    kinds = ((str(name), column.dtype.kind) for name, column in others.items())
    return next((n for n, kind in kinds if kind in "fi" and ALLREDUCE.search(parse(n).whole)), "")


def own_seconds(calls: pd.DataFrame, column: str, retries: Retries) -> pd.DataFrame:
    """The calls with each worker's own seconds: step - (all-reduce - the shortest of its round).
    Who comes last does not wait, so that its all-reduce is the transfer alone; that is left in
    everybody's own time. Of several rows of a worker and round the last one counts. Raises
    UnusableFile: an all-reduce takes longer than its step, or steps are to be added."""
    if retries == "sum":
        text = f"steps with an all-reduce, {short(column)}, are not added"
        raise UnusableFile(f"{text}: --retries last")
    counted = calls[calls["seconds"].notna()].drop_duplicates(["worker", "round"], keep="last")
    least = calls["round"].map(counted.groupby("round")["allreduce"].min())
    own = calls["seconds"] - (calls["allreduce"] - least)
    if (own < 0).any():
        row = int(own.index[(own < 0).to_numpy()][0]) + 1
        remedy = "say --columns seconds=...,allreduce=..., and units in their names if they differ"
        raise UnusableFile(f"row {row}: {short(column)} is longer than its step: {remedy}")
    return calls.assign(seconds=own)


def require_stages(reading: Reading) -> None:
    """Refuse a column that is named twice, and a whole step as a stage (UnusableFile)."""
    if twice := [n for place, n in enumerate(reading.named) if n in reading.named[:place]]:
        raise UnusableFile(f"--columns names {short(twice[0])} twice; valid: each column once")
    for name in reading.stages:
        if parse(name).base.removesuffix("_time") in ALIASES["round"]:
            text = f"column {short(name)} is a whole step by its name, and no stage"
            raise UnusableFile(f"{text}: say --columns seconds={short(name)},stages=...")


def with_sum(held: Held, role: Roles, reading: Reading) -> tuple[Held, Roles]:
    """With a column that adds up the stages of a step, where no other is its seconds. Raises
    UnusableFile: the stages cannot be added, or cannot be told apart."""
    stages = reading.stages
    if not stages:
        return held, role
    if reading.columns.get("allreduce") or reading.retries == "sum":
        no = "allreduce=" if reading.columns.get("allreduce") else "--retries sum"
        raise UnusableFile(f"{no} cannot stand beside stages=: who ends a stage needs neither")
    if "seconds" in role or "start" in role:
        return held, role
    units = [held.unit_of(name) for name in stages]
    if odd := [name for name, unit in zip(stages, units, strict=True) if unit != units[0]]:
        text = f"stages {short(stages[0])} and {short(odd[0])} are in different units"
        remedy = "rename one, or name the column of the whole step"
        raise UnusableFile(f"{text} by their names: {remedy}")
    gaps = reading.missing != "refuse"
    total = sum(numbers(held.frame[name], "a stage", "", gaps)[0] for name in stages)
    name = "+".join(stages)
    return replace(held, frame=held.frame.assign(**{name: total})), {**role, "seconds": name}


OVERLAP = 0.01  # share of a step by which its stages may be longer: their digits are rounded
NO_STAGE = "no stage"


def stage_seconds(
    calls: pd.DataFrame, named: Sequence[str], table: FloatArray, at: tuple[NDArray[np.int64], ...]
) -> dict[str, FloatArray]:
    """Seconds of each stage, ``(rounds, n)``, and of what no stage names; they add up to the table.
    Raises UnusableFile: stages take longer than their step."""
    found: dict[str, FloatArray] = {}
    if not named:
        return found
    total = calls[[*range(len(named))]].sum(axis=1, skipna=False)
    over = (total > (1 + OVERLAP) * calls["seconds"]).to_numpy()
    if over.any():
        row = int(calls.index[over][0]) + 1
        text = f"row {row}: stages {short('+'.join(named))} take longer than their step"
        raise UnusableFile(f"{text}: do they overlap? name those alone that follow each other")
    left = table
    for place, name in enumerate(named):
        part = np.full(table.shape, np.nan)
        part[at] = calls[place].to_numpy()
        part = np.minimum(part, left)
        plain = without_unit(name)
        found[name if plain in found else plain] = part
        left = left - part
    if (left > 1e-9 * table).any():
        found[NO_STAGE if NO_STAGE not in found else f"{NO_STAGE} named"] = left
    return found


def part_of_step(held: Held, role: Roles, reading: Reading, name: str, kind: str) -> FloatArray:
    """Seconds of a column beside that of the step, whose unit it has if nothing else is said."""
    values, _ = numbers(held.frame[name], "a part of a step", "", reading.missing != "refuse")
    if np.any(values < 0):
        raise UnusableFile(f"column {short(name)} is negative; --columns {kind}=... names another")
    unit = held.unit_of(name) or held.unit_of(role.get("seconds") or role["start"]) or held.unit
    return settle(reading.unit, unit, f"column {short(name)}", None).seconds(values)
