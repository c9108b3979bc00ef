"""What the options of a command say of a measured table."""

from __future__ import annotations

from collections.abc import Sequence

from ..delay_models.tables.measured import Missing, Reading, Retries, Unit, parse_columns
from .config.errors import at


def reading(
    columns: str | None,
    drop: Sequence[str],
    unit: Unit | None,
    missing: Missing,
    retries: Retries,
) -> Reading:
    """The options as one value.

    Args:
        columns: ``worker=host,seconds=duration_ms``.
        drop: names of columns, of which one text may hold several with commas between.
        unit: of times.
        missing: what a missing delay is.
        retries: what several rows of one worker and round are.

    Raises:
        ConfigError: ``columns`` is not like that.
    """
    try:
        roles = parse_columns(columns)
    except ValueError as error:
        raise at("--columns", columns, str(error)) from None
    names = [name.strip() for text in drop for name in text.split(",")]
    return Reading(roles, tuple(filter(None, names)), unit, missing, retries)
