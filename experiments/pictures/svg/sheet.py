"""What the pictures of one page share: colours, markers, and the numbers of their schemes."""

from __future__ import annotations

from dataclasses import dataclass, field

from .inks import Inks
from .symbols import Symbols


@dataclass
class Sheet:
    """One page.

    Attributes:
        inks: its colours.
        symbols: its markers and hatches.
        keys: the number of each entry of the legends, by title: a scheme has one number on the
            whole page, so that it can be hidden in all pictures at once.
    """

    inks: Inks = field(default_factory=Inks)
    symbols: Symbols = field(default_factory=Symbols)
    keys: dict[str, int] = field(default_factory=dict)

    def key(self, title: str) -> int:
        """The number of an entry."""
        return self.keys.setdefault(title, len(self.keys))
