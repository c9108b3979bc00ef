"""What is known of a scheme, read from its docstring."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from inspect import cleandoc

from ...sim.schemes.base import SchemeFamily
from ..config.codec import names
from ..described import prose_of, section_of

FACTS = {
    "load": "Load",
    "stop": "Stop",
    "decoding": "Decoding",
    "error": "Decoding error",
    "time": "Mean iteration time",
    "source": "Source",
    "confirmed": "Confirmed by",
    "ours": "Our own choice",
}
"""The entries of a docstring's ``Facts``, and how the page names them."""

NOT_SAID = "not said."

SOURCE = re.compile(r"^Sources?: (?P<text>(?:.+\n?)+)", re.MULTILINE)


@dataclass(frozen=True)
class Entry:
    """A section of the page.

    Attributes:
        name: the scheme's registry name.
        prose: paragraphs, the first of them what it is in a sentence or two.
        fields: keys of a config's section.
        facts: by the keys of ``FACTS``, all of them.
    """

    name: str
    prose: tuple[str, ...]
    fields: tuple[str, ...]
    facts: Mapping[str, str]


def entry_of(family: type[SchemeFamily]) -> Entry:
    """The section of a scheme; where no ``source`` is given, the module's is taken."""
    facts = section_of(family, "Facts")
    facts.setdefault("source", _source_of_module(family))
    said = {key: facts.get(key) or NOT_SAID for key in FACTS}
    return Entry(family.name, tuple(prose_of(family)), names(family), said)


def _source_of_module(family: type) -> str:
    module = sys.modules[family.__module__]
    found = SOURCE.search(cleandoc(module.__doc__ or ""))
    return " ".join(found["text"].split()) if found else ""
