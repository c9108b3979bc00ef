"""On which machine a record was written: bits of numbers depend on it."""

from __future__ import annotations

import hashlib
import json
import platform
from functools import cache
from importlib.metadata import version

import numpy as np
import sklearn  # loads the libraries that threadpoolctl looks at
from threadpoolctl import threadpool_info

LIBRARIES = ("pandas", "scipy", "matplotlib", "typer", "rich")


@cache
def machine() -> str:
    """A hash of what the last bit of a number and the place of a text depend on."""
    from numpy._core._multiarray_umath import __cpu_features__ as features

    kernels = {str(info.get("architecture")) for info in threadpool_info()}
    known = {
        "python": ".".join(platform.python_version_tuple()[:2]),
        "numpy": np.__version__,
        "sklearn": sklearn.__version__,
        "blas": " ".join(sorted(kernels)),
        "cpu": hash_of(json.dumps(features, sort_keys=True)),
    }
    return hash_of(json.dumps(known | {name: version(name) for name in LIBRARIES}))


def hash_of(content: str | bytes) -> str:
    """Twelve letters."""
    data = content.encode() if isinstance(content, str) else content
    return hashlib.sha256(data).hexdigest()[:12]
