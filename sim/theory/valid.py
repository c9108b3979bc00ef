"""Checks of arguments, for every public function here: each raises ``InvalidParameter``."""

from __future__ import annotations

from math import isfinite
from numbers import Integral

from ..errors import InvalidParameter
from ..fields import require_divisor


def require_count(field: str, value: int, least: int = 1, **most: int) -> None:
    """Require a whole number >= ``least``; a limit is given by its name, such as ``workers=30``."""
    valid = f"must be a whole number >= {least}"
    for name, limit in most.items():
        valid = f"must be a whole number between {least} and {name} = {limit}"
    whole = isinstance(value, Integral) and not isinstance(value, bool)
    if not whole or value < least or any(value > limit for limit in most.values()):
        raise InvalidParameter(field, value, valid)


def require_group(load: int, workers: int) -> None:
    """Require a load that divides the number of workers."""
    require_count("workers", workers)
    require_count("load", load)
    require_divisor(load, workers)


def require_positive(field: str, value: float) -> None:
    """Require a finite number > 0."""
    if not (isfinite(value) and value > 0):
        raise InvalidParameter(field, value, "must be a finite number > 0")


def require_non_negative(field: str, value: float) -> None:
    """Require a finite number >= 0."""
    if not (isfinite(value) and value >= 0):
        raise InvalidParameter(field, value, "must be a finite number >= 0")
