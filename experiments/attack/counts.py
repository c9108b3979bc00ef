"""``--stragglers``: which numbers of stragglers are looked at."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from ..config.errors import at

RANGE = re.compile(r"0*([0-9]{1,9})(?::0*([0-9]{1,9}))?")
VALID = "must be numbers or ranges A:B (both included), with commas between"

SMALL, MOST = 10, 30
"""Without the option: every number up to ``SMALL``, and ``MOST`` numbers or so in all."""


def counts(text: str | None, workers: int) -> Sequence[int]:
    """Numbers of stragglers, ascending; by default from 0 to half of the workers.

    Raises:
        ConfigError: not numbers and ranges, or more stragglers than workers.
    """
    if text is None:
        last = max(1, workers // 2)
        if last <= MOST:
            return range(last + 1)
        rest = np.linspace(SMALL, last, MOST - SMALL).round().astype(int)
        return sorted({*range(SMALL), *rest.tolist()})
    found = set[int]()
    for part in text.split(","):
        match = RANGE.fullmatch(part.strip())
        if match is None:
            raise at("--stragglers", text, VALID)
        first, last = int(match[1]), int(match[2] or match[1])
        if not first <= last <= workers:
            valid = f"must be from 0 to workers = {workers}, the smaller number first"
            raise at("--stragglers", text, valid)
        found |= {*range(first, last + 1)}
    return sorted(found)
