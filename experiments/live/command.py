"""``erasurehead live``: every cell of a config on real workers, and the tables of a run."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from math import inf
from pathlib import Path
from typing import Any

from ...sim.engines.simulate import simulate
from ..config import build
from ..config.cells import Cell, cells, resolved
from ..config.document import write_yaml
from ..config.errors import ConfigError, Failed, at
from ..options import LiveRequest
from ..page import terminal
from ..run import files
from ..run.command import Outcome, Progress, write_result
from ..run.compute import CellResult
from ..run.estimate import Room, check
from ..run.outputs import CONFIG, FILES, make_way
from ..run.records import diverged, summary_table
from .cell import Facts, How, play
from .worker import refusal

SAME = 1e-9  # models this close, of their length, are the same up to round-off


def show_live(outcome: Outcome, facts: Sequence[Facts]) -> None:
    """What messages cost, and whether the simulator finds the same models."""
    if not facts:
        return
    message = f"{max(each.message for each in facts):.2g} s of the config"
    everybody = f"an empty round of all workers {max(each.round for each in facts):.2g} s"
    terminal.say(f"an empty message there and back takes {message}, {everybody}")
    for (cell, _), each in zip(outcome.finished, facts, strict=True):
        if each.replayed is not None and not each.replayed.model <= SAME:
            away = f"the models are {each.replayed.model:.1g} of their length from those"
            same = "that the simulator finds for the same arrivals"
            terminal.tell(f"warning: {cell.label}: {away} {same}")
    if known := [each.replayed.model for each in facts if each.replayed is not None]:
        same = f"the same models, to {max(known):.1g} of their length"
        terminal.say(f"from the same arrivals the simulator finds {same}")


LONGEST = 86_400.0  # seconds that a live run may take unless the caller allows more
SLOW = re.compile(r"([0-9]{1,6})=([0-9.]+(?:e[+-]?[0-9]+)?)")


def read_how(asked: LiveRequest) -> How:
    """On which workers, at which pace. Raises ConfigError: a wrong value, or a scale of nothing."""
    scale, injected = asked.time_scale, not asked.no_injection
    if not 0 < scale < inf:
        raise at("--time-scale", scale, "must be a number above 0")
    if not injected and scale != 1:
        raise at("--time-scale", scale, "scales delays, and --no-injection has none: leave it out")
    return How(asked.scheduler, scale, injected, slowed(asked.slow))


def slowed(given: list[str] | None) -> tuple[tuple[int, float], ...]:
    """``WORKER=FACTOR``, as pairs. Raises ConfigError: it is not that, or the factor is below 1."""
    pairs = []
    for text in given or []:
        match = SLOW.fullmatch(text)
        if match is None or not 1 <= float(match[2]) < inf:
            raise at("--slow", text, "must be WORKER=FACTOR, such as 3=2.5, the factor at least 1")
        pairs.append((int(match[1]), float(match[2])))
    return tuple(pairs)


def run_live(
    document: Mapping[str, Any],
    output: Path,
    asked: LiveRequest,
    progress: Progress,
    reads: Sequence[Path] = (),
) -> tuple[Outcome, list[Facts]]:
    """Run every cell of a config on real workers, one after the other; write the tables.
    ``progress`` is told of iterations done, and in all; the files in ``reads`` are not replaced.
    Returns what became of the cells, and what each says besides its tables. Raises ConfigError: the
    config or ``output`` is bad, it cannot be run live, or the cluster cannot be reached."""
    began, at_once = time.monotonic(), datetime.now(UTC).isoformat()
    how = read_how(asked)
    grid = cells(document, asked.data_dir)
    checked = check(grid, Room() if asked.allow_large else Room.here(output))
    possible = [cell for cell in grid if cell.key not in checked.impossible]
    total = _check(possible, how, asked.allow_large)
    config = resolved(document)
    failed = [(cell, checked.impossible[cell.key]) for cell in grid if cell not in possible]
    finished, facts = list[tuple[Cell, CellResult]](), list[Facts]()
    seconds: dict[str, float] = {}
    with files.output_folder(output, FILES, reads), files.folder_made(output):
        files.require_writable(output)
        if make_way(output, config):
            terminal.say(f"{output} held another run: its tables and pictures go, its cells stay")
        files.write_bytes(output / CONFIG, write_yaml(config).encode())
        for cell, became, taken in _played(possible, how, progress, total):
            if isinstance(became, str):
                failed.append((cell, became))
                continue
            finished.append((cell, became[0]))
            facts.append(became[1])
            seconds[cell.key] = taken
        summary = summary_table(finished, simulated=False)
        summary["live"] = True
        warnings = [*checked.warnings, *diverged(finished)]
        late = max((each.late or 0.0 for each in facts), default=0.0)
        if late > 0.01:
            warnings.append(
                f"up to {late:.0%} of a scheme's messages were late, since computing took longer "
                "than their delays: a larger --time-scale makes them comparable with a simulation"
            )
        outcome = Outcome(finished, failed, seconds, summary, tuple(warnings))
        live = {
            "began": at_once,
            "workers": how.scheduler or "processes of this machine",
            "time_scale": how.scale,
            "injected": how.injected,
            "slow": {str(worker): factor for worker, factor in how.slow},
            "cells": {c.key: asdict(said) for (c, _), said in zip(finished, facts, strict=True)},
        }
        write_result(config, output, outcome, time.monotonic() - began, live)
    return outcome, facts


def _played(
    grid: Sequence[Cell], how: How, progress: Progress, total: int
) -> Iterator[tuple[Cell, tuple[CellResult, Facts] | str, float]]:
    done = 0
    progress(0, total)

    def count() -> None:
        nonlocal done
        done += 1
        progress(done, total)

    for cell in grid:
        started, before = time.monotonic(), done
        became: tuple[CellResult, Facts] | str
        try:
            became = play(cell, how, count)
        except Failed as error:
            became = str(error)
            done = before + build.iterations(cell.settings) * cell.settings.replications
        yield cell, became, round(time.monotonic() - started, 3)


def _check(grid: list[Cell], how: How, allow_large: bool) -> int:
    """Refuse what cannot run (ConfigError), and say how long the rest takes; returns iterations."""
    total, expected = 0, 0.0
    for cell in grid:
        build.require_delays(cell, "a run on real workers")
        timed = build.timing(cell)
        if (reason := refusal(timed, how.injected)) is not None:
            raise ConfigError(f"schemes: {reason}")
        for worker, _ in how.slow:
            if worker >= timed.scheme.workers:
                raise at("--slow", worker, f"must be a worker from 0 to {timed.scheme.workers - 1}")
        total += timed.iterations * len(timed.tapes)
        if how.injected:
            times = simulate(timed, cell.settings.engine, heard=False, work=False).times
            expected += float(times[:, -1].sum()) * how.scale
    if not expected <= LONGEST and not allow_large:
        less = "take fewer replications or iterations or a smaller --time-scale"
        text = f"the delays take {expected / 3600:.3g} h in real time"
        raise ConfigError(f"{text}; {less}, or allow it with --allow-large")
    if how.injected:
        terminal.say(f"the delays take about {expected:.3g} s in real time")
    return total
