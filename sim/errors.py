"""The errors that the simulator raises on purpose, each with everything a reader needs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any


class InvalidParameter(ValueError):
    """A parameter that cannot work with the others.

    Life cycle: raised by a scheme, problem or optimizer; the command line puts the place in the
    config in front of ``field`` and exits with code 2.

    Args:
        field: the parameter's name in the config.
        value: what was given.
        valid: what would be valid, as a clause ("must divide workers = 30: 1, 2, 3, ...").
    """

    def __init__(self, field: str, value: Any, valid: str) -> None:
        super().__init__(f"{field} = {value!r}: {valid}")
        self.field = field
        self.value = value
        self.valid = valid


class NeverEnough(RuntimeError):
    """The master waits for messages that can never arrive (dead workers, a deadlock).

    Args:
        iteration: the round that cannot end, counted from 1.
        missing: indices (from 0) of the workers that the master has not heard and never will.
        waited: seconds after which the master gave up; ``None`` when nothing more can happen.
    """

    def __init__(self, iteration: int, missing: list[int], waited: float | None = None) -> None:
        shown = ", ".join(map(str, missing[:10])) + (", ..." if len(missing) > 10 else "")
        reason = (
            "can never end: the master needs more messages, but no message will ever come"
            if waited is None
            else f"has not ended after max_wait = {waited:g} s: no message has come"
        )
        super().__init__(f"iteration {iteration} {reason} from {len(missing)} worker(s): {shown}")
        self.iteration = iteration
        self.missing = missing


class EngineRefused(ValueError):
    """The chosen engine cannot run this; the message is the reason."""


class DataNotFound(FileNotFoundError):
    """A data set that users bring themselves is not where the simulator looks.

    Args:
        dataset: the data set's name in the config.
        names: file names that would do; a ``.gz`` beside each is understood.
        looked: the directories that were searched, in order.
        origin: where to get the file.
    """

    def __init__(
        self, dataset: str, names: Sequence[str], looked: Sequence[Path], origin: str
    ) -> None:
        places = ", ".join(map(str, looked)) or "nowhere: no data directory is known"
        super().__init__(
            f"dataset {dataset} needs one of these files: {', '.join(names)} (or .gz); "
            f"looked in {places}. Get it from {origin}, and name its directory "
            "in the environment variable ERASUREHEAD_DATA"
        )
        self.dataset = dataset
        self.names = list(names)
        self.looked = list(looked)
        self.origin = origin
