"""What ``verify`` is asked: to compare with closed forms, or to find the worst stragglers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from ..options import MOST_ROUNDS, AllowLarge, option, whole

# sets of stragglers that may be decoded for each code and number of stragglers
MOST_SETS = 10**7
SEARCHING = "With --worst"  # a box of the help
Output = Annotated[
    Path | None,
    option("Also write verify.parquet and .csv here; with --worst default results/attack/<name>/."),
]


@dataclass(frozen=True)
class VerifyRequest:
    """What ``verify`` simulates, and where it writes."""

    replications: Annotated[int, whole(1000, MOST_ROUNDS, "Rounds of each scheme.")] = 200_000
    engine: Annotated[
        Literal["batch", "event"], option("The event engine takes 2 min for 10000 rounds.")
    ] = "batch"
    seed: Annotated[int, whole(0, 2**63 - 1, "Seed of the delays.")] = 0
    output: Output = None
    allow_large: AllowLarge = False


@dataclass(frozen=True)
class WorstRequest:
    """Which stragglers ``verify --worst`` searches, how hard, and where it writes."""

    stragglers: Annotated[
        str | None,
        option(
            "Numbers of stragglers; default 0 to half the workers.",
            metavar="A:B,...",
            panel=SEARCHING,
        ),
    ] = None
    budget: Annotated[
        int | None,
        whole(
            0,
            MOST_SETS,
            "Decode all sets if there are at most N, else search at the cost of N decodings; "
            "default about ten seconds.",
            SEARCHING,
        ),
    ] = None
    samples: Annotated[int, whole(2, MOST_SETS, "Random sets for a mean.", SEARCHING)] = 400
    output: Output = None
