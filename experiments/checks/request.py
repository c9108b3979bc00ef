"""What ``verify`` is asked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from ..options import MOST_ROUNDS, AllowLarge, option, whole


@dataclass(frozen=True)
class VerifyRequest:
    """What ``verify`` simulates, and where it writes."""

    replications: Annotated[int, whole(1000, MOST_ROUNDS, "Independent rounds of each scheme.")] = (
        200_000
    )
    engine: Annotated[
        Literal["batch", "event"], option("The event engine takes two minutes for 10000 rounds.")
    ] = "batch"
    seed: Annotated[int, whole(0, 2**63 - 1, "Seed of the delays.")] = 0
    output: Annotated[Path | None, option("Also write verify.parquet and verify.csv here.")] = None
    allow_large: AllowLarge = False
