"""The page of the words by which tables are read, made from their one table."""

from __future__ import annotations

from erasurehead.delay_models.measured.names.vocabulary import GROUPS, VOCABULARY
from website.markdown import plain, table

HEAD = """# Words of tables

A [table of measured delays](../traces.md) is read by its names, and these are the words that are
known. They stand in `delay_models/measured/names/vocabulary.py`: a new word is a word more there.
"""


def page() -> str:
    """The page: a part for each group of words."""
    parts = [HEAD]
    for group, what in GROUPS.items():
        entries = [entry for entry in VOCABULARY if entry.group == group]
        rows = [[plain(entry.meaning), plain(", ".join(entry.words.split()))] for entry in entries]
        parts += [f"## {group.capitalize()}", what, table(["meaning", "words"], rows)]
    return "\n\n".join(parts)
