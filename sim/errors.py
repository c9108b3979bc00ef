"""The errors that the simulator raises on purpose, each with everything a reader needs."""

from __future__ import annotations

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
    """

    def __init__(self, iteration: int, missing: list[int]) -> None:
        shown = ", ".join(map(str, missing[:10])) + (", ..." if len(missing) > 10 else "")
        super().__init__(
            f"iteration {iteration} can never end: the master needs more messages, "
            f"but no message will ever come from {len(missing)} worker(s): {shown}"
        )
        self.iteration = iteration
        self.missing = missing
