"""Small tables of delays that ship with the program, from Python."""

from __future__ import annotations

import os
from pathlib import Path

from erasurehead.api.face import face
from erasurehead.api.result import folder_of
from erasurehead.experiments.commands.samples import write_sample


@face
def sample(name: str, folder: str | os.PathLike[str] | None = None) -> Path:
    """Write a sample table, ``slow_host``, ``cut_rounds`` or ``llm_steps``, without a network, and
    return its path, for ``read_table``, ``whatif`` or ``fit``; ``erasurehead data`` says what each
    is. Raises ``ConfigError``: there is no such sample, or another file of its name is there.

    Args:
        folder: where it goes; default ``$ERASUREHEAD_DATA``, else ``data``.
    """
    given = folder or os.environ.get("ERASUREHEAD_DATA") or "data"
    return write_sample(name, folder_of("folder", given))
