"""How laws and measured numbers are drawn, and what stands on every page of a fit."""

from __future__ import annotations

from ...page.content import CommandLine
from ...pictures.looks import DASHED, DOTTED, GRID_COLOUR, LONG_DASHED, MUTED, SOLID, Look
from .config import CONFIG

DELAY = "delay.yaml"
RUN_IT = CommandLine(
    "Simulate these workers, in the folder of this result; the config takes your schemes:",
    f"erasurehead run {DELAY}",
)

FAMILY_LOOKS = {  # how a family is drawn in every picture
    CONFIG: Look("#000000", "o", DASHED, "fitted config"),
    "mixture": Look("#D55E00", "P", SOLID, "mixture"),
    "lognormal": Look("#0072B2", "s", DASHED, "lognormal"),
    "gamma": Look("#009E73", "^", DOTTED, "gamma"),
    "weibull": Look("#CC79A7", "v", LONG_DASHED, "weibull"),
    "shifted_exponential": Look("#E69F00", "D", SOLID, "shifted_exponential"),
    "exponential": Look("#56B4E9", "X", DASHED, "exponential"),
    "pareto": Look("#A89A00", "<", DOTTED, "pareto"),
    "empirical": Look("#7A7A7A", "*", (0, (3, 1)), "empirical"),
}

MEASURED = Look(MUTED, "", SOLID, "measured")
WITHOUT_COLD_STARTS = Look(GRID_COLOUR, "", SOLID, "measured, no cold starts")
DIAGONAL = Look(MUTED, "", SOLID, "")


def look_of(family: object) -> Look:
    """How a family is drawn."""
    return FAMILY_LOOKS.get(str(family), Look(MUTED, "o", SOLID, str(family)))
