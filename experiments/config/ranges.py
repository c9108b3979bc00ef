"""Many values in few letters, for sweeps.

- ``range(a, b[, step])``: a, a + step, ... as long as it is before b, as in Python; fractions too;
- ``linspace(a, b, m)``: m numbers at equal distances, both ends included;
- ``logspace(a, b, m)``: ten to the powers ``linspace(a, b, m)``, as in NumPy.

Decimals are exact: ``range(0, 1, 0.1)`` has 0.3 and not 0.30000000000000004.
"""

from __future__ import annotations

import math
import re
from fractions import Fraction

from .errors import at

MOST_POINTS = 100_000
"""Points of a grid, and values of a range: more are a mistake."""

VALID = "must be range(a, b[, step]), linspace(a, b, m) or logspace(a, b, m), with numbers"

_CALL = re.compile(r"\s*(range|linspace|logspace)\s*\((.*)\)\s*", re.DOTALL)
_WHOLE = re.compile(r"[-+]?[0-9]{1,15}")
_NUMBER = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]{1,3})?")


def values(text: object, place: str) -> list[int] | list[float] | None:
    """The values of a range, or ``None`` for anything else.

    Raises:
        ConfigError: it is a range, but a wrong one; ``place`` is where it stands.
    """
    call = _CALL.fullmatch(text) if isinstance(text, str) else None
    if call is None:
        return None
    name, arguments = call[1], [part.strip() for part in call[2].split(",")]
    if len(arguments) not in ((2, 3) if name == "range" else (3,)):
        raise at(place, text, VALID)
    if not all(_NUMBER.fullmatch(each) and math.isfinite(float(each)) for each in arguments):
        raise at(place, text, VALID)
    first, last, third = [_exact(each) for each in [*arguments, "1"][:3]]
    if name == "range":
        count = Fraction(math.ceil((last - first) / third) if third else 0)
        step = third
    else:
        count = third
        step = (last - first) / (count - 1 if count > 1 else 1)
    if name == "range" and step == 0:
        raise at(place, text, "the step must not be 0")
    if name == "range" and count < 1:
        raise at(place, text, "holds no value; to count down, give a negative step")
    if count.denominator > 1:
        raise at(place, text, "the number of values must be a whole number")
    if not 1 <= count <= MOST_POINTS:
        raise at(place, text, f"must have 1 to {MOST_POINTS} values")
    numbers = [first + i * step for i in range(int(count))]
    if name == "range" and all(_WHOLE.fullmatch(each) for each in arguments):
        return [int(number) for number in numbers]
    found = [_power(number) if name == "logspace" else float(number) for number in numbers]
    if not all(math.isfinite(number) for number in found):
        raise at(place, text, "the powers of ten must be at most 308")
    return found


def _exact(text: str) -> Fraction:
    """The number that is meant: the shortest decimal of the nearest float."""
    return Fraction(text if _WHOLE.fullmatch(text) else repr(float(text)))


def _power(exponent: Fraction) -> float:
    """Ten to a power; to a whole one the nearest float."""
    if exponent.denominator == 1:
        return float(f"1e{exponent}")
    return 10.0 ** float(exponent) if exponent < 308 else math.inf
