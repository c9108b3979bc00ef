"""``erasurehead plot``: every kind that a run's records support, as PNG and SVG."""

from __future__ import annotations

from pathlib import Path

from experiments.config.errors import ConfigError, at, one_of
from experiments.pictures import style
from experiments.pictures.kinds import KINDS
from experiments.pictures.records import read


def plot(directory: Path, kind: str | None) -> tuple[list[Path], list[str]]:
    """Draw one kind, or all that can be drawn, under ``directory/plots``.

    Returns:
        The files written, and for each kind that was left out a line that says why.

    Raises:
        ConfigError: no records, an unknown kind, or one that these records cannot give.
    """
    if kind is not None and kind not in KINDS:
        raise at("--kind", kind, one_of(KINDS, kind))
    records = read(directory)
    wanted = {kind: KINDS[kind]} if kind is not None else KINDS
    obstacles = {name: reason for name, k in wanted.items() if (reason := k.obstacle(records))}
    if len(obstacles) == len(wanted):
        name, reason = next(iter(obstacles.items()))
        raise ConfigError(f"{directory}: {name} cannot be drawn: {reason}")
    written: list[Path] = []
    for name, chosen in wanted.items():
        if name not in obstacles:
            written += style.save(chosen.draw(records), directory / "plots" / name)
    return written, [f"{name} left out: {reason}" for name, reason in obstacles.items()]
