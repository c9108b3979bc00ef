"""Names that commands had in version 0.3. This version still takes them, and tells the new words.

To drop them: remove this file, its test, and the two lines of ``cli.py`` that name it."""

from __future__ import annotations

from collections.abc import Sequence

from ...sim.base.errors import ConfigError
from ..page.terminal import tell

# the old name, and what stands in its place on a command line
ALIASES = {
    "atlas": "make atlas (in a checkout)",
    "attack": "verify --worst",
    "cite": "report --cite",
    "compare": "report",
    "measure": "live --measure results/measured.csv",
    "schema": "list --schema",
}


def in_new_words(arguments: Sequence[str]) -> list[str]:
    """The command line as it is written today; a line on stderr says what became of an old name.
    Raises ConfigError: ``atlas``, which only a checkout has."""
    words = list(arguments)
    old = words[0] if words else ""
    if old not in ALIASES:
        return words
    told = f"{old} is now: {ALIASES[old]}"
    others = words[1:]
    if old == "atlas":
        raise ConfigError(told)
    tell(told)
    if old == "measure":  # whose table was its --output; the last one given counts
        others = [
            f"--measure{word.removeprefix('--output')}"
            if word.partition("=")[0] == "--output"
            else word
            for word in others
        ]
    return [*ALIASES[old].split(), *others]
