"""What a cell's numbers come from besides its config: our source files, and the libraries."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path

# folders whose code a cell's numbers can come from; a test compares them with what is imported
CODE_FOLDERS = ("sim", "delay_models", "experiments/config", "experiments/run")
# packages whose version can change a number
LIBRARIES = ("numpy", "scipy", "simpy", "pandas", "scikit-learn", "networkx")


@cache
def installed() -> Mapping[str, str]:
    """The libraries' versions, and a hash of our source files."""
    root = Path(__file__).parents[2]
    digest = hashlib.sha256()
    for source in CODE_FOLDERS:
        for file in sorted(root.joinpath(source).rglob("*.py")):
            digest.update(file.relative_to(root).as_posix().encode() + file.read_bytes())
    versions = {library: importlib.metadata.version(library) for library in LIBRARIES}
    return versions | {"code of erasurehead": digest.hexdigest()[:16]}


def code_fingerprint() -> str:
    """Hash of what is ``installed``: 8 hexadecimal digits."""
    return hashlib.sha256(json.dumps(installed()).encode()).hexdigest()[:8]
