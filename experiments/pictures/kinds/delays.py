"""The delay models of a run or sweep: how likely each delay is, and what waiting for k costs.

``config.yaml`` says which delays the run read, so they are drawn again: a table of them would be
larger than all others together. Rounds beyond the run's are drawn where they are like any other
round, else further replications of the run. A run with ``engine: law`` read no delays; these have
the same law."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

import numpy as np
from typing_extensions import override

from ....delay_models import DelayModel, Tape
from ....delay_models.base import ReplayedDelays
from ....sim.base.errors import ConfigError
from ....sim.base.types import FloatArray
from ...run.reader import Records, comparable, numbered, short_text
from ...text import left_out
from ..base import PictureKind
from ..looks import DASHED, DOTTED, INK, LONG_DASHED, SOLID, LineStyle, Look, ramp
from ..picture import Axis, Band, Curve, Panel, Picture

if TYPE_CHECKING:
    from ...config.cells import Cell

CONCERNED = ("delay", "workers", "seed", "iterations")  # settings that say which delays there are
MAX_TAPES = 64  # replications at most, however short the run: each tape draws a whole block
CLOSED_FORM_LOOK = Look(INK, "", "--", "dashed: closed form")
SHUFFLED_LOOK = Look(INK, "", ":", "dotted: the same delays, shuffled")
SAMPLE_WIDTH = 1.6  # points that a line is wide; the closed form over it stays visible


@final
@dataclass(frozen=True, eq=False)
class Sample:
    """Delays of one model, ``(rounds, workers)`` seconds: the rounds of all replications."""

    title: str
    model: DelayModel
    seconds: FloatArray


@final
class DelaysKind(PictureKind):
    """Density, survival function and mean order statistics; a line for each swept value."""

    name = "delays"
    title = "The delays"
    caption = "How likely each delay is, and how long it takes until k of n workers are done."
    rank = 80
    section = "delays-drawn"

    @override
    def obstacle(self, records: Records) -> str | None:
        """Needs a config whose delay model can be built (the file of a trace may be gone)."""
        if records.config is None:
            return "there is no config.yaml"
        try:
            samples(records, most=1, delays=1)
        except ConfigError as error:
            return f"config.yaml: {error}"
        return None

    @override
    def picture(self, records: Records, band: Band | None = None) -> Picture:
        """Three panels side by side; with so many delays a spread would not be visible."""
        drawn, hidden = samples(records)
        lines: Iterator[LineStyle] = cycle((SOLID, DASHED, DOTTED, LONG_DASHED))
        ways = zip(drawn, ramp(len(drawn)), lines, strict=False)
        first = [(sample, Look(colour, "", line, sample.title)) for sample, colour, line in ways]
        later = [(sample, replace(look, title="")) for sample, look in first]
        panels = [density(first), survival(later), order_statistics(later)]
        height = 3.5 + 0.12 * len(drawn) + 0.25 * (hidden > 0)
        heading = left_out(hidden, "delay model", "of the sweep")
        last = [CLOSED_FORM_LOOK.title, SHUFFLED_LOOK.title]
        return Picture(panels, 3, 9.4, height, heading=heading, last=last)


def samples(records: Records, most: int = 6, delays: int = 2**17) -> tuple[list[Sample], int]:
    """Delays of each model (and number of workers) of the config, and how many are left out: more
    than six lines are not legible. ``delays`` are drawn for each model, if ``MAX_TAPES``
    replications have so many. Raises ConfigError: the config or its delay model cannot be built."""
    from ...config.cells import cells  # only here: a config names engines and learners

    assert records.config is not None
    models: dict[str, Cell] = {}
    keys = [key for key in records.swept() if _is_concerned(key)]
    points = {*map(comparable, records.summary[keys].to_numpy(dtype=object).tolist())}
    for cell in cells(_delays_alone(records.config, records.directory)):
        if keys and comparable([cell.swept.get(key) for key in keys]) not in points:
            continue
        settings = cell.settings
        facts = (cell.document["delay"], settings.workers, settings.seed, settings.iterations)
        models.setdefault(json.dumps(facts, sort_keys=True, default=str), cell)
    if not models:
        raise ConfigError("its sweep has none of the points of the tables")
    chosen = [_sample(cell, len(models) == 1, delays) for cell in [*models.values()][:most]]
    titles = numbered([sample.title for sample in chosen])
    named = [replace(sample, title=title) for sample, title in zip(chosen, titles, strict=True)]
    return named, len(models) - len(chosen)


def _is_concerned(key: str) -> bool:
    return key.split(".")[0] in CONCERNED


def _delays_alone(config: Mapping[str, Any], directory: Path) -> dict[str, Any]:
    """A config of the same delays. Who waits for them does not matter, and may be of a plugin,
    whose code is not run to look at a result."""
    from ...config.document import anchored

    own = {key: value for key, value in config.items() if key in (*CONCERNED, "plugins")}
    sweep = config.get("sweep")
    swept = sweep.items() if isinstance(sweep, Mapping) else ()
    own["sweep"] = {key: values for key, values in swept if _is_concerned(key)}
    own["schemes"] = [{"name": "uncoded"}]
    return anchored(own, directory)


def _sample(cell: Cell, alone: bool, delays: int) -> Sample:
    settings, model, n = cell.settings, cell.settings.delay, cell.settings.workers
    enough = -(-delays // n)
    rounds = min(settings.iterations, model.rounds_available() or settings.iterations, enough)
    replications = min(MAX_TAPES, -(-enough // rounds))
    if model.independent:
        rounds, replications = enough, 1
    elif isinstance(model, ReplayedDelays):
        replications = 1
    tapes = [Tape(model, n, settings.seed, r) for r in range(replications)]
    seconds = np.concatenate([tape.rows(0, rounds) for tape in tapes])
    own = {key: short_text(value) for key, value in cell.swept.items()}
    names = {key: "" if key == "delay" else f"{key.removeprefix('delay.')} = " for key in own}
    swept = ", ".join(names[key] + text for key, text in own.items())
    return Sample(short_text(cell.document["delay"]) if alone else swept, model, seconds)


def density(drawn: list[tuple[Sample, Look]], share: float = 0.95) -> Panel:
    """Histograms over 60 common bins; their areas are the shares of the delays shown: ``share`` of
    them. The survival function shows the rest."""
    low = min(float(sample.seconds.min()) for sample, _ in drawn)
    high = max(float(np.quantile(sample.seconds, share)) for sample, _ in drawn)
    spread = high - low
    margin = 0.02 * spread if spread > 1e-9 * high else 0.05 * high or 1.0
    edges = np.linspace(max(0.0, low - margin), high + margin, 61)
    curves = []
    for sample, look in drawn:
        counts, _ = np.histogram(sample.seconds, edges)
        height = counts / (sample.seconds.size * np.diff(edges))
        x, y = np.append(edges[0], edges), np.concatenate([[0.0], height, [0.0]])
        curves.append(Curve(look, x, y, steps=True, width=SAMPLE_WIDTH))
    label = f"delay (s), up to the {100 * share:.0f} % quantile"
    seconds = Axis(label, low=edges[0], high=edges[-1])
    return Panel(seconds, Axis("density (1/s)", low=0.0), curves, "density")


def survival(drawn: list[tuple[Sample, Look]]) -> Panel:
    """Share of delays that are longer, with the closed form where there is one."""
    longest, shortest, curves = 0.0, np.inf, []
    for sample, look in drawn:
        ordered = np.sort(sample.seconds, axis=None)
        if ordered[-1] == 0:  # a logarithmic axis has no place for it
            continue
        share = np.geomspace(1, 1 / ordered.size, 400)
        seconds = ordered[np.minimum(((1 - share) * ordered.size).astype(int), ordered.size - 1)]
        seconds, share = np.append(seconds[0], seconds), np.append(1.0, share)
        curves.append(Curve(look, seconds, share, width=SAMPLE_WIDTH))
        longest = max(longest, float(seconds[-1]))
        shortest = min(shortest, float(np.quantile(ordered, 0.001)))
        at = np.geomspace(max(seconds[0], 1e-6 * seconds[-1]), seconds[-1], 200)
        if (longer := sample.model.survival(at)) is not None:
            curves.append(Curve(CLOSED_FORM_LOOK, at, longer, width=0.9))
    if longest == 0:
        longest = shortest = 1.0
    shortest = max(shortest, 1e-4 * longest)
    ticks = (1, 2, 5) if longest < 20 * shortest else ()
    least = 1 / max(sample.seconds.size for sample, _ in drawn)
    x = Axis("seconds x (s)", True, ticks, 0.9 * shortest, 1.1 * longest)
    y = Axis("share of delays longer than x", log=True, low=least, high=1.3)
    return Panel(x, y, curves, "survival")


def order_statistics(drawn: list[tuple[Sample, Look]]) -> Panel:
    """Mean time until k of n workers are done, and what it would be if cells were independent."""
    wide, curves = False, []
    for sample, look in drawn:
        n = sample.seconds.shape[1]
        heard = np.arange(1, n + 1) / n
        means = mean_order_statistics(sample.seconds)
        alone = replace(look, marker="o") if n == 1 else look
        curves.append(Curve(alone, heard, means, width=SAMPLE_WIDTH))
        if not sample.model.independent:
            apart = mean_order_statistics(shuffled(sample.seconds))
            curves.append(Curve(SHUFFLED_LOOK, heard, apart, width=1.0))
            wide |= bool(apart[-1] > 30 * apart[0])
        wide |= bool(means[-1] > 30 * means[0])
    x = Axis("share of workers done, k/n", low=0.0, high=1.02)
    y = Axis("mean k-th smallest delay (s)", log=wide, low=None if wide else 0.0)
    return Panel(x, y, curves, "order statistics")


def mean_order_statistics(seconds: FloatArray) -> FloatArray:
    """Mean k-th smallest delay of a round, k = 1 to n: ``(rounds, n) -> (n,)``."""
    return np.asarray(np.sort(seconds, axis=1).mean(axis=0))


def shuffled(seconds: FloatArray) -> FloatArray:
    """The same delays in other cells: what workers and rounds have in common is gone."""
    return np.random.default_rng(0).permutation(seconds.ravel()).reshape(seconds.shape)
