"""How a family is drawn: its own colour, line and marker in every picture."""

from __future__ import annotations

from experiments.fit.frames import CONFIG
from experiments.pictures.style import Look

LOOKS: dict[str, Look] = {
    CONFIG: Look("#000000", "o", (0, (5, 1.5)), "fitted config"),
    "mixture": Look("#D55E00", "P", "-", "two lognormals"),
    "lognormal": Look("#0072B2", "s", (0, (5, 1.5)), "lognormal"),
    "gamma": Look("#009E73", "^", (0, (1.5, 1.2)), "gamma"),
    "weibull": Look("#CC79A7", "v", (0, (6, 1.5, 1.5, 1.5)), "Weibull"),
    "shifted_exponential": Look("#E69F00", "D", "-", "shifted exponential"),
    "exponential": Look("#56B4E9", "X", (0, (5, 1.5)), "exponential"),
    "pareto": Look("#A89A00", "<", (0, (1.5, 1.2)), "Pareto"),
}
