"""``manifest.json``: where a result came from. The only file that differs between equal runs."""

from __future__ import annotations

import importlib.metadata
import json
import platform
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..outputs import Origin

PACKAGES = ("numpy", "scipy", "simpy", "pandas", "pyarrow", "scikit-learn", "erasurehead-simulator")


def manifest(
    seed: int,
    wall_seconds: float,
    warnings: Sequence[str],
    cells: Mapping[str, Mapping[str, Any]],
    origin: Origin,
) -> dict[str, Any]:
    """Versions, seed, commit, host, wall time, warnings, origin, and each finished cell."""
    where = provenance()
    return {
        "versions": where["versions"],
        "seed": seed,
        "commit": where["commit"],
        "host": where["host"],
        "wall_seconds": round(wall_seconds, 3),
        "warnings": list(warnings),
        "origin": asdict(origin),
        "cells": cells,
    }


def provenance() -> dict[str, Any]:
    """Versions, commit and host."""
    return {
        "versions": {
            "python": platform.python_version(),
            **{package: _version(package) for package in PACKAGES},
        },
        "commit": _commit(),
        "host": platform.node(),
    }


def to_json(document: Mapping[str, Any]) -> bytes:
    """The bytes of ``manifest.json``, indented for people."""
    return (json.dumps(document, indent=2, default=str) + "\n").encode()


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _commit() -> str | None:
    try:
        answer = subprocess.run(
            ["git", "rev-parse", "HEAD"],
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.strip()
