"""On the reference page a class lists its fields with the comments that stand at them.

In the source a field is explained once, in a comment behind it or right above it; a class whose
docstring has a section of its own for them keeps that one.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # it is there only where the site is built
    Extension = object
else:
    from griffe import Extension

SECTION = re.compile(r"^(Args|Attributes):$", re.MULTILINE)
FIELD = re.compile(r"    (?P<name>[a-zA-Z]\w*): (?:.*?)(?:  # (?P<comment>.*))?$")


class FieldComments(Extension):
    """Adds a section of attributes to the docstrings of classes with commented fields."""

    def on_class_members(self, *, cls: Any, **kwargs: Any) -> None:
        """Reads the comments of a class that was loaded."""
        if cls.docstring is None or SECTION.search(cls.docstring.value):
            return
        entries = dict(comments(cls.lines))
        if any(entries.values()):
            listed = "".join(f"\n    {name}: {text}" for name, text in entries.items() if text)
            cls.docstring.value += f"\n\nAttributes:{listed}"


def comments(lines: list[str]) -> list[tuple[str, str]]:
    """The fields in the lines of a class, each with its comment or an empty text."""
    found, above = [], list[str]()
    for line in lines:
        if line.startswith("    # "):
            above.append(line[6:])
            continue
        if field := FIELD.match(line):
            found.append((field["name"], field["comment"] or " ".join(above)))
        above = []
    return found
