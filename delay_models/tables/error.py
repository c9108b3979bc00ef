"""How a table is refused, and the layouts that are accepted."""

from __future__ import annotations

import re

OPTION = re.compile(r"--(columns|drop|unit|missing|retries) ")


class TableError(ValueError):
    """A table of delays that cannot be used; the message names the file and the defect."""

    def __init__(self, path: str, defect: str) -> None:
        super().__init__(f"{path}: {defect}")
        self.path = path
        self.defect = defect


def layouts() -> str:
    """The accepted layouts in one phrase, for every error that needs it."""
    return (
        "valid: rounds x workers; or columns worker, round, seconds, or the like of host, step, "
        "duration_ms; else say --columns worker=...,round=...,seconds=..."
    )


def as_fields(text: str) -> str:
    """An error's remedies as fields of a config or arguments in Python: ``unit: ms``."""
    return OPTION.sub(r"\1: ", text)
